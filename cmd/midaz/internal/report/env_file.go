package report

import (
	"github.com/LerianStudio/midaz-infra/specs"
)

// EnvFile is what env adds to a file of values.
type EnvFile struct {
	Path    string
	Exists  bool
	Added   []string // names
	Kept    []string
	Needed  []specs.Variable // no value can be made up for these
	Text    string           // what is written behind the old text
	HadText string
}
