package rabbitmq

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
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
	}
	return ""
}

var ackMode = word("on-confirm", "on-publish", "no-ack")

// shovelForms are the keys of shovels: of every one, of one side of AMQP 0.9.1,
// and of one side of AMQP 1.0.
var (
	shovelForms = map[string]form{"src-uri": uris, "dest-uri": uris, "src-protocol": word("amqp091", "amqp10", "local"), "dest-protocol": word("amqp091", "amqp10", "local"),
		"ack-mode": ackMode, "reconnect-delay": number, "src-delete-after": deleteAfter, "src-prefetch-count": number, "dest-add-forward-headers": boolean, "dest-add-timestamp-header": boolean}
	classicForms = map[string]form{"src-queue": text, "src-queue-args": mapping, "src-exchange": text, "src-exchange-key": text, "src-consumer-args": mapping, "src-predeclared": boolean,
		"prefetch-count": number, "delete-after": deleteAfter, "dest-queue": text, "dest-queue-args": mapping, "dest-exchange": text, "dest-exchange-key": text, "dest-predeclared": boolean,
		"add-forward-headers": boolean, "add-timestamp-header": boolean, "publish-properties": mapping, "dest-publish-properties": mapping}
	amqp10Forms = map[string]form{"src-address": text, "dest-address": text, "dest-properties": mapping, "dest-application-properties": mapping, "dest-message-annotations": mapping}
)

func checkShovel(r *resources.Resource, report resources.Report) {
	value, ok := r.Config["value"].(map[string]any)
	if !ok {
		refuseShape(r, "a shovel is a map of settings", report)
		return
	}
	at := func(key string) specs.Pos { return parameterPos(r, key) }
	protocols := []string{cmpText(resources.Text(value["src-protocol"]), "amqp091"), cmpText(resources.Text(value["dest-protocol"]), "amqp091")}
	forms := maps.Clone(shovelForms)
	if slices.ContainsFunc(protocols, func(p string) bool { return p != "amqp10" }) {
		maps.Copy(forms, classicForms)
	}
	if slices.Contains(protocols, "amqp10") {
		maps.Copy(forms, amqp10Forms)
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
			report(ruleParameter.At(at(key), "a shovel that deletes itself is an action, not a state: it would be made anew by every apply", "remove "+key+", or run it by hand"))
		}
	}
}

var upstreamForms = map[string]form{"uri": uris, "exchange": text, "queue": text, "prefetch-count": number, "reconnect-delay": number, "ack-mode": ackMode,
	"expires": number, "message-ttl": number, "max-hops": number, "trust-user-id": boolean, "ha-policy": text, "bind-nowait": boolean,
	"resource-cleanup-mode": word("default", "never"), "consumer-tag": text, "queue-type": word("classic", "quorum"), "channel-use-mode": word("single", "multiple")}

func checkUpstream(r *resources.Resource, report resources.Report) {
	value, ok := r.Config["value"].(map[string]any)
	if !ok {
		refuseShape(r, "a federation upstream is a map of settings", report)
		return
	}
	checkForms(r, value, upstreamForms, report)
	if _, given := value["uri"]; !given {
		report(ruleParameter.At(parameterPos(r, "uri"), "the federation upstream has no uri", "write where the other broker is, such as amqp://host"))
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
			report(ruleParameter.At(pos, fmt.Sprintf("the plugin refuses the key %q here", key), specs.DidYouMean(key, slices.Sorted(maps.Keys(forms)))))
			continue
		}
		if want := check(value[key]); want != "" {
			report(ruleParameter.At(pos, fmt.Sprintf("%s must be %s", key, want), ""))
		}
	}
}
