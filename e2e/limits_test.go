//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// limitCase is a change of what holds for the queues c (classic) and q (quorum) of
// a virtual host, each with twenty messages.
type limitCase struct {
	vhost, before, after string
	drops                bool
}

func limitCases() []limitCase {
	const queues = "queues: { c: { type: classic }, q: { type: quorum } }"
	limited := func(n int) string {
		return fmt.Sprintf("queues: { c: { type: classic, max_length: %[1]d }, q: { type: quorum, max_length: %[1]d } }", n)
	}
	policies := func(strict int) string {
		return fmt.Sprintf("%s, policies: { loose: { pattern: '^[cq]$', apply_to: queues, priority: 10, definition: { max-length: 100 } }, "+
			"strict: { pattern: '^[cq]$', apply_to: queues, priority: %d, definition: { max-length: 5 } } }", queues, strict)
	}
	return []limitCase{
		{"lowered", limited(100), limited(5), true},
		{"raised", limited(100), limited(50), false},
		{"priority", policies(5), policies(20), true},
		{"operator", queues, queues + ", operator_policies: { p: { pattern: ., apply_to: queues, definition: { expires: 1000 } } }", true},
		{"ttl", queues, queues + ", policies: { p: { pattern: ., apply_to: queues, definition: { message-ttl: 1000 } } }", false},
	}
}

// TestBrokerLimits: a change by which a broker drops messages is refused without
// consent, whatever resource changes, and only then.
func TestBrokerLimits(t *testing.T) {
	s := newStack(t, "")
	b := newBroker(t, s)
	s.setenv("ADMIN_PASSWORD", brokerPassword)
	spec := func(half func(limitCase) string) string {
		out := fmt.Sprintf("variables:\n  ADMIN_PASSWORD: { type: string, sensitive: true }\nrabbitmq:\n  url: http://%s\n  amqp: amqp://%s\n "+
			" management: { username: %s, password: \"${ADMIN_PASSWORD}\" }\n  vhosts:\n",
			b.address, b.amqp, brokerUser)
		for _, c := range limitCases() {
			out += fmt.Sprintf("    %s: { %s }\n", c.vhost, half(c))
		}
		return out
	}
	counts := func(vhost string) string {
		return b.call("GET", "/api/queues/"+vhost+"?disable_stats=true&enable_queue_totals=true&columns=name,messages", "")
	}
	full := func(vhost string) error {
		if text := counts(vhost); strings.Count(text, `"messages":20`) != 2 {
			return fmt.Errorf("%s: %s", vhost, text)
		}
		return nil
	}
	s.write("midaz.infra.yaml", spec(func(c limitCase) string { return c.before }))
	s.apply()
	for _, c := range limitCases() {
		for range 20 {
			for _, q := range []string{"c", "q"} {
				b.call("POST", "/api/exchanges/"+c.vhost+"/amq.default/publish", `{"properties":{"delivery_mode":2},"routing_key":"`+q+
					`","payload":"m","payload_encoding":"string"}`)
			}
		}
	}
	for _, c := range limitCases() {
		eventually(t, 20*time.Second, func() error { return full(c.vhost) })
	}
	s.write("midaz.infra.yaml", spec(func(c limitCase) string { return c.after }))
	refused := s.exits(7, "apply", "-auto-approve")
	for _, c := range limitCases() {
		named := strings.Count(refused.stdout+refused.stderr, "queue/"+c.vhost+"/c holds 20 messages") > 0
		if named != c.drops {
			t.Errorf("%s: the loss is named: %v, want %v\n%s", c.vhost, named, c.drops, refused.stdout)
		}
	}
	s.apply("-allow", "data-loss")
	for _, c := range limitCases() {
		if c.drops {
			eventually(t, 20*time.Second, func() error {
				if full(c.vhost) == nil {
					return fmt.Errorf("%s: nothing was dropped", c.vhost)
				}
				return nil
			})
		} else if err := full(c.vhost); err != nil {
			t.Errorf("dropped: %v", err)
		}
	}
}
