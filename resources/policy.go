package resources

import (
	"errors"
	"time"

	"github.com/LerianStudio/midaz-infra/specs"
)

// PolicyRule is a rule on plans, as it is written in the section `policy`.
type PolicyRule struct {
	Name string
	// Deny says that a plan that meets Expr is refused, otherwise it is warned of.
	Deny    bool
	Expr    string     // in CEL
	Node    specs.Node // of Expr
	Message string     // what is wrong, "" to name the rule
	Field   string     // of the resource, where it is reported
	Tests   []PolicyTest
	Pos     specs.Pos // of the name
}

// PolicyTest is a plan, or one change of it, with what the rule is to make of
// it.
type PolicyTest struct {
	Name         string
	Expect       string // "deny", "warn" or "pass"
	Plan, Change map[string]any
	Stack        string
	Now          time.Time // zero for the time of the test
	Pos          specs.Pos
}

// Policy is the top-level section `policy`.
var Policy = MapOf(policyRule)

var policyRule = Object{
	What: "a rule",
	Fields: []Field{
		{Key: "deny", Type: String(), Example: `change.type == "volume" && "delete" in change.change.actions && now.getDayOfWeek() == 5`,
			Doc: "What must not be, in CEL: a plan for which it is true is refused (status 7). It sees `plan` (as `plan -json` prints it), " +
				"`stack` and `now`; one that mentions `change` is asked for each entry of `resource_changes`."},
		{Key: "warn", Type: String(), Example: `plan.summary.remove > 3`, Doc: "What should not be: the same, and only warned of."},
		{Key: "message", Type: String(), Example: "volumes are not destroyed on Fridays", Doc: "What is wrong, for whoever has made the change."},
		{Key: "field", Type: String(), Example: "image", Doc: "The field of the resource at whose line it is reported."},
		{Key: "tests", Type: List(policyTest), Example: `[{change: {type: volume, change: {actions: [delete]}}, now: "2026-11-20T12:00:00Z", expect: deny}]`, Doc: "What `midaz policy test` tries the rule on."},
	},
	Finish: func(v map[string]any) error {
		if (v["deny"] == nil) == (v["warn"] == nil) {
			return errors.New("it has `deny` or `warn`, and not both")
		}
		return nil
	},
}

var policyTest = Object{
	What: "a test of a rule",
	Fields: []Field{
		{Key: "name", Type: String(), Example: "on a Friday", Doc: "What is tried."},
		{Key: "expect", Type: Enum("deny", "warn", "pass"), Required: true, Example: "deny", Doc: "What the rule is to make of it."},
		{Key: "change", Type: document{}, Example: "{type: volume, change: {actions: [delete]}}",
			Doc: "One entry of `resource_changes`, as far as the rule reads it."},
		{Key: "plan", Type: document{}, Example: "{summary: {remove: 4}}", Doc: "A plan, as far as the rule reads it."},
		{Key: "stack", Type: String(), Example: "shop", Doc: "The name of the stack."},
		{Key: "now", Type: Checked("a time such as 2026-11-20T12:00:00Z", instant), Example: `"2026-11-20T12:00:00Z"`,
			Doc: "The time at which it is tried (default: that of the test)."},
	},
}

// document is a map that holds what JSON can hold, nulls included.
type document struct{}

// Schema allows any object.
func (document) Schema() Schema { return Schema{"type": "object"} }

// Decode returns map[string]any.
func (document) Decode(n specs.Node, report Report) (Value, bool) {
	if n.Kind() != specs.Map {
		return wrongShape(n, "a map", report)
	}
	return n.JSON(), true
}

func instant(s string) (string, error) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return "", errors.New("it has the form YYYY-MM-DDThh:mm:ssZ")
	}
	return t.Format(time.RFC3339), nil
}

// ReadPolicy reads the rules of a spec, in order of their writing. Each that is
// well formed is returned.
func ReadPolicy(root specs.Node, report Report) []PolicyRule {
	section, ok := root.Entry("policy")
	if !ok || section.Value.Kind() == specs.Null {
		return nil
	}
	if section.Value.Kind() != specs.Map {
		report(RuleShape.At(section.Value.Pos(), "policy is a map from names to rules, not "+section.Value.Kind().String(), ""))
		return nil
	}
	var out []PolicyRule
	for _, e := range section.Value.Entries() {
		v, ok := policyRule.Decode(e.Value, report)
		m, isMap := v.(map[string]any)
		if !ok || !isMap {
			continue
		}
		c := Config(m)
		rule := PolicyRule{Name: e.Key, Deny: m["deny"] != nil, Message: c.Text("message"), Field: c.Text("field"), Pos: e.KeyPos}
		key := "warn"
		if rule.Deny {
			key = "deny"
		}
		rule.Expr, rule.Node = c.Text(key), e.Value.Get(key)
		for i, t := range c.List("tests") {
			test, _ := t.(map[string]any)
			c := Config(test)
			now, _ := time.Parse(time.RFC3339, c.Text("now"))
			rule.Tests = append(rule.Tests, PolicyTest{Name: c.Text("name"), Expect: c.Text("expect"), Plan: c.Map("plan"), Change: c.Map("change"),
				Stack: c.Text("stack"), Now: now, Pos: e.Value.Get("tests").Items()[i].Pos()})
		}
		out = append(out, rule)
	}
	return out
}
