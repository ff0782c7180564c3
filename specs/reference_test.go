package specs

import (
	"strings"
	"testing"
)

// The forms of Compose's interpolation, in a quoted text. A is "a", E is
// empty, U is unset, S is "$A" and R is "${A}": values are not read again.
func TestReferences(t *testing.T) {
	tests := []struct {
		text, want string
		problem    string // without position
	}{
		{text: "", want: ""},
		{text: "plain", want: "plain"},
		{text: "$A", want: "a"},
		{text: "${A}", want: "a"},
		{text: "x$A-y", want: "xa-y"},
		{text: "x${A}y", want: "xay"},
		{text: "$A$A${A}", want: "aaa"},
		{text: "$A_", problem: `variable "A_" is used and nowhere set [MZ010]`},
		{text: "$A.b", want: "a.b"},
		{text: "$E|${E}", want: "|"},
		{text: "$S $R", want: "$A ${A}"},
		{text: "$$A", want: "$A"},
		{text: "$${A}", want: "${A}"},
		{text: "$$$A", want: "$a"},
		{text: "$", want: "$"},
		{text: "a$", want: "a$"},
		{text: "^a$|^b$", want: "^a$|^b$"},
		{text: "$1 $( $. $é", want: "$1 $( $. $é"},
		{text: "a}b{c", want: "a}b{c"},

		{text: "${U:-d}|${U-d}|${U:-}", want: "d|d|"},
		{text: "${E:-d}|${E-d}", want: "d|"},
		{text: "${A:-d}|${A-d}", want: "a|a"},
		{text: "${U:+r}|${U+r}|${E:+r}|${E+r}|${A:+r}|${A+r}", want: "|||r|r|r"},
		{text: "${A:?m}|${A?m}|${E?m}", want: "a|a|"},
		{text: "${U:?m n}", problem: `variable "U" is used and nowhere set: m n [MZ010]`},
		{text: "${U?m}", problem: `variable "U" is used and nowhere set: m [MZ010]`},
		{text: "${E:?m}", problem: `variable "E" is empty (from -var): m [MZ010]`},
		{text: "${U:?}", problem: `variable "U" is used and nowhere set [MZ010]`},
		{text: "${U}", problem: `variable "U" is used and nowhere set [MZ010]`},

		{text: "${U:-${A}}", want: "a"},
		{text: "${U:-x${E:-${A}}y}", want: "xay"},
		{text: "${A:-${U}}", want: "a"},
		{text: "${U:+${U}}", want: ""},
		{text: "${U:-$$A}", want: "$A"},
		{text: "${U:-:-?}", want: ":-?"},
		{text: `${U:-{'a':{'b':1}}}`, want: `{'a':{'b':1}}`},
		{text: "${U:-a b  c}", want: "a b  c"},
		{text: "${U:-${U2}}", problem: `variable "U2" is used and nowhere set [MZ010]`},

		{text: "${", problem: `"${" is not followed by a name: letters, digits and _, not beginning with a digit [MZ012]`},
		{text: "${}", problem: `"${}" names no variable [MZ012]`},
		{text: "${ A }", problem: `"${" is not followed by a name: letters, digits and _, not beginning with a digit [MZ012]`},
		{text: "${1A}", problem: `"${" is not followed by a name: letters, digits and _, not beginning with a digit [MZ012]`},
		{text: "${A", problem: `"${" is not closed by "}" [MZ012]`},
		{text: "${A:-${U}", problem: `"${" is not closed by "}" [MZ012]`},
		{text: "${A:-{}", problem: `"${" is not closed by "}" [MZ012]`},
		{text: "${A:=b}", problem: `after the name in "${A" comes "}", or one of :- - :? ? :+ + [MZ012]`},
		{text: "${A b}", problem: `after the name in "${A" comes "}", or one of :- - :? ? :+ + [MZ012]`},
		{text: strings.Repeat("${U:-", 16) + "x" + strings.Repeat("}", 16), want: "x"},
		{text: strings.Repeat("${U:-", 17) + "x" + strings.Repeat("}", 17), problem: `"${" is not closed by "}" [MZ012]`},
	}
	for _, test := range tests {
		t.Run(test.text, func(t *testing.T) {
			spec, ps := loadText("v: \""+test.text+"\"\nused: $A$E$S$R\n", Options{Vars: []string{"A=a", "E=", "S=$A", "R=${A}"}})
			if test.problem != "" {
				if len(ps) != 1 || !strings.HasSuffix(ps[0].Error(), ": "+test.problem) {
					t.Fatalf("got %v, want %s", ps, test.problem)
				}
				if n := spec.Root.Get("v"); !spec.Unresolved(n.Pos()) {
					t.Error("the value does not count as unresolved")
				}
				return
			}
			expect(t, ps)
			n := spec.Root.Get("v")
			if n.Text() != test.want || n.Kind() != String || spec.Unresolved(n.Pos()) {
				t.Errorf("got %v %q, want %q", n.Kind(), n.Text(), test.want)
			}
		})
	}
}

// A plain scalar is read again as YAML after substitution; one in quotes stays
// a text, and so does one that became empty or null.
func TestKindAfterSubstitution(t *testing.T) {
	tests := []struct {
		written string
		kind    Kind
	}{
		{"$N", Int}, {"${N}0", Int}, {"-$N", Int}, {"$N.5", Float}, {"$T", Bool}, {"$NULL", String}, {"$E", String}, {"x$N", String},
		{`"$N"`, String}, {"'$T'", String}, {"|\n  $N", String}, {"!!str $N", String}, {"!!int '$N'", Int}, {"!!int $N", Int}, {"$L", String},
	}
	for _, test := range tests {
		spec, ps := loadText("v: "+test.written+"\nx: $N$T$NULL$E$L\n", Options{Vars: []string{"N=5", "T=true", "NULL=null", "E=", "L=[a]"}})
		expect(t, ps)
		if got := spec.Root.Get("v").Kind(); got != test.kind {
			t.Errorf("%s becomes %v, want %v", test.written, got, test.kind)
		}
	}
}

func TestNoInterpolate(t *testing.T) {
	spec, ps := loadText("v: ${U} $$ ${\n", Options{NoInterpolate: true})
	expect(t, ps)
	if got := spec.Root.Get("v").Text(); got != "${U} $$ ${" {
		t.Errorf("got %q", got)
	}
}

// Sensitive is every value that a sensitive variable had a part in, and no
// other.
func TestSensitive(t *testing.T) {
	spec, ps := loadText(`
variables: { S: { sensitive: true }, P: {} }
v:
  whole: ${S}
  part: "a ${S} b"
  first: $S-$P
  default: ${U:-${S}}
  chosen: ${S:-x}
  only-whether: ${S:+x}
  not: ${P}
  literal: canary
  alias: &a { x: "$S" }
  again: *a
`, Options{Vars: []string{"S=canary", "P=open"}})
	expect(t, ps)
	for pointer, want := range map[string]bool{"whole": true, "part": true, "first": true, "default": true, "chosen": true,
		"only-whether": true,
		"not":          false, "literal": false, "alias/x": true, "again/x": true} {
		if got := spec.Root.At("/v/" + pointer).Sensitive(); got != want {
			t.Errorf("%s: sensitive is %v", pointer, got)
		}
	}
}

func TestExpand(t *testing.T) {
	spec, ps := loadText("variables: { S: { sensitive: true }, P: {}, UNUSED: {} }\n", Options{Vars: []string{"S=canary", "P=5"}})
	expect(t, ps)
	out, sensitive, ps := spec.Expand("a.conf", "port ${P}\nprice $$5, ^x$\n")
	expect(t, ps)
	if out != "port 5\nprice $5, ^x$\n" || sensitive {
		t.Errorf("got %q, sensitive %v", out, sensitive)
	}
	out, sensitive, ps = spec.Expand("a.conf", "pass ${S}\n")
	expect(t, ps)
	if out != "pass canary\n" || !sensitive {
		t.Errorf("got %q, sensitive %v", out, sensitive)
	}
	_, _, ps = spec.Expand("dir/a.conf", "one\nté $NOT ${P\n")
	expect(t, ps, `dir/a.conf:2:4: variable "NOT" is used and nowhere set [MZ010]`, `dir/a.conf:2:9: "${" is not closed by "}" [MZ012]`)
	expect(t, spec.Unused(), "-:1:45: variable UNUSED is declared and nothing uses it [MZ018]")

	_, _, ps = (&Spec{}).Expand("a.conf", "$X")
	expect(t, ps, `a.conf:1:1: variable "X" is used and nowhere set [MZ010]`)
}

// Where folding hides the place, a problem stands at the value, not at text
// further down that looks the same.
func TestPlaceStaysInTheValue(t *testing.T) {
	_, ps := loadText("v: >\n  a ${U:?a\n  b}\n# ${U:?a b}\nw: 1\n", Options{})
	expect(t, ps, `-:1:4: variable "U" is used and nowhere set: a b [MZ010]`)
}

// What several aliases share is one use.
func TestUnsetInSharedValue(t *testing.T) {
	_, ps := loadText("a: &a { v: $U }\nb: *a\nc: *a\n", Options{})
	expect(t, ps, `-:1:12: variable "U" is used and nowhere set [MZ010]`)
	if len(ps[0].Related) != 0 {
		t.Errorf("related: %v", ps[0].Related)
	}
}

// Small files with large variables do not fill the memory.
func TestSubstitutionIsBounded(t *testing.T) {
	large := strings.Repeat("x", 100<<10)
	spec, ps := loadText("a: "+strings.Repeat("$L", 20)+"\nb: $L\n", Options{Vars: []string{"L=" + large}})
	expect(t, ps, "-:1:4: the value is too large with its variables substituted [MZ006]")
	if got := len(spec.Root.Get("b").Text()); got != len(large) {
		t.Errorf("the other value has %d bytes", got)
	}
	_, ps = loadText("a:\n"+strings.Repeat("- $L\n", 700), Options{Vars: []string{"L=" + large}})
	if len(ps) != 1 || ps[0].Rule != RuleLimit {
		t.Errorf("got %v", ps)
	}
}
