package app

import (
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
)

// DrawGraph draws what needs what.
func DrawGraph(c *Call) error {
	var pic report.Picture
	if c.Opt.Steps {
		p, err := c.readPlan(engine.Options{Targets: c.Opt.Plan.Targets, Allow: []string{resources.DataLoss}, AllowEmpty: true})
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
		pic = report.SpecPicture(c.declared, c.Opt.Plan.Targets)
	}
	return c.Show(report.Graph{Stack: c.declared.Stack, Picture: pic})
}
