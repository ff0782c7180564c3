package app

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/schema"
	"github.com/LerianStudio/midaz-infra/specs"
	"github.com/LerianStudio/midaz-infra/specs/compose"
	"github.com/LerianStudio/midaz-infra/specs/draft"
)

// ImportCompose writes a spec from a Compose project.
func ImportCompose(c *Call) error {
	d, err := compose.Read(c.Context, compose.Options{Files: c.Opt.Args, Dir: c.Opt.Source.Dir, EnvFiles: c.Opt.EnvFiles,
		Name: c.Opt.Project, SpecDir: c.specDir(), Environ: c.environ()})
	if err != nil {
		return err
	}
	return c.writeDraft(d)
}

// ImportLive writes a spec from what runs.
func ImportLive(c *Call) error {
	stack := cmp.Or(c.Opt.Stack, c.Opt.Project)
	if stack == "" {
		dir, err := filepath.Abs(c.Opt.Path("."))
		if err != nil {
			return fmt.Errorf("name of the stack: %w", err)
		}
		stack = strings.Trim(notInStacks.ReplaceAllString(strings.ToLower(filepath.Base(dir)), "-"), "-")
	}
	s, err := c.Sys.World.Read(c.Context, Access{Declared: resources.NewDeclared(nil, c.Sys.World.Kinds(), nil), lookupEnv: c.Sys.LookupEnv})
	if err != nil {
		return err
	}
	defer s.Close()
	d, err := s.Inspect.Live(c.Context, LiveOptions{Stack: stack, project: c.Opt.Project, labels: c.Opt.Labels, names: c.Opt.Args})
	if err != nil {
		return err
	}
	d.Head = []string{"Written by `midaz import live` from what is there.", "`midaz apply -adopt '*'` takes it over as it runs."}
	return c.writeDraft(d)
}

var notInStacks = regexp.MustCompile(`[^a-z0-9_-]+`)

// environ is the environment of the call.
func (c *Call) environ() []string {
	var out []string
	for _, e := range os.Environ() {
		name, _, _ := strings.Cut(e, "=")
		if v, ok := c.Sys.LookupEnv(name); ok {
			out = append(out, name+"="+v)
		}
	}
	return out
}

// specDir is the folder that a spec which is being written will stand in, ""
// when it goes to standard output.
func (c *Call) specDir() string {
	out := c.Opt.Out
	if out == "" || out == "-" {
		return ""
	}
	dir, err := filepath.Abs(filepath.Dir(c.Opt.Path(out)))
	if err != nil {
		return ""
	}
	return dir
}

// writeDraft leaves out what this midaz does not support and writes the spec
// where it was asked for, and the values of its variables where that was.
func (c *Call) writeDraft(d *draft.Draft) error {
	spec, wrong := settle(d, c.Sys.World.Kinds(), c.specDir())
	text := d.Text()
	out := c.Opt.Out
	if out == "" || out == "-" {
		c.tell(report.Output{Text: text})
	} else if err := writeNew(c.Opt.Path(out), text, c.Opt.Force); err != nil {
		return err
	}
	var values *report.EnvFile
	if path := c.Opt.EnvOut; path != "" {
		var err error
		if values, err = newValues(c.Opt.Path(path), d.Variables); err != nil {
			return err
		}
		if err := saveEnvFile(values); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
	}
	c.tell(report.DraftWritten{Draft: d, Out: out, Values: values})
	if len(wrong) > 0 {
		c.tell(report.Unfit{Spec: spec, List: wrong})
		return &resources.Diagnosis{Err: errors.New("the spec that was written is not valid"),
			Hint: "change what is named above, then `midaz validate`"}
	}
	return nil
}

// writeNew writes a file that is not there, or any with force.
func writeNew(path, text string, force bool) error {
	if !force {
		if _, err := os.Lstat(path); err == nil {
			return &resources.Diagnosis{Err: fmt.Errorf("write %s: it exists", path), Hint: "say -force to write it anew, or give another name"}
		} else if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("write %s: %w", path, err)
		}
	}
	if err := WriteFile(path, text); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// newValues works out what is missing in a file of values: the variables
// without a default, with the values they had.
func newValues(path string, variables []draft.Variable) (*report.EnvFile, error) {
	e, err := readEnvFile(path)
	if err != nil {
		return nil, err
	}
	has := names(envName, e.HadText)
	var b strings.Builder
	for _, v := range variables {
		switch {
		case has[v.Name]:
			e.Kept = append(e.Kept, v.Name)
		case v.Value != nil && (v.Sensitive || v.Default == nil):
			fmt.Fprintf(&b, "%s=%s\n", v.Name, envQuote(*v.Value))
			e.Added = append(e.Added, v.Name)
		}
	}
	e.Text = b.String()
	return e, nil
}

// rounds of leaving out: what is wrong behind something that was left out is
// found in the next one.
const settleRounds = 100

// settle leaves out of a draft what this midaz would refuse, and notes why. What
// is wrong only because a file or a value is missing stays. It returns what is
// still wrong then.
func settle(d *draft.Draft, kinds []resources.Kind, dir string) (*specs.Spec, specs.Problems) {
	for range settleRounds {
		spec, errs := draftErrors(d, kinds, dir)
		places := placesOf(d.Text())
		changed := false
		for _, p := range errs {
			changed = leaveOut(d, loser(d, places, p), p) || changed
		}
		if !changed {
			return spec, errs
		}
		d.DropUnused()
	}
	return draftErrors(d, kinds, dir)
}

// loser is the path of what a problem is left out for. Of two services that
// cannot have the same thing, the one that always runs keeps it.
func loser(d *draft.Draft, places places, p *specs.Problem) []string {
	path := places.at(p.Pos)
	if len(p.Related) == 1 && !hasProfiles(d, path) {
		if other := places.at(p.Related[0].Pos); len(other) > 2 && hasProfiles(d, other) {
			return other
		}
	}
	return path
}

func hasProfiles(d *draft.Draft, path []string) bool {
	if len(path) < 2 {
		return false
	}
	e := d.Find(path[0], path[1])
	return e != nil && e.Fields["profiles"] != nil
}

// draftErrors returns what is wrong with a draft, with the values that its
// variables have. Services of different profiles need not go together, so that
// what is wrong only with all profiles on is nothing that the project means.
func draftErrors(d *draft.Draft, kinds []resources.Kind, dir string) (*specs.Spec, specs.Problems) {
	var vars []string
	for _, v := range d.Variables {
		if v.Value != nil {
			vars = append(vars, v.Name+"="+*v.Value)
		}
	}
	text := d.Text()
	check := func(profiles []string) (*specs.Spec, specs.Problems) {
		spec, loaded := specs.Load(specs.Options{Files: []string{"-"}, Stdin: strings.NewReader(text), Dir: dir, Vars: vars, Profiles: profiles})
		_, decoded := engine.Resolve(spec, kinds)
		return spec, slices.DeleteFunc(schema.Quick(spec, kinds, loaded, decoded), func(p *specs.Problem) bool {
			return p.Severity() != specs.Error || aboutFiles(p) || p.Rule == specs.RuleUnset
		})
	}
	spec, errs := check([]string{"*"})
	if len(errs) == 0 {
		return spec, nil
	}
	seen := map[string]bool{}
	for _, profiles := range append([][]string{nil}, profilesOf(d)...) {
		_, some := check(profiles)
		for _, p := range some {
			seen[p.Error()] = true
		}
	}
	return spec, slices.DeleteFunc(errs, func(p *specs.Problem) bool { return !seen[p.Error()] })
}

// profilesOf returns each profile that services of a draft name, alone.
func profilesOf(d *draft.Draft) [][]string {
	var out [][]string
	seen := map[string]bool{}
	for _, s := range d.Sections() {
		for _, e := range s.Entries {
			list, _ := e.Fields["profiles"].([]any)
			for _, v := range list {
				if name, ok := v.(string); ok && !seen[name] {
					seen[name] = true
					out = append(out, []string{name})
				}
			}
		}
	}
	return out
}

// aboutFiles reports whether a problem is about a file beside the spec.
func aboutFiles(p *specs.Problem) bool {
	return p.Rule != nil && (p.Rule.Code == "MZ100" || p.Rule.Code == "MZ085")
}

// leaveOut takes what stands at a path out of the draft. It reports false when
// nothing is there to be taken out.
func leaveOut(d *draft.Draft, path []string, p *specs.Problem) bool {
	if len(path) < 3 {
		return false
	}
	e := d.Find(path[0], path[1])
	if e == nil {
		return false
	}
	path = wholeItem(path)
	if path[2] == "image" {
		return false // nothing can run without it
	}
	rest, taken := without(e.Fields, path[2:], path[2])
	if !taken {
		return false
	}
	e.Fields, _ = rest.(map[string]any)
	why := p.Msg
	if p.Hint != "" {
		why += "; " + p.Hint
	}
	d.Note(path[0], e, "left out: %s: %s", strings.Join(path[2:], "."), why)
	return true
}

// wholeItem shortens a path that leads into an item of a list to the item: part
// of a mount is no mount. Part of a command is none either, so that goes whole.
func wholeItem(path []string) []string {
	for i := 3; i < len(path); i++ {
		if strings.Trim(path[i], "0123456789") != "" {
			continue
		}
		switch path[2] {
		case "command", "entrypoint", "healthcheck":
			return path[:3]
		}
		return path[:i+1]
	}
	return path
}

// without removes what stands at a path of keys and numbers in a field. What is
// empty then goes too, apart from items with a name: a service stays on a network
// also when nothing more is said of it.
func without(v any, path []string, field string) (any, bool) {
	switch v := v.(type) {
	case map[string]any:
		next, ok := v[path[0]]
		if !ok {
			return v, false
		}
		if len(path) == 1 {
			delete(v, path[0])
			return v, true
		}
		rest, taken := without(next, path[1:], field)
		v[path[0]] = rest
		named := (field == "networks" || field == "depends_on") && path[0] != field
		if isNothing(rest) && !named {
			delete(v, path[0])
		}
		return v, taken
	case []any:
		var i int
		if _, err := fmt.Sscan(path[0], &i); err != nil || i < 0 || i >= len(v) {
			return v, false
		}
		if len(path) == 1 {
			return slices.Delete(v, i, i+1), true
		}
		rest, taken := without(v[i], path[1:], field)
		v[i] = rest
		return v, taken
	}
	return v, false
}

func isNothing(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	}
	return false
}

// spot is where a value or its key stands in a text.
type spot struct {
	line, col int
	path      []string
}

// places are those of a whole text, in its order.
type places []spot

func placesOf(text string) places {
	var root yaml.Node
	if yaml.Unmarshal([]byte(text), &root) != nil || len(root.Content) == 0 {
		return nil
	}
	var out places
	var walk func(n *yaml.Node, path []string)
	walk = func(n *yaml.Node, path []string) {
		out = append(out, spot{n.Line, n.Column, slices.Clone(path)})
		for i := 0; i < len(n.Content); i++ {
			if n.Kind == yaml.SequenceNode {
				walk(n.Content[i], append(path, fmt.Sprint(i)))
				continue
			}
			key := append(slices.Clone(path), n.Content[i].Value)
			out = append(out, spot{n.Content[i].Line, n.Content[i].Column, key})
			i++
			walk(n.Content[i], key)
		}
	}
	walk(root.Content[0], nil)
	return out
}

// at returns the path of what stands at a place: the last thing that begins
// there or before it.
func (all places) at(pos specs.Pos) []string {
	var path []string
	for _, p := range all {
		if p.line < pos.Line || p.line == pos.Line && p.col <= pos.Col {
			path = p.path
		}
	}
	return path
}
