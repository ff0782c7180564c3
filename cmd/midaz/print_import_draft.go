package main

import (
	"fmt"
	"strings"

	"github.com/LerianStudio/midaz-infra/specs/draft"
)

// draftText tells what was written, what could not be carried over and what to
// do next. It shows no value.
func draftText(d *draft.Draft, out string, values *envFile, i ink) string {
	var b strings.Builder
	if out != "" && out != "-" {
		var parts []string
		for _, s := range d.Sections() {
			if len(s.Entries) > 0 {
				parts = append(parts, count(len(s.Entries), strings.TrimSuffix(s.Name, "s")))
			}
		}
		fmt.Fprintf(&b, "%s: %s.\n", i.in(bold, clean(out)), strings.Join(append(parts, count(len(d.Variables), "variable")), ", "))
	}
	for _, n := range d.Notes {
		fmt.Fprintf(&b, "%s %s\n", i.in(yellow, "note:"), clean(n))
	}
	if values != nil {
		fmt.Fprintf(&b, "%s: %s added, %d kept.\n", i.in(bold, clean(values.path)), count(len(values.added), "variable"), len(values.kept))
	}
	return b.String()
}
