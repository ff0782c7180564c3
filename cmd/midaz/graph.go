package main

import (
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
)

// drawGraph draws what needs what.
func drawGraph(c *call) error {
	var pic report.Picture
	if c.opt.steps {
		p, err := c.readPlan(engine.Options{Targets: c.opt.plan.Targets, Allow: []string{resources.DataLoss}, AllowEmpty: true})
		if err != nil {
			return err
		}
		if noMatch(p) {
			c.tell(report.PlanRefused{Plan: p})
			return report.Shown(p.Refused())
		}
		pic = report.PlanPicture(p)
	} else {
		if err := c.need(); err != nil {
			return err
		}
		pic = report.SpecPicture(c.declared, c.opt.plan.Targets)
	}
	return c.show(report.Graph{Stack: c.declared.Stack, Picture: pic})
}
