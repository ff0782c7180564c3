package compose

import (
	"fmt"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/LerianStudio/midaz-infra/specs/draft"
)

// written returns a value of the project as the spec has it: what the files say
// where that comes to the same, or else what it means.
func (r *reader) written(value, text any) any { return r.overlay(value, text, false) }

// writtenPath is written for values that are paths of this host.
func (r *reader) writtenPath(value, text any) any { return r.overlay(value, text, true) }

func (r *reader) overlay(value, text any, isPath bool) any {
	switch value := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(value))
		from := r.named(text)
		for k, v := range value {
			out[k] = r.overlay(v, from[k], isPath)
		}
		return out
	case []any:
		return r.overlayList(value, text, isPath)
	}
	if m, ok := text.(map[string]any); ok {
		text = m[wholeText]
	}
	plain, isText := value.(string)
	marked := isMarked(text)
	switch {
	case isPath && isText && marked:
		return r.markedPath(plain, text.(string))
	case isPath && isText:
		return draft.Literal(r.specPath(plain))
	case marked && r.same(value, text):
		return r.marks.written(text.(string))
	}
	if marked {
		r.marks.lose(text)
	}
	if isText {
		return draft.Literal(plain)
	}
	return value
}

// named returns a map of the files under the keys that the loader makes of them.
// Keys of a spec hold no references: those in keys become values.
func (r *reader) named(text any) map[string]any {
	from, _ := text.(map[string]any)
	for k := range from {
		if isMarked(k) {
			r.marks.lose(k)
		}
	}
	return r.plainKeys(from)
}

func (r *reader) plainKeys(m map[string]any) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[r.marks.plain(k)] = v
	}
	return out
}

// overlayList finds for each item what the files say of it. Lists are merged by
// what stands in them, so that the items may be others in number and order.
func (r *reader) overlayList(value []any, text any, isPath bool) any {
	from, _ := text.([]any)
	used := make([]bool, len(from))
	out := make([]any, len(value))
	for i, v := range value {
		j := r.match(v, i, from, used)
		if j >= 0 {
			used[j] = true
			out[i] = r.overlay(v, from[j], isPath)
			continue
		}
		var at any
		if len(from) == len(value) && !used[i] {
			at = from[i]
		}
		out[i] = r.overlay(v, at, isPath)
	}
	for j, t := range from {
		if !used[j] && len(from) != len(value) {
			r.marks.lose(t)
		}
	}
	return out
}

// match returns which item of the files comes to the value, -1 for none. The one
// in the same place is preferred.
func (r *reader) match(value any, i int, from []any, used []bool) int {
	if i < len(from) && !used[i] && r.same(value, from[i]) {
		return i
	}
	for j := range from {
		if !used[j] && r.same(value, from[j]) {
			return j
		}
	}
	return -1
}

// same reports whether a text with marks comes to the value.
func (r *reader) same(value, text any) bool {
	switch value := value.(type) {
	case map[string]any:
		from, ok := text.(map[string]any)
		if !ok {
			return false
		}
		from = r.plainKeys(from)
		for k, v := range value {
			if !r.same(v, from[k]) {
				return false
			}
		}
		for k := range from {
			if _, ok := value[k]; !ok && k != wholeText {
				return false
			}
		}
		return true
	case []any:
		from, ok := text.([]any)
		if !ok || len(from) != len(value) {
			return false
		}
		for i := range value {
			if !r.same(value[i], from[i]) {
				return false
			}
		}
		return true
	}
	if m, ok := text.(map[string]any); ok {
		text = m[wholeText]
	}
	marked, ok := text.(string)
	if !ok || !isMarked(marked) {
		return reflect.DeepEqual(value, text)
	}
	plain := r.marks.plain(marked)
	switch value := value.(type) {
	case string:
		return plain == value || filepath.IsAbs(value) && (filepath.Clean(plain) == value || r.pathFrom(marked, value) != "")
	case bool:
		switch strings.ToLower(plain) {
		case "true", "y", "yes", "on":
			return value
		case "false", "n", "no", "off":
			return !value
		}
		return false
	case int64, uint64, float64:
		if plain == fmt.Sprint(value) {
			return true
		}
		a, err := strconv.ParseFloat(plain, 64)
		b, err2 := strconv.ParseFloat(fmt.Sprint(value), 64)
		return err == nil && err2 == nil && a == b
	}
	return false
}

// pathFrom returns the part of a marked path that the whole path comes from,
// when the loader has put the folder of a project before an absolute one.
func (r *reader) pathFrom(marked, value string) string {
	at := strings.Index(marked, markChar)
	if at > 0 && marked[at-1] == '/' && r.expandHome(r.marks.plain(marked[at:])) == value {
		return marked[at:]
	}
	return ""
}

func (r *reader) expandHome(path string) string {
	if home := r.env["HOME"]; home != "" && (path == "~" || strings.HasPrefix(path, "~/")) {
		path = home + path[1:]
	}
	if !filepath.IsAbs(path) {
		return ""
	}
	return filepath.Clean(path)
}

// markedPath is a path of this host with references. It is kept when it leads
// from the folder of the spec to the same place.
func (r *reader) markedPath(value, marked string) any {
	if from := r.pathFrom(marked, value); from != "" {
		return r.marks.written(from)
	}
	at := strings.Index(marked, markChar)
	folder := strings.TrimSuffix(marked[:at], "/")
	if folder == r.opt.SpecDir && strings.HasPrefix(r.marks.plain(marked[at:]), ".") {
		if filepath.Join(r.opt.SpecDir, r.marks.plain(marked[at:])) == value {
			return r.marks.written(marked[at:])
		}
	}
	path := r.specPath(marked)
	abs := r.marks.plain(path)
	if strings.HasPrefix(path, "~") {
		abs = r.expandHome(abs)
	} else if !filepath.IsAbs(abs) {
		abs = filepath.Join(r.opt.SpecDir, abs)
	}
	if filepath.Clean(abs) == value || abs == value {
		return r.marks.written(path)
	}
	r.marks.lose(marked)
	return draft.Literal(r.specPath(value))
}

// normal returns a value of the loader with YAML's types only.
func normal(v any) any {
	if t, ok := v.(time.Time); ok {
		return fmt.Sprint(t) // as Compose writes it
	}
	r := reflect.ValueOf(v)
	switch r.Kind() {
	case reflect.Bool:
		return r.Bool()
	case reflect.String:
		return r.String()
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return r.Int()
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if n := r.Uint(); n > 1<<63-1 {
			return n
		}
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
