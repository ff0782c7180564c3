package report

import (
	"github.com/LerianStudio/midaz-infra/resources"
)

// Fixes is what validate -fix would change.
type Fixes struct {
	Files []*FixedFile
	Fixed []resources.Addr // queues
	Not   []NotFixed
}

// FixedFile is one spec file with its text before and after.
type FixedFile struct {
	Name          string // as given on the command line
	Path          string
	Before, After string
	Staged        string // a file beside it that holds the new text
}

type NotFixed struct {
	Addr resources.Addr
	Why  string
}
