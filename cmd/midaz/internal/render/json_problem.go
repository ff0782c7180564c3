package render

import (
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/specs"
)

// JSONProblem is one diagnostic, in OpenTofu's shape.
type JSONProblem struct {
	Severity string        `json:"severity"`          // error or warning
	Summary  string        `json:"summary"`           // what is wrong
	Detail   string        `json:"detail"`            // what to do about it
	Code     string        `json:"code,omitempty"`    // code of the rule, for `midaz explain`
	Address  string        `json:"address,omitempty"` // what it is about
	Range    *jsonRange    `json:"range,omitempty"`   // where it stands
	Related  []jsonRelated `json:"related,omitempty"` // other places that belong to it
}

// jsonRange is a place; lines and columns count from 1, columns in runes.
type jsonRange struct {
	Filename string    `json:"filename"` // name of the file, as it was given
	Start    jsonPlace `json:"start"`    // first character
	End      jsonPlace `json:"end"`      // behind the last character
}

type jsonPlace struct {
	Line   int `json:"line"`   // line, from 1
	Column int `json:"column"` // column in characters, from 1
}

type jsonRelated struct {
	Message string     `json:"message"`         // what is there
	Range   *jsonRange `json:"range,omitempty"` // where it stands
}

// JSONValidate is the answer of validate.
type JSONValidate struct {
	FormatVersion string        `json:"format_version"` // version of this format
	Valid         bool          `json:"valid"`          // whether there is no error
	ErrorCount    int           `json:"error_count"`    // number of errors
	WarningCount  int           `json:"warning_count"`  // number of warnings
	SilencedCount int           `json:"silenced_count"` // number of warnings silenced in the spec
	Diagnostics   []JSONProblem `json:"diagnostics"`    // all of them, in order of place
}

func ValidateJSON(problems, silenced specs.Problems) JSONValidate {
	errors := problems.Errors()
	return JSONValidate{FormatVersion: validateFormat, Valid: errors == 0, ErrorCount: errors,
		WarningCount: len(problems) - errors, SilencedCount: len(silenced), Diagnostics: ProblemsJSON(problems)}
}

// ProblemsJSON returns the problems in order of place, never nil.
func ProblemsJSON(problems specs.Problems) []JSONProblem {
	out := []JSONProblem{}
	for _, p := range problems.Sorted() {
		j := JSONProblem{Severity: string(p.Severity()), Summary: p.Msg, Detail: p.Hint, Range: rangeJSON(p.Pos)}
		if p.Rule != nil {
			j.Code = p.Rule.Code
		}
		for _, r := range p.Related {
			j.Related = append(j.Related, jsonRelated{r.Msg, rangeJSON(r.Pos)})
		}
		out = append(out, j)
	}
	return out
}

// rangeJSON returns the place of one rune; nil for no place.
func rangeJSON(pos specs.Pos) *jsonRange {
	if pos.IsZero() {
		return nil
	}
	line, col := max(1, pos.Line), max(1, pos.Col)
	return &jsonRange{Filename: pos.File, Start: jsonPlace{line, col}, End: jsonPlace{line, col + 1}}
}

// ErrorJSON returns an error as a diagnostic.
func ErrorJSON(err error) []JSONProblem {
	var out []JSONProblem
	for _, e := range report.Causes(err) {
		out = append(out, JSONProblem{Severity: string(specs.Error), Summary: e.Error(), Detail: hintOf(e)})
	}
	return out
}
