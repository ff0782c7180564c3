// Package specs turns bytes into values that know where they came from.
//
// Load reads one or more YAML files, merges them, substitutes variables and
// returns a Spec: a tree of Nodes, each with the file, line and column it was
// written at. Everything that is wrong is a Problem with a position; all of
// them are found in one run. The package refuses to know what the values mean:
// services, queues and networks are words of other packages.
package specs

import (
	"cmp"
	"fmt"
)

// Pos is a place in a spec file. Line and Col start at 1; Col counts runes, as
// yaml.v3 does. The zero Pos means "no place".
type Pos struct {
	File string
	Line int
	Col  int
}

// IsZero reports whether p is no place at all.
func (p Pos) IsZero() bool { return p.Line == 0 && p.File == "" }

// String returns file:line:col, or file alone when there is no line.
func (p Pos) String() string {
	switch {
	case p.IsZero():
		return "-"
	case p.Line == 0:
		return p.File
	default:
		return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
	}
}

// Compare orders positions by file, line and column.
func (p Pos) Compare(q Pos) int {
	return cmp.Or(cmp.Compare(p.File, q.File), cmp.Compare(p.Line, q.Line), cmp.Compare(p.Col, q.Col))
}
