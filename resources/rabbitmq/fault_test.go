package rabbitmq_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq"
)

func observeErr(all *resources.Declared, kind string) error {
	_, err := rabbitmq.OpenReader(rabbitmq.Options{Declared: all}).Readers()[kind].Observe(context.Background(),
		resources.Scope{Stack: stack, Want: all.Of(kind), Owned: true})
	return err
}

func TestNotUpIsToldFromRefused(t *testing.T) {
	b := fakeTarget(t, "4.0.5")
	all, _ := declare(t, b.head()+small)
	wrong, _ := declare(t, strings.Replace(b.head(), b.password, "guess", 1)+small)

	err := observeErr(wrong, "queue")
	var d *resources.Diagnosis
	if errors.Is(err, resources.ErrUnreachable) || !errors.As(err, &d) || !strings.Contains(d.Hint, "management.password") {
		t.Errorf("wrong password: %v", err)
	}
	b.do(t, http.MethodPut, "/api/users/plain", `{"tags":"management","password":"x"}`)
	plain, _ := declare(t, fmt.Sprintf("rabbitmq:\n  url: %s\n  management: { username: plain, password: x }\n", b.url)+small)
	if err := observeErr(plain, "user"); !errors.As(err, &d) || !strings.Contains(d.Hint, "administrator") {
		t.Errorf("no tag: %v", err)
	}
	b.fake.Close()
	if err := observeErr(all, "queue"); !errors.Is(err, resources.ErrUnreachable) {
		t.Errorf("not up: %v", err)
	}
	found, err := rabbitmq.OpenReader(rabbitmq.Options{Declared: all}).Readers()["broker"].Observe(t.Context(),
		resources.Scope{Stack: stack, Want: all.Of("broker"), Owned: true})
	if err != nil || found[0].Presence != resources.Unknown {
		t.Errorf("a broker that is not up: %v, %v", found, err)
	}
}

// proxy stands before a broker and spoils answers.
func proxied(t *testing.T, b *target, spoil func(n int64, w http.ResponseWriter, r *http.Request, next http.Handler)) *target {
	t.Helper()
	u, _ := url.Parse(b.url)
	next := httputil.NewSingleHostReverseProxy(u)
	var n atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { spoil(n.Add(1), w, r, next) }))
	t.Cleanup(s.Close)
	c := *b
	c.url = s.URL
	return &c
}

func cut(w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		_ = conn.Close()
	}
}

// TestFaultsPass: every third call fails in a way that passes by itself, before
// or after the broker has done it, and the result is what was asked for.
func TestFaultsPass(t *testing.T) {
	faults := map[string]func(w http.ResponseWriter, r *http.Request, next http.Handler){
		"503":         func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { w.WriteHeader(503) },
		"502":         func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { w.WriteHeader(502) },
		"500 at boot": func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { w.WriteHeader(500) },
		"cut before":  func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { cut(w) },
		"cut after": func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			next.ServeHTTP(httptest.NewRecorder(), r)
			cut(w)
		},
		"answer cut off": func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte("[{"))
		},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := fakeTarget(t, "4.0.5")
			p := proxied(t, b, func(n int64, w http.ResponseWriter, r *http.Request, next http.Handler) {
				if n%3 == 0 {
					fault(w, r, next)
					return
				}
				next.ServeHTTP(w, r)
			})
			world{t: t, b: p}.apply(whole)
			world{t: t, b: b}.settled(whole)
			if !b.fake.Login("midaz-test-app", "correct horse") {
				t.Error("a user was half written")
			}
		})
	}
}

func TestFaultsThatStay(t *testing.T) {
	faults := map[string]struct {
		spoil func(w http.ResponseWriter)
		want  string
	}{
		"truncated JSON": {func(w http.ResponseWriter) { _, _ = w.Write([]byte(`[{"name":`)) }, "is not the JSON expected"},
		"not JSON":       {func(w http.ResponseWriter) { _, _ = w.Write([]byte(`<html>login</html>`)) }, "is not the JSON expected"},
		"other JSON":     {func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"a":1}`)) }, "is not the JSON expected"},
		"500":            {func(w http.ResponseWriter) { w.WriteHeader(500) }, "500 Internal Server Error"},
		"redirect": {func(w http.ResponseWriter) {
			w.Header().Set("Location", "http://elsewhere.invalid/")
			w.WriteHeader(302)
		}, "302 Found"},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := fakeTarget(t, "4.0.5")
			p := proxied(t, b, func(_ int64, w http.ResponseWriter, _ *http.Request, _ http.Handler) { fault.spoil(w) })
			all, _ := declare(t, p.head()+small)
			err := observeErr(all, "queue")
			if err == nil || !strings.Contains(err.Error(), fault.want) || errors.Is(err, resources.ErrUnreachable) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestCancelledCallReturns(t *testing.T) {
	b := fakeTarget(t, "4.0.5")
	p := proxied(t, b, func(_ int64, _ http.ResponseWriter, r *http.Request, _ http.Handler) { <-r.Context().Done() })
	all, _ := declare(t, p.head()+small)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	_, err := rabbitmq.OpenReader(rabbitmq.Options{Declared: all}).Readers()["queue"].Observe(ctx,
		resources.Scope{Stack: stack, Want: all.Of("queue"), Owned: true})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestServiceIsDialed reaches a service's broker through the engine.
func TestServiceIsDialed(t *testing.T) {
	b := fakeTarget(t, "4.0.5")
	all, _ := declare(t, fmt.Sprintf("rabbitmq:\n  service: broker\n  management: { port: 15999, username: %s, password: %q }\n", b.username,
		b.password)+small)
	var asked []string
	dial := func(ctx context.Context, service string, port int) (net.Conn, error) {
		asked = append(asked, fmt.Sprintf("%s:%d", service, port))
		return (&net.Dialer{}).DialContext(ctx, "tcp", strings.TrimPrefix(b.url, "http://"))
	}
	seen := observe(t, rabbitmq.OpenReader(rabbitmq.Options{Declared: all, Dial: dial}), all)
	if o := seen[resources.NewAddr("broker", "broker")]; o.Presence != resources.Present || o.State != "running" ||
		o.Notes[0] != "RabbitMQ 4.0.5" {
		t.Errorf("got %+v", o)
	}
	if len(asked) == 0 || asked[0] != "broker:15999" {
		t.Errorf("dialed %q", asked)
	}
	down := func(context.Context, string, int) (net.Conn, error) { return nil, errors.New("no such container") }
	_, err := rabbitmq.OpenReader(rabbitmq.Options{Declared: all, Dial: down}).Readers()["queue"].Observe(t.Context(),
		resources.Scope{Stack: stack, Want: all.Of("queue"), Owned: true})
	if !errors.Is(err, resources.ErrUnreachable) || !strings.Contains(err.Error(), "no such container") {
		t.Errorf("got %v", err)
	}
}

// TestOneNodeIsKept: of several nodes the first that answers is used for all of
// the run.
func TestOneNodeIsKept(t *testing.T) {
	b := fakeTarget(t, "4.0.5")
	dead := httptest.NewServer(http.NotFoundHandler())
	dead.Close()
	second := proxied(t, b, func(_ int64, w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		t.Error("the third node was asked")
		w.WriteHeader(500)
	})
	all, problems := declare(t, fmt.Sprintf("rabbitmq:\n  url: [%s, %s, %s]\n  management: { username: %s, password: %q }\n", dead.URL, b.url,
		second.url, b.username, b.password)+small)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	reader := rabbitmq.OpenReader(rabbitmq.Options{Declared: all})
	observe(t, reader, all)
}

func TestTLS(t *testing.T) {
	b := fakeTarget(t, "4.0.5")
	u, _ := url.Parse(b.url)
	dir := t.TempDir()
	ca, certificate := authority(t, dir)
	s := httptest.NewUnstartedServer(httputil.NewSingleHostReverseProxy(u))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, ClientCAs: ca, ClientAuth: tls.RequireAndVerifyClientCert}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	head := fmt.Sprintf("rabbitmq:\n  url: %s\n  management: { username: %s, password: %q, %%s }\n", s.URL, b.username, b.password)
	try := func(fields string) error {
		all, _ := declare(t, fmt.Sprintf(head, fields)+small)
		for _, r := range all.Resources {
			r.Dir = dir
		}
		return observeErr(all, "queue")
	}
	if err := try("ca: ca.pem, cert: client.pem, key: client.key"); err != nil {
		t.Errorf("with everything: %v", err)
	}
	if err := try("insecure: true, cert: client.pem, key: client.key"); err != nil {
		t.Errorf("insecure: %v", err)
	}
	if err := try("cert: client.pem, key: client.key"); err == nil || !strings.Contains(err.Error(), "certificate") ||
		errors.Is(err, resources.ErrUnreachable) {
		t.Errorf("unknown authority: %v", err)
	}
	if err := try("ca: ca.pem"); err == nil || errors.Is(err, resources.ErrUnreachable) {
		t.Errorf("no client certificate: %v", err)
	}
	if err := try("ca: missing.pem"); err == nil || !strings.Contains(err.Error(), "management.ca") {
		t.Errorf("missing file: %v", err)
	}
}

// authority writes a certificate authority and a certificate for both sides.
func authority(t *testing.T, dir string) (*x509.CertPool, tls.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour),
		IsCA:     true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})
	for name, data := range map[string][]byte{"ca.pem": certPEM, "client.pem": certPEM, "client.key": keyPEM} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(certPEM)
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	return pool, pair
}

func await(t *testing.T, all *resources.Declared) (string, error) {
	t.Helper()
	var notes bytes.Buffer
	waiter := rabbitmq.Open(rabbitmq.Options{Declared: all}).Writers()["broker"].(resources.Waiter)
	err := waiter.Await(t.Context(), all.Of("broker")[0], func(format string, args ...any) { fmt.Fprintf(&notes, format+"\n", args...) })
	return notes.String(), err
}

func TestGate(t *testing.T) {
	onEach(t, func(t *testing.T, b *target) {
		all, _ := declare(t, b.head())
		if notes, err := await(t, all); err != nil || notes != "" {
			t.Errorf("got %q, %v", notes, err)
		}
	})
	b := fakeTarget(t, "4.0.5")
	booting := proxied(t, b, func(n int64, w http.ResponseWriter, r *http.Request, next http.Handler) {
		switch {
		case n < 4:
			cut(w)
		case n < 10:
			w.WriteHeader(503)
		default:
			next.ServeHTTP(w, r)
		}
	})
	all, _ := declare(t, booting.head())
	if notes, err := await(t, all); err != nil || !strings.Contains(notes, "503") {
		t.Errorf("booting: %q, %v", notes, err)
	}
	var overviews atomic.Int64
	counted := proxied(t, b, func(_ int64, w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.URL.Path == "/api/overview" {
			overviews.Add(1)
		}
		next.ServeHTTP(w, r)
	})
	all, _ = declare(t, counted.head())
	if _, err := await(t, all); err != nil || overviews.Load() < 2 {
		t.Errorf("passed after being asked %d times: %v", overviews.Load(), err)
	}
	b.fake.Alarm("memory alarm")
	all, _ = declare(t, b.head())
	if notes, err := await(t, all); err != nil || !strings.Contains(notes, "warning: an alarm is raised") {
		t.Errorf("alarm: %q, %v", notes, err)
	}
	b.fake.Close()
	all, _ = declare(t, strings.Replace(b.head(), "management: {", "management: { timeout: 1500ms,", 1))
	_, err := await(t, all)
	var gate *resources.GateError
	if !errors.As(err, &gate) || !gate.TimedOut || gate.Cause != "timed out after 1.5s" || !strings.Contains(gate.Probe, "not reachable") {
		t.Errorf("down: %+v, %v", gate, err)
	}
}
