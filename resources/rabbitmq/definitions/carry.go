package definitions

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// carrier takes the parts of a file over, one after the other, into what is
// written as the spec.
type carrier struct {
	o      Options
	out    *Result
	users  map[string]*user
	vhosts map[string]*vhost
	global []named
	// notes are about the whole file.
	notes []string
	names map[string]bool // of variables
	// paired tells that maps at the top of global parameters are lists of pairs.
	// No such value is then a map.
	paired bool
}

// named is one entry of a map of the spec: a name with its fields, and what is
// to be said about it.
type named struct {
	name   string
	fields fields
	notes  []string
	nested []section
}

// field is one key of the spec with its value: text, number (json.Number),
// bool, []any, map[string]any, or a reference to a variable.
type field struct {
	key   string
	value any
}

type fields []field

func (f *fields) add(key string, value any) { *f = append(*f, field{key, value}) }

// reference is a value that stands in a variable.
type reference string

type user struct {
	named
}

// vhost is one virtual host being collected.
type vhost struct {
	named
	permissions, topic, exchanges, queues, bindings, policies, operator section
	parameters                                                          map[string]*section
	limits                                                              fields
}

// section is a map or list of the spec below a virtual host.
type section struct {
	key   string
	items []named
	list  bool // a list of maps without names
	notes []string
}

func (s *section) has(name string) bool {
	return slices.ContainsFunc(s.items, func(n named) bool { return n.name == name })
}

func (c *carrier) read(file row) {
	for _, key := range file.extra(append(slices.Clone(sections), aboutFile...)...) {
		c.notes = append(c.notes, fmt.Sprintf("%q is not known", key))
	}
	single := ""
	if file.isVhostExport() {
		single = c.o.Vhost
		if given := file.text("original_vhost_name"); given != "" && c.o.Vhost == "/" {
			single = given
		}
		c.vhostFields(c.vhost(single), file)
	}
	for _, r := range file.rows("users") {
		c.user(r)
	}
	for _, r := range file.rows("vhosts") {
		if c.vhosts[r.text("name")] != nil {
			c.notes = append(c.notes, fmt.Sprintf("virtual host %q is there twice; the first was taken", r.text("name")))
			continue
		}
		v := c.vhost(r.text("name"))
		c.vhostFields(v, r)
		c.extra(&v.notes, "the virtual host", r, "name", "description", "tags", "default_queue_type", "limits", "metadata", "tracing", "cluster_state")
		if r["tracing"] == true {
			v.fields.add("tracing", true)
		}
	}
	in := func(r row) *vhost {
		if name, ok := r["vhost"].(string); ok {
			return c.vhost(name)
		}
		if single == "" {
			single = c.o.Vhost
		}
		return c.vhost(single)
	}
	for _, r := range file.rows("exchanges") {
		c.exchange(in(r), r)
	}
	for _, r := range file.rows("queues") {
		c.queue(in(r), r)
	}
	for _, r := range file.rows("bindings") {
		c.binding(in(r), r)
	}
	for _, r := range file.rows("policies") {
		c.policy(in(r), "policies", "policy", r.text("name"), r, r)
	}
	for _, r := range file.rows("permissions") {
		c.permission(in(r), r)
	}
	for _, r := range file.rows("topic_permissions") {
		c.topicPermission(in(r), r)
	}
	for _, r := range file.rows("parameters") {
		c.parameter(in(r), r)
	}
	c.paired = !slices.ContainsFunc(file.rows("global_parameters"), func(r row) bool { _, isMap := r["value"].(map[string]any); return isMap })
	for _, r := range file.rows("global_parameters") {
		c.globalParameter(r)
	}
}

func (c *carrier) vhost(name string) *vhost {
	if v := c.vhosts[name]; v != nil {
		return v
	}
	v := &vhost{named: named{name: name}, permissions: section{key: "permissions"}, topic: section{key: "topic_permissions"}, exchanges: section{key: "exchanges"},
		queues: section{key: "queues"}, bindings: section{key: "bindings", list: true}, policies: section{key: "policies"}, operator: section{key: "operator_policies"},
		parameters: map[string]*section{}}
	c.vhosts[name] = v
	return v
}

// extra notes keys that have no place in the spec.
func (c *carrier) extra(notes *[]string, what string, r row, known ...string) {
	if more := r.extra(known...); len(more) > 0 {
		*notes = append(*notes, fmt.Sprintf("%s: %s is not carried", what, strings.Join(more, ", ")))
	}
}

// vhostFields reads what is said about a virtual host itself, by 4.x twice.
func (c *carrier) vhostFields(v *vhost, r row) {
	meta := row(r.object("metadata"))
	first := func(key string) any {
		if value, ok := r[key]; ok && value != "" && value != "undefined" {
			return value
		}
		return meta[key]
	}
	if d, ok := first("description").(string); ok && d != "" {
		v.fields.add("description", d)
	}
	if tags := tagsOf(first("tags")); len(tags) > 0 {
		v.fields.add("tags", tags)
	}
	switch t := first("default_queue_type"); t {
	case nil, "", "undefined":
	case "classic", "quorum", "stream":
		v.fields.add("default_queue_type", t)
	default:
		v.notes = append(v.notes, fmt.Sprintf("default_queue_type %v is not known", t))
	}
	c.limits(v, r["limits"])
}

// limits reads {"max-queues": 5}, or a list of such objects.
func (c *carrier) limits(v *vhost, value any) {
	value = Unpair(value)
	if list, ok := value.([]any); ok {
		for _, e := range list {
			c.limits(v, e)
		}
		return
	}
	m, _ := value.(map[string]any)
	for _, k := range slices.Sorted(maps.Keys(m)) {
		key := strings.ReplaceAll(k, "-", "_")
		if key != "max_connections" && key != "max_queues" {
			v.notes = append(v.notes, fmt.Sprintf("limit %s is not known", k))
			continue
		}
		if n, ok := limitOf(m[k]); ok && !slices.ContainsFunc(v.limits, func(f field) bool { return f.key == key }) {
			v.limits.add(key, n)
		}
	}
}

// limitOf returns a limit; a negative one limits nothing.
func limitOf(value any) (json.Number, bool) {
	n, ok := value.(json.Number)
	i, err := strconv.ParseInt(n.String(), 10, 64)
	return n, ok && err == nil && i >= 0
}

// tagsOf reads tags as a list or as one text with commas; sorted, each once.
func tagsOf(value any) []any {
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

// digests are the bytes of a salted hash by algorithm.
var digests = map[string]int{"sha256": 36, "sha512": 68, "md5": 20}

func (c *carrier) user(r row) {
	name := r.text("name")
	if c.users[name] != nil {
		c.notes = append(c.notes, fmt.Sprintf("user %q is there twice; the first was taken", name))
		return
	}
	u := &user{named: named{name: name}}
	if wrong := badName(name); wrong != "" {
		c.notes = append(c.notes, fmt.Sprintf("user %q: its name %s", name, wrong))
		return
	}
	c.users[name] = u
	c.password(u, r)
	tags := []any{}
	for _, t := range tagsOf(r["tags"]) {
		if strings.ContainsFunc(t.(string), func(r rune) bool { return r < 0x20 || r > 0x7e }) {
			u.notes = append(u.notes, fmt.Sprintf("tag %q is not ASCII, and the broker garbles it", t))
			continue
		}
		tags = append(tags, t)
	}
	u.fields.add("tags", tags)
	limits := section{key: "limits"}
	for _, k := range slices.Sorted(maps.Keys(r.object("limits"))) {
		key := strings.ReplaceAll(k, "-", "_")
		n, ok := limitOf(r.object("limits")[k])
		if key != "max_connections" && key != "max_channels" {
			u.notes = append(u.notes, fmt.Sprintf("limit %s is not known", k))
		} else if ok {
			limits.items = append(limits.items, named{fields: fields{{key, n}}})
		}
	}
	if len(limits.items) > 0 {
		u.nested = append(u.nested, limits)
	}
	c.extra(&u.notes, "the user", r, "name", "password", "password_hash", "hashing_algorithm", "tags", "limits")
}

// password carries a hash as it is. A password in clear is never written.
func (c *carrier) password(u *user, r row) {
	hash, hasHash := r["password_hash"].(string)
	algorithm := strings.TrimPrefix(r.text("hashing_algorithm"), "rabbit_password_hashing_")
	if algorithm == "" {
		algorithm = "sha256"
	}
	if password, ok := r["password"].(string); ok && !hasHash {
		if c.o.Aside {
			u.fields.add("password", c.variable("RABBITMQ_"+u.name+"_PASSWORD", password))
		} else {
			u.fields.add("password_hash", c.o.Hash(password))
		}
		return
	}
	raw, err := base64.StdEncoding.DecodeString(hash)
	switch {
	case !hasHash || hash == "":
		u.fields.add("password_hash", "")
		return
	case digests[algorithm] == 0 || err != nil || len(raw) != digests[algorithm]:
		u.notes = append(u.notes, fmt.Sprintf("its password hash is none that the broker can check (%s), so it could not log in before either", algorithm))
		u.fields.add("password_hash", "")
		return
	case c.o.Aside:
		u.fields.add("password_hash", c.variable("RABBITMQ_"+u.name+"_PASSWORD_HASH", hash))
	default:
		u.fields.add("password_hash", hash)
	}
	if algorithm != "sha256" {
		u.fields.add("hashing_algorithm", algorithm)
	}
}

// variable makes a variable of that name and returns the reference to it.
func (c *carrier) variable(name, value string) reference {
	name = strings.Map(func(r rune) rune {
		switch {
		case r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)):
			return unicode.ToUpper(r)
		default:
			return '_'
		}
	}, name)
	unique := name
	for n := 2; c.names[unique]; n++ {
		unique = fmt.Sprintf("%s_%d", name, n)
	}
	c.names[unique] = true
	c.out.Secrets = append(c.out.Secrets, Secret{unique, value})
	return reference(unique)
}

// badName says why the broker could not keep a name, "" when it can.
func badName(name string) string {
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

// isTransient reports names that clients and plugins make for themselves.
func isTransient(name string) bool {
	for _, prefix := range []string{"amq.", "mqtt-subscription-", "stomp-subscription-", "federation: "} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// accept reports whether an object can go into a section; else it says why not.
func accept(s *section, what, name string) bool {
	reason := badName(name)
	switch {
	case reason != "":
		reason = "its name " + reason
	case s.has(name):
		reason = "it is there twice; the first was taken"
	default:
		return true
	}
	s.notes = append(s.notes, fmt.Sprintf("%s %q: %s", what, name, reason))
	return false
}

// flag reads a boolean. What is missing or "undefined" is false to the broker.
func flag(n *named, r row, key string, tell bool) bool {
	switch v := r[key].(type) {
	case bool:
		return v
	case nil:
		if tell {
			n.notes = append(n.notes, fmt.Sprintf("the export does not say %s, which the broker takes for false", key))
		}
	default:
		n.notes = append(n.notes, fmt.Sprintf("%s was %v, which the broker takes for false", key, v))
	}
	return false
}

func (c *carrier) exchange(v *vhost, r row) {
	name := r.text("name")
	if name == "" || strings.HasPrefix(name, "amq.") {
		return // every broker has them
	}
	if strings.HasPrefix(name, "federation: ") || r.text("type") == "x-federation-upstream" {
		v.exchanges.notes = append(v.exchanges.notes, fmt.Sprintf("exchange %q belongs to the federation plugin, which makes it itself", name))
		return
	}
	if !accept(&v.exchanges, "exchange", name) {
		return
	}
	n := named{name: name}
	if t := r.text("type"); t != "" {
		n.fields.add("type", t)
	}
	if !flag(&n, r, "durable", true) {
		n.fields.add("durable", false)
	}
	if flag(&n, r, "auto_delete", false) {
		n.fields.add("auto_delete", true)
	}
	if flag(&n, r, "internal", false) {
		n.fields.add("internal", true)
	}
	arguments := maps.Clone(r.object("arguments"))
	if alternate, ok := arguments["alternate-exchange"].(string); ok {
		n.fields.add("alternate_exchange", alternate)
		delete(arguments, "alternate-exchange")
	}
	c.arguments(&n, arguments)
	c.extra(&n.notes, "the exchange", r, "name", "vhost", "type", "durable", "auto_delete", "internal", "arguments", "user_who_performed_action", "policy", "operator_policy", "effective_policy_definition")
	v.exchanges.items = append(v.exchanges.items, n)
	c.out.Exchanges++
}

func (c *carrier) queue(v *vhost, r row) {
	name := r.text("name")
	if isTransient(name) || r["exclusive"] == true {
		v.queues.notes = append(v.queues.notes, fmt.Sprintf("queue %q belongs to a client or plugin, which makes it itself", name))
		return
	}
	if !accept(&v.queues, "queue", name) {
		return
	}
	n := named{name: name}
	arguments := maps.Clone(r.object("arguments"))
	kind, _ := arguments["x-queue-type"].(string)
	delete(arguments, "x-queue-type")
	if kind == "" {
		kind = strings.TrimPrefix(r.text("type"), "rabbit_")
		kind = strings.TrimSuffix(kind, "_queue")
	}
	switch kind {
	case "":
	case "classic", "quorum", "stream":
		n.fields.add("type", kind)
	default:
		v.queues.notes = append(v.queues.notes, fmt.Sprintf("queue %q: its type %q is not known", name, kind))
		return
	}
	if !flag(&n, r, "durable", kind != "quorum" && kind != "stream") && kind != "quorum" && kind != "stream" {
		n.fields.add("durable", false)
	}
	if flag(&n, r, "auto_delete", false) {
		n.fields.add("auto_delete", true)
	}
	c.arguments(&n, arguments)
	c.extra(&n.notes, "the queue", r, "name", "vhost", "type", "durable", "auto_delete", "exclusive", "arguments", "node", "policy", "operator_policy", "effective_policy_definition")
	v.queues.items = append(v.queues.items, n)
	c.out.Queues++
}

// arguments adds arguments; null is not among what the broker takes.
func (c *carrier) arguments(n *named, arguments map[string]any) {
	for _, k := range slices.Sorted(maps.Keys(arguments)) {
		if arguments[k] == nil {
			n.notes = append(n.notes, fmt.Sprintf("argument %s is null, which the broker refuses", k))
			delete(arguments, k)
		}
		n.tellCodes("argument "+k, arguments[k])
	}
	if len(arguments) > 0 {
		n.fields.add("arguments", arguments)
	}
}

// tellCodes notes a value that may have been a list: from 4.3 on, rabbitmqctl
// exports a list that begins with a number as the text of these characters. A list
// of printable ones cannot be told from a text.
func (n *named) tellCodes(what string, v any) {
	if hasCodes(v) {
		n.notes = append(n.notes, what+" has control characters: rabbitmqctl exports a list of numbers as such a text, and the management API (GET /api/definitions) as a list; compare it with the broker")
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

func (c *carrier) binding(v *vhost, r row) {
	source, destination, key := r.text("source"), r.text("destination"), r.text("routing_key")
	if source == "" {
		return // every queue has it
	}
	kind, known := "queue", v.queues.has(destination)
	if r.text("destination_type") == "exchange" {
		kind, known = "exchange", v.exchanges.has(destination) || strings.HasPrefix(destination, "amq.")
	}
	n := named{fields: fields{{"source", source}, {kind, destination}}}
	told := fmt.Sprintf("binding from %q to %s %q", source, kind, destination)
	switch {
	case !known:
		v.bindings.notes = append(v.bindings.notes, told+": the export does not have the "+kind)
		return
	case !v.exchanges.has(source) && !strings.HasPrefix(source, "amq."):
		v.bindings.notes = append(v.bindings.notes, told+": the export does not have its exchange (some exports leave internal ones out)")
		return
	}
	if key != "" {
		n.fields.add("routing_key", key)
	}
	c.arguments(&n, maps.Clone(r.object("arguments")))
	n.name = fmt.Sprint(source, "\x00", kind, "\x00", destination, "\x00", key, "\x00", canonical(r.object("arguments")))
	if v.bindings.has(n.name) {
		v.bindings.notes = append(v.bindings.notes, told+": it is there twice, and does nothing more the second time")
		return
	}
	c.extra(&n.notes, "the binding", r, "source", "vhost", "destination", "destination_type", "routing_key", "arguments", "properties_key")
	v.bindings.items = append(v.bindings.items, n)
	c.out.Bindings++
}

// canonical is JSON with sorted keys.
func canonical(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(data)
}

func (c *carrier) policy(v *vhost, key, what, name string, r, body row) {
	s := &v.policies
	if key == "operator_policies" {
		s = &v.operator
	}
	if !accept(s, what, name) {
		return
	}
	n := named{name: name, fields: fields{{"pattern", body.text("pattern")}}}
	if to := body.text("apply-to"); to != "" && to != "all" {
		n.fields.add("apply_to", to)
	}
	if p, ok := body["priority"].(json.Number); ok && p != "0" {
		if f, err := p.Float64(); err == nil && f == float64(int64(f)) {
			p = json.Number(strconv.FormatInt(int64(f), 10)) // 3.0 is taken, and echoed
		}
		if p != "0" {
			n.fields.add("priority", p)
		}
	}
	definition := body.object("definition")
	if definition == nil {
		definition = map[string]any{}
	}
	n.fields.add("definition", c.hideLogins(strings.ToUpper(key)+"_"+name, definition))
	c.extra(&n.notes, "the "+what, body, "name", "vhost", "pattern", "apply-to", "priority", "definition", "component", "value")
	_ = r
	s.items = append(s.items, n)
	c.out.Policies++
}

func (c *carrier) permission(v *vhost, r row) {
	name := r.text("user")
	if !accept(&v.permissions, "permission of", name) {
		return
	}
	n := named{name: name, fields: fields{{"configure", r.text("configure")}, {"write", r.text("write")}, {"read", r.text("read")}}}
	c.needUser(name)
	c.extra(&n.notes, "the permission", r, "user", "vhost", "configure", "write", "read")
	v.permissions.items = append(v.permissions.items, n)
}

// needUser declares a user that the export has not as one managed elsewhere.
func (c *carrier) needUser(name string) {
	if c.users[name] == nil {
		c.users[name] = &user{named: named{name: name, fields: fields{{"external", true}}, notes: []string{"the export does not have this user"}}}
	}
}

func (c *carrier) topicPermission(v *vhost, r row) {
	name, exchange := r.text("user"), r.text("exchange")
	told := fmt.Sprintf("topic permission of %q on %q", name, exchange)
	if !v.exchanges.has(exchange) && !strings.HasPrefix(exchange, "amq.") {
		v.topic.notes = append(v.topic.notes, told+": the export does not have the exchange")
		return
	}
	if wrong := badName(name); wrong != "" {
		v.topic.notes = append(v.topic.notes, told+": the user's name "+wrong)
		return
	}
	if wrong := badName(exchange); wrong != "" {
		v.topic.notes = append(v.topic.notes, told+": the exchange's name "+wrong)
		return
	}
	i := slices.IndexFunc(v.topic.items, func(n named) bool { return n.name == name })
	if i < 0 {
		c.needUser(name)
		v.topic.items = append(v.topic.items, named{name: name, nested: []section{{}}})
		i = len(v.topic.items) - 1
	}
	of := &v.topic.items[i].nested[0]
	if accept(of, told, exchange) {
		of.items = append(of.items, named{name: exchange, fields: fields{{"write", r.text("write")}, {"read", r.text("read")}}})
	}
}

func (c *carrier) parameter(v *vhost, r row) {
	component, name := r.text("component"), r.text("name")
	value := row(r).object("value")
	switch component {
	case "operator_policy":
		c.policy(v, "operator_policies", "operator policy", name, r, value)
		return
	case "policy":
		c.policy(v, "policies", "policy", name, r, value)
		return
	case "vhost-limits":
		c.limits(v, Unpair(r["value"]))
		return
	}
	if r["value"] == nil {
		v.notes = append(v.notes, fmt.Sprintf("%s %q is null, for which the spec has no form", component, name))
		return
	}
	s := v.parameters[component]
	if s == nil {
		s = &section{key: component}
		v.parameters[component] = s
	}
	if !accept(s, component, name) {
		return
	}
	if after, ok := value["src-delete-after"]; component == "shovel" && ok && after != "never" {
		s.notes = append(s.notes, fmt.Sprintf("shovel %q deletes itself when it is done: it is an action, not a state", name))
		return
	}
	n := named{name: name, fields: fields{{"value", c.hideLogins("RABBITMQ_"+name, parameterValue(component, r["value"]))}}}
	n.tellCodes("its value", r["value"])
	s.items = append(s.items, n)
}

// parameterValue is the value of a parameter as the plugin reads it. That of an
// upstream set is a list of maps; all others are maps.
func parameterValue(component string, v any) any {
	if component != "federation-upstream-set" {
		return Unpair(v)
	}
	list, ok := v.([]any)
	if !ok {
		return v
	}
	out := make([]any, len(list))
	for i, e := range list {
		out[i] = Unpair(e)
	}
	return out
}

func (c *carrier) globalParameter(r row) {
	name := r.text("name")
	for _, own := range []string{"midaz.", "internal_cluster_id"} {
		if name == own || strings.HasSuffix(own, ".") && strings.HasPrefix(name, own) {
			c.notes = append(c.notes, fmt.Sprintf("global parameter %q belongs to the broker or to midaz itself", name))
			return
		}
	}
	if wrong := badName(name); wrong != "" || slices.ContainsFunc(c.global, func(n named) bool { return n.name == name }) {
		c.notes = append(c.notes, fmt.Sprintf("global parameter %q: its name %s", name, orElse(wrong, "is there twice")))
		return
	}
	value := r["value"]
	if c.paired {
		value = Unpair(value)
	}
	if value == nil {
		c.notes = append(c.notes, fmt.Sprintf("global parameter %q is null, for which the spec has no form", name))
		return
	}
	n := named{name: name, fields: fields{{"value", c.hideLogins("RABBITMQ_"+name, value)}}}
	n.tellCodes("its value", value)
	c.global = append(c.global, n)
}

func orElse(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// hideLogins puts every URI with a password into a variable.
func (c *carrier) hideLogins(name string, v any) any {
	switch v := v.(type) {
	case string:
		if hasLogin(v) {
			return c.variable(name, v)
		}
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = c.hideLogins(name, e)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for _, k := range slices.Sorted(maps.Keys(v)) {
			out[k] = c.hideLogins(name+"_"+k, v[k])
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
