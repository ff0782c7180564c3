package main

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/engine/policy"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/schema"
	"github.com/LerianStudio/midaz-infra/specs"
)

// call is one command being run.
type call struct {
	ctx  context.Context
	sys  system
	in   *interrupt
	verb string
	opt  options
	// show hands what happens to whoever shows it.
	show func(event any) error
	// past is an earlier run in place of today's spec.
	past *pastRun
	// inputs say where the spec of a plan file is read from, nil without one.
	inputs *engine.Inputs

	toldAbsent bool // that there is no engine
	toldOther  bool // that the engine is not Docker

	began    time.Time
	spec     *specs.Spec
	declared *resources.Declared
	problems specs.Problems // those that stand
	silenced specs.Problems
	policies policies
}

// tell shows an event that cannot fail to be shown.
func (c *call) tell(event any) { _ = c.show(event) }

// specOptions are the options of loading the spec.
func (c *call) specOptions() specs.Options {
	o := c.opt.source
	o.Stdin, o.LookupEnv = c.sys.stdin, c.sys.lookupEnv
	if c.inputs != nil {
		o = withInputs(o, *c.inputs, c.opt.given)
	}
	return o
}

// usage returns a usage error of this command.
func (c *call) usage(msg, hint string) error {
	return report.UsageError{Verb: c.verb, Msg: msg, Hint: hint}
}

// load reads the spec and decodes everything in it. It finds all problems and
// prints none; the spec may be used only when problems has no error. Checking
// against the JSON schema, as editors do, finds nothing that decoding does not
// and costs more than all the rest: only validate does it.
func (c *call) load(withSchema bool) {
	options := c.specOptions()
	if c.past != nil {
		options = c.past.instead(options)
	}
	r := c.read(options, withSchema)
	c.Take(r)
}

// Take makes a spec that was read the one of the call.
func (c *call) Take(r specRead) {
	c.spec, c.declared, c.problems, c.silenced, c.policies = r.spec, r.declared, r.problems, r.silenced, policies{r.policy}
}

// specRead is a spec that was read, with all problems found.
type specRead struct {
	spec               *specs.Spec
	declared           *resources.Declared
	problems, silenced specs.Problems
	policy             *policy.Policy
}

// read reads a spec. Rules of a policy are compiled only where there are any.
func (c *call) read(options specs.Options, withSchema bool) specRead {
	kinds := c.sys.world.kinds()
	spec, loaded := specs.Load(options)
	if c.past != nil {
		spec.Root = c.past.pin(spec.Root)
	}
	declared, decoded := engine.Resolve(spec, kinds)
	c.sys.learn(declared)
	decoded = append(decoded, engine.HoldIgnores(declared, c.sys.now())...)
	rules := readPolicy(spec, func(p *specs.Problem) { decoded = append(decoded, p) })
	all := schema.Quick
	if withSchema {
		all = schema.Complete
	}
	r := specRead{spec: spec, declared: declared, policy: rules}
	r.problems, r.silenced = spec.Silence(all(spec, kinds, loaded, decoded))
	return r
}

// need loads the spec, shows its problems, and fails when one is an error.
func (c *call) need() error {
	c.load(c.verb == "validate")
	if err := c.checkProfiles(); err != nil {
		return err
	}
	if c.ctx.Err() != nil {
		return c.ctx.Err()
	}
	c.tell(report.Problems{Spec: c.spec, List: c.problems, Verdict: c.problems.Errors() > 0})
	if c.problems.Errors() > 0 {
		return report.Shown(report.ErrInvalid)
	}
	return c.needPolicies()
}

// checkProfiles refuses a profile that nothing in the spec has, nor in the others
// it is compared with: a misspelled one would turn nothing on without a word. A
// spec with errors may have it in a part that could not be read.
func (c *call) checkProfiles(others ...*resources.Declared) error {
	planned := c.inputs != nil && !c.opt.given.profiles // a saved plan has its own
	if c.spec.Partial || c.problems.Errors() > 0 || c.past != nil || planned {
		return nil
	}
	from := "MIDAZ_PROFILES"
	if c.opt.given.profiles {
		from = "-profile"
	}
	declared := map[string]bool{}
	for _, d := range append(others, c.declared) {
		for _, r := range d.Resources {
			for _, name := range r.Config.Texts("profiles") {
				declared[name] = true
			}
		}
	}
	known := slices.Sorted(maps.Keys(declared))
	for _, name := range c.opt.source.Profiles {
		if name == "*" || declared[name] {
			continue
		}
		hint := "the spec has no profiles"
		if len(known) > 0 {
			hint = "it has " + strings.Join(known, ", ")
			if near := specs.Suggest(name, known); near != "" {
				hint = fmt.Sprintf("did you mean %q? %s", near, hint)
			}
		}
		return c.usage(fmt.Sprintf("%s %q: nothing in the spec has this profile", from, name), hint)
	}
	return nil
}

func (c *call) access() access {
	return access{declared: c.declared, lookupEnv: c.sys.lookupEnv}
}

// openReader connects to engine and broker without a way to write, and says once
// when the engine is one whose answers cannot be relied on.
func (c *call) openReader() (*sight, error) {
	s, err := c.sys.world.read(c.ctx, c.access())
	if err == nil && s.other != "" && !c.toldOther {
		c.toldOther = true
		c.tell(report.OtherEngine{Name: s.other})
	}
	return s, err
}

// path resolves a file name given on the command line as -chdir asks.
func (c *call) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(c.opt.source.Dir, name)
}
