package render

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
)

// Progress shows what an apply is doing. take is called for each event, say for
// a line about the whole run, close once at the end.
type Progress interface {
	Take(engine.Event)
	Say(line string)
	Close()
}

// Quiet shows nothing.
type Quiet struct{}

func (Quiet) Take(engine.Event) {}
func (Quiet) Say(string)        {}
func (Quiet) Close()            {}

// Several hands each event to more than one progress.
type Several []Progress

func (s Several) Take(e engine.Event) {
	for _, p := range s {
		p.Take(e)
	}
}

func (s Several) Say(line string) {
	for _, p := range s {
		p.Say(line)
	}
}

func (s Several) Close() {
	for _, p := range s {
		p.Close()
	}
}

const (
	// beat is how often a line says that a step still runs.
	beat = 10 * time.Second
	// redraw is the shortest time between two pictures on a terminal.
	redraw = 100 * time.Millisecond
)

// flight is a resource that is being worked on.
type flight struct {
	step  engine.Step
	began time.Time // of the resource's first step
	since time.Time // of this step
	note  string
	said  time.Time // when a line last said that it still runs
	// landed: the work is done and the gate comes next.
	landed bool
}

// flights are the resources being worked on, in the order they began.
type flights struct {
	all    []*flight
	plan   *engine.Plan
	total  int
	done   int
	failed int
}

func NewFlights(plan *engine.Plan) flights {
	f := flights{plan: plan}
	for _, c := range plan.Changes {
		if !c.IsNoOp() {
			f.total++
		}
	}
	return f
}

func (f *flights) get(a resources.Addr) *flight {
	for _, x := range f.all {
		if x.step.Addr == a {
			return x
		}
	}
	return nil
}

func (f *flights) drop(a resources.Addr) {
	f.all = slices.DeleteFunc(f.all, func(x *flight) bool { return x.step.Addr == a })
}

// begin notes that a step has started.
func (f *flights) begin(e engine.Event) *flight {
	x := f.get(e.Step.Addr)
	if x == nil {
		x = &flight{began: e.At}
		f.all = append(f.all, x)
	}
	x.step, x.since, x.said, x.note, x.landed = e.Step, e.At, e.At, "", false
	return x
}

// more reports whether another step of the same resource follows at once.
func (f *flights) more(s engine.Step) bool {
	next := func(v engine.Verb) bool { return f.plan.Steps.Has(engine.Step{Addr: s.Addr, Verb: v}) }
	switch s.Verb {
	case engine.VerbCreate, engine.VerbUpdate, engine.VerbEnsure, engine.VerbReplace:
		return next(engine.VerbAwait)
	case engine.VerbYield:
		return next(engine.VerbSwap)
	case engine.VerbSwap:
		return next(engine.VerbAwait) || next(engine.VerbCommit)
	case engine.VerbAwait:
		return next(engine.VerbCommit)
	default:
		return false
	}
}

func doing(s engine.Step, c *engine.Change) string {
	switch s.Verb {
	case engine.VerbCreate:
		return "creating"
	case engine.VerbUpdate:
		return "updating"
	case engine.VerbEnsure:
		return "creating or updating"
	case engine.VerbDelete:
		return "destroying"
	case engine.VerbReplace, engine.VerbSwap:
		return "replacing"
	case engine.VerbCommit:
		return "removing the old one"
	case engine.VerbYield:
		return "stopping the old one"
	case engine.VerbAwait:
		if c != nil && c.Gate != nil && c.Gate.Text != "" {
			return "waiting: " + Clean(c.Gate.Text)
		}
		return "waiting"
	default:
		return string(s.Verb)
	}
}

func did(v engine.Verb) string {
	switch v {
	case engine.VerbCreate:
		return "created"
	case engine.VerbUpdate:
		return "updated"
	case engine.VerbEnsure:
		return "created or up to date"
	case engine.VerbDelete:
		return "destroyed"
	case engine.VerbReplace, engine.VerbSwap:
		return "replaced"
	case engine.VerbCommit:
		return "old one removed"
	case engine.VerbYield:
		return "old one stopped"
	default:
		return "ready"
	}
}

// endText returns the line about the end of a step.
func endText(e engine.Event, i Ink) string {
	a := AddrText(e.Step.Addr)
	switch e.Kind {
	case engine.StepDone:
		return fmt.Sprintf("%s: %s after %s", i.In(Bold, a), i.In(Green, did(e.Step.Verb)), elapsedText(e.Elapsed))
	case engine.StepFailed:
		return fmt.Sprintf("%s: %s after %s", i.In(Bold, a), i.In(red, "failed"), elapsedText(e.Elapsed))
	case engine.StepRolledBack:
		return fmt.Sprintf("%s: %s", i.In(Bold, a), i.In(yellow, Clean(e.Note)))
	default:
		return ""
	}
}

// Lines is the progress where there is no terminal: a line when a step starts,
// ends, and every ten seconds between.
type Lines struct {
	W   io.Writer
	ink Ink
	Now func() time.Time

	mu      sync.Mutex
	Flights flights
	stop    chan struct{}
	stopped sync.WaitGroup
}

func NewLines(w io.Writer, plan *engine.Plan, i Ink, now func() time.Time) *Lines {
	l := &Lines{W: w, ink: i, Now: now, Flights: NewFlights(plan), stop: make(chan struct{})}
	l.stopped.Go(func() {
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				l.Tick()
			case <-l.stop:
				return
			}
		}
	})
	return l
}

func (l *Lines) Take(e engine.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.ink.In(Bold, AddrText(e.Step.Addr))
	switch e.Kind {
	case engine.StepStarted:
		l.Flights.begin(e)
		fmt.Fprintf(l.W, "%s: %s...\n", a, doing(e.Step, e.Change))
	case engine.StepNoted:
		if x := l.Flights.get(e.Step.Addr); x != nil {
			x.note = e.Note
		}
	case engine.StepDone, engine.StepFailed:
		l.Flights.drop(e.Step.Addr)
		fmt.Fprintln(l.W, endText(e, l.ink))
	case engine.StepRolledBack:
		fmt.Fprintln(l.W, endText(e, l.ink))
	}
}

func (l *Lines) Say(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintln(l.W, line)
}

// Tick says of each step that runs for long what it last saw.
func (l *Lines) Tick() {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.Now()
	for _, x := range l.Flights.all {
		if now.Sub(x.said) < beat {
			continue
		}
		x.said = x.said.Add(beat)
		fmt.Fprintln(l.W, stillText(x, now.Sub(x.since), l.ink))
	}
}

func stillText(x *flight, elapsed time.Duration, i Ink) string {
	what := "still " + doing(x.step, nil)
	if x.note != "" {
		what += ": " + strings.TrimRight(Clean(x.note), " :")
	}
	return fmt.Sprintf("%s: %s [%s elapsed]", i.In(Bold, AddrText(x.step.Addr)), what, elapsedText(elapsed.Truncate(time.Second)))
}

func (l *Lines) Close() {
	close(l.stop)
	l.stopped.Wait()
}

// Live is the progress on a terminal: finished resources scroll up, those
// being worked on have a line each below, redrawn in place.
type Live struct {
	W    io.Writer
	ink  Ink
	Now  func() time.Time
	Size func() (width, height int)

	mu       sync.Mutex
	Flights  flights
	finished []string // since the last picture
	drawn    int      // lines of the last picture
	dirty    bool
	Stop     chan struct{}
	stopped  sync.WaitGroup
}

// NewLive returns lines written to w, a terminal that has the given size in
// columns and rows at the time of each call.
func NewLive(w io.Writer, size func() (width, height int), plan *engine.Plan, i Ink, now func() time.Time) *Live {
	l := &Live{W: w, ink: i, Now: now, Flights: NewFlights(plan), Stop: make(chan struct{}), Size: size}
	l.stopped.Go(l.run)
	return l
}

func (l *Live) run() {
	ticker := time.NewTicker(redraw)
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-ticker.C:
			l.mu.Lock()
			if l.dirty || n%5 == 0 { // the clock goes on when nothing happens
				l.Draw()
			}
			l.mu.Unlock()
		case <-l.Stop:
			return
		}
	}
}

func (l *Live) Take(e engine.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dirty = true
	switch e.Kind {
	case engine.StepStarted:
		l.Flights.begin(e)
	case engine.StepNoted:
		if x := l.Flights.get(e.Step.Addr); x != nil {
			x.note = e.Note
		}
	case engine.StepRolledBack:
		l.finished = append(l.finished, endText(e, l.ink))
	case engine.StepFailed:
		l.Flights.drop(e.Step.Addr)
		l.Flights.failed++
		l.finished = append(l.finished, endText(e, l.ink))
	case engine.StepDone:
		l.land(e)
	}
}

func (l *Live) Say(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.finished, l.dirty = append(l.finished, line), true
}

// land ends a step. A resource whose gate comes next keeps its line, and only
// its end is told, under the name of the work and with the time of all of it.
func (l *Live) land(e engine.Event) {
	x := l.Flights.get(e.Step.Addr)
	if x == nil {
		return
	}
	if l.Flights.more(e.Step) {
		x.landed, x.note = true, ""
		return
	}
	l.Flights.drop(e.Step.Addr)
	if e.Change != nil && !e.Change.IsNoOp() {
		l.Flights.done++
		e.Step.Verb = workVerb(e.Change, e.Step.Verb)
		e.Elapsed = e.At.Sub(x.began)
	}
	l.finished = append(l.finished, endText(e, l.ink))
}

// workVerb is what a change is told as when all its steps are done.
func workVerb(c *engine.Change, last engine.Verb) engine.Verb {
	switch c.Action {
	case resources.Create:
		return engine.VerbCreate
	case resources.Update:
		return engine.VerbUpdate
	case resources.Ensure:
		return engine.VerbEnsure
	case resources.Replace:
		return engine.VerbReplace
	default:
		return last
	}
}

func (l *Live) Draw() {
	width, height := l.Size()
	var b strings.Builder
	if l.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", l.drawn)
	}
	for _, line := range l.finished {
		b.WriteString("\r" + line + "\x1b[K\n")
	}
	picture := l.Picture(width, height)
	for _, line := range picture {
		b.WriteString("\r" + line + "\x1b[K\n")
	}
	b.WriteString("\x1b[J")
	l.finished, l.drawn, l.dirty = nil, len(picture), false
	_, _ = io.WriteString(l.W, b.String())
}

// Picture returns the lines of what is being worked on, none longer than the
// terminal is wide and no more than fit on half of it.
func (l *Live) Picture(width, height int) []string {
	if len(l.Flights.all) == 0 {
		return nil
	}
	most := max(1, height/2-1)
	shown := l.Flights.all[:min(len(l.Flights.all), most)]
	widest := 0
	for _, x := range shown {
		widest = max(widest, utf8.RuneCountInString(AddrText(x.step.Addr)))
	}
	widest = min(widest, max(10, width/2))
	now := l.Now()
	var out []string
	for _, x := range shown {
		c := l.Flights.plan.Change(x.step.Addr)
		what := doing(x.step, c)
		switch {
		case x.landed:
			what = did(x.step.Verb)
		case x.note != "":
			// What was last seen says more than what is waited for.
			what = doing(x.step, nil) + ": " + strings.TrimRight(Clean(x.note), " :")
		}
		plain := fmt.Sprintf("  %s %6s  %s", Pad(cut(AddrText(x.step.Addr), widest), widest), elapsedText(now.Sub(x.began)), what)
		out = append(out, cut(plain, width-1))
	}
	last := fmt.Sprintf("  %d of %d done", l.Flights.done, l.Flights.total)
	if more := len(l.Flights.all) - len(shown); more > 0 {
		last += fmt.Sprintf(", %d more in flight", more)
	}
	if l.Flights.failed > 0 {
		last += fmt.Sprintf(", %d failed", l.Flights.failed)
	}
	return append(out, l.ink.In(Dim, cut(last, width-1)))
}

func (l *Live) Close() {
	close(l.Stop)
	l.stopped.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Flights.all = nil
	l.Draw()
}

// cut shortens a line to a width in columns. Every rune that may be wide is
// counted as two, so that a line never wraps.
func cut(s string, width int) string {
	const dots = 2 // columns that "…" may take
	used, fits := 0, 0
	for at, r := range s {
		n := 1
		if r >= 0x1100 {
			n = 2
		}
		if used <= width-dots {
			fits = at
		}
		if used += n; used > width {
			return s[:fits] + "…"
		}
	}
	return s
}
