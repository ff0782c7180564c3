package app

import (
	"io"
	"os"
	"time"

	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// System is what one run has of the process around it. Tests put their own in
// place of each part; nothing else of this package reaches for the process.
type System struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Plain is standard output without the redactor, for what docs/security.md
	// lists as exempt.
	Plain     io.Writer
	LookupEnv func(string) (string, bool)
	// Signals returns a channel of SIGINT and SIGTERM and a function that ends it.
	Signals func() (<-chan os.Signal, func())
	Now     func() time.Time
	RunID   func() string // names a run; random when nil
	// Who runs the program, as user@host.
	Who   string
	World World
	// Document returns a plan as the JSON that rules are written against.
	Document func(*engine.Plan, specs.Problems) any
	// Redactor masks the secrets in everything that leaves the process; run sets
	// it.
	Redactor *resources.Redactor
}

// Env returns a variable of the environment, "" when it is not set.
func (s System) Env(name string) string {
	v, _ := s.LookupEnv(name)
	return v
}

// learn makes the secrets of a spec known before anything about it is reported.
func (s System) learn(declared *resources.Declared) {
	s.Redactor.Ignore(declared.Redactor.Ignored()...)
	s.Redactor.Learn(declared.Redactor.Secrets()...)
}

// observed asks what is there. What objects remember as secret is masked from
// then on.
func (c *Call) observed(readers map[string]resources.Reader, scope resources.Scope) (*engine.Seen, error) {
	scope.Stack, scope.Owned = c.declared.Stack, true
	seen, err := engine.Observe(c.Context, readers, c.declared, scope)
	c.Sys.learn(c.declared)
	return seen, err
}
