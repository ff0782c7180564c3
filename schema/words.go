package schema

import (
	"fmt"
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// Expected says in words what a schema takes: "an integer from 1 to 65535 or
// one of host, none".
func Expected(s resources.Schema) string {
	words := forms(s)
	if len(words) == 0 {
		return "another value"
	}
	return strings.Join(slices.Compact(words), " or ")
}

func forms(s resources.Schema) []string {
	if all, ok := s["enum"].([]any); ok {
		texts := make([]string, len(all))
		for i, v := range all {
			texts[i] = fmt.Sprint(v)
		}
		return []string{"one of " + strings.Join(slices.Compact(texts), ", ")}
	}
	if v, ok := s["const"]; ok {
		return []string{fmt.Sprint(v)}
	}
	var out []string
	for _, keyword := range []string{"anyOf", "oneOf"} {
		branches, _ := s[keyword].([]any)
		for _, b := range branches {
			if form, ok := b.(resources.Schema); ok && !onlyReference(form) {
				out = append(out, forms(form)...)
			}
		}
	}
	switch t := s["type"].(type) {
	case string:
		if t != "null" {
			out = append(out, typeWord(t, s))
		}
	case []any:
		for _, each := range t {
			if name, _ := each.(string); name != "" && name != "null" {
				out = append(out, typeWord(name, s))
			}
		}
	}
	return out
}

// onlyReference reports whether the form is there to let a typed value be
// written as a reference or in quotes; it says nothing to a person.
func onlyReference(s resources.Schema) bool {
	pattern, ok := s["pattern"].(string)
	return ok && strings.HasSuffix(pattern, `\$\{?[A-Za-z_]`) && s["type"] == "string"
}

func typeWord(name string, s resources.Schema) string {
	switch name {
	case "object":
		return "a map"
	case "array":
		return "a list"
	case "boolean":
		return "true or false"
	case "string":
		return "a text"
	case "number":
		return "a number"
	case "integer":
		lo, hasLo := s["minimum"]
		hi, hasHi := s["maximum"]
		switch {
		case hasLo && hasHi:
			return fmt.Sprintf("an integer from %v to %v", lo, hi)
		case hasLo:
			return fmt.Sprintf("an integer of at least %v", lo)
		case hasHi:
			return fmt.Sprintf("an integer of at most %v", hi)
		}
		return "an integer"
	default:
		return name
	}
}

// found says what stands there, by its kind alone: even a value that no
// variable was substituted into may be a secret.
func found(n specs.Node) string {
	switch n.Kind() {
	case specs.Null:
		return "nothing"
	case specs.String:
		return "another text"
	case specs.Int, specs.Float:
		return "a number"
	default:
		return n.Kind().String()
	}
}
