package main

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
)

// isRunnable reports whether resources of the kind are containers.
func isRunnable(kind string) bool { return kind == "service" || kind == "job" }

// ps lists services and jobs.
func ps(c *call) error {
	if err := c.need(); err != nil {
		return c.failed(err)
	}
	s, err := c.openReader()
	if err != nil {
		return c.failed(err)
	}
	defer s.close()
	looks, err := c.services(s)
	if err != nil {
		return c.failed(err)
	}
	if looks, err = c.chosen(looks); err != nil {
		return err
	}
	return c.show(report.Services{Stack: c.declared.Stack, Looks: looks})
}

// services returns the services and jobs that are declared or have a
// container, in order of address. Only their own readers are asked.
func (c *call) services(s *sight) ([]report.ServiceLook, error) {
	containers, err := s.look.containers(c.ctx, c.declared.Stack)
	if err != nil {
		return nil, err
	}
	readers := map[string]resources.Reader{}
	for kind, r := range s.readers {
		if isRunnable(kind) {
			readers[kind] = r
		}
	}
	seen, err := engine.Observe(c.ctx, readers, c.declared, resources.Scope{Stack: c.declared.Stack, Owned: true})
	if err != nil {
		return nil, err
	}
	p := engine.MakePlan(c.declared, seen, engine.Options{Allow: []string{resources.DataLoss}, AllowEmpty: true})
	var out []report.ServiceLook
	for _, l := range containers {
		out = append(out, report.ServiceLook{ContainerLook: l, Change: p.Change(l.Addr)})
	}
	for _, r := range c.declared.Resources {
		has := func(l report.ServiceLook) bool { return l.Addr == r.Addr }
		if isRunnable(r.Addr.Kind) && !r.Dormant && !slices.ContainsFunc(out, has) {
			out = append(out, report.ServiceLook{ContainerLook: report.ContainerLook{Addr: r.Addr}, Change: p.Change(r.Addr)})
		}
	}
	slices.SortStableFunc(out, func(a, b report.ServiceLook) int { return a.Addr.Compare(b.Addr) })
	return out, nil
}

// chosen keeps what the arguments name: keys of the spec, addresses, or globs
// of either.
func (c *call) chosen(looks []report.ServiceLook) ([]report.ServiceLook, error) {
	if len(c.opt.args) == 0 {
		return looks, nil
	}
	var out []report.ServiceLook
	for _, l := range looks {
		if slices.ContainsFunc(c.opt.args, func(a string) bool { return matches(l.Addr, a) }) {
			out = append(out, l)
		}
	}
	for _, a := range c.opt.args {
		if !slices.ContainsFunc(out, func(l report.ServiceLook) bool { return matches(l.Addr, a) }) {
			var names []string
			for _, l := range looks {
				names = append(names, l.Addr.Name)
			}
			return nil, fmt.Errorf("no service or job is called %q: there are %s", a, listOr(names, "none"))
		}
	}
	return out, nil
}

func matches(a resources.Addr, pattern string) bool {
	if a.Name == pattern || a.Match(pattern) {
		return true
	}
	ok, err := path.Match(pattern, a.Name)
	return err == nil && ok
}

func listOr(names []string, none string) string {
	if len(names) == 0 {
		return none
	}
	return strings.Join(names, ", ")
}
