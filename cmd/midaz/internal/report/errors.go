package report

import (
	"errors"
	"fmt"
	"time"

	"github.com/LerianStudio/midaz-infra/resources"
)

var (
	// ErrInvalid: the spec has errors, and they were printed.
	ErrInvalid = errors.New("the spec is not valid")
	// ErrChanges: plan -detailed-exitcode found something to do.
	ErrChanges = errors.New("there are changes")
	// ErrDrifted: drift found drift.
	ErrDrifted = errors.New("there is drift")
	// ErrUnread: something could not be read, and was listed.
	ErrUnread = errors.New("not everything could be read")
	// ErrPartly: an operation of the apply failed.
	ErrPartly = errors.New("applied in part")
	// ErrGate: a gate of the apply failed or timed out.
	ErrGate = errors.New("a gate did not pass")
)

// UsageError is a command line that cannot be understood.
type UsageError struct {
	Verb string // "" when it is not known either
	Msg  string
	Hint string
}

func (e UsageError) Error() string { return e.Msg }

// TimeoutError is a command that --timeout ended. Its cause is what the command
// was doing, and may have been shown already.
type TimeoutError struct {
	Limit time.Duration
	Cause error
}

func (e TimeoutError) Error() string {
	return fmt.Sprintf("the time limit of %s was reached (--timeout)", resources.ShowDuration(e.Limit))
}

func (e TimeoutError) Unwrap() error { return e.Cause }

// StoppedError is a run that a signal ended.
type StoppedError struct {
	Terminated bool // by SIGTERM, not SIGINT
	Cause      error
}

func (e StoppedError) Error() string { return "interrupted" }

func (e StoppedError) Unwrap() error { return e.Cause }

// ShownError is an error whose text the user has already seen.
type ShownError struct{ error }

func (e ShownError) Unwrap() error { return e.error }

// Shown marks an error as printed.
func Shown(err error) error {
	if err == nil {
		return nil
	}
	return ShownError{err}
}

// ErrUnroutable: route found that no queue takes the message.
var ErrUnroutable = errors.New("the message reaches no queue")

// NoLockKept says what is missing where there is no engine.
const NoLockKept = "No lock is held and no journal is written: both are kept on the engine. Let nobody else apply this " +
	"stack at the same time."
