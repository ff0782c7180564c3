package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/go-multierror"

	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
)

// UnreadGroup is what could not be read for one reason.
type UnreadGroup struct {
	Why, Hint string
	All       []engine.Unread
}

// ByReason groups what could not be read: a broker that is down is one reason for
// everything on it.
func ByReason(all []engine.Unread) []UnreadGroup {
	var out []UnreadGroup
	for _, u := range all {
		i := slices.IndexFunc(out, func(g UnreadGroup) bool { return g.Why == u.Why })
		if i < 0 {
			i, out = len(out), append(out, UnreadGroup{Why: u.Why, Hint: u.Hint})
		}
		out[i].All = append(out[i].All, u)
	}
	return out
}

// Names names what could not be read: all of a few, and the number of the
// rest.
func (g UnreadGroup) Names() string {
	const few = 5
	var names []string
	for i, u := range g.All {
		if i == few && len(g.All) > few+1 {
			names = append(names, fmt.Sprintf("and %d more", len(g.All)-few))
			break
		}
		names = append(names, Clean(u.Addr.String()))
	}
	return strings.Join(names, ", ")
}

// MissedError is why a run that did all that was planned did not do everything.
func MissedError(missed []engine.Unread, destroy bool, n engine.Counts) error {
	left := "what could not be read was left as it is"
	if destroy {
		left = "what could not be read was not removed, if it is there"
	}
	var all *multierror.Error
	for _, g := range ByReason(missed) {
		err := fmt.Errorf("%w: %s: %s", ErrUnread, g.Names(), Clean(g.Why))
		hint := fmt.Sprintf("%s; the rest is done: %d added, %d changed, %d destroyed", left, n.Add, n.Change, n.Destroy)
		if g.Hint != "" {
			hint = g.Hint + "; " + hint
		}
		all = multierror.Append(all, &resources.Diagnosis{Err: err, Hint: hint})
	}
	return all
}
