package main

import (
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
)

// ink writes text in colours, or plainly when it is false.
type ink bool

const (
	red     = "31"
	green   = "32"
	yellow  = "33"
	magenta = "35"
	cyan    = "36"
	bold    = "1"
	dim     = "2"
)

// in returns the text in a colour or weight. Text is one line.
func (i ink) in(style, text string) string {
	if !bool(i) || style == "" || text == "" {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

// inkFor tells whether a stream gets colours: never with -no-color or NO_COLOR,
// always with FORCE_COLOR or CLICOLOR_FORCE, else on a terminal that can.
func inkFor(w io.Writer, env func(string) string, noColor bool) ink {
	switch {
	case noColor, env("NO_COLOR") != "":
		return false
	case isOn(env("FORCE_COLOR")), isOn(env("CLICOLOR_FORCE")):
		return true
	case env("TERM") == "dumb":
		return false
	default:
		return ink(isTerminal(w))
	}
}

func isOn(v string) bool { return v != "" && v != "0" && v != "false" }

// isTerminal reports whether a stream is a terminal. What is no file is none.
func isTerminal(stream any) bool {
	f, ok := fileOf(stream)
	return ok && term.IsTerminal(int(f.Fd()))
}

// fileOf returns the file that a stream reads or writes.
func fileOf(stream any) (*os.File, bool) {
	if w, ok := stream.(*resources.RedactingWriter); ok {
		stream = w.Unwrap()
	}
	f, ok := stream.(*os.File)
	return f, ok
}

// clean returns one line of text in which nothing acts on the terminal:
// tabs become spaces, and control characters, escapes and marks that turn the
// direction of text become a visible dot. What comes from the engine, the
// broker or the spec goes through here before it is printed.
func clean(s string) string {
	if utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\t':
			b.WriteString("    ")
		case r == '\n', r == '\r':
			b.WriteByte(' ')
		case unicode.IsPrint(r) && r != utf8.RuneError:
			b.WriteRune(r)
		default:
			b.WriteRune('·')
		}
	}
	return b.String()
}

// cleanLines splits text into lines that are each clean, without the empty one
// after the last line break.
func cleanLines(s string) []string {
	lines := strings.Split(strings.TrimSuffix(strings.ReplaceAll(s, "\r\n", "\n"), "\n"), "\n")
	for i, l := range lines {
		lines[i] = clean(l)
	}
	return lines
}

// actionStyle is the colour of an action.
func actionStyle(a resources.Action) string {
	switch a {
	case resources.Create, resources.Ensure:
		return green
	case resources.Update:
		return yellow
	case resources.Delete:
		return red
	case resources.Replace:
		return magenta
	default:
		return ""
	}
}

// symbol returns the sign of a change in the first three columns, coloured.
func (i ink) symbol(c *engine.Change) string {
	return i.sign(c.Symbol(), actionStyle(c.Action))
}

// sign returns a sign set to the right in three columns.
func (i ink) sign(sign, style string) string {
	return strings.Repeat(" ", max(0, 3-len(sign))) + i.in(style, sign)
}
