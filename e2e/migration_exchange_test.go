//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// An exchange that cannot be replaced without losing what is published meanwhile is
// not, and the plan or the run says why.
func TestMigration_of_an_exchange_must_be_refused(t *testing.T) {
	s := newStack(t, "")
	b := newBroker(t, s)
	s.setenv("ADMIN_PASSWORD", brokerPassword)
	rows := []struct {
		name, around string
		code         int
		says         string
		before       func(vhost string)
	}{
		{"alternate exchange in its arguments", "exchanges: { work: { type: TYPE, alternate_exchange: other }, other: { type: fanout } }, " +
			"queues: { q: { type: classic } }", 7, "goes to its alternate exchange other", nil},
		{"target of dead letters", "exchanges: { work: { type: TYPE } }, queues: { q: { type: classic, dead_letter_exchange: work } }", 7,
			"dead-letters to it", nil},
		{"alternate of another", "exchanges: { work: { type: TYPE }, other: { type: fanout, alternate_exchange: work } }, queues: { q: { " +
			"type: classic } }", 7, "sends to it", nil},
		{"policy that cannot be overridden", "exchanges: { work: { type: TYPE } }, queues: { q: { type: classic } }", 3, "lower priority",
			func(vhost string) {
				b.call("PUT", "/api/policies/"+vhost+"/all",
					`{"pattern":".*","apply-to":"exchanges","priority":9007199254740991,"definition":{"alternate-exchange":"amq.fanout"}}`)
			}},
	}
	spec := func(n int, kind string) string {
		return fmt.Sprintf(`
			version: "1"
			stack: STACK-%d
			variables: { ADMIN_PASSWORD: { type: string, sensitive: true } }
			rabbitmq:
			  url: http://%s
			  amqp: amqp://%s
			  management: { username: %s, password: "${ADMIN_PASSWORD}" }
			  vhosts:
			    STACK-%d: { %s, bindings: [{ source: work, queue: q, routing_key: k }] }
			`, n, b.address, b.amqp, brokerUser, n, strings.Replace(rows[n].around, "TYPE", kind, 1))
	}
	for n, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			outer := s.t
			s.t, b.t = t, t
			defer func() { s.t, b.t = outer, outer }()
			vhost := fmt.Sprintf("%s-%d", s.name, n)
			s.write("midaz.infra.yaml", spec(n, "direct"))
			s.apply()
			if row.before != nil {
				row.before(vhost)
			}
			s.write("midaz.infra.yaml", spec(n, "topic"))
			s.exits(row.code, "apply", "-auto-approve").says(row.says)
			if left := b.helpers(vhost); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
			if x := b.call("GET", "/api/exchanges/"+vhost+"/work", ""); !strings.Contains(x, `"type":"direct"`) {
				t.Errorf("the exchange is another: %s", x)
			}
		})
	}
}
