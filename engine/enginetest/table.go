package enginetest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Column is what the suite found on one engine.
type Column struct {
	// Name heads the column: "20.10.24".
	Name    string
	Results []Result
}

// Table renders rows × engines in Markdown. Why a row was left out stands below.
func Table(columns []Column) string {
	var b strings.Builder
	b.WriteString("| kind | field | a change costs | changed outside |")
	for _, c := range columns {
		fmt.Fprintf(&b, " %s |", c.Name)
	}
	b.WriteString("\n| --- | --- | --- | --- |" + strings.Repeat(" --- |", len(columns)) + "\n")
	var reasons []string
	for _, l := range linesOf(columns) {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |", l.Kind, l.Field, cmp.Or(l.Cost, "nothing"), cmp.Or(l.Outside, "–"))
		for _, outcome := range l.outcomes {
			fmt.Fprintf(&b, " %s |", sign(outcome, &reasons))
		}
		b.WriteByte('\n')
	}
	if len(reasons) > 0 {
		b.WriteString("\nLeft out:\n\n")
		for i, why := range reasons {
			fmt.Fprintf(&b, "%d. %s\n", i+1, why)
		}
	}
	return b.String()
}

// Summary renders kinds × engines in Markdown: how many rows passed, of how
// many that were tried.
func Summary(columns []Column) string {
	var b strings.Builder
	b.WriteString("| kind |")
	for _, c := range columns {
		fmt.Fprintf(&b, " %s |", c.Name)
	}
	b.WriteString("\n| --- |" + strings.Repeat(" --- |", len(columns)) + "\n")
	var kinds []string
	for _, l := range linesOf(columns) {
		if !slices.Contains(kinds, l.Kind) {
			kinds = append(kinds, l.Kind)
		}
	}
	for _, kind := range kinds {
		fmt.Fprintf(&b, "| %s |", kind)
		for _, c := range columns {
			fmt.Fprintf(&b, " %s |", tally(c.Results, kind))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// tally counts the rows of a kind on one engine: "87 ✓", with those left out.
func tally(results []Result, kind string) string {
	passed, failed, left := 0, 0, 0
	for _, r := range results {
		switch {
		case r.Kind != kind:
		case r.Outcome == Passed:
			passed++
		case r.Outcome == Failed:
			failed++
		default:
			left++
		}
	}
	text := fmt.Sprintf("%d ✓", passed)
	if failed > 0 {
		text += fmt.Sprintf(", %d %s", failed, Failed)
	}
	if left > 0 {
		text += fmt.Sprintf(", %d left out", left)
	}
	return text
}

// line is one row of the table: a field with its outcome on each engine.
type line struct {
	Result
	outcomes []string
}

// linesOf joins the columns by kind and field, in the order of the first column
// that has them.
func linesOf(columns []Column) []line {
	var out []line
	for i, c := range columns {
		for _, r := range c.Results {
			at := slices.IndexFunc(out, func(l line) bool { return l.Kind == r.Kind && l.Field == r.Field })
			if at < 0 {
				at = len(out)
				out = append(out, line{Result: r, outcomes: make([]string, len(columns))})
			}
			out[at].outcomes[i] = r.Outcome
			out[at].Outside = cmp.Or(out[at].Outside, r.Outside)
			out[at].Cost = cmp.Or(out[at].Cost, r.Cost)
		}
	}
	return out
}

// sign is an outcome in a cell of the table. A reason becomes a number.
func sign(outcome string, reasons *[]string) string {
	switch outcome {
	case Passed:
		return "✓"
	case Failed:
		return "**" + Failed + "**"
	case "":
		return ""
	}
	at := slices.Index(*reasons, outcome)
	if at < 0 {
		at = len(*reasons)
		*reasons = append(*reasons, outcome)
	}
	return fmt.Sprintf("(%d)", at+1)
}
