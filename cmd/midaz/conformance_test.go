//go:build e2e

package main

import (
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	dockersystem "github.com/docker/docker/api/types/system"
	"github.com/docker/docker/client"

	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/engine/enginetest"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/docker"
	"github.com/LerianStudio/midaz-infra/resources/dockerapi"
)

// conformanceImage has a shell, users and groups, otherImage an entrypoint of
// its own. Both are built by specs/debian.
const (
	conformanceImage = "midaz-debian/base:trixie"
	otherImage       = "midaz-debian/valkey:8.1"
)

// TestConformance tries every row of every Docker kind on each engine that
// MIDAZ_CONFORMANCE names by its address ("unix:///run/x.sock …"; "." is the
// one that DOCKER_HOST names): set, change, change outside, remove, and an
// empty plan after each. MIDAZ_CONFORMANCE_DOCS is the folder of README.md and
// docs/conformance.md, where the table of results is then written. It takes
// minutes; `make conformance` runs it.
func TestConformance(t *testing.T) {
	hosts := strings.Fields(os.Getenv("MIDAZ_CONFORMANCE"))
	if len(hosts) == 0 {
		t.Skip("MIDAZ_CONFORMANCE is not set")
	}
	columns := make([]enginetest.Column, len(hosts))
	t.Run("engines", func(t *testing.T) {
		for i, host := range hosts {
			c := openConformance(t, host)
			columns[i].Name = c.version
			t.Run(c.version, func(t *testing.T) {
				t.Parallel()
				columns[i].Results = c.try(t)
			})
		}
	})
	if dir := os.Getenv("MIDAZ_CONFORMANCE_DOCS"); dir != "" {
		writeBetween(t, filepath.Join(dir, "docs", "conformance.md"), "conformance", enginetest.Table(columns))
		writeBetween(t, filepath.Join(dir, "README.md"), "conformance", enginetest.Summary(columns))
	}
}

// writeBetween replaces what stands between the two marks <!-- mark --> and
// <!-- /mark --> of a file.
func writeBetween(t *testing.T, path, mark, text string) {
	t.Helper()
	before, after := outsideMarks(t, path, mark)
	if err := os.WriteFile(path, []byte(before+text+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// conformance is one engine under test.
type conformance struct {
	host    string // "" is what the environment says
	version string
	arch    string
	api     *client.Client
	prefix  string // of the names of everything it makes
}

// variant is another word for the engine's own architecture.
func (c *conformance) variant() string {
	if c.arch == "arm64" {
		return "v8"
	}
	return "v1"
}

func openConformance(t *testing.T, host string) *conformance {
	t.Helper()
	c := &conformance{prefix: fmt.Sprintf("midaz-conf-%d", os.Getpid())}
	options := []client.Opt{client.FromEnv, client.WithAPIVersionNegotiation()}
	if host != "." {
		c.host = host
		options = append(options, client.WithHost(host))
	}
	api, err := client.NewClientWithOpts(options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = api.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	v, err := api.ServerVersion(ctx)
	if err != nil {
		t.Fatalf("no engine answers: %v", err)
	}
	c.api = api
	c.version, _, _ = strings.Cut(v.Version, "+")
	c.arch = v.Arch
	return c
}

func (c *conformance) open(t *testing.T) enginetest.World {
	return func(ctx context.Context, _ *resources.Declared) (engine.World, error) {
		e, err := docker.Open(ctx, dockerapi.Options{Host: c.host, LookupEnv: os.LookupEnv})
		if err != nil {
			return engine.World{}, err
		}
		t.Cleanup(func() { _ = e.Close() })
		return engine.World{Readers: e.Readers(), Writers: e.Writers()}, nil
	}
}

// try runs the suite for each kind, and removes what it made.
func (c *conformance) try(t *testing.T) []enginetest.Result {
	subjects := c.subjects(t)
	for _, s := range subjects {
		stack := s.Spec(nil)["stack"].(string)
		t.Cleanup(func() { removeStack(t, c.open(t), stack) })
	}
	return rowsOf(t, docker.Kinds(), c.open(t), subjects)
}

// rowsOf tries the rows of several subjects at a time.
func rowsOf(t *testing.T, kinds []resources.Kind, world enginetest.World, subjects []enginetest.Subject) []enginetest.Result {
	results := make([][]enginetest.Result, len(subjects))
	var wg sync.WaitGroup
	for i, s := range subjects {
		wg.Go(func() {
			t.Run(s.Addr.Kind, func(t *testing.T) { results[i] = enginetest.Rows(t, kinds, world, s) })
		})
	}
	wg.Wait()
	return slices.Concat(results...)
}

// leftOut are rows that cannot be tried on this engine, each with the reason.
func (c *conformance) leftOut(t *testing.T, kind string) map[string]string {
	out := map[string]string{
		"storage_opt": "the storage driver has no quota",
		"external":    "it would be someone else's",
	}
	switch kind {
	case "image":
		out["pull_policy"] = "only a registry has newer ones"
	case "volume":
		out["driver"] = "it needs another driver"
	case "service", "job":
		if why := c.refusesPrivileged(t); why != "" {
			out["privileged"] = why
		}
	}
	if blockDevice() == "" && !hasBlockWeights() {
		out["blkio_config"] = "this machine has no disk"
	}
	if why := c.noRealtime(t); why != "" {
		out["cpu_rt_runtime"], out["cpu_rt_period"] = why, why
	}
	for _, k := range docker.Kinds() {
		for _, f := range k.Table().Fields {
			if f.Since != "" && k.Table().Kind == kind && c.tooOld(f.Since) {
				out[f.Key] = "from API " + f.Since + " on"
			}
		}
	}
	return out
}

// refusesPrivileged returns why a privileged container does not start here; ""
// when one does.
func (c *conformance) refusesPrivileged(t *testing.T) string {
	ctx := t.Context()
	made, err := c.api.ContainerCreate(ctx, &container.Config{Image: conformanceImage, Cmd: []string{"true"}},
		&container.HostConfig{Privileged: true}, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { try(t, c.api.ContainerRemove(ctx, made.ID, container.RemoveOptions{Force: true})) }()
	if err := c.api.ContainerStart(ctx, made.ID, container.StartOptions{}); err != nil {
		return "privileged containers do not start here"
	}
	return ""
}

// realtime is a cgroup that has realtime to give.
const realtime = "/midaz-conformance-rt"

// noRealtime makes the cgroup, and returns why there is none.
func (c *conformance) noRealtime(t *testing.T) string {
	if info := must[dockersystem.Info](t)(c.api.Info(t.Context())); info.CgroupDriver != "cgroupfs" {
		return "cgroups are systemd's"
	}
	const root = "/sys/fs/cgroup/cpu"
	if !exists(root + "/cpu.rt_runtime_us") {
		return "the kernel has no realtime groups"
	}
	if err := os.Mkdir(root+realtime, 0o755); err != nil && !os.IsExist(err) {
		return "only root may give realtime"
	}
	t.Cleanup(func() { _ = os.Remove(root + realtime) })
	if err := os.WriteFile(root+realtime+"/cpu.rt_runtime_us", []byte("400000"), 0o644); err != nil {
		return "the kernel has no realtime left to give"
	}
	return ""
}

func (c *conformance) tooOld(since string) bool { return olderAPI(c.api.ClientVersion(), since) }

// olderAPI reports whether version a is below b.
func olderAPI(a, b string) bool {
	var major, minor, wantMajor, wantMinor int
	_, _ = fmt.Sscanf(a, "%d.%d", &major, &minor)
	_, _ = fmt.Sscanf(b, "%d.%d", &wantMajor, &wantMinor)
	return major < wantMajor || major == wantMajor && minor < wantMinor
}

// values replace examples that name things of other stacks, or that this
// machine may not have.
func (c *conformance) values(t *testing.T, kind string) map[string][2]string {
	name := c.prefix + "-" + kind
	dir := t.TempDir()
	var files [2]string
	for i, text := range []string{"A=1\n", "A=2\n"} {
		files[i] = filepath.Join(dir, fmt.Sprint(i))
		if err := os.WriteFile(files[i], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	port, port2 := freePort(t), freePort(t)
	out := map[string][2]string{
		"name":           {name + "-one", name + "-two"},
		"container_name": {name + "-one", name + "-two"},
		"enable_ipv4":    {"true", "false"},
		"driver":         {"bridge", "macvlan"},
		"platform":       {"linux/" + c.arch, "linux/" + c.arch + "/" + c.variant()},
		"blkio_config": {"{device_read_bps: [{path: " + blockDevice() + ", rate: 12mb}]}", "{device_read_bps: [{path: " + blockDevice() +
			", rate: 24mb}], device_write_iops: [{path: " + blockDevice() + ", rate: 100}]}"},
		"cpu_rt_runtime": {"10000", "20ms"},
		"cpu_rt_period":  {"1000000", "500ms"},
		"enable_ipv6":    {"true", "false"},
		"image":          {conformanceImage, otherImage},
		"command":        {`[sleep, "1000"]`, "sleep 2000"},
		"entrypoint":     {"[nice]", "[nice, -n, '5']"},
		"env_file":       {files[0], files[1]},
		"build":          {buildOf("one"), buildOf("two")},
		"pull_policy":    {"missing", "never"},
		"healthcheck":    {"{test: [CMD, test, -d, /], interval: 5s}", "{test: test -d /, interval: 6s, timeout: 3s, retries: 2}"},
		"networks":       {"{a: {}, b: {aliases: [one]}}", "{a: {}, b: {aliases: [two]}}"}, // without the first one it is replaced
		"ports":          {fmt.Sprintf(`["127.0.0.1:%d:5701"]`, port), fmt.Sprintf("[{target: 5701, published: %d, host_ip: 127.0.0.1}]", port2)},
		"ulimits":        {"{nofile: 1024}", "{nofile: {soft: 512, hard: 2048}, nproc: 100}"},
		"pid":            {"host", "service:db"},
		"oom_score_adj":  {"100", "200"},
		"files":          {"[{content: one, target: /etc/one}]", "[{content: two, target: /etc/one}]"},
		"cpuset_mems":    {`"0"`, `"0-0"`},
		"depends_on":     {"[db]", "{db: {condition: service_healthy}}"},
		"gate":           {"{stable_for: 0s, timeout: 30s}", "{stable_for: 10ms}"},
	}
	if kind == "job" {
		maps.Copy(out, map[string][2]string{
			"command": {"[sleep, '0.1']", "sleep 0.2"},
			"restart": {"on-failure:1", "on-failure:2"},
			"gate":    {"{timeout: 3m}", "{timeout: 2m}"},
			"run":     {"on_change", "once"},
		})
	}
	return out
}

// company are fields that can only be changed together with the row: engines
// before 27 have IPv6 addresses to give only from a subnet of the spec.
func (c *conformance) company() map[string][2]string {
	if !c.tooOld("1.47") {
		return nil
	}
	return map[string][2]string{"enable_ipv6": {"{ipam: {config: [{subnet: \"fd00:214:7::/64\"}]}}", ""}}
}

func buildOf(text string) string {
	return fmt.Sprintf("{dockerfile_inline: \"FROM %s\\nLABEL text=%s\"}", conformanceImage, text)
}

// freePort returns a port that nothing listens on.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// subjects are one resource of each kind, in stacks of their own.
func (c *conformance) subjects(t *testing.T) []enginetest.Subject {
	one := func(kind, section string, fields map[string]any, more func(spec map[string]any)) enginetest.Subject {
		stack := c.prefix + "-" + kind
		return enginetest.Subject{
			Addr:   resources.NewAddr(kind, "subject"),
			Fields: fields,
			Spec: func(fields map[string]any) map[string]any {
				spec := map[string]any{"version": "1", "stack": stack, section: map[string]any{"subject": fields}}
				if more != nil {
					more(spec)
				}
				return spec
			},
			Skip:   c.leftOut(t, kind),
			TooOld: c.tooOld,
			Values: c.values(t, kind),
			With: map[string]string{
				"enable_ipv4":    "{enable_ipv6: true}",
				"build":          "{image: " + stack + "-built:1, pull_policy: build}",
				"driver":         "{driver_opts: {parent: docker0}}",
				"cpu_rt_runtime": "{cgroup_parent: " + realtime + "}",
				"cpu_rt_period":  "{cgroup_parent: " + realtime + ", cpu_rt_runtime: 10000}",
				"volumes":        "{depends_on: [db]}", // which fills a volume
			},
			Company: c.company(),
			Parts:   c.parts(t, kind),
			Shows: map[string][]string{"network_mode": {"networks"}, "mac_address": {"networks"},
				"deploy": {"cpus", "mem_limit", "mem_reservation", "pids_limit"}, "env_file": {"environment"}, "build": {"image"},
				"enable_ipv6": {"ipam"}},
			Outside: &outside{c: c, kind: kind, stack: stack},
		}
	}
	process := func(command ...any) map[string]any {
		return map[string]any{"image": conformanceImage, "pull_policy": "never", "command": command, "init": true, "stop_grace_period": "1s"}
	}
	lasting := process("sleep", "infinity")
	lasting["gate"] = map[string]any{"stable_for": "0s"}
	around := func(spec map[string]any) {
		networks := map[string]any{"a": map[string]any{}, "b": map[string]any{}}
		spec["networks"] = networks
		spec["volumes"] = map[string]any{"data": map[string]any{"protect": false}, "more": map[string]any{"protect": false},
			"shelf": map[string]any{"protect": false}}
		if _, job := spec["jobs"]; !job {
			networks["c"] = map[string]any{"enable_ipv6": true, "ipam": map[string]any{"config": []any{
				map[string]any{"subnet": "10.214.9.0/24"}, map[string]any{"subnet": "fd00:214:9::/64"}}}}
		}
		all, ok := spec["services"].(map[string]any)
		if !ok {
			all = map[string]any{}
			spec["services"] = all
		}
		db := maps.Clone(lasting)
		db["volumes"] = []any{"shelf:/etc"}
		all["db"] = db
	}

	network := one("network", "networks", nil, nil)
	network.Events = []enginetest.Event{{Name: "removed", Do: network.Outside.(*outside).remove}}
	volume := one("volume", "volumes", map[string]any{"protect": false}, nil)
	volume.Events = []enginetest.Event{{Name: "removed", Do: volume.Outside.(*outside).remove}}
	service := one("service", "services", lasting, around)
	service.Fields = maps.Clone(lasting)
	service.Events = service.Outside.(*outside).events()
	job := one("job", "jobs", process("sleep", "0.1"), around)
	job.Cost = costOfJob
	job.Events = []enginetest.Event{{Name: "removed", Do: job.Outside.(*outside).remove}}

	image := one("image", "services", maps.Clone(lasting), nil)
	ref := c.prefix + "-image:1"
	image.Addr = resources.ImageAddr(ref)
	image.Fields["image"], image.Fields["pull_policy"] = ref, "build"
	image.Fields["build"] = map[string]any{"dockerfile_inline": "FROM " + conformanceImage}
	image.With = nil
	image.Shows = map[string][]string{"build": {"build"}, "platform": {"build"}}
	image.Outside = nil
	t.Cleanup(func() { c.removeImages() })
	return []enginetest.Subject{network, volume, image, service, job}
}

// costOfJob: a job whose definition changes runs again, in a new container.
func costOfJob(f *resources.Field) resources.Cost {
	if f.Key == "container_name" || f.Unmarked {
		return f.Cost
	}
	return resources.Remake
}

// removeStack removes what the tests have made.
func removeStack(t *testing.T, open enginetest.World, stack string) {
	plan, w := enginetest.Plan(t, docker.Kinds(), func(ctx context.Context, d *resources.Declared) (engine.World, error) {
		return open(context.WithoutCancel(ctx), d)
	}, "version: \"1\"\nstack: "+stack+"\n")
	report, err := engine.Apply(context.Background(), engine.MakePlan(plan.Declared(), mustObserve(t, w, plan.Declared()),
		engine.Options{Destroy: true, Unprotect: []string{"*"}, Allow: []string{resources.DataLoss}}), w, engine.ApplyOptions{Parallelism: 4})
	if err != nil {
		t.Error(err)
		return
	}
	for _, f := range report.Failed() {
		t.Error(f.Err)
	}
}

func mustObserve(t *testing.T, w engine.World, d *resources.Declared) *engine.Seen {
	t.Helper()
	seen, err := engine.Observe(context.Background(), w.Readers, d, resources.Scope{Owned: true})
	if err != nil {
		t.Fatal(err)
	}
	return seen
}
