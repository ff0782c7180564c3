package specs

import "testing"

func TestSet_changes_one_value_and_nothing_else(t *testing.T) {
	for _, c := range []struct {
		name, text string
		path       []string
		value      any
		want       string
	}{
		{"plain", "a: # first\n  b: 64m # why\n  c: 2\n", []string{"a", "b"}, "128m", "a: # first\n  b: 128m # why\n  c: 2\n"},
		{"quoted", "a: {b: \"x, y\", c: 'it''s'}\n", []string{"a", "b"}, "z", "a: {b: z, c: 'it''s'}\n"},
		{"single quoted", "a: {b: x, c: 'it''s'} # end\n", []string{"a", "c"}, "no", "a: {b: x, c: \"no\"} # end\n"},
		{"flow list", "a: [1, 2, 3] # l\n", []string{"a"}, []any{int64(4)}, "a: [4] # l\n"},
		{"new key in a block", "a:\n  b: 1\n  # about c\n  c:\n    d: 1\nx: 1\n", []string{"a", "e"}, int64(5),
			"a:\n  b: 1\n  # about c\n  c:\n    d: 1\n  e: 5\nx: 1\n"},
		{"new key in brackets", "a: { b: 1 }\n", []string{"a", "c"}, "no", "a: { b: 1, c: \"no\" }\n"},
		{"new key in empty brackets", "a: {}\n", []string{"a", "c"}, true, "a: {c: true}\n"},
		{"new keys below nothing", "a:\nb: 1\n", []string{"a", "c", "d"}, int64(1), "a: {c: {d: 1}}\nb: 1\n"},
		{"a key goes", "a:\n  b: 1 # gone\n  c: 2\n", []string{"a", "b"}, nil, "a:\n  c: 2\n"},
		{"a block goes", "a:\n  b:\n    - 1\n    - 2\n  c: 2\n", []string{"a", "b"}, nil, "a:\n  c: 2\n"},
		{"a key goes from brackets", "a: {b: 1, c: 2}\n", []string{"a", "c"}, nil, "a: {b: 1}\n"},
		{"the first key goes from brackets", "a: {b: 1, c: 2}\n", []string{"a", "b"}, nil, "a: {c: 2}\n"},
		{"an item that is a pair", "a:\n  - K=1 # k\n  - L=2\n", []string{"a", "K"}, "9", "a:\n  - K=9 # k\n  - L=2\n"},
		{"a new pair", "a: [K=1]\n", []string{"a", "L"}, "2", "a: [K=1, L=2]\n"},
		{"a name more", "a:\n- x\n- y\nb: 1\n", []string{"a", "z"}, map[string]any{}, "a:\n- x\n- y\n- z\nb: 1\n"},
		{"a name less", "a:\n- x\n- y\nb: 1\n", []string{"a", "x"}, nil, "a:\n- y\nb: 1\n"},
		{"a dollar sign", "a: x\n", []string{"a"}, "p$q", "a: p$$q\n"},
		{"several lines", "a:\n  b: |\n    one\n    two\n  c: 1\n", []string{"a", "b"}, "one\nthree\n",
			"a:\n  b: |\n    one\n    three\n  c: 1\n"},
		{"columns count letters", "ä: {ö: ü, b: 1}\n", []string{"ä", "b"}, int64(2), "ä: {ö: ü, b: 2}\n"},
		{"a list of maps at the top", "a: 1\n", []string{"drift", "ignore"}, []any{map[string]any{"x": "y"}},
			"a: 1\ndrift:\n  ignore:\n    - {x: \"y\"}\n"},
		{"line ends of Windows", "a:\r\n  b: 1\r\nc: 2\r\n", []string{"a", "d"}, int64(3), "a:\r\n  b: 1\r\n  d: 3\r\nc: 2\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			spec, problems := Load(Options{Files: []string{"f"}, Texts: map[string]string{"f": c.text}})
			if problems.Errors() > 0 {
				t.Fatal(problems)
			}
			got, err := Set(c.text, spec.Root, c.path, c.value)
			if err != nil {
				t.Fatal(err)
			}
			if got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestSet_refuses_what_is_written_elsewhere(t *testing.T) {
	for _, c := range []struct {
		name, text string
		path       []string
	}{
		{"a variable", "variables: {X: {default: a}}\na: ${X}\n", []string{"a"}},
		{"an anchor", "a: &b {c: 1}\n", []string{"a"}},
		{"a short item", "a: [x:y:ro]\n", []string{"a", "y"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			spec, _ := Load(Options{Files: []string{"f"}, Texts: map[string]string{"f": c.text}})
			if got, err := Set(c.text, spec.Root, c.path, "z"); err == nil {
				t.Errorf("got %q", got)
			}
		})
	}
}
