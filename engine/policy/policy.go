// Package policy holds a plan against rules that people write in CEL, the
// Common Expression Language: what must not be, and what should not.
//
// It sees a plan only as the JSON that everybody else sees, so that a rule holds
// for what is shown and no value of a secret reaches it. It refuses to know what
// becomes of a violation.
package policy

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/ext"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// Limits in CEL's own units, about one for each operation and each ten
// characters of text that is searched.
const (
	maxCost  = 200_000   // of one rule on one change
	maxTotal = 5_000_000 // of all rules on a plan
)

// Rules of policies, codes MZ053 to MZ055.
var (
	ruleExpression = &specs.Rule{Code: "MZ053", Severity: specs.Error, Title: "policy rule that cannot be read",
		Explain: "The expression of a rule under `policy` is not CEL, uses a name or function that is not there, or gives something else than " +
			"true or false. It sees `plan` (what `midaz plan -json` prints), `change` (each entry of its `resource_changes` in turn), `stack` " +
			"and `now` (a time). The language is described at https://cel.dev; strings have `matches`, `split`, `startsWith` and the like, " +
			"`has(x.y)` asks whether a key is there, and `x.?y.orValue(z)` takes another value for one that is not.\n\n```yaml\npolicy:\n  " +
			"volumes-stay-on-fridays:\n    deny: change.type == \"volume\" && \"delete\" in change.change.actions && now.getDayOfWeek() == 5\n```"}
	ruleWarned = &specs.Rule{Code: "MZ054", Severity: specs.Warning, Title: "a policy warns of the plan",
		Explain: "A rule under `policy`, or in a file given with `-policy`, has a `warn` that is true of the plan. It changes no exit status. " +
			"The rule's own place is named beside the change. A rule with `deny` refuses the plan instead, with exit status 7; nobody can " +
			"consent to that with a flag: change the plan, or the rule."}
	ruleUntestable = &specs.Rule{Code: "MZ055", Severity: specs.Error, Title: "test of a policy rule that cannot be",
		Explain: "A test of a rule expects `deny` of a rule that only warns, or the other way round, or it gives a rule about each `change` " +
			"no change to look at. Correct the expectation, or add `change:` with what the rule reads."}
)

// Codes returns the rules of this package.
func Codes() []*specs.Rule { return []*specs.Rule{ruleExpression, ruleWarned, ruleUntestable} }

// Policy is rules that can be asked.
type Policy struct {
	rules []*rule
	total uint64 // what all of them may cost
}

type rule struct {
	resources.PolicyRule
	program cel.Program
	// each: it is asked for every change.
	each bool
	// warned is the code of its warnings, one for each rule.
	warned *specs.Rule
}

// Place returns where the bytes from start to end of the text of a node stand.
type Place func(n specs.Node, start, end int) specs.Pos

// Compile checks the rules. Those that are well formed are returned.
func Compile(rules []resources.PolicyRule, place Place, report resources.Report) *Policy {
	p := &Policy{total: maxTotal}
	if len(rules) == 0 {
		return p
	}
	env, err := cel.NewEnv(
		cel.Variable("plan", cel.MapType(cel.StringType, cel.DynType)),
		cel.Variable("change", cel.MapType(cel.StringType, cel.DynType)),
		cel.Variable("stack", cel.StringType),
		cel.Variable("now", cel.TimestampType),
		cel.OptionalTypes(), cel.CrossTypeNumericComparisons(true),
		ext.Strings(), ext.Sets(), ext.Lists(), ext.TwoVarComprehensions(),
	)
	if err != nil { // only a mistake above can be the reason
		report(ruleExpression.At(rules[0].Pos, "the language of rules cannot be set up; this is a bug in midaz: "+err.Error(), ""))
		return p
	}
	for _, r := range rules {
		if c := compile(env, r, place, report); c != nil {
			p.rules = append(p.rules, c)
		}
	}
	return p
}

func compile(env *cel.Env, r resources.PolicyRule, place Place, report resources.Report) *rule {
	hint := "`midaz explain MZ053` says what a rule sees"
	if r.Node.Sensitive() {
		report(ruleExpression.At(r.Node.Pos(), fmt.Sprintf("rule %q holds a sensitive value", r.Name), "a rule is shown to everybody"))
		return nil
	}
	ast, issues := env.Compile(r.Expr)
	if issues.Err() != nil {
		for _, e := range issues.Errors() {
			start := offset(r.Expr, e.Location)
			message, _, _ := strings.Cut(e.Message, "\n")
			report(ruleExpression.At(place(r.Node, start, wordEnd(r.Expr, start)), fmt.Sprintf("rule %q: %s", r.Name, message), hint))
		}
		return nil
	}
	if t := ast.OutputType(); !t.IsExactType(types.BoolType) && !t.IsExactType(types.DynType) {
		report(ruleExpression.At(r.Node.Pos(), fmt.Sprintf("rule %q gives %s, and must give true or false", r.Name, t), hint))
		return nil
	}
	program, err := env.Program(ast, cel.CostLimit(maxCost), cel.EvalOptions(cel.OptTrackCost))
	if err != nil {
		report(ruleExpression.At(r.Node.Pos(), fmt.Sprintf("rule %q: %v", r.Name, err), hint))
		return nil
	}
	out := &rule{PolicyRule: r, program: program}
	for _, ref := range ast.NativeRep().ReferenceMap() {
		out.each = out.each || ref.Name == "change"
	}
	copied := *ruleWarned
	out.warned = &copied
	out.checkTests(report)
	return out
}

func (r *rule) checkTests(report resources.Report) {
	for _, t := range r.Tests {
		switch {
		case t.Expect != "pass" && t.Expect != r.word():
			report(ruleUntestable.At(t.Pos, fmt.Sprintf("rule %q cannot %s: it has `%s`", r.Name, t.Expect, r.word()),
				"expect "+r.word()+" or pass"))
		case r.each && t.Change == nil && t.Plan["resource_changes"] == nil:
			report(ruleUntestable.At(t.Pos, fmt.Sprintf("rule %q is about each change, and the test has none", r.Name), "add `change: {...}`"))
		}
	}
}

func (r *rule) word() string {
	if r.Deny {
		return "deny"
	}
	return "warn"
}

// offset returns the byte of a place in an expression.
func offset(text string, at common.Location) int {
	if at == nil || at.Line() < 1 {
		return 0
	}
	lines := strings.SplitAfter(text, "\n")
	start := 0
	for i := 0; i < at.Line()-1 && i < len(lines); i++ {
		start += len(lines[i])
	}
	col := 0
	for i := range text[min(start, len(text)):] {
		if col == at.Column() {
			return start + i
		}
		col++
	}
	return min(start, len(text))
}

// wordEnd returns the end of the word, or of the single character, at a byte.
func wordEnd(text string, start int) int {
	end := start
	for end < len(text) && (text[end] == '_' || text[end] >= '0' && text[end] <= '9' || text[end]|0x20 >= 'a' && text[end]|0x20 <= 'z') {
		end++
	}
	return min(max(end, start+1), len(text))
}

// Violation is what a rule has found.
type Violation struct {
	Rule    *resources.PolicyRule
	Address string // of the change, "" for the plan as a whole
	Message string
	// Code is the rule of a warning.
	Code *specs.Rule
}

// IsEmpty reports whether there is no rule.
func (p *Policy) IsEmpty() bool { return p == nil || len(p.rules) == 0 }

// Judge asks every rule about a plan in the form of its JSON. A rule that
// cannot be evaluated counts as violated: what is not known is not allowed.
func (p *Policy) Judge(plan map[string]any, stack string, now time.Time) []Violation {
	var out []Violation
	budget := p.total
	changes, _ := plan["resource_changes"].([]any)
	for _, r := range p.rules {
		ask := []any{nil}
		if r.each {
			ask = changes
		}
		for _, change := range ask {
			c, _ := change.(map[string]any)
			violated, err := r.ask(plan, c, stack, now, &budget)
			if !violated && err == nil {
				continue
			}
			v := Violation{Rule: &r.PolicyRule, Message: r.Message, Code: r.warned}
			v.Address, _ = c["address"].(string)
			if v.Message == "" {
				v.Message = "it is not allowed"
			}
			if err != nil {
				v.Message = "the rule cannot be evaluated: " + err.Error()
			}
			out = append(out, v)
		}
	}
	return out
}

func (r *rule) ask(plan, change map[string]any, stack string, now time.Time, budget *uint64) (bool, error) {
	if *budget == 0 {
		return false, errors.New("all rules together cost too much")
	}
	if plan == nil {
		plan = map[string]any{}
	}
	if change == nil {
		change = map[string]any{}
	}
	v, details, err := r.program.Eval(map[string]any{"plan": plan, "change": change, "stack": stack, "now": now})
	if details != nil && details.ActualCost() != nil {
		*budget -= min(*budget, *details.ActualCost())
	}
	if err != nil {
		return false, err
	}
	violated, ok := v.Value().(bool)
	if !ok {
		return false, fmt.Errorf("it gives %s, and must give true or false", v.Type().TypeName())
	}
	return violated, nil
}

// TestResult is what came of one test of a rule.
type TestResult struct {
	Rule string
	Test resources.PolicyTest
	Got  string // "deny", "warn", "pass"
	Err  error  // why the rule could not be evaluated
}

// Passed reports whether the rule did what was expected.
func (t TestResult) Passed() bool { return t.Err == nil && t.Got == t.Test.Expect }

// Test tries every rule on its own tests.
func (p *Policy) Test(now time.Time) []TestResult {
	var out []TestResult
	for _, r := range p.rules {
		for _, t := range r.Tests {
			at := t.Now
			if at.IsZero() {
				at = now
			}
			res := TestResult{Rule: r.Name, Test: t, Got: "pass"}
			changes := []any{map[string]any(t.Change)}
			if t.Change == nil && r.each {
				changes, _ = t.Plan["resource_changes"].([]any)
			}
			budget := p.total
			for _, change := range changes {
				c, _ := change.(map[string]any)
				violated, err := r.ask(t.Plan, c, t.Stack, at, &budget)
				if err != nil {
					res.Err = err
				}
				if violated {
					res.Got = r.word()
				}
			}
			out = append(out, res)
		}
	}
	return out
}
