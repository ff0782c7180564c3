package app

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/engine"
)

// How long a command that was told to end may take for it before it is left as
// it is: one that reads a terminal, a pipe or much text does not hear of it. One
// that may have begun something ends a call that is under way, and writes down
// what it did. Tests change them.
var (
	LeaveReading = 500 * time.Millisecond
	leaveWriting = 5 * time.Second
)

// Interrupt turns signals into what the commands understand. A command that
// only reads ends at the first one. While an apply drains, the first one lets
// the steps in flight finish and only the second cancels them. Whoever was
// cancelled and does not end is left, at the next signal at once.
type Interrupt struct {
	Context context.Context
	cancel  context.CancelFunc
	stop    func()
	sys     System
	closed  chan struct{} // no more signals are taken
	Left    chan struct{} // the command is not to be waited for any more

	mu       sync.Mutex
	writes   bool          // the command may have begun something
	late     time.Duration // the --timeout after which the command was left
	first    os.Signal
	draining bool
	drain    chan struct{}
	drained  bool
	show     func(event any) // shows why the run drains
}

func NewInterrupt(ctx context.Context, sys System) *Interrupt {
	in := &Interrupt{sys: sys, drain: make(chan struct{}), closed: make(chan struct{}), Left: make(chan struct{})}
	in.Context, in.cancel = context.WithCancel(ctx)
	in.stop = func() {}
	if sys.Signals == nil {
		return in
	}
	signals, stop := sys.Signals()
	in.stop = stop
	go func() {
		for {
			select {
			case sig := <-signals:
				in.Take(sig)
			case <-in.closed:
				return
			}
		}
	}()
	return in
}

func (in *Interrupt) Close() {
	in.stop()
	close(in.closed)
	in.cancel()
}

// writing notes that from now on something may be begun.
func (in *Interrupt) writing() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.writes = true
}

func (in *Interrupt) Take(sig os.Signal) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.first == nil {
		in.first = sig
	}
	if in.draining && !in.drained {
		in.finish(report.Draining{})
		return
	}
	if in.Context.Err() != nil {
		in.leave()
		return
	}
	in.cancel()
	limit := LeaveReading
	if in.writes {
		limit = leaveWriting
	}
	go func() {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		select {
		case <-timer.C:
			in.mu.Lock()
			defer in.mu.Unlock()
			in.leave()
		case <-in.closed:
		}
	}()
}

// LeaveAfter leaves a command that goes on after its deadline because it waits
// for something that no context ends, such as a pipe that no one writes to. The
// function that it returns takes that back.
func (in *Interrupt) LeaveAfter(ctx context.Context, limit time.Duration) func() {
	ended := make(chan struct{})
	go func() {
		select {
		case <-ctx.Done():
		case <-ended:
			return
		}
		if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return
		}
		timer := time.NewTimer(in.grace())
		defer timer.Stop()
		select {
		case <-timer.C:
			in.mu.Lock()
			defer in.mu.Unlock()
			in.late = limit
			in.leave()
		case <-ended:
		}
	}()
	return func() { close(ended) }
}

// grace is how long a command that was told to end may take for it.
func (in *Interrupt) grace() time.Duration {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.writes {
		return leaveWriting
	}
	return LeaveReading
}

// Why is the error of a command that was left.
func (in *Interrupt) Why() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.late > 0 {
		return report.TimeoutError{Limit: in.late, Cause: context.DeadlineExceeded}
	}
	return engine.ErrInterrupted
}

// leave ends the waiting for the command. The lock is held.
func (in *Interrupt) leave() {
	if !isClosed(in.Left) {
		close(in.Left)
	}
}

// stopNew does to an apply what the first signal does, for another reason.
func (in *Interrupt) stopNew(notice any) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.draining && !in.drained {
		in.finish(notice)
	}
}

func (in *Interrupt) finish(notice any) {
	in.drained = true
	close(in.drain)
	in.show(notice)
}

// whileDraining runs do in such a way that the first signal only closes the
// channel handed to it. show reports that.
func (in *Interrupt) whileDraining(show func(event any), do func(drain <-chan struct{})) {
	in.mu.Lock()
	in.draining, in.show = true, show
	in.mu.Unlock()
	do(in.drain)
	in.mu.Lock()
	in.draining = false
	in.mu.Unlock()
}

// Ended returns the first signal that came, nil if none did.
func (in *Interrupt) Ended() os.Signal {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.first
}
