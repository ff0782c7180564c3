package render

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
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

// RunHTML is a run as a page: how it ended, its time line, and each resource
// with its steps.
func RunHTML(run *resources.Run, reports []*engine.Report, redactor *resources.Redactor, facts []PageFact) string {
	t := report.NewTimeline(run.Started, reports)
	p := &page{Title: "midaz " + Clean(run.Command) + ": " + Clean(run.Stack), Heading: Capital(Clean(run.Command)) + " of stack " +
		Clean(run.Stack),
		What: "resources", Verdict: runVerdict(run, len(reports) > 0), Foot: fmt.Sprintf(pageFoot, report.Version)}
	p.Facts = append(p.Facts, PageFact{"Started", run.Started.Format("2006-01-02 15:04:05 MST")},
		PageFact{"Took", secondsText(run.Ended.Sub(run.Started).Seconds())},
		PageFact{"By", Clean(run.Who)})
	if run.ID != "" {
		p.Facts = append(p.Facts, PageFact{"Run", Clean(run.ID)})
	}
	p.Facts = append(p.Facts, facts...)
	lanes, by := t.Lanes()
	ranked := slices.Clone(lanes)
	slices.SortStableFunc(ranked, func(a, b resources.Addr) int { return laneRank(by[b]) - laneRank(by[a]) })
	p.identify(ranked)
	p.failures(run, ranked, by, redactor)
	for _, a := range ranked {
		p.Entries = append(p.Entries, p.laneEntry(a, by[a], redactor))
	}
	if len(t.Path) > 0 {
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
		return Capital(run.Result) + ": nothing was changed."
	default:
		return Capital(run.Result) + ": " + counts + "; what is left was not done."
	}
}

// laneRank orders resources: what failed, what was skipped for it, the rest.
func laneRank(steps []*report.TimedStep) int {
	rank := 0
	for _, s := range steps {
		switch {
		case s.State == graph.Failed:
			rank = 2
		case !s.Ran:
			rank = max(rank, 1)
		}
	}
	return rank
}

// failures lists what went wrong before everything else.
func (p *page) failures(run *resources.Run, lanes []resources.Addr, by map[resources.Addr][]*report.TimedStep,
	redactor *resources.Redactor) {
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
		a.Items = append(a.Items, pageItem{Text: Clean(run.Error)})
	}
	for _, why := range sortedKeys(skipped) {
		a.Items = append(a.Items, pageItem{Text: Capital(Count(skipped[why], "resource")) + " " + why})
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

func failureLine(s *report.TimedStep, redactor *resources.Redactor) string {
	cause := s.Err
	var step *engine.StepError
	if errors.As(s.Err, &step) {
		cause = step.Err
	}
	text := failedVerb(s.Step.Verb) + ": " + report.ErrorLine(errors.New(stepCause(cause)), redactor)
	if s.RolledBack {
		text += "; the old one is back in its place"
	}
	if hint := hintOf(cause); hint != "" {
		text += ". " + Capital(report.ErrorLine(errors.New(hint), redactor))
	}
	return text
}

// skipText says why steps were not run.
func skipText(steps []*report.TimedStep) string {
	for _, s := range steps {
		if !s.Ran && !s.Because.IsZero() {
			return "skipped because " + AddrText(s.Because) + " failed"
		}
	}
	return "not done, because the run was interrupted"
}

// laneClass is how a resource came out.
func laneClass(steps []*report.TimedStep) string {
	for _, s := range steps {
		if s.State == graph.Failed {
			return "failed"
		}
	}
	if c := steps[0].Change; c != nil && laneRank(steps) == 0 {
		return classOf(c.Action)
	}
	return "none"
}

func (p *page) laneEntry(a resources.Addr, steps []*report.TimedStep, redactor *resources.Redactor) pageEntry {
	class := laneClass(steps)
	e := pageEntry{ID: p.position[a], Class: class, Kind: a.Kind, Address: AddrText(a), Open: class == "failed",
		Sign: pageSigns[slices.IndexFunc(pageSigns, func(s pageSign) bool { return s.Class == class })].Sign}
	var done time.Duration
	for _, s := range steps {
		done += s.End - s.Begin
		if s.Critical && len(e.Tags) == 0 {
			e.Tags = append(e.Tags, pageSign{Class: "path", Text: "critical path"})
		}
		e.Steps = append(e.Steps, stepRow(s))
		if s.State == graph.Failed {
			e.Hazards = append(e.Hazards, failureLine(s, redactor))
		}
	}
	switch c := steps[0].Change; {
	case class == "failed":
		e.What = "failed after " + elapsedText(done)
	case laneRank(steps) == 1:
		e.What = skipText(steps)
	case c != nil && c.IsNoOp():
		e.What = "unchanged; its gate was waited for, " + elapsedText(done)
	default:
		e.What = did(workVerb(c, steps[len(steps)-1].Step.Verb)) + " in " + elapsedText(done)
	}
	if c := steps[0].Change; c != nil {
		if !c.Pos().IsZero() {
			e.Place = Clean(c.Pos().String())
		}
		e.Notes = changeNotes(c)
	}
	return e
}

func stepRow(s *report.TimedStep) pageStep {
	row := pageStep{Verb: Clean(string(s.Step.Verb)), Began: "-", Took: "-", Ended: "done"}
	if s.Step.Verb == engine.VerbAwait {
		row.Verb = "gate"
	}
	switch {
	case !s.Ran:
		row.Ended = skipText([]*report.TimedStep{s})
	case s.State == graph.Failed:
		row.Ended = "failed"
		if s.RolledBack {
			row.Ended = "failed, put back"
		}
	case s.Did == resources.NoOp && s.Step.Verb != engine.VerbAwait && s.Step.Verb != engine.VerbCommit:
		row.Ended = "nothing left to do"
	}
	if s.Ran {
		row.Began, row.Took, row.Waited = elapsedText(s.Begin), elapsedText(s.End-s.Begin), WaitText(s)
	}
	return row
}

// WaitText says what a step waited for last, and for how long it then still
// waited for its turn.
func WaitText(s *report.TimedStep) string {
	const turn = 50 * time.Millisecond // less is no wait
	text := "nothing"
	if s.After != nil {
		text = "its own " + stepNoun(s.After.Step.Verb)
		if s.After.Step.Addr != s.Step.Addr {
			text = "the " + stepNoun(s.After.Step.Verb) + " of " + AddrText(s.After.Step.Addr)
		}
		text += ", until " + elapsedText(s.Ready)
	}
	if idle := s.Begin - s.Ready; idle >= turn {
		text += "; then " + elapsedText(idle) + " for its turn (-parallelism)"
		if s.After == nil {
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
func (p *page) chart(t report.Timeline, lanes []resources.Addr, by map[resources.Addr][]*report.TimedStep) *drawing {
	const top = 28.0
	span := max(t.Total.Seconds(), 0.001)
	x := func(at time.Duration) float64 { return round(laneLabel + laneTime*at.Seconds()/span) }
	d := &drawing{Title: "Time line", Width: laneLabel + laneTime + laneNote, Height: top + laneHeight*float64(len(lanes)) + 8,
		Notes:  []string{"The critical path determined the " + elapsedText(t.Total) + " that the steps took: " + chainText(t.Path) + "."},
		Legend: []pageSign{{"work", "", "a step"}, {"gate", "", "waiting for a gate"}, {"path", "", "critical path"}, {"failed", "", "failed"}}}
	every := tickOf(t.Total)
	for at := time.Duration(0); at <= t.Total; at += every {
		d.Ticks = append(d.Ticks, drawnTick{X: x(at), Y1: top, Y2: d.Height - 8, TextY: top - 10, Text: tickText(at, every)})
	}
	middle := map[*report.TimedStep]float64{}
	for i, a := range lanes {
		l := p.lane(a, by[a], x, top+laneHeight*float64(i))
		for _, s := range by[a] {
			middle[s] = l.Y + laneHeight/2
		}
		l.W = d.Width
		d.Lanes = append(d.Lanes, l)
	}
	for i := 1; i < len(t.Path); i++ {
		from, to := t.Path[i-1], t.Path[i]
		if from.Step.Addr == to.Step.Addr {
			continue
		}
		at, until := x(from.End), x(to.Begin)
		d.Arrows = append(d.Arrows, drawnArrow{Class: "edge path", Tip: "tip-path", Path: fmt.Sprintf("M%g %gV%gH%g", at, middle[from],
			middle[to], max(until, at+1))})
	}
	return d
}

func (p *page) lane(a resources.Addr, steps []*report.TimedStep, x func(time.Duration) float64, y float64) drawnLane {
	class := laneClass(steps)
	l := drawnLane{Class: class, Name: cut(AddrText(a), nameLetters), Label: AddrText(a), Link: p.position[a], Y: y, H: laneHeight,
		TextY: y + 17}
	end := laneLabel
	var told []string
	for _, s := range steps {
		if !s.Ran {
			told = append(told, skipText([]*report.TimedStep{s}))
			l.Note = &drawnNote{Text: cut(skipText(steps), 60), X: end + 8, Y: y + 17}
			break
		}
		from, to := x(s.Begin), x(s.End)
		to = max(to, from+leastBar)
		if s.Ready < s.Begin || s.After == nil && s.Begin > 0 {
			l.Waits = append(l.Waits, drawnWait{X1: x(s.Ready), X2: from, Y: y + laneHeight/2})
		}
		b := drawnBar{Class: "step " + classOfStep(s), X: from, Y: y + (laneHeight-barHeight)/2, W: round(to - from), H: barHeight,
			Label: fmt.Sprintf("%s: %s, %s from %s; waited for %s", AddrText(a), stepRow(s).Verb, elapsedText(s.End-s.Begin), elapsedText(s.Begin),
				WaitText(s))}
		if s.Critical {
			b.Class += " path"
		}
		l.Bars = append(l.Bars, b)
		told = append(told, fmt.Sprintf("%s %s, %s", stepRow(s).Verb, stepRow(s).Ended, elapsedText(s.End-s.Begin)))
		end = max(end, to)
		text := elapsedText(s.End - steps[0].Begin)
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

func classOfStep(s *report.TimedStep) string {
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
func chainText(path []*report.TimedStep) string {
	const most = 8
	var parts []string
	for _, s := range path {
		if s.End-s.Begin == 0 && len(path) > most {
			continue
		}
		parts = append(parts, fmt.Sprintf("%s of %s %s", stepNoun(s.Step.Verb), AddrText(s.Step.Addr), elapsedText(s.End-s.Begin)))
	}
	if n := len(parts) - most; n > 0 {
		// The longest say most.
		parts = append(parts[:most:most], fmt.Sprintf("and %d more", n))
	}
	return strings.Join(parts, ", then ")
}

// tickOf is the distance of time marks, so that there are about eight.
func tickOf(total time.Duration) time.Duration {
	for _, unit := range []time.Duration{time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond, time.Second, 10 * time.Second,
		time.Minute, 10 * time.Minute, time.Hour} {
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
