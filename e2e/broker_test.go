//go:build e2e

package e2e

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/go-connections/nat"

	"github.com/LerianStudio/midaz-infra/e2e/proxy"
)

// broker is a RabbitMQ of nobody's stack, with a recording proxy before its
// management API.
type broker struct {
	t         *testing.T
	container string // its name
	base      string // of the API, not through the proxy
	amqp      string // host and port where it speaks AMQP
	*proxy.Proxy
	address string // of the proxy
}

const (
	brokerUser     = "admin"
	brokerPassword = "the-administrators-password"
)

// brokerImage is what brokers run from: MIDAZ_E2E_RABBITMQ, or the image that
// the stack of specs/debian.infra.yaml has.
func brokerImage() string {
	return cmp.Or(os.Getenv("MIDAZ_E2E_RABBITMQ"), "midaz-debian/rabbitmq:4.0")
}

// newBroker starts a broker, with more plugins than its image enables if they are
// named, and waits until it is ready.
func newBroker(t *testing.T, s *stack, plugins ...string) *broker {
	t.Helper()
	needDebianImage(t, brokerImage(), "rabbitmq")
	port, amqp := s.port("PORT9"), s.port("PORT8")
	var command []string
	if len(plugins) > 0 {
		enabled := strings.Join(append(plugins, "rabbitmq_management"), ",")
		command = []string{"sh", "-c", "echo '[" + enabled + "].' >/etc/rabbitmq/enabled_plugins; exec docker-entrypoint.sh rabbitmq-server"}
	}
	runContainer(t, s.name+"-broker", &container.Config{
		Image: brokerImage(),
		Env:   []string{"RABBITMQ_DEFAULT_USER=" + brokerUser, "RABBITMQ_DEFAULT_PASS=" + brokerPassword},
		Cmd:   command,
	}, &container.HostConfig{
		PortBindings: nat.PortMap{
			"15672/tcp": {{HostIP: "127.0.0.1", HostPort: fmt.Sprint(port)}},
			"5672/tcp":  {{HostIP: "127.0.0.1", HostPort: fmt.Sprint(amqp)}},
		},
	})
	b := &broker{t: t, container: s.name + "-broker", base: fmt.Sprintf("http://127.0.0.1:%d", port), amqp: fmt.Sprintf("127.0.0.1:%d", amqp)}
	b.Proxy, b.address = proxyTo(t, b.base)
	eventually(t, 2*time.Minute, func() error {
		code, body, err := b.try("GET", "/api/health/checks/virtual-hosts", "")
		if err == nil && code != 200 {
			err = fmt.Errorf("%d %s", code, body)
		}
		return err
	})
	return b
}

// proxyTo puts a proxy before an HTTP API until the scenario ends, and returns
// its address.
func proxyTo(t *testing.T, base string) (*proxy.Proxy, string) {
	t.Helper()
	p, err := proxy.New(base)
	if err != nil {
		t.Fatal(err)
	}
	address, err := p.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p, address
}

func (b *broker) try(method, path, body string) (int, string, error) {
	req, err := http.NewRequest(method, b.base+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.SetBasicAuth(brokerUser, brokerPassword)
	req.Header.Set("Content-Type", "application/json")
	client := http.Client{Timeout: 30 * time.Second}
	res, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	return res.StatusCode, string(data), err
}

// call makes a call that must succeed.
func (b *broker) call(method, path, body string) string {
	b.t.Helper()
	code, answer, err := b.try(method, path, body)
	if err != nil || code > 299 {
		b.t.Fatalf("%s %s: %d %s %v", method, path, code, answer, err)
	}
	return answer
}

// names returns the names of a list of the API, sorted.
func (b *broker) names(path string) []string {
	b.t.Helper()
	var rows []struct {
		Name string `json:"name"`
	}
	if err := json.Unmarshal([]byte(b.call("GET", path, "")), &rows); err != nil {
		b.t.Fatal(err)
	}
	var out []string
	for _, r := range rows {
		out = append(out, r.Name)
	}
	slices.Sort(out)
	return out
}

func topology(b *broker) string {
	return fmt.Sprintf(`
		variables:
		  ADMIN_PASSWORD: { type: string, sensitive: true }
		  WORKER_PASSWORD: { type: string, sensitive: true }
		rabbitmq:
		  url: http://%s
		  amqp: amqp://%s
		  management: { username: %s, password: "${ADMIN_PASSWORD}", timeout: 3s }
		  users:
		    worker: { password: "${WORKER_PASSWORD}", tags: [] }
		  vhosts:
		    STACK:
		      permissions: { worker: { configure: "", write: "^work$", read: "^work\\.queue$" } }
		      exchanges: { work: { type: direct, durable: true }, dead: { type: fanout, durable: true } }
		      queues:
		        work.queue: { type: quorum, durable: true }
		        dead.queue: { type: classic, durable: true, arguments: { x-max-length: 100 } }
		      bindings:
		        - { source: work, queue: work.queue, routing_key: a.key }
		        - { source: dead, queue: dead.queue }
		      policies:
		        dead-letter: { pattern: "^work\\.queue$", apply_to: queues, definition: { dead-letter-exchange: dead } }
		`, b.address, b.amqp, brokerUser)
}

// A broker outside the stack, one obligation after the other on the same topology.
func TestBroker_elsewhere(t *testing.T) {
	s := newStack(t, "")
	b := newBroker(t, s)
	s.write("midaz.infra.yaml", topology(b))
	s.write(".env", "ADMIN_PASSWORD="+brokerPassword+"\nWORKER_PASSWORD=the-workers-password\n")
	queues := "/api/queues/" + s.name

	t.Run("must get its topology", func(t *testing.T) {
		s.t = t
		s.apply()
		if got := b.names(queues); !slices.Equal(got, []string{"dead.queue", "work.queue"}) {
			t.Errorf("queues: %v", got)
		}
		if len(b.Writes()) == 0 {
			t.Error("the proxy saw no write")
		}
	})
	t.Run("must be read with GET only and not written again", func(t *testing.T) {
		s.t = t
		b.Reset()
		s.converged()
		s.exits(0, "drift")
		s.exits(0, "info")
		s.apply()
		readsOnly(t, b.Proxy)
	})
	t.Run("must have changes made outside named and repaired", func(t *testing.T) {
		s.t = t
		b.call("PUT", "/api/policies/"+s.name+"/dead-letter",
			`{"pattern":"^work\\.queue$","apply-to":"queues","definition":{"dead-letter-exchange":"elsewhere"}}`)
		b.call("PUT", "/api/users/worker", `{"password":"changed-outside","tags":"monitoring"}`)
		b.call("DELETE", "/api/bindings/"+s.name+"/e/work/q/work.queue/a.key", "")
		r := s.exits(2, "drift")
		r.says("policy/"+s.name+"/dead-letter", "dead-letter-exchange", "user/worker", "monitoring",
			"binding/"+s.name+"/work/queue/work.queue/a.key")
		r.saysNot("the-workers-password", "changed-outside")
		s.apply()
		s.exits(0, "drift")
		s.converged()
	})
	t.Run("must keep what another made and tell of it", func(t *testing.T) {
		s.t = t
		b.call("PUT", queues+"/of.another", `{"durable":true,"arguments":{"x-queue-type":"classic"}}`)
		var report struct {
			Drifted   bool  `json:"drifted"`
			Unmanaged []any `json:"unmanaged"`
		}
		s.exits(0, "drift", "-json").json(&report)
		if report.Drifted || len(report.Unmanaged) == 0 {
			t.Errorf("%+v", report)
		}
		s.apply()
		if got := b.names(queues); !slices.Contains(got, "of.another") {
			t.Errorf("queues: %v", got)
		}
		b.call("DELETE", queues+"/of.another", "")
	})
	t.Run("must keep a queue that got a message after the plan", func(t *testing.T) {
		s.t = t
		s.write("midaz.infra.yaml", strings.Replace(topology(b), "queues:\n", "queues:\n\t\t        gone: { type: quorum }\n", 1))
		s.apply()
		s.write("midaz.infra.yaml", topology(b))
		s.exits(0, "plan", "-out", "plan.midaz").says("queue/" + s.name + "/gone")
		// The broker's statistics know nothing of it for some seconds.
		b.call("POST", "/api/exchanges/"+s.name+"/amq.default/publish",
			`{"properties":{},"routing_key":"gone","payload":"x","payload_encoding":"string"}`)
		s.exits(3, "apply", "plan.midaz").says("came into use after the plan was made", "1 message")
		if got := b.names(queues); !slices.Contains(got, "gone") {
			t.Errorf("queues: %v", got)
		}
		b.call("DELETE", queues+"/gone", "")
		s.apply()
	})
	t.Run("must refuse a wrong password with what to do", func(t *testing.T) {
		s.t = t
		b.Reset()
		for _, args := range [][]string{{"plan"}, {"apply", "-auto-approve"}, {"drift"}} {
			r := s.exits(1, append(args, "-var", "ADMIN_PASSWORD=guessed-wrongly")...)
			r.says("management.username|management.password", "401|refused|not authori[sz]ed|login").saysNot("guessed-wrongly")
		}
		readsOnly(t, b.Proxy)
	})
	t.Run("must tell that it cannot be reached", func(t *testing.T) {
		s.t = t
		s.write("midaz.infra.yaml", strings.Replace(topology(b), b.address, "127.0.0.1:1", 1))
		// It may only be starting, so that its gate waits; when that is over it has failed.
		s.exits(4, "apply", "-auto-approve").says(`127\.0\.0\.1:1`, "broker/", "refused")
		s.write("midaz.infra.yaml", topology(b))
	})
	t.Run("must lose on destroy what the stack made and nothing else", func(t *testing.T) {
		s.t = t
		b.call("PUT", "/api/vhosts/another", "")
		b.call("PUT", "/api/users/another", `{"password":"x","tags":""}`)
		s.exits(0, "destroy", "-auto-approve")
		if got := b.names("/api/vhosts"); !slices.Equal(got, []string{"/", "another"}) {
			t.Errorf("vhosts: %v", got)
		}
		if got := b.names("/api/users"); !slices.Equal(got, []string{brokerUser, "another"}) {
			t.Errorf("users: %v", got)
		}
		if got := b.names("/api/global-parameters"); slices.ContainsFunc(got, func(n string) bool { return strings.Contains(n, s.name) }) {
			t.Errorf("global parameters: %v", got)
		}
	})
	s.t = t
}

// loaded is what a broker loads at its start: of some exchanges it never learns
// whether they delete themselves, and reports "undefined" for good.
const loaded = `{
	"users": [{"name": "loaded", "password_hash": "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR", "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": "management"}],
	"vhosts": [{"name": "/"}],
	"permissions": [{"user": "loaded", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}],
	"exchanges": [{"name": "said.less", "vhost": "/", "type": "direct", "durable": true}, {"name": "said/é #", "vhost": "/", "type": "topic", "durable": true, "auto_delete": false, "internal": false, "arguments": {}}],
	"queues": [{"name": "lost", "vhost": "/", "durable": true, "auto_delete": false, "arguments": {"x-message-ttl": 604800000, "x-max-length": 10000}}, {"name": "work %", "vhost": "/", "durable": true, "auto_delete": false, "arguments": {"x-dead-letter-exchange": "said.less"}}],
	"bindings": [
		{"source": "said.less", "vhost": "/", "destination": "lost", "destination_type": "queue", "routing_key": "a", "arguments": {}},
		{"source": "said/é #", "vhost": "/", "destination": "work %", "destination_type": "queue", "routing_key": "b.*", "arguments": {}}
	]
}`

// A definitions file that the broker has loaded itself is taken over without a
// write to what it says; applied to an empty broker it makes all of it; and the
// plan is empty each time. MIDAZ_TEST_DEFINITIONS names one more file.
func TestBroker_must_take_over_definitions(t *testing.T) {
	s := newStack(t, "")
	b := newBroker(t, s)
	s.setenv("ADMIN", brokerPassword)
	files := map[string]string{"ours": loaded}
	if path := os.Getenv("MIDAZ_TEST_DEFINITIONS"); path != "" {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files["of the environment"] = string(data)
	}
	for name, file := range files {
		t.Run(name, func(t *testing.T) {
			s.t, b.t = t, t
			s.write("definitions.json", file)
			s.exits(0, "import", "definitions", "definitions.json", "-url", "http://"+b.address, "-stack", s.name, "-out", "imported.yaml", "-force")
			s.write("login.yaml", fmt.Sprintf(`
				version: "1"
				variables: { ADMIN: { type: string, sensitive: true } }
				rabbitmq: { management: { username: %s, password: "${ADMIN}" } }
				`, brokerUser))
			with := func(args ...string) []string { return append(args, "-f", "imported.yaml", "-f", "login.yaml") }
			b.call("POST", "/api/definitions", file)
			if rows := b.call("GET", "/api/exchanges", ""); !strings.Contains(rows, `"auto_delete":"undefined"`) &&
				!strings.HasSuffix(brokerImage(), ":4.3") { // 4.3 takes it for false
				t.Errorf("the broker knows whether its exchanges delete themselves: %s", rows)
			}
			b.Reset()
			s.exits(0, with("apply", "-auto-approve", "-adopt", "*")...).says("0 added", "0 destroyed")
			for _, w := range b.Writes() {
				if !strings.Contains(w.Path, "/api/global-parameters/midaz.") {
					t.Errorf("taking over wrote %s %s", w.Method, w.Path)
				}
			}
			s.exits(0, with("plan", "-detailed-exitcode")...).says("No changes")
			s.exits(0, with("drift")...)
			s.exits(0, with("destroy", "-auto-approve")...)
			s.exits(0, with("apply", "-auto-approve")...).says("0 destroyed")
			s.exits(0, with("plan", "-detailed-exitcode")...).says("No changes")
			s.exits(0, with("destroy", "-auto-approve")...)
		})
	}
	s.t, b.t = t, t
}
