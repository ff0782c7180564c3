package main

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/LerianStudio/midaz-infra/resources"
)

const (
	// foldFrom is how many resources that differ only in their names share a box.
	foldFrom = 4
	// mostBoxes bounds a drawing; what is left out stands in the list.
	mostBoxes = 300
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
	nodes    []node
	critical bool
}

// graph draws a picture from left to right: what comes first stands left.
func (p *page) graph(pic picture, title string, notes []string) *drawing {
	all, at, left := boxesOf(pic)
	d := &drawing{Title: title, Notes: notes, Legend: p.graphLegend(pic)}
	if left > 0 {
		d.Notes = append(d.Notes, capital(count(left, "resource"))+" that would not fit here stand in the list below.")
	}
	widths := make([]float64, len(all))
	for i, b := range all {
		d.Boxes = append(d.Boxes, p.box(b))
		widths[i] = d.Boxes[i].W
	}
	var links []link
	var arrows []drawnArrow
	seen := map[link]bool{}
	for _, e := range pic.edges {
		from, ok := at[e.to]
		to, both := at[e.from]
		k := link{from, to}
		if !ok || !both || from == to || seen[k] {
			continue
		}
		seen[k] = true
		a := drawnArrow{Class: "edge", Tip: "tip"}
		switch {
		case pic.follows(e.to, e.from):
			a.Class, a.Tip = "edge path", "tip-path"
		case e.weak:
			a.Class = "edge weak"
		}
		links, arrows = append(links, k), append(arrows, a)
	}
	if pic.steps {
		links, arrows = withoutDetours(len(all), links, arrows)
	}
	plan := arrange(widths, links, arrowGap)
	for i := range d.Boxes {
		b, at := &d.Boxes[i], plan.boxes[i]
		b.X, b.Y, b.H = round(at.x+svgMargin), round(at.y-boxHeight/2+svgMargin), boxHeight
		b.TextX, b.NameY, b.SmallY = b.X+boxPadding, b.Y+16, b.Y+32
	}
	for i, route := range plan.routes {
		for n := range route {
			route[n].x, route[n].y = route[n].x+svgMargin, route[n].y+svgMargin
		}
		arrows[i].Path = svgCurve(route)
	}
	// What is drawn last lies on top.
	slices.SortStableFunc(arrows, func(a, b drawnArrow) int { return strings.Compare(a.Tip, b.Tip) })
	d.Arrows = arrows
	d.Width, d.Height = round(plan.width+2*svgMargin), round(plan.height+2*svgMargin)
	return d
}

// withoutDetours leaves out arrows that say nothing new: what they lead to waits
// for something that waits already. The critical path stays whole.
func withoutDetours(boxes int, links []link, arrows []drawnArrow) ([]link, []drawnArrow) {
	next := make([][]int, boxes)
	for _, k := range links {
		next[k.from] = append(next[k.from], k.to)
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
	var keptLinks []link
	var kept []drawnArrow
	for i, k := range links {
		// On a cycle everything is reached.
		if arrows[i].Tip == "tip" && reached[k.from][k.to] && !reached[k.to][k.from] {
			continue
		}
		keptLinks, kept = append(keptLinks, k), append(kept, arrows[i])
	}
	return keptLinks, kept
}

// boxesOf folds resources that differ only in their names into one box, and
// leaves out the least important when there are too many. It returns the boxes,
// the box of each resource, and how many resources have none.
func boxesOf(pic picture) (all []boxed, at map[resources.Addr]int, left int) {
	around := map[resources.Addr]string{}
	for _, e := range pic.edges { // in order, so equal neighbours give equal texts
		around[e.from] += "<" + e.to.String()
		around[e.to] += ">" + e.from.String()
	}
	alike := func(n node) string {
		return fmt.Sprint(n.addr.Kind, "\n", n.action, n.sign, n.extern, pic.onPath(n.addr), "\n", around[n.addr])
	}
	number := map[string]int{}
	for _, n := range pic.nodes {
		number[alike(n)]++
	}
	box := map[string]int{}
	for _, n := range pic.nodes {
		key := alike(n)
		if i, ok := box[key]; ok && n.gate == "" && number[key] >= foldFrom {
			all[i].nodes = append(all[i].nodes, n)
			continue
		}
		if n.gate == "" {
			box[key] = len(all)
		}
		all = append(all, boxed{[]node{n}, pic.onPath(n.addr)})
	}
	if len(all) > mostBoxes {
		ranked := slices.Clone(all)
		slices.SortStableFunc(ranked, func(a, b boxed) int { return b.rank() - a.rank() })
		keep := map[resources.Addr]bool{}
		for _, b := range ranked[:mostBoxes] {
			keep[b.nodes[0].addr] = true
		}
		for _, b := range ranked[mostBoxes:] {
			left += len(b.nodes)
		}
		all = slices.DeleteFunc(all, func(b boxed) bool { return !keep[b.nodes[0].addr] })
	}
	at = map[resources.Addr]int{}
	for i, b := range all {
		for _, n := range b.nodes {
			at[n.addr] = i
		}
	}
	return all, at, left
}

// rank is how important it is that a box is drawn.
func (b boxed) rank() int {
	n := b.nodes[0]
	switch {
	case n.action == resources.Delete, n.action == resources.Replace:
		return 3
	case b.critical:
		return 2
	case n.gate != "":
		return 1
	default:
		return 0
	}
}

func signOf(n node) string {
	switch {
	case n.sign != "":
		return n.sign
	case n.action == "":
		return ""
	case n.action == resources.NoOp:
		return "·"
	default:
		return pageSigns[slices.IndexFunc(pageSigns, func(s pageSign) bool { return s.Class == classOf(n.action) })].Sign
	}
}

func (p *page) box(b boxed) drawnBox {
	n := b.nodes[0]
	d := drawnBox{Class: "node " + classOf(n.action), Sign: signOf(n), Link: p.position[n.addr]}
	name, small := clean(n.addr.Name), clean(n.addr.Kind)
	label := addrText(n.addr)
	if len(b.nodes) > 1 {
		name, small = fmt.Sprintf("%d × %s", len(b.nodes), n.addr.Kind), "alike in this drawing"
		label = name + ": " + addrList(b.nodes)
	}
	if n.gate != "" {
		small += " · gate: " + clean(n.gate)
		label += ", gate: " + clean(n.gate)
	}
	if w := classWord(d.Class); w != "" {
		label += ", " + w
	}
	if n.extern {
		d.Class += " extern"
		label += ", external"
	}
	if b.critical {
		d.Class += " path"
		label += ", on the critical path"
	}
	ids := make([]string, len(b.nodes))
	for i, n := range b.nodes {
		ids[i] = p.position[n.addr]
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
func addrList(nodes []node) string {
	const most = 12
	var out []string
	for i, n := range nodes {
		if i == most {
			out = append(out, fmt.Sprintf("and %d more", len(nodes)-most))
			break
		}
		out = append(out, addrText(n.addr))
	}
	return strings.Join(out, ", ")
}

// graphLegend explains the colours that are there.
func (p *page) graphLegend(pic picture) []pageSign {
	var out []pageSign
	for _, s := range pageSigns {
		if s.Class != "none" && slices.ContainsFunc(pic.nodes, func(n node) bool { return classOf(n.action) == s.Class }) {
			out = append(out, s)
		}
	}
	if len(pic.path) > 0 {
		out = append(out, pageSign{Class: "path", Text: "critical path"})
	}
	return out
}
