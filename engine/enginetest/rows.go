// Package enginetest runs the conformance suite: for each row of each table,
// on a fake or a real world, that setting, changing and removing the field
// gives exactly the change that the row says, that a change made outside is
// found by its name and repaired, and that the plan is empty after each.
package enginetest

import (
	"cmp"
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
	// Company are fields in YAML that stand beside a row's first and second value
	// only, and not when it is removed.
	Company map[string][2]string
	// Skip names rows that cannot be tried here, each with the reason.
	Skip map[string]string
	// TooOld reports whether the world is older than the version that a part has
	// been there since; nil is never.
	TooOld func(since string) bool
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
	// Parts says how the keys inside the rows are tried; nil leaves them out.
	Parts *Parts
}

// Parts says how the keys inside rows are tried, by "ROW.PATH" or the row's key
// for all of it. Rows that say how midaz treats the resource have no parts here.
type Parts struct {
	// Names are keys of maps in which any may stand.
	Names map[string]string
	// Values replaces the row's value with the key's example, with its other
	// value, and without the key (none: without the row), in YAML.
	Values map[string][3]string
	// Shows is what the path of a difference ends with, where that is not the key.
	Shows map[string]string
	Skip  map[string]string
	// Elsewhere are rows whose parts another subject tries.
	Elsewhere []string
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
		out = append(out, r.result(t, table.Kind, f.Key, s.Skip[f.Key]))
		for _, p := range r.parts() {
			path := f.Key + "." + p.Path
			why := cmp.Or(s.Parts.Skip[path], s.Parts.Skip[f.Key], s.Skip[f.Key])
			if p.Field.Since != "" && s.TooOld != nil && s.TooOld(p.Field.Since) {
				why = "from API " + p.Field.Since + " on"
			}
			r := row{kinds: kinds, world: world, subject: s, field: f, part: &p}
			out = append(out, r.result(t, table.Kind, path, why))
		}
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

// result tries the row, unless there is a reason not to.
func (r *row) result(t *testing.T, kind, name, why string) Result {
	res := Result{Kind: kind, Field: name, Cost: r.cost().String(), Outcome: why}
	if why == "" {
		res.Outcome = outcome(t.Run(name, func(t *testing.T) {
			r.t = t
			r.try()
		}))
		res.Outside = r.how
	}
	return res
}

// parts returns the keys inside the row that are tried by themselves.
func (r *row) parts() []resources.Part {
	p := r.subject.Parts
	hidden := r.field.Unmarked && len(r.subject.Shows[r.field.Key]) == 0
	if p == nil || hidden || slices.Contains(p.Elsewhere, r.field.Key) {
		return nil
	}
	return r.field.Parts(cmp.Or(p.Names[r.field.Key], "name"))
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
	part    *resources.Part // the key inside the field; nil for all of it
	how     string          // it was changed outside
}

func (r *row) cost() resources.Cost {
	cost := r.field.Cost
	if r.subject.Cost != nil {
		cost = r.subject.Cost(r.field)
	}
	if r.part != nil {
		return r.part.Cost(cost)
	}
	return cost
}

// unmarked reports whether a change is to change nothing.
func (r *row) unmarked() bool { return r.field.Unmarked || r.part != nil && r.part.Field.Unmarked }

// path is the row's name in the table.
func (r *row) path() string {
	if r.part != nil {
		return r.field.Key + "." + r.part.Path
	}
	return r.field.Key
}

// values returns the row's value at first, then another, and what stands there
// when it is removed; nil is no such row.
func (r *row) values() [3]any {
	texts := [3]string{r.field.Example, r.field.Other}
	if r.part != nil {
		texts = [3]string{r.part.Field.Example, r.part.Field.Other}
	}
	whole := r.part == nil
	if other, ok := r.subject.Values[r.path()]; ok {
		texts = [3]string{other[0], other[1]}
	}
	if r.part != nil {
		if other, ok := r.subject.Parts.Values[r.path()]; ok {
			texts, whole = other, true
		}
	}
	var out [3]any
	for i, text := range texts {
		if text != "" {
			out[i] = r.value(text)
		}
		if !whole {
			out[i] = r.part.Write(out[i])
		}
	}
	if r.part != nil && r.part.Field.Required && !whole {
		out[2] = nil
	}
	return out
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
	values := r.values()
	company := func(i int) map[string]any {
		out := maps.Clone(with)
		if err := yaml.Unmarshal([]byte(r.subject.Company[r.field.Key][i]), &out); err != nil {
			r.t.Fatal(err)
		}
		return out
	}
	base, first, second := r.spec(with, values[2]), r.spec(company(0), values[0]), r.spec(company(1), values[1])

	r.apply("set", first)
	r.empty("after setting", first)
	if r.subject.Outside != nil {
		r.subject.Outside.Remember(r.t)
	}
	r.notOutside("change", r.exactly("change", second, true))
	r.apply("change", second)
	r.empty("after changing", second)
	r.outside(second)
	// What a removal costs depends on what the engine can take away. Without a
	// field it is as by default, which it may be already.
	if !r.isDefault(values[1], values[2]) && !slices.Contains(r.subject.Stays, r.field.Key) {
		r.notOutside("remove", r.exactly("remove", base, false))
	}
	r.apply("remove", base)
	r.empty("after removing", base)
}

// notOutside checks that what only the spec has changed is not taken for a change
// made outside.
func (r *row) notOutside(what string, c *engine.Change) {
	r.t.Helper()
	if c == nil {
		return
	}
	for _, d := range c.Delta {
		if d.Drift {
			r.t.Errorf("%s: %s: %s -> %s is taken for a change made outside", what, d.Path, resources.Show(d.Before), resources.Show(d.After))
		}
	}
}

// outside takes the change back behind midaz's back: that field is named, as
// drift and nothing else, and an apply repairs it.
func (r *row) outside(spec string) {
	r.t.Helper()
	if r.subject.Outside == nil || r.field.Unseen || r.unmarked() {
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

// isDefault reports whether the row's value means the same as the one that is
// left when it is removed.
func (r *row) isDefault(value, without any) bool {
	decode := func(v any) (resources.Value, bool) {
		text, err := yaml.Marshal(v)
		if err != nil {
			r.t.Fatal(err)
		}
		node, err := specs.ParseNode("value.yaml", string(text))
		if err != nil {
			r.t.Fatal(err)
		}
		return r.field.Type.Decode(node, func(*specs.Problem) {})
	}
	left := r.field.Default
	if without != nil {
		left, _ = decode(without)
	}
	v, ok := decode(value)
	return ok && (resources.Equal(v, left) || resources.IsEmpty(v) && resources.IsEmpty(left))
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
	d, problems := engine.Resolve(&specs.Spec{Root: root, Stack: root.Get("stack").Text(), Dir: t.TempDir(), Profiles: []string{"*"}}, kinds)
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
		if !r.unmarked() {
			r.t.Fatalf("%s: the plan does not see it:\n%s", what, spec)
		}
		return c
	}
	if r.unmarked() && len(fields) == 1 {
		r.t.Errorf("%s: it is to change nothing:\n%s%s", what, plan, deltas(plan))
	}
	for _, d := range c.Delta {
		if !slices.Contains(fields, d.Field) {
			r.t.Errorf("%s: %s differs too: %s -> %s", what, d.Path, resources.Show(d.Before), resources.Show(d.After))
		}
	}
	if got := c.Delta.Cost(); priced && got != r.cost() && !r.unmarked() {
		r.t.Errorf("%s: it costs %q, the table says %q", what, got, r.cost())
	}
	r.named(what, c.Delta)
	return c
}

// named checks that differences of a part name it.
func (r *row) named(what string, delta resources.Delta) {
	r.t.Helper()
	if r.part == nil || len(r.subject.Shows[r.field.Key]) > 0 {
		return
	}
	key := cmp.Or(r.subject.Parts.Shows[r.path()], r.part.Field.Key)
	for _, d := range delta {
		if strings.Contains(d.Path+resources.Show(d.Before)+resources.Show(d.After), key) {
			return
		}
	}
	for _, d := range delta {
		r.t.Errorf("%s: %s does not name %s: %s -> %s", what, d.Path, key, resources.Show(d.Before), resources.Show(d.After))
	}
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
