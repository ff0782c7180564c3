package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/LerianStudio/midaz-infra/resources"
)

func historyText(stack string, runs []*resources.Run, i ink) string {
	if len(runs) == 0 {
		return "No runs: the journal of stack " + clean(stack) + " is empty.\n"
	}
	var rows [][]cell
	for _, r := range runs {
		rows = append(rows, []cell{
			{clean(r.ID), bold}, {r.Started.Local().Format(time.DateTime), ""}, {clean(r.Who), ""}, {clean(r.Command), ""},
			{clean(r.Result), resultStyle(r.Result)}, {countsOfRun(r), ""}, {tookText(r), dim},
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
		return green
	case resources.RunRunning, resources.RunInterrupted:
		return yellow
	default:
		return red
	}
}

// runText is one run with its steps.
func runText(r *resources.Run, i ink) string {
	var b strings.Builder
	row := func(name, text, style string) {
		if text != "" {
			fmt.Fprintf(&b, "  %-9s %s\n", name, i.in(style, text))
		}
	}
	fmt.Fprintf(&b, "%s\n", i.in(bold, "Run "+clean(r.ID)+" of stack "+clean(r.Stack)))
	row("command", clean(r.Command), "")
	row("by", clean(r.Who)+", midaz "+clean(r.Version), "")
	row("started", r.Started.Local().Format(time.DateTime), "")
	row("took", tookText(r), "")
	row("result", clean(r.Result), resultStyle(r.Result))
	row("changes", countsOfRun(r), "")
	row("because", clean(r.Error), "")
	if r.Past != "" {
		row("go back", "midaz rollback "+clean(r.ID), "")
	}
	if len(r.Steps) == 0 {
		return b.String()
	}
	b.WriteByte('\n')
	var rows [][]cell
	for _, s := range r.Steps {
		rows = append(rows, []cell{{clean(s.Verb), ""}, {clean(s.Address), bold}, {stepResult(s), stepStyle(s)},
			{afterText(s, s.After), dim}, {afterText(s, s.Seconds), ""}, {clean(s.Error), red}})
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
		return "skipped: " + clean(s.Because) + " failed"
	case s.State == "done" && s.Did == "" && s.Verb != "await" && s.Verb != "commit":
		return "nothing left to do"
	default:
		return clean(s.State)
	}
}

func stepStyle(s resources.RunStep) string {
	switch s.State {
	case "failed":
		return red
	case "skipped":
		return yellow
	default:
		return green
	}
}

// rollbackText says what is gone back to, and what of it is today's.
func rollbackText(r *resources.Run, notes []string, i ink) string {
	text := i.in(bold, fmt.Sprintf("Going back to run %s: %s by %s at %s", clean(r.ID), clean(r.Command), clean(r.Who), r.Started.Local().Format(time.DateTime))) + "\n"
	for _, n := range notes {
		text += "  * " + clean(n) + "\n"
	}
	return text + "\n"
}

func droppedText(stack string, runs int) string {
	return fmt.Sprintf("The journal of stack %s (%s) is removed with it.", clean(stack), count(runs, "run"))
}
