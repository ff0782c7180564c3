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

// A run that is killed at any call is finished by the next one, or taken back by
// it, when the spec was meanwhile.
func TestMigration_killed_must_be_finished(t *testing.T) {
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
	killed := 0
	for n, k := 0, 1; ; n, k = n+1, k+step {
		s.write("midaz.infra.yaml", migrating(b, forms[(n+1)%len(forms)]))
		ended := s.killedAt(b.Proxy, k)
		if ended {
			break
		}
		killed++
		if n%3 == 2 {
			s.write("midaz.infra.yaml", migrating(b, forms[n%len(forms)]))
		}
		s.apply()
		if left := b.helpers(s.name); len(left) > 0 {
			t.Fatalf("killed at call %d: left: %v", k, left)
		}
		if got := b.bindings(s.name, "work.queue"); got != 4 {
			t.Fatalf("killed at call %d: %d bindings", k, got)
		}
		s.converged()
		t.Logf("killed at call %d: %s", k, l.count())
	}
	for everything() && l.sent() < 20000 {
		time.Sleep(10 * time.Millisecond)
	}
	c := l.end()
	t.Logf("killed %d times: %s", killed, c)
	if c.lost > 0 || len(c.refused) > 0 {
		t.Errorf("%s\n%s", c, strings.Join(c.refused, "\n"))
	}
	if killed < 5 {
		t.Errorf("killed only %d times", killed)
	}
}

// killedAt applies and kills midaz when the k-th call since its first write has
// been answered, which it does not see. It reports whether the run ended before.
func (s *stack) killedAt(p *proxy.Proxy, k int) (ended bool) {
	s.t.Helper()
	p.Reset()
	runs := make(chan *process, 1)
	began, hit := 0, false
	p.Inject(func(c proxy.Call) *proxy.Fault {
		if began == 0 && c.W == 0 {
			return nil // still planning
		}
		if began == 0 {
			began = c.N
		}
		if c.N-began+1 != k {
			return nil
		}
		hit = true
		return &proxy.Fault{When: proxy.After, What: proxy.Reset, Do: func() {
			select {
			case run := <-runs:
				_ = run.Process.Signal(syscall.SIGKILL)
			case <-time.After(5 * time.Second):
			}
		}}
	})
	run := s.start("apply", "-auto-approve")
	runs <- run
	r := run.end()
	p.Inject(nil)
	if !hit && r.code != 0 {
		s.t.Fatalf("%s", r)
	}
	return !hit
}
