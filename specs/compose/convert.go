package compose

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/specs/draft"
)

// convert writes what was read as a spec.
func (r *reader) convert() {
	d := r.draft
	d.Stack = r.stack()
	var names []string
	for _, f := range r.files {
		names = append(names, filepath.Base(f))
	}
	d.Head = []string{"Written by `midaz import compose` from " + strings.Join(names, ", ") + ".",
		"Names are those that Compose gives, so that `midaz apply -adopt '*'` takes over what it has started."}
	services, texts := section(r.values, "services"), section(r.texts, "services")
	kept := map[string]any{}
	for _, key := range sortedKeys(services) {
		service, _ := services[key].(map[string]any)
		if service["provider"] != nil {
			d.Note("", nil, "service %s is left out: it is run by a provider, which midaz does not have; what depends on it must be able to do "+
				"without, or reach it another way", key)
			continue
		}
		kept[key] = service
	}
	for _, key := range sortedKeys(kept) {
		s := service{reader: r, key: key, value: kept[key].(map[string]any), services: kept}
		s.text, _ = texts[key].(map[string]any)
		s.convert()
	}
	r.objects("networks", kept)
	r.objects("volumes", kept)
	for _, name := range []string{"models", "jobs"} {
		if len(section(r.values, name)) > 0 {
			d.Note("", nil, "`%s` is left out: midaz has nothing like it", name)
		}
	}
	r.variables()
	d.HideSecrets()
	d.Sort()
}

func section(model map[string]any, name string) map[string]any {
	all, _ := model[name].(map[string]any)
	return all
}

var notInStack = regexp.MustCompile(`[^a-z0-9-]+`)

// stack is the name of the project, or one like it that a stack can have.
func (r *reader) stack() string {
	name := strings.Trim(notInStack.ReplaceAllString(r.name, "-"), "-")
	if len(name) > 63 {
		name = strings.Trim(name[:63], "-")
	}
	if name != r.name {
		r.draft.Note("", nil, "the stack is called %s, because %s cannot be the name of a stack; the objects keep the names that Compose gave "+
			"them", name, r.name)
	}
	return name
}

// objects are the networks or volumes that services use: Compose creates no
// others.
func (r *reader) objects(kind string, services map[string]any) {
	used := map[string]bool{}
	for _, v := range services {
		service, _ := v.(map[string]any)
		for key := range section(service, "networks") {
			used["networks/"+key] = true
		}
		mounts, _ := service["volumes"].([]any)
		for _, v := range mounts {
			if m, ok := v.(map[string]any); ok && m["type"] == "volume" {
				used[fmt.Sprintf("volumes/%v", m["source"])] = true
			}
		}
	}
	all, texts := section(r.values, kind), section(r.texts, kind)
	for _, key := range sortedKeys(all) {
		if !used[kind+"/"+key] {
			r.draft.Note("", nil, "%s %s is left out: no service uses it, and Compose does not create it either", strings.TrimSuffix(kind, "s"), key)
			continue
		}
		e := &draft.Entry{Key: key, Fields: r.object(key, all[key], texts[key])}
		if kind == "networks" {
			r.draft.Networks = append(r.draft.Networks, e)
		} else {
			r.draft.Volumes = append(r.draft.Volumes, e)
		}
	}
}

// object is a network or volume.
func (r *reader) object(key string, value, text any) map[string]any {
	fields, _ := r.written(value, text).(map[string]any)
	out := map[string]any{}
	for k, e := range fields {
		if k == "labels" {
			e = labelTexts(e)
		}
		if !isNothing(e) {
			out[k] = e
		}
	}
	if out["external"] == true {
		out = map[string]any{"external": true, "name": out["name"]}
	}
	if out["external"] == false {
		delete(out, "external")
	}
	if out["name"] == nil {
		out["name"] = r.name + "_" + key
	}
	return out
}

// isNothing reports whether a value says no more than its absence would.
// Explicit false, zero and "" say something.
func isNothing(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	}
	return false
}

// dropNothing leaves out what says nothing, at any depth.
func dropNothing(m map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range m {
		if nested, ok := v.(map[string]any); ok {
			v = dropNothing(nested)
		}
		if text, ok := v.(string); ok && text == "" || isNothing(v) {
			continue
		}
		out[k] = v
	}
	return out
}

// service is one service while it is converted. value and text are the same
// fields with and without references resolved.
type service struct {
	*reader
	key         string
	section     string
	entry       *draft.Entry
	value, text map[string]any
	services    map[string]any
}

func (s *service) note(format string, args ...any) { s.draft.Note(s.section, s.entry, format, args...) }

func (s *service) convert() {
	s.entry, s.section = &draft.Entry{Key: s.key, Fields: map[string]any{}}, "services"
	if why := s.isJob(); why != "" {
		s.section = "jobs"
		s.note("taken for a job: %s. If it keeps running, it belongs under services", why)
	}
	fields := s.entry.Fields
	fields["container_name"] = s.name + "-" + s.key + "-1"
	for _, k := range sortedKeys(s.value) {
		if v := s.field(k, s.value[k], s.text[k]); v != nil {
			fields[k] = v
		}
	}
	s.restart()
	s.replicas()
	if s.section == "jobs" {
		s.draft.Jobs = append(s.draft.Jobs, s.entry)
	} else {
		s.draft.Services = append(s.draft.Services, s.entry)
	}
}

// notStarted is the profile of services that Compose runs no container of.
const notStarted = "not-started"

// count is how many containers Compose runs of a service.
func count(value map[string]any) int64 {
	deploy, _ := value["deploy"].(map[string]any)
	for _, v := range []any{value["scale"], deploy["replicas"]} {
		if n, ok := v.(int64); ok {
			return n
		}
	}
	return 1
}

func (s *service) replicas() {
	switch n := count(s.value); {
	case n == 0:
		s.note("Compose runs 0 of it: it takes part only when the profile %s is on", notStarted)
		s.entry.Fields["profiles"] = []any{notStarted}
	case n > 1:
		s.note("Compose runs %d of it; the spec has one", n)
	default:
		return
	}
	s.marks.lose(s.text["scale"])
	s.marks.lose(section(s.text, "deploy")["replicas"])
}

// effectiveRestart is the restart policy that Compose gives the container.
func effectiveRestart(value map[string]any) string {
	policy := section(section(value, "deploy"), "restart_policy")
	if policy == nil {
		text, _ := value["restart"].(string)
		return text
	}
	condition, _ := policy["condition"].(string)
	switch condition {
	case "none":
		return "no"
	case "any":
		return "always"
	case "on-failure":
		if n, ok := policy["max_attempts"].(int64); ok && n > 0 {
			return fmt.Sprintf("on-failure:%d", n)
		}
	}
	return condition
}

// restart writes the restart policy in one place.
func (s *service) restart() {
	fields := s.entry.Fields
	policy := section(section(s.value, "deploy"), "restart_policy")
	effective := effectiveRestart(s.value)
	if policy != nil {
		if own, ok := s.value["restart"]; ok && own != effective {
			s.note("restart is %s, from deploy.restart_policy, which Compose takes rather than restart: %v", cmp.Or(effective, "no"), own)
		}
		s.marks.lose(s.text["restart"])
		s.marks.lose(section(section(s.text, "deploy"), "restart_policy"))
		delete(fields, "restart")
		if effective != "" {
			fields["restart"] = effective
		}
		for _, k := range []string{"delay", "window"} {
			if policy[k] != nil {
				s.note("deploy.restart_policy.%s is left out: it has no effect outside of a swarm", k)
			}
		}
		if policy["max_attempts"] != nil && !strings.HasPrefix(effective, "on-failure") {
			s.note("deploy.restart_policy.max_attempts is left out: it has a meaning only with the condition on-failure")
		}
	}
	if s.section == "jobs" {
		delete(fields, "restart")
		if effective != "" && effective != "no" {
			s.note("restart: %s is left out: a job that fails fails the apply, and the next one runs it again", effective)
		}
	}
}

var jobName = regexp.MustCompile(`(?i)(^|[-_.])(init|setup|seed|migrat\w*|bootstrap|provision\w*|create[-_]?\w*)([-_.]|$)`)

// isJob says why a service is one that does a thing and ends, "" for one that
// keeps running. Compose has no word for it.
func (s *service) isJob() string {
	waited := false
	for _, name := range sortedKeys(s.services) {
		other, _ := s.services[name].(map[string]any)
		need, ok := section(other, "depends_on")[s.key].(map[string]any)
		if !ok {
			continue
		}
		if need["condition"] == "service_completed_successfully" {
			return name + " waits until it has completed"
		}
		waited = true
	}
	restart := effectiveRestart(s.value)
	if waited || restart != "" && restart != "no" || !isNothing(s.value["ports"]) || s.value["healthcheck"] != nil {
		return ""
	}
	switch {
	case restart == "no":
		return "nothing restarts it, waits for it or reaches it from outside"
	case jobName.MatchString(s.key):
		return "its name says so, and nothing restarts it or waits for it"
	}
	return ""
}

// field returns the value of a key as the spec has it, nil to leave it out.
func (s *service) field(key string, value, text any) any {
	switch key {
	case "environment":
		return s.environment(value, text)
	case "env_file":
		return s.envFiles(value, text)
	case "volumes":
		return appendAll(s.entry.Fields["volumes"], s.mounts(value, text))
	case "secrets", "configs":
		s.given(key, value, text)
		return nil
	case "labels":
		return s.labels(value, text, s.value["label_file"])
	case "label_file":
		if s.value["labels"] == nil {
			if labels := s.labels(nil, nil, value); labels != nil {
				s.entry.Fields["labels"] = labels
			}
		}
		return nil
	case "ports":
		return s.ports(value, text)
	case "networks":
		return s.networks(value, text)
	case "depends_on":
		return s.dependsOn(value, text)
	case "build":
		return s.build(value, text)
	case "scale":
		return nil
	case "deploy":
		deploy, _ := s.written(value, text).(map[string]any)
		delete(deploy, "replicas")
		delete(deploy, "restart_policy")
		if deploy = dropNothing(deploy); len(deploy) == 0 {
			return nil
		}
		return deploy
	}
	v := s.written(value, text)
	// An empty command or entrypoint says something.
	if isNothing(v) && key != "command" && key != "entrypoint" || v == nil {
		return nil
	}
	return v
}

func appendAll(have, more any) any {
	a, _ := have.([]any)
	b, _ := more.([]any)
	if len(a)+len(b) == 0 {
		return nil
	}
	return append(slices.Clone(a), b...)
}

// pairs returns a map or a list of KEY=VALUE as a map. Values of keys that stand
// alone are nil.
func pairs(v any) map[string]any {
	list, ok := v.([]any)
	if !ok {
		m, _ := v.(map[string]any)
		return m
	}
	out := map[string]any{}
	for _, item := range list {
		name, text, ok := strings.Cut(fmt.Sprint(item), "=")
		if out[name] = nil; ok {
			out[name] = text
		}
	}
	return out
}

// environment is a map of texts. A variable without a value is the one of
// whoever runs Compose.
func (s *service) environment(value, text any) any {
	out := map[string]any{}
	values, texts := pairs(value), s.named(pairs(text))
	for _, name := range sortedKeys(values) {
		if values[name] == nil {
			s.note("variable %s has no value anywhere and is left out, as Compose does", name)
			continue
		}
		out[name] = asText(s.written(values[name], texts[name]))
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

func asText(v any) any {
	if v == nil {
		return ""
	}
	if text, ok := v.(string); ok {
		return text
	}
	return fmt.Sprint(v)
}

func (s *service) envFiles(value, text any) any {
	list, _ := value.([]any)
	texts, _ := text.([]any)
	var out []any
	for i, item := range list {
		m, ok := item.(map[string]any)
		if !ok {
			m = map[string]any{"path": item}
		}
		var from map[string]any
		if i < len(texts) {
			from, _ = texts[i].(map[string]any)
		}
		path := s.writtenPath(m["path"], from["path"])
		m = dropNothing(m)
		m["path"] = path
		if m["required"] == true {
			delete(m, "required")
		}
		if len(m) == 1 {
			out = append(out, path)
		} else {
			out = append(out, m)
		}
	}
	if out == nil {
		return nil
	}
	return out
}

// labelTexts are labels as texts: a label without a value is an empty one.
func labelTexts(v any) any {
	out := map[string]any{}
	for k, v := range pairs(v) {
		out[k] = asText(v)
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// labels joins the labels with those of files, which are read as Compose does.
func (s *service) labels(value, text, files any) any {
	labels, _ := labelTexts(s.written(pairs(value), pairs(text))).(map[string]any)
	var names []string
	list, ok := files.([]any)
	if !ok && files != nil {
		list = []any{files}
	}
	for _, f := range list {
		names = append(names, s.abs(fmt.Sprint(f)))
	}
	if len(names) == 0 {
		if len(labels) == 0 {
			return nil
		}
		return labels
	}
	read, err := readEnv(s.reader.env, names)
	if err != nil {
		s.note("label_file cannot be read and is left out")
		return labels
	}
	out := map[string]any{}
	for k, text := range read {
		out[k] = draft.Literal(text)
	}
	maps.Copy(out, labels)
	s.note("the labels of label_file stand under labels")
	return out
}

// networks is a list when no network has settings. The default one needs none.
func (s *service) networks(value, text any) any {
	all, ok := value.(map[string]any)
	if !ok {
		return nil
	}
	texts, _ := text.(map[string]any)
	var list []any
	settings := map[string]any{}
	plain := true
	for _, key := range sortedKeys(all) {
		m, _ := s.written(all[key], texts[key]).(map[string]any)
		m = dropNothing(m)
		plain = plain && len(m) == 0
		list = append(list, key)
		settings[key] = m
	}
	switch {
	case plain && len(list) == 1 && list[0] == "default":
		return nil
	case plain:
		return list
	}
	return settings
}

func (s *service) dependsOn(value, text any) any {
	all, ok := value.(map[string]any)
	if !ok {
		return nil
	}
	from, _ := text.(map[string]any)
	texts := s.plainKeys(from)
	var list []any
	out := map[string]any{}
	plain := true
	for _, key := range sortedKeys(all) {
		other, ok := s.services[key].(map[string]any)
		if !ok || count(other) == 0 && count(s.value) != 0 {
			s.note("depends_on %s is left out: nothing of it runs", key)
			continue
		}
		m, _ := s.written(all[key], texts[key]).(map[string]any)
		if m["required"] == true {
			delete(m, "required")
		}
		if m["restart"] == false {
			delete(m, "restart")
		}
		plain = plain && (len(m) == 0 || len(m) == 1 && m["condition"] == "service_started")
		list = append(list, key)
		out[key] = m
	}
	switch {
	case len(list) == 0:
		return nil
	case plain:
		return list
	}
	return out
}

// build is how the image is made. Only folders can be built from.
func (s *service) build(value, text any) any {
	m, ok := value.(map[string]any)
	if !ok {
		return s.writtenPath(value, text)
	}
	from, _ := text.(map[string]any)
	if context := fmt.Sprint(m["context"]); m["context"] != nil && !filepath.IsAbs(context) {
		if s.value["image"] == nil {
			s.entry.Fields["image"] = s.name + "-" + s.key
		}
		if s.value["pull_policy"] == nil || s.value["pull_policy"] == "build" {
			s.entry.Fields["pull_policy"] = "never"
			s.value = maps.Clone(s.value)
			delete(s.value, "pull_policy")
		}
		s.note("build is left out: its context is an address, and midaz builds from folders only. Build the image as Compose does, for "+
			"example with `docker compose build %s`, or give a folder with a copy", s.key)
		s.marks.lose(text)
		return nil
	}
	out, _ := s.written(m, from).(map[string]any)
	args, labels := textsOf(out["args"]), labelTexts(out["labels"])
	out = dropNothing(out)
	delete(out, "args")
	delete(out, "labels")
	if len(args) > 0 {
		out["args"] = args
	}
	if labels != nil {
		out["labels"] = labels
	}
	if ssh, ok := m["ssh"].(map[string]any); ok && len(ssh) > 0 {
		out["ssh"] = sortedKeysAny(ssh)
	}
	out["context"] = s.writtenPath(m["context"], from["context"])
	if contexts := section(m, "additional_contexts"); len(contexts) > 0 {
		out["additional_contexts"] = s.writtenPath(contexts, from["additional_contexts"])
	}
	if out["dockerfile"] == "Dockerfile" {
		delete(out, "dockerfile")
	}
	if len(out) == 1 {
		return out["context"]
	}
	return out
}

// textsOf are build arguments: a map of texts.
func textsOf(v any) map[string]any {
	out := map[string]any{}
	for k, v := range pairs(v) {
		if v != nil {
			out[k] = asText(v)
		}
	}
	return out
}

func sortedKeysAny(m map[string]any) []any {
	var out []any
	for _, k := range sortedKeys(m) {
		out = append(out, k)
	}
	return out
}

// variables declares what is referred to. What an env file says of a variable
// that is no secret becomes its default.
func (r *reader) variables() {
	for _, name := range slices.Sorted(maps.Keys(r.marks.used)) {
		for i, own := range r.marks.valuesOr(name, r.lookup) {
			r.variable(name, renamed(name, i), own, i)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.marks.lost)) {
		r.draft.Note("", nil, "a reference to variable %s%s was replaced by its value: the spec has no reference in its place", name,
			r.writtenAt(name, r.marks.lost[name]))
	}
}

// variable declares one variable under the name that it has in the spec. own is
// its value behind a '=', "" when it is nowhere set.
func (r *reader) variable(name, as, own string, nth int) {
	referred := r.draft.References()
	if !referred[as] {
		return
	}
	value, set := strings.CutPrefix(own, "=")
	v := draft.Variable{Name: as, Sensitive: draft.IsSecretName(name) || draft.IsSecretText(value)}
	if set {
		v.Value = &value
	}
	_, shell := r.env[name]
	file, inFile := r.fileEnv[name]
	switch {
	case !set && !r.draft.HasDefault(as):
		empty := ""
		v.Default, v.Comment = &empty, as+" is nowhere set, which Compose takes for empty"
		r.draft.Note("", nil, "variable %s is nowhere set, which Compose takes for empty", as)
	case inFile && nth == 0 && !v.Sensitive:
		v.Default = &file
	case set && !shell && !v.Sensitive: // of an included project
		v.Default = &value
	}
	if nth > 0 {
		r.draft.Note("", nil, "variable %s is %s as an included project sets it", as, name)
	}
	r.draft.Declare(v)
}
