package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/LerianStudio/midaz-infra/resources"
)

// refusedFor is how long a refused login may last before the gate fails: an
// image that makes its users after the start refuses them for a moment.
const refusedFor = 10 * time.Second

// await polls the broker until it is ready for its topology. A broker answers
// HTTP a little before it can do everything, so it must pass twice in a row,
// 100 ms apart, on the same node.
func await(ctx context.Context, b *ReadBroker, r *resources.Resource, note resources.Note) error {
	limit := brokerTimeout(r)
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var last error
	var refused time.Time
	passed := ""
	for pause := 50 * time.Millisecond; ; {
		node, warning, err := probe(ctx, b)
		switch {
		case err == nil && passed == node:
			if warning != "" && note != nil {
				note("warning: %s", warning)
			}
			return nil
		case err == nil:
			passed, pause = node, 100*time.Millisecond
		case ctx.Err() != nil:
			return gateError(r, limit, cmpError(last, err))
		default:
			passed, last = "", err
			if note != nil {
				note("%s", err)
			}
			if !isRefused(err) {
				refused = time.Time{}
				break
			}
			if refused.IsZero() {
				refused = time.Now()
			}
			if time.Since(refused) > refusedFor {
				e := gateError(r, limit, err)
				e.TimedOut, e.Cause = false, "the login is refused"
				return e
			}
		}
		select {
		case <-ctx.Done():
			return gateError(r, limit, last)
		case <-time.After(pause):
		}
		pause = min(2*pause, 100*time.Millisecond)
	}
}

func cmpError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func isRefused(err error) bool {
	var api *APIError
	return errors.As(err, &api) && api.Status == http.StatusUnauthorized
}

func gateError(r *resources.Resource, limit time.Duration, last error) *resources.GateError {
	e := &resources.GateError{Addr: r.Addr, TimedOut: true, Cause: "timed out after " + limit.String()}
	if last != nil {
		e.Probe = last.Error()
		var d *resources.Diagnosis
		if errors.As(last, &d) {
			e.Next.Do = d.Hint
		}
	}
	if service := r.Config.Text("service"); service != "" && e.Next.Do == "" {
		e.Next.Logs = service
	}
	return e
}

// probe asks what tells that a broker is ready and returns the node that
// answered. What a version does not have (404) counts as passed. Alarms are a
// warning: declaring works under them, publishing does not.
func probe(ctx context.Context, b *ReadBroker) (node, warning string, err error) {
	c := b.probes()
	var over overview
	if err := c.get(ctx, "/api/overview", &over); err != nil {
		return "", "", err
	}
	checks := []string{"virtual-hosts"}
	for _, l := range over.Listeners {
		if l.Protocol == "amqp" {
			checks = append(checks, "port-listener/"+strconv.Itoa(l.Port))
			break
		}
	}
	checks = append(checks, "ready-to-serve-clients")
	for _, check := range checks {
		if err := healthy(ctx, c, check); err != nil {
			return "", "", err
		}
	}
	if err := healthy(ctx, c, "local-alarms"); err != nil {
		warning = "an alarm is raised on the broker, so publishers are blocked: " + err.Error()
	}
	return over.Node, warning, nil
}

func healthy(ctx context.Context, c reads, check string) error {
	_, err := c.fetch(ctx, "/api/health/checks/"+check)
	if err == nil || isNotFound(err) || isRefused(err) {
		return nil
	}
	var api *APIError
	if errors.As(err, &api) {
		return fmt.Errorf("health check %s: %s", check, cmpText(api.Reason, strconv.Itoa(api.Status)))
	}
	return fmt.Errorf("health check %s: %w", check, err)
}

func cmpText(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
