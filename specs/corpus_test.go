package specs

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the .out files of testdata/err")

// loadCorpus loads one file of the corpus with a fixed environment.
func loadCorpus(path string) (*Spec, Problems) {
	return Load(Options{Files: []string{filepath.Base(path)}, Dir: filepath.Dir(path),
		LookupEnv: environment("FROM_ENV=env", "SET_EMPTY=", "BAD_PORT=70000", "BAD_SECRET=canary-in-env", "EMPTY_SECRET=")})
}

func environment(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for _, p := range pairs {
			if key, value, _ := strings.Cut(p, "="); key == name {
				return value, true
			}
		}
		return "", false
	}
}

func corpus(t testing.TB, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files match %s (%v)", pattern, err)
	}
	return paths
}

// Every file of testdata/ok is silent, warnings included.
func TestCorpusOK(t *testing.T) {
	for _, path := range corpus(t, "testdata/ok/*.yaml") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			spec, ps := loadCorpus(path)
			for _, p := range append(ps, spec.Unused()...) {
				t.Errorf("%v (%s)", p, p.Hint)
			}
		})
	}
}

// Every file of testdata/err gives exactly what stands in its .out file.
func TestCorpusErr(t *testing.T) {
	seen := map[string]bool{}
	for _, path := range corpus(t, "testdata/err/*.yaml") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			spec, ps := loadCorpus(path)
			if len(ps) == 0 {
				t.Error("no problem at all")
			}
			var lines []string
			for _, p := range ps {
				seen[p.Rule.Code] = true
				lines = append(lines, p.Error())
				checkProblem(t, spec, p)
			}
			got, out := strings.Join(lines, "\n")+"\n", strings.TrimSuffix(path, ".yaml")+".out"
			if *update {
				if err := os.WriteFile(out, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%swant\n%s", got, want)
			}
		})
	}
	// The others need more than one file, or a command line; the tests of their
	// own name them.
	elsewhere := []*Rule{RuleFile, RuleValuesFile, RuleUnknownVariable, RuleMergeShape, RuleUnused}
	for _, r := range Rules() {
		if !seen[r.Code] && !slices.Contains(elsewhere, r) {
			t.Errorf("no file in testdata/err shows %s (%s)", r.Code, r.Title)
		}
	}
}

// checkProblem holds what is true of every problem.
func checkProblem(t *testing.T, spec *Spec, p *Problem) {
	t.Helper()
	if p.Pos.File == "" || p.Rule == nil || p.Msg == "" {
		t.Errorf("%v lacks a file, a rule or a message", p)
	}
	if p.Rule == nil {
		return
	}
	if strings.HasSuffix(p.Msg, ".") || p.Msg != strings.TrimSpace(p.Msg) {
		t.Errorf("message %q ends in a full stop or has spaces around it", p.Msg)
	}
	for _, pos := range append([]Pos{p.Pos}, related(p)...) {
		line, ok := spec.Line(pos.File, pos.Line)
		if pos.Line > 0 && ok && (pos.Col < 1 || pos.Col > runeCount(line)+1) {
			t.Errorf("%v: column %d is outside of line %q", p, pos.Col, line)
		}
	}
	if text := p.Error() + p.Hint + spec.Snippet(p); strings.Contains(text, "canary") {
		t.Errorf("a sensitive value shows: %s", text)
	}
}

func related(p *Problem) []Pos {
	var out []Pos
	for _, r := range p.Related {
		out = append(out, r.Pos)
	}
	return out
}
