package render

import (
	"fmt"
	"strings"

	"github.com/LerianStudio/midaz-infra/specs"
)

// ProblemText returns the problems for people, in order of place:
//
//	midaz.infra.yaml:14:5: error: unknown key "imge" in service [MZ022]
//	  14 |     imge: postgres:17
//	     |     ^
//	  did you mean "image"?
func ProblemText(spec *specs.Spec, problems specs.Problems, i Ink) string {
	var b strings.Builder
	for _, p := range problems.Sorted() {
		if !p.Pos.IsZero() {
			b.WriteString(i.In(Bold, Clean(p.Pos.String())) + ": ")
		}
		style := red
		if p.Severity() == specs.Warning {
			style = yellow
		}
		fmt.Fprintf(&b, "%s: %s", i.In(style, string(p.Severity())), Clean(p.Msg))
		if p.Rule != nil {
			b.WriteString(" " + i.In(Dim, "["+p.Rule.Code+"]"))
		}
		b.WriteByte('\n')
		if spec != nil {
			for line := range strings.SplitSeq(spec.Snippet(p), "\n") {
				if line != "" {
					b.WriteString("  " + caretLine(line, i) + "\n")
				}
			}
		}
		if p.Hint != "" {
			b.WriteString("  " + i.In(cyan, Clean(p.Hint)) + "\n")
		}
		for _, r := range p.Related {
			fmt.Fprintf(&b, "  %s: %s\n", Clean(r.Pos.String()), Clean(r.Msg))
		}
	}
	return b.String()
}

// caretLine colours the caret of a snippet; the line of the spec stays as it is.
func caretLine(line string, i Ink) string {
	if rest, ok := strings.CutSuffix(line, "^"); ok && strings.TrimLeft(strings.TrimSpace(rest), "| ") == "" {
		return rest + i.In(red, "^")
	}
	return line
}

// VerdictText is the last line about problems: "2 errors and 1 warning".
func VerdictText(problems specs.Problems) string {
	errors := problems.Errors()
	warnings := len(problems) - errors
	switch {
	case errors > 0 && warnings > 0:
		return fmt.Sprintf("%s and %s.", Count(errors, "error"), Count(warnings, "warning"))
	case errors > 0:
		return Count(errors, "error") + "."
	default:
		return Count(warnings, "warning") + "."
	}
}
