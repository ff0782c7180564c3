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
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	if strings.Contains(text, "FAILED") {
		t.Error("a row has failed")
	}
	const from, to = "<!-- not-tried -->\n", "<!-- /not-tried -->"
	before, rest, ok := strings.Cut(text, from)
	_, after, ok2 := strings.Cut(rest, to)
	if !ok || !ok2 {
		t.Fatalf("%s has no marks %q and %q", path, from, to)
	}
	missing := withoutResult(before + after)
	if len(missing) > 0 && os.Getenv("MIDAZ_CONFORMANCE_COMPLETE") != "" {
		t.Errorf("no conformance result for %s: `make conformance` and `make brokers`", strings.Join(missing, ", "))
	}
	want := before + from + notTried(missing) + to + after
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if text != want {
		t.Errorf("the list of fields that were not tried is stale: `make docs`")
	}
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
