//go:build e2e

package e2e

import (
	"fmt"
	"testing"
)

// A broker that is replaced under another host name is another node, which starts
// empty. That needs consent, and the same run makes the topology again. Under the same
// name all of it comes along, and looking again says nothing.
func TestBroker_replaced_must_have_its_topology(t *testing.T) {
	s := newStack(t, "")
	needDebianImage(t, brokerImage(), "rabbitmq")
	s.setenv("ADMIN_PASSWORD", brokerPassword)
	s.setenv("WORKER_PASSWORD", "the-workers-password")
	spec := func(hostname, extra, queues string) string {
		return fmt.Sprintf(`
			variables:
			  ADMIN_PASSWORD: { type: string, sensitive: true }
			  WORKER_PASSWORD: { type: string, sensitive: true }
			services:
			  broker:
			    image: %s%s
			    environment: { RABBITMQ_DEFAULT_USER: %s, RABBITMQ_DEFAULT_PASS: "${ADMIN_PASSWORD}"%s }
			    ports: ["127.0.0.1:PORT9:15672"]
			    volumes: ["data:/var/lib/rabbitmq"]
			volumes: { data: { protect: false } }
			rabbitmq:
			  service: broker
			  management: { username: %s, password: "${ADMIN_PASSWORD}" }
			  users: { worker: { password: "${WORKER_PASSWORD}" } }
			  vhosts:
			    orders:
			      permissions: { worker: { configure: "", write: ".*", read: ".*" } }
			      exchanges: { new: { type: topic } }
			      queues: { %s }
			      bindings: [{ source: new, queue: held, routing_key: "#" }]
			`, brokerImage(), hostname, brokerUser, extra, brokerUser, queues)
	}
	const named = "\n\t\t\t    hostname: rabbit"
	s.write("midaz.infra.yaml", spec("", "", "held: { type: quorum }, gone: { type: classic }"))
	s.apply()
	s.converged()
	b := &broker{t: t, base: fmt.Sprintf("http://127.0.0.1:%d", s.port("PORT9"))}
	b.call("POST", "/api/exchanges/orders/new/publish",
		`{"properties":{"delivery_mode":2},"routing_key":"k","payload":"m","payload_encoding":"string"}`)
	// Together with a queue that changes and one that leaves the spec.
	s.write("midaz.infra.yaml", spec(named, ", ROUND: \"2\"", "held: { type: quorum, max_length: 5 }"))
	s.exits(7, "apply", "-auto-approve").says("the name of the node changes", "replaced by one that starts empty")
	s.apply("-allow", "data-loss")
	s.converged()
	s.exits(0, "drift")
	s.write("midaz.infra.yaml", spec(named, ", ROUND: \"3\"", "held: { type: quorum, max_length: 5 }"))
	s.apply().says("1 added, 0 changed, 1 destroyed").saysNot("queue/orders/held")
	s.converged()
}
