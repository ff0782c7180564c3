package specs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Whatever the bytes: no panic, every place within its file, every problem
// well formed, the tree within its limits, and the same result again.
func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/ok/*.yaml", "testdata/err/*.yaml"} {
		for _, path := range corpus(f, pattern) {
			text, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text, []byte("m: {a: !reset 1}\nservices: !override {}\n"))
		}
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text, over []byte) {
		if len(text)+len(over) > 1<<14 {
			t.Skip("larger texts only cost time")
		}
		if err := os.WriteFile(filepath.Join(dir, "over.yaml"), over, 0o600); err != nil {
			t.Fatal(err)
		}
		const limit = 2_000 // as maxValues, lower so that more texts can be tried
		load := func() (*Spec, Problems) {
			opt := Options{Dir: dir, Files: []string{"-", "over.yaml"}, Stdin: bytes.NewReader(text), Vars: []string{"S=canary"},
				LookupEnv: environment("FROM_ENV=env", "SET_EMPTY=")}
			return (&loader{opt: opt, maxValues: limit}).load()
		}
		spec, ps := load()
		for _, p := range ps {
			if p.Pos.File == "" || p.Rule == nil || p.Msg == "" {
				t.Errorf("%#v lacks a file, a rule or a message", p)
			}
			for _, pos := range append(related(p), p.Pos) {
				inRange(t, spec, pos)
			}
			_ = spec.Snippet(p)
		}
		if values := walkTree(t, spec, spec.Root, 0); values > 3*limit {
			t.Errorf("%d values", values)
		}
		if _, err := json.Marshal(spec.Root.JSON()); err != nil {
			t.Errorf("not JSON: %v", err)
		}
		_, again := load()
		if fmt.Sprint(ps) != fmt.Sprint(again) {
			t.Errorf("first %v, then %v", ps, again)
		}
	})
}

func inRange(t *testing.T, spec *Spec, pos Pos) {
	t.Helper()
	src := spec.source(pos.File)
	if src == nil || pos.Line == 0 {
		return
	}
	if pos.Line > len(src.lines) || pos.Line < 0 || pos.Col < 1 || pos.Col > runeCount(src.lines[pos.Line-1])+1 {
		t.Errorf("%v is outside of its file", pos)
	}
}

// walkTree counts the values of a tree and checks each.
func walkTree(t *testing.T, spec *Spec, n Node, depth int) int {
	t.Helper()
	if n.IsAbsent() {
		return 0
	}
	if depth > 3*maxDepth {
		t.Fatalf("%v is %d levels deep", n.Pos(), depth)
	}
	inRange(t, spec, n.Pos())
	if n.t.op != opNone || n.t.kind == Absent {
		t.Errorf("%v: a value that should not be in a loaded spec", n.Pos())
	}
	count := 1
	seen := map[string]bool{}
	for i, e := range n.Entries() {
		inRange(t, spec, e.KeyPos)
		if seen[e.Key] {
			t.Errorf("%v: key %q is there twice", e.KeyPos, e.Key)
		}
		seen[e.Key] = true
		if found, ok := n.Entry(e.Key); !ok || found.KeyPos != e.KeyPos {
			t.Errorf("entry %d, %q, is not found", i, e.Key)
		}
		count += walkTree(t, spec, e.Value, depth+1)
	}
	for _, item := range n.Items() {
		count += walkTree(t, spec, item, depth+1)
	}
	return count
}

// Splitting keeps every byte outside of references, and what is escaped
// survives.
func FuzzInterpolate(f *testing.F) {
	for _, text := range []string{"", "$A", "${A:-${B-}}", "$$", "${", "a$", "${A:?x}", "${A:+{}}", "$${A}", "${A:-$$}"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parts, bad := splitReferences(text)
		for _, m := range bad {
			if m.start < 0 || m.end > len(text) || m.start >= m.end || text[m.start] != '$' || m.msg == "" {
				t.Fatalf("%+v does not stand in %q", m, text)
			}
		}
		var check func(parts []part)
		check = func(parts []part) {
			for _, p := range parts {
				if p.ref == nil {
					continue
				}
				if !isName(p.ref.name) || text[p.ref.start] != '$' || p.ref.end > len(text) || !strings.Contains(text[p.ref.start:p.ref.end],
					p.ref.name) {
					t.Fatalf("%+v does not stand in %q", p.ref, text)
				}
				check(p.ref.word)
			}
		}
		check(parts)
		escaped, bad := splitReferences(strings.ReplaceAll(text, "$", "$$"))
		var back strings.Builder
		for _, p := range escaped {
			if p.ref != nil {
				t.Fatalf("an escaped text refers to %q", p.ref.name)
			}
			back.WriteString(p.text)
		}
		if back.String() != text || len(bad) > 0 {
			t.Fatalf("%q comes back as %q", text, back.String())
		}
	})
}

// Whatever the bytes: no panic, places in range, well-formed keys, and a value
// in single quotes comes back as it is.
func FuzzDotenv(f *testing.F) {
	for _, text := range []string{"A=b", "export A='b\nc' # d", "A=\"$X\\n\"", "A", "A=${", "=\n", "A=$A$A\nA=$A$A"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
		values := map[string]string{}
		d := &dotenv{file: ".env", text: text,
			lookup: func(name string) (string, bool) { v, ok := values[name]; return v, ok },
			report: func(p *Problem) {
				if p.Pos.Line < 1 || p.Pos.Line > len(lines) || p.Pos.Col < 1 || p.Pos.Col > runeCount(lines[p.Pos.Line-1])+1 {
					t.Errorf("%v is outside of the file", p)
				}
			},
			set: func(key, text string, pos Pos) {
				if key == "" || strings.ContainsAny(key, "= \n\t\"'") || pos.Line < 1 {
					t.Errorf("key %q at %v", key, pos)
				}
				values[key] = text
			}}
		d.parse()

		plain := strings.NewReplacer("'", "", "\r", "").Replace(text)
		got, ps := readDotenvText("V='" + plain + "'")
		if len(ps) > 0 || got != "V="+plain {
			t.Errorf("%q in single quotes gives %q, %v", plain, got, ps)
		}
	})
}
