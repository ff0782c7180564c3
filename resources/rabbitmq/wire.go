package rabbitmq

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/LerianStudio/midaz-infra/resources"
)

// encode returns v as JSON for the broker. Secrets are revealed, keys sorted,
// and a floating number always has a fraction or an exponent: the broker keeps
// 3 and 3.0 apart, as two AMQP types.
func encode(v resources.Value) ([]byte, error) {
	var b bytes.Buffer
	if err := encodeTo(&b, v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func encodeTo(b *bytes.Buffer, v resources.Value) error {
	switch v := v.(type) {
	case nil:
		b.WriteString("null")
	case bool:
		b.WriteString(strconv.FormatBool(v))
	case int:
		b.WriteString(strconv.Itoa(v))
	case int64:
		b.WriteString(strconv.FormatInt(v, 10))
	case float64:
		return encodeFloat(b, v)
	case string:
		return encodeText(b, v)
	case resources.Secret:
		return encodeText(b, v.Reveal())
	case []string:
		return encodeTo(b, resources.Normalize(v))
	case []any:
		b.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := encodeTo(b, e); err != nil {
				return err
			}
		}
		b.WriteByte(']')
	case map[string]any:
		b.WriteByte('{')
		for i, k := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := encodeText(b, k); err != nil {
				return err
			}
			b.WriteByte(':')
			if err := encodeTo(b, v[k]); err != nil {
				return err
			}
		}
		b.WriteByte('}')
	default:
		return fmt.Errorf("encode value: a %T has no JSON form", v)
	}
	return nil
}

func encodeFloat(b *bytes.Buffer, f float64) error {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return fmt.Errorf("encode value: %v has no JSON form", f)
	}
	s := strconv.FormatFloat(f, 'g', -1, 64)
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	b.WriteString(s)
	return nil
}

func encodeText(b *bytes.Buffer, s string) error {
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return fmt.Errorf("encode value: %w", err)
	}
	b.Truncate(b.Len() - 1) // Encode ends with a newline
	return nil
}

// decode reads one JSON value and nothing after it, keeping numbers as written.
func decode(data []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return fmt.Errorf("more follows after the value")
	}
	return nil
}

// apiPath joins the parts of a path, each of them escaped: apiPath("queues",
// "/", "a b") is "/api/queues/%2F/a%20b".
func apiPath(parts ...string) string {
	var b strings.Builder
	b.WriteString("/api")
	for _, p := range parts {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(p))
	}
	return b.String()
}

// row is one object as the broker lists it.
type row map[string]any

// text returns a string; the words "undefined" and "none", which the broker
// writes for what is not set, count as absent for the caller to decide.
func (r row) text(key string) string { s, _ := r[key].(string); return s }

// flag returns a boolean. The broker lists an auto_delete that was never set as
// the text "undefined", and exclusive as null for replicated queues: both are
// false.
func (r row) flag(key string) bool { b, _ := r[key].(bool); return b }

// object returns a map in canonical form; the broker lists an empty map as [].
func (r row) object(key string) map[string]any {
	m, _ := r[key].(map[string]any)
	if len(m) == 0 {
		return nil
	}
	n, _ := resources.Normalize(m).(map[string]any)
	return n
}

// number returns an integer, also where the broker echoes one as 3.0, and
// whether there is one.
func (r row) number(key string) (int64, bool) {
	n, ok := r[key].(json.Number)
	if !ok {
		return 0, false
	}
	if i, err := strconv.ParseInt(n.String(), 10, 64); err == nil {
		return i, true
	}
	f, err := n.Float64()
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, false
	}
	return int64(f), true
}

// tags returns a set of words that is listed as a list, or before 3.9 as one
// text with commas.
func (r row) tags(key string) []any {
	var out []any
	switch v := r[key].(type) {
	case []any:
		for _, e := range v {
			if s, ok := e.(string); ok && s != "" {
				out = append(out, s)
			}
		}
	case string:
		for s := range strings.SplitSeq(v, ",") {
			if s = strings.TrimSpace(s); s != "" {
				out = append(out, s)
			}
		}
	}
	return resources.SortSet(out)
}
