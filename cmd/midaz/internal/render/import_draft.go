package render

import (
	"fmt"
	"strings"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/specs/draft"
)

// DraftText tells what was written, what could not be carried over and what to
// do next. It shows no value.
func DraftText(d *draft.Draft, out string, values *report.EnvFile, i Ink) string {
	var b strings.Builder
	if out != "" && out != "-" {
		var parts []string
		for _, s := range d.Sections() {
			if len(s.Entries) > 0 {
				parts = append(parts, Count(len(s.Entries), strings.TrimSuffix(s.Name, "s")))
			}
		}
		fmt.Fprintf(&b, "%s: %s.\n", i.In(Bold, Clean(out)), strings.Join(append(parts, Count(len(d.Variables), "variable")), ", "))
	}
	for _, n := range d.Notes {
		fmt.Fprintf(&b, "%s %s\n", i.In(yellow, "note:"), Clean(n))
	}
	if values != nil {
		fmt.Fprintf(&b, "%s: %s added, %d kept.\n", i.In(Bold, Clean(values.Path)), Count(len(values.Added), "variable"), len(values.Kept))
	}
	return b.String()
}
