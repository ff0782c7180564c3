//go:build e2e

package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/dockerapi"
	"github.com/LerianStudio/midaz-infra/specs"
)

// yard is a stack of its own on a real engine. What it leaves is removed.
type yard struct {
	t     *testing.T
	e     *Engine
	raw   *client.Client
	stack string
	tiny  string
	dir   string
}

var (
	yards    atomic.Int64
	tinyOnce sync.Once
	tinyRef  string
	tinyErr  error
)

func newYard(t *testing.T) *yard {
	t.Helper()
	e, err := Open(t.Context(), dockerapi.Options{LookupEnv: os.LookupEnv, Timeout: 3 * time.Second})
	if err != nil {
		t.Skipf("no engine answers: %v", err)
	}
	raw, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	tinyOnce.Do(func() { tinyRef, tinyErr = importTiny(raw) })
	if tinyErr != nil {
		t.Fatal(tinyErr)
	}
	y := &yard{t: t, e: e, raw: raw, stack: fmt.Sprintf("midaz-tb-%d-%d", os.Getpid(), yards.Add(1)), tiny: tinyRef, dir: t.TempDir()}
	t.Cleanup(func() { _ = e.Close() })
	t.Cleanup(y.clear)
	return y
}

// importTiny makes an image of the small program of the end-to-end tests. It
// stays: its name tells its content.
func importTiny(raw *client.Client) (string, error) {
	dir, err := os.MkdirTemp("", "midaz-tb-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "tiny")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w -buildid=", "-o", binary, "../../e2e/testdata/tiny")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	program, err := os.ReadFile(binary)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(program)
	ref := fmt.Sprintf("midaz-tb-tiny:%x", sum[:6])
	if _, err := raw.ImageInspect(context.Background(), ref); err == nil {
		return ref, nil
	}
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	_ = w.WriteHeader(&tar.Header{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777})
	_ = w.WriteHeader(&tar.Header{Name: "tiny", Mode: 0o755, Size: int64(len(program))})
	_, _ = w.Write(program)
	_ = w.Close()
	rc, err := raw.ImageImport(context.Background(), image.ImportSource{Source: &buf, SourceName: "-"}, ref,
		image.ImportOptions{Changes: []string{`ENTRYPOINT ["/tiny"]`, `CMD ["serve"]`, "EXPOSE 8080"}})
	if err != nil {
		return "", err
	}
	defer rc.Close()
	_, err = io.Copy(io.Discard, rc)
	return ref, err
}

// clear removes everything of the stack.
func (y *yard) clear() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	label := filters.NewArgs(filters.Arg("label", labelStack+"="+y.stack))
	containers, _ := y.raw.ContainerList(ctx, container.ListOptions{All: true, Filters: label})
	for _, c := range containers {
		y.drop(ctx, c.ID)
	}
	networks, _ := y.raw.NetworkList(ctx, network.ListOptions{Filters: label})
	for _, n := range networks {
		if err := y.raw.NetworkRemove(ctx, n.ID); err != nil {
			y.t.Errorf("clean up: %v", err)
		}
	}
	volumes, _ := y.raw.VolumeList(ctx, volume.ListOptions{Filters: label})
	for _, v := range volumes.Volumes {
		if err := y.raw.VolumeRemove(ctx, v.Name, true); err != nil {
			y.t.Errorf("clean up: %v", err)
		}
	}
	_ = y.raw.Close()
}

func (y *yard) drop(ctx context.Context, id string) {
	_ = y.raw.ContainerKill(ctx, id, "KILL")
	if err := y.raw.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true}); err != nil &&
		!cerrdefs.IsNotFound(err) {
		y.t.Errorf("clean up: %v", err)
	}
}

// foreign runs a container that is nobody's, and returns its ID.
func (y *yard) foreign(name string, config *container.Config, host *container.HostConfig, net *network.NetworkingConfig) string {
	y.t.Helper()
	if config == nil {
		config = &container.Config{}
	}
	config.Image = y.tiny
	made, err := y.raw.ContainerCreate(y.t.Context(), config, host, net, nil, y.stack+"-"+name)
	if err != nil {
		y.t.Fatal(err)
	}
	y.t.Cleanup(func() { y.drop(context.Background(), made.ID) })
	if err := y.raw.ContainerStart(y.t.Context(), made.ID, container.StartOptions{}); err != nil {
		y.t.Fatal(err)
	}
	return made.ID
}

// spec reads a whole spec, in which TINY stands for the image.
func (y *yard) spec(text string) *resources.Declared {
	y.t.Helper()
	text = strings.ReplaceAll(text, "TINY", y.tiny)
	root, err := specs.ParseNode("test.yaml", text)
	if err != nil {
		y.t.Fatalf("%v\n%s", err, text)
	}
	set, problems := declaredIn(&specs.Spec{Root: root, Stack: y.stack, Dir: y.dir})
	for _, p := range problems {
		if p.Severity() == specs.Error {
			y.t.Fatalf("%v\n%s", p, text)
		}
	}
	all := set.Resources
	for _, k := range Kinds() {
		if d, ok := k.(resources.Deriver); ok {
			all = append(all, d.Derive(set)...)
		}
	}
	return resources.NewDeclared(set.Spec, Kinds(), all)
}

// writer returns the writer of a kind over any API.
func writerOver(e *Engine, kindName string) resources.Writer { return e.Writers()[kindName] }

func (y *yard) note(addr resources.Addr) resources.Note {
	return func(format string, args ...any) {
		y.t.Logf("%s %s: %s", time.Now().Format("05.000"), addr, fmt.Sprintf(format, args...))
	}
}

// apply brings the world to the spec as the engine does, one after another:
// observe, compare, write, wait, commit or roll back, and clear leftovers.
func (y *yard) apply(e *Engine, all *resources.Declared) error {
	ctx := y.t.Context()
	for _, kindName := range []string{"network", "volume", "image", "service", "job"} {
		seen, err := e.Readers()[kindName].Observe(ctx, resources.Scope{Stack: y.stack, Want: all.Of(kindName), Owned: true})
		if err != nil {
			return err
		}
		byAddr := map[resources.Addr]*resources.Observed{}
		for _, o := range seen {
			byAddr[o.Addr] = o
		}
		w := writerOver(e, kindName)
		for _, r := range all.Of(kindName) {
			if err := y.applyOne(ctx, w, all, r, byAddr[r.Addr]); err != nil {
				return fmt.Errorf("%s: %w", r.Addr, err)
			}
		}
		for _, o := range seen {
			if all.Get(o.Addr) == nil && o.Presence == resources.Present && o.Stack == y.stack && !o.IsHalfAdopted() {
				if err := w.Delete(ctx, o, y.note(o.Addr)); err != nil {
					return fmt.Errorf("delete %s: %w", o.Addr, err)
				}
			}
		}
	}
	return nil
}

func (y *yard) applyOne(ctx context.Context, w resources.Writer, all *resources.Declared, r *resources.Resource,
	have *resources.Observed) error {
	note := y.note(r.Addr)
	k := all.Kind(r.Addr.Kind)
	// What a killed run had replaced comes back when the gate fails.
	await := func() error {
		waiter, ok := w.(resources.Waiter)
		if !ok {
			return nil
		}
		err := waiter.Await(ctx, r, note)
		var failed *resources.GateError
		if back, ok := w.(resources.Restorer); ok && errors.As(err, &failed) {
			_, failure := back.Restore(ctx, r)
			err = errors.Join(err, failure)
		}
		return err
	}
	if have == nil || have.Presence != resources.Present {
		if err := w.Create(ctx, r, note); err != nil {
			return err
		}
		return await()
	}
	if r.External {
		return nil
	}
	delta := k.(resources.Comparer).Compare(r, have)
	switch {
	case len(delta) == 0:
		return await()
	case delta.Cost() < resources.Remake:
		if err := w.Update(ctx, r, have, delta, note); err != nil {
			return err
		}
		return await()
	}
	if one, ok := w.(resources.Replacer); ok {
		return one.Replace(ctx, r, have, note)
	}
	swap := w.(resources.Swapper)
	err := swap.Swap(ctx, r, have, note)
	if err == nil {
		if err = w.(resources.Waiter).Await(ctx, r, note); err == nil {
			return swap.Commit(ctx, r, have, note)
		}
	}
	return errors.Join(err, swap.Rollback(ctx, r, have, note))
}

// converged fails unless the world is as the spec says, with nothing left over.
func (y *yard) converged(all *resources.Declared) {
	y.t.Helper()
	for _, kindName := range []string{"network", "volume", "image", "service", "job"} {
		seen, err := y.e.Readers()[kindName].Observe(y.t.Context(), resources.Scope{Stack: y.stack, Want: all.Of(kindName), Owned: true})
		if err != nil {
			y.t.Fatal(err)
		}
		for _, o := range seen {
			r := all.Get(o.Addr)
			switch {
			case r == nil:
				y.t.Errorf("%s is left over: %s", o.Addr, o.Leftover)
			case o.Presence != resources.Present:
				y.t.Errorf("%s is not there", o.Addr)
			default:
				for _, d := range all.Kind(kindName).(resources.Comparer).Compare(r, o) {
					y.t.Errorf("%s: %s: %s -> %s", o.Addr, d.Path, resources.Show(d.Before), resources.Show(d.After))
				}
			}
		}
	}
}

func (y *yard) must(all *resources.Declared) {
	y.t.Helper()
	if err := y.apply(y.e, all); err != nil {
		y.t.Fatal(err)
	}
}

func (y *yard) inspect(name string) container.InspectResponse {
	y.t.Helper()
	c, err := y.raw.ContainerInspect(y.t.Context(), name)
	if err != nil {
		y.t.Fatal(err)
	}
	return c
}

// containers returns the names of the stack's containers.
func (y *yard) containers() []string {
	list, err := y.raw.ContainerList(context.Background(),
		container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", labelStack+"="+y.stack))})
	if err != nil {
		y.t.Fatal(err)
	}
	var out []string
	for _, c := range list {
		out = append(out, strings.TrimPrefix(c.Names[0], "/")+" "+c.State)
	}
	return out
}

// hint returns what the error says to do.
func hint(err error) string {
	var d *resources.Diagnosis
	if errors.As(err, &d) {
		return d.Hint
	}
	return ""
}

func removeImage(y *yard, ref string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if _, err := y.raw.ImageRemove(ctx, ref, image.RemoveOptions{Force: true, PruneChildren: true}); err != nil && !cerrdefs.IsNotFound(err) {
		y.t.Errorf("clean up: %v", err)
	}
}

// dialTo makes a dialer of an HTTP client of one port of a service.
func dialTo(dial func(context.Context, *resources.Resource, int) (net.Conn, error), r *resources.Resource, port int) func(context.Context,
	string, string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, r, port) }
}
