package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/cli"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
)

// collector receives traces as a real one does.
type collector struct {
	*httptest.Server
	mu       sync.Mutex
	raw      []byte
	requests []*coltracepb.ExportTraceServiceRequest
}

func newCollector(t *testing.T) *collector {
	c := &collector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			z, zerr := gzip.NewReader(bytes.NewReader(body))
			if zerr == nil {
				body, err = io.ReadAll(z)
			}
		}
		var request coltracepb.ExportTraceServiceRequest
		if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(body, &request) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.raw = append(c.raw, body...)
		c.requests = append(c.requests, &request)
	}))
	t.Cleanup(c.Close)
	return c
}

// tree returns the spans with what is below them indented, in order of names,
// with their attributes.
func (c *collector) tree() (string, []*tracepb.Span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []*tracepb.Span
	for _, r := range c.requests {
		for _, rs := range r.GetResourceSpans() {
			for _, ss := range rs.GetScopeSpans() {
				all = append(all, ss.GetSpans()...)
			}
		}
	}
	slices.SortFunc(all, func(a, b *tracepb.Span) int { return strings.Compare(a.GetName(), b.GetName()) })
	var b strings.Builder
	var write func(parent []byte, indent string)
	write = func(parent []byte, indent string) {
		for _, s := range all {
			if !bytes.Equal(s.GetParentSpanId(), parent) {
				continue
			}
			fmt.Fprintf(&b, "%s%s", indent, s.GetName())
			for _, kv := range s.GetAttributes() {
				if k := kv.GetKey(); k == "midaz.result" || k == "midaz.action" || k == "midaz.because" || k == "midaz.gate" {
					fmt.Fprintf(&b, " %s=%s", strings.TrimPrefix(k, "midaz."), kv.GetValue().GetStringValue())
				}
			}
			if s.GetStatus().GetCode() == tracepb.Status_STATUS_CODE_ERROR {
				b.WriteString(" ERROR")
			}
			b.WriteByte('\n')
			write(s.GetSpanId(), indent+"  ")
		}
	}
	root, _ := hex.DecodeString(strings.Split(traceparent, "-")[2])
	write(root, "")
	return b.String(), all
}

const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

// traced runs an apply in a folder of its own with variables of the environment.
func traced(t *testing.T, spec string, env map[string]string) (status int, stderr string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for k, v := range env {
		t.Setenv(k, v)
	}
	if err := os.WriteFile(cli.DefaultSpec, []byte(spec), 0o600); err != nil {
		t.Fatal(err)
	}
	var errs bytes.Buffer
	sys := fakeSystem()
	sys.Now, sys.Stdin, sys.Stdout, sys.Stderr = newClock().now, strings.NewReader(""), io.Discard, &errs
	status = cli.Run(context.Background(), []string{"apply", "-auto-approve", "-parallelism", "1", "-report", "run.html", "-var",
		"CANARY=" + canary}, sys)
	return status, errs.String()
}

const tracedSpec = `version: "1"
stack: test
variables: { CANARY: { sensitive: true } }
boxes:
  a: { secret: "${CANARY}", text: "has ${CANARY}" }
  d: { needs: [crate/broken] }
crates:
  b: { needs: [box/a] }
  broken: { text: "${CANARY}", ready: false }
`

func TestTraceOfApply(t *testing.T) {
	c := newCollector(t)
	status, stderr := traced(t, tracedSpec, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL, "TRACEPARENT": traceparent,
		"OTEL_SERVICE_NAME": "our-deploys", "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=test"})
	if status != 4 || strings.Contains(stderr, "Warning") {
		t.Fatalf("status %d\n%s", status, stderr)
	}
	got, all := c.tree()
	want := `midaz apply result=failed ERROR
  box/a action=create result=done
    create result=done
  box/d action=create because=crate/broken result=skipped
  crate/b action=create result=done
    await gate=ready result=done
    create result=done
  crate/broken action=create result=failed ERROR
    await gate=ready result=failed ERROR
    create result=done
`
	if got != want {
		t.Errorf("the spans are\n%s\nwant\n%s", got, want)
	}
	var ids []string
	for _, s := range all {
		if hex.EncodeToString(s.GetTraceId()) != strings.Split(traceparent, "-")[1] {
			t.Errorf("%s is in another trace", s.GetName())
		}
		if s.GetEndTimeUnixNano() < s.GetStartTimeUnixNano() {
			t.Errorf("%s ends before it begins", s.GetName())
		}
		for _, l := range s.GetLinks() {
			ids = append(ids, hex.EncodeToString(l.GetSpanId()))
		}
	}
	if len(ids) < 3 { // two gates and what needs box/a
		t.Errorf("%d links to what was waited for", len(ids))
	}
	var about []string
	for _, kv := range c.requests[0].GetResourceSpans()[0].GetResource().GetAttributes() {
		about = append(about, kv.GetKey()+"="+kv.GetValue().GetStringValue())
	}
	for _, want := range []string{"service.name=our-deploys", "service.version=" + report.Version, "deployment.environment=test"} {
		if !slices.Contains(about, want) {
			t.Errorf("%s is not in %v", want, about)
		}
	}
	report, err := os.ReadFile("run.html")
	if err != nil || !strings.Contains(string(report), "4bf92f3577b34da6a3ce929d0e0e4736") {
		t.Errorf("the report does not name the trace: %v", err)
	}
	for name, text := range map[string]string{"trace": string(c.raw), "report": string(report), "stderr": stderr} {
		if strings.Contains(text, canary) || strings.Contains(text, canary[:len(canary)-4]) {
			t.Errorf("the secret is in the %s", name)
		}
	}
}

// Without a collector nothing is sent and nothing is said; one that is of no use
// costs a warning and neither the run nor much time.
func TestTracesHinderNothing(t *testing.T) {
	const spec = "version: \"1\"\nstack: test\nboxes: { a: {} }\nvariables: { CANARY: { sensitive: true } }\n"
	c := newCollector(t)
	// A collector that takes the call and never answers.
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for _, k := range []struct {
		name, warning string
		env           map[string]string
	}{
		{"nothing set", "", nil},
		{"switched off", "", map[string]string{"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": c.URL}},
		{"no exporter", "", map[string]string{"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": c.URL}},
		{"another exporter", `OTEL_TRACES_EXPORTER is "zipkin"`, map[string]string{"OTEL_TRACES_EXPORTER": "zipkin"}},
		{"another protocol", `the protocol "grpc" is not spoken`, map[string]string{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
			"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL}},
		{"nobody there", "the trace could not be sent", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}},
		{"no answer", "the trace could not be sent", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://" + silent.Addr().String()}},
	} {
		t.Run(k.name, func(t *testing.T) {
			began := time.Now()
			status, stderr := traced(t, spec, k.env)
			if status != 0 || strings.Contains(stderr, "Warning") != (k.warning != "") || !strings.Contains(stderr, k.warning) {
				t.Errorf("status %d, said %q", status, stderr)
			}
			if took := time.Since(began); took > 10*cli.FlushTime {
				t.Errorf("it took %v", took)
			}
			if len(c.requests) > 0 {
				t.Error("something was sent")
			}
		})
	}
}

// A trace id is only told when there is one.
func TestNoTrace(t *testing.T) {
	var none *cli.Traces
	none.End(nil)
	if none.Id() != "" {
		t.Error("there is an ID")
	}
}
