package specs

import (
	"errors"
	"strings"
)

// part is a piece of a text with references: literal text, or a reference.
type part struct {
	text string
	ref  *reference
}

// reference is one ${X...}: its name, its operator ("", ":-", "-", ":?", "?",
// ":+" or "+"), and the parts of the word after it.
type reference struct {
	start, end int // bytes in the whole text
	name       string
	op         string
	word       []part
	wordText   string
}

// maxNesting bounds references inside the words of references.
const maxNesting = 16

// malformed is a reference that cannot be read, with its place in the text.
type malformed struct {
	start, end int
	msg        string
}

// splitReferences reads a text in Compose's syntax. Malformed references
// become literal text and are returned as such.
func splitReferences(text string) ([]part, []malformed) {
	s := &splitter{text: text}
	parts := s.parts(0)
	return parts, s.bad
}

// holdsReference reports whether a variable would be substituted in the text.
func holdsReference(text string) bool {
	if !strings.Contains(text, "$") {
		return false
	}
	parts, bad := splitReferences(text)
	if len(bad) > 0 {
		return true
	}
	for _, p := range parts {
		if p.ref != nil {
			return true
		}
	}
	return false
}

// referencedNames calls each for every variable a text refers to, at any
// depth.
func referencedNames(parts []part, each func(name string)) {
	for _, p := range parts {
		if p.ref != nil {
			each(p.ref.name)
			referencedNames(p.ref.word, each)
		}
	}
}

type splitter struct {
	text string
	i    int
	bad  []malformed
}

// parts reads to the end of the text or, inside a reference, to the brace that
// closes it. Braces inside a word must be balanced, as in Compose.
func (s *splitter) parts(depth int) []part {
	var out []part
	var literal strings.Builder
	braces := 0
	flush := func() {
		if literal.Len() > 0 {
			out = append(out, part{text: literal.String()})
			literal.Reset()
		}
	}
	for s.i < len(s.text) {
		c := s.text[s.i]
		switch {
		case depth > 0 && c == '}' && braces == 0:
			flush()
			return out
		case depth > 0 && c == '{':
			braces++
		case depth > 0 && c == '}':
			braces--
		case c == '$':
			start, mark := s.i, len(s.bad)
			ref, text, err := s.dollar(depth)
			if err != nil {
				// What is wrong inside is a consequence.
				s.bad = append(s.bad[:mark], malformed{start, s.i, err.Error()})
				text = s.text[start:s.i]
			}
			if ref != nil {
				flush()
				out = append(out, part{ref: ref})
			}
			literal.WriteString(text)
			continue
		}
		literal.WriteByte(c)
		s.i++
	}
	flush()
	return out
}

// dollar reads what begins with a dollar sign: a reference, "$$", or a dollar
// sign that stands for itself because no name follows (as at the end of a
// regular expression).
func (s *splitter) dollar(depth int) (*reference, string, error) {
	start := s.i
	s.i++
	rest := s.text[s.i:]
	switch {
	case strings.HasPrefix(rest, "$"):
		s.i++
		return nil, "$", nil
	case strings.HasPrefix(rest, "{"):
		s.i++
		return s.braced(start, depth)
	default:
		name := leadingName(rest)
		s.i += len(name)
		if name == "" {
			return nil, "$", nil
		}
		return &reference{start: start, end: s.i, name: name}, "", nil
	}
}

var errUnclosed = errors.New("\"${\" is not closed by \"}\"")

func (s *splitter) braced(start, depth int) (*reference, string, error) {
	if depth >= maxNesting {
		s.i = len(s.text)
		return nil, "", errors.New("references are nested too deeply")
	}
	ref := &reference{start: start, name: leadingName(s.text[s.i:])}
	s.i += len(ref.name)
	if ref.name == "" {
		return nil, "", s.noName()
	}
	rest := s.text[s.i:]
	for _, op := range []string{":-", "-", ":?", "?", ":+", "+"} {
		if strings.HasPrefix(rest, op) {
			ref.op = op
			s.i += len(op)
			break
		}
	}
	if !strings.Contains(rest, "}") {
		return nil, "", errUnclosed
	}
	if ref.op == "" && rest[0] != '}' {
		return nil, "", errors.New("after the name in \"${" + ref.name + "\" comes \"}\", or one of :- - :? ? :+ +")
	}
	from := s.i
	ref.word = s.parts(depth + 1)
	if s.i >= len(s.text) {
		return nil, "", errUnclosed
	}
	ref.wordText = s.text[from:s.i]
	s.i++
	ref.end = s.i
	return ref, "", nil
}

func (s *splitter) noName() error {
	if strings.HasPrefix(s.text[s.i:], "}") {
		s.i++
		return errors.New("\"${}\" names no variable")
	}
	return errors.New("\"${\" is not followed by a name: letters, digits and _, not beginning with a digit")
}

// leadingName returns the variable name that s begins with, "" if none.
func leadingName(s string) string {
	i := 0
	for i < len(s) && (s[i] == '_' || s[i] >= 'A' && s[i] <= 'Z' || s[i] >= 'a' && s[i] <= 'z' || i > 0 && s[i] >= '0' && s[i] <= '9') {
		i++
	}
	return s[:i]
}

// isName reports whether s is the name of a variable.
func isName(s string) bool { return s != "" && leadingName(s) == s }
