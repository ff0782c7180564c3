package dockerapi

import (
	"strings"
	"testing"
)

func TestOneLine(t *testing.T) {
	for in, want := range map[string]string{
		"a\nb\r\n\tc ":               "a b c",
		"\x1b[31mred\x1b[0m\a":       "red",
		"\x1b]0;title\a":             "]0;title",
		"":                           "",
		strings.Repeat("ab ", 200):   "…" + strings.TrimSpace(strings.Repeat("ab ", 200))[599-240:],
		"tail \u202ereversed \x9b5m": "tail reversed \ufffd5m",
	} {
		if got := OneLine(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got := CleanLine("a\tb\x1b[1mc\x07"); got != "a bc" {
		t.Errorf("%q", got)
	}
}
