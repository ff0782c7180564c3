package resources

import (
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/LerianStudio/midaz-infra/specs"
)

// Cost is what a change of a field costs the running object.
type Cost int

const (
	Free      Cost = iota // nothing on the engine changes
	InPlace               // changed on the living object
	Reconnect             // a network endpoint is cut and made again
	Remake                // the object must be replaced
)

// String returns the word used in documentation tables.
func (c Cost) String() string {
	return [...]string{"nothing", "in place", "reconnect", "replace"}[c]
}

// Field is one row of a kind's table. Decoding, JSON schema, diff,
// documentation and conformance tests all follow from it.
type Field struct {
	// Key is the spelling in the spec, for Docker kinds Compose's.
	Key  string
	Type Type
	// Doc says what the field does, in one or two sentences.
	Doc string
	// Example and Other are two valid values in YAML. Conformance tests set
	// the first, change to the second and remove it again.
	Example, Other string
	// With are fields in YAML that must stand beside the examples for the
	// engine to take them ("{mem_limit: 64m}").
	With string
	// Default is the canonical value that holds when the field is not
	// declared; nil means absent.
	Default Value
	// Open marks a field whose value the engine chooses when it is not
	// declared: then it is not compared, unless it was declared before.
	Open bool
	// Unseen marks a field that the engine does not show. Only what the object
	// remembers of the last apply tells whether it changed.
	Unseen bool
	// Unmarked keeps the field out of what is written on the object.
	Unmarked bool
	Cost     Cost
	Required bool
	// Secret marks a field that should hold the value of a sensitive variable.
	// A literal there is a finding, and is masked all the same.
	Secret bool
	// Name marks a field that names an object, or refers to one by its name. Names
	// are shown everywhere, so that no sensitive value may be in one.
	Name bool
	// Since is the first version of the engine's API or of the broker that has
	// the field ("1.44", "3.12"); "" means all supported ones.
	Since string
}

// Table describes a kind: its name, where its resources stand in the spec, and
// one row for each field.
type Table struct {
	// Kind is the first part of the address: "service", "queue".
	Kind string
	// Section is the path of one resource in the spec, with "*" for a key that
	// becomes part of the name and "-" for a list item: "services/*",
	// "rabbitmq/vhosts/*/queues/*", "rabbitmq/vhosts/*/bindings/-". A section
	// without either is a single resource named by its last word. An empty
	// Section means that no one writes this kind; it is derived.
	Section string
	Doc     string
	// Example is a section of this kind with one resource in it, in YAML.
	Example string
	Fields  []Field
	// Nested are keys inside the section that belong to other kinds' sections
	// (a vhost's "queues"); decoding this kind passes over them.
	Nested []string
	// Refused are keys people may expect, each with the reason why it is not
	// supported and what to write instead.
	Refused map[string]string
	// NullOK allows "name:" with nothing after it, all fields being default.
	NullOK bool
	// Names is what the name of one may be, nil for any: the key of its section.
	Names *Names
}

// Names are the names that a kind can have.
type Names struct {
	Expr *regexp.Regexp
	// Doc says for people what Expr allows.
	Doc string
}

// CheckName reports a name that resources of this kind cannot have.
func (t *Table) CheckName(name string, at specs.Pos, report Report) {
	if t.Names != nil && !t.Names.Expr.MatchString(name) {
		report(RuleValue.At(at, fmt.Sprintf("%q cannot be the name of a %s", name, t.Kind), t.Names.Doc))
	}
}

// Field returns the row of a key.
func (t *Table) Field(key string) (*Field, bool) {
	for i := range t.Fields {
		if t.Fields[i].Key == key {
			return &t.Fields[i], true
		}
	}
	return nil, false
}

// Keys returns all keys that may be written, in the table's order.
func (t *Table) Keys() []string {
	keys := make([]string, 0, len(t.Fields)+len(t.Nested))
	for i := range t.Fields {
		keys = append(keys, t.Fields[i].Key)
	}
	return append(keys, t.Nested...)
}

// Decode reads the declared fields of one resource. Every problem goes to
// report; of a field that is wrong, the result holds what is right in it, so
// that one mistake does not hide another.
func (t *Table) Decode(n specs.Node, report Report) Config {
	c := Config{}
	if n.Kind() == specs.Null && t.NullOK {
		return c
	}
	if n.Kind() != specs.Map {
		report(RuleShape.At(n.Pos(), t.Kind+" must be a map, not "+n.Kind().String(), ""))
		return c
	}
	for _, e := range n.Entries() {
		if slices.Contains(t.Nested, e.Key) || IsExtension(e.Key) {
			continue
		}
		f, ok := t.Field(e.Key)
		if !ok {
			report(t.unknownKey(e))
			continue
		}
		if e.Value.Kind() == specs.Null && f.nullable() {
			continue
		}
		if f.Name && reportSensitiveName(e.Value, "\""+f.Key+"\"", report) {
			continue
		}
		v, ok := f.decode(e.Value, report)
		if !ok && v == nil {
			continue
		}
		v = f.remarked(e.Value, v)
		if f.Secret && v != nil {
			if !HasSecret(v) && !IsEmpty(v) && v != "" {
				report(RuleLiteralSecret.At(e.Value.Pos(), "the value of \""+e.Key+"\" is a secret written in the spec",
					"declare a variable with `sensitive: true` and write ${NAME} here"))
			}
			v = SealAll(v)
		}
		c[e.Key] = v
	}
	for i := range t.Fields {
		f := &t.Fields[i]
		if _, ok := n.Entry(f.Key); f.Required && !ok {
			report(RuleRequired.At(n.Pos(), t.Kind+" needs \""+f.Key+"\": "+f.Doc, "for example: "+f.Key+": "+f.Example))
		}
	}
	return c
}

// nullable reports whether null, or nothing after the key, is as if the key
// were not there. A secret that someone forgot to fill in is none of these.
func (f *Field) nullable() bool { return !f.Required && !f.Secret }

// decode reads the field's value. One that cannot be read because references in
// it have no value stands for itself, as it is written.
func (f *Field) decode(n specs.Node, report Report) (Value, bool) {
	if !n.Unset() {
		return f.Type.Decode(n, report)
	}
	if v, ok := f.Type.Decode(n, func(*specs.Problem) {}); ok {
		return v, true
	}
	return Normalize(n.Written()), true
}

func (t *Table) unknownKey(e specs.Entry) *specs.Problem {
	if why, ok := t.Refused[e.Key]; ok {
		return RuleUnsupported.At(e.KeyPos, "key \""+e.Key+"\" is not supported: "+why, "")
	}
	return RuleUnknownKey.At(e.KeyPos, "unknown key \""+e.Key+"\" in "+t.Kind, specs.DidYouMean(e.Key, t.Keys()))
}

// IsExtension reports whether a key of a section or a resource is an x-*
// fragment, which is kept for anchors and otherwise ignored. It says nothing of
// the names of resources: a queue may be called x-orders.
func IsExtension(key string) bool { return len(key) > 2 && key[0] == 'x' && key[1] == '-' }

// Schema returns the JSON schema of one resource of this kind, without its
// nested sections.
func (t *Table) Schema() Schema {
	props := Schema{}
	var required []any
	for i := range t.Fields {
		f := &t.Fields[i]
		props[f.Key] = f.Schema()
		if f.Required {
			required = append(required, f.Key)
		}
	}
	s := Schema{
		"type": "object", "description": t.Doc, "properties": props,
		"additionalProperties": false,
		"patternProperties":    Schema{"^x-": Schema{"description": "An extension: anchors live here; midaz does not read it."}},
	}
	if t.NullOK {
		s["type"] = []any{"object", "null"}
	}
	if required != nil {
		s["required"] = required
	}
	return s
}

// Schema returns the field's JSON schema with description, default and
// examples, for completion and hover in editors. The default null stands for
// "as if the key were not there"; only a required field has no default.
func (f *Field) Schema() Schema {
	s := maps.Clone(f.Type.Schema())
	if !f.Required {
		s = OrNull(s)
		s["default"] = f.Default
	}
	s["description"] = f.Doc
	if ex, err := specs.ParseValue(f.Example); err == nil && f.Example != "" {
		s["examples"] = []any{ex}
	}
	return s
}

// OrNull returns a schema that takes null too.
func OrNull(s Schema) Schema {
	out := maps.Clone(s)
	null := Schema{"type": "null"}
	switch t := s["type"].(type) {
	case string:
		out["type"] = []any{t, "null"}
	case []any:
		if !slices.Contains(t, any("null")) {
			out["type"] = append(slices.Clone(t), "null")
		}
	}
	for _, keyword := range []string{"anyOf", "oneOf"} {
		if forms, ok := s[keyword].([]any); ok {
			out[keyword] = append(slices.Clone(forms), null)
		}
	}
	if words, ok := s["enum"].([]any); ok {
		out["enum"] = append(slices.Clone(words), nil)
	}
	return out
}

// Marked returns the declared fields that are written on the object.
func (t *Table) Marked(c Config) Config {
	out := Config{}
	for key, v := range c {
		if f, ok := t.Field(key); ok && !f.Unmarked && v != nil {
			out[key] = v
		}
	}
	return out
}

// Compare returns the differences between what is wanted and what was
// observed, field by field, in the table's order. want holds declared fields,
// have observed ones, applied what the object remembers of the last apply (nil
// when nothing). Observed values are masked where the wanted or the applied
// value is a secret.
func (t *Table) Compare(want, have Config, applied *Sealed) Delta {
	var out Delta
	for i := range t.Fields {
		f := &t.Fields[i]
		if f.Unmarked && f.Unseen {
			continue // it says how to treat the resource, and is nothing of it
		}
		out = append(out, f.compare(want, have, applied)...)
	}
	return out
}

func (f *Field) compare(want, have Config, applied *Sealed) Delta {
	w, declared := want[f.Key]
	if !declared {
		if f.Open && !applied.Has(f.Key) {
			return nil
		}
		w = f.Default
	}
	h, seen := have[f.Key]
	if !seen {
		h = f.Default
	}
	if f.Unseen {
		if applied == nil || applied.Matches(f.Key, w) || (!applied.Has(f.Key) && Equal(w, f.Default)) {
			return nil
		}
		h = applied.Shape(f.Key)
		return Delta{{Path: f.Key, Field: f.Key, Before: h, After: w, Cost: f.Cost, Pending: true, Applied: h}}
	}
	if !declared && f.Open {
		// It was declared once and is not now: the engine's own choice cannot be
		// known, so what was applied must merely be gone.
		if !applied.Matches(f.Key, h) {
			return nil
		}
		return Delta{{Path: f.Key, Field: f.Key, Before: SealLike(h, applied.Shape(f.Key)), After: nil, Cost: f.Cost, Pending: true}}
	}
	if Equal(w, h) {
		return nil
	}
	h = SealLike(SealLike(h, w), applied.Shape(f.Key))
	diffs := DiffValues(f.Key, h, w)
	drift := f.changedOutside(h, applied)
	pending := f.changedInSpec(w, applied) || !drift
	for i := range diffs {
		d := &diffs[i]
		d.Field, d.Cost = f.Key, f.Cost
		d.Drift, d.Pending = drift, pending
		applied.place(d)
	}
	return diffs
}

// changedOutside reports whether the observed value is not the one last applied.
// A field that was not part of the last apply counts only when it has a value of
// its own by now: not an empty one, its default, or what the engine chose.
func (f *Field) changedOutside(have any, applied *Sealed) bool {
	switch {
	case applied == nil: // nothing was applied that it could differ from
		return false
	case applied.Has(f.Key):
		return !applied.Matches(f.Key, have)
	default:
		return !applied.Matches(f.Key, have) && !IsEmpty(have) && !f.Open && !Equal(have, f.Default)
	}
}

// changedInSpec reports whether the wanted value is not the one last applied.
// Leaving a field out that was not part of the last apply changes nothing.
func (f *Field) changedInSpec(want any, applied *Sealed) bool {
	switch {
	case applied == nil:
		return true
	case applied.Has(f.Key):
		return !applied.Matches(f.Key, want)
	default:
		return !applied.Matches(f.Key, want) && !Equal(want, f.Default)
	}
}
