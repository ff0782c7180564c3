package resources

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"crypto/sha256"
	"github.com/LerianStudio/midaz-infra/specs"
	"unicode/utf8"
)

// Value is the canonical form of a field's value, the same for what is wanted
// and for what was observed. It is one of
//
//	nil             absent
//	bool, int64, float64, string
//	Secret          a text that is never shown; equal to a string of that text
//	[]any           an ordered list of Values
//	map[string]any  Values by key
//
// Sets are lists in sorted order. Durations are texts such as "1m30s", sizes
// texts such as "512m"; see Duration and Bytes.
type Value = any

// Config is the value of each field of one resource that has one, by the
// field's key. Fields that are not declared are not in it.
type Config map[string]Value

// Clone returns a copy whose values are shared; Values are never changed in
// place.
func (c Config) Clone() Config { return maps.Clone(c) }

// Text returns a string or Secret value as a string, "" for others. It
// reveals secrets.
func (c Config) Text(key string) string { return Text(c[key]) }

// Bool returns a boolean value, false when absent.
func (c Config) Bool(key string) bool { b, _ := c[key].(bool); return b }

// Int returns an integer value, 0 when absent.
func (c Config) Int(key string) int64 { i, _ := c[key].(int64); return i }

// List returns a list value.
func (c Config) List(key string) []any { l, _ := c[key].([]any); return l }

// Map returns a map value.
func (c Config) Map(key string) map[string]any { m, _ := c[key].(map[string]any); return m }

// Texts returns a list of texts. It reveals secrets.
func (c Config) Texts(key string) []string { return Texts(c[key]) }

// Text returns the text of a string or Secret, "" for others. It reveals
// secrets.
func Text(v Value) string {
	switch v := v.(type) {
	case string:
		return v
	case Secret:
		return v.Reveal()
	default:
		return ""
	}
}

// Texts returns the texts of a list. It reveals secrets.
func Texts(v Value) []string {
	list, _ := v.([]any)
	out := make([]string, 0, len(list))
	for _, item := range list {
		out = append(out, Text(item))
	}
	return out
}

// IsEmpty reports whether v is nil, or a list or map without content.
func IsEmpty(v Value) bool {
	switch v := v.(type) {
	case nil:
		return true
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	default:
		return false
	}
}

// Equal compares two Values. An absent value equals an empty list or map; a
// Secret equals a string of its text; numbers compare by type and value.
func Equal(a, b Value) bool {
	if IsEmpty(a) && IsEmpty(b) {
		return true
	}
	switch a := a.(type) {
	case Secret:
		switch b := b.(type) {
		case Secret:
			return a.Equal(b)
		case string:
			return a.Is(b)
		}
		return false
	case string:
		if s, ok := b.(Secret); ok {
			return s.Is(a)
		}
		return a == b
	case []any:
		bl, ok := b.([]any)
		return ok && slices.EqualFunc(a, bl, Equal)
	case map[string]any:
		bm, ok := b.(map[string]any)
		return ok && maps.EqualFunc(a, bm, Equal)
	default:
		return reflect.DeepEqual(a, b)
	}
}

// HasSecret reports whether a Secret stands anywhere in v.
func HasSecret(v Value) bool {
	switch v := v.(type) {
	case Secret:
		return true
	case []any:
		return slices.ContainsFunc(v, HasSecret)
	case map[string]any:
		for _, e := range v {
			if HasSecret(e) {
				return true
			}
		}
	}
	return false
}

// SealAll returns v with every string in it made a Secret.
func SealAll(v Value) Value {
	return specs.MapLeaves(v, func(v any) any {
		if s, ok := v.(string); ok {
			return NewSecret(s)
		}
		return v
	})
}

// SealLike returns v with a Secret in every place where like has a Secret, so
// that the observed value of a sensitive field is never shown. Where a list
// holds a secret, all of v's list is sealed: positions may have moved.
func SealLike(v, like Value) Value {
	switch like := like.(type) {
	case Secret:
		return SealAll(v)
	case []any:
		if HasSecret(like) {
			return SealAll(v)
		}
	case map[string]any:
		vm, ok := v.(map[string]any)
		if !ok {
			if HasSecret(like) {
				return SealAll(v)
			}
			return v
		}
		out := make(map[string]any, len(vm))
		hidden := false
		for k := range like {
			hidden = hidden || strings.HasPrefix(k, secretKey)
		}
		for k, e := range vm {
			part, ok := like[k]
			if !ok && hidden {
				out[k] = SealAll(e) // it may be one whose name is hidden
				continue
			}
			out[k] = SealLike(e, part)
		}
		return out
	}
	return v
}

// Show returns v for people on one line: strings quoted, secrets masked, maps
// in key order.
func Show(v Value) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		if IsBinary(v) {
			return ShowBinary(v)
		}
		return strconv.Quote(v)
	case Secret:
		return Masked
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return showFloat(v)
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = Show(e)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		parts := make([]string, 0, len(v))
		for _, k := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, k+": "+Show(v[k]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	default:
		return fmt.Sprintf("%v", v)
	}
}

// IsBinary reports whether a text, such as the content of a file, is none that a
// person could read: it is not UTF-8, or holds a NUL.
func IsBinary(s string) bool { return !utf8.ValidString(s) || strings.ContainsRune(s, 0) }

// ShowBinary returns what stands for a binary text: its size and the beginning of
// its SHA-256, which tell two of them apart.
func ShowBinary(s string) string {
	sum := sha256.Sum256([]byte(s))
	return fmt.Sprintf("(binary, %d bytes, sha256 %x)", len(s), sum[:8])
}

func showFloat(f float64) string {
	s := strconv.FormatFloat(f, 'g', -1, 64)
	if !strings.ContainsAny(s, ".eEnN") {
		s += ".0"
	}
	return s
}

// Canonical returns v as JSON with sorted keys and secrets masked. Equal
// values without secrets give equal bytes, and a float64 stays one when it is
// read back: 2.0 is not 2.
func Canonical(v Value) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(pointed(v)); err != nil {
		return []byte("null")
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}

// pointed returns v with floats as numbers that show their point.
func pointed(v Value) any {
	switch v := v.(type) {
	case float64:
		return json.Number(showFloat(v))
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = pointed(e)
		}
		return out
	case Config:
		return pointed(map[string]any(v))
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = pointed(e)
		}
		return out
	default:
		return v
	}
}

// Normalize turns a value decoded from JSON (with or without UseNumber) into
// canonical types: json.Number and float64 without a fraction part written
// become int64.
func Normalize(v any) Value {
	switch v := v.(type) {
	case json.Number:
		if i, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return i
		}
		if f, err := v.Float64(); err == nil {
			return f
		}
		return v.String()
	case int:
		return int64(v)
	case int32:
		return int64(v)
	case uint16:
		return int64(v)
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = Normalize(e)
		}
		return out
	case []string:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = e
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = Normalize(e)
		}
		return out
	case map[string]string:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = e
		}
		return out
	default:
		return v
	}
}
