package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
)

// observedText says on standard error what was recorded.
func observedText(rec *engine.Recording, path string, i ink) string {
	n := 0
	for _, o := range rec.Objects {
		if o.Presence == "present" {
			n++
		}
	}
	return i.in(dim, fmt.Sprintf("%s of stack %q recorded in %s, without secrets.", capital(count(n, "object")), clean(rec.Stack), clean(path))) + "\n"
}

// plannedAgainstText says on standard error what the plan was made against.
func plannedAgainstText(rec *engine.Recording, path string, lacks []resources.Addr, i ink) string {
	text := fmt.Sprintf("Planned against %s, observed at %s. No engine and no broker was asked.", clean(path), rec.ObservedAt.Format(time.RFC3339))
	if len(lacks) > 0 {
		const most = 5
		var names []string
		for _, a := range lacks[:min(most, len(lacks))] {
			names = append(names, addrText(a))
		}
		more := ""
		if len(lacks) > most {
			more = fmt.Sprintf(" and %d more", len(lacks)-most)
		}
		text += fmt.Sprintf(" What was not in the spec then is taken for absent: %s%s.", strings.Join(names, ", "), more)
	}
	return i.in(dim, text) + "\n"
}
