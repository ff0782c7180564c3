package docker

import (
	"slices"
	"testing"

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

// A job that runs once and has succeeded is done also when its container is gone,
// any other job is not.
func TestJobIsDoneWithoutItsContainer(t *testing.T) {
	const mount = "volumes: [{type: volume, source: data, target: /data}]"
	noted, there := recordContent{Done: []string{"job/web"}}, recordContent{Objects: []string{"job/web"}}
	data := &volume.Volume{Name: "test_data"}
	for name, tc := range map[string]struct {
		fields  string
		note    recordContent
		volumes []*volume.Volume
		want    bool
	}{
		"once":                        {fields: "run: once", note: noted, want: true},
		"on change":                   {fields: "", note: noted},
		"always":                      {fields: "run: always", note: noted},
		"nothing noted":               {fields: "run: once"},
		"noted by an earlier version": {fields: "run: once", note: there, want: true},
		"on change, was there":        {fields: "", note: there},
		"its data is there":           {fields: mount + "\nrun: once", note: noted, volumes: []*volume.Volume{data}, want: true},
		"its data is gone":            {fields: mount + "\nrun: once", note: noted},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShelf(newModel("1.41"))
			is := job(t, tc.fields)
			text, err := tc.note.text()
			if err != nil {
				t.Fatal(err)
			}
			s.volumes = append(tc.volumes, &volume.Volume{Name: recordName("test", 1), Labels: map[string]string{labelStack: "test",
				labelRecord: "1", labelRecordContent: text}})
			o := s.observe(t, "job", true, is)[is.Addr.String()]
			if o.Presence != resources.Absent || (o.Done != "") != tc.want || o.Finished != tc.want || tc.want && o.Gone != "" {
				t.Errorf("%+v", o)
			}
		})
	}
}

func TestRecordForgetsJobs(t *testing.T) {
	once := resources.NewAddr("job", "once")
	for name, tc := range map[string]struct {
		objects []string
		gone    []resources.Addr
		cleared bool
		want    []string
		left    []string // of the objects
	}{
		"nothing is removed": {[]string{"job/once", "service/a"}, nil, false, []string{"job/once"},
			[]string{"job/once", "service/a"}},
		"removed, and data stays": {[]string{"volume/v"}, []resources.Addr{once}, true, []string{"job/once"},
			[]string{"volume/v"}},
		"removed, and no data is there": {[]string{"service/a"}, []resources.Addr{once}, false, nil, []string{"service/a"}},
		"all goes but volumes, without a container": {[]string{"job/once", "volume/v"}, []resources.Addr{resources.NewAddr("service", "a")}, true,
			[]string{"job/once"}, []string{"volume/v"}},
		"all goes, without a container": {[]string{"job/once"}, []resources.Addr{resources.NewAddr("service", "a")}, true, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c := recordContent{Objects: tc.objects, Done: []string{"job/once"}}
			c.forget(tc.gone, tc.cleared)
			if got := c.Done; !slices.Equal(got, tc.want) {
				t.Errorf("remembers %v, want %v", got, tc.want)
			}
			if !slices.Equal(c.Objects, tc.left) {
				t.Errorf("objects %v, want %v", c.Objects, tc.left)
			}
		})
	}
}
