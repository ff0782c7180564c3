package rabbitmq_test

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/brokertest"
)

// limitRow is one change of what holds for queues that have thirty messages of
// ten bytes each. Its two halves are sections of a virtual host.
type limitRow struct {
	name          string
	before, after string
	// drops are the queues that lose messages by the change.
	drops []string
	// since is the first version that knows what the row uses.
	since string
}

const (
	classicAndQuorum = "queues: { c: { type: classic }, q: { type: quorum } }"
)

// policyRow changes the policies of a classic and a quorum queue.
func policyRow(name, before, after string, drops ...string) limitRow {
	section := func(policies string) string {
		if policies == "" {
			return classicAndQuorum
		}
		return classicAndQuorum + ", policies: { " + policies + " }"
	}
	return limitRow{name: name, before: section(before), after: section(after), drops: drops}
}

func operatorRow(name, before, after string, drops ...string) limitRow {
	r := policyRow(name, before, after, drops...)
	r.before = strings.Replace(r.before, "policies:", "operator_policies:", 1)
	r.after = strings.Replace(r.after, "policies:", "operator_policies:", 1)
	return r
}

// fieldRow changes fields of the two queues.
func fieldRow(name, before, after string, drops ...string) limitRow {
	section := func(fields string) string {
		return fmt.Sprintf("queues: { c: { type: classic%[1]s }, q: { type: quorum%[1]s } }", fields)
	}
	return limitRow{name: name, before: section(before), after: section(after), drops: drops}
}

func streamRow(name, before, after string, drops ...string) limitRow {
	r := policyRow(name, before, after, drops...)
	queues := "queues: { s: { type: stream, arguments: { x-stream-max-segment-size-bytes: 1000 } } }"
	r.before, r.after = strings.Replace(r.before, classicAndQuorum, queues, 1), strings.Replace(r.after, classicAndQuorum, queues, 1)
	return r
}

func on(name, definition, more string) string {
	return fmt.Sprintf("%s: { pattern: '^[cqs]$', apply_to: queues, definition: { %s }%s }", name, definition, more)
}

// limitRows hold on every version: whether the broker drops something is what
// decides, not which field changes.
var limitRows = []limitRow{
	policyRow("new max-length", "", on("p", "max-length: 10", ""), "c", "q"),
	policyRow("max-length 0", "", on("p", "max-length: 0", ""), "c", "q"),
	policyRow("lower max-length", on("p", "max-length: 1000", ""), on("p", "max-length: 10", ""), "c", "q"),
	policyRow("max-length above the depth", on("p", "max-length: 1000", ""), on("p", "max-length: 30", "")),
	policyRow("new max-length-bytes", "", on("p", "max-length-bytes: 50", ""), "c", "q"),
	policyRow("max-length-bytes above the depth", "", on("p", "max-length-bytes: 100000", "")),
	policyRow("reject-publish", "", on("p", "max-length: 10, overflow: reject-publish", ""), "c"),
	policyRow("reject-publish by bytes", "", on("p", "max-length-bytes: 50, overflow: reject-publish", ""), "c"),
	policyRow("reject-publish-dlx", "", on("p", "max-length: 10, overflow: reject-publish-dlx", ""), "c", "q"),
	policyRow("from reject-publish to drop-head", on("p", "max-length: 30, overflow: reject-publish", ""), on("p", "max-length: 10", ""), "c",
		"q"),
	policyRow("message-ttl", "", on("p", "message-ttl: 100", "")),
	policyRow("lower message-ttl", on("p", "message-ttl: 1000000", ""), on("p", "message-ttl: 100", "")),
	policyRow("new expires", "", on("p", "expires: 1000", ""), "c", "q"),
	policyRow("lower expires", on("p", "expires: 1000000", ""), on("p", "expires: 1000", ""), "c", "q"),
	policyRow("higher expires", on("p", "expires: 1000000", ""), on("p", "expires: 2000000", "")),
	policyRow("delivery-limit and dead-letter-exchange", "", on("p", "delivery-limit: 1, dead-letter-exchange: amq.fanout", "")),
	policyRow("limits removed", on("p", "max-length: 30", ""), ""),
	policyRow("the stricter one gains the higher priority",
		on("loose", "max-length: 1000", ", priority: 10")+", "+on("strict", "max-length: 10", ", priority: 5"),
		on("loose", "max-length: 1000", ", priority: 10")+", "+on("strict", "max-length: 10", ", priority: 20"), "c", "q"),
	policyRow("the looser one gains the higher priority",
		on("loose", "max-length: 1000", ", priority: 10")+", "+on("mid", "max-length: 30", ", priority: 15"),
		on("loose", "max-length: 1000", ", priority: 20")+", "+on("mid", "max-length: 30", ", priority: 15")),
	policyRow("a stricter one below it", on("loose", "max-length: 1000", ", priority: 10"),
		on("loose", "max-length: 1000", ", priority: 10")+", "+on("strict", "max-length: 10", ", priority: 5")),
	policyRow("the looser one is deleted",
		on("loose", "max-length: 1000", ", priority: 10")+", "+on("strict", "max-length: 10", ", priority: 5"),
		on("strict", "max-length: 10", ", priority: 5"), "c", "q"),
	policyRow("both change and nothing comes of it",
		on("a", "max-length: 1000", ", priority: 10"), on("b", "max-length: 1000", ", priority: 10")),
	policyRow("apply_to is widened",
		"p: { pattern: '^[cq]$', apply_to: exchanges, definition: { max-length: 10 } }", on("p", "max-length: 10", ""), "c", "q"),
	policyRow("apply_to of the looser one is narrowed",
		on("loose", "max-length: 1000", ", priority: 10")+", "+on("strict", "max-length: 10", ", priority: 5"),
		"loose: { pattern: '^[cq]$', apply_to: exchanges, priority: 10, definition: { max-length: 1000 } }, "+on("strict", "max-length: 10",
			", priority: 5"), "c", "q"),
	policyRow("the pattern comes to match", "p: { pattern: '^d$', apply_to: queues, definition: { max-length: 10 } }",
		"p: { pattern: '^c$', apply_to: queues, definition: { max-length: 10 } }", "c"),
	policyRow("the pattern of the looser one changes",
		on("loose", "max-length: 1000", ", priority: 10")+", "+on("strict", "max-length: 10", ", priority: 5"),
		"loose: { pattern: '^c$', apply_to: queues, priority: 10, definition: { max-length: 1000 } }, "+on("strict", "max-length: 10",
			", priority: 5"), "q"),
	operatorRow("operator policy, new max-length", "", on("p", "max-length: 10", ""), "c", "q"),
	operatorRow("operator policy, new expires", "", on("p", "expires: 1000", ""), "c", "q"),
	operatorRow("operator policy, max-length above the depth", "", on("p", "max-length: 30", "")),
	operatorRow("operator policy, message-ttl", "", on("p", "message-ttl: 100", "")),
	operatorRow("operator policy, removed", on("p", "max-length: 30", ""), ""),
	{name: "the operator policy's lower limit goes on", drops: nil,
		before: classicAndQuorum + ", policies: { " + on("p", "max-length: 1000", "") + " }, operator_policies: { " + on("p", "max-length: 30",
			"") + " }",
		after: classicAndQuorum + ", policies: { " + on("p", "max-length: 500", "") + " }, operator_policies: { " + on("p", "max-length: 30",
			"") + " }"},
	fieldRow("field max_length lowered", ", max_length: 1000", ", max_length: 10", "c", "q"),
	fieldRow("field max_length above the depth", ", max_length: 1000", ", max_length: 900"),
	fieldRow("field expires", "", ", expires: 1000", "c", "q"),
	fieldRow("field max_length_bytes", ", max_length: 1000", ", max_length: 1000, max_length_bytes: 50", "c", "q"),
	fieldRow("field message_ttl", "", ", message_ttl: 100"),
	{name: "fields removed, and a stricter policy of the spec remains", drops: []string{"c", "q"},
		before: "queues: { c: { type: classic, max_length: 1000 }, q: { type: quorum, max_length: 1000 } }, policies: { " +
			on("p", "max-length: 10", "") + " }",
		after: classicAndQuorum + ", policies: { " + on("p", "max-length: 10", "") + " }"},
	streamRow("stream, new max-length-bytes", "", on("p", "max-length-bytes: 1000", ""), "s"),
	streamRow("stream, new max-age", "", on("p", "max-age: 1s", ""), "s"),
	streamRow("stream, max-length-bytes raised", on("p", "max-length-bytes: 1000000000", ""), on("p", "max-length-bytes: 2000000000", "")),
}

const perQueue = 30

// TestLimitsDropMessages: a hazard is named exactly for the queues of which the
// broker then drops messages. Every row has a virtual host of its own, so that
// all of them wait for the broker together.
func TestLimitsDropMessages(t *testing.T) {
	onEach(t, func(t *testing.T, b *target) {
		var rows []limitRow
		for _, r := range limitRows {
			if r.since == "" || b.since(t, r.since) {
				rows = append(rows, r)
			}
		}
		spec := func(half func(limitRow) string) string {
			out := "  vhosts:\n"
			for i, r := range rows {
				out += fmt.Sprintf("    %s: { %s }\n", rowVhost(i), half(r))
			}
			return out
		}
		w := world{t: t, b: b, consent: true}
		w.apply(spec(func(r limitRow) string { return r.before }))
		fill(t, b, len(rows))
		all := w.resolve(spec(func(r limitRow) string { return r.after }))
		changes := w.plan(all)
		named := map[string][]string{}
		for _, c := range changes {
			for _, h := range dangers(all, c, changes) {
				if h.Code == resources.DataLoss {
					vhost := h.At.Parts()[0]
					named[vhost] = append(named[vhost], h.At.Parts()[1])
				}
			}
		}
		for i, r := range rows {
			if got := slices.Sorted(slices.Values(named[rowVhost(i)])); !slices.Equal(got, r.drops) {
				t.Errorf("%s: the plan names a loss in %q, want %q", r.name, got, r.drops)
			}
		}
		if err := w.carryOut(all, changes); err != nil {
			t.Fatal(err)
		}
		if b.fake != nil {
			return // it drops nothing
		}
		current := time.Now().Add(8 * time.Second) // the statistics are then
		for i, r := range rows {
			if got := b.dropped(t, rowVhost(i), len(r.drops), current); !slices.Equal(got, r.drops) {
				t.Errorf("%s: the broker dropped messages of %q, want %q", r.name, got, r.drops)
			}
		}
	})
}

// TestNothingIsDroppedUnseen: without consent a step drops nothing, also what
// came after the plan.
func TestNothingIsDroppedUnseen(t *testing.T) {
	onEach(t, func(t *testing.T, b *target) {
		for _, kind := range []string{"classic", "quorum"} {
			w := world{t: t, b: b}
			spec := func(policies string) string {
				return inVhost + "      queues: { " + kind + ": { type: " + kind + " } }\n      policies: { " + policies + " }\n"
			}
			w.apply(spec("p: { pattern: ., definition: { max-length: 1000 } }"))
			all := w.resolve(spec("p: { pattern: ., definition: { max-length: 1 } }"))
			changes := w.plan(all)
			b.publish(t, "midaz-test", kind, 3)
			err := w.carryOut(all, changes)
			if err == nil || !strings.Contains(err.Error(), "would drop messages that the plan does not show") {
				t.Errorf("%s: got %v", kind, err)
			}
			b.wipe(t)
		}
	})
}

// TestVhostWithFreshMessages: a virtual host is not deleted with messages that
// the broker's statistics do not know yet.
func TestVhostWithFreshMessages(t *testing.T) {
	onEach(t, func(t *testing.T, b *target) {
		for _, kind := range []string{"classic", "quorum", "stream"} {
			w := world{t: t, b: b}
			w.apply(inVhost + "      queues: { " + kind + ": { type: " + kind + " } }\n")
			all := w.resolve("")
			changes := slices.DeleteFunc(w.plan(all), func(c change) bool { return addrOf(c).Kind != "vhost" })
			b.publish(t, "midaz-test", kind, 3)
			err := w.carryOut(all, changes)
			if err == nil || !strings.Contains(err.Error(), "messages in its queues would be lost") {
				t.Errorf("%s: got %v", kind, err)
			}
			b.wipe(t)
		}
	})
}

func rowVhost(i int) string { return fmt.Sprintf("midaz-test-%02d", i) }

// publish puts messages of ten bytes into a queue, of a thousand into a stream,
// and does not wait until the broker has counted them.
func (b *target) publish(t testing.TB, vhost, queue string, n int) {
	t.Helper()
	if b.fake != nil {
		b.fake.Load(vhost, queue, brokertest.Counts{Ready: n})
		return
	}
	size := 1
	if queue == "s" {
		size = 100
	}
	for range n {
		b.do(t, http.MethodPost, "/api/exchanges/"+vhost+"/amq.default/publish",
			fmt.Sprintf(`{"properties":{"delivery_mode":2},"routing_key":%q,"payload":%q,"payload_encoding":"string"}`, queue,
				strings.Repeat("0123456789", size)))
	}
}

// counts returns the messages of each queue, as the statistics have them.
func (b *target) counts(t testing.TB, vhost string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, query := range []string{"?disable_stats=true&enable_queue_totals=true", "?columns=name,type,messages_ready"} {
		for _, r := range b.do(t, http.MethodGet, "/api/queues/"+vhost+query, "").([]any) {
			q := r.(map[string]any)
			if name := q["name"].(string); out[name] == "" || q["type"] == "stream" {
				out[name] = fmt.Sprint(q["messages_ready"])
			}
		}
	}
	return out
}

// segments returns how many a stream has, as the statistics have it; 3.10 does
// not say, and it has as many as it was given messages.
func (b *target) segments(t testing.TB, vhost string) int {
	t.Helper()
	n, said := b.do(t, http.MethodGet, "/api/queues/"+vhost+"/s", "").(map[string]any)["segments"]
	if !said {
		return perQueue
	}
	count, _ := strconv.Atoi(fmt.Sprint(n))
	return count
}

// fill gives every queue its messages and waits until they are counted.
func fill(t testing.TB, b *target, rows int) {
	t.Helper()
	for i := range rows {
		for q := range b.counts(t, rowVhost(i)) {
			b.publish(t, rowVhost(i), q, perQueue)
		}
	}
	deadline := time.Now().Add(time.Minute)
	for i := range rows {
		full := func() bool {
			for q, n := range b.counts(t, rowVhost(i)) {
				if got, _ := strconv.Atoi(n); q != "s" && got < perQueue || q == "s" && (got < perQueue/2 || b.segments(t, rowVhost(i)) < 2) {
					return false
				}
			}
			return true
		}
		for b.fake == nil && !full() {
			if time.Now().After(deadline) {
				t.Fatalf("the broker never counted the messages in %s: %v", rowVhost(i), b.counts(t, rowVhost(i)))
			}
			<-time.After(100 * time.Millisecond)
		}
	}
}

// dropped returns the queues that have fewer messages than they were given. It
// waits for as many as are expected, and else until the statistics are current.
func (b *target) dropped(t testing.TB, vhost string, want int, current time.Time) []string {
	t.Helper()
	for {
		var out []string
		now := b.counts(t, vhost)
		queues := []string{"c", "q"}
		if _, stream := now["s"]; stream {
			queues = []string{"s"}
		}
		for _, q := range queues {
			n, _ := strconv.Atoi(now[q])
			// A stream counts to the offset of its last chunk, so it may lack a few.
			if n < perQueue && q != "s" || n < perQueue/2 {
				out = append(out, q)
			}
		}
		if len(out) == want && want > 0 || time.Now().After(current) {
			return out
		}
		<-time.After(200 * time.Millisecond)
	}
}
