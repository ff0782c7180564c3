package fake

import (
	"context"
	"fmt"
	"time"

	"github.com/LerianStudio/midaz-infra/resources"
)

// lockTurns is how long a wait for the lock takes until it looks again.
const lockTurns = time.Millisecond

// Hold has someone outside hold the lock; nil frees it.
func (w *World) Hold(info *resources.LockInfo) {
	w.lockMu.Lock()
	defer w.lockMu.Unlock()
	w.hold(info)
}

func (w *World) hold(info *resources.LockInfo) {
	if w.lost != nil {
		close(w.lost)
	}
	w.holder, w.lost = info, nil
}

// Held returns who holds the lock, nil when nobody does.
func (w *World) Held() *resources.LockInfo {
	w.lockMu.Lock()
	defer w.lockMu.Unlock()
	return w.holder
}

// held is the lock held by a run.
type held struct {
	w    *World
	id   string
	lost chan struct{}
}

func (l *held) ID() string { return l.id }

func (l *held) Lost() <-chan struct{} { return l.lost }

func (l *held) Release(context.Context) error {
	l.w.lockMu.Lock()
	defer l.w.lockMu.Unlock()
	if l.w.holder != nil && l.w.holder.ID == l.id {
		l.w.holder, l.w.lost = nil, nil
	}
	return nil
}

// Lock takes the lock. A holder that is gone loses it.
func (w *World) Lock(ctx context.Context, info resources.LockInfo, wait resources.LockWait) (resources.Lock, error) {
	started, told := time.Now(), ""
	for {
		l, blocked := w.tryLock(info, wait.Ended)
		if l != nil {
			return l, nil
		}
		if blocked.Waited = time.Since(started); blocked.Waited >= wait.Limit {
			return nil, blocked
		}
		if wait.Blocked != nil && told != blocked.Holder.ID {
			told = blocked.Holder.ID
			wait.Blocked(blocked)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(lockTurns):
		}
	}
}

func (w *World) tryLock(info resources.LockInfo, ended func(string) bool) (*held, *resources.LockedError) {
	w.lockMu.Lock()
	defer w.lockMu.Unlock()
	if w.holder != nil && !w.holder.IsOver(ended) {
		return nil, &resources.LockedError{Holder: *w.holder, Now: w.LockTime}
	}
	w.locks++
	info.ID = fmt.Sprintf("lock%d", w.locks)
	info.Created, info.Heartbeat = w.LockTime, w.LockTime
	w.hold(&info)
	w.lost = make(chan struct{})
	return &held{w, info.ID, w.lost}, nil
}

// Holder says who holds the lock.
func (w *World) Holder(context.Context, string) (*resources.LockedError, error) {
	if h := w.Held(); h != nil {
		return &resources.LockedError{Holder: *h, Now: w.LockTime}, nil
	}
	return nil, nil
}

// Unlock drops the lock of that ID.
func (w *World) Unlock(_ context.Context, stack, id string) error {
	w.lockMu.Lock()
	defer w.lockMu.Unlock()
	if w.holder == nil {
		return fmt.Errorf("stack %q is not locked: %w", stack, resources.ErrNoLock)
	}
	if w.holder.ID != id {
		return fmt.Errorf("stack %q is locked with %s, not with %s: %w", stack, w.holder.ID, id, resources.ErrNoLock)
	}
	w.hold(nil)
	return nil
}

// Clear drops the lock of a holder that is gone.
func (w *World) Clear(_ context.Context, _ string, _ bool, ended func(string) bool) (bool, error) {
	w.lockMu.Lock()
	defer w.lockMu.Unlock()
	if w.holder == nil || !w.holder.IsOver(ended) {
		return false, nil
	}
	w.hold(nil)
	return true, nil
}

// Locks counts how often the lock was taken.
func (w *World) Locks() int {
	w.lockMu.Lock()
	defer w.lockMu.Unlock()
	return w.locks
}
