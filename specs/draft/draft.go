// Package draft is a spec that is being written from something else: what runs,
// or a file of another tool. It keeps texts of passwords out of the spec, takes
// out what cannot be said there, and writes the rest as YAML with comments.
package draft

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Draft is a spec in parts. Values are YAML's: map[string]any, []any, string,
// bool, int, float64 and nil. Texts are written as the spec has them: a dollar
// sign that stands for itself is doubled.
type Draft struct {
	// Head are the lines of the comment at the top.
	Head      []string
	Stack     string
	Variables []Variable
	Networks  []*Entry
	Volumes   []*Entry
	Services  []*Entry
	Jobs      []*Entry
	// Notes tell what could not be carried over, or was guessed.
	Notes []string
}

// Secret is a text that is known to be a password. It stands in `environment`
// until HideSecrets, and is never written.
type Secret string

// Variable is one entry of `variables`.
type Variable struct {
	Name      string
	Sensitive bool
	// Default is written when it is not nil. Value is the value the thing that
	// was read had, for an env file; it never comes into the spec.
	Default *string
	Value   *string
	Comment string
}

// Entry is one resource.
type Entry struct {
	Key string
	// Comment are lines above it.
	Comment []string
	// Fields of the resource; nil is written as nothing behind the key.
	Fields map[string]any
}

// Note adds a line for people, which is also written above the entry when there
// is one.
func (d *Draft) Note(section string, e *Entry, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if e == nil {
		d.Notes = append(d.Notes, text)
		return
	}
	e.Comment = append(e.Comment, text)
	d.Notes = append(d.Notes, fmt.Sprintf("%s/%s: %s", strings.TrimSuffix(section, "s"), e.Key, text))
}

// Sections returns the four lists by their names, in the order they are written.
func (d *Draft) Sections() []Section {
	return []Section{{"networks", d.Networks}, {"volumes", d.Volumes}, {"services", d.Services}, {"jobs", d.Jobs}}
}

// Section is one of the lists.
type Section struct {
	Name    string
	Entries []*Entry
}

// Find returns an entry, nil when there is none.
func (d *Draft) Find(section, key string) *Entry {
	for _, s := range d.Sections() {
		if s.Name != section {
			continue
		}
		for _, e := range s.Entries {
			if e.Key == key {
				return e
			}
		}
	}
	return nil
}

// Sort puts variables and entries in order of name.
func (d *Draft) Sort() {
	slices.SortFunc(d.Variables, func(a, b Variable) int { return cmp.Compare(a.Name, b.Name) })
	for _, s := range d.Sections() {
		slices.SortFunc(s.Entries, func(a, b *Entry) int { return cmp.Compare(a.Key, b.Key) })
	}
}

// Declare adds a variable unless it is there.
func (d *Draft) Declare(v Variable) {
	if !slices.ContainsFunc(d.Variables, func(o Variable) bool { return o.Name == v.Name }) {
		d.Variables = append(d.Variables, v)
	}
}

// Values returns the values of the variables that are known, by name.
func (d *Draft) Values() map[string]string {
	out := map[string]string{}
	for _, v := range d.Variables {
		if v.Value != nil {
			out[v.Name] = *v.Value
		}
	}
	return out
}

// secretName matches names whose values are taken for passwords.
var secretName = regexp.MustCompile(`(?i)pass|pwd|secret|token|key|credential|auth|salt|private|dsn`)

// notSecret matches names that only look like those of passwords.
var notSecret = regexp.MustCompile(`(?i)(_file|_path|_dir|_url|_host|_port|_user|username|_method|_enabled|_id|_ttl|_size|keyspace|keycloak|authority|auth_method|initdb_args)$`)

// IsSecretName reports whether values under the name are taken for passwords.
func IsSecretName(name string) bool {
	return secretName.MatchString(name) && !notSecret.MatchString(name)
}

// secretText matches texts that hold a password whatever they are called: URLs
// with one, and keys.
var secretText = regexp.MustCompile(`[a-zA-Z][a-zA-Z0-9+.-]*://[^/@\s:]*:[^/@\s]+@|-----BEGIN|(?i)password=[^\s;&]`)

// IsSecretText reports whether the text holds a password by its form.
func IsSecretText(text string) bool { return secretText.MatchString(text) || isRandom(text) }

// isRandom tells long runs of letters and digits in both cases, which are
// seldom words, and long hexadecimal numbers.
func isRandom(text string) bool {
	if len(text) < 20 || !oneWord.MatchString(text) {
		return false
	}
	return hexNumber.MatchString(text) || strings.ContainsAny(text, "0123456789") && strings.ToLower(text) != text && strings.ToUpper(text) != text
}

var (
	oneWord   = regexp.MustCompile(`^[A-Za-z0-9+/_-]+=*$`)
	hexNumber = regexp.MustCompile(`^[0-9a-fA-F]{32,}$`)
)

// isSwitch tells values that are no secret under any name.
func isSwitch(text string) bool {
	switch strings.ToLower(text) {
	case "", "true", "false", "yes", "no", "on", "off", "0", "1", "none", "null", "default":
		return true
	}
	return strings.HasPrefix(text, "/")
}

// Literal returns the text as the spec writes it.
func Literal(text string) string { return strings.ReplaceAll(text, "$", "$$") }

// unliteral is the text that a text without references stands for; ok is false
// for one with references.
func unliteral(text string) (string, bool) {
	rest := strings.ReplaceAll(text, "$$", "")
	if strings.Contains(rest, "$") {
		return "", false
	}
	return strings.ReplaceAll(text, "$$", "$"), true
}

// HideSecrets puts variables in the place of passwords that are written
// literally in `environment`, and wherever else their texts stand.
func (d *Draft) HideSecrets() {
	hidden := map[string]string{} // text to variable
	taken := map[string]string{}  // variable to text
	for _, v := range d.Variables {
		text := ""
		if v.Value != nil {
			text = *v.Value
		}
		taken[v.Name] = text
	}
	for _, s := range d.Sections() {
		for _, e := range s.Entries {
			env, _ := e.Fields["environment"].(map[string]any)
			for _, name := range sortedKeys(env) {
				text, secret := secretOf(name, env[name])
				if !secret {
					if s, ok := env[name].(Secret); ok {
						env[name] = Literal(string(s))
					}
					continue
				}
				variable := d.variableFor(name, e.Key, text, taken, hidden)
				env[name] = "${" + variable + "}"
				d.Note(s.Name, e, "the value of %s stood there in plain text; it is the variable %s now", name, variable)
			}
		}
	}
	for _, s := range d.Sections() {
		for _, e := range s.Entries {
			for k, v := range e.Fields {
				e.Fields[k] = replaceTexts(v, hidden)
			}
		}
	}
}

// secretOf returns the text of a value that has to be hidden.
func secretOf(name string, v any) (text string, secret bool) {
	switch v := v.(type) {
	case Secret:
		return string(v), !isSwitch(string(v))
	case string:
		text, plain := unliteral(v)
		return text, plain && !isSwitch(text) && (IsSecretName(name) || IsSecretText(text))
	}
	return "", false
}

// variableFor returns the variable that holds the text, a new one when none
// does.
func (d *Draft) variableFor(name, entry, text string, taken, hidden map[string]string) string {
	if v, ok := hidden[text]; ok && len(text) >= 4 {
		return v
	}
	variable := variableName(name)
	if had, ok := taken[variable]; ok && had != text {
		variable = variableName(entry + "_" + name)
	}
	for n := 2; ; n++ {
		if had, ok := taken[variable]; !ok || had == text {
			break
		}
		variable = fmt.Sprintf("%s_%d", variableName(entry+"_"+name), n)
	}
	taken[variable], hidden[text] = text, variable
	d.Declare(Variable{Name: variable, Sensitive: true, Value: &text})
	return variable
}

var name = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)`)

// References returns the names of the variables that entries refer to.
func (d *Draft) References() map[string]bool {
	out := map[string]bool{}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			for _, m := range name.FindAllStringSubmatch(strings.ReplaceAll(v, "$$", ""), -1) {
				out[m[1]] = true
			}
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for _, e := range v {
				walk(e)
			}
		}
	}
	for _, s := range d.Sections() {
		for _, e := range s.Entries {
			walk(e.Fields)
		}
	}
	return out
}

var noName = regexp.MustCompile(`[^A-Z0-9_]+`)

func variableName(text string) string {
	name := noName.ReplaceAllString(strings.ToUpper(text), "_")
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		name = "_" + name
	}
	return name
}

// leastHidden is the length from which a password is looked for in other texts.
// A shorter one is also part of harmless words.
const leastHidden = 5

// replaceTexts puts the variable in place of each hidden text that stands by
// itself in a longer one.
func replaceTexts(v any, hidden map[string]string) any {
	switch v := v.(type) {
	case string:
		for _, text := range sortedKeys(hidden) {
			if len(text) >= leastHidden {
				v = replaceWord(v, Literal(text), "${"+hidden[text]+"}")
			}
		}
		return v
	case []any:
		for i := range v {
			v[i] = replaceTexts(v[i], hidden)
		}
	case map[string]any:
		for k := range v {
			v[k] = replaceTexts(v[k], hidden)
		}
	}
	return v
}

// replaceWord replaces word in text where no letter, digit, '_', '-' or '.' is
// beside it.
func replaceWord(text, word, by string) string {
	part := func(s string) bool {
		return s != "" && (s[0] == '_' || s[0] == '-' || s[0] == '.' || s[0] >= '0' && s[0] <= '9' || s[0] >= 'a' && s[0] <= 'z' || s[0] >= 'A' && s[0] <= 'Z')
	}
	var b strings.Builder
	for {
		i := strings.Index(text, word)
		if i < 0 {
			b.WriteString(text)
			return b.String()
		}
		before, after := b.String()+text[:i], text[i+len(word):]
		b.WriteString(text[:i])
		last := ""
		if before != "" {
			last = before[len(before)-1:]
		}
		if part(last) || part(after) {
			b.WriteString(word)
		} else {
			b.WriteString(by)
		}
		text = after
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
