package main

import "github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"

// validate checks the spec; with -fix it puts right what can be.
func validate(c *call) error {
	if c.opt.fix {
		return fixSpec(c)
	}
	invalid := c.need()
	stack := ""
	if c.spec != nil {
		stack = c.spec.Stack
	}
	n := 0
	if c.declared != nil {
		n = len(c.declared.Resources)
	}
	err := c.show(report.Validated{Stack: stack, Resources: n, Problems: c.problems, Silenced: c.silenced, Invalid: invalid != nil})
	if err != nil {
		return err
	}
	return invalid
}
