package rabbitmq_test

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq"
)

const mineAddr = "queue/midaz-test/mine"

// seenMine observes the queue of small, with what is remembered beside the broker.
func (w world) seenMine(made map[resources.Addr]bool) *resources.Observed {
	w.t.Helper()
	all := w.resolve(small)
	b := rabbitmq.OpenReader(rabbitmq.Options{Declared: all, Made: func(context.Context) map[resources.Addr]bool { return made }})
	a, err := resources.ParseAddr(mineAddr)
	if err != nil {
		w.t.Fatal(err)
	}
	return observe(w.t, b, all)[a]
}

// TestLostLedgerIsDrift: whatever became of the list on the broker, what the
// stack made there is told from what was never applied.
func TestLostLedgerIsDrift(t *testing.T) {
	a, _ := resources.ParseAddr(mineAddr)
	made := map[resources.Addr]bool{a: true}
	for name, lose := range map[string]func(t *testing.T, b *target){
		"removed": func(t *testing.T, b *target) {
			b.do(t, http.MethodDelete, "/api/global-parameters/midaz."+stack, "")
		},
		"damaged": func(t *testing.T, b *target) {
			b.do(t, http.MethodPut, "/api/global-parameters/midaz."+stack, `{"value":[]}`)
		},
		"of another cluster": func(t *testing.T, b *target) {
			b.do(t, http.MethodPut, "/api/global-parameters/internal_cluster_id", `{"value":"another"}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := fakeTarget(t, "4.0.5")
			w := world{t: t, b: b}
			w.apply(small)
			lose(t, b)
			if o := w.seenMine(made); o.Gone == "" || o.Stack == stack {
				t.Errorf("it is there, and nothing says that the record of it is lost: %+v", o)
			}
			b.do(t, http.MethodDelete, "/api/queues/midaz-test/mine", "")
			if o := w.seenMine(made); o.Presence != resources.Absent || o.Gone == "" {
				t.Errorf("it was removed, and that is not told: %+v", o)
			}
			if o := w.seenMine(nil); name != "of another cluster" && o.Gone != "" {
				t.Errorf("a stack that was never applied has lost something: %+v", o)
			}
		})
	}
}

// TestLedgerAsListsOfPairs: rabbitmqctl exports the ledger with its maps as lists
// of pairs, and imports it so.
func TestLedgerAsListsOfPairs(t *testing.T) {
	b := fakeTarget(t, "4.0.5")
	w := world{t: t, b: b}
	w.apply(small)
	body, err := json.Marshal(map[string]any{"value": pairs(b.ledger(t))})
	if err != nil {
		t.Fatal(err)
	}
	b.do(t, http.MethodPut, "/api/global-parameters/midaz."+stack, string(body))
	w.settled(small)
}

func pairs(v any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	out := []any{}
	for k, e := range m {
		out = append(out, []any{k, pairs(e)})
	}
	return out
}

// TestExternalIsLeftOutOfTheLedger: what is declared external is no longer
// recorded as the stack's, and is not touched.
func TestExternalIsLeftOutOfTheLedger(t *testing.T) {
	b := fakeTarget(t, "4.0.5")
	w := world{t: t, b: b}
	w.apply(small)
	all := w.resolve("\n  users: { midaz-test: { external: true } }\n  vhosts: { midaz-test: { queues: { mine: } } }\n")
	writers := rabbitmq.Open(rabbitmq.Options{Declared: all}).Writers()
	b.fake.ResetCalls()
	if err := writers["queue"].(resources.Claimed).Claimer().Release(context.Background(), stack, all.Resources, nil); err != nil {
		t.Fatal(err)
	}
	objects := b.ledger(t)["objects"].(map[string]any)
	if objects["user/midaz-test"] != nil || objects["vhost/midaz-test"] == nil || objects[mineAddr] == nil {
		t.Errorf("the ledger names %v", objects)
	}
	equal(t, b.fake.Writes(), []string{"PUT /api/global-parameters/midaz." + stack})
}
