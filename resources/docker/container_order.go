package docker

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"

	"github.com/LerianStudio/midaz-infra/resources"
)

// order says how a container takes the place of another: beside it until it is
// ready, or after it was stopped.
type order struct {
	startFirst bool
	why        string // what decides, for people
}

// orderOf decides from what the spec says, and from what the two would share.
// What only one of them can have decides against what the spec says: the start
// would only fail. It is the same for the plan and for the swap.
func orderOf(r *resources.Resource, req *request, old *container.InspectResponse) order {
	if r.Addr.Kind == "job" {
		return order{false, "a job is a record of its last run"}
	}
	if !isUp(old.State) {
		return order{false, "the old one does not run"}
	}
	if port := sharedPort(req, old); port != "" {
		return order{false, "both publish port " + port + " of the host"}
	}
	if address := sharedAddress(req, old); address != "" {
		return order{false, "both have the address " + address}
	}
	if mac := fixedMAC(req); mac != "" {
		return order{false, "the engine gives the fixed MAC address " + mac + " only to a container that joins its network when it is created"}
	}
	if isShared(r) {
		return order{false, "others share its namespaces by its name"}
	}
	switch r.Config.Map("update")["order"] {
	case "start_first":
		return order{true, "as `update.order` says"}
	case "stop_first":
		return order{false, "as `update.order` says"}
	}
	switch mode := req.Host.NetworkMode; {
	case mode.IsHost():
		return order{false, "it is on the network of the host"}
	case mode.IsContainer():
		return order{false, "it shares the network of another container"}
	case hasFixedAddress(req):
		return order{false, "it has a fixed address"}
	}
	if data := sharedData(req, old); data != "" {
		return order{false, "both write to " + data}
	}
	return order{true, "they share no port, address or data"}
}

// sharedPort returns a port of the host that the new one asks for and the old
// one asked for, or has been given; "" when there is none.
func sharedPort(req *request, old *container.InspectResponse) string {
	held := map[string]bool{}
	hold := func(ports nat.PortMap) {
		for port, bindings := range ports {
			for _, b := range bindings {
				held[b.HostPort+"/"+port.Proto()] = true
			}
		}
	}
	hold(old.HostConfig.PortBindings)
	if old.NetworkSettings != nil {
		hold(old.NetworkSettings.Ports)
	}
	var shared []string
	for port, bindings := range req.Host.PortBindings {
		for _, b := range bindings {
			if place := b.HostPort + "/" + port.Proto(); b.HostPort != "" && b.HostPort != "0" && held[place] {
				shared = append(shared, strings.TrimSuffix(place, "/tcp"))
			}
		}
	}
	if len(shared) == 0 {
		return ""
	}
	return slices.Min(shared)
}

// endpoints returns what a container is connected with, by network.
func (req *request) endpoints() map[string]*network.EndpointSettings {
	all := map[string]*network.EndpointSettings{}
	maps.Copy(all, req.Connect)
	if req.Net != nil {
		maps.Copy(all, req.Net.EndpointsConfig)
	}
	return all
}

func hasFixedAddress(req *request) bool {
	for _, ep := range req.endpoints() {
		if ep.IPAMConfig != nil || ep.MacAddress != "" {
			return true
		}
	}
	return req.Config.MacAddress != ""
}

// fixedMAC returns a MAC address that the new one asks for, "" when there is
// none. A container that starts beside the old one joins its networks anew when
// it gets its aliases, and loses the address by that.
func fixedMAC(req *request) string {
	endpoints := req.endpoints()
	for _, name := range slices.Sorted(maps.Keys(endpoints)) {
		if mac := endpoints[name].MacAddress; mac != "" {
			return mac
		}
	}
	return req.Config.MacAddress
}

// sharedAddress returns an address that the new one asks for and the old one
// has, "" when there is none.
func sharedAddress(req *request, old *container.InspectResponse) string {
	if old.NetworkSettings == nil {
		return ""
	}
	endpoints := req.endpoints()
	for _, name := range slices.Sorted(maps.Keys(endpoints)) {
		ep, held := endpoints[name], old.NetworkSettings.Networks[name]
		if held == nil {
			continue
		}
		wanted := []string{ep.MacAddress, req.Config.MacAddress}
		if ep.IPAMConfig != nil {
			wanted = append(wanted, ep.IPAMConfig.IPv4Address, ep.IPAMConfig.IPv6Address)
		}
		for _, address := range wanted {
			if address != "" && slices.Contains([]string{held.IPAddress, held.GlobalIPv6Address, held.MacAddress}, address) {
				return address
			}
		}
	}
	return ""
}

// sharedData names a volume or folder of the host that both write to, "" when
// there is none. A volume without a name is handed on to whatever is mounted at
// its place, unless that is another.
func sharedData(req *request, old *container.InspectResponse) string {
	mounted := map[string]*mount.Mount{}
	written := map[string]bool{}
	for _, m := range req.mounts() {
		mounted[path.Clean(m.Target)] = &m
		if !m.ReadOnly && m.Source != "" {
			written[string(m.Type)+" "+m.Source] = true
		}
	}
	var shared []string
	for _, m := range old.Mounts {
		now := mounted[path.Clean(m.Destination)]
		_, tmpfs := req.Host.Tmpfs[m.Destination]
		switch {
		case !m.RW:
		case m.Type == mount.TypeVolume && anonymousName.MatchString(m.Name):
			if now == nil && !tmpfs || now != nil && now.Type == mount.TypeVolume && (now.Source == "" || now.Source == m.Name) {
				shared = append(shared, "the volume without a name at "+m.Destination)
			}
		case m.Name != "" && written["volume "+m.Name]:
			shared = append(shared, "volume "+m.Name)
		case m.Name == "" && written["bind "+m.Source]:
			shared = append(shared, m.Source)
		}
	}
	if len(shared) == 0 {
		return ""
	}
	return slices.Min(shared)
}

// planned returns the order that a plan shows; false when it cannot be told.
func (k containerKind) planned(want *resources.Resource, have *resources.Observed) (order, *container.InspectResponse, bool) {
	if want == nil || have == nil {
		return order{}, nil, false
	}
	seen, ok := have.Native.(*seenContainer)
	if !ok {
		return order{}, nil, false
	}
	// The endpoints of any version will do.
	req, err := newRequest(want, &facts{API: "1.44"})
	if err != nil {
		return order{}, nil, false
	}
	return orderOf(want, req, &seen.inspect), &seen.inspect, true
}

// Manner tells in which order one container takes the place of the other.
func (k containerKind) Manner(want *resources.Resource, have *resources.Observed) resources.Manner {
	o, old, ok := k.planned(want, have)
	switch {
	case !ok || k.name == "job" || !isUp(old.State):
		return resources.Manner{}
	case o.startFirst:
		return resources.Manner{Order: "start_first", Text: "the new one is started beside the old one, because " + o.why +
			": no downtime expected"}
	default:
		return resources.Manner{Order: "stop_first", Text: "the old one is stopped before the new one is started, because " + o.why}
	}
}

// Hazards tells how long a service will be away, and what becomes of its data.
func (k containerKind) Hazards(a resources.Action, want *resources.Resource, have *resources.Observed) []resources.Hazard {
	if a != resources.Replace || k.name == "job" {
		return nil
	}
	out := identityHazards(want, have)
	o, old, ok := k.planned(want, have)
	if !ok || o.startFirst || !isUp(old.State) {
		return out
	}
	return append(out, resources.Hazard{Code: resources.Downtime,
		Msg: fmt.Sprintf("expected for about 1s, for the stop of the old one (at most %s), and until the new one is ready", graceText(old))})
}

func graceText(c *container.InspectResponse) string {
	grace := graceOf(c)
	if grace < 0 {
		return "as long as it takes"
	}
	return resources.ShowDuration(grace)
}
