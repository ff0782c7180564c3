package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/engine/graph"
	"github.com/LerianStudio/midaz-infra/resources"
)

// Lengths of the chart of a run.
const (
	laneHeight = 26.0
	laneLabel  = 270.0 // where the names stand
	laneTime   = 760.0 // where time goes on
	laneNote   = 190.0 // beyond its end, for words
	barHeight  = 14.0
	leastBar   = 3.0 // so that a short step is seen
)

type drawnTick struct {
	X, Y1, Y2, TextY float64
	Text             string
}

// drawnLane is one resource of a chart.
type drawnLane struct {
	Class, Name, Label, Link string
	Y, W, H, TextY           float64
	Waits                    []drawnWait
	Bars                     []drawnBar
	Note                     *drawnNote
}

type drawnWait struct{ X1, X2, Y float64 }

type drawnBar struct {
	Class, Label string
	X, Y, W, H   float64
}

type drawnNote struct {
	Class, Text string
	X, Y        float64
}

// runHTML is a run as a page: how it ended, its time line, and each resource
// with its steps.
func runHTML(run *resources.Run, reports []*engine.Report, redactor *resources.Redactor, facts []pageFact) string {
	t := newTimeline(run.Started, reports)
	p := &page{Title: "midaz " + clean(run.Command) + ": " + clean(run.Stack), Heading: capital(clean(run.Command)) + " of stack " + clean(run.Stack),
		What: "resources", Verdict: runVerdict(run, len(reports) > 0), Foot: fmt.Sprintf(pageFoot, version)}
	p.Facts = append(p.Facts, pageFact{"Started", run.Started.Format("2006-01-02 15:04:05 MST")}, pageFact{"Took", secondsText(run.Ended.Sub(run.Started).Seconds())},
		pageFact{"By", clean(run.Who)})
	if run.ID != "" {
		p.Facts = append(p.Facts, pageFact{"Run", clean(run.ID)})
	}
	p.Facts = append(p.Facts, facts...)
	lanes, by := t.lanes()
	ranked := slices.Clone(lanes)
	slices.SortStableFunc(ranked, func(a, b resources.Addr) int { return laneRank(by[b]) - laneRank(by[a]) })
	p.identify(ranked)
	p.failures(run, ranked, by, redactor)
	for _, a := range ranked {
		p.Entries = append(p.Entries, p.laneEntry(a, by[a], redactor))
	}
	if len(t.path) > 0 {
		p.Drawing = p.chart(t, lanes, by)
	}
	return p.html()
}

func runVerdict(run *resources.Run, began bool) string {
	counts := fmt.Sprintf("%d added, %d changed, %d destroyed", run.Add, run.Change, run.Destroy)
	switch {
	case run.Result == resources.RunDone && !began:
		return "Nothing to do."
	case run.Result == resources.RunDone:
		return "Done: " + counts + "."
	case !began:
		return capital(run.Result) + ": nothing was changed."
	default:
		return capital(run.Result) + ": " + counts + "; what is left was not done."
	}
}

// laneRank orders resources: what failed, what was skipped for it, the rest.
func laneRank(steps []*timedStep) int {
	rank := 0
	for _, s := range steps {
		switch {
		case s.State == graph.Failed:
			rank = 2
		case !s.ran:
			rank = max(rank, 1)
		}
	}
	return rank
}

// failures lists what went wrong before everything else.
func (p *page) failures(run *resources.Run, lanes []resources.Addr, by map[resources.Addr][]*timedStep, redactor *resources.Redactor) {
	a := pageAlert{Title: "What went wrong"}
	skipped := map[string]int{} // resources by what they were skipped for
	for _, addr := range lanes {
		for _, s := range by[addr] {
			if s.State == graph.Failed {
				l := p.link(addr)
				a.Items = append(a.Items, pageItem{Class: "failed", Sign: "!", Subject: l.Subject, Link: l.Link, Text: failureLine(s, redactor)})
			}
		}
		if laneRank(by[addr]) == 1 {
			skipped[skipText(by[addr])]++
		}
	}
	if len(a.Items) == 0 && run.Error != "" {
		a.Items = append(a.Items, pageItem{Text: clean(run.Error)})
	}
	for _, why := range sortedKeys(skipped) {
		a.Items = append(a.Items, pageItem{Text: capital(count(skipped[why], "resource")) + " " + why})
	}
	if len(a.Items) > 0 {
		p.Alerts = append(p.Alerts, a)
	}
}

func sortedKeys(m map[string]int) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func failureLine(s *timedStep, redactor *resources.Redactor) string {
	cause := s.Err
	var step *engine.StepError
	if errors.As(s.Err, &step) {
		cause = step.Err
	}
	text := failedVerb(s.Step.Verb) + ": " + errorLine(errors.New(stepCause(cause)), redactor)
	if s.RolledBack {
		text += "; the old one is back in its place"
	}
	if hint := hintOf(cause); hint != "" {
		text += ". " + capital(errorLine(errors.New(hint), redactor))
	}
	return text
}

// skipText says why steps were not run.
func skipText(steps []*timedStep) string {
	for _, s := range steps {
		if !s.ran && !s.Because.IsZero() {
			return "skipped because " + addrText(s.Because) + " failed"
		}
	}
	return "not done, because the run was interrupted"
}

// laneClass is how a resource came out.
func laneClass(steps []*timedStep) string {
	for _, s := range steps {
		if s.State == graph.Failed {
			return "failed"
		}
	}
	if c := steps[0].change; c != nil && laneRank(steps) == 0 {
		return classOf(c.Action)
	}
	return "none"
}

func (p *page) laneEntry(a resources.Addr, steps []*timedStep, redactor *resources.Redactor) pageEntry {
	class := laneClass(steps)
	e := pageEntry{ID: p.position[a], Class: class, Kind: a.Kind, Address: addrText(a), Open: class == "failed",
		Sign: pageSigns[slices.IndexFunc(pageSigns, func(s pageSign) bool { return s.Class == class })].Sign}
	var done time.Duration
	for _, s := range steps {
		done += s.end - s.begin
		if s.critical && len(e.Tags) == 0 {
			e.Tags = append(e.Tags, pageSign{Class: "path", Text: "critical path"})
		}
		e.Steps = append(e.Steps, stepRow(s))
		if s.State == graph.Failed {
			e.Hazards = append(e.Hazards, failureLine(s, redactor))
		}
	}
	switch c := steps[0].change; {
	case class == "failed":
		e.What = "failed after " + elapsedText(done)
	case laneRank(steps) == 1:
		e.What = skipText(steps)
	case c != nil && c.IsNoOp():
		e.What = "unchanged; its gate was waited for, " + elapsedText(done)
	default:
		e.What = did(workVerb(c, steps[len(steps)-1].Step.Verb)) + " in " + elapsedText(done)
	}
	if c := steps[0].change; c != nil {
		if !c.Pos().IsZero() {
			e.Place = clean(c.Pos().String())
		}
		e.Notes = changeNotes(c)
	}
	return e
}

func stepRow(s *timedStep) pageStep {
	row := pageStep{Verb: clean(string(s.Step.Verb)), Began: "-", Took: "-", Ended: "done"}
	if s.Step.Verb == engine.VerbAwait {
		row.Verb = "gate"
	}
	switch {
	case !s.ran:
		row.Ended = skipText([]*timedStep{s})
	case s.State == graph.Failed:
		row.Ended = "failed"
		if s.RolledBack {
			row.Ended = "failed, put back"
		}
	case s.Did == resources.NoOp && s.Step.Verb != engine.VerbAwait && s.Step.Verb != engine.VerbCommit:
		row.Ended = "nothing left to do"
	}
	if s.ran {
		row.Began, row.Took, row.Waited = elapsedText(s.begin), elapsedText(s.end-s.begin), waitText(s)
	}
	return row
}

// waitText says what a step waited for last, and for how long it then still
// waited for its turn.
func waitText(s *timedStep) string {
	const turn = 50 * time.Millisecond // less is no wait
	text := "nothing"
	if s.after != nil {
		text = "its own " + stepNoun(s.after.Step.Verb)
		if s.after.Step.Addr != s.Step.Addr {
			text = "the " + stepNoun(s.after.Step.Verb) + " of " + addrText(s.after.Step.Addr)
		}
		text += ", until " + elapsedText(s.ready)
	}
	if idle := s.begin - s.ready; idle >= turn {
		text += "; then " + elapsedText(idle) + " for its turn (-parallelism)"
		if s.after == nil {
			text = elapsedText(idle) + " for its turn (-parallelism)"
		}
	}
	return text
}

func stepNoun(v engine.Verb) string {
	switch v {
	case engine.VerbAwait:
		return "gate"
	case engine.VerbCommit:
		return "removal of the old one"
	case engine.VerbYield:
		return "stop of the old one"
	case engine.VerbDelete:
		return "removal"
	case engine.VerbUpdate:
		return "update"
	case engine.VerbSwap, engine.VerbReplace:
		return "replacement"
	default:
		return "creation"
	}
}

// chart draws a run: a lane for each resource, a bar for each step.
func (p *page) chart(t timeline, lanes []resources.Addr, by map[resources.Addr][]*timedStep) *drawing {
	const top = 28.0
	span := max(t.total.Seconds(), 0.001)
	x := func(at time.Duration) float64 { return round(laneLabel + laneTime*at.Seconds()/span) }
	d := &drawing{Title: "Time line", Width: laneLabel + laneTime + laneNote, Height: top + laneHeight*float64(len(lanes)) + 8,
		Notes:  []string{"The critical path determined the " + elapsedText(t.total) + " that the steps took: " + chainText(t.path) + "."},
		Legend: []pageSign{{"work", "", "a step"}, {"gate", "", "waiting for a gate"}, {"path", "", "critical path"}, {"failed", "", "failed"}}}
	every := tickOf(t.total)
	for at := time.Duration(0); at <= t.total; at += every {
		d.Ticks = append(d.Ticks, drawnTick{X: x(at), Y1: top, Y2: d.Height - 8, TextY: top - 10, Text: tickText(at, every)})
	}
	middle := map[*timedStep]float64{}
	for i, a := range lanes {
		l := p.lane(a, by[a], x, top+laneHeight*float64(i))
		for _, s := range by[a] {
			middle[s] = l.Y + laneHeight/2
		}
		l.W = d.Width
		d.Lanes = append(d.Lanes, l)
	}
	for i := 1; i < len(t.path); i++ {
		from, to := t.path[i-1], t.path[i]
		if from.Step.Addr == to.Step.Addr {
			continue
		}
		at, until := x(from.end), x(to.begin)
		d.Arrows = append(d.Arrows, drawnArrow{Class: "edge path", Tip: "tip-path", Path: fmt.Sprintf("M%g %gV%gH%g", at, middle[from], middle[to], max(until, at+1))})
	}
	return d
}

func (p *page) lane(a resources.Addr, steps []*timedStep, x func(time.Duration) float64, y float64) drawnLane {
	class := laneClass(steps)
	l := drawnLane{Class: class, Name: cut(addrText(a), nameLetters), Label: addrText(a), Link: p.position[a], Y: y, H: laneHeight, TextY: y + 17}
	end := laneLabel
	var told []string
	for _, s := range steps {
		if !s.ran {
			told = append(told, skipText([]*timedStep{s}))
			l.Note = &drawnNote{Text: cut(skipText(steps), 60), X: end + 8, Y: y + 17}
			break
		}
		from, to := x(s.begin), x(s.end)
		to = max(to, from+leastBar)
		if s.ready < s.begin || s.after == nil && s.begin > 0 {
			l.Waits = append(l.Waits, drawnWait{X1: x(s.ready), X2: from, Y: y + laneHeight/2})
		}
		b := drawnBar{Class: "step " + classOfStep(s), X: from, Y: y + (laneHeight-barHeight)/2, W: round(to - from), H: barHeight,
			Label: fmt.Sprintf("%s: %s, %s from %s; waited for %s", addrText(a), stepRow(s).Verb, elapsedText(s.end-s.begin), elapsedText(s.begin), waitText(s))}
		if s.critical {
			b.Class += " path"
		}
		l.Bars = append(l.Bars, b)
		told = append(told, fmt.Sprintf("%s %s, %s", stepRow(s).Verb, stepRow(s).Ended, elapsedText(s.end-s.begin)))
		end = max(end, to)
		text := elapsedText(s.end - steps[0].begin)
		l.Note = &drawnNote{Text: text, X: end + 6, Y: y + 17}
		if s.State == graph.Failed {
			l.Note.Class, l.Note.Text = "bad", "failed"
			if s.RolledBack {
				l.Note.Text = "failed, put back"
			}
			told = append(told, l.Note.Text)
			break
		}
	}
	l.Label += ": " + strings.Join(told, "; ")
	return l
}

func classOfStep(s *timedStep) string {
	switch {
	case s.State == graph.Failed:
		return "failed"
	case s.Step.Verb == engine.VerbAwait:
		return "await"
	case s.Step.Verb == engine.VerbDelete, s.Step.Verb == engine.VerbCommit:
		return "delete"
	case s.Step.Verb == engine.VerbSwap:
		return "replace"
	case s.Step.Verb == engine.VerbEnsure:
		return "create"
	default:
		return string(s.Step.Verb)
	}
}

// chainText tells the critical path in words: who waited for whom.
func chainText(path []*timedStep) string {
	const most = 8
	var parts []string
	for _, s := range path {
		if s.end-s.begin == 0 && len(path) > most {
			continue
		}
		parts = append(parts, fmt.Sprintf("%s of %s %s", stepNoun(s.Step.Verb), addrText(s.Step.Addr), elapsedText(s.end-s.begin)))
	}
	if n := len(parts) - most; n > 0 {
		// The longest say most.
		parts = append(parts[:most:most], fmt.Sprintf("and %d more", n))
	}
	return strings.Join(parts, ", then ")
}

// tickOf is the distance of time marks, so that there are about eight.
func tickOf(total time.Duration) time.Duration {
	for _, unit := range []time.Duration{time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond, time.Second, 10 * time.Second, time.Minute, 10 * time.Minute, time.Hour} {
		for _, n := range []time.Duration{1, 2, 5} {
			if unit*n*9 >= total {
				return unit * n
			}
		}
	}
	return cmp.Or(total/8, time.Millisecond)
}

func tickText(at, every time.Duration) string {
	if every < time.Second {
		return fmt.Sprintf("%gs", round(at.Seconds()*100)/100)
	}
	return at.String()
}
