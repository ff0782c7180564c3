package definitions

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// File is a definitions file while its objects are taken over into the spec.
type File struct {
	o     Options
	out   *Result
	kinds []Kind
	rows  Row
	// top are the sections of the broker by key, vhosts apart.
	top    map[string]*Section
	vhosts map[string]*Vhost
	// single is the virtual host of rows that name none.
	single string
	// notes are about the whole file.
	notes []string
	names map[string]bool // of variables
}

// Entry is one entry of a map of the spec: a name with its fields, and what is to
// be said about it.
type Entry struct {
	Name   string
	Fields []Field
	Notes  []string
	Nested []*Section
}

// Field is one key of the spec with its value: text, number (json.Number), bool,
// []any, map[string]any, or a reference to a variable.
type Field struct {
	Key   string
	Value any
}

// Add adds a field.
func (e *Entry) Add(key string, value any) { e.Fields = append(e.Fields, Field{key, value}) }

// Note adds what is to be said about the entry.
func (e *Entry) Note(format string, args ...any) {
	e.Notes = append(e.Notes, fmt.Sprintf(format, args...))
}

// reference is a value that stands in a variable.
type reference string

// Vhost is one virtual host being taken over.
type Vhost struct {
	Entry
	kinds    []Kind
	sections map[string]*Section
}

// Section returns the section of a key, such as "queues".
func (v *Vhost) Section(key string) *Section {
	if v.sections[key] == nil {
		v.sections[key] = newSection(v.kinds, "rabbitmq/vhosts/*/", key)
	}
	return v.sections[key]
}

// Section is a part of the spec that holds the objects of one kind.
type Section struct {
	key, noun string
	shape     shape
	Items     []Entry
	Notes     []string
	// groups are the parts of a section whose objects have names of two parts.
	groups map[string]*Section
}

type shape int

const (
	named    shape = iota // a map by name
	listed                // a list of maps without names
	lone                  // one map of single fields
	embedded              // entries of what holds the section
)

func newSection(kinds []Kind, in, key string) *Section {
	s := &Section{key: key}
	for _, k := range kinds {
		rest, ok := strings.CutPrefix(k.Section, in+key)
		if !ok || strings.Trim(rest, "/*-") != "" {
			continue
		}
		s.noun = k.Noun
		switch {
		case rest == "":
			s.shape = lone
		case strings.HasSuffix(rest, "/-"):
			s.shape = listed
		}
	}
	return s
}

// Lone returns a section that is one object, of what has such a one.
func Lone(key string, fields []Field) *Section {
	s := &Section{key: key, shape: lone}
	for _, f := range fields {
		s.Items = append(s.Items, Entry{Fields: []Field{f}})
	}
	return s
}

// Embedded returns a section whose entries stand in the object that has it.
func Embedded() *Section { return &Section{shape: embedded} }

// Group returns the part of a section for the first part of its objects' names.
func (s *Section) Group(name string) *Section {
	if s.groups == nil {
		s.groups = map[string]*Section{}
	}
	if s.groups[name] == nil {
		s.groups[name] = &Section{key: name, noun: name}
	}
	return s.groups[name]
}

func (s *Section) isEmpty() bool { return len(s.Items)+len(s.Notes)+len(s.groups) == 0 }

// Has reports whether there is an entry of that name.
func (s *Section) Has(name string) bool {
	return slices.ContainsFunc(s.Items, func(e Entry) bool { return e.Name == name })
}

// Add adds an entry.
func (s *Section) Add(e Entry) { s.Items = append(s.Items, e) }

// Note adds what is to be said about the section.
func (s *Section) Note(format string, args ...any) {
	s.Notes = append(s.Notes, fmt.Sprintf(format, args...))
}

// Vhost returns the virtual host that a row lies in.
func (f *File) Vhost(r Row) *Vhost {
	if name, ok := r["vhost"].(string); ok {
		return f.vhost(name)
	}
	if f.single == "" {
		f.single = f.o.Vhost
	}
	return f.vhost(f.single)
}

func (f *File) vhost(name string) *Vhost {
	if f.vhosts[name] == nil {
		f.vhosts[name] = &Vhost{Entry: Entry{Name: name}, kinds: f.kinds, sections: map[string]*Section{}}
	}
	return f.vhosts[name]
}

// NewVhost returns a virtual host that is not there yet, nil when it is.
func (f *File) NewVhost(name string) *Vhost {
	if f.vhosts[name] != nil {
		return nil
	}
	return f.vhost(name)
}

// Section returns a section of the broker, such as "users".
func (f *File) Section(key string) *Section {
	if f.top[key] == nil {
		f.top[key] = newSection(f.kinds, "rabbitmq/", key)
	}
	return f.top[key]
}

// Note adds what is to be said about the whole file.
func (f *File) Note(format string, args ...any) {
	f.notes = append(f.notes, fmt.Sprintf(format, args...))
}

// Rows returns a list of the file.
func (f *File) Rows(list string) []Row { return f.rows.rows(list) }

// Aside reports whether secrets are kept out of the text.
func (f *File) Aside() bool { return f.o.Aside }

func (f *File) read(rows Row) {
	f.rows = rows
	for _, key := range rows.extra(append(slices.Clone(lists), aboutFile...)...) {
		f.Note("%q is not known", key)
	}
	components := map[string]Kind{}
	byList := map[string]Kind{}
	for _, k := range f.kinds {
		if k.Component != "" {
			components[k.Component] = k
		}
		if k.List != "" {
			byList[k.List] = k
		}
	}
	if whole := byList["vhosts"].Whole; whole != nil && rows.isVhostExport() {
		f.single = f.o.Vhost
		if given := rows.Text("original_vhost_name"); given != "" && f.o.Vhost == "/" {
			f.single = given
		}
		whole(f, f.vhost(f.single), rows)
	}
	for _, list := range readingOrder {
		for _, r := range rows.rows(list) {
			k := byList[list]
			if of, ok := components[r.Text("component")]; ok && list == "parameters" {
				k = of
			}
			if strings.HasPrefix(k.Section, "rabbitmq/vhosts/*/") {
				f.Vhost(r) // is there also when nothing of it is taken
			}
			if k.Take != nil {
				k.Take(f, r)
			}
		}
	}
}

// Extra notes keys that have no place in the spec.
func (e *Entry) Extra(what string, r Row, known ...string) {
	if more := r.extra(known...); len(more) > 0 {
		e.Note("%s: %s is not carried", what, strings.Join(more, ", "))
	}
}

// Variable makes a variable of that name and returns the reference to it.
func (f *File) Variable(name, value string) any {
	name = strings.Map(func(r rune) rune {
		switch {
		case r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)):
			return unicode.ToUpper(r)
		default:
			return '_'
		}
	}, name)
	unique := name
	for n := 2; f.names[unique]; n++ {
		unique = fmt.Sprintf("%s_%d", name, n)
	}
	f.names[unique] = true
	f.out.Secrets = append(f.out.Secrets, Secret{unique, value})
	return reference(unique)
}

// BadName says why the broker could not keep a name, "" when it can.
func BadName(name string) string {
	switch {
	case name == "" || name == "." || name == "..":
		return fmt.Sprintf("is %q", name)
	case len(name) > 255:
		return "is longer than 255 bytes"
	case strings.ContainsFunc(name, unicode.IsControl), strings.ContainsRune(name, unicode.ReplacementChar):
		return "holds characters that the broker cannot keep"
	default:
		return ""
	}
}

// Accept reports whether an object can go into a section; else it notes why not.
func (s *Section) Accept(what, name string) bool {
	reason := BadName(name)
	switch {
	case reason != "":
		reason = "its name " + reason
	case s.Has(name):
		reason = "it is there twice; the first was taken"
	default:
		return true
	}
	s.Note("%s %q: %s", what, name, reason)
	return false
}

// Flag reads a boolean. What is missing or "undefined" is false to the broker.
func (e *Entry) Flag(r Row, key string, tell bool) bool {
	switch v := r[key].(type) {
	case bool:
		return v
	case nil:
		if tell {
			e.Note("the export does not say %s, which the broker takes for false", key)
		}
	default:
		e.Note("%s was %v, which the broker takes for false", key, v)
	}
	return false
}

// Arguments adds arguments; null is not among what the broker takes.
func (e *Entry) Arguments(arguments map[string]any) {
	for _, k := range slices.Sorted(maps.Keys(arguments)) {
		if arguments[k] == nil {
			e.Note("argument %s is null, which the broker refuses", k)
			delete(arguments, k)
		}
		e.TellCodes("argument "+k, arguments[k])
	}
	if len(arguments) > 0 {
		e.Add("arguments", arguments)
	}
}

// TellCodes notes a value that may have been a list: from 4.3 on, rabbitmqctl
// exports a list that begins with a number as the text of these characters. A list
// of printable ones cannot be told from a text.
func (e *Entry) TellCodes(what string, v any) {
	if hasCodes(v) {
		e.Notes = append(e.Notes, what+" has control characters: rabbitmqctl exports a list of numbers as such a text, and the management API "+
			"(GET /api/definitions) as a list; compare it with the broker")
	}
}

func hasCodes(v any) bool {
	switch v := v.(type) {
	case string:
		return strings.ContainsFunc(v, func(r rune) bool { return r < ' ' && !strings.ContainsRune("\t\n\r", r) })
	case []any:
		return slices.ContainsFunc(v, hasCodes)
	case map[string]any:
		return slices.ContainsFunc(slices.Collect(maps.Values(v)), hasCodes)
	}
	return false
}

// HideLogins puts every URI with a password into a variable.
func (f *File) HideLogins(name string, v any) any {
	switch v := v.(type) {
	case string:
		if hasLogin(v) {
			return f.Variable(name, v)
		}
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = f.HideLogins(name, e)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for _, k := range slices.Sorted(maps.Keys(v)) {
			out[k] = f.HideLogins(name+"_"+k, v[k])
		}
		return out
	}
	return v
}

// hasLogin reports whether a text is a URI that holds a password.
func hasLogin(s string) bool {
	_, rest, ok := strings.Cut(s, "://")
	authority, _, _ := strings.Cut(rest, "/")
	i := strings.LastIndexByte(authority, '@')
	return ok && i >= 0 && strings.Contains(authority[:i], ":")
}

// Tags reads tags as a list or as one text with commas; sorted, each once.
func Tags(value any) []any {
	var words []string
	switch value := value.(type) {
	case string:
		words = strings.Split(value, ",")
	case []any:
		for _, e := range value {
			if s, ok := e.(string); ok {
				words = append(words, s)
			}
		}
	}
	for i := range words {
		words[i] = strings.TrimSpace(words[i])
	}
	slices.Sort(words)
	var out []any
	for _, w := range slices.Compact(words) {
		if w != "" {
			out = append(out, w)
		}
	}
	return out
}

// Canonical is JSON with sorted keys.
func Canonical(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(data)
}
