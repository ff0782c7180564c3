package app

import (
	"fmt"
	"slices"

	"github.com/hashicorp/go-multierror"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// Plan shows what apply would do.
func Plan(c *Call) error {
	p, err := (*engine.Plan)(nil), error(nil)
	if c.Opt.Observed != "" {
		p, err = c.planObserved(c.Opt.Observed, c.Opt.Plan)
	} else {
		p, err = c.readPlan(c.Opt.Plan)
	}
	if err != nil {
		return c.failed(err)
	}
	if err := c.Show(report.PlanMade{Plan: p, Problems: c.problems}); err != nil {
		return err
	}
	if err := c.savePlan(p, c.Opt.Plan); err != nil {
		return err
	}
	return c.planExit(p)
}

// planExit is how a command that only shows a plan ends.
func (c *Call) planExit(p *engine.Plan) error {
	switch {
	case len(p.Refusals) > 0:
		return report.Shown(p.Refused())
	case len(p.Missed()) > 0:
		return report.Shown(report.ErrUnread)
	case c.Opt.Detailed && (!p.IsEmpty() || len(p.Overruled())+len(p.Unconfirmed) > 0):
		return report.Shown(report.ErrChanges)
	}
	return nil
}

// ShowDrift shows what was changed outside.
func ShowDrift(c *Call) error {
	patterns := c.Opt.Plan.Adopt
	if len(patterns) > 0 && c.Opt.SuggestIgnore {
		return c.Usage("-adopt and -suggest-ignore exclude each other", "adopt first, then suggest rules for what is left")
	}
	d, err := c.lookForDrift()
	switch {
	case err != nil:
		return c.failed(err)
	case len(patterns) > 0:
		return adoptDrift(c, d, patterns)
	case c.Opt.SuggestIgnore:
		return suggestIgnores(c, d)
	}
	exit := error(nil)
	switch {
	case noMatch(d.Plan):
		exit = report.Shown(d.Plan.Refused())
	case len(d.Changed) > 0:
		exit = report.Shown(report.ErrDrifted)
	case len(d.Unread) > 0:
		exit = report.Shown(report.ErrUnread)
	}
	if err := c.Show(report.DriftFound{Drift: d, Stack: c.declared.Stack, Problems: c.problems, Began: c.Began, Ended: c.Sys.Now(),
		Exit: exit}); err != nil {
		return err
	}
	return exit
}

func (c *Call) lookForDrift() (engine.Drift, error) {
	options := engine.Options{Targets: c.Opt.Plan.Targets, Excludes: c.Opt.Plan.Excludes,
		// Dangers and emptiness are questions of an apply.
		Allow: []string{resources.DataLoss}, AllowEmpty: true}
	s, err := c.needReader()
	if err != nil {
		return engine.Drift{}, err
	}
	defer s.Close()
	p, err := c.observeAndPlan(s, options)
	if err != nil {
		return engine.Drift{}, err
	}
	d := engine.FindDrift(p)
	d.Unmanaged, err = s.Inspect.Unmanaged(c.Context, c.declared.Stack)
	switch {
	case c.Context.Err() != nil:
		return d, c.Context.Err()
	case err != nil && p.Unknown == 0 && len(options.Targets)+len(options.Excludes) == 0:
		a := resources.Addr{Kind: "broker", Name: "*"}
		o := resources.NotRead(a, err)
		d.Unread = append(d.Unread, engine.Unread{Addr: a, Why: o.Why, Hint: o.Hint})
	}
	return d, nil
}

// readPlan loads the spec, looks at the world through clients that cannot
// write, and plans.
func (c *Call) readPlan(options engine.Options) (*engine.Plan, error) {
	s, err := c.needReader()
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return c.Planned(s, options)
}

// Planned plans, and holds the plan against the policy.
func (c *Call) Planned(s *Session, options engine.Options) (*engine.Plan, error) {
	p, err := c.observeAndPlan(s, options)
	if err != nil {
		return nil, err
	}
	return p, c.judge(p)
}

func (c *Call) observeAndPlan(s *Session, options engine.Options) (*engine.Plan, error) {
	if s.absent != nil && !c.toldAbsent {
		c.toldAbsent = true
		c.tell(report.EngineAbsent{Err: s.absent})
	}
	seen, err := c.observed(s.Readers, resources.Scope{Deep: true, Doomed: options.Doomed()})
	if err != nil {
		return nil, err
	}
	for _, o := range seen.All() {
		c.warn(o.Warnings)
	}
	return c.planned(seen, options), nil
}

// planned plans, and tells what the plan leaves alone though the spec does not
// declare it.
func (c *Call) planned(seen *engine.Seen, options engine.Options) *engine.Plan {
	p := engine.MakePlan(c.declared, seen, options)
	if kept := p.UnconfirmedProblem(c.spec.Root.Pos()); kept != nil {
		c.warn(specs.Problems{kept})
	}
	return p
}

// warn tells, once, what only looking at the world could tell about the spec.
func (c *Call) warn(found specs.Problems) {
	found, _ = c.spec.Silence(found)
	found = slices.DeleteFunc(found, func(p *specs.Problem) bool {
		return slices.ContainsFunc(c.problems, func(told *specs.Problem) bool { return told.Pos == p.Pos && told.Rule == p.Rule })
	})
	c.problems = append(c.problems, found...)
	c.tell(report.Advice{Spec: c.spec, List: found})
}

// noMatch reports whether the plan is about nothing because a pattern given on
// the command line matches nothing.
func noMatch(p *engine.Plan) bool {
	return slices.ContainsFunc(p.Refusals, func(r engine.Refusal) bool { return r.Code == "no-match" })
}

// atPlaces tells what is wrong with the spec and only the engine or the broker
// could know, such as a key that this engine does not have. What remains is
// returned.
func (c *Call) atPlaces(err error) error {
	found := specs.ProblemsOf(err)
	if len(found) == 0 || c.spec == nil {
		return err
	}
	found, _ = c.spec.Silence(found)
	c.problems = append(c.problems, found...)
	c.tell(report.Problems{Spec: c.spec, List: found})
	var rest *multierror.Error
	for _, cause := range report.Causes(err) {
		if len(specs.ProblemsOf(cause)) == 0 {
			rest = multierror.Append(rest, cause)
		}
	}
	if rest == nil {
		return report.Shown(report.ErrInvalid)
	}
	return rest
}

// failed shows an error in the formats that were asked for, so that a reader of
// standard output or of a file always finds a document there.
func (c *Call) failed(err error) error {
	err = c.atPlaces(err)
	stack := ""
	if c.spec != nil {
		stack = c.spec.Stack
	}
	if werr := c.Show(report.Failed{Stack: stack, Err: err, Problems: c.problems, Began: c.Began, Ended: c.Sys.Now()}); werr != nil {
		return fmt.Errorf("%w (and %w)", err, werr)
	}
	return err
}
