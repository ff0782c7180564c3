package docker

import (
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"github.com/LerianStudio/midaz-infra/resources"
)

// A container that has run since before the one whose namespaces it shares was
// started is in namespaces of a process that has ended.
func TestSharedNamespacesThatEnded(t *testing.T) {
	at := func(second int) time.Time { return time.Date(2026, 1, 1, 0, 0, second, 0, time.UTC) }
	set, _ := declared(t, "services:\n  db: { image: b:1 }\n  web: { image: a:1, network_mode: \"service:db\" }")
	want := set.Of("service")[1]
	sealed := resources.Seal(remembered(want))
	for name, c := range map[string]struct {
		own   int
		peer  peer
		stale bool
	}{
		"started after it":      {2, peer{name: "test-db", addr: "service/db", started: at(1)}, false},
		"started before it":     {2, peer{name: "test-db", addr: "service/db", started: at(3)}, true},
		"it has ended":          {2, peer{name: "test-db", addr: "service/db"}, true},
		"not running itself":    {0, peer{name: "test-db", addr: "service/db", started: at(3)}, false},
		"renamed by hand":       {2, peer{name: "other", addr: "service/db", started: at(1)}, false},
		"of another container":  {2, peer{name: "test-db.old-1", started: at(1)}, true},
		"of one that is gone":   {2, peer{}, true},
		"to be adopted, by its": {2, peer{name: "test-db", started: at(1)}, false},
	} {
		state := &container.State{Running: c.own > 0, Status: "running", StartedAt: at(c.own).Format(time.RFC3339Nano)}
		s := &sight{c: &container.InspectResponse{ContainerJSONBase: &container.ContainerJSONBase{ID: "1", Name: "/test-web", State: state,
			HostConfig: &container.HostConfig{NetworkMode: "container:0123456789abcdef"}}, Config: &container.Config{}},
			want: want, applied: &sealed, peerOf: func(string) peer { return c.peer }}
		got := resources.Text(s.peerMode("network_mode", "container:0123456789abcdef"))
		if (got != "service:db") != c.stale {
			t.Errorf("%s: %s", name, got)
		}
		d := resources.Diff{Field: "network_mode", Path: "network_mode", Before: got, After: "service:db", Cost: resources.Remake}
		price(&d, want, &resources.Observed{})
		if inPlace := d.Cost == resources.InPlace; inPlace != strings.HasSuffix(got, isStale) {
			t.Errorf("%s: %s costs %s", name, got, d.Cost)
		}
	}
}

// An endpoint that the engine lists and that is not connected is what was asked
// for and could not be done.
func TestEndpointThatIsNotConnected(t *testing.T) {
	r := web(t, "networks: {default: {ipv4_address: 10.1.0.7}}")
	c := running(&container.HostConfig{NetworkMode: "test_default"})
	c.NetworkSettings.Networks = map[string]*network.EndpointSettings{"test_default": {Aliases: []string{"web"},
		IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: "10.1.0.7"}}}
	sealed := resources.Seal(remembered(r))
	differs := func() bool {
		s := &sight{c: c, want: r, applied: &sealed, facts: &facts{API: "1.51"}}
		return !resources.Equal(seenNetworks(s), bareNetworks(r.Config["networks"]))
	}
	if !differs() {
		t.Error("an endpoint without an ID counts as connected")
	}
	c.NetworkSettings.Networks["test_default"].EndpointID = "e"
	if differs() {
		t.Error("a connected endpoint differs")
	}
	c.NetworkSettings.Networks["test_default"].EndpointID = ""
	c.State.Running = false
	if differs() {
		t.Error("a container that does not run has no endpoints, and differs")
	}
}

func TestLeavingTheNetworkItWasCreatedWith(t *testing.T) {
	for name, c := range map[string]struct {
		fields, mode string
		leaves       bool
	}{
		"the same":               {"networks: [default]", "test_default", false},
		"another":                {"networks: [infra]", "test_default", true},
		"another beside it":      {"networks: [default, infra]", "test_default", false},
		"renamed":                {"networks: [named]", "test_named", true},
		"the engine's own":       {"networks: [infra]", "bridge", false},
		"of the host":            {"network_mode: host", "host", false},
		"another container's":    {"network_mode: none", "container:1", false},
		"none where one is left": {"network_mode: none", "test_default", true},
	} {
		r := web(t, c.fields)
		if n := mapOf(r.Config.Map("networks")["named"]); n != nil {
			n["name"] = "other-name"
		}
		have := &resources.Observed{Native: &seenContainer{inspect: *running(&container.HostConfig{NetworkMode: container.NetworkMode(c.mode)})}}
		if got := leavesMainNetwork(r, have); got != c.leaves {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestRenamedNetworkIsCreatedBesideTheOldOne(t *testing.T) {
	for text, want := range map[string]resources.Replacement{
		"{}":                 resources.OneStep,
		"{ internal: true }": resources.OneStep,
		"{ name: other }":    resources.CreateDelete,
		"{ name: other, ipam: { config: [{ subnet: 10.3.0.0/24 }] } }": resources.CreateDelete,
		"{ name: other, ipam: { config: [{ subnet: 10.2.0.0/16 }] } }": resources.DeleteCreate,
	} {
		set, _ := declared(t, "networks: { a: "+text+" }")
		r := set.Of("network")[0]
		have := &resources.Observed{Have: resources.Config{"name": engineName(set.Stack, "a", "")},
			Native: &seenNetwork{inspect: network.Inspect{IPAM: network.IPAM{Config: []network.IPAMConfig{{Subnet: "10.2.1.0/24"}}}}}}
		if got := (networkKind{}).ReplacementOf(r, have); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

func TestNamesThatARunGivesUp(t *testing.T) {
	set, _ := declared(t, "services: { a: { image: x, container_name: is-b }, b: { image: x, container_name: is-a } }")
	a, b := set.Get(resources.NewAddr("service", "a")), set.Get(resources.NewAddr("service", "b"))
	k := &recorder{stack: "test", names: map[resources.Addr]string{a.Addr: containerName(a), b.Addr: containerName(b)},
		leaving: []resources.Addr{resources.NewAddr("service", "gone")}}
	for _, c := range []struct {
		stack, addr, name string
		want              bool
	}{
		{"test", "a", "is-a", true}, {"test", "a", "is-b", false}, {"test", "b", "is-b", true}, {"test", "b", "is-a", false},
		{"test", "gone", "z", true}, {"test", "other", "z", false}, {"elsewhere", "a", "is-a", false},
	} {
		if got := k.givesUp(c.stack, resources.NewAddr("service", c.addr), c.name); got != c.want {
			t.Errorf("%v: %v", c, got)
		}
	}
}
