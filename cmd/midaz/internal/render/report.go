package render

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/engine/graph"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// CompleteText is the line that tools look for after an apply or a destroy in
// which everything was done.
func CompleteText(n engine.Counts, destroy bool, i Ink) string {
	if destroy {
		return i.In(Bold+";"+Green, "Destroy complete!") + fmt.Sprintf(" Resources: %d destroyed.", n.Destroy)
	}
	return i.In(Bold+";"+Green, "Apply complete!") +
		fmt.Sprintf(" Resources: %d added, %d changed, %d destroyed.", n.Add, n.Change, n.Destroy)
}

// QuestionText asks for the approval of a plan. all says that everything of the
// stack is to go, its volumes too.
func QuestionText(p *engine.Plan, all bool, i Ink) string {
	what := "Do you want to perform these actions?"
	if p.Destroy {
		what = "Do you really want to destroy these resources?"
	}
	loss := "Data will be lost, as the plan says; there is no undo."
	if all {
		loss = "Volumes and all data in them will be lost; there is no undo."
	}
	if all || p.LosesData() {
		return fmt.Sprintf("\n%s\n  %s\n  Type the name of the stack, %s, to go on.\n\n  %s ",
			i.In(Bold, what), loss, i.In(Bold, Clean(p.Stack)), i.In(Bold, "Enter a value:"))
	}
	return fmt.Sprintf("\n%s\n  Only 'yes' will be accepted to approve.\n\n  %s ", i.In(Bold, what), i.In(Bold, "Enter a value:"))
}

// removeInvalidText says on what a removal rests whose spec has errors.
func removeInvalidText(stack string) string {
	return fmt.Sprintf("The spec has errors. What is removed is what is marked as belonging to stack %s on the engine, and on the broker "+
		"as far as the spec still tells where that is.", Clean(stack))
}

// FailureText returns what went wrong, by resource: causes first, then what
// was skipped because of each.
func FailureText(r *engine.Report, i Ink) string {
	var b strings.Builder
	for _, f := range r.Failed() {
		if errors.Is(f.Err, engine.ErrInterrupted) {
			continue
		}
		b.WriteString("\n" + stepErrorText(f, i))
	}
	b.WriteString(skippedText(r, i))
	return b.String()
}

// stepErrorText tells of one failed step.
func stepErrorText(f engine.StepResult, i Ink) string {
	var b strings.Builder
	cause := f.Err
	var pos specs.Pos
	var step *engine.StepError
	if errors.As(f.Err, &step) {
		cause, pos = step.Err, step.Pos
	}
	at := ""
	if !pos.IsZero() {
		at = Clean(pos.String()) + ": "
	}
	lines := cleanLines(stepCause(cause))
	fmt.Fprintf(&b, "%s: %s%s: %s: %s\n", i.In(red, "error"), at, i.In(Bold, AddrText(f.Step.Addr)), failedVerb(f.Step.Verb), lines[0])
	for _, l := range lines[1:] {
		b.WriteString("  " + l + "\n")
	}
	var gate *resources.GateError
	if errors.As(cause, &gate) {
		b.WriteString(gateErrorText(gate, i))
	}
	if f.RolledBack {
		b.WriteString("  the old one is back in its place\n")
	}
	if hint := hintOf(cause); hint != "" {
		b.WriteString("  " + i.In(cyan, Clean(hint)) + "\n")
	}
	return b.String()
}

// stepCause is the text of the cause without the address, which is said
// already.
func stepCause(err error) string {
	var gate *resources.GateError
	if errors.As(err, &gate) && err.Error() == gate.Error() {
		return gate.Cause
	}
	return err.Error()
}

func failedVerb(v engine.Verb) string {
	switch v {
	case engine.VerbAwait:
		return "its gate did not pass"
	case engine.VerbSwap, engine.VerbReplace:
		return "cannot be replaced"
	case engine.VerbCommit:
		return "the old one cannot be removed"
	case engine.VerbYield:
		return "the old one cannot be stopped"
	case engine.VerbDelete:
		return "cannot be destroyed"
	case engine.VerbUpdate:
		return "cannot be updated"
	default:
		return "cannot be created"
	}
}

// gateErrorText returns what a person needs to see of a gate that failed.
func gateErrorText(g *resources.GateError, i Ink) string {
	var b strings.Builder
	line := func(name, text string) {
		lines := cleanLines(text)
		fmt.Fprintf(&b, "  %s %s\n", Pad(name+":", 10), lines[0])
		for _, l := range lines[1:] {
			fmt.Fprintf(&b, "  %s %s\n", Pad("", 10), l)
		}
	}
	if g.Probe != "" {
		line("probe", g.Probe)
	}
	if state := ContainerText(g); state != "" {
		line("container", state)
	}
	if len(g.Logs) > 0 {
		line("last logs", "")
		for _, l := range g.Logs {
			b.WriteString("    " + i.In(Dim, "|") + " " + Clean(l) + "\n")
		}
	}
	line("next", nextText(g.Next))
	return strings.ReplaceAll(b.String(), ": \n", ":\n")
}

// nextText is the next step as a command that can be pasted, or in words.
func nextText(n resources.NextStep) string {
	switch {
	case n.Do != "":
		return n.Do
	case n.Container != "":
		return "docker logs " + n.Container
	case n.Logs == "":
		return "midaz plan"
	}
	words := []string{"midaz", "logs"}
	for _, f := range n.Flags {
		words = append(words, shellWord(f))
	}
	return strings.Join(append(words, n.Logs), " ")
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:@%+,=-]+$`)

// shellWord returns the text as one word of a shell.
func shellWord(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// ContainerText says how the container ended, or that it did not, whether the
// kernel killed it, and how often it was restarted: also what did not happen,
// so that nobody has to look.
func ContainerText(g *resources.GateError) string {
	if g.State == "" && g.ExitCode == nil {
		return ""
	}
	var out []string
	switch {
	case g.ExitCode != nil && g.State != "" && g.State != "exited":
		out = append(out, g.State, fmt.Sprintf("exited with code %d before", *g.ExitCode))
	case g.ExitCode != nil:
		out = append(out, fmt.Sprintf("exited with code %d", *g.ExitCode))
	default:
		out = append(out, g.State)
	}
	out = append(out, map[bool]string{true: "killed for lack of memory", false: "not killed for lack of memory"}[g.OOM])
	if g.Restarts > 0 {
		return strings.Join(append(out, "restarted "+Count(g.Restarts, "time")), ", ")
	}
	return strings.Join(append(out, "never restarted"), ", ")
}

// skippedText lists what was not done, under what it was skipped for.
func skippedText(r *engine.Report, i Ink) string {
	because := map[resources.Addr][]string{}
	var order []resources.Addr
	var interrupted []string
	for _, s := range r.Skipped() {
		a := AddrText(s.Step.Addr)
		if s.Because.IsZero() {
			if !slices.Contains(interrupted, a) {
				interrupted = append(interrupted, a)
			}
			continue
		}
		if s.Because == s.Step.Addr {
			continue // the rest of the failed resource's own steps
		}
		if because[s.Because] == nil {
			order = append(order, s.Because)
		}
		if !slices.Contains(because[s.Because], a) {
			because[s.Because] = append(because[s.Because], a)
		}
	}
	for _, f := range r.Failed() {
		if a := AddrText(f.Step.Addr); errors.Is(f.Err, engine.ErrInterrupted) && !slices.Contains(interrupted, a) {
			interrupted = append(interrupted, a+" (its gate was not waited for)")
		}
	}
	var b strings.Builder
	for _, a := range order {
		fmt.Fprintf(&b, "\n%s\n", i.In(yellow, fmt.Sprintf("skipped because %s failed:", AddrText(a))))
		writeList(&b, because[a])
	}
	if len(interrupted) > 0 {
		why := "not begun, because -on-failure is stop:"
		if r.Interrupted {
			why = "not done, because the run was interrupted:"
		}
		fmt.Fprintf(&b, "\n%s\n", i.In(yellow, why))
		writeList(&b, interrupted)
	}
	return b.String()
}

func writeList(b *strings.Builder, lines []string) {
	const most = 40
	for n, l := range lines {
		if n == most && len(lines) > most+1 {
			fmt.Fprintf(b, "  ... and %d more\n", len(lines)-n)
			return
		}
		b.WriteString("  " + l + "\n")
	}
}

// tally counts the resources that failed and those that were skipped for
// another's failure or an interrupt.
func tally(r *engine.Report) (failed, skipped int) {
	ended := map[resources.Addr]graph.State{}
	for _, s := range r.Results {
		switch {
		case s.State == graph.Failed && !errors.Is(s.Err, engine.ErrInterrupted):
			ended[s.Step.Addr] = graph.Failed
		case s.State != graph.Done && ended[s.Step.Addr] != graph.Failed:
			ended[s.Step.Addr] = graph.Skipped
		}
	}
	for _, state := range ended {
		switch state {
		case graph.Failed:
			failed++
		case graph.Skipped:
			skipped++
		}
	}
	return failed, skipped
}

// IncompleteText sums up an apply that did not do everything.
func IncompleteText(r *engine.Report, i Ink) string {
	what, verb := "Apply", "midaz apply"
	if r.Plan.Destroy {
		what, verb = "Destroy", "midaz destroy"
	}
	ended := " incomplete."
	if r.Interrupted {
		ended = " interrupted."
	}
	failed, skipped := tally(r)
	return fmt.Sprintf("%s Resources: %d added, %d changed, %d destroyed; %d failed, %d skipped. `%s` again does what is left.",
		i.In(Bold+";"+red, what+ended), r.Counts.Add, r.Counts.Change, r.Counts.Destroy, failed, skipped, verb)
}

// elapsedText returns a duration the way progress shows it: 0.4s, 12s, 2m05s.
func elapsedText(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	default:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
}
