package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/LerianStudio/midaz-infra/resources"
)

// keeper writes the ledger: the one Claimer of all writers of a broker.
type keeper struct {
	b *Broker

	mu sync.Mutex
	// wrote holds what this run has made of its resources.
	wrote map[resources.Addr]resources.Config
	// intended is what this run writes, leaving what it removes.
	intended []*resources.Resource
	leaving  []resources.Addr
	// early are generated policies that were written, with or before their step.
	early map[resources.Addr]bool
}

func (k *keeper) isLeaving(a resources.Addr) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Contains(k.leaving, a)
}

func (k *keeper) intends() []*resources.Resource {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.intended)
}

func (k *keeper) leaves() []resources.Addr {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.leaving)
}

func (k *keeper) wroteAhead(a resources.Addr) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.early == nil {
		k.early = map[resources.Addr]bool{}
	}
	k.early[a] = true
}

// wroteGenerated reports whether a generated policy was written in this run.
func (b *Broker) wroteGenerated(a resources.Addr) bool {
	b.keeper.mu.Lock()
	defer b.keeper.mu.Unlock()
	return b.keeper.early[a]
}

// Claim writes down what the run is about to make. Objects that are there and
// belong to someone else are left out: they are the stack's only once they
// were adopted. Nothing is written when nothing is new.
func (k *keeper) Claim(ctx context.Context, stack string, intended []*resources.Resource, leaving []resources.Addr) error {
	k.mu.Lock()
	k.leaving, k.intended = leaving, intended
	k.mu.Unlock()
	if k.b.broker == nil || len(intended) == 0 {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	now, err := k.b.ledger.fresh(ctx, stack)
	if err != nil {
		return err
	}
	fresh := map[string][]*resources.Resource{}
	for _, r := range intended {
		if kindOf(r.Addr.Kind) != nil && !r.External && !now.owns(r.Addr) {
			fresh[r.Addr.Kind] = append(fresh[r.Addr.Kind], r)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	entries := maps.Clone(now.own)
	for kind, all := range fresh {
		strangers, err := k.strangers(ctx, kindOf(kind), all)
		if err != nil {
			return err
		}
		for _, r := range all {
			if !strangers[r.Addr] {
				entries[r.Addr] = sealOf(kindOf(kind), r, nil)
			}
		}
	}
	if len(entries) == len(now.own) {
		return nil
	}
	return k.save(ctx, stack, now, entries)
}

// strangers returns which of the resources exist already.
func (k *keeper) strangers(ctx context.Context, kind topology, all []*resources.Resource) (map[resources.Addr]bool, error) {
	out := map[resources.Addr]bool{}
	if len(all) <= fewWanted {
		for _, r := range all {
			o, err := kind.one(ctx, k.b.reads(), r.Addr)
			if err != nil {
				return nil, err
			}
			out[r.Addr] = o != nil && !o.free
		}
		return out, nil
	}
	objects, err := kind.all(ctx, k.b.freshSnapshot())
	if err != nil {
		return nil, err
	}
	for _, o := range objects {
		out[o.addr] = !o.free
	}
	return out, nil
}

// claimOne writes down a single object right before it is made or taken over,
// for whatever Claim was not told of.
func (k *keeper) claimOne(ctx context.Context, r *resources.Resource) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	known, err := k.b.ledger.read(ctx, r.Stack)
	if err != nil || known.owns(r.Addr) {
		return err
	}
	now, err := k.b.ledger.fresh(ctx, r.Stack)
	if err != nil || now.owns(r.Addr) {
		return err
	}
	entries := maps.Clone(now.own)
	entries[r.Addr] = sealOf(kindOf(r.Addr.Kind), r, nil)
	return k.save(ctx, r.Stack, now, entries)
}

// remember notes what was made, for Release.
func (k *keeper) remember(kind topology, r *resources.Resource, o *object) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.wrote[r.Addr] = marked(kind, r, o)
}

// Release brings the ledger up to date at the end of a run. An empty one is
// removed. Nothing is written when it says so already.
func (k *keeper) Release(ctx context.Context, stack string, applied []*resources.Resource, gone []resources.Addr) error {
	if k.b.broker == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	now, err := k.b.ledger.fresh(ctx, stack)
	if err != nil {
		return err
	}
	entries := maps.Clone(now.own)
	changed := false
	left := make(map[resources.Addr]bool, len(gone))
	for _, a := range gone {
		left[a] = true
		if _, ok := entries[a]; ok {
			delete(entries, a)
			changed = true
		}
	}
	for a := range entries {
		if slices.ContainsFunc(ownersOf(a), func(owner resources.Addr) bool { return left[owner] }) {
			delete(entries, a)
			changed = true
		}
	}
	for _, r := range applied {
		kind := kindOf(r.Addr.Kind)
		if _, known := entries[r.Addr]; r.External && known { // it is given up
			delete(entries, r.Addr)
			changed = true
		}
		if kind == nil || r.External || slices.Contains(gone, r.Addr) {
			continue
		}
		c, wrote := k.wrote[r.Addr]
		old, known := entries[r.Addr]
		if !wrote && known && old != nil {
			continue
		}
		if !wrote {
			c = marked(kind, r, nil)
		}
		if !known || !sameMark(old, c) {
			s := r.Seal(c)
			entries[r.Addr] = &s
			changed = true
		}
	}
	if !changed {
		return nil
	}
	return k.save(ctx, stack, now, entries)
}

// save writes the ledger, or removes it when nothing is left to name.
func (k *keeper) save(ctx context.Context, stack string, now *books, entries map[resources.Addr]*resources.Sealed) error {
	c, err := k.b.writes()
	if err != nil {
		return err
	}
	name := ledgerPrefix + stack
	path := apiPath("global-parameters", name)
	k.b.written.Add(1)
	next := &books{own: entries, others: now.others, cluster: now.cluster, generation: now.generation + 1, exists: true}
	if len(entries) == 0 {
		next.exists = false
		if !now.exists {
			return nil
		}
		if err := c.remove(ctx, path); err != nil {
			return fmt.Errorf("ledger: %w", err)
		}
		k.b.ledger.keep(stack, next)
		return nil
	}
	objects := make(map[string]any, len(entries))
	for a, s := range entries {
		if s == nil {
			objects[a.String()] = false
			continue
		}
		mark := map[string]any{"fields": s.Fields}
		if s.Key != "" {
			mark["key"] = s.Key
		}
		objects[a.String()] = mark
	}
	value := map[string]any{"format": ledgerFormat, "stack": stack, "generation": next.generation, "objects": objects}
	if now.cluster != "" {
		value["cluster"] = now.cluster
	}
	if _, err := c.put(ctx, path, map[string]any{"name": name, "value": value}); err != nil {
		return ledgerError(err)
	}
	k.b.ledger.keep(stack, next)
	return nil
}

func ledgerError(err error) error {
	if statusOf(err) == 401 {
		var d *resources.Diagnosis
		if errors.As(err, &d) {
			err = d.Err
		}
		return &resources.Diagnosis{Err: fmt.Errorf("ledger: %w", err),
			Hint: "what a stack manages is written in a global parameter of the broker, for which the management user needs the tag " +
				"administrator or policymaker"}
	}
	return fmt.Errorf("ledger: %w", err)
}

// marked returns what the ledger remembers of a resource: its declared fields
// without those that hold a password.
func marked(kind topology, r *resources.Resource, o *object) resources.Config {
	if k, ok := kind.(sealer); ok {
		return k.seal(r, o)
	}
	return declaredFields(kind.Table(), r.Config)
}

func declaredFields(t *resources.Table, c resources.Config) resources.Config {
	out := resources.Config{}
	for i := range t.Fields {
		f := &t.Fields[i]
		if v, ok := c[f.Key]; ok && !f.Unmarked && !f.Secret {
			out[f.Key] = v
		}
	}
	return out
}

func sealOf(kind topology, r *resources.Resource, o *object) *resources.Sealed {
	s := r.Seal(marked(kind, r, o))
	return &s
}

// sameMark reports whether the mark says what c says. A mark is made under a
// random key, so the marks themselves cannot be compared.
func sameMark(s *resources.Sealed, c resources.Config) bool {
	if s == nil || len(s.Fields) != len(c) {
		return false
	}
	for field, v := range c {
		if !s.Has(field) || !s.Matches(field, v) {
			return false
		}
	}
	return true
}
