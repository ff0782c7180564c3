package report

import (
	"slices"

	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
)

// Picture is a graph to be drawn.
type Picture struct {
	Nodes []Node
	Edges []Edge
	// Steps says that an edge is about what waits when, not what refers to what.
	Steps bool
	// Path is the critical path, of a picture of steps.
	Path []engine.Step
}

// OnPath reports whether a step of the resource is on the critical path.
func (p Picture) OnPath(a resources.Addr) bool {
	return slices.ContainsFunc(p.Path, func(s engine.Step) bool { return s.Addr == a })
}

// Follows reports whether the critical path leads from one resource right to
// the other.
func (p Picture) Follows(from, to resources.Addr) bool {
	for i := 1; i < len(p.Path); i++ {
		if p.Path[i-1].Addr == from && p.Path[i].Addr == to {
			return true
		}
	}
	return false
}

type Node struct {
	Addr   resources.Addr
	Action resources.Action // "" where there is no plan
	Sign   string           // of the change, "" where there is no plan
	Gate   string
	Extern bool
}

// Edge says that from needs to; weak edges only wait until it was started.
type Edge struct {
	From, To resources.Addr
	Weak     bool
}

// SpecPicture is what is declared: the targets and all they need, or all.
func SpecPicture(declared *resources.Declared, targets []string) Picture {
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
	var pic Picture
	for _, r := range declared.Resources {
		if !in[r.Addr] {
			continue
		}
		n := Node{Addr: r.Addr, Extern: r.External}
		if g, ok := declared.Kind(r.Addr.Kind).(resources.Gated); ok {
			if gate, ok := g.Gate(r); ok {
				n.Gate = gate.Text
			}
		}
		pic.Nodes = append(pic.Nodes, n)
		pic.Edges = append(pic.Edges, edgesOf(r.Addr, r.Refs, func(a resources.Addr) bool { return in[a] })...)
	}
	return pic
}

// PlanPicture is what an apply would do.
func PlanPicture(p *engine.Plan) Picture {
	var pic Picture
	changes := slices.Clone(p.Changes)
	slices.SortFunc(changes, func(a, b *engine.Change) int { return a.Addr.Compare(b.Addr) })
	for _, c := range changes {
		pic.Nodes = append(pic.Nodes, changeNode(c))
		var refs []resources.Ref
		switch {
		case c.Want != nil:
			refs = c.Want.Refs
		case c.Have != nil:
			refs = c.Have.Refs
		}
		pic.Edges = append(pic.Edges, edgesOf(c.Addr, refs, func(a resources.Addr) bool { return p.Change(a) != nil })...)
	}
	return pic
}

func changeNode(c *engine.Change) Node {
	n := Node{Addr: c.Addr, Action: c.Action, Extern: c.Want != nil && c.Want.External}
	if !c.IsNoOp() {
		n.Sign = c.Symbol()
	}
	if c.Gate != nil {
		n.Gate = c.Gate.Text
	}
	return n
}

// StepPicture is what an apply would do: only what has steps, and an edge where
// a step waits for one of another resource. Of a replacement and what needs it,
// of which each waits for the other at some time, the order of making is drawn.
func StepPicture(p *engine.Plan) Picture {
	pic := Picture{Steps: true}
	working := map[Edge]bool{} // by edge: it is about more than a removal
	needs := map[resources.Addr][]resources.Addr{}
	for _, s := range p.Steps.Nodes() {
		for _, need := range p.Steps.Needs(s) {
			if need.Addr != s.Addr {
				e := Edge{From: s.Addr, To: need.Addr}
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
			n.Gate = ""
		}
		pic.Nodes = append(pic.Nodes, n)
		slices.SortFunc(needs[c.Addr], resources.Addr.Compare)
		for _, to := range needs[c.Addr] {
			e := Edge{From: c.Addr, To: to}
			back, both := working[Edge{From: to, To: c.Addr}]
			if working[e] || !both || !back {
				pic.Edges = append(pic.Edges, e)
			}
		}
	}
	// A gate is what takes time: no number of other steps outweighs one.
	pic.Path = p.Steps.Longest(func(s engine.Step) int {
		if s.Verb == engine.VerbAwait {
			return 1 + p.Steps.Len()
		}
		return 1
	})
	if len(pic.Path) < 2 { // nothing waits for anything
		pic.Path = nil
	}
	return pic
}

// edgesOf returns one edge to each address, a strong one where any is.
func edgesOf(from resources.Addr, refs []resources.Ref, in func(resources.Addr) bool) []Edge {
	var out []Edge
	for _, ref := range refs {
		if !in(ref.To) {
			continue
		}
		weak := ref.Wait == resources.Started
		if i := slices.IndexFunc(out, func(e Edge) bool { return e.To == ref.To }); i >= 0 {
			out[i].Weak = out[i].Weak && weak
			continue
		}
		out = append(out, Edge{from, ref.To, weak})
	}
	slices.SortFunc(out, func(a, b Edge) int { return a.To.Compare(b.To) })
	return out
}
