package rabbitmq

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/definitions"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/routing"
)

const (
	bindingName = "binding"
	// toQueue and toExchange are the parts of an address that say what a
	// binding leads to.
	toQueue    = "queue"
	toExchange = "exchange"
)

var bindingTable = &resources.Table{
	Kind: bindingName, Section: "rabbitmq/vhosts/*/bindings/-",
	Example: "[{source: orders, queue: orders.paid, routing_key: paid}]",
	Doc: "A binding: what an exchange passes on to a queue or to another exchange. All of it is its identity, so a change is another " +
		"binding.",
	Fields: []resources.Field{
		{Key: "source", Type: resources.String(), Required: true, Cost: resources.Remake,
			Doc: "The exchange that messages come from. amq.direct and the like need not be declared.", Example: "orders", Other: "amq.topic"},
		{Key: "queue", Type: resources.String(), Cost: resources.Remake,
			Doc: "The queue that messages go to.", Example: "orders.new", Other: "orders.audit"},
		{Key: "exchange", Type: resources.String(), Cost: resources.Remake,
			Doc: "The exchange that messages go to, in place of a queue.", Example: "audit", Other: "archive"},
		{Key: "routing_key", Type: resources.String(), Default: "", Cost: resources.Remake,
			Doc: "What the routing key must be, for a topic exchange with * for one word and # for any number. fanout and headers exchanges " +
				"ignore it.", Example: "order.*.created", Other: "order.#"},
		{Key: "arguments", Type: resources.MapOf(resources.Any()), Cost: resources.Remake,
			Doc:     "For a headers exchange, the headers to match, and x-match: all, any, all-with-x or any-with-x.",
			Example: "{x-match: all, country: BR}", Other: "{x-match: any, country: BR}"},
	},
	Refused: map[string]string{
		"destination":      "write `queue: NAME` or `exchange: NAME`",
		"destination_type": "write `queue: NAME` or `exchange: NAME`",
		"vhost":            "a binding stands under its virtual host",
	},
}

type bindingKind struct{}

var _ = register(bindingKind{})

func (bindingKind) Table() *resources.Table { return bindingTable }

// bindingAddr returns binding/VHOST/SOURCE/queue|exchange/DEST/KEY[~HASH]. The
// last part is made as the broker makes its own key of a binding, but for the
// hash, which stands for the arguments as JSON: the broker's depends on types
// that its API does not show.
func bindingAddr(vhost, source, to, destination, routingKey string, arguments map[string]any) resources.Addr {
	key := strings.ReplaceAll(resources.EncodePart(routingKey), "~", "%7E")
	switch {
	case len(arguments) > 0:
		data, err := encode(arguments)
		if err != nil {
			data = resources.Canonical(arguments)
		}
		sum := sha256.Sum256(data)
		key += "~" + hex.EncodeToString(sum[:4])
	case key == "":
		key = "~"
	}
	a := resources.NewAddr(bindingName, vhost, source, to, destination)
	a.Name += "/" + key
	return a
}

// Name makes the address from all of the binding. A binding that is too
// incomplete to have one gets none; decoding or the schema has said why.
func (bindingKind) Name(parts []string, c resources.Config) resources.Addr {
	to, destination := toQueue, "queue"
	if _, ok := c["queue"]; !ok {
		to, destination = toExchange, "exchange"
	}
	return bindingAddr(parts[0], name(c, "source"), to, name(c, destination), name(c, "routing_key"), c.Map("arguments"))
}

// name returns a text for an address, in which no secret may stand.
func name(c resources.Config, key string) string {
	if resources.HasSecret(c[key]) {
		return resources.Masked
	}
	return c.Text(key)
}

func (bindingKind) Finish(r *resources.Resource, all *resources.Declared, _ resources.Report) {
	finish(r, all)
}

// Refs holds the source and the destination: the broker deletes a binding with
// either, so it is made anew with them.
func (bindingKind) Refs(r *resources.Resource) []resources.Ref {
	vhost := r.Addr.Parts()[0]
	optional := inExternal(r)
	refs := vhostRefs(r)
	add := func(kind, key string) {
		target := r.Config.Text(key)
		if _, declared := r.Config[key]; !declared || kind == exchangeName && isDefaultExchange(target) || resources.HasSecret(r.Config[key]) {
			return
		}
		refs = append(refs, resources.Ref{To: resources.NewAddr(kind, vhost, target), At: "/" + key, Bind: resources.Hold, Wait: resources.Ready,
			Optional: optional})
	}
	add(exchangeName, "source")
	add(queueName, "queue")
	add(exchangeName, "exchange")
	return refs
}

// Place is what a binding leads to: a new one is made before an old one goes.
func (bindingKind) Place(a resources.Addr) string {
	p := a.Parts()
	return resources.NewAddr(p[2], p[0], p[3]).Name
}

func (k bindingKind) all(ctx context.Context, s *snapshot) ([]*object, error) {
	rows, err := s.list(ctx, "/api/bindings")
	if err != nil {
		return nil, err
	}
	return collectBindings(rows), nil
}

// collectBindings joins the rows by address. The broker may hold two bindings
// that look the same as JSON, with arguments of another AMQP type.
func collectBindings(rows []row) []*object {
	out := make([]*object, 0, len(rows))
	byAddr := make(map[resources.Addr]*object, len(rows))
	for _, r := range rows {
		o := seeBinding(r)
		if o == nil {
			continue
		}
		if twin := byAddr[o.addr]; twin != nil {
			twin.paths = append(twin.paths, o.paths...)
			continue
		}
		byAddr[o.addr] = o
		out = append(out, o)
	}
	return out
}

func seeBinding(r row) *object {
	vhost, source, destination := r.text("vhost"), r.text("source"), r.text("destination")
	// Every queue is bound to the default exchange by its name.
	if source == "" || isTransientName(destination) || strings.HasPrefix(source, "federation: ") {
		return nil
	}
	key, arguments := r.text("routing_key"), r.object("arguments")
	to := toQueue
	if r.text("destination_type") == "exchange" {
		to = toExchange
	}
	listed := bound{ends{source, to, destination}, key, arguments, r.text("properties_key")}
	meant, ok := listed.real()
	if !ok {
		return nil
	}
	source, to, destination = meant.source, meant.to, meant.destination
	kind := map[string]string{toQueue: queueName, toExchange: exchangeName}[to]
	o := &object{
		addr:  bindingAddr(vhost, source, to, destination, key, arguments),
		paths: []string{listed.path(vhost)},
		have:  resources.Config{"source": source, to: destination, "routing_key": key, "arguments": arguments},
		refs:  append(seenInVhost(vhost), resources.Ref{To: resources.NewAddr(kind, vhost, destination), Bind: resources.Hold}),
	}
	if !isDefaultExchange(source) {
		o.refs = append(o.refs, resources.Ref{To: resources.NewAddr(exchangeName, vhost, source), Bind: resources.Hold})
	}
	return o
}

// between is the path of all bindings between a source and a destination.
func between(a resources.Addr) string {
	p := a.Parts()
	return pathBetween(p[0], ends{p[1], p[2], p[3]})
}

func (k bindingKind) one(ctx context.Context, c reads, a resources.Addr) (*object, error) {
	return k.oneOf(ctx, c, a, between(a))
}

func (bindingKind) oneOf(ctx context.Context, c reads, a resources.Addr, path string) (*object, error) {
	rows, err := c.rows(ctx, path)
	if err != nil {
		return nil, err
	}
	for _, o := range collectBindings(rows) {
		if o.addr == a {
			return o, nil
		}
	}
	return nil, nil
}

// standIn looks for the binding where a replacement of one of its ends has put
// it meanwhile.
func (k bindingKind) standIn(ctx context.Context, c reads, a resources.Addr) (*object, error) {
	p := a.Parts()
	e := ends{p[1], p[2], p[3]}
	var others []ends
	if e.to == toQueue {
		others = append(others, ends{e.source, toExchange, helperName(e.destination, roleMid)},
			ends{e.source, toExchange, helperName(e.destination, roleRecord)})
	} else {
		others = append(others, ends{e.source, toExchange, helperName(e.destination, roleShadow)})
	}
	others = append(others, ends{helperName(e.source, roleShadow), e.to, e.destination})
	for _, other := range others {
		if o, err := k.oneOf(ctx, c, a, pathBetween(p[0], other)); o != nil || err != nil {
			return o, err
		}
	}
	return nil, nil
}

// write makes the binding; one that exists stays as it is. The broker answers
// 201 in both cases, and 404 when one of the ends is missing.
func (k bindingKind) write(ctx context.Context, c writes, r *resources.Resource, _ *object, _ resources.Delta) (bool, error) {
	arguments := r.Config.Map("arguments")
	if arguments == nil {
		arguments = map[string]any{}
	}
	return true, c.post(ctx, between(r.Addr), map[string]any{"routing_key": r.Config.Text("routing_key"), "arguments": arguments})
}

// errKept is wrapped when a binding is there after it was deleted.
var errKept = errors.New("the broker answered with success and kept the binding")

// ends are the exchange and what it is bound to: a binding goes with either.
func (bindingKind) ends(a resources.Addr) []resources.Addr {
	p := a.Parts()
	to := queueName
	if p[2] == toExchange {
		to = exchangeName
	}
	return []resources.Addr{resources.NewAddr(exchangeName, p[0], p[1]), resources.NewAddr(to, p[0], p[3])}
}

// remove deletes the binding under every key the broker lists it by, and looks
// whether it is gone: of an exchange imported without auto_delete the broker
// answers success and keeps it.
func (k bindingKind) remove(ctx context.Context, c writes, have *object) error {
	for _, path := range have.paths {
		if err := c.remove(ctx, path); err != nil {
			return err
		}
	}
	now, err := k.one(ctx, c.reads, have.addr)
	if err != nil {
		return err
	}
	if now != nil {
		return &resources.Diagnosis{Err: errKept,
			Hint: fmt.Sprintf("its exchange was probably imported without auto_delete; `midaz apply -replace 'exchange/%s'` heals that",
				strings.Join(strings.Split(have.addr.Name, "/")[:2], "/"))}
	}
	return nil
}

func (bindingKind) Check(all *resources.Declared, report resources.Report) {
	for _, r := range all.Of(bindingName) {
		checkBinding(r, all, report)
	}
}

func checkBinding(r *resources.Resource, all *resources.Declared, report resources.Report) {
	_, queue := r.Config["queue"]
	_, exchange := r.Config["exchange"]
	switch {
	case queue && exchange:
		report(ruleBinding.At(r.Pos("/exchange"), "a binding leads to one queue or to one exchange, not to both", "write two bindings"))
	case !queue && !exchange:
		report(ruleBinding.At(r.KeyPos, "the binding does not say where messages go", "write `queue: NAME` or `exchange: NAME`"))
	}
	for _, key := range []string{"source", "queue", "exchange"} {
		v, ok := r.Config[key]
		switch {
		case !ok:
		case resources.HasSecret(v):
			report(ruleName.At(r.Pos("/"+key), key+" holds a sensitive value, and names are shown", "use a variable that is not sensitive"))
		case resources.Text(v) == "":
			report(ruleReserved.At(r.Pos("/"+key), "the default exchange routes by the queue's name and cannot be bound",
				"publish to it with the queue's name as routing key, or name another exchange"))
		}
	}
	checkRoutingKey(r, all, report)
}

func checkRoutingKey(r *resources.Resource, all *resources.Declared, report resources.Report) {
	v, written := r.Config["routing_key"]
	key := resources.Text(v)
	if resources.HasSecret(v) {
		report(ruleName.At(r.Pos("/routing_key"), "routing_key holds a sensitive value, and names are shown",
			"use a variable that is not sensitive"))
		return
	}
	if wrong := textProblem(key); wrong != "" {
		report(ruleName.At(r.Pos("/routing_key"), "the routing key "+wrong, ""))
		return
	}
	arguments := r.Config.Map("arguments")
	if strings.Contains(key, "~") && len(arguments) > 0 {
		report(ruleTilde.At(r.Pos("/routing_key"), "a routing key with ~ and arguments make the broker unable to list its bindings",
			"take another character for ~, or leave the arguments out"))
	}
	switch t := sourceType(r, all); t {
	case "fanout", "headers":
		if written && key != "" {
			report(ruleRoutingKey.At(r.Pos("/routing_key"), fmt.Sprintf("a %s exchange ignores the routing key", t), "remove it"))
		}
		if t == "headers" {
			checkMatch(r, arguments, report)
		}
	case "direct":
		if strings.ContainsAny(key, "*#") {
			report(ruleRoutingKey.At(r.Pos("/routing_key"),
				fmt.Sprintf("a direct exchange takes %q literally: * and # mean something only to a topic exchange", key),
				"make the exchange a topic exchange, or write the whole key"))
		}
	}
}

// sourceType returns the type of the exchange a binding comes from, "" when the
// spec does not say.
func sourceType(r *resources.Resource, all *resources.Declared) string {
	source := r.Config.Text("source")
	if t, ok := strings.CutPrefix(source, "amq."); ok {
		return map[string]string{"direct": "direct", "fanout": "fanout", "topic": "topic", "headers": "headers", "match": "headers"}[t]
	}
	x := all.Get(resources.NewAddr(exchangeName, r.Addr.Parts()[0], source))
	if x == nil || x.Config.Bool("external") {
		return ""
	}
	return cmpText(x.Config.Text("type"), "direct")
}

func checkMatch(r *resources.Resource, arguments map[string]any, report resources.Report) {
	at := r.Node.Get("arguments").KeyPos("/x-match")
	v, ok := arguments["x-match"]
	switch {
	case ok && word("all", "any", "all-with-x", "any-with-x")(v) != "":
		report(ruleArgumentValue.At(at, "x-match must be one of all, any, all-with-x, any-with-x, not "+resources.Show(v), ""))
	case len(arguments) == 0:
		report(ruleRoutingKey.At(r.KeyPos, "a binding of a headers exchange without arguments matches every message",
			"write the headers to match under arguments"))
	}
}

func (bindingKind) model(v *routing.Vhost, r *resources.Resource) {
	b := &routing.Binding{Source: r.Config.Text("source"), Destination: r.Config.Text("queue"), Key: r.Config.Text("routing_key"),
		Arguments: r.Config.Map("arguments")}
	if _, ok := r.Config["exchange"]; ok {
		b.ToExchange, b.Destination = true, r.Config.Text("exchange")
	}
	v.Bindings = append(v.Bindings, b)
}

func (bindingKind) export(w *exporter, r *resources.Resource) {
	kind, destination := "queue", r.Config["queue"]
	if x, ok := r.Config["exchange"]; ok {
		kind, destination = "exchange", x
	}
	arguments := r.Config.Map("arguments")
	if arguments == nil {
		arguments = map[string]any{}
	}
	w.inVhost("bindings", r, map[string]any{"source": r.Config["source"], "destination": destination, "destination_type": kind,
		"routing_key": r.Config.Text("routing_key"), "arguments": arguments})
}

func (bindingKind) imports() definitions.Kind {
	return definitions.Kind{List: "bindings", Take: takeBinding}
}

func takeBinding(f *definitions.File, r definitions.Row) {
	source, destination, key := r.Text("source"), r.Text("destination"), r.Text("routing_key")
	if source == "" {
		return // every queue has it
	}
	v := f.Vhost(r)
	bindings, exchanges := v.Section("bindings"), v.Section("exchanges")
	kind, known := "queue", v.Section("queues").Has(destination)
	if r.Text("destination_type") == "exchange" {
		kind, known = "exchange", exchanges.Has(destination) || strings.HasPrefix(destination, "amq.")
	}
	told := fmt.Sprintf("binding from %q to %s %q", source, kind, destination)
	switch {
	case !known:
		bindings.Note("%s: the export does not have the %s", told, kind)
		return
	case !exchanges.Has(source) && !strings.HasPrefix(source, "amq."):
		bindings.Note("%s: the export does not have its exchange (some exports leave internal ones out)", told)
		return
	}
	arguments := r.Object("arguments")
	e := definitions.Entry{Name: fmt.Sprint(source, "\x00", kind, "\x00", destination, "\x00", key, "\x00", definitions.Canonical(arguments))}
	e.Add("source", source)
	e.Add(kind, destination)
	if key != "" {
		e.Add("routing_key", key)
	}
	e.Arguments(maps.Clone(arguments))
	if bindings.Has(e.Name) {
		bindings.Note("%s: it is there twice, and does nothing more the second time", told)
		return
	}
	e.Extra("the binding", r, "source", "vhost", "destination", "destination_type", "routing_key", "arguments", "properties_key")
	bindings.Add(e)
}
