package render

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/specs"
)

// Annotation is a line that GitHub shows at a place of the pull request.
type Annotation struct {
	Level   string // "error", "warning", "notice"
	weight  int    // within its level: the greater, the sooner
	Pos     specs.Pos
	Title   string
	Message string
}

// GitHub keeps ten annotations of a level for each step.
const MaxAnnotations = 10

// AnnotationText writes annotations as workflow commands, most severe first.
// What GitHub would drop is counted in the last one of its level.
func AnnotationText(all []Annotation) string {
	rank := map[string]int{"error": 0, "warning": 1, "notice": 2}
	slices.SortStableFunc(all, func(a, b Annotation) int {
		return cmp.Or(rank[a.Level]-rank[b.Level], b.weight-a.weight)
	})
	total := map[string]int{}
	for _, a := range all {
		total[a.Level]++
	}
	var b strings.Builder
	shown := map[string]int{}
	for _, a := range all {
		shown[a.Level]++
		n := shown[a.Level]
		switch {
		case n > MaxAnnotations:
			continue
		case n == MaxAnnotations && total[a.Level] > MaxAnnotations:
			a.Message += fmt.Sprintf("\n(and %d more of this level: see the job's summary)", total[a.Level]-MaxAnnotations)
		}
		b.WriteString(a.Command())
	}
	return b.String()
}

func (a Annotation) Command() string {
	var properties []string
	if !a.Pos.IsZero() {
		line, col := max(1, a.Pos.Line), max(1, a.Pos.Col)
		properties = append(properties, "file="+CommandProperty(a.Pos.File), fmt.Sprintf("line=%d,endLine=%d,col=%d,endColumn=%d", line, line,
			col, col+1))
	}
	if a.Title != "" {
		properties = append(properties, "title="+CommandProperty(a.Title))
	}
	head := "::" + a.Level
	if len(properties) > 0 {
		head += " " + strings.Join(properties, ",")
	}
	return head + "::" + CommandMessage(a.Message) + "\n"
}

var (
	messageEscapes  = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	propertyEscapes = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

func CommandMessage(text string) string { return messageEscapes.Replace(text) }

func CommandProperty(text string) string { return propertyEscapes.Replace(Clean(text)) }

// bySeverity sorts errors before warnings, each by place.
func bySeverity(problems specs.Problems) specs.Problems {
	out := problems.Sorted()
	slices.SortStableFunc(out, func(a, b *specs.Problem) int {
		return map[specs.Severity]int{specs.Error: 0, specs.Warning: 1}[a.Severity()] - map[specs.Severity]int{specs.Error: 0,
			specs.Warning: 1}[b.Severity()]
	})
	return out
}

func ProblemAnnotations(problems specs.Problems) []Annotation {
	var out []Annotation
	for _, p := range bySeverity(problems) {
		a := Annotation{Level: string(p.Severity()), Pos: p.Pos, Title: "midaz " + codeOf(p), Message: Clean(p.Msg)}
		if p.Hint != "" {
			a.Message += "\n" + Clean(p.Hint)
		}
		for _, r := range p.Related {
			a.Message += "\n" + Clean(r.Pos.String()+": "+r.Msg)
		}
		out = append(out, a)
	}
	return out
}

// PlanGitHub annotates the lines of the spec that ask for changes: refusals and
// removals first.
func PlanGitHub(plan *engine.Plan, problems specs.Problems) string {
	all := ProblemAnnotations(problems)
	for _, r := range plan.Refusals {
		a := Annotation{Level: "error", Pos: r.Pos, Title: "midaz plan: refused", Message: Clean(r.Msg)}
		if !r.Addr.IsZero() {
			a.Message = AddrText(r.Addr) + ": " + a.Message
		}
		if r.Hint != "" {
			a.Message += "\n" + Clean(r.Hint)
		}
		all = append(all, a)
	}
	changes := slices.Clone(plan.Changes)
	slices.SortStableFunc(changes, func(a, b *engine.Change) int { return severity(b) - severity(a) })
	for _, c := range changes {
		if !c.IsNoOp() {
			all = append(all, changeAnnotation(plan, c))
		}
	}
	for c, f := range overruledSettings(plan) {
		all = append(all, Annotation{Level: "warning", weight: 1, Pos: f.Pos, Title: "midaz plan: not in force", Message: overruledText(c, f) +
			"\n" + Clean(f.Why)})
	}
	n := plan.Counts()
	return AnnotationText(all) + fmt.Sprintf("Plan: %d to add, %d to change, %d to destroy.\n", n.Add, n.Change, n.Destroy)
}

func changeAnnotation(plan *engine.Plan, c *engine.Change) Annotation {
	a := Annotation{Level: "notice", Pos: c.Pos(), Title: headline(c)}
	if severity(c) > 0 || len(c.Hazards) > 0 {
		// Before findings about the spec, of which there may be more than GitHub shows.
		a.Level, a.weight = "warning", 1+severity(c)
	}
	if a.Pos.IsZero() && plan.Declared() != nil && plan.Declared().Spec != nil {
		a.Pos = plan.Declared().Spec.Root.Pos() // what left the spec has no line of its own
	}
	var lines []string
	if c.Reason != "" {
		lines = append(lines, Clean(c.Reason))
	}
	for _, h := range c.Hazards {
		lines = append(lines, hazardText(h))
	}
	for _, d := range c.Delta {
		for _, r := range diffRows(d) {
			lines = append(lines, r.sign+" "+r.name+" = "+r.value)
		}
	}
	if len(lines) == 0 {
		lines = []string{headline(c)}
	}
	a.Message = strings.Join(lines, "\n")
	return a
}

// DriftGitHub annotates the lines of the spec that no longer hold.
func DriftGitHub(d engine.Drift, problems specs.Problems) string {
	all := ProblemAnnotations(problems)
	for _, c := range d.Changed {
		a := changeAnnotation(d.Plan, c)
		a.Level, a.weight, a.Title = "warning", 1, AddrText(c.Addr)+" has changed outside"
		all = append(all, a)
	}
	for _, c := range d.Runtime {
		all = append(all, Annotation{Level: "warning", weight: 1, Pos: c.Pos(), Title: "midaz drift", Message: AddrText(c.Addr) + ": " +
			Clean(c.Have.State)})
	}
	all = append(all, unreadAnnotations("drift", d.Unread)...)
	return AnnotationText(all)
}

// FailedGitHub annotates what kept a command from its result.
func FailedGitHub(verb string, err error, problems specs.Problems) string {
	all := ProblemAnnotations(problems)
	if problems.Errors() == 0 {
		for _, e := range report.Causes(err) {
			a := Annotation{Level: "error", Title: "midaz " + verb, Message: Clean(e.Error())}
			if hint := hintOf(e); hint != "" {
				a.Message += "\n" + Clean(hint)
			}
			all = append(all, a)
		}
	}
	return AnnotationText(all)
}
