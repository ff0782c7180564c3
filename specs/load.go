package specs

import (
	"cmp"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
)

// Options say what to read and where values of variables come from. The zero
// Options read nothing.
type Options struct {
	// Files are the spec files, merged left to right; "-" is Stdin.
	Files []string
	Stdin io.Reader
	// Dir is the folder relative file names are resolved against ("" is the
	// current one). Positions keep the names as given.
	Dir string
	// ValueFiles hold values of variables. They are read in order, and later ones
	// win. Unless one of them is an env file, ".env" beside the first spec file is
	// read when it is there.
	ValueFiles []ValueFile
	// Vars are "name=value" from the command line. They beat ValueFiles.
	Vars []string
	// LookupEnv reads the environment; nil means an empty environment.
	LookupEnv func(string) (string, bool)
	// Profiles are the profiles that are on.
	Profiles []string
	// Texts are read in place of the files of these names, to try an edit before
	// it is written.
	Texts map[string]string
	// KeepUnset leaves ${X} as written where X has no value, instead of an error,
	// so that specs can be compared that nobody here could apply.
	KeepUnset bool
	// Root, when not empty, is the absolute folder outside of which nothing that
	// the spec names is read, links followed. ValueFiles are not bound by it.
	Root string
	// NoInterpolate leaves ${X} as written, for tools that only look at shape.
	NoInterpolate bool
	// Past, when not nil, is read in place of the disk: the files that an
	// earlier run was made from, by names relative to the folder of the first
	// spec file. Of one without a text the disk's is taken. Files of values
	// are always today's.
	Past []File
	// PastOf says what the past is, for messages; "" is an earlier run.
	PastOf string
	// Pinned are values of variables that only Vars beat; nil is one that is
	// not set, whatever the environment has. PinnedFrom says where they come
	// from, for messages; "" is an earlier run.
	Pinned     map[string]*string
	PinnedFrom string
	// Withhold leaves sensitive variables without a value, whatever gives them
	// one: with KeepUnset they stand for themselves.
	Withhold bool
}

// ValueFile is a file of values of variables.
type ValueFile struct {
	Name string
	// Env says that it holds NAME=value lines. Otherwise it is a YAML map when its
	// name ends in .yaml, .yml or .json, and lines too when it does not.
	Env bool
}

// Variable is one entry of the spec's `variables` section and the value it
// got. Value is only to be used through interpolation; From says where the
// value came from ("default", ".env", "-var", "environment", ...), "" if unset.
type Variable struct {
	Name        string
	Type        string // string, int, number, bool, port, duration, bytes
	Description string
	Sensitive   bool
	HasDefault  bool
	Default     string
	Enum        []string // the values allowed, all when empty
	Pattern     string   // a regular expression the value must match, "" for none
	Value       string
	From        string
	Pos         Pos
}

// Spec is what Load read: the merged, interpolated tree and what surrounds it.
type Spec struct {
	Root      Node
	Stack     string // the top-level `stack`, "" when missing
	Profiles  []string
	Variables []Variable // sorted by name
	// Dir is the absolute folder of the first spec file: relative paths inside
	// the spec start there. DirOf tells it for any position.
	Dir string
	// Partial says that a file could not be read, so that what seems to be
	// missing may stand there.
	Partial bool

	scope      *scope
	files      []*source
	unresolved map[Pos]bool
	keepUnset  bool
	secrets    []string // texts that a snippet must not show
	named      *files   // what it is made from
	order      []string // its own files, in the order of merging
}

// loader is one run of Load.
type loader struct {
	opt       Options
	dir       string
	spec      *Spec
	problems  Problems
	left      int // problems beyond maxProblems
	stdinRead bool
	maxValues int
}

// Load reads the spec. It goes on after every problem as far as that makes
// sense, and returns all of them, sorted, warnings included. The Spec is never
// nil; with errors it holds what could be read, and must not be applied.
func Load(opt Options) (*Spec, Problems) {
	l := &loader{opt: opt, maxValues: maxValues}
	return l.load()
}

func (l *loader) load() (*Spec, Problems) {
	opt := l.opt
	l.spec = &Spec{Profiles: opt.Profiles, unresolved: map[Pos]bool{}, scope: newScope(opt.LookupEnv), named: newFiles(opt),
		keepUnset: opt.KeepUnset}
	l.spec.scope.pinned, l.spec.scope.pinnedFrom = opt.Pinned, cmp.Or(opt.PinnedFrom, "that run")
	dir, err := filepath.Abs(opt.Dir)
	if err != nil {
		l.report(RuleFile.At(Pos{File: "."}, "the current folder cannot be told: "+reason(err), ""))
		return l.spec, l.problems
	}
	l.dir, l.spec.Dir, l.spec.named.dir = dir, dir, dir
	if len(opt.Files) > 0 && opt.Files[0] != stdinName {
		l.spec.Dir = filepath.Dir(l.path(opt.Files[0]))
		l.spec.named.dir = l.spec.Dir
	}

	root := l.readFiles()
	l.readValues()
	l.declare(Node{root}.Get("variables"))
	if !opt.NoInterpolate && root != nil {
		root = l.interpolate(root)
	}
	l.checkVars()
	l.spec.Root = Node{root}
	if stack := l.spec.Root.Get("stack"); stack.IsScalar() {
		l.spec.Stack = stack.Text()
	}
	return l.spec, l.finish()
}

// readFiles reads and merges the spec files; nil when none could be read.
func (l *loader) readFiles() *tree {
	var root *tree
	for _, name := range l.opt.Files {
		src, text, ok := l.readSource(name)
		l.spec.files = append(l.spec.files, src)
		if !ok {
			l.spec.Partial = true
			continue
		}
		l.readIgnores(src)
		p := &parser{src: src, report: l.report, uses: l.spec.scope.use, maxValues: l.maxValues}
		t := p.parse(text)
		if t == nil {
			l.spec.Partial = true
			continue
		}
		root = mergeFiles(root, t, l.report)
	}
	return root
}

func (l *loader) report(p *Problem) {
	if len(l.problems) >= maxProblems {
		l.left++
		return
	}
	l.problems = append(l.problems, p)
}

func (l *loader) finish() Problems {
	out := l.problems.Sorted()
	if l.left > 0 {
		out = append(out, RuleLimit.At(Pos{File: out[len(out)-1].Pos.File}, fmt.Sprintf("%d more problems are not shown", l.left),
			"correct these first"))
	}
	return out
}

// source returns the file of that name, nil when it is not a spec file.
func (s *Spec) source(file string) *source {
	i := slices.IndexFunc(s.files, func(f *source) bool { return f.name == file })
	if i < 0 {
		return nil
	}
	return s.files[i]
}

// Line returns a line of a spec file, counted from 1. Files of values are not
// kept, since they hold secrets.
func (s *Spec) Line(file string, n int) (string, bool) {
	src := s.source(file)
	if src == nil || n < 1 || n > len(src.lines) {
		return "", false
	}
	return src.lines[n-1], true
}

// DirOf returns the absolute folder of the file that the position is in: there
// the relative paths written in it start.
func (s *Spec) DirOf(pos Pos) string {
	if src := s.source(pos.File); src != nil {
		return src.dir
	}
	return s.Dir
}

// PathOf returns the absolute path of a spec file, "" for one that was not read
// from a file.
func (s *Spec) PathOf(file string) string {
	src := s.source(file)
	if src == nil || file == stdinName {
		return ""
	}
	return filepath.Join(src.dir, filepath.Base(file))
}

// Unresolved reports whether a value at the position could not be substituted.
// Load has said why; whatever else is found wrong with the value is a
// consequence.
func (s *Spec) Unresolved(pos Pos) bool { return s.unresolved[pos] }

// Enabled reports whether something with these profiles is on: it has none,
// one of them is on, or all are ("*").
func (s *Spec) Enabled(profiles []string) bool {
	if len(profiles) == 0 || slices.Contains(s.Profiles, "*") {
		return true
	}
	return slices.ContainsFunc(profiles, func(p string) bool {
		return slices.Contains(s.Profiles, strings.TrimSpace(p))
	})
}
