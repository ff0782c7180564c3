package main

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/app"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// TestExplicitZeroIsAValue: a key that is written with nothing in it is not a
// key that was left out. Whatever the kind, decoding keeps it, and an object
// that has something there differs from it. The same holds for the keys inside of
// fields.
func TestExplicitZeroIsAValue(t *testing.T) {
	for _, k := range app.RealWorld().Kinds() {
		table := k.Table()
		for i := range table.Fields {
			f := &table.Fields[i]
			if f.Unseen && f.Unmarked {
				continue // it says how to treat the resource, and no object has it
			}
			whole := func(text string) string { return text }
			explicitZeros(t, table, f, f.Key, f.Example, whole)
			for _, p := range f.Parts("part") {
				within := func(text string) string {
					v, err := specs.ParseValue(text)
					if err != nil {
						t.Fatalf("%s.%s: %v", f.Key, p.Path, err)
					}
					written, err := json.Marshal(p.Write(v))
					if err != nil {
						t.Fatalf("%s.%s: %v", f.Key, p.Path, err)
					}
					return string(written)
				}
				explicitZeros(t, table, f, f.Key+"."+p.Path, p.Field.Example, within)
			}
		}
	}
}

// explicitZeros writes each kind of nothing in the place of an example.
func explicitZeros(t *testing.T, table *resources.Table, f *resources.Field, path, example string, write func(string) string) {
	t.Helper()
	if example == "" {
		return
	}
	other := decoded(f, write(example))
	if other == nil {
		return
	}
	for _, zero := range []string{"0", "0s", "false", `""`, "[]", "{}"} {
		value := decoded(f, write(zero))
		if value == nil || resources.Equal(value, other) {
			continue
		}
		t.Run(fmt.Sprintf("%s.%s=%s", table.Kind, path, zero), func(t *testing.T) {
			want, have := resources.Config{f.Key: value}, resources.Config{f.Key: other}
			applied := resources.Seal(have)
			if len(table.Compare(want, have, &applied)) == 0 {
				t.Errorf("%s against %s is no difference", zero, example)
			}
		})
	}
}

// decoded returns what a field makes of a text, nil when it does not take it.
func decoded(f *resources.Field, text string) resources.Value {
	node, err := specs.ParseNode("", text)
	if err != nil {
		return nil
	}
	var problems specs.Problems
	v, ok := f.Type.Decode(node, func(p *specs.Problem) { problems = append(problems, p) })
	if !ok || problems.Errors() > 0 {
		return nil
	}
	return v
}
