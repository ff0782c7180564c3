package engine

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

var (
	ruleIgnoreNothing = &specs.Rule{Code: "MZ044", Severity: specs.Warning, Title: "ignore rule about nothing",
		Explain: "A rule under `drift.ignore` names an address that the spec does not declare, or a field that resources of that kind do not " +
			"have, so it lets nothing be. Most often it is misspelt, or its service has left the spec. Correct it, or remove it."}
	ruleIgnoreExpired = &specs.Rule{Code: "MZ045", Severity: specs.Warning, Title: "ignore rule has expired",
		Explain: "The last day of a rule under `drift.ignore` is over: what it let be is shown as drift again, and repaired by the next " +
			"apply. Write the value into the spec (`midaz drift -adopt ADDRESS`), remove the rule, or give it a later day and say why."}
)

// ignores reads the rules for drift that is let be.
func (r *resolver) ignores(all *resources.Declared) []resources.Ignore {
	rules := resources.ReadIgnores(r.spec.Root, r.report)
	for _, rule := range rules {
		r.checkIgnore(all, rule)
	}
	return rules
}

func (r *resolver) checkIgnore(all *resources.Declared, rule resources.Ignore) {
	var names []string
	kinds := map[string]bool{}
	for _, res := range all.Resources {
		names = append(names, res.Addr.String())
		if res.Addr.Match(rule.Address) {
			kinds[res.Addr.Kind] = true
		}
	}
	if len(kinds) == 0 {
		r.report(ruleIgnoreNothing.At(rule.Pos, fmt.Sprintf("the ignore rule is for %q, and nothing of that address is declared", rule.Address),
			specs.DidYouMean(rule.Address, names)))
		return
	}
	field := rule.Field
	if parts := resources.SplitPath(field); len(parts) > 0 {
		field = parts[0].Key
	}
	if strings.ContainsAny(field, "*?[\\") || slices.Contains(beyondFields, field) {
		return
	}
	var fields []string
	for _, k := range all.Kinds {
		if kinds[k.Table().Kind] {
			fields = append(fields, k.Table().Keys()...)
		}
	}
	if !slices.Contains(fields, field) {
		r.report(ruleIgnoreNothing.At(rule.Pos, fmt.Sprintf("the ignore rule is about the field %q, which %s has not", field, rule.Address),
			specs.DidYouMean(field, fields)))
	}
}

// beyondFields are words for differences that are of no field of the spec.
var beyondFields = []string{"state", "containers", "digest"}

// HoldIgnores drops the rules whose last day is over and returns a warning for
// each. What is declared is one of the few things here that change with time,
// so it is told the time.
func HoldIgnores(declared *resources.Declared, now time.Time) specs.Problems {
	var out specs.Problems
	declared.Ignored = slices.DeleteFunc(declared.Ignored, func(rule resources.Ignore) bool {
		if !rule.Expired(now) {
			return false
		}
		out = append(out, ruleIgnoreExpired.At(rule.Pos, fmt.Sprintf("the ignore rule for %s of %s has expired: its last day was %s", rule.Field,
			rule.Address, rule.Until.Format(resources.DateForm)),
			"write the value into the spec with `midaz drift -adopt "+rule.Address+"`, remove the rule, or give it a later day"))
		return true
	})
	return out
}

// relevant returns the differences of a resource that a plan is about, and
// those that a rule of the spec lets be.
func relevant(declared *resources.Declared, onlyDrift bool, a resources.Addr, delta resources.Delta) (rest, ignored resources.Delta) {
	for _, d := range delta {
		if slices.ContainsFunc(declared.Ignored, func(rule resources.Ignore) bool { return rule.Match(a, d) }) {
			ignored = append(ignored, d)
		} else {
			rest = append(rest, d)
		}
	}
	if onlyDrift {
		rest = drifted(rest)
	}
	return rest, ignored
}

// drifted returns the differences that bringing back what was changed outside
// comes to: those themselves, what is written only together with them, and
// everything once the object has to be made anew.
func drifted(delta resources.Delta) resources.Delta {
	drift := slices.DeleteFunc(slices.Clone(delta), func(d resources.Diff) bool { return !d.Drift })
	switch {
	case len(drift) == 0:
		return nil
	case drift.Cost() == resources.Remake:
		return delta
	}
	return slices.DeleteFunc(slices.Clone(delta), func(d resources.Diff) bool {
		return !d.Drift && (d.Alone || !drift.Has(d.Field))
	})
}
