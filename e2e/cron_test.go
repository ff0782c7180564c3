//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-systemd/v22/unit"
	"github.com/docker/docker/api/types/container"

	"github.com/LerianStudio/midaz-infra/e2e/rig"
)

// driftJob is a command line of docs/drift with the environment it has there.
// Only the places where things are installed are others.
type driftJob struct {
	argv    []string
	dir     string
	environ []string
	metrics string
	good    []int // statuses that are no failure of the job
}

// moved returns text with the places of an installation replaced by those of
// the test: program, spec, metrics.
func (s *stack) moved(text, programs, metrics string) string {
	for _, m := range [][2]string{
		{"/usr/local/bin", programs}, {"/etc/midaz/midaz", s.dir}, {"/var/lib/midaz/metrics", metrics},
	} {
		text = strings.ReplaceAll(text, m[0], m[1])
	}
	return text
}

// installed returns a folder with the program under its name, and one for metrics.
func (s *stack) installed() (programs, metrics string) {
	s.t.Helper()
	programs, metrics = s.t.TempDir(), s.t.TempDir()
	if err := os.Symlink(binary, filepath.Join(programs, "midaz")); err != nil {
		s.t.Fatal(err)
	}
	return programs, metrics
}

// engineVariables are what leads to the engine of the tests.
func (s *stack) engineVariables() []string {
	return slices.DeleteFunc(slices.Clone(s.env), func(v string) bool { return !strings.HasPrefix(v, "DOCKER_") })
}

var cronLine = regexp.MustCompile(`^(?:\S+ ){5}(\S+) (.*)$`)

// cronJob reads a file of cron.d: variables, and one line of a command.
func cronJob(s *stack) driftJob {
	s.t.Helper()
	programs, metrics := s.installed()
	text, err := os.ReadFile(filepath.Join(rig.Root(), "docs", "drift", "midaz-drift.cron"))
	if err != nil {
		s.t.Fatal(err)
	}
	j := driftJob{dir: s.t.TempDir(), metrics: filepath.Join(metrics, "midaz.prom"), good: []int{0}}
	shell := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if m := cronLine.FindStringSubmatch(line); m != nil {
			if m[1] != "root" || strings.Contains(m[2], "%") { // which means a line break to cron
				s.t.Fatalf("cron: %s", line)
			}
			j.argv = []string{shell, "-c", s.moved(m[2], programs, metrics)}
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		switch {
		case !ok:
			s.t.Fatalf("cron: %q", line)
		case name == "SHELL":
			shell = value
		case name == "DELAY":
			value = "0"
		}
		j.environ = append(j.environ, name+"="+s.moved(value, programs, metrics))
	}
	j.environ = append(j.environ, "HOME="+j.dir, "LOGNAME=root")
	j.environ = append(j.environ, s.engineVariables()...)
	return j
}

// unitJob reads the service of systemd for the instance midaz.
func unitJob(s *stack) driftJob {
	s.t.Helper()
	programs, metrics := s.installed()
	f, err := os.Open(filepath.Join(rig.Root(), "docs", "drift", "midaz-drift@.service"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	options, err := unit.DeserializeOptions(f)
	if err != nil {
		s.t.Fatal(err)
	}
	value := map[string]string{}
	for _, o := range options {
		value[o.Name] = s.moved(strings.ReplaceAll(o.Value, "%i", "midaz"), programs, metrics)
	}
	s.write("environment", strings.Join(s.engineVariables(), "\n"))
	environment, err := os.ReadFile(strings.TrimPrefix(value["EnvironmentFile"], "-"))
	if err != nil {
		s.t.Fatal(err)
	}
	j := driftJob{
		argv: strings.Fields(value["ExecStart"]), dir: value["WorkingDirectory"], metrics: filepath.Join(metrics, "midaz.prom"), good: []int{0},
		environ: append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "LANG=C.UTF-8"},
			strings.Fields(string(environment))...),
	}
	status, err := strconv.Atoi(value["SuccessExitStatus"])
	if err != nil {
		s.t.Fatal(err)
	}
	j.good = append(j.good, status)
	limit, err := time.ParseDuration(strings.TrimSuffix(value["TimeoutStartSec"], "in"))
	if err != nil || !strings.Contains(value["ExecStart"], "-timeout 4m ") || limit <= 4*time.Minute {
		s.t.Errorf("the program must give up before systemd ends it: %s, %v", value["ExecStart"], limit)
	}
	return j
}

// run returns the status of the job and what it printed, which cron would mail.
func (j driftJob) run(t *testing.T) (int, string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), j.argv[0], j.argv[1:]...)
	c.Dir, c.Env = j.dir, j.environ
	out, err := c.CombinedOutput()
	if c.ProcessState == nil {
		t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), string(out)
}

var metricLine = regexp.MustCompile(`(?m)^(midaz_[a-z_]+)\{stack="[^"]*"\} (\S+)$`)

// read returns the metrics that have no label but the stack.
func (j driftJob) read(t *testing.T) map[string]float64 {
	t.Helper()
	text, err := os.ReadFile(j.metrics)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, m := range metricLine.FindAllStringSubmatch(string(text), -1) {
		if out[m[1]], err = strconv.ParseFloat(m[2], 64); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// age makes the file's times those of a run that was a day earlier.
func (j driftJob) age(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(j.metrics)
	if err != nil {
		t.Fatal(err)
	}
	aged := metricLine.ReplaceAllStringFunc(string(text), func(line string) string {
		m := metricLine.FindStringSubmatch(line)
		if v, err := strconv.Atoi(m[2]); err == nil && v > 0 && strings.HasSuffix(m[1], "_timestamp_seconds") {
			return strings.TrimSuffix(line, m[2]) + strconv.Itoa(v-86400)
		}
		return line
	})
	if err := os.WriteFile(j.metrics, []byte(aged), 0o644); err != nil {
		t.Fatal(err)
	}
}

// What cron and systemd run is silent until something was changed by hand, and
// its metrics tell the rest.
func TestDrift_job_must_be_silent_when_clean_and_tell_what_was_changed(t *testing.T) {
	for name, read := range map[string]func(*stack) driftJob{"cron": cronJob, "systemd": unitJob} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t, `
				services: { a: { image: TINY, mem_limit: 64m } }
				`)
			s.apply()
			j := read(s)
			must := func(want int, silent bool, says ...string) map[string]float64 {
				t.Helper()
				code, out := j.run(t)
				if code != want || (out == "") != silent {
					t.Fatalf("status %d, want %d; %q", code, want, out)
				}
				for _, text := range says {
					if !strings.Contains(out, text) {
						t.Errorf("%q is not said: %s", text, out)
					}
				}
				return j.read(t)
			}
			holds := func(m map[string]float64, name string, want float64) {
				t.Helper()
				if got, ok := m["midaz_"+name]; !ok || got != want {
					t.Errorf("%s is %v, want %v", name, got, want)
				}
			}

			m := must(0, true)
			holds(m, "drift_detected", 0)
			holds(m, "run_exit_code", 0)

			if _, err := docker.ContainerUpdate(t.Context(), s.container("a").ID, container.UpdateConfig{
				Resources: container.Resources{Memory: 128 << 20, MemorySwap: 256 << 20},
			}); err != nil {
				t.Fatal(err)
			}
			m = must(2, false, "service/a", "mem_limit")
			holds(m, "drift_detected", 1)
			holds(m, "run_exit_code", 2)
			first := m["midaz_drift_first_seen_timestamp_seconds"]
			if first == 0 || first != m["midaz_last_success_timestamp_seconds"] {
				t.Errorf("first seen %v", first)
			}

			j.age(t)
			m = must(2, false, "mem_limit")
			holds(m, "drift_first_seen_timestamp_seconds", first-86400)
			success := m["midaz_last_success_timestamp_seconds"]
			if success < first {
				t.Errorf("last success %v, after one at %v", success, first)
			}

			// An engine that is down says nothing about drift.
			j.age(t)
			up := j.environ
			j.environ = append(slices.Clone(up), fmt.Sprintf("DOCKER_HOST=unix://%s/nobody.sock", j.dir))
			m = must(1, false)
			j.environ = up
			holds(m, "run_exit_code", 1)
			holds(m, "drift_detected", 1)
			holds(m, "last_success_timestamp_seconds", success-86400)
			if m["midaz_last_run_timestamp_seconds"] < success {
				t.Errorf("last run %v", m["midaz_last_run_timestamp_seconds"])
			}
			for _, code := range []int{0, 1, 2} {
				if failed := !slices.Contains(j.good, code); name == "systemd" && failed != (code == 1) {
					t.Errorf("status %d is a failure of the unit: %v", code, failed)
				}
			}

			s.apply("-only-drift")
			m = must(0, true)
			holds(m, "drift_detected", 0)
			holds(m, "drift_first_seen_timestamp_seconds", 0)
			if m["midaz_last_success_timestamp_seconds"] < success {
				t.Error("the last success is not this one")
			}
			if info, err := os.Stat(j.metrics); err != nil || info.Mode().Perm() != 0o644 {
				t.Errorf("the collector cannot read it: %v %v", info, err)
			}
		})
	}
}
