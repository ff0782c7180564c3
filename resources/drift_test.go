package resources

import (
	"fmt"
	"strings"
	"testing"
)

func TestSplitPath(t *testing.T) {
	for path, want := range map[string]string{
		"memory":                      "memory",
		"environment.PGPORT":          "environment PGPORT",
		`ports["5432/tcp"][0]`:        "ports 5432/tcp #0",
		`files["/etc/a]b.c"].content`: "files /etc/a]b.c content",
		`labels["say \"hi\""]`:        `labels say "hi"`,
		"networks.infra.aliases[12]":  "networks infra aliases #12",
		`broken["x`:                   "broken",
	} {
		var got []string
		for _, p := range SplitPath(path) {
			if p.Index {
				p.Key = "#" + p.Key
			}
			got = append(got, p.Key)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

// Spec, last applied and observed: which part was changed on which side.
func TestCompare_parts_what_was_changed_outside_from_what_is_pending(t *testing.T) {
	table := &Table{Fields: []Field{{Key: "m", Type: Pairs()}, {Key: "n", Type: Int(0, 9)}}}
	applied := Seal(Config{"m": map[string]any{"a": "1", "b": "1", "c": "1", "s": NewSecret("x")}, "n": int64(1)})
	want := Config{"m": map[string]any{"a": "2", "b": "1", "c": "2", "s": NewSecret("x")}, "n": int64(2)}
	have := Config{"m": map[string]any{"a": "1", "b": "3", "c": "3", "s": "y"}, "n": int64(1)}
	got := map[string]string{}
	for _, d := range table.Compare(want, have, &applied) {
		got[d.Path] = fmt.Sprintf("%v %v %s", d.Drift, d.Pending, Show(d.Applied))
	}
	for path, w := range map[string]string{"m.a": `false true "1"`, "m.b": `true false "1"`, "m.c": `true true "1"`,
		"m.s": "true false " + Masked, "n": "false true 1"} {
		if got[path] != w {
			t.Errorf("%s: %s, want %s", path, got[path], w)
		}
	}
}

func TestSealed_With_keeps_what_was_left_alone(t *testing.T) {
	was := Seal(Config{"a": int64(1), "b": NewSecret("x"), "gone": "g"})
	now := was.With(Config{"a": int64(2), "b": NewSecret("y"), "c": "new"}, map[string]bool{"a": true})
	for field, v := range map[string]Value{"a": int64(1), "b": NewSecret("y"), "c": "new"} {
		if !now.Matches(field, v) {
			t.Errorf("%s is not %v", field, v)
		}
	}
	if now.Has("gone") {
		t.Error("what is no longer declared was kept")
	}
	var none *Sealed
	if s := none.With(Config{"b": NewSecret("y")}, nil); !s.Matches("b", NewSecret("y")) || strings.Contains(s.String(), ":\"y\"") {
		t.Error(s.String())
	}
}
