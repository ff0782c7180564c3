package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/resources"
)

// releaseWithin bounds how long the end of a run waits for the engine to take
// the lock back. What is not given back expires.
const releaseWithin = 10 * time.Second

// takeLock takes the stack's lock, and has it given back when the run ends. It
// waits as long as -lock-timeout says, and tells for whom.
func (a *applying) takeLock() error {
	a.In.writing()
	if a.world.Locks == nil {
		a.tell(report.NoLock{})
		return nil
	}
	info := resources.LockInfo{Stack: a.declared.Stack, Operation: a.Verb, Who: a.Sys.Who, PID: os.Getpid(), Process: processMark(),
		Version: report.Version}
	limit := a.Opt.LockTimeout
	lock, err := a.world.Locks.Lock(a.Context, info, resources.LockWait{Limit: limit, Ended: isEnded,
		Blocked: func(held *resources.LockedError) {
			a.tell(report.LockWaiting{Held: held, Limit: limit})
		}})
	var held *resources.LockedError
	if errors.As(err, &held) {
		return &resources.Diagnosis{Err: err, Hint: report.LockedHint(held, limit)}
	}
	if err != nil {
		return err
	}
	a.lock = lock
	a.close = append(a.close, a.release)
	return nil
}

// clearTraces removes what a killed run has left, when nothing else is to be
// done. What stays is in nobody's way and does not fail the run.
func (a *applying) clearTraces(gone bool) {
	did := false
	world, err := a.Sys.World.Write(a.Context, a.access())
	if err == nil {
		defer world.Close()
		if world.Locks != nil {
			did, err = world.Locks.Clear(a.Context, a.declared.Stack, gone, isEnded)
		}
	}
	switch {
	case err != nil:
		a.tell(report.LeftoversKept{Err: err})
	case did:
		a.tell(report.LeftoversRemoved{})
	}
}

// release gives the lock back, also when the run was interrupted.
func (a *applying) release() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(a.Context), releaseWithin)
	defer cancel()
	if err := a.lock.Release(ctx); err != nil {
		a.tell(report.LockNotReleased{ID: a.lock.ID(), Err: err})
	}
}

// lost is closed when the lock of the run is lost; nil while it has none.
func (a *applying) lost() <-chan struct{} {
	if a.lock == nil {
		return nil
	}
	return a.lock.Lost()
}

// drainWhenLost drains the run when its lock is lost: then someone else may be
// at work, and nothing new may be started. It ends with ctx.
func (a *applying) drainWhenLost(ctx context.Context) {
	select {
	case <-a.lost():
		a.In.stopNew(report.LockLost{})
	case <-ctx.Done():
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// Unlock drops a lock that was left behind. One whose holder is alive is
// dropped only by someone who says so once more.
func Unlock(c *Call) error {
	if len(c.Opt.Args) == 0 {
		return c.Usage("the ID of the lock is missing", "`midaz apply` tells it when it cannot have the lock")
	}
	c.load(false)
	if c.spec.Stack == "" { // nothing else of the spec matters here
		return c.need()
	}
	s, err := c.Sys.World.Write(c.Context, c.access())
	if err != nil {
		return err
	}
	defer s.Close()
	if s.Locks == nil {
		return errors.New(report.NoLockKept)
	}
	id, stack := c.Opt.Args[0], c.spec.Stack
	held, err := s.Locks.Holder(c.Context, stack)
	if err != nil {
		return err
	}
	if held != nil && held.Holder.ID == id && !held.Holder.Gone && !isEnded(held.Holder.Process) && !c.Opt.Force {
		if err := c.askUnlock(held); err != nil {
			return err
		}
	}
	err = s.Locks.Unlock(c.Context, stack, id)
	switch {
	case errors.Is(err, resources.ErrNoLock) && held != nil && held.Holder.ID == id:
		err = nil // given back meanwhile
	case errors.Is(err, resources.ErrNoLock) && held != nil:
		return &resources.Diagnosis{Err: err, Hint: held.Error()}
	}
	if err != nil {
		return err
	}
	c.tell(report.StackUnlocked{Stack: stack})
	return nil
}

// askUnlock asks whether to drop the lock of a holder that gives signs of life.
func (c *Call) askUnlock(held *resources.LockedError) error {
	if !c.Opt.MayAsk || !c.Opt.AtTerminal {
		return &resources.Diagnosis{Err: fmt.Errorf("its holder is alive: %w", held),
			Hint: "wait until it is done, or end it; -force drops the lock all the same, and that run then starts nothing new"}
	}
	c.tell(report.UnlockQuestion{Held: held})
	answer, err := c.readLine(nil)
	if err != nil {
		return err
	}
	if answer != "yes" {
		return errDeclined
	}
	return nil
}
