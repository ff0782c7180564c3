package app

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// Diff compares two specs: what applying the second would do where the first
// was applied. It asks no engine and no broker, and runs nothing of either.
func Diff(c *Call) error {
	p, err := c.comparePlans(c.Opt.Plan)
	if err != nil {
		return c.failed(err)
	}
	if err := c.Show(report.PlanMade{Plan: p, Problems: c.problems}); err != nil {
		return err
	}
	return c.planExit(p)
}

func (c *Call) comparePlans(options engine.Options) (*engine.Plan, error) {
	was, is, err := c.sides()
	if err != nil {
		return nil, err
	}
	old := c.read(was.options, false)
	if n := old.problems.Errors(); n > 0 {
		c.tell(report.Problems{Spec: old.spec, List: old.problems})
		c.spec, c.problems = old.spec, old.problems
		return nil, &resources.Diagnosis{Err: fmt.Errorf("%s is not valid, so nothing can be compared with it: %s", was.name,
			report.Count(n, "error")), Hint: "choose another revision, or compare with a file"}
	}
	now := c.read(is.options, false)
	if err := c.takeValid(now); err != nil {
		return nil, err
	}
	if err := c.checkProfiles(old.declared); err != nil {
		return nil, err
	}
	c.tell(report.Compared{Was: was.name, Is: is.name, WasStack: old.declared.Stack, IsStack: c.declared.Stack})
	p := engine.MakePlan(c.declared, engine.Foresee(old.declared, c.declared), options)
	return p, c.judge(p)
}

// takeValid goes on with a spec that is planned for without the world, and tells
// what is wrong with it.
func (c *Call) takeValid(now specRead) error {
	c.Take(now)
	c.tell(report.Problems{Spec: c.spec, List: c.problems, Verdict: c.problems.Errors() > 0})
	if c.problems.Errors() > 0 {
		return report.Shown(report.ErrInvalid)
	}
	return c.needPolicies()
}

// side is one of the two specs that are compared.
type side struct {
	name    string // for people
	options specs.Options
}

// sides reads the arguments: the spec at HEAD against the working tree when
// there are none, an argument against the working tree when there is one.
func (c *Call) sides() (was, is side, err error) {
	o := c.specOptions()
	if slices.Contains(o.Files, "-") {
		return was, is, c.Usage("standard input cannot be compared", "write it to a file")
	}
	o.KeepUnset = true
	before, after := "HEAD", ""
	switch len(c.Opt.Args) {
	case 1:
		before, after = c.splitRange(c.Opt.Args[0])
	case 2:
		before, after = c.Opt.Args[0], c.Opt.Args[1]
	}
	if was, err = c.side(o, before); err != nil {
		return was, is, err
	}
	if after == "" {
		is, err = c.onDisk(o, "the working tree")
		return was, is, err
	}
	is, err = c.side(o, after)
	return was, is, err
}

// splitRange takes A..B and A...B apart, which mean what they mean to git diff:
// A, or the merge base of both, and B. Where B is left out it is the working
// tree.
func (c *Call) splitRange(arg string) (before, after string) {
	if info, err := os.Stat(c.Opt.Path(arg)); err == nil && info.Mode().IsRegular() || strings.Contains(arg, ":") {
		return arg, ""
	}
	if _, b, ok := strings.Cut(arg, "..."); ok {
		return arg, b
	}
	if a, b, ok := strings.Cut(arg, ".."); ok {
		return cmp.Or(a, "HEAD"), b
	}
	return arg, ""
}

// side reads one argument: a file, REV:FILE, or a revision, of which the files
// of -file are taken.
func (c *Call) side(o specs.Options, arg string) (side, error) {
	if info, err := os.Stat(c.Opt.Path(arg)); err == nil && info.Mode().IsRegular() {
		o.Files = []string{arg}
		return c.onDisk(o, arg)
	}
	if strings.HasPrefix(arg, "-") || arg == "" {
		return side{}, c.Usage(fmt.Sprintf("%q is no revision", arg), "")
	}
	dir, err := c.folder(o)
	if err != nil {
		return side{}, err
	}
	repo := openRepository(c.Context, dir)
	if repo == nil {
		return side{}, &resources.Diagnosis{Err: fmt.Errorf("%q is no file, and %s is in no git repository", arg, dir),
			Hint: "compare two files: `midaz diff OLD.yaml NEW.yaml`"}
	}
	rev, file, named := strings.Cut(arg, ":")
	commit, err := repo.commit(rev)
	if err != nil {
		return side{}, err
	}
	name := fmt.Sprintf("%s (%.12s)", rev, commit)
	switch {
	case named && strings.HasPrefix(file, "."): // as in git, relative to the current folder
		o.Files = []string{filepath.Clean(filepath.FromSlash(file))}
	case named:
		o.Files, o.Dir, dir = []string{filepath.FromSlash(file)}, repo.top, repo.top
	}
	if named {
		name = file + " at " + name
	}
	first := o.Files[0]
	if !filepath.IsAbs(first) {
		first = filepath.Join(dir, first)
	}
	o.Root, o.PastOf = repo.top, "revision "+rev
	if o.Past, err = repo.files(commit, realFolder(first)); err != nil {
		return side{}, err
	}
	return side{name, o}, nil
}

// folder is the absolute folder that relative paths start at.
func (c *Call) folder(o specs.Options) (string, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(dir)
}

// realFolder returns the folder of a file with links followed, as far as it
// exists: that of a revision may be gone by now.
func realFolder(file string) string {
	dir := filepath.Dir(file)
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		return real
	}
	return dir
}

// onDisk reads files of the disk, and nothing outside of their repository, or
// of their folder where there is none.
func (c *Call) onDisk(o specs.Options, name string) (side, error) {
	dir, err := c.folder(o)
	if err != nil {
		return side{}, err
	}
	o.Dir = dir
	first := o.Files[0]
	if !filepath.IsAbs(first) {
		first = filepath.Join(dir, first)
	}
	o.Root = realFolder(first)
	if repo := openRepository(c.Context, o.Root); repo != nil {
		o.Root = repo.top
	} else if rel, err := filepath.Rel(dir, o.Root); err == nil && filepath.IsLocal(rel) {
		o.Root = dir
	}
	if _, err := os.Stat(o.Root); errors.Is(err, os.ErrNotExist) {
		o.Root = dir
	}
	return side{name, o}, nil
}
