// Package schema says whether a spec has the right shape. It puts the tables of
// all kinds together into one JSON schema, which editors complete and check
// from, and checks a loaded spec against it.
//
// It refuses to know what the values mean, and it is the second net: the kinds'
// own decoding speaks better. Merge drops what decoding has said already.
package schema

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// Draft and ID of the schema file.
const (
	Draft = "https://json-schema.org/draft/2020-12/schema"
	ID    = "https://raw.githubusercontent.com/LerianStudio/midaz-infra/main/schema/midaz.infra.schema.json"
)

// Assemble returns the JSON schema of a whole spec file, from the tables of
// the kinds. Typed values may also be ${VARIABLE} references, since editors see
// the file before they are substituted.
func Assemble(kinds []resources.Kind) resources.Schema {
	root := &place{}
	for _, k := range kinds {
		if t := k.Table(); t.Section != "" {
			root.put(t, strings.Split(t.Section, "/"))
		}
	}
	props := resources.Schema{"version": versionSchema(), "stack": stackSchema(), "variables": variablesSchema(), "moved": movedSchema(),
		"drift": driftSchema(), "policy": policySchema()}
	for name, child := range root.below {
		props[name] = child.section(name)
	}
	return resources.Schema{
		"$schema": Draft,
		"$id":     ID,
		"title":   "midaz.infra.yaml",
		"description": "A stack: Docker networks, volumes, services and one-shot jobs, and the topology of its RabbitMQ broker. " +
			"${NAME}, ${NAME:-default} and ${NAME:?message} take the values of variables; $$ is a dollar sign. " +
			"null, or nothing after a key that may be left out, is as if the key were not there.",
		"type":                 "object",
		"required":             []any{"version", "stack"},
		"properties":           props,
		"patternProperties":    extensions(),
		"additionalProperties": false,
	}
}

// Encode returns the schema as indented JSON with sorted keys and a newline at
// the end: equal schemas give equal bytes.
func Encode(s resources.Schema) []byte {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(s); err != nil {
		// A table held a value that JSON cannot: only a mistake in a kind can.
		panic("schema: " + err.Error())
	}
	return out.Bytes()
}

// place is where sections meet: "rabbitmq", "rabbitmq/vhosts", ...
type place struct {
	tables []*resources.Table
	below  map[string]*place
}

func (p *place) put(t *resources.Table, path []string) {
	if len(path) == 0 {
		p.tables = append(p.tables, t)
		return
	}
	if p.below == nil {
		p.below = map[string]*place{}
	}
	next := p.below[path[0]]
	if next == nil {
		next = &place{}
		p.below[path[0]] = next
	}
	next.put(t, path[1:])
}

// section returns the schema of the property name, whose value the place is.
func (p *place) section(name string) resources.Schema {
	var standard any
	switch {
	case p.below["*"] != nil:
		standard = resources.Schema{}
	case p.below["-"] != nil:
		standard = []any{}
	}
	return property(p.schema(name), standard, p.example())
}

// example returns one in YAML: that of the first kind that stands there.
func (p *place) example() string {
	switch {
	case len(p.tables) > 0:
		return p.tables[0].Example
	case p.below["*"] != nil:
		return p.below["*"].example()
	case p.below["-"] != nil:
		return p.below["-"].example()
	}
	return ""
}

// property gives a schema what editors show of every property: the value that
// is as if it were not there, and an example in YAML.
func property(s resources.Schema, standard any, example string) resources.Schema {
	s = resources.OrNull(s)
	s["default"] = standard
	if v, err := specs.ParseValue(example); err == nil && example != "" {
		s["examples"] = []any{v}
	}
	return s
}

// optional is the property of a key that may be left out, and has no value then.
func optional(s resources.Schema) resources.Schema {
	s = resources.OrNull(s)
	s["default"] = nil
	return s
}

// schema returns the schema of the place that is written under the key name.
func (p *place) schema(name string) resources.Schema {
	if each := p.below["*"]; each != nil {
		s := resources.Schema{
			"type":                 []any{"object", "null"},
			"description":          "By name: " + each.doc(name),
			"additionalProperties": each.schema(name),
		}
		if names := each.names(); names != nil {
			s["propertyNames"] = resources.Schema{"pattern": names.Expr.String()}
		}
		return s
	}
	if item := p.below["-"]; item != nil {
		return resources.Schema{
			"type":        []any{"array", "null"},
			"description": "A list: " + item.doc(name),
			"items":       item.schema(name),
		}
	}
	s := resources.Schema{
		"type": []any{"object", "null"}, "description": p.doc(name),
		"properties": resources.Schema{}, "patternProperties": extensions(), "additionalProperties": false,
	}
	for i, t := range p.tables {
		if i == 0 {
			s = t.Schema()
			continue
		}
		maps.Copy(properties(s), properties(t.Schema()))
	}
	for _, key := range slices.Sorted(maps.Keys(p.below)) {
		properties(s)[key] = p.below[key].section(key)
	}
	return s
}

func (p *place) doc(name string) string {
	if len(p.tables) > 0 && p.tables[0].Doc != "" {
		return p.tables[0].Doc
	}
	return "The section " + name + "."
}

func (p *place) names() *resources.Names {
	if len(p.tables) == 0 {
		return nil
	}
	return p.tables[0].Names
}

func properties(s resources.Schema) resources.Schema {
	props, _ := s["properties"].(resources.Schema)
	return props
}

func extensions() resources.Schema {
	return resources.Schema{"^x-": resources.Schema{"description": "An extension: anchors live here; midaz does not read it."}}
}

func driftSchema() resources.Schema {
	s := property(resources.Drift.Schema(), resources.Schema{},
		`{ignore: [{address: service/api, field: cpus, reason: "the autoscaler sets it", until: "2026-12-31"}]}`)
	s["description"] = "How drift is looked at: what someone changed outside and is let be."
	return s
}

func policySchema() resources.Schema {
	s := property(resources.Policy.Schema(), resources.Schema{},
		`{no-volume-goes: {deny: 'change.type == "volume" && "delete" in change.change.actions', message: volumes stay}}`)
	s["description"] = "By name: rules that a plan is held against before it is applied. Variables are not substituted in them."
	return s
}

func versionSchema() resources.Schema {
	return resources.Schema{
		"description": "The version of this format.",
		"enum":        []any{Version, 1},
		"default":     Version,
		"examples":    []any{Version},
	}
}

func stackSchema() resources.Schema {
	return resources.Schema{
		"description": "The name of the stack. Containers are called STACK-SERVICE, networks and volumes STACK_KEY, unless they have names of " +
			"their own.",
		"type":     "string",
		"pattern":  stackName.String() + `|\$\{?[A-Za-z_]`,
		"examples": []any{"midaz"},
	}
}

func movedSchema() resources.Schema {
	address := func(doc, example string) resources.Schema {
		return resources.Schema{"description": doc, "type": "string", "examples": []any{example}}
	}
	return property(resources.Schema{
		"description": "What was declared under another address before: it goes on under the new one, with its data, instead of being made anew.",
		"type":        []any{"array", "null"},
		"items": resources.Schema{
			"type": "object",
			"properties": resources.Schema{
				"from": address("The address it had: that of a volume, network, service or job that is no longer declared.", "volume/data"),
				"to":   address("The address it has now.", "volume/postgres-data"),
			},
			"required":             []any{"from", "to"},
			"patternProperties":    extensions(),
			"additionalProperties": false,
		},
	}, []any{}, "[{from: volume/data, to: volume/postgres-data}]")
}

func variablesSchema() resources.Schema {
	types := make([]any, 0, len(specs.VariableTypes))
	for _, t := range specs.VariableTypes {
		types = append(types, t.Name)
	}
	scalar := []any{"string", "number", "boolean"}
	props := resources.Schema{
		"type": resources.Schema{
			"description": "What values the variable takes. A value that does not fit is an error that names where it came from.",
			"enum":        types, "default": "string", "examples": []any{"port"},
		},
		"default": optional(resources.Schema{
			"description": "The value when nothing else sets one. Without it, a variable that is used and nowhere set is an error. It is taken " +
				"literally.",
			"type": scalar, "examples": []any{5432},
		}),
		"description": optional(resources.Schema{
			"description": "What the variable is for. `midaz env` writes it above the value.",
			"type":        "string", "examples": []any{"PostgreSQL: port of the primary"},
		}),
		"sensitive": resources.Schema{
			"description": "The value never appears in any output, log, label, plan file, error or command line, only that it changed.",
			"type":        "boolean", "default": false, "examples": []any{true},
		},
		"enum": optional(resources.Schema{
			"description": "The only values allowed.",
			"type":        "array", "minItems": 1, "items": resources.Schema{"type": scalar}, "examples": []any{[]any{"debug", "info"}},
		}),
		"pattern": optional(resources.Schema{
			"description": "A regular expression (RE2) that the value must match; begin with ^ and end with $ to match all of it.",
			"type":        "string", "examples": []any{"^[a-z]+$"},
		}),
	}
	return property(resources.Schema{
		"description": "By name: what may be written as ${NAME}. Values come, strongest first, from -var, -var-file and --env-file, the " +
			"environment (MIDAZ_VAR_NAME, then NAME), .env beside the spec, and the default.",
		"type":          []any{"object", "null"},
		"propertyNames": resources.Schema{"pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
		"additionalProperties": resources.Schema{
			"type":                 []any{"object", "null"},
			"description":          "A variable.",
			"properties":           props,
			"patternProperties":    extensions(),
			"additionalProperties": false,
		},
	}, resources.Schema{}, "{DB_PORT: {type: port, default: 5701, description: 'PostgreSQL: port of the primary'}, DB_PASSWORD: "+
		"{sensitive: true}}")
}
