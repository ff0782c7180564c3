package main

import (
	"fmt"
	"slices"

	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
)

// picture is a graph to be drawn.
type picture struct {
	nodes []node
	edges []edge
}

type node struct {
	addr   resources.Addr
	action resources.Action // "" where there is no plan
	gate   string
	extern bool
}

// edge says that from needs to; weak edges only wait until it was started.
type edge struct {
	from, to resources.Addr
	weak     bool
}

// drawGraph draws what needs what.
func drawGraph(c *call) error {
	format := c.flags.String("format")
	draw, ok := map[string]func(picture) string{"mermaid": mermaidText, "dot": dotText, "text": treeText}[format]
	if !ok {
		return c.usage(fmt.Sprintf("-format %q is not known", format), "expected one of mermaid, dot, text")
	}
	var pic picture
	if c.flags.Bool("plan") {
		p, err := c.readPlan(engine.Options{Targets: c.flags.StringSlice("target"), Allow: []string{resources.DataLoss}, AllowEmpty: true}, false)
		if err != nil {
			return err
		}
		if noMatch(p) {
			c.tell(planText(p, c.err()))
			return shown(p.Refused())
		}
		pic = planPicture(p)
	} else {
		if err := c.need(false); err != nil {
			return err
		}
		pic = specPicture(c.declared, c.flags.StringSlice("target"))
	}
	c.print(draw(pic))
	return nil
}

// specPicture is what is declared: the targets and all they need, or all.
func specPicture(declared *resources.Declared, targets []string) picture {
	in := map[resources.Addr]bool{}
	var need func(r *resources.Resource)
	need = func(r *resources.Resource) {
		if r == nil || r.Dormant || in[r.Addr] {
			return
		}
		in[r.Addr] = true
		for _, ref := range r.Refs {
			need(declared.Get(ref.To))
		}
	}
	for _, r := range declared.Resources {
		if len(targets) == 0 || slices.ContainsFunc(targets, r.Addr.Match) {
			need(r)
		}
	}
	var pic picture
	for _, r := range declared.Resources {
		if !in[r.Addr] {
			continue
		}
		n := node{addr: r.Addr, extern: r.External}
		if g, ok := declared.Kind(r.Addr.Kind).(resources.Gated); ok {
			if gate, ok := g.Gate(r); ok {
				n.gate = clean(gate.Text)
			}
		}
		pic.nodes = append(pic.nodes, n)
		pic.edges = append(pic.edges, edgesOf(r.Addr, r.Refs, func(a resources.Addr) bool { return in[a] })...)
	}
	return pic
}

// planPicture is what an apply would do.
func planPicture(p *engine.Plan) picture {
	var pic picture
	changes := slices.Clone(p.Changes)
	slices.SortFunc(changes, func(a, b *engine.Change) int { return a.Addr.Compare(b.Addr) })
	for _, c := range changes {
		n := node{addr: c.Addr, action: c.Action, extern: c.Want != nil && c.Want.External}
		if c.Gate != nil {
			n.gate = clean(c.Gate.Text)
		}
		pic.nodes = append(pic.nodes, n)
		var refs []resources.Ref
		switch {
		case c.Want != nil:
			refs = c.Want.Refs
		case c.Have != nil:
			refs = c.Have.Refs
		}
		pic.edges = append(pic.edges, edgesOf(c.Addr, refs, func(a resources.Addr) bool { return p.Change(a) != nil })...)
	}
	return pic
}

// edgesOf returns one edge to each address, a strong one where any is.
func edgesOf(from resources.Addr, refs []resources.Ref, in func(resources.Addr) bool) []edge {
	var out []edge
	for _, ref := range refs {
		if !in(ref.To) {
			continue
		}
		weak := ref.Wait == resources.Started
		if i := slices.IndexFunc(out, func(e edge) bool { return e.to == ref.To }); i >= 0 {
			out[i].weak = out[i].weak && weak
			continue
		}
		out = append(out, edge{from, ref.To, weak})
	}
	slices.SortFunc(out, func(a, b edge) int { return a.to.Compare(b.to) })
	return out
}
