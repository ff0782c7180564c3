package main

import (
	"slices"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// rewritten is what became of the spec's files.
type rewritten struct {
	stack         string
	before, after map[string]string // texts by the spec's name of the file
	notes         []rewrite
}

// rewrite is one thing that was written into the spec, or could not be.
type rewrite struct {
	addr resources.Addr
	path string
	pos  specs.Pos
	why  string // it was not written; "" when it was
}

// changed returns the names of the files that change, in order.
func (w rewritten) changed() []string {
	var out []string
	for name, text := range w.after {
		if text != w.before[name] {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
