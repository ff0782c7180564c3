package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/engine/graph"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// Rules of the whole. Codes MZ040 to MZ059.
var (
	ruleUnknownRef = &specs.Rule{Code: "MZ040", Severity: specs.Error, Title: "reference to something not declared",
		Explain: "The resource refers to another one that the spec does not declare, so nothing would make it. Declare it, correct the name, " +
			"or, for a network, volume, vhost or user that someone else manages, declare it with `external: true`."}
	ruleCycle = &specs.Rule{Code: "MZ041", Severity: specs.Error, Title: "dependency cycle",
		Explain: "Each of these resources waits for the next, and the last for the first, so none could ever start. Remove one of the " +
			"references; often one `depends_on` is not needed, because a reference to a network, volume or queue makes the order by itself."}
	ruleTwice = &specs.Rule{Code: "MZ042", Severity: specs.Error, Title: "declared twice",
		Explain: "Two entries describe the same object. Only one can hold; remove the other."}
	ruleDormantRef = &specs.Rule{Code: "MZ043", Severity: specs.Error, Title: "reference to something whose profile is off",
		Explain: "The resource is on, but what it needs belongs only to profiles that are off, so it would wait for ever. Turn the profile on " +
			"with `--profile`, give both the same profiles, or make the dependency optional with `required: false`."}
)

// ruleUnconfirmed is about the world, and stands at the spec's first line.
var ruleUnconfirmed = &specs.Rule{Code: "MZ056", Severity: specs.Warning, Title: "orphans are kept, since the record of the stack is gone",
	Explain: "Objects carry the stack's labels and the spec does not declare them. Usually they would be removed. But the engine holds " +
		"no record and no journal of the stack any more (`docker volume prune --all` removes both), so it cannot be told whether they were " +
		"given up since. They are kept until one apply confirms that they are to go: `midaz apply -allow orphans`."}

// Rules returns the rules of this package.
func Rules() []*specs.Rule {
	return []*specs.Rule{ruleUnknownRef, ruleCycle, ruleTwice, ruleDormantRef, ruleMoved, ruleUnmovable, ruleMovedName, ruleIgnoreNothing,
		ruleIgnoreExpired, ruleUnconfirmed}
}

// Resolve decodes everything the spec declares, derives what follows from it,
// and checks it: shapes, references, cycles, and the kinds' own rules. It goes
// on after each problem; the result holds what could be decoded.
func Resolve(spec *specs.Spec, kinds []resources.Kind) (*resources.Declared, specs.Problems) {
	r := resolver{spec: spec, kinds: kinds, twice: map[resources.Addr]*resources.Resource{}}
	for _, k := range kinds {
		r.decode(k)
	}
	all := resources.NewDeclared(spec, kinds, r.found)
	moves := r.readMoves(all)
	for _, res := range all.Resources {
		if f, ok := all.Kind(res.Addr.Kind).(resources.Finisher); ok {
			decoded := res.Config.Clone()
			f.Finish(res, all, r.report)
			res.Config = resources.Remark(res.Config, decoded, nil)
		}
	}
	for _, k := range kinds {
		if d, ok := k.(resources.Deriver); ok {
			for _, res := range d.Derive(all) {
				if all.Get(res.Addr) == nil {
					r.add(res)
				}
			}
			all = resources.NewDeclared(spec, kinds, r.found)
		}
	}
	r.checkMoves(moves, all)
	r.link(all)
	r.follow(all)
	r.cycles(all)
	for _, k := range kinds {
		if c, ok := k.(resources.Checker); ok {
			c.Check(all, r.report)
		}
	}
	all.Ignored = r.ignores(all)
	all.Redactor = redactorOf(all)
	for _, res := range all.Resources {
		res.Redactor = all.Redactor
		res.Config = resources.Remark(res.Config, nil, all.Redactor)
	}
	r.checkSecrets(all)
	return all, r.problems.Sorted()
}

type resolver struct {
	spec     *specs.Spec
	kinds    []resources.Kind
	found    []*resources.Resource
	twice    map[resources.Addr]*resources.Resource
	problems specs.Problems
}

func (r *resolver) report(p *specs.Problem) { r.problems = append(r.problems, p) }

func (r *resolver) add(res *resources.Resource) {
	if first, ok := r.twice[res.Addr]; ok {
		p := ruleTwice.At(res.KeyPos, fmt.Sprintf("%s is declared twice", res.Addr), "remove one of the two")
		p.Related = []specs.Related{{Pos: first.KeyPos, Msg: "first declared here"}}
		r.report(p)
		return
	}
	r.twice[res.Addr] = res
	r.found = append(r.found, res)
}

func (r *resolver) decode(k resources.Kind) {
	t := k.Table()
	if t.Section == "" {
		return
	}
	var visit func(n specs.Node, keyPos specs.Pos, path, names []string)
	visit = func(n specs.Node, keyPos specs.Pos, path, names []string) {
		if len(path) == 0 {
			r.one(k, n, keyPos, names)
			return
		}
		if n.IsAbsent() || n.Kind() == specs.Null {
			return
		}
		head, rest := path[0], path[1:]
		if head == "-" {
			if n.Kind() != specs.List {
				r.report(resources.RuleShape.At(n.Pos(), "expected a list, found "+n.Kind().String(), ""))
				return
			}
			for _, item := range n.Items() {
				visit(item, item.Pos(), rest, names)
			}
			return
		}
		if n.Kind() != specs.Map {
			r.report(resources.RuleShape.At(n.Pos(), "expected a map, found "+n.Kind().String(), ""))
			return
		}
		if head != "*" {
			if e, ok := n.Entry(head); ok && e.Value.Kind() != specs.Null {
				visit(e.Value, e.KeyPos, rest, names)
			}
			return
		}
		for _, e := range n.Entries() {
			visit(e.Value, e.KeyPos, rest, append(slices.Clone(names), e.Key))
		}
	}
	visit(r.spec.Root, specs.Pos{}, strings.Split(t.Section, "/"), nil)
}

func (r *resolver) one(k resources.Kind, n specs.Node, keyPos specs.Pos, names []string) {
	t := k.Table()
	if len(names) > 0 {
		t.CheckName(names[len(names)-1], keyPos, r.report)
	}
	config := t.Decode(n, r.report)
	addr := resources.Addr{}
	if namer, ok := k.(resources.Namer); ok {
		addr = namer.Name(names, config)
	} else {
		addr = resources.NewAddr(t.Kind, slices.Clone(names)...)
	}
	if addr.IsZero() { // too broken to have a name; Decode has said why
		return
	}
	r.add(&resources.Resource{Addr: addr, Stack: r.spec.Stack, Config: config, Node: n, KeyPos: keyPos, Dir: r.spec.Dir})
}

// link fills in the references and reports those that lead nowhere.
func (r *resolver) link(all *resources.Declared) {
	names := map[string][]string{}
	for _, res := range all.Resources {
		names[res.Addr.Kind] = append(names[res.Addr.Kind], res.Addr.Name)
	}
	for _, res := range all.Resources {
		k := all.Kind(res.Addr.Kind)
		if k == nil {
			continue
		}
		for _, ref := range k.Refs(res) {
			to := all.Get(ref.To)
			switch {
			case to == nil && ref.Optional, to != nil && to.Dormant && ref.Optional:
			case to == nil:
				r.report(ruleUnknownRef.At(res.Pos(ref.At), fmt.Sprintf("%s refers to %s, which is not declared", res.Addr, ref.To),
					specs.DidYouMean(ref.To.Name, names[ref.To.Kind])))
			case to.Dormant && !res.Dormant:
				r.report(ruleDormantRef.At(res.Pos(ref.At), fmt.Sprintf("%s needs %s, whose profile is off", res.Addr, ref.To),
					"turn its profile on with --profile, or write `required: false`"))
			default:
				res.Refs = append(res.Refs, ref)
			}
		}
	}
}

// follow makes dormant what only dormant resources refer to, in kinds that
// exist for what refers to them.
func (r *resolver) follow(all *resources.Declared) {
	users, awake := map[resources.Addr]bool{}, map[resources.Addr]bool{}
	for _, res := range all.Resources {
		for _, ref := range res.Refs {
			users[ref.To] = true
			awake[ref.To] = awake[ref.To] || !res.Dormant
		}
	}
	for _, res := range all.Resources {
		if _, ok := all.Kind(res.Addr.Kind).(resources.Follower); ok && users[res.Addr] && !awake[res.Addr] {
			res.Dormant = true
		}
	}
}

func (r *resolver) cycles(all *resources.Declared) {
	var g graph.Graph[resources.Addr]
	at := map[[2]resources.Addr]specs.Pos{}
	for _, res := range all.Resources {
		g.Add(res.Addr)
		for _, ref := range res.Refs {
			g.Add(res.Addr, ref.To)
			edge := [2]resources.Addr{res.Addr, ref.To}
			if _, ok := at[edge]; !ok {
				at[edge] = res.Pos(ref.At)
			}
		}
	}
	cycle := g.Cycle()
	if cycle == nil {
		return
	}
	var path []string
	var related []specs.Related
	for i, a := range cycle {
		next := cycle[(i+1)%len(cycle)]
		path = append(path, a.String())
		related = append(related, specs.Related{Pos: at[[2]resources.Addr{a, next}], Msg: fmt.Sprintf("%s needs %s", a, next)})
	}
	p := ruleCycle.At(related[0].Pos, "dependency cycle: "+strings.Join(append(path, path[0]), " -> "), "remove one of these references")
	p.Related = related
	r.report(p)
}
