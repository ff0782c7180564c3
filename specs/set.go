package specs

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// EditError says why the spec's text cannot be changed at a place.
type EditError struct {
	Pos Pos
	Msg string
}

// Error returns the message with its place.
func (e *EditError) Error() string { return e.Pos.String() + ": " + e.Msg }

// Set returns the text of a spec file with one value changed and everything
// else, comments and order included, as it is. node is a map or list of the
// spec, path leads from it to the value through keys of maps and items of
// lists, and value is what shall stand there: text, number, boolean, list or
// map, nil for nothing at all. What does not exist on the path is added.
//
// The text is found by the places of the nodes; whether the result means what
// was wanted is for the caller to check by loading it.
func Set(text string, node Node, path []string, value any) (string, error) {
	e := &editor{text: text}
	return e.set(node, path, value)
}

// Append returns the text with one item added at the end of a list.
func Append(text string, list Node, item any) (string, error) {
	e := &editor{text: text}
	return e.appendItem(list, item)
}

// FromVariable returns how a scalar is written that holds the value of a
// variable, "" for one that is written as it is.
func (n Node) FromVariable() string {
	if n.t == nil {
		return ""
	}
	return n.t.written
}

// editor changes one text. Offsets count bytes.
type editor struct{ text string }

// at is a node with what must be known to change it.
type at struct {
	node   Node
	entry  *Entry // of a map
	parent Node
}

func (e *editor) set(node Node, path []string, value any) (string, error) {
	here := at{node: node}
	for i, part := range path {
		next, ok := child(here.node, part)
		if !ok {
			return e.add(here, path[i:], value)
		}
		here = next
	}
	if value == nil {
		return e.remove(here)
	}
	return e.replace(here, path[len(path)-1], value)
}

func child(n Node, part string) (at, bool) {
	switch n.Kind() {
	case Map:
		if entry, ok := n.Entry(part); ok {
			return at{entry.Value, &entry, n}, true
		}
	case List:
		if item, ok := n.item(part); ok {
			return at{node: item, parent: n}, true
		}
	}
	return at{}, false
}

// replace puts a value in place of the one that is there.
func (e *editor) replace(here at, key string, value any) (string, error) {
	if here.node.FromVariable() != "" {
		return "", &EditError{here.node.Pos(), fmt.Sprintf("the value is written %s: change what the variable is set to",
			here.node.FromVariable())}
	}
	if here.entry == nil && here.node.IsScalar() { // an item such as KEY=value
		name, _, isPair := strings.Cut(here.node.Text(), "=")
		scalar, plain := scalarText(value)
		if !isPair || name != key || !plain {
			return "", &EditError{here.node.Pos(), "the value stands in an item of a list in its short form"}
		}
		value = name + "=" + scalar
	}
	if here.node.Kind() == Null {
		return e.fillNull(here, value)
	}
	start, end, err := e.extent(here)
	if err != nil {
		return "", err
	}
	if body, ok := value.(string); ok && strings.Contains(body, "\n") && here.entry != nil && !e.inFlow(here) {
		if block, ok := blockScalar(body, here.entry.KeyPos.Col+1); ok {
			return e.text[:start] + block + e.text[end:], nil
		}
	}
	written, err := flow(value)
	if err != nil {
		return "", &EditError{here.node.Pos(), err.Error()}
	}
	return e.text[:start] + written + e.text[end:], nil
}

// fillNull writes a value behind a key that has none.
func (e *editor) fillNull(here at, value any) (string, error) {
	written, err := flow(value)
	if err != nil {
		return "", &EditError{here.node.Pos(), err.Error()}
	}
	if here.entry == nil {
		return "", &EditError{here.node.Pos(), "there is no value to change"}
	}
	start, ok := e.offset(here.entry.KeyPos)
	if !ok {
		return "", moved(here.entry.KeyPos)
	}
	colon := strings.Index(e.text[start:], ":")
	if colon < 0 {
		return "", moved(here.entry.KeyPos)
	}
	from := start + colon + 1
	to := from
	for _, word := range []string{"null", "~"} {
		rest := strings.TrimLeft(e.text[from:], " ")
		if strings.HasPrefix(rest, word) {
			to = len(e.text) - len(rest) + len(word)
		}
	}
	return e.text[:from] + " " + written + e.text[to:], nil
}

// add writes what is not there yet under the deepest value that is.
func (e *editor) add(here at, rest []string, value any) (string, error) {
	if value == nil {
		return e.text, nil // it is not there already
	}
	for i := len(rest) - 1; i > 0; i-- {
		value = map[string]any{rest[i]: value}
	}
	switch here.node.Kind() {
	case Map:
		return e.addEntry(here.node, rest[0], value)
	case Null:
		return e.fillNull(here, map[string]any{rest[0]: value})
	case List:
		item, err := shortItem(here.node, rest[0], value)
		if err != nil {
			return "", err
		}
		return e.appendItem(here.node, item)
	default:
		return "", &EditError{here.node.Pos(), "the value stands in a short form that has no place for " + strconv.Quote(rest[0])}
	}
}

// shortItem returns an item for a list that stands for a map: a bare name, or
// KEY=value where its other items are such.
func shortItem(list Node, key string, value any) (string, error) {
	if m, ok := value.(map[string]any); ok && len(m) == 0 {
		return key, nil
	}
	scalar, plain := scalarText(value)
	for _, item := range list.Items() {
		if !item.IsScalar() || !strings.Contains(item.Text(), "=") {
			plain = false
		}
	}
	if !plain || len(list.Items()) == 0 {
		return "", &EditError{list.Pos(), "the list has no place for the settings of " + strconv.Quote(key) + ": write it as a map"}
	}
	return key + "=" + scalar, nil
}

// addEntry adds a key at the end of a map.
func (e *editor) addEntry(m Node, key string, value any) (string, error) {
	start, ok := e.offset(m.Pos())
	if !ok {
		return "", moved(m.Pos())
	}
	name, err := flow(key)
	if err != nil {
		return "", &EditError{m.Pos(), err.Error()}
	}
	if e.text[start] == '{' {
		written, err := flow(value)
		if err != nil {
			return "", &EditError{m.Pos(), err.Error()}
		}
		return e.addInFlow(m, start, name+": "+written)
	}
	last, ok := e.lastEntry(m)
	if !ok {
		return "", &EditError{m.Pos(), "the map is written elsewhere, behind an anchor"}
	}
	_, end, err := e.extent(last)
	if err != nil {
		return "", err
	}
	indent := strings.Repeat(" ", last.entry.KeyPos.Col-1)
	return e.insertLines(end, blockLines(indent, name, value)), nil
}

// addInFlow adds a piece at the end of { } or [ ] that opens at start.
func (e *editor) addInFlow(n Node, start int, piece string) (string, error) {
	end, ok := flowEnd(e.text, start)
	if !ok {
		return "", moved(n.Pos())
	}
	inner := strings.TrimRight(e.text[start+1:end-1], " \t\n")
	at := start + 1 + len(inner)
	separator := ", "
	switch {
	case strings.TrimSpace(inner) == "":
		at, separator = start+1, ""
	case strings.HasSuffix(inner, ","):
		separator = " "
	case strings.Contains(inner[strings.LastIndex(inner, "\n")+1:], " #"):
		return "", &EditError{n.Pos(), "a comment stands before the closing bracket"}
	}
	return e.text[:at] + separator + piece + e.text[at:], nil
}

func (e *editor) appendItem(list Node, item any) (string, error) {
	start, ok := e.offset(list.Pos())
	if !ok {
		return "", moved(list.Pos())
	}
	written, err := flow(item)
	if err != nil {
		return "", &EditError{list.Pos(), err.Error()}
	}
	if e.text[start] == '[' {
		return e.addInFlow(list, start, written)
	}
	items := list.Items()
	if len(items) == 0 {
		return "", moved(list.Pos())
	}
	_, end, err := e.extent(at{node: items[len(items)-1], parent: list})
	if err != nil {
		return "", err
	}
	return e.insertLines(end, strings.Repeat(" ", list.Pos().Col-1)+"- "+written+"\n"), nil
}

// insertLines puts lines after the line that the offset is in.
func (e *editor) insertLines(after int, lines string) string {
	if strings.Contains(e.text, "\r\n") {
		lines = strings.ReplaceAll(lines, "\n", "\r\n")
	}
	end := strings.IndexByte(e.text[after:], '\n')
	if end < 0 {
		return e.text + "\n" + lines
	}
	return e.text[:after+end+1] + lines + e.text[after+end+1:]
}

// remove takes an entry or an item away.
func (e *editor) remove(here at) (string, error) {
	start, end, err := e.extent(here)
	if err != nil {
		return "", err
	}
	if here.entry != nil {
		var ok bool
		if start, ok = e.offset(here.entry.KeyPos); !ok {
			return "", moved(here.entry.KeyPos)
		}
	}
	if e.inFlow(here) {
		return e.removeInFlow(start, end), nil
	}
	lineStart := strings.LastIndexByte(e.text[:start], '\n') + 1
	before := strings.TrimSpace(e.text[lineStart:start])
	if before != "" && before != "-" || before == "-" && here.entry != nil {
		return "", &EditError{here.node.Pos(), "it is the first of its list item"}
	}
	lineEnd := strings.IndexByte(e.text[end:], '\n')
	if lineEnd < 0 {
		return e.text[:lineStart], nil
	}
	return e.text[:lineStart] + e.text[end+lineEnd+1:], nil
}

// removeInFlow cuts a piece with one of the commas beside it.
func (e *editor) removeInFlow(start, end int) string {
	if rest := strings.TrimLeft(e.text[end:], " \t"); strings.HasPrefix(rest, ",") {
		end = len(e.text) - len(rest) + 1
		end += len(e.text[end:]) - len(strings.TrimLeft(e.text[end:], " "))
		return e.text[:start] + e.text[end:]
	}
	before := strings.TrimRight(e.text[:start], " \t\n")
	if strings.HasSuffix(before, ",") {
		start = len(before) - 1
	}
	return e.text[:start] + e.text[end:]
}

// extent returns where the text of a value begins and ends.
func (e *editor) extent(here at) (start, end int, err error) {
	n := here.node
	start, ok := e.offset(n.Pos())
	if !ok || start >= len(e.text) {
		return 0, 0, moved(n.Pos())
	}
	switch c := e.text[start]; {
	case c == '&' || c == '*' || c == '!':
		return 0, 0, &EditError{n.Pos(), "an anchor, an alias or a tag stands here"}
	case c == '{' || c == '[':
		if end, ok = flowEnd(e.text, start); !ok {
			return 0, 0, moved(n.Pos())
		}
	case n.Kind() == Map:
		last, ok := e.lastEntry(n)
		if !ok {
			return 0, 0, &EditError{n.Pos(), "the map is written elsewhere, behind an anchor"}
		}
		_, end, err = e.extent(last)
	case n.Kind() == List:
		items := n.Items()
		_, end, err = e.extent(at{node: items[len(items)-1], parent: n})
	case c == '"' || c == '\'':
		end, ok = quotedEnd(e.text, start)
	case c == '|' || c == '>':
		lines := splitLines(e.text)
		end, ok = e.lineEnd(blockEnd(lines, n.Pos().Line))
	default:
		end = plainEnd(e.text, start, e.inFlow(here))
	}
	if !ok {
		return 0, 0, moved(n.Pos())
	}
	return start, end, err
}

// lastEntry returns the entry of a block map that is written last in it.
func (e *editor) lastEntry(m Node) (at, bool) {
	var last at
	for _, entry := range m.Entries() {
		// Entries taken over by a merge key stand elsewhere.
		own := entry.KeyPos.File == m.Pos().File && entry.KeyPos.Col == m.Pos().Col && entry.KeyPos.Compare(m.Pos()) >= 0
		if own && (last.entry == nil || entry.KeyPos.Compare(last.entry.KeyPos) > 0) {
			last = at{entry.Value, &entry, m}
		}
	}
	return last, last.entry != nil
}

// inFlow reports whether a value stands within brackets.
func (e *editor) inFlow(here at) bool {
	if here.parent.Pos().File == here.node.Pos().File {
		start, ok := e.offset(here.parent.Pos())
		return ok && start < len(e.text) && (e.text[start] == '{' || e.text[start] == '[')
	}
	// The map around it is that of another file, which this one was merged into.
	start, _ := e.offset(here.node.Pos())
	line := e.text[strings.LastIndexByte(e.text[:start], '\n')+1 : start]
	_, open := (&parser{src: &source{}}).openBracket([]byte(line))
	return open
}

// offset returns the byte at a position.
func (e *editor) offset(pos Pos) (int, bool) {
	start := 0
	for n := 1; n < pos.Line; n++ {
		i := strings.IndexByte(e.text[start:], '\n')
		if i < 0 {
			return 0, false
		}
		start += i + 1
	}
	line, _, _ := strings.Cut(e.text[start:], "\n")
	return start + byteOfColumn(line, pos.Col), pos.Line > 0
}

func (e *editor) lineEnd(line int) (int, bool) {
	start, ok := e.offset(Pos{Line: line, Col: 1})
	if !ok {
		return 0, false
	}
	if i := strings.IndexByte(e.text[start:], '\n'); i >= 0 {
		return start + i, true
	}
	return len(e.text), true
}

func moved(pos Pos) error { return &EditError{pos, "the text here is not what was read"} }

func quotedEnd(text string, start int) (int, bool) {
	quote := text[start]
	for i := start + 1; i < len(text); i++ {
		switch {
		case quote == '"' && text[i] == '\\':
			i++
		case quote == '\'' && text[i] == '\'' && i+1 < len(text) && text[i+1] == '\'':
			i++
		case text[i] == quote:
			return i + 1, true
		}
	}
	return 0, false
}

// plainEnd returns the end of a plain scalar on its line.
func plainEnd(text string, start int, inFlow bool) int {
	line, _, _ := strings.Cut(text[start:], "\n")
	for i := range len(line) {
		switch c := line[i]; {
		case c == '#' && i > 0 && line[i-1] == ' ',
			c == ':' && (i+1 == len(line) || line[i+1] == ' '),
			inFlow && (c == ',' || c == ']' || c == '}'):
			return start + len(strings.TrimRight(line[:i], " \t\r"))
		}
	}
	return start + len(strings.TrimRight(line, " \t\r"))
}

// flowEnd returns the end of what is in the bracket that opens at start.
func flowEnd(text string, start int) (int, bool) {
	depth := 0
	for i := start; i < len(text); i++ {
		switch c := text[i]; c {
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1, true
			}
		case '"', '\'':
			if strings.ContainsRune(" \t\n[{,:", rune(text[i-1])) {
				end, ok := quotedEnd(text, i)
				if !ok {
					return 0, false
				}
				i = end - 1
			}
		case '#':
			if strings.ContainsRune(" \t\n", rune(text[i-1])) {
				line := strings.IndexByte(text[i:], '\n')
				if line < 0 {
					return 0, false
				}
				i += line
			}
		}
	}
	return 0, false
}

// flow returns a value as YAML on one line that fits within brackets too.
// Dollar signs are doubled, so that nothing is taken for a variable.
func flow(v any) (string, error) {
	var n yaml.Node
	if err := n.Encode([]any{doubled(v)}); err != nil {
		return "", err
	}
	flowStyle(&n)
	out, err := yaml.Marshal(&n)
	if err != nil {
		return "", err
	}
	text := strings.TrimSuffix(string(out), "\n")
	if strings.Contains(text, "\n") || len(text) < 2 {
		return "", errors.New("the value does not fit on one line")
	}
	return text[1 : len(text)-1], nil
}

func flowStyle(n *yaml.Node) {
	switch {
	case n.Kind == yaml.MappingNode || n.Kind == yaml.SequenceNode:
		n.Style = yaml.FlowStyle
	case strings.Contains(n.Value, "\n"):
		n.Style = yaml.DoubleQuotedStyle
	}
	for _, c := range n.Content {
		flowStyle(c)
	}
}

func doubled(v any) any {
	return MapLeaves(v, func(v any) any {
		if s, ok := v.(string); ok {
			return strings.ReplaceAll(s, "$", "$$")
		}
		return v
	})
}

// blockLines returns an entry as lines. A list of maps below a map is written
// with an item a line, everything else behind its key.
func blockLines(indent, key string, value any) string {
	if m, ok := value.(map[string]any); ok && len(m) == 1 {
		for name, below := range m {
			if list, ok := below.([]any); ok && len(list) > 0 {
				if _, maps := list[0].(map[string]any); maps {
					return indent + key + ":\n" + blockLines(indent+"  ", name, below)
				}
			}
		}
	}
	if list, ok := value.([]any); ok && len(list) > 0 {
		if _, maps := list[0].(map[string]any); maps {
			out := indent + key + ":\n"
			for _, item := range list {
				written, err := flow(item)
				if err != nil {
					continue
				}
				out += indent + "  - " + written + "\n"
			}
			return out
		}
	}
	written, err := flow(value)
	if err != nil {
		return ""
	}
	return indent + key + ": " + written + "\n"
}

// blockScalar returns a text of several lines in literal style, indented by
// that many spaces.
func blockScalar(body string, indent int) (string, bool) {
	if strings.ContainsAny(body, "\r\t\x00") || strings.HasPrefix(body, " ") || strings.HasPrefix(body, "\n") ||
		strings.HasSuffix(body, "\n\n") {
		return "", false
	}
	head := "|-"
	if strings.HasSuffix(body, "\n") {
		head = "|"
	}
	var b strings.Builder
	b.WriteString(head)
	for _, line := range strings.Split(strings.TrimSuffix(body, "\n"), "\n") {
		b.WriteByte('\n')
		if line != "" {
			b.WriteString(strings.Repeat(" ", indent) + strings.ReplaceAll(line, "$", "$$"))
		}
	}
	return b.String(), true
}

func scalarText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool, int64, float64, int:
		return fmt.Sprint(v), true
	default:
		return "", false
	}
}
