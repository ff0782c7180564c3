package brokertest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

func (b *Broker) needVhost(name string) {
	if b.vhosts[name] == nil {
		refuse(http.StatusNotFound, "not_found", "vhost_not_found")
	}
}

func within(m map[[2]string]object, vhost string) []any {
	out := []any{}
	for k, o := range m {
		if vhost == "" || k[0] == vhost {
			out = append(out, o)
		}
	}
	slices.SortFunc(out, byName)
	return out
}

// clean drops line breaks from names, silently.
func clean(name string) string { return strings.NewReplacer("\n", "", "\r", "").Replace(name) }

func arguments(c *call) object {
	args, _ := c.body["arguments"].(map[string]any)
	out := object{}
	for k, v := range args {
		if v == nil {
			badRequest("null_not_allowed")
		}
		out[k] = v
	}
	return out
}

var _ = register("exchanges", endpoint{
	serve:     (*Broker).exchange,
	dropVhost: func(b *Broker, vhost string) { dropWhere(b.exchanges, vhost) },
})

func (b *Broker) exchange(c *call) {
	if len(c.parts) < 3 {
		ok(within(b.exchanges, c.part(1)))
	}
	key := [2]string{c.part(1), clean(c.part(2))}
	have := b.exchanges[key]
	switch c.method {
	case http.MethodGet:
		if have == nil {
			notFound()
		}
		if c.part(3) == "bindings" {
			ok(b.bindingsWhere(func(o object) bool {
				return o["vhost"] == key[0] && (c.part(4) == "source" && o["source"] == key[1] ||
					c.part(4) == "destination" && o["destination"] == key[1] && o["destination_type"] == "exchange")
			}))
		}
		ok(have)
	case http.MethodPut:
		b.needVhost(key[0])
		x := object{"vhost": key[0], "name": key[1], "type": "direct", "durable": c.body["durable"] == true,
			"auto_delete": c.body["auto_delete"] == true, "internal": c.body["internal"] == true, "arguments": arguments(c)}
		if t := c.text("type"); t != "" {
			x["type"] = t
		}
		if have != nil {
			for _, f := range []string{"type", "durable", "auto_delete", "internal"} {
				if have[f] != x[f] {
					badRequest("inequivalent arg '%s' for exchange '%s' in vhost '%s': received '%v' but current is '%v'", f, key[1], key[0], x[f],
						have[f])
				}
			}
			if a, h := x["arguments"].(object)["alternate-exchange"], have["arguments"].(object)["alternate-exchange"]; a != h {
				badRequest("inequivalent arg 'alternate-exchange' for exchange '%s' in vhost '%s'", key[1], key[0])
			}
			done(false) // any other argument: success, and nothing changes
		}
		if strings.HasPrefix(key[1], "amq.") || key[1] == "" {
			refuse(http.StatusUnauthorized, "not_authorised", "Access refused.")
		}
		if !slices.Contains([]any{"direct", "fanout", "topic", "headers", "x-local-random"}, x["type"]) {
			badRequest("unknown exchange type '%v'", x["type"])
		}
		b.exchanges[key] = x
		done(true)
	case http.MethodDelete:
		if have == nil {
			notFound()
		}
		if strings.HasPrefix(key[1], "amq.") || key[1] == "" {
			refuse(http.StatusUnauthorized, "not_authorised", "Access refused.")
		}
		bound := func(o object) bool { return o["vhost"] == key[0] && o["source"] == key[1] }
		if c.query.Get("if-unused") == "true" && slices.ContainsFunc(b.bindings, bound) {
			badRequest("exchange '%s' in vhost '%s' in use", key[1], key[0])
		}
		delete(b.exchanges, key)
		b.dropBindings(func(o object) bool {
			return o["vhost"] == key[0] && (o["source"] == key[1] || o["destination"] == key[1] && o["destination_type"] == "exchange")
		})
		done(false)
	}
}

// takes are the arguments each type of queue knows and compares; others are
// stored and never looked at again.
var (
	both = []string{"x-message-ttl", "x-expires", "x-max-length", "x-max-length-bytes", "x-overflow", "x-dead-letter-exchange",
		"x-dead-letter-routing-key", "x-single-active-consumer", "x-queue-leader-locator"}
	onlyOf = map[string][]string{"classic": {"x-max-priority", "x-queue-mode", "x-queue-version", "x-queue-master-locator"},
		"quorum": {"x-dead-letter-strategy", "x-delivery-limit", "x-quorum-initial-group-size", "x-max-in-memory-length",
			"x-max-in-memory-bytes"}, "stream": {"x-max-length-bytes", "x-max-age", "x-stream-max-segment-size-bytes", "x-initial-cluster-size",
			"x-queue-leader-locator"}}
	integers = []string{"x-message-ttl", "x-expires", "x-max-length", "x-max-length-bytes", "x-max-priority", "x-delivery-limit",
		"x-max-in-memory-length", "x-max-in-memory-bytes", "x-quorum-initial-group-size"}
	wholeForm  = regexp.MustCompile(`^-?[0-9]+$`)
	queueKinds = []string{"classic", "quorum", "stream"}
)

func takes(kind, argument string) bool {
	return kind != "stream" && slices.Contains(both, argument) || slices.Contains(onlyOf[kind], argument)
}

var _ = register("queues", endpoint{
	serve:     (*Broker).queue,
	dropVhost: func(b *Broker, vhost string) { dropWhere(b.queues, vhost) },
})

func (b *Broker) queue(c *call) {
	if len(c.parts) < 3 {
		rows := within(b.queues, c.part(1))
		for i, r := range rows {
			rows[i] = b.shown(r.(object), c)
		}
		ok(rows)
	}
	key := [2]string{c.part(1), clean(c.part(2))}
	have := b.queues[key]
	switch c.method {
	case http.MethodGet:
		if have == nil {
			notFound()
		}
		if c.part(3) == "bindings" {
			ok(b.bindingsWhere(func(o object) bool {
				return o["vhost"] == key[0] && o["destination"] == key[1] && o["destination_type"] == "queue"
			}))
		}
		ok(b.shown(have, c))
	case http.MethodPut:
		b.needVhost(key[0])
		b.declare(key, have, c)
	case http.MethodDelete:
		if have == nil {
			notFound()
		}
		n, guarded := b.counts[key], c.query.Get("if-empty") == "true" || c.query.Get("if-unused") == "true"
		switch {
		case guarded && have["type"] == "quorum":
			badRequest("cannot delete queue '%s' in vhost '%s'. queue.delete operations with if-empty flag set are not supported by quorum queues",
				key[1], key[0])
		case have["type"] == "classic" && c.query.Get("if-empty") == "true" && n.Ready > 0:
			badRequest("queue '%s' in vhost '%s' is not empty", key[1], key[0])
		case have["type"] == "classic" && c.query.Get("if-unused") == "true" && n.Consumers > 0:
			badRequest("queue '%s' in vhost '%s' in use", key[1], key[0])
		}
		delete(b.queues, key)
		delete(b.counts, key)
		b.dropBindings(func(o object) bool {
			return o["vhost"] == key[0] && o["destination"] == key[1] && o["destination_type"] == "queue"
		})
		done(false)
	}
}

// shown is a queue as it is listed, with the columns asked for.
func (b *Broker) shown(q object, c *call) object {
	out := object{}
	for k, v := range q {
		out[k] = v
	}
	n := b.counts[[2]string{q["vhost"].(string), q["name"].(string)}]
	light := c.query.Get("disable_stats") == "true"
	if !light || c.query.Get("enable_queue_totals") == "true" {
		out["messages"], out["messages_ready"], out["messages_unacknowledged"] = n.Ready+n.Unacked, n.Ready, n.Unacked
	}
	if light && q["type"] != "classic" {
		out["exclusive"] = nil
	}
	if !light {
		out["consumers"], out["message_bytes_ready"] = n.Consumers, 10*n.Ready // of messages of ten bytes
		if q["type"] == "stream" {
			out["segments"] = 2
		}
	}
	if columns := c.query.Get("columns"); columns != "" {
		wanted := strings.Split(columns, ",")
		for k := range out {
			if !slices.Contains(wanted, k) {
				delete(out, k)
			}
		}
	}
	return out
}

func (b *Broker) declare(key [2]string, have object, c *call) {
	args := arguments(c)
	durable, autoDelete := c.body["durable"] == true, c.body["auto_delete"] == true
	kind, _ := args["x-queue-type"].(string)
	if kind == "" {
		kind = "classic"
		if t, _ := b.vhosts[key[0]]["default_queue_type"].(string); durable && !autoDelete && slices.Contains(queueKinds, t) {
			kind = t
		}
	}
	if !slices.Contains(queueKinds, kind) {
		badRequest("invalid arg 'x-queue-type' for queue '%s' in vhost '%s'", key[1], key[0])
	}
	if kind != "classic" && (!durable || autoDelete) {
		badRequest("invalid property 'non-durable' for queue '%s' in vhost '%s'", key[1], key[0])
	}
	for name, v := range args {
		known := slices.Contains(both, name) || slices.ContainsFunc(queueKinds, func(k string) bool { return takes(k, name) })
		if known && !takes(kind, name) {
			badRequest("invalid arg '%s' for queue '%s' in vhost '%s' of queue type rabbit_%s_queue", name, key[1], key[0], kind)
		}
		if n, isNumber := v.(json.Number); slices.Contains(integers, name) && (!isNumber || !wholeForm.MatchString(n.String())) {
			badRequest("invalid arg '%s' for queue '%s' in vhost '%s': \"expected integer, got %T\"", name, key[1], key[0], v)
		}
	}
	if args["x-dead-letter-routing-key"] != nil && args["x-dead-letter-exchange"] == nil {
		badRequest("invalid arg 'x-dead-letter-routing-key' for queue '%s' in vhost '%s': routing_key_but_no_dlx_defined", key[1], key[0])
	}
	if have == nil {
		if strings.HasPrefix(key[1], "amq.") {
			refuse(http.StatusUnauthorized, "not_authorised", "Access refused.")
		}
		if b.since("4.0") {
			args["x-queue-type"] = kind
		}
		b.queues[key] = object{"vhost": key[0], "name": key[1], "type": kind, "durable": durable, "auto_delete": autoDelete, "exclusive": false,
			"arguments": args}
		done(true)
	}
	for name, pair := range map[string][2]any{"durable": {durable, have["durable"]}, "auto_delete": {autoDelete, have["auto_delete"]},
		"x-queue-type": {kind, have["type"]}} {
		if pair[0] != pair[1] {
			badRequest("inequivalent arg '%s' for queue '%s' in vhost '%s': received '%v' but current is '%v'", name, key[1], key[0], pair[0],
				pair[1])
		}
	}
	old := have["arguments"].(object)
	for name := range union(args, old) {
		if takes(kind, name) && fmt.Sprint(args[name]) != fmt.Sprint(old[name]) {
			badRequest("inequivalent arg '%s' for queue '%s' in vhost '%s': received '%v' but current is '%v'", name, key[1], key[0], args[name],
				old[name])
		}
	}
	done(false) // any other argument: success, and nothing changes
}

func union(a, b object) map[string]bool {
	out := map[string]bool{}
	for k := range a {
		out[k] = true
	}
	for k := range b {
		out[k] = true
	}
	return out
}

func (b *Broker) bindingsWhere(same func(object) bool) []any {
	out := []any{}
	for _, o := range b.bindings {
		if same(o) {
			out = append(out, o)
		}
	}
	return out
}

func (b *Broker) dropBindings(gone func(object) bool) {
	b.bindings = slices.DeleteFunc(b.bindings, gone)
}

// propertiesKey is the broker's own name of a binding.
func propertiesKey(routingKey string, args object) string {
	key := strings.ReplaceAll(url.QueryEscape(routingKey), "~", "%7E")
	if len(args) == 0 {
		if key == "" {
			return "~"
		}
		return key
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(canonical(args)))
	return key + "~" + base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// broken reports a list that holds a binding the broker cannot name.
func (b *Broker) broken(vhost string) bool {
	return slices.ContainsFunc(b.bindings, func(o object) bool {
		return (vhost == "" || o["vhost"] == vhost) && strings.Contains(o["routing_key"].(string), "~") && len(o["arguments"].(object)) > 0
	})
}

var _ = register("bindings", endpoint{
	serve:     (*Broker).binding,
	dropVhost: func(b *Broker, vhost string) { b.dropBindings(func(o object) bool { return o["vhost"] == vhost }) },
})

func (b *Broker) binding(c *call) {
	if len(c.parts) < 6 {
		if b.broken(c.part(1)) {
			panic(answer{http.StatusInternalServerError, nil})
		}
		out := []any{}
		for _, o := range b.bindings {
			if c.part(1) == "" || o["vhost"] == c.part(1) {
				out = append(out, o)
			}
		}
		for key := range b.queues { // the default exchange binds every queue
			if c.part(1) == "" || key[0] == c.part(1) {
				out = append(out, object{"vhost": key[0], "source": "", "destination": key[1], "destination_type": "queue", "routing_key": key[1],
					"arguments": object{}, "properties_key": propertiesKey(key[1], nil)})
			}
		}
		ok(out)
	}
	vhost, source, destination := c.part(1), c.part(3), c.part(5)
	kind := map[string]string{"q": "queue", "e": "exchange"}[c.part(4)]
	same := func(o object) bool {
		return o["vhost"] == vhost && o["source"] == source && o["destination_type"] == kind && o["destination"] == destination
	}
	switch c.method {
	case http.MethodGet:
		out := []any{}
		for _, o := range b.bindings {
			if same(o) {
				out = append(out, o)
			}
		}
		ok(out)
	case http.MethodPost:
		if source == "" {
			refuse(http.StatusUnauthorized, "not_authorised", "Access refused.")
		}
		if b.exchanges[[2]string{vhost, source}] == nil {
			refuse(http.StatusNotFound, "not_found", fmt.Sprintf("no exchange '%s' in vhost '%s'", source, vhost))
		}
		if kind == "queue" && b.queues[[2]string{vhost, destination}] == nil || kind == "exchange" &&
			b.exchanges[[2]string{vhost, destination}] == nil {
			refuse(http.StatusNotFound, "not_found", fmt.Sprintf("no %s '%s' in vhost '%s'", kind, destination, vhost))
		}
		args, key := arguments(c), c.text("routing_key")
		o := object{"vhost": vhost, "source": source, "destination": destination, "destination_type": kind, "routing_key": key, "arguments": args,
			"properties_key": propertiesKey(key, args)}
		if !slices.ContainsFunc(b.bindings, func(h object) bool { return same(h) && h["properties_key"] == o["properties_key"] }) {
			b.bindings = append(b.bindings, o)
		}
		done(true)
	case http.MethodDelete:
		before := len(b.bindings)
		stuck := b.exchanges[[2]string{vhost, source}]["auto_delete"] == "undefined"
		if !stuck {
			b.dropBindings(func(o object) bool { return same(o) && o["properties_key"] == c.part(6) })
		}
		if !stuck && len(b.bindings) == before {
			notFound()
		}
		done(false)
	}
}

var (
	policyKeys = []string{"message-ttl", "expires", "max-length", "max-length-bytes", "overflow", "dead-letter-exchange",
		"dead-letter-routing-key", "dead-letter-strategy", "delivery-limit", "max-age", "alternate-exchange", "federation-upstream",
		"federation-upstream-set", "queue-leader-locator", "queue-version", "consumer-timeout", "target-group-size"}
	operatorKeys = []string{"message-ttl", "expires", "max-length", "max-length-bytes", "delivery-limit", "max-in-memory-length",
		"max-in-memory-bytes"}
)

var (
	_ = register("policies", endpoint{
		serve:     func(b *Broker, c *call) { b.policy(c, b.policies, policyKeys) },
		dropVhost: func(b *Broker, vhost string) { dropWhere(b.policies, vhost) },
	})
	_ = register("operator-policies", endpoint{
		serve:     func(b *Broker, c *call) { b.policy(c, b.operators, operatorKeys) },
		dropVhost: func(b *Broker, vhost string) { dropWhere(b.operators, vhost) },
	})
)

func (b *Broker) policy(c *call, m map[[2]string]object, keys []string) {
	if len(c.parts) == 2 && b.vhosts[c.part(1)] == nil {
		notFound()
	}
	if len(c.parts) < 3 {
		ok(within(m, c.part(1)))
	}
	key := [2]string{c.part(1), c.part(2)}
	have := m[key]
	if c.method == http.MethodGet && c.part(0) == "operator-policies" && b.vhosts[key[0]] == nil {
		panic(answer{http.StatusInternalServerError, nil})
	}
	switch c.method {
	case http.MethodGet:
		if have == nil {
			notFound()
		}
		ok(have)
	case http.MethodPut:
		b.needVhost(key[0])
		checkRegexes(c, "pattern")
		definition, _ := c.body["definition"].(map[string]any)
		if len(definition) == 0 {
			badRequest("Validation failed\n\nno_policy\n")
		}
		for k := range definition {
			if !slices.Contains(keys, k) {
				badRequest("Validation failed\n\n[{&lt;&lt;\"%s\"&gt;&gt;,1}] are not recognised policy settings\n", k)
			}
		}
		p := object{"vhost": key[0], "name": key[1], "pattern": c.body["pattern"], "apply-to": "all", "priority": json.Number("0"),
			"definition": definition}
		if a := c.text("apply-to"); a != "" {
			if strings.HasSuffix(a, "_queues") && !b.since("3.12") {
				badRequest("Validation failed\n\napply-to\n")
			}
			p["apply-to"] = a
		}
		if n, sent := c.body["priority"].(json.Number); sent {
			p["priority"] = n
		}
		m[key] = p
		done(have == nil)
	case http.MethodDelete:
		if have == nil {
			notFound()
		}
		delete(m, key)
		done(false)
	}
}

var _ = register("parameters", endpoint{
	serve: (*Broker).parameter,
	dropVhost: func(b *Broker, vhost string) {
		maps.DeleteFunc(b.parameters, func(k [3]string, _ object) bool { return k[1] == vhost })
	},
})

func (b *Broker) parameter(c *call) {
	if len(c.parts) < 4 {
		out := sorted(b.parameters)
		for k, o := range b.operators { // they are listed here too
			out = append(out, object{"vhost": k[0], "component": "operator_policy", "name": k[1], "value": o["definition"]})
		}
		for name, v := range b.vhostLimits {
			out = append(out, object{"vhost": name, "component": "vhost-limits", "name": "limits", "value": object(v)})
		}
		ok(out)
	}
	key := [3]string{c.part(1), c.part(2), c.part(3)}
	have := b.parameters[key]
	switch c.method {
	case http.MethodGet:
		if have == nil {
			notFound()
		}
		ok(have)
	case http.MethodPut:
		b.needVhost(key[1])
		if !slices.Contains([]string{"shovel", "federation-upstream", "federation-upstream-set"}, key[0]) {
			badRequest("Validation failed\n\ncomponent %s not found\n", key[0])
		}
		b.parameters[key] = object{"component": key[0], "vhost": key[1], "name": key[2], "value": list(c.body["value"])}
		done(have == nil)
	case http.MethodDelete:
		if have == nil {
			notFound()
		}
		delete(b.parameters, key)
		done(false)
	}
}

var _ = register("global-parameters", endpoint{serve: (*Broker).global})

func (b *Broker) global(c *call) {
	if !c.admin {
		refuse(http.StatusUnauthorized, "not_authorised", "User not authorised to access object")
	}
	if len(c.parts) == 1 {
		out := []any{}
		for name, v := range b.globals {
			out = append(out, object{"name": name, "value": v})
		}
		ok(out)
	}
	name := c.part(1)
	have, exists := b.globals[name]
	switch c.method {
	case http.MethodGet:
		if !exists {
			notFound()
		}
		ok(object{"name": name, "value": have})
	case http.MethodPut:
		b.globals[name] = emptied(c.body["value"])
		done(!exists)
	case http.MethodDelete:
		if !exists {
			notFound()
		}
		delete(b.globals, name)
		done(false)
	}
}

// emptied turns each empty object into an empty list, at any depth.
func emptied(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 0 {
			return []any{}
		}
		out := object{}
		for k, e := range v {
			out[k] = emptied(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = emptied(e)
		}
		return out
	default:
		return v
	}
}
