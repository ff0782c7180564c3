package rabbitmq

import (
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"strings"
	"sync"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/definitions"
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
	// lost is what the stack is known to have made, though no ledger that can be
	// trusted says so.
	lost map[resources.Addr]bool
}

// gone says of an object that the record of it is lost, "" when it is not.
func (b *books) gone(a resources.Addr) string {
	switch {
	case b.owns(a) || !b.lost[a]:
		return ""
	case b.strange:
		return "the broker's list of what the stack manages names it, and was written on another cluster: definitions of that were imported"
	default:
		return "an earlier run made it, and the broker's list of what the stack manages is gone"
	}
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
	return l.keep(stack, l.recall(ctx, parseBooks(rows, stack))), nil
}

// recall completes books without a ledger that can be trusted by what is known
// from elsewhere.
func (l *ledger) recall(ctx context.Context, b *books) *books {
	if made := l.b.o.Made; made != nil && (!b.exists || b.strange) {
		maps.Copy(b.lost, made(ctx))
	}
	return b
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
		s.books[stack] = l.recall(ctx, parseBooks(rows, stack))
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
	b := &books{own: map[resources.Addr]*resources.Sealed{}, others: map[resources.Addr]string{}, lost: map[resources.Addr]bool{}}
	for _, r := range rows {
		if r.text("name") == clusterID {
			b.cluster = r.text("value")
		}
	}
	for _, r := range rows {
		owner, ok := strings.CutPrefix(r.text("name"), ledgerPrefix)
		value := row(r.object("value"))
		if value == nil {
			value, _ = definitions.Unpair(resources.Normalize(r["value"])).(map[string]any)
		}
		if !ok || value["objects"] == nil {
			continue
		}
		strange := b.cluster != "" && value.text("cluster") != "" && value.text("cluster") != b.cluster
		objects, _ := value["objects"].(map[string]any)
		if owner == stack {
			b.exists, b.strange = true, strange
			b.generation, _ = value["generation"].(int64)
		}
		for text, mark := range objects {
			a, err := resources.ParseAddr(text)
			switch {
			case err != nil:
			case strange && owner == stack:
				b.lost[a] = true
			case strange:
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
