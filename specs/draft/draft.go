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

var name = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)`)

// DropUnused removes the variables that no entry refers to, because what
// referred to them was left out.
func (d *Draft) DropUnused() {
	used := d.References()
	d.Variables = slices.DeleteFunc(d.Variables, func(v Variable) bool { return !used[v.Name] })
}

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

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
