package rabbitmq_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq"
)

// many declares n queues, each with one binding.
func many(n int) string {
	var b strings.Builder
	b.WriteString(inVhost + "      exchanges: { x: }\n      queues:\n")
	for i := range n {
		fmt.Fprintf(&b, "        q%05d: { arguments: { x-max-priority: 5 } }\n", i)
	}
	b.WriteString("      bindings:\n")
	for i := range n {
		fmt.Fprintf(&b, "        - { source: x, queue: q%05d, routing_key: k%05d }\n", i, i)
	}
	return b.String()
}

// benchTarget is the real broker when there is one, else one in memory.
func benchTarget(b *testing.B) *target {
	if t := tryReal(b); t != nil {
		return t
	}
	return fakeTarget(b, "4.0.5")
}

// BenchmarkApply makes 1,000 queues and 1,000 bindings as the engine does: it
// looks again at each object before it writes. Compare with BenchmarkImport,
// the broker's own bulk import of the same definitions.
func BenchmarkApply(b *testing.B) {
	target := benchTarget(b)
	for _, conns := range []int{1, 4, 8, 16, 32} {
		b.Run(fmt.Sprintf("connections=%d", conns), func(b *testing.B) {
			w := world{t: b, b: target}
			all := w.resolve(many(1000))
			for b.Loop() {
				b.StopTimer()
				target.wipe(b)
				w.apply(inVhost + "      exchanges: { x: }\n")
				b.StartTimer()
				applyInParallel(b, all, conns)
			}
		})
	}
}

func applyInParallel(b *testing.B, all *resources.Declared, conns int) {
	ctx := context.Background()
	broker := rabbitmq.Open(rabbitmq.Options{Declared: all, Connections: conns})
	defer broker.Close()
	readers, writers := broker.Readers(), broker.Writers()
	claimer := writers["queue"].(resources.Claimed).Claimer()
	if err := claimer.Claim(ctx, stack, all.Resources, nil); err != nil {
		b.Fatal(err)
	}
	for _, kind := range []string{"policy", "queue", "binding"} {
		work := make(chan *resources.Resource)
		var wg sync.WaitGroup
		for range conns {
			wg.Go(func() {
				for r := range work {
					found, err := readers[kind].Observe(ctx, resources.Scope{Stack: stack, Want: []*resources.Resource{r}})
					if err != nil || found[0].Presence != resources.Absent {
						b.Errorf("%s: %v, %v", r.Addr, found, err)
						continue
					}
					if err := writers[kind].Create(ctx, r, nil); err != nil {
						b.Error(err)
					}
				}
			})
		}
		for _, r := range all.Of(kind) {
			work <- r
		}
		close(work)
		wg.Wait()
	}
	if err := claimer.Release(ctx, stack, all.Resources, nil); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkImport is the broker's own bulk import. It needs a real broker.
func BenchmarkImport(b *testing.B) {
	target := tryReal(b)
	if target == nil {
		b.Skip("MIDAZ_TEST_RABBITMQ names no broker")
	}
	type object = map[string]any
	queues, bindings := []object{}, []object{}
	for i := range 1000 {
		queues = append(queues, object{"vhost": "midaz-test", "name": fmt.Sprintf("q%05d", i), "durable": true, "auto_delete": false,
			"arguments": object{"x-max-priority": 5}})
		bindings = append(bindings, object{"vhost": "midaz-test", "source": "x", "destination": fmt.Sprintf("q%05d", i),
			"destination_type": "queue", "routing_key": fmt.Sprintf("k%05d", i), "arguments": object{}})
	}
	body, _ := json.Marshal(object{"queues": queues, "bindings": bindings})
	for b.Loop() {
		b.StopTimer()
		target.wipe(b)
		world{t: b, b: target}.apply(inVhost + "      exchanges: { x: }\n")
		b.StartTimer()
		target.do(b, http.MethodPost, "/api/definitions", string(body))
	}
}

// BenchmarkObserve reads and compares 10,000 queues and bindings that are as
// declared; BenchmarkList is the reading alone.
func BenchmarkObserve(b *testing.B) {
	all := tenThousand(b)
	b.Run("observe and compare", func(b *testing.B) {
		for b.Loop() {
			seen := observe(b, rabbitmq.OpenReader(rabbitmq.Options{Declared: all}), all)
			for _, r := range all.Resources {
				if r.Addr.Kind != "broker" && len(compare(all, r, seen[r.Addr])) > 0 {
					b.Fatal(r.Addr)
				}
			}
		}
	})
}

var sizes = 10_000

func tenThousand(b *testing.B) *resources.Declared {
	target := benchTarget(b)
	w := world{t: b, b: target}
	all := w.resolve(many(sizes))
	w.apply(inVhost + "      exchanges: { x: }\n")
	applyInParallel(b, all, 16)
	b.Run("read alone", func(b *testing.B) {
		for b.Loop() {
			for _, path := range []string{"/api/queues?disable_stats=true&columns=vhost,name,type,durable,auto_delete,exclusive,internal,arguments",
				"/api/bindings"} {
				target.do(b, http.MethodGet, path, "")
			}
		}
	})
	return all
}

// limited declares n queues, the first 500 of them with a limit of their own.
func limited(n int, limit func(i int) int) string {
	var b strings.Builder
	b.WriteString(inVhost + "      queues:\n")
	for i := range n {
		field := ""
		if i < 500 {
			field = fmt.Sprintf("{ max_length: %d }", limit(i))
		}
		fmt.Fprintf(&b, "        orders.queue.%04d: %s\n", i, field)
	}
	return b.String()
}

// BenchmarkLimits changes max_length of 500 queues among 2,000: from one value to
// another, and to 500 different ones. Queues with equal settings share a policy.
func BenchmarkLimits(b *testing.B) {
	target := benchTarget(b)
	for name, limit := range map[string]func(round, i int) int{
		"one value":  func(round, _ int) int { return 1000 + round },
		"500 values": func(round, i int) int { return 1000*(round+1) + i },
	} {
		b.Run(name, func(b *testing.B) {
			target.wipe(b)
			w := world{t: b, b: target}
			w.apply(inVhost + "      description: empty\n")
			applyInParallel(b, w.resolve(limited(2000, func(int) int { return 1 })), 16)
			round := 0
			for b.Loop() {
				round++
				if got := w.apply(limited(2000, func(i int) int {
					return limit(round,
						i)
				})); len(got) < 500 { // and the virtual host, in the first round
					b.Fatalf("%d changes", len(got))
				}
			}
		})
	}
}
