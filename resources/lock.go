package resources

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var (
	// ErrLocked is wrapped when a stack's lock could not be had.
	ErrLocked = errors.New("the stack is locked")
	// ErrLockLost is wrapped when a lock that was held is another's now, or gone.
	ErrLockLost = errors.New("the lock of the stack was lost")
	// ErrNoLock is wrapped when a stack has no lock of the ID that was named.
	ErrNoLock = errors.New("no such lock")
)

// Locker keeps one lock for each stack, where all who work on it find it.
type Locker interface {
	// Lock takes the lock of info.Stack and keeps it until Release. The ID and
	// the times of info are filled in. When it cannot be had within the wait,
	// the error is a *LockedError.
	Lock(ctx context.Context, info LockInfo, wait LockWait) (Lock, error)
	// Holder says who holds the lock of a stack, nil when nobody does.
	Holder(ctx context.Context, stack string) (*LockedError, error)
	// Unlock drops the lock of that ID, whatever its holder does: that one
	// finds out by Lost. The error wraps ErrNoLock when there is none.
	Unlock(ctx context.Context, stack, id string) error
	// Clear removes what a run that was killed has left beside the objects of the
	// stack, its lock for instance, and reports whether there was anything; with
	// gone, when nothing of the stack is left, also what was remembered of it. While
	// a holder of the lock gives signs of life everything stays. ended is
	// LockWait's.
	Clear(ctx context.Context, stack string, gone bool, ended func(process string) bool) (bool, error)
}

// Lock is a stack's lock that is held.
type Lock interface {
	// ID is what `midaz unlock` takes.
	ID() string
	// Lost is closed when the lock is found to be another's or gone.
	Lost() <-chan struct{}
	// Release gives the lock back. It may be called more than once, and leaves
	// a lock that is another's alone.
	Release(ctx context.Context) error
}

// LockWait says how long to wait for a lock.
type LockWait struct {
	// Limit is how long to try; with 0 it is tried once.
	Limit time.Duration
	// Ended, when set, reports whether the process of a mark has surely ended:
	// its lock is not waited for.
	Ended func(process string) bool
	// Blocked, when set, is called when waiting begins, and again for each
	// further holder.
	Blocked func(*LockedError)
}

// LockInfo says who holds a stack's lock. Times are those of the engine's
// clock.
type LockInfo struct {
	ID        string
	Stack     string
	Operation string // "apply", "destroy"
	Who       string // user@host
	PID       int
	// Process marks the process, so that its host can tell that it has ended;
	// "" when nobody can.
	Process   string
	Version   string
	Created   time.Time
	Heartbeat time.Time // last sign of life
	// Gone tells that the last sign of life is so old that the lock is given to
	// the next who asks.
	Gone bool
}

// IsOver reports whether the holder is gone: by its last sign of life, or
// because its process has ended. ended is LockWait's.
func (i LockInfo) IsOver(ended func(process string) bool) bool {
	return i.Gone || ended != nil && ended(i.Process)
}

// LockedError says who holds the lock that could not be had.
type LockedError struct {
	Holder LockInfo
	// Now is the engine's time of the answer.
	Now time.Time
	// Waited is how long it was tried.
	Waited time.Duration
}

// Error names the holder.
func (e *LockedError) Error() string {
	return fmt.Sprintf("stack %q is locked by %s (%s, process %d) for %s; last sign of life %s ago; lock %s",
		e.Holder.Stack, e.Holder.Who, e.Holder.Operation, e.Holder.PID,
		max(0, e.Now.Sub(e.Holder.Created)).Round(time.Second), max(0, e.Now.Sub(e.Holder.Heartbeat)).Round(time.Second), e.Holder.ID)
}

// Unwrap returns ErrLocked.
func (e *LockedError) Unwrap() error { return ErrLocked }
