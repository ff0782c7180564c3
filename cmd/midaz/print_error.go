package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/go-multierror"

	"github.com/LerianStudio/midaz-infra/resources"
)

const drainNotice = "Interrupted: what is in flight is being finished, nothing new is started. Interrupt again to stop at once."

// printError writes an error that ends the program, unless it was shown
// before.
func printError(sys system, err error) {
	i := inkFor(sys.stderr, sys, false)
	var was shownError
	var late timeoutError
	switch {
	case errors.As(err, &late):
		fmt.Fprint(sys.stderr, timeoutText(late, i))
	case errors.As(err, &was):
	default:
		fmt.Fprint(sys.stderr, errorText(err, i))
	}
}

// timeoutText returns what the command was doing when its time was up, unless
// that was shown already, and the limit.
func timeoutText(late timeoutError, i ink) string {
	text := i.in(red, "error") + ": " + clean(late.Error()) + "\n"
	var was shownError
	if errors.As(late.cause, &was) || errors.Is(late.cause, context.DeadlineExceeded) || errors.Is(late.cause, context.Canceled) {
		return text
	}
	return errorText(late.cause, i) + text
}

// errorText returns an error for people: each cause on a line, and what to do
// below it.
func errorText(err error, i ink) string {
	var usage usageError
	var stopped stoppedError
	var b strings.Builder
	label := i.in(red, "error") + ": "
	switch {
	case errors.As(err, &usage):
		b.WriteString(label + clean(usage.msg) + "\n")
		if usage.hint != "" {
			b.WriteString("  " + i.in(cyan, clean(usage.hint)) + "\n")
		}
		if usage.verb == "" {
			b.WriteString("  `midaz help` lists the commands\n")
		} else {
			fmt.Fprintf(&b, "  `midaz help %s` lists its flags\n", clean(usage.verb))
		}
	case errors.As(err, &stopped):
		b.WriteString(i.in(red, "interrupted") + "\n")
	default:
		all := causes(err)
		for n, e := range all {
			lines := cleanLines(e.Error())
			b.WriteString(label + strings.Join(lines, "\n  ") + "\n")
			hint := hintOf(e)
			if n+1 < len(all) && hintOf(all[n+1]) == hint {
				continue // said once, after the last
			}
			if hint != "" {
				b.WriteString("  " + i.in(cyan, clean(hint)) + "\n")
			}
		}
	}
	return b.String()
}

// causes takes a list of errors apart.
func causes(err error) []error {
	var many *multierror.Error
	if errors.As(err, &many) {
		var out []error
		for _, e := range many.Errors {
			out = append(out, causes(e)...)
		}
		return out
	}
	return []error{err}
}

// hintOf returns what the error knows to do next, "" when it does not.
func hintOf(err error) string {
	var d *resources.Diagnosis
	if errors.As(err, &d) {
		return d.Hint
	}
	return ""
}
