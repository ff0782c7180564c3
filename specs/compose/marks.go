package compose

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/consts"
	"github.com/compose-spec/compose-go/v2/template"

	"github.com/LerianStudio/midaz-infra/specs/draft"
)

// marks stand for references while the loader merges the files of a project.
// A mark is enclosed in a character that no text of a Compose file holds, so it
// can be neither a value nor part of one; a file that does hold the character is
// refused.
type marks struct {
	project string // the value of COMPOSE_PROJECT_NAME
	refs    []ref
	ids     map[ref]string // to marks
	used    map[string]bool
	lost    map[string][]string // references that became values, by their variables
	scope   template.Mapping
}

// ref is one reference, with the value it has where it stands: an included
// project may have an env file of its own.
type ref struct {
	text  string // as written, in braces
	value string
	own   string // the value of the variable itself, with a leading '=' when it is set
}

const markChar = "\uFFFF"

var anyMark = regexp.MustCompile(markChar + `([0-9]+)` + markChar)

func newMarks(project string) *marks {
	return &marks{project: project, ids: map[ref]string{}, used: map[string]bool{}, lost: map[string][]string{}}
}

// environment returns the environment with marks as values, so that what the
// loader takes from it without interpolation is a reference as well.
func (m *marks) environment(env map[string]string) map[string]string {
	out := make(map[string]string, len(env))
	for name, value := range env {
		if reference.MatchString("${" + name + "}") {
			value = m.mark(ref{text: "${" + name + "}", value: value, own: "=" + value})
		}
		out[name] = value
	}
	return out
}

func (m *marks) mark(r ref) string {
	if id, ok := m.ids[r]; ok {
		return id
	}
	id := markChar + strconv.Itoa(len(m.refs)) + markChar
	m.refs = append(m.refs, r)
	m.ids[r] = id
	return id
}

// substitute is what the loader calls for each text. mapping knows the env files
// of included projects.
func (m *marks) substitute(text string, mapping template.Mapping) (string, error) {
	if strings.Contains(text, markChar) {
		return "", fmt.Errorf("the text holds the character U+FFFF, which is reserved")
	}
	plain := func(name string) (string, bool) {
		v, ok := mapping(name)
		return m.plain(v), ok
	}
	m.scope = plain
	parts := splitText(text)
	for i := 1; i < len(parts); i += 2 {
		value, err := template.Substitute(parts[i], plain)
		if err != nil {
			return "", err
		}
		r := ref{text: m.constants(parts[i]), value: value}
		name := nameOf(r.text)
		if name == "" {
			parts[i] = value
			continue
		}
		if own, ok := plain(name); ok {
			r.own = "=" + own
		}
		parts[i] = m.mark(r)
	}
	return strings.Join(parts, ""), nil
}

// constants writes the value of what Compose itself defines in place of
// references to it. It returns "" when nothing else is left.
func (m *marks) constants(text string) string {
	f := reference.FindStringSubmatch(text)
	if f == nil || f[1] == consts.ComposeProjectName {
		return ""
	}
	if f[2] == "" {
		return text
	}
	word := splitText(f[3])
	var b strings.Builder
	for i, part := range word {
		switch inner := ""; {
		case i%2 == 0:
			b.WriteString(draft.Literal(part))
		default:
			if inner = m.constants(part); inner == "" {
				inner = m.project
			}
			b.WriteString(inner)
		}
	}
	return "${" + f[1] + f[2] + b.String() + "}"
}

// plain returns a text with marks replaced by their values.
func (m *marks) plain(text string) string {
	if !strings.Contains(text, markChar) {
		return text
	}
	return anyMark.ReplaceAllStringFunc(text, func(id string) string { return m.of(id).value })
}

func (m *marks) of(id string) ref {
	n, err := strconv.Atoi(strings.Trim(id, markChar))
	if err != nil || n >= len(m.refs) {
		return ref{}
	}
	return m.refs[n]
}

func isMarked(v any) bool {
	text, ok := v.(string)
	return ok && strings.Contains(text, markChar)
}

// written returns a text as the spec has it: marks are references, and other
// dollar signs stand for themselves.
func (m *marks) written(text string) string {
	var b strings.Builder
	at := 0
	for _, span := range anyMark.FindAllStringIndex(text, -1) {
		b.WriteString(draft.Literal(text[at:span[0]]))
		r := m.of(text[span[0]:span[1]])
		m.use(r.text)
		b.WriteString(m.rename(r))
		at = span[1]
	}
	b.WriteString(draft.Literal(text[at:]))
	return b.String()
}

func (m *marks) use(text string) {
	for _, name := range namesIn(text) {
		m.used[name] = true
	}
}

// lose remembers that the references of a text could not be kept.
func (m *marks) lose(v any) {
	switch v := v.(type) {
	case string:
		for _, id := range anyMark.FindAllString(v, -1) {
			text := m.of(id).text
			m.lost[nameOf(text)] = append(m.lost[nameOf(text)], text)
		}
	case []any:
		for _, e := range v {
			m.lose(e)
		}
	case map[string]any:
		for _, e := range v {
			m.lose(e)
		}
	}
}

// rename returns a reference with the name that its variable has in the spec.
// A name has one value there; where projects that include one another give it
// several, the others are numbered.
func (m *marks) rename(r ref) string {
	name := nameOf(r.text)
	rest := strings.TrimPrefix(r.text, "${"+name)
	if r.own == "" && strings.ContainsAny(rest[:1], "-+") && m.isEmptied(name) {
		rest = ":" + rest
	}
	return "${" + renamed(name, max(slices.Index(m.values(name), r.own), 0)) + rest
}

// isEmptied reports whether a variable that is not set is also referred to
// without a default, so that the spec declares it as empty.
func (m *marks) isEmptied(name string) bool {
	return slices.ContainsFunc(m.refs, func(r ref) bool { return r.own == "" && r.text == "${"+name+"}" })
}

func renamed(name string, i int) string {
	if i == 0 {
		return name
	}
	return fmt.Sprintf("%s_%d", name, i+1)
}

// values are the different values of a variable, by how often they are used.
func (m *marks) values(name string) []string {
	count := map[string]int{}
	for _, r := range m.refs {
		if nameOf(r.text) == name {
			count[r.own]++
		}
	}
	return slices.SortedFunc(maps.Keys(count), func(a, b string) int {
		if a == "" || b == "" { // not set
			return strings.Compare(b, a)
		}
		return strings.Compare(a, b)
	})
}

// valuesOr are those of a variable that at least something refers to.
func (m *marks) valuesOr(name string, lookup func(string) (string, bool)) []string {
	if all := m.values(name); len(all) > 0 {
		return all
	}
	if value, ok := lookup(name); ok {
		return []string{"=" + value}
	}
	return []string{""}
}

// splitText takes a text apart: odd parts are references in braces, even ones
// are text in which "$$" is one dollar sign.
func splitText(text string) []string {
	parts := []string{""}
	for i := 0; i < len(text); i++ {
		last := len(parts) - 1
		if text[i] != '$' || i+1 == len(text) {
			parts[last] += text[i : i+1]
			continue
		}
		rest := text[i+1:]
		switch {
		case rest[0] == '$':
			parts[last] += "$"
			i++
		case rest[0] == '{':
			end := closing(rest)
			if end < 0 {
				parts[last] += "$"
				continue
			}
			parts = append(parts, "$"+rest[:end+1], "")
			i += end + 1
		default:
			name := plainName.FindString(rest)
			if name == "" {
				parts[last] += "$"
				continue
			}
			parts = append(parts, "${"+name+"}", "")
			i += len(name)
		}
	}
	return parts
}

var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*`)

// closing is the index of the brace that closes the first one, -1 for none.
func closing(text string) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '{' && (i == 0 || text[i-1] == '$'):
			depth++
		case text[i] == '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// reference is ${NAME}, ${NAME:-word} and so on.
var reference = regexp.MustCompile(`(?s)^\$\{([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-+?])(.*))?\}$`)

// nameOf is the variable of a reference, "" for what is none.
func nameOf(text string) string {
	if f := reference.FindStringSubmatch(text); f != nil {
		return f[1]
	}
	return ""
}

// namesIn are the variables of a reference and of the references inside it.
func namesIn(text string) []string {
	f := reference.FindStringSubmatch(text)
	if f == nil {
		return nil
	}
	out := []string{f[1]}
	for i, part := range splitText(f[3]) {
		if i%2 == 1 {
			out = append(out, namesIn(part)...)
		}
	}
	return out
}
