package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// maxComment keeps a comment below GitHub's limit of 65,536 characters, with
// room for what others put around it.
const maxComment = 60000

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
		m.put(fmt.Sprintf("\n_%s left out here. The whole text is in the log of the run._\n", capital(count(out, what))))
	}
}

// fence returns text as a code block, behind as many backticks as it takes.
func fence(language, text string) string {
	ticks := "```"
	for strings.Contains(text, ticks) {
		ticks += "`"
	}
	return ticks + language + "\n" + strings.TrimRight(text, "\n") + "\n" + ticks + "\n"
}

// code returns one line of text as code.
func code(text string) string {
	text = clean(text)
	ticks := "`"
	for strings.Contains(text, ticks) {
		ticks += "`"
	}
	if strings.HasPrefix(text, "`") || strings.HasSuffix(text, "`") {
		text = " " + text + " "
	}
	return ticks + text + ticks
}

// prose returns one line of text in which nothing is markup.
func prose(text string) string {
	return strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "<", "&lt;", ">", "&gt;", "&", "&amp;", "|", `\|`, "#", `\#`, "~", `\~`, "@", "&#64;").Replace(clean(text))
}

// planMarkdown is a plan as a comment: what is dangerous, then each change in
// a block that opens, the sign in the first column so that it is coloured.
func planMarkdown(plan *engine.Plan, problems specs.Problems, most int) string {
	m := newMarkdown(most)
	m.put(fmt.Sprintf("<!-- midaz:plan:%s -->\n### midaz plan: %s\n\n", plan.Stack, code(plan.Stack)))
	n := plan.Counts()
	switch {
	case plan.IsEmpty():
		p := &planPrinter{plan: plan}
		p.empty()
		m.put(prose(strings.TrimSpace(p.String())) + "\n\n")
	default:
		m.put(fmt.Sprintf("**Plan: %d to add, %d to change, %d to destroy.**\n\n", n.Add, n.Change, n.Destroy))
	}
	m.refused(plan)
	m.dangers(plan)
	m.overruled(plan)
	m.problems(problems)
	m.unread(plan.Missed())
	if plan.Unknown > len(plan.Missed()) {
		m.put(fmt.Sprintf("%s could not be looked at yet; each is created, or changed where it differs, as soon as that is possible.\n\n", capital(count(plan.Unknown, "resource"))))
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
	return fmt.Sprintf("<details><summary>%s <code>%s</code></summary>\n\n%s\n</details>\n", summaryWord(c), htmlText(addrText(c.Addr)), fence("diff", inColumnZero(p.String())))
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

func htmlText(text string) string {
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
			line += code(r.Addr.String()) + ": "
		}
		line += prose(r.Msg)
		if r.Hint != "" {
			line += ". " + capital(prose(r.Hint))
		}
		if !r.Pos.IsZero() {
			line += " (" + code(r.Pos.String()) + ")"
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
		line := fmt.Sprintf("> * %s %s", summaryMarkdown(c), code(c.Addr.String()))
		var more []string
		if c.Reason != "" && severity(c) > 0 {
			more = append(more, prose(c.Reason))
		}
		for _, h := range c.Hazards {
			more = append(more, "**"+prose(h.Code)+"**: "+prose(h.Msg))
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
		line := "> * " + code(overruledText(c, f)) + ": " + prose(f.Why)
		if !f.Pos.IsZero() {
			line += " (" + code(f.Pos.String()) + ")"
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

// problems are a table of findings, most severe first.
func (m *markdown) problems(problems specs.Problems) {
	if len(problems) == 0 {
		return
	}
	m.put(fmt.Sprintf("<details%s><summary>%s</summary>\n\n| | where | what |\n|---|---|---|\n",
		map[bool]string{true: " open", false: ""}[problems.Errors() > 0], strings.TrimSuffix(verdictText(problems), ".")))
	var rows []string
	for _, p := range bySeverity(problems) {
		what := prose(p.Msg)
		if p.Hint != "" {
			what += "; " + prose(p.Hint)
		}
		rows = append(rows, fmt.Sprintf("| %s %s | %s | %s |\n", p.Severity(), codeOf(p), code(p.Pos.String()), what))
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

// validateMarkdown is what validate found, as a comment.
func validateMarkdown(stack string, problems specs.Problems, most int) string {
	m := newMarkdown(most)
	m.put(fmt.Sprintf("<!-- midaz:validate:%s -->\n### midaz validate: %s\n\n", stack, code(stack)))
	if len(problems) == 0 {
		m.put("The spec is valid.\n")
	} else if problems.Errors() == 0 {
		m.put("The spec is valid, with " + strings.TrimSuffix(verdictText(problems), ".") + ".\n\n")
	} else {
		m.put("**The spec is not valid**: " + verdictText(problems) + "\n\n")
	}
	m.problems(problems)
	return m.String()
}

// driftMarkdown is what drift found, as a comment or a ticket.
func driftMarkdown(d drift, most int) string {
	m := newMarkdown(most)
	m.put(fmt.Sprintf("<!-- midaz:drift:%s -->\n### midaz drift: %s\n\n", d.plan.Stack, code(d.plan.Stack)))
	m.unread(d.unread)
	if len(d.changed) == 0 && len(d.unread) > 0 {
		m.put("Nothing was changed outside in what could be read.\n\n")
	} else if len(d.changed) == 0 {
		m.put("No drift. Nothing was changed outside since the last apply.\n\n")
	} else {
		m.put(fmt.Sprintf("**%s changed outside since the last apply.** %s\n\n", capital(count(len(d.changed), "resource")), driftAdvice(d, "`midaz apply -only-drift` brings back what was.")))
	}
	m.refused(d.plan)
	var lines []string
	for _, c := range d.runtime {
		lines = append(lines, fmt.Sprintf("* %s: %s\n", code(c.Addr.String()), prose(c.Have.State)))
	}
	if len(lines) > 0 {
		m.put("**Not running as they should**\n\n")
		m.list(lines, m.left/2, "resource")
		m.put("\n")
	}
	var blocks []string
	for _, c := range d.changed {
		p := &planPrinter{plan: d.plan}
		p.drifted(c)
		blocks = append(blocks, fmt.Sprintf("<details open><summary><code>%s</code></summary>\n\n%s\n</details>\n", htmlText(addrText(c.Addr)), fence("diff", inColumnZero(p.String()))))
	}
	m.list(blocks, m.left/8, "resource")
	if len(d.pending) > 0 {
		m.put(fmt.Sprintf("\n%s of the spec not applied yet, which is no drift.\n", capital(count(len(d.pending), "change"))))
	}
	if len(d.unmanaged) > 0 {
		m.put(fmt.Sprintf("\n%s on the broker in no spec.\n", capital(count(len(d.unmanaged), "object"))))
	}
	return m.String()
}

// failedMarkdown is a comment in place of one that could not be made.
func failedMarkdown(verb, stack string, err error, problems specs.Problems, most int) string {
	m := newMarkdown(most)
	m.put(fmt.Sprintf("<!-- midaz:%s:%s -->\n### midaz %s: %s\n\n", verb, stack, verb, code(stack)))
	if problems.Errors() > 0 {
		m.put("**The spec is not valid**: " + verdictText(problems) + "\n\n")
	} else {
		m.put("> [!CAUTION]\n> **This could not be found out.**\n")
		var lines []string
		for _, e := range causes(err) {
			line := "> * " + prose(e.Error())
			if hint := hintOf(e); hint != "" {
				line += ". " + capital(prose(hint))
			}
			lines = append(lines, line+"\n")
		}
		m.list(lines, m.left/2, "error")
		m.put("\n")
	}
	m.problems(problems)
	return m.String()
}
