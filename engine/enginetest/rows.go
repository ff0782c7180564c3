// Package enginetest runs the conformance suite: for each row of each table,
// on a fake or a real world, that setting, changing and removing the field
// gives exactly the change that the row says, that a change made outside is
// found by its name and repaired, and that the plan is empty after each.
package enginetest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// Subject is one resource whose rows are tried.
type Subject struct {
	Addr resources.Addr
	// Fields are what it needs to exist, without the row under test.
	Fields map[string]any
	// Spec returns the whole spec with the resource's fields in it.
	Spec func(fields map[string]any) map[string]any
	// Values replaces a row's examples, in YAML, where they need something that
	// is not there.
	Values map[string][2]string
	// With replaces a row's own With, in YAML.
	With map[string]string
	// Skip names rows that cannot be tried here, each with the reason.
	Skip map[string]string
	// Cost returns what a change of the field costs this resource; nil is what
	// the row says.
	Cost func(f *resources.Field) resources.Cost
	// Shows names the fields that differ in the place of one that only stands for
	// them: deploy for mem_limit. A row that is Unmarked and not named here is to
	// change nothing.
	Shows map[string][]string
	// Stays names fields that stay as they are when they leave the spec, though no
	// default says so.
	Stays []string
	// Outside changes the resource behind midaz's back; nil where nothing can.
	Outside Outsider
	// Events are what happens to the resource itself, and to no field of it.
	Events []Event
}

// Outsider changes an object without midaz.
type Outsider interface {
	// Remember notes what the object is like now.
	Remember(t *testing.T)
	// Undo gives the field the value it had when the object was remembered, and
	// leaves all else as it is. It says how, and "" when that cannot be done.
	Undo(t *testing.T, f *resources.Field) string
}

// Event is something that happens to an object from outside.
type Event struct {
	// Name says what happens: "stopped".
	Name string
	Do   func(t *testing.T)
	// Finds is the field that differs then; "" when the object is to be made anew,
	// and "-" when nothing is to be found.
	Finds string
}

// World opens the backends for one spec. It is asked anew for each step, as a
// new process would do.
type World func(ctx context.Context, declared *resources.Declared) (engine.World, error)

// Result is one line of the conformance table.
type Result struct {
	Kind, Field, Cost string
	// Outside says how the field was changed outside; "" when it was not.
	Outside string
	Outcome string // Passed, Failed, or why it was skipped
}

// Outcomes of a row that was tried.
const (
	Passed = "ok"
	Failed = "FAILED"
)

// Rows tries every row of the subject's kind, then its events, and returns the
// table.
func Rows(t *testing.T, kinds []resources.Kind, world World, s Subject) []Result {
	t.Helper()
	var table *resources.Table
	for _, k := range kinds {
		if k.Table().Kind == s.Addr.Kind {
			table = k.Table()
		}
	}
	var out []Result
	for i := range table.Fields {
		f := &table.Fields[i]
		r := row{kinds: kinds, world: world, subject: s, field: f}
		res := Result{Kind: table.Kind, Field: f.Key, Cost: r.cost().String()}
		if why, skip := s.Skip[f.Key]; skip {
			res.Outcome = why
			out = append(out, res)
			continue
		}
		res.Outcome = outcome(t.Run(f.Key, func(t *testing.T) {
			r.t = t
			r.try()
		}))
		res.Outside = r.how
		out = append(out, res)
	}
	for _, e := range s.Events {
		r := row{kinds: kinds, world: world, subject: s}
		res := Result{Kind: table.Kind, Field: "(" + e.Name + ")"}
		res.Outcome = outcome(t.Run(e.Name, func(t *testing.T) {
			r.t = t
			res.Cost = r.happen(e)
		}))
		out = append(out, res)
	}
	return out
}

func outcome(ok bool) string {
	if ok {
		return Passed
	}
	return Failed
}

type row struct {
	t       *testing.T
	kinds   []resources.Kind
	world   World
	subject Subject
	field   *resources.Field
	how     string // it was changed outside
}

func (r *row) cost() resources.Cost {
	if r.subject.Cost != nil {
		return r.subject.Cost(r.field)
	}
	return r.field.Cost
}

func (r *row) try() {
	with := map[string]any{}
	text := r.field.With
	if other, ok := r.subject.With[r.field.Key]; ok {
		text = other
	}
	if text != "" {
		if err := yaml.Unmarshal([]byte(text), &with); err != nil {
			r.t.Fatal(err)
		}
	}
	examples := [2]string{r.field.Example, r.field.Other}
	if other, ok := r.subject.Values[r.field.Key]; ok {
		examples = other
	}
	base := r.spec(with, nil)
	first := r.spec(with, r.value(examples[0]))
	second := r.spec(with, r.value(examples[1]))

	r.apply("set", first)
	r.empty("after setting", first)
	if r.subject.Outside != nil {
		r.subject.Outside.Remember(r.t)
	}
	r.exactly("change", second, true)
	r.apply("change", second)
	r.empty("after changing", second)
	r.outside(second)
	// What a removal costs depends on what the engine can take away. Without a
	// field it is as by default, which it may be already.
	if !r.isDefault(examples[1]) && !slices.Contains(r.subject.Stays, r.field.Key) {
		r.exactly("remove", base, false)
	}
	r.apply("remove", base)
	r.empty("after removing", base)
}

// outside takes the change back behind midaz's back: that field is named, as
// drift and nothing else, and an apply repairs it.
func (r *row) outside(spec string) {
	r.t.Helper()
	if r.subject.Outside == nil || r.field.Unseen || r.field.Unmarked {
		return
	}
	if r.how = r.subject.Outside.Undo(r.t, r.field); r.how == "" {
		return
	}
	c := r.exactly("outside ("+r.how+")", spec, false)
	for _, d := range c.Delta {
		if !d.Drift || d.Pending {
			r.t.Errorf("outside (%s): %s is drift: %v, pending: %v", r.how, d.Path, d.Drift, d.Pending)
		}
	}
	r.apply("repair", spec)
	r.empty("after the repair", spec)
}

// happen lets an event happen, and returns what the repair costs.
func (r *row) happen(e Event) (cost string) {
	spec := r.spec(nil, nil)
	r.apply("set", spec)
	e.Do(r.t)
	plan, _ := r.plan(spec)
	c := plan.Change(r.subject.Addr)
	switch {
	case e.Finds == "-":
		if !plan.IsEmpty() {
			r.t.Errorf("the plan is not empty:\n%s%s", plan, deltas(plan))
		}
		return ""
	case e.Finds == "":
		if c == nil || c.Action != resources.Create {
			r.t.Errorf("it is not to be made anew:\n%s", plan)
		}
		cost = "create"
	case c == nil || c.IsNoOp():
		r.t.Fatalf("the plan does not see it:\n%s", plan)
	default:
		for _, d := range c.Delta {
			if d.Field != e.Finds || !d.Drift || d.Pending {
				r.t.Errorf("%s: %s -> %s, drift: %v, pending: %v", d.Path, resources.Show(d.Before), resources.Show(d.After), d.Drift, d.Pending)
			}
		}
		cost = c.Delta.Cost().String()
	}
	r.apply("repair", spec)
	r.empty("after the repair", spec)
	return cost
}

func (r *row) value(text string) any {
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		r.t.Fatal(err)
	}
	return v
}

// isDefault reports whether the value is the one that holds without the field.
func (r *row) isDefault(text string) bool {
	node, err := specs.ParseNode("value.yaml", text)
	if err != nil {
		r.t.Fatal(err)
	}
	v, ok := r.field.Type.Decode(node, func(*specs.Problem) {})
	return ok && resources.Equal(v, r.field.Default)
}

func (r *row) spec(with map[string]any, value any) string {
	fields := maps.Clone(r.subject.Fields)
	if fields == nil {
		fields = map[string]any{}
	}
	maps.Copy(fields, with)
	if value != nil {
		fields[r.field.Key] = value
	}
	text, err := yaml.Marshal(r.subject.Spec(fields))
	if err != nil {
		r.t.Fatal(err)
	}
	return string(text)
}

func (r *row) plan(spec string) (*engine.Plan, engine.World) {
	r.t.Helper()
	return Plan(r.t, r.kinds, r.world, spec)
}

// Plan plans the spec in the world.
func Plan(t *testing.T, kinds []resources.Kind, world World, spec string) (*engine.Plan, engine.World) {
	t.Helper()
	root, err := specs.ParseNode("spec.yaml", spec)
	if err != nil {
		t.Fatal(err)
	}
	d, problems := engine.Resolve(&specs.Spec{Root: root, Stack: root.Get("stack").Text(), Dir: t.TempDir()}, kinds)
	if err := problems.Err(); err != nil {
		t.Fatalf("%v\n%s", err, spec)
	}
	// Clean-up plans too, when the test's own context has ended.
	ctx := context.WithoutCancel(t.Context())
	w, err := world(ctx, d)
	if err != nil {
		t.Fatal(err)
	}
	seen, err := engine.Observe(ctx, w.Readers, d, resources.Scope{Owned: true})
	if err != nil {
		t.Fatal(err)
	}
	return engine.MakePlan(d, seen, engine.Options{Unprotect: []string{"*"}, Allow: []string{resources.DataLoss}}), w
}

func (r *row) apply(what, spec string) {
	r.t.Helper()
	Apply(r.t, r.kinds, r.world, what, spec)
}

// Apply applies the spec and fails the test when a step fails.
func Apply(t *testing.T, kinds []resources.Kind, world World, what, spec string) {
	t.Helper()
	plan, w := Plan(t, kinds, world, spec)
	report, err := engine.Apply(t.Context(), plan, w, engine.ApplyOptions{Parallelism: 4})
	if err != nil {
		t.Fatalf("%s: %v\n%s\n%s", what, err, plan, spec)
	}
	for _, f := range report.Failed() {
		t.Errorf("%s: %v", what, f.Err)
	}
	if t.Failed() {
		t.Fatalf("%s:\n%s", spec, plan)
	}
}

func (r *row) empty(when, spec string) {
	r.t.Helper()
	plan, _ := r.plan(spec)
	if !plan.IsEmpty() {
		r.t.Errorf("%s the plan is not empty:\n%s%s", when, plan, deltas(plan))
	}
}

// exactly checks that the plan changes this field of this resource and nothing
// else of it, and, when priced, at the cost that the row says.
func (r *row) exactly(what, spec string, priced bool) *engine.Change {
	r.t.Helper()
	plan, _ := r.plan(spec)
	c := plan.Change(r.subject.Addr)
	fields := append([]string{r.field.Key}, r.subject.Shows[r.field.Key]...)
	if c == nil || c.IsNoOp() {
		if !r.field.Unmarked {
			r.t.Fatalf("%s: the plan does not see it:\n%s", what, spec)
		}
		return c
	}
	if r.field.Unmarked && len(fields) == 1 {
		r.t.Errorf("%s: it is to change nothing:\n%s%s", what, plan, deltas(plan))
	}
	for _, d := range c.Delta {
		if !slices.Contains(fields, d.Field) {
			r.t.Errorf("%s: %s differs too: %s -> %s", what, d.Path, resources.Show(d.Before), resources.Show(d.After))
		}
	}
	if got := c.Delta.Cost(); priced && got != r.cost() && !r.field.Unmarked {
		r.t.Errorf("%s: it costs %q, the table says %q", what, got, r.cost())
	}
	return c
}

func deltas(p *engine.Plan) string {
	var b strings.Builder
	for _, c := range p.Changes {
		for _, d := range c.Delta {
			fmt.Fprintf(&b, "%s %s: %s -> %s\n", c.Addr, d.Path, resources.Show(d.Before), resources.Show(d.After))
		}
	}
	return b.String()
}
