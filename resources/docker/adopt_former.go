package docker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"

	"github.com/LerianStudio/midaz-infra/resources"
)

// former is what an adoption may change on a container, as its owner had it.
// Content of files is not part of it.
type former struct {
	Name     string                               `json:"name"`
	Restart  container.RestartPolicy              `json:"restart"`
	Running  bool                                 `json:"running,omitempty"`
	Limits   limits                               `json:"limits,omitzero"`
	Networks map[string]*network.EndpointSettings `json:"networks,omitempty"` // as asked for
}

// limits are those that can be changed while a container exists.
type limits struct {
	Memory            int64  `json:"memory,omitempty"`
	MemorySwap        int64  `json:"memory_swap,omitempty"`
	MemoryReservation int64  `json:"memory_reservation,omitempty"`
	NanoCPUs          int64  `json:"nano_cpus,omitempty"`
	CPUShares         int64  `json:"cpu_shares,omitempty"`
	CPUPeriod         int64  `json:"cpu_period,omitempty"`
	CPUQuota          int64  `json:"cpu_quota,omitempty"`
	CpusetCpus        string `json:"cpuset_cpus,omitempty"`
	CpusetMems        string `json:"cpuset_mems,omitempty"`
	BlkioWeight       uint16 `json:"blkio_weight,omitempty"`
	Pids              int64  `json:"pids,omitempty"`
}

func limitsOf(h *container.HostConfig) limits {
	l := limits{Memory: h.Memory, MemorySwap: h.MemorySwap, MemoryReservation: h.MemoryReservation, NanoCPUs: h.NanoCPUs,
		CPUShares: h.CPUShares,
		CPUPeriod: h.CPUPeriod, CPUQuota: h.CPUQuota, CpusetCpus: h.CpusetCpus, CpusetMems: h.CpusetMems, BlkioWeight: h.BlkioWeight}
	if h.PidsLimit != nil {
		l.Pids = *h.PidsLimit
	}
	return l
}

func (l limits) update() container.UpdateConfig {
	var u container.UpdateConfig
	u.Memory, u.MemorySwap, u.MemoryReservation, u.NanoCPUs, u.CPUShares = l.Memory, l.MemorySwap, l.MemoryReservation, l.NanoCPUs, l.CPUShares
	u.CPUPeriod, u.CPUQuota, u.CpusetCpus, u.CpusetMems, u.BlkioWeight = l.CPUPeriod, l.CPUQuota, l.CpusetCpus, l.CpusetMems, l.BlkioWeight
	u.PidsLimit = &l.Pids
	return u
}

// formerOf returns what a container has before it is taken over.
func formerOf(c *container.InspectResponse) *former {
	final, _, _ := splitSwapName(nameOf(c))
	f := &former{Name: final, Restart: c.HostConfig.RestartPolicy, Running: isUp(c.State), Limits: limitsOf(c.HostConfig),
		Networks: map[string]*network.EndpointSettings{}}
	if c.NetworkSettings != nil {
		for name, ep := range c.NetworkSettings.Networks {
			f.Networks[name] = settingsOf(ep, c)
		}
	}
	return f
}

// giveBack gives containers back to their owners whose adoption was begun and did
// not end well, in this run or in one that was killed. One whose replacement still
// exists waits until that has gone; it returns the keys of those.
func (k *recorder) giveBack(ctx context.Context, r *record, applied map[string]*resources.Resource,
	there map[string]bool) (waiting map[string]bool, err error) {
	w, waiting := containerWriter{k.e}, map[string]bool{}
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(r.content.Adopted)) {
		o := r.content.Adopted[key]
		id, ok := strings.CutPrefix(key, sortContainer+"/")
		if !ok || !there[key] || o.Was == nil || o.Labels[labelAdopting] == "" || applied[o.Labels[labelAddress]] != nil {
			continue
		}
		replaced, err := w.hasReplacement(ctx, id)
		switch {
		case err != nil:
			waiting[key] = true
			errs = append(errs, err)
		case replaced:
			waiting[key] = true
		default:
			if err := w.restoreFormer(ctx, id, o.Was); err != nil {
				errs = append(errs, fmt.Errorf("give container %s back as it was: %w", o.Was.Name, err))
			}
		}
	}
	return waiting, errors.Join(errs...)
}

// giveAllBack gives back what a run that was killed had begun to take over, and
// writes down that it did.
func (k *recorder) giveAllBack(ctx context.Context, stack string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	adopted, err := k.adopted(ctx, stack, nil)
	if adopted == nil {
		return err
	}
	return errors.Join(k.change(ctx, stack, adopted), err)
}

// isAdopting reports whether a container is being taken over, or was when a run was
// killed.
func (c recordContent) isAdopting() bool {
	for key, o := range c.Adopted {
		if strings.HasPrefix(key, sortContainer+"/") && o.Was != nil && o.Labels[labelAdopting] != "" {
			return true
		}
	}
	return false
}

// hasReplacement reports whether a container exists that replaces the one of that
// ID and was not rejected.
func (w containerWriter) hasReplacement(ctx context.Context, id string) (bool, error) {
	lctx, cancel := lasting(ctx, readTimeout)
	defer cancel()
	list, err := w.e.api.ContainerList(lctx, container.ListOptions{All: true,
		Filters: filters.NewArgs(filters.Arg("label", labelReplaces+"="+id))})
	if err != nil {
		return false, fmt.Errorf("list containers: %w", err)
	}
	return slices.ContainsFunc(list, func(s container.Summary) bool { c := candidateOf(&s); return c.role() != "bad" }), nil
}

// restoreFormer brings a container back to what it was. All is tried, so that one
// thing that fails leaves no more behind than itself. It makes no call for what is
// as it was.
func (w containerWriter) restoreFormer(ctx context.Context, id string, was *former) error {
	c, err := w.inspect(ctx, id)
	if cerrdefs.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	errs := []error{w.rename(ctx, &c, was.Name), w.restoreNetworks(ctx, &c, was.Networks), w.restoreLimits(ctx, &c, was.Limits)}
	policy := was.Restart
	if policy.IsNone() {
		policy.Name = container.RestartPolicyDisabled // one without a name would be left as it is
	}
	if now := c.HostConfig.RestartPolicy; now != policy && !(now.IsNone() && policy.IsNone()) {
		errs = append(errs, w.policy(ctx, &c, policy))
	}
	switch up := isUp(c.State); {
	case was.Running && !up:
		_, err := w.start(ctx, id)
		errs = append(errs, err)
	case !was.Running && up:
		errs = append(errs, w.stop(ctx, &c))
	}
	return errors.Join(errs...)
}

func (w containerWriter) restoreLimits(ctx context.Context, c *container.InspectResponse, was limits) error {
	if limitsOf(c.HostConfig) == was {
		return nil
	}
	lctx, cancel := lasting(ctx, writeTimeout)
	defer cancel()
	if _, err := w.e.api.ContainerUpdate(lctx, c.ID, was.update()); err != nil {
		return fmt.Errorf("update limits: %w", err)
	}
	// The engine takes some limits in place and does not take them back.
	if now, err := w.inspect(ctx, c.ID); err == nil && limitsOf(now.HostConfig) != was {
		return &resources.Diagnosis{Err: fmt.Errorf("the engine cannot take back a limit that it was given: it has %+v, and had %+v",
			limitsOf(now.HostConfig), was),
			Hint: "only a new container is without it"}
	}
	return nil
}

// restoreNetworks joins what the container was on before it leaves what it joined.
func (w containerWriter) restoreNetworks(ctx context.Context, c *container.InspectResponse,
	was map[string]*network.EndpointSettings) error {
	now := map[string]*network.EndpointSettings{}
	if c.NetworkSettings != nil {
		maps.Copy(now, c.NetworkSettings.Networks)
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(was)) {
		switch ep := now[name]; {
		case ep == nil:
			errs = append(errs, w.connect(ctx, name, c.ID, was[name]))
		case !sameAsked(settingsOf(ep, c), was[name]):
			errs = append(errs, w.reconnect(ctx, name, c, ep, was[name]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if was[name] == nil {
			errs = append(errs, w.disconnect(ctx, name, c))
		}
	}
	return errors.Join(errs...)
}

// sameAsked compares what was asked for of two endpoints.
func sameAsked(a, b *network.EndpointSettings) bool {
	return slices.Equal(a.Aliases, b.Aliases) && sameIPAM(a.IPAMConfig, b.IPAMConfig) && maps.Equal(a.DriverOpts, b.DriverOpts) &&
		a.GwPriority == b.GwPriority
}
