package main

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/app"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/render"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/docker"
	"github.com/LerianStudio/midaz-infra/schema"
)

// specPages describe the spec: its top level, and each kind with every row.
func specPages() map[string]string {
	kinds := app.RealWorld().Kinds()
	pages := map[string]string{"spec/README.md": topPage(kinds)}
	for _, k := range kinds {
		if k.Table().Section != "" {
			pages[kindPage(k.Table())] = kindText(k)
		}
	}
	return pages
}

func topPage(kinds []resources.Kind) string {
	p := generated("The spec", "the tables of the kinds")
	all := schema.Assemble(kinds)
	p.Line("%s `midaz explain KIND.FIELD` tells the same in a terminal, and `midaz schema` prints the JSON schema for editors.\n",
		running(all["description"].(string)))
	props := all["properties"].(resources.Schema)
	required := all["required"].([]any)
	p.Line("## Top-level keys\n")
	var rows [][]string
	for _, key := range slices.Sorted(maps.Keys(props)) {
		s := props[key].(resources.Schema)
		needed := ""
		if slices.Contains(required, any(key)) {
			needed = "always"
		}
		doc, _ := s["description"].(string)
		rows = append(rows, []string{codeOrNone(key), needed, sentence(strings.TrimPrefix(doc, "By name: "))})
	}
	p.table([]string{"key", "needed", "what it is"}, rows)
	p.Line("Keys that begin with `x-` are passed over at every level, and hold anchors.\n")
	p.Line("## Kinds\n")
	rows = nil
	for _, k := range kinds {
		if t := k.Table(); t.Section != "" {
			rows = append(rows, []string{fmt.Sprintf("[%s](%s.md)", t.Kind, t.Kind), codeOrNone(dotted(t.Section)), codeOrNone(addressOf(k)),
				running(render.FirstSentence(t.Doc))})
		}
	}
	p.table([]string{"kind", "written under", "address", "what it is"}, rows)
	p.Line("In an address each part is percent-encoded: virtual host `/` is `%%2F`. `-target`, `-exclude`, `-replace`, `-adopt` and " +
		"`-unprotect` take addresses and globs of them.\n")
	for _, k := range kinds {
		if t := k.Table(); t.Section == "" {
			p.Line("The kind `%s` (`%s`) follows from others and is written nowhere: %s\n", t.Kind, addressOf(k), running(t.Doc))
		}
	}
	for _, key := range []string{"variables", "moved", "drift"} {
		s := props[key].(resources.Schema)
		p.Line("## `%s`\n", key)
		p.Line("%s\n", running(s["description"].(string)))
		p.table(partsHead, partsOf(s))
	}
	return p.String()
}

// dotted is a section as a path for people: "rabbitmq.vhosts.NAME.queues.NAME".
func dotted(section string) string {
	return strings.ReplaceAll(strings.NewReplacer("/*", "/NAME", "/-", "[]").Replace(section), "/", ".")
}

// addressOf is the pattern of a kind's addresses. Kinds that stand in lists are
// named from their fields.
func addressOf(k resources.Kind) string {
	t := k.Table()
	words := strings.Split(t.Section, "/")
	var parts []string
	for i, w := range words {
		if w == "*" {
			parts = append(parts, strings.ToUpper(strings.TrimSuffix(words[i-1], "s")))
		}
	}
	if n, ok := k.(resources.Namer); ok {
		c := resources.Config{}
		for _, f := range t.Fields {
			if f.Key == "queue" || f.Key == "source" || f.Key == "routing_key" {
				c[f.Key] = strings.ToUpper(f.Key)
			}
		}
		return n.Name(parts, c).String()
	}
	switch {
	case t.Section == "":
		parts = []string{"NAME"}
	case len(parts) == 0:
		parts = []string{words[len(words)-1]}
	default:
		parts[len(parts)-1] = "NAME"
	}
	return resources.NewAddr(t.Kind, parts...).String()
}

func kindText(k resources.Kind) string {
	t := k.Table()
	p := generated(t.Kind, "the table of the kind "+t.Kind)
	p.Line("%s\n", running(t.Doc))
	p.Line("Written under `%s`; its address is `%s`. [All kinds](README.md) · [what each engine was measured to do](../../conformance.md)\n",
		dotted(t.Section), addressOf(k))
	p.Line("## Fields\n")
	var rows [][]string
	for i := range t.Fields {
		f := &t.Fields[i]
		rows = append(rows, []string{fmt.Sprintf("[`%s`](#%s)", f.Key, anchor(f.Key)), running(render.FirstSentence(f.Doc)), render.CostText(f),
			codeOrNone(defaultText(f))})
	}
	p.table([]string{"field", "what it is", "a change", "default"}, rows)
	for i := range t.Fields {
		fieldSection(p, t, &t.Fields[i])
	}
	if len(t.Nested) > 0 {
		keys := make([]string, len(t.Nested))
		for i, n := range t.Nested {
			keys[i] = codeOrNone(n)
		}
		p.Line("## Other kinds below it\n")
		p.Line("%s are sections of their own: see [the list of kinds](README.md#kinds).\n", strings.Join(keys, ", "))
	}
	if len(t.Refused) > 0 {
		p.Line("## Keys that are refused\n")
		p.Line("An unknown key would silently have no effect, so each of these is an error (MZ023) that says what to do.\n")
		var rows [][]string
		for _, key := range slices.Sorted(maps.Keys(t.Refused)) {
			rows = append(rows, []string{codeOrNone(key), running(t.Refused[key])})
		}
		p.table([]string{"key", "why, and what to write instead"}, rows)
	}
	return p.String()
}

// defaultText is what holds without the field.
func defaultText(f *resources.Field) string {
	switch {
	case f.Default != nil:
		return resources.Show(f.Default)
	case f.Open:
		return "the engine chooses"
	default:
		return ""
	}
}

func fieldSection(p *docPage, t *resources.Table, f *resources.Field) {
	p.Line("### `%s`\n", f.Key)
	p.Line("%s\n", sentence(f.Doc))
	var rows [][]string
	row := func(name, text string) {
		if text != "" {
			rows = append(rows, []string{name, text})
		}
	}
	row("takes", takes(f.Type.Schema()))
	row("example", codeOrNone(f.Key+": "+f.Example))
	if f.Other != "" {
		row("or", codeOrNone(f.Key+": "+f.Other))
	}
	row("stands beside", codeOrNone(f.With))
	if f.Required {
		row("needed", "always")
	}
	switch text := defaultText(f); {
	case f.Open && f.Default == nil:
		row("default", text+", and what it has chosen is not compared")
	default:
		row("default", codeOrNone(text))
	}
	row("a change", render.CostText(f))
	switch {
	case f.Unmarked && f.Unseen:
		row("on the engine", "nothing: it tells midaz how to treat the resource")
	case f.Unseen:
		row("changed outside", "not seen: the engine does not show it, so that only a change of the spec counts")
	default:
		row("changed outside", "seen by `midaz drift`")
	}
	if f.Secret {
		row("secret", "never shown; write a variable with `sensitive: true` here")
	}
	if f.Since != "" {
		row("since", sinceText(t, f))
	}
	p.table([]string{"", ""}, rows)
	p.table(partsHead, partsOf(f.Type.Schema()))
}

// sinceText names what the version of a row is one of.
func sinceText(t *resources.Table, f *resources.Field) string {
	for _, k := range docker.Kinds() {
		if k.Table() == t {
			return "version " + f.Since + " of the engine's API"
		}
	}
	return "RabbitMQ " + f.Since
}

var partsHead = []string{"key", "takes", "default", "what it is"}

// partsOf returns a row for each key inside a value, in order of its path:
// "[].target" is the key target of each item of a list.
func partsOf(s resources.Schema) [][]string {
	found := map[string][]string{}
	parts(s, "", func(path string, s resources.Schema) {
		if found[path] == nil {
			doc, _ := s["description"].(string)
			standard := ""
			if v := s["default"]; v != nil {
				standard = resources.Show(resources.Normalize(v))
			}
			found[path] = []string{codeOrNone(strings.TrimPrefix(path, ".")), takes(s), codeOrNone(standard), running(doc)}
		}
	})
	var out [][]string
	for _, path := range slices.Sorted(maps.Keys(found)) {
		out = append(out, found[path])
	}
	return out
}

func parts(s resources.Schema, path string, add func(path string, s resources.Schema)) {
	for _, branch := range branches(s) {
		parts(branch, path, add)
	}
	if items, ok := s["items"].(resources.Schema); ok {
		parts(items, path+"[]", add)
	}
	if each, ok := s["additionalProperties"].(resources.Schema); ok {
		parts(each, path+".NAME", add)
	}
	props, _ := s["properties"].(resources.Schema)
	for _, key := range slices.Sorted(maps.Keys(props)) {
		if below, ok := props[key].(resources.Schema); ok {
			add(path+"."+key, below)
			parts(below, path+"."+key, add)
		}
	}
}

// branches are the forms among which a value may choose.
func branches(s resources.Schema) []resources.Schema {
	var out []resources.Schema
	for _, keyword := range []string{"anyOf", "oneOf"} {
		list, _ := s[keyword].([]any)
		for _, b := range list {
			if form, ok := b.(resources.Schema); ok {
				out = append(out, form)
			}
		}
	}
	return out
}

// takes says in words what a value may be.
func takes(s resources.Schema) string {
	s = render.WithoutNull(s)
	for _, known := range []struct {
		t    resources.Type
		text string
	}{
		{resources.Duration(), "a duration such as `10s` or `1m30s`"}, {resources.Bytes(), "a size such as `512m` or `1g`"},
		{resources.Bool(), "true or false"}, {resources.Float(0), "a number"},
		{resources.Argv(), "a list of arguments, or one text that is split as a shell does"},
	} {
		if sameForm(s, known.t.Schema()) {
			return known.text
		}
	}
	s, _ = render.Written(s).(map[string]any)
	if all := branches(s); len(all) > 0 {
		var words []string
		for _, b := range all {
			if pattern, _ := b["pattern"].(string); strings.Contains(pattern, `|\$\{?`) && b["type"] == "string" && len(all) > 1 {
				continue // a number or a choice in quotes, or a reference
			}
			if text := takes(b); !slices.Contains(words, text) {
				words = append(words, text)
			}
		}
		return strings.Join(words, ", or ")
	}
	if doc, ok := s["description"].(string); ok && s["items"] == nil && s["properties"] == nil && strings.ToUpper(doc) == doc &&
		s["enum"] == nil {
		return codeOrNone(doc) // the one-line form of an object
	}
	switch items, list := s["items"].(resources.Schema); {
	case s["enum"] != nil:
		var words []string
		for _, v := range s["enum"].([]any) {
			if text := codeOrNone(fmt.Sprint(v)); !slices.Contains(words, text) {
				words = append(words, text)
			}
		}
		return strings.Join(words, ", ")
	case list && items["properties"] != nil:
		return "a list of maps"
	case list:
		return "a list; each " + takes(items)
	case s["additionalProperties"] != nil && s["properties"] == nil:
		if each, ok := s["additionalProperties"].(resources.Schema); ok && len(each) > 0 && each["properties"] == nil {
			return "a map; each " + takes(each)
		}
		return "a map"
	case isText(s):
		return "a text"
	case len(s) == 0 || s["type"] == nil:
		return "any value"
	}
	return schema.Expected(s)
}

// sameForm reports whether the schema is that of a type, but for what only
// editors read.
func sameForm(s, known resources.Schema) bool {
	s = maps.Clone(s)
	for _, key := range []string{"description", "default", "examples"} {
		delete(s, key)
	}
	return reflect.DeepEqual(s, known)
}

// isText reports whether the schema is one of a text, which YAML may have read
// as a number or a boolean.
func isText(s resources.Schema) bool {
	if s["type"] == "string" {
		return true
	}
	types, _ := s["type"].([]any)
	return slices.Contains(types, any("string"))
}
