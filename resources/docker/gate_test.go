package docker

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/dockerapi"
)

// Docker 26 and later note the time of a start before they make it: a process
// that ends before stable_for is not stable, however early that time is.
func TestStableForCountsFromWhenTheRunWasSeen(t *testing.T) {
	var first struct {
		sync.Once
		time.Time
	}
	host := fakeDaemon(t, func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/containers/web/json") {
			_, _ = w.Write([]byte("{}"))
			return
		}
		first.Do(func() { first.Time = time.Now() })
		state := container.State{Running: true, Status: container.StateRunning,
			StartedAt: first.Add(-400 * time.Millisecond).Format(time.RFC3339Nano)}
		if time.Since(first.Time) > 200*time.Millisecond {
			state.Running, state.Status, state.ExitCode = false, container.StateExited, 1
		}
		_ = json.NewEncoder(w).Encode(container.InspectResponse{ContainerJSONBase: &container.ContainerJSONBase{ID: "web", Name: "/web",
			State: &state, HostConfig: &container.HostConfig{}}, Config: &container.Config{}})
	})
	e, err := Open(t.Context(), dockerapi.Options{Host: host})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	g := &gate{
		w: containerWriter{e}, id: "web", r: &resources.Resource{Addr: resources.Addr{Kind: "service", Name: "web"}},
		spec: gateSpec{StableFor: 500 * time.Millisecond, Timeout: 10 * time.Second, FailFast: true},
		note: func(string, ...any) {}, hide: func(text string) string { return text }, reports: make(chan report),
	}
	err = g.wait(t.Context())
	var failed *resources.GateError
	if !errors.As(err, &failed) || !strings.Contains(failed.Cause, "exited with code 1") {
		t.Errorf("%v, want that it exited", err)
	}
}

// The reason why a path cannot be one of a URL quotes three characters of it,
// which no redactor knows as a secret.
func TestGatePathIsNotQuoted(t *testing.T) {
	_, err := (&gate{}).http(&httpProbe{Scheme: "http", Port: 80, Path: "/a%zzb"})
	if err == nil || strings.Contains(err.Error(), "zz") {
		t.Errorf("%v", err)
	}
}
