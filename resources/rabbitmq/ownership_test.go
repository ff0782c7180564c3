package rabbitmq_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq"
)

const small = `
  users: { midaz-test: { password: the-word, tags: [monitoring] } }
  vhosts:
    midaz-test:
      queues: { mine: }
`

func (b *target) ledger(t testing.TB) map[string]any {
	t.Helper()
	for _, r := range b.do(t, http.MethodGet, "/api/global-parameters", "").([]any) {
		if m := r.(map[string]any); m["name"] == "midaz."+stack {
			return m["value"].(map[string]any)
		}
	}
	return nil
}

func TestLedgerSaysWhatIsOwned(t *testing.T) {
	onEach(t, func(t *testing.T, b *target) {
		w := world{t: t, b: b}
		w.apply(small)
		objects := b.ledger(t)["objects"].(map[string]any)
		for _, a := range []string{"user/midaz-test", "vhost/midaz-test", "queue/midaz-test/mine"} {
			if objects[a] == nil {
				t.Errorf("the ledger does not name %s: %v", a, objects)
			}
		}
		if len(objects) != 3 {
			t.Errorf("the ledger names %d objects: %v", len(objects), objects)
		}
		text, _ := json.Marshal(b.ledger(t))
		hash := b.do(t, http.MethodGet, "/api/users/midaz-test", "").(map[string]any)["password_hash"].(string)
		if strings.Contains(string(text), "the-word") || strings.Contains(string(text), hash) {
			t.Error("the ledger holds the password or its hash")
		}
		w.apply("")
		if l := b.ledger(t); l != nil {
			t.Errorf("an empty ledger is left: %v", l)
		}
	})
}

// TestForeignObjects are never taken over by being declared, nor deleted.
func TestForeignObjects(t *testing.T) {
	onEach(t, func(t *testing.T, b *target) {
		w := world{t: t, b: b}
		b.do(t, http.MethodPut, "/api/vhosts/midaz-test", `{}`)
		b.do(t, http.MethodPut, "/api/queues/midaz-test/theirs", `{"durable":true}`)
		b.do(t, http.MethodPut, "/api/queues/midaz-test/mine", `{"durable":true}`)
		all := w.resolve(small)
		changes := w.plan(all)
		equal(t, names(changes), []string{"create user/midaz-test", "refuse queue/midaz-test/mine", "refuse vhost/midaz-test"})
		for _, c := range changes {
			if c.action == "refuse" && (c.have.Stack != "" || !strings.HasPrefix(c.have.Owner, "nobody midaz knows")) {
				t.Errorf("%s belongs to %q, %q", c, c.have.Stack, c.have.Owner)
			}
		}
		// Even a run that was told to make them finds out in time.
		if err := w.carryOut(all, changes); err == nil || !strings.Contains(err.Error(), "belongs to nobody midaz knows") {
			t.Errorf("got %v", err)
		}
		if objects, _ := b.ledger(t)["objects"].(map[string]any); objects["queue/midaz-test/mine"] != nil || objects["vhost/midaz-test"] != nil {
			t.Errorf("the ledger names what is not the stack's: %v", objects)
		}
		// Adopting makes them the stack's, all but the one that is not declared.
		for i := range changes {
			changes[i].action = "adopt"
		}
		if err := w.carryOut(all, changes); err != nil {
			t.Fatal(err)
		}
		w.settled(small)
		if gone := w.apply("  users: { midaz-test: { password: the-word, tags: [monitoring] } }\n  vhosts: { midaz-test: { external: true } }\n"); !slices.Equal(gone, []string{"delete queue/midaz-test/mine"}) {
			t.Errorf("got %q", gone)
		}
		if b.do(t, http.MethodGet, "/api/queues/midaz-test", "").([]any)[0].(map[string]any)["name"] != "theirs" {
			t.Error("a foreign queue was deleted")
		}
	})
}

func TestAnotherStackIsNamed(t *testing.T) {
	onEach(t, func(t *testing.T, b *target) {
		b.do(t, http.MethodPut, "/api/vhosts/midaz-test", `{}`)
		b.do(t, http.MethodPut, "/api/global-parameters/midaz.midaz-test-other",
			`{"name":"midaz.midaz-test-other","value":{"format":1,"objects":{"vhost/midaz-test":false}}}`)
		all, _ := declare(t, b.head()+"  vhosts: { midaz-test: }")
		o := observe(t, rabbitmq.OpenReader(rabbitmq.Options{Declared: all}), all)[resources.NewAddr("vhost", "midaz-test")]
		if o.Stack != "midaz-test-other" {
			t.Errorf("it belongs to %q, %q", o.Stack, o.Owner)
		}
	})
}

// TestLedgerOfAnotherCluster came with a copy of the definitions.
func TestLedgerOfAnotherCluster(t *testing.T) {
	b := fakeTarget(t, "4.0.5")
	w := world{t: t, b: b}
	w.apply(small)
	l := b.ledger(t)
	l["cluster"] = "rabbitmq-cluster-id-elsewhere"
	text, _ := json.Marshal(map[string]any{"name": "midaz." + stack, "value": l})
	b.do(t, http.MethodPut, "/api/global-parameters/midaz."+stack, string(text))
	for _, c := range w.plan(w.resolve(small)) {
		if c.action != "refuse" || !strings.Contains(c.have.Owner, "another cluster") {
			t.Errorf("%s, owner %q", c, c.have.Owner)
		}
	}
	equal(t, names(w.plan(w.resolve(""))), nil)
}

// TestMalformedLedger names nothing, and is no error: it comes from outside.
func TestMalformedLedger(t *testing.T) {
	for _, value := range []string{`"text"`, `[]`, `{"objects":[]}`, `{"objects":{"queue":1,"":2,"queue/a/b":{"fields":5,"key":"zz"}}}`,
		`{"objects":{"user/x":{"fields":{"hash":{"$hmac-sha256":1}}}}}`} {
		b := fakeTarget(t, "4.0.5")
		b.do(t, http.MethodPut, "/api/global-parameters/midaz."+stack, fmt.Sprintf(`{"value":%s}`, value))
		w := world{t: t, b: b}
		w.apply(small)
		w.settled(small)
	}
}

// TestKilledRun leaves intents and no end; the next run finishes, and knows
// drift from what was not applied yet.
func TestKilledRun(t *testing.T) {
	onEach(t, func(t *testing.T, b *target) {
		killed := world{t: t, b: b, noRelease: true}
		killed.apply(drifting)
		w := world{t: t, b: b}
		w.settled(drifting)
		b.do(t, http.MethodPut, "/api/permissions/midaz-test/midaz-test", `{"configure":"","write":"^z","read":""}`)
		b.do(t, http.MethodDelete, "/api/queues/midaz-test/q", "")
		for _, c := range w.plan(w.resolve(drifting)) {
			for _, f := range c.delta {
				if !f.Drift {
					t.Errorf("%s %s is not told as drift", c, f.Path)
				}
			}
		}
		w.apply(drifting)
		w.settled(drifting)
		// What only the killed run knew of is removed as the stack's own.
		if gone := w.apply(""); len(gone) != 7 {
			t.Errorf("removed %d of 7: %q", len(gone), gone)
		}
	})
}

// TestCreateWithoutClaim still writes down first.
func TestCreateWithoutClaim(t *testing.T) {
	b := fakeTarget(t, "4.0.5")
	world{t: t, b: b, noClaim: true, noRelease: true}.apply(small)
	if objects := b.ledger(t)["objects"].(map[string]any); len(objects) != 3 {
		t.Errorf("the ledger names %v", objects)
	}
	writes := b.fake.Writes()
	if !strings.HasPrefix(writes[0], "PUT /api/global-parameters/midaz.") {
		t.Errorf("the first write is %s", writes[0])
	}
}

func TestDefaultObjectsNeverShow(t *testing.T) {
	onEach(t, func(t *testing.T, b *target) {
		b.do(t, http.MethodPut, "/api/vhosts/midaz-test", `{}`)
		b.do(t, http.MethodPut, "/api/queues/midaz-test/seen", `{"durable":true}`)
		all, _ := declare(t, b.head())
		found, err := rabbitmq.OpenReader(rabbitmq.Options{Declared: all}).Unmanaged(context.Background(), stack)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, o := range found {
			if b.fake != nil || strings.Contains(o.Addr.Name, "midaz-test") {
				got = append(got, o.Addr.String())
			}
		}
		equal(t, got, []string{"queue/midaz-test/seen", "vhost/midaz-test"})
	})
}

// TestFreeObjects may be declared without being adopted, and stay when they no
// longer are.
func TestFreeObjects(t *testing.T) {
	b := fakeTarget(t, "4.0.5")
	w := world{t: t, b: b}
	spec := fmt.Sprintf("  users: { %s: { password: %q, tags: [administrator] } }\n  vhosts:\n    /:\n      description: ours\n      "+
		"permissions: { %s: { configure: '.*', write: '.*', read: '.*' } }\n", b.username, b.password, b.username)
	equal(t, w.apply(spec), []string{"update vhost/%2F"})
	w.settled(spec)
	equal(t, w.apply(""), nil)
	if !b.fake.Login(b.username, b.password) {
		t.Error("midaz has locked itself out")
	}
}

func TestPasswordIsNeverTouchedByTags(t *testing.T) {
	onEach(t, func(t *testing.T, b *target) {
		w := world{t: t, b: b}
		w.apply(small)
		before := b.do(t, http.MethodGet, "/api/users/midaz-test", "").(map[string]any)["password_hash"]
		equal(t, w.apply(strings.Replace(small, "[monitoring]", "[management]", 1)), []string{"update user/midaz-test"})
		after := b.do(t, http.MethodGet, "/api/users/midaz-test", "").(map[string]any)
		if after["password_hash"] != before {
			t.Error("a change of tags changed the hash")
		}
		if b.fake != nil {
			if !b.fake.Login("midaz-test", "the-word") {
				t.Error("the user cannot log in")
			}
			if strings.Contains(b.fake.Bodies(), "the-word") {
				t.Error("the password was sent in clear")
			}
		}
	})
}

// TestDeleteIsPinned leaves an object alone that is not the one planned for.
func TestDeleteIsPinned(t *testing.T) {
	onEach(t, func(t *testing.T, b *target) {
		w := world{t: t, b: b}
		w.apply(drifting)
		all := w.resolve("")
		changes := slices.DeleteFunc(w.plan(all), func(c change) bool { return c.have.Addr.Kind != "policy" })
		b.do(t, http.MethodPut, "/api/policies/midaz-test/p", `{"pattern":"^other","definition":{"max-length":1}}`)
		if err := w.carryOut(all, changes); !errors.Is(err, resources.ErrMoved) {
			t.Errorf("got %v", err)
		}
		b.do(t, http.MethodDelete, "/api/policies/midaz-test/p", "")
		if err := w.carryOut(all, changes); err != nil {
			t.Errorf("deleting what is gone: %v", err)
		}
	})
}

// TestParameters needs the plugins rabbitmq_shovel and rabbitmq_federation.
func TestParameters(t *testing.T) {
	onEach(t, func(t *testing.T, b *target) {
		spec := func(value string) string {
			return inVhost + "      parameters:\n        federation-upstream:\n          up: { value: " + value + " }\n"
		}
		w := world{t: t, b: b}
		all := w.resolve(spec(`{ uri: "amqp://a" }`))
		if err := w.carryOut(all, w.plan(all)); err != nil && strings.Contains(err.Error(), "not found") {
			t.Skip("the plugin is off")
		} else if err != nil {
			t.Fatal(err)
		}
		w.settled(spec(`{ uri: "amqp://a" }`))
		w.settled(spec(`{ uri: ["amqp://a"] }`))
		for _, v := range []string{`{ uri: ["amqp://a", "amqp://b"] }`, `{ uri: "amqp://b", prefetch-count: 5 }`} {
			equal(t, w.apply(spec(v)), []string{"update parameter/midaz-test/federation-upstream/up"})
			w.settled(spec(v))
		}
		equal(t, w.apply(inVhost+"      description: d\n"), []string{"delete parameter/midaz-test/federation-upstream/up",
			"update vhost/midaz-test"})
	})
}

// TestParametersOfEachComponent sets, changes and removes what each plugin has.
func TestParametersOfEachComponent(t *testing.T) {
	onEach(t, func(t *testing.T, b *target) {
		for _, c := range []struct{ component, name, one, other string }{
			{"federation-upstream", "up/ é#", `{ uri: "amqp://a", ack-mode: on-confirm, max-hops: 2 }`,
				`{ uri: "amqp://a", ack-mode: on-publish, expires: 3600000 }`},
			{"federation-upstream-set", "both %", `[ { upstream: a }, { upstream: b, max-hops: 3 } ]`, `[ { upstream: b } ]`},
			{"shovel", "copy/@", `{ src-protocol: amqp091, src-uri: "amqp://", src-queue: a, dest-protocol: amqp091, dest-uri: "amqp://", dest-queue: b, reconnect-delay: 60 }`,
				`{ src-protocol: amqp091, src-uri: ["amqp://"], src-queue: a, dest-protocol: amqp091, dest-uri: "amqp://", dest-exchange: c, ack-mode: on-confirm }`},
		} {
			t.Run(c.component, func(t *testing.T) {
				spec := func(value string) string {
					return fmt.Sprintf(inVhost+"      parameters: { %s: { %q: { value: %s } } }\n", c.component, c.name, value)
				}
				address := resources.NewAddr("parameter", "midaz-test", c.component, c.name).String()
				w := world{t: t, b: b}
				t.Cleanup(func() { world{t: t, b: b}.apply("") })
				all := w.resolve(spec(c.one))
				if err := w.carryOut(all, w.plan(all)); err != nil && strings.Contains(err.Error(), "not found") {
					t.Skip("the plugin is off")
				} else if err != nil {
					t.Fatal(err)
				}
				w.settled(spec(c.one))
				equal(t, w.apply(spec(c.other)), []string{"update " + address})
				w.settled(spec(c.other))
				b.do(t, http.MethodDelete, "/api/parameters/"+c.component+"/midaz-test/"+url.PathEscape(c.name), "")
				equal(t, w.apply(spec(c.other)), []string{"create " + address})
				equal(t, w.apply(inVhost+"      description: d\n"), []string{"delete " + address, "update vhost/midaz-test"})
			})
		}
	})
}

// TestRecordOfWhatIsGone: a run that was killed has deleted a queue, but not
// its entry in the ledger. The next one clears that; otherwise a queue that
// somebody else makes under the name would count as the stack's.
func TestRecordOfWhatIsGone(t *testing.T) {
	onEach(t, func(t *testing.T, b *target) {
		w := world{t: t, b: b}
		w.apply(small)
		b.do(t, http.MethodDelete, "/api/queues/midaz-test/mine", "")
		without := strings.Replace(small, "queues: { mine: }", "queues: {}", 1)
		changes := w.plan(w.resolve(without))
		equal(t, names(changes), []string{"delete queue/midaz-test/mine"})
		b.do(t, http.MethodPut, "/api/queues/midaz-test/mine", `{"durable":true}`)
		if err := w.carryOut(w.resolve(without), changes); !errors.Is(err, resources.ErrMoved) {
			t.Errorf("a queue that was made since: %v", err)
		}
		b.do(t, http.MethodDelete, "/api/queues/midaz-test/mine", "")
		w.apply(without)
		if objects := b.ledger(t)["objects"].(map[string]any); objects["queue/midaz-test/mine"] != nil {
			t.Errorf("the ledger still names it: %v", objects)
		}
		equal(t, names(w.plan(w.resolve(without))), nil)
	})
}
