package docker

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
)

// pulse tells waiting gates that something happened to their container. All of
// them share one stream of events, opened with the first. It decides
// nothing: whoever is woken inspects, so that a lost event costs a delay and
// never a wrong answer. Only exit codes are kept, because a container that was
// started again no longer shows them. The engine's own buffer loses events of slow readers
// (moby#36928).
type pulse struct {
	api   readAPI
	clock func() string // the engine's time when the run began, "" if unknown

	mu    sync.Mutex
	wakes map[string]map[chan struct{}]bool // by container ID
	exits map[string]int                    // last exit code, by container ID
	stop  context.CancelFunc
}

func newPulse(api readAPI, clock func() string) *pulse {
	return &pulse{api: api, clock: clock, wakes: map[string]map[chan struct{}]bool{}, exits: map[string]int{}}
}

// watch returns a channel that is filled when something happened to the
// container since watch returned, and a function that ends the watch.
func (p *pulse) watch(id string) (<-chan struct{}, func()) {
	wake := make(chan struct{}, 1)
	p.mu.Lock()
	if p.wakes[id] == nil {
		p.wakes[id] = map[chan struct{}]bool{}
	}
	p.wakes[id][wake] = true
	first := p.stop == nil
	var ctx context.Context
	if first {
		ctx, p.stop = context.WithCancel(context.Background())
	}
	p.mu.Unlock()
	if first {
		open := make(chan struct{})
		go p.run(ctx, open)
		<-open
	}
	return wake, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.wakes[id], wake)
		if len(p.wakes[id]) == 0 {
			delete(p.wakes, id)
		}
	}
}

// close ends the stream.
func (p *pulse) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stop != nil {
		p.stop()
	}
}

// watched are the events that can decide a gate. Probes make three events of
// their own each, which must not crowd the stream.
var watched = []events.Action{events.ActionHealthStatus, events.ActionDie, events.ActionOOM, events.ActionStart,
	events.ActionStop, events.ActionKill, events.ActionPause, events.ActionUnPause, events.ActionDestroy, events.ActionRestart}

func (p *pulse) run(ctx context.Context, open chan struct{}) {
	since := p.clock()
	pause := 100 * time.Millisecond
	opened := sync.OnceFunc(func() { close(open) })
	defer opened()
	for {
		args := filters.NewArgs(filters.Arg("type", string(events.ContainerEventType)))
		for _, a := range watched {
			args.Add("event", string(a))
		}
		messages, errs := p.api.Events(ctx, events.ListOptions{Since: since, Filters: args})
		opened()
		for streaming := true; streaming; {
			select {
			case m := <-messages:
				pause = 100 * time.Millisecond
				if m.TimeNano > 0 {
					since = strconv.FormatInt(m.TimeNano/1e9, 10) + "." + nanos(m.TimeNano%1e9)
				}
				p.note(m)
				p.wake(m.Actor.ID)
			case <-errs:
				streaming = false
			case <-ctx.Done():
				return
			}
		}
		// The stream ends when the engine restarts. What happened meanwhile is
		// replayed from since on, as far as the engine remembers.
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		pause = min(2*pause, 2*time.Second)
		p.wake("")
	}
}

// note keeps the exit code of a container that someone waits for.
func (p *pulse) note(m events.Message) {
	code, err := strconv.Atoi(m.Actor.Attributes["exitCode"])
	if m.Action != events.ActionDie || err != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wakes[m.Actor.ID] != nil {
		p.exits[m.Actor.ID] = code
	}
}

// exit returns the code with which a container exited last.
func (p *pulse) exit(id string) (int, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	code, ok := p.exits[id]
	return code, ok
}

// nanos returns a fraction of a second with nine digits, as the API takes it.
func nanos(n int64) string {
	s := strconv.FormatInt(n, 10)
	for len(s) < 9 {
		s = "0" + s
	}
	return s
}

// wake fills the channels of a container, of all for "".
func (p *pulse) wake(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for container, wakes := range p.wakes {
		if id != "" && container != id {
			continue
		}
		for w := range wakes {
			select {
			case w <- struct{}{}:
			default:
			}
		}
	}
}
