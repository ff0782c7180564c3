package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/hashicorp/go-multierror"

	"github.com/LerianStudio/midaz-infra/resources"
)

const drainNotice = "Interrupted: what is in flight is being finished, nothing new is started. Interrupt again to stop at once."

// printError writes an error that ends the program, unless it was shown
// before.
func printError(w io.Writer, env func(string) string, err error) {
	i := inkFor(w, env, false)
	var was shownError
	var late timeoutError
	switch {
	case errors.As(err, &late):
		fmt.Fprint(w, timeoutText(late, i))
	case errors.As(err, &was):
	default:
		fmt.Fprint(w, errorText(err, i))
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

// errorLine is an error as one line of bounded length. It is masked before it is
// cut, so that no part of a secret is left at its end.
func errorLine(err error, r *resources.Redactor) string {
	const most = 500
	text := clean(strings.TrimSpace(r.Text(err.Error())))
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	return text
}
