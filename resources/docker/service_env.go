package docker

import (
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// envType is a set of variables: a map, or a list of KEY=value. With secrets,
// values under names of passwords are sealed, and are a finding when they are
// written literally.
type envType struct{ secrets bool }

// Schema allows both forms.
func (envType) Schema() resources.Schema {
	return resources.Schema{"oneOf": []any{
		resources.Schema{"type": "object", "additionalProperties": resources.Schema{"type": []any{"string", "number", "boolean"}}},
		resources.Schema{"type": "array", "items": resources.Schema{"type": "string"}},
	}}
}

// Decode returns map[string]any of texts.
func (t envType) Decode(n specs.Node, report resources.Report) (resources.Value, bool) {
	out, good := map[string]any{}, true
	add := func(at specs.Node, key string, v resources.Value) {
		if key == "" || strings.ContainsAny(key, "=\x00") {
			report(resources.RuleValue.At(at.Pos(), "expected a name of a variable, without \"=\"", ""))
			good = false
			return
		}
		out[key] = t.seal(at, key, v, report)
	}
	switch n.Kind() {
	case specs.Map:
		for _, e := range n.Entries() {
			switch {
			case e.Value.IsScalar():
				add(e.Value, e.Key, textOf(e.Value, e.Value.Text()))
			case e.Value.Kind() == specs.Null:
				good = noValue(e.Value, e.Key, report)
			default:
				bad(e.Value, "a text", report)
				good = false
			}
		}
	case specs.List:
		for _, item := range n.Items() {
			key, text, ok := strings.Cut(item.Text(), "=")
			switch {
			case !item.IsScalar():
				bad(item, "KEY=value", report)
				good = false
			case !resources.CheckPairName(item, report):
				good = false
			case !ok:
				good = noValue(item, key, report)
			default:
				add(item, key, textOf(item, text))
			}
		}
	case specs.Null:
	default:
		bad(n, "a map, or a list of KEY=value", report)
		return nil, false
	}
	return out, good
}

// noValue reports a variable without a value, which Compose would take from
// the shell that runs it.
func noValue(n specs.Node, key string, report resources.Report) bool {
	report(resources.RuleValue.At(n.Pos(), "variable "+specs.Printable(key)+" has no value, and midaz does not pass on those of the shell",
		"write "+key+": \"${"+key+"}\" and declare the variable, or "+key+": \"\" for an empty value"))
	return false
}

// seal makes the value of a password a Secret and reports one that is written
// literally.
func (t envType) seal(at specs.Node, key string, v resources.Value, report resources.Report) resources.Value {
	if !t.secrets || !passwordName.MatchString(key) {
		return v
	}
	text, plain := v.(string)
	if !plain || text == "" {
		return v
	}
	if looksSecret(text) {
		report(resources.RuleLiteralSecret.At(at.Pos(), "the value of "+key+" looks like a secret and comes from no sensitive variable",
			"declare a variable with `sensitive: true` and write ${NAME} here"))
	}
	return resources.NewSecret(text)
}

// looksSecret tells values that can be passwords from switches, paths and
// references that the process resolves.
func looksSecret(text string) bool {
	switch strings.ToLower(text) {
	case "true", "false", "yes", "no", "on", "off", "0", "1", "none", "null":
		return false
	}
	return !strings.HasPrefix(text, "/") && !strings.Contains(text, "://") && !strings.Contains(text, "$")
}

// envList returns variables as the engine takes them, in order of name. It
// reveals secrets.
func envList(env map[string]any) []string {
	out := make([]string, 0, len(env))
	for _, k := range slices.Sorted(maps.Keys(env)) {
		out = append(out, k+"="+resources.Text(env[k]))
	}
	return out
}

// envMap reads a list of KEY=value; the last of a name wins. A name without
// "=" means that the variable is unset, and has no value.
func envMap(list []string) map[string]any {
	out := make(map[string]any, len(list))
	for _, item := range list {
		key, text, ok := strings.Cut(item, "=")
		if ok {
			out[key] = text
		} else {
			out[key] = nil
		}
	}
	return out
}

// absent equals no value.
var absent = new(int)

// seenEnvironment leaves out what is the image's and not declared.
func seenEnvironment(s *sight) resources.Value {
	declared, before := mapOf(s.config()["environment"]), mapOf(s.before("environment"))
	var image map[string]any
	if s.image != nil {
		image = envMap(s.image.Env)
	}
	out := map[string]any{}
	for k, v := range envMap(s.c.Config.Env) {
		p := part{v: v, known: s.image != nil}
		p.want, p.declared = declared[k]
		_, p.applied = before[k]
		if filled, ok := image[k]; ok {
			p.filled = filled
		} else if p.known {
			p.filled = absent // even a variable that is unset was asked for
		}
		if p.isNatural() {
			continue
		}
		if text, ok := v.(string); ok && secretName.MatchString(k) && !p.declared {
			v = resources.NewSecret(text)
		}
		out[k] = v
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// envFileType is one file or several, each a path or a map.
var envFileType = resources.OneOrMore(resources.Object{
	What: "an environment file", ShortDoc: "PATH",
	Short: func(text string) (map[string]any, error) {
		if text == "" {
			return nil, errMalformed
		}
		return map[string]any{"path": text}, nil
	},
	Fields: []resources.Field{
		{Key: "path", Type: resources.String(), Required: true, Example: "app.env", Other: "other.env", Doc: "the file, relative to the spec."},
		{Key: "required", Type: resources.Bool(), Default: true, Example: "false", Other: "true",
			Doc: "Whether it is an error when the file is missing."},
		{Key: "format", Unmarked: true, Type: resources.Enum("raw"), Example: "raw",
			Doc: "`raw` takes everything after the `=` as it stands, without quotes and ${X} having a meaning."},
	},
})

// environment reads the env_files under the declared variables. What comes
// from a file is taken for a secret: such files hold passwords among the rest.
func (f *finisher) environment() {
	files := f.r.Config.List("env_file")
	if len(files) == 0 {
		return
	}
	env := map[string]any{}
	for i, e := range files {
		m := resources.Config(mapOf(e))
		name, pointer := m.Text("path"), "/env_file/"+strconv.Itoa(i)
		text, _, err := f.read(name, true)
		if errors.Is(err, fs.ErrNotExist) && (m["required"] == false || f.spec().KeepsUnset()) {
			continue
		}
		if err != nil {
			f.problem(ruleFile, pointer, "env_file "+specs.Printable(name)+" "+readReason(err), readHint(err, "or write `required: false`"))
			continue
		}
		for key, value := range f.parseEnv(name, string(text), m.Text("format") == "raw") {
			env[key] = resources.NewSecret(value)
		}
	}
	maps.Copy(env, f.r.Config.Map("environment"))
	f.r.Config["environment"] = env
}

// parseEnv reads KEY=value lines, raw ones without quotes and references.
func (f *finisher) parseEnv(name, text string, raw bool) map[string]string {
	if !raw && f.all.Spec != nil {
		env, problems := f.all.Spec.ReadEnv(name, text)
		for _, p := range problems {
			f.report(p)
		}
		return env
	}
	env := map[string]string{}
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), "=")
		if key = strings.TrimSpace(key); ok && key != "" && key[0] != '#' {
			env[key] = value
		}
	}
	return env
}
