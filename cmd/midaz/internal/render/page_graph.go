package render

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/render/layout"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/resources"
)

const (
	// foldFrom is how many resources that differ only in their names share a box.
	foldFrom = 4
	// MostBoxes bounds a drawing; what is left out stands in the list.
	MostBoxes = 300
	// nameLetters is how much of a name, or of a gate, a box shows.
	nameLetters = 34
	boxPadding  = 11.0
	// arrowGap is the space between two layers of a graph.
	arrowGap = 76.0
)

// drawing is a picture with all its lengths: a graph of boxes and arrows, or a
// chart of lanes over time.
type drawing struct {
	Title         string
	Notes         []string
	Width, Height float64
	Arrows        []drawnArrow
	Legend        []pageSign

	Boxes []drawnBox // of a graph

	Ticks []drawnTick // of a chart
	Lanes []drawnLane
}

type drawnBox struct {
	Class, Sign, Name, Small, Label string
	Link, Entries                   string
	X, Y, W, H, TextX, NameY        float64
	SmallY                          float64
}

type drawnArrow struct{ Class, Path, Tip string }

// boxes are nodes that share one box of a drawing.
type boxed struct {
	Nodes    []report.Node
	critical bool
}

// graph draws a picture from left to right: what comes first stands left.
func (p *page) graph(pic report.Picture, title string, notes []string) *drawing {
	all, at, left := BoxesOf(pic)
	d := &drawing{Title: title, Notes: notes, Legend: p.graphLegend(pic)}
	if left > 0 {
		d.Notes = append(d.Notes, Capital(Count(left, "resource"))+" that would not fit here stand in the list below.")
	}
	widths := make([]float64, len(all))
	for i, b := range all {
		d.Boxes = append(d.Boxes, p.box(b))
		widths[i] = d.Boxes[i].W
	}
	var links []layout.Link
	var arrows []drawnArrow
	seen := map[layout.Link]bool{}
	for _, e := range pic.Edges {
		from, ok := at[e.To]
		to, both := at[e.From]
		k := layout.Link{From: from, To: to}
		if !ok || !both || from == to || seen[k] {
			continue
		}
		seen[k] = true
		a := drawnArrow{Class: "edge", Tip: "tip"}
		switch {
		case pic.Follows(e.To, e.From):
			a.Class, a.Tip = "edge path", "tip-path"
		case e.Weak:
			a.Class = "edge weak"
		}
		links, arrows = append(links, k), append(arrows, a)
	}
	if pic.Steps {
		links, arrows = withoutDetours(len(all), links, arrows)
	}
	plan := layout.Arrange(widths, links, arrowGap)
	for i := range d.Boxes {
		b, at := &d.Boxes[i], plan.Boxes[i]
		b.X, b.Y, b.H = round(at.X+svgMargin), round(at.Y-layout.BoxHeight/2+svgMargin), layout.BoxHeight
		b.TextX, b.NameY, b.SmallY = b.X+boxPadding, b.Y+16, b.Y+32
	}
	for i, route := range plan.Routes {
		for n := range route {
			route[n].X, route[n].Y = route[n].X+svgMargin, route[n].Y+svgMargin
		}
		arrows[i].Path = svgCurve(route)
	}
	// What is drawn last lies on top.
	slices.SortStableFunc(arrows, func(a, b drawnArrow) int { return strings.Compare(a.Tip, b.Tip) })
	d.Arrows = arrows
	d.Width, d.Height = round(plan.Width+2*svgMargin), round(plan.Height+2*svgMargin)
	return d
}

// withoutDetours leaves out arrows that say nothing new: what they lead to waits
// for something that waits already. The critical path stays whole.
func withoutDetours(boxes int, links []layout.Link, arrows []drawnArrow) ([]layout.Link, []drawnArrow) {
	next := make([][]int, boxes)
	for _, k := range links {
		next[k.From] = append(next[k.From], k.To)
	}
	// reached are the boxes that more than one arrow leads to from each.
	reached := make([]map[int]bool, boxes)
	for n := range boxes {
		seen := map[int]bool{}
		var visit func(int)
		visit = func(at int) {
			for _, to := range next[at] {
				if !seen[to] {
					seen[to] = true
					visit(to)
				}
			}
		}
		for _, to := range next[n] {
			visit(to)
		}
		reached[n] = seen
	}
	var keptLinks []layout.Link
	var kept []drawnArrow
	for i, k := range links {
		// On a cycle everything is reached.
		if arrows[i].Tip == "tip" && reached[k.From][k.To] && !reached[k.To][k.From] {
			continue
		}
		keptLinks, kept = append(keptLinks, k), append(kept, arrows[i])
	}
	return keptLinks, kept
}

// BoxesOf folds resources that differ only in their names into one box, and
// leaves out the least important when there are too many. It returns the boxes,
// the box of each resource, and how many resources have none.
func BoxesOf(pic report.Picture) (all []boxed, at map[resources.Addr]int, left int) {
	around := map[resources.Addr]string{}
	for _, e := range pic.Edges { // in order, so equal neighbours give equal texts
		around[e.From] += "<" + e.To.String()
		around[e.To] += ">" + e.From.String()
	}
	alike := func(n report.Node) string {
		return fmt.Sprint(n.Addr.Kind, "\n", n.Action, n.Sign, n.Extern, pic.OnPath(n.Addr), "\n", around[n.Addr])
	}
	number := map[string]int{}
	for _, n := range pic.Nodes {
		number[alike(n)]++
	}
	box := map[string]int{}
	for _, n := range pic.Nodes {
		key := alike(n)
		if i, ok := box[key]; ok && n.Gate == "" && number[key] >= foldFrom {
			all[i].Nodes = append(all[i].Nodes, n)
			continue
		}
		if n.Gate == "" {
			box[key] = len(all)
		}
		all = append(all, boxed{[]report.Node{n}, pic.OnPath(n.Addr)})
	}
	if len(all) > MostBoxes {
		ranked := slices.Clone(all)
		slices.SortStableFunc(ranked, func(a, b boxed) int { return b.rank() - a.rank() })
		keep := map[resources.Addr]bool{}
		for _, b := range ranked[:MostBoxes] {
			keep[b.Nodes[0].Addr] = true
		}
		for _, b := range ranked[MostBoxes:] {
			left += len(b.Nodes)
		}
		all = slices.DeleteFunc(all, func(b boxed) bool { return !keep[b.Nodes[0].Addr] })
	}
	at = map[resources.Addr]int{}
	for i, b := range all {
		for _, n := range b.Nodes {
			at[n.Addr] = i
		}
	}
	return all, at, left
}

// rank is how important it is that a box is drawn.
func (b boxed) rank() int {
	n := b.Nodes[0]
	switch {
	case n.Action == resources.Delete, n.Action == resources.Replace:
		return 3
	case b.critical:
		return 2
	case n.Gate != "":
		return 1
	default:
		return 0
	}
}

func signOf(n report.Node) string {
	switch {
	case n.Sign != "":
		return n.Sign
	case n.Action == "":
		return ""
	case n.Action == resources.NoOp:
		return "·"
	default:
		return pageSigns[slices.IndexFunc(pageSigns, func(s pageSign) bool { return s.Class == classOf(n.Action) })].Sign
	}
}

func (p *page) box(b boxed) drawnBox {
	n := b.Nodes[0]
	d := drawnBox{Class: "node " + classOf(n.Action), Sign: signOf(n), Link: p.position[n.Addr]}
	name, small := Clean(n.Addr.Name), Clean(n.Addr.Kind)
	label := AddrText(n.Addr)
	if len(b.Nodes) > 1 {
		name, small = fmt.Sprintf("%d × %s", len(b.Nodes), n.Addr.Kind), "alike in this drawing"
		label = name + ": " + addrList(b.Nodes)
	}
	if n.Gate != "" {
		small += " · gate: " + Clean(n.Gate)
		label += ", gate: " + Clean(n.Gate)
	}
	if w := classWord(d.Class); w != "" {
		label += ", " + w
	}
	if n.Extern {
		d.Class += " extern"
		label += ", external"
	}
	if b.critical {
		d.Class += " path"
		label += ", on the critical path"
	}
	ids := make([]string, len(b.Nodes))
	for i, n := range b.Nodes {
		ids[i] = p.position[n.Addr]
	}
	d.Name, d.Small, d.Label, d.Entries = cut(name, nameLetters), cut(small, nameLetters+6), label, strings.Join(ids, " ")
	widest := max(charWidth*float64(utf8.RuneCountInString(d.Name+d.Sign)+1), charWidth*0.8*float64(utf8.RuneCountInString(d.Small)))
	d.W = round(max(90, widest+2*boxPadding))
	return d
}

// classWord is what happens to a box of a class, in a word.
func classWord(class string) string {
	for _, s := range pageSigns {
		if class == "node "+s.Class && s.Class != "none" {
			return s.Text
		}
	}
	return ""
}

// addrList names nodes, not more than can be listened to.
func addrList(nodes []report.Node) string {
	const most = 12
	var out []string
	for i, n := range nodes {
		if i == most {
			out = append(out, fmt.Sprintf("and %d more", len(nodes)-most))
			break
		}
		out = append(out, AddrText(n.Addr))
	}
	return strings.Join(out, ", ")
}

// graphLegend explains the colours that are there.
func (p *page) graphLegend(pic report.Picture) []pageSign {
	var out []pageSign
	for _, s := range pageSigns {
		if s.Class != "none" && slices.ContainsFunc(pic.Nodes, func(n report.Node) bool { return classOf(n.Action) == s.Class }) {
			out = append(out, s)
		}
	}
	if len(pic.Path) > 0 {
		out = append(out, pageSign{Class: "path", Text: "critical path"})
	}
	return out
}
