package engine

import (
	"fmt"
	"maps"
	"slices"

	"github.com/LerianStudio/midaz-infra/engine/graph"
	"github.com/LerianStudio/midaz-infra/resources"
)

// What lives inside an object, as the topology does in its broker, need not come
// along when that is replaced. Where the plan can tell, it provides for it: what is
// left behind is made as soon as the new object can be asked. Whatever the plan
// knows, a run that has replaced such an object looks at what lives inside again.

// leftover is what was seen inside an object that the plan replaces by one that
// starts without it.
type leftover struct {
	host resources.Addr
	why  string
	seen *resources.Observed
}

// leftBehind returns what the plan's replacements leave behind.
func (p *Plan) leftBehind(seen *Seen) map[resources.Addr]leftover {
	empty := map[resources.Addr]string{}
	for _, c := range p.Changes {
		if k, ok := p.declared.Kind(c.Addr.Kind).(resources.Emptier); ok && c.Action == resources.Replace {
			if why := k.Empties(c.Want, c.Have); why != "" {
				empty[c.Addr] = fmt.Sprintf("%s is replaced by one that starts empty: %s", c.Addr, why)
			}
		}
	}
	left := map[resources.Addr]leftover{}
	if len(empty) == 0 {
		return left
	}
	isEmpty := func(a resources.Addr) bool { return empty[a] != "" }
	for _, o := range seen.All() {
		if host := hostOf(p.declared, o.Addr, o.Refs, isEmpty); !host.IsZero() {
			left[o.Addr] = leftover{host, empty[host], o}
		}
	}
	return left
}

// without returns what will be seen as soon as what is left behind is gone: of
// that, nothing is known of what is declared, and the rest is of no concern.
func (s *Seen) without(left map[resources.Addr]leftover, declared *resources.Declared) *Seen {
	out := NewSeen(nil)
	for a, o := range s.byAddr {
		switch l, is := left[a]; {
		case !is:
			out.byAddr[a] = o
		case declared.Get(a) != nil:
			out.byAddr[a] = &resources.Observed{Addr: a, Presence: resources.Unknown, NotYet: true, Why: l.why}
		}
	}
	return out
}

// lostInside names the data that a replacement loses with what it leaves behind,
// where the kind of the object has not said itself that data is lost.
func (d *decider) lostInside(c *Change) []resources.Hazard {
	if slices.ContainsFunc(c.Hazards, func(h resources.Hazard) bool { return h.Code == resources.DataLoss }) {
		return nil
	}
	lost := map[resources.Addr][]resources.Hazard{}
	for a, l := range d.left {
		h, ok := d.declared.Kind(a.Kind).(resources.Hazarder)
		if !ok || l.host != c.Addr {
			continue
		}
		for _, hazard := range h.Hazards(resources.Delete, nil, l.seen) {
			if hazard.Code == resources.DataLoss {
				lost[a] = append(lost[a], resources.Hazard{Code: hazard.Code, At: a, Msg: fmt.Sprintf("%s goes with it: %s", a, hazard.Msg)})
			}
		}
	}
	var out []resources.Hazard
	for _, a := range slices.SortedFunc(maps.Keys(lost), resources.Addr.Compare) {
		around := hostOf(d.declared, a, d.left[a].seen.Refs, func(host resources.Addr) bool { return len(lost[host]) > 0 })
		if around.IsZero() { // else that says it
			out = append(out, lost[a]...)
		}
	}
	return out
}

// hostOf returns the first object for which is holds that another lives inside, at
// any depth; zero when there is none. seen are what the other was seen to refer to.
func hostOf(declared *resources.Declared, a resources.Addr, seen []resources.Ref, is func(resources.Addr) bool) resources.Addr {
	refs := seen
	if r := declared.Get(a); r != nil {
		refs = slices.Concat(r.Refs, seen)
	}
	for _, ref := range refs {
		if ref.Bind != resources.Inside {
			continue
		}
		if is(ref.To) {
			return ref.To
		}
		if host := hostOf(declared, ref.To, nil, is); !host.IsZero() {
			return host
		}
	}
	return resources.Addr{}
}

// isUnsettled reports whether an object lives inside one that the plan replaces, and
// itself contains something that was observed, which must be observed again once the
// object is ready.
func (d *decider) isUnsettled(c *Change) bool {
	replaced := func(a resources.Addr) bool {
		to := d.plan.byAddr[a]
		return to != nil && to.Action == resources.Replace
	}
	if hostOf(d.declared, c.Addr, nil, replaced).IsZero() {
		return false
	}
	return slices.ContainsFunc(d.plan.Changes, func(in *Change) bool {
		return in.Have != nil && in.Have.Presence == resources.Present &&
			!hostOf(d.declared, in.Addr, nil, func(a resources.Addr) bool { return a == c.Addr }).IsZero()
	})
}

// Made returns the objects that the run has made, or replaced for good.
func (r *Report) Made() []resources.Addr {
	var made []resources.Addr
	back := map[resources.Addr]bool{}
	for _, s := range r.Results {
		back[s.Step.Addr] = back[s.Step.Addr] || s.RolledBack
		if s.State == graph.Done && (s.Did == resources.Create || s.Did == resources.Replace) {
			made = append(made, s.Step.Addr)
		}
	}
	return slices.DeleteFunc(made, func(a resources.Addr) bool { return back[a] })
}

// IsOutdated reports whether something that was observed before the run lives inside
// an object that the run has recreated, so that it may no longer exist.
func (r *Report) IsOutdated() bool {
	made := map[resources.Addr]bool{}
	for _, a := range r.Made() {
		made[a] = true
	}
	return slices.ContainsFunc(r.Plan.Changes, func(c *Change) bool {
		return c.Have != nil && c.Have.Presence == resources.Present &&
			!hostOf(r.Plan.declared, c.Addr, nil, func(a resources.Addr) bool { return made[a] }).IsZero()
	})
}
