package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/app"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/render"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/engine/policy"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// AllRules returns the rules of every package, in order of their codes.
func AllRules(w app.World) []*specs.Rule {
	rules := slices.Concat(specs.Rules(), resources.Rules(), engine.Rules(), policy.Codes())
	if w.Rules != nil {
		rules = append(rules, w.Rules()...)
	}
	for _, k := range w.Kinds() {
		if r, ok := k.(resources.Ruled); ok {
			rules = append(rules, r.Rules()...)
		}
	}
	slices.SortStableFunc(rules, func(a, b *specs.Rule) int { return strings.Compare(a.Code, b.Code) })
	return slices.CompactFunc(rules, func(a, b *specs.Rule) bool { return a == b })
}

// explain tells what a code, a kind or a field means.
func explain(c *app.Call, v *View) error {
	kinds := c.Sys.World.Kinds()
	rules := AllRules(c.Sys.World)
	if len(c.Opt.Args) == 0 {
		v.print(render.ExplainListText(rules, kinds, v.out()))
		return nil
	}
	word := c.Opt.Args[0]
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
		return c.Usage(fmt.Sprintf("%s has no field %q", t.Kind, field), specs.DidYouMean(field, t.Keys()))
	}
	for _, r := range rules {
		names = append(names, r.Code)
	}
	hint := "`midaz explain` lists what there is"
	if near := specs.Suggest(word, names); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	return c.Usage(fmt.Sprintf("nothing is called %q", word), hint)
}
