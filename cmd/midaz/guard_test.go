package main

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/app"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/cli"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/render"
	"github.com/LerianStudio/midaz-infra/resources"
)

// These tests give each guard texts that nothing has masked before. In whole
// runs other layers mask most of them first, so that a guard that does nothing
// would not be noticed.

const unmasked = "it failed with " + canary + " at last"

func canaryRedactor() *resources.Redactor {
	r := resources.NewRedactor(cli.Spellings...)
	r.Learn(canary)
	return r
}

// recordedRuns keeps the runs that reach the journal.
type recordedRuns struct {
	app.Recorder
	runs []resources.Run
}

func (r *recordedRuns) BeginRun(_ context.Context, run *resources.Run) error {
	r.runs = append(r.runs, *run)
	return nil
}

func (r *recordedRuns) EndRun(_ context.Context, run *resources.Run) error {
	r.runs = append(r.runs, *run)
	return nil
}

// TestJournalGuard fills every text of a run, so that a new field without a mask
// fails.
func TestJournalGuard(t *testing.T) {
	// Names and words of the program, in which no sensitive value can be.
	names := []string{"Run.ID", "Run.Stack", "Run.Version", "Run.Result", "Run.Past", "RunStep.Verb", "RunStep.Did", "RunStep.State"}
	var fill func(v reflect.Value)
	fill = func(v reflect.Value) {
		for i := range v.NumField() {
			f := v.Field(i)
			switch {
			case f.Kind() == reflect.String && !slices.Contains(names, v.Type().Name()+"."+v.Type().Field(i).Name):
				f.SetString(unmasked)
			case f.Kind() == reflect.Slice && f.Type().Elem().Kind() == reflect.Struct:
				f.Set(reflect.MakeSlice(f.Type(), 1, 1))
				fill(f.Index(0))
			}
		}
	}
	to := &recordedRuns{}
	guard := app.GuardRecorder(to, canaryRedactor())
	for _, write := range []func(context.Context, *resources.Run) error{guard.BeginRun, guard.EndRun} {
		run := &resources.Run{}
		fill(reflect.ValueOf(run).Elem())
		if err := write(t.Context(), run); err != nil {
			t.Fatal(err)
		}
	}
	for i, run := range to.runs {
		if text := render.JSONText(run); !strings.Contains(text, resources.Masked) || strings.Contains(text, canary) {
			t.Errorf("write %d: the journal holds the secret:\n%s", i, text)
		}
	}
}

// TestTraceGuard sends a span with the secret in each of its texts.
func TestTraceGuard(t *testing.T) {
	about := []attribute.KeyValue{attribute.String("text", unmasked), attribute.StringSlice("list", []string{unmasked}),
		attribute.Int("number", 7)}
	stub := tracetest.SpanStub{Name: unmasked, Attributes: about, Status: sdktrace.Status{Description: unmasked},
		Events: []sdktrace.Event{{Name: unmasked, Attributes: about}}}
	to := tracetest.NewInMemoryExporter()
	if err := (cli.GuardExporter(to, canaryRedactor())).ExportSpans(t.Context(), tracetest.SpanStubs{stub}.Snapshots()); err != nil {
		t.Fatal(err)
	}
	for _, s := range to.GetSpans() {
		texts := []string{s.Name, s.Status.Description, s.Events[0].Name}
		for _, a := range slices.Concat(s.Attributes, s.Events[0].Attributes) {
			if a.Key != "number" {
				texts = append(texts, a.Value.Emit())
			}
		}
		for i, text := range texts {
			if !strings.Contains(text, resources.Masked) || strings.Contains(text, canary) {
				t.Errorf("text %d: the trace holds the secret: %s", i, text)
			}
		}
		if got := s.Attributes[2].Value.AsInt64(); got != 7 {
			t.Errorf("a number became %d", got)
		}
	}
}

// TestFileGuard writes a file from a text with the secret.
func TestFileGuard(t *testing.T) {
	path := filepath.Join(t.TempDir(), "report.html")
	v := &cli.View{Sys: app.System{Redactor: canaryRedactor()}}
	if err := v.Keep(path, unmasked); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path); err != nil || strings.Contains(string(text), canary) ||
		!strings.Contains(string(text), resources.Masked) {
		t.Errorf("the file holds the secret: %s (%v)", text, err)
	}
}
