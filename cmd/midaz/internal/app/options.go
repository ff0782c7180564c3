package app

import (
	"path/filepath"
	"time"

	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/specs"
)

// Options are what a command was asked to do. The zero value of each field is
// that of a flag that was not given.
type Options struct {
	Args []string
	JSON bool // standard output carries JSON, so that no question can be asked

	// Source is where the spec and its values are read from.
	Source specs.Options
	Given  GivenSource
	Stack  string
	// Policies are files of rules beside those of the spec.
	Policies []string

	// Plan bounds what a plan may contain.
	Plan engine.Options
	// Planning names a flag that only planning understands, "" when none was given.
	Planning string
	Detailed bool   // the exit status tells whether there are changes
	Observed string // a recording to plan against

	// What carries a plan out.
	Approved    bool
	MayAsk      bool
	AtTerminal  bool // someone is there to be asked
	Confirm     *string
	Volumes     bool
	Parallelism *int
	LockTimeout time.Duration
	OnFailure   engine.OnFailure
	Report      bool // a page about the run is wanted, also when nothing was begun

	// Files.
	Out, EnvOut string
	Force, Dry  bool

	// What single commands understand.
	Fix           bool
	SuggestIgnore bool
	Steps         bool // a graph of steps, not of references
	Vhost         *string
	Headers       []string
	Logs          LogOptions
	EnvFiles      []string
	Project       string
	Labels        []string
	Service, URL  string
	Part          bool
}

// Path resolves a file name that was given on the command line.
func (o Options) Path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(o.Source.Dir, name)
}

// GivenSource says what of the source was given on the command line.
type GivenSource struct{ Files, Profiles, Values, Dir bool }
