package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/LerianStudio/midaz-infra/resources/docker"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq"
)

// The tables that `make conformance` and `make brokers` write hold no failure,
// and the page lists every field without a result as "not tried", so that a new
// field needs no engine; -update writes that list. Only the nightly run, which
// sets MIDAZ_CONFORMANCE_COMPLETE, insists that the list is empty. All of a
// binding is its name, and a broker is only read.
func TestDocsConformance(t *testing.T) {
	const path = "../../docs/conformance.md"
	before, after := outsideMarks(t, path, "not-tried")
	if strings.Contains(before+after, "FAILED") {
		t.Error("a row has failed")
	}
	missing := withoutResult(before + after)
	if len(missing) > 0 && os.Getenv("MIDAZ_CONFORMANCE_COMPLETE") != "" {
		t.Errorf("no conformance result for %s: `make conformance` and `make brokers`", strings.Join(missing, ", "))
	}
	current(t, path, before+notTried(missing)+after)
}

// withoutResult returns the fields, as "kind field", that have no row in the
// page's tables.
func withoutResult(page string) []string {
	tried := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\| ([a-z-]+) \| ([^ |]+) \|`).FindAllStringSubmatch(page, -1) {
		tried[m[1]+" "+m[2]] = true
	}
	var missing []string
	for _, k := range append(docker.Kinds(), rabbitmq.Kinds()...) {
		table := k.Table()
		if table.Kind == "binding" || table.Kind == "broker" {
			continue
		}
		for _, f := range table.Fields {
			if row := table.Kind + " " + f.Key; !tried[row] {
				missing = append(missing, row)
			}
		}
	}
	return missing
}

func notTried(missing []string) string {
	if len(missing) == 0 {
		return "Every field has a result.\n"
	}
	var b strings.Builder
	b.WriteString("| kind | field | result |\n| --- | --- | --- |\n")
	for _, row := range missing {
		kind, field, _ := strings.Cut(row, " ")
		fmt.Fprintf(&b, "| %s | `%s` | not tried |\n", kind, field)
	}
	return b.String()
}
