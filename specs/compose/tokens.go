package compose

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/template"

	"github.com/LerianStudio/midaz-infra/specs"
	"github.com/LerianStudio/midaz-infra/specs/draft"
)

// The loader reads a project only with all references resolved: it takes ports
// and mounts apart, casts numbers and merges lists by what stands in them. So
// each reference is given a token that looks like its value, a number for a
// number and a path for a path, and that occurs nowhere else. In what was read
// the tokens become references again.
type tokens struct {
	keep   keep
	lookup func(string) (string, bool)
	text   string              // of the files: tokens do not occur there
	byRef  map[string]string   // reference to token
	refs   map[string]string   // token to reference, as the spec writes it
	values map[string]string   // token to value
	used   map[string]variable // by name
	lost   map[string]bool     // names whose references became values
	next   int
}

// variable is what is known of a variable that is referred to.
type variable struct {
	value      string
	set        bool // it has a value
	hasDefault bool // each reference to it brings its own
	stripped   bool // a secret that stood in a reference was left out
}

// keep says which references stay.
type keep int

const (
	keepAll     keep = iota
	keepNumbers      // but no switches
	keepTexts        // and no numbers
	keepSecrets
)

const tokenPath = "/midazref/"

func newTokens(k keep, lookup func(string) (string, bool), files []string) (*tokens, error) {
	t := &tokens{keep: k, lookup: lookup, byRef: map[string]string{}, refs: map[string]string{}, values: map[string]string{},
		used: map[string]variable{}, lost: map[string]bool{}, next: 50_000}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		t.text += string(text)
	}
	return t, nil
}

// splitText takes a text apart: odd parts are references, even ones are text
// in which "$$" is one dollar sign.
func splitText(text string) []string {
	parts := []string{""}
	for i := 0; i < len(text); i++ {
		last := len(parts) - 1
		if text[i] != '$' || i+1 == len(text) {
			parts[last] += text[i : i+1]
			continue
		}
		rest := text[i+1:]
		switch {
		case rest[0] == '$':
			parts[last] += "$"
			i++
		case rest[0] == '{':
			end := closing(rest)
			if end < 0 {
				parts[last] += "$"
				continue
			}
			parts = append(parts, "$"+rest[:end+1], "")
			i += end + 1
		default:
			name := plainName.FindString(rest)
			if name == "" {
				parts[last] += "$"
				continue
			}
			parts = append(parts, "${"+name+"}", "")
			i += len(name)
		}
	}
	return parts
}

var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*`)

// closing is the index of the brace that closes the first one, -1 for none.
func closing(text string) int {
	depth := 0
	for i, c := range text {
		switch c {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// reference is ${NAME}, ${NAME:-word} and so on.
var reference = regexp.MustCompile(`(?s)^\$\{([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-+?])(.*))?\}$`)

func resolve(text string, lookup func(string) (string, bool)) (string, error) {
	return template.Substitute(text, func(name string) (string, bool) { return lookup(name) })
}

// substitute is what the loader calls for each text. mapping knows the env
// files of included projects.
func (t *tokens) substitute(text string, mapping template.Mapping) (string, error) {
	lookup := func(name string) (string, bool) {
		if v, ok := mapping(name); ok {
			return v, true
		}
		return t.lookup(name)
	}
	parts := splitText(text)
	for i := 1; i < len(parts); i += 2 {
		value, err := resolve(parts[i], lookup)
		if err != nil {
			return "", err
		}
		parts[i] = t.token(parts[i], value, lookup)
	}
	return strings.Join(parts, ""), nil
}

// token returns what stands for a reference while the project is read.
func (t *tokens) token(ref, value string, lookup func(string) (string, bool)) string {
	ref = t.note(ref, value, lookup)
	m := reference.FindStringSubmatch(ref)
	if m == nil {
		return value
	}
	secret := draft.IsSecretName(m[1]) || draft.IsSecretText(value)
	isSwitch := value == "true" || value == "false"
	if t.keep > keepAll && isSwitch || t.keep > keepNumbers && numeric.MatchString(value) || t.keep == keepSecrets && !secret {
		t.lost[m[1]] = true
		return value
	}
	key := ref + "\x00" + value
	if known, ok := t.byRef[key]; ok {
		return known
	}
	var token string
	for token == "" || strings.Contains(t.text, token) {
		t.next++
		token = like(value, t.next)
	}
	t.byRef[key], t.refs[token], t.values[token] = token, ref, value
	return token
}

var (
	numeric  = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?$`)
	duration = regexp.MustCompile(`^([0-9.]+(us|ms|s|m|h))+$`)
	address  = regexp.MustCompile(`^[0-9]{1,3}(\.[0-9]{1,3}){3}$`)
	path     = regexp.MustCompile(`^(/|\./|\.\./|~/)|^(\.|\.\.|~)$`)
)

// like returns the nth token, of the form of the value.
func like(value string, n int) string {
	switch {
	case numeric.MatchString(value):
		return strconv.Itoa(n)
	case duration.MatchString(value):
		return strconv.Itoa(n) + "s"
	case address.MatchString(value):
		return fmt.Sprintf("127.77.%d.%d", n>>8&0xff, n&0xff)
	case path.MatchString(value):
		return tokenPath + strconv.Itoa(n)
	default:
		return fmt.Sprintf("midazref%dx", n)
	}
}

// note remembers the variables of a reference, and returns it as the spec has
// it: a password that stands in it as a default is left out.
func (t *tokens) note(ref, value string, lookup func(string) (string, bool)) string {
	m := reference.FindStringSubmatch(ref)
	if m == nil {
		return ref
	}
	name, op, word := m[1], m[2], m[3]
	own, set := lookup(name)
	v, known := t.used[name]
	v.set = v.set || set
	if set {
		v.value = own
	}
	hasDefault := strings.HasSuffix(op, "-") || strings.HasSuffix(op, "+")
	if strings.HasSuffix(op, "-") && word != "" && !strings.Contains(word, "$") && (draft.IsSecretName(name) || draft.IsSecretText(word)) {
		ref, v.stripped, hasDefault = "${"+name+"}", true, false
		if !set {
			v.value, v.set = value, true
		}
	}
	v.hasDefault = hasDefault && (!known || v.hasDefault)
	t.used[name] = v
	inner := splitText(word)
	for i := 1; i < len(inner); i += 2 {
		text, err := resolve(inner[i], lookup)
		if err == nil {
			t.note(inner[i], text, lookup)
		}
	}
	return ref
}

// anyToken finds what may be a token in a text.
var anyToken = regexp.MustCompile(`/midazref/[0-9]{5}|midazref[0-9]{5}x|127\.77\.[0-9]{1,3}\.[0-9]{1,3}|[0-9]{5}s\b|[0-9]{5}`)

// back turns tokens in a value into references, and dollar signs that stand for
// themselves into two.
func (t *tokens) back(v any) any {
	return specs.MapLeaves(v, func(v any) any {
		switch v := v.(type) {
		case string:
			return anyToken.ReplaceAllStringFunc(draft.Literal(v), func(token string) string {
				if ref, ok := t.refs[token]; ok {
					return ref
				}
				return token
			})
		case int64, float64:
			if ref, ok := t.refs[fmt.Sprint(v)]; ok {
				return ref
			}
		}
		return v
	})
}

// normal returns a value of the loader with YAML's types only.
func normal(v any) any {
	r := reflect.ValueOf(v)
	switch r.Kind() {
	case reflect.Bool:
		return r.Bool()
	case reflect.String:
		return r.String()
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return r.Int()
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return int64(r.Uint())
	case reflect.Float32:
		// The number as it was written: 0.1 is not 0.10000000149.
		f, _ := strconv.ParseFloat(strconv.FormatFloat(r.Float(), 'g', -1, 32), 64)
		return f
	case reflect.Float64:
		return r.Float()
	case reflect.Slice:
		out := make([]any, r.Len())
		for i := range out {
			out[i] = normal(r.Index(i).Interface())
		}
		return out
	case reflect.Map:
		out := make(map[string]any, r.Len())
		for _, k := range r.MapKeys() {
			out[k.String()] = normal(r.MapIndex(k).Interface())
		}
		return out
	case reflect.Pointer:
		if !r.IsNil() {
			return normal(r.Elem().Interface())
		}
	}
	return nil
}

// plain turns tokens in a text into their values.
func (t *tokens) plain(text string) string {
	return anyToken.ReplaceAllStringFunc(text, func(token string) string {
		if value, ok := t.values[token]; ok {
			return value
		}
		return token
	})
}

// loader reads included and extended files whose paths hold references.
func (t *tokens) loader(dir string) loader.ResourceLoader { return tokenLoader{t, dir} }

type tokenLoader struct {
	t   *tokens
	dir string
}

func (l tokenLoader) Accept(name string) bool { return l.t.plain(name) != name }

func (l tokenLoader) Load(_ context.Context, name string) (string, error) {
	name = l.t.plain(name)
	if !filepath.IsAbs(name) {
		name = filepath.Join(l.dir, name)
	}
	return name, nil
}

func (l tokenLoader) Dir(name string) string { return filepath.Dir(l.t.plain(name)) }
