package policy

import (
	"strings"
	"testing"
	"time"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

func compiled(t *testing.T, text string) (*Policy, specs.Problems) {
	t.Helper()
	root, err := specs.ParseNode("p.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	var problems specs.Problems
	report := func(p *specs.Problem) { problems = append(problems, p) }
	spec := &specs.Spec{Root: root}
	return Compile(resources.ReadPolicy(root, report), spec.Place, report), problems
}

func judged(t *testing.T, expr string, plan map[string]any) []Violation {
	t.Helper()
	p, problems := compiled(t, "policy:\n  r:\n    deny: |\n      "+expr+"\n")
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return p.Judge(plan, "shop", time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC))
}

func change(addr, action string) map[string]any {
	return map[string]any{"address": addr, "change": map[string]any{"actions": []any{action}}}
}

func TestJudge(t *testing.T) {
	plan := map[string]any{"summary": map[string]any{"remove": int64(2)}, "resource_changes": []any{change("box/a", "delete"),
		change("box/b", "create")}}
	for expr, want := range map[string]string{
		`"delete" in change.change.actions`: "box/a",
		`plan.summary.remove > 1`:           "the plan",
		`plan.summary.remove > 2`:           "",
		`stack == "shop" && now.getDayOfWeek() == 5 && size(plan.resource_changes) == 2`: "the plan",
		`change.?missing.orValue(true)`: "box/a box/b",
		`has(change.missing)`:           "",
	} {
		var got []string
		for _, v := range judged(t, expr, plan) {
			if v.Address == "" {
				v.Address = "the plan"
			}
			got = append(got, v.Address)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q", expr, got, want)
		}
	}
}

// TestWhatCannotBeEvaluatedIsViolated: a rule that fails lets nothing through.
func TestWhatCannotBeEvaluatedIsViolated(t *testing.T) {
	plan := map[string]any{"resource_changes": []any{change("box/a", "delete")}}
	for expr, want := range map[string]string{
		`change.missing == 1`: "no such key: missing",
		`change.address`:      "it gives string",
	} {
		all := judged(t, expr, plan)
		if len(all) != 1 || !strings.Contains(all[0].Message, want) {
			t.Errorf("%s: %v, want %q", expr, all, want)
		}
	}
}

// TestNoRuleHangs: a rule that would run for hours ends at its limit.
func TestNoRuleHangs(t *testing.T) {
	list := make([]any, 1000)
	for i := range list {
		list[i] = int64(i)
	}
	all := judged(t, `plan.l.all(a, plan.l.all(b, plan.l.all(c, a + b + c >= 0)))`, map[string]any{"l": list})
	if len(all) != 1 || !strings.Contains(all[0].Message, "cost limit") {
		t.Errorf("%v", all)
	}
	// Many cheap ones are bounded together.
	changes := make([]any, 1000)
	for i := range changes {
		changes[i] = change("box/a", "create")
	}
	p, _ := compiled(t, "policy: {r: {deny: 'change.address == \"\"'}}")
	p.total = 100
	all = p.Judge(map[string]any{"resource_changes": changes}, "s", time.Time{})
	if len(all) == 0 || !strings.Contains(all[len(all)-1].Message, "cost too much") {
		t.Errorf("%d violations", len(all))
	}
}

func TestCompileSaysWhere(t *testing.T) {
	_, problems := compiled(t, `policy:
  a: { deny: "chnge.x == 1" }
  b: { deny: "1 + 1" }
  c: { warn: "stack == now" }
  d: { warn: "true", deny: "true" }
  e: { deny: "has(change.x)", tests: [{ expect: warn, change: {} }, { expect: deny }] }
`)
	want := []string{"2:14", "3:14", "4:", "5:6", "6:39", "6:69"}
	if len(problems) != len(want) {
		t.Fatal(problems)
	}
	for i, p := range problems.Sorted() {
		if !strings.HasPrefix(p.Error(), "p.yaml:"+want[i]) {
			t.Errorf("%v, want it at %s", p, want[i])
		}
	}
}

func FuzzCompile(f *testing.F) {
	f.Add(`change.type == "volume"`)
	f.Add("stack ==\n\n 'é' + ")
	f.Fuzz(func(t *testing.T, expr string) {
		var at []specs.Pos
		node := specs.NewScalar(specs.Pos{File: "p", Line: 1, Col: 1}, specs.String, expr, false)
		p := Compile([]resources.PolicyRule{{Name: "r", Deny: true, Expr: expr, Node: node}}, (&specs.Spec{}).Place,
			func(p *specs.Problem) { at = append(at, p.Pos) })
		if p.IsEmpty() && len(at) == 0 {
			t.Fatal("neither a rule nor a problem")
		}
		p.Judge(map[string]any{"resource_changes": []any{map[string]any{}}}, "s", time.Time{})
	})
}
