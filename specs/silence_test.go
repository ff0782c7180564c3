package specs

import (
	"strings"
	"testing"
)

func TestSilence(t *testing.T) {
	warning := &Rule{Code: "MZ901", Severity: Warning}
	other := &Rule{Code: "MZ902", Severity: Warning}
	firm := &Rule{Code: "MZ903", Severity: Error}
	soft := &Rule{Code: "MZ904", Severity: Error, Silenceable: true}
	spec, ps := loadText(`a: 1 # midaz:ignore MZ901 it is so
b: 2
# midaz:ignore MZ901,MZ904 two codes
c: 3
# midaz:ignore MZ901 one
# a comment between

# midaz:ignore MZ902 another
d: 4
e: "no # midaz:ignore MZ901" # not a reason
f: 6 #midaz:ignore MZ903 errors remain
g: |
  # midaz:ignore MZ901 text in a script
  echo
`, Options{})
	expect(t, ps, `-:10:8: an ignore comment names no code here [MZ015]`)
	tests := []struct {
		rule     *Rule
		line     int
		silenced bool
	}{
		{warning, 1, true}, {other, 1, false}, {warning, 2, false},
		{warning, 4, true}, {soft, 4, true}, {other, 4, false}, {warning, 3, false},
		{warning, 9, true}, {other, 9, true}, {soft, 9, false},
		{warning, 10, false}, {firm, 11, false}, {warning, 14, true},
	}
	for _, test := range tests {
		p := test.rule.At(Pos{File: "-", Line: test.line, Col: 1}, "finding", "")
		kept, silenced := spec.Silence(Problems{p})
		if got := len(silenced) == 1; got != test.silenced || len(kept)+len(silenced) != 1 {
			t.Errorf("%s on line %d: silenced is %v", test.rule.Code, test.line, got)
		}
	}
	elsewhere := Problems{warning.At(Pos{File: "other.yaml", Line: 1, Col: 1}, "finding", ""), {Msg: "no rule"}}
	if kept, _ := spec.Silence(elsewhere); len(kept) != 2 {
		t.Errorf("kept %v", kept)
	}
}

func TestSilenceNeedsReason(t *testing.T) {
	for comment, want := range map[string]string{
		"# midaz:ignore":                  "an ignore comment names no code here",
		"# midaz:ignore because":          "an ignore comment names no code here",
		"# midaz:ignore MZ1 because":      "an ignore comment names no code here",
		"# midaz:ignore MZ901, MZ902 why": "an ignore comment names no code here",
		"# midaz:ignore MZ901":            "an ignore comment gives no reason, so it silences nothing",
		"# midaz:ignore MZ901,MZ902   ":   "an ignore comment gives no reason, so it silences nothing",
	} {
		spec, ps := loadText("é: 1 "+comment+"\n", Options{})
		expect(t, ps, "-:1:6: "+want+" [MZ015]")
		p := (&Rule{Code: "MZ901", Severity: Warning}).At(Pos{File: "-", Line: 1, Col: 1}, "finding", "")
		if kept, _ := spec.Silence(Problems{p}); len(kept) != 1 {
			t.Errorf("%q silences", comment)
		}
	}
}

// A finding about the spec itself can be silenced like any other warning.
func TestSilenceOwnWarnings(t *testing.T) {
	spec, ps := loadText("variables:\n  # midaz:ignore MZ018 for the application\n  A: {}\n", Options{})
	kept, silenced := spec.Silence(append(ps, spec.Unused()...))
	if len(kept) != 0 || len(silenced) != 1 {
		t.Errorf("kept %v, silenced %v", kept, silenced)
	}
}

func TestSnippet(t *testing.T) {
	masked := &Rule{Code: "MZ999", Masked: true}
	long := strings.Repeat("x", 100) + "HERE" + strings.Repeat("y", 100)
	spec, ps := loadText("variables: { S: { sensitive: true }, T: { sensitive: true } }\n"+
		"a: \"é\tü\" # héé\n"+
		"b: "+long+"\n"+
		"c: { password: canary, of: canary } # S and canary\n"+
		"d: abc\u202edef\n"+
		"e: $S$T\n", Options{Vars: []string{"S=canary", "T=of"}})
	for _, p := range ps {
		t.Error(p)
	}
	at := func(r *Rule, line, col int) *Problem {
		return &Problem{Pos: Pos{File: "-", Line: line, Col: col}, Rule: r}
	}
	const s = "(sensitive value)"
	tests := []struct {
		name string
		p    *Problem
		want string
	}{
		{"tabs and runes", at(nil, 2, 7), "2 | a: \"é\tü\" # héé\n  |      \t^"},
		{"past the end", at(nil, 2, 99), "2 | a: \"é\tü\" # héé\n  |      \t        ^"},
		{"column zero", at(nil, 2, 0), "2 | a: \"é\tü\" # héé\n  | ^"},
		{"a long line", at(nil, 3, 104), "3 | …" + strings.Repeat("x", 60) + "HERE" + strings.Repeat("y", 56) + "…\n  |  " + strings.Repeat(" ",
			60) + "^"},
		{"the end of a long line", at(nil, 3, 208), "3 | …" + strings.Repeat("x", 16) + "HERE" + strings.Repeat("y", 100) + "\n  |  " +
			strings.Repeat(" ", 120) + "^"},
		{"the value of a sensitive variable", at(nil, 4, 24), "4 | c: { password: " + s + ", of: " + s + " } # S and " + s +
			"\n  |                                   ^"},
		{"inside of it", at(nil, 4, 18), "4 | c: { password: " + s + ", of: " + s + " } # S and " + s + "\n  |                ^"},
		{"a rule about secrets", at(masked, 4, 6), "4 | c: { " + s + "\n  |      ^"},
		{"text direction", at(nil, 5, 4), "5 | d: abc·def\n  |    ^"},
		{"no such line", at(nil, 99, 1), ""},
		{"no such file", &Problem{Pos: Pos{File: "x", Line: 1, Col: 1}}, ""},
		{"no line", &Problem{Pos: Pos{File: "-"}}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := spec.Snippet(test.p); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

// A literal secret that one problem points at shows in the snippet of no other.
func TestSnippetHidesWhatIsMasked(t *testing.T) {
	spec, ps := loadText("u: { password: canary, other: 1 }\n", Options{})
	expect(t, ps)
	masked := (&Rule{Code: "MZ999", Severity: Warning, Masked: true}).At(Pos{File: "-", Line: 1, Col: 16}, "a secret", "")
	spec.Silence(Problems{masked})
	for col := range 40 {
		if got := spec.Snippet(&Problem{Pos: Pos{File: "-", Line: 1, Col: col}}); strings.Contains(got, "canary") {
			t.Errorf("column %d: %s", col, got)
		}
	}
}

// Lines of files of values are never shown.
func TestSnippetOfValues(t *testing.T) {
	dir := write(t, map[string]string{"a.yaml": "a: 1\n", ".env": "A='canary\n", "v.yaml": "a: [canary]\n"})
	spec, ps := Load(Options{Dir: dir, Files: []string{"a.yaml"}, ValueFiles: varFiles("v.yaml")})
	if len(ps) != 2 {
		t.Errorf("got %v", ps)
	}
	for _, p := range ps {
		if got := spec.Snippet(p); got != "" {
			t.Errorf("%v shows %s", p, got)
		}
	}
}

func TestPrintable(t *testing.T) {
	p := RuleShapeForTest.At(Pos{}, "a\x1b[31mb\nc\u202e é", "d\te")
	if p.Msg != "a·[31mb·c· é" || p.Hint != "d·e" {
		t.Errorf("got %q, %q", p.Msg, p.Hint)
	}
}

// RuleShapeForTest is any rule.
var RuleShapeForTest = &Rule{Code: "MZ900"}

func TestRules(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Rules() {
		if !ruleCode.MatchString(r.Code) || seen[r.Code] || r.Code > "MZ019" {
			t.Errorf("%s: not a code of this package, or used twice", r.Code)
		}
		seen[r.Code] = true
		if r.Title == "" || strings.ToLower(r.Title[:1]) != r.Title[:1] && !strings.HasPrefix(r.Title, "YAML") {
			t.Errorf("%s: title %q", r.Code, r.Title)
		}
		if len(r.Explain) < 200 || !strings.Contains(r.Explain, "**What to do.**") && r != RuleIgnore {
			t.Errorf("%s: the explanation does not say what to do", r.Code)
		}
		if strings.Count(r.Explain, "```")%2 != 0 {
			t.Errorf("%s: a code block is not closed", r.Code)
		}
		for i, block := range strings.Split(r.Explain, "```yaml\n") {
			if i == 0 || strings.Contains(block, "# wrong") {
				continue
			}
			text, _, _ := strings.Cut(block, "```")
			if _, ps := loadText(text, Options{}); ps.Errors() > 0 {
				t.Errorf("%s: its example is wrong: %v", r.Code, ps)
			}
		}
	}
}
