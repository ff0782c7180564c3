package render

import (
	"strings"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
)

// Ink writes text in colours, or plainly when it is false.
type Ink bool

const (
	red     = "31"
	Green   = "32"
	yellow  = "33"
	magenta = "35"
	cyan    = "36"
	Bold    = "1"
	Dim     = "2"
)

// In returns the text in a colour or weight. Text is one line.
func (i Ink) In(style, text string) string {
	if !bool(i) || style == "" || text == "" {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

// Clean returns text that is safe to print, see report.Clean.
func Clean(s string) string { return report.Clean(s) }

// cleanLines splits text into lines that are each clean, without the empty one
// after the last line break.
func cleanLines(s string) []string {
	lines := strings.Split(strings.TrimSuffix(strings.ReplaceAll(s, "\r\n", "\n"), "\n"), "\n")
	for i, l := range lines {
		lines[i] = Clean(l)
	}
	return lines
}

// actionStyle is the colour of an action.
func actionStyle(a resources.Action) string {
	switch a {
	case resources.Create, resources.Ensure:
		return Green
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
func (i Ink) symbol(c *engine.Change) string {
	return i.sign(c.Symbol(), actionStyle(c.Action))
}

// sign returns a sign set to the right in three columns.
func (i Ink) sign(sign, style string) string {
	return strings.Repeat(" ", max(0, 3-len(sign))) + i.In(style, sign)
}
