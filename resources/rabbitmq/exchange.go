package rabbitmq

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/definitions"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/routing"
	"github.com/LerianStudio/midaz-infra/specs"
)

const exchangeName = "exchange"

var exchangeTable = &resources.Table{
	Kind: exchangeName, Section: "rabbitmq/vhosts/*/exchanges/*", NullOK: true,
	Example: "{orders: {type: topic}}",
	Doc: "An exchange: where messages are published to. The broker changes nothing of an exchange that exists, so every change " +
		"replaces it.",
	Fields: []resources.Field{
		{Key: "type", Type: resources.String(), Default: "direct", Cost: resources.Remake,
			Doc: "How messages are routed: direct, fanout, topic, headers, or a plugin's type such as x-consistent-hash.", Example: "topic",
			Other: "fanout"},
		{Key: "durable", Type: resources.Bool(), Default: true, Cost: resources.Remake,
			Doc: "The exchange is there again after the broker has restarted.", Example: "false", Other: "true"},
		{Key: "auto_delete", Type: resources.Bool(), Default: false, Cost: resources.Remake,
			Doc: "The broker deletes the exchange when its last binding is removed.", Example: "true", Other: "false"},
		{Key: "internal", Type: resources.Bool(), Default: false, Cost: resources.Remake,
			Doc: "Clients cannot publish to it; it only receives from other exchanges.", Example: "true", Other: "false"},
		{Key: "alternate_exchange", Name: true, Type: resources.String(), Cost: resources.Remake,
			Doc:     "Where messages go that no binding takes. A policy can set it too, and can be changed without replacing the exchange.",
			Example: "unrouted", Other: "lost"},
		{Key: "arguments", Type: resources.MapOf(resources.Any()), Cost: resources.Remake,
			Doc: "Further arguments, as the exchange's type knows them.", Example: "{hash-header: account}", Other: "{hash-header: ledger}"},
		onChangeField("What happens when the exchange must be replaced: migrate has another one stand in meanwhile, so that no message is "+
			"lost on the way and bindings of others are kept; refuse does nothing.", changeMigrate, changeRefuse),
		externalField("exchange"),
		protectField("exchange"),
	},
}

// alternate is the argument that alternate_exchange stands for.
const alternate = "alternate-exchange"

type exchangeKind struct{ single }

var _ = register(exchangeKind{single{
	table: exchangeTable,
	list:  "/api/exchanges",
	path:  func(parts []string) string { return apiPath("exchanges", parts[0], parts[1]) },
	see:   seeExchange,
	body: func(r *resources.Resource, _ *object, _ resources.Delta) map[string]any {
		c := withDefaults(exchangeTable, r.Config)
		arguments := map[string]any{}
		for k, v := range r.Config.Map("arguments") {
			arguments[k] = v
		}
		if v, ok := r.Config["alternate_exchange"]; ok {
			arguments[alternate] = v
		}
		return map[string]any{"type": c["type"], "durable": c["durable"], "auto_delete": c["auto_delete"], "internal": c["internal"],
			"arguments": arguments}
	},
}})

func withDefaults(t *resources.Table, c resources.Config) resources.Config {
	out := c.Clone()
	if out == nil {
		out = resources.Config{}
	}
	for i := range t.Fields {
		if f := &t.Fields[i]; f.Default != nil {
			if _, ok := out[f.Key]; !ok {
				out[f.Key] = f.Default
			}
		}
	}
	return out
}

func seeExchange(r row) *object {
	vhost, name := r.text("vhost"), r.text("name")
	if isDefaultExchange(name) || isHelper(name) || strings.HasPrefix(name, "federation: ") || r.text("type") == "x-federation-upstream" {
		return nil
	}
	arguments := r.object("arguments")
	o := &object{addr: resources.NewAddr(exchangeName, vhost, name), refs: seenInVhost(vhost), have: resources.Config{
		"type": r.text("type"), "durable": r.flag("durable"), "auto_delete": r.flag("auto_delete"), "internal": r.flag("internal"),
	}}
	if v, ok := arguments[alternate]; ok {
		o.have["alternate_exchange"] = v
		delete(arguments, alternate)
	}
	o.have["arguments"] = arguments
	// Definitions imported by a broker before 4.2.2 leave it unset when they do
	// not say it. Such an exchange works, but keeps its bindings for ever.
	if r["auto_delete"] == "undefined" {
		o.stuck = true
		o.notes = append(o.notes, "it was imported without auto_delete, so the broker cannot remove single bindings of it; replacing it heals "+
			"that")
	}
	return o
}

// isDefaultExchange reports whether every broker has the exchange, or only the
// broker may make it.
func isDefaultExchange(name string) bool { return name == "" || strings.HasPrefix(name, "amq.") }

func (k exchangeKind) Finish(r *resources.Resource, all *resources.Declared, report resources.Report) {
	finish(r, all)
	r.External, r.Protect = r.Config.Bool("external"), r.Config.Bool("protect")
	lift(r, "arguments", alternate, "alternate_exchange", report)
}

// lift moves an argument that has a field of its own into that field, so that
// both spellings mean the same.
func lift(r *resources.Resource, field, argument, key string, report resources.Report) {
	arguments := r.Config.Map(field)
	v, ok := arguments[argument]
	if !ok {
		return
	}
	if other, both := r.Config[key]; both && !resources.Equal(other, v) {
		report(ruleTwoSpellings.At(r.Node.At("/"+field).KeyPos("/"+argument), fmt.Sprintf("%s and the argument %s say different things", key,
			argument), "keep one of the two"))
	}
	rest := make(map[string]any, len(arguments))
	for k, v := range arguments {
		if k != argument {
			rest[k] = v
		}
	}
	r.Config = r.Config.Clone()
	r.Config[field], r.Config[key] = rest, v
}

// Replacement says that an exchange is replaced in steps of its own.
func (exchangeKind) Replacement() resources.Replacement { return resources.OneStep }

// Hazards says what publishers see of a replacement, or that it is refused.
func (exchangeKind) Hazards(a resources.Action, want *resources.Resource, have *resources.Observed) []resources.Hazard {
	o := nativeOf(have)
	switch {
	case a == resources.Delete && o != nil:
		return hazardsOf(o.losses)
	case a != resources.Replace || want == nil:
		return nil
	case onChange(want) == changeRefuse:
		return []resources.Hazard{{Code: resources.Refused, Msg: "`on_change: refuse` is declared, so the exchange is not replaced"}}
	}
	out := []resources.Hazard{{Code: resources.Downtime, Msg: "publishers see one error (404) for some milliseconds, and must publish again"}}
	if o != nil && o.replacing != nil {
		out = append(out, o.replacing.risks...)
	}
	return out
}

func (exchangeKind) Refs(r *resources.Resource) []resources.Ref {
	return append(vhostRefs(r), policyRefs(r)...)
}

// knownExchangeTypes are the broker's own and those of plugins that come with
// it or are widely used.
var knownExchangeTypes = []string{
	"direct", "fanout", "topic", "headers", "x-local-random", "x-consistent-hash", "x-modulus-hash", "x-random", "x-recent-history",
	"x-jms-topic", "x-delayed-message", "x-event", "x-rtopic", "x-lvc",
}

func (exchangeKind) Check(all *resources.Declared, report resources.Report) {
	for _, r := range all.Of(exchangeName) {
		name := r.Addr.Parts()[1]
		if !checkName(r, name, "exchange", report) {
			continue
		}
		if isDefaultExchange(name) {
			report(ruleReserved.At(r.KeyPos, fmt.Sprintf("the broker keeps exchange names beginning with \"amq.\" for itself, so %q cannot be made",
				name), "take another name; bindings may refer to amq.direct and the like without declaring them"))
			continue
		}
		if r.Config.Bool("external") {
			continue
		}
		t := r.Config.Text("type")
		if t != "" && !slices.Contains(knownExchangeTypes, t) && !strings.HasPrefix(t, "x-") {
			report(ruleExchangeType.At(r.Pos("/type"), "no broker knows exchanges of type "+resources.Show(r.Config["type"]),
				specs.DidYouMean(t, knownExchangeTypes[:4])))
		}
		if t == "x-delayed-message" {
			if _, ok := r.Config.Map("arguments")["x-delayed-type"]; !ok {
				report(ruleArgumentMissing.At(r.Pos("/type"), "an exchange of type x-delayed-message needs the argument x-delayed-type",
					"write `arguments: { x-delayed-type: direct }`"))
			}
		}
		checkAlternate(r, all, report)
	}
}

func checkAlternate(r *resources.Resource, all *resources.Declared, report resources.Report) {
	v, ok := r.Config["alternate_exchange"]
	if !ok {
		return
	}
	target, isText := v.(string)
	if !isText {
		if _, secret := v.(resources.Secret); !secret {
			report(ruleArgumentValue.At(r.Pos("/alternate_exchange"), "alternate_exchange must be the name of an exchange", ""))
		}
		return
	}
	checkExchangeExists(r, all, target, "/alternate_exchange", "alternate exchange", report)
}

func (exchangeKind) refusedBy(v release, r *resources.Resource) []resources.Unfit {
	if r.Config.Text("type") == "x-local-random" && v < 400 {
		return []resources.Unfit{{At: "/type", Msg: fmt.Sprintf("%s has no exchanges of the type x-local-random", v),
			Hint: "they need RabbitMQ 4.0"}}
	}
	return nil
}

// lacks says that the broker has no exchanges of the type: a plugin is not
// enabled.
func (exchangeKind) lacks(_ context.Context, _ *snapshot, over *overview, w *resources.Resource) []resources.Unfit {
	t := cmpText(w.Config.Text("type"), "direct")
	if len(over.ExchangeTypes) == 0 || slices.ContainsFunc(over.ExchangeTypes, func(e struct {
		Name string `json:"name"`
	}) bool {
		return e.Name == t
	}) {
		return nil
	}
	return []resources.Unfit{{At: "/type", Msg: fmt.Sprintf("the broker has no exchanges of the type %s", t),
		Hint: "enable the plugin that has it, with rabbitmq-plugins enable"}}
}

func (exchangeKind) model(v *routing.Vhost, r *resources.Resource) {
	v.Exchanges = append(v.Exchanges, modelExchange(r))
}

func modelExchange(r *resources.Resource) *routing.Exchange {
	x := &routing.Exchange{Name: r.Addr.Parts()[1], Type: r.Config.Text("type"), Internal: r.Config.Bool("internal"),
		External: r.External, Arguments: r.Config.Map("arguments")}
	if x.Type == "" && !x.External {
		x.Type = "direct"
	}
	if _, ok := r.Config["alternate_exchange"]; ok {
		x.HasAlternate, x.Alternate = true, r.Config.Text("alternate_exchange")
	}
	return x
}

func (exchangeKind) export(w *exporter, r *resources.Resource) {
	c := withDefaults(exchangeTable, r.Config)
	arguments := map[string]any{}
	for k, v := range c.Map("arguments") {
		arguments[k] = v
	}
	if v, ok := c["alternate_exchange"]; ok {
		arguments[alternate] = v
	}
	w.inVhost("exchanges", r, map[string]any{"name": r.Addr.Parts()[1], "type": c["type"], "durable": c["durable"],
		"auto_delete": c["auto_delete"], "internal": c["internal"], "arguments": arguments})
}

func (exchangeKind) imports() definitions.Kind {
	return definitions.Kind{List: "exchanges", Take: takeExchange}
}

func takeExchange(f *definitions.File, r definitions.Row) {
	name := r.Text("name")
	if isDefaultExchange(name) {
		return // every broker has them
	}
	exchanges := f.Vhost(r).Section("exchanges")
	if strings.HasPrefix(name, "federation: ") || r.Text("type") == "x-federation-upstream" {
		exchanges.Note("exchange %q belongs to the federation plugin, which makes it itself", name)
		return
	}
	if !exchanges.Accept("exchange", name) {
		return
	}
	e := definitions.Entry{Name: name}
	if t := r.Text("type"); t != "" {
		e.Add("type", t)
	}
	if !e.Flag(r, "durable", true) {
		e.Add("durable", false)
	}
	for _, key := range []string{"auto_delete", "internal"} {
		if e.Flag(r, key, false) {
			e.Add(key, true)
		}
	}
	arguments := maps.Clone(r.Object("arguments"))
	if name, ok := arguments[alternate].(string); ok {
		e.Add("alternate_exchange", name)
		delete(arguments, alternate)
	}
	e.Arguments(arguments)
	e.Extra("the exchange", r, "name", "vhost", "type", "durable", "auto_delete", "internal", "arguments", "user_who_performed_action",
		"policy", "operator_policy", "effective_policy_definition")
	exchanges.Add(e)
}
