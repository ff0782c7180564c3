package specs

import (
	"cmp"
	"errors"
	"slices"
	"strings"

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
}

// At returns a problem of this rule at pos. msg is lower case, without a full
// stop; hint says what to do and may be empty.
func (r *Rule) At(pos Pos, msg, hint string) *Problem {
	return &Problem{Pos: pos, Rule: r, Msg: msg, Hint: hint}
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
