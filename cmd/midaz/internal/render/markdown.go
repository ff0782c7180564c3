package render

import (
	"fmt"
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// MaxComment keeps a comment below GitHub's limit of 65,536 characters, with
// room for what others put around it.
const MaxComment = 60000

// markdown writes Markdown that stays within a size. What does not fit is left
// out whole and counted.
type markdown struct {
	strings.Builder
	left int
}

func newMarkdown(most int) *markdown { return &markdown{left: max(most, 1000)} }

// put writes text that must be there.
func (m *markdown) put(text string) {
	m.WriteString(text)
	m.left -= len(text)
}

// list writes the items that fit while room bytes stay free for what follows,
// and how many more there are. One that is too long does not keep the others
// out.
func (m *markdown) list(items []string, room int, what string) {
	const more = 80 // the line about what was left out
	out := 0
	for _, item := range items {
		if m.left-len(item)-more < room {
			out++
			continue
		}
		m.put(item)
	}
	if out > 0 {
		m.put(fmt.Sprintf("\n_%s left out here. The whole text is in the log of the run._\n", Capital(Count(out, what))))
	}
}

// Fence returns text as a code block, behind as many backticks as it takes.
func Fence(language, text string) string {
	ticks := "```"
	for strings.Contains(text, ticks) {
		ticks += "`"
	}
	return ticks + language + "\n" + strings.TrimRight(text, "\n") + "\n" + ticks + "\n"
}

// Code returns one line of text as code.
func Code(text string) string {
	text = Clean(text)
	ticks := "`"
	for strings.Contains(text, ticks) {
		ticks += "`"
	}
	if strings.HasPrefix(text, "`") || strings.HasSuffix(text, "`") {
		text = " " + text + " "
	}
	return ticks + text + ticks
}

// Prose returns one line of text in which nothing is markup.
func Prose(text string) string {
	return strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "<", "&lt;", ">", "&gt;", "&", "&amp;", "|",
		`\|`, "#", `\#`, "~", `\~`, "@", "&#64;").Replace(Clean(text))
}

// PlanMarkdown is a plan as a comment: what is dangerous, then each change in
// a block that opens, the sign in the first column so that it is coloured.
func PlanMarkdown(plan *engine.Plan, problems specs.Problems, most int) string {
	m := newMarkdown(most)
	m.put(fmt.Sprintf("<!-- midaz:plan:%s -->\n### midaz plan: %s\n\n", plan.Stack, Code(plan.Stack)))
	n := plan.Counts()
	switch {
	case plan.IsEmpty():
		p := &planPrinter{plan: plan}
		p.empty()
		m.put(Prose(strings.TrimSpace(p.String())) + "\n\n")
	default:
		m.put(fmt.Sprintf("**Plan: %d to add, %d to change, %d to destroy.**\n\n", n.Add, n.Change, n.Destroy))
	}
	m.refused(plan)
	m.dangers(plan)
	m.overruled(plan)
	m.Problems(problems)
	m.unread(plan.Missed())
	if plan.Unknown > len(plan.Missed()) {
		m.put(fmt.Sprintf("%s could not be read yet; each is created, or changed where it differs, as soon as that is possible.\n\n",
			Capital(Count(plan.Unknown, "resource"))))
	}
	// The worst first: what is left out is at the end.
	changes := slices.DeleteFunc(slices.Clone(plan.Changes), (*engine.Change).IsNoOp)
	slices.SortStableFunc(changes, func(a, b *engine.Change) int { return severity(b) - severity(a) })
	var blocks []string
	for _, c := range changes {
		blocks = append(blocks, changeMarkdown(plan, c))
	}
	m.list(blocks, 0, "change")
	return m.String()
}

func changeMarkdown(plan *engine.Plan, c *engine.Change) string {
	p := &planPrinter{plan: plan}
	p.change(c)
	return fmt.Sprintf("<details><summary>%s <code>%s</code></summary>\n\n%s\n</details>\n", summaryWord(c), HTMLText(AddrText(c.Addr)),
		Fence("diff", inColumnZero(p.String())))
}

// summaryWord is the action in a word or two.
func summaryWord(c *engine.Change) string {
	switch c.Action {
	case resources.Create, resources.Ensure:
		return "create"
	case resources.Update:
		return "update"
	case resources.Replace:
		return "<b>replace</b>"
	case resources.Delete:
		return "<b>destroy</b>"
	default:
		return string(c.Action)
	}
}

func HTMLText(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(text)
}

// inColumnZero puts the signs of changes into the first column, where a diff
// colours them: "+" and "-" as they are, everything else as "!".
func inColumnZero(text string) string {
	const width = 3 // of "-/+"
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		if len(l) <= width || l[width] != ' ' {
			continue
		}
		switch strings.TrimSpace(l[:width]) {
		case "+":
			lines[i] = "+" + l[width:]
		case "-":
			lines[i] = "-" + l[width:]
		case "~", "-/+", "+/-":
			lines[i] = "!" + l[width:]
		}
	}
	return strings.Join(lines, "\n")
}

func (m *markdown) refused(plan *engine.Plan) {
	if len(plan.Refusals) == 0 {
		return
	}
	m.put("> [!CAUTION]\n> **Refused: this plan cannot be applied.**\n")
	var lines []string
	for _, r := range plan.Refusals {
		line := "> * "
		if !r.Addr.IsZero() {
			line += Code(r.Addr.String()) + ": "
		}
		line += Prose(r.Msg)
		if r.Hint != "" {
			line += ". " + Capital(Prose(r.Hint))
		}
		if !r.Pos.IsZero() {
			line += " (" + Code(r.Pos.String()) + ")"
		}
		lines = append(lines, line+"\n")
	}
	m.list(lines, m.left*3/4, "refusal")
	m.put("\n")
}

func (m *markdown) dangers(plan *engine.Plan) {
	bad := dangerous(plan)
	if len(bad) == 0 {
		return
	}
	m.put("> [!WARNING]\n> **Destroyed, replaced or at risk**\n")
	var lines []string
	for _, c := range bad {
		line := fmt.Sprintf("> * %s %s", summaryMarkdown(c), Code(c.Addr.String()))
		var more []string
		if c.Reason != "" && severity(c) > 0 {
			more = append(more, Prose(c.Reason))
		}
		for _, h := range c.Hazards {
			more = append(more, "**"+Prose(h.Code)+"**: "+Prose(h.Msg))
		}
		if len(more) > 0 {
			line += ": " + strings.Join(more, "; ")
		}
		lines = append(lines, line+"\n")
	}
	m.list(lines, m.left/2, "danger")
	m.put("\n")
}

// overruled lists declared settings that are not in force.
func (m *markdown) overruled(plan *engine.Plan) {
	var lines []string
	for c, f := range overruledSettings(plan) {
		line := "> * " + Code(overruledText(c, f)) + ": " + Prose(f.Why)
		if !f.Pos.IsZero() {
			line += " (" + Code(f.Pos.String()) + ")"
		}
		lines = append(lines, line+"\n")
	}
	if len(lines) == 0 {
		return
	}
	m.put("> [!WARNING]\n> **Not in force**: " + notInForce + "\n")
	m.list(lines, m.left/2, "setting")
	m.put("\n")
}

func summaryMarkdown(c *engine.Change) string {
	return strings.NewReplacer("<b>", "**", "</b>", "**").Replace(summaryWord(c))
}

// Problems are a table of findings, most severe first.
func (m *markdown) Problems(problems specs.Problems) {
	if len(problems) == 0 {
		return
	}
	m.put(fmt.Sprintf("<details%s><summary>%s</summary>\n\n| | where | what |\n|---|---|---|\n",
		map[bool]string{true: " open", false: ""}[problems.Errors() > 0], strings.TrimSuffix(VerdictText(problems), ".")))
	var rows []string
	for _, p := range bySeverity(problems) {
		what := Prose(p.Msg)
		if p.Hint != "" {
			what += "; " + Prose(p.Hint)
		}
		rows = append(rows, fmt.Sprintf("| %s %s | %s | %s |\n", p.Severity(), codeOf(p), Code(p.Pos.String()), what))
	}
	m.list(rows, m.left/2, "finding")
	m.put("\n</details>\n\n")
}

func codeOf(p *specs.Problem) string {
	if p.Rule == nil {
		return ""
	}
	return p.Rule.Code
}

// ValidateMarkdown is what validate found, as a comment.
func ValidateMarkdown(stack string, problems specs.Problems, most int) string {
	m := newMarkdown(most)
	m.put(fmt.Sprintf("<!-- midaz:validate:%s -->\n### midaz validate: %s\n\n", stack, Code(stack)))
	if len(problems) == 0 {
		m.put("The spec is valid.\n")
	} else if problems.Errors() == 0 {
		m.put("The spec is valid, with " + strings.TrimSuffix(VerdictText(problems), ".") + ".\n\n")
	} else {
		m.put("**The spec is not valid**: " + VerdictText(problems) + "\n\n")
	}
	m.Problems(problems)
	return m.String()
}

// DriftMarkdown is what drift found, as a comment or a ticket.
func DriftMarkdown(d engine.Drift, most int) string {
	m := newMarkdown(most)
	m.put(fmt.Sprintf("<!-- midaz:drift:%s -->\n### midaz drift: %s\n\n", d.Plan.Stack, Code(d.Plan.Stack)))
	m.unread(d.Unread)
	if len(d.Changed) == 0 && len(d.Unread) > 0 {
		m.put("Nothing was changed outside in what could be read.\n\n")
	} else if len(d.Changed) == 0 {
		m.put("No drift. Nothing was changed outside since the last apply.\n\n")
	} else {
		m.put(fmt.Sprintf("**%s changed outside since the last apply.** %s\n\n", Capital(Count(len(d.Changed), "resource")),
			driftAdvice(d, "`midaz apply -only-drift` brings back what was.")))
	}
	m.refused(d.Plan)
	var lines []string
	for _, c := range d.Runtime {
		lines = append(lines, fmt.Sprintf("* %s: %s\n", Code(c.Addr.String()), Prose(c.Have.State)))
	}
	if len(lines) > 0 {
		m.put("**Not running as they should**\n\n")
		m.list(lines, m.left/2, "resource")
		m.put("\n")
	}
	var blocks []string
	for _, c := range d.Changed {
		p := &planPrinter{plan: d.Plan}
		p.drifted(c)
		blocks = append(blocks, fmt.Sprintf("<details open><summary><code>%s</code></summary>\n\n%s\n</details>\n", HTMLText(AddrText(c.Addr)),
			Fence("diff", inColumnZero(p.String()))))
	}
	m.list(blocks, m.left/8, "resource")
	if len(d.Pending) > 0 {
		m.put(fmt.Sprintf("\n%s of the spec not applied yet, which is no drift.\n", Capital(Count(len(d.Pending), "change"))))
	}
	if len(d.Unmanaged) > 0 {
		m.put(fmt.Sprintf("\n%s on the broker in no spec.\n", Capital(Count(len(d.Unmanaged), "object"))))
	}
	return m.String()
}

// FailedMarkdown is a comment in place of one that could not be made.
func FailedMarkdown(verb, stack string, err error, problems specs.Problems, most int) string {
	m := newMarkdown(most)
	m.put(fmt.Sprintf("<!-- midaz:%s:%s -->\n### midaz %s: %s\n\n", verb, stack, verb, Code(stack)))
	if problems.Errors() > 0 {
		m.put("**The spec is not valid**: " + VerdictText(problems) + "\n\n")
	} else {
		m.put("> [!CAUTION]\n> **This could not be found out.**\n")
		var lines []string
		for _, e := range report.Causes(err) {
			line := "> * " + Prose(e.Error())
			if hint := hintOf(e); hint != "" {
				line += ". " + Capital(Prose(hint))
			}
			lines = append(lines, line+"\n")
		}
		m.list(lines, m.left/2, "error")
		m.put("\n")
	}
	m.Problems(problems)
	return m.String()
}
