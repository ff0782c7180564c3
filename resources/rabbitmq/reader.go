package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/LerianStudio/midaz-infra/resources"
)

// ReadBroker observes a broker. It has no way to change it.
type ReadBroker struct {
	*session
	ledger *ledger

	mu      sync.Mutex
	current *snapshot
	// migrating are the queues and exchanges whose helpers were seen or made.
	migrating map[resources.Addr]bool
	// planned are objects with what a plan has said of them.
	planned map[resources.Addr]*object
	regroup regrouper
	written atomic.Int64 // counts writes, which end a snapshot
}

// OpenReader returns the reading side of the broker that o.Declared names. It
// makes no call.
func OpenReader(o Options) *ReadBroker {
	b := &ReadBroker{session: newSession(o)}
	b.ledger = &ledger{b: b}
	return b
}

// Readers returns a reader for each kind.
func (b *ReadBroker) Readers() map[string]resources.Reader {
	out := map[string]resources.Reader{brokerName: brokerReader{b}}
	for _, k := range topologies {
		out[k.Table().Kind] = reader{k, b}
	}
	return out
}

// fewWanted is how many objects are asked for one by one when the stack's
// others are of no interest; above it one bulk read is cheaper.
const fewWanted = 8

// pair is a wanted resource and what was seen of it.
type pair struct {
	want *resources.Resource
	seen *resources.Observed
}

// reader observes one kind.
type reader struct {
	kind topology
	b    *ReadBroker
}

// Observe asks the broker. Without scope.Owned, as when the engine looks again
// right before a write, few wanted objects are read one by one.
func (r reader) Observe(ctx context.Context, scope resources.Scope) ([]*resources.Observed, error) {
	if r.b.broker == nil {
		return absent(scope.Want), nil
	}
	var out []*resources.Observed
	var err error
	if !scope.Owned && len(scope.Want) <= fewWanted {
		out, err = r.few(ctx, scope)
	} else {
		out, err = r.bulk(ctx, scope)
	}
	if errors.Is(err, resources.ErrUnreachable) && !scope.Owned {
		err = resources.Transient(err)
	}
	return out, err
}

func absent(want []*resources.Resource) []*resources.Observed {
	var out []*resources.Observed
	for _, w := range want {
		out = append(out, &resources.Observed{Addr: w.Addr})
	}
	return out
}

func (r reader) few(ctx context.Context, scope resources.Scope) ([]*resources.Observed, error) {
	books, err := r.b.ledger.read(ctx, scope.Stack)
	if err != nil {
		return nil, err
	}
	var out []*resources.Observed
	for _, w := range scope.Want {
		o, err := r.kind.one(ctx, r.b.reads(), w.Addr)
		if k, ok := r.kind.(attached); ok && o == nil && err == nil && r.b.anyMigrating() {
			o, err = k.standIn(ctx, r.b.reads(), w.Addr)
		}
		if err != nil {
			return nil, err
		}
		if was, ahead := r.b.before(w.Addr); ahead {
			o = was // its step is still to come
		}
		out = append(out, r.observed(o, w, w.Addr, scope.Stack, books))
	}
	return out, nil
}

func (r reader) bulk(ctx context.Context, scope resources.Scope) ([]*resources.Observed, error) {
	s := r.b.snapshot(r.kind.Table().Kind)
	books, err := r.b.ledger.readFrom(ctx, s, scope.Stack)
	if err != nil {
		return nil, err
	}
	objects, err := r.kind.all(ctx, s)
	if err != nil {
		return nil, err
	}
	unfit := r.unfit(ctx, s)
	var overruled overrulings
	if scope.Owned {
		overruled = s.overruled(ctx, books)
	}
	byAddr := make(map[resources.Addr]*object, len(objects))
	for _, o := range objects {
		byAddr[o.addr] = o
	}
	wanted := make(map[resources.Addr]bool, len(scope.Want))
	out := make([]*resources.Observed, 0, len(scope.Want))
	doomed := r.doomed(scope)
	var changing []pair
	for _, w := range scope.Want {
		wanted[w.Addr] = true
		seen := r.observed(byAddr[w.Addr], w, w.Addr, scope.Stack, books)
		seen.Overruled = overruled[w.Addr]
		seen.Unfit = unfit(w)
		doomed.look(w, seen)
		if seen.Presence == resources.Absent || len(compare(r.kind, w, seen)) > 0 {
			changing = append(changing, pair{w, seen})
		}
		out = append(out, seen)
	}
	if scope.Owned {
		for _, o := range objects {
			if wanted[o.addr] || o.free {
				continue
			}
			stray := r.b.stray(o, books)
			if stray == "" && !books.owns(o.addr) {
				continue
			}
			seen := r.observed(o, nil, o.addr, scope.Stack, books)
			if !books.owns(o.addr) {
				seen.Stray, seen.Stack, seen.Owner = stray, scope.Stack, ""
			}
			doomed.look(nil, seen)
			changing = append(changing, pair{nil, seen})
			out = append(out, seen)
		}
		out = append(out, r.gone(scope.Stack, books, byAddr, wanted)...)
	}
	if _, ok := r.kind.(reacher); ok {
		if err := r.surround(ctx, s, changing); err != nil {
			return nil, err
		}
	}
	left, err := r.observeLeftovers(ctx, s, books, scope)
	if err != nil {
		return nil, err
	}
	return append(out, left...), doomed.inspect(ctx, r.b, s, books, len(objects))
}

// unfit returns what tells which parts of a wanted resource this broker refuses.
// A broker that does not say what it is refuses nothing here.
func (r reader) unfit(ctx context.Context, s *snapshot) func(*resources.Resource) []resources.Unfit {
	over, err := r.b.overview(ctx)
	if err != nil {
		return func(*resources.Resource) []resources.Unfit { return nil }
	}
	v := releaseOf(over.Version)
	return func(w *resources.Resource) []resources.Unfit {
		out := refusedBy(v, w)
		if k, ok := r.kind.(demanding); ok {
			out = append(out, k.lacks(ctx, s, over, w)...)
		}
		return out
	}
}

// gone returns the entries of the ledger whose objects are not there: a killed
// run has removed them, or never came to make them. They are cleared, because
// an object that somebody else makes under such a name would count as the
// stack's.
func (r reader) gone(stack string, b *books, there map[resources.Addr]*object, wanted map[resources.Addr]bool) []*resources.Observed {
	var out []*resources.Observed
	for a := range b.own {
		if a.Kind == r.kind.Table().Kind && there[a] == nil && !wanted[a] {
			out = append(out, &resources.Observed{Addr: a, Presence: resources.Present, Have: resources.Config{}, Stack: stack,
				ID: goneID, Leftover: "the record of an object that is gone"})
		}
	}
	return out
}

// goneID is the ID of an object that is not there, and of no other.
const goneID = "gone"

// doomed collects what a change would or might destroy.
type doomed struct {
	kind  topology
	k     inspector
	scope resources.Scope
	sure  []pair
	all   []pair
}

func (r reader) doomed(scope resources.Scope) *doomed {
	k, _ := r.kind.(inspector)
	return &doomed{kind: r.kind, k: k, scope: scope}
}

func (d *doomed) look(w *resources.Resource, seen *resources.Observed) {
	if d.k == nil || seen.Presence != resources.Present {
		return
	}
	d.all = append(d.all, pair{w, seen})
	if w == nil || d.scope.Doomed != nil && d.scope.Doomed(seen.Addr) || compare(d.kind, w, seen).Cost() == resources.Remake {
		d.sure = append(d.sure, pair{w, seen})
	}
}

// inspect completes what was seen by what would be lost with it. size is how
// many objects of the kind the broker has.
func (d *doomed) inspect(ctx context.Context, broker *ReadBroker, s *snapshot, b *books, size int) error {
	which := d.sure
	if d.k != nil && size <= d.k.cheapFor() {
		which = d.all
	}
	if len(which) == 0 {
		return nil
	}
	objects := make([]*object, len(which))
	for i, p := range which {
		objects[i] = nativeOf(p.seen)
	}
	if err := d.k.inspect(ctx, s, b, objects); err != nil {
		return err
	}
	if k, ok := d.kind.(foreseer); ok {
		replaced := slices.DeleteFunc(slices.Clone(which), func(p pair) bool { return p.want == nil })
		if err := k.foresee(ctx, s, b, replaced); err != nil {
			return err
		}
	}
	for _, p := range which {
		o := nativeOf(p.seen)
		broker.plan(o)
		p.seen.Notes = o.notes
		if o.replacing != nil && d.isReplaced(p) {
			p.seen.Notes = slices.Concat(o.notes, o.replacing.notes)
		}
	}
	return nil
}

// isReplaced reports whether the object will be replaced for its own sake.
func (d *doomed) isReplaced(p pair) bool {
	return compare(d.kind, p.want, p.seen).Cost() == resources.Remake || d.scope.Doomed != nil && d.scope.Doomed(p.seen.Addr)
}

// observed describes the object to the engine; o is nil when it is not there.
func (r reader) observed(o *object, want *resources.Resource, a resources.Addr, stack string, books *books) *resources.Observed {
	if o == nil {
		seen := &resources.Observed{Addr: a}
		if seen.Gone = books.gone(a); books.owns(a) {
			seen.Gone = "the broker's list of what the stack manages names it, and it is not there"
		}
		return seen
	}
	applied, id := books.applied(a), digest(o)
	if k, ok := r.kind.(fitter); ok {
		applied = k.fit(o, want, applied)
	}
	seen := &resources.Observed{
		Addr: a, Presence: resources.Present, Have: o.have, Applied: applied, Free: o.free,
		ID: id, Refs: o.refs, Notes: o.notes, Native: o,
	}
	switch {
	case books.owns(a):
		seen.Stack = stack
		if protect, _ := books.mark(a)["protect"].(bool); protect {
			seen.Protected = true
		}
	case books.owner(a) != "":
		seen.Stack = books.owner(a)
		seen.Owner = fmt.Sprintf("stack %q", seen.Stack)
	case !o.free:
		seen.Owner, seen.Gone = books.nobody(stack), books.gone(a)
	}
	return seen
}

// compare is the kind's own comparison.
func compare(k resources.Kind, want *resources.Resource, have *resources.Observed) resources.Delta {
	if c, ok := k.(resources.Comparer); ok {
		return c.Compare(want, have)
	}
	return k.Table().Compare(want.Config, have.Have, have.Applied)
}

// Unmanaged returns what exists on the broker and stands in no ledger, without
// what every broker has and what clients make for themselves, in order of
// address. It is for reports; nothing in it is ever deleted.
func (b *ReadBroker) Unmanaged(ctx context.Context, stack string) ([]*resources.Observed, error) {
	var out []*resources.Observed
	for _, k := range topologies {
		r := reader{k, b}
		s := b.snapshot(k.Table().Kind)
		books, err := b.ledger.readFrom(ctx, s, stack)
		if err != nil {
			return nil, err
		}
		objects, err := k.all(ctx, s)
		if err != nil {
			return nil, fmt.Errorf("observe %s: %w", k.Table().Kind, err)
		}
		for _, o := range objects {
			if !o.free && !books.owns(o.addr) && books.owner(o.addr) == "" && b.stray(o, books) == "" {
				out = append(out, r.observed(o, nil, o.addr, stack, books))
			}
		}
	}
	slices.SortFunc(out, func(a, b *resources.Observed) int { return a.Addr.Compare(b.Addr) })
	return out, nil
}
