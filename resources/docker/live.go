package docker

import (
	"context"
	"fmt"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
	spec "github.com/LerianStudio/midaz-infra/specs/draft"
)

// LiveOptions say which containers to write a spec from. Without any it is all
// that run and belong to no stack.
type LiveOptions struct {
	// Stack is the name of the new stack.
	Stack string
	// Project is a Compose project, Labels are KEY or KEY=value, Names are names
	// or globs of names. What is given must all hold.
	Project string
	Labels  []string
	Names   []string
}

// Live returns a spec of what is there: containers, running or not, and their
// networks and volumes. What image and engine fill in by themselves is left out.
func (e *ReadEngine) Live(ctx context.Context, o LiveOptions) (*spec.Draft, error) {
	f, err := e.facts(ctx)
	if err != nil {
		return nil, err
	}
	l := &live{e: e, o: o, facts: f, draft: &spec.Draft{Stack: o.Stack}, networks: map[string]string{}, volumes: map[string]string{},
		keys: map[string]string{}}
	list, err := l.containers(ctx)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, &resources.Diagnosis{Err: fmt.Errorf("there is no such container"), Hint: "`docker ps -a` lists them"}
	}
	if l.all, err = e.api.NetworkList(ctx, network.ListOptions{}); err != nil {
		return nil, fmt.Errorf("list networks: %w", err)
	}
	for _, c := range list {
		l.keys[c.ID] = l.keyOf(c)
	}
	for _, c := range list {
		if err := l.container(ctx, c); err != nil {
			return nil, err
		}
	}
	if err := l.objects(ctx); err != nil {
		return nil, err
	}
	l.draft.HideSecrets()
	l.draft.Sort()
	return l.draft, nil
}

// live is the memory of one Live.
type live struct {
	e     *ReadEngine
	o     LiveOptions
	facts *facts
	draft *spec.Draft
	all   []network.Summary
	keys  map[string]string // of services, by container ID
	// networks and volumes that are used, by name on the engine, with their keys.
	networks, volumes map[string]string
}

// containers returns those asked for, in order of name.
func (l *live) containers(ctx context.Context) ([]container.Summary, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	args := filters.NewArgs()
	if l.o.Project != "" {
		args.Add("label", "com.docker.compose.project="+l.o.Project)
	}
	for _, label := range l.o.Labels {
		args.Add("label", label)
	}
	chosen := args.Len() > 0 || len(l.o.Names) > 0
	list, err := l.e.api.ContainerList(ctx, container.ListOptions{All: chosen, Filters: args})
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	list = slices.DeleteFunc(list, func(c container.Summary) bool {
		if len(c.Names) == 0 || c.Labels["com.docker.compose.oneoff"] == "True" {
			return true
		}
		if !chosen {
			return c.Labels[labelStack] != ""
		}
		return len(l.o.Names) > 0 && !slices.ContainsFunc(l.o.Names, func(glob string) bool {
			ok, err := path.Match(glob, nameOfSummary(c))
			return ok && err == nil || strings.HasPrefix(c.ID, glob) && len(glob) >= 12
		})
	})
	slices.SortFunc(list, func(a, b container.Summary) int { return strings.Compare(nameOfSummary(a), nameOfSummary(b)) })
	return list, nil
}

var notInKeys = regexp.MustCompile(`[^a-zA-Z0-9_.-]+`)

// keyOf returns the key of a service: the one it had where it came from, else
// the container's name.
func (l *live) keyOf(c container.Summary) string {
	key := nameOfSummary(c)
	if s := c.Labels["com.docker.compose.service"]; s != "" && (c.Labels["com.docker.compose.container-number"] == "1" ||
		c.Labels["com.docker.compose.container-number"] == "") {
		key = s
	} else if addr, err := resources.ParseAddr(c.Labels[labelAddress]); err == nil && isContainer(addr.Kind) {
		key = addr.Parts()[0]
	}
	key = strings.Trim(notInKeys.ReplaceAllString(key, "-"), "-_.")
	for _, taken := range l.keys {
		if taken == key {
			return strings.Trim(notInKeys.ReplaceAllString(nameOfSummary(c), "-"), "-_.")
		}
	}
	return key
}

// container adds one service or job.
func (l *live) container(ctx context.Context, c container.Summary) error {
	v := &view{e: l.e, kind: "service", facts: l.facts, scope: resources.Scope{Stack: l.o.Stack}, networks: l.all, ids: map[string]string{}}
	for _, n := range l.all {
		v.ids[n.Name] = n.ID
	}
	inspect, err := v.inspect(ctx, c.ID)
	if cerrdefs.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("inspect container %s: %w", nameOfSummary(c), err)
	}
	s, err := v.sight(ctx, &inspect, nil, nil)
	if err != nil {
		return err
	}
	e := &spec.Entry{Key: l.keys[c.ID], Fields: map[string]any{}}
	section := "services"
	if inspect.State.Status == "exited" && (inspect.HostConfig.RestartPolicy.IsNone() || inspect.HostConfig.RestartPolicy.Name == "") {
		section = "jobs"
		l.draft.Note(section, e, "taken for a job: it has ended, with %d, and nothing restarts it", inspect.State.ExitCode)
	}
	have := s.project("service")
	for i := range serviceRows {
		row := &serviceRows[i]
		value, ok := have[row.Key]
		if !ok || resources.IsEmpty(value) && row.Key != "entrypoint" || resources.Equal(value, row.Default) {
			continue
		}
		if written := l.field(row.Key, value, s, e); written != nil {
			e.Fields[row.Key] = written
		}
	}
	l.hidden(s, e)
	if strings.HasPrefix(inspect.Config.Image, "sha256:") {
		l.draft.Note(section, e, "its image has no name, only an ID; it cannot be pulled elsewhere")
	}
	if section == "jobs" {
		delete(e.Fields, "restart")
		l.draft.Jobs = append(l.draft.Jobs, e)
	} else {
		l.draft.Services = append(l.draft.Services, e)
	}
	return nil
}

// hidden adds what the table shows only for those who declare it.
func (l *live) hidden(s *sight, e *spec.Entry) {
	h := s.c.HostConfig
	ulimits := map[string]any{}
	for _, u := range h.Ulimits {
		ulimits[u.Name] = map[string]any{"soft": u.Soft, "hard": u.Hard}
	}
	if len(ulimits) > 0 {
		e.Fields["ulimits"] = ulimits
	}
	if log := h.LogConfig; log.Type != "" && (log.Type != l.facts.Info.LoggingDriver || len(log.Config) > 0) {
		logging := map[string]any{"driver": log.Type}
		if len(log.Config) > 0 {
			logging["options"] = written(mapOfTexts(log.Config))
		}
		e.Fields["logging"] = logging
	}
	if mode := h.NetworkMode; e.Fields["networks"] == nil && (mode == "" || mode == "default" || mode == "bridge") {
		e.Fields["network_mode"] = "bridge"
	}
	if needs := s.c.Config.Labels["com.docker.compose.depends_on"]; needs != "" {
		if all := l.dependsOn(needs); len(all) > 0 {
			e.Fields["depends_on"] = all
		}
	}
}

// dependsOn reads what Compose writes on a container:
// "db:service_healthy:false,cache:service_started:true".
func (l *live) dependsOn(text string) map[string]any {
	out := map[string]any{}
	for _, item := range strings.Split(text, ",") {
		parts := strings.Split(item, ":")
		known := false
		for _, key := range l.keys {
			known = known || key == parts[0]
		}
		if !known || len(parts) < 2 {
			continue
		}
		need := map[string]any{"condition": parts[1]}
		if len(parts) > 2 && parts[2] == "true" {
			need["restart"] = true
		}
		out[parts[0]] = need
	}
	return out
}

// field returns a value as the spec has it, nil to leave it out.
func (l *live) field(key string, v resources.Value, s *sight, e *spec.Entry) any {
	switch key {
	case "shm_size":
		if v == "64m" || v == resources.ShowBytes(64<<20) {
			return nil
		}
	case "runtime":
		if v == l.facts.Info.DefaultRuntime {
			return nil
		}
	case "cgroup":
		return nil // the engine's own choice
	case "memswap_limit":
		if l.facts.Info.SwapLimit == false || s.c.HostConfig.MemorySwap == 2*s.c.HostConfig.Memory {
			return nil
		}
	case "entrypoint":
		if resources.Equal(v, []any{""}) {
			return []any{}
		}
	case "ports":
		return livePorts(mapOf(v))
	case "volumes":
		return l.mounts(mapOf(v))
	case "networks":
		return l.attached(mapOf(v), e.Key, s.c)
	case "network_mode", "pid", "ipc":
		if key == "ipc" && (v == "private" || v == "shareable") {
			return nil // the engine's own choice
		}
		mode := map[string]string{"network_mode": string(s.c.HostConfig.NetworkMode), "pid": string(s.c.HostConfig.PidMode),
			"ipc": string(s.c.HostConfig.IpcMode)}[key]
		if peer, ok := l.keys[strings.TrimPrefix(mode, "container:")]; ok {
			return spec.Literal("service:" + peer)
		}
	case "blkio_config":
		return liveBlkio(mapOf(v))
	case "tmpfs":
		var out []any
		for _, target := range sortedKeys(mapOf(v)) {
			out = append(out, strings.TrimSuffix(target+":"+resources.Text(mapOf(v)[target]), ":"))
		}
		return out
	}
	return written(v)
}

// written turns an observed value into one of a draft. Secrets become known to
// it, which keeps them out of the spec.
func written(v resources.Value) any {
	return specs.MapLeaves(v, func(v any) any {
		switch v := v.(type) {
		case resources.Secret:
			return spec.Secret(v.Reveal())
		case string:
			return spec.Literal(v)
		}
		return v
	})
}

func livePorts(ports map[string]any) any {
	var out []any
	for _, key := range sortedKeys(ports) {
		port, proto, _ := strings.Cut(key, "/")
		for _, place := range resources.Texts(ports[key]) {
			b := placeOf(place)
			text := port
			if b.HostPort != "" || b.HostIP != "" {
				text = b.HostPort + ":" + text
			}
			if strings.Contains(b.HostIP, ":") {
				b.HostIP = "[" + b.HostIP + "]"
			}
			if b.HostIP != "" {
				text = b.HostIP + ":" + text
			}
			if proto != "tcp" {
				text += "/" + proto
			}
			out = append(out, text)
		}
	}
	return out
}

func (l *live) mounts(mounts map[string]any) any {
	var out []any
	for _, target := range sortedKeys(mounts) {
		m := cloneMap(mapOf(mounts[target]))
		if name := resources.Text(m["name"]); m["type"] == "volume" && name != "" {
			m["source"] = l.volumeKey(name)
		}
		delete(m, "name")
		source := resources.Text(m["source"])
		short := (m["type"] == "bind" || m["type"] == "volume") && source != "" && !strings.Contains(source+target, ":")
		for k := range m {
			short = short && slices.Contains([]string{"type", "source", "target", "read_only"}, k)
		}
		if !short {
			out = append(out, written(m))
			continue
		}
		text := source + ":" + target
		if m["read_only"] == true {
			text += ":ro"
		}
		out = append(out, spec.Literal(text))
	}
	return out
}

// volumeKey is the key of a volume that is used.
func (l *live) volumeKey(name string) string {
	if key, ok := l.volumes[name]; ok {
		return key
	}
	key := l.shortName(name)
	l.volumes[name] = key
	return key
}

// shortName leaves out what Compose and midaz put in front of a key.
func (l *live) shortName(name string) string {
	for _, prefix := range []string{l.o.Project + "_", l.o.Stack + "_"} {
		if rest, ok := strings.CutPrefix(name, prefix); ok && len(prefix) > 1 && rest != "" {
			return rest
		}
	}
	return name
}

// liveBlkio writes limits for devices as the lists that they are.
func liveBlkio(v map[string]any) any {
	out := map[string]any{}
	for key, limits := range v {
		devices, ok := limits.(map[string]any)
		if !ok {
			out[key] = limits
			continue
		}
		word := "rate"
		if key == "weight_device" {
			word = "weight"
		}
		var list []any
		for _, path := range sortedKeys(devices) {
			list = append(list, map[string]any{"path": spec.Literal(path), word: devices[path]})
		}
		out[key] = list
	}
	return out
}

// attached are the endpoints of a container. A fixed MAC address is known of its
// main network only: of others the engine does not tell it from one that it has
// chosen.
func (l *live) attached(networks map[string]any, service string, c *container.InspectResponse) any {
	out := map[string]any{}
	var list []any
	plain := true
	for _, name := range sortedKeys(networks) {
		if name == "bridge" {
			continue
		}
		m := cloneMap(mapOf(networks[name]))
		key := l.shortName(name)
		l.networks[name] = key
		delete(m, "name")
		delete(m, "stale")
		aliases := slices.DeleteFunc(resources.Texts(m["aliases"]), func(a string) bool { return a == service })
		delete(m, "aliases")
		if len(aliases) > 0 {
			m["aliases"] = written(setOf(aliases))
		}
		if mac := c.Config.MacAddress; mac != "" && name == string(c.HostConfig.NetworkMode) { //nolint:staticcheck // there is no other place
			m["mac_address"] = strings.ToLower(mac)
			if len(networks) > 1 {
				m["priority"] = int64(1)
			}
		}
		plain = plain && len(m) == 0
		out[key] = m
		list = append(list, key)
	}
	switch {
	case len(list) == 0:
		return nil
	case plain:
		return list
	}
	return out
}

// objects adds the networks and volumes that are used.
func (l *live) objects(ctx context.Context) error {
	for i := range l.all {
		n := &l.all[i]
		key, used := l.networks[n.Name]
		if !used {
			continue
		}
		fields := map[string]any{"name": n.Name}
		if n.Driver != "" && n.Driver != "bridge" {
			fields["driver"] = n.Driver
		}
		for k, on := range map[string]bool{"internal": n.Internal, "attachable": n.Attachable, "enable_ipv6": n.EnableIPv6} {
			if on {
				fields[k] = true
			}
		}
		if len(n.Options) > 0 {
			fields["driver_opts"] = written(mapOfTexts(n.Options))
		}
		if ipam := liveIPAM(n.IPAM, l.hasFixedAddress(key)); ipam != nil {
			fields["ipam"] = ipam
		}
		if labels := foreignLabels(n.Labels, nil, nil); labels != nil {
			fields["labels"] = written(labels)
		}
		e := &spec.Entry{Key: key, Fields: fields}
		if s := n.Labels[labelStack]; s != "" && s != l.o.Stack {
			e.Fields = map[string]any{"name": n.Name, "external": true}
			l.draft.Note("networks", e, "it belongs to stack %q", s)
		}
		l.draft.Networks = append(l.draft.Networks, e)
	}
	for _, name := range sortedKeys(mapOfAny(l.volumes)) {
		v, err := l.e.api.VolumeInspect(ctx, name)
		if cerrdefs.IsNotFound(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("inspect volume %s: %w", name, err)
		}
		fields := map[string]any{"name": name}
		if v.Driver != "" && v.Driver != "local" {
			fields["driver"] = v.Driver
		}
		if len(v.Options) > 0 {
			fields["driver_opts"] = written(mapOfTexts(v.Options))
		}
		if labels := foreignLabels(v.Labels, nil, nil); labels != nil {
			fields["labels"] = written(labels)
		}
		e := &spec.Entry{Key: l.volumes[name], Fields: fields}
		if s := v.Labels[labelStack]; s != "" && s != l.o.Stack {
			e.Fields = map[string]any{"name": name, "external": true}
			l.draft.Note("volumes", e, "it belongs to stack %q", s)
		}
		l.draft.Volumes = append(l.draft.Volumes, e)
	}
	return nil
}

// liveIPAM writes subnets that someone has chosen, which shows in what the engine
// does not choose by itself, or those that must stay.
func liveIPAM(have network.IPAM, stays bool) any {
	var pools []any
	out := map[string]any{}
	for _, c := range have.Config {
		pool := map[string]any{"subnet": c.Subnet}
		if gateway, err := netip.ParseAddr(c.Gateway); err == nil {
			if subnet, err := netip.ParsePrefix(c.Subnet); err == nil && gateway != subnet.Masked().Addr().Next() {
				pool["gateway"], stays = c.Gateway, true
			}
		}
		if c.IPRange != "" {
			pool["ip_range"], stays = c.IPRange, true
		}
		if len(c.AuxAddress) > 0 {
			pool["aux_addresses"], stays = written(mapOfTexts(c.AuxAddress)), true
		}
		pools = append(pools, pool)
	}
	if stays && pools != nil {
		out["config"] = pools
	}
	if have.Driver != "" && have.Driver != "default" {
		out["driver"] = have.Driver
	}
	if len(have.Options) > 0 {
		out["options"] = written(mapOfTexts(have.Options))
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// hasFixedAddress reports whether a container has an address of its own on the
// network, which then must keep its subnet.
func (l *live) hasFixedAddress(key string) bool {
	return slices.ContainsFunc(slices.Concat(l.draft.Services, l.draft.Jobs), func(e *spec.Entry) bool {
		m := mapOf(mapOf(e.Fields["networks"])[key])
		return m["ipv4_address"] != nil || m["ipv6_address"] != nil
	})
}

func mapOfAny(m map[string]string) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}
