package main

import (
	"github.com/LerianStudio/midaz-infra/specs"
)

// envFile is what env adds to a file of values.
type envFile struct {
	path    string
	exists  bool
	added   []string // names
	kept    []string
	needed  []specs.Variable // no value can be made up for these
	text    string           // what is written behind the old text
	hadText string
}
