package docker

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/volume"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/dockerapi"
)

// A stack's lock is a volume, midaz-lock-STACK. Creating a volume under a name
// that exists returns the existing one with its own labels, and the engine
// does this under a lock of its own; so whoever finds its own ID in the answer
// holds the lock (measured: one winner in each of 120 rounds of 50 creators,
// on engines 20.10, 25 and 29).
//
// Labels cannot change, so each sign of life is a further volume,
// midaz-lock-STACK-ID-N, which replaces the one before. All times are the
// engine's: the clocks of hosts are never compared. A lock whose last sign of
// life is older than lockExpiry is of a holder that is gone, and is taken over;
// only one may do so at a time, under the volume midaz-lock-STACK-takeover.
//
// A holder that could not give a sign of life for so long that another may
// have taken the lock counts it as lost.
const (
	lockBeat   = 5 * time.Second
	lockExpiry = 20 * time.Second
	lockPoll   = 250 * time.Millisecond // at first; it grows, so that many who wait do not keep the engine busy
	lockPollMx = 2 * time.Second
	lockTries  = 3 // more, to give it back

	labelLock      = "midaz.lock" // the stack; on each volume of its lock
	labelLockID    = "midaz.lock.id"
	labelLockBeat  = "midaz.lock.beat" // the number of a sign of life
	labelLockOp    = "midaz.lock.operation"
	labelLockWho   = "midaz.lock.who"
	labelLockPID   = "midaz.lock.pid"
	labelLockMidaz = "midaz.lock.version"
	labelLockProc  = "midaz.lock.process"
)

func lockName(stack string) string { return "midaz-lock-" + stack }

func takeoverName(stack string) string { return lockName(stack) + "-takeover" }

// heldLock is a stack's lock that is held.
type heldLock struct {
	info resources.LockInfo
	e    *Engine
	lost chan struct{}
	stop func()
	done chan struct{}
}

var _ resources.Locker = (*Engine)(nil)

func (l *heldLock) ID() string { return l.info.ID }

func (l *heldLock) Lost() <-chan struct{} { return l.lost }

// Lock takes the lock of info.Stack and keeps it alive until Release.
func (e *Engine) Lock(ctx context.Context, info resources.LockInfo, wait resources.LockWait) (resources.Lock, error) {
	info.ID = newLockID()
	started, poll, told := time.Now(), lockPoll, ""
	for {
		lock, blocked, err := e.tryLock(ctx, info, wait.Ended)
		switch {
		case err != nil:
			// Its creation may have taken effect all the same.
			e.abandon(ctx, info)
			return nil, fmt.Errorf("lock: %w", err)
		case lock != nil:
			return lock, nil
		case blocked == nil: // it was taken from a holder that is gone
			continue
		}
		if blocked.Waited = time.Since(started); blocked.Waited >= wait.Limit {
			return nil, blocked
		}
		if wait.Blocked != nil && told != blocked.Holder.ID {
			told = blocked.Holder.ID
			wait.Blocked(blocked)
		}
		timer := time.NewTimer(min(poll/2+mathrand.N(poll), wait.Limit-blocked.Waited))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		case <-timer.C:
		}
		poll = min(poll*3/2, lockPollMx)
	}
}

func newLockID() string {
	id := make([]byte, 8)
	_, _ = rand.Read(id) // never fails: crypto/rand aborts the program
	return hex.EncodeToString(id)
}

// abandon drops the lock if an attempt to take it that failed has made it.
func (e *Engine) abandon(ctx context.Context, info resources.LockInfo) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lockBeat)
	defer cancel()
	_ = e.removeLockVolume(ctx, lockName(info.Stack), info.ID) // else it expires
}

// tryLock takes the lock, or returns who holds it; neither when that one is
// gone and the lock may be free now.
func (e *Engine) tryLock(ctx context.Context, info resources.LockInfo, ended func(string) bool) (*heldLock, *resources.LockedError, error) {
	blocked, err := e.Holder(ctx, info.Stack)
	if err != nil {
		return nil, nil, err
	}
	if blocked == nil {
		v, err := e.createLockVolume(ctx, lockName(info.Stack), info, nil)
		if err != nil {
			return nil, nil, err
		}
		switch v.Labels[labelLockID] {
		case info.ID:
			return e.keepAlive(ctx, lockInfoOf(v)), nil, nil
		case "":
			return nil, nil, &resources.Diagnosis{Err: fmt.Errorf("volume %s exists and is no lock", v.Name), Hint: "remove or rename that volume"}
		}
		return nil, &resources.LockedError{Holder: lockInfoOf(v), Now: createdAt(v)}, nil
	}
	if blocked.Holder.IsOver(ended) {
		if err := e.takeOver(ctx, info, blocked.Holder.ID); err != nil {
			return nil, nil, fmt.Errorf("take over the lock %s: %w", blocked.Holder.ID, err)
		}
		return nil, nil, nil
	}
	return nil, blocked, nil
}

// Holder says who holds the lock of a stack, nil when nobody does.
func (e *ReadEngine) Holder(ctx context.Context, stack string) (*resources.LockedError, error) {
	all, err := e.lockVolumes(ctx, stack)
	if err != nil {
		return nil, err
	}
	return e.holderIn(ctx, stack, all)
}

// holderIn is Holder, given the volumes of the lock.
func (e *ReadEngine) holderIn(ctx context.Context, stack string, all []*volume.Volume) (*resources.LockedError, error) {
	i := slices.IndexFunc(all, func(v *volume.Volume) bool { return v.Name == lockName(stack) })
	if i < 0 {
		return nil, nil
	}
	holder := lockInfoOf(all[i])
	for _, v := range all {
		if v.Labels[labelLockID] == holder.ID {
			holder.Heartbeat = later(holder.Heartbeat, createdAt(v))
		}
	}
	now, err := e.engineTime(ctx)
	if err != nil {
		return nil, err
	}
	holder.Gone = now.Sub(holder.Heartbeat) > lockExpiry
	return &resources.LockedError{Holder: holder, Now: now}, nil
}

func (e *Engine) createLockVolume(ctx context.Context, name string, info resources.LockInfo, more map[string]string) (*volume.Volume,
	error) {
	labels := map[string]string{
		labelRecord: "lock", labelLock: info.Stack, labelLockID: info.ID, labelLockOp: info.Operation, labelLockWho: info.Who,
		labelLockPID: strconv.Itoa(info.PID), labelLockMidaz: info.Version, labelLockProc: info.Process,
	}
	for k, v := range more {
		labels[k] = v
	}
	ctx, cancel := lasting(ctx, writeTimeout)
	defer cancel()
	v, err := e.api.VolumeCreate(ctx, volume.CreateOptions{Name: name, Labels: labels})
	if err != nil {
		return nil, fmt.Errorf("create volume %s: %w", name, err)
	}
	return &v, nil
}

func lockInfoOf(v *volume.Volume) resources.LockInfo {
	pid, _ := strconv.Atoi(v.Labels[labelLockPID])
	return resources.LockInfo{
		ID: v.Labels[labelLockID], Stack: v.Labels[labelLock], Operation: dockerapi.OneLine(v.Labels[labelLockOp]),
		Who: dockerapi.OneLine(v.Labels[labelLockWho]),
		PID: pid, Version: dockerapi.OneLine(v.Labels[labelLockMidaz]), Process: v.Labels[labelLockProc], Created: createdAt(v),
		Heartbeat: createdAt(v),
	}
}

// createdAt is the engine's time of creation: the volume's folder is touched by
// no one, since nothing ever mounts it.
func createdAt(v *volume.Volume) time.Time {
	t, _ := time.Parse(time.RFC3339, v.CreatedAt)
	return t
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func (e *ReadEngine) lockVolumes(ctx context.Context, stack string) ([]*volume.Volume, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	list, err := e.api.VolumeList(ctx, volume.ListOptions{Filters: filters.NewArgs(filters.Arg("label", labelLock+"="+stack))})
	if err != nil {
		return nil, fmt.Errorf("list volumes: %w", err)
	}
	return slices.DeleteFunc(list.Volumes, func(v *volume.Volume) bool { return v == nil || v.Labels[labelLock] != stack }), nil
}

// engineTime is the engine's clock.
func (e *ReadEngine) engineTime(ctx context.Context) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	info, err := e.api.Info(ctx)
	if err != nil {
		return time.Time{}, fmt.Errorf("engine info: %w", err)
	}
	now, err := time.Parse(time.RFC3339Nano, info.SystemTime)
	if err != nil {
		return time.Time{}, fmt.Errorf("the engine's time: %w", err)
	}
	return now, nil
}

// takeOver removes the lock of a holder that is gone. Of several that try, the
// one whose takeover volume was made does it; the others find the lock gone or
// another's.
func (e *Engine) takeOver(ctx context.Context, info resources.LockInfo, gone string) error {
	name := takeoverName(info.Stack)
	v, err := e.createLockVolume(ctx, name, info, nil)
	if err != nil {
		return err
	}
	if v.Labels[labelLockID] != info.ID {
		now, err := e.engineTime(ctx)
		if err != nil {
			return err
		}
		if now.Sub(createdAt(v)) <= lockExpiry {
			return nil // someone else is at it; the caller looks again
		}
		// That one was killed while at it.
		return e.removeLockVolume(ctx, name, v.Labels[labelLockID])
	}
	defer func() { _ = e.removeLockVolume(ctx, name, info.ID) }()
	return e.dropLock(ctx, info.Stack, gone)
}

// dropLock removes the lock with that ID and its signs of life, and what others
// have left who are gone: who was killed between the two leaves signs of life
// that no lock belongs to any more.
func (e *Engine) dropLock(ctx context.Context, stack, id string) error {
	// What is seen while the lock is held belongs to nobody but its holder. An
	// error of one call leaves the others to be made.
	volumes, err := e.lockVolumes(ctx, stack)
	errs := []error{err, e.removeLockVolume(ctx, lockName(stack), id)}
	held := slices.ContainsFunc(volumes, func(v *volume.Volume) bool { return v.Name == lockName(stack) && v.Labels[labelLockID] == id })
	for _, v := range volumes {
		of := v.Labels[labelLockID]
		if of == id && v.Labels[labelLockBeat] != "" || held && e.isLeft(ctx, v) {
			errs = append(errs, e.removeLockVolume(ctx, v.Name, of))
		}
	}
	return errors.Join(errs...)
}

// isLeft reports whether the volume is of no use once the lock it was seen with
// is gone: a sign of life, or a takeover whose run was killed.
func (e *Engine) isLeft(ctx context.Context, v *volume.Volume) bool {
	if v.Labels[labelLockBeat] != "" {
		return true
	}
	if v.Name != takeoverName(v.Labels[labelLock]) {
		return false
	}
	now, err := e.engineTime(ctx)
	return err == nil && now.Sub(createdAt(v)) > lockExpiry
}

// HasTraces reports whether there was, when the engine was looked at, what only
// a run that works or one that was killed leaves: a lock, two records, or a
// container that it had begun to take over; and of a stack that is gone, any record.
func (e *ReadEngine) HasTraces(ctx context.Context, stack string, gone bool) bool {
	all, err := e.recorded.records(ctx)
	return err == nil && (all.locks[stack] || all.of(stack).content.isAdopting() || len(all.old(stack, gone)) > 0)
}

// Clear removes what a killed run has left of its lock and its records, and gives
// back what it had begun to take over. It is for a stack with nothing to be done.
func (e *Engine) Clear(ctx context.Context, stack string, gone bool, ended func(string) bool) (bool, error) {
	did, alive, err := e.clearLock(ctx, stack, ended)
	if err != nil || alive {
		return did, err
	}
	all, err := e.recorded.fresh(ctx)
	if err != nil {
		return did, err
	}
	if all.of(stack).content.isAdopting() {
		did = true
		if err := e.recorder.giveAllBack(ctx, stack); err != nil {
			return did, err
		}
		if all, err = e.recorded.fresh(ctx); err != nil {
			return did, err
		}
	}
	if old := all.old(stack, gone); len(old) > 0 {
		return true, e.dropRecords(ctx, old)
	}
	return did, nil
}

// clearLock removes what a killed run has left of the lock, unless its holder
// is alive.
func (e *Engine) clearLock(ctx context.Context, stack string, ended func(string) bool) (did, alive bool, err error) {
	volumes, err := e.lockVolumes(ctx, stack)
	if err != nil {
		return false, false, err
	}
	blocked, err := e.holderIn(ctx, stack, volumes)
	switch {
	case err != nil:
		return false, false, err
	case blocked != nil && !blocked.Holder.IsOver(ended):
		return false, true, nil
	case blocked != nil:
		return true, false, e.takeOver(ctx, resources.LockInfo{ID: newLockID(), Stack: stack, Operation: "clear"}, blocked.Holder.ID)
	}
	// Whoever takes the lock from now on has no sign of life among these.
	var errs []error
	for _, v := range volumes {
		if e.isLeft(ctx, v) {
			did = true
			errs = append(errs, e.removeLockVolume(ctx, v.Name, v.Labels[labelLockID]))
		}
	}
	return did, false, errors.Join(errs...)
}

// removeLockVolume removes the volume if it still carries the ID.
func (e *Engine) removeLockVolume(ctx context.Context, name, id string) error {
	ctx, cancel := lasting(ctx, writeTimeout)
	defer cancel()
	v, err := e.api.VolumeInspect(ctx, name)
	if cerrdefs.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("inspect volume %s: %w", name, err)
	}
	if v.Labels[labelLockID] != id {
		return nil
	}
	if err := e.api.VolumeRemove(ctx, name, false); err != nil && !cerrdefs.IsNotFound(err) {
		return fmt.Errorf("remove volume %s: %w", name, err)
	}
	return nil
}

// keepAlive gives signs of life until the lock is released.
func (e *Engine) keepAlive(ctx context.Context, info resources.LockInfo) *heldLock {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	l := &heldLock{info: info, e: e, lost: make(chan struct{}), stop: sync.OnceFunc(cancel), done: make(chan struct{})}
	go func() {
		defer close(l.done)
		ticker := time.NewTicker(lockBeat)
		defer ticker.Stop()
		last, alive := "", time.Now()
		for n := 1; ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			began := time.Now()
			name, held, err := l.beat(ctx, n)
			if err != nil && held && time.Since(alive) < lockExpiry-lockBeat {
				continue // the engine may be busy; the next one may get through
			}
			if ctx.Err() != nil {
				return
			}
			if err != nil || !held {
				close(l.lost)
				return
			}
			if last != "" {
				_ = e.removeLockVolume(ctx, last, info.ID)
			}
			last, alive = name, began
		}
	}()
	return l
}

func (l *heldLock) beat(ctx context.Context, n int) (name string, held bool, err error) {
	readCtx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	v, err := l.e.api.VolumeInspect(readCtx, lockName(l.info.Stack))
	if cerrdefs.IsNotFound(err) {
		return "", false, nil
	}
	if err != nil {
		return "", true, err
	}
	if v.Labels[labelLockID] != l.info.ID {
		return "", false, nil
	}
	name = fmt.Sprintf("%s-%s-%d", lockName(l.info.Stack), l.info.ID, n)
	_, err = l.e.createLockVolume(ctx, name, l.info, map[string]string{labelLockBeat: strconv.Itoa(n)})
	return name, true, err
}

// Release gives the lock back. It may be called more than once.
func (l *heldLock) Release(ctx context.Context) error {
	l.stop()
	<-l.done
	// An error of one call would leave a trace of the run until the next one.
	for try := 0; ; try++ {
		err := l.e.dropLock(ctx, l.info.Stack, l.info.ID)
		if err == nil {
			return nil
		}
		if try == lockTries || dockerapi.Sleep(ctx, dockerapi.Patience[try]) != nil {
			return fmt.Errorf("release the lock %s: %w", l.info.ID, err)
		}
	}
}

// Unlock drops a lock whatever its holder does: that one finds out at its next
// sign of life.
func (e *Engine) Unlock(ctx context.Context, stack, id string) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	v, err := e.api.VolumeInspect(ctx, lockName(stack))
	switch {
	case cerrdefs.IsNotFound(err):
		return fmt.Errorf("stack %q is not locked: %w", stack, resources.ErrNoLock)
	case err != nil:
		return fmt.Errorf("inspect the lock: %w", err)
	case v.Labels[labelLockID] != id:
		return fmt.Errorf("stack %q is locked with %s, not with %s: %w", stack, dockerapi.OneLine(v.Labels[labelLockID]), id, resources.ErrNoLock)
	}
	return e.dropLock(ctx, stack, id)
}
