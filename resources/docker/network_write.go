package docker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/dockerapi"
)

// networkWriter changes networks.
type networkWriter struct{ e *Engine }

func (k networkWriter) Create(ctx context.Context, r *resources.Resource, _ resources.Note) error {
	opts, err := k.createOptions(r)
	if err != nil {
		return err
	}
	if err := k.create(ctx, r.Config.Text("name"), opts, r); err != nil {
		return err
	}
	// A run that was cut off may have taken containers off it.
	journals, err := k.e.journals(ctx, r.Stack)
	if err != nil || journals[r.Addr.String()] == nil {
		return err
	}
	return k.reattach(ctx, r.Config.Text("name"), journals[r.Addr.String()])
}

func (k networkWriter) createOptions(r *resources.Resource) (network.CreateOptions, error) {
	c := r.Config
	ipv6 := c.Bool("enable_ipv6")
	opts := network.CreateOptions{
		Driver: c.Text("driver"), Internal: c.Bool("internal"), Attachable: c.Bool("attachable"), EnableIPv6: &ipv6,
		Options: textMap(c["driver_opts"]), Labels: textMap(c["labels"]),
	}
	if opts.Driver == "" {
		opts.Driver = "bridge"
	}
	if v, ok := c["enable_ipv4"].(bool); ok && !v {
		if api := k.e.api.ClientVersion(); !dockerapi.AtLeast(api, "1.48") {
			return opts, &resources.Diagnosis{Err: fmt.Errorf("create network %s: the engine cannot do without IPv4: its API is %s, and 1.48 is "+
				"needed", c.Text("name"), api),
				Hint: "remove `enable_ipv4: false`, or update Docker to 28"}
		}
		opts.EnableIPv4 = &v
	}
	if ipam := resources.Config(c.Map("ipam")); len(ipam) > 0 {
		opts.IPAM = &network.IPAM{Driver: ipam.Text("driver"), Options: textMap(ipam["options"])}
		if opts.IPAM.Driver == "" {
			opts.IPAM.Driver = "default"
		}
		for _, v := range ipam.List("config") {
			p := resources.Config(mapOf(v))
			opts.IPAM.Config = append(opts.IPAM.Config, network.IPAMConfig{Subnet: p.Text("subnet"), Gateway: p.Text("gateway"),
				IPRange: p.Text("ip_range"), AuxAddress: textMap(p["aux_addresses"])})
		}
	}
	maps.Copy(opts.Labels, ownLabels(r, networkTable.Marked(c)))
	return opts, nil
}

// create makes the network, and only one: engines before 25 let several calls
// at one time make several of one name (moby#20648).
func (k networkWriter) create(ctx context.Context, name string, opts network.CreateOptions, r *resources.Resource) error {
	lctx, cancel := lasting(ctx, writeTimeout)
	defer cancel()
	made, err := k.e.api.NetworkCreate(lctx, name, opts)
	if cerrdefs.IsConflict(err) || err != nil && strings.Contains(err.Error(), "already exists") {
		return k.conflict(lctx, name, r, err)
	}
	if err != nil {
		return k.explain(lctx, name, opts, err)
	}
	if !dockerapi.AtLeast(k.e.api.ClientVersion(), "1.44") {
		if err := k.single(lctx, name, made.ID, r); err != nil {
			return err
		}
	}
	return k.confirm(lctx, r, made.ID)
}

// confirm reads a network back that was just created. One that has given way to
// another of ours of the same name is not there any more.
func (k networkWriter) confirm(ctx context.Context, r *resources.Resource, id string) error {
	n, err := k.e.api.NetworkInspect(ctx, id, network.InspectOptions{})
	if cerrdefs.IsNotFound(err) {
		n, err = k.e.api.NetworkInspect(ctx, r.Config.Text("name"), network.InspectOptions{})
	}
	if cerrdefs.IsNotFound(err) {
		return fmt.Errorf("create network %s: the engine reports success, and it is not there", r.Config.Text("name"))
	}
	if err != nil {
		return fmt.Errorf("inspect network: %w", err)
	}
	return resources.NotApplied(r.Addr, networkKind{}.Compare(r, observeNetwork(n, r.Addr, r.Config, k.e.api.ClientVersion())))
}

// conflict finds out whose the network of that name is.
func (k networkWriter) conflict(ctx context.Context, name string, r *resources.Resource, cause error) error {
	same, err := k.named(ctx, name)
	if err != nil {
		return err
	}
	for _, n := range same {
		if isOurs(n.Labels, r) {
			return k.confirm(ctx, r, n.ID) // a try whose answer was lost
		}
	}
	owner := "nobody that midaz knows"
	if len(same) > 0 {
		owner = ownerText(same[0].Labels)
	}
	return &resources.Diagnosis{Err: fmt.Errorf("create network %s: the name is taken by a network of %s: %w", name, owner, cause),
		Hint: fmt.Sprintf("give it another `name`, remove the other one (`docker network rm %s`), or take it over with `-adopt '%s'`", name,
			r.Addr)}
}

// single removes what another creation at the same time has made twice.
func (k networkWriter) single(ctx context.Context, name, id string, r *resources.Resource) error {
	same, err := k.named(ctx, name)
	if err != nil || len(same) <= 1 {
		return err
	}
	for _, n := range same {
		if !isOurs(n.Labels, r) {
			_ = k.e.api.NetworkRemove(ctx, id)
			return &resources.Diagnosis{Err: fmt.Errorf("create network %s: someone else made a network of that name at the same moment", name),
				Hint: "remove one of them, or choose another `name`"}
		}
	}
	for _, n := range same[1:] {
		if err := k.e.api.NetworkRemove(ctx, n.ID); err != nil && !cerrdefs.IsNotFound(err) {
			return fmt.Errorf("remove the second network %s: %w", name, err)
		}
	}
	return nil
}

// named returns the networks of exactly that name, the oldest first.
func (k networkWriter) named(ctx context.Context, name string) ([]network.Summary, error) {
	all, err := k.e.api.NetworkList(ctx, network.ListOptions{Filters: filters.NewArgs(filters.Arg("name", name))})
	if err != nil {
		return nil, fmt.Errorf("list networks: %w", err)
	}
	all = slices.DeleteFunc(all, func(n network.Summary) bool { return n.Name != name })
	slices.SortFunc(all, func(a, b network.Summary) int {
		if c := a.Created.Compare(b.Created); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return all, nil
}

// isAt reports whether an object's address is that of the resource, or the one
// it has been moved from.
func isAt(labels map[string]string, r *resources.Resource) bool {
	at := labels[labelAddress]
	return at == r.Addr.String() || !r.Moved.IsZero() && at == r.Moved.String()
}

func isOurs(labels map[string]string, r *resources.Resource) bool {
	return labels[labelStack] == r.Stack && labels[labelAddress] == r.Addr.String()
}

// ownerText names the owner of an object for people.
func ownerText(labels map[string]string) string {
	stack, owner := ownerOf(labels)
	switch {
	case stack != "":
		return fmt.Sprintf("stack %q", stack)
	case owner != "":
		return owner
	default:
		return "nobody that midaz knows"
	}
}

// explain says what to do when there are no addresses.
func (k networkWriter) explain(ctx context.Context, name string, opts network.CreateOptions, err error) error {
	wrapped := fmt.Errorf("create network %s: %w", name, err)
	text := err.Error()
	switch {
	case strings.Contains(text, "non-overlapping") || strings.Contains(text, "address pools have been fully subnetted"):
		return &resources.Diagnosis{Err: wrapped,
			Hint: "the engine's address pools allow about thirty networks: remove unused ones (`docker network ls`), or give this one a subnet " +
				"under `ipam`"}
	case strings.Contains(text, "overlaps") && opts.IPAM != nil:
		if other := k.overlapping(ctx, opts.IPAM.Config); other != "" {
			return &resources.Diagnosis{Err: wrapped, Hint: fmt.Sprintf("network %s uses these addresses: choose another subnet, or remove it",
				other)}
		}
		return &resources.Diagnosis{Err: wrapped, Hint: "another network of the engine, or of its host, uses these addresses: choose another " +
			"subnet"}
	case strings.Contains(text, "plugin") && strings.Contains(text, "not found"):
		return &resources.Diagnosis{Err: wrapped, Hint: "correct the network's `driver`, or install the plugin"}
	}
	return wrapped
}

func (k networkWriter) overlapping(ctx context.Context, pools []network.IPAMConfig) string {
	all, err := k.e.api.NetworkList(ctx, network.ListOptions{})
	if err != nil {
		return ""
	}
	for _, n := range all {
		for _, c := range n.IPAM.Config {
			theirs, err := netip.ParsePrefix(c.Subnet)
			if err != nil {
				continue
			}
			for _, p := range pools {
				if ours, err := netip.ParsePrefix(p.Subnet); err == nil && ours.Overlaps(theirs) {
					return fmt.Sprintf("%q (%s, of %s)", n.Name, c.Subnet, ownerText(n.Labels))
				}
			}
		}
	}
	return ""
}

// Update takes over a network of someone else's, and puts containers back that
// a run that was cut off had taken off; all else of a network is changed by
// Replace.
func (k networkWriter) Update(ctx context.Context, r *resources.Resource, have *resources.Observed, d resources.Delta,
	_ resources.Note) error {
	if d.Has("owner") {
		if err := k.e.recorder.take(ctx, r, have); err != nil {
			return err
		}
	}
	seen, ok := have.Native.(*seenNetwork)
	if !ok || seen.journal == nil || !d.Has("containers") {
		return nil
	}
	return k.reattach(ctx, seen.inspect.ID, seen.journal)
}

func (k networkWriter) Delete(ctx context.Context, have *resources.Observed, _ resources.Note) error {
	lctx, cancel := lasting(ctx, writeTimeout)
	defer cancel()
	if err := k.remove(lctx, have.ID); err != nil {
		return err
	}
	if seen, ok := have.Native.(*seenNetwork); ok && seen.journal != nil {
		return k.forget(lctx, seen.journal)
	}
	return nil
}

// remove removes a network by its ID. Running containers on it are named.
func (k networkWriter) remove(ctx context.Context, id string) error {
	err := k.e.api.NetworkRemove(ctx, id)
	if cerrdefs.IsNotFound(err) {
		return nil
	}
	if err == nil {
		if _, err := k.e.api.NetworkInspect(ctx, id, network.InspectOptions{}); !cerrdefs.IsNotFound(err) {
			return notRemoved("network "+shortID(id), err)
		}
		return nil
	}
	wrapped := fmt.Errorf("remove network %s: %w", shortID(id), err)
	if !strings.Contains(err.Error(), "active endpoints") {
		return wrapped
	}
	n, inspectErr := k.e.api.NetworkInspect(ctx, id, network.InspectOptions{})
	if inspectErr != nil {
		if cerrdefs.IsNotFound(inspectErr) {
			return nil
		}
		return wrapped
	}
	var names []string
	for _, c := range n.Containers {
		names = append(names, c.Name)
	}
	slices.Sort(names)
	if len(names) > 0 {
		return &resources.Diagnosis{Err: fmt.Errorf("remove network %s: containers are on it: %s", n.Name, strings.Join(names, ", ")),
			Hint: fmt.Sprintf("take them off it: `docker network disconnect %s %s`", n.Name, names[0])}
	}
	// The engine's own count is wrong and stays so until it starts again
	// (moby#42119): trying again would never end.
	return &resources.Diagnosis{Err: fmt.Errorf("remove network %s: the engine counts containers on it though there are none, a fault of "+
		"Docker up to 28.0: %w", n.Name, err),
		Hint: "restart the engine (`sudo systemctl restart docker`), or give the network another `name`"}
}

// Replace makes the network anew under the containers on it, which keep
// running: their processes see an interface go and another come. When the new
// one cannot be made, the old one comes back.
func (k networkWriter) Replace(ctx context.Context, r *resources.Resource, have *resources.Observed, note resources.Note) error {
	opts, err := k.createOptions(r)
	if err != nil {
		return err
	}
	old, err := k.e.api.NetworkInspect(ctx, have.ID, network.InspectOptions{})
	if cerrdefs.IsNotFound(err) {
		return fmt.Errorf("replace network %s: %w", r.Config.Text("name"), resources.ErrMoved)
	}
	if err != nil {
		return fmt.Errorf("inspect network: %w", err)
	}
	lctx, cancel := lasting(ctx, 10*writeTimeout)
	defer cancel()
	j, err := k.attached(lctx, old)
	if err != nil {
		return err
	}
	if seen, ok := have.Native.(*seenNetwork); ok && seen.journal != nil {
		j.include(seen.journal)
	}
	if len(j.Containers) > 0 {
		note("%d containers keep running", len(j.Containers))
		if err := k.remember(lctx, r, j); err != nil {
			return err
		}
	}
	if err := k.detach(lctx, old, j); err != nil {
		return err
	}
	if err := k.remove(lctx, old.ID); err != nil {
		return k.undo(lctx, r, old, j, err)
	}
	if err := k.create(lctx, r.Config.Text("name"), opts, r); err != nil {
		return k.undo(lctx, r, old, j, err)
	}
	return k.reattach(lctx, r.Config.Text("name"), j)
}

// undo brings the old network back, or at least its containers onto it.
func (k networkWriter) undo(ctx context.Context, r *resources.Resource, old network.Inspect, j *journal, cause error) error {
	if _, err := k.e.api.NetworkInspect(ctx, old.ID, network.InspectOptions{}); cerrdefs.IsNotFound(err) {
		opts := network.CreateOptions{Driver: old.Driver, Scope: old.Scope, EnableIPv6: &old.EnableIPv6, IPAM: &old.IPAM, Internal: old.Internal,
			Attachable: old.Attachable, Options: old.Options, Labels: old.Labels}
		if _, err := k.e.api.NetworkCreate(ctx, old.Name, opts); err != nil {
			return fmt.Errorf("%w; and the old network could not be made again: %w", cause, err)
		}
	}
	if err := k.reattach(ctx, old.Name, j); err != nil {
		return fmt.Errorf("%w; and the old network's containers: %w", cause, err)
	}
	return fmt.Errorf("%w (the old network is back)", cause)
}

// attached returns who is on the network, running or not, ours or not, and how.
func (k networkWriter) attached(ctx context.Context, n network.Inspect) (*journal, error) {
	j := &journal{Containers: map[string]*network.EndpointSettings{}, Names: map[string]string{}}
	list, err := k.e.api.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("network", n.ID),
		filters.Arg("network", n.Name))})
	if err != nil {
		return nil, fmt.Errorf("list containers on network %s: %w", n.Name, err)
	}
	for _, c := range list {
		full, err := k.e.api.ContainerInspect(ctx, c.ID)
		if cerrdefs.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("inspect container %s: %w", shortID(c.ID), err)
		}
		if full.NetworkSettings == nil {
			continue
		}
		for name, ep := range full.NetworkSettings.Networks {
			if ep == nil || name != n.Name && ep.NetworkID != n.ID {
				continue
			}
			j.Containers[full.ID] = settingsOf(ep, &full)
			j.Names[full.ID] = strings.TrimPrefix(full.Name, "/")
			if isLooping(full.State, full.RestartCount, k.e.now()) {
				j.Halted = append(j.Halted, full.ID)
			}
		}
	}
	return j, nil
}

// isLooping reports whether a container ends and is started again all the time.
// Between two starts the engine can neither take it off a network nor put it on
// one, so it is stopped meanwhile, and started again in the end.
func isLooping(s *container.State, restarts int, now time.Time) bool {
	const recent = 30 * time.Second
	if s == nil || s.Restarting {
		return s != nil
	}
	started, err := time.Parse(time.RFC3339Nano, s.StartedAt)
	return s.Running && restarts > 0 && err == nil && now.Sub(started) < recent
}

// settingsOf returns what was asked for of an endpoint, without what the
// engine gave it. Engines before 26 add the short ID and the hostname to the
// aliases.
func settingsOf(ep *network.EndpointSettings, c *container.InspectResponse) *network.EndpointSettings {
	out := &network.EndpointSettings{Links: ep.Links, DriverOpts: ep.DriverOpts, GwPriority: ep.GwPriority}
	for _, a := range ep.Aliases {
		if !strings.HasPrefix(c.ID, a) || len(a) != 12 {
			out.Aliases = append(out.Aliases, a)
		}
	}
	slices.Sort(out.Aliases)
	out.Aliases = slices.Compact(out.Aliases)
	if ep.IPAMConfig != nil {
		out.IPAMConfig = ep.IPAMConfig.Copy()
	}
	return out
}

func (j *journal) include(other *journal) {
	for id, ep := range other.Containers {
		if j.Containers[id] == nil {
			j.Containers[id], j.Names[id] = ep, other.Names[id]
		}
	}
}

// remember writes the journal before the first container is taken off.
func (k networkWriter) remember(ctx context.Context, r *resources.Resource, j *journal) error {
	j.Volume = engineName(r.Stack, r.Addr.Parts()[0], "") + ".endpoints"
	// A volume that exists keeps its labels, so an older journal goes first; it
	// is part of this one.
	if err := k.forget(ctx, j); err != nil {
		return err
	}
	_, err := k.e.api.VolumeCreate(ctx, volume.CreateOptions{Name: j.Volume, Driver: "local",
		Labels: map[string]string{labelStack: r.Stack, labelRecord: "endpoints", labelJournal: r.Addr.String(), labelEndpoints: j.encode()}})
	k.e.recorded.forget()
	if err != nil {
		return fmt.Errorf("remember the containers on the network: %w", err)
	}
	return nil
}

func (k networkWriter) forget(ctx context.Context, j *journal) error {
	if j.Volume == "" {
		return nil
	}
	v, err := k.e.api.VolumeInspect(ctx, j.Volume)
	switch {
	case cerrdefs.IsNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("inspect volume %s: %w", j.Volume, err)
	case v.Labels[labelJournal] == "":
		return fmt.Errorf("remember the containers on the network: volume %s is in the way and is not midaz's: rename it", j.Volume)
	}
	err = k.e.api.VolumeRemove(ctx, j.Volume, false)
	k.e.recorded.forget()
	if err != nil && !cerrdefs.IsNotFound(err) {
		return fmt.Errorf("forget the containers on the network: %w", err)
	}
	return nil
}

func (k networkWriter) detach(ctx context.Context, n network.Inspect, j *journal) error {
	for _, id := range j.Halted {
		if err := k.e.api.ContainerStop(ctx, id, container.StopOptions{}); err != nil && !cerrdefs.IsNotFound(err) &&
			!cerrdefs.IsNotModified(err) {
			return fmt.Errorf("stop container %s, which restarts all the time: %w", j.Names[id], err)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(j.Containers)) {
		err := k.e.api.NetworkDisconnect(ctx, n.ID, id, true)
		if err != nil && !isNotConnected(err) {
			return fmt.Errorf("take container %s off network %s: %w", j.Names[id], n.Name, err)
		}
	}
	return nil
}

// reattach puts the containers of a journal on the network and forgets it.
// Each that is there already, or is gone, counts as done.
func (k networkWriter) reattach(ctx context.Context, name string, j *journal) error {
	ctx, cancel := lasting(ctx, 10*writeTimeout)
	defer cancel()
	n, err := k.e.api.NetworkInspect(ctx, name, network.InspectOptions{})
	if err != nil {
		return fmt.Errorf("inspect network %s: %w", name, err)
	}
	var lost []error
	for _, id := range slices.Sorted(maps.Keys(j.Containers)) {
		if err := k.join(ctx, n, id, j.Containers[id]); err != nil {
			lost = append(lost, fmt.Errorf("put container %s back on network %s: %w", j.Names[id], n.Name, err))
		}
	}
	for _, id := range j.Halted {
		if err := k.e.api.ContainerStart(ctx, id, container.StartOptions{}); err != nil && !cerrdefs.IsNotFound(err) {
			lost = append(lost, fmt.Errorf("start container %s again: %w", j.Names[id], err))
		}
	}
	if err := errors.Join(lost...); err != nil {
		return err
	}
	return k.forget(ctx, j)
}

func (k networkWriter) join(ctx context.Context, n network.Inspect, id string, ep *network.EndpointSettings) error {
	c, err := k.e.api.ContainerInspect(ctx, id)
	if cerrdefs.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if c.NetworkSettings != nil {
		if now := c.NetworkSettings.Networks[n.Name]; now != nil {
			if now.NetworkID == n.ID && (now.EndpointID != "" || !isUp(c.State)) {
				return nil
			}
			// A stopped container still names the old network's ID and could
			// never start again.
			if err := k.e.api.NetworkDisconnect(ctx, n.Name, id, true); err != nil && !isNotConnected(err) {
				return err
			}
		}
	}
	want := fitting(ep, n)
	err = k.e.api.NetworkConnect(ctx, n.ID, id, want)
	if err != nil && !strings.Contains(err.Error(), "already exists in network") {
		return err
	}
	return k.joined(ctx, n, id, want)
}

// joined reads an endpoint back and reports what of it is not as it was meant.
func (k networkWriter) joined(ctx context.Context, n network.Inspect, id string, want *network.EndpointSettings) error {
	c, err := k.e.api.ContainerInspect(ctx, id)
	if cerrdefs.IsNotFound(err) || err == nil && c.NetworkSettings == nil {
		return nil
	}
	if err != nil {
		return err
	}
	now := c.NetworkSettings.Networks[n.Name]
	if now == nil || now.EndpointID == "" && hasProcess(c.State) {
		return errors.New("the engine reports success, and it is not connected")
	}
	if missing := lacks(settingsOf(now, &c), want); missing != "" {
		return fmt.Errorf("the engine reports success, and it is connected without its %s", missing)
	}
	return nil
}

// lacks names what an endpoint does not have of what was asked for, "" when it has
// all of it.
func lacks(now, want *network.EndpointSettings) string {
	var out []string
	note := func(what string, ok bool) {
		if !ok {
			out = append(out, what)
		}
	}
	note("aliases", !slices.ContainsFunc(want.Aliases, func(a string) bool { return !slices.Contains(now.Aliases, a) }))
	note("links", !slices.ContainsFunc(want.Links, func(l string) bool { return !slices.Contains(now.Links, l) }))
	note("fixed address", sameIPAM(now.IPAMConfig, want.IPAMConfig))
	options := true
	for key, v := range want.DriverOpts {
		options = options && now.DriverOpts[key] == v
	}
	note("driver options", options)
	return strings.Join(out, ", ")
}

// guests returns the running containers on a network that are not the stack's.
func (e *ReadEngine) guests(ctx context.Context, n *network.Inspect, stack string) ([]guest, error) {
	list, err := e.api.ContainerList(ctx, container.ListOptions{Filters: filters.NewArgs(filters.Arg("network", n.ID))})
	if err != nil {
		return nil, fmt.Errorf("list containers on network %s: %w", n.Name, err)
	}
	var out []guest
	for _, s := range list {
		if s.Labels[labelStack] == stack {
			continue
		}
		g, there := e.guest(ctx, n, &s)
		if there {
			out = append(out, g)
		}
	}
	slices.SortFunc(out, func(a, b guest) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// guest looks at one of them; false when it is gone. One that does not answer, as
// between two restarts, is known by its name alone.
func (e *ReadEngine) guest(ctx context.Context, n *network.Inspect, s *container.Summary) (guest, bool) {
	const patience = 2 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c, err := e.api.ContainerInspect(ctx, s.ID)
	switch {
	case cerrdefs.IsNotFound(err):
		return guest{}, false
	case err != nil:
		return guest{Name: nameOfSummary(*s), Owner: madeBy(s.Labels)}, true
	}
	return guestOf(&c, n, s.Labels), true
}

func guestOf(c *container.InspectResponse, n *network.Inspect, labels map[string]string) guest {
	g := guest{Name: nameOf(c), Owner: madeBy(labels)}
	if c.HostConfig == nil || c.NetworkSettings == nil {
		return g
	}
	if string(c.HostConfig.NetworkMode) == n.Name {
		g.MAC = strings.ToLower(c.Config.MacAddress) //nolint:staticcheck // there is no other place
	}
	g.Publishes = len(c.HostConfig.PortBindings) > 0 && len(c.NetworkSettings.Networks) == 1
	return g
}

// fitting leaves out fixed addresses that the network does not have.
func fitting(ep *network.EndpointSettings, n network.Inspect) *network.EndpointSettings {
	out := ep.Copy()
	if out.IPAMConfig == nil {
		return out
	}
	inside := func(text string) bool {
		a, err := netip.ParseAddr(text)
		return err == nil && slices.ContainsFunc(n.IPAM.Config, func(c network.IPAMConfig) bool {
			p, err := netip.ParsePrefix(c.Subnet)
			return err == nil && p.Contains(a)
		})
	}
	if !inside(out.IPAMConfig.IPv4Address) {
		out.IPAMConfig.IPv4Address = ""
	}
	if !inside(out.IPAMConfig.IPv6Address) {
		out.IPAMConfig.IPv6Address = ""
	}
	return out
}

// isNotConnected reports whether a container could not be taken off a network
// because it is not on it, or one of the two is gone.
func isNotConnected(err error) bool {
	return cerrdefs.IsNotFound(err) || strings.Contains(err.Error(), "is not connected")
}
