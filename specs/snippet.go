package specs

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// widestSnippet is how many runes of a line a snippet shows.
const widestSnippet = 120

// hidden stands where a snippet must not show a text.
const hidden = "(sensitive value)"

// Snippet returns the line that a problem points at, with its number, and
// below it a caret under the column:
//
//	12 |     image: postgres:17
//	   |            ^
//
// Columns count runes and tabs stay tabs, so that the caret stands right in
// any terminal. Values of sensitive variables never show, nor does what a rule
// about secrets points at. It is "" when the file is not a spec file.
func (s *Spec) Snippet(p *Problem) string {
	line, ok := s.Line(p.Pos.File, p.Pos.Line)
	if !ok {
		return ""
	}
	runes := []rune(line)
	col := min(max(p.Pos.Col, 1), len(runes)+1)
	if p.Rule != nil && p.Rule.Masked {
		runes = append(runes[:col-1:col-1], []rune(hidden)...)
	}
	runes, col = s.hideSecrets(runes, col)
	runes, col = window(runes, col)
	number := fmt.Sprint(p.Pos.Line)
	return fmt.Sprintf("%s | %s\n%s | %s^", number, shown(runes), strings.Repeat(" ", len(number)), caretIndent(runes[:col-1]))
}

// hide keeps the values that masked problems point at out of every snippet:
// another problem may stand on the same line.
func (s *Spec) hide(ps Problems) {
	at := map[Pos]bool{}
	for _, p := range ps {
		if p.Rule != nil && p.Rule.Masked {
			at[p.Pos] = true
		}
	}
	if len(at) == 0 {
		return
	}
	var walk func(n Node)
	walk = func(n Node) {
		if n.IsScalar() && at[n.Pos()] && !slices.Contains(s.secrets, n.Text()) {
			s.secrets = append(s.secrets, n.Text())
		}
		for _, e := range n.Entries() {
			walk(e.Value)
		}
		for _, item := range n.Items() {
			walk(item)
		}
	}
	walk(s.Root)
}

// hideSecrets masks the texts of sensitive variables, which stand in the file
// when one was written out by mistake. Very short texts are left alone: they
// would hide half the line and are no secret.
func (s *Spec) hideSecrets(line []rune, col int) ([]rune, int) {
	const shortest = 4
	for _, secret := range s.secrets {
		if len(secret) < shortest {
			continue
		}
		for from := 0; ; {
			i := strings.Index(string(line[from:]), secret)
			if i < 0 {
				break
			}
			start := from + utf8.RuneCountInString(string(line[from:])[:i])
			end := start + utf8.RuneCountInString(secret)
			line = append(line[:start:start], append([]rune(hidden), line[end:]...)...)
			switch {
			case col-1 >= end:
				col += len([]rune(hidden)) - (end - start)
			case col-1 > start:
				col = start + 1
			}
			from = start + len([]rune(hidden))
		}
	}
	return line, col
}

// window cuts a long line to the part around the column.
func window(line []rune, col int) ([]rune, int) {
	if len(line) <= widestSnippet {
		return line, col
	}
	start := max(0, min(col-1-widestSnippet/2, len(line)-widestSnippet))
	cut := line[start:min(len(line), start+widestSnippet)]
	out := make([]rune, 0, len(cut)+2)
	if start > 0 {
		out = append(out, '…')
		col++
	}
	out = append(out, cut...)
	if start+widestSnippet < len(line) {
		out = append(out, '…')
	}
	return out, col - start
}

// shown replaces what a terminal would act on.
func shown(line []rune) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return '·'
	}, string(line))
}

// caretIndent is as wide as the text before the caret.
func caretIndent(before []rune) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return ' '
	}, string(before))
}
