package app

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/resources"
)

// Logs shows the logs of services, each line after the name of its service.
func Logs(c *Call) error {
	if err := c.need(); err != nil {
		return err
	}
	s, err := c.openReader()
	if err != nil {
		return err
	}
	defer s.Close()
	containers, err := s.Inspect.Containers(c.Context, c.declared.Stack)
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
	return c.followAll(s.Inspect, containers, c.Opt.Logs)
}

// chosenLogs keeps the containers that the arguments name.
func (c *Call) chosenLogs(all []report.ContainerView) ([]report.ContainerView, error) {
	looks := make([]report.ServiceView, len(all))
	for i, l := range all {
		looks[i] = report.ServiceView{ContainerView: l}
	}
	looks, err := c.chosen(looks)
	if err != nil {
		return nil, err
	}
	out := make([]report.ContainerView, len(looks))
	for i, l := range looks {
		out[i] = l.ContainerView
	}
	return out, nil
}

// knowsArgs reports whether each argument names a service or job of the spec.
func (c *Call) knowsArgs() bool {
	return !slices.ContainsFunc(c.Opt.Args, func(pattern string) bool {
		return !slices.ContainsFunc(c.declared.Resources, func(r *resources.Resource) bool { return IsRunnable(r.Addr.Kind) && matches(r.Addr, pattern) })
	})
}

// followAll reads all logs at the same time. When one cannot be read the
// others go on; its error is returned at the end.
func (c *Call) followAll(inspect Inspector, containers []report.ContainerView, o LogOptions) error {
	errs := make([]error, len(containers))
	if !o.Follow {
		// One after the other, so that the lines of each stay together.
		for i, l := range containers {
			errs[i] = c.readLog(inspect, l, o)
		}
		return errors.Join(errs...)
	}
	var all sync.WaitGroup
	for i, l := range containers {
		all.Go(func() { errs[i] = c.readLog(inspect, l, o) })
	}
	all.Wait()
	if err := c.Context.Err(); err != nil {
		return report.Shown(err) // an interrupt is how following ends
	}
	return errors.Join(errs...)
}

func (c *Call) readLog(inspect Inspector, l report.ContainerView, o LogOptions) error {
	if err := inspect.Logs(c.Context, l, o, func(line LogLine) {
		c.tell(report.LogLine{Addr: l.Addr, Text: line.Text, At: line.at, Stderr: line.Stderr})
	}); err != nil {
		return fmt.Errorf("logs of %s: %w", l.Addr, err)
	}
	return nil
}
