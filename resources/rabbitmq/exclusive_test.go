package rabbitmq_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/LerianStudio/midaz-infra/resources"
)

// TestExclusive: what the spec does not declare goes, but for what is another
// stack's, the login's own, and what clients make for themselves.
func TestExclusive(t *testing.T) {
	onEach(t, func(t *testing.T, b *target) {
		w := world{t: t, b: b}
		spec := "  vhosts:\n    midaz-test:\n      exclusive: true\n      exchanges: { x: }\n      queues: { q: }\n      bindings: [ { " +
			"source: x, queue: q } ]\n"
		w.apply(spec)
		w.settled(spec)
		for path, body := range map[string]string{
			"/api/queues/midaz-test/theirs":             `{"durable":true}`,
			"/api/queues/midaz-test/passing":            `{"durable":false,"auto_delete":true}`,
			"/api/exchanges/midaz-test/theirs":          `{"type":"topic","durable":true}`,
			"/api/policies/midaz-test/theirs":           `{"pattern":"^a","definition":{"max-length":5}}`,
			"/api/queues/midaz-test/of-another":         `{"durable":true}`,
			"/api/global-parameters/midaz.midaz-test-2": `{"value":{"format":1,"objects":{"queue/midaz-test/of-another":{"fields":{"type":"classic"}}}}}`,
		} {
			b.do(t, http.MethodPut, path, body)
		}
		b.do(t, http.MethodPost, "/api/bindings/midaz-test/e/theirs/q/q", `{"routing_key":"theirs","arguments":{}}`)
		all := w.resolve(spec)
		changes := w.plan(all)
		equal(t, names(changes), []string{"delete binding/midaz-test/theirs/queue/q/theirs", "delete exchange/midaz-test/theirs",
			"delete policy/midaz-test/theirs", "delete queue/midaz-test/theirs"})
		for _, c := range changes {
			if c.have.Stray != "it is not in the spec, and vhost/midaz-test is declared exclusive" {
				t.Errorf("%s: %q", c, c.have.Stray)
			}
		}
		load(t, b, "theirs", 2)
		for _, c := range w.plan(all) {
			if addrOf(c).Kind == "queue" && !slices.Contains(hazards(all, c), "data-loss: 2 messages would be lost") {
				t.Errorf("%s: %q", c, hazards(all, c))
			}
		}
		w.apply(spec)
		w.settled(spec)
		// Without the word nothing of others is touched.
		b.do(t, http.MethodPut, "/api/queues/midaz-test/theirs", `{"durable":true}`)
		w.settled(strings.Replace(spec, "      exclusive: true\n", "", 1))
	})
}

// TestConsumersNeedConsent: a queue that somebody consumes is not deleted by
// the way.
func TestConsumersNeedConsent(t *testing.T) {
	b := fakeTarget(t, "4.0.5")
	w := world{t: t, b: b}
	w.apply(inVhost + "      queues: { q: }\n")
	b.fake.Consume("midaz-test", "q", 2)
	all := w.resolve(inVhost + "      description: none\n")
	for _, c := range w.plan(all) {
		if addrOf(c).Kind != "queue" {
			continue
		}
		h := all.Kind("queue").(resources.Hazarder).Hazards(c.action, c.want, c.have)
		if len(h) != 1 || !h[0].Consent || h[0].Msg != "2 consumers would be cancelled" {
			t.Errorf("got %+v", h)
		}
	}
}

// TestOthersBindingsNeedConsent: an exchange takes bindings along that the
// stack does not own.
func TestOthersBindingsNeedConsent(t *testing.T) {
	onEach(t, func(t *testing.T, b *target) {
		w := world{t: t, b: b}
		w.apply(inVhost + "      exchanges: { x: }\n      queues: { q: }\n")
		all := w.resolve(inVhost + "      queues: { q: }\n")
		changes := w.plan(all)
		b.do(t, http.MethodPost, "/api/bindings/midaz-test/e/x/q/q", `{"routing_key":"theirs","arguments":{}}`)
		if err := w.carryOut(all, slices.Clone(changes)); err == nil || !strings.Contains(err.Error(), "came into use after the plan was made") {
			t.Errorf("got %v", err)
		}
		for _, c := range w.plan(all) {
			equal(t, hazards(all, c), []string{"data-loss: what the stack does not own would go with it: binding/midaz-test/x/queue/q/theirs"})
		}
	})
}
