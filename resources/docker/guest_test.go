package docker

import (
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"

	"github.com/LerianStudio/midaz-infra/resources"
)

func TestGuestsOfANetworkAreAHazard(t *testing.T) {
	guests := []guest{{Name: "theirs", Owner: " of stack \"b\"", MAC: "02:00:00:00:00:07", Publishes: true}}
	for _, c := range []struct {
		text   string
		action resources.Action
		guests []guest
		code   string
		says   []string
	}{
		{"{ internal: true }", resources.Replace, guests, resources.ConnectionLoss,
			[]string{"container theirs of stack \"b\"", "02:00:00:00:00:07", "published ports stop"}},
		{"{ labels: {a: b} }", resources.Replace, guests, resources.ConnectionLoss, []string{"theirs"}},
		{"{ name: other }", resources.Replace, guests, resources.Refused, []string{"theirs", "keep the name"}},
		{"{ internal: true }", resources.Replace, nil, "", nil},
		{"{ internal: true }", resources.Update, guests, "", nil},
	} {
		set, _ := declared(t, "networks: { a: "+c.text+" }")
		r := set.Of("network")[0]
		have := &resources.Observed{Have: resources.Config{"name": engineName(set.Stack, "a", "")}, Native: &seenNetwork{guests: c.guests}}
		got := (networkKind{}).Hazards(c.action, r, have)
		if c.code == "" {
			if len(got) > 0 {
				t.Errorf("%s: %v", c.text, got)
			}
			continue
		}
		if len(got) != 1 || got[0].Code != c.code || c.code == resources.ConnectionLoss && !got[0].Consent {
			t.Fatalf("%s: %+v", c.text, got)
		}
		for _, s := range c.says {
			if !strings.Contains(got[0].Msg, s) {
				t.Errorf("%s: %q does not say %q", c.text, got[0].Msg, s)
			}
		}
		if strings.Contains(got[0].Msg, "stop answering") != strings.Contains(c.text, "internal") {
			t.Errorf("%s: %q", c.text, got[0].Msg)
		}
	}
}

func TestGuestOf(t *testing.T) {
	c := running(&container.HostConfig{NetworkMode: "n", PortBindings: nat.PortMap{"80/tcp": {{HostPort: "8080"}}}})
	c.Config.MacAddress = "02:00:00:00:00:0A" //nolint:staticcheck // there is no other place
	c.NetworkSettings.Networks = map[string]*network.EndpointSettings{"n": {}}
	if g := guestOf(c, &network.Inspect{Name: "n"}, nil); g.MAC != "02:00:00:00:00:0a" || !g.Publishes {
		t.Errorf("%+v", g)
	}
	c.NetworkSettings.Networks["m"] = &network.EndpointSettings{}
	if g := guestOf(c, &network.Inspect{Name: "m"}, nil); g.MAC != "" || g.Publishes {
		t.Errorf("on its second network: %+v", g)
	}
}

func TestWhatAnEndpointLacks(t *testing.T) {
	want := &network.EndpointSettings{Aliases: []string{"a"}, Links: []string{"b:c"}, DriverOpts: map[string]string{"k": "v"},
		IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: "10.1.0.7"}}
	if got := lacks(want.Copy(), want); got != "" {
		t.Errorf("lacks %q", got)
	}
	for what, cut := range map[string]func(*network.EndpointSettings){
		"aliases":        func(e *network.EndpointSettings) { e.Aliases = nil },
		"links":          func(e *network.EndpointSettings) { e.Links = nil },
		"driver options": func(e *network.EndpointSettings) { e.DriverOpts = nil },
		"fixed address":  func(e *network.EndpointSettings) { e.IPAMConfig = nil },
	} {
		now := want.Copy()
		if cut(now); lacks(now, want) != what {
			t.Errorf("without %s: %q", what, lacks(now, want))
		}
	}
}

func TestContainersThatRestartAllTheTime(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 1, 0, 0, time.UTC)
	ago := func(d time.Duration) string { return now.Add(-d).Format(time.RFC3339Nano) }
	for name, c := range map[string]struct {
		state    *container.State
		restarts int
		want     bool
	}{
		"between two starts":      {&container.State{Running: true, Restarting: true}, 3, true},
		"started again right now": {&container.State{Running: true, StartedAt: ago(time.Second)}, 3, true},
		"well since":              {&container.State{Running: true, StartedAt: ago(time.Minute)}, 3, false},
		"never restarted":         {&container.State{Running: true, StartedAt: ago(time.Second)}, 0, false},
		"ended":                   {&container.State{StartedAt: ago(time.Second)}, 3, false},
		"not known":               {nil, 3, false},
	} {
		if got := isLooping(c.state, c.restarts, now); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
