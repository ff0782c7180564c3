package docker

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// TestRequest tells what is sent for what is written.
func TestRequest(t *testing.T) {
	for _, c := range []struct {
		fields string
		show   func(*request) any
		want   string // as fmt prints it
	}{
		{"command: sh -c \"echo 'a b'\"", func(r *request) any { return fmt.Sprintf("%q", r.Config.Cmd) }, `["sh" "-c" "echo 'a b'"]`},
		{"entrypoint: []\ncommand: x", func(r *request) any { return fmt.Sprintf("%q", r.Config.Entrypoint) }, `[""]`},
		{"environment: [B=2, A=1, B=3, \"C=x=y\", D=]", func(r *request) any { return r.Config.Env }, "[A=1 B=3 C=x=y D=]"},
		{"environment: {A: 1, B: true, C: 1.50}", func(r *request) any { return r.Config.Env }, "[A=1 B=true C=1.50]"},
		{"stop_signal: 9", func(r *request) any { return r.Config.StopSignal }, "SIGKILL"},
		{"stop_grace_period: 1m30s", func(r *request) any { return *r.Config.StopTimeout }, "90"},
		{"working_dir: /a/../b/", func(r *request) any { return r.Config.WorkingDir }, "/b"},
		{"ports: [\"018003:8003/TCP\"]", func(r *request) any { return fmt.Sprint(r.Host.PortBindings, r.Config.ExposedPorts) },
			"map[8003/tcp:[{ 18003}]] map[8003/tcp:{}]"},
		{"ports: [\"127.0.0.1::80\"]", func(r *request) any { return r.Host.PortBindings }, "map[80/tcp:[{127.0.0.1 }]]"},
		{"ports: [\"[0:0:0::1]:80:80\"]", func(r *request) any { return r.Host.PortBindings }, "map[80/tcp:[{::1 80}]]"},
		{"ports: [{target: 80-81, published: 90-91, host_ip: 127.0.0.1, protocol: udp}]", func(r *request) any { return r.Host.PortBindings },
			"map[80/udp:[{127.0.0.1 90}] 81/udp:[{127.0.0.1 91}]]"},
		{"ports: [\"3000-3010:80\"]", func(r *request) any { return r.Host.PortBindings }, "map[80/tcp:[{ 3000-3010}]]"},
		{"cap_add: [net_admin, CAP_NET_ADMIN, all]", func(r *request) any { return r.Host.CapAdd }, "[ALL CAP_NET_ADMIN]"},
		{"extra_hosts: {b: \"::1\", a: [1.2.3.4, host-gateway]}", func(r *request) any { return r.Host.ExtraHosts },
			"[a:1.2.3.4 a:host-gateway b:::1]"},
		{"restart: on-failure:3", func(r *request) any { return r.Host.RestartPolicy }, "{on-failure 3}"},
		{"healthcheck: {test: x y, interval: 1.5s}", func(r *request) any {
			return fmt.Sprintf("%q %v", r.Config.Healthcheck.Test, r.Config.Healthcheck.Interval)
		}, `["CMD-SHELL" "x y"] 1.5s`},
		{"healthcheck: {disable: true}", func(r *request) any { return r.Config.Healthcheck.Test }, "[NONE]"},
		{"devices: [/dev/fuse]", func(r *request) any { return r.Host.Devices }, "[{/dev/fuse /dev/fuse rwm}]"},
		{"tmpfs: [\"/a/:size=1m,noexec\", /b]", func(r *request) any { return r.Host.Tmpfs }, "map[/a:noexec,size=1m /b:]"},
		{"ulimits: {nofile: {soft: 1, hard: 2}, core: 0}", func(r *request) any { return fmt.Sprint(*r.Host.Ulimits[0], *r.Host.Ulimits[1]) },
			"{core 0 0} {nofile 2 1}"},
		{"security_opt: [no-new-privileges, \"seccomp:unconfined\"]", func(r *request) any { return r.Host.SecurityOpt },
			"[no-new-privileges:true seccomp=unconfined]"},
		{"deploy: {resources: {limits: {cpus: '0.5', memory: 64m, pids: 7}, reservations: {memory: 32m}}}", func(r *request) any {
			return fmt.Sprint(r.Host.NanoCPUs, r.Host.Memory, *r.Host.PidsLimit, r.Host.MemoryReservation)
		}, "500000000 67108864 7 33554432"},
		{"cpu_quota: 25ms", func(r *request) any { return r.Host.CPUQuota }, "25000"},
		{"platform: linux/arm64/v8", func(r *request) any { return *r.Platform }, "{arm64 linux  [] v8}"},
		{"network_mode: \"container:other\"", func(r *request) any { return r.Host.NetworkMode }, "container:other"},
		{"logging: {driver: local, options: {max-size: 1m}}", func(r *request) any { return r.Host.LogConfig }, "{local map[max-size:1m]}"},
	} {
		r, ps := one(t, "service", "image: app:1\n"+c.fields)
		if err := ps.Err(); err != nil {
			t.Errorf("%s: %v", c.fields, err)
			continue
		}
		if got := fmt.Sprint(c.show(newModel("1.44").request(t, r))); got != c.want {
			t.Errorf("%s: got %s, want %s", c.fields, got, c.want)
		}
	}
}

func TestRequestOfNetworks(t *testing.T) {
	const fields = "networks:\n  b: {aliases: [x], mac_address: \"02:42:AC:11:65:43\", ipv4_address: 10.0.0.5, priority: 5}\n  a: {}\n"
	r, _ := one(t, "service", "image: app:1\n"+fields)
	old := newModel("1.41").request(t, r)
	if len(old.Net.EndpointsConfig) != 1 || len(old.Connect) != 1 || old.Connect["test_a"] == nil || old.Host.NetworkMode != "test_b" {
		t.Errorf("1.41: %v, then %v", old.Net.EndpointsConfig, old.Connect)
	}
	if e := old.Net.EndpointsConfig["test_b"]; old.Config.MacAddress != "02:42:ac:11:65:43" || e.MacAddress != "" ||
		e.IPAMConfig.IPv4Address != "10.0.0.5" || !slices.Equal(e.Aliases, []string{"web", "x"}) {
		t.Errorf("1.41: MAC %q, %+v", old.Config.MacAddress, e)
	}
	now := newModel("1.44").request(t, r)
	if len(now.Net.EndpointsConfig) != 2 || len(now.Connect) != 0 || now.Config.MacAddress != "" ||
		now.Net.EndpointsConfig["test_b"].MacAddress != "02:42:ac:11:65:43" {
		t.Errorf("1.44: %+v, MAC %q", now.Net.EndpointsConfig, now.Config.MacAddress)
	}
	if all := endpointsOf(r, newModel("1.41").facts()); len(all) != 2 || all["test_b"].MacAddress == "" {
		t.Errorf("endpoints %v", all)
	}
}

func TestRequestOfMounts(t *testing.T) {
	const fields = "volumes: [\"data:/d/:ro\", /anon, \"./x:/x\", \"/y:/y:z\", {type: bind, source: /z, target: /z, bind: " +
		"{create_host_path: false}}]"
	r, _ := one(t, "service", "image: app:1\n"+fields)
	find := func(all []mount.Mount, target string) *mount.Mount {
		for i := range all {
			if all[i].Target == target {
				return &all[i]
			}
		}
		return &mount.Mount{}
	}
	now := newModel("1.42").request(t, r).Host
	x := find(now.Mounts, "/x")
	if d := find(now.Mounts, "/d"); d.Source != "test_data" || !d.ReadOnly || d.Type != mount.TypeVolume {
		t.Errorf("/d: %+v", d)
	}
	if find(now.Mounts, "/anon").Source != "" || x.Source != filepath.Join(r.Dir, "x") || x.BindOptions == nil ||
		!x.BindOptions.CreateMountpoint {
		t.Errorf("%+v", now.Mounts)
	}
	if z := find(now.Mounts, "/z"); z.Source != "/z" || z.BindOptions != nil {
		t.Errorf("/z: %+v", z)
	}
	if fmt.Sprint(now.Binds) != "[/y:/y:z]" {
		t.Errorf("binds %v", now.Binds)
	}
	old := newModel("1.41").request(t, r).Host // it creates no paths by the newer form
	if len(old.Binds) != 2 || find(old.Mounts, "/z").Source != "/z" {
		t.Errorf("1.41: %v %+v", old.Binds, old.Mounts)
	}
}

func TestRequestIsMarked(t *testing.T) {
	r, _ := one(t, "service", "image: app:1\nprotect: true\nenvironment: {DB_PASSWORD: hunter2}\npull_policy: always\ngate: {tcp: "+
		"1}\nlabels: {a: b}")
	req := newModel("1.41").request(t, r)
	labels := req.Config.Labels
	if labels[labelStack] != "test" || labels[labelAddress] != "service/web" || labels[labelProtect] != "true" || labels["a"] != "b" ||
		labels[labelEngine] != "test/1.41" {
		t.Errorf("%v", labels)
	}
	if strings.Contains(fmt.Sprint(labels), "hunter2") {
		t.Error("a label holds a password")
	}
	applied := appliedOf(labels)
	if !applied.Matches("environment", r.Config["environment"]) || applied.Has("gate") || applied.Has("pull_policy") ||
		applied.Has("protect") {
		t.Errorf("remembered: %v", applied.Fields)
	}
	if !slices.Contains(req.Config.Env, "DB_PASSWORD=hunter2") {
		t.Errorf("sent: %v", req.Config.Env)
	}
	before := fmt.Sprintf("%v", r.Config)
	req.Config.Labels["x"], req.Config.Env[0] = "y", "changed"
	if fmt.Sprintf("%v", r.Config) != before {
		t.Error("the request shares memory with the resource")
	}
}

func TestUpdateRequest(t *testing.T) {
	for _, c := range []struct {
		fields, field string
		want          container.UpdateConfig
	}{
		{"mem_limit: 64m", "mem_limit", container.UpdateConfig{Resources: container.Resources{Memory: 64 << 20, MemorySwap: 128 << 20}}},
		{"mem_limit: 64m\nmemswap_limit: 100m", "mem_limit",
			container.UpdateConfig{Resources: container.Resources{Memory: 64 << 20, MemorySwap: 100 << 20}}},
		{"mem_limit: 64m", "memswap_limit", container.UpdateConfig{Resources: container.Resources{Memory: 64 << 20, MemorySwap: 128 << 20}}},
		{"", "cpu_quota", container.UpdateConfig{Resources: container.Resources{CPUQuota: -1}}},
		{"cpus: 1.5", "cpus", container.UpdateConfig{Resources: container.Resources{NanoCPUs: 1_500_000_000}}},
		{"", "restart", container.UpdateConfig{RestartPolicy: container.RestartPolicy{Name: "no"}}},
	} {
		u, ok := updateOf(web(t, c.fields), resources.Delta{{Field: c.field}})
		if !ok || fmt.Sprintf("%+v", u) != fmt.Sprintf("%+v", c.want) {
			t.Errorf("%q, %s: %+v", c.fields, c.field, u)
		}
	}
	if u, ok := updateOf(web(t, ""), resources.Delta{{Field: "pids_limit"}}); !ok || u.PidsLimit == nil || *u.PidsLimit != 0 {
		t.Errorf("pids_limit: %+v", u)
	}
	if _, ok := updateOf(web(t, ""), resources.Delta{{Field: "environment"}, {Field: "networks"}}); ok {
		t.Error("these are no update")
	}
}

// TestPrices tells what a change costs where the field alone does not.
func TestPrices(t *testing.T) {
	for _, c := range []struct {
		from, to string
		cost     resources.Cost
	}{
		{"mem_limit: 64m", "mem_limit: 128m", resources.InPlace},
		{"mem_limit: 64m", "mem_limit: 0", resources.Remake},
		{"mem_limit: 64m", "mem_limit: 64m\nmemswap_limit: -1", resources.Remake},
		{"mem_limit: 64m\nmemswap_limit: -1", "mem_limit: 64m", resources.InPlace},
		{"cpus: 1", "cpus: 2", resources.InPlace},
		{"cpus: 1", "", resources.Remake},
		{"cpu_quota: 50000", "", resources.InPlace},
		{"cpu_quota: 50000", "cpus: 1", resources.Remake},
		{"cpus: 1", "cpu_quota: 50000", resources.Remake},
		{"cpu_quota: 50000\ncpu_period: 20000", "cpu_quota: 50000", resources.Remake},
		{"cpuset: 0-1", "cpuset: \"0\"", resources.InPlace},
		{"cpuset: \"0\"", "", resources.Remake},
		{"pids_limit: 5", "", resources.InPlace},
		{"restart: always", "", resources.InPlace},
		{"blkio_config: {weight: 100}", "blkio_config: {weight: 200}", resources.InPlace},
		{"blkio_config: {weight: 100}", "", resources.Remake},
		{"blkio_config: {weight: 100}", "blkio_config: {weight: 100, device_read_bps: [{path: /dev/x, rate: 1}]}", resources.Remake},
		{"networks: [a]", "networks: [a, b]", resources.Reconnect},
		{"networks: {a: {aliases: [x]}}", "networks: {a: {aliases: [y]}}", resources.Reconnect},
		{"networks: {a: {mac_address: \"02:42:ac:11:65:43\"}}", "networks: {a: {mac_address: \"02:42:ac:11:65:44\"}}", resources.Remake},
		{"networks: [a]", "networks: {a: {}, b: {mac_address: \"02:42:ac:11:65:43\"}}", resources.Remake},
		{"networks: {a: {mac_address: \"02:42:ac:11:65:43\"}}", "networks: {a: {mac_address: \"02:42:ac:11:65:43\", aliases: [x]}}",
			resources.Remake},
		{"networks: {a: {}, b: {mac_address: \"02:42:ac:11:65:43\", priority: 1}}",
			"networks: {a: {aliases: [x]}, b: {mac_address: \"02:42:ac:11:65:43\", priority: 1}}", resources.Reconnect},
		{"networks: [a]", "network_mode: host", resources.Remake},
		{"container_name: aa", "container_name: bb", resources.InPlace},
		{"networks: {a: {priority: 1}}", "networks: {a: {priority: 2}}", resources.Free},
		{"volumes: [{type: bind, source: /x, target: /x}]", "volumes: [{type: bind, source: /x, target: /x, bind: {create_host_path: false}}]",
			resources.Free},
		{"entrypoint: [/x]", "entrypoint: [/entry]\ncommand: [serve, -v]", resources.Remake},
		{"command: [serve, -v]", "", resources.Free}, // the image's own
	} {
		m := newModel("1.44")
		from, to := web(t, c.from), web(t, c.to)
		delta := quiet(m.observe(m.show(m.request(t, from), "running"), to), to)
		if delta.Cost() != c.cost || (c.cost == resources.Free) != (len(delta) == 0) {
			t.Errorf("%q to %q: %s, want %s: %v", c.from, c.to, delta.Cost(), c.cost, delta)
		}
	}
}

// TestNatural tells what image and engine give from what was asked for.
func TestNatural(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*container.InspectResponse)
		path   string
	}{
		{"a variable is unset", func(c *container.InspectResponse) { c.Config.Env = append(c.Config.Env, "HOME") }, "environment.HOME"},
		{"an image's variable has another value", func(c *container.InspectResponse) { c.Config.Env = []string{"LANG=C", "PATH=/usr/bin:/bin"} },
			"environment.LANG"},
		{"another command", func(c *container.InspectResponse) { c.Config.Cmd = []string{"other"} }, "command[0]"},
		{"the entrypoint is cleared", func(c *container.InspectResponse) { c.Config.Entrypoint = nil }, "entrypoint[0]"},
		{"a mount", func(c *container.InspectResponse) { c.HostConfig.Binds = []string{"/etc:/host:ro"} }, `volumes["/host"]`},
		{"an anonymous volume that the image does not ask for", func(c *container.InspectResponse) { c.Config.Volumes["/x"] = struct{}{} },
			`volumes["/x"]`},
		{"an inherited volume", func(c *container.InspectResponse) {
			c.HostConfig.Mounts = []mount.Mount{{Type: mount.TypeVolume, Source: idOf("volume"), Target: "/var/lib/app"}}
		}, ""},
		{"two aliases of the engine's own", func(c *container.InspectResponse) {
			c.NetworkSettings.Networks["test_default"].Aliases = []string{"web", c.ID[:12], "web"}
		}, ""},
		{"a published port", func(c *container.InspectResponse) {
			c.HostConfig.PortBindings = nat.PortMap{"80": {{HostIP: "127.0.0.1", HostPort: "080"}}}
		}, `ports["80/tcp"]`},
		{"the default bridge", func(c *container.InspectResponse) {
			c.HostConfig.NetworkMode, c.NetworkSettings.Networks = "default", map[string]*network.EndpointSettings{"bridge": {EndpointID: "e"}}
		}, "networks.bridge"},
	} {
		r := web(t, "")
		m := newModel("1.41")
		inspect := m.show(m.request(t, r), "running")
		c.change(inspect)
		delta := quiet(m.observe(inspect, r), r)
		if c.path == "" && len(delta) > 0 || c.path != "" && (len(delta) == 0 || delta[0].Path != c.path) {
			t.Errorf("%s: %v", c.name, delta)
		}
	}
	// An entrypoint drops the image's command, so that one was asked for.
	r := web(t, "entrypoint: [/x]")
	m := newModel("1.41")
	inspect := m.show(m.request(t, r), "running")
	inspect.Config.Cmd = m.image.Cmd
	if delta := quiet(m.observe(inspect, r), r); !delta.Has("command") {
		t.Errorf("%v", delta)
	}
	// A custom host name is among the aliases of old engines only.
	for api, want := range map[string]int{"1.44": 0, "1.45": 1} {
		r := web(t, "hostname: db")
		m := newModel(api)
		inspect := m.show(m.request(t, r), "running")
		inspect.NetworkSettings.Networks["test_default"].Aliases = []string{"web", "db"}
		if delta := quiet(m.observe(inspect, r), r); len(delta) != want {
			t.Errorf("%s: %v", api, delta)
		}
	}
}

func TestGateOf(t *testing.T) {
	for fields, want := range map[string]string{
		"":                             "healthy, or running for 1s without a health check 2m0s",
		"healthcheck: {test: x}":       "healthy 2m0s",
		"healthcheck: {disable: true}": "stable for 1s 2m0s",
		"gate: {timeout: 5s}":          "healthy, or running for 1s without a health check 5s",
		"gate: {tcp: 5432}":            "tcp :5432 2m0s",
		"gate: {tcp: [5432, \"db:1\"], stable_for: 2s}":      "tcp :5432, tcp db:1, stable for 2s 2m0s",
		"gate: {http: {port: 8080, path: /health}}":          "http :8080/health 2m0s",
		"gate: {http: \"https://localhost/x\"}":              "http :443/x 2m0s",
		"gate: {exec: pg_isready -q, log: \"ready$\"}":       "exec pg_isready, log /ready$/ 2m0s",
		"gate: {healthy: true, mode: eventual, timeout: 1m}": "healthy 1m0s",
		"gate: {stable_for: 0s}":                             "running 2m0s",
		"gate: {stable_for: 0s}\nhealthcheck: {test: x}":     "running 2m0s",
		"gate: {healthy: false}\nhealthcheck: {test: x}":     "stable for 1s 2m0s",
		"gate: {healthy: false, stable_for: 0s}":             "running 2m0s",
		"gate: {}":                                           "healthy, or running for 1s without a health check 2m0s",
	} {
		g := gateOf(web(t, fields))
		if got := g.text() + " " + g.Timeout.String(); got != want {
			t.Errorf("%s: %s, want %s", fields, got, want)
		}
		if g.FailFast == strings.Contains(fields, "eventual") {
			t.Errorf("%s: fail fast %v", fields, g.FailFast)
		}
	}
	r, _ := one(t, "job", "image: app:1")
	if g := gateOf(r); !g.Completed || g.Timeout != 10*time.Minute || g.text() != "exits with 0" {
		t.Errorf("%+v", g)
	}
}

// TestFinishReads reads what the spec names.
func TestFinishReads(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("a.env", "A=1\nB='two $x'\n# no\nexport C=3\n", 0o600)
	write("b.env", "A=2\n", 0o600)
	write("raw.env", "R='as it is' # all of it\n", 0o600)
	write("run.sh", "#!/bin/sh\n", 0o744)
	write("app.conf", "user = ${USER_NAME}\n", 0o640)
	write("secret.conf", "pass = ${PASS}\n", 0o640)
	write("tree/one.json", "1", 0o600)
	write("tree/sub/two.json", "2", 0o600)
	write("midaz.infra.yaml", `version: "1"
stack: test
variables:
  USER_NAME: { type: string, default: ann }
  PASS: { type: string, sensitive: true, default: hunter2 }
services:
  web:
    image: app:1
    env_file: [a.env, {path: b.env}, {path: raw.env, format: raw}]
    environment: { C: own, P: "${PASS}" }
    files:
      - { source: run.sh, target: /run.sh }
      - { source: app.conf, target: /plain.conf }
      - { source: app.conf, target: /app.conf, template: true }
      - { source: secret.conf, target: /secret.conf, template: true }
      - { source: app.conf, target: /hidden.conf, sensitive: true, mode: "0400", uid: 5 }
      - { source: tree, target: /tree }
      - { content: "x${PASS}", target: /content }
`, 0o600)
	spec, ps := specs.Load(specs.Options{Dir: dir, Files: []string{"midaz.infra.yaml"}})
	if err := ps.Err(); err != nil {
		t.Fatal(err)
	}
	set, ps := declaredIn(spec)
	if err := ps.Err(); err != nil {
		t.Fatal(err)
	}
	r := set.Get(resources.NewAddr("service", "web"))
	if got, want := fmt.Sprint(envList(r.Config.Map("environment"))), "[A=2 B=two $x C=own P=hunter2 R='as it is' # all of it]"; got != want {
		t.Errorf("environment %s, want %s", got, want)
	}
	if got := fmt.Sprint(r.Config["environment"]); strings.Contains(got, "two") || strings.Contains(got, "hunter2") ||
		!strings.Contains(got, "own") {
		t.Errorf("what comes from a file or a sensitive variable is shown: %s", got)
	}
	var got []string
	for _, f := range filesOf(r) {
		_, secret := f.Content.(resources.Secret)
		got = append(got, fmt.Sprintf("%s %s %d %v %q", f.Target, showMode(f.Mode), f.UID, secret, resources.Text(f.Content)))
	}
	want := []string{`/app.conf 0644 0 false "user = ann\n"`, `/content 0644 0 true "xhunter2"`,
		`/hidden.conf 0400 5 true "user = ${USER_NAME}\n"`,
		`/plain.conf 0644 0 false "user = ${USER_NAME}\n"`, `/run.sh 0755 0 false "#!/bin/sh\n"`, `/secret.conf 0644 0 true "pass = hunter2\n"`,
		`/tree/one.json 0644 0 false "1"`, `/tree/sub/two.json 0644 0 false "2"`}
	if !slices.Equal(got, want) {
		t.Errorf("files\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestRefs(t *testing.T) {
	set, ps := declared(t, `
services:
  db: { image: "db:1" }
  web:
    image: "app:1"
    networks: [front]
    volumes: ["data:/data", /anon, /etc:/host]
    pid: "service:db"
    depends_on:
      db: { condition: service_healthy, restart: true }
      init: { condition: service_completed_successfully }
      late: { required: false }
jobs:
  init: { image: "app:1", depends_on: [db] }
networks: { front: {} }
volumes: { data: {} }
`)
	if err := ps.Err(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, ref := range set.Get(resources.NewAddr("service", "web")).Refs {
		got = append(got, fmt.Sprintf("%s bind=%d wait=%d optional=%v at=%s", ref.To, ref.Bind, ref.Wait, ref.Optional, ref.At))
	}
	want := []string{
		"network/front bind=1 wait=0 optional=false at=/networks/front",
		"volume/data bind=1 wait=0 optional=false at=/volumes/~1data",
		"image/app:1 bind=2 wait=0 optional=false at=/image",
		"service/db bind=1 wait=0 optional=false at=/pid",
		"service/db bind=1 wait=0 optional=false at=/depends_on/db",
		"job/init bind=0 wait=0 optional=false at=/depends_on/init",
		"service/late bind=0 wait=1 optional=true at=/depends_on/late",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if refs := set.Get(resources.NewAddr("job", "init")).Refs; refs[len(refs)-1].To.String() != "service/db" ||
		refs[0].To.String() != "network/default" {
		t.Errorf("%v", refs)
	}
}

func TestMACOfTheContainer(t *testing.T) {
	const mac = "02:42:ac:11:65:43"
	for _, c := range []struct{ networks, main string }{
		{"", "default"},
		{"networks: [infra, edge]\n", "edge"},
		{"networks: {infra: {priority: 10}, edge: {}}\n", "infra"},
		{"networks: {infra: {mac_address: \"" + mac + "\"}}\n", "infra"},
	} {
		r, ps := one(t, "service", "image: app:1\nmac_address: \"02-42-AC-11-65-43\"\n"+c.networks)
		if err := ps.Err(); err != nil {
			t.Errorf("%q: %v", c.networks, err)
		}
		for key, e := range r.Config.Map("networks") {
			if got := resources.Text(mapOf(e)["mac_address"]); (got == mac) != (key == c.main) {
				t.Errorf("%q: network %s has %q", c.networks, key, got)
			}
		}
	}
	for _, wrong := range []string{"network_mode: host", "networks: {infra: {mac_address: \"02:42:ac:11:65:44\"}}"} {
		if _, ps := one(t, "service", "image: app:1\nmac_address: \""+mac+"\"\n"+wrong); !slices.Contains(codes(ps), ruleTogether.Code) {
			t.Errorf("%s: %v", wrong, ps)
		}
	}
}

// What is shown of a gate may be shortened before anything looks for secrets in it.
func TestGateIsShownWithoutSecrets(t *testing.T) {
	r := web(t, "gate: {tcp: [5432, \"db:1\"], http: {port: 8080, path: /health}, exec: [check, it], log: ready}")
	v := r.Config.Map("gate")
	v["tcp"].([]any)[1] = resources.NewSecret("db:1")
	v["exec"].([]any)[0] = resources.NewSecret("check")
	v["log"] = resources.NewSecret("ready")
	v["http"].(map[string]any)["path"] = resources.NewSecret("/health")
	shown, _ := containerKind{"service"}.Gate(r)
	const m = resources.Masked
	if want := "tcp :5432, tcp " + m + ", http :8080" + m + ", exec " + m + ", log /" + m + "/"; shown.Text != want {
		t.Errorf("%s, want %s", shown.Text, want)
	}
	if g := gateOf(r); g.Log != "ready" || g.Exec[0] != "check" || g.TCP[1].Host != "db" || g.HTTP.Path != "/health" {
		t.Errorf("the gate itself is not what it was: %+v", g)
	}
}
