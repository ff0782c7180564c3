//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
)

const hands = `
	services:
	  a: { image: TINY, container_name: STACK-x, ports: ["127.0.0.1:PORT1:8080"], gate: { tcp: 8080, timeout: 10s } }
	  b: { image: TINY, container_name: STACK-y, ports: ["127.0.0.1:PORT2:8080"], gate: { tcp: 8080, timeout: 10s } }
	`

// swapped exchanges two texts.
func swapped(text, a, b string) string {
	return strings.NewReplacer(a, b, b, a).Replace(text)
}

func TestHands_names_and_ports_pass_in_a_circle(t *testing.T) {
	t.Parallel()
	s := newStack(t, hands)
	s.sweepLock()
	s.apply()
	ids := []string{s.container("x").ID, s.container("y").ID}
	s.write("midaz.infra.yaml", swapped(hands, "STACK-x", "STACK-y"))
	s.apply()
	if got := []string{s.container("y").ID, s.container("x").ID}; !slices.Equal(got, ids) {
		t.Errorf("the names were not exchanged in place: %v, want %v", got, ids)
	}
	s.converged()

	s.write("midaz.infra.yaml", swapped(swapped(hands, "STACK-x", "STACK-y"), "PORT1", "PORT2"))
	s.apply().says("stopped together with service/b")
	s.converged()

	// One of them fails: both are as before.
	s.write("midaz.infra.yaml", strings.Replace(swapped(hands, "STACK-x", "STACK-y"), "image: TINY, container_name: STACK-x",
		"image: TINY, command: [sleep, 1h], container_name: STACK-x", 1))
	if r := s.midaz("apply", "-auto-approve"); r.code != 4 {
		t.Fatalf("exit status %d:\n%s", r.code, r)
	}
	for _, name := range []string{"x", "y"} {
		if c := s.container(name); !c.State.Running {
			t.Errorf("%s does not run after the failed apply: %s", name, c.State.Status)
		}
	}
	s.write("midaz.infra.yaml", swapped(swapped(hands, "STACK-x", "STACK-y"), "PORT1", "PORT2"))
	s.apply()
	s.converged()
}

func TestHands_a_shared_network_that_ended_is_joined_again(t *testing.T) {
	t.Parallel()
	const spec = `
		services:
		  a: { image: TINY, gate: { tcp: 8080, timeout: 10s } }
		  c: { image: TINY, command: [sleep, 1h], network_mode: "service:a", gate: { stable_for: 100ms } }
		`
	s := newStack(t, spec)
	s.sweepLock()
	s.apply()
	if err := docker.ContainerRestart(t.Context(), s.container("a").ID, container.StopOptions{}); err != nil {
		t.Fatal(err)
	}
	s.exits(2, "drift").says("network_mode")
	before := s.container("c")
	s.apply()
	after := s.container("c")
	if after.ID != before.ID || after.State.StartedAt == before.State.StartedAt {
		t.Error("it was not restarted in place")
	}
	s.converged()
	// A rollback starts the old one again.
	s.write("midaz.infra.yaml", strings.Replace(spec, "a: { image: TINY,", "a: { image: TINY, command: [sleep, 1h],", 1))
	s.exits(4, "apply", "-auto-approve")
	if a, c := s.container("a"), s.container("c"); !c.State.Running || c.State.StartedAt < a.State.StartedAt {
		t.Errorf("after the rollback c has run since %s, and a since %s", c.State.StartedAt, a.State.StartedAt)
	}
	s.write("midaz.infra.yaml", spec)
	s.apply() // clears what is kept of the one that failed
	s.converged()
}

// What shares another one's network cannot go back to a container whose network has
// ended: the old ones come back together.
func TestHands_what_shares_a_network_comes_back_with_it(t *testing.T) {
	t.Parallel()
	const spec = `
		services:
		  a: { image: TINY, command: [serve, -body, one], gate: { http: { port: 8080 }, timeout: 20s } }
		  c: { image: TINY, command: [serve, -listen, ":8081"], network_mode: "service:a", restart: always, gate: { exec: [/tiny, probe, "http://127.0.0.1:8081/"], timeout: 20s } }
		`
	s := newStack(t, spec)
	s.sweepLock()
	s.apply()
	a, c := s.container("a"), s.container("c")
	s.write("midaz.infra.yaml", strings.NewReplacer("-body, one", "-body, two", `serve, -listen, ":8081"`, `exit, "1"`).Replace(spec))
	s.exits(0, "plan").says("when it or service/a fails, all the old ones come back")
	s.exits(4, "apply", "-auto-approve").says("the old one is back in|old one is back").saysNot("put the old one back:")
	for name, was := range map[string]container.InspectResponse{"a": a, "c": c} {
		if now := s.container(name); now.ID != was.ID || !now.State.Running || now.HostConfig.RestartPolicy != was.HostConfig.RestartPolicy {
			t.Errorf("%s: %s %s %v, was %s %v", name, now.ID, now.State.Status, now.HostConfig.RestartPolicy, was.ID, was.HostConfig.RestartPolicy)
		}
	}
	if code, out, err := execIn(c.ID, "/tiny", "probe", "http://127.0.0.1:8080/"); err != nil || code != 0 {
		t.Errorf("it does not reach the other: %d %s %v", code, out, err)
	}
	s.write("midaz.infra.yaml", spec)
	s.apply() // clears what is kept of those that failed
	s.converged()
}

func TestHands_a_failed_reconnect_brings_the_endpoint_back(t *testing.T) {
	t.Parallel()
	const spec = `
		networks: { n: { ipam: { config: [{ subnet: 10.213.77.0/24 }] } } }
		services:
		  a: { image: TINY, networks: { n: { ipv4_address: 10.213.77.5 } }, gate: { stable_for: 100ms } }
		`
	s := newStack(t, spec)
	s.sweepLock()
	s.apply()
	made, err := docker.ContainerCreate(t.Context(), &container.Config{Image: tiny}, nil,
		&network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{s.name +
			"_n": {IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: "10.213.77.6"}}}}, nil, s.name+"-guest")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = docker.ContainerRemove(context.Background(), made.ID, container.RemoveOptions{Force: true})
	})
	if err := docker.ContainerStart(t.Context(), made.ID, container.StartOptions{}); err != nil {
		t.Fatal(err)
	}
	s.write("midaz.infra.yaml", strings.Replace(spec, "77.5 }", "77.6 }", 1))
	s.exits(3, "apply", "-auto-approve").says("the old endpoint is back")
	if e := s.container("a").NetworkSettings.Networks[s.name+"_n"]; e == nil || e.IPAddress != "10.213.77.5" || e.EndpointID == "" {
		t.Errorf("endpoint: %+v", e)
	}
	s.exits(2, "plan", "-detailed-exitcode").says("10.213.77.6")
	if err := docker.ContainerRemove(t.Context(), made.ID, container.RemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	s.apply()
	s.converged()
}

func TestHands_the_first_network_changes_only_with_the_container(t *testing.T) {
	t.Parallel()
	const spec = `
		networks: { na: {}, nb: {} }
		services:
		  s: { image: TINY, networks: [na], restart: always, gate: { stable_for: 100ms } }
		`
	s := newStack(t, spec)
	s.sweepLock()
	s.apply()
	for _, change := range [][2]string{{"networks: [na]", "networks: [nb]"}, {"nb: {} }", "nb: { name: STACK_other } }"}} {
		now := strings.NewReplacer(change[0], change[1], "networks: [na]", "networks: [nb]").Replace(spec)
		s.write("midaz.infra.yaml", now)
		s.apply().says("service/s must be replaced")
		if err := docker.ContainerRestart(t.Context(), s.container("s").ID, container.StopOptions{}); err != nil {
			t.Fatal(err)
		}
		s.converged()
	}
}

func TestHands_start_first_keeps_a_fixed_MAC_address(t *testing.T) {
	t.Parallel()
	const spec = `
		services:
		  s:
		    image: TINY
		    networks: { default: { mac_address: "02:42:ac:11:65:43" } }
		    update: { order: start_first }
		    gate: { stable_for: 100ms }
		`
	s := newStack(t, spec)
	s.sweepLock()
	s.apply()
	s.write("midaz.infra.yaml", strings.Replace(spec, "65:43", "65:44", 1))
	s.apply()
	if e := s.container("s").NetworkSettings.Networks[s.name+"_default"]; e == nil || e.MacAddress != "02:42:ac:11:65:44" {
		t.Errorf("endpoint %+v", e)
	}
	s.converged()
}

func TestHands_a_network_is_replaced_under_whom_it_cuts_off_only_with_consent(t *testing.T) {
	t.Parallel()
	const spec = `
		networks: { n: {} }
		services:
		  a: { image: TINY, networks: [n], gate: { stable_for: 100ms } }
		`
	s := newStack(t, spec)
	s.sweepLock()
	s.apply()
	made, err := docker.ContainerCreate(t.Context(), &container.Config{Image: tiny, Cmd: []string{"exit", "1"}},
		&container.HostConfig{RestartPolicy: container.RestartPolicy{Name: "always"}},
		&network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{s.name + "_n": {Aliases: []string{"theirs"}}}}, nil,
		s.name+"-loop")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = docker.ContainerRemove(context.Background(), made.ID, container.RemoveOptions{Force: true})
	})
	if err := docker.ContainerStart(t.Context(), made.ID, container.StartOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Minute, func() error {
		if n := inspect(t, s.name+"-loop").RestartCount; n < 3 {
			return fmt.Errorf("restarted %d times", n)
		}
		return nil
	})
	s.write("midaz.infra.yaml", strings.Replace(spec, "n: {}", "n: { labels: { x: y } }", 1))
	s.exits(7, "apply", "-auto-approve").says("connection-loss", s.name+"-loop")
	s.apply("-allow", "connection-loss")
	s.converged()
	now := inspect(t, s.name+"-loop")
	if e := now.NetworkSettings.Networks[s.name+"_n"]; e == nil || !slices.Contains(e.Aliases, "theirs") || !now.State.Running &&
		!now.State.Restarting {
		t.Errorf("the other container: %s, %+v", now.State.Status, now.NetworkSettings.Networks)
	}
}

func TestHands_a_volume_named_like_its_key_goes_after_its_container(t *testing.T) {
	t.Parallel()
	s := newStack(t, `
		volumes: { STACK: { name: STACK, protect: false } }
		services: { a: { image: TINY, volumes: ["STACK:/v"], gate: { stable_for: 100ms } } }
		`)
	s.sweepLock()
	s.apply()
	s.exits(0, "destroy", "-volumes", "-auto-approve")
}

func TestHands_a_dependent_with_restart_is_really_replaced(t *testing.T) {
	t.Parallel()
	const spec = `
		services:
		  a: { image: TINY, gate: { stable_for: 100ms } }
		  b: { image: TINY, gate: { stable_for: 100ms }, depends_on: { a: { condition: service_started, restart: true } } }
		`
	s := newStack(t, spec)
	s.sweepLock()
	s.apply()
	before := s.container("b").ID
	s.write("midaz.infra.yaml", strings.Replace(spec, "a: { image: TINY,", "a: { image: TINY, environment: { X: y },", 1))
	s.apply().says("service/b must be replaced")
	if s.container("b").ID == before {
		t.Error("it is the same container")
	}
	s.converged()
}

// What is read back costs one look at each container: the one after its start.
func TestHands_reading_back_costs_few_calls(t *testing.T) {
	t.Parallel()
	s := newStack(t, `
		services:
		  a: { image: TINY, mem_limit: 64m, gate: { stable_for: 100ms } }
		`)
	s.sweepLock()
	p := s.record()
	s.apply()
	id := s.container("a").ID
	inspects := func() int {
		n := 0
		for _, c := range p.Calls() {
			if c.Method == "GET" && strings.HasSuffix(c.Path, "/json") && strings.Contains(c.Path, "/containers/"+id) {
				n++
			}
		}
		return n
	}
	created := inspects()
	p.Reset()
	s.write("midaz.infra.yaml", strings.Replace(`
		services:
		  a: { image: TINY, mem_limit: 64m, gate: { stable_for: 100ms } }
		`, "64m", "96m", 1))
	s.apply()
	updated := inspects()
	t.Logf("inspects of the container: %d to create it, %d to update it", created, updated)
	if updated > 8 {
		t.Errorf("%d inspects for one update in place", updated)
	}
}
