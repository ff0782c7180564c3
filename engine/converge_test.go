package engine_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/engine/graph"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/fake"
	"github.com/LerianStudio/midaz-infra/specs"
)

// randomSpec draws a spec of up to eight resources that refer to earlier ones
// in a drawn order, so that two draws can turn references around.
func randomSpec(t *rapid.T, label string) string {
	names := []string{"box/a", "box/b", "box/c", "box/d", "crate/e", "crate/f", "pipe/g", "pipe/h"}
	order := rapid.Permutation(names).Draw(t, label+" order")
	order = order[:rapid.IntRange(0, len(order)).Draw(t, label+" size")]
	sections := map[string][]string{}
	for i, name := range order {
		kind, key, _ := strings.Cut(name, "/")
		var fields []string
		if rapid.Bool().Draw(t, "sized") {
			fields = append(fields, fmt.Sprintf("size: %d", rapid.IntRange(0, 2).Draw(t, "size")))
		}
		if rapid.Bool().Draw(t, "coloured") {
			fields = append(fields, "colour: "+rapid.SampledFrom([]string{"red", "blue"}).Draw(t, "colour"))
		}
		if rapid.Bool().Draw(t, "texted") {
			fields = append(fields, "text: "+rapid.SampledFrom([]string{"x", "y"}).Draw(t, "text"))
		}
		if rapid.Bool().Draw(t, "secret") {
			fields = append(fields, "secret: "+rapid.SampledFrom([]string{canary, canary + "2"}).Draw(t, "secret"))
		}
		for _, field := range []string{"needs", "holds", "made_of", "made_on"} {
			if i > 0 && rapid.IntRange(0, 2).Draw(t, field) == 0 {
				to := rapid.SliceOfNDistinct(rapid.SampledFrom(order[:i]), 1, min(i, 2), rapid.ID[string]).Draw(t, field+" to")
				fields = append(fields, field+": ["+strings.Join(to, ", ")+"]")
			}
		}
		sections[kind] = append(sections[kind], key+": {"+strings.Join(fields, ", ")+"}")
	}
	var b strings.Builder
	for _, kind := range []string{"box", "crate", "pipe"} {
		if len(sections[kind]) > 0 {
			plural := kind + "s"
			if kind == "box" {
				plural = "boxes"
			}
			b.WriteString(plural + ": {" + strings.Join(sections[kind], ", ") + "}\n")
		}
	}
	return b.String()
}

const canary = "c4n4ry"

type run struct {
	t *rapid.T
	w *fake.World
}

func (r run) declare(text string) *resources.Declared {
	root, err := specs.ParseNode("spec.yaml", text)
	if err != nil {
		r.t.Fatal(err)
	}
	d, problems := engine.Resolve(&specs.Spec{Root: root, Stack: "s"}, fake.Kinds())
	if err := problems.Err(); err != nil {
		r.t.Fatalf("%v\n%s", err, text)
	}
	return d
}

var consent = engine.Options{AllowEmpty: true, Unprotect: []string{"*"}, Allow: []string{resources.DataLoss}}

// destroyed stands for a spec in the sequence of a random world: the stack is
// destroyed instead.
const destroyed = "# destroy"

func (r run) plan(text string) *engine.Plan {
	d := r.declare(text)
	seen, err := engine.Observe(context.Background(), r.w.Readers(), d, resources.Scope{Owned: true})
	if err != nil {
		r.t.Fatal(err)
	}
	options := consent
	options.Destroy = text == destroyed
	return engine.MakePlan(d, seen, options)
}

func (r run) apply(text string) *engine.Report {
	plan := r.plan(text)
	if len(plan.Refusals) > 0 {
		r.t.Fatalf("refused: %v", plan.Refusals)
	}
	report, err := engine.Apply(context.Background(), plan, engine.World{Readers: r.w.Readers(), Writers: r.w.Writers()},
		engine.ApplyOptions{Parallelism: 3})
	if err != nil && !errors.Is(err, fake.ErrCrashed) {
		r.t.Fatal(err)
	}
	r.checkReport(plan, report)
	return report
}

// checkReport: exactly one result for each step, and nothing was touched that
// the plan did not show.
func (r run) checkReport(plan *engine.Plan, report *engine.Report) {
	if len(report.Results) != plan.Steps.Len() {
		r.t.Fatalf("%d results for %d steps", len(report.Results), plan.Steps.Len())
	}
	for _, line := range r.w.Log() {
		verb, addr, _ := strings.Cut(line, " ")
		a, _ := resources.ParseAddr(addr)
		c := plan.Change(a)
		if c == nil || c.IsNoOp() {
			r.t.Fatalf("%s was not planned:\n%s", line, plan)
		}
		if verb == "delete" && c.Action != resources.Delete && c.Action != resources.Replace {
			r.t.Fatalf("%s, planned %s", line, c.Action)
		}
	}
}

// state describes the world without what may differ between two ways to it.
func (r run) state() string {
	var b strings.Builder
	for _, a := range r.w.Addrs() {
		o := r.w.Get(a)
		var refs []string
		for _, ref := range o.Refs {
			refs = append(refs, fmt.Sprintf("%s/%d", ref.To, ref.Bind))
		}
		fmt.Fprintf(&b, "%s %s %v\n", a, resources.Canonical(map[string]any(o.Fields)), refs)
	}
	return b.String()
}

// TestConverge is the promise that a run killed at any write is finished or
// undone by the next one, whatever that is given: random world, random spec,
// crash at a random write before or after it took effect, then the same spec, the
// one before it, a third one, an empty one, or destroy. MIDAZ_WORLDS is how many
// of them, 200 when not set; `make worlds` tries 2,000 and `make nightly` 100,000.
func TestConverge(t *testing.T) {
	n := 200
	if text := os.Getenv("MIDAZ_WORLDS"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatalf("MIDAZ_WORLDS: %v", err)
		}
	}
	var worlds, crashes atomic.Int64
	t.Run("worlds", func(t *testing.T) {
		for part := range runtime.GOMAXPROCS(0) {
			t.Run(strconv.Itoa(part), func(t *testing.T) {
				t.Parallel()
				for worlds.Load() < int64(n) && !t.Failed() {
					rapid.Check(t, func(t *rapid.T) {
						worlds.Add(1)
						if converge(t) {
							crashes.Add(1)
						}
					})
				}
			})
		}
	})
	fmt.Printf("converge: %d random worlds, %d of them with a crash\n", worlds.Load(), crashes.Load())
}

// converge tries one world and reports whether the run was killed.
func converge(t *rapid.T) (crashed bool) {
	r := run{t, &fake.World{}}
	before, after := randomSpec(t, "before"), randomSpec(t, "after")
	r.apply(before)
	r.w.Restart()
	if p := r.plan(before); !p.IsEmpty() {
		t.Fatalf("after apply the plan is not empty:\n%s", p)
	}

	r.w.CrashAt, r.w.CrashAfter = rapid.IntRange(0, 12).Draw(t, "crash"), rapid.Bool().Draw(t, "after its effect")
	crashed = slices.ContainsFunc(r.apply(after).Results, func(s engine.StepResult) bool { return errors.Is(s.Err, fake.ErrCrashed) })
	r.w.Restart()
	next := after
	switch rapid.SampledFrom([]string{"the same", "the one before", "a third", "nothing", "destroy"}).Draw(t, "then") {
	case "the one before":
		next = before
	case "a third":
		next = randomSpec(t, "third")
	case "nothing":
		next = ""
	case "destroy":
		next = destroyed
	}
	second := r.plan(next)
	for _, res := range r.apply(next).Results {
		if res.State != graph.Done {
			t.Fatalf("second run: %s: %v\n%s\n%s\nbefore:\n%s\nafter:\n%s\nthen:\n%s\nworld:\n%s", res.Step, res.Err, second, r.w.Log(), before,
				after, next, r.state())
		}
	}
	r.w.Restart()
	if p := r.plan(next); !p.IsEmpty() {
		t.Fatalf("after the second run the plan is not empty:\n%s", p)
	}
	r.apply(next)
	if n := r.w.Writes(); n != 0 {
		t.Fatalf("%d writes with nothing to do", n)
	}

	fresh := run{t, &fake.World{}}
	fresh.apply(next)
	if got, want := r.state(), fresh.state(); got != want {
		t.Fatalf("the world:\n%s\nfrom nothing:\n%s", got, want)
	}
	return crashed
}

// TestCeiling changes the world between plan and apply: what the plan did not
// show is not touched, whatever happens.
func TestCeiling(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := run{t, &fake.World{}}
		r.apply(randomSpec(t, "before"))
		r.w.Restart()
		after := randomSpec(t, "after")
		plan := r.plan(after)
		if addrs := r.w.Addrs(); len(addrs) > 0 {
			a := rapid.SampledFrom(addrs).Draw(t, "victim")
			switch rapid.IntRange(0, 3).Draw(t, "drift") {
			case 0:
				r.w.Get(a).Fields["size"] = int64(99)
			case 1:
				r.w.Get(a).Fields["colour"] = "outside"
			case 2:
				r.w.Remove(a)
			case 3:
				r.w.Put(a, &fake.Object{Stack: "other", Fields: resources.Config{}})
			}
			foreign := r.w.Get(a)
			defer func() {
				if foreign != nil && foreign.Stack == "other" && r.w.Get(a) != foreign {
					t.Fatalf("%s belongs to another stack and was touched", a)
				}
			}()
		}
		report, err := engine.Apply(context.Background(), plan, engine.World{Readers: r.w.Readers(), Writers: r.w.Writers()},
			engine.ApplyOptions{Parallelism: 2})
		if err != nil {
			t.Fatal(err)
		}
		r.checkReport(plan, report)
	})
}

// TestPlanIsDeterministic: the same spec in another order of its text gives
// the same bytes.
func TestPlanIsDeterministic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := run{t, &fake.World{}}
		r.apply(randomSpec(t, "before"))
		r.w.Restart()
		text := randomSpec(t, "after")
		lines := strings.Split(strings.TrimSpace(text), "\n")
		slices.Reverse(lines)
		a, b := r.plan(text).String(), r.plan(strings.Join(lines, "\n")).String()
		if a != b {
			t.Fatalf("two texts, two plans:\n%s\n%s", a, b)
		}
		if strings.Contains(fmt.Sprintf("%s %v %+v %#v", a, r.plan(text), r.plan(text).Changes, r.plan(text).Changes), canary) {
			t.Fatal("a secret is in the plan")
		}
	})
}
