package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/routing"
	"github.com/LerianStudio/midaz-infra/schema"
	"github.com/LerianStudio/midaz-infra/specs"
)

// fixSpec turns arguments into policies, in the files that the spec was read
// from. Nothing is written unless all of it has been found to mean the same.
func fixSpec(c *Call) error {
	c.load(false)
	if c.problems.Errors() > 0 {
		c.tell(report.Problems{Spec: c.spec, List: c.problems, Verdict: true, Always: true})
		return report.Shown(report.ErrInvalid)
	}
	if err := c.checkProfiles(); err != nil {
		return err
	}
	f, advised, err := c.workOutFixes()
	if err != nil {
		return err
	}
	defer discardStaged(f)
	if len(f.Fixed) > 0 {
		if err := c.stage(f); err != nil {
			return err
		}
		if err := c.verify(f, advised); err != nil {
			return err
		}
	}
	c.tell(report.FixesMade{Fixes: f, Dry: c.Opt.Dry})
	if c.Opt.Dry {
		return nil
	}
	for _, file := range f.Files {
		if err := replaceFile(file); err != nil {
			return fmt.Errorf("write %s: %w", file.Name, err)
		}
	}
	return nil
}

// workOutFixes makes the changes in memory. What a comment silences stays.
func (c *Call) workOutFixes() (*report.Fixes, []rabbitmq.Advised, error) {
	f, advised := &report.Fixes{}, []rabbitmq.Advised(nil)
	options := c.specOptions()
	editors := map[string]*specs.Editor{}
	for _, name := range options.Files {
		if name == "-" {
			continue
		}
		path := name
		if !filepath.IsAbs(path) {
			path = filepath.Join(options.Dir, name)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, nil, fmt.Errorf("read %s: %w", name, err)
		}
		e, err := specs.NewEditor(string(data))
		if err != nil {
			continue // a file that needs more than YAML's own words
		}
		editors[name] = e
		f.Files = append(f.Files, &report.FixedFile{Name: name, Path: path, Before: string(data)})
	}
	added := map[string]map[string][]string{} // entries by file and virtual host
	for _, a := range rabbitmq.Advice(c.declared) {
		if !c.advises(a) {
			continue
		}
		file := a.Queue.Node.Get("arguments").Pos().File
		entry, err := fixQueue(editors[file], a)
		if err != nil {
			f.Not = append(f.Not, report.NotFixed{Addr: a.Queue.Addr, Why: err.Error()})
			continue
		}
		f.Fixed, advised = append(f.Fixed, a.Queue.Addr), append(advised, a)
		if added[file] == nil {
			added[file] = map[string][]string{}
		}
		vhost := a.Queue.Addr.Parts()[0]
		added[file][vhost] = append(added[file][vhost], entry)
	}
	for _, file := range f.Files {
		for vhost, entries := range added[file.Name] {
			if err := editors[file.Name].Append([]string{"rabbitmq", "vhosts", vhost, "policies"}, entries); err != nil {
				return nil, nil, &resources.Diagnosis{Err: fmt.Errorf("%s: the policies cannot be added to virtual host %q: %w", file.Name, vhost, err),
					Hint: "write `policies:` as a map of several lines there, and run it again"}
			}
		}
		file.After = editors[file.Name].Text()
	}
	return f, advised, nil
}

// advises reports whether the finding stands, and was not silenced.
func (c *Call) advises(a rabbitmq.Advised) bool {
	at := a.Queue.Node.Get("arguments")
	return slices.ContainsFunc(c.problems, func(p *specs.Problem) bool {
		return p.Rule != nil && p.Rule.Code == rabbitmq.AdviceCode &&
			slices.ContainsFunc(a.Arguments, func(name string) bool { return at.KeyPos("/"+strings.ReplaceAll(name, "/", "~1")) == p.Pos })
	})
}

// fixQueue takes the arguments out and returns the policy in YAML.
func fixQueue(e *specs.Editor, a rabbitmq.Advised) (string, error) {
	parts := a.Queue.Addr.Parts()
	switch {
	case a.Not != "":
		return "", errors.New(a.Not)
	case e == nil:
		return "", errors.New("it is not written in a file that can be changed")
	case !e.Has("rabbitmq", "vhosts", parts[0]):
		return "", errors.New("its virtual host is shared by an anchor")
	}
	taken, err := e.Take([]string{"rabbitmq", "vhosts", parts[0], "queues", parts[1], "arguments"}, a.Arguments)
	if err != nil {
		return "", err
	}
	return policyYAML(a, taken), nil
}

// policyYAML is the policy as lines of YAML, comments beside what they stood
// at.
func policyYAML(a rabbitmq.Advised, taken []specs.Taken) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:\n  pattern: %s\n  apply_to: queues\n", yamlKey(a.Name), yamlText(a.Pattern))
	if a.Priority != 0 {
		fmt.Fprintf(&b, "  priority: %d\n", a.Priority)
	}
	plain, lines := []string{}, ""
	for _, t := range taken {
		if !slices.ContainsFunc(a.Definition, func(k rabbitmq.AdvisedKey) bool { return k.Argument == t.Key }) {
			for _, comment := range t.Comments {
				lines += "    " + comment + "\n"
			}
		}
	}
	for _, k := range a.Definition {
		value := writtenYAML(k.Written)
		if i := slices.IndexFunc(taken, func(t specs.Taken) bool { return t.Key == k.Argument }); i >= 0 {
			value = taken[i].Value
			for _, comment := range taken[i].Comments {
				lines += "    " + comment + "\n"
			}
		}
		plain = append(plain, k.Key+": "+value)
		lines += "    " + k.Key + ": " + value + "\n"
	}
	if strings.Contains(lines, "#") {
		b.WriteString("  definition:\n" + lines)
	} else {
		fmt.Fprintf(&b, "  definition: { %s }\n", strings.Join(plain, ", "))
	}
	return b.String()
}

// plainKey is a name that needs no quotes.
var plainKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*[.-][A-Za-z0-9_.-]*$`)

func yamlKey(s string) string {
	if plainKey.MatchString(s) {
		return s
	}
	return strconv.Quote(s)
}

// yamlText quotes a text in which nothing is to be substituted. A $ at the end
// is none that could be.
func yamlText(s string) string {
	last := ""
	if strings.HasSuffix(s, "$") {
		s, last = s[:len(s)-1], "$"
	}
	return strings.TrimSuffix(strconv.Quote(strings.ReplaceAll(s, "$", "$$")), `"`) + last + `"`
}

// writtenYAML writes a value of another policy as it stands there.
func writtenYAML(v any) string {
	switch v := v.(type) {
	case string:
		return strconv.Quote(v)
	default:
		return strings.TrimSpace(resources.Show(resources.Normalize(v)))
	}
}

// stage writes the new texts beside the files, with their modes.
func (c *Call) stage(f *report.Fixes) error {
	for _, file := range f.Files {
		if file.After == file.Before {
			continue
		}
		path, err := filepath.EvalSymlinks(file.Path)
		if err != nil {
			return err
		}
		file.Path = path
		was, err := os.Stat(path)
		if err != nil {
			return err
		}
		if file.Staged, err = stageFile(path, file.After, was.Mode().Perm()); err != nil {
			return fmt.Errorf("write beside %s: %w", file.Name, err)
		}
	}
	return nil
}

func discardStaged(f *report.Fixes) {
	for _, file := range f.Files {
		if file.Staged != "" {
			_ = os.Remove(file.Staged)
		}
	}
}

// replaceFile puts the new text in place, unless someone changed the file
// meanwhile.
func replaceFile(file *report.FixedFile) error {
	if file.Staged == "" {
		return nil
	}
	now, err := os.ReadFile(file.Path)
	if err != nil {
		return err
	}
	if string(now) != file.Before {
		return errors.New("it was changed meanwhile")
	}
	return os.Rename(file.Staged, file.Path)
}

// verify reads the changed spec and compares: every resource as before, but for
// the arguments that went and the policies that came, and what holds for each
// queue the same.
func (c *Call) verify(f *report.Fixes, advised []rabbitmq.Advised) error {
	options := c.specOptions()
	options.Files = slices.Clone(options.Files)
	for _, file := range f.Files {
		if i := slices.Index(options.Files, file.Name); file.Staged != "" {
			options.Files[i] = file.Staged
			if !filepath.IsAbs(file.Staged) && options.Dir != "" {
				options.Files[i], _ = filepath.Rel(options.Dir, file.Staged)
			}
		}
	}
	if slices.Contains(options.Files, "-") {
		return &resources.Diagnosis{Err: errors.New("standard input cannot be read twice"), Hint: "write the spec to a file"}
	}
	kinds := c.Sys.World.Kinds()
	spec, loaded := specs.Load(options)
	after, decoded := engine.Resolve(spec, kinds)
	if ps := schema.Quick(spec, kinds, loaded, decoded); ps.Errors() > 0 {
		return fmt.Errorf("the changed spec would not be valid, so nothing was changed: %s", ps[0].Msg)
	}
	if what := changedBeyond(c.declared, after, advised); what != "" {
		return fmt.Errorf("the change would touch more than it should (%s), so nothing was changed; this is a bug in midaz: please report the "+
			"spec", what)
	}
	return nil
}

// changedBeyond names a resource that differs though it should not.
func changedBeyond(before, after *resources.Declared, fixed []rabbitmq.Advised) string {
	queues, policies := map[resources.Addr]rabbitmq.Advised{}, map[resources.Addr]bool{}
	for _, a := range fixed {
		queues[a.Queue.Addr] = a
		policies[resources.NewAddr("policy", a.Queue.Addr.Parts()[0], a.Name)] = true
	}
	for _, r := range before.Resources {
		now := after.Get(r.Addr)
		if now == nil {
			return r.Addr.String()
		}
		was := r.Config.Clone()
		if a, ok := queues[r.Addr]; ok {
			rest := map[string]any{}
			for k, v := range r.Config.Map("arguments") {
				if !slices.Contains(a.Arguments, k) {
					rest[k] = v
				}
			}
			was["arguments"] = rest
		}
		for _, c := range []resources.Config{was, now.Config} {
			for k := range c {
				if !resources.Equal(was[k], now.Config[k]) {
					return r.Addr.String()
				}
			}
		}
	}
	for _, r := range after.Resources {
		if before.Get(r.Addr) == nil && !policies[r.Addr] {
			return r.Addr.String()
		}
	}
	return changedSettings(before, after)
}

// changedSettings names a queue for which something else holds now.
func changedSettings(before, after *resources.Declared) string {
	now := map[string]*routing.Vhost{}
	for _, v := range rabbitmq.Topology(after) {
		now[v.Name] = v
	}
	for _, v := range rabbitmq.Topology(before) {
		for _, q := range v.Queues {
			was, is := v.ForQueue(q), now[v.Name].ForQueue(now[v.Name].Queue(q.Name))
			same := len(was.Settings) == len(is.Settings)
			for _, s := range was.Settings {
				t, ok := is.Get(s.Key)
				same = same && ok && resources.Equal(s.Value, t.Value)
			}
			if !same {
				return "queue " + q.Name
			}
		}
	}
	return ""
}
