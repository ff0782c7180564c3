//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// crossing is one migration of a queue q that holds messages, in a virtual host
// of its own.
type crossing struct {
	name string
	// from and to are the queue's line before and after; around is what else the
	// virtual host has.
	from, to, around string
	messages         int
	message          amqp.Publishing
	// before prepares the broker once the first spec is applied.
	before func(b *broker, vhost string)
	// refused is what the plan or the apply says instead of migrating; allow
	// consents to what it says.
	refused string
	code    int
	allow   string
	// kept is how many messages are in q and dlq together at the end.
	kept int
}

const deadLetters = `
	      exchanges: { dlx: { type: fanout } }
	      bindings: [{ source: dlx, queue: dlq }]
	      policies: { dead: { pattern: "^q$", apply_to: queues, definition: { dead-letter-exchange: dlx } } }`

func operatorPolicy(definition string) func(b *broker, vhost string) {
	return func(b *broker, vhost string) {
		b.call("PUT", "/api/operator-policies/"+vhost+"/guard", `{"pattern":".*","apply-to":"classic_queues","definition":`+definition+`}`)
	}
}

var crossings = []crossing{
	{name: "operator max-length", from: "type: quorum", to: "type: quorum, arguments: { x-single-active-consumer: true }", messages: 200,
		kept:   200,
		before: operatorPolicy(`{"max-length":10}`)},
	{name: "operator message-ttl", from: "type: quorum", to: "type: quorum, arguments: { x-single-active-consumer: true }", messages: 200,
		kept:   200,
		before: operatorPolicy(`{"message-ttl":1}`)},
	{name: "operator expires", from: "type: quorum", to: "type: quorum, arguments: { x-single-active-consumer: true }", messages: 200,
		kept:   200,
		before: operatorPolicy(`{"expires":1}`)},
	{name: "operator for the new type", from: "type: quorum", to: "type: classic", messages: 50, kept: 50,
		before: operatorPolicy(`{"max-length":10}`), code: 7, refused: "max-length"},
	{name: "policy that cannot be overridden", from: "type: classic", to: "type: quorum", messages: 50, kept: 50, code: 3,
		refused: "lower priority",
		before: func(b *broker, vhost string) {
			b.call("PUT", "/api/policies/"+vhost+"/all",
				`{"pattern":".*","apply-to":"queues","priority":9007199254740991,"definition":{"max-length":1000}}`)
		}},
	{name: "own time to live, dead-lettered", from: "type: quorum", to: "type: quorum, arguments: { x-single-active-consumer: true }",
		around:   deadLetters,
		messages: 50, message: amqp.Publishing{Expiration: "300"}, kept: 50},
	{name: "lower limit", from: "type: classic", to: "type: classic, arguments: { x-max-length: 10 }", messages: 50, kept: 50, code: 7,
		refused: "max-length 10"},
	{name: "lower limit, allowed", from: "type: classic", to: "type: classic, arguments: { x-max-length: 10 }", messages: 50, kept: 10,
		allow: "data-loss"},
	{name: "lower limit, dead-lettered, allowed", from: "type: classic", to: "type: classic, arguments: { x-max-length: 10 }",
		around: deadLetters, messages: 50, kept: 50, allow: "data-loss"},
	{name: "limit that it fits", from: "type: classic", to: "type: classic, arguments: { x-max-length: 50 }", messages: 50, kept: 50},
	{name: "lower limit that rejects", from: "type: classic", to: "type: quorum, arguments: { x-max-length: 10, x-overflow: reject-publish }",
		messages: 50, kept: 50, code: 7, refused: "rejects what is beyond"},
	{name: "fewer bytes", from: "type: classic", to: "type: classic, arguments: { x-max-length-bytes: 10 }", messages: 50, kept: 50, code: 7,
		refused: "max-length-bytes 10"},
	{name: "time to live", from: "type: classic", to: "type: classic, arguments: { x-message-ttl: 100 }", messages: 50, kept: 50, code: 7,
		refused: "message-ttl"},
	{name: "priorities", from: "type: classic, arguments: { x-max-priority: 5 }", to: "type: quorum", messages: 50,
		message: amqp.Publishing{Priority: 3}, kept: 50},
	{name: "few deliveries", from: "type: quorum, arguments: { x-delivery-limit: 0 }", to: "type: classic", messages: 200, kept: 200},
	{name: "deletes itself", from: "type: classic, auto_delete: true", to: "type: classic", messages: 50, kept: 50},
	{name: "not durable", from: "type: classic, durable: false", to: "type: quorum", messages: 50,
		message: amqp.Publishing{DeliveryMode: amqp.Transient}, kept: 50},
	{name: "into a stream", from: "type: classic", to: "type: stream", messages: 50, kept: 50},
	{name: "out of a stream", from: "type: stream", to: "type: classic", messages: 50, kept: 50, code: 7,
		refused: "a stream keeps what was read"},
}

func (c crossing) spec(b *broker, queue string) string {
	dlq, around := "", strings.TrimPrefix(c.around, "\n")
	if around != "" {
		dlq = ", dlq: { type: classic }"
		around = strings.ReplaceAll(around, "\t", "")
	}
	return fmt.Sprintf(`
variables: { ADMIN_PASSWORD: { sensitive: true } }
rabbitmq:
  url: http://%s
  amqp: amqp://%s
  management: { username: %s, password: "${ADMIN_PASSWORD}" }
  vhosts:
    VHOST:
      queues: { q: { %s, migration: fast }%s }
%s
`, b.address, b.amqp, brokerUser, queue, dlq, around)
}

// Whatever applies to the queues that hold messages meanwhile, and whatever limits
// the new queue: all messages are there after a migration, or it is refused and
// they are where they were.
func TestMigration_must_keep_or_refuse(t *testing.T) {
	if os.Getenv("MIDAZ_MIGRATION") == "" {
		t.Skip("make migration runs it: it takes minutes")
	}
	s := newStack(t, "")
	b := newBroker(t, s)
	s.setenv("ADMIN_PASSWORD", brokerPassword)
	spec := func(n int, queue string) string {
		vhost := fmt.Sprintf("%s-%d", s.name, n)
		return "version: \"1\"\nstack: " + vhost + "\n" + strings.ReplaceAll(crossings[n].spec(b, queue), "VHOST", vhost)
	}
	for n, c := range crossings {
		vhost := fmt.Sprintf("%s-%d", s.name, n)
		s.write("midaz.infra.yaml", spec(n, c.from))
		s.apply()
		if c.before != nil {
			c.before(b, vhost)
		}
		if c.message.Expiration == "" {
			fill(t, b, vhost, c.messages, c.message)
		}
	}
	countedAll(t, b, s.name)
	for n, c := range crossings {
		t.Run(c.name, func(t *testing.T) {
			outer := s.t
			s.t, b.t = t, t
			defer func() { s.t, b.t = outer, outer }()
			vhost := fmt.Sprintf("%s-%d", s.name, n)
			if c.message.Expiration != "" {
				fill(t, b, vhost, c.messages, c.message)
			}
			s.write("midaz.infra.yaml", spec(n, c.to))
			args := []string{"apply", "-auto-approve"}
			if c.allow != "" {
				s.exits(7, args...)
				args = append(args, "-allow", c.allow)
			}
			r := s.exits(c.code, args...)
			if c.refused != "" {
				r.says(c.refused)
			}
			eventually(t, 15*time.Second, func() error {
				sum := ready(t, b, vhost, "q")
				if c.around != "" {
					sum += ready(t, b, vhost, "dlq")
				}
				if sum != c.kept {
					return fmt.Errorf("%d messages are there, want %d", sum, c.kept)
				}
				return nil
			})
			if left := b.helpers(vhost); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
			for _, name := range b.names("/api/operator-policies/" + vhost) {
				if name != "guard" {
					t.Errorf("left: operator policy %s", name)
				}
			}
		})
	}
}

// countedAll waits until the broker's statistics, on which a plan is made, know of
// every message.
func countedAll(t *testing.T, b *broker, prefix string) {
	t.Helper()
	eventually(t, time.Minute, func() error {
		for n, c := range crossings {
			if c.message.Expiration != "" {
				continue
			}
			answer := b.call("GET", fmt.Sprintf("/api/queues/%s-%d/q?columns=messages,message_bytes", prefix, n), "")
			if !strings.Contains(answer, fmt.Sprintf(`"messages":%d`, c.messages)) {
				return fmt.Errorf("%s: %s", c.name, answer)
			}
		}
		return nil
	})
}

func openChannel(t *testing.T, b *broker, vhost string) *amqp.Channel {
	t.Helper()
	conn, err := amqp.DialConfig("amqp://"+b.amqp,
		amqp.Config{SASL: []amqp.Authentication{&amqp.PlainAuth{Username: brokerUser, Password: brokerPassword}}, Vhost: vhost})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

// fill publishes to q, not through the default exchange.
func fill(t *testing.T, b *broker, vhost string, messages int, message amqp.Publishing) {
	t.Helper()
	ch := openChannel(t, b, vhost)
	if err := errors.Join(ch.QueueBind("q", "q", "amq.direct", false, nil), ch.Confirm(false)); err != nil {
		t.Fatal(err)
	}
	if message.DeliveryMode == 0 {
		message.DeliveryMode = amqp.Persistent
	}
	message.Body = []byte("a message of some bytes")
	var last *amqp.DeferredConfirmation
	for range messages {
		var err error
		if last, err = ch.PublishWithDeferredConfirm("amq.direct", "q", false, false, message); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if _, err := last.WaitContext(ctx); err != nil {
		t.Fatal(err)
	}
}

func ready(t *testing.T, b *broker, vhost, queue string) int {
	t.Helper()
	q, err := openChannel(t, b, vhost).QueueDeclarePassive(queue, true, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	return q.Messages
}
