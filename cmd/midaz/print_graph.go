package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/LerianStudio/midaz-infra/resources"
)

// groupsOf returns the kinds of a picture with their nodes, in order.
func groupsOf(pic picture) ([]string, map[string][]node) {
	groups := map[string][]node{}
	var kinds []string
	for _, n := range pic.nodes {
		if groups[n.addr.Kind] == nil {
			kinds = append(kinds, n.addr.Kind)
		}
		groups[n.addr.Kind] = append(groups[n.addr.Kind], n)
	}
	slices.Sort(kinds)
	return kinds, groups
}

// mermaidText draws a flow chart for Mermaid.
func mermaidText(pic picture) string {
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	ids := map[resources.Addr]string{}
	kinds, groups := groupsOf(pic)
	for n, node := range pic.nodes {
		ids[node.addr] = fmt.Sprintf("n%d", n)
	}
	for _, k := range kinds {
		fmt.Fprintf(&b, "  subgraph %s\n", k)
		for _, n := range groups[k] {
			label := mermaidQuote(n.addr.Name)
			if n.gate != "" {
				label += "<br/><small>" + mermaidQuote(clean(n.gate)) + "</small>"
			}
			fmt.Fprintf(&b, "    %s[\"%s\"]%s\n", ids[n.addr], label, mermaidClass(n))
		}
		b.WriteString("  end\n")
	}
	for _, e := range pic.edges {
		arrow := "-->"
		if e.weak {
			arrow = "-.->"
		}
		fmt.Fprintf(&b, "  %s %s %s\n", ids[e.from], arrow, ids[e.to])
	}
	if slices.ContainsFunc(pic.nodes, func(n node) bool { return mermaidClass(n) != "" }) {
		b.WriteString("  classDef create fill:#d7f5dd,stroke:#1a7f37,color:#000\n" +
			"  classDef update fill:#fff3c4,stroke:#9a6700,color:#000\n" +
			"  classDef replace fill:#f5d9f7,stroke:#8250df,color:#000\n" +
			"  classDef delete fill:#ffd8d3,stroke:#cf222e,color:#000\n" +
			"  classDef external fill:none,stroke-dasharray:4\n")
	}
	return b.String()
}

func mermaidQuote(s string) string {
	r := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "#", "&#35;")
	return r.Replace(clean(s))
}

func mermaidClass(n node) string {
	switch {
	case n.extern:
		return ":::external"
	case n.action == "" || n.action == resources.NoOp:
		return ""
	case n.action == resources.Ensure:
		return ":::create"
	default:
		return ":::" + string(n.action)
	}
}

// dotText draws for Graphviz.
func dotText(pic picture) string {
	var b strings.Builder
	b.WriteString("digraph midaz {\n  rankdir = LR;\n  node [shape = box, style = \"rounded,filled\", fillcolor = white, fontname = sans];\n")
	kinds, groups := groupsOf(pic)
	for n, k := range kinds {
		fmt.Fprintf(&b, "  subgraph cluster_%d {\n    label = %s;\n", n, dotQuote(k))
		for _, n := range groups[k] {
			label := n.addr.Name
			if n.gate != "" {
				label += "\n" + clean(n.gate)
			}
			fmt.Fprintf(&b, "    %s [label = %s%s];\n", dotQuote(n.addr.String()), dotQuote(label), dotColour(n))
		}
		b.WriteString("  }\n")
	}
	for _, e := range pic.edges {
		style := ""
		if e.weak {
			style = " [style = dashed]"
		}
		fmt.Fprintf(&b, "  %s -> %s%s;\n", dotQuote(e.from.String()), dotQuote(e.to.String()), style)
	}
	b.WriteString("}\n")
	return b.String()
}

func dotQuote(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = strings.ReplaceAll(strings.ReplaceAll(clean(l), `\`, `\\`), `"`, `\"`)
	}
	return `"` + strings.Join(lines, `\n`) + `"`
}

func dotColour(n node) string {
	colour := map[resources.Action]string{resources.Create: "#d7f5dd", resources.Ensure: "#d7f5dd", resources.Update: "#fff3c4",
		resources.Replace: "#f5d9f7", resources.Delete: "#ffd8d3"}[n.action]
	switch {
	case n.extern:
		return `, style = "rounded,dashed"`
	case colour != "":
		return ", fillcolor = " + strconv.Quote(colour)
	default:
		return ""
	}
}

// treeText lists each resource with what it needs below it.
func treeText(pic picture) string {
	var b strings.Builder
	for _, n := range pic.nodes {
		b.WriteString(addrText(n.addr))
		if n.action != "" && n.action != resources.NoOp {
			b.WriteString(" (" + string(n.action) + ")")
		}
		if n.extern {
			b.WriteString(" (external)")
		}
		if n.gate != "" {
			b.WriteString("  # gate: " + clean(n.gate))
		}
		b.WriteByte('\n')
		for _, e := range pic.edges {
			if e.from != n.addr {
				continue
			}
			b.WriteString("  -> " + addrText(e.to))
			if e.weak {
				b.WriteString(" (started)")
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}
