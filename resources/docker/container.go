package docker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/dockerapi"
	"github.com/LerianStudio/midaz-infra/specs"
)

// containerWriter changes services and jobs.
type containerWriter struct{ e *Engine }

var (
	_ resources.Writer  = containerWriter{}
	_ resources.Waiter  = containerWriter{}
	_ resources.Swapper = containerWriter{}
	_ resources.Yielder = containerWriter{}

	_ resources.Restorer = containerWriter{}
)

// Create makes the container and starts it. A container that cannot be started
// is removed again.
func (w containerWriter) Create(ctx context.Context, r *resources.Resource, note resources.Note) error {
	req, err := w.request(ctx, r)
	if err != nil {
		return err
	}
	req.Config.Labels[labelGen] = "1"
	id, err := w.make(ctx, r, req, note)
	if err != nil {
		return err
	}
	return w.startNew(ctx, r, req, id)
}

// request builds the create call. The image must be on the engine by now.
func (w containerWriter) request(ctx context.Context, r *resources.Resource) (*request, error) {
	f, err := w.e.facts(ctx)
	if err != nil {
		return nil, err
	}
	req, err := newRequest(r, f)
	if err == nil {
		req.Config.Labels[labelMade] = newMark()
	}
	return req, err
}

// make creates the container with its networks and files, without starting it.
// When one of these fails, the container is removed.
func (w containerWriter) make(ctx context.Context, r *resources.Resource, req *request, note resources.Note) (string, error) {
	id, said, err := w.create(ctx, r, req, true)
	if err != nil {
		return "", err
	}
	for _, warning := range said {
		note("the engine warns: %s", warning)
	}
	if err := w.furnish(ctx, r, req, id); err != nil {
		return "", errors.Join(err, w.discard(ctx, id))
	}
	if err := w.verify(ctx, r, req, id, said, note); err != nil {
		return "", errors.Join(err, w.discard(ctx, id))
	}
	return id, nil
}

// create makes the container and returns what the engine warned of.
func (w containerWriter) create(ctx context.Context, r *resources.Resource, req *request, again bool) (id string, said []string,
	err error) {
	lctx, cancel := lasting(ctx, writeTimeout)
	defer cancel()
	made, err := w.e.api.ContainerCreate(lctx, req.Config, req.Host, req.Net, req.Platform, req.Name)
	if cerrdefs.IsConflict(err) && strings.Contains(err.Error(), "already in use") {
		freed, taken := w.nameTaken(ctx, r, req.Name, err)
		if !freed || !again {
			return "", nil, taken
		}
		return w.create(ctx, r, req, false)
	}
	if err != nil {
		return "", nil, w.createError(r, req, err)
	}
	for _, warning := range made.Warnings {
		said = append(said, dockerapi.OneLine(warning))
	}
	return made.ID, said, nil
}

// nameTaken frees the name when it is held by a container of ours that was
// never started: an earlier try whose answer was lost. Otherwise it says who
// holds it.
func (w containerWriter) nameTaken(ctx context.Context, r *resources.Resource, name string, cause error) (bool, error) {
	other, err := w.inspect(ctx, name)
	if cerrdefs.IsNotFound(err) {
		return false, &resources.Diagnosis{Err: fmt.Errorf("create container %s: %w", name, cause),
			Hint: "the engine holds the name for a container that it has half removed, a fault of old versions: restart it (`sudo systemctl " +
				"restart docker`)"}
	}
	if err != nil {
		return false, fmt.Errorf("inspect container %s: %w", name, err)
	}
	if isOurs(other.Config.Labels, r) && other.State.Status == container.StateCreated {
		return true, errors.Join(cause, w.discard(ctx, other.ID))
	}
	if w.givesUp(name, &other) {
		w.e.naming.Lock()
		defer w.e.naming.Unlock()
		return true, errors.Join(cause, w.setNameAside(ctx, name, other.ID))
	}
	return false, &resources.Diagnosis{Err: fmt.Errorf("create container %s: the name is taken by a container of %s: %w", name,
		ownerText(other.Config.Labels), cause),
		Hint: fmt.Sprintf("rename or remove that one (`docker rename %s NAME`), give this one a `container_name`, or take it over with "+
			"`-adopt '%s'`", name, r.Addr)}
}

// createError says what to do about a container that could not be created.
func (w containerWriter) createError(r *resources.Resource, req *request, err error) error {
	wrapped := fmt.Errorf("create container %s: %w", req.Name, err)
	text := err.Error()
	switch {
	case cerrdefs.IsNotFound(err) && strings.Contains(text, "image"):
		return &resources.Diagnosis{Err: wrapped, Hint: fmt.Sprintf("the engine has no image %s any more: plan again", req.Config.Image)}
	case strings.Contains(text, "bind source path does not exist"):
		return &resources.Diagnosis{Err: wrapped, Hint: fmt.Sprintf("bind mounts name paths on the host of the engine (%s): make the folder "+
			"there, use a volume, or place single files with `files`", w.e.Host())}
	case strings.Contains(text, "no space left on device"):
		return &resources.Diagnosis{Err: wrapped, Hint: diskHint(w.e.Host())}
	case strings.Contains(text, "No command specified") || strings.Contains(text, "no command specified"):
		return &resources.Diagnosis{Err: wrapped, Hint: "the image has no command of its own: write `command` or `entrypoint`"}
	case strings.Contains(text, "platform") && strings.Contains(text, "does not match"):
		return &resources.Diagnosis{Err: wrapped, Hint: "the image on the engine is for another platform: correct `platform`, or pull it again"}
	case isLostCall(err):
		return resources.Transient(wrapped)
	}
	return wrapped
}

// inspect also answers a run that is being interrupted: what is begun is ended. It
// waits longer than a mere look, since the engine does not answer while it starts
// the container, and a change that gives up halfway is worse than a slow one.
func (w containerWriter) inspect(ctx context.Context, id string) (container.InspectResponse, error) {
	lctx, cancel := lasting(ctx, settleTimeout)
	defer cancel()
	return w.e.api.ContainerInspect(lctx, id)
}

// isLostCall reports whether the connection broke, so that it is not known
// whether the engine has done what it was asked to. Each call may be repeated.
func isLostCall(err error) bool {
	return containsAny(err.Error(), "EOF", "connection reset", "broken pipe", "error during connect")
}

// verify compares the container, before it is started, with what was asked for.
// A limit that differs here is no drift: the engine's host cannot do it, and would
// show the difference for ever. What decides what runs, and with which data and
// networks, is an error.
func (w containerWriter) verify(ctx context.Context, r *resources.Resource, req *request, id string, said []string,
	note resources.Note) error {
	seen, err := w.readBack(ctx, r, id, nil)
	if err != nil || seen.Presence != resources.Present {
		return nil //nolint:nilerr // it is compared again after its start
	}
	u := untaken{ID: id, Shown: map[string]string{}, Why: strings.Join(said, "; ")}
	var warnings specs.Problems
	var wrong resources.Delta
	for _, d := range (containerKind{r.Addr.Kind}).Compare(r, seen) {
		switch {
		case slices.Contains([]string{"state", "run", "container_name", "files"}, d.Field) || d.Field == "networks" && req.Unreached:
		case isEssential(d):
			wrong = append(wrong, d)
		default:
			u.Shown[d.Path] = string(resources.Canonical(d.Before))
			warnings = append(warnings, u.warning(r, d))
			note("the engine has not taken %s as it was meant", d.Path)
		}
	}
	if len(warnings) > 0 {
		w.e.notTaken(r, u, warnings)
	}
	return resources.NotApplied(r.Addr, wrong)
}

// isEssential reports whether a container that differs in this is another one than
// was asked for, whatever its host can do.
func isEssential(d resources.Diff) bool {
	if d.Field == "networks" { // a setting of an endpoint may be beyond the engine, the endpoint is not
		return len(resources.SplitPath(d.Path)) == 2
	}
	return slices.Contains([]string{"image", "command", "entrypoint", "environment", "user", "working_dir", "ports", "volumes",
		"network_mode"}, d.Field)
}

// notTaken notes what the engine's host could not do.
func (e *Engine) notTaken(r *resources.Resource, u untaken, warnings specs.Problems) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.untaken == nil {
		e.untaken = map[string]untaken{}
	}
	e.untaken[r.Addr.String()] = u
	e.warnings = append(e.warnings, warnings...)
}

// Warnings returns what this run has to tell about places of the spec, and
// forgets it.
func (e *Engine) Warnings() specs.Problems {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := e.warnings
	e.warnings = nil
	return out
}

// furnish connects the networks that create could not take and places files.
func (w containerWriter) furnish(ctx context.Context, r *resources.Resource, req *request, id string) error {
	for _, name := range slices.Sorted(maps.Keys(req.Connect)) {
		if err := w.connect(ctx, name, id, req.Connect[name]); err != nil {
			return err
		}
	}
	return w.e.placeFiles(ctx, id, filesOf(r))
}

func (w containerWriter) connect(ctx context.Context, net, id string, ep *network.EndpointSettings) error {
	lctx, cancel := lasting(ctx, writeTimeout)
	defer cancel()
	err := w.e.api.NetworkConnect(lctx, net, id, ep)
	if err == nil || strings.Contains(err.Error(), "already exists in network") {
		return nil
	}
	return fmt.Errorf("connect to network %s: %w", net, err)
}

// startNew starts a container for the first time. One whose start fails is
// removed: engine 29 takes its networks away one by one (moby#51758).
func (w containerWriter) startNew(ctx context.Context, r *resources.Resource, req *request, id string) error {
	shown, err := w.start(ctx, id)
	if err != nil {
		err = w.startError(ctx, r, id, err)
		return errors.Join(err, w.discard(ctx, id))
	}
	return w.confirmStart(ctx, r, req, id, shown)
}

// confirmStart is confirm for a container that was started for the first time.
// One that stands beside another gets its aliases and its name later.
func (w containerWriter) confirmStart(ctx context.Context, r *resources.Resource, req *request, id string,
	shown *container.InspectResponse) error {
	left, err := w.left(ctx, r, id, shown)
	if err != nil {
		return err
	}
	return resources.NotApplied(r.Addr, slices.DeleteFunc(left, func(d resources.Diff) bool {
		return req.Unreached && d.Field == "networks" || req.Beside && d.Field == "container_name"
	}))
}

// start starts a container, sees to it that it has its networks and ports, and
// returns how the engine shows it then.
func (w containerWriter) start(ctx context.Context, id string) (*container.InspectResponse, error) {
	lctx, cancel := lasting(ctx, writeTimeout)
	defer cancel()
	if err := w.e.api.ContainerStart(lctx, id, container.StartOptions{}); err != nil {
		return nil, err
	}
	c, err := w.inspect(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("inspect started container: %w", err)
	}
	return &c, whole(&c)
}

// whole reports what a running container lacks of what it was made with.
func whole(c *container.InspectResponse) error {
	if c.State == nil || !c.State.Running || c.State.Restarting || c.NetworkSettings == nil || c.HostConfig == nil {
		return nil // it may have ended at once, which its gate tells
	}
	mode := c.HostConfig.NetworkMode
	if mode.IsHost() || mode.IsNone() || mode.IsContainer() {
		return nil
	}
	if len(c.NetworkSettings.Networks) == 0 {
		return errors.New("the engine started it without any network, a fault of Docker 29.0 to 29.7")
	}
	for name, ep := range c.NetworkSettings.Networks {
		if ep == nil || ep.EndpointID == "" {
			return fmt.Errorf("the engine started it without network %s", name)
		}
	}
	for port, bindings := range c.HostConfig.PortBindings {
		for _, b := range bindings {
			if b.HostPort != "" && b.HostPort != "0" && len(c.NetworkSettings.Ports[port]) == 0 {
				return fmt.Errorf("the engine started it without publishing port %s", b.HostPort)
			}
		}
	}
	return nil
}

// discard removes a container of ours that is of no use: it is stopped first,
// because the forced removal of a running one makes engines up to 28.0 lose
// count of networks (moby#42119).
func (w containerWriter) discard(ctx context.Context, id string) error {
	c, err := w.inspect(ctx, id)
	if cerrdefs.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("inspect container %s: %w", shortID(id), err)
	}
	if isUp(c.State) {
		if err := w.stop(ctx, &c); err != nil {
			return err
		}
	}
	return w.remove(ctx, &c, false)
}

// isUp reports whether there is a process to stop, now or soon again.
func isUp(s *container.State) bool { return s != nil && (s.Running || s.Paused || s.Restarting) }

// graceOf returns how long the engine waits before it kills a container that
// does not stop; below 0 that is as long as it takes.
func graceOf(c *container.InspectResponse) time.Duration {
	if c.Config != nil && c.Config.StopTimeout != nil {
		return time.Duration(*c.Config.StopTimeout) * time.Second
	}
	return 10 * time.Second // the engine's own
}

// stop stops a container within its own grace period.
func (w containerWriter) stop(ctx context.Context, c *container.InspectResponse) error {
	grace := graceOf(c)
	limit := grace + time.Minute
	if grace < 0 {
		limit = 24 * time.Hour
	}
	return w.stopWithin(ctx, c, container.StopOptions{}, limit)
}

// giveUp stops a container that never was ready, so that the one which waits to
// come back can. One that was given a grace period has it; any other is killed.
func (w containerWriter) giveUp(ctx context.Context, c *container.InspectResponse) error {
	if c.Config != nil && c.Config.StopTimeout != nil {
		return w.stop(ctx, c)
	}
	now := 0 // seconds between the signal to stop and the one to kill
	return w.stopWithin(ctx, c, container.StopOptions{Timeout: &now}, time.Minute)
}

func (w containerWriter) stopWithin(ctx context.Context, c *container.InspectResponse, o container.StopOptions, limit time.Duration) error {
	lctx, cancel := lasting(ctx, limit)
	defer cancel()
	err := w.e.api.ContainerStop(lctx, c.ID, o)
	switch {
	case cerrdefs.IsNotFound(err) || cerrdefs.IsNotModified(err):
		return nil
	case err != nil:
		return fmt.Errorf("stop container %s: %w", nameOf(c), err)
	}
	return w.stopped(ctx, c)
}

// stopped returns an error for a container that was stopped and still runs:
// whatever takes its place may write to the same data.
func (w containerWriter) stopped(ctx context.Context, c *container.InspectResponse) error {
	const looks = 10 // the engine may have been about to restart it
	for try := 1; ; try++ {
		now, err := w.inspect(ctx, c.ID)
		switch {
		case cerrdefs.IsNotFound(err) || err == nil && !isUp(now.State):
			return nil
		case err != nil:
			return fmt.Errorf("inspect stopped container %s: %w", nameOf(c), err)
		case try == looks:
			return fmt.Errorf("stop container %s: the engine reports success, and it still runs", nameOf(c))
		}
		if err := dockerapi.Sleep(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

func nameOf(c *container.InspectResponse) string { return strings.TrimPrefix(c.Name, "/") }

// remove removes a stopped container; with volumes, also those that have no
// name and no other user.
func (w containerWriter) remove(ctx context.Context, c *container.InspectResponse, volumes bool) error {
	lctx, cancel := lasting(ctx, writeTimeout)
	defer cancel()
	err := w.e.api.ContainerRemove(lctx, c.ID, container.RemoveOptions{RemoveVolumes: volumes})
	switch {
	case err == nil:
		if _, err := w.inspect(ctx, c.ID); !cerrdefs.IsNotFound(err) {
			return notRemoved("container "+nameOf(c), err)
		}
	case cerrdefs.IsNotFound(err):
	case strings.Contains(err.Error(), "already in progress"):
		if err := w.gone(ctx, c.ID); err != nil {
			return err
		}
	default:
		return fmt.Errorf("remove container %s: %w", nameOf(c), err)
	}
	if !volumes {
		return nil
	}
	// Volumes without a name that came down from an earlier container count as
	// named for the engine.
	for _, m := range c.Mounts {
		if m.Type == mount.TypeVolume && anonymousName.MatchString(m.Name) {
			if err := w.e.api.VolumeRemove(lctx, m.Name, false); err != nil && !cerrdefs.IsNotFound(err) && !cerrdefs.IsConflict(err) {
				return fmt.Errorf("remove volume %s: %w", shortID(m.Name), err)
			}
		}
	}
	return nil
}

// gone waits until a removal that is under way has ended. Old engines may stick
// in it, so it does not wait for ever.
func (w containerWriter) gone(ctx context.Context, id string) error {
	deadline := time.Now().Add(20 * time.Second)
	for pause := 20 * time.Millisecond; time.Now().Before(deadline); pause = min(2*pause, time.Second) {
		_, err := w.inspect(ctx, id)
		if cerrdefs.IsNotFound(err) {
			return nil
		}
		if err := dockerapi.Sleep(ctx, pause); err != nil {
			return err
		}
	}
	return &resources.Diagnosis{Err: fmt.Errorf("remove container %s: the engine has been removing it for 20 s", shortID(id)),
		Hint: "it may be stuck: look at the engine's log, and restart it if it stays"}
}

// Delete stops the container within its grace period and removes it. Volumes
// without a name hold somebody's data as others do, and go only with a purge.
func (w containerWriter) Delete(ctx context.Context, have *resources.Observed, note resources.Note) error {
	c, err := w.inspect(ctx, have.ID)
	if cerrdefs.IsNotFound(err) {
		return nil
	}
	if err != nil && have.Presence == resources.Unknown {
		return w.removeUnread(ctx, have)
	}
	if err != nil {
		return fmt.Errorf("inspect container %s: %w", shortID(have.ID), err)
	}
	if isUp(c.State) {
		note("stopping")
		if err := w.stop(ctx, &c); err != nil {
			return err
		}
	}
	if !have.Purge {
		for _, m := range c.Mounts {
			if m.Type == mount.TypeVolume && anonymousName.MatchString(m.Name) {
				note("the volume at %s has no name and stays: %s", m.Destination, m.Name)
			}
		}
	}
	if id, ok := w.e.isSwapping(have.Addr); ok && id == c.ID {
		w.e.swapped(have.Addr)
	}
	return w.remove(ctx, &c, have.Purge)
}

// removeUnread removes a container that the engine lists and cannot describe.
func (w containerWriter) removeUnread(ctx context.Context, have *resources.Observed) error {
	lctx, cancel := lasting(ctx, writeTimeout)
	defer cancel()
	err := w.e.api.ContainerRemove(lctx, have.ID, container.RemoveOptions{RemoveVolumes: have.Purge, Force: true})
	if err != nil && !cerrdefs.IsNotFound(err) {
		return fmt.Errorf("remove container %s, which the engine cannot describe: %w", shortID(have.ID), err)
	}
	return nil
}

// Update changes what can be changed on the living container.
func (w containerWriter) Update(ctx context.Context, r *resources.Resource, have *resources.Observed, d resources.Delta,
	note resources.Note) error {
	c, err := w.inspect(ctx, have.ID)
	if cerrdefs.IsNotFound(err) {
		return fmt.Errorf("container of %s: %w", r.Addr, resources.ErrMoved)
	}
	if err != nil {
		return fmt.Errorf("inspect container %s: %w", shortID(have.ID), err)
	}
	w.e.begins(r.Addr)
	if d.Has("owner") {
		if err := w.e.recorder.take(ctx, r, have); err != nil {
			return err
		}
	}
	before := containerKind{r.Addr.Kind}.Compare(r, have)
	err = w.change(ctx, r, &c, have, d, note)
	// What is recorded is what was read back, also when something failed on the way.
	left, lookErr := w.left(ctx, r, c.ID, nil)
	if lookErr != nil {
		left = before
	}
	left = left.Without(stalePeers(left)) // until it is restarted, below
	notDone := append(before.Without(d), left...)
	if err != nil { // whether files were placed is not known
		notDone = append(notDone, slices.DeleteFunc(slices.Clone(d), func(d resources.Diff) bool { return d.Field != "files" })...)
	}
	w.e.updatedInPlace(r, have, notDone)
	if err = errors.Join(err, lookErr); err != nil {
		return err
	}
	if err := resources.NotApplied(r.Addr, left.Without(before.Without(d))); err != nil {
		return err
	}
	return w.revive(ctx, r, &c, d, note)
}

// change makes the changes that leave the process alone.
func (w containerWriter) change(ctx context.Context, r *resources.Resource, c *container.InspectResponse, have *resources.Observed,
	d resources.Delta, note resources.Note) error {
	if d.Has("container_name") {
		if err := w.takeName(ctx, r, c, containerName(r)); err != nil {
			return err
		}
	}
	if err := w.limits(ctx, r, c, d); err != nil {
		return err
	}
	if d.Has("networks") {
		if err := w.networks(ctx, r, c, namedNetworks(r, c, have.Applied, d)); err != nil {
			return err
		}
	}
	if d.Has("files") {
		return w.files(ctx, r, c, d, note)
	}
	return nil
}

// revive starts a container that does not run, and restarts one that shares
// namespaces of a process that has ended.
func (w containerWriter) revive(ctx context.Context, r *resources.Resource, c *container.InspectResponse, d resources.Delta,
	note resources.Note) error {
	if d.Has("state") {
		return w.run(ctx, r, c, note)
	}
	if slices.ContainsFunc(peerFields, d.Has) {
		note("restarting, to share what is there now")
		if err := w.restart(ctx, c); err != nil {
			return err
		}
		return w.confirm(ctx, r, c.ID, nil, d.Without(stalePeers(d)))
	}
	return nil
}

// stalePeers returns the differences of shared namespaces.
func stalePeers(d resources.Delta) resources.Delta {
	return slices.DeleteFunc(slices.Clone(d), func(d resources.Diff) bool { return !slices.Contains(peerFields, d.Field) })
}

// restart stops a container and starts it again.
func (w containerWriter) restart(ctx context.Context, c *container.InspectResponse) error {
	if err := w.stop(ctx, c); err != nil {
		return err
	}
	if _, err := w.start(ctx, c.ID); err != nil {
		return fmt.Errorf("start container %s: %w", nameOf(c), err)
	}
	return nil
}

// rejoin restarts the running containers of the stack that share namespaces of
// one that was started again: theirs ended with its process.
func (w containerWriter) rejoin(ctx context.Context, stack, id string) error {
	lctx, cancel := lasting(ctx, readTimeout)
	defer cancel()
	all, err := w.e.api.ContainerList(lctx, container.ListOptions{Filters: filters.NewArgs(filters.Arg("label", labelStack+"="+stack))})
	if err != nil {
		return fmt.Errorf("list containers: %w", err)
	}
	var errs []error
	for _, s := range all {
		c, err := w.inspect(ctx, s.ID)
		if cerrdefs.IsNotFound(err) {
			continue
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("inspect container %s: %w", nameOfSummary(s), err))
			continue
		}
		if sharesWith(c.HostConfig, id) && c.State.Running {
			errs = append(errs, w.restart(ctx, &c))
		}
	}
	return errors.Join(errs...)
}

// sharesWith reports whether a container shares a namespace of another.
func sharesWith(h *container.HostConfig, id string) bool {
	of := "container:" + id
	return string(h.NetworkMode) == of || string(h.PidMode) == of || string(h.IpcMode) == of
}

// begins notes that the change in place of a container has begun: see recorder.Intend.
func (e *Engine) begins(a resources.Addr) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.begun[a.String()] = true
}

func (w containerWriter) rename(ctx context.Context, c *container.InspectResponse, name string) error {
	if nameOf(c) == name {
		return nil // the engine refuses to give a container its own name
	}
	lctx, cancel := lasting(ctx, writeTimeout)
	defer cancel()
	if err := w.e.api.ContainerRename(lctx, c.ID, name); err != nil {
		if now, lookErr := w.inspect(ctx, c.ID); lookErr == nil && nameOf(&now) == name {
			c.Name = now.Name
			return nil // by a call whose answer was lost
		}
		if cerrdefs.IsConflict(err) {
			return &resources.Diagnosis{Err: fmt.Errorf("rename container %s to %s: %w: %w", nameOf(c), name, errNameTaken, err),
				Hint: fmt.Sprintf("another container has that name: rename or remove it (`docker rename %s NAME`)", name)}
		}
		return fmt.Errorf("rename container %s to %s: %w", nameOf(c), name, err)
	}
	c.Name = "/" + name
	return nil
}

// limits applies resources and the restart policy, each in a call of its own:
// the engine applies the policy even when the resources are refused.
func (w containerWriter) limits(ctx context.Context, r *resources.Resource, c *container.InspectResponse, d resources.Delta) error {
	u, any := updateOf(r, d)
	if !any {
		return nil
	}
	if !reflect.DeepEqual(u.Resources, container.Resources{}) {
		lctx, cancel := lasting(ctx, writeTimeout)
		defer cancel()
		if _, err := w.e.api.ContainerUpdate(lctx, c.ID, container.UpdateConfig{Resources: u.Resources}); err != nil {
			return fmt.Errorf("update limits of container %s: %w", nameOf(c), err)
		}
	}
	if u.RestartPolicy.Name != "" {
		return w.policy(ctx, c, u.RestartPolicy)
	}
	return nil
}

func (w containerWriter) policy(ctx context.Context, c *container.InspectResponse, p container.RestartPolicy) error {
	lctx, cancel := lasting(ctx, writeTimeout)
	defer cancel()
	for attempt := 1; ; attempt++ {
		_, err := w.e.api.ContainerUpdate(lctx, c.ID, container.UpdateConfig{RestartPolicy: p})
		switch {
		case err == nil || cerrdefs.IsNotFound(err):
			return nil
		case attempt < 10 && strings.Contains(err.Error(), "container not running"):
			// It ended at this very moment, which the engine has not noticed yet.
			if err := dockerapi.Sleep(lctx, 50*time.Millisecond); err != nil {
				return err
			}
		default:
			return fmt.Errorf("update restart policy of container %s: %w", nameOf(c), err)
		}
	}
}

// networks brings the endpoints on the networks of those names, or on all when
// meant is nil, to what is wanted. Settings of an endpoint cannot be changed, so
// one that differs is cut and made again.
func (w containerWriter) networks(ctx context.Context, r *resources.Resource, c *container.InspectResponse, meant map[string]bool) error {
	f, err := w.e.facts(ctx)
	if err != nil {
		return err
	}
	want := endpointsOf(r, f)
	if len(want) == 0 {
		return nil // a network mode of its own, which only a new container changes
	}
	have := map[string]*network.EndpointSettings{}
	if c.NetworkSettings != nil {
		maps.Copy(have, c.NetworkSettings.Networks)
	}
	others := func(name string, _ *network.EndpointSettings) bool { return meant != nil && !meant[name] }
	maps.DeleteFunc(want, others)
	maps.DeleteFunc(have, others)
	// What it joins comes first and what it leaves last: should a step fail, it is
	// on the networks that it was on.
	for _, name := range slices.Sorted(maps.Keys(want)) {
		// Below API 1.44 the client refuses an address that it takes at create.
		want[name].MacAddress = ""
		was, on := have[name]
		if !on {
			if err := w.connect(ctx, name, c.ID, want[name]); err != nil {
				return errors.Join(err, w.disconnect(ctx, name, c))
			}
			continue
		}
		keep, err := w.keeps(ctx, name, was, want[name], c)
		if err != nil {
			return err
		}
		if keep {
			continue
		}
		if err := w.reconnect(ctx, name, c, was, want[name]); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(have)) {
		if want[name] != nil {
			continue
		}
		if err := w.disconnect(ctx, name, c); err != nil {
			return err
		}
	}
	return nil
}

// reconnect makes an endpoint again with other settings. When that fails, the
// endpoint of before comes back: the engine keeps what was asked for, but the
// container is not on the network.
func (w containerWriter) reconnect(ctx context.Context, net string, c *container.InspectResponse, was,
	want *network.EndpointSettings) error {
	if err := w.disconnect(ctx, net, c); err != nil {
		return err
	}
	err := w.connect(ctx, net, c.ID, want)
	if err == nil {
		return nil
	}
	if back := w.connect(ctx, net, c.ID, settingsOf(was, c)); back != nil {
		return errors.Join(err, fmt.Errorf("put the old endpoint back: %w", back))
	}
	return fmt.Errorf("%w (the old endpoint is back)", err)
}

// namedNetworks returns the names on the engine of the networks that the
// differences are about.
func namedNetworks(r *resources.Resource, c *container.InspectResponse, applied *resources.Sealed, d resources.Delta) map[string]bool {
	s := &sight{c: c, want: r, applied: applied}
	names := map[string]string{}
	for key, e := range r.Config.Map("networks") {
		names[key] = resources.Config(mapOf(e)).Text("name")
	}
	if c.NetworkSettings != nil {
		for name := range c.NetworkSettings.Networks {
			if key := s.networkKey(name); names[key] == "" {
				names[key] = name
			}
		}
	}
	out := map[string]bool{}
	for key := range partsOf(d, "networks") {
		out[names[key]] = true
	}
	return out
}

// partsOf returns the keys of a field's map that the differences are about.
func partsOf(d resources.Delta, field string) map[string]bool {
	out := map[string]bool{}
	for _, diff := range d {
		if parts := resources.SplitPath(diff.Path); diff.Field == field && len(parts) > 1 {
			out[parts[1].Key] = true
		}
	}
	return out
}

func (w containerWriter) disconnect(ctx context.Context, net string, c *container.InspectResponse) error {
	lctx, cancel := lasting(ctx, writeTimeout)
	defer cancel()
	if err := w.e.api.NetworkDisconnect(lctx, net, c.ID, true); err != nil && !isNotConnected(err) {
		return fmt.Errorf("disconnect container %s from network %s: %w", nameOf(c), net, err)
	}
	return nil
}

// keeps reports whether an endpoint is as wanted, on the network that has the
// name now.
func (w containerWriter) keeps(ctx context.Context, name string, have, want *network.EndpointSettings, c *container.InspectResponse) (bool,
	error) {
	if want == nil || have == nil {
		return false, nil
	}
	if isUp(c.State) && have.EndpointID == "" {
		return false, nil // what was asked for once, and could not be done
	}
	if have.NetworkID != "" {
		n, err := w.e.api.NetworkInspect(ctx, name, network.InspectOptions{})
		if err != nil {
			return false, fmt.Errorf("inspect network %s: %w", name, err)
		}
		if n.ID != have.NetworkID {
			return false, nil
		}
	}
	asked := settingsOf(have, c)
	asked.Aliases = slices.DeleteFunc(asked.Aliases, func(a string) bool {
		return a == c.Config.Hostname &&
			!slices.Contains(want.Aliases, a)
	})
	wanted := slices.Clone(want.Aliases)
	slices.Sort(wanted)
	return slices.Equal(asked.Aliases, slices.Compact(wanted)) && sameIPAM(asked.IPAMConfig, want.IPAMConfig) &&
		maps.Equal(asked.DriverOpts, want.DriverOpts) && asked.GwPriority == want.GwPriority, nil
}

func sameIPAM(a, b *network.EndpointIPAMConfig) bool {
	if a == nil {
		a = &network.EndpointIPAMConfig{}
	}
	if b == nil {
		b = &network.EndpointIPAMConfig{}
	}
	return a.IPv4Address == b.IPv4Address && a.IPv6Address == b.IPv6Address && slices.Equal(a.LinkLocalIPs, b.LinkLocalIPs)
}

// files places those that differ and sends the signals they ask for.
func (w containerWriter) files(ctx context.Context, r *resources.Resource, c *container.InspectResponse, d resources.Delta,
	note resources.Note) error {
	meant := partsOf(d, "files")
	want := slices.DeleteFunc(filesOf(r), func(f file) bool { return !meant[f.Target] })
	have, err := w.e.filesHave(ctx, c.ID, want, true)
	if err != nil {
		return err
	}
	changed := slices.DeleteFunc(want, func(f file) bool { return resources.Equal(have[f.Target], f.value()) })
	if err := w.e.placeFiles(ctx, c.ID, changed); err != nil {
		return err
	}
	var signals []string
	for _, f := range changed {
		if name, ok := strings.CutPrefix(f.OnChange, "signal:"); ok && !slices.Contains(signals, name) {
			signals = append(signals, name)
		}
	}
	if c.State == nil || !c.State.Running || c.State.Paused {
		return nil
	}
	for _, name := range signals {
		note("sending %s", name)
		if err := w.e.api.ContainerKill(ctx, c.ID, name); err != nil && !cerrdefs.IsConflict(err) {
			return fmt.Errorf("signal container %s: %w", nameOf(c), err)
		}
	}
	return nil
}

// run brings a container that does not run to run.
func (w containerWriter) run(ctx context.Context, r *resources.Resource, c *container.InspectResponse, note resources.Note) error {
	switch {
	case c.State.Paused:
		note("unpausing")
		w.e.resumes(c)
		lctx, cancel := lasting(ctx, writeTimeout)
		defer cancel()
		if err := w.e.api.ContainerUnpause(lctx, c.ID); err != nil && !cerrdefs.IsConflict(err) {
			return fmt.Errorf("unpause container %s: %w", nameOf(c), err)
		}
		return nil
	case c.State.Running:
		return nil
	case c.State.Status == container.StateCreated && c.State.Error != "":
		return fmt.Errorf("container %s was never started, because: %s", nameOf(c), dockerapi.OneLine(c.State.Error))
	}
	note("starting")
	if _, err := w.start(ctx, c.ID); err != nil {
		return w.startError(ctx, r, c.ID, err)
	}
	return nil
}

func itoa(n int) string { return strconv.Itoa(n) }
