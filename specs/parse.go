package specs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// parser turns the YAML nodes of one file into trees. Aliases become the very
// tree of their anchor, so that positions are those of what was written and a
// file that unfolds without end costs no memory.
type parser struct {
	src    *source
	report func(*Problem)
	// uses is told every scalar that may hold a reference to a variable.
	uses func(text string)
	// maxValues is how many values the file may unfold into.
	maxValues int

	done     map[*yaml.Node]*tree // anchored nodes
	open     map[*yaml.Node]bool  // anchored nodes being converted
	tooDeep  bool
	tooLarge bool
	values   int
}

// parse reads the single document of a file. It returns nil when there is
// nothing usable.
func (p *parser) parse(text []byte) *tree {
	doc, err := decodeDocuments(text)
	if err != nil {
		p.report(p.syntaxProblem(text, err))
		return nil
	}
	if doc.second != nil {
		p.report(RuleDocument.At(p.at(doc.second), "a second document begins here",
			"put it into a file of its own and give both with -f"))
	}
	if doc.first == nil || len(doc.first.Content) == 0 {
		return &tree{kind: Map, pos: Pos{File: p.src.name, Line: 1, Col: 1}}
	}
	root := doc.first.Content[0]
	p.done, p.open = map[*yaml.Node]*tree{}, map[*yaml.Node]bool{}
	t := p.node(root, 0)
	switch t.kind {
	case Map:
		return t
	case Null:
		return &tree{kind: Map, pos: t.pos}
	default:
		p.report(RuleDocument.At(t.pos, "a spec is a map, not "+t.kind.String(), "begin with: version: \"1\""))
		return nil
	}
}

type documents struct{ first, second *yaml.Node }

// decodeDocuments reads the first document and the beginning of a second that
// holds anything.
func decodeDocuments(text []byte) (docs documents, err error) {
	// The parser is known to panic on texts that it should refuse.
	defer func() {
		if r := recover(); r != nil {
			docs, err = documents{}, errors.New("yaml: the text cannot be read as YAML")
		}
	}()
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var first, second yaml.Node
	if err := dec.Decode(&first); errors.Is(err, io.EOF) {
		return docs, nil
	} else if err != nil {
		return docs, err
	}
	docs.first = &first
	if err := dec.Decode(&second); err != nil {
		if errors.Is(err, io.EOF) {
			return docs, nil
		}
		return docs, err
	}
	if len(second.Content) > 0 && second.Content[0].ShortTag() != "!!null" {
		docs.second = &second
	}
	return docs, nil
}

// at returns the position of a node, kept within the file: the parser puts
// some empty values behind its end.
func (p *parser) at(y *yaml.Node) Pos {
	pos := Pos{File: p.src.name, Line: max(y.Line, 1), Col: max(y.Column, 1)}
	if last := len(p.src.lines); pos.Line > last {
		pos.Line, pos.Col = last, runeCount(p.src.lines[last-1])+1
	}
	return pos
}

func (p *parser) node(y *yaml.Node, depth int) *tree {
	if y.Kind == yaml.AliasNode {
		return p.alias(y, depth)
	}
	if y.Anchor == "" {
		return p.plainNode(y, depth)
	}
	if t, ok := p.done[y]; ok {
		return t
	}
	p.open[y] = true
	t := p.plainNode(y, depth)
	delete(p.open, y)
	p.done[y] = t
	return t
}

func (p *parser) plainNode(y *yaml.Node, depth int) *tree {
	if depth > maxDepth {
		return p.deep(y)
	}
	if p.values++; p.values > p.maxValues {
		return p.large(y)
	}
	t := &tree{pos: p.at(y), size: 1, height: 1}
	tag := p.tag(y, t)
	switch y.Kind {
	case yaml.MappingNode:
		t.kind = Map
		p.mapping(t, y, depth)
	case yaml.SequenceNode:
		t.kind = List
		p.sequence(t, y, depth)
	default:
		p.scalar(t, y, tag)
	}
	return t
}

// broken returns what stands in for a value that was refused.
func (p *parser) broken(y *yaml.Node) *tree {
	return &tree{kind: Null, pos: p.at(y), size: 1, height: 1, broken: true}
}

func (p *parser) deep(y *yaml.Node) *tree {
	if !p.tooDeep {
		p.tooDeep = true
		p.report(RuleLimit.At(p.at(y), fmt.Sprintf("nested more than %d levels deep", maxDepth), "flatten the structure"))
	}
	return p.broken(y)
}

func (p *parser) large(y *yaml.Node) *tree {
	if !p.tooLarge {
		p.tooLarge = true
		p.report(RuleLimit.At(p.at(y), fmt.Sprintf("the file unfolds into more than %d values here", p.maxValues),
			"look for anchors that hold other anchors, or split the spec"))
	}
	return p.broken(y)
}

func (p *parser) alias(y *yaml.Node, depth int) *tree {
	target := y.Alias
	if p.open[target] {
		p.report(RuleAlias.At(p.at(y), "\"*"+y.Value+"\" stands inside its own anchor", "a value cannot contain itself").
			And(p.at(target), "the anchor is here"))
		return p.broken(y)
	}
	t := p.node(target, depth)
	if depth+t.height > maxDepth+1 {
		return p.deep(y)
	}
	return p.unfold(t, y)
}

// unfold counts the values of a tree that is taken over at y.
func (p *parser) unfold(t *tree, y *yaml.Node) *tree {
	if p.values += t.size; p.values > p.maxValues {
		p.values -= t.size
		return p.large(y)
	}
	return t
}

// tag checks the node's tag, notes the merge tags and returns the tag that
// the text is to be resolved by, "" for YAML's own rules.
func (p *parser) tag(y *yaml.Node, t *tree) string {
	if y.Style&yaml.TaggedStyle == 0 {
		return ""
	}
	tag := y.ShortTag()
	fits := true
	switch tag {
	case "!reset":
		t.op, t.ops = opReset, true
		return ""
	case "!override":
		t.op, t.ops = opOverride, true
		return ""
	case "!!map":
		fits = y.Kind == yaml.MappingNode
	case "!!seq":
		fits = y.Kind == yaml.SequenceNode
	case "!!str", "!!int", "!!float", "!!bool", "!!null":
		fits = y.Kind == yaml.ScalarNode
	default:
		p.report(RuleTag.At(t.pos, "unknown tag "+strconv.Quote(tag), DidYouMean(tag, []string{"!reset", "!override"})))
		return ""
	}
	if !fits {
		p.report(RuleTag.At(t.pos, "tag "+tag+" does not fit the value", ""))
		return ""
	}
	return tag
}

func (p *parser) scalar(t *tree, y *yaml.Node, tag string) {
	t.text = y.Value
	t.style = styleOf(y)
	t.refs = strings.Contains(y.Value, "$")
	if t.refs {
		p.uses(y.Value)
	}
	switch tag {
	case "":
		t.kind = String
		if t.style == plain {
			t.kind = resolve(y.Value)
		}
	case "!!str":
		t.kind, t.tagged = String, true
	default:
		t.kind, t.tagged = kindOfTag(tag), true
		if got := resolve(y.Value); got != t.kind && !(t.kind == Float && got == Int) && !t.refs {
			p.report(RuleTag.At(t.pos, "the value is not "+t.kind.String()+", as its tag "+tag+" says", ""))
			t.kind = String
		}
	}
	if t.kind == Null {
		t.text = ""
	}
}

func styleOf(y *yaml.Node) style {
	switch {
	case y.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return block
	case y.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0:
		return quoted
	default:
		return plain
	}
}

// resolve returns the kind that YAML gives a plain text.
func resolve(text string) Kind {
	y := yaml.Node{Kind: yaml.ScalarNode, Value: text}
	return kindOfTag(y.ShortTag())
}

func kindOfTag(tag string) Kind {
	switch tag {
	case "!!null":
		return Null
	case "!!bool":
		return Bool
	case "!!int":
		return Int
	case "!!float":
		return Float
	default:
		return String
	}
}

func (p *parser) sequence(t *tree, y *yaml.Node, depth int) {
	t.items = make([]Node, 0, len(y.Content))
	for _, c := range y.Content {
		item := p.node(c, depth+1)
		if item.op == opReset {
			p.report(RuleTag.At(item.pos, "!reset has no effect at an item of a list", "leave the item out, or put !reset at the list's key"))
		}
		t.items = append(t.items, Node{item})
		t.adopt(item)
	}
}

func (p *parser) mapping(t *tree, y *yaml.Node, depth int) {
	t.entries = make([]Entry, 0, len(y.Content)/2)
	seen := newKeySet(len(y.Content) / 2)
	var merge *yaml.Node
	var mergePos Pos
	for i := 0; i+1 < len(y.Content); i += 2 {
		k, v := y.Content[i], y.Content[i+1]
		pos := p.at(k)
		key, isMerge := p.key(k)
		if first, twice := seen.add(key, isMerge, pos); twice {
			p.report(duplicateKey(key, isMerge, pos, first))
			continue
		}
		if isMerge {
			merge, mergePos = v, pos
			continue
		}
		value := p.node(v, depth+1)
		t.entries = append(t.entries, Entry{Key: key, KeyPos: pos, Value: Node{value}})
		t.adopt(value)
	}
	if merge != nil {
		p.merge(t, merge, mergePos, depth, seen)
	}
	t.makeIndex()
}

func duplicateKey(key string, isMerge bool, pos, first Pos) *Problem {
	hint := "join the two, or remove one"
	if isMerge {
		hint = "write one merge key with a list: <<: [*first, *second]"
	}
	return RuleDuplicateKey.At(pos, fmt.Sprintf("key %q is written twice, first on line %d", key, first.Line), hint).
		And(first, "written here first")
}

// key returns the text of a key. What is not text is reported and taken by its
// spelling, so that the rest of the map is still checked.
func (p *parser) key(k *yaml.Node) (key string, isMerge bool) {
	at := p.at(k)
	if k.Kind == yaml.AliasNode && k.Alias != nil {
		k = k.Alias
	}
	if k.Kind != yaml.ScalarNode {
		kind := List
		if k.Kind == yaml.MappingNode {
			kind = Map
		}
		p.report(RuleKey.At(at, "a key is text, not "+kind.String(), ""))
		return fmt.Sprintf("?%d:%d", k.Line, k.Column), false
	}
	tag := k.ShortTag()
	if tag == "!!merge" {
		return k.Value, true
	}
	switch kind := kindOfTag(tag); kind {
	case String:
	case Null:
		p.report(RuleKey.At(at, "a key is text, not null", "write the key in quotes"))
	default:
		p.report(RuleKey.At(at, "key "+k.Value+" is "+kind.String()+", not text", "write it in quotes: "+strconv.Quote(k.Value)))
	}
	if holdsReference(k.Value) {
		p.report(RuleLiteral.At(at, "variables are not substituted in keys: "+strconv.Quote(k.Value)+" is taken as it is", "write the key out"))
	}
	return k.Value, false
}

// merge adds the entries of a merge key to t: those of one map, or of a list
// of maps of which the first wins. Keys of t itself always win.
func (p *parser) merge(t *tree, y *yaml.Node, pos Pos, depth int, seen *keySet) {
	sources := []*yaml.Node{y}
	if y.Kind == yaml.SequenceNode {
		sources = y.Content
	}
	for _, s := range sources {
		from := p.node(s, depth)
		if from.broken {
			continue
		}
		if from.kind != Map {
			p.report(RuleAlias.At(p.at(s), "a merge key takes a map or a list of maps, not "+from.kind.String(), "for example: <<: *anchor"))
			continue
		}
		for _, e := range from.entries {
			if _, has := seen.add(e.Key, false, e.KeyPos); has {
				continue
			}
			if p.tooLarge {
				return
			}
			if p.unfold(e.Value.t, y) != e.Value.t {
				return
			}
			t.entries = append(t.entries, e)
			t.adopt(e.Value.t)
		}
	}
}

// keySet remembers where each key of a map was first written.
type keySet struct {
	few   []keyPlace // for small maps, which are nearly all
	many  map[string]Pos
	merge Pos
}

type keyPlace struct {
	key string
	pos Pos
}

const fewKeys = 16

func newKeySet(n int) *keySet {
	if n <= fewKeys {
		return &keySet{few: make([]keyPlace, 0, n)}
	}
	return &keySet{many: make(map[string]Pos, n)}
}

// add remembers the key, or returns where it was written before.
func (s *keySet) add(key string, isMerge bool, pos Pos) (first Pos, twice bool) {
	if isMerge {
		first, s.merge = s.merge, pos
		return first, !first.IsZero()
	}
	if s.many != nil {
		if first, twice = s.many[key]; !twice {
			s.many[key] = pos
		}
		return first, twice
	}
	for _, k := range s.few {
		if k.key == key {
			return k.pos, true
		}
	}
	if s.few = append(s.few, keyPlace{key, pos}); len(s.few) > fewKeys {
		s.many = make(map[string]Pos, 2*len(s.few))
		for _, k := range s.few {
			s.many[k.key] = k.pos
		}
	}
	return Pos{}, false
}
