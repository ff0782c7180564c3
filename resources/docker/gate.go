package docker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/dockerapi"
)

// Await waits for the gate of a service or job. It learns of changes from the
// engine's events, and probes the service itself meanwhile: the engine's own
// first probe comes only after a full interval, 30 s by default.
func (w containerWriter) Await(ctx context.Context, r *resources.Resource, note resources.Note) error {
	spec := gateOf(r)
	c, err := w.awaitedWithin(ctx, r, spec.Timeout, note)
	if err != nil {
		return err
	}
	if c == nil {
		if done, err := w.e.ReadEngine.done(ctx, r); done || err != nil {
			return err
		}
		return &resources.GateError{Addr: r.Addr, Cause: "there is no container"}
	}
	g := &gate{w: w, r: r, spec: spec, id: c.ID, note: note, hide: hider(r, map[string]any(r.Config)), reports: make(chan report)}
	if err := g.wait(ctx); err != nil {
		return err
	}
	return w.succeeded(ctx, r)
}

// awaited returns the container whose gate counts: the replacement that this run
// has made, or else the one that is the service.
func (w containerWriter) awaited(ctx context.Context, r *resources.Resource) (*container.InspectResponse, error) {
	id, ok := w.e.isSwapping(r.Addr)
	if !ok || id == "" {
		family, err := w.family(ctx, r)
		if err != nil {
			return nil, err
		}
		main, _ := pickContainer(family, containerName(r))
		if main == nil {
			return nil, nil
		}
		id = main.id
	}
	c, err := w.inspect(ctx, id)
	if cerrdefs.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("inspect container %s: %w", shortID(id), err)
	}
	return &c, nil
}

// awaitedWithin asks again while the engine does not answer: it says nothing of a
// container that it is starting, which takes long on a busy host.
func (w containerWriter) awaitedWithin(ctx context.Context, r *resources.Resource, limit time.Duration,
	note resources.Note) (*container.InspectResponse, error) {
	for end := w.e.now().Add(limit); ; {
		c, err := w.awaited(ctx, r)
		switch {
		case !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil:
			return c, err
		case !w.e.now().Before(end):
			return nil, &resources.GateError{Addr: r.Addr, Cause: fmt.Sprintf("the engine did not say within %v how its container is: %s", limit,
				dockerapi.OneLine(err.Error()))}
		}
		note("the engine does not say how its container is: %s", dockerapi.OneLine(err.Error()))
	}
}

// Restore puts the old container back when the one whose gate has failed was put
// in its place by a run that was killed: nobody else will.
func (w containerWriter) Restore(ctx context.Context, r *resources.Resource) (bool, error) {
	c, err := w.awaited(ctx, r)
	if err != nil || c == nil {
		return false, err
	}
	old, err := w.setAside(ctx, c)
	if err != nil || old == nil {
		return false, err
	}
	return true, w.putBack(ctx, r, old, container.RestartPolicy{})
}

// gate is one wait.
type gate struct {
	w       containerWriter
	r       *resources.Resource
	spec    gateSpec
	id      string
	note    resources.Note
	hide    func(string) string
	reports chan report

	began      time.Time
	first      *container.InspectResponse // as it was when the wait began
	conditions []*condition
	startedAt  string    // of the run that is watched
	seenAt     time.Time // when that run was first seen
	stopProbes context.CancelFunc
	lastProbe  string
	lastNote   string
	exitedAt   time.Time // when it was first seen to have exited
}

// condition is one thing that must hold.
type condition struct {
	name string
	// probe tries once. fatal ends the gate.
	probe func(ctx context.Context, c *container.InspectResponse) (ok bool, said string, fatal error)
	// follow, for a condition that is told rather than asked, calls tell.
	follow func(ctx context.Context, c *container.InspectResponse, tell func(ok bool, said string, fatal error))
	// firstPause and maxPause are the times between two tries.
	firstPause, maxPause time.Duration
	met                  bool
}

// report is what a probe has found out.
type report struct {
	of        *condition
	startedAt string
	ok        bool
	said      string
	fatal     error
}

// recheck is how often a gate looks by itself: events may be lost.
const recheck = 2 * time.Second

// wait looks at the container whenever something happened to it or a probe
// reports, until all conditions hold or none can any more.
func (g *gate) wait(ctx context.Context) error {
	wake, unwatch := g.w.e.pulse.watch(g.id)
	defer unwatch()
	g.began = time.Now()
	deadline := time.NewTimer(g.spec.Timeout)
	defer deadline.Stop()
	probing, stop := context.WithCancel(ctx)
	defer stop()
	defer func() {
		if g.stopProbes != nil {
			g.stopProbes()
		}
	}()
	for {
		next, done, err := g.look(probing)
		if done || err != nil {
			return err
		}
		timer := time.NewTimer(next)
		select {
		case <-wake:
		case rep := <-g.reports:
			if err := g.take(ctx, rep); err != nil {
				timer.Stop()
				return err
			}
		case <-timer.C:
		case <-deadline.C:
			timer.Stop()
			return g.timedOut(ctx)
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		timer.Stop()
	}
}

// look inspects the container and decides. Without a decision, it returns when
// to look again at the latest.
func (g *gate) look(ctx context.Context) (next time.Duration, done bool, err error) {
	ictx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	c, err := g.w.e.api.ContainerInspect(ictx, g.id)
	switch {
	case cerrdefs.IsNotFound(err):
		return 0, false, &resources.GateError{Addr: g.r.Addr, Cause: "the container is gone", Probe: g.lastProbe}
	case ctx.Err() != nil:
		return 0, false, ctx.Err()
	case err != nil:
		g.tell("the engine does not say how it is: %s", dockerapi.OneLine(err.Error()))
		return time.Second, false, nil
	}
	if g.first == nil {
		g.first = &c
		if g.conditions, err = g.conditionsOf(&c); err != nil {
			return 0, false, g.failure(ctx, &c, err.Error())
		}
	}
	if g.spec.Completed {
		return g.lookAtJob(ctx, &c)
	}
	if cause, wait := g.down(&c); cause != "" {
		return 0, false, g.failure(ctx, &c, cause)
	} else if wait > 0 {
		g.reset()
		return wait, false, nil
	}
	if c.State.StartedAt != g.startedAt {
		g.reset()
		g.startedAt, g.seenAt = c.State.StartedAt, g.w.e.now()
		g.probe(ctx, &c)
	}
	return g.judge(ctx, &c)
}

// down tells why a container that does not run will not run again, or how long
// to wait for it when it may.
func (g *gate) down(c *container.InspectResponse) (cause string, wait time.Duration) {
	s := c.State
	if g.spec.FailFast && (s.Restarting || c.RestartCount > g.first.RestartCount) {
		if code, ok := g.exitCode(c); ok {
			return fmt.Sprintf("the container exited with code %d and was restarted", code), 0
		}
		return "the container exited and was restarted", 0
	}
	switch {
	case s.Restarting:
		g.tell("restarting, after exit code %d", s.ExitCode)
		return "", recheck
	case s.Paused:
		return "the container is paused", 0
	case s.Running:
		g.exitedAt = time.Time{}
		return "", 0
	case s.Status == container.StateCreated:
		if s.Error != "" {
			return "the container was not started: " + dockerapi.OneLine(s.Error), 0
		}
		return "the container was not started", 0
	}
	// One that the engine restarts may show as exited for a moment.
	if !g.spec.FailFast && willRestart(c) {
		if g.exitedAt.IsZero() {
			g.exitedAt = time.Now()
		}
		if time.Since(g.exitedAt) < time.Second {
			return "", 200 * time.Millisecond
		}
	}
	if s.OOMKilled {
		return fmt.Sprintf("the container ran out of memory and exited with code %d", s.ExitCode), 0
	}
	return fmt.Sprintf("the container exited with code %d", s.ExitCode), 0
}

// exitCode returns the code of the last exit. A container that runs again no
// longer shows it, but an event has told.
func (g *gate) exitCode(c *container.InspectResponse) (int, bool) {
	if c.State != nil && (!c.State.Running || c.State.Restarting) && c.State.Status != container.StateCreated {
		return c.State.ExitCode, true
	}
	return g.w.e.pulse.exit(g.id)
}

// willRestart reports whether the engine's policy asks for a restart.
func willRestart(c *container.InspectResponse) bool {
	p := c.HostConfig.RestartPolicy
	switch {
	case p.IsAlways(), p.IsUnlessStopped():
		return true
	case p.IsOnFailure():
		return c.State.ExitCode != 0 && (p.MaximumRetryCount == 0 || c.RestartCount < p.MaximumRetryCount)
	}
	return false
}

// reset forgets what a run that has ended had reached.
func (g *gate) reset() {
	if g.stopProbes != nil {
		g.stopProbes()
		g.stopProbes = nil
	}
	g.startedAt = ""
	for _, cond := range g.conditions {
		cond.met = false
	}
}

// judge decides for a running container.
func (g *gate) judge(ctx context.Context, c *container.InspectResponse) (time.Duration, bool, error) {
	if health := c.State.Health; health != nil {
		for _, cond := range g.conditions {
			if cond.name != healthName {
				continue
			}
			switch healthOf(c) {
			case container.Healthy:
				cond.met = true
			case container.Unhealthy:
				if g.spec.FailFast && !cond.met && !g.w.e.isStale(c) {
					if n := len(health.Log); n > 0 && g.lastProbe == "" {
						g.lastProbe = g.hide(fmt.Sprintf("health check: exit %d: %s", health.Log[n-1].ExitCode, dockerapi.OneLine(health.Log[n-1].Output)))
					}
					return 0, false, g.failure(ctx, c, "the health check failed")
				}
			}
		}
	}
	for _, cond := range g.conditions {
		if !cond.met {
			return recheck, false, nil
		}
	}
	if g.spec.StableFor <= 0 || g.spec.Auto && g.hasCondition(healthName) {
		return 0, true, nil
	}
	ran := g.ran()
	if ran >= g.spec.StableFor {
		return 0, true, nil
	}
	g.tell("running, stable in %s", resources.ShowDuration((g.spec.StableFor - ran).Round(100*time.Millisecond)))
	// A clock that is not the engine's may be off by a little.
	return min(g.spec.StableFor-ran+time.Millisecond, recheck), false, nil
}

// startSkew is more than the engine needs between noting a start and having
// made it: Docker 26 and later note the time before they ask containerd, which
// on a busy machine answers only after hundreds of milliseconds.
const startSkew = 10 * time.Second

// ran returns for how long the run that is watched is known to last. The time
// of its start counts only when it is long past: it may be earlier than that of
// the process, so a run that is young counts from when it was first seen.
func (g *gate) ran() time.Duration {
	started := parseTime(g.startedAt)
	if g.seenAt.Sub(started) < startSkew {
		started = g.seenAt
	}
	return g.w.e.now().Sub(started)
}

func (g *gate) hasCondition(name string) bool {
	for _, cond := range g.conditions {
		if cond.name == name {
			return true
		}
	}
	return false
}

func parseTime(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}
	}
	return t
}

// lookAtJob decides for a job: it is ready when it has ended with 0.
func (g *gate) lookAtJob(ctx context.Context, c *container.InspectResponse) (time.Duration, bool, error) {
	s := c.State
	switch {
	case s.Running, s.Restarting, s.Paused:
		if s.StartedAt != g.startedAt {
			g.reset()
			g.startedAt = s.StartedAt
			g.probe(ctx, c) // its output, for people
		}
		return recheck, false, nil
	case s.Status == container.StateCreated:
		return 0, false, g.failure(ctx, c, "the job was not started")
	case s.ExitCode == 0:
		return 0, true, nil
	case willRestart(c):
		return 200 * time.Millisecond, false, nil
	case s.OOMKilled:
		return 0, false, g.failure(ctx, c, fmt.Sprintf("the job ran out of memory and exited with code %d", s.ExitCode))
	default:
		return 0, false, g.failure(ctx, c, fmt.Sprintf("the job exited with code %d", s.ExitCode))
	}
}

// probe starts what finds out about each condition, until the run ends or the
// condition holds.
func (g *gate) probe(ctx context.Context, c *container.InspectResponse) {
	ctx, g.stopProbes = context.WithCancel(ctx)
	for _, cond := range g.conditions {
		if cond.met || cond.name == healthName && c.State.Health != nil && c.State.Health.Status == container.Healthy {
			continue
		}
		tell := func(ok bool, said string, fatal error) bool {
			select {
			case g.reports <- report{of: cond, startedAt: c.State.StartedAt, ok: ok, said: said, fatal: fatal}:
				return true
			case <-ctx.Done():
				return false
			}
		}
		if cond.follow != nil {
			go cond.follow(ctx, c, func(ok bool, said string, fatal error) { tell(ok, said, fatal) })
			continue
		}
		go func() {
			for pause := cond.firstPause; ; pause = min(pause*3/2, cond.maxPause) {
				if dockerapi.Sleep(ctx, pause) != nil {
					return
				}
				ok, said, fatal := cond.probe(ctx, c)
				if ctx.Err() != nil || !tell(ok, said, fatal) || ok || fatal != nil {
					return
				}
			}
		}()
	}
}

// take notes what a probe reports. Reports of an earlier run do not count.
func (g *gate) take(ctx context.Context, rep report) error {
	if rep.startedAt != g.startedAt {
		return nil
	}
	if rep.said != "" {
		g.lastProbe = g.hide(rep.said)
	}
	switch {
	case rep.fatal != nil:
		return g.failure(ctx, nil, rep.fatal.Error())
	case rep.ok:
		rep.of.met = true
	case rep.said != "":
		g.tell("%s", rep.said)
	}
	return nil
}

// tell passes on what was last seen, once.
func (g *gate) tell(format string, args ...any) {
	text := g.hide(fmt.Sprintf(format, args...))
	if text != g.lastNote {
		g.lastNote = text
		g.note("%s", text)
	}
}

func (g *gate) timedOut(ctx context.Context) error {
	var waiting []string
	for _, cond := range g.conditions {
		if !cond.met && cond.name != outputName {
			waiting = append(waiting, cond.name)
		}
	}
	cause := "timed out after " + resources.ShowDuration(g.spec.Timeout)
	if len(waiting) > 0 {
		cause += ", waiting for " + strings.Join(waiting, ", ")
	}
	err := g.failure(ctx, nil, cause)
	err.TimedOut = true
	if err.Restarts > 0 {
		err.Cause += "; the container was restarted " + times(err.Restarts)
	}
	return err
}

// times counts for people.
func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// lastLogLines is how much of the log a failed gate shows.
const lastLogLines = 20

// failure gathers what a person needs to see.
func (g *gate) failure(ctx context.Context, c *container.InspectResponse, cause string) *resources.GateError {
	err := &resources.GateError{Addr: g.r.Addr, Cause: g.hide(cause), Probe: g.lastProbe, Next: resources.NextStep{Logs: g.r.Addr.Parts()[0]}}
	if _, ok := g.w.e.isSwapping(g.r.Addr); ok {
		err.Next = resources.NextStep{Container: shortID(g.id)} // the old one may have the place by then
	}
	lctx, cancel := lasting(ctx, readTimeout)
	defer cancel()
	if c == nil {
		now, inspectErr := g.w.e.api.ContainerInspect(lctx, g.id)
		if inspectErr != nil {
			return err
		}
		c = &now
	}
	if code, ok := g.exitCode(c); ok {
		err.ExitCode = &code
	}
	if c.State != nil {
		err.State, err.OOM = c.State.Status, c.State.OOMKilled
	}
	err.Restarts = c.RestartCount
	for _, line := range g.w.e.lastLines(lctx, c, lastLogLines) {
		err.Logs = append(err.Logs, g.hide(line))
	}
	return err
}
