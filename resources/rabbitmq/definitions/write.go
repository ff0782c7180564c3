package definitions

import (
	"bytes"
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
func (c *carrier) write() ([]byte, error) {
	doc := mapping()
	if !c.o.Part {
		put(doc, "version", text("1"))
		put(doc, "stack", text(c.o.Stack))
	}
	if len(c.out.Secrets) > 0 {
		variables := mapping()
		for _, s := range c.out.Secrets {
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
	c.tell(key, "", c.notes)
	if !c.o.Part {
		c.address(section)
	}
	c.writeUsers(section)
	c.writeVhosts(section)
	if len(c.global) > 0 {
		global := mapping()
		for _, n := range sorted(c.global) {
			c.entry(global, "global parameter", n)
		}
		put(section, "global_parameters", global)
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
func (c *carrier) address(section *yaml.Node) {
	if c.o.Service != "" {
		put(section, "service", text(c.o.Service))
	} else {
		key := put(section, "url", text(orElse(c.o.URL, "http://localhost:15672")))
		if c.o.URL == "" {
			key.HeadComment = "# Definitions do not say where the broker is: correct this, or write `service: NAME`."
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.users)) {
		u := c.users[name]
		if !slices.ContainsFunc(u.fields, func(f field) bool {
			tags, ok := f.value.([]any)
			return ok && f.key == "tags" && slices.Contains(tags, any("administrator"))
		}) {
			continue
		}
		m := mapping()
		put(m, "username", text(name))
		key := put(section, "management", m)
		// Where the file has the password, midaz logs in with it too.
		for _, f := range u.fields {
			if password, ok := f.value.(reference); ok && f.key == "password" {
				put(m, "password", value(password))
				return
			}
		}
		key.HeadComment = "# Add the password, from a sensitive variable."
		return
	}
}

func (c *carrier) writeUsers(section *yaml.Node) {
	if len(c.users) == 0 {
		return
	}
	users := mapping()
	for _, name := range slices.Sorted(maps.Keys(c.users)) {
		c.entry(users, "user", c.users[name].named)
		c.out.Users++
	}
	put(section, "users", users)
}

func (c *carrier) writeVhosts(section *yaml.Node) {
	if len(c.vhosts) == 0 {
		return
	}
	vhosts := mapping()
	for _, name := range slices.Sorted(maps.Keys(c.vhosts)) {
		v := c.vhosts[name]
		c.out.Vhosts++
		n := v.named
		if len(v.limits) > 0 {
			n.nested = append(n.nested, limitSection(v.limits))
		}
		n.nested = append(n.nested, v.permissions, v.topic, v.exchanges, v.queues, v.bindings, v.policies, v.operator)
		body := c.entry(vhosts, "virtual host", n)
		if len(v.parameters) > 0 {
			parameters := mapping()
			for _, component := range slices.Sorted(maps.Keys(v.parameters)) {
				c.section(parameters, name, *v.parameters[component])
			}
			put(body, "parameters", parameters)
			body.Style = 0
		}
	}
	put(section, "vhosts", vhosts)
}

func limitSection(limits fields) section {
	s := section{key: "limits"}
	for _, f := range limits {
		s.items = append(s.items, named{fields: fields{f}})
	}
	return s
}

// entry writes one named object with its fields and sections, and returns it.
func (c *carrier) entry(into *yaml.Node, what string, n named) *yaml.Node {
	body := mapping()
	for _, f := range n.fields {
		put(body, f.key, value(f.value))
	}
	body.Style = yaml.FlowStyle
	for _, s := range n.nested {
		if len(s.items) > 0 || len(s.notes) > 0 {
			body.Style = 0
			if s.key == "" { // the entries of the section stand in the object itself
				for _, item := range sorted(s.items) {
					c.entry(body, what, item)
				}
				c.keep(what+" "+n.name, s.notes)
				continue
			}
			c.section(body, n.name, s)
		}
	}
	key := put(into, n.name, body)
	c.tell(key, what+" "+n.name, n.notes)
	return body
}

// section writes a map of named objects, a list of nameless ones, or one
// object of single fields.
func (c *carrier) section(into *yaml.Node, of string, s section) {
	if len(s.items) == 0 && len(s.notes) == 0 {
		return
	}
	items := sorted(s.items)
	node := mapping()
	switch {
	case s.list:
		node = &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for _, n := range items {
			item := mapping()
			item.Style = yaml.FlowStyle
			for _, f := range n.fields {
				put(item, f.key, value(f.value))
			}
			c.tell(item, "binding", n.notes)
			node.Content = append(node.Content, item)
		}
	case s.key == "limits":
		node.Style = yaml.FlowStyle
		slices.SortFunc(items, func(a, b named) int { return strings.Compare(a.fields[0].key, b.fields[0].key) })
		for _, n := range items {
			put(node, n.fields[0].key, value(n.fields[0].value))
		}
	default:
		for _, n := range items {
			c.entry(node, strings.TrimSuffix(s.key, "s"), n)
		}
	}
	if len(items) == 0 {
		node.Style = yaml.FlowStyle
	}
	key := put(into, s.key, node)
	c.tell(key, of, s.notes)
}

// tell writes notes as comments above a key, and remembers them.
func (c *carrier) tell(key *yaml.Node, of string, notes []string) {
	for _, n := range notes {
		if key.HeadComment != "" {
			key.HeadComment += "\n"
		}
		key.HeadComment += "# import: " + oneLine(n)
	}
	c.keep(of, notes)
}

func (c *carrier) keep(of string, notes []string) {
	for _, n := range notes {
		if of != "" {
			n = of + ": " + n
		}
		c.out.Notes = append(c.out.Notes, n)
	}
}

// oneLine makes a text fit for a comment.
func oneLine(s string) string {
	q := strconv.Quote(s)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}

func sorted(items []named) []named {
	out := slices.Clone(items)
	slices.SortFunc(out, func(a, b named) int { return strings.Compare(a.name, b.name) })
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
