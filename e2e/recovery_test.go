//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
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

// shape is a stack that is changed from its first version to its second, and
// killed meanwhile. Versions are 1, 2, and 3.
type shape struct {
	name string
	// subject are the fields of the service, or job, a.
	subject func(version int) string
	job     bool
	// sharer are the fields of a service that cannot do without a, "" for none.
	sharer string
	// rest are networks, volumes, and services beside it. The service b waits for
	// a where there is one.
	rest func(version int) string
	// b are further fields of the service b.
	b func(version int) string
	// fails tells that the gate of the second version does not pass.
	fails bool
}

func same(text string) func(int) string { return func(int) string { return text } }

const recoveryGate = "gate: { http: { port: 8080 }, timeout: 20s }"

var shapes = []shape{
	{name: "stop first", rest: same("networks: { n: {} }"), subject: func(v int) string {
		return fmt.Sprintf(`image: TINY, restart: always, command: [serve, -body, "v%d"], ports: ["127.0.0.1:PORT1:8080"], networks: [n], %s`, v,
			recoveryGate)
	}},
	{name: "start first", rest: same("networks: { n: {} }"), subject: func(v int) string {
		return fmt.Sprintf(`image: TINY, restart: unless-stopped, command: [serve, -body, "v%d"], networks: [n], %s`, v, recoveryGate)
	}},
	{name: "stop first, gate fails", fails: true, rest: same("networks: { n: {} }"), subject: func(v int) string {
		return fmt.Sprintf(`image: TINY, restart: always, command: %s, ports: ["127.0.0.1:PORT1:8080"], networks: [n], %s`, broken(v),
			recoveryGate)
	}},
	{name: "start first, gate fails", fails: true, rest: same("networks: { n: {} }"), subject: func(v int) string {
		return fmt.Sprintf(`image: TINY, restart: always, command: %s, networks: [n], %s`, broken(v), recoveryGate)
	}},
	{name: "shared data", rest: func(v int) string {
		return fmt.Sprintf("volumes: { data: { protect: false }, more%d: { protect: false } }", v)
	}, subject: func(v int) string {
		return fmt.Sprintf(`image: TINY, command: [serve, -body, "v%d"], volumes: ["data:/data", "more%d:/more", "/anonymous"], files: [{ target: /tmp/v, content: "v%d" }], %s`, v, v, v, recoveryGate)
	}},
	// The second version gives up a port of the host, the third takes it again.
	{name: "port taken back", rest: same(""), subject: func(v int) string {
		return fmt.Sprintf(`image: TINY, restart: always, command: [serve, -body, "v%d"], ports: ["127.0.0.1:PORT%d:8080"], %s`, v, 1+(v+1)%2,
			recoveryGate)
	}},
	{name: "network", rest: func(v int) string { return fmt.Sprintf(`networks: { n: { labels: { edition: "v%d" } } }`, v) },
		subject: same(`image: TINY, networks: [n], ` + recoveryGate), b: same("networks: [n], ")},
	{name: "network removed", rest: func(v int) string { return fmt.Sprintf(`networks: { n%d: {} }`, v) },
		subject: func(v int) string { return fmt.Sprintf(`image: TINY, networks: [n%d], %s`, v, recoveryGate) }},
	{name: "namespace", rest: same("networks: { n: {} }"), subject: func(v int) string {
		return fmt.Sprintf(`image: TINY, command: [serve, -body, "v%d"], networks: [n], %s`, v, recoveryGate)
	}, sharer: `image: TINY, gate: { stable_for: 1ms }, network_mode: "service:a", command: [serve, -listen, ":8081"]`},
	{name: "in place", rest: same("networks: { n: {}, m: {} }"), subject: func(v int) string {
		return fmt.Sprintf(`image: TINY, gate: { stable_for: 1ms }, mem_limit: %dm, restart: %s, networks: [%s]`, 32*(v+1),
			[]string{"always", "unless-stopped", "on-failure"}[v-1], []string{"n", "n, m", "m"}[v-1])
	}},
	{name: "job", job: true, rest: same(""), subject: func(v int) string {
		return fmt.Sprintf(`image: TINY, command: [say, "v%d"]`, v)
	}},
	{name: "renamed", rest: same(""), subject: func(v int) string {
		return fmt.Sprintf(`image: TINY, container_name: STACK-v%d, command: [serve, -body, "v%d"], %s`, v, v, recoveryGate)
	}},
}

func broken(version int) string {
	if version == 2 {
		return `[exit, "1"]`
	}
	return fmt.Sprintf(`[serve, -body, "v%d"]`, version)
}

// The columns of the matrix: what follows a killed run from version 1 to 2. Each
// ends in one run, with an empty plan after it and nothing left over:
//
//	same      version 2; where its gate fails, version 1 runs and the status is 4
//	previous  version 1
//	third     version 3
//	removed   without a and what needs it
//	off       a runs under its name, as version 1 or 2
//	destroy   nothing is left
var columns = []string{"same", "previous", "third", "removed", "off", "destroy"}

// spec writes a version of the shape, with a as it is in the column.
func (s shape) spec(version int, column string) string {
	section := map[bool]string{false: "services", true: "jobs"}[s.job]
	condition := map[bool]string{false: "service_healthy", true: "service_completed_successfully"}[s.job]
	more := ""
	if s.b != nil {
		more = s.b(version)
	}
	sections := map[string][]string{}
	b := fmt.Sprintf("b: { image: TINY, gate: { stable_for: 1ms }, %sdepends_on: { a: { condition: %s } } }", more, condition)
	profile := ""
	switch column {
	case "removed":
		b = strings.TrimSuffix(fmt.Sprintf("b: { image: TINY, gate: { stable_for: 1ms }, %s", more), ", ") + " }"
	case "off":
		b = strings.TrimSuffix(fmt.Sprintf("b: { image: TINY, gate: { stable_for: 1ms }, %s", more), ", ") + " }"
		profile = "profiles: [extra], "
	}
	sections["services"] = append(sections["services"], b)
	if column != "removed" {
		sections[section] = append(sections[section], "a: { "+profile+s.subject(version)+" }")
		if s.sharer != "" {
			sections["services"] = append(sections["services"], "s: { "+profile+s.sharer+" }")
		}
	}
	text := s.rest(version) + "\n"
	for _, name := range slices.Sorted(maps.Keys(sections)) {
		text += name + ":\n"
		for _, item := range sections[name] {
			text += "  " + item + "\n"
		}
	}
	return text
}

// cell is one of the matrix.
type cell struct {
	shape  int
	k      int  // the writing call to the engine at which the run is killed
	after  bool // it took effect
	column string
}

func (c cell) String() string {
	when := map[bool]string{false: "before", true: "after"}[c.after]
	return fmt.Sprintf("%s, killed %s write %d, then %s", shapes[c.shape].name, when, c.k, c.column)
}

// TestRecovery kills a run before and after each of its writing calls, and gives
// the next run another spec.
//
// It tries the same 24 cells each time; MIDAZ_RECOVERY_SEED draws others.
// MIDAZ_RECOVERY=all tries all, a number so many, a regular expression those whose
// name it matches; MIDAZ_RECOVERY_LANES says how many at once (2),
// MIDAZ_RECOVERY_TABLE names a file for the numbers.
func TestRecovery(t *testing.T) {
	needEngine(t)
	m := &recoveryMatrix{table: map[string]*tally{}}
	cells := m.draw(t, os.Getenv("MIDAZ_RECOVERY"))
	lanes := 2
	if n, err := strconv.Atoi(os.Getenv("MIDAZ_RECOVERY_LANES")); err == nil {
		lanes = n
	}
	began := time.Now()
	t.Run("lane", func(t *testing.T) {
		for lane := range lanes {
			t.Run(fmt.Sprint(lane), func(t *testing.T) {
				t.Parallel()
				for i := lane; i < len(cells); i += lanes {
					if end, ok := t.Deadline(); ok && time.Until(end) < 2*time.Minute {
						t.Errorf("%d cells of this lane were not tried: the time of the test did not suffice", (len(cells)-i+lanes-1)/lanes)
						break
					}
					m.run(t, cells[i])
				}
			})
		}
	})
	m.print(t, time.Since(began))
}

// recoveryMatrix counts.
type recoveryMatrix struct {
	mu     sync.Mutex
	table  map[string]*tally // by shape and column
	missed int               // the call never came
	done   int               // cells, for those who wait
}

// mostWrites is more than any shape needs from its first version to its second. A
// kill at a call that never comes is a run that was not killed; it is counted.
const mostWrites = 24

// draw lists the cells that are tried.
func (m *recoveryMatrix) draw(t *testing.T, which string) []cell {
	var all []cell
	for shape := range shapes {
		for k := 1; k <= mostWrites; k++ {
			for _, after := range []bool{false, true} {
				for _, column := range columns {
					all = append(all, cell{shape, k, after, column})
				}
			}
		}
	}
	n, err := strconv.Atoi(which)
	switch {
	case which == "all":
		return all
	case which == "":
		n = 24
	case err != nil:
		chosen, err := regexp.Compile(which)
		if err != nil {
			t.Fatal(err)
		}
		return slices.DeleteFunc(all, func(c cell) bool { return !chosen.MatchString(c.String()) })
	}
	seed := uint64(1)
	if text := os.Getenv("MIDAZ_RECOVERY_SEED"); text != "" {
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("MIDAZ_RECOVERY_SEED: %v", err)
		}
	}
	t.Logf("MIDAZ_RECOVERY_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	// Every shape has about twelve writes, and those are where most is at stake.
	all = slices.DeleteFunc(all, func(c cell) bool { return c.k > mostWrites/2 })
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:min(n, len(all))]
}

// run tries one cell in a world of its own.
func (m *recoveryMatrix) run(t *testing.T, c cell) {
	w := &recoveryWorld{stack: newStack(t, ""), shape: shapes[c.shape]}
	hit, wrong := w.try(c)
	m.mu.Lock()
	defer m.mu.Unlock()
	if !hit {
		m.missed++
	}
	if m.done++; m.done%10 == 0 {
		t.Logf("%d cells", m.done)
	}
	key := w.shape.name + " | " + c.column
	if m.table[key] == nil {
		m.table[key] = &tally{}
	}
	if hit {
		m.table[key].cases++
	}
	if len(wrong) > 0 {
		m.table[key].failures++
		t.Errorf("%s (%s):\n%s\nsee %s", c, w.hit, strings.Join(wrong, "\n"), w.keep(c))
	}
	w.sweep()
}

// recoveryWorld is the world of one cell.
type recoveryWorld struct {
	*stack
	shape shape
	hit   string // the call at which it was killed
	bad   []string
}

func (w *recoveryWorld) wrong(format string, args ...any) {
	w.bad = append(w.bad, fmt.Sprintf(format, args...))
}

var recoveryArgs = []string{"apply", "-auto-approve", "-allow", "data-loss", "-parallelism", "1"}

func (w *recoveryWorld) put(version int, column string) {
	w.write("midaz.infra.yaml", w.shape.spec(version, column))
}

// try returns whether the call came, and what is wrong.
func (w *recoveryWorld) try(c cell) (hit bool, wrong []string) {
	p := w.record()
	w.put(1, "")
	if r := w.midaz(recoveryArgs...); r.code != 0 {
		w.wrong("the first version: exit %d", r.code)
		return true, w.bad
	}
	first := w.describe()
	w.put(2, "")
	p.Reset()
	fault := 0
	for faults[fault].name != map[bool]string{false: "kill before", true: "kill after"}[c.after] {
		fault++
	}
	call, _ := w.strike(p, fault, func(call proxy.Call) bool { return call.W == c.k }, recoveryArgs...)
	if call.N == 0 {
		return false, nil
	}
	w.hit = call.String()
	switch c.column {
	case "same":
		w.put(2, "")
	case "previous":
		w.put(1, "")
	case "third":
		w.put(3, "")
	default:
		w.put(2, c.column)
	}
	if c.column == "destroy" {
		w.destroyed()
		return true, w.bad
	}
	want := 0
	if w.shape.fails && c.column == "same" {
		want = 4
	}
	healthy, planned := w.healthy(), w.planned()
	if r := w.midaz(recoveryArgs...); r.code != want {
		w.wrong("the next apply: exit %d, want %d", r.code, want)
	}
	w.unharmed(healthy, planned)
	if want == 4 {
		w.put(1, "")
		back := w.healthy()
		if r := w.midaz(recoveryArgs...); r.code != 0 {
			w.wrong("after going back: exit %d", r.code)
		}
		w.unharmed(back, nil)
	}
	if r := w.midaz("plan", "-detailed-exitcode"); r.code != 0 || !strings.Contains(r.stdout, "No changes.") {
		w.wrong("the plan is not empty")
	}
	if r := w.midaz("drift"); r.code != 0 {
		w.wrong("drift: exit %d", r.code)
	}
	w.tidy(c.column)
	if c.column == "previous" || want == 4 {
		if now := w.describe(); now != first {
			w.wrong("the world is not as before:\n%s", differences(first, now))
		}
	}
	return true, w.bad
}

// healthy returns the containers that run under their own names, by address. One
// that exits as soon as it is started is never well.
func (w *recoveryWorld) healthy() map[string]container.InspectResponse {
	out := map[string]container.InspectResponse{}
	for _, c := range w.inspectAll() {
		if c.State.Running && !swapMark.MatchString(c.Name) && !slices.Equal(c.Config.Cmd, []string{"exit", "1"}) {
			out[c.Config.Labels["midaz.address"]] = c
		}
	}
	return out
}

var swapMark = regexp.MustCompile(`\.(new|old|bad)-[0-9]+$`)

// planned returns the addresses for which the plan says something.
func (w *recoveryWorld) planned() map[string]bool {
	r := w.midaz("plan", "-json", "-allow", "data-loss")
	var p plan
	if err := json.Unmarshal([]byte(r.stdout), &p); err != nil {
		w.wrong("plan -json: exit %d: %v", r.code, err)
	}
	out := map[string]bool{}
	for _, c := range p.Changes {
		if !slices.Equal(c.Change.Actions, []string{"no-op"}) {
			out[c.Address] = true
		}
	}
	return out
}

// unharmed fails when a service was touched that the plan did not name.
func (w *recoveryWorld) unharmed(healthy map[string]container.InspectResponse, planned map[string]bool) {
	now := w.healthy()
	for _, address := range slices.Sorted(maps.Keys(healthy)) {
		was := healthy[address]
		if is, ok := now[address]; !planned[address] && (!ok || is.ID != was.ID || is.State.StartedAt != was.State.StartedAt) {
			w.wrong("%s was well and not in the plan, and is down or was started again", address)
		}
	}
}

// tidy fails when something of the interruption is left, or what is to run does not.
func (w *recoveryWorld) tidy(column string) {
	want := map[string]bool{"service/b": true, map[bool]string{false: "service/a", true: "job/a"}[w.shape.job]: column != "removed"}
	if w.shape.sharer != "" {
		want["service/s"] = column != "removed"
	}
	ids := map[string]string{}
	all := w.inspectAll()
	for _, c := range all {
		ids[c.ID] = c.Config.Labels["midaz.address"]
	}
	for _, c := range all {
		address := c.Config.Labels["midaz.address"]
		if swapMark.MatchString(c.Name) {
			w.wrong("left over: %s", c.Name)
		}
		if !want[address] {
			w.wrong("%s is there (%s)", address, c.Name)
		}
		delete(want, address)
		if job := strings.HasPrefix(address, "job/"); job && (c.State.Running || c.State.ExitCode != 0) || !job && !c.State.Running {
			w.wrong("%s: %s", address, c.State.Status)
		}
		if id, ok := strings.CutPrefix(string(c.HostConfig.NetworkMode), "container:"); ok && ids[id] != "service/a" {
			w.wrong("%s shares the network of a container that is gone", address)
		}
	}
	for address, there := range want {
		if there {
			w.wrong("%s is not there", address)
		}
	}
	w.noVolumes("midaz.lock=" + w.name)
	journals, err := docker.VolumeList(w.t.Context(),
		volume.ListOptions{Filters: filters.NewArgs(filters.Arg("label", "midaz.stack="+w.name), filters.Arg("label", "midaz.record=endpoints"))})
	if err != nil || len(journals.Volumes) > 0 {
		w.wrong("journals of networks are left: %v %v", journals.Volumes, err)
	}
	records, err := docker.VolumeList(w.t.Context(),
		volume.ListOptions{Filters: filters.NewArgs(filters.Arg("label", "midaz.stack="+w.name), filters.Arg("label", "midaz.record.content"))})
	if err != nil || len(records.Volumes) > 1 {
		w.wrong("%d records are left: %v", len(records.Volumes), err)
	}
}

func (w *recoveryWorld) noVolumes(label string) {
	list, err := docker.VolumeList(w.t.Context(), volume.ListOptions{Filters: filters.NewArgs(filters.Arg("label", label))})
	if err != nil || len(list.Volumes) > 0 {
		w.wrong("volumes with %s are left: %d %v", label, len(list.Volumes), err)
	}
}

// destroyed destroys the stack, and fails when something is left.
func (w *recoveryWorld) destroyed() {
	w.put(2, "")
	if r := w.midaz("destroy", "--volumes", "-auto-approve", "-allow", "data-loss", "-parallelism", "1"); r.code != 0 {
		w.wrong("destroy: exit %d", r.code)
	}
	if left := w.left(); len(left) > 0 {
		w.wrong("left: %v", left)
	}
	w.noVolumes("midaz.lock=" + w.name)
}

func (w *recoveryWorld) inspectAll() []container.InspectResponse {
	list, err := docker.ContainerList(w.t.Context(),
		container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", "midaz.stack="+w.name))})
	if err != nil {
		w.wrong("list containers: %v", err)
	}
	var out []container.InspectResponse
	for _, s := range list {
		c, err := docker.ContainerInspect(w.t.Context(), s.ID)
		if err != nil {
			w.wrong("inspect: %v", err)
			continue
		}
		out = append(out, c)
	}
	return out
}

// describe is what the stack has on the engine, without what differs from one way
// to it to the next.
func (w *recoveryWorld) describe() string {
	var lines []string
	add := func(kind string, v any) {
		data, err := json.Marshal(v)
		if err != nil {
			w.t.Fatal(err)
		}
		lines = append(lines, kind+" "+string(data))
	}
	for _, c := range w.inspectAll() {
		networks := map[string]any{}
		for name, e := range c.NetworkSettings.Networks {
			networks[name] = sorted(slices.DeleteFunc(e.Aliases, func(a string) bool { return a == c.ID[:12] }))
		}
		add("container "+c.Name, map[string]any{
			"image": c.Config.Image, "cmd": c.Config.Cmd, "labels": ownLabels(c.Config.Labels), "state": c.State.Status,
			"restart": c.HostConfig.RestartPolicy,
			"memory":  c.HostConfig.Memory, "ports": c.HostConfig.PortBindings, "networks": networks, "mode": c.HostConfig.NetworkMode.IsContainer(),
		})
	}
	own := filters.NewArgs(filters.Arg("label", "midaz.stack="+w.name))
	networks, err := docker.NetworkList(w.t.Context(), network.ListOptions{Filters: own})
	add("networks", err)
	for _, n := range networks {
		add("network "+n.Name, []any{n.Driver, n.Options, ownLabels(n.Labels)})
	}
	volumes, err := docker.VolumeList(w.t.Context(), volume.ListOptions{Filters: own})
	add("volumes", err)
	for _, v := range volumes.Volumes {
		if v.Labels["midaz.record"] == "" {
			add("volume "+v.Name, ownLabels(v.Labels))
		}
	}
	slices.Sort(lines)
	return anyID.ReplaceAllString(strings.Join(lines, "\n"), "ID")
}

// sweep removes the world at once: there are many of them.
func (w *recoveryWorld) sweep() {
	for _, label := range []string{"midaz.stack=", "midaz.runs=", "midaz.lock="} {
		if err := rig.Sweep(w.t.Context(), docker, label+w.name); err != nil {
			w.t.Errorf("clean up: %v", err)
		}
	}
}

// keep writes the commands of a cell that failed to a file, and returns its path.
func (w *recoveryWorld) keep(c cell) string {
	var text strings.Builder
	for _, r := range w.runs {
		fmt.Fprintf(&text, "%s\n", r)
	}
	for _, call := range w.proxy.Calls() {
		fmt.Fprintf(&text, "%4d %3d %s ?%s -> %d\n", call.N, call.W, call, call.Query, call.Status)
	}
	dir := filepath.Join(rig.Root(), ".cache", "e2e", "recovery")
	path := filepath.Join(dir, notInNames.ReplaceAllString(c.String(), "-")+".txt")
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(path, []byte(text.String()), 0o600)); err != nil {
		return err.Error()
	}
	return path
}

// print prints the numbers, and writes the table when a file is named.
func (m *recoveryMatrix) print(t *testing.T, took time.Duration) {
	var total tally
	var table strings.Builder
	fmt.Fprint(&table, "| stack | then | cells | failures |\n| --- | --- | ---: | ---: |\n")
	for _, key := range slices.Sorted(maps.Keys(m.table)) {
		k := m.table[key]
		fmt.Fprintf(&table, "| %s | %d | %d |\n", key, k.cases, k.failures)
		total.cases, total.failures = total.cases+k.cases, total.failures+k.failures
	}
	fmt.Fprintf(&table, "| all | | %d | %d |\n", total.cases, total.failures)
	t.Logf("recovery: %d cells, %d failures, in %d more the call never came, in %v\n%s", total.cases, total.failures, m.missed,
		took.Round(time.Second), table.String())
	if path := os.Getenv("MIDAZ_RECOVERY_TABLE"); path != "" {
		if err := os.WriteFile(path, []byte(table.String()), 0o644); err != nil {
			t.Error(err)
		}
	}
	if total.cases == 0 {
		t.Error("no cell was tried")
	}
}
