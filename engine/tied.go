package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/engine/graph"
	"github.com/LerianStudio/midaz-infra/resources"
)

// What one object gives up and another takes (a port of the host, an address)
// orders their steps: the other waits until the first has no way back any more.
// Where objects take over from one another in a circle, none of them can be first.
// They are tied: all are stopped, then replaced, and only when all are ready do
// the old ones go. When one fails, all the old ones come back.

// tie ties the swappable changes of a cycle that rivals have made, and reports
// whether there is something new to try.
func (d *decider) tie(cycle []Step) bool {
	var members []resources.Addr
	for i, s := range cycle {
		next := cycle[(i+1)%len(cycle)]
		if !d.rivalry[[2]Step{s, next}] {
			continue
		}
		for _, a := range []resources.Addr{s.Addr, next.Addr} {
			if !d.canBeTied(d.plan.byAddr[a]) {
				return false
			}
			members = append(members, a)
		}
	}
	for _, a := range slices.Clone(members) {
		members = append(members, d.plan.byAddr[a].tied...)
	}
	slices.SortFunc(members, resources.Addr.Compare)
	members = slices.Compact(members)
	if len(members) == 0 || len(d.plan.byAddr[members[0]].tied) == len(members) {
		return false
	}
	for _, a := range members {
		c := d.plan.byAddr[a]
		if c.Action == resources.Update {
			c.Reason, c.Code = "it takes over what another gives up that takes over what it gives up", reasonKnot
		}
		c.Action, c.Mode, c.tied = resources.Replace, resources.SwapBack, members
	}
	return true
}

// canBeTied reports whether the object of a change can be replaced with a way
// back.
func (d *decider) canBeTied(c *Change) bool {
	return c != nil && d.mode(c.Addr.Kind) == resources.SwapBack &&
		(c.Action == resources.Update || c.Action == resources.Replace && c.Mode == resources.SwapBack)
}

// ties orders the steps of tied changes.
func (d *decider) ties(g *graph.Graph[Step]) {
	for _, c := range d.plan.Changes {
		yield := Step{c.Addr, VerbYield}
		if !g.Has(yield) {
			continue
		}
		for _, ref := range c.Want.Refs {
			// Images and networks come before the first stop. What is tied itself, and what
			// may depend on that, comes after it.
			if _, rival := d.declared.Kind(ref.To.Kind).(resources.Rival); !rival {
				wait(g, yield, d.readyOf(ref, g, map[resources.Addr]bool{}))
			}
		}
		for _, a := range c.tied {
			g.Add(Step{c.Addr, VerbSwap}, Step{a, VerbYield})
			g.Add(Step{c.Addr, VerbCommit}, readyStep(d.plan.byAddr[a]))
		}
	}
}

// readyStep is the step after which a swapped object is ready.
func readyStep(c *Change) Step {
	if c.Gate != nil {
		return Step{c.Addr, VerbAwait}
	}
	return Step{c.Addr, VerbSwap}
}

// tiedManner says what tied changes have in common.
func tiedManner(c *Change) resources.Manner {
	var others []string
	for _, a := range c.tied {
		if a != c.Addr {
			others = append(others, a.String())
		}
	}
	return resources.Manner{Order: "stop_first", Text: fmt.Sprintf("it is stopped together with %s, because each takes over a port or an address that another one gives up; when one fails, all the old ones come back",
		strings.Join(others, " and "))}
}

// yield has an object let go of what others take over.
func (a *apply) yield(ctx context.Context, c *Change, note resources.Note) error {
	y, ok := a.world.Writers[c.Addr.Kind].(resources.Yielder)
	if !ok {
		return nil
	}
	return a.retry(ctx, func() error { return y.Yield(ctx, c.Want, c.Have, note) })
}

// untie brings the old objects of tied changes back when not all of the new ones
// are ready. An object can only come back when the others have let go of what it
// had, so it is tried in rounds.
func (a *apply) untie(ctx context.Context) {
	done := map[resources.Addr]bool{}
	for _, c := range a.plan.Changes {
		if len(c.tied) == 0 || done[c.Addr] {
			continue
		}
		var back []*Change
		ready := true
		for _, addr := range c.tied {
			done[addr] = true
			m := a.plan.byAddr[addr]
			ready = ready && a.isDone(readyStep(m))
			begun := a.results[Step{addr, VerbSwap}] != nil
			if a.results[Step{addr, VerbYield}] != nil && (a.opt.OnFailure == Rollback || !begun) {
				back = append(back, m)
			}
		}
		if !ready {
			a.allBack(ctx, back)
		}
	}
}

func (a *apply) isDone(s Step) bool {
	r := a.results[s]
	return r != nil && r.Err == nil
}

// allBack puts the old objects back.
func (a *apply) allBack(ctx context.Context, back []*Change) {
	for round := range len(back) + 1 {
		var left []*Change
		for _, c := range back {
			last := a.lastOf(c)
			err := a.rollBack(ctx, c, func(string, ...any) {})
			switch {
			case err == nil:
				a.isBack(last)
			case round == len(back):
				last.Err = errors.Join(last.Err, fmt.Errorf("put the old one back: %w", err))
				last.State = graph.Failed
			default:
				left = append(left, c)
			}
		}
		if back = left; len(back) == 0 {
			return
		}
	}
}

// lastOf returns the result of the last step of a tied change that ran.
func (a *apply) lastOf(c *Change) *StepResult {
	for _, v := range []Verb{VerbAwait, VerbSwap} {
		if r := a.results[Step{c.Addr, v}]; r != nil {
			return r
		}
	}
	return a.results[Step{c.Addr, VerbYield}]
}
