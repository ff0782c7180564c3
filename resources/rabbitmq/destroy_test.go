package rabbitmq_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq"
)

// destroyed removes what a spec declares while it still declares it, as
// `midaz destroy` does, and fails where an object that nobody touched is taken
// for another one.
func (w world) destroyed(text string) error {
	all := w.resolve(text)
	b := rabbitmq.Open(rabbitmq.Options{Declared: all})
	seen := observe(w.t, b.ReadBroker, all)
	ctx, writers := context.Background(), b.Writers()
	var gone []resources.Addr
	for _, o := range letGo(slices.Collect(maps.Values(seen))) {
		if o.Presence != resources.Present || o.Stack != stack || o.Free {
			continue
		}
		if err := writers[o.Addr.Kind].Delete(ctx, o, nil); err != nil {
			return fmt.Errorf("delete %s: %w", o.Addr, err)
		}
		gone = append(gone, o.Addr)
	}
	if err := writers["queue"].(resources.Claimed).Claimer().Release(ctx, stack, nil, gone); err != nil {
		return err
	}
	left := observe(w.t, rabbitmq.OpenReader(rabbitmq.Options{Declared: all}), all)
	for _, r := range all.Resources {
		if o := left[r.Addr]; r.Addr.Kind != "broker" && o.Presence == resources.Present && !o.Free {
			return fmt.Errorf("%s is left", r.Addr)
		}
	}
	return nil
}

// drawOne draws the text of one object of each kind, in all the forms that the
// language has for it.
func drawOne(t *rapid.T) string {
	pick := func(label string, of ...string) string { return rapid.SampledFrom(of).Draw(t, label) }
	user := pick("user", "password: the-word", "password: the-word, hashing_algorithm: sha512",
		"password: the-word, hashing_algorithm: md5, tags: [b, a]",
		`password_hash: "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"`, `password_hash: ""`, `password_hash: "", hashing_algorithm: sha512`,
		`password: the-word, tags: ""`, `password: the-word, tags: [""]`, "password: the-word, limits: { max_channels: 0 }",
		"password: the-word, limits: { max_channels: -1, max_connections: 3 }")
	vhost := pick("vhost", "", `description: ""`, "description: x", "tags: []", `tags: ["", a]`, "tags: [b, a]", "tracing: true",
		"limits: { max_queues: 40 }", "limits: { max_queues: 40, max_connections: -1 }")
	queue := pick("queue", "", "type: classic", "type: quorum", "type: stream", "durable: false, type: classic",
		"arguments: { x-owner: 3, x-b: [1.0, {}], x-c: true }", "max_length: 5, message_ttl: 0",
		"type: quorum, arguments: { x-delivery-limit: -1 }", "type: classic, arguments: { x-max-priority: 0 }")
	exchange := pick("exchange", "type: topic", "type: topic, durable: false", "type: topic, internal: true", "type: topic, auto_delete: true",
		"type: topic, alternate_exchange: amq.fanout", "type: topic, arguments: { x-a: 1.5, b: [] }")
	binding := pick("binding", `routing_key: ""`, `routing_key: a`, `routing_key: "a/b c%"`,
		`routing_key: a, arguments: { k: 1, l: 1.0, m: [true] }`)
	policy := pick("policy", "definition: { max-length: 5 }", "priority: 0, definition: { max-length: 5 }",
		"apply_to: all, priority: -3, definition: { dead-letter-exchange: x }", `apply_to: queues, definition: { message-ttl: "5" }`)
	operator := pick("operator policy", "definition: { max-length: 5 }", "apply_to: queues, definition: { expires: 100000 }")
	parameter := pick("parameter", `{ uri: "amqp://h" }`, `{ uri: ["amqp://h"] }`, `{ uri: ["amqp://h", "amqp://i"], prefetch-count: 5 }`,
		`{ uri: "amqp://u:p4ssword@h", ack-mode: no-ack }`)
	global := pick("global parameter", "{}", "[]", "[{}]", "{ a: {} }", "1.0", `""`, "false", "{ a: [1, 2.5] }",
		"{ a: [1, null, { b: null }] }")
	separator := ""
	if vhost != "" {
		separator = ", "
	}
	vhost = strings.TrimSpace(vhost + separator)
	return fmt.Sprintf(`
  users: { midaz-test: { %s } }
  global_parameters: { midaz-test: { value: %s } }
  vhosts:
    midaz-test: { %s permissions: { midaz-test: { configure: "", write: "", read: ".*" } }, topic_permissions: { midaz-test: { x: { write: "", read: "^a" } } },
      exchanges: { x: { %s } }, queues: { q: { %s } }, bindings: [ { source: x, queue: q, %s } ],
      policies: { p: { pattern: "^none", %s } }, operator_policies: { o: { pattern: "^none", %s } },
      parameters: { federation-upstream: { f: { value: %s } } } }
`, user, global, vhost, exchange, queue, binding, policy, operator, parameter)
}

// TestWhatWasAppliedIsSettledAndCanBeDestroyed: whatever form an object is
// declared in, the plan after its apply is empty, and it can be removed while it
// is declared and after it has left the spec.
func TestWhatWasAppliedIsSettledAndCanBeDestroyed(t *testing.T) {
	spec := rapid.Custom(drawOne)
	onEach(t, func(t *testing.T, b *target) {
		w := world{t: t, b: b}
		for n := range 12 {
			text := spec.Example(n)
			w.apply(text)
			w.settled(text)
			if n%2 == 0 {
				if err := w.destroyed(text); err != nil {
					t.Fatalf("%v\n%s", err, text)
				}
			} else if changes := w.apply("\n  vhosts: {}\n"); len(changes) == 0 {
				t.Fatalf("nothing was removed\n%s", text)
			}
			if t.Failed() {
				t.Fatalf("of\n%s", text)
			}
			if l := b.ledger(t); l != nil {
				t.Fatalf("the ledger is left: %v", l)
			}
		}
	})
}
