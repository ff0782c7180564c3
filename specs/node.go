package specs

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// Kind is the shape of a Node.
type Kind int

const (
	Absent Kind = iota // no such node
	Null               // ~, null or an empty value
	String
	Int
	Float
	Bool
	List
	Map
)

// String returns the word used in messages: "a map", "a list", "a string".
func (k Kind) String() string {
	switch k {
	case Null:
		return "null"
	case String:
		return "a string"
	case Int:
		return "an integer"
	case Float:
		return "a number"
	case Bool:
		return "a boolean"
	case List:
		return "a list"
	case Map:
		return "a map"
	default:
		return "absent"
	}
}

// Entry is one key of a map with the place the key was written at.
type Entry struct {
	Key    string
	KeyPos Pos
	Value  Node
}

// tree is the storage behind Node. It is never changed once Load has returned,
// so Nodes may be shared between goroutines.
type tree struct {
	kind      Kind
	pos       Pos
	text      string   // scalars: the text after interpolation
	written   string   // scalars with a substituted variable: the text before it
	sensitive bool     // scalars: holds the value of a sensitive variable
	parts     []string // scalars: the values of sensitive variables in it
	public    int      // scalars: how much of the text stands before the first of them, in bytes
	unset     bool     // scalars: a reference without a value stands there as written
	entries   []Entry
	items     []Node
	index     map[string]int // large maps: key -> entry

	// What reading needs to know.
	style  style
	tagged bool // scalars: the kind was given by a tag
	broken bool // stands in for a value that was refused
	op     mergeOp
	ops    bool // this or a value below has a mergeOp
	refs   bool // this or a value below may hold a reference
	size   int  // values in here, aliases unfolded
	height int  // levels, 1 for a scalar
}

// style is how a scalar is written.
type style uint8

const (
	plain style = iota
	quoted
	block
)

// mergeOp is what a tag asks of the merging of files.
type mergeOp uint8

const (
	opNone mergeOp = iota
	opReset
	opOverride
)

// adopt counts a value that was put into t.
func (t *tree) adopt(child *tree) {
	t.size += child.size
	t.height = max(t.height, child.height+1)
	t.ops = t.ops || child.ops
	t.refs = t.refs || child.refs
}

// makeIndex makes looking up keys fast in large maps.
func (t *tree) makeIndex() {
	if len(t.entries) <= fewKeys {
		return
	}
	t.index = make(map[string]int, len(t.entries))
	for i, e := range t.entries {
		t.index[e.Key] = i
	}
}

// Node is a value that knows its place. The zero Node is absent; every method
// works on it.
type Node struct{ t *tree }

// Kind returns the shape of the node, Absent for the zero Node.
func (n Node) Kind() Kind {
	if n.t == nil {
		return Absent
	}
	return n.t.kind
}

// IsAbsent reports whether there is no such node.
func (n Node) IsAbsent() bool { return n.t == nil }

// Pos returns where the value was written, the zero Pos when absent.
func (n Node) Pos() Pos {
	if n.t == nil {
		return Pos{}
	}
	return n.t.pos
}

// IsScalar reports whether the node is a string, number or boolean.
func (n Node) IsScalar() bool {
	switch n.Kind() {
	case String, Int, Float, Bool:
		return true
	default:
		return false
	}
}

// Text returns a scalar's text as written, after interpolation; "" for all
// other kinds. It reveals sensitive values: see Sensitive.
func (n Node) Text() string {
	if n.t == nil {
		return ""
	}
	return n.t.text
}

// Sensitive reports whether the scalar holds the value of a sensitive
// variable, wholly or in part. Its Text must then never be printed.
func (n Node) Sensitive() bool { return n.t != nil && n.t.sensitive }

// SensitiveParts returns the values of sensitive variables in the scalar.
func (n Node) SensitiveParts() []string {
	if !n.Sensitive() {
		return nil
	}
	if len(n.t.parts) == 0 {
		return []string{n.t.text}
	}
	return n.t.parts
}

// PublicPrefix returns the text of the scalar up to the first value of a
// sensitive variable: all of it where there is none.
func (n Node) PublicPrefix() string {
	if !n.Sensitive() {
		return n.Text()
	}
	return n.t.text[:min(n.t.public, len(n.t.text))]
}

// HasSensitive reports whether the node is sensitive, or a scalar in it is.
func (n Node) HasSensitive() bool {
	if n.t == nil || n.t.sensitive {
		return n.t != nil
	}
	return slices.ContainsFunc(n.t.items, Node.HasSensitive) ||
		slices.ContainsFunc(n.t.entries, func(e Entry) bool { return e.Value.HasSensitive() })
}

// Unset reports whether a reference without a value was left in the value, or
// in one below it: see Options.KeepUnset.
func (n Node) Unset() bool {
	if n.t == nil {
		return false
	}
	return n.t.unset || slices.ContainsFunc(n.t.items, Node.Unset) ||
		slices.ContainsFunc(n.t.entries, func(e Entry) bool { return e.Value.Unset() })
}

// Entries returns a map's entries in the order they were written.
func (n Node) Entries() []Entry {
	if n.t == nil {
		return nil
	}
	return n.t.entries
}

// Items returns a list's items.
func (n Node) Items() []Node {
	if n.t == nil {
		return nil
	}
	return n.t.items
}

// Get returns the value of a key of a map, absent when there is none.
func (n Node) Get(key string) Node {
	e, _ := n.Entry(key)
	return e.Value
}

// Given reports whether a key of a map has a value: null is none.
func (n Node) Given(key string) bool {
	e, ok := n.Entry(key)
	return ok && e.Value.Kind() != Null
}

// Entry returns the entry of a key of a map.
func (n Node) Entry(key string) (Entry, bool) {
	if n.t != nil && n.t.index != nil {
		i, ok := n.t.index[key]
		if !ok {
			return Entry{}, false
		}
		return n.t.entries[i], true
	}
	for _, e := range n.Entries() {
		if e.Key == key {
			return e, true
		}
	}
	return Entry{}, false
}

// At returns the deepest existing node on a JSON pointer ("/ports/0"), so that
// a message about something missing points at what should hold it.
func (n Node) At(pointer string) Node {
	at, _ := n.walk(pointer)
	return at
}

// KeyPos returns where the last key of the pointer was written; for list items
// and missing keys, where the deepest existing value stands.
func (n Node) KeyPos(pointer string) Pos {
	_, pos := n.walk(pointer)
	return pos
}

func (n Node) walk(pointer string) (Node, Pos) {
	at, pos := n, n.Pos()
	for _, part := range splitPointer(pointer) {
		switch at.Kind() {
		case Map:
			e, ok := at.Entry(part)
			if !ok {
				return at, pos
			}
			at, pos = e.Value, e.KeyPos
		case List:
			item, ok := at.item(part)
			if !ok {
				return at, pos
			}
			at, pos = item, item.Pos()
		default:
			return at, pos
		}
	}
	return at, pos
}

// item returns the item of a list that a part of a pointer means: its number,
// or, since many maps may also be written as lists, the text that has the part
// as a piece between "=" and ":" ("KEY=value", "volume:/path"), or the map that
// has it as a value ("{target: /path}").
func (n Node) item(part string) (Node, bool) {
	items := n.Items()
	if i, err := strconv.Atoi(part); err == nil && i >= 0 && i < len(items) {
		return items[i], true
	}
	for _, item := range items {
		if item.IsScalar() && hasPiece(item.Text(), part) {
			return item, true
		}
		if slices.ContainsFunc(item.Entries(), func(e Entry) bool { return e.Value.IsScalar() && e.Value.Text() == part }) {
			return item, true
		}
	}
	return Node{}, false
}

func hasPiece(text, part string) bool {
	key, _, isPair := strings.Cut(text, "=")
	return text == part || isPair && key == part || slices.Contains(strings.Split(text, ":"), part)
}

func splitPointer(pointer string) []string {
	if pointer == "" {
		return nil
	}
	parts := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	for i, p := range parts {
		parts[i] = strings.ReplaceAll(strings.ReplaceAll(p, "~1", "/"), "~0", "~")
	}
	return parts
}

// JSON returns the value as encoding/json would decode it (numbers as int64 or
// float64), for a JSON schema validator. Sensitive scalars are revealed.
func (n Node) JSON() any { return n.json(func(t *tree) any { return t.scalar() }) }

// Written returns the value like JSON, but every scalar into which a variable
// was substituted as the text that stands in the file, "${X}". It holds no
// value of any variable.
func (n Node) Written() any {
	return n.json(func(t *tree) any {
		if t.written != "" {
			return t.written
		}
		return t.scalar()
	})
}

func (n Node) json(scalar func(*tree) any) any {
	switch n.Kind() {
	case List:
		out := make([]any, 0, len(n.t.items))
		for _, item := range n.t.items {
			out = append(out, item.json(scalar))
		}
		return out
	case Map:
		out := make(map[string]any, len(n.t.entries))
		for _, e := range n.t.entries {
			out[e.Key] = e.Value.json(scalar)
		}
		return out
	case Absent:
		return nil
	default:
		return scalar(n.t)
	}
}

// scalar returns the value of a scalar, nil for null. Numbers that JSON cannot
// hold are texts.
func (t *tree) scalar() any {
	switch t.kind {
	case Null:
		return nil
	case Bool:
		return strings.EqualFold(t.text, "true")
	case Int:
		if i, err := strconv.ParseInt(t.text, 0, 64); err == nil {
			return i
		}
	case Float:
		if f, err := strconv.ParseFloat(t.text, 64); err == nil && !math.IsInf(f, 0) && !math.IsNaN(f) {
			return f
		}
	}
	return t.text
}

// NewScalar returns a scalar node at pos; kinds use it for values they derive.
func NewScalar(pos Pos, kind Kind, text string, sensitive bool) Node {
	return Node{&tree{kind: kind, pos: pos, text: text, sensitive: sensitive}}
}

// NewMap returns a map node at pos.
func NewMap(pos Pos, entries []Entry) Node {
	t := &tree{kind: Map, pos: pos, entries: entries}
	t.makeIndex()
	return Node{t}
}

// NewList returns a list node at pos.
func NewList(pos Pos, items []Node) Node {
	return Node{&tree{kind: List, pos: pos, items: items}}
}

// ParseValue reads one YAML value and returns it as encoding/json would decode
// it. It is for short texts of our own, such as examples in tables.
func ParseValue(text string) (any, error) {
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		return nil, err
	}
	return v, nil
}

// ParseNode reads one YAML value as a Node without merging, variables or
// limits, for short texts of our own, such as examples in tables and tests.
func ParseNode(file, text string) (Node, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		return Node{}, err
	}
	if len(doc.Content) == 0 {
		return NewScalar(Pos{File: file, Line: 1, Col: 1}, Null, "", false), nil
	}
	return fromYAML(file, doc.Content[0]), nil
}

// fromYAML converts a parsed node. Aliases are followed; only for short texts
// of our own, since it has no limit.
func fromYAML(file string, y *yaml.Node) Node {
	if y.Kind == yaml.AliasNode {
		y = y.Alias
	}
	t := &tree{pos: Pos{File: file, Line: y.Line, Col: y.Column}}
	switch y.Kind {
	case yaml.MappingNode:
		t.kind = Map
		for i := 0; i+1 < len(y.Content); i += 2 {
			k := y.Content[i]
			t.entries = append(t.entries, Entry{Key: k.Value, KeyPos: Pos{File: file, Line: k.Line, Col: k.Column},
				Value: fromYAML(file, y.Content[i+1])})
		}
	case yaml.SequenceNode:
		t.kind = List
		for _, c := range y.Content {
			t.items = append(t.items, fromYAML(file, c))
		}
	default:
		t.kind, t.text = kindOfTag(y.ShortTag()), y.Value
	}
	return Node{t}
}
