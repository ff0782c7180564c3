package docker

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/volume"

	"github.com/LerianStudio/midaz-infra/resources"
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
const (
	lockBeat   = 5 * time.Second
	lockExpiry = 20 * time.Second
	lockPoll   = 250 * time.Millisecond

	labelLock      = "midaz.lock" // the stack; on each volume of its lock
	labelLockID    = "midaz.lock.id"
	labelLockBeat  = "midaz.lock.beat" // the number of a sign of life
	labelLockOp    = "midaz.lock.operation"
	labelLockWho   = "midaz.lock.who"
	labelLockPID   = "midaz.lock.pid"
	labelLockMidaz = "midaz.lock.version"
)

func lockName(stack string) string { return "midaz-lock-" + stack }

// Lock is a stack's lock that is held.
type Lock struct {
	info resources.LockInfo
	e    *Engine
	lost chan struct{}
	stop func()
	done chan struct{}
}

// ID returns what `midaz unlock` takes.
func (l *Lock) ID() string { return l.info.ID }

// Lost is closed when the lock is found to be another's or gone.
func (l *Lock) Lost() <-chan struct{} { return l.lost }

// Lock takes the lock of info.Stack and keeps it alive until Release. It tries
// for as long as wait; then the error is a *resources.LockedError.
func (e *Engine) Lock(ctx context.Context, info resources.LockInfo, wait time.Duration) (*Lock, error) {
	id := make([]byte, 8)
	_, _ = rand.Read(id) // never fails: crypto/rand aborts the program
	info.ID = hex.EncodeToString(id)
	started := time.Now()
	for {
		holder, err := e.tryLock(ctx, info)
		if err != nil {
			return nil, fmt.Errorf("lock: %w", err)
		}
		if holder.ID == info.ID {
			return e.keepAlive(ctx, holder), nil
		}
		now, err := e.engineTime(ctx)
		if err != nil {
			return nil, fmt.Errorf("lock: %w", err)
		}
		if now.Sub(holder.Heartbeat) > lockExpiry {
			if err := e.takeOver(ctx, info, holder.ID); err != nil {
				return nil, fmt.Errorf("take over the lock %s: %w", holder.ID, err)
			}
			continue
		}
		if waited := time.Since(started); waited >= wait {
			return nil, &resources.LockedError{Holder: holder, Now: now, Waited: waited}
		}
		timer := time.NewTimer(lockPoll)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		case <-timer.C:
		}
	}
}

// tryLock creates the lock's volume and returns who holds it.
func (e *Engine) tryLock(ctx context.Context, info resources.LockInfo) (resources.LockInfo, error) {
	v, err := e.createLockVolume(ctx, lockName(info.Stack), info, nil)
	if err != nil {
		return resources.LockInfo{}, err
	}
	holder := lockInfoOf(v)
	if holder.ID == "" {
		return holder, &resources.Diagnosis{Err: fmt.Errorf("volume %s exists and is no lock", v.Name), Hint: "remove or rename that volume"}
	}
	if holder.ID == info.ID {
		return holder, nil
	}
	beats, err := e.lockVolumes(ctx, info.Stack)
	if err != nil {
		return holder, err
	}
	for _, b := range beats {
		if b.Labels[labelLockID] == holder.ID {
			holder.Heartbeat = later(holder.Heartbeat, createdAt(b))
		}
	}
	return holder, nil
}

func (e *Engine) createLockVolume(ctx context.Context, name string, info resources.LockInfo, more map[string]string) (*volume.Volume, error) {
	labels := map[string]string{
		labelLock: info.Stack, labelLockID: info.ID, labelLockOp: info.Operation, labelLockWho: info.Who,
		labelLockPID: strconv.Itoa(info.PID), labelLockMidaz: info.Version,
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
		ID: v.Labels[labelLockID], Stack: v.Labels[labelLock], Operation: oneLine(v.Labels[labelLockOp]), Who: oneLine(v.Labels[labelLockWho]),
		PID: pid, Version: oneLine(v.Labels[labelLockMidaz]), Created: createdAt(v), Heartbeat: createdAt(v),
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

func (e *Engine) lockVolumes(ctx context.Context, stack string) ([]*volume.Volume, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	list, err := e.api.VolumeList(ctx, volume.ListOptions{Filters: filters.NewArgs(filters.Arg("label", labelLock+"="+stack))})
	if err != nil {
		return nil, fmt.Errorf("list volumes: %w", err)
	}
	return list.Volumes, nil
}

// engineTime is the engine's clock.
func (e *Engine) engineTime(ctx context.Context) (time.Time, error) {
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
	name := lockName(info.Stack) + "-takeover"
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

// dropLock removes the lock with that ID and its signs of life.
func (e *Engine) dropLock(ctx context.Context, stack, id string) error {
	if err := e.removeLockVolume(ctx, lockName(stack), id); err != nil {
		return err
	}
	volumes, err := e.lockVolumes(ctx, stack)
	if err != nil {
		return err
	}
	for _, v := range volumes {
		if v.Labels[labelLockID] == id && v.Labels[labelLockBeat] != "" {
			if err := e.removeLockVolume(ctx, v.Name, id); err != nil {
				return err
			}
		}
	}
	return nil
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
func (e *Engine) keepAlive(ctx context.Context, info resources.LockInfo) *Lock {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	l := &Lock{info: info, e: e, lost: make(chan struct{}), stop: sync.OnceFunc(cancel), done: make(chan struct{})}
	go func() {
		defer close(l.done)
		ticker := time.NewTicker(lockBeat)
		defer ticker.Stop()
		last := ""
		for n := 1; ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			name, held, err := l.beat(ctx, n)
			if err != nil {
				continue // the engine may be busy; the next one may get through
			}
			if !held {
				close(l.lost)
				return
			}
			if last != "" {
				_ = e.removeLockVolume(ctx, last, info.ID)
			}
			last = name
		}
	}()
	return l
}

func (l *Lock) beat(ctx context.Context, n int) (name string, held bool, err error) {
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
func (l *Lock) Release(ctx context.Context) error {
	l.stop()
	<-l.done
	if err := l.e.dropLock(ctx, l.info.Stack, l.info.ID); err != nil {
		return fmt.Errorf("release the lock %s: %w", l.info.ID, err)
	}
	return nil
}

// ErrNoLock is returned by Unlock when the stack has no lock of that ID.
var ErrNoLock = errors.New("no such lock")

// Unlock drops a lock whatever its holder does: that one finds out at its next
// sign of life.
func (e *Engine) Unlock(ctx context.Context, stack, id string) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	v, err := e.api.VolumeInspect(ctx, lockName(stack))
	switch {
	case cerrdefs.IsNotFound(err):
		return fmt.Errorf("stack %q: %w", stack, ErrNoLock)
	case err != nil:
		return fmt.Errorf("inspect the lock: %w", err)
	case v.Labels[labelLockID] != id:
		return fmt.Errorf("stack %q is locked with %s, not with %s: %w", stack, oneLine(v.Labels[labelLockID]), id, ErrNoLock)
	}
	return e.dropLock(ctx, stack, id)
}
