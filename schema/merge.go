package schema

import "github.com/LerianStudio/midaz-infra/specs"

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
