//go:build e2e

package e2e

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/LerianStudio/midaz-infra/e2e/proxy"
)

// slow is a service whose gate takes until somebody makes it well, and one that waits for it.
const slow = `
	services:
	  a:
	    image: TINY
	    command: [serve, -healthy-after, 1h]
	    ports: ["127.0.0.1:PORT1:8080"]
	    gate: { http: { port: 8080, path: /health }, timeout: 1h }
	  b:
	    image: TINY
	    depends_on: { a: { condition: service_healthy } }
	`

// interrupted starts an apply and sends the signal when a has been started.
func interrupted(t *testing.T, sig os.Signal) (*stack, *process) {
	s := newStack(t, slow)
	p := s.record()
	run := s.start("apply", "-auto-approve")
	waitFor(t, p, "the start of a", func(c proxy.Call) bool {
		return strings.HasSuffix(c.Path, "/start") && c.Status == 204
	})
	if err := run.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	return s, run
}

func TestInterrupt_must_start_nothing_new_and_be_finished_by_the_next_apply(t *testing.T) {
	t.Parallel()
	s, run := interrupted(t, os.Interrupt)
	r := run.end()
	if r.code != 130 {
		t.Errorf("exit %d, want 130\n%s", r.code, r)
	}
	absent(t, s.name+"-b")
	if !s.container("a").State.Running {
		t.Error("a does not run any more")
	}
	r.says("service/b")
	s.write("midaz.infra.yaml", strings.Replace(slow, "1h]", "1ms]", 1))
	s.apply()
	if !s.container("b").State.Running {
		t.Error("b does not run")
	}
	if got := s.containers(); len(got) != 2 {
		t.Errorf("containers: %v", got)
	}
	s.converged()
}

func TestInterrupt_must_let_what_is_in_flight_finish(t *testing.T) {
	t.Parallel()
	s := newStack(t, `
		services:
		  a: { image: TINY }
		  b: { image: TINY }
		  c: { image: TINY }
		`)
	p := s.record()
	ready := make(chan *process, 1)
	p.Inject(func(c proxy.Call) *proxy.Fault {
		if c.Path != "/containers/create" {
			return nil
		}
		return &proxy.Fault{When: proxy.Before, What: proxy.Nothing, Do: func() {
			select {
			case run := <-ready: // only once
				_ = run.Process.Signal(os.Interrupt)
			default:
			}
		}}
	})
	run := s.start("apply", "-auto-approve", "-parallelism", "1")
	ready <- run
	r := run.end()
	if r.code != 130 {
		t.Errorf("exit %d, want 130\n%s", r.code, r)
	}
	left := s.containers()
	if len(left) != 1 || !inspect(t, left[0]).State.Running {
		t.Errorf("left: %v, want one container that runs\n%s", left, r)
	}
	p.Inject(nil)
	s.apply()
	if got := s.containers(); len(got) != 3 {
		t.Errorf("containers: %v", got)
	}
	s.converged()
}

func TestTermination_must_exit_with_143(t *testing.T) {
	t.Parallel()
	s, run := interrupted(t, syscall.SIGTERM)
	if r := run.end(); r.code != 143 {
		t.Errorf("exit %d, want 143\n%s", r.code, r)
	}
	absent(t, s.name+"-b")
}

// An engine that does not answer holds the first interrupt up; the second does not wait.
func TestSecond_interrupt_must_stop_at_once(t *testing.T) {
	t.Parallel()
	s := newStack(t, slow)
	p := s.record()
	p.Inject(func(c proxy.Call) *proxy.Fault {
		if strings.HasSuffix(c.Path, "/start") {
			return &proxy.Fault{When: proxy.Before, What: proxy.Hang}
		}
		return nil
	})
	run := s.start("apply", "-auto-approve")
	waitFor(t, p, "the start of a", func(c proxy.Call) bool { return strings.HasSuffix(c.Path, "/start") })
	if err := run.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	ended := make(chan *result, 1)
	go func() { ended <- run.end() }()
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	for sent := 0; ; {
		select {
		case r := <-ended:
			if r.code != 130 || sent == 0 {
				t.Errorf("exit %d after %d more interrupts, want 130 after one\n%s", r.code, sent, r)
			}
			return
		case <-again.C:
			if sent == 0 {
				sent++
				_ = run.Process.Signal(os.Interrupt)
			}
		}
	}
}
