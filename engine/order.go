package engine

import (
	"fmt"
	"slices"

	"github.com/LerianStudio/midaz-infra/engine/graph"
	"github.com/LerianStudio/midaz-infra/resources"
)

// order builds the graph of steps. All ordering is in this file:
//
//	create, update, ensure, swap, replace  wait for the gate (or the step) of
//	        everything the resource refers to in the spec
//	delete  waits for every object seen referring to it to let go: its delete,
//	        or the change by which it no longer refers
//	replace by deletion  is a delete, then a create
//	replace by creation  is a create, then a delete
//	await   waits for the step of its own resource; dependents wait for it. It
//	        is added for an unchanged resource when something that needs it
//	        changes
//
//	tied    is several swaps that take over from one another in a circle: all are
//	        stopped, all are swapped, and all wait for one another before the old
//	        ones go; or what lives in one another: nothing is stopped first (tied.go)
//
// Deletes alone follow what was seen, and creates alone follow what is wanted,
// so both are acyclic; only an update or a swap, which does both at once, can
// tie a knot. A leftover on a cycle is removed without waiting; anything else is
// tied, or promoted to a deletion and a creation, and the graph is built again.
// It ends because each round ties, promotes, or gives up one more.
func (d *decider) order() {
	for {
		d.join()
		d.plan.Steps, d.rivalry = graph.Graph[Step]{}, map[[2]Step]bool{}
		d.steps()
		cycle := d.plan.Steps.Cycle()
		if cycle == nil {
			break
		}
		if !d.tie(cycle) && !d.promote(cycle) {
			d.refusal(cycle[0].Addr, "order", fmt.Sprintf("no order of steps exists: %v", cycle), "this is a bug in midaz")
			d.plan.Steps = graph.Graph[Step]{}
			return
		}
		d.propagate()
	}
	d.sortChanges()
}

func (d *decider) promote(cycle []Step) bool {
	for _, s := range cycle {
		if c := d.plan.byAddr[s.Addr]; c != nil && c.Action == resources.Delete && !c.Have.LeftoverOf.IsZero() && !c.Have.Obsolete &&
			!d.unkept[s.Addr] {
			d.unkept[s.Addr] = true
			return true
		}
	}
	for _, s := range cycle {
		c := d.plan.byAddr[s.Addr]
		if c == nil || c.Action == resources.Replace && c.Mode == resources.DeleteCreate {
			continue
		}
		switch c.Action {
		case resources.Update, resources.Replace:
			if c.Action == resources.Update {
				c.Reason, c.Code = "it cannot be changed in place while what it uses is replaced", reasonKnot
			}
			d.untied(c)
			c.Action, c.Mode = resources.Replace, resources.DeleteCreate
			return true
		}
	}
	return false
}

// untied takes a change that is to be deleted and created out of the circle it
// was tied in.
func (d *decider) untied(c *Change) {
	for _, a := range c.tied {
		m := d.plan.byAddr[a]
		m.tied = slices.DeleteFunc(slices.Clone(m.tied), func(a resources.Addr) bool { return a == c.Addr })
		if len(m.tied) < 2 {
			m.tied, m.yields = nil, false
		}
	}
	c.tied, c.yields = nil, false
}

func (d *decider) steps() {
	g := &d.plan.Steps
	for _, c := range d.plan.Changes {
		for _, s := range stepsOf(c) {
			g.Add(s)
		}
	}
	for _, c := range d.plan.Changes {
		all := stepsOf(c)
		for i := 1; i < len(all); i++ {
			g.Add(all[i], all[i-1])
		}
		if work, ok := workStep(c); ok {
			for _, ref := range c.Want.Refs {
				wait(g, work, d.readyOf(ref, g, map[resources.Addr]bool{}))
			}
		}
	}
	d.releases(g)
	d.rivals(g)
	d.ties(g)
	d.successors(g)
	d.leftovers(g)
	d.awaits(g)
}

// stepsOf returns the steps of a change in order.
func stepsOf(c *Change) []Step {
	var verbs []Verb
	switch c.Action {
	case resources.Create:
		verbs = []Verb{VerbCreate}
	case resources.Update:
		verbs = []Verb{VerbUpdate}
	case resources.Ensure:
		verbs = []Verb{VerbEnsure}
	case resources.Delete:
		return []Step{{c.Addr, VerbDelete}}
	case resources.Replace:
		switch c.Mode {
		case resources.SwapBack:
			if c.yields {
				verbs = append(verbs, VerbYield)
			}
			verbs = append(verbs, VerbSwap)
		case resources.OneStep:
			verbs = []Verb{VerbReplace}
		case resources.CreateDelete:
			verbs = []Verb{VerbCreate}
			if c.Gate != nil {
				verbs = append(verbs, VerbAwait)
			}
			return stepsAt(c.Addr, append(verbs, VerbDelete))
		default:
			verbs = []Verb{VerbDelete, VerbCreate}
		}
	default:
		return nil
	}
	if c.Gate != nil {
		verbs = append(verbs, VerbAwait)
	}
	if c.Action == resources.Replace && c.Mode == resources.SwapBack {
		verbs = append(verbs, VerbCommit)
	}
	return stepsAt(c.Addr, verbs)
}

func stepsAt(a resources.Addr, verbs []Verb) []Step {
	out := make([]Step, len(verbs))
	for i, v := range verbs {
		out[i] = Step{a, v}
	}
	return out
}

// workStep is the step that makes the resource what is wanted.
func workStep(c *Change) (Step, bool) {
	switch c.Action {
	case resources.Create:
		return Step{c.Addr, VerbCreate}, true
	case resources.Update:
		return Step{c.Addr, VerbUpdate}, true
	case resources.Ensure:
		return Step{c.Addr, VerbEnsure}, true
	case resources.Replace:
		switch c.Mode {
		case resources.SwapBack:
			return Step{c.Addr, VerbSwap}, true
		case resources.OneStep:
			return Step{c.Addr, VerbReplace}, true
		default:
			return Step{c.Addr, VerbCreate}, true
		}
	default:
		return Step{}, false
	}
}

// need is a step that another one waits for. A soft need only has to end.
type need struct {
	step Step
	soft bool
}

// wait makes a step wait for what it needs.
func wait(g *graph.Graph[Step], s Step, needs []need) {
	for _, n := range needs {
		if n.soft {
			g.AddAfter(s, n.step)
		} else {
			g.Add(s, n.step)
		}
	}
}

// readyOf returns the steps after which what ref refers to is ready. An
// unchanged resource with a gate gets an await step; one without a gate is
// looked through to what it needs itself.
func (d *decider) readyOf(ref resources.Ref, g *graph.Graph[Step], visited map[resources.Addr]bool) []need {
	if visited[ref.To] {
		return nil
	}
	visited[ref.To] = true
	to := d.plan.byAddr[ref.To]
	if to == nil || to.Want == nil {
		return nil
	}
	await := Step{ref.To, VerbAwait}
	if ref.Wait == resources.Ready && to.Gate != nil && g.Has(await) {
		return []need{{await, ref.Soft}}
	}
	if work, ok := workStep(to); ok {
		return []need{{work, ref.Soft}}
	}
	var behind []need
	for _, r := range to.Want.Refs {
		behind = append(behind, d.readyOf(r, g, visited)...)
	}
	if to.Gate == nil || ref.Wait != resources.Ready {
		for i := range behind {
			behind[i].soft = behind[i].soft || ref.Soft
		}
		return behind
	}
	g.Add(await)
	wait(g, await, behind)
	return []need{{await, ref.Soft}}
}

// releases makes deletes wait until what refers to the object has let go.
func (d *decider) releases(g *graph.Graph[Step]) {
	for _, c := range d.plan.Changes {
		if c.Have == nil || c.Have.Presence != resources.Present {
			continue
		}
		free, ok := releaseStep(c)
		if !ok {
			continue
		}
		for _, ref := range c.Have.Refs {
			// What is replaced in one step takes along all that holds it, so that
			// nothing of that goes meanwhile.
			if once := (Step{ref.To, VerbReplace}); ref.Bind == resources.Hold && free.Verb == VerbDelete && g.Has(once) {
				g.Add(free, once)
			}
			del := Step{ref.To, VerbDelete}
			if !g.Has(del) || del == free {
				continue
			}
			if c.Action == resources.Update && ref.Bind != resources.Hold && stillRefers(c.Want, ref.To) {
				continue // it held nothing open, and goes on referring to the new one
			}
			g.Add(del, free)
		}
	}
}

// releaseStep is the step after which the object as it was seen is gone or no
// longer refers to what it referred to.
func releaseStep(c *Change) (Step, bool) {
	switch {
	case c.Action == resources.Delete, c.Action == resources.Replace && (c.Mode == resources.DeleteCreate || c.Mode == resources.CreateDelete):
		return Step{c.Addr, VerbDelete}, true
	case c.Action == resources.Replace && c.Mode == resources.SwapBack:
		return Step{c.Addr, VerbCommit}, true
	case c.Action == resources.Replace:
		return Step{c.Addr, VerbReplace}, true
	case c.Action == resources.Update:
		return Step{c.Addr, VerbUpdate}, true
	default:
		return Step{}, false
	}
}

func stillRefers(r *resources.Resource, to resources.Addr) bool {
	return slices.ContainsFunc(r.Refs, func(ref resources.Ref) bool { return ref.To == to })
}

// rivals makes the work on an object wait until another one has given up what it
// takes over, a host port for example, and does not need it back any more.
func (d *decider) rivals(g *graph.Graph[Step]) {
	type release struct {
		by   *Change
		step Step
	}
	var releases []release
	for _, c := range d.plan.Changes {
		if c.Have == nil || c.Have.Presence != resources.Present {
			continue
		}
		if !c.Have.LeftoverOf.IsZero() && !c.Have.Obsolete {
			continue // set aside, it is in no one's way, and someone may have to go back to it
		}
		if _, ok := d.declared.Kind(c.Addr.Kind).(resources.Rival); !ok {
			continue
		}
		if step, ok := releaseStep(c); ok && g.Has(step) {
			releases = append(releases, release{c, step})
		}
	}
	if len(releases) == 0 {
		return
	}
	for _, c := range d.plan.Changes {
		work, ok := workStep(c)
		if !ok {
			continue
		}
		rival, ok := d.declared.Kind(c.Addr.Kind).(resources.Rival)
		if !ok {
			continue
		}
		for _, other := range releases {
			if other.by == c || c.yields && other.by.yields && slices.Contains(c.tied, other.by.Addr) {
				continue
			}
			if rival.Rivals(c.Want, other.by.Have, other.by.Action == resources.Delete) {
				g.Add(work, other.step)
				d.rivalry[[2]Step{work, other.step}] = true
			}
		}
	}
}

// successors makes the removal of an object wait until what takes its place is
// there: a binding goes when the new ones of its queue are made, so that no
// message falls between them.
func (d *decider) successors(g *graph.Graph[Step]) {
	made := map[string][]Step{}
	each := func(f func(c *Change, place string)) {
		for _, c := range d.plan.Changes {
			if k, ok := d.declared.Kind(c.Addr.Kind).(resources.Successor); ok {
				if place := k.Place(c.Addr); place != "" {
					f(c, c.Addr.Kind+"/"+place)
				}
			}
		}
	}
	each(func(c *Change, place string) {
		if c.Action == resources.Create {
			made[place] = append(made[place], Step{c.Addr, VerbCreate})
		}
	})
	each(func(c *Change, place string) {
		if c.Action == resources.Delete {
			g.Add(Step{c.Addr, VerbDelete}, made[place]...)
		}
	})
}

// leftovers makes the removal of what a killed run left wait until the
// resource it was left by is ready. What no one can go back to goes at once.
func (d *decider) leftovers(g *graph.Graph[Step]) {
	for _, c := range d.plan.Changes {
		if c.Action == resources.Delete && !c.Have.LeftoverOf.IsZero() && !c.Have.Obsolete && !d.unkept[c.Addr] {
			ref := resources.Ref{To: c.Have.LeftoverOf}
			wait(g, Step{c.Addr, VerbDelete}, d.readyOf(ref, g, map[resources.Addr]bool{}))
		}
	}
}

// awaits has the gates of what needs no change waited for, where that was asked
// for, or where what lives inside must be observed again.
func (d *decider) awaits(g *graph.Graph[Step]) {
	if d.opt.Destroy {
		return
	}
	for _, c := range d.plan.Changes {
		if c.IsNoOp() && c.Gate != nil && d.selected(c.Addr) && (d.opt.Await || d.isUnsettled(c)) {
			d.readyOf(resources.Ref{To: c.Addr, Wait: resources.Ready}, g, map[resources.Addr]bool{})
		}
	}
}

// sortChanges puts each change after what it needs and notes what those are.
func (d *decider) sortChanges() {
	at := map[resources.Addr]int{}
	for i, s := range d.plan.Steps.Sorted() {
		if _, ok := at[s.Addr]; !ok {
			at[s.Addr] = i + 1
		}
		c := d.plan.byAddr[s.Addr]
		for _, n := range d.plan.Steps.Needs(s) {
			if n.Addr != s.Addr && !slices.Contains(c.Needs, n.Addr) {
				c.Needs = append(c.Needs, n.Addr)
			}
		}
	}
	for _, c := range d.plan.Changes {
		slices.SortFunc(c.Needs, resources.Addr.Compare)
	}
	slices.SortStableFunc(d.plan.Changes, func(a, b *Change) int {
		if (at[a.Addr] == 0) != (at[b.Addr] == 0) { // what has no step stands first
			return at[a.Addr] - at[b.Addr]
		}
		if at[a.Addr] != at[b.Addr] {
			return at[a.Addr] - at[b.Addr]
		}
		return a.Addr.Compare(b.Addr)
	})
}
