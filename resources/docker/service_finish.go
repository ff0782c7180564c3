package docker

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// containerMemory is what Finish keeps beside the fields.
type containerMemory struct {
	// peers are the names on the engine of services whose namespaces are
	// shared, by their key.
	peers map[string]string
	// kinds tell of each name under depends_on whether it is a service or job.
	kinds map[string]string
	// shared tells that another container shares this one's namespaces.
	shared bool
}

// memoryOf returns what is kept beside the fields of a service or job. Others
// may have put something there before its own Finish.
func memoryOf(r *resources.Resource) *containerMemory {
	m, ok := r.Native.(*containerMemory)
	if !ok {
		m = &containerMemory{peers: map[string]string{}, kinds: map[string]string{}}
		r.Native = m
	}
	return m
}

// isShared reports whether another container shares the namespaces of r: it
// joins them by the container's final name, so a replacement must have that
// name as soon as it runs.
func isShared(r *resources.Resource) bool {
	m, ok := r.Native.(*containerMemory)
	return ok && m.shared
}

// peersOf returns the engine's names of the services that r shares a namespace
// with, by their keys.
func peersOf(r *resources.Resource) map[string]string {
	if m, ok := r.Native.(*containerMemory); ok {
		return m.peers
	}
	return nil
}

// Finish completes a service or job: names on the engine, files it names,
// profiles, and what Compose spells in two ways.
func (k containerKind) Finish(r *resources.Resource, all *resources.Declared, report resources.Report) {
	f := finisher{r: r, all: all, report: report}
	f.profiles()
	f.deploy()
	f.image()
	f.command()
	f.networks()
	f.peers()
	f.volumes()
	if r.Dormant {
		return // a file that only an inactive service reads need not exist
	}
	f.securityOpt()
	f.environment()
	f.files()
}

type finisher struct {
	r      *resources.Resource
	all    *resources.Declared
	report resources.Report
	room   int // bytes that files may still have
}

func (f *finisher) problem(rule *specs.Rule, pointer, msg, hint string) {
	f.report(rule.At(f.r.Pos(pointer), msg, hint))
}

func (f *finisher) profiles() {
	r := f.r
	r.Protect = r.Config.Bool("protect")
	if f.all.Spec != nil {
		r.Dormant = !f.all.Spec.Enabled(r.Config.Texts("profiles"))
	}
}

// deploy moves the limits under `deploy` to the fields of the same meaning.
func (f *finisher) deploy() {
	groups := mapOf(f.r.Config.Map("deploy")["resources"])
	for _, d := range deployed {
		v, ok := mapOf(groups[d.group])[d.key]
		if !ok {
			continue
		}
		if own, both := f.r.Config[d.field]; both && !resources.Equal(own, v) {
			f.problem(ruleTogether, "/"+d.field, fmt.Sprintf("%s and deploy.resources.%s.%s differ", d.field, d.group, d.key),
				"write only one of them")
			continue
		}
		f.r.Config[d.field] = v
	}
}

func (f *finisher) image() {
	if f.r.Config["image"] != nil {
		return
	}
	if f.r.Config["build"] == nil {
		if !f.r.Node.Given("image") { // else decoding has reported it
			f.problem(ruleNotWhole, "", f.r.Addr.Kind+" has neither image nor build", "for example: image: postgres:17")
		}
		return
	}
	f.r.Config["image"] = imageRef(f.r)
}

// command refuses an empty command: the engine then takes the image's.
func (f *finisher) command() {
	if v, ok := f.r.Config["command"]; ok && resources.IsEmpty(v) {
		if f.r.Config["entrypoint"] == nil {
			f.problem(resources.RuleValue, "/command", "an empty command does not clear the image's",
				"set `entrypoint` too: it drops the image's command")
		}
		delete(f.r.Config, "command")
	}
}

// key is the service's name in the spec, by which others reach it.
func (f *finisher) key() string { return f.r.Addr.Parts()[0] }

// networks fills in the names on the engine, the default network, and the
// alias by which others know the service.
func (f *finisher) networks() {
	declared, ok := f.r.Config["networks"]
	if f.r.Config["network_mode"] != nil {
		if ok && !resources.IsEmpty(declared) {
			f.problem(ruleTogether, "/network_mode", "network_mode and networks exclude each other", "remove one of them")
		}
		delete(f.r.Config, "networks")
		if f.r.Config["mac_address"] != nil {
			f.problem(ruleTogether, "/mac_address", "with network_mode there is no network that mac_address could be for", "remove one of them")
		}
		return
	}
	networks := mapOf(declared)
	if len(networks) == 0 {
		networks = map[string]any{defaultNetwork: map[string]any{}}
	}
	out := make(map[string]any, len(networks))
	for key, e := range networks {
		m := cloneMap(mapOf(e))
		m["name"] = f.nameOf("network", key)
		m["aliases"] = setOf(append(resources.Texts(m["aliases"]), f.key()))
		out[key] = m
	}
	if mac := f.r.Config["mac_address"]; mac != nil {
		key := mainOf(out)
		main := mapOf(out[key])
		if own := main["mac_address"]; own != nil && !resources.Equal(own, mac) {
			f.problem(ruleTogether, "/mac_address", fmt.Sprintf("mac_address and networks.%s.mac_address differ", key), "write only one of them")
		}
		main["mac_address"] = mac
	}
	f.r.Config["networks"] = out
}

// mainOf returns the key of the network that is joined first.
func mainOf(networks map[string]any) string {
	priority := func(key string) int64 { return resources.Config(mapOf(networks[key])).Int("priority") }
	name := func(key string) string { return resources.Config(mapOf(networks[key])).Text("name") }
	return slices.MinFunc(sortedKeys(networks), func(a, b string) int {
		return cmp.Or(cmp.Compare(priority(b), priority(a)), cmp.Compare(name(a), name(b)))
	})
}

// nameOf returns the name on the engine of a network or volume.
func (f *finisher) nameOf(kind, key string) string {
	if r := f.all.Get(resources.NewAddr(kind, key)); r != nil {
		return nameOnEngine(r)
	}
	return engineName(f.r.Stack, key, "")
}

// peers finds the containers that are referred to by their keys alone.
func (f *finisher) peers() {
	m := memoryOf(f.r)
	for _, field := range peerFields {
		if key, ok := strings.CutPrefix(f.r.Config.Text(field), "service:"); ok {
			if to := f.service(key); to != nil {
				m.peers[key], m.kinds[key] = containerName(to), to.Addr.Kind
				memoryOf(to).shared = true
			}
		}
	}
	for key := range f.r.Config.Map("depends_on") {
		if to := f.service(key); to != nil {
			m.kinds[key] = to.Addr.Kind
		}
	}
}

// peerFields may hold service:NAME.
var peerFields = []string{"network_mode", "ipc", "pid"}

// service returns the service or job of that key.
func (f *finisher) service(key string) *resources.Resource {
	for _, kind := range []string{"service", "job"} {
		if r := f.all.Get(resources.NewAddr(kind, key)); r != nil {
			return r
		}
	}
	return nil
}

// volumes fills in the names on the engine and makes paths absolute.
func (f *finisher) volumes() {
	declared := f.r.Config.Map("volumes")
	if declared == nil {
		return
	}
	out := make(map[string]any, len(declared))
	for target, e := range declared {
		m := cloneMap(mapOf(e))
		source := resources.Text(m["source"])
		switch m["type"] {
		case "volume":
			if source != "" {
				m["name"] = resources.SealLike(f.nameOf("volume", source), m["source"])
			}
		case "bind":
			abs, err := f.hostPath(source)
			if err != nil {
				f.problem(resources.RuleValue, "/volumes/"+escapePointer(target), "the source of the mount at "+target+": "+err.Error(),
					"write an absolute path")
			}
			m["source"] = resources.SealLike(abs, m["source"])
		}
		out[target] = m
	}
	f.r.Config["volumes"] = out
}

// hostPath returns an absolute path on the host. "~" is the home of whoever
// runs midaz.
func (f *finisher) hostPath(source string) (string, error) {
	if rest, ok := strings.CutPrefix(source, "~"); ok && (rest == "" || rest[0] == '/') {
		home, err := os.UserHomeDir()
		if err != nil {
			return source, err
		}
		return filepath.Join(home, rest), nil
	}
	if filepath.IsAbs(source) {
		return filepath.Clean(source), nil
	}
	return filepath.Join(f.r.Dir, source), nil
}

// securityOpt replaces a seccomp profile's path by its content, which is what
// the API wants.
func (f *finisher) securityOpt() {
	options := f.r.Config.Texts("security_opt")
	if len(options) == 0 {
		return
	}
	for i, o := range options {
		name, ok := strings.CutPrefix(o, "seccomp=")
		if !ok || name == "unconfined" || name == "builtin" || strings.HasPrefix(strings.TrimSpace(name), "{") {
			continue
		}
		text, _, err := f.read(name, false)
		if err != nil {
			f.problem(ruleFile, "/security_opt", "seccomp profile "+specs.Printable(name)+" "+readReason(err), readHint(err, ""))
			continue
		}
		options[i] = "seccomp=" + compactJSON(string(text))
	}
	f.r.Config["security_opt"] = setOf(options)
}

// Refs returns what a container needs: networks, volumes, its image, and other
// containers.
func (k containerKind) Refs(r *resources.Resource) []resources.Ref {
	var refs []resources.Ref
	networks := r.Config.Map("networks")
	for _, key := range sortedKeys(networks) {
		ref := resources.Ref{To: resources.NewAddr("network", key), At: "/networks/" + escapePointer(key), Bind: resources.Hold}
		if mapOf(networks[key])["mac_address"] != nil {
			ref.Bind = resources.Made // connected later, it would have another
		}
		refs = append(refs, ref)
	}
	volumes := r.Config.Map("volumes")
	for _, target := range sortedKeys(volumes) {
		m := resources.Config(mapOf(volumes[target]))
		if m.Text("type") == "volume" && m.Text("source") != "" {
			refs = append(refs, resources.Ref{To: resources.NewAddr("volume", m.Text("source")), At: "/volumes/" + escapePointer(target),
				Bind: resources.Hold})
		}
	}
	if ref := r.Config.Text("image"); ref != "" || r.Config["build"] != nil {
		refs = append(refs, resources.Ref{To: resources.ImageAddr(imageRef(r)), At: "/image", Bind: resources.Content})
	}
	for _, field := range peerFields {
		if key, ok := strings.CutPrefix(r.Config.Text(field), "service:"); ok {
			refs = append(refs, resources.Ref{To: resources.NewAddr(kindOfDependency(r, key, nil), key), At: "/" + field, Bind: resources.Hold,
				Within: r.Addr.Kind == "service"})
		}
	}
	return append(refs, dependencies(r)...)
}

// dependencies returns the references under depends_on.
func dependencies(r *resources.Resource) []resources.Ref {
	var refs []resources.Ref
	all := r.Config.Map("depends_on")
	for _, name := range sortedKeys(all) {
		d := resources.Config(mapOf(all[name]))
		optional := d["required"] == false
		ref := resources.Ref{To: resources.NewAddr(kindOfDependency(r, name, d), name), At: "/depends_on/" + escapePointer(name),
			Optional: optional, Soft: optional}
		if d.Text("condition") == "service_started" {
			ref.Wait = resources.Started
		}
		if d.Bool("restart") {
			ref.Bind = resources.Hold
		}
		refs = append(refs, ref)
	}
	return refs
}

func kindOfDependency(r *resources.Resource, name string, d resources.Config) string {
	if m, ok := r.Native.(*containerMemory); ok && m.kinds[name] != "" {
		return m.kinds[name]
	}
	if d.Text("condition") == "service_completed_successfully" {
		return "job"
	}
	return "service"
}

func escapePointer(key string) string {
	return strings.ReplaceAll(strings.ReplaceAll(key, "~", "~0"), "/", "~1")
}
