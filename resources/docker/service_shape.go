package docker

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// refined is a type whose decoded value is checked further or rewritten. The
// error of refine says what is wrong without repeating the value.
type refined struct {
	resources.Type
	refine func(resources.Value) (resources.Value, error)
}

// Decode decodes as the type below and refines the value.
func (t refined) Decode(n specs.Node, report resources.Report) (resources.Value, bool) {
	v, ok := t.Type.Decode(n, report)
	if !ok && v == nil {
		return nil, false
	}
	out, err := t.refine(v)
	if err != nil && !ok {
		return nil, false
	}
	if err != nil {
		report(resources.RuleValue.At(n.Pos(), err.Error(), ""))
		return nil, false
	}
	return out, ok
}

// Inner returns the type below.
func (t refined) Inner(string) []resources.Held {
	return []resources.Held{{Type: t.Type, Write: asIs}}
}

func asIs(v any) any { return v }

// optional is a text whose empty form means "not declared".
func optional(t resources.Type) resources.Type {
	return refined{t, func(v resources.Value) (resources.Value, error) {
		if v == "" {
			return nil, nil
		}
		return v, nil
	}}
}

// either is a type written in one of two forms that differ in kind; pick tells
// whether a node has the first. Both give the same canonical values.
type either struct {
	pick          func(specs.Node) bool
	first, second resources.Type
}

// Schema allows both forms.
func (t either) Schema() resources.Schema {
	return resources.Schema{"anyOf": []any{t.first.Schema(), t.second.Schema()}}
}

// Decode decodes the form that the node has.
func (t either) Decode(n specs.Node, report resources.Report) (resources.Value, bool) {
	if t.pick(n) {
		return t.first.Decode(n, report)
	}
	return t.second.Decode(n, report)
}

// Inner returns both forms.
func (t either) Inner(string) []resources.Held {
	return []resources.Held{{Type: t.first, Write: asIs}, {Type: t.second, Write: asIs}}
}

// named is a list of names, or a map from name to an object that may be empty.
// The canonical value is a map from name to object.
type named struct {
	what string // of the name, for people: "a network"
	elem resources.Object
	// plain is the object a bare name stands for, nil meaning empty.
	plain map[string]any
}

// Schema allows both forms.
func (t named) Schema() resources.Schema {
	o := t.elem
	o.NullOK = true
	return resources.Schema{"oneOf": []any{
		resources.Schema{"type": "array", "items": resources.Schema{"type": "string"}},
		resources.Schema{"type": "object", "additionalProperties": o.Schema()},
	}}
}

// Decode returns map[string]any of map[string]any.
func (t named) Decode(n specs.Node, report resources.Report) (resources.Value, bool) {
	out, good := map[string]any{}, true
	switch n.Kind() {
	case specs.List:
		for _, item := range n.Items() {
			switch {
			case !resources.CheckName(item, "the name of "+t.what, report):
				good = false
			case !item.IsScalar() || item.Text() == "":
				report(resources.RuleShape.At(item.Pos(), "expected the name of "+t.what+", found "+item.Kind().String(),
					"to give it settings, write a map from name to settings instead of a list"))
				good = false
			case out[item.Text()] != nil:
				report(resources.RuleDuplicateItem.At(item.Pos(), t.what+" "+strconv.Quote(item.Text())+" is named twice", "remove one of the two"))
				good = false
			default:
				plain := maps.Clone(t.plain)
				if plain == nil {
					plain = map[string]any{}
				}
				out[item.Text()] = plain
			}
		}
	case specs.Map:
		o := t.elem
		o.NullOK = true
		for _, e := range n.Entries() {
			v, ok := o.Decode(e.Value, report)
			if !ok {
				good = false
				continue
			}
			out[e.Key] = v
		}
	case specs.Null:
	default:
		report(resources.RuleShape.At(n.Pos(), "expected a list of names or a map, found "+n.Kind().String(), ""))
		return nil, false
	}
	return out, good
}

// Inner returns the object, under a name.
func (t named) Inner(name string) []resources.Held {
	return []resources.Held{{Type: t.elem, Write: func(v any) any { return map[string]any{name: v} }}}
}

// textOf returns text cut out of a node as a string, or as a Secret when the
// node is sensitive.
func textOf(n specs.Node, text string) resources.Value {
	if n.Sensitive() {
		return resources.NewSecret(text)
	}
	return text
}

// bad reports a value of a node that may be sensitive.
func bad(n specs.Node, want string, report resources.Report) {
	found := strconv.Quote(n.Text())
	if n.Sensitive() {
		found = "a sensitive value"
	}
	if !n.IsScalar() {
		found = n.Kind().String()
	}
	report(resources.RuleValue.At(n.Pos(), "expected "+want+", found "+found, ""))
}

// drop removes the keys whose value is the one given, because the engine shows
// a default like nothing.
func drop(m map[string]any, defaults map[string]any) {
	for k, d := range defaults {
		if v, ok := m[k]; ok && (resources.Equal(v, d) || resources.IsEmpty(v)) {
			delete(m, k)
		}
	}
}

// compact returns the map without absent and empty values, nil when nothing is
// left.
func compact(m map[string]any) map[string]any {
	maps.DeleteFunc(m, func(_ string, v any) bool { return resources.IsEmpty(v) })
	if len(m) == 0 {
		return nil
	}
	return m
}

// listOf returns texts as a canonical list, nil when there are none.
func listOf(texts []string) resources.Value {
	if len(texts) == 0 {
		return nil
	}
	out := make([]any, len(texts))
	for i, t := range texts {
		out[i] = t
	}
	return out
}

// setOf returns texts as a canonical set, nil when there are none.
func setOf(texts []string) resources.Value {
	texts = slices.Clone(texts)
	slices.Sort(texts)
	return listOf(slices.Compact(texts))
}

// mapOfTexts returns a canonical map, nil when it is empty.
func mapOfTexts(m map[string]string) resources.Value {
	if len(m) == 0 {
		return nil
	}
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

// textMap returns a canonical map as the engine takes it. It reveals secrets.
func textMap(v resources.Value) map[string]string {
	m := mapOf(v)
	out := make(map[string]string, len(m))
	for k, e := range m {
		out[k] = resources.Text(e)
	}
	return out
}

// checked is a text that must be one of the words, compared without case.
func oneOf(what string, canonical func(string) (string, error)) resources.Type {
	return resources.Checked(what, canonical)
}

var errMalformed = errors.New("it is not well formed")

func upper(s string) string { return strings.ToUpper(strings.TrimSpace(s)) }

// sortedKeys returns the keys of a map in order.
func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }
