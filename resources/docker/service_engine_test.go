//go:build e2e

package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/dockerapi"
	"github.com/LerianStudio/midaz-infra/specs"
)

// bench is a stack of its own on a real engine, removed at the end.
type bench struct {
	t     *testing.T
	e     *Engine
	raw   *client.Client
	stack string
	image string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	e, err := Open(t.Context(), dockerapi.Options{LookupEnv: os.LookupEnv, Timeout: 3 * time.Second})
	if err != nil {
		t.Skipf("no engine answers: %v", err)
	}
	raw, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, e: e, raw: raw, stack: fmt.Sprintf("midaz-ta-%d-%d", os.Getpid(), time.Now().UnixNano()%1e6)}
	b.image = b.stack + ":1"
	b.importImage()
	for _, key := range []string{"default", "infra", "edge"} {
		name := engineName(b.stack, key, "")
		if _, err := raw.NetworkCreate(t.Context(), name,
			network.CreateOptions{Labels: map[string]string{labelStack: b.stack, labelAddress: "network/" + key}}); err != nil {
			t.Fatal(err)
		}
		b.cleanup(func(ctx context.Context) error { return raw.NetworkRemove(ctx, name) })
	}
	name := engineName(b.stack, "data", "")
	if _, err := raw.VolumeCreate(t.Context(), volume.CreateOptions{Name: name}); err != nil {
		t.Fatal(err)
	}
	b.cleanup(func(ctx context.Context) error { return raw.VolumeRemove(ctx, name, true) })
	return b
}

// cleanup runs at the end, in reverse order, also when the test was cut off.
func (b *bench) cleanup(f func(context.Context) error) {
	b.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := f(ctx); err != nil {
			b.t.Errorf("clean up: %v", err)
		}
	})
}

// importImage makes an image of one static program that sets everything an
// image can set.
func (b *bench) importImage() {
	t := b.t
	binary := filepath.Join(t.TempDir(), "tiny")
	build := exec.Command("go", "build", "-o", binary, "../../e2e/testdata/tiny")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	text, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, dir := range []string{"tmp/", "etc/", "app/", "data/"} {
		_ = w.WriteHeader(&tar.Header{Name: dir, Typeflag: tar.TypeDir, Mode: 0o777})
	}
	for name, text := range map[string][]byte{"tiny": text, "etc/passwd": []byte("root:x:0:0::/:/\napp:x:1000:1000::/app:/\n"),
		"etc/group": []byte("root:x:0:\napp:x:1000:\nmail:x:8:\n")} {
		_ = w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(text))})
		_, _ = w.Write(text)
	}
	_ = w.Close()
	rc, err := b.raw.ImageImport(t.Context(), image.ImportSource{Source: &buf, SourceName: "-"}, b.image,
		image.ImportOptions{Changes: []string{
			"ENV LANG=C.UTF-8 APP_TOKEN=image", "ENTRYPOINT [\"/tiny\"]", "CMD [\"sleep\",\"1h\"]", "USER app", "WORKDIR /app", "EXPOSE 9000",
			"VOLUME /data",
			"LABEL org.example.vendor=example", "HEALTHCHECK --interval=33s --retries=4 CMD [\"/tiny\",\"say\",\"ok\"]"}})
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	if _, err := new(bytes.Buffer).ReadFrom(rc); err != nil {
		t.Fatal(err)
	}
	b.cleanup(func(ctx context.Context) error {
		_, err := b.raw.ImageRemove(ctx, b.image, image.RemoveOptions{Force: true})
		return err
	})
}

// read returns the service "web" with these fields.
func (b *bench) read(fields string) *resources.Resource {
	b.t.Helper()
	text := "services:\n  web:\n" + indent(fields) + "networks: {infra: {}, edge: {}}\nvolumes: {data: {}}\n"
	root, err := specs.ParseNode("test.yaml", text)
	if err != nil {
		b.t.Fatalf("%v\n%s", err, text)
	}
	set, ps := declaredIn(&specs.Spec{Root: root, Stack: b.stack, Dir: b.t.TempDir()})
	for _, p := range ps {
		if p.Severity() == specs.Error {
			b.t.Fatalf("%v\n%s", p, text)
		}
	}
	return set.Get(resources.NewAddr("service", "web"))
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n    ") + "\n"
}

// create makes the container without starting it; remove it with the function.
func (b *bench) create(r *resources.Resource) (id string, remove func(), err error) {
	ctx := b.t.Context()
	f, err := b.e.facts(ctx)
	if err != nil {
		b.t.Fatal(err)
	}
	req, err := newRequest(r, f)
	if err != nil {
		b.t.Fatal(err)
	}
	made, err := b.raw.ContainerCreate(ctx, req.Config, req.Host, req.Net, req.Platform, req.Name)
	if err != nil {
		return "", nil, err
	}
	for _, w := range made.Warnings {
		b.t.Logf("warning: %s", w)
	}
	remove = func() {
		_ = b.raw.ContainerKill(context.Background(), made.ID, "KILL")
		if err := b.raw.ContainerRemove(context.Background(), made.ID, container.RemoveOptions{Force: true, RemoveVolumes: true}); err != nil {
			b.t.Errorf("clean up: %v", err)
		}
	}
	for name, e := range req.Connect {
		if err := b.raw.NetworkConnect(ctx, name, made.ID, e); err != nil {
			remove()
			return "", nil, err
		}
	}
	return made.ID, remove, nil
}

// delta observes the service and compares.
func (b *bench) delta(r *resources.Resource) resources.Delta {
	b.t.Helper()
	reader := containerReader{b.e.ReadEngine, containerKind{r.Addr.Kind}}
	seen, err := reader.Observe(b.t.Context(), resources.Scope{Stack: b.stack, Want: []*resources.Resource{r}})
	if err != nil {
		b.t.Fatal(err)
	}
	if len(seen) != 1 || seen[0].Presence != resources.Present {
		b.t.Fatalf("observed %+v", seen)
	}
	return quiet(seen[0], r)
}

// values are what rows may hold on any engine: their forms, and values at the
// edges of what the engine rewrites. Rows that are not named have their two
// examples.
var values = map[string][]string{
	"image": nil, "build": nil, "pull_policy": nil, "container_name": nil, "deploy": nil, "files": nil, "depends_on": nil, "env_file": nil,
	"storage_opt": nil, "cpu_rt_runtime": nil, "cpu_rt_period": nil, // the host must be set up for them
	"platform":   nil, // the image has one
	"runtime":    {"runc"},
	"command":    {"[sleep, 2h]", "sleep 3h", "\"sleep '1h30m'\"", "[]"},
	"entrypoint": {"[/tiny, sleep, 1h]", "/tiny sleep 2h"},
	"environment": {"{A: \"1\", B: \"\", C: \"x=y\", PATH: /bin, LANG: C.UTF-8}", "[A=1, A=2, \"D=two\\nlines\"]",
		"{DB_PASSWORD: hunter2, APP_TOKEN: mine}"},
	"user":        {"root", "\"1000:1000\"", "\"0\"", "app", "\"\""},
	"working_dir": {"/app/../tmp", "/tmp/", "/app"},
	"hostname":    {"db", "db.example.test"},
	"labels":      {"{org.example.vendor: me, a: \"\"}", "[a=b, c=d=e]"},
	"stop_signal": {"15", "sigint", "TERM", "RTMIN+3", "SIGTERM"},
	"healthcheck": {"{disable: true}", "{test: /tiny say hi}",
		"{test: [CMD, /tiny, say, hi], interval: 1h, timeout: 1.5s, retries: 2, start_period: 2s}", "{interval: 33s}", "{retries: 4}"},
	"volumes": {"[\"data:/srv\"]", "[\"data:/srv/:ro\", /anon, \"@TMP@/host:/host\"]",
		"[{type: tmpfs, target: /cache, tmpfs: {size: 64m, mode: \"0700\"}}]",
		"[{type: bind, source: /etc, target: /host, read_only: true, bind: {propagation: private, create_host_path: false}}]", "[\"data:/data\"]",
		"[{type: volume, source: data, target: /data, volume: {nocopy: true}}]"},
	"tmpfs":    {"/cache", "[/run, \"/cache/:size=1m,mode=1777,noexec\"]"},
	"shm_size": {"64m", "1000000", "1g"},
	"devices":  {"[/dev/null]", "[\"/dev/zero:/dev/z\", \"/dev/null:/dev/n:mr\"]", "[{source: /dev/null, permissions: r}]"},
	"networks": {"[infra]", "{infra: {aliases: [a, b, a]}, edge: {priority: 10}}", "{edge: {}, default: {aliases: [db]}}",
		"{infra: {mac_address: \"02:42:AC:11:00:99\"}}", "{infra: {driver_opts: {a: b}}}"},
	"network_mode": {"host", "none", "bridge", "default"},
	"ports": {"[\"127.0.0.1::80\", \"127.0.0.1:0:81/udp\"]", "[{target: 80, host_ip: \"::1\"}, \"9000\"]",
		"[\"127.0.0.1:20000-20100:80\", 7000-7003]", "[\"127.0.0.1:018003:8003\"]"},
	"expose":        {"[\"9000\", \"4000-4002/UDP\"]", "[5000]"},
	"dns":           {"[1.1.1.1, \"2001:DB8::1\"]", "9.9.9.9"},
	"dns_search":    {"example.test", "[b.test, a.test]"},
	"extra_hosts":   {"[\"a:1.2.3.4\", \"b=::1\"]", "{a: [1.2.3.4, 5.6.7.8]}", "[\"a=[::1]\"]"},
	"sysctls":       {"{net.core.somaxconn: 512}", "[net.ipv4.ip_unprivileged_port_start=0]"},
	"restart":       {"always", "on-failure", "on-failure:2", "unless-stopped", "no"},
	"mem_limit":     {"64m", "100000000", "1g", "0"},
	"memswap_limit": {"2g", "-1"}, "mem_reservation": {"16m"}, "mem_swappiness": {"0", "60"},
	"cpus": {"0.5", "1", "0.123456789", "\"1.50\""}, "cpu_quota": {"50000", "25ms", "-1"}, "cpu_period": {"50000", "20ms"},
	"cpuset": {"\"0\"", "0-1", "\"0,1\""}, "cpuset_mems": {"\"0\""},
	"pids_limit": {"100", "-1", "0"}, "blkio_config": nil, // no device is on every host

	"ulimits":  {"{nofile: 1024}", "{nofile: {soft: 1024, hard: 2048}, core: -1}"},
	"cap_add":  {"[net_admin, NET_ADMIN, CAP_SYS_PTRACE]", "[ALL]"},
	"cap_drop": {"[MKNOD]", "[all]"},
	"security_opt": {"[no-new-privileges]", "[\"no-new-privileges:true\", \"seccomp:unconfined\"]", "[\"label:disable\"]",
		"['seccomp={\"defaultAction\": \"SCMP_ACT_ALLOW\"}']"},
	"ipc": {"host", "shareable", "private", "none"}, "pid": {"host"}, "cgroup": {"host"}, "cgroup_parent": nil, // it stays behind on the host

	"group_add": {"[mail, \"1000\"]"}, "logging": {"{driver: json-file}", "{options: {max-size: 1m}}", "{driver: none}",
		"{driver: json-file, options: {max-size: 2m, labels: a}}"},
	"uts": {"host"}, "userns_mode": {"host"},
}

// apart are keys that no container can have together.
var apart = [][2]string{{"network_mode", "networks"}, {"network_mode", "ports"}, {"network_mode", "dns"}, {"network_mode", "sysctls"},
	{"network_mode", "hostname"}, {"network_mode", "extra_hosts"},
	{"network_mode", "dns_search"}, {"network_mode", "dns_opt"}, {"cpus", "cpu_quota"}, {"cpus", "cpu_period"}, {"uts", "hostname"},
	{"uts", "domainname"}, {"uts", "network_mode"}, {"ipc", "shm_size"}, {"privileged", "security_opt"},
	{"privileged", "userns_mode"}, {"userns_mode", "privileged"}, {"tmpfs", "volumes"}, {"oom_kill_disable", "pid"}, {"read_only", "init"},
	{"command", "entrypoint"}, {"cpu_period", "cpus"}, {"cgroup_parent", "cgroup"}}

// random returns fields with some rows set.
func random(rnd *rand.Rand, image, api, tmp string) string {
	chosen := map[string]string{}
	for i := range serviceRows {
		row := &serviceRows[i]
		options, listed := values[row.Key]
		if !listed && !row.Unmarked {
			options = []string{row.Example, row.Other}
		}
		if len(options) == 0 || row.Since != "" && !dockerapi.AtLeast(api, row.Since) || rnd.IntN(3) > 0 {
			continue
		}
		if slices.ContainsFunc(apart, func(p [2]string) bool {
			return p[0] == row.Key && chosen[p[1]] != "" || p[1] == row.Key && chosen[p[0]] != ""
		}) {
			continue
		}
		chosen[row.Key] = options[rnd.IntN(len(options))]
	}
	if chosen["memswap_limit"] != "" || chosen["mem_reservation"] != "" {
		chosen["mem_limit"] = "64m"
	}
	if chosen["cpu_period"] != "" {
		chosen["cpu_quota"] = "5000"
	}
	if chosen["command"] == "[]" {
		chosen["entrypoint"] = "[/tiny, sleep, 1h]"
	}
	if strings.Contains(chosen["networks"], "mac_address") && !strings.Contains(chosen["networks"], "edge") {
		delete(chosen, "network_mode")
	}
	var b strings.Builder
	b.WriteString("image: " + image + "\n")
	for _, key := range slices.Sorted(func(yield func(string) bool) {
		for k := range chosen {
			if !yield(k) {
				return
			}
		}
	}) {
		b.WriteString(key + ": " + strings.ReplaceAll(chosen[key], "@TMP@", tmp) + "\n")
	}
	return b.String()
}

// TestRowsOnEngine makes containers with random rows, and finds no difference
// when they are created, running and ended.
func TestRowsOnEngine(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("MIDAZ_SEED"); s != "" {
		_, _ = fmt.Sscan(s, &seed)
	}
	runs := 40
	if s := os.Getenv("MIDAZ_RUNS"); s != "" {
		_, _ = fmt.Sscan(s, &runs)
	}
	t.Logf("MIDAZ_SEED=%d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	api := b.raw.ClientVersion()
	made, started := 0, 0
	for range runs {
		fields := random(rnd, b.image, api, t.TempDir())
		r := b.read(fields)
		id, remove, err := b.create(r)
		if err != nil {
			t.Logf("the engine refuses: %v\n%s", err, fields)
			continue
		}
		made++
		b.same(r, "created", fields)
		if err := b.raw.ContainerStart(t.Context(), id, container.StartOptions{}); err != nil {
			t.Logf("the engine does not start: %v\n%s", err, fields)
			remove()
			continue
		}
		started++
		b.same(r, "running", fields)
		if err := b.raw.ContainerKill(t.Context(), id, "KILL"); err == nil {
			b.same(r, "exited", fields)
		}
		remove()
		if t.Failed() {
			break
		}
	}
	t.Logf("%d made, %d started", made, started)
	if made < runs/2 || started < runs/4 {
		t.Errorf("of %d containers only %d were made and %d started", runs, made, started)
	}
}

func (b *bench) same(r *resources.Resource, state, fields string) {
	b.t.Helper()
	for _, d := range b.delta(r) {
		b.t.Errorf("%s: %s: %s -> %s (%s)\n%s", state, d.Path, resources.Show(d.Before), resources.Show(d.After), d.Why, fields)
	}
}

// TestUpdatesOnEngine changes each field that the engine changes in place, by
// the writer and behind its back: exactly that field differs, and after Update
// nothing does, on the same container.
func TestUpdatesOnEngine(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx := t.Context()
	const base = "command: [sleep, 1h]\nrestart: \"no\"\nnetworks: [infra]\n"
	for _, c := range []struct{ field, first, second string }{
		{"restart", "restart: on-failure:3", "restart: unless-stopped"},
		{"restart", "restart: always", ""},
		{"mem_limit", "mem_limit: 64m", "mem_limit: 128m"},
		{"mem_limit", "mem_limit: 128m", "mem_limit: 32m"},
		{"mem_limit", "", "mem_limit: 64m"},
		{"memswap_limit", "mem_limit: 64m\nmemswap_limit: 100m", "mem_limit: 64m\nmemswap_limit: 200m"},
		{"memswap_limit", "mem_limit: 64m\nmemswap_limit: 100m", "mem_limit: 64m"},
		{"mem_reservation", "mem_limit: 64m\nmem_reservation: 16m", "mem_limit: 64m\nmem_reservation: 32m"},
		{"cpus", "cpus: 0.5", "cpus: 1.5"},
		{"cpus", "", "cpus: 1"},
		{"cpu_quota", "cpu_quota: 50000", "cpu_quota: 25000"},
		{"cpu_quota", "cpu_quota: 50000", ""},
		{"cpu_period", "cpu_quota: 5000\ncpu_period: 50000", "cpu_quota: 5000\ncpu_period: 20000"},
		{"cpu_shares", "cpu_shares: 512", "cpu_shares: 256"},
		{"cpuset", "cpuset: \"0\"", "cpuset: 0-1"},
		{"cpuset_mems", "", "cpuset_mems: \"0\""},
		{"pids_limit", "pids_limit: 100", "pids_limit: 200"},
		{"pids_limit", "pids_limit: 100", ""},
		{"container_name", "", "container_name: " + b.stack + "-other"},
		{"networks", "networks: [infra]", "networks: [infra, edge]"},
		{"networks", "networks: [infra, edge]", "networks: [edge]"},
		{"networks", "networks: {infra: {aliases: [a]}}", "networks: {infra: {aliases: [b]}}"},
	} {
		t.Run(c.field+"/"+c.first+" to "+c.second, func(t *testing.T) {
			b.t = t
			read := func(fields string) *resources.Resource {
				text := base
				for _, line := range strings.Split(fields, "\n") {
					key, _, _ := strings.Cut(line, ":")
					for _, old := range strings.Split(base, "\n") {
						if key != "" && strings.HasPrefix(old, key+":") {
							text = strings.Replace(text, old+"\n", "", 1)
						}
					}
				}
				return b.read("image: " + b.image + "\n" + text + fields + "\n")
			}
			first, second := read(c.first), read(c.second)
			id, remove, err := b.create(first)
			if err != nil {
				t.Fatal(err)
			}
			defer remove()
			if err := b.raw.ContainerStart(ctx, id, container.StartOptions{}); err != nil {
				t.Fatal(err)
			}
			b.change(first, second, c.field, false)
			if !slices.Contains(unremovable, c.field) || c.first != "" {
				b.change(second, first, c.field, true)
			}
			if now, err := b.raw.ContainerInspect(ctx, id); err != nil || !now.State.Running || now.RestartCount > 0 {
				t.Errorf("the container did not live on: %v", err)
			}
		})
	}
}

// change turns what is there into what is wanted; back tells that this looks
// like a change made outside, since the labels stay.
func (b *bench) change(from, to *resources.Resource, field string, back bool) {
	t := b.t
	t.Helper()
	b.same(from, "before", field)
	reader := containerReader{b.e.ReadEngine, containerKind{"service"}}
	seen, err := reader.Observe(t.Context(), resources.Scope{Stack: b.stack, Want: []*resources.Resource{to}})
	if err != nil {
		t.Fatal(err)
	}
	delta := quiet(seen[0], to)
	if len(delta) == 0 {
		t.Fatal("the change is not seen")
	}
	for _, d := range delta {
		if d.Field != field {
			t.Errorf("%s differs too: %v", d.Path, d)
		}
		if back && (!d.Drift || d.Pending) || !back && !d.Pending {
			t.Errorf("%s: drift %v, pending %v", d.Path, d.Drift, d.Pending)
		}
	}
	if delta.Cost() == resources.Remake {
		t.Fatalf("it is not changed in place: %v", delta)
	}
	if err := (containerWriter{b.e}).Update(t.Context(), to, seen[0], delta, func(string, ...any) {}); err != nil {
		t.Fatal(err)
	}
	b.same(to, "after", field)
}
