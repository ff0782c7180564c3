package resources

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/google/shlex"

	"github.com/LerianStudio/midaz-infra/specs"
)

// Schema is a JSON schema, or a part of one.
type Schema = map[string]any

// Type is the shape of a field: how it may be written, and what its canonical
// value is. Decode reports every problem it finds and returns false when there
// was an error; of a list or a map it then returns what is right in it, or nil.
// Numbers and booleans may be written as texts, because
// variables are texts.
type Type interface {
	Schema() Schema
	Decode(n specs.Node, report Report) (Value, bool)
}

// reference is the pattern of a text that holds a ${VARIABLE}; typed fields
// allow it in the schema, since editors see the file before interpolation.
const reference = `\$\{?[A-Za-z_]`

func orReference(s Schema) Schema {
	return Schema{"anyOf": []any{s, Schema{"type": "string", "pattern": reference}}}
}

func wrongShape(n specs.Node, want string, report Report) (Value, bool) {
	report(RuleShape.At(n.Pos(), "expected "+want+", found "+n.Kind().String(), ""))
	return nil, false
}

func wrongValue(n specs.Node, want string, report Report) (Value, bool) {
	found := strconv.Quote(n.Text())
	if n.Sensitive() {
		found = "a sensitive value"
	}
	report(RuleValue.At(n.Pos(), "expected "+want+", found "+found, ""))
	return nil, false
}

// texted returns text as a string, or as a Secret when the node is sensitive.
func texted(n specs.Node, text string) Value {
	if n.Sensitive() {
		return NewSecret(text)
	}
	return text
}

// String is any text. Numbers and booleans are taken as written.
func String() Type { return stringType{} }

// Pattern is a text that matches the regular expression; what describes it for
// people ("a network name").
func Pattern(what, expr string) Type {
	return stringType{what: what, expr: regexp.MustCompile(expr)}
}

type stringType struct {
	what string
	expr *regexp.Regexp
}

func (t stringType) Schema() Schema {
	if t.expr != nil {
		return Schema{"anyOf": []any{Schema{"type": []any{"string", "number", "boolean"}, "pattern": t.expr.String()},
			Schema{"type": "string", "pattern": reference}}}
	}
	return Schema{"type": []any{"string", "number", "boolean"}}
}

func (t stringType) Decode(n specs.Node, report Report) (Value, bool) {
	if !n.IsScalar() {
		return wrongShape(n, cmpOr(t.what, "a string"), report)
	}
	if t.expr != nil && !t.expr.MatchString(n.Text()) {
		return wrongValue(n, t.what, report)
	}
	return texted(n, n.Text()), true
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// Checked is a text that check accepts and may rewrite to its canonical form.
// check's error says what is wrong, without the text itself.
func Checked(what string, check func(string) (string, error)) Type { return checkedType{what, check} }

type checkedType struct {
	what  string
	check func(string) (string, error)
}

func (t checkedType) Schema() Schema { return Schema{"type": []any{"string", "number"}} }

func (t checkedType) Decode(n specs.Node, report Report) (Value, bool) {
	if !n.IsScalar() {
		return wrongShape(n, t.what, report)
	}
	text, err := t.check(n.Text())
	if err != nil {
		report(RuleValue.At(n.Pos(), "expected "+t.what+": "+err.Error(), ""))
		return nil, false
	}
	return texted(n, text), true
}

// Bool is true or false.
func Bool() Type { return boolType{} }

type boolType struct{}

// Schema also allows YAML's older words, which are texts in YAML 1.2, as Compose
// does.
func (boolType) Schema() Schema {
	const words = `^([Tt]rue|TRUE|[Ff]alse|FALSE|[Yy]es|YES|[Nn]o|NO|[Oo]n|ON|[Oo]ff|OFF|[YyNn])$|`
	return Schema{"anyOf": []any{Schema{"type": "boolean"}, Schema{"type": "string", "pattern": words + reference}}}
}

func (boolType) Decode(n specs.Node, report Report) (Value, bool) {
	if !n.IsScalar() {
		return wrongShape(n, "true or false", report)
	}
	switch strings.ToLower(n.Text()) {
	case "true", "yes", "on", "y":
		return true, true
	case "false", "no", "off", "n":
		return false, true
	}
	return wrongValue(n, "true or false", report)
}

// Int is an integer from lo to hi.
func Int(lo, hi int64) Type { return intType{lo, hi} }

type intType struct{ lo, hi int64 }

func (t intType) Schema() Schema {
	s := Schema{"type": "integer"}
	if t.lo != math.MinInt64 {
		s["minimum"] = t.lo
	}
	if t.hi != math.MaxInt64 {
		s["maximum"] = t.hi
	}
	return Schema{"anyOf": []any{s, Schema{"type": "string", "pattern": `^-?[0-9]+$|` + reference}}}
}

func (t intType) Decode(n specs.Node, report Report) (Value, bool) {
	if !n.IsScalar() {
		return wrongShape(n, t.want(), report)
	}
	i, err := strconv.ParseInt(strings.TrimSpace(n.Text()), 0, 64)
	if err != nil || i < t.lo || i > t.hi {
		return wrongValue(n, t.want(), report)
	}
	return i, true
}

func (t intType) want() string {
	switch {
	case t.lo == math.MinInt64 && t.hi == math.MaxInt64:
		return "an integer"
	case t.hi == math.MaxInt64:
		return fmt.Sprintf("an integer of at least %d", t.lo)
	case t.lo == math.MinInt64:
		return fmt.Sprintf("an integer of at most %d", t.hi)
	default:
		return fmt.Sprintf("an integer from %d to %d", t.lo, t.hi)
	}
}

// Float is a number of at least lo.
func Float(lo float64) Type { return floatType{lo} }

type floatType struct{ lo float64 }

func (t floatType) Schema() Schema { return orReference(Schema{"type": []any{"number", "string"}}) }

func (t floatType) Decode(n specs.Node, report Report) (Value, bool) {
	want := fmt.Sprintf("a number of at least %g", t.lo)
	if !n.IsScalar() {
		return wrongShape(n, want, report)
	}
	f, err := strconv.ParseFloat(strings.TrimSpace(n.Text()), 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) || f < t.lo {
		return wrongValue(n, want, report)
	}
	return f, true
}

// Duration is a time such as "10s" or "1m30s", with units us, ms, s, m, h. A
// bare number is refused, since Compose has no unit for it either. The
// canonical value is what ShowDuration returns.
func Duration() Type { return durationType{} }

type durationType struct{}

func (durationType) Schema() Schema {
	return Schema{"type": []any{"string", "integer"}, "pattern": `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$|^0$|` + reference}
}

func (durationType) Decode(n specs.Node, report Report) (Value, bool) {
	const want = "a duration such as 10s or 1m30s"
	if !n.IsScalar() {
		return wrongShape(n, want, report)
	}
	d, err := time.ParseDuration(strings.TrimSpace(n.Text()))
	if err != nil || d < 0 {
		return wrongValue(n, want, report)
	}
	return ShowDuration(d), true
}

// ShowDuration returns the canonical text: "0s", "250ms", "10s", "1m30s",
// "2h0m1s" without zero parts at the end ("1m", not "1m0s").
func ShowDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// ParseDuration reads a canonical duration; anything else is 0.
func ParseDuration(v Value) time.Duration {
	d, _ := time.ParseDuration(Text(v))
	return d
}

// Bytes is a size such as "512m", "1g" or a plain number of bytes; units are
// binary, as Docker reads them. The canonical value is what ShowBytes returns.
func Bytes() Type { return bytesType{} }

type bytesType struct{}

func (bytesType) Schema() Schema {
	return Schema{"type": []any{"string", "integer"}, "pattern": `^-1$|^[0-9]+(\.[0-9]+)? ?([bBkKmMgGtTpP][iI]?[bB]?)?$|` + reference}
}

func (bytesType) Decode(n specs.Node, report Report) (Value, bool) {
	const want = "a size such as 512m or 1g"
	if !n.IsScalar() {
		return wrongShape(n, want, report)
	}
	text := strings.TrimSpace(n.Text())
	if text == "-1" {
		return "-1", true
	}
	b, err := units.RAMInBytes(text)
	if err != nil || b < 0 {
		return wrongValue(n, want, report)
	}
	return ShowBytes(b), true
}

// ShowBytes returns the canonical text of a size: the largest binary unit that
// divides it ("512m", "1g"), else plain bytes ("1000"). -1 stays "-1".
func ShowBytes(b int64) string {
	for _, u := range []struct {
		name string
		size int64
	}{{"t", units.TiB}, {"g", units.GiB}, {"m", units.MiB}, {"k", units.KiB}} {
		if b > 0 && b%u.size == 0 {
			return strconv.FormatInt(b/u.size, 10) + u.name
		}
	}
	return strconv.FormatInt(b, 10)
}

// ParseBytes reads a canonical size; anything else is 0.
func ParseBytes(v Value) int64 {
	text := Text(v)
	if text == "-1" {
		return -1
	}
	b, err := units.RAMInBytes(text)
	if err != nil {
		return 0
	}
	return b
}

// Enum is one of a few words.
func Enum(words ...string) Type { return enumType(words) }

type enumType []string

func (t enumType) Schema() Schema {
	all := make([]any, len(t))
	for i, w := range t {
		all[i] = w
	}
	return orReference(Schema{"enum": all})
}

func (t enumType) Decode(n specs.Node, report Report) (Value, bool) {
	words := slices.Clone(t)
	for i, w := range words {
		if w == "" {
			words[i] = `""`
		}
	}
	want := "one of " + strings.Join(words, ", ")
	if !n.IsScalar() {
		return wrongShape(n, want, report)
	}
	if !slices.Contains(t, n.Text()) {
		return wrongValue(n, want, report)
	}
	return n.Text(), true
}

// Argv is a command: a list of arguments, or one text split as a POSIX shell
// splits words. The canonical value is a list.
func Argv() Type { return argvType{} }

type argvType struct{}

func (argvType) Schema() Schema {
	return Schema{"oneOf": []any{Schema{"type": "string"},
		Schema{"type": "array", "items": Schema{"type": []any{"string", "number", "boolean"}}}}}
}

func (argvType) Decode(n specs.Node, report Report) (Value, bool) {
	if n.Kind() == specs.List {
		return List(String()).Decode(n, report)
	}
	if !n.IsScalar() {
		return wrongShape(n, "a list of arguments or a string", report)
	}
	words, err := shlex.Split(n.Text())
	if err != nil {
		report(RuleValue.At(n.Pos(), "the command is not well quoted", "write it as a list of arguments"))
		return nil, false
	}
	out := make([]any, len(words))
	for i, w := range words {
		out[i] = texted(n, w)
	}
	return out, true
}

// List is an ordered list.
func List(elem Type) Type { return listType{elem: elem} }

// Set is a list whose order has no meaning. The canonical value is sorted and
// without repetitions.
func Set(elem Type) Type { return listType{elem: elem, set: true} }

// OneOrMore is a List that may be written as a single value without brackets.
func OneOrMore(elem Type) Type { return listType{elem: elem, single: true} }

// SetOrOne is a Set that may be written as a single value without brackets.
func SetOrOne(elem Type) Type { return listType{elem: elem, set: true, single: true} }

type listType struct {
	elem        Type
	set, single bool
}

func (t listType) Schema() Schema {
	s := Schema{"type": "array", "items": t.elem.Schema()}
	if t.single {
		return Schema{"anyOf": []any{s, t.elem.Schema()}}
	}
	return s
}

func (t listType) Decode(n specs.Node, report Report) (Value, bool) {
	if t.single && n.Kind() != specs.List {
		v, ok := t.elem.Decode(n, report)
		if !ok {
			return nil, false
		}
		return []any{v}, true
	}
	if n.Kind() != specs.List {
		return wrongShape(n, "a list", report)
	}
	out, good := make([]any, 0, len(n.Items())), true
	for _, item := range n.Items() {
		v, ok := t.elem.Decode(item, report)
		if !ok {
			good = false
			continue
		}
		out = append(out, v)
	}
	if t.set {
		out = SortSet(out)
	}
	return out, good
}

// SortSet returns the list sorted and without repetitions: the canonical form
// of a Set. Secrets are compared by their text and stay secrets.
func SortSet(list []any) []any {
	out := slices.Clone(list)
	key := func(v any) string {
		if s, ok := v.(Secret); ok {
			return strconv.Quote(s.Reveal())
		}
		return string(Canonical(v))
	}
	slices.SortFunc(out, func(a, b any) int { return strings.Compare(key(a), key(b)) })
	return slices.CompactFunc(out, Equal)
}

// MapOf is a map from any key to values of one type.
func MapOf(elem Type) Type { return mapType{elem: elem} }

// Pairs is a map of texts that may also be written as a list of "KEY=value",
// as Compose does for environment, labels and sysctls.
func Pairs() Type { return mapType{elem: String(), pairs: true} }

// Labels are Pairs of which one in a list may be a name alone, which stands for
// an empty text.
func Labels() Type { return mapType{elem: String(), pairs: true, names: true} }

type mapType struct {
	elem         Type
	pairs, names bool
}

func (t mapType) Schema() Schema {
	s := Schema{"type": "object", "additionalProperties": t.elem.Schema()}
	if t.pairs {
		item := Schema{"type": "string", "pattern": "^[^=]+=|" + reference}
		if t.names {
			item["pattern"] = "^[^=]"
		}
		return Schema{"oneOf": []any{s, Schema{"type": "array", "items": item}}}
	}
	return s
}

func (t mapType) Decode(n specs.Node, report Report) (Value, bool) {
	out, good := map[string]any{}, true
	switch {
	case n.Kind() == specs.Map:
		for _, e := range n.Entries() {
			v, ok := t.elem.Decode(e.Value, report)
			if !ok {
				good = false
				continue
			}
			out[e.Key] = v
		}
	case n.Kind() == specs.List && t.pairs:
		for _, item := range n.Items() {
			key, text, ok := strings.Cut(item.Text(), "=")
			if !item.IsScalar() || !ok && !t.names || key == "" {
				_, good = wrongValue(item, "KEY=value", report)
				continue
			}
			if !CheckPairName(item, report) {
				good = false
				continue
			}
			out[key] = texted(item, text)
		}
	case n.Kind() == specs.Null:
		return out, true
	case t.pairs:
		return wrongShape(n, "a map, or a list of KEY=value", report)
	default:
		return wrongShape(n, "a map", report)
	}
	return out, good
}

// Object is a map with known keys: a table inside a field. Short, when set,
// reads the one-line form into the same values; its error says what is wrong
// without repeating the text.
type Object struct {
	What   string // for people: "a port"
	Fields []Field
	Short  func(text string) (map[string]any, error)
	// ShortDoc is the pattern of the one-line form for people: "HOST:CONTAINER".
	ShortDoc string
	// Finish checks the whole and fills in what follows from other keys.
	Finish func(v map[string]any) error
	// NullOK allows the key to stand with nothing after it.
	NullOK bool
	// Refused are keys people may expect, as in Table.
	Refused map[string]string
}

// Schema returns the closed schema of the object and of its one-line form.
func (o Object) Schema() Schema {
	t := Table{Fields: o.Fields, NullOK: o.NullOK}
	s := t.Schema()
	delete(s, "description")
	if o.Short == nil {
		return s
	}
	return Schema{"oneOf": []any{Schema{"type": []any{"string", "number"}, "description": o.ShortDoc}, s}}
}

// Decode returns map[string]any with the declared keys.
func (o Object) Decode(n specs.Node, report Report) (Value, bool) {
	var v map[string]any
	switch {
	case n.IsScalar() && o.Short != nil:
		short, err := o.Short(n.Text())
		if err != nil {
			report(RuleValue.At(n.Pos(), "expected "+o.What+" written "+o.ShortDoc+": "+err.Error(), ""))
			return nil, false
		}
		v = short
		if n.Sensitive() {
			v, _ = SealAll(v).(map[string]any)
		}
	case n.Kind() == specs.Map || n.Kind() == specs.Null && o.NullOK:
		bad := false
		t := Table{Kind: o.What, Fields: o.Fields, NullOK: o.NullOK, Refused: o.Refused}
		v = t.Decode(n, func(p *specs.Problem) {
			bad = bad || p.Severity() == specs.Error
			report(p)
		})
		if bad {
			return map[string]any(v), false
		}
	case o.Short != nil:
		return wrongShape(n, o.What+", as a map or as "+o.ShortDoc, report)
	default:
		return wrongShape(n, o.What+" as a map", report)
	}
	if o.Finish != nil {
		if err := o.Finish(v); err != nil {
			report(RuleValue.At(n.Pos(), o.What+": "+err.Error(), ""))
			return nil, false
		}
	}
	return map[string]any(v), true
}

// Keyed is a list of objects of which each stands for something of its own: a
// port, a mount. The canonical value is a map by that something, so that a
// diff names it. With Names, a map from name to object may be written instead
// of a list, the name being put into the field called Names; a list of texts
// then gives objects with only that field.
type Keyed struct {
	Elem  Object
	Key   func(v map[string]any) string
	Names string
	// Expand, when set, turns one written item into several (port ranges).
	Expand func(v map[string]any) ([]map[string]any, error)
}

// Schema returns the schema of both forms.
func (k Keyed) Schema() Schema {
	list := Schema{"type": "array", "items": k.Elem.Schema()}
	if k.Names == "" {
		return list
	}
	o := k.Elem
	o.NullOK = true
	return Schema{"oneOf": []any{list, Schema{"type": "object", "additionalProperties": o.Schema()}}}
}

// Decode returns map[string]any of map[string]any.
func (k Keyed) Decode(n specs.Node, report Report) (Value, bool) {
	out, good := map[string]any{}, true
	add := func(at specs.Node, v map[string]any) {
		key := k.Key(v)
		if _, twice := out[key]; twice {
			report(RuleDuplicateItem.At(at.Pos(), k.Elem.What+" "+strconv.Quote(key)+" is written twice", "remove one of the two"))
			good = false
			return
		}
		out[key] = v
	}
	each := func(at specs.Node, v map[string]any) {
		if k.Expand == nil {
			add(at, v)
			return
		}
		all, err := k.Expand(v)
		if err != nil {
			report(RuleValue.At(at.Pos(), k.Elem.What+": "+err.Error(), ""))
			good = false
		}
		for _, one := range all {
			add(at, one)
		}
	}
	switch {
	case n.Kind() == specs.List:
		for _, item := range n.Items() {
			if k.Names != "" && item.IsScalar() && k.Elem.Short == nil {
				each(item, map[string]any{k.Names: texted(item, item.Text())})
				continue
			}
			v, ok := k.Elem.Decode(item, report)
			if !ok {
				good = false
				continue
			}
			each(item, v.(map[string]any))
		}
	case n.Kind() == specs.Map && k.Names != "":
		o := k.Elem
		o.NullOK, o.Finish = true, nil
		for _, e := range n.Entries() {
			v, ok := o.Decode(e.Value, report)
			if !ok {
				good = false
				continue
			}
			m := maps.Clone(v.(map[string]any))
			m[k.Names] = e.Key
			if k.Elem.Finish != nil {
				if err := k.Elem.Finish(m); err != nil {
					report(RuleValue.At(e.KeyPos, k.Elem.What+": "+err.Error(), ""))
					good = false
					continue
				}
			}
			each(e.Value, m)
		}
	case n.Kind() == specs.Null:
	case k.Names != "":
		return wrongShape(n, "a list or a map", report)
	default:
		return wrongShape(n, "a list", report)
	}
	return out, good
}

// Any is a value of any shape, as JSON has it. Integers and floating numbers
// stay apart; null is refused.
func Any() Type { return anyType{} }

// JSON is Any with nulls inside, which RabbitMQ keeps in its parameters.
func JSON() Type { return anyType{inner: true} }

type anyType struct {
	inner     bool // null may stand inside
	mayBeNull bool // at this place
}

func (anyType) Schema() Schema { return Schema{} }

func (t anyType) Decode(n specs.Node, report Report) (Value, bool) {
	if t.mayBeNull && n.Kind() == specs.Null {
		return nil, true
	}
	t.mayBeNull = t.inner
	switch n.Kind() {
	case specs.String:
		return texted(n, n.Text()), true
	case specs.Int, specs.Float, specs.Bool:
		return Normalize(n.JSON()), true
	case specs.List:
		return List(t).Decode(n, report)
	case specs.Map:
		return MapOf(t).Decode(n, report)
	default:
		return wrongShape(n, "a value", report)
	}
}
