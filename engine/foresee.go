package engine

import (
	"github.com/LerianStudio/midaz-infra/resources"
)

// Foresee returns what would be seen if just old had been applied, for the
// comparison of two specs without an engine: MakePlan of now and of that is
// what changing from one to the other comes to. Everything that now declares
// and old does not is absent; what is external is as it is declared.
func Foresee(old, now *resources.Declared) *Seen {
	moved := map[resources.Addr]resources.Addr{}
	for _, r := range now.Resources {
		if !r.Moved.IsZero() && old.Get(r.Addr) == nil {
			moved[r.Moved] = r.Addr
		}
	}
	seen := NewSeen(nil)
	if old.Stack == now.Stack { // another stack's objects are not this one's
		for _, r := range old.Resources {
			if r.Dormant {
				continue
			}
			o := settled(old, r)
			if to, ok := moved[r.Addr]; ok {
				o.Addr = to
			}
			if s, ok := old.Kind(r.Addr.Kind).(resources.Settler); ok {
				s.Settle(r, o, now.Get(o.Addr))
			}
			seen.byAddr[o.Addr] = o
		}
	}
	for _, r := range now.Resources {
		if _, readOnly := now.Kind(r.Addr.Kind).(resources.ReadOnly); readOnly || r.Dormant || r.External || seen.byAddr[r.Addr] != nil {
			continue
		}
		seen.byAddr[r.Addr] = &resources.Observed{Addr: r.Addr}
	}
	return seen
}

// settled is what every kind shows of a resource that was applied.
func settled(all *resources.Declared, r *resources.Resource) *resources.Observed {
	o := &resources.Observed{Addr: r.Addr, Presence: resources.Present, ID: r.Addr.String(), Stack: r.Stack,
		Protected: r.Protect, Refs: r.Refs, Pos: r.KeyPos, Have: r.Config}
	if k := all.Kind(r.Addr.Kind); k != nil {
		o.Have = k.Table().Marked(r.Config)
	}
	if r.External {
		o.Stack = ""
		return o
	}
	sealed := resources.Seal(o.Have)
	o.Applied = &sealed
	return o
}
