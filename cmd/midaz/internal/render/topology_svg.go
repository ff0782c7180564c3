package render

import (
	"fmt"
	"html"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/render/layout"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/routing"
)

const (
	svgMargin = 24.0
	// labelGap between two layers has room for the labels of bindings.
	labelGap = 130.0
	// charWidth is how wide a letter of 13 pixels is at most, on average.
	charWidth = 7.4
)

// TopologySVG draws a picture that needs nothing else to be seen.
func TopologySVG(all []*routing.Vhost, _ Ink) string {
	var body strings.Builder
	width, y := 200.0, svgMargin
	for _, v := range all {
		fmt.Fprintf(&body, "<text class=\"vhost\" x=\"%g\" y=\"%g\">%s</text>\n", svgMargin, round(y+14), SVGText("Virtual host "+v.Name))
		y += 34
		g := v.Graph()
		a := arrangeTopology(g)
		fmt.Fprintf(&body, "<g transform=\"translate(%g %g)\">\n", svgMargin, round(y))
		for n, e := range g.Edges {
			writeSVGEdge(&body, g, e, a.Routes[n])
		}
		for n, node := range g.Nodes {
			writeSVGNode(&body, node, a.Boxes[n])
		}
		body.WriteString("</g>\n")
		width, y = max(width, a.Width), y+a.Height+svgMargin
	}
	width += 2 * svgMargin
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" width="%g" height="%g" role="img" aria-label="RabbitMQ topology">
<style>
text { font: 13px sans-serif; fill: #1f2328 }
.vhost { font-weight: bold; font-size: 15px }
.kind, .label { font-size: 11px; fill: #57606a }
.label { paint-order: stroke; stroke: #fff; stroke-width: 4px }
.exchange { fill: #ddf4ff; stroke: #0969da }
.queue { fill: #fff8c5; stroke: #9a6700 }
.outside { stroke-dasharray: 5 3 }
.missing { fill: #ffebe9; stroke: #cf222e; stroke-dasharray: 5 3 }
path { fill: none; stroke: #57606a; stroke-width: 1.3 }
path.alternate { stroke-dasharray: 6 4 }
path.dead-letter { stroke: #cf222e; stroke-dasharray: 6 4 }
marker path { fill: #57606a; stroke: none }
marker path.dead-letter { fill: #cf222e }
</style>
<defs>
<marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z"/></marker>
<marker id="arrow-dead-letter" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path class="dead-letter" d="M0 0L8 4L0 8z"/></marker>
</defs>
<rect width="100%%" height="100%%" fill="#fff"/>
%s</svg>
`, round(width), round(y), round(width), round(y), body.String())
}

func arrangeTopology(g *routing.Graph) layout.Arrangement {
	widths := make([]float64, len(g.Nodes))
	for n, node := range g.Nodes {
		widths[n] = boxWidth(node)
	}
	links := make([]layout.Link, len(g.Edges))
	for n, e := range g.Edges {
		links[n] = layout.Link{From: e.From, To: e.To}
	}
	return layout.Arrange(widths, links, labelGap)
}

func boxWidth(n routing.Node) float64 {
	return round(max(90, 24+charWidth*float64(utf8.RuneCountInString(quoteName(n.Name)))))
}

func writeSVGNode(b *strings.Builder, n routing.Node, at layout.Place) {
	class, radius := "exchange", layout.BoxHeight/2
	if n.Queue != nil {
		class, radius = "queue", 3.0
	}
	switch {
	case n.Missing:
		class = "missing"
	case n.Queue != nil && n.Queue.External, n.Exchange != nil && n.Exchange.External:
		class += " outside"
	}
	w := boxWidth(n)
	fmt.Fprintf(b, "<rect class=\"%s\" x=\"%g\" y=\"%g\" width=\"%g\" height=\"%g\" rx=\"%g\"/>\n", class, round(at.X),
		round(at.Y-layout.BoxHeight/2), w, layout.BoxHeight, radius)
	fmt.Fprintf(b, "<text x=\"%g\" y=\"%g\" text-anchor=\"middle\">%s</text>\n", round(at.X+w/2), round(at.Y-2), SVGText(quoteName(n.Name)))
	fmt.Fprintf(b, "<text class=\"kind\" x=\"%g\" y=\"%g\" text-anchor=\"middle\">%s</text>\n", round(at.X+w/2), round(at.Y+13),
		SVGText(nodeLabel(n)))
}

// writeSVGEdge draws a curve through the places of the route. One that leads
// from a node to itself is a loop above it.
func writeSVGEdge(b *strings.Builder, g *routing.Graph, e routing.Edge, route []layout.Place) {
	marker := "arrow"
	if e.Kind == routing.DeadLetter {
		marker = "arrow-dead-letter"
	}
	var d strings.Builder
	label := route[0]
	if len(route) == 1 {
		x, y := route[0].X+boxWidth(g.Nodes[e.From])-30, route[0].Y-layout.BoxHeight/2
		fmt.Fprintf(&d, "M%g %gc-10 -26 30 -26 20 0", round(x), round(y))
		label = layout.Place{X: x, Y: y - 20}
	} else {
		d.WriteString(svgCurve(route))
		p, q := route[len(route)-2], route[len(route)-1]
		label = layout.Place{X: (p.X + q.X) / 2, Y: (p.Y+q.Y)/2 - 3}
	}
	fmt.Fprintf(b, "<path class=\"%s\" d=\"%s\" marker-end=\"url(#%s)\"/>\n", e.Kind, d.String(), marker)
	if text := edgeLabel(g, e); text != "" {
		fmt.Fprintf(b, "<text class=\"label\" x=\"%g\" y=\"%g\" text-anchor=\"middle\">%s</text>\n", round(label.X), round(label.Y),
			SVGText(cut(text, 40)))
	}
}

// svgCurve is the path of a curve through the places of a route.
func svgCurve(route []layout.Place) string {
	var d strings.Builder
	fmt.Fprintf(&d, "M%g %g", round(route[0].X), round(route[0].Y))
	for n := 1; n < len(route); n++ {
		p, q := route[n-1], route[n]
		bend := (q.X - p.X) / 2
		fmt.Fprintf(&d, "C%g %g %g %g %g %g", round(p.X+bend), round(p.Y), round(q.X-bend), round(q.Y), round(q.X), round(q.Y))
	}
	return d.String()
}

func SVGText(s string) string { return html.EscapeString(Clean(s)) }

func round(f float64) float64 { return math.Round(f*10) / 10 }
