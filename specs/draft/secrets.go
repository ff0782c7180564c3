package draft

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// secretName matches names whose values are taken for passwords.
var secretName = regexp.MustCompile(`(?i)pass|pwd|secret|token|keys?($|[^a-z])|apikey|credential|erlang_?cookie|auth($|[^a-z])|salt|private|dsn`)

// notSecret matches names that only look like those of passwords. PWD is the
// folder that a shell is in.
var notSecret = regexp.MustCompile(`(?i)^(old)?pwd$|(_file|_path|_dir|_url|_host|_port|_user|username|_method|_enabled?|_id|_ttl|_size|_type|_mode|keyspace|keycloak|authority|auth_method|initdb_args|expire[sd]?|expiration|expiry)$`)

// IsSecretName reports whether values under the name are taken for passwords.
func IsSecretName(name string) bool {
	return secretName.MatchString(name) && !notSecret.MatchString(name)
}

// secretText matches texts that hold a password whatever they are called: URLs
// with one, keys, and what a request logs in with.
var secretText = regexp.MustCompile(`[a-zA-Z][a-zA-Z0-9+.-]*://[^/@\s:]*:[^/@\s]+@|-----BEGIN|(?i)password=[^\s;&]|^(?:bearer|basic)\s+[\w.~+/-]{8,}=*$|^eyj[\w-]{8,}\.[\w-]{8,}\.[\w-]*$`)

// IsSecretText reports whether the text holds a password by its form.
func IsSecretText(text string) bool { return secretText.MatchString(text) || isRandom(text) }

// isRandom tells long runs of letters and digits in both cases, which are
// seldom words, and long hexadecimal numbers.
func isRandom(text string) bool {
	if len(text) < 20 || !oneWord.MatchString(text) {
		return false
	}
	return hexNumber.MatchString(text) || strings.ContainsAny(text, "0123456789") && strings.ToLower(text) != text &&
		strings.ToUpper(text) != text
}

var (
	oneWord   = regexp.MustCompile(`^[A-Za-z0-9+/_-]+=*$`)
	hexNumber = regexp.MustCompile(`^[0-9a-fA-F]{32,}$`)
)

// isSwitch tells values that are no secret under any name.
func isSwitch(text string) bool {
	switch strings.ToLower(text) {
	case "", "true", "false", "yes", "no", "on", "off", "0", "1", "none", "null", "default":
		return true
	}
	return strings.HasPrefix(text, "/")
}

// Where a password stands in a text: as the password of a URL, as the value of a
// parameter or option that is called like one, and as the argument after such an
// option. A reference counts as one word, whatever stands in it.
const (
	aReference = `\$\{(?:[^{}]|\$\{[^{}]*\})*\}`
	passLike   = `[\w.-]*(?:password|passwd|passphrase|requirepass|masterauth|pass|pwd|secret|token|api[_-]?key|access[_-]?key)[\w-]*`
)

var (
	inURL    = regexp.MustCompile(`[a-zA-Z][a-zA-Z0-9+.-]*://(?:` + aReference + `|[^/@\s:$])*:((?:` + aReference + `|[^/@\s{}])+)@`)
	inPair   = regexp.MustCompile(`(?i)(?:^|[\s;,&?"'])-{0,2}(` + passLike + `)=((?:` + aReference + `|[^\s;,&"'{}])+)`)
	inOption = regexp.MustCompile(`(?i)(?:^|\s)--?(` + passLike + `)[ \t]+((?:` + aReference + `|[^\s;,&"'{}-])(?:` + aReference +
		`|[^\s;&"'{}])*)`)
	inLine   = regexp.MustCompile(`(?im)^[ \t]*"?(` + passLike + `)"?[ \t]*(?:[:=]|[ \t])[ \t]*"?((?:` + aReference + `|[^\s;,&"'{}])+)`)
	isOption = regexp.MustCompile(`(?i)^--?(` + passLike + `)$`)
)

// programOption is an option of well-known programs that only with them means a
// password: where it stands in a line, and its forms in a list of arguments.
type programOption struct {
	program  *regexp.Regexp // the name without its folder
	inLine   *regexp.Regexp // from the program on; the group is the password
	joined   *regexp.Regexp // the argument; the group is the password
	separate string         // the argument before; joined is then the whole one
}

var programOptions = func() []programOption {
	option := func(program, flag, gap, value string) programOption {
		o := programOption{program: regexp.MustCompile(`^(?:` + program + `)$`), separate: flag,
			inLine: regexp.MustCompile(`(?:^|[\s/;&|("'])(?:` + program + `)(?:\s[^;&|\n]*?)?\s` + flag + gap + value),
			joined: regexp.MustCompile(`^` + value + `$`)}
		if gap == "" {
			o.separate, o.joined = "", regexp.MustCompile(`^`+flag+value+`$`)
		}
		return o
	}
	word := `((?:` + aReference + `|[^\s;&|"'{}])+)`
	return []programOption{
		option(`mysql\w*|mariadb[\w-]*`, `-p`, ``, word),
		option(`(?:redis|valkey|keydb)-cli`, `-a`, `[ \t]+`, word),
		option(`mongo\w*`, `-p`, `[ \t]*`, word),
		option(`rabbitmqadmin`, `-p`, `[ \t]*`, word),
		option(`sqlcmd`, `-P`, `[ \t]*`, word),
		option(`curl`, `-u`, `[ \t]*`, `["']?(?:`+aReference+`|[^\s:"'])+:`+word),
	}
}()

// span is where a password stands, and what it is called there.
type span struct {
	start, end int
	name       string
}

// spans returns where passwords stand in a text by its form. In the content of a
// file each line may be a setting.
func spans(text string, isFile bool) []span {
	var out []span
	add := func(start, end int, name string) {
		literal := strings.ReplaceAll(text[start:end], "$$", "$")
		if isSwitch(literal) || strings.HasPrefix(literal, "$") && !strings.HasPrefix(literal, "${") ||
			strings.HasPrefix(text[start:end], "$$") ||
			name != "" && !IsSecretName(name) || slices.ContainsFunc(out, func(s span) bool { return start < s.end && s.start < end }) {
			return
		}
		out = append(out, span{start, end, name})
	}
	for _, m := range inURL.FindAllStringSubmatchIndex(text, -1) {
		add(m[2], m[3], "")
	}
	pairs := []*regexp.Regexp{inPair, inOption}
	if isFile {
		pairs = append(pairs, inLine)
	}
	for _, form := range pairs {
		for _, m := range form.FindAllStringSubmatchIndex(text, -1) {
			add(m[4], m[5], strings.TrimLeft(text[m[2]:m[3]], "-"))
		}
	}
	for _, o := range programOptions {
		for _, m := range o.inLine.FindAllStringSubmatchIndex(text, -1) {
			add(m[2], m[3], "")
		}
	}
	slices.SortFunc(out, func(a, b span) int { return a.start - b.start })
	return out
}

// HideSecrets puts variables in the place of passwords that are written
// literally in fields that carry them, and marks the variables that passwords
// come from as sensitive. A sensitive variable has no default, neither its own
// nor in references to it.
func (d *Draft) HideSecrets() {
	h := &hiding{d: d, hidden: map[string]string{}, taken: map[string]string{}, sensitive: map[string]bool{}}
	for _, v := range d.Variables {
		h.taken[v.Name] = ""
		if v.Value != nil {
			h.taken[v.Name] = *v.Value
		}
	}
	h.each(h.field)
	h.findOthers()
	h.each(func(c carrier, v any) any { return mapTexts(v, h.elsewhere) })
	h.dropDefaults()
}

// hiding is one run of HideSecrets.
type hiding struct {
	d         *Draft
	hidden    map[string]string // text to variable
	taken     map[string]string // variable to text
	sensitive map[string]bool   // variables
	others    []string          // texts of fields that carry no secret
}

// carrier is a field that may carry a secret.
type carrier struct {
	section string
	entry   *Entry
	path    string // the field's, with dots
}

// carriers are the fields in which passwords are looked for. No other one is
// changed: a name that is the same word as a password is still a name.
var carriers = map[string][]string{
	"services": {"environment", "command", "entrypoint", "healthcheck.test", "labels", "files", "build.args", "logging.options"},
	"jobs":     {"environment", "command", "entrypoint", "healthcheck.test", "labels", "files", "build.args", "logging.options"},
	"volumes":  {"driver_opts"},
}

// each replaces the value of each field that may carry a secret.
func (h *hiding) each(change func(carrier, any) any) {
	for _, s := range h.d.Sections() {
		for _, e := range s.Entries {
			for _, path := range carriers[s.Name] {
				outer, key, nested := strings.Cut(path, ".")
				in := e.Fields
				if nested {
					in, _ = e.Fields[outer].(map[string]any)
				} else {
					key = outer
				}
				if v, ok := in[key]; ok {
					in[key] = change(carrier{s.Name, e, path}, v)
				}
			}
		}
	}
}

// field hides what stands where passwords do.
func (h *hiding) field(c carrier, v any) any {
	switch c.path {
	case "environment", "build.args", "driver_opts", "logging.options":
		m, _ := v.(map[string]any)
		for _, name := range sortedKeys(m) {
			m[name] = h.named(c, name, m[name])
		}
		return v
	case "labels":
		m, _ := v.(map[string]any)
		for _, name := range sortedKeys(m) {
			m[name] = h.named(c, name[strings.LastIndexAny(name, "./")+1:], m[name])
		}
		return v
	case "files":
		return mapTextsOf(v, "content", func(text string) string { return h.inText(c, text, true) })
	}
	if list, ok := v.([]any); ok {
		return h.arguments(c, list)
	}
	return mapTexts(v, func(text string) string { return h.inText(c, text, false) })
}

// named hides the value of a setting with a name.
func (h *hiding) named(c carrier, name string, v any) any {
	if s, ok := v.(Secret); ok {
		if isSwitch(string(s)) {
			return Literal(string(s))
		}
		return h.hide(c, name, string(s))
	}
	text, ok := v.(string)
	if !ok {
		return v
	}
	literal, plain := unliteral(text)
	switch {
	case plain && !isSwitch(literal) && (IsSecretName(name) || c.path == "environment" && IsSecretText(literal)):
		return h.hide(c, name, literal)
	case !plain && IsSecretName(name):
		h.mark(text)
		return text
	}
	return h.inText(c, text, false)
}

// arguments hides passwords in a command that is a list.
func (h *hiding) arguments(c carrier, list []any) []any {
	for i, v := range list {
		text, ok := v.(string)
		if !ok {
			continue
		}
		if before, ok := at(list, i-1); ok {
			if option := isOption.FindStringSubmatch(before); option != nil && !strings.HasPrefix(text, "-") {
				list[i] = h.inPart(c, option[1], text)
				continue
			}
		}
		if start, end := ofProgram(list, i); end > start {
			list[i] = text[:start] + h.inPart(c, "password", text[start:end]) + text[end:]
			continue
		}
		list[i] = h.inText(c, text, false)
	}
	return list
}

// ofProgram returns where the password stands in an argument of a program that
// is known for it.
func ofProgram(list []any, i int) (start, end int) {
	text, _ := at(list, i)
	before, _ := at(list, i-1)
	for _, o := range programOptions {
		m := o.joined.FindStringSubmatchIndex(text)
		if m == nil || o.separate != "" && o.separate != before {
			continue
		}
		if slices.ContainsFunc(list[:i], func(v any) bool {
			name, _ := v.(string)
			return o.program.MatchString(path.Base(name))
		}) {
			return m[2], m[3]
		}
	}
	return 0, 0
}

// inPart hides a part of a text that is a password.
func (h *hiding) inPart(c carrier, name, part string) string {
	literal, plain := unliteral(part)
	switch {
	case !plain:
		h.mark(part)
		return part
	case isSwitch(literal) || strings.HasPrefix(literal, "$"):
		return part
	}
	return h.hideIn(c, name, literal)
}

func at(list []any, i int) (string, bool) {
	if i < 0 {
		return "", false
	}
	text, ok := list[i].(string)
	return text, ok
}

// inText hides the passwords that stand in a text.
func (h *hiding) inText(c carrier, text string, isFile bool) string {
	all := spans(text, isFile)
	for i := len(all) - 1; i >= 0; i-- {
		s := all[i]
		part := text[s.start:s.end]
		literal, plain := unliteral(part)
		if !plain {
			h.mark(part)
			continue
		}
		name := s.name
		if name == "" {
			name = "password"
		}
		text = text[:s.start] + h.hideIn(c, name, literal) + text[s.end:]
	}
	return text
}

// hide returns the reference that stands for a password.
func (h *hiding) hide(c carrier, name, text string) string {
	variable := h.variable(name, c.entry.Key, text)
	h.d.Note(c.section, c.entry, "the value of %s stood there in plain text; it is the variable %s now", name, variable)
	return "${" + variable + "}"
}

// hideIn is hide for a password that has no variable of its own, and is called
// like many others: the variable is named after the service too.
func (h *hiding) hideIn(c carrier, name, text string) string {
	variable := h.variable(c.entry.Key+"_"+name, "", text)
	h.d.Note(c.section, c.entry, "the %s in %s stood there in plain text; it is the variable %s now", name, c.path, variable)
	return "${" + variable + "}"
}

// variable returns the variable that holds the text, a new one when none does.
func (h *hiding) variable(name, entry, text string) string {
	if v, ok := h.hidden[text]; ok && len(text) >= 4 {
		return v
	}
	variable := variableName(name)
	if had, ok := h.taken[variable]; ok && had != text && entry != "" {
		variable = variableName(entry + "_" + name)
	}
	base := variable
	for n := 2; ; n++ {
		if had, ok := h.taken[variable]; !ok || had == text {
			break
		}
		variable = fmt.Sprintf("%s_%d", base, n)
	}
	h.taken[variable], h.hidden[text] = text, variable
	h.d.Declare(Variable{Name: variable, Sensitive: true, Value: &text})
	h.sensitive[variable] = true
	return variable
}

// mark makes the variables that a password consists of sensitive.
func (h *hiding) mark(text string) {
	eachReference(text, func(r Reference) string {
		if !isSwitch(r.Word) || r.Word == "" {
			h.sensitive[r.Name] = true
		}
		return r.String()
	})
}

// leastHidden is the length from which a password is looked for in other texts.
// A shorter one is also part of harmless words.
const leastHidden = 5

// findOthers collects what stands in fields that carry no secret. A password
// that is also a user or a name is not replaced by its variable elsewhere.
func (h *hiding) findOthers() {
	add := func(text string) string {
		h.others = append(h.others, text)
		return text
	}
	for _, s := range h.d.Sections() {
		for _, e := range s.Entries {
			add(e.Key)
			for k, v := range e.Fields {
				switch m, _ := v.(map[string]any); {
				case k == "environment":
					for name, v := range m {
						if text, ok := v.(string); ok && !IsSecretName(name) {
							if literal, plain := unliteral(text); plain && h.hidden[literal] != "" {
								add(text)
							}
						}
					}
				case !slices.ContainsFunc(carriers[s.Name], func(path string) bool { return path == k || strings.HasPrefix(path, k+".") }):
					mapTexts(v, add)
				}
			}
		}
	}
}

// elsewhere replaces each hidden text that stands by itself in a longer one,
// where no other meaning of it is known.
func (h *hiding) elsewhere(text string) string {
	for _, secret := range sortedKeys(h.hidden) {
		if len(secret) < leastHidden {
			continue
		}
		word := Literal(secret)
		if slices.ContainsFunc(h.others, func(other string) bool { return replaceWord(other, word, "") != other }) {
			continue
		}
		text = replaceWord(text, word, "${"+h.hidden[secret]+"}")
	}
	return text
}

// dropDefaults leaves no value of a sensitive variable in the spec.
func (h *hiding) dropDefaults() {
	for i := range h.d.Variables {
		v := &h.d.Variables[i]
		if h.sensitive[v.Name] && (v.Value == nil || !isSwitch(*v.Value)) {
			v.Sensitive = true
		}
		h.sensitive[v.Name] = v.Sensitive
	}
	dropped := map[string]string{}
	drop := func(text string) string {
		return eachReference(text, func(r Reference) string {
			if !strings.HasSuffix(r.Op, "-") || r.Word == "" {
				return r.String()
			}
			if literal, plain := unliteral(r.Word); plain && (h.sensitive[r.Name] || IsSecretText(literal)) && !isSwitch(literal) {
				dropped[r.Name] = literal
				r.Op, r.Word = "", ""
			}
			return r.String()
		})
	}
	for _, s := range h.d.Sections() {
		for _, e := range s.Entries {
			for k, v := range e.Fields {
				e.Fields[k] = mapTexts(v, drop)
			}
		}
	}
	for _, name := range sortedKeys(dropped) {
		h.d.Note("", nil, "variable %s had a default in the file, which is a secret: it is left out", name)
		value := dropped[name]
		for i := range h.d.Variables {
			v := &h.d.Variables[i]
			if v.Name == name {
				v.Sensitive = true
				if v.Value == nil {
					v.Value = &value
				}
			}
		}
	}
	for i := range h.d.Variables {
		if v := &h.d.Variables[i]; v.Sensitive && v.Default != nil && *v.Default != "" {
			v.Default = nil
		}
	}
}

// mapTexts changes each text in a value.
func mapTexts(v any, change func(string) string) any {
	switch v := v.(type) {
	case string:
		return change(v)
	case []any:
		for i := range v {
			v[i] = mapTexts(v[i], change)
		}
	case map[string]any:
		for _, k := range sortedKeys(v) {
			v[k] = mapTexts(v[k], change)
		}
	}
	return v
}

// mapTextsOf changes the texts under one key of each map in a list.
func mapTextsOf(v any, key string, change func(string) string) any {
	list, _ := v.([]any)
	for _, item := range list {
		if m, ok := item.(map[string]any); ok {
			if text, ok := m[key].(string); ok {
				m[key] = change(text)
			}
		}
	}
	return v
}

// replaceWord replaces word in text where no letter, digit, '_', '-' or '.' is
// beside it.
func replaceWord(text, word, by string) string {
	part := func(s string) bool {
		return s != "" && (s[0] == '_' || s[0] == '-' || s[0] == '.' || s[0] >= '0' && s[0] <= '9' || s[0] >= 'a' && s[0] <= 'z' || s[0] >= 'A' &&
			s[0] <= 'Z')
	}
	var b strings.Builder
	for {
		i := strings.Index(text, word)
		if i < 0 {
			b.WriteString(text)
			return b.String()
		}
		before, after := b.String()+text[:i], text[i+len(word):]
		b.WriteString(text[:i])
		last := ""
		if before != "" {
			last = before[len(before)-1:]
		}
		if part(last) || part(after) {
			b.WriteString(word)
		} else {
			b.WriteString(by)
		}
		text = after
	}
}
