package main

import (
	"fmt"
	"slices"

	"github.com/hashicorp/go-multierror"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// plan shows what apply would do.
func plan(c *call) error {
	p, err := (*engine.Plan)(nil), error(nil)
	if c.opt.observed != "" {
		p, err = c.planObserved(c.opt.observed, c.opt.plan)
	} else {
		p, err = c.readPlan(c.opt.plan)
	}
	if err != nil {
		return c.failed(err)
	}
	if err := c.show(report.PlanMade{Plan: p, Problems: c.problems}); err != nil {
		return err
	}
	if err := c.savePlan(p, c.opt.plan); err != nil {
		return err
	}
	return c.planExit(p)
}

// planExit is how a command that only shows a plan ends.
func (c *call) planExit(p *engine.Plan) error {
	switch {
	case len(p.Refusals) > 0:
		return report.Shown(p.Refused())
	case len(p.Missed()) > 0:
		return report.Shown(report.ErrUnread)
	case c.opt.detailed && (!p.IsEmpty() || len(p.Overruled()) > 0):
		return report.Shown(report.ErrChanges)
	}
	return nil
}

// showDrift shows what was changed outside.
func showDrift(c *call) error {
	patterns := c.opt.adopt
	if len(patterns) > 0 && c.opt.suggestIgnore {
		return c.usage("-adopt and -suggest-ignore exclude each other", "adopt first, then suggest rules for what is left")
	}
	d, err := c.lookForDrift()
	switch {
	case err != nil:
		return c.failed(err)
	case len(patterns) > 0:
		return adoptDrift(c, d, patterns)
	case c.opt.suggestIgnore:
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
	if err := c.show(report.DriftFound{Drift: d, Stack: c.declared.Stack, Problems: c.problems, Began: c.began, Ended: c.sys.now(), Exit: exit}); err != nil {
		return err
	}
	return exit
}

func (c *call) lookForDrift() (engine.Drift, error) {
	options := engine.Options{Targets: c.opt.plan.Targets, Excludes: c.opt.plan.Excludes,
		// Dangers and emptiness are questions of an apply.
		Allow: []string{resources.DataLoss}, AllowEmpty: true}
	if err := c.need(); err != nil {
		return engine.Drift{}, err
	}
	s, err := c.openReader()
	if err != nil {
		return engine.Drift{}, err
	}
	defer s.close()
	p, err := c.observeAndPlan(s, options)
	if err != nil {
		return engine.Drift{}, err
	}
	d := engine.FindDrift(p)
	d.Unmanaged, err = s.look.unmanaged(c.ctx, c.declared.Stack)
	switch {
	case c.ctx.Err() != nil:
		return d, c.ctx.Err()
	case err != nil && p.Unknown == 0 && len(options.Targets)+len(options.Excludes) == 0:
		a := resources.Addr{Kind: "broker", Name: "*"}
		o := resources.NotRead(a, err)
		d.Unread = append(d.Unread, engine.Unread{Addr: a, Why: o.Why, Hint: o.Hint})
	}
	return d, nil
}

// readPlan loads the spec, looks at the world through clients that cannot
// write, and plans.
func (c *call) readPlan(options engine.Options) (*engine.Plan, error) {
	if err := c.need(); err != nil {
		return nil, err
	}
	s, err := c.openReader()
	if err != nil {
		return nil, err
	}
	defer s.close()
	return c.Planned(s, options)
}

// Planned plans, and holds the plan against the policy.
func (c *call) Planned(s *sight, options engine.Options) (*engine.Plan, error) {
	p, err := c.observeAndPlan(s, options)
	if err != nil {
		return nil, err
	}
	return p, c.judge(p)
}

func (c *call) observeAndPlan(s *sight, options engine.Options) (*engine.Plan, error) {
	if s.absent != nil && !c.toldAbsent {
		c.toldAbsent = true
		c.tell(report.EngineAbsent{Err: s.absent})
	}
	seen, err := engine.Observe(c.ctx, s.readers, c.declared, resources.Scope{Stack: c.declared.Stack, Owned: true, Deep: true, Doomed: options.Doomed()})
	if err != nil {
		return nil, err
	}
	for _, o := range seen.All() {
		c.warn(o.Warnings)
	}
	return engine.MakePlan(c.declared, seen, options), nil
}

// warn tells, once, what only looking at the world could tell about the spec.
func (c *call) warn(found specs.Problems) {
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
func (c *call) atPlaces(err error) error {
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
func (c *call) failed(err error) error {
	err = c.atPlaces(err)
	stack := ""
	if c.spec != nil {
		stack = c.spec.Stack
	}
	if werr := c.show(report.Failed{Stack: stack, Err: err, Problems: c.problems, Began: c.began, Ended: c.sys.now()}); werr != nil {
		return fmt.Errorf("%w (and %w)", err, werr)
	}
	return err
}
