package app

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// History shows what earlier runs did.
func History(c *Call) error {
	stack, err := c.stackName()
	if err != nil {
		return c.failed(err)
	}
	s, err := c.openReader()
	if err != nil {
		return c.failed(err)
	}
	defer s.Close()
	runs, err := s.Journal.Runs(c.Context, stack)
	if err != nil {
		return c.failed(err)
	}
	if len(c.Opt.Args) == 1 {
		run, err := findRun(runs, c.Opt.Args[0], stack)
		if err != nil {
			return c.failed(err)
		}
		return c.Show(report.RunShown{Run: run})
	}
	return c.Show(report.History{Stack: stack, Runs: runs})
}

// stackName is the stack that is asked about: -stack, or that of the spec. The
// spec may have errors: they are one more reason to look back.
func (c *Call) stackName() (string, error) {
	c.load(false)
	if c.Opt.Stack != "" {
		return c.Opt.Stack, nil
	}
	if c.spec.Stack != "" {
		return c.spec.Stack, nil
	}
	for _, p := range c.problems {
		if p.Rule.Severity == specs.Error {
			return "", &resources.Diagnosis{Err: fmt.Errorf("the spec does not tell the name of the stack: %s", p.Error()),
				Hint: "correct it, or name the stack with -stack"}
		}
	}
	return "", &resources.Diagnosis{Err: errors.New("the spec does not tell the name of the stack"), Hint: "name the stack with -stack"}
}

// findRun returns the run whose ID is, or begins with, the text.
func findRun(runs []*resources.Run, id, stack string) (*resources.Run, error) {
	if i := slices.IndexFunc(runs, func(r *resources.Run) bool { return r.ID == id }); i >= 0 {
		return runs[i], nil
	}
	var found []*resources.Run
	for _, r := range runs {
		if resources.IsRunID(id) && strings.HasPrefix(r.ID, id) {
			found = append(found, r)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return nil, &resources.Diagnosis{Err: fmt.Errorf("stack %s has no run %q in its journal", report.Clean(stack), id),
			Hint: "`midaz history` lists the runs"}
	default:
		return nil, &resources.Diagnosis{Err: fmt.Errorf("%d runs begin with %q", len(found), id), Hint: "write more of its ID"}
	}
}
