package resources

import (
	"errors"
	"fmt"
	"time"
)

// ErrLocked is wrapped when a stack's lock could not be had.
var ErrLocked = errors.New("the stack is locked")

// LockInfo says who holds a stack's lock. Times are those of the engine's
// clock.
type LockInfo struct {
	ID        string
	Stack     string
	Operation string // "apply", "destroy"
	Who       string // user@host
	PID       int
	Version   string
	Created   time.Time
	Heartbeat time.Time // last sign of life
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
	return fmt.Sprintf("stack %q is locked by %s (%s, process %d) since %s ago; last sign of life %s ago; lock %s",
		e.Holder.Stack, e.Holder.Who, e.Holder.Operation, e.Holder.PID,
		e.Now.Sub(e.Holder.Created).Round(time.Second), e.Now.Sub(e.Holder.Heartbeat).Round(time.Second), e.Holder.ID)
}

// Unwrap returns ErrLocked.
func (e *LockedError) Unwrap() error { return ErrLocked }
