package render

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/go-multierror"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
)

// unreadGroup is what could not be read for one reason.
type unreadGroup struct {
	why, hint string
	all       []engine.Unread
}

// byReason groups what could not be read: a broker that is down is one reason for
// everything on it.
func byReason(all []engine.Unread) []unreadGroup {
	var out []unreadGroup
	for _, u := range all {
		i := slices.IndexFunc(out, func(g unreadGroup) bool { return g.why == u.Why })
		if i < 0 {
			i, out = len(out), append(out, unreadGroup{why: u.Why, hint: u.Hint})
		}
		out[i].all = append(out[i].all, u)
	}
	return out
}

// names names what could not be read: all of a few, and the number of the
// rest.
func (g unreadGroup) names() string {
	const few = 5
	var names []string
	for i, u := range g.all {
		if i == few && len(g.all) > few+1 {
			names = append(names, fmt.Sprintf("and %d more", len(g.all)-few))
			break
		}
		names = append(names, AddrText(u.Addr))
	}
	return strings.Join(names, ", ")
}

// unread lists what could not be read, by reason.
func (p *planPrinter) unread(all []engine.Unread) {
	if len(all) == 0 {
		return
	}
	fmt.Fprintf(p, "%s could not be read, so nothing is known about whether it differs:\n", Capital(Count(len(all), "resource")))
	for _, g := range byReason(all) {
		fmt.Fprintf(p, "  %s: %s%s\n", g.names(), Clean(g.why), p.place(g.all[0].Pos))
		if g.hint != "" {
			fmt.Fprintf(p, "    %s\n", Clean(g.hint))
		}
	}
}

// unreadMarkdown is what could not be read, as part of a comment.
func (m *markdown) unread(all []engine.Unread) {
	if len(all) == 0 {
		return
	}
	m.put(fmt.Sprintf("> [!WARNING]\n> **%s could not be read**, so nothing is known about whether it differs.\n", Capital(Count(len(all), "resource"))))
	var lines []string
	for _, g := range byReason(all) {
		line := "> * " + Prose(g.names()) + ": " + Prose(g.why)
		if g.hint != "" {
			line += ". " + Capital(Prose(g.hint))
		}
		lines = append(lines, line+"\n")
	}
	m.list(lines, m.left/2, "reason")
	m.put("\n")
}

// unreadAnnotations are what could not be read, one annotation for each reason.
func unreadAnnotations(verb string, all []engine.Unread) []Annotation {
	var out []Annotation
	for _, g := range byReason(all) {
		a := Annotation{Level: "warning", weight: 1, Pos: g.all[0].Pos, Title: "midaz " + verb, Message: "could not be read: " + Clean(g.names()+": "+g.why)}
		if g.hint != "" {
			a.Message += "\n" + Clean(g.hint)
		}
		out = append(out, a)
	}
	return out
}

// JSONUnread is something that could not be read.
type JSONUnread struct {
	Address string      `json:"address"`          // kind/name
	Type    string      `json:"type"`             // kind
	Name    string      `json:"name"`             // name within the kind; * for everything of the kind
	Why     string      `json:"why"`              // why it could not be read
	Hint    string      `json:"hint,omitempty"`   // what to do about that
	Source  *jsonSource `json:"source,omitempty"` // where the spec declares it
}

func unreadJSON(all []engine.Unread) []JSONUnread {
	out := []JSONUnread{}
	for _, u := range all {
		out = append(out, JSONUnread{u.Addr.String(), u.Addr.Kind, u.Addr.Name, u.Why, u.Hint, sourceJSON(u.Pos)})
	}
	return out
}

// MissedError is why a run that did all that was planned did not do everything.
func MissedError(missed []engine.Unread, destroy bool, n engine.Counts) error {
	left := "what could not be read was left as it is"
	if destroy {
		left = "what could not be read was not removed, if it is there"
	}
	var all *multierror.Error
	for _, g := range byReason(missed) {
		err := fmt.Errorf("%w: %s: %s", report.ErrUnread, g.names(), Clean(g.why))
		hint := fmt.Sprintf("%s; the rest is done: %d added, %d changed, %d destroyed", left, n.Add, n.Change, n.Destroy)
		if g.hint != "" {
			hint = g.hint + "; " + hint
		}
		all = multierror.Append(all, &resources.Diagnosis{Err: err, Hint: hint})
	}
	return all
}
