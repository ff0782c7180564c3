package render

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

func ExplainListText(rules []*specs.Rule, kinds []resources.Kind, i Ink) string {
	var b strings.Builder
	b.WriteString(i.In(Bold, "Codes") + "\n")
	for _, r := range rules {
		fmt.Fprintf(&b, "  %s  %s  %s\n", r.Code, Pad(string(r.Severity), 7), r.Title)
	}
	b.WriteString("\n" + i.In(Bold, "Kinds") + "\n")
	for _, k := range kinds {
		t := k.Table()
		if t.Section == "" {
			continue
		}
		fmt.Fprintf(&b, "  %s  %s\n", Pad(t.Kind, 16), FirstSentence(t.Doc))
	}
	b.WriteString("\n`midaz explain CODE`, `midaz explain KIND` and `midaz explain KIND.FIELD` tell more.\n")
	return b.String()
}

// FirstSentence cuts text at its first full stop.
func FirstSentence(text string) string {
	if i := strings.Index(text, ". "); i >= 0 {
		return text[:i+1]
	}
	return text
}

func RuleText(r *specs.Rule, i Ink) string {
	return fmt.Sprintf("%s (%s): %s\n\n%s\n", i.In(Bold, r.Code), r.Severity, r.Title, strings.TrimSpace(r.Explain))
}

// TableHelp describes a kind with one line a field.
func TableHelp(t *resources.Table, i Ink) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", i.In(Bold, t.Kind), t.Doc)
	if t.Section != "" {
		fmt.Fprintf(&b, "\nWritten under %s.\n", strings.NewReplacer("/*", "/NAME", "/-", " (a list)").Replace(t.Section))
	}
	b.WriteString("\n" + i.In(Bold, "Fields") + "\n")
	width := 0
	for i := range t.Fields {
		width = max(width, len(t.Fields[i].Key))
	}
	for n := range t.Fields {
		f := &t.Fields[n]
		for k, part := range Wrap(FirstSentence(f.Doc), 100-width) {
			key := f.Key
			if k > 0 {
				key = ""
			}
			fmt.Fprintf(&b, "  %s  %s\n", Pad(key, width), part)
		}
	}
	return b.String()
}

func FieldText(t *resources.Table, f *resources.Field, i Ink) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n\n", i.In(Bold, t.Kind+"."+f.Key), f.Doc)
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(&b, "  %s %s\n", Pad(name+":", 10), text)
		}
	}
	line("example", f.Example)
	if f.Default != nil {
		line("default", resources.Show(f.Default))
	} else if f.Open {
		line("default", "the engine chooses")
	}
	if f.Required {
		line("needed", "always")
	}
	line("since", f.Since)
	line("change", CostText(f))
	if f.Secret {
		line("secret", "never shown; write a sensitive variable here")
	}
	if f.Unseen {
		line("note", "the engine does not show it: a change outside is not seen")
	}
	var text strings.Builder
	enc := yaml.NewEncoder(&text)
	enc.SetIndent(2)
	if enc.Encode(Written(f.Type.Schema())) == nil {
		b.WriteString("\n" + i.In(Bold, "Forms") + "\n")
		for l := range strings.SplitSeq(strings.TrimRight(text.String(), "\n"), "\n") {
			b.WriteString("  " + l + "\n")
		}
	}
	return b.String()
}

// WithoutNull is a JSON schema without the null that every field may have that
// is not required.
func WithoutNull(s resources.Schema) resources.Schema {
	out := maps.Clone(s)
	if types, ok := s["type"].([]any); ok {
		types = slices.DeleteFunc(slices.Clone(types), func(t any) bool { return t == "null" })
		out["type"] = types
		if len(types) == 1 {
			out["type"] = types[0]
		}
	}
	for _, keyword := range []string{"anyOf", "oneOf"} {
		if forms, ok := s[keyword].([]any); ok {
			out[keyword] = slices.DeleteFunc(slices.Clone(forms), func(f any) bool {
				s, ok := f.(resources.Schema)
				return ok && s["type"] == "null"
			})
		}
	}
	if words, ok := s["enum"].([]any); ok {
		out["enum"] = slices.DeleteFunc(slices.Clone(words), func(w any) bool { return w == nil })
	}
	if standard, ok := s["default"]; ok && standard == nil {
		delete(out, "default")
	}
	return out
}

// Written is a JSON schema without the forms that every field may have, a
// reference to a variable and null.
func Written(v any) any {
	switch v := v.(type) {
	case resources.Schema:
		v = WithoutNull(v)
		if forms, ok := v["anyOf"].([]any); ok {
			forms = slices.DeleteFunc(slices.Clone(forms), func(f any) bool {
				s, ok := f.(resources.Schema)
				pattern, _ := s["pattern"].(string)
				return ok && strings.HasPrefix(pattern, `\$\{?`)
			})
			if len(forms) == 1 && len(v) == 1 {
				return Written(forms[0])
			}
			v = maps.Clone(v)
			v["anyOf"] = forms
		}
		out := map[string]any{}
		for k, e := range v {
			out[k] = Written(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = Written(e)
		}
		return out
	default:
		return v
	}
}

// CostText says what a change of the field costs.
func CostText(f *resources.Field) string {
	switch f.Cost {
	case resources.Free:
		return "changes nothing on the engine"
	case resources.InPlace:
		return "in place"
	case resources.Reconnect:
		return "in place; the network is connected anew"
	default:
		return "replaces the resource"
	}
}
