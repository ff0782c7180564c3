package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
)

// progress shows what an apply is doing. take is called for each event, say for
// a line about the whole run, close once at the end.
type progress interface {
	take(engine.Event)
	say(line string)
	close()
}

// quiet shows nothing.
type quiet struct{}

func (quiet) take(engine.Event) {}
func (quiet) say(string)        {}
func (quiet) close()            {}

// several hands each event to more than one progress.
type several []progress

func (s several) take(e engine.Event) {
	for _, p := range s {
		p.take(e)
	}
}

func (s several) say(line string) {
	for _, p := range s {
		p.say(line)
	}
}

func (s several) close() {
	for _, p := range s {
		p.close()
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

func newFlights(plan *engine.Plan) flights {
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
			return "waiting: " + clean(c.Gate.Text)
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
func endText(e engine.Event, i ink) string {
	a := addrText(e.Step.Addr)
	switch e.Kind {
	case engine.StepDone:
		return fmt.Sprintf("%s: %s after %s", i.in(bold, a), i.in(green, did(e.Step.Verb)), elapsedText(e.Elapsed))
	case engine.StepFailed:
		return fmt.Sprintf("%s: %s after %s", i.in(bold, a), i.in(red, "failed"), elapsedText(e.Elapsed))
	case engine.StepRolledBack:
		return fmt.Sprintf("%s: %s", i.in(bold, a), i.in(yellow, clean(e.Note)))
	default:
		return ""
	}
}

// lines is the progress where there is no terminal: a line when a step starts,
// ends, and every ten seconds between.
type lines struct {
	w   io.Writer
	ink ink
	now func() time.Time

	mu      sync.Mutex
	flights flights
	stop    chan struct{}
	stopped sync.WaitGroup
}

func newLines(w io.Writer, plan *engine.Plan, i ink, now func() time.Time) *lines {
	l := &lines{w: w, ink: i, now: now, flights: newFlights(plan), stop: make(chan struct{})}
	l.stopped.Go(func() {
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				l.tick()
			case <-l.stop:
				return
			}
		}
	})
	return l
}

func (l *lines) take(e engine.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.ink.in(bold, addrText(e.Step.Addr))
	switch e.Kind {
	case engine.StepStarted:
		l.flights.begin(e)
		fmt.Fprintf(l.w, "%s: %s...\n", a, doing(e.Step, e.Change))
	case engine.StepNoted:
		if x := l.flights.get(e.Step.Addr); x != nil {
			x.note = e.Note
		}
	case engine.StepDone, engine.StepFailed:
		l.flights.drop(e.Step.Addr)
		fmt.Fprintln(l.w, endText(e, l.ink))
	case engine.StepRolledBack:
		fmt.Fprintln(l.w, endText(e, l.ink))
	}
}

func (l *lines) say(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintln(l.w, line)
}

// tick says of each step that runs for long what it last saw.
func (l *lines) tick() {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	for _, x := range l.flights.all {
		if now.Sub(x.said) < beat {
			continue
		}
		x.said = x.said.Add(beat)
		fmt.Fprintln(l.w, stillText(x, now.Sub(x.since), l.ink))
	}
}

func stillText(x *flight, elapsed time.Duration, i ink) string {
	what := "still " + doing(x.step, nil)
	if x.note != "" {
		what += ": " + strings.TrimRight(clean(x.note), " :")
	}
	return fmt.Sprintf("%s: %s [%s elapsed]", i.in(bold, addrText(x.step.Addr)), what, elapsedText(elapsed.Truncate(time.Second)))
}

func (l *lines) close() {
	close(l.stop)
	l.stopped.Wait()
}

// live is the progress on a terminal: finished resources scroll up, those
// being worked on have a line each below, redrawn in place.
type live struct {
	w    io.Writer
	ink  ink
	now  func() time.Time
	size func() (width, height int)

	mu       sync.Mutex
	flights  flights
	finished []string // since the last picture
	drawn    int      // lines of the last picture
	dirty    bool
	stop     chan struct{}
	stopped  sync.WaitGroup
}

// newLive returns lines written to w, which is the terminal f.
func newLive(w io.Writer, f *os.File, plan *engine.Plan, i ink, now func() time.Time) *live {
	l := &live{w: w, ink: i, now: now, flights: newFlights(plan), stop: make(chan struct{}),
		size: func() (int, int) {
			w, h, err := term.GetSize(int(f.Fd()))
			if err != nil || w <= 0 || h <= 0 {
				return 80, 24
			}
			return w, h
		}}
	l.stopped.Go(l.run)
	return l
}

func (l *live) run() {
	ticker := time.NewTicker(redraw)
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-ticker.C:
			l.mu.Lock()
			if l.dirty || n%5 == 0 { // the clock goes on when nothing happens
				l.draw()
			}
			l.mu.Unlock()
		case <-l.stop:
			return
		}
	}
}

func (l *live) take(e engine.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dirty = true
	switch e.Kind {
	case engine.StepStarted:
		l.flights.begin(e)
	case engine.StepNoted:
		if x := l.flights.get(e.Step.Addr); x != nil {
			x.note = e.Note
		}
	case engine.StepRolledBack:
		l.finished = append(l.finished, endText(e, l.ink))
	case engine.StepFailed:
		l.flights.drop(e.Step.Addr)
		l.flights.failed++
		l.finished = append(l.finished, endText(e, l.ink))
	case engine.StepDone:
		l.land(e)
	}
}

func (l *live) say(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.finished, l.dirty = append(l.finished, line), true
}

// land ends a step. A resource whose gate comes next keeps its line, and only
// its end is told, under the name of the work and with the time of all of it.
func (l *live) land(e engine.Event) {
	x := l.flights.get(e.Step.Addr)
	if x == nil {
		return
	}
	if l.flights.more(e.Step) {
		x.landed, x.note = true, ""
		return
	}
	l.flights.drop(e.Step.Addr)
	if e.Change != nil && !e.Change.IsNoOp() {
		l.flights.done++
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

func (l *live) draw() {
	width, height := l.size()
	var b strings.Builder
	if l.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", l.drawn)
	}
	for _, line := range l.finished {
		b.WriteString("\r" + line + "\x1b[K\n")
	}
	picture := l.picture(width, height)
	for _, line := range picture {
		b.WriteString("\r" + line + "\x1b[K\n")
	}
	b.WriteString("\x1b[J")
	l.finished, l.drawn, l.dirty = nil, len(picture), false
	_, _ = io.WriteString(l.w, b.String())
}

// picture returns the lines of what is being worked on, none longer than the
// terminal is wide and no more than fit on half of it.
func (l *live) picture(width, height int) []string {
	if len(l.flights.all) == 0 {
		return nil
	}
	most := max(1, height/2-1)
	shown := l.flights.all[:min(len(l.flights.all), most)]
	widest := 0
	for _, x := range shown {
		widest = max(widest, utf8.RuneCountInString(addrText(x.step.Addr)))
	}
	widest = min(widest, max(10, width/2))
	now := l.now()
	var out []string
	for _, x := range shown {
		c := l.flights.plan.Change(x.step.Addr)
		what := doing(x.step, c)
		switch {
		case x.landed:
			what = did(x.step.Verb)
		case x.note != "":
			// What was last seen says more than what is waited for.
			what = doing(x.step, nil) + ": " + strings.TrimRight(clean(x.note), " :")
		}
		plain := fmt.Sprintf("  %s %6s  %s", pad(cut(addrText(x.step.Addr), widest), widest), elapsedText(now.Sub(x.began)), what)
		out = append(out, cut(plain, width-1))
	}
	last := fmt.Sprintf("  %d of %d done", l.flights.done, l.flights.total)
	if more := len(l.flights.all) - len(shown); more > 0 {
		last += fmt.Sprintf(", %d more in flight", more)
	}
	if l.flights.failed > 0 {
		last += fmt.Sprintf(", %d failed", l.flights.failed)
	}
	return append(out, l.ink.in(dim, cut(last, width-1)))
}

func (l *live) close() {
	close(l.stop)
	l.stopped.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flights.all = nil
	l.draw()
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
