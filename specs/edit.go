package specs

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Editor changes single entries in the text of a spec file and leaves every
// other byte as it is. All changes are to be given before Text.
type Editor struct {
	text  string
	lines []int // byte at which each line begins
	root  *yaml.Node
	edits []edit
}

// edit replaces the bytes from start to end.
type edit struct {
	start, end int
	with       string
}

// Taken is an entry that was taken out of a map.
type Taken struct {
	Key string
	// Value is the scalar as it is written, quotes and references included.
	Value string
	// Comments stood above it or behind it, each with its #.
	Comments []string
}

// NewEditor reads the text of a file.
func NewEditor(text string) (*Editor, error) {
	e := &Editor{text: text, lines: []int{0}}
	for i := range len(text) {
		if text[i] == '\n' {
			e.lines = append(e.lines, i+1)
		}
	}
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		return nil, err
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, errors.New("not one map")
	}
	e.root = doc.Content[0]
	return e, nil
}

// Text returns the text with all changes made.
func (e *Editor) Text() string {
	edits := slices.Clone(e.edits)
	slices.SortStableFunc(edits, func(a, b edit) int { return a.start - b.start })
	var b strings.Builder
	at := 0
	for _, c := range edits {
		if c.start < at {
			continue // lies within one before
		}
		b.WriteString(e.text[at:c.start] + c.with)
		at = c.end
	}
	return b.String() + e.text[at:]
}

// Has reports whether there is a value at the path, written in this file and
// nowhere shared.
func (e *Editor) Has(path ...string) bool {
	_, _, err := e.find(path)
	return err == nil
}

// find returns the key and the value at the end of a path.
func (e *Editor) find(path []string) (key, value *yaml.Node, err error) {
	value = e.root
	for _, name := range path {
		if value.Kind != yaml.MappingNode {
			return nil, nil, fmt.Errorf("%s is not written as a map here", name)
		}
		i := keyIndex(value, name)
		if i < 0 {
			return nil, nil, fmt.Errorf("%s is not written here", name)
		}
		key, value = value.Content[i], value.Content[i+1]
		if value.Kind == yaml.AliasNode || value.Anchor != "" {
			return nil, nil, fmt.Errorf("%s is shared by an anchor", name)
		}
	}
	return key, value, nil
}

func keyIndex(m *yaml.Node, name string) int {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if k := m.Content[i]; k.Value == name && k.Kind == yaml.ScalarNode {
			return i
		}
	}
	return -1
}

// Take removes scalar entries from the map at the path. A map that is empty
// then goes too, and the one that holds it becomes {} when nothing is left.
func (e *Editor) Take(path, keys []string) ([]Taken, error) {
	_, m, err := e.find(path)
	if err != nil {
		return nil, err
	}
	var out []Taken
	for _, k := range keys {
		i := keyIndex(m, k)
		if i < 0 {
			return nil, fmt.Errorf("%s is not written here", k)
		}
		end, err := e.scalarEnd(m.Content[i+1])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k, err)
		}
		t := Taken{Key: k, Value: e.text[e.offset(m.Content[i+1]):end]}
		if m.Style&yaml.FlowStyle == 0 {
			t.Comments = e.commentsOf(m.Content[i], end)
		}
		out = append(out, t)
	}
	if len(keys) < len(m.Content)/2 {
		return out, e.cut(m, keys)
	}
	parentKey, parent, err := e.find(path[:len(path)-1])
	if err != nil {
		return nil, err
	}
	if len(parent.Content) > 2 {
		i := keyIndex(parent, path[len(path)-1])
		if parent.Style&yaml.FlowStyle == 0 {
			end, err := e.end(parent.Content[i+1], parent.Content[i].Column)
			if err != nil {
				return nil, err
			}
			if m.Style&yaml.FlowStyle != 0 {
				out[0].Comments = append(e.commentsOf(parent.Content[i], end), out[0].Comments...)
			} else {
				out[0].Comments = append(e.commentsOf(parent.Content[i], e.lineEnd(e.offset(parent.Content[i]))), out[0].Comments...)
			}
		}
		return out, e.cut(parent, path[len(path)-1:])
	}
	return out, e.empty(parentKey, parent, &out[0])
}

// empty writes {} for a map.
func (e *Editor) empty(key, m *yaml.Node, first *Taken) error {
	end, err := e.end(m, key.Column)
	if err != nil {
		return err
	}
	if m.Style&yaml.FlowStyle != 0 {
		e.edits = append(e.edits, edit{e.offset(m), end, "{}"})
		return nil
	}
	colon, err := e.scalarEnd(key)
	if err != nil {
		return err
	}
	colon += strings.IndexByte(e.text[colon:], ':') + 1
	first.Comments = append(e.commentsWithin(e.lineEnd(colon), e.offset(m.Content[0])), first.Comments...)
	if inner := m.Content[1]; inner.Style&yaml.FlowStyle != 0 {
		first.Comments = append(first.Comments, trailing(e.text[end:e.lineEnd(end)])...)
	}
	e.edits = append(e.edits, edit{colon, colon, " {}"}, edit{e.nextLine(colon), e.nextLine(end), ""})
	return nil
}

// cut removes entries, but not all, from a map.
func (e *Editor) cut(m *yaml.Node, keys []string) error {
	if m.Style&yaml.FlowStyle != 0 {
		return e.cutFlow(m, keys)
	}
	for _, k := range keys {
		i := keyIndex(m, k)
		key, value := m.Content[i], m.Content[i+1]
		start := e.lines[key.Line-1]
		if strings.TrimSpace(e.text[start:e.offset(key)]) != "" {
			return errors.New("its key does not begin a line")
		}
		end, err := e.end(value, key.Column)
		if err != nil {
			return err
		}
		for start > 0 && e.isComment(e.lineBefore(start), key.Column) {
			start = e.lineBefore(start)
		}
		e.edits = append(e.edits, edit{start, e.nextLine(end), ""})
	}
	return nil
}

func (e *Editor) cutFlow(m *yaml.Node, keys []string) error {
	last := -1 // the last entry that stays
	for i := 0; i+1 < len(m.Content); i += 2 {
		if !slices.Contains(keys, m.Content[i].Value) {
			last = i
		}
	}
	for i := 0; i+1 < len(m.Content) && i < last; i += 2 {
		if !slices.Contains(keys, m.Content[i].Value) {
			continue
		}
		if err := e.cutRange(e.offset(m.Content[i]), e.offset(m.Content[i+2])); err != nil {
			return err
		}
	}
	if last+2 >= len(m.Content) {
		return nil
	}
	from, err := e.end(m.Content[last+1], 0)
	if err != nil {
		return err
	}
	to, err := e.end(m.Content[len(m.Content)-1], 0)
	if err != nil {
		return err
	}
	return e.cutRange(from, to)
}

func (e *Editor) cutRange(start, end int) error {
	if strings.Contains(e.text[start:end], "#") && strings.Contains(e.text[start:end], "\n") {
		return errors.New("a comment stands between")
	}
	e.edits = append(e.edits, edit{start, end, ""})
	return nil
}

// Append adds entries at the end of the map at the path, which is made with its
// last key when it is not there. Each entry is lines of block style, indented
// from zero.
func (e *Editor) Append(path []string, entries []string) error {
	_, m, err := e.find(path)
	if err == nil && m.Kind == yaml.MappingNode && len(m.Content) > 0 {
		if m.Style&yaml.FlowStyle != 0 {
			return e.appendFlow(m, entries)
		}
		return e.appendBlock(m, entries)
	}
	name := path[len(path)-1]
	key, parent, parentErr := e.find(path[:len(path)-1])
	switch {
	case parentErr != nil:
		return parentErr
	case parent.Kind != yaml.MappingNode || len(parent.Content) == 0:
		return errors.New("the map to add it to is empty")
	case err == nil || keyIndex(parent, name) >= 0:
		return fmt.Errorf("%s is not written as a map here", name)
	case parent.Style&yaml.FlowStyle != 0:
		return fmt.Errorf("%s is written on one line", key.Value)
	}
	var body strings.Builder
	for _, entry := range entries {
		body.WriteString(indented(entry, 2))
	}
	return e.appendBlock(parent, []string{name + ":\n" + body.String()})
}

func (e *Editor) appendBlock(m *yaml.Node, entries []string) error {
	end, err := e.end(m, m.Column)
	if err != nil {
		return err
	}
	at := e.nextLine(end)
	text := ""
	if at > 0 && e.text[at-1] != '\n' {
		text = "\n"
	}
	for _, entry := range entries {
		text += indented(entry, m.Column-1)
	}
	e.edits = append(e.edits, edit{at, at, text})
	return nil
}

// appendFlow adds entries, which must be one line each, before the brace.
func (e *Editor) appendFlow(m *yaml.Node, entries []string) error {
	end, err := e.end(m.Content[len(m.Content)-1], 0)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		entry = strings.TrimSuffix(entry, "\n")
		if strings.Contains(entry, "\n") {
			return errors.New("the map to add it to is written on one line")
		}
		e.edits = append(e.edits, edit{end, end, ", " + entry})
	}
	return nil
}

func indented(text string, by int) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.Repeat(" ", by) + strings.TrimSuffix(line, "\n") + "\n")
	}
	return b.String()
}

// offset is the byte at which a node begins.
func (e *Editor) offset(n *yaml.Node) int {
	start := e.lines[n.Line-1]
	return start + byteOfColumn(e.text[start:], n.Column)
}

func (e *Editor) lineEnd(at int) int {
	if i := strings.IndexByte(e.text[at:], '\n'); i >= 0 {
		return at + i
	}
	return len(e.text)
}

func (e *Editor) nextLine(at int) int { return min(len(e.text), e.lineEnd(at)+1) }

// lineBefore is where the line before the one at this byte begins.
func (e *Editor) lineBefore(at int) int {
	return strings.LastIndexByte(e.text[:at-1], '\n') + 1
}

// isComment reports whether the line beginning at this byte is a comment at
// that column.
func (e *Editor) isComment(start, column int) bool {
	line := e.text[start:e.lineEnd(start)]
	body := strings.TrimLeft(line, " ")
	return strings.HasPrefix(body, "#") && len(line)-len(body) == column-1
}

// commentsOf returns the comments above a key of a block map, and the one
// behind its value, which ends at that byte.
func (e *Editor) commentsOf(key *yaml.Node, end int) []string {
	var out []string
	for start := e.lines[key.Line-1]; start > 0 && e.isComment(e.lineBefore(start), key.Column); {
		start = e.lineBefore(start)
		out = append(out, strings.TrimSpace(e.text[start:e.lineEnd(start)]))
	}
	slices.Reverse(out)
	return append(out, trailing(e.text[end:e.lineEnd(end)])...)
}

// commentsWithin returns the comments on whole lines between two bytes.
func (e *Editor) commentsWithin(from, to int) []string {
	var out []string
	for line := range strings.Lines(e.text[from:to]) {
		if body := strings.TrimSpace(line); strings.HasPrefix(body, "#") {
			out = append(out, body)
		}
	}
	return out
}

func trailing(rest string) []string {
	if rest = strings.TrimSpace(rest); strings.HasPrefix(rest, "#") {
		return []string{rest}
	}
	return nil
}

// scalarEnd is the byte behind a scalar that stands on one line.
func (e *Editor) scalarEnd(n *yaml.Node) (int, error) {
	at := e.offset(n)
	switch {
	case n.Kind != yaml.ScalarNode:
		return 0, errors.New("its value is no scalar")
	case n.Anchor != "" || n.Style&yaml.TaggedStyle != 0:
		return 0, errors.New("its value has an anchor or a tag")
	case n.Style&yaml.DoubleQuotedStyle != 0:
		for i := at + 1; i < e.lineEnd(at); i++ {
			switch e.text[i] {
			case '\\':
				i++
			case '"':
				return i + 1, nil
			}
		}
	case n.Style&yaml.SingleQuotedStyle != 0:
		for i := at + 1; i < e.lineEnd(at); i++ {
			if e.text[i] == '\'' {
				if i+1 < len(e.text) && e.text[i+1] == '\'' {
					i++
					continue
				}
				return i + 1, nil
			}
		}
	case n.Style == 0 && strings.HasPrefix(e.text[at:], n.Value) && n.Value != "":
		return at + len(n.Value), nil
	}
	return 0, errors.New("its value goes over several lines")
}

// end is the byte behind a value. column is that of its key in a block map.
func (e *Editor) end(n *yaml.Node, column int) (int, error) {
	switch {
	case n.Kind == yaml.ScalarNode:
		if n.Value == "" && n.Style == 0 {
			return e.offset(n), nil
		}
		if end, err := e.scalarEnd(n); err == nil || column == 0 {
			return end, err
		}
	case n.Style&yaml.FlowStyle != 0:
		return e.flowEnd(e.offset(n))
	case n.Kind == yaml.AliasNode && column == 0:
		return 0, errors.New("an alias stands beside it")
	}
	return e.blockEnd(n, column), nil
}

// blockEnd goes down from a value in block style as long as lines are indented
// deeper than column, or at it for a list, whose items may stand below their
// key. Comments and empty lines at the end belong to what follows.
func (e *Editor) blockEnd(n *yaml.Node, column int) int {
	last := n
	for len(last.Content) > 0 && last.Style&yaml.FlowStyle == 0 {
		last = last.Content[len(last.Content)-1]
	}
	end := e.lineEnd(e.offset(last))
	if last.Style&yaml.FlowStyle != 0 && last.Kind != yaml.ScalarNode {
		if at, err := e.flowEnd(e.offset(last)); err == nil {
			end = e.lineEnd(at)
		}
	}
	for at := e.nextLine(end); at < len(e.text) && at > end; at = e.nextLine(at) {
		line := e.text[at:e.lineEnd(at)]
		body := strings.TrimLeft(line, " ")
		if strings.TrimSpace(body) == "" || strings.HasPrefix(body, "#") && len(line)-len(body) < column {
			continue
		}
		if len(line)-len(body) < column || strings.HasPrefix(body, "#") {
			break
		}
		end = e.lineEnd(at)
	}
	return end
}

// flowEnd is the byte behind the bracket that closes the one at this byte.
func (e *Editor) flowEnd(at int) (int, error) {
	depth := 0
	for i := at; i < len(e.text); i++ {
		switch c := e.text[i]; c {
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1, nil
			}
		case '"':
			for i++; i < len(e.text) && e.text[i] != '"'; i++ {
				if e.text[i] == '\\' {
					i++
				}
			}
		case '\'':
			if strings.ContainsRune(" \t\n{[,:", rune(e.text[i-1])) {
				for i++; i < len(e.text) && e.text[i] != '\''; i++ {
				}
			}
		case '#':
			if strings.ContainsRune(" \t\n", rune(e.text[i-1])) {
				i = e.lineEnd(i)
			}
		}
	}
	return 0, errors.New("its bracket is not closed")
}
