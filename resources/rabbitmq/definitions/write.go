package definitions

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// write returns the spec as YAML.
func (f *File) write() ([]byte, error) {
	doc := mapping()
	if !f.o.Part {
		put(doc, "version", text("1"))
		put(doc, "stack", text(f.o.Stack))
	}
	if len(f.out.Secrets) > 0 {
		variables := mapping()
		for _, s := range f.out.Secrets {
			v := mapping()
			put(v, "type", text("string"))
			put(v, "sensitive", scalar("!!bool", "true"))
			v.Style = yaml.FlowStyle
			put(variables, s.Name, v)
		}
		put(doc, "variables", variables)
	}
	section := mapping()
	key := put(doc, "rabbitmq", section)
	f.tell(key, "", f.notes)
	if !f.o.Part {
		f.address(section)
	}
	f.count()
	for _, key := range f.keys("rabbitmq/") {
		if key == "vhosts" {
			f.writeVhosts(section)
		} else if s := f.top[key]; s != nil {
			f.section(section, "", *s)
		}
	}
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(doc); err != nil {
		return nil, fmt.Errorf("write the spec: %w", err)
	}
	return b.Bytes(), nil
}

// address says where the broker is and as whom it is asked: the first user
// that may do everything.
func (f *File) address(section *yaml.Node) {
	if f.o.Service != "" {
		put(section, "service", text(f.o.Service))
	} else {
		key := put(section, "url", text(cmp.Or(f.o.URL, "http://localhost:15672")))
		if f.o.URL == "" {
			key.HeadComment = "# Definitions do not say where the broker is: correct this, or write `service: NAME`."
		}
	}
	for _, u := range sorted(f.Section("users").Items) {
		if !slices.ContainsFunc(u.Fields, func(f Field) bool {
			tags, ok := f.Value.([]any)
			return ok && f.Key == "tags" && slices.Contains(tags, any("administrator"))
		}) {
			continue
		}
		m := mapping()
		put(m, "username", text(u.Name))
		key := put(section, "management", m)
		// Where the file has the password, midaz logs in with it too.
		for _, f := range u.Fields {
			if password, ok := f.Value.(reference); ok && f.Key == "password" {
				put(m, "password", value(password))
				return
			}
		}
		key.HeadComment = "# Add the password, from a sensitive variable."
		return
	}
}

// keys returns the keys of the sections below a path, in order of the kinds.
func (f *File) keys(in string) []string {
	var out []string
	for _, k := range f.kinds {
		if rest, ok := strings.CutPrefix(k.Section, in); ok {
			if key, _, _ := strings.Cut(rest, "/"); !slices.Contains(out, key) {
				out = append(out, key)
			}
		}
	}
	return out
}

// count counts what was taken over.
func (f *File) count() {
	in := func(key string) int {
		n := 0
		for _, v := range f.vhosts {
			n += len(v.Section(key).Items)
		}
		return n
	}
	f.out.Users, f.out.Vhosts = len(f.Section("users").Items), len(f.vhosts)
	f.out.Exchanges, f.out.Queues, f.out.Bindings = in("exchanges"), in("queues"), in("bindings")
	f.out.Policies = in("policies") + in("operator_policies")
}

func (f *File) writeVhosts(section *yaml.Node) {
	if len(f.vhosts) == 0 {
		return
	}
	vhosts := mapping()
	keys := f.keys("rabbitmq/vhosts/*/")
	for _, name := range slices.Sorted(maps.Keys(f.vhosts)) {
		v := f.vhosts[name]
		e := v.Entry
		for _, key := range keys {
			e.Nested = append(e.Nested, v.Section(key))
		}
		// What is one object comes first, close to the fields.
		slices.SortStableFunc(e.Nested, func(a, b *Section) int { return cmp.Compare(ordinal(a), ordinal(b)) })
		f.entry(vhosts, "virtual host", e)
	}
	put(section, "vhosts", vhosts)
}

func ordinal(s *Section) int {
	if s.shape == lone {
		return 0
	}
	return 1
}

// entry writes one named object with its fields and sections.
func (f *File) entry(into *yaml.Node, what string, e Entry) {
	body := mapping()
	for _, field := range e.Fields {
		put(body, field.Key, value(field.Value))
	}
	body.Style = yaml.FlowStyle
	for _, s := range e.Nested {
		if s.isEmpty() {
			continue
		}
		body.Style = 0
		if s.shape == embedded {
			for _, item := range sorted(s.Items) {
				f.entry(body, what, item)
			}
			f.keep(what+" "+e.Name, s.Notes)
			continue
		}
		f.section(body, e.Name, *s)
	}
	key := put(into, e.Name, body)
	f.tell(key, what+" "+e.Name, e.Notes)
}

// section writes a section that is not empty.
func (f *File) section(into *yaml.Node, of string, s Section) {
	if s.isEmpty() {
		return
	}
	items := sorted(s.Items)
	node := mapping()
	switch s.shape {
	case listed:
		node = &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for _, e := range items {
			item := mapping()
			item.Style = yaml.FlowStyle
			for _, field := range e.Fields {
				put(item, field.Key, value(field.Value))
			}
			f.tell(item, s.noun, e.Notes)
			node.Content = append(node.Content, item)
		}
	case lone:
		node.Style = yaml.FlowStyle
		slices.SortFunc(items, func(a, b Entry) int { return strings.Compare(a.Fields[0].Key, b.Fields[0].Key) })
		for _, e := range items {
			put(node, e.Fields[0].Key, value(e.Fields[0].Value))
		}
	default:
		for _, e := range items {
			f.entry(node, s.noun, e)
		}
		for _, name := range slices.Sorted(maps.Keys(s.groups)) {
			f.section(node, of, *s.groups[name])
		}
	}
	if len(node.Content) == 0 {
		node.Style = yaml.FlowStyle
	}
	key := put(into, s.key, node)
	f.tell(key, of, s.Notes)
}

// tell writes notes as comments above a key, and remembers them.
func (f *File) tell(key *yaml.Node, of string, notes []string) {
	for _, n := range notes {
		if key.HeadComment != "" {
			key.HeadComment += "\n"
		}
		key.HeadComment += "# import: " + oneLine(n)
	}
	f.keep(of, notes)
}

func (f *File) keep(of string, notes []string) {
	for _, n := range notes {
		if of != "" {
			n = of + ": " + n
		}
		f.out.Notes = append(f.out.Notes, n)
	}
}

// oneLine makes a text fit for a comment.
func oneLine(s string) string {
	q := strconv.Quote(s)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}

func sorted(items []Entry) []Entry {
	out := slices.Clone(items)
	slices.SortFunc(out, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func mapping() *yaml.Node { return &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"} }

// put adds a key with its value and returns the key.
func put(m *yaml.Node, key string, v *yaml.Node) *yaml.Node {
	k := name(key)
	m.Content = append(m.Content, k, v)
	return k
}

func scalar(tag, s string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: s}
}

// plainWord is a text that every reader of YAML takes for a text.
var plainWord = regexp.MustCompile(`^[A-Za-z_/][A-Za-z0-9_./-]*$`)

var notWords = []string{"true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"}

// name is a text in which no variable is substituted: a key.
func name(s string) *yaml.Node {
	n := scalar("!!str", s)
	if !plainWord.MatchString(s) || slices.Contains(notWords, strings.ToLower(s)) {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

// text is a value that is a text, in which nothing is to be substituted. A $ at
// its end, as patterns have, is none that could be.
func text(s string) *yaml.Node {
	body, last := strings.CutSuffix(s, "$")
	body = strings.ReplaceAll(body, "$", "$$")
	if last {
		body += "$"
	}
	return name(body)
}

// value writes any value of JSON, keys in order.
func value(v any) *yaml.Node {
	switch v := v.(type) {
	case reference:
		n := scalar("!!str", "${"+string(v)+"}")
		n.Style = yaml.DoubleQuotedStyle
		return n
	case string:
		return text(v)
	case bool:
		return scalar("!!bool", strconv.FormatBool(v))
	case json.Number:
		return number(v)
	case []any:
		n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Style: yaml.FlowStyle}
		for _, e := range v {
			n.Content = append(n.Content, value(e))
		}
		return n
	case map[string]any:
		n := mapping()
		n.Style = yaml.FlowStyle
		for _, k := range slices.Sorted(maps.Keys(v)) {
			put(n, k, value(v[k]))
		}
		return n
	default:
		return scalar("!!null", "null")
	}
}

// number keeps whole numbers apart from others: 3 is not 3.0.
func number(n json.Number) *yaml.Node {
	s := n.String()
	if _, err := strconv.ParseInt(s, 10, 64); err == nil {
		return scalar("!!int", s)
	}
	f, err := n.Float64()
	if err != nil {
		return text(s)
	}
	s = strconv.FormatFloat(f, 'g', -1, 64)
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	} else if mantissa, exponent, ok := strings.Cut(s, "e"); ok && !strings.Contains(mantissa, ".") {
		s = mantissa + ".0e" + exponent // YAML wants the point
	}
	return scalar("!!float", s)
}
