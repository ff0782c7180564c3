package rig

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"
)

// Left is what an engine has under one label, as "container NAME", "network NAME"
// or "volume NAME", sorted. The volume in which midaz remembers what a stack has
// counts only once nothing else is left.
func Left(ctx context.Context, c *client.Client, label string) ([]string, error) {
	var out []string
	by := filters.NewArgs(filters.Arg("label", label))
	containers, err := c.ContainerList(ctx, container.ListOptions{All: true, Filters: by})
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	for _, x := range containers {
		out = append(out, "container "+strings.TrimPrefix(append(x.Names, x.ID)[0], "/"))
	}
	networks, err := c.NetworkList(ctx, network.ListOptions{Filters: by})
	if err != nil {
		return nil, fmt.Errorf("list networks: %w", err)
	}
	for _, x := range networks {
		out = append(out, "network "+x.Name)
	}
	volumes, err := c.VolumeList(ctx, volume.ListOptions{Filters: by})
	if err != nil {
		return nil, fmt.Errorf("list volumes: %w", err)
	}
	for _, x := range volumes.Volumes {
		if (len(out) > 0 || others(volumes.Volumes)) && x.Labels["midaz.record.content"] != "" {
			continue
		}
		out = append(out, "volume "+x.Name)
	}
	slices.Sort(out)
	return out, nil
}

func others(volumes []*volume.Volume) bool {
	return slices.ContainsFunc(volumes, func(v *volume.Volume) bool { return v.Labels["midaz.record.content"] == "" })
}

// Sweep removes everything that has the label, such as "midaz.stack=NAME":
// containers first, running or not, with their anonymous volumes.
func Sweep(ctx context.Context, c *client.Client, label string) error {
	var errs []error
	for range 2 { // the record of a stack is left when all else is gone
		errs = append(errs, sweep(ctx, c, label))
	}
	return errors.Join(errs...)
}

func sweep(ctx context.Context, c *client.Client, label string) error {
	left, err := Left(ctx, c, label)
	if err != nil {
		return err
	}
	var errs []error
	for _, x := range left { // sorted: containers, networks, volumes
		what, name, _ := strings.Cut(x, " ")
		switch what {
		case "container":
			err = c.ContainerRemove(ctx, name, container.RemoveOptions{Force: true, RemoveVolumes: true})
		case "network":
			err = c.NetworkRemove(ctx, name)
		case "volume":
			err = c.VolumeRemove(ctx, name, true)
		}
		if err != nil && !errdefs.IsNotFound(err) {
			errs = append(errs, fmt.Errorf("remove %s: %w", x, err))
		}
	}
	return errors.Join(errs...)
}
