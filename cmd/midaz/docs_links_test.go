package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	linkText    = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	headingText = regexp.MustCompile(`^#{1,6} +(.*?) *#*$`)
	inlineLink  = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	inlineCode  = regexp.MustCompile("`+[^`]*`+")
)

// TestDocsLinks: every link of the repository's Markdown leads to a file that is
// there and, with an anchor, to a heading in it; and every page under docs can be
// reached from README.md.
func TestDocsLinks(t *testing.T) {
	pages := markdownFiles(t)
	reached := map[string]bool{"README.md": true}
	for todo := []string{"README.md"}; len(todo) > 0; todo = todo[1:] {
		for _, target := range linksOf(t, todo[0]) {
			file, _, _ := strings.Cut(target, "#")
			if strings.HasSuffix(file, ".md") && !reached[file] {
				reached[file] = true
				todo = append(todo, file)
			}
		}
	}
	for _, name := range pages {
		if strings.HasPrefix(name, "docs/") && !reached[name] {
			t.Errorf("no way leads from README.md to %s", name)
		}
		for _, target := range linksOf(t, name) {
			file, fragment, _ := strings.Cut(target, "#")
			if _, err := os.Stat(filepath.Join(projectRoot, file)); err != nil {
				t.Errorf("%s links to %s, which is not there", name, target)
				continue
			}
			if fragment != "" && strings.HasSuffix(file, ".md") && !anchorsOf(t, file)[fragment] {
				t.Errorf("%s links to %s, where no heading is called so", name, target)
			}
		}
	}
}

// markdownFiles returns the Markdown of the repository, by path from its root.
func markdownFiles(t *testing.T) []string {
	t.Helper()
	command := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md")
	command.Dir = projectRoot
	out, err := command.Output()
	if err != nil {
		t.Skipf("git does not list the files: %v", err)
	}
	var files []string
	for name := range strings.Lines(string(out)) {
		if name = strings.TrimSpace(name); !strings.Contains(name, "testdata/") {
			files = append(files, name)
		}
	}
	if len(files) < 20 {
		t.Fatalf("only %d pages found", len(files))
	}
	return files
}

// proseOf returns the lines of a page that are no code.
func proseOf(t *testing.T, name string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(projectRoot, name))
	if err != nil {
		t.Errorf("%v", err)
		return nil
	}
	var out []string
	fenced := ""
	for line := range strings.SplitSeq(string(text), "\n") {
		trimmed := strings.TrimSpace(line)
		if ticks := trimmed[:len(trimmed)-len(strings.TrimLeft(trimmed, "`"))]; len(ticks) >= 3 &&
			(fenced == "" || ticks == fenced && trimmed == ticks) {
			if fenced == "" {
				fenced = ticks
			} else {
				fenced = ""
			}
			continue
		}
		if fenced == "" {
			out = append(out, line)
		}
	}
	return out
}

// linksOf returns the links of a page that stay in the repository, as paths from
// its root with their anchors.
func linksOf(t *testing.T, name string) []string {
	t.Helper()
	var out []string
	for _, line := range proseOf(t, name) {
		for _, m := range linkText.FindAllStringSubmatch(inlineCode.ReplaceAllString(line, ""), -1) {
			link := m[1]
			if strings.Contains(link, "://") || strings.HasPrefix(link, "mailto:") {
				continue
			}
			file, fragment, anchored := strings.Cut(link, "#")
			target := name
			if file != "" {
				target = filepath.ToSlash(filepath.Join(filepath.Dir(name), file))
			}
			if anchored {
				target += "#" + fragment
			}
			out = append(out, target)
		}
	}
	return out
}

// anchorsOf returns what links into a page may name.
func anchorsOf(t *testing.T, name string) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	for _, line := range proseOf(t, name) {
		m := headingText.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		// A second heading of one name gets -1; nobody should link to it.
		out[anchor(inlineLink.ReplaceAllString(m[1], "$1"))] = true
	}
	return out
}
