package specs

// mergeFiles lays over on top of base: maps merge by key, everything else
// replaces. Neither tree is changed.
func mergeFiles(base, over *tree, report func(*Problem)) *tree {
	if base == nil {
		return settle(over)
	}
	return overlay(base, over, report)
}

// overlay returns nil when the tag !reset removes the value.
func overlay(base, over *tree, report func(*Problem)) *tree {
	switch {
	case over.op != opNone:
		return settle(over)
	case base.kind == Map && over.kind == Null:
		// "name:" with nothing after it is a map with no keys.
		return base
	case base.kind != Map || over.kind != Map:
		if isCollection(base.kind) && isCollection(over.kind) && base.kind != over.kind {
			report(RuleMergeShape.At(over.pos, over.kind.String()+" replaces the whole of "+base.kind.String()+" from an earlier file",
				"write both as a map to merge them, or tag this one !override").And(base.pos, "the earlier one is here"))
		}
		return settle(over)
	}
	merged := &tree{kind: Map, pos: base.pos, size: 1, height: 1, entries: make([]Entry, 0, len(base.entries)+len(over.entries))}
	for _, e := range base.entries {
		o, both := Node{over}.Entry(e.Key)
		if both {
			t := overlay(e.Value.t, o.Value.t, report)
			if t == nil {
				continue
			}
			if t.pos.File == o.KeyPos.File && t.kind != Map {
				e.KeyPos = o.KeyPos
			}
			e.Value = Node{t}
		}
		merged.entries = append(merged.entries, e)
		merged.adopt(e.Value.t)
	}
	for _, e := range over.entries {
		if _, both := (Node{base}).Entry(e.Key); both {
			continue
		}
		if e.Value.t = settle(e.Value.t); e.Value.t != nil {
			merged.entries = append(merged.entries, e)
			merged.adopt(e.Value.t)
		}
	}
	merged.makeIndex()
	return merged
}

func isCollection(k Kind) bool { return k == Map || k == List }

// settle returns the tree without merge tags: what is tagged !reset is gone.
func settle(t *tree) *tree {
	switch {
	case t.op == opReset:
		return nil
	case !t.ops:
		return t
	}
	out := *t
	out.op, out.ops, out.size, out.height, out.refs, out.index = opNone, false, 1, 1, t.refs && t.kind != Map && t.kind != List, nil
	out.entries, out.items = nil, nil
	for _, e := range t.entries {
		if e.Value.t = settle(e.Value.t); e.Value.t != nil {
			out.entries = append(out.entries, e)
			out.adopt(e.Value.t)
		}
	}
	for _, item := range t.items {
		if s := settle(item.t); s != nil {
			out.items = append(out.items, Node{s})
			out.adopt(s)
		}
	}
	out.makeIndex()
	return &out
}
