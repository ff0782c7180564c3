package render

import (
	"fmt"
	"time"

	"github.com/LerianStudio/midaz-infra/resources"
)

const (
	LockLostText      = "The lock of the stack was lost: another run may have it. What is in flight is being finished, nothing new is started."
	TracesClearedText = "A run that was killed had left its lock or an old record, which is removed."
	AwaitText         = "The last run did not end well, so the gates are waited for."
	NoLockText        = "No lock is held and no journal is written: both are kept on the engine. Let nobody else apply this stack at the same time."
)

// AbsentText says that only the broker was asked.
func AbsentText(err error) string {
	return "Warning: only the broker is looked at, since the spec declares nothing else: " + Clean(err.Error()) + "\n"
}

// WaitingText tells whom a run waits for.
func WaitingText(held *resources.LockedError, limit time.Duration) string {
	return fmt.Sprintf("Waiting up to %s: %s", limit, Clean(held.Error()))
}

// LockedHint says what to do about a lock that could not be had.
func LockedHint(held *resources.LockedError, limit time.Duration) string {
	wait := "wait for it with -lock-timeout 10m"
	if limit > 0 {
		wait = fmt.Sprintf("it was waited for %s; try again, or wait longer", limit)
	}
	return wait + fmt.Sprintf("; a lock whose holder is gone expires by itself, and `midaz unlock %s` drops it at once", held.Holder.ID)
}

func NotReleasedText(id string, err error) string {
	return "The lock could not be given back; it expires by itself, or `midaz unlock " + Clean(id) + "` drops it: " + Clean(err.Error())
}

func TracesLeftText(err error) string {
	return "The lock or old record that a killed run has left could not be removed; it is in nobody's way: " + Clean(err.Error())
}

func UnlockedText(stack string) string {
	return "Stack " + Clean(stack) + " is unlocked."
}

func UnlockQuestionText(held *resources.LockedError, i Ink) string {
	return fmt.Sprintf("%s\n\n%s\n  Its holder is alive; it will finish what is in flight and start nothing new.\n  Only 'yes' will be accepted to approve.\n\n  %s ",
		Clean(held.Error()), i.In(Bold, "Do you really want to drop this lock?"), i.In(Bold, "Enter a value:"))
}
