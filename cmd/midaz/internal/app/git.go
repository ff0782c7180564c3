package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// gitTree is a git working tree. Only objects are read from it: no hook, no
// filter and no configured command is run.
type gitTree struct {
	ctx context.Context
	top string // absolute, links followed
}

// openRepository returns the repository that a folder lies in, nil when it lies
// in none or there is no git.
func openRepository(ctx context.Context, dir string) *gitTree {
	r := &gitTree{ctx: ctx, top: dir}
	out, err := r.git("rev-parse", "--show-toplevel")
	if err != nil {
		return nil
	}
	r.top = filepath.FromSlash(strings.TrimRight(string(out), "\r\n"))
	return r
}

func (r *gitTree) git(args ...string) ([]byte, error) {
	all := append([]string{"--no-pager", "--no-optional-locks", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false"}, args...)
	c := exec.CommandContext(r.ctx, "git", all...)
	c.Dir = r.top
	c.Env = append(c.Environ(), "LC_ALL=C", "GIT_TERMINAL_PROMPT=0", "GIT_NO_LAZY_FETCH=1")
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		text, _, _ := strings.Cut(strings.TrimSpace(stderr.String()), "\n")
		if text == "" {
			text = err.Error()
		}
		return nil, errors.New("git: " + strings.TrimPrefix(text, "fatal: "))
	}
	return out, nil
}

// commit returns the full name of a revision's commit; "A...B" is the merge
// base of the two, and HEAD stands for one that is left out.
func (r *gitTree) commit(rev string) (string, error) {
	if a, b, ok := strings.Cut(rev, "..."); ok {
		var sides []string
		for _, side := range []string{a, b} {
			if side == "" {
				side = "HEAD"
			}
			c, err := r.commit(side)
			if err != nil {
				return "", err
			}
			sides = append(sides, c)
		}
		out, err := r.git("merge-base", sides[0], sides[1])
		if err != nil {
			return "", fmt.Errorf("no common ancestor of %s is here; a shallow clone may lack it: %w", rev, err)
		}
		return strings.TrimSpace(string(out)), nil
	}
	out, err := r.git("rev-parse", "--verify", "--quiet", "--end-of-options", rev+"^{commit}")
	if err != nil {
		return "", &resources.Diagnosis{Err: fmt.Errorf("there is no file and no git revision %q here", rev),
			Hint: "give a file, a revision (main, HEAD~1, a tag, a commit), REV:FILE, or BASE... for where a branch began; a shallow clone may " +
				"lack it: `git fetch origin REV`"}
	}
	return strings.TrimSpace(string(out)), nil
}

// files returns every regular file of a commit, by names relative to a folder
// of the working tree, with links within the commit followed. What they hold
// is fetched when it is asked for.
func (r *gitTree) files(commit, dir string) ([]specs.File, error) {
	out, err := r.git("ls-tree", "-r", "-z", "--full-tree", commit)
	if err != nil {
		return nil, err
	}
	type blob struct{ mode, hash string }
	blobs := map[string]blob{}
	var names []string
	for line := range strings.SplitSeq(string(out), "\x00") {
		meta, name, ok := strings.Cut(line, "\t")
		words := strings.Fields(meta)
		if !ok || len(words) != 3 || words[1] != "blob" { // modules are no files of this repository
			continue
		}
		blobs[name] = blob{words[0], words[2]}
		names = append(names, name)
	}
	fetch := func(hash string) func() ([]byte, error) {
		return func() ([]byte, error) { return r.git("cat-file", "blob", hash) }
	}
	files := make([]specs.File, 0, len(names))
	for _, name := range names {
		b, ok := blobs[name], true
		for hops := 0; b.mode == "120000"; hops++ {
			target, err := r.git("cat-file", "blob", b.hash)
			if err != nil {
				return nil, err
			}
			if b, ok = blobs[path.Join(path.Dir(name), string(target))]; !ok || hops > 8 {
				ok = false
				break
			}
		}
		if !ok { // a link to a folder, or out of the repository
			continue
		}
		rel, err := filepath.Rel(dir, filepath.Join(r.top, filepath.FromSlash(name)))
		if err != nil {
			return nil, err
		}
		mode := fs.FileMode(0o644)
		if b.mode == "100755" {
			mode = 0o755
		}
		files = append(files, specs.File{Name: filepath.ToSlash(rel), Mode: mode, Fetch: fetch(b.hash)})
	}
	return files, nil
}
