package render

import (
	"fmt"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
)

// FailedJSON replaces a document that could not be produced, in the form
// that the command's document has.
func FailedJSON(verb string, e report.Failed) any {
	diagnostics := ProblemsJSON(e.Problems)
	if e.Problems.Errors() == 0 {
		diagnostics = append(diagnostics, ErrorJSON(e.Err)...)
	}
	if verb == "drift" {
		return JSONDrift{FormatVersion: DriftFormat, MidazVersion: report.Version, Stack: e.Stack, Errored: true, ResourceDrift: []JSONResource{},
			Pending:   []JSONResource{},
			Unmanaged: []JSONUnmanaged{}, Unknown: []JSONUnread{}, Runtime: []JSONRuntime{}, Ignored: []JSONIgnored{}, Refusals: []JSONRefusal{},
			Diagnostics: diagnostics}
	}
	return JSONPlan{FormatVersion: PlanFormat, MidazVersion: report.Version, Stack: e.Stack, Errored: true, Dangers: []string{},
		ResourceChanges: []JSONResource{}, ResourceDrift: []JSONResource{}, Refusals: []JSONRefusal{}, Diagnostics: diagnostics}
}

// ValidText is the last line of a spec without errors.
func ValidText(e report.Validated, i Ink) string {
	text := i.In(Green, "Success!") + fmt.Sprintf(" The spec is valid: %s", Count(e.Resources, "resource"))
	if len(e.Problems) > 0 {
		text += ", " + Count(len(e.Problems), "warning")
	}
	if len(e.Silenced) > 0 {
		text += fmt.Sprintf(" (%d silenced)", len(e.Silenced))
	}
	return text + ".\n"
}
