package schema_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	tfjson "github.com/hashicorp/terraform-json"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"golang.org/x/tools/txtar"
)

// plans are the plans in JSON that the scripts of cmd/midaz expect, by script
// and file, and one of OpenTofu's.
func plans(t *testing.T) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	tofu, err := os.ReadFile("testdata/opentofu/tofu.json")
	if err != nil {
		t.Fatal(err)
	}
	out["tofu"] = tofu
	scripts, err := filepath.Glob("../cmd/midaz/testdata/script/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, script := range scripts {
		archive, err := txtar.ParseFile(script)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range archive.Files {
			if bytes.HasPrefix(f.Data, []byte("{")) && bytes.Contains(f.Data, []byte(`"resource_changes"`)) {
				out[strings.TrimSuffix(filepath.Base(script), ".txtar")+"/"+f.Name] = f.Data
			}
		}
	}
	if len(out) < 4 {
		t.Fatalf("only %d plans", len(out))
	}
	return out
}

// Readers of OpenTofu's and Terraform's plans go through this library.
func TestPlansAreReadAsOpenTofus(t *testing.T) {
	actions := map[string]int{}
	for name, text := range plans(t) {
		var plan tfjson.Plan
		if err := json.Unmarshal(text, &plan); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var raw struct {
			ResourceChanges []struct {
				ActionReason string `json:"action_reason"`
			} `json:"resource_changes"`
		}
		if err := json.Unmarshal(text, &raw); err != nil {
			t.Fatal(err)
		}
		for i, r := range plan.ResourceChanges {
			if r.Address == "" || r.Type == "" || r.Name == "" || r.Mode != tfjson.ManagedResourceMode && r.Mode != tfjson.DataResourceMode {
				t.Errorf("%s: %+v", name, r)
			}
			a := r.Change.Actions
			known := 0
			for word, is := range map[string]bool{"no-op": a.NoOp(), "create": a.Create(), "update": a.Update(), "delete": a.Delete(),
				"delete before create": a.DestroyBeforeCreate(), "create before delete": a.CreateBeforeDestroy()} {
				if is {
					actions[word]++
					known++
				}
			}
			if known != 1 {
				t.Errorf("%s: %s: actions %v", name, r.Address, a)
			}
			if (r.Change.Before == nil) != a.Create() || (r.Change.After == nil) != a.Delete() {
				t.Errorf("%s: %s: %v from %v to %v", name, r.Address, a, r.Change.Before, r.Change.After)
			}
			if a.Replace() && raw.ResourceChanges[i].ActionReason == "replace_because_cannot_update" && len(r.Change.ReplacePaths) == 0 {
				t.Errorf("%s: %s: nothing says what makes it a replacement", name, r.Address)
			}
		}
	}
	if len(actions) != 6 {
		t.Errorf("not every action is in a plan: %v", actions)
	}
}

// TestRulesForOpenTofu holds plans against rules that know nothing of midaz, with
// conftest's words: deny and warn of the package main.
func TestRulesForOpenTofu(t *testing.T) {
	rules, err := os.ReadFile("testdata/opentofu/policy.rego")
	if err != nil {
		t.Fatal(err)
	}
	all := plans(t)
	for name, want := range map[string]struct {
		deny, warn []string
		radius     int
	}{
		"tofu": {
			deny:   []string{"docker_container.api runs whatever is the latest image", "docker_volume.data would be destroyed"},
			warn:   []string{`docker_container.api must be replaced, because of [["image"]]`},
			radius: 21,
		},
		"diff/want.json": {
			deny: []string{"queue/%2F/orders would be destroyed", "volume/old would be destroyed"},
			warn: []string{`queue/%2F/orders must be replaced, because of [["type"]]`,
				`service/db must be replaced, because of [["environment", "LANG"], ["ports", 0], ["files", "/init.sql", "content"]]`},
			radius: 32,
		},
	} {
		t.Run(name, func(t *testing.T) {
			data := map[string]any{"stateful": []any{"docker_volume", "volume", "queue"}, "secret": "hunter2"}
			var input any
			if err := json.Unmarshal(all[name], &input); err != nil {
				t.Fatal(err)
			}
			query, err := rego.New(rego.Query("x := data.main"), rego.Module("policy.rego", string(rules)), rego.Store(inmem.NewFromObject(data)),
				rego.Input(input)).Eval(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			main := query[0].Bindings["x"].(map[string]any)
			if got := texts(main["deny"]); !slices.Equal(got, want.deny) {
				t.Errorf("denied:\n%s", strings.Join(got, "\n"))
			}
			if got := texts(main["warn"]); !slices.Equal(got, want.warn) {
				t.Errorf("warned:\n%s", strings.Join(got, "\n"))
			}
			if got := fmt.Sprint(main["blast_radius"]); got != fmt.Sprint(want.radius) {
				t.Errorf("blast radius %s, want %d", got, want.radius)
			}
		})
	}
}

// texts are the elements of a set, sorted.
func texts(v any) []string {
	out := []string{}
	list := reflect.ValueOf(v)
	for i := range list.Len() {
		out = append(out, fmt.Sprint(list.Index(i).Interface()))
	}
	slices.Sort(out)
	return out
}
