package render

import (
	"fmt"
	"strings"
	"time"

	"github.com/LerianStudio/midaz-infra/resources"
)

func HistoryText(stack string, runs []*resources.Run, i Ink) string {
	if len(runs) == 0 {
		return "No runs: the journal of stack " + Clean(stack) + " is empty.\n"
	}
	var rows [][]cell
	for _, r := range runs {
		rows = append(rows, []cell{
			{Clean(r.ID), Bold}, {r.Started.Local().Format(time.DateTime), ""}, {Clean(r.Who), ""}, {Clean(r.Command), ""},
			{Clean(r.Result), resultStyle(r.Result)}, {countsOfRun(r), ""}, {tookText(r), Dim},
		})
	}
	return tableText([]string{"RUN", "STARTED", "WHO", "COMMAND", "RESULT", "CHANGES", "TOOK"}, rows, i)
}

// countsOfRun is what a run did, or, while that is not known, what it was to do.
func countsOfRun(r *resources.Run) string {
	if r.Result == resources.RunRunning || r.Result == resources.RunLost {
		return fmt.Sprintf("%d planned", r.Planned)
	}
	return fmt.Sprintf("+%d ~%d -%d", r.Add, r.Change, r.Destroy)
}

func tookText(r *resources.Run) string {
	if r.Result == resources.RunRunning || r.Result == resources.RunLost {
		return "-"
	}
	return secondsText(r.Ended.Sub(r.Started).Seconds())
}

func secondsText(s float64) string {
	if s >= 60 {
		return time.Duration(s * float64(time.Second)).Round(time.Second).String()
	}
	return fmt.Sprintf("%.1fs", s)
}

func resultStyle(result string) string {
	switch result {
	case resources.RunDone:
		return Green
	case resources.RunRunning, resources.RunInterrupted:
		return yellow
	default:
		return red
	}
}

// RunText is one run with its steps.
func RunText(r *resources.Run, i Ink) string {
	var b strings.Builder
	row := func(name, text, style string) {
		if text != "" {
			fmt.Fprintf(&b, "  %-9s %s\n", name, i.In(style, text))
		}
	}
	fmt.Fprintf(&b, "%s\n", i.In(Bold, "Run "+Clean(r.ID)+" of stack "+Clean(r.Stack)))
	row("command", Clean(r.Command), "")
	row("by", Clean(r.Who)+", midaz "+Clean(r.Version), "")
	row("started", r.Started.Local().Format(time.DateTime), "")
	row("took", tookText(r), "")
	row("result", Clean(r.Result), resultStyle(r.Result))
	row("changes", countsOfRun(r), "")
	row("because", Clean(r.Error), "")
	if r.Past != "" {
		row("go back", "midaz rollback "+Clean(r.ID), "")
	}
	if len(r.Steps) == 0 {
		return b.String()
	}
	b.WriteByte('\n')
	var rows [][]cell
	for _, s := range r.Steps {
		rows = append(rows, []cell{{Clean(s.Verb), ""}, {Clean(s.Address), Bold}, {stepResult(s), stepStyle(s)},
			{afterText(s, s.After), Dim}, {afterText(s, s.Seconds), ""}, {Clean(s.Error), red}})
	}
	b.WriteString(tableText([]string{"STEP", "RESOURCE", "RESULT", "AT", "TOOK", "ERROR"}, rows, i))
	return b.String()
}

func afterText(s resources.RunStep, seconds float64) string {
	if s.State == "skipped" {
		return "-"
	}
	return secondsText(seconds)
}

func stepResult(s resources.RunStep) string {
	switch {
	case s.PutBack:
		return "failed, put back"
	case s.State == "skipped" && s.Because != "":
		return "skipped: " + Clean(s.Because) + " failed"
	case s.State == "done" && s.Did == "" && s.Verb != "await" && s.Verb != "commit":
		return "nothing left to do"
	default:
		return Clean(s.State)
	}
}

func stepStyle(s resources.RunStep) string {
	switch s.State {
	case "failed":
		return red
	case "skipped":
		return yellow
	default:
		return Green
	}
}

// RollbackText says what is gone back to, and what of it is today's.
func RollbackText(r *resources.Run, notes []string, i Ink) string {
	text := i.In(Bold, fmt.Sprintf("Going back to run %s: %s by %s at %s", Clean(r.ID), Clean(r.Command), Clean(r.Who),
		r.Started.Local().Format(time.DateTime))) + "\n"
	for _, n := range notes {
		text += "  * " + Clean(n) + "\n"
	}
	return text + "\n"
}

func droppedText(stack string, runs int) string {
	return fmt.Sprintf("The journal of stack %s (%s) is removed with it.", Clean(stack), Count(runs, "run"))
}
