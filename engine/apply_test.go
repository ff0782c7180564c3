package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/engine/graph"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/fake"
)

// outcomes renders a report: one line for each step.
func outcomes(r *engine.Report) string {
	var b strings.Builder
	for _, s := range r.Results {
		switch {
		case s.State == graph.Done:
			fmt.Fprintf(&b, "done %s (%s)\n", s.Step, s.Did)
		case s.State == graph.Failed && s.RolledBack:
			fmt.Fprintf(&b, "failed, put back %s: %v\n", s.Step, s.Err)
		case s.State == graph.Failed:
			fmt.Fprintf(&b, "failed %s: %v\n", s.Step, s.Err)
		case s.Interrupted:
			fmt.Fprintf(&b, "not started %s\n", s.Step)
		default:
			fmt.Fprintf(&b, "skipped %s because of %s\n", s.Step, s.Because)
		}
	}
	return b.String()
}

func apply(t *testing.T, w *fake.World, text string, opt engine.ApplyOptions) *engine.Report {
	t.Helper()
	d := declare(t, text)
	report, err := engine.Apply(t.Context(), engine.MakePlan(d, observe(t, w, d), engine.Options{}), world(w), opt)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestApplyFailedSwapIsPutBack(t *testing.T) {
	const before = "crates: {a: {colour: red}}"
	w := applied(t, before)
	id := w.Get(resources.NewAddr("crate", "a")).ID
	report := apply(t, w, `
crates: {a: {colour: blue, ready: false}}
boxes: {needs-it: {needs: [crate/a]}, apart: {}}`, engine.ApplyOptions{})
	want := `done create box/apart (create)
done swap crate/a (replace)
failed, put back await crate/a: spec.yaml:2:10: await crate/a: gate of crate/a: health check failed
skipped create box/needs-it because of crate/a
skipped commit crate/a because of crate/a
`
	if got := outcomes(report); got != want {
		t.Errorf("report:\n%s\nwant:\n%s", got, want)
	}
	if now := w.Get(resources.NewAddr("crate", "a")); now.ID != id || now.Fields["colour"] != "red" {
		t.Errorf("the old one is not back: %+v", now)
	}
	if report.Counts != (engine.Counts{Add: 1}) {
		t.Errorf("counts %+v", report.Counts)
	}
	var gate *resources.GateError
	if !errors.As(report.Failed()[0].Err, &gate) || gate.Next.Logs == "" {
		t.Errorf("no gate error in %v", report.Failed()[0].Err)
	}
	w.Restart()
	d := declare(t, before+"\nboxes: {apart: {}}")
	if p := engine.MakePlan(d, observe(t, w, d), engine.Options{}); !p.IsEmpty() {
		t.Errorf("leftovers:\n%s", p)
	}
}

func TestApplyOnFailure(t *testing.T) {
	spec := "crates: {a: {colour: blue, ready: false}}\nboxes: {z: {needs: [box/y]}, y: {}}"
	for on, colour := range map[engine.OnFailure]string{engine.Rollback: "red", engine.Continue: "blue", engine.Stop: "blue"} {
		w := applied(t, "crates: {a: {colour: red}}")
		apply(t, w, spec, engine.ApplyOptions{OnFailure: on, Parallelism: 1})
		if got := w.Get(resources.NewAddr("crate", "a")).Fields["colour"]; got != colour {
			t.Errorf("%s: the crate is %v", on, got)
		}
		if on != engine.Stop && w.Get(resources.NewAddr("box", "z")) == nil {
			t.Errorf("%s: the independent branch did not go on", on)
		}
	}
}

func TestApplyDrain(t *testing.T) {
	drain := make(chan struct{})
	w := &fake.World{OnWrite: func(_ string, a resources.Addr) {
		if a.Name == "a" {
			close(drain)
		}
	}}
	report := apply(t, w, "boxes: {a: {}, b: {needs: [box/a]}}", engine.ApplyOptions{Drain: drain})
	if got, want := outcomes(report), "done create box/a (create)\nnot started create box/b\n"; got != want {
		t.Errorf("report:\n%s\nwant:\n%s", got, want)
	}
	if !report.Interrupted {
		t.Error("not marked as interrupted")
	}
}

func TestApplyRefuses(t *testing.T) {
	w := applied(t, "boxes: {a: {protect: true}, b: {}}")
	d := declare(t, "boxes: {b: {size: 1}}")
	_, err := engine.Apply(t.Context(), engine.MakePlan(d, observe(t, w, d), engine.Options{}), world(w), engine.ApplyOptions{})
	if !errors.Is(err, engine.ErrRefused) || w.Writes() != 0 {
		t.Errorf("error %v, %d writes", err, w.Writes())
	}
}

func TestApplySamePlanTwice(t *testing.T) {
	w := applied(t, "boxes: {a: {colour: red}, gone: {}}")
	d := declare(t, "boxes: {a: {colour: blue}}")
	plan := engine.MakePlan(d, observe(t, w, d), engine.Options{})
	for i, want := range []string{
		"done delete box/a (delete)\ndone create box/a (create)\ndone delete box/gone (delete)\n",
		"failed delete box/a: spec.yaml:1:9: delete box/a: delete box/a: not the object that was planned for\n" +
			"skipped create box/a because of box/a\ndone delete box/gone (delete)\n",
	} {
		report, err := engine.Apply(t.Context(), plan, world(w), engine.ApplyOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got := outcomes(report); got != want {
			t.Errorf("run %d:\n%s\nwant:\n%s", i+1, got, want)
		}
	}
}

func TestApplyRetriesTransientErrors(t *testing.T) {
	w := &fake.World{}
	writers := w.Writers()
	flaky := &flakyWriter{Writer: writers["box"], left: 2}
	writers["box"] = flaky
	d := declare(t, "boxes: {a: {}}")
	report, err := engine.Apply(t.Context(), engine.MakePlan(d, observe(t, w, d), engine.Options{}),
		engine.World{Readers: w.Readers(), Writers: writers}, engine.ApplyOptions{})
	if err != nil || len(report.Failed()) > 0 || flaky.left != 0 {
		t.Errorf("%v %v, %d failures left", err, report.Failed(), flaky.left)
	}
}

type flakyWriter struct {
	resources.Writer
	left int
}

func (f *flakyWriter) Create(ctx context.Context, r *resources.Resource, note resources.Note) error {
	if f.left > 0 {
		f.left--
		return resources.Transient(errors.New("try again"))
	}
	return f.Writer.Create(ctx, r, note)
}

func TestApplyEvents(t *testing.T) {
	var got []string
	apply(t, &fake.World{}, "crates: {a: {}}\nboxes: {b: {needs: [box/c]}, c: {needs: [crate/a]}}", engine.ApplyOptions{
		Parallelism: 1,
		Event: func(e engine.Event) {
			got = append(got, fmt.Sprint(e.Kind, " ", e.Step, " ", e.Note))
		},
	})
	want := []string{"0 create crate/a ", "2 create crate/a ", "0 await crate/a ", "1 await crate/a probing", "2 await crate/a ",
		"0 create box/c ", "2 create box/c ", "0 create box/b ", "2 create box/b "}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("events:\n%s", strings.Join(got, "\n"))
	}
}

// ledger counts what a Claimer is told.
type ledger struct {
	claims, releases []string
}

func (l *ledger) Claim(_ context.Context, _ string, all []*resources.Resource, leaving []resources.Addr) error {
	for _, r := range all {
		l.claims = append(l.claims, r.Addr.String())
	}
	for _, a := range leaving {
		l.claims = append(l.claims, "-"+a.String())
	}
	return nil
}

func (l *ledger) Release(_ context.Context, _ string, applied []*resources.Resource, gone []resources.Addr) error {
	for _, r := range applied {
		l.releases = append(l.releases, "+"+r.Addr.String())
	}
	for _, a := range gone {
		l.releases = append(l.releases, "-"+a.String())
	}
	return nil
}

type claimedWriter struct {
	resources.Writer
	l *ledger
}

func (c claimedWriter) Claimer() resources.Claimer { return c.l }

func TestApplyClaims(t *testing.T) {
	w := applied(t, "boxes: {old: {}, same: {}}")
	l := &ledger{}
	writers := w.Writers()
	writers["box"] = claimedWriter{writers["box"], l}
	d := declare(t, "boxes: {new: {}, same: {}, newer: {}}")
	plan := engine.MakePlan(d, observe(t, w, d), engine.Options{})
	if _, err := engine.Apply(t.Context(), plan, engine.World{Readers: w.Readers(), Writers: writers}, engine.ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(l.claims), "[box/new box/newer -box/old]"; got != want {
		t.Errorf("claimed %s, want %s", got, want)
	}
	if got, want := fmt.Sprint(l.releases), "[+box/same +box/new +box/newer -box/old]"; got != want {
		t.Errorf("released %s, want %s", got, want)
	}
}

// TestApplyClaimsOnlyWhatIsThere: what a run leaves out is not noted as the
// stack's, or it would be missing afterward and count as removed outside.
func TestApplyClaimsOnlyWhatIsThere(t *testing.T) {
	w := applied(t, "boxes: {a: {size: 1}}")
	w.Get(resources.NewAddr("box", "a")).Fields["size"] = 9
	l := &ledger{}
	writers := w.Writers()
	writers["box"] = claimedWriter{writers["box"], l}
	d := declare(t, "boxes: {a: {size: 1}, new: {}}")
	plan := engine.MakePlan(d, observe(t, w, d), engine.Options{OnlyDrift: true})
	if _, err := engine.Apply(t.Context(), plan, engine.World{Readers: w.Readers(), Writers: writers}, engine.ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(l.releases), "[+box/a]"; got != want {
		t.Errorf("released %s, want %s", got, want)
	}
}

// What someone removed and the stack is then destroyed of is the stack's no more:
// a later stack of that name would take it for removed outside.
func TestDestroyForgetsWhatIsGone(t *testing.T) {
	w := applied(t, "boxes: {a: {}, b: {}}")
	l := &ledger{}
	writers := w.Writers()
	writers["box"] = claimedWriter{writers["box"], l}
	d := declare(t, "boxes: {a: {}, b: {}}")
	seen := observe(t, w, d)
	b := seen.Get(resources.NewAddr("box", "b"))
	b.Presence, b.Gone = resources.Absent, "it was removed outside"
	plan := engine.MakePlan(d, seen, engine.Options{Destroy: true})
	if _, err := engine.Apply(t.Context(), plan, engine.World{Readers: w.Readers(), Writers: writers}, engine.ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(l.releases), "[-box/a -box/b]"; got != want {
		t.Errorf("released %s, want %s", got, want)
	}
}

// BenchmarkPlan plans 1,000 gated services with references and 10,000 queues
// against what was observed.
func BenchmarkPlan(b *testing.B) {
	for _, scale := range []int{1, 2} {
		b.Run(fmt.Sprintf("%dservices", scale*1000), func(b *testing.B) {
			var text strings.Builder
			text.WriteString("crates:\n")
			for i := range scale * 1000 {
				fmt.Fprintf(&text, "  s%d: {size: 1, text: word, secret: x, tags: {a: b, c: d}, list: [a, b, c], needs: [box/q%d], holds: [pipe/net]}\n", i, i)
			}
			text.WriteString("pipes: {net: {}}\nboxes:\n")
			for i := range scale * 10_000 {
				fmt.Fprintf(&text, "  q%d: {size: 1, colour: red, tags: {a: b}}\n", i)
			}
			w := &fake.World{}
			d := declare(b, text.String())
			for _, r := range d.Resources {
				sealed := resources.Seal(r.Config)
				fields := r.Config.Clone()
				if i := len(r.Addr.Name); i%7 == 0 {
					fields["text"] = "drifted"
				}
				w.Put(r.Addr, &fake.Object{Stack: "s", Fields: fields, Applied: &sealed, Refs: r.Refs})
			}
			seen := observe(b, w, d)
			b.ReportAllocs()
			for b.Loop() {
				_ = engine.MakePlan(d, seen, engine.Options{}).Counts()
			}
		})
	}
}

// slowWriter holds the creation of box/slow up until go is closed.
type slowWriter struct {
	resources.Writer
	begun, goOn chan struct{}
}

func (s slowWriter) Create(ctx context.Context, r *resources.Resource, note resources.Note) error {
	if r.Addr.Name == "slow" {
		close(s.begun)
		<-s.goOn
	}
	return s.Writer.Create(ctx, r, note)
}

// TestStopOnFailure: a gate fails while another step is in flight. That one is
// finished, and only with stop is that all.
func TestStopOnFailure(t *testing.T) {
	for policy, want := range map[engine.OnFailure]graph.State{engine.Stop: graph.Skipped, engine.Continue: graph.Done,
		engine.Rollback: graph.Done} {
		w := &fake.World{}
		d := declare(t, "crates: {bad: {ready: false}}\nboxes: {slow: {}, next: {needs: [box/slow]}}")
		slow := slowWriter{w.Writers()["box"], make(chan struct{}), make(chan struct{})}
		writers := w.Writers()
		writers["box"], writers["crate"] = slow, longGate{writers["crate"], slow.begun}
		report, err := engine.Apply(t.Context(), engine.MakePlan(d, observe(t, w, d), engine.Options{}),
			engine.World{Readers: w.Readers(), Writers: writers},
			engine.ApplyOptions{Parallelism: 3, OnFailure: policy, Event: func(e engine.Event) {
				if e.Kind == engine.StepFailed {
					close(slow.goOn)
				}
			}})
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]engine.StepResult{}
		for _, r := range report.Results {
			got[r.Step.String()] = r
		}
		if s := got["create box/slow"]; s.State != graph.Done {
			t.Errorf("%s: what was in flight: %v %v", policy, s.State, s.Err)
		}
		if s := got["create box/next"]; s.State != want || s.Interrupted != (want == graph.Skipped) {
			t.Errorf("%s: what comes next: %+v", policy, s)
		}
		if report.Interrupted {
			t.Errorf("%s: nobody interrupted it", policy)
		}
	}
}

// TestDrainAfterStop: someone who interrupts a run that stops for a failure does
// not wait for the gates of what is in flight.
func TestDrainAfterStop(t *testing.T) {
	w := &fake.World{}
	d := declare(t, "crates: {bad: {ready: false}, waits: {}}")
	drain, once := make(chan struct{}), sync.Once{}
	writers := w.Writers()
	writers["crate"] = longGate{writers["crate"], make(chan struct{})}
	report, err := engine.Apply(t.Context(), engine.MakePlan(d, observe(t, w, d), engine.Options{}),
		engine.World{Readers: w.Readers(), Writers: writers},
		engine.ApplyOptions{Parallelism: 2, OnFailure: engine.Stop, Drain: drain, Event: func(e engine.Event) {
			if e.Kind == engine.StepFailed {
				once.Do(func() { close(drain) })
			}
		}})
	if err != nil {
		t.Fatal(err)
	}
	if !report.Interrupted {
		t.Errorf("not interrupted: %+v", report.Results)
	}
}

// longGate never opens for crate/waits, and fails for the others meanwhile.
type longGate struct {
	resources.Writer
	begun chan struct{}
}

func (l longGate) Await(ctx context.Context, r *resources.Resource, note resources.Note) error {
	if r.Addr.Name == "waits" {
		close(l.begun)
		<-ctx.Done()
		return ctx.Err()
	}
	<-l.begun
	return l.Writer.(resources.Waiter).Await(ctx, r, note)
}

// veiled is a reader that cannot read an object any more once it is veiled.
type veiled struct {
	resources.Reader
	what resources.Addr
}

func (v veiled) Observe(ctx context.Context, scope resources.Scope) ([]*resources.Observed, error) {
	seen, err := v.Reader.Observe(ctx, scope)
	for i, o := range seen {
		if o.Addr == v.what {
			seen[i] = &resources.Observed{Addr: o.Addr, Presence: resources.Unknown, Why: "the login is refused", Hint: "log in"}
		}
	}
	return seen, err
}

// What cannot be read when its step comes is not written, whatever the step was to
// do. That holds for an ensure as well: it was planned for an object that could not
// be asked for yet, and not for one that might be changed beyond what was shown.
func TestApplyWritesNothingThatItCannotRead(t *testing.T) {
	for name, c := range map[string]struct {
		before, after string
		what          resources.Addr
		down          string // a kind that cannot be asked before the box is there
	}{
		"create":  {"", "boxes: {a: {}}", resources.NewAddr("box", "a"), ""},
		"update":  {"boxes: {a: {size: 1}}", "boxes: {a: {size: 2}}", resources.NewAddr("box", "a"), ""},
		"replace": {"pipes: {a: {colour: red}}", "pipes: {a: {colour: blue}}", resources.NewAddr("pipe", "a"), ""},
		"swap":    {"crates: {a: {colour: red}}", "crates: {a: {colour: blue}}", resources.NewAddr("crate", "a"), ""},
		"ensure":  {"", "boxes: {broker: {}}\npipes: {q: {needs: [box/broker]}}", resources.NewAddr("pipe", "q"), "pipe"},
	} {
		t.Run(name, func(t *testing.T) {
			w := &fake.World{Down: c.down, DownUntil: resources.NewAddr("box", "broker")}
			if c.before != "" {
				w = applied(t, c.before)
			}
			d := declare(t, c.after)
			plan := engine.MakePlan(d, observe(t, w, d), engine.Options{})
			w.OnWrite = func(verb string, a resources.Addr) {
				if a == c.what {
					t.Errorf("%s %s was written", verb, a)
				}
			}
			all := world(w)
			all.Readers[c.what.Kind] = veiled{all.Readers[c.what.Kind], c.what}
			report, err := engine.Apply(t.Context(), plan, all, engine.ApplyOptions{})
			if err != nil {
				t.Fatal(err)
			}
			failed := report.Failed()
			if len(failed) == 0 || failed[0].Step.Addr != c.what ||
				!strings.Contains(failed[0].Err.Error(), "cannot be read: the login is refused") {
				t.Errorf("%s", outcomes(report))
			}
		})
	}
}
