package docker

import (
	"fmt"
	"slices"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"

	"github.com/LerianStudio/midaz-infra/resources"
)

// recordVolume is a record as it stands on the engine.
func recordVolume(stack string, number int, adopted map[string]adoptedObject, there ...string) *volume.Volume {
	text, _ := recordContent{Objects: there, Adopted: adopted}.text()
	return &volume.Volume{Name: recordName(stack, number), Labels: map[string]string{
		labelStack: stack, labelRecord: fmt.Sprint(number), labelRecordContent: text}}
}

func takenBy(stack, address string, since int64) adoptedObject {
	return adoptedObject{Labels: map[string]string{labelStack: stack, labelAddress: address}, Since: since}
}

func TestRecordsAreRead(t *testing.T) {
	id := "container/" + idOf("x")
	for _, c := range []struct {
		name    string
		volumes []*volume.Volume
		owner   string // of the container
	}{
		{name: "none", volumes: []*volume.Volume{nil, {Name: "data"}}},
		{name: "one", volumes: []*volume.Volume{recordVolume("a", 1, map[string]adoptedObject{id: takenBy("a", "service/x", 1)})}, owner: "a"},
		{name: "the highest number counts", volumes: []*volume.Volume{
			recordVolume("a", 10, nil), recordVolume("a", 9, map[string]adoptedObject{id: takenBy("a", "service/x", 1)})}},
		{name: "the later stack has it", volumes: []*volume.Volume{
			recordVolume("b", 1, map[string]adoptedObject{id: takenBy("b", "service/x", 2)}),
			recordVolume("a", 1, map[string]adoptedObject{id: takenBy("a", "service/x", 1)})}, owner: "b"},
		{name: "of another name", volumes: []*volume.Volume{{Name: "copy",
			Labels: recordVolume("a", 1, map[string]adoptedObject{id: takenBy("a", "service/x", 1)}).Labels}}},
		{name: "broken", volumes: []*volume.Volume{{Name: recordName("a", 1), Labels: map[string]string{labelStack: "a", labelRecord: "1",
			labelRecordContent: "{"}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := recordsOf(c.volumes).marks(sortContainer, idOf("x"), "")[labelStack]; got != c.owner {
				t.Errorf("the container is of %q, wanted %q", got, c.owner)
			}
		})
	}
}

// An adopted container carries no label of the stack and is listed with those
// that do; one that another stack took over is not.
func TestAdoptedContainersAreListed(t *testing.T) {
	s := newShelf(newModel("1.41"))
	adopted, lost := s.put(t, web(t, ""), "theirs", "running"), s.put(t, web(t, ""), "lost", "running")
	adopted.Config.Labels = map[string]string{"com.docker.compose.project": "p", labelReplaces: "old"}
	s.volumes = []*volume.Volume{
		recordVolume("test", 1, map[string]adoptedObject{objectKey(sortContainer, adopted.ID): takenBy("test", "service/web", 1),
			objectKey(sortContainer, idOf("gone")): takenBy("test", "service/gone", 1)}),
		recordVolume("other", 1, map[string]adoptedObject{objectKey(sortContainer, lost.ID): takenBy("other", "service/web", 1)}),
	}
	api := withRecords(s)
	for _, c := range []struct {
		labels []string
		want   []string
	}{
		{nil, []string{adopted.ID, lost.ID}},
		{[]string{labelStack + "=test"}, []string{adopted.ID}},
		{[]string{labelStack + "=other"}, []string{lost.ID}},
		{[]string{labelStack + "=test", labelAddress + "=service/web"}, []string{adopted.ID}},
		{[]string{labelStack + "=test", labelAddress + "=service/db"}, nil},
		{[]string{"com.docker.compose.project=p"}, []string{adopted.ID}},
	} {
		args := filters.NewArgs()
		for _, l := range c.labels {
			args.Add("label", l)
		}
		list, err := api.ContainerList(t.Context(), container.ListOptions{All: true, Filters: args})
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, got := range list {
			ids = append(ids, got.ID)
		}
		slices.Sort(ids)
		slices.Sort(c.want)
		if !slices.Equal(ids, c.want) {
			t.Errorf("%v: %v, wanted %v", c.labels, ids, c.want)
		}
	}
	c, err := api.ContainerInspect(t.Context(), "theirs")
	if err != nil || c.Config.Labels[labelAddress] != "service/web" || c.Config.Labels["com.docker.compose.project"] != "p" ||
		c.Config.Labels[labelReplaces] != "" {
		t.Errorf("%v, labels %v", err, c.Config.Labels)
	}
}

// A volume has no ID: one that was made anew with other labels is another one.
func TestAdoptedVolumeIsToldFromAnother(t *testing.T) {
	v := &volume.Volume{Name: "data", Driver: "local", Mountpoint: "/x", Labels: map[string]string{"com.docker.compose.volume": "data"}}
	entry := takenBy("test", "volume/data", 1)
	entry.Print = printOf(v)
	all := recordsOf([]*volume.Volume{recordVolume("test", 1, map[string]adoptedObject{"volume/data": entry})})
	seen := all.overVolume(v)
	if seen.Labels[labelStack] != "test" || printOf(seen) != printOf(v) {
		t.Errorf("labels %v", seen.Labels)
	}
	again := *v
	again.Labels = nil
	if got := all.overVolume(&again).Labels[labelStack]; got != "" {
		t.Errorf("another volume is of %q", got)
	}
}

func TestMarksOfOtherToolsAreNoDifference(t *testing.T) {
	set, _ := declared(t, "networks: { n: { labels: { com.docker.compose.network: n } } }\nvolumes: { v: {} }")
	compose := map[string]string{"com.docker.compose.network": "n", "com.docker.compose.project": "p"}
	n, v := set.Of("network")[0], set.Of("volume")[0]
	seen := observeNetwork(network.Summary{ID: "1", Name: n.Config.Text("name"), Driver: "bridge", Labels: compose}, n.Addr, n.Config, "1.41")
	if d := (networkKind{}).Compare(n, seen); len(d) != 1 || d[0].Field != "owner" || d[0].Cost != resources.InPlace {
		t.Errorf("network: %v", d)
	}
	if d := (volumeKind{}).Compare(v, observeVolume(&volume.Volume{Name: v.Config.Text("name"), Driver: "local", Labels: compose}, v.Addr,
		v.Config)); len(d) != 1 {
		t.Errorf("volume: %v", d)
	}
}

// What a killed run has only begun to take over is told until it is finished.
func TestUnfinishedAdoptionIsToldAndNoDrift(t *testing.T) {
	set, _ := declared(t, "volumes: { v: {} }")
	r := set.Of("volume")[0]
	v := &volume.Volume{Name: r.Config.Text("name"), Driver: "local"}
	v.Labels = adoptedMarks(r, nil, false)
	o := observeVolume(v, r.Addr, r.Config)
	d := (volumeKind{}).Compare(r, o)
	if o.Stack != r.Stack || o.Applied != nil || len(d) != 1 || d[0].Field != "owner" || d[0].Drift {
		t.Errorf("%+v: %v", o, d)
	}
	v.Labels = adoptedMarks(r, nil, true)
	if d := (volumeKind{}).Compare(r, observeVolume(v, r.Addr, r.Config)); len(d) != 0 {
		t.Errorf("finished: %v", d)
	}
	if !sameMarks(v.Labels, r) {
		t.Error("what was just written does not say what is declared")
	}
	r.Protect = false
	if sameMarks(v.Labels, r) {
		t.Error("a protection that was lifted is not written")
	}
}
