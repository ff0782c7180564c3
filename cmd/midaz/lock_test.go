package main

import (
	"context"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/app"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/cli"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/fake"
)

// runOn runs a command line on a fake world, with a spec on standard input.
func runOn(w *fake.World, spec string, stderr io.Writer, args ...string) int {
	return cli.Run(context.Background(), append(args, "-f", "-"), app.System{
		Stdin: strings.NewReader(spec), Stdout: io.Discard, Stderr: stderr, Now: newClock().now, Who: "bob@host",
		LookupEnv: func(string) (string, bool) { return "", false }, World: inMemory(w),
		Signals: func() (<-chan os.Signal, func()) { return make(chan os.Signal), func() {} },
	})
}

const lockSpec = "version: \"1\"\nstack: test\nboxes: { a: { size: 1 }, b: { needs: [box/a] } }\n"

// TestWhoWaitsPlansAgainstWhatTheFirstLeft: the second apply is told for whom
// it waits, and what it does begins where the first ended.
func TestWhoWaitsPlansAgainstWhatTheFirstLeft(t *testing.T) {
	w := &fake.World{}
	w.Hold(&resources.LockInfo{ID: "l1", Stack: "test", Who: "ann@host", Operation: "apply", PID: 7})
	errs := &locked{text: "Waiting up to 1m0s: stack \"test\" is locked by ann@host (apply, process 7)", saw: make(chan struct{})}
	status := make(chan int)
	go func() { status <- runOn(w, lockSpec, errs, "up", "-lock-timeout", "1m") }()
	select {
	case <-errs.saw:
	case <-time.After(time.Minute):
		t.Fatalf("nobody is told of the wait:\n%s", errs)
	}
	if got := runOn(&fake.World{}, lockSpec, io.Discard, "up"); got != 0 { // a world of its own is not held up
		t.Errorf("another stack: status %d", got)
	}
	a := resources.NewAddr("box", "a")
	w.Put(a, &fake.Object{Stack: "test", Fields: resources.Config{"size": int64(1)}})
	w.Hold(nil)
	if got := <-status; got != 0 {
		t.Errorf("status %d\n%s", got, errs)
	}
	if log := strings.Join(w.Log(), ", "); log != "create box/b" {
		t.Errorf("wrote %s, want box/b alone", log)
	}
	if w.Held() != nil {
		t.Error("the lock was not given back")
	}
}

func TestNothingToDoTakesNoLock(t *testing.T) {
	w := &fake.World{}
	for range 2 {
		if status := runOn(w, lockSpec, io.Discard, "up"); status != 0 {
			t.Fatal(status)
		}
	}
	if w.Locks() != 1 {
		t.Errorf("the lock was taken %d times for one change", w.Locks())
	}
}

// TestLostLockDrains drops the lock at the first write of several.
func TestLostLockDrains(t *testing.T) {
	w := &fake.World{}
	errs := &locked{text: "The lock of the stack was lost", saw: make(chan struct{})}
	w.OnWrite = func(string, resources.Addr) {
		w.OnWrite = nil
		go w.Hold(&resources.LockInfo{ID: "other", Stack: "test"})
		<-errs.saw
	}
	if status := runOn(w, lockSpec, errs, "up"); status != 5 {
		t.Errorf("status %d, want 5\n%s", status, errs)
	}
	if got := len(w.Log()); got != 1 {
		t.Errorf("%d writes, want the one in flight", got)
	}
	if h := w.Held(); h == nil || h.ID != "other" {
		t.Error("the other's lock was dropped")
	}
	if !strings.Contains(errs.String(), "box/b") {
		t.Errorf("what is left is not told:\n%s", errs)
	}
}

// TestSignalWhileWaitingForTheLock: whoever gives up waiting has not taken the
// lock, and has written nothing; the holder keeps it.
func TestSignalWhileWaitingForTheLock(t *testing.T) {
	for sig, want := range map[os.Signal]int{os.Interrupt: 130, syscall.SIGTERM: 143} {
		w := &fake.World{}
		w.Hold(&resources.LockInfo{ID: "l1", Stack: "test", Who: "ann@host", Operation: "apply", PID: 7})
		errs := &locked{text: "Waiting up to 1m0s", saw: make(chan struct{})}
		signals := make(chan os.Signal, 1)
		go func() {
			<-errs.saw
			signals <- sig
		}()
		status := cli.Run(context.Background(), []string{"up", "-lock-timeout", "1m", "-f", "-"}, app.System{
			Stdin: strings.NewReader(lockSpec), Stdout: io.Discard, Stderr: errs, Now: newClock().now, Who: "bob@host",
			LookupEnv: func(string) (string, bool) { return "", false }, World: inMemory(w),
			Signals: func() (<-chan os.Signal, func()) { return signals, func() {} },
		})
		if status != want {
			t.Errorf("%v: status %d, want %d\n%s", sig, status, want, errs)
		}
		if h := w.Held(); h == nil || h.ID != "l1" || w.Locks() != 0 || len(w.Log()) != 0 {
			t.Errorf("%v: held by %+v, taken %d times, wrote %v", sig, h, w.Locks(), w.Log())
		}
		w.Hold(nil)
		if status := runOn(w, lockSpec, io.Discard, "up"); status != 0 {
			t.Errorf("%v: the next one: status %d", sig, status)
		}
	}
}
