package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/engine/policy"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// policies are the rules that a plan is held against, by the file they are of.
type policies []*policy.Policy

// readPolicy reads the rules that a spec holds.
func readPolicy(spec *specs.Spec, report resources.Report) *policy.Policy {
	return policy.Compile(resources.ReadPolicy(spec.Root, report), spec.Place, report)
}

// policyFile reads a file of rules.
func (c *Call) policyFile(name string) (*specs.Spec, *policy.Policy, specs.Problems) {
	spec, problems := specs.Load(specs.Options{Files: []string{name}, Dir: c.Opt.Source.Dir, NoInterpolate: true})
	report := func(p *specs.Problem) { problems = append(problems, p) }
	for _, e := range spec.Root.Entries() {
		if e.Key != "policy" && !resources.IsExtension(e.Key) {
			report(resources.RuleUnknownKey.At(e.KeyPos, fmt.Sprintf("unknown key %q in a file of rules", e.Key), "rules stand under `policy:`"))
		}
	}
	rules := readPolicy(spec, report)
	problems, _ = spec.Silence(problems.Sorted())
	return spec, rules, problems
}

// needPolicies reads the files of rules and shows what is wrong with them.
func (c *Call) needPolicies() error {
	var wrong specs.Problems
	for _, name := range c.Opt.Policies {
		spec, rules, problems := c.policyFile(name)
		c.tell(report.Problems{Spec: spec, List: problems})
		wrong = append(wrong, problems...)
		c.policies = append(c.policies, rules)
	}
	c.problems = append(c.problems, wrong...)
	if wrong.Errors() > 0 {
		c.tell(report.InvalidPolicies{List: wrong})
		return report.Shown(report.ErrInvalid)
	}
	return nil
}

// judge holds the plan against the rules: what they deny the plan is refused
// for, what they warn of is told.
func (c *Call) judge(p *engine.Plan) error {
	all := slices.DeleteFunc(slices.Clone(c.policies), (*policy.Policy).IsEmpty)
	if len(all) == 0 {
		return nil
	}
	doc, err := documentOf(c.Sys.Document(p, c.problems))
	if err != nil {
		return err
	}
	var warnings specs.Problems
	for _, rules := range all {
		for _, v := range rules.Judge(doc, p.Stack, c.Sys.Now()) {
			r := engine.Refusal{Code: "policy", Pos: v.Rule.Pos, Msg: specs.Printable(fmt.Sprintf("rule %q: %s", v.Rule.Name, v.Message)),
				Hint: fmt.Sprintf("change what the rule speaks of, or the rule, which stands at %s", v.Rule.Pos)}
			if addr, err := resources.ParseAddr(v.Address); err == nil {
				r.Addr = addr
				r.Pos = placeOfField(p.Change(addr), v.Rule.Field, r.Pos)
			}
			if v.Rule.Deny {
				p.Refusals = append(p.Refusals, r)
				continue
			}
			msg := r.Msg
			if v.Address != "" {
				msg = v.Address + ": " + msg
			}
			warnings = append(warnings, v.Code.At(r.Pos, msg, "").And(v.Rule.Pos, "the rule"))
		}
	}
	c.warn(warnings)
	return nil
}

// placeOfField is the line that a rule speaks of: that of the field, else of
// the resource, else the one given.
func placeOfField(change *engine.Change, field string, or specs.Pos) specs.Pos {
	switch {
	case change == nil || change.Pos().IsZero():
		return or
	case change.Want != nil && field != "":
		return change.Want.Pos(resources.Pointer(field))
	default:
		return change.Pos()
	}
}

// documentOf returns a document as a reader of its JSON has it.
func documentOf(doc any) (map[string]any, error) {
	text, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("plan for the policy: %w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var out map[string]any
	if err := dec.Decode(&out); err != nil {
		return nil, fmt.Errorf("plan for the policy: %w", err)
	}
	out, _ = resources.Normalize(out).(map[string]any)
	return out, nil
}

// errTests: tests of rules did not pass, and were printed.
var errTests = errors.New("tests of the policy failed")

// PolicyTest tries the rules on their own tests.
func PolicyTest(c *Call) error {
	var results []policy.TestResult
	if len(c.Opt.Args) == 0 {
		if err := c.need(); err != nil {
			return err
		}
		for _, p := range c.policies {
			results = append(results, p.Test(c.Sys.Now())...)
		}
	}
	broken := 0
	for _, name := range c.Opt.Args {
		spec, rules, problems := c.policyFile(name)
		c.tell(report.Problems{Spec: spec, List: problems})
		broken += problems.Errors()
		results = append(results, rules.Test(c.Sys.Now())...)
	}
	if broken > 0 {
		return report.Shown(report.ErrInvalid)
	}
	c.tell(report.PolicyTested{Results: results})
	if slices.ContainsFunc(results, func(r policy.TestResult) bool { return !r.Passed() }) {
		return report.Shown(errTests)
	}
	return nil
}
