// Command midaz runs the infrastructure that one file describes.
//
// This package connects the others: it reads flags, opens the engine and the
// broker, and runs commands. It decides nothing about resources. Results are
// values of internal/report and plans of the engine; internal/render puts them
// into words.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"os/user"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/render"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

func main() {
	collectLate()
	os.Exit(run(context.Background(), os.Args[1:], system{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		lookupEnv: os.LookupEnv,
		signals:   notify,
		now:       time.Now,
		who:       whoami(),
		world:     realWorld(),
	}))
}

// collectLate puts the first collection of garbage off until the heap has 40 MB.
// A plan of fifty services ends before that, and collecting took a quarter of
// its time. After it everything is as usual, so that memory grows with what is
// planned. GOGC in the environment is obeyed.
func collectLate() {
	if _, ok := os.LookupEnv("GOGC"); ok {
		return
	}
	usual := debug.SetGCPercent(1000) // of the runtime's least heap, 4 MB
	runtime.AddCleanup(new(*int), func(percent int) { debug.SetGCPercent(percent) }, usual)
}

// system is what one run has of the process around it. Tests put their own in
// place of each part; nothing else of this package reaches for the process.
type system struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	// plain is standard output without the redactor, for what docs/security.md
	// lists as exempt.
	plain     io.Writer
	lookupEnv func(string) (string, bool)
	// signals returns a channel of SIGINT and SIGTERM and a function that ends it.
	signals func() (<-chan os.Signal, func())
	now     func() time.Time
	runID   func() string // names a run; random when nil
	// who runs the program, as user@host.
	who   string
	world world
	// document returns a plan as the JSON that rules are written against.
	document func(*engine.Plan, specs.Problems) any
	// redactor masks the secrets in everything that leaves the process; run sets
	// it.
	redactor *resources.Redactor
}

// env returns a variable of the environment, "" when it is not set.
func (s system) env(name string) string {
	v, _ := s.lookupEnv(name)
	return v
}

// whoami is who runs the program, as others should read it.
func whoami() string {
	name, host := "someone", "somewhere"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if h, err := os.Hostname(); err == nil {
		host = h
	}
	return name + "@" + host
}

func notify() (<-chan os.Signal, func()) {
	c := make(chan os.Signal, 2)
	signal.Notify(c, os.Interrupt, syscall.SIGTERM)
	return c, func() { signal.Stop(c) }
}

// run is the program: it runs one command line and returns the exit status. It
// never ends the process.
func run(ctx context.Context, args []string, sys system) int {
	sys, flush := guarded(sys)
	defer flush()
	in := newInterrupt(ctx, sys)
	defer in.Close()
	done := make(chan error, 1)
	go func() { done <- runCommand(in.ctx, args, sys, in) }()
	var err error
	select {
	case err = <-done:
	case <-in.left:
		err = in.why()
	}
	if sig := in.Ended(); sig != nil && (errors.Is(err, context.Canceled) || errors.Is(err, engine.ErrInterrupted)) {
		err = report.StoppedError{Terminated: sig == syscall.SIGTERM, Cause: err}
	}
	if err != nil {
		_, _ = io.WriteString(sys.stderr, render.FinalText(err, inkFor(sys.stderr, sys.env, false)))
	}
	return exitStatus(err)
}

// exitStatus is the only place that knows the numbers of the contract.
func exitStatus(err error) int {
	var usage report.UsageError
	var stopped report.StoppedError
	var late report.TimeoutError
	var other *resources.OtherEngineError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		return 64
	case errors.As(err, &late):
		return 1
	case errors.As(err, &stopped):
		if stopped.Terminated {
			return 143
		}
		return 130
	case errors.Is(err, report.ErrChanges), errors.Is(err, report.ErrDrifted), errors.Is(err, report.ErrUnroutable):
		return 2
	case errors.Is(err, report.ErrPartly):
		return 3
	case errors.Is(err, report.ErrGate):
		return 4
	case errors.Is(err, resources.ErrLocked), errors.Is(err, resources.ErrLockLost):
		return 5
	case errors.Is(err, engine.ErrStale):
		return 6
	case errors.Is(err, engine.ErrRefused), errors.As(err, &other):
		return 7
	default:
		return 1
	}
}

// bug turns a panic into an error that says what it is. A panic on any input
// is a fault of the program, and a stack trace is no message for its user.
func bug(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("%v; this is a bug in midaz: please report the command and the spec", r)
	}
}
