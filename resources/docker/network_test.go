package docker

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"

	"github.com/LerianStudio/midaz-infra/resources"
)

func TestNetworksAreChecked(t *testing.T) {
	for text, want := range map[string]string{
		"networks: { a: { name: x }, b: { name: x } }":  "MZ080",
		"volumes: { a: { name: xx }, b: { name: xx } }": "MZ080",
		"networks: { a: { ipam: { config: [{ subnet: 10.1.0.0/16 }] } }, b: { ipam: { config: [{ subnet: 10.1.2.0/24 }] } } }":                 "MZ081",
		"networks: { a: { ipam: { config: [{ subnet: \"fd00::/64\" }] } } }":                                                                   "MZ082",
		"networks: { a: { ipam: { config: [{ subnet: 10.1.0.0 }] } } }":                                                                        "MZ021",
		"networks: { a: { ipam: { config: [{ subnet: 10.1.0.0/24, gateway: 10.2.0.1 }] } } }":                                                  "MZ021",
		"networks: { a: { ipam: { config: [{ gateway: 10.2.0.1 }] } } }":                                                                       "MZ024",
		"networks: { a: { name: \"a b\" } }":                                                                                                   "MZ021",
		"volumes: { a: { name: x } }":                                                                                                          "MZ021",
		"networks: { a: { ipam: { config: [{ subnet: 10.1.0.0/24 }] } }, b: { external: true, ipam: { config: [{ subnet: 10.1.0.0/24 }] } } }": "",
		"networks: { a: , b: { driver: macvlan } }\nvolumes: { a: , bb: { protect: false } }":                                                  "",
	} {
		_, ps := declared(t, text)
		got := strings.Join(codes(ps), " ")
		if got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func TestNamesOnTheEngine(t *testing.T) {
	set, _ := declared(t, "networks: { a: , b: { name: given, external: true } }\nvolumes: { a: , bb: { protect: false } }")
	for addr, want := range map[string]string{"network/a": "_a", "network/b": "given", "volume/a": "_a"} {
		a, _ := resources.ParseAddr(addr)
		r := set.Get(a)
		if got := r.Config.Text("name"); !strings.HasSuffix(got, want) {
			t.Errorf("%s: %s", addr, got)
		}
	}
	if !set.Get(resources.NewAddr("network", "b")).External || !set.Get(resources.NewAddr("volume", "a")).Protect ||
		set.Get(resources.NewAddr("volume", "bb")).Protect {
		t.Error("external or protect is not taken over")
	}
}

func TestDefaultNetworkIsDerived(t *testing.T) {
	for text, want := range map[string]int{
		"services: { a: { image: x } }":                                           1,
		"jobs: { a: { image: x } }":                                               1,
		"services: { a: { image: x, networks: [n] } }\nnetworks: { n: }":          0,
		"services: { a: { image: x, network_mode: host } }":                       0,
		"services: { a: { image: x } }\nnetworks: { default: { name: given } }":   0,
		"services: { a: { image: x, networks: [n, default] } }\nnetworks: { n: }": 1,
		"networks: { n: }": 0,
	} {
		set, _ := declared(t, text)
		got := networkKind{}.Derive(set)
		if len(got) != want {
			t.Errorf("%s: %d derived", text, len(got))
		}
		if want == 1 && (got[0].Config.Text("name") != engineName(set.Stack, "default", "") || got[0].Stack != set.Stack) {
			t.Errorf("%s: %+v", text, got[0])
		}
	}
}

// seenAs returns what comparing finds between a declared network and one that
// the engine shows.
func seenAs(t *testing.T, text string, n network.Summary, api string) string {
	t.Helper()
	set, ps := declared(t, "networks: { a: "+text+" }")
	if ps.Errors() > 0 {
		t.Fatal(ps)
	}
	r := set.Of("network")[0]
	n.Name = r.Config.Text("name")
	n.Labels = ownLabels(r, networkTable.Marked(r.Config))
	var paths []string
	for _, d := range (networkKind{}).Compare(r, observeNetwork(n, r.Addr, r.Config, api)) {
		paths = append(paths, d.Path)
	}
	return strings.Join(paths, " ")
}

func TestNetworkIsComparedAsEnginesShowIt(t *testing.T) {
	pool := func(cs ...network.IPAMConfig) network.IPAM { return network.IPAM{Driver: "default", Config: cs} }
	bridge := network.Summary{Driver: "bridge", EnableIPv4: true,
		IPAM: pool(network.IPAMConfig{Subnet: "172.18.0.0/16", Gateway: "172.18.0.1"})}
	with := func(change func(*network.Summary)) network.Summary { n := bridge; change(&n); return n }
	const subnet = "{ ipam: { config: [{ subnet: 10.1.0.0/24 }] } }"
	for name, c := range map[string]struct {
		text string
		n    network.Summary
		api  string
		want string
	}{
		"the engine's own choice":  {"", bridge, "1.51", ""},
		"20.10 does not show IPv4": {"", with(func(n *network.Summary) { n.EnableIPv4 = false }), "1.41", ""},
		"IPv4 turned off": {"", with(func(n *network.Summary) { n.EnableIPv4, n.EnableIPv6 = false, true }), "1.51",
			"enable_ipv4 enable_ipv6"},
		"29 adds the gateway": {subnet, with(func(n *network.Summary) {
			n.IPAM = pool(network.IPAMConfig{Subnet: "10.1.0.0/24", Gateway: "10.1.0.1"})
		}), "1.51", ""},
		"host bits, as 20.10 keeps them": {subnet, with(func(n *network.Summary) { n.IPAM = pool(network.IPAMConfig{Subnet: "10.1.0.7/24"}) }),
			"1.41", ""},
		"another subnet": {subnet, bridge, "1.51", "ipam.config[0].subnet"},
		"a second subnet": {subnet, with(func(n *network.Summary) {
			n.IPAM = pool(network.IPAMConfig{Subnet: "10.1.0.0/24"}, network.IPAMConfig{Subnet: "10.2.0.0/24"})
		}), "1.51", "ipam.config[1]"},
		"another order": {"{ enable_ipv6: true, ipam: { config: [{ subnet: 10.1.0.0/24 }, { subnet: \"fd00::/64\" }] } }",
			with(func(n *network.Summary) {
				n.EnableIPv6 = true
				n.IPAM = pool(network.IPAMConfig{Subnet: "FD00::/64"}, network.IPAMConfig{Subnet: "10.1.0.0/24"})
			}), "1.51", ""},
		"another gateway": {"{ ipam: { config: [{ subnet: 10.1.0.0/24, gateway: 10.1.0.9 }] } }", with(func(n *network.Summary) {
			n.IPAM = pool(network.IPAMConfig{Subnet: "10.1.0.0/24", Gateway: "10.1.0.1"})
		}), "1.51", "ipam.config[0].gateway"},
		"a subnet of the version that has none": {"{ enable_ipv6: true, ipam: { config: [{ subnet: \"fd00::/64\" }] } }",
			with(func(n *network.Summary) {
				n.EnableIPv6 = true
				n.IPAM = pool(network.IPAMConfig{Subnet: "172.18.0.0/16", Gateway: "172.18.0.1"}, network.IPAMConfig{Subnet: "fd00::/64"})
			}), "1.41", ""},
		"an IPv6 subnet from the engine's own": {"{ enable_ipv6: true, ipam: { config: [{ subnet: 10.1.0.0/24 }] } }",
			with(func(n *network.Summary) {
				n.EnableIPv6 = true
				n.IPAM = pool(network.IPAMConfig{Subnet: "10.1.0.0/24"}, network.IPAMConfig{Subnet: "fd12::/64", Gateway: "fd12::1"})
			}), "1.51", ""},
		"options that the daemon adds": {"{ driver_opts: { a: b } }",
			with(func(n *network.Summary) { n.Options = map[string]string{"a": "b", "mtu": "1450"} }), "1.51", ""},
		"an option that differs": {"{ driver_opts: { a: b } }", with(func(n *network.Summary) { n.Options = map[string]string{"a": "c"} }),
			"1.51", "driver_opts.a"},
		"protect is no difference":   {"{ protect: true }", bridge, "1.51", ""},
		"internal":                   {"{ internal: true }", bridge, "1.51", "internal"},
		"labels are ours and theirs": {"{ labels: { a: b } }", bridge, "1.51", "labels.a"},
	} {
		if got := seenAs(t, c.text, c.n, c.api); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// What was applied and is declared no longer is a difference as long as it is
// there.
func TestPartsOfIPAMThatLeftTheSpec(t *testing.T) {
	const subnets = "{ subnet: 10.1.0.0/24 }, { subnet: \"fd00::/64\" }"
	v4 := network.IPAMConfig{Subnet: "10.1.0.0/24", Gateway: "10.1.0.9"}
	v6 := network.IPAMConfig{Subnet: "fd00::/64"}
	for _, c := range []struct {
		before, now string
		config      []network.IPAMConfig
		want        string
	}{
		{"{ ipam: { config: [{ subnet: 10.1.0.0/24, gateway: 10.1.0.9 }] } }", "{ ipam: { config: [{ subnet: 10.1.0.0/24 }] } }",
			[]network.IPAMConfig{v4}, "ipam.config[0].gateway"},
		{"{ enable_ipv6: true, ipam: { config: [" + subnets + "] } }", "{ enable_ipv6: true, ipam: { config: [{ subnet: \"fd00::/64\" }] } }",
			[]network.IPAMConfig{v6, v4}, "ipam.config[0]"},
	} {
		one := func(text string) *resources.Resource {
			set, ps := declared(t, "networks: { a: "+text+" }")
			if ps.Errors() > 0 {
				t.Fatal(ps)
			}
			return set.Of("network")[0]
		}
		before, now := one(c.before), one(c.now)
		n := network.Summary{Name: now.Config.Text("name"), Driver: "bridge", EnableIPv4: true, EnableIPv6: now.Config.Bool("enable_ipv6"),
			Labels: ownLabels(before, networkTable.Marked(before.Config)), IPAM: network.IPAM{Driver: "default", Config: c.config}}
		delta := (networkKind{}).Compare(now, observeNetwork(n, now.Addr, now.Config, "1.51"))
		var paths []string
		for _, d := range delta {
			paths = append(paths, d.Path)
			if !d.Pending || d.Drift {
				t.Errorf("%s: %v", c.now, d)
			}
		}
		if got := strings.Join(paths, " "); got != c.want {
			t.Errorf("%s: %s, want %s", c.now, got, c.want)
		}
	}
}

func TestOneOfSeveralNetworks(t *testing.T) {
	r := &resources.Resource{Addr: resources.NewAddr("network", "a"), Stack: "s", Config: resources.Config{"name": "s_a"}}
	ours := map[string]string{labelStack: "s", labelAddress: "network/a"}
	at := func(id, name string, labels map[string]string) network.Summary {
		return network.Summary{ID: id, Name: name, Labels: labels, Created: time.Unix(1, 0)}
	}
	for want, all := range map[string][]network.Summary{
		"1": {at("1", "s_a", nil)},
		"2": {at("1", "s_a", nil), at("2", "s_a", ours)},
		"3": {at("1", "other", nil), at("3", "renamed", ours)},
		"4": {at("3", "renamed", ours), at("4", "s_a", ours)},
		"":  {at("1", "s_ab", nil)},
	} {
		got := ""
		if n := pickNetwork(all, r); n != nil {
			got = n.ID
		}
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestOwners(t *testing.T) {
	for want, labels := range map[string]map[string]string{
		`stack "s"`:               {labelStack: "s"},
		`Compose project "infra"`: {"com.docker.compose.project": "infra"},
		`swarm stack "x"`:         {"com.docker.stack.namespace": "x"},
		"nobody that midaz knows": {"a": "b"},
	} {
		if got := ownerText(labels); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if appliedOf(map[string]string{labelSpec: "no json"}) != nil || appliedOf(nil) != nil {
		t.Error("a label of someone else is taken for ours")
	}
}

func TestVolumeIsCompared(t *testing.T) {
	set, _ := declared(t, "volumes: { data: { driver_opts: { type: tmpfs }, labels: { a: b } } }")
	r := set.Of("volume")[0]
	v := &volume.Volume{Name: r.Config.Text("name"), Driver: "local", Options: map[string]string{"type": "tmpfs"},
		Labels: ownLabels(r, volumeTable.Marked(r.Config))}
	v.Labels["a"] = "b"
	o := observeVolume(v, r.Addr, r.Config)
	if d := (volumeKind{}).Compare(r, o); len(d) != 0 || !o.Protected || o.Stack != r.Stack {
		t.Errorf("%v %+v", d, o)
	}
	v.Labels = map[string]string{"com.docker.compose.project": "p"}
	d := (volumeKind{}).Compare(r, observeVolume(v, r.Addr, r.Config))
	if len(d) != 2 || d[0].Field != "owner" || d[0].Cost != resources.InPlace || d[1].Path != "labels.a" {
		t.Errorf("%v", d)
	}
	if h := (volumeKind{}).Hazards(resources.Replace, r, o); len(h) != 1 || h[0].Code != resources.DataLoss {
		t.Errorf("%v", h)
	}
	if h := (volumeKind{}).Hazards(resources.Create, r, nil); len(h) != 0 {
		t.Errorf("%v", h)
	}
}

func TestEndpointIsRemembered(t *testing.T) {
	c := &container.InspectResponse{ContainerJSONBase: &container.ContainerJSONBase{ID: "0123456789abcdef"}}
	ep := settingsOf(&network.EndpointSettings{Aliases: []string{"web", "0123456789ab", "web"}, IPAddress: "10.1.0.3",
		MacAddress: "02:42:0a:01:00:03", NetworkID: "x",
		IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: "10.1.0.77", IPv6Address: "fd00::7"}}, c)
	if strings.Join(ep.Aliases, ",") != "web" || ep.IPAddress != "" || ep.MacAddress != "" || ep.NetworkID != "" {
		t.Errorf("%+v", ep)
	}
	n := network.Inspect{IPAM: network.IPAM{Config: []network.IPAMConfig{{Subnet: "10.1.0.0/24"}}}}
	if got := fitting(ep, n).IPAMConfig; got.IPv4Address != "10.1.0.77" || got.IPv6Address != "" || ep.IPAMConfig.IPv6Address == "" {
		t.Errorf("%+v", got)
	}
}

func TestNetworksThatExcludeOneAnother(t *testing.T) {
	const pool = "ipam: { config: [{ subnet: %s }] }"
	have := &resources.Observed{Have: resources.Config{"driver_opts": map[string]any{"com.docker.network.bridge.name": "br7", "mtu": "1400"}},
		Native: &seenNetwork{inspect: network.Inspect{IPAM: network.IPAM{Config: []network.IPAMConfig{{Subnet: "10.1.0.0/16"}}}}}}
	for text, want := range map[string]bool{
		"{ " + fmt.Sprintf(pool, "10.1.7.0/24") + " }":                            true,
		"{ " + fmt.Sprintf(pool, "10.2.0.0/24") + " }":                            false,
		"{ driver_opts: { com.docker.network.bridge.name: br7 } }":                true,
		"{ driver_opts: { com.docker.network.bridge.name: br8, mtu: \"1400\" } }": false,
		"": false,
	} {
		set, _ := declared(t, "networks: { n: "+text+" }\nservices: { s: { image: a:1, networks: [n] } }")
		if got := (networkKind{}).Rivals(set.Of("network")[0], have, false); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
