package docker

import (
	"fmt"
	"maps"

	"net/netip"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/distribution/reference"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/dockerapi"
	"github.com/LerianStudio/midaz-infra/specs"
)

// Check finds what is wrong with services and jobs beyond their shape. The
// kind `service` looks at both, the kind `job` at nothing.
func (k containerKind) Check(all *resources.Declared, report resources.Report) {
	if k.name == "job" {
		return
	}
	c := checker{all: all, report: report, containers: slices.Concat(all.Of("service"), all.Of("job"))}
	c.names()
	c.ports()
	c.addresses()
	c.writers()
	c.brokerName()
	for _, r := range c.containers {
		c.limits(r)
		c.image(r)
		c.health(r)
		c.publicPorts(r)
		c.unpublished(r)
		c.sysctls(r)
		c.mounts(r)
		c.files(r)
		c.labels(r)
		c.volumeNames(r)
		c.job(r)
		c.dependencies(r)
		c.order(r)
	}
}

// volumeNames refuses a sensitive value in the name of a volume. The source of
// a mount may also be a path, which is none.
func (c *checker) volumeNames(r *resources.Resource) {
	written, _ := r.Node.Entry("volumes")
	for _, item := range written.Value.Items() {
		source, name := item, item.Text()
		if item.Kind() == specs.Map {
			e, _ := item.Entry("source")
			source, name = e.Value, e.Value.Text()
		} else if short, _, ok := strings.Cut(name, ":"); ok && len(short) > len(item.PublicPrefix()) {
			name = short
		} else {
			continue
		}
		if name != "" && !isPath(name) {
			resources.CheckName(source, "the name of a volume", c.report)
		}
	}
}

type checker struct {
	all        *resources.Declared
	report     resources.Report
	containers []*resources.Resource
}

func (c *checker) problem(rule *specs.Rule, pos specs.Pos, hint, format string, args ...any) *specs.Problem {
	p := rule.At(pos, fmt.Sprintf(format, args...), hint)
	c.report(p)
	return p
}

// together tells whether two containers can exist at the same time: neither
// belongs to a profile that the other does not.
func together(a, b *resources.Resource) bool { return !a.Dormant && !b.Dormant }

func (c *checker) names() {
	byName, byKey := map[string]*resources.Resource{}, map[string]*resources.Resource{}
	for _, r := range c.containers {
		key := r.Addr.Parts()[0]
		if first := byKey[key]; first != nil {
			c.problem(ruleSharedName, r.KeyPos, "rename one of them", "%s and %s have the same name", first.Addr, r.Addr).And(first.KeyPos,
				"the other one")
			continue // their containers share a name by that
		}
		byKey[key] = r
		name := containerName(r)
		first := byName[name]
		if first != nil && together(first, r) {
			c.problem(ruleNameClash, r.Pos("/container_name"), "remove container_name, or choose another",
				"%s and %s would both be the container %q", first.Addr, r.Addr, name).And(first.Pos("/container_name"), "the other one")
			continue
		}
		if first == nil || first.Dormant {
			byName[name] = r
		}
	}
}

// hostPlace is a port of the host.
type hostPlace struct {
	ip    string // "" for all addresses
	port  int
	proto string
}

// clashes reports whether two containers cannot both have their place.
func (p hostPlace) clashes(q hostPlace) bool {
	return p.port == q.port && p.proto == q.proto && (p.ip == q.ip || isAny(p.ip, q.ip) || isAny(q.ip, p.ip))
}

// isAny reports whether an address stands for all of the other's family.
func isAny(ip, other string) bool {
	if ip == "" {
		return true
	}
	a, err := netip.ParseAddr(ip)
	if err != nil || !a.IsUnspecified() {
		return false
	}
	b, err := netip.ParseAddr(other)
	return err != nil || a.Is4() == b.Is4()
}

// publishedPlaces returns the fixed ports of the host in a canonical `ports`;
// ranges and ports that the engine chooses are left out.
func publishedPlaces(ports map[string]any) []hostPlace {
	var out []hostPlace
	each := splitPorts(ports)
	for _, key := range slices.Sorted(maps.Keys(each)) {
		_, proto, _ := strings.Cut(key, "/")
		for _, text := range each[key] {
			b := placeOf(text)
			if port, err := strconv.Atoi(b.HostPort); err == nil {
				out = append(out, hostPlace{b.HostIP, port, proto})
			}
		}
	}
	return out
}

// portPos returns where a place is written.
func portPos(r *resources.Resource, place hostPlace) specs.Pos {
	for _, item := range r.Node.Get("ports").Items() {
		v, ok := (portsType{}).Decode(specs.NewList(item.Pos(), []specs.Node{item}), func(*specs.Problem) {})
		if ok && slices.Contains(publishedPlaces(mapOf(v)), place) {
			return item.Pos()
		}
	}
	return r.Pos("/ports")
}

func (c *checker) ports() {
	type user struct {
		r     *resources.Resource
		place hostPlace
	}
	byPort := map[int][]user{}
	for _, r := range c.containers {
		for _, place := range publishedPlaces(r.Config.Map("ports")) {
			for _, other := range byPort[place.port] {
				if other.place.clashes(place) && (other.r == r || together(other.r, r)) {
					c.problem(rulePortClash, portPos(r, place), "publish one of them on another port, or on another address",
						"port %s is published by %s and by %s", place, other.r.Addr, r.Addr).And(portPos(other.r, other.place), "the other one")
				}
			}
			byPort[place.port] = append(byPort[place.port], user{r, place})
		}
	}
}

func (c *checker) publicPorts(r *resources.Resource) {
	ports := r.Config.Map("ports")
	if len(ports) > 0 {
		if mode := r.Config.Text("network_mode"); mode == "host" || mode == "none" || strings.Contains(mode, ":") {
			c.problem(ruleTogether, r.Pos("/ports"), "remove ports, or network_mode", "published ports have no effect with network_mode %s", mode)
			return
		}
	}
	for _, item := range r.Node.Get("ports").Items() {
		v, ok := (portsType{}).Decode(specs.NewList(item.Pos(), []specs.Node{item}), func(*specs.Problem) {})
		if !ok {
			continue
		}
		for _, key := range sortedKeys(mapOf(v)) {
			if slices.ContainsFunc(resources.Texts(mapOf(v)[key]), isPublic) {
				c.problem(rulePublicPort, item.Pos(), "write 127.0.0.1: in front where only this machine needs it",
					"port %s is published to every machine that reaches this one", key)
				break
			}
		}
	}
}

// unpublished finds ports of a container that is on internal networks only. Of a
// network that is someone else's nothing is known.
func (c *checker) unpublished(r *resources.Resource) {
	networks := r.Config.Map("networks")
	if len(r.Config.Map("ports")) == 0 || len(networks) == 0 {
		return
	}
	var first *resources.Resource
	for _, key := range sortedKeys(networks) {
		n := c.all.Get(resources.NewAddr("network", key))
		if n == nil || n.External || !n.Config.Bool("internal") {
			return
		}
		if first == nil {
			first = n
		}
	}
	c.problem(ruleUnpublished, r.Pos("/ports"), "join a network that is not internal as well, or remove ports",
		"%s publishes ports, and all its networks are internal: the engine does not publish them", r.Addr).And(first.Pos("/internal"),
		"the network is internal")
}

func isPublic(place string) bool {
	ip, err := netip.ParseAddr(placeOf(place).HostIP)
	return err != nil || ip.IsUnspecified()
}

func (c *checker) addresses() {
	type user struct {
		r  *resources.Resource
		at specs.Pos
	}
	taken := map[string]user{}
	for _, r := range c.containers {
		networks := r.Config.Map("networks")
		for _, key := range sortedKeys(networks) {
			for _, field := range []string{"ipv4_address", "ipv6_address"} {
				text := resources.Text(mapOf(networks[key])[field])
				ip, err := netip.ParseAddr(text)
				if err != nil {
					continue
				}
				at := r.Pos("/networks/" + escapePointer(key) + "/" + field)
				if why := c.holds(key, ip); why != "" {
					c.problem(ruleStaticAddress, at, "declare a subnet under `ipam` that holds the address", "%s cannot have the address %s: %s", r.Addr,
						ip, why)
				}
				id := key + " " + text
				first, ok := taken[id]
				if ok && together(first.r, r) {
					c.problem(ruleStaticAddress, at, "give each its own", "%s and %s have the same address %s on network %s", first.r.Addr, r.Addr, ip,
						key).
						And(first.at, "the other one")
				}
				if !ok || first.r.Dormant {
					taken[id] = user{r, at}
				}
			}
		}
	}
}

// holds returns why a network cannot hold a fixed address, "" when it can or
// that cannot be told.
func (c *checker) holds(key string, ip netip.Addr) string {
	n := c.all.Get(resources.NewAddr("network", key))
	if n == nil || n.External {
		return ""
	}
	pools := resources.Config(n.Config.Map("ipam")).List("config")
	family := false
	for _, p := range pools {
		subnet, err := netip.ParsePrefix(resources.Text(mapOf(p)["subnet"]))
		switch {
		case err != nil:
			return ""
		case subnet.Contains(ip) && ip.String() == resources.Text(mapOf(p)["gateway"]):
			return "it is the gateway's"
		case subnet.Contains(ip):
			return ""
		}
		family = family || subnet.Addr().Is4() == ip.Is4()
	}
	if !family {
		return fmt.Sprintf("network %q has no subnet of its own", key)
	}
	return fmt.Sprintf("no subnet of network %q holds it", key)
}

// writers finds servers of one image that write the same place of one volume.
func (c *checker) writers() {
	type place struct{ volume, target, image string }
	first := map[place]*resources.Resource{}
	for _, r := range c.all.Of("service") {
		volumes := r.Config.Map("volumes")
		for _, target := range sortedKeys(volumes) {
			m := resources.Config(mapOf(volumes[target]))
			if m.Text("type") != "volume" || m.Text("source") == "" || m.Bool("read_only") {
				continue
			}
			p := place{m.Text("source"), target, repository(imageRef(r))}
			if !slices.ContainsFunc(databases, func(d string) bool { return path.Base(p.image) == d }) {
				continue
			}
			if other := first[p]; other != nil && together(other, r) {
				c.problem(ruleWriters, r.Pos("/volumes"), "give each a volume of its own, or mount it `:ro` in one",
					"%s and %s both write volume %q at %s", other.Addr, r.Addr, p.volume, target).And(other.Pos("/volumes"), "the other one")
				continue
			}
			first[p] = r
		}
	}
}

// databases are images whose servers destroy data that another one writes.
var databases = []string{"postgres", "mysql", "mariadb", "mongo", "redis", "valkey", "rabbitmq", "redpanda", "etcd", "elasticsearch",
	"clickhouse-server"}

// repository returns the name of an image without tag and digest.
func repository(ref string) string {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return ref
	}
	return named.Name()
}

func (c *checker) limits(r *resources.Resource) {
	cfg := r.Config
	switch {
	case isZero(cfg["cpus"]):
	case !isZero(cfg["cpu_quota"]):
		c.problem(ruleTogether, r.Pos("/cpu_quota"), "remove one of them", "cpus and cpu_quota exclude each other")
	case !isZero(cfg["cpu_period"]):
		c.problem(ruleTogether, r.Pos("/cpu_period"), "remove one of them", "cpus and cpu_period exclude each other")
	}
	memory, swap, reserved := resources.ParseBytes(cfg["mem_limit"]), resources.ParseBytes(cfg["memswap_limit"]),
		resources.ParseBytes(cfg["mem_reservation"])
	switch {
	case swap > 0 && memory == 0 && !misread(r.Node, cfg, "mem_limit"):
		c.problem(ruleMissing, r.Pos("/memswap_limit"), "add mem_limit", "memswap_limit needs mem_limit beside it")
	case swap > 0 && swap < memory:
		c.problem(resources.RuleValue, r.Pos("/memswap_limit"), "it counts memory and swap together", "memswap_limit is less than mem_limit")
	}
	if memory > 0 && reserved > memory {
		c.problem(resources.RuleValue, r.Pos("/mem_reservation"), "", "mem_reservation is more than mem_limit")
	}
}

func (c *checker) image(r *resources.Resource) {
	ref := r.Config.Text("image")
	if ref == "" || r.Config["build"] != nil {
		return
	}
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return // an ID
	}
	tagged, hasTag := named.(reference.Tagged)
	if _, pinned := named.(reference.Digested); pinned {
		return
	}
	switch {
	case !hasTag:
		c.problem(ruleLatest, r.Pos("/image"), "name a version: "+ref+":VERSION", "image %s has no tag, which means latest", ref)
	case tagged.Tag() == "latest":
		c.problem(ruleLatest, r.Pos("/image"), "name a version", "image %s is whatever was newest when it was fetched", ref)
	}
}

// misread reports whether the key is written and could not be decoded: then it
// is not missing.
func misread(n specs.Node, decoded resources.Config, key string) bool {
	return n.Given(key) && decoded[key] == nil
}

func (c *checker) health(r *resources.Resource) {
	h := resources.Config(r.Config.Map("healthcheck"))
	if h["start_interval"] != nil && h["start_period"] == nil && !misread(r.Node.Get("healthcheck"), h, "start_period") {
		c.problem(ruleMissing, r.Pos("/healthcheck/start_interval"), "add start_period", "start_interval does nothing without start_period")
	}
	test := h.Texts("test")
	if why := blind(test); why != "" {
		c.problem(ruleBlindCheck, r.Pos("/healthcheck/test"), "ask the service itself, for example with pg_isready, redis-cli ping or curl -f",
			"the health check of %s cannot fail: %s", r.Addr, why)
	}
	off := len(test) > 0 && test[0] == "NONE"
	g := gateOf(r)
	if g.Healthy && off {
		c.problem(ruleTogether, r.Pos("/gate/healthy"), "remove one of them", "the gate waits for a health check that is turned off")
	}
}

var (
	orTrue   = regexp.MustCompile(`(\|\||;)\s*(true|:|exit 0|/bin/true)\s*$`)
	isTrue   = regexp.MustCompile(`^(/bin/)?(true|:|exit 0)$`)
	onlyEcho = regexp.MustCompile(`^(/bin/)?(echo|printf)(\s[^|&;<>]*)?$`)
)

// blind returns why a check always succeeds, "" when it can fail or that
// cannot be told.
func blind(test []string) string {
	if len(test) < 2 {
		return ""
	}
	text := strings.TrimSpace(strings.Join(test[1:], " "))
	if test[0] == "CMD" && len(test) > 3 && slices.Contains([]string{"sh", "/bin/sh", "bash", "/bin/bash"}, test[1]) && test[2] == "-c" {
		text = strings.TrimSpace(test[3])
	} else if test[0] == "CMD" { // no shell reads it: only the program counts
		program := path.Base(test[1])
		if program == "true" || program == "echo" || program == "printf" {
			return "`" + program + "` always succeeds"
		}
		return ""
	}
	switch {
	case isTrue.MatchString(text):
		return "`" + text + "` always succeeds"
	case onlyEcho.MatchString(quotesRemoved(text)):
		return "it only prints a text"
	case orTrue.MatchString(text):
		return "it ends in `" + strings.TrimSpace(orTrue.FindString(text)) + "`"
	}
	return ""
}

// quotesRemoved returns a shell command without its quoted parts, unless a
// command stands in them.
func quotesRemoved(text string) string {
	if strings.Contains(text, "$(") || strings.Contains(text, "`") {
		return text + "|"
	}
	return regexp.MustCompile(`'[^']*'|"[^"]*"`).ReplaceAllString(text, "")
}

var interfaceSysctl = regexp.MustCompile(`^net\.ipv[46]\.(conf|neigh)\.([^.]+)\.`)

func (c *checker) sysctls(r *resources.Resource) {
	for _, key := range sortedKeys(r.Config.Map("sysctls")) {
		m := interfaceSysctl.FindStringSubmatch(key)
		if m == nil || m[2] == "all" || m[2] == "default" || m[2] == "lo" {
			continue
		}
		c.problem(ruleInterfaceSysctl, r.Pos("/sysctls/"+escapePointer(key)), "write it under networks, in driver_opts", "%s is of one interface",
			key)
	}
}

func (c *checker) mounts(r *resources.Resource) {
	volumes, tmpfs := r.Config.Map("volumes"), r.Config.Map("tmpfs")
	for _, target := range sortedKeys(volumes) {
		m := resources.Config(mapOf(volumes[target]))
		if m.Text("type") == "volume" && m.Text("source") == "" {
			c.problem(ruleAnonymousVolume, r.Pos("/volumes"), "name it: NAME:"+target, "the volume at %s has no name", target)
		}
		if _, both := tmpfs[target]; both {
			c.problem(ruleTogether, r.Pos("/tmpfs"), "remove one of them", "%s is both a volume and a tmpfs", target)
		}
	}
}

func (c *checker) files(r *resources.Resource) {
	for _, target := range sortedKeys(r.Config.Map("files")) {
		if why := hidesFile(r.Config, target); why != "" {
			c.problem(ruleFileOnTmpfs, filePos(r, target), "place it elsewhere, or mount a volume there", "file %s %s", target, why)
		}
	}
}

// hidesFile returns why a file cannot be placed at the target: what is mounted
// nearest above it decides.
func hidesFile(c resources.Config, target string) string {
	for dir := target; ; dir = path.Dir(dir) {
		if _, ok := c.Map("tmpfs")[dir]; ok {
			return "would be hidden by the tmpfs at " + dir
		}
		if m := resources.Config(mapOf(c.Map("volumes")[dir])); len(m) > 0 {
			switch {
			case m.Text("type") == "tmpfs":
				return "would be hidden by the tmpfs at " + dir
			case m.Bool("read_only"):
				return "lies in the read-only mount at " + dir
			}
			return ""
		}
		if dir == "/" {
			break
		}
	}
	if c.Bool("read_only") {
		return "cannot be placed in a container with read_only: true"
	}
	return ""
}

func (c *checker) labels(r *resources.Resource) {
	for _, key := range sortedKeys(r.Config.Map("labels")) {
		if strings.HasPrefix(key, labelPrefix) {
			c.problem(ruleReservedLabel, r.Pos("/labels/"+escapePointer(key)), "choose another name", "labels that begin with midaz. are reserved")
		}
	}
}

func (c *checker) job(r *resources.Resource) {
	if r.Addr.Kind != "job" {
		return
	}
	if restart := r.Config.Text("restart"); restart == "always" || restart == "unless-stopped" {
		c.problem(ruleRestartOfJob, r.Pos("/restart"), "write no, or on-failure:COUNT", "a job with restart: %s never ends", restart)
	}
}

func (c *checker) dependencies(r *resources.Resource) {
	all := r.Config.Map("depends_on")
	for _, name := range sortedKeys(all) {
		condition := resources.Text(mapOf(all[name])["condition"])
		at := r.Pos("/depends_on/" + escapePointer(name))
		service, job := c.all.Get(resources.NewAddr("service", name)), c.all.Get(resources.NewAddr("job", name))
		switch {
		case service != nil && condition == "service_completed_successfully":
			c.problem(ruleDependency, at, "declare it under jobs, or wait with service_healthy", "%s keeps running, so it is never completed",
				service.Addr).And(service.KeyPos, "it is declared here")
		case job != nil && condition == "service_healthy":
			c.problem(ruleDependency, at, "wait with service_completed_successfully", "%s ends, so it is never healthy", job.Addr).And(job.KeyPos,
				"it is declared here")
		case service != nil && condition == "service_healthy" && !hasCheck(service):
			c.problem(ruleNoCheck, at, "give it a healthcheck or a gate", "%s has neither a health check nor a gate in the spec",
				service.Addr).And(service.KeyPos, "it is declared here")
		}
	}
}

func (c *checker) order(r *resources.Resource) {
	if isShared(r) && r.Config.Map("update")["order"] == "start_first" {
		c.problem(ruleTogether, r.Pos("/update/order"), "write stop_first, or leave it out",
			"%s cannot start beside the old one: another service joins its namespaces by its name", r.Addr)
	}
}

// hasCheck reports whether the spec says when a service is ready.
func hasCheck(r *resources.Resource) bool {
	return !gateOf(r).Auto
}

// tooNew reports keys that the engine does not have: it would drop them without
// a word.
func tooNew(wanted []*resources.Resource, f *facts) specs.Problems {
	var ps specs.Problems
	for _, r := range wanted {
		if r.Dormant {
			continue
		}
		rows := rowsOf(r.Addr.Kind)
		for i := range rows {
			if v := r.Config[rows[i].Key]; !resources.IsEmpty(v) {
				ps = append(ps, newer(r, &rows[i].Field, v, "/"+rows[i].Key, f.API)...)
			}
		}
		ps = append(ps, tooNewMAC(r, f)...)
		for target, m := range r.Config.Map("volumes") {
			recursive := resources.Text(mapOf(mapOf(m)["bind"])["recursive"])
			if (recursive == "writable" || recursive == "readonly") && !dockerapi.AtLeast(f.API, "1.44") {
				ps = append(ps, tooNewProblem(r, "/volumes", "bind.recursive of "+target, "1.44", f.API))
			}
		}
	}
	return ps
}

func tooNewProblem(r *resources.Resource, pointer, what, since, api string) *specs.Problem {
	return ruleTooNew.At(r.Pos(pointer), fmt.Sprintf("%s of %s needs API %s, and this engine has %s", what, r.Addr, since, api),
		"update Docker, or leave it out")
}

// newer walks through a field and the ones inside it.
func newer(r *resources.Resource, field *resources.Field, v resources.Value, pointer, api string) specs.Problems {
	if field.Since != "" && !dockerapi.AtLeast(api, field.Since) {
		return specs.Problems{tooNewProblem(r, pointer, strings.ReplaceAll(strings.TrimPrefix(pointer, "/"), "/", "."), field.Since, api)}
	}
	object, parts := innerOf(field.Type, v)
	var ps specs.Problems
	for _, key := range sortedKeys(parts) {
		at := pointer
		if key != "" {
			at += "/" + escapePointer(key)
		}
		inner := mapOf(parts[key])
		for i := range object.Fields {
			sub := &object.Fields[i]
			if e := inner[sub.Key]; !resources.IsEmpty(e) {
				ps = append(ps, newer(r, sub, e, at+"/"+sub.Key, api)...)
			}
		}
	}
	return ps
}

// innerOf returns the object that a type is made of and its values: by key for
// maps of objects, under "" for a single one.
func innerOf(t resources.Type, v resources.Value) (resources.Object, map[string]any) {
	switch t := t.(type) {
	case resources.Object:
		return t, map[string]any{"": v}
	case resources.Keyed:
		return t.Elem, mapOf(v)
	case named:
		return t.elem, mapOf(v)
	}
	return resources.Object{}, nil
}

// tooNewMAC reports fixed MAC addresses on other networks than the main one,
// which engines below API 1.44 cannot give.
func tooNewMAC(r *resources.Resource, f *facts) specs.Problems {
	if dockerapi.AtLeast(f.API, "1.44") {
		return nil
	}
	main := draftOf(r, f).mainNetwork()
	networks := r.Config.Map("networks")
	var ps specs.Problems
	for _, key := range sortedKeys(networks) {
		m := resources.Config(mapOf(networks[key]))
		if m["mac_address"] != nil && m.Text("name") != main {
			ps = append(ps, tooNewProblem(r, "/networks/"+escapePointer(key)+"/mac_address",
				"mac_address on a network that is not the one of the highest priority", "1.44", f.API))
		}
	}
	return ps
}
