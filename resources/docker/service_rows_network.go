package docker

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/dockerapi"
	"github.com/LerianStudio/midaz-infra/specs"
)

// networkRows are networks, ports and names.
var networkRows = []row{
	{
		Field: resources.Field{Key: "networks", Type: networksType, Cost: resources.Reconnect,
			Doc: "The networks it joins, by their keys in the spec: a list, or a map with settings. Other services reach it there by its " +
				"key. Without it, and without `network_mode`, it joins the network `default`.",
			Example: "{infra: {aliases: [db]}}", Other: "[infra]"},
		send: sendNetworks, seen: seenNetworks, bare: bareNetworks,
	},
	{
		Field: resources.Field{Key: "network_mode", Name: true, Type: resources.Checked("bridge, host, none, service:NAME or container:NAME",
			checkNetworkMode), Cost: resources.Remake,
			Doc: "Instead of `networks`: `host` for the host's network, `none`, `bridge` for the engine's own bridge, or `service:NAME` and " +
				"`container:NAME` to share another container's network.",
			Example: "host", Other: "none"},
		send: func(d *draft, v resources.Value) { d.host.NetworkMode = container.NetworkMode(d.peer(v)) },
		seen: func(s *sight) resources.Value {
			mode := string(s.c.HostConfig.NetworkMode)
			switch {
			case s.c.HostConfig.NetworkMode.IsContainer():
				return s.peerMode("network_mode", mode)
			case mode == "" || mode == "default" || mode == "bridge":
				if !s.declares("network_mode") {
					return nil // a network like others: that is the row `networks`
				}
				return "bridge"
			case mode != "host" && mode != "none":
				return nil // a network: that is the row `networks`
			}
			return mode
		},
	},
	hidden(resources.Field{Key: "mac_address", Type: resources.Checked("a MAC address", canonicalMAC),
		Doc:     "Another word for `mac_address` of the network of the highest priority, the first by name among equals.",
		Example: "\"02:42:ac:11:65:43\"", Other: "\"02:42:ac:11:65:44\""}),
	{
		Field: resources.Field{Key: "ports", Type: portsType{}, Cost: resources.Remake,
			Doc: "Published ports, as `[HOST_IP:][HOST:]CONTAINER[/udp]` (ranges too) or as maps. Without a host IP a port is reachable from " +
				"other machines.",
			Example: "[\"127.0.0.1:5701:5432\"]", Other: "[{target: 5432, published: 5702, host_ip: 127.0.0.1}]"},
		send: sendPorts, seen: seenPorts,
	},
	{
		Field: resources.Field{Key: "expose", Type: exposeType, Cost: resources.Remake,
			Doc:     "Ports that the container listens on, for tools to see. Containers on one network reach every port without it.",
			Example: "[\"3000\", 4000/udp]", Other: "[\"3001\"]"},
		send: func(d *draft, v resources.Value) {
			for _, p := range splitExposed(v) {
				d.exposePort(p)
			}
		},
		seen: seenExpose,
	},
	{
		Field: resources.Field{Key: "dns", Type: resources.OneOrMore(resources.Checked("an IP address", canonicalIP)), Cost: resources.Remake,
			Doc: "Name servers, in the order they are asked.", Example: "[1.1.1.1, 9.9.9.9]", Other: "8.8.8.8"},
		send: func(d *draft, v resources.Value) { d.host.DNS = resources.Texts(v) },
		seen: func(s *sight) resources.Value {
			out := make([]string, len(s.c.HostConfig.DNS))
			for i, ip := range s.c.HostConfig.DNS {
				out[i] = showIP(ip)
			}
			return listOf(out)
		},
	},
	{
		Field: resources.Field{Key: "dns_search", Type: resources.OneOrMore(resources.String()), Cost: resources.Remake,
			Doc: "Domains that names without a dot are looked up in, in order.", Example: "[example.internal]", Other: "example.test"},
		send: func(d *draft, v resources.Value) { d.host.DNSSearch = resources.Texts(v) },
		seen: func(s *sight) resources.Value { return listOf(s.c.HostConfig.DNSSearch) },
	},
	{
		Field: resources.Field{Key: "dns_opt", Type: resources.List(resources.String()), Cost: resources.Remake,
			Doc: "Options of the resolver.", Example: "[\"ndots:1\"]", Other: "[\"ndots:2\"]"},
		send: func(d *draft, v resources.Value) { d.host.DNSOptions = resources.Texts(v) },
		seen: func(s *sight) resources.Value { return listOf(s.c.HostConfig.DNSOptions) },
	},
	{
		Field: resources.Field{Key: "extra_hosts", Type: extraHostsType{}, Cost: resources.Remake,
			Doc:     "Names added to /etc/hosts: a list of `name:ip` or `name=ip`, or a map. `host-gateway` stands for the engine's host.",
			Example: "{gateway: host-gateway}", Other: "[\"db:10.0.0.5\"]"},
		send: func(d *draft, v resources.Value) { d.host.ExtraHosts = resources.Texts(v) },
		seen: func(s *sight) resources.Value {
			out := make([]string, len(s.c.HostConfig.ExtraHosts))
			for i, h := range s.c.HostConfig.ExtraHosts {
				out[i] = h
				if text, err := canonicalHost(h); err == nil {
					out[i] = text
				}
			}
			return setOf(out)
		},
	},
	{
		Field: resources.Field{Key: "sysctls", Type: resources.Pairs(), Cost: resources.Remake,
			Doc: "Kernel parameters of the container's namespaces, as a map or as a list of KEY=value.", Example: "{net.core.somaxconn: \"1024\"}",
			Other: "[net.core.somaxconn=2048]"},
		send: func(d *draft, v resources.Value) { d.host.Sysctls = textMap(v) },
		seen: func(s *sight) resources.Value { return mapOfTexts(s.c.HostConfig.Sysctls) },
	},
}

var networksType = named{what: "a network", elem: resources.Object{
	What: "a network of a service",
	Fields: []resources.Field{
		{Key: "aliases", Type: resources.Set(resources.String()), Example: "[db]", Other: "[database, pg]",
			Doc: "Further names it is reached by on this network."},
		{Key: "ipv4_address", Type: resources.Checked("an IPv4 address", ipOfFamily(true)), Example: "172.30.0.10", Other: "172.30.0.11",
			Doc: "A fixed address; the network needs a subnet of its own."},
		{Key: "ipv6_address", Type: resources.Checked("an IPv6 address", ipOfFamily(false)), Example: "\"fd00:30::10\"", Other: "\"fd00:30::11\"",
			Doc: "A fixed IPv6 address; the network needs an IPv6 subnet."},
		{Key: "link_local_ips", Type: resources.Set(resources.Checked("an IP address", canonicalIP)), Example: "[169.254.8.8]",
			Other: "[169.254.8.9]", Doc: "Link-local addresses."},
		{Key: "mac_address", Type: resources.Checked("a MAC address", canonicalMAC), Cost: resources.Remake, Example: "\"02:42:ac:11:65:43\"",
			Other: "\"02:42:ac:11:65:44\"", Doc: "A fixed MAC address. Below API 1.44 only the main network can have one. A change replaces the " +
				"container."},
		{Key: "priority", Type: resources.Int(-1_000_000, 1_000_000), Unmarked: true, Example: "100", Other: "200",
			Doc: "The network of the highest priority is joined first."},
		{Key: "gw_priority", Type: resources.Int(-1_000_000, 1_000_000), Since: "1.48", Example: "1", Other: "2",
			Doc: "The network of the highest value is the default gateway."},
		{Key: "driver_opts", Type: resources.Pairs(), Example: "{com.docker.network.endpoint.sysctls: net.ipv4.conf.IFNAME.log_martians=1}",
			Other: "{com.example.opt: b}", Doc: "Options of the network's driver for this endpoint."},
	},
	Refused: map[string]string{"interface_name": "it needs an engine newer than the client library knows; leave it out"},
	Finish: func(v map[string]any) error {
		drop(v, map[string]any{"priority": int64(0), "gw_priority": int64(0), "aliases": nil, "driver_opts": nil, "link_local_ips": nil})
		return nil
	},
}}

// bareNetworks leaves out the priority, which only orders the joining.
func bareNetworks(v resources.Value) resources.Value {
	out := map[string]any{}
	for key, e := range mapOf(v) {
		m := cloneMap(mapOf(e))
		delete(m, "priority")
		out[key] = m
	}
	return out
}

func sendNetworks(d *draft, v resources.Value) {
	all := mapOf(v)
	for _, key := range sortedKeys(all) {
		m := resources.Config(mapOf(all[key]))
		a := &attachment{priority: m.Int("priority")}
		a.Aliases = m.Texts("aliases")
		if len(a.Aliases) == 0 {
			a.Aliases = nil
		}
		a.MacAddress = m.Text("mac_address")
		if opts := m.Map("driver_opts"); len(opts) > 0 {
			a.DriverOpts = textMap(opts)
		}
		a.GwPriority = int(m.Int("gw_priority"))
		if m["ipv4_address"] != nil || m["ipv6_address"] != nil || m["link_local_ips"] != nil {
			a.IPAMConfig = &network.EndpointIPAMConfig{IPv4Address: m.Text("ipv4_address"), IPv6Address: m.Text("ipv6_address")}
			if ips := m.Texts("link_local_ips"); len(ips) > 0 {
				a.IPAMConfig.LinkLocalIPs = ips
			}
		}
		name := m.Text("name")
		if name == "" {
			name = key
		}
		d.endpoints[name] = a
	}
}

// attached returns the networks that the container is on, without those that
// stand for a network mode.
func (s *sight) attached() map[string]*network.EndpointSettings {
	if s.c.NetworkSettings == nil {
		return nil
	}
	out := maps.Clone(s.c.NetworkSettings.Networks)
	delete(out, "host")
	delete(out, "none")
	if s.config().Text("network_mode") == "bridge" {
		delete(out, "bridge")
	}
	return out
}

// seenNetworks gives the endpoints by the spec's keys; networks that the spec
// does not know stand under their own names. An endpoint whose network was
// made anew behind its back is marked.
func seenNetworks(s *sight) resources.Value {
	out := map[string]any{}
	for name, e := range s.attached() {
		if e == nil {
			continue
		}
		key := s.networkKey(name)
		want := resources.Config(mapOf(mapOf(s.config()["networks"])[key]))
		m := map[string]any{"name": name, "aliases": s.aliases(e, want.Texts("aliases"))}
		if c := e.IPAMConfig; c != nil {
			m["ipv4_address"], m["ipv6_address"] = textOrNil(showIP(c.IPv4Address)), textOrNil(showIP(c.IPv6Address))
			m["link_local_ips"] = setOf(c.LinkLocalIPs)
		}
		m["driver_opts"] = mapOfTexts(e.DriverOpts)
		if e.GwPriority != 0 {
			m["gw_priority"] = int64(e.GwPriority)
		}
		m["mac_address"] = s.mac(e, want, resources.Config(mapOf(mapOf(s.before("networks"))[key])))
		switch now, ok := s.networks[name]; {
		case e.NetworkID != "" && s.networks != nil && (!ok || now != e.NetworkID):
			m["stale"] = "attached to " + shortID(e.NetworkID) + ", which is gone"
		case hasProcess(s.c.State) && e.EndpointID == "":
			// The engine keeps what was asked for also where it could not be done.
			m["stale"] = "not connected"
		}
		out[key] = compact(m)
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// networkKey returns the spec's key of a network on the engine.
func (s *sight) networkKey(name string) string {
	for _, networks := range []map[string]any{mapOf(s.config()["networks"]), mapOf(s.before("networks"))} {
		for _, key := range sortedKeys(networks) {
			if mapOf(networks[key])["name"] == name {
				return key
			}
		}
	}
	return name
}

// aliases returns those that were asked for: below API 1.45 the engine adds
// the short ID and the custom host name, and Compose the container's own name,
// by which it is reached on every network of its own anyway.
func (s *sight) aliases(e *network.EndpointSettings, wanted []string) resources.Value {
	var out []string
	if name := strings.TrimPrefix(s.c.Name, "/"); slices.Contains(wanted, name) && !s.c.HostConfig.NetworkMode.IsDefault() {
		out = append(out, name)
	}
	for _, a := range e.Aliases {
		own := len(s.c.ID) >= 12 && a == s.c.ID[:12] || a == s.c.Config.Hostname && !dockerapi.AtLeast(s.facts.API, "1.45") || "/"+a == s.c.Name
		if !own || slices.Contains(wanted, a) {
			out = append(out, a)
		}
	}
	return setOf(out)
}

// mac returns the fixed address of an endpoint. It shows only while the
// container runs; otherwise it is taken to be as it was applied. Where none was
// applied, the engine has chosen one, which is no one's change.
func (s *sight) mac(e *network.EndpointSettings, want, before resources.Config) resources.Value {
	wanted, applied := want["mac_address"], before["mac_address"]
	if wanted == nil && applied == nil {
		return nil
	}
	have := strings.ToLower(e.MacAddress) // also where the container was made with another: connected anew, it loses it
	if have == "" && !dockerapi.AtLeast(s.facts.API, "1.44") {
		have = strings.ToLower(s.c.Config.MacAddress)
	}
	switch {
	case have != "" && applied == nil && s.applied != nil && !resources.Equal(have, wanted):
		return nil
	case have != "":
		return have
	case applied != nil:
		return applied
	}
	return wanted
}

func checkNetworkMode(s string) (string, error) {
	switch s {
	case "default":
		return "bridge", nil
	case "bridge", "host", "none":
		return s, nil
	}
	return checkPeer(s, "to join a network of the spec, write it under networks")
}

// checkPeer accepts service:NAME and container:NAME.
func checkPeer(s, hint string) (string, error) {
	for _, prefix := range []string{"service:", "container:"} {
		if name, ok := strings.CutPrefix(s, prefix); ok && name != "" {
			return s, nil
		}
	}
	return "", errors.New(hint)
}

// peer returns a mode as the engine takes it: service:NAME becomes the
// container's name, which Finish has found.
func (d *draft) peer(v resources.Value) string {
	mode := resources.Text(v)
	key, ok := strings.CutPrefix(mode, "service:")
	if !ok {
		return mode
	}
	name := peersOf(d.resource)[key]
	if name == "" {
		d.fail(fmt.Errorf("service %q, which it shares a namespace with, is not known", key))
	}
	return "container:" + name
}

// peerMode returns a mode that names another container by its ID in the form
// it is declared in, marked when what is shared is not there any more.
func (s *sight) peerMode(field, mode string) resources.Value {
	id := strings.TrimPrefix(mode, "container:")
	var p peer
	if s.peerOf != nil {
		p = s.peerOf(id)
	}
	text := s.peerText(field, id, p)
	if s.peerOf != nil && p.name != "" && s.outlives(p) {
		return text + isStale
	}
	return text
}

// isStale marks a mode whose namespace belongs to a process that has ended.
const isStale = " (of before its last start)"

// outlives reports whether the container has run since before the other one
// started: it is in namespaces of a process that is no more, where no one else
// is, and of a network no way leads out.
func (s *sight) outlives(p peer) bool {
	return leftBehind(s.c.State, p.started)
}

// leftBehind is outlives, for the state of a container and the start of the other,
// zero while that has no process.
func leftBehind(s *container.State, other time.Time) bool {
	if !hasProcess(s) {
		return false // its next start joins what is there then
	}
	started, err := time.Parse(time.RFC3339Nano, s.StartedAt)
	return err == nil && (other.IsZero() || other.After(started))
}

// hasProcess reports whether a container runs right now.
func hasProcess(s *container.State) bool {
	return s != nil && s.Running && !s.Restarting
}

func (s *sight) peerText(field, id string, p peer) string {
	wanted, applied := s.config().Text(field), resources.Text(s.applied.Shape(field))
	if own, ok := strings.CutPrefix(wanted, "container:"); ok && (len(own) >= 12 && strings.HasPrefix(id, own) || own == p.name) {
		return "container:" + own
	}
	if p.name == "" {
		return "container:" + shortID(id)
	}
	if addr, err := resources.ParseAddr(p.addr); err == nil && isContainer(addr.Kind) {
		// What the spec does not say any more is shown as it was applied.
		if text := "service:" + addr.Parts()[0]; text == wanted || text == applied {
			return text
		}
	}
	if s.want != nil && p.addr == "" { // one that is to be adopted
		peers := peersOf(s.want)
		for _, key := range slices.Sorted(maps.Keys(peers)) {
			if peers[key] == p.name {
				return "service:" + key
			}
		}
	}
	return "container:" + p.name
}

// portsType is a list of published ports. The canonical value is a map from
// the container's port ("5432/tcp") to a set of places on the host: "5701",
// "127.0.0.1:5701", "[::1]:5701", "3000-3010" for any of a range, "0" for any.
// Ranges of ports are joined, as joinPorts says.
type portsType struct{}

var portFields = resources.Object{What: "a port", Fields: []resources.Field{
	{Key: "target", Type: resources.Pattern("a port or a range of ports", `^[0-9]+(-[0-9]+)?$`), Required: true, Example: "5432",
		Other: "5433", Doc: "the port in the container."},
	{Key: "published", Type: resources.Pattern("a port or a range of ports", `^[0-9]+(-[0-9]+)?$|^$`), Example: "5701", Other: "5702",
		Doc: "The port on the host; any free one when not given, any of a range when a range is given."},
	{Key: "host_ip", Type: resources.Checked("an IP address", canonicalIP), Example: "127.0.0.1", Other: "\"::1\"",
		Doc: "The host's address it is bound to; all when not given."},
	{Key: "protocol", Type: resources.Enum("tcp", "udp", "sctp"), Default: "tcp", Example: "udp", Other: "tcp", Doc: "tcp, udp or sctp."},
	{Key: "name", Type: resources.String(), Unmarked: true, Example: "sql", Other: "ui", Doc: "A name for people."},
}, Refused: map[string]string{
	"mode":         "there is one host; leave it out",
	"app_protocol": "nothing here reads it; leave it out",
}}

// Schema allows short and long items.
func (portsType) Schema() resources.Schema {
	return resources.Schema{"type": "array", "items": resources.Schema{"oneOf": []any{
		resources.Schema{"type": []any{"string", "integer"}, "description": "[HOST_IP:][HOST:]CONTAINER[/PROTOCOL]"}, portFields.Schema()}}}
}

// Inner returns the long form of a port.
func (portsType) Inner(string) []resources.Held {
	return []resources.Held{{Type: portFields, Write: func(v any) any { return []any{v} }}}
}

// Decode returns the canonical map.
func (portsType) Decode(n specs.Node, report resources.Report) (resources.Value, bool) {
	if n.Kind() == specs.Null {
		return map[string]any{}, true
	}
	if n.Kind() != specs.List {
		bad(n, "a list of ports", report)
		return nil, false
	}
	out, good := map[string][]string{}, true
	for _, item := range n.Items() {
		text := item.Text()
		if !item.IsScalar() {
			v, ok := portFields.Decode(item, report)
			if !ok {
				good = false
				continue
			}
			text = longPort(resources.Config(mapOf(v)))
		}
		all, err := nat.ParsePortSpec(text)
		if err != nil || text == "" {
			bad(item, "a port as [HOST_IP:][HOST:]CONTAINER[/PROTOCOL]", report)
			good = false
			continue
		}
		for _, p := range all {
			key, place, err := canonicalPort(p.Port, p.Binding)
			if err != nil {
				report(resources.RuleValue.At(item.Pos(), "a port: "+err.Error(), ""))
				good = false
				break
			}
			if slices.Contains(out[key], place) && place != "0" {
				report(resources.RuleDuplicateItem.At(item.Pos(), "port "+key+" is published twice at the same place", "remove one of the two"))
				good = false
				break
			}
			out[key] = append(out[key], place)
		}
	}
	return joinPorts(out), good
}

func longPort(m resources.Config) string {
	text := m.Text("target")
	if ip := m.Text("host_ip"); ip != "" || m.Text("published") != "" {
		text = m.Text("published") + ":" + text
		if strings.Contains(ip, ":") {
			ip = "[" + ip + "]"
		}
		if ip != "" {
			text = ip + ":" + text
		}
	}
	if p := m.Text("protocol"); p != "" {
		text += "/" + p
	}
	return text
}

// canonicalPort returns the key and the place of one publication.
func canonicalPort(p nat.Port, b nat.PortBinding) (key, place string, err error) {
	proto, port := nat.SplitProtoPort(string(p))
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", "", errors.New("the container's port is from 1 to 65535")
	}
	place = b.HostPort
	if n, err := strconv.ParseUint(place, 10, 16); err == nil {
		place = strconv.FormatUint(n, 10)
	} else if place == "" {
		place = "0"
	}
	if b.HostIP != "" {
		ip, err := netip.ParseAddr(strings.Trim(b.HostIP, "[]"))
		if err != nil {
			return "", "", errors.New("the host's address is no IP address")
		}
		place = net.JoinHostPort(ip.String(), place)
	}
	return strconv.FormatUint(n, 10) + "/" + strings.ToLower(proto), place, nil
}

// placeOf splits a place on the host.
func placeOf(place string) nat.PortBinding {
	ip, port := splitPlace(place)
	return nat.PortBinding{HostIP: ip, HostPort: hostPort(port)}
}

func hostPort(port string) string {
	if port == "0" {
		return ""
	}
	return port
}

func sendPorts(d *draft, v resources.Value) {
	d.host.PortBindings = nat.PortMap{}
	for key, places := range splitPorts(mapOf(v)) {
		d.exposePort(key) // without it engines up to 28 publish nothing
		for _, place := range places {
			d.host.PortBindings[nat.Port(key)] = append(d.host.PortBindings[nat.Port(key)], placeOf(place))
		}
	}
}

func (d *draft) exposePort(key string) {
	if d.config.ExposedPorts == nil {
		d.config.ExposedPorts = nat.PortSet{}
	}
	d.config.ExposedPorts[nat.Port(key)] = struct{}{}
}

func seenPorts(s *sight) resources.Value {
	out := map[string][]string{}
	for p, bindings := range s.c.HostConfig.PortBindings {
		if len(bindings) == 0 {
			bindings = []nat.PortBinding{{}}
		}
		for _, b := range bindings {
			key, place, err := canonicalPort(p, b)
			if err != nil {
				key, place = string(p), b.HostIP+":"+b.HostPort
			}
			out[key] = append(out[key], place)
		}
	}
	if len(out) == 0 {
		return nil
	}
	return joinPorts(out)
}

var exposeType = refined{resources.List(resources.Pattern("a port such as 3000, 3000/udp or 3000-3005",
	`^[0-9]+(-[0-9]+)?(/(tcp|udp|sctp|TCP|UDP|SCTP))?$`)), func(v resources.Value) (resources.Value, error) {
	var out []string
	for _, text := range resources.Texts(v) {
		proto, ports := nat.SplitProtoPort(text)
		first, last, err := nat.ParsePortRangeToInt(ports)
		if err != nil || first == 0 || last > 65535 || last-first > 65535 {
			return nil, errors.New("expected ports from 1 to 65535, a range in rising order")
		}
		for p := first; p <= last; p++ {
			out = append(out, strconv.Itoa(p)+"/"+strings.ToLower(proto))
		}
	}
	return joinExposed(out), nil
}}

// seenExpose leaves out published ports and the image's own.
func seenExpose(s *sight) resources.Value {
	declared, before := exposedSet(s.config()["expose"]), exposedSet(s.before("expose"))
	own := map[string]bool{}
	if s.image != nil {
		for port := range s.image.ExposedPorts {
			proto, number := nat.SplitProtoPort(port)
			own[number+"/"+strings.ToLower(proto)] = true
		}
	}
	published, wanted, once := splitPorts(mapOf(seenPorts(s))), splitPorts(s.config().Map("ports")), splitPorts(mapOf(s.before("ports")))
	var out []string
	for port := range s.c.Config.ExposedPorts {
		proto, number := nat.SplitProtoPort(string(port))
		key := number + "/" + strings.ToLower(proto)
		natural := false
		for _, ports := range []map[string][]string{published, wanted, once} {
			_, ok := ports[key]
			natural = natural || ok
		}
		if s.image == nil {
			natural = natural || !before[key]
		} else {
			natural = natural || own[key]
		}
		if declared[key] || !natural {
			out = append(out, key)
		}
	}
	return joinExposed(out)
}

// exposedSet returns the ports of a canonical `expose` for looking up.
func exposedSet(v resources.Value) map[string]bool {
	out := map[string]bool{}
	for _, text := range splitExposed(v) {
		out[text] = true
	}
	return out
}

func canonicalIP(s string) (string, error) {
	ip, err := netip.ParseAddr(strings.Trim(s, "[]"))
	if err != nil {
		return "", errors.New("it is no IP address")
	}
	return ip.String(), nil
}

// showIP is canonicalIP for what the engine shows.
func showIP(s string) string {
	if ip, err := canonicalIP(s); err == nil {
		return ip
	}
	return s
}

func ipOfFamily(v4 bool) func(string) (string, error) {
	return func(s string) (string, error) {
		ip, err := netip.ParseAddr(s)
		if err != nil {
			return "", errors.New("it is no IP address")
		}
		if ip.Is4() != v4 {
			return "", errors.New("it is of the other family")
		}
		return ip.String(), nil
	}
}

func canonicalMAC(s string) (string, error) {
	mac, err := net.ParseMAC(s)
	if err != nil || len(mac) != 6 {
		return "", errors.New("it has the form 02:42:ac:11:65:43")
	}
	return mac.String(), nil
}

// extraHostsType is a list of name:ip or name=ip, or a map from name to one IP
// or several. The canonical value is a set of "name:ip".
type extraHostsType struct{}

// Schema allows both forms.
func (extraHostsType) Schema() resources.Schema {
	text := resources.Schema{"type": "string"}
	return resources.Schema{"oneOf": []any{
		resources.Schema{"type": "array", "items": text},
		resources.Schema{"type": "object", "additionalProperties": resources.Schema{"anyOf": []any{text,
			resources.Schema{"type": "array", "items": text}}}},
	}}
}

// Decode returns the canonical set.
func (extraHostsType) Decode(n specs.Node, report resources.Report) (resources.Value, bool) {
	var out []string
	good := true
	add := func(at specs.Node, text string) {
		host, err := canonicalHost(text)
		if err != nil || !at.IsScalar() {
			bad(at, "a name and an IP address (or host-gateway)", report)
			good = false
			return
		}
		out = append(out, host)
	}
	switch n.Kind() {
	case specs.List:
		for _, item := range n.Items() {
			add(item, item.Text())
		}
	case specs.Map:
		for _, e := range n.Entries() {
			if e.Value.Kind() != specs.List {
				add(e.Value, e.Key+"="+e.Value.Text())
				continue
			}
			for _, item := range e.Value.Items() {
				add(item, e.Key+"="+item.Text())
			}
		}
	case specs.Null:
	default:
		bad(n, "a list of name:ip, or a map", report)
		return nil, false
	}
	return setOf(out), good
}

var hostNameText = regexp.MustCompile(`^[a-zA-Z0-9_.-]+$`)

// canonicalHost returns "name:ip", with IPv6 without brackets, as the API
// takes it.
func canonicalHost(text string) (string, error) {
	name, ip, ok := strings.Cut(text, "=")
	if !ok {
		name, ip, ok = strings.Cut(text, ":")
	}
	if !ok || !hostNameText.MatchString(name) {
		return "", errMalformed
	}
	if ip != "host-gateway" {
		var err error
		if ip, err = canonicalIP(ip); err != nil {
			return "", err
		}
	}
	return name + ":" + ip, nil
}
