package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/go-multierror"

	"github.com/LerianStudio/midaz-infra/resources"
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
// scope.Owned, for everything else the stack owns. A reader that is not
// reachable makes its resources Unknown; other errors are returned together,
// by kind, each cause once. scope.Want is filled in here.
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
	// One cause may fail every kind of a backend; it is told once.
	failed := map[string][]string{}
	for i, kind := range kinds {
		if errs[i] != nil {
			failed[errs[i].Error()] = append(failed[errs[i].Error()], kind)
		}
	}
	var all *multierror.Error
	for i, kind := range kinds {
		switch {
		case errors.Is(errs[i], resources.ErrUnreachable):
			for _, r := range want[kind] {
				seen.byAddr[r.Addr] = &resources.Observed{Addr: r.Addr, Presence: resources.Unknown, Why: errs[i].Error()}
			}
		case errs[i] != nil:
			if alike := failed[errs[i].Error()]; alike[0] == kind {
				all = multierror.Append(all, fmt.Errorf("observe %s: %w", strings.Join(alike, ", "), errs[i]))
			}
		default:
			for _, o := range found[i] {
				seen.byAddr[o.Addr] = o
			}
		}
	}
	seen.resolveRefs()
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
