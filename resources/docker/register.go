package docker

import (
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/resources"
)

// kind is a kind of this backend: its static part, and what observes and
// changes it given an engine.
type kind interface {
	resources.Kind
	reader(e *ReadEngine) resources.Reader
	writer(e *Engine) resources.Writer
}

// kinds is filled in by each kind's own file while the package is initialised.
var kinds []kind

func register(k kind) struct{} {
	kinds = append(kinds, k)
	return struct{}{}
}

// Kinds returns the kinds of this backend, in order of name.
func Kinds() []resources.Kind {
	out := make([]resources.Kind, len(kinds))
	for i, k := range kinds {
		out[i] = k
	}
	slices.SortFunc(out, func(a, b resources.Kind) int { return strings.Compare(a.Table().Kind, b.Table().Kind) })
	return out
}

// Readers returns what observes each kind, by its name.
func (e *ReadEngine) Readers() map[string]resources.Reader {
	out := make(map[string]resources.Reader, len(kinds))
	for _, k := range kinds {
		out[k.Table().Kind] = k.reader(e)
	}
	return out
}

// Writers returns what changes each kind, by its name.
func (e *Engine) Writers() map[string]resources.Writer {
	out := make(map[string]resources.Writer, len(kinds))
	for _, k := range kinds {
		out[k.Table().Kind] = k.writer(e)
	}
	return out
}
