package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/LerianStudio/midaz-infra/resources/docker"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq"
)

// The tables that `make conformance` and `make brokers` write hold every field
// there is, and no failure. All of a binding is its name, and a broker is only
// asked.
func TestDocsConformance(t *testing.T) {
	text, err := os.ReadFile("../../docs/conformance.md")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "FAILED") {
		t.Error("a row has failed")
	}
	tried := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\| ([a-z-]+) \| ([^ |]+) \|`).FindAllStringSubmatch(string(text), -1) {
		tried[m[1]+" "+m[2]] = true
	}
	for _, k := range append(docker.Kinds(), rabbitmq.Kinds()...) {
		table := k.Table()
		if table.Kind == "binding" || table.Kind == "broker" {
			continue
		}
		for _, f := range table.Fields {
			if !tried[table.Kind+" "+f.Key] {
				t.Errorf("%s %s is not in the table: `make conformance` or `make brokers`", table.Kind, f.Key)
			}
		}
	}
}
