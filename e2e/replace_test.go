//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/LerianStudio/midaz-infra/e2e/proxy"
)

// web is one service on a port of this machine that answers with the body.
func web(body, more string) string {
	return fmt.Sprintf(`
		services:
		  web:
		    image: TINY
		    restart: always
		    command: [serve, -body, %s%s]
		    ports: ["127.0.0.1:PORT1:8080"]
		    gate: { tcp: 8080, stable_for: 500ms, timeout: 20s }
		`, body, more)
}

// exits has web end before it listens, so that its gate cannot pass, however long
// the engine takes to start and to end it.
const exits = ", -after, 1h, -exit-after, 200ms"

func TestReplacement_must_leave_one_container_under_the_name(t *testing.T) {
	t.Parallel()
	s := newStack(t, web("one", ""))
	s.apply()
	s.answers("PORT1", "one")
	old := s.container("web")
	s.write("midaz.infra.yaml", web("two", ""))
	if got := fmt.Sprint(s.changes()); got != "map[service/web:[delete create]]" && got != "map[service/web:[create delete]]" {
		t.Errorf("plan: %s", got)
	}
	s.apply()
	s.answers("PORT1", "two")
	if s.container("web").ID == old.ID {
		t.Error("it is the same container")
	}
	if got := s.containers(); len(got) != 1 {
		t.Errorf("left over: %v", got)
	}
	if got := string(s.container("web").HostConfig.RestartPolicy.Name); got != "always" {
		t.Errorf("restart policy %q", got)
	}
	s.converged()
}

func TestReplacement_that_fails_must_put_the_old_container_back(t *testing.T) {
	t.Parallel()
	s := newStack(t, web("one", ""))
	s.apply()
	old := s.container("web")
	s.write("midaz.infra.yaml", web("two", exits))
	r := s.exits(4, "apply", "-auto-approve")
	r.says("service/web", "tiny gives up", "old one is back")
	s.answers("PORT1", "one")
	now := s.container("web")
	if now.ID != old.ID || now.Name != old.Name {
		t.Errorf("it came back as %s %s, and was %s %s", now.Name, now.ID, old.Name, old.ID)
	}
	if now.HostConfig.RestartPolicy != old.HostConfig.RestartPolicy {
		t.Errorf("restart policy %v, was %v", now.HostConfig.RestartPolicy, old.HostConfig.RestartPolicy)
	}
	for _, name := range s.containers() {
		if c := inspect(t, name); c.ID != old.ID && c.State.Running {
			t.Errorf("%s runs beside it", name)
		}
	}

	// The way out: a good spec converges, with nothing left over.
	s.write("midaz.infra.yaml", web("three", ""))
	s.apply()
	s.answers("PORT1", "three")
	if got := s.containers(); len(got) != 1 {
		t.Errorf("left over: %v", got)
	}
	s.converged()
}

// A run that is killed while it waits for a replacement that will never do leaves
// the old one aside: the next run brings it back, and says so.
func TestReplacement_that_fails_must_be_put_back_by_the_run_after_a_killed_one(t *testing.T) {
	t.Parallel()
	s := newStack(t, web("one", ""))
	s.apply()
	old := s.container("web")
	s.write("midaz.infra.yaml", web("two", exits))
	p := s.record()
	run := s.start("apply", "-auto-approve")
	waitFor(t, p, "the start of the new one", func(c proxy.Call) bool { return strings.HasSuffix(c.Path, "/start") && c.Status == 204 })
	_ = run.Process.Kill()
	run.end()
	if now := inspect(t, old.ID); now.State.Running {
		t.Fatal("the old one was not stopped yet")
	}
	s.exits(0, "plan").says("it was left behind: the container before its replacement", "it stays until service/web is ready")
	s.exits(4, "apply", "-auto-approve", "-on-failure", "continue").saysNot("old one is back")
	if now := inspect(t, old.ID); now.State.Running {
		t.Error("it was put back although the new one was to stay")
	}
	s.exits(4, "apply", "-auto-approve", "-json").says(`"rolled_back":true`)
	s.answers("PORT1", "one")
	if now := s.container("web"); now.ID != old.ID || now.Name != old.Name || now.HostConfig.RestartPolicy != old.HostConfig.RestartPolicy {
		t.Errorf("%s %s %v came back, and it was %s %s %v", now.Name, now.ID, now.HostConfig.RestartPolicy, old.Name, old.ID,
			old.HostConfig.RestartPolicy)
	}
	s.write("midaz.infra.yaml", web("one", ""))
	s.apply()
	s.converged()
	if got := s.containers(); len(got) != 1 {
		t.Errorf("left over: %v", got)
	}
}

func TestReplacement_that_fails_must_be_told_in_json(t *testing.T) {
	t.Parallel()
	s := newStack(t, web("one", ""))
	s.apply()
	s.write("midaz.infra.yaml", web("two", exits))
	r := s.exits(4, "apply", "-auto-approve", "-json")
	types := map[string]int{}
	for line := range strings.Lines(r.stdout) {
		one := result{t: t, args: r.args, stdout: line}
		var event struct {
			Type    string `json:"type"`
			Level   string `json:"@level"`
			Message string `json:"@message"`
			Stamp   string `json:"@timestamp"`
		}
		one.json(&event)
		types[event.Type]++
		if event.Level == "" || event.Message == "" || event.Stamp == "" {
			t.Errorf("incomplete: %s", line)
		}
	}
	for _, kind := range []string{"version", "planned_change", "change_summary", "apply_start", "apply_errored", "diagnostic"} {
		if types[kind] == 0 {
			t.Errorf("no %s among %v", kind, types)
		}
	}
	r.says("old one is back")
}

func TestReplacement_must_not_touch_dependents_of_one_that_failed(t *testing.T) {
	t.Parallel()
	spec := func(body, more string) string {
		return dedent(web(body, more)) + fmt.Sprintf(`
  user:
    image: TINY
    command: [serve, -body, %s]
    depends_on: { web: { condition: service_healthy } }
`, body)
	}
	s := newStack(t, spec("one", ""))
	s.apply()
	user := s.container("user")
	s.write("midaz.infra.yaml", spec("two", exits))
	s.exits(4, "apply", "-auto-approve")
	if now := s.container("user"); now.ID != user.ID || now.State.StartedAt != user.State.StartedAt {
		t.Error("what depends on the failed one was touched")
	}
}

func TestMemory_must_change_on_the_living_container(t *testing.T) {
	t.Parallel()
	spec := `
		services:
		  a: { image: TINY, mem_limit: %s, cpus: %s, restart: %s }
		`
	s := newStack(t, fmt.Sprintf(spec, "64m", "0.5", "always"))
	s.apply()
	old := s.container("a")
	s.write("midaz.infra.yaml", fmt.Sprintf(spec, "96m", "0.75", "unless-stopped"))
	if got := fmt.Sprint(s.changes()); got != "map[service/a:[update]]" {
		t.Errorf("plan: %s", got)
	}
	s.exits(0, "plan").says("service/a will be updated in-place", "Plan: 0 to add, 1 to change, 0 to destroy")
	s.apply().says("Apply complete! Resources: 0 added, 1 changed, 0 destroyed")
	now := s.container("a")
	if now.ID != old.ID || now.State.StartedAt != old.State.StartedAt {
		t.Error("the container was replaced or restarted")
	}
	if now.HostConfig.Memory != 96<<20 || now.HostConfig.NanoCPUs != 750_000_000 || now.HostConfig.RestartPolicy.Name != "unless-stopped" {
		t.Errorf("memory %d, cpus %d, restart %s", now.HostConfig.Memory, now.HostConfig.NanoCPUs, now.HostConfig.RestartPolicy.Name)
	}
	s.converged()
}
