//go:build e2e

package e2e

import (
	"archive/tar"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
)

// A file that cannot be read does not keep any command from working on the stack.
func TestFile_whose_way_is_blocked_must_block_nothing_else(t *testing.T) {
	t.Parallel()
	for name, inTheWay := range map[string]*tar.Header{
		"a file":            {Name: "etc/app", Typeflag: tar.TypeReg, Mode: 0o644},
		"a circle of links": {Name: "etc/app", Typeflag: tar.TypeSymlink, Linkname: "/etc/app", Mode: 0o777},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t, `
				services:
				  a: { image: TINY, gate: { stable_for: 1ms }, files: [{ target: /etc/app/a.conf, content: one }] }
				  b: { image: TINY, gate: { stable_for: 1ms } }
				`)
			s.apply()
			if err := put(t.Context(), s.container("a").ID, inTheWay, ""); err != nil {
				t.Fatal(err)
			}
			if got := s.changes(); len(got) != 1 || got["service/a"] == nil {
				t.Errorf("plan: %v", got)
			}
			if got := s.drift(2).paths(); len(got) != 1 || got["service/a"] == "" {
				t.Errorf("drift: %v", got)
			}
			s.apply()
			s.converged()
			if err := put(t.Context(), s.container("a").ID, inTheWay, ""); err != nil {
				t.Fatal(err)
			}
			s.exits(0, "destroy", "-auto-approve")
		})
	}
}

func TestFile_must_become_a_folder_and_a_file_again(t *testing.T) {
	t.Parallel()
	s := newStack(t, `services: { a: { image: TINY, gate: { stable_for: 1ms }, files: [{ source: conf, target: /etc/app/conf }] } }`)
	at := filepath.Join(s.dir, "conf")
	for i, name := range []string{"conf", "conf/c", "conf"} {
		if err := os.RemoveAll(at); err != nil {
			t.Fatal(err)
		}
		s.write(name, fmt.Sprintf("version: %d", i))
		s.exits(2, "plan", "-detailed-exitcode")
		s.apply()
		s.converged()
		if _, err := docker.ContainerStatPath(t.Context(), s.container("a").ID, "/etc/app/"+name); err != nil {
			t.Error(err)
		}
	}
}

// The engine's health checks fail while a service is paused. What they said then
// is no verdict on the service that runs again.
func TestService_that_was_paused_must_be_judged_by_checks_of_after_it(t *testing.T) {
	t.Parallel()
	s := newStack(t, `
		services:
		  a: { image: TINY, healthcheck: { test: [CMD, /tiny, probe, "http://127.0.0.1:8080/"], interval: 1s, retries: 1 }, gate: { healthy: true, timeout: 60s } }
		`)
	s.apply()
	s.pauseOutside("a")
	eventually(t, time.Minute, func() error {
		if c := s.container("a"); c.State.Health.Status != container.Unhealthy {
			return fmt.Errorf("its health is %s", c.State.Health.Status)
		}
		return nil
	})
	s.apply().says("service/a")
	s.converged()
}
