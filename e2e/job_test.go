//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
)

// counted is a job that adds a line to a file, and a service that shows the file.
func counted(run, line string) string {
	return fmt.Sprintf(`
		volumes:
		  data: { protect: false }
		jobs:
		  once:
		    image: TINY
		    run: %s
		    command: [append, /data/lines, %s]
		    volumes: ["data:/data"]
		services:
		  show:
		    image: TINY
		    ports: ["127.0.0.1:PORT1:8080"]
		    volumes: ["data:/data"]
		    depends_on: { once: { condition: service_completed_successfully } }
		`, run, line)
}

// lines returns how often the job has run.
func (s *stack) lines() string {
	s.t.Helper()
	var text string
	eventually(s.t, 10e9, func() error {
		code, body, err := httpGet(fmt.Sprintf("http://127.0.0.1:%d/file?path=/data/lines", s.port("PORT1")))
		if err != nil || code != 200 {
			return fmt.Errorf("%d %w", code, err)
		}
		text = strings.Join(strings.Fields(body), " ")
		return nil
	})
	return text
}

func TestJob_must_run_once_and_again_when_it_changed(t *testing.T) {
	t.Parallel()
	s := newStack(t, counted("on_change", "first"))
	s.apply()
	if got := s.lines(); got != "first" {
		t.Fatalf("lines: %q", got)
	}
	s.converged()
	s.apply()
	if got := s.lines(); got != "first" {
		t.Errorf("an apply with nothing to do ran it again: %q", got)
	}
	s.write("midaz.infra.yaml", counted("on_change", "second"))
	s.apply()
	if got := s.lines(); got != "first second" {
		t.Errorf("lines: %q", got)
	}
	s.converged()
}

func TestJob_that_runs_always_must_run_at_every_apply(t *testing.T) {
	t.Parallel()
	s := newStack(t, counted("always", "x"))
	s.apply()
	s.apply()
	if got := s.lines(); got != "x x" {
		t.Errorf("lines: %q", got)
	}
}

func TestJob_that_runs_once_must_not_run_again_when_it_changed(t *testing.T) {
	t.Parallel()
	s := newStack(t, counted("once", "first"))
	s.apply()
	s.write("midaz.infra.yaml", counted("once", "second"))
	s.apply()
	if got := s.lines(); got != "first" {
		t.Errorf("lines: %q", got)
	}
	s.converged()
}

// Everyone's clean-up removes containers that have ended.
func TestJob_that_runs_once_must_not_run_again_without_its_container(t *testing.T) {
	t.Parallel()
	s := newStack(t, counted("once", "first"))
	s.apply()
	if err := docker.ContainerRemove(t.Context(), s.container("once").ID, container.RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	s.exits(0, "drift")
	s.converged()
	s.apply()
	if got := s.lines(); got != "first" {
		t.Errorf("lines: %q", got)
	}
}

func TestJob_that_fails_must_hold_its_dependents_and_run_again(t *testing.T) {
	t.Parallel()
	spec := func(code string) string {
		return fmt.Sprintf(`
		jobs:
		  init: { image: TINY, command: [exit, "%s"] }
		services:
		  a:
		    image: TINY
		    depends_on: { init: { condition: service_completed_successfully } }
		`, code)
	}
	s := newStack(t, spec("5"))
	s.exits(4, "apply", "-auto-approve").says("job/init", `(exit|code|status)[^.]*\b5\b`, "service/a.*skipped|skipped.*service/a")
	absent(t, s.name+"-a")
	if got := s.changes(); got["job/init"] == nil {
		t.Errorf("the failed job is not planned again: %v", got)
	}
	s.write("midaz.infra.yaml", spec("0"))
	s.apply()
	if !s.container("a").State.Running {
		t.Error("a does not run")
	}
	s.converged()
}
