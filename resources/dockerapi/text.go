package dockerapi

import (
	"strings"
	"unicode"
)

// maxLine bounds what is quoted of a container's output on one line.
const maxLine = 240

// CleanLine returns one line of output without control characters, tabs apart.
func CleanLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == '\t' {
			return ' '
		}
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, stripANSI(s))
	if runes := []rune(s); len(runes) > 1000 {
		return string(runes[:1000]) + "…"
	}
	return s
}

// stripANSI removes the escape sequences that colour terminals.
func stripANSI(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != 0x1b {
			b.WriteByte(s[i])
			continue
		}
		if i+1 < len(s) && s[i+1] == '[' {
			i += 2
			for i < len(s) && (s[i] < 0x40 || s[i] > 0x7e) {
				i++
			}
		}
	}
	return b.String()
}

// OneLine returns text from outside on one line without control characters,
// the last part of it when it is long: that is where errors stand.
func OneLine(s string) string {
	s = stripANSI(s)
	var b strings.Builder
	space := false
	for _, r := range s {
		if unicode.IsSpace(r) || unicode.IsControl(r) || !unicode.IsPrint(r) {
			space = b.Len() > 0
			continue
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		b.WriteRune(r)
	}
	runes := []rune(b.String())
	if len(runes) > maxLine {
		return "…" + string(runes[len(runes)-maxLine:])
	}
	return string(runes)
}
