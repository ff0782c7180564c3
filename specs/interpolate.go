package specs

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Limits of substitution: a small file whose variables hold large texts must
// not fill the memory.
const (
	maxScalar   = 1 << 20  // bytes of one value
	maxExpanded = 64 << 20 // bytes of all values with references
	maxPlaced   = 64 << 10 // bytes of a text within which problems have places
	maxUses     = 10       // places named for one variable without a value
)

// interpolation substitutes variables in trees. Trees that several places
// share through anchors are done once and stay shared.
type interpolation struct {
	spec    *Spec
	report  func(*Problem)
	done    map[*tree]*tree
	bytes   int
	tooMuch bool
	missing map[string][]missing
}

// missing is one use of a variable that has no value.
type missing struct {
	pos Pos
	msg string // of ${X:?msg}
}

// interpolate returns the root with variables substituted in every value,
// apart from the declarations of variables, rules of the policy, and top-level
// x-* fragments, which matter only where an alias takes them over.
func (l *loader) interpolate(root *tree) *tree {
	in := &interpolation{spec: l.spec, report: l.report, done: map[*tree]*tree{}, missing: map[string][]missing{}}
	out := *root
	out.entries = slices.Clone(root.entries)
	for i, e := range out.entries {
		if e.Key == "variables" || e.Key == "policy" || strings.HasPrefix(e.Key, "x-") {
			continue
		}
		out.entries[i].Value = Node{in.tree(e.Value.t)}
	}
	in.reportMissing()
	return &out
}

func (in *interpolation) tree(t *tree) *tree {
	if !t.refs {
		return t
	}
	if done, ok := in.done[t]; ok {
		return done
	}
	out := *t
	switch t.kind {
	case Map:
		out.entries = slices.Clone(t.entries)
		for i := range out.entries {
			out.entries[i].Value = Node{in.tree(out.entries[i].Value.t)}
		}
	case List:
		out.items = slices.Clone(t.items)
		for i := range out.items {
			out.items[i] = Node{in.tree(out.items[i].t)}
		}
	default:
		in.scalar(t, &out)
	}
	in.done[t] = &out
	return &out
}

// scalar substitutes in one scalar. A plain one is then a number or a boolean
// when its text says so, as if the text had been written; one that became
// empty or "null" stays a text.
func (in *interpolation) scalar(t, out *tree) {
	e := in.expand(t.text, t.pos, func(start, end int) Pos { return in.spec.place(t, start, end) })
	out.text = e.out.String()
	if e.incomplete {
		in.spec.unresolved[t.pos] = true
		out.text, out.kind = t.text, String
		out.unset = in.spec.keepUnset
	}
	if !e.substituted {
		return
	}
	out.written, out.sensitive, out.parts, out.public = t.text, e.sensitive, e.secrets, e.public
	if e.incomplete || t.style != plain || t.tagged && t.kind == String {
		return
	}
	switch kind := resolve(out.text); kind {
	case Int, Float, Bool:
		out.kind = kind
	default:
		out.kind = String
	}
}

// expand substitutes in a text that stands at pos; place tells where its bytes
// from start to end are.
func (in *interpolation) expand(text string, pos Pos, place func(start, end int) Pos) *expansion {
	parts, bad := splitReferences(text)
	e := &expansion{in: in, pos: pos, place: place, incomplete: len(bad) > 0}
	for _, m := range bad[:min(len(bad), maxProblems)] {
		in.report(RuleReference.At(place(m.start, m.end), m.msg, "write $$ for a dollar sign"))
	}
	e.parts(parts)
	return e
}

// expansion is the substitution in one text.
type expansion struct {
	in          *interpolation
	pos         Pos
	place       func(start, end int) Pos
	out         strings.Builder
	substituted bool     // a reference was there
	sensitive   bool     // a sensitive variable was
	secrets     []string // its value, where it stands in the result
	public      int      // how much of the result stands before the first of them
	incomplete  bool     // a variable had no value
}

func (e *expansion) parts(parts []part) {
	for _, p := range parts {
		if p.ref != nil {
			e.reference(p.ref)
			continue
		}
		e.write(p.text)
	}
}

func (e *expansion) write(text string) {
	e.in.bytes += len(text)
	if e.out.Len()+len(text) > maxScalar || e.in.bytes > maxExpanded {
		if !e.in.tooMuch {
			e.in.tooMuch = true
			e.in.report(RuleLimit.At(e.pos, "the value is too large with its variables substituted", "read long texts from a file"))
		}
		e.incomplete = true
		return
	}
	e.out.WriteString(text)
}

func (e *expansion) reference(ref *reference) {
	e.substituted = true
	v := e.in.spec.scope.lookup(ref.name)
	if v.sensitive && !e.sensitive {
		e.sensitive, e.public = true, e.out.Len()
	}
	given := v.set && (v.text != "" || !strings.HasPrefix(ref.op, ":"))
	switch strings.TrimPrefix(ref.op, ":") {
	case "-":
		if given {
			e.value(v)
			return
		}
		e.parts(ref.word)
	case "+":
		if given {
			e.parts(ref.word)
		}
	case "?":
		if !given {
			e.miss(ref, ref.wordText)
			return
		}
		e.value(v)
	default:
		if !given {
			e.miss(ref, "")
			return
		}
		e.value(v)
	}
}

func (e *expansion) value(v value) {
	e.write(v.text)
	if v.sensitive && v.text != "" {
		e.secrets = append(e.secrets, v.text)
	}
}

func (e *expansion) miss(ref *reference, msg string) {
	e.incomplete = true
	uses := e.in.missing[ref.name]
	if len(uses) >= maxUses || uses == nil && len(e.in.missing) >= maxProblems {
		return
	}
	e.in.missing[ref.name] = append(uses, missing{e.place(ref.start, ref.end), msg})
}

// reportMissing reports each variable without a value once, at its first use,
// with the other uses beside it.
func (in *interpolation) reportMissing() {
	if in.spec.keepUnset {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(in.missing)) {
		uses := in.missing[name]
		slices.SortFunc(uses, func(a, b missing) int { return a.pos.Compare(b.pos) })
		first := uses[0]
		decl := in.spec.scope.variables[name]
		if decl == nil && in.spec.Partial {
			// Its declaration may stand in the file that could not be read.
			continue
		}
		msg := fmt.Sprintf("variable %q is used and nowhere set", name)
		if v := in.spec.scope.given(name); v.set {
			msg = fmt.Sprintf("variable %q is empty (from %s)", name, v.source())
		}
		if first.msg != "" {
			msg += ": " + first.msg
		}
		p := RuleUnset.At(first.pos, msg, in.spec.scope.unsetHint(name, decl))
		if decl != nil {
			p.And(decl.Pos, "it is declared here")
		}
		for _, use := range uses[1:] {
			p.And(use.pos, "it is also used here")
		}
		in.report(p)
	}
}

// Expand substitutes variables in the text of another file that the spec
// names, with the same rules as in the spec itself. sensitive says that the
// result holds the value of a sensitive variable. With errors among the
// problems the result is not to be used.
func (s *Spec) Expand(file, text string) (out string, sensitive bool, ps Problems) {
	in := &interpolation{spec: s, missing: map[string][]missing{}, report: func(p *Problem) {
		if len(ps) < maxProblems {
			ps = append(ps, p)
		}
	}}
	if s.scope == nil {
		in.spec = &Spec{scope: newScope(nil)}
	}
	in.spec.scope.use(text)
	e := in.expand(text, Pos{File: file, Line: 1, Col: 1}, func(start, _ int) Pos { return placeInText(file, text, start) })
	in.reportMissing()
	return e.out.String(), e.sensitive, ps.Sorted()
}

// placeInText returns the position of a byte of a whole file.
func placeInText(file, text string, at int) Pos {
	if len(text) > maxPlaced {
		return Pos{File: file, Line: 1 + strings.Count(text[:at], "\n"), Col: 1}
	}
	lines := splitLines(text[:at])
	return Pos{File: file, Line: len(lines), Col: runeCount(lines[len(lines)-1]) + 1}
}

// Place returns where the bytes from start to end of a scalar's text stand in
// the file, as far as escapes and folding let that be told.
func (s *Spec) Place(n Node, start, end int) Pos {
	if n.t == nil || start < 0 || end < start || end > len(n.t.text) {
		return n.Pos()
	}
	return s.place(n.t, start, end)
}

// place returns where the bytes from start to end of a scalar's text stand in
// the file. Where escapes or folding make that unclear it is the scalar's own
// place.
func (s *Spec) place(t *tree, start, end int) Pos {
	src := s.source(t.pos.File)
	if src == nil || t.pos.Line < 1 || t.pos.Line > len(src.lines) {
		return t.pos
	}
	want := t.text[start:end]
	if len(t.text) > maxPlaced || strings.ContainsAny(want, "\n\"\\") || want == "" {
		return t.pos
	}
	nth := strings.Count(t.text[:start], want)
	first, last := t.pos.Line, t.pos.Line
	if t.style == block {
		first, last = t.pos.Line+1, blockEnd(src.lines, t.pos.Line)
	}
	for n := first; n <= last; n++ {
		line, skip := src.lines[n-1], 0
		if n == t.pos.Line {
			skip = byteOfColumn(line, t.pos.Col)
		}
		for {
			i := strings.Index(line[skip:], want)
			if i < 0 {
				break
			}
			skip += i
			if nth == 0 {
				return Pos{File: t.pos.File, Line: n, Col: runeCount(line[:skip]) + 1}
			}
			nth--
			skip += len(want)
		}
	}
	return t.pos
}

// blockEnd returns the last line of the block scalar whose header is on the
// line: all that is indented at least as its first line with text.
func blockEnd(lines []string, header int) int {
	indent := -1
	for n := header + 1; n <= len(lines); n++ {
		body := strings.TrimLeft(lines[n-1], " ")
		if strings.TrimSpace(body) == "" {
			continue
		}
		here := len(lines[n-1]) - len(body)
		if indent < 0 {
			indent = here
		}
		if here < indent {
			return n - 1
		}
	}
	return len(lines)
}

// byteOfColumn returns the byte at which a column of a line begins.
func byteOfColumn(line string, col int) int {
	for i := range line {
		if col--; col == 0 {
			return i
		}
	}
	return len(line)
}
