package main

import (
	"cmp"
	"slices"
	"time"

	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
)

// timeline is a run in time: what its steps waited for, and which of them made
// it as long as it was. Durations count from its start.
type timeline struct {
	total time.Duration
	steps []*timedStep // those that were run by their beginning, then the others
	path  []*timedStep // the critical path, first step first
}

// timedStep is one step of a run.
type timedStep struct {
	engine.StepResult
	change *engine.Change
	ran    bool
	begin  time.Duration
	end    time.Duration
	// after is the step that ended last of those it had to wait for, nil when
	// there is none; ready is when that was.
	after    *timedStep
	ready    time.Duration
	critical bool
}

// newTimeline puts the rounds of a run in time. The first steps of a later round
// waited for the round before, since only then it could be planned.
func newTimeline(began time.Time, reports []*engine.Report) timeline {
	var t timeline
	var before *timedStep
	for _, r := range reports {
		by := map[engine.Step]*timedStep{}
		var last *timedStep
		// Results stand in an order in which each comes after what it needs.
		for _, result := range r.Results {
			s := &timedStep{StepResult: result, change: r.Plan.Change(result.Step.Addr), ran: !result.Start.IsZero(), after: before}
			by[result.Step] = s
			t.steps = append(t.steps, s)
			if !s.ran {
				continue
			}
			s.begin, s.end = max(0, result.Start.Sub(began)), max(0, result.End.Sub(began))
			for _, need := range r.Plan.Steps.Needs(result.Step) {
				if n := by[need]; n != nil && n.ran && (s.after == before || n.end > s.after.end) {
					s.after = n
				}
			}
			if s.after != nil {
				s.ready = min(s.after.end, s.begin)
			}
			if last == nil || s.end > last.end {
				last = s
			}
		}
		before = cmp.Or(last, before)
	}
	for s := before; s != nil; s = s.after {
		s.critical = true
		t.path = append(t.path, s)
		t.total = max(t.total, s.end)
	}
	slices.Reverse(t.path)
	slices.SortStableFunc(t.steps, func(a, b *timedStep) int {
		if a.ran != b.ran {
			return map[bool]int{true: -1, false: 1}[a.ran]
		}
		return cmp.Compare(a.begin, b.begin)
	})
	return t
}

// lanes are the steps by resource, in the order in which they began.
func (t timeline) lanes() ([]resources.Addr, map[resources.Addr][]*timedStep) {
	var order []resources.Addr
	by := map[resources.Addr][]*timedStep{}
	for _, s := range t.steps {
		if by[s.Step.Addr] == nil {
			order = append(order, s.Step.Addr)
		}
		by[s.Step.Addr] = append(by[s.Step.Addr], s)
	}
	return order, by
}
