package resources

import "github.com/LerianStudio/midaz-infra/specs"

// Inner is a type that holds values of other types: a list, a map, one of two
// forms.
type Inner interface {
	// Inner returns the types of what it holds, each with how a value of that type
	// is written as a value of this one; name is the key in a map of any keys.
	Inner(name string) []Held
}

// Held is a type inside another.
type Held struct {
	Type  Type
	Write func(v any) any
}

// Inner returns the element.
func (t listType) Inner(string) []Held {
	return []Held{{t.elem, func(v any) any { return []any{v} }}}
}

// Inner returns the element.
func (t mapType) Inner(name string) []Held {
	return []Held{{t.elem, func(v any) any { return map[string]any{name: v} }}}
}

// Inner returns the object.
func (k Keyed) Inner(string) []Held {
	return []Held{{k.Elem, func(v any) any { return []any{v} }}}
}

// Part is a key at some depth inside a field: a row in the row's own table.
type Part struct {
	// Path is that of the key, below the field's: "interval", "bind.propagation".
	Path  string
	Field *Field
	// Write returns the field's value, as it is written, with that of the key in
	// it; without the key when v is nil. Other keys that are required have their
	// examples.
	Write func(v any) any
}

// Cost returns what a change of the part costs, when that of its field is
// given.
func (p Part) Cost(field Cost) Cost {
	switch {
	case p.Field.Unmarked:
		return Free
	case p.Field.Cost != Free:
		return p.Field.Cost
	default:
		return field
	}
}

// Parts returns the keys inside the field, each after the one that holds it;
// name is what the keys of maps are called in which any may stand.
func (f *Field) Parts(name string) []Part {
	var out []Part
	collectParts(f.Type, name, "", func(v any) any { return v }, &out)
	return out
}

func collectParts(t Type, name, path string, write func(v any) any, out *[]Part) {
	o, ok := t.(Object)
	if !ok {
		if in, ok := t.(Inner); ok {
			for _, h := range in.Inner(name) {
				collectParts(h.Type, name, path, func(v any) any { return write(h.Write(v)) }, out)
			}
		}
		return
	}
	for i := range o.Fields {
		f := &o.Fields[i]
		with := func(v any) any {
			m := map[string]any{}
			for j := range o.Fields {
				if other := &o.Fields[j]; j != i && other.Required {
					m[other.Key] = other.example()
				}
			}
			if v != nil {
				m[f.Key] = v
			}
			return write(m)
		}
		*out = append(*out, Part{Path: path + f.Key, Field: f, Write: with})
		collectParts(f.Type, name, path+f.Key+".", with, out)
	}
}

// example returns the field's example as it is written.
func (f *Field) example() any {
	v, err := specs.ParseValue(f.Example)
	if err != nil {
		return f.Example
	}
	return v
}
