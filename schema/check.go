package schema

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// Check validates the spec against the schema, as an editor would: values that
// variables were substituted into are checked as they stand in the file, so no
// value of a variable is ever looked at. What decoding reported already is
// repeated here; Merge drops it.
func Check(s resources.Schema, root specs.Node) specs.Problems {
	compiled, err := compile(s)
	if err != nil {
		return specs.Problems{resources.RuleShape.At(specs.Pos{}, "the schema itself is not valid; this is a bug in midaz: "+err.Error(), "")}
	}
	err = compiled.Validate(root.Written())
	if err == nil {
		return nil
	}
	var violation *jsonschema.ValidationError
	if !errors.As(err, &violation) {
		return specs.Problems{resources.RuleShape.At(root.Pos(), "the spec cannot be checked: "+err.Error(), "")}
	}
	c := &checker{schema: s, root: root}
	c.explain(violation)
	return c.problems.Sorted()
}

func compile(s resources.Schema) (*jsonschema.Schema, error) {
	c := jsonschema.NewCompiler()
	c.Draft = jsonschema.Draft2020
	c.LoadURL = func(url string) (io.ReadCloser, error) { return nil, fmt.Errorf("no other schema is read: %s", url) }
	if err := c.AddResource(ID, bytes.NewReader(Encode(s))); err != nil {
		return nil, err
	}
	return c.Compile(ID)
}

// checker turns violations into problems with positions and words.
type checker struct {
	schema   resources.Schema
	root     specs.Node
	problems specs.Problems
}

func (c *checker) report(p *specs.Problem) { c.problems = append(c.problems, p) }

// explain reports the leaves of a violation. Where a value may have one of
// several forms, only the form that was meant is spoken of.
func (c *checker) explain(v *jsonschema.ValidationError) {
	keyword := lastPart(v.KeywordLocation)
	switch {
	case keyword == "oneOf" || keyword == "anyOf":
		c.explainForms(v)
	case len(v.Causes) > 0:
		for _, cause := range v.Causes {
			c.explain(cause)
		}
	default:
		c.explainLeaf(v, keyword)
	}
}

// explainForms picks the form whose shape fits the value and that failed
// deeper inside; with none or several, it names what is expected.
func (c *checker) explainForms(v *jsonschema.ValidationError) {
	var meant []*jsonschema.ValidationError
	for _, cause := range v.Causes {
		if deepest(cause) > depth(v.InstanceLocation) || failsInside(cause) {
			meant = append(meant, cause)
		}
	}
	if len(meant) == 1 {
		c.explain(meant[0])
		return
	}
	node := c.root.At(pointer(v.InstanceLocation))
	forms, _ := c.at(v.KeywordLocation).([]any)
	want := Expected(resources.Schema{"anyOf": forms})
	c.report(resources.RuleShape.At(node.Pos(), "expected "+want+", found "+found(node), ""))
}

// failsInside reports whether the value had the form's type and failed in what
// it holds: a key too many or one too few.
func failsInside(v *jsonschema.ValidationError) bool {
	if len(v.Causes) == 0 {
		keyword := lastPart(v.KeywordLocation)
		return keyword == "additionalProperties" || keyword == "required"
	}
	return slices.ContainsFunc(v.Causes, failsInside)
}

func (c *checker) explainLeaf(v *jsonschema.ValidationError, keyword string) {
	at := pointer(v.InstanceLocation)
	node := c.root.At(at)
	parent, _ := c.at(strings.TrimSuffix(v.KeywordLocation, "/"+keyword)).(resources.Schema)
	switch keyword {
	case "additionalProperties":
		c.unknownKeys(node, at, parent)
	case "required":
		c.missingKeys(node, at, parent)
	case "type":
		c.report(resources.RuleShape.At(node.Pos(), "expected "+Expected(parent)+", found "+found(node), ""))
	case "pattern":
		if strings.Contains(v.KeywordLocation, "/propertyNames/") {
			c.report(resources.RuleValue.At(c.root.KeyPos(at), "this name is not well formed", ""))
			return
		}
		c.report(resources.RuleValue.At(node.Pos(), "the text is not of the form that this field takes", formHint(parent)))
	case "minItems", "maxItems", "minProperties", "maxProperties":
		c.report(resources.RuleValue.At(node.Pos(), "the number of entries is not allowed here", ""))
	default:
		c.report(resources.RuleValue.At(node.Pos(), "expected "+Expected(parent)+", found "+found(node), ""))
	}
}

func formHint(s resources.Schema) string {
	if examples, ok := s["examples"].([]any); ok && len(examples) > 0 {
		return fmt.Sprintf("for example: %v", examples[0])
	}
	return ""
}

// unknownKeys reports each key that the schema does not know. The validator
// names them only in its text.
func (c *checker) unknownKeys(node specs.Node, at string, s resources.Schema) {
	props, patterns := properties(s), keyPatterns(s)
	for _, e := range node.Entries() {
		if _, ok := props[e.Key]; ok || slices.ContainsFunc(patterns, func(p *regexp.Regexp) bool { return p.MatchString(e.Key) }) {
			continue
		}
		where := ""
		if at != "" {
			where = " in " + strings.TrimPrefix(at, "/")
		}
		c.report(resources.RuleUnknownKey.At(e.KeyPos, fmt.Sprintf("unknown key %q%s", e.Key, where),
			specs.DidYouMean(e.Key, slices.Collect(maps.Keys(props)))))
	}
}

func keyPatterns(s resources.Schema) []*regexp.Regexp {
	patterns, _ := s["patternProperties"].(resources.Schema)
	var out []*regexp.Regexp
	for p := range patterns {
		if expr, err := regexp.Compile(p); err == nil {
			out = append(out, expr)
		}
	}
	return out
}

func (c *checker) missingKeys(node specs.Node, at string, s resources.Schema) {
	required, _ := s["required"].([]any)
	for _, r := range required {
		key, _ := r.(string)
		if _, ok := node.Entry(key); ok {
			continue
		}
		hint := ""
		if p, ok := properties(s)[key].(resources.Schema); ok {
			hint, _ = p["description"].(string)
		}
		c.report(resources.RuleRequired.At(node.Pos(), fmt.Sprintf("%q is missing", key), hint))
	}
}

// at returns the part of the schema at a keyword location, nil when there is
// none.
func (c *checker) at(location string) any {
	var here any = c.schema
	if location == "" { // the schema of the whole
		return here
	}
	for _, part := range strings.Split(strings.TrimPrefix(location, "/"), "/") {
		switch s := here.(type) {
		case resources.Schema:
			here = s[unescape(part)]
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(s) {
				return nil
			}
			here = s[i]
		default:
			return nil
		}
	}
	return here
}

// pointer turns the validator's location, whose parts are percent-escaped,
// into a JSON pointer.
func pointer(location string) string {
	parts := strings.Split(location, "/")
	for i, p := range parts {
		if plain, err := url.PathUnescape(p); err == nil {
			parts[i] = plain
		}
	}
	return strings.Join(parts, "/")
}

// unescape returns the key that a part of a location stands for.
func unescape(part string) string {
	if plain, err := url.PathUnescape(part); err == nil {
		part = plain
	}
	return strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~")
}

func lastPart(location string) string { return location[strings.LastIndex(location, "/")+1:] }

func depth(location string) int { return strings.Count(location, "/") }

func deepest(v *jsonschema.ValidationError) int {
	d := depth(v.InstanceLocation)
	for _, cause := range v.Causes {
		d = max(d, deepest(cause))
	}
	return d
}
