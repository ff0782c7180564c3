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
//
// What lives in another object, as a container in the network namespace of another
// one, is tied to that as well: its old one cannot come back once the other's is
// gone. Nothing has to be stopped first for that.

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
	known := !slices.ContainsFunc(members, func(a resources.Addr) bool { return !d.plan.byAddr[a].yields })
	if len(members) == 0 || !d.together(members) && known {
		return false
	}
	for _, a := range members {
		c := d.plan.byAddr[a]
		if c.Action == resources.Update {
			c.Reason, c.Code = "it takes over what another gives up that takes over what it gives up", reasonKnot
		}
		c.Action, c.Mode, c.yields = resources.Replace, resources.SwapBack, true
	}
	return true
}

// together ties changes, and all that they are tied to already, and reports whether
// any of them was not.
func (d *decider) together(members []resources.Addr) bool {
	all := slices.Clone(members)
	for _, a := range members {
		all = append(all, d.plan.byAddr[a].tied...)
	}
	slices.SortFunc(all, resources.Addr.Compare)
	all = slices.Compact(all)
	isNew := false
	for _, a := range all {
		isNew = isNew || len(d.plan.byAddr[a].tied) != len(all)
		d.plan.byAddr[a].tied = all
	}
	return isNew
}

// join ties what is swapped while it lives in an object that is swapped too.
func (d *decider) join() {
	isSwapped := func(c *Change) bool {
		return c != nil && c.Action == resources.Replace && c.Mode == resources.SwapBack
	}
	for _, c := range d.plan.Changes {
		if len(c.tied) > 0 && !isSwapped(c) {
			d.untied(c)
		}
	}
	for _, c := range d.plan.Changes {
		if !isSwapped(c) {
			continue
		}
		for _, ref := range c.Want.Refs {
			if ref.Within && isSwapped(d.plan.byAddr[ref.To]) {
				d.together([]resources.Addr{c.Addr, ref.To})
			}
		}
	}
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
		for _, a := range c.tied {
			m := d.plan.byAddr[a]
			if c.yields && m.yields {
				g.Add(Step{c.Addr, VerbSwap}, Step{a, VerbYield})
			}
			g.Add(Step{c.Addr, VerbCommit}, readyStep(m))
		}
		if !c.yields {
			continue
		}
		yield := Step{c.Addr, VerbYield}
		for _, ref := range c.Want.Refs {
			// Images and networks come before the first stop. What is tied itself, and what
			// may depend on that, comes after it.
			if d.mode(ref.To.Kind) != resources.SwapBack {
				wait(g, yield, d.readyOf(ref, g, map[resources.Addr]bool{}))
			}
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
	if !c.yields {
		back := fmt.Sprintf("when it or %s fails, all the old ones come back", strings.Join(others, " or "))
		if c.Manner.Text != "" {
			back = c.Manner.Text + "; " + back
		}
		c.Manner.Text = back
		return c.Manner
	}
	return resources.Manner{Order: "stop_first",
		Text: fmt.Sprintf("it is stopped together with %s, because each takes over a port or an address that another one gives up; when one "+
			"fails, all the old ones come back",
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
		for _, m := range a.plan.Changes { // what others live in comes back before them
			if !slices.Contains(c.tied, m.Addr) {
				continue
			}
			done[m.Addr] = true
			ready = ready && a.isDone(readyStep(m))
			begun := a.results[Step{m.Addr, VerbSwap}] != nil
			stopped := begun || a.results[Step{m.Addr, VerbYield}] != nil
			if stopped && (a.opt.OnFailure == Rollback || !begun) && !a.rolledBack(m.Addr) {
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
