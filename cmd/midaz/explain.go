package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/render"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/engine/policy"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// allRules returns the rules of every package, in order of their codes.
func allRules(w world) []*specs.Rule {
	rules := slices.Concat(specs.Rules(), resources.Rules(), engine.Rules(), policy.Codes())
	if w.rules != nil {
		rules = append(rules, w.rules()...)
	}
	for _, k := range w.kinds() {
		if r, ok := k.(resources.Ruled); ok {
			rules = append(rules, r.Rules()...)
		}
	}
	slices.SortStableFunc(rules, func(a, b *specs.Rule) int { return strings.Compare(a.Code, b.Code) })
	return slices.CompactFunc(rules, func(a, b *specs.Rule) bool { return a == b })
}

// explain tells what a code, a kind or a field means.
func explain(c *call, v *view) error {
	kinds := c.sys.world.kinds()
	rules := allRules(c.sys.world)
	if len(c.opt.args) == 0 {
		v.print(render.ExplainListText(rules, kinds, v.out()))
		return nil
	}
	word := c.opt.args[0]
	for _, r := range rules {
		if strings.EqualFold(r.Code, word) {
			v.print(render.RuleText(r, v.out()))
			return nil
		}
	}
	kind, field, dotted := strings.Cut(word, ".")
	names := make([]string, 0, len(kinds)+len(rules))
	for _, k := range kinds {
		t := k.Table()
		names = append(names, t.Kind)
		if t.Kind != kind {
			continue
		}
		if !dotted {
			v.print(render.TableHelp(t, v.out()))
			return nil
		}
		if f, ok := t.Field(field); ok {
			v.print(render.FieldText(t, f, v.out()))
			return nil
		}
		if why, ok := t.Refused[field]; ok {
			v.print(fmt.Sprintf("%s.%s is not supported: %s\n", t.Kind, field, why))
			return nil
		}
		return c.usage(fmt.Sprintf("%s has no field %q", t.Kind, field), specs.DidYouMean(field, t.Keys()))
	}
	for _, r := range rules {
		names = append(names, r.Code)
	}
	hint := "`midaz explain` lists what there is"
	if near := specs.Suggest(word, names); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	return c.usage(fmt.Sprintf("nothing is called %q", word), hint)
}
