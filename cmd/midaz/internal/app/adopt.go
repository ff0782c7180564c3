package app

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// rewriting changes the text of the spec's files, one value at a time. After
// each the spec is loaded again, so that nothing but that value has changed.
type rewriting struct {
	*Call
	report.Rewritten
}

// adoptDrift writes what was observed of the drifted resources into the spec.
func adoptDrift(c *Call, d engine.Drift, patterns []string) error {
	w := newRewriting(c)
	for _, change := range d.Changed {
		if slices.ContainsFunc(patterns, change.Addr.Match) {
			w.adopt(change)
		}
	}
	for _, pattern := range patterns {
		if !slices.ContainsFunc(d.Plan.Changes, func(c *engine.Change) bool { return c.Addr.Match(pattern) }) {
			return fmt.Errorf("nothing that is declared or there is called %q", pattern)
		}
	}
	return w.finish()
}

func newRewriting(c *Call) *rewriting {
	return &rewriting{Call: c, Rewritten: report.Rewritten{Stack: c.declared.Stack, Before: map[string]string{}, After: map[string]string{}}}
}

// finish writes the files and shows what has become of them.
func (w *rewriting) finish() error {
	for _, name := range w.Changed() {
		if err := overwrite(w.spec.PathOf(name), w.After[name]); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	if err := w.Show(w.Rewritten); err != nil {
		return err
	}
	if slices.ContainsFunc(w.Notes, func(n report.Rewrite) bool { return n.Why != "" }) {
		return report.Shown(errors.New("not everything could be written"))
	}
	return nil
}

// adopt writes each difference of one resource that was made outside.
func (w *rewriting) adopt(c *engine.Change) {
	if c.Removed {
		w.Notes = append(w.Notes, report.Rewrite{Addr: c.Addr, Pos: c.Pos(),
			Why: "it was removed outside: remove it from the spec if that is meant"})
		return
	}
	for _, d := range c.Delta {
		r := w.declared.Get(c.Addr)
		if slices.ContainsFunc(c.Overruled, func(o resources.Diff) bool { return o.Path == d.Path }) {
			w.Notes = append(w.Notes, report.Rewrite{Addr: c.Addr, Path: d.Path, Pos: d.Pos, Why: d.Why})
			continue
		}
		left := engine.Differences(w.declared, r, c.Have)
		i := slices.IndexFunc(left, func(l resources.Diff) bool { return l.Path == d.Path })
		if i < 0 {
			continue // written together with one before
		}
		note := report.Rewrite{Addr: c.Addr, Path: d.Path, Pos: d.Pos}
		if err := w.adoptOne(r, c.Have, left[i]); err != nil {
			note.Why = err.Error()
		}
		w.Notes = append(w.Notes, note)
	}
}

func (w *rewriting) adoptOne(r *resources.Resource, have *resources.Observed, d resources.Diff) error {
	written, err := w.spelled(r, have, d)
	if err != nil {
		return err
	}
	spec, declared, texts := w.spec, w.declared, w.After
	for _, x := range written {
		if err := w.set(x, r.Addr); err != nil {
			w.spec, w.declared, w.After = spec, declared, texts
			return w.explained(err, spec.Root, r, x)
		}
	}
	if err := w.onlyThat(declared, r.Addr, have, d); err != nil {
		w.spec, w.declared, w.After = spec, declared, texts
		return err
	}
	return nil
}

// spelled returns what is to be written for a difference.
func (w *rewriting) spelled(r *resources.Resource, have *resources.Observed, d resources.Diff) ([]resources.Written, error) {
	if d.Sensitive() {
		return nil, errors.New("the value is secret, and secrets are never written into the spec: change the variable")
	}
	if r.Node.IsAbsent() {
		return nil, errors.New("nothing of it is written in the spec: it follows from other resources")
	}
	if s, ok := w.declared.Kind(r.Addr.Kind).(resources.Speller); ok {
		if written, ok, err := s.Spell(r, have, d, w.declared); ok || err != nil {
			return written, err
		}
	}
	var path []string
	value := any(map[string]any(have.Have))
	for _, p := range resources.SplitPath(d.Path) {
		if p.Index { // of a list the whole is written
			break
		}
		path = append(path, p.Key)
		m, _ := value.(map[string]any)
		value = m[p.Key]
	}
	return []resources.Written{{Path: path, Value: value}}, nil
}

// noSecret fails when a secret is in what is to be written, in a key or a value:
// the spec is the one output that no redactor may change.
func (w *rewriting) noSecret(x any) error {
	if resources.HasSecret(x) || w.Sys.Redactor.Holds(resources.Show(x)) {
		return errors.New("a secret is part of the value, and secrets are never written into the spec")
	}
	return nil
}

// set changes one value in the text and loads the spec with it.
func (w *rewriting) set(x resources.Written, addr resources.Addr) error {
	if err := w.noSecret([]any{strings.Join(x.Path, "\n"), x.Value}); err != nil {
		return err
	}
	node := w.spec.Root
	if r := w.declared.Get(addr); !x.Root && r != nil {
		node = r.Node
	}
	file := node.At(pointerTo(x.Path)).Pos().File
	text, err := w.text(file)
	if err != nil {
		return err
	}
	changed, err := specs.Set(text, node, x.Path, x.Value)
	if err != nil {
		return err
	}
	return w.try(file, changed)
}

func pointerTo(path []string) string {
	var b strings.Builder
	for _, p := range path {
		b.WriteString("/" + strings.ReplaceAll(strings.ReplaceAll(p, "~", "~0"), "/", "~1"))
	}
	return b.String()
}

// text returns the text of a file of the spec as it is by now.
func (w *rewriting) text(name string) (string, error) {
	if text, ok := w.After[name]; ok {
		return text, nil
	}
	path := w.spec.PathOf(name)
	if path == "" {
		return "", fmt.Errorf("it stands in %s, which is no file that could be written", specs.Printable(name))
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	w.Before[name] = string(bytes.TrimPrefix(data, []byte("\ufeff")))
	return w.Before[name], nil
}

// try loads the spec with another text of one file.
func (w *rewriting) try(name, text string) error {
	texts := map[string]string{name: text}
	for n, t := range w.After {
		if n != name {
			texts[n] = t
		}
	}
	options := w.specOptions()
	options.Texts = texts
	spec, loaded := specs.Load(options)
	declared, decoded := engine.Resolve(spec, w.Sys.World.Kinds())
	engine.HoldIgnores(declared, w.Sys.Now())
	if problems := append(loaded, decoded...); problems.Errors() > 0 {
		i := slices.IndexFunc(problems, func(p *specs.Problem) bool { return p.Severity() == specs.Error })
		return fmt.Errorf("the spec would not be valid with it: %s", problems[i].Msg)
	}
	w.spec, w.declared, w.After = spec, declared, texts
	return nil
}

var errShared = errors.New("the value is shared with others through an anchor, or written in a form that has no place for it: change it " +
	"by hand")

// onlyThat fails unless the difference is gone and everything else is declared
// as before.
func (w *rewriting) onlyThat(before *resources.Declared, addr resources.Addr, have *resources.Observed, d resources.Diff) error {
	for _, old := range before.Resources {
		now := w.declared.Get(old.Addr)
		if now == nil || old.Addr != addr && !resources.Equal(map[string]any(old.Config), map[string]any(now.Config)) {
			return errShared
		}
	}
	for _, now := range w.declared.Resources {
		if before.Get(now.Addr) == nil && !now.External {
			return errShared
		}
	}
	was := engine.Differences(before, before.Get(addr), have)
	for _, left := range engine.Differences(w.declared, w.declared.Get(addr), have) {
		known := slices.ContainsFunc(was, func(x resources.Diff) bool { return x.Path == left.Path })
		if left.Drift && (left.Path == d.Path || !known) {
			return errShared
		}
	}
	return nil
}

var variableName = regexp.MustCompile(`\$\{?([A-Za-z_][A-Za-z0-9_]*)`)

// explained adds to an error where the value of a variable comes from.
func (w *rewriting) explained(err error, root specs.Node, r *resources.Resource, x resources.Written) error {
	node := r.Node
	if x.Root {
		node = root
	}
	written := node.At(pointerTo(x.Path)).FromVariable()
	if written == "" {
		var edit *specs.EditError
		if errors.As(err, &edit) {
			return errors.New(edit.Msg)
		}
		return err
	}
	var from []string
	for _, m := range variableName.FindAllStringSubmatch(written, -1) {
		for _, v := range w.spec.Variables {
			if v.Name != m[1] {
				continue
			}
			where := cmp.Or(v.From, "nowhere")
			if v.From == "default" {
				where = "its default at " + v.Pos.String()
			}
			from = append(from, fmt.Sprintf("%s, from %s", v.Name, where))
		}
	}
	return fmt.Errorf("the value is written %s: change the variable (%s)", written, listOr(from, "it is not declared"))
}

// overwrite puts a new text into a file that exists, as a whole and with the
// permissions it has.
func overwrite(path, text string) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if old, err := os.ReadFile(path); err == nil && bytes.HasPrefix(old, []byte("\ufeff")) {
		text = "\ufeff" + text
	}
	return WriteFileAs(path, text, info.Mode().Perm())
}
