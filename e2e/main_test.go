//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/client"

	"github.com/LerianStudio/midaz-infra/e2e/rig"
)

// What all scenarios share. It is set before the first of them and not changed.
var (
	binary     string         // path of midaz
	docker     *client.Client // the engine, not through a proxy
	dockerHost string         // its address
	tiny       string         // image of testdata/tiny
	noEngine   error          // why there is none
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "midaz-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	if binary, err = rig.Binary(ctx, dir); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	if docker, noEngine = rig.Dial(ctx); noEngine == nil {
		dockerHost = docker.DaemonHost()
		if tiny, err = rig.Tiny(ctx, docker); err != nil {
			fmt.Fprintln(os.Stderr, "e2e:", err)
			return 1
		}
	}
	return m.Run()
}

// needEngine skips a scenario when no engine answers.
func needEngine(t *testing.T) {
	t.Helper()
	if noEngine != nil {
		t.Skipf("no Docker Engine answers: %v", noEngine)
	}
}

var debianBase = sync.OnceValue(func() error { return script("base.sh") })

// needDebian makes the image that those of specs/debian.infra.yaml are built from.
func needDebian(t *testing.T) {
	t.Helper()
	needEngine(t)
	if os.Getenv("MIDAZ_E2E_SHORT") != "" {
		t.Skip("MIDAZ_E2E_SHORT is set")
	}
	if err := debianBase(); err != nil {
		t.Fatal(err)
	}
}

// needDebianImage makes an image of specs/debian that is not there. One that is
// there is left alone, whoever built it: stacks may be running with it.
func needDebianImage(t *testing.T, ref, recipe string) {
	t.Helper()
	needDebian(t)
	if _, err := docker.ImageInspect(t.Context(), ref); err == nil {
		return
	}
	if err := script("build.sh", recipe); err != nil {
		t.Fatal(err)
	}
}

func script(name string, args ...string) error {
	cmd := exec.Command(filepath.Join(rig.Root(), "specs", "debian", name), args...)
	cmd.Env = append(os.Environ(), "MIDAZ="+binary) // build.sh builds with it
	cmd.Env = append(os.Environ(), "MIDAZ="+binary)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("specs/debian/%s: %w\n%s", name, err, out)
	}
	return nil
}
