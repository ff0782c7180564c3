package report

import (
	"cmp"
	"slices"
	"time"

	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
)

// Timeline is a run in time: what its steps waited for, and which of them made
// it as long as it was. Durations count from its start.
type Timeline struct {
	Total time.Duration
	steps []*TimedStep // those that were run by their beginning, then the others
	Path  []*TimedStep // the critical path, first step first
}

// TimedStep is one step of a run.
type TimedStep struct {
	engine.StepResult
	Change *engine.Change
	Ran    bool
	Begin  time.Duration
	End    time.Duration
	// After is the step that ended last of those it had to wait for, nil when
	// there is none; ready is when that was.
	After    *TimedStep
	Ready    time.Duration
	Critical bool
}

// NewTimeline puts the rounds of a run in time. The first steps of a later round
// waited for the round before, since only then it could be planned.
func NewTimeline(began time.Time, reports []*engine.Report) Timeline {
	var t Timeline
	var before *TimedStep
	for _, r := range reports {
		by := map[engine.Step]*TimedStep{}
		var last *TimedStep
		// Results stand in an order in which each comes after what it needs.
		for _, result := range r.Results {
			s := &TimedStep{StepResult: result, Change: r.Plan.Change(result.Step.Addr), Ran: !result.Start.IsZero(), After: before}
			by[result.Step] = s
			t.steps = append(t.steps, s)
			if !s.Ran {
				continue
			}
			s.Begin, s.End = max(0, result.Start.Sub(began)), max(0, result.End.Sub(began))
			for _, need := range r.Plan.Steps.Needs(result.Step) {
				if n := by[need]; n != nil && n.Ran && (s.After == before || n.End > s.After.End) {
					s.After = n
				}
			}
			if s.After != nil {
				s.Ready = min(s.After.End, s.Begin)
			}
			if last == nil || s.End > last.End {
				last = s
			}
		}
		before = cmp.Or(last, before)
	}
	for s := before; s != nil; s = s.After {
		s.Critical = true
		t.Path = append(t.Path, s)
		t.Total = max(t.Total, s.End)
	}
	slices.Reverse(t.Path)
	slices.SortStableFunc(t.steps, func(a, b *TimedStep) int {
		if a.Ran != b.Ran {
			return map[bool]int{true: -1, false: 1}[a.Ran]
		}
		return cmp.Compare(a.Begin, b.Begin)
	})
	return t
}

// Lanes are the steps by resource, in the order in which they began.
func (t Timeline) Lanes() ([]resources.Addr, map[resources.Addr][]*TimedStep) {
	var order []resources.Addr
	by := map[resources.Addr][]*TimedStep{}
	for _, s := range t.steps {
		if by[s.Step.Addr] == nil {
			order = append(order, s.Step.Addr)
		}
		by[s.Step.Addr] = append(by[s.Step.Addr], s)
	}
	return order, by
}
