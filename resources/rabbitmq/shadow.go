package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"slices"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/routing"
)

// shadowing replaces one exchange while messages are published to it. A second
// exchange, the shadow, has all its bindings. While the new one has not got its
// own yet, it sends to the shadow what it can route nowhere (by a policy), and
// each of its bindings stands only beside one to the shadow: so every message
// goes to all its queues, one copy each. Publishers get one visible error, for
// the moment between the old exchange and the new one.
//
// As with a migration, each step may be repeated by the next run.
type shadowing struct {
	c     writes
	vhost string
	name  string
	// body is what the new exchange is made of; nil leaves it as it is.
	body map[string]any
}

func quotePattern(s string) string { return regexp.QuoteMeta(s) }

func (g *shadowing) shadow() string { return helperName(g.name, roleShadow) }

func (g *shadowing) path(name string) string { return apiPath("exchanges", g.vhost, name) }

func (g *shadowing) policy() string { return apiPath("policies", g.vhost, g.shadow()) }

// replace replaces the exchange that is there.
func (g *shadowing) replace(ctx context.Context) error {
	if err := g.makeShadow(ctx); err != nil {
		return err
	}
	if err := g.c.remove(ctx, g.path(g.name)); err != nil {
		return err
	}
	return g.finish(ctx)
}

// makeShadow makes the shadow with all bindings of the exchange. One that is
// there was left by a run that was killed: it may have bindings that the exchange
// has not got yet, so that it is finished first.
func (g *shadowing) makeShadow(ctx context.Context) error {
	arguments := map[string]any{migrationOf: g.name}
	wanted, _ := g.body["arguments"].(map[string]any)
	for k, v := range wanted {
		if k != alternate {
			arguments[k] = v
		}
	}
	policies, err := policiesIn(ctx, g.c.reads, g.vhost)
	if err != nil {
		return err
	}
	if err := g.checkPriority(policies); err != nil {
		return err
	}
	// What the shadow cannot route either goes where the exchange sends it.
	if target, ok := g.alternate(policies, wanted); ok {
		arguments[alternate] = target
	}
	left := *g
	left.body = nil
	if err := left.finish(ctx); err != nil {
		return err
	}
	if _, err := g.c.put(ctx, g.path(g.shadow()), map[string]any{"type": g.body["type"], "durable": true, "auto_delete": false,
		"internal": false, "arguments": arguments}); err != nil {
		return err
	}
	from, to, err := g.bindings(ctx, g.name)
	if err != nil {
		return err
	}
	var copies []bound
	for _, x := range from {
		copies = append(copies, x.with(g.shadow(), "", ""))
	}
	for _, x := range to {
		copies = append(copies, x.with("", toExchange, g.shadow()))
	}
	if err := g.c.bindAll(ctx, g.vhost, copies); err != nil {
		return err
	}
	_, err = g.c.put(ctx, g.policy(), map[string]any{"pattern": "^" + quotePattern(g.name) + "$", "apply-to": "exchanges",
		"priority":   migrationPriority,
		"definition": map[string]any{alternate: g.shadow()}})
	return err
}

// checkPriority refuses a replacement in which the policy that leads to the
// shadow would not apply.
func (g *shadowing) checkPriority(policies *routing.Vhost) error {
	for _, p := range applying(policies.ForExchange(&routing.Exchange{Name: g.name}).Policy) {
		if p.Priority >= migrationPriority && p.Name != g.shadow() {
			return &resources.Diagnosis{Err: fmt.Errorf("policy %s applies to exchange %s, and no other can have a higher priority than its %d: "+
				"what is published while the exchange is replaced would be lost", p.Name, g.name, p.Priority),
				Hint: "give it a lower priority"}
		}
	}
	return nil
}

// alternate returns where the new exchange sends what it cannot route.
func (g *shadowing) alternate(policies *routing.Vhost, arguments map[string]any) (any, bool) {
	if target, ok := arguments[alternate]; ok {
		return target, true
	}
	for _, p := range policies.Policies {
		if p.Name == g.shadow() { // of an interrupted run
			p.Definition = nil
			p.Priority = math.MinInt32
		}
	}
	s, ok := policies.ForExchange(&routing.Exchange{Name: g.name}).Get(alternate)
	return s.Value, ok
}

// bindings returns those that begin and those that end at an exchange, without
// those between it and its shadow.
func (g *shadowing) bindings(ctx context.Context, name string) (from, to []bound, err error) {
	own := func(x bound) bool {
		return isHelperOf(x.source, g.name) || isHelperOf(x.destination, g.name) || x.source == g.name && x.destination == g.name
	}
	if name != g.name { // the shadow itself
		own = func(x bound) bool { return x.source == g.name || x.destination == g.name }
	}
	if from, err = bindingsOf(ctx, g.c.reads, g.path(name)+"/bindings/source"); err != nil {
		return nil, nil, err
	}
	if to, err = bindingsOf(ctx, g.c.reads, g.path(name)+"/bindings/destination"); err != nil {
		return nil, nil, err
	}
	return slices.DeleteFunc(from, own), slices.DeleteFunc(to, own), nil
}

func isHelperOf(name, of string) bool {
	what, role, ok := parseHelper(name)
	return ok && what == of && role == roleShadow
}

// finish makes the new exchange if there is none, gives it all bindings of the
// shadow and removes that.
func (g *shadowing) finish(ctx context.Context) error {
	if g.body != nil {
		if _, err := g.c.put(ctx, g.path(g.name), g.body); err != nil {
			return err
		}
	}
	from, to, err := g.bindings(ctx, g.shadow())
	if err != nil {
		return err
	}
	var beside, own []bound
	for _, x := range from {
		beside = append(beside, x.with(g.name, toExchange, g.shadow()))
		own = append(own, x.with(g.name, "", ""))
	}
	for _, x := range to {
		own = append(own, x.with("", toExchange, g.name))
	}
	// A binding to the shadow first: what matches any binding matches that too.
	if err := g.c.bindAll(ctx, g.vhost, beside); err != nil {
		return err
	}
	if err := g.c.bindAll(ctx, g.vhost, own); err != nil {
		return err
	}
	if err := g.c.remove(ctx, g.policy()); err != nil {
		return err
	}
	return g.c.remove(ctx, g.path(g.shadow()))
}

// discard removes the shadow of an exchange that is gone for good.
func (g *shadowing) discard(ctx context.Context) error {
	return errors.Join(g.c.remove(ctx, g.policy()), g.c.remove(ctx, g.path(g.shadow())))
}

// cheapFor is how many exchanges a broker may have for the bindings of all to
// be looked at always. Bindings are read anyway.
func (exchangeKind) cheapFor() int { return 256 }

// inspect says which bindings of others the removal of an exchange would take
// along.
func (exchangeKind) inspect(ctx context.Context, s *snapshot, b *books, objects []*object) error {
	world := &surroundings{s: s, books: b}
	for _, o := range objects {
		bindings, err := world.bindings(ctx, o.addr)
		if err != nil {
			return err
		}
		var others []string
		for _, x := range bindings {
			if !b.owns(x.addr) && b.owns(o.addr) {
				others = append(others, x.addr.String())
			}
		}
		if len(others) > 0 {
			o.losses = append(o.losses, "what the stack does not own would go with it: "+listSome(others))
		}
	}
	return nil
}

// foresee tells which bindings are put back.
func (exchangeKind) foresee(ctx context.Context, s *snapshot, b *books, pairs []pair) error {
	world := &surroundings{s: s, books: b}
	for _, p := range pairs {
		bindings, err := world.bindings(ctx, p.want.Addr)
		if err != nil {
			return err
		}
		r := &replacement{notes: append([]string{"another exchange stands in for it meanwhile"}, bindingNotes(bindings, b)...)}
		if r.risks, err = world.risksOfExchange(ctx, p.want, len(bindings)); err != nil {
			return err
		}
		nativeOf(p.seen).replacing = r
	}
	return nil
}

// risksOfExchange names what is lost in the moment in which an exchange is gone
// or has no bindings yet, which its shadow cannot take.
func (w *surroundings) risksOfExchange(ctx context.Context, want *resources.Resource, bindings int) ([]resources.Hazard, error) {
	vhost, name := want.Addr.Parts()[0], want.Addr.Parts()[1]
	var out []resources.Hazard
	risk := func(code, format string, args ...any) {
		out = append(out, resources.Hazard{Code: code, Consent: true, Msg: fmt.Sprintf(format, args...)})
	}
	const gone = " in the moment in which the exchange is gone is lost"
	if target := want.Config.Text("alternate_exchange"); target != "" && bindings > 0 {
		risk(resources.MessageLoss, "what is published while the new exchange has no bindings yet, for some milliseconds, goes to its "+
			"alternate exchange %s instead of its queues; an alternate exchange set by a policy avoids that", target)
	}
	policies, err := w.policies(ctx, vhost)
	if err != nil {
		return nil, err
	}
	if p := policies.ForExchange(&routing.Exchange{Name: name}).Policy.Policy; p != nil && (p.Definition["federation-upstream"] != nil ||
		p.Definition["federation-upstream-set"] != nil) {
		risk(resources.MessageLoss, "policy %s federates it, and the link ends with the exchange: what upstream publishes until there is a "+
			"new link is lost, with what waits for the old one", p.Name)
	}
	queues, err := w.s.list(ctx, queueColumns)
	if err != nil {
		return nil, err
	}
	var dead []string
	for _, r := range queues {
		q := seeQueue(r)
		if q == nil || r.text("vhost") != vhost {
			continue
		}
		e := policies.ForQueue(&routing.Queue{Name: r.text("name"), Type: q.have.Text("type"), Arguments: q.have.Map("arguments")})
		if s, ok := e.Get(deadLetterExchange); ok && s.Value == name {
			dead = append(dead, q.addr.String())
		}
	}
	if len(dead) > 0 {
		risk(resources.MessageLoss, "what %s dead-letters to it%s", listSome(dead), gone)
	}
	exchanges, err := w.s.list(ctx, "/api/exchanges")
	if err != nil {
		return nil, err
	}
	for _, r := range exchanges {
		if r.text("vhost") != vhost {
			continue
		}
		x := &routing.Exchange{Name: r.text("name"), Type: r.text("type")}
		if x.Name == name {
			if n, ok := r.number("messages_delayed"); ok && n > 0 {
				risk(resources.DataLoss, "%s that it delays would be lost", plural(n, "message"))
			}
			if x.Type == "x-recent-history" {
				risk(resources.DataLoss, "the messages that it remembers for new queues would be lost")
			}
			continue
		}
		x.Alternate, x.HasAlternate = r.object("arguments")[alternate].(string)
		if s, ok := policies.ForExchange(x).Get(alternate); ok && s.Value == name && !isHelper(x.Name) {
			risk(resources.MessageLoss, "what exchange %s cannot route and sends to it%s", x.Name, gone)
		}
	}
	return out, nil
}

// remove deletes an exchange, unless it has got a binding that the plan has not
// shown.
func (k exchangeKind) remove(ctx context.Context, c writes, have *object) error {
	path := k.path(have.addr.Parts())
	if len(have.losses) > 0 || have.stuck {
		return c.remove(ctx, path)
	}
	err := c.remove(ctx, path+"?if-unused=true")
	if statusOf(err) == http.StatusBadRequest {
		return &resources.Diagnosis{Err: fmt.Errorf("%s came into use after the plan was made, and is left alone: %w", have.addr, err),
			Hint: "plan again: the plan then shows what would go with it, and `-allow data-loss` consents to that"}
	}
	return err
}

// replace makes the exchange anew with all its bindings, those of others
// included.
func (k exchangeKind) replace(ctx context.Context, b *Broker, r *resources.Resource, have, _ *object, _ resources.Note) error {
	c, unlock, err := b.lockReplacing(r.Addr)
	if err != nil {
		return err
	}
	defer unlock()
	parts := r.Addr.Parts()
	if len(parts[1]) > longestMigrated {
		return fmt.Errorf("the name %q is too long for an exchange to stand in for it: at most %d bytes", parts[1], longestMigrated)
	}
	g := &shadowing{c: c, vhost: parts[0], name: parts[1], body: k.body(r, have, nil)}
	b.noteMigrating([]leftover{{of: r.Addr}})
	return g.replace(ctx)
}

// resume makes an exchange whose replacement was interrupted when it was gone.
func (k exchangeKind) resume(ctx context.Context, b *Broker, r *resources.Resource, _ resources.Note) error {
	c, unlock, err := b.lockReplacing(r.Addr)
	if err != nil {
		return err
	}
	defer unlock()
	parts := r.Addr.Parts()
	return (&shadowing{c: c, vhost: parts[0], name: parts[1], body: k.body(r, nil, nil)}).finish(ctx)
}

// clear finishes what a killed run left of a replacement.
func (k exchangeKind) clear(ctx context.Context, b *Broker, of resources.Addr, _ resources.Note, _ bool) error {
	c, unlock, err := b.lockReplacing(of)
	if err != nil {
		return err
	}
	defer unlock()
	parts := of.Parts()
	g := &shadowing{c: c, vhost: parts[0], name: parts[1]}
	r, err := c.row(ctx, g.path(g.name))
	switch {
	case err != nil:
		return err
	case r == nil:
		return g.discard(ctx)
	}
	shadow, err := c.row(ctx, g.path(g.shadow()))
	if err != nil || shadow == nil {
		return err
	}
	return g.finish(ctx)
}
