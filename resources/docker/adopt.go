package docker

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"

	"github.com/LerianStudio/midaz-infra/resources"
)

// adopter writes the record of what was taken over: the one Claimer of all
// writers of an engine. Objects that the stack makes carry their marks
// themselves and are no business of the record.
type adopter struct {
	e  *Engine
	mu sync.Mutex
}

// Claim has nothing to do: an object is written down right before it is
// changed for the first time.
func (a *adopter) Claim(context.Context, string, []*resources.Resource) error { return nil }

// take writes down that the stack of r takes over the object that was seen,
// before anything is changed on it. What was declared is added when the run
// ends: what a killed run has not yet changed must not look changed by others.
func (a *adopter) take(ctx context.Context, r *resources.Resource, have *resources.Observed) error {
	f, err := a.e.facts(ctx)
	if err != nil {
		return err
	}
	key, print := objectKey(sortOf(r.Addr.Kind), have.ID), ""
	if v, ok := have.Native.(*volume.Volume); ok {
		print = printOf(v)
	}
	entry := adoptedObject{Labels: adoptedMarks(r, f, false), Print: print, Since: a.e.now().UnixNano()}
	err = a.change(ctx, r.Stack, func(objects map[string]adoptedObject) bool {
		objects[key] = entry
		return true
	})
	if err != nil {
		return fmt.Errorf("take over %s: %w", r.Addr, err)
	}
	return nil
}

func sortOf(kind string) string {
	if isContainer(kind) {
		return sortContainer
	}
	return kind // networks and volumes are called alike
}

// Release notes what was applied of what was taken over, and drops what is no
// longer there. Without a record it makes no call.
func (a *adopter) Release(ctx context.Context, stack string, applied []*resources.Resource, _ []resources.Addr) error {
	all, err := a.e.adopted.records(ctx)
	if err != nil || len(all.of(stack).objects) == 0 {
		return err
	}
	f, err := a.e.facts(ctx)
	if err != nil {
		return err
	}
	there, err := a.there(ctx, all.of(stack))
	if err != nil {
		return err
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
	return a.change(ctx, stack, func(objects map[string]adoptedObject) bool {
		changed := false
		for key, o := range objects {
			r := byAddr[o.Labels[labelAddress]]
			switch {
			case !there[key]:
				delete(objects, key)
				changed = true
			case r != nil && !sameMarks(o.Labels, r):
				o.Labels = adoptedMarks(r, f, true)
				objects[key] = o
				changed = true
			}
		}
		return changed
	})
}

// sameMarks reports whether the labels say what is declared. What they remember
// is sealed under a random key, so labels themselves cannot be compared.
func sameMarks(labels map[string]string, r *resources.Resource) bool {
	sealed, declared := appliedOf(labels), rememberedOf(r)
	if sealed == nil || labels[labelAddress] != r.Addr.String() || len(sealed.Fields) != len(declared) || r.Protect != (labels[labelProtect] == "true") {
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
func (a *adopter) there(ctx context.Context, r *adoption) (map[string]bool, error) {
	out := map[string]bool{}
	ids := filters.NewArgs()
	sorts := map[string]bool{}
	for key := range r.objects {
		sort, id, _ := strings.Cut(key, "/")
		sorts[sort] = true
		if sort == sortContainer {
			ids.Add("id", id)
		}
	}
	raw := a.e.adopted.readAPI
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
			out[key] = r.objects[key].Print == printOf(v)
		}
	}
	return out, nil
}

// change writes the stack's record anew with what f makes of its objects; f
// reports whether it changed anything. A record without objects goes.
func (a *adopter) change(ctx context.Context, stack string, f func(map[string]adoptedObject) bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	const tries = 10
	for range tries {
		all, err := a.e.adopted.fresh(ctx)
		if err != nil {
			return err
		}
		now := all.of(stack)
		objects := maps.Clone(now.objects)
		if !f(objects) {
			return a.drop(ctx, now.volumes[:max(0, len(now.volumes)-1)]) // a killed run may have left some
		}
		done, err := a.save(ctx, stack, now, objects)
		if err != nil {
			return err
		}
		if done {
			_, err := a.e.adopted.fresh(ctx)
			return err
		}
	}
	return resources.Transient(fmt.Errorf("another run keeps writing what stack %q has taken over", stack))
}

// save makes the next generation and removes those before it. It reports false
// when someone else made it.
func (a *adopter) save(ctx context.Context, stack string, now *adoption, objects map[string]adoptedObject) (bool, error) {
	lctx, cancel := lasting(ctx, writeTimeout)
	defer cancel()
	if len(objects) > 0 {
		text, err := json.Marshal(objects)
		if err != nil {
			return false, fmt.Errorf("encode what was taken over: %w", err)
		}
		writer := make([]byte, 8)
		_, _ = rand.Read(writer) // never fails: crypto/rand aborts the program
		labels := map[string]string{labelStack: stack, labelAdopted: strconv.Itoa(now.generation + 1),
			labelObjects: string(text), labelWriter: hex.EncodeToString(writer)}
		v, err := a.e.api.VolumeCreate(lctx, volume.CreateOptions{Name: adoptionName(stack, now.generation+1), Driver: "local", Labels: labels})
		if err != nil {
			return false, fmt.Errorf("write what was taken over: %w", err)
		}
		if v.Labels[labelWriter] != labels[labelWriter] {
			return false, nil
		}
	}
	// The last one goes last: until then it is what holds.
	return true, a.drop(ctx, now.volumes)
}

// drop removes generations of a record, the first one first.
func (a *adopter) drop(ctx context.Context, volumes []string) error {
	lctx, cancel := lasting(ctx, writeTimeout)
	defer cancel()
	for _, name := range volumes {
		if err := a.e.api.VolumeRemove(lctx, name, false); err != nil && !cerrdefs.IsNotFound(err) {
			return fmt.Errorf("remove the record before: %w", err)
		}
	}
	return nil
}
