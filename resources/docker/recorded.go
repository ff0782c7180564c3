package docker

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/go-connections/nat"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/dockerapi"
)

// recordedContainer is what comparing and replacing a container needs to know
// of it beside its fields.
type recordedContainer struct {
	Name        string            `json:"name"`
	Address     string            `json:"address,omitempty"` // on its label
	Status      string            `json:"status"`
	StartFailed string            `json:"start_failed,omitempty"`
	Up          bool              `json:"up,omitempty"`
	Upgraded    bool              `json:"upgraded,omitempty"`
	Current     string            `json:"current,omitempty"`
	Grace       *int              `json:"grace,omitempty"` // in seconds
	Ports       nat.PortMap       `json:"ports,omitempty"`
	NetworkMode string            `json:"network_mode,omitempty"`
	Hostname    string            `json:"hostname,omitempty"`
	User        string            `json:"user,omitempty"`
	Env         []string          `json:"env,omitempty"` // what says where a server keeps its data, and under which name
	Mounts      []recordedMount   `json:"mounts,omitempty"`
	Untaken     map[string]string `json:"untaken,omitempty"`
	Why         string            `json:"why,omitempty"`
}

// recordedMount is a place where data is written.
type recordedMount struct {
	Type        string `json:"type"`
	Name        string `json:"name,omitempty"`
	Source      string `json:"source,omitempty"`
	Destination string `json:"destination"`
	Writes      bool   `json:"writes,omitempty"`
}

// Record keeps what decides how the container is replaced.
func (k containerKind) Record(o *resources.Observed, _ *resources.Resource) any {
	n, ok := o.Native.(*seenContainer)
	if !ok {
		return nil
	}
	c := &n.inspect
	out := recordedContainer{Name: strings.TrimPrefix(c.Name, "/"), Address: c.Config.Labels[labelAddress], Status: string(c.State.Status),
		StartFailed: dockerapi.OneLine(c.State.Error),
		Up:          isUp(c.State), Upgraded: n.upgraded, Current: n.current, Grace: c.Config.StopTimeout, Ports: c.HostConfig.PortBindings,
		NetworkMode: string(c.HostConfig.NetworkMode), Untaken: n.untaken.Shown, Why: n.untaken.Why,
		Hostname: c.Config.Hostname, User: c.Config.User, Env: identityEnv(c.Config.Env)}
	for _, m := range c.Mounts {
		out.Mounts = append(out.Mounts, recordedMount{string(m.Type), m.Name, m.Source, m.Destination, m.RW})
	}
	return out
}

// Replay puts it back.
func (k containerKind) Replay(o *resources.Observed, memory []byte, _ *resources.Resource) error {
	if len(memory) == 0 {
		return nil
	}
	var was recordedContainer
	if err := unmarshalMemory(memory, &was); err != nil {
		return err
	}
	c := container.InspectResponse{
		ContainerJSONBase: &container.ContainerJSONBase{ID: o.ID, Name: "/" + was.Name, HostConfig: &container.HostConfig{PortBindings: was.Ports,
			NetworkMode: container.NetworkMode(was.NetworkMode)},
			State: &container.State{Running: was.Up, Status: container.ContainerState(was.Status), Error: was.StartFailed}},
		Config: &container.Config{Labels: map[string]string{labelAddress: was.Address}, StopTimeout: was.Grace, Hostname: was.Hostname,
			User: was.User, Env: was.Env},
	}
	for _, m := range was.Mounts {
		c.Mounts = append(c.Mounts, container.MountPoint{Type: mount.Type(m.Type), Name: m.Name, Source: m.Source, Destination: m.Destination,
			RW: m.Writes})
	}
	o.Native = &seenContainer{inspect: c, upgraded: was.Upgraded, current: was.Current, untaken: untaken{ID: o.ID, Shown: was.Untaken,
		Why: was.Why}}
	return nil
}

// recordedImage is what was found of an image.
type recordedImage struct {
	OS           string   `json:"os,omitempty"`
	Architecture string   `json:"architecture,omitempty"`
	Variant      string   `json:"variant,omitempty"`
	Digests      []string `json:"digests,omitempty"`
	Remote       string   `json:"remote,omitempty"`
	// Build is the mark of what the spec and the files beside it would have had
	// it built from, "" where it is not built or was built from something else.
	Build string `json:"build,omitempty"`
}

// Record keeps the platform, and what a build would have taken in.
func (imageKind) Record(o *resources.Observed, bare *resources.Resource) any {
	seen, ok := o.Native.(*seenImageState)
	if !ok || seen.inspect == nil {
		return nil
	}
	out := recordedImage{OS: seen.inspect.Os, Architecture: seen.inspect.Architecture, Variant: seen.inspect.Variant,
		Digests: seen.inspect.RepoDigests, Remote: seen.remote}
	if in := declaredInputs(bare); in != nil && seen.inputs != nil && len(seen.inputs.compare(labelsOfImage(seen.inspect)[labelBuild])) == 0 {
		out.Build = in.mark()
	}
	return out
}

// Replay puts it back. Only the files of the spec's own repository are looked
// at, and nothing is asked of a registry.
func (imageKind) Replay(o *resources.Observed, memory []byte, now *resources.Resource) error {
	var was recordedImage
	if err := unmarshalMemory(memory, &was); err != nil {
		return err
	}
	inspect := &image.InspectResponse{ID: o.ID, Os: was.OS, Architecture: was.Architecture, Variant: was.Variant, RepoDigests: was.Digests,
		Config: &dockerspec.DockerOCIImageConfig{}}
	inspect.Config.Labels = map[string]string{labelBuild: was.Build}
	o.Native = &seenImageState{inspect: inspect, inputs: declaredInputs(now), remote: was.Remote}
	return nil
}

// recordedNetwork is what a killed run has left undone.
type recordedNetwork struct {
	CutOff map[string]string `json:"cut_off,omitempty"` // names of containers by ID
	Guests []guest           `json:"guests,omitempty"`
}

// Record keeps what a killed run has taken off the network.
func (networkKind) Record(o *resources.Observed, _ *resources.Resource) any {
	n, ok := o.Native.(*seenNetwork)
	if !ok || n.journal == nil && len(n.guests) == 0 {
		return nil
	}
	out := recordedNetwork{Guests: n.guests}
	if n.journal != nil {
		out.CutOff = n.journal.Names
	}
	return out
}

// Replay puts it back.
func (networkKind) Replay(o *resources.Observed, memory []byte, _ *resources.Resource) error {
	var was recordedNetwork
	if err := unmarshalMemory(memory, &was); err != nil {
		return err
	}
	seen := &seenNetwork{guests: was.Guests}
	if was.CutOff != nil {
		seen.journal = &journal{Names: was.CutOff}
	}
	o.Native = seen
	return nil
}

// unmarshalMemory reads the memory of a recording; there may be none.
func unmarshalMemory(memory []byte, into any) error {
	if len(memory) == 0 {
		return nil
	}
	if err := json.Unmarshal(memory, into); err != nil {
		return fmt.Errorf("memory: %w", err)
	}
	return nil
}
