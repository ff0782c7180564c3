package cli

import (
	"fmt"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/app"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/render"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
)

// emit writes a document where -json and -json-into want it, and text where
// standard output carries no JSON.
func (v *View) emit(doc any, text func() string) error {
	json := string(v.Sys.Redactor.JSON([]byte(render.JSONText(doc))))
	if path := v.Flags.String("json-into"); path != "" {
		if err := app.WriteFile(v.opt.Path(path), json); err != nil {
			return fmt.Errorf("write JSON: %w", err)
		}
	}
	if v.wantsJSON() {
		v.print(json)
	} else {
		v.print(text())
	}
	return nil
}

func (v *View) validRenderings(e report.Validated) render.Renderings {
	return render.Renderings{
		render.FormatText: func(string) string {
			if e.Invalid {
				return "" // said on standard error
			}
			return render.ValidText(e, v.out())
		},
		render.FormatJSON:     func(string) string { return render.JSONText(render.ValidateJSON(e.Problems, e.Silenced)) },
		render.FormatMarkdown: func(string) string { return render.ValidateMarkdown(e.Stack, e.Problems, v.Flags.Int("max-bytes")) },
		render.FormatGitHub:   func(string) string { return render.AnnotationText(render.ProblemAnnotations(e.Problems)) },
		render.FormatGitLab:   func(string) string { return render.ValidateGitLab(e.Problems) },
		render.FormatSARIF:    func(string) string { return render.ValidateSARIF(e.Problems) },
	}
}

func (v *View) PlanRenderings(e report.PlanMade) render.Renderings {
	return render.Renderings{
		render.FormatText:     func(string) string { return render.PlanText(e.Plan, v.out()) },
		render.FormatJSON:     func(string) string { return render.JSONText(render.PlanJSON(e.Plan, e.Problems)) },
		render.FormatMarkdown: func(string) string { return render.PlanMarkdown(e.Plan, e.Problems, v.Flags.Int("max-bytes")) },
		render.FormatGitHub:   func(string) string { return render.PlanGitHub(e.Plan, e.Problems) },
		render.FormatGitLab:   func(string) string { return render.PlanGitLab(e.Plan) },
		render.FormatSARIF:    func(string) string { return render.PlanSARIF(e.Plan, e.Problems) },
		render.FormatHTML:     func(string) string { return render.PlanHTML(e.Plan, e.Problems) },
	}
}

func (v *View) driftRenderings(e report.DriftFound) render.Renderings {
	d := e.Drift
	return render.Renderings{
		render.FormatText: func(string) string {
			if v.Flags.Bool("quiet") && d.IsClean() {
				return ""
			}
			return render.DriftText(d, v.out())
		},
		render.FormatJSON:     func(string) string { return render.JSONText(render.DriftJSON(d, e.Problems)) },
		render.FormatMarkdown: func(string) string { return render.DriftMarkdown(d, v.Flags.Int("max-bytes")) },
		render.FormatGitHub:   func(string) string { return render.DriftGitHub(d, e.Problems) },
		render.FormatSARIF:    func(string) string { return render.DriftSARIF(d, e.Problems) },
		render.FormatPrometheus: func(before string) string {
			return render.DriftMetrics(render.DriftRun{Stack: e.Stack, Found: &d, Began: e.Began, Ended: e.Ended, Exit: ExitStatus(e.Exit)}, before)
		},
	}
}

func (v *View) failedRenderings(e report.Failed) render.Renderings {
	return render.Renderings{
		render.FormatJSON: func(string) string { return render.JSONText(render.FailedJSON(v.verb, e)) },
		render.FormatMarkdown: func(string) string {
			return render.FailedMarkdown(v.verb, e.Stack, e.Err, e.Problems, v.Flags.Int("max-bytes"))
		},
		render.FormatGitHub: func(string) string { return render.FailedGitHub(v.verb, e.Err, e.Problems) },
		render.FormatSARIF:  func(string) string { return render.ValidateSARIF(e.Problems) },
		render.FormatHTML:   func(string) string { return render.FailedHTML(v.verb, e.Stack, e.Err, e.Problems) },
		render.FormatPrometheus: func(before string) string {
			return render.DriftMetrics(render.DriftRun{Stack: e.Stack, Began: e.Began, Ended: e.Ended, Exit: ExitStatus(e.Err)}, before)
		},
	}
}
