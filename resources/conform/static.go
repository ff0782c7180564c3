// Package conform is the suite that every kind must pass. Static needs nothing
// but the tables.
package conform

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

var (
	kindWord = regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	keyWord  = regexp.MustCompile(`^[a-z][a-z0-9]*([_-][a-z0-9]+)*$`)
)

// Static checks the tables of the kinds: each row is documented, its examples
// decode, differ, and survive being written on an object; no key stands twice.
func Static(t *testing.T, kinds []resources.Kind) {
	t.Helper()
	var names []string
	for _, k := range kinds {
		table := k.Table()
		t.Run(table.Kind, func(t *testing.T) {
			if !kindWord.MatchString(table.Kind) || slices.Contains(names, table.Kind) {
				t.Errorf("kind %q: not a word of its own", table.Kind)
			}
			if table.Doc == "" {
				t.Error("the kind has no documentation")
			}
			checkFields(t, table.Kind, table.Fields, false)
			for key, why := range table.Refused {
				if _, ok := table.Field(key); ok || why == "" {
					t.Errorf("refused key %q: supported, or without a reason", key)
				}
			}
		})
		names = append(names, table.Kind)
	}
}

func checkFields(t *testing.T, path string, fields []resources.Field, nested bool) {
	t.Helper()
	var keys []string
	for i := range fields {
		f := &fields[i]
		name := path + "." + f.Key
		if !keyWord.MatchString(f.Key) || slices.Contains(keys, f.Key) {
			t.Errorf("%s: key malformed or twice", name)
		}
		keys = append(keys, f.Key)
		if f.Type == nil {
			t.Errorf("%s: no type", name)
			continue
		}
		if len(f.Doc) < 10 || !strings.HasSuffix(f.Doc, ".") {
			t.Errorf("%s: documentation %q is not a sentence", name, f.Doc)
		}
		checkExamples(t, name, f)
		if !nested {
			checkParts(t, name, f)
		}
	}
}

// checkParts checks the tables inside the field, at any depth.
func checkParts(t *testing.T, name string, f *resources.Field) {
	t.Helper()
	tables := map[string][]resources.Field{}
	for _, p := range f.Parts("name") {
		at := name
		if i := strings.LastIndexByte(p.Path, '.'); i >= 0 {
			at += "." + p.Path[:i]
		}
		tables[at] = append(tables[at], *p.Field)
	}
	for _, at := range slices.Sorted(maps.Keys(tables)) {
		checkFields(t, at, tables[at], true)
	}
}

func checkExamples(t *testing.T, name string, f *resources.Field) {
	t.Helper()
	if f.Example == "" || f.Other == "" && !f.Unmarked {
		t.Errorf("%s: needs an example and another value", name)
		return
	}
	a, okA := decode(t, name, f, f.Example)
	if f.Other == "" {
		return // it has one value only
	}
	b, okB := decode(t, name, f, f.Other)
	if !okA || !okB {
		return
	}
	if resources.Equal(a, b) && !f.Unmarked {
		t.Errorf("%s: %s and %s mean the same", name, f.Example, f.Other)
	}
	sealed, err := resources.ParseSealed(resources.Seal(resources.Config{f.Key: a}).String())
	if err != nil || !sealed.Matches(f.Key, a) {
		t.Errorf("%s: %s is not the same after it was written on an object (%v)", name, f.Example, err)
	}
	if !f.Unmarked && sealed.Matches(f.Key, b) {
		t.Errorf("%s: what was applied does not tell %s from %s", name, f.Example, f.Other)
	}
}

func decode(t *testing.T, name string, f *resources.Field, text string) (resources.Value, bool) {
	t.Helper()
	n, err := specs.ParseNode("example", text)
	if err != nil {
		t.Errorf("%s: %s: %v", name, text, err)
		return nil, false
	}
	good := true
	v, ok := f.Type.Decode(n, func(p *specs.Problem) {
		if p.Severity() == specs.Error {
			good = false
			t.Errorf("%s: example %s: %v", name, text, p)
		}
	})
	return v, ok && good
}
