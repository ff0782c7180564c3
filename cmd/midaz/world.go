package main

import (
	"context"
	"time"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
	"github.com/LerianStudio/midaz-infra/specs/draft"
)

// world is the backends, as functions that open them. The program is given one;
// tests give it a fake.
type world struct {
	// kinds returns every kind there is. It touches nothing.
	kinds func() []resources.Kind
	// rules returns the rules of the backends.
	rules func() []*specs.Rule
	// read opens the backends so that nothing can be written through them.
	read func(ctx context.Context, a access) (*sight, error)
	// write opens them for an apply.
	write func(ctx context.Context, a access) (*sight, error)
}

// access is what opening the backends needs to know.
type access struct {
	declared  *resources.Declared
	lookupEnv func(string) (string, bool)
}

// sight is the open backends.
type sight struct {
	readers map[string]resources.Reader
	writers map[string]resources.Writer // nil when opened for reading
	look    looker
	journal journal
	record  recorder // nil when opened for reading
	// locks keeps the locks of stacks; nil when nothing is there to keep them,
	// or when opened for reading.
	locks resources.Locker
	// hasTraces reports whether a lock of the stack was seen, or what else only a
	// run at work or a killed one leaves; of a stack that is gone that is any
	// record. It costs no call; nil when nothing is there to keep locks.
	hasTraces func(ctx context.Context, stack string, gone bool) bool
	close     func()
	// absent is why there is no engine, whose objects are then not looked at; nil
	// when there is one.
	absent error
	// other names an engine that is not Docker, "" for Docker.
	other string
	// warnings returns what writing has told about places of the spec since it
	// was last asked; nil when there is nothing that could tell.
	warnings func() specs.Problems
}

// world returns what an apply works with.
func (s *sight) world() engine.World {
	return engine.World{Readers: s.readers, Writers: s.writers}
}

// looker answers what people ask about what runs. It changes nothing.
type looker interface {
	// cpus is how many processors the engine has; 0 when it does not say.
	cpus(ctx context.Context) int
	// containers returns the containers of the stack's services and jobs, in
	// order of address.
	containers(ctx context.Context, stack string) ([]report.ContainerLook, error)
	// logs hands over the lines of one container until they end, or for ever
	// with follow.
	logs(ctx context.Context, c report.ContainerLook, o logOptions, line func(logLine)) error
	// about describes engine and broker.
	about(ctx context.Context) ([]report.AboutPart, error)
	// unmanaged returns what stands on the broker and belongs to no stack.
	unmanaged(ctx context.Context, stack string) ([]*resources.Observed, error)
	// live returns a spec of what the engine has.
	live(ctx context.Context, o liveOptions) (*draft.Draft, error)
}

// liveOptions say which containers a spec is written from; see
// docker.LiveOptions.
type liveOptions struct {
	stack, project string
	labels, names  []string
}

// logOptions say which lines of a log are wanted.
type logOptions struct {
	follow     bool
	tail       string // number of lines, or "all"
	since      string // RFC 3339 or a duration
	timestamps bool
}

// logLine is one line of a log. Text comes from the container and may hold
// anything.
type logLine struct {
	text   string
	at     time.Time // zero without timestamps
	stderr bool
}
