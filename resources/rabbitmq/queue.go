package rabbitmq

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/definitions"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/routing"
)

const (
	queueName = "queue"
	// queueColumns keeps the bulk read small: 10,000 queues are 2.5 MB in 0.4 s
	// on 4.0, where the whole of them is 9 MB in 2.6 s.
	queueColumns = "/api/queues?disable_stats=true&columns=vhost,name,type,durable,auto_delete,exclusive,internal,arguments"
	queueTotals  = "?disable_stats=true&enable_queue_totals=true"
)

var queueTable = &resources.Table{
	Kind: queueName, Section: "rabbitmq/vhosts/*/queues/*", NullOK: true,
	Example: "{orders.paid: {type: quorum}}",
	Doc: "A queue. The broker changes nothing of a queue that exists, so every change of its type or arguments replaces it; what a " +
		"policy can say becomes one.",
	Fields: slices.Concat([]resources.Field{
		{Key: "type", Type: resources.Enum("classic", "quorum", "stream"), Cost: resources.Remake,
			Doc: "classic, quorum (replicated, on disk before a publisher is told so) or stream (a log). Without it the virtual host's " +
				"default_queue_type holds, or classic.", Example: "quorum", Other: "stream"},
		{Key: "durable", Type: resources.Bool(), Default: true, Cost: resources.Remake,
			Doc: "The queue is there again after the broker has restarted.", Example: "false", Other: "true"},
		{Key: "auto_delete", Type: resources.Bool(), Default: false, Cost: resources.Remake,
			Doc: "The broker deletes the queue when its last consumer leaves.", Example: "true", Other: "false"},
		{Key: "arguments", Type: resources.MapOf(resources.Any()), Cost: resources.Remake,
			Doc: "Further arguments, with their types as written: 5, 5.0 and \"5\" are three values.", Example: "{x-single-active-consumer: true}",
			Other: "{x-max-priority: 5}"},
		onChangeField("What happens to the messages when the queue must be replaced: migrate moves them to the new one, none lost; replace "+
			"gives them up, which must be consented to with -allow data-loss when there are any; refuse does nothing.", changeMigrate, changeReplace,
			changeRefuse),
		{Key: "migration", Type: resources.Enum("safe", "fast"), Default: "safe", Cost: resources.Free, Unseen: true, Unmarked: true,
			Doc: "How a migration treats what consumers hold unacknowledged: safe waits for it, so that they get nothing for about 6 seconds; " +
				"fast goes on at once, and loses it where a consumer fails at that moment. Publishers wait in neither.", Example: "fast",
			Other: "safe"},
		{Key: "pause_publishers", Type: resources.Bool(), Default: false, Cost: resources.Free, Unseen: true, Unmarked: true,
			Doc: "Hold every publisher of the broker while a migration has the queue gone for a moment, by an alarm on the node as when memory " +
				"runs out. Then nothing is lost either of what is published past all exchanges: to the default exchange, or by a shovel. It needs a " +
				"broker that is a `service` of the stack; on another one nobody is held, and the plan says who may lose what.", Example: "true",
			Other: "false"},
	}, policedFields(), []resources.Field{
		externalField("queue"),
		protectField("queue"),
	}),
	Refused: map[string]string{
		"exclusive": "an exclusive queue belongs to one connection, so only a client can declare it",
		"ttl":       "write `message_ttl`, in milliseconds",
	},
}

// queueTypeArgument is where the broker keeps the type of a queue.
const queueTypeArgument = "x-queue-type"

type queueKind struct{ single }

var _ = register(queueKind{single{
	table: queueTable,
	list:  queueColumns,
	path:  func(parts []string) string { return apiPath("queues", parts[0], parts[1]) },
	see:   seeQueue,
	body: func(r *resources.Resource, _ *object, _ resources.Delta) map[string]any {
		c := withDefaults(queueTable, r.Config)
		// The type is always said: the broker's own default may be another.
		arguments := map[string]any{queueTypeArgument: typeOf(r)}
		for k, v := range r.Config.Map("arguments") {
			arguments[k] = v
		}
		return map[string]any{"durable": c["durable"], "auto_delete": c["auto_delete"], "arguments": arguments}
	},
}})

func seeQueue(r row) *object {
	vhost, name := r.text("vhost"), r.text("name")
	if r.flag("exclusive") || r.flag("internal") || isTransientName(name) || isHelper(name) {
		return nil
	}
	arguments := r.object("arguments")
	kind := cmpText(r.text("type"), cmpText(row(arguments).text(queueTypeArgument), "classic"))
	delete(arguments, queueTypeArgument) // 4.0 and later put it into every queue
	return &object{addr: resources.NewAddr(queueName, vhost, name), refs: seenInVhost(vhost), have: resources.Config{
		"type": kind, "durable": r.flag("durable"), "auto_delete": r.flag("auto_delete"), "arguments": arguments,
	}}
}

// one reads a queue without its statistics.
func (k queueKind) one(ctx context.Context, c reads, a resources.Addr) (*object, error) {
	r, err := c.row(ctx, k.path(a.Parts())+"?disable_stats=true")
	if err != nil || r == nil {
		return nil, err
	}
	return k.see(r), nil
}

// write says why the broker fails without a word where that is known.
func (k queueKind) write(ctx context.Context, c writes, r *resources.Resource, have *object, d resources.Delta) (bool, error) {
	sure, err := k.single.write(ctx, c, r, have, d)
	return sure, orNoRoom(ctx, c, r.Addr.Parts()[0], err)
}

// orNoRoom explains the 500 with which the broker answers when a virtual host
// has all the queues that it may have.
func orNoRoom(ctx context.Context, c writes, vhost string, err error) error {
	if statusOf(err) != http.StatusInternalServerError {
		return err
	}
	limit, have, lerr := roomIn(ctx, c.reads, vhost)
	if lerr != nil || limit < 0 || have < limit {
		return err
	}
	return &resources.Diagnosis{Err: fmt.Errorf("the virtual host has %s, and its limit max_queues is %d: %w", plural(have, "queue"), limit,
		err),
		Hint: "raise max_queues under `limits` of the virtual host, or remove queues"}
}

// roomIn returns how many queues a virtual host may have, -1 for any number, and
// how many it has.
func roomIn(ctx context.Context, c reads, vhost string) (limit, have int64, err error) {
	limit = -1
	limits, err := c.rows(ctx, apiPath(vhostLimits.endpoint, vhost))
	if err != nil {
		return limit, 0, err
	}
	for _, o := range vhostLimits.collect(limits) {
		if n, ok := o.have["max_queues"].(int64); ok && o.addr.Parts()[0] == vhost {
			limit = n
		}
	}
	if limit < 0 {
		return limit, 0, nil
	}
	rows, err := c.rows(ctx, apiPath("queues", vhost)+"?disable_stats=true&columns=name")
	return limit, int64(len(rows)), err
}

// typeOf returns the type a declared queue has.
func typeOf(r *resources.Resource) string {
	if t := r.Config.Text("type"); t != "" {
		return t
	}
	if vhost := placeOf(r).vhost; vhost != nil && vhost.Config.Text("default_queue_type") != "" {
		return vhost.Config.Text("default_queue_type")
	}
	return "classic"
}

func (k queueKind) Finish(r *resources.Resource, all *resources.Declared, report resources.Report) {
	finish(r, all)
	r.External, r.Protect = r.Config.Bool("external"), r.Config.Bool("protect")
	lift(r, "arguments", queueTypeArgument, "type", report)
	if arguments := r.Config.Map("arguments"); arguments != nil {
		r.Config["arguments"] = typed(arguments, argumentSetting)
	}
}

func (queueKind) Refs(r *resources.Resource) []resources.Ref {
	refs := append(vhostRefs(r), policyRefs(r)...)
	if len(fieldsOf(r)) > 0 {
		refs = append(refs, resources.Ref{To: generatedAddr(r.Addr), Wait: resources.Ready, Optional: true})
	}
	return refs
}

// Compare knows that a type which is not declared is the virtual host's.
func (queueKind) Compare(want *resources.Resource, have *resources.Observed) resources.Delta {
	c := want.Config
	applied := have.Applied
	if _, declared := c["type"]; !declared {
		c = c.Clone()
		if c == nil {
			c = resources.Config{}
		}
		c["type"] = typeOf(want)
	}
	return queueTable.Compare(c, have.Have, applied)
}

// seal remembers the type that held, so that a later change of the default is
// known to be the spec's.
func (queueKind) seal(r *resources.Resource, _ *object) resources.Config {
	c := declaredFields(queueTable, r.Config)
	c["type"] = typeOf(r)
	return c
}

// load is what a queue holds.
type load struct {
	ready, unacked, consumers int64
	// bytes is what the messages take, and sized whether the broker says it.
	bytes int64
	sized bool
	// counted is false when the broker keeps no statistics.
	counted bool
}

func (l *load) messages() int64 { return l.ready + l.unacked }

func (l *load) contents() contents {
	return contents{messages: l.messages(), bytes: l.bytes, sized: l.sized}
}

// manyDoomed is from when on one bulk read of the counts is cheaper.
const manyDoomed = 16

// cheapFor is how many queues a broker may have for all to be counted always:
// two reads of some milliseconds.
func (queueKind) cheapFor() int { return 256 }

// inspect counts the messages and consumers of queues that would be replaced or
// deleted. The broker's numbers may be some seconds old.
func (k queueKind) inspect(ctx context.Context, s *snapshot, _ *books, doomed []*object) error {
	var bulk map[resources.Addr]row
	if len(doomed) >= manyDoomed {
		bulk = map[resources.Addr]row{}
		for _, path := range []string{"/api/queues" + queueTotals, "/api/queues?columns=vhost,name,consumers,message_bytes"} {
			rows, err := s.list(ctx, path)
			if err != nil {
				return fmt.Errorf("count messages: %w", err)
			}
			for _, r := range rows {
				a := resources.NewAddr(queueName, r.text("vhost"), r.text("name"))
				if bulk[a] == nil {
					bulk[a] = row{}
				}
				for _, key := range []string{"messages_ready", "messages_unacknowledged", "consumers", "message_bytes"} {
					if v, ok := r[key]; ok {
						bulk[a][key] = v
					}
				}
			}
		}
	}
	for _, o := range doomed {
		if bulk != nil {
			o.load = loadOf(bulk[o.addr])
		} else {
			l, err := k.count(ctx, s.reads, o.addr)
			if err != nil {
				return err
			}
			o.load = l
		}
		o.describe()
	}
	return nil
}

// count asks for one queue's messages and consumers.
func (k queueKind) count(ctx context.Context, c reads, a resources.Addr) (*load, error) {
	return k.countAt(ctx, c, k.path(a.Parts()))
}

func (queueKind) countAt(ctx context.Context, c reads, path string) (*load, error) {
	totals, err := c.row(ctx, path+queueTotals)
	if err != nil {
		return nil, fmt.Errorf("count messages: %w", err)
	}
	full, err := c.row(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("count consumers: %w", err)
	}
	l, other := loadOf(totals), loadOf(full)
	l.consumers, l.bytes, l.sized = other.consumers, other.bytes, other.sized
	l.counted = l.counted || other.counted
	// Both are samples; the greater one errs on the safe side.
	l.ready, l.unacked = max(l.ready, other.ready), max(l.unacked, other.unacked)
	return l, nil
}

func loadOf(r row) *load {
	l := &load{}
	var ok bool
	l.ready, ok = r.number("messages_ready")
	l.counted = ok
	l.unacked, _ = r.number("messages_unacknowledged")
	l.consumers, _ = r.number("consumers")
	l.bytes, l.sized = r.number("message_bytes")
	return l
}

// describe puts the load into words.
func (o *object) describe() {
	l := o.load
	stream := o.have.Text("type") == "stream"
	switch {
	case stream:
		o.losses = append(o.losses, "a stream keeps what was read, so everything in it would be lost")
	case !l.counted:
		o.notes = append(o.notes, "the broker does not say how many messages it holds")
		if o.have.Text("type") != "classic" {
			o.losses = append(o.losses, "the broker does not say how many messages it holds, and they would be lost")
		}
	case l.messages() > 0:
		o.losses = append(o.losses, fmt.Sprintf("%s would be lost", plural(l.messages(), "message")))
	}
	if l.counted && !stream || l.consumers > 0 {
		note := plural(l.ready, "message") + " ready"
		if l.unacked > 0 {
			note += fmt.Sprintf(", %s unacknowledged", thousands(l.unacked))
		}
		o.notes = append(o.notes, note+", "+plural(l.consumers, "consumer"))
	}
}

// Replacement says that a queue is replaced in steps of its own.
func (queueKind) Replacement() resources.Replacement { return resources.OneStep }

// Hazards names what goes with a queue that is deleted, and what the
// replacement of one means.
func (queueKind) Hazards(a resources.Action, _ *resources.Resource, have *resources.Observed) []resources.Hazard {
	o := nativeOf(have)
	switch {
	case o == nil:
		return nil
	case a == resources.Replace && o.replacing != nil:
		return append(hazardsOf(o.replacing.losses), o.replacing.risks...)
	case a != resources.Delete && a != resources.Replace:
		return nil
	}
	out := hazardsOf(o.losses)
	if o.load != nil && o.load.consumers > 0 {
		out = append(out, resources.Hazard{Code: resources.Downtime, Consent: true, Msg: plural(o.load.consumers, "consumer") +
			" would be cancelled"})
	}
	return out
}

// remove deletes a queue. Unless the plan has shown what would be lost, it is
// only deleted empty and unused: a classic queue by the broker's own check, which
// the other types do not have, and which passes over what consumers hold. They
// are counted right before.
func (k queueKind) remove(ctx context.Context, c writes, have *object) error {
	path := k.path(have.addr.Parts())
	if len(have.losses) > 0 {
		return k.removeAt(ctx, c, path, "")
	}
	used := have.load != nil && have.load.consumers > 0 // the plan has said so
	if have.have.Text("type") == "classic" && !used {
		err := k.removeAt(ctx, c, path, "?if-empty=true&if-unused=true")
		if statusOf(err) == http.StatusBadRequest && !isConfused(err) {
			return k.refused(have, err.Error())
		}
		return err
	}
	now, err := k.countNow(ctx, c, have.addr)
	if err != nil {
		return err
	}
	if now.messages() > 0 || now.consumers > 0 && !used {
		return k.refused(have, fmt.Sprintf("it holds %s and has %s", plural(now.messages(), "message"), plural(now.consumers, "consumer")))
	}
	return k.removeAt(ctx, c, path, "")
}

// removeAt deletes the queue and sees that it is gone. While a binding leads to
// it from an exchange of which the broker does not know whether that deletes
// itself, the broker fails (4.0), or says that the queue is gone and keeps it
// (3.10): until the exchange is gone, which it may be in a moment.
func (queueKind) removeAt(ctx context.Context, c writes, path, guard string) error {
	for wait := 50 * time.Millisecond; ; wait *= 2 {
		err := c.remove(ctx, path+guard)
		if err == nil {
			// One that somebody has declared again meanwhile has no binding yet.
			kept, err := bindingsOf(ctx, c.reads, path+"/bindings")
			if err != nil || len(kept) == 0 {
				return err
			}
		} else if !isConfused(err) {
			return err
		}
		if wait > 3*time.Second {
			return &resources.Diagnosis{Err: cmp.Or(err, errors.New("the broker says that the queue is deleted, and keeps it")),
				Hint: "it is bound to an exchange that was probably imported without auto_delete, and the broker cannot delete it before that: " +
					"`midaz apply -replace` the exchange heals it"}
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// countNow is count where it must be right. Statistics are some seconds old: what
// is ready now, and who consumes, is asked by AMQP; where that cannot be had, the
// statistics are waited for.
func (k queueKind) countNow(ctx context.Context, c writes, a resources.Addr) (*load, error) {
	ready, consumers, live := c.live(ctx, a.Parts()[0], a.Parts()[1])
	if live != nil && errors.Is(live, errNoAMQP) && !errors.Is(live, errSpeaksNone) {
		if l, err := k.count(ctx, c.reads, a); err != nil || l.messages() > 0 || l.consumers > 0 {
			return l, err
		}
		if err := sleep(ctx, statsAge); err != nil {
			return nil, err
		}
	}
	l, err := k.count(ctx, c.reads, a)
	if err != nil || live != nil {
		return l, err
	}
	l.ready, l.consumers = max(l.ready, int64(ready)), int64(consumers)
	if l.consumers == 0 || l.messages() > 0 {
		return l, nil
	}
	// Consumers may hold messages that the statistics do not know yet.
	if err := sleep(ctx, statsAge); err != nil {
		return nil, err
	}
	return k.count(ctx, c.reads, a)
}

// isConfused reports whether the broker failed where it should have answered.
func isConfused(err error) bool {
	return statusOf(err) == http.StatusBadRequest && strings.Contains(err.Error(), "case_clause")
}

func (queueKind) refused(have *object, why string) error {
	return &resources.Diagnosis{Err: fmt.Errorf("%s came into use after the plan was made, and is left alone: %s", have.addr, why),
		Hint: "plan again: the plan then shows what would be lost, and `-allow data-loss` consents to it"}
}

func (queueKind) Check(all *resources.Declared, report resources.Report) {
	for _, r := range all.Of(queueName) {
		name := r.Addr.Parts()[1]
		if !checkName(r, name, "queue", report) {
			continue
		}
		if strings.HasPrefix(name, migrationPrefix) {
			report(ruleReserved.At(r.KeyPos, fmt.Sprintf("names beginning with %q are those of what midaz makes while it replaces a queue",
				migrationPrefix), "take another name"))
			continue
		}
		if len(name) > 4 && name[:4] == "amq." {
			report(ruleReserved.At(r.KeyPos, fmt.Sprintf("the broker keeps queue names beginning with \"amq.\" for itself, so %q cannot be made",
				name), "take another name"))
			continue
		}
		if r.Config.Bool("external") {
			continue
		}
		if r.Config.Bool("pause_publishers") && !placeOf(r).hasService {
			report(rulePause.At(r.Pos("/pause_publishers"), "publishers cannot be held on a broker that is not a service of this stack",
				"stop who publishes to the default exchange while the queue is replaced: the plan names them"))
		}
		checkQueue(r, all, report)
		checkPoliced(r, all, report)
	}
}

func checkQueue(r *resources.Resource, all *resources.Declared, report resources.Report) {
	t := typeOf(r)
	if t == "quorum" || t == "stream" {
		if durable, ok := r.Config["durable"].(bool); ok && !durable {
			report(ruleQueueType.At(r.Pos("/durable"), fmt.Sprintf("a %s queue is always durable", t),
				"remove `durable: false`, or write `type: classic`"))
		}
		if r.Config.Bool("auto_delete") {
			report(ruleQueueType.At(r.Pos("/auto_delete"), fmt.Sprintf("a %s queue cannot delete itself", t),
				"remove `auto_delete`, or write `type: classic`; the argument x-expires or a policy removes a quorum queue that nobody uses"))
		}
	}
	checkArguments(r, t, report)
	arguments := r.Config.Map("arguments")
	if target, ok := arguments["x-dead-letter-exchange"].(string); ok {
		checkExchangeExists(r, all, target, "/arguments/x-dead-letter-exchange", "dead-letter exchange", report)
	}
	if arguments["x-dead-letter-strategy"] == "at-least-once" && arguments["x-overflow"] != "reject-publish" {
		report(ruleAtLeastOnce.At(r.Pos("/arguments/x-dead-letter-strategy"),
			"dead-lettering at least once only works with x-overflow: reject-publish; the broker falls back to at most once",
			"add `x-overflow: reject-publish`"))
	}
}

func plural(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return thousands(n) + " " + what + "s"
}

// thousands writes 1284 as 1,284.
func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func (queueKind) refusedBy(v release, r *resources.Resource) []resources.Unfit {
	var out []resources.Unfit
	arguments := r.Config.Map("arguments")
	refuse := func(argument string, when bool, msg, hint string) {
		if _, given := arguments[argument]; given && when {
			out = append(out, resources.Unfit{At: "/arguments/" + argument, Msg: fmt.Sprintf("%s %s", v, msg), Hint: hint})
		}
	}
	queueType := typeOf(r)
	for _, name := range slices.Sorted(maps.Keys(arguments)) {
		s := argumentSetting(name)
		if s == nil || !s.isStored(0, queueType) || s.isStored(v, queueType) {
			continue
		}
		if _, msg, hint := s.misfit(queueType, arguments[name]); msg != "" {
			out = append(out, resources.Unfit{At: "/arguments/" + escapePointer(name), Msg: fmt.Sprintf("on %s %s", v, msg), Hint: hint})
		}
	}
	classic := queueType == "classic"
	refuse("x-queue-master-locator", v >= 403, "refuses the argument x-queue-master-locator", "write x-queue-leader-locator")
	refuse("x-queue-version", v >= 403 && arguments["x-queue-version"] == int64(1), "refuses x-queue-version: 1",
		"remove it: there is only version 2")
	refuse("x-queue-leader-locator", v < 311 && classic, "does not take x-queue-leader-locator for classic queues",
		"write x-queue-master-locator")
	refuse("x-queue-leader-locator", v < 311 && !classic && arguments["x-queue-leader-locator"] == "min-masters",
		"refuses x-queue-leader-locator: min-masters", "write balanced")
	return out
}

func (queueKind) model(v *routing.Vhost, r *resources.Resource) {
	v.Queues = append(v.Queues, &routing.Queue{Name: r.Addr.Parts()[1], Type: typeOf(r), External: r.External,
		Arguments: r.Config.Map("arguments")})
}

// export says the type only where the spec does: without, the virtual host's
// default holds, here as there.
func (queueKind) export(w *exporter, r *resources.Resource) {
	c := withDefaults(queueTable, r.Config)
	arguments := map[string]any{}
	for k, v := range c.Map("arguments") {
		arguments[k] = v
	}
	if t := c.Text("type"); t != "" {
		arguments[queueTypeArgument] = t
	}
	w.inVhost("queues", r, map[string]any{"name": r.Addr.Parts()[1], "durable": c["durable"], "auto_delete": c["auto_delete"],
		"arguments": arguments})
}

func (queueKind) imports() definitions.Kind {
	return definitions.Kind{List: "queues", Take: takeQueue}
}

func takeQueue(f *definitions.File, r definitions.Row) {
	name, queues := r.Text("name"), f.Vhost(r).Section("queues")
	if strings.HasPrefix(name, "amq.") || isTransientName(name) || r["exclusive"] == true {
		queues.Note("queue %q belongs to a client or plugin, which makes it itself", name)
		return
	}
	if !queues.Accept("queue", name) {
		return
	}
	e := definitions.Entry{Name: name}
	arguments := maps.Clone(r.Object("arguments"))
	kind, _ := arguments[queueTypeArgument].(string)
	delete(arguments, queueTypeArgument)
	if kind == "" {
		kind = strings.TrimSuffix(strings.TrimPrefix(r.Text("type"), "rabbit_"), "_queue")
	}
	switch kind {
	case "":
	case "classic", "quorum", "stream":
		e.Add("type", kind)
	default:
		queues.Note("queue %q: its type %q is not known", name, kind)
		return
	}
	alwaysDurable := kind == "quorum" || kind == "stream"
	if !e.Flag(r, "durable", !alwaysDurable) && !alwaysDurable {
		e.Add("durable", false)
	}
	if e.Flag(r, "auto_delete", false) {
		e.Add("auto_delete", true)
	}
	e.Arguments(arguments)
	e.Extra("the queue", r, "name", "vhost", "type", "durable", "auto_delete", "exclusive", "arguments", "node", "policy", "operator_policy",
		"effective_policy_definition")
	queues.Add(e)
}
