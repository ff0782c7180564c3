package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

// What is checked in says of every property what it is, shows an example, and
// what holds without it, but where one must write a value. Whatever it offers
// is valid in its place.
func TestSchemaFileOffersWhatIsValid(t *testing.T) {
	text, err := os.ReadFile("../../schema/midaz.infra.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var file any
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("s.json", bytes.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	properties := 0
	var walk func(v any, at string)
	walk = func(v any, at string) {
		switch v := v.(type) {
		case map[string]any:
			props, _ := v["properties"].(map[string]any)
			required, _ := v["required"].([]any)
			for name, p := range props {
				properties++
				p, here := p.(map[string]any), at+"/properties/"+pointerPart(name)
				compiled, err := compiler.Compile("s.json#" + here)
				if err != nil {
					t.Fatalf("%s: %v", here, err)
				}
				if doc, _ := p["description"].(string); doc == "" {
					t.Errorf("%s has no description", here)
				}
				offered, _ := p["examples"].([]any)
				if len(offered) == 0 {
					t.Errorf("%s has no example", here)
				}
				if standard, ok := p["default"]; ok {
					offered = append(offered, standard)
				} else if !slices.Contains(required, any(name)) {
					t.Errorf("%s has no default", here)
				}
				for _, o := range offered {
					if err := compiled.Validate(o); err != nil {
						t.Errorf("%s offers %v: %v", here, o, err)
					}
				}
			}
			for key, below := range v {
				if key != "examples" && key != "default" {
					walk(below, at+"/"+pointerPart(key))
				}
			}
		case []any:
			for i, below := range v {
				walk(below, fmt.Sprintf("%s/%d", at, i))
			}
		}
	}
	walk(file, "")
	if properties < 500 {
		t.Errorf("only %d properties", properties)
	}
}

func pointerPart(key string) string {
	return strings.NewReplacer("~", "~0", "/", "~1", "%", "%25", "^", "%5E").Replace(key)
}
