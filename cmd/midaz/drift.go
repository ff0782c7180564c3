package main

import (
	"slices"

	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
)

// drift is what a plan says about changes that were made outside, held apart
// from what the spec asks for and was not applied yet.
type drift struct {
	plan *engine.Plan
	// changed were changed outside: each holds only those differences.
	changed []*engine.Change
	// pending wait for an apply: each holds only those differences.
	pending []*engine.Change
	// runtime are objects that are as declared and do not run as they should.
	runtime []*engine.Change
	// ignored have differences that a rule of the spec lets be.
	ignored []*engine.Change
	// unmanaged stand on the broker and belong to no stack.
	unmanaged []*resources.Observed
	// unread could not be read, so that they may have been changed.
	unread []engine.Unread
}

// findDrift parts the differences of a plan. It changes nothing in the plan.
func findDrift(plan *engine.Plan) drift {
	d := drift{plan: plan, unread: plan.Unread}
	changes := slices.Clone(plan.Changes)
	slices.SortFunc(changes, func(a, b *engine.Change) int { return a.Addr.Compare(b.Addr) })
	for _, c := range changes {
		if moved, ok := driftOf(c); ok {
			d.changed = append(d.changed, moved)
		}
		if waits, ok := pendingOf(c); ok && !isMissed(d.unread, c.Addr) {
			d.pending = append(d.pending, waits)
		}
		if c.Have != nil && c.Want != nil && c.Have.Runtime != nil && c.Have.Runtime.Trouble != "" {
			d.runtime = append(d.runtime, c)
		}
		if len(c.Ignored) > 0 {
			d.ignored = append(d.ignored, c)
		}
	}
	return d
}

// isClean reports whether there is nothing that somebody should look at.
func (d drift) isClean() bool {
	return len(d.changed)+len(d.runtime)+len(d.unread)+len(d.plan.Refusals) == 0
}

// driftOf returns the part of a change that undoes what was done outside.
func driftOf(c *engine.Change) (*engine.Change, bool) {
	if c.Removed {
		return c, true
	}
	delta := slices.DeleteFunc(slices.Concat(c.Delta, c.Overruled), func(f resources.Diff) bool { return !f.Drift })
	if len(delta) == 0 {
		return nil, false
	}
	return narrowed(c, delta), true
}

// pendingOf returns the part of a change that the spec asks for.
func pendingOf(c *engine.Change) (*engine.Change, bool) {
	if c.IsNoOp() || c.Removed {
		return nil, false
	}
	if len(c.Delta) == 0 {
		return c, true
	}
	delta := slices.DeleteFunc(slices.Clone(c.Delta), func(f resources.Diff) bool { return !f.Pending })
	if len(delta) == 0 {
		return nil, false
	}
	return narrowed(c, delta), true
}

// narrowed returns the change with only these differences, as the action they
// ask for by themselves.
func narrowed(c *engine.Change, delta resources.Delta) *engine.Change {
	n := *c
	n.Delta = delta
	n.Unchanged = 0
	n.Hazards = nil
	n.Gate = nil
	if n.IsNoOp() {
		n.Action = resources.Update
	}
	if n.Action == resources.Replace && delta.Cost() != resources.Remake {
		n.Action = resources.Update
	}
	return &n
}

// isMissed reports whether the resource of a change could not be read and the plan
// does not provide for it.
func isMissed(missed []engine.Unread, a resources.Addr) bool {
	return slices.ContainsFunc(missed, func(u engine.Unread) bool { return u.Addr == a })
}
