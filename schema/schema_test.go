package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// kind is a kind that is nothing but its table.
type kind struct{ table *resources.Table }

func (k kind) Table() *resources.Table                  { return k.table }
func (k kind) Refs(*resources.Resource) []resources.Ref { return nil }

// kinds stand where those of the product do: by name, by two names, in a list,
// alone, derived.
func kinds() []resources.Kind {
	port := resources.Object{
		What: "a port", ShortDoc: "HOST:CONTAINER",
		Fields: []resources.Field{
			{Key: "target", Type: resources.Int(1, 65535), Doc: "Port in the container.", Example: "80", Required: true},
			{Key: "protocol", Type: resources.Enum("tcp", "udp"), Doc: "What is spoken.", Example: "udp", Default: "tcp"},
		},
		Short: func(text string) (map[string]any, error) {
			if !strings.Contains(text, ":") {
				return nil, fmt.Errorf("there is no colon")
			}
			return map[string]any{"target": int64(80)}, nil
		},
	}
	tables := []*resources.Table{
		{Kind: "service", Section: "services/*", Example: "{web: {image: 'postgres:17'}}", Doc: "A container.", Fields: []resources.Field{
			{Key: "image", Type: resources.String(), Doc: "What it runs.", Example: "postgres:17", Required: true},
			{Key: "replicas", Type: resources.Int(0, 9), Doc: "How many.", Example: "2", Default: int64(1)},
			{Key: "tty", Type: resources.Bool(), Doc: "A terminal.", Example: "true", Default: false},
			{Key: "ports", Type: resources.Keyed{Elem: port, Key: func(v map[string]any) string { return fmt.Sprint(v) }}, Doc: "Ports.",
				Example: `["80:80"]`},
			{Key: "environment", Type: resources.Pairs(), Doc: "Environment.", Example: "{A: b}"},
			{Key: "command", Type: resources.Argv(), Doc: "Its command.", Example: "[run]"},
			{Key: "restart", Type: resources.Enum("no", "always"), Doc: "When it is started again.", Example: "always", Default: "no"},
			{Key: "timeout", Type: resources.Duration(), Doc: "How long.", Example: "10s"},
		}, Refused: map[string]string{"links": "networks do this"}},
		{Kind: "broker", Section: "rabbitmq", Example: "{service: web}", Doc: "The broker.", Nested: []string{"vhosts"},
			Fields: []resources.Field{
				{Key: "service", Type: resources.String(), Doc: "The service that runs it.", Example: "rabbitmq"},
			}},
		{Kind: "vhost", Section: "rabbitmq/vhosts/*", Example: "{/: {tracing: true}}", Doc: "A vhost.", Nested: []string{"queues", "bindings"},
			NullOK: true, Fields: []resources.Field{
				{Key: "tracing", Type: resources.Bool(), Doc: "Trace messages.", Example: "true", Default: false},
			}},
		{Kind: "queue", Section: "rabbitmq/vhosts/*/queues/*", Example: "{orders: {type: quorum}}", Doc: "A queue.", NullOK: true,
			Fields: []resources.Field{
				{Key: "type", Type: resources.Enum("classic", "quorum"), Doc: "Its type.", Example: "quorum", Default: "quorum"},
				{Key: "arguments", Type: resources.MapOf(resources.Any()), Doc: "Arguments.", Example: "{x-max-length: 10}"},
			}},
		{Kind: "binding", Section: "rabbitmq/vhosts/*/bindings/-", Example: "[{source: orders}]", Doc: "A binding.", Fields: []resources.Field{
			{Key: "source", Type: resources.String(), Doc: "The exchange.", Example: "orders", Required: true},
		}},
		{Kind: "image", Doc: "Derived."},
	}
	out := make([]resources.Kind, len(tables))
	for i, t := range tables {
		out[i] = kind{t}
	}
	return out
}

// load reads a spec text with one variable, PORT, set to 5432 and one
// sensitive, SECRET, set to canary.
func load(t *testing.T, text string) *specs.Spec {
	t.Helper()
	spec, ps := specs.Load(specs.Options{Files: []string{"-"}, Stdin: strings.NewReader(text),
		Vars: []string{"PORT=5432", "SECRET=canary", "MODE=true"}})
	for _, p := range ps {
		if p.Rule != specs.RuleUnknownVariable {
			t.Fatalf("the text of the test: %v", p)
		}
	}
	return spec
}

const good = `version: "1"
stack: midaz
variables:
  SECRET: { sensitive: true, type: string, description: a secret }
x-base: &base { restart: always }
services:
  web:
    <<: *base
    x-note: [1, 2]
    image: nginx:${SECRET}
    replicas: 2
    tty: "${MODE}"
    ports: ["80:80", { target: "${PORT}", protocol: udp }]
    environment: { A: 1, B: "${PORT}" }
    command: run it
    timeout: 1m30s
  list:
    image: a
    environment: [A=1]
    command: [run, it, 5]
rabbitmq:
  service: web
  vhosts:
    /:
      queues:
        orders: { type: quorum, arguments: { x-max-length: 10, x-dead-letter-exchange: dlx } }
        plain:
      bindings:
        - source: orders
    é/%: 
`

func TestGoodSpecIsSilent(t *testing.T) {
	spec := load(t, good)
	for _, p := range append(Top(spec, kinds()), Check(Assemble(kinds()), spec.Root)...) {
		t.Error(p)
	}
}

func TestCheck(t *testing.T) {
	const head = "version: \"1\"\nstack: midaz\n"
	tests := []struct {
		name, text string
		want       []string
	}{
		{"unknown key", "services:\n  web:\n    image: a\n    imge: b\n",
			[]string{`-:6:5: unknown key "imge" in services/web [MZ022] (did you mean "image"?)`}},
		{"unknown key under an escaped name", "rabbitmq:\n  vhosts:\n    é/%: { tracng: true }\n",
			[]string{`-:5:12: unknown key "tracng" in rabbitmq/vhosts/é~1% [MZ022] (did you mean "tracing"?)`}},
		{"unknown keys of one map", "rabbitmq:\n  b: 1\n  a: 2\n",
			[]string{`-:4:3: unknown key "b" in rabbitmq [MZ022] (expected one of service, vhosts)`,
				`-:5:3: unknown key "a" in rabbitmq [MZ022] (expected one of service, vhosts)`}},
		{"missing key", "services:\n  web: { tty: true }\n",
			[]string{`-:4:8: "image" is missing [MZ024] (What it runs.)`}},
		{"not a map", "services: [web]\n",
			[]string{`-:3:11: expected a map, found a list [MZ020]`}},
		{"nothing where a resource is", "services:\n  web:\n",
			[]string{`-:4:7: expected a map, found nothing [MZ020]`}},
		{"item of a list", "rabbitmq:\n  vhosts:\n    /:\n      bindings:\n        - source: a\n        - {}\n",
			[]string{`-:8:11: "source" is missing [MZ024] (The exchange.)`}},
		{"number out of range", "services:\n  web: { image: a, replicas: 12 }\n",
			[]string{`-:4:30: expected an integer from 0 to 9, found a number [MZ020]`}},
		{"no number", "services:\n  web: { image: a, replicas: many }\n",
			[]string{`-:4:30: expected an integer from 0 to 9, found another text [MZ020]`}},
		{"not one of a few words", "services:\n  web: { image: a, restart: sometimes }\n",
			[]string{`-:4:29: expected one of no, always, found another text [MZ020]`}},
		{"a form inside a list", "services:\n  web:\n    image: a\n    ports: [{ target: 99999 }]\n",
			[]string{`-:6:23: expected an integer from 1 to 65535, found a number [MZ020]`}},
		{"unknown key in a form", "services:\n  web:\n    image: a\n    ports:\n      - target: 80\n        protocl: tcp\n",
			[]string{`-:8:9: unknown key "protocl" in services/web/ports/0 [MZ022] (did you mean "protocol"?)`}},
		{"no form at all", "services:\n  web:\n    image: a\n    ports: [[1]]\n",
			[]string{`-:6:13: expected a text or a number or a map, found a list [MZ020]`}},
		{"pattern", "services:\n  web: { image: a, timeout: soon }\n",
			[]string{`-:4:29: the text is not of the form that this field takes [MZ021] (for example: 10s)`}},
		{"variables are checked as written", "services:\n  web: { image: a, restart: \"${SECRET}\", replicas: \"${SECRET}\", tty: " +
			"\"${SECRET}\" }\n", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			spec := load(t, head+test.text)
			compare(t, Check(Assemble(kinds()), spec.Root), test.want)
		})
	}
}

func TestTop(t *testing.T) {
	const head = "version: \"1\"\nstack: midaz\n"
	tests := []struct {
		name, text string
		want       []string
	}{
		{"all well", head, nil},
		{"version as a number", "version: 1\nstack: a\n", nil},
		{"nothing", "{}", []string{`-:1:1: the spec has no stack: the name that everything it makes is marked with [MZ024] (for example: stack: midaz)`,
			`-:1:1: the spec has no version [MZ024] (write version: "1")`}},
		{"a Compose file", "version: \"3.8\"\nstack: a\n",
			[]string{"-:1:10: this looks like a Compose file [MZ021] (write version: \"1\"; `midaz import compose FILE` writes a spec from a " +
				"Compose file)"}},
		{"another version", "version: 7\nstack: a\n", []string{`-:1:10: this version of the format is not known [MZ021] (write version: "1")`}},
		{"version as a list", "version: [1]\nstack: a\n", []string{`-:1:10: version is "1", not a list [MZ020] (write version: "1")`}},
		{"stack with capitals", "version: \"1\"\nstack: My_Stack\n",
			[]string{`-:2:8: "My_Stack" cannot be the name of a stack [MZ021] (at most 63 small letters, digits and hyphens, with a letter or digit at both ends: for example my-stack)`}},
		{"stack too long", "version: \"1\"\nstack: " + strings.Repeat("a", 64) + "\n",
			[]string{`-:2:8: "` + strings.Repeat("a", 64) +
				`" cannot be the name of a stack [MZ021] (at most 63 small letters, digits and hyphens, with a letter or digit at both ends)`}},
		{"stack as a map", "version: \"1\"\nstack: {}\n", []string{`-:2:8: stack is a name, not a map [MZ020] (for example: stack: midaz)`}},
		{"secret stack", "version: \"1\"\nvariables: { SECRET: { sensitive: true } }\nstack: ${SECRET}-\n",
			[]string{`-:3:8: the name of the stack holds a sensitive value, and names are shown [MZ027] (use a variable that is not sensitive)`}},
		{"misspelt", head + "servces: {}\n", []string{`-:3:1: unknown top-level key "servces" [MZ022] (did you mean "services"?)`}},
		{"far from anything", head + "zzzzzzzz: {}\n",
			[]string{`-:3:1: unknown top-level key "zzzzzzzz" [MZ022] (expected one of drift, moved, policy, rabbitmq, services, stack, variables, version, or a key beginning with x-)`}},
		{"keys of Compose", head + "name: a\nsecrets: {}\n",
			[]string{"-:3:1: top-level key \"name\" of Compose is not supported [MZ023] (write `stack: NAME`)",
				"-:4:1: top-level key \"secrets\" of Compose is not supported [MZ023] (declare a variable with `sensitive: true` and write ${NAME} " +
					"where the secret is needed, under `files:` of the service for a file)"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { compare(t, Top(load(t, test.text), kinds()), test.want) })
	}
}

// What stands in a file that could not be read is not missing.
func TestTopOfPartialSpec(t *testing.T) {
	spec, _ := specs.Load(specs.Options{Files: []string{"-", "none.yaml"}, Stdin: strings.NewReader("services: {}\n")})
	compare(t, Top(spec, kinds()), nil)
}

func TestMerge(t *testing.T) {
	spec := load(t, "version: \"1\"\nstack: a\nservices:\n  web:\n    image: [a]\n    ports:\n      - { target: 80, protocol: x }\n    "+
		"replicas: 77\n  two: { tty: 3 }\n")
	schema := Check(Assemble(kinds()), spec.Root)
	var decoded specs.Problems
	report := func(p *specs.Problem) { decoded = append(decoded, p) }
	service := kinds()[0].Table()
	service.Decode(spec.Root.At("/services/web"), report)

	compare(t, schema, []string{
		`-:5:12: expected a text or a number or true or false, found a list [MZ020]`,
		`-:7:33: expected one of tcp, udp, found another text [MZ020]`,
		`-:8:15: expected an integer from 0 to 9, found a number [MZ020]`,
		`-:9:8: "image" is missing [MZ024] (What it runs.)`,
		`-:9:15: expected true or false, found a number [MZ020]`,
	})
	compare(t, Merge(spec.Root, decoded, schema), []string{
		`-:5:12: expected a string, found a list [MZ020]`,
		`-:7:33: expected one of tcp, udp, found "x" [MZ021]`,
		`-:8:15: expected an integer from 0 to 9, found "77" [MZ021]`,
		`-:9:8: "image" is missing [MZ024] (What it runs.)`,
		`-:9:15: expected true or false, found a number [MZ020]`,
	})
	// A complaint about a whole drops those about its parts, and the other way round.
	whole := specs.Problems{resources.RuleShape.At(spec.Root.KeyPos("/services/two"), "the whole is wrong", "")}
	compare(t, Merge(spec.Root, whole, schema[3:]), []string{`-:9:3: the whole is wrong [MZ020]`})
	part := specs.Problems{resources.RuleShape.At(spec.Root.At("/services/two/tty").Pos(), "the part is wrong", "")}
	compare(t, Merge(spec.Root, part, schema[3:4]), []string{`-:9:15: the part is wrong [MZ020]`})
}

func TestComplete(t *testing.T) {
	decode := func(spec *specs.Spec) specs.Problems {
		var out specs.Problems
		kinds()[0].Table().Decode(spec.Root.At("/services/web"), func(p *specs.Problem) { out = append(out, p) })
		return out
	}
	spec, loaded := specs.Load(specs.Options{Files: []string{"-"}, Stdin: strings.NewReader(
		"version: \"1\"\nstack: a\nvariables: { UNUSED: {} }\nservices:\n  web: { image: a, replicas: $NONE, tty: 5, prots: [] }\n  two: { " +
			"tty: 7 }\nname: x\n")})
	compare(t, Complete(spec, kinds(), loaded, decode(spec)), []string{
		`-:3:14: variable UNUSED is declared and nothing uses it [MZ018] (remove it, or write ${UNUSED} where it is meant)`,
		`-:5:30: variable "NONE" is used and nowhere set [MZ010] (declare it under variables:, write ${NONE:-default}, or $$ for a dollar sign)`,
		`-:5:42: expected true or false, found "5" [MZ021]`,
		`-:5:45: unknown key "prots" in service [MZ022] (did you mean "ports"?)`,
		`-:6:8: "image" is missing [MZ024] (What it runs.)`,
		`-:6:15: expected true or false, found a number [MZ020]`,
		"-:7:1: top-level key \"name\" of Compose is not supported [MZ023] (write `stack: NAME`)",
	})
	// With a file that cannot be read, nothing counts as missing.
	spec, loaded = specs.Load(specs.Options{Files: []string{"-", "none.yaml"}, Stdin: strings.NewReader("services:\n  web: { tty: 5 }\n")})
	compare(t, Complete(spec, kinds(), loaded, decode(spec)), []string{
		`-:2:15: expected true or false, found "5" [MZ021]`,
		"none.yaml: cannot be read: no such file or directory [MZ001] (check the path; relative paths start at the current folder, or at the " +
			"one given with -chdir)",
	})
}

// Editors show a description, an example and a default at every property, but
// for a default where one must write a value.
func TestEveryPropertyIsDocumented(t *testing.T) {
	seen := 0
	walk(Assemble(kinds()), "", func(path string, property resources.Schema, required bool) {
		seen++
		if property["description"] == nil || property["description"] == "" {
			t.Errorf("%s has no description", path)
		}
		if property["examples"] == nil {
			t.Errorf("%s has no example", path)
		}
		if _, ok := property["default"]; !ok && !required {
			t.Errorf("%s has no default", path)
		}
	})
	if seen < 25 {
		t.Errorf("only %d properties were looked at", seen)
	}
	replicas := Assemble(kinds())
	for _, key := range []string{"properties", "services", "additionalProperties", "properties", "replicas"} {
		replicas = replicas[key].(resources.Schema)
	}
	if replicas["default"] != int64(1) {
		t.Errorf("the default of replicas is %v, want 1", replicas["default"])
	}
}

// What an editor offers is valid where it is offered.
func TestExamplesAndDefaultsAreValid(t *testing.T) {
	tried := 0
	walk(Assemble(kinds()), "", func(path string, property resources.Schema, _ bool) {
		compiled, err := compile(property)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		offered, _ := property["examples"].([]any)
		if d, ok := property["default"]; ok {
			offered = append(offered, d)
		}
		for _, v := range offered {
			tried++
			if err := compiled.Validate(v); err != nil {
				t.Errorf("%s: %v is not valid: %v", path, v, err)
			}
		}
	})
	if tried < 20 {
		t.Errorf("only %d values were tried", tried)
	}
}

// walk calls each for every property, with whether it must be there.
func walk(s any, path string, each func(string, resources.Schema, bool)) {
	switch s := s.(type) {
	case resources.Schema:
		if props, ok := s["properties"].(resources.Schema); ok {
			required, _ := s["required"].([]any)
			for name, p := range props {
				each(path+"/"+name, p.(resources.Schema), slices.Contains(required, any(name)))
			}
		}
		for key, child := range s {
			if key != "examples" && key != "default" {
				walk(child, path+"/"+key, each)
			}
		}
	case []any:
		for i, child := range s {
			walk(child, fmt.Sprintf("%s/%d", path, i), each)
		}
	}
}

func TestEncodeIsStable(t *testing.T) {
	first := Encode(Assemble(kinds()))
	for range 20 {
		if !bytes.Equal(first, Encode(Assemble(kinds()))) {
			t.Fatal("equal kinds gave other bytes")
		}
	}
	if !json.Valid(first) || !bytes.HasSuffix(first, []byte("}\n")) || bytes.Contains(first, []byte(`\u003c`)) {
		t.Error("not plain JSON with a newline at its end")
	}
}

// Whatever the violation, the text of a variable is in no message.
func TestNoValueIsRepeated(t *testing.T) {
	text := "version: \"1\"\nstack: a\nservices: \"${SECRET}\"\nrabbitmq: { service: { a: \"${SECRET}\" }, vhosts: { v: { tracing: " +
		"\"x${SECRET}\" } } }\n"
	for _, p := range Check(Assemble(kinds()), load(t, text).Root) {
		if strings.Contains(p.Error()+p.Hint, "canary") {
			t.Errorf("the value shows: %v", p)
		}
	}
}

func compare(t *testing.T, got specs.Problems, want []string) {
	t.Helper()
	for i, p := range got {
		text := p.Error()
		if p.Hint != "" {
			text += " (" + p.Hint + ")"
		}
		if i >= len(want) {
			t.Errorf("too much: %s", text)
		} else if text != want[i] {
			t.Errorf("got  %s\nwant %s", text, want[i])
		}
	}
	for _, w := range want[min(len(got), len(want)):] {
		t.Errorf("missing: %s", w)
	}
}

func BenchmarkCheck(b *testing.B) {
	var text strings.Builder
	text.WriteString("version: \"1\"\nstack: a\nrabbitmq:\n  vhosts:\n    /:\n      queues:\n")
	for i := range 10_000 {
		fmt.Fprintf(&text, "        queue-%d: { type: quorum, arguments: { x-max-length: %d } }\n", i, i)
	}
	spec, _ := specs.Load(specs.Options{Files: []string{"-"}, Stdin: strings.NewReader(text.String())})
	s := Assemble(kinds())
	for b.Loop() {
		if ps := Check(s, spec.Root); len(ps) > 0 {
			b.Fatal(ps[0])
		}
	}
}
