package engine

import (
	"fmt"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

var (
	ruleMoved = &specs.Rule{Code: "MZ050", Severity: specs.Error, Title: "moved entry that contradicts the spec",
		Explain: "An entry of `moved` says that what was declared as `from` is declared as `to` now. So `from` must be gone from the spec, " +
			"`to` must be there, and each stands in one entry only: a chain from a to b and from b to c is written as one entry from a to " +
			"c.\n\n```yaml\nmoved:\n  - { from: volume/data, to: volume/postgres-data }\n```"}
	ruleUnmovable = &specs.Rule{Code: "MZ051", Severity: specs.Error, Title: "what cannot be moved",
		Explain: "Volumes, networks, services and jobs can go on under another key; both addresses are of one kind. The objects of a broker " +
			"cannot: RabbitMQ knows no renaming. Declare the new one beside the old one, let publishers and bindings go over, and remove the old " +
			"one when it is empty."}
	ruleMovedName = &specs.Rule{Code: "MZ052", Severity: specs.Warning, Title: "moved entry of a volume",
		Explain: "An engine cannot rename a volume, so one that was moved keeps the name it has there, STACK_OLDKEY, for as long as the entry " +
			"stands. Write that name into the block (`name: STACK_OLDKEY`); then nothing depends on the entry any more, and it can be removed. " +
			"Entries of services and networks can be removed as soon as each stack has been applied with them; a job runs again when its entry " +
			"is removed."}
)

// move is one entry of `moved`.
type move struct {
	from, to resources.Addr
	// at is where from stands, toAt where to does.
	at, toAt specs.Pos
}

// readMoves reads the entries of `moved` and notes on each resource where it
// has been. What is wrong with an entry is reported at once, but for what can
// only be told when everything is declared.
func (r *resolver) readMoves(all *resources.Declared) []move {
	section, ok := r.spec.Root.Entry("moved")
	if !ok || section.Value.Kind() == specs.Null {
		return nil
	}
	if section.Value.Kind() != specs.List {
		r.report(resources.RuleShape.At(section.Value.Pos(), "expected a list, found "+section.Value.Kind().String(),
			"for example: moved: [{ from: volume/old, to: volume/new }]"))
		return nil
	}
	var moves []move
	for _, item := range section.Value.Items() {
		m, ok := r.readMove(item, all)
		if !ok {
			continue
		}
		if p := clash(m, moves); p != nil {
			r.report(p)
			continue
		}
		moves = append(moves, m)
	}
	for _, m := range moves {
		if to := all.Get(m.to); to != nil {
			to.Moved = m.from
		}
	}
	return moves
}

func (r *resolver) readMove(item specs.Node, all *resources.Declared) (move, bool) {
	if item.Kind() != specs.Map {
		r.report(resources.RuleShape.At(item.Pos(), "expected a map with from and to, found "+item.Kind().String(),
			"for example: { from: volume/old, to: volume/new }"))
		return move{}, false
	}
	sound := true
	for _, e := range item.Entries() {
		if e.Key != "from" && e.Key != "to" && !resources.IsExtension(e.Key) {
			r.report(resources.RuleUnknownKey.At(e.KeyPos, fmt.Sprintf("unknown key %q in an entry of moved", e.Key), "it has from and to"))
			sound = false
		}
	}
	var m move
	m.from, m.at, sound = r.readEnd(item, "from", all, sound)
	m.to, m.toAt, sound = r.readEnd(item, "to", all, sound)
	if sound && m.from.Kind != m.to.Kind {
		r.report(ruleUnmovable.At(m.toAt, fmt.Sprintf("%s cannot become %s: they are of different kinds", m.from, m.to),
			"what is made anew needs no entry"))
		return m, false
	}
	return m, sound
}

// readEnd reads one address of an entry.
func (r *resolver) readEnd(item specs.Node, key string, all *resources.Declared, sound bool) (resources.Addr, specs.Pos, bool) {
	e, ok := item.Entry(key)
	if !ok {
		r.report(resources.RuleRequired.At(item.Pos(), fmt.Sprintf("an entry of moved has no %s", key),
			"write { from: volume/old, to: volume/new }"))
		return resources.Addr{}, item.Pos(), false
	}
	at := e.Value.Pos()
	if !e.Value.IsScalar() || e.Value.Sensitive() {
		r.report(resources.RuleShape.At(at, "expected an address such as volume/data", ""))
		return resources.Addr{}, at, false
	}
	a, err := resources.ParseAddr(e.Value.Text())
	if err != nil {
		r.report(resources.RuleValue.At(at, err.Error(), "write KIND/NAME, for example volume/data"))
		return a, at, false
	}
	kind := all.Kind(a.Kind)
	if _, movable := kind.(resources.Movable); movable {
		return a, at, sound
	}
	var kinds []string
	for _, k := range all.Kinds {
		if _, ok := k.(resources.Movable); ok {
			kinds = append(kinds, k.Table().Kind)
		}
	}
	if kind == nil {
		r.report(ruleUnmovable.At(at, fmt.Sprintf("there is no kind %q", a.Kind), specs.DidYouMean(a.Kind, kinds)))
		return a, at, false
	}
	r.report(ruleUnmovable.At(at, fmt.Sprintf("a %s cannot be moved", a.Kind), "`midaz explain MZ051` tells what to do instead"))
	return a, at, false
}

// clash says why an entry cannot stand beside the ones before it.
func clash(m move, others []move) *specs.Problem {
	if m.from == m.to {
		return ruleMoved.At(m.at, fmt.Sprintf("%s is moved to itself", m.from), "remove the entry")
	}
	for _, o := range others {
		switch {
		case m.from == o.to && m.to == o.from:
			return ruleMoved.At(m.at, fmt.Sprintf("%s and %s are moved to each other", m.from, m.to),
				"one name is free only after the other is applied: move one to a third key, apply, and then the other").And(o.at, "the other entry")
		case m.from == o.to:
			return ruleMoved.At(m.at, fmt.Sprintf("a chain: %s has come from %s", m.from, o.from),
				fmt.Sprintf("write one entry: { from: %s, to: %s }", o.from, m.to)).And(o.at, "the entry before it")
		case m.to == o.from:
			return ruleMoved.At(m.toAt, fmt.Sprintf("a chain: %s goes on to %s", m.to, o.to), fmt.Sprintf("write one entry: { from: %s, to: %s }",
				m.from, o.to)).And(o.at, "the entry after it")
		case m.from == o.from:
			return ruleMoved.At(m.at, fmt.Sprintf("%s is moved twice", m.from), "keep the entry that holds").And(o.at, "the other entry")
		case m.to == o.to:
			return ruleMoved.At(m.toAt, fmt.Sprintf("%s and %s are both moved to %s", o.from, m.from, m.to), "keep the entry that holds").And(o.at,
				"the other entry")
		}
	}
	return nil
}

// checkMoves holds the entries against everything declared.
func (r *resolver) checkMoves(moves []move, all *resources.Declared) {
	for _, m := range moves {
		to := all.Get(m.to)
		switch still := all.Get(m.from); {
		case still != nil:
			p := ruleMoved.At(m.at, fmt.Sprintf("%s is still declared, so it cannot have become %s", m.from, m.to),
				"remove the entry, or the old block")
			if !still.KeyPos.IsZero() {
				p = p.And(still.KeyPos, "declared here")
			}
			r.report(p)
		case to == nil:
			var names []string
			for _, res := range all.Of(m.to.Kind) {
				names = append(names, res.Addr.String())
			}
			r.report(ruleMoved.At(m.toAt, fmt.Sprintf("%s is not declared", m.to), specs.DidYouMean(m.to.String(), names)))
		case to.External:
			r.report(ruleMoved.At(m.toAt, fmt.Sprintf("%s is external: it is someone else's and cannot have been this stack's %s", m.to, m.from),
				"remove the entry, or `external: true`"))
		default:
			r.remind(m, to, all)
		}
	}
}

// remind tells of entries on which the name of something depends.
func (r *resolver) remind(m move, to *resources.Resource, all *resources.Declared) {
	k, ok := all.Kind(m.to.Kind).(resources.Named)
	if !ok {
		return
	}
	name, written := k.NameOf(to)
	if written {
		r.report(ruleMovedName.At(m.at, fmt.Sprintf("%s has its name from its block, so nothing depends on this entry", m.to),
			"remove the entry"))
		return
	}
	r.report(ruleMovedName.At(m.at, fmt.Sprintf("the engine cannot rename %s: it stays %s there as long as this entry stands", m.to, name),
		fmt.Sprintf("write `name: %s` in the block of %s, and remove the entry", name, m.to)))
}
