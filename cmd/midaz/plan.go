package main

import (
	"fmt"
	"slices"

	"github.com/hashicorp/go-multierror"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/render"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// plan shows what apply would do.
func plan(c *call) error {
	options, err := c.planOptions()
	if err != nil {
		return err
	}
	files, err := c.outputs(render.PlanFormats)
	if err != nil {
		return err
	}
	p, err := (*engine.Plan)(nil), error(nil)
	if recording := c.flags.String("observed"); recording != "" {
		p, err = c.planObserved(recording, options)
	} else {
		p, err = c.readPlan(options)
	}
	if err != nil {
		return c.failed(err, files...)
	}
	if err := c.deliver(files, c.planRenderings(p)); err != nil {
		return err
	}
	if err := c.savePlan(p, options); err != nil {
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
	case c.flags.Bool("detailed-exitcode") && (!p.IsEmpty() || len(render.OverruledIn(p)) > 0):
		return report.Shown(report.ErrChanges)
	}
	return nil
}

func (c *call) planRenderings(p *engine.Plan) render.Renderings {
	return render.Renderings{
		render.FormatText:     func(string) string { return render.PlanText(p, c.out()) },
		render.FormatJSON:     func(string) string { return render.JSONText(render.PlanJSON(p, c.problems)) },
		render.FormatMarkdown: func(string) string { return render.PlanMarkdown(p, c.problems, c.flags.Int("max-bytes")) },
		render.FormatGitHub:   func(string) string { return render.PlanGitHub(p, c.problems) },
		render.FormatGitLab:   func(string) string { return render.PlanGitLab(p) },
		render.FormatSARIF:    func(string) string { return render.PlanSARIF(p, c.problems) },
		render.FormatHTML:     func(string) string { return render.PlanHTML(p, c.problems) },
	}
}

// showDrift shows what was changed outside.
func showDrift(c *call) error {
	files, err := c.outputs(render.DriftFormats)
	if err != nil {
		return err
	}
	patterns := c.flags.StringSlice("adopt")
	if len(patterns) > 0 && c.flags.Bool("suggest-ignore") {
		return c.usage("-adopt and -suggest-ignore exclude each other", "adopt first, then suggest rules for what is left")
	}
	d, err := c.lookForDrift()
	switch {
	case err != nil:
		return c.failed(err, files...)
	case len(patterns) > 0:
		return adoptDrift(c, d, patterns)
	case c.flags.Bool("suggest-ignore"):
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
	err = c.deliver(files, render.Renderings{
		render.FormatText: func(string) string {
			if c.flags.Bool("quiet") && d.IsClean() {
				return ""
			}
			return render.DriftText(d, c.out())
		},
		render.FormatJSON:     func(string) string { return render.JSONText(render.DriftJSON(d, c.problems)) },
		render.FormatMarkdown: func(string) string { return render.DriftMarkdown(d, c.flags.Int("max-bytes")) },
		render.FormatGitHub:   func(string) string { return render.DriftGitHub(d, c.problems) },
		render.FormatSARIF:    func(string) string { return render.DriftSARIF(d, c.problems) },
		render.FormatPrometheus: func(before string) string {
			return render.DriftMetrics(render.DriftRun{Stack: c.declared.Stack, Found: &d, Began: c.began, Ended: c.sys.now(), Exit: exitStatus(exit)}, before)
		},
	})
	if err != nil {
		return err
	}
	return exit
}

func (c *call) lookForDrift() (engine.Drift, error) {
	options := engine.Options{Targets: c.flags.StringSlice("target"), Excludes: c.flags.StringSlice("exclude"),
		// Dangers and emptiness are questions of an apply.
		Allow: []string{resources.DataLoss}, AllowEmpty: true}
	if err := c.need(!c.wantsText()); err != nil {
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
	if err := c.need(!c.wantsText()); err != nil {
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
		c.tell(render.AbsentText(s.absent))
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
	if len(found) > 0 && !c.wantsJSON() && c.wantsWarnings() {
		c.tell(render.ProblemText(c.spec, found, c.err()))
	}
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
	if c.wantsText() {
		c.tell(render.ProblemText(c.spec, found, c.err()))
	}
	var rest *multierror.Error
	for _, cause := range render.Causes(err) {
		if len(specs.ProblemsOf(cause)) == 0 {
			rest = multierror.Append(rest, cause)
		}
	}
	if rest == nil {
		return report.Shown(report.ErrInvalid)
	}
	return rest
}

// erroredJSON stands in place of a document that could not be made, in the form
// that it would have had.
func (c *call) erroredJSON(stack string, diagnostics []render.JSONProblem) any {
	if c.verb == "drift" {
		return render.JSONDrift{FormatVersion: render.DriftFormat, MidazVersion: report.Version, Stack: stack, Errored: true, ResourceDrift: []render.JSONResource{}, Pending: []render.JSONResource{},
			Unmanaged: []render.JSONUnmanaged{}, Unknown: []render.JSONUnread{}, Runtime: []render.JSONRuntime{}, Ignored: []render.JSONIgnored{}, Refusals: []render.JSONRefusal{}, Diagnostics: diagnostics}
	}
	return render.JSONPlan{FormatVersion: render.PlanFormat, MidazVersion: report.Version, Stack: stack, Errored: true, Dangers: []string{},
		ResourceChanges: []render.JSONResource{}, ResourceDrift: []render.JSONResource{}, Refusals: []render.JSONRefusal{}, Diagnostics: diagnostics}
}

// failed tells an error in the formats that were asked for, so that a reader of
// standard output or of a file always finds a document there.
func (c *call) failed(err error, files ...into) error {
	err = c.atPlaces(err)
	diagnostics := render.ProblemsJSON(c.problems)
	if c.problems.Errors() == 0 {
		diagnostics = append(diagnostics, render.ErrorJSON(err)...)
	}
	stack := ""
	if c.spec != nil {
		stack = c.spec.Stack
	}
	werr := c.deliver(files, render.Renderings{
		render.FormatJSON: func(string) string { return render.JSONText(c.erroredJSON(stack, diagnostics)) },
		render.FormatMarkdown: func(string) string {
			return render.FailedMarkdown(c.verb, stack, err, c.problems, c.flags.Int("max-bytes"))
		},
		render.FormatGitHub: func(string) string { return render.FailedGitHub(c.verb, err, c.problems) },
		render.FormatSARIF:  func(string) string { return render.ValidateSARIF(c.problems) },
		render.FormatHTML:   func(string) string { return render.FailedHTML(c.verb, stack, err, c.problems) },
		render.FormatPrometheus: func(before string) string {
			return render.DriftMetrics(render.DriftRun{Stack: stack, Began: c.began, Ended: c.sys.now(), Exit: exitStatus(err)}, before)
		},
	})
	if werr != nil {
		return fmt.Errorf("%w (and %w)", err, werr)
	}
	return err
}
