package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/network"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/dockerapi"
	"github.com/LerianStudio/midaz-infra/specs"
)

var _ = register(networkKind{})

// networkKind is a network of the engine. The engine changes nothing on one
// that exists, so each difference makes it anew, in one step that keeps the
// containers on it running.
type networkKind struct{}

const nameRule = `^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`

// dockerNames are the names of networks, volumes, services and jobs, as in
// Compose: they become part of names on the engine, and of a host name.
var dockerNames = &resources.Names{Expr: regexp.MustCompile(nameRule),
	Doc: "letters, digits, `_`, `.` and `-`, beginning with a letter or digit: the names on the engine are made of it"}

var networkTable = resources.Table{
	Kind: "network", Section: "networks/*", NullOK: true, Names: dockerNames,
	Example: "{infra: {name: midaz_infra-network}}",
	Doc:     "A Docker network. Containers on one network reach each other by their services' keys.",
	Fields: []resources.Field{
		{Key: "name", Name: true, Type: resources.Pattern("a network name (letters, digits, `_`, `.`, `-`)", nameRule), Cost: resources.Remake,
			Doc: "Its name on the engine; STACK_KEY when not given.", Example: "midaz_infra", Other: "midaz_infra2"},
		{Key: "driver", Type: resources.Pattern("the name of a network driver", `^[a-zA-Z0-9][a-zA-Z0-9_.:/-]*$`), Default: "bridge",
			Cost: resources.Remake,
			Doc:  "The driver that connects the containers.", Example: "bridge", Other: "macvlan"},
		{Key: "driver_opts", Type: resources.Pairs(), Cost: resources.Remake,
			Doc:     "Options of the driver. Options that the daemon adds by itself are not compared.",
			Example: "{com.docker.network.driver.mtu: \"1450\"}", Other: "{com.docker.network.driver.mtu: \"1400\"}"},
		{Key: "ipam", Type: ipamType, Open: true, Cost: resources.Remake,
			Doc: "Its addresses. Without it the engine chooses a free subnet.", Example: "{config: [{subnet: 10.210.7.0/24}]}",
			Other: "{config: [{subnet: 10.210.8.0/24, gateway: 10.210.8.1}]}"},
		{Key: "internal", Type: resources.Bool(), Default: false, Cost: resources.Remake,
			Doc: "Without a way out: containers reach each other, and nothing else.", Example: "true", Other: "false"},
		{Key: "attachable", Type: resources.Bool(), Default: false, Cost: resources.Remake,
			Doc: "For networks of a swarm: containers outside of it may join.", Example: "true", Other: "false"},
		{Key: "enable_ipv4", Type: resources.Bool(), Default: true, Since: "1.48", Cost: resources.Remake,
			Doc: "Gives IPv4 addresses. Only Docker 28 and later can turn them off.", Example: "true", Other: "false"},
		{Key: "enable_ipv6", Type: resources.Bool(), Default: false, Cost: resources.Remake,
			Doc: "Gives IPv6 addresses as well. Engines before Docker 27 need an IPv6 subnet under `ipam`.", Example: "true", Other: "false"},
		{Key: "labels", Type: resources.Labels(), Cost: resources.Remake,
			Doc: "Labels of the network. Those that begin with `midaz.` are midaz's own.", Example: "{team: ledger}", Other: "{team: payments}"},
		{Key: "external", Type: resources.Bool(), Default: false, Unseen: true, Unmarked: true,
			Doc: "It is someone else's: referred to and checked, never created, changed or removed.", Example: "true", Other: "false"},
		{Key: "protect", Type: resources.Bool(), Default: false, Unseen: true, Unmarked: true,
			Doc: "Refuses to remove it. The mark is written when the network is made.", Example: "true", Other: "false"},
	},
}

var ipamType = resources.Object{
	What: "address management",
	Fields: []resources.Field{
		{Key: "driver", Type: resources.String(), Default: "default", Example: "default", Other: "dhcp",
			Doc: "The driver that hands out addresses."},
		{Key: "options", Type: resources.Pairs(), Example: "{foo: bar}", Other: "{foo: baz}", Doc: "Options of that driver."},
		{Key: "config", Type: resources.List(ipamPool), Example: "[{subnet: 10.210.7.0/24}]", Other: "[{subnet: 10.210.8.0/24}]",
			Doc: "The subnets, one of each IP version."},
	},
	Finish: func(v map[string]any) error {
		drop(v, map[string]any{"driver": "default", "options": nil, "config": nil})
		return nil
	},
}

var ipamPool = resources.Object{
	What: "a subnet",
	Fields: []resources.Field{
		{Key: "subnet", Type: resources.Checked("a subnet such as 10.210.7.0/24", canonicalPrefix), Required: true, Example: "10.210.7.0/24",
			Other: "10.210.8.0/24", Doc: "The subnet, in CIDR form."},
		{Key: "gateway", Type: resources.Checked("an IP address", canonicalAddress), Example: "10.210.7.1", Other: "10.210.7.2",
			Doc: "The host's address in it."},
		{Key: "ip_range", Type: resources.Checked("a subnet such as 10.210.7.128/25", canonicalPrefix), Example: "10.210.7.128/25",
			Other: "10.210.7.0/25", Doc: "The part of the subnet that containers get addresses from."},
		{Key: "aux_addresses", Type: resources.MapOf(resources.Checked("an IP address", canonicalAddress)), Example: "{router: 10.210.7.5}",
			Other: "{router: 10.210.7.6}", Doc: "Addresses that are taken by others, by name."},
	},
	Finish: checkPool,
}

// canonicalPrefix writes a subnet as newer engines do, with no bits behind the
// mask. Engines before 25 would keep and show them.
func canonicalPrefix(text string) (string, error) {
	p, err := netip.ParsePrefix(strings.TrimSpace(text))
	if err != nil {
		return "", errors.New("it is not an address with a prefix length")
	}
	return p.Masked().String(), nil
}

func canonicalAddress(text string) (string, error) {
	a, err := netip.ParseAddr(strings.TrimSpace(text))
	if err != nil || a.Zone() != "" {
		return "", errors.New("it is not an IP address")
	}
	return a.Unmap().String(), nil
}

func checkPool(v map[string]any) error {
	drop(v, map[string]any{"aux_addresses": nil})
	subnet, err := netip.ParsePrefix(resources.Text(v["subnet"]))
	if err != nil {
		return nil // reported where it stands
	}
	for _, key := range []string{"gateway", "ip_range"} {
		text, _, _ := strings.Cut(resources.Text(v[key]), "/")
		if a, err := netip.ParseAddr(text); err == nil && !subnet.Contains(a) {
			return fmt.Errorf("%s lies outside of the subnet", key)
		}
	}
	for name, aux := range mapOf(v["aux_addresses"]) {
		if a, err := netip.ParseAddr(resources.Text(aux)); err == nil && !subnet.Contains(a) {
			return fmt.Errorf("aux_addresses %q lies outside of the subnet", name)
		}
	}
	return nil
}

// Rules of networks, volumes and images. Codes MZ080 to MZ089.
var (
	ruleNameTaken = &specs.Rule{Code: "MZ080", Severity: specs.Error, Title: "two objects with one name on the engine",
		Explain: "Two networks, or two volumes, of the spec would have the same name on the engine, so the second could not be made, or both " +
			"would be the same object. Give one of them another `name`."}
	ruleSubnets = &specs.Rule{Code: "MZ081", Severity: specs.Error, Title: "subnets overlap",
		Explain: "Two networks of the spec use the same addresses. The engine refuses the second one. Choose subnets that do not overlap."}
	ruleIPv6Subnet = &specs.Rule{Code: "MZ082", Severity: specs.Error, Title: "IPv6 subnet without IPv6",
		Explain: "A network with an IPv6 subnet gives no IPv6 addresses unless `enable_ipv6: true` is set; older engines keep the subnet all " +
			"the same and show a network that differs for ever."}
)

// Table returns the fields of a network.
func (networkKind) Table() *resources.Table { return &networkTable }

// Refs returns none: a network needs nothing.
func (networkKind) Refs(*resources.Resource) []resources.Ref { return nil }

// Replacement is one step that keeps what is attached running.
func (networkKind) Replacement() resources.Replacement { return resources.OneStep }

// ReplacementOf: a network that gets another name is created beside the old one,
// which goes when the containers that were created with it are replaced. Where
// both would have the same subnet, the old one must go first, with its containers.
func (networkKind) ReplacementOf(want *resources.Resource, have *resources.Observed) resources.Replacement {
	if have.Have.Text("name") == want.Config.Text("name") {
		return resources.OneStep
	}
	if excludes(want, have) {
		return resources.DeleteCreate
	}
	return resources.CreateDelete
}

// Rivals reports whether the engine would refuse the wanted network while the
// other one is there.
func (networkKind) Rivals(want *resources.Resource, have *resources.Observed, _ bool) bool {
	return excludes(want, have)
}

// exclusiveOptions are options of drivers of which no two networks can have one
// value: the name of a bridge and the interface of a macvlan.
var exclusiveOptions = []string{"com.docker.network.bridge.name", "parent"}

// excludes reports whether a network has a subnet or an interface that the wanted
// one is to have.
func excludes(want *resources.Resource, have *resources.Observed) bool {
	if want.External {
		return false
	}
	wanted, held := want.Config.Map("driver_opts"), have.Have.Map("driver_opts")
	for _, key := range exclusiveOptions {
		if v := resources.Text(wanted[key]); v != "" && v == resources.Text(held[key]) {
			return true
		}
	}
	theirs := subnetsOf(have.Have)
	if n, ok := have.Native.(*seenNetwork); ok {
		for _, c := range n.inspect.IPAM.Config {
			if p, err := netip.ParsePrefix(c.Subnet); err == nil {
				theirs = append(theirs, p)
			}
		}
	}
	return slices.ContainsFunc(subnetsOf(want.Config), func(p netip.Prefix) bool { return slices.ContainsFunc(theirs, p.Overlaps) })
}

// subnetsOf returns the subnets under `ipam`.
func subnetsOf(c resources.Config) []netip.Prefix {
	var out []netip.Prefix
	for _, pool := range resources.Config(c.Map("ipam")).List("config") {
		if p, err := netip.ParsePrefix(resources.Text(mapOf(pool)["subnet"])); err == nil {
			out = append(out, p)
		}
	}
	return out
}

// Hazards tells which containers of others a replacement cuts off.
func (networkKind) Hazards(a resources.Action, want *resources.Resource, have *resources.Observed) []resources.Hazard {
	if a != resources.Replace || want == nil || have == nil {
		return nil
	}
	n, ok := have.Native.(*seenNetwork)
	if !ok {
		return nil
	}
	renamed := have.Have.Text("name") != want.Config.Text("name")
	var out []resources.Hazard
	for _, g := range n.guests {
		who := "container " + g.Name + g.Owner
		if renamed {
			out = append(out, resources.Hazard{Code: resources.Refused,
				Msg: fmt.Sprintf("%s is on the network, which would get another name: take the container off it first, or keep the name", who)})
			continue
		}
		msg := who + " is taken off the network and put back with its settings: its connections break, and an address that is not fixed may " +
			"change"
		if g.MAC != "" {
			msg += "; its fixed MAC address " + g.MAC + " is lost until it is created again"
		}
		if g.Publishes && want.Config.Bool("internal") {
			msg += "; its published ports stop answering, because the network becomes internal"
		}
		out = append(out, resources.Hazard{Code: resources.ConnectionLoss, Msg: msg, Consent: true})
	}
	return out
}

// Rules returns the rules of networks.
func (networkKind) Rules() []*specs.Rule {
	return []*specs.Rule{ruleNameTaken, ruleSubnets, ruleIPv6Subnet}
}

// engineName returns the name on the engine of the network or volume with that
// key: the one the spec gives, else STACK_KEY.
func engineName(stack, key, name string) string {
	if name != "" {
		return name
	}
	return stack + "_" + key
}

// finishNamed completes a network or volume.
func finishNamed(r *resources.Resource, protect bool) {
	r.Config["name"] = nameOnEngine(r)
	r.External = r.Config.Bool("external")
	r.Protect = protect
	if v, ok := r.Config["protect"].(bool); ok {
		r.Protect = v
	}
}

// nameOnEngine returns the name on the engine of a network or volume. A volume
// that was moved has that of its old key: it cannot be renamed.
func nameOnEngine(r *resources.Resource) string {
	key := r.Addr.Parts()[0]
	if r.Addr.Kind == "volume" && !r.Moved.IsZero() {
		key = r.Moved.Parts()[0]
	}
	return engineName(r.Stack, key, r.Config.Text("name"))
}

// Movable: a moved network is made anew under its new name, in one step.
func (networkKind) Movable() {}

// Releases: what the labels say is overruled by the record; see recorder.relinquish.
func (networkKind) Releases() {}

// Finish fills in the name on the engine.
func (networkKind) Finish(r *resources.Resource, _ *resources.Declared, _ resources.Report) {
	finishNamed(r, false)
}

// defaultNetwork is the key of the network that services without any join.
const defaultNetwork = "default"

// Derive adds the default network when a service or job joins it and the spec
// does not declare it.
func (networkKind) Derive(all *resources.Declared) []*resources.Resource {
	addr := resources.NewAddr("network", defaultNetwork)
	if all.Get(addr) != nil {
		return nil
	}
	var first *resources.Resource
	dormant := true
	for _, r := range slices.Concat(all.Of("service"), all.Of("job")) {
		nets := r.Config.Map("networks")
		_, named := nets[defaultNetwork]
		if !named && (len(nets) > 0 || r.Config.Text("network_mode") != "") {
			continue
		}
		if first == nil {
			first = r
		}
		dormant = dormant && r.Dormant
	}
	if first == nil {
		return nil
	}
	return []*resources.Resource{{Addr: addr, Stack: all.Stack, Dir: first.Dir, KeyPos: first.KeyPos, Dormant: dormant,
		Config: resources.Config{"name": engineName(all.Stack, defaultNetwork, "")}}}
}

// Check finds names and subnets that two networks would share.
func (networkKind) Check(all *resources.Declared, report resources.Report) {
	nets := all.Of("network")
	checkNames(nets, report)
	type pool struct {
		r      *resources.Resource
		subnet netip.Prefix
		at     specs.Pos
	}
	var pools []pool
	for _, r := range nets {
		if r.External {
			continue
		}
		for i, c := range resources.Config(r.Config.Map("ipam")).List("config") {
			subnet, err := netip.ParsePrefix(resources.Text(mapOf(c)["subnet"]))
			if err != nil {
				continue
			}
			at := r.Pos(fmt.Sprintf("/ipam/config/%d", i))
			if subnet.Addr().Is6() && !r.Config.Bool("enable_ipv6") {
				report(ruleIPv6Subnet.At(at, fmt.Sprintf("%s has an IPv6 subnet but not `enable_ipv6: true`", r.Addr),
					"add `enable_ipv6: true`, or remove the subnet"))
			}
			for _, other := range pools {
				if other.subnet.Overlaps(subnet) {
					report(ruleSubnets.At(at, fmt.Sprintf("subnet %s overlaps with %s of %s", subnet, other.subnet, other.r.Addr),
						"choose another subnet").
						And(other.at, "the other subnet"))
				}
			}
			pools = append(pools, pool{r, subnet, at})
		}
	}
}

// checkNames reports resources that have one name on the engine.
func checkNames(all []*resources.Resource, report resources.Report) {
	byName := map[string]*resources.Resource{}
	for _, r := range all {
		name := r.Config.Text("name")
		first := byName[name]
		if first == nil {
			byName[name] = r
			continue
		}
		report(ruleNameTaken.At(r.Pos("/name"), fmt.Sprintf("%s and %s would both be named %q on the engine", first.Addr, r.Addr, name),
			"give one of them another `name`").
			And(first.KeyPos, "the other one"))
	}
}

// Compare adds to the table's differences that of the owner, and what a killed
// run left undone.
func (networkKind) Compare(want *resources.Resource, have *resources.Observed) resources.Delta {
	delta := networkTable.Compare(networkTable.Marked(want.Config), have.Have, have.Applied)
	delta = append(ownerDiff(want, have), delta...)
	if n, ok := have.Native.(*seenNetwork); ok && n.journal != nil {
		delta = append(delta, resources.Diff{Path: "containers", Field: "containers", After: n.journal.names(), Cost: resources.Reconnect,
			Drift: true,
			Why:   "a run that was cut off had taken them off the network"})
	}
	return delta
}

// ownerDiff is the difference that taking over an object makes, none for one
// that is the stack's. It is written in the record, and the object stays as it
// is.
func ownerDiff(want *resources.Resource, have *resources.Observed) resources.Delta {
	if have.Stack == want.Stack && have.Owner == "" {
		return nil
	}
	var before resources.Value
	switch {
	case have.Owner != "":
		before = have.Owner
	case have.Stack != "":
		before = fmt.Sprintf("stack %q", have.Stack)
	}
	return resources.Delta{{Path: "owner", Field: "owner", Before: before, After: fmt.Sprintf("stack %q", want.Stack), Cost: resources.InPlace,
		Pending: true}}
}

// Follows: it is made when something that is on uses it.
func (networkKind) Follows() {}

func (networkKind) reader(e *ReadEngine) resources.Reader { return networkReader{e} }
func (networkKind) writer(e *Engine) resources.Writer     { return networkWriter{e} }

// networkReader lists all networks in one call.
type networkReader struct{ e *ReadEngine }

// seenNetwork is what the writer needs to know of an observed network.
type seenNetwork struct {
	inspect network.Inspect
	journal *journal
	// guests are running containers on it that are not the stack's. They are looked
	// for where the network is to be replaced.
	guests []guest
}

// guest is a container on a network of a stack that is not its own.
type guest struct {
	Name string `json:"name"`
	// Owner is whose it is, for people.
	Owner string `json:"owner,omitempty"`
	// MAC is its fixed address on the network, "" when it has none.
	MAC string `json:"mac,omitempty"`
	// Publishes tells that its ports are published by way of this network alone.
	Publishes bool `json:"publishes,omitempty"`
}

func (k networkReader) Observe(ctx context.Context, scope resources.Scope) ([]*resources.Observed, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	all, err := k.e.networkList(ctx, scope.Owned)
	if err != nil {
		return nil, fmt.Errorf("list networks: %w", err)
	}
	journals, err := k.e.journals(ctx, scope.Stack)
	if err != nil {
		return nil, err
	}
	// Of several with one name the oldest is the network (moby#20648).
	slices.SortFunc(all, func(a, b network.Summary) int {
		if c := a.Created.Compare(b.Created); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	var out []*resources.Observed
	taken := map[string]bool{}
	for _, r := range scope.Want {
		n := pickNetwork(all, r)
		if n == nil {
			out = append(out, &resources.Observed{Addr: r.Addr})
			continue
		}
		taken[n.ID] = true
		o := observeNetwork(*n, r.Addr, r.Config, k.e.api.ClientVersion())
		seen := &seenNetwork{inspect: *n, journal: journals[r.Addr.String()]}
		o.Native = seen
		if doomed := scope.Doomed != nil && scope.Doomed(r.Addr); scope.Owned && !r.External && o.Stack == scope.Stack &&
			(doomed || (networkKind{}).Compare(r, o).Cost() == resources.Remake) {
			if seen.guests, err = k.e.guests(ctx, n, scope.Stack); err != nil {
				return nil, err
			}
		}
		out = append(out, o)
	}
	if !scope.Owned {
		return out, nil
	}
	if err := k.e.markRecorded(ctx, scope, out); err != nil {
		return nil, err
	}
	for _, n := range all {
		if taken[n.ID] || n.Labels[labelStack] != scope.Stack {
			continue
		}
		addr, err := resources.ParseAddr(n.Labels[labelAddress])
		if err != nil || addr.Kind != "network" {
			continue
		}
		o := observeNetwork(n, addr, nil, k.e.api.ClientVersion())
		o.Native = &seenNetwork{inspect: n, journal: journals[addr.String()]}
		if slices.ContainsFunc(out, func(other *resources.Observed) bool { return other.Addr == addr }) {
			o.Leftover, o.LeftoverOf = "a second network of the same address", addr
			o.Addr.Name += "~" + shortID(n.ID)
		}
		out = append(out, o)
	}
	return out, nil
}

// pickNetwork returns the network that is the resource: ours by address, else
// the one of that name, whoever owns it.
func pickNetwork(all []network.Summary, r *resources.Resource) *network.Summary {
	name := r.Config.Text("name")
	var ours, named *network.Summary
	for i := range all {
		n := &all[i]
		mine := n.Labels[labelStack] == r.Stack && isAt(n.Labels, r)
		switch {
		case mine && n.Name == name && !r.External:
			return n
		case mine && ours == nil && !r.External:
			ours = n
		case n.Name == name && named == nil:
			named = n
		}
	}
	if ours != nil {
		return ours
	}
	return named
}

func observeNetwork(n network.Summary, addr resources.Addr, want resources.Config, api string) *resources.Observed {
	o := &resources.Observed{Addr: addr, Presence: resources.Present, ID: n.ID, Protected: n.Labels[labelProtect] == "true"}
	o.Applied = appliedOf(n.Labels)
	o.Stack, o.Owner = ownerOf(n.Labels)
	o.Have = resources.Config{
		"name": n.Name, "driver": n.Driver, "internal": n.Internal, "attachable": n.Attachable, "enable_ipv6": n.EnableIPv6,
		"driver_opts": someOptions(n.Options, want["driver_opts"], o.Applied.Shape("driver_opts")),
		"labels":      foreignLabels(n.Labels, want["labels"], o.Applied.Shape("labels")),
	}
	like := want["ipam"]
	if like == nil {
		like = o.Applied.Shape("ipam")
	}
	if seen := seenIPAM(n.IPAM, mapOf(like), mapOf(o.Applied.Shape("ipam"))); seen != nil {
		o.Have["ipam"] = seen
	}
	// Engines before 28 do not show it, and cannot do without IPv4.
	o.Have["enable_ipv4"] = n.EnableIPv4 || !dockerapi.AtLeast(api, "1.48")
	maps.DeleteFunc(o.Have, func(_ string, v any) bool { return v == nil })
	return o
}

// appliedOf returns what the labels remember of the last apply, nil for none.
func appliedOf(labels map[string]string) *resources.Sealed {
	text, ok := labels[labelSpec]
	if !ok {
		return nil
	}
	sealed, err := parseApplied(text)
	if err != nil {
		return nil // someone else's label of that name
	}
	return sealed
}

// parseApplied reads what was last applied. Earlier versions recorded each port of
// a range by itself.
func parseApplied(text string) (*resources.Sealed, error) {
	sealed, err := resources.ParseSealed(text)
	if err != nil {
		return nil, err
	}
	if ports, ok := sealed.Fields["ports"].(map[string]any); ok && areTextLists(slices.Collect(maps.Values(ports))) {
		sealed.Fields["ports"] = joinPorts(splitPorts(ports))
	}
	if ports, ok := sealed.Fields["expose"].([]any); ok && isTextList(ports) {
		sealed.Fields["expose"] = joinExposed(splitExposed(ports))
	}
	return sealed, nil
}

// areTextLists reports whether the values are lists of texts, none of them hashed.
func areTextLists(values []any) bool {
	return !slices.ContainsFunc(values, func(v any) bool { return !isTextList(v) })
}

func isTextList(v any) bool {
	list, ok := v.([]any)
	return ok && !slices.ContainsFunc(list, func(e any) bool { _, isText := e.(string); return !isText })
}

// ownerOf returns the stack that owns an object, or words for another owner.
// Both are given for one whose adoption was not finished.
func ownerOf(labels map[string]string) (stack, owner string) {
	if s := labels[labelStack]; s != "" {
		if labels[labelAdopting] != "" {
			owner = unfinished
		}
		return s, owner
	}
	if p := labels["com.docker.compose.project"]; p != "" {
		return "", fmt.Sprintf("Compose project %q", dockerapi.CleanLine(p))
	}
	if s := labels["com.docker.stack.namespace"]; s != "" {
		return "", fmt.Sprintf("swarm stack %q", dockerapi.CleanLine(s))
	}
	return "", ""
}

// foreignLabels returns the labels that are not midaz's own. Marks of other
// tools, which stay on what was theirs, count only when the spec names them, or
// named them when it was last applied.
func foreignLabels(labels map[string]string, want, before resources.Value) resources.Value {
	out := map[string]any{}
	for k, v := range labels {
		_, wanted := mapOf(want)[k]
		_, applied := mapOf(before)[k]
		if wanted || applied || !isToolLabel(k) {
			out[k] = v
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// someOptions returns the options that the spec names, or named when it was
// last applied. The daemon adds others of its own.
func someOptions(have map[string]string, want, before resources.Value) resources.Value {
	out := map[string]any{}
	for k, v := range have {
		_, wanted := mapOf(want)[k]
		_, applied := mapOf(before)[k]
		if wanted || applied {
			out[k] = v
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// seenIPAM returns the address management in the form of like, the declared or
// applied one: engines from 29 on add a gateway that nobody asked for, and keep
// subnets in an order of their own, and every engine chooses a subnet for an IP
// version that has none. before is what was last applied.
func seenIPAM(have network.IPAM, like, before map[string]any) resources.Value {
	if len(like) == 0 {
		return nil
	}
	applied := map[string]map[string]any{}
	for _, pool := range resources.Config(before).List("config") {
		applied[resources.Text(mapOf(pool)["subnet"])] = mapOf(pool)
	}
	pools := map[string]network.IPAMConfig{}
	var order []string
	for _, c := range have.Config {
		subnet, err := canonicalPrefix(c.Subnet)
		if err != nil {
			subnet = c.Subnet
		}
		pools[subnet] = c
		order = append(order, subnet)
	}
	var config []any
	add := func(subnet string, like map[string]any) {
		c, ok := pools[subnet]
		if !ok {
			return
		}
		delete(pools, subnet)
		config = append(config, seenPool(subnet, c, like, applied[subnet]))
	}
	wanted, _ := like["config"].([]any)
	versions, declared := map[bool]bool{}, map[string]map[string]any{}
	for _, w := range wanted {
		subnet := resources.Text(mapOf(w)["subnet"])
		versions[isIPv6(subnet)], declared[subnet] = true, mapOf(w)
	}
	// In the order of the spec; in that of the last apply where it is all as then,
	// which must not look like a change made outside.
	inOrder := wanted
	if last := resources.Config(before).List("config"); len(last) == len(pools) {
		inOrder = last
	}
	for _, w := range slices.Concat(inOrder, wanted) {
		subnet := resources.Text(mapOf(w)["subnet"])
		add(subnet, declared[subnet])
	}
	if wanted != nil {
		for _, subnet := range order {
			if _, was := applied[subnet]; was || versions[isIPv6(subnet)] {
				add(subnet, nil)
			}
		}
	}
	out := map[string]any{}
	if config != nil {
		out["config"] = config
	}
	if have.Driver != "" && have.Driver != "default" {
		out["driver"] = have.Driver
	}
	if len(have.Options) > 0 {
		out["options"] = mapOfTexts(have.Options)
	}
	return out
}

func isIPv6(subnet string) bool { return strings.Contains(subnet, ":") }

// seenPool leaves out a gateway that the engine has chosen: one that is neither
// declared nor was applied, and one where another is declared newly.
func seenPool(subnet string, c network.IPAMConfig, like, before map[string]any) map[string]any {
	out := map[string]any{"subnet": subnet}
	gateway, _, _ := strings.Cut(c.Gateway, "/")
	if canonical, err := canonicalAddress(gateway); err == nil {
		gateway = canonical
	}
	wanted, applied := like["gateway"], before["gateway"]
	if gateway != "" && (applied == gateway || wanted == gateway || wanted != nil && (applied != nil || before == nil)) {
		out["gateway"] = gateway
	}
	if c.IPRange != "" {
		out["ip_range"] = c.IPRange
		if canonical, err := canonicalPrefix(c.IPRange); err == nil {
			out["ip_range"] = canonical
		}
	}
	if len(c.AuxAddress) > 0 {
		aux := map[string]any{}
		for k, v := range c.AuxAddress {
			aux[k] = v
			if canonical, err := canonicalAddress(v); err == nil {
				aux[k] = canonical
			}
		}
		out["aux_addresses"] = aux
	}
	return out
}

// journal remembers which containers were on a network while it is made anew,
// with their settings there, so that a run that is cut off in between loses
// none. It is kept in the labels of a volume beside the network.
type journal struct {
	Volume     string                               `json:"-"`
	Containers map[string]*network.EndpointSettings `json:"containers"` // by container ID
	Names      map[string]string                    `json:"names"`      // of the containers, by ID
	// Halted are the IDs of those that were stopped, to be started again.
	Halted []string `json:"halted,omitempty"`
}

const (
	labelJournal   = "midaz.journal"   // address of the network
	labelEndpoints = "midaz.endpoints" // journal in JSON
)

func (j *journal) names() []any {
	out := make([]any, 0, len(j.Names))
	for _, n := range j.Names {
		out = append(out, n)
	}
	return resources.SortSet(out)
}

func (j *journal) encode() string {
	text, err := json.Marshal(j)
	if err != nil {
		return "{}"
	}
	return string(text)
}
