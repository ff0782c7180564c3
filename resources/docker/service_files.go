package docker

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// file is one file to place in a container.
type file struct {
	Target   string // absolute path in the container
	Mode     int64  // permission bits
	UID, GID int
	Content  resources.Value // string or Secret
	SHA256   string          // hex, of the content
	// OnChange is what a change of the content does: "replace", "copy", or
	// "signal:SIGHUP".
	OnChange string
}

// filesOf returns the files to place, in order of target.
func filesOf(r *resources.Resource) []file {
	all := r.Config.Map("files")
	out := make([]file, 0, len(all))
	for _, target := range slices.Sorted(maps.Keys(all)) {
		v := resources.Config(mapOf(all[target]))
		sum := sha256.Sum256([]byte(v.Text("content")))
		mode, _ := strconv.ParseInt(v.Text("mode"), 8, 64)
		uid, _ := v["uid"].(int64)
		gid, _ := v["gid"].(int64)
		out = append(out, file{Target: target, Mode: mode, UID: int(uid), GID: int(gid),
			Content: v["content"], SHA256: hex.EncodeToString(sum[:]), OnChange: v.Text("on_change")})
	}
	return out
}

// value returns the file as an element of the canonical value of `files`: what
// is compared, and what filesHave returns for what it finds.
func (f file) value() map[string]any {
	return map[string]any{"content": f.Content, "mode": showMode(f.Mode), "uid": int64(f.UID), "gid": int64(f.GID)}
}

// showMode returns permission bits as they are written: "0644".
func showMode(mode int64) string {
	s := strconv.FormatInt(mode, 8)
	for len(s) < 4 {
		s = "0" + s
	}
	return s
}

// mapOf returns v as a map, nil when it is none.
func mapOf(v resources.Value) map[string]any { m, _ := v.(map[string]any); return m }

// Limits of the files of one service: they travel in one archive and are held
// in memory.
const (
	maxFile   = 4 << 20
	maxFiles  = 16 << 20 // all together
	maxInTree = 1000     // files below a folder
)

// path returns the absolute path of a file that the spec names.
func (f *finisher) path(name string) string {
	if rest, ok := strings.CutPrefix(name, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest)
		}
	}
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(f.r.Dir, name)
}

// read reads a file that the spec names, of at most maxFile bytes. secret says
// that its content is.
func (f *finisher) read(name string, secret bool) ([]byte, fs.FileMode, error) {
	return f.spec().ReadFile(f.path(name), maxFile, secret)
}

// spec is where files are read through.
func (f *finisher) spec() *specs.Spec {
	if f.all.Spec == nil {
		return &specs.Spec{}
	}
	return f.all.Spec
}

// readReason returns what went wrong as the end of a sentence, without the
// path.
func readReason(err error) string {
	var path *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "does not exist"
	case errors.As(err, &path):
		return "cannot be read: " + path.Err.Error()
	default:
		return err.Error()
	}
}

func readHint(err error, or string) string {
	if !errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	hint := "relative paths start at the folder of the spec"
	if or != "" {
		hint += "; correct the path, " + or
	}
	return hint
}

// files reads the sources, so that the fields hold the contents.
func (f *finisher) files() {
	declared := f.r.Config.Map("files")
	if declared == nil {
		return
	}
	out := map[string]any{}
	f.room = maxFiles
	for _, target := range sortedKeys(declared) {
		for t, placed := range f.placed(target, mapOf(declared[target])) {
			out[t] = placed
		}
	}
	f.r.Config["files"] = out
}

var errTogether = fmt.Errorf("is too much: the files together are larger than %d MiB; mount large data as a volume", maxFiles>>20)

// placed returns the files that one entry stands for, by target.
func (f *finisher) placed(target string, v resources.Config) map[string]map[string]any {
	source := v.Text("source")
	if source == "" {
		if f.room -= len(resources.Text(v["content"])); f.room < 0 {
			f.fileProblem(target, "content "+errTogether.Error(), "")
			return nil
		}
		return map[string]map[string]any{target: f.place(v, v["content"], 0)}
	}
	out := map[string]map[string]any{}
	take := func(at, name string, mode fs.FileMode, text []byte) error {
		if len(out) == maxInTree {
			return fmt.Errorf("holds more than %d files", maxInTree)
		}
		if f.room -= len(text); f.room < 0 {
			return errTogether
		}
		if content, ok := f.content(name, text, v); ok {
			out[at] = f.place(v, content, mode)
		}
		return nil
	}
	folder, err := f.spec().IsFolder(f.path(source))
	switch {
	case err != nil:
	case folder:
		err = f.spec().ReadFolder(f.path(source), maxFile, v.Bool("sensitive"), func(name string, mode fs.FileMode, text []byte) error {
			return take(path.Join(target, name), filepath.Join(source, filepath.FromSlash(name)), mode, text)
		})
	default:
		var text []byte
		var mode fs.FileMode
		if text, mode, err = f.read(source, v.Bool("sensitive")); err == nil {
			err = take(target, source, mode, text)
		}
	}
	if err != nil {
		f.fileProblem(target, "source "+specs.Printable(source)+" "+readReason(err), readHint(err, ""))
		return nil
	}
	return out
}

// content substitutes variables in the text of a source if asked to.
func (f *finisher) content(source string, text []byte, v resources.Config) (resources.Value, bool) {
	if !v.Bool("template") || f.all.Spec == nil {
		return string(text), true
	}
	out, sensitive, problems := f.all.Spec.Expand(source, string(text))
	for _, p := range problems {
		f.report(p)
	}
	if sensitive {
		return resources.NewSecret(out), problems.Errors() == 0
	}
	return out, problems.Errors() == 0
}

// place returns the canonical element of one file. mode is that of the source,
// 0 when there is none: what others could run they still can, the rest is
// readable, as git keeps it.
func (f *finisher) place(v resources.Config, content resources.Value, mode fs.FileMode) map[string]any {
	if v.Bool("sensitive") {
		content = resources.SealAll(content)
	}
	m := map[string]any{"content": content, "mode": v.Text("mode"), "uid": v.Int("uid"), "gid": v.Int("gid"),
		"on_change": orDefault(v.Text("on_change"), "replace")}
	if m["mode"] == "" {
		m["mode"] = "0644"
		if mode&0o111 != 0 {
			m["mode"] = "0755"
		}
	}
	if source := v.Text("source"); source != "" {
		m["source"] = source
	}
	return m
}

// fileProblem reports at the entry of the target.
func (f *finisher) fileProblem(target, msg, hint string) {
	f.report(ruleFile.At(filePos(f.r, target), msg, hint))
}

// filePos returns where the entry of a target stands.
func filePos(r *resources.Resource, target string) specs.Pos {
	for _, item := range r.Node.Get("files").Items() {
		if t := item.Get("target"); !t.IsAbsent() && path.Clean(t.Text()) == target {
			return item.Pos()
		}
	}
	return r.Pos("/files")
}
