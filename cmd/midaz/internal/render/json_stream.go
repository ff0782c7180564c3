package render

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// Stream writes what an apply does as one JSON object a line, in the names of
// OpenTofu's stream.
type Stream struct {
	Now func() time.Time

	mu      sync.Mutex
	W       io.Writer
	Flights map[engine.Step]*BeatOf
	stop    chan struct{}
	stopped sync.WaitGroup
}

// BeatOf is a step that runs, for its regular sign of life.
type BeatOf struct {
	hook  jsonHook
	since time.Time
	said  time.Time
	note  string
}

// JSONLine is one line of the stream. The fields with "@" come first in every
// line, then the type, then what belongs to the type.
type JSONLine struct {
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
	Diagnostic *JSONProblem `json:"diagnostic,omitempty"` // of type diagnostic: an error or a warning
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

// NewStream begins a stream with its version line.
func NewStream(w io.Writer, now func() time.Time) *Stream {
	s := &Stream{W: w, Now: now, Flights: map[engine.Step]*BeatOf{}, stop: make(chan struct{})}
	s.line("info", "midaz "+report.Version, JSONLine{Type: "version", Midaz: report.Version, UI: streamFormat})
	s.stopped.Go(func() {
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				s.Beat()
			case <-s.stop:
				return
			}
		}
	})
	return s
}

func (s *Stream) Close() {
	close(s.stop)
	s.stopped.Wait()
}

// Say tells a line about the whole run.
func (s *Stream) Say(line string) {
	s.line("warn", line, JSONLine{Type: "log"})
}

// line writes a line. One that cannot be written is lost: the apply goes on.
func (s *Stream) line(level, message string, line JSONLine) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.write(level, message, line)
}

func (s *Stream) write(level, message string, line JSONLine) {
	line.Level, line.Message, line.Module = level, message, "midaz"
	line.Timestamp = s.Now().UTC().Format("2006-01-02T15:04:05.000000Z07:00")
	if text, err := encodeJSON(line, ""); err == nil {
		_, _ = s.W.Write(text)
	}
}

func whatJSON(a resources.Addr) jsonWhat {
	return jsonWhat{Addr: a.String(), Resource: a.String(), ResourceType: a.Kind, ResourceName: a.Name}
}

// ActionWord is the action in the words of the stream, which differ from those
// of the plan.
func ActionWord(a resources.Action) string {
	switch a {
	case resources.NoOp:
		return "noop"
	case resources.Ensure:
		return "create"
	default:
		return string(a)
	}
}

// Planned tells the changes and their number.
func (s *Stream) Planned(plan *engine.Plan) {
	for _, c := range plan.Changes {
		if c.IsNoOp() {
			continue
		}
		s.line("info", headline(c), JSONLine{Type: "planned_change", Change: &jsonPlanned{
			Resource: whatJSON(c.Addr), Action: ActionWord(c.Action), Reason: c.Code, Source: sourceJSON(c.Pos())}})
	}
	n := plan.Counts()
	s.line("info", fmt.Sprintf("Plan: %d to add, %d to change, %d to destroy.", n.Add, n.Change, n.Destroy),
		JSONLine{Type: "change_summary", Stack: plan.Stack, Changes: &jsonSummary{Add: n.Add, Change: n.Change, Remove: n.Destroy,
			Operation: "plan"}})
}

// Problems tells what is wrong with the spec.
func (s *Stream) Problems(problems specs.Problems) {
	for _, p := range ProblemsJSON(problems) {
		level := "error"
		if p.Severity == string(specs.Warning) {
			level = "warn"
		}
		s.line(level, p.Severity+": "+p.Summary, JSONLine{Type: "diagnostic", Diagnostic: &p})
	}
}

// Failure tells an error that ends the run.
func (s *Stream) Failure(err error) {
	for _, p := range ErrorJSON(err) {
		s.line("error", "error: "+p.Summary, JSONLine{Type: "diagnostic", Diagnostic: &p})
	}
}

// Refusals tells why the plan is not applied.
func (s *Stream) Refusals(plan *engine.Plan) {
	for _, r := range plan.Refusals {
		p := JSONProblem{Severity: string(specs.Error), Summary: r.Msg, Detail: r.Hint, Code: r.Code, Range: rangeJSON(r.Pos)}
		if !r.Addr.IsZero() {
			p.Address = r.Addr.String()
		}
		s.line("error", "refused: "+r.Msg, JSONLine{Type: "diagnostic", Diagnostic: &p})
	}
}

// Ended tells what was really done.
func (s *Stream) Ended(r *engine.Report) {
	operation, message := "apply", CompleteText(r.Counts, r.Plan.Destroy, false)
	if r.Plan.Destroy {
		operation = "destroy"
	}
	failed, skipped := tally(r)
	level := "info"
	if failed+skipped > 0 {
		level, message = "error", IncompleteText(r, false)
	}
	s.line(level, message, JSONLine{Type: "change_summary", Stack: r.Plan.Stack, Changes: &jsonSummary{
		Add: r.Counts.Add, Change: r.Counts.Change, Remove: r.Counts.Destroy, Failed: failed, Skipped: skipped, Operation: operation}})
}

// Take is progress.
func (s *Stream) Take(e engine.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	hook := jsonHook{Resource: whatJSON(e.Step.Addr), Action: "noop", Step: string(e.Step.Verb)}
	if e.Change != nil {
		hook.Action = ActionWord(e.Change.Action)
		hook.Source = sourceJSON(e.Change.Pos())
	}
	elapsed := e.Elapsed.Seconds()
	a := AddrText(e.Step.Addr)
	switch e.Kind {
	case engine.StepStarted:
		s.Flights[e.Step] = &BeatOf{hook: hook, since: e.At, said: e.At}
		s.write("info", a+": "+doing(e.Step, e.Change)+"...", JSONLine{Type: "apply_start", Hook: &hook})
	case engine.StepNoted:
		if b := s.Flights[e.Step]; b != nil {
			b.note = e.Note
		}
	case engine.StepDone:
		delete(s.Flights, e.Step)
		hook.Elapsed = &elapsed
		s.write("info", endText(e, false), JSONLine{Type: "apply_complete", Hook: &hook})
	case engine.StepFailed:
		delete(s.Flights, e.Step)
		hook.Elapsed = &elapsed
		s.failed(e, hook)
	case engine.StepRolledBack:
		hook.RolledBack, hook.Note = true, e.Note
		s.write("warn", endText(e, false), JSONLine{Type: "apply_progress", Hook: &hook})
	case engine.StepSkipped:
		switch {
		case e.Because == e.Step.Addr:
			return
		case e.Because.IsZero() && (e.Step.Verb == engine.VerbAwait || e.Step.Verb == engine.VerbCommit):
			return // told with the step it belongs to, if that was not begun either
		case e.Because.IsZero():
			hook.Note = "not begun"
			s.write("warn", a+": not begun", JSONLine{Type: "apply_errored", Hook: &hook})
			return
		}
		hook.Because = e.Because.String()
		s.write("warn", fmt.Sprintf("%s: skipped because %s failed", a, AddrText(e.Because)), JSONLine{Type: "apply_errored", Hook: &hook})
	}
}

func (s *Stream) failed(e engine.Event, hook jsonHook) {
	cause := e.Err
	var pos specs.Pos
	var step *engine.StepError
	if errors.As(e.Err, &step) {
		cause, pos = step.Err, step.Pos
	}
	hook.Error = cause.Error()
	var gate *resources.GateError
	if errors.As(cause, &gate) {
		hook.Gate = &jsonFailure{gate.Cause, gate.TimedOut, gate.Probe, gate.State, gate.ExitCode, gate.OOM, gate.Restarts, gate.Logs,
			nextText(gate.Next)}
	}
	s.write("error", endText(e, false), JSONLine{Type: "apply_errored", Hook: &hook})
	s.write("error", "error: "+cause.Error(), JSONLine{Type: "diagnostic", Diagnostic: &JSONProblem{
		Severity: string(specs.Error), Summary: cause.Error(), Detail: hintOf(cause), Address: e.Step.Addr.String(), Range: rangeJSON(pos)}})
}

// Beat writes a sign of life for each step that has run for long.
func (s *Stream) Beat() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.Now()
	for step, b := range s.Flights {
		if now.Sub(b.said) < beat {
			continue
		}
		b.said = b.said.Add(beat)
		elapsed := now.Sub(b.since).Truncate(time.Second).Seconds()
		hook := b.hook
		hook.Elapsed, hook.Note = &elapsed, b.note
		message := fmt.Sprintf("%s: still %s [%s elapsed]", AddrText(step.Addr), doing(step, nil),
			elapsedText(now.Sub(b.since).Truncate(time.Second)))
		s.write("info", message, JSONLine{Type: "apply_progress", Hook: &hook})
	}
}
