//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/LerianStudio/midaz-infra/e2e/proxy"
	"github.com/LerianStudio/midaz-infra/e2e/rig"
)

// eventually waits until check returns nil, and fails the scenario with its last
// error after the time.
func eventually(t *testing.T, within time.Duration, check func() error) {
	t.Helper()
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-deadline.C:
			t.Fatalf("not within %v: %v", within, err)
		case <-tick.C:
		}
	}
}

// container returns a container by the name the stack gave it, or fails.
func (s *stack) container(service string) container.InspectResponse {
	s.t.Helper()
	return inspect(s.t, s.name+"-"+service)
}

func inspect(t *testing.T, name string) container.InspectResponse {
	t.Helper()
	c, err := docker.ContainerInspect(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// absent fails when a container of that name exists.
func absent(t *testing.T, name string) {
	t.Helper()
	if _, err := docker.ContainerInspect(t.Context(), name); !errdefs.IsNotFound(err) {
		t.Errorf("container %s: it is there, or %v", name, err)
	}
}

// left returns what the engine has of the stack.
func (s *stack) left() []string {
	s.t.Helper()
	out, err := rig.Left(s.t.Context(), docker, "midaz.stack="+s.name)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

// containers returns the names of the stack's containers, running or not, sorted.
func (s *stack) containers() []string {
	s.t.Helper()
	var out []string
	for _, x := range s.left() {
		if name, ok := strings.CutPrefix(x, "container "); ok {
			out = append(out, name)
		}
	}
	return out
}

// readsOnly fails unless every call since the record began is a GET or HEAD, and
// there was one.
func readsOnly(t *testing.T, p *proxy.Proxy) {
	t.Helper()
	if len(p.Calls()) == 0 {
		t.Error("no call went through the proxy")
	}
	if w := p.Writes(); len(w) > 0 {
		t.Errorf("calls that write: %v", w)
	}
}

// httpGet returns status and body of a URL.
func httpGet(url string) (int, string, error) {
	client := http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get(url)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res.StatusCode, string(body), err
}

// answers fails unless the port of this machine answers / with the body within five seconds.
func (s *stack) answers(mark, want string) {
	s.t.Helper()
	eventually(s.t, 5*time.Second, func() error {
		code, body, err := httpGet(fmt.Sprintf("http://127.0.0.1:%d/", s.port(mark)))
		if err != nil {
			return err
		}
		if code != 200 || strings.TrimSpace(body) != want {
			return fmt.Errorf("answer %d %q, want %q", code, body, want)
		}
		return nil
	})
}

// foreign makes a container, a network and a volume of somebody else, which are
// removed when the scenario ends.
type foreign struct {
	t                          *testing.T
	container, network, volume string // IDs and the volume's name
}

func newForeign(t *testing.T, name string, labels map[string]string) *foreign {
	t.Helper()
	f := &foreign{t: t, volume: name}
	n, err := docker.NetworkCreate(t.Context(), name, network.CreateOptions{Labels: labels})
	if err != nil {
		t.Fatal(err)
	}
	f.network = n.ID
	t.Cleanup(func() { _ = docker.NetworkRemove(context.Background(), n.ID) })
	if _, err := docker.VolumeCreate(t.Context(), volume.CreateOptions{Name: name, Labels: labels}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = docker.VolumeRemove(context.Background(), name, true) })
	f.container = runContainer(t, name, &container.Config{Image: tiny, Labels: labels}, &container.HostConfig{
		NetworkMode: container.NetworkMode(name), Binds: []string{name + ":/data"},
	})
	return f
}

// runContainer starts a container of nobody's stack, removed when the scenario ends.
func runContainer(t *testing.T, name string, config *container.Config, host *container.HostConfig) string {
	t.Helper()
	c, err := docker.ContainerCreate(t.Context(), config, host, nil, nil, name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = docker.ContainerRemove(context.Background(), c.ID, container.RemoveOptions{Force: true, RemoveVolumes: true})
	})
	if err := docker.ContainerStart(t.Context(), c.ID, container.StartOptions{}); err != nil {
		t.Fatal(err)
	}
	return c.ID
}

// untouched fails unless all three are there, and the container runs since the same moment.
func (f *foreign) untouched(since string) {
	f.t.Helper()
	c, err := docker.ContainerInspect(f.t.Context(), f.container)
	if err != nil || !c.State.Running || c.State.StartedAt != since {
		f.t.Errorf("the foreign container was touched: %+v %v", c.State, err)
	}
	if _, err := docker.NetworkInspect(f.t.Context(), f.network, network.InspectOptions{}); err != nil {
		f.t.Errorf("the foreign network: %v", err)
	}
	if _, err := docker.VolumeInspect(f.t.Context(), f.volume); err != nil {
		f.t.Errorf("the foreign volume: %v", err)
	}
}

// logs returns the last that a container wrote.
func logs(ctx context.Context, id string) string { return tail(ctx, id, "200") }

// allLogs returns all that a container wrote.
func allLogs(t *testing.T, id string) string { return tail(t.Context(), id, "all") }

func tail(ctx context.Context, id, lines string) string {
	r, err := docker.ContainerLogs(ctx, id, container.LogsOptions{ShowStdout: true, ShowStderr: true, Tail: lines})
	if err != nil {
		return err.Error()
	}
	defer r.Close()
	var out strings.Builder
	if _, err := stdcopy.StdCopy(&out, &out, r); err != nil {
		fmt.Fprintln(&out, err)
	}
	return out.String()
}

// keepArtifacts writes what a person needs to see why the scenario failed.
func (s *stack) keepArtifacts() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	dir := filepath.Join(rig.Root(), ".cache", "e2e", notInNames.ReplaceAllString(strings.ToLower(s.t.Name()), "-"))
	_ = os.RemoveAll(dir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		s.t.Log(err)
		return
	}
	put := func(name string, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			s.t.Log(err)
		}
	}
	if data, err := os.ReadFile(filepath.Join(s.dir, "midaz.infra.yaml")); err == nil {
		put("midaz.infra.yaml", string(data))
	}
	var text strings.Builder
	for _, r := range s.runs {
		fmt.Fprintf(&text, "%s\n\n", r)
	}
	put("commands.txt", text.String())
	if s.proxy != nil {
		text.Reset()
		for _, c := range s.proxy.Calls() {
			fmt.Fprintf(&text, "%4d %s %s ?%s -> %d %v\n", c.N, c.Began.Format("15:04:05.000"), c, c.Query, c.Status,
				c.Ended.Sub(c.Began).Round(time.Millisecond))
		}
		put("calls.txt", text.String())
	}
	if list, err := rig.Left(ctx, docker, "midaz.stack="+s.name); err == nil {
		put("left.txt", strings.Join(list, "\n")+"\n")
		for _, x := range list {
			name, ok := strings.CutPrefix(x, "container ")
			if !ok {
				continue
			}
			if _, raw, err := docker.ContainerInspectWithRaw(ctx, name, false); err == nil {
				put(name+".json", string(raw))
			}
			put(name+".log", logs(ctx, name))
		}
	}
	s.t.Logf("artifacts: %s", dir)
}

// waitFor waits for a call that midaz makes through the proxy.
func waitFor(t *testing.T, p *proxy.Proxy, what string, match func(proxy.Call) bool) proxy.Call {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := p.Until(ctx, match)
	if err != nil {
		t.Fatalf("waiting for %s: %v; calls: %v", what, err, p.Calls())
	}
	return c
}

// openPort listens on a port of this machine until the scenario ends.
func openPort(t *testing.T, port int) {
	t.Helper()
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
}

// sorted returns a sorted copy.
func sorted(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return list
}

// removeImage removes an image that a scenario made, if it is there.
func removeImage(ref string) {
	_, _ = docker.ImageRemove(context.Background(), ref, image.RemoveOptions{Force: true})
}

// removeBuilt removes the images that a stack has built and that carry no name
// any more.
func removeBuilt(stack string) {
	_, _ = docker.ImagesPrune(context.Background(), filters.NewArgs(filters.Arg("dangling", "true"),
		filters.Arg("label", "midaz.build.stack="+stack)))
}
