package docker

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"

	"github.com/LerianStudio/midaz-infra/resources/dockerapi"
)

// sharing is an engine with the container side, in the network of mid, which is in
// that of web. Web has the address 127.0.0.1.
func sharing(t *testing.T) (*Engine, *shelf) {
	t.Helper()
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := newShelf(newModel("1.41"))
	in := ""
	for i, name := range []string{"web", "mid", "side"} {
		s.containers["test-"+name] = &container.InspectResponse{
			ContainerJSONBase: &container.ContainerJSONBase{ID: idOf(name), Name: "/test-" + name,
				State: &container.State{Running: true, Status: container.StateRunning,
					StartedAt: began.Add(time.Duration(i) * time.Second).Format(time.RFC3339Nano)},
				HostConfig: &container.HostConfig{NetworkMode: container.NetworkMode(in)}},
			Config:          &container.Config{},
			NetworkSettings: &container.NetworkSettings{},
		}
		in = "container:" + idOf(name)
	}
	s.containers["test-web"].NetworkSettings.Networks = map[string]*network.EndpointSettings{"n": {IPAddress: "127.0.0.1"}}
	b := &busy{shelf: s}
	e := newEngine(t.Context(), b, dockerapi.EngineHost{})
	t.Cleanup(e.pulse.close)
	e.local = true
	return e, s
}

// A container in the network of another one has no address of its own.
func TestGateReachesAContainerInTheNetworkOfAnother(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	_, listens, _ := net.SplitHostPort(server.Listener.Addr().String())
	port, _ := strconv.Atoi(listens)
	for name, c := range map[string]struct {
		change func(e *Engine, web *container.InspectResponse)
		err    string // "" when it answers
	}{
		"by its address": {func(*Engine, *container.InspectResponse) {}, ""},
		"by its published port": {func(e *Engine, web *container.InspectResponse) {
			e.local = false
			web.NetworkSettings.Ports = nat.PortMap{nat.Port(listens + "/tcp"): {{HostIP: "0.0.0.0", HostPort: listens}}}
		}, ""},
		"the host's": {func(_ *Engine, web *container.InspectResponse) {
			web.NetworkSettings.Networks, web.HostConfig.NetworkMode = nil, "host"
		}, ""},
		"gone": {func(_ *Engine, web *container.InspectResponse) { web.ID = idOf("another") }, "whose network it shares, is gone"},
		"stopped": {func(_ *Engine, web *container.InspectResponse) { web.State.Running, web.State.Status = false, "exited" },
			"test-web, whose network it shares, does not run: it is exited"},
		"started after": {func(_ *Engine, web *container.InspectResponse) { web.State.StartedAt = "2026-01-02T00:00:00Z" },
			"test-web, whose network it shares, was started after it"},
		"in a circle": {func(_ *Engine, web *container.InspectResponse) {
			web.State.StartedAt, web.HostConfig.NetworkMode = "2025-01-01T00:00:00Z", container.NetworkMode("container:"+idOf("mid"))
		}, "test-mid shares its own network"},
	} {
		t.Run(name, func(t *testing.T) {
			e, s := sharing(t)
			c.change(e, s.containers["test-web"])
			g := &gate{w: containerWriter{e}, id: idOf("side")}
			asked, err := g.http(&httpProbe{Scheme: "http", Port: port, Path: "/"})
			if err != nil {
				t.Fatal(err)
			}
			for _, cond := range []*condition{g.tcp(tcpProbe{Port: port}), asked} {
				ok, said, err := cond.probe(t.Context(), s.containers["test-side"])
				if ok != (c.err == "") || err != nil || !strings.Contains(said, c.err) {
					t.Errorf("%s: %v, %q, %v", cond.name, ok, said, err)
				}
			}
		})
	}
}
