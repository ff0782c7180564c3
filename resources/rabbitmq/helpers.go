package rabbitmq

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/resources"
)

// A queue or exchange that cannot be changed is replaced with the help of
// exchanges and queues that exist only meanwhile. Their names and one argument
// say what they are for, so that a run that was killed is recognised by the
// next one from the broker alone:
//
//	midaz-migration.QUEUE.in    fanout: what is moved comes back to the queue through it
//	midaz-migration.QUEUE.mid   fanout, bound in the queue's place
//	midaz-migration.QUEUE.alt   fanout, the alternate exchange of mid
//	midaz-migration.QUEUE.out   fanout: what the old queue held leaves through it
//	midaz-migration.QUEUE.new   queue: what is published meanwhile
//	midaz-migration.QUEUE.old   queue: what the old queue held
//	midaz-migration.QUEUE.rec   fanout that only keeps the bindings, where nothing is moved
//	midaz-migration.EXCHANGE.shadow  exchange that stands in for another one
//
// `in`, rec and shadow are made first and removed last. None of them is ever
// listed as an object of its own, and a binding of mid, rec or shadow is seen as
// the binding of what it stands for.
const (
	migrationPrefix = "midaz-migration."
	// migrationOf is the argument that names what a helper is for.
	migrationOf = "x-midaz-migration-of"
)

const (
	roleIn     = "in"
	roleMid    = "mid"
	roleAlt    = "alt"
	roleOut    = "out"
	roleNew    = "new"
	roleOld    = "old"
	roleRecord = "rec"
	roleShadow = "shadow"
	// rolePolicy is the policy that keeps others' from the helpers of a queue, or
	// gives an exchange its shadow as alternate exchange.
	rolePolicy = "policy"
)

var (
	queueRoles = []string{roleIn, roleMid, roleAlt, roleOut, roleNew, roleOld, roleRecord}
	allRoles   = append(slices.Clone(queueRoles), roleShadow, rolePolicy)
)

func helperName(of, role string) string { return migrationPrefix + of + "." + role }

// longestMigrated is the longest name whose helpers have names that AMQP allows.
const longestMigrated = maxName - len(migrationPrefix) - len(".shadow")

// parseHelper reads the name of a helper.
func parseHelper(name string) (of, role string, ok bool) {
	rest, ok := strings.CutPrefix(name, migrationPrefix)
	if !ok {
		return "", "", false
	}
	dot := strings.LastIndexByte(rest, '.')
	if dot < 1 || !slices.Contains(allRoles, rest[dot+1:]) {
		return "", "", false
	}
	return rest[:dot], rest[dot+1:], true
}

func isHelper(name string) bool {
	_, _, ok := parseHelper(name)
	return ok
}

// ends are a binding's source and destination.
type ends struct{ source, to, destination string }

// real returns what a binding stands for: one of a helper that stands in for a
// queue or exchange is that one's. ok is false for those among the helpers.
func (e ends) real() (as ends, ok bool) {
	if of, role, helper := parseHelper(e.source); helper {
		if role != roleShadow {
			return as, false
		}
		e.source = of
	}
	if of, role, helper := parseHelper(e.destination); helper {
		switch {
		case e.to == toExchange && (role == roleMid || role == roleRecord):
			e.to, e.destination = toQueue, of
		case e.to == toExchange && role == roleShadow && of != e.source:
			e.destination = of
		default:
			return as, false
		}
	}
	return e, true
}

// leftover is an interrupted migration.
type leftover struct {
	// of is the queue or exchange it is of.
	of resources.Addr
	// addr is how the migration itself is called in a plan.
	addr resources.Addr
}

// leftovers returns the interrupted migrations of a kind.
func leftovers(ctx context.Context, s *snapshot, kind string) ([]leftover, error) {
	if kind != queueName && kind != exchangeName {
		return nil, nil
	}
	rows, err := s.list(ctx, "/api/exchanges")
	if err != nil {
		return nil, err
	}
	var out []leftover
	for _, r := range rows {
		of, role, ok := parseHelper(r.text("name"))
		if !ok || (role == roleShadow) != (kind == exchangeName) {
			continue
		}
		l := leftover{of: resources.NewAddr(kind, r.text("vhost"), of), addr: resources.NewAddr(kind, r.text("vhost"), migrationPrefix+of)}
		if !slices.Contains(out, l) {
			out = append(out, l)
		}
	}
	return out, nil
}

// observeLeftovers describes interrupted migrations to the engine: each is
// removed, by finishing it, after what it is of is ready.
func (r reader) observeLeftovers(ctx context.Context, s *snapshot, books *books, scope resources.Scope) ([]*resources.Observed, error) {
	all, err := leftovers(ctx, s, r.kind.Table().Kind)
	if err != nil {
		return nil, err
	}
	r.b.noteMigrating(all)
	var out []*resources.Observed
	for _, l := range all {
		wanted := slices.ContainsFunc(scope.Want, func(w *resources.Resource) bool { return w.Addr == l.of })
		if !scope.Owned || !wanted && !books.owns(l.of) {
			continue
		}
		kept, err := waiting(ctx, r.b.reads(), l.of)
		if err != nil {
			return nil, err
		}
		o := &object{addr: l.addr, have: resources.Config{}, refs: seenInVhost(l.of.Parts()[0]), migration: &l}
		text := fmt.Sprintf("the replacement of %s was interrupted and is finished", l.of)
		if kept > 0 {
			text += fmt.Sprintf("; %s that it keeps meanwhile go back into the queue", plural(kept, "message"))
			if !wanted {
				o.losses = append(o.losses, fmt.Sprintf("%s kept for %s, which is no longer declared, would be lost", plural(kept, "message"), l.of))
			}
		}
		if !wanted {
			o.refs = append(o.refs, resources.Ref{To: l.of, Bind: resources.Hold})
		}
		out = append(out, &resources.Observed{Addr: l.addr, Presence: resources.Present, Have: o.have, Stack: scope.Stack, ID: digest(o),
			Refs:     o.refs,
			Leftover: text, LeftoverOf: l.of, Native: o})
	}
	return out, nil
}

// waiting counts the messages that an interrupted migration keeps. The broker's
// numbers may be some seconds old.
func waiting(ctx context.Context, c reads, of resources.Addr) (int64, error) {
	if of.Kind != queueName {
		return 0, nil
	}
	sum, parts := int64(0), of.Parts()
	for _, role := range []string{roleNew, roleOld} {
		l, err := queueKind{}.countAt(ctx, c, apiPath("queues", parts[0], helperName(parts[1], role)))
		if err != nil {
			return 0, err
		}
		sum += l.messages()
	}
	return sum, nil
}

func (b *ReadBroker) noteMigrating(all []leftover) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range all {
		if b.migrating == nil {
			b.migrating = map[resources.Addr]bool{}
		}
		b.migrating[l.of] = true
	}
}

// isMigrating reports whether helpers of a queue or exchange were seen in this
// run.
func (b *ReadBroker) isMigrating(a resources.Addr) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.migrating[a]
}

// anyMigrating reports whether any helpers were seen in this run.
func (b *ReadBroker) anyMigrating() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.migrating) > 0
}

// bound is a binding as the broker lists it.
type bound struct {
	ends
	key        string
	arguments  map[string]any
	properties string
}

// path is the binding's own path.
func (x bound) path(vhost string) string {
	return pathBetween(vhost, x.ends) + "/" + url.PathEscape(x.properties)
}

// body is what makes it.
func (x bound) body() map[string]any {
	arguments := x.arguments
	if arguments == nil {
		arguments = map[string]any{}
	}
	return map[string]any{"routing_key": x.key, "arguments": arguments}
}

// with returns the binding with another source or destination; "" keeps it.
func (x bound) with(source, to, destination string) bound {
	if source != "" {
		x.source = source
	}
	if destination != "" {
		x.to, x.destination = to, destination
	}
	return x
}

// pathBetween is the path of all bindings between two ends.
func pathBetween(vhost string, e ends) string {
	to := "q"
	if e.to == toExchange {
		to = "e"
	}
	return apiPath("bindings", vhost) + "/e/" + strings.TrimPrefix(apiPath(e.source, to, e.destination), "/api/")
}

// bindingsOf lists bindings by one of their ends: path is
// "/api/queues/V/Q/bindings" or "/api/exchanges/V/X/bindings/source".
func bindingsOf(ctx context.Context, c reads, path string) ([]bound, error) {
	rows, err := c.rows(ctx, path)
	if err != nil {
		return nil, err
	}
	var out []bound
	for _, r := range rows {
		if r.text("source") == "" {
			continue // the default exchange's own
		}
		to := toQueue
		if r.text("destination_type") == "exchange" {
			to = toExchange
		}
		out = append(out, bound{ends{r.text("source"), to, r.text("destination")}, r.text("routing_key"), r.object("arguments"),
			r.text("properties_key")})
	}
	return out, nil
}

func (c writes) bind(ctx context.Context, vhost string, x bound) error {
	return c.post(ctx, pathBetween(vhost, x.ends), x.body())
}

func (c writes) unbind(ctx context.Context, vhost string, x bound) error {
	return c.remove(ctx, x.path(vhost))
}

// bindAll makes bindings, some at a time.
func (c writes) bindAll(ctx context.Context, vhost string, all []bound) error {
	return inParallel(ctx, all, func(ctx context.Context, x bound) error { return c.bind(ctx, vhost, x) })
}
