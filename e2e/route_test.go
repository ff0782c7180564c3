//go:build e2e

package e2e

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	// perTopology messages go through the same random topology, with other keys,
	// headers and exchanges: making a queue costs the broker more than all the rest.
	perTopology = 4
	// perImport topologies are made with one call.
	perImport = 25
)

// routeTopologies is how many random topologies are compared: 75 take some ten
// seconds, and `make routes` asks for 1,000 by MIDAZ_ROUTES.
func routeTopologies(t *testing.T) int {
	t.Helper()
	text := cmp.Or(os.Getenv("MIDAZ_ROUTES"), "75")
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("MIDAZ_ROUTES=%s: it must be how many", text)
	}
	return n
}

// TestRouteAgreesWithBroker: what route tells is what a broker does, for random
// topologies, keys and headers, and once more when every message is rejected
// where it arrived.
func TestRouteAgreesWithBroker(t *testing.T) {
	s := newStack(t, "")
	b := newRouteBroker(t, s)
	random := rand.New(rand.NewPCG(4, 7))
	cases := routeTopologies(t) * perTopology
	all := make([]*randomTopology, cases)
	for i := range all {
		if i%perTopology == 0 {
			all[i] = newRandomTopology(random, i)
		} else {
			same := *all[i-1]
			all[i] = &same
		}
		all[i].message(random)
	}
	b.define(all)
	told := tellAll(t, s, all)
	b.publish(all, told)

	want, then := map[delivery]int{}, map[delivery]int{}
	refused, lost := 0, 0
	for i, r := range told {
		if r.Refused != "" {
			refused++
			continue
		}
		if len(r.Queues) == 0 {
			lost++
		}
		for _, q := range r.Queues {
			want[delivery{i, q}]++
		}
		for _, d := range r.Rejected {
			for _, q := range d.Queues {
				then[delivery{i, q}]++
			}
		}
	}
	t.Logf("%d topologies, %d messages: %d deliveries, %d dead letters, %d messages to no queue, %d refused", cases/perTopology, cases,
		len(want), len(then), lost, refused)
	if len(want) < cases/2 || len(then) < cases/10 || lost < cases/20 || refused < cases/200 {
		t.Error("the random topologies have become too dull to tell anything")
	}
	b.compare("published", want, all, told)
	b.compare("rejected", then, all, told)
}

// delivery is a message of a topology in a queue.
type delivery struct {
	topology int
	queue    string
}

// randomTopology is some exchanges and queues whose names begin with its
// number, and a message.
type randomTopology struct {
	prefix    string
	Exchanges []map[string]any
	Queues    []map[string]any
	Bindings  []map[string]any
	Policies  []map[string]any
	exchange  string
	key       string
	headers   map[string]any
}

func pick[V any](r *rand.Rand, all ...V) V { return all[r.IntN(len(all))] }

func newRandomTopology(r *rand.Rand, n int) *randomTopology {
	x := &randomTopology{prefix: fmt.Sprintf("t%d.", n)}
	exchange := func() string { return fmt.Sprintf("%sx%d", x.prefix, r.IntN(4)) }
	queue := func() string { return fmt.Sprintf("%sq%d", x.prefix, r.IntN(4)) }
	anywhere := func() string { return pick(r, exchange(), exchange(), exchange(), x.prefix+"none") }
	for i := range 4 {
		arguments := map[string]any{}
		if r.IntN(5) == 0 {
			arguments["alternate-exchange"] = anywhere()
		}
		x.Exchanges = append(x.Exchanges, map[string]any{"name": fmt.Sprintf("%sx%d", x.prefix, i), "vhost": "/", "durable": true,
			"auto_delete": false,
			"type":        pick(r, "direct", "topic", "topic", "fanout", "headers", "headers"), "internal": i > 0 && r.IntN(8) == 0,
			"arguments": arguments})
		arguments = map[string]any{}
		if r.IntN(3) == 0 {
			arguments["x-dead-letter-exchange"] = pick(r, anywhere(), "")
			if r.IntN(2) == 0 {
				arguments["x-dead-letter-routing-key"] = pick(r, randomKey(r, false), queue())
			}
		}
		x.Queues = append(x.Queues, map[string]any{"name": fmt.Sprintf("%sq%d", x.prefix, i), "vhost": "/", "durable": true, "auto_delete": false,
			"arguments": arguments})
	}
	seen := map[string]bool{}
	for range 4 + r.IntN(6) {
		b := map[string]any{"vhost": "/", "source": exchange(), "destination": queue(), "destination_type": "queue",
			"routing_key": randomKey(r, true), "arguments": map[string]any{}}
		if r.IntN(3) == 0 {
			b["destination"], b["destination_type"] = exchange(), "exchange"
		}
		if r.IntN(2) == 0 {
			b["arguments"] = randomMatch(r)
			b["routing_key"] = ""
		}
		if id := fmt.Sprint(b); !seen[id] {
			seen[id] = true
			x.Bindings = append(x.Bindings, b)
		}
	}
	for i := range r.IntN(3) {
		definition := map[string]any{"alternate-exchange": anywhere(), "dead-letter-exchange": anywhere()}
		if r.IntN(2) == 0 {
			definition["dead-letter-routing-key"] = randomKey(r, false)
		}
		delete(definition, pick(r, "alternate-exchange", "dead-letter-exchange", "nothing"))
		x.Policies = append(x.Policies, map[string]any{"name": fmt.Sprintf("%sp%d", x.prefix, i), "vhost": "/", "priority": i,
			"definition": definition,
			"pattern":    "^" + strings.ReplaceAll(x.prefix, ".", "\\.") + pick(r, "", "x", "q", "[xq]1$", "[xq][0-2]"),
			"apply-to":   pick(r, "all", "queues", "exchanges")})
	}
	return x
}

// message makes a random message.
func (x *randomTopology) message(r *rand.Rand) {
	exchange, queue := fmt.Sprintf("%sx%d", x.prefix, r.IntN(4)), fmt.Sprintf("%sq%d", x.prefix, r.IntN(4))
	x.exchange, x.key, x.headers = pick(r, exchange, exchange, exchange, exchange, ""), randomKey(r, false), map[string]any{}
	if x.exchange == "" && r.IntN(3) > 0 {
		x.key = queue
	}
	for _, k := range []string{"h1", "h2", "x-h3"} {
		if r.IntN(2) == 0 {
			x.headers[k] = randomValue(r)
		}
	}
}

// randomKey is a routing key, or with pattern one for a binding.
func randomKey(r *rand.Rand, pattern bool) string {
	words := []string{"a", "b", ""}
	if pattern {
		words = append(words, "*", "#", "*", "#")
	}
	key := make([]string, r.IntN(4))
	for i := range key {
		key[i] = pick(r, words...)
	}
	return strings.Join(key, ".")
}

func randomValue(r *rand.Rand) any { return pick[any](r, "1", "v", int64(1), 1.5, true, false) }

func randomMatch(r *rand.Rand) map[string]any {
	out := map[string]any{}
	if mode := pick(r, "", "all", "any", "all-with-x", "any-with-x"); mode != "" {
		out["x-match"] = mode
	}
	for _, k := range []string{"h1", "h2", "x-h3", "x-first-death-reason"} {
		if r.IntN(3) == 0 {
			out[k] = randomValue(r)
		}
		if k == "x-first-death-reason" && out[k] != nil {
			out[k] = pick(r, "rejected", "expired")
		}
	}
	return out
}

// spec is the topology in midaz's form. JSON is YAML.
func (x *randomTopology) spec() []byte {
	vhost := map[string]any{}
	for section, rows := range map[string][]map[string]any{"exchanges": x.Exchanges, "queues": x.Queues, "policies": x.Policies} {
		m := map[string]any{}
		for _, r := range rows {
			fields := maps.Clone(r)
			delete(fields, "name")
			delete(fields, "vhost")
			if to, ok := fields["apply-to"]; ok {
				delete(fields, "apply-to")
				fields["apply_to"] = to
			}
			m[r["name"].(string)] = fields
		}
		vhost[section] = m
	}
	bindings := []any{}
	for _, r := range x.Bindings {
		bindings = append(bindings, map[string]any{"source": r["source"], r["destination_type"].(string): r["destination"],
			"routing_key": r["routing_key"], "arguments": r["arguments"]})
	}
	vhost["bindings"] = bindings
	data, err := json.MarshalIndent(map[string]any{"version": "1", "stack": "t", "rabbitmq": map[string]any{"url": "http://localhost:15672",
		"vhosts": map[string]any{"/": vhost}}}, "", " ")
	if err != nil {
		panic(err)
	}
	return []byte(strings.ReplaceAll(string(data), "$", "$$"))
}

// toldRoute is what route says, as far as it matters here.
type toldRoute struct {
	Refused  string   `json:"refused"`
	Queues   []string `json:"queues"`
	Maybe    []string `json:"maybe_queues"`
	Rejected []struct {
		Queue  string   `json:"queue"`
		Queues []string `json:"queues"`
	} `json:"rejected"`
}

// tellAll asks midaz about the message of each topology.
func tellAll(t *testing.T, s *stack, all []*randomTopology) []toldRoute {
	t.Helper()
	out, errs := make([]toldRoute, len(all)), make([]error, len(all))
	var wg sync.WaitGroup
	next := make(chan int)
	for range runtime.NumCPU() {
		wg.Go(func() {
			for i := range next {
				out[i], errs[i] = tell(s, all[i], i)
			}
		})
	}
	for i := range all {
		next <- i
	}
	close(next)
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return out
}

func tell(s *stack, x *randomTopology, i int) (r toldRoute, err error) {
	file := filepath.Join(s.dir, fmt.Sprintf("t%d.yaml", i))
	if err := os.WriteFile(file, x.spec(), 0o600); err != nil {
		return r, err
	}
	args := []string{"route", "-json", "-f", file}
	for _, k := range slices.Sorted(maps.Keys(x.headers)) {
		v := x.headers[k]
		if text, ok := v.(string); ok {
			v = fmt.Sprintf("%q", text)
		}
		args = append(args, "-header", fmt.Sprintf("%s=%v", k, v))
	}
	command := exec.Command(binary, append(args, "--", x.exchange, x.key)...)
	command.Env = s.env
	data, err := command.Output()
	if status := command.ProcessState.ExitCode(); status != 0 && status != 2 {
		var e *exec.ExitError
		if errors.As(err, &e) {
			err = fmt.Errorf("%w\n%s", err, e.Stderr)
		}
		return r, fmt.Errorf("topology %d: %w\n%s", i, err, x.spec())
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("topology %d: %w", i, err)
	}
	if len(r.Maybe) > 0 {
		return r, fmt.Errorf("topology %d: unsure about %v", i, r.Maybe)
	}
	return r, nil
}

// routeBroker is a broker to publish to.
type routeBroker struct {
	*broker
	conn *amqp.Connection
}

func newRouteBroker(t *testing.T, s *stack) *routeBroker {
	t.Helper()
	b := &routeBroker{broker: newBroker(t, s)}
	eventually(t, time.Minute, func() (err error) {
		b.conn, err = amqp.Dial(fmt.Sprintf("amqp://%s:%s@%s/", brokerUser, brokerPassword, b.amqp))
		return err
	})
	t.Cleanup(func() { _ = b.conn.Close() })
	return b
}

// define makes everything, as definitions.
func (b *routeBroker) define(all []*randomTopology) {
	b.t.Helper()
	// Policies first: each one that comes makes the broker look at every queue
	// that is there.
	policies := map[string][]map[string]any{}
	for i, x := range all {
		if i%perTopology == 0 {
			policies["policies"] = append(policies["policies"], x.Policies...)
		}
	}
	b.post(policies)
	for some := range slices.Chunk(all, perImport*perTopology) {
		b.defineSome(some)
	}
}

func (b *routeBroker) defineSome(some []*randomTopology) {
	b.t.Helper()
	doc := map[string][]map[string]any{}
	for i, x := range some {
		if i%perTopology != 0 {
			continue
		}
		doc["exchanges"] = append(doc["exchanges"], x.Exchanges...)
		doc["queues"] = append(doc["queues"], x.Queues...)
		doc["bindings"] = append(doc["bindings"], x.Bindings...)
	}
	b.post(doc)
}

// post imports definitions.
func (b *routeBroker) post(doc map[string][]map[string]any) {
	b.t.Helper()
	data, err := json.Marshal(doc)
	if err != nil {
		b.t.Fatal(err)
	}
	b.call("POST", "/api/definitions", string(data))
}

// publish sends each topology's message. What route says is refused must be.
func (b *routeBroker) publish(all []*randomTopology, told []toldRoute) {
	b.t.Helper()
	ch := b.channel()
	for i, x := range all {
		if told[i].Refused == "" {
			b.send(ch, x, i)
			continue
		}
		bad := b.channel()
		closed := bad.NotifyClose(make(chan *amqp.Error, 1))
		b.send(bad, x, i)
		select {
		case err := <-closed:
			if err == nil || err.Code != amqp.AccessRefused {
				b.t.Errorf("topology %d: closed with %v", i, err)
			}
		case <-time.After(10 * time.Second):
			b.t.Errorf("topology %d: the broker did not refuse it", i)
		}
	}
	// All are routed once this one is confirmed: a channel works in order.
	if err := ch.Confirm(false); err != nil {
		b.t.Fatal(err)
	}
	c, err := ch.PublishWithDeferredConfirm("", "none", false, false, amqp.Publishing{})
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	defer cancel()
	if ok, err := c.WaitContext(ctx); !ok || err != nil {
		b.t.Fatalf("confirm: %v %v", ok, err)
	}
}

func (b *routeBroker) send(ch *amqp.Channel, x *randomTopology, i int) {
	b.t.Helper()
	headers := amqp.Table{}
	for k, v := range x.headers {
		headers[k] = v
	}
	err := ch.PublishWithContext(b.t.Context(), x.exchange, x.key, false, false, amqp.Publishing{Headers: headers, MessageId: fmt.Sprint(i),
		DeliveryMode: amqp.Persistent})
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *routeBroker) channel() *amqp.Channel {
	b.t.Helper()
	ch, err := b.conn.Channel()
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = ch.Close() })
	return ch
}

// compare takes all messages out of all queues, holds them against what was
// told, and rejects them.
func (b *routeBroker) compare(what string, want map[delivery]int, all []*randomTopology, told []toldRoute) {
	b.t.Helper()
	ch := b.channel()
	got, total := map[delivery]int{}, 0
	for _, n := range want {
		total += n
	}
	read := func() int {
		count := 0
		for i, x := range all {
			if i%perTopology != 0 {
				continue
			}
			for _, q := range x.Queues {
				for {
					m, ok, err := ch.Get(q["name"].(string), false)
					if err != nil {
						b.t.Fatal(err)
					}
					if !ok {
						break
					}
					id, err := strconv.Atoi(m.MessageId)
					if err != nil || id/perTopology != i/perTopology {
						b.t.Fatalf("queue %s holds message %q", q["name"], m.MessageId)
					}
					got[delivery{id, q["name"].(string)}]++
					count++
				}
			}
		}
		return count
	}
	// Dead letters are routed when their queue comes to it; once all that were
	// told have come, one more look finds those that were not.
	found := read()
	for deadline := time.Now().Add(20 * time.Second); found < total && time.Now().Before(deadline); {
		found += read()
	}
	found += read()
	for _, d := range slices.SortedFunc(maps.Keys(merge(got, want)), func(a, b delivery) int { return a.topology - b.topology }) {
		if got[d] != want[d] {
			x := all[d.topology]
			b.t.Errorf("%s: queue %s got %d, and midaz told %d; message to %q with key %q and headers %v\n%+v\n%s", what, d.queue, got[d], want[d],
				x.exchange, x.key, x.headers, told[d.topology], x.spec())
			break // one shows what is wrong
		}
	}
	if err := ch.Nack(uint64(found), true, false); found > 0 && err != nil {
		b.t.Fatal(err)
	}
}

func merge(a, b map[delivery]int) map[delivery]int {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}
