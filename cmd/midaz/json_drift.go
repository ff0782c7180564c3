package main

import (
	"slices"

	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
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
	// unmanaged stand on the broker and belong to no stack.
	unmanaged []*resources.Observed
}

// findDrift parts the differences of a plan. It changes nothing in the plan.
func findDrift(plan *engine.Plan) drift {
	d := drift{plan: plan}
	changes := slices.Clone(plan.Changes)
	slices.SortFunc(changes, func(a, b *engine.Change) int { return a.Addr.Compare(b.Addr) })
	for _, c := range changes {
		if moved, ok := driftOf(c); ok {
			d.changed = append(d.changed, moved)
		}
		if waits, ok := pendingOf(c); ok {
			d.pending = append(d.pending, waits)
		}
		if c.Have != nil && c.Want != nil && isTrouble(c.Have.State) {
			d.runtime = append(d.runtime, c)
		}
	}
	return d
}

// driftOf returns the part of a change that undoes what was done outside.
func driftOf(c *engine.Change) (*engine.Change, bool) {
	delta := slices.DeleteFunc(slices.Clone(c.Delta), func(f resources.Diff) bool { return !f.Drift })
	if len(delta) == 0 {
		return nil, false
	}
	return narrowed(c, delta), true
}

// pendingOf returns the part of a change that the spec asks for.
func pendingOf(c *engine.Change) (*engine.Change, bool) {
	if c.IsNoOp() {
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
	if n.Action == resources.Replace && delta.Cost() != resources.Remake {
		n.Action = resources.Update
	}
	return &n
}

// isTrouble reports whether a running state is one that somebody should look
// at.
func isTrouble(state string) bool {
	switch state {
	case "", "running", "healthy", "starting", "completed", "exited (0)", "created":
		return false
	default:
		return true
	}
}

// jsonDrift is the answer of drift.
type jsonDrift struct {
	FormatVersion string          `json:"format_version"`
	MidazVersion  string          `json:"midaz_version"`
	Stack         string          `json:"stack"`
	Drifted       bool            `json:"drifted"`
	ResourceDrift []jsonResource  `json:"resource_drift"`
	Pending       []jsonResource  `json:"pending"`
	Unmanaged     []jsonUnmanaged `json:"unmanaged"`
	Runtime       []jsonRuntime   `json:"runtime"`
	Refusals      []jsonRefusal   `json:"refusals"`
	Diagnostics   []jsonProblem   `json:"diagnostics"`
}

type jsonUnmanaged struct {
	Address string   `json:"address"`
	Type    string   `json:"type"`
	Name    string   `json:"name"`
	Owner   string   `json:"owner,omitempty"`
	Notes   []string `json:"notes,omitempty"`
}

type jsonRuntime struct {
	Address string      `json:"address"`
	State   string      `json:"state"`
	Source  *jsonSource `json:"source,omitempty"`
}

func driftJSON(d drift, problems specs.Problems) jsonDrift {
	out := jsonDrift{FormatVersion: driftFormat, MidazVersion: version, Stack: d.plan.Stack,
		Drifted: len(d.changed) > 0, ResourceDrift: []jsonResource{}, Pending: []jsonResource{}, Unmanaged: []jsonUnmanaged{},
		Runtime: []jsonRuntime{}, Refusals: refusalsJSON(d.plan), Diagnostics: problemsJSON(problems)}
	for _, c := range d.changed {
		out.ResourceDrift = append(out.ResourceDrift, changeJSON(d.plan, c))
	}
	for _, c := range d.pending {
		out.Pending = append(out.Pending, changeJSON(d.plan, c))
	}
	for _, o := range d.unmanaged {
		out.Unmanaged = append(out.Unmanaged, jsonUnmanaged{o.Addr.String(), o.Addr.Kind, o.Addr.Name, o.Owner, o.Notes})
	}
	for _, c := range d.runtime {
		out.Runtime = append(out.Runtime, jsonRuntime{c.Addr.String(), c.Have.State, sourceJSON(c.Pos())})
	}
	return out
}
