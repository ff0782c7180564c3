package docker

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// collect returns a Report that keeps the codes.
func collect(into *[]string) resources.Report {
	return func(p *specs.Problem) { *into = append(*into, p.Rule.Code) }
}

// running returns a container that runs, as inspect shows it.
func running(host *container.HostConfig, mounts ...container.MountPoint) *container.InspectResponse {
	return &container.InspectResponse{
		ContainerJSONBase: &container.ContainerJSONBase{ID: "1", Name: "/s-web", State: &container.State{Running: true, Status: "running"},
			HostConfig: host},
		Config: &container.Config{}, Mounts: mounts, NetworkSettings: &container.NetworkSettings{},
	}
}

func TestOrderOfReplacement(t *testing.T) {
	ports := nat.PortMap{"80/tcp": {{HostPort: "8080"}}}
	at := func(address string) *container.InspectResponse {
		c := running(&container.HostConfig{})
		c.NetworkSettings.Networks = map[string]*network.EndpointSettings{"test_default": {IPAddress: address}}
		return c
	}
	mac := running(&container.HostConfig{})
	mac.NetworkSettings.Networks = map[string]*network.EndpointSettings{"test_default": {MacAddress: "02:00:00:00:00:07"}}
	given := running(&container.HostConfig{PortBindings: nat.PortMap{"80/tcp": {{HostPort: "8080-8090"}}}})
	given.NetworkSettings.Ports = nat.PortMap{"80/tcp": {{HostPort: "8083"}}}
	for name, c := range map[string]struct {
		fields string
		old    *container.InspectResponse
		first  bool
	}{
		"nothing shared":     {"{}", running(&container.HostConfig{}), true},
		"the spec says stop": {"{update: {order: stop_first}}", running(&container.HostConfig{}), false},
		"a fixed port":       {"{ports: [\"8080:80\"]}", running(&container.HostConfig{PortBindings: ports}), false},
		"a fixed port, spec or not": {"{ports: [\"8080:80\"], update: {order: start_first}}",
			running(&container.HostConfig{PortBindings: ports}), false},
		"another fixed port, by spec": {"{ports: [\"8081:80\"], update: {order: start_first}}",
			running(&container.HostConfig{PortBindings: ports}), true},
		"another fixed port":      {"{ports: [\"8081:80\"]}", running(&container.HostConfig{PortBindings: ports}), true},
		"a port it was given":     {"{ports: [\"8083:80\"]}", given, false},
		"a port it was not given": {"{ports: [\"8084:80\"]}", given, true},
		"any port":                {"{ports: [\"80\"]}", running(&container.HostConfig{}), true},
		"host network":            {"{network_mode: host}", running(&container.HostConfig{}), false},
		"a volume both write": {"{volumes: [\"data:/x\"]}",
			running(&container.HostConfig{}, container.MountPoint{Type: "volume", Name: "test_data", RW: true}), false},
		"a volume one writes": {"{volumes: [\"data:/x:ro\"]}",
			running(&container.HostConfig{}, container.MountPoint{Type: "volume", Name: "test_data", RW: true}), true},
		"a folder both write": {"{volumes: [{type: bind, source: /srv, target: /x}]}",
			running(&container.HostConfig{}, container.MountPoint{Type: "bind", Source: "/srv", RW: true}), false},
		"a folder with SELinux label": {"{volumes: [\"/srv:/x:z\"]}",
			running(&container.HostConfig{}, container.MountPoint{Type: "bind", Source: "/srv", RW: true}), false},
		"a folder one writes": {"{volumes: [\"/srv:/x:ro\"]}",
			running(&container.HostConfig{}, container.MountPoint{Type: "bind", Source: "/srv", RW: true}), true},
		"a volume without a name": {"{}", running(&container.HostConfig{},
			container.MountPoint{Type: "volume", Name: strings.Repeat("a", 64), Destination: "/x", RW: true}), false},
		"a fixed address":              {"{networks: {default: {ipv4_address: 10.1.0.7}}}", running(&container.HostConfig{}), false},
		"its address, spec or not":     {"{networks: {default: {ipv4_address: 10.1.0.7}}, update: {order: start_first}}", at("10.1.0.7"), false},
		"another address, by spec":     {"{networks: {default: {ipv4_address: 10.1.0.7}}, update: {order: start_first}}", at("10.1.0.8"), true},
		"its MAC address, spec or not": {"{mac_address: 02:00:00:00:00:07, update: {order: start_first}}", mac, false},
		"the old one does not run":     {"{}", &container.InspectResponse{ContainerJSONBase: &container.ContainerJSONBase{State: &container.State{}, HostConfig: &container.HostConfig{}}}, false},
	} {
		fields := strings.Replace(c.fields, "{", "{image: x, ", 1)
		set, ps := declared(t, "services: { web: "+fields+
			" }\nvolumes: { data: }\nnetworks: { default: { ipam: { config: [{ subnet: 10.1.0.0/24 }] } } }")
		if ps.Errors() > 0 {
			t.Fatal(name, ps)
		}
		r := set.Get(resources.NewAddr("service", "web"))
		for _, api := range []string{"1.41", "1.51"} {
			req, err := newRequest(r, &facts{API: api})
			if err != nil {
				t.Fatal(err)
			}
			got := orderOf(r, req, c.old)
			if got.startFirst != c.first || got.why == "" {
				t.Errorf("%s, API %s: %+v", name, api, got)
			}
			if plan, _, ok := (containerKind{name: "service"}).planned(r, &resources.Observed{Native: &seenContainer{inspect: *c.old}}); !ok ||
				plan != got {
				t.Errorf("%s, API %s: the plan says %+v, the swap %+v", name, api, plan, got)
			}
		}
	}
}

func TestStartedWithoutAllItNeeds(t *testing.T) {
	host := &container.HostConfig{NetworkMode: "n", PortBindings: nat.PortMap{"80/tcp": {{HostPort: "8080"}}, "81/tcp": {{HostPort: "0"}}}}
	good := map[string]*network.EndpointSettings{"n": {EndpointID: "e"}}
	published := nat.PortMap{"80/tcp": {{HostPort: "8080"}}}
	for name, c := range map[string]struct {
		networks map[string]*network.EndpointSettings
		ports    nat.PortMap
		host     *container.HostConfig
		whole    bool
	}{
		"all there":   {good, published, host, true},
		"no network":  {nil, published, host, false},
		"no endpoint": {map[string]*network.EndpointSettings{"n": {}}, published, host, false},
		"no port":     {good, nil, host, false},
		"the host's":  {nil, nil, &container.HostConfig{NetworkMode: "host"}, true},
	} {
		c2 := running(c.host)
		c2.NetworkSettings.Networks = c.networks
		c2.NetworkSettings.Ports = c.ports
		if err := whole(c2); (err == nil) != c.whole {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPortInUse(t *testing.T) {
	for text, want := range map[string]string{
		"driver failed programming external connectivity on endpoint a-b (0f12): Bind for 127.0.0.1:5701 failed: port is already allocated": "127.0.0.1 5701",
		"Bind for 0.0.0.0:80 failed: port is already allocated":                                                                             "0.0.0.0 80",
		"driver failed programming external connectivity on endpoint x (ab:cd): Error starting userland proxy: listen tcp4 127.0.0.1:5701: " +
			"bind: address already in use": "127.0.0.1 5701",
		"failed to bind host port for [::1]:5701:172.18.0.2:5432/tcp: address already in use": "[::1] 5701",
	} {
		m := portInUse.FindStringSubmatch(text)
		if m == nil || m[1]+" "+m[2] != want {
			t.Errorf("%s: %q, want %s", text, m, want)
		}
	}
	a, b, all := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("0.0.0.0")
	if !overlaps(a, a) || overlaps(a, b) || !overlaps(a, all) || !overlaps(netip.Addr{}, b) {
		t.Error("addresses are not told apart")
	}
}

func TestProcessThatHoldsAPort(t *testing.T) {
	if _, err := os.Stat("/proc/net/tcp"); err != nil {
		t.Skip(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := uint16(l.Addr().(*net.TCPAddr).Port)
	if got := holdingProcess(port, "tcp"); !strings.HasSuffix(got, "(pid "+strconv.Itoa(os.Getpid())+")") {
		t.Error(got)
	}
	_ = l.Close()
	if got := holdingProcess(port, "tcp"); got != "" {
		t.Error(got)
	}
}

// eventless is an engine whose events are what the test sends.
type eventless struct {
	readAPI
	messages chan events.Message
	errs     chan error
	since    chan string
}

func (e *eventless) Events(_ context.Context, o events.ListOptions) (<-chan events.Message, <-chan error) {
	e.since <- o.Since
	return e.messages, e.errs
}

func woken(t *testing.T, wake <-chan struct{}) {
	t.Helper()
	select {
	case <-wake:
	case <-time.After(10 * time.Second):
		t.Fatal("not woken")
	}
}

func TestPulse(t *testing.T) {
	api := &eventless{messages: make(chan events.Message), errs: make(chan error), since: make(chan string, 10)}
	p := newPulse(api, func() string { return "2026-01-01T00:00:00Z" })
	defer p.close()
	a, endA := p.watch("a")
	b, endB := p.watch("b")
	defer endB()
	if got := <-api.since; got != "2026-01-01T00:00:00Z" {
		t.Errorf("since %s", got)
	}
	api.messages <- events.Message{Action: events.ActionDie, Actor: events.Actor{ID: "a", Attributes: map[string]string{"exitCode": "7"}},
		TimeNano: 1_700_000_000_000_000_005}
	woken(t, a)
	if code, ok := p.exit("a"); !ok || code != 7 {
		t.Errorf("exit %d %v", code, ok)
	}
	select {
	case <-b:
		t.Error("another container's event wakes it")
	default:
	}
	// The stream ends when the engine restarts: all are woken, and the next one
	// begins where this one ended.
	api.errs <- errors.New("unexpected EOF")
	woken(t, a)
	woken(t, b)
	if got := <-api.since; got != "1700000000.000000005" {
		t.Errorf("since %s", got)
	}
	endA()
	endA()
	api.messages <- events.Message{Actor: events.Actor{ID: "b"}}
	woken(t, b)
	if len(p.wakes["a"]) != 0 {
		t.Error("an ended watch is kept")
	}
}

func TestLogLines(t *testing.T) {
	var got []string
	w := &lineWriter{stamped: true, line: func(l LogLine) { got = append(got, l.At.UTC().Format("15:04:05")+" "+l.Text) }}
	for _, part := range []string{"2026-01-01T10:00:00.5Z on", "e\r\n2026-01-01T10:00:01Z two\n2026-01-01T10:00", ":02Z three"} {
		_, _ = w.Write([]byte(part))
	}
	w.end()
	if s := strings.Join(got, "|"); s != "10:00:00 one|10:00:01 two|10:00:02 three" {
		t.Error(s)
	}
	got = nil
	_, _ = w.Write([]byte(strings.Repeat("x", maxLogLine+5)))
	w.end()
	if len(got) == 0 || len(w.rest) != 0 {
		t.Error("a line without an end is kept in memory")
	}
}

func TestRememberedPolicy(t *testing.T) {
	for text, want := range map[string]container.RestartPolicy{
		"always": {Name: "always"}, "on-failure:3": {Name: "on-failure", MaximumRetryCount: 3}, "no": {Name: "no"}, "": {}, "nonsense": {},
	} {
		c := running(&container.HostConfig{})
		c.Config.Labels = map[string]string{labelSpec: resources.Seal(resources.Config{"restart": text}).String()}
		if got := rememberedPolicy(c); got != want {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

func TestFileStamp(t *testing.T) {
	a := file{Target: "/a", Mode: 0o644, Content: "x", SHA256: "1"}
	b := a
	b.Mode = 0o600
	if !a.stamp().Equal(a.stamp()) || a.stamp().Equal(b.stamp()) || a.stamp().After(time.Now()) {
		t.Errorf("%s %s", a.stamp(), b.stamp())
	}
}
