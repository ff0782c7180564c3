package main

import (
	"slices"

	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
)

// picture is a graph to be drawn.
type picture struct {
	nodes []node
	edges []edge
	// steps says that an edge is about what waits when, not what refers to what.
	steps bool
	// path is the critical path, of a picture of steps.
	path []engine.Step
}

// onPath reports whether a step of the resource is on the critical path.
func (p picture) onPath(a resources.Addr) bool {
	return slices.ContainsFunc(p.path, func(s engine.Step) bool { return s.Addr == a })
}

// follows reports whether the critical path leads from one resource right to
// the other.
func (p picture) follows(from, to resources.Addr) bool {
	for i := 1; i < len(p.path); i++ {
		if p.path[i-1].Addr == from && p.path[i].Addr == to {
			return true
		}
	}
	return false
}

type node struct {
	addr   resources.Addr
	action resources.Action // "" where there is no plan
	sign   string           // of the change, "" where there is no plan
	gate   string
	extern bool
}

// edge says that from needs to; weak edges only wait until it was started.
type edge struct {
	from, to resources.Addr
	weak     bool
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
				n.gate = gate.Text
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
		pic.nodes = append(pic.nodes, changeNode(c))
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

func changeNode(c *engine.Change) node {
	n := node{addr: c.Addr, action: c.Action, extern: c.Want != nil && c.Want.External}
	if !c.IsNoOp() {
		n.sign = c.Symbol()
	}
	if c.Gate != nil {
		n.gate = c.Gate.Text
	}
	return n
}

// stepPicture is what an apply would do: only what has steps, and an edge where
// a step waits for one of another resource. Of a replacement and what needs it,
// of which each waits for the other at some time, the order of making is drawn.
func stepPicture(p *engine.Plan) picture {
	pic := picture{steps: true}
	working := map[edge]bool{} // by edge: it is about more than a removal
	needs := map[resources.Addr][]resources.Addr{}
	for _, s := range p.Steps.Nodes() {
		for _, need := range p.Steps.Needs(s) {
			if need.Addr != s.Addr {
				e := edge{from: s.Addr, to: need.Addr}
				if _, known := working[e]; !known {
					needs[s.Addr] = append(needs[s.Addr], need.Addr)
				}
				working[e] = working[e] || s.Verb != engine.VerbDelete
			}
		}
	}
	changes := slices.Clone(p.Changes)
	slices.SortFunc(changes, func(a, b *engine.Change) int { return a.Addr.Compare(b.Addr) })
	for _, c := range changes {
		n := changeNode(c)
		if awaits := p.Steps.Has(engine.Step{Addr: c.Addr, Verb: engine.VerbAwait}); c.IsNoOp() && !awaits {
			continue
		} else if !awaits {
			n.gate = ""
		}
		pic.nodes = append(pic.nodes, n)
		slices.SortFunc(needs[c.Addr], resources.Addr.Compare)
		for _, to := range needs[c.Addr] {
			e := edge{from: c.Addr, to: to}
			back, both := working[edge{from: to, to: c.Addr}]
			if working[e] || !both || !back {
				pic.edges = append(pic.edges, e)
			}
		}
	}
	// A gate is what takes time: no number of other steps outweighs one.
	pic.path = p.Steps.Longest(func(s engine.Step) int {
		if s.Verb == engine.VerbAwait {
			return 1 + p.Steps.Len()
		}
		return 1
	})
	if len(pic.path) < 2 { // nothing waits for anything
		pic.path = nil
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
