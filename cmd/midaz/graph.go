package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/render"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
)

// drawGraph draws what needs what.
func drawGraph(c *call) error {
	format := c.flags.String("format")
	if !slices.Contains(render.GraphFormats, format) {
		return c.usage(fmt.Sprintf("-format %q is not known", format), "expected one of "+strings.Join(render.GraphFormats, ", "))
	}
	var pic report.Picture
	if c.flags.Bool("plan") {
		p, err := c.readPlan(engine.Options{Targets: c.flags.StringSlice("target"), Allow: []string{resources.DataLoss}, AllowEmpty: true})
		if err != nil {
			return err
		}
		if noMatch(p) {
			c.tell(render.PlanText(p, c.err()))
			return report.Shown(p.Refused())
		}
		pic = report.PlanPicture(p)
	} else {
		if err := c.need(false); err != nil {
			return err
		}
		pic = report.SpecPicture(c.declared, c.flags.StringSlice("target"))
	}
	draw := map[string]func(report.Picture) string{"mermaid": render.MermaidText, "dot": render.DotText, render.FormatText: render.TreeText, render.FormatHTML: render.GraphHTML(c.declared.Stack)}
	c.print(draw[format](pic))
	return nil
}
