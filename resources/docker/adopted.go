package docker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"

	"github.com/LerianStudio/midaz-infra/resources"
)

// The engine lets no one change the labels of an object that exists, so one
// that a stack takes over cannot carry its marks: they stand in the stack's
// record. Whatever reads the engine goes through recordedReads, which shows an
// adopted object with the labels of the record over its own. All else in this
// package knows nothing of adoption: it reads labels.
const labelAdopting = "midaz.adopting" // of an object whose adoption is not finished

// adoptedObject is one entry of a record.
type adoptedObject struct {
	// Labels are those that the object would carry if it was made by the stack.
	Labels map[string]string `json:"labels"`
	// Print tells volumes of one name apart; containers and networks have IDs.
	Print string `json:"print,omitempty"`
	// Was is what its owner had, until the adoption is finished; containers only.
	Was *former `json:"was,omitempty"`
	// Since is when it was taken over, by the engine's clock, in nanoseconds of
	// the epoch. Of two stacks the later one has the object.
	Since int64 `json:"since"`
}

func objectKey(sort, id string) string { return sort + "/" + id }

// printOf is what does not change while a volume lives. The engine tells no
// more: neither an ID nor, before Docker 23, when it was made.
func printOf(v *volume.Volume) string {
	text, _ := json.Marshal([]any{v.Driver, v.Mountpoint, v.Options, withoutMarks(v.Labels)})
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

func withoutMarks(labels map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range labels {
		if !strings.HasPrefix(k, labelPrefix) {
			out[k] = v
		}
	}
	return out
}

// marks returns the labels of the record for an object, nil when nobody took it
// over.
func (all *records) marks(sort, id, print string) map[string]string {
	var found *adoptedObject
	for _, stack := range slices.Sorted(maps.Keys(all.stacks)) {
		o, ok := all.of(stack).content.Adopted[objectKey(sort, id)]
		if ok && o.Print == print && (found == nil || o.Since > found.Since) {
			found = &o
		}
	}
	if found == nil {
		return nil
	}
	return found.Labels
}

// over returns an object's labels with those of the record over them. Marks
// that an earlier owner left on it no longer hold.
func (all *records) over(labels map[string]string, sort, id, print string) map[string]string {
	marks := all.marks(sort, id, print)
	if marks == nil {
		return labels
	}
	out := withoutMarks(labels)
	maps.Copy(out, marks)
	return out
}

// recordedReads reads records, and shows adopted objects with the labels that
// stand there.
type recordedReads struct {
	readAPI

	mu    sync.Mutex
	known *records // nil until they were read

	images sync.Map // what was said of images, by their ID
}

func withRecords(api readAPI) *recordedReads { return &recordedReads{readAPI: api} }

// recordedWrites is recordedReads for an engine that is written to.
type recordedWrites struct {
	*recordedReads
	changeAPI
}

// records returns what was read or written last in this run. Only this run
// writes its stack's record.
func (a *recordedReads) records(ctx context.Context) (*records, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known != nil {
		return a.known, nil
	}
	return a.ask(ctx)
}

// fresh asks the engine in any case.
func (a *recordedReads) fresh(ctx context.Context) (*records, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ask(ctx)
}

// forget has the next one who needs them ask the engine.
func (a *recordedReads) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.known = nil
}

func (a *recordedReads) ask(ctx context.Context) (*records, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	list, err := a.readAPI.VolumeList(ctx, volume.ListOptions{Filters: filters.NewArgs(filters.Arg("label", labelRecord))})
	if err != nil {
		return nil, fmt.Errorf("read the records of stacks: list volumes: %w", err)
	}
	a.known = recordsOf(list.Volumes)
	return a.known, nil
}

// The sorts of objects that are adopted.
const (
	sortContainer = "container"
	sortNetwork   = "network"
	sortVolume    = "volume"
)

// ContainerList lists also adopted containers whose labels of the record match
// the filter, which the engine does not know of.
func (a *recordedReads) ContainerList(ctx context.Context, o container.ListOptions) ([]container.Summary, error) {
	all, err := a.records(ctx)
	if err != nil {
		return nil, err
	}
	list, err := a.readAPI.ContainerList(ctx, o)
	if err != nil {
		return nil, err
	}
	if more := all.matching(o.Filters, list); more.Len() > 0 {
		asked := o
		asked.Filters = more
		rest, err := a.readAPI.ContainerList(ctx, asked)
		if err != nil {
			return nil, err
		}
		list = append(list, rest...)
	}
	a.ownLabelsOf(ctx, list)
	for i := range list {
		list[i].Labels = all.over(list[i].Labels, sortContainer, list[i].ID, "")
	}
	// What another stack has taken over since carries the old labels still.
	return slices.DeleteFunc(list, func(c container.Summary) bool { return !o.Filters.MatchKVList("label", c.Labels) }), nil
}

// matching returns a filter for the adopted containers that have the labels
// asked for and are not in the list, an empty one when there are none.
func (all *records) matching(asked filters.Args, list []container.Summary) filters.Args {
	out := filters.NewArgs()
	if !slices.ContainsFunc(asked.Get("label"), func(l string) bool { return strings.HasPrefix(l, labelPrefix) }) {
		return out
	}
	for _, r := range all.stacks {
		for key := range r.content.Adopted {
			id, ok := strings.CutPrefix(key, sortContainer+"/")
			if !ok || slices.ContainsFunc(list, func(c container.Summary) bool { return c.ID == id }) {
				continue
			}
			if asked.MatchKVList("label", all.marks(sortContainer, id, "")) {
				out.Add("id", id)
			}
		}
	}
	if out.Len() == 0 {
		return out
	}
	for _, key := range asked.Keys() {
		if key == "label" || key == "id" {
			continue
		}
		for _, v := range asked.Get(key) {
			out.Add(key, v)
		}
	}
	return out
}

// ContainerInspect shows one container.
func (a *recordedReads) ContainerInspect(ctx context.Context, ref string) (container.InspectResponse, error) {
	all, err := a.records(ctx)
	if err != nil {
		return container.InspectResponse{}, err
	}
	c, err := a.readAPI.ContainerInspect(ctx, ref)
	if err == nil && c.ContainerJSONBase != nil && c.Config != nil {
		config := *c.Config
		config.Labels = all.over(a.ownOf(ctx, config.Labels, c.Image), sortContainer, c.ID, "")
		c.Config = &config
	}
	return c, err
}

// ImageInspect shows one image. What has an ID as its name stands for the same
// content for ever, and is asked for once.
func (a *recordedReads) ImageInspect(ctx context.Context, ref string, o ...client.ImageInspectOption) (image.InspectResponse, error) {
	known, ok := a.images.Load(ref)
	if ok && len(o) == 0 {
		return known.(image.InspectResponse), nil
	}
	i, err := a.readAPI.ImageInspect(ctx, ref, o...)
	if err == nil && len(o) == 0 && i.ID == ref {
		a.images.Store(ref, i)
	}
	return i, err
}

// NetworkList lists networks.
func (a *recordedReads) NetworkList(ctx context.Context, o network.ListOptions) ([]network.Summary, error) {
	all, err := a.records(ctx)
	if err != nil {
		return nil, err
	}
	list, err := a.readAPI.NetworkList(ctx, o)
	for i := range list {
		list[i].Labels = all.over(list[i].Labels, sortNetwork, list[i].ID, "")
	}
	return list, err
}

// NetworkInspect shows one network.
func (a *recordedReads) NetworkInspect(ctx context.Context, ref string, o network.InspectOptions) (network.Inspect, error) {
	all, err := a.records(ctx)
	if err != nil {
		return network.Inspect{}, err
	}
	n, err := a.readAPI.NetworkInspect(ctx, ref, o)
	n.Labels = all.over(n.Labels, sortNetwork, n.ID, "")
	return n, err
}

// VolumeList lists volumes.
func (a *recordedReads) VolumeList(ctx context.Context, o volume.ListOptions) (volume.ListResponse, error) {
	all, err := a.records(ctx)
	if err != nil {
		return volume.ListResponse{}, err
	}
	list, err := a.readAPI.VolumeList(ctx, o)
	for i, v := range list.Volumes {
		if v != nil {
			list.Volumes[i] = all.overVolume(v)
		}
	}
	return list, err
}

// VolumeInspect shows one volume.
func (a *recordedReads) VolumeInspect(ctx context.Context, name string) (volume.Volume, error) {
	all, err := a.records(ctx)
	if err != nil {
		return volume.Volume{}, err
	}
	v, err := a.readAPI.VolumeInspect(ctx, name)
	return *all.overVolume(&v), err
}

func (all *records) overVolume(v *volume.Volume) *volume.Volume {
	out := *v
	out.Labels = all.over(v.Labels, sortVolume, v.Name, printOf(v))
	return &out
}

// unfinished says that an adoption was begun and not finished, for people.
const unfinished = "nobody yet: a run that took it over was cut off"

// adoptedMarks returns the labels that the record has for an object of the
// resource. Those of an adoption that only begins remember no fields.
func adoptedMarks(r *resources.Resource, f *facts, finished bool) map[string]string {
	labels := ownLabels(r, rememberedOf(r))
	if isContainer(r.Addr.Kind) {
		labels[labelEngine] = engineLabel(f)
	}
	if !finished {
		delete(labels, labelSpec)
		labels[labelAdopting] = "true"
	}
	return labels
}

// rememberedOf returns the declared fields that are written on an object of any
// kind.
func rememberedOf(r *resources.Resource) resources.Config {
	switch r.Addr.Kind {
	case "network":
		return networkTable.Marked(r.Config)
	case "volume":
		return volumeTable.Marked(r.Config)
	default:
		return remembered(r)
	}
}
