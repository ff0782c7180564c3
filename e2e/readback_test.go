//go:build e2e

package e2e

import (
	"bytes"
	"regexp"
	"testing"

	"github.com/docker/docker/api/types/container"

	"github.com/LerianStudio/midaz-infra/e2e/proxy"
)

// pretended is a change of which the engine says that it has made it, and which it
// did not make, or made otherwise.
type pretended struct {
	name string
	// before is the spec that is there already, "" for none, and after the one that
	// is applied.
	before, after string
	// do, when set, happens between the two.
	do func(s *stack)
	// call is a regular expression for the first call that is not carried out.
	call  string
	fault proxy.Fault
	code  int
	// says must be in the output: what was not done.
	says []string
	// flags are those of apply.
	flags []string
}

var consent = []string{"-allow", "data-loss"}

// untold is an answer of success to a call that is not carried out.
func untold(status int, body string) proxy.Fault {
	return proxy.Fault{What: proxy.Pretend, Status: status, Body: body}
}

// altered is a call that is carried out with another body.
func altered(old, now string) proxy.Fault {
	return proxy.Fault{Rewrite: func(body []byte) []byte { return bytes.ReplaceAll(body, []byte(old), []byte(now)) }}
}

const (
	plainGate  = "gate: { stable_for: 1ms }"
	twoOfThem  = "networks: { n: {}, m: {} }\n"
	unheardOf  = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	servedPort = `ports: ["127.0.0.1:PORT1:8080"], gate: { tcp: 8080, timeout: 20s }`
)

// aService is a spec with the service a.
func aService(fields string) string {
	return "services:\n  a: { image: TINY, " + plainGate + ", " + fields + " }\n"
}

var pretenses = []pretended{
	// In place.
	{name: "limit", before: aService("mem_limit: 64m"), after: aService("mem_limit: 96m"), call: "POST /containers/[^/]+/update",
		fault: untold(200, "{}"),
		code:  3, says: []string{"service/a differs: mem_limit is .64m. instead of .96m."}},
	{name: "limit, altered", before: aService("mem_limit: 64m"), after: aService("mem_limit: 96m"), call: "POST /containers/[^/]+/update",
		fault: altered("100663296", "83886080"),
		code:  3, says: []string{"service/a differs: mem_limit is .80m. instead of .96m."}},
	{name: "restart policy", before: aService("restart: always"), after: aService("restart: unless-stopped"),
		call: "POST /containers/[^/]+/update", fault: untold(200, "{}"),
		code: 3, says: []string{"service/a differs: restart is .always. instead of .unless-stopped."}},
	{name: "rename", before: aService("container_name: STACK-x"), after: aService("container_name: STACK-y"),
		call: "POST /containers/[^/]+/rename", fault: untold(204, ""),
		code: 3, says: []string{"service/a differs: container_name is .*-x. instead of .*-y"}},
	{name: "connect", before: twoOfThem + aService("networks: [n]"), after: twoOfThem + aService("networks: [n, m]"),
		call: "POST /networks/[^/]+/connect", fault: untold(200, ""),
		code: 3, says: []string{"service/a differs: networks.m"}},
	{name: "disconnect", before: twoOfThem + aService("networks: [n, m]"), after: twoOfThem + aService("networks: [n]"),
		call: "POST /networks/[^/]+/disconnect", fault: untold(200, ""),
		code: 3, says: []string{"service/a differs: networks"}},
	{name: "reconnect, not disconnected", before: twoOfThem + aService("networks: { n: {}, m: {} }"),
		after: twoOfThem + aService("networks: { n: {}, m: { aliases: [x] } }"),
		call:  "POST /networks/[^/]+/disconnect", fault: untold(200, ""), code: 3, says: []string{`service/a differs: networks.m.aliases`}},
	{name: "reconnect, not connected", before: twoOfThem + aService("networks: { n: {}, m: {} }"),
		after: twoOfThem + aService("networks: { n: {}, m: { aliases: [x] } }"),
		call:  "POST /networks/[^/]+/connect", fault: untold(200, ""), code: 3, says: []string{"service/a differs: networks.m"}},
	{name: "reconnect, altered", before: twoOfThem + aService("networks: { n: {}, m: {} }"),
		after: twoOfThem + aService("networks: { n: {}, m: { aliases: [x] } }"),
		call:  "POST /networks/[^/]+/connect", fault: altered(`"x"`, `"y"`), code: 3, says: []string{"service/a differs: networks.m.aliases"}},
	{name: "file", before: aService(`files: [{ target: /etc/f, content: one, on_change: "signal:HUP" }]`),
		after: aService(`files: [{ target: /etc/f, content: two, on_change: "signal:HUP" }]`),
		call:  "PUT /containers/[^/]+/archive", fault: untold(200, ""), code: 3, says: []string{"service/a.*not as they were placed: /etc/f"}},
	{name: "start", before: aService("restart: always"), after: aService("restart: always"), call: "POST /containers/[^/]+/start",
		fault: untold(204, ""),
		do:    func(s *stack) { s.stopOutside("a") }, code: 4, says: []string{"service/a.*exited"}},
	{name: "unpause", before: aService("restart: always"), after: aService("restart: always"), call: "POST /containers/[^/]+/unpause",
		fault: untold(204, ""),
		do:    func(s *stack) { s.pauseOutside("a") }, code: 4, says: []string{"service/a.*is paused"}},

	// Creation.
	{name: "start of a new one", after: aService("restart: always"), call: "POST /containers/[^/]+/start", fault: untold(204, ""),
		code: 4, says: []string{"service/a.*was not started"}},
	{name: "start of a job", after: "jobs:\n  a: { image: TINY, command: [say, x] }\n", call: "POST /containers/[^/]+/start",
		fault: untold(204, ""),
		code:  4, says: []string{"job/a.*was not started"}},
	{name: "creation, altered command", after: aService("command: [serve, -body, one]"), call: "POST /containers/create",
		fault: altered(`"one"]`, `"two"]`),
		code:  3, says: []string{"service/a differs: command"}},
	{name: "creation, altered network", after: twoOfThem + aService("networks: [n]"), call: "POST /containers/create",
		fault: altered("_n\"", "_m\""),
		code:  3, says: []string{"service/a differs: networks"}},
	{name: "creation, without its files", after: aService("files: [{ target: /etc/f, content: one }]"), call: "PUT /containers/[^/]+/archive",
		fault: untold(200, ""),
		code:  3, says: []string{"service/a.*not as they were placed: /etc/f"}},

	// Replacement.
	{name: "stop of the old one", before: aService("command: [serve, -body, one], " + stopFirst),
		after: aService("command: [serve, -body, two], " + stopFirst), call: "POST /containers/[^/]+/stop", fault: untold(204, ""),
		code: 3, says: []string{"service/a.*stop container.*still runs"}},
	{name: "old one set aside", before: aService("command: [serve, -body, one], " + stopFirst),
		after: aService("command: [serve, -body, two], " + stopFirst), call: "POST /containers/[^/]+/rename", fault: untold(204, ""),
		code: 3, says: []string{"service/a"}},
	{name: "new one gets its name", before: aService("command: [serve, -body, one], " + stopFirst),
		after: aService("command: [serve, -body, two], " + stopFirst), call: "POST /containers/[^/]+/rename\\?name=[^.]+$",
		fault: untold(204, ""),
		code:  3, says: []string{"service/a differs: container_name"}},
	{name: "aliases of one started first", before: "networks: { n: {} }\n" +
		aService("command: [serve, -body, one], networks: { n: { aliases: [x] } }"), after: "networks: { n: {} }\n" +
		aService("command: [serve, -body, two], networks: { n: { aliases: [x] } }"),
		call: "POST /networks/[^/]+/connect", fault: untold(200, ""), code: 3, says: []string{"service/a differs: networks.n"}},
	{name: "removal of the old one", before: aService("command: [serve, -body, one]"), after: aService("command: [serve, -body, two]"),
		call: "DELETE /containers/", fault: untold(204, ""),
		code: 3, says: []string{"service/a.*still there"}},

	// Removal.
	{name: "removal of a container", before: aService("restart: always") + "  b: { image: TINY, " + plainGate + " }\n",
		after: aService("restart: always"), call: "DELETE /containers/", fault: untold(204, ""),
		code: 3, says: []string{"service/b.*still there"}},
	{name: "removal of a network", before: twoOfThem + aService("networks: [n]"), after: "networks: { n: {} }\n" + aService("networks: [n]"),
		call: "DELETE /networks/", fault: untold(204, ""),
		code: 3, says: []string{"network/m.*still there"}},
	{name: "removal of a volume", before: "volumes: { v: { protect: false } }\n" + aService("restart: always"),
		after: aService("restart: always"), call: "DELETE /volumes/[^/]*_v", fault: untold(204, ""),
		code: 3, says: []string{"volume/v.*still there"}, flags: consent},

	// Networks, volumes, images.
	{name: "creation of a network", after: twoOfThem + aService("networks: [n]"), call: "POST /networks/create",
		fault: untold(201, `{"Id":"`+unheardOf+`"}`),
		code:  3, says: []string{"network/.*not there"}},
	{name: "creation of a network, altered", after: "networks: { n: { labels: { x: one } } }\n" + aService("networks: [n]"),
		call: "POST /networks/create", fault: altered(`"one"`, `"two"`),
		code: 3, says: []string{"network/n differs: labels.x is .two. instead of .one."}},
	{name: "replacement of a network, not removed", before: "networks: { n: {} }\n" + aService("networks: [n]"),
		after: "networks: { n: { labels: { x: one } } }\n" + aService("networks: [n]"),
		call:  "DELETE /networks/", fault: untold(204, ""), code: 3, says: []string{"network/n.*still there"}},
	{name: "replacement of a network, not joined again", before: "networks: { n: {} }\n" + aService("networks: [n]"),
		after: "networks: { n: { labels: { x: one } } }\n" + aService("networks: [n]"),
		call:  "POST /networks/[^/]+/connect", fault: untold(200, ""), code: 3, says: []string{"network/n.*success, and it is not connected"}},
	{name: "creation of a volume, altered", after: "volumes: { v: { protect: false, labels: { x: one } } }\n" +
		aService("volumes: [\"v:/v\"]"), call: "POST /volumes/create", fault: altered(`"one"`, `"two"`),
		code: 3, says: []string{"volume/v differs: labels.x is .two. instead of .one."}, flags: consent},
	{name: "build of an image", after: "services:\n  a: { image: \"STACK:1\", build: { context: ., dockerfile_inline: \"FROM TINY\" }, " +
		plainGate + " }\n",
		call: "POST /build", fault: untold(200, "{\"stream\":\"Successfully built\"}\n"), code: 3,
		says: []string{"image/.*the engine reports success but the image is not there"}},
}

const stopFirst = "update: { order: stop_first }"

// TestReadBack has the engine say of each kind of change that it has made it when
// it has not: that change must fail and say what was not done, and the next apply
// makes up for it.
func TestReadBack(t *testing.T) {
	for _, p := range pretenses {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			p.try(t)
		})
	}
}

func (p pretended) try(t *testing.T) {
	s := newStack(t, "")
	s.sweepLock()
	through := s.record()
	if p.before != "" {
		s.write("midaz.infra.yaml", p.before)
		s.apply()
	}
	if p.do != nil {
		p.do(s)
	}
	s.write("midaz.infra.yaml", p.after)
	at := regexp.MustCompile("^" + p.call)
	hit := false
	through.Inject(func(c proxy.Call) *proxy.Fault {
		text := c.String()
		if c.Query != "" {
			text += "?" + c.Query
		}
		// An altered body is reported on its own.
		if hit && p.fault.Rewrite == nil || !at.MatchString(text) {
			return nil
		}
		hit = true
		return &p.fault
	})
	r := s.midaz(append([]string{"apply", "-auto-approve"}, p.flags...)...)
	through.Inject(nil)
	if !hit {
		t.Fatalf("the call never came\n%s", r)
	}
	if r.code != p.code {
		t.Errorf("exit %d, want %d\n%s", r.code, p.code, r)
	}
	r.says(p.says...)
	s.apply(p.flags...)
	s.converged()
}

func (s *stack) stopOutside(service string) {
	s.t.Helper()
	if err := docker.ContainerStop(s.t.Context(), s.container(service).ID, container.StopOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stack) pauseOutside(service string) {
	s.t.Helper()
	if err := docker.ContainerPause(s.t.Context(), s.container(service).ID); err != nil {
		s.t.Fatal(err)
	}
}
