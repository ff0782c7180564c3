//go:build e2e

package e2e

import (
	"fmt"
	"testing"

	"github.com/docker/docker/api/types/container"
)

func TestDrift_of_memory_must_be_named_by_field_and_repaired_in_place(t *testing.T) {
	t.Parallel()
	s := newStack(t, `
		services:
		  a: { image: TINY, mem_limit: 64m }
		  b: { image: TINY }
		`)
	s.apply()
	s.exits(0, "drift")
	old := s.container("a")
	if _, err := docker.ContainerUpdate(t.Context(), old.ID, container.UpdateConfig{
		Resources: container.Resources{Memory: 128 << 20, MemorySwap: 256 << 20},
	}); err != nil {
		t.Fatal(err)
	}
	s.exits(2, "drift").says("service/a", "mem_limit", "64", "128").saysNot("service/b")

	var report struct {
		Drifted bool     `json:"drifted"`
		Drift   []change `json:"resource_drift"`
	}
	s.exits(2, "drift", "-json").json(&report)
	if !report.Drifted || len(report.Drift) != 1 || report.Drift[0].Address != "service/a" {
		t.Errorf("drift -json: %+v", report)
	} else if c := report.Drift[0].Change; fmt.Sprint(c.Before["mem_limit"]) == fmt.Sprint(c.After["mem_limit"]) {
		t.Errorf("before %v, after %v", c.Before, c.After)
	}
	if got := fmt.Sprint(s.changes()); got != "map[service/a:[update]]" {
		t.Errorf("plan: %s", got)
	}
	s.apply()
	now := s.container("a")
	if now.ID != old.ID || now.HostConfig.Memory != 64<<20 {
		t.Errorf("memory %d in %s, want %d in %s", now.HostConfig.Memory, now.ID, 64<<20, old.ID)
	}
	s.exits(0, "drift")
	s.converged()
}

func TestDrift_must_not_call_what_is_merely_pending_drift(t *testing.T) {
	t.Parallel()
	s := newStack(t, `
		services: { a: { image: TINY, mem_limit: 64m } }
		`)
	s.apply()
	s.write("midaz.infra.yaml", `
		services: { a: { image: TINY, mem_limit: 96m } }
		`)
	var report struct {
		Drifted bool     `json:"drifted"`
		Pending []change `json:"pending"`
	}
	s.exits(0, "drift", "-json").json(&report)
	if report.Drifted || len(report.Pending) != 1 || report.Pending[0].Address != "service/a" {
		t.Errorf("%+v", report)
	}
}

func TestDrift_must_see_a_container_that_was_removed_and_one_that_was_stopped(t *testing.T) {
	t.Parallel()
	s := newStack(t, `
		services:
		  a: { image: TINY }
		  b: { image: TINY }
		`)
	s.apply()
	if err := docker.ContainerRemove(t.Context(), s.name+"-a", container.RemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	if err := docker.ContainerStop(t.Context(), s.name+"-b", container.StopOptions{}); err != nil {
		t.Fatal(err)
	}
	stopped := s.container("b").ID
	s.exits(2, "drift").says("service/a", "service/b", "stopped|exited")
	s.apply()
	if !s.container("a").State.Running || !s.container("b").State.Running {
		t.Error("apply did not bring them back")
	}
	if s.container("b").ID != stopped {
		t.Error("a stopped container is started, not replaced")
	}
	s.converged()
}
