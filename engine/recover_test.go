package engine_test

import (
	"slices"
	"testing"

	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/engine/graph"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/fake"
)

// leftBehind is what a killed replacement of a crate may leave.
func leftBehind(obsolete bool) *resources.Observed {
	return &resources.Observed{Addr: resources.NewAddr("crate", "a~1"), Presence: resources.Present, ID: "1", Stack: "s",
		Leftover: "left", LeftoverOf: resources.NewAddr("crate", "a"), Obsolete: obsolete}
}

// What can be gone back to is kept until the gate has passed. What cannot goes
// first, since it may be in the way.
func TestLeftoverWaitsOnlyWhileItIsOfUse(t *testing.T) {
	w := applied(t, "crates: {a: {}}")
	for obsolete, want := range map[bool]string{
		false: "[1] await crate/a\n[2] [1] -> delete crate/a~1: it was left behind: left\n",
		true:  "[1] delete crate/a~1: it was left behind: left\n",
	} {
		d := declare(t, "crates: {a: {}}")
		seen := engine.NewSeen(append(observe(t, w, d).All(), leftBehind(obsolete)))
		if got := engine.MakePlan(d, seen, engine.Options{}).String(); got != want {
			t.Errorf("obsolete %v:\n%s\nwant:\n%s", obsolete, got, want)
		}
	}
}

// A leftover holds a box that must be deleted before the crate can be made again:
// no order keeps it until the crate is ready.
func TestLeftoverIsNotKeptWhereNoOrderAllowsIt(t *testing.T) {
	w := applied(t, "boxes: {b: {colour: red}}\ncrates: {a: {holds: [box/b]}}")
	d := declare(t, "boxes: {b: {colour: blue}}\ncrates: {a: {holds: [box/b]}}")
	left := leftBehind(false)
	left.Refs = []resources.Ref{{To: resources.NewAddr("box", "b"), Bind: resources.Hold}}
	p := engine.MakePlan(d, engine.NewSeen(append(observe(t, w, d).All(), left)), engine.Options{})
	if len(p.Refusals) > 0 {
		t.Fatal(p)
	}
	var order []engine.Step
	order = append(order, p.Steps.Sorted()...)
	at := func(verb engine.Verb, a resources.Addr) int {
		return slices.Index(order, engine.Step{Addr: a, Verb: verb})
	}
	if gone, box := at(engine.VerbDelete, left.Addr), at(engine.VerbDelete, resources.NewAddr("box", "b")); gone < 0 || box < 0 || gone > box {
		t.Errorf("the leftover must go before the box that it holds:\n%s", p)
	}
}

// Half replaced, a resource may be down, so it is put back although its profile
// was turned off since.
func TestInterruptedReplacementIsUndoneWithItsProfileOff(t *testing.T) {
	text := "crates: {a: {size: 1, profiles: [dev]}}"
	w := &fake.World{}
	on := declare(t, text, "dev")
	if _, err := engine.Apply(t.Context(), engine.MakePlan(on, observe(t, w, on), engine.Options{}), world(w),
		engine.ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	w.Restart()
	w.Get(resources.NewAddr("crate", "a")).Fields["size"] = int64(7)
	off := declare(t, text)
	seen := observe(t, w, off)
	if p := engine.MakePlan(off, seen, engine.Options{}); !p.IsEmpty() {
		t.Errorf("without an interruption it is left alone:\n%s", p)
	}
	seen.Get(resources.NewAddr("crate", "a")).Interrupted = true
	p := engine.MakePlan(off, seen, engine.Options{})
	if want := "[1] update crate/a: its replacement was interrupted\n[2] [1] -> await crate/a\n"; p.String() != want {
		t.Fatalf("%s\nwant:\n%s", p, want)
	}
	report, err := engine.Apply(t.Context(), p, world(w), engine.ApplyOptions{})
	if err != nil || slices.ContainsFunc(report.Results, func(r engine.StepResult) bool { return r.State != graph.Done }) {
		t.Fatal(err, report)
	}
}

// What is left alone because its profile is off goes on holding what it holds.
func TestOrphanHeldByWhatIsOffStays(t *testing.T) {
	w := &fake.World{}
	on := declare(t, "boxes: {b: {}, c: {}}\ncrates: {a: {holds: [box/b], profiles: [dev]}}", "dev")
	if _, err := engine.Apply(t.Context(), engine.MakePlan(on, observe(t, w, on), engine.Options{}), world(w), engine.ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	w.Restart()
	off := declare(t, "crates: {a: {profiles: [dev]}}")
	if got, want := engine.MakePlan(off, observe(t, w, off), engine.Options{AllowEmpty: true}).String(),
		"[1] delete box/c: it is no longer in the spec\n"; got != want {
		t.Errorf("%s\nwant:\n%s", got, want)
	}
}

// rival is a kind of which no two objects can be beside each other.
type rival struct {
	resources.Kind
	resources.Gated
	resources.Replaced
	resources.Comparer
}

func (rival) Rivals(*resources.Resource, *resources.Observed, bool) bool { return true }

// What was set aside is in no one's way, whatever it held: it is kept until there
// is nothing to go back to. What runs beside the object goes first.
func TestLeftoverThatWasSetAsideIsNoRival(t *testing.T) {
	w := applied(t, "crates: {a: {colour: red}}")
	for obsolete, first := range map[bool]string{false: "swap crate/a", true: "delete crate/a~1"} {
		d := declare(t, "crates: {a: {colour: blue}}")
		kinds := slices.Clone(d.Kinds)
		for i, k := range kinds {
			if k.Table().Kind == "crate" {
				kinds[i] = rival{k, k.(resources.Gated), k.(resources.Replaced), k.(resources.Comparer)}
			}
		}
		seen := engine.NewSeen(append(observe(t, w, d).All(), leftBehind(obsolete)))
		p := engine.MakePlan(resources.NewDeclared(d.Spec, kinds, d.Resources), seen, engine.Options{})
		if got := p.Steps.Sorted()[0].String(); got != first || len(p.Refusals) > 0 {
			t.Errorf("obsolete %v: first %s\n%s", obsolete, got, p)
		}
	}
}

// What was set aside may be all that works, as long as what replaced it cannot be
// looked at. What no one goes back to is removed all the same.
func TestLeftoverStaysWhileItsResourceIsUnknown(t *testing.T) {
	a := resources.NewAddr("crate", "a")
	for obsolete, removed := range map[bool]bool{false: false, true: true} {
		d := declare(t, "crates: {a: {}}")
		unknown := &resources.Observed{Addr: a, Presence: resources.Unknown, Why: "it is being started"}
		p := engine.MakePlan(d, engine.NewSeen([]*resources.Observed{unknown, leftBehind(obsolete)}), engine.Options{})
		got := slices.ContainsFunc(p.Changes, func(c *engine.Change) bool { return c.Addr == leftBehind(obsolete).Addr })
		if got != removed || p.Unknown != 1 {
			t.Errorf("obsolete %v: removed %v, unknown %d\n%s", obsolete, got, p.Unknown, p)
		}
	}
}
