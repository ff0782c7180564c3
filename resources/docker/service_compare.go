package docker

import (
	"fmt"
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/dockerapi"
)

// Compare returns the differences between what is wanted of a container and
// what was seen, with what each costs.
func (k containerKind) Compare(want *resources.Resource, have *resources.Observed) resources.Delta {
	if k.name == "job" && want.Config.Text("run") == "once" && have.State == "exited (0)" && have.Stack == want.Stack {
		return nil // it has done what it is for, however it reads now
	}
	delta := k.allFields(want, have)
	if isMoved(want, have) {
		keepName(delta, want)
	}
	if n, ok := have.Native.(*seenContainer); ok {
		delta = slices.DeleteFunc(delta, n.untaken.holds)
		for i := range delta {
			if d := &delta[i]; d.Drift && n.meant.Holds(d.Path, d.Before) {
				d.Drift, d.Pending = false, true // a run that did not finish has changed it, and no one outside
			}
		}
	}
	delta = withoutUpgrade(delta, have)
	if k.name == "job" {
		delta = jobDelta(delta, want, have)
	} else {
		delta = append(delta, serviceState(have)...)
		delta = append(delta, movedDiff(want, have)...)
	}
	return append(ownerDiff(want, have), delta...)
}

// movedDiff is the difference between the address of a service that was moved
// and the one written on its container. Labels cannot be changed, and others
// reach it by its key, so it is replaced. A job is done, and stays.
func movedDiff(want *resources.Resource, have *resources.Observed) resources.Delta {
	if !isMoved(want, have) {
		return nil
	}
	return resources.Delta{{Path: "address", Field: "address", Before: want.Moved.String(), After: want.Addr.String(), Cost: resources.Remake,
		Pending: true,
		Why:     "the engine does not let labels be changed"}}
}

// isMoved reports whether the container still carries the address that the spec
// moves it from.
func isMoved(want *resources.Resource, have *resources.Observed) bool {
	n, ok := have.Native.(*seenContainer)
	return ok && !want.Moved.IsZero() && n.inspect.Config.Labels[labelAddress] == want.Moved.String()
}

// keepName takes the name that follows from the address moved from for what it
// is: no one has renamed the container.
func keepName(delta resources.Delta, want *resources.Resource) {
	for i := range delta {
		d := &delta[i]
		if d.Field == "container_name" && d.Drift && d.Before == want.Stack+"-"+want.Moved.Parts()[0] {
			d.Drift, d.Pending = false, true
		}
	}
}

// allFields compares the rows and the files.
func (k containerKind) allFields(want *resources.Resource, have *resources.Observed) resources.Delta {
	delta := append(k.fields(want, have), k.files(want, have)...)
	for i := range delta {
		price(&delta[i], want, have)
	}
	return delta
}

// fields compares the rows. Of maps whose parts change one by one, each part is
// compared by itself, so that one changed outside is told from one that the
// spec changed.
func (k containerKind) fields(want *resources.Resource, have *resources.Observed) resources.Delta {
	w := bareConfig(want, func(*row) bool { return true })
	var delta resources.Delta
	rows := rowsOf(k.name)
	for i := range rows {
		row := &rows[i]
		switch {
		case row.Key == "files" || row.seen == nil && row.Unmarked:
		case row.Key == "networks":
			delta = append(delta, compareParts(row.Field, mapOf(w[row.Key]), mapOf(have.Have[row.Key]), have.Applied)...)
		default:
			t := resources.Table{Fields: []resources.Field{row.Field}}
			delta = append(delta, t.Compare(w, have.Have, have.Applied)...)
		}
	}
	return delta
}

// compareParts compares the parts of a map one by one.
func compareParts(f resources.Field, want, have map[string]any, applied *resources.Sealed) resources.Delta {
	keys := sortedKeys(want)
	for _, key := range sortedKeys(have) {
		if _, ok := want[key]; !ok {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	t := resources.Table{Fields: []resources.Field{f}}
	var delta resources.Delta
	for _, key := range keys {
		w, h := resources.Config{}, resources.Config{}
		if v, ok := want[key]; ok {
			w[f.Key] = map[string]any{key: v}
		}
		if v, ok := have[key]; ok {
			h[f.Key] = map[string]any{key: v}
		}
		var before *resources.Sealed
		if applied != nil {
			before = &resources.Sealed{Key: applied.Key, Fields: map[string]any{}}
			if v, ok := applied.Entry(f.Key, key); ok {
				before.Fields[f.Key] = map[string]any{key: v}
			}
		}
		parts := t.Compare(w, h, before)
		for i := range parts {
			parts[i].Alone = true
			if _, wanted := want[key]; wanted && applied != nil && before.Fields[f.Key] == nil {
				// It was added outside, and the spec asks for it since: what still differs
				// was never applied.
				parts[i].Drift, parts[i].Pending = false, true
			}
		}
		delta = append(delta, parts...)
	}
	return delta
}

// files compares the contents. A file that is no longer declared cannot be
// taken back; it goes with the container.
func (k containerKind) files(want *resources.Resource, have *resources.Observed) resources.Delta {
	row := &fileRows[0]
	declared := mapOf(bareFiles(want.Config["files"]))
	delta := compareParts(row.Field, declared, mapOf(have.Have["files"]), have.Applied)
	for i := range delta {
		delta[i].Cost = costOfFile(want, delta[i].Path)
		if target := resources.SplitPath(delta[i].Path)[1].Key; isInTheWay(mapOf(mapOf(have.Have["files"])[target])["content"]) {
			delta[i].Cost, delta[i].Why = resources.Remake, "nothing can be placed there while that is in its place"
		}
	}
	before := mapOf(have.Applied.Shape("files"))
	for _, target := range sortedKeys(before) {
		if _, ok := declared[target]; ok || resources.IsHiddenKey(target) {
			continue // of a hidden name nobody can tell that it is not declared
		}
		for _, d := range resources.DiffValues("files", map[string]any{target: before[target]}, map[string]any{}) {
			d.Field, d.Cost, d.Pending = "files", resources.Remake, true
			d.Why = "a file goes only with its container"
			delta = append(delta, d)
		}
	}
	return delta
}

// costOfFile returns what a change of the file at the path of a difference
// costs, which the file itself says.
func costOfFile(want *resources.Resource, path string) resources.Cost {
	for target, e := range want.Config.Map("files") {
		for _, d := range resources.DiffValues("files", nil, map[string]any{target: "x"}) {
			if (path == d.Path || strings.HasPrefix(path, d.Path+".")) && resources.Text(mapOf(e)["on_change"]) != "replace" {
				return resources.InPlace
			}
		}
	}
	return resources.Remake
}

// unremovable are the limits that the engine's update call can change but not
// take away: it reads zero as "leave" (moby#22516).
var unremovable = []string{"mem_limit", "mem_reservation", "cpus", "cpu_shares", "cpu_period", "cpuset", "cpuset_mems", "cpu_rt_runtime",
	"cpu_rt_period"}

// price corrects what a difference costs where it is not the field's own.
func price(d *resources.Diff, want *resources.Resource, have *resources.Observed) {
	remake := func(why string) { d.Cost, d.Why = resources.Remake, why }
	switch {
	case slices.Contains(unremovable, d.Field) && isNone(d.Field, want.Config[d.Field]):
		remake("the engine cannot take this limit away from a container that exists")
	case d.Field == "memswap_limit" && d.After == "-1":
		remake("the engine notes it, but the kernel's limit stays until the container is made anew")
	case d.Field == "cpus" && (have.Have.Int("cpu_quota") > 0 || have.Have.Int("cpu_period") > 0):
		remake("the engine does not let a container go from cpu_quota to cpus")
	case d.Path == "blkio_config.weight" && want.Config.Map("blkio_config")["weight"] != nil:
		d.Cost = resources.InPlace
	case d.Field == "networks" && (strings.HasSuffix(d.Path, ".mac_address") || hasFixedMAC(want, d.Path)):
		remake("the engine gives a fixed MAC address only to a new container")
	case d.Field == "networks" && leavesMainNetwork(want, have):
		remake("it leaves the network that the container was created with, without which it could not be started again")
	case slices.Contains(peerFields, d.Field) && resources.Equal(d.Before, resources.Text(d.After)+isStale):
		d.Cost, d.Why = resources.InPlace, "what it shares ended when the other was stopped or started again: it is restarted to share what "+
			"is there now"
	case d.Field == "image" && d.Before != nil && strings.HasPrefix(resources.Text(d.Before), resources.Text(d.After)+" ("):
		d.Why = "the name stands for another image now"
		if n, ok := have.Native.(*seenContainer); ok && n.current != "" {
			d.After = movedImage(resources.Text(d.After), n.current)
		}
	}
}

// leavesMainNetwork reports whether the network that the container was created
// with is not wanted any more, or under another name. The engine keeps its name
// for the life of the container, and from version 26 on starts and connects none
// whose network is missing.
func leavesMainNetwork(want *resources.Resource, have *resources.Observed) bool {
	n, ok := have.Native.(*seenContainer)
	if !ok || n.inspect.ContainerJSONBase == nil || n.inspect.HostConfig == nil || !n.inspect.HostConfig.NetworkMode.IsUserDefined() {
		return false
	}
	main := n.inspect.HostConfig.NetworkMode.NetworkName()
	if n.inspect.NetworkSettings != nil {
		for name, e := range n.inspect.NetworkSettings.Networks {
			if e != nil && e.NetworkID == main { // it was given by its ID
				main = name
			}
		}
	}
	for _, e := range want.Config.Map("networks") {
		if mapOf(e)["name"] == main {
			return false
		}
	}
	return true
}

// hasFixedMAC reports whether the network at the path of a difference is wanted
// with a MAC address, which an endpoint that is cut and made again would lose.
func hasFixedMAC(want *resources.Resource, path string) bool {
	parts := resources.SplitPath(path)
	return len(parts) > 1 && mapOf(want.Config.Map("networks")[parts[1].Key])["mac_address"] != nil
}

// isNone reports whether v is the absence of the limit.
func isNone(field string, v resources.Value) bool {
	if strings.HasPrefix(field, "cpuset") {
		return v == nil || v == "" // "0" is the first processor
	}
	return isZero(v)
}

// isZero reports whether v is absent, or a number or size of nothing.
func isZero(v resources.Value) bool {
	switch v {
	case nil, int64(0), float64(0), "0":
		return true
	}
	return resources.IsEmpty(v)
}

// withoutUpgrade leaves out what a new version of the engine merely shows
// differently: a field that only a new container can change, that the spec did
// not change, on a container that another version made.
func withoutUpgrade(delta resources.Delta, have *resources.Observed) resources.Delta {
	if n, ok := have.Native.(*seenContainer); !ok || !n.upgraded {
		return delta
	}
	return slices.DeleteFunc(delta, func(d resources.Diff) bool {
		row := rowByKey(d.Field)
		return row != nil && row.Cost == resources.Remake && d.Cost == resources.Remake && d.Drift && !d.Pending && d.Field != "image" &&
			d.Field != "files"
	})
}

// rowByKey returns the row of a key of services or jobs, nil when there is none.
func rowByKey(key string) *row {
	for i := range serviceRows {
		if serviceRows[i].Key == key {
			return &serviceRows[i]
		}
	}
	return nil
}

// stateDiff is a difference of the running state.
func stateDiff(have *resources.Observed, after string, cost resources.Cost, why string) resources.Diff {
	return resources.Diff{Path: "state", Field: "state", Before: have.State, After: after, Cost: cost, Why: why, Drift: true}
}

// serviceState tells what must be done so that a service runs.
func serviceState(have *resources.Observed) resources.Delta {
	state, _, _ := strings.Cut(have.State, " ")
	switch state {
	case "running", "starting", "unhealthy", "restarting", "":
		return nil
	case "created":
		if n, ok := have.Native.(*seenContainer); ok && n.inspect.State.Error != "" {
			// Engine 29 takes the networks away from a container whose start fails
			// (moby#51758), so it is never started again.
			return resources.Delta{stateDiff(have, "running", resources.Remake, "its start has failed: "+dockerapi.OneLine(n.inspect.State.Error))}
		}
		return resources.Delta{stateDiff(have, "running", resources.InPlace, "")}
	case "exited", "paused":
		return resources.Delta{stateDiff(have, "running", resources.InPlace, "")}
	default: // dead, removing
		return resources.Delta{stateDiff(have, "running", resources.Remake, "a container in this state cannot be started")}
	}
}

// jobDelta is what a job's differences come to: a job that has to run again is
// made anew.
func jobDelta(delta resources.Delta, want *resources.Resource, have *resources.Observed) resources.Delta {
	for i := range delta {
		d := &delta[i]
		if d.Pending && d.Cost != resources.Remake && d.Field != "container_name" {
			d.Cost, d.Why = resources.Remake, "a job runs again when its definition changes"
		}
	}
	// What was changed on a container that has ended matters to no one.
	if strings.HasPrefix(have.State, "exited") {
		delta = slices.DeleteFunc(delta, func(d resources.Diff) bool { return d.Field == "files" && d.Drift && !d.Pending })
	}
	state, _, _ := strings.Cut(have.State, " ")
	switch {
	case have.State == "exited (0)":
		if want.Config.Text("run") == "always" && len(delta) == 0 {
			return resources.Delta{{Path: "run", Field: "run", Before: have.State, After: "always", Cost: resources.Remake,
				Why: "it runs at each apply", Pending: true, Repeats: true}}
		}
		return delta
	case state == "exited":
		d := stateDiff(have, "exited (0)", resources.Remake, "it has failed and runs again")
		d.Drift, d.Pending = false, true
		return append(delta, d)
	case state == "paused":
		return append(delta, stateDiff(have, "running", resources.InPlace, ""))
	case state == "created" || state == "dead" || state == "removing":
		d := stateDiff(have, "exited (0)", resources.Remake, "it has not run")
		d.Drift, d.Pending = false, true
		return append(delta, d)
	default:
		return delta // it runs
	}
}

// Rivals reports whether the wanted container cannot run beside one that is
// there: they have a port of the host or a fixed address in common. A name passes
// from one to the other at any time; what is named like one that goes is its
// successor all the same, and may write to the same data.
func (k containerKind) Rivals(want *resources.Resource, have *resources.Observed, leaving bool) bool {
	if leaving && containerName(want) == have.Have.Text("container_name") {
		return true
	}
	// Most containers want neither, and every pair is compared.
	if ports := publishedPlaces(want.Config.Map("ports")); len(ports) > 0 {
		taken := publishedPlaces(have.Have.Map("ports"))
		for _, p := range ports {
			if slices.ContainsFunc(taken, p.clashes) {
				return true
			}
		}
	}
	fixed := fixedAddresses(want)
	if len(fixed) == 0 {
		return false
	}
	held := heldAddresses(have)
	return slices.ContainsFunc(fixed, func(a netAddress) bool { return held[a] })
}

// netAddress is an address on a network of that name on the engine.
type netAddress struct{ network, address string }

var addressFields = []string{"ipv4_address", "ipv6_address", "mac_address"}

// fixedAddresses returns the addresses that the spec gives a container.
func fixedAddresses(want *resources.Resource) []netAddress {
	var out []netAddress
	networks := want.Config.Map("networks")
	for _, key := range sortedKeys(networks) {
		m := resources.Config(mapOf(networks[key]))
		for _, field := range addressFields {
			if address := m.Text(field); address != "" {
				out = append(out, netAddress{m.Text("name"), address})
			}
		}
	}
	return out
}

// heldAddresses returns the addresses that a container has, fixed or not.
func heldAddresses(have *resources.Observed) map[netAddress]bool {
	out := map[netAddress]bool{}
	networks := have.Have.Map("networks")
	for _, key := range sortedKeys(networks) {
		m := resources.Config(mapOf(networks[key]))
		for _, field := range addressFields {
			out[netAddress{m.Text("name"), m.Text(field)}] = true
		}
	}
	if n, ok := have.Native.(*seenContainer); ok && n.inspect.NetworkSettings != nil {
		for name, e := range n.inspect.NetworkSettings.Networks {
			if e == nil {
				continue
			}
			for _, address := range []string{showIP(e.IPAddress), showIP(e.GlobalIPv6Address), strings.ToLower(e.MacAddress)} {
				out[netAddress{name, address}] = true
			}
		}
	}
	return out
}

// String is for messages: "5432/tcp on 127.0.0.1".
func (p hostPlace) String() string {
	if p.ip == "" {
		return fmt.Sprintf("%d/%s", p.port, p.proto)
	}
	return fmt.Sprintf("%d/%s on %s", p.port, p.proto, p.ip)
}
