package report

import (
	"slices"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// Rewritten is what became of the spec's files.
type Rewritten struct {
	Stack         string
	Before, After map[string]string // texts by the spec's name of the file
	Notes         []Rewrite
}

// Rewrite is one thing that was written into the spec, or could not be.
type Rewrite struct {
	Addr resources.Addr
	Path string
	Pos  specs.Pos
	Why  string // it was not written; "" when it was
}

// Changed returns the names of the files that change, in order.
func (w Rewritten) Changed() []string {
	var out []string
	for name, text := range w.After {
		if text != w.Before[name] {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
