// Package dockerapi reaches an Engine API: which engine the environment and the
// command line name, SSH and TLS, credentials of registries, repeated reads,
// and bounds on what an engine may answer. It knows nothing about resources on
// an engine.
package dockerapi

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
	"sync/atomic"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/versions"
	"github.com/docker/docker/client"

	"github.com/LerianStudio/midaz-infra/resources"
)

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

// Connect dials the engine that the options name and agrees on an API version,
// which is 1.41 at least. A connection that is opened read-only refuses every
// call that writes, with ErrReadOnly. An engine that does not answer within the
// time limit is an error that wraps resources.ErrUnreachable.
func Connect(ctx context.Context, o Options, readOnly bool) (*client.Client, EngineHost, error) {
	at, err := o.Endpoint()
	if err != nil {
		return nil, at, &resources.Diagnosis{
			Err:  fmt.Errorf("engine address from %s: %w: %w", at.From, err, resources.ErrUnreachable),
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
	at.Version = gate.engine()
	cli.NegotiateAPIVersionPing(ping)
	if at.Version == "" {
		at.Other = otherEngine(pingCtx, cli)
	}
	if ping.OSType == "windows" {
		_ = cli.Close()
		return nil, at, &resources.Diagnosis{Err: fmt.Errorf("the engine at %s runs Windows containers", at.Host),
			Hint: "switch Docker Desktop to Linux containers"}
	}
	if !AtLeast(cli.ClientVersion(), minAPI) {
		_ = cli.Close()
		return nil, at, &resources.Diagnosis{Err: fmt.Errorf("the engine at %s speaks API %s; midaz needs %s, which is Docker 20.10", at.Host,
			cli.ClientVersion(), minAPI),
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
	return OneLine(version.Components[0].Name + " " + version.Components[0].Version)
}

func (at EngineHost) client(o Options, readOnly bool) (*client.Client, *Gatekeeper, error) {
	transport := &http.Transport{
		MaxIdleConns: idleConns, MaxIdleConnsPerHost: idleConns, IdleConnTimeout: 90 * time.Second,
		TLSClientConfig: at.tls,
	}
	hc := &http.Client{Transport: transport, CheckRedirect: client.CheckRedirect}
	opts := []client.Opt{client.WithHTTPClient(hc), client.WithUserAgent("midaz"), client.WithAPIVersionNegotiation()}
	if at.SSH != nil {
		// The host in the URL is never looked up: the dialer ignores it.
		opts = append(opts, client.WithHost("tcp://"+client.DummyHost), client.WithDialContext(at.SSH.dial))
	} else {
		opts = append(opts, client.WithHost(at.Host))
	}
	if v, _ := o.lookup("DOCKER_API_VERSION"); v != "" {
		opts = append(opts, client.WithVersion(v))
	}
	cli, err := client.NewClientWithOpts(opts...)
	if err != nil {
		return nil, nil, err
	}
	gate := &Gatekeeper{Next: transport, readOnly: readOnly}
	hc.Transport = gate
	return cli, gate, nil
}

// Gatekeeper stands between the client and the connection: it bounds answers,
// repeats requests whose connection was lost, and lets no writing request of a
// ReadEngine through.
type Gatekeeper struct {
	Next     http.RoundTripper
	readOnly bool
	server   atomic.Pointer[string] // the header Server of the first answer
}

// engine returns the version by which the engine named itself, "" when it did
// not: `Server: Docker/20.10.24 (linux)`.
func (g *Gatekeeper) engine() string {
	server := g.server.Load()
	if server == nil {
		return ""
	}
	name, _, _ := strings.Cut(*server, " ")
	version, ok := strings.CutPrefix(name, "Docker/")
	if !ok {
		return ""
	}
	return OneLine(version)
}

func (g *Gatekeeper) RoundTrip(req *http.Request) (*http.Response, error) {
	if g.readOnly && req.Method != http.MethodGet && req.Method != http.MethodHead {
		return nil, fmt.Errorf("%s %s: %w", req.Method, req.URL.Path, ErrReadOnly)
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
		resp.Body = &BoundedLines{ReadCloser: resp.Body}
		return resp, nil
	case isStream(req.URL.Path):
		return resp, nil
	}
	resp.Body = &BoundedBody{ReadCloser: resp.Body, Left: maxAnswer}
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

// BoundedLines lets no line through that is longer than maxMessage.
type BoundedLines struct {
	io.ReadCloser
	since int // bytes since the last end of a line
}

func (b *BoundedLines) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if i := bytes.LastIndexByte(p[:n], '\n'); i >= 0 {
		b.since = n - i - 1
	} else {
		b.since += n
	}
	if b.since > MaxMessage {
		return 0, fmt.Errorf("a message of the engine is longer than %d MiB", MaxMessage>>20)
	}
	return n, err
}

type BoundedBody struct {
	io.ReadCloser
	Left int
}

func (b *BoundedBody) Read(p []byte) (int, error) {
	if b.Left <= 0 {
		return 0, fmt.Errorf("the engine's answer is longer than %d MiB", maxAnswer>>20)
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.Left)])
	b.Left -= n
	return n, err
}

// unreachable explains why nothing answers at the address, and what to do.
func unreachable(at EngineHost, err error) error {
	err = at.explain(err)
	d := &resources.Diagnosis{Err: fmt.Errorf("the Docker Engine at %s (from %s) does not answer: %w: %w", at.Host, at.From, err,
		resources.ErrUnreachable)}
	path, isSocket := strings.CutPrefix(at.Host, "unix://")
	switch {
	case isSocket && errors.Is(err, os.ErrNotExist):
		d.Hint = fmt.Sprintf("there is no socket %s: start the engine (`sudo systemctl start docker`), or set DOCKER_HOST to where it listens",
			path)
	case isSocket && errors.Is(err, os.ErrPermission):
		d.Hint = fmt.Sprintf("this user may not open %s: join its group (`sudo usermod -aG docker $USER`, then log in again), or run with sudo",
			path)
	case isSocket:
		d.Hint = "the socket is there but no engine listens: start it (`sudo systemctl start docker`), or set DOCKER_HOST to where it listens"
	case at.SSH != nil:
		d.Hint = fmt.Sprintf("try `ssh %s docker version`: it must work without a password, and the docker command must be installed there",
			at.SSH.Target())
	case isTLSError(err):
		d.Hint = "the certificates do not fit: look at DOCKER_TLS_VERIFY and DOCKER_CERT_PATH (ca.pem, cert.pem, key.pem)"
	default:
		d.Hint = "start the engine there, or correct DOCKER_HOST or the Docker context; `docker version` must answer"
	}
	return d
}

func isTLSError(err error) bool {
	text := err.Error()
	return strings.Contains(text, "tls:") || strings.Contains(text, "x509:") || strings.Contains(text, "certificate") ||
		strings.Contains(text, "HTTP request to an HTTPS server")
}

// Sleep waits, or returns the error of ctx when that ends first.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// send makes the request, and makes it again when the connection was lost: no
// one knows then whether the engine has done what it was asked to. Each of our
// calls may be repeated, because "it is so already" is an answer that its
// caller takes for success. An engine that never answered is not waited for.
func (g *Gatekeeper) send(req *http.Request) (*http.Response, error) {
	for try := 0; ; try++ {
		resp, err := g.Next.RoundTrip(req)
		if err == nil {
			return resp, nil
		}
		answered := g.server.Load() != nil
		if !answered || !isLost(err) || try == len(Patience) || Sleep(req.Context(), Patience[try]) != nil {
			return nil, err
		}
		again, ok := repeated(req)
		if !ok {
			return nil, err
		}
		req = again
	}
}

// AtLeast reports whether an API version is at least another: "1.44" is at
// least "1.5".
func AtLeast(api, version string) bool { return versions.GreaterThanOrEqualTo(api, version) }

// minAPI is that of Docker 20.10, the oldest engine that is supported.
const minAPI = "1.41"

// idleConns is enough for as many parallel calls as a run makes; the client's
// own default of 2 would open most connections anew.
const idleConns = 64

// maxAnswer bounds one JSON answer: a list of ten thousand containers with
// large labels stays far below.
const maxAnswer = 256 << 20

// ErrReadOnly is a bug of ours: a read engine was asked to write.
var ErrReadOnly = errors.New("a reading connection refuses to write: this is a bug in midaz")

// MaxMessage bounds one line of such a stream: an event tells all labels of its
// object, which may be large.
const MaxMessage = 16 << 20
