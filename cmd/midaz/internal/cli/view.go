package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/urfave/cli/v2"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/app"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/render"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/routing"
)

// View shows what happens in one command, in the formats and places that its
// flags ask for.
type View struct {
	Sys   app.System
	verb  string
	Flags *cli.Context
	opt   app.Options
	files []into // written beside standard output

	stream *render.Stream // nil without -json and -json-into
	traces *Traces        // nil when no collector is configured
	logs   *logPrinter
	close  []func()

	mu    sync.Mutex
	round render.Several // shows the steps of the round that is going on
}

// out and err are the colors of the two streams.
func (v *View) out() render.Ink {
	return InkFor(v.Sys.Stdout, v.Sys.Env, v.Flags.Bool("no-color"))
}
func (v *View) err() render.Ink {
	return InkFor(v.Sys.Stderr, v.Sys.Env, v.Flags.Bool("no-color"))
}

// print writes data; tell writes what is not data.
func (v *View) print(text string) { _, _ = io.WriteString(v.Sys.Stdout, text) }
func (v *View) tell(text string)  { _, _ = io.WriteString(v.Sys.Stderr, text) }

// wantsJSON reports whether standard output carries JSON.
func (v *View) wantsJSON() bool { return v.Flags.Bool("json") }

// show shows one event of internal/report.
func (v *View) show(event any) error {
	if line, ok := render.NoticeText(event, v.Sys.Redactor); ok {
		v.notice(line)
		return nil
	}
	for _, group := range []func(any) (bool, error){v.showResult, v.showMade, v.showRun, v.showSpec} {
		if ok, err := group(event); ok {
			return err
		}
	}
	return fmt.Errorf("event %T cannot be shown; this is a bug in midaz", event)
}

// showSpec shows what is said about a spec beside the result.
func (v *View) showSpec(event any) (bool, error) {
	switch e := event.(type) {
	case report.Problems:
		v.problems(e)
	case report.InvalidPolicies:
		if v.wantsText() {
			v.tell("\n" + render.VerdictText(e.List) + "\n")
		}
	case report.Advice:
		if len(e.List) > 0 && !v.wantsJSON() && v.wantsWarnings() {
			v.tell(render.ProblemText(e.Spec, e.List, v.err()))
		}
	case report.Unfit:
		v.tell("\n" + render.ProblemText(e.Spec, e.List, v.err()))
	case report.Diagnostics:
		if v.stream != nil {
			v.stream.Problems(e.List)
		}
	case report.Compared:
		v.tell(render.ComparedText(e.Was, e.Is, e.WasStack, e.IsStack, v.err()))
	case report.PlannedAgainst:
		v.tell(render.PlannedAgainstText(e.Recording, e.Path, e.Lacks, v.err()))
	case report.EngineAbsent:
		v.tell(render.AbsentText(e.Err))
	case report.OtherEngine:
		v.tell(render.OtherEngineText(e.Name))
	default:
		return false, nil
	}
	return true, nil
}

// wantsWarnings reports whether findings that are no errors are shown: under
// cron each line becomes a mail, and they are the business of validate.
func (v *View) wantsWarnings() bool { return !v.Flags.Bool("quiet") }

func (v *View) problems(e report.Problems) {
	if !v.wantsText() && !e.Always {
		return
	}
	if len(e.List) > 0 && (v.wantsWarnings() || e.List.Errors() > 0) {
		v.tell(render.ProblemText(e.Spec, e.List, v.err()))
	}
	if e.Verdict {
		v.tell("\n" + render.VerdictText(e.List) + "\n")
	}
}

// showResult shows the result of a command that has one document.
func (v *View) showResult(event any) (bool, error) {
	var err error
	switch e := event.(type) {
	case report.Validated:
		err = v.deliver(v.validRenderings(e))
	case report.PlanMade:
		err = v.deliver(v.PlanRenderings(e))
	case report.DriftFound:
		err = v.deliver(v.driftRenderings(e))
	case report.Failed:
		err = v.deliver(v.failedRenderings(e))
	case report.SavedPlan:
		err = v.emit(render.PlanJSON(e.Plan, nil), func() string { return render.PlanText(e.Plan, v.out()) })
	case report.Services:
		err = v.emit(render.PsJSON(e.Stack, e.Looks), func() string { return render.PsText(e.Looks, v.out()) })
	case report.About:
		err = v.emit(render.InfoJSON(e.Parts), func() string { return render.InfoText(e.Parts, v.out()) })
	case report.History:
		err = v.emit(render.HistoryJSON(e.Stack, e.Runs), func() string { return render.HistoryText(e.Stack, e.Runs, v.out()) })
	case report.RunShown:
		err = v.emit(render.RunJSON(e.Run), func() string { return render.RunText(e.Run, v.out()) })
	case report.Rewritten:
		err = v.emit(render.RewriteJSON(e), func() string { return render.RewriteText(e, v.out()) })
	case report.TracedRoute:
		err = v.emit(render.RouteJSON(e), func() string { return render.RouteText(e, v.out()) })
	case report.Topology:
		draw := map[string]func([]*routing.Vhost, render.Ink) string{render.FormatText: render.TopologyText, "dot": render.TopologyDot,
			"mermaid": render.TopologyMermaid, "svg": render.TopologySVG, render.FormatJSON: render.TopologyJSON}
		v.print(draw[v.Flags.String("format")](e.Vhosts, v.out()))
	case report.Graph:
		draw := map[string]func(report.Picture) string{"mermaid": render.MermaidText, "dot": render.DotText,
			render.FormatText: render.TreeText, render.FormatHTML: render.GraphHTML(e.Stack)}
		v.print(draw[v.Flags.String("format")](e.Picture))
	case report.PlanRefused:
		v.tell(render.PlanText(e.Plan, v.err()))
	default:
		return false, nil
	}
	return true, err
}

// showMade shows what was written, or is to be written to standard output.
func (v *View) showMade(event any) (bool, error) {
	var err error
	switch e := event.(type) {
	case report.Output:
		v.print(e.Text)
	case report.Secret:
		// Past the redactor, which knows the password hashes of the spec: they are
		// what definitions are for.
		_, err = v.Sys.Plain.Write(e.Text)
	case report.PlanSaved:
		v.tell(render.SavedText(e.Path, v.err()))
	case report.PlanNotSaved:
		v.tell(render.NotSavedText(e.Path))
	case report.EnvWritten:
		v.tell(render.EnvText(e.File, e.Dry, v.err()))
	case report.FixesMade:
		v.print(render.FixText(e.Fixes, e.Dry, v.out()))
	case report.PolicyTested:
		v.print(render.PolicyTestText(e.Results, v.out()))
	case report.DraftWritten:
		v.tell(render.DraftText(e.Draft, e.Out, e.Values, v.err()))
	case report.DefinitionsImported:
		v.tell(render.ImportText(e.Result, e.Out, e.Env, v.err()))
	case report.DefinitionsExported:
		v.tell(render.ExportText(e.Notes, v.err()))
	case report.Recorded:
		v.tell(render.ObservedText(e.Recording, e.Path, v.err()))
	case report.StackUnlocked:
		v.print(render.UnlockedText(e.Stack) + "\n")
	case report.NoContainers:
		v.tell(render.NoContainersText(e.Stack))
	case report.LogsOpened:
		if v.logs == nil {
			v.logs = NewLogPrinter(v.Sys.Stdout, v.out(), v.Flags.Bool("no-log-prefix"))
		}
		v.logs.Open(e.Containers)
	case report.LogLine:
		v.logs.Line(e)
	default:
		return false, nil
	}
	return true, err
}

// showRun shows a run that writes.
func (v *View) showRun(event any) (bool, error) {
	switch e := event.(type) {
	case report.RunAsked:
		return true, v.openRun()
	case report.RunStarted:
		v.traces = openTraces(v.Sys, e, v.notice)
	case report.RollingBack:
		v.tell(render.RollbackText(e.Run, e.Notes, v.err()))
	case report.Planned:
		if !v.wantsJSON() {
			v.print(render.PlanText(e.Plan, v.out()))
		}
		if v.stream != nil {
			v.stream.Planned(e.Plan)
			v.stream.Refusals(e.Plan)
		}
	case report.Question:
		v.ask(render.QuestionText(e.Plan, e.Typed, v.err()))
	case report.UnlockQuestion:
		v.ask(render.UnlockQuestionText(e.Held, v.err()))
	case report.Answered:
		v.tell("\n")
	case report.RoundStarted:
		v.startRound(e)
	case report.Step:
		v.specFlags(e.Event.Err)
		v.round.Take(e.Event)
	case report.RoundEnded:
		v.endRound()
	case report.RoundFailed:
		if v.stream != nil {
			v.stream.Ended(e.Total)
		}
		if !v.wantsJSON() {
			v.tell(render.FailureText(e.Report, v.err()) + "\n" + render.IncompleteText(e.Total, v.err()) + "\n")
		}
	case report.Complete:
		v.complete(e)
	case report.RunFailed:
		var was report.ShownError
		if v.stream != nil && !errors.As(e.Err, &was) {
			v.stream.Failure(e.Err)
		}
	case report.RunEnded:
		v.traces.End(e.Err)
		v.writeReport(e)
	case report.RunClosed:
		for _, f := range slices.Backward(v.close) {
			f()
		}
	default:
		return false, nil
	}
	return true, nil
}

// notice shows one line about a run where people and programs read it.
func (v *View) notice(line string) {
	v.mu.Lock()
	round := v.round
	v.mu.Unlock()
	if round != nil {
		round.Say(line)
		return
	}
	if v.stream != nil {
		v.stream.Say(line)
	}
	if !v.wantsJSON() {
		v.tell(line + "\n")
	}
}

// ask shows a question, with all that was held back before it.
func (v *View) ask(text string) {
	v.tell(text)
	flush(v.Sys)
}

// openRun opens what a run is written to, so that it fails before anything was
// done.
func (v *View) openRun() error {
	if path := v.Flags.String("report"); path != "" {
		if info, err := os.Stat(filepath.Dir(v.opt.Path(path))); err != nil {
			return fmt.Errorf("write the report: %w", err)
		} else if !info.IsDir() {
			return fmt.Errorf("write the report: %s is no folder", filepath.Dir(path))
		}
	}
	var to fanOut
	if v.wantsJSON() {
		to = append(to, v.Sys.Stdout.Write)
	}
	if path := v.Flags.String("json-into"); path != "" {
		f, err := os.OpenFile(v.opt.Path(path), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("write JSON: %w", err)
		}
		v.close = append(v.close, func() { _ = f.Close() })
		to = append(to, f.Write)
	}
	if len(to) > 0 {
		v.stream = render.NewStream(jsonGuard{v.Sys.Redactor, to}, v.Sys.Now)
		v.close = append(v.close, v.stream.Close)
	}
	return nil
}

// fanOut writes to each; a stream that fails does not stop the others.
type fanOut []func([]byte) (int, error)

func (f fanOut) Write(p []byte) (int, error) {
	for _, w := range f {
		_, _ = w(p)
	}
	return len(p), nil
}

func (v *View) startRound(e report.RoundStarted) {
	round := render.Several{v.progress(e.Plan)}
	if v.stream != nil {
		round = append(round, keepOpen{v.stream})
	}
	if v.traces != nil {
		v.traces.begin(e.Plan, e.Run)
		round = append(round, v.traces)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.round = round
}

func (v *View) endRound() {
	v.mu.Lock()
	round := v.round
	v.round = nil
	v.mu.Unlock()
	round.Close()
}

// keepOpen is the stream in a round: it ends with the run, not the round.
type keepOpen struct{ *render.Stream }

func (keepOpen) Close() {}

// progress is what standard error shows: live lines on a terminal, plain ones
// elsewhere, and nothing when it is the same as the JSON.
func (v *View) progress(p *engine.Plan) render.Progress {
	if v.wantsJSON() {
		return render.Quiet{}
	}
	v.tell("\n")
	if isTerminal(v.Sys.Stderr) && v.Sys.Env("TERM") != "dumb" && !isOn(v.Sys.Env("CI")) {
		f, _ := fileOf(v.Sys.Stderr)
		return render.NewLive(v.Sys.Stderr, terminalSize(f), p, v.err(), v.Sys.Now)
	}
	return render.NewLines(v.Sys.Stderr, p, v.err(), v.Sys.Now)
}

// complete shows the last line of a run in which everything was done.
func (v *View) complete(e report.Complete) {
	if v.stream != nil {
		v.stream.Ended(&engine.Report{Plan: e.Plan, Counts: e.Counts})
	}
	if v.wantsJSON() {
		return
	}
	gap := ""
	if e.Worked {
		gap = "\n"
	}
	v.print(gap + render.CompleteText(e.Counts, e.Plan.Destroy, v.out()) + "\n")
}

// writeReport writes what -report asks for, however the run ended. The run is
// not the worse for a report that cannot be written.
func (v *View) writeReport(e report.RunEnded) {
	path := v.Flags.String("report")
	if path == "" {
		return
	}
	var facts []render.PageFact
	if id := v.traces.Id(); id != "" {
		facts = append(facts, render.PageFact{Name: "Trace", Value: id})
	}
	if err := v.Keep(v.opt.Path(path), render.RunHTML(e.Run, e.Reports, v.Sys.Redactor, facts)); err != nil {
		v.notice("Warning: the report could not be written: " + report.ErrorLine(err, v.Sys.Redactor))
	}
}

// Keep writes a text to a file, without secrets.
func (v *View) Keep(path, text string) error { return app.WriteFile(path, v.Sys.Redactor.Text(text)) }

// specFlags gives a failed gate the flags that say which spec was meant.
func (v *View) specFlags(err error) {
	var gate *resources.GateError
	if !errors.As(err, &gate) || slices.Contains(v.Flags.StringSlice("file"), "-") {
		return
	}
	gate.Next.Flags = nil
	if dir := v.Flags.String("chdir"); dir != "" {
		gate.Next.Flags = append(gate.Next.Flags, "--chdir", dir)
	}
	for _, name := range []string{"file", "env-file", "var-file", "profile"} { // a value of -var may be a secret
		for _, value := range v.Flags.StringSlice(name) {
			gate.Next.Flags = append(gate.Next.Flags, "--"+name, value)
		}
	}
}
