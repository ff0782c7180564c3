package docker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/dockerapi"
)

// fakeDaemon answers on a socket as an engine does, as far as the handler goes.
func fakeDaemon(t *testing.T, handler http.HandlerFunc) (host string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "midaz") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.41")
		w.Header().Set("Ostype", "linux")
		w.Header().Set("Server", "Docker/20.10.24 (linux)")
		if strings.HasSuffix(r.URL.Path, "/_ping") {
			return
		}
		handler(w, r)
	}), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return "unix://" + path
}

func env(vars map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := vars[name]; return v, ok }
}

func TestEndpointOrder(t *testing.T) {
	dir := t.TempDir()
	sum := sha256.Sum256([]byte("prod"))
	id := hex.EncodeToString(sum[:])
	write := func(name, text string) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("contexts/meta/"+id+"/meta.json", `{"Name":"prod","Endpoints":{"docker":{"Host":"tcp://prod:2376"}}}`)
	write("config.json", `{"currentContext":"prod"}`)
	base := map[string]string{"DOCKER_CONFIG": dir}
	with := func(pairs ...string) map[string]string {
		out := map[string]string{"DOCKER_CONFIG": dir}
		for i := 0; i < len(pairs); i += 2 {
			out[pairs[i]] = pairs[i+1]
		}
		return out
	}
	for name, c := range map[string]struct {
		o    dockerapi.Options
		env  map[string]string
		want string
	}{
		"nothing": {env: map[string]string{"DOCKER_CONFIG": t.TempDir()},
			want: "unix:///var/run/docker.sock from Docker's default"},
		"current context":             {env: base, want: `tcp://prod:2376 from the current Docker context "prod"`},
		"default context":             {env: with("DOCKER_CONTEXT", "default"), want: "unix:///var/run/docker.sock from Docker's default"},
		"DOCKER_CONTEXT":              {env: with("DOCKER_CONTEXT", "prod"), want: `tcp://prod:2376 from DOCKER_CONTEXT "prod"`},
		"DOCKER_HOST beats a context": {env: with("DOCKER_HOST", "tcp://a:1", "DOCKER_CONTEXT", "prod"), want: "tcp://a:1 from DOCKER_HOST"},
		"--context beats DOCKER_HOST": {o: dockerapi.Options{Context: "prod"}, env: with("DOCKER_HOST", "tcp://a:1"),
			want: `tcp://prod:2376 from context "prod" of the command line`},
		"--host beats all": {o: dockerapi.Options{Host: "unix:///x", Context: "prod"}, env: with("DOCKER_HOST", "tcp://a:1"),
			want: "unix:///x from --host"},
	} {
		c.o.LookupEnv = env(c.env)
		at, err := c.o.Endpoint()
		if got := at.Host + " from " + at.From; err != nil || got != c.want {
			t.Errorf("%s: %s %v, want %s", name, got, err, c.want)
		}
	}
	for _, bad := range []map[string]string{with("DOCKER_CONTEXT", "nowhere"), with("DOCKER_HOST", "localhost:2375"),
		with("DOCKER_HOST", "ftp://x"),
		with("DOCKER_HOST", "ssh://-oProxyCommand=x"), with("DOCKER_HOST", "ssh://u:p@h"), with("DOCKER_HOST", "tcp://h:1", "DOCKER_TLS_VERIFY",
			"1", "DOCKER_CERT_PATH", dir+"/config.json"),
		with("DOCKER_HOST", "tcp://h:1", "DOCKER_TLS_VERIFY", "1", "DOCKER_CERT_PATH", dir+"/missing"),
		with("DOCKER_HOST", "tcp://h:1", "DOCKER_CERT_PATH", t.TempDir())} {
		if _, err := (dockerapi.Options{LookupEnv: env(bad)}).Endpoint(); err == nil {
			t.Errorf("%v is accepted", bad)
		}
		if bad["DOCKER_TLS_VERIFY"] != "" || bad["DOCKER_CERT_PATH"] != "" {
			continue
		}
		_, err := OpenReader(t.Context(), dockerapi.Options{LookupEnv: env(bad)})
		var d *resources.Diagnosis
		if !errors.As(err, &d) || d.Hint == "" || !errors.Is(err, resources.ErrUnreachable) {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

func TestSSHArguments(t *testing.T) {
	h, err := dockerapi.NewSSHHost("ssh://deploy@build.example.test:2222")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(h.Args(), " "); got != "-T -o ConnectTimeout=30 -o BatchMode=yes -l deploy -p 2222 -- build.example.test docker "+
		"system dial-stdio" {
		t.Error(got)
	}
	if h.Target() != "deploy@build.example.test" {
		t.Error(h.Target())
	}
}

func TestUnreachable(t *testing.T) {
	nobody := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", nobody)
	if err != nil {
		t.Skip(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = l.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for host, hint := range map[string]string{
		"unix:///nowhere/docker.sock":     "there is no socket /nowhere/docker.sock",
		"unix://" + nobody:                "no engine listens",
		"tcp://127.0.0.1:1":               "correct DOCKER_HOST",
		"tcp://" + silent.Addr().String(): "correct DOCKER_HOST",
	} {
		_, err := Open(t.Context(), dockerapi.Options{Host: host, Timeout: 200 * time.Millisecond})
		var d *resources.Diagnosis
		if !errors.As(err, &d) || !errors.Is(err, resources.ErrUnreachable) {
			t.Errorf("%s: %v", host, err)
			continue
		}
		if !strings.Contains(err.Error(), host) || !strings.Contains(err.Error(), "--host") || !strings.Contains(d.Hint, hint) {
			t.Errorf("%v, hint %q", err, d.Hint)
		}
	}
}

func TestOldEngineIsRefused(t *testing.T) {
	host := fakeDaemon(t, func(http.ResponseWriter, *http.Request) {})
	_, err := OpenReader(t.Context(), dockerapi.Options{Host: host, LookupEnv: env(map[string]string{"DOCKER_API_VERSION": "1.30"})})
	if err == nil || !strings.Contains(err.Error(), "1.41") {
		t.Error(err)
	}
}

// A ReadEngine cannot write, even when something converts its interface.
func TestReadEngineCannotWrite(t *testing.T) {
	var writes atomic.Int32
	host := fakeDaemon(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			writes.Add(1)
		}
		_, _ = io.WriteString(w, "{}")
	})
	e, err := OpenReader(t.Context(), dockerapi.Options{Host: host})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	w, ok := e.api.(writeAPI)
	if !ok {
		return
	}
	if err := w.ContainerStart(t.Context(), "x", container.StartOptions{}); !errors.Is(err, dockerapi.ErrReadOnly) {
		t.Errorf("it wrote: %v", err)
	}
	if n := writes.Load(); n != 0 {
		t.Errorf("%d writing calls went out", n)
	}
	full, err := Open(t.Context(), dockerapi.Options{Host: host})
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	if err := full.api.ContainerStart(t.Context(), "x", container.StartOptions{}); err != nil || writes.Load() != 1 {
		t.Errorf("an engine opened for writing cannot: %v", err)
	}
}

// A stream has no end, but each message in it has.
func TestMessagesOfAStreamAreBounded(t *testing.T) {
	line := strings.Repeat("x", 1<<20) + "\n"
	many := &dockerapi.BoundedLines{ReadCloser: io.NopCloser(strings.NewReader(strings.Repeat(line, 2*dockerapi.MaxMessage>>20)))}
	if n, err := io.Copy(io.Discard, many); err != nil || n < 2*dockerapi.MaxMessage {
		t.Errorf("%d bytes, %v", n, err)
	}
	host := fakeDaemon(t, func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := w.Write([]byte(strings.Repeat(`{"status":"`, 1000))); err != nil {
				return
			}
		}
	})
	e, err := Open(t.Context(), dockerapi.Options{Host: host})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	body, err := e.api.ImagePull(t.Context(), "endless", image.PullOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if n, err := io.Copy(io.Discard, body); err == nil || !strings.Contains(err.Error(), "longer than 16 MiB") {
		t.Errorf("%d bytes, %v", n, err)
	}
}

func TestAnswersAreBounded(t *testing.T) {
	b := &dockerapi.BoundedBody{ReadCloser: io.NopCloser(strings.NewReader("0123456789")), Left: 4}
	text, err := io.ReadAll(b)
	if string(text) != "0123" || err == nil {
		t.Errorf("%q %v", text, err)
	}
}

// A changing call outlives an interrupt for a moment, and not for ever.
func TestLasting(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	out, done := lasting(ctx, time.Minute)
	interrupt()
	if out.Err() != nil {
		t.Error("an interrupt cuts it off at once")
	}
	deadline, ok := out.Deadline()
	if !ok || time.Until(deadline) > time.Minute {
		t.Error("it has no limit of its own")
	}
	done()
	if out.Err() == nil {
		t.Error("it does not end when its call has")
	}
	out, done = lasting(ctx, time.Minute)
	defer done()
	select {
	case <-out.Done():
	case <-time.After(interruptGrace + 5*time.Second):
		t.Error("an interrupted call lasts for ever")
	}
}

func TestFacts(t *testing.T) {
	var asked atomic.Int32
	host := fakeDaemon(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/info") {
			asked.Add(1)
			fmt.Fprint(w, `{"NCPU":3,"ServerVersion":"20.10.24"}`)
		}
	})
	e, err := OpenReader(t.Context(), dockerapi.Options{Host: host})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for range 3 {
		f, err := e.knowing(t.Context())
		if err != nil || f.API != "1.41" || f.Info.NCPU != 3 {
			t.Errorf("%+v %v", f, err)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestPublicName(t *testing.T) {
	for host, want := range map[string]string{"unix:///var/run/docker.sock": "127.0.0.1", "tcp://10.0.0.5:2376": "10.0.0.5",
		"tcp://[fd00::1]:2376": "fd00::1", "tcp://h": "h"} {
		if got := (dockerapi.EngineHost{Host: host}).PublicName(); got != want {
			t.Errorf("%s: %s, want %s", host, got, want)
		}
	}
	ssh, _ := dockerapi.NewSSHHost("ssh://u@h:22")
	if got := (dockerapi.EngineHost{Host: "ssh://u@h:22", SSH: ssh}).PublicName(); got != "h" {
		t.Error(got)
	}
	for host, want := range map[string]bool{"unix:///var/run/docker.sock": true, "tcp://127.0.0.1:2375": true, "tcp://10.0.0.5:2376": false,
		"ssh://h": false, "unix:///home/u/.docker/desktop/docker.sock": false} {
		if got := (dockerapi.EngineHost{Host: host}).IsLocal(); got != want {
			t.Errorf("%s: local %v", host, got)
		}
	}
}

// A plan with nothing to do must not wait for the engine's description of the
// host, which takes it longer than everything else together.
func TestFactsCostNoCall(t *testing.T) {
	var asked atomic.Int32
	host := fakeDaemon(t, func(http.ResponseWriter, *http.Request) {
		asked.Add(1)
	})
	e, err := OpenReader(t.Context(), dockerapi.Options{Host: host})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	f, err := e.facts(t.Context())
	if err != nil || f.Version != "20.10.24" || f.API != "1.41" {
		t.Errorf("%+v %v", f, err)
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("asked %d times", n)
	}
}
