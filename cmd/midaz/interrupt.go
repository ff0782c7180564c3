package main

import (
	"context"
	"os"
	"sync"
)

// interrupt turns signals into what the commands understand. A command that
// only reads ends at the first one. While an apply drains, the first one lets
// the steps in flight finish and only the second cancels them.
type interrupt struct {
	ctx    context.Context
	cancel context.CancelFunc
	stop   func()
	sys    system

	mu       sync.Mutex
	first    os.Signal
	draining bool
	drain    chan struct{}
	drained  bool
	say      func(string) // how the user is told of a drain
}

func newInterrupt(ctx context.Context, sys system) *interrupt {
	in := &interrupt{sys: sys, drain: make(chan struct{})}
	in.ctx, in.cancel = context.WithCancel(ctx)
	in.stop = func() {}
	if sys.signals == nil {
		return in
	}
	signals, stop := sys.signals()
	in.stop = stop
	go func() {
		for {
			select {
			case sig := <-signals:
				in.take(sig)
			case <-in.ctx.Done():
				return
			}
		}
	}()
	return in
}

func (in *interrupt) close() {
	in.stop()
	in.cancel()
}

func (in *interrupt) take(sig os.Signal) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.first == nil {
		in.first = sig
	}
	if in.draining && !in.drained {
		in.finish(drainNotice)
		return
	}
	in.cancel()
}

// stopNew does to an apply what the first signal does, for another reason.
func (in *interrupt) stopNew(notice string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.draining && !in.drained {
		in.finish(notice)
	}
}

func (in *interrupt) finish(notice string) {
	in.drained = true
	close(in.drain)
	in.say(notice)
}

// whileDraining runs do in such a way that the first signal only closes the
// channel handed to it, and is told through say.
func (in *interrupt) whileDraining(say func(string), do func(drain <-chan struct{})) {
	in.mu.Lock()
	in.draining, in.say = true, say
	in.mu.Unlock()
	do(in.drain)
	in.mu.Lock()
	in.draining = false
	in.mu.Unlock()
}

// ended returns the first signal that came, nil if none did.
func (in *interrupt) ended() os.Signal {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.first
}
