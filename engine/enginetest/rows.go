// Package enginetest runs the conformance suite: for each row of each table,
// on a fake or a real world, that setting, changing and removing the field
// gives exactly the change that the row says, and then an empty plan.
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
	// Skip names rows that cannot be tried here, each with the reason.
	Skip map[string]string
}

// World opens the backends for one spec. It is asked anew for each step, as a
// new process would do.
type World func(ctx context.Context, declared *resources.Declared) (engine.World, error)

// Result is one line of the conformance table.
type Result struct {
	Kind, Field, Cost string
	Outcome           string // "ok", "skipped: ...", or what went wrong
}

// Rows tries every row of the subject's kind and returns the table.
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
		res := Result{Kind: table.Kind, Field: f.Key, Cost: f.Cost.String()}
		switch why, skip := s.Skip[f.Key]; {
		case skip:
			res.Outcome = "skipped: " + why
		case f.Unmarked:
			res.Outcome = "skipped: it says how to treat the resource"
		default:
			ok := t.Run(f.Key, func(t *testing.T) {
				r := row{t: t, kinds: kinds, world: world, subject: s, field: f}
				r.try()
			})
			res.Outcome = "ok"
			if !ok {
				res.Outcome = "FAILED"
			}
		}
		out = append(out, res)
	}
	return out
}

type row struct {
	t       *testing.T
	kinds   []resources.Kind
	world   World
	subject Subject
	field   *resources.Field
}

func (r row) try() {
	with := map[string]any{}
	if r.field.With != "" {
		if err := yaml.Unmarshal([]byte(r.field.With), &with); err != nil {
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
	r.exactly("change", second)
	r.apply("change", second)
	r.empty("after changing", second)
	r.apply("remove", base)
	r.empty("after removing", base)
}

func (r row) value(text string) any {
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		r.t.Fatal(err)
	}
	return v
}

func (r row) spec(with map[string]any, value any) string {
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

func (r row) plan(spec string) (*engine.Plan, engine.World) {
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

func (r row) apply(what, spec string) {
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

func (r row) empty(when, spec string) {
	r.t.Helper()
	plan, _ := r.plan(spec)
	if !plan.IsEmpty() {
		r.t.Errorf("%s the plan is not empty:\n%s%s", when, plan, deltas(plan))
	}
}

// exactly checks that the plan changes this field of this resource and nothing
// else, at the cost that the row says.
func (r row) exactly(what, spec string) {
	r.t.Helper()
	plan, _ := r.plan(spec)
	c := plan.Change(r.subject.Addr)
	if c == nil || c.IsNoOp() {
		r.t.Fatalf("%s: the plan does not see it:\n%s", what, spec)
	}
	for _, d := range c.Delta {
		if d.Field != r.field.Key {
			r.t.Errorf("%s: %s differs too: %s -> %s", what, d.Path, resources.Show(d.Before), resources.Show(d.After))
		}
	}
	if got := c.Delta.Cost(); got != r.field.Cost {
		r.t.Errorf("%s: it costs %q, the table says %q", what, got, r.field.Cost)
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

// Table renders results in Markdown, one row a field.
func Table(results []Result) string {
	var b strings.Builder
	b.WriteString("| kind | field | a change costs | result |\n| --- | --- | --- | --- |\n")
	for _, r := range slices.SortedStableFunc(slices.Values(results), func(a, b Result) int { return strings.Compare(a.Kind, b.Kind) }) {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.Kind, r.Field, r.Cost, r.Outcome)
	}
	return b.String()
}
