package main

import (
	"context"
	"html/template"
	"io"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/render"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// Everything that leaves the process passes here: both streams, the files that a
// command writes, the journal, and traces. docs/security.md lists what is exempt.

// spellings are how the formats write a text. A secret is found in each.
var spellings = []func(string) string{
	render.Clean, strings.ToLower, render.HTMLText, render.SVGText, template.JSEscapeString, template.HTMLEscapeString,
	render.Prose, render.Code, render.MermaidQuote, render.CommandMessage, render.CommandProperty,
	func(s string) string { return strings.Trim(render.DotQuote(s), `"`) },
	func(s string) string { return strings.Trim(render.Label(s), `"`) },
}

// guarded puts a redactor between the process and its streams. flush writes what
// was kept back because it might have been the beginning of a secret.
func guarded(sys system) (system, func()) {
	sys.redactor = resources.NewRedactor(spellings...)
	sys.plain = sys.stdout
	sys.document = func(p *engine.Plan, problems specs.Problems) any { return render.PlanJSON(p, problems) }
	out, errs := sys.redactor.Writer(sys.stdout), sys.redactor.Writer(sys.stderr)
	sys.stdout, sys.stderr = out, errs
	if write := sys.world.write; write != nil {
		sys.world.write = func(ctx context.Context, a access) (*sight, error) {
			s, err := write(ctx, a)
			if s != nil && s.record != nil {
				s.record = guardedRecorder{s.record, sys.redactor}
			}
			return s, err
		}
	}
	return sys, func() {
		_ = out.Flush()
		_ = errs.Flush()
	}
}

// flush writes what was kept back, before an answer is waited for.
func (s system) flush() {
	for _, w := range []io.Writer{s.stdout, s.stderr} {
		if w, ok := w.(*resources.RedactingWriter); ok {
			_ = w.Flush()
		}
	}
}

// learn makes the secrets of a spec known before anything about it is told.
func (s system) learn(declared *resources.Declared) {
	s.redactor.Ignore(declared.Redactor.Ignored()...)
	s.redactor.Learn(declared.Redactor.Secrets()...)
}

// jsonGuard masks the texts of the documents written through it, each of them
// with one call.
type jsonGuard struct {
	redactor *resources.Redactor
	to       io.Writer
}

func (g jsonGuard) Write(p []byte) (int, error) {
	if _, err := g.to.Write(g.redactor.JSON(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// guardedRecorder masks what is written into the journal.
type guardedRecorder struct {
	recorder
	redactor *resources.Redactor
}

func (g guardedRecorder) BeginRun(ctx context.Context, run *resources.Run) error {
	g.mask(run)
	return g.recorder.BeginRun(ctx, run)
}

func (g guardedRecorder) EndRun(ctx context.Context, run *resources.Run) error {
	g.mask(run)
	return g.recorder.EndRun(ctx, run)
}

func (g guardedRecorder) mask(run *resources.Run) {
	for _, text := range []*string{&run.Command, &run.Who, &run.Error} {
		*text = g.redactor.Text(*text)
	}
	for i := range run.Steps {
		s := &run.Steps[i]
		for _, text := range []*string{&s.Address, &s.Error, &s.Because} {
			*text = g.redactor.Text(*text)
		}
	}
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
