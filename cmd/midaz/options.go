package main

import (
	"time"

	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/specs"
)

// options are what a command was asked to do. The zero value of each field is
// that of a flag that was not given.
type options struct {
	args []string
	json bool // standard output carries JSON, so that no question can be asked

	// source is where the spec and its values are read from.
	source specs.Options
	given  givenSource
	stack  string
	// policies are files of rules beside those of the spec.
	policies []string

	// plan bounds what a plan may contain.
	plan engine.Options
	// planning names a flag that only planning understands, "" when none was given.
	planning string
	detailed bool   // the exit status tells whether there are changes
	observed string // a recording to plan against

	// What carries a plan out.
	approved    bool
	mayAsk      bool
	atTerminal  bool // someone is there to be asked
	confirm     *string
	volumes     bool
	parallelism *int
	lockTimeout time.Duration
	onFailure   engine.OnFailure

	// Files.
	out, envOut string
	force, dry  bool

	// What single commands understand.
	fix           bool
	adopt         []string // resources whose drift goes into the spec
	suggestIgnore bool
	steps         bool // a graph of steps, not of references
	vhost         *string
	headers       []string
	logs          logOptions
	envFiles      []string
	project       string
	labels        []string
	service, url  string
	part          bool
	definitionsOf string // the virtual host that definitions are of
}

// givenSource says what of the source was given on the command line.
type givenSource struct{ files, profiles, values, dir bool }
