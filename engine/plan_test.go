package engine_test

import (
	"strings"
	"testing"

	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/fake"
	"github.com/LerianStudio/midaz-infra/specs"
)

// declare resolves a spec of the fake kinds.
func declare(t testing.TB, text string, profiles ...string) *resources.Declared {
	t.Helper()
	all, problems := resolve(t, text, profiles...)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

func resolve(t testing.TB, text string, profiles ...string) (*resources.Declared, specs.Problems) {
	t.Helper()
	root, err := specs.ParseNode("spec.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	return engine.Resolve(&specs.Spec{Root: root, Stack: "s", Profiles: profiles}, fake.Kinds())
}

func observe(t testing.TB, w *fake.World, d *resources.Declared) *engine.Seen {
	t.Helper()
	seen, err := engine.Observe(t.Context(), w.Readers(), d, resources.Scope{Owned: true})
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

func world(w *fake.World) engine.World {
	return engine.World{Readers: w.Readers(), Writers: w.Writers()}
}

// applied returns a world to which the spec was applied.
func applied(t testing.TB, text string) *fake.World {
	t.Helper()
	w := &fake.World{}
	d := declare(t, text)
	report, err := engine.Apply(t.Context(), engine.MakePlan(d, observe(t, w, d),
		engine.Options{Unprotect: []string{"*"}, Allow: []string{resources.DataLoss}}), world(w), engine.ApplyOptions{Parallelism: 2})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range report.Failed() {
		t.Fatal(f.Err)
	}
	w.Restart()
	return w
}

func TestPlan(t *testing.T) {
	for _, tc := range []struct {
		name    string
		before  string
		outside func(*fake.World)
		spec    string
		opt     engine.Options
		want    string
	}{
		{name: "creates follow references", spec: `
boxes: {a: {needs: [box/b]}, b: {}}
crates: {c: {needs: [box/a]}, d: {needs: [crate/c]}}`, want: `
[1] create box/b: it does not exist
[2] [1] -> create box/a: it does not exist
[3] [2] -> create crate/c: it does not exist
[4] [3] -> await crate/c
[5] [4] -> create crate/d: it does not exist
[6] [5] -> await crate/d
`},
		{name: "nothing to do", before: "boxes: {a: {size: 1, secret: x, tags: {k: v}}}", spec: "boxes: {a: {size: 1, secret: x, tags: [k=v]}}",
			want: ""},
		{name: "in place", before: "boxes: {a: {size: 1}}", spec: "boxes: {a: {size: 2, text: new}}", want: `
[1] update box/a: size, text differs
`},
		{name: "a field removed returns to its default", before: "boxes: {a: {text: x, colour: red}}", spec: "boxes: {a: {colour: red}}", want: `
[1] update box/a: text differs
`},
		{name: "a box is deleted and created", before: "boxes: {a: {colour: red}}", spec: "boxes: {a: {colour: blue}}", want: `
[1] delete box/a: colour cannot be changed in place
[2] [1] -> create box/a: colour cannot be changed in place
`},
		{name: "a crate is swapped, and dependents wait for its gate", before: "crates: {a: {colour: red}}",
			spec: "crates: {a: {colour: blue}, b: {needs: [crate/a]}}", want: `
[1] swap crate/a: colour cannot be changed in place
[2] [1] -> await crate/a
[3] [2] -> commit crate/a
[4] [2] -> create crate/b: it does not exist
[5] [4] -> await crate/b
`},
		{name: "who holds a box that is made anew lets go first", before: "boxes: {v: {colour: red}}\ncrates: {a: {holds: [box/v]}}",
			spec: "boxes: {v: {colour: blue}}\ncrates: {a: {holds: [box/v]}}", want: `
[1] delete crate/a: box/v, which it holds, is made anew
[2] [1] -> delete box/v: colour cannot be changed in place
[3] [2] -> create box/v: colour cannot be changed in place
[4] [1] [3] -> create crate/a: box/v, which it holds, is made anew
[5] [4] -> await crate/a
`},
		{name: "who holds a pipe keeps it while it is replaced", before: "pipes: {n: {colour: red}}\ncrates: {a: {holds: [pipe/n]}}",
			spec: "pipes: {n: {colour: blue}}\ncrates: {a: {holds: [pipe/n]}}", want: `
[1] replace pipe/n: colour cannot be changed in place
`},
		{name: "changed content swaps what is made of it", before: "pipes: {i: {size: 1}}\ncrates: {a: {made_of: [pipe/i]}}",
			spec: "pipes: {i: {size: 2}}\ncrates: {a: {made_of: [pipe/i]}}", want: `
[1] update pipe/i: size differs
[2] [1] -> swap crate/a: pipe/i, which is its content, changes
[3] [2] -> await crate/a
[4] [3] -> commit crate/a
`},
		{name: "who was made on a pipe is made anew with it", before: "pipes: {n: {colour: red}}\ncrates: {a: {made_on: [pipe/n]}}",
			spec: "pipes: {n: {colour: blue}}\ncrates: {a: {made_on: [pipe/n]}}", want: `
[1] replace pipe/n: colour cannot be changed in place
[2] [1] -> swap crate/a: pipe/n is made anew, and it can be joined to that only when it is made
[3] [2] -> await crate/a
[4] [3] -> commit crate/a
`},
		{name: "orphans go in reverse order", before: "boxes: {a: {}, b: {needs: [box/a]}, keep: {}}\ncrates: {c: {holds: [box/b]}}",
			spec: "boxes: {keep: {}}", want: `
[1] delete crate/c: it is no longer in the spec
[2] [1] -> delete box/b: it is no longer in the spec
[3] [2] -> delete box/a: it is no longer in the spec
`},
		{name: "an unchanged gate is waited for when a dependent changes", before: "crates: {a: {}}",
			spec: "crates: {a: {}}\nboxes: {b: {needs: [crate/a]}}", want: `
[1] await crate/a
[2] [1] -> create box/b: it does not exist
`},
		{name: "a gate behind something unchanged and ungated is waited for", before: "crates: {a: {}}\nboxes: {m: {needs: [crate/a]}}",
			spec: "crates: {a: {size: 3}}\nboxes: {m: {needs: [crate/a]}, b: {needs: [box/m]}}", want: `
[1] update crate/a: size differs
[2] [1] -> await crate/a
[3] [2] -> create box/b: it does not exist
`},
		{name: "the knot is untied by a promotion", before: "boxes: {b0: {colour: red}, b3: {needs: [box/b0], holds: [box/b0]}}",
			spec: "boxes: {b0: {colour: blue}, b2: {needs: [box/b0]}, b3: {needs: [box/b2], size: 1}}", want: `
[1] delete box/b3: it cannot be changed in place while what it uses is replaced
[2] [1] -> delete box/b0: colour cannot be changed in place
[3] [2] -> create box/b0: colour cannot be changed in place
[4] [3] -> create box/b2: it does not exist
[5] [1] [4] -> create box/b3: it cannot be changed in place while what it uses is replaced
`},
		{name: "what is someone else's is refused", spec: "boxes: {a: {}}", outside: func(w *fake.World) {
			w.Put(resources.NewAddr("box", "a"), &fake.Object{Stack: "other"})
		}, want: `
refused box/a: it exists and belongs to stack "other"
`},
		{name: "unless it is adopted", spec: "boxes: {a: {}}", opt: engine.Options{Adopt: []string{"box/*"}}, outside: func(w *fake.World) {
			w.Put(resources.NewAddr("box", "a"), &fake.Object{Owner: "someone"})
		}, want: `
[1] update box/a: it is taken over
`},
		{name: "protection outlives the block", before: "boxes: {a: {protect: true}, b: {}}", spec: "boxes: {b: {}}", want: `
[1] delete box/a: it is no longer in the spec
refused box/a: it is protected and would be deleted: it is no longer in the spec
`},
		{name: "a danger needs consent", before: "boxes: {a: {text: precious, colour: red}}", spec: "boxes: {a: {text: precious, colour: blue}}", want: `
[1] delete box/a: colour cannot be changed in place
[2] [1] -> create box/a: colour cannot be changed in place
refused box/a: what stands on it is lost
`},
		{name: "an empty spec does not remove everything", before: "boxes: {a: {}}", spec: "boxes: {}", want: `
[1] delete box/a: it is no longer in the spec
refused stack/s: the spec declares nothing, and applying it would remove all 1 resources of the stack
`},
		{name: "at most so many", before: "boxes: {a: {}, b: {}, c: {}}", spec: "boxes: {a: {}}", opt: engine.Options{MaxDestroy: new(int)}, want: `
[1] delete box/b: it is no longer in the spec
[2] delete box/c: it is no longer in the spec
refused stack/s: the plan removes or replaces 2 resources, more than the 0 that -max-destroy allows
`},
		{name: "external things are only looked at", spec: "boxes: {a: {external: true}, b: {needs: [box/a]}}", want: `
[1] create box/b: it does not exist
refused box/a: it is declared external and does not exist
`},
		{name: "a profile that is off is left alone", before: "boxes: {a: {}}", spec: "boxes: {a: {size: 7, profiles: [extra]}, b: {}}", want: `
[1] create box/b: it does not exist
`},
		{name: "targets bring what they need", spec: "boxes: {a: {}, b: {needs: [box/a]}, c: {}}", opt: engine.Options{Targets: []string{"box/b"}}, want: `
[1] create box/a: it does not exist
[2] [1] -> create box/b: it does not exist
`},
		{name: "a target that is misspelt", spec: "boxes: {alpha: {}}", opt: engine.Options{Targets: []string{"box/alhpa"}}, want: `
refused target/box/alhpa: nothing that is declared or there matches it
`},
		{name: "an adoption that is misspelt", before: "boxes: {alpha: {}}", spec: "boxes: {alpha: {}}", opt: engine.Options{Adopt: []string{"box/alhpa", "*"}}, want: `
refused adopt/box/alhpa: nothing that is declared or there matches it
`},
		{name: "excluded things take their dependents along", spec: "boxes: {a: {}, b: {needs: [box/a]}, c: {}}", opt: engine.Options{Excludes: []string{"box/a"}}, want: `
[1] create box/c: it does not exist
`},
		{name: "destroy", before: "boxes: {a: {}, v: {protect: true}}\ncrates: {c: {holds: [box/a, box/v]}}", spec: "boxes: {a: {}}",
			opt: engine.Options{Destroy: true, Keep: []string{"box/v"}}, want: `
[1] delete crate/c: the stack is being removed
[2] [1] -> delete box/a: the stack is being removed
kept box/v
`},
		{name: "only what was changed outside", before: "boxes: {a: {size: 1, text: x}}", opt: engine.Options{OnlyDrift: true},
			outside: func(w *fake.World) { w.Get(resources.NewAddr("box", "a")).Fields["text"] = "y" },
			spec:    "boxes: {a: {size: 2, text: x}, b: {}}", want: `
[1] update box/a: text differs
`},
		{name: "replacement on request", before: "pipes: {a: {}}", spec: "pipes: {a: {}}", opt: engine.Options{Replace: []string{"pipe/a"}}, want: `
[1] replace pipe/a: its replacement was asked for
`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := applied(t, tc.before+"\n")
			if tc.outside != nil {
				tc.outside(w)
			}
			d := declare(t, tc.spec)
			plan := engine.MakePlan(d, observe(t, w, d), tc.opt)
			if got, want := plan.String(), strings.TrimPrefix(tc.want, "\n"); got != want {
				t.Errorf("plan:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

func TestPlanUnknownIsEnsured(t *testing.T) {
	w := &fake.World{Down: "pipe", DownUntil: resources.NewAddr("box", "broker")}
	d := declare(t, "boxes: {broker: {}}\npipes: {q: {needs: [box/broker]}}")
	plan := engine.MakePlan(d, observe(t, w, d), engine.Options{})
	want := "[1] create box/broker: it does not exist\n[2] [1] -> ensure pipe/q: whether it exists cannot be asked yet: pipe: not reachable\n"
	if got := plan.String(); got != want {
		t.Errorf("plan:\n%s\nwant:\n%s", got, want)
	}
	if plan.Unknown != 1 {
		t.Errorf("unknown: %d", plan.Unknown)
	}
	report, err := engine.Apply(t.Context(), plan, world(w), engine.ApplyOptions{})
	if err != nil || len(report.Failed()) > 0 {
		t.Fatal(err, report.Failed())
	}
	if report.Counts != (engine.Counts{Add: 2}) {
		t.Errorf("counts %+v", report.Counts)
	}
}

func TestPlanDriftAndPending(t *testing.T) {
	w := applied(t, "boxes: {a: {size: 1, text: x, tags: {k: v}, secret: old}}")
	a := resources.NewAddr("box", "a")
	w.Get(a).Fields["text"] = "outside"
	d := declare(t, "boxes: {a: {size: 2, text: x, tags: {k: v}, secret: new}}")
	c := engine.MakePlan(d, observe(t, w, d), engine.Options{}).Change(a)
	got := map[string]string{}
	for _, f := range c.Delta {
		state := ""
		if f.Drift {
			state += "drift"
		}
		if f.Pending {
			state += "pending"
		}
		got[f.Path] = state + " " + resources.Show(f.Before) + " -> " + resources.Show(f.After) + " " + f.Pos.String()
	}
	want := map[string]string{
		"text":   `drift "outside" -> "x" spec.yaml:1:22`,
		"size":   "pending 1 -> 2 spec.yaml:1:13",
		"secret": "pending (sensitive value) -> (sensitive value) spec.yaml:1:45",
	}
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%s: %s, want %s", k, got[k], v)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%v", got)
	}
	if c.Unchanged != 1 {
		t.Errorf("unchanged %d", c.Unchanged)
	}
}

func TestResolveProblems(t *testing.T) {
	_, problems := resolve(t, `boxes:
  a: {sise: 1, needs: [box/bb]}
  b: {size: many, needs: [box/c]}
  c: {needs: [box/b]}
  d: {needs: [box/off]}
  off: {profiles: [p]}
crates: [1]
`)
	var got []string
	for _, p := range problems {
		got = append(got, p.Error()+" | "+p.Hint)
	}
	want := []string{
		`spec.yaml:2:7: unknown key "sise" in box [MZ022] | did you mean "size"?`,
		`spec.yaml:2:16: box/a refers to box/bb, which is not declared [MZ040] | did you mean "b"?`,
		`spec.yaml:3:13: expected an integer from 0 to 1000, found "many" [MZ021] | `,
		`spec.yaml:3:19: dependency cycle: box/b -> box/c -> box/b [MZ041] | remove one of these references`,
		`spec.yaml:5:7: box/d needs box/off, whose profile is off [MZ043] | turn its profile on with --profile, or write ` + "`required: false`",
		`spec.yaml:7:9: expected a map, found a list [MZ020] | `,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("problems:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// placed is a kind whose objects have a place: what stands before a dot in
// their name.
type placed struct{ resources.Kind }

func (placed) Place(a resources.Addr) string {
	place, _, _ := strings.Cut(a.Name, ".")
	return place
}

// TestSuccessorsComeFirst: an object is removed when what takes its place is
// there.
func TestSuccessorsComeFirst(t *testing.T) {
	w := applied(t, "boxes: { a.old: {}, b.old: {} }\n")
	root, err := specs.ParseNode("spec.yaml", "boxes: { a.new: {}, c.new: {} }\n")
	if err != nil {
		t.Fatal(err)
	}
	kinds := fake.Kinds()
	kinds[0] = placed{kinds[0]}
	d, problems := engine.Resolve(&specs.Spec{Root: root, Stack: "s"}, kinds)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	p := engine.MakePlan(d, observe(t, w, d), engine.Options{})
	needs := func(name string) []engine.Step {
		return p.Steps.Needs(engine.Step{Addr: resources.NewAddr("box", name), Verb: engine.VerbDelete})
	}
	if got := needs("a.old"); len(got) != 1 || got[0].String() != "create box/a.new" {
		t.Errorf("delete box/a.old waits for %v", got)
	}
	if got := needs("b.old"); len(got) != 0 {
		t.Errorf("delete box/b.old waits for %v", got)
	}
}

// TestHazardsAreRefused: some hazards need consent, and one can have none.
func TestHazardsAreRefused(t *testing.T) {
	w := applied(t, "boxes: { a: {} }\n")
	for _, c := range []struct {
		hazard  resources.Hazard
		allow   []string
		refused bool
	}{
		{resources.Hazard{Code: resources.Downtime}, nil, false},
		{resources.Hazard{Code: resources.Downtime, Consent: true}, nil, true},
		{resources.Hazard{Code: resources.Downtime, Consent: true}, []string{resources.Downtime}, false},
		{resources.Hazard{Code: resources.DataLoss}, nil, true},
		{resources.Hazard{Code: resources.Refused}, []string{resources.Refused, resources.DataLoss}, true},
	} {
		root, _ := specs.ParseNode("spec.yaml", "crates: { b: {} }\n")
		kinds := fake.Kinds()
		kinds[0] = dangerous{kinds[0], c.hazard}
		d, _ := engine.Resolve(&specs.Spec{Root: root, Stack: "s"}, kinds)
		p := engine.MakePlan(d, observe(t, w, d), engine.Options{Allow: c.allow})
		if got := p.Refused() != nil; got != c.refused {
			t.Errorf("%+v with -allow %v: refused %v", c.hazard, c.allow, got)
		}
	}
}

type dangerous struct {
	resources.Kind
	hazard resources.Hazard
}

func (k dangerous) Hazards(resources.Action, *resources.Resource, *resources.Observed) []resources.Hazard {
	return []resources.Hazard{k.hazard}
}

// What is done and no longer there is not missing. It is made again on request.
func TestPlanDone(t *testing.T) {
	d := declare(t, "boxes: {content: {size: 2}, job: {made_of: [box/content]}}")
	content, job := resources.NewAddr("box", "content"), resources.NewAddr("box", "job")
	for name, tc := range map[string]struct {
		size int64
		opt  engine.Options
		want resources.Action
	}{
		"done":                        {size: 2, want: resources.NoOp},
		"done, its content changes":   {size: 1, want: resources.NoOp},
		"asked for":                   {size: 2, opt: engine.Options{Replace: []string{"box/job"}}, want: resources.Create},
		"bringing back what was lost": {size: 2, opt: engine.Options{OnlyDrift: true}, want: resources.NoOp},
	} {
		t.Run(name, func(t *testing.T) {
			applied := resources.Seal(resources.Config{"size": tc.size})
			seen := engine.NewSeen([]*resources.Observed{
				{Addr: content, Presence: resources.Present, Stack: d.Stack, Have: resources.Config{"size": tc.size}, Applied: &applied},
				{Addr: job, Done: "it has succeeded", Finished: true},
			})
			if got := engine.MakePlan(d, seen, tc.opt).Change(job); got.Action != tc.want || got.Removed {
				t.Errorf("%s, want %s", got.Action, tc.want)
			}
		})
	}
}

// What is finished for good is not made anew because its content is.
func TestPlanFinishedIsNotMadeAnew(t *testing.T) {
	d := declare(t, "boxes: {content: {size: 2}, job: {made_of: [box/content]}}")
	content, job := resources.NewAddr("box", "content"), resources.NewAddr("box", "job")
	applied, made := resources.Seal(resources.Config{"size": int64(1)}), resources.Seal(resources.Config{"made_of": []any{"box/content"}})
	for finished, want := range map[bool]resources.Action{true: resources.NoOp, false: resources.Replace} {
		seen := engine.NewSeen([]*resources.Observed{
			{Addr: content, Presence: resources.Present, Stack: d.Stack, Have: resources.Config{"size": int64(1)}, Applied: &applied},
			{Addr: job, Presence: resources.Present, Stack: d.Stack, Have: resources.Config{"made_of": []any{"box/content"}}, Applied: &made,
				Finished: finished},
		})
		if got := engine.MakePlan(d, seen, engine.Options{}).Change(job); got.Action != want {
			t.Errorf("finished %v: %s, want %s", finished, got.Action, want)
		}
	}
}

// What is the stack's by its labels alone is kept until someone confirms that it
// is to go. It may have been given up since.
func TestUnconfirmedOrphansAreKept(t *testing.T) {
	w := applied(t, "boxes: {a: {}, b: {}}")
	d := declare(t, "boxes: {a: {}}")
	seen := observe(t, w, d)
	for _, o := range seen.All() {
		o.Unconfirmed = true
	}
	kept := engine.MakePlan(d, seen, engine.Options{})
	if !kept.IsEmpty() || len(kept.Unconfirmed) != 1 || kept.Unconfirmed[0].Name != "b" {
		t.Errorf("kept %v\n%s", kept.Unconfirmed, kept)
	}
	if p := kept.UnconfirmedProblem(specs.Pos{Line: 1}); p == nil || !strings.Contains(p.Msg, "box/b") {
		t.Errorf("told %v", p)
	}
	gone := engine.MakePlan(d, seen, engine.Options{Allow: []string{resources.Orphans}})
	if gone.Counts().Destroy != 1 || gone.UnconfirmedProblem(specs.Pos{}) != nil {
		t.Errorf("after consent:\n%s", gone)
	}
}
