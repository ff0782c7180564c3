package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/engine/graph"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/fake"
	"github.com/LerianStudio/midaz-infra/specs"
)

// slotted is a kind whose objects exclude one another by their colour, as
// containers do by their ports.
type slotted struct{ resources.Kind }

func (slotted) Replacement() resources.Replacement { return resources.SwapBack }

func (slotted) Rivals(want *resources.Resource, have *resources.Observed, _ bool) bool {
	return want.Config.Text("colour") == have.Have.Text("colour")
}

func (s slotted) Gate(r *resources.Resource) (resources.Gate, bool) {
	return s.Kind.(resources.Gated).Gate(r)
}

func (s slotted) Recover(want *resources.Resource, have *resources.Observed) resources.Delta {
	return s.Kind.(resources.Recoverer).Recover(want, have)
}

func (s slotted) Finish(r *resources.Resource, all *resources.Declared, report resources.Report) {
	s.Kind.(resources.Finisher).Finish(r, all, report)
}

// slots are running crates by their colour: two of one colour cannot run.
type slots struct {
	w       *fake.World
	running map[string]string // colour to "NAME" or "NAME.new"
	bad     map[string]bool   // names of which the gate of the new one fails
}

func (s *slots) Create(_ context.Context, r *resources.Resource, _ resources.Note) error {
	if err := s.start(r.Addr.Name, r.Config.Text("colour")); err != nil {
		return err
	}
	s.w.Put(r.Addr, object(r))
	return nil
}

func object(r *resources.Resource) *fake.Object {
	sealed := resources.Seal(r.Config)
	return &fake.Object{Stack: r.Stack, Fields: r.Config.Clone(), Applied: &sealed, Refs: r.Refs}
}

func (s *slots) start(who, colour string) error {
	if at := s.running[colour]; at != "" && at != who {
		return fmt.Errorf("%s has %s", at, colour)
	}
	s.running[colour] = who
	return nil
}

func (s *slots) stop(who string) {
	for colour, at := range s.running {
		if at == who {
			delete(s.running, colour)
		}
	}
}

func (s *slots) Update(context.Context, *resources.Resource, *resources.Observed, resources.Delta, resources.Note) error {
	return errors.New("nothing changes in place")
}

func (s *slots) Delete(_ context.Context, have *resources.Observed, _ resources.Note) error {
	s.stop(have.Addr.Name)
	s.w.Remove(have.Addr)
	return nil
}

func (s *slots) Yield(_ context.Context, r *resources.Resource, _ *resources.Observed, _ resources.Note) error {
	s.stop(r.Addr.Name)
	return nil
}

func (s *slots) Swap(_ context.Context, r *resources.Resource, _ *resources.Observed, _ resources.Note) error {
	return s.start(r.Addr.Name+".new", r.Config.Text("colour"))
}

func (s *slots) Await(_ context.Context, r *resources.Resource, _ resources.Note) error {
	if s.bad[r.Addr.Name] {
		return &resources.GateError{Addr: r.Addr, Cause: "not ready"}
	}
	return nil
}

func (s *slots) Commit(_ context.Context, r *resources.Resource, _ *resources.Observed, _ resources.Note) error {
	s.stop(r.Addr.Name)
	s.stop(r.Addr.Name + ".new")
	s.w.Put(r.Addr, object(r))
	return s.start(r.Addr.Name, r.Config.Text("colour"))
}

func (s *slots) Rollback(_ context.Context, r *resources.Resource, have *resources.Observed, _ resources.Note) error {
	s.stop(r.Addr.Name + ".new")
	return s.start(r.Addr.Name, have.Have.Text("colour"))
}

func (s *slots) kinds() []resources.Kind {
	for _, k := range fake.Kinds() {
		if k.Table().Kind == "crate" {
			return []resources.Kind{slotted{k}}
		}
	}
	return nil
}

func (s *slots) plan(t interface{ Fatal(...any) }, colours map[string]string) *engine.Plan {
	var text []string
	for name, colour := range colours {
		text = append(text, fmt.Sprintf("%s: {colour: %s}", name, colour))
	}
	slices.Sort(text)
	return s.planOf(t, "crates: {"+strings.Join(text, ", ")+"}", engine.Options{AllowEmpty: true})
}

func (s *slots) planOf(t interface{ Fatal(...any) }, text string, opt engine.Options, profiles ...string) *engine.Plan {
	root, err := specs.ParseNode("spec.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	all, problems := engine.Resolve(&specs.Spec{Root: root, Stack: "s", Profiles: profiles}, s.kinds())
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	seen, err := engine.Observe(context.Background(), s.w.ReadersOf(s.kinds()), all, resources.Scope{Owned: true})
	if err != nil {
		t.Fatal(err)
	}
	return engine.MakePlan(all, seen, opt)
}

func (s *slots) apply(t interface{ Fatal(...any) }, plan *engine.Plan) *engine.Report {
	report, err := engine.Apply(context.Background(), plan, engine.World{Readers: s.w.ReadersOf(s.kinds()),
		Writers: map[string]resources.Writer{"crate": s}}, engine.ApplyOptions{Parallelism: 1})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// What objects give up passes from one to the other, along a chain, in a circle,
// or both: either all of it comes about, or, when one of them fails, each object
// runs in its old or its new form, and those tied in a circle in the same one.
func TestWhatOneGivesUpAnotherTakes(t *testing.T) {
	names := []string{"a", "b", "c", "d"}
	colours := []string{"c1", "c2", "c3", "c4", "c5"}
	rapid.Check(t, func(t *rapid.T) {
		s := &slots{w: &fake.World{}, running: map[string]string{}, bad: map[string]bool{}}
		draw := func(label string) map[string]string {
			order, out := rapid.Permutation(colours).Draw(t, label), map[string]string{}
			for i, n := range rapid.Permutation(names).Draw(t, label+" names")[:rapid.IntRange(1, len(names)).Draw(t, label+" size")] {
				out[n] = order[i]
			}
			return out
		}
		before, after := draw("before"), draw("after")
		s.apply(t, s.plan(t, before))
		plan := s.plan(t, after)
		if rapid.Bool().Draw(t, "one fails") {
			s.bad[rapid.SampledFrom(names).Draw(t, "bad")] = true
		}
		report := s.apply(t, plan)
		failed := len(report.Failed()) > 0
		for name := range after {
			var now string
			for colour, who := range s.running {
				if who == name {
					now = colour
				}
			}
			switch {
			case now == after[name]:
			case failed && (now == before[name] || before[name] == ""):
			default:
				t.Fatalf("%s runs with %q, before %q, after %q\n%s", name, now, before[name], after[name], plan)
			}
		}
		for _, who := range s.running {
			if strings.HasSuffix(who, ".new") && !failed {
				t.Fatalf("%s is left\n%s", who, plan)
			}
		}
		if !failed && !s.plan(t, after).IsEmpty() {
			t.Fatalf("it does not converge:\n%s", s.plan(t, after))
		}
	})
}

func TestTiedChangesComeBackTogether(t *testing.T) {
	s := &slots{w: &fake.World{}, running: map[string]string{}, bad: map[string]bool{"b": true}}
	s.apply(t, s.plan(t, map[string]string{"a": "red", "b": "blue"}))
	report := s.apply(t, s.plan(t, map[string]string{"a": "blue", "b": "red"}))
	if s.running["red"] != "a" || s.running["blue"] != "b" || len(s.running) != 2 {
		t.Errorf("runs: %v", s.running)
	}
	back := 0
	for _, r := range report.Results {
		if r.RolledBack {
			back++
		}
		if r.Step.Verb == engine.VerbCommit && r.State != graph.Skipped {
			t.Errorf("%s was not skipped", r.Step)
		}
	}
	if back != 2 || report.Counts != (engine.Counts{}) {
		t.Errorf("%d came back, counts %+v", back, report.Counts)
	}
}

// nested is a kind whose objects live in those that they hold.
type nested struct {
	resources.Kind
	resources.Gated
	resources.Replaced
	resources.Comparer
}

func (n nested) Refs(r *resources.Resource) []resources.Ref {
	refs := n.Kind.Refs(r)
	for i := range refs {
		refs[i].Within = refs[i].Bind == resources.Hold
	}
	return refs
}

// Manner is that of an object that does not run.
func (nested) Manner(*resources.Resource, *resources.Observed) resources.Manner {
	return resources.Manner{}
}

// What lives in an object that is replaced comes back only together with that:
// the old one of neither goes before both are ready.
func TestWhatLivesInAnotherComesBackWithIt(t *testing.T) {
	var kinds []resources.Kind
	for _, k := range fake.Kinds() {
		if k.Table().Kind == "crate" {
			kinds = []resources.Kind{nested{k, k.(resources.Gated), k.(resources.Replaced), k.(resources.Comparer)}}
		}
	}
	plan := func(t *testing.T, w *fake.World, text string) *engine.Plan {
		t.Helper()
		root, err := specs.ParseNode("spec.yaml", text)
		if err != nil {
			t.Fatal(err)
		}
		all, problems := engine.Resolve(&specs.Spec{Root: root, Stack: "s"}, kinds)
		if err := problems.Err(); err != nil {
			t.Fatal(err)
		}
		seen, err := engine.Observe(t.Context(), w.ReadersOf(kinds), all, resources.Scope{Owned: true})
		if err != nil {
			t.Fatal(err)
		}
		return engine.MakePlan(all, seen, engine.Options{})
	}
	const before = "crates: {a: {colour: red}, c: {colour: red, holds: [crate/a]}}"
	for name, c := range map[string]struct{ after, want string }{
		"it fails": {"crates: {a: {colour: blue}, c: {colour: blue, ready: false, holds: [crate/a]}}",
			`done swap crate/a (replace)
done await crate/a (no-op)
done swap crate/c (replace)
failed, put back await crate/c: spec.yaml:1:29: await crate/c: gate of crate/c: health check failed
skipped commit crate/a because of crate/c
skipped commit crate/c because of crate/c
`},
		"the other fails": {"crates: {a: {colour: blue, ready: false}, c: {colour: blue, holds: [crate/a]}}",
			`done swap crate/a (replace)
failed, put back await crate/a: spec.yaml:1:10: await crate/a: gate of crate/a: health check failed
skipped swap crate/c because of crate/a
skipped await crate/c because of crate/a
skipped commit crate/a because of crate/a
skipped commit crate/c because of crate/a
`},
	} {
		t.Run(name, func(t *testing.T) {
			w := &fake.World{}
			all := engine.World{Readers: w.ReadersOf(kinds), Writers: w.WritersOf(kinds)}
			if _, err := engine.Apply(t.Context(), plan(t, w, before), all, engine.ApplyOptions{}); err != nil {
				t.Fatal(err)
			}
			w.Restart()
			p := plan(t, w, c.after)
			for _, c := range p.Changes { // these have no manner of their own
				if !strings.HasPrefix(c.Manner.Text, "when it or crate/") {
					t.Errorf("%s: %q", c.Addr, c.Manner.Text)
				}
			}
			report, err := engine.Apply(t.Context(), p, all, engine.ApplyOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if got := outcomes(report); got != c.want {
				t.Errorf("report:\n%s\nwant:\n%s", got, c.want)
			}
			if p := plan(t, w, before); !p.IsEmpty() || report.Counts != (engine.Counts{}) {
				t.Errorf("it is not as before, counts %+v:\n%s", report.Counts, p)
			}
		})
	}
}

// What a profile that is off has left running gives way to what another profile
// puts in its place, and to nothing else.
func TestProfileTakesThePlaceOfAnother(t *testing.T) {
	const text = "crates: {a: {colour: red, profiles: [one]}, b: {colour: red, profiles: [two]}, c: {colour: blue, profiles: [three]}}"
	s := &slots{w: &fake.World{}, running: map[string]string{}, bad: map[string]bool{}}
	s.apply(t, s.planOf(t, text, engine.Options{}, "one"))
	if plan := s.planOf(t, text, engine.Options{}, "three"); len(plan.Changes) != 1 {
		t.Errorf("another colour:\n%s", plan)
	}
	for name, opt := range map[string]engine.Options{"a target": {Targets: []string{"crate/b"}},
		"an exclusion": {Excludes: []string{"crate/a"}}} {
		plan := s.planOf(t, text, opt, "two")
		if len(plan.Refusals) != 1 || plan.Refusals[0].Code != "occupied" || plan.Refusals[0].Addr.String() != "crate/b" {
			t.Errorf("%s: %+v\n%s", name, plan.Refusals, plan)
		}
	}
	report := s.apply(t, s.planOf(t, text, engine.Options{}, "two"))
	if s.running["red"] != "b" || len(report.Failed()) > 0 {
		t.Errorf("runs: %v, failed: %v", s.running, report.Failed())
	}
	if plan := s.planOf(t, text, engine.Options{}, "two"); !plan.IsEmpty() {
		t.Errorf("it does not converge:\n%s", plan)
	}
}

// What a container that is left alone holds is not taken away from it.
func TestWhatIsHeldUnderAnotherProfileStays(t *testing.T) {
	const text = "crates: {a: {colour: red, profiles: [one]}, held: {colour: blue, holds: [crate/a], profiles: [one]}, b: {colour: red, " +
		"profiles: [two]}}"
	s := &slots{w: &fake.World{}, running: map[string]string{}, bad: map[string]bool{}}
	s.apply(t, s.planOf(t, text, engine.Options{}, "one"))
	plan := s.planOf(t, text, engine.Options{}, "two")
	if len(plan.Refusals) != 1 || !strings.Contains(plan.Refusals[0].Msg, "is held by crate/held") {
		t.Errorf("%+v\n%s", plan.Refusals, plan)
	}
}

// A replacement that was interrupted is undone with the profile off, and is not
// in its own way.
func TestInterruptedReplacementIsNoRivalOfItself(t *testing.T) {
	const text = "crates: {a: {colour: red, profiles: [one]}}"
	s := &slots{w: &fake.World{}, running: map[string]string{}, bad: map[string]bool{}}
	s.apply(t, s.planOf(t, text, engine.Options{}, "one"))
	d := declare(t, text)
	seen := observe(t, s.w, d)
	a := seen.Get(resources.NewAddr("crate", "a"))
	a.Interrupted, a.Have["colour"] = true, "red"
	root, err := specs.ParseNode("spec.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	all, problems := engine.Resolve(&specs.Spec{Root: root, Stack: "s"}, s.kinds())
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	a.Have["size"] = int64(7)
	if plan := engine.MakePlan(all, seen, engine.Options{}); len(plan.Refusals) > 0 || plan.IsEmpty() {
		t.Errorf("%+v\n%s", plan.Refusals, plan)
	}
}
