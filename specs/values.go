package specs

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// value is what a variable got and from where.
type value struct {
	text      string
	from      string // "-var", a file's name, "environment", "default"
	pos       Pos    // in a file of values, else zero
	set       bool
	sensitive bool
}

// source says in a sentence where the value came from.
func (v value) source() string {
	switch v.from {
	case "environment", "default":
		return "the " + v.from
	default:
		return v.from
	}
}

func (l *loader) readValues() {
	scope := l.spec.scope
	env := false
	for _, f := range l.opt.ValueFiles {
		env = env || f.Env
		if !f.Env && isYAML(f.Name) {
			l.readVarFile(f.Name)
		} else {
			l.readEnvFile(f.Name, scope.files, l.earlierFirst)
		}
	}
	if !env && len(l.opt.Files) > 0 {
		l.readDotEnv()
	}
	for _, arg := range l.opt.Vars {
		l.readVar(arg)
	}
}

func isYAML(name string) bool {
	return slices.Contains([]string{".yaml", ".yml", ".json"}, strings.ToLower(filepath.Ext(name)))
}

// readVar takes one "name=value" of the command line. The value is never
// repeated in a message.
func (l *loader) readVar(arg string) {
	at := Pos{File: "-var"}
	name, text, ok := strings.Cut(arg, "=")
	name = strings.TrimSpace(name)
	switch {
	case !ok && isName(name):
		l.report(RuleValuesFile.At(at, "\""+name+"\" has no value", "write -var "+name+"=value"))
	case !isName(name):
		l.report(RuleValuesFile.At(at, "the text before \"=\" is not the name of a variable", "write -var NAME=value"))
	default:
		l.spec.scope.vars[name] = value{text: text, from: "-var", set: true}
	}
}

// readDotEnv reads ".env" beside the first spec file, if there is one.
func (l *loader) readDotEnv() {
	name := ".env"
	if first := l.opt.Files[0]; first != stdinName {
		name = filepath.Join(filepath.Dir(first), ".env")
	}
	if _, err := os.Stat(l.path(name)); errors.Is(err, fs.ErrNotExist) {
		return
	}
	l.readEnvFile(name, l.spec.scope.dotEnv, l.environmentFirst)
}

// readEnvFile adds the entries of a dotenv file. expand tells which values its
// references see: within the file, the source that is stronger wins.
func (l *loader) readEnvFile(name string, into map[string]value, expand func(map[string]value) func(string) (string, bool)) {
	text, ok := l.readText(name)
	if !ok {
		return
	}
	own := maps.Clone(into)
	d := &dotenv{file: name, text: string(text), lookup: expand(own), report: l.report, set: func(key, text string, pos Pos) {
		own[key] = value{text: text, from: name, pos: pos, set: true}
	}}
	d.parse()
	maps.Copy(into, own)
}

// earlierFirst looks up references inside an env file in what the files said so
// far, then in the environment.
func (l *loader) earlierFirst(own map[string]value) func(string) (string, bool) {
	return func(name string) (string, bool) {
		if v, ok := own[name]; ok {
			return v.text, true
		}
		return l.spec.scope.environment(name)
	}
}

// environmentFirst is the other way round, for .env, which the environment
// overrules.
func (l *loader) environmentFirst(own map[string]value) func(string) (string, bool) {
	return func(name string) (string, bool) {
		if text, ok := l.spec.scope.environment(name); ok {
			return text, true
		}
		v, ok := own[name]
		return v.text, ok
	}
}

// untold keeps the text of a value out of a problem with it: a password that
// begins with "*" or "!" is no alias and no tag.
func untold(p *Problem) *Problem {
	if p.Rule == RuleAlias || p.Rule == RuleTag {
		return p.Rule.At(p.Pos, "values in a file of values are plain texts", "put the value in quotes")
	}
	return p
}

// readVarFile adds the entries of a YAML map of names and plain values, taken
// literally.
func (l *loader) readVarFile(name string) {
	text, ok := l.readText(name)
	if !ok {
		return
	}
	src := &source{name: name, lines: splitLines(string(text))}
	if !l.checkText(src, text) {
		return
	}
	p := &parser{src: src, report: func(p *Problem) { l.report(untold(p)) }, uses: func(string) {}, maxValues: l.maxValues}
	root := p.parse(text)
	for _, e := range (Node{root}).Entries() {
		switch {
		case !isName(e.Key):
			l.report(RuleValuesFile.At(e.KeyPos, "this is not the name of a variable", "letters, digits and _, not beginning with a digit"))
		case !e.Value.IsScalar():
			l.report(RuleValuesFile.At(e.Value.Pos(), "variable "+e.Key+" takes a plain value, not "+e.Value.Kind().String(), ""))
		default:
			l.spec.scope.files[e.Key] = value{text: e.Value.Text(), from: name, pos: e.Value.Pos(), set: true}
		}
	}
}
