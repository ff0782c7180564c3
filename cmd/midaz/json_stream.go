package main

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// stream writes what an apply does as one JSON object a line, in the names of
// OpenTofu's stream.
type stream struct {
	now func() time.Time

	mu      sync.Mutex
	w       io.Writer
	flights map[engine.Step]*beatOf
	stop    chan struct{}
	stopped sync.WaitGroup
}

// beatOf is a step that runs, for its regular sign of life.
type beatOf struct {
	hook  jsonHook
	since time.Time
	said  time.Time
	note  string
}

// jsonLine is one line of the stream. The fields with "@" come first in every
// line, then the type, then what belongs to the type.
type jsonLine struct {
	Level      string       `json:"@level"`               // info, warn or error
	Message    string       `json:"@message"`             // the line in a sentence
	Module     string       `json:"@module"`              // always "midaz"
	Timestamp  string       `json:"@timestamp"`           // when, RFC 3339
	Type       string       `json:"type"`                 // which of the other keys are there: version, planned_change, change_summary, apply_start, apply_progress, apply_complete, apply_errored, diagnostic or log
	Midaz      string       `json:"midaz,omitempty"`      // of type version: version of the program
	UI         string       `json:"ui,omitempty"`         // of type version: version of this format
	Stack      string       `json:"stack,omitempty"`      // of type version: name of the stack
	Change     *jsonPlanned `json:"change,omitempty"`     // of type planned_change: what will be done
	Changes    *jsonSummary `json:"changes,omitempty"`    // of type change_summary: the numbers
	Hook       *jsonHook    `json:"hook,omitempty"`       // of the types apply_…: what happens to one resource
	Diagnostic *jsonProblem `json:"diagnostic,omitempty"` // of type diagnostic: an error or a warning
}

type jsonPlanned struct {
	Resource jsonWhat    `json:"resource"`         // which one
	Action   string      `json:"action"`           // noop, create, update, replace or delete
	Reason   string      `json:"reason,omitempty"` // code of the reason
	Source   *jsonSource `json:"source,omitempty"` // where the spec declares it
}

type jsonSummary struct {
	Add       int    `json:"add"`               // how many are created
	Change    int    `json:"change"`            // how many are changed in place
	Import    int    `json:"import"`            // how many are taken over
	Remove    int    `json:"remove"`            // how many are destroyed
	Failed    int    `json:"failed,omitempty"`  // how many have failed
	Skipped   int    `json:"skipped,omitempty"` // how many were not tried, because of a failure
	Operation string `json:"operation"`         // plan, apply or destroy
}

type jsonWhat struct {
	Addr         string `json:"addr"`          // kind/name
	Resource     string `json:"resource"`      // the same, as OpenTofu has both
	ResourceType string `json:"resource_type"` // kind
	ResourceName string `json:"resource_name"` // name within the kind
}

type jsonHook struct {
	Resource   jsonWhat     `json:"resource"`                  // which one
	Action     string       `json:"action"`                    // noop, create, update, replace or delete
	Step       string       `json:"step"`                      // the step within it: create, update, ensure, delete, replace, swap, await (its gate) or commit (the old one goes)
	Elapsed    *float64     `json:"elapsed_seconds,omitempty"` // how long it has taken so far
	Note       string       `json:"note,omitempty"`            // what a long step last saw
	Error      string       `json:"error,omitempty"`           // why it failed
	Gate       *jsonFailure `json:"gate,omitempty"`            // why the gate did not pass
	RolledBack bool         `json:"rolled_back,omitempty"`     // whether the old one was put back
	Because    string       `json:"skipped_because,omitempty"` // address of the failure because of which it was not tried
	Source     *jsonSource  `json:"source,omitempty"`          // where the spec declares it
}

// jsonFailure is a gate that did not pass.
type jsonFailure struct {
	Cause    string   `json:"cause"`                // container exited, health check failed, timed out after 2m0s and the like
	TimedOut bool     `json:"timed_out"`            // whether the time was up
	Probe    string   `json:"probe,omitempty"`      // what was last tried and what came of it
	State    string   `json:"state,omitempty"`      // of the container, in the engine's word: running, restarting, exited
	ExitCode *int     `json:"exit_code,omitempty"`  // exit status of a container that ended
	OOM      bool     `json:"oom_killed,omitempty"` // whether the kernel ended it for lack of memory
	Restarts int      `json:"restarts,omitempty"`   // how often the engine has restarted it
	Logs     []string `json:"logs,omitempty"`       // its last lines
	Next     string   `json:"next,omitempty"`       // what to do now
}

// newStream begins a stream with its version line.
func newStream(w io.Writer, now func() time.Time) *stream {
	s := &stream{w: w, now: now, flights: map[engine.Step]*beatOf{}, stop: make(chan struct{})}
	s.line("info", "midaz "+version, jsonLine{Type: "version", Midaz: version, UI: streamFormat})
	s.stopped.Go(func() {
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				s.beat()
			case <-s.stop:
				return
			}
		}
	})
	return s
}

func (s *stream) close() {
	close(s.stop)
	s.stopped.Wait()
}

// say tells a line about the whole run.
func (s *stream) say(line string) {
	s.line("warn", line, jsonLine{Type: "log"})
}

// line writes a line. One that cannot be written is lost: the apply goes on.
func (s *stream) line(level, message string, line jsonLine) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.write(level, message, line)
}

func (s *stream) write(level, message string, line jsonLine) {
	line.Level, line.Message, line.Module = level, message, "midaz"
	line.Timestamp = s.now().UTC().Format("2006-01-02T15:04:05.000000Z07:00")
	if text, err := encodeJSON(line, ""); err == nil {
		_, _ = s.w.Write(text)
	}
}

func whatJSON(a resources.Addr) jsonWhat {
	return jsonWhat{Addr: a.String(), Resource: a.String(), ResourceType: a.Kind, ResourceName: a.Name}
}

// actionWord is the action in the words of the stream, which differ from those
// of the plan.
func actionWord(a resources.Action) string {
	switch a {
	case resources.NoOp:
		return "noop"
	case resources.Ensure:
		return "create"
	default:
		return string(a)
	}
}

// planned tells the changes and their number.
func (s *stream) planned(plan *engine.Plan) {
	for _, c := range plan.Changes {
		if c.IsNoOp() {
			continue
		}
		s.line("info", headline(c), jsonLine{Type: "planned_change", Change: &jsonPlanned{
			Resource: whatJSON(c.Addr), Action: actionWord(c.Action), Reason: c.Code, Source: sourceJSON(c.Pos())}})
	}
	n := plan.Counts()
	s.line("info", fmt.Sprintf("Plan: %d to add, %d to change, %d to destroy.", n.Add, n.Change, n.Destroy),
		jsonLine{Type: "change_summary", Stack: plan.Stack, Changes: &jsonSummary{Add: n.Add, Change: n.Change, Remove: n.Destroy, Operation: "plan"}})
}

// problems tells what is wrong with the spec.
func (s *stream) problems(problems specs.Problems) {
	for _, p := range problemsJSON(problems) {
		level := "error"
		if p.Severity == string(specs.Warning) {
			level = "warn"
		}
		s.line(level, p.Severity+": "+p.Summary, jsonLine{Type: "diagnostic", Diagnostic: &p})
	}
}

// failure tells an error that ends the run.
func (s *stream) failure(err error) {
	for _, p := range errorJSON(err) {
		s.line("error", "error: "+p.Summary, jsonLine{Type: "diagnostic", Diagnostic: &p})
	}
}

// refusals tells why the plan is not applied.
func (s *stream) refusals(plan *engine.Plan) {
	for _, r := range plan.Refusals {
		p := jsonProblem{Severity: string(specs.Error), Summary: r.Msg, Detail: r.Hint, Code: r.Code, Range: rangeJSON(r.Pos)}
		if !r.Addr.IsZero() {
			p.Address = r.Addr.String()
		}
		s.line("error", "refused: "+r.Msg, jsonLine{Type: "diagnostic", Diagnostic: &p})
	}
}

// ended tells what was really done.
func (s *stream) ended(r *engine.Report) {
	operation, message := "apply", completeText(r.Counts, r.Plan.Destroy, false)
	if r.Plan.Destroy {
		operation = "destroy"
	}
	failed, skipped := tally(r)
	level := "info"
	if failed+skipped > 0 {
		level, message = "error", incompleteText(r, false)
	}
	s.line(level, message, jsonLine{Type: "change_summary", Stack: r.Plan.Stack, Changes: &jsonSummary{
		Add: r.Counts.Add, Change: r.Counts.Change, Remove: r.Counts.Destroy, Failed: failed, Skipped: skipped, Operation: operation}})
}

// take is progress.
func (s *stream) take(e engine.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	hook := jsonHook{Resource: whatJSON(e.Step.Addr), Action: "noop", Step: string(e.Step.Verb)}
	if e.Change != nil {
		hook.Action = actionWord(e.Change.Action)
		hook.Source = sourceJSON(e.Change.Pos())
	}
	elapsed := e.Elapsed.Seconds()
	a := addrText(e.Step.Addr)
	switch e.Kind {
	case engine.StepStarted:
		s.flights[e.Step] = &beatOf{hook: hook, since: e.At, said: e.At}
		s.write("info", a+": "+doing(e.Step, e.Change)+"...", jsonLine{Type: "apply_start", Hook: &hook})
	case engine.StepNoted:
		if b := s.flights[e.Step]; b != nil {
			b.note = e.Note
		}
	case engine.StepDone:
		delete(s.flights, e.Step)
		hook.Elapsed = &elapsed
		s.write("info", endText(e, false), jsonLine{Type: "apply_complete", Hook: &hook})
	case engine.StepFailed:
		delete(s.flights, e.Step)
		hook.Elapsed = &elapsed
		s.failed(e, hook)
	case engine.StepRolledBack:
		hook.RolledBack, hook.Note = true, e.Note
		s.write("warn", endText(e, false), jsonLine{Type: "apply_progress", Hook: &hook})
	case engine.StepSkipped:
		switch {
		case e.Because == e.Step.Addr:
			return
		case e.Because.IsZero() && (e.Step.Verb == engine.VerbAwait || e.Step.Verb == engine.VerbCommit):
			return // told with the step it belongs to, if that was not begun either
		case e.Because.IsZero():
			hook.Note = "not begun"
			s.write("warn", a+": not begun", jsonLine{Type: "apply_errored", Hook: &hook})
			return
		}
		hook.Because = e.Because.String()
		s.write("warn", fmt.Sprintf("%s: skipped because %s failed", a, addrText(e.Because)), jsonLine{Type: "apply_errored", Hook: &hook})
	}
}

func (s *stream) failed(e engine.Event, hook jsonHook) {
	cause := e.Err
	var pos specs.Pos
	var step *engine.StepError
	if errors.As(e.Err, &step) {
		cause, pos = step.Err, step.Pos
	}
	hook.Error = cause.Error()
	var gate *resources.GateError
	if errors.As(cause, &gate) {
		hook.Gate = &jsonFailure{gate.Cause, gate.TimedOut, gate.Probe, gate.State, gate.ExitCode, gate.OOM, gate.Restarts, gate.Logs, gate.Next}
	}
	s.write("error", endText(e, false), jsonLine{Type: "apply_errored", Hook: &hook})
	s.write("error", "error: "+cause.Error(), jsonLine{Type: "diagnostic", Diagnostic: &jsonProblem{
		Severity: string(specs.Error), Summary: cause.Error(), Detail: hintOf(cause), Address: e.Step.Addr.String(), Range: rangeJSON(pos)}})
}

// beat writes a sign of life for each step that has run for long.
func (s *stream) beat() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	for step, b := range s.flights {
		if now.Sub(b.said) < beat {
			continue
		}
		b.said = b.said.Add(beat)
		elapsed := now.Sub(b.since).Truncate(time.Second).Seconds()
		hook := b.hook
		hook.Elapsed, hook.Note = &elapsed, b.note
		message := fmt.Sprintf("%s: still %s [%s elapsed]", addrText(step.Addr), doing(step, nil), elapsedText(now.Sub(b.since).Truncate(time.Second)))
		s.write("info", message, jsonLine{Type: "apply_progress", Hook: &hook})
	}
}
