package render

import (
	"fmt"
	"time"

	"github.com/LerianStudio/midaz-infra/resources"
)

// AbsentText says that only the broker was asked.
func AbsentText(err error) string {
	return "Warning: only the broker is looked at, since the spec declares nothing else: " + Clean(err.Error()) + "\n"
}

// waitingText tells whom a run waits for.
func waitingText(held *resources.LockedError, limit time.Duration) string {
	return fmt.Sprintf("Waiting up to %s: %s", limit, Clean(held.Error()))
}

func notReleasedText(id string, err error) string {
	return "The lock could not be given back; it expires by itself, or `midaz unlock " + Clean(id) + "` drops it: " + Clean(err.Error())
}

func leftoversKeptText(err error) string {
	return "The lock or old record that a killed run has left could not be removed; it is in nobody's way: " + Clean(err.Error())
}

func UnlockedText(stack string) string {
	return "Stack " + Clean(stack) + " is unlocked."
}

func UnlockQuestionText(held *resources.LockedError, i Ink) string {
	return fmt.Sprintf("%s\n\n%s\n  Its holder is alive; it will finish what is in flight and start nothing new.\n  Only 'yes' will be "+
		"accepted to approve.\n\n  %s ",
		Clean(held.Error()), i.In(Bold, "Do you really want to drop this lock?"), i.In(Bold, "Enter a value:"))
}
