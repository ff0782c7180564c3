package proxy_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/LerianStudio/midaz-infra/e2e/proxy"
)

// world is an upstream that counts the writes it has really done.
type world struct {
	*httptest.Server
	writes atomic.Int64
	paths  chan string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{paths: make(chan string, 100)}
	w.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.paths <- r.URL.EscapedPath()
		switch {
		case r.Header.Get("Upgrade") == "tcp":
			conn, brw, err := http.NewResponseController(rw).Hijack()
			if err != nil {
				return
			}
			defer conn.Close()
			fmt.Fprint(conn, "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
			line, _ := brw.ReadString('\n')
			fmt.Fprintf(conn, "echo %s", line)
		case r.URL.Path == "/v1.41/events":
			rw.WriteHeader(http.StatusOK)
			for i := range 2 {
				fmt.Fprintf(rw, "event %d\n", i)
				_ = http.NewResponseController(rw).Flush()
			}
			<-r.Context().Done()
		default:
			if r.Method != http.MethodGet {
				w.writes.Add(1)
			}
			body, _ := io.ReadAll(r.Body)
			rw.WriteHeader(http.StatusCreated)
			fmt.Fprintf(rw, "got %s", body)
		}
	}))
	t.Cleanup(w.Server.Close)
	return w
}

// through returns a proxy before the world and a client of it, over a unix socket.
func through(t *testing.T, w *world) (*proxy.Proxy, *http.Client) {
	t.Helper()
	p, err := proxy.New(w.URL)
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(t.TempDir(), "s")
	if _, err := p.Listen("unix", socket); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	client := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
		DisableKeepAlives: true, // or the client would repeat a GET whose connection was dropped
	}}
	return p, client
}

func post(client *http.Client, path string) (int, string, error) {
	res, err := client.Post("http://engine"+path, "text/plain", strings.NewReader("hello"))
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res.StatusCode, string(body), err
}

func TestCallsAreRecorded(t *testing.T) {
	w := newWorld(t)
	p, client := through(t, w)
	res, err := client.Get("http://engine/v1.41/containers/json?all=1")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if code, body, err := post(client, "/v1.41/containers/create"); err != nil || code != 201 || body != "got hello" {
		t.Fatalf("create: %d %q %v", code, body, err)
	}
	if _, _, err := post(client, "/api/queues/%2F/a.b"); err != nil {
		t.Fatal(err)
	}
	want := []string{"GET /containers/json", "POST /containers/create", "POST /api/queues/%2F/a.b"}
	calls := p.Calls()
	if len(calls) != len(want) {
		t.Fatalf("calls: %v", calls)
	}
	for i, c := range calls {
		if c.String() != want[i] || c.N != i+1 || c.W != i || c.Status != 201 {
			t.Errorf("call %d: %+v, want %s", i, c, want[i])
		}
	}
	if calls[0].Query != "all=1" {
		t.Errorf("query %q", calls[0].Query)
	}
	if n := len(p.Writes()); n != 2 {
		t.Errorf("%d writes", n)
	}
	<-w.paths
	<-w.paths
	if path := <-w.paths; path != "/api/queues/%2F/a.b" {
		t.Errorf("the upstream saw %s", path)
	}
	p.Reset()
	if n := len(p.Calls()); n != 0 {
		t.Errorf("%d calls after Reset", n)
	}
}

func TestAlivenessTestWrites(t *testing.T) {
	if !(proxy.Call{Method: "GET", Path: "/api/aliveness-test/%2F"}).Writes() {
		t.Error("it declares a queue and publishes")
	}
}

func TestStreamsPassAtOnce(t *testing.T) {
	_, client := through(t, newWorld(t))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, "GET", "http://engine/v1.41/events", nil)
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for i := range 2 { // the upstream never ends this answer
		if !lines.Scan() || lines.Text() != fmt.Sprintf("event %d", i) {
			t.Fatalf("line %d: %q %v", i, lines.Text(), lines.Err())
		}
	}
}

func TestUpgradedConnectionsCarryBothWays(t *testing.T) {
	w := newWorld(t)
	p, err := proxy.New(w.URL)
	if err != nil {
		t.Fatal(err)
	}
	addr, err := p.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "POST /v1.41/exec/x/start HTTP/1.1\r\nHost: engine\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n")
	r := bufio.NewReader(conn)
	res, err := http.ReadResponse(r, nil)
	if err != nil || res.StatusCode != 101 {
		t.Fatalf("%v %v", res, err)
	}
	fmt.Fprint(conn, "hi\n")
	if line, err := r.ReadString('\n'); err != nil || line != "echo hi\n" {
		t.Fatalf("%q %v", line, err)
	}
	if _, err := r.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("the upstream hung up, and the caller got %v", err)
	}
}

func TestFaults(t *testing.T) {
	for _, when := range []proxy.When{proxy.Before, proxy.After} {
		effect := int64(when) // done only when the fault comes after
		for _, what := range []proxy.What{proxy.Error, proxy.Reset, proxy.Hang} {
			acted := atomic.Int64{}
			f := proxy.Fault{When: when, What: what, Status: 503, Do: func() { acted.Add(1) }}
			t.Run(f.String(), func(t *testing.T) {
				w := newWorld(t)
				p, client := through(t, w)
				p.Inject(proxy.AtWrite(2, f))
				if code, _, err := post(client, "/first"); err != nil || code != 201 {
					t.Fatalf("the first write: %d %v", code, err)
				}
				if what == proxy.Hang {
					client.Timeout = 300 * time.Millisecond
				}
				code, body, err := post(client, "/second")
				switch what {
				case proxy.Error:
					if err != nil || code != 503 || !strings.Contains(body, "injected fault") {
						t.Errorf("%d %q %v", code, body, err)
					}
				case proxy.Reset:
					if !errors.Is(err, io.EOF) {
						t.Errorf("%d %q %v", code, body, err)
					}
				case proxy.Hang:
					if !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("%d %q %v", code, body, err)
					}
				}
				client.Timeout = 0
				if n := w.writes.Load(); n != 1+effect {
					t.Errorf("%d writes reached the upstream, want %d", n, 1+effect)
				}
				if acted.Load() != 1 {
					t.Errorf("Do ran %d times", acted.Load())
				}
				if code, _, err := post(client, "/third"); err != nil || code != 201 {
					t.Errorf("the third write: %d %v", code, err)
				}
			})
		}
	}
}

func TestHangIsCut(t *testing.T) {
	for _, when := range []proxy.When{proxy.Before, proxy.After} {
		p, client := through(t, newWorld(t))
		p.Inject(proxy.AtCall(1, proxy.Fault{When: when, What: proxy.Hang, Cut: 50 * time.Millisecond}))
		if code, _, err := post(client, "/x"); !errors.Is(err, io.EOF) {
			t.Errorf("%d %v", code, err)
		}
	}
}

func TestUntilSeesCallsAsTheyArrive(t *testing.T) {
	p, client := through(t, newWorld(t))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	found := make(chan error, 1)
	go func() {
		_, err := p.Until(ctx, func(c proxy.Call) bool { return c.Path == "/now" && c.Status == 201 })
		found <- err
	}()
	if _, _, err := post(client, "/now"); err != nil {
		t.Fatal(err)
	}
	if err := <-found; err != nil {
		t.Error(err)
	}
	cancel()
	if _, err := p.Until(ctx, func(c proxy.Call) bool { return c.Path == "/never" }); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestUpstreamThatIsGone(t *testing.T) {
	w := newWorld(t)
	_, client := through(t, w)
	w.Server.Close()
	if code, _, err := post(client, "/x"); !errors.Is(err, io.EOF) {
		t.Errorf("%d %v", code, err)
	}
}
