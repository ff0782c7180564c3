//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
)

func TestForeign_container_of_the_same_name_must_be_refused(t *testing.T) {
	t.Parallel()
	for owner, labels := range map[string]map[string]string{
		"nobody":           nil,
		"another-stack":    {"midaz.stack": "e2e-somebody-else", "midaz.address": "service/a"},
		"a-compose-called": {"com.docker.compose.project": "a-compose-called", "com.docker.compose.service": "a"},
	} {
		t.Run(owner, func(t *testing.T) {
			s := newStack(t, `
				services: { a: { image: TINY } }
				`)
			id := runContainer(t, s.name+"-a", &container.Config{Image: tiny, Labels: labels}, nil)
			since := inspect(t, id).State.StartedAt
			r := s.exits(7, "apply", "-auto-approve")
			r.says("service/a", "adopt")
			if owner == "another-stack" {
				r.says("e2e-somebody-else")
			}
			if owner == "a-compose-called" {
				r.says("a-compose-called")
			}
			s.exits(7, "plan")
			if now := inspect(t, s.name+"-a"); now.ID != id || now.State.StartedAt != since {
				t.Error("it was touched")
			}
		})
	}
}

func TestForeign_network_and_volume_of_the_same_name_must_be_refused(t *testing.T) {
	t.Parallel()
	s := newStack(t, `
		networks: { n: {} }
		volumes: { v: {} }
		services: { a: { image: TINY, networks: [n], volumes: ["v:/data"] } }
		`)
	n, err := docker.NetworkCreate(t.Context(), s.name+"_n", network.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = docker.NetworkRemove(context.Background(), n.ID) })
	if _, err := docker.VolumeCreate(t.Context(), volume.CreateOptions{Name: s.name + "_v"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = docker.VolumeRemove(context.Background(), s.name+"_v", true) })
	s.exits(7, "apply", "-auto-approve").says("network/n", "volume/v")
	absent(t, s.name+"-a")
}

func TestDestroy_must_leave_nothing_behind_and_touch_nothing_foreign(t *testing.T) {
	t.Parallel()
	s := newStack(t, several)
	f := newForeign(t, s.name+"-foreign", map[string]string{"midaz.stack": s.name + "-other"})
	since := inspect(t, f.container).State.StartedAt
	bystander := runContainer(t, s.name+"-bystander", &container.Config{Image: tiny}, nil)
	s.apply()
	if len(s.left()) < 4 {
		t.Fatalf("the stack has only %v", s.left())
	}
	s.exits(0, "down")
	if got := s.left(); !slices.Equal(got, []string{"volume " + s.name + "_v"}) {
		t.Errorf("after down: %v", got)
	}
	s.exits(0, "destroy", "--volumes", "-auto-approve", "-confirm", s.name).says("Destroy complete! Resources: 1 destroyed")
	if got := s.left(); len(got) != 0 {
		t.Errorf("after destroy: %v", got)
	}
	f.untouched(since)
	if !inspect(t, bystander).State.Running {
		t.Error("a container without labels was touched")
	}
}

// A volume without a name holds data as any other does.
func TestDown_must_keep_volumes_without_a_name(t *testing.T) {
	t.Parallel()
	spec := `
		services:
		  a: { image: TINY, volumes: ["/data"] }
		  b: { image: TINY }
		`
	s := newStack(t, spec)
	unnamed := func() string {
		t.Helper()
		c := s.container("a")
		if len(c.Mounts) != 1 {
			t.Fatalf("mounts: %+v", c.Mounts)
		}
		name := c.Mounts[0].Name
		t.Cleanup(func() { _ = docker.VolumeRemove(context.Background(), name, true) })
		return name
	}
	there := func(name string) bool {
		_, err := docker.VolumeInspect(t.Context(), name)
		return err == nil
	}
	s.apply()
	first := unnamed()
	s.exits(0, "down")
	if !there(first) {
		t.Error("down has removed it")
	}
	s.apply()
	second := unnamed()
	s.write("midaz.infra.yaml", strings.Replace(spec, `a: { image: TINY, volumes: ["/data"] }`, "c: { image: TINY }", 1))
	s.apply()
	if !there(second) {
		t.Error("it went with its block in the spec")
	}
	s.write("midaz.infra.yaml", spec)
	s.apply()
	third := unnamed()
	s.exits(0, "destroy", "--volumes", "-auto-approve", "-confirm", s.name)
	if there(third) || !there(first) {
		t.Error("destroy --volumes takes along what the stack has, and nothing else")
	}
}

// Without a terminal nobody can type the name, and nothing may be guessed.
func TestDestroy_without_approval_must_fail_and_not_hang(t *testing.T) {
	t.Parallel()
	s := newStack(t, `
		services: { a: { image: TINY } }
		`)
	s.exits(1, "apply").says("-auto-approve")
	if got := s.left(); len(got) != 0 {
		t.Errorf("made without approval: %v", got)
	}
	s.apply()
	s.exits(1, "destroy").says("-auto-approve")
	if !s.container("a").State.Running {
		t.Error("removed without approval")
	}
}

func TestOrphans_must_be_removed_and_protected_ones_refused(t *testing.T) {
	t.Parallel()
	both := `
		volumes: { keep: {}, drop: { protect: false } }
		services:
		  a: { image: TINY, volumes: ["keep:/keep"] }
		  b: { image: TINY, volumes: ["drop:/drop"] }
		`
	s := newStack(t, both)
	s.apply()
	s.write("midaz.infra.yaml", `
		volumes: { keep: {} }
		services: { a: { image: TINY, volumes: ["keep:/keep"] } }
		`)
	s.exits(7, "apply", "-auto-approve").says("volume/drop", "data-loss")
	s.apply("-allow", "data-loss")
	absent(t, s.name+"-b")
	if _, err := docker.VolumeInspect(t.Context(), s.name+"_drop"); err == nil {
		t.Error("the volume that is not protected is still there")
	}
	s.converged()
	s.write("midaz.infra.yaml", `
		services: { a: { image: TINY } }
		`)
	s.exits(7, "apply", "-auto-approve").says("volume/keep", "protect")
	if got := fmt.Sprint(s.left()); !strings.Contains(got, "volume "+s.name+"_keep") {
		t.Errorf("left: %s", got)
	}
}

func TestEmpty_spec_must_not_remove_a_stack_unasked(t *testing.T) {
	t.Parallel()
	s := newStack(t, `
		services: { a: { image: TINY } }
		`)
	s.apply()
	s.write("midaz.infra.yaml", `
		services: {}
		`)
	s.exits(7, "apply", "-auto-approve").says("-allow-empty")
	if !s.container("a").State.Running {
		t.Error("a is gone")
	}
	s.apply("-allow-empty")
	if got := s.left(); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
}

// What is declared external is given up by an apply: it stays, and neither a
// later apply without its block nor destroy removes it.
func TestExternal_must_be_given_up(t *testing.T) {
	t.Parallel()
	s := newStack(t, `
		networks: { n: { name: STACK-net } }
		volumes: { v: { protect: false } }
		services:
		  a: { image: TINY }
		`)
	s.apply()
	t.Cleanup(func() {
		_ = docker.NetworkRemove(context.Background(), s.name+"-net")
		_ = docker.VolumeRemove(context.Background(), s.name+"_v", true)
	})
	s.write("midaz.infra.yaml", `
		networks: { n: { name: STACK-net, external: true } }
		volumes: { v: { name: STACK_v, external: true } }
		services:
		  a: { image: TINY }
		`)
	s.exits(2, "plan", "-detailed-exitcode").says("network/n", "volume/v", "given up")
	s.apply()
	s.exits(0, "plan", "-detailed-exitcode")
	s.write("midaz.infra.yaml", `
		services:
		  a: { image: TINY }
		`)
	s.exits(0, "plan", "-detailed-exitcode")
	s.exits(0, "destroy", "--volumes", "-auto-approve", "-confirm", s.name)
	if _, err := docker.NetworkInspect(t.Context(), s.name+"-net", network.InspectOptions{}); err != nil {
		t.Error(err)
	}
	if _, err := docker.VolumeInspect(t.Context(), s.name+"_v"); err != nil {
		t.Error(err)
	}
}
