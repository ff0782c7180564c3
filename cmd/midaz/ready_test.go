package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/urfave/cli/v2"

	midazcli "github.com/LerianStudio/midaz-infra/cmd/midaz/internal/cli"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/render"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
)

// tool returns the path of a program that checks what we wrote, and leaves the
// test out where there is none.
func tool(t *testing.T, name string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	if path := filepath.Join(absoluteRoot(t), ".cache", "tools", name); fileExists(path) {
		return path
	}
	t.Skipf("there is no %s", name)
	return ""
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// allMetrics are the text files of a run that found one of everything, of one
// that found nothing, and of ones that came to no result.
func allMetrics() map[string]string {
	at := time.Unix(1_700_000_000, 0)
	run := func(found *engine.Drift, exit int, before string) string {
		return render.DriftMetrics(render.DriftRun{Stack: `a "b" \ü`, Found: found, Began: at.Add(-time.Second), Ended: at, Exit: exit}, before)
	}
	plan := &engine.Plan{Stack: "a"}
	c := &engine.Change{Addr: resources.NewAddr("box", "a"), Action: resources.Update}
	full := run(&engine.Drift{Plan: plan, Changed: []*engine.Change{c}, Pending: []*engine.Change{c}, Runtime: []*engine.Change{c},
		Unmanaged: []*resources.Observed{{Addr: c.Addr}}}, 2, "")
	return map[string]string{"full": full, "clean": run(&engine.Drift{Plan: plan}, 0, full), "failed": run(nil, 1, full),
		"never": run(nil, 1, "")}
}

// Metrics and alerts are read by Prometheus' own tool.
func TestPromtool(t *testing.T) {
	promtool := tool(t, "promtool")
	for name, text := range allMetrics() {
		c := exec.Command(promtool, "check", "metrics")
		c.Stdin = strings.NewReader(text)
		if out, err := c.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s\n%s", name, err, out, text)
		}
	}
	for _, args := range [][]string{
		{"check", "rules", "../../specs/stack/telemetry/drift.yml", "../../specs/stack/telemetry/alerts.yml"},
		{"test", "rules", "testdata/drift/alerts_test.yml"},
	} {
		if out, err := exec.Command(promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}

// A file is that of its stack also when a later run cannot read the spec, and
// the files of two stacks have no series in common.
func TestMetricsOfAStack(t *testing.T) {
	before := allMetrics()["full"]
	at := time.Unix(1_700_000_900, 0)
	after := render.DriftMetrics(render.DriftRun{Began: at, Ended: at, Exit: 1}, before)
	for _, m := range []render.Metric{render.MetricDrift, render.MetricFirstSeen, render.MetricLastGood} {
		want := regexp.MustCompile("(?m)^" + m.Name + "{.*$").FindString(before)
		if want == "" || !strings.Contains(after, want+"\n") {
			t.Errorf("%q is not kept:\n%s", want, after)
		}
	}
	for line := range strings.Lines(before) {
		if !strings.HasPrefix(line, "#") && !strings.Contains(line, "stack=") {
			t.Errorf("no stack: %s", line)
		}
	}
}

var metricName = regexp.MustCompile(`midaz_[a-z_]+`)

// Alerts and dashboard ask for metrics that there are, the dashboard for all of
// them, and Grafana's alerts are those of Prometheus.
func TestDashboardAndAlertsOfDrift(t *testing.T) {
	known := metricName.FindAllString(strings.Join(regexp.MustCompile(`(?m)^# TYPE .*`).FindAllString(allMetrics()["full"], -1), " "), -1)
	telemetry := filepath.Join(absoluteRoot(t), "specs", "stack", "telemetry")
	asked := map[string][]string{}
	for _, name := range []string{"drift.yml", "alerts.json", "dashboards/drift.json"} {
		text, err := os.ReadFile(filepath.Join(telemetry, name))
		if err != nil {
			t.Fatal(err)
		}
		asked[name] = metricName.FindAllString(string(text), -1)
		for _, m := range asked[name] {
			if !slices.Contains(known, m) {
				t.Errorf("%s asks for %s, which is not written", name, m)
			}
		}
	}
	for _, m := range known {
		if !slices.Contains(asked["dashboards/drift.json"], m) {
			t.Errorf("the dashboard does not show %s", m)
		}
	}
	var rules struct {
		Groups []struct {
			Rules []struct{ Expr, For string }
		}
	}
	readYAML(t, "specs/stack/telemetry/drift.yml", &rules)
	var grafana struct {
		Groups []struct {
			Rules []struct {
				For  string
				Data []struct{ Model struct{ Expr string } }
			}
		}
	}
	readYAML(t, "specs/stack/telemetry/alerts.json", &grafana)
	want, got := []string{}, []string{}
	for _, r := range rules.Groups[0].Rules {
		want = append(want, r.Expr+" for "+max(r.For, "0s"))
	}
	for _, r := range grafana.Groups[0].Rules {
		if metricName.MatchString(r.Data[0].Model.Expr) {
			got = append(got, r.Data[0].Model.Expr+" for "+r.For)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("Grafana raises\n%s\nand Prometheus\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// The units are read by systemd's own tool, with a program that is there.
func TestUnits(t *testing.T) {
	analyze := tool(t, "systemd-analyze")
	dir := t.TempDir()
	var files []string
	for _, kind := range []string{"service", "timer"} {
		text, err := os.ReadFile("../../docs/drift/midaz-drift@." + kind)
		if err != nil {
			t.Fatal(err)
		}
		// Neither the program nor its manual page is installed here.
		program, err := exec.LookPath("midaz")
		if err != nil {
			t.Fatal(err)
		}
		unit := regexp.MustCompile("(?m)^Documentation=.*\n").ReplaceAllString(strings.ReplaceAll(string(text), "/usr/local/bin/midaz", program),
			"")
		files = append(files, filepath.Join(dir, "midaz-drift@try."+kind))
		if err := os.WriteFile(files[len(files)-1], []byte(unit), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command(analyze, append([]string{"verify", "--man=no"}, files...)...).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

// Every command has its page with every flag, equal each time, and a reader of
// manual pages finds nothing in them.
func TestManualPages(t *testing.T) {
	pages := map[string]string{}
	for _, p := range midazcli.ManPages(midazcli.Commands()) {
		pages[p.Name] = p.Text
	}
	for _, p := range midazcli.ManPages(midazcli.Commands()) {
		if pages[p.Name] != p.Text {
			t.Errorf("%s is another one each time", p.Name)
		}
	}
	for _, c := range midazcli.Commands() {
		page, ok := pages[midazcli.PageName(c.Name)+".1"]
		if ok == c.Hidden {
			t.Errorf("page of %s: %v", c.Name, ok)
		}
		for _, f := range c.Flags {
			if v := f.(cli.VisibleFlag); ok && v.IsVisible() && !strings.Contains(page, "--"+f.Names()[0]) {
				t.Errorf("the page of %s lacks -%s", c.Name, f.Names()[0])
			}
		}
	}
	mandoc := tool(t, "mandoc")
	for name, text := range pages {
		c := exec.Command(mandoc, "-T", "lint", "-W", "warning")
		c.Stdin = strings.NewReader(text)
		out, _ := c.CombinedOutput()
		for line := range strings.Lines(string(out)) {
			if !strings.Contains(line, "missing date") { // it would differ each day
				t.Errorf("%s: %s", name, line)
			}
		}
	}
}

// gitlabJob is a job of GitLab's pipeline, as far as it is run here.
type gitlabJob struct {
	Script    []string
	Artifacts struct {
		Paths   []string
		Reports map[string]string
	}
}

// The jobs for GitLab leave the files that they promise, also when they fail.
func TestGitLabTemplate(t *testing.T) {
	var jobs map[string]gitlabJob
	readYAML(t, ".gitlab/ci/midaz.gitlab-ci.yml", &jobs)
	ran := 0
	for name, job := range jobs {
		if len(job.Script) == 0 {
			continue
		}
		for what, spec := range map[string]string{"good": goodSpec, "bad": badSpec} {
			t.Run(name+"/"+what, func(t *testing.T) {
				if name == "midaz-diff" {
					if exec.Command("midaz", "help", "diff").Run() != nil {
						t.Skip("there is no midaz diff")
					}
				}
				dir := t.TempDir()
				base := gitCommits(t, dir, reviewedSpec, spec)
				c := exec.Command("bash", "-c", strings.Join(job.Script, "\n"))
				c.Dir = dir
				c.Env = append(os.Environ(), "CI_MERGE_REQUEST_DIFF_BASE_SHA="+base, "NO_COLOR=1")
				out, err := c.CombinedOutput()
				if ok := err == nil; ok != (what == "good") {
					t.Errorf("%v\n%s", err, out)
				}
				if what == "bad" && name != "midaz-validate" {
					return // there are no numbers of a plan that could not be made
				}
				for _, file := range append(slices.Collect(maps.Values(job.Artifacts.Reports)), job.Artifacts.Paths...) {
					text, err := os.ReadFile(filepath.Join(dir, file))
					if err != nil || strings.HasSuffix(file, ".json") && !json.Valid(text) {
						t.Errorf("%s: %v\n%s", file, err, text)
					}
				}
			})
			ran++
		}
	}
	if ran != 8 {
		t.Errorf("%d runs", ran)
	}
}

// The hooks for pre-commit choose specs, and tell a good one from a bad one.
func TestPreCommitHooks(t *testing.T) {
	var hooks []struct {
		ID, Name, Entry, Language, Files string
		PassFilenames                    *bool `yaml:"pass_filenames"`
	}
	readYAML(t, ".pre-commit-hooks.yaml", &hooks)
	if len(hooks) != 2 {
		t.Fatalf("%d hooks", len(hooks))
	}
	for _, h := range hooks {
		if h.ID == "" || h.Name == "" || h.Language != "golang" || h.PassFilenames == nil || *h.PassFilenames {
			t.Errorf("%+v", h)
		}
		files := regexp.MustCompile(h.Files)
		for name, want := range map[string]bool{"midaz.infra.yaml": true, "specs/debian.infra.yml": true, "compose.yaml": false,
			"infra.yaml.txt": false} {
			if files.MatchString(name) != want {
				t.Errorf("%s chooses %s: %v", h.ID, name, !want)
			}
		}
		for spec, want := range map[string]int{reviewedSpec: 0, badSpec: 1} {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, midazcli.DefaultSpec), []byte(spec), 0o644); err != nil {
				t.Fatal(err)
			}
			words := strings.Fields(h.Entry)
			c := exec.Command(words[0], words[1:]...)
			c.Dir = dir
			if out, _ := c.CombinedOutput(); c.ProcessState.ExitCode() != want {
				t.Errorf("%s: status %d, want %d\n%s", h.Entry, c.ProcessState.ExitCode(), want, out)
			}
		}
	}
}

// The image is built by the toolchain of go.mod.
func TestDockerfile(t *testing.T) {
	text, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`(?m)^go (\S+)$`).FindSubmatch(mod)[1]
	if !bytes.Contains(text, append([]byte("ARG GO_IMAGE=golang:"), version...)) {
		t.Errorf("the image is not built by Go %s", version)
	}
}
