package report

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/go-multierror"

	"github.com/LerianStudio/midaz-infra/resources"
)

// Clean returns one line of text in which nothing acts on the terminal:
// tabs become spaces, and control characters, escapes and marks that turn the
// direction of text become a visible dot. What comes from the engine, the
// broker or the spec goes through here before it is printed.
func Clean(s string) string {
	if utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\t':
			b.WriteString("    ")
		case r == '\n', r == '\r':
			b.WriteByte(' ')
		case unicode.IsPrint(r) && r != utf8.RuneError:
			b.WriteRune(r)
		default:
			b.WriteRune('·')
		}
	}
	return b.String()
}

// Count returns "1 line", "2 lines".
func Count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	if strings.HasSuffix(what, "y") {
		return fmt.Sprintf("%d %sies", n, strings.TrimSuffix(what, "y"))
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Causes takes a list of errors apart.
func Causes(err error) []error {
	var many *multierror.Error
	if errors.As(err, &many) {
		var out []error
		for _, e := range many.Errors {
			out = append(out, Causes(e)...)
		}
		return out
	}
	return []error{err}
}

// ErrorLine is an error as one line of bounded length. It is masked before it is
// cut, so that no part of a secret is left at its end.
func ErrorLine(err error, r *resources.Redactor) string {
	const most = 500
	text := Clean(strings.TrimSpace(r.Text(err.Error())))
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	return text
}

// LockedHint says what to do about a lock that could not be had.
func LockedHint(held *resources.LockedError, limit time.Duration) string {
	wait := "wait for it with -lock-timeout 10m"
	if limit > 0 {
		wait = fmt.Sprintf("it was waited for %s; try again, or wait longer", limit)
	}
	return wait + fmt.Sprintf("; a lock whose holder is gone expires by itself, and `midaz unlock %s` drops it at once", held.Holder.ID)
}
