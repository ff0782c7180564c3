package docker

import (
	"context"
	"slices"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/volume"

	"github.com/LerianStudio/midaz-infra/resources"
)

// That a job has succeeded is known from its container, which any clean-up of
// containers removes. It is therefore also written in the stack's record. A job
// that runs once does not run again on the same data, and one that runs on a
// change runs again only when something has changed: neither does because its
// container is gone.

// doneJob is what the record remembers of a job that has succeeded.
type doneJob struct {
	Spec  string `json:"spec"`            // resources.Sealed: what it ran with
	Image string `json:"image,omitempty"` // ID of the image it ran
	// Once: it does not run again, however it is declared.
	Once bool `json:"once,omitempty"`
}

// doneText is why nothing is missing where a job has no container.
const doneText = "it has succeeded, and its container was removed since"

func isOnce(r *resources.Resource) bool {
	return r.Addr.Kind == "job" && r.Config.Text("run") == "once"
}

// done reports whether a job that has no container has done what it is for.
func (e *ReadEngine) done(ctx context.Context, r *resources.Resource) (bool, error) {
	if r.Addr.Kind != "job" || r.Config.Text("run") == "always" {
		return false, nil
	}
	rec, err := e.record(ctx, r.Stack)
	if err != nil {
		return false, err
	}
	was, ok := rec.content.Done[r.Addr.String()]
	if !ok && !r.Moved.IsZero() {
		was, ok = rec.content.Done[r.Moved.String()]
	}
	switch {
	case isOnce(r) && (ok || rec.has(r.Addr)): // an earlier version noted only that it was there
	case !ok || !sameDefinition(was.Spec, r):
		return false, nil
	default:
		now, err := e.image(ctx, imageRef(r))
		if err != nil || now != nil && now.ID != was.Image {
			return false, err
		}
	}
	return e.hasVolumes(ctx, r)
}

// sameDefinition reports whether the job reads as it did when it succeeded.
func sameDefinition(sealed string, r *resources.Resource) bool {
	was, err := resources.ParseSealed(sealed)
	if err != nil {
		return false
	}
	now := remembered(r)
	for field := range was.Fields {
		if _, ok := now[field]; !ok && !resources.IsEmpty(was.Fields[field]) {
			return false
		}
	}
	for field, v := range now {
		if !was.Matches(field, v) {
			return false
		}
	}
	return true
}

// hasVolumes reports whether the volumes that a job mounts are there: the data that
// it has worked on is gone with them.
func (e *ReadEngine) hasVolumes(ctx context.Context, r *resources.Resource) (bool, error) {
	var names []string
	for _, m := range r.Config.Map("volumes") {
		if v := resources.Config(mapOf(m)); v.Text("type") == "volume" && engineVolume(v) != "" {
			names = append(names, engineVolume(v))
		}
	}
	if len(names) == 0 {
		return true, nil
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	list, err := e.api.VolumeList(ctx, volume.ListOptions{})
	if err != nil {
		return false, err
	}
	there := func(name string) bool {
		return slices.ContainsFunc(list.Volumes, func(v *volume.Volume) bool { return v != nil && v.Name == name })
	}
	return !slices.ContainsFunc(names, func(name string) bool { return !there(name) }), nil
}

// succeeded notes that a job has succeeded. That of one that runs once is written
// down at once: a run that is killed must not make it run again.
func (w containerWriter) succeeded(ctx context.Context, r *resources.Resource, c *container.InspectResponse) error {
	if r.Addr.Kind != "job" || r.Config.Text("run") == "always" || c.Config == nil || c.ContainerJSONBase == nil {
		return nil
	}
	did := doneJob{Spec: c.Config.Labels[labelSpec], Image: c.Image, Once: isOnce(r)}
	w.e.mu.Lock()
	if w.e.done == nil {
		w.e.done = map[string]doneJob{}
	}
	w.e.done[r.Addr.String()] = did
	w.e.mu.Unlock()
	if !did.Once {
		return nil
	}
	k := w.e.recorder
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.change(ctx, r.Stack, func(content *recordContent) { content.Done[r.Addr.String()] = did })
}

// forget removes what was noted of jobs whose containers this run has removed. One
// that runs once is remembered as long as the stack has a volume: its data stays,
// and so must what was done to it. cleared says that the run has applied nothing:
// where it leaves nothing but volumes, the jobs without a container go too.
func (c *recordContent) forget(gone []resources.Addr, cleared bool) {
	volumes, others := false, false
	var jobs []resources.Addr
	for _, text := range c.Objects {
		a, err := resources.ParseAddr(text)
		_, isDone := c.Done[text]
		switch {
		case err != nil:
		case a.Kind == "volume":
			volumes = true
		case isDone:
			jobs = append(jobs, a)
		default:
			others = true
		}
	}
	if cleared && !others {
		for text := range c.Done {
			if a, err := resources.ParseAddr(text); err == nil && !slices.Contains(gone, a) {
				gone = append(slices.Clone(gone), a)
			}
		}
		c.Objects = slices.DeleteFunc(c.Objects, func(text string) bool {
			return slices.ContainsFunc(jobs, func(a resources.Addr) bool { return a.String() == text })
		})
	}
	for _, a := range gone {
		if !volumes || !c.Done[a.String()].Once {
			delete(c.Done, a.String())
		}
	}
}
