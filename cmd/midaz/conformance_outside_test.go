//go:build e2e

package main

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"

	"github.com/LerianStudio/midaz-infra/engine/enginetest"
	"github.com/LerianStudio/midaz-infra/resources"
)

// outside changes one object on an engine without midaz, as a person with the
// docker client does: by update, rename, connect, disconnect and cp; and where
// none of these changes the field, by putting an object in its place that is
// like it in all but the field, midaz's labels included.
type outside struct {
	c           *conformance
	kind, stack string

	container container.InspectResponse
	network   network.Inspect
	volume    volume.Volume
	file      []byte // /etc/one, as a tar
}

// ours finds objects of the subject.
func (o *outside) ours() filters.Args {
	return filters.NewArgs(filters.Arg("label", "midaz.stack="+o.stack), filters.Arg("label", "midaz.address="+o.kind+"/subject"))
}

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func try(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (o *outside) ofContainer(t *testing.T) container.InspectResponse {
	t.Helper()
	ctx := t.Context()
	list := must[[]container.Summary](t)(o.c.api.ContainerList(ctx, container.ListOptions{All: true, Filters: o.ours()}))
	if len(list) != 1 {
		t.Fatalf("%d containers, want 1", len(list))
	}
	return must[container.InspectResponse](t)(o.c.api.ContainerInspect(ctx, list[0].ID))
}

func (o *outside) ofNetwork(t *testing.T) network.Inspect {
	t.Helper()
	list := must[[]network.Summary](t)(o.c.api.NetworkList(t.Context(), network.ListOptions{Filters: o.ours()}))
	if len(list) != 1 {
		t.Fatalf("%d networks, want 1", len(list))
	}
	return list[0]
}

func (o *outside) ofVolume(t *testing.T) volume.Volume {
	t.Helper()
	list := must[volume.ListResponse](t)(o.c.api.VolumeList(t.Context(), volume.ListOptions{Filters: o.ours()}))
	if len(list.Volumes) != 1 {
		t.Fatalf("%d volumes, want 1", len(list.Volumes))
	}
	return *list.Volumes[0]
}

func (o *outside) Remember(t *testing.T) {
	t.Helper()
	switch o.kind {
	case "network":
		o.network = o.ofNetwork(t)
	case "volume":
		o.volume = o.ofVolume(t)
	default:
		o.container = o.ofContainer(t)
		o.file = nil
		if r, _, err := o.c.api.CopyFromContainer(t.Context(), o.container.ID, "/etc/one"); err == nil {
			o.file = must[[]byte](t)(io.ReadAll(r))
			_ = r.Close()
		}
	}
}

func (o *outside) Undo(t *testing.T, f *resources.Field) string {
	t.Helper()
	switch o.kind {
	case "network":
		o.copyNetwork(t)
		return "copy"
	case "volume":
		o.copyVolume(t)
		return "copy"
	}
	now := o.ofContainer(t)
	if u, ok := o.limit(f.Key); ok {
		_ = must[container.UpdateResponse](t)(o.c.api.ContainerUpdate(t.Context(), now.ID, u))
		return "update"
	}
	switch f.Key {
	case "container_name":
		try(t, o.c.api.ContainerRename(t.Context(), now.ID, strings.TrimPrefix(o.container.Name, "/")))
		return "rename"
	case "networks":
		if hasFixedMAC(o.container) {
			break // which a network that is connected later does not have
		}
		o.reconnect(t, now)
		return "connect, disconnect"
	case "files":
		if o.kind == "job" {
			return "" // what is in a container that has ended matters to no one
		}
		if _, err := o.c.api.ContainerStatPath(t.Context(), now.ID, "/etc/one"); err != nil {
			return "" // another file is declared now
		}
		try(t, o.c.api.CopyToContainer(t.Context(), now.ID, "/etc", touched(t, o.file), container.CopyToContainerOptions{}))
		return "cp"
	}
	o.copyContainer(t, now)
	return "copy"
}

// touched is the archive of one file as somebody writes it now.
func touched(t *testing.T, archive []byte) io.Reader {
	t.Helper()
	r := tar.NewReader(bytes.NewReader(archive))
	h := must[*tar.Header](t)(r.Next())
	h.ModTime = time.Now()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	try(t, w.WriteHeader(h))
	_, err := io.Copy(w, r)
	try(t, err)
	try(t, w.Close())
	return &out
}

// limit returns the update call that gives a limit its former value.
func (o *outside) limit(key string) (container.UpdateConfig, bool) {
	h, u := o.container.HostConfig, container.UpdateConfig{}
	switch key {
	case "restart":
		u.RestartPolicy = h.RestartPolicy
	case "mem_limit":
		u.Memory, u.MemorySwap = h.Memory, h.MemorySwap
	case "memswap_limit":
		u.MemorySwap = h.MemorySwap
	case "mem_reservation":
		u.MemoryReservation = h.MemoryReservation
	case "cpus":
		u.NanoCPUs = h.NanoCPUs
	case "cpu_quota":
		u.CPUQuota = h.CPUQuota
	case "cpu_period":
		u.CPUPeriod = h.CPUPeriod
	case "cpu_shares":
		u.CPUShares = h.CPUShares
	case "cpuset":
		u.CpusetCpus = h.CpusetCpus
	case "cpuset_mems":
		u.CpusetMems = h.CpusetMems
	case "cpu_rt_runtime":
		u.CPURealtimeRuntime = h.CPURealtimeRuntime
	case "cpu_rt_period":
		u.CPURealtimePeriod = h.CPURealtimePeriod
	case "pids_limit":
		u.PidsLimit = h.PidsLimit
	default:
		return u, false
	}
	return u, true
}

// reconnect puts the container on the networks it was on.
func (o *outside) reconnect(t *testing.T, now container.InspectResponse) {
	t.Helper()
	for name := range now.NetworkSettings.Networks {
		try(t, o.c.api.NetworkDisconnect(t.Context(), name, now.ID, false))
	}
	for name, e := range endpoints(o.container) {
		try(t, o.c.api.NetworkConnect(t.Context(), name, now.ID, e))
	}
}

// hasFixedMAC reports whether the container was given an address, which the
// engine does not show as such.
func hasFixedMAC(c container.InspectResponse) bool {
	for _, e := range c.NetworkSettings.Networks {
		if strings.HasPrefix(e.MacAddress, fixedMAC) {
			return true
		}
	}
	return false
}

// fixedMAC is what the examples of the table begin with.
const fixedMAC = "02:42:ac:11:65:"

// endpoints are what was asked for of a container's networks.
func endpoints(c container.InspectResponse) map[string]*network.EndpointSettings {
	out := map[string]*network.EndpointSettings{}
	for name, e := range c.NetworkSettings.Networks {
		aliases := slices.DeleteFunc(slices.Clone(e.Aliases), func(a string) bool { return strings.HasPrefix(c.ID, a) })
		out[name] = &network.EndpointSettings{IPAMConfig: e.IPAMConfig, Aliases: aliases, DriverOpts: e.DriverOpts, GwPriority: e.GwPriority}
		if strings.HasPrefix(e.MacAddress, fixedMAC) {
			out[name].MacAddress = e.MacAddress
		}
	}
	return out
}

// copyContainer puts a container in the place of one that is like the
// remembered one, with the labels that midaz has written on the present one.
func (o *outside) copyContainer(t *testing.T, now container.InspectResponse) {
	t.Helper()
	ctx, api := t.Context(), o.c.api
	config, host := *o.container.Config, *o.container.HostConfig
	config.Labels = marksOf(o.container.Config.Labels, now.Config.Labels)
	if strings.HasPrefix(o.container.ID, config.Hostname) {
		config.Hostname = ""
	}
	all := endpoints(o.container)
	if olderAPI(api.ClientVersion(), "1.44") {
		for _, e := range all {
			e.MacAddress = "" // the configuration has it
		}
	} else {
		config.MacAddress = "" //nolint:staticcheck // the endpoint has it
	}
	first := &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{}}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if name == string(host.NetworkMode) {
			first.EndpointsConfig[name] = all[name]
			delete(all, name)
		}
	}
	try(t, api.ContainerRemove(ctx, now.ID, container.RemoveOptions{Force: true}))
	name := strings.TrimPrefix(now.Name, "/")
	made := must[container.CreateResponse](t)(api.ContainerCreate(ctx, &config, &host, first, nil, name))
	if host.NetworkMode.IsUserDefined() {
		for name, e := range all {
			try(t, api.NetworkConnect(ctx, name, made.ID, e))
		}
	}
	if o.kind == "job" {
		done, errs := api.ContainerWait(ctx, made.ID, container.WaitConditionNextExit)
		try(t, api.ContainerStart(ctx, made.ID, container.StartOptions{}))
		select {
		case <-done:
		case err := <-errs:
			t.Fatal(err)
		}
		return
	}
	try(t, api.ContainerStart(ctx, made.ID, container.StartOptions{}))
}

// marksOf returns the labels of one object with midaz's own of another.
func marksOf(labels, marked map[string]string) map[string]string {
	out := map[string]string{}
	own := func(k, _ string) bool { return strings.HasPrefix(k, "midaz.") }
	maps.Copy(out, labels)
	maps.DeleteFunc(out, own)
	for k, v := range marked {
		if own(k, v) {
			out[k] = v
		}
	}
	return out
}

func (o *outside) copyNetwork(t *testing.T) {
	t.Helper()
	now, was := o.ofNetwork(t), o.network
	try(t, o.c.api.NetworkRemove(t.Context(), now.ID))
	options := network.CreateOptions{Driver: was.Driver, IPAM: &was.IPAM, Internal: was.Internal, Attachable: was.Attachable,
		Options: was.Options, EnableIPv6: &was.EnableIPv6, Labels: marksOf(was.Labels, now.Labels)}
	if !olderAPI(o.c.api.ClientVersion(), "1.48") {
		options.EnableIPv4 = &was.EnableIPv4
	}
	_ = must[network.CreateResponse](t)(o.c.api.NetworkCreate(t.Context(), was.Name, options))
}

func (o *outside) copyVolume(t *testing.T) {
	t.Helper()
	now, was := o.ofVolume(t), o.volume
	try(t, o.c.api.VolumeRemove(t.Context(), now.Name, false))
	_ = must[volume.Volume](t)(o.c.api.VolumeCreate(t.Context(), volume.CreateOptions{Name: was.Name, Driver: was.Driver,
		DriverOpts: was.Options, Labels: marksOf(was.Labels, now.Labels)}))
}

// remove removes the object.
func (o *outside) remove(t *testing.T) {
	t.Helper()
	switch o.kind {
	case "network":
		try(t, o.c.api.NetworkRemove(t.Context(), o.ofNetwork(t).ID))
	case "volume":
		try(t, o.c.api.VolumeRemove(t.Context(), o.ofVolume(t).Name, false))
	default:
		try(t, o.c.api.ContainerRemove(t.Context(), o.ofContainer(t).ID, container.RemoveOptions{Force: true}))
	}
}

// events are what happens to a running container without a change of a field.
func (o *outside) events() []enginetest.Event {
	api := o.c.api
	do := func(f func(ctx context.Context, id string) error) func(*testing.T) {
		return func(t *testing.T) {
			t.Helper()
			try(t, f(t.Context(), o.ofContainer(t).ID))
		}
	}
	return []enginetest.Event{
		{Name: "stopped", Finds: "state", Do: do(func(ctx context.Context, id string) error {
			return api.ContainerStop(ctx, id, container.StopOptions{})
		})},
		{Name: "killed", Finds: "state", Do: do(func(ctx context.Context, id string) error { return api.ContainerKill(ctx, id, "KILL") })},
		{Name: "paused", Finds: "state", Do: do(api.ContainerPause)},
		{Name: "removed", Do: o.remove},
		{Name: "connected to another network", Finds: "networks", Do: do(func(ctx context.Context, id string) error {
			return api.NetworkConnect(ctx, o.stack+"_b", id, &network.EndpointSettings{Aliases: []string{"stranger"}})
		})},
		{Name: "disconnected", Finds: "networks", Do: do(func(ctx context.Context, id string) error {
			return api.NetworkDisconnect(ctx, o.stack+"_default", id, false)
		})},
		{Name: "renamed", Finds: "container_name", Do: do(func(ctx context.Context, id string) error {
			return api.ContainerRename(ctx, id, o.stack+"-renamed")
		})},
		{Name: "restarted", Finds: "-", Do: do(func(ctx context.Context, id string) error {
			return api.ContainerRestart(ctx, id, container.StopOptions{})
		})},
		{Name: "looked into by exec", Finds: "-", Do: do(func(ctx context.Context, id string) error {
			e, err := api.ContainerExecCreate(ctx, id, container.ExecOptions{Cmd: []string{"true"}})
			if err != nil {
				return err
			}
			return api.ContainerExecStart(ctx, e.ID, container.ExecStartOptions{Detach: true})
		})},
	}
}

// removeImages removes the images that were built for the tests, those that lost
// their name to a later one too.
func (c *conformance) removeImages() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, kind := range []string{"image", "service", "job"} {
		built := filters.NewArgs(filters.Arg("label", "midaz.build.stack="+c.prefix+"-"+kind))
		list, err := c.api.ImageList(ctx, image.ListOptions{Filters: built})
		if err != nil {
			return
		}
		for _, i := range list {
			_, _ = c.api.ImageRemove(ctx, i.ID, image.RemoveOptions{Force: true, PruneChildren: true})
		}
	}
}
