//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"

	"github.com/LerianStudio/midaz-infra/e2e/proxy"
)

// locks returns the names of the volumes of the stack's lock.
func (s *stack) locks() []string {
	s.t.Helper()
	list, err := docker.VolumeList(context.Background(),
		volume.ListOptions{Filters: filters.NewArgs(filters.Arg("label", "midaz.lock="+s.name))})
	if err != nil {
		s.t.Fatal(err)
	}
	var out []string
	for _, v := range list.Volumes {
		out = append(out, v.Name)
	}
	return out
}

// sweepLock removes what a killed run has left of the lock, at the end.
func (s *stack) sweepLock() {
	s.t.Cleanup(func() {
		for _, name := range s.locks() {
			_ = docker.VolumeRemove(context.Background(), name, true)
		}
	})
}

func waitUntil(t *testing.T, what string, done func() bool) {
	t.Helper()
	eventually(t, time.Minute, func() error {
		if !done() {
			return fmt.Errorf("waited in vain for %s", what)
		}
		return nil
	})
}

func TestLock_must_be_told_waited_for_and_given_back(t *testing.T) {
	t.Parallel()
	s := newStack(t, slow)
	s.sweepLock()
	first := s.start("apply", "-auto-approve")
	waitUntil(t, "the first to begin", func() bool { return strings.Contains(first.output(), "service/a: creat") || len(s.containers()) > 0 })
	s.exits(5, "apply", "-auto-approve").says("is locked by .*apply, process "+fmt.Sprint(first.Process.Pid), "midaz unlock [0-9a-f]{16}")
	s.exits(0, "plan")
	second := s.start("apply", "-auto-approve", "-lock-timeout", "2m")
	waitUntil(t, "the second to wait", func() bool { return strings.Contains(second.output(), "Waiting up to 2m0s") })
	if err := first.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if r := first.end(); r.code != 130 {
		t.Errorf("exit %d, want 130\n%s", r.code, r)
	}
	// The second plans against what the first has left: a is there.
	waitUntil(t, "the second to plan", func() bool { return strings.Contains(second.output(), "service/b will be created") })
	if strings.Contains(second.output(), "service/a will be created") {
		t.Errorf("it plans as if the first had not been\n%s", second.output())
	}
	_ = second.Process.Signal(syscall.SIGTERM)
	if r := second.end(); r.code != 143 {
		t.Errorf("exit %d, want 143\n%s", r.code, r)
	}
	if left := s.locks(); len(left) != 0 {
		t.Errorf("left of the lock: %v", left)
	}
}

// A holder on this machine that is killed holds nobody up.
func TestLock_of_a_killed_holder_must_be_taken_over(t *testing.T) {
	t.Parallel()
	s := newStack(t, slow)
	s.sweepLock()
	run := s.start("apply", "-auto-approve")
	waitUntil(t, "a", func() bool { return len(s.containers()) > 0 })
	_ = run.Process.Kill()
	_ = run.end()
	if len(s.locks()) == 0 {
		t.Fatal("there was no lock")
	}
	s.write("midaz.infra.yaml", strings.Replace(slow, "1h]", "1ms]", 1))
	s.apply("-lock-timeout", "1m")
	s.converged()
	if left := s.locks(); len(left) != 0 {
		t.Errorf("left of the lock: %v", left)
	}
}

// onAnotherHost starts midaz with a host name and process numbers of its own, as
// on a machine that knows nothing of the processes of this one.
func (s *stack) onAnotherHost(name string, args ...string) *process {
	s.t.Helper()
	if os.Geteuid() != 0 {
		s.t.Skip("only root can have another host name")
	}
	p := s.command(args...)
	p.Path = "/bin/sh"
	p.Args = append([]string{"sh", "-c", `echo "$0" >/proc/sys/kernel/hostname && exec "$@"`, name, binary}, p.args...)
	p.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUTS | syscall.CLONE_NEWPID}
	p.run()
	return p
}

// Of two hosts one works; the other says who does, or waits. When the first is
// killed nobody can tell but by its missing signs of life, and the other waits
// no longer than the lock holds without them.
func TestLock_must_hold_between_two_hosts(t *testing.T) {
	t.Parallel()
	s := newStack(t, slow)
	s.sweepLock()
	first := s.onAnotherHost("host-b", "apply", "-auto-approve")
	waitUntil(t, "a", func() bool { return len(s.containers()) > 0 })
	s.exits(5, "apply", "-auto-approve").says(`is locked by \S+@host-b \(apply, process`, "midaz unlock [0-9a-f]{16}")
	second := s.onAnotherHost("host-c", "apply", "-auto-approve", "-lock-timeout", "2m")
	waitUntil(t, "the second to wait", func() bool { return strings.Contains(second.output(), "Waiting up to 2m0s") })
	_ = first.Process.Kill()
	_ = first.end()
	killed := time.Now()
	waitUntil(t, "the second to plan", func() bool { return strings.Contains(second.output(), "service/b will be created") })
	const expiry, grain = 20 * time.Second, 5 * time.Second // the engine tells whole seconds, and it is asked every two
	held := time.Since(killed)
	t.Logf("the lock of a holder that was killed on another host was had after %v", held.Round(time.Second))
	if held > expiry+grain {
		t.Errorf("it was held up for %v", held)
	}
	_ = second.Process.Signal(syscall.SIGTERM)
	if r := second.end(); r.code != 143 {
		t.Errorf("exit %d, want 143\n%s", r.code, r)
	}
	if left := s.locks(); len(left) != 0 {
		t.Errorf("left of the lock: %v", left)
	}
}

func TestUnlock_must_drain_the_holder(t *testing.T) {
	t.Parallel()
	s := newStack(t, slow)
	s.sweepLock()
	run := s.start("apply", "-auto-approve")
	waitUntil(t, "a", func() bool { return len(s.containers()) > 0 })
	id := ""
	for _, name := range s.locks() {
		v, err := docker.VolumeInspect(context.Background(), name)
		if err == nil {
			id = v.Labels["midaz.lock.id"]
		}
	}
	s.exits(5, "unlock", id).says("its holder is alive")
	s.exits(0, "unlock", "-force", id).says("is unlocked")
	r := run.end()
	if r.code != 5 {
		t.Errorf("exit %d, want 5\n%s", r.code, r)
	}
	r.says("lock of the stack was lost")
	absent(t, s.name+"-b")
}

// three is a spec whose parts carry one mark each, so that a mixture would show.
func three(mark int) string {
	return fmt.Sprintf(`
		networks:
		  one: { labels: { mark: "%[1]d" } }
		  two: { labels: { mark: "%[1]d" } }
		  three: { labels: { mark: "%[1]d" } }
		`, mark)
}

// busy is when a run changed something, by the calls that it made.
type busy struct{ from, to time.Time }

// busyIn returns the time between the first and the last change that a proxy
// recorded; not ok when there was none. The lock is kept in volumes, of which
// the specs here have none.
func busyIn(p *proxy.Proxy) (b busy, ok bool) {
	for _, c := range p.Writes() {
		if strings.HasPrefix(c.Path, "/volumes/") {
			continue
		}
		if !ok {
			b.from = c.Began
		}
		b.to, ok = c.Ended, true
	}
	return b, ok
}

func TestFifty_applies_at_once_must_change_one_at_a_time(t *testing.T) {
	const applies, specs = 50, 5
	s := newStack(t, "")
	s.sweepLock()
	for i := range specs {
		s.write(fmt.Sprintf("%d.yaml", i), three(i))
	}
	dir, err := os.MkdirTemp("", "midaz-e2e-") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	var proxies []*proxy.Proxy
	var runs []*process
	for i := range applies {
		p, err := proxy.New(dockerHost)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.Close() })
		socket := filepath.Join(dir, fmt.Sprint(i))
		if _, err := p.Listen("unix", socket); err != nil {
			t.Fatal(err)
		}
		s.setenv("DOCKER_HOST", "unix://"+socket)
		proxies = append(proxies, p)
		runs = append(runs, s.start("apply", "-auto-approve", "-lock-timeout", "7m", "-f", fmt.Sprintf("%d.yaml", i%specs)))
	}
	for i, run := range runs {
		if r := run.end(); r.code != 0 {
			t.Errorf("apply %d: %s", i, r)
		}
	}
	s.setenv("DOCKER_HOST", dockerHost)
	var all []busy
	for _, p := range proxies {
		if b, ok := busyIn(p); ok {
			all = append(all, b)
		}
	}
	slices.SortFunc(all, func(a, b busy) int { return a.from.Compare(b.from) })
	for i := 1; i < len(all); i++ {
		if all[i].from.Before(all[i-1].to) {
			t.Errorf("two changed something at the same time: one from %s to %s, the next from %s", all[i-1].from, all[i-1].to, all[i].from)
		}
	}
	marks := map[string][]string{}
	list, err := docker.NetworkList(context.Background(),
		network.ListOptions{Filters: filters.NewArgs(filters.Arg("label", "midaz.stack="+s.name))})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range list {
		marks[n.Labels["mark"]] = append(marks[n.Labels["mark"]], n.Name)
	}
	if len(list) != 3 || len(marks) != 1 {
		t.Errorf("the end is a mixture: %v", marks)
	}
	for mark := range marks {
		if r := s.midaz("plan", "-detailed-exitcode", "-f", mark+".yaml"); r.code != 0 {
			t.Errorf("the end is not spec %s, whole\n%s", mark, r)
		}
	}
	if left := s.locks(); len(left) != 0 {
		t.Errorf("left of the lock: %v", left)
	}
	t.Logf("%d applies at once, %d of them changed something, one at a time", applies, len(all))
}
