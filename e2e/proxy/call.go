package proxy

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Call is one call that was made through a proxy.
type Call struct {
	// N counts calls from 1 in the order of their arrival, since the last Reset.
	N int
	// W counts the calls that may write in the same way; 0 for a reading one.
	W int
	// Method and Path as sent, the path still encoded, without the Docker API's version.
	Method, Path string
	// Query is the part of the URL behind "?".
	Query string
	// Status is the upstream's answer, or that of a fault; 0 before there is one.
	Status int
	// Began and Ended are the proxy's clock; Ended is zero while the call is under way.
	Began, Ended time.Time
}

// String returns "METHOD path".
func (c Call) String() string { return c.Method + " " + c.Path }

// Writes reports whether the call can change anything by its method and path.
// RabbitMQ's aliveness test is a GET that declares a queue and publishes to it.
func (c Call) Writes() bool {
	switch c.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return strings.HasPrefix(c.Path, "/api/aliveness-test/")
	}
	return true
}

var apiVersion = regexp.MustCompile(`^/v1\.[0-9]+/`)

func (p *Proxy) begin(r *http.Request) *exchange {
	path := r.URL.EscapedPath()
	if v := apiVersion.FindString(path); v != "" {
		path = path[len(v)-1:]
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c := &Call{N: len(p.calls) + 1, Method: r.Method, Path: path, Query: r.URL.RawQuery, Began: time.Now()}
	if c.Writes() {
		p.writes++
		c.W = p.writes
	}
	p.calls = append(p.calls, c)
	x := &exchange{call: c}
	if p.decide != nil {
		x.fault = p.decide(*c)
	}
	p.tell()
	return x
}

func (p *Proxy) note(c *Call, status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.Status = status
	p.tell()
}

func (p *Proxy) finish(c *Call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.Ended = time.Now()
	p.tell()
}

// tell wakes everyone in Until. The lock is held.
func (p *Proxy) tell() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// Calls returns the calls since the last Reset, in the order of their arrival.
func (p *Proxy) Calls() []Call {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]Call, len(p.calls))
	for i, c := range p.calls {
		out[i] = *c
	}
	return out
}

// Writes returns the calls that could change something.
func (p *Proxy) Writes() []Call {
	return slices.DeleteFunc(p.Calls(), func(c Call) bool { return !c.Writes() })
}

// Reset forgets all calls. Numbers begin at 1 again.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls, p.writes = nil, 0
	p.tell()
}

// Until returns the first call since the last Reset that matches, waiting for it
// if need be. A call may match before it has an answer; match sees it again when
// it has one.
func (p *Proxy) Until(ctx context.Context, match func(Call) bool) (Call, error) {
	for {
		p.mu.Lock()
		changed := p.changed
		for _, c := range p.calls {
			if match(*c) {
				found := *c
				p.mu.Unlock()
				return found, nil
			}
		}
		p.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return Call{}, fmt.Errorf("no such call: %w", ctx.Err())
		}
	}
}
