package app

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/resources"
)

// Logs shows the logs of services, each line after the name of its service.
func Logs(c *Call) error {
	s, err := c.needReader()
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
	if c.Opt.Logs.Follow {
		return c.followLogs(s.Inspect, containers, c.Opt.Logs)
	}
	return c.allLogs(s.Inspect, containers, c.Opt.Logs)
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
		return !slices.ContainsFunc(c.declared.Resources, func(r *resources.Resource) bool {
			return IsRunnable(r.Addr.Kind) &&
				matches(r.Addr, pattern)
		})
	})
}

// allLogs reads the logs one after the other, so that the lines of each stay
// together. When one cannot be read the others go on; its error is returned at
// the end.
func (c *Call) allLogs(inspect Inspector, containers []report.ContainerView, o LogOptions) error {
	errs := make([]error, len(containers))
	for i, l := range containers {
		errs[i] = c.readLog(inspect, l, o)
	}
	return errors.Join(errs...)
}

// relook is how often what follows the logs looks for containers that were
// started since.
const relook = time.Second

// followLogs reads all logs at the same time, and goes on with what is started
// meanwhile: a container that was started again, its replacement, a service that
// is new. It ends with an interrupt, or when only jobs were asked for and all of
// them have ended. When one log cannot be read the others go on; its error is
// returned at the end.
func (c *Call) followLogs(inspect Inspector, containers []report.ContainerView, o LogOptions) error {
	type result struct {
		of  report.ContainerView
		err error
	}
	var (
		ended = make(chan result)
		open  = map[string]bool{}
		read  = map[string]time.Time{} // by container, when the run was started that was read last
		errs  []error
	)
	follow := func(l report.ContainerView) {
		o := o
		if _, again := read[l.ID]; again {
			o.Tail, o.Since, o.ThisRun = "all", "", true
		}
		open[l.ID], read[l.ID] = true, l.Started
		go func() {
			err := c.readLog(inspect, l, o)
			select {
			case ended <- result{l, err}:
			case <-c.Context.Done():
			}
		}()
	}
	for _, l := range containers {
		follow(l)
	}
	onlyJobs := len(c.Opt.Args) > 0 && !slices.ContainsFunc(containers, func(l report.ContainerView) bool { return l.Addr.Kind != "job" })
	ticker := time.NewTicker(relook)
	defer ticker.Stop()
	for len(open) > 0 || !onlyJobs {
		select {
		case <-c.Context.Done():
			return report.Shown(c.Context.Err()) // an interrupt is how following ends
		case r := <-ended:
			delete(open, r.of.ID)
			errs = append(errs, r.err)
			continue
		case <-ticker.C:
		}
		// What cannot be listed now, as while the engine restarts, can be in a moment.
		now, err := inspect.Containers(c.Context, c.declared.Stack)
		if err != nil {
			continue
		}
		var more []report.ContainerView
		for _, l := range now {
			started, known := read[l.ID]
			if !open[l.ID] && !l.Started.IsZero() && !(known && started.Equal(l.Started)) && c.named(l.Addr) {
				more = append(more, l)
			}
		}
		if len(more) == 0 {
			continue
		}
		containers = append(containers, more...)
		c.tell(report.LogsOpened{Containers: containers})
		for _, l := range more {
			follow(l)
		}
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
