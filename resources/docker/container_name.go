package docker

import (
	"context"
	"errors"
	"fmt"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"github.com/LerianStudio/midaz-infra/resources"
)

// Names pass from one container to another in any order, also in a circle: a
// container that this run renames or removes leaves its name to whoever is to have
// it, and goes on under a name of its own, NAME.aside-ID, until it gets the one it
// is to have. After a killed run the plan shows that as a name that differs.

// takeName gives a container its name.
func (w containerWriter) takeName(ctx context.Context, r *resources.Resource, c *container.InspectResponse, name string) error {
	w.e.naming.Lock()
	defer w.e.naming.Unlock()
	err := w.rename(ctx, c, name)
	if err == nil || !errors.Is(err, errNameTaken) {
		return err
	}
	other, lookErr := w.inspect(ctx, name)
	switch {
	case cerrdefs.IsNotFound(lookErr): // it has gone meanwhile
	case lookErr != nil:
		return err
	case nameOf(&other) != name || !w.givesUp(name, &other) && !neverRan(&other, r):
		return err
	default:
		if err := w.setNameAside(ctx, name, other.ID); err != nil {
			return err
		}
	}
	return w.rename(ctx, c, name)
}

// neverRan reports whether a container is a replacement of the resource's that a
// killed run has left under its name and never started. It is removed in any order
// with what takes the name back.
func neverRan(c *container.InspectResponse, r *resources.Resource) bool {
	return isOurs(c.Config.Labels, r) && c.Config.Labels[labelReplaces] != "" && c.State.Status == container.StateCreated
}

// setNameAside takes a name from the container of that ID. It is called with
// naming held.
func (w containerWriter) setNameAside(ctx context.Context, name, id string) error {
	now, err := w.inspect(ctx, id)
	if cerrdefs.IsNotFound(err) || err == nil && nameOf(&now) != name {
		return nil
	}
	if err != nil {
		return fmt.Errorf("inspect container %s: %w", name, err)
	}
	return w.rename(ctx, &now, name+".aside-"+shortID(id))
}

// givesUp reports whether a container is one of the stack's that this run renames
// or removes, so that it will not have the name any more.
func (w containerWriter) givesUp(name string, other *container.InspectResponse) bool {
	at, err := resources.ParseAddr(other.Config.Labels[labelAddress])
	return err == nil && w.e.recorder.givesUp(other.Config.Labels[labelStack], at, name)
}

// givesUp reports whether the run changes or removes the container of the address
// so that it will not have the name any more.
func (k *recorder) givesUp(stack string, at resources.Addr, name string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if stack == "" || stack != k.stack {
		return false
	}
	if wanted, ok := k.names[at]; ok {
		return wanted != name
	}
	for _, a := range k.leaving {
		if a == at {
			return true
		}
	}
	return false
}

// errNameTaken is wrapped when a container has a name that another is to have.
var errNameTaken = errors.New("the name is taken")
