//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
)

// chained is two services: a with the given settings, and b that waits for a's gate.
func chained(a string) string {
	return `
services:
  a:
    image: TINY
` + strings.ReplaceAll("    "+strings.Join(strings.Split(dedent(a), "\n"), "\n    "), "\n    \n", "\n") + `
  b:
    image: TINY
    depends_on: { a: { condition: service_healthy } }
`
}

// startedAt is when a container was started last, by the engine's clock.
func startedAt(t *testing.T, c container.InspectResponse) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, c.State.StartedAt)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// saidAt is when a container wrote a line that contains the text, by the engine's clock.
func saidAt(t *testing.T, id, text string) time.Time {
	t.Helper()
	r, err := docker.ContainerLogs(context.Background(), id, container.LogsOptions{ShowStdout: true, ShowStderr: true, Timestamps: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var out strings.Builder
	if _, err := stdcopy.StdCopy(&out, &out, r); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		stamp, rest, _ := strings.Cut(line, " ")
		if strings.Contains(rest, text) {
			at, err := time.Parse(time.RFC3339Nano, stamp)
			if err != nil {
				t.Fatal(err)
			}
			return at
		}
	}
	t.Fatalf("%s never wrote %q:\n%s", id, text, out.String())
	return time.Time{}
}

// after fails unless b was made after the moment.
func after(t *testing.T, s *stack, moment time.Time, what string) {
	t.Helper()
	b, err := time.Parse(time.RFC3339Nano, s.container("b").Created)
	if err != nil {
		t.Fatal(err)
	}
	if b.Before(moment) {
		t.Errorf("b was made %v before %s", moment.Sub(b), what)
	}
}

func TestGate_tcp_must_hold_dependents_until_the_port_is_open(t *testing.T) {
	t.Parallel()
	s := newStack(t, chained(`
		command: [serve, -after, 1500ms]
		gate: { tcp: 8080, timeout: 60s }`))
	s.apply()
	after(t, s, saidAt(t, s.name+"-a", "tiny listens"), "a listened")
	s.converged()
}

func TestGate_http_must_hold_dependents_until_status_and_body_are_right(t *testing.T) {
	t.Parallel()
	s := newStack(t, chained(`
		command: [serve, -healthy-after, 1500ms]
		gate: { http: { port: 8080, path: /health, status: 200, body: "^well" }, timeout: 60s }`))
	s.apply()
	after(t, s, startedAt(t, s.container("a")).Add(1500*time.Millisecond), "a was well")
	s.converged()
}

func TestGate_http_must_fail_on_a_wrong_status(t *testing.T) {
	t.Parallel()
	s := newStack(t, chained(`
		command: [serve, -status, "500"]
		gate: { http: { port: 8080, path: /, status: 200 }, timeout: 3s }`))
	s.exits(4, "apply", "-auto-approve").says("service/a", "500")
	absent(t, s.name+"-b")
}

// A service in the network of another one is reached there, also when that one is
// replaced in the same run.
func TestGate_must_reach_a_service_in_the_network_of_another(t *testing.T) {
	t.Parallel()
	const spec = `
		services:
		  a: { image: TINY, command: [serve, -body, one], gate: { http: { port: 8080, body: one } } }
		  b: { image: TINY, command: [serve, -listen, ":8081", -after, 500ms], network_mode: "service:a", gate: { tcp: 8081, timeout: 20s } }
		  c: { image: TINY, command: [serve, -listen, ":8082", -body, three], network_mode: "service:b", gate: { http: { port: 8082, body: three }, timeout: 20s } }
		`
	s := newStack(t, spec)
	s.apply()
	s.converged()
	before := s.container("c")
	s.write("midaz.infra.yaml", strings.ReplaceAll(spec, "one", "two"))
	s.apply()
	s.converged()
	if s.container("c").ID == before.ID {
		t.Error("c was not replaced with what it shares the network of")
	}
	s.write("midaz.infra.yaml", strings.NewReplacer("one", "two", `":8082"`, `":8083"`, "body: three }, timeout: 20s",
		"body: three }, timeout: 1s").Replace(spec))
	s.exits(4, "apply", "-auto-approve").says("http / on port 8082: connection refused")
}

func TestGate_exec_must_hold_dependents_until_the_command_succeeds(t *testing.T) {
	t.Parallel()
	s := newStack(t, chained(`
		command: [serve, -healthy-after, 1500ms]
		gate: { exec: [/tiny, probe, "http://127.0.0.1:8080/health"], timeout: 60s }`))
	s.apply()
	after(t, s, startedAt(t, s.container("a")).Add(1500*time.Millisecond), "a was well")
	s.converged()
}

func TestGate_log_must_hold_dependents_until_the_line(t *testing.T) {
	t.Parallel()
	s := newStack(t, chained(`
		command: [serve, -log, "ready to serve 7 clients", -log-after, 1500ms]
		gate: { log: "ready to serve \\d+ clients$", timeout: 60s }`))
	s.apply()
	after(t, s, saidAt(t, s.name+"-a", "ready to serve"), "a said so")
	s.converged()
}

// The engine would look at this health check for the first time in an hour.
func TestGate_healthy_must_not_wait_for_the_engines_interval(t *testing.T) {
	t.Parallel()
	s := newStack(t, chained(`
		command: [serve, -healthy-after, 1500ms]
		healthcheck: { test: [CMD, /tiny, probe, "http://127.0.0.1:8080/health"], interval: 1h }
		gate: { healthy: true, timeout: 2m }`))
	s.apply()
	after(t, s, startedAt(t, s.container("a")).Add(1500*time.Millisecond), "a was well")
	s.converged()
}

func TestGate_without_any_must_use_the_health_check(t *testing.T) {
	t.Parallel()
	s := newStack(t, chained(`
		command: [serve, -healthy-after, 1500ms]
		healthcheck: { test: [CMD, /tiny, probe, "http://127.0.0.1:8080/health"], interval: 1h }`))
	s.apply()
	after(t, s, startedAt(t, s.container("a")).Add(1500*time.Millisecond), "a was well")
}

func TestGate_stable_for_must_hold_dependents_that_long(t *testing.T) {
	t.Parallel()
	s := newStack(t, chained(`
		gate: { stable_for: 1500ms, timeout: 60s }`))
	s.apply()
	after(t, s, startedAt(t, s.container("a")).Add(1500*time.Millisecond), "a was stable")
	s.converged()
}

func TestGate_stable_for_must_fail_a_service_that_restarts(t *testing.T) {
	t.Parallel()
	s := newStack(t, chained(`
		restart: always
		command: [serve, -exit-after, 700ms]
		gate: { stable_for: 3s, timeout: 8s, mode: eventual }`))
	s.exits(4, "apply", "-auto-approve").says("service/a", "restart")
	absent(t, s.name+"-b")
}

func TestGate_fail_fast_must_end_at_the_first_exit(t *testing.T) {
	t.Parallel()
	s := newStack(t, chained(`
		restart: always
		command: [serve, -exit-after, 300ms, -exit-code, "3"]
		gate: { tcp: 9999, timeout: 20s, mode: fail_fast }`))
	r := s.exits(4, "apply", "-auto-approve")
	r.says("service/a", `exited with code 3`, "tiny gives up", "service/b.*skipped|skipped.*service/b", "midaz logs|docker logs")
	r.saysNot("timed out")
	absent(t, s.name+"-b")
}

func TestGate_eventual_must_wait_through_an_exit(t *testing.T) {
	t.Parallel()
	s := newStack(t, chained(`
		restart: always
		command: [serve, -fail-first, /tmp/started]
		gate: { tcp: 8080, timeout: 60s, mode: eventual }`))
	s.apply()
	if n := s.container("a").RestartCount; n != 1 {
		t.Errorf("a was restarted %d times; the scenario needs one", n)
	}
	s.converged()
}

func TestGate_that_times_out_must_show_the_last_probe_and_what_to_do(t *testing.T) {
	t.Parallel()
	s := newStack(t, chained(`
		command: [serve, -healthy-after, 1h, -log, "a line of its log"]
		healthcheck: { test: [CMD, /tiny, probe, "http://127.0.0.1:8080/health"], interval: 1h }
		gate: { healthy: true, timeout: 3s }`))
	r := s.exits(4, "apply", "-auto-approve")
	r.says("service/a", "3s", "503 Service Unavailable", "a line of its log", "running, not killed for lack of memory, never restarted",
		"midaz logs|docker logs")
	absent(t, s.name+"-b")
	if !s.container("a").State.Running {
		t.Error("a new service whose gate failed stays, to be looked at")
	}
}

func TestGate_must_tell_that_memory_ran_out(t *testing.T) {
	t.Parallel()
	s := newStack(t, chained(`
		command: [serve, -eat, "256"]
		mem_limit: 32m
		memswap_limit: 32m
		gate: { tcp: 8080, timeout: 20s }`))
	r := s.exits(4, "apply", "-auto-approve")
	if !s.container("a").State.OOMKilled {
		t.Skip("this engine does not tell when memory ran out")
	}
	r.says("service/a", "OOM|out of memory|memory ran out")
}

func TestGate_failure_must_not_stop_what_does_not_depend_on_it(t *testing.T) {
	t.Parallel()
	s := newStack(t, `
services:
  bad:
    image: TINY
    command: [serve, -exit-after, 100ms]
    gate: { tcp: 9999, timeout: 20s }
  needs-bad:
    image: TINY
    depends_on: { bad: { condition: service_healthy } }
  slow:
    image: TINY
    command: [serve, -after, 1500ms]
    gate: { tcp: 8080 }
  needs-slow:
    image: TINY
    depends_on: { slow: { condition: service_healthy } }
`)
	s.exits(4, "apply", "-auto-approve")
	for _, name := range []string{"slow", "needs-slow"} {
		if !s.container(name).State.Running {
			t.Errorf("%s does not run", name)
		}
	}
	absent(t, s.name+"-needs-bad")
	got := fmt.Sprint(s.changes())
	for _, address := range []string{"service/slow", "service/needs-slow"} {
		if strings.Contains(got, address+":") {
			t.Errorf("%s is planned again: %s", address, got)
		}
	}
}
