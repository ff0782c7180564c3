package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	composeloader "github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/go-units"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/app"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// TestImportComposeAgreesWithCompose imports generated Compose projects. Every
// field of every service must have the value that Compose's own loader reads,
// and every reference of the files must still be one. MIDAZ_PROJECTS is the
// number of projects (40), MIDAZ_SEED the first seed (1).
func TestImportComposeAgreesWithCompose(t *testing.T) {
	seed, n := numberFrom(t, "MIDAZ_SEED", 1), numberFrom(t, "MIDAZ_PROJECTS", 40)
	for i := range n {
		t.Run(strconv.Itoa(seed+i), func(t *testing.T) {
			t.Parallel()
			compareImport(t, newProject(uint64(seed+i)))
		})
	}
}

func numberFrom(t *testing.T, variable string, otherwise int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return n
}

// notCompared are the fields of a service that may differ from Compose's model.
var notCompared = map[string]string{
	"name":       "the key of the service",
	"profiles":   "compared as which services are active",
	"env_file":   "compared as the environment that the files add to",
	"label_file": "compared as the labels that the files add to",
	"deploy":     "compared as the fields that it sets",
	"scale":      "the spec runs one container, or none; the import reports it",
	"secrets":    "compared as mounts and files",
	"configs":    "compared as mounts and files",
	"extends":    "resolved by both",
	"files":      "compared with secrets and configs",
	"on_change":  "Compose has no counterpart",
}

// importedProject is an imported project: the spec as text and as resources.
type importedProject struct {
	spec, notes string
	all         *resources.Declared
}

func compareImport(t *testing.T, p *composeProject) {
	t.Helper()
	dir := t.TempDir()
	writeFiles(t, dir, p.files)
	got := p.imported(t, dir, "*")
	if t.Failed() {
		return
	}
	want := p.load(t, dir, "*")
	fail := func(format string, args ...any) {
		t.Helper()
		t.Errorf(format+"\n--- files\n%s\n--- spec\n%s\n--- notes\n%s", append(args, p.text(), got.spec, got.notes)...)
	}
	var wrong []string
	for name, service := range want.Services {
		res := got.service(name)
		if res == nil {
			wrong = append(wrong, name+" is missing")
			continue
		}
		wrong = append(wrong, got.differences(name, wantedFields(want, service), haveFields(name, res.Config))...)
	}
	for key, network := range want.Networks {
		wrong = append(wrong, got.compareObject("network", key, network)...)
	}
	for key, volume := range want.Volumes {
		wrong = append(wrong, got.compareObject("volume", key, volume)...)
	}
	for _, profile := range []string{"", "dev", "debug"} {
		active := p.load(t, dir, profile)
		have := p.imported(t, dir, profile)
		for name, service := range want.Services {
			_, on := active.Services[name]
			on = on && service.GetScale() > 0 // a service without containers belongs to a profile of its own
			if res := have.service(name); res != nil && res.Dormant == on {
				wrong = append(wrong, fmt.Sprintf("%s with profile %q: active is %t; Compose has %t", name, profile, !res.Dormant, on))
			}
		}
	}
	for _, ref := range p.refs {
		if !strings.Contains(got.spec, ref) {
			wrong = append(wrong, "the reference "+ref+" became a value")
		}
	}
	for _, secret := range p.secrets {
		if strings.Contains(got.spec+got.notes, secret) {
			wrong = append(wrong, "the password "+secret+" is in the spec or in a note")
		}
	}
	if len(wrong) > 0 {
		slices.Sort(wrong)
		fail("%s", strings.Join(wrong, "\n"))
	}
}

// imported imports the project into dir, and resolves the spec with one profile.
func (p *composeProject) imported(t *testing.T, dir, profile string) importedProject {
	t.Helper()
	if _, err := os.Stat(filepath.Join(dir, "midaz.infra.yaml")); err != nil {
		status, _, notes := realRun(t, dir, "import", "compose", "-out", "midaz.infra.yaml", "-env-out", "values.env")
		if p.notes = notes; status != 0 {
			t.Errorf("exit %d: %s\n--- files\n%s", status, notes, p.text())
			return importedProject{}
		}
	}
	spec, err := os.ReadFile(filepath.Join(dir, "midaz.infra.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	o := specs.Options{Files: []string{"midaz.infra.yaml"}, Dir: dir}
	if _, err := os.Stat(filepath.Join(dir, "values.env")); err == nil {
		o.ValueFiles = []specs.ValueFile{{Name: "values.env", Env: true}}
	}
	if profile != "" {
		o.Profiles = []string{profile}
	}
	loaded, problems := specs.Load(o)
	all, more := engine.Resolve(loaded, app.RealWorld().Kinds())
	for _, problem := range slices.Concat(problems, more) {
		if problem.Severity() == specs.Error || problem.Rule == specs.RuleUnused {
			t.Errorf("the spec is not as it should be: %v\n--- files\n%s\n--- spec\n%s", problem, p.text(), spec)
		}
	}
	return importedProject{spec: string(spec), notes: p.notes, all: all}
}

func (i importedProject) service(name string) *resources.Resource {
	for _, kind := range []string{"service", "job"} {
		if res := i.all.Get(resources.Addr{Kind: kind, Name: name}); res != nil {
			return res
		}
	}
	return nil
}

// differences are the fields of a service with another value than in Compose,
// and not named in a note.
func (i importedProject) differences(name string, want, have map[string]any) []string {
	var out []string
	keys := maps.Clone(want)
	maps.Copy(keys, have)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if notCompared[key] != "" || reflect.DeepEqual(want[key], have[key]) || i.isNoted(name, key) {
			continue
		}
		out = append(out, fmt.Sprintf("%s.%s is %s; Compose has %s", name, key, asJSON(have[key]), asJSON(want[key])))
	}
	return out
}

func (i importedProject) isNoted(name, key string) bool {
	for line := range strings.Lines(i.notes) {
		for _, form := range []string{": left out: " + key + ":", ": left out: " + key + ".", ": " + key + " is left out", ": " + key + ": "} {
			if strings.Contains(line, "/"+name+form) {
				return true
			}
		}
		if key == "depends_on" && strings.Contains(line, "/"+name+": depends_on ") { // on a service without containers
			return true
		}
	}
	return false
}

// compareObject compares a network or volume that a service uses.
func (i importedProject) compareObject(kind, key string, object any) []string {
	res := i.all.Get(resources.Addr{Kind: kind, Name: key})
	if res == nil {
		if strings.Contains(i.notes, kind+" "+key+" is left out") {
			return nil
		}
		return []string{kind + " " + key + " is missing"}
	}
	want := asMap(object)
	have, _ := normalized(map[string]any(res.Config)).(map[string]any)
	if have == nil {
		have = map[string]any{}
	}
	if res.External {
		have["external"] = true
	}
	return i.differences(kind+"/"+key, want, have)
}

// load reads the project as Compose does.
func (p *composeProject) load(t *testing.T, dir, profile string) *types.Project {
	t.Helper()
	env := types.Mapping{}
	for line := range strings.Lines(p.files[".env"]) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		env[name] = value
	}
	var files []types.ConfigFile
	for _, name := range []string{"compose.yaml", "compose.override.yaml"} {
		if p.files[name] != "" {
			files = append(files, types.ConfigFile{Filename: filepath.Join(dir, name)})
		}
	}
	project, err := composeloader.LoadWithContext(t.Context(), types.ConfigDetails{WorkingDir: dir, ConfigFiles: files, Environment: env},
		func(o *composeloader.Options) {
			o.SetProjectName("shop", true)
			if profile != "" {
				o.Profiles = []string{profile}
			}
		})
	if err != nil {
		t.Fatalf("the generator has made a project that Compose refuses: %v\n%s", err, p.text())
	}
	return project
}

// wantedFields are the fields of a service as Compose reads them, in the form
// that both sides are compared in.
func wantedFields(p *types.Project, s types.ServiceConfig) map[string]any {
	out := asMap(s)
	set := func(key string, v any) {
		if v = normalized(v); v == nil {
			delete(out, key)
		} else {
			out[key] = v
		}
	}
	if s.ContainerName == "" {
		set("container_name", p.Name+"-"+s.Name+"-1")
	}
	if d := s.Deploy; d != nil {
		if d.RestartPolicy != nil {
			set("restart", restartOf(*d.RestartPolicy))
		}
		if l := d.Resources.Limits; l != nil {
			if l.NanoCPUs != 0 {
				set("cpus", float64(l.NanoCPUs))
			}
			if l.MemoryBytes != 0 {
				set("mem_limit", int64(l.MemoryBytes))
			}
			if l.Pids != 0 {
				set("pids_limit", l.Pids)
			}
		}
		if r := d.Resources.Reservations; r != nil && r.MemoryBytes != 0 {
			set("mem_reservation", int64(r.MemoryBytes))
		}
	}
	if build, ok := out["build"].(map[string]any); ok {
		build["context"] = "." + strings.TrimPrefix(s.Build.Context, p.WorkingDir) // as in the spec, which is in the same folder
	}
	ports := map[string]any{}
	for _, port := range s.Ports {
		from := port.Published
		if from == "" {
			from = "0"
		}
		if port.HostIP != "" {
			from = port.HostIP + ":" + from
		}
		ports[fmt.Sprintf("%s>%d/%s", from, port.Target, port.Protocol)] = true
	}
	set("ports", ports)
	set("volumes", wantedMounts(p, s))
	networks := map[string]any{}
	for key, n := range s.Networks {
		settings := asMap(n)
		settings["name"] = p.Networks[key].Name
		networks[key] = settings
	}
	set("networks", networks)
	set("healthcheck", wantedHealth(s.HealthCheck))
	tmpfs := map[string]any{}
	for _, text := range s.Tmpfs {
		path, options, _ := strings.Cut(text, ":")
		tmpfs[path] = "=" + options
	}
	set("tmpfs", tmpfs)
	env := map[string]any{}
	for name, value := range s.Environment {
		if value != nil {
			env[name] = "=" + *value
		}
	}
	set("environment", env)
	set("labels", marked(s.Labels))
	set("restart", noRestart(out["restart"]))
	return canonicalFields(out)
}

// marked keeps empty texts apart from texts that are not there.
func marked(m map[string]string) map[string]any {
	out := map[string]any{}
	for k, v := range m {
		out[k] = "=" + v
	}
	return out
}

func noRestart(v any) any {
	if v == "no" {
		return nil
	}
	return v
}

func restartOf(policy types.RestartPolicy) string {
	switch policy.Condition {
	case "any":
		return "always"
	case "none":
		return "no"
	}
	if policy.Condition == "on-failure" && policy.MaxAttempts != nil && *policy.MaxAttempts > 0 {
		return fmt.Sprintf("on-failure:%d", *policy.MaxAttempts)
	}
	return policy.Condition
}

func wantedMounts(p *types.Project, s types.ServiceConfig) map[string]any {
	out := map[string]any{}
	for _, v := range s.Volumes {
		m := map[string]any{"type": v.Type, "source": v.Source, "read_only": v.ReadOnly}
		if v.Bind != nil {
			m["create"], m["propagation"], m["selinux"] = bool(v.Bind.CreateHostPath), v.Bind.Propagation, v.Bind.SELinux
		}
		if v.Volume != nil {
			m["nocopy"], m["subpath"] = v.Volume.NoCopy, v.Volume.Subpath
		}
		if v.Tmpfs != nil {
			m["size"], m["mode"] = int64(v.Tmpfs.Size), fmt.Sprintf("%04o", v.Tmpfs.Mode)
			if v.Tmpfs.Mode == 0 {
				delete(m, "mode")
			}
		}
		out[v.Target] = m
	}
	given := func(folder, target, source, file string) {
		if file == "" {
			return
		}
		if target == "" {
			target = source
		}
		if !strings.HasPrefix(target, "/") {
			target = folder + target
		}
		out[target] = map[string]any{"type": "bind", "source": file, "read_only": true}
	}
	for _, c := range s.Secrets {
		given("/run/secrets/", c.Target, c.Source, p.Secrets[c.Source].File)
	}
	for _, c := range s.Configs {
		given("/", c.Target, c.Source, p.Configs[c.Source].File)
	}
	return out
}

func wantedHealth(h *types.HealthCheckConfig) any {
	if h == nil {
		return nil
	}
	out := asMap(h)
	if h.Disable {
		return map[string]any{"test": []any{"NONE"}}
	}
	return out
}

// haveFields are the fields of a resource in the form that both sides are
// compared in.
func haveFields(name string, c resources.Config) map[string]any {
	out, _ := normalized(map[string]any(c)).(map[string]any)
	set := func(key string, v any) {
		if v = normalized(v); v == nil {
			delete(out, key)
		} else {
			out[key] = v
		}
	}
	ports := map[string]any{}
	for target, list := range c.Map("ports") {
		for _, from := range resources.Texts(list) {
			for _, each := range portByPort(from, target) {
				ports[each] = true
			}
		}
	}
	set("ports", ports)
	mounts := map[string]any{}
	for target, v := range c.Map("volumes") {
		mount, _ := v.(map[string]any)
		m := map[string]any{"type": mount["type"], "source": mount["source"], "read_only": mount["read_only"]}
		if mount["type"] == "bind" {
			bind, _ := mount["bind"].(map[string]any)
			m["create"] = bind["create_host_path"] != false
			m["propagation"], m["selinux"] = bind["propagation"], bind["selinux"]
		}
		if volume, ok := mount["volume"].(map[string]any); ok {
			m["nocopy"], m["subpath"] = volume["nocopy"], volume["subpath"]
		}
		if tmpfs, ok := mount["tmpfs"].(map[string]any); ok {
			m["size"], m["mode"] = bytesOf(tmpfs["size"]), tmpfs["mode"]
		}
		mounts[target] = m
	}
	set("volumes", mounts)
	networks := map[string]any{}
	for key, v := range c.Map("networks") {
		settings := maps.Clone(v.(map[string]any))
		settings["aliases"] = slices.DeleteFunc(slices.Clone(asList(settings["aliases"])),
			func(alias any) bool { return alias == name }) // Compose adds it as well, when it runs the service
		if settings["mac_address"] == c["mac_address"] { // the service's own, on the network that Compose gives it to
			delete(settings, "mac_address")
		}
		networks[key] = settings
	}
	set("networks", networks)
	for _, key := range []string{"environment", "labels", "tmpfs"} {
		texts := map[string]any{}
		for name, v := range c.Map(key) {
			texts[name] = "=" + resources.Text(v)
		}
		set(key, texts)
	}
	set("restart", noRestart(out["restart"]))
	return canonicalFields(out)
}

func asList(v any) []any { list, _ := v.([]any); return list }

// sets are lists whose order says nothing.
var sets = map[string]bool{"cap_add": true, "cap_drop": true, "group_add": true, "expose": true, "extra_hosts": true, "security_opt": true,
	"device_cgroup_rules": true}

// canonicalFields writes values that have several forms in one.
func canonicalFields(fields map[string]any) map[string]any {
	for key, v := range fields {
		switch key {
		case "mem_limit", "memswap_limit", "mem_reservation", "shm_size":
			fields[key] = bytesOf(v)
		case "cpus", "pids_limit", "mem_swappiness", "cpu_shares", "oom_score_adj":
			if n, err := strconv.ParseFloat(fmt.Sprint(v), 64); err == nil {
				fields[key] = n
			}
		case "stop_grace_period":
			fields[key] = durationOf(v)
		case "healthcheck":
			h := v.(map[string]any)
			for _, k := range []string{"interval", "timeout", "start_period", "start_interval"} {
				if h[k] != nil {
					h[k] = durationOf(h[k])
				}
			}
		case "depends_on":
			needs := map[string]any{}
			for name, v := range v.(map[string]any) {
				d, _ := v.(map[string]any)
				condition := d["condition"]
				if condition == nil {
					condition = "service_started"
				}
				needs[name] = fmt.Sprintf("%v restart=%t", condition, d["restart"] == true)
			}
			fields[key] = needs
		case "ulimits":
			limits := map[string]any{}
			for name, v := range v.(map[string]any) {
				if l, ok := v.(map[string]any); ok {
					limits[name] = fmt.Sprintf("%v:%v", l["soft"], l["hard"])
				} else {
					limits[name] = fmt.Sprintf("%v:%v", v, v)
				}
			}
			fields[key] = limits
		case "build":
			if b, ok := v.(map[string]any); ok && b["dockerfile"] == "Dockerfile" {
				delete(b, "dockerfile")
			}
		}
		if sets[key] {
			fields[key] = setOf(key, v)
		}
	}
	return fields
}

func setOf(key string, v any) any {
	var out []string
	for _, item := range asList(v) {
		text := fmt.Sprint(item)
		switch key {
		case "cap_add", "cap_drop":
			if text = strings.ToUpper(text); text != "ALL" {
				text = "CAP_" + strings.TrimPrefix(text, "CAP_")
			}
		case "security_opt":
			if name, value, ok := strings.Cut(text, ":"); ok {
				text = name + "=" + value
			}
		case "expose":
			if !strings.Contains(text, "/") {
				text += "/tcp"
			}
		case "extra_hosts":
			if i := strings.IndexAny(text, ":="); i > 0 {
				text = text[:i] + "=" + text[i+1:]
			}
		}
		out = append(out, text)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func bytesOf(v any) any {
	if v == nil {
		return nil
	}
	n, err := units.RAMInBytes(fmt.Sprint(v))
	if err != nil {
		return v
	}
	return float64(n)
}

func durationOf(v any) any {
	d, err := time.ParseDuration(fmt.Sprint(v))
	if err != nil {
		return v
	}
	return d.String()
}

// asMap is a value of Compose's model as JSON has it.
func asMap(v any) map[string]any {
	text, err := json.Marshal(v)
	if err != nil {
		return map[string]any{"error": err.Error()}
	}
	var out map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		return map[string]any{"error": err.Error()}
	}
	if out, _ = normalized(out).(map[string]any); out == nil {
		out = map[string]any{}
	}
	return out
}

// normalized reveals secrets, makes one type of all numbers, and leaves out what
// is as if it were absent: null, false, zero, and what is empty.
func normalized(v any) any {
	switch v := v.(type) {
	case nil:
		return nil
	case bool:
		if !v {
			return nil
		}
		return v
	case string:
		if v == "" {
			return nil
		}
		return v
	case resources.Secret:
		return normalized(v.Reveal())
	case int64:
		return normalized(float64(v))
	case float64:
		if v == 0 {
			return nil
		}
		return v
	case []any:
		var out []any
		for _, item := range v {
			if item == "" {
				out = append(out, item)
			} else {
				out = append(out, normalized(item))
			}
		}
		if len(out) == 0 {
			return nil
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for k, item := range v {
			if item = normalized(item); item != nil || isNamed(v) {
				out[k] = item
			}
		}
		if len(out) == 0 {
			return nil
		}
		return out
	}
	return v
}

// isNamed is for maps by name, in which an item without settings says something.
func isNamed(m map[string]any) bool {
	for _, v := range m {
		if s, ok := v.(map[string]any); ok && s["name"] != nil {
			return true
		}
	}
	return false
}

func asJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("%#v", v)
	}
	return string(text)
}

// notGenerated are the keys of a service that no generated project has.
var notGenerated = map[string]string{
	"credential_spec": "Windows only", "isolation": "Windows only", "cpu_count": "Windows only",
	"provider": "not a container", "models": "not a container", "net": "no longer part of Compose", "log_driver": "no longer part of Compose",
	"log_opt":       "no longer part of Compose",
	"volume_driver": "no longer part of Compose", "dockerfile": "no longer part of Compose",
	"cpu_rt_period": "the kernel must be built for it", "cpu_rt_runtime": "the kernel must be built for it",
}

// TestGeneratedProjectsUseEveryKey keeps the generator complete when Compose
// gets a new key.
func TestGeneratedProjectsUseEveryKey(t *testing.T) {
	var all strings.Builder
	for seed := range 200 {
		all.WriteString(newProject(uint64(seed)).text())
	}
	service := reflect.TypeFor[types.ServiceConfig]()
	for i := range service.NumField() {
		key, _, _ := strings.Cut(service.Field(i).Tag.Get("yaml"), ",")
		if _, known := notGenerated[key]; key == "" || key == "-" || key == "name" || strings.HasPrefix(key, "#") || known {
			continue
		}
		if !strings.Contains(all.String(), "    "+key+":") && !strings.Contains(all.String(), "{"+key+":") &&
			!strings.Contains(all.String(), ", "+key+":") {
			t.Errorf("no generated project has the key %s", key)
		}
	}
}

var endsInRange = regexp.MustCompile(`^(.*?)(\d+)-(\d+)(/\w+)?$`)

// portByPort returns what a range of ports publishes, as Compose has it.
func portByPort(from, target string) []string {
	m := endsInRange.FindStringSubmatch(target)
	if m == nil {
		return []string{from + ">" + target}
	}
	first, _ := strconv.Atoi(m[2])
	last, _ := strconv.Atoi(m[3])
	var out []string
	for p := first; p <= last; p++ {
		at := from
		if f := endsInRange.FindStringSubmatch(from); f != nil {
			host, _ := strconv.Atoi(f[2])
			at = f[1] + strconv.Itoa(host+p-first)
		}
		out = append(out, fmt.Sprintf("%s>%d%s", at, p, m[4]))
	}
	return out
}
