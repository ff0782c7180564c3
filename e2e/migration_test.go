//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/LerianStudio/midaz-infra/e2e/proxy"
)

// migrating is a stack with one queue, whose line is given.
func migrating(b *broker, queue string) string {
	return fmt.Sprintf(`
		variables:
		  ADMIN_PASSWORD: { type: string, sensitive: true }
		rabbitmq:
		  url: http://%s
		  amqp: amqp://%s
		  management: { username: %s, password: "${ADMIN_PASSWORD}", timeout: 5s }
		  vhosts:
		    STACK:
		      exchanges: { work: { type: topic }, all: { type: fanout } }
		      queues:
		        work.queue: { %s }
		        audit: { type: classic }
		      bindings:
		        - { source: work, queue: work.queue, routing_key: a.key }
		        - { source: work, queue: work.queue, routing_key: "a.#" }
		        - { source: work, exchange: all, routing_key: "#" }
		        - { source: all, queue: work.queue }
		`, b.address, b.amqp, brokerUser, queue)
}

// forms are what the queue is turned into, one after the other.
var forms = []string{
	"type: classic, migration: fast",
	"type: quorum, migration: fast",
	"type: quorum, migration: fast, arguments: { x-delivery-limit: 50 }",
	"type: classic, migration: fast, arguments: { x-max-priority: 5 }",
}

// everything asks for all kill points and 20,000 messages.
func everything() bool { return os.Getenv("MIDAZ_MIGRATION") == "all" }

func (b *broker) helpers(vhost string) []string {
	b.t.Helper()
	var out []string
	for _, kind := range []string{"exchanges", "queues", "policies"} {
		for _, name := range b.names("/api/" + kind + "/" + vhost) {
			if strings.HasPrefix(name, "midaz-migration.") {
				out = append(out, kind+"/"+name)
			}
		}
	}
	return out
}

// bindings returns what leads to the queue.
func (b *broker) bindings(vhost, queue string) int {
	b.t.Helper()
	var rows []map[string]any
	if err := json.Unmarshal([]byte(b.call("GET", "/api/queues/"+vhost+"/"+queue+"/bindings", "")), &rows); err != nil {
		b.t.Fatal(err)
	}
	return len(rows)
}

// A queue changes under load, and not one message is lost or doubled.
func TestMigration_must_lose_nothing(t *testing.T) {
	s := newStack(t, "")
	b := newBroker(t, s)
	s.setenv("ADMIN_PASSWORD", brokerPassword)
	s.write("midaz.infra.yaml", migrating(b, forms[0]))
	s.apply()
	b.call("POST", "/api/bindings/"+s.name+"/e/work/q/work.queue", `{"routing_key":"of.another","arguments":{}}`)
	l := newLoad(t, b.amqp, s.name, "work", "a.key", "work.queue", 2*time.Millisecond)
	rounds, messages := 2, 3000
	if everything() {
		rounds, messages = 3, 20000
	}
	for n := range rounds * len(forms) {
		form := forms[(n+1)%len(forms)]
		if n == 1 {
			form = strings.Replace(form, "fast", "safe", 1)
		}
		s.write("midaz.infra.yaml", migrating(b, form))
		r := s.apply()
		r.says("migrated", "work.queue")
		t.Logf("%s: %v, so far: %s", form, r.took.Round(time.Millisecond), l.count())
		s.converged()
	}
	for l.sent() < messages {
		time.Sleep(10 * time.Millisecond)
	}
	c := l.end()
	t.Log(c)
	if c.lost > 0 || c.twice > 0 || len(c.refused) > 0 || c.retried > 0 {
		t.Errorf("%s\n%s", c, strings.Join(c.refused, "\n"))
	}
	if left := b.helpers(s.name); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if n := b.bindings(s.name, "work.queue"); n != 5 { // one is the default exchange's, one of another
		t.Errorf("%d bindings", n)
	}
	// Only what is under way in the very moment of the switch back can be overtaken.
	if migrated := rounds * len(forms); c.late > migrated {
		t.Errorf("%d out of order after %d migrations", c.late, migrated)
	}
	// The second migration is a safe one.
	if fast := slices.Delete(slices.Clone(c.gaps), 1, 2); len(fast) > 0 {
		slices.Sort(fast)
		t.Logf("fast: consumers got nothing for %v at least, %v in the middle, %v at most", fast[0], fast[len(fast)/2], fast[len(fast)-1])
	}
}

// Who publishes to the default exchange is held while the queue is gone, so that
// nothing of that is lost either; and is let go when midaz is killed meanwhile.
func TestMigration_must_hold_publishers(t *testing.T) {
	s := newStack(t, "")
	needDebianImage(t, brokerImage(), "rabbitmq")
	s.setenv("ADMIN_PASSWORD", brokerPassword)
	spec := func(form string) string {
		return fmt.Sprintf(`
			variables:
			  ADMIN_PASSWORD: { type: string, sensitive: true }
			services:
			  broker:
			    image: %s
			    environment: { RABBITMQ_DEFAULT_USER: %s, RABBITMQ_DEFAULT_PASS: "${ADMIN_PASSWORD}" }
			    ports: ["127.0.0.1:PORT8:5672"]
			rabbitmq:
			  service: broker
			  management: { username: %s, password: "${ADMIN_PASSWORD}" }
			  vhosts:
			    STACK:
			      queues:
			        work.queue: { %s, pause_publishers: true }
			`, brokerImage(), brokerUser, brokerUser, form)
	}
	s.write("midaz.infra.yaml", spec(forms[0]))
	s.apply()
	l := newLoad(t, fmt.Sprintf("127.0.0.1:%d", s.port("PORT8")), s.name, "", "work.queue", "work.queue", 2*time.Millisecond)
	migrated := 2
	if everything() {
		migrated = 5 * len(forms)
	}
	for n := range migrated {
		form := forms[(n+1)%len(forms)]
		if n == 2 {
			form = strings.Replace(form, "fast", "safe", 1)
		}
		s.write("midaz.infra.yaml", spec(form))
		s.exits(0, "plan").says("every publisher of the broker waits").saysNot("publishes to the default exchange")
		r := s.apply()
		t.Logf("%s: %v, so far: %s", form, r.took.Round(time.Millisecond), l.count())
		s.converged()
	}
	if everything() {
		holdAndKill(t, s, l, spec("type: classic, migration: safe, arguments: { x-max-priority: 7 }"))
	}
	c := l.end()
	t.Log(c)
	if c.lost > 0 || c.twice > 0 || c.late > 0 || len(c.refused) > 0 || c.retried > 0 {
		t.Errorf("%s\n%s", c, strings.Join(c.refused, "\n"))
	}
}

// holdAndKill kills midaz while it holds publishers, who must go on at once, and
// has the next run finish what it began.
func holdAndKill(t *testing.T, s *stack, l *load, spec string) {
	s.write("midaz.infra.yaml", spec)
	run := s.start("apply", "-auto-approve")
	eventually(t, time.Minute, func() error {
		for sent, still := l.sent(), 0; still < 10; still++ {
			time.Sleep(30 * time.Millisecond)
			if l.sent() != sent {
				return errors.New("publishers are not held")
			}
		}
		return nil
	})
	_ = run.Process.Signal(syscall.SIGKILL)
	run.end()
	held := l.sent()
	eventually(t, 5*time.Second, func() error {
		if l.sent() < held+10 {
			return errors.New("publishers are held by nobody")
		}
		return nil
	})
	s.apply()
	s.converged()
}

// An exchange changes under load: publishers see an error and publish again, and
// whatever was confirmed arrives.
func TestMigration_of_an_exchange_must_lose_nothing(t *testing.T) {
	s := newStack(t, "")
	b := newBroker(t, s)
	s.setenv("ADMIN_PASSWORD", brokerPassword)
	spec := migrating(b, forms[0])
	s.write("midaz.infra.yaml", spec)
	s.apply()
	b.call("POST", "/api/bindings/"+s.name+"/e/work/q/work.queue", `{"routing_key":"of.another","arguments":{}}`)
	l := newLoad(t, b.amqp, s.name, "work", "a.key", "work.queue", 2*time.Millisecond)
	for n := range 6 {
		to := []string{"work: { type: direct }", "work: { type: topic }"}[n%2]
		s.write("midaz.infra.yaml", strings.Replace(spec, "work: { type: topic }", to, 1))
		s.apply()
		s.converged()
	}
	c := l.end()
	t.Log(c)
	if c.lost > 0 || c.twice > 0 || len(c.refused) > 0 {
		t.Errorf("%s\n%s", c, strings.Join(c.refused, "\n"))
	}
	if left := b.helpers(s.name); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if n := b.bindings(s.name, "work.queue"); n != 5 {
		t.Errorf("%d bindings", n)
	}
}

// A migration that is broken off at any call, in whatever way, is finished by
// the next run, or taken back by it, when the spec was meanwhile.
func TestMigration_broken_off_must_be_finished(t *testing.T) {
	s := newStack(t, "")
	b := newBroker(t, s)
	s.setenv("ADMIN_PASSWORD", brokerPassword)
	s.write("midaz.infra.yaml", migrating(b, forms[0]))
	s.apply()
	l := newLoad(t, b.amqp, s.name, "work", "a.key", "work.queue", 2*time.Millisecond)
	step := 7
	if everything() {
		step = 1
	}
	n, survived := 0, 0
	for k := 1; ; k += step {
		before := n
		for fault := range faults {
			if !everything() && faults[fault].name != "kill after" {
				continue
			}
			s.write("midaz.infra.yaml", migrating(b, forms[(n+1)%len(forms)]))
			hit, r := s.strikeAfterFirstWrite(b.Proxy, fault, k)
			if hit.N == 0 {
				continue
			}
			n++
			if r.code == 0 {
				survived++
			} else if n%3 == 0 {
				s.write("midaz.infra.yaml", migrating(b, forms[(n+len(forms)-1)%len(forms)]))
			}
			s.apply()
			what := fmt.Sprintf("%s at call %d, %s", faults[fault].name, k, hit)
			if left := b.helpers(s.name); len(left) > 0 {
				t.Fatalf("%s: left: %v", what, left)
			}
			if got := b.bindings(s.name, "work.queue"); got != 4 {
				t.Fatalf("%s: %d bindings", what, got)
			}
			s.converged()
			if c := l.count(); c.lost > 100 { // more than what is under way
				t.Fatalf("%s: %s", what, c)
			}
		}
		if n == before {
			break
		}
	}
	for everything() && l.sent() < 20000 {
		time.Sleep(10 * time.Millisecond)
	}
	c := l.end()
	t.Logf("broken off %d times, %d of them survived at once: %s", n, survived, c)
	if c.lost > 0 || len(c.refused) > 0 {
		t.Errorf("%s\n%s", c, strings.Join(c.refused, "\n"))
	}
	if n < 5 {
		t.Errorf("broken off only %d times", n)
	}
}

// strikeAfterFirstWrite applies with a fault at the k-th call since the first one
// that writes.
func (s *stack) strikeAfterFirstWrite(p *proxy.Proxy, fault, k int) (proxy.Call, *result) {
	s.t.Helper()
	p.Reset()
	began := 0
	hit, r := s.strike(p, fault, func(c proxy.Call) bool {
		if began == 0 && c.W > 0 {
			began = c.N
		}
		return began > 0 && c.N-began+1 == k
	}, "apply", "-auto-approve")
	if hit.N == 0 && r.code != 0 {
		s.t.Fatalf("%s", r)
	}
	return hit, r
}

// The connection that messages are moved through breaks anywhere, and the next
// run moves the rest.
func TestMigration_cut_off_must_lose_nothing(t *testing.T) {
	const messages = 3000
	s := newStack(t, "")
	b := newBroker(t, s)
	s.setenv("ADMIN_PASSWORD", brokerPassword)
	wire := newWire(t, b.amqp)
	through := *b
	through.amqp = wire.address
	s.write("midaz.infra.yaml", migrating(&through, forms[0]))
	s.apply()
	l := newBacklog(t, b.amqp, s.name, "work", "a.key", "work.queue", messages)
	parts := 5
	if everything() {
		parts = 50
	}
	s.write("midaz.infra.yaml", migrating(&through, forms[1]))
	s.apply()
	whole := wire.passed.Load()
	cut := 0
	for n := range parts {
		s.write("midaz.infra.yaml", migrating(&through, forms[(n+2)%len(forms)]))
		wire.cutAfter(whole * int64(n+1) / int64(parts+1))
		if r := s.midaz("apply", "-auto-approve"); r.code != 0 {
			cut++
			s.apply()
		}
		s.converged()
		if left := b.helpers(s.name); len(left) > 0 {
			t.Fatalf("cut after %d of %d bytes: left: %v", whole*int64(n+1)/int64(parts+1), whole, left)
		}
	}
	l.startConsumer()
	c := l.end()
	t.Logf("cut off %d times: %s", cut, c)
	if c.lost > 0 || len(c.refused) > 0 {
		t.Errorf("%s\n%s", c, strings.Join(c.refused, "\n"))
	}
	if c.twice > cut*500 { // what is on its way when the connection breaks
		t.Errorf("%d messages are there twice", c.twice)
	}
	if cut < parts/2 {
		t.Errorf("cut off only %d times of %d", cut, parts)
	}
}
