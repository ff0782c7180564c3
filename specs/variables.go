package specs

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"
)

// variable is a declaration and the value it got.
type variable struct {
	Variable
	value      value
	defaultPos Pos
	pattern    *regexp.Regexp
	bad        bool // the value is not allowed
}

// VariableTypes are the types a variable can have, with what their values look
// like.
var VariableTypes = []struct{ Name, Want string }{
	{"string", "a text"},
	{"int", "an integer"},
	{"number", "a number"},
	{"bool", "true or false"},
	{"port", "a port from 1 to 65535"},
	{"duration", "a duration such as 10s or 1m30s"},
	{"bytes", "a size such as 512m or 1g"},
}

var variableKeys = []string{"type", "default", "description", "sensitive", "enum", "pattern"}

func typeNames() []string {
	names := make([]string, len(VariableTypes))
	for i, t := range VariableTypes {
		names[i] = t.Name
	}
	return names
}

// declare reads the `variables` section and finds a value for each.
func (l *loader) declare(section Node) {
	switch section.Kind() {
	case Absent, Null:
	case Map:
		for _, e := range section.Entries() {
			if v := l.declaration(e); v != nil {
				l.spec.scope.variables[v.Name] = v
				l.giveValue(v)
				l.spec.Variables = append(l.spec.Variables, v.Variable)
			}
		}
	default:
		l.report(RuleVariable.At(section.Pos(), "variables is a map from names to declarations, not "+section.Kind().String(),
			"for example: DB_PORT: { type: port, default: 5701 }"))
	}
	slices.SortFunc(l.spec.Variables, func(a, b Variable) int { return cmp.Compare(a.Name, b.Name) })
}

// declaration reads one entry; nil when its name is of no use.
func (l *loader) declaration(e Entry) *variable {
	v := &variable{Variable: Variable{Name: e.Key, Type: "string", Pos: e.KeyPos}}
	if !isName(e.Key) {
		l.report(RuleVariable.At(e.KeyPos, fmt.Sprintf("%q is not the name of a variable", e.Key),
			"letters, digits and _, not beginning with a digit"))
		return nil
	}
	switch {
	case e.Value.Kind() == Null:
		return v
	case e.Value.Kind() != Map:
		l.report(RuleVariable.At(e.Value.Pos(), "the declaration of "+e.Key+" is a map, not "+e.Value.Kind().String(),
			"write "+e.Key+": { default: ... }"))
		return v
	}
	for _, key := range e.Value.Entries() {
		l.declarationKey(v, key)
	}
	if v.HasDefault {
		l.checkDefault(v)
	}
	return v
}

func (l *loader) declarationKey(v *variable, e Entry) {
	wrong := func(want string) {
		l.report(RuleVariable.At(e.Value.Pos(), fmt.Sprintf("%q of variable %s is %s, not %s", e.Key, v.Name, want, e.Value.Kind()), ""))
	}
	if e.Value.Kind() == Null && slices.Contains([]string{"default", "description", "enum", "pattern"}, e.Key) {
		return // as if it were not there
	}
	switch e.Key {
	case "type":
		if name := e.Value.Text(); slices.Contains(typeNames(), name) {
			v.Type = name
		} else {
			l.report(RuleVariable.At(e.Value.Pos(), fmt.Sprintf("unknown type %q of variable %s", name, v.Name), DidYouMean(name, typeNames())))
		}
	case "default":
		if !e.Value.IsScalar() {
			wrong("a plain value")
			return
		}
		v.HasDefault, v.Default, v.defaultPos = true, e.Value.Text(), e.Value.Pos()
	case "description":
		if !e.Value.IsScalar() {
			wrong("a text")
			return
		}
		v.Description = e.Value.Text()
	case "sensitive":
		if e.Value.Kind() != Bool {
			// In doubt the value is kept secret.
			v.Sensitive = true
			wrong("true or false")
			return
		}
		v.Sensitive = strings.EqualFold(e.Value.Text(), "true")
	case "enum":
		if e.Value.Kind() != List || len(e.Value.Items()) == 0 {
			wrong("a list of values")
			return
		}
		for _, item := range e.Value.Items() {
			if !item.IsScalar() {
				l.report(RuleVariable.At(item.Pos(), "an enum holds plain values, not "+item.Kind().String(), ""))
				continue
			}
			v.Enum = append(v.Enum, item.Text())
		}
	case "pattern":
		if !e.Value.IsScalar() {
			wrong("a regular expression")
			return
		}
		expr, err := regexp.Compile(e.Value.Text())
		if err != nil {
			l.report(RuleVariable.At(e.Value.Pos(), fmt.Sprintf("the pattern of variable %s is not a regular expression: %v", v.Name, err),
				"RE2's syntax is read, as in Go and PromQL"))
			return
		}
		v.Pattern, v.pattern = e.Value.Text(), expr
	default:
		if !strings.HasPrefix(e.Key, "x-") {
			l.report(RuleVariable.At(e.KeyPos, fmt.Sprintf("unknown key %q in variable %s", e.Key, v.Name), DidYouMean(e.Key, variableKeys)))
		}
	}
}

func (l *loader) checkDefault(v *variable) {
	if v.Sensitive && v.Default != "" {
		l.spec.secrets = append(l.spec.secrets, v.Default)
		l.report(RuleSensitiveDefault.At(v.defaultPos, "sensitive variable "+v.Name+" has a default: a secret written in the spec",
			"remove the default and run `midaz env`"))
	}
	if holdsReference(v.Default) {
		l.report(RuleLiteral.At(v.defaultPos, "variables are not substituted in the default of variable "+v.Name,
			"put the reference where the variable is used"))
	}
	if want := v.refuses(v.Default); want != "" {
		l.report(RuleVariableValue.At(v.defaultPos, fmt.Sprintf("the default of variable %s is not %s", v.Name, want), ""))
	}
}

// giveValue finds the variable's value and checks it. One that is not allowed
// leaves the variable without a value.
func (l *loader) giveValue(v *variable) {
	if l.opt.Withhold && v.Sensitive {
		return
	}
	v.value = l.spec.scope.find(v.Name)
	if !v.value.set && v.HasDefault {
		v.value = value{text: v.Default, from: "default", pos: v.defaultPos, set: true}
	}
	if !v.value.set {
		return
	}
	v.Value, v.From = v.value.text, v.value.from
	if v.Sensitive && v.Value != "" {
		l.spec.secrets = append(l.spec.secrets, v.Value)
	}
	want := v.refuses(v.Value)
	if want == "" {
		return
	}
	v.bad = true
	if v.From == "default" {
		return // reported with the declaration
	}
	pos, found := v.value.pos, "found "+strconv.Quote(v.Value)
	if pos.IsZero() {
		pos = v.Pos
	}
	if v.Sensitive {
		found = "and its sensitive value is not"
	}
	l.report(RuleVariableValue.At(pos, fmt.Sprintf("variable %s must be %s, %s (from %s)", v.Name, want, found, v.value.source()), ""))
}

// effective is the value that references get.
func (v *variable) effective() value {
	out := v.value
	out.sensitive = v.Sensitive
	if v.Sensitive && out.text == "" && out.from != "default" {
		out.set = false
	}
	return out
}

// refuses says what a text should be when the declaration does not allow it,
// and "" when it does. An empty text for a sensitive variable is reported
// where it is used.
func (v *variable) refuses(text string) string {
	if v.Sensitive && text == "" {
		return ""
	}
	if !fitsType(v.Type, text) {
		for _, t := range VariableTypes {
			if t.Name == v.Type {
				return t.Want
			}
		}
	}
	if len(v.Enum) > 0 && !slices.Contains(v.Enum, text) {
		if v.Sensitive {
			return "one of its enum"
		}
		return "one of " + strings.Join(v.Enum, ", ")
	}
	if v.pattern != nil && !v.pattern.MatchString(text) {
		return "a text that matches " + v.Pattern
	}
	return ""
}

func fitsType(name, text string) bool {
	switch name {
	case "int":
		_, err := strconv.ParseInt(text, 0, 64)
		return err == nil
	case "number":
		return resolve(text) == Int || resolve(text) == Float
	case "bool":
		return slices.Contains([]string{"true", "false", "yes", "no", "on", "off"}, strings.ToLower(text))
	case "port":
		port, err := strconv.ParseUint(text, 10, 16)
		return err == nil && port > 0
	case "duration":
		d, err := time.ParseDuration(text)
		return err == nil && d >= 0
	case "bytes":
		b, err := units.RAMInBytes(text)
		return err == nil && b >= 0
	default:
		return true
	}
}
