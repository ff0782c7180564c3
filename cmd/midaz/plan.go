package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/hashicorp/go-multierror"

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
	p, err := c.readPlan(options, false)
	if err != nil {
		return c.failed(err)
	}
	if err := c.emit(planJSON(p, c.problems)); err != nil {
		return err
	}
	if !c.wantsJSON() {
		c.print(planText(p, c.out()))
	}
	switch {
	case len(p.Refusals) > 0:
		return shown(p.Refused())
	case c.flags.Bool("detailed-exitcode") && !p.IsEmpty():
		return shown(errChanges)
	}
	return nil
}

// showDrift shows what was changed outside.
func showDrift(c *call) error {
	options := engine.Options{Targets: c.flags.StringSlice("target"), Excludes: c.flags.StringSlice("exclude"),
		// Dangers and emptiness are questions of an apply.
		Allow: []string{resources.DataLoss}, AllowEmpty: true}
	if err := c.need(c.wantsJSON()); err != nil {
		return c.failed(err)
	}
	s, err := c.sys.world.read(c.ctx, c.access())
	if err != nil {
		return c.failed(err)
	}
	defer s.close()
	p, err := c.observeAndPlan(s, options, true)
	if err != nil {
		return c.failed(err)
	}
	d := findDrift(p)
	d.unmanaged, err = s.look.unmanaged(c.ctx, c.declared.Stack)
	if err != nil && !errors.Is(err, resources.ErrUnreachable) {
		return c.failed(err)
	}
	if err := c.emit(driftJSON(d, c.problems)); err != nil {
		return err
	}
	if !c.wantsJSON() {
		c.print(driftText(d, c.out()))
	}
	switch {
	case noMatch(p):
		return shown(p.Refused())
	case len(d.changed) > 0:
		return shown(errDrifted)
	}
	return nil
}

// readPlan loads the spec, looks at the world through clients that cannot
// write, and plans.
func (c *call) readPlan(options engine.Options, deep bool) (*engine.Plan, error) {
	if err := c.need(c.wantsJSON()); err != nil {
		return nil, err
	}
	s, err := c.sys.world.read(c.ctx, c.access())
	if err != nil {
		return nil, err
	}
	defer s.close()
	return c.observeAndPlan(s, options, deep)
}

func (c *call) observeAndPlan(s *sight, options engine.Options, deep bool) (*engine.Plan, error) {
	seen, err := engine.Observe(c.ctx, s.readers, c.declared, resources.Scope{Stack: c.declared.Stack, Owned: true, Deep: deep})
	if err != nil {
		return nil, err
	}
	return engine.MakePlan(c.declared, seen, options), nil
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
	if !c.wantsJSON() {
		c.tell(problemText(c.spec, found, c.err()))
	}
	var rest *multierror.Error
	for _, cause := range causes(err) {
		if len(specs.ProblemsOf(cause)) == 0 {
			rest = multierror.Append(rest, cause)
		}
	}
	if rest == nil {
		return shown(errInvalid)
	}
	return rest
}

// jsonErrored stands in place of a document that could not be made.
type jsonErrored struct {
	FormatVersion string        `json:"format_version"`
	MidazVersion  string        `json:"midaz_version"`
	Errored       bool          `json:"errored"`
	Diagnostics   []jsonProblem `json:"diagnostics"`
}

// failed tells an error in JSON when JSON was asked for, so that a reader of
// standard output always finds a document there.
func (c *call) failed(err error) error {
	err = c.atPlaces(err)
	if !c.wantsJSON() && c.flags.String("json-into") == "" {
		return err
	}
	doc := jsonErrored{FormatVersion: planFormat, MidazVersion: version, Errored: true, Diagnostics: problemsJSON(c.problems)}
	if c.problems.Errors() == 0 {
		doc.Diagnostics = append(doc.Diagnostics, errorJSON(err)...)
	}
	if werr := c.emit(doc); werr != nil {
		return fmt.Errorf("%w (and %w)", err, werr)
	}
	return err
}
