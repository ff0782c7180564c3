package rabbitmq_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// whole declares at least one object of every kind.
const whole = `
  users:
    midaz-test-app:
      password: correct horse
      tags: [monitoring, "a.b"]
      limits: { max_connections: 100 }
    midaz-test-sha512: { password: battery staple, hashing_algorithm: sha512 }
    midaz-test-hash: { password_hash: kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR, tags: "management,policymaker" }
  global_parameters:
    midaz-test-global: { value: { region: sa-east-1, weights: [1, 2.0, "3"], nothing: {} } }
  vhosts:
    midaz-test/a b:
      description: slash, space
      tags: [one, two]
      limits: { max_queues: 1000 }
      permissions:
        midaz-test-app: { configure: "", write: "^orders\\.", read: ".*" }
      topic_permissions:
        midaz-test-app:
          orders.topic: { write: "^order\\.", read: "" }
      exchanges:
        orders.topic: { type: topic, alternate_exchange: orders.lost }
        orders.lost: { type: fanout }
        orders.headers: { type: headers, arguments: { x-owner: 3.0, x-level: 3 } }
        "ünï/c@#%de": { type: direct, durable: false }
      queues:
        orders.new: { type: quorum, arguments: { x-delivery-limit: 5 } }
        orders.old: { arguments: { x-max-priority: 5, x-single-active-consumer: true, x-own: { deep: [1, 1.5, true] } } }
        orders.log: { type: stream, arguments: { x-max-age: 7D } }
        "100% odd/name#1": { durable: true }
      bindings:
        - { source: orders.topic, queue: orders.new, routing_key: "order.*" }
        - { source: orders.topic, queue: orders.new, routing_key: "order.#" }
        - { source: orders.topic, exchange: orders.headers }
        - { source: orders.headers, queue: orders.old, arguments: { x-match: all, country: BR, level: 2 } }
        - { source: orders.headers, queue: orders.old, arguments: { x-match: all, country: BR, level: 2.0 } }
        - { source: amq.topic, queue: "100% odd/name#1", routing_key: "a b/c~d" }
      policies:
        limits: { pattern: "^orders\\.", apply_to: queues, priority: 1, definition: { max-length: 1000, dead-letter-exchange: orders.lost } }
      operator_policies:
        ceiling: { pattern: ".*", apply_to: queues, definition: { max-length: 100000 } }
`

func TestApplySettles(t *testing.T) {
	onEach(t, func(t *testing.T, b *target) {
		w := world{t: t, b: b}
		created := w.apply(whole)
		if len(created) != 25 || slices.ContainsFunc(created, func(s string) bool { return !strings.HasPrefix(s, "create ") }) {
			t.Errorf("made %d of 25: %q", len(created), created)
		}
		w.settled(whole)
		if b.fake != nil {
			b.fake.ResetCalls()
		}
		equal(t, w.apply(whole), nil)
		if b.fake != nil && len(b.fake.Writes()) > 0 {
			t.Errorf("an apply with nothing to do wrote: %q", b.fake.Writes())
		}
	})
}

func TestEverythingGoes(t *testing.T) {
	onEach(t, func(t *testing.T, b *target) {
		w := world{t: t, b: b}
		w.apply(whole)
		gone := w.apply("")
		if len(gone) != 25 || slices.ContainsFunc(gone, func(s string) bool { return !strings.HasPrefix(s, "delete ") }) {
			t.Errorf("removed %d of 25: %q", len(gone), gone)
		}
		for _, kind := range []string{"vhosts", "users", "global-parameters"} {
			for _, r := range b.do(t, http.MethodGet, "/api/"+kind, "").([]any) {
				if name := r.(map[string]any)["name"].(string); strings.Contains(name, "midaz-test") {
					t.Errorf("%s %q is left", kind, name)
				}
			}
		}
	})
}
