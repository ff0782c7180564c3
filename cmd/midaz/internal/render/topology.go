package render

import (
	"fmt"
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/routing"
)

// TopologyText lists what is declared: each exchange with where it leads, each
// queue with what holds for it, and the policies.
func TopologyText(all []*routing.Vhost, i Ink) string {
	var b strings.Builder
	for n, v := range all {
		if n > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s\n", i.In(Bold, "Virtual host "+Clean(v.Name)))
		g := v.Graph()
		writeExchanges(&b, v, g, i)
		writeQueues(&b, v, g, i)
		writePolicies(&b, v, i)
	}
	return b.String()
}

func writeExchanges(b *strings.Builder, v *routing.Vhost, g *routing.Graph, i Ink) {
	for at, n := range g.Nodes {
		if n.Exchange == nil {
			continue
		}
		marks := ""
		switch {
		case n.Missing:
			marks = i.In(red, "  not declared: what is sent there is lost")
		case n.Exchange.Internal:
			marks = i.In(Dim, "  internal")
		}
		name := exchangeText(n.Exchange)
		if n.Missing {
			name = Clean(quoteName(n.Name))
		}
		fmt.Fprintf(b, "  exchange %s%s\n", i.In(Bold, name), marks)
		if !n.Missing {
			writeHolding(b, v.ForExchange(n.Exchange), i)
		}
		for _, e := range g.Edges {
			if e.From == at {
				writeEdge(b, g, e, n.Exchange.Type, i)
			}
		}
	}
}

func writeEdge(b *strings.Builder, g *routing.Graph, e routing.Edge, kind string, i Ink) {
	to := g.Nodes[e.To]
	target := "exchange " + Clean(quoteName(to.Name))
	if to.Queue != nil {
		target = "queue " + Clean(to.Name)
	}
	switch e.Kind {
	case routing.Bound:
		fmt.Fprintf(b, "    %s %s\n", arrowText(e.Binding, &routing.Exchange{Type: kind}), target)
	case routing.Alternate:
		fmt.Fprintf(b, "    -[unrouted]-> %s  %s\n", target, i.In(Dim, "by "+Clean(e.Setting.From)))
	case routing.DeadLetter:
		label := "rejected"
		if e.Key != "" {
			label += ", key " + Clean(e.Key)
		}
		fmt.Fprintf(b, "    -[%s]-> %s  %s\n", label, target, i.In(Dim, "by "+Clean(e.Setting.From)))
	}
}

func writeQueues(b *strings.Builder, v *routing.Vhost, g *routing.Graph, i Ink) {
	lonely := g.Lonely()
	for at, n := range g.Nodes {
		if n.Queue == nil {
			continue
		}
		marks := ""
		if slices.Contains(lonely, n.Queue) {
			marks = i.In(Dim, "  reached only by its name")
		}
		fmt.Fprintf(b, "  queue %s%s\n", i.In(Bold, fmt.Sprintf("%s (%s)", Clean(n.Name), Clean(n.Queue.Type))), marks)
		e := v.ForQueue(n.Queue)
		writeHolding(b, e, i)
		for _, s := range e.Settings {
			text := fmt.Sprintf("    %s = %s  %s", Clean(s.Key), Clean(resources.Show(s.Value)), i.In(Dim, "by "+Clean(s.From)))
			if len(s.Over) > 0 {
				text += i.In(yellow, "  not "+Clean(strings.Join(s.Over, ", ")))
			}
			b.WriteString(text + "\n")
		}
		for _, e := range g.Edges {
			if e.From == at {
				writeEdge(b, g, e, "", i)
			}
		}
	}
}

// writeHolding tells which policy holds, and what about that a person should
// know.
func writeHolding(b *strings.Builder, e routing.Effective, i Ink) {
	for _, h := range []struct {
		what string
		routing.Holding
	}{{"policy", e.Policy}, {"operator policy", e.Operator}} {
		if h.Policy != nil {
			text := fmt.Sprintf("    %s %s", h.what, policyText(h.Policy))
			if len(h.Beaten) > 0 {
				text += i.In(Dim, ", before "+policiesText(h.Beaten))
			}
			b.WriteString(text + "\n")
		}
		if len(h.Tied) > 0 {
			fmt.Fprintf(b, "    %s\n", i.In(yellow, "chance decides between it and "+policiesText(h.Tied)))
		}
		if len(h.Untried) > 0 {
			fmt.Fprintf(b, "    %s\n", i.In(yellow, "whether it holds only the broker can tell: "+policiesText(h.Untried)))
		}
	}
}

func policyText(p *routing.Policy) string {
	return fmt.Sprintf("%s (priority %d)", Clean(p.Name), p.Priority)
}

func policiesText(all []*routing.Policy) string {
	out := make([]string, len(all))
	for n, p := range all {
		out[n] = policyText(p)
	}
	return strings.Join(out, ", ")
}

// writePolicies tells which policies match nothing.
func writePolicies(b *strings.Builder, v *routing.Vhost, i Ink) {
	policies, operator := v.Dead()
	for _, p := range policies {
		fmt.Fprintf(b, "  policy %s  %s\n", i.In(Bold, policyText(p)), i.In(yellow, "matches nothing that is declared"))
	}
	for _, p := range operator {
		fmt.Fprintf(b, "  operator policy %s  %s\n", i.In(Bold, policyText(p)), i.In(yellow, "matches nothing that is declared"))
	}
}

// edgeLabel is what stands at an edge of a drawing.
func edgeLabel(g *routing.Graph, e routing.Edge) string {
	switch e.Kind {
	case routing.Alternate:
		return "unrouted"
	case routing.DeadLetter:
		if e.Key != "" {
			return "rejected: " + e.Key
		}
		return "rejected"
	default:
		return bindingLabel(e.Binding, g.Nodes[e.From].Exchange.Type)
	}
}

// nodeLabel is the second line of a node in a drawing.
func nodeLabel(n routing.Node) string {
	switch {
	case n.Queue != nil:
		return n.Queue.Type
	case n.Missing:
		return "not declared"
	case n.Exchange.Type == "":
		return "external"
	case n.Exchange.Internal:
		return n.Exchange.Type + ", internal"
	default:
		return n.Exchange.Type
	}
}

// TopologyDot draws for Graphviz.
func TopologyDot(all []*routing.Vhost, _ Ink) string {
	var b strings.Builder
	b.WriteString("digraph topology {\n  rankdir = LR;\n  node [fontname = sans, style = filled, fillcolor = white];\n  edge [fontname = " +
		"sans, fontsize = 10];\n")
	for n, v := range all {
		fmt.Fprintf(&b, "  subgraph cluster_%d {\n    label = %s;\n", n, DotQuote(v.Name))
		g := v.Graph()
		for k, node := range g.Nodes {
			shape := "box"
			if node.Queue == nil {
				shape = "ellipse"
			}
			style := ""
			if node.Missing || node.Queue == nil && node.Exchange.External || node.Queue != nil && node.Queue.External {
				style = ", style = dashed"
			}
			fmt.Fprintf(&b, "    v%dn%d [label = %s, shape = %s%s];\n", n, k, DotQuote(quoteName(node.Name)+"\n"+nodeLabel(node)), shape, style)
		}
		for _, e := range g.Edges {
			style := map[routing.EdgeKind]string{routing.Alternate: ", style = dashed",
				routing.DeadLetter: `, style = dashed, color = "#cf222e"`}[e.Kind]
			fmt.Fprintf(&b, "    v%dn%d -> v%dn%d [label = %s%s];\n", n, e.From, n, e.To, DotQuote(edgeLabel(g, e)), style)
		}
		b.WriteString("  }\n")
	}
	b.WriteString("}\n")
	return b.String()
}

// TopologyMermaid draws a flow chart for Mermaid.
func TopologyMermaid(all []*routing.Vhost, _ Ink) string {
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	for n, v := range all {
		fmt.Fprintf(&b, "  subgraph v%d[\"%s\"]\n", n, MermaidQuote(v.Name))
		g := v.Graph()
		for k, node := range g.Nodes {
			left, right := `(["`, `"])`
			if node.Queue != nil {
				left, right = `["`, `"]`
			}
			class := ""
			if node.Missing {
				class = ":::missing"
			}
			fmt.Fprintf(&b, "    v%dn%d%s%s<br/><small>%s</small>%s%s\n", n, k, left, MermaidQuote(quoteName(node.Name)),
				MermaidQuote(nodeLabel(node)), right, class)
		}
		for _, e := range g.Edges {
			arrow := "-->"
			if e.Kind != routing.Bound {
				arrow = "-.->"
			}
			if label := edgeLabel(g, e); label != "" {
				arrow += "|\"" + MermaidQuote(label) + "\"|"
			}
			fmt.Fprintf(&b, "    v%dn%d %s v%dn%d\n", n, e.From, arrow, n, e.To)
		}
		b.WriteString("  end\n")
	}
	b.WriteString("  classDef missing stroke:#cf222e,stroke-dasharray:4\n")
	return b.String()
}
