package render

import (
	"fmt"
	"strings"
	"time"

	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
)

// ObservedText says on standard error what was recorded.
func ObservedText(rec *engine.Recording, path string, i Ink) string {
	n := 0
	for _, o := range rec.Objects {
		if o.Presence == "present" {
			n++
		}
	}
	return i.In(Dim, fmt.Sprintf("%s of stack %q recorded in %s, without secrets.", Capital(Count(n, "object")), Clean(rec.Stack),
		Clean(path))) + "\n"
}

// PlannedAgainstText says on standard error what the plan was made against.
func PlannedAgainstText(rec *engine.Recording, path string, lacks []resources.Addr, i Ink) string {
	text := fmt.Sprintf("Planned against %s, observed at %s. No engine and no broker was asked.", Clean(path),
		rec.ObservedAt.Format(time.RFC3339))
	if len(lacks) > 0 {
		const most = 5
		var names []string
		for _, a := range lacks[:min(most, len(lacks))] {
			names = append(names, AddrText(a))
		}
		more := ""
		if len(lacks) > most {
			more = fmt.Sprintf(" and %d more", len(lacks)-most)
		}
		text += fmt.Sprintf(" What was not in the spec then is taken for absent: %s%s.", strings.Join(names, ", "), more)
	}
	return i.In(Dim, text) + "\n"
}
