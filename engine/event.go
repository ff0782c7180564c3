package engine

import (
	"time"

	"github.com/LerianStudio/midaz-infra/engine/graph"
	"github.com/LerianStudio/midaz-infra/resources"
)

// EventKind says what happened to a step.
type EventKind int

const (
	StepStarted EventKind = iota
	StepNoted             // a long step says what it last saw
	StepDone
	StepFailed
	StepSkipped
	StepRolledBack // the replacement failed and the old object is back
)

// Event is one thing that happened during Apply. Events come from one
// goroutine at a time, in order.
type Event struct {
	Kind    EventKind
	Step    Step
	Change  *Change
	At      time.Time
	Elapsed time.Duration // since the step started
	Note    string        // StepNoted, StepRolledBack
	Err     error         // StepFailed
	Because resources.Addr
}

// ApplyOptions bound an apply.
type ApplyOptions struct {
	// Parallelism is how many steps run at the same time; gates not counted.
	Parallelism int
	// OnFailure is what follows a failed gate or swap.
	OnFailure OnFailure
	// Drain, when done, starts nothing new; what is in flight finishes. The
	// context of Apply ends that too.
	Drain <-chan struct{}
	// Event is called for each event; nil drops them.
	Event func(Event)
	// Now is the clock, time.Now when nil.
	Now func() time.Time
}

// OnFailure is what follows a failed replacement.
type OnFailure string

const (
	Rollback OnFailure = "rollback" // put the old one back; independent branches go on
	Stop     OnFailure = "stop"     // start nothing new, leave things as they are
	Continue OnFailure = "continue" // leave the failed one; independent branches go on
)

// World is the backends an apply works with, by kind.
type World struct {
	Readers map[string]resources.Reader
	Writers map[string]resources.Writer
}

// StepResult is how one step ended.
type StepResult struct {
	Step    Step
	State   graph.State
	Err     error          // Failed
	Because resources.Addr // Skipped: the resource whose failure it follows from
	// Interrupted: it was not started because the run was told to stop.
	Interrupted bool
	// Did is what really happened to the object, NoOp when there was nothing
	// left to do.
	Did        resources.Action
	RolledBack bool
	Start, End time.Time
}

// Report is the end of an apply.
type Report struct {
	Plan    *Plan
	Results []StepResult // in the order of Plan.Steps.Sorted
	Counts  Counts       // what was really done
	// Interrupted tells that the run was told to stop.
	Interrupted bool
	Start, End  time.Time
}

// Failed returns the results of the steps that failed, in order.
func (r *Report) Failed() []StepResult {
	var out []StepResult
	for _, s := range r.Results {
		if s.State == graph.Failed {
			out = append(out, s)
		}
	}
	return out
}

// Skipped returns the results of the steps that were not run, in order.
func (r *Report) Skipped() []StepResult {
	var out []StepResult
	for _, s := range r.Results {
		if s.State == graph.Skipped {
			out = append(out, s)
		}
	}
	return out
}
