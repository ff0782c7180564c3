package rabbitmq

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// Refs refers also to what the parameter names: a shovel is made after, and
// removed before, its queues and exchanges.
func (k parameterKind) Refs(r *resources.Resource) []resources.Ref {
	parts := r.Addr.Parts()
	return append(k.single.Refs(r), named(parts[0], parts[1], r.Config["value"])...)
}

// named returns references to the queues and exchanges that a shovel names, and
// to the upstreams of a set. Which broker a URI leads to is not looked at: what
// is not on this one is not declared here, and such a reference says nothing.
func named(vhost, component string, value resources.Value) []resources.Ref {
	var refs []resources.Ref
	add := func(kind string, parts ...string) {
		refs = append(refs, resources.Ref{To: resources.NewAddr(kind, parts...), Wait: resources.Ready, Optional: true})
	}
	switch component {
	case "shovel":
		v, _ := value.(map[string]any)
		for _, side := range []string{"src", "dest"} {
			in := uriVhost(v[side+"-uri"], vhost)
			for _, what := range []struct{ key, kind string }{{"queue", queueName}, {"exchange", exchangeName}} {
				name := resources.Text(v[side+"-"+what.key])
				if name != "" && (what.kind == queueName || !isDefaultExchange(name)) {
					add(what.kind, in, name)
				}
			}
			if kind, name, ok := addressed(resources.Text(v[side+"-address"])); ok {
				add(kind, in, name)
			}
		}
	case "federation-upstream-set":
		list, _ := value.([]any)
		for _, e := range list {
			m, _ := e.(map[string]any)
			if name := resources.Text(m["upstream"]); name != "" {
				add(parameterName, vhost, "federation-upstream", name)
			}
		}
	}
	return refs
}

// addressed reads an address of AMQP 1.0: /queues/NAME, /exchanges/NAME/KEY, of
// 3.x also /queue/NAME and a bare queue.
func addressed(address string) (kind, name string, ok bool) {
	parts := strings.Split(strings.TrimPrefix(address, "/"), "/")
	if address == "" {
		return "", "", false
	}
	if len(parts) == 1 {
		return queueName, address, true
	}
	name, err := url.PathUnescape(parts[1])
	switch {
	case err != nil || name == "":
		return "", "", false
	case parts[0] == "queues" || parts[0] == "queue":
		return queueName, name, true
	case (parts[0] == "exchanges" || parts[0] == "exchange") && !isDefaultExchange(name):
		return exchangeName, name, true
	}
	return "", "", false
}

// uriVhost returns the virtual host that a URI, or the first of several, leads
// to; without one in it that of the parameter.
func uriVhost(v resources.Value, otherwise string) string {
	if list, ok := v.([]any); ok && len(list) > 0 {
		v = list[0]
	}
	u, err := url.Parse(resources.Text(v))
	if err != nil || u.EscapedPath() == "" {
		return otherwise
	}
	name, err := url.PathUnescape(strings.TrimPrefix(u.EscapedPath(), "/"))
	if err != nil || name == "" && u.EscapedPath() == "/" && u.Host == "" {
		return otherwise
	}
	return name
}

// componentChecks tell what the plugins refuse, by component, as measured on
// 3.10, 4.0 and 4.3.
var componentChecks = map[string]func(r *resources.Resource, report resources.Report){
	"shovel":                  checkShovel,
	"federation-upstream":     checkUpstream,
	"federation-upstream-set": checkUpstreamSet,
}

// form checks the value of a key.
type form = func(resources.Value) string

func number(v resources.Value) string {
	switch v.(type) {
	case int64, float64:
		return ""
	}
	return "a number"
}

func mapping(v resources.Value) string {
	switch v := v.(type) {
	case map[string]any:
		return ""
	case []any:
		if len(v) == 0 {
			return ""
		}
	}
	return "a map"
}

func deleteAfter(v resources.Value) string {
	if n, ok := v.(int64); ok && n >= 0 || v == "never" || v == "queue-length" {
		return ""
	}
	return "never"
}

// uris are one or more addresses of brokers. Their text is never shown.
func uris(v resources.Value) string {
	const want = "an AMQP URI, such as amqp://host, or a list of them"
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	for _, e := range list {
		if text(e) != "" {
			return want
		}
		scheme, _, ok := strings.Cut(resources.Text(e), "://")
		if scheme = strings.ToLower(scheme); !ok || scheme != "amqp" && scheme != "amqps" {
			return want
		}
		if !isAddress(resources.Text(e)) {
			return want + ", with special characters of the password written as %XX"
		}
	}
	return ""
}

// isAddress reports whether the broker can take a URI apart: a port is a number
// from 1 to 65535, the path is one virtual host, and the heartbeat is a number.
func isAddress(uri string) bool {
	u, err := url.Parse(uri)
	if err != nil {
		return !strings.Contains(err.Error(), "port") && !strings.Contains(err.Error(), "escape")
	}
	port, err := strconv.Atoi(cmpText(u.Port(), "5672"))
	if err != nil || port < 1 || port > 65535 || strings.HasSuffix(u.Host, ":") || strings.Count(u.EscapedPath(), "/") > 1 {
		return false
	}
	_, err = strconv.Atoi(cmpText(u.Query().Get("heartbeat"), "0"))
	return err == nil && u.Fragment == ""
}

// fields are a map of known keys, each with a value of its form.
func fields(known map[string]form) form {
	return func(v resources.Value) string {
		if want := mapping(v); want != "" {
			return want
		}
		m, _ := v.(map[string]any)
		for _, key := range slices.Sorted(maps.Keys(m)) {
			check := known[key]
			if check == nil {
				return "a map of " + strings.Join(slices.Sorted(maps.Keys(known)), ", ") + "; it knows no " + key
			}
			if want := check(m[key]); want != "" {
				return fmt.Sprintf("a map in which %s is %s", key, want)
			}
		}
		return ""
	}
}

// texts are a map with texts as values.
func texts(v resources.Value) string {
	if want := mapping(v); want != "" {
		return want
	}
	m, _ := v.(map[string]any)
	for _, e := range m {
		if text(e) != "" {
			return "a map of texts"
		}
	}
	return ""
}

// declaredArgs are the arguments of the queue that a shovel declares.
func declaredArgs(v resources.Value) string {
	if want := mapping(v); want != "" {
		return want
	}
	m, _ := v.(map[string]any)
	if given, ok := m["x-max-age"]; ok && age(given) != "" {
		return "a map in which x-max-age is " + age(given)
	}
	return ""
}

// queueArgs are the arguments of the queue that a shovel declares, as they are
// known up to 4.0. Later versions take any.
func queueArgs(v resources.Value) string {
	known := map[string]form{}
	for _, name := range []string{"x-expires", "x-message-ttl", "x-dead-letter-exchange", "x-dead-letter-routing-key",
		"x-dead-letter-strategy", "x-max-length", "x-max-length-bytes",
		"x-max-in-memory-length", "x-max-in-memory-bytes", "x-max-priority", "x-overflow", "x-queue-mode", "x-queue-version",
		"x-single-active-consumer", "x-queue-type",
		"x-quorum-initial-group-size", "x-stream-max-segment-size-bytes", "x-stream-filter-size-bytes", "x-initial-cluster-size",
		"x-queue-leader-locator"} {
		known[name] = anything
	}
	return fields(known)(v)
}

var (
	consumerArgs = fields(map[string]form{"x-priority": anything, "x-cancel-on-ha-failover": anything, "x-stream-offset": anything,
		"x-stream-filter": anything})
	// properties are those of messages in AMQP 0.9.1, without headers.
	properties = fields(map[string]form{"content_type": text, "content_encoding": text, "delivery_mode": number, "priority": number,
		"correlation_id": text, "reply_to": text,
		"expiration": text, "message_id": text, "timestamp": number, "type": text, "user_id": text, "app_id": text, "cluster_id": text})
)

var ackMode = word("on-confirm", "on-publish", "no-ack")

// The keys of shovels: of every one, of one side of AMQP 0.9.1 ("src-" or "dest-"
// is left out where both have it), and of one side of AMQP 1.0.
var (
	shovelForms = map[string]form{"src-uri": uris, "dest-uri": uris, "src-protocol": word("amqp091", "amqp10", "local"),
		"dest-protocol": word("amqp091", "amqp10", "local"),
		"ack-mode":      ackMode, "reconnect-delay": number, "src-delete-after": deleteAfter, "src-prefetch-count": number,
		"dest-add-forward-headers": boolean, "dest-add-timestamp-header": boolean}
	classicForms = [2]map[string]form{
		{"src-queue": text, "src-queue-args": declaredArgs, "src-exchange": text, "src-exchange-key": text, "src-consumer-args": mapping,
			"src-predeclared": boolean, "prefetch-count": number, "delete-after": deleteAfter},
		{"dest-queue": text, "dest-queue-args": declaredArgs, "dest-exchange": text, "dest-exchange-key": text, "dest-predeclared": boolean,
			"add-forward-headers": boolean, "add-timestamp-header": boolean, "publish-properties": properties,
			"dest-publish-properties": properties},
	}
	amqp10Forms = [2]map[string]form{{"src-address": text, "src-consumer-args": mapping, "src-predeclared": boolean},
		{"dest-address": text, "dest-predeclared": boolean, "dest-properties": texts, "dest-application-properties": texts,
			"dest-message-annotations": texts}}
)

func checkShovel(r *resources.Resource, report resources.Report) {
	value, ok := r.Config["value"].(map[string]any)
	if !ok {
		refuseShape(r, "a shovel is a map of settings", report)
		return
	}
	at := func(key string) specs.Pos { return parameterPos(r, key) }
	protocols := []string{cmpText(resources.Text(value["src-protocol"]), "amqp091"), cmpText(resources.Text(value["dest-protocol"]),
		"amqp091")}
	forms := maps.Clone(shovelForms)
	for side, protocol := range protocols {
		if protocol == "amqp10" {
			maps.Copy(forms, amqp10Forms[side])
		} else {
			maps.Copy(forms, classicForms[side])
		}
	}
	checkForms(r, value, forms, report)
	for i, side := range []string{"src", "dest"} {
		if _, given := value[side+"-uri"]; !given {
			report(ruleParameter.At(at(side+"-uri"), "the shovel has no "+side+"-uri", "write it; \"amqp://\" is this broker"))
		}
		_, queue := value[side+"-queue"]
		_, exchange := value[side+"-exchange"]
		_, address := value[side+"-address"]
		switch {
		case queue && exchange:
			report(ruleParameter.At(at(side+"-exchange"), side+"-queue and "+side+"-exchange exclude each other", "keep one of the two"))
		case protocols[i] == "amqp10" && !address:
			report(ruleParameter.At(at(side+"-address"), "the shovel has no "+side+"-address, which AMQP 1.0 needs", ""))
		case protocols[i] != "amqp10" && side == "src" && !queue && !exchange:
			report(ruleParameter.At(at("src-queue"), "the shovel has neither a src-queue nor a src-exchange", "write one of the two"))
		}
	}
	for _, key := range []string{"src-delete-after", "delete-after"} {
		if v, ok := value[key]; ok && v != "never" {
			report(ruleParameter.At(at(key), "a shovel that deletes itself is an action, not a state: it would be made anew by every apply",
				"remove "+key+", or run it by hand"))
		}
	}
}

var upstreamForms = map[string]form{"uri": uris, "exchange": text, "queue": text, "prefetch-count": number, "reconnect-delay": number,
	"ack-mode": ackMode,
	"expires":  number, "message-ttl": number, "max-hops": number, "trust-user-id": boolean, "ha-policy": text, "bind-nowait": boolean,
	"resource-cleanup-mode": word("default", "never"), "consumer-tag": text, "queue-type": word("classic", "quorum"),
	"channel-use-mode": word("single", "multiple")}

func checkUpstream(r *resources.Resource, report resources.Report) {
	value, ok := r.Config["value"].(map[string]any)
	if !ok {
		refuseShape(r, "a federation upstream is a map of settings", report)
		return
	}
	checkForms(r, value, upstreamForms, report)
	if _, given := value["uri"]; !given {
		report(ruleParameter.At(parameterPos(r, "uri"), "the federation upstream has no uri",
			"write where the other broker is, such as amqp://host"))
	}
}

func checkUpstreamSet(r *resources.Resource, report resources.Report) {
	list, ok := r.Config["value"].([]any)
	if !ok {
		if m, is := r.Config["value"].(map[string]any); !is || len(m) > 0 {
			refuseShape(r, "a set of federation upstreams is a list of maps", report)
		}
		return
	}
	forms := maps.Clone(upstreamForms)
	delete(forms, "uri")
	forms["upstream"] = text
	for i, e := range list {
		m, ok := e.(map[string]any)
		if !ok {
			refuseShape(r, "each part of a set of federation upstreams is a map", report)
			continue
		}
		checkFormsAt(r, fmt.Sprintf("%d/", i), m, forms, report)
		if _, given := m["upstream"]; !given {
			report(ruleParameter.At(parameterPos(r, fmt.Sprint(i)), "this part of the set names no upstream", "write `upstream: NAME`"))
		}
	}
}

func parameterPos(r *resources.Resource, key string) specs.Pos {
	if at := "/value/" + key; !r.Node.At(at).IsAbsent() {
		return r.Node.KeyPos(at)
	}
	return r.KeyPos
}

func refuseShape(r *resources.Resource, msg string, report resources.Report) {
	if _, given := r.Config["value"]; given {
		report(ruleParameter.At(r.Pos("/value"), msg, ""))
	}
}

func checkForms(r *resources.Resource, value map[string]any, forms map[string]form, report resources.Report) {
	checkFormsAt(r, "", value, forms, report)
}

// checkFormsAt reports keys that the plugin does not know, and values that it
// refuses. A value from a sensitive variable is not shown.
func checkFormsAt(r *resources.Resource, at string, value map[string]any, forms map[string]form, report resources.Report) {
	for _, key := range slices.Sorted(maps.Keys(value)) {
		pos := parameterPos(r, at+escapePointer(key))
		check := forms[key]
		if check == nil {
			report(ruleParameter.At(pos, fmt.Sprintf("the plugin refuses the key %q here", key),
				specs.DidYouMean(key, slices.Sorted(maps.Keys(forms)))))
			continue
		}
		if want := check(value[key]); want != "" {
			report(ruleParameter.At(pos, fmt.Sprintf("%s must be %s", key, want), ""))
		}
	}
}
