package app

import (
	"context"
	"time"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
	"github.com/LerianStudio/midaz-infra/specs/draft"
)

// World is the backends, as functions that open them. The program is given one;
// tests give it a fake.
type World struct {
	// Kinds returns every kind there is. It touches nothing.
	Kinds func() []resources.Kind
	// Rules returns the rules of the backends.
	Rules func() []*specs.Rule
	// Read opens the backends so that nothing can be written through them.
	Read func(ctx context.Context, a Access) (*Session, error)
	// Write opens them for an apply.
	Write func(ctx context.Context, a Access) (*Session, error)
}

// Access is what opening the backends needs to know.
type Access struct {
	Declared  *resources.Declared
	lookupEnv func(string) (string, bool)
}

// Session is the open backends.
type Session struct {
	Readers map[string]resources.Reader
	Writers map[string]resources.Writer // nil when opened for reading
	Inspect Inspector
	Journal journal
	Record  Recorder // nil when opened for reading
	// Locks keeps the locks of stacks; nil when nothing is there to keep them,
	// or when opened for reading.
	Locks resources.Locker
	// HasTraces reports whether a lock of the stack was seen, or what else only a
	// run at work or a killed one leaves; of a stack that is gone that is any
	// record. It costs no call; nil when nothing is there to keep locks.
	HasTraces func(ctx context.Context, stack string, gone bool) bool
	Close     func()
	// absent is why there is no engine, whose objects are then not read; nil
	// when there is one.
	absent error
	// other names an engine that is not Docker, "" for Docker.
	other string
	// Warnings returns what writing has told about places of the spec since it
	// was last asked; nil when there is nothing that could tell.
	Warnings func() specs.Problems
}

// world returns what an apply works with.
func (s *Session) world() engine.World {
	return engine.World{Readers: s.Readers, Writers: s.Writers}
}

// Inspector answers what people ask about what runs. It changes nothing.
type Inspector interface {
	// Cpus is how many processors the engine has; 0 when it does not say.
	Cpus(ctx context.Context) int
	// Containers returns the containers of the stack's services and jobs, in
	// order of address.
	Containers(ctx context.Context, stack string) ([]report.ContainerView, error)
	// Logs hands over the lines of one container until they end, or for ever
	// with follow.
	Logs(ctx context.Context, c report.ContainerView, o LogOptions, line func(LogLine)) error
	// About describes engine and broker.
	About(ctx context.Context) ([]report.AboutPart, error)
	// Unmanaged returns what is on the broker and belongs to no stack.
	Unmanaged(ctx context.Context, stack string) ([]*resources.Observed, error)
	// Live returns a spec of what the engine has.
	Live(ctx context.Context, o LiveOptions) (*draft.Draft, error)
}

// LiveOptions say which containers a spec is written from; see
// docker.LiveOptions.
type LiveOptions struct {
	Stack, project string
	labels, names  []string
}

// LogOptions say which lines of a log are wanted.
type LogOptions struct {
	Follow     bool
	Tail       string // number of lines, or "all"
	Since      string // RFC 3339 or a duration
	Timestamps bool
	// ThisRun leaves out what was written before the container was last started.
	ThisRun bool
}

// LogLine is one line of a log. Text comes from the container and may hold
// anything.
type LogLine struct {
	Text   string
	at     time.Time // zero without timestamps
	Stderr bool
}
