package docker

import (
	"context"
	"errors"
	"slices"
	"testing"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/dockerapi"
)

// cupboard is an engine that has nothing but volumes.
type cupboard struct {
	writeAPI
	volumes []*volume.Volume
	// before, when set, is called before a volume is made.
	before func(name string)
	// left is after how many writing calls the caller is killed; below 0 never.
	left  int
	lists int
}

func (c *cupboard) VolumeList(_ context.Context, o volume.ListOptions) (volume.ListResponse, error) {
	c.lists++
	var out []*volume.Volume
	for _, v := range c.volumes {
		if o.Filters.MatchKVList("label", v.Labels) {
			out = append(out, v)
		}
	}
	return volume.ListResponse{Volumes: out}, nil
}

func (c *cupboard) ContainerList(context.Context, container.ListOptions) ([]container.Summary, error) {
	return nil, nil
}

func (c *cupboard) NetworkList(context.Context, network.ListOptions) ([]network.Summary, error) {
	return nil, nil
}

func (c *cupboard) VolumeCreate(_ context.Context, o volume.CreateOptions) (volume.Volume, error) {
	if c.left == 0 {
		return volume.Volume{}, errKilledHere
	}
	c.left--
	if c.before != nil {
		c.before(o.Name)
	}
	if i := slices.IndexFunc(c.volumes, func(v *volume.Volume) bool { return v.Name == o.Name }); i >= 0 {
		return *c.volumes[i], nil
	}
	v := &volume.Volume{Name: o.Name, Driver: o.Driver, Labels: o.Labels}
	c.volumes = append(c.volumes, v)
	return *v, nil
}

func (c *cupboard) VolumeRemove(_ context.Context, name string, _ bool) error {
	if c.left == 0 {
		return errKilledHere
	}
	c.left--
	i := slices.IndexFunc(c.volumes, func(v *volume.Volume) bool { return v.Name == name })
	if i < 0 {
		return cerrdefs.ErrNotFound
	}
	c.volumes = slices.Delete(c.volumes, i, i+1)
	return nil
}

var errKilledHere = errors.New("killed")

// recorder of a new run.
func (c *cupboard) recorder(t *testing.T) *recorder {
	return newEngine(t.Context(), c, dockerapi.EngineHost{}).recorder
}

func (c *cupboard) has(t *testing.T, a resources.Addr) bool {
	t.Helper()
	r, err := c.recorder(t).e.record(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	return r.has(a)
}

// What a run began to remove does not count as removed by others when the run is
// killed; what it could not remove stays on the list.
func TestRecordOfWhatLeaves(t *testing.T) {
	stays, leaves := resources.NewAddr("network", "stays"), resources.NewAddr("network", "leaves")
	made := []*resources.Resource{{Addr: stays, Stack: "test"}, {Addr: leaves, Stack: "test"}}
	for _, c := range []struct {
		name string
		end  func(k *recorder) error // of the run
		want bool                    // that it is listed
	}{
		{"killed", func(*recorder) error { return nil }, false},
		{"removed", func(k *recorder) error {
			return k.Release(t.Context(), "test", made[:1], []resources.Addr{leaves})
		}, false},
		{"not removed", func(k *recorder) error { return k.Release(t.Context(), "test", made[:1], nil) }, true},
		{"made again", func(k *recorder) error { return k.Release(t.Context(), "test", made, nil) }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			cup := &cupboard{left: -1}
			if err := cup.recorder(t).Release(t.Context(), "test", made, nil); err != nil {
				t.Fatal(err)
			}
			k := cup.recorder(t)
			if err := errors.Join(k.Claim(t.Context(), "test", nil, []resources.Addr{leaves}), c.end(k)); err != nil {
				t.Fatal(err)
			}
			if !cup.has(t, stays) || cup.has(t, leaves) != c.want || len(cup.volumes) != 1 {
				t.Errorf("stays %v, leaves %v (want %v), %d records", cup.has(t, stays), cup.has(t, leaves), c.want, len(cup.volumes))
			}
		})
	}
}

// What is listed under an address of before, or was removed by someone, is on no
// list once the stack has nothing on the engine.
func TestRecordEndsWithTheStack(t *testing.T) {
	was, is := resources.NewAddr("network", "was"), resources.NewAddr("network", "is")
	for name, c := range map[string]struct {
		left []*volume.Volume
		want int // volumes in the end
	}{
		"nothing is left":  {nil, 0},
		"a volume is kept": {[]*volume.Volume{{Name: "data", Labels: map[string]string{labelStack: "test"}}}, 2},
		"the journal of a network that is gone": {[]*volume.Volume{{Name: "test_was.endpoints", Labels: map[string]string{
			labelStack: "test", labelRecord: "endpoints", labelJournal: was.String(), labelEndpoints: "{}"}}}, 0},
		"another stack's volume": {[]*volume.Volume{{Name: "data", Labels: map[string]string{labelStack: "other"}}}, 1},
	} {
		cup := &cupboard{left: -1}
		if err := cup.recorder(t).Release(t.Context(), "test", []*resources.Resource{{Addr: was, Stack: "test"}}, nil); err != nil {
			t.Fatal(err)
		}
		cup.volumes = append(cup.volumes, c.left...)
		if err := cup.recorder(t).Release(t.Context(), "test", nil, []resources.Addr{is}); err != nil {
			t.Fatal(err)
		}
		if len(cup.volumes) != c.want {
			t.Errorf("%s: %d volumes, want %d", name, len(cup.volumes), c.want)
		}
	}
}

// What has moved is not missing at its old address.
func TestRecordFollowsWhatMoves(t *testing.T) {
	was, is := resources.NewAddr("network", "was"), resources.NewAddr("network", "is")
	cup := &cupboard{left: -1}
	for _, r := range []*resources.Resource{{Addr: was, Stack: "test"}, {Addr: is, Moved: was, Stack: "test"}} {
		if err := cup.recorder(t).Release(t.Context(), "test", []*resources.Resource{r}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if cup.has(t, was) || !cup.has(t, is) {
		t.Errorf("old address %v, new address %v", cup.has(t, was), cup.has(t, is))
	}
}

// A run may be killed at each writing call: the record before it holds, or its
// own, and the next run leaves one.
func TestRecordIsWholeWhenKilled(t *testing.T) {
	one, two := resources.NewAddr("volume", "one"), resources.NewAddr("volume", "two")
	for left := range 4 {
		cup := &cupboard{left: -1}
		release := func(addrs ...resources.Addr) error {
			var all []*resources.Resource
			for _, a := range addrs {
				all = append(all, &resources.Resource{Addr: a, Stack: "test"})
			}
			return cup.recorder(t).Release(t.Context(), "test", all, nil)
		}
		if err := release(one); err != nil {
			t.Fatal(err)
		}
		cup.left = left
		err := release(one, two)
		if killed := errors.Is(err, errKilledHere); killed != (left < 2) {
			t.Fatalf("%d calls: %v", left, err)
		}
		cup.left = -1
		if !cup.has(t, one) || cup.has(t, two) != (left > 0) {
			t.Errorf("killed after %d calls: one %v, two %v", left, cup.has(t, one), cup.has(t, two))
		}
		if err := release(one, two); err != nil || len(cup.volumes) != 1 || !cup.has(t, two) {
			t.Errorf("killed after %d calls, then %v and %d records", left, err, len(cup.volumes))
		}
	}
}

// Of two runs that write at the same moment none loses what the other wrote.
func TestRecordOfTwoWriters(t *testing.T) {
	cup := &cupboard{left: -1}
	release := func(name string) error {
		return cup.recorder(t).Release(t.Context(), "test", []*resources.Resource{{Addr: resources.NewAddr("volume", name), Stack: "test"}}, nil)
	}
	cup.before = func(string) {
		cup.before = nil
		if err := release("theirs"); err != nil {
			t.Error(err)
		}
	}
	if err := release("ours"); err != nil {
		t.Fatal(err)
	}
	if !cup.has(t, resources.NewAddr("volume", "theirs")) || !cup.has(t, resources.NewAddr("volume", "ours")) || len(cup.volumes) != 1 {
		t.Errorf("records: %+v", cup.volumes)
	}
}

// However many readers a plan has, what midaz keeps on the engine is listed once.
func TestRecordsAreListedOnce(t *testing.T) {
	s := newShelf(newModel("1.41"))
	r := web(t, "")
	s.put(t, r, "", "running")
	s.volumes = []*volume.Volume{recordVolume("test", 3, nil, "network/gone", "service/web")}
	e := newReadEngine(t.Context(), s, dockerapi.EngineHost{})
	for _, scope := range []resources.Scope{{Stack: "test", Owned: true}, {Stack: "test", Owned: true, Want: []*resources.Resource{r}}} {
		for kind, reader := range e.Readers() {
			if kind == "image" || kind != "service" && len(scope.Want) > 0 {
				continue
			}
			if _, err := reader.Observe(t.Context(), scope); err != nil {
				t.Fatal(kind, err)
			}
		}
	}
	if n := s.calls["records"]; n != 1 {
		t.Errorf("records were listed %d times", n)
	}
}

// What a run that failed or was killed has changed in place is the stack's own
// change, whatever spec comes next. What others change is drift all the same.
func TestUnfinishedUpdateIsNoDrift(t *testing.T) {
	c := &cupboard{left: -1}
	old, meant := web(t, "mem_limit: 64m"), web(t, "mem_limit: 96m")
	m := newModel("1.41")
	inspect := m.show(m.request(t, old), "running")
	drifted := func(megabytes int64) bool {
		inspect.HostConfig.Memory, inspect.HostConfig.MemorySwap = megabytes<<20, 2*megabytes<<20
		o := m.observe(inspect, old)
		r, err := c.recorder(t).e.record(t.Context(), "test")
		if err != nil {
			t.Fatal(err)
		}
		o.Native.(*seenContainer).meant = r.meant(old.Addr, inspect.ID)
		return slices.ContainsFunc((containerKind{"service"}).Compare(old, o), func(d resources.Diff) bool {
			return d.Field == "mem_limit" &&
				d.Drift
		})
	}
	release := func(k *recorder, applied ...*resources.Resource) {
		t.Helper()
		if err := k.Release(t.Context(), "test", applied, nil); err != nil {
			t.Fatal(err)
		}
	}
	claim := func() *recorder {
		k := c.recorder(t)
		k.Intend([]resources.Intent{{Want: meant, Have: &resources.Observed{Addr: meant.Addr, ID: inspect.ID}}})
		if err := k.Claim(t.Context(), "test", nil, nil); err != nil {
			t.Fatal(err)
		}
		return k
	}
	release(c.recorder(t), old)
	if !drifted(96) {
		t.Fatal("a limit that was changed outside is no drift")
	}
	k := claim()
	if drifted(96) || !drifted(80) {
		t.Errorf("killed: 96m drift %v, 80m drift %v", drifted(96), drifted(80))
	}
	k.e.begins(meant.Addr)
	release(k)
	if drifted(96) || !drifted(80) {
		t.Errorf("failed: 96m drift %v, 80m drift %v", drifted(96), drifted(80))
	}
	release(claim()) // it never came to this container
	if !drifted(96) {
		t.Error("skipped: what was not begun is taken for the run's own change")
	}
	k = claim()
	k.e.begins(meant.Addr)
	release(k, meant)
	if !drifted(96) {
		t.Error("applied: the intent outlives the run")
	}
}
