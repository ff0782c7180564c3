package engine

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// Codes of reasons, in the names that readers of OpenTofu's JSON know where it
// has one. They explain and are never used to decide.
const (
	reasonMissing   = "create_because_missing"
	reasonRemoved   = "create_because_removed_outside"
	reasonUnknown   = "ensure_because_not_observable"
	reasonDiffers   = "update_because_fields_differ"
	reasonAdopted   = "update_because_adopted"
	reasonReleased  = "update_because_external"
	reasonCannot    = "replace_because_cannot_update"
	reasonRequested = "replace_by_request"
	reasonTriggered = "replace_by_triggers"
	reasonKnot      = "replace_because_of_order"
	reasonNoConfig  = "delete_because_no_resource_config"
	reasonDestroy   = "delete_because_destroy"
	reasonLeftover  = "delete_because_left_over"
	reasonStray     = "delete_because_exclusive"
	reasonDisplaced = "delete_because_displaced"
)

// MakePlan compares what is declared with what was seen. It does no I/O, and
// equal arguments give equal plans.
func MakePlan(declared *resources.Declared, seen *Seen, opt Options) *Plan {
	plan := makePlan(declared, seen, opt, nil)
	if left := plan.leftBehind(seen); len(left) > 0 {
		return makePlan(declared, seen.without(left, declared), opt, left)
	}
	return plan
}

func makePlan(declared *resources.Declared, seen *Seen, opt Options, left map[resources.Addr]leftover) *Plan {
	d := decider{declared: declared, seen: seen, opt: opt, left: left, unkept: map[resources.Addr]bool{},
		plan: &Plan{Stack: declared.Stack, Destroy: opt.Destroy, declared: declared, byAddr: map[resources.Addr]*Change{},
			onlyDrift: opt.OnlyDrift}}
	d.checkPatterns()
	d.selected = d.selection()
	if opt.Destroy {
		d.destroy()
	} else {
		d.compare()
		d.needed()
		d.orphans()
		d.displace()
		d.propagate()
	}
	d.order()
	d.unread()
	d.hazards()
	d.refuse()
	return d.plan
}

// decider is the memory of one MakePlan.
type decider struct {
	declared *resources.Declared
	seen     *Seen
	opt      Options
	plan     *Plan
	selected func(resources.Addr) bool
	rivalry  map[[2]Step]bool // steps that wait for what another gives up, with that one's
	// unkept are leftovers that are not kept until what they were left by is
	// ready, because no order of steps would allow it.
	unkept map[resources.Addr]bool
	left   map[resources.Addr]leftover
}

func matchAny(a resources.Addr, globs []string) bool {
	return slices.ContainsFunc(globs, a.Match)
}

// selection returns which addresses the plan is about: the targets with all
// they need, without the excluded ones and all that need them.
func (d *decider) selection() func(resources.Addr) bool {
	if len(d.opt.Targets) == 0 && len(d.opt.Excludes) == 0 {
		return func(resources.Addr) bool { return true }
	}
	in := map[resources.Addr]bool{}
	var need func(a resources.Addr)
	need = func(a resources.Addr) {
		if in[a] {
			return
		}
		in[a] = true
		if r := d.declared.Get(a); r != nil && !d.opt.Destroy {
			for _, ref := range r.Refs {
				need(ref.To)
			}
		}
	}
	all := d.addresses()
	for _, a := range all {
		if len(d.opt.Targets) == 0 || matchAny(a, d.opt.Targets) {
			need(a)
		}
	}
	out := map[resources.Addr]bool{}
	for changed := true; changed; {
		changed = false
		for _, a := range all {
			if out[a] {
				continue
			}
			r := d.declared.Get(a)
			if matchAny(a, d.opt.Excludes) || r != nil && slices.ContainsFunc(r.Refs, func(ref resources.Ref) bool { return out[ref.To] }) {
				out[a], changed = true, true
			}
		}
	}
	return func(a resources.Addr) bool { return in[a] && !out[a] }
}

// checkPatterns refuses patterns that match nothing: they are misspelt, and a
// plan about nothing would look like one with nothing to do.
func (d *decider) checkPatterns() {
	all := d.addresses()
	var names []string
	for _, a := range all {
		names = append(names, a.String())
	}
	for _, set := range []struct {
		flag  string
		globs []string
	}{{"target", d.opt.Targets}, {"exclude", d.opt.Excludes}, {"replace", d.opt.Replace}, {"adopt", d.opt.Adopt},
		{"unprotect", d.opt.Unprotect}} {
		for _, glob := range set.globs {
			matches := slices.DeleteFunc(slices.Clone(all), func(a resources.Addr) bool { return !a.Match(glob) })
			switch {
			case glob == "*":
			case len(matches) == 0:
				d.refusal(resources.Addr{Kind: set.flag, Name: glob}, "no-match", "nothing that is declared or there matches it",
					specs.DidYouMean(glob, names))
			case set.flag == "target" && !d.opt.Destroy && !slices.ContainsFunc(matches, d.isActive):
				d.refusal(matches[0], "inactive", "it is a target, and its profile is off", "turn the profile on with -profile")
			}
		}
	}
}

// isActive reports whether a plan can be about the resource: it is not declared
// under a profile that is off.
func (d *decider) isActive(a resources.Addr) bool {
	r := d.declared.Get(a)
	return r == nil || !r.Dormant
}

// addresses returns everything declared or seen, in order.
func (d *decider) addresses() []resources.Addr {
	var all []resources.Addr
	for _, r := range d.declared.Resources {
		all = append(all, r.Addr)
	}
	for _, o := range d.seen.All() {
		if d.declared.Get(o.Addr) == nil {
			all = append(all, o.Addr)
		}
	}
	slices.SortFunc(all, resources.Addr.Compare)
	return all
}

func (d *decider) add(c *Change) {
	if !d.selected(c.Addr) {
		return
	}
	d.plan.Changes = append(d.plan.Changes, c)
	d.plan.byAddr[c.Addr] = c
}

func (d *decider) refusal(c resources.Addr, code, msg, hint string) {
	r := Refusal{Addr: c, Code: code, Msg: msg, Hint: hint}
	if res := d.declared.Get(c); res != nil {
		r.Pos = res.KeyPos
	} else if o := d.seen.Get(c); o != nil {
		r.Pos = o.Pos
	}
	d.plan.Refusals = append(d.plan.Refusals, r)
}

// compare decides for each declared resource by itself.
func (d *decider) compare() {
	for _, r := range d.declared.Resources {
		if r.Dormant {
			d.recover(r)
			continue
		}
		c := d.one(r)
		d.add(c)
		d.unfit(c)
	}
}

// unfit refuses a change that the API of its object would refuse when it comes
// to it, with half of the plan done.
func (d *decider) unfit(c *Change) {
	if c.IsNoOp() || c.Have == nil || !d.selected(c.Addr) {
		return
	}
	for _, u := range c.Have.Unfit {
		d.refusal(c.Addr, "unsupported", u.Msg, u.Hint)
		if at := c.Want.Node.At(u.At); !at.IsAbsent() {
			d.plan.Refusals[len(d.plan.Refusals)-1].Pos = c.Want.Node.KeyPos(u.At)
		}
	}
}

// recover plans what a killed run has left undone of a resource whose profile is
// off since: nothing else of it is looked at, but half replaced it may be down.
func (d *decider) recover(r *resources.Resource) {
	have := d.seen.Get(r.Addr)
	kind, ok := d.declared.Kind(r.Addr.Kind).(resources.Recoverer)
	if !ok || have == nil || have.Presence != resources.Present || have.Stack != r.Stack || have.IsHalfAdopted() || !have.Interrupted ||
		d.opt.OnlyDrift {
		return
	}
	c := &Change{Addr: r.Addr, Action: resources.NoOp, Want: r, Have: have, Mode: d.mode(r.Addr.Kind), Gate: d.gate(r)}
	if c.Delta = kind.Recover(r, have); len(c.Delta) > 0 {
		c.Action, c.Reason, c.Code = resources.Update, "its replacement was interrupted", reasonDiffers
	}
	d.add(c)
}

func (d *decider) one(r *resources.Resource) *Change {
	have := d.seen.Get(r.Addr)
	c := &Change{Addr: r.Addr, Action: resources.NoOp, Want: r, Have: have, Mode: d.mode(r.Addr.Kind), Gate: d.gate(r)}
	switch {
	case have == nil:
		// Its kind has no reader: a resource that only orders others.
		return c
	case have.Presence == resources.Unknown:
		d.plan.Unknown++
		if d.selected(r.Addr) && !r.External && d.writes(r) && have.NotYet {
			c.Action, c.Reason, c.Code = resources.Ensure, "whether it exists cannot be asked yet: "+have.Why, reasonUnknown
		}
		return c
	case r.External:
		if have.Presence == resources.Absent && d.selected(r.Addr) {
			d.refusal(r.Addr, "missing-external", "it is declared external and does not exist",
				"create it, or remove `external: true` to let midaz manage it")
		}
		d.release(c)
		return c
	case have.Presence == resources.Absent && have.Done != "":
		if matchAny(r.Addr, d.opt.Replace) && !d.opt.Made[r.Addr] {
			c.Action, c.Reason, c.Code = resources.Create, "its replacement was asked for", reasonRequested
		}
		return c
	case have.Presence == resources.Absent && have.Gone != "":
		c.Removed = true
		c.Action, c.Reason, c.Code = resources.Create, have.Gone, reasonRemoved
		return c
	case have.Presence == resources.Absent:
		if !d.opt.OnlyDrift {
			c.Action, c.Reason, c.Code = resources.Create, "it does not exist", reasonMissing
		}
		return c
	}
	d.against(c)
	if k, ok := d.declared.Kind(r.Addr.Kind).(resources.ReplacedBy); ok && c.Action == resources.Replace {
		c.Mode = k.ReplacementOf(r, have)
	}
	return c
}

// release gives up an object of the stack that is declared external: it stays as
// it is, and is not destroyed when its block leaves the spec.
func (d *decider) release(c *Change) {
	_, can := d.declared.Kind(c.Addr.Kind).(resources.Releaser)
	if !can || d.opt.OnlyDrift || c.Have.Presence != resources.Present || c.Have.Free || c.Have.Stack != d.plan.Stack {
		return
	}
	c.Released = true
	c.Action, c.Reason, c.Code = resources.Update, "it is declared external: it is given up and stays as it is", reasonReleased
	c.Delta = resources.Delta{{Path: "owner", Field: "owner", Before: d.plan.Stack, Cost: resources.Free, Pending: true}}
}

// needed adds, to a plan that only brings back what was changed outside, what
// is not there yet and something that it makes cannot do without.
func (d *decider) needed() {
	if !d.opt.OnlyDrift {
		return
	}
	for changed := true; changed; {
		changed = false
		for _, c := range slices.Clone(d.plan.Changes) {
			if c.IsNoOp() || c.Want == nil {
				continue
			}
			for _, ref := range c.Want.Refs {
				to := d.plan.byAddr[ref.To]
				if to == nil || !to.IsNoOp() || to.Want == nil || to.Want.External || to.Have == nil || to.Have.Presence != resources.Absent {
					continue
				}
				to.Action, to.Reason, to.Code = resources.Create, fmt.Sprintf("%s, which is brought back, needs it", c.Addr), reasonMissing
				changed = true
			}
		}
	}
}

// writes reports whether resources of the kind are ever written: the broker is
// only asked.
func (d *decider) writes(r *resources.Resource) bool {
	_, readonly := d.declared.Kind(r.Addr.Kind).(resources.ReadOnly)
	return !readonly
}

// against decides for a resource that is there.
func (d *decider) against(c *Change) {
	r, have := c.Want, c.Have
	c.Delta = compareOne(d.declared.Kind(r.Addr.Kind), r, have)
	foreign := have.Stack != r.Stack && !have.Free
	if foreign && !matchAny(r.Addr, d.opt.Adopt) {
		c.Delta = nil
		if c.Removed = have.Gone != ""; c.Removed {
			c.Reason = have.Gone
		}
		if d.selected(r.Addr) {
			owner := have.Owner
			if owner == "" {
				owner = "nobody that midaz knows"
			}
			if have.Stack != "" {
				owner = fmt.Sprintf("stack %q", have.Stack)
			}
			d.refusal(r.Addr, "foreign", "it exists and belongs to "+owner,
				fmt.Sprintf("take it over with `midaz apply -adopt '%s'`, which shows the difference first, or give this one another name", r.Addr))
		}
		return
	}
	c.Adopted = foreign
	if foreign && !c.Delta.Has("owner") {
		c.Delta = append(resources.Delta{{Path: "owner", Field: "owner", Before: have.Owner, After: r.Stack, Cost: resources.InPlace,
			Pending: true}}, c.Delta...)
	}
	c.Delta, c.Ignored = relevant(d.declared, d.opt.OnlyDrift, r.Addr, c.Delta)
	c.Unchanged = unchanged(r, c.Delta)
	overruled, let := relevant(d.declared, d.opt.OnlyDrift, r.Addr, slices.Clone(have.Overruled))
	c.Overruled, c.Ignored = overruled, append(c.Ignored, let...)
	if d.opt.Made[r.Addr] {
		c.Delta = slices.DeleteFunc(c.Delta, func(f resources.Diff) bool { return f.Repeats })
	}
	for _, delta := range []resources.Delta{c.Delta, c.Ignored, c.Overruled} {
		for i := range delta {
			delta[i].Pos = r.Pos(resources.Pointer(delta[i].Path))
		}
	}
	switch {
	case matchAny(r.Addr, d.opt.Replace) && !d.opt.Made[r.Addr]:
		c.Action, c.Reason, c.Code = resources.Replace, "its replacement was asked for", reasonRequested
	case len(c.Delta) == 0:
	case c.Delta.Cost() == resources.Remake:
		c.Action, c.Code = resources.Replace, reasonCannot
		c.Reason = listFields(c.Delta, resources.Remake) + " cannot be changed in place"
	case c.Adopted:
		c.Action, c.Reason, c.Code = resources.Update, "it is taken over", reasonAdopted
	default:
		c.Action, c.Reason, c.Code = resources.Update, listFields(c.Delta, resources.Free)+" differs", reasonDiffers
	}
}

func compareOne(k resources.Kind, r *resources.Resource, have *resources.Observed) resources.Delta {
	if cmp, ok := k.(resources.Comparer); ok {
		return cmp.Compare(r, have)
	}
	return k.Table().Compare(r.Config, have.Have, have.Applied)
}

// listFields names the fields of at least the cost, at most three.
func listFields(delta resources.Delta, least resources.Cost) string {
	var names []string
	for _, f := range delta {
		if f.Cost >= least && !slices.Contains(names, f.Field) {
			names = append(names, f.Field)
		}
	}
	if len(names) > 3 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:2], ", "), len(names)-2)
	}
	return strings.Join(names, ", ")
}

func unchanged(r *resources.Resource, delta resources.Delta) int {
	n := 0
	for field := range r.Config {
		if !delta.Has(field) {
			n++
		}
	}
	return n
}

func (d *decider) mode(kind string) resources.Replacement {
	if r, ok := d.declared.Kind(kind).(resources.Replaced); ok {
		return r.Replacement()
	}
	return resources.DeleteCreate
}

func (d *decider) gate(r *resources.Resource) *resources.Gate {
	if g, ok := d.declared.Kind(r.Addr.Kind).(resources.Gated); ok && !r.External {
		if gate, ok := g.Gate(r); ok {
			return &gate
		}
	}
	return nil
}

// orphans plans the removal of what the stack owns and no longer declares, and
// of what a killed run left behind.
func (d *decider) orphans() {
	kept := map[resources.Addr]bool{} // by the new address of which the profile is off
	for _, r := range d.declared.Resources {
		kept[r.Moved] = kept[r.Moved] || r.Dormant
	}
	d.keepHeld(kept)
	for _, o := range d.seen.All() {
		if kept[o.Addr] {
			continue
		}
		if r := d.declared.Get(o.Addr); r != nil || o.Presence != resources.Present || o.Free || o.Stack != d.plan.Stack || d.opt.OnlyDrift {
			continue
		}
		if o.IsHalfAdopted() && !d.wanted(o.LeftoverOf) || d.mayComeBack(o) {
			continue
		}
		if o.Unconfirmed && !slices.Contains(d.opt.Allow, resources.Orphans) {
			d.plan.Unconfirmed = append(d.plan.Unconfirmed, o.Addr)
			continue
		}
		c := &Change{Addr: o.Addr, Action: resources.Delete, Have: o, Reason: "it is no longer in the spec", Code: reasonNoConfig}
		if o.Leftover != "" {
			c.Reason, c.Code = "it was left behind: "+o.Leftover, reasonLeftover
		}
		if o.Stray != "" {
			c.Reason, c.Code = o.Stray, reasonStray
		}
		d.add(c)
	}
}

// mayComeBack reports of a leftover that it may be all that works: it was set
// aside for one that could not be looked at.
func (d *decider) mayComeBack(o *resources.Observed) bool {
	if o.LeftoverOf.IsZero() || o.Obsolete {
		return false
	}
	of := d.seen.Get(o.LeftoverOf)
	return of != nil && of.Presence == resources.Unknown
}

// keepHeld keeps what an object holds that is left alone because its profile is
// off: the engine would not remove it.
func (d *decider) keepHeld(kept map[resources.Addr]bool) {
	for _, r := range d.declared.Resources {
		have := d.seen.Get(r.Addr)
		if !r.Dormant || have == nil || have.Presence != resources.Present {
			continue
		}
		for _, ref := range have.Refs {
			if ref.Bind == resources.Hold {
				kept[ref.To] = true
			}
		}
	}
}

// displace plans the removal of what is left alone because its profile is off
// where something of another profile takes over what it has: a name, a port of
// the host, an address.
func (d *decider) displace() {
	for _, r := range d.declared.Resources {
		have := d.seen.Get(r.Addr)
		if have == nil || have.Presence != resources.Present {
			have = d.seen.Get(r.Moved)
		}
		if !r.Dormant || have == nil || have.Presence != resources.Present || have.Free || have.Stack != d.plan.Stack || have.IsHalfAdopted() {
			continue
		}
		taker := d.takerOf(r.Addr, have)
		if taker == nil {
			continue
		}
		hint := fmt.Sprintf("remove it first: `midaz destroy -target '%s'`", have.Addr)
		told := fmt.Sprintf("it is to have a name, a port or an address of %s, which runs although its profile is off", have.Addr)
		switch holder := d.holderOf(have.Addr); {
		case !holder.IsZero():
			d.refusal(taker.Addr, "occupied", fmt.Sprintf("%s and is held by %s", told, holder), hint)
		case d.opt.OnlyDrift || have.Interrupted || !d.selected(have.Addr) || d.plan.byAddr[have.Addr] != nil:
			d.refusal(taker.Addr, "occupied", told, hint)
		default:
			d.add(&Change{Addr: have.Addr, Action: resources.Delete, Have: have, Code: reasonDisplaced,
				Reason: fmt.Sprintf("its profile is off, and %s is to have a name, a port or an address of it", taker.Addr)})
		}
	}
}

// takerOf returns a change by which another resource takes over what the object
// of a resource has, nil when there is none. The resource itself has a change when
// its interrupted replacement is undone.
func (d *decider) takerOf(of resources.Addr, have *resources.Observed) *Change {
	for _, c := range d.plan.Changes {
		if c.Addr == of || c.Addr == have.Addr {
			continue
		}
		kind, ok := d.declared.Kind(c.Addr.Kind).(resources.Rival)
		if _, works := workStep(c); ok && works && kind.Rivals(c.Want, have, true) {
			return c
		}
	}
	return nil
}

// holderOf returns what is left alone, too, and cannot be without the object.
func (d *decider) holderOf(a resources.Addr) resources.Addr {
	for _, r := range d.declared.Resources {
		have := d.seen.Get(r.Addr)
		if r.Dormant && have != nil && have.Presence == resources.Present && d.plan.byAddr[r.Addr] == nil &&
			slices.ContainsFunc(have.Refs, func(ref resources.Ref) bool { return ref.To == a && ref.Bind == resources.Hold }) {
			return r.Addr
		}
	}
	return resources.Addr{}
}

// wanted reports whether the spec declares the resource and its profile is on.
func (d *decider) wanted(a resources.Addr) bool {
	r := d.declared.Get(a)
	return r != nil && !r.Dormant
}

// destroy plans the removal of everything owned, but for what is kept and what
// goes by itself with the thing it lives in.
func (d *decider) destroy() {
	going := map[resources.Addr]bool{}
	for _, o := range d.seen.All() {
		if o.Presence == resources.Present && o.Stack != d.plan.Stack && o.Gone != "" && d.selected(o.Addr) {
			d.refusal(o.Addr, "foreign", "it is there and can no longer be told to be the stack's: "+o.Gone,
				"take everything over again with `midaz apply -adopt '*'`, then destroy it; or remove it by hand")
		}
		if o.Presence == resources.Absent && o.Gone != "" && d.selected(o.Addr) {
			d.plan.lost = append(d.plan.lost, o.Addr)
		}
		// What is listed as the stack's goes also when it cannot be described.
		isThere := o.Presence == resources.Present || o.Presence == resources.Unknown && o.ID != ""
		if !isThere || o.Free || o.Stack != d.plan.Stack || o.IsHalfAdopted() {
			continue
		}
		if r := d.declared.Get(o.Addr); r != nil && r.External {
			if c := (&Change{Addr: o.Addr, Action: resources.NoOp, Want: r, Have: o}); d.selected(o.Addr) {
				if d.release(c); c.Released {
					d.add(c)
				}
			}
			continue
		}
		if matchAny(o.Addr, d.opt.Keep) {
			d.plan.Kept = append(d.plan.Kept, o.Addr)
		} else {
			going[o.Addr] = true
		}
	}
	for _, o := range d.seen.All() {
		// What lives in a service of this stack goes with it; elsewhere something
		// may be left that could not be read.
		if o.Presence == resources.Unknown && d.selected(o.Addr) && !going[o.Addr] && !d.goesAlong(o.Addr) {
			d.plan.Unknown++
		}
		if going[o.Addr] && !d.inside(o.Addr, going, map[resources.Addr]bool{}) {
			o.Purge = d.opt.Purge
			d.add(&Change{Addr: o.Addr, Action: resources.Delete, Have: o, Reason: "the stack is being removed", Code: reasonDestroy})
		}
	}
}

// inStack reports whether the object lives inside a service of the stack, at
// any depth.
func (d *decider) inStack(a resources.Addr) bool {
	return slices.ContainsFunc(d.refs(a), func(ref resources.Ref) bool {
		return ref.Bind == resources.Inside && (d.writesAt(ref.To) || d.inStack(ref.To))
	})
}

func (d *decider) writesAt(a resources.Addr) bool {
	r := d.declared.Get(a)
	return r != nil && !r.External && d.writes(r)
}

// inside reports whether the object lives inside another that goes.
func (d *decider) inside(a resources.Addr, going, visited map[resources.Addr]bool) bool {
	if visited[a] {
		return false
	}
	visited[a] = true
	for _, ref := range d.refs(a) {
		if ref.Bind == resources.Inside && (going[ref.To] || d.inside(ref.To, going, visited)) {
			return true
		}
	}
	return false
}

// refs returns the references declared and those seen.
func (d *decider) refs(a resources.Addr) []resources.Ref {
	var refs []resources.Ref
	if r := d.declared.Get(a); r != nil {
		refs = append(refs, r.Refs...)
	}
	if o := d.seen.Get(a); o != nil {
		refs = append(refs, o.Refs...)
	}
	return refs
}

// propagate carries replacements on to what is bound, until nothing changes.
func (d *decider) propagate() {
	for changed := true; changed; {
		changed = false
		for _, c := range d.plan.Changes {
			if c.Want == nil || c.Want.External || c.Want.Dormant || c.Have == nil || c.Have.Presence != resources.Present || !c.ours() {
				continue
			}
			for _, ref := range c.Want.Refs {
				changed = d.bound(c, ref) || changed
			}
		}
	}
}

// ours reports whether the object that was seen may be touched.
func (c *Change) ours() bool {
	return c.Have.Stack == c.Want.Stack || c.Have.Free || c.Adopted
}

// bound makes c follow a change of what it refers to, and reports whether c
// has changed by that.
func (d *decider) bound(c *Change, ref resources.Ref) bool {
	to := d.plan.byAddr[ref.To]
	if to == nil || to.IsNoOp() || c.Have.Finished && (ref.Bind != resources.Hold || to.Mode == resources.SwapBack) {
		return false
	}
	switch {
	case ref.Bind == resources.Hold && to.Action == resources.Replace && to.Mode == resources.DeleteCreate:
		if c.Action == resources.Replace && c.Mode == resources.DeleteCreate {
			return false
		}
		if c.Action != resources.Replace {
			c.Reason, c.Code = fmt.Sprintf("%s, which it holds, is made anew", ref.To), reasonTriggered
		}
		c.Action, c.Mode = resources.Replace, resources.DeleteCreate
		return true
	case ref.Bind == resources.Hold && to.Action == resources.Replace && to.Mode == resources.SwapBack && c.Action != resources.Replace:
		// It shares the namespaces of the old one, which goes when the new one is ready.
		c.Action, c.Code = resources.Replace, reasonTriggered
		c.Reason = fmt.Sprintf("%s, which it holds, is replaced", ref.To)
		return true
	case ref.Bind == resources.Made && (to.Action == resources.Replace || to.Action == resources.Create) && c.Action != resources.Replace:
		c.Action, c.Code = resources.Replace, reasonTriggered
		c.Reason = fmt.Sprintf("%s is made anew, and it can be joined to that only when it is made", ref.To)
		return true
	case ref.Bind == resources.Content && c.Action != resources.Replace:
		c.Action, c.Code = resources.Replace, reasonTriggered
		c.Reason = fmt.Sprintf("%s, which is its content, changes", ref.To)
		return true
	}
	return false
}

// hazards asks the kinds what a change means beyond what is planned.
func (d *decider) hazards() {
	for _, c := range d.plan.Changes {
		if c.IsNoOp() {
			continue
		}
		if h, ok := d.declared.Kind(c.Addr.Kind).(resources.Hazarder); ok {
			c.Hazards = h.Hazards(c.Action, c.Want, c.Have)
		}
		c.Hazards = append(c.Hazards, d.lostInside(c)...)
		if m, ok := d.declared.Kind(c.Addr.Kind).(resources.Mannered); ok && c.Action == resources.Replace && c.Mode == resources.SwapBack {
			c.Manner = m.Manner(c.Want, c.Have)
			if len(c.tied) > 0 {
				c.Manner = tiedManner(c)
			}
		}
	}
	d.jointHazards()
}

// jointHazards asks the kinds what the changes mean together.
func (d *decider) jointHazards() {
	if d.plan.IsEmpty() {
		return
	}
	var all []resources.Planned
	kinds := map[string]bool{}
	for _, c := range d.plan.Changes {
		all = append(all, resources.Planned{Addr: c.Addr, Action: c.Action, Want: c.Want, Have: c.Have})
		kinds[c.Addr.Kind] = kinds[c.Addr.Kind] || !c.IsNoOp()
	}
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		joint, ok := d.declared.Kind(kind).(resources.JointHazarder)
		if !ok || !kinds[kind] {
			continue
		}
		for a, hazards := range joint.JointHazards(all) {
			if c := d.plan.byAddr[a]; c != nil && !c.IsNoOp() {
				c.Hazards = append(c.Hazards, hazards...)
			}
		}
	}
}

// refuse adds what the plan must not do without someone saying so.
func (d *decider) refuse() {
	destroyed := 0
	for _, c := range d.plan.Changes {
		if c.IsNoOp() {
			continue
		}
		if c.Action == resources.Delete || c.Action == resources.Replace {
			destroyed++
			if d.refuseProtected(c) {
				continue
			}
		}
		for _, h := range c.Hazards {
			d.refuseHazard(c, h)
		}
	}
	if d.opt.MaxDestroy != nil && destroyed > *d.opt.MaxDestroy {
		d.refusal(resources.Addr{Kind: "stack", Name: d.plan.Stack}, "max-destroy",
			fmt.Sprintf("the plan removes or replaces %d resources, more than the %d that -max-destroy allows", destroyed, *d.opt.MaxDestroy),
			"look at the plan, then raise the limit")
	}
	if !d.opt.Destroy && !d.opt.AllowEmpty && destroyed > 0 && d.declaresNothing() {
		d.refusal(resources.Addr{Kind: "stack", Name: d.plan.Stack}, "empty-spec",
			fmt.Sprintf("the spec declares nothing, and applying it would remove all %d resources of the stack", destroyed),
			"if that is meant, use `midaz destroy`, or say -allow-empty")
	}
}

// refuseProtected refuses to remove a protected object whose protection was
// not lifted, and reports whether it did.
func (d *decider) refuseProtected(c *Change) bool {
	// For a declared resource the spec decides; the mark on the object counts
	// once its block has left the spec.
	protected := c.Want != nil && c.Want.Protect || c.Want == nil && c.Have.Protected
	if !protected || c.Action == resources.Replace && c.Mode == resources.SwapBack || matchAny(c.Addr, d.opt.Unprotect) {
		return false
	}
	hint := fmt.Sprintf("to remove it anyway, pass `-unprotect '%s'`", c.Addr)
	switch {
	case d.opt.Destroy && d.opt.Purge:
		hint = fmt.Sprintf("confirm with the name of the stack: `-confirm %s`", d.plan.Stack)
	case c.Want != nil:
		hint = fmt.Sprintf("to lose it anyway, declare it with `protect: false` or pass `-unprotect '%s'`", c.Addr)
	default:
		if to := d.newcomer(c.Addr); !to.IsZero() {
			hint = fmt.Sprintf("if it was renamed to %s, declare that: `moved: [{ from: %s, to: %s }]`; %s", to, c.Addr, to, hint)
		}
	}
	d.refusal(c.Addr, "protected", fmt.Sprintf("it is protected and would be %sd: %s", c.Action, c.Reason), hint)
	return true
}

// newcomer returns the one resource of a movable kind that is to be created,
// and that an orphan may be called now; zero when there is none or several.
func (d *decider) newcomer(orphan resources.Addr) resources.Addr {
	var found resources.Addr
	if _, ok := d.declared.Kind(orphan.Kind).(resources.Movable); !ok {
		return found
	}
	for _, c := range d.plan.Changes {
		if c.Action != resources.Create || c.Addr.Kind != orphan.Kind {
			continue
		}
		if !found.IsZero() {
			return resources.Addr{}
		}
		found = c.Addr
	}
	return found
}

// refuseHazard refuses a dangerous change without consent, whatever its action:
// an update can lose as much as a removal.
func (d *decider) refuseHazard(c *Change, h resources.Hazard) {
	switch {
	case h.Code == resources.Refused:
		d.refusal(c.Addr, "hazard", h.Msg, "take the change back, or let it be made with `on_change`")
	case !h.NeedsConsent() || slices.Contains(d.opt.Allow, h.Code):
	case h.Code == resources.DataLoss && matchAny(c.Addr, d.opt.Discard):
	default:
		d.refusal(c.Addr, "hazard", h.Msg, "to accept this, pass `-allow "+h.Code+"`")
	}
}

func (d *decider) declaresNothing() bool {
	return !slices.ContainsFunc(d.declared.Resources, func(r *resources.Resource) bool { return !r.External && !r.Node.IsAbsent() })
}

// Differences returns what differs between a resource and what was seen of it,
// whatever a plan would make of that.
func Differences(declared *resources.Declared, r *resources.Resource, have *resources.Observed) resources.Delta {
	return compareOne(declared.Kind(r.Addr.Kind), r, have)
}
