package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
)

// drawGraph draws what needs what.
func drawGraph(c *call) error {
	format := c.flags.String("format")
	if !slices.Contains(graphFormats, format) {
		return c.usage(fmt.Sprintf("-format %q is not known", format), "expected one of "+strings.Join(graphFormats, ", "))
	}
	var pic picture
	if c.flags.Bool("plan") {
		p, err := c.readPlan(engine.Options{Targets: c.flags.StringSlice("target"), Allow: []string{resources.DataLoss}, AllowEmpty: true})
		if err != nil {
			return err
		}
		if noMatch(p) {
			c.tell(planText(p, c.err()))
			return shown(p.Refused())
		}
		pic = planPicture(p)
	} else {
		if err := c.need(false); err != nil {
			return err
		}
		pic = specPicture(c.declared, c.flags.StringSlice("target"))
	}
	draw := map[string]func(picture) string{"mermaid": mermaidText, "dot": dotText, formatText: treeText, formatHTML: graphHTML(c.declared.Stack)}
	c.print(draw[format](pic))
	return nil
}
