package render

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/resources"
)

// groupsOf returns the kinds of a picture with their nodes, in order.
func groupsOf(pic report.Picture) ([]string, map[string][]report.Node) {
	groups := map[string][]report.Node{}
	var kinds []string
	for _, n := range pic.Nodes {
		if groups[n.Addr.Kind] == nil {
			kinds = append(kinds, n.Addr.Kind)
		}
		groups[n.Addr.Kind] = append(groups[n.Addr.Kind], n)
	}
	slices.Sort(kinds)
	return kinds, groups
}

// MermaidText draws a flow chart for Mermaid.
func MermaidText(pic report.Picture) string {
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	ids := map[resources.Addr]string{}
	kinds, groups := groupsOf(pic)
	for n, node := range pic.Nodes {
		ids[node.Addr] = fmt.Sprintf("n%d", n)
	}
	for _, k := range kinds {
		fmt.Fprintf(&b, "  subgraph %s\n", k)
		for _, n := range groups[k] {
			label := MermaidQuote(n.Addr.Name)
			if n.Gate != "" {
				label += "<br/><small>" + MermaidQuote(Clean(n.Gate)) + "</small>"
			}
			fmt.Fprintf(&b, "    %s[\"%s\"]%s\n", ids[n.Addr], label, mermaidClass(n))
		}
		b.WriteString("  end\n")
	}
	for _, e := range pic.Edges {
		arrow := "-->"
		if e.Weak {
			arrow = "-.->"
		}
		fmt.Fprintf(&b, "  %s %s %s\n", ids[e.From], arrow, ids[e.To])
	}
	if slices.ContainsFunc(pic.Nodes, func(n report.Node) bool { return mermaidClass(n) != "" }) {
		b.WriteString("  classDef create fill:#d7f5dd,stroke:#1a7f37,color:#000\n" +
			"  classDef update fill:#fff3c4,stroke:#9a6700,color:#000\n" +
			"  classDef replace fill:#f5d9f7,stroke:#8250df,color:#000\n" +
			"  classDef delete fill:#ffd8d3,stroke:#cf222e,color:#000\n" +
			"  classDef external fill:none,stroke-dasharray:4\n")
	}
	return b.String()
}

func MermaidQuote(s string) string {
	r := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "#", "&#35;")
	return r.Replace(Clean(s))
}

func mermaidClass(n report.Node) string {
	switch {
	case n.Extern:
		return ":::external"
	case n.Action == "" || n.Action == resources.NoOp:
		return ""
	case n.Action == resources.Ensure:
		return ":::create"
	default:
		return ":::" + string(n.Action)
	}
}

// DotText draws for Graphviz.
func DotText(pic report.Picture) string {
	var b strings.Builder
	b.WriteString("digraph midaz {\n  rankdir = LR;\n  node [shape = box, style = \"rounded,filled\", fillcolor = white, fontname = sans];\n")
	kinds, groups := groupsOf(pic)
	for n, k := range kinds {
		fmt.Fprintf(&b, "  subgraph cluster_%d {\n    label = %s;\n", n, DotQuote(k))
		for _, n := range groups[k] {
			label := n.Addr.Name
			if n.Gate != "" {
				label += "\n" + Clean(n.Gate)
			}
			fmt.Fprintf(&b, "    %s [label = %s%s];\n", DotQuote(n.Addr.String()), DotQuote(label), dotColour(n))
		}
		b.WriteString("  }\n")
	}
	for _, e := range pic.Edges {
		style := ""
		if e.Weak {
			style = " [style = dashed]"
		}
		fmt.Fprintf(&b, "  %s -> %s%s;\n", DotQuote(e.From.String()), DotQuote(e.To.String()), style)
	}
	b.WriteString("}\n")
	return b.String()
}

func DotQuote(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = strings.ReplaceAll(strings.ReplaceAll(Clean(l), `\`, `\\`), `"`, `\"`)
	}
	return `"` + strings.Join(lines, `\n`) + `"`
}

func dotColour(n report.Node) string {
	colour := map[resources.Action]string{resources.Create: "#d7f5dd", resources.Ensure: "#d7f5dd", resources.Update: "#fff3c4",
		resources.Replace: "#f5d9f7", resources.Delete: "#ffd8d3"}[n.Action]
	switch {
	case n.Extern:
		return `, style = "rounded,dashed"`
	case colour != "":
		return ", fillcolor = " + strconv.Quote(colour)
	default:
		return ""
	}
}

// TreeText lists each resource with what it needs below it.
func TreeText(pic report.Picture) string {
	var b strings.Builder
	for _, n := range pic.Nodes {
		b.WriteString(AddrText(n.Addr))
		if n.Action != "" && n.Action != resources.NoOp {
			b.WriteString(" (" + string(n.Action) + ")")
		}
		if n.Extern {
			b.WriteString(" (external)")
		}
		if n.Gate != "" {
			b.WriteString("  # gate: " + Clean(n.Gate))
		}
		b.WriteByte('\n')
		for _, e := range pic.Edges {
			if e.From != n.Addr {
				continue
			}
			b.WriteString("  -> " + AddrText(e.To))
			if e.Weak {
				b.WriteString(" (started)")
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}
