package render

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

var (
	//go:embed page/page.tmpl
	pageTemplate string
	//go:embed page/page.css
	pageStyle string
	//go:embed page/page.js
	pageScript string
)

// page is an HTML page about a plan, a graph or a run. It needs nothing beside
// itself, and all that it says is there without its script too.
type page struct {
	Title    string // of the window
	Heading  string
	Verdict  string
	What     string // what the entries are: "changes"
	Facts    []PageFact
	Alerts   []pageAlert // what is dangerous or went wrong, before everything else
	Drawing  *drawing
	Entries  []pageEntry
	Actions  []pageSign // those of the entries, to filter by
	Kinds    []string
	Foot     string
	position map[resources.Addr]string // IDs of entries
}

type PageFact struct{ Name, Value string }

// pageSign is an action as the page shows it.
type pageSign struct{ Class, Sign, Text string }

type pageAlert struct {
	Class, Title string
	Items        []pageItem
}

// Scrolls reports whether the list is longer than the place it has, so that it
// must be reachable by keyboard.
func (a pageAlert) Scrolls() bool { return len(a.Items) > 8 }

type pageItem struct{ Class, Sign, Subject, Link, Text string }

// pageLink names a resource, with the ID of its entry when it has one.
type pageLink struct{ Subject, Link string }

// pageEntry is one resource: a line that opens.
type pageEntry struct {
	ID, Class, Sign, Kind string
	Address, What, Place  string
	Tags                  []pageSign
	Open                  bool
	Hazards, Remarks      []string
	Rows                  []pageRow
	Steps                 []pageStep
	Notes                 []string
	Needs, Then           []pageLink
}

type pageRow struct {
	Class, Sign, Name, Value, Remark, Place string
	Lines                                   []pageLine
}

type pageLine struct{ Class, Text string }

// pageStep is one step of a run.
type pageStep struct{ Verb, Began, Took, Ended, Waited string }

// html writes the page. Everything in it is text to html/template, so a name
// with markup stays a name; and the page forbids itself to load or to run
// anything but the style and the script that are part of it.
func (p *page) html() string {
	for _, e := range p.Entries {
		if !slices.Contains(p.Kinds, e.Kind) {
			p.Kinds = append(p.Kinds, e.Kind)
		}
	}
	slices.Sort(p.Kinds)
	for _, s := range pageSigns {
		if slices.ContainsFunc(p.Entries, func(e pageEntry) bool { return e.Class == s.Class }) {
			p.Actions = append(p.Actions, s)
		}
	}
	if len(p.Actions) == 1 { // nothing to choose between
		p.Actions = nil
	}
	var b strings.Builder
	t := template.Must(template.New("page").Parse(pageTemplate))
	err := t.Execute(&b, map[string]any{
		"Title": p.Title, "Page": p, "CSS": template.CSS(pageStyle), "JS": template.JS(pageScript),
		"Policy": fmt.Sprintf("default-src 'none'; style-src '%s'; script-src '%s'; base-uri 'none'; form-action 'none'", digestOf(pageStyle),
			digestOf(pageScript)),
	})
	if err != nil {
		panic(err) // the template and its data are ours
	}
	return b.String()
}

// digestOf names a text the way a content security policy does.
func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// pageSigns are the classes of entries, most dangerous first.
var pageSigns = []pageSign{
	{"failed", "!", "failed"},
	{"delete", "-", "destroy"},
	{"replace", "-/+", "replace"},
	{"update", "~", "update"},
	{"create", "+", "create"},
	{"none", "·", "unchanged"},
}

// classOf is an action as a class of the page.
func classOf(a resources.Action) string {
	switch a {
	case resources.Create, resources.Ensure:
		return "create"
	case resources.Update, resources.Replace, resources.Delete:
		return string(a)
	default:
		return "none"
	}
}

// identify gives each resource the ID of its entry, in the order of entries.
func (p *page) identify(addrs []resources.Addr) {
	p.position = map[resources.Addr]string{}
	for i, a := range addrs {
		p.position[a] = fmt.Sprintf("r%d", i+1)
	}
}

func (p *page) link(a resources.Addr) pageLink { return pageLink{AddrText(a), p.position[a]} }

// neighbours are the links of what a resource waits for, or of what waits for it.
func (p *page) neighbours(pic report.Picture, a resources.Addr) (needs, then []pageLink) {
	for _, e := range pic.Edges {
		if e.From == a {
			needs = append(needs, p.link(e.To))
		}
		if e.To == a {
			then = append(then, p.link(e.From))
		}
	}
	return needs, then
}

const pageFoot = "Made by midaz %s. Nothing is loaded from anywhere; sensitive values are not in this file."

// PlanHTML is a plan as a page: what is dangerous, the graph of what happens,
// and each change.
func PlanHTML(plan *engine.Plan, problems specs.Problems) string {
	n := plan.Counts()
	p := &page{
		Title: "midaz plan: " + Clean(plan.Stack), Heading: "Plan of stack " + Clean(plan.Stack), What: "changes",
		Verdict: fmt.Sprintf("Plan: %d to add, %d to change, %d to destroy.", n.Add, n.Change, n.Destroy),
		Foot:    fmt.Sprintf(pageFoot, report.Version),
	}
	if plan.IsEmpty() {
		text := &planPrinter{plan: plan}
		text.empty()
		p.Verdict = strings.TrimSpace(text.String())
	}
	pic := report.StepPicture(plan)
	var shown []*engine.Change
	for _, c := range plan.Changes {
		if !c.IsNoOp() || plan.Steps.Has(engine.Step{Addr: c.Addr, Verb: engine.VerbAwait}) {
			shown = append(shown, c)
		}
	}
	slices.SortStableFunc(shown, func(a, b *engine.Change) int { return pageRank(b) - pageRank(a) })
	addrs := make([]resources.Addr, len(shown))
	for i, c := range shown {
		addrs[i] = c.Addr
	}
	p.identify(addrs)
	if quiet := len(plan.Changes) - len(shown); quiet > 0 {
		p.Facts = append(p.Facts, PageFact{"Unchanged and not shown", Count(quiet, "resource")})
	}
	if plan.Unknown > 0 {
		p.Facts = append(p.Facts, PageFact{"Could not be read yet", Count(plan.Unknown, "resource")})
	}
	p.Refusals(plan)
	p.dangers(plan)
	p.overruled(plan)
	p.Problems(problems)
	for _, c := range shown {
		p.Entries = append(p.Entries, p.changeEntry(plan, pic, c))
	}
	if !plan.IsEmpty() {
		p.Drawing = p.graph(pic, "What happens, in order", []string{pathText(pic)})
	}
	return p.html()
}

// pathText says what the critical path is, and of what it consists.
func pathText(pic report.Picture) string {
	if len(pic.Path) == 0 {
		return "Nothing here waits for anything else."
	}
	gates := 0
	for _, s := range pic.Path {
		if s.Verb == engine.VerbAwait {
			gates++
		}
	}
	return "An arrow leads to what waits. The critical path is the chain with the most gates, and among those the most steps: " +
		Count(len(pic.Path), "step") + ", " + Count(gates, "gate") + " among them."
}

// pageRank orders entries: what goes away, what is dangerous, what changes,
// what is made, what is only waited for.
func pageRank(c *engine.Change) int {
	switch {
	case c.Action == resources.Delete:
		return 5
	case c.Action == resources.Replace:
		return 4
	case len(c.Hazards) > 0:
		return 3
	case c.Action == resources.Update:
		return 2
	case c.IsNoOp():
		return 0
	default:
		return 1
	}
}

func (p *page) Refusals(plan *engine.Plan) {
	if len(plan.Refusals) == 0 {
		return
	}
	a := pageAlert{Title: "Refused: this plan cannot be applied"}
	for _, r := range plan.Refusals {
		item := pageItem{Text: Clean(r.Msg)}
		if !r.Addr.IsZero() {
			l := p.link(r.Addr)
			item.Subject, item.Link = l.Subject, l.Link
		}
		if r.Hint != "" {
			item.Text += ". " + Capital(Clean(r.Hint))
		}
		if !r.Pos.IsZero() {
			item.Text += " (" + Clean(r.Pos.String()) + ")"
		}
		a.Items = append(a.Items, item)
	}
	p.Alerts = append(p.Alerts, a)
}

func (p *page) dangers(plan *engine.Plan) {
	bad := dangerous(plan)
	if len(bad) == 0 {
		return
	}
	a := pageAlert{Class: "warning", Title: "Destroyed, replaced or at risk"}
	for _, c := range bad {
		l := p.link(c.Addr)
		item := pageItem{Class: classOf(c.Action), Sign: c.Symbol(), Subject: l.Subject, Link: l.Link}
		item.Text = strings.Join(dangerText(c), "; ")
		a.Items = append(a.Items, item)
	}
	p.Alerts = append(p.Alerts, a)
}

// overruled lists declared settings that are not in force.
func (p *page) overruled(plan *engine.Plan) {
	a := pageAlert{Class: "warning", Title: "Not in force: " + notInForce}
	for c, f := range overruledSettings(plan) {
		item := pageItem{Subject: overruledText(c, f), Text: Clean(f.Why)}
		if !f.Pos.IsZero() {
			item.Text += " (" + Clean(f.Pos.String()) + ")"
		}
		a.Items = append(a.Items, item)
	}
	if len(a.Items) > 0 {
		p.Alerts = append(p.Alerts, a)
	}
}

// Problems lists findings of the spec, most severe first.
func (p *page) Problems(problems specs.Problems) {
	if len(problems) == 0 {
		return
	}
	a := pageAlert{Class: "warning", Title: strings.TrimSuffix(VerdictText(problems), ".")}
	if problems.Errors() > 0 {
		a.Class = ""
	}
	for _, f := range bySeverity(problems) {
		item := pageItem{Subject: Clean(f.Pos.String()), Text: string(f.Severity()) + " " + codeOf(f) + ": " + Clean(f.Msg)}
		if f.Hint != "" {
			item.Text += "; " + Clean(f.Hint)
		}
		a.Items = append(a.Items, item)
	}
	p.Alerts = append(p.Alerts, a)
}

// FailedHTML is a page in place of one that could not be made.
func FailedHTML(verb, stack string, err error, problems specs.Problems) string {
	p := &page{Title: "midaz " + verb + ": " + Clean(stack), Heading: Capital(verb) + " of stack " + Clean(stack),
		Foot:    fmt.Sprintf(pageFoot, report.Version),
		Verdict: "This could not be found out."}
	if problems.Errors() > 0 {
		p.Verdict = "The spec is not valid."
	} else {
		a := pageAlert{Title: "What went wrong"}
		for _, e := range report.Causes(err) {
			item := pageItem{Text: Clean(e.Error())}
			if hint := hintOf(e); hint != "" {
				item.Text += ". " + Capital(Clean(hint))
			}
			a.Items = append(a.Items, item)
		}
		p.Alerts = append(p.Alerts, a)
	}
	p.Problems(problems)
	return p.html()
}

func (p *page) changeEntry(plan *engine.Plan, pic report.Picture, c *engine.Change) pageEntry {
	text := &planPrinter{plan: plan}
	e := pageEntry{ID: p.position[c.Addr], Class: classOf(c.Action), Sign: strings.TrimSpace(c.Symbol()), Kind: c.Addr.Kind,
		Address: AddrText(c.Addr), What: strings.TrimPrefix(headline(c), AddrText(c.Addr)+" "),
		Remarks: text.remarks(c), Notes: changeNotes(c), Open: severity(c) > 0 || len(c.Hazards) > 0}
	if c.IsNoOp() {
		e.Sign, e.What = "·", "is unchanged; its gate is waited for"
	}
	if !c.Pos().IsZero() {
		e.Place = Clean(c.Pos().String())
	}
	if pic.OnPath(c.Addr) {
		e.Tags = append(e.Tags, pageSign{Class: "path", Text: "critical path"})
	}
	for _, h := range c.Hazards {
		e.Hazards = append(e.Hazards, "! "+hazardText(h))
	}
	for _, r := range changeRows(plan, c) {
		e.Rows = append(e.Rows, pageRowOf(r))
	}
	e.Needs, e.Then = p.neighbours(pic, c.Addr)
	return e
}

var rowClasses = map[string]string{"+": "add", "-": "del", "~": "mod", "#": "note"}

func pageRowOf(r row) pageRow {
	out := pageRow{Class: rowClasses[r.sign], Sign: r.sign, Name: r.name, Value: r.value, Remark: r.remark}
	if !r.pos.IsZero() {
		out.Place = Clean(r.pos.String())
	}
	for _, l := range r.lines {
		out.Lines = append(out.Lines, pageLine{rowClasses[string(l.Sign)], string(l.Sign) + " " + l.Text})
	}
	return out
}

// GraphHTML is a graph as a page.
func GraphHTML(stack string) func(report.Picture) string {
	return func(pic report.Picture) string {
		p := &page{Title: "midaz graph: " + Clean(stack), Heading: "Graph of stack " + Clean(stack), What: "resources",
			Verdict: Count(len(pic.Nodes), "resource") + ", " + Count(len(pic.Edges), "dependency"), Foot: fmt.Sprintf(pageFoot, report.Version)}
		addrs := make([]resources.Addr, len(pic.Nodes))
		for i, n := range pic.Nodes {
			addrs[i] = n.Addr
		}
		p.identify(addrs)
		for _, n := range pic.Nodes {
			e := pageEntry{ID: p.position[n.Addr], Class: classOf(n.Action), Sign: signOf(n), Kind: n.Addr.Kind, Address: AddrText(n.Addr)}
			if n.Extern {
				e.What = "external: referred to, never changed"
			}
			if n.Gate != "" {
				e.Notes = append(e.Notes, "gate: "+Clean(n.Gate))
			}
			e.Needs, e.Then = p.neighbours(pic, n.Addr)
			p.Entries = append(p.Entries, e)
		}
		if len(pic.Nodes) > 0 {
			p.Drawing = p.graph(pic, "What needs what",
				[]string{"An arrow leads from what is needed to what needs it; a dashed one only waits until it was started."})
		}
		return p.html()
	}
}
