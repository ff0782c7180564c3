package engine_test

import (
	"testing"

	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/fake"
	"github.com/LerianStudio/midaz-infra/specs"
)

// TestExtensionsAreNoNames: x-* keys are extension fields of the file, of a
// section, and of a resource. Among names they are names.
func TestExtensionsAreNoNames(t *testing.T) {
	spec, problems := specs.Load(specs.Options{Files: []string{"a.yaml"}, Texts: map[string]string{"a.yaml": `version: "1"
stack: test
x-top: &fragment { size: 3 }
boxes:
  x-a: { <<: *fragment, x-note: ignored }
crates:
  x-b: {}
`}})
	declared, decoded := engine.Resolve(spec, fake.Kinds())
	if err := append(problems, decoded...).Err(); err != nil {
		t.Fatal(err)
	}
	box := declared.Get(resources.NewAddr("box", "x-a"))
	if box == nil || box.Config.Int("size") != 3 || declared.Get(resources.NewAddr("crate", "x-b")) == nil {
		t.Fatalf("declared: %v", declared.Resources)
	}
}
