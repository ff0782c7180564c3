package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/render"
	"github.com/LerianStudio/midaz-infra/resources"
)

// projectRoot is where this package lies in, and reference the folder of it
// in which every file is generated.
const (
	projectRoot = "../.."
	reference   = "docs/reference"
)

// TestDocsReference holds the pages under docs/reference against what they are made
// from: tables of kinds, flags of commands, rules, JSON schemas. -update writes
// them.
func TestDocsReference(t *testing.T) {
	pages := map[string]string{}
	for _, add := range []func() map[string]string{specPages, commandPages, codePage, formatsPage, composePage} {
		maps.Copy(pages, add())
	}
	for _, name := range slices.Sorted(maps.Keys(pages)) {
		current(t, filepath.Join(projectRoot, reference, name), pages[name])
	}
	root := filepath.Join(projectRoot, reference)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil || pages[filepath.ToSlash(name)] != "" {
			return err
		}
		if *update {
			return os.Remove(path)
		}
		t.Errorf("nothing makes %s any more: make docs", path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// outsideMarks returns the text of a file up to and with the mark <!-- mark -->, and that
// from <!-- /mark --> on.
func outsideMarks(t *testing.T, path, mark string) (before, after string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	from, to := "<!-- "+mark+" -->\n", "<!-- /"+mark+" -->"
	before, rest, ok := strings.Cut(string(data), from)
	_, after, ok2 := strings.Cut(rest, to)
	if !ok || !ok2 {
		t.Fatalf("%s has no marks %q and %q", path, from, to)
	}
	return before + from, to + after
}

// current compares a file with its text, or writes it with -update.
func current(t *testing.T, path, text string) {
	t.Helper()
	have, err := os.ReadFile(path)
	if err == nil && string(have) == text {
		return
	}
	if !*update {
		before, after := strings.Split(string(have), "\n"), strings.Split(text, "\n")
		for i, line := range before {
			if i >= len(after) || after[i] != line {
				t.Errorf("%s is stale: make docs. From line %d it has\n%s\nand would have\n%s", path, i+1,
					strings.Join(before[i:min(len(before), i+4)], "\n"), strings.Join(after[min(len(after), i):min(len(after), i+4)], "\n"))
				return
			}
		}
		t.Errorf("%s is stale: make docs. It ends too early", path)
		return
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// docPage is Markdown being written.
type docPage struct{ bytes.Buffer }

// generated begins a page that nobody edits.
func generated(title, from string) *docPage {
	p := &docPage{}
	p.Line("<!-- Generated from %s by `make docs`. Do not edit. -->", from)
	p.Line("")
	p.Line("# %s", title)
	p.Line("")
	return p
}

func (p *docPage) Line(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

// table writes a table; one without rows is left out.
func (p *docPage) table(head []string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	p.Line("| %s |", strings.Join(head, " | "))
	p.Line("|%s", strings.Repeat(" --- |", len(head)))
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, c := range row {
			cells[i] = tableCell(c)
		}
		p.Line("| %s |", strings.Join(cells, " | "))
	}
	p.Line("")
}

// block writes fenced text.
func (p *docPage) block(language, text string) {
	p.Line("%s", render.Fence(language, text))
}

// tableCell is text that can stand in a cell of a table.
func tableCell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ").Replace(strings.TrimSpace(text))
}

// codeOrNone is text as code; "" stays "".
func codeOrNone(text string) string {
	if text == "" {
		return ""
	}
	return render.Code(text)
}

// running is text for people as it stands in Go: what Markdown or HTML would
// take for markup outside backquotes is escaped.
func running(text string) string {
	parts := strings.Split(text, "`")
	for i := 0; i < len(parts); i += 2 {
		parts[i] = strings.NewReplacer("*", `\*`, "_", `\_`, "<", "&lt;", ">", "&gt;", "[", `\[`, "]", `\]`).Replace(parts[i])
	}
	return strings.Join(parts, "`")
}

// sentence is text for people that begins with a capital letter.
func sentence(text string) string { return render.Capital(running(text)) }

// anchor is the name GitHub gives to a heading.
func anchor(heading string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(strings.TrimSpace(heading)) {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '_', r == '-':
			b.WriteRune(r)
		case r == ' ':
			b.WriteByte('-')
		}
	}
	return b.String()
}

// kindPage is the page of a kind, below docs/reference.
func kindPage(t *resources.Table) string { return "spec/" + t.Kind + ".md" }
