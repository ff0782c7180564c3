package specs

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"unicode"

	"github.com/hashicorp/go-multierror"
)

// Severity says what a problem costs: an Error makes the spec invalid, a
// Warning is printed and changes no exit status.
type Severity string

const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Rule describes one kind of problem. Code is stable and unique; Explain is
// what `midaz explain CODE` prints: why it matters and what to do, in Markdown.
type Rule struct {
	Code     string
	Severity Severity
	Title    string
	Explain  string
	// Silenceable lets a `# midaz:ignore` comment silence an Error. Warnings
	// can always be silenced.
	Silenceable bool
	// Masked keeps the text at the problem's position out of snippets: the rule
	// is about a secret that stands there.
	Masked bool
}

// At returns a problem of this rule at pos. msg is lower case, without a full
// stop; hint says what to do and may be empty. Characters that a terminal
// would act on are replaced, since both may repeat text from the spec.
func (r *Rule) At(pos Pos, msg, hint string) *Problem {
	return &Problem{Pos: pos, Rule: r, Msg: Printable(msg), Hint: Printable(hint)}
}

// And adds a second place to the problem and returns it.
func (p *Problem) And(pos Pos, msg string) *Problem {
	p.Related = append(p.Related, Related{Pos: pos, Msg: Printable(msg)})
	return p
}

// Printable returns the text with every rune that does not show as itself
// (control characters, escapes, text direction marks) replaced by a dot in
// the middle of the line.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '·'
	}, text)
}

// Related is a second place that a problem speaks of.
type Related struct {
	Pos Pos
	Msg string
}

// Problem is one thing wrong with a spec. It is an error.
type Problem struct {
	Pos     Pos
	Rule    *Rule
	Msg     string
	Hint    string
	Related []Related
}

// Error returns the one-line form: file:line:col: message [CODE].
func (p *Problem) Error() string {
	var b strings.Builder
	if !p.Pos.IsZero() {
		b.WriteString(p.Pos.String())
		b.WriteString(": ")
	}
	b.WriteString(p.Msg)
	if p.Rule != nil {
		b.WriteString(" [" + p.Rule.Code + "]")
	}
	return b.String()
}

// Severity returns the rule's severity, Error when there is no rule.
func (p *Problem) Severity() Severity {
	if p.Rule == nil {
		return Error
	}
	return p.Rule.Severity
}

// Problems is a list of problems with the operations every stage needs.
type Problems []*Problem

// Sorted returns the problems ordered by position, severity and code, with
// exact repetitions removed.
func (ps Problems) Sorted() Problems {
	out := slices.Clone(ps)
	slices.SortStableFunc(out, func(a, b *Problem) int {
		return cmp.Or(a.Pos.Compare(b.Pos), cmp.Compare(a.Severity(), b.Severity()),
			cmp.Compare(a.Error(), b.Error()))
	})
	return slices.CompactFunc(out, func(a, b *Problem) bool {
		return a.Pos == b.Pos && a.Error() == b.Error()
	})
}

// Errors counts the problems that make the spec invalid.
func (ps Problems) Errors() int {
	n := 0
	for _, p := range ps {
		if p.Severity() == Error {
			n++
		}
	}
	return n
}

// Err returns the errors among the problems as one *multierror.Error, sorted,
// or nil when there are only warnings.
func (ps Problems) Err() error {
	var all *multierror.Error
	for _, p := range ps.Sorted() {
		if p.Severity() == Error {
			all = multierror.Append(all, p)
		}
	}
	return all.ErrorOrNil()
}

// ProblemsOf returns every Problem inside err, however it is wrapped.
func ProblemsOf(err error) Problems {
	var out Problems
	var multi *multierror.Error
	if errors.As(err, &multi) {
		for _, e := range multi.Errors {
			out = append(out, ProblemsOf(e)...)
		}
		return out
	}
	var p *Problem
	if errors.As(err, &p) {
		out = append(out, p)
	}
	return out
}
