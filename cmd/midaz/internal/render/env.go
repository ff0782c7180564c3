package render

import (
	"fmt"
	"strings"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
)

// EnvText tells what env did, without any value.
func EnvText(e *report.EnvFile, dry bool, i Ink) string {
	var b strings.Builder
	path := Clean(e.Path)
	switch {
	case e.Text == "":
		fmt.Fprintf(&b, "%s: %d kept, nothing was changed.\n", path, len(e.Kept))
	case dry:
		fmt.Fprintf(&b, "Would add %s to %s: %s\n", Count(len(e.Added), "variable"), path, strings.Join(e.Added, ", "))
	default:
		fmt.Fprintf(&b, "%s: %s added, %d kept.\n", i.In(Bold, path), Count(len(e.Added), "variable"), len(e.Kept))
	}
	if len(e.Needed) > 0 {
		b.WriteString(i.In(yellow, "These need a value of yours:") + "\n")
		for _, v := range e.Needed {
			kind := v.Type
			if kind == "" {
				kind = "string"
			}
			fmt.Fprintf(&b, "  %s (%s) %s\n", v.Name, kind, Clean(v.Description))
		}
	}
	return b.String()
}
