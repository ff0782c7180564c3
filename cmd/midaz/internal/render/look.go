package render

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/resources"
)

// cell is one field of a table.
type cell struct{ text, style string }

// tableText sets rows in columns under a heading, each as wide as needed.
func tableText(head []string, rows [][]cell, i Ink) string {
	widths := make([]int, len(head))
	for n, h := range head {
		widths[n] = len(h)
		for _, r := range rows {
			widths[n] = max(widths[n], utf8.RuneCountInString(r[n].text))
		}
	}
	var b strings.Builder
	line := func(text func(n int) (string, string)) {
		var l strings.Builder
		for n := range head {
			plain, style := text(n)
			l.WriteString(i.In(style, plain))
			if n < len(head)-1 {
				l.WriteString(strings.Repeat(" ", widths[n]-utf8.RuneCountInString(plain)+2))
			}
		}
		b.WriteString(strings.TrimRight(l.String(), " ") + "\n")
	}
	line(func(n int) (string, string) { return head[n], Bold })
	for _, r := range rows {
		line(func(n int) (string, string) { return r[n].text, r[n].style })
	}
	return b.String()
}

func PsText(looks []report.ServiceView, i Ink) string {
	if len(looks) == 0 {
		return "No services.\n"
	}
	var rows [][]cell
	for _, l := range looks {
		state, age := l.State, ""
		if state == "" {
			state = "absent"
		}
		if !l.Started.IsZero() {
			age = ageText(l.Age)
		}
		health := l.Health
		if health == "" && l.State != "" {
			health = "-"
		}
		mark := serviceMark(l)
		rows = append(rows, []cell{
			{Clean(l.Addr.String()), ""}, {Clean(state), stateStyle(state)}, {Clean(health), stateStyle(health)},
			{age, ""}, {Clean(strings.Join(l.Ports, ", ")), ""}, {Clean(l.Image), Dim}, {mark, yellow},
		})
	}
	return tableText([]string{"RESOURCE", "STATE", "HEALTH", "AGE", "PORTS", "IMAGE", "SPEC"}, rows, i)
}

func stateStyle(state string) string {
	switch {
	case state == "running", state == "healthy", state == "completed", state == "exited (0)":
		return Green
	case state == "starting", state == "created", state == "absent", state == "-":
		return yellow
	case state == "":
		return ""
	default:
		return red
	}
}

// jsonPs is the answer of ps.
type jsonPs struct {
	FormatVersion string        `json:"format_version"`
	Stack         string        `json:"stack"`
	Services      []jsonService `json:"services"`
}

type jsonService struct {
	Address   string      `json:"address"`
	Container string      `json:"container,omitempty"`
	ID        string      `json:"id,omitempty"`
	Image     string      `json:"image,omitempty"`
	State     string      `json:"state"`
	Health    string      `json:"health,omitempty"`
	Ports     []string    `json:"ports"`
	Created   string      `json:"created,omitempty"`
	Started   string      `json:"started,omitempty"`
	Restarts  int         `json:"restarts"`
	Spec      string      `json:"spec"`
	Source    *jsonSource `json:"source,omitempty"`
}

func PsJSON(stack string, looks []report.ServiceView) jsonPs {
	out := jsonPs{FormatVersion: "1.0", Stack: stack, Services: []jsonService{}}
	for _, l := range looks {
		j := jsonService{Address: l.Addr.String(), Container: l.Name, ID: l.ID, Image: l.Image, State: l.State, Health: l.Health,
			Ports: append([]string{}, l.Ports...), Created: stamp(l.Created), Started: stamp(l.Started), Restarts: l.Restarts, Spec: serviceMark(l)}
		if j.State == "" {
			j.State = "absent"
		}
		if j.Spec == "" {
			j.Spec = "in sync"
		}
		if l.Change != nil {
			j.Source = sourceJSON(l.Change.Pos())
		}
		out.Services = append(out.Services, j)
	}
	return out
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// InfoText sets headings and their rows.
func InfoText(parts []report.AboutPart, i Ink) string {
	var b strings.Builder
	for n, p := range parts {
		if n > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(i.In(Bold, Clean(p.Title)) + "\n")
		width := 0
		for _, r := range p.Rows {
			width = max(width, utf8.RuneCountInString(r[0]))
		}
		for _, r := range p.Rows {
			b.WriteString(strings.TrimRight(fmt.Sprintf("  %s  %s", Pad(Clean(r[0]), width), Clean(r[1])), " ") + "\n")
		}
		if len(p.Rows) == 0 {
			b.WriteString("  none\n")
		}
	}
	return b.String()
}

func InfoJSON(parts []report.AboutPart) map[string]any {
	out := map[string]any{"format_version": "1.0"}
	for _, p := range parts {
		rows := map[string]any{}
		for _, r := range p.Rows {
			rows[r[0]] = r[1]
		}
		out[strings.ToLower(strings.ReplaceAll(p.Title, " ", "_"))] = rows
	}
	return out
}

// NoContainersText stands in place of logs that nothing has written.
func NoContainersText(stack string) string {
	return fmt.Sprintf("Stack %s has no containers; `midaz up` makes them.\n", Clean(stack))
}

// OtherEngineText warns of an engine that is not Docker.
func OtherEngineText(name string) string {
	return fmt.Sprintf("The engine is %s, not Docker. What it answers the way Docker does is shown; networks, addresses, health, and what "+
		"it does not report cannot be relied on. Nothing can be applied to it.\n", Clean(name))
}

// serviceMark says how a service stands to the spec: "", "drift", "pending", or both.
func serviceMark(l report.ServiceView) string {
	if l.Leftover != "" {
		return "left over: " + Clean(l.Leftover)
	}
	if l.Change == nil || l.Change.IsNoOp() && len(l.Change.Overruled) == 0 {
		return ""
	}
	if l.Change.Want == nil {
		return "not in the spec"
	}
	if l.Change.Removed {
		return "drift"
	}
	var marks []string
	if len(l.Change.Overruled) > 0 || slices.ContainsFunc(l.Change.Delta, func(d resources.Diff) bool { return d.Drift }) {
		marks = append(marks, "drift")
	}
	if len(l.Change.Delta) == 0 && !l.Change.IsNoOp() ||
		slices.ContainsFunc(l.Change.Delta, func(d resources.Diff) bool { return d.Pending }) {
		marks = append(marks, "pending")
	}
	return strings.Join(marks, "+")
}

// ageText is how long something has been: 12s, 5m, 3h, 8d.
func ageText(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	default:
		return fmt.Sprintf("%dd", int(d.Hours()/24))
	}
}
