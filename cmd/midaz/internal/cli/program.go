package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"os/user"
	"syscall"
	"time"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/app"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/render"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
)

// Main runs the program with the arguments, streams, and engines of the process,
// and returns its exit status.
func Main() int {
	return Run(context.Background(), os.Args[1:], app.System{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		LookupEnv: os.LookupEnv,
		Signals:   Notify,
		Now:       time.Now,
		Who:       whoami(),
		World:     app.RealWorld(),
	})
}

// Run is the program: it runs one command line and returns the exit status. It
// never ends the process.
func Run(ctx context.Context, args []string, sys app.System) int {
	sys, flush := guarded(sys)
	defer flush()
	in := app.NewInterrupt(ctx, sys)
	defer in.Close()
	done := make(chan error, 1)
	go func() { done <- runCommand(in.Context, args, sys, in) }()
	var err error
	select {
	case err = <-done:
	case <-in.Left:
		err = in.Why()
	}
	if sig := in.Ended(); sig != nil && (errors.Is(err, context.Canceled) || errors.Is(err, engine.ErrInterrupted)) {
		err = report.StoppedError{Terminated: sig == syscall.SIGTERM, Cause: err}
	}
	if err != nil {
		_, _ = io.WriteString(sys.Stderr, render.FinalText(err, InkFor(sys.Stderr, sys.Env, false)))
	}
	return ExitStatus(err)
}

// ExitStatus is the only place that knows the numbers of the contract.
func ExitStatus(err error) int {
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

func Notify() (<-chan os.Signal, func()) {
	c := make(chan os.Signal, 2)
	signal.Notify(c, os.Interrupt, syscall.SIGTERM)
	return c, func() { signal.Stop(c) }
}
