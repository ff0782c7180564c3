package engine

import (
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// Resolve decodes everything the spec declares, derives what follows from it,
// and checks it: shapes, references, cycles, and the kinds' own rules. It goes
// on after each problem; the result holds what could be decoded.
func Resolve(spec *specs.Spec, kinds []resources.Kind) (*resources.Declared, specs.Problems) {
	return nil, nil
}
