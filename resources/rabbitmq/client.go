package rabbitmq

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/LerianStudio/midaz-infra/resources"
)

// Limits of one call. A list of 10,000 queues with arguments is 3 MB and takes
// up to 4 s on a broker that is busy, as measured on 3.10 to 4.3.
const (
	maxAnswer      = 256 << 20
	maxErrorAnswer = 64 << 10
	callTimeout    = 60 * time.Second
	dialTimeout    = 5 * time.Second
)

// APIError is an answer of the management API that is not a success.
type APIError struct {
	Method, Path string
	Status       int
	// Reason is what the broker says, decoded: "inequivalent arg 'x-max-length'
	// for queue 'orders' in vhost '/': received '6' but current is '5'".
	Reason string
}

// Error returns the call, the status and the reason.
func (e *APIError) Error() string {
	s := fmt.Sprintf("%s %s: %d %s", e.Method, e.Path, e.Status, http.StatusText(e.Status))
	if e.Reason != "" {
		s += ": " + e.Reason
	}
	return s
}

// statusOf returns the status of an APIError inside err, 0 when there is none.
func statusOf(err error) int {
	var e *APIError
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

func isNotFound(err error) bool { return statusOf(err) == http.StatusNotFound }

// reads is the part of the API that cannot change anything.
type reads struct {
	fetch func(ctx context.Context, path string) ([]byte, error)
	// username is who asks.
	username string
}

// get reads the answer of a path into a value.
func (c reads) get(ctx context.Context, path string, into any) error {
	data, err := c.fetch(ctx, path)
	if err != nil {
		return err
	}
	if err := decode(data, into); err != nil {
		return fmt.Errorf("GET %s: the answer is not the JSON expected: %w", path, err)
	}
	return nil
}

// row reads one object, nil when it is not there.
func (c reads) row(ctx context.Context, path string) (row, error) {
	var r row
	err := c.get(ctx, path, &r)
	if isNotFound(err) {
		return nil, nil
	}
	return r, err
}

// rows reads a list of objects, none when what it is asked of is not there.
func (c reads) rows(ctx context.Context, path string) ([]row, error) {
	var r []row
	err := c.get(ctx, path, &r)
	if isNotFound(err) {
		return nil, nil
	}
	return r, err
}

// writes is the whole API.
type writes struct {
	reads
	wire *wire
	// live asks by AMQP for a queue's ready messages and consumers; its error wraps
	// errNoAMQP where that cannot be had.
	live func(ctx context.Context, vhost, queue string) (ready, consumers int, err error)
}

// put creates or replaces the object of a path. It reports whether the broker
// said that the object was new (201).
func (c writes) put(ctx context.Context, path string, body resources.Value) (created bool, err error) {
	return c.send(ctx, http.MethodPut, path, body)
}

// post sends a body to a path that creates something below it.
func (c writes) post(ctx context.Context, path string, body resources.Value) error {
	_, err := c.send(ctx, http.MethodPost, path, body)
	return err
}

func (c writes) send(ctx context.Context, method, path string, body resources.Value) (bool, error) {
	data, err := encode(body)
	if err != nil {
		return false, err
	}
	status, _, err := c.wire.do(ctx, method, path, data)
	return status == http.StatusCreated, err
}

// remove deletes the object of a path; one that is gone already is success.
func (c writes) remove(ctx context.Context, path string) error {
	_, _, err := c.wire.do(ctx, http.MethodDelete, path, nil)
	if isNotFound(err) {
		return nil
	}
	return err
}

// wire makes the HTTP calls to one broker. Of several nodes it keeps to the
// one that answered first: another node may show a write a moment later.
type wire struct {
	username string
	password resources.Secret
	client   *http.Client

	mu     sync.Mutex
	bases  []string // "http://host:15672", in order of preference
	chosen bool     // the first of bases has answered
}

// newWire returns a wire to the bases. dial opens the connections; nil dials
// the host of the base. Connections are kept alive, at most max at a time.
func newWire(bases []string, dial func(ctx context.Context) (net.Conn, error), tlsConfig *tls.Config, max int) *wire {
	w := &wire{bases: bases}
	pinned := &pinnedDialer{}
	transport := &http.Transport{
		MaxIdleConns: max, MaxIdleConnsPerHost: max, MaxConnsPerHost: max,
		IdleConnTimeout:     90 * time.Second,
		TLSClientConfig:     tlsConfig,
		TLSHandshakeTimeout: dialTimeout,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, dialTimeout)
			defer cancel()
			if dial != nil {
				conn, err := dial(ctx)
				if err != nil {
					return nil, &dialError{err}
				}
				return conn, nil
			}
			conn, err := pinned.dial(ctx, network, addr)
			if err != nil {
				return nil, &dialError{err}
			}
			return conn, nil
		},
	}
	if dial == nil {
		transport.Proxy = http.ProxyFromEnvironment
	}
	w.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // credentials go nowhere but to the broker
	}}
	return w
}

// dialError marks a connection that could not be opened: nothing was sent.
type dialError struct{ error }

func (e *dialError) Unwrap() error { return e.error }

// pinnedDialer dials, of several addresses behind one name, always the one
// that took the first connection.
type pinnedDialer struct {
	mu   sync.Mutex
	addr map[string]string
}

func (p *pinnedDialer) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	p.mu.Lock()
	known, ok := p.addr[addr]
	p.mu.Unlock()
	if !ok {
		known = addr
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, network, known)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.addr == nil {
		p.addr = map[string]string{}
	}
	if _, taken := p.addr[addr]; !taken {
		p.addr[addr] = conn.RemoteAddr().String()
	}
	return conn, nil
}

// do makes one call and returns the status and body of a success. Every call
// of this package may be repeated, so what may pass by itself is tried again:
// a connection that broke, 502, 503, and the 500 of a broker that is booting.
func (w *wire) do(ctx context.Context, method, path string, body []byte) (int, []byte, error) {
	for attempt := 0; ; attempt++ {
		status, answer, err := w.once(ctx, method, path, body)
		if w.passedOver(err, attempt) {
			continue
		}
		if err == nil || ctx.Err() != nil || attempt >= retries(err, method) {
			return status, answer, explain(ctx, method, path, err)
		}
		pause := 50 * time.Millisecond << attempt
		pause += rand.N(pause / 2)
		select {
		case <-ctx.Done():
			return 0, nil, explain(ctx, method, path, err)
		case <-time.After(pause):
		}
	}
}

// try makes one call a single time.
func (w *wire) try(ctx context.Context, method, path string, body []byte) (int, []byte, error) {
	status, answer, err := w.once(ctx, method, path, body)
	return status, answer, explain(ctx, method, path, err)
}

// retries says how often a call that ended so is tried again. One that reads
// gives up at once when nobody listens, so that a plan made without a broker
// does not wait.
func retries(err error, method string) int {
	var dial *dialError
	var api *APIError
	switch {
	case errors.As(err, &dial) && method == http.MethodGet:
		return 0
	case errors.As(err, &api):
		switch {
		case api.Status == http.StatusBadGateway, api.Status == http.StatusServiceUnavailable:
			return 4
		case api.Status == http.StatusInternalServerError && method == http.MethodGet:
			return 3 // a booting broker passes in 0.5 s; one that cannot list its objects stays so
		case api.Status == http.StatusInternalServerError && api.Reason == "":
			return 4
		}
		return 0
	case isConnectionLoss(err):
		if method == http.MethodGet {
			return 2
		}
		return 4
	default:
		return 0
	}
}

// isConnectionLoss reports whether no whole answer came for want of a
// connection.
func isConnectionLoss(err error) bool {
	var dial *dialError
	var op *net.OpError
	switch {
	case err == nil, errors.Is(err, errTimeout):
		return false
	case errors.As(err, &op) && op.Op == "remote error": // a TLS alert: someone is there and refuses
		return false
	case errors.As(err, &dial), errors.As(err, &op),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE),
		strings.Contains(err.Error(), "server closed idle connection"):
		return true
	default:
		return false
	}
}

var errTimeout = errors.New("no answer in time")

// explain turns the end of a call into an error that says what to do. Only a
// connection that could not be had means that the broker is not up.
func explain(ctx context.Context, method, path string, err error) error {
	var api *APIError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s %s: %w", method, path, context.Cause(ctx))
	case errors.As(err, &api):
		return diagnose(api)
	case errors.Is(err, errTimeout):
		return &resources.Diagnosis{Err: fmt.Errorf("%s %s: %w: the broker took the call and was silent for %s", method, path, errTimeout,
			callTimeout),
			Hint: "look whether the node is out of memory or blocked on its disk: docker logs of the broker's container tells"}
	case isConnectionLoss(err):
		return fmt.Errorf("management API %w: %w", resources.ErrUnreachable, err)
	default:
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
}

// diagnose adds what to do to the refusals that have one usual cause. RabbitMQ
// answers 401 for a wrong password, for a missing tag and for a name it keeps
// for itself alike; only the reason tells them apart.
func diagnose(e *APIError) error {
	hint := ""
	switch {
	case e.Status == http.StatusUnauthorized && isLoginRefused(e):
		hint = "check management.username and management.password in the rabbitmq section. The broker makes its default user only on an empty " +
			"data volume; after that, a password changed in .env does not reach it by itself"
	case e.Status == http.StatusUnauthorized && strings.Contains(e.Reason, "management user"):
		hint = "the management user needs the tag administrator"
	case e.Status == http.StatusUnauthorized && strings.Contains(e.Reason, "administrator user"):
		hint = "the management user needs the tag administrator"
	case e.Status == http.StatusUnauthorized && e.Path != "":
		hint = "the management user needs the tag administrator and permissions (configure, write, read: .*) on the virtual host"
	case e.Status == http.StatusInternalServerError && e.Method == http.MethodGet && e.Reason == "":
		hint = "the broker could not list its own objects. The usual causes are a queue whose name is not UTF-8, and a binding with arguments " +
			"whose routing key holds a ~; find and remove it with rabbitmqctl list_queues and list_bindings"
	}
	if hint == "" {
		return e
	}
	return &resources.Diagnosis{Err: e, Hint: hint}
}

// isLoginRefused tells a wrong name or password from a login without the
// rights to do something.
func isLoginRefused(e *APIError) bool {
	r := strings.ToLower(e.Reason)
	return e.Status == http.StatusUnauthorized && (r == "" || r == "not_authorized" || strings.Contains(r, "login failed"))
}

// once makes one attempt.
func (w *wire) once(ctx context.Context, method, path string, body []byte) (int, []byte, error) {
	callCtx, cancel := context.WithTimeoutCause(ctx, callTimeout, errTimeout)
	defer cancel()
	base := w.base()
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(callCtx, method, base+path, reader)
	if err != nil {
		return 0, nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("User-Agent", "midaz")
	req.SetBasicAuth(w.username, w.password.Reveal())
	res, err := w.client.Do(req)
	if err != nil {
		if ctx.Err() == nil && callCtx.Err() != nil {
			return 0, nil, errTimeout
		}
		w.passOver(base, err)
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // without it the text repeats method and URL
		}
		return 0, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	w.keep(base)
	ok := res.StatusCode/100 == 2
	limit := int64(maxErrorAnswer)
	if ok {
		limit = maxAnswer
	}
	data, err := io.ReadAll(io.LimitReader(res.Body, limit+1))
	switch {
	case err != nil && ctx.Err() == nil && callCtx.Err() != nil:
		return 0, nil, errTimeout
	case err != nil:
		return 0, nil, err
	case ok && int64(len(data)) > limit:
		return 0, nil, fmt.Errorf("the answer is larger than %d MiB", limit>>20)
	case !ok:
		return res.StatusCode, nil, &APIError{Method: method, Path: path, Status: res.StatusCode, Reason: reasonOf(data)}
	}
	return res.StatusCode, data, nil
}

func (w *wire) base() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.bases[0]
}

// keep makes base the node of this run.
func (w *wire) keep(base string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.chosen = w.chosen || w.bases[0] == base
}

// passOver puts a node that cannot be connected to behind the others, as long
// as none has answered.
func (w *wire) passOver(base string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var dial *dialError
	if w.chosen || len(w.bases) < 2 || w.bases[0] != base || !errors.As(err, &dial) {
		return
	}
	w.bases = append(w.bases[1:len(w.bases):len(w.bases)], base)
}

// passedOver reports whether a node that cannot be connected to was put behind
// another one that has not been tried by this call.
func (w *wire) passedOver(err error, attempt int) bool {
	var dial *dialError
	if !errors.As(err, &dial) {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.chosen && attempt < len(w.bases)-1
}

// reasonOf reads why the broker refused: {"error": …, "reason": …}, where the
// reason is a text, a list of texts, or an Erlang term in which texts are lists
// of character codes.
func reasonOf(data []byte) string {
	var body struct {
		Error  any `json:"error"`
		Reason any `json:"reason"`
	}
	if err := decode(data, &body); err != nil {
		return ""
	}
	text := flatten(body.Reason)
	if text == "" {
		text = flatten(body.Error)
	}
	text = strings.NewReplacer("&lt;&lt;", "", "&gt;&gt;", "", "&lt;", "<", "&gt;", ">", "&amp;", "&", "&quot;", `"`).Replace(text)
	return strings.Join(strings.Fields(text), " ")
}

func flatten(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []any:
		if text, ok := characters(v); ok {
			return text
		}
		var parts []string
		for _, e := range v {
			if s := flatten(e); s != "" {
				parts = append(parts, s)
			}
		}
		return strings.Join(parts, ": ")
	case nil:
		return ""
	case map[string]any:
		data, err := encode(resources.Normalize(v))
		if err != nil {
			return ""
		}
		return string(data)
	default:
		return fmt.Sprint(v)
	}
}

// characters reads a list of character codes as the text it stands for.
func characters(list []any) (string, bool) {
	var b strings.Builder
	for _, e := range list {
		n, ok := resources.Normalize(e).(int64)
		if !ok || n < 9 || n > 0x10FFFF {
			return "", false
		}
		b.WriteRune(rune(n))
	}
	return b.String(), b.Len() > 0
}
