package render

import (
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/resources"
)

// NoticeText returns a notice as a line; ok is false for any other event.
func NoticeText(event any, r *resources.Redactor) (line string, ok bool) {
	switch e := event.(type) {
	case report.AwaitingGates:
		return "The last run did not end well, so the gates are waited for.", true
	case report.StackUnknown:
		return "The name of the stack cannot be read from the spec. Correct the spec, or name the stack with -stack.", true
	case report.RemovingInvalid:
		return removeInvalidText(e.Stack), true
	case report.SavedPlanOutdated:
		return "Resources inside one that was replaced were not read again; `midaz plan` tells whether all of them are still there.", true
	case report.SavedPlanIncomplete:
		return "What could not be read when the plan was made was created or changed as far as the plan goes; `midaz plan` tells whether " +
			"more is left.", true
	case report.NoLock:
		return report.NoLockKept, true
	case report.LockWaiting:
		return waitingText(e.Held, e.Limit), true
	case report.LockNotReleased:
		return notReleasedText(e.ID, e.Err), true
	case report.LockLost:
		return "The lock of the stack was lost: another run may have it. What is in flight is being finished, nothing new is started.", true
	case report.LeftoversRemoved:
		return "A run that was killed had left its lock or an old record, which is removed.", true
	case report.LeftoversKept:
		return leftoversKeptText(e.Err), true
	case report.Draining:
		return "Interrupted: what is in flight is being finished, nothing new is started. Interrupt again to stop at once.", true
	case report.JournalIncomplete:
		return "Warning: the journal could not be written: " + report.ErrorLine(e.Err, r), true
	case report.JournalRemoved:
		return droppedText(e.Stack, e.Runs), true
	}
	return "", false
}
