//go:build e2e

package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/LerianStudio/midaz-infra/resources"
)

// gated starts a service with the settings and waits for its gate.
func gated(y *yard, settings string) (error, time.Duration) {
	y.t.Helper()
	all := y.spec("services:\n  web:\n    image: TINY\n    " + strings.ReplaceAll(strings.TrimSpace(settings), "\n", "\n    ") + "\n")
	for _, n := range all.Of("network") {
		if err := writerOver(y.e, "network").Create(y.t.Context(), n, y.note(n.Addr)); err != nil {
			y.t.Fatal(err)
		}
	}
	r := all.Get(resources.NewAddr("service", "web"))
	w := containerWriter{y.e}
	if err := w.Create(y.t.Context(), r, y.note(r.Addr)); err != nil {
		y.t.Fatal(err)
	}
	y.t.Cleanup(func() { y.drop(context.Background(), y.stack+"-web") })
	began := time.Now()
	err := w.Await(y.t.Context(), r, y.note(r.Addr))
	return err, time.Since(began)
}

func TestGates(t *testing.T) {
	t.Parallel()
	const probe = "/tiny, probe, \"http://127.0.0.1:8080/health\""
	for name, c := range map[string]struct{ settings, fails string }{
		"healthy, by a probe of ours": {"command: [serve, -healthy-after, 300ms]\nhealthcheck: { test: [CMD, " + probe +
			"], interval: 1h }\ngate: { healthy: true }", ""},
		"healthy, by the engine": {"command: [serve]\nhealthcheck: { test: [CMD, " + probe + "], interval: 100ms }", ""},
		"tcp":                    {"command: [serve, -after, 300ms]\ngate: { tcp: 8080 }", ""},
		"http": {"command: [serve, -healthy-after, 300ms]\ngate: { http: { port: 8080, path: /health, body: \"^well\" } }",
			""},
		"exec":   {"command: [serve, -healthy-after, 300ms]\ngate: { exec: [" + probe + "] }", ""},
		"log":    {"command: [serve, -log, \"ready 7\", -log-after, 300ms]\ngate: { log: \"^ready \\\\d+$\" }", ""},
		"stable": {"command: [serve]\ngate: { stable_for: 300ms }", ""},
		"all of them": {"command: [serve, -log, ready]\ngate: { tcp: 8080, http: { port: 8080 }, log: ready, stable_for: 300ms }",
			""},
		"eventual, through an exit": {"command: [serve, -fail-first, /tmp/x]\nrestart: always\ngate: { tcp: 8080, mode: eventual }", ""},

		"exited": {"command: [serve, -exit-after, 100ms, -exit-code, \"3\", -after, 1h]\ngate: { tcp: 8080, mode: eventual }",
			"the container exited with code 3"},
		"exited, fail fast": {"command: [serve, -exit-after, 100ms, -exit-code, \"3\", -after, 1h]\nrestart: always\ngate: { tcp: 8080, " +
			"mode: fail_fast }", "the container exited with code 3 and was restarted"},
		"restarts": {"command: [serve, -exit-after, 100ms, -after, 1h]\nrestart: always\ngate: { stable_for: 2s, timeout: 3s, " +
			"mode: eventual }", "timed out after 3s; the container was restarted"},
		"times out": {"command: [serve, -healthy-after, 1h]\nhealthcheck: { test: [CMD, " + probe +
			"], interval: 1h }\ngate: { healthy: true, timeout: 1s }", "timed out after 1s, waiting for health check"},
		"unhealthy, fail fast": {"command: [serve, -healthy-after, 1h]\nhealthcheck: { test: [CMD, " + probe +
			"], interval: 100ms, retries: 1 }\ngate: { healthy: true, mode: fail_fast }", "the health check failed"},
		"wrong status":    {"command: [serve, -status, \"500\"]\ngate: { http: { port: 8080 }, timeout: 1s }", "timed out after 1s"},
		"no health check": {"command: [serve]\ngate: { healthy: true, timeout: 1h }", "has none"},
	} {
		t.Run(name, func(t *testing.T) {
			y := newYard(t)
			err, took := gated(y, c.settings)
			t.Logf("%v: %v", took, err)
			if c.fails == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var failed *resources.GateError
			if !errors.As(err, &failed) {
				t.Fatalf("%v is no failure of a gate", err)
			}
			// One that fails at once may do so before the process has said anything.
			if !strings.Contains(failed.Cause, c.fails) || failed.Next.Logs+failed.Next.Container == "" || len(failed.Logs) == 0 &&
				c.fails != "has none" {
				t.Errorf("%+v", failed)
			}
		})
	}
}

func TestGateShowsNoSecret(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	all := y.spec("services:\n  web: { image: TINY, command: [say, hunter2hunter2], environment: { X: Y } }\n")
	r := all.Of("service")[0]
	r.Config["environment"] = map[string]any{"X": resources.NewSecret("hunter2hunter2")}
	w := containerWriter{y.e}
	for _, n := range all.Of("network") {
		if err := writerOver(y.e, "network").Create(t.Context(), n, y.note(n.Addr)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Create(t.Context(), r, y.note(r.Addr)); err != nil {
		t.Fatal(err)
	}
	err := w.Await(t.Context(), r, y.note(r.Addr))
	var failed *resources.GateError
	if !errors.As(err, &failed) || strings.Contains(fmt.Sprintf("%+v", *failed), "hunter2") || !strings.Contains(strings.Join(failed.Logs, ""),
		resources.Masked) {
		t.Errorf("%+v", failed)
	}
}

// Many gates at one time share one stream of events and few probes.
func TestManyGates(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	var b strings.Builder
	b.WriteString("services:\n")
	for i := range 8 {
		fmt.Fprintf(&b, "  s%d: { image: TINY, command: [serve, -healthy-after, 300ms], healthcheck: { test: [CMD, /tiny, probe, "+
			"\"http://127.0.0.1:8080/health\"], interval: 1h } }\n", i)
	}
	all := y.spec(b.String())
	for _, n := range all.Of("network") {
		if err := writerOver(y.e, "network").Create(t.Context(), n, y.note(n.Addr)); err != nil {
			t.Fatal(err)
		}
	}
	w := containerWriter{y.e}
	began := time.Now()
	var wg sync.WaitGroup
	for _, r := range all.Of("service") {
		wg.Go(func() {
			if err := errors.Join(w.Create(t.Context(), r, y.note(r.Addr)), w.Await(t.Context(), r, y.note(r.Addr))); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	t.Logf("8 services ready after %v", time.Since(began))
}

func TestDialer(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	all := y.spec("services:\n  web: { image: TINY, ports: [\"127.0.0.1::8080\"], gate: { tcp: 8080 } }\n")
	r := all.Get(resources.NewAddr("service", "web"))
	dial := y.e.Dialer()
	if _, err := dial(t.Context(), r, 8080); !errors.Is(err, resources.ErrUnreachable) {
		t.Errorf("no container: %v", err)
	}
	y.must(all)
	for _, local := range []bool{true, false} {
		y.e.local = local
		client := http.Client{Transport: &http.Transport{DialContext: dialTo(dial, r, 8080)}}
		res, err := client.Get("http://web/")
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if string(text) != "tiny\n" {
			t.Errorf("%q", text)
		}
	}
	if _, err := dial(t.Context(), r, 9); err == nil || !strings.Contains(err.Error(), "publish") {
		t.Errorf("a port that is not published, from elsewhere: %v", err)
	}
	y.e.local = true
	if _, err := dial(t.Context(), r, 9); !errors.Is(err, resources.ErrUnreachable) {
		t.Errorf("a port where nothing listens: %v", err)
	}
	if err := y.raw.ContainerStop(t.Context(), y.stack+"-web", container.StopOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := dial(t.Context(), r, 8080); !errors.Is(err, resources.ErrUnreachable) {
		t.Errorf("stopped: %v", err)
	}
}

// A published port is open before anything listens behind it.
func TestPublishedPortIsNotTakenForTheService(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	y.e.local = false
	err, took := gated(y, "command: [serve, -after, 700ms]\nports: [\"127.0.0.1::8080\"]\ngate: { tcp: 8080 }")
	if err != nil || took < 500*time.Millisecond {
		t.Errorf("ready after %v: %v", took, err)
	}
}

func TestLook(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	y.must(y.spec("services:\n  web: { image: TINY, command: [serve, -log, hello], ports: [\"127.0.0.1::8080\"], gate: { log: hello } " +
		"}\njobs:\n  init: { image: TINY, command: [say, done] }\n"))
	all, err := y.e.Services(t.Context(), y.stack)
	if err != nil || len(all) != 2 {
		t.Fatal(all, err)
	}
	web, init := all[0], all[1]
	if web.Addr.String() != "service/web" || web.State != "running" || len(web.Ports) != 1 || !strings.HasSuffix(web.Ports[0], "->8080/tcp") ||
		web.Age <= 0 || web.Image != y.tiny {
		t.Errorf("%+v", web)
	}
	if init.Addr.String() != "job/init" || init.State != "exited (0)" || init.Ended.IsZero() {
		t.Errorf("%+v", init)
	}
	var lines []string
	if err := y.e.Logs(t.Context(), init.ID, LogOptions{Follow: true, Timestamps: true}, func(l LogLine) {
		lines = append(lines, l.Text)
		if l.At.IsZero() || l.Stderr {
			t.Errorf("%+v", l)
		}
	}); err != nil || strings.Join(lines, "|") != "done" {
		t.Errorf("%q %v", lines, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := y.e.Logs(ctx, web.ID, LogOptions{Follow: true}, func(l LogLine) {
		if l.Text == "hello" {
			cancel()
		}
	}); err != nil {
		t.Error(err)
	}
	about, err := y.e.About(t.Context())
	if err != nil || about.Version == "" || about.CPUs == 0 || about.Memory == 0 {
		t.Errorf("%+v %v", about, err)
	}
}

// buildable is a spec of an image that is built, and the folder it is built from.
func buildable(y *yard, more string) *resources.Declared {
	return y.spec("services:\n  web:\n    image: " + y.stack + "/app:1\n    build: { context: app, args: { V: \"1\" }" + more +
		" }\n    command: [serve]\n")
}

func (y *yard) write(name, text string) {
	y.t.Helper()
	path := filepath.Join(y.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		y.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		y.t.Fatal(err)
	}
}

func TestBuild(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	t.Cleanup(func() { removeImages(y) })
	y.write("app/Dockerfile", "FROM "+y.tiny+"\nARG V\nLABEL v=$V\nCOPY . /src/\n")
	y.write("app/a.txt", "one")
	y.write("app/ignored.log", "one")
	y.write("app/.dockerignore", "*.log\n")
	if err := os.Symlink("/etc/passwd", filepath.Join(y.dir, "app", "link")); err != nil {
		t.Fatal(err)
	}
	all := buildable(y, "")
	y.must(all)
	y.converged(all)
	first := y.inspect(y.stack + "-web").Image
	y.write("app/ignored.log", "two")
	y.converged(buildable(y, ""))
	y.write("app/a.txt", "two")
	all = buildable(y, "")
	y.must(all)
	y.converged(all)
	now := y.inspect(y.stack + "-web")
	if now.Image == first {
		t.Error("a changed file made no other image")
	}
	img, err := y.raw.ImageInspect(t.Context(), y.stack+"/app:1")
	if err != nil || img.Config.Labels["v"] != "1" || img.Config.Labels[labelBuildStack] != y.stack {
		t.Errorf("%+v %v", img.Config, err)
	}
	files, err := y.e.filesHave(t.Context(), now.ID, []file{{Target: "/src/a.txt"}, {Target: "/src/ignored.log"}, {Target: "/src/link"}}, true)
	if err != nil || mapOf(files["/src/a.txt"])["content"] != "two" || files["/src/ignored.log"] != nil ||
		mapOf(files["/src/link"])["content"] != "(a symbolic link to /etc/passwd)" {
		t.Errorf("%v %v", files, err)
	}
	// Other options are another image, too.
	all = buildable(y, ", labels: { x: y }")
	y.must(all)
	y.converged(all)
}

func TestBuildInline(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	t.Cleanup(func() { removeImages(y) })
	y.write("app/a.txt", "one")
	all := buildable(y, ", dockerfile_inline: \"FROM "+y.tiny+"\\nCOPY . /src/\\n\"")
	y.must(all)
	y.converged(all)
	files, err := y.e.filesHave(t.Context(), y.inspect(y.stack+"-web").ID, []file{{Target: "/src/a.txt"}, {Target: "/src/" + addedDockerfile}},
		true)
	if err != nil || files["/src/a.txt"] == nil || files["/src/"+addedDockerfile] != nil {
		t.Errorf("%v %v", files, err)
	}
}

func TestBuildThatFails(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	t.Cleanup(func() { removeImages(y) })
	for dockerfile, says := range map[string]string{
		"FROM " + y.tiny + "\nRUN [\"/tiny\", \"exit\", \"7\"]\n":                  "non-zero code",
		"FROM " + y.tiny + "\nCOPY nowhere /x\n":                                   "COPY failed",
		"FROM localhost:1/midaz-tb/nowhere:1\n":                                    "connection refused",
		"FROM " + y.tiny + "\nRUN [\"/tiny\", \"append\", \"/dev/full\", \"x\"]\n": "no space left on device",
	} {
		y.write("app/Dockerfile", dockerfile)
		err := y.apply(y.e, buildable(y, ""))
		if err == nil || !strings.Contains(err.Error(), says) || hint(err) == "" {
			t.Errorf("%q: %v, hint %q", dockerfile, err, hint(err))
		}
		t.Log(err, "|", hint(err))
	}
}

func removeImages(y *yard) {
	for _, c := range y.containers() {
		name, _, _ := strings.Cut(c, " ")
		y.drop(context.Background(), name)
	}
	removeImage(y, y.stack+"/app:1")
}

func TestImageThatIsNowhere(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	for policy, says := range map[string]string{"missing": "connection refused", "never": "never"} {
		err := y.apply(y.e, y.spec("services:\n  web: { image: \"localhost:1/midaz-tb/nowhere:1\", pull_policy: "+policy+" }\n"))
		if err == nil || !strings.Contains(err.Error(), says) || hint(err) == "" {
			t.Errorf("%s: %v, hint %q", policy, err, hint(err))
		}
	}
}

// What only BuildKit understands is built by it, without a session.
func TestBuildKit(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	t.Cleanup(func() { removeImages(y) })
	y.write("app/Dockerfile", "FROM "+y.tiny+"\nCOPY --chmod=0751 a.txt /src/\n")
	y.write("app/a.txt", "one")
	all := buildable(y, "")
	y.must(all)
	y.converged(all)
	files, err := y.e.filesHave(t.Context(), y.inspect(y.stack+"-web").ID, []file{{Target: "/src/a.txt"}}, true)
	if err != nil || mapOf(files["/src/a.txt"])["mode"] != "0751" {
		t.Errorf("%v %v", files, err)
	}
	y.write("app/Dockerfile", "FROM "+y.tiny+"\nCOPY --chmod=0751 nowhere /src/\n")
	if err := y.apply(y.e, buildable(y, "")); err == nil || !strings.Contains(err.Error(), "nowhere") || hint(err) == "" {
		t.Errorf("%v, hint %q", err, hint(err))
	}
}

// An image built on another one of the stack follows it.
func TestBuildOnAnotherImage(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	t.Cleanup(func() { removeImages(y); removeImage(y, y.stack+"/base:1") })
	spec := func() *resources.Declared {
		return y.spec("services:\n  web: { image: " + y.stack + "/app:1, build: { context: app } }\n  base: { image: " + y.stack +
			"/base:1, build: { context: base } }\n")
	}
	y.write("base/Dockerfile", "FROM "+y.tiny+"\nCOPY a.txt /\n")
	y.write("base/a.txt", "one")
	y.write("app/Dockerfile", "FROM "+y.stack+"/base:1\nCOPY b.txt /\n")
	y.write("app/b.txt", "one")
	all := spec()
	app, base := all.Get(resources.ImageAddr(y.stack+"/app:1")), all.Get(resources.ImageAddr(y.stack+"/base:1"))
	refs := (imageKind{}).Refs(app)
	if len(refs) != 1 || refs[0].To != base.Addr || refs[0].Bind != resources.Content {
		t.Fatalf("%v", refs)
	}
	w := writerOver(y.e, "image")
	for _, r := range []*resources.Resource{base, app} {
		if err := w.Create(t.Context(), r, y.note(r.Addr)); err != nil {
			t.Fatal(err)
		}
	}
	seen, err := y.e.Readers()["image"].Observe(t.Context(), resources.Scope{Stack: y.stack, Want: []*resources.Resource{base, app}})
	if err != nil || len((imageKind{}).Compare(base, seen[0])) != 0 || len((imageKind{}).Compare(app, seen[1])) != 0 {
		t.Fatalf("%v %v", seen, err)
	}
	y.write("base/a.txt", "two")
	if err := w.Create(t.Context(), base, y.note(base.Addr)); err != nil {
		t.Fatal(err)
	}
	seen, err = y.e.Readers()["image"].Observe(t.Context(), resources.Scope{Stack: y.stack, Want: []*resources.Resource{app}})
	if d := (imageKind{}).Compare(app, seen[0]); err != nil || len(d) != 1 || d[0].Path != "build.base" {
		t.Errorf("%v %v", d, err)
	}
}
