package docker

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/LerianStudio/midaz-infra/specs"
)

// TestSchemaTakesWhatDecodingTakes checks every example, form by form, against
// the JSON schema that editors see.
func TestSchemaTakesWhatDecodingTakes(t *testing.T) {
	for _, kind := range []string{"service", "job"} {
		text, err := json.Marshal((containerKind{kind}).Table().Schema())
		if err != nil {
			t.Fatal(err)
		}
		c := jsonschema.NewCompiler()
		if err := c.AddResource("kind.json", strings.NewReader(string(text))); err != nil {
			t.Fatal(err)
		}
		schema, err := c.Compile("kind.json")
		if err != nil {
			t.Fatal(err)
		}
		check := func(fields string, want bool) {
			t.Helper()
			node, err := specs.ParseNode("x", fields)
			if err != nil {
				t.Fatal(err)
			}
			raw, err := json.Marshal(node.JSON())
			if err != nil {
				t.Fatal(err)
			}
			var v any
			if err := json.Unmarshal(raw, &v); err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(v); (err == nil) != want {
				t.Errorf("%s: %s: %v", kind, fields, err)
			}
		}
		rows := rowsOf(kind)
		for i := range rows {
			check(rows[i].Key+": "+rows[i].Example, true)
			check(rows[i].Key+": "+rows[i].Other, true)
			check(rows[i].Key+": ${X}", !slices.Contains(structured, rows[i].Key))
		}
		for _, fields := range []string{"networks: {a: null}", "networks: {a: }", "ports: [80, \"80:80\"]", "command: x", "entrypoint: []",
			"depends_on: {a: {condition: service_healthy}}",
			"environment: {A: 1, B: true, C: x}", "env_file: [a, {path: b}]", "ulimits: {nofile: 1}", "cpus: 0.5", "cpus: \"0.5\"",
			"mem_limit: 1000000", "stop_signal: 9", "user: 1000", "x-any: [1]"} {
			check(fields, true)
		}
		for _, fields := range []string{"nonsense: 1", "ports: {a: b}", "tty: [1]", "depends_on: {a: {condition: never}}",
			"healthcheck: {tests: x}", "files: [{target: /x, mod: 1}]"} {
			check(fields, false)
		}
	}
}

// structured are the keys that have no form on one line, so that no variable
// can stand for the whole.
var structured = strings.Fields("environment healthcheck labels annotations volumes devices device_cgroup_rules storage_opt networks " +
	"ports expose dns_opt extra_hosts " +
	"sysctls blkio_config deploy ulimits cap_add cap_drop security_opt group_add logging files depends_on profiles gate update")
