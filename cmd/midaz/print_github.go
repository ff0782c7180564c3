package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/specs"
)

// annotation is a line that GitHub shows at a place of the pull request.
type annotation struct {
	level   string // "error", "warning", "notice"
	weight  int    // within its level: the greater, the sooner
	pos     specs.Pos
	title   string
	message string
}

// GitHub keeps ten annotations of a level for each step.
const maxAnnotations = 10

// annotationText writes annotations as workflow commands, most severe first.
// What GitHub would drop is counted in the last one of its level.
func annotationText(all []annotation) string {
	rank := map[string]int{"error": 0, "warning": 1, "notice": 2}
	slices.SortStableFunc(all, func(a, b annotation) int {
		return cmp.Or(rank[a.level]-rank[b.level], b.weight-a.weight)
	})
	total := map[string]int{}
	for _, a := range all {
		total[a.level]++
	}
	var b strings.Builder
	shown := map[string]int{}
	for _, a := range all {
		shown[a.level]++
		n := shown[a.level]
		switch {
		case n > maxAnnotations:
			continue
		case n == maxAnnotations && total[a.level] > maxAnnotations:
			a.message += fmt.Sprintf("\n(and %d more of this level: see the job's summary)", total[a.level]-maxAnnotations)
		}
		b.WriteString(a.command())
	}
	return b.String()
}

func (a annotation) command() string {
	var properties []string
	if !a.pos.IsZero() {
		line, col := max(1, a.pos.Line), max(1, a.pos.Col)
		properties = append(properties, "file="+commandProperty(a.pos.File), fmt.Sprintf("line=%d,endLine=%d,col=%d,endColumn=%d", line, line, col, col+1))
	}
	if a.title != "" {
		properties = append(properties, "title="+commandProperty(a.title))
	}
	head := "::" + a.level
	if len(properties) > 0 {
		head += " " + strings.Join(properties, ",")
	}
	return head + "::" + commandMessage(a.message) + "\n"
}

var (
	messageEscapes  = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	propertyEscapes = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

func commandMessage(text string) string { return messageEscapes.Replace(text) }

func commandProperty(text string) string { return propertyEscapes.Replace(clean(text)) }

// bySeverity sorts errors before warnings, each by place.
func bySeverity(problems specs.Problems) specs.Problems {
	out := problems.Sorted()
	slices.SortStableFunc(out, func(a, b *specs.Problem) int {
		return map[specs.Severity]int{specs.Error: 0, specs.Warning: 1}[a.Severity()] - map[specs.Severity]int{specs.Error: 0, specs.Warning: 1}[b.Severity()]
	})
	return out
}

func problemAnnotations(problems specs.Problems) []annotation {
	var out []annotation
	for _, p := range bySeverity(problems) {
		a := annotation{level: string(p.Severity()), pos: p.Pos, title: "midaz " + codeOf(p), message: clean(p.Msg)}
		if p.Hint != "" {
			a.message += "\n" + clean(p.Hint)
		}
		for _, r := range p.Related {
			a.message += "\n" + clean(r.Pos.String()+": "+r.Msg)
		}
		out = append(out, a)
	}
	return out
}

// planGitHub annotates the lines of the spec that ask for changes: refusals and
// removals first.
func planGitHub(plan *engine.Plan, problems specs.Problems) string {
	all := problemAnnotations(problems)
	for _, r := range plan.Refusals {
		a := annotation{level: "error", pos: r.Pos, title: "midaz plan: refused", message: clean(r.Msg)}
		if !r.Addr.IsZero() {
			a.message = addrText(r.Addr) + ": " + a.message
		}
		if r.Hint != "" {
			a.message += "\n" + clean(r.Hint)
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
		all = append(all, annotation{level: "warning", weight: 1, pos: f.Pos, title: "midaz plan: not in force", message: overruledText(c, f) + "\n" + clean(f.Why)})
	}
	n := plan.Counts()
	return annotationText(all) + fmt.Sprintf("Plan: %d to add, %d to change, %d to destroy.\n", n.Add, n.Change, n.Destroy)
}

func changeAnnotation(plan *engine.Plan, c *engine.Change) annotation {
	a := annotation{level: "notice", pos: c.Pos(), title: headline(c)}
	if severity(c) > 0 || len(c.Hazards) > 0 {
		// Before findings about the spec, of which there may be more than GitHub shows.
		a.level, a.weight = "warning", 1+severity(c)
	}
	if a.pos.IsZero() && plan.Declared() != nil && plan.Declared().Spec != nil {
		a.pos = plan.Declared().Spec.Root.Pos() // what left the spec has no line of its own
	}
	var lines []string
	if c.Reason != "" {
		lines = append(lines, clean(c.Reason))
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
	a.message = strings.Join(lines, "\n")
	return a
}

// driftGitHub annotates the lines of the spec that no longer hold.
func driftGitHub(d drift, problems specs.Problems) string {
	all := problemAnnotations(problems)
	for _, c := range d.changed {
		a := changeAnnotation(d.plan, c)
		a.level, a.weight, a.title = "warning", 1, addrText(c.Addr)+" has changed outside"
		all = append(all, a)
	}
	for _, c := range d.runtime {
		all = append(all, annotation{level: "warning", weight: 1, pos: c.Pos(), title: "midaz drift", message: addrText(c.Addr) + ": " + clean(c.Have.State)})
	}
	all = append(all, unreadAnnotations("drift", d.unread)...)
	return annotationText(all)
}

// failedGitHub annotates what kept a command from its result.
func failedGitHub(verb string, err error, problems specs.Problems) string {
	all := problemAnnotations(problems)
	if problems.Errors() == 0 {
		for _, e := range causes(err) {
			a := annotation{level: "error", title: "midaz " + verb, message: clean(e.Error())}
			if hint := hintOf(e); hint != "" {
				a.message += "\n" + clean(hint)
			}
			all = append(all, a)
		}
	}
	return annotationText(all)
}
