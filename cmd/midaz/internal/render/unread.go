package render

import (
	"fmt"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/engine"
)

// unread lists what could not be read, by reason.
func (p *planPrinter) unread(all []engine.Unread) {
	if len(all) == 0 {
		return
	}
	fmt.Fprintf(p, "%s could not be read, so nothing is known about whether it differs:\n", Capital(Count(len(all), "resource")))
	for _, g := range report.ByReason(all) {
		fmt.Fprintf(p, "  %s: %s%s\n", g.Names(), Clean(g.Why), p.place(g.All[0].Pos))
		if g.Hint != "" {
			fmt.Fprintf(p, "    %s\n", Clean(g.Hint))
		}
	}
}

// unreadMarkdown is what could not be read, as part of a comment.
func (m *markdown) unread(all []engine.Unread) {
	if len(all) == 0 {
		return
	}
	m.put(fmt.Sprintf("> [!WARNING]\n> **%s could not be read**, so nothing is known about whether it differs.\n",
		Capital(Count(len(all), "resource"))))
	var lines []string
	for _, g := range report.ByReason(all) {
		line := "> * " + Prose(g.Names()) + ": " + Prose(g.Why)
		if g.Hint != "" {
			line += ". " + Capital(Prose(g.Hint))
		}
		lines = append(lines, line+"\n")
	}
	m.list(lines, m.left/2, "reason")
	m.put("\n")
}

// unreadAnnotations are what could not be read, one annotation for each reason.
func unreadAnnotations(verb string, all []engine.Unread) []Annotation {
	var out []Annotation
	for _, g := range report.ByReason(all) {
		a := Annotation{Level: "warning", weight: 1, Pos: g.All[0].Pos, Title: "midaz " + verb, Message: "could not be read: " +
			Clean(g.Names()+": "+g.Why)}
		if g.Hint != "" {
			a.Message += "\n" + Clean(g.Hint)
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
