package docker

import (
	"context"
	"slices"

	"github.com/docker/docker/api/types/volume"

	"github.com/LerianStudio/midaz-infra/resources"
)

// That a job has succeeded is known from its container, which any clean-up of
// containers removes. For one that runs once it is therefore also written in the
// stack's record: it does not run again on the same data because its container is
// gone. Any other job without its container is missing something, and runs again.

// doneText is why nothing is missing where a job has no container.
const doneText = "it has succeeded, and its container was removed since"

func isOnce(r *resources.Resource) bool {
	return r.Addr.Kind == "job" && r.Config.Text("run") == "once"
}

// done reports whether a job that has no container has done what it is for.
func (e *ReadEngine) done(ctx context.Context, r *resources.Resource) (bool, error) {
	if !isOnce(r) {
		return false, nil
	}
	rec, err := e.record(ctx, r.Stack)
	if err != nil {
		return false, err
	}
	succeeded := func(a resources.Addr) bool { return slices.Contains(rec.content.Done, a.String()) }
	// Earlier versions noted only that it was there.
	if !succeeded(r.Addr) && !rec.has(r.Addr) && (r.Moved.IsZero() || !succeeded(r.Moved)) {
		return false, nil
	}
	return e.hasVolumes(ctx, r)
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

// succeeded notes that a job has succeeded. It is written down at once: a run that
// is killed must not make it run again.
func (w containerWriter) succeeded(ctx context.Context, r *resources.Resource) error {
	if !isOnce(r) {
		return nil
	}
	k := w.e.recorder
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.change(ctx, r.Stack, func(content *recordContent) { content.note(r.Addr) })
}

// note adds a job that has succeeded.
func (c *recordContent) note(job resources.Addr) {
	if at, known := slices.BinarySearch(c.Done, job.String()); !known {
		c.Done = slices.Insert(c.Done, at, job.String())
	}
}

// forget removes what was noted of jobs whose containers this run has removed. They
// are remembered as long as the stack has a volume: its data stays, and so must what
// was done to it. cleared says that the run has applied nothing: where it leaves
// nothing but volumes, the jobs without a container go too.
func (c *recordContent) forget(gone []resources.Addr, cleared bool) {
	volumes, others := false, false
	for _, text := range c.Objects {
		switch a, err := resources.ParseAddr(text); {
		case err != nil:
		case a.Kind == "volume":
			volumes = true
		case !slices.Contains(c.Done, text):
			others = true
		}
	}
	isGone := func(text string) bool {
		return slices.ContainsFunc(gone, func(a resources.Addr) bool { return a.String() == text })
	}
	if cleared && !others {
		c.Objects = slices.DeleteFunc(c.Objects, func(text string) bool { return slices.Contains(c.Done, text) })
		isGone = func(string) bool { return true }
	}
	if !volumes {
		c.Done = slices.DeleteFunc(c.Done, isGone)
	}
}
