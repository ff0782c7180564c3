// Package compose reads a Compose project, with the reference loader, and says
// in a spec what it says. References to variables stay references.
package compose

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/consts"
	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/template"
	"github.com/sirupsen/logrus"
	"gopkg.in/yaml.v3"

	"github.com/LerianStudio/midaz-infra/specs/draft"
)

// Options say which project to read and what it is to be written for.
type Options struct {
	// Files are merged left to right. None means COMPOSE_FILE, or the file that
	// Compose finds in Dir or above it, with its override file.
	Files []string
	// Dir is the folder that relative names of files start at.
	Dir string
	// EnvFiles are read instead of .env beside the first file; later ones win.
	EnvFiles []string
	// Name is the project's, "" for the one Compose would take.
	Name string
	// SpecDir is the folder the spec will stand in: paths are relative to it.
	// "" is the folder of the project.
	SpecDir string
	// Environ is the environment, as in os.Environ.
	Environ []string
}

// reader is one run of Read.
type reader struct {
	climbs  map[string]bool // paths that the files write with .. in front
	opt     Options
	dir     string // of the project, absolute
	files   []string
	name    string
	env     map[string]string // the environment
	fileEnv map[string]string // of the env files
	draft   *draft.Draft
	marks   *marks
	values  map[string]any // what the project means
	texts   map[string]any // the same with marks in place of references
}

// Read returns the project as a spec. What cannot be said in any spec is in its
// notes; which of the fields this midaz supports is left to the caller.
func Read(ctx context.Context, opt Options) (*draft.Draft, error) {
	// The loader tells people through a logger of its own what is no matter of
	// the spec: variables that are not set, a version that is obsolete.
	logrus.SetOutput(io.Discard)
	r := &reader{opt: opt, env: map[string]string{}, draft: &draft.Draft{}}
	for _, e := range opt.Environ {
		if k, v, ok := strings.Cut(e, "="); ok {
			r.env[k] = v
		}
	}
	if err := r.find(); err != nil {
		return nil, err
	}
	if err := r.load(ctx); err != nil {
		return nil, fmt.Errorf("read the Compose project: %w", err)
	}
	r.convert()
	return r.draft, nil
}

// find resolves what files there are, where the project stands and its name.
func (r *reader) find() error {
	files := make([]string, len(r.opt.Files))
	for i, f := range r.opt.Files {
		files[i] = r.abs(f)
	}
	o, err := cli.NewProjectOptions(files, func(o *cli.ProjectOptions) error {
		maps.Copy(o.Environment, r.env)
		if len(files) == 0 {
			o.WorkingDir = r.abs(".")
		}
		return nil
	}, cli.WithConfigFileEnv, cli.WithDefaultConfigPath)
	if err != nil {
		return fmt.Errorf("find the Compose file: %w", err)
	}
	if len(o.ConfigPaths) == 0 {
		return fmt.Errorf("there is no Compose file in %s: name one", r.abs("."))
	}
	r.files, r.dir = o.ConfigPaths, filepath.Dir(o.ConfigPaths[0])
	if r.opt.SpecDir == "" {
		r.opt.SpecDir = r.dir
	}
	if err := r.readEnv(); err != nil {
		return err
	}
	r.readClimbs()
	return r.findName()
}

func (r *reader) abs(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	abs, err := filepath.Abs(filepath.Join(r.opt.Dir, name))
	if err != nil {
		return name
	}
	return abs
}

func (r *reader) readEnv() error {
	var files []string
	for _, f := range r.opt.EnvFiles {
		files = append(files, r.abs(f))
	}
	if len(files) == 0 {
		if beside := filepath.Join(r.dir, ".env"); isFile(beside) {
			files = []string{beside}
		}
	}
	env, err := readEnv(r.env, files)
	if err != nil {
		return fmt.Errorf("read the env file: %w", err)
	}
	r.fileEnv = env
	return nil
}

// readEnv reads env files as Compose does. An error repeats nothing of them: it
// may be a password that cannot be read.
func readEnv(env map[string]string, files []string) (map[string]string, error) {
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		if !utf8.Valid(text) || bytes.ContainsRune(text, 0) {
			return nil, fmt.Errorf("%s: the text is not UTF-8", name)
		}
	}
	out, err := dotenv.GetEnvFromFile(maps.Clone(env), files)
	if err == nil {
		return out, nil
	}
	where := strings.Join(files, ", ")
	if line := lineOfError.FindString(err.Error()); line != "" {
		where += ", " + line
	}
	return nil, fmt.Errorf("%s: this is not a file of NAME=value lines", where)
}

var lineOfError = regexp.MustCompile(`line \d+`)

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// lookup is the value of a variable: the environment wins over the files.
func (r *reader) lookup(name string) (string, bool) {
	if v, ok := r.env[name]; ok {
		return v, true
	}
	v, ok := r.fileEnv[name]
	return v, ok
}

// findName follows Compose: what was asked for, COMPOSE_PROJECT_NAME, `name` in
// the files, the name of the folder. A name that was given must be right; one of
// a file or folder is made so.
func (r *reader) findName() error {
	r.name = r.opt.Name
	if v, ok := r.lookup(consts.ComposeProjectName); r.name == "" && ok {
		r.name = v
	}
	if r.name != "" {
		if r.name != loader.NormalizeProjectName(r.name) {
			return loader.InvalidProjectNameErr(r.name)
		}
		return nil
	}
	for i := len(r.files) - 1; i >= 0 && r.name == ""; i-- {
		text, err := os.ReadFile(r.files[i])
		if err != nil {
			return fmt.Errorf("read the Compose file: %w", err)
		}
		var named struct {
			Name string `yaml:"name"`
		}
		if yaml.Unmarshal(text, &named) == nil && named.Name != "" {
			name, err := template.Substitute(named.Name, r.lookup)
			if err != nil {
				return fmt.Errorf("name of the project: %w", err)
			}
			r.name = loader.NormalizeProjectName(name)
		}
	}
	if r.name == "" {
		r.name = loader.NormalizeProjectName(filepath.Base(r.dir))
	}
	if r.name == "" {
		return loader.InvalidProjectNameErr(r.name)
	}
	return nil
}

// readClimbs notes what the files write as paths that leave the folder of the
// project: the loader tells of no path whether it was written as an absolute one.
// Of a path with a reference it is the folder before that.
func (r *reader) readClimbs() {
	r.climbs = map[string]bool{}
	note := func(path string) {
		if at := strings.Index(path, "$"); at >= 0 {
			path = path[:strings.LastIndex(path[:at], "/")+1]
		}
		if path = filepath.Clean(path); path == ".." || strings.HasPrefix(path, "../") {
			r.climbs[filepath.Join(r.dir, path)] = true
		}
	}
	r.scalars(func(_ string, n *yaml.Node) {
		source, _, _ := strings.Cut(n.Value, ":")
		_, context, _ := strings.Cut(n.Value, "=")
		for _, path := range []string{n.Value, source, context} {
			note(path)
		}
	})
}

// scalars calls f with each scalar of the project's own files.
func (r *reader) scalars(f func(file string, n *yaml.Node)) {
	var walk func(file string, n *yaml.Node)
	walk = func(file string, n *yaml.Node) {
		if n.Kind == yaml.ScalarNode {
			f(file, n)
		}
		for _, c := range n.Content {
			walk(file, c)
		}
	}
	for _, name := range r.files {
		var doc yaml.Node
		if text, err := os.ReadFile(name); err == nil && yaml.Unmarshal(text, &doc) == nil {
			walk(name, &doc)
		}
	}
}

// writtenAt tells where references to a variable are written, "" when that is in
// no file of the project's own.
func (r *reader) writtenAt(name string, refs []string) string {
	var at []string
	bare := regexp.MustCompile(`\$` + regexp.QuoteMeta(name) + `\b`)
	r.scalars(func(file string, n *yaml.Node) {
		if bare.MatchString(n.Value) || slices.ContainsFunc(refs, func(ref string) bool { return strings.Contains(n.Value, ref) }) {
			if rel, err := filepath.Rel(r.dir, file); err == nil {
				file = rel
			}
			at = append(at, fmt.Sprintf("%s:%d:%d", file, n.Line, n.Column))
		}
	})
	if len(at) == 0 {
		return ""
	}
	return ", written at " + strings.Join(at, ", ") + ","
}

// climbed reports whether the path leaves the folder of the project as the files
// write it.
func (r *reader) climbed(path string) bool {
	if at := strings.Index(path, markChar); at >= 0 {
		path = path[:strings.LastIndex(path[:at], "/")+1]
	}
	return r.climbs[filepath.Clean(path)]
}

// specPath writes a path as the spec has it: relative to the spec when it lies
// in the project or beside it, or was written so, with ~ for the home folder.
func (r *reader) specPath(path string) string {
	if !filepath.IsAbs(path) {
		return path
	}
	for _, base := range []string{r.dir, r.opt.SpecDir} {
		if within(base, path) || r.climbed(path) {
			if rel, err := filepath.Rel(r.opt.SpecDir, path); err == nil {
				if rel == "." || strings.HasPrefix(rel, "..") {
					return rel
				}
				return "./" + rel
			}
		}
	}
	if home := r.env["HOME"]; home != "" && home != "/" && within(home, path) {
		return "~" + strings.TrimPrefix(path, home)
	}
	return path
}

func within(base, path string) bool {
	rel, err := filepath.Rel(base, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }
