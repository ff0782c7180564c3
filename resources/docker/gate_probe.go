package docker

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"github.com/LerianStudio/midaz-infra/resources/dockerapi"
)

// Names of conditions that are treated apart.
const (
	healthName = "health check"
	outputName = "output"
)

// conditionsOf returns what must hold for the gate.
func (g *gate) conditionsOf(c *container.InspectResponse) ([]*condition, error) {
	if g.spec.Completed {
		return []*condition{g.outputOf()}, nil
	}
	test := probeCommand(c)
	var out []*condition
	switch {
	case test != nil && (g.spec.Auto || g.spec.Healthy):
		out = append(out, g.health(test, c.Config.Healthcheck.Timeout))
	case g.spec.Healthy:
		return nil, errors.New("the gate waits for the health check, and the container has none: write `healthcheck`, or another condition")
	}
	for _, p := range g.spec.TCP {
		out = append(out, g.tcp(p))
	}
	if g.spec.HTTP != nil {
		cond, err := g.http(g.spec.HTTP)
		if err != nil {
			return nil, err
		}
		out = append(out, cond)
	}
	if len(g.spec.Exec) > 0 {
		out = append(out, g.exec("exec", g.spec.Exec, 0))
	}
	if g.spec.Log != "" {
		cond, err := g.log(g.spec.Log)
		if err != nil {
			return nil, err
		}
		out = append(out, cond)
	}
	return out, nil
}

// probeCommand returns the command of the container's health check as the engine
// runs it, nil when it has none.
func probeCommand(c *container.InspectResponse) []string {
	if c.Config == nil || c.Config.Healthcheck == nil || len(c.Config.Healthcheck.Test) == 0 {
		return nil
	}
	test := c.Config.Healthcheck.Test
	switch test[0] {
	case "CMD":
		return test[1:]
	case "CMD-SHELL":
		shell := []string{"/bin/sh", "-c"}
		if len(c.Config.Shell) > 0 {
			shell = slices.Clone([]string(c.Config.Shell))
		}
		return append(shell, test[1:]...)
	default:
		return nil
	}
}

// health is the service's own health check, run by us. One success is what the
// engine takes for healthy, too.
func (g *gate) health(test []string, timeout time.Duration) *condition {
	return g.exec(healthName, test, timeout)
}

// Pauses between tries: a command costs the engine half a core at ten a second,
// a connection next to nothing.
const (
	execPause, maxExecPause = 100 * time.Millisecond, time.Second
	dialPause, maxDialPause = 20 * time.Millisecond, 500 * time.Millisecond
	probeTimeout            = 30 * time.Second // of commands, as the engine's own
	dialTimeout             = 5 * time.Second
)

func (g *gate) exec(name string, cmd []string, timeout time.Duration) *condition {
	if timeout <= 0 {
		timeout = probeTimeout
	}
	return &condition{name: name, firstPause: execPause, maxPause: maxExecPause,
		probe: func(ctx context.Context, _ *container.InspectResponse) (bool, string, error) {
			code, output, err := g.w.e.execute(ctx, g.id, cmd, timeout)
			switch {
			case err != nil:
				return false, name + ": " + dockerapi.OneLine(err.Error()), nil
			case code == 0:
				return true, told(name, "exit 0", output), nil
			default:
				return false, told(name, fmt.Sprintf("exit %d", code), output), nil
			}
		}}
}

// slot waits for the turn to run a probe in a container. Each takes the engine
// about 70 ms of a core, so a small host gets fewer at one time.
func (e *Engine) slot(ctx context.Context) (release func(), err error) {
	probes := e.probes()
	select {
	case probes <- struct{}{}:
		return func() { <-probes }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// maxOutput bounds what is kept of a probe's output.
const maxOutput = 64 << 10

// execute runs a command in a container, as the user and in the folder of its
// process, and returns its exit code and output.
func (e *Engine) execute(ctx context.Context, id string, cmd []string, timeout time.Duration) (int, string, error) {
	release, err := e.slot(ctx)
	if err != nil {
		return 0, "", err
	}
	defer release()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	made, err := e.api.ContainerExecCreate(ctx, id, container.ExecOptions{Cmd: cmd, AttachStdout: true, AttachStderr: true})
	if err != nil {
		return 0, "", probeError(ctx, timeout, err)
	}
	conn, err := e.api.ContainerExecAttach(ctx, made.ID, container.ExecAttachOptions{})
	if err != nil {
		return 0, "", probeError(ctx, timeout, err)
	}
	defer conn.Close()
	// The connection knows nothing of ctx.
	defer context.AfterFunc(ctx, func() { _ = conn.Conn.Close() })()
	var output bytes.Buffer
	err = splitFrames(&capped{&output}, &capped{&output}, conn.Reader)
	if ctx.Err() != nil || err != nil && !errors.Is(err, io.EOF) {
		return 0, output.String(), probeError(ctx, timeout, err)
	}
	done, err := e.api.ContainerExecInspect(ctx, made.ID)
	if err != nil {
		return 0, output.String(), probeError(ctx, timeout, err)
	}
	if done.Running {
		return 0, output.String(), errors.New("it closed its output and still runs")
	}
	return done.ExitCode, output.String(), nil
}

func probeError(ctx context.Context, timeout time.Duration, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("no end within %s", timeout)
	}
	if cerrdefs.IsConflict(err) {
		return errors.New("the container is restarting or paused")
	}
	return err
}

// capped drops what is beyond the bound.
type capped struct{ buf *bytes.Buffer }

func (c *capped) Write(p []byte) (int, error) {
	if room := maxOutput - c.buf.Len(); room > 0 {
		_, _ = c.buf.Write(p[:min(len(p), room)])
	}
	return len(p), nil
}

func (g *gate) tcp(p tcpProbe) *condition {
	name := "tcp port " + strconv.Itoa(p.Port)
	if p.Host != "" {
		name = "tcp " + p.String()
	}
	return &condition{name: name, firstPause: dialPause, maxPause: maxDialPause,
		probe: func(ctx context.Context, c *container.InspectResponse) (bool, string, error) {
			ctx, cancel := context.WithTimeout(ctx, dialTimeout)
			defer cancel()
			conn, err := g.connect(ctx, c, p.Host, p.Port)
			if errors.Is(err, errNoWay) {
				return g.listensInside(ctx, p.Port, err)
			}
			if err != nil {
				return false, told(name, shortCause(err)), nil
			}
			_ = conn.Close()
			return true, name + ": open", nil
		}}
}

// connect dials a named host from here, or the container for an empty name.
func (g *gate) connect(ctx context.Context, c *container.InspectResponse, host string, port int) (net.Conn, error) {
	if host != "" {
		return g.w.e.host.Reach(ctx, net.JoinHostPort(host, strconv.Itoa(port)))
	}
	return g.w.e.reach(ctx, c, port)
}

// told joins what a probe has to say; an answer without text adds nothing.
func told(parts ...string) string {
	var out []string
	for _, p := range parts {
		if p = strings.TrimSuffix(strings.TrimSpace(dockerapi.OneLine(p)), ":"); p != "" {
			out = append(out, p)
		}
	}
	return strings.Join(out, ": ")
}

// shortCause returns an error without what our own sentinels add.
func shortCause(err error) string {
	text, _, _ := strings.Cut(dockerapi.OneLine(err.Error()), ": not reachable")
	return text
}

// listensInside looks into the kernel's tables in the container, which needs
// nothing of the image but `cat`.
func (g *gate) listensInside(ctx context.Context, port int, why error) (bool, string, error) {
	_, output, err := g.w.e.execute(ctx, g.id, []string{"cat", "/proc/net/tcp", "/proc/net/tcp6"}, dialTimeout)
	if err != nil {
		return false, fmt.Sprintf("tcp port %d: %s (and looking inside: %s)", port, shortCause(why), dockerapi.OneLine(err.Error())), nil
	}
	if !strings.Contains(output, "local_address") {
		return false, fmt.Sprintf("tcp port %d: %s (and the image has no cat to look inside with)", port, shortCause(why)), nil
	}
	want := fmt.Sprintf("%04X", port)
	for line := range strings.Lines(output) {
		fields := strings.Fields(line)
		if len(fields) > 3 && fields[3] == "0A" && strings.HasSuffix(fields[1], ":"+want) {
			return true, fmt.Sprintf("tcp port %d: listening", port), nil
		}
	}
	return false, fmt.Sprintf("tcp port %d: nothing listens", port), nil
}

// maxBody bounds how much of an answer is looked at.
const maxBody = 1 << 20

func (g *gate) http(p *httpProbe) (*condition, error) {
	var body *regexp.Regexp
	if p.Body != "" {
		var err error
		if body, err = regexp.Compile(p.Body); err != nil {
			return nil, fmt.Errorf("the gate's body is no regular expression: %w", err)
		}
	}
	host := p.Host
	if host == "" {
		host = "localhost"
	}
	target := p.Scheme + "://" + net.JoinHostPort(host, strconv.Itoa(p.Port)) + p.Path
	if _, err := url.Parse(target); err != nil {
		// The cause quotes a part of the path, which may be a part of a secret.
		return nil, errors.New("the gate's path is no path of a URL: write % and two hexadecimal digits for what is special in one")
	}
	name := "http " + p.Path + " on port " + strconv.Itoa(p.Port)
	return &condition{name: name, firstPause: dialPause, maxPause: maxDialPause,
		probe: func(ctx context.Context, c *container.InspectResponse) (bool, string, error) {
			ctx, cancel := context.WithTimeout(ctx, dialTimeout)
			defer cancel()
			status, text, err := g.request(ctx, c, p, target)
			if errors.Is(err, errNoWay) {
				return g.requestInside(ctx, p, body, target, err)
			}
			switch {
			case err != nil:
				return false, told(name, shortCause(dockerapi.RootOf(err))), nil
			case !p.passes(status):
				return false, told(name, fmt.Sprintf("%d %s", status, http.StatusText(status)), text), nil
			case body != nil && !body.MatchString(text):
				return false, told(fmt.Sprintf("%s: %d, and the body does not match", name, status), text), nil
			default:
				return true, fmt.Sprintf("%s: %d", name, status), nil
			}
		}}, nil
}

// passes reports whether a status is one of those wanted, 200 to 399 if none is.
func (p *httpProbe) passes(status int) bool {
	if len(p.Status) == 0 {
		return status >= 200 && status < 400
	}
	return slices.Contains(p.Status, status)
}

func (g *gate) request(ctx context.Context, c *container.InspectResponse, p *httpProbe, target string) (int, string, error) {
	transport := &http.Transport{
		DisableKeepAlives: true,
		// A probe asks whether it answers, not who it is.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return g.connect(ctx, c, p.Host, p.Port)
		},
	}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("User-Agent", "midaz")
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil && len(text) == 0 {
		return 0, "", err
	}
	return resp.StatusCode, string(text), nil
}

// requestInside asks with the image's own wget or curl, whose success stands for
// a status of 200.
func (g *gate) requestInside(ctx context.Context, p *httpProbe, body *regexp.Regexp, target string, why error) (bool, string, error) {
	if len(p.Status) > 0 && !slices.Contains(p.Status, http.StatusOK) {
		return false, "", fmt.Errorf("the gate cannot ask for a status from here: %s", shortCause(why))
	}
	script := `if command -v curl >/dev/null; then curl -fsSk "$0"; else wget -q -O - "$0"; fi`
	code, output, err := g.w.e.execute(ctx, g.id, []string{"/bin/sh", "-c", script, target}, dialTimeout)
	switch {
	case err != nil:
		return false, fmt.Sprintf("http %s: %s (and asking inside: %s)", p.Path, shortCause(why), dockerapi.OneLine(err.Error())), nil
	case code != 0:
		return false, told("http "+p.Path+", asked inside", fmt.Sprintf("exit %d", code), output), nil
	case body != nil && !body.MatchString(output):
		return false, told("http "+p.Path+", asked inside: the body does not match", output), nil
	default:
		return true, fmt.Sprintf("http %s, asked inside: answered", p.Path), nil
	}
}

func (g *gate) log(expr string) (*condition, error) {
	match, err := regexp.Compile(expr)
	if err != nil {
		return nil, fmt.Errorf("the gate's log is no regular expression: %w", err)
	}
	return &condition{name: "a line of the log that matches /" + expr + "/",
		follow: func(ctx context.Context, c *container.InspectResponse, tell func(bool, string, error)) {
			for pause := execPause; ; pause = min(2*pause, maxExecPause) {
				err := g.w.e.follow(ctx, c, func(line string) bool {
					if match.MatchString(line) {
						tell(true, "log: "+dockerapi.OneLine(line), nil)
						return false
					}
					return true
				})
				if errors.Is(err, errStopped) || ctx.Err() != nil {
					return
				}
				if err != nil && strings.Contains(err.Error(), "does not support reading") {
					tell(false, "", fmt.Errorf("the gate reads the log, and the container's log driver cannot be read: %w", err))
					return
				}
				if dockerapi.Sleep(ctx, pause) != nil {
					return
				}
			}
		}}, nil
}

// outputOf shows the last line that a job has printed; it decides nothing.
func (g *gate) outputOf() *condition {
	return &condition{name: outputName, met: true, follow: func(ctx context.Context, c *container.InspectResponse,
		tell func(bool, string, error)) {
		var last time.Time
		_ = g.w.e.follow(ctx, c, func(line string) bool {
			if text := dockerapi.OneLine(line); text != "" && time.Since(last) > 200*time.Millisecond {
				last = time.Now()
				tell(false, text, nil)
			}
			return true
		})
	}}
}

// errStopped ends a follow that has seen enough.
var errStopped = errors.New("seen enough")

// follow passes on each line of a container's output since its start, until
// line returns false, the container ends, or ctx.
func (e *ReadEngine) follow(ctx context.Context, c *container.InspectResponse, line func(string) bool) error {
	body, err := e.api.ContainerLogs(ctx, c.ID, container.LogsOptions{ShowStdout: true, ShowStderr: true, Follow: true,
		Since: endOfRunBefore(c)})
	if err != nil {
		return err
	}
	lines := demuxed(body, c.Config != nil && c.Config.Tty)
	defer func() { _ = lines.Close() }()
	defer context.AfterFunc(ctx, func() { _ = lines.Close() })()
	r := bufio.NewReaderSize(lines, 4096)
	for {
		text, err := readLine(r)
		if text != "" && !line(text) {
			return errStopped
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// endOfRunBefore is where the output of a container's last run begins, "" when
// there was none before. The engine notes the start a moment after the process
// has begun, and may note it after the first line: what counts is the end of the
// run before.
func endOfRunBefore(c *container.InspectResponse) string {
	if c.State == nil {
		return ""
	}
	if before, err := time.Parse(time.RFC3339Nano, c.State.FinishedAt); err != nil || before.Year() <= 1 {
		return ""
	}
	return c.State.FinishedAt
}

// maxLogLine bounds one line of output; what is beyond counts as another line.
const maxLogLine = 64 << 10

func readLine(r *bufio.Reader) (string, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		if errors.Is(err, bufio.ErrBufferFull) && len(line) < maxLogLine {
			continue
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			err = nil
		}
		return strings.TrimRight(string(line), "\r\n"), err
	}
}

// lastLines returns the last lines of a container's output, without control
// characters.
func (e *ReadEngine) lastLines(ctx context.Context, c *container.InspectResponse, n int) []string {
	body, err := e.api.ContainerLogs(ctx, c.ID, container.LogsOptions{ShowStdout: true, ShowStderr: true, Tail: strconv.Itoa(n)})
	if err != nil {
		return nil
	}
	lines := demuxed(body, c.Config != nil && c.Config.Tty)
	defer func() { _ = lines.Close() }()
	var out []string
	r := bufio.NewReader(io.LimitReader(lines, 1<<20))
	for {
		text, err := readLine(r)
		if text = dockerapi.CleanLine(text); strings.TrimSpace(text) != "" {
			out = append(out, text)
		}
		if err != nil {
			break
		}
	}
	if len(out) > n {
		out = out[len(out)-n:]
	}
	return out
}

// demuxed returns both streams of a container as one. Without a terminal the
// engine sends them in frames.
func demuxed(body io.ReadCloser, tty bool) io.ReadCloser {
	if tty {
		return body
	}
	r, w := io.Pipe()
	go func() {
		err := splitFrames(w, w, body)
		_ = body.Close()
		w.CloseWithError(err)
	}()
	return &demuxer{PipeReader: r, body: body}
}

type demuxer struct {
	*io.PipeReader
	body io.Closer
}

func (d *demuxer) Close() error {
	_ = d.body.Close()
	return d.PipeReader.Close()
}
