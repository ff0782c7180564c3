package report

import (
	"time"

	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/engine/policy"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/definitions"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/routing"
	"github.com/LerianStudio/midaz-infra/specs"
	"github.com/LerianStudio/midaz-infra/specs/draft"
)

// An event is one of the types below. A command hands each to the function that
// it was given to show them with, in the order in which they happen. None says
// how it is shown.

// Events about a spec.
type (
	// Problems are findings about a spec. They are left to the document of the
	// command when standard output carries one.
	Problems struct {
		Spec *specs.Spec
		List specs.Problems
		// Verdict says that the command ends because of them.
		Verdict bool
		// Always says that the command's document has no place for them.
		Always bool
	}
	// InvalidPolicies are the findings about files of rules with which the command
	// ends.
	InvalidPolicies struct{ List specs.Problems }
	// Advice is what was found beside the command's purpose, without a verdict.
	Advice struct {
		Spec *specs.Spec
		List specs.Problems
	}
	// Diagnostics are findings for readers of a run's stream.
	Diagnostics struct{ List specs.Problems }
	// Unfit is what is wrong with a spec that was just written.
	Unfit struct {
		Spec *specs.Spec
		List specs.Problems
	}
	// Compared names the two specs of a diff.
	Compared struct{ Was, Is, WasStack, IsStack string }
	// PlannedAgainst names the recording that a plan was made against.
	PlannedAgainst struct {
		Recording *engine.Recording
		Path      string
		Lacks     []resources.Addr
	}
	// EngineAbsent is why only the broker is read.
	EngineAbsent struct{ Err error }
	// OtherEngine names an engine that is not Docker.
	OtherEngine struct{ Name string }
)

// Results of commands. Those that a command speaks several formats for are
// written in each that was asked for.
type (
	// Validated is a spec that was checked.
	Validated struct {
		Stack              string
		Resources          int // that it declares
		Problems, Silenced specs.Problems
		Invalid            bool
	}
	// PlanMade is the plan of a command that only shows it.
	PlanMade struct {
		Plan     *engine.Plan
		Problems specs.Problems
	}
	// SavedPlan is the plan of a plan file.
	SavedPlan struct{ Plan *engine.Plan }
	// PlanSaved names the plan file that was written.
	PlanSaved struct{ Path string }
	// PlanNotSaved names the plan file that was not written because the plan is
	// refused.
	PlanNotSaved struct{ Path string }
	// PlanRefused is a plan that a picture cannot be drawn of.
	PlanRefused struct{ Plan *engine.Plan }
	// DriftFound is what was changed outside; Exit is how the command ends.
	DriftFound struct {
		Drift        engine.Drift
		Stack        string
		Problems     specs.Problems
		Began, Ended time.Time
		Exit         error
	}
	// Failed is an error in place of a result.
	Failed struct {
		Stack        string // "" when it is not known
		Err          error
		Problems     specs.Problems
		Began, Ended time.Time
	}
	// Services are the lines of ps.
	Services struct {
		Stack string
		Looks []ServiceView
	}
	// About describes what a stack runs on.
	About struct{ Parts []AboutPart }
	// History are the runs of a stack, latest first.
	History struct {
		Stack string
		Runs  []*resources.Run
	}
	// RunShown is one run of the history.
	RunShown struct{ Run *resources.Run }
	// Topology is what the spec declares on the broker.
	Topology struct{ Vhosts []*routing.Vhost }
	// Graph is a graph of a stack's resources.
	Graph struct {
		Stack   string
		Picture Picture
	}
	// EnvWritten is a file of values, written or not.
	EnvWritten struct {
		File *EnvFile
		Dry  bool
	}
	// FixesMade is what validate -fix changes.
	FixesMade struct {
		Fixes *Fixes
		Dry   bool
	}
	// PolicyTested is what the tests of plan rules gave.
	PolicyTested struct{ Results []policy.TestResult }
	// DraftWritten is a spec written from what exists; Out is "" for standard
	// output, Values nil when none were asked for.
	DraftWritten struct {
		Draft  *draft.Draft
		Out    string
		Values *EnvFile
	}
	// DefinitionsImported is a spec written from definitions, Env the file of its
	// secrets.
	DefinitionsImported struct {
		Result   *definitions.Result
		Out, Env string
	}
	// DefinitionsExported is what definitions cannot hold.
	DefinitionsExported struct{ Notes []string }
	// Recorded is an observation that was written to a file.
	Recorded struct {
		Recording *engine.Recording
		Path      string
	}
	// StackUnlocked names a stack whose lock was removed.
	StackUnlocked struct{ Stack string }
	// Output is text for standard output as it is, such as a spec.
	Output struct{ Text string }
	// Secret is Output that may hold secrets, see docs/security.md.
	Secret struct{ Text []byte }
)

// Events about logs.
type (
	// NoContainers says that a stack has no containers.
	NoContainers struct{ Stack string }
	// LogsOpened names the containers whose lines follow.
	LogsOpened struct{ Containers []ContainerView }
	// LogLine is one line of a log. Text comes from the container and may hold
	// anything.
	LogLine struct {
		Addr   resources.Addr
		Text   string
		At     time.Time // zero without timestamps
		Stderr bool
	}
)

// Events about a run that writes, in their order.
type (
	// RunAsked comes before the spec is read.
	RunAsked struct{}
	// RunStarted comes before the first plan.
	RunStarted struct {
		Stack, Command string
		Began          time.Time
	}
	// Planned is the plan of a round. One with refusals is not applied.
	Planned struct{ Plan *engine.Plan }
	// Question is asked before the plan is applied. Typed says that the stack's
	// name must be typed.
	Question struct {
		Plan  *engine.Plan
		Typed bool
	}
	// UnlockQuestion is asked before the lock of a live run is removed.
	UnlockQuestion struct{ Held *resources.LockedError }
	// Answered comes after the answer to a Question.
	Answered struct{}
	// RoundStarted comes before the first step of a plan.
	RoundStarted struct {
		Plan *engine.Plan
		Run  *resources.Run
	}
	// Step is an event of the engine.
	Step struct{ Event engine.Event }
	// RoundEnded comes after the last step of a plan.
	RoundEnded struct{}
	// RoundFailed is a round in which not everything was done; Total counts all
	// rounds.
	RoundFailed struct{ Report, Total *engine.Report }
	// Complete is a run in which everything was done that was planned. Worked says
	// that anything was.
	Complete struct {
		Plan   *engine.Plan
		Counts engine.Counts
		Worked bool
	}
	// RunFailed is the error that a run ended with.
	RunFailed struct{ Err error }
	// RunEnded comes after the journal was written. Run is nil where nothing was
	// begun and no page is wanted.
	RunEnded struct {
		Run     *resources.Run
		Reports []*engine.Report
		Err     error
	}
	// RunClosed is the last event of a run.
	RunClosed struct{}
	// RollingBack says what run the next plan goes back to.
	RollingBack struct {
		Run   *resources.Run
		Notes []string
	}
)

// A notice is one line about a run, for people and for readers of its stream.
type (
	// AwaitingGates: nothing is to be done but to wait for the gates, since the
	// last run failed.
	AwaitingGates struct{}
	// StackUnknown: the spec does not even tell the stack's name.
	StackUnknown struct{}
	// RemovingInvalid: a stack is removed by its marks, since the spec has errors.
	RemovingInvalid struct{ Stack string }
	// SavedPlanOutdated: a saved plan replaced something in which other resources
	// live.
	SavedPlanOutdated struct{}
	// SavedPlanIncomplete: a saved plan was made when not everything could be read.
	SavedPlanIncomplete struct{}
	// NoLock: there is no engine that could hold a lock.
	NoLock struct{}
	// LockWaiting: another run holds the lock.
	LockWaiting struct {
		Held  *resources.LockedError
		Limit time.Duration
	}
	// LockNotReleased: the lock could not be given back.
	LockNotReleased struct {
		ID  string
		Err error
	}
	// LockLost: another run may have the lock by now.
	LockLost struct{}
	// LeftoversRemoved: a killed run's lock or record was removed.
	LeftoversRemoved struct{}
	// LeftoversKept: they could not be removed.
	LeftoversKept struct{ Err error }
	// Draining: the run was interrupted, and finishes what is in flight.
	Draining struct{}
	// JournalIncomplete: the journal could not be written.
	JournalIncomplete struct{ Err error }
	// JournalRemoved: a stack that is gone keeps no journal.
	JournalRemoved struct {
		Stack string
		Runs  int
	}
)
