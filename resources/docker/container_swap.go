package docker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"

	"github.com/LerianStudio/midaz-infra/resources"
)

// A container is replaced under names that tell how far it has come, because a
// name is the one thing that can be changed on a container:
//
//	N          the container in place
//	N.new-G    the replacement, made beside it; G counts replacements
//	N.old-G    the old one, set aside
//	N.bad-G    a replacement that failed, kept for its log
//
// A replacement also carries the ID of the one it replaces. From these, and from
// what runs, each point at which a run was killed can be told.
//
// The order is stop-first when the two cannot run side by side:
//
//	create N.new, stop N, N becomes N.old, N.new becomes N, start N | gate | remove N.old
//
// and start-first when they can, where the new one gets the aliases by which
// others reach the service only when it is ready to answer them:
//
//	create N.new, start N.new | gate | aliases, N becomes N.old, N.new becomes N, stop and remove N.old

// Swap makes the replacement and starts it, in place of the old container or
// beside it.
func (w containerWriter) Swap(ctx context.Context, r *resources.Resource, have *resources.Observed, note resources.Note) error {
	old, err := w.inspect(ctx, have.ID)
	if cerrdefs.IsNotFound(err) {
		return fmt.Errorf("container of %s: %w", r.Addr, resources.ErrMoved)
	}
	if err != nil {
		return fmt.Errorf("inspect container %s: %w", shortID(have.ID), err)
	}
	w.e.swapping(r.Addr, "")
	if have.Stack != r.Stack {
		// Set aside, it must be found again by whoever comes after a killed run.
		if err := w.e.recorder.take(ctx, r, have); err != nil {
			return err
		}
	}
	if err := w.clear(ctx, r, &old); err != nil {
		return err
	}
	req, err := w.request(ctx, r)
	if err != nil {
		return err
	}
	gen := genOf(old.Config.Labels) + 1
	name := req.Name
	req.Name = swapNameOf(name, "new", gen)
	req.Config.Labels[labelGen], req.Config.Labels[labelReplaces] = itoa(gen), old.ID
	if err := w.inherit(ctx, &old, req); err != nil {
		return err
	}
	order := orderOf(r, req, &old)
	if order.startFirst {
		req.Beside = true
		// Where running is all that is asked of it, it may be reached at once, and
		// does not have to leave its networks and join them again.
		if !gateOf(r).isMetByRunning() {
			withoutAliases(req)
		}
	}
	note("creating the replacement")
	id, err := w.make(ctx, r, req, note)
	if err != nil {
		return err
	}
	w.e.swapping(r.Addr, id)
	if order.startFirst {
		note("starting it beside the old one")
		return w.startNew(ctx, r, req, id)
	}
	return w.takePlace(ctx, r, &old, req, id, gen, note)
}

// Yield stops the old container, so that others can have its ports and addresses.
func (w containerWriter) Yield(ctx context.Context, r *resources.Resource, have *resources.Observed, note resources.Note) error {
	old, err := w.inspect(ctx, have.ID)
	if cerrdefs.IsNotFound(err) {
		return fmt.Errorf("container of %s: %w", r.Addr, resources.ErrMoved)
	}
	if err != nil {
		return fmt.Errorf("inspect container %s: %w", shortID(have.ID), err)
	}
	return w.halt(ctx, &old, note)
}

// halt stops an old container and sees to it that a restart of the engine does
// not bring it back beside a new one.
func (w containerWriter) halt(ctx context.Context, old *container.InspectResponse, note resources.Note) error {
	if !old.HostConfig.RestartPolicy.IsNone() {
		if err := w.policy(ctx, old, container.RestartPolicy{Name: container.RestartPolicyDisabled}); err != nil {
			return err
		}
	}
	if !isUp(old.State) {
		return nil
	}
	note("stopping the old one")
	return w.stop(ctx, old)
}

// withoutAliases has nobody reach a container but those who know its name.
func withoutAliases(req *request) {
	req.Unreached = true
	for _, ep := range req.endpoints() {
		ep.Aliases = nil
	}
}

// swapping notes that this run replaces the container of the address, and by
// which one as soon as that exists. The engine will commit it or roll it back;
// of other replacements no one would: an interrupted run has left them.
func (e *Engine) swapping(a resources.Addr, replacement string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.swaps[a] = replacement
}

// isSwapping reports whether this run replaces the container of the address, and
// returns the ID of the replacement, "" before it exists.
func (e *Engine) isSwapping(a resources.Addr) (replacement string, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	replacement, ok = e.swaps[a]
	return replacement, ok
}

// swapped notes that the replacement of this run is over: from here on the
// container of the address is looked for as at any other time.
func (e *Engine) swapped(a resources.Addr) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.swaps, a)
}

func swapNameOf(final, role string, gen int) string { return fmt.Sprintf("%s.%s-%d", final, role, gen) }

// clear removes replacements of the old container that an earlier run, or an
// earlier try of this one, has left.
func (w containerWriter) clear(ctx context.Context, r *resources.Resource, old *container.InspectResponse) error {
	family, err := w.family(ctx, r)
	if err != nil {
		return err
	}
	for _, c := range family {
		if c.id == old.ID || c.labels[labelReplaces] != old.ID && c.role() != "new" && c.role() != "bad" {
			continue
		}
		if err := w.discard(ctx, c.id); err != nil {
			return fmt.Errorf("clear what was left of an earlier replacement: %w", err)
		}
	}
	return nil
}

// inherit hands volumes without a name on, so that what is in them outlives the
// replacement: those of the image's VOLUMEs and of mounts without a source.
func (w containerWriter) inherit(ctx context.Context, old *container.InspectResponse, req *request) error {
	img, err := w.e.image(ctx, req.Config.Image)
	if err != nil {
		return err
	}
	anonymous := map[string]bool{}
	if img != nil && img.Config != nil {
		for target := range img.Config.Volumes {
			anonymous[path.Clean(target)] = true
		}
	}
	for target := range req.Host.Tmpfs {
		delete(anonymous, path.Clean(target))
	}
	for _, m := range req.mounts() {
		delete(anonymous, path.Clean(m.Target))
	}
	for i := range req.Host.Mounts {
		if m := &req.Host.Mounts[i]; m.Type == mount.TypeVolume && m.Source == "" {
			m.Source = anonymousAt(old, path.Clean(m.Target))
		}
	}
	for _, target := range slices.Sorted(maps.Keys(anonymous)) {
		if name := anonymousAt(old, target); name != "" {
			req.Host.Mounts = append(req.Host.Mounts, mount.Mount{Type: mount.TypeVolume, Source: name, Target: target})
		}
	}
	return nil
}

// anonymousAt returns the volume without a name that a container has mounted
// there, "" when there is none.
func anonymousAt(c *container.InspectResponse, target string) string {
	for _, m := range c.Mounts {
		if m.Type == mount.TypeVolume && path.Clean(m.Destination) == target && anonymousName.MatchString(m.Name) {
			return m.Name
		}
	}
	return ""
}

// takePlace stops the old container, sets it aside and starts the replacement
// under its name. Each step can be told from names and state alone.
func (w containerWriter) takePlace(ctx context.Context, r *resources.Resource, old *container.InspectResponse, req *request, id string,
	gen int, note resources.Note) error {
	name := containerName(r)
	if isUp(old.State) {
		note("stopping the old one")
		if err := w.stop(ctx, old); err != nil {
			return err
		}
	}
	aside := *old
	if err := w.rename(ctx, &aside, swapNameOf(name, "old", gen)); err != nil {
		return err
	}
	fresh := container.InspectResponse{ContainerJSONBase: &container.ContainerJSONBase{ID: id, Name: "/" + swapNameOf(name, "new", gen)}}
	if err := w.takeName(ctx, r, &fresh, name); err != nil {
		return err
	}
	// From here on a restart of the engine must not bring the old one back beside
	// the new one. Before, it should: should this run be killed meanwhile, nothing
	// else would run.
	if p := old.HostConfig.RestartPolicy; !p.IsNone() {
		if err := w.policy(ctx, old, container.RestartPolicy{Name: container.RestartPolicyDisabled}); err != nil {
			return err
		}
	}
	note("starting the replacement")
	shown, err := w.start(ctx, id)
	if err != nil {
		return w.startError(ctx, r, id, err)
	}
	return w.confirmStart(ctx, r, req, id, shown)
}

// Commit removes the old container, after putting the new one in its place if
// it still stands beside it.
func (w containerWriter) Commit(ctx context.Context, r *resources.Resource, have *resources.Observed, note resources.Note) error {
	fresh, err := w.replacementOf(ctx, r, have.ID)
	if err != nil {
		return err
	}
	if fresh == nil {
		return fmt.Errorf("the replacement of %s is gone: %w", r.Addr, resources.ErrMoved)
	}
	name := containerName(r)
	old, err := w.inspect(ctx, have.ID)
	switch {
	case cerrdefs.IsNotFound(err):
		return w.takeName(ctx, r, fresh, name)
	case err != nil:
		return fmt.Errorf("inspect container %s: %w", shortID(have.ID), err)
	}
	var notApplied error
	if nameOf(fresh) != name {
		note("putting it in place")
		if err := w.networks(ctx, r, fresh, nil); err != nil {
			return fmt.Errorf("give it the aliases of the service: %w", err)
		}
		// The old one leaves the name first; it still runs and is reached by its
		// aliases, as the new one is.
		if err := w.rename(ctx, &old, swapNameOf(name, "old", genOf(fresh.Config.Labels))); err != nil {
			return err
		}
		if err := w.takeName(ctx, r, fresh, name); err != nil {
			return err
		}
		notApplied = w.confirm(ctx, r, fresh.ID, nil, nil)
	}
	if isUp(old.State) {
		if err := w.halt(ctx, &old, note); err != nil {
			return err
		}
	}
	// Volumes without a name may have been handed on, and those that were not
	// hold data of someone who did not name them.
	return errors.Join(w.remove(ctx, &old, false), notApplied)
}

// replacementOf returns the container that replaces the one of that ID, nil
// when there is none. Rejected ones do not count.
func (w containerWriter) replacementOf(ctx context.Context, r *resources.Resource, id string) (*container.InspectResponse, error) {
	family, err := w.family(ctx, r)
	if err != nil {
		return nil, err
	}
	for _, member := range family {
		if member.labels[labelReplaces] != id || member.role() == "bad" || member.id == id {
			continue
		}
		c, err := w.inspect(ctx, member.id)
		if cerrdefs.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("inspect container %s: %w", shortID(member.id), err)
		}
		return &c, nil
	}
	return nil, nil
}

// Rollback puts the old container back: in its name, with its restart policy,
// and running if it ran.
func (w containerWriter) Rollback(ctx context.Context, r *resources.Resource, have *resources.Observed, note resources.Note) error {
	if err := w.rollBack(ctx, r, have, note); err != nil {
		return err
	}
	w.e.swapped(r.Addr)
	return nil
}

func (w containerWriter) rollBack(ctx context.Context, r *resources.Resource, have *resources.Observed, note resources.Note) error {
	old, err := w.inspect(ctx, have.ID)
	if cerrdefs.IsNotFound(err) {
		return fmt.Errorf("the old container of %s is gone: %w", r.Addr, resources.ErrMoved)
	}
	if err != nil {
		return fmt.Errorf("inspect container %s: %w", shortID(have.ID), err)
	}
	before := old
	if seen, ok := have.Native.(*seenContainer); ok {
		before = seen.inspect
	}
	proven, err := w.proven(ctx, r, &before)
	if err != nil {
		return err
	}
	if proven != nil {
		note("putting back the one before the old one, which never passed its gate")
		if fresh, err := w.replacementOf(ctx, r, old.ID); err != nil {
			return err
		} else if fresh != nil {
			if err := w.reject(ctx, fresh, containerName(r)); err != nil {
				return err
			}
		}
		return w.putBack(ctx, r, proven, container.RestartPolicy{})
	}
	note("putting the old one back")
	if err := w.putBack(ctx, r, &old, before.HostConfig.RestartPolicy); err != nil {
		return err
	}
	// It gets the name it had, which need not be the one wanted, unless another one
	// has taken that over meanwhile.
	if err := w.takeName(ctx, r, &old, originalName(&before, r)); err != nil && !errors.Is(err, errNameTaken) {
		return err
	}
	return nil
}

// proven returns the container that the old one had replaced, when that stands
// aside still because the run that replaced it was killed, and the old one was
// seen not to be well: then it is what last worked. It returns nil otherwise.
func (w containerWriter) proven(ctx context.Context, r *resources.Resource, old *container.InspectResponse) (*container.InspectResponse,
	error) {
	if old.State == nil || stateText(old) == "running" && old.RestartCount == 0 {
		return nil, nil
	}
	c, err := w.setAside(ctx, old)
	if err != nil || c == nil {
		return nil, err
	}
	if final, _, _ := splitSwapName(nameOf(c)); final != containerName(r) {
		return nil, nil
	}
	return c, nil
}

// setAside returns the container that c has replaced, nil when there is none or
// it does not stand aside.
func (w containerWriter) setAside(ctx context.Context, c *container.InspectResponse) (*container.InspectResponse, error) {
	if c.Config == nil || c.Config.Labels[labelReplaces] == "" {
		return nil, nil
	}
	old, err := w.inspect(ctx, c.Config.Labels[labelReplaces])
	if cerrdefs.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("inspect the old container: %w", err)
	}
	if _, role, _ := splitSwapName(nameOf(&old)); role != "old" {
		return nil, nil
	}
	return &old, nil
}

// originalName returns the name a container had before it was set aside.
func originalName(before *container.InspectResponse, r *resources.Resource) string {
	final, role, _ := splitSwapName(nameOf(before))
	if role == "" {
		return final
	}
	return containerName(r)
}

// putBack rejects the replacement and starts the old container again, with its
// restart policy. A policy of none may be that of a killed run, which had turned
// it off; the container remembers its own.
func (w containerWriter) putBack(ctx context.Context, r *resources.Resource, old *container.InspectResponse,
	policy container.RestartPolicy) error {
	fresh, err := w.replacementOf(ctx, r, old.ID)
	if err != nil {
		return err
	}
	if fresh != nil {
		if err := w.reject(ctx, fresh, containerName(r)); err != nil {
			return err
		}
	}
	if _, role, _ := splitSwapName(nameOf(old)); role != "" {
		if err := w.takeName(ctx, r, old, containerName(r)); err != nil {
			return err
		}
	}
	if policy.IsNone() {
		policy = rememberedPolicy(old)
	}
	if !policy.IsNone() && policy != old.HostConfig.RestartPolicy {
		if err := w.policy(ctx, old, policy); err != nil {
			return err
		}
	}
	if r.Addr.Kind == "job" || isUp(old.State) || old.State.Status == container.StateCreated {
		return nil // a job's container is a record
	}
	if _, err := w.start(ctx, old.ID); err != nil {
		return fmt.Errorf("start the old container %s: %w", nameOf(old), err)
	}
	return w.rejoin(ctx, r.Stack, old.ID)
}

// rememberedPolicy returns the restart policy that a container was made with.
func rememberedPolicy(c *container.InspectResponse) container.RestartPolicy {
	name, count, _ := strings.Cut(resources.Text(appliedOf(c.Config.Labels).Shape("restart")), ":")
	n, _ := strconv.Atoi(count)
	p := container.RestartPolicy{Name: container.RestartPolicyMode(name), MaximumRetryCount: n}
	if container.ValidateRestartPolicy(p) != nil {
		return container.RestartPolicy{}
	}
	return p
}

// reject stops a replacement and puts it aside with its log. One that never
// ran has none and goes.
func (w containerWriter) reject(ctx context.Context, fresh *container.InspectResponse, name string) error {
	if isUp(fresh.State) {
		if err := w.giveUp(ctx, fresh); err != nil {
			return err
		}
	}
	if fresh.State == nil || fresh.State.Status == container.StateCreated {
		return w.remove(ctx, fresh, false)
	}
	var errs []error
	if fresh.HostConfig != nil && !fresh.HostConfig.RestartPolicy.IsNone() {
		errs = append(errs, w.policy(ctx, fresh, container.RestartPolicy{Name: container.RestartPolicyDisabled}))
	}
	errs = append(errs, w.rename(ctx, fresh, swapNameOf(name, "bad", genOf(fresh.Config.Labels))))
	return errors.Join(errs...)
}
