//go:build e2e

package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"

	"github.com/LerianStudio/midaz-infra/e2e/proxy"
	"github.com/LerianStudio/midaz-infra/e2e/rig"
)

// composeProgram is a Compose of version 2 or later, "" when there is none.
var composeProgram = sync.OnceValue(func() string {
	out, err := exec.Command(filepath.Join(rig.Root(), "e2e", "bench", "compose.sh")).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
})

// compose runs Compose in the stack's folder, as a project of the stack's name.
func (s *stack) compose(args ...string) {
	s.t.Helper()
	program := composeProgram()
	if program == "" {
		s.t.Skip("there is no Compose of version 2 to start a project with")
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, append([]string{"-p", s.name}, args...)...)
	cmd.Dir, cmd.Env = s.dir, s.env
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("compose %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// sweepProject removes, at the end of the test, what Compose has made.
func (s *stack) sweepProject() {
	s.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		if err := rig.Sweep(ctx, docker, "com.docker.compose.project="+s.name); err != nil {
			s.t.Errorf("clean up: %v", err)
		}
	})
}

// composeStack starts a Compose project with all that a spec can say too.
func composeStack(t *testing.T, files map[string]string) *stack {
	t.Helper()
	s := newStack(t, "")
	s.sweepProject()
	for name, text := range files {
		s.write(name, text)
	}
	s.compose("up", "-d")
	return s
}

var composeFiles = map[string]string{
	"compose.yml": `
		include: [more/setup.yml]
		x-logging: &logging { driver: json-file, options: { max-size: 5m } }
		services:
		  web:
		    image: ${IMAGE:-TINY}
		    restart: unless-stopped
		    command: ["serve", "-body", "${GREETING:-hello}", "-log", "cost: $$5"]
		    ports: ["127.0.0.1:${WEB_PORT}:8080"]
		    environment:
		      DB_PASSWORD: ${DB_PASSWORD}
		      DB_URL: "db://app:${DB_PASSWORD}@db"
		      EMPTY: ""
		      NUMBER: 5
		    env_file: [app.env]
		    labels: { team: ledger }
		    volumes:
		      - data:/data
		      - ./web.conf:/etc/web.conf:ro
		      - type: tmpfs
		        target: /cache
		        tmpfs: { size: 1000000 }
		    networks: { front: , back: { aliases: [site] } }
		    depends_on: { db: { condition: service_healthy } }
		    logging: *logging
		    mem_limit: 64m
		    ulimits: { nofile: { soft: 1024, hard: 2048 } }
		    init: true
		    stop_grace_period: 2s
		  db:
		    extends: { file: base.yml, service: base }
		    environment: [POSTGRES_PASSWORD=literal-secret, MODE=plain]
		    command: serve
		    networks: [back]
		    secrets: [key]
		    healthcheck: { test: ["CMD", "/tiny", "probe", "http://127.0.0.1:8080/"], interval: 200ms, timeout: 5s, retries: 20 }
		networks:
		  front: {}
		  back: { internal: true, driver_opts: { com.docker.network.driver.mtu: "1400" } }
		volumes: { data: { labels: { keep: "yes" } } }
		secrets: { key: { file: ./key.txt } }
		`,
	"compose.override.yml": `
		services: { web: { environment: { EXTRA: over }, hostname: web-host, cap_drop: [NET_RAW] } }
		`,
	"base.yml": `
		services: { base: { image: TINY, restart: always, user: "999:999" } }
		`,
	"more/setup.yml": `
		services:
		  setup: { image: TINY, command: [exit, "0"], network_mode: none }
		`,
	".env":     "DB_PASSWORD='pa$word-of-app'\nWEB_PORT=PORT1\n",
	"app.env":  "FROM_FILE=one\n",
	"web.conf": "listen\n",
	"key.txt":  "k\n",
}

// running is what must not change when a stack is taken over: of each container
// of the project its ID and when it was started.
func (s *stack) running() []string {
	s.t.Helper()
	var out []string
	for _, label := range []string{"com.docker.compose.project=" + s.name, "midaz.stack=" + s.name} {
		list, err := docker.ContainerList(s.t.Context(), container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", label))})
		if err != nil {
			s.t.Fatal(err)
		}
		for _, c := range list {
			out = append(out, strings.TrimPrefix(c.Names[0], "/")+" "+c.ID[:12]+" "+inspect(s.t, c.ID).State.StartedAt)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func TestAdopt_compose_project_without_a_restart(t *testing.T) {
	t.Parallel()
	s := composeStack(t, composeFiles)
	s.setenv("COMPOSE_PROJECT_NAME", s.name)
	s.exits(0, "import", "compose", "-out", "midaz.infra.yaml", "-env-out", ".env").says("POSTGRES_PASSWORD")
	text, err := os.ReadFile(filepath.Join(s.dir, "midaz.infra.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"word-of-app", "literal-secret"} {
		if strings.Contains(string(text), secret) {
			t.Errorf("the spec holds %s:\n%s", secret, text)
		}
	}
	s.exits(0, "validate")
	s.exits(7, "plan").says("Compose project")
	done, errs := docker.ContainerWait(t.Context(), s.name+"-setup-1", container.WaitConditionNotRunning)
	select {
	case <-done:
	case err := <-errs:
		t.Fatal(err)
	}
	before := s.running()
	if len(before) != 3 {
		t.Fatalf("Compose runs %v", before)
	}
	s.exits(0, "apply", "-auto-approve", "-adopt", "*").says("0 added, ", "0 destroyed").saysNot("forces replacement")
	if now := s.running(); !slices.Equal(now, before) {
		t.Errorf("containers are others, or were started again:\n%s\nbefore:\n%s", strings.Join(now, "\n"), strings.Join(before, "\n"))
	}
	s.converged()
	s.exits(0, "drift")
	s.exits(0, "ps").says("web", "db")
	t.Run("a change", func(t *testing.T) {
		s.exits(0, "apply", "-auto-approve", "-var", "GREETING=bonjour").says("1 added, 0 changed, 1 destroyed")
		c := inspect(t, s.name+"-web-1")
		if c.Config.Labels["midaz.address"] != "service/web" || c.State.Health != nil {
			t.Errorf("labels %v", c.Config.Labels)
		}
		s.exits(0, "plan", "-detailed-exitcode", "-var", "GREETING=bonjour")
	})
	t.Run("down", func(t *testing.T) {
		s.exits(0, "down")
		if left := s.running(); len(left) != 0 {
			t.Errorf("left: %v", left)
		}
		if _, err := docker.NetworkInspect(t.Context(), s.name+"_back", network.InspectOptions{}); err == nil {
			t.Error("the network is left")
		}
		if _, err := docker.VolumeInspect(t.Context(), s.name+"_data"); err != nil {
			t.Errorf("the volume: %v", err)
		}
		s.exits(7, "apply", "-auto-approve", "-var", "GREETING=x", "-replace", "volume/data").says("protected")
		s.exits(0, "destroy", "--volumes", "-auto-approve", "-confirm", s.name)
		if _, err := docker.VolumeInspect(t.Context(), s.name+"_data"); err == nil {
			t.Error("the volume is left")
		}
		list, err := docker.VolumeList(t.Context(), volume.ListOptions{Filters: filters.NewArgs(filters.Arg("label", "midaz.stack="+s.name))})
		if err != nil || len(list.Volumes) != 0 {
			t.Errorf("%v, volumes of the stack are left: %v", err, list.Volumes)
		}
	})
}

// What runs is written down, and what was written is what runs.
func TestAdopt_what_runs_written_by_import_live(t *testing.T) {
	t.Parallel()
	s := composeStack(t, composeFiles)
	done, errs := docker.ContainerWait(t.Context(), s.name+"-setup-1", container.WaitConditionNotRunning)
	select {
	case <-done:
	case err := <-errs:
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(s.dir, ".env")); err != nil {
		t.Fatal(err)
	}
	s.exits(0, "import", "live", "--project", s.name, "-out", "midaz.infra.yaml", "-env-out", ".env").says("taken for a job")
	s.exits(1, "import", "live", "--project", s.name, "-out", "midaz.infra.yaml").says("it exists", "-force")
	s.exits(1, "import", "live", s.name+"-nobody").says("no such container")
	text, err := os.ReadFile(filepath.Join(s.dir, "midaz.infra.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"word-of-app", "literal-secret"} {
		if strings.Contains(string(text), secret) {
			t.Errorf("the spec holds %s:\n%s", secret, text)
		}
	}
	t.Logf("%s", text)
	s.exits(0, "validate")
	before := s.running()
	s.exits(0, "apply", "-auto-approve", "-adopt", "*").says("0 added, ", "0 destroyed").saysNot("forces replacement")
	if now := s.running(); !slices.Equal(now, before) {
		t.Errorf("containers are others, or were started again:\n%s\nbefore:\n%s", strings.Join(now, "\n"), strings.Join(before, "\n"))
	}
	s.converged()
	s.exits(0, "drift")
	s.exits(0, "destroy", "--volumes", "-auto-approve", "-confirm", s.name)
}

// What people write by hand: addresses, gateways, shared namespaces, a user that
// is a number, limits of devices.
func TestAdopt_by_hand_written_by_import_live(t *testing.T) {
	t.Parallel()
	s := newStack(t, "")
	ctx := t.Context()
	net := s.name + "-net"
	if _, err := docker.NetworkCreate(ctx, net, network.CreateOptions{Labels: map[string]string{"midaz-e2e": s.name},
		IPAM: &network.IPAM{Config: []network.IPAMConfig{
			{Subnet: "10.213.9.0/24", Gateway: "10.213.9.77", IPRange: "10.213.9.128/25",
				AuxAddress: map[string]string{"router": "10.213.9.5"}}}}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = docker.NetworkRemove(context.Background(), net) })
	swappiness := int64(0)
	one := runContainer(t, s.name+"-one", &container.Config{Image: tiny, Cmd: []string{"serve"}, User: "0", Domainname: "example.test"},
		&container.HostConfig{
			NetworkMode: container.NetworkMode(net), IpcMode: "shareable", Resources: container.Resources{Memory: 32 << 20,
				MemorySwappiness: &swappiness}})
	runContainer(t, s.name+"-two", &container.Config{Image: tiny, Cmd: []string{"serve", "-listen", ":8081"}}, &container.HostConfig{
		NetworkMode: container.NetworkMode("container:" + one), IpcMode: container.IpcMode("container:" + one)})
	s.exits(0, "import", "live", s.name+"-*", "-stack", s.name, "-out", "midaz.infra.yaml")
	before := inspect(t, s.name+"-one").State.StartedAt + inspect(t, s.name+"-two").State.StartedAt
	s.exits(0, "apply", "-auto-approve", "-adopt", "*").says("0 added, 3 changed, 0 destroyed").saysNot("reconnects")
	if now := inspect(t, s.name+"-one").State.StartedAt + inspect(t, s.name+"-two").State.StartedAt; now != before {
		t.Error("a container was started again")
	}
	s.converged()
	s.exits(0, "drift")
}

// What was made by hand is taken over, and what differs is shown and changed at
// the cost that it has.
func TestAdopt_by_hand_with_differences(t *testing.T) {
	t.Parallel()
	s := newStack(t, `
		networks: { n: {} }
		volumes: { v: {} }
		services:
		  a: { image: TINY, networks: [n], volumes: ["v:/data"], restart: always }
		  b: { image: TINY, networks: [n], environment: { A: "2" } }
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
	a := runContainer(t, s.name+"-a", &container.Config{Image: tiny}, &container.HostConfig{NetworkMode: container.NetworkMode(s.name + "_n"),
		Binds: []string{s.name + "_v:/data"}})
	b := runContainer(t, s.name+"-b", &container.Config{Image: tiny, Env: []string{"A=1"}},
		&container.HostConfig{NetworkMode: container.NetworkMode(s.name + "_n")})
	since := inspect(t, a).State.StartedAt
	s.exits(7, "apply", "-auto-approve", "-adopt", "service/*").says("network/n", "volume/v")
	s.exits(0, "apply", "-auto-approve", "-adopt", "*").says("restart", "environment", "adopted from")
	if c := inspect(t, s.name+"-a"); c.ID != a || c.State.StartedAt != since || c.HostConfig.RestartPolicy.Name != "always" {
		t.Errorf("a: %s since %s, restart %s", c.ID, c.State.StartedAt, c.HostConfig.RestartPolicy.Name)
	}
	if c := inspect(t, s.name+"-b"); c.ID == b || c.Config.Labels["midaz.stack"] != s.name {
		t.Errorf("b was not replaced: labels %v", c.Config.Labels)
	}
	s.converged()
	// An outside change of an adopted container is drift, named by its field.
	if _, err := docker.ContainerUpdate(t.Context(), a,
		container.UpdateConfig{RestartPolicy: container.RestartPolicy{Name: "no"}}); err != nil {
		t.Fatal(err)
	}
	s.exits(2, "drift").says("service/a", "restart")
	s.exits(0, "apply", "-auto-approve", "-only-drift")
	s.converged()
	s.exits(0, "destroy", "--volumes", "-auto-approve", "-confirm", s.name)
	if got := s.left(); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
}

// An adoption that fails leaves the container with whoever has it: the plan speaks
// of no run that was cut off, and nothing of the stack's removes it.
func TestAdopt_that_fails_must_leave_the_container_with_its_owner(t *testing.T) {
	t.Parallel()
	for name, fields := range map[string]string{
		"in place": `restart: always, `,
		"replaced": `environment: { A: "1" }, `,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t, `
				services:
				  a: { image: TINY, network_mode: bridge, `+fields+`command: [serve, -healthy-after, 1h], gate: { http: { port: 8080, path: /health }, timeout: 2s } }
				`)
			id := runContainer(t, s.name+"-a", &container.Config{Image: tiny, Cmd: []string{"serve", "-healthy-after", "1h"}}, nil)
			s.exits(4, "apply", "-auto-approve", "-adopt", "*")
			s.exits(7, "plan").says("belongs to nobody that midaz knows").saysNot("cut off")
			s.exits(0, "destroy", "-auto-approve")
			if c := inspect(t, s.name+"-a"); c.ID != id || !c.State.Running || !c.HostConfig.RestartPolicy.IsNone() {
				t.Errorf("container %s, state %s, restart %s", c.ID, c.State.Status, c.HostConfig.RestartPolicy.Name)
			}
		})
	}
}

// A run that takes a container over is killed, and the next spec neither has it nor
// changes anything else: its owner has it again, as it was.
func TestAdopt_that_was_killed_must_be_given_back_by_a_run_without_changes(t *testing.T) {
	t.Parallel()
	const rest = "services:\n  b: { image: TINY, gate: { stable_for: 1ms } }\n"
	s := newStack(t, rest)
	s.sweepLock()
	s.apply()
	id := runContainer(t, s.name+"-a", &container.Config{Image: tiny, Cmd: []string{"serve"}}, nil)
	s.write("midaz.infra.yaml", rest+"  a: { image: TINY, network_mode: bridge, restart: always, command: [serve], gate: { stable_for: 1ms "+
		"} }\n")
	p := s.record()
	killAfter := slices.IndexFunc(faults, func(f fault) bool { return f.name == "kill after" })
	if call, r := s.strike(p, killAfter, func(c proxy.Call) bool { return strings.HasSuffix(c.Path, "/update") }, "apply", "-auto-approve",
		"-adopt", "*"); call.N == 0 {
		t.Fatalf("it did not change the container in place\n%s", r)
	}
	if c := inspect(t, id); !c.HostConfig.RestartPolicy.IsAlways() {
		t.Fatalf("it was killed too early: %v", c.HostConfig.RestartPolicy)
	}
	s.write("midaz.infra.yaml", rest)
	s.apply()
	if c := inspect(t, id); !c.HostConfig.RestartPolicy.IsNone() || !c.State.Running || c.Name != "/"+s.name+"-a" {
		t.Errorf("%s, %s, restart %s", c.Name, c.State.Status, c.HostConfig.RestartPolicy.Name)
	}
	s.converged()
	s.write("midaz.infra.yaml", rest+"  a: { image: TINY, network_mode: bridge, command: [serve] }\n")
	s.exits(7, "plan").says("belongs to nobody that midaz knows").saysNot("cut off")
}
