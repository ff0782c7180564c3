package rabbitmq

import (
	"fmt"
	"slices"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/routing"
)

// Some settings make the broker drop messages the moment they come into force,
// whatever brings them there: a policy that is created or changed, a looser one
// that is deleted, a priority, a pattern, an operator policy, or the arguments of
// a queue that is replaced. What follows compares what holds for each queue
// before and after, and says what would be dropped. Measured on 3.10, 4.0, and
// 4.3; see TestLimitsDropMessages.

// limits are the settings in force for a queue that can drop messages.
// message-ttl is not one of them: it holds for what is published afterward.
type limits struct {
	length, bytes, expires int64 // unlimited when negative
	age, overflow          string
	deadLetter             bool
}

func inForce(e routing.Effective) limits {
	l := limits{length: unlimited, bytes: unlimited, expires: unlimited}
	for _, s := range e.Settings {
		n, isNumber := s.Value.(int64)
		text, _ := s.Value.(string)
		switch {
		case s.Key == "max-length" && isNumber:
			l.length = n
		case s.Key == "max-length-bytes" && isNumber:
			l.bytes = n
		case s.Key == "expires" && isNumber:
			l.expires = n
		case s.Key == "max-age":
			l.age = text
		case s.Key == "overflow":
			l.overflow = text
		case s.Key == "dead-letter-exchange":
			l.deadLetter = true
		}
	}
	return l
}

// tighter reports whether the limit after drops more than the one before.
func tighter(after, before int64) bool {
	return after >= 0 && (before < 0 || after < before)
}

// held is a queue that is there, with what it holds.
type held struct {
	routing.Queue
	addr resources.Addr
	// ready and unacked are counts of messages.
	ready, unacked int64
	// bytes of the messages that are ready, consumers, and the segments of a
	// stream; -1 where that was not asked or the broker does not say.
	bytes, consumers, segments int64
}

func seeHeld(r row) *held {
	q := &held{addr: resources.NewAddr(queueName, r.text("vhost"), r.text("name")), bytes: -1, consumers: -1, segments: -1,
		Queue: routing.Queue{Name: r.text("name"), Type: cmpText(r.text("type"), "classic"), Arguments: r.object("arguments")}}
	q.ready, _ = r.number("messages_ready")
	q.unacked, _ = r.number("messages_unacknowledged")
	return q
}

func (q *held) messages() int64 { return q.ready + q.unacked }

// detail adds what only the full statistics have: of a stream also its messages.
func (q *held) detail(r row) {
	if n, ok := r.number("messages"); ok && q.Type == "stream" {
		q.ready = max(q.ready, n)
	}
	for key, to := range map[string]*int64{"message_bytes_ready": &q.bytes, "consumers": &q.consumers, "segments": &q.segments} {
		if n, ok := r.number(key); ok {
			*to = n
		}
	}
}

// drops says what the queue would lose when its limits change from before to
// after, "" for nothing.
func (q *held) drops(before, after limits) string {
	if q.messages() == 0 {
		return ""
	}
	if q.Type == "stream" {
		return q.dropsSegments(before, after)
	}
	if text := q.dropsBeyond(before, after); text != "" {
		return text
	}
	if tighter(after.expires, before.expires) && q.consumers <= 0 {
		return fmt.Sprintf("all of them would be lost with the queue, which the broker deletes when no one uses it for expires %d ms",
			after.expires)
	}
	return ""
}

func (q *held) dropsBeyond(before, after limits) string {
	// A quorum queue that rejects what is too much keeps what it has.
	keeps := func(l limits) bool { return q.Type == "quorum" && l.overflow == "reject-publish" }
	if keeps(after) {
		return ""
	}
	kept := keeps(before)
	fate := "dropped"
	if after.deadLetter {
		fate = "dead-lettered, or dropped where nothing takes them,"
	}
	if (kept || tighter(after.length, before.length)) && after.length >= 0 && q.ready > after.length {
		return fmt.Sprintf("those beyond max-length %d would be %s at once", after.length, fate)
	}
	if (kept || tighter(after.bytes, before.bytes)) && after.bytes >= 0 && q.ready > 0 && (q.bytes < 0 || q.bytes > after.bytes) {
		return fmt.Sprintf("those beyond max-length-bytes %d would be %s at once", after.bytes, fate)
	}
	return ""
}

// dropsSegments: a stream drops whole segments, and never the last one.
func (q *held) dropsSegments(before, after limits) string {
	switch {
	case q.segments == 1:
		return ""
	case tighter(after.bytes, before.bytes):
		return fmt.Sprintf("those beyond max-length-bytes %d would be dropped at once", after.bytes)
	case after.age != "" && after.age != before.age && (before.age == "" || ageSeconds(after.age) < ageSeconds(before.age)):
		return fmt.Sprintf("those older than max-age %s would be dropped at once", after.age)
	}
	return ""
}

// ageSeconds reads an age such as 7D; 0 for one that cannot be read.
func ageSeconds(age string) int64 {
	var n int64
	var unit string
	if _, err := fmt.Sscanf(age, "%d%1s", &n, &unit); err != nil {
		return 0
	}
	return n * map[string]int64{"s": 1, "m": 60, "h": 3600, "D": 86400, "M": 30 * 86400, "Y": 365 * 86400}[unit]
}

// reach is what policies reach in one virtual host: every queue that is there,
// and every policy.
type reach struct {
	queues             []*held
	policies, operator []*routing.Policy
}

// vhost returns what holds with the policies.
func (r *reach) vhost() *routing.Vhost {
	return routing.Make(routing.Vhost{Policies: slices.Clone(r.policies), Operator: slices.Clone(r.operator)})
}

// loss is what one queue would lose.
type loss struct {
	queue *held
	text  string
	// policies are those that hold before and after, both kinds.
	after, before []resources.Addr
}

// losses compares what holds for a queue before and after; is describes the
// queue as it will be. Where several outcomes are possible each is tried.
func (q *held) losses(vhost string, before, after *routing.Vhost, is *routing.Queue) *loss {
	was := before.Possible(&q.Queue)
	will := after.Possible(is)
	known := map[limits]bool{}
	for _, e := range was {
		known[inForce(e)] = true
	}
	for _, e := range will {
		now := inForce(e)
		if known[now] {
			continue
		}
		for _, old := range was {
			if text := q.drops(inForce(old), now); text != "" {
				return &loss{queue: q, text: text, after: holders(vhost, e), before: holders(vhost, old)}
			}
		}
	}
	return nil
}

// tightened reports whether the queue could lose anything, whatever it holds.
func (q *held) tightened(before, after *routing.Vhost) bool {
	full := *q
	full.ready, full.bytes, full.consumers, full.segments = 1<<62, -1, -1, -1
	return full.losses("", before, after, &full.Queue) != nil
}

// holders are the policies that hold.
func holders(vhost string, e routing.Effective) []resources.Addr {
	var out []resources.Addr
	if p := e.Policy.Policy; p != nil {
		out = append(out, resources.NewAddr(policyName, vhost, p.Name))
	}
	if p := e.Operator.Policy; p != nil {
		out = append(out, resources.NewAddr(operatorPolicyName, vhost, p.Name))
	}
	return out
}

// hazard puts the loss into words.
func (l *loss) hazard() resources.Hazard {
	return resources.Hazard{Code: resources.DataLoss, At: l.queue.addr,
		Msg: fmt.Sprintf("%s holds %s; %s", l.queue.addr, plural(l.queue.messages(), "message"), l.text)}
}
