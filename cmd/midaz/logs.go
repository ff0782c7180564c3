package main

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/resources"
)

// logs shows the logs of services, each line after the name of its service.
func logs(c *call) error {
	if err := c.need(); err != nil {
		return err
	}
	s, err := c.openReader()
	if err != nil {
		return err
	}
	defer s.close()
	containers, err := s.look.containers(c.ctx, c.declared.Stack)
	if err != nil {
		return err
	}
	if len(containers) == 0 && c.knowsArgs() {
		c.tell(report.NoContainers{Stack: c.declared.Stack})
		return nil
	}
	containers, err = c.chosenLogs(containers)
	if err != nil {
		return err
	}
	c.tell(report.LogsOpened{Containers: containers})
	return c.followAll(s.look, containers, c.opt.logs)
}

// chosenLogs keeps the containers that the arguments name.
func (c *call) chosenLogs(all []report.ContainerLook) ([]report.ContainerLook, error) {
	looks := make([]report.ServiceLook, len(all))
	for i, l := range all {
		looks[i] = report.ServiceLook{ContainerLook: l}
	}
	looks, err := c.chosen(looks)
	if err != nil {
		return nil, err
	}
	out := make([]report.ContainerLook, len(looks))
	for i, l := range looks {
		out[i] = l.ContainerLook
	}
	return out, nil
}

// knowsArgs reports whether each argument names a service or job of the spec.
func (c *call) knowsArgs() bool {
	return !slices.ContainsFunc(c.opt.args, func(pattern string) bool {
		return !slices.ContainsFunc(c.declared.Resources, func(r *resources.Resource) bool { return isRunnable(r.Addr.Kind) && matches(r.Addr, pattern) })
	})
}

// followAll reads all logs at the same time. When one cannot be read the
// others go on; its error is returned at the end.
func (c *call) followAll(look looker, containers []report.ContainerLook, o logOptions) error {
	errs := make([]error, len(containers))
	if !o.follow {
		// One after the other, so that the lines of each stay together.
		for i, l := range containers {
			errs[i] = c.readLog(look, l, o)
		}
		return errors.Join(errs...)
	}
	var all sync.WaitGroup
	for i, l := range containers {
		all.Go(func() { errs[i] = c.readLog(look, l, o) })
	}
	all.Wait()
	if err := c.ctx.Err(); err != nil {
		return report.Shown(err) // an interrupt is how following ends
	}
	return errors.Join(errs...)
}

func (c *call) readLog(look looker, l report.ContainerLook, o logOptions) error {
	if err := look.logs(c.ctx, l, o, func(line logLine) {
		c.tell(report.LogLine{Addr: l.Addr, Text: line.text, At: line.at, Stderr: line.stderr})
	}); err != nil {
		return fmt.Errorf("logs of %s: %w", l.Addr, err)
	}
	return nil
}
