package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/LerianStudio/midaz-infra/resources"
)

// Broker observes and changes a broker.
type Broker struct {
	*ReadBroker
	keeper *keeper
	// consents are the objects whose data the plan has shown to be lost.
	consents map[resources.Addr]bool
	// policyLocks keep writers of generated policies apart, by virtual host.
	policyLocks map[string]*sync.Mutex
	// locks by virtual host; see lockReplacing.
	locks map[string]*sync.RWMutex
	// moving is held by whoever moves messages, and alone by who has publishers
	// held meanwhile: the alarm would hold the others' movers too.
	moving sync.RWMutex
}

// Open returns the broker that o.Declared names, for reading and writing. It
// makes no call.
func Open(o Options) *Broker {
	b := &Broker{ReadBroker: OpenReader(o)}
	b.keeper = &keeper{b: b, wrote: map[resources.Addr]resources.Config{}}
	return b
}

// Writers returns a writer for each kind.
func (b *Broker) Writers() map[string]resources.Writer {
	out := map[string]resources.Writer{brokerName: brokerWriter{b}}
	for _, k := range topologies {
		out[k.Table().Kind] = writer{k, b}
	}
	return out
}

// writer changes objects of one kind.
type writer struct {
	kind topology
	b    *Broker
}

// Claimer returns the keeper of the ledger, the same for all kinds.
func (w writer) Claimer() resources.Claimer { return w.b.keeper }

// Create makes the object, after it was written down as the stack's.
func (w writer) Create(ctx context.Context, r *resources.Resource, note resources.Note) error {
	if k, ok := w.kind.(replacer); ok && w.b.isMigrating(r.Addr) {
		if err := k.resume(ctx, w.b, r, note); err != nil {
			return transient(err)
		}
	}
	return transient(w.put(ctx, r, nil, nil))
}

// Update brings the object to what is wanted.
func (w writer) Update(ctx context.Context, r *resources.Resource, have *resources.Observed, d resources.Delta, _ resources.Note) error {
	o, _ := have.Native.(*object)
	if o == nil {
		return fmt.Errorf("update %s: it was not observed by this backend", r.Addr)
	}
	onBroker := slices.ContainsFunc(d, func(f resources.Diff) bool { return f.Field != "owner" && f.Cost != resources.Free })
	if !onBroker {
		if err := w.b.keeper.claimOne(ctx, r); err != nil {
			return transient(err)
		}
		w.b.keeper.remember(w.kind, r, o)
		return nil
	}
	return transient(w.put(ctx, r, o, d))
}

func (w writer) put(ctx context.Context, r *resources.Resource, have *object, d resources.Delta) error {
	c, err := w.b.writes()
	if err != nil {
		return err
	}
	if err := w.b.keeper.claimOne(ctx, r); err != nil {
		return err
	}
	if isGenerated(r.Addr) {
		if err := w.b.putGenerated(ctx, r); err != nil {
			return err
		}
		w.b.keeper.remember(w.kind, r, nil)
		return nil
	}
	if err := w.guard(ctx, r.Addr, r); err != nil {
		return err
	}
	w.b.written.Add(1)
	sure, err := w.kind.write(ctx, c, r, have, d)
	if err != nil {
		return err
	}
	if sure {
		w.b.keeper.remember(w.kind, r, nil)
		return nil
	}
	now, err := w.verify(ctx, c.reads, r)
	if err != nil {
		return err
	}
	w.b.keeper.remember(w.kind, r, now)
	return nil
}

func (w writer) guard(ctx context.Context, a resources.Addr, want *resources.Resource) error {
	if k, ok := w.kind.(guarded); ok {
		return k.guard(ctx, w.b, a, want)
	}
	return nil
}

// Consent notes whose messages may be lost: the plan has said so.
func (w writer) Consent(a resources.Addr, hazards []resources.Hazard) {
	w.b.mu.Lock()
	defer w.b.mu.Unlock()
	for _, h := range hazards {
		if h.Code != resources.DataLoss {
			continue
		}
		if w.b.consents == nil {
			w.b.consents = map[resources.Addr]bool{}
		}
		if h.At.IsZero() {
			h.At = a
		}
		w.b.consents[h.At] = true
	}
}

func (b *Broker) consented(a resources.Addr) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.consents[a]
}

// verify looks whether the broker did what it said: it answers 204 also where
// it passes over what it cannot change.
func (w writer) verify(ctx context.Context, c reads, r *resources.Resource) (*object, error) {
	o, err := w.kind.one(ctx, c, r.Addr)
	if err != nil {
		return nil, fmt.Errorf("look at what was written: %w", err)
	}
	if o == nil {
		return nil, errors.New("the broker accepted it and it is not there")
	}
	if k, ok := w.kind.(fitter); ok {
		k.fit(o, r, nil)
	}
	left := compare(w.kind, r, &resources.Observed{Addr: r.Addr, Presence: resources.Present, Have: o.have, Native: o})
	if len(left) == 0 {
		return o, nil
	}
	return nil, &resources.Diagnosis{
		Err: fmt.Errorf("the broker answered with success and did not change it: %s", showDelta(left)),
		Hint: "this broker's version does not support the change in place; remove the object so that the next apply makes it anew, or take " +
			"the change back",
	}
}

func showDelta(d resources.Delta) string {
	var parts []string
	for _, f := range d {
		before, after := resources.Show(f.Before), resources.Show(f.After)
		if f.Sensitive() {
			before, after = resources.Masked, resources.Masked
		}
		parts = append(parts, fmt.Sprintf("%s is %s, wanted %s", f.Path, before, after))
	}
	return strings.Join(parts, "; ")
}

// Delete removes the object if it is the one observed.
func (w writer) Delete(ctx context.Context, have *resources.Observed, note resources.Note) error {
	c, err := w.b.writes()
	if err != nil {
		return err
	}
	if o := nativeOf(have); o != nil && o.migration != nil {
		return w.clear(ctx, o, note)
	}
	now, err := w.kind.one(ctx, c.reads, have.Addr)
	if err != nil || now == nil {
		return transient(err)
	}
	if have.ID != "" && digest(now) != have.ID {
		return fmt.Errorf("delete %s: %w: it was changed since", have.Addr, resources.ErrMoved)
	}
	if planned := nativeOf(have); planned != nil {
		now.load, now.losses, now.replacing = planned.load, planned.losses, planned.replacing
	}
	if k, ok := w.kind.(rechecker); ok {
		s := w.b.freshSnapshot()
		books, err := w.b.ledger.readFrom(ctx, s, have.Stack)
		if err == nil {
			err = k.recheck(ctx, w.b, s, books, now)
		}
		if err != nil {
			return transient(err)
		}
	}
	if isGenerated(have.Addr) {
		return transient(w.b.removeGenerated(ctx, have.Stack, have.Addr))
	}
	if err := w.guard(ctx, have.Addr, nil); err != nil {
		return transient(err)
	}
	w.b.written.Add(1)
	err = w.kind.remove(ctx, c, now)
	// What cannot be deleted alone goes with an end of it, which this run removes
	// next.
	if k, ok := w.kind.(attached); ok && errors.Is(err, errKept) && slices.ContainsFunc(k.ends(have.Addr), w.b.keeper.isLeaving) {
		return nil
	}
	return transient(err)
}

// transient marks what may pass by itself.
func transient(err error) error {
	if errors.Is(err, resources.ErrUnreachable) {
		return resources.Transient(err)
	}
	return err
}
