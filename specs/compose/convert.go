package compose

import (
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/dotenv"

	"github.com/LerianStudio/midaz-infra/specs/draft"
)

// convert writes what was read as a spec.
func (r *reader) convert() {
	d := r.draft
	d.Stack = r.name
	var names []string
	for _, f := range r.files {
		names = append(names, filepath.Base(f))
	}
	d.Head = []string{"Written by `midaz import compose` from " + strings.Join(names, ", ") + ".",
		"Names are those that Compose gives, so that `midaz apply -adopt '*'` takes over what it has started."}
	for _, kind := range []string{"networks", "volumes"} {
		all, _ := r.model[kind].(map[string]any)
		for _, key := range sortedKeys(all) {
			e := &draft.Entry{Key: key, Fields: r.object(key, all[key])}
			if kind == "networks" {
				d.Networks = append(d.Networks, e)
			} else {
				d.Volumes = append(d.Volumes, e)
			}
		}
	}
	services, _ := r.model["services"].(map[string]any)
	for _, key := range sortedKeys(services) {
		fields, _ := services[key].(map[string]any)
		r.service(key, fields, services)
	}
	for _, section := range []string{"models", "jobs"} {
		if all, _ := r.model[section].(map[string]any); len(all) > 0 {
			d.Note("", nil, "`%s` is left out: midaz has nothing like it", section)
		}
	}
	r.variables()
	d.HideSecrets()
	d.Sort()
}

// object is a network or volume.
func (r *reader) object(key string, v any) map[string]any {
	fields, _ := r.tokens.back(v).(map[string]any)
	out := map[string]any{}
	for k, e := range fields {
		if !isEmpty(e) && !strings.HasPrefix(k, "x-") {
			out[k] = e
		}
	}
	if out["external"] == true {
		out = map[string]any{"external": true, "name": out["name"]}
	}
	if out["name"] == nil {
		out["name"] = r.name + "_" + key
	}
	return out
}

func isEmpty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	}
	return v == false
}

// service turns one service into a service or job.
func (r *reader) service(key string, read map[string]any, all map[string]any) {
	d := r.draft
	e := &draft.Entry{Key: key, Fields: map[string]any{}}
	section := "services"
	if why := r.isJob(key, read, all); why != "" {
		section = "jobs"
		d.Note(section, e, "taken for a job: %s. If it keeps running, it belongs under services", why)
	}
	e.Fields["container_name"] = r.name + "-" + key + "-1"
	if n := max(replicas("scale", read["scale"]), replicas("deploy", read["deploy"])); n > 1 {
		d.Note(section, e, "Compose runs %d of it; the spec has one", n)
	}
	for _, k := range sortedKeys(read) {
		if strings.HasPrefix(k, "x-") {
			continue
		}
		if v := r.field(section, e, k, read[k], read); v != nil {
			e.Fields[k] = v
		}
	}
	if section == "jobs" {
		delete(e.Fields, "restart")
		d.Jobs = append(d.Jobs, e)
	} else {
		d.Services = append(d.Services, e)
	}
}

func replicas(key string, v any) int {
	if deploy, ok := v.(map[string]any); ok && key == "deploy" {
		v = deploy["replicas"]
	} else if key != "scale" {
		return 1
	}
	n, ok := v.(int64)
	if !ok {
		return 1
	}
	return int(n)
}

var jobName = regexp.MustCompile(`(?i)(^|[-_.])(init|setup|seed|migrat\w*|bootstrap|provision\w*|create[-_]?\w*)([-_.]|$)`)

// isJob says why a service is one that does a thing and ends, "" for one that
// keeps running. Compose has no word for it.
func (r *reader) isJob(key string, read map[string]any, all map[string]any) string {
	waited := false
	for _, name := range sortedKeys(all) {
		other, _ := all[name].(map[string]any)
		needs, _ := other["depends_on"].(map[string]any)
		need, ok := needs[key].(map[string]any)
		if !ok {
			continue
		}
		if need["condition"] == "service_completed_successfully" {
			return name + " waits until it has completed"
		}
		waited = true
	}
	restart, _ := read["restart"].(string)
	if waited || restart != "" && restart != "no" || !isEmpty(read["ports"]) || read["healthcheck"] != nil {
		return ""
	}
	switch {
	case restart == "no":
		return "nothing restarts it, waits for it or reaches it from outside"
	case jobName.MatchString(key):
		return "its name says so, and nothing restarts it or waits for it"
	}
	return ""
}

// field returns the value of a key as the spec has it, nil to leave it out.
func (r *reader) field(section string, e *draft.Entry, key string, v any, read map[string]any) any {
	switch key {
	case "environment":
		return r.environment(section, e, v)
	case "env_file":
		return r.envFiles(v)
	case "volumes":
		return appendAll(e.Fields["volumes"], r.mounts(v))
	case "secrets", "configs":
		r.given(section, e, key, v)
		return nil
	case "labels":
		return r.labels(section, e, v, read["label_file"])
	case "label_file":
		if read["labels"] != nil {
			return nil
		}
		if labels := r.labels(section, e, nil, v); labels != nil {
			e.Fields["labels"] = labels
		}
		return nil
	case "ports":
		return r.ports(v)
	case "networks":
		return r.networks(v)
	case "depends_on":
		return dependsOn(r.tokens.back(v))
	case "build":
		return r.build(v)
	case "scale":
		return nil
	case "deploy":
		deploy, _ := v.(map[string]any)
		deploy = maps.Clone(deploy)
		delete(deploy, "replicas")
		if isEmpty(deploy) {
			return nil
		}
		return r.tokens.back(deploy)
	}
	v = r.tokens.back(v)
	if m, ok := v.(map[string]any); ok {
		for k := range m {
			if strings.HasPrefix(k, "x-") {
				delete(m, k)
			}
		}
	}
	// An empty command or entrypoint says something.
	if isEmpty(v) && key != "command" && key != "entrypoint" {
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

// environment is a map of texts. A variable without a value is the one of
// whoever runs Compose.
func (r *reader) environment(section string, e *draft.Entry, v any) any {
	out := map[string]any{}
	add := func(name string, v any) {
		if v != nil {
			if text, ok := r.tokens.back(v).(string); ok {
				out[name] = text
				return
			}
			out[name] = fmt.Sprint(r.tokens.back(v))
			return
		}
		value, set := r.lookup(name)
		if !set {
			r.draft.Note(section, e, "variable %s has no value anywhere and is left out, as Compose does", name)
			return
		}
		r.tokens.used[name] = variable{value: value, set: true}
		out[name] = "${" + name + "}"
	}
	switch v := v.(type) {
	case map[string]any:
		for _, name := range sortedKeys(v) {
			add(name, v[name])
		}
	case []any:
		for _, item := range v {
			name, text, ok := strings.Cut(fmt.Sprint(item), "=")
			if ok {
				add(name, text)
			} else {
				add(name, nil)
			}
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

func (r *reader) envFiles(v any) any {
	var out []any
	list, _ := v.([]any)
	for _, item := range list {
		m, ok := item.(map[string]any)
		if !ok {
			m = map[string]any{"path": item}
		}
		m = maps.Clone(m)
		m["path"] = r.path(m["path"])
		if m["required"] == true {
			delete(m, "required")
		}
		if len(m) == 1 {
			out = append(out, m["path"])
		} else {
			out = append(out, m)
		}
	}
	if out == nil {
		return nil
	}
	return out
}

// path is a path of the host as the spec writes it.
func (r *reader) path(v any) any {
	text, ok := v.(string)
	if !ok {
		return v
	}
	return r.tokens.back(r.specPath(text))
}

func (r *reader) mounts(v any) any {
	return r.each(v, func(m map[string]any) any { return r.mount(maps.Clone(m)) })
}

// each converts the items of a list that are written in their long form.
func (r *reader) each(v any, convert func(map[string]any) any) any {
	list, _ := v.([]any)
	if len(list) == 0 {
		return nil
	}
	out := make([]any, len(list))
	for i, item := range list {
		if m, ok := item.(map[string]any); ok {
			out[i] = convert(m)
		} else {
			out[i] = r.tokens.back(item)
		}
	}
	return out
}

// mount is one mount, on one line when that says it all.
func (r *reader) mount(m map[string]any) any {
	if m["type"] == "bind" {
		if source, ok := m["source"].(string); ok {
			m["source"] = r.specPath(source)
		}
		if bind, ok := m["bind"].(map[string]any); ok && bind["create_host_path"] == true {
			bind = maps.Clone(bind)
			delete(bind, "create_host_path")
			m["bind"] = bind
		} else if !ok || bind["create_host_path"] == nil {
			// In the long form Compose makes no folder by itself. The short one
			// is taken apart with create_host_path: true.
			if bind = maps.Clone(bind); bind == nil {
				bind = map[string]any{}
			}
			bind["create_host_path"] = false
			m["bind"] = bind
		}
	}
	m, _ = r.tokens.back(dropEmpty(m)).(map[string]any)
	if tmpfs, ok := m["tmpfs"].(map[string]any); ok && tmpfs["mode"] != nil {
		tmpfs["mode"] = octal(tmpfs["mode"])
	}
	source, target := fmt.Sprint(m["source"]), fmt.Sprint(m["target"])
	simple := m["type"] == "bind" || m["type"] == "volume"
	for k := range m {
		simple = simple && slices.Contains([]string{"type", "source", "target", "read_only"}, k)
	}
	if !simple || strings.Contains(source+target, ":") || m["type"] == "volume" && m["source"] == nil {
		if m["type"] == "volume" && m["source"] == nil && len(m) == 2 && !strings.Contains(target, ":") {
			return target
		}
		return m
	}
	if m["type"] == "bind" && !strings.HasPrefix(source, "/") && !strings.HasPrefix(source, ".") && !strings.HasPrefix(source, "~") {
		return m // a reference may be anything
	}
	text := source + ":" + target
	if m["read_only"] == true {
		text += ":ro"
	}
	return text
}

// dropEmpty leaves out options that say nothing.
func dropEmpty(m map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range m {
		if nested, ok := v.(map[string]any); ok {
			v = dropEmpty(nested)
		}
		if text, ok := v.(string); ok && text == "" || isEmpty(v) && k != "create_host_path" || strings.HasPrefix(k, "x-") {
			continue
		}
		out[k] = v
	}
	return out
}

// octal is a number of permission bits as the spec writes it. Compose's loader
// has read it as a number of any base.
func octal(v any) any {
	n, ok := v.(int64)
	if !ok {
		return v
	}
	return fmt.Sprintf("%04o", n)
}

// labels joins the labels with those of files, which are read as Compose does.
func (r *reader) labels(section string, e *draft.Entry, v, files any) any {
	v = r.tokens.back(v)
	var names []string
	list, ok := files.([]any)
	if !ok && files != nil {
		list = []any{files}
	}
	for _, f := range list {
		names = append(names, r.abs(fmt.Sprint(f)))
	}
	if len(names) == 0 {
		if isEmpty(v) {
			return nil
		}
		return v
	}
	read, err := dotenv.GetEnvFromFile(maps.Clone(r.env), names)
	if err != nil {
		r.draft.Note(section, e, "label_file cannot be read and is left out")
		return v
	}
	out := map[string]any{}
	for k, text := range read {
		out[k] = strings.ReplaceAll(text, "$", "$$")
	}
	switch v := v.(type) {
	case map[string]any:
		maps.Copy(out, v)
	case []any:
		for _, item := range v {
			k, text, _ := strings.Cut(fmt.Sprint(item), "=")
			out[k] = text
		}
	}
	r.draft.Note(section, e, "the labels of label_file stand under labels")
	return out
}

// given are secrets and configs. Compose mounts those that are files, and
// places a copy of those that are texts.
func (r *reader) given(section string, e *draft.Entry, key string, v any) {
	all, _ := r.model[key].(map[string]any)
	list, _ := v.([]any)
	for _, item := range list {
		m, ok := item.(map[string]any)
		if !ok {
			m = map[string]any{"source": item}
		}
		source := fmt.Sprint(m["source"])
		def, _ := all[source].(map[string]any)
		target, _ := m["target"].(string)
		switch {
		case target == "" && key == "secrets":
			target = "/run/secrets/" + source
		case target == "":
			target = "/" + source
		case !strings.HasPrefix(target, "/") && key == "secrets":
			target = "/run/secrets/" + target
		}
		content := r.textOf(key, def)
		if file, ok := def["file"].(string); ok {
			e.Fields["volumes"] = appendAll(e.Fields["volumes"], []any{map[string]any{"type": "bind", "source": r.path(file), "target": r.tokens.back(target), "read_only": true}})
			continue
		}
		if content == nil {
			r.draft.Note(section, e, "the %s %s comes from elsewhere and is left out: place its content with `files`", strings.TrimSuffix(key, "s"), source)
			continue
		}
		file := map[string]any{"content": content, "target": r.tokens.back(target), "mode": "0444"}
		if m["mode"] != nil {
			file["mode"] = octal(m["mode"])
		}
		for _, id := range []string{"uid", "gid"} {
			if n, err := strconv.Atoi(fmt.Sprint(m[id])); err == nil && n != 0 {
				file[id] = int64(n)
			}
		}
		e.Fields["files"] = appendAll(e.Fields["files"], []any{file})
	}
}

// textOf is the text of a secret or config, nil when the project does not say
// it. What a secret is is known to whoever runs Compose only.
func (r *reader) textOf(key string, def map[string]any) any {
	if text, ok := def["content"].(string); ok {
		return r.tokens.back(text)
	}
	name, ok := def["environment"].(string)
	if !ok {
		return nil
	}
	value, set := r.lookup(name)
	if key == "configs" {
		r.tokens.used[name] = variable{value: value, set: set}
		return "${" + name + "}"
	}
	secret := draft.Variable{Name: name, Sensitive: true}
	if set {
		secret.Value = &value
	}
	r.draft.Declare(secret)
	return "${" + name + "}"
}

func (r *reader) ports(v any) any { return r.each(v, r.port) }

// port is one port, on one line when that says it all.
func (r *reader) port(m map[string]any) any {
	m, _ = r.tokens.back(dropEmpty(m)).(map[string]any)
	delete(m, "mode")
	if m["protocol"] == "tcp" {
		delete(m, "protocol")
	}
	for k := range m {
		if !slices.Contains([]string{"target", "published", "host_ip", "protocol"}, k) {
			m["target"] = fmt.Sprint(m["target"])
			return m
		}
	}
	text := fmt.Sprint(m["target"])
	if published, ok := m["published"]; ok {
		text = fmt.Sprint(published) + ":" + text
	}
	if ip, _ := m["host_ip"].(string); ip != "" {
		if strings.Contains(ip, ":") && !strings.Contains(ip, "$") {
			ip = "[" + ip + "]"
		}
		if m["published"] == nil {
			text = ":" + text
		}
		text = ip + ":" + text
	}
	if p, _ := m["protocol"].(string); p != "" {
		text += "/" + p
	}
	return text
}

// networks is a list when no network has settings. The default one needs none.
func (r *reader) networks(v any) any {
	all, ok := r.tokens.back(v).(map[string]any)
	if !ok {
		return v
	}
	var list []any
	settings := map[string]any{}
	plain := true
	for _, key := range sortedKeys(all) {
		m, _ := all[key].(map[string]any)
		m = dropEmpty(m)
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

func dependsOn(v any) any {
	all, ok := v.(map[string]any)
	if !ok {
		return v
	}
	var list []any
	out := map[string]any{}
	plain := true
	for _, key := range sortedKeys(all) {
		m, _ := all[key].(map[string]any)
		m = maps.Clone(m)
		if m["required"] == true {
			delete(m, "required")
		}
		plain = plain && (len(m) == 0 || len(m) == 1 && m["condition"] == "service_started")
		list = append(list, key)
		out[key] = m
	}
	if plain {
		return list
	}
	return out
}

func (r *reader) build(v any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return r.path(v)
	}
	m = dropEmpty(m)
	m["context"] = r.path(m["context"])
	if m["dockerfile"] == "Dockerfile" {
		delete(m, "dockerfile")
	}
	if args, ok := m["args"].(map[string]any); ok {
		for k, v := range args {
			args[k] = fmt.Sprint(v)
		}
	}
	if len(m) == 1 {
		return m["context"]
	}
	context := m["context"]
	out, _ := r.tokens.back(m).(map[string]any)
	out["context"] = context
	return out
}

// variables declares what is referred to. What the env file says of a variable
// that is no secret becomes its default.
func (r *reader) variables() {
	referred := r.draft.References()
	for _, name := range slices.Sorted(maps.Keys(r.tokens.used)) {
		u := r.tokens.used[name]
		if !referred[name] {
			continue
		}
		v := draft.Variable{Name: name, Sensitive: draft.IsSecretName(name) || draft.IsSecretText(u.value)}
		if u.set {
			v.Value = &u.value
		}
		file, inFile := r.fileEnv[name]
		switch {
		case u.stripped:
			r.draft.Note("", nil, "variable %s had a default in the Compose file, which is a secret: it is left out", name)
		case !u.set && !u.hasDefault:
			empty := ""
			v.Default, v.Comment = &empty, name+" is nowhere set, which Compose takes for empty"
			r.draft.Note("", nil, "variable %s is nowhere set, which Compose takes for empty", name)
		case !v.Sensitive && inFile && !u.hasDefault:
			v.Default = &file
		}
		r.draft.Declare(v)
	}
	for _, name := range slices.Sorted(maps.Keys(r.tokens.lost)) {
		r.draft.Note("", nil, "a reference to variable %s was replaced by its value: it stands for a switch, or for a part of what it is written in", name)
	}
}
