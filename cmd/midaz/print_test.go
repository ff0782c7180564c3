package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/cli"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/render"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/engine/graph"
	"github.com/LerianStudio/midaz-infra/resources"
)

func TestCleanLetsNothingActOnTheTerminal(t *testing.T) {
	for in, want := range map[string]string{
		"plain é 漢":          "plain é 漢",
		"a\tb":               "a    b",
		"a\nb\r":             "a b ",
		"\x1b[31mred\x07":    "·[31mred·",
		"right\u202eto left": "right·to left",
		"\x9b31m":            "·31m",
	} {
		if got := render.Clean(in); got != want {
			t.Errorf("clean(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestCleanLogKeepsOnlyColours(t *testing.T) {
	for in, want := range map[string]string{
		"\x1b[1;31mred\x1b[0m":             "\x1b[1;31mred\x1b[0m\x1b[0m",
		"\x1b[2J\x1b[Hgone":                "gone",
		"\x1b]0;title\x07text":             "]0;title·text",
		"\x1b[?25lhidden":                  "hidden",
		"\x1b":                             "",
		"\x1b[":                            "",
		"\x1b[31":                          "",
		"\x1b[3\x1b[31mx":                  "\x1b[31mx\x1b[0m",
		"progress 1%\rprogress 2%":         "progress 1% progress 2%",
		"\x1b[>0;276;0cdevice":             "device",
		"\x1b[38;2;1;2;3mtrue\x1b[38:5:1m": "\x1b[38;2;1;2;3mtrue\x1b[0m",
	} {
		if got := cli.CleanLog(in+"\r\n", true); got != want {
			t.Errorf("cleanLog(%q) = %q, want %q", in, got, want)
		}
		if got := cli.CleanLog(in, false); strings.ContainsRune(got, 0x1b) {
			t.Errorf("without colours an escape is left of %q: %q", in, got)
		}
	}
}

func FuzzCleanLog(f *testing.F) {
	f.Add("\x1b[1;31mred\x1b[0m")
	f.Fuzz(func(t *testing.T, s string) {
		for _, on := range []render.Ink{true, false} {
			out := cli.CleanLog(s, on)
			for rest := out; rest != ""; {
				i := strings.IndexByte(rest, 0x1b)
				if i < 0 {
					break
				}
				sequence, after := cli.Escape(rest[i:])
				if !bool(on) || !strings.HasSuffix(sequence, "m") {
					t.Fatalf("%q leaves %q", s, out)
				}
				rest = after
			}
		}
	})
}

func TestDiffTextShowsWhatIsNearAChange(t *testing.T) {
	var before, after []string
	for i := range 100 {
		before = append(before, fmt.Sprint("line ", i))
		after = append(after, fmt.Sprint("line ", i))
	}
	after[50] = "other"
	var got []string
	for _, l := range render.DiffText(strings.Join(before, "\n"), strings.Join(after, "\n")+"\n") {
		got = append(got, string(l.Sign)+l.Text)
	}
	want := []string{"#(48 unchanged lines hidden)", " line 48", " line 49", "-line 50", "+other", " line 51", " line 52",
		"#(46 unchanged lines hidden)"}
	// The last line gained a line break, which counts as a change of it.
	if joined := strings.Join(got[:7], "\n"); joined != strings.Join(want[:7], "\n") {
		t.Errorf("got %q", got)
	}
}

func TestDiffTextOfManyLinesIsCounted(t *testing.T) {
	long := strings.Repeat("x\n", render.DiffLines)
	got := render.DiffText(long, long+"y\n")
	if len(got) != 1 || got[0].Sign != '#' {
		t.Errorf("got %d lines", len(got))
	}
}

func TestGateFailureSaysWhatAPersonNeeds(t *testing.T) {
	exit := 137
	plan := planOf(t, twoResources)
	report := &engine.Report{Plan: plan, Results: []engine.StepResult{{
		Step: step(engine.VerbAwait, "crate", "db"), State: graph.Failed, RolledBack: true,
		Err: &engine.StepError{Step: step(engine.VerbAwait, "crate", "db"), Pos: plan.Change(resources.Addr{Kind: "crate", Name: "db"}).Pos(),
			Err: &resources.Diagnosis{Hint: "give it more memory", Err: &resources.GateError{Cause: "container exited",
				Probe: "pg_isready: exit 2\nno response", ExitCode: &exit, OOM: true, Restarts: 3,
				Logs: []string{"one", "\x1b[31mtwo"}, Next: resources.NextStep{Logs: "db", Flags: []string{"--file", "a b.yaml"}}}}},
	}}}
	golden(t, "gate.txt", render.FailureText(report, false))
}

func TestPsTable(t *testing.T) {
	now := newClock().at
	looks := []report.ServiceView{
		{ContainerView: report.ContainerView{Addr: resources.Addr{Kind: "service", Name: "db"}, Name: "midaz-db", Image: "postgres:17",
			State: "running", Health: "healthy",
			Ports: []string{"127.0.0.1:5701->5432/tcp"}, Started: now.Add(-3 * time.Hour), Age: 3 * time.Hour}},
		{ContainerView: report.ContainerView{Addr: resources.Addr{Kind: "job", Name: "init"}, State: "exited (1)",
			Started: now.Add(-90 * time.Second), Age: 90 * time.Second},
			Change: &engine.Change{Action: resources.Replace, Want: &resources.Resource{}, Delta: resources.Delta{{Drift: true}, {Pending: true}}}},
		{ContainerView: report.ContainerView{Addr: resources.Addr{Kind: "service", Name: "new"}}, Change: &engine.Change{Action: resources.Create,
			Want: &resources.Resource{}}},
	}
	golden(t, "ps.txt", render.PsText(looks, false))
	golden(t, "ps.json", render.JSONText(render.PsJSON("test", looks)))
}

func TestLogPrefixes(t *testing.T) {
	var out bytes.Buffer
	service, job := resources.Addr{Kind: "service", Name: "db"}, resources.Addr{Kind: "job", Name: "long-name"}
	p := cli.NewLogPrinter(&out, false, false)
	p.Open([]report.ContainerView{{Addr: service}, {Addr: job}, {Addr: service}})
	p.Line(report.LogLine{Addr: service, Text: "ready\x1b[2J\n"})
	p.Line(report.LogLine{Addr: job, Text: "done", At: newClock().at})
	want := "db        | ready\nlong-name | 2026-01-31T12:00:00.000000000Z done\n"
	if out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

func TestEveryErrorHasItsStatus(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, 0}, {errors.New("any"), 1}, {report.Shown(report.ErrInvalid), 1}, {report.Shown(report.ErrChanges), 2},
		{report.Shown(report.ErrDrifted), 2}, {report.Shown(report.ErrPartly), 3},
		{report.Shown(report.ErrGate), 4}, {fmt.Errorf("x: %w", engine.ErrStale), 6}, {report.Shown(engine.ErrRefused), 7},
		{report.UsageError{}, 64},
		{report.StoppedError{}, 130},
	} {
		if got := cli.ExitStatus(c.err); got != c.want {
			t.Errorf("%v: status %d, want %d", c.err, got, c.want)
		}
	}
}

// golden compares with a file under testdata/golden, or writes it with -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := "testdata/golden/" + name
	if *update {
		if err := os.MkdirAll("testdata/golden", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; got:\n%s\nwant:\n%s", name, got, want)
	}
}

// What did not happen to a container whose gate failed is said too.
func TestContainerOfFailedGate(t *testing.T) {
	code := 7
	for _, tc := range []struct {
		gate resources.GateError
		want string
	}{
		{resources.GateError{}, ""},
		{resources.GateError{State: "running"}, "running, not killed for lack of memory, never restarted"},
		{resources.GateError{State: "exited", ExitCode: &code, OOM: true}, "exited with code 7, killed for lack of memory, never restarted"},
		{resources.GateError{State: "restarting", ExitCode: &code, Restarts: 2},
			"restarting, exited with code 7 before, not killed for lack of memory, restarted 2 times"},
	} {
		if got := render.ContainerText(&tc.gate); got != tc.want {
			t.Errorf("%+v: %q, want %q", tc.gate, got, tc.want)
		}
	}
}
