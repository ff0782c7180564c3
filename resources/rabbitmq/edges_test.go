package rabbitmq_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq"
)

// TestTwinBindings look the same as JSON and are two to the broker: one of them
// satisfies the spec, and both go.
func TestTwinBindings(t *testing.T) {
	b := fakeTarget(t, "4.0.5")
	w := world{t: t, b: b}
	const with = inVhost + "      exchanges: { x: { type: headers } }\n      queues: { q: }\n      bindings: [ { source: x, queue: q, " +
		"arguments: { level: 1 } } ]\n"
	const without = inVhost + "      exchanges: { x: { type: headers } }\n      queues: { q: }\n"
	w.apply(with)
	b.fake.Twin("midaz-test", "x", "q")
	w.settled(with)
	if got := w.apply(without); len(got) != 1 {
		t.Errorf("got %q", got)
	}
	w.settled(without)
	if rows := b.do(t, http.MethodGet, "/api/bindings/midaz-test/e/x/q/q", "").([]any); len(rows) != 0 {
		t.Errorf("left: %v", rows)
	}
}

// TestUndeclaredStays: a PUT replaces a virtual host as a whole, so that what
// is not declared must be sent along.
func TestUndeclaredStays(t *testing.T) {
	onEach(t, func(t *testing.T, b *target) {
		w := world{t: t, b: b}
		w.apply("  vhosts: { midaz-test: }\n")
		b.do(t, http.MethodPut, "/api/vhosts/midaz-test", `{"description":"theirs","tags":"a"}`)
		w.settled("  vhosts: { midaz-test: }\n")
		w.apply("  vhosts: { midaz-test: { tracing: true } }\n")
		got := b.do(t, http.MethodGet, "/api/vhosts/midaz-test", "").(map[string]any)
		if got["description"] != "theirs" || got["tracing"] != true {
			t.Errorf("got %v", got)
		}
		b.do(t, http.MethodPut, "/api/vhosts/midaz-test", `{"description":"theirs","tags":"a"}`)
	})
}

// TestEachObservationIsFresh with one reader, as a long run has it.
func TestEachObservationIsFresh(t *testing.T) {
	b := fakeTarget(t, "4.0.5")
	w := world{t: t, b: b}
	w.apply(small)
	all := w.resolve(small)
	reader := rabbitmq.OpenReader(rabbitmq.Options{Declared: all})
	mine := resources.NewAddr("queue", "midaz-test", "mine")
	if observe(t, reader, all)[mine].Presence != resources.Present {
		t.Fatal("the queue is not there")
	}
	b.do(t, http.MethodDelete, "/api/queues/midaz-test/mine", "")
	if observe(t, reader, all)[mine].Presence != resources.Absent {
		t.Error("the second observation shows the first")
	}
}

// TestFreeIsNoOrphan: the ledger names "/" once it was declared, and still it
// is nobody's to remove.
func TestFreeIsNoOrphan(t *testing.T) {
	b := fakeTarget(t, "4.0.5")
	w := world{t: t, b: b}
	w.apply("  vhosts: { /: { description: ours } }\n")
	all := w.resolve("")
	for a := range observe(t, rabbitmq.OpenReader(rabbitmq.Options{Declared: all}), all) {
		if a.Kind != "broker" {
			t.Errorf("%s shows as the stack's", a)
		}
	}
}

func TestLimitOfMinusOneIsNone(t *testing.T) {
	onEach(t, func(t *testing.T, b *target) {
		w := world{t: t, b: b}
		w.apply("  vhosts: { midaz-test: }\n")
		b.do(t, http.MethodPut, "/api/vhost-limits/midaz-test/max-queues", `{"value":-1}`)
		all := w.resolve("  vhosts: { midaz-test: { limits: { max_queues: 5 } } }\n")
		seen := observe(t, rabbitmq.OpenReader(rabbitmq.Options{Declared: all}), all)
		if o := seen[resources.NewAddr("vhost-limit", "midaz-test")]; o.Presence != resources.Absent {
			t.Errorf("got %+v", o)
		}
		w.apply("  vhosts: { midaz-test: { limits: { max_queues: 5 } } }\n")
		w.settled("  vhosts: { midaz-test: { limits: { max_queues: 5 } } }\n")
	})
}

// TestOneTopicPermissionGoes, and the user's others stay.
func TestOneTopicPermissionGoes(t *testing.T) {
	onEach(t, func(t *testing.T, b *target) {
		w := world{t: t, b: b}
		const one = "  users: { midaz-test: { password: w } }\n" + inVhost +
			"      exchanges: { x: { type: topic }, y: { type: topic } }\n      topic_permissions: { midaz-test: { x: { write: '', read: '' } } }\n"
		const two = "  users: { midaz-test: { password: w } }\n" + inVhost +
			"      exchanges: { x: { type: topic }, y: { type: topic } }\n      topic_permissions: { midaz-test: { x: { write: '', read: '' }, " +
			"y: { write: '', read: '' } } }\n"
		w.apply(two)
		equal(t, w.apply(one), []string{"delete topic-permission/midaz-test/midaz-test/y"})
		w.settled(one)
	})
}

// TestLookAgainMayBeRepeated: a broker that is away for a moment during a run
// is asked again by the engine; one that is away for a plan is not.
func TestLookAgainMayBeRepeated(t *testing.T) {
	b := fakeTarget(t, "4.0.5")
	all, _ := declare(t, b.head()+small)
	b.fake.Close()
	reader := rabbitmq.OpenReader(rabbitmq.Options{Declared: all}).Readers()["queue"]
	for _, owned := range []bool{false, true} {
		_, err := reader.Observe(context.Background(), resources.Scope{Stack: stack, Want: all.Of("queue"), Owned: owned})
		if resources.IsTransient(err) == owned {
			t.Errorf("owned %v: %v", owned, err)
		}
	}
}

// TestDefaultQueueTypeGoesBack when it is declared no more; 4.0 would keep it.
func TestDefaultQueueTypeGoesBack(t *testing.T) {
	onEach(t, func(t *testing.T, b *target) {
		if !b.since(t, "3.12") {
			t.Skip("needs RabbitMQ 3.12")
		}
		w := world{t: t, b: b}
		w.apply("  vhosts: { midaz-test: { default_queue_type: quorum } }\n")
		equal(t, w.apply("  vhosts: { midaz-test: }\n"), []string{"update vhost/midaz-test"})
		if got := b.do(t, http.MethodGet, "/api/vhosts/midaz-test", "").(map[string]any)["default_queue_type"]; got != "classic" {
			t.Errorf("it is %v", got)
		}
	})
}

// TestLedgerIsWrittenWhenItChanges, and not otherwise.
func TestLedgerIsWrittenWhenItChanges(t *testing.T) {
	b := fakeTarget(t, "4.0.5")
	w := world{t: t, b: b}
	w.apply(whole)
	all := w.resolve(whole)
	b.fake.ResetCalls()
	claimer := rabbitmq.Open(rabbitmq.Options{Declared: all}).Writers()["user"].(resources.Claimed).Claimer()
	if err := claimer.Claim(t.Context(), stack, all.Resources, nil); err != nil {
		t.Fatal(err)
	}
	if err := claimer.Release(t.Context(), stack, all.Resources,
		[]resources.Addr{resources.NewAddr("queue", "v", "never-there")}); err != nil {
		t.Fatal(err)
	}
	if writes := b.fake.Writes(); len(writes) > 0 {
		t.Errorf("wrote %q", writes)
	}
	if err := claimer.Release(t.Context(), stack, nil, []resources.Addr{resources.NewAddr("vhost-limit", "midaz-test/a b")}); err != nil {
		t.Fatal(err)
	}
	equal(t, b.fake.Writes(), []string{"PUT /api/global-parameters/midaz.midaz-test"})
}
