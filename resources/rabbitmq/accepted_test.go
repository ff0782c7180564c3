package rabbitmq_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq"
	"github.com/LerianStudio/midaz-infra/specs"
)

// attempt is an object that midaz is asked for, and the same asked of the broker.
type attempt struct {
	// said names it in failures.
	said string
	// about says of several what they have in common.
	about string
	// line declares the object in its section of the spec, all on one line.
	line string
	addr resources.Addr
	// method, path and body ask the broker for it. body gets what midaz made of the
	// declaration, nil where it refuses that.
	method, path string
	body         func(c resources.Config) any
	// undo removes it again, "" when the next one replaces it.
	undo string
	// field is what the broker must then have of what was sent: some it takes and
	// passes over, or garbles. "" for none.
	field string
}

// attempts are those of one section of a virtual host, or of the broker.
type attempts struct {
	section  string
	ofBroker bool
	list     []attempt
}

// values are tried for every key, and beside them the words of words.
var values = []string{"-5", "-1", "0", "1", "2", "15", "16", "255", "256", "3000000000", "3000000001", "4294967296", "315360000000",
	"315360000001", "9223372036854775807",
	"1.5", "5.0", `""`, `"x"`, `"5"`, "true", "[]", `["x"]`, "{}", `{"a":1}`, `{"a":"b"}`, "null"}

// words are tried for the keys that contain one of these.
var words = map[string][]string{
	"overflow": {"drop-head", "reject-publish", "reject-publish-dlx"}, "strategy": {"at-most-once", "at-least-once"},
	"queue-mode": {"default", "lazy"},
	"locator":    {"min-masters", "client-local", "random", "balanced"}, "retry-type": {"disabled", "all", "failed", "returned"},
	"max-age": {"1h", "7D", "0s", "1x", "1", "1h1m"},
	"ha-":     {"all", "exactly", "nodes", "manual", "automatic", "always", "when-synced"}, "pattern": {"(", "^a"},
	"-protocol": {"amqp091", "amqp10", "local", "amqp"},
	"uri": {"amqp://h", "amqps://h", "amqp://", "http://h", "amqp://h:port", "amqp:///%2f", "h", "AMQP://h",
		"amqp://u:p@h:5671/v?cacertfile=/x&verify=verify_peer",
		"amqp://u:p%zz@h", "amqp://u:p@h:", "amqp://[::1]:5672", "amqp://h:99999", "amqp://u:a/b@h", "amqp://u:a#b@h", "amqp://u:a?b@h",
		"amqp://h/a/b", "amqp://h?heartbeat=x", "amqp://h?nope=1", "amqp://h:0", "amqp+ssl://h", "amqp:h"},
	"ack-mode":     {"on-confirm", "on-publish", "no-ack"},
	"delete-after": {"never", "queue-length"}, "queue-type": {"classic", "quorum", "stream"}, "channel-use-mode": {"single", "multiple"},
	"cleanup": {"default", "never"}, "address": {"/queues/a"},
}

// mappings are tried for the keys that contain one of these.
var mappings = map[string][]string{
	"uri": {`["amqp://h"]`, `["amqp://h","amqp://i"]`, `["amqp://h", 1]`}, "ha-params": {`["a@b"]`},
	"properties": {`{"delivery_mode":2}`, `{"delivery_mode":3}`, `{"delivery_mode":"2"}`, `{"content_type":"x"}`, `{"content_type":1}`,
		`{"headers":{"a":1}}`, `{"priority":1}`, `{"timestamp":1}`, `{"cluster_id":"x"}`},
	"args": {`{"x-a":1}`, `{"x-queue-type":"quorum"}`, `{"x-max-age":"zz"}`, `{"x-max-age":"7D"}`, `{"x-stream-filter-size-bytes":16}`,
		`{"x-delivery-limit":1}`, `{"x-consumer-timeout":1}`, `{"x-queue-master-locator":"x"}`,
		`{"x-priority":1}`, `{"x-stream-offset":"first"}`, `{"x-stream-filter":"a"}`},
}

func valuesFor(key string) []string {
	out := slices.Clone(values)
	for part, list := range words {
		if strings.Contains(key, part) {
			for _, w := range list {
				out = append(out, fmt.Sprintf("%q", w))
			}
		}
	}
	for part, list := range mappings {
		if strings.Contains(key, part) {
			out = append(out, list...)
		}
	}
	return out
}

// raw is JSON as it stands.
func raw(text string) any { return json.RawMessage(text) }

func queueAttempts(queueType string) attempts {
	a := attempts{section: "queues"}
	for _, key := range rabbitmq.ArgumentNames() {
		for _, v := range valuesFor(key) {
			more := ""
			if key == "x-dead-letter-routing-key" {
				more = `, "x-dead-letter-exchange": "x"`
			}
			arguments := fmt.Sprintf(`{ %q: %s%s }`, key, v, more)
			name := fmt.Sprintf("%s %s %d", queueType, key, len(a.list))
			path := "/api/queues/midaz-test/" + strings.ReplaceAll(name, " ", "%20")
			a.list = append(a.list, attempt{about: key, said: queueType + " queue with " + arguments, addr: resources.NewAddr("queue", "midaz-test",
				name),
				line: fmt.Sprintf("%q: { type: %s, arguments: %s }", name, queueType, arguments), method: "PUT", path: path, undo: path,
				body: func(c resources.Config) any {
					sent := map[string]any{}
					for k, v := range c.Map("arguments") {
						sent[k] = v
					}
					if c == nil {
						sent = map[string]any{key: raw(v)}
						if more != "" {
							sent["x-dead-letter-exchange"] = "x"
						}
					}
					sent["x-queue-type"] = queueType
					return map[string]any{"durable": true, "arguments": sent}
				}})
		}
	}
	return a
}

// exchangeAttempts try the types and arguments of exchanges.
func exchangeAttempts() attempts {
	a := attempts{section: "exchanges"}
	add := func(about, declared string, sent map[string]any) {
		name := fmt.Sprintf("x%d", len(a.list))
		path := "/api/exchanges/midaz-test/" + name
		a.list = append(a.list, attempt{about: about, said: "exchange with " + declared, addr: resources.NewAddr("exchange", "midaz-test", name),
			line: fmt.Sprintf("%q: { %s }", name, declared), method: "PUT", path: path, undo: path,
			body: func(c resources.Config) any {
				if c == nil {
					return sent
				}
				arguments := map[string]any{}
				for k, v := range c.Map("arguments") {
					arguments[k] = v
				}
				if v, ok := c["alternate_exchange"]; ok {
					arguments["alternate-exchange"] = v
				}
				return map[string]any{"type": cmp.Or(c.Text("type"), "direct"), "durable": true, "arguments": arguments}
			}})
	}
	for _, t := range []string{"direct", "fanout", "topic", "headers", "Direct", "", "nope"} {
		add("type", fmt.Sprintf("type: %q", t), map[string]any{"type": t})
	}
	for _, key := range []string{"alternate-exchange", "own", "x-expires"} {
		for _, v := range append(valuesFor(key), `"amq.fanout"`) {
			add(key, fmt.Sprintf("arguments: { %q: %s }", key, v), map[string]any{"type": "direct", "arguments": map[string]any{key: raw(v)}})
		}
	}
	for _, v := range []string{`"amq.fanout"`, `""`, `"x"`} {
		add("alternate_exchange", "alternate_exchange: "+v,
			map[string]any{"type": "direct", "arguments": map[string]any{"alternate-exchange": raw(v)}})
	}
	return a
}

// tags are tried for users and virtual hosts.
var tags = []string{"[]", `""`, `[""]`, `["a"]`, `["b", "a"]`, `["a", ""]`, `"a"`, `"a,b"`, `"a, b"`, `["a,b"]`, `["a b"]`,
	`["administrator"]`, `["nope"]`, `["ä"]`, "null"}

// fieldAttempts try the fields of what lies in a section of the broker.
func fieldAttempts(section, kind string, base string, fields map[string][]string, body func(key string, v any) map[string]any) attempts {
	a := attempts{section: section, ofBroker: true}
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		for _, v := range fields[key] {
			name := fmt.Sprintf("midaz-test-%d", len(a.list))
			path := "/api/" + section + "/" + name
			a.list = append(a.list, attempt{about: key, said: kind + " with " + key + " " + v, addr: resources.NewAddr(kind, name),
				line: fmt.Sprintf("%q: { %s%s: %s }", name, base, key, v), method: "PUT", path: path, undo: path, field: key,
				body: func(c resources.Config) any {
					if c == nil {
						return body(key, raw(v))
					}
					now, ok := c[key]
					if !ok {
						return body("", nil)
					}
					return body(key, now)
				}})
		}
	}
	return a
}

func vhostAttempts() attempts {
	return fieldAttempts("vhosts", "vhost", "", map[string][]string{
		"description": {`""`, `"x"`, `"ä"`, "null"}, "tags": tags, "default_queue_type": {`"classic"`, `"quorum"`, `"stream"`, `"nope"`, `""`,
			"null"},
	}, func(key string, v any) map[string]any {
		sent := map[string]any{"description": "", "tags": []any{}, "tracing": false}
		if key != "" {
			sent[key] = v
		}
		return sent
	})
}

func userAttempts() attempts {
	return fieldAttempts("users", "user", "password: w, ", map[string][]string{"tags": tags}, func(key string, v any) map[string]any {
		sent := map[string]any{"password_hash": "", "tags": []any{}}
		if key != "" {
			sent[key] = v
		}
		return sent
	})
}

// limitAttempts try the limits of virtual hosts or users: each is one of
// midaz-test.
func limitAttempts(section, kind, endpoint string, keys [2]string) attempts {
	a := attempts{section: section, ofBroker: true}
	base := ""
	if section == "users" {
		base = "password: w, "
	}
	for i, key := range keys {
		other := keys[1-i] // a limit, lest there be none
		path := "/api/" + endpoint + "/midaz-test/" + strings.ReplaceAll(key, "_", "-")
		for _, v := range values {
			if v == "-5" || v == "null" {
				continue // -1 is how no limit is written
			}
			name := fmt.Sprintf("midaz-test-%d", len(a.list))
			a.list = append(a.list, attempt{about: key, said: kind + " " + key + " " + v, addr: resources.NewAddr(kind, name),
				line: fmt.Sprintf("%q: { %slimits: { %s: 5, %s: %s } }", name, base, other, key, v), method: "PUT", path: path, undo: path,
				body: func(c resources.Config) any {
					if c == nil {
						return map[string]any{"value": raw(v)}
					}
					return map[string]any{"value": c[key]}
				}})
		}
	}
	return a
}

func policyAttempts(section, endpoint, kind string) attempts {
	a := attempts{section: section}
	about := ""
	add := func(definition, applyTo string) {
		name := fmt.Sprintf("p%d", len(a.list))
		a.list = append(a.list, attempt{about: about, said: kind + " of " + definition + " for " + applyTo,
			addr: resources.NewAddr(kind, "midaz-test", name),
			line: fmt.Sprintf("%q: { pattern: '^zz', apply_to: %s, definition: %s }", name, applyTo, definition), method: "PUT",
			path: "/api/" + endpoint + "/midaz-test/p",
			body: func(c resources.Config) any {
				var d any = raw(definition)
				if c != nil {
					d = c.Map("definition")
				}
				return map[string]any{"pattern": "^zz", "apply-to": applyTo, "priority": 0, "definition": d}
			}})
	}
	for _, key := range rabbitmq.PolicyKeys() {
		about = key
		for _, v := range valuesFor(key) {
			add(fmt.Sprintf(`{ %q: %s }`, key, v), "all")
		}
	}
	for _, to := range []string{"queues", "classic_queues", "quorum_queues", "streams", "exchanges"} {
		add(`{ "max-length": 5 }`, to)
	}
	for _, definition := range []string{`{}`, `{ "nope": 1 }`, `{ "x-max-length": 1 }`, `{ "max-priority": 1 }`,
		`{ "ha-mode": "all", "ha-params": 1 }`, `{ "ha-mode": "exactly", "ha-params": 1 }`, `{ "ha-mode": "exactly", "ha-params": 0 }`,
		`{ "ha-mode": "exactly", "ha-params": "1" }`, `{ "ha-mode": "nodes", "ha-params": ["a@b"] }`, `{ "ha-mode": "nodes", "ha-params": [] }`,
		`{ "ha-mode": "nodes", "ha-params": [1] }`, `{ "ha-mode": "all", "ha-sync-mode": "automatic" }`,
		`{ "ha-mode": "all", "ha-sync-mode": "x" }`, `{ "ha-mode": "all", "ha-sync-batch-size": 5 }`,
		`{ "ha-mode": "all", "ha-sync-batch-size": 0 }`, `{ "ha-mode": "all", "ha-promote-on-shutdown": "always" }`,
		`{ "ha-mode": "all", "ha-promote-on-failure": "when-synced" }`,
		`{ "ha-mode": "all", "ha-promote-on-failure": "never" }`, `{ "federation-upstream": "a", "federation-upstream-set": "b" }`,
		`{ "federation-upstream": "a", "federation-upstream-pattern": "b" }`,
		`{ "federation-upstream-set": "a", "federation-upstream-pattern": "b" }`,
		`{ "dead-letter-routing-key": "k", "dead-letter-exchange": "x" }`} {
		add(definition, "all")
	}
	return a
}

func parameterAttempts(component, name string, keys []string, bases map[string]string) attempts {
	a := attempts{section: "parameters: { " + component}
	about := ""
	add := func(value string) {
		name := fmt.Sprintf("%s%d", name, len(a.list))
		a.list = append(a.list, attempt{about: about, said: component + " " + value, addr: resources.NewAddr("parameter", "midaz-test", component,
			name),
			line: fmt.Sprintf("%q: { value: %s }", name, value), method: "PUT", path: "/api/parameters/" + component + "/midaz-test/" + name,
			undo: "/api/parameters/" + component + "/midaz-test/" + name,
			body: func(resources.Config) any { return map[string]any{"value": raw(value)} }})
	}
	for _, key := range append(slices.Clone(keys), "nope") {
		about = key
		for _, base := range bases {
			var m map[string]json.RawMessage
			if err := json.Unmarshal([]byte(base), &m); err != nil {
				panic(err)
			}
			delete(m, key)
			write := func(m map[string]json.RawMessage) string {
				text, _ := json.Marshal(m)
				if component == "federation-upstream-set" {
					return "[" + string(text) + "]"
				}
				return string(text)
			}
			add(write(m))
			for _, v := range valuesFor(key) {
				m[key] = json.RawMessage(v)
				add(write(m))
			}
		}
	}
	for _, v := range values {
		add(v)
	}
	return a
}

// TestBrokerAgreesOnEveryKey: what midaz accepts for a broker of this version, that
// broker accepts, and what midaz refuses, the broker refuses: every key of the
// language with every value of a list that has good and bad ones for each.
func TestBrokerAgreesOnEveryKey(t *testing.T) {
	t.Run("real", func(t *testing.T) {
		b := realTarget(t)
		for name, a := range map[string]attempts{
			"classic queue": queueAttempts("classic"), "quorum queue": queueAttempts("quorum"), "stream": queueAttempts("stream"),
			"policy": policyAttempts("policies", "policies", "policy"), "operator policy": policyAttempts("operator_policies", "operator-policies",
				"operator-policy"),
			"shovel": parameterAttempts("shovel", "s", rabbitmq.ShovelKeys(), map[string]string{
				"0.9.1": `{"src-uri":"amqp://h","src-queue":"a","dest-uri":"amqp://h","dest-queue":"b"}`,
				"1.0":   `{"src-protocol":"amqp10","src-uri":"amqp://h","src-address":"a","dest-protocol":"amqp10","dest-uri":"amqp://h","dest-address":"b"}`}),
			"upstream": parameterAttempts("federation-upstream", "u", rabbitmq.UpstreamKeys(), map[string]string{"": `{"uri":"amqp://h"}`}),
			"exchange": exchangeAttempts(), "virtual host": vhostAttempts(), "user": userAttempts(),
			"limits of a virtual host": limitAttempts("vhosts", "vhost-limit", "vhost-limits", [2]string{"max_connections", "max_queues"}),
			"limits of a user":         limitAttempts("users", "user-limit", "user-limits", [2]string{"max_connections", "max_channels"}),
			"upstream set": parameterAttempts("federation-upstream-set", "u", append(rabbitmq.UpstreamKeys(), "upstream"),
				map[string]string{"": `{"upstream":"u"}`}),
		} {
			t.Run(name, func(t *testing.T) {
				b.wipe(t)
				b.do(t, "PUT", "/api/vhosts/midaz-test", "{}")
				b.do(t, "PUT", "/api/users/midaz-test", `{"password_hash":"","tags":""}`)
				checkAgreement(t, b, a)
			})
		}
	})
}

func checkAgreement(t *testing.T, b *target, a attempts) {
	refused, all := refusals(t, b, a)
	for i, try := range a.list {
		r := all.Get(try.addr)
		var c resources.Config
		if r != nil && refused[i] == "" {
			c = r.Config
		}
		body, err := json.Marshal(try.body(c))
		if err != nil {
			t.Fatal(err)
		}
		code, answer := b.ask(t, try.method, try.path, body)
		if strings.Contains(refused[i], "an action, not a state") {
			continue // a matter of what a spec is, not of what the broker takes
		}
		if strings.Contains(answer, "noproc") || strings.Contains(answer, "'EXIT'") {
			continue // it expired while it was made
		}
		taken := code < 300
		if taken && try.field != "" {
			taken = b.kept(t, try, body)
		}
		if taken != (refused[i] == "") {
			t.Errorf("%s: %s: the broker says %d %s, midaz says %q", try.about, try.said, code, answer, refused[i])
		}
		if code < 300 && try.undo != "" {
			b.remove(t, try.undo)
		}
	}
}

// kept reports whether the broker has what was sent of a field.
func (b *target) kept(t *testing.T, try attempt, body []byte) bool {
	var sent map[string]any
	if err := json.Unmarshal(body, &sent); err != nil {
		t.Fatal(err)
	}
	got, _ := b.do(t, "GET", try.path, "").(map[string]any)
	return sent[try.field] == nil || slices.Equal(wordsOf(sent[try.field]), wordsOf(got[try.field]))
}

// wordsOf are the words of a list, or of a text with commas.
func wordsOf(v any) []string {
	var out []string
	switch v := v.(type) {
	case string:
		for word := range strings.SplitSeq(v, ",") {
			out = append(out, strings.TrimSpace(word))
		}
	case []any:
		for _, word := range v {
			text, _ := word.(string)
			out = append(out, text)
		}
	}
	out = slices.DeleteFunc(out, func(word string) bool { return word == "" })
	slices.Sort(out)
	return out
}

// refusals are what midaz has against each attempt, "" for nothing.
func refusals(t *testing.T, b *target, a attempts) ([]string, *resources.Declared) {
	var text strings.Builder
	text.WriteString(b.head())
	if a.ofBroker {
		text.WriteString("  " + a.section + ": {\n")
	} else {
		text.WriteString(inVhost + "      " + a.section + ": {\n")
	}
	first := strings.Count(text.String(), "\n") + 1
	for _, try := range a.list {
		text.WriteString("        " + try.line + ",\n")
	}
	text.WriteString("      }" + strings.Repeat(" }", strings.Count(a.section, "{")) + "\n")
	all, problems := declare(t, text.String())
	out := make([]string, len(a.list))
	for _, p := range problems {
		if p.Severity() == specs.Error {
			if p.Pos.Line < first || p.Pos.Line >= first+len(out) {
				t.Fatalf("%v: %s", p.Pos, p.Msg)
			}
			out[p.Pos.Line-first] = p.Msg
		}
	}
	seen := observe(t, rabbitmq.OpenReader(rabbitmq.Options{Declared: all}), all)
	for i, try := range a.list {
		if o := seen[try.addr]; o != nil && out[i] == "" && len(o.Unfit) > 0 {
			out[i] = o.Unfit[0].Msg
		}
	}
	return out, all
}

// ask makes a call that may fail, and returns its status and what it says.
func (b *target) ask(t *testing.T, method, path string, body []byte) (int, string) {
	req, err := http.NewRequest(method, b.url+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(b.username, b.password)
	req.Header.Set("Content-Type", "application/json")
	req.Header["Idempotency-Key"] = nil // made again where a kept connection had just ended
	res, err := http.DefaultClient.Do(req)
	if errors.Is(err, io.EOF) {
		return 500, "nothing: it broke the connection off"
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(data)
}
