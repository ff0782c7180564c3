// Package proxy stands between a program and an HTTP API, records every call,
// and fails chosen ones in chosen ways. It serves the Docker Engine's API,
// hijacked streams of attach and exec included, and any plain HTTP API such as
// RabbitMQ's management API.
//
// It knows calls, not what they mean: whether a call may be made is decided by
// the test that reads the record.
package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

// Proxy forwards calls to one upstream. Its methods may be called from several
// goroutines.
type Proxy struct {
	upstream *url.URL
	forward  *httputil.ReverseProxy
	servers  []*http.Server
	sockets  []string

	mu      sync.Mutex
	calls   []*Call
	writes  int
	decide  func(Call) *Fault
	changed chan struct{} // closed and replaced at every change of the record
}

// New returns a proxy that forwards to upstream: "unix:///path", "tcp://host:port",
// "http://host:port" or "https://host:port". It serves nothing until Listen.
func New(upstream string) (*Proxy, error) {
	u, err := url.Parse(upstream)
	if err != nil {
		return nil, fmt.Errorf("upstream: %w", err)
	}
	transport := &http.Transport{
		MaxIdleConnsPerHost: 64,
		IdleConnTimeout:     30 * time.Second,
		DisableCompression:  true, // bodies pass as they are
	}
	target := &url.URL{Scheme: "http", Host: u.Host}
	switch u.Scheme {
	case "unix":
		path := u.Path
		target.Host = "engine"
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", path)
		}
	case "tcp", "http":
	case "https":
		target.Scheme = "https"
	default:
		return nil, fmt.Errorf("upstream %q: expected unix, tcp, http or https", upstream)
	}
	p := &Proxy{upstream: target, changed: make(chan struct{})}
	p.forward = &httputil.ReverseProxy{
		Transport:      transport,
		FlushInterval:  -1, // logs and events arrive as they are written
		ErrorLog:       log.New(io.Discard, "", 0),
		Rewrite:        p.rewrite,
		ModifyResponse: p.answered,
		ErrorHandler:   p.unanswered,
	}
	return p, nil
}

// Listen serves on a network address, "unix" or "tcp", until Close, and returns
// the address it got.
func (p *Proxy) Listen(network, address string) (string, error) {
	l, err := net.Listen(network, address)
	if err != nil {
		return "", fmt.Errorf("listen: %w", err)
	}
	server := &http.Server{Handler: p, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: time.Minute}
	p.mu.Lock()
	p.servers = append(p.servers, server)
	if network == "unix" {
		p.sockets = append(p.sockets, address)
	}
	p.mu.Unlock()
	go func() { _ = server.Serve(l) }()
	return l.Addr().String(), nil
}

// Close ends every listener and every connection.
func (p *Proxy) Close() error {
	p.mu.Lock()
	servers, sockets := p.servers, p.sockets
	p.servers, p.sockets = nil, nil
	p.mu.Unlock()
	var errs []error
	for _, s := range servers {
		errs = append(errs, s.Close())
	}
	for _, path := range sockets {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

type exchangeKey struct{}

// exchange is one call under way, with what shall go wrong with it.
type exchange struct {
	call  *Call
	fault *Fault
}

// ServeHTTP records the call and forwards it, or lets its fault happen.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := p.begin(r)
	defer p.finish(x.call)
	if f := x.fault; f != nil && f.When == Before {
		if f.What != Nothing {
			// Or the server would not notice a caller that hangs up.
			_, _ = io.Copy(io.Discard, r.Body)
		}
		f.act()
		switch f.What {
		case Nothing:
			if err := f.rewrite(r); err != nil {
				panic(http.ErrAbortHandler)
			}
		case Error, Pretend:
			p.note(x.call, f.status())
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(f.status())
			_, _ = io.WriteString(w, f.body())
			return
		case Hang:
			f.hang(r.Context().Done())
			panic(http.ErrAbortHandler)
		case Reset:
			panic(http.ErrAbortHandler)
		}
	}
	p.forward.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x)))
}

// rewrite changes what the upstream gets.
func (f *Fault) rewrite(r *http.Request) error {
	if f.Rewrite == nil {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	body = f.Rewrite(body)
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return nil
}

func (p *Proxy) rewrite(r *httputil.ProxyRequest) {
	r.Out.URL.Scheme = p.upstream.Scheme
	r.Out.URL.Host = p.upstream.Host
	// RabbitMQ tells "/" in a name from "/" in the path by its encoding only.
	r.Out.URL.Path = r.In.URL.Path
	r.Out.URL.RawPath = r.In.URL.RawPath
	r.Out.Host = r.In.Host
}

var errAborted = errors.New("the connection is to be dropped")

// answered sees the upstream's answer before the caller does.
func (p *Proxy) answered(res *http.Response) error {
	x := res.Request.Context().Value(exchangeKey{}).(*exchange)
	p.note(x.call, res.StatusCode)
	f := x.fault
	if f == nil || f.When != After {
		return nil
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		// Some calls have had their effect only when the answer has ended.
		_, _ = io.Copy(io.Discard, res.Body)
	}
	f.act()
	switch f.What {
	case Nothing:
		return errAborted // the answer is gone, and nothing can be put in its place
	case Hang:
		f.hang(res.Request.Context().Done())
		return errAborted
	case Reset:
		return errAborted
	}
	_ = res.Body.Close()
	body := f.body()
	res.StatusCode, res.Status = f.status(), http.StatusText(f.status())
	res.Header = http.Header{"Content-Type": {"application/json"}}
	res.ContentLength = int64(len(body))
	res.TransferEncoding = nil
	res.Body = io.NopCloser(strings.NewReader(body))
	return nil
}

// unanswered drops the caller's connection, as an upstream that is gone would.
func (p *Proxy) unanswered(http.ResponseWriter, *http.Request, error) {
	panic(http.ErrAbortHandler)
}
