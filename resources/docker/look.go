package docker

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/dockerapi"
)

// Status is one container of a stack as it is now, for people.
type Status struct {
	Addr      resources.Addr
	Container string // name on the engine
	ID        string
	Image     string // reference it was made from
	State     string // "running", "starting", "unhealthy", "exited (1)", ...
	Health    string // "healthy", "starting", "unhealthy", "" without a check
	Ports     []string
	Created   time.Time
	// Started is when it was last started, zero if never; Ended is zero while
	// it runs. Both by the engine's clock, as is Age.
	Started, Ended time.Time
	Age            time.Duration // since Started, or since Ended when it has ended
	Restarts       int           // by the engine, since it was last started by hand
	ExitCode       int           // of the last run, when it does not run
	OOM            bool          // that run ended for lack of memory
	// Leftover says what a killed run left it as, "" for a container in place.
	Leftover string
}

// Services returns the containers of a stack, services before jobs, by address.
func (e *ReadEngine) Services(ctx context.Context, stack string) ([]Status, error) {
	lctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	list, err := e.api.ContainerList(lctx, container.ListOptions{All: true,
		Filters: filters.NewArgs(filters.Arg("label", labelStack+"="+stack))})
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	out := make([]*Status, len(list))
	errs := make([]error, len(list))
	slots := make(chan struct{}, readers)
	var wg sync.WaitGroup
	for i := range list {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			out[i], errs[i] = e.status(ctx, &list[i], stack)
		})
	}
	wg.Wait()
	var all []Status
	for i := range out {
		if errs[i] != nil {
			return nil, errs[i]
		}
		if out[i] != nil {
			all = append(all, *out[i])
		}
	}
	slices.SortFunc(all, func(a, b Status) int {
		if a.Addr.Kind != b.Addr.Kind { // services come first
			return -strings.Compare(a.Addr.Kind, b.Addr.Kind)
		}
		if c := a.Addr.Compare(b.Addr); c != 0 {
			return c
		}
		return strings.Compare(a.Container, b.Container)
	})
	return all, nil
}

// status returns nil for a container that is gone, or is none of ours after all.
func (e *ReadEngine) status(ctx context.Context, s *container.Summary, stack string) (*Status, error) {
	addr, err := resources.ParseAddr(s.Labels[labelAddress])
	if err != nil || s.Labels[labelStack] != stack || !isContainer(addr.Kind) {
		return nil, nil
	}
	out := &Status{Addr: addr, Container: nameOfSummary(*s), ID: s.ID, Image: s.Image, State: s.State, Created: time.Unix(s.Created, 0)}
	if _, role, _ := splitSwapName(out.Container); role != "" {
		out.Leftover = map[string]string{"new": "replacement", "old": "before its replacement", "bad": "failed replacement"}[role]
	}
	ictx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	c, err := e.api.ContainerInspect(ictx, s.ID)
	if err == nil {
		e.inspected.Store(s.ID, c)
	}
	switch {
	case cerrdefs.IsNotFound(err):
		return nil, nil
	case err != nil && ctx.Err() == nil && isTimeout(err):
		out.State = "does not answer" // its own lock hangs; the list does not need it
		return out, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		out.State = "not readable: " + dockerapi.OneLine(err.Error())
		return out, nil
	}
	e.describe(out, &c)
	return out, nil
}

func (e *ReadEngine) describe(out *Status, c *container.InspectResponse) {
	if c.State == nil || c.Config == nil {
		return
	}
	out.Image, out.State, out.Restarts, out.OOM = c.Config.Image, stateText(c), c.RestartCount, c.State.OOMKilled
	out.Health = healthOf(c)
	if at := parseTime(c.State.StartedAt); at.Year() > 1 {
		out.Started = at
	}
	since := out.Started
	if !c.State.Running {
		out.ExitCode = c.State.ExitCode
		if at := parseTime(c.State.FinishedAt); at.Year() > 1 {
			out.Ended, since = at, at
		}
	}
	if !since.IsZero() {
		out.Age = max(0, e.now().Sub(since))
	}
	out.Ports = portsOf(c)
}

// portsOf returns the published ports as "127.0.0.1:5701->5432/tcp", ranges as
// "0.0.0.0:5000-5999->1000-1999/tcp". A port published on all addresses of both IP
// versions is shown once.
func portsOf(c *container.InspectResponse) []string {
	if c.NetworkSettings == nil {
		return nil
	}
	places := map[string][]string{}
	for port, bindings := range c.NetworkSettings.Ports {
		for _, b := range bindings {
			host := b.HostIP
			if ip, err := netip.ParseAddr(host); err == nil && ip.IsUnspecified() {
				host = "0.0.0.0"
			}
			places[string(port)] = append(places[string(port)], net.JoinHostPort(host, b.HostPort))
		}
	}
	var out []string
	for port, set := range joinPorts(places) {
		for _, place := range resources.Texts(set) {
			out = append(out, place+"->"+port)
		}
	}
	slices.Sort(out)
	return out
}

// LogOptions say what of a container's output to read.
type LogOptions struct {
	Follow     bool
	Tail       string // number of lines from the end; "" and "all" are all
	Since      string // RFC 3339, seconds of the epoch, or a duration back from now such as "10m"
	Timestamps bool
	ThisRun    bool // only what was written since the last start, in place of Since
}

// LogLine is one line of output. Text comes from the container and may hold
// anything, control characters included; a line longer than 64 KiB comes in parts.
type LogLine struct {
	Text   string
	At     time.Time // when the engine took it, zero without LogOptions.Timestamps
	Stderr bool      // never with a terminal, which has one stream
}

// Logs passes on the lines of a container's output, in order, until they end;
// with Follow that is when the container ends or ctx, which is no error.
func (e *ReadEngine) Logs(ctx context.Context, containerID string, o LogOptions, line func(LogLine)) error {
	ictx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	c, err := e.api.ContainerInspect(ictx, containerID)
	if err != nil {
		return fmt.Errorf("inspect container %s: %w", shortID(containerID), err)
	}
	opts := container.LogsOptions{ShowStdout: true, ShowStderr: true, Follow: o.Follow, Timestamps: o.Timestamps, Tail: o.Tail, Since: o.Since}
	if o.ThisRun {
		opts.Since = endOfRunBefore(&c)
	}
	body, err := e.api.ContainerLogs(ctx, containerID, opts)
	if err != nil {
		if strings.Contains(err.Error(), "does not support reading") {
			return &resources.Diagnosis{Err: fmt.Errorf("logs of container %s: %w", nameOf(&c), err),
				Hint: "its log driver sends the output elsewhere: look there, or choose `logging: {driver: json-file}`"}
		}
		return fmt.Errorf("logs of container %s: %w", nameOf(&c), err)
	}
	defer func() { _ = body.Close() }()
	defer context.AfterFunc(ctx, func() { _ = body.Close() })()
	out, errs := &lineWriter{stamped: o.Timestamps, line: line}, &lineWriter{stamped: o.Timestamps, stderr: true, line: line}
	if c.Config != nil && c.Config.Tty {
		_, err = io.Copy(out, body)
	} else {
		err = splitFrames(out, errs, body)
	}
	out.end()
	errs.end()
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("logs of container %s: %w", nameOf(&c), err)
	}
	return nil
}

// lineWriter cuts a stream into lines.
type lineWriter struct {
	stamped, stderr bool
	line            func(LogLine)
	rest            []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.rest = append(w.rest, p...)
	for {
		i := bytes.IndexByte(w.rest, '\n')
		if i < 0 && len(w.rest) < maxLogLine {
			return len(p), nil
		}
		if i < 0 {
			w.pass(w.rest)
			w.rest = nil
			return len(p), nil
		}
		w.pass(w.rest[:i])
		w.rest = w.rest[i+1:]
	}
}

func (w *lineWriter) end() {
	if len(w.rest) > 0 {
		w.pass(w.rest)
	}
	w.rest = nil
}

func (w *lineWriter) pass(text []byte) {
	l := LogLine{Text: strings.TrimSuffix(string(text), "\r"), Stderr: w.stderr}
	if w.stamped {
		if stamp, rest, ok := strings.Cut(l.Text, " "); ok {
			if at := parseTime(stamp); !at.IsZero() {
				l.At, l.Text = at, rest
			}
		}
	}
	w.line(l)
}

// EngineFacts are what `midaz info` shows of the engine.
type EngineFacts struct {
	Host          string // as in DOCKER_HOST
	From          string // what named it: "DOCKER_HOST", `context "prod"`
	Version, API  string
	OS, Arch      string
	Kernel        string
	CPUs          int
	Memory        int64 // bytes
	StorageDriver string
	CgroupVersion string
	Containers    int
	Images        int
	Warnings      []string
}

// About returns what the engine is.
func (e *ReadEngine) About(ctx context.Context) (*EngineFacts, error) {
	f, err := e.knowing(ctx)
	if err != nil {
		return nil, err
	}
	i := f.Info
	about := &EngineFacts{Host: e.Host(), From: e.host.From, Version: f.Version, API: f.API, OS: i.OperatingSystem, Arch: i.Architecture,
		Kernel: i.KernelVersion,
		CPUs:   i.NCPU, Memory: i.MemTotal, StorageDriver: i.Driver, CgroupVersion: i.CgroupVersion, Containers: i.Containers, Images: i.Images}
	for _, w := range i.Warnings {
		about.Warnings = append(about.Warnings, dockerapi.OneLine(w))
	}
	return about, nil
}

// CPUs returns how many CPUs the engine has, 0 when it does not say.
func (e *ReadEngine) CPUs(ctx context.Context) int {
	f, err := e.knowing(ctx)
	if err != nil {
		return 0
	}
	return f.Info.NCPU
}
