package app

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/hashicorp/go-multierror"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// savePlan writes the plan to the file that -out names. A plan that would be
// refused is not written: it could never be applied.
func (c *Call) savePlan(p *engine.Plan, options engine.Options) error {
	out := c.Opt.Out
	if out == "" {
		return nil
	}
	if len(p.Refusals) > 0 {
		c.tell(report.PlanNotSaved{Path: out})
		return nil
	}
	saved, err := engine.Save(p, options)
	if err != nil {
		return err
	}
	saved.Inputs = inputsOf(c.specOptions())
	if err := WriteFile(c.Opt.Path(out), string(c.Sys.Redactor.JSON(saved.Encode()))); err != nil {
		return fmt.Errorf("save the plan: %w", err)
	}
	c.tell(report.PlanSaved{Path: out})
	return nil
}

// inputsOf tells what the spec was read from. Of variables given on the command
// line only the names are kept.
func inputsOf(o specs.Options) engine.Inputs {
	in := engine.Inputs{Dir: o.Dir, Files: o.Files, Profiles: o.Profiles}
	for _, f := range o.ValueFiles {
		in.ValueFiles = append(in.ValueFiles, engine.InputFile{File: f.Name, Env: f.Env})
	}
	for _, v := range o.Vars {
		name, _, _ := strings.Cut(v, "=")
		in.Vars = append(in.Vars, name)
	}
	return in
}

// withInputs fills in what the command line leaves open by what the plan was
// made from, so that `apply PLANFILE` needs no more words than the file.
func withInputs(o specs.Options, in engine.Inputs, given GivenSource) specs.Options {
	if !given.Files {
		o.Files = in.Files
	}
	if !given.Profiles {
		o.Profiles = in.Profiles
	}
	if !given.Values {
		o.ValueFiles = valueFilesOf(in)
	}
	if !given.Dir {
		o.Dir = in.Dir
	}
	return o
}

// valueFilesOf returns the files of values that a plan was made with.
func valueFilesOf(in engine.Inputs) []specs.ValueFile {
	var out []specs.ValueFile
	for _, name := range in.EnvFiles {
		out = append(out, specs.ValueFile{Name: name, Env: true})
	}
	for _, name := range in.VarFiles {
		out = append(out, specs.ValueFile{Name: name})
	}
	for _, f := range in.ValueFiles {
		out = append(out, specs.ValueFile{Name: f.File, Env: f.Env})
	}
	return out
}

// readSaved reads a plan file.
func (c *Call) readSaved(name string) (*engine.Saved, error) {
	f, err := os.Open(c.Opt.Path(name))
	if err != nil {
		return nil, &resources.Diagnosis{Err: fmt.Errorf("read the plan: %w", err),
			Hint: "`midaz plan -out FILE` writes a plan file; a spec is given with -f"}
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, engine.MaxSaved+1))
	if err != nil {
		return nil, fmt.Errorf("read the plan: %w", err)
	}
	saved, err := engine.ParseSaved(data)
	if err != nil {
		return nil, &resources.Diagnosis{Err: fmt.Errorf("%s: %w", name, err),
			Hint: "`midaz plan -out FILE` writes a plan file; a spec is given with -f"}
	}
	return saved, nil
}

// applySaved applies a plan file exactly as it was saved, and never asks.
func (c *Call) applySaved(name string) error {
	if c.Opt.Planning != "" {
		return c.Usage(fmt.Sprintf("-%s belongs to planning, and %s is a plan already", c.Opt.Planning, name), "give it to `midaz plan -out`")
	}
	saved, err := c.readSaved(name)
	if err != nil {
		return err
	}
	c.inputs = &saved.Inputs
	return c.carryOut(&applying{Call: c, options: saved.Options, saved: saved, approved: true})
}

// stale says what to do about a plan file that cannot be applied any more.
func (a *applying) stale(err error) error {
	if !errors.Is(err, engine.ErrStale) {
		return err
	}
	hint := "plan again: `midaz plan -out FILE`"
	var missing []string
	for _, name := range a.saved.Inputs.Vars {
		if !slices.ContainsFunc(a.Opt.Source.Vars, func(v string) bool { return strings.HasPrefix(v, name+"=") }) {
			missing = append(missing, "-var "+name)
		}
	}
	if len(missing) > 0 {
		hint = "a plan file holds no values, and it was made with " + strings.Join(missing, " ") + ": give that again, or plan again"
	}
	var all *multierror.Error
	for _, cause := range report.Causes(err) {
		all = multierror.Append(all, &resources.Diagnosis{Err: cause, Hint: hint})
	}
	return all
}

// Show prints what a plan file holds: everything that plan prints but values.
func Show(c *Call) error {
	if len(c.Opt.Args) == 0 {
		return c.Usage("the plan file is missing", "`midaz plan -out FILE` writes one; `midaz plan` shows what apply would do now")
	}
	saved, err := c.readSaved(c.Opt.Args[0])
	if err != nil {
		return err
	}
	return c.Show(report.SavedPlan{Plan: saved.Plan()})
}
