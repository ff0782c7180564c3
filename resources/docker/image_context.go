package docker

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// addedDockerfile is the name in the tar of a Dockerfile that stands in the
// spec or outside of the folder.
const addedDockerfile = ".midaz.Dockerfile"

const ignoreFile = ".dockerignore"

// maxDockerfile bounds a Dockerfile and a .dockerignore.
const maxDockerfile = 1 << 20

// name returns the Dockerfile's name within the context.
func (rec *recipe) name() string {
	if rec.dockerfile == "" {
		return addedDockerfile
	}
	return rec.dockerfile
}

// readRecipe reads the Dockerfile of an image that may be built.
func readRecipe(spec *specs.Spec, img *resources.Resource) {
	c := resources.Config(img.Config.Map("build"))
	if len(c) == 0 {
		return
	}
	rec := &recipe{}
	img.Native = rec
	folder := c.Text("context")
	if folder == "" {
		folder = "."
	}
	if strings.Contains(folder, "://") || strings.HasPrefix(folder, "git@") {
		rec.problem = errors.New("the context is an address; only folders can be built from")
		return
	}
	if !filepath.IsAbs(folder) {
		folder = filepath.Join(img.Dir, folder)
	}
	rec.folder = filepath.Clean(folder)
	if spec != nil && spec.Bounded() {
		if rec.problem = rec.readBounded(spec, c); rec.problem == nil {
			rec.parse(textMap(c["args"]))
		}
		return
	}
	if st, err := os.Stat(rec.folder); err != nil || !st.IsDir() {
		rec.problem = fmt.Errorf("there is no folder %s", rec.folder)
		return
	}
	if inline := c.Text("dockerfile_inline"); inline != "" {
		rec.text = []byte(inline)
	} else if err := rec.readDockerfile(c.Text("dockerfile")); err != nil {
		rec.problem = err
		return
	}
	rec.parse(textMap(c["args"]))
}

func (rec *recipe) readDockerfile(name string) error {
	if name == "" {
		name = "Dockerfile"
	}
	full := name
	if !filepath.IsAbs(full) {
		full = filepath.Join(rec.folder, name)
	}
	rel, err := filepath.Rel(rec.folder, full)
	if err == nil && filepath.IsLocal(rel) {
		rec.dockerfile = filepath.ToSlash(rel)
		root, err := os.OpenRoot(rec.folder)
		if err != nil {
			return rootCause(err)
		}
		defer func() { _ = root.Close() }()
		f, err := openRegular(root, rel)
		if err != nil {
			return noDockerfile(name, err)
		}
		rec.text, err = readSome(f)
		return err
	}
	// Outside of the folder: it goes along under another name.
	text, _, err := new(specs.Spec).ReadFile(full, maxDockerfile, false)
	if err != nil {
		return noDockerfile(name, err)
	}
	rec.text = text
	return nil
}

func noDockerfile(name string, err error) error {
	return fmt.Errorf("no Dockerfile %s: %w", name, rootCause(err))
}

// openRegular opens a file of a folder. Opening a pipe would wait for a writer.
func openRegular(root *os.Root, name string) (*os.File, error) {
	info, err := root.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	return root.Open(name)
}

func rootCause(err error) error {
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		return p.Err
	}
	return err
}

func readSome(f *os.File) ([]byte, error) {
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxDockerfile+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Base(f.Name()), rootCause(err))
	}
	if len(data) > maxDockerfile {
		return nil, fmt.Errorf("%s is larger than %d KiB", filepath.Base(f.Name()), maxDockerfile>>10)
	}
	return data, nil
}

var (
	fromLine = regexp.MustCompile(`(?i)^\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?`)
	copyFrom = regexp.MustCompile(`(?i)^\s*COPY\s+(?:--\S+\s+)*--from=(\S+)`)
	argLine  = regexp.MustCompile(`(?i)^\s*ARG\s+([A-Za-z_][A-Za-z0-9_]*)(?:=(\S*))?`)
	// What only BuildKit understands: flags of instructions, documents in them,
	// a frontend of one's own.
	kitFlags  = regexp.MustCompile(`(?i)^\s*(RUN|COPY|ADD)\s+(--\S+\s+)*--(mount|link|chmod|network|security|parents|exclude|checksum|keep-git-dir)\b`)
	kitInline = regexp.MustCompile(`(?i)^\s*(RUN|COPY|ADD)\b.*<<-?["']?[A-Za-z_]`)
	kitSyntax = regexp.MustCompile(`(?i)^#\s*syntax\s*=`)
)

// parse finds the images it is built on, and whether it needs BuildKit.
func (rec *recipe) parse(args map[string]string) {
	stages := map[string]bool{}
	values := maps.Clone(args)
	inStage := false
	lines := bufio.NewScanner(bytes.NewReader(rec.text))
	lines.Buffer(nil, maxDockerfile+1)
	for lines.Scan() {
		line := lines.Text()
		if kitFlags.MatchString(line) || kitInline.MatchString(line) || !inStage && kitSyntax.MatchString(line) {
			rec.buildKit = true
		}
		if m := argLine.FindStringSubmatch(line); m != nil && !inStage {
			if _, given := values[m[1]]; !given {
				values[m[1]] = strings.Trim(m[2], `"'`)
			}
		}
		var base string
		if m := fromLine.FindStringSubmatch(line); m != nil {
			inStage = true
			base = os.Expand(m[1], func(name string) string {
				name, fallback, _ := strings.Cut(name, ":-")
				if v := values[name]; v != "" {
					return v
				}
				return fallback
			})
			if !stages[base] && base != "scratch" {
				rec.bases = append(rec.bases, base)
			}
			if m[2] != "" {
				stages[m[2]] = true
			}
		}
		if m := copyFrom.FindStringSubmatch(line); m != nil && !stages[m[1]] {
			rec.bases = append(rec.bases, m[1])
		}
	}
	slices.Sort(rec.bases)
	rec.bases = slices.Compact(rec.bases)
}

// entry is one file, folder or link of a build's context.
type entry struct {
	path    string // with slashes
	mode    fs.FileMode
	size    int64
	changed time.Time
	link    string // target of a symbolic link
	content io.Reader
}

// sink takes the entries of a context, in order of path.
type sink interface{ add(e *entry) error }

// walk passes every entry of the context to the sink, without what
// .dockerignore leaves out. Symbolic links stay links: nothing outside of the
// folder is ever read.
func (rec *recipe) walk(ctx context.Context, to sink) error {
	root, err := os.OpenRoot(rec.folder)
	if err != nil {
		return rootCause(err)
	}
	defer func() { _ = root.Close() }()
	ignored, text, err := rec.ignored(root)
	if err != nil {
		return err
	}
	parents := map[string]patternmatcher.MatchInfo{}
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("%s: %w", name, rootCause(err))
		}
		if name == "." {
			return ctx.Err()
		}
		out, info, err := ignored.MatchesUsingParentResults(filepath.FromSlash(name), parents[path.Dir(name)])
		if err != nil {
			return fmt.Errorf("%s: %w", ignoreFile, err)
		}
		if d.IsDir() {
			parents[name] = info
		}
		if out && name != rec.dockerfile && name != ignoreFile {
			if d.IsDir() && !ignored.Exclusions() && !strings.HasPrefix(rec.dockerfile, name+"/") {
				return fs.SkipDir
			}
			return ctx.Err()
		}
		if name == ignoreFile && rec.dockerfile == "" {
			return nil // added below, with a line of ours
		}
		if err := addEntry(root, name, d, to); err != nil {
			return fmt.Errorf("%s: %w", name, rootCause(err))
		}
		return ctx.Err()
	})
	if err != nil || rec.dockerfile != "" {
		return err
	}
	// The added Dockerfile must not end up in the image, so it is ignored, too.
	for _, e := range []*entry{added(ignoreFile, append(text, "\n"+addedDockerfile+"\n"+ignoreFile+"\n"...)),
		added(addedDockerfile, rec.text)} {
		if err := to.add(e); err != nil {
			return err
		}
	}
	return nil
}

func added(name string, text []byte) *entry {
	return &entry{path: name, mode: 0o644, size: int64(len(text)), changed: time.Unix(0, 0), content: bytes.NewReader(text)}
}

// ignored reads the ignore file that goes with the Dockerfile, else the
// folder's.
func (rec *recipe) ignored(root *os.Root) (*patternmatcher.PatternMatcher, []byte, error) {
	var text []byte
	for _, name := range []string{rec.dockerfile + ignoreFile, ignoreFile} {
		f, err := openRegular(root, filepath.FromSlash(name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", name, rootCause(err))
		}
		if text, err = readSome(f); err != nil {
			return nil, nil, err
		}
		break
	}
	pm, err := ignorePatterns(text)
	return pm, text, err
}

func ignorePatterns(text []byte) (*patternmatcher.PatternMatcher, error) {
	patterns, err := ignorefile.ReadAll(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ignoreFile, err)
	}
	pm, err := patternmatcher.New(patterns)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ignoreFile, err)
	}
	return pm, nil
}

func addEntry(root *os.Root, name string, d fs.DirEntry, to sink) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	e := &entry{path: name, mode: info.Mode(), changed: info.ModTime()}
	switch {
	case info.IsDir():
	case info.Mode()&fs.ModeSymlink != 0:
		if e.link, err = root.Readlink(filepath.FromSlash(name)); err != nil {
			return err
		}
	case info.Mode().IsRegular():
		f, err := root.Open(filepath.FromSlash(name))
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		if info, err = f.Stat(); err != nil || !info.Mode().IsRegular() {
			return errors.New("it changed while it was read")
		}
		e.size, e.content = info.Size(), f
	default:
		return nil // sockets, pipes and devices are no content
	}
	return to.add(e)
}

// hashSink digests what decides the outcome of a build: not times and owners.
type hashSink struct{ hash.Hash }

func (s hashSink) add(e *entry) error {
	_, _ = fmt.Fprintf(s, "%q %v %q ", e.path, e.mode&(fs.ModeType|fs.ModePerm), e.link)
	if e.content == nil {
		return nil
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, e.content); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(s, "%x\n", sum.Sum(nil))
	return nil
}

// tarSink writes entries as root's, as the docker command does.
type tarSink struct{ *tar.Writer }

func (s tarSink) add(e *entry) error {
	h := &tar.Header{Name: e.path, Mode: int64(e.mode.Perm()), ModTime: e.changed.Truncate(time.Second), Size: e.size, Typeflag: tar.TypeReg,
		Format: tar.FormatPAX}
	switch {
	case e.mode.IsDir():
		h.Name, h.Typeflag = e.path+"/", tar.TypeDir
	case e.link != "":
		h.Typeflag, h.Linkname = tar.TypeSymlink, filepath.ToSlash(e.link)
	}
	for bit, flag := range map[fs.FileMode]int64{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if e.mode&bit != 0 {
			h.Mode |= flag
		}
	}
	if err := s.WriteHeader(h); err != nil {
		return err
	}
	if e.content == nil {
		return nil
	}
	n, err := io.Copy(s, io.LimitReader(e.content, e.size))
	if err == nil && n < e.size {
		err = errors.New("it became shorter while it was read")
	}
	return err
}

// tar writes the context as the engine takes it.
func (rec *recipe) tar(ctx context.Context, w io.Writer) error {
	tw := tar.NewWriter(w)
	if err := rec.walk(ctx, tarSink{tw}); err != nil {
		return fmt.Errorf("build folder: %w", err)
	}
	return tw.Close()
}
