package main

import (
	"github.com/LerianStudio/midaz-infra/specs"
)

// jsonProblem is one diagnostic, in OpenTofu's shape.
type jsonProblem struct {
	Severity string        `json:"severity"`
	Summary  string        `json:"summary"`
	Detail   string        `json:"detail"`
	Code     string        `json:"code,omitempty"`
	Address  string        `json:"address,omitempty"`
	Range    *jsonRange    `json:"range,omitempty"`
	Related  []jsonRelated `json:"related,omitempty"`
}

// jsonRange is a place; lines and columns count from 1, columns in runes.
type jsonRange struct {
	Filename string    `json:"filename"`
	Start    jsonPlace `json:"start"`
	End      jsonPlace `json:"end"`
}

type jsonPlace struct {
	Line   int `json:"line"`
	Column int `json:"column"`
}

type jsonRelated struct {
	Message string     `json:"message"`
	Range   *jsonRange `json:"range,omitempty"`
}

// jsonValidate is the answer of validate.
type jsonValidate struct {
	FormatVersion string        `json:"format_version"`
	Valid         bool          `json:"valid"`
	ErrorCount    int           `json:"error_count"`
	WarningCount  int           `json:"warning_count"`
	SilencedCount int           `json:"silenced_count"`
	Diagnostics   []jsonProblem `json:"diagnostics"`
}

func validateJSON(problems, silenced specs.Problems) jsonValidate {
	errors := problems.Errors()
	return jsonValidate{FormatVersion: validateFormat, Valid: errors == 0, ErrorCount: errors,
		WarningCount: len(problems) - errors, SilencedCount: len(silenced), Diagnostics: problemsJSON(problems)}
}

// problemsJSON returns the problems in order of place, never nil.
func problemsJSON(problems specs.Problems) []jsonProblem {
	out := []jsonProblem{}
	for _, p := range problems.Sorted() {
		j := jsonProblem{Severity: string(p.Severity()), Summary: p.Msg, Detail: p.Hint, Range: rangeJSON(p.Pos)}
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

// errorJSON returns an error as a diagnostic.
func errorJSON(err error) []jsonProblem {
	var out []jsonProblem
	for _, e := range causes(err) {
		out = append(out, jsonProblem{Severity: string(specs.Error), Summary: e.Error(), Detail: hintOf(e)})
	}
	return out
}
