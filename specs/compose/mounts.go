package compose

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/LerianStudio/midaz-infra/specs/draft"
)

func (s *service) mounts(value, text any) any {
	list, _ := value.([]any)
	texts, _ := text.([]any)
	used := make([]bool, len(texts))
	var out []any
	for i, v := range list {
		m, ok := v.(map[string]any)
		if !ok {
			continue
		}
		var from map[string]any
		if j := s.match(m, i, texts, used); j >= 0 {
			used[j] = true
			from, _ = texts[j].(map[string]any)
		} else if len(texts) == len(list) && !used[i] {
			from, _ = texts[i].(map[string]any)
		}
		out = append(out, s.mount(m, from))
	}
	if out == nil {
		return nil
	}
	return out
}

// mount is one mount, on one line when that says it all.
func (s *service) mount(value, text map[string]any) any {
	m, _ := s.written(value, text).(map[string]any)
	if value["type"] == "bind" {
		m["source"] = s.writtenPath(value["source"], text["source"])
	}
	m = dropNothing(m)
	delete(m, "consistency") // of Docker Desktop for macOS, long without effect
	if bind, ok := m["bind"].(map[string]any); ok {
		if bind["create_host_path"] == true {
			delete(bind, "create_host_path")
		}
		if len(bind) == 0 {
			delete(m, "bind")
		}
	}
	for key, option := range map[string]string{"volume": "nocopy", "": "read_only"} {
		from := m
		if key != "" {
			from, _ = m[key].(map[string]any)
		}
		if from[option] == false {
			delete(from, option)
		}
		if key != "" && from != nil && len(from) == 0 {
			delete(m, key)
		}
	}
	if tmpfs, ok := m["tmpfs"].(map[string]any); ok && tmpfs["mode"] != nil {
		tmpfs["mode"] = octal(tmpfs["mode"])
	}
	if line := s.mountLine(value, text, m); line != "" {
		return line
	}
	return m
}

// mountLine is the short form of a mount, "" when it has none.
func (s *service) mountLine(value, text, m map[string]any) string {
	source, target := fmt.Sprint(m["source"]), fmt.Sprint(m["target"])
	whole, _ := text[wholeText].(string)
	parts := strings.Split(whole, ":")
	hasMode := len(parts) == 3 && isMarked(parts[2])
	if !hasMode {
		for k, v := range m {
			if !slices.Contains([]string{"type", "source", "target", "read_only"}, k) || k == "read_only" && v != true {
				return ""
			}
		}
	}
	if value["type"] != "bind" && value["type"] != "volume" || hasColon(source) || hasColon(target) {
		return ""
	}
	if m["source"] == nil {
		if len(m) == 2 && value["type"] == "volume" {
			return target
		}
		return ""
	}
	if value["type"] == "bind" && !strings.ContainsAny(source[:1], "/.~") && (whole == "" || !strings.HasPrefix(source, "${")) {
		return "" // the short form would take it for the name of a volume
	}
	line := source + ":" + target
	switch {
	case hasMode:
		line += ":" + s.marks.written(parts[2])
	case m["read_only"] == true:
		line += ":ro"
	}
	return line
}

// hasColon reports whether a text holds a colon outside of references.
func hasColon(text string) bool {
	for i, part := range splitText(text) {
		if i%2 == 0 && strings.Contains(part, ":") {
			return true
		}
	}
	return false
}

// octal is a number of permission bits as the spec writes it. Compose's loader
// has read it as a number of any base.
func octal(v any) any {
	switch n := v.(type) {
	case int64:
		return fmt.Sprintf("%04o", n)
	case string:
		if n, err := strconv.ParseInt(n, 8, 32); err == nil {
			return fmt.Sprintf("%04o", n)
		}
	}
	return v
}

// given are secrets and configs. Compose mounts those that are files, and places
// a copy of those that are texts.
func (s *service) given(key string, value, text any) {
	list, _ := value.([]any)
	texts, _ := text.([]any)
	for i, item := range list {
		m, ok := item.(map[string]any)
		if !ok {
			m = map[string]any{"source": item}
		}
		var from map[string]any
		if i < len(texts) {
			from, _ = texts[i].(map[string]any)
		}
		s.place(key, m, from)
	}
}

// place puts one secret or config where Compose puts it.
func (s *service) place(key string, value, text map[string]any) {
	name := fmt.Sprint(value["source"])
	def, _ := section(s.values, key)[name].(map[string]any)
	defText, _ := section(s.texts, key)[name].(map[string]any)
	plain, _ := value["target"].(string)
	target, _ := s.written(value["target"], text["target"]).(string)
	folder := map[string]string{"secrets": "/run/secrets/", "configs": "/"}[key]
	switch {
	case plain == "":
		target = folder + name
	case !strings.HasPrefix(plain, "/"):
		target = folder + target
	}
	fields := s.entry.Fields
	if file, ok := def["file"].(string); ok {
		// Compose fails when the file is missing, and makes no folder in its place.
		fields["volumes"] = appendAll(fields["volumes"], []any{map[string]any{"type": "bind", "source": s.writtenPath(file, defText["file"]),
			"target": target, "read_only": true, "bind": map[string]any{"create_host_path": false}}})
		for _, k := range []string{"uid", "gid", "mode"} {
			if value[k] != nil {
				s.note("%s of the %s %s is left out: it is a mounted file, which keeps its owner and mode, in Compose as well", k,
					strings.TrimSuffix(key, "s"), name)
			}
		}
		return
	}
	content := s.contentOf(key, def, defText)
	if content == nil {
		s.note("the %s %s comes from elsewhere and is left out: place its content with `files`", strings.TrimSuffix(key, "s"), name)
		return
	}
	file := map[string]any{"content": content, "target": target, "mode": "0444"}
	if value["mode"] != nil {
		file["mode"] = octal(value["mode"])
	}
	for _, id := range []string{"uid", "gid"} {
		if n, err := strconv.Atoi(fmt.Sprint(value[id])); err == nil && n != 0 {
			file[id] = int64(n)
		}
	}
	fields["files"] = appendAll(fields["files"], []any{file})
}

// contentOf is the text of a secret or config, nil when the project does not say
// it. What a secret is is known to whoever runs Compose only.
func (s *service) contentOf(key string, def, text map[string]any) any {
	name, fromVariable := def["environment"].(string)
	if !fromVariable {
		if content, ok := def["content"].(string); ok {
			return s.written(content, text["content"])
		}
		return nil
	}
	value, set := s.lookup(name)
	if key == "configs" {
		own := ""
		if set {
			own = "=" + value
		}
		return s.marks.written(s.marks.mark(ref{text: "${" + name + "}", value: value, own: own}))
	}
	secret := draft.Variable{Name: name, Sensitive: true}
	if set {
		secret.Value = &value
	}
	s.draft.Declare(secret)
	return "${" + name + "}"
}

// ports are published ports. The loader makes one of each port of a range; where
// the files have the range, it stays one.
func (s *service) ports(value, text any) any {
	list, _ := value.([]any)
	texts, _ := text.([]any)
	left := newPortSet(list)
	var out []any
	for _, t := range texts {
		from, _ := t.(map[string]any)
		whole, isShort := from[wholeText].(string)
		switch {
		case isShort && left.takeShort(s.marks.plain(whole)):
			out = append(out, s.marks.written(whole))
		case isShort:
			s.marks.lose(whole)
		default:
			if m := left.take(s.plainPort(from)); m != nil {
				out = append(out, s.port(m, from))
			} else {
				s.marks.lose(t)
			}
		}
	}
	for _, m := range left.rest() {
		out = append(out, s.port(m, nil))
	}
	if out == nil {
		return nil
	}
	return out
}

// plainPort is a port with its references resolved.
func (s *service) plainPort(m map[string]any) string {
	plain := map[string]any{}
	for k, v := range m {
		if plain[k] = v; isMarked(v) {
			plain[k] = s.marks.plain(v.(string))
		}
	}
	return portKey(plain)
}

func portKey(m map[string]any) string {
	return strings.Join([]string{textOr(m["host_ip"], ""), textOr(m["published"], ""), textOr(m["target"], ""), textOr(m["protocol"], "tcp")},
		" ")
}

// portSet are the ports of a service that are not written yet. A range may be of
// tens of thousands.
type portSet struct {
	all []map[string]any
	at  map[string][]int // by key, into all
}

func newPortSet(list []any) *portSet {
	p := &portSet{at: map[string][]int{}}
	for _, v := range list {
		if m, ok := v.(map[string]any); ok {
			key := portKey(m)
			p.at[key] = append(p.at[key], len(p.all))
			p.all = append(p.all, m)
		}
	}
	return p
}

// take takes one port out of the set, nil when it is not there.
func (p *portSet) take(key string) map[string]any {
	at := p.at[key]
	if len(at) == 0 {
		return nil
	}
	m := p.all[at[0]]
	p.all[at[0]], p.at[key] = nil, at[1:]
	return m
}

// takeShort takes out all that a short port stands for, if all of it is there.
func (p *portSet) takeShort(short string) bool {
	ports, err := types.ParsePortConfig(short)
	if err != nil {
		return false
	}
	keys := make([]string, len(ports))
	for i, port := range ports {
		keys[i] = portKey(map[string]any{"host_ip": port.HostIP, "published": port.Published, "target": port.Target, "protocol": port.Protocol})
		if len(p.at[keys[i]]) == 0 {
			return false
		}
	}
	for _, key := range keys {
		p.take(key)
	}
	return true
}

func (p *portSet) rest() []map[string]any {
	return slices.DeleteFunc(p.all, func(m map[string]any) bool { return m == nil })
}

func textOr(v any, otherwise string) string {
	if v == nil || v == "" {
		return otherwise
	}
	return fmt.Sprint(v)
}

// port is one port, on one line when that says it all. Its name, its application
// protocol and its mode have no effect outside of a swarm.
func (s *service) port(value, text map[string]any) any {
	m, _ := s.written(value, text).(map[string]any)
	m = dropNothing(m)
	for _, k := range []string{"mode", "name", "app_protocol"} {
		delete(m, k)
	}
	if m["protocol"] == "tcp" {
		delete(m, "protocol")
	}
	for k := range m {
		if !slices.Contains([]string{"target", "published", "host_ip", "protocol"}, k) {
			m["target"] = fmt.Sprint(m["target"])
			return m
		}
	}
	line := fmt.Sprint(m["target"])
	if published, ok := m["published"]; ok {
		line = fmt.Sprint(published) + ":" + line
	}
	if ip, _ := m["host_ip"].(string); ip != "" {
		if strings.Contains(ip, ":") && !strings.Contains(ip, "$") {
			ip = "[" + ip + "]"
		}
		if m["published"] == nil {
			line = ":" + line
		}
		line = ip + ":" + line
	}
	if p, _ := m["protocol"].(string); p != "" {
		line += "/" + p
	}
	return line
}
