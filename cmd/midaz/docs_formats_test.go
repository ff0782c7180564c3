package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/cli"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/render"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/schema"
)

// formatDocs say what each format is for.
var formatDocs = []struct{ name, doc string }{
	{render.FormatText, "for people"},
	{render.FormatJSON, "for programs; its schemas stand below"},
	{render.FormatMarkdown, "for a comment in a pull request or the summary of a job; what is dangerous stands first, and it is cut at " +
		"-max-bytes"},
	{render.FormatGitHub, "annotations of GitHub Actions, on the line of the spec that asks for the change"},
	{render.FormatGitLab, "for GitLab: of validate the report of code quality, of a plan the numbers that a merge request shows (a report " +
		"of the type terraform)"},
	{render.FormatSARIF, "SARIF 2.1.0, for code scanning"},
	{render.FormatHTML, "a page that needs nothing beside itself: a graph with gates and critical path, each difference, search"},
	{render.FormatPrometheus, "metrics for the text file collector of the node exporter"},
}

// formatsPage describes what -format and -into take, and the JSON documents from
// their schemas.
func formatsPage() map[string]string {
	p := generated("Formats", "the formats of the commands and the schemas under schema/")
	p.Line("`-format FORMAT` chooses what a command prints, `-into FORMAT=FILE` writes another one beside it, `-json` is short for " +
		"`-format json`, and `-json-into FILE` for `-into json=FILE`.\n")
	var rows [][]string
	for _, f := range formatDocs {
		var who []string
		for _, c := range cli.Commands() {
			if flag := cli.FlagsOf(c)["format"]; flag != nil && strings.Contains(cli.FlagUsage(flag), "FORMAT: ") &&
				slices.Contains(words(cli.FlagUsage(flag)), f.name) {
				who = append(who, codeOrNone("midaz "+c.Name))
			}
		}
		rows = append(rows, []string{codeOrNone(f.name), running(f.doc), strings.Join(who, ", ")})
	}
	p.table([]string{"format", "what it is", "commands"}, rows)
	p.Line("The JSON of the plan, and of drift within it, has the names of OpenTofu's (`resource_changes[].change.actions` and so on), so " +
		"that tools written for that read it; what is ours stands under `midaz`. `apply -json` and its like print a stream of objects, one a " +
		"line.\n")
	files, _ := filepath.Glob(filepath.Join(projectRoot, "schema", "*.schema.json"))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			panic(err)
		}
		var s resources.Schema
		if err := json.Unmarshal(text, &s); err != nil {
			panic(file + ": " + err.Error())
		}
		if ref, ok := s["$ref"].(string); ok {
			documentSection(p, filepath.Base(file), strings.TrimPrefix(ref, "#/$defs/"), s["$defs"].(resources.Schema))
		}
	}
	return map[string]string{"formats.md": p.String()}
}

// words are the words of a text, without punctuation.
func words(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return !(r >= 'a' && r <= 'z') })
}

// documentSection describes one schema: its top first, then the objects in it.
func documentSection(p *docPage, file, top string, defs resources.Schema) {
	name := strings.TrimSuffix(file, ".schema.json")
	p.Line("## %s\n", name)
	p.Line("Schema: [`schema/%s`](../../schema/%s)\n", file, file)
	objects := slices.DeleteFunc(slices.Sorted(maps.Keys(defs)), func(d string) bool { return d == top })
	for _, d := range append([]string{top}, objects...) {
		s := defs[d].(resources.Schema)
		if d != top {
			p.Line("### %s %s\n", name, objectName(d))
		}
		if doc, ok := s["description"].(string); ok {
			p.Line("%s\n", running(withoutName(doc, d)))
		}
		required, _ := s["required"].([]any)
		props, _ := s["properties"].(resources.Schema)
		var rows [][]string
		for _, key := range slices.Sorted(maps.Keys(props)) {
			always := ""
			if slices.Contains(required, any(key)) {
				always = "always"
			}
			below, _ := props[key].(resources.Schema)
			doc, _ := below["description"].(string)
			rows = append(rows, []string{codeOrNone(key), documentType(name, below), always, running(doc)})
		}
		p.table([]string{"key", "value", "there", "what it is"}, rows)
	}
}

// objectName is the name of a part of a schema without that of its Go type.
func objectName(def string) string { return strings.ToLower(strings.TrimPrefix(def, "json")) }

// withoutName takes the name of a Go type out of its comment.
func withoutName(doc, def string) string {
	if rest, ok := strings.CutPrefix(doc, def+" "); ok {
		return "It " + rest
	}
	return doc
}

// documentType is what stands at a key of a JSON document.
func documentType(document string, s resources.Schema) string {
	if ref, ok := s["$ref"].(string); ok {
		name := objectName(strings.TrimPrefix(ref, "#/$defs/"))
		return fmt.Sprintf("[%s](#%s)", name, anchor(document+" "+name))
	}
	if items, ok := s["items"].(resources.Schema); ok {
		return "list of " + documentType(document, items)
	}
	if s["type"] == nil || s["type"] == "object" {
		return "anything"
	}
	if s["type"] == "string" {
		return "text"
	}
	return schema.Expected(s)
}
