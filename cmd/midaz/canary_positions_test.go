package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/app"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/cli"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/render"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// What the variable of the generated specs holds: a text that most patterns
// allow, a key of several lines with what encoders escape, and one that is so
// short that only the mark of its field masks it.
const (
	lineCanary  = "c4nary-Xq7vZp93Lw"
	keyCanary   = "-----BEGIN KEY-----\nc4nary\"<l1>&\\Zp9\n\tc4nary'l2 +/=\n-----END KEY-----\n"
	shortCanary = "q7Z"
)

// position is a spec with a variable at one place where a text can stand.
type position struct {
	where string
	spec  string
	table *resources.Table
}

// positions returns a spec for each scalar in the examples of every field of
// every kind, at any depth: with a reference in its place, and within its text.
func positions(t *testing.T, form func(text string) string) []position {
	t.Helper()
	var out []position
	for _, k := range app.RealWorld().Kinds() {
		table := k.Table()
		if table.Section == "" {
			continue
		}
		base, err := specs.ParseValue(table.Example)
		if err != nil {
			t.Fatalf("%s: %v", table.Kind, err)
		}
		for i := range table.Fields {
			f := &table.Fields[i]
			for _, value := range writtenForms(t, f) {
				for n, changed := range scalarsChanged(value, form) {
					out = append(out, position{fmt.Sprintf("%s.%s (%d)", table.Kind, f.Key, n), positionSpec(t, table, base, f.Key, changed), table})
				}
			}
		}
	}
	return out
}

// writtenForms are the examples of a field, and of every key inside it.
func writtenForms(t *testing.T, f *resources.Field) []any {
	t.Helper()
	var out []any
	parse := func(text string) any {
		v, err := specs.ParseValue(text)
		if err != nil {
			t.Fatalf("%s: %v", f.Key, err)
		}
		return v
	}
	for _, text := range []string{f.Example, f.Other} {
		if text != "" {
			out = append(out, parse(text))
		}
	}
	for _, p := range f.Parts("part") {
		if p.Field.Example != "" {
			out = append(out, p.Write(parse(p.Field.Example)))
		}
	}
	return out
}

// scalarsChanged returns the value once for each of its scalars, changed there.
func scalarsChanged(v any, form func(string) string) []any {
	var out []any
	var visit func(v any, put func(any) any)
	visit = func(v any, put func(any) any) {
		switch v := v.(type) {
		case map[string]any:
			for _, k := range slices.Sorted(maps.Keys(v)) {
				visit(v[k], func(e any) any {
					m := maps.Clone(v)
					m[k] = e
					return put(m)
				})
			}
		case []any:
			for i := range v {
				visit(v[i], func(e any) any {
					l := slices.Clone(v)
					l[i] = e
					return put(l)
				})
			}
		case nil:
		default:
			out = append(out, put(form(fmt.Sprint(v))))
		}
	}
	visit(v, func(v any) any { return v })
	return out
}

// positionSpec returns a spec that declares the example of a kind with one field
// set.
func positionSpec(t *testing.T, table *resources.Table, base any, key string, value any) string {
	t.Helper()
	path := strings.Split(table.Section, "/")
	var build func(path []string, base any) any
	build = func(path []string, base any) any {
		if len(path) == 0 {
			m, _ := base.(map[string]any)
			m = maps.Clone(m)
			if m == nil {
				m = map[string]any{}
			}
			m[key] = value
			return m
		}
		last := !slices.ContainsFunc(path[1:], func(p string) bool { return p == "*" || p == "-" })
		switch path[0] {
		case "*":
			if m, ok := base.(map[string]any); ok && last && len(m) > 0 {
				name := slices.Sorted(maps.Keys(m))[0]
				return map[string]any{name: build(path[1:], m[name])}
			}
			return map[string]any{"x1": build(path[1:], base)}
		case "-":
			if l, ok := base.([]any); ok && len(l) > 0 {
				return []any{build(path[1:], l[0])}
			}
			return []any{build(path[1:], base)}
		default:
			return map[string]any{path[0]: build(path[1:], base)}
		}
	}
	doc := build(path, base).(map[string]any)
	doc["version"], doc["stack"] = "1", "canary"
	doc["variables"] = map[string]any{"CANARY": map[string]any{"sensitive": true}}
	text, err := yaml.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var positionForms = map[string]func(string) string{
	"alone":     func(string) string { return "${CANARY}" },
	"at an end": func(text string) string { return text + "${CANARY}" },
	"inside":    func(text string) string { return text + "-${CANARY}/x" },
}

func loadPosition(text, canary string, kinds []resources.Kind) (*specs.Spec, *resources.Declared, specs.Problems) {
	spec, problems := specs.Load(specs.Options{Files: []string{"-"}, Stdin: strings.NewReader(text), Vars: []string{"CANARY=" + canary},
		Profiles: []string{"*"}})
	declared, more := engine.Resolve(spec, kinds)
	return spec, declared, append(problems, more...)
}

// hasKeyWith reports whether a text stands in a key of a map, where no mark can
// be.
func hasKeyWith(v any, text string) bool {
	switch v := v.(type) {
	case []any:
		return slices.ContainsFunc(v, func(e any) bool { return hasKeyWith(e, text) })
	case map[string]any:
		for k, e := range v {
			if strings.Contains(k, text) || hasKeyWith(e, text) {
				return true
			}
		}
	}
	return false
}

// TestCanaryMarksSurvive puts a short secret at every place: no conversion of a
// field loses its mark, on which alone it depends that it is not shown.
func TestCanaryMarksSurvive(t *testing.T) {
	kinds, seen := app.RealWorld().Kinds(), 0
	for form, write := range positionForms {
		for _, p := range positions(t, write) {
			for _, canary := range []string{shortCanary} {
				_, declared, _ := loadPosition(p.spec, canary, kinds)
				for _, r := range declared.Resources {
					if hasKeyWith(map[string]any(r.Config), canary) {
						continue
					}
					seen++
					if text := resources.Seal(r.Config).String(); strings.Contains(text, canary) {
						t.Errorf("%s, %s: the label of %s holds the secret: %s", p.where, form, r.Addr, text)
					}
					if text := resources.Show(map[string]any(r.Config)); strings.Contains(text, canary) {
						t.Errorf("%s, %s: %s shows the secret: %s", p.where, form, r.Addr, text)
					}
				}
			}
		}
	}
	if seen < 2000 {
		t.Errorf("only %d resources were looked at", seen)
	}
}

// TestCanaryInOutputs puts a secret at a sample of the places, with
// MIDAZ_CANARY=all at every one, and looks for it in what is written about it:
// problems and plans in several formats, and what is remembered on the objects.
// Unlike in TestCanaryInCommands each spec has only that one place.
func TestCanaryInOutputs(t *testing.T) {
	kinds := app.RealWorld().Kinds()
	for _, c := range []struct {
		name, canary, form string
		every              int // of how many positions one is tried
	}{{"line", lineCanary, "inside", 4}, {"key", keyCanary, "alone", 16}} {
		redactor := resources.NewRedactor(cli.Spellings...)
		redactor.Learn(c.canary)
		for i, p := range positions(t, positionForms[c.form]) {
			if i%c.every != 0 && os.Getenv("MIDAZ_CANARY") != "all" {
				continue
			}
			spec, declared, problems := loadPosition(p.spec, c.canary, kinds)
			for what, text := range positionOutputs(spec, declared, problems, redactor) {
				if strings.Contains(text, "c4nary") {
					t.Errorf("%s, %s: the secret shows in %s:\n%s", p.where, c.name, what, around(text, "c4nary"))
				}
			}
		}
	}
}

// positionOutputs is what is written about a spec, as it leaves the process.
func positionOutputs(spec *specs.Spec, declared *resources.Declared, problems specs.Problems, r *resources.Redactor) map[string]string {
	plan := engine.MakePlan(declared, engine.NewSeen(nil), engine.Options{})
	out := map[string]string{
		"problems":         r.Text(render.ProblemText(spec, problems, true)),
		"problems as JSON": string(r.JSON([]byte(render.JSONText(render.ProblemsJSON(problems))))),
		"plan":             r.Text(render.PlanText(plan, true)),
		"plan as JSON":     string(r.JSON([]byte(render.JSONText(render.PlanJSON(plan, problems))))),
		"markdown":         r.Text(render.PlanMarkdown(plan, problems, render.MaxComment)),
		"graph":            r.Text(render.MermaidText(report.PlanPicture(plan)) + render.DotText(report.PlanPicture(plan))),
	}
	for _, res := range declared.Resources {
		out["label of "+res.Addr.String()] = res.Seal(res.Config).String()
	}
	return out
}

// around returns the part of a text near a word.
func around(text, word string) string {
	at := strings.Index(text, word)
	return text[max(0, at-200):min(len(text), at+100)]
}
