package rabbitmq

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/LerianStudio/midaz-infra/resources"
)

// Objects of a broker carry no labels, so what a stack manages is written in a
// global parameter of the broker itself:
//
//	midaz.STACK = {"format": 1, "stack": …, "cluster": …, "generation": n,
//	               "objects": {"queue/%2F/orders": {"fields": {…}}, …}}
//
// It names the objects and, for each, the declared fields as last applied,
// never a password. It is written before the first object is made, so that a
// killed run is recognised, and once more at the end. The broker has no
// compare-and-swap: the engine's lock keeps two runs of one stack apart, and
// each stack has a parameter of its own.
const (
	ledgerPrefix = "midaz."
	ledgerFormat = 1
	globalList   = "/api/global-parameters"
	// clusterID is the broker's own parameter that tells clusters apart. The
	// cluster's name is no use: by default it follows the container's host name.
	clusterID = "internal_cluster_id"
)

// books is what the ledgers of a broker say, seen by one stack. It is never
// changed once made.
type books struct {
	own        map[resources.Addr]*resources.Sealed
	others     map[resources.Addr]string
	generation int64
	cluster    string
	exists     bool
	// strange: the stack's ledger was written on another cluster and came here
	// with a copy of its definitions.
	strange bool
}

func (b *books) owns(a resources.Addr) bool { _, ok := b.own[a]; return ok }

func (b *books) applied(a resources.Addr) *resources.Sealed { return b.own[a] }

func (b *books) owner(a resources.Addr) string { return b.others[a] }

// mark returns the remembered fields of an object.
func (b *books) mark(a resources.Addr) map[string]any {
	if s := b.own[a]; s != nil {
		return s.Fields
	}
	return nil
}

// nobody describes the owner of an object that no ledger names.
func (b *books) nobody(stack string) string {
	if b.strange {
		return fmt.Sprintf("nobody midaz knows: the ledger of stack %q on this broker was written on another cluster", stack)
	}
	return fmt.Sprintf("nobody midaz knows: it is not in the ledger of stack %q", stack)
}

// ledger reads the ledgers and keeps what was read last.
type ledger struct {
	b *ReadBroker

	mu    sync.Mutex
	known map[string]*books
}

// read returns the books, from memory when they were read or written in this
// run: only this run writes the stack's ledger.
func (l *ledger) read(ctx context.Context, stack string) (*books, error) {
	l.mu.Lock()
	known := l.known[stack]
	l.mu.Unlock()
	if known != nil {
		return known, nil
	}
	return l.fresh(ctx, stack)
}

// fresh asks the broker.
func (l *ledger) fresh(ctx context.Context, stack string) (*books, error) {
	rows, err := l.b.reads().rows(ctx, globalList)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return l.keep(stack, parseBooks(rows, stack)), nil
}

// readFrom takes the books from a bulk read, in which they are worked out once.
func (l *ledger) readFrom(ctx context.Context, s *snapshot, stack string) (*books, error) {
	rows, err := s.list(ctx, globalList)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.books[stack] == nil {
		s.books[stack] = parseBooks(rows, stack)
	}
	return l.keep(stack, s.books[stack]), nil
}

func (l *ledger) keep(stack string, b *books) *books {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known == nil {
		l.known = map[string]*books{}
	}
	l.known[stack] = b
	return b
}

// parseBooks reads the global parameters. Whatever is not well formed in them
// names nothing.
func parseBooks(rows []row, stack string) *books {
	b := &books{own: map[resources.Addr]*resources.Sealed{}, others: map[resources.Addr]string{}}
	for _, r := range rows {
		if r.text("name") == clusterID {
			b.cluster = r.text("value")
		}
	}
	for _, r := range rows {
		owner, ok := strings.CutPrefix(r.text("name"), ledgerPrefix)
		value := row(r.object("value"))
		if !ok || value["objects"] == nil {
			continue
		}
		strange := b.cluster != "" && value.text("cluster") != "" && value.text("cluster") != b.cluster
		objects, _ := value["objects"].(map[string]any)
		if owner == stack {
			b.exists, b.strange = true, strange
			b.generation, _ = value["generation"].(int64)
		}
		if strange {
			continue
		}
		for text, mark := range objects {
			a, err := resources.ParseAddr(text)
			switch {
			case err != nil:
			case owner == stack:
				b.own[a] = parseMark(mark)
			default:
				b.others[a] = owner
			}
		}
	}
	return b
}

func parseMark(mark any) *resources.Sealed {
	m, ok := mark.(map[string]any)
	if !ok {
		return nil
	}
	fields, _ := m["fields"].(map[string]any)
	if fields == nil {
		fields = map[string]any{} // the broker lists {} as []
	}
	key, _ := m["key"].(string)
	if _, err := hex.DecodeString(key); err != nil {
		return nil
	}
	return &resources.Sealed{Key: key, Fields: fields}
}

// keeper writes the ledger: the one Claimer of all writers of a broker.
type keeper struct {
	b *Broker

	mu sync.Mutex
	// wrote holds what this run has made of its resources.
	wrote map[resources.Addr]resources.Config
}

// Claim writes down what the run is about to make. Objects that are there and
// belong to someone else are left out: they are the stack's only once they
// were adopted. Nothing is written when nothing is new.
func (k *keeper) Claim(ctx context.Context, stack string, intended []*resources.Resource) error {
	if k.b.broker == nil {
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
	for _, a := range gone {
		if _, ok := entries[a]; ok {
			delete(entries, a)
			changed = true
		}
		if a.Kind != vhostName && a.Kind != userName {
			continue
		}
		for b := range entries {
			if goesWith(b, a) {
				delete(entries, b)
				changed = true
			}
		}
	}
	for _, r := range applied {
		kind := kindOf(r.Addr.Kind)
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
			s := resources.Seal(c)
			entries[r.Addr] = &s
			changed = true
		}
	}
	if !changed {
		return nil
	}
	return k.save(ctx, stack, now, entries)
}

// goesWith reports whether the broker deletes a together with gone.
func goesWith(a, gone resources.Addr) bool {
	switch gone.Kind {
	case vhostName:
		vhost, ok := vhostOf(a)
		return ok && vhost == gone.Parts()[0]
	case userName:
		switch a.Kind {
		case permissionName, topicPermissionName:
			return a.Parts()[1] == gone.Parts()[0]
		case userLimitName:
			return a.Name == gone.Name
		}
	}
	return false
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
			Hint: "what a stack manages is written in a global parameter of the broker, for which the management user needs the tag administrator or policymaker"}
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
	s := resources.Seal(marked(kind, r, o))
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

// kindOf returns the topology of a kind's name, nil for others.
func kindOf(name string) topology {
	for _, k := range topologies {
		if k.Table().Kind == name {
			return k
		}
	}
	return nil
}

func hashText(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:16])
}
