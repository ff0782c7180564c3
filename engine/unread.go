package engine

import (
	"slices"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// Unread is something that is declared or owned and could not be read, so that
// nothing is known about how it differs.
type Unread struct {
	Addr resources.Addr
	Pos  specs.Pos
	// Why says why, Hint what to do about it, "" where that is not known.
	Why, Hint string
	// Planned: the plan provides for it, as it is created or changed as soon as
	// its API can be asked.
	Planned bool
}

// unread lists what could not be read. What lives in something that was never
// applied is not listed: it does not exist, and is planned like anything else
// that does not.
func (d *decider) unread() {
	for _, o := range d.seen.All() {
		if o.Presence != resources.Unknown || !d.selected(o.Addr) || d.opt.Destroy && d.goesAlong(o.Addr) {
			continue
		}
		if !d.opt.Destroy && o.NotYet && d.reaches(o.Addr, d.isNew) {
			continue
		}
		u := Unread{Addr: o.Addr, Pos: o.Pos, Why: o.Why, Hint: o.Hint}
		if r := d.declared.Get(o.Addr); r != nil {
			u.Pos = r.KeyPos
		}
		u.Planned = !d.opt.Destroy && (d.isEnsured(o.Addr) || d.reaches(o.Addr, d.changes))
		d.plan.Unread = append(d.plan.Unread, u)
	}
}

// reaches reports whether something that the resource refers to, directly or
// not, is so.
func (d *decider) reaches(a resources.Addr, is func(resources.Addr) bool) bool {
	visited := map[resources.Addr]bool{a: true}
	var from func(a resources.Addr) bool
	from = func(a resources.Addr) bool {
		return slices.ContainsFunc(d.refs(a), func(ref resources.Ref) bool {
			if visited[ref.To] {
				return false
			}
			visited[ref.To] = true
			return is(ref.To) || from(ref.To)
		})
	}
	return from(a)
}

// isNew reports whether the object is declared, is not there, and was not there
// after the last apply.
func (d *decider) isNew(a resources.Addr) bool {
	o := d.seen.Get(a)
	return o != nil && o.Presence == resources.Absent && o.Gone == ""
}

// changes reports whether the plan does something with an object that was read.
func (d *decider) changes(a resources.Addr) bool {
	c := d.plan.byAddr[a]
	return c != nil && !c.IsNoOp() && c.Action != resources.Ensure
}

// isEnsured reports whether the plan creates or changes the resource as soon as
// its API can be asked, or waits for it because something else is.
func (d *decider) isEnsured(a resources.Addr) bool {
	c := d.plan.byAddr[a]
	return c != nil && (c.Action == resources.Ensure || d.plan.Steps.Has(Step{a, VerbAwait}))
}

// goesAlong reports whether an object that could not be read goes all the same when
// the stack is removed: it is listed, or lives in something that goes.
func (d *decider) goesAlong(a resources.Addr) bool { return d.plan.byAddr[a] != nil || d.inStack(a) }

// Missed returns what could not be read and the plan does not provide for: of
// that no one can say that it is as declared.
func (p *Plan) Missed() []Unread {
	return slices.DeleteFunc(slices.Clone(p.Unread), func(u Unread) bool { return u.Planned })
}
