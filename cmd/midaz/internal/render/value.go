package render

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sergi/go-diff/diffmatchpatch"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/resources"
)

const (
	// wideValue is how long a list or map may be to stay on one line.
	wideValue = 72
	// shownLines is how many lines of a new text are shown.
	shownLines = 8
	// contextLines stand around the changed lines of a text.
	contextLines = 2
	// DiffLines bounds texts that are compared line by line.
	DiffLines = 20_000
)

// leaf is one value with its path, small enough for a line.
type leaf struct {
	path  string
	value resources.Value
}

// leaves takes a value apart until each part fits on a line: maps by key,
// lists by position. Texts of several lines stay whole.
func leaves(path string, v resources.Value) []leaf {
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 0 || (len(v) > 1 && isFlat(v) && len(resources.Show(v)) <= wideValue && strings.HasSuffix(path, "]")) {
			break
		}
		var out []leaf
		for _, k := range slices.Sorted(maps.Keys(v)) {
			out = append(out, leaves(path+pathKey(k), v[k])...)
		}
		return out
	case []any:
		if len(v) == 0 || (isFlat(v) && len(resources.Show(v)) <= wideValue) {
			break
		}
		var out []leaf
		for i, e := range v {
			out = append(out, leaves(fmt.Sprintf("%s[%d]", path, i), e)...)
		}
		return out
	}
	return []leaf{{path, v}}
}

// isFlat reports whether a list or map holds only texts of one line, numbers
// and the like.
func isFlat(v resources.Value) bool {
	flat := func(e any) bool {
		switch e := e.(type) {
		case []any, map[string]any:
			return false
		case string:
			return !strings.Contains(e, "\n")
		}
		return true
	}
	switch v := v.(type) {
	case []any:
		return !slices.ContainsFunc(v, func(e any) bool { return !flat(e) })
	case map[string]any:
		for _, e := range v {
			if !flat(e) {
				return false
			}
		}
	}
	return true
}

// pathKey returns ".key", or ["key"] for one that is no plain word, as
// resources.DiffValues writes it.
func pathKey(key string) string {
	plain := key != "" && !strings.ContainsFunc(key, func(r rune) bool {
		return !(r == '_' || r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z')
	})
	if plain {
		return "." + key
	}
	return "[" + strconv.Quote(key) + "]"
}

// isLong reports whether the value is a text of several lines.
func isLong(v resources.Value) bool {
	s, ok := v.(string)
	return ok && strings.Contains(strings.TrimSuffix(s, "\n"), "\n") && !resources.IsBinary(s)
}

// textLine is one line of a text that was added (+), removed (-) or left (space).
// A line with the sign # is a remark.
type textLine struct {
	Sign byte
	Text string
}

// newText returns the first lines of a text that is wholly new or gone.
func newText(sign byte, text string) []textLine {
	lines := cleanLines(text)
	var out []textLine
	for i, l := range lines {
		if i == shownLines && len(lines) > shownLines+1 {
			return append(out, textLine{'#', fmt.Sprintf("(%d more lines)", len(lines)-i)})
		}
		out = append(out, textLine{sign, l})
	}
	return out
}

// DiffText compares two texts line by line. Neither holds a secret: secrets are
// another type and never get here.
func DiffText(before, after string) []textLine {
	if strings.Count(before, "\n")+strings.Count(after, "\n") > DiffLines {
		return []textLine{{'#', fmt.Sprintf("(%d lines become %d lines)", len(cleanLines(before)), len(cleanLines(after)))}}
	}
	dmp := diffmatchpatch.New()
	dmp.DiffTimeout = 0 // a clock would make the text differ from run to run
	a, b, lines := dmp.DiffLinesToRunes(before, after)
	var all []textLine
	for _, d := range dmp.DiffCharsToLines(dmp.DiffMainRunes(a, b, false), lines) {
		sign := byte(' ')
		switch d.Type {
		case diffmatchpatch.DiffInsert:
			sign = '+'
		case diffmatchpatch.DiffDelete:
			sign = '-'
		}
		for _, l := range cleanLines(d.Text) {
			all = append(all, textLine{sign, l})
		}
	}
	return hideContext(all)
}

// hideContext replaces lines that did not change and have no change near them
// by their number.
func hideContext(all []textLine) []textLine {
	near := make([]bool, len(all))
	for i, l := range all {
		if l.Sign == ' ' {
			continue
		}
		for j := max(0, i-contextLines); j <= min(len(all)-1, i+contextLines); j++ {
			near[j] = true
		}
	}
	var out []textLine
	for i := 0; i < len(all); i++ {
		if near[i] {
			out = append(out, all[i])
			continue
		}
		from := i
		for i+1 < len(all) && !near[i+1] {
			i++
		}
		out = append(out, textLine{'#', fmt.Sprintf("(%s hidden)", Count(i-from+1, "unchanged line"))})
	}
	return out
}

// Count returns a number with its noun, see report.Count.
func Count(n int, what string) string { return report.Count(n, what) }

// Pad returns the text followed by spaces up to a width, counted in runes.
func Pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
}

// Wrap breaks text into lines of at most width columns, at spaces.
func Wrap(text string, width int) []string {
	var out []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			out = append(out, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(out, line)
}
