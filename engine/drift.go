package engine

import (
	"slices"

	"github.com/LerianStudio/midaz-infra/resources"
)

// Drift is what a plan says about changes that were made outside, held apart
// from what the spec asks for and was not applied yet.
type Drift struct {
	Plan *Plan
	// Changed were changed outside: each holds only those differences.
	Changed []*Change
	// Pending wait for an apply: each holds only those differences.
	Pending []*Change
	// Runtime are objects that are as declared and do not run as they should.
	Runtime []*Change
	// Ignored have differences that a rule of the spec lets be.
	Ignored []*Change
	// Unmanaged stand on the broker and belong to no stack.
	Unmanaged []*resources.Observed
	// Unread could not be read, so that they may have been changed.
	Unread []Unread
}

// FindDrift parts the differences of a plan. It changes nothing in the plan.
func FindDrift(plan *Plan) Drift {
	d := Drift{Plan: plan, Unread: plan.Unread}
	changes := slices.Clone(plan.Changes)
	slices.SortFunc(changes, func(a, b *Change) int { return a.Addr.Compare(b.Addr) })
	for _, c := range changes {
		if moved, ok := DriftOf(c); ok {
			d.Changed = append(d.Changed, moved)
		}
		if waits, ok := pendingOf(c); ok && !IsMissed(d.Unread, c.Addr) {
			d.Pending = append(d.Pending, waits)
		}
		if c.Have != nil && c.Want != nil && c.Have.Runtime != nil && c.Have.Runtime.Trouble != "" {
			d.Runtime = append(d.Runtime, c)
		}
		if len(c.Ignored) > 0 {
			d.Ignored = append(d.Ignored, c)
		}
	}
	return d
}

// IsClean reports whether there is nothing that somebody should look at.
func (d Drift) IsClean() bool {
	return len(d.Changed)+len(d.Runtime)+len(d.Unread)+len(d.Plan.Refusals) == 0
}

// DriftOf returns the part of a change that undoes what was done outside.
func DriftOf(c *Change) (*Change, bool) {
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
func pendingOf(c *Change) (*Change, bool) {
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
func narrowed(c *Change, delta resources.Delta) *Change {
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

// IsMissed reports whether the resource of a change could not be read and the plan
// does not provide for it.
func IsMissed(missed []Unread, a resources.Addr) bool {
	return slices.ContainsFunc(missed, func(u Unread) bool { return u.Addr == a })
}
