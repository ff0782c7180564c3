package docker

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"

	"github.com/LerianStudio/midaz-infra/resources"
)

// take writes down that the stack of r takes over the object that was seen,
// before anything is changed on it. What was declared is added when the run
// ends: what a killed run has not yet changed must not look changed by others.
func (k *recorder) take(ctx context.Context, r *resources.Resource, have *resources.Observed) error {
	f, err := k.e.facts(ctx)
	if err != nil {
		return err
	}
	if err := k.enter(ctx, r, have, adoptedMarks(r, f, false)); err != nil {
		return fmt.Errorf("take over %s: %w", r.Addr, err)
	}
	return nil
}

// relinquish writes down that an object is no longer the stack's, whatever its
// own labels say, which cannot be changed. It is an entry without marks: that
// stays until the object is gone or someone takes it over.
func (k *recorder) relinquish(ctx context.Context, r *resources.Resource, have *resources.Observed) error {
	if err := k.enter(ctx, r, have, map[string]string{}); err != nil {
		return fmt.Errorf("give up %s: %w", r.Addr, err)
	}
	return nil
}

// enter writes the labels that an object counts as having from now on.
func (k *recorder) enter(ctx context.Context, r *resources.Resource, have *resources.Observed, marks map[string]string) error {
	key, print := objectKey(sortOf(r.Addr.Kind), have.ID), ""
	if v, ok := have.Native.(*volume.Volume); ok {
		print = printOf(v)
	}
	entry := adoptedObject{Labels: marks, Print: print, Since: k.e.now().UnixNano()}
	if seen, ok := have.Native.(*seenContainer); ok && marks[labelAdopting] != "" {
		entry.Was = formerOf(&seen.inspect)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.change(ctx, r.Stack, func(c *recordContent) {
		if begun := c.Adopted[key]; begun.Was != nil {
			entry.Was = begun.Was // what a run that was killed has changed is not its owner's
		}
		c.Adopted[key] = entry
	})
}

// Relinquish gives up a network that is declared external.
func (k networkWriter) Relinquish(ctx context.Context, r *resources.Resource, have *resources.Observed) error {
	return k.e.recorder.relinquish(ctx, r, have)
}

// Relinquish gives up a volume that is declared external.
func (k volumeWriter) Relinquish(ctx context.Context, r *resources.Resource, have *resources.Observed) error {
	return k.e.recorder.relinquish(ctx, r, have)
}

func sortOf(kind string) string {
	if isContainer(kind) {
		return sortContainer
	}
	return kind // networks and volumes are called alike
}

// adopted returns what drops from the record what was taken over and is no
// longer there, or was not applied after all, and notes what was applied of the
// rest. An object whose adoption failed goes back to its owner, as it was; when that
// fails, it returns an error too. It makes no call when nothing was taken over.
func (k *recorder) adopted(ctx context.Context, stack string, applied []*resources.Resource) (func(*recordContent), error) {
	r, err := k.e.record(ctx, stack)
	if err != nil || len(r.content.Adopted) == 0 {
		return func(*recordContent) {}, err
	}
	f, err := k.e.facts(ctx)
	if err != nil {
		return nil, err
	}
	there, err := k.there(ctx, r)
	if err != nil {
		return nil, err
	}
	byAddr := map[string]*resources.Resource{}
	for _, r := range applied {
		if !r.Moved.IsZero() {
			byAddr[r.Moved.String()] = r // it is found under its old address until it is written under the new one
		}
	}
	for _, r := range applied {
		byAddr[r.Addr.String()] = r
	}
	waiting, err := k.giveBack(ctx, r, byAddr, there)
	return func(c *recordContent) {
		objects := c.Adopted
		maps.DeleteFunc(objects, func(key string, _ adoptedObject) bool { return !there[key] })
		for key, o := range objects {
			r := byAddr[o.Labels[labelAddress]]
			switch {
			case r == nil && o.Labels[labelAdopting] != "" && !waiting[key]:
				delete(objects, key)
				delete(c.Updated, o.Labels[labelAddress])
			case r != nil && !sameMarks(o.Labels, r):
				o.Labels, o.Was = adoptedMarks(r, f, true), nil
				objects[key] = o
			}
		}
	}, err
}

// sameMarks reports whether the labels say what is declared. What they remember
// is sealed under a random key, so labels themselves cannot be compared.
func sameMarks(labels map[string]string, r *resources.Resource) bool {
	sealed, declared := appliedOf(labels), rememberedOf(r)
	if sealed == nil || labels[labelAddress] != r.Addr.String() || len(sealed.Fields) != len(declared) ||
		r.Protect != (labels[labelProtect] == "true") {
		return false
	}
	for field, v := range declared {
		if !sealed.Has(field) || !sealed.Matches(field, v) {
			return false
		}
	}
	return true
}

// there returns which objects of a record exist.
func (k *recorder) there(ctx context.Context, r *record) (map[string]bool, error) {
	out := map[string]bool{}
	ids := filters.NewArgs()
	sorts := map[string]bool{}
	for key := range r.content.Adopted {
		sort, id, _ := strings.Cut(key, "/")
		sorts[sort] = true
		if sort == sortContainer {
			ids.Add("id", id)
		}
	}
	raw := k.e.recorded.readAPI
	if sorts[sortContainer] {
		list, err := raw.ContainerList(ctx, container.ListOptions{All: true, Filters: ids})
		if err != nil {
			return nil, fmt.Errorf("list containers: %w", err)
		}
		for _, c := range list {
			out[objectKey(sortContainer, c.ID)] = true
		}
	}
	if sorts[sortNetwork] {
		list, err := raw.NetworkList(ctx, network.ListOptions{})
		if err != nil {
			return nil, fmt.Errorf("list networks: %w", err)
		}
		for _, n := range list {
			out[objectKey(sortNetwork, n.ID)] = true
		}
	}
	if sorts[sortVolume] {
		list, err := raw.VolumeList(ctx, volume.ListOptions{})
		if err != nil {
			return nil, fmt.Errorf("list volumes: %w", err)
		}
		for _, v := range list.Volumes {
			key := objectKey(sortVolume, v.Name)
			out[key] = r.content.Adopted[key].Print == printOf(v)
		}
	}
	return out, nil
}
