package app

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
)

// errDeclined: someone was asked and did not say yes.
var errDeclined = errors.New("not approved: nothing was changed")

// rounds bounds how often an apply plans again because something could only be
// seen after the round before.
const rounds = 4

// applying is one apply or destroy.
type applying struct {
	*Call
	options  engine.Options
	approved bool
	// typed says that the name of the stack must be typed in place of "yes",
	// -auto-approve or not.
	typed bool
	// confirms says that the run may remove protected objects once it is
	// confirmed with the name of the stack: see confirm.
	confirms bool
	// saved is the plan file to be applied, nil for a plan made now.
	saved *engine.Saved

	world  *Session // open for writing; nil until there is something to do
	lock   resources.Lock
	close  []func()
	counts engine.Counts
	record *record // of the journal; nil until something is done
	// worked tells that something was applied in an earlier round.
	worked bool
}

// Apply shows the plan, asks and does it; or it applies a saved plan.
func Apply(c *Call) error {
	if len(c.Opt.Args) > 0 {
		return c.applySaved(c.Opt.Args[0])
	}
	return c.carryOut(&applying{Call: c, options: c.Opt.Plan, approved: c.Opt.Approved})
}

// Up is apply, approved.
func Up(c *Call) error {
	return c.carryOut(&applying{Call: c, options: c.Opt.Plan, approved: true})
}

// Down removes the stack and keeps volumes.
func Down(c *Call) error {
	options := c.Opt.Plan
	options.Destroy, options.Keep = true, []string{"volume/*"}
	return c.carryOut(&applying{Call: c, options: options, approved: true})
}

// Destroy removes the stack, with --volumes its data too.
func Destroy(c *Call) error {
	options := c.Opt.Plan
	options.Destroy = true
	switch {
	case c.Opt.Volumes:
		options.Purge, options.Discard = true, []string{"volume/*"}
	case c.Opt.Confirm != nil:
		return c.Usage("-confirm is for -volumes", "without -volumes no protected volume is removed")
	default:
		options.Keep = []string{"volume/*"}
	}
	return c.carryOut(&applying{Call: c, options: options, approved: c.Opt.Approved, confirms: c.Opt.Volumes})
}

// confirm lifts protection where the name of the stack was given, or will be
// typed. Without either, the plan refuses what is protected.
func (a *applying) confirm() error {
	if !a.confirms {
		return nil
	}
	switch name := a.Opt.Confirm; {
	case name != nil && *name != a.declared.Stack:
		return a.Usage(fmt.Sprintf("-confirm names %q, and the stack is %q", *name, a.declared.Stack), "nothing was changed")
	case name != nil:
	case a.cannotAsk() == nil:
		a.typed = true
	default:
		return nil
	}
	a.options.Unprotect = []string{"*"}
	return nil
}

// carryOut runs the rounds of an apply.
func (c *Call) carryOut(a *applying) (err error) {
	if err := c.Show(report.RunAsked{}); err != nil {
		return err
	}
	defer func() {
		for _, f := range slices.Backward(a.close) {
			f()
		}
		c.tell(report.RunClosed{})
	}()
	err = a.needSpec()
	c.tell(report.Diagnostics{List: c.problems})
	if err != nil {
		return err
	}
	if err := a.confirm(); err != nil {
		return err
	}
	before := len(c.problems)
	c.tell(report.RunStarted{Stack: a.declared.Stack, Command: a.commandLine(), Began: a.Began})
	defer func() {
		a.endRun(err)
		a.tellEnd(err)
	}()
	if err = a.rounds(); err != nil {
		err = c.atPlaces(err)
	}
	c.tell(report.Diagnostics{List: c.problems[min(before, len(c.problems)):]})
	if err != nil {
		c.tell(report.RunFailed{Err: err})
	}
	return err
}

// needSpec loads the spec. A removal needs no more of it than the name of the
// stack: what belongs to that is marked on the objects themselves, so that a
// stack can be removed although its spec is no longer valid.
func (a *applying) needSpec() error {
	err := a.need()
	name := a.Opt.Stack
	if name != "" && a.spec.Stack != "" && a.spec.Stack != name {
		return a.Usage(fmt.Sprintf("-stack names %q, and the stack of the spec is %q", name, a.spec.Stack),
			"leave -stack out, or name another spec with -f")
	}
	if !a.options.Destroy || !errors.Is(err, report.ErrInvalid) {
		return err
	}
	if a.spec.Stack == "" {
		a.spec.Stack, a.declared.Stack = name, name
	}
	if a.spec.Stack == "" {
		a.tell(report.StackUnknown{})
		return err
	}
	a.tell(report.RemovingInvalid{Stack: a.spec.Stack})
	return a.needPolicies()
}

// rounds plans and applies until nothing is left. A second round is needed
// when a part of the world, the broker, could only be looked at after the
// first: what is found then is shown and approved like any other plan.
func (a *applying) rounds() error {
	p, err := a.firstPlan()
	if err != nil {
		return err
	}
	for n := 1; ; n++ {
		again, err := a.round(p)
		if err != nil || !again {
			return err
		}
		if n == rounds {
			return report.Shown(report.ErrPartly)
		}
		if p, err = a.Planned(a.world, a.options); err != nil {
			return err
		}
		if p.IsEmpty() && len(p.Refusals) == 0 {
			return a.End(p)
		}
	}
}

// firstPlan looks without the lock and without a way to write, so that nothing
// to do costs neither. A plan to be carried out is made again under the lock:
// it begins with what the run before has left, and is shown and approved only
// then. So what was approved is what is done, and nobody is asked twice.
func (a *applying) firstPlan() (*engine.Plan, error) {
	if a.saved == nil || len(a.saved.Changes) == 0 {
		p, traced, err := a.glance()
		if traced {
			a.clearTraces(a.isGone(p))
		}
		if err != nil || !a.canWrite(p) {
			return p, err
		}
	}
	world, err := a.Sys.World.Write(a.Context, a.access())
	if err != nil {
		return nil, err
	}
	a.world = world
	a.close = append(a.close, world.Close)
	if err := a.takeLock(); err != nil {
		return nil, err
	}
	return a.planOf(world)
}

// glance plans by reading only. traced tells that nothing is to be done and that
// there is a lock or the like: what a run killed at its very end has left would
// stay.
func (a *applying) glance() (p *engine.Plan, traced bool, err error) {
	s, err := a.openReader()
	if err != nil {
		return nil, false, err
	}
	defer s.Close()
	if p, err = a.planOf(s); err != nil {
		return p, false, err
	}
	traced = p.IsEmpty() && len(p.Refusals) == 0 && s.HasTraces != nil && s.HasTraces(a.Context, a.declared.Stack, a.isGone(p))
	return p, traced, nil
}

// isGone reports whether nothing is left of a stack that is to be removed.
func (a *applying) isGone(p *engine.Plan) bool { return p.IsGone() && a.isWhole() }

// isWhole reports whether the run is about the whole stack.
func (a *applying) isWhole() bool { return len(a.options.Targets)+len(a.options.Excludes) == 0 }

// planOf plans, and compares with the saved plan when there is one.
func (a *applying) planOf(s *Session) (*engine.Plan, error) {
	options := a.options
	options.Await = !options.Destroy && a.endedBadly(s)
	p, err := a.Planned(s, options)
	if err != nil || a.saved == nil {
		return p, err
	}
	return p, a.stale(a.saved.Check(p))
}

// endedBadly reports whether a run on the stack did not end well, or goes on
// still, and none on the whole stack has since: then what is as declared need
// not be ready.
func (a *applying) endedBadly(s *Session) bool {
	if s.Journal == nil {
		return false
	}
	runs, err := s.Journal.Runs(a.Context, a.declared.Stack)
	if err != nil {
		return false // told when this run is written down
	}
	for _, r := range runs {
		if r.Result != resources.RunDone || !r.Partial {
			return r.Result != resources.RunDone
		}
	}
	return false
}

// canWrite reports whether the plan may come to be carried out.
func (a *applying) canWrite(p *engine.Plan) bool {
	return !p.IsOver() && len(p.Refusals) == 0 && (p.IsEmpty() || a.approved || a.cannotAsk() == nil)
}

// round shows one plan, asks, and applies it. It reports whether to plan again.
func (a *applying) round(p *engine.Plan) (again bool, err error) {
	a.tell(report.Planned{Plan: p})
	if len(p.Refusals) > 0 {
		return false, report.Shown(p.Refused())
	}
	if p.IsOver() {
		return false, a.End(p)
	}
	if p.IsEmpty() {
		a.tell(report.AwaitingGates{})
	} else if err := a.approve(p); err != nil {
		return false, err
	}
	did, err := a.apply(p)
	if a.world.Warnings != nil {
		a.warn(a.world.Warnings())
	}
	if err != nil {
		return false, err
	}
	a.counts.Add += did.Counts.Add
	a.counts.Change += did.Counts.Change
	a.counts.Destroy += did.Counts.Destroy
	a.worked = true
	if err := a.verdict(did); err != nil {
		return false, err
	}
	again = !p.Destroy && (p.Unknown > 0 || did.IsOutdated())
	if again && a.saved == nil {
		a.options.Made = madeBy(did, a.options.Made)
		return true, nil
	}
	if err := a.End(p); err != nil {
		return false, err
	}
	switch {
	case !again:
	case p.Unknown == 0:
		a.tell(report.SavedPlanOutdated{})
	default:
		a.tell(report.SavedPlanIncomplete{})
	}
	return false, nil
}

// madeBy adds what a round has made to what those before it have.
func madeBy(did *engine.Report, before map[resources.Addr]bool) map[resources.Addr]bool {
	made := maps.Clone(before)
	if made == nil {
		made = map[resources.Addr]bool{}
	}
	for _, a := range did.Made() {
		made[a] = true
	}
	return made
}

// End ends a run in which everything was done that was planned. What could not be
// read and no step has dealt with makes it incomplete.
func (a *applying) End(p *engine.Plan) error {
	missed := p.Missed()
	if len(missed) == 0 {
		a.tell(report.Complete{Plan: p, Counts: a.counts, Worked: a.worked})
		return nil
	}
	return report.MissedError(missed, p.Destroy, a.counts)
}

// cannotAsk says why nobody can be asked, nil when someone can.
func (a *applying) cannotAsk() error {
	switch {
	case a.Opt.JSON:
		return errors.New("with -json nobody can be asked: approve with -auto-approve")
	case !a.Opt.MayAsk:
		return errors.New("approval is needed and -input=false forbids to ask: approve with -auto-approve")
	case !a.Opt.AtTerminal:
		return errors.New("approval is needed and nobody is at a terminal to give it: approve with -auto-approve, nothing was changed")
	}
	return nil
}

// approve asks, unless that was done on the command line. Where nobody can
// answer it fails at once. Whoever lets data be lost types the stack's name.
func (a *applying) approve(p *engine.Plan) error {
	if a.approved && !(a.typed && p.RemovesProtected()) {
		return nil
	}
	if err := a.cannotAsk(); err != nil {
		return err
	}
	want := "yes"
	if a.typed || p.LosesData() {
		want = p.Stack
	}
	a.tell(report.Question{Plan: p, Typed: a.typed})
	answer, err := a.readLine(a.lost())
	if err == nil && answer != want {
		return errDeclined
	}
	a.tell(report.Answered{})
	return err
}

// readLine reads an answer, or returns when the run is interrupted or the lock
// is lost.
func (c *Call) readLine(lost <-chan struct{}) (string, error) {
	type line struct {
		text string
		err  error
	}
	got := make(chan line, 1)
	go func() {
		text, err := bufio.NewReader(c.Sys.Stdin).ReadString('\n')
		got <- line{strings.TrimSpace(text), err}
	}()
	select {
	case l := <-got:
		if l.err != nil && l.text == "" {
			return "", errDeclined
		}
		return l.text, nil
	case <-lost:
		return "", fmt.Errorf("%w: nothing was changed", resources.ErrLockLost)
	case <-c.Context.Done():
		return "", c.Context.Err()
	}
}

// apply runs the plan.
func (a *applying) apply(p *engine.Plan) (*engine.Report, error) {
	a.beginRun(p)
	a.tell(report.RoundStarted{Plan: p, Run: a.record.run})
	options := engine.ApplyOptions{Parallelism: a.parallelism(), OnFailure: a.Opt.OnFailure, Now: a.Sys.Now}
	options.Event = func(e engine.Event) { a.tell(report.Step{Event: e}) }
	var did *engine.Report
	var err error
	a.In.whileDraining(a.tell, func(drain <-chan struct{}) {
		ctx, cancel := context.WithCancel(a.Context)
		defer cancel()
		go a.drainWhenLost(ctx)
		options.Drain = drain
		did, err = engine.Apply(a.Context, p, a.world.world(), options)
	})
	a.tell(report.RoundEnded{})
	a.noteRun(did)
	return did, err
}

// parallelism is -parallelism, or follows from the engine's processors: most
// of a step is waiting for the engine, so there are more steps than those.
func (a *applying) parallelism() int {
	if a.Opt.Parallelism != nil {
		return *a.Opt.Parallelism
	}
	const least, most = 12, 32
	return min(most, max(least, 2*a.world.Inspect.Cpus(a.Context)))
}

// verdict tells what went wrong and turns it into the error that decides the
// exit status.
func (a *applying) verdict(r *engine.Report) error {
	failed := r.Failed()
	if len(failed) == 0 && len(r.Skipped()) == 0 {
		return nil
	}
	total := *r
	total.Counts = a.counts
	a.tell(report.RoundFailed{Report: r, Total: &total})
	switch {
	case a.In.Ended() == nil && isClosed(a.lost()):
		return report.Shown(resources.ErrLockLost)
	case r.Interrupted || a.Context.Err() != nil:
		return report.Shown(fmt.Errorf("%w: %w", engine.ErrInterrupted, context.Canceled))
	case onlyGates(failed):
		return report.Shown(report.ErrGate)
	default:
		return report.Shown(report.ErrPartly)
	}
}

// onlyGates reports whether every failure is a gate that did not pass.
func onlyGates(failed []engine.StepResult) bool {
	return len(failed) > 0 && !slices.ContainsFunc(failed, func(f engine.StepResult) bool {
		var gate *resources.GateError
		return !errors.As(f.Err, &gate)
	})
}
