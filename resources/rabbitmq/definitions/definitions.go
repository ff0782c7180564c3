// Package definitions turns RabbitMQ's own definitions, as `rabbitmqctl
// export_definitions` and the management API write them, into a spec. It reads
// those of a whole broker and of one virtual host, of RabbitMQ 3.10 to 4.3. It
// does no I/O. How the objects of a kind are taken over is told by the kind.
package definitions

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Options say how the spec is written.
type Options struct {
	// Stack names the stack.
	Stack string
	// Service or URL say where the broker is; without either URL is the local one.
	Service, URL string
	// Part leaves out everything but users, virtual hosts, global parameters
	// and the variables they need.
	Part bool
	// Vhost is the virtual host that an export of one is of, where it does not
	// say itself; "" means "/".
	Vhost string
	// Aside keeps secrets out of the text: each becomes a variable.
	Aside bool
}

// Kind is how the objects of one kind are taken over.
type Kind struct {
	// Section is where they stand in the spec: "rabbitmq/vhosts/*/queues/*".
	Section string
	// Noun is what one of them is called.
	Noun string
	// List is the list of the file that they stand in, "" for none.
	List string
	// Component tells that they stand among the parameters of a component. Those of
	// components that no kind has go to the kind whose List is "parameters".
	Component string
	// Take takes one of them over.
	Take func(f *File, r Row)
	// Whole takes over what the export of a single virtual host says about it at
	// its top. Only the kind of virtual hosts has it.
	Whole func(f *File, v *Vhost, r Row)
}

// Result is a spec.
type Result struct {
	Text []byte
	// Secrets are the values of the variables that the text refers to.
	Secrets []Secret
	// Notes say what could not be carried, in order of place. They stand in
	// the text too, as comments.
	Notes []string
	// Counts are how many objects of each section were carried.
	Users, Vhosts, Exchanges, Queues, Bindings, Policies int
}

// Secret is a variable with its value.
type Secret struct{ Name, Value string }

// Spec reads definitions and writes the spec. An error says what is wrong with
// the file: LINE:COLUMN: reason, where that can be told.
// The sections of the spec are written in the order of the kinds.
func Spec(data []byte, kinds []Kind, o Options) (*Result, error) {
	rows, err := parse(data)
	if err != nil {
		return nil, err
	}
	f := &File{o: o, out: &Result{}, kinds: kinds, vhosts: map[string]*Vhost{}, top: map[string]*Section{}, names: map[string]bool{}}
	if f.o.Vhost == "" {
		f.o.Vhost = "/"
	}
	f.read(rows)
	f.out.Text, err = f.write()
	return f.out, err
}

// Row is one JSON object. Numbers are json.Number.
type Row map[string]any

// Text returns a text, "" for anything else.
func (r Row) Text(key string) string { s, _ := r[key].(string); return s }

// Object returns a map, in whichever form it is written.
func (r Row) Object(key string) map[string]any { m, _ := Unpair(r[key]).(map[string]any); return m }

// Unpair returns a list of pairs as the map it stands for: rabbitmqctl exports
// maps of parameters as [["key", value], ...], and what it imports again comes back
// so. Anything else is returned as it is.
// A list of lists of two in which each first one is a text is such a map: the
// parameters of RabbitMQ hold no others.
func Unpair(v any) any {
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		return v
	}
	out := make(map[string]any, len(list))
	for _, e := range list {
		pair, ok := e.([]any)
		if !ok || len(pair) != 2 {
			return v
		}
		key, ok := pair[0].(string)
		if _, twice := out[key]; !ok || twice {
			return v
		}
		out[key] = Unpair(pair[1])
	}
	return out
}

// rows returns a list of objects; what is none is passed over.
func (r Row) rows(key string) []Row {
	list, _ := r[key].([]any)
	var out []Row
	for _, e := range list {
		if m, ok := e.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// parse reads the file and checks its outline.
func parse(data []byte) (Row, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, badJSON(data, err)
	}
	end := dec.InputOffset()
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: there is more after the definitions", at(data, end))
	}
	file, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("1:1: definitions are a JSON object, with lists such as \"queues\" in it")
	}
	known := false
	for _, section := range append(slices.Clone(lists), "limits") {
		value, is := file[section]
		if !is {
			continue
		}
		known = true
		list, isList := value.([]any)
		if section == "limits" {
			continue
		}
		if !isList {
			return nil, fmt.Errorf("%q is not a list", section)
		}
		for i, e := range list {
			if _, is := e.(map[string]any); !is {
				return nil, fmt.Errorf("%s[%d] is not an object", section, i)
			}
		}
	}
	if !known && len(file) > 0 {
		return nil, fmt.Errorf("this is no RabbitMQ definitions file: it has none of %s", strings.Join(lists, ", "))
	}
	return file, nil
}

// lists are those of the format.
var lists = []string{"users", "vhosts", "permissions", "topic_permissions", "parameters", "global_parameters", "policies", "exchanges",
	"queues", "bindings"}

// readingOrder is the order in which lists are taken over: what others refer to
// comes first.
var readingOrder = []string{"users", "vhosts", "exchanges", "queues", "bindings", "policies", "permissions", "topic_permissions",
	"parameters", "global_parameters"}

// aboutFile are the keys that describe the file or the broker it is from.
var aboutFile = []string{"rabbit_version", "rabbitmq_version", "product_name", "product_version", "rabbitmq_definition_format",
	"original_cluster_name", "original_vhost_name", "explanation", "description", "tags", "default_queue_type", "limits", "metadata", "name"}

func badJSON(data []byte, err error) error {
	var syntax *json.SyntaxError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%s: the file ends in the middle of the definitions", at(data, int64(len(data))))
	case errors.As(err, &syntax):
		return fmt.Errorf("%s: not JSON: %w", at(data, max(0, syntax.Offset-1)), err)
	default:
		return fmt.Errorf("not JSON: %w", err)
	}
}

// at returns LINE:COLUMN of a byte, counted from 1.
func at(data []byte, offset int64) string {
	before := string(data[:min(offset, int64(len(data)))])
	line := strings.Count(before, "\n")
	return fmt.Sprintf("%d:%d", line+1, len([]rune(before[strings.LastIndexByte(before, '\n')+1:]))+1)
}

// isVhostExport reports whether the file is of one virtual host.
func (r Row) isVhostExport() bool {
	if r.Text("rabbitmq_definition_format") == "vhost" {
		return true
	}
	if _, whole := r["vhosts"]; whole {
		return false
	}
	_, users := r["users"]
	return !users
}

// extra returns the keys of a row that are not known, sorted.
func (r Row) extra(known ...string) []string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(r)) {
		if !slices.Contains(known, k) {
			out = append(out, k)
		}
	}
	return out
}
