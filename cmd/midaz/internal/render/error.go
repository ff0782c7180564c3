package render

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/resources"
)

// FinalText returns what is said of an error that ends the program, "" when it
// was shown before.
func FinalText(err error, i Ink) string {
	var was report.ShownError
	var late report.TimeoutError
	switch {
	case errors.As(err, &late):
		return timeoutText(late, i)
	case errors.As(err, &was):
		return ""
	default:
		return errorText(err, i)
	}
}

// timeoutText returns what the command was doing when its time was up, unless
// that was shown already, and the limit.
func timeoutText(late report.TimeoutError, i Ink) string {
	text := i.In(red, "error") + ": " + Clean(late.Error()) + "\n"
	var was report.ShownError
	if errors.As(late.Cause, &was) || errors.Is(late.Cause, context.DeadlineExceeded) || errors.Is(late.Cause, context.Canceled) {
		return text
	}
	return errorText(late.Cause, i) + text
}

// errorText returns an error for people: each cause on a line, and what to do
// below it.
func errorText(err error, i Ink) string {
	var usage report.UsageError
	var stopped report.StoppedError
	var b strings.Builder
	label := i.In(red, "error") + ": "
	switch {
	case errors.As(err, &usage):
		b.WriteString(label + Clean(usage.Msg) + "\n")
		if usage.Hint != "" {
			b.WriteString("  " + i.In(cyan, Clean(usage.Hint)) + "\n")
		}
		if usage.Verb == "" {
			b.WriteString("  `midaz help` lists the commands\n")
		} else {
			fmt.Fprintf(&b, "  `midaz help %s` lists its flags\n", Clean(usage.Verb))
		}
	case errors.As(err, &stopped):
		b.WriteString(i.In(red, "interrupted") + "\n")
	default:
		all := report.Causes(err)
		for n, e := range all {
			lines := cleanLines(e.Error())
			b.WriteString(label + strings.Join(lines, "\n  ") + "\n")
			hint := hintOf(e)
			if n+1 < len(all) && hintOf(all[n+1]) == hint {
				continue // said once, after the last
			}
			if hint != "" {
				b.WriteString("  " + i.In(cyan, Clean(hint)) + "\n")
			}
		}
	}
	return b.String()
}

// hintOf returns what the error knows to do next, "" when it does not.
func hintOf(err error) string {
	var d *resources.Diagnosis
	if errors.As(err, &d) {
		return d.Hint
	}
	return ""
}
