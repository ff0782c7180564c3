//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/events"
)

// traffic calls a service every 10 ms, one call after the other, each over a
// connection of its own.
type traffic struct {
	stop chan struct{}
	done sync.WaitGroup

	calls  int
	failed []error
	gap    time.Duration // the longest time between two answers
	seen   map[string]int
	after  func(body string, at time.Time) // told of each answer
}

func callEvery10ms(url string, after func(body string, at time.Time)) *traffic {
	c := &traffic{stop: make(chan struct{}), seen: map[string]int{}, after: after}
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	c.done.Go(func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		last := time.Now()
		for {
			select {
			case <-c.stop:
				return
			case <-tick.C:
			}
			c.calls++
			body, err := fetch(client, url)
			if err != nil {
				c.failed = append(c.failed, err)
				continue
			}
			now := time.Now()
			c.seen[body]++
			c.gap = max(c.gap, now.Sub(last))
			last = now
			if c.after != nil {
				c.after(body, now)
			}
		}
	})
	return c
}

func fetch(client *http.Client, url string) (string, error) {
	res, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != 200 {
		err = fmt.Errorf("status %d", res.StatusCode)
	}
	return strings.TrimSpace(string(body)), err
}

// end stops the calls and prints what became of them.
func (c *traffic) end(t *testing.T, what string) {
	t.Helper()
	close(c.stop)
	c.done.Wait()
	t.Logf("traffic: %s: %d calls, %d failed, longest gap %v, answers %v", what, c.calls, len(c.failed), c.gap.Round(time.Millisecond), c.seen)
}

// behind is a service that a front passes calls on to. Only the front has a port
// of the host, so that two of the service can run side by side.
func behind(body, more string) string {
	return fmt.Sprintf(`
		services:
		  front: { image: TINY, command: [forward, ":8080", "web:8080"], ports: ["127.0.0.1:PORT1:8080"] }
		  web:
		    image: TINY
		    command: [serve, -body, %s%s]
		    gate: { http: { port: 8080, path: /health }, stable_for: 500ms, timeout: 5s }
		`, body, more)
}

// direct is the same service with the port of the host on itself, which two
// containers cannot have at one time.
func direct(body, more string) string {
	return fmt.Sprintf(`
		services:
		  web:
		    image: TINY
		    command: [serve, -body, %s%s]
		    ports: ["127.0.0.1:PORT1:8080"]
		    gate: { http: { port: 8080, path: /health }, stable_for: 500ms, timeout: 5s }
		`, body, more)
}

func TestTraffic_must_not_be_lost_by_starting_first(t *testing.T) {
	for name, next := range map[string]struct {
		more string
		code int
		want string
	}{
		"replaced":             {"", 0, "two"},
		"exits, left out":      {", -healthy-after, 1h, -exit-after, 200ms", 4, "one"},
		"never well, left out": {", -healthy-after, 1h", 4, "one"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStack(t, behind("one", ""))
			s.apply()
			s.answers("PORT1", "one")
			s.write("midaz.infra.yaml", behind("two", next.more))
			s.exits(0, "plan").says("the new one is started beside the old one", "no downtime expected").saysNot("downtime: ")
			c := callEvery10ms(fmt.Sprintf("http://127.0.0.1:%d/", s.port("PORT1")), nil)
			s.exits(next.code, "apply", "-auto-approve")
			c.end(t, "start first, "+name)
			if len(c.failed) > 0 {
				t.Errorf("failed: %v", c.failed)
			}
			if c.calls < 50 || next.code != 0 && c.seen["two"] > 0 {
				t.Errorf("%d calls were answered so: %v", c.calls, c.seen)
			}
			s.answers("PORT1", next.want)
		})
	}
}

func TestTraffic_must_come_back_soon_when_stopped_first(t *testing.T) {
	for name, next := range map[string]struct {
		more string
		code int
		want string
	}{
		"replaced":                       {"", 0, "two"},
		"exits, put back":                {", -healthy-after, 1h, -exit-after, 200ms", 4, "one"},
		"never well, put back":           {", -healthy-after, 1h", 4, "one"},
		"does not stop either, put back": {", -healthy-after, 1h, -stop-after, 1h", 4, "one"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStack(t, direct("one", ""))
			s.apply()
			s.answers("PORT1", "one")
			s.write("midaz.infra.yaml", direct("two", next.more))
			s.exits(0, "plan").says("is stopped before the new one is started, because both publish port", "downtime: expected")
			h := watchHistory(t, s.name)
			var one []time.Time // when the old one answered
			c := callEvery10ms(fmt.Sprintf("http://127.0.0.1:%d/", s.port("PORT1")), func(body string, at time.Time) {
				if body == "one" {
					one = append(one, at)
				}
			})
			r := s.exits(next.code, "apply", "-auto-approve", "-json")
			s.answers("PORT1", next.want)
			c.end(t, "stop first, "+name)
			if next.code == 0 {
				if c.gap > 10*time.Second {
					t.Errorf("it was away for %v", c.gap)
				}
				return
			}
			r.says(`"rolled_back":true`)
			verdict := verdictOf(h.since(0, "service/web"))
			i := slices.IndexFunc(one, verdict.Before)
			if i < 0 {
				t.Fatal("the old one never answered again")
			}
			back := one[i].Sub(verdict)
			t.Logf("traffic: stop first, %s: back %v after the verdict of its gate", name, back.Round(time.Millisecond))
			if back > 2*time.Second {
				t.Errorf("it came back after %v", back)
			}
		})
	}
}

// verdictOf returns when the gate gave up the container that was made: when that
// ended by itself, or was first told to.
func verdictOf(happened []events.Message) time.Time {
	made := ""
	for _, m := range happened {
		if m.Action == events.ActionCreate {
			made = m.Actor.ID
		}
		if m.Actor.ID == made && (m.Action == events.ActionKill || m.Action == events.ActionDie) {
			return time.Unix(0, m.TimeNano)
		}
	}
	return time.Time{}
}
