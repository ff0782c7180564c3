//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/LerianStudio/midaz-infra/e2e/proxy"
)

func TestPs_must_show_state_health_and_ports(t *testing.T) {
	t.Parallel()
	s := newStack(t, `
		services:
		  well:
		    image: TINY
		    ports: ["127.0.0.1:PORT1:8080"]
		    healthcheck: { test: [CMD, /tiny, probe, "http://127.0.0.1:8080/health"], interval: 200ms }
		jobs:
		  done: { image: TINY, command: [say, hello] }
		`)
	s.apply()
	eventually(t, 10*time.Second, func() error {
		if h := s.container("well").State.Health; h == nil || h.Status != "healthy" {
			return fmt.Errorf("%+v", h)
		}
		return nil
	})
	s.exits(0, "ps").says("well", "healthy", fmt.Sprintf("127.0.0.1:%d", s.port("PORT1")), "done", `exited \(0\)`)
	var list struct {
		Services []struct {
			Address string `json:"address"`
			Health  string `json:"health"`
		} `json:"services"`
	}
	s.exits(0, "ps", "-json").json(&list)
	if len(list.Services) != 2 || !slices.ContainsFunc(list.Services, func(x struct {
		Address string `json:"address"`
		Health  string `json:"health"`
	}) bool {
		return x.Address == "service/well" && x.Health == "healthy"
	}) {
		t.Errorf("ps -json: %+v", list)
	}
}

func TestLogs_must_show_lines_of_every_service_after_its_name(t *testing.T) {
	t.Parallel()
	s := newStack(t, `
		services:
		  one: { image: TINY, command: [serve, -log, line of one] }
		  two: { image: TINY, command: [serve, -log, line of two] }
		`)
	s.apply()
	s.exits(0, "logs").says(`one\W+line of one`, `two\W+line of two`)
	s.exits(0, "logs", "two").says(`line of two`).saysNot("line of one")
	if r := s.exits(0, "logs", "--tail", "1", "one"); strings.Count(r.stdout, "\n") != 1 {
		t.Errorf("more than one line\n%s", r)
	}
}

func TestLogs_that_follow_must_go_on_until_interrupted(t *testing.T) {
	t.Parallel()
	s := newStack(t, `
		services:
		  a: { image: TINY, command: [serve, -log, "a late line", -log-after, 4s] }
		`)
	s.apply()
	p := s.record()
	run := s.start("logs", "-f")
	waitFor(t, p, "the logs", func(c proxy.Call) bool { return strings.HasSuffix(c.Path, "/logs") && c.Status == 200 })
	eventually(t, 20*time.Second, func() error {
		if !strings.Contains(run.output(), "a late line") {
			return fmt.Errorf("it has written %q", run.output())
		}
		return nil
	})
	_ = run.Process.Signal(os.Interrupt)
	if r := run.end(); r.code != 130 && r.code != 0 {
		t.Errorf("%s", r)
	}
}

// What follows the logs goes on with a container that was started again, with its
// replacement, and with a service that is new.
func TestLogs_that_follow_must_go_on_with_what_is_started_later(t *testing.T) {
	t.Parallel()
	s := newStack(t, `
		services:
		  a: { image: TINY, command: [serve, -log, the first] }
		`)
	s.apply()
	run := s.start("logs", "-f")
	lines := func(want int, line string) {
		t.Helper()
		eventually(t, 20*time.Second, func() error {
			if got := strings.Count(run.output(), line+"\n"); got != want {
				return fmt.Errorf("%q is there %d times, want %d: %q", line, got, want, run.output())
			}
			return nil
		})
	}
	lines(1, "a | the first")
	if err := docker.ContainerRestart(t.Context(), s.container("a").ID, container.StopOptions{}); err != nil {
		t.Fatal(err)
	}
	lines(2, "a | the first")
	s.write("midaz.infra.yaml", `
		services:
		  a: { image: TINY, command: [serve, -log, the second] }
		  new: { image: TINY, command: [serve, -log, the third] }
		`)
	s.apply()
	lines(1, "a   | the second")
	lines(1, "new | the third")
	_ = run.Process.Signal(os.Interrupt)
	if r := run.end(); r.code != 130 && r.code != 0 {
		t.Errorf("%s", r)
	}
}

func TestInfo_must_tell_engine_and_endpoints_and_no_secret(t *testing.T) {
	t.Parallel()
	s := newStack(t, `
		variables: { WORD: { type: string, sensitive: true } }
		services:
		  a: { image: TINY, ports: ["127.0.0.1:PORT1:8080"], environment: { WORD: "${WORD}" } }
		`)
	s.write(".env", "WORD=not-to-be-shown\n")
	s.apply().saysNot("not-to-be-shown")
	v, err := docker.ServerVersion(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.exits(0, "info").says(regexp.QuoteMeta(v.Version), fmt.Sprintf("127.0.0.1:%d", s.port("PORT1")), "WORD").saysNot("not-to-be-shown")
	for _, args := range [][]string{{"plan"}, {"plan", "-json"}, {"ps"}, {"drift", "-json"}, {"graph"}} {
		s.exits(0, args...).saysNot("not-to-be-shown")
	}
	// The container has it, and no label of it does.
	c := s.container("a")
	if !slices.Contains(c.Config.Env, "WORD=not-to-be-shown") {
		t.Errorf("environment: %v", c.Config.Env)
	}
	if strings.Contains(fmt.Sprint(c.Config.Labels), "not-to-be-shown") {
		t.Errorf("labels: %v", c.Config.Labels)
	}
	s.write(".env", "WORD=another-secret-word\n")
	s.exits(2, "plan", "-detailed-exitcode").says(`sensitive value`).saysNot("another-secret-word", "not-to-be-shown")
}

func TestTwo_applies_at_once_must_end_in_one_stack(t *testing.T) {
	t.Parallel()
	s := newStack(t, several)
	needFlag(s, "apply", "-lock-timeout")
	var results [2]*result
	var wait sync.WaitGroup
	for i := range results {
		run := s.start("apply", "-auto-approve", "-lock-timeout", "2m")
		wait.Go(func() { results[i] = run.end() })
	}
	wait.Wait()
	for _, r := range results {
		if r.code != 0 {
			t.Errorf("%s", r)
		}
	}
	want := []string{s.name + "-a", s.name + "-b", s.name + "-j"}
	if got := s.containers(); !slices.Equal(got, want) {
		t.Errorf("containers: %v, want %v", got, want)
	}
	s.converged()
}

func TestLock_that_is_held_must_be_told_with_its_holder(t *testing.T) {
	t.Parallel()
	s := newStack(t, slow)
	needFlag(s, "apply", "-lock-timeout")
	p := s.record()
	first := s.start("apply", "-auto-approve")
	waitFor(t, p, "the start of a", func(c proxy.Call) bool { return strings.HasSuffix(c.Path, "/start") && c.Status == 204 })
	host, _ := os.Hostname()
	s.exits(5, "apply", "-auto-approve", "-lock-timeout", "1s").says(host, "lock")
	s.exits(0, "plan") // reading takes none
	_ = first.Process.Signal(os.Interrupt)
	first.end()
}

// needFlag skips a scenario of what this midaz cannot do yet.
func needFlag(s *stack, verb, flag string) {
	s.t.Helper()
	if r := s.midaz("help", verb); !strings.Contains(r.stdout+r.stderr, flag) {
		s.t.Skipf("midaz %s has no %s yet", verb, flag)
	}
}
