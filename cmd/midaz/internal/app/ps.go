package app

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
)

// IsRunnable reports whether resources of the kind are containers.
func IsRunnable(kind string) bool { return kind == "service" || kind == "job" }

// Ps lists services and jobs.
func Ps(c *Call) error {
	s, err := c.needReader()
	if err != nil {
		return c.failed(err)
	}
	defer s.Close()
	looks, err := c.services(s)
	if err != nil {
		return c.failed(err)
	}
	if looks, err = c.chosen(looks); err != nil {
		return err
	}
	return c.Show(report.Services{Stack: c.declared.Stack, Looks: looks})
}

// services returns the services and jobs that are declared or have a
// container, in order of address. Only their own readers are asked.
func (c *Call) services(s *Session) ([]report.ServiceView, error) {
	containers, err := s.Inspect.Containers(c.Context, c.declared.Stack)
	if err != nil {
		return nil, err
	}
	readers := map[string]resources.Reader{}
	for kind, r := range s.Readers {
		if IsRunnable(kind) {
			readers[kind] = r
		}
	}
	seen, err := c.observed(readers, resources.Scope{})
	if err != nil {
		return nil, err
	}
	p := engine.MakePlan(c.declared, seen, engine.Options{Allow: []string{resources.DataLoss}, AllowEmpty: true})
	var out []report.ServiceView
	for _, l := range containers {
		out = append(out, report.ServiceView{ContainerView: l, Change: p.Change(l.Addr)})
	}
	for _, r := range c.declared.Resources {
		has := func(l report.ServiceView) bool { return l.Addr == r.Addr }
		if IsRunnable(r.Addr.Kind) && !r.Dormant && !slices.ContainsFunc(out, has) {
			out = append(out, report.ServiceView{ContainerView: report.ContainerView{Addr: r.Addr}, Change: p.Change(r.Addr)})
		}
	}
	slices.SortStableFunc(out, func(a, b report.ServiceView) int { return a.Addr.Compare(b.Addr) })
	return out, nil
}

// chosen keeps what the arguments name: keys of the spec, addresses, or globs
// of either.
func (c *Call) chosen(looks []report.ServiceView) ([]report.ServiceView, error) {
	if len(c.Opt.Args) == 0 {
		return looks, nil
	}
	var out []report.ServiceView
	for _, l := range looks {
		if c.named(l.Addr) {
			out = append(out, l)
		}
	}
	for _, a := range c.Opt.Args {
		if !slices.ContainsFunc(out, func(l report.ServiceView) bool { return matches(l.Addr, a) }) {
			var names []string
			for _, l := range looks {
				names = append(names, l.Addr.Name)
			}
			return nil, fmt.Errorf("no service or job is called %q: there are %s", a, listOr(names, "none"))
		}
	}
	return out, nil
}

// named reports whether the arguments include a service or job: without any
// arguments, all are included.
func (c *Call) named(addr resources.Addr) bool {
	return len(c.Opt.Args) == 0 || slices.ContainsFunc(c.Opt.Args, func(a string) bool { return matches(addr, a) })
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
