package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/LerianStudio/midaz-infra/engine/graph"
	"github.com/LerianStudio/midaz-infra/resources"
)

// Apply carries out the plan. It returns a report in any case, and an error
// that wraps ErrRefused or ErrImpossible when the plan has refusals: then
// nothing was done.
// Failures of steps are in the report, not in the error.
//
// ctx ends everything, also what is in flight; opt.Drain only what has not
// begun, and the waiting of gates.
func Apply(ctx context.Context, plan *Plan, world World, opt ApplyOptions) (*Report, error) {
	a := newApply(plan, world, opt)
	report := &Report{Plan: plan, Start: a.now()}
	if err := plan.Refused(); err != nil {
		report.End = a.now()
		return report, err
	}
	walkCtx, gates := a.contexts(ctx)
	defer gates()
	outcomes := graph.Walk(walkCtx, &plan.Steps, graph.WalkOptions[Step]{
		Limit:   opt.Parallelism,
		Free:    func(s Step) bool { return s.Verb == VerbAwait },
		Drain:   a.drain,
		Stopped: func() bool { return isDone(opt.Drain) },
	}, a.visit)
	a.untie(ctx)
	a.report(report, outcomes)
	if err := a.release(ctx, report); err != nil {
		return report, fmt.Errorf("record what the stack owns: %w", err)
	}
	report.End = a.now()
	return report, nil
}

// apply is the memory of one Apply. Steps run in parallel; mu guards what they
// share.
type apply struct {
	plan  *Plan
	world World
	opt   ApplyOptions
	now   func() time.Time

	drain     chan struct{} // closed by the caller's Drain, or by OnFailure Stop
	drainOnce sync.Once
	gateCtx   context.Context // ends with the caller's Drain

	mu      sync.Mutex
	results map[Step]*StepResult
	claims  map[resources.Claimer]*claim

	events sync.Mutex
}

// claim makes the one call of Claim, however many steps wait for it.
type claim struct {
	once     sync.Once
	err      error
	intended []*resources.Resource
	updates  []resources.Intent
	leaving  []resources.Addr
}

func newApply(plan *Plan, world World, opt ApplyOptions) *apply {
	a := &apply{plan: plan, world: world, opt: opt, now: opt.Now,
		drain: make(chan struct{}), results: map[Step]*StepResult{}, claims: map[resources.Claimer]*claim{}}
	if a.now == nil {
		a.now = time.Now
	}
	if a.opt.OnFailure == "" {
		a.opt.OnFailure = Rollback
	}
	for _, c := range plan.Changes {
		if w, ok := world.Writers[c.Addr.Kind].(resources.Consenting); ok && len(c.Hazards) > 0 {
			w.Consent(c.Addr, c.Hazards)
		}
		claimer := a.claimer(c.Addr.Kind)
		if claimer == nil || c.IsNoOp() {
			continue
		}
		if a.claims[claimer] == nil {
			a.claims[claimer] = &claim{}
		}
		cl := a.claims[claimer]
		if c.Want != nil {
			cl.intended = append(cl.intended, c.Want)
		}
		if c.Action == resources.Update {
			cl.updates = append(cl.updates, resources.Intent{Want: c.Want, Have: c.Have})
		}
		if c.Action == resources.Delete || c.Action == resources.Replace && c.Mode == resources.DeleteCreate {
			cl.leaving = append(cl.leaving, c.Addr)
		}
	}
	return a
}

func (a *apply) claimer(kind string) resources.Claimer {
	if c, ok := a.world.Writers[kind].(resources.Claimed); ok {
		return c.Claimer()
	}
	return nil
}

// contexts ties the gates to the caller's drain: a gate only waits, so an
// interrupted run does not sit it out. One that stops for a failure does: a gate
// is what is left of a step in flight.
func (a *apply) contexts(ctx context.Context) (context.Context, context.CancelFunc) {
	gateCtx, cancel := context.WithCancel(ctx)
	a.gateCtx = gateCtx
	go func() {
		select {
		case <-a.opt.Drain:
			a.stop()
			cancel()
		case <-gateCtx.Done():
		}
	}()
	return ctx, cancel
}

func isDone(c <-chan struct{}) bool {
	select {
	case <-c:
		return c != nil
	default:
		return false
	}
}

func (a *apply) stop() { a.drainOnce.Do(func() { close(a.drain) }) }

func (a *apply) emit(e Event) {
	if a.opt.Event == nil {
		return
	}
	a.events.Lock()
	defer a.events.Unlock()
	e.Change = a.plan.byAddr[e.Step.Addr]
	if e.At.IsZero() {
		e.At = a.now()
	}
	a.opt.Event(e)
}

func (a *apply) visit(ctx context.Context, s Step) error {
	res := &StepResult{Step: s, Start: a.now(), Did: resources.NoOp}
	a.emit(Event{Kind: StepStarted, Step: s, At: res.Start})
	note := func(format string, args ...any) {
		a.emit(Event{Kind: StepNoted, Step: s, Note: fmt.Sprintf(format, args...), Elapsed: a.now().Sub(res.Start)})
	}
	err := a.run(ctx, s, res, note)
	res.End = a.now()
	if err != nil {
		c := a.plan.byAddr[s.Addr]
		err = &StepError{Step: s, Pos: c.Pos(), Err: err}
		res.State, res.Err = graph.Failed, err
		if a.opt.OnFailure == Stop {
			a.stop()
		}
		a.emit(Event{Kind: StepFailed, Step: s, Err: err, Elapsed: res.End.Sub(res.Start)})
	} else {
		a.emit(Event{Kind: StepDone, Step: s, Elapsed: res.End.Sub(res.Start)})
	}
	a.mu.Lock()
	a.results[s] = res
	a.mu.Unlock()
	return err
}

func (a *apply) run(ctx context.Context, s Step, res *StepResult, note resources.Note) error {
	c := a.plan.byAddr[s.Addr]
	w := a.world.Writers[s.Addr.Kind]
	if w == nil && s.Verb != VerbAwait {
		return fmt.Errorf("nothing can write %s resources: this is a bug in midaz", s.Addr.Kind)
	}
	if s.Verb != VerbAwait {
		if err := a.claim(ctx, s.Addr.Kind); err != nil {
			return err
		}
	}
	switch s.Verb {
	case VerbAwait:
		return a.await(ctx, c, res, note)
	case VerbYield:
		return a.yield(ctx, c, note)
	case VerbDelete:
		res.Did = resources.Delete
		return a.retry(ctx, func() error { return w.Delete(ctx, c.Have, note) })
	case VerbCommit:
		swapper, ok := w.(resources.Swapper)
		if !ok || a.did(Step{s.Addr, VerbSwap}) == resources.NoOp {
			return nil
		}
		return a.retry(ctx, func() error { return swapper.Commit(ctx, c.Want, c.Have, note) })
	default:
		return a.work(ctx, s, c, w, res, note)
	}
}

func (a *apply) did(s Step) resources.Action {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r := a.results[s]; r != nil {
		return r.Did
	}
	return resources.NoOp
}

// claim tells the backend's list what the run is about to own and to remove,
// once.
func (a *apply) claim(ctx context.Context, kind string) error {
	claimer := a.claimer(kind)
	if claimer == nil {
		return nil
	}
	cl := a.claims[claimer]
	if cl == nil {
		return nil // nothing of it changes
	}
	cl.once.Do(func() {
		if i, ok := claimer.(resources.Intender); ok {
			i.Intend(cl.updates)
		}
		if err := a.retry(ctx, func() error { return claimer.Claim(ctx, a.plan.Stack, cl.intended, cl.leaving) }); err != nil {
			cl.err = fmt.Errorf("record what the stack owns: %w", err)
		}
	})
	return cl.err
}

// work looks again at the object and brings it to what is wanted, never beyond
// what was planned.
func (a *apply) work(ctx context.Context, s Step, c *Change, w resources.Writer, res *StepResult, note resources.Note) error {
	if c.Released {
		res.Did = resources.Update
		if r, ok := w.(resources.Relinquisher); ok {
			return a.retry(ctx, func() error { return r.Relinquish(ctx, c.Want, c.Have) })
		}
		return nil // its record is brought up to date at the end, and nothing else
	}
	have, err := a.look(ctx, c)
	if err != nil {
		return err
	}
	kind := a.plan.declared.Kind(s.Addr.Kind)
	if have.Presence == resources.Unknown {
		return &resources.Diagnosis{Err: fmt.Errorf("it cannot be read: %s", have.Why), Hint: have.Hint}
	}
	beside := s.Verb == VerbCreate && c.Mode == resources.CreateDelete && c.Have != nil && c.Have.ID == have.ID
	if have.Presence != resources.Present || beside {
		return a.workAbsent(ctx, s, c, w, res, note)
	}
	if have.Stack != c.Want.Stack && !have.Free && !c.Adopted {
		return fmt.Errorf("%w: an object that is not this stack's has taken its place", ErrStale)
	}
	delta, _ := relevant(a.plan.declared, a.plan.onlyDrift, c.Addr, compareOne(kind, c.Want, have))
	switch s.Verb {
	case VerbSwap, VerbReplace:
		if c.Have != nil && c.Have.ID != have.ID {
			return fmt.Errorf("%w: the object was replaced by someone else", ErrStale)
		}
		if len(delta) == 0 && c.Code == reasonTriggered && !a.isTriggered(c) {
			return nil // what it depends on came out the same
		}
		return a.replace(ctx, s, c, have, w, res, note)
	}
	if c.Action == resources.Update {
		delta = within(delta, c)
	}
	if len(delta) == 0 {
		return nil
	}
	if delta.Cost() == resources.Remake {
		return fmt.Errorf("%w: %s would have to be replaced, because %s cannot be changed in place; plan again",
			ErrStale, s.Addr, listFields(delta, resources.Remake))
	}
	res.Did = resources.Update
	return a.retry(ctx, func() error { return w.Update(ctx, c.Want, have, delta, note) })
}

// isTriggered reports whether something that c holds was really replaced, so that
// c has to be as well, even where nothing of it differs.
func (a *apply) isTriggered(c *Change) bool {
	return slices.ContainsFunc(c.Want.Refs, func(ref resources.Ref) bool {
		to := a.plan.byAddr[ref.To]
		if to == nil || ref.Bind != resources.Hold || to.Action != resources.Replace {
			return false
		}
		switch to.Mode {
		case resources.SwapBack:
			return a.did(Step{ref.To, VerbSwap}) == resources.Replace
		case resources.DeleteCreate:
			return a.did(Step{ref.To, VerbCreate}) == resources.Create
		default:
			return false
		}
	})
}

func (a *apply) workAbsent(ctx context.Context, s Step, c *Change, w resources.Writer, res *StepResult, note resources.Note) error {
	if s.Verb != VerbCreate && s.Verb != VerbEnsure {
		return fmt.Errorf("%w: the object is gone", ErrStale)
	}
	res.Did = resources.Create
	return a.retry(ctx, func() error { return w.Create(ctx, c.Want, note) })
}

// within keeps the differences in fields that the plan has shown.
func within(delta resources.Delta, c *Change) resources.Delta {
	var out resources.Delta
	for _, f := range delta {
		if c.Delta.Has(f.Field) {
			out = append(out, f)
		}
	}
	if c.Adopted && !out.Has("owner") {
		out = append(c.Delta[:1:1], out...)
	}
	return out
}

// look observes the one object again.
func (a *apply) look(ctx context.Context, c *Change) (*resources.Observed, error) {
	reader := a.world.Readers[c.Addr.Kind]
	var found []*resources.Observed
	err := a.retry(ctx, func() error {
		var err error
		found, err = reader.Observe(ctx, resources.Scope{Stack: a.plan.Stack, Want: []*resources.Resource{c.Want}, Deep: true})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("observe: %w", err)
	}
	for _, o := range found {
		if o.Addr == c.Addr {
			return o, nil
		}
	}
	return &resources.Observed{Addr: c.Addr, Presence: resources.Absent}, nil
}

func (a *apply) replace(ctx context.Context, s Step, c *Change, have *resources.Observed, w resources.Writer, res *StepResult,
	note resources.Note) error {
	res.Did = resources.Replace
	if s.Verb == VerbReplace {
		r, ok := w.(resources.Replacer)
		if !ok {
			return fmt.Errorf("%s resources cannot be replaced in one step: this is a bug in midaz", s.Addr.Kind)
		}
		return a.retry(ctx, func() error { return r.Replace(ctx, c.Want, have, note) })
	}
	swapper, ok := w.(resources.Swapper)
	if !ok {
		return fmt.Errorf("%s resources cannot be swapped: this is a bug in midaz", s.Addr.Kind)
	}
	// The plan's Have is what Commit and Rollback are given later.
	if !c.yields { // or it was stopped since
		c.Have = have
	}
	if err := a.retry(ctx, func() error { return swapper.Swap(ctx, c.Want, have, note) }); err != nil {
		return a.putBack(ctx, c, err, res, note)
	}
	return nil
}

func (a *apply) await(ctx context.Context, c *Change, res *StepResult, note resources.Note) error {
	waiter, ok := a.world.Writers[c.Addr.Kind].(resources.Waiter)
	if !ok {
		return nil
	}
	err := waiter.Await(a.gateCtx, c.Want, note)
	if err == nil {
		return nil
	}
	if a.gateCtx.Err() != nil {
		return fmt.Errorf("%w while waiting for its gate", ErrInterrupted)
	}
	if c.Action == resources.Replace && c.Mode == resources.SwapBack && a.did(Step{c.Addr, VerbSwap}) == resources.Replace {
		return a.putBack(ctx, c, err, res, note)
	}
	return a.restore(ctx, c, err, res)
}

// restore brings back the object that a killed run had replaced, when the gate
// of the one in its place has failed.
func (a *apply) restore(ctx context.Context, c *Change, cause error, res *StepResult) error {
	w, ok := a.world.Writers[c.Addr.Kind].(resources.Restorer)
	var failed *resources.GateError
	if !ok || a.opt.OnFailure != Rollback || !errors.As(cause, &failed) {
		return cause
	}
	back := false
	err := a.retry(ctx, func() (err error) {
		back, err = w.Restore(ctx, c.Want)
		return err
	})
	if err != nil {
		return errors.Join(cause, fmt.Errorf("put the old one back: %w", err))
	}
	if back {
		a.isBack(res)
	}
	return cause
}

// putBack brings the old object back after a failed replacement.
func (a *apply) putBack(ctx context.Context, c *Change, cause error, res *StepResult, note resources.Note) error {
	if a.opt.OnFailure != Rollback || a.comesBackLater(c) {
		return cause
	}
	if _, ok := a.world.Writers[c.Addr.Kind].(resources.Swapper); !ok {
		return cause
	}
	if err := a.rollBack(ctx, c, note); err != nil {
		return errors.Join(cause, fmt.Errorf("put the old one back: %w", err))
	}
	a.isBack(res)
	return cause
}

// comesBackLater reports whether the old object of a change can only come back with
// others, when all that they are tied to has ended. What others live in comes back at
// once: they have not begun, since they wait for it.
func (a *apply) comesBackLater(c *Change) bool {
	return c.yields || slices.ContainsFunc(c.Want.Refs, func(ref resources.Ref) bool {
		return ref.Within && slices.Contains(c.tied, ref.To)
	})
}

func (a *apply) rollBack(ctx context.Context, c *Change, note resources.Note) error {
	swapper, ok := a.world.Writers[c.Addr.Kind].(resources.Swapper)
	if !ok {
		return nil
	}
	return a.retry(ctx, func() error { return swapper.Rollback(ctx, c.Want, c.Have, note) })
}

// isBack notes and tells that the old object is in its place again.
func (a *apply) isBack(res *StepResult) {
	res.RolledBack = true
	a.emit(Event{Kind: StepRolledBack, Step: res.Step, Note: "the old one is back"})
}

// retry repeats a call whose error is marked as transient: four times in all,
// 100, 200 and 400 ms apart.
func (a *apply) retry(ctx context.Context, call func() error) error {
	wait := 100 * time.Millisecond
	for try := 1; ; try++ {
		err := call()
		if err == nil || !resources.IsTransient(err) || try == 4 {
			return err
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return err
		case <-timer.C:
		}
		wait *= 2
	}
}

// report turns outcomes into results in the plan's order, and counts.
func (a *apply) report(report *Report, outcomes map[Step]graph.Outcome[Step]) {
	for _, s := range a.plan.Steps.Sorted() {
		out := outcomes[s]
		r := a.results[s]
		if r == nil {
			r = &StepResult{Step: s, State: graph.Skipped, Because: out.Because.Addr, Interrupted: out.Interrupted, Did: resources.NoOp}
			report.Interrupted = report.Interrupted || out.Interrupted && isDone(a.opt.Drain)
			a.emit(Event{Kind: StepSkipped, Step: s, Because: out.Because.Addr})
		}
		if errors.Is(r.Err, ErrInterrupted) {
			report.Interrupted = true
		}
		report.Results = append(report.Results, *r)
		if r.State != graph.Done {
			continue
		}
		switch r.Did {
		case resources.Create:
			report.Counts.Add++
		case resources.Update:
			report.Counts.Change++
		case resources.Delete:
			report.Counts.Destroy++
		case resources.Replace:
			if !a.rolledBack(s.Addr) {
				report.Counts.Add++
				report.Counts.Destroy++
			}
		}
	}
}

func (a *apply) rolledBack(addr resources.Addr) bool {
	for _, v := range []Verb{VerbAwait, VerbSwap} {
		if r := a.results[Step{addr, v}]; r != nil && r.RolledBack {
			return true
		}
	}
	return false
}

// release tells each list what the stack owns after the run.
func (a *apply) release(ctx context.Context, report *Report) error {
	type state struct {
		applied []*resources.Resource
		gone    []resources.Addr
	}
	owned := map[resources.Claimer]*state{}
	var order []resources.Claimer
	ended := map[resources.Addr]graph.State{}
	began := map[resources.Claimer]bool{}
	for _, r := range report.Results {
		ended[r.Step.Addr] = max(ended[r.Step.Addr], r.State)
		if claimer := a.claimer(r.Step.Addr.Kind); claimer != nil && r.State != graph.Skipped && r.Step.Verb != VerbAwait {
			began[claimer] = true
		}
	}
	for _, c := range a.plan.Changes {
		claimer := a.claimer(c.Addr.Kind)
		if claimer == nil || !began[claimer] {
			continue
		}
		if owned[claimer] == nil {
			owned[claimer] = &state{}
			order = append(order, claimer)
		}
		done := ended[c.Addr] == graph.Done
		switch {
		case c.Action == resources.Delete && done:
			owned[claimer].gone = append(owned[claimer].gone, c.Addr)
		case c.Want != nil && c.Released && done:
			owned[claimer].applied = append(owned[claimer].applied, c.Want)
		case c.IsNoOp() && (c.Have == nil || c.Have.Presence != resources.Present):
			// It was left out: no step of it has failed, and it is not there.
		case c.Want != nil && !c.Want.External && (done || c.IsNoOp()):
			owned[claimer].applied = append(owned[claimer].applied, c.Want)
		}
	}
	for _, addr := range a.plan.lost {
		if st := owned[a.claimer(addr.Kind)]; st != nil {
			st.gone = append(st.gone, addr)
		}
	}
	// An interrupted run still writes down what it did.
	ctx = context.WithoutCancel(ctx)
	var errs []error
	for _, claimer := range order {
		st := owned[claimer]
		errs = append(errs, a.retry(ctx, func() error { return claimer.Release(ctx, a.plan.Stack, st.applied, st.gone) }))
	}
	return errors.Join(errs...)
}
