package rabbitmq_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq"
)

// fieldCase is one field of one kind: a spec with a place for it.
type fieldCase struct {
	kind, field string
	// spec has %s where the field's line stands.
	spec string
	// values are set one after the other; "" leaves the field out.
	values []string
	// since is the first version that has the field.
	since string
}

const inVhost = "  vhosts:\n    midaz-test:\n"

var fieldCases = []fieldCase{
	{kind: "vhost", field: "description", spec: "  vhosts:\n    midaz-test: { %s }", values: []string{"one", "two", "", `""`}},
	{kind: "vhost", field: "tags", spec: "  vhosts:\n    midaz-test: { %s }", values: []string{"[b, a]", `"a,c"`, "", "[]"}},
	{kind: "vhost", field: "tracing", spec: "  vhosts:\n    midaz-test: { %s }", values: []string{"true", "false", ""}},
	{kind: "vhost", field: "default_queue_type", spec: "  vhosts:\n    midaz-test: { %s }", values: []string{"quorum", "stream", ""},
		since: "3.12"},
	{kind: "vhost", field: "deletion_protection", spec: "  vhosts:\n    midaz-test: { %s }", values: []string{"true", "false", "true", ""},
		since: "4.1"},
	{kind: "vhost", field: "protect", spec: "  vhosts:\n    midaz-test: { %s }", values: []string{"true", "false", ""}},
	{kind: "user", field: "password", spec: "  users:\n    midaz-test: { %s }", values: []string{"first-word", "second-word"}},
	{kind: "user", field: "password_hash", spec: "  users:\n    midaz-test: { %s }",
		values: []string{"kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR", `""`}},
	{kind: "user", field: "hashing_algorithm", spec: "  users:\n    midaz-test: { password: w, %s }",
		values: []string{"sha512", "rabbit_password_hashing_sha256", "md5", ""}},
	{kind: "user", field: "tags", spec: "  users:\n    midaz-test: { password: w, %s }",
		values: []string{"[monitoring]", "[management, monitoring]", "", "[]"}},
	{kind: "user-limit", field: "max_connections", spec: "  users:\n    midaz-test: { password: w, limits: { max_channels: 5, %s } }",
		values: []string{"5", "3000000000", "-1", ""}},
	{kind: "user-limit", field: "max_channels", spec: "  users:\n    midaz-test: { password: w, limits: { max_connections: 5, %s } }",
		values: []string{"5", "6", ""}},
	{kind: "vhost-limit", field: "max_connections", spec: inVhost + "      limits: { max_queues: 5, %s }",
		values: []string{"5", "3000000000", "-1", ""}},
	{kind: "vhost-limit", field: "max_queues", spec: inVhost + "      limits: { max_connections: 5, %s }", values: []string{"5", "6", ""}},
	{kind: "permission", field: "configure", spec: "  users: { midaz-test: { password: w } }\n" + inVhost +
		"      permissions: { midaz-test: { write: '', read: '', %s } }", values: []string{"'^a'", "''"}},
	{kind: "permission", field: "write", spec: "  users: { midaz-test: { password: w } }\n" + inVhost +
		"      permissions: { midaz-test: { configure: '', read: '', %s } }", values: []string{"'^a'", "''"}},
	{kind: "permission", field: "read", spec: "  users: { midaz-test: { password: w } }\n" + inVhost +
		"      permissions: { midaz-test: { configure: '', write: '', %s } }", values: []string{"'^a'", "'.*'"}},
	{kind: "topic-permission", field: "write", spec: "  users: { midaz-test: { password: w } }\n" + inVhost +
		"      exchanges: { x: { type: topic } }\n      topic_permissions: { midaz-test: { x: { read: '', %s } } }",
		values: []string{"'^a'", "''"}},
	{kind: "topic-permission", field: "read", spec: "  users: { midaz-test: { password: w } }\n" + inVhost +
		"      exchanges: { x: { type: topic } }\n      topic_permissions: { midaz-test: { x: { write: '', %s } } }",
		values: []string{"'^a'", "''"}},
	{kind: "exchange", field: "type", spec: inVhost + "      exchanges: { x: { %s } }", values: []string{"topic", "fanout", ""}},
	{kind: "exchange", field: "durable", spec: inVhost + "      exchanges: { x: { %s } }", values: []string{"false", "true", "false", ""}},
	{kind: "exchange", field: "auto_delete", spec: inVhost + "      exchanges: { x: { %s } }", values: []string{"true", "false", "true", ""}},
	{kind: "exchange", field: "internal", spec: inVhost + "      exchanges: { x: { %s } }", values: []string{"true", "false", "true", ""}},
	{kind: "exchange", field: "alternate_exchange", spec: inVhost + "      exchanges: { y: , z: , x: { %s } }",
		values: []string{"y", "z", ""}},
	{kind: "exchange", field: "arguments", spec: inVhost + "      exchanges: { x: { %s } }", values: []string{"{ own: 1 }", "{ own: 1.0 }",
		`{ own: "1" }`, "{ own: [1, { a: true }] }", "{}", ""}},
	{kind: "exchange", field: "protect", spec: inVhost + "      exchanges: { x: { %s } }", values: []string{"true", "false", ""}},
	{kind: "queue", field: "type", spec: inVhost + "      queues: { q: { migration: fast, %s } }",
		values: []string{"quorum", "stream", "classic", "quorum", ""}},
	{kind: "queue", field: "durable", spec: inVhost + "      queues: { q: { migration: fast, %s } }",
		values: []string{"false", "true", "false", ""}},
	{kind: "queue", field: "auto_delete", spec: inVhost + "      queues: { q: { migration: fast, %s } }",
		values: []string{"true", "false", "true", ""}},
	{kind: "queue", field: "arguments", spec: inVhost + "      queues: { q: { migration: fast, %s } }",
		values: []string{"{ x-max-priority: 5 }", "{ x-max-priority: 6 }", "{ own: 1.0, x-max-length: 5 }", "{ own: 1, x-max-length: 5 }",
			"{ x-queue-type: quorum }", "{}", ""}},
	{kind: "queue", field: "protect", spec: inVhost + "      queues: { q: { migration: fast, %s } }", values: []string{"true", "false", ""}},
	{kind: "policy", field: "pattern", spec: inVhost + "      policies: { p: { definition: { max-length: 5 }, %s } }",
		values: []string{"'^a'", "'^b'"}},
	{kind: "policy", field: "apply_to", spec: inVhost + "      policies: { p: { pattern: '^a', definition: { max-length: 5 }, %s } }",
		values: []string{"queues", "all", "queues", ""}},
	{kind: "policy", field: "apply_to", spec: inVhost + "      policies: { p: { pattern: '^a', definition: { max-length: 5 }, %s } }",
		values: []string{"quorum_queues", "classic_queues", ""}, since: "3.12"},
	{kind: "policy", field: "priority", spec: inVhost + "      policies: { p: { pattern: '^a', definition: { max-length: 5 }, %s } }",
		values: []string{"5", "-5", ""}},
	{kind: "policy", field: "definition", spec: inVhost + "      policies: { p: { pattern: '^a', %s } }",
		values: []string{"{ max-length: 5 }", `{ max-length: "6" }`, "{ message-ttl: 5, overflow: drop-head }"}},
	{kind: "operator-policy", field: "pattern", spec: inVhost + "      operator_policies: { p: { definition: { max-length: 5 }, %s } }",
		values: []string{"'^a'", "'^b'"}},
	{kind: "operator-policy", field: "apply_to",
		spec:   inVhost + "      operator_policies: { p: { pattern: '^a', definition: { max-length: 5 }, %s } }",
		values: []string{"queues", "all", "queues", ""}},
	{kind: "operator-policy", field: "priority",
		spec: inVhost + "      operator_policies: { p: { pattern: '^a', definition: { max-length: 5 }, %s } }", values: []string{"5", ""}},
	{kind: "operator-policy", field: "definition", spec: inVhost + "      operator_policies: { p: { pattern: '^a', %s } }",
		values: []string{"{ max-length: 5 }", "{ message-ttl: 6 }"}},
	{kind: "global-parameter", field: "value", spec: "  global_parameters: { midaz-test: { %s } }",
		values: []string{"{ a: 1 }", "{ a: 1.0 }", "text", "[1, 2]", "{}", "5"}},
}

// TestEachField sets, changes and removes every field, and wants each time
// first a difference, then none; and again one after someone else has removed
// or changed the object behind.
func TestEachField(t *testing.T) {
	onEach(t, func(t *testing.T, b *target) {
		for _, c := range slices.Concat(fieldCases, fromRows()) {
			t.Run(c.kind+"."+c.field, func(t *testing.T) {
				if c.since != "" && !b.since(t, c.since) {
					t.Skip("needs RabbitMQ " + c.since)
				}
				w := world{t: t, b: b}
				t.Cleanup(func() { world{t: t, b: b}.apply("") })
				for i, v := range c.values {
					line := ""
					if v != "" {
						line = c.field + ": " + v
					}
					spec := fmt.Sprintf(c.spec, line)
					if changes := w.apply(spec); i > 0 && len(changes) != 1 && !sameMeaning(c, i) {
						t.Errorf("%s after %s: %q, want one change", v, c.values[i-1], changes)
					}
					w.settled(spec)
				}
			})
		}
	})
}

// sameMeaning says that a value means what the one before did.
func sameMeaning(c fieldCase, i int) bool {
	before, now := c.values[i-1], c.values[i]
	pair := c.kind + "." + c.field + ":" + before + ">" + now
	switch {
	case now == "" || before == "":
		d := map[string]string{"vhost.description": `""`, "vhost.tags": "[]", "user.tags": "[]", "vhost.tracing": "false",
			"exchange.arguments": "{}", "queue.arguments": "{}",
			"user-limit.max_connections": "-1", "vhost-limit.max_connections": "-1", "vhost.protect": "false", "exchange.protect": "false",
			"queue.protect": "false"}
		if d[c.kind+"."+c.field] == before+now {
			return true
		}
		// The algorithm is the broker's choice, and its password was declared by it.
		return pair == "user.hashing_algorithm:md5>"
	}
	return false
}

// fromRows returns cases for the fields that no case above has, out of the
// examples of their rows: a new kind needs no entry here.
func fromRows() []fieldCase {
	covered := map[string]bool{}
	for _, c := range fieldCases {
		covered[c.kind+"."+c.field] = true
	}
	elsewhere := []string{"broker.", "binding.", "parameter.value", ".external"}
	var out []fieldCase
	for _, k := range rabbitmq.Kinds() {
		t := k.Table()
		for _, f := range t.Fields {
			name := t.Kind + "." + f.Key
			if covered[name] || f.Unmarked && f.Unseen ||
				slices.ContainsFunc(elsewhere, func(e string) bool { return strings.HasPrefix(name, e) || strings.HasSuffix(name, e) }) {
				continue
			}
			object := "{ %s"
			for _, other := range t.Fields {
				if other.Required && other.Key != f.Key {
					object += ", " + other.Key + ": " + other.Example
				}
			}
			object += " }"
			path := strings.Split(strings.TrimPrefix(t.Section, "rabbitmq/"), "/")
			for _, key := range slices.Backward(path[1:]) {
				object = fmt.Sprintf("{ %s: %s }", strings.ReplaceAll(key, "*", "midaz-test"), object)
			}
			out = append(out, fieldCase{kind: t.Kind, field: f.Key, spec: "  " + path[0] + ": " + object, values: []string{f.Example, f.Other}})
		}
	}
	return out
}

// since reports whether the target is at least of a version.
func (b *target) since(t testing.TB, version string) bool {
	have, _ := b.do(t, http.MethodGet, "/api/overview", "").(map[string]any)["rabbitmq_version"].(string)
	var a, c [2]int
	_, _ = fmt.Sscanf(have, "%d.%d", &a[0], &a[1])
	_, _ = fmt.Sscanf(version, "%d.%d", &c[0], &c[1])
	return a[0] > c[0] || a[0] == c[0] && a[1] >= c[1]
}

// drifts are changes made outside, and what must be seen of each.
var drifts = []struct {
	name, method, path, body string
	want                     string // "action address: path, path"
}{
	{"vhost description", "PUT", "/api/vhosts/midaz-test", `{"description":"other","tags":"one"}`, "update vhost/midaz-test: description"},
	{"vhost tags", "PUT", "/api/vhosts/midaz-test", `{"description":"mine","tags":"one,two"}`, "update vhost/midaz-test: tags[1]"},
	{"vhost tracing", "PUT", "/api/vhosts/midaz-test", `{"description":"mine","tags":"one","tracing":true}`,
		"update vhost/midaz-test: tracing"},
	{"user password", "PUT", "/api/users/midaz-test", `{"tags":"monitoring","password":"other"}`, "update user/midaz-test: password"},
	{"user password erased", "PUT", "/api/users/midaz-test", `{"tags":"monitoring","password_hash":""}`, "update user/midaz-test: password"},
	{"user tags", "PUT", "/api/users/midaz-test", `{"tags":"administrator","password":"word"}`, "update user/midaz-test: tags[0]"},
	{"user gone", "DELETE", "/api/users/midaz-test", ``, "create permission/midaz-test/midaz-test; create user/midaz-test"},
	{"permission", "PUT", "/api/permissions/midaz-test/midaz-test", `{"configure":".*","write":"^a","read":""}`,
		"update permission/midaz-test/midaz-test: configure"},
	{"permission gone", "DELETE", "/api/permissions/midaz-test/midaz-test", ``, "create permission/midaz-test/midaz-test"},
	{"exchange gone", "DELETE", "/api/exchanges/midaz-test/x", ``, "create binding/midaz-test/x/queue/q/k; create exchange/midaz-test/x"},
	{"queue gone", "DELETE", "/api/queues/midaz-test/q", ``, "create binding/midaz-test/x/queue/q/k; create queue/midaz-test/q"},
	{"binding gone", "DELETE", "/api/bindings/midaz-test/e/x/q/q/k", ``, "create binding/midaz-test/x/queue/q/k"},
	{"policy", "PUT", "/api/policies/midaz-test/p", `{"pattern":"^q","definition":{"max-length":6},"apply-to":"queues"}`,
		"update policy/midaz-test/p: definition.max-length"},
	{"policy gone", "DELETE", "/api/policies/midaz-test/p", ``, "create policy/midaz-test/p"},
	{"policy number of another type", "PUT", "/api/policies/midaz-test/p",
		`{"pattern":"^q","definition":{"max-length":5},"apply-to":"queues","priority":3}`, "update policy/midaz-test/p: priority"},
}

const drifting = `
  users: { midaz-test: { password: word, tags: [monitoring] } }
  vhosts:
    midaz-test:
      description: mine
      tags: [one]
      permissions: { midaz-test: { configure: "", write: "^a", read: "" } }
      exchanges: { x: { type: topic } }
      queues: { q: { type: quorum } }
      bindings: [ { source: x, queue: q, routing_key: k } ]
      policies: { p: { pattern: "^q", apply_to: queues, definition: { max-length: 5 } } }
`

func TestDriftIsSeenFieldByField(t *testing.T) {
	onEach(t, func(t *testing.T, b *target) {
		w := world{t: t, b: b}
		w.apply(drifting)
		for _, d := range drifts {
			t.Run(d.name, func(t *testing.T) {
				w := world{t: t, b: b}
				b.do(t, d.method, d.path, d.body)
				var got []string
				for _, c := range w.plan(w.resolve(drifting)) {
					text := c.String()
					var paths []string
					for _, f := range c.delta {
						paths = append(paths, f.Path)
						if !f.Drift || f.Pending {
							t.Errorf("%s is told as drift %v, pending %v; it is drift alone", f.Path, f.Drift, f.Pending)
						}
					}
					if paths != nil {
						text += ": " + strings.Join(paths, ", ")
					}
					got = append(got, text)
				}
				if text := strings.Join(got, "; "); text != d.want {
					t.Errorf("got  %s\nwant %s", text, d.want)
				}
				w.apply(drifting)
				w.settled(drifting)
			})
		}
	})
}

// TestPendingIsNoDrift changes the spec alone.
func TestPendingIsNoDrift(t *testing.T) {
	onEach(t, func(t *testing.T, b *target) {
		w := world{t: t, b: b}
		w.apply(drifting)
		changed := strings.NewReplacer("mine", "ours", "password: word", "password: newer", "[monitoring]", "[management]", "max-length: 5",
			"max-length: 7", `"^a"`, `"^b"`).Replace(drifting)
		changes := w.plan(w.resolve(changed))
		if len(changes) != 4 {
			t.Errorf("%d changes, want 4: %v", len(changes), changes)
		}
		for _, c := range changes {
			for _, f := range c.delta {
				if f.Drift || !f.Pending {
					t.Errorf("%s %s is told as drift %v, pending %v; it is pending alone", c, f.Path, f.Drift, f.Pending)
				}
			}
		}
	})
}

// TestLookAgainAgreesWithBulk reads every object one by one and in bulk: the
// engine plans from the one and acts by the other.
func TestLookAgainAgreesWithBulk(t *testing.T) {
	onEach(t, func(t *testing.T, b *target) {
		w := world{t: t, b: b}
		w.apply(whole)
		all := w.resolve(whole)
		reader := rabbitmq.OpenReader(rabbitmq.Options{Declared: all})
		bulk := observe(t, reader, all)
		readers := reader.Readers()
		for _, r := range all.Resources {
			found, err := readers[r.Addr.Kind].Observe(context.Background(), resources.Scope{Stack: stack, Want: []*resources.Resource{r}})
			if err != nil || len(found) != 1 {
				t.Fatalf("%s: %v, %v", r.Addr, found, err)
			}
			one, many := found[0], bulk[r.Addr]
			if one.ID != many.ID || one.Stack != many.Stack || one.Presence != many.Presence ||
				!resources.Equal(map[string]any(one.Have), map[string]any(many.Have)) {
				t.Errorf("%s differs:\none  %+v\nbulk %+v", r.Addr, one, many)
			}
		}
	})
}
