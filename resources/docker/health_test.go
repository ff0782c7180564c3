package docker

import (
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/LerianStudio/midaz-infra/resources"
)

// checked is a running container whose health check has failed so often in a row.
func checked(status string, streak, retries int, last time.Time) *container.InspectResponse {
	return &container.InspectResponse{
		ContainerJSONBase: &container.ContainerJSONBase{ID: "web", State: &container.State{Running: true, Status: container.StateRunning,
			Health: &container.Health{Status: status, FailingStreak: streak, Log: []*container.HealthcheckResult{{Start: last, ExitCode: 1}}}}},
		Config: &container.Config{Healthcheck: &container.HealthConfig{Retries: retries}},
	}
}

// The engine says "unhealthy" of a container whose checks it has stopped. That is
// no verdict, for the gate as for ps and drift.
func TestHealthCountsOnlyVerdicts(t *testing.T) {
	for name, tc := range map[string]struct {
		c             *container.InspectResponse
		want          string
		state, health string
	}{
		"healthy":                     {checked(container.Healthy, 0, 0, time.Time{}), container.Healthy, "running", ""},
		"starting":                    {checked(container.Starting, 2, 0, time.Time{}), container.Starting, "starting", ""},
		"unpaused, not checked since": {checked(container.Unhealthy, 0, 0, time.Time{}), container.Starting, "starting", ""},
		"unpaused, failed once":       {checked(container.Unhealthy, 1, 2, time.Time{}), container.Starting, "starting", ""},
		"failed as often as it takes": {checked(container.Unhealthy, 2, 2, time.Time{}), container.Unhealthy, "unhealthy", resources.Unhealthy},
		"by the engine's own number":  {checked(container.Unhealthy, 3, 0, time.Time{}), container.Unhealthy, "unhealthy", resources.Unhealthy},
	} {
		t.Run(name, func(t *testing.T) {
			if got := healthOf(tc.c); got != tc.want {
				t.Errorf("health %q, want %q", got, tc.want)
			}
			if got := stateText(tc.c); got != tc.state {
				t.Errorf("state %q, want %q", got, tc.state)
			}
			if got := runtimeOf("service", tc.c).Trouble; got != tc.health {
				t.Errorf("trouble %q, want %q", got, tc.health)
			}
		})
	}
}

// A verdict of before a container was unpaused is none; the next check's is.
func TestVerdictOfBeforeThePauseIsStale(t *testing.T) {
	e := &Engine{ReadEngine: &ReadEngine{}}
	before := checked(container.Unhealthy, 5, 3, time.Unix(1, 0))
	if e.isStale(before) {
		t.Error("stale without a pause")
	}
	e.resumes(before)
	if !e.isStale(before) {
		t.Error("the verdict of before the pause counts")
	}
	if e.isStale(checked(container.Unhealthy, 6, 3, time.Unix(2, 0))) {
		t.Error("the verdict of after the pause does not count")
	}
}
