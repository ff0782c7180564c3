package schema

import (
	"slices"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// Merge returns all problems of decoding and those of the schema that say
// something new: nothing at, above or below a place that decoding complained
// of, because that is the same mistake in other words.
func Merge(root specs.Node, decoded, schema specs.Problems) specs.Problems {
	if len(schema) == 0 {
		return decoded.Sorted()
	}
	said := map[specs.Pos]bool{}
	for _, p := range decoded {
		said[p.Pos] = true
	}
	known := map[specs.Pos]bool{}
	mark(root, root.Pos(), said, known, false)
	out := append(specs.Problems{}, decoded...)
	for _, p := range schema {
		if !said[p.Pos] && !known[p.Pos] {
			out = append(out, p)
		}
	}
	return out.Sorted()
}

// mark notes the places at, above and below those in said. It reports whether
// there was one at or below the node.
func mark(n specs.Node, keyPos specs.Pos, said, known map[specs.Pos]bool, above bool) bool {
	here := above || said[n.Pos()] && n.IsScalar() || said[keyPos]
	any := here
	for _, e := range n.Entries() {
		any = mark(e.Value, e.KeyPos, said, known, here) || any
	}
	for _, item := range n.Items() {
		any = mark(item, item.Pos(), said, known, here) || any
	}
	if any {
		known[n.Pos()], known[keyPos] = true, true
	}
	return any
}

// ofShape are the rules of decoding that hold for what is written, whatever
// else there may be.
var ofShape = []*specs.Rule{resources.RuleShape, resources.RuleValue, resources.RuleUnknownKey, resources.RuleUnsupported,
	resources.RuleLiteralSecret, resources.RuleDuplicateItem}

// Complete returns everything that is wrong with a spec, sorted: what loading
// and decoding found, the top level, what only the schema sees, and variables
// that nothing uses. Left out is what follows from something already said: a
// value whose variables could not be substituted, and what only seems to be
// missing because a file could not be read.
func Complete(spec *specs.Spec, kinds []resources.Kind, loaded, decoded specs.Problems) specs.Problems {
	decoded = consequent(spec, append(Top(spec, kinds), decoded...))
	if !spec.Root.IsAbsent() {
		shape := slices.DeleteFunc(Check(Assemble(kinds), spec.Root), func(p *specs.Problem) bool {
			return spec.Partial && !slices.Contains(ofShape, p.Rule)
		})
		return append(Merge(spec.Root, slices.Concat(loaded, decoded), shape), spec.Unused()...).Sorted()
	}
	return slices.Concat(loaded, decoded, spec.Unused()).Sorted()
}

// Quick returns what Complete does, without the schema: for commands that go on
// to do something, since decoding finds what the schema does, and compiling
// the schema costs more than all the rest.
func Quick(spec *specs.Spec, kinds []resources.Kind, loaded, decoded specs.Problems) specs.Problems {
	return slices.Concat(loaded, consequent(spec, append(Top(spec, kinds), decoded...)), spec.Unused()).Sorted()
}

// consequent drops what follows from a problem of loading.
func consequent(spec *specs.Spec, decoded specs.Problems) specs.Problems {
	return slices.DeleteFunc(decoded, func(p *specs.Problem) bool {
		return spec.Unresolved(p.Pos) || spec.Partial && !slices.Contains(ofShape, p.Rule)
	})
}
