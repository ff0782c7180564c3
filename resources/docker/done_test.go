package docker

import (
	"maps"
	"slices"
	"testing"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/volume"

	"github.com/LerianStudio/midaz-infra/resources"
)

func job(t *testing.T, fields string) *resources.Resource {
	t.Helper()
	r, ps := one(t, "job", "image: app:1\n"+fields)
	if err := ps.Err(); err != nil {
		t.Fatal(err)
	}
	return r
}

// A job that has succeeded is done also when its container is gone: for good when
// it runs once, until something changes otherwise.
func TestJobIsDoneWithoutItsContainer(t *testing.T) {
	const mount = "volumes: [{type: volume, source: data, target: /data}]"
	id := "sha256:" + idOf("image")
	noted := func(t *testing.T, r *resources.Resource) recordContent {
		return recordContent{Done: map[string]doneJob{r.Addr.String(): {Spec: resources.Seal(remembered(r)).String(), Image: id, Once: isOnce(r)}}}
	}
	data := &volume.Volume{Name: "test_data"}
	for name, tc := range map[string]struct {
		was, is string
		note    func(*testing.T, *resources.Resource) recordContent
		image   string
		volumes []*volume.Volume
		want    bool
	}{
		"once":                          {was: "run: once", is: "run: once", want: true},
		"once, with another definition": {was: "run: once", is: "run: once\ncommand: [other]", want: true},
		"once, with another image":      {was: "run: once", is: "run: once", image: "other", want: true},
		"on change":                     {was: "", is: "", want: true},
		"on change, another definition": {was: "", is: "command: [other]"},
		"on change, a field less":       {was: "command: [other]", is: ""},
		"on change, another image":      {was: "", is: "", image: "other"},
		"always":                        {was: "run: always", is: "run: always"},
		"nothing noted":                 {was: "run: once", is: "run: once", note: func(*testing.T, *resources.Resource) recordContent { return recordContent{} }},
		"noted by an earlier version": {was: "run: once", is: "run: once", want: true, note: func(_ *testing.T, r *resources.Resource) recordContent {
			return recordContent{Objects: []string{r.Addr.String()}}
		}},
		"on change, of an earlier version": {was: "", is: "", note: func(_ *testing.T, r *resources.Resource) recordContent {
			return recordContent{Objects: []string{r.Addr.String()}}
		}},
		"its data is there": {was: mount + "\nrun: once", is: mount + "\nrun: once", volumes: []*volume.Volume{data}, want: true},
		"its data is gone":  {was: mount + "\nrun: once", is: mount + "\nrun: once"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShelf(newModel("1.41"))
			was, is := job(t, tc.was), job(t, tc.is)
			note := tc.note
			if note == nil {
				note = noted
			}
			text, err := note(t, was).text()
			if err != nil {
				t.Fatal(err)
			}
			s.volumes = append(tc.volumes, &volume.Volume{Name: recordName("test", 1), Labels: map[string]string{labelStack: "test", labelRecord: "1", labelRecordContent: text}})
			if tc.image != "" {
				s.images["app:1"] = image.InspectResponse{ID: "sha256:" + idOf(tc.image)}
			}
			o := s.observe(t, "job", true, is)[is.Addr.String()]
			if o.Presence != resources.Absent || (o.Done != "") != tc.want || tc.want && (o.Gone != "" || o.Finished != isOnce(is)) {
				t.Errorf("%+v", o)
			}
		})
	}
}

func TestRecordForgetsJobs(t *testing.T) {
	once, change := resources.NewAddr("job", "once"), resources.NewAddr("job", "change")
	for name, tc := range map[string]struct {
		objects []string
		gone    []resources.Addr
		cleared bool
		want    []string
		left    []string // of the objects
	}{
		"nothing is removed":                        {[]string{"job/change", "job/once", "service/a"}, nil, false, []string{"job/change", "job/once"}, []string{"job/change", "job/once", "service/a"}},
		"removed, and data stays":                   {[]string{"volume/v"}, []resources.Addr{once, change}, true, []string{"job/once"}, []string{"volume/v"}},
		"removed, and no data is there":             {[]string{"service/a"}, []resources.Addr{once, change}, false, nil, []string{"service/a"}},
		"all goes but volumes, without a container": {[]string{"job/change", "job/once", "volume/v"}, []resources.Addr{resources.NewAddr("service", "a")}, true, []string{"job/once"}, []string{"volume/v"}},
		"all goes, without a container":             {[]string{"job/change", "job/once"}, []resources.Addr{resources.NewAddr("service", "a")}, true, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c := recordContent{Objects: tc.objects, Done: map[string]doneJob{"job/once": {Once: true}, "job/change": {}}}
			c.forget(tc.gone, tc.cleared)
			if got := slices.Sorted(maps.Keys(c.Done)); !slices.Equal(got, tc.want) {
				t.Errorf("remembers %v, want %v", got, tc.want)
			}
			if !slices.Equal(c.Objects, tc.left) {
				t.Errorf("objects %v, want %v", c.Objects, tc.left)
			}
		})
	}
}
