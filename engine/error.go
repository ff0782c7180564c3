package engine

import (
	"errors"
	"fmt"

	"github.com/LerianStudio/midaz-infra/specs"
)

var (
	// ErrStale is wrapped when the world is no longer what the plan was made for.
	ErrStale = errors.New("the plan is stale")
	// ErrRefused is wrapped when a plan with refusals is applied.
	ErrRefused = errors.New("refused")
	// ErrImpossible is wrapped when what the plan needs is missing.
	ErrImpossible = errors.New("not possible")
	// ErrInterrupted is wrapped when the run was told to stop.
	ErrInterrupted = errors.New("interrupted")
)

// StepError is a step that failed, with its place in the spec.
type StepError struct {
	Step Step
	Pos  specs.Pos
	Err  error
}

// Error returns file:line:col: verb address: cause.
func (e *StepError) Error() string {
	if e.Pos.IsZero() {
		return fmt.Sprintf("%s: %v", e.Step, e.Err)
	}
	return fmt.Sprintf("%s: %s: %v", e.Pos, e.Step, e.Err)
}

// Unwrap returns the cause.
func (e *StepError) Unwrap() error { return e.Err }
