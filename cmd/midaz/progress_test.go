package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/render"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/fake"
	"github.com/LerianStudio/midaz-infra/specs"
)

// planOf plans a spec against an empty world.
func planOf(t testing.TB, spec string) *engine.Plan {
	t.Helper()
	declared := declaredOf(t, spec)
	var seen []*resources.Observed
	for _, r := range declared.Resources {
		seen = append(seen, &resources.Observed{Addr: r.Addr, Presence: resources.Absent})
	}
	return engine.MakePlan(declared, engine.NewSeen(seen), engine.Options{})
}

func declaredOf(t testing.TB, text string) *resources.Declared {
	t.Helper()
	spec, problems := specs.Load(specs.Options{Files: []string{"-"}, Stdin: strings.NewReader(text)})
	declared, more := engine.Resolve(spec, fake.Kinds())
	if err := append(problems, more...).Err(); err != nil {
		t.Fatal(err)
	}
	return declared
}

const twoResources = "version: \"1\"\nstack: test\nboxes: {a: {}}\ncrates: {db: {needs: [box/a]}}\n"

// clock is a time that moves only when told.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func newClock() *clock { return &clock{time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)} }

// newTestLive is a live progress that draws only when told.
func newTestLive(plan *engine.Plan, c *clock, width, height int) (*render.Live, *bytes.Buffer) {
	var out bytes.Buffer
	return &render.Live{W: &out, Now: c.now, Flights: render.NewFlights(plan), Stop: make(chan struct{}),
		Size: func() (int, int) { return width, height }}, &out
}

func step(verb engine.Verb, kind, name string) engine.Step {
	return engine.Step{Addr: resources.Addr{Kind: kind, Name: name}, Verb: verb}
}

func TestLiveKeepsOneLineAResource(t *testing.T) {
	plan := planOf(t, twoResources)
	c := newClock()
	l, out := newTestLive(plan, c, 80, 24)
	send := func(kind engine.EventKind, s engine.Step, note string, elapsed time.Duration) {
		l.Take(engine.Event{Kind: kind, Step: s, Change: plan.Change(s.Addr), At: c.at, Note: note, Elapsed: elapsed})
	}
	send(engine.StepStarted, step(engine.VerbCreate, "crate", "db"), "", 0)
	c.at = c.at.Add(400 * time.Millisecond)
	send(engine.StepDone, step(engine.VerbCreate, "crate", "db"), "", 400*time.Millisecond)
	send(engine.StepStarted, step(engine.VerbAwait, "crate", "db"), "", 0)
	c.at = c.at.Add(2 * time.Second)
	send(engine.StepNoted, step(engine.VerbAwait, "crate", "db"), "exit 1: \x1b[2Jconnection refused", 0)
	got := strings.Join(l.Picture(80, 24), "\n")
	want := "  crate/db   2.4s  waiting: exit 1: ·[2Jconnection refused\n  0 of 2 done"
	if got != want {
		t.Errorf("picture:\n%q\nwant:\n%q", got, want)
	}
	send(engine.StepDone, step(engine.VerbAwait, "crate", "db"), "", 2*time.Second)
	l.Draw()
	if got := out.String(); got != "\rcrate/db: created after 2.4s\x1b[K\n\x1b[J" {
		t.Errorf("drawn: %q", got)
	}
}

func TestLiveNeverWrapsOrFillsTheTerminal(t *testing.T) {
	var spec strings.Builder
	spec.WriteString("version: \"1\"\nstack: test\nboxes:\n")
	for _, name := range strings.Split("abcdefghijklmnopqrstuvwxyz", "") {
		spec.WriteString("  " + strings.Repeat(name, 60) + ": {}\n")
	}
	plan := planOf(t, spec.String())
	c := newClock()
	l, _ := newTestLive(plan, c, 40, 12)
	for _, ch := range plan.Changes {
		s := engine.Step{Addr: ch.Addr, Verb: engine.VerbCreate}
		l.Take(engine.Event{Kind: engine.StepStarted, Step: s, Change: ch, At: c.at})
		l.Take(engine.Event{Kind: engine.StepNoted, Step: s, Change: ch, At: c.at, Note: strings.Repeat("漢", 50)})
	}
	lines := l.Picture(40, 12)
	if len(lines) > 6 {
		t.Errorf("%d lines on a terminal of 12", len(lines))
	}
	for _, line := range lines {
		columns := 0
		for _, r := range line {
			columns++
			if r >= 0x1100 {
				columns++ // it may be wide
			}
		}
		if columns > 39 {
			t.Errorf("%d columns: %q", columns, line)
		}
	}
	if last := lines[len(lines)-1]; !strings.Contains(last, "of 26 done") || !strings.Contains(last, "more in flight") {
		t.Errorf("last line: %q", last)
	}
}

func TestLinesSayThatAStepStillRuns(t *testing.T) {
	plan := planOf(t, twoResources)
	c := newClock()
	var out bytes.Buffer
	l := &render.Lines{W: &out, Now: c.now, Flights: render.NewFlights(plan)}
	s := step(engine.VerbAwait, "crate", "db")
	l.Take(engine.Event{Kind: engine.StepStarted, Step: s, Change: plan.Change(s.Addr), At: c.at})
	for range 25 {
		c.at = c.at.Add(time.Second)
		l.Take(engine.Event{Kind: engine.StepNoted, Step: s, At: c.at, Note: "starting"})
		l.Tick()
	}
	want := "crate/db: waiting: ready...\n" +
		"crate/db: still waiting: starting [10s elapsed]\n" +
		"crate/db: still waiting: starting [20s elapsed]\n"
	if out.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", out.String(), want)
	}
}

func TestStreamBeatsMoreThanOnce(t *testing.T) {
	plan := planOf(t, twoResources)
	c := newClock()
	var out bytes.Buffer
	s := &render.Stream{W: &out, Now: c.now, Flights: map[engine.Step]*render.BeatOf{}}
	create := step(engine.VerbCreate, "box", "a")
	s.Take(engine.Event{Kind: engine.StepStarted, Step: create, Change: plan.Change(create.Addr), At: c.at})
	for range 31 {
		c.at = c.at.Add(time.Second)
		s.Beat()
	}
	s.Take(engine.Event{Kind: engine.StepFailed, Step: create, Change: plan.Change(create.Addr), At: c.at, Err: errors.New("boom")})
	s.Beat()
	if got := strings.Count(out.String(), `"apply_progress"`); got != 3 {
		t.Errorf("%d signs of life in 31 s, want 3:\n%s", got, out.String())
	}
	if !strings.Contains(out.String(), `"elapsed_seconds":30`) {
		t.Errorf("no elapsed time in:\n%s", out.String())
	}
}
