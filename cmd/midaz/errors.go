package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/LerianStudio/midaz-infra/resources"
)

var (
	// errInvalid: the spec has errors, and they were printed.
	errInvalid = errors.New("the spec is not valid")
	// errChanges: plan -detailed-exitcode found something to do.
	errChanges = errors.New("there are changes")
	// errDrifted: drift found drift.
	errDrifted = errors.New("there is drift")
	// errUnread: something could not be read, and was listed.
	errUnread = errors.New("not everything could be read")
	// errPartly: an operation of the apply failed.
	errPartly = errors.New("applied in part")
	// errGate: a gate of the apply failed or timed out.
	errGate = errors.New("a gate did not pass")
)

// usageError is a command line that cannot be understood.
type usageError struct {
	verb string // "" when it is not known either
	msg  string
	hint string
}

func (e usageError) Error() string { return e.msg }

// timeoutError is a command that --timeout ended. Its cause is what the command
// was doing, and may have been shown already.
type timeoutError struct {
	limit time.Duration
	cause error
}

func (e timeoutError) Error() string {
	return fmt.Sprintf("the time limit of %s was reached (--timeout)", resources.ShowDuration(e.limit))
}

func (e timeoutError) Unwrap() error { return e.cause }

// stoppedError is a run that a signal ended.
type stoppedError struct {
	sig   os.Signal
	cause error
}

func (e stoppedError) Error() string { return "interrupted" }

func (e stoppedError) Unwrap() error { return e.cause }

// shownError is an error whose text the user has already seen.
type shownError struct{ error }

func (e shownError) Unwrap() error { return e.error }

// shown marks an error as printed.
func shown(err error) error {
	if err == nil {
		return nil
	}
	return shownError{err}
}

// errUnroutable: route found that no queue takes the message.
var errUnroutable = errors.New("the message reaches no queue")
