package docker

import (
	"context"
	"fmt"
	"slices"

	"github.com/docker/docker/api/types/container"

	"github.com/LerianStudio/midaz-infra/resources"
)

// Docker answers many requests with success that it carries out otherwise than
// they were meant, or not at all: an address that a reconnected endpoint does not
// get, an endpoint that is listed and not connected. So every write of a container
// ends with a look at it, compared as the next plan will compare it. That look is
// the one that a start is followed by anyway; elsewhere it costs one inspect.

// confirm returns an error for what is not as it was meant on a container that was
// just written. shown is what the engine shows of it now, nil to ask. Differences
// at the paths of stay were there before and were not to be removed.
func (w containerWriter) confirm(ctx context.Context, r *resources.Resource, id string, shown *container.InspectResponse,
	stay resources.Delta) error {
	left, err := w.left(ctx, r, id, shown)
	if err != nil {
		return err
	}
	return resources.NotApplied(r.Addr, left.Without(stay))
}

// left returns the differences between the resource and its container, apart from
// those that a gate waits for and those that its host cannot do.
func (w containerWriter) left(ctx context.Context, r *resources.Resource, id string, shown *container.InspectResponse) (resources.Delta,
	error) {
	seen, err := w.readBack(ctx, r, id, shown)
	if err != nil {
		return nil, err
	}
	if seen.Presence != resources.Present {
		return nil, nil // it was removed meanwhile, which its gate or the next plan tells
	}
	delta := containerKind{r.Addr.Kind}.Compare(r, seen)
	return slices.DeleteFunc(delta, func(d resources.Diff) bool {
		return slices.Contains([]string{"state", "run", "files", "owner", "address"}, d.Field)
	}), nil
}

// readBack observes one container, as if all that is declared had been applied to
// it. Files are left out: they are slow to look at, and the call that places them
// tells whether it could.
func (w containerWriter) readBack(ctx context.Context, r *resources.Resource, id string,
	shown *container.InspectResponse) (*resources.Observed, error) {
	f, err := w.e.facts(ctx)
	if err != nil {
		return nil, err
	}
	want := *r
	want.Config = r.Config.Clone()
	delete(want.Config, "files")
	sealed := resources.Seal(remembered(&want))
	rec := &record{content: recordContent{
		Updated: map[string]updated{r.Addr.String(): {ID: id, Spec: sealed.String()}},
		Untaken: map[string]untaken{},
	}}
	w.e.mu.Lock()
	if u, ok := w.e.untaken[r.Addr.String()]; ok {
		rec.content.Untaken[r.Addr.String()] = u
	}
	w.e.mu.Unlock()
	if shown != nil {
		w.e.inspected.Store(id, *shown)
	}
	lctx, cancel := lasting(ctx, readTimeout)
	defer cancel()
	v := &view{e: w.e.ReadEngine, kind: r.Addr.Kind, facts: f, record: rec,
		scope: resources.Scope{Stack: r.Stack, Want: []*resources.Resource{&want}}}
	return v.one(lctx, r.Addr, &want, id)
}

// notRemoved says of an object that was removed, and looked for again, that it is
// still there, or that the look has failed.
func notRemoved(what string, lookErr error) error {
	if lookErr != nil {
		return fmt.Errorf("look whether %s is gone: %w", what, lookErr)
	}
	return fmt.Errorf("remove %s: the engine reports success, and it is still there", what)
}
