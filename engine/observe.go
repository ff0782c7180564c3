package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/hashicorp/go-multierror"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// Seen is what observation found, by address.
type Seen struct {
	byAddr map[resources.Addr]*resources.Observed
}

// NewSeen returns what was seen as a value, for tests and recorded observations.
func NewSeen(all []*resources.Observed) *Seen {
	s := &Seen{byAddr: make(map[resources.Addr]*resources.Observed, len(all))}
	for _, o := range all {
		s.byAddr[o.Addr] = o
	}
	return s
}

// Get returns what was seen at an address, nil when nothing was asked there.
func (s *Seen) Get(a resources.Addr) *resources.Observed { return s.byAddr[a] }

// All returns everything seen, in order of address.
func (s *Seen) All() []*resources.Observed {
	return slices.SortedFunc(maps.Values(s.byAddr), func(a, b *resources.Observed) int { return a.Addr.Compare(b.Addr) })
}

// Observe asks all readers at the same time for what is declared and, with
// scope.Owned, for everything else the stack owns. What a reader cannot read is
// Unknown and says why; it never keeps the rest from being read. The errors that
// remain are those of the spec, which only the engine or the broker could find,
// and that of a context that has ended. scope.Want is filled in here.
func Observe(ctx context.Context, readers map[string]resources.Reader, declared *resources.Declared, scope resources.Scope) (*Seen, error) {
	want := map[string][]*resources.Resource{}
	for _, r := range declared.Resources {
		if !r.Dormant {
			want[r.Addr.Kind] = append(want[r.Addr.Kind], r)
		}
	}
	kinds := slices.Sorted(maps.Keys(readers))
	found := make([][]*resources.Observed, len(kinds))
	errs := make([]error, len(kinds))
	var wg sync.WaitGroup
	for i, kind := range kinds {
		wg.Go(func() {
			s := scope
			s.Want = want[kind]
			if s.Stack == "" {
				s.Stack = declared.Stack
			}
			if len(s.Want) == 0 && !s.Owned {
				return
			}
			found[i], errs[i] = readers[kind].Observe(ctx, s)
		})
	}
	wg.Wait()
	seen := NewSeen(nil)
	var all *multierror.Error
	unread := map[string][]string{} // kinds of which nothing is declared, by why they could not be read
	told := map[string]bool{}
	for i, kind := range kinds {
		switch {
		case errs[i] == nil:
			for _, o := range found[i] {
				seen.byAddr[o.Addr] = o
			}
		case ctx.Err() != nil:
			return seen, fmt.Errorf("observe %s: %w", kind, errs[i])
		case len(specs.ProblemsOf(errs[i])) > 0:
			all = multierror.Append(all, fmt.Errorf("observe %s: %w", kind, errs[i]))
		case len(want[kind]) == 0:
			unread[errs[i].Error()] = append(unread[errs[i].Error()], kind)
		default:
			for _, r := range want[kind] {
				seen.byAddr[r.Addr] = resources.NotRead(r.Addr, errs[i])
			}
			told[errs[i].Error()] = true
		}
	}
	// One cause may fail every kind of a backend; it is reported once.
	for why, of := range unread {
		if told[why] {
			continue
		}
		a := resources.Addr{Kind: of[0], Name: "*"}
		seen.byAddr[a] = resources.NotRead(a, errs[slices.Index(kinds, of[0])])
	}
	seen.resolveRefs()
	seen.recall(declared)
	return seen, all.ErrorOrNil()
}

// resolveRefs gives references to objects the addresses at which these were seen.
// An object that is only listed as a leftover, or that moved to another address,
// is found like any other.
func (s *Seen) resolveRefs() {
	type object struct{ kind, id string }
	at := map[object]resources.Addr{}
	for _, o := range s.All() {
		if o.Presence == resources.Present && o.ID != "" {
			at[object{o.Addr.Kind, o.ID}] = o.Addr
		}
	}
	for _, o := range s.byAddr {
		var refs []resources.Ref
		for _, ref := range o.Refs {
			if ref.ID != "" {
				ref.To = at[object{ref.To.Kind, ref.ID}]
				ref.ID = ""
			}
			known := func(r resources.Ref) bool { return r.To == ref.To && r.Bind == ref.Bind }
			if !ref.To.IsZero() && ref.To != o.Addr && !slices.ContainsFunc(refs, known) {
				refs = append(refs, ref)
			}
		}
		slices.SortStableFunc(refs, func(a, b resources.Ref) int { return a.To.Compare(b.To) })
		o.Refs = refs
	}
}
