package rabbitmq_test

import (
	"fmt"
	"slices"
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
		equal(t, w.apply(spec(", message_ttl: 70000, dead_letter_exchange: dlx, overflow: reject-publish")),
			[]string{"update policy/midaz-test/midaz-queue.a.b+c"})
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
	if text := resources.Show(map[string]any(got)); !strings.Contains(text, "priority") ||
		fmt.Sprint(got["priority"], got["definition"]) != "8 map[dead-letter-exchange:dlx max-length:5]" {
		t.Errorf("got %v", got)
	}
	var found []string
	for _, p := range problems {
		found = append(found, string(p.Rule.Code)+" "+p.Msg)
	}
	equal(t, found, []string{"MZ232 policy/midaz-test/high matches queue/midaz-test/q too, and only one policy holds: the one generated " +
		"from the queue's fields does, and takes over dead-letter-exchange, and overrides max-length; policy/midaz-test/low held for nothing " +
		"of it before either"})
}

// policiesOf returns the policies on the broker: their queues' pattern by name.
func policiesOf(t *testing.T, b *target) []string {
	var out []string
	for _, r := range b.do(t, "GET", "/api/policies/midaz-test", "").([]any) {
		p := r.(map[string]any)
		out = append(out, fmt.Sprint(p["name"], " ", p["pattern"]))
	}
	slices.Sort(out)
	return out
}

// TestEqualSettingsShareAPolicy on the broker, in as few writes as there are
// policies.
func TestEqualSettingsShareAPolicy(t *testing.T) {
	onEach(t, func(t *testing.T, b *target) {
		w := world{t: t, b: b}
		spec := func(a, c, d int) string {
			return inVhost + fmt.Sprintf("      queues: { qa: { max_length: %d }, qc: { max_length: %d }, qd: { max_length: %d } }\n", a, c, d)
		}
		w.apply(spec(5, 5, 5))
		if got := policiesOf(t, b); len(got) != 1 || !strings.HasSuffix(got[0], " ^q[acd]$") {
			t.Errorf("got %q", got)
		}
		equal(t, w.apply(spec(5, 5, 6)), []string{"update policy/midaz-test/midaz-queue.qd"})
		w.settled(spec(5, 5, 6))
		if got := policiesOf(t, b); len(got) != 2 || got[0] != "midaz-queue.qd ^qd$" || !strings.HasSuffix(got[1], " ^q[ac]$") {
			t.Errorf("got %q", got)
		}
		if b.fake != nil {
			b.fake.ResetCalls()
		}
		equal(t, w.apply(spec(7, 7, 7)), []string{"update policy/midaz-test/midaz-queue.qa", "update policy/midaz-test/midaz-queue.qc",
			"update policy/midaz-test/midaz-queue.qd"})
		w.settled(spec(7, 7, 7))
		if b.fake != nil {
			var writes []string
			for _, call := range b.fake.Writes() {
				if strings.Contains(call, "/policies/") {
					writes = append(writes, strings.Fields(call)[0])
				}
			}
			equal(t, writes, []string{"PUT", "DELETE", "DELETE"})
		}
		equal(t, w.apply(inVhost+"      queues: { qa: , qc: , qd: { max_length: 7 } }\n"), []string{"delete policy/midaz-test/midaz-queue.qa",
			"delete policy/midaz-test/midaz-queue.qc"})
		equal(t, policiesOf(t, b), []string{"midaz-queue.qd ^qd$"})
	})
}

// TestOnePolicyForEachQueue, as earlier versions made them, is what the spec says,
// and is regrouped where settings change.
func TestOnePolicyForEachQueue(t *testing.T) {
	onEach(t, func(t *testing.T, b *target) {
		w := world{t: t, b: b}
		spec := func(n int) string {
			return inVhost + fmt.Sprintf("      queues: { qa: { max_length: %[1]d }, qb: { max_length: %[1]d }, qc: { max_length: 5 } }\n", n)
		}
		w.apply(spec(5))
		group := strings.Fields(policiesOf(t, b)[0])[0]
		for _, q := range []string{"qa", "qb", "qc"} {
			b.do(t, "PUT", "/api/policies/midaz-test/midaz-queue."+q,
				`{"pattern":"^`+q+`$","apply-to":"queues","priority":1,"definition":{"max-length":5}}`)
		}
		b.do(t, "DELETE", "/api/policies/midaz-test/"+group, "")
		w.settled(spec(5))
		equal(t, w.apply(spec(6)), []string{"update policy/midaz-test/midaz-queue.qa", "update policy/midaz-test/midaz-queue.qb"})
		w.settled(spec(6))
		if got := policiesOf(t, b); len(got) != 2 || got[0] != "midaz-queue.qc ^qc$" || !strings.HasSuffix(got[1], " ^q[ab]$") {
			t.Errorf("got %q", got)
		}
	})
}

// TestTwoPoliciesForOneQueue, which a killed run leaves, are a difference that the
// next run removes.
func TestTwoPoliciesForOneQueue(t *testing.T) {
	onEach(t, func(t *testing.T, b *target) {
		w := world{t: t, b: b}
		spec := inVhost + "      queues: { qa: { max_length: 5 }, qb: { max_length: 5 } }\n"
		w.apply(spec)
		b.do(t, "PUT", "/api/policies/midaz-test/midaz-queue.qa",
			`{"pattern":"^qa$","apply-to":"queues","priority":1,"definition":{"max-length":9}}`)
		equal(t, w.apply(spec), []string{"update policy/midaz-test/midaz-queue.qa"})
		w.settled(spec)
		if got := policiesOf(t, b); len(got) != 1 || !strings.HasSuffix(got[0], " ^q[ab]$") {
			t.Errorf("got %q", got)
		}
	})
}
