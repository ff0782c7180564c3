package main

import (
	"fmt"
	"testing"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/app"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// TestExplicitZeroIsAValue: a key that is written with nothing in it is not a
// key that was left out. Whatever the kind, decoding keeps it, and an object
// that has something there differs from it.
func TestExplicitZeroIsAValue(t *testing.T) {
	for _, k := range app.RealWorld().Kinds() {
		table := k.Table()
		for i := range table.Fields {
			f := &table.Fields[i]
			other := decoded(f, f.Example)
			if other == nil {
				continue
			}
			for _, zero := range []string{"0", "0s", "false", `""`, "[]", "{}"} {
				value := decoded(f, zero)
				if value == nil || resources.Equal(value, other) {
					continue
				}
				t.Run(fmt.Sprintf("%s.%s=%s", table.Kind, f.Key, zero), func(t *testing.T) {
					if f.Unseen && f.Unmarked {
						t.Skip("it says how to treat the resource, and no object has it")
					}
					want, have := resources.Config{f.Key: value}, resources.Config{f.Key: other}
					applied := resources.Seal(have)
					if len(table.Compare(want, have, &applied)) == 0 {
						t.Errorf("%s against %s is no difference", zero, f.Example)
					}
				})
			}
		}
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
