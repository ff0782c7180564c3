// Package brokertest is a RabbitMQ broker in memory: the management API as far
// as midaz uses it, with the behaviour that was measured on real ones, the
// inconvenient part of it in particular. It knows nothing of midaz.
package brokertest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Broker is the broker. Its knobs may be set before the first call.
type Broker struct {
	// Version is what it says it is, and how it behaves: "3.10.8", "4.0.5",
	// "4.3.6".
	Version string
	// Username and Password are the administrator that exists from the start.
	Username, Password string
	// Fault, when set, is asked before each call. What it returns as handled is
	// not handled further.
	Fault func(w http.ResponseWriter, r *http.Request) (handled bool)
	// DisabledPlugins are those of rabbitmq_shovel and rabbitmq_federation that are
	// not enabled.
	DisabledPlugins []string

	server *httptest.Server

	mu          sync.Mutex
	writes      []string // "PUT /api/queues/%2F/a", those that came and were not refused for the login
	reads       int
	bodies      []string
	vhosts      map[string]object
	users       map[string]object
	permissions map[[2]string]object
	topics      map[[3]string]object
	exchanges   map[[2]string]object
	queues      map[[2]string]object
	bindings    []object
	policies    map[[2]string]object
	operators   map[[2]string]object
	parameters  map[[3]string]object
	globals     map[string]any
	vhostLimits map[string]map[string]any
	userLimits  map[string]map[string]any
	counts      map[[2]string]Counts
	alarm       string
}

// Counts is what a queue holds.
type Counts struct{ Ready, Unacked, Consumers int }

type object = map[string]any

// New starts a broker of version 4.0.5 that ends with the test.
func New(t testing.TB) *Broker {
	t.Helper()
	b := &Broker{
		Version: "4.0.5", Username: "midaz", Password: "s3cret-management",
		vhosts: map[string]object{}, users: map[string]object{}, permissions: map[[2]string]object{}, topics: map[[3]string]object{},
		exchanges: map[[2]string]object{}, queues: map[[2]string]object{}, policies: map[[2]string]object{}, operators: map[[2]string]object{},
		parameters: map[[3]string]object{}, globals: map[string]any{}, vhostLimits: map[string]map[string]any{},
		userLimits: map[string]map[string]any{},
		counts:     map[[2]string]Counts{},
	}
	b.globals["cluster_tags"] = []any{}
	b.globals["internal_cluster_id"] = "rabbitmq-cluster-id-test"
	b.users[b.Username] = object{"name": b.Username, "tags": []any{"administrator"}, "password_hash": hashPassword(b.Password),
		"hashing_algorithm": defaultAlgorithm, "limits": object{}}
	b.makeVhost("/", object{"description": "Default virtual host"}, b.Username)
	b.server = httptest.NewServer(http.HandlerFunc(b.serve))
	t.Cleanup(b.server.Close)
	return b
}

// URL is the management API's address.
func (b *Broker) URL() string { return b.server.URL }

// Close stops it before the test's end.
func (b *Broker) Close() {
	b.server.CloseClientConnections()
	b.server.Close()
}

// Writes returns the writing calls since the last ResetCalls.
func (b *Broker) Writes() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.writes)
}

// Reads counts the reading calls since the last ResetCalls.
func (b *Broker) Reads() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.reads
}

// Bodies returns what was sent since the last ResetCalls.
func (b *Broker) Bodies() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(b.bodies, "\n")
}

// ResetCalls forgets the calls.
func (b *Broker) ResetCalls() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.writes, b.reads, b.bodies = nil, 0, nil
}

// Load sets what a queue holds.
func (b *Broker) Load(vhost, queue string, c Counts) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.counts[[2]string{vhost, queue}] = c
}

// Consume sets how many consumers a queue has.
func (b *Broker) Consume(vhost, queue string, n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.counts[[2]string{vhost, queue}]
	c.Consumers = n
	b.counts[[2]string{vhost, queue}] = c
}

// Alarm raises an alarm; "" clears it.
func (b *Broker) Alarm(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.alarm = text
}

// Forget leaves an exchange's auto_delete undefined, as the import of
// definitions that do not say it does before 4.2.2.
func (b *Broker) Forget(vhost, exchange string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.exchanges[[2]string{vhost, exchange}]["auto_delete"] = "undefined"
}

// Twin makes a second binding between the two that looks the same as JSON: its
// arguments are of another AMQP type, so that the broker keeps both.
func (b *Broker) Twin(vhost, source, queue string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, o := range b.bindings {
		if o["vhost"] == vhost && o["source"] == source && o["destination"] == queue {
			twin := maps.Clone(o)
			twin["properties_key"] = o["properties_key"].(string) + "B"
			b.bindings = append(b.bindings, twin)
			return
		}
	}
}

// Do makes a call as the administrator; see Client.Do.
func (b *Broker) Do(t testing.TB, method, path, body string) any {
	t.Helper()
	return (&Client{URL: b.URL(), Username: b.Username, Password: b.Password}).Do(t, method, path, body)
}

// Client calls a broker, in memory or real, as a person with curl would.
type Client struct{ URL, Username, Password string }

// Do makes a call and returns the answer decoded, with numbers as written. A
// refusal fails the test.
func (c *Client) Do(t testing.TB, method, path, body string) any {
	t.Helper()
	req, err := http.NewRequest(method, c.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(c.Username, c.Password)
	req.Header.Set("Content-Type", "application/json")
	req.Header["Idempotency-Key"] = nil // made again where a kept connection had just ended
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	data, _ := io.ReadAll(res.Body)
	if res.StatusCode/100 != 2 {
		t.Fatalf("%s %s: %s: %s", method, path, res.Status, data)
	}
	if len(data) == 0 {
		return nil
	}
	v, err := parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func parse(data []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	err := dec.Decode(&v)
	return v, err
}

// answer ends a call early, as a panic that serve catches.
type answer struct {
	status int
	body   any
}

func refuse(status int, kind string, reason any) {
	panic(answer{status, object{"error": kind, "reason": reason}})
}

func badRequest(format string, args ...any) {
	refuse(http.StatusBadRequest, "bad_request", fmt.Sprintf(format, args...))
}

func notFound() { refuse(http.StatusNotFound, "Object Not Found", "Not Found") }

func ok(body any) { panic(answer{http.StatusOK, body}) }

func done(created bool) {
	if created {
		panic(answer{http.StatusCreated, nil})
	}
	panic(answer{http.StatusNoContent, nil})
}

// call is one request, with its path's parts decoded.
type call struct {
	method string
	parts  []string
	query  url.Values
	body   object
	user   string
	admin  bool
}

func (c *call) part(i int) string {
	if i < len(c.parts) {
		return c.parts[i]
	}
	return ""
}

func (b *Broker) serve(w http.ResponseWriter, r *http.Request) {
	if b.Fault != nil && b.Fault(w, r) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	defer func() {
		switch p := recover().(type) {
		case nil:
		case answer:
			if p.body == nil {
				w.WriteHeader(p.status)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			data, err := json.Marshal(p.body)
			if err != nil {
				w.WriteHeader(http.StatusInternalServerError)
				return
			}
			w.WriteHeader(p.status)
			_, _ = w.Write(data)
		default:
			panic(p)
		}
	}()
	c := b.read(r)
	b.route(c)
	notFound()
}

// read checks who asks and what.
func (b *Broker) read(r *http.Request) *call {
	user, password, _ := r.BasicAuth()
	known := b.users[user]
	if known == nil || !checkPassword(known, password) {
		refuse(http.StatusUnauthorized, "not_authorized", "Not_Authorized")
	}
	tags := fmt.Sprint(known["tags"])
	c := &call{method: r.Method, query: r.URL.Query(), user: user, admin: strings.Contains(tags, "administrator")}
	if tags == "[]" {
		refuse(http.StatusUnauthorized, "not_authorised", "Not management user")
	}
	for _, p := range strings.Split(strings.TrimPrefix(r.URL.EscapedPath(), "/api/"), "/") {
		d, err := url.PathUnescape(p)
		if err != nil {
			badRequest("malformed path")
		}
		c.parts = append(c.parts, d)
	}
	data, _ := io.ReadAll(r.Body)
	if r.Method == http.MethodGet {
		b.reads++
	} else {
		b.writes = append(b.writes, r.Method+" "+r.URL.EscapedPath())
		b.bodies = append(b.bodies, string(data))
	}
	if len(data) > 0 {
		v, err := parse(data)
		m, isMap := v.(map[string]any)
		if err != nil || !isMap {
			refuse(http.StatusBadRequest, "bad_request", "not_json")
		}
		c.body = m
	}
	return c
}

func (b *Broker) route(c *call) {
	if e, ok := endpoints[c.part(0)]; ok {
		e.serve(b, c)
	}
}

var (
	_ = register("overview", endpoint{serve: (*Broker).overview})
	_ = register("nodes", endpoint{serve: (*Broker).nodes})
	_ = register("health", endpoint{serve: (*Broker).health})
)

func (b *Broker) overview(*call) {
	types := []any{}
	for _, t := range []string{"direct", "fanout", "topic", "headers", "x-local-random"} {
		types = append(types, object{"name": t, "enabled": true})
	}
	ok(object{"rabbitmq_version": b.Version, "node": "rabbit@test", "cluster_name": "rabbit@test", "exchange_types": types,
		"listeners": []any{object{"protocol": "http", "port": 15672}}})
}

func (b *Broker) nodes(*call) {
	plugins := []any{"rabbitmq_management"}
	for _, name := range []string{"rabbitmq_shovel", "rabbitmq_federation"} {
		if !slices.Contains(b.DisabledPlugins, name) {
			plugins = append(plugins, name)
		}
	}
	ok([]any{object{"name": "rabbit@test", "running": true, "enabled_plugins": plugins}})
}

func (b *Broker) health(c *call) {
	switch c.part(2) {
	case "virtual-hosts", "port-listener":
		ok(object{"status": "ok"})
	case "local-alarms":
		if b.alarm != "" {
			panic(answer{http.StatusServiceUnavailable, object{"status": "failed", "reason": b.alarm}})
		}
		ok(object{"status": "ok"})
	case "ready-to-serve-clients":
		if b.since("4.2") {
			ok(object{"status": "ok"})
		}
	}
}

// since reports whether the broker is at least of a version such as "4.2".
func (b *Broker) since(version string) bool {
	var a, c [2]int
	_, _ = fmt.Sscanf(b.Version, "%d.%d", &a[0], &a[1])
	_, _ = fmt.Sscanf(version, "%d.%d", &c[0], &c[1])
	return slices.Compare(a[:], c[:]) >= 0
}

// needAdmin refuses who may not manage users and what is global.
func (c *call) needAdmin() {
	if !c.admin {
		refuse(http.StatusUnauthorized, "not_authorised", "Not administrator user")
	}
}

// text reads a text of the body.
func (c *call) text(key string) string { s, _ := c.body[key].(string); return s }

func sorted[K comparable](m map[K]object) []any {
	out := make([]any, 0, len(m))
	for _, o := range m {
		out = append(out, o)
	}
	slices.SortFunc(out, byName)
	return out
}

// byName orders objects by what names them.
func byName(a, b any) int {
	x, y := a.(object), b.(object)
	for _, key := range []string{"vhost", "name", "component", "user", "exchange"} {
		s, _ := x[key].(string)
		t, _ := y[key].(string)
		if c := strings.Compare(s, t); c != 0 {
			return c
		}
	}
	return 0
}

func canonical(v any) string {
	data, _ := json.Marshal(v)
	return string(data)
}

// list shows an empty object as the broker does.
func list(v any) any {
	if m, ok := v.(map[string]any); ok && len(m) == 0 {
		return []any{}
	}
	return v
}
