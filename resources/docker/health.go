package docker

import (
	"github.com/docker/docker/api/types/container"
)

// healthOf returns what the engine's own health checks say of a container, "" when
// it has none. The engine calls a container unhealthy whose checks it has stopped,
// as while it is paused, and goes on saying so until the next check has passed. A
// verdict is one only when as many checks in a row have failed as it takes.
func healthOf(c *container.InspectResponse) string {
	if c.State == nil || c.State.Health == nil {
		return ""
	}
	h := c.State.Health
	if h.Status == container.Unhealthy && h.FailingStreak < retriesOf(c) {
		return container.Starting
	}
	return h.Status
}

// retriesOf returns how many checks in a row must fail.
func retriesOf(c *container.InspectResponse) int {
	if c.Config != nil && c.Config.Healthcheck != nil && c.Config.Healthcheck.Retries > 0 {
		return c.Config.Healthcheck.Retries
	}
	return 3 // the engine's own
}

// lastCheck returns when the last health check began that the engine tells of, by
// its clock, "" when there was none.
func lastCheck(c *container.InspectResponse) string {
	if c.State == nil || c.State.Health == nil || len(c.State.Health.Log) == 0 {
		return ""
	}
	return c.State.Health.Log[len(c.State.Health.Log)-1].Start.String()
}

// resumes notes that a paused container is about to go on: what its health checks
// said before says nothing about how it is then.
func (e *Engine) resumes(c *container.InspectResponse) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.resumed == nil {
		e.resumed = map[string]string{}
	}
	e.resumed[c.ID] = lastCheck(c)
}

// isStale reports whether the last health check of the container is one of before
// it was unpaused by this run.
func (e *Engine) isStale(c *container.InspectResponse) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	before, ok := e.resumed[c.ID]
	return ok && before == lastCheck(c)
}
