package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/dockerapi"
)

// failing is a shelf of which some calls fail.
type failing struct {
	*shelf
	containers, images map[string]error // by what is asked for
}

func (f *failing) ContainerInspect(ctx context.Context, ref string) (container.InspectResponse, error) {
	for name, c := range f.shelf.containers {
		if err := f.containers[name]; err != nil && (name == ref || c.ID == ref) {
			return container.InspectResponse{}, err
		}
	}
	return f.shelf.ContainerInspect(ctx, ref)
}

func (f *failing) ImageInspect(ctx context.Context, ref string, o ...client.ImageInspectOption) (image.InspectResponse, error) {
	if err := f.images[ref]; err != nil {
		return image.InspectResponse{}, err
	}
	return f.shelf.ImageInspect(ctx, ref, o...)
}

// One object that the engine cannot describe is unknown, and says why; the others
// are read.
func TestObserveOneUnreadableObjectDoesNotBlockTheRest(t *testing.T) {
	s := newShelf(newModel("1.41"))
	well, bad := web(t, ""), web(t, "image: app:2")
	bad.Addr = resources.NewAddr("service", "bad")
	s.put(t, well, "", "running")
	at := s.put(t, bad, "", "running", labelAddress+"=service/bad")
	f := &failing{shelf: s}
	for name, broken := range map[string]func(){
		"inspect":         func() { f.containers, f.images = map[string]error{"test-bad": errors.New("500")}, nil },
		"image":           func() { f.containers, f.images = nil, map[string]error{"app:2": errors.New("500")} },
		"gone after list": func() { f.containers, f.images = map[string]error{"test-bad": cerrdefs.ErrNotFound}, nil },
	} {
		t.Run(name, func(t *testing.T) {
			broken()
			all, err := (containerReader{newReadEngine(t.Context(), f, dockerapi.EngineHost{}), containerKind{"service"}}).
				Observe(t.Context(), resources.Scope{Stack: "test", Want: []*resources.Resource{well, bad}, Owned: true})
			if err != nil {
				t.Fatal(err)
			}
			seen := map[resources.Addr]*resources.Observed{}
			for _, o := range all {
				seen[o.Addr] = o
			}
			if seen[well.Addr].Presence != resources.Present {
				t.Errorf("the other one: %+v", seen[well.Addr])
			}
			o := seen[bad.Addr]
			if name == "gone after list" {
				if o.Presence != resources.Absent {
					t.Errorf("gone: %+v", o)
				}
				return
			}
			if o.Presence != resources.Unknown || !strings.Contains(o.Why, "500") || o.NotYet || o.ID != at.ID || o.Stack != "test" {
				t.Errorf("unreadable: %+v", o)
			}
		})
	}
}

func TestObserveImagesOneByOne(t *testing.T) {
	s := newShelf(newModel("1.41"))
	f := &failing{shelf: s, images: map[string]error{"bad:1": errors.New("500")}}
	all, err := (imageReader{newReadEngine(t.Context(), f, dockerapi.EngineHost{})}).Observe(t.Context(),
		resources.Scope{Stack: "test", Owned: true,
			Want: []*resources.Resource{{Addr: resources.Addr{Kind: "image", Name: "app:1"}}, {Addr: resources.Addr{Kind: "image", Name: "bad:1"}}}})
	if err != nil || all[0].Presence != resources.Present || all[1].Presence != resources.Unknown || !strings.Contains(all[1].Why, "500") {
		t.Errorf("%v %+v", err, all)
	}
}

// Marks that a container has from its image prove nothing.
func TestInheritedMarksAreNotOurs(t *testing.T) {
	ours := map[string]string{labelStack: "test", labelAddress: "service/web", labelSpec: `{"fields":{}}`, labelEngine: "20.10/1.41",
		labelGen:  "1",
		labelMade: "aa", labelProtect: "true", labelReplaces: "123", "color": "red"}
	with := func(change map[string]string) map[string]string {
		out := maps.Clone(ours)
		maps.Copy(out, change)
		return out
	}
	older := maps.Clone(ours)
	delete(older, labelMade)
	for name, tc := range map[string]struct {
		labels, image map[string]string
		owner         string // of what is left
		left          []string
	}{
		"by hand from a committed image": {ours, ours, "", []string{"color"}},
		"by hand with labels of its own": {with(map[string]string{"color": "blue"}), ours, "", []string{"color"}},
		"by hand, of an earlier version": {older, older, "", []string{"color"}},
		"ours from a committed image": {with(map[string]string{labelMade: "bb", labelProtect: "true"}), ours, "test",
			[]string{labelMade}},
		"ours, as the image's in everything but itself": {with(map[string]string{labelMade: "bb"}), ours, "test", []string{labelGen}},
		"ours from an image without marks":              {ours, map[string]string{"color": "red"}, "test", []string{labelProtect, labelReplaces}},
		"ours, whose image is gone":                     {ours, nil, "test", []string{labelProtect}},
		"another stack's image": {with(map[string]string{labelMade: "bb"}), with(map[string]string{labelStack: "other"}),
			"test", nil},
	} {
		t.Run(name, func(t *testing.T) {
			got := withoutInherited(tc.labels, tc.image)
			if got[labelStack] != tc.owner {
				t.Errorf("belongs to %q, want %q", got[labelStack], tc.owner)
			}
			for _, l := range tc.left {
				if got[l] == "" {
					t.Errorf("label %s is lost: %v", l, got)
				}
			}
			if tc.image[labelReplaces] != "" && got[labelReplaces] != "" {
				t.Errorf("a mark of the image is left: %v", got)
			}
		})
	}
}

// Every reader sees only the labels of the container itself.
func TestReadersSeeNoInheritedMarks(t *testing.T) {
	s := newShelf(newModel("1.41"))
	r := web(t, "")
	c := s.put(t, r, "by-hand", "running")
	img := s.images["app:1"]
	config := *img.Config
	config.Labels = c.Config.Labels
	img.Config = &config
	s.images["app:1"], s.images[img.ID] = img, img
	c.Image = img.ID
	seen := s.observe(t, "service", true, r)
	if len(seen) != 1 || seen[r.Addr.String()].Presence != resources.Absent {
		t.Errorf("observed %+v", seen[r.Addr.String()])
	}
	e := newReadEngine(t.Context(), s, dockerapi.EngineHost{})
	if all, err := e.Services(t.Context(), "test"); err != nil || len(all) > 0 {
		t.Errorf("ps shows %v %v", all, err)
	}
}

// disk is a container's files. Only its archive calls answer.
type disk struct {
	readAPI
	entries []*tar.Header // in the order of a walk, by absolute name
	content map[string]string
	errs    map[string]error
	calls   []string
}

func (d *disk) CopyFromContainer(_ context.Context, _, at string) (io.ReadCloser, container.PathStat, error) {
	d.calls = append(d.calls, at)
	if err := d.errs[at]; err != nil {
		return nil, container.PathStat{}, err
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	found := false
	for _, e := range d.entries {
		if e.Name != at && !strings.HasPrefix(e.Name, at+"/") {
			continue
		}
		found = true
		h := *e
		h.Name = strings.TrimPrefix(strings.TrimPrefix(e.Name, path.Dir(at)), "/")
		h.Size = int64(len(d.content[e.Name]))
		if err := w.WriteHeader(&h); err != nil {
			return nil, container.PathStat{}, err
		}
		_, _ = io.WriteString(w, d.content[e.Name])
	}
	_ = w.Close()
	if !found {
		return nil, container.PathStat{}, cerrdefs.ErrNotFound
	}
	return io.NopCloser(&b), container.PathStat{}, nil
}

func (d *disk) add(name string, typ byte, mode int64, uid int, content string) {
	h := &tar.Header{Name: name, Typeflag: typ, Mode: mode, Uid: uid, ModTime: time.Unix(1, 0)}
	if typ == tar.TypeSymlink {
		h.Linkname = content
		content = ""
	}
	d.entries = append(d.entries, h)
	if d.content == nil {
		d.content = map[string]string{}
	}
	d.content[name] = content
}

// Read deeply, what is found does not depend on the time of change, and files of
// one folder cost one call.
func TestFilesHaveDeep(t *testing.T) {
	d := &disk{errs: map[string]error{"/plain/x": errors.New("lstat /plain/x: not a directory"),
		"/loop/x": errors.New("evalSymlinksInScope: too many links in /loop")}}
	d.add("/etc/app", tar.TypeDir, 0o755, 0, "")
	d.add("/etc/app/a", tar.TypeReg, 0o644, 0, "A")
	d.add("/etc/app/b", tar.TypeReg, 0o600, 7, "b")
	d.add("/etc/app/foreign", tar.TypeReg, 0o600, 7, "x")
	d.add("/etc/app/link", tar.TypeSymlink, 0o777, 0, "/elsewhere")
	d.add("/etc/app/sub", tar.TypeDir, 0o755, 0, "")
	d.add("/etc/app/sub/c", tar.TypeDir, 0o755, 0, "")
	d.add("/alone", tar.TypeReg, 0o644, 0, "a")
	var want []file
	for _, target := range []string{"/alone", "/etc/app/a", "/etc/app/b", "/etc/app/link", "/etc/app/missing", "/etc/app/sub/c", "/loop/x",
		"/plain/x"} {
		want = append(want, file{Target: target, Mode: 0o644, Content: "a"})
	}
	e := &ReadEngine{api: d}
	have, err := e.filesHave(t.Context(), "0123456789abcdef", want, true)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for target, v := range have {
		m := mapOf(v)
		got[target] = fmt.Sprint(m["content"], " ", m["mode"], " ", m["uid"])
	}
	expected := map[string]string{
		"/alone": "a 0644 0", "/etc/app/a": "A 0644 0", "/etc/app/b": "b 0600 7", "/etc/app/link": "(a symbolic link to /elsewhere) 0644 0",
		"/etc/app/sub/c": "(a folder) 0644 0", "/loop/x": "(not there: a folder of its path is a symbolic link to itself) 0644 0",
		"/plain/x": "(not there: a folder of its path is a file) 0644 0",
	}
	if !maps.Equal(got, expected) {
		t.Errorf("got  %v\nwant %v", got, expected)
	}
	if want := []string{"/etc/app", "/alone", "/loop/x", "/plain/x"}; !slices.Equal(d.calls, want) {
		t.Errorf("calls %v, want %v", d.calls, want)
	}
	d.errs["/alone"] = errors.New("500")
	if _, err := e.filesHave(t.Context(), "0123456789abcdef", want, true); err == nil {
		t.Error("an error of the engine is taken for a file")
	}
}

// A folder with much that is not ours is not read to its end.
func TestFilesHaveGivesUpOnAFullFolder(t *testing.T) {
	d := &disk{}
	d.add("/data", tar.TypeDir, 0o755, 0, "")
	d.add("/data/a", tar.TypeReg, 0o644, 0, "a")
	for i := range 300 {
		d.add(fmt.Sprintf("/data/n%03d", i), tar.TypeReg, 0o644, 0, "")
	}
	d.add("/data/z", tar.TypeReg, 0o644, 0, "z")
	e := &ReadEngine{api: d}
	have, err := e.filesHave(t.Context(), "0123456789abcdef", []file{{Target: "/data/a", Mode: 0o644, Content: "a"},
		{Target: "/data/z", Mode: 0o644, Content: "z"}}, true)
	if err != nil || len(have) != 2 || !slices.Equal(d.calls, []string{"/data", "/data/z"}) {
		t.Errorf("%v %v %v", err, have, d.calls)
	}
}

// Something in the way of a file makes the container be replaced, also where a
// change of the content is copied into the one that runs.
func TestWhatIsInTheWayIsReplaced(t *testing.T) {
	r := web(t, "files: [{target: /etc/app/a, content: x, on_change: copy}]")
	for content, want := range map[string]resources.Cost{"y": resources.InPlace, "(a folder)": resources.Remake,
		"(not there: a folder of its path is a file)": resources.Remake} {
		f := filesOf(r)[0]
		f.Content = content
		applied := resources.Seal(remembered(r))
		have := &resources.Observed{Addr: r.Addr, Presence: resources.Present, Stack: r.Stack, Applied: &applied,
			Have: resources.Config{"files": map[string]any{f.Target: f.value()}}}
		delta := (containerKind{"service"}).files(r, have)
		if len(delta) != 1 || delta.Cost() != want || !delta[0].Drift {
			t.Errorf("%q: %+v", content, delta)
		}
	}
}
