//go:build e2e

package e2e

import (
	"net"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/go-connections/nat"

	"github.com/LerianStudio/midaz-infra/e2e/proxy"
)

func TestUnreachable_engine_must_be_told_with_what_to_do(t *testing.T) {
	t.Parallel()
	for name, host := range map[string]string{
		"socket": "unix:///nowhere/docker.sock",
		"port":   "tcp://127.0.0.1:1",
	} {
		t.Run(name, func(t *testing.T) {
			s := newStack(t, `
				services: { a: { image: TINY } }
				`)
			s.setenv("DOCKER_HOST", host)
			for _, command := range []string{"plan", "apply", "drift", "ps", "down"} {
				args := []string{command}
				if command == "apply" {
					args = append(args, "-auto-approve")
				}
				s.exits(1, args...).says(strings.TrimPrefix(host, "unix://"), "DOCKER_HOST|systemctl|start")
			}
			s.exits(0, "validate")
		})
	}
}

func TestPort_that_a_container_holds_must_name_it(t *testing.T) {
	t.Parallel()
	s := newStack(t, `
		services:
		  a: { image: TINY, ports: ["127.0.0.1:PORT1:8080"] }
		  b: { image: TINY, depends_on: [a] }
		  c: { image: TINY }
		`)
	port := strconv.Itoa(s.port("PORT1"))
	runContainer(t, s.name+"-holder", &container.Config{Image: tiny}, &container.HostConfig{
		PortBindings: nat.PortMap{"8080/tcp": {{HostIP: "127.0.0.1", HostPort: port}}},
	})
	r := s.midaz("apply", "-auto-approve")
	if r.code != 3 && r.code != 1 {
		t.Errorf("exit %d, want 3 (applied in part) or 1 (seen before)\n%s", r.code, r)
	}
	r.says("service/a", port, s.name+"-holder")
	if got := s.containers(); strings.Contains(strings.Join(got, " "), s.name+"-b") {
		t.Errorf("b was made: %v", got)
	}
}

func TestPort_that_a_process_holds_must_name_it(t *testing.T) {
	t.Parallel()
	s := newStack(t, `
		services: { a: { image: TINY, ports: ["127.0.0.1:PORT1:8080"] } }
		`)
	port := s.port("PORT1")
	openPort(t, port)
	r := s.midaz("apply", "-auto-approve")
	if r.code != 3 && r.code != 1 {
		t.Errorf("exit %d, want 3 or 1\n%s", r.code, r)
	}
	// This very test holds it. Another machine's engine cannot tell.
	r.says("service/a", strconv.Itoa(port), "in use|taken|held|allocated")
	if strings.HasPrefix(dockerHost, "unix://") {
		r.says(`e2e\.test|` + strconv.Itoa(os.Getpid()))
	}
}

// The engine's own network has no way to a registry here, or one that has no such image.
func TestImage_that_is_nowhere_must_be_told_with_what_to_do(t *testing.T) {
	t.Parallel()
	s := newStack(t, `
		services:
		  a: { image: "localhost:1/midaz-e2e/nowhere:1" }
		  b: { image: TINY, depends_on: [a] }
		  c: { image: TINY }
		`)
	s.exits(3, "apply", "-auto-approve").says("localhost:1/midaz-e2e/nowhere:1", "registry|pull|build")
	absent(t, s.name+"-a")
	absent(t, s.name+"-b")
	if !s.container("c").State.Running {
		t.Error("c has nothing to do with it and does not run")
	}
}

const built = `
	services:
	  a:
	    image: midaz-e2e/STACK:1
	    build: { context: context }
	  c: { image: TINY }
	`

// A step of the recipe that finds the disk full.
func TestFull_disk_in_a_build_step_must_be_told(t *testing.T) {
	t.Parallel()
	s := newStack(t, built)
	s.write("context/Dockerfile", `
		FROM TINY
		RUN ["/tiny", "append", "/dev/full", "more than there is room for"]
		`)
	r := s.exits(3, "apply", "-auto-approve")
	r.says("image/midaz-e2e", "no space left on device", "free|prune|docker system df|disk")
	absent(t, s.name+"-a")
	if !s.container("c").State.Running {
		t.Error("c has nothing to do with it and does not run")
	}
}

// The engine itself finds its disk full, while building and while creating.
func TestFull_disk_of_the_engine_must_be_told(t *testing.T) {
	t.Parallel()
	for name, suffix := range map[string]string{"build": "/build", "create": "/containers/create"} {
		t.Run(name, func(t *testing.T) {
			s := newStack(t, built)
			s.write("context/Dockerfile", "FROM TINY\nLABEL of=STACK\n")
			t.Cleanup(func() { removeImage("midaz-e2e/" + s.name + ":1") })
			p := s.record()
			p.Inject(func(c proxy.Call) *proxy.Fault {
				if c.Path != suffix {
					return nil
				}
				return &proxy.Fault{When: proxy.Before, What: proxy.Error, Message: "write /var/lib/docker/tmp/x: no space left on device"}
			})
			s.exits(3, "apply", "-auto-approve").says("no space left on device", "free|prune|docker system df|disk")
			p.Inject(nil)
			s.apply()
			s.converged()
		})
	}
}

// A connection that is dropped in the middle of a call is survived or told.
func TestConnection_lost_in_a_create_must_be_survived_or_told(t *testing.T) {
	t.Parallel()
	for _, when := range []proxy.When{proxy.Before, proxy.After} {
		f := proxy.Fault{When: when, What: proxy.Reset}
		t.Run(f.String(), func(t *testing.T) {
			s := newStack(t, `
				services: { a: { image: TINY } }
				`)
			p := s.record()
			once := false
			p.Inject(func(c proxy.Call) *proxy.Fault {
				if c.Path == "/containers/create" && !once {
					once = true
					return &f
				}
				return nil
			})
			if r := s.midaz("apply", "-auto-approve"); r.code != 0 && r.code != 3 {
				t.Errorf("exit %d, want 0 or 3\n%s", r.code, r)
			}
			if !once {
				t.Fatal("no create was made")
			}
			s.apply()
			if got := s.containers(); len(got) != 1 || got[0] != s.name+"-a" {
				t.Errorf("containers: %v", got)
			}
			s.converged()
		})
	}
}

// free reports whether nothing listens on a port of this machine.
func free(port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return l.Close() == nil
}
