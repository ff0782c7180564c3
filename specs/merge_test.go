package specs

import (
	"fmt"
	"reflect"
	"testing"
)

func TestMergeFiles(t *testing.T) {
	tests := []struct {
		name       string
		base, over string
		want       string // YAML
		problems   []string
	}{
		{"maps merge by key", "a: { x: 1, y: 2 }", "a: { y: 3, z: 4 }\nb: 5", "{ a: { x: 1, y: 3, z: 4 }, b: 5 }", nil},
		{"lists replace", "a: [1, 2]", "a: [3]", "{ a: [3] }", nil},
		{"plain values replace", "a: 1\nb: [1]\nc: { d: 1 }", "a: x\nb: y\nc: z", "{ a: x, b: y, c: z }", nil},
		{"nothing leaves a map", "a: { x: 1 }", "a:", "{ a: { x: 1 } }", nil},
		{"nothing replaces a list and a plain value", "a: [1]\nb: 1", "a:\nb: ~", "{ a: null, b: null }", nil},
		{"a map replaces nothing", "a:", "a: { x: 1 }", "{ a: { x: 1 } }", nil},
		{"reset removes a key", "a: { x: 1, y: 2 }\nb: [1]", "a: { x: !reset null }\nb: !reset []", "{ a: { y: 2 } }", nil},
		{"reset of what is not there", "a: 1", "b: !reset null\nc: { d: !reset 1, e: 2 }", "{ a: 1, c: { e: 2 } }", nil},
		{"reset in the first file", "a: 1\nb: !reset 2", "", "{ a: 1 }", nil},
		{"override replaces a map", "a: { x: 1, y: 2 }", "a: !override { z: !reset 3, y: 5 }", "{ a: { y: 5 } }", nil},
		{"override of a plain value keeps its kind", "a: 1", "a: !override 5\nb: !override text", "{ a: 5, b: text }", nil},
		{"a list in place of a map", "a: { X: 1 }", "a: [X=2]", "{ a: [X=2] }",
			[]string{"over.yaml:1:4: a list replaces the whole of a map from an earlier file [MZ016]"}},
		{"a map in place of a list", "a: [X=2]", "a: { X: 1 }", "{ a: { X: 1 } }",
			[]string{"over.yaml:1:4: a map replaces the whole of a list from an earlier file [MZ016]"}},
		{"a list in place of a map, on purpose", "a: { X: 1 }", "a: !override [X=2]", "{ a: [X=2] }", nil},
		{"an anchor is not changed by merging", "x: &x { k: 1 }\na: *x\nb: *x", "a: { k: 2 }", "{ x: { k: 1 }, a: { k: 2 }, b: { k: 1 } }", nil},
		{"a reset inside an anchor", "x: &x { k: 1, l: !reset 2 }\na: { <<: *x }", "", "{ x: { k: 1 }, a: { k: 1 } }", nil},
		{"three levels", "a: { b: { c: { x: 1 } } }", "a: { b: { c: { y: 2 } } }", "{ a: { b: { c: { x: 1, y: 2 } } } }", nil},
		{"a reset in a list of maps", "a: [1]", "a: [{ x: !reset 1, y: 2 }]", "{ a: [{ y: 2 }] }", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := write(t, map[string]string{"base.yaml": test.base, "over.yaml": test.over})
			spec, ps := Load(Options{Dir: dir, Files: []string{"base.yaml", "over.yaml"}})
			expect(t, ps, test.problems...)
			want, err := ParseNode("want", test.want)
			if err != nil {
				t.Fatal(err)
			}
			if got := spec.Root.JSON(); !reflect.DeepEqual(got, want.JSON()) {
				t.Errorf("got %v, want %v", got, want.JSON())
			}
		})
	}
}

// After merging, a place is that of the file whose value holds.
func TestMergeKeepsPlaces(t *testing.T) {
	dir := write(t, map[string]string{
		"a.yaml": "m: { x: 1, y: 2 }\nl: [1]\n",
		"b.yaml": "\nm:\n  y: 3\n  z: 4\nl: [2]\n",
	})
	spec := mustLoad(t, Options{Dir: dir, Files: []string{"a.yaml", "b.yaml"}})
	for pointer, want := range map[string][2]string{
		"/m":   {"a.yaml:1:1", "a.yaml:1:4"},
		"/m/x": {"a.yaml:1:6", "a.yaml:1:9"},
		"/m/y": {"b.yaml:3:3", "b.yaml:3:6"},
		"/m/z": {"b.yaml:4:3", "b.yaml:4:6"},
		"/l":   {"b.yaml:5:1", "b.yaml:5:4"},
	} {
		got := [2]string{spec.Root.KeyPos(pointer).String(), spec.Root.At(pointer).Pos().String()}
		if got != want {
			t.Errorf("%s: key and value at %v, want %v", pointer, got, want)
		}
	}
}

// References are substituted after merging: what an overlay replaces needs no
// variable.
func TestMergeBeforeSubstitution(t *testing.T) {
	dir := write(t, map[string]string{
		"a.yaml": "variables: { A: {} }\nimage: ${A}\nother: ${B}\n",
		"b.yaml": "image: fixed\nother: !reset x\n",
	})
	spec := mustLoad(t, Options{Dir: dir, Files: []string{"a.yaml", "b.yaml"}})
	expect(t, spec.Unused())
	if got := fmt.Sprint(spec.Root.Get("image").Text(), spec.Root.Get("other").IsAbsent()); got != "fixedtrue" {
		t.Error(got)
	}
}
