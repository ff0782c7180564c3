package app

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
)

// Info describes what the stack runs on.
func Info(c *Call) error {
	s, err := c.needReader()
	if err != nil {
		return c.failed(err)
	}
	defer s.Close()
	parts, err := s.Inspect.About(c.Context)
	if err != nil {
		return c.failed(err)
	}
	containers, err := s.Inspect.Containers(c.Context, c.declared.Stack)
	if err != nil {
		return c.failed(err)
	}
	parts = append([]report.AboutPart{c.stackPart()}, parts...)
	parts = append(parts, endpointsPart(containers), c.secretsPart())
	return c.Show(report.About{Parts: parts})
}

func (c *Call) stackPart() report.AboutPart {
	p := report.AboutPart{Title: "Stack", Rows: [][2]string{{"name", c.declared.Stack}, {"spec", strings.Join(c.specOptions().Files, ", ")}}}
	if len(c.spec.Profiles) > 0 {
		p.Rows = append(p.Rows, [2]string{"profiles", strings.Join(c.spec.Profiles, ", ")})
	}
	counts := map[string]int{}
	var kinds []string
	for _, r := range c.declared.Resources {
		if r.Dormant {
			continue
		}
		if counts[r.Addr.Kind]++; counts[r.Addr.Kind] == 1 {
			kinds = append(kinds, r.Addr.Kind)
		}
	}
	slices.Sort(kinds)
	var text []string
	for _, k := range kinds {
		text = append(text, report.Count(counts[k], k))
	}
	p.Rows = append(p.Rows, [2]string{"resources", strings.Join(text, ", ")})
	return p
}

// endpointsPart lists the published ports of what runs, as the engine shows
// them.
func endpointsPart(containers []report.ContainerView) report.AboutPart {
	p := report.AboutPart{Title: "Endpoints"}
	for _, l := range containers {
		for _, port := range l.Ports {
			if host, inside, ok := strings.Cut(port, "->"); ok {
				p.Rows = append(p.Rows, [2]string{l.Addr.Name, host + " (" + inside + " in the container)"})
			}
		}
	}
	return p
}

// secretsPart says where the values of sensitive variables come from, never
// what they are.
func (c *Call) secretsPart() report.AboutPart {
	p := report.AboutPart{Title: "Passwords come from"}
	for _, v := range c.spec.Variables {
		if !v.Sensitive {
			continue
		}
		from := v.From
		if from == "" {
			from = "nowhere: unset"
		}
		if v.Description != "" {
			from += fmt.Sprintf(" (%s)", v.Description)
		}
		p.Rows = append(p.Rows, [2]string{v.Name, from})
	}
	return p
}

// withoutPassword returns an address that can be shown.
func withoutPassword(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.User == nil {
		return address
	}
	return u.Redacted()
}
