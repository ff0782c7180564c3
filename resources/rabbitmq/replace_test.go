package rabbitmq_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/brokertest"
)

const replacing = `
  vhosts:
    midaz-test:
      exchanges: { x: { type: topic }, y: { type: fanout } }
      queues: { q: { type: %s } }
      bindings:
        - { source: x, queue: q, routing_key: a }
        - { source: x, exchange: y, routing_key: b }
        - { source: y, queue: q }
`

// TestReplacingTakesBindingsAlong puts the bindings of a replaced queue and
// exchange back, which the broker deletes with them; those of others too.
func TestReplacingTakesBindingsAlong(t *testing.T) {
	onEach(t, func(t *testing.T, b *target) {
		w := world{t: t, b: b}
		spec := fmt.Sprintf(replacing, "classic")
		w.apply(spec)
		next := fmt.Sprintf(replacing, "quorum")
		b.do(t, http.MethodPost, "/api/bindings/midaz-test/e/x/q/q", `{"routing_key":"theirs","arguments":{}}`)
		equal(t, w.apply(next), []string{"replace queue/midaz-test/q"})
		b.do(t, http.MethodGet, "/api/bindings/midaz-test/e/x/q/q/theirs", "")
		w.settled(next)
		last := strings.Replace(next, "y: { type: fanout }", "y: { type: direct }", 1)
		b.do(t, http.MethodPost, "/api/bindings/midaz-test/e/y/q/q", `{"routing_key":"theirs","arguments":{}}`)
		equal(t, w.apply(last), []string{"replace exchange/midaz-test/y"})
		b.do(t, http.MethodGet, "/api/bindings/midaz-test/e/y/q/q/theirs", "")
		w.settled(last)
	})
}

// TestReplacementInterrupted stops a replacement at each write in turn, before
// and after the broker has done it: the next run finishes it, or goes back when
// the spec does, bindings of others included, and leaves nothing behind.
func TestReplacementInterrupted(t *testing.T) {
	for name, change := range map[string][2]string{
		"queue":    {"q: { type: classic }", "q: { type: quorum }"},
		"exchange": {"x: { type: topic }", "x: { type: direct, arguments: { own: 1 } }"},
	} {
		for _, after := range []bool{false, true} {
			for _, back := range []bool{false, true} {
				for k, done := 1, false; !done && k < 60 && !t.Failed(); k++ {
					t.Run(fmt.Sprintf("%s, write %d, after %v, back %v", name, k, after, back), func(t *testing.T) {
						done = interruptedReplacement(t, change, k, after, back)
					})
				}
			}
		}
	}
}

func interruptedReplacement(t *testing.T, change [2]string, k int, after, back bool) (done bool) {
	b := fakeTarget(t, "4.0.5")
	w := world{t: t, b: b}
	spec := fmt.Sprintf(replacing, "classic")
	w.apply(spec)
	for _, path := range []string{"x/q/q", "x/e/y", "y/e/x"} {
		b.do(t, http.MethodPost, "/api/bindings/midaz-test/e/"+path, `{"routing_key":"theirs","arguments":{}}`)
	}
	next := strings.Replace(spec, change[0], change[1], 1)
	all := w.resolve(next)
	changes := w.plan(all)
	b.fake.ResetCalls()
	b.fake.Fault = func(rw http.ResponseWriter, r *http.Request) bool {
		if n := len(b.fake.Writes()); r.Method == http.MethodGet || n < k-1 || n < k && after {
			return false
		}
		rw.WriteHeader(http.StatusBadRequest) // as if nothing more were called
		return true
	}
	err := w.carryOut(all, changes)
	b.fake.Fault = nil
	if err != nil && back {
		next = spec
	}
	if err != nil {
		if left := w.plan(w.resolve(next)); len(left) == 0 {
			for _, list := range []string{"exchanges", "policies"} {
				for _, r := range b.do(t, http.MethodGet, "/api/"+list, "").([]any) {
					if name := r.(map[string]any)["name"].(string); strings.HasPrefix(name, "midaz-migration.") {
						t.Errorf("the plan is empty, and %s is there", name)
					}
				}
			}
		}
		w.apply(next)
	}
	w.settled(next)
	var helpers []string
	for _, list := range []string{"exchanges", "queues", "policies"} {
		for _, r := range b.do(t, http.MethodGet, "/api/"+list, "").([]any) {
			if name := r.(map[string]any)["name"].(string); strings.HasPrefix(name, "midaz-migration.") {
				helpers = append(helpers, name)
			}
		}
	}
	equal(t, helpers, nil)
	for _, path := range []string{"x/q/q", "x/e/y", "y/e/x"} {
		found := false
		for _, r := range b.do(t, http.MethodGet, "/api/bindings/midaz-test/e/"+path, "").([]any) {
			found = found || r.(map[string]any)["routing_key"] == "theirs"
		}
		if !found {
			t.Errorf("the binding %s of another is gone", path)
		}
	}
	return err == nil
}

// TestRefused: on_change: refuse is refused whatever is allowed.
func TestRefused(t *testing.T) {
	onEach(t, func(t *testing.T, b *target) {
		w := world{t: t, b: b}
		spec := inVhost + "      exchanges: { x: { on_change: refuse, type: topic } }\n      queues: { q: { on_change: refuse, type: classic " +
			"} }\n"
		w.apply(spec)
		all := w.resolve(strings.NewReplacer("topic", "fanout", "classic", "quorum").Replace(spec))
		changes := w.plan(all)
		if len(changes) != 2 {
			t.Errorf("got %v", names(changes))
		}
		for _, c := range changes {
			if h := hazards(all, c); len(h) != 1 || !strings.HasPrefix(h[0], "refused: ") {
				t.Errorf("%s: %q", c, h)
			}
		}
	})
}

// TestSilentNoOp: the broker answers 204 to arguments it never changes.
func TestSilentNoOp(t *testing.T) {
	onEach(t, func(t *testing.T, b *target) {
		w := world{t: t, b: b}
		spec := func(v string) string { return inVhost + "      queues: { q: { arguments: { own: " + v + " } } }\n" }
		w.apply(spec("1"))
		all := w.resolve(spec("2"))
		changes := w.plan(all)
		if len(changes) != 1 || changes[0].action != resources.Replace {
			t.Fatalf("got %v, want a replacement", changes)
		}
		// A writer that only puts must not believe the answer.
		writer := rabbitmq.Open(rabbitmq.Options{Declared: all}).Writers()["queue"]
		err := writer.Update(t.Context(), changes[0].want, changes[0].have, changes[0].delta, nil)
		if err == nil || !strings.Contains(err.Error(), "did not change it: arguments.own is 1, wanted 2") {
			t.Errorf("got %v", err)
		}
	})
}

func load(t *testing.T, b *target, queue string, n int) {
	t.Helper()
	if b.fake != nil {
		b.fake.Load("midaz-test", queue, brokertest.Counts{Ready: n})
		return
	}
	// Not through the default exchange: that someone publishes there is told by plans.
	binding := "/api/bindings/midaz-test/e/amq.direct/q/" + queue
	b.do(t, http.MethodPost, binding, fmt.Sprintf(`{"routing_key":%q}`, queue))
	for range n {
		body := fmt.Sprintf(`{"properties":{},"routing_key":%q,"payload":"x","payload_encoding":"string"}`, queue)
		b.do(t, http.MethodPost, "/api/exchanges/midaz-test/amq.direct/publish", body)
	}
	b.do(t, http.MethodDelete, binding+"/"+queue, "")
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) { // the broker's statistics lag
		for _, r := range b.do(t, http.MethodGet, "/api/queues/midaz-test?columns=name,messages_ready", "").([]any) {
			if q := r.(map[string]any); q["name"] == queue && fmt.Sprint(q["messages_ready"]) == fmt.Sprint(n) {
				return
			}
		}
		<-time.After(100 * time.Millisecond)
	}
	t.Fatalf("the broker never counted %d messages in %s", n, queue)
}

// hazards are what a change means by itself.
func hazards(all *resources.Declared, c change) []string { return hazardsAmong(all, c, []change{c}) }

// hazardsAmong are what a change means among others.
func hazardsAmong(all *resources.Declared, c change, changes []change) []string {
	var out []string
	for _, h := range dangers(all, c, changes) {
		out = append(out, h.Code+": "+h.Msg)
	}
	return out
}

func dangers(all *resources.Declared, c change, changes []change) []resources.Hazard {
	var out []resources.Hazard
	kind := all.Kind(addrOf(c).Kind)
	if k, ok := kind.(resources.Hazarder); ok {
		out = append(out, k.Hazards(c.action, c.want, c.have)...)
	}
	if k, ok := kind.(resources.JointHazarder); ok {
		var planned []resources.Planned
		for _, c := range changes {
			planned = append(planned, resources.Planned{Addr: addrOf(c), Action: c.action, Want: c.want, Have: c.have})
		}
		out = append(out, k.JointHazards(planned)[addrOf(c)]...)
	}
	return out
}

func addrOf(c change) resources.Addr {
	if c.want != nil {
		return c.want.Addr
	}
	return c.have.Addr
}

func TestMessagesAreHazards(t *testing.T) {
	onEach(t, func(t *testing.T, b *target) {
		w := world{t: t, b: b}
		spec := inVhost + "      queues: { full: , q: { type: quorum }, empty: , log: { type: stream } }\n"
		w.apply(spec)
		load(t, b, "full", 3)
		load(t, b, "q", 2)
		next := strings.NewReplacer("full: ,", "full: { type: quorum, on_change: replace },", "empty: ,",
			"empty: { type: quorum },").Replace(spec)
		all := w.resolve(strings.Replace(next, "q: { type: quorum },", "", 1))
		got := map[string]string{}
		for _, c := range w.plan(all) {
			got[c.String()] = strings.Join(append(hazards(all, c), c.have.Notes...), "; ")
		}
		want := map[string]string{
			"replace queue/midaz-test/full": "data-loss: 3 messages would be lost; 3 messages ready, 0 consumers",
			"replace queue/midaz-test/empty": "0 messages ready, 0 consumers; migrated (safe): new messages wait in a queue beside it, the old " +
				"queue is emptied and deleted, the new one made, and everything is moved into it in order; consumers wait about 6 s",
			"delete queue/midaz-test/q": "data-loss: 2 messages would be lost; 2 messages ready, 0 consumers",
		}
		for k, v := range want {
			if got[k] != v {
				t.Errorf("%s: got %q, want %q", k, got[k], v)
			}
		}
		all = w.resolve(inVhost + "      description: none left\n")
		for _, c := range w.plan(all) {
			if addrOf(c).Name == "midaz-test/log" && !slices.Contains(hazards(all, c),
				"data-loss: a stream keeps what was read, so everything in it would be lost") {
				t.Errorf("%s: %q", c, hazards(all, c))
			}
		}
		all = w.resolve("")
		for _, c := range w.plan(all) {
			if addrOf(c).Kind == "vhost" && !slices.Contains(hazards(all, c), "data-loss: 5 messages in its queues would be lost") {
				t.Errorf("%s: %q", c, hazards(all, c))
			}
		}
		// What the plan has shown and someone consented to is carried out.
		w.apply("")
	})
}

// TestPublishersPastExchangesAreNamed: what reaches a queue by the default
// exchange cannot be switched, so the plan says who may lose what.
func TestPublishersPastExchangesAreNamed(t *testing.T) {
	const loss = "; what arrives there in the moment in which the queue is gone is lost (0 to 6 messages at 500/s), although confirmed: " +
		"pause it meanwhile"
	for name, c := range map[string]struct{ statistics, want string }{
		"basic statistics": {`{"incoming":[],"message_stats":{"publish_in":1194,"publish_in_details":{"rate":73.8}}}`,
			"someone publishes to the default exchange of this virtual host (74 messages/s), perhaps to this queue"},
		"detailed statistics": {`{"incoming":[{"channel_details":{"user":"billing","connection_name":"10.0.0.7:4711"},"stats":{"publish_details":{"rate":5.0}}}],"message_stats":{"publish_in_details":{"rate":5.0}}}`,
			"billing from 10.0.0.7:4711 publishes to the default exchange of this virtual host, perhaps to this queue"},
		"none now":      {`{"incoming":[],"message_stats":{"publish_in":1194,"publish_in_details":{"rate":0.0}}}`, ""},
		"no statistics": {`{"name":""}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := fakeTarget(t, "4.0.5")
			p := proxied(t, b, func(_ int64, w http.ResponseWriter, r *http.Request, next http.Handler) {
				if strings.HasSuffix(r.URL.Path, "/amq.default") {
					_, _ = w.Write([]byte(c.statistics))
					return
				}
				next.ServeHTTP(w, r)
			})
			w := world{t: t, b: p}
			spec := inVhost + "      queues: { q: , feeder: { arguments: { x-dead-letter-exchange: '', x-dead-letter-routing-key: q } } }\n" +
				"      policies: { lost: { pattern: ^feeder, definition: { dead-letter-exchange: '', dead-letter-routing-key: q } }, from: { " +
				"pattern: ^q$, apply_to: queues, definition: { federation-upstream-set: all } } }\n"
			w.apply(spec)
			all := w.resolve(strings.Replace(spec, "q: ,", "q: { type: quorum },", 1))
			changes := w.plan(all)
			want := []string{
				"message-loss: queue feeder dead-letters to it through the default exchange" + loss,
				"message-loss: policy from federates it: what comes from upstream goes into it directly" + loss,
				"message-loss: queues of policy lost dead-letter to it through the default exchange" + loss,
			}
			if c.want != "" {
				want = append([]string{"message-loss: " + c.want + loss}, want...)
			}
			equal(t, hazards(all, changes[0]), want)
		})
	}
}

// TestDeleteLooksAgain: messages that came after the plan are not lost.
func TestDeleteLooksAgain(t *testing.T) {
	onEach(t, func(t *testing.T, b *target) {
		for _, kind := range []string{"classic", "quorum"} {
			w := world{t: t, b: b}
			w.apply(inVhost + "      queues: { " + kind + ": { type: " + kind + " } }\n") // names of their own: statistics outlive a queue
			all := w.resolve(inVhost + "      description: none\n")
			removal := func() []change {
				return slices.DeleteFunc(w.plan(all), func(c change) bool { return addrOf(c).Kind != "queue" })
			}
			// Until the broker has counted, the plan says that nobody knows what would be lost.
			changes := removal()
			for end := time.Now().Add(20 * time.Second); len(hazards(all, changes[0])) > 0 && time.Now().Before(end); changes = removal() {
				<-time.After(100 * time.Millisecond)
			}
			load(t, b, kind, 1)
			err := w.carryOut(all, changes)
			if err == nil || !strings.Contains(err.Error(), "came into use after the plan was made") {
				t.Errorf("%s: got %v", kind, err)
			}
			if len(b.do(t, http.MethodGet, "/api/queues/midaz-test", "").([]any)) != 1 {
				t.Errorf("%s: the queue is gone", kind)
			}
			if got := w.apply(""); len(got) != 2 {
				t.Errorf("%s: removed %q", kind, got)
			}
		}
	})
}

// TestBindingThatStays: of an exchange imported without auto_delete the broker
// says that it has removed a binding, and keeps it.
func TestBindingThatStays(t *testing.T) {
	b := fakeTarget(t, "4.0.5")
	w := world{t: t, b: b}
	spec := fmt.Sprintf(replacing, "classic")
	w.apply(spec)
	b.fake.Forget("midaz-test", "x")
	w.settled(spec)
	all := w.resolve(strings.Replace(spec, "        - { source: x, queue: q, routing_key: a }\n", "", 1))
	err := w.carryOut(all, w.plan(all))
	if err == nil || !strings.Contains(err.Error(), "kept the binding") {
		t.Errorf("got %v", err)
	}
	// With its exchange it goes.
	w.apply(inVhost + "      queues: { q: }\n")
	w.settled(inVhost + "      queues: { q: }\n")
}

// TestVhostTakesOthersAlong: a virtual host is not deleted with what is not the
// stack's in it, unless the plan has shown that.
func TestVhostTakesOthersAlong(t *testing.T) {
	onEach(t, func(t *testing.T, b *target) {
		w := world{t: t, b: b}
		w.apply(small)
		all := w.resolve("")
		changes := w.plan(all)
		b.do(t, http.MethodPut, "/api/exchanges/midaz-test/theirs", `{"type":"topic","durable":true}`)
		err := w.carryOut(all, slices.Clone(changes))
		if err == nil || !strings.Contains(err.Error(), "what the stack does not own would go with it: exchange/midaz-test/theirs") {
			t.Errorf("got %v", err)
		}
		var shown []string
		for _, c := range w.plan(all) {
			if addrOf(c).Kind == "vhost" {
				shown = hazards(all, c)
			}
		}
		equal(t, shown, []string{"data-loss: what the stack does not own would go with it: exchange/midaz-test/theirs"})
	})
}

// TestLedgerForgetsWhatGoesAlong: the engine deletes a virtual host alone, and
// with it all that lies inside.
func TestLedgerForgetsWhatGoesAlong(t *testing.T) {
	b := fakeTarget(t, "4.0.5")
	w := world{t: t, b: b}
	w.apply(whole)
	all := w.resolve("")
	changes := slices.DeleteFunc(w.plan(all), func(c change) bool {
		return !slices.Contains([]string{"vhost", "user", "global-parameter"}, addrOf(c).Kind)
	})
	if err := w.carryOut(all, changes); err != nil {
		t.Fatal(err)
	}
	if l := b.ledger(t); l != nil {
		t.Errorf("the ledger still names %v", l)
	}
}

// TestPolicyThatDrops: what a policy drops the moment it is set is a hazard of
// the change.
func TestPolicyThatDrops(t *testing.T) {
	onEach(t, func(t *testing.T, b *target) {
		w := world{t: t, b: b}
		spec := func(definition string) string {
			return inVhost + "      queues: { full: , other: , empty: }\n      policies: { p: { pattern: '^(full|empty)$', apply_to: queues, " +
				"definition: " + definition + " } }\n"
		}
		w.apply(spec("{ max-length: 1000 }"))
		load(t, b, "full", 3)
		load(t, b, "other", 3)
		for definition, want := range map[string][]string{
			"{ max-length: 2000 }": nil,
			"{ max-length: 3 }":    nil,
			"{ max-length: 2 }": {"data-loss: queue/midaz-test/full holds 3 messages; those beyond max-length 2 would be " +
				"dropped at once"},
			"{ max-length: 1000, message-ttl: 60 }": nil, // it holds for what is published afterward
		} {
			all := w.resolve(spec(definition))
			for _, c := range w.plan(all) {
				equal(t, hazards(all, c), want)
			}
		}
		all := w.resolve(strings.Replace(spec("{ max-length: 1000 }"), "policies: {",
			"policies: { also: { pattern: '^other$', definition: { max-length: 1 } },", 1))
		changes := w.plan(all)
		equal(t, names(changes), []string{"create policy/midaz-test/also"})
		equal(t, hazards(all, changes[0]), []string{"data-loss: queue/midaz-test/other holds 3 messages; those beyond max-length 1 would be " +
			"dropped at once"})
	})
}
