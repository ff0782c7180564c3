//go:build e2e

package bench

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/client"

	"github.com/LerianStudio/midaz-infra/e2e/rig"
)

var (
	binary  string // midaz
	compose string // "" when there is none
	engine  *client.Client
	tiny    string // image
	skip    string // why nothing can be measured
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "midaz-bench-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	if engine, err = rig.Dial(ctx); err != nil {
		skip = fmt.Sprintf("no Docker Engine answers: %v", err)
		return m.Run()
	}
	if tiny, err = rig.Tiny(ctx, engine); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	if binary, err = rig.Binary(ctx, dir); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	find := exec.CommandContext(ctx, filepath.Join(rig.Root(), "e2e", "bench", "compose.sh"))
	find.Stderr = os.Stderr
	if out, err := find.Output(); err == nil {
		compose = strings.TrimSpace(string(out))
	} else {
		fmt.Fprintln(os.Stderr, "bench: without Compose:", err)
	}
	idle := load()
	code := m.Run()
	printTable(idle)
	return code
}

// healthy are services that are ready 300 ms after their start, each waiting for
// the one before.
func healthy(n int) string {
	var out strings.Builder
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&out, "  s%d:\n    image: %s\n    command: [serve, -healthy-after, 300ms]\n", i, tiny)
		fmt.Fprint(&out, "    healthcheck: { test: [CMD, /tiny, probe, \"http://127.0.0.1:8080/health\"], interval: 5s }\n")
		if i > 1 {
			fmt.Fprintf(&out, "    depends_on: { s%d: { condition: service_healthy } }\n", i-1)
		}
	}
	return out.String()
}

// plain are services that wait for nothing. gate is written at each of them.
func plain(n int, gate string) string {
	var out strings.Builder
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&out, "  s%02d:\n    image: %s\n    command: [serve]\n", i, tiny)
		if gate != "" {
			fmt.Fprintf(&out, "    gate: %s\n", gate)
		}
	}
	return out.String()
}

// pair is one project that both tools run, under names of its own.
type pair struct {
	b    *testing.B
	dir  string
	name string
}

func newPair(b *testing.B, forMidaz, forCompose string) *pair {
	b.Helper()
	if skip != "" {
		b.Skip(skip)
	}
	var random [3]byte
	_, _ = rand.Read(random[:])
	p := &pair{b: b, dir: b.TempDir(), name: "bench-" + hex.EncodeToString(random[:])}
	p.write(forMidaz, forCompose)
	b.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
		defer cancel()
		for _, label := range []string{"midaz.stack=" + p.name + "-m", "midaz.runs=" + p.name + "-m", "com.docker.compose.project=" + p.name +
			"-c"} {
			if err := rig.Sweep(ctx, engine, label); err != nil && !strings.Contains(err.Error(), "active endpoints") {
				b.Error(err)
			}
		}
	})
	return p
}

// write replaces the services of both files.
func (p *pair) write(forMidaz, forCompose string) {
	p.b.Helper()
	for name, text := range map[string]string{
		"midaz.infra.yaml": "version: \"1\"\nstack: " + p.name + "-m\nservices:\n" + forMidaz,
		"compose.yaml":     "name: " + p.name + "-c\nservices:\n" + forCompose,
	} {
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o644); err != nil {
			p.b.Fatal(err)
		}
	}
}

func (p *pair) midaz(args ...string) time.Duration { return p.time(binary, args...) }

func (p *pair) compose(args ...string) time.Duration {
	if compose == "" {
		return 0
	}
	return p.time(compose, append([]string{"--progress", "plain"}, args...)...)
}

func (p *pair) time(program string, args ...string) time.Duration {
	p.b.Helper()
	took, err := p.run(program, args...)
	if err != nil && args[len(args)-1] == "down" &&
		(strings.Contains(err.Error(), lostCount) || strings.Contains(err.Error(), "has active endpoints")) {
		// All containers are gone; the network stays, and the next up takes it as it is.
		p.b.Logf("%s: the engine lost count of a network's containers", filepath.Base(program))
		err = nil
	}
	if err != nil {
		p.b.Fatal(err)
	}
	return took
}

// lostCount is what midaz says of a network that an engine before 28 will not
// remove any more, because parallel starts and stops left its counter wrong
// (moby#42119). It happens to both tools.
const lostCount = "the engine counts containers on it though there are none"

func (p *pair) run(program string, args ...string) (time.Duration, error) {
	cmd := exec.Command(program, args...)
	cmd.Dir = p.dir
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	began := time.Now()
	err := cmd.Run()
	took := time.Since(began)
	if err != nil {
		return took, fmt.Errorf("%s %s: %w\n%s", program, strings.Join(args, " "), err, out.String())
	}
	return took, nil
}

// running fails unless this many containers of each tool run.
func (p *pair) running(n int) {
	p.b.Helper()
	labels := []string{"midaz.stack=" + p.name + "-m"}
	if compose != "" {
		labels = append(labels, "com.docker.compose.project="+p.name+"-c")
	}
	for _, label := range labels {
		left, err := rig.Left(p.b.Context(), engine, label)
		if err != nil {
			p.b.Fatal(err)
		}
		left = slices.DeleteFunc(left, func(x string) bool { return !strings.HasPrefix(x, "container ") })
		if len(left) != n {
			p.b.Fatalf("%s: %d containers, want %d: %v", label, len(left), n, left)
		}
	}
}

// Five services in a chain, each healthy 300 ms after its start, with a health
// interval of five seconds.
func BenchmarkChain(b *testing.B) {
	p := newPair(b, healthy(5), healthy(5))
	up := row{what: "chain of 5, healthy after 300 ms, interval 5 s: up", aim: 0.12}
	for b.Loop() {
		up.midaz = append(up.midaz, p.midaz("apply", "-auto-approve"))
		p.midaz("down")
		up.compose = append(up.compose, p.compose("up", "-d", "--wait"))
		p.compose("down")
	}
	report(b, up)
}

// Fifty services that nothing waits for: made, looked at again with nothing to
// do, removed. Compose returns when all are started; the gate asks the same of
// midaz, whose default is to see each of them run for a second. With nothing to
// do midaz inspects every container and compares each field; Compose does as much
// as see that all of them run with --wait, and without it compares the hashes in
// one list. Both are measured, and the aim is for the former.
func BenchmarkFifty(b *testing.B) {
	fifty(b, "", plain(50, "{ stable_for: 1ms }"), 1.0)
}

// The same with the default gate, which Compose has nothing like.
func BenchmarkFiftyDefaultGate(b *testing.B) {
	fifty(b, ", default gate (1 s)", plain(50, ""), 0)
}

func fifty(b *testing.B, suffix, forMidaz string, aim float64) {
	p := newPair(b, forMidaz, plain(50, ""))
	up := row{what: "50 services" + suffix + ": up", aim: aim}
	again := row{what: "50 services" + suffix + ", seen to run: nothing to do", aim: 0.15}
	bare := row{what: "50 services" + suffix + ", Compose only lists: again"}
	down := row{what: "50 services" + suffix + ": down", aim: 0.95}
	for b.Loop() {
		// One after the other, so that neither has the other's containers beside it.
		up.midaz = append(up.midaz, p.midaz("apply", "-auto-approve"))
		again.midaz = append(again.midaz, p.midaz("apply", "-auto-approve"))
		down.midaz = append(down.midaz, p.midaz("down"))
		up.compose = append(up.compose, p.compose("up", "-d"))
		again.compose = append(again.compose, p.compose("up", "-d", "--wait"))
		bare.compose = append(bare.compose, p.compose("up", "-d"))
		down.compose = append(down.compose, p.compose("down"))
	}
	p.running(0)
	if aim == 0 {
		report(b, up)
		return
	}
	bare.midaz = again.midaz
	report(b, up, again, bare, down)
}

// BenchmarkFiftyChanged measures one change of fifty running services: a new
// environment variable, for which every container is replaced. midaz reads back
// each container; Compose waits until all of them run. The aim is for the order
// that Compose has, which stops the old container first; by default midaz keeps
// it until the new one is ready.
func BenchmarkFiftyChanged(b *testing.B) {
	with := func(text, more string, round int) string {
		return strings.ReplaceAll(text, "    command: [serve]\n", fmt.Sprintf("    command: [serve]\n    environment: { ROUND: \"%d\" }\n%s",
			round, more))
	}
	for _, order := range []struct {
		what, more string
		aim        float64
	}{
		{"50 services, stopped first: one change of each", "    update: { order: stop_first }\n", 0.85},
		{"50 services, started first: the same change", "", 0},
	} {
		p := newPair(b, plain(50, "{ stable_for: 0s }"), plain(50, ""))
		p.midaz("apply", "-auto-approve")
		p.compose("up", "-d", "--wait")
		changed := row{what: order.what, aim: order.aim}
		for round := range max(b.N, 3) {
			p.write(with(plain(50, "{ stable_for: 0s }"), order.more, round), with(plain(50, ""), "", round))
			changed.midaz = append(changed.midaz, p.midaz("apply", "-auto-approve"))
			changed.compose = append(changed.compose, p.compose("up", "-d", "--wait"))
		}
		p.running(50)
		p.midaz("down")
		p.compose("down")
		report(b, changed)
	}
}

// Two hundred services that run and have nothing to be done: a plan, which looks
// at every field of every container, against an up that sees to it that all of
// them run, and one that only compares a hash of each. One tool's containers are gone before the other's are made.
func BenchmarkTwoHundred(b *testing.B) {
	const services, runs = 200, 9
	p := newPair(b, plain(services, "{ stable_for: 1ms }"), plain(services, ""))
	plan := row{what: "200 services running: plan, Compose: up --wait", aim: 0.25}
	bare := row{what: "200 services running: plan, Compose only lists"}
	for b.Loop() {
		p.midaz("apply", "-auto-approve")
		for range runs {
			plan.midaz = append(plan.midaz, p.midaz("plan", "-detailed-exitcode"))
		}
		p.midaz("down")
		p.compose("up", "-d")
		for range runs {
			plan.compose = append(plan.compose, p.compose("up", "-d", "--wait"))
			bare.compose = append(bare.compose, p.compose("up", "-d"))
		}
		p.compose("down")
	}
	p.running(0)
	bare.midaz = plan.midaz
	report(b, plan, bare)
}

// row is one line of the table.
type row struct {
	what           string
	midaz, compose []time.Duration
	aim            float64 // the most that the ratio should be, 0 for none
}

var table []row

func report(b *testing.B, rows ...row) {
	for _, r := range rows {
		short := strings.ReplaceAll(r.what[strings.LastIndex(r.what, ": ")+2:], " ", "-")
		b.ReportMetric(median(r.midaz).Seconds(), short+"-midaz-s")
		if m := median(r.compose); m > 0 {
			b.ReportMetric(m.Seconds(), short+"-compose-s")
			b.ReportMetric(r.ratio(), short+"-ratio")
		}
	}
	b.ReportMetric(0, "ns/op")
	// The framework may run a benchmark more than once; the last run is the longest.
	for _, r := range rows {
		table = append(slices.DeleteFunc(table, func(x row) bool { return x.what == r.what }), r)
	}
}

func (r row) ratio() float64 {
	c := median(r.compose)
	if c == 0 {
		return 0
	}
	return float64(median(r.midaz)) / float64(c)
}

func median(d []time.Duration) time.Duration {
	d = slices.SortedFunc(slices.Values(d), cmp.Compare[time.Duration])
	if len(d) == 0 {
		return 0
	}
	if len(d)%2 == 0 {
		return (d[len(d)/2-1] + d[len(d)/2]) / 2
	}
	return d[len(d)/2]
}

// comparedWith is the Compose that the aims are set against: versions differ by as
// much as the aims do.
const comparedWith = "2.40"

// verdict says whether the aim is met, "" where nothing is compared.
func (r row) verdict(version string) string {
	ratio := r.ratio()
	release := strings.TrimPrefix(version, "v")
	switch {
	case r.aim == 0 || ratio == 0:
		return ""
	case release != comparedWith && !strings.HasPrefix(release, comparedWith+"."):
		return "not comparable"
	case ratio <= r.aim:
		return "met"
	}
	return "missed"
}

// TestVerdict: only the version that the aims are set against is judged.
func TestVerdict(t *testing.T) {
	r := row{midaz: []time.Duration{time.Second}, compose: []time.Duration{2 * time.Second}, aim: 0.6}
	for version, want := range map[string]string{"2.40.3": "met", "v2.40.0": "met", "2.40": "met", "2.4.0": "not comparable",
		"2.400.1": "not comparable",
		"2.39.4":  "not comparable", "2.40.3+ds1-1": "met", "5.0.1": "not comparable", "": "not comparable"} {
		if got := r.verdict(version); got != want {
			t.Errorf("%q: got %q, want %q", version, got, want)
		}
	}
	r.aim = 0.4
	if got := r.verdict("2.40.3"); got != "missed" {
		t.Errorf("got %q", got)
	}
	r.compose = nil
	if got := r.verdict("2.40.3"); got != "" {
		t.Errorf("without Compose: got %q", got)
	}
}

// load is how many tasks wanted a CPU in the last minute, 0 where the system does not say.
func load() float64 {
	var l float64
	data, err := os.ReadFile("/proc/loadavg")
	if err == nil {
		_, _ = fmt.Sscan(string(data), &l)
	}
	return l
}

func printTable(idle float64) {
	if len(table) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	version, _ := engine.ServerVersion(ctx)
	with, composeVersion := "no Compose found", ""
	if compose != "" {
		out, _ := exec.CommandContext(ctx, compose, "version", "--short").Output()
		composeVersion = strings.TrimSpace(string(out))
		with = "Compose " + composeVersion
	}
	fmt.Printf("\nmidaz and %s on Docker Engine %s, medians in seconds\n\n", with, version.Version)
	fmt.Printf("| %-58s | %4s | %7s | %7s | %5s | %5s | %-14s |\n", "what", "runs", "midaz", "Compose", "ratio", "aim", "")
	fmt.Printf("|%s|%s:|%s:|%s:|%s:|%s:|%s|\n", strings.Repeat("-", 60), strings.Repeat("-", 5), strings.Repeat("-", 8),
		strings.Repeat("-", 8), strings.Repeat("-", 6), strings.Repeat("-", 6), strings.Repeat("-", 16))
	for _, r := range table {
		ratio, theirs, aim := "", "", ""
		if m := median(r.compose); m > 0 {
			theirs, ratio = fmt.Sprintf("%.2f", m.Seconds()), fmt.Sprintf("%.2f", r.ratio())
		}
		if r.aim > 0 {
			aim = fmt.Sprintf("%.2f", r.aim)
		}
		fmt.Printf("| %-58s | %4d | %7.2f | %7s | %5s | %5s | %-14s |\n", r.what, len(r.midaz), median(r.midaz).Seconds(), theirs, ratio, aim,
			r.verdict(composeVersion))
	}
	fmt.Println("\nSame services, same engine, in turns. The 50 services have gate: { stable_for: 1ms } for midaz\nunless said otherwise: " +
		"like Compose, it then returns when all are started.")
	if idle > float64(runtime.NumCPU())/2 {
		fmt.Printf("The machine was busy with other things before this began (load %.1f on %d CPUs): the ratios say little.\n", idle,
			runtime.NumCPU())
	}
}
