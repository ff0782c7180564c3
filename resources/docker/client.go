// Package docker teaches the engine about Docker: networks, volumes, images,
// services and one-shot jobs. It knows how Docker behaves and nothing about
// plans or brokers.
//
// Every call to the Docker Engine goes through the two interfaces in this file,
// so that moving to another client library touches this file only.
package docker

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/build"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/registry"
	"github.com/docker/docker/api/types/system"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/singleflight"

	cerrdefs "github.com/containerd/errdefs"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/dockerapi"
	"github.com/LerianStudio/midaz-infra/specs"
)

// readAPI is every reading call that is made.
type readAPI interface {
	ClientVersion() string
	Close() error
	Ping(ctx context.Context) (types.Ping, error)
	Info(ctx context.Context) (system.Info, error)
	Events(ctx context.Context, options events.ListOptions) (<-chan events.Message, <-chan error)
	ContainerList(ctx context.Context, options container.ListOptions) ([]container.Summary, error)
	ContainerInspect(ctx context.Context, container string) (container.InspectResponse, error)
	ContainerLogs(ctx context.Context, container string, options container.LogsOptions) (io.ReadCloser, error)
	ContainerStatPath(ctx context.Context, container, path string) (container.PathStat, error)
	CopyFromContainer(ctx context.Context, container, srcPath string) (io.ReadCloser, container.PathStat, error)
	NetworkList(ctx context.Context, options network.ListOptions) ([]network.Summary, error)
	NetworkInspect(ctx context.Context, network string, options network.InspectOptions) (network.Inspect, error)
	VolumeList(ctx context.Context, options volume.ListOptions) (volume.ListResponse, error)
	VolumeInspect(ctx context.Context, volumeID string) (volume.Volume, error)
	ImageInspect(ctx context.Context, image string, _ ...client.ImageInspectOption) (image.InspectResponse, error)
	DistributionInspect(ctx context.Context, image, encodedRegistryAuth string) (registry.DistributionInspect, error)
}

// writeAPI adds every call that changes something.
type writeAPI interface {
	readAPI
	changeAPI
}

// changeAPI is every call that changes something.
type changeAPI interface {
	ContainerCreate(ctx context.Context, config *container.Config, hostConfig *container.HostConfig,
		networkingConfig *network.NetworkingConfig, platform *ocispec.Platform, containerName string) (container.CreateResponse, error)
	ContainerStart(ctx context.Context, container string, options container.StartOptions) error
	ContainerStop(ctx context.Context, container string, options container.StopOptions) error
	ContainerKill(ctx context.Context, container, signal string) error
	ContainerUnpause(ctx context.Context, container string) error
	ContainerRename(ctx context.Context, container, newContainerName string) error
	ContainerUpdate(ctx context.Context, container string, updateConfig container.UpdateConfig) (container.UpdateResponse, error)
	ContainerRemove(ctx context.Context, container string, options container.RemoveOptions) error
	CopyToContainer(ctx context.Context, container, path string, content io.Reader, options container.CopyToContainerOptions) error
	ContainerExecCreate(ctx context.Context, container string, options container.ExecOptions) (container.ExecCreateResponse, error)
	ContainerExecAttach(ctx context.Context, execID string, options container.ExecAttachOptions) (types.HijackedResponse, error)
	ContainerExecInspect(ctx context.Context, execID string) (container.ExecInspect, error)
	NetworkCreate(ctx context.Context, name string, options network.CreateOptions) (network.CreateResponse, error)
	NetworkConnect(ctx context.Context, network, container string, config *network.EndpointSettings) error
	NetworkDisconnect(ctx context.Context, network, container string, force bool) error
	NetworkRemove(ctx context.Context, network string) error
	VolumeCreate(ctx context.Context, options volume.CreateOptions) (volume.Volume, error)
	VolumeRemove(ctx context.Context, volumeID string, force bool) error
	ImagePull(ctx context.Context, ref string, options image.PullOptions) (io.ReadCloser, error)
	ImageBuild(ctx context.Context, context io.Reader, options build.ImageBuildOptions) (build.ImageBuildResponse, error)
}

var _ writeAPI = (*client.Client)(nil)

// ReadEngine observes a Docker Engine. It has no way to change anything: its
// type names no writing call, and its connection lets none through. One is
// made for each run; it remembers images and facts of the engine.
type ReadEngine struct {
	api      readAPI // recorded, by another name
	recorded *recordedReads
	host     dockerapi.EngineHost
	local    bool // the engine runs on this host

	version string // of the engine, as it names itself in its first answer; "" when it does not
	info    func() (system.Info, error)
	auth    dockerapi.RegistryAuths
	mu      sync.Mutex
	images  map[string]*image.InspectResponse // by reference; nil: not there
	asking  singleflight.Group                // inspects of images under way
	ahead   time.Duration                     // of the engine's clock before ours

	// inspected holds answers that ps has, for its next look at the container.
	inspected sync.Map
	// unconfirmed are the addresses of objects that are a stack's by their labels
	// alone, as texts.
	unconfirmed sync.Map
}

// Engine observes and changes a Docker Engine.
type Engine struct {
	*ReadEngine
	api      writeAPI
	recorder *recorder
	probes   func() chan struct{} // slots for probes running at one time
	pulse    *pulse
	begun    map[string]bool           // addresses whose change in place this run has begun; guarded by mu
	swaps    map[resources.Addr]string // replaced by this run, with the ID of the replacement; guarded by mu
	naming   sync.Mutex                // held while a name passes from one container to another
	// resumed is when the last health check of containers began that this run
	// unpaused, by ID; guarded by mu.
	resumed map[string]string
	// updates are the containers that this run changed in place, by address;
	// guarded by mu.
	updates map[string]updated
	// untaken is what the engine did not take of containers that this run made;
	// warnings tells of it. Guarded by mu.
	untaken  map[string]untaken
	warnings specs.Problems
}

// OpenReader connects for reading. When the engine does not answer, the error
// wraps resources.ErrUnreachable and a *resources.Diagnosis that says what to do.
func OpenReader(ctx context.Context, o dockerapi.Options) (*ReadEngine, error) {
	cli, at, err := dockerapi.Connect(ctx, o, true)
	if err != nil {
		return nil, err
	}
	return newReadEngine(ctx, cli, at), nil
}

// Open connects for reading and writing; errors are those of OpenReader, and a
// *resources.OtherEngineError for an engine that is not Docker.
func Open(ctx context.Context, o dockerapi.Options) (*Engine, error) {
	cli, at, err := dockerapi.Connect(ctx, o, false)
	if err != nil {
		return nil, err
	}
	if at.Other != "" {
		_ = cli.Close()
		return nil, &resources.OtherEngineError{Name: at.Other}
	}
	return newEngine(ctx, cli, at), nil
}

func newReadEngine(ctx context.Context, api readAPI, at dockerapi.EngineHost) *ReadEngine {
	recorded := withRecords(api)
	e := &ReadEngine{api: recorded, recorded: recorded, host: at, local: at.IsLocal(), version: at.Version,
		auth: dockerapi.RegistryAuths{Dir: at.ConfigDir}, images: map[string]*image.InspectResponse{}}
	e.info = sync.OnceValues(func() (system.Info, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
		defer cancel()
		asked := time.Now()
		info, err := api.Info(ctx)
		if at := parseTime(info.SystemTime); err == nil && !at.IsZero() {
			e.mu.Lock()
			e.ahead = at.Sub(asked.Add(time.Since(asked) / 2))
			e.mu.Unlock()
		}
		return info, err
	})
	return e
}

func newEngine(ctx context.Context, api writeAPI, at dockerapi.EngineHost) *Engine {
	e := &Engine{ReadEngine: newReadEngine(ctx, api, at), swaps: map[resources.Addr]string{}, begun: map[string]bool{}}
	e.api, e.recorder = recordedWrites{e.recorded, api}, &recorder{e: e}
	e.probes = sync.OnceValue(func() chan struct{} {
		info, err := e.info()
		if err != nil {
			return make(chan struct{}, 2)
		}
		return make(chan struct{}, max(2, min(info.NCPU, 4)))
	})
	e.pulse = newPulse(api, func() string {
		info, err := e.info()
		if err != nil {
			return ""
		}
		return info.SystemTime
	})
	return e
}

// Close ends the watching of events and gives the connections back.
func (e *Engine) Close() error {
	e.pulse.close()
	return e.api.Close()
}

// Close gives the connections back.
func (e *ReadEngine) Close() error { return e.api.Close() }

// Host returns the address of the engine, as in DOCKER_HOST.
func (e *ReadEngine) Host() string { return e.host.Host }

// IsLocal reports whether the engine runs on this host, so that addresses of
// containers and paths mean the same to both.
func (e *ReadEngine) IsLocal() bool { return e.local }

// facts is what building requests and comparing must know about an engine.
type facts struct {
	API     string // negotiated version: "1.41"
	Version string // of the daemon: "20.10.24"
	// Info is zero unless it was asked for with knowing: it takes the engine 25
	// to 50 ms, longer than all else that a plan with nothing to do asks.
	Info system.Info
}

// facts returns what this engine is, as far as it costs nothing to know.
func (e *ReadEngine) facts(ctx context.Context) (*facts, error) {
	if e.version == "" {
		return e.knowing(ctx)
	}
	return &facts{API: e.api.ClientVersion(), Version: e.version}, ctx.Err()
}

// knowing returns what this engine is with Info, asked once a run.
func (e *ReadEngine) knowing(ctx context.Context) (*facts, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	info, err := e.info()
	if err != nil {
		return nil, fmt.Errorf("engine info: %w", err)
	}
	return &facts{API: e.api.ClientVersion(), Version: info.ServerVersion, Info: info}, nil
}

// now returns the engine's time: this host's own when it runs here.
func (e *ReadEngine) now() time.Time {
	if e.local {
		return time.Now()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return time.Now().Add(e.ahead)
}

// image returns what the engine knows of the reference, nil when it has no
// such image. It asks once a run, unless something pulled or built since.
func (e *ReadEngine) image(ctx context.Context, ref string) (*image.InspectResponse, error) {
	if known, ok := e.imageKnown(ref); ok {
		return known, nil
	}
	// Containers of one image are looked at together, and one answer is for all:
	// also for who saw none yet, and comes here when it has just been given.
	got, err, _ := e.asking.Do(ref, func() (any, error) {
		if known, ok := e.imageKnown(ref); ok {
			return known, nil
		}
		return e.imageNow(ctx, ref)
	})
	found, _ := got.(*image.InspectResponse)
	return found, err
}

// imageKnown returns what was answered before, and whether something was.
func (e *ReadEngine) imageKnown(ref string) (*image.InspectResponse, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	known, ok := e.images[ref]
	return known, ok
}

// imageNow asks in any case.
func (e *ReadEngine) imageNow(ctx context.Context, ref string) (*image.InspectResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	got, err := e.api.ImageInspect(ctx, ref)
	found := &got
	switch {
	case cerrdefs.IsNotFound(err):
		found = nil
	case err != nil:
		return nil, fmt.Errorf("inspect image %s: %w", ref, err)
	}
	e.mu.Lock()
	e.images[ref] = found
	e.mu.Unlock()
	return found, nil
}

// shared makes a call that several readers of one plan make at the same time
// only once. While things are being changed each asks for itself: the answer to
// a question asked before a change would not show it.
func shared[T any](e *ReadEngine, what string, planning bool, call func() (T, error)) (T, error) {
	if !planning {
		return call()
	}
	got, err, _ := e.asking.Do(what, func() (any, error) { return call() })
	out, _ := got.(T)
	return out, err
}

// networkList returns all networks, in a slice of the caller's own.
func (e *ReadEngine) networkList(ctx context.Context, planning bool) ([]network.Summary, error) {
	all, err := shared(e, "networks", planning, func() ([]network.Summary, error) {
		return e.api.NetworkList(ctx, network.ListOptions{})
	})
	return slices.Clone(all), err
}

// Time limits of single calls. A stuck container can hold its lock for ever
// (moby#18848), so no inspect waits for ever.
const (
	readTimeout   = 10 * time.Second
	settleTimeout = 30 * time.Second // of an inspect that a change depends on
	writeTimeout  = 2 * time.Minute
)

// lasting returns the context of a changing call. A call cut off in the middle
// leaves an object that appears later without a trace of who made it
// (moby#24858), so one that ctx interrupts is still given a moment to end. It
// has a time limit of its own.
func lasting(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	out, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	var timer *time.Timer
	var mu sync.Mutex
	stop := context.AfterFunc(ctx, func() {
		mu.Lock()
		defer mu.Unlock()
		timer = time.AfterFunc(interruptGrace, cancel)
	})
	return out, func() {
		stop()
		mu.Lock()
		defer mu.Unlock()
		if timer != nil {
			timer.Stop()
		}
		cancel()
	}
}

// interruptGrace is what an interrupted call is given to end: creating takes
// the engine well below a second.
const interruptGrace = 3 * time.Second

// Other returns the name and version of an engine that is not Docker, "" for
// Docker.
func (e *ReadEngine) Other() string { return e.host.Other }
