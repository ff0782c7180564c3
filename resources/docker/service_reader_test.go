package docker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/system"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/dockerapi"
	"github.com/LerianStudio/midaz-infra/specs"
)

// shelf is an engine that only shows what was put on it.
type shelf struct {
	readAPI    // panics on calls that no test expects
	m          *model
	containers map[string]*container.InspectResponse // by name
	networks   []network.Summary
	volumes    []*volume.Volume
	images     map[string]image.InspectResponse
	stuck      string // a container that never answers

	mu    sync.Mutex
	calls map[string]int
}

func newShelf(m *model) *shelf {
	img := image.InspectResponse{ID: "sha256:" + idOf("image"), Config: m.image}
	return &shelf{m: m, containers: map[string]*container.InspectResponse{}, calls: map[string]int{},
		images: map[string]image.InspectResponse{"app:1": img, img.ID: img}}
}

func (s *shelf) count(call string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[call]++
}

func (s *shelf) ClientVersion() string                     { return s.m.api }
func (s *shelf) Info(context.Context) (system.Info, error) { s.count("info"); return s.m.info, nil }
func (s *shelf) NetworkList(context.Context, network.ListOptions) ([]network.Summary, error) {
	s.count("networks")
	return s.networks, nil
}

func (s *shelf) VolumeList(_ context.Context, o volume.ListOptions) (volume.ListResponse, error) {
	s.count(map[bool]string{true: "records", false: "volumes"}[o.Filters.ExactMatch("label", labelRecord) && o.Filters.Len() > 0])
	var out []*volume.Volume
	for _, v := range s.volumes {
		if o.Filters.MatchKVList("label", v.Labels) {
			out = append(out, v)
		}
	}
	return volume.ListResponse{Volumes: out}, nil
}

func (s *shelf) ContainerList(_ context.Context, o container.ListOptions) ([]container.Summary, error) {
	s.count("list")
	var out []container.Summary
	for name, c := range s.containers {
		if o.Filters.MatchKVList("label", c.Config.Labels) && (!o.Filters.Contains("id") || o.Filters.ExactMatch("id", c.ID)) {
			out = append(out, container.Summary{ID: c.ID, Names: []string{"/" + name}, ImageID: c.Image, Labels: c.Config.Labels,
				State: c.State.Status})
		}
	}
	return out, nil
}

func (s *shelf) ContainerInspect(ctx context.Context, ref string) (container.InspectResponse, error) {
	s.count("inspect")
	for name, c := range s.containers {
		if name != ref && !strings.HasPrefix(c.ID, ref) { // like the engine, which takes the beginning of an ID too
			continue
		}
		if name == s.stuck {
			<-ctx.Done()
			return container.InspectResponse{}, fmt.Errorf("inspect: %w", ctx.Err())
		}
		return *c, nil
	}
	return container.InspectResponse{}, fmt.Errorf("no such container: %w", cerrdefs.ErrNotFound)
}

func (s *shelf) ImageInspect(_ context.Context, ref string, _ ...client.ImageInspectOption) (image.InspectResponse, error) {
	s.count("image")
	if img, ok := s.images[ref]; ok {
		return img, nil
	}
	return image.InspectResponse{}, fmt.Errorf("no such image: %w", cerrdefs.ErrNotFound)
}

// put makes the container of a resource under a name, with further labels.
func (s *shelf) put(t *testing.T, r *resources.Resource, name, status string, labels ...string) *container.InspectResponse {
	t.Helper()
	req := s.m.request(t, r)
	if name != "" {
		req.Name = name
	}
	c := s.m.show(req, status)
	for _, l := range labels {
		key, value, _ := strings.Cut(l, "=")
		c.Config.Labels[key] = value
	}
	s.containers[req.Name] = c
	for net := range c.NetworkSettings.Networks {
		if !slices.ContainsFunc(s.networks, func(n network.Summary) bool { return n.Name == net }) {
			s.networks = append(s.networks, network.Summary{Name: net, ID: idOf("network " + net),
				Labels: map[string]string{labelStack: "test", labelAddress: "network/" + strings.TrimPrefix(net, "test_")}})
		}
	}
	return c
}

func (s *shelf) observe(t *testing.T, kind string, owned bool, want ...*resources.Resource) map[string]*resources.Observed {
	t.Helper()
	e := newReadEngine(t.Context(), s, dockerapi.EngineHost{})
	all, err := (containerReader{e, containerKind{kind}}).Observe(t.Context(), resources.Scope{Stack: "test", Want: want, Owned: owned})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]*resources.Observed{}
	for _, o := range all {
		if out[o.Addr.String()] != nil {
			t.Errorf("%s stands twice", o.Addr)
		}
		out[o.Addr.String()] = o
	}
	return out
}

func web(t *testing.T, fields string) *resources.Resource {
	t.Helper()
	r, ps := one(t, "service", "image: app:1\n"+fields)
	if err := ps.Err(); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestObserveFindsWhatIsThere(t *testing.T) {
	s := newShelf(newModel("1.41"))
	r := web(t, "environment: {A: b}")
	s.put(t, r, "", "running")
	other := *r
	other.Addr = resources.NewAddr("service", "gone")
	s.put(t, &other, "test-gone", "running", labelAddress+"=service/gone", labelProtect+"=true")
	s.put(t, r, "test-job", "exited", labelAddress+"=job/init")
	s.put(t, r, "elsewhere", "running", labelStack+"=other")

	seen := s.observe(t, "service", true, r)
	if len(seen) != 2 {
		t.Fatalf("observed %v", slices.Sorted(maps.Keys(seen)))
	}
	o := seen["service/web"]
	if o.Presence != resources.Present || o.Stack != "test" || o.State != "running" || o.ID != s.containers["test-web"].ID ||
		!o.Applied.Has("environment") {
		t.Errorf("%+v", o)
	}
	if len(o.Refs) != 1 || o.Refs[0].To.Kind != "network" || o.Refs[0].ID == "" || o.Refs[0].Bind != resources.Hold {
		t.Errorf("refs %v", o.Refs)
	}
	if delta := (containerKind{"service"}).Compare(r, o); len(delta) > 0 {
		t.Errorf("differs: %v", delta)
	}
	if o := seen["service/gone"]; !o.Protected || o.Stack != "test" {
		t.Errorf("an orphan: %+v", o)
	}
	if s.calls["list"] != 1 || s.calls["networks"] != 1 || s.calls["info"] != 1 || s.calls["inspect"] != 2 || s.calls["image"] != 2 {
		t.Errorf("calls: %v", s.calls)
	}
}

func TestObserveKnowsOwners(t *testing.T) {
	r := web(t, "container_name: shared")
	for _, c := range []struct {
		name, label  string
		stack, owner string
		presence     resources.Presence
	}{
		{"nobody's", labelStack + "=", "", "", resources.Present},
		{"Compose's", "com.docker.compose.project=infra", "", `Compose project "infra"`, resources.Present},
		{"another stack's", labelStack + "=other", "other", "", resources.Present},
		{"another resource's of ours", labelAddress + "=service/old", "", "", resources.Absent},
	} {
		s := newShelf(newModel("1.51"))
		at := s.put(t, r, "shared", "running", c.label)
		if !strings.HasPrefix(c.label, labelAddress) && !strings.HasPrefix(c.label, labelStack) {
			delete(at.Config.Labels, labelStack)
		}
		o := s.observe(t, "service", true, r)["service/web"]
		if o.Presence != c.presence || o.Stack != c.stack || o.Owner != c.owner {
			t.Errorf("%s: %+v", c.name, o)
		}
	}
	s := newShelf(newModel("1.51"))
	c := s.put(t, r, "unrelated", "running", labelStack+"=other")
	c.ID = "shared" + c.ID[6:] // the engine finds it by the beginning of its ID
	if o := s.observe(t, "service", false, r)["service/web"]; o.Presence != resources.Absent {
		t.Errorf("an ID that begins with the name: %+v", o)
	}
}

func TestObserveSortsOutWhatAKilledRunLeft(t *testing.T) {
	for _, c := range []struct {
		name  string
		there []string // "name state", gen is the digit at the end
		main  string   // "" for absent
		left  int
	}{
		{"one", []string{"test-web running"}, "test-web", 0},
		{"created beside", []string{"test-web running", "test-web.new-2 created"}, "test-web", 1},
		{"old one set aside", []string{"test-web.old-2 exited", "test-web.new-2 created"}, "test-web.old-2", 1},
		{"old one not removed", []string{"test-web running", "test-web.old-2 exited"}, "test-web", 1},
		{"rolled back", []string{"test-web running", "test-web.bad-2 exited"}, "test-web", 1},
		{"in the middle of going back", []string{"test-web.old-2 exited", "test-web.bad-2 exited"}, "test-web.old-2", 1},
		{"only a rejected one", []string{"test-web.bad-2 exited"}, "", 1},
		{"only a new one", []string{"test-web.new-2 created"}, "test-web.new-2", 0},
		{"renamed by someone", []string{"other running"}, "other", 0},
		{"two of them", []string{"test-web running", "other running"}, "test-web", 1},
		{"two that were set aside", []string{"test-web.old-2 exited", "test-web.old-3 exited"}, "test-web.old-3", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShelf(newModel("1.41"))
			r := web(t, "")
			for _, text := range c.there {
				name, state, _ := strings.Cut(text, " ")
				_, _, gen := splitSwapName(name)
				s.put(t, r, name, state, labelGen+"="+fmt.Sprint(gen))
			}
			seen := s.observe(t, "service", true, r)
			main := seen["service/web"]
			switch {
			case c.main == "" && main.Presence != resources.Absent:
				t.Errorf("%+v", main)
			case c.main != "" && main.ID != s.containers[c.main].ID:
				t.Errorf("took %s", main.ID)
			}
			if len(seen) != 1+c.left {
				t.Errorf("%d left over", len(seen)-1)
			}
			for addr, o := range seen {
				if o != main && (o.Leftover == "" || o.LeftoverOf != r.Addr || o.ID == "") {
					t.Errorf("%s: %+v", addr, o)
				}
			}
			if c.main != "" && c.main != "test-web" && !(containerKind{"service"}).Compare(r, main).Has("container_name") {
				t.Errorf("it keeps the name %s", c.main)
			}
		})
	}
}

func TestObserveDoesNotWaitForAStuckContainer(t *testing.T) {
	s := newShelf(newModel("1.41"))
	r := web(t, "")
	s.put(t, r, "", "running")
	s.stuck = "test-web"
	e := newReadEngine(t.Context(), s, dockerapi.EngineHost{})
	f, err := e.facts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	v := &view{e: e, kind: "service", facts: f, scope: resources.Scope{Stack: "test"}}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := v.inspect(ctx, "test-web"); !isTimeout(err) {
		t.Errorf("%v is not taken for a timeout", err)
	}
}

func TestObserveRefusesWhatTheEngineWouldDrop(t *testing.T) {
	s := newShelf(newModel("1.41"))
	e := newReadEngine(t.Context(), s, dockerapi.EngineHost{})
	r := web(t, "annotations: {a: b}")
	_, err := (containerReader{e, containerKind{"service"}}).Observe(t.Context(),
		resources.Scope{Stack: "test", Want: []*resources.Resource{r}})
	var p *specs.Problem
	if !errors.As(err, &p) && len(specs.ProblemsOf(err)) == 0 || len(specs.ProblemsOf(err)) != 1 ||
		specs.ProblemsOf(err)[0].Rule != ruleTooNew {
		t.Errorf("%v", err)
	}
}

func TestCompareSeesWhatOthersMade(t *testing.T) {
	m := newModel("1.41")
	r := web(t, "networks: [default]\nmem_limit: 64m")
	for _, c := range []struct {
		name   string
		change func(*container.InspectResponse, *shelf)
		path   string
		cost   resources.Cost
	}{
		{"tag moved", func(_ *container.InspectResponse, s *shelf) {
			img := s.images["app:1"]
			img.ID = "sha256:" + idOf("newer")
			s.images["app:1"] = img
		}, "image", resources.Remake},
		{"network made anew", func(_ *container.InspectResponse, s *shelf) { s.networks[0].ID = idOf("another") }, "networks.default.stale",
			resources.Reconnect},
		{"network removed", func(_ *container.InspectResponse, s *shelf) { s.networks = nil }, "networks.default.stale", resources.Reconnect},
		{"further network", func(c *container.InspectResponse, _ *shelf) {
			c.NetworkSettings.Networks["foreign"] = &network.EndpointSettings{EndpointID: "e"}
		}, "networks.foreign", resources.Reconnect},
		{"alias lost", func(c *container.InspectResponse, _ *shelf) { c.NetworkSettings.Networks["test_default"].Aliases = nil },
			"networks.default.aliases", resources.Reconnect},
		{"disconnected", func(c *container.InspectResponse, _ *shelf) { delete(c.NetworkSettings.Networks, "test_default") }, "networks.default",
			resources.Reconnect},
		{"memory", func(c *container.InspectResponse, _ *shelf) { c.HostConfig.Memory = 1 << 30 }, "mem_limit", resources.InPlace},
		{"swap", func(c *container.InspectResponse, _ *shelf) { c.HostConfig.MemorySwap = 1 << 30 }, "memswap_limit", resources.InPlace},
		{"policy", func(c *container.InspectResponse, _ *shelf) { c.HostConfig.RestartPolicy.Name = "always" }, "restart", resources.InPlace},
		{"processes", func(c *container.InspectResponse, _ *shelf) { n := int64(5); c.HostConfig.PidsLimit = &n }, "pids_limit",
			resources.InPlace},
		{"renamed", func(c *container.InspectResponse, _ *shelf) { c.Name = "/x" }, "container_name", resources.InPlace},
		{"stopped", func(c *container.InspectResponse, _ *shelf) {
			c.State = &container.State{Status: "exited", ExitCode: 1}
		}, "state", resources.InPlace},
		{"paused", func(c *container.InspectResponse, _ *shelf) { c.State.Paused = true }, "state", resources.InPlace},
		{"start failed", func(c *container.InspectResponse, _ *shelf) {
			c.State = &container.State{Status: "created", Error: "port is already allocated"}
		}, "state", resources.Remake},
		{"dead", func(c *container.InspectResponse, _ *shelf) { c.State = &container.State{Status: "dead"} }, "state", resources.Remake},
		{"variable", func(c *container.InspectResponse, _ *shelf) { c.Config.Env = append(c.Config.Env, "NEW_TOKEN=abc") },
			"environment.NEW_TOKEN", resources.Remake},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShelf(m)
			inspect := s.put(t, r, "", "running")
			c.change(inspect, s)
			delta := (containerKind{"service"}).Compare(r, s.observe(t, "service", true, r)["service/web"])
			if len(delta) != 1 || !strings.HasPrefix(delta[0].Path, c.path) || delta[0].Cost != c.cost || !delta[0].Drift || delta[0].Pending {
				t.Errorf("%+v", delta)
			}
			if strings.Contains(fmt.Sprint(delta), "abc") {
				t.Error("a value under the name of a password is shown")
			}
		})
	}
}

// TestNetworksOfOneName compares with the oldest, which is the one that is kept.
func TestNetworksOfOneName(t *testing.T) {
	s := newShelf(newModel("1.41"))
	r := web(t, "")
	s.put(t, r, "", "running")
	for i, created := range []int64{2, 1} {
		twin := s.networks[0]
		twin.ID, twin.Created = idOf(fmt.Sprint("twin", i)), time.Unix(created*1000, 0)
		s.networks = append(s.networks, twin)
	}
	if delta := (containerKind{"service"}).Compare(r, s.observe(t, "service", true, r)["service/web"]); len(delta) > 0 {
		t.Errorf("%v", delta)
	}
}

func TestCompareAfterAnUpgradeOfTheEngine(t *testing.T) {
	s := newShelf(newModel("1.51"))
	r := web(t, "hostname: db")
	c := s.put(t, r, "", "running", labelEngine+"=old/1.41")
	c.HostConfig.DNSSearch = []string{"shown.differently"}
	if delta := (containerKind{"service"}).Compare(r, s.observe(t, "service", true, r)["service/web"]); len(delta) > 0 {
		t.Errorf("%v", delta)
	}
	c.HostConfig.Memory = 1 << 30
	if delta := (containerKind{"service"}).Compare(r, s.observe(t, "service", true, r)["service/web"]); len(delta) != 1 ||
		delta[0].Field != "mem_limit" {
		t.Errorf("%v", delta)
	}
}

func TestCompareWithoutTheImage(t *testing.T) {
	s := newShelf(newModel("1.41"))
	r := web(t, "environment: {A: b}\nlabels: {x: y}\nexpose: [\"80\"]\nhealthcheck: {retries: 2}")
	c := s.put(t, r, "", "running")
	delete(s.images, c.Image) // removed by force
	delete(s.images, "app:1")
	if delta := (containerKind{"service"}).Compare(r, s.observe(t, "service", true, r)["service/web"]); len(delta) > 0 {
		t.Errorf("%v", delta)
	}
	less := web(t, "labels: {x: y}\nexpose: [\"80\"]\nhealthcheck: {retries: 2}")
	if delta := (containerKind{"service"}).Compare(less, s.observe(t, "service", true, less)["service/web"]); len(delta) != 1 ||
		delta[0].Path != "environment.A" || !delta[0].Pending {
		t.Errorf("%v", delta)
	}
	c.Config.Env[0] = "A=c"
	if delta := (containerKind{"service"}).Compare(r, s.observe(t, "service", true, r)["service/web"]); len(delta) != 1 ||
		delta[0].Path != "environment.A" {
		t.Errorf("%v", delta)
	}
}

func TestCompareJobs(t *testing.T) {
	for _, c := range []struct {
		fields, changed string
		state           container.State
		path            string // of the only difference, "" for none
	}{
		{"", "", container.State{Status: "exited"}, ""},
		{"run: always", "", container.State{Status: "exited"}, "run"},
		{"run: once", "run: once\nuser: root", container.State{Status: "exited"}, ""},
		{"run: once", "", container.State{Status: "exited", ExitCode: 3}, "state"},
		{"", "user: root", container.State{Status: "exited"}, "user"},
		{"", "mem_limit: 64m", container.State{Status: "exited"}, "mem_limit"},
		{"", "restart: on-failure", container.State{Status: "exited"}, "restart"},
		{"", "", container.State{Status: "exited", ExitCode: 1}, "state"},
		{"", "", container.State{Status: "created"}, "state"},
		{"", "", container.State{Status: "running", Running: true}, ""},
	} {
		read := func(fields string) *resources.Resource {
			r, ps := one(t, "job", "image: app:1\n"+fields)
			if err := ps.Err(); err != nil {
				t.Fatal(err)
			}
			return r
		}
		was := read(c.fields)
		now := was
		if c.changed != "" {
			now = read(c.changed)
		}
		s := newShelf(newModel("1.41"))
		s.put(t, was, "", "running").State = &c.state
		delta := (containerKind{"job"}).Compare(now, s.observe(t, "job", true, now)["job/web"])
		switch {
		case c.path == "" && len(delta) > 0, c.path != "" && (len(delta) != 1 || delta[0].Path != c.path):
			t.Errorf("%q to %q, %s (%d): %v", c.fields, c.changed, c.state.Status, c.state.ExitCode, delta)
		case c.path != "" && (delta.Cost() != resources.Remake || delta[0].Drift || !delta[0].Pending):
			t.Errorf("%q to %q: %+v; a job that must run again is made anew", c.fields, c.changed, delta)
		}
	}
}

func TestCompareFiles(t *testing.T) {
	m := newModel("1.41")
	was := web(t, "files: [{content: a, target: /a}, {content: b, target: /b, on_change: copy}, {content: c, target: /c, on_change: signal}]")
	now := web(t, "files: [{content: A, target: /a}, {content: B, target: /b, on_change: copy}, {content: d, target: /d, on_change: copy}]")
	have := m.observe(m.show(m.request(t, was), "running"), now)
	var got []string
	for _, d := range (containerKind{"service"}).Compare(now, have) {
		got = append(got, fmt.Sprintf("%s %s drift=%v pending=%v", d.Path, d.Cost, d.Drift, d.Pending))
	}
	want := []string{`files["/a"].content replace drift=false pending=true`, `files["/b"].content in place drift=false pending=true`,
		`files["/d"] in place drift=false pending=true`, `files["/c"] replace drift=false pending=true`}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	have = m.observe(m.show(m.request(t, was), "running"), was)
	have.Have["files"].(map[string]any)["/a"].(map[string]any)["content"] = "edited"
	if d := (containerKind{"service"}).Compare(was, have); len(d) != 1 || !d[0].Drift || d[0].Pending {
		t.Errorf("%+v", d)
	}
}

func TestRivals(t *testing.T) {
	s := newShelf(newModel("1.41"))
	old := web(t, "container_name: shared\nports: [\"127.0.0.1:80:80\"]\nnetworks: {default: {ipv4_address: 10.1.0.7}}")
	old.Addr = resources.NewAddr("service", "old")
	s.put(t, old, "", "running")
	have := s.observe(t, "service", true)["service/old"]
	for fields, want := range map[string]struct{ stays, leaves bool }{
		// A name passes from one to the other at any time, unless the other one goes.
		"container_name: shared":                        {false, true},
		"networks: {default: {ipv4_address: 10.1.0.7}}": {true, true},
		"networks: {default: {ipv4_address: 10.1.0.8}}": {false, false},
		"ports: [\"80:8080\"]":                          {true, true},
		"ports: [\"127.0.0.2:80:8080\"]":                {false, false},
		"ports: [\"127.0.0.1:80:80/udp\"]":              {false, false},
		"":                                              {false, false},
	} {
		for leaving, want := range map[bool]bool{false: want.stays, true: want.leaves} {
			if got := (containerKind{"service"}).Rivals(web(t, fields), have, leaving); got != want {
				t.Errorf("%s, leaving %v: %v", fields, leaving, got)
			}
		}
	}
}

// What the spec asks for now says nothing of what was done outside.
func TestSpecChangesAreShownAsApplied(t *testing.T) {
	web := func(text string) *resources.Resource {
		set, _ := declared(t, "services:\n  db: { image: b:1 }\n  web: { "+text+" }")
		return set.Of("service")[1]
	}
	c := &container.InspectResponse{ContainerJSONBase: &container.ContainerJSONBase{Image: "sha256:0123456789abcdef",
		HostConfig: &container.HostConfig{PidMode: "container:7"}},
		Config: &container.Config{Image: "a:1"}}
	for _, tc := range []struct {
		want  *resources.Resource
		image string
	}{{web("image: a:1"), "a:1 (sha256:0123456789ab)"}, {web("image: a:2"), "a:1"}} {
		s := &sight{c: c, want: tc.want, current: "sha256:fedcba9876543210"}
		if got := seenImage(s); got != tc.image {
			t.Errorf("image %v, want %s", got, tc.image)
		}
	}
	for applied, mode := range map[string]string{"service:db": "service:db", "container:s-db": "container:s-db"} {
		sealed := resources.Seal(resources.Config{"pid": applied})
		s := &sight{c: c, want: web("image: a:1"), applied: &sealed, peerOf: func(string) peer { return peer{name: "s-db", addr: "service/db"} }}
		if got := s.mode("pid", "container:7"); got != mode {
			t.Errorf("pid %v, want %s", got, mode)
		}
	}
}

// A security option that the spec no longer has is still on the container. Only
// what the engine adds by itself to privileged containers is none of the spec's.
func TestSecurityOptionThatLeftTheSpec(t *testing.T) {
	for fields, want := range map[string]bool{"": true, "privileged: true": false, "pid: host": false} {
		s := newShelf(newModel("1.41"))
		before := web(t, strings.TrimSpace(fields+"\nsecurity_opt: [label=disable]"))
		s.put(t, before, "", "running")
		now := web(t, fields)
		delta := (containerKind{"service"}).Compare(now, s.observe(t, "service", true, now)["service/web"])
		if delta.Has("security_opt") != want {
			t.Errorf("%q: differs in %v", fields, delta)
		}
	}
}

// The name that followed from the old address is no change made outside.
func TestNameOfAMovedServiceIsNoDrift(t *testing.T) {
	s := newShelf(newModel("1.41"))
	s.put(t, web(t, ""), "", "running")
	now := *web(t, "")
	now.Moved, now.Addr = now.Addr, resources.NewAddr("service", "shop")
	delta := (containerKind{"service"}).Compare(&now, s.observe(t, "service", true, &now)["service/shop"])
	i := slices.IndexFunc(delta, func(d resources.Diff) bool { return d.Field == "container_name" })
	if i < 0 || delta[i].Drift || !delta[i].Pending {
		t.Errorf("differs in %+v", delta)
	}
}
