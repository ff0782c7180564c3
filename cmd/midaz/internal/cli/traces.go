package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	otelresource "go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/app"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/render"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
)

const (
	// FlushTime is how long the end of a run may wait for the collector.
	FlushTime = 3 * time.Second
	// queuedSpans is how many spans wait for the collector before any is lost; a
	// resource has at most four.
	queuedSpans = 1 << 16
)

// Traces sends a run as OpenTelemetry spans: one for the run, below it one for
// each resource, below that one for each step and gate, with links to the steps
// that it waited for. It is a progress like the lines on standard error, and
// nothing of the run depends on it. The nil traces does nothing.
type Traces struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	remark   func(string)
	now      func() time.Time
	redactor *resources.Redactor

	ctx  context.Context // of the span of the run
	span trace.Span

	mu       sync.Mutex
	plan     *engine.Plan
	open     map[resources.Addr]*tracedResource
	steps    map[engine.Step]trace.Span
	problems []error // of sending
}

type tracedResource struct {
	ctx  context.Context
	span trace.Span
	left int // steps that have not ended
}

// openTraces begins a trace when the environment names a collector, and returns
// nil when it does not. What the variables mean is up to the SDK, which reads
// them: OTEL_EXPORTER_OTLP_*, OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES,
// OTEL_TRACES_SAMPLER and so on.
func openTraces(sys app.System, run report.RunStarted, remark func(string)) *Traces {
	ctx := context.Background()
	on, why := collects(sys.Env)
	if why != "" {
		remark("Warning: no trace is sent: " + why)
	}
	if !on {
		return nil
	}
	t := &Traces{remark: remark, now: sys.Now, redactor: sys.Redactor, open: map[resources.Addr]*tracedResource{},
		steps: map[engine.Step]trace.Span{}}
	// By itself the SDK prints what it cannot send, for each batch.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(t.failed))
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		remark("Warning: no trace is sent: " + report.ErrorLine(err, t.redactor))
		return nil
	}
	about, err := otelresource.New(ctx, otelresource.WithTelemetrySDK(),
		otelresource.WithAttributes(attribute.String("service.name", "midaz"), attribute.String("service.version", report.Version)),
		otelresource.WithFromEnv()) // last, since it wins
	if err != nil {
		t.failed(err)
	}
	var batch []sdktrace.BatchSpanProcessorOption
	if sys.Env("OTEL_BSP_MAX_QUEUE_SIZE") == "" {
		batch = append(batch, sdktrace.WithMaxQueueSize(queuedSpans))
	}
	t.provider = sdktrace.NewTracerProvider(sdktrace.WithBatcher(guardedExporter{exporter, t.redactor}, batch...),
		sdktrace.WithResource(about))
	t.tracer = t.provider.Tracer("midaz", trace.WithInstrumentationVersion(report.Version))
	parent := propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{
		"traceparent": sys.Env("TRACEPARENT"), "tracestate": sys.Env("TRACESTATE")})
	t.ctx, t.span = t.tracer.Start(parent, "midaz "+run.Command, trace.WithTimestamp(run.Began), trace.WithAttributes(
		attribute.String("midaz.stack", run.Stack), attribute.String("midaz.command", run.Command)))
	return t
}

// collects reports whether the environment names a collector of traces, and why
// none is used although something is asked for.
func collects(env func(string) string) (bool, string) {
	first := func(names ...string) string {
		for _, n := range names {
			if v := strings.TrimSpace(env(n)); v != "" {
				return v
			}
		}
		return ""
	}
	exporter := first("OTEL_TRACES_EXPORTER")
	asked := exporter != "" || first("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT") != ""
	protocol := first("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
	switch {
	case !asked, strings.EqualFold(first("OTEL_SDK_DISABLED"), "true"), exporter == "none":
		return false, ""
	case exporter != "" && exporter != "otlp":
		return false, fmt.Sprintf("OTEL_TRACES_EXPORTER is %q; expected one of otlp, none", render.Clean(exporter))
	case protocol != "" && protocol != "http/protobuf":
		return false, fmt.Sprintf("the protocol %q is not spoken; set OTEL_EXPORTER_OTLP_PROTOCOL to http/protobuf, and the endpoint to the "+
			"collector's port for it (4318)", render.Clean(protocol))
	}
	return true, ""
}

func (t *Traces) failed(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.problems = append(t.problems, err)
}

// Id is the trace's, "" without one.
func (t *Traces) Id() string {
	if t == nil || !t.span.SpanContext().IsSampled() {
		return ""
	}
	return t.span.SpanContext().TraceID().String()
}

// begin tells what the next events are about.
func (t *Traces) begin(p *engine.Plan, run *resources.Run) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.plan = p
	t.span.SetAttributes(attribute.String("midaz.run", run.ID))
}

func (t *Traces) Say(line string) { t.span.AddEvent(render.Clean(line), trace.WithTimestamp(t.now())) }

// Take turns an event into spans.
func (t *Traces) Take(e engine.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch e.Kind {
	case engine.StepStarted:
		t.started(e)
	case engine.StepNoted:
		// What a step last saw may come from the container's own output.
	case engine.StepRolledBack:
		t.steps[e.Step].AddEvent("rolled back", trace.WithTimestamp(e.At))
		t.open[e.Step.Addr].span.SetAttributes(attribute.Bool("midaz.rolled_back", true))
	case engine.StepDone:
		t.Ended(e, "done")
	case engine.StepFailed:
		t.Ended(e, "failed")
	case engine.StepSkipped:
		t.skipped(e)
	}
}

func (t *Traces) resource(e engine.Event) *tracedResource {
	if r := t.open[e.Step.Addr]; r != nil {
		return r
	}
	r := &tracedResource{}
	for _, s := range t.plan.Steps.Nodes() {
		if s.Addr == e.Step.Addr {
			r.left++
		}
	}
	action := "noop"
	if e.Change != nil {
		action = render.ActionWord(e.Change.Action)
	}
	r.ctx, r.span = t.tracer.Start(t.ctx, render.AddrText(e.Step.Addr), trace.WithTimestamp(e.At), trace.WithAttributes(
		attribute.String("midaz.address", render.AddrText(e.Step.Addr)), attribute.String("midaz.kind", e.Step.Addr.Kind),
		attribute.String("midaz.action", action)))
	t.open[e.Step.Addr] = r
	return r
}

func (t *Traces) started(e engine.Event) {
	r := t.resource(e)
	var links []trace.Link
	for _, need := range t.plan.Steps.Needs(e.Step) {
		if s := t.steps[need]; s != nil {
			links = append(links, trace.Link{SpanContext: s.SpanContext()})
		}
	}
	about := []attribute.KeyValue{attribute.String("midaz.address", render.AddrText(e.Step.Addr)),
		attribute.String("midaz.step", string(e.Step.Verb))}
	if e.Step.Verb == engine.VerbAwait && e.Change != nil && e.Change.Gate != nil {
		about = append(about, attribute.String("midaz.gate", render.Clean(e.Change.Gate.Text)))
	}
	_, t.steps[e.Step] = t.tracer.Start(r.ctx, string(e.Step.Verb), trace.WithTimestamp(e.At), trace.WithLinks(links...),
		trace.WithAttributes(about...))
}

func (t *Traces) Ended(e engine.Event, result string) {
	r, s := t.open[e.Step.Addr], t.steps[e.Step]
	s.SetAttributes(attribute.String("midaz.result", result))
	if e.Err != nil {
		for _, span := range []trace.Span{s, r.span} {
			t.note(span, e.Err, e.At)
		}
		r.span.SetAttributes(attribute.String("midaz.result", result))
		r.left = 1 // nothing of it follows
	}
	s.End(trace.WithTimestamp(e.At))
	if r.left--; r.left == 0 {
		if e.Err == nil {
			r.span.SetAttributes(attribute.String("midaz.result", result))
		}
		r.span.End(trace.WithTimestamp(e.At))
		delete(t.open, e.Step.Addr)
	}
}

// skipped tells of a resource of which no step was run. The rest of a resource
// that failed itself is not told again.
func (t *Traces) skipped(e engine.Event) {
	if e.Because == e.Step.Addr || t.traced(e.Step.Addr) {
		return
	}
	r := t.resource(e)
	t.steps[e.Step] = r.span // so that it is told once
	result := "interrupted"
	if !e.Because.IsZero() {
		result = "skipped"
		r.span.SetAttributes(attribute.String("midaz.because", render.AddrText(e.Because)))
	}
	r.span.SetAttributes(attribute.String("midaz.result", result))
	r.span.End(trace.WithTimestamp(e.At))
	delete(t.open, e.Step.Addr)
}

func (t *Traces) traced(a resources.Addr) bool {
	for s := range t.steps {
		if s.Addr == a {
			return true
		}
	}
	return false
}

// note records an error, without what is known to be secret in it.
func (t *Traces) note(s trace.Span, err error, at time.Time) {
	text := report.ErrorLine(err, t.redactor)
	s.RecordError(errors.New(text), trace.WithTimestamp(at))
	s.SetStatus(codes.Error, text)
}

// Close ends what a round has left open: resources that an interrupt stopped
// between two steps. Spans of steps are kept for the links of a later round.
func (t *Traces) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for a, r := range t.open {
		r.span.SetAttributes(attribute.String("midaz.result", "interrupted"))
		r.span.End(trace.WithTimestamp(t.now()))
		delete(t.open, a)
	}
}

// End ends the run and hands over what is not sent yet. It takes flushTime at
// most: a collector that does not answer costs the trace and nothing else.
func (t *Traces) End(err error) {
	if t == nil {
		return
	}
	result := "done"
	if err != nil {
		result = "failed"
		if errors.Is(err, context.Canceled) || errors.Is(err, engine.ErrInterrupted) {
			result = "interrupted"
		}
		t.note(t.span, err, t.now())
	}
	t.span.SetAttributes(attribute.String("midaz.result", result))
	t.span.End(trace.WithTimestamp(t.now()))
	ctx, cancel := context.WithTimeout(context.Background(), FlushTime)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		t.failed(err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.problems) > 0 {
		t.remark("Warning: the trace could not be sent: " + report.ErrorLine(t.problems[0], t.redactor))
	}
}

// GuardExporter returns an exporter that masks what is sent as a trace.
func GuardExporter(to sdktrace.SpanExporter, redactor *resources.Redactor) sdktrace.SpanExporter {
	return guardedExporter{to, redactor}
}

// guardedExporter masks what is sent as a trace.
type guardedExporter struct {
	sdktrace.SpanExporter
	redactor *resources.Redactor
}

// ExportSpans sends the spans without secrets.
func (g guardedExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	stubs := tracetest.SpanStubsFromReadOnlySpans(spans)
	for i := range stubs {
		s := &stubs[i]
		s.Name, s.Status.Description = g.redactor.Text(s.Name), g.redactor.Text(s.Status.Description)
		s.Attributes = g.attributes(s.Attributes)
		for j := range s.Events {
			e := &s.Events[j]
			e.Name, e.Attributes = g.redactor.Text(e.Name), g.attributes(e.Attributes)
		}
	}
	return g.SpanExporter.ExportSpans(ctx, stubs.Snapshots())
}

func (g guardedExporter) attributes(all []attribute.KeyValue) []attribute.KeyValue {
	out := make([]attribute.KeyValue, len(all))
	for i, a := range all {
		switch a.Value.Type() {
		case attribute.STRING:
			a.Value = attribute.StringValue(g.redactor.Text(a.Value.AsString()))
		case attribute.STRINGSLICE:
			texts := a.Value.AsStringSlice()
			for j := range texts {
				texts[j] = g.redactor.Text(texts[j])
			}
			a.Value = attribute.StringSliceValue(texts)
		}
		out[i] = a
	}
	return out
}
