package render

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// Texts that other tools look for, letter by letter.
const (
	textNoChanges   = "No changes. Your infrastructure matches the configuration."
	TextNothingToDo = "Nothing to apply, but not everything that is declared is in force."
	textNothing     = "No changes. Nothing of this stack is there."
)

// planPrinter writes a plan for people. The same plan gives the same bytes,
// whatever the width of the terminal.
type planPrinter struct {
	strings.Builder
	ink  Ink
	plan *engine.Plan
}

// PlanText returns the whole plan: what happens to each resource, what is
// dangerous about it once more, the summary line, and what refuses it.
func PlanText(plan *engine.Plan, i Ink) string {
	p := &planPrinter{ink: i, plan: plan}
	if plan.IsEmpty() {
		p.unknown()
		p.overruled()
		missed := plan.Missed()
		switch {
		case len(plan.Refusals) > 0:
			p.unread(missed)
		case len(missed) == 0 && plan.Unknown > 0:
		default:
			p.empty()
		}
		p.Refusals()
		return p.String()
	}
	body := &planPrinter{ink: i, plan: plan}
	for _, c := range plan.Changes {
		if !c.IsNoOp() {
			body.change(c)
		}
	}
	if strings.Count(body.String(), "\n") > screen {
		p.dangerAhead()
	}
	p.WriteString(body.String())
	p.unknown()
	if missed := p.plan.Missed(); len(missed) > 0 {
		p.unread(missed)
		p.WriteString("\n")
	}
	p.overruled()
	p.danger()
	n := plan.Counts()
	fmt.Fprintf(p, "%s %d to add, %d to change, %d to destroy.\n", p.ink.In(Bold, "Plan:"), n.Add, n.Change, n.Destroy)
	p.Refusals()
	return p.String()
}

// overruled lists declared settings that are not in force and that an apply does
// not change.
func (p *planPrinter) overruled() {
	if len(p.plan.Overruled()) == 0 {
		return
	}
	p.WriteString(p.ink.In(yellow, "Not in force:") + " " + notInForce + "\n")
	for c, f := range overruledSettings(p.plan) {
		fmt.Fprintf(p, "  %s%s\n", overruledText(c, f), p.place(f.Pos))
		p.remark(Clean(f.Why))
	}
	p.WriteString("\n")
}

// notInForce introduces declared settings that are not in force.
const notInForce = "something outside the spec takes precedence over declared settings, and an apply does not change that"

// overruledText names a declared setting that is not in force, with its values
// where they are known: a plan file has none.
func overruledText(c *engine.Change, f resources.Diff) string {
	text := AddrText(c.Addr) + " " + Clean(f.Path)
	if f.After == nil && f.Before == nil {
		return text
	}
	return fmt.Sprintf("%s: %s in the spec, %s found", text, shownValue(f, f.After), shownValue(f, f.Before))
}

// overruledSettings are the declared settings that are not in force, by address.
func overruledSettings(plan *engine.Plan) iter.Seq2[*engine.Change, resources.Diff] {
	return func(yield func(*engine.Change, resources.Diff) bool) {
		for _, c := range plan.Overruled() {
			for _, f := range c.Overruled {
				if !yield(c, f) {
					return
				}
			}
		}
	}
}

func shownValue(d resources.Diff, v resources.Value) string {
	switch {
	case d.Sensitive():
		return resources.Masked
	case v == nil:
		return "none"
	default:
		return Clean(resources.Show(v))
	}
}

func (p *planPrinter) empty() {
	if len(p.plan.Refusals) > 0 {
		p.WriteString("Refused: this plan cannot be applied.\n")
		return
	}
	if p.plan.Destroy {
		if missed := p.plan.Missed(); len(missed) > 0 {
			p.unread(missed)
			return
		}
		if len(p.plan.Kept) == 0 {
			p.WriteString(textNothing + "\n")
			return
		}
		kept := make([]string, len(p.plan.Kept))
		for i, a := range p.plan.Kept {
			kept[i] = AddrText(a)
		}
		fmt.Fprintf(p, "No changes. Of this stack there is only what is kept: %s.\n", strings.Join(kept, ", "))
		return
	}
	if missed := p.plan.Missed(); len(missed) > 0 {
		p.unread(missed)
		p.WriteString("Nothing is to be done in what could be read.\n")
		return
	}
	if len(p.plan.Overruled())+len(p.plan.Unconfirmed) > 0 {
		p.WriteString(TextNothingToDo + "\n")
		return
	}
	p.WriteString(p.ink.In(Green, "No changes.") + strings.TrimPrefix(textNoChanges, "No changes.") + "\n")
}

// headline is what happens to a resource, as other tools say it.
func headline(c *engine.Change) string {
	a := AddrText(c.Addr)
	switch c.Action {
	case resources.Create, resources.Ensure:
		return a + " will be created"
	case resources.Update:
		return a + " will be updated in-place"
	case resources.Replace:
		return a + " must be replaced"
	case resources.Delete:
		return a + " will be destroyed"
	default:
		return a + " is unchanged"
	}
}

func AddrText(a resources.Addr) string { return Clean(a.String()) }

func (p *planPrinter) change(c *engine.Change) {
	head := "# " + headline(c)
	fmt.Fprintf(p, "  %s%s\n", p.ink.In(Bold, head), p.place(c.Pos()))
	for _, remark := range p.remarks(c) {
		fmt.Fprintf(p, "  %s\n", p.ink.In(Dim, "# "+remark))
	}
	fmt.Fprintf(p, "%s %s\n", p.ink.symbol(c), AddrText(c.Addr))
	style := ""
	if c.Action == resources.Create || c.Action == resources.Ensure {
		style = actionStyle(c.Action)
	}
	p.rows(changeRows(p.plan, c), style)
	for _, note := range changeNotes(c) {
		p.remark(note)
	}
	for _, h := range c.Hazards {
		fmt.Fprintf(p, "      %s\n", p.ink.In(red, "! "+hazardText(h)))
	}
	p.WriteString("\n")
}

// changeNotes are the lines below the fields of a change.
func changeNotes(c *engine.Change) []string {
	var out []string
	if c.Unchanged > 0 && c.Action != resources.Create && c.Action != resources.Ensure && c.Action != resources.Delete {
		out = append(out, fmt.Sprintf("(%s hidden)", Count(c.Unchanged, "unchanged field")))
	}
	if len(c.Ignored) > 0 {
		out = append(out, fmt.Sprintf("(%s let be by a rule of the spec)", Count(len(c.Ignored), "change")))
	}
	if c.Gate != nil && c.Action != resources.Delete {
		out = append(out, "gate: "+gateText(c.Gate))
	}
	return out
}

func gateText(g *resources.Gate) string {
	if g.Timeout == 0 {
		return Clean(g.Text)
	}
	return fmt.Sprintf("%s (timeout %s)", Clean(g.Text), resources.ShowDuration(g.Timeout))
}

func hazardText(h resources.Hazard) string { return Clean(h.Code + ": " + h.Msg) }

// remarks are the lines under the headline: why, and what stands there now.
func (p *planPrinter) remarks(c *engine.Change) []string {
	var out []string
	if c.Reason != "" && c.Action != resources.Create && c.Action != resources.Ensure && c.Action != resources.Update {
		out = append(out, Clean(c.Reason))
	}
	if c.Released {
		out = append(out, Clean(c.Reason))
	}
	if c.Adopted {
		from := "nobody"
		if c.Have != nil && c.Have.Owner != "" {
			from = Clean(c.Have.Owner)
		} else if c.Have != nil && c.Have.Stack != "" {
			from = Clean(fmt.Sprintf("stack %q", c.Have.Stack))
		}
		out = append(out, "adopted from "+from)
	}
	if c.Action == resources.Replace {
		out = append(out, replacementText(c.Mode))
		if c.Manner.Text != "" {
			out = append(out, Clean(c.Manner.Text))
		}
	}
	if c.Have != nil {
		switch of := c.Have.LeftoverOf; {
		case c.Have.Leftover == "":
		case c.Action != resources.Delete || p.plan.Destroy:
			out = append(out, "left behind by an earlier run: "+Clean(c.Have.Leftover))
		case !of.IsZero() && !c.Have.Obsolete:
			out = append(out, Clean(fmt.Sprintf("it stays until %s is ready", of)))
		}
		for _, n := range c.Have.Notes {
			out = append(out, Clean(n))
		}
	}
	return out
}

func replacementText(m resources.Replacement) string {
	switch m {
	case resources.SwapBack:
		return "the old one is kept until the new one has passed its gate, and comes back when it does not"
	case resources.OneStep:
		return "replaced in one step"
	case resources.CreateDelete:
		return "the new one is created first, and the old one is removed when nothing uses it any more"
	default:
		return "the old one is removed first"
	}
}

// row is one line of a change: a field, what happens to it, and where the spec
// asks for it.
type row struct {
	sign   string
	name   string
	value  string     // "" when it is not known
	lines  []textLine // of a text of several lines, under the row
	remark string
	pos    specs.Pos
}

// changeRows are the fields of a change: all of what is made, and the
// differences of what is changed.
func changeRows(plan *engine.Plan, c *engine.Change) []row {
	var rows []row
	switch c.Action {
	case resources.Create, resources.Ensure:
		return createdRows(plan, c)
	case resources.Update, resources.Replace:
		for _, d := range c.Delta {
			rows = append(rows, diffRows(d)...)
		}
	}
	return rows
}

func createdRows(plan *engine.Plan, c *engine.Change) []row {
	if c.Want == nil {
		return nil
	}
	var rows []row
	for _, d := range c.Delta { // of a plan file, which has no values
		rows = append(rows, row{sign: "+", name: Clean(d.Path)})
	}
	for _, key := range fieldOrder(plan, c.Want) {
		for _, l := range leaves(key, c.Want.Config[key]) {
			rows = append(rows, valueRow("+", l))
		}
	}
	return rows
}

// fieldOrder returns the declared fields of a resource in the order of its
// kind's table.
func fieldOrder(plan *engine.Plan, r *resources.Resource) []string {
	var keys []string
	if plan.Declared() != nil {
		if k := plan.Declared().Kind(r.Addr.Kind); k != nil {
			for _, f := range k.Table().Fields {
				if _, ok := r.Config[f.Key]; ok {
					keys = append(keys, f.Key)
				}
			}
		}
	}
	var rest []string
	for k := range r.Config {
		if !slices.Contains(keys, k) {
			rest = append(rest, k)
		}
	}
	slices.Sort(rest)
	return append(keys, rest...)
}

func valueRow(sign string, l leaf) row {
	r := row{sign: sign, name: Clean(l.path)}
	if isLong(l.value) {
		text := l.value.(string)
		r.value = Count(len(cleanLines(text)), "line")
		r.lines = newText(sign[0], text)
		return r
	}
	r.value = Clean(resources.Show(l.value))
	return r
}

// diffRows returns the lines of one difference. Only the first carries the
// remarks, so that each is said once.
func diffRows(d resources.Diff) []row {
	var rows []row
	switch {
	case d.Before == nil && d.After == nil: // of a plan file, which has no values
		rows = []row{{sign: "~", name: Clean(d.Path)}}
	case d.Before == nil && d.After != nil:
		for _, l := range leaves(d.Path, d.After) {
			rows = append(rows, valueRow("+", l))
		}
	case d.After == nil && d.Before != nil:
		for _, l := range leaves(d.Path, d.Before) {
			rows = append(rows, valueRow("-", l))
		}
	default:
		rows = []row{changedRow(d)}
	}
	if len(rows) > 0 {
		rows[0].remark, rows[0].pos = diffRemark(d), d.Pos
	}
	return rows
}

func changedRow(d resources.Diff) row {
	r := row{sign: "~", name: Clean(d.Path)}
	before, bok := d.Before.(string)
	after, aok := d.After.(string)
	switch {
	case bok && aok && (isLong(before) || isLong(after)) && !resources.IsBinary(before) && !resources.IsBinary(after):
		r.value = Count(len(cleanLines(after)), "line")
		if n := len(cleanLines(before)); n != len(cleanLines(after)) {
			r.value = fmt.Sprintf("%d -> %s", n, r.value)
		}
		r.lines = DiffText(before, after)
	case d.Sensitive():
		r.value = resources.Masked
	default:
		r.value = Clean(resources.Show(d.Before) + " -> " + resources.Show(d.After))
	}
	return r
}

// diffRemark says what a person should know of a difference beyond its values.
func diffRemark(d resources.Diff) string {
	var out []string
	switch d.Cost {
	case resources.Remake:
		out = append(out, "forces replacement")
	case resources.Reconnect:
		out = append(out, "reconnects the network")
	}
	switch {
	case d.Drift && d.Pending:
		out = append(out, "changed outside and in the spec")
	case d.Drift:
		out = append(out, "changed outside")
	}
	if d.Why != "" {
		out = append(out, Clean(d.Why))
	}
	return strings.Join(out, ", ")
}

// rows writes lines with the names aligned. style colours every sign, or each
// sign gets its own colour when it is "".
func (p *planPrinter) rows(rows []row, style string) {
	const widest = 48
	width := 0
	for _, r := range rows {
		if n := utf8.RuneCountInString(r.name); n <= widest {
			width = max(width, n)
		}
	}
	for _, r := range rows {
		text := r.name
		if r.value != "" {
			text = Pad(r.name, width) + " = " + r.value
		}
		fmt.Fprintf(p, "%s   %s", p.ink.sign(r.sign, signStyle(r.sign, style)), text)
		if r.remark != "" {
			p.WriteString(" " + p.ink.In(yellow, "# "+r.remark))
		}
		p.WriteString(p.place(r.pos) + "\n")
		for _, l := range r.lines {
			if l.Sign == '#' {
				p.remark("  " + l.Text)
				continue
			}
			sign := string(l.Sign)
			fmt.Fprintf(p, "%s     %s\n", p.ink.sign(sign, signStyle(sign, style)), strings.TrimRight("| "+l.Text, " "))
		}
	}
}

func signStyle(sign, style string) string {
	switch {
	case style != "":
		return style
	case sign == "+":
		return Green
	case sign == "-":
		return red
	case sign == "~":
		return yellow
	default:
		return ""
	}
}

// remark writes a line that starts with # under the fields.
func (p *planPrinter) remark(text string) {
	indent := len(text) - len(strings.TrimLeft(text, " "))
	fmt.Fprintf(p, "      %s%s\n", text[:indent], p.ink.In(Dim, "# "+text[indent:]))
}

// place returns a position to stand at the end of a line.
func (p *planPrinter) place(pos specs.Pos) string {
	if pos.IsZero() {
		return ""
	}
	return "  " + p.ink.In(Dim, Clean(pos.String()))
}

// unknown says once why some changes are not known in full.
func (p *planPrinter) unknown() {
	why := map[string]bool{}
	var lines []string
	missed, n := p.plan.Missed(), 0
	for _, c := range p.plan.Changes {
		if c.Have == nil || c.Have.Presence != resources.Unknown || engine.IsMissed(missed, c.Addr) {
			continue
		}
		n++
		if c.Have.Why != "" && !why[c.Have.Why] {
			why[c.Have.Why] = true
			lines = append(lines, Clean(c.Have.Why))
		}
	}
	if n == 0 {
		return
	}
	fmt.Fprintf(p, "%s could not be read yet. As soon as that is possible, each is created, or changed where it differs.\n",
		Capital(Count(n, "resource")))
	for _, l := range lines {
		fmt.Fprintf(p, "  %s\n", p.ink.In(Dim, "# "+l))
	}
	p.WriteString("\n")
}

func Capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// dangerous returns everything that goes away or has a hazard. In the removal of
// a whole stack only the hazards are said again.
func dangerous(plan *engine.Plan) []*engine.Change {
	var bad []*engine.Change
	for _, c := range plan.Changes {
		goes := c.Action == resources.Delete || c.Action == resources.Replace
		if goes && !plan.Destroy || len(c.Hazards) > 0 {
			bad = append(bad, c)
		}
	}
	slices.SortStableFunc(bad, func(a, b *engine.Change) int { return severity(b) - severity(a) })
	return bad
}

// screen is how many lines are seen at once. What is longer is often read in a
// pager, from the top.
const screen = 40

// dangerAhead lists the worst of what is dangerous above a plan that is longer
// than a screen.
func (p *planPrinter) dangerAhead() {
	const most = 10
	bad := dangerous(p.plan)
	p.dangers(bad[:min(most, len(bad))])
	if len(bad) > most {
		fmt.Fprintf(p, "  and %d more, all of them at the end\n\n", len(bad)-most)
	}
}

// danger lists what is dangerous at the end, where it is seen.
func (p *planPrinter) danger() {
	bad := dangerous(p.plan)
	// Deletes stand last, closest to the question that follows.
	slices.SortStableFunc(bad, func(a, b *engine.Change) int { return severity(a) - severity(b) })
	p.dangers(bad)
}

func (p *planPrinter) dangers(bad []*engine.Change) {
	if len(bad) == 0 {
		return
	}
	width := 0
	for _, c := range bad {
		width = max(width, utf8.RuneCountInString(AddrText(c.Addr)))
	}
	p.WriteString(p.ink.In(Bold, "Destroyed, replaced or at risk:") + "\n\n")
	for _, c := range bad {
		line := fmt.Sprintf("%s %s", p.ink.symbol(c), Pad(AddrText(c.Addr), width))
		if more := dangerText(c); len(more) > 0 {
			line += "  " + strings.Join(more, "; ")
		}
		p.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	p.WriteString("\n")
}

// dangerText says why something is dangerous, or why it goes.
func dangerText(c *engine.Change) []string {
	var out []string
	if c.Reason != "" && severity(c) > 0 {
		out = append(out, Clean(c.Reason))
	}
	for _, h := range c.Hazards {
		out = append(out, hazardText(h))
	}
	return out
}

func severity(c *engine.Change) int {
	switch c.Action {
	case resources.Delete:
		return 2
	case resources.Replace:
		return 1
	default:
		return 0
	}
}

func (p *planPrinter) Refusals() {
	if len(p.plan.Refusals) == 0 {
		return
	}
	fmt.Fprintf(p, "\n%s\n\n", p.ink.In(Bold+";"+red, "Refused: this plan cannot be applied."))
	for _, r := range p.plan.Refusals {
		at := ""
		if !r.Pos.IsZero() {
			at = Clean(r.Pos.String()) + ": "
		}
		subject := ""
		if !r.Addr.IsZero() {
			subject = AddrText(r.Addr) + ": "
		}
		fmt.Fprintf(p, "  %s%s%s %s\n", at, subject, Clean(r.Msg), p.ink.In(Dim, "["+Clean(r.Code)+"]"))
		if r.Hint != "" {
			fmt.Fprintf(p, "    %s\n", Clean(r.Hint))
		}
	}
}
