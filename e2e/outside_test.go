//go:build e2e

package e2e

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"

	"github.com/LerianStudio/midaz-infra/e2e/rig"
)

// driftReport is the part of drift -json that scenarios look at.
type driftReport struct {
	Drifted bool           `json:"drifted"`
	Drift   []driftedThing `json:"resource_drift"`
	Pending []driftedThing `json:"pending"`
	Runtime []struct {
		Address   string `json:"address"`
		Condition string `json:"condition"`
	} `json:"runtime"`
	Refusals []struct {
		Address string `json:"address"`
		Code    string `json:"code"`
	} `json:"refusals"`
}

type driftedThing struct {
	Address string `json:"address"`
	Midaz   struct {
		Reason string `json:"reason"`
		Source *struct {
			Line int `json:"line"`
		} `json:"source"`
		Fields []struct {
			Path    string `json:"path"`
			Before  any    `json:"before"`
			After   any    `json:"after"`
			Applied any    `json:"last_applied"`
			Drift   bool   `json:"drift"`
			Pending bool   `json:"pending"`
			Source  *struct {
				Line int `json:"line"`
			} `json:"source"`
		} `json:"fields"`
	} `json:"midaz"`
}

// paths returns what has drifted: by address the paths of the fields, or
// "removed".
func (d driftReport) paths() map[string]string {
	out := map[string]string{}
	for _, x := range d.Drift {
		var paths []string
		for _, f := range x.Midaz.Fields {
			paths = append(paths, f.Path)
		}
		if paths == nil {
			paths = []string{"removed"}
		}
		out[x.Address] = strings.Join(paths, " ")
	}
	return out
}

func (s *stack) drift(code int, args ...string) driftReport {
	s.t.Helper()
	var report driftReport
	s.exits(code, append([]string{"drift", "-json"}, args...)...).json(&report)
	return report
}

// outside is one thing that someone does to a running stack by other means.
type outside struct {
	name  string
	of    string // the service, whose spec is fields
	spec  string
	do    func(s *stack, id string) error
	found map[string]string // what drift must name; nothing for what is no drift
}

// outsiders are the things done, each to a service of its own, so that all of
// them can be found, and repaired, together.
func outsiders(t *testing.T) []outside {
	ctx := t.Context()
	update := func(u container.UpdateConfig) func(*stack, string) error {
		return func(_ *stack, id string) error {
			_, err := docker.ContainerUpdate(ctx, id, u)
			return err
		}
	}
	limit := func(r container.Resources) func(*stack, string) error {
		return update(container.UpdateConfig{Resources: r})
	}
	on := func(name, path string) map[string]string { return map[string]string{"service/" + name: path} }
	const file = `files: [{ content: "as declared", target: /etc/tiny.conf, mode: "0444" }]`
	write := func(mode int64, content string) func(*stack, string) error {
		return func(_ *stack, id string) error {
			return put(ctx, id, &tar.Header{Name: "etc/tiny.conf", Mode: mode}, content)
		}
	}
	// overwrite leaves the time of the file's change as it is, by which plan could
	// take it for unchanged.
	overwrite := func(uid int, content string) func(*stack, string) error {
		return func(_ *stack, id string) error {
			st, err := docker.ContainerStatPath(ctx, id, "/etc/tiny.conf")
			if err != nil {
				return err
			}
			return put(ctx, id, &tar.Header{Name: "etc/tiny.conf", Mode: 0o444, Uid: uid, ModTime: st.Mtime}, content)
		}
	}
	pids := int64(50)
	return []outside{
		{"docker update --memory", "memory", "mem_limit: 64m", limit(container.Resources{Memory: 96 << 20, MemorySwap: 192 << 20}),
			on("memory", "mem_limit")},
		{"docker update --cpus", "cpus", "cpus: 0.5", limit(container.Resources{NanoCPUs: 700_000_000}), on("cpus", "cpus")},
		{"docker update --cpu-shares", "shares", "cpu_shares: 512", limit(container.Resources{CPUShares: 256}), on("shares", "cpu_shares")},
		{"docker update --pids-limit of what the spec does not set", "pids", "", limit(container.Resources{PidsLimit: &pids}),
			on("pids", "pids_limit")},
		{"docker update --restart", "restart", "restart: unless-stopped",
			update(container.UpdateConfig{RestartPolicy: container.RestartPolicy{Name: "always"}}), on("restart", "restart")},
		{"docker stop", "stopped", "", func(_ *stack, id string) error { return docker.ContainerStop(ctx, id, container.StopOptions{}) },
			on("stopped", "state")},
		{"docker kill", "killed", "restart: always", func(_ *stack, id string) error { return docker.ContainerKill(ctx, id, "KILL") },
			on("killed", "state")},
		{"docker pause", "paused", "", func(_ *stack, id string) error { return docker.ContainerPause(ctx, id) }, on("paused", "state")},
		{"docker rm", "removed", "", func(_ *stack, id string) error {
			return docker.ContainerRemove(ctx, id, container.RemoveOptions{Force: true})
		}, on("removed", "removed")},
		{"docker rename", "renamed", "", func(s *stack, id string) error { return docker.ContainerRename(ctx, id, s.name+"-elsewhere") },
			on("renamed", "container_name")},
		{"docker network connect", "connected", "networks: [front]", func(s *stack, id string) error {
			return docker.NetworkConnect(ctx, s.name+"_back", id, nil)
		}, on("connected", "networks.STACK_back")},
		{"docker network disconnect", "cut", "networks: [front, back]", func(s *stack, id string) error {
			return docker.NetworkDisconnect(ctx, s.name+"_back", id, false)
		}, on("cut", "networks.back")},
		{"docker network connect --alias", "alias", "networks: [front]", func(s *stack, id string) error {
			if err := docker.NetworkDisconnect(ctx, s.name+"_front", id, false); err != nil {
				return err
			}
			return docker.NetworkConnect(ctx, s.name+"_front", id, &network.EndpointSettings{Aliases: []string{"alias", "more"}})
		}, on("alias", "networks.front.aliases[1]")},
		{"docker network rm", "lonely", "networks: [lone]", func(s *stack, id string) error {
			if err := docker.NetworkDisconnect(ctx, s.name+"_lone", id, false); err != nil {
				return err
			}
			return docker.NetworkRemove(ctx, s.name+"_lone")
		}, map[string]string{"service/lonely": "networks.lone", "network/lone": "removed"}},
		{"docker network rm of one without containers", "x", "", func(s *stack, _ string) error {
			return docker.NetworkRemove(ctx, s.name+"_spare")
		}, map[string]string{"network/spare": "removed"}},
		{"docker volume rm", "y", "", func(s *stack, _ string) error {
			return docker.VolumeRemove(ctx, s.name+"_data", false)
		}, map[string]string{"volume/data": "removed"}},
		{"docker rm of a job", "z", "", func(s *stack, _ string) error {
			return docker.ContainerRemove(ctx, s.name+"-job", container.RemoveOptions{})
		}, map[string]string{"job/job": "removed"}},
		{"docker tag", "tagged", "image: STACK-own:1", func(s *stack, id string) error {
			made, err := docker.ContainerCommit(ctx, id,
				container.CommitOptions{Config: &container.Config{Labels: map[string]string{"moved": "yes"}}})
			if err != nil {
				return err
			}
			return docker.ImageTag(ctx, made.ID, s.name+"-own:1")
		}, on("tagged", "image")},
		{"an edited file", "edited", file, write(0o444, "as edited "), on("edited", `files["/etc/tiny.conf"].content`)},
		{"chmod of a file", "chmod", file, write(0o600, "as declared"), on("chmod", `files["/etc/tiny.conf"].mode`)},
		{"chown of a file", "chown", file, overwrite(7, "as declared"), on("chown", `files["/etc/tiny.conf"].uid`)},
		{"an edit that keeps size and time", "kept", file, overwrite(0, "AS DECLARED"), on("kept", `files["/etc/tiny.conf"].content`)},
		{"docker exec that changes nothing", "exec", file, func(s *stack, id string) error {
			code, out, err := execIn(id, "/tiny", "cat", "/etc/tiny.conf")
			if err == nil && code != 0 {
				err = fmt.Errorf("exit %d: %s", code, out)
			}
			return err
		}, nil},
		{"docker restart", "again", "", func(_ *stack, id string) error {
			return docker.ContainerRestart(ctx, id, container.StopOptions{})
		}, nil},
	}
}

// put places one file, or what its header says, in a container.
func put(ctx context.Context, id string, h *tar.Header, content string) error {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	h.Size = int64(len(content))
	if err := w.WriteHeader(h); err != nil {
		return err
	}
	if _, err := w.Write([]byte(content)); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return docker.CopyToContainer(ctx, id, "/", &b, container.CopyToContainerOptions{AllowOverwriteDirWithFile: true})
}

func TestDrift_must_find_each_change_made_outside_and_apply_must_repair_it(t *testing.T) {
	t.Parallel()
	all := outsiders(t)
	spec := "networks: { front: {}, back: {}, lone: {}, spare: {} }\nvolumes: { data: { protect: false } }\njobs: { job: { image: TINY, " +
		"command: [say, done], network_mode: none } }\nservices:\n"
	for _, o := range all {
		fields := o.spec
		if !strings.Contains(fields, "image:") {
			fields = strings.Trim("image: TINY, "+fields, ", ")
		}
		spec += fmt.Sprintf("  %s: { %s, gate: { stable_for: 1ms } }\n", o.of, fields)
	}
	s := newStack(t, "")
	if err := docker.ImageTag(t.Context(), tiny, s.name+"-own:1"); err != nil {
		t.Fatal(err)
	}
	s.write("midaz.infra.yaml", spec)
	t.Cleanup(func() {
		ctx := context.Background()
		_ = rig.Sweep(ctx, docker, "midaz.stack="+s.name) // who uses the image goes before it
		_, _ = docker.ImageRemove(ctx, s.name+"-own:1", image.RemoveOptions{Force: true})
	})
	s.apply()
	if got := s.drift(0); got.Drifted || len(got.Pending)+len(got.Runtime) > 0 {
		t.Fatalf("a stack that no one touched: %+v", got)
	}

	want := map[string]string{}
	for _, o := range all {
		id := inspect(t, s.name+"-"+o.of).ID
		if err := o.do(s, id); err != nil {
			t.Fatalf("%s: %v", o.name, err)
		}
		maps.Copy(want, o.found)
	}
	got := s.drift(2)
	found := got.paths()
	for _, o := range all {
		for address, path := range o.found {
			if path = strings.ReplaceAll(path, "STACK", s.name); found[address] != path {
				t.Errorf("%s: drift names %q of %s, want %q", o.name, found[address], address, path)
			}
		}
	}
	for address, path := range found {
		if want[address] == "" {
			t.Errorf("drift names %s of %s, to which nobody did anything", path, address)
		}
	}
	for _, x := range got.Drift {
		if x.Midaz.Source == nil || x.Midaz.Source.Line == 0 {
			t.Errorf("%s: no line of the spec", x.Address)
		}
		for _, f := range x.Midaz.Fields {
			if f.Pending || !f.Drift {
				t.Errorf("%s %s: drift %v, pending %v", x.Address, f.Path, f.Drift, f.Pending)
			}
		}
	}
	if len(got.Pending) > 0 {
		t.Errorf("pending: %+v", got.Pending)
	}
	conditions := map[string]string{}
	for _, r := range got.Runtime {
		conditions[r.Address] = r.Condition
	}
	if !maps.Equal(conditions, map[string]string{"service/stopped": "exited", "service/killed": "stopped", "service/paused": "paused"}) {
		t.Errorf("runtime: %v", conditions)
	}

	s.apply("-only-drift")
	if got := s.drift(0); got.Drifted || len(got.Pending)+len(got.Runtime) > 0 {
		t.Errorf("after the repair: %+v", got)
	}
	s.converged()
}

// What goes wrong by itself is told by its condition, also where nobody changed
// a field.
func TestDrift_must_tell_how_services_are_doing(t *testing.T) {
	t.Parallel()
	s := newStack(t, `
		services:
		  restarting: { image: TINY, command: [serve, -exit-after, 200ms, -exit-code, "3"], restart: always, gate: { stable_for: 1ms } }
		  unwell: { image: TINY, command: [serve], healthcheck: { test: [CMD, /tiny, probe, "http://127.0.0.1:8080/health"], interval: 100ms, retries: 1 }, gate: { http: { port: 8080 } }, ports: ["127.0.0.1:PORT1:8080"] }
		  hungry: { image: TINY, command: [serve, -eat, "500", -log-after, 300ms], mem_limit: 20m, memswap_limit: 20m, gate: { stable_for: 1ms } }
		`)
	s.midaz("apply", "-auto-approve") // whose gates two of them may fail
	resp, err := http.Post(fmt.Sprintf("http://127.0.0.1:%d/health?ok=false", s.port("PORT1")), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	want := map[string]string{"service/restarting": "restarting", "service/unwell": "unhealthy", "service/hungry": "out-of-memory"}
	eventually(t, time.Minute, func() error {
		got := map[string]string{}
		var report driftReport
		s.midaz("drift", "-json").json(&report)
		for _, r := range report.Runtime {
			got[r.Address] = r.Condition
		}
		if got["service/hungry"] == "exited" {
			// The engine reports an out-of-memory kill only if it reads the kernel's
			// notice before the process's exit, which on a busy machine it may not.
			_ = docker.ContainerStart(t.Context(), s.name+"-hungry", container.StartOptions{})
		}
		if !maps.Equal(got, want) {
			return fmt.Errorf("runtime %v, want %v", got, want)
		}
		return nil
	})
}

// A limit that an apply has changed in place is what was last applied, though
// the container's labels cannot say so.
func TestDrift_must_know_what_was_last_applied_in_place(t *testing.T) {
	t.Parallel()
	s := newStack(t, `services: { a: { image: TINY, mem_limit: 64m, cpu_shares: 512 } }`)
	s.apply()
	id := s.container("a").ID
	s.write("midaz.infra.yaml", `services: { a: { image: TINY, mem_limit: 96m, cpu_shares: 512 } }`)
	s.apply()
	if s.container("a").ID != id {
		t.Fatal("the container was replaced")
	}
	set := func(m int64) {
		t.Helper()
		if _, err := docker.ContainerUpdate(t.Context(), id,
			container.UpdateConfig{Resources: container.Resources{Memory: m << 20, MemorySwap: 2 * m << 20}}); err != nil {
			t.Fatal(err)
		}
	}
	set(64) // as it was made, which is no longer what was applied
	if got := s.drift(2); fmt.Sprint(got.paths()) != "map[service/a:mem_limit]" || len(got.Pending) > 0 {
		t.Errorf("%+v", got)
	}
	s.apply("-only-drift")

	// Both: changed outside, and in the spec.
	set(128)
	s.write("midaz.infra.yaml", `services: { a: { image: TINY, mem_limit: 80m, cpu_shares: 256 } }`)
	got := s.drift(2)
	if len(got.Drift) != 1 || len(got.Pending) != 1 {
		t.Fatalf("%+v", got)
	}
	f := got.Drift[0].Midaz.Fields
	if len(f) != 1 || f[0].Before != "128m" || f[0].After != "80m" || f[0].Applied != "96m" || !f[0].Pending {
		t.Errorf("drift: %+v", f)
	}
	var pending []string
	for _, f := range got.Pending[0].Midaz.Fields {
		pending = append(pending, f.Path)
	}
	if !slices.Equal(pending, []string{"mem_limit", "cpu_shares"}) {
		t.Errorf("pending: %v", pending)
	}
	// Only what drifted is brought back.
	s.apply("-only-drift")
	if c := s.container("a"); c.HostConfig.Memory != 80<<20 || c.HostConfig.CPUShares != 512 {
		t.Errorf("memory %d, shares %d", c.HostConfig.Memory, c.HostConfig.CPUShares)
	}
	if got := s.drift(0); len(got.Pending) != 1 {
		t.Errorf("%+v", got)
	}
	s.apply()
	if c := s.container("a"); c.HostConfig.CPUShares != 256 || c.ID != id {
		t.Errorf("shares %d", c.HostConfig.CPUShares)
	}
	s.converged()
}

func TestDrift_must_tell_a_container_that_someone_else_put_in_its_place(t *testing.T) {
	t.Parallel()
	s := newStack(t, `services: { a: { image: TINY }, b: { image: TINY } }`)
	s.apply()
	if err := docker.ContainerRemove(t.Context(), s.name+"-a", container.RemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	runContainer(t, s.name+"-a", &container.Config{Image: tiny, Cmd: []string{"serve"}}, nil)
	got := s.drift(2)
	if fmt.Sprint(got.paths()) != "map[service/a:removed]" || len(got.Refusals) != 1 || got.Refusals[0].Code != "foreign" {
		t.Errorf("%+v", got)
	}
	s.exits(7, "apply", "-auto-approve").says("adopt")
}

func TestDrift_adopt_must_write_what_is_there_and_nothing_else(t *testing.T) {
	t.Parallel()
	s := newStack(t, `
		networks: { front: {} }
		services:
		  # the first
		  a: { image: TINY, mem_limit: 64m, networks: [front] } # of two
		  b:
		    image: TINY # small
		    networks: [front]
		`)
	s.apply()
	ctx := t.Context()
	if _, err := docker.ContainerUpdate(ctx, s.name+"-a",
		container.UpdateConfig{Resources: container.Resources{Memory: 96 << 20, MemorySwap: 192 << 20}}); err != nil {
		t.Fatal(err)
	}
	if _, err := docker.ContainerUpdate(ctx, s.name+"-b",
		container.UpdateConfig{RestartPolicy: container.RestartPolicy{Name: "always"}}); err != nil {
		t.Fatal(err)
	}
	extra := s.name + "-extra"
	if _, err := docker.NetworkCreate(ctx, extra, network.CreateOptions{Labels: map[string]string{"midaz-e2e": s.name}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = docker.NetworkRemove(context.Background(), extra) })
	if err := docker.NetworkConnect(ctx, extra, s.name+"-b", nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = docker.NetworkDisconnect(context.Background(), extra, s.name+"-b", true) })
	p := s.record()
	s.exits(0, "drift", "-adopt", "service/*").says("mem_limit: 96m", "restart: always", "external: true")
	readsOnly(t, p)
	// What is left is that a service is reached by its key on each of its networks.
	if got := s.drift(0); len(got.Pending) != 1 || got.Pending[0].Address != "service/b" {
		t.Errorf("%+v", got)
	}
	ids := s.container("a").ID + s.container("b").ID
	s.apply()
	if s.container("a").ID+s.container("b").ID != ids {
		t.Error("a container was replaced")
	}
	s.converged()
	data, err := os.ReadFile(filepath.Join(s.dir, "midaz.infra.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	for _, want := range []string{"  # the first\n", "mem_limit: 96m", "} # of two\n", "image: " + tiny + " # small\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("the spec has no %q:\n%s", want, text)
		}
	}
}
