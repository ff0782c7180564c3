package draft

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"gopkg.in/yaml.v3"
)

// order is how fields are written; others follow by name.
var order = []string{
	"name", "container_name", "image", "build", "profiles", "restart", "run", "user", "entrypoint", "command", "working_dir", "hostname",
	"environment", "env_file", "ports", "expose", "volumes", "files", "tmpfs", "networks", "network_mode", "depends_on", "healthcheck",
	"labels",
	"type", "source", "target", "read_only", "context", "dockerfile", "test", "interval", "timeout", "retries", "start_period",
	"start_interval", "condition",
}

// inOrder returns the keys in the order they are written.
func inOrder(m map[string]any) []string {
	keys := sortedKeys(m)
	rank := func(k string) int {
		if i := slices.Index(order, k); i >= 0 {
			return i
		}
		return len(order)
	}
	slices.SortStableFunc(keys, func(a, b string) int { return rank(a) - rank(b) })
	return keys
}

// Text returns the spec.
func (d *Draft) Text() string {
	var b strings.Builder
	for _, line := range d.Head {
		b.WriteString(strings.TrimRight("# "+oneLine(line), " ") + "\n")
	}
	fmt.Fprintf(&b, "version: \"1\"\nstack: %s\n", inline(d.Stack))
	d.writeVariables(&b)
	for _, s := range d.Sections() {
		if len(s.Entries) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n%s:\n", s.Name)
		for i, e := range s.Entries {
			if i > 0 && (s.Name == "services" || s.Name == "jobs") {
				b.WriteString("\n")
			}
			for _, line := range e.Comment {
				b.WriteString("  # " + oneLine(line) + "\n")
			}
			writeEntry(&b, e, s.Name == "networks" || s.Name == "volumes")
		}
	}
	return b.String()
}

func (d *Draft) writeVariables(b *strings.Builder) {
	if len(d.Variables) == 0 {
		return
	}
	b.WriteString("\nvariables:\n")
	for _, v := range d.Variables {
		if v.Comment != "" {
			b.WriteString("  # " + oneLine(v.Comment) + "\n")
		}
		parts := []string{"type: string"}
		if v.Default != nil && (!v.Sensitive || *v.Default == "") {
			parts = append(parts, "default: "+inline(*v.Default))
		}
		if v.Sensitive {
			parts = append(parts, "sensitive: true")
		}
		fmt.Fprintf(b, "  %s: { %s }\n", v.Name, strings.Join(parts, ", "))
	}
}

// inline writes a text as a scalar that also holds inside braces.
func inline(text string) string {
	node := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle, Content: []*yaml.Node{scalar(text)}}
	if strings.ContainsAny(text, "\n{}[],#&*!|>'\"%@`") || text == "" {
		node.Content[0].Style = yaml.DoubleQuotedStyle
	}
	out, err := yaml.Marshal(node)
	if err != nil {
		return `""`
	}
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(string(out)), "["), "]")
}

// writeEntry writes one resource, on one line where that is wanted and it fits.
func writeEntry(b *strings.Builder, e *Entry, short bool) {
	key := inline(e.Key)
	if len(e.Fields) == 0 {
		fmt.Fprintf(b, "  %s: {}\n", key)
		return
	}
	node := mapping(e.Fields)
	if short && isShort(node, 90) {
		node.Style = yaml.FlowStyle
	}
	var text bytes.Buffer
	enc := yaml.NewEncoder(&text)
	enc.SetIndent(2)
	whole := &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{scalar(e.Key), node}}
	if err := enc.Encode(whole); err != nil {
		fmt.Fprintf(b, "  %s: {} # cannot be written: %s\n", key, oneLine(err.Error()))
		return
	}
	_ = enc.Close()
	for line := range strings.Lines(text.String()) {
		if strings.TrimSpace(line) == "" {
			b.WriteString("\n")
			continue
		}
		b.WriteString("  " + line)
	}
}

func mapping(m map[string]any) *yaml.Node {
	out := &yaml.Node{Kind: yaml.MappingNode}
	for _, k := range inOrder(m) {
		value := node(m[k], 0)
		if k == "environment" || k == "labels" { // names of someone's own
			value = alphabetical(m[k], value)
		}
		out.Content = append(out.Content, scalar(k), value)
	}
	return out
}

func alphabetical(v any, otherwise *yaml.Node) *yaml.Node {
	m, ok := v.(map[string]any)
	if !ok {
		return otherwise
	}
	out := &yaml.Node{Kind: yaml.MappingNode, Style: otherwise.Style}
	for _, k := range sortedKeys(m) {
		out.Content = append(out.Content, scalar(k), node(m[k], 1))
	}
	return out
}

// node returns a value; inside a field, maps and lists that fit are written on
// one line.
func node(v any, depth int) *yaml.Node {
	switch v := v.(type) {
	case map[string]any:
		out := &yaml.Node{Kind: yaml.MappingNode}
		for _, k := range inOrder(v) {
			out.Content = append(out.Content, scalar(k), node(v[k], depth+1))
		}
		if len(v) == 0 || depth > 0 && isShort(out, 70) {
			out.Style = yaml.FlowStyle
		}
		return out
	case []any:
		out := &yaml.Node{Kind: yaml.SequenceNode}
		for _, e := range v {
			out.Content = append(out.Content, node(e, depth+1))
		}
		if len(v) == 0 || isShort(out, 80) {
			out.Style = yaml.FlowStyle
			for _, e := range out.Content {
				if e.Kind == yaml.ScalarNode && e.Tag == "!!str" && strings.ContainsAny(e.Value, "{}[],:$") {
					e.Style = yaml.DoubleQuotedStyle
				}
			}
		}
		return out
	default:
		return scalar(v)
	}
}

func scalar(v any) *yaml.Node {
	out := &yaml.Node{}
	if _, secret := v.(Secret); secret {
		v = "" // HideSecrets was not called
	}
	if text, ok := v.(string); ok {
		out.SetString(text)
		switch strings.ToLower(text) {
		case "yes", "no", "on", "off", "y", "n": // switches in older YAML
			out.Style = yaml.DoubleQuotedStyle
		}
		if out.Style == yaml.LiteralStyle && !isBlock(text) {
			out.Style = yaml.DoubleQuotedStyle
		}
		return out
	}
	if err := out.Encode(v); err != nil {
		out.SetString(fmt.Sprint(v))
	}
	return out
}

// isBlock reports whether a text of several lines reads back from a block as it
// was: one that begins or ends with blanks, or holds characters that do not
// show, may not.
func isBlock(text string) bool {
	body := strings.TrimSuffix(text, "\n")
	return body != "" && strings.TrimSpace(body) == body &&
		!strings.ContainsFunc(body, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) })
}

// isShort reports whether a node without long or many-line texts fits.
func isShort(n *yaml.Node, width int) bool {
	used := 0
	var count func(n *yaml.Node, depth int) bool
	count = func(n *yaml.Node, depth int) bool {
		if n.Kind == yaml.ScalarNode {
			used += len(n.Value) + 2
			return !strings.Contains(n.Value, "\n") && used <= width
		}
		if depth > 2 {
			return false
		}
		for _, c := range n.Content {
			if !count(c, depth+1) {
				return false
			}
		}
		return true
	}
	return count(n, 0)
}

// oneLine keeps what comes from elsewhere on the line of a comment.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '·'
	}, text)
}
