package cli

import (
	"context"
	"html/template"
	"io"
	"strings"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/app"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/render"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// Everything that leaves the process passes here: both streams, the files that a
// command writes, the journal, and traces. docs/security.md lists what is exempt.

// Spellings are how the formats write a text. A secret is found in each.
var Spellings = []func(string) string{
	render.Clean, strings.ToLower, render.HTMLText, render.SVGText, template.JSEscapeString, template.HTMLEscapeString,
	render.Prose, render.Code, render.MermaidQuote, render.CommandMessage, render.CommandProperty,
	func(s string) string { return strings.Trim(render.DotQuote(s), `"`) },
	func(s string) string { return strings.Trim(render.Label(s), `"`) },
}

// guarded puts a redactor between the process and its streams. flush writes what
// was kept back because it might have been the beginning of a secret.
func guarded(sys app.System) (app.System, func()) {
	sys.Redactor = resources.NewRedactor(Spellings...)
	sys.Plain = sys.Stdout
	sys.Document = func(p *engine.Plan, problems specs.Problems) any { return render.PlanJSON(p, problems) }
	out, errs := sys.Redactor.Writer(sys.Stdout), sys.Redactor.Writer(sys.Stderr)
	sys.Stdout, sys.Stderr = out, errs
	if write := sys.World.Write; write != nil {
		sys.World.Write = func(ctx context.Context, a app.Access) (*app.Session, error) {
			s, err := write(ctx, a)
			if s != nil && s.Record != nil {
				s.Record = app.GuardRecorder(s.Record, sys.Redactor)
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
func flush(s app.System) {
	for _, w := range []io.Writer{s.Stdout, s.Stderr} {
		if w, ok := w.(*resources.RedactingWriter); ok {
			_ = w.Flush()
		}
	}
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
