// Package rig prepares what end-to-end tests and benchmarks stand on: the midaz
// binary, an engine, a small image, free ports; and clears away what they leave.
//
// It knows nothing of midaz but its binary and the label midaz.stack.
package rig

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
)

// Root returns the folder of the project's go.mod.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

// Dial returns a client of the engine that DOCKER_HOST names, or the default
// one, and an error when it does not answer within five seconds.
func Dial(ctx context.Context) (*client.Client, error) {
	c, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if _, err := c.Ping(ctx); err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	return c, nil
}

// Binary returns the path of the midaz binary: MIDAZ_BIN, or one built into dir.
func Binary(ctx context.Context, dir string) (string, error) {
	if path := os.Getenv("MIDAZ_BIN"); path != "" {
		return filepath.Abs(path)
	}
	path := filepath.Join(dir, "midaz")
	if err := build(ctx, path, "./cmd/midaz"); err != nil {
		return "", err
	}
	return path, nil
}

func build(ctx context.Context, path, pkg string, env ...string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", path, pkg)
	cmd.Dir = Root()
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return nil
}

// Tiny makes sure that the image of testdata/tiny is on the engine and returns
// its reference. The tag is made of its content, so that runs of different
// versions of it do not meet.
func Tiny(ctx context.Context, c *client.Client) (string, error) {
	dir, err := os.MkdirTemp("", "midaz-e2e-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "tiny")
	info, err := c.Info(ctx)
	if err != nil {
		return "", fmt.Errorf("engine: %w", err)
	}
	arch := map[string]string{"x86_64": "amd64", "aarch64": "arm64"}[info.Architecture]
	if arch == "" {
		arch = runtime.GOARCH
	}
	if err := build(ctx, path, "./e2e/testdata/tiny", "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch,
		"GOFLAGS=-buildvcs=false -ldflags=-s"); err != nil {
		return "", err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	const form = "2" // of the image around the program
	ref := fmt.Sprintf("midaz-e2e/tiny:%x", sha256.Sum256(append(data, form...)))[:27]
	if _, err := c.ImageInspect(ctx, ref); err == nil {
		return ref, nil
	} else if !errdefs.IsNotFound(err) {
		return "", fmt.Errorf("inspect %s: %w", ref, err)
	}
	layer, err := layer(data)
	if err != nil {
		return "", err
	}
	answer, err := c.ImageImport(ctx, image.ImportSource{Source: layer, SourceName: "-"}, ref, image.ImportOptions{
		Changes: []string{`ENTRYPOINT ["/tiny"]`, `CMD ["serve"]`, "EXPOSE 8080"},
	})
	if err != nil {
		return "", fmt.Errorf("import %s: %w", ref, err)
	}
	defer answer.Close()
	if _, err := io.Copy(io.Discard, answer); err != nil {
		return "", fmt.Errorf("import %s: %w", ref, err)
	}
	_, err = c.ImageInspect(ctx, ref)
	return ref, err
}

func layer(program []byte) (io.Reader, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	stamp := time.Unix(1_700_000_000, 0)
	var errs []error
	for _, h := range []tar.Header{
		{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777},
		{Name: "etc/", Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: "etc/passwd", Typeflag: tar.TypeReg, Mode: 0o644},
		{Name: "tiny", Typeflag: tar.TypeReg, Mode: 0o755},
	} {
		content := map[string][]byte{"etc/passwd": []byte("root:x:0:0::/:/tiny\ntiny:x:999:999::/:/tiny\n"), "tiny": program}[h.Name]
		h.Size, h.ModTime = int64(len(content)), stamp
		errs = append(errs, w.WriteHeader(&h))
		_, err := w.Write(content)
		errs = append(errs, err)
	}
	return &b, errors.Join(append(errs, w.Close())...)
}

var (
	portMu sync.Mutex
	given  = map[int]bool{}
)

// FreePort returns a port of this machine that nothing listens on, and that this
// process was not given before. It lies below those the system takes for
// outgoing connections.
func FreePort() (int, error) {
	portMu.Lock()
	defer portMu.Unlock()
	for range 1000 {
		port := 20000 + rand.IntN(12000)
		if given[port] {
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort("", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		given[port] = true
		return port, l.Close()
	}
	return 0, errors.New("no free port between 20000 and 32000")
}
