// Package docker teaches the engine about Docker: networks, volumes, images,
// services and one-shot jobs. It knows how Docker behaves and nothing about
// plans or brokers.
//
// Every call to the Docker Engine goes through the two interfaces in this file,
// so that moving to another client library touches this file only.
package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/build"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/registry"
	"github.com/docker/docker/api/types/system"
	"github.com/docker/docker/api/types/versions"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/singleflight"

	cerrdefs "github.com/containerd/errdefs"

	"github.com/LerianStudio/midaz-infra/resources"
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
	ContainerCreate(ctx context.Context, config *container.Config, hostConfig *container.HostConfig, networkingConfig *network.NetworkingConfig, platform *ocispec.Platform, containerName string) (container.CreateResponse, error)
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

// Options say which engine to talk to. The zero Options mean the one the
// docker command would take with an empty environment.
type Options struct {
	// Host ("unix:///var/run/docker.sock", "tcp://host:2376", "ssh://user@host")
	// and Context come from the command line and beat the environment.
	Host, Context string
	// CertPath and TLSVerify are like DOCKER_CERT_PATH and DOCKER_TLS_VERIFY,
	// and beat them when set.
	CertPath  string
	TLSVerify bool
	// LookupEnv reads DOCKER_HOST, DOCKER_CONTEXT, DOCKER_TLS_VERIFY,
	// DOCKER_CERT_PATH, DOCKER_CONFIG, DOCKER_API_VERSION and HOME; nil is an
	// empty environment.
	LookupEnv func(string) (string, bool)
	// Timeout is how long the engine may take for its first answer; 0 is 10 s.
	Timeout time.Duration
}

// ReadEngine observes a Docker Engine. It has no way to change anything: its
// type names no writing call, and its connection lets none through. One is
// made for each run; it remembers images and facts of the engine.
type ReadEngine struct {
	api      readAPI // recorded, by another name
	recorded *recordedReads
	host     engineHost
	local    bool // the engine runs on this host

	version string // of the engine, as it names itself in its first answer; "" when it does not
	info    func() (system.Info, error)
	auth    registryAuths
	mu      sync.Mutex
	images  map[string]*image.InspectResponse // by reference; nil: not there
	asking  singleflight.Group                // inspects of images under way
	ahead   time.Duration                     // of the engine's clock before ours

	// inspected holds answers that ps has, for its next look at the container.
	inspected sync.Map
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
func OpenReader(ctx context.Context, o Options) (*ReadEngine, error) {
	cli, at, err := connect(ctx, o, true)
	if err != nil {
		return nil, err
	}
	return newReadEngine(ctx, cli, at), nil
}

// Open connects for reading and writing; errors are those of OpenReader, and a
// *resources.OtherEngineError for an engine that is not Docker.
func Open(ctx context.Context, o Options) (*Engine, error) {
	cli, at, err := connect(ctx, o, false)
	if err != nil {
		return nil, err
	}
	if at.other != "" {
		_ = cli.Close()
		return nil, &resources.OtherEngineError{Name: at.other}
	}
	return newEngine(ctx, cli, at), nil
}

func newReadEngine(ctx context.Context, api readAPI, at engineHost) *ReadEngine {
	recorded := withRecords(api)
	e := &ReadEngine{api: recorded, recorded: recorded, host: at, local: at.isLocal(), version: at.version, auth: registryAuths{dir: at.configDir}, images: map[string]*image.InspectResponse{}}
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

func newEngine(ctx context.Context, api writeAPI, at engineHost) *Engine {
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
func (e *ReadEngine) Host() string { return e.host.host }

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

// atLeast reports whether an API version is at least another: "1.44" is at
// least "1.5".
func atLeast(api, version string) bool { return versions.GreaterThanOrEqualTo(api, version) }

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

// minAPI is that of Docker 20.10, the oldest engine that is supported.
const minAPI = "1.41"

func connect(ctx context.Context, o Options, readOnly bool) (*client.Client, engineHost, error) {
	at, err := o.endpoint()
	if err != nil {
		return nil, at, &resources.Diagnosis{
			Err:  fmt.Errorf("engine address from %s: %w: %w", at.from, err, resources.ErrUnreachable),
			Hint: "correct DOCKER_HOST or the Docker context; unix://, tcp://, npipe:// and ssh:// addresses are understood",
		}
	}
	cli, gate, err := at.client(o, readOnly)
	if err != nil {
		return nil, at, unreachable(at, err)
	}
	timeout := o.Timeout
	if timeout <= 0 {
		timeout = 10 * time.Second
	}
	pingCtx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	ping, err := cli.Ping(pingCtx)
	if err != nil {
		_ = cli.Close()
		if ctx.Err() != nil {
			return nil, at, ctx.Err()
		}
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("no answer within %s", timeout)
		}
		return nil, at, unreachable(at, err)
	}
	at.version = gate.engine()
	cli.NegotiateAPIVersionPing(ping)
	if at.version == "" {
		at.other = otherEngine(pingCtx, cli)
	}
	if ping.OSType == "windows" {
		_ = cli.Close()
		return nil, at, &resources.Diagnosis{Err: fmt.Errorf("the engine at %s runs Windows containers", at.host),
			Hint: "switch Docker Desktop to Linux containers"}
	}
	if !atLeast(cli.ClientVersion(), minAPI) {
		_ = cli.Close()
		return nil, at, &resources.Diagnosis{Err: fmt.Errorf("the engine at %s speaks API %s; midaz needs %s, which is Docker 20.10", at.host, cli.ClientVersion(), minAPI),
			Hint: "update Docker, or unset DOCKER_API_VERSION"}
	}
	return cli, at, nil
}

// otherEngine returns the name and version of an engine that answers like Docker
// and is another one, such as "Podman Engine 5.4.2"; "" for Docker, and for one
// that does not say. Docker names itself in the header of every answer, so that
// only others are asked.
func otherEngine(ctx context.Context, cli *client.Client) string {
	version, err := cli.ServerVersion(ctx)
	if err != nil || len(version.Components) == 0 {
		return ""
	}
	if slices.ContainsFunc(version.Components, func(c types.ComponentVersion) bool { return c.Name == "Engine" }) {
		return ""
	}
	return oneLine(version.Components[0].Name + " " + version.Components[0].Version)
}

// Other returns the name and version of an engine that is not Docker, "" for
// Docker.
func (e *ReadEngine) Other() string { return e.host.other }

// idleConns is enough for as many parallel calls as a run makes; the client's
// own default of 2 would open most connections anew.
const idleConns = 64

func (at engineHost) client(o Options, readOnly bool) (*client.Client, *gatekeeper, error) {
	transport := &http.Transport{
		MaxIdleConns: idleConns, MaxIdleConnsPerHost: idleConns, IdleConnTimeout: 90 * time.Second,
		TLSClientConfig: at.tls,
	}
	hc := &http.Client{Transport: transport, CheckRedirect: client.CheckRedirect}
	opts := []client.Opt{client.WithHTTPClient(hc), client.WithUserAgent("midaz"), client.WithAPIVersionNegotiation()}
	if at.ssh != nil {
		// The host in the URL is never looked up: the dialer ignores it.
		opts = append(opts, client.WithHost("tcp://"+client.DummyHost), client.WithDialContext(at.ssh.dial))
	} else {
		opts = append(opts, client.WithHost(at.host))
	}
	if v, _ := o.lookup("DOCKER_API_VERSION"); v != "" {
		opts = append(opts, client.WithVersion(v))
	}
	cli, err := client.NewClientWithOpts(opts...)
	if err != nil {
		return nil, nil, err
	}
	gate := &gatekeeper{next: transport, readOnly: readOnly}
	hc.Transport = gate
	return cli, gate, nil
}

// gatekeeper stands between the client and the connection: it bounds answers,
// repeats requests whose connection was lost, and lets no writing request of a
// ReadEngine through.
type gatekeeper struct {
	next     http.RoundTripper
	readOnly bool
	server   atomic.Pointer[string] // the header Server of the first answer
}

// engine returns the version by which the engine named itself, "" when it did
// not: `Server: Docker/20.10.24 (linux)`.
func (g *gatekeeper) engine() string {
	server := g.server.Load()
	if server == nil {
		return ""
	}
	name, _, _ := strings.Cut(*server, " ")
	version, ok := strings.CutPrefix(name, "Docker/")
	if !ok {
		return ""
	}
	return oneLine(version)
}

// maxAnswer bounds one JSON answer: a list of ten thousand containers with
// large labels stays far below.
const maxAnswer = 256 << 20

// errReadOnly is a bug of ours: a read engine was asked to write.
var errReadOnly = errors.New("a reading connection refuses to write: this is a bug in midaz")

func (g *gatekeeper) RoundTrip(req *http.Request) (*http.Response, error) {
	if g.readOnly && req.Method != http.MethodGet && req.Method != http.MethodHead {
		return nil, fmt.Errorf("%s %s: %w", req.Method, req.URL.Path, errReadOnly)
	}
	resp, err := g.send(req)
	if err != nil {
		return resp, err
	}
	if g.server.Load() == nil {
		server := resp.Header.Get("Server")
		g.server.CompareAndSwap(nil, &server)
	}
	switch {
	case isMessages(req.URL.Path):
		resp.Body = &boundedLines{ReadCloser: resp.Body}
		return resp, nil
	case isStream(req.URL.Path):
		return resp, nil
	}
	resp.Body = &boundedBody{ReadCloser: resp.Body, left: maxAnswer}
	return resp, nil
}

// isStream reports whether the answer is read bit by bit and has no natural
// bound: events, logs, progress, archives.
func isStream(path string) bool {
	for _, end := range []string{"/events", "/logs", "/build", "/images/create", "/archive", "/wait"} {
		if strings.HasSuffix(path, end) {
			return true
		}
	}
	return false
}

// isMessages reports whether the answer is a stream of JSON, each on a line of
// its own. Its reader keeps one of them at a time.
func isMessages(path string) bool {
	for _, end := range []string{"/events", "/build", "/images/create"} {
		if strings.HasSuffix(path, end) {
			return true
		}
	}
	return false
}

// maxMessage bounds one line of such a stream: an event tells all labels of its
// object, which may be large.
const maxMessage = 16 << 20

// boundedLines lets no line through that is longer than maxMessage.
type boundedLines struct {
	io.ReadCloser
	since int // bytes since the last end of a line
}

func (b *boundedLines) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if i := bytes.LastIndexByte(p[:n], '\n'); i >= 0 {
		b.since = n - i - 1
	} else {
		b.since += n
	}
	if b.since > maxMessage {
		return 0, fmt.Errorf("a message of the engine is longer than %d MiB", maxMessage>>20)
	}
	return n, err
}

type boundedBody struct {
	io.ReadCloser
	left int
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("the engine's answer is longer than %d MiB", maxAnswer>>20)
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// unreachable explains why nothing answers at the address, and what to do.
func unreachable(at engineHost, err error) error {
	err = at.explain(err)
	d := &resources.Diagnosis{Err: fmt.Errorf("the Docker Engine at %s (from %s) does not answer: %w: %w", at.host, at.from, err, resources.ErrUnreachable)}
	path, isSocket := strings.CutPrefix(at.host, "unix://")
	switch {
	case isSocket && errors.Is(err, os.ErrNotExist):
		d.Hint = fmt.Sprintf("there is no socket %s: start the engine (`sudo systemctl start docker`), or set DOCKER_HOST to where it listens", path)
	case isSocket && errors.Is(err, os.ErrPermission):
		d.Hint = fmt.Sprintf("this user may not open %s: join its group (`sudo usermod -aG docker $USER`, then log in again), or run with sudo", path)
	case isSocket:
		d.Hint = "the socket is there but no engine listens: start it (`sudo systemctl start docker`), or set DOCKER_HOST to where it listens"
	case at.ssh != nil:
		d.Hint = fmt.Sprintf("try `ssh %s docker version`: it must work without a password, and the docker command must be installed there", at.ssh.target())
	case isTLSError(err):
		d.Hint = "the certificates do not fit: look at DOCKER_TLS_VERIFY and DOCKER_CERT_PATH (ca.pem, cert.pem, key.pem)"
	default:
		d.Hint = "start the engine there, or correct DOCKER_HOST or the Docker context; `docker version` must answer"
	}
	return d
}

func isTLSError(err error) bool {
	text := err.Error()
	return strings.Contains(text, "tls:") || strings.Contains(text, "x509:") || strings.Contains(text, "certificate") || strings.Contains(text, "HTTP request to an HTTPS server")
}
