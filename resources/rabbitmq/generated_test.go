package rabbitmq_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/LerianStudio/midaz-infra/resources"
)

// TestFieldsBecomeAPolicy: what a policy can say is written as fields of a queue
// and changes no queue.
func TestFieldsBecomeAPolicy(t *testing.T) {
	onEach(t, func(t *testing.T, b *target) {
		w := world{t: t, b: b}
		spec := func(fields string) string {
			return inVhost + "      exchanges: { dlx: }\n      queues: { a.b+c: { type: quorum" + fields + " } }\n"
		}
		w.apply(spec(", message_ttl: 60000, max_length: 5"))
		equal(t, w.apply(spec(", message_ttl: 70000, dead_letter_exchange: dlx, overflow: reject-publish")), []string{"update policy/midaz-test/midaz-queue.a.b+c"})
		w.settled(spec(", message_ttl: 70000, dead_letter_exchange: dlx, overflow: reject-publish"))
		q := b.do(t, "GET", "/api/policies/midaz-test/midaz-queue.a.b%2Bc", "").(map[string]any)
		if got := fmt.Sprint(q["pattern"], q["definition"]); got != `^a\.b\+c$map[dead-letter-exchange:dlx message-ttl:70000 overflow:reject-publish]` {
			t.Errorf("got %s", got)
		}
		equal(t, w.apply(spec("")), []string{"delete policy/midaz-test/midaz-queue.a.b+c"})
		w.settled(spec(""))
	})
}

// TestGeneratedPolicyTakesOver: only one policy holds for a queue, so that the
// generated one says what the other would have said too.
func TestGeneratedPolicyTakesOver(t *testing.T) {
	all, problems := declare(t, "rabbitmq:\n  service: a\n"+inVhost+`      exchanges: { dlx: }
      queues: { q: { max_length: 5 }, other: { message_ttl: 1 } }
      policies:
        low: { pattern: "^q", priority: 3, definition: { message-ttl: 5 } }
        high: { pattern: "^q$", apply_to: queues, priority: 7, definition: { max-length: 9, dead-letter-exchange: dlx } }
`)
	got := all.Get(resources.NewAddr("policy", "midaz-test", "midaz-queue.q")).Config
	if text := resources.Show(map[string]any(got)); !strings.Contains(text, "priority") || fmt.Sprint(got["priority"], got["definition"]) != "8 map[dead-letter-exchange:dlx max-length:5]" {
		t.Errorf("got %v", got)
	}
	var found []string
	for _, p := range problems {
		found = append(found, string(p.Rule.Code)+" "+p.Msg)
	}
	equal(t, found, []string{"MZ232 policy/midaz-test/high matches queue/midaz-test/q too, and only one policy holds: the one generated from the queue's fields does, and takes over dead-letter-exchange, and overrides max-length; policy/midaz-test/low held for nothing of it before either"})
}
