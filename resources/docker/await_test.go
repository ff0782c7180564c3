package docker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/dockerapi"
)

// busy is an engine that gives other answers for a while when it is asked for a
// container.
type busy struct {
	*shelf
	changeAPI // panics on calls that no test expects
	// answers are those of the first looks, nil for the container.
	answers []error
	// onLook is called with the context of each look.
	onLook func(ctx context.Context)
}

func (b *busy) ContainerInspect(ctx context.Context, ref string) (container.InspectResponse, error) {
	if b.onLook != nil {
		b.onLook(ctx)
	}
	if len(b.answers) > 0 {
		err := b.answers[0]
		b.answers = b.answers[1:]
		if err != nil {
			return container.InspectResponse{}, err
		}
	}
	return b.shelf.ContainerInspect(ctx, ref)
}

// busyWriter writes to an engine with one running service, whose clock goes on by a
// minute with each look.
func busyWriter(t *testing.T, answers ...error) (containerWriter, *busy, *resources.Resource) {
	t.Helper()
	r := web(t, "")
	b := &busy{shelf: newShelf(newModel("1.41")), answers: answers}
	b.put(t, r, "", "running")
	e := newEngine(t.Context(), b, dockerapi.EngineHost{})
	t.Cleanup(e.pulse.close)
	b.onLook = func(context.Context) { e.ahead += time.Minute }
	return containerWriter{e}, b, r
}

var noAnswer = fmt.Errorf("inspect: %w", context.DeadlineExceeded)

func TestGateAsksAgainWhileTheEngineIsBusy(t *testing.T) {
	refused := errors.New("refused")
	for name, c := range map[string]struct {
		answers []error
		limit   time.Duration
		notes   int
		err     string // "" when it finds the container
	}{
		"at once":         {limit: time.Hour},
		"after two looks": {answers: []error{noAnswer, noAnswer}, limit: time.Hour, notes: 2},
		"not within it": {answers: []error{noAnswer, noAnswer, noAnswer, noAnswer}, limit: 2 * time.Minute, notes: 1,
			err: "did not say within 2m0s"},
		"another error":     {answers: []error{refused}, limit: time.Hour, err: "refused"},
		"another one after": {answers: []error{noAnswer, refused}, limit: time.Hour, notes: 1, err: "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			w, _, r := busyWriter(t, c.answers...)
			notes := 0
			got, err := w.awaitedWithin(t.Context(), r, c.limit, func(string, ...any) { notes++ })
			if found := got != nil && got.Name == "/test-web"; found != (c.err == "") || c.err == "" && err != nil || c.err != "" &&
				(err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("container %v, error %v", got, err)
			}
			if notes != c.notes {
				t.Errorf("it was told %d times", notes)
			}
			var gate *resources.GateError
			if isGate := errors.As(err, &gate); isGate != (name == "not within it") {
				t.Errorf("%v is the gate's: %v", err, isGate)
			}
		})
	}
}

func TestGateDoesNotAskAgainWhenTheRunEnds(t *testing.T) {
	w, b, r := busyWriter(t, noAnswer, noAnswer, noAnswer)
	ctx, end := context.WithCancel(t.Context())
	b.onLook = func(context.Context) { end() }
	if _, err := w.awaitedWithin(ctx, r, time.Hour, func(string, ...any) { t.Error("it was told") }); !errors.Is(err,
		context.DeadlineExceeded) {
		t.Error(err)
	}
}

// A change waits longer for the container that it depends on than a look does.
func TestChangesOutwaitABusyEngine(t *testing.T) {
	w, b, r := busyWriter(t)
	var limit time.Duration
	b.onLook = func(ctx context.Context) {
		end, _ := ctx.Deadline()
		limit = time.Until(end)
	}
	if _, err := w.awaited(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if limit <= readTimeout || limit > settleTimeout {
		t.Errorf("it waits for %v, want more than %v and at most %v", limit, readTimeout, settleTimeout)
	}
}

func (b *busy) ContainerRename(_ context.Context, id, name string) error {
	if _, taken := b.containers[name]; taken {
		return fmt.Errorf("%s: %w", name, cerrdefs.ErrConflict)
	}
	for old, c := range b.containers {
		if c.ID == id {
			delete(b.containers, old)
			c.Name, b.containers[name] = "/"+name, c
		}
	}
	return nil
}

// A run is killed when the replacement has the name and was not started yet. What
// was set aside gets its name back, whether or not the replacement has gone by then.
func TestNameIsTakenBackFromWhatNeverRan(t *testing.T) {
	for status, want := range map[string]string{"created": "test-web", "running": "test-web.old-2"} {
		w, b, r := busyWriter(t)
		delete(b.containers, "test-web")
		old := b.put(t, r, "test-web.old-2", "exited")
		b.put(t, r, "test-web", status, labelReplaces+"="+old.ID)
		err := w.takeName(t.Context(), r, old, "test-web")
		if got := nameOf(old); got != want || (err == nil) != (want == "test-web") {
			t.Errorf("%s: it is called %s, %v", status, got, err)
		}
	}
}
