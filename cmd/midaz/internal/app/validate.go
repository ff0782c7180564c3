package app

import "github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"

// Validate checks the spec; with -fix it puts right what can be.
func Validate(c *Call) error {
	if c.Opt.Fix {
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
	err := c.Show(report.Validated{Stack: stack, Resources: n, Problems: c.problems, Silenced: c.silenced, Invalid: invalid != nil})
	if err != nil {
		return err
	}
	return invalid
}
