package app

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"os"
	"os/user"
	"time"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/engine/graph"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// keptRuns is how many runs the journal of a stack holds.
const keptRuns = 50

// journalTime is how long the end of a run may take to be written, also when
// the run was interrupted.
const journalTime = 10 * time.Second

// journal is what is kept of the runs of stacks, and what a run can be made
// from again.
type journal interface {
	// Runs returns the runs of a stack, latest first.
	Runs(ctx context.Context, stack string) ([]*resources.Run, error)
	// Past returns what a run was made from, nil when it is not kept.
	Past(ctx context.Context, run *resources.Run) (*resources.Past, error)
	// Images returns the images that services and jobs run, by address.
	Images(ctx context.Context, declared *resources.Declared) map[string]resources.RunImage
	// Pin returns the root of a spec with the images of a run, and what of them
	// is not to be had.
	Pin(ctx context.Context, root specs.Node, run *resources.Run) (specs.Node, []string, error)
}

// Recorder writes the journal. A failure of it never fails a run.
type Recorder interface {
	journal
	BeginRun(ctx context.Context, run *resources.Run) error
	KeepPast(ctx context.Context, run *resources.Run, past *resources.Past) error
	EndRun(ctx context.Context, run *resources.Run) error
	KeepRuns(ctx context.Context, stack string, keep int) error
	DropRuns(ctx context.Context, stack string) (int, error)
}

// record is the entry of the run that is going on.
type record struct {
	run   *resources.Run
	begun bool
	kept  chan error // closed by tidy
	// reports are the rounds of the run.
	reports []*engine.Report
}

// beginRun writes down that something is about to be done, and what it is made
// from: a run that is killed can be gone back to as any other.
func (a *applying) beginRun(p *engine.Plan) {
	if a.record != nil { // a further round
		a.record.run.Planned += changesOf(p)
		return
	}
	run := a.newRun(p.Stack)
	run.Planned = changesOf(p)
	a.record = &record{kept: make(chan error, 1), run: run}
	if a.world.Record == nil {
		return
	}
	earlier, err := a.world.Record.Runs(a.Context, run.Stack)
	if err != nil {
		a.unwritten(err)
		return
	}
	if !p.Destroy {
		if run.Past, err = a.keepPast(earlier); err != nil {
			a.unwritten(err)
		}
	}
	if err := a.world.Record.BeginRun(a.Context, run); err != nil {
		a.unwritten(err)
		return
	}
	a.record.begun = true
	go func() {
		defer close(a.record.kept)
		a.record.kept <- a.tidy(earlier)
	}()
}

// newRun is a run that begins now.
func (a *applying) newRun(stack string) *resources.Run {
	return &resources.Run{
		ID: a.newRunID(), Stack: stack, Command: a.commandLine(), Who: a.who(), Version: report.Version,
		Started: a.Sys.Now().UTC(), Result: resources.RunRunning,
		Partial: len(a.options.Targets)+len(a.options.Excludes) > 0 || a.options.OnlyDrift,
	}
}

// keepPast writes what the run is made from, unless the run before was made from
// the same, and returns the run under which it is kept.
func (a *applying) keepPast(earlier []*resources.Run) (string, error) {
	for _, r := range earlier {
		if r.Past == "" {
			continue
		}
		past, err := a.world.Record.Past(a.Context, r)
		if err == nil && past != nil && engine.SamePast(past, a.declared) {
			return r.Past, nil
		}
		break
	}
	if err := a.world.Record.KeepPast(a.Context, a.record.run, engine.Remember(a.declared)); err != nil {
		return "", err
	}
	return a.record.run.ID, nil
}

// tidy ends the entries of runs that were killed, and forgets old ones, while
// the first steps go on.
func (a *applying) tidy(earlier []*resources.Run) error {
	to, run := a.world.Record, a.record.run
	ctx := context.WithoutCancel(a.Context)
	var errs []error
	for _, r := range earlier {
		// The lock is ours, so nobody else is at work.
		if r.Ended.IsZero() {
			r.Result, r.Ended, r.Error = resources.RunLost, r.Started, "it was killed, or lost the engine; run "+run.ID+" found it so"
			errs = append(errs, to.EndRun(ctx, r))
		}
	}
	return errors.Join(append(errs, to.KeepRuns(ctx, run.Stack, keptRuns))...)
}

// noteRun adds how the steps of a round ended.
func (a *applying) noteRun(r *engine.Report) {
	if a.record == nil || r == nil {
		return
	}
	a.record.reports = append(a.record.reports, r)
	for _, s := range r.Results {
		step := resources.RunStep{Address: s.Step.Addr.String(), Verb: string(s.Step.Verb), State: "done", PutBack: s.RolledBack}
		if s.Did != resources.NoOp {
			step.Did = string(s.Did)
		}
		if !s.Start.IsZero() {
			step.After = s.Start.Sub(a.record.run.Started).Seconds()
			step.Seconds = s.End.Sub(s.Start).Seconds()
		}
		switch s.State {
		case graph.Failed:
			step.State, step.Error = "failed", report.ErrorLine(s.Err, a.Sys.Redactor)
		case graph.Skipped:
			step.State = "skipped"
			if !s.Because.IsZero() {
				step.Because = s.Because.String()
			}
		}
		a.record.run.Steps = append(a.record.run.Steps, step)
	}
}

// endRun writes how the run ended. A stack that was destroyed as a whole keeps
// no journal.
func (a *applying) endRun(err error) {
	if a.record != nil {
		a.conclude(a.record.run, err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(a.Context), journalTime)
	defer cancel()
	if err == nil && a.Verb == "destroy" && a.isWhole() {
		a.dropJournal(ctx)
		return
	}
	if a.record == nil || !a.record.begun {
		return
	}
	keptErr := <-a.record.kept
	run := a.record.run
	run.Images = a.world.Record.Images(ctx, a.declared)
	if err := cmp.Or(a.world.Record.EndRun(ctx, run), keptErr); err != nil {
		a.unwritten(err)
	}
}

// tellEnd tells how the run ended. Of one in which nothing was begun, there is
// only something to tell where a page is wanted.
func (a *applying) tellEnd(err error) {
	end := report.RunEnded{Err: err}
	switch {
	case a.record != nil:
		end.Run, end.Reports = a.record.run, a.record.reports
	case a.Opt.Report:
		end.Run = a.newRun(a.declared.Stack)
		end.Run.ID, end.Run.Started = "", a.Began.UTC()
		a.conclude(end.Run, err)
	}
	a.tell(end)
}

// conclude writes the end of the run into its entry.
func (a *applying) conclude(run *resources.Run, err error) {
	run.Ended = a.Sys.Now().UTC()
	run.Add, run.Change, run.Destroy = a.counts.Add, a.counts.Change, a.counts.Destroy
	switch {
	case err == nil:
		run.Result = resources.RunDone
	case errors.Is(err, report.ErrGate):
		run.Result = resources.RunGate
	case errors.Is(err, engine.ErrInterrupted), errors.Is(err, context.Canceled):
		run.Result = resources.RunInterrupted
	default:
		run.Result, run.Error = resources.RunPartly, report.ErrorLine(err, a.Sys.Redactor)
	}
}

// dropJournal removes the journal of a stack that is gone, and says so.
func (a *applying) dropJournal(ctx context.Context) {
	if a.record != nil && a.record.begun {
		<-a.record.kept
	}
	world := a.world
	if world == nil { // there was nothing to destroy
		s, err := a.Sys.World.Read(ctx, a.access())
		if err != nil {
			return
		}
		var runs []*resources.Run
		if s.Journal != nil {
			runs, _ = s.Journal.Runs(ctx, a.declared.Stack)
		}
		s.Close()
		if len(runs) == 0 {
			return
		}
		if world, err = a.Sys.World.Write(ctx, a.access()); err != nil {
			a.unwritten(err)
			return
		}
		defer world.Close()
	}
	if world.Record == nil {
		return
	}
	n, err := world.Record.DropRuns(ctx, a.declared.Stack)
	if err != nil {
		a.unwritten(err)
		return
	}
	if a.record != nil && a.record.begun {
		n-- // this one
	}
	if n > 0 {
		a.tell(report.JournalRemoved{Stack: a.declared.Stack, Runs: n})
	}
}

// unwritten warns that the journal lacks something. The run is not the worse
// for it.
func (a *applying) unwritten(err error) {
	a.tell(report.JournalIncomplete{Err: err})
}

func changesOf(p *engine.Plan) int {
	n := 0
	for _, c := range p.Changes {
		if !c.IsNoOp() {
			n++
		}
	}
	return n
}

// newRunID names a run. It is short, since people type it.
func (a *applying) newRunID() string {
	if a.Sys.RunID != nil {
		return a.Sys.RunID()
	}
	id := make([]byte, 4)
	_, _ = rand.Read(id) // never fails: crypto/rand aborts the program
	return hex.EncodeToString(id)
}

// commandLine is the command as the journal tells it.
func (a *applying) commandLine() string {
	if a.Verb == "rollback" && a.past != nil {
		return "rollback " + a.past.run.ID
	}
	return a.Verb
}

// who is who runs this: in a pipeline the one who started it.
func (c *Call) who() string {
	for _, name := range []string{"MIDAZ_ACTOR", "GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BITBUCKET_STEP_TRIGGERER_UUID",
		"BUILDKITE_BUILD_CREATOR"} {
		if v := report.Clean(c.Sys.Env(name)); v != "" {
			return string([]rune(v)[:min(100, len([]rune(v)))])
		}
	}
	name := c.Sys.Env("USER")
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return report.Clean(name + "@" + host)
}
