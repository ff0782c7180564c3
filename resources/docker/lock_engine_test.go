//go:build e2e

package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/docker/docker/api/types/volume"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/dockerapi"
)

func lockEngine(t *testing.T) *Engine {
	t.Helper()
	e, err := Open(t.Context(), dockerapi.Options{LookupEnv: os.LookupEnv, Timeout: 3 * time.Second})
	if err != nil {
		t.Skipf("no engine answers: %v", err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

func lockStack(t *testing.T, e *Engine) string {
	t.Helper()
	stack := fmt.Sprintf("lock-%d-%d", os.Getpid(), time.Now().UnixNano())
	t.Cleanup(func() {
		volumes, _ := e.lockVolumes(context.Background(), stack)
		for _, v := range volumes {
			t.Errorf("left behind: volume %s", v.Name)
			_ = e.api.VolumeRemove(context.Background(), v.Name, true)
		}
	})
	return stack
}

// TestLockHasOneHolder lets many take, hold and release one lock.
func TestLockHasOneHolder(t *testing.T) {
	t.Parallel()
	e := lockEngine(t)
	stack := lockStack(t, e)
	var holders, most, taken atomic.Int32
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			l, err := e.Lock(t.Context(), resources.LockInfo{Stack: stack, Who: fmt.Sprint("holder ", i)}, resources.LockWait{Limit: time.Minute})
			if err != nil {
				t.Error(err)
				return
			}
			if n := holders.Add(1); n > most.Load() {
				most.Store(n)
			}
			taken.Add(1)
			holders.Add(-1)
			if err := l.Release(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if most.Load() != 1 || taken.Load() != 20 {
		t.Errorf("%d holders at one time, taken %d times", most.Load(), taken.Load())
	}
}

func TestLockNamesItsHolder(t *testing.T) {
	t.Parallel()
	e := lockEngine(t)
	stack := lockStack(t, e)
	l, err := e.Lock(t.Context(), resources.LockInfo{Stack: stack, Who: "ann@host", PID: 7, Operation: "apply"}, resources.LockWait{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = e.Lock(t.Context(), resources.LockInfo{Stack: stack, Who: "bob@host"}, resources.LockWait{})
	var locked *resources.LockedError
	if !errors.As(err, &locked) || locked.Holder.Who != "ann@host" || locked.Holder.ID != l.ID() || locked.Holder.PID != 7 {
		t.Errorf("%v", err)
	}
	if err := e.Unlock(t.Context(), stack, "other"); !errors.Is(err, resources.ErrNoLock) {
		t.Errorf("a wrong ID: %v", err)
	}
	if err := e.Unlock(t.Context(), stack, l.ID()); err != nil {
		t.Error(err)
	}
	if err := l.Release(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestLockOfADeadHolderExpires leaves a lock without signs of life.
func TestLockOfADeadHolderExpires(t *testing.T) {
	t.Parallel()
	e := lockEngine(t)
	stack := lockStack(t, e)
	dead := resources.LockInfo{ID: "dead", Stack: stack, Who: "gone@host"}
	if _, err := e.createLockVolume(t.Context(), lockName(stack), dead, nil); err != nil {
		t.Fatal(err)
	}
	started := time.Now()
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			l, err := e.Lock(t.Context(), resources.LockInfo{Stack: stack}, resources.LockWait{Limit: 2 * lockExpiry})
			if err != nil {
				t.Error(err)
				return
			}
			if err := l.Release(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	t.Logf("had after %s", time.Since(started).Round(time.Second))
}

// TestLockLeavesNothingOfOthers has signs of life and a takeover of runs that were
// killed between removing their lock and removing those.
func TestLockLeavesNothingOfOthers(t *testing.T) {
	t.Parallel()
	e := lockEngine(t)
	stack := lockStack(t, e)
	dead := resources.LockInfo{ID: "dead", Stack: stack, Who: "gone@host"}
	if _, err := e.createLockVolume(t.Context(), lockName(stack)+"-dead-3", dead, map[string]string{labelLockBeat: "3"}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.createLockVolume(t.Context(), takeoverName(stack), dead, nil); err != nil {
		t.Fatal(err)
	}
	release := func() {
		t.Helper()
		l, err := e.Lock(t.Context(), resources.LockInfo{Stack: stack}, resources.LockWait{})
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Release(t.Context()); err != nil {
			t.Error(err)
		}
	}
	release()
	left, err := e.lockVolumes(t.Context(), stack)
	if err != nil || len(left) != 1 || left[0].Name != takeoverName(stack) {
		t.Errorf("a takeover may still go on, and only that: %v %v", left, err)
	}
	for end := time.Now().Add(2 * lockExpiry); len(left) > 0 && time.Now().Before(end); time.Sleep(lockPoll) {
		release()
		if left, err = e.lockVolumes(t.Context(), stack); err != nil {
			t.Fatal(err)
		}
	}
}

// TestClear removes what killed runs have left, and nothing while one works.
func TestClear(t *testing.T) {
	t.Parallel()
	e := lockEngine(t)
	stack := lockStack(t, e)
	record := func(number int) {
		t.Helper()
		labels := map[string]string{labelStack: stack, labelRecord: fmt.Sprint(number), labelRecordContent: "{}"}
		if _, err := e.api.VolumeCreate(t.Context(), volume.CreateOptions{Name: recordName(stack, number), Labels: labels}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = e.api.VolumeRemove(context.Background(), recordName(stack, number), true) })
	}
	clear := func(what string, gone, want bool) {
		t.Helper()
		e.recorded.forget()
		has := e.HasTraces(t.Context(), stack, gone)
		did, err := e.Clear(t.Context(), stack, gone, nil)
		if err != nil || did != want || want && !has {
			t.Errorf("%s: seen %v, removed %v, %v", what, has, did, err)
		}
	}
	clear("nothing", false, false)
	if _, err := e.createLockVolume(t.Context(), lockName(stack)+"-dead-3", resources.LockInfo{ID: "dead", Stack: stack},
		map[string]string{labelLockBeat: "3"}); err != nil {
		t.Fatal(err)
	}
	clear("a sign of life without a lock", false, true)
	record(1)
	clear("one record", false, false)
	record(2)
	l, err := e.Lock(t.Context(), resources.LockInfo{Stack: stack}, resources.LockWait{})
	if err != nil {
		t.Fatal(err)
	}
	clear("two records while a run works", true, false)
	if err := l.Release(t.Context()); err != nil {
		t.Error(err)
	}
	clear("two records", false, true)
	if _, err := e.api.VolumeInspect(t.Context(), recordName(stack, 2)); err != nil {
		t.Errorf("the last record: %v", err)
	}
	clear("one record of a stack that is gone", true, true)
	clear("nothing again", true, false)
}

// failsAt has the engine's answer to one call about volumes be an error.
type failsAt struct {
	writeAPI
	left int // calls until then
}

func (f *failsAt) fails() error {
	if f.left--; f.left == 0 {
		return errors.New("injected")
	}
	return nil
}

func (f *failsAt) VolumeList(ctx context.Context, o volume.ListOptions) (volume.ListResponse, error) {
	if err := f.fails(); err != nil {
		return volume.ListResponse{}, err
	}
	return f.writeAPI.VolumeList(ctx, o)
}

func (f *failsAt) VolumeInspect(ctx context.Context, name string) (volume.Volume, error) {
	if err := f.fails(); err != nil {
		return volume.Volume{}, err
	}
	return f.writeAPI.VolumeInspect(ctx, name)
}

// VolumeRemove fails after it has removed.
func (f *failsAt) VolumeRemove(ctx context.Context, name string, force bool) error {
	return errors.Join(f.writeAPI.VolumeRemove(ctx, name, force), f.fails())
}

// TestLockIsReleasedInSpiteOfAnError leaves nothing when one of its calls fails.
func TestLockIsReleasedInSpiteOfAnError(t *testing.T) {
	t.Parallel()
	e := lockEngine(t)
	api := &failsAt{writeAPI: e.api}
	e.api = api
	stack := lockStack(t, e)
	for n := 1; ; n++ {
		l, err := e.Lock(t.Context(), resources.LockInfo{Stack: stack}, resources.LockWait{})
		if err != nil {
			t.Fatal(err)
		}
		beat := lockName(stack) + "-" + l.ID() + "-1"
		if _, err := e.createLockVolume(t.Context(), beat, resources.LockInfo{ID: l.ID(), Stack: stack},
			map[string]string{labelLockBeat: "1"}); err != nil {
			t.Fatal(err)
		}
		api.left = n
		if err := l.Release(t.Context()); err != nil {
			t.Errorf("call %d fails: %v", n, err)
		}
		hit := api.left <= 0
		api.left = 0
		if left, err := e.lockVolumes(t.Context(), stack); err != nil || len(left) > 0 {
			t.Fatalf("call %d fails: left: %v %v", n, left, err)
		}
		if !hit {
			if n < 5 {
				t.Errorf("only %d calls", n-1)
			}
			return
		}
	}
}

// TestLockIsMissed removes the lock under its holder, as a prune would.
func TestLockIsMissed(t *testing.T) {
	t.Parallel()
	e := lockEngine(t)
	stack := lockStack(t, e)
	l, err := e.Lock(t.Context(), resources.LockInfo{Stack: stack}, resources.LockWait{})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.api.VolumeRemove(t.Context(), lockName(stack), false); err != nil {
		t.Fatal(err)
	}
	select {
	case <-l.Lost():
	case <-time.After(4 * lockBeat):
		t.Error("the holder did not notice")
	}
	if err := l.Release(t.Context()); err != nil {
		t.Error(err)
	}
}
