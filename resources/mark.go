package resources

import (
	"maps"
	"strings"

	"github.com/LerianStudio/midaz-infra/specs"
)

// A field's value is made from its node by types that split, join, sort and
// rewrite texts. None of them has to keep the mark of a sensitive value: it is
// put back here, on everything that cannot be seen to come from elsewhere.

// remarked returns the value of the field with a Secret in place of each text
// that a sensitive scalar of the node may have become. A text is not one when it
// stands in the spec as it is, or is a word or a default of the field's type.
func (f *Field) remarked(n specs.Node, v Value) Value {
	sensitive, public := scalars(n)
	if len(sensitive) == 0 {
		return v
	}
	vocabulary(f, public)
	return specs.MapLeaves(v, func(v any) any {
		if s, ok := v.(string); ok && s != "" && (!public[s] || holdsAny(s, sensitive)) {
			return NewSecret(s)
		}
		return v
	})
}

// scalars returns the texts of the node's scalars: those that hold the value of a
// sensitive variable, and the others, also as their types write them.
func scalars(n specs.Node) (sensitive []specs.Node, public map[string]bool) {
	if !n.HasSensitive() {
		return nil, nil
	}
	public = map[string]bool{}
	var visit func(n specs.Node)
	visit = func(n specs.Node) {
		for _, e := range n.Entries() {
			visit(e.Value)
		}
		for _, item := range n.Items() {
			visit(item)
		}
		switch {
		case !n.IsScalar():
		case n.Sensitive():
			sensitive = append(sensitive, n)
		default:
			public[n.Text()] = true
			for _, t := range []Type{Duration(), Bytes()} {
				if v, ok := t.Decode(n, func(*specs.Problem) {}); ok {
					public[Text(v)] = true
				}
			}
		}
	}
	visit(n)
	return sensitive, public
}

// holdsAny reports whether a whole secret stands in the text.
func holdsAny(s string, sensitive []specs.Node) bool {
	for _, n := range sensitive {
		for _, part := range n.SensitiveParts() {
			if len(part) >= LeastRedacted && strings.Contains(s, part) {
				return true
			}
		}
	}
	return false
}

// vocabulary adds the texts that are the language's own: the words of choices
// and the defaults. A sensitive variable may choose among them; the choice is
// not masked, since programs act on it.
func vocabulary(f *Field, words map[string]bool) {
	if s, ok := f.Default.(string); ok {
		words[s] = true
	}
	var visit func(t Type)
	visit = func(t Type) {
		switch t := t.(type) {
		case enumType:
			for _, w := range t {
				words[w] = true
			}
		case Object:
			for i := range t.Fields {
				vocabulary(&t.Fields[i], words)
			}
		case Inner:
			for _, held := range t.Inner("") {
				visit(held.Type)
			}
		}
	}
	visit(f.Type)
}

// reportSensitiveName reports the sensitive values in what is a name.
func reportSensitiveName(n specs.Node, what string, report Report) bool {
	sensitive, _ := scalars(n)
	for _, at := range sensitive {
		report(RuleSensitiveName.At(at.Pos(), what+" holds a sensitive value, and names are shown", "use a variable that is not sensitive"))
	}
	return len(sensitive) > 0
}

// CheckName reports a sensitive value where the name of an object stands, and
// returns whether there was none.
func CheckName(n specs.Node, what string, report Report) bool {
	return !reportSensitiveName(n, what, report)
}

// CheckPairName reports a sensitive value in the name of an item written
// NAME=value, and returns whether there was none. An item without "=" is all
// name.
func CheckPairName(item specs.Node, report Report) bool {
	if !item.Sensitive() || strings.Contains(item.PublicPrefix(), "=") {
		return true
	}
	return CheckName(item, "the name before \"=\"", report)
}

// Remark returns what a kind has made of decoded fields, with the marks that the
// fields had: a text that was a Secret is one, and so is a text that holds a
// known secret. before are the fields as they were decoded.
func Remark(after, before Config, known *Redactor) Config {
	secrets := map[string]bool{}
	eachSecret(map[string]any(before), func(s string) { secrets[s] = true })
	if len(secrets) == 0 && known.matcher() == nil {
		return after
	}
	lost := func(v Value) bool {
		s, ok := v.(string)
		return ok && s != "" && (secrets[s] || known.Holds(s))
	}
	var out Config
	for key, v := range after {
		if !anyLeaf(v, lost) {
			continue
		}
		if out == nil {
			out = maps.Clone(after)
		}
		out[key] = specs.MapLeaves(v, func(v any) any {
			if lost(v) {
				return NewSecret(v.(string))
			}
			return v
		})
	}
	if out == nil {
		return after
	}
	return out
}

// eachSecret calls each with the text of every Secret.
func eachSecret(v Value, each func(string)) {
	anyLeaf(v, func(v Value) bool {
		if s, ok := v.(Secret); ok && s.Reveal() != "" {
			each(s.Reveal())
		}
		return false
	})
}

// anyLeaf reports whether is holds for anything in v that is no list or map.
func anyLeaf(v Value, is func(Value) bool) bool {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			if anyLeaf(e, is) {
				return true
			}
		}
		return false
	case map[string]any:
		for _, e := range v {
			if anyLeaf(e, is) {
				return true
			}
		}
		return false
	default:
		return is(v)
	}
}
