package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	composeschema "github.com/compose-spec/compose-go/v2/schema"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/app"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/render"
	"github.com/LerianStudio/midaz-infra/resources"
)

// composePage holds the keys of Compose's own schema against the rows.
func composePage() map[string]string {
	p := generated("Compose keys", "the schema of the Compose Specification and the tables of the kinds")
	p.Line("What becomes of each key of a Compose file. `midaz import compose` does the rewriting, and says at its place what cannot be " +
		"carried. [How to migrate](../migrate/compose.md)\n")
	var all resources.Schema
	if err := json.Unmarshal([]byte(composeschema.Schema), &all); err != nil {
		panic("the schema of Compose: " + err.Error())
	}
	defs, _ := all["$defs"].(resources.Schema)
	if defs == nil {
		defs, _ = all["definitions"].(resources.Schema)
	}
	tables := map[string]*resources.Table{}
	for _, k := range app.RealWorld().Kinds() {
		tables[k.Table().Kind] = k.Table()
	}
	for _, kind := range []string{"service", "network", "volume"} {
		p.Line("## %ss\n", render.Capital(kind))
		def, _ := defs[kind].(resources.Schema)
		props := composeKeys(def, defs)
		var rows [][]string
		for _, key := range slices.Sorted(maps.Keys(props)) {
			rows = append(rows, []string{codeOrNone(key), becomes(tables[kind], key)})
		}
		if len(rows) < 5 {
			panic("the schema of Compose has another form: " + kind)
		}
		p.table([]string{"Compose", "here"}, rows)
	}
	return map[string]string{"compose-keys.md": p.String()}
}

// composeKeys returns the keys of a definition and of those that it is made of.
func composeKeys(def, defs resources.Schema) resources.Schema {
	out := resources.Schema{}
	own, _ := def["properties"].(resources.Schema)
	maps.Copy(out, own)
	all, _ := def["allOf"].([]any)
	for _, part := range all {
		if below, ok := part.(resources.Schema); ok {
			ref, _ := below["$ref"].(string)
			named, _ := defs[strings.TrimPrefix(ref, "#/$defs/")].(resources.Schema)
			maps.Copy(out, composeKeys(below, defs))
			maps.Copy(out, composeKeys(named, defs))
		}
	}
	return out
}

// becomes says what a key of Compose is in the table.
func becomes(t *resources.Table, key string) string {
	if f, ok := t.Field(key); ok {
		return fmt.Sprintf("[the same](spec/%s.md#%s): %s", t.Kind, anchor(f.Key), running(render.FirstSentence(f.Doc)))
	}
	if why, ok := t.Refused[key]; ok {
		return "not supported: " + running(strings.TrimSpace(why))
	}
	return "not known here; an error that says so"
}

// TestComposeKeysAreSpokenOf: every key that Compose knows is read, or refused
// by name with what to write instead.
func TestComposeKeysAreSpokenOf(t *testing.T) {
	for key, line := range composeKeyLines(composePage()["compose-keys.md"]) {
		if strings.Contains(line, "not known here") {
			t.Errorf("%s is a key of Compose, and the answer is that it is unknown", key)
		}
	}
}

func composeKeyLines(page string) map[string]string {
	out := map[string]string{}
	for line := range strings.SplitSeq(page, "\n") {
		if cells := strings.Split(line, "|"); len(cells) > 2 {
			out[strings.TrimSpace(cells[1])] = line
		}
	}
	return out
}
