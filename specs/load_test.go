package specs

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// write puts files into a new folder: each text begins at its name.
func write(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// loadText loads one spec from standard input.
func loadText(text string, opt Options) (*Spec, Problems) {
	opt.Files, opt.Stdin = []string{"-"}, strings.NewReader(text)
	return Load(opt)
}

// mustLoad loads files that have no problems.
func mustLoad(t testing.TB, opt Options) *Spec {
	t.Helper()
	spec, ps := Load(opt)
	for _, p := range ps {
		t.Errorf("%v (%s)", p, p.Hint)
	}
	return spec
}

// expect compares problems with their one-line forms.
func expect(t testing.TB, got Problems, want ...string) {
	t.Helper()
	var lines []string
	for _, p := range got {
		lines = append(lines, p.Error())
	}
	if !reflect.DeepEqual(lines, want) && len(lines)+len(want) > 0 {
		t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(lines, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func TestLoadNothing(t *testing.T) {
	spec, ps := Load(Options{})
	expect(t, ps)
	if !spec.Root.IsAbsent() || !filepath.IsAbs(spec.Dir) || spec.Partial {
		t.Errorf("got %+v", spec)
	}
}

func TestLoadKindsAndPlaces(t *testing.T) {
	text := "stack: a\n" +
		"s: { é: {ü: 1}, plain: text, quoted: \"5\", null: }\n"
	text = strings.ReplaceAll(text, ", null: ", ", none: ")
	text += "n:\n  - 0x1F\n  - 1.5\n  - yes\n  - True\n  - ~\n  - 2024-01-01\n  - |\n    block\n"
	spec, ps := loadText(text, Options{})
	expect(t, ps)
	tests := []struct {
		pointer  string
		kind     Kind
		text     string
		line     int
		col      int
		key      Pos
		jsonText string
	}{
		{"/stack", String, "a", 1, 8, Pos{"-", 1, 1}, `a`},
		{"/s/é/ü", Int, "1", 2, 13, Pos{"-", 2, 10}, `1`},
		{"/s/plain", String, "text", 2, 24, Pos{"-", 2, 17}, `text`},
		{"/s/quoted", String, "5", 2, 38, Pos{"-", 2, 30}, `5`},
		{"/s/none", Null, "", 2, 49, Pos{"-", 2, 43}, `<nil>`},
		{"/n/0", Int, "0x1F", 4, 5, Pos{"-", 4, 5}, `31`},
		{"/n/1", Float, "1.5", 5, 5, Pos{"-", 5, 5}, `1.5`},
		{"/n/2", String, "yes", 6, 5, Pos{"-", 6, 5}, `yes`},
		{"/n/3", Bool, "True", 7, 5, Pos{"-", 7, 5}, `true`},
		{"/n/4", Null, "", 8, 5, Pos{"-", 8, 5}, `<nil>`},
		{"/n/5", String, "2024-01-01", 9, 5, Pos{"-", 9, 5}, `2024-01-01`},
		{"/n/6", String, "block\n", 10, 5, Pos{"-", 10, 5}, "block\n"},
	}
	for _, test := range tests {
		n := spec.Root.At(test.pointer)
		if n.Kind() != test.kind || n.Text() != test.text || n.Pos() != (Pos{"-", test.line, test.col}) {
			t.Errorf("%s: %v %q at %v, want %v %q at %d:%d", test.pointer, n.Kind(), n.Text(), n.Pos(), test.kind, test.text, test.line, test.col)
		}
		if key := spec.Root.KeyPos(test.pointer); key != test.key {
			t.Errorf("%s: its key is at %v, want %v", test.pointer, key, test.key)
		}
		if got := fmt.Sprint(n.JSON()); got != test.jsonText {
			t.Errorf("%s: JSON gives %s, want %s", test.pointer, got, test.jsonText)
		}
	}
}

// A pointer into a map also finds its way where the map is written as a list.
func TestPointerIntoListForm(t *testing.T) {
	spec, ps := loadText("l:\n  - A=1\n  - AB=2\n  - data:/data\n  - plain\n  - { A: 3 }\n  - 7\n", Options{})
	expect(t, ps)
	for pointer, line := range map[string]int{"/l/A": 2, "/l/AB": 3, "/l/data": 4, "/l/plain": 5, "/l/7": 7, "/l/4/A": 6, "/l/~1data": 4,
		"/l/3": 5, "/l/none": 2, "/l/9": 2} {
		if got := spec.Root.KeyPos(pointer).Line; got != line && !(line == 2 && got == 1) {
			t.Errorf("%s is on line %d, want %d", pointer, got, line)
		}
	}
}

func TestLoadFileProblems(t *testing.T) {
	dir := write(t, map[string]string{"a.yaml": "a: 1\n", "large.yaml": "# " + strings.Repeat("x", maxBytes),
		"many.yaml": strings.Repeat(",", maxMarks+1)})
	spec, ps := Load(Options{Dir: dir, Files: []string{"a.yaml", "none.yaml", ".", "large.yaml", "many.yaml", "-"},
		ValueFiles: append(envFiles("none.env"), varFiles("none.yml")...)})
	expect(t, ps,
		"-: standard input can be read only once [MZ001]",
		".: is a folder, not a file [MZ001]",
		"large.yaml: is larger than 8 MiB [MZ006]",
		"many.yaml: holds too many values [MZ006]",
		"none.env: cannot be read: no such file or directory [MZ001]",
		"none.yaml: cannot be read: no such file or directory [MZ001]",
		"none.yml: cannot be read: no such file or directory [MZ001]")
	if !spec.Partial || spec.Root.Get("a").Text() != "1" {
		t.Error("what could be read is not there, or the spec does not say that something is missing")
	}
}

// A reader without an end is given up after the limit.
func TestLoadEndlessInput(t *testing.T) {
	_, ps := Load(Options{Files: []string{"-"}, Stdin: endless{}})
	expect(t, ps, "-: is larger than 8 MiB [MZ006]")
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '#'
	}
	return len(p), nil
}

// One broken file does not hide what is wrong in the others, and what it may
// have held is not reported as missing.
func TestLoadGoesOnAfterBrokenFile(t *testing.T) {
	dir := write(t, map[string]string{
		"broken.yaml": "variables:\n  A: {}\n - b\n",
		"other.yaml":  "x: 1\nx: 2\nservices: { web: { image: \"${A}\", user: \"${B:?needed}\" } }\nvariables: { UNUSED: {} }\n",
	})
	spec, ps := Load(Options{Dir: dir, Files: []string{"broken.yaml", "other.yaml"}, Vars: []string{"C=1"}})
	expect(t, ps, "broken.yaml:3:2: this line does not line up with the ones above it [MZ002]",
		`other.yaml:2:1: key "x" is written twice, first on line 1 [MZ003]`)
	expect(t, spec.Unused())
}

func TestLoadDirOf(t *testing.T) {
	dir := write(t, map[string]string{"one/a.yaml": "a: 1\n", "two/b.yaml": "b: 2\n"})
	spec := mustLoad(t, Options{Dir: dir, Files: []string{"one/a.yaml", filepath.Join(dir, "two/b.yaml")}})
	for pointer, want := range map[string]string{"/a": "one", "/b": "two"} {
		if got := spec.DirOf(spec.Root.At(pointer).Pos()); got != filepath.Join(dir, want) {
			t.Errorf("%s: the folder is %s, want %s", pointer, got, want)
		}
	}
	if spec.Dir != filepath.Join(dir, "one") || spec.DirOf(Pos{}) != spec.Dir {
		t.Errorf("the spec's folder is %s", spec.Dir)
	}
	if got := spec.Root.At("/b").Pos().File; got != filepath.Join(dir, "two/b.yaml") {
		t.Errorf("the position names %s, not the file as given", got)
	}
	spec, _ = loadText("a: 1\n", Options{Dir: dir})
	if spec.Dir != dir {
		t.Errorf("with standard input, the folder is %s, want %s", spec.Dir, dir)
	}
}

func TestEnabled(t *testing.T) {
	tests := []struct {
		on, has []string
		want    bool
	}{
		{nil, nil, true},
		{nil, []string{"a"}, false},
		{[]string{"a"}, []string{"b", "a"}, true},
		{[]string{"c"}, []string{"b", "a"}, false},
		{[]string{"*"}, []string{"a"}, true},
	}
	for _, test := range tests {
		if got := (&Spec{Profiles: test.on}).Enabled(test.has); got != test.want {
			t.Errorf("with %v on, %v is %v", test.on, test.has, got)
		}
	}
}

// Aliases and merge keys give the values and places of the anchor; keys beside
// a merge key win, and among several maps the first.
func TestLoadAnchors(t *testing.T) {
	spec, ps := loadText(`x-a: &a { one: a, two: a }
x-b: &b { two: b, three: b, four: b }
m:
  three: own
  <<: [*a, *b, { five: c, one: c }]
list: &list [1, 2]
same: *list
chain: &chain
  <<: *a
  two: chain
last: { <<: *chain }
`, Options{})
	expect(t, ps)
	want := map[string]any{"one": "a", "two": "a", "three": "own", "four": "b", "five": "c"}
	if got := spec.Root.Get("m").JSON(); !reflect.DeepEqual(got, want) {
		t.Errorf("merged: %v, want %v", got, want)
	}
	if got := spec.Root.Get("last").JSON(); !reflect.DeepEqual(got, map[string]any{"one": "a", "two": "chain"}) {
		t.Errorf("merged twice: %v", got)
	}
	for pointer, want := range map[string]string{"/m/four": "-:2:35", "/m/five": "-:5:24", "/same/1": "-:6:17", "/last/one": "-:1:16"} {
		if got := spec.Root.At(pointer).Pos().String(); got != want {
			t.Errorf("%s is at %s, want %s", pointer, got, want)
		}
	}
	if got := spec.Root.KeyPos("/m/four").String(); got != "-:2:29" {
		t.Errorf("the key of /m/four is at %s", got)
	}
}

// More problems than anyone reads are counted, not listed.
func TestLoadManyProblems(t *testing.T) {
	_, ps := loadText("a: ["+strings.Repeat("!x 1,", maxProblems+7)+"]\n", Options{})
	if len(ps) != maxProblems+1 || ps[maxProblems].Error() != "-: 7 more problems are not shown [MZ006]" {
		t.Errorf("%d problems, the last: %v", len(ps), ps[len(ps)-1])
	}
}

func TestLargeMapsAreIndexed(t *testing.T) {
	var text strings.Builder
	for i := range 100 {
		fmt.Fprintf(&text, "k%d: %d\n", i, i)
	}
	spec, ps := loadText(text.String(), Options{})
	expect(t, ps)
	for i := range 100 {
		if got := spec.Root.Get(fmt.Sprint("k", i)).Text(); got != fmt.Sprint(i) {
			t.Fatalf("k%d is %q", i, got)
		}
	}
	if spec.Root.t.index == nil || !spec.Root.Get("k100").IsAbsent() {
		t.Error("the map has no index, or finds what is not there")
	}
}

// What is written is what stands in the file; no value of a variable is in it.
func TestWritten(t *testing.T) {
	spec, ps := loadText("variables: { S: { sensitive: true } }\nm: { a: \"x${S}\", b: $N, c: [5, $$], d: }\n",
		Options{Vars: []string{"S=canary", "N=5"}})
	expect(t, ps)
	m := spec.Root.Get("m")
	if got, want := m.Written(), (map[string]any{"a": "x${S}", "b": "$N", "c": []any{int64(5), "$"}, "d": nil}); !reflect.DeepEqual(got,
		want) {
		t.Errorf("written: %v, want %v", got, want)
	}
	if got, want := m.JSON(), (map[string]any{"a": "xcanary", "b": int64(5), "c": []any{int64(5), "$"}, "d": nil}); !reflect.DeepEqual(got,
		want) {
		t.Errorf("JSON: %v, want %v", got, want)
	}
}

// Lines are counted as the parser counts them, so that the line shown is the
// line meant.
func TestLineBreaks(t *testing.T) {
	for _, br := range []string{"\n", "\r\n", "\r", "\u0085", "\u2028", "\u2029"} {
		spec, ps := loadText("a: 1"+br+br+"é: [1, x]"+br, Options{})
		expect(t, ps)
		pos := spec.Root.At("/é/1").Pos()
		if line, _ := spec.Line("-", pos.Line); pos != (Pos{"-", 3, 8}) || line != "é: [1, x]" {
			t.Errorf("%q: at %v, the line is %q", br, pos, line)
		}
	}
}
