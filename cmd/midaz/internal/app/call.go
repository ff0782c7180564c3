package app

import (
	"context"
	"fmt"
	"maps"
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

// Call is one command being run.
type Call struct {
	Context context.Context
	Sys     System
	In      *Interrupt
	Verb    string
	Opt     Options
	// Show hands what happens to whoever shows it.
	Show func(event any) error
	// past is an earlier run in place of today's spec.
	past *pastRun
	// inputs say where the spec of a plan file is read from, nil without one.
	inputs *engine.Inputs

	toldAbsent bool // that there is no engine
	toldOther  bool // that the engine is not Docker

	Began    time.Time
	spec     *specs.Spec
	declared *resources.Declared
	problems specs.Problems // those that stand
	silenced specs.Problems
	policies policies
}

// tell shows an event that cannot fail to be shown.
func (c *Call) tell(event any) { _ = c.Show(event) }

// specOptions are the options of loading the spec.
func (c *Call) specOptions() specs.Options {
	o := c.Opt.Source
	o.Stdin, o.LookupEnv = c.Sys.Stdin, c.Sys.LookupEnv
	if c.inputs != nil {
		o = withInputs(o, *c.inputs, c.Opt.Given)
	}
	return o
}

// Usage returns a usage error of this command.
func (c *Call) Usage(msg, hint string) error {
	return report.UsageError{Verb: c.Verb, Msg: msg, Hint: hint}
}

// load reads the spec and decodes everything in it. It finds all problems and
// prints none; the spec may be used only when problems has no error. Checking
// against the JSON schema, as editors do, finds nothing that decoding does not
// and costs more than all the rest: only validate does it.
func (c *Call) load(withSchema bool) {
	options := c.specOptions()
	if c.past != nil {
		options = c.past.instead(options)
	}
	r := c.read(options, withSchema)
	c.Take(r)
}

// Take makes a spec that was read the one of the call.
func (c *Call) Take(r specRead) {
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
func (c *Call) read(options specs.Options, withSchema bool) specRead {
	kinds := c.Sys.World.Kinds()
	spec, loaded := specs.Load(options)
	if c.past != nil {
		spec.Root = c.past.pin(spec.Root)
	}
	declared, decoded := engine.Resolve(spec, kinds)
	c.Sys.learn(declared)
	decoded = append(decoded, engine.HoldIgnores(declared, c.Sys.Now())...)
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
func (c *Call) need() error {
	c.load(c.Verb == "validate")
	if err := c.checkProfiles(); err != nil {
		return err
	}
	if c.Context.Err() != nil {
		return c.Context.Err()
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
func (c *Call) checkProfiles(others ...*resources.Declared) error {
	planned := c.inputs != nil && !c.Opt.Given.Profiles // a saved plan has its own
	if c.spec.Partial || c.problems.Errors() > 0 || c.past != nil || planned {
		return nil
	}
	from := "MIDAZ_PROFILES"
	if c.Opt.Given.Profiles {
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
	for _, name := range c.Opt.Source.Profiles {
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
		return c.Usage(fmt.Sprintf("%s %q: nothing in the spec has this profile", from, name), hint)
	}
	return nil
}

func (c *Call) access() Access {
	return Access{Declared: c.declared, lookupEnv: c.Sys.LookupEnv}
}

// needReader loads the spec, which must be valid, and connects.
func (c *Call) needReader() (*Session, error) {
	if err := c.need(); err != nil {
		return nil, err
	}
	return c.openReader()
}

// openReader connects to engine and broker without a way to write, and says once
// when the engine is one whose answers cannot be relied on.
func (c *Call) openReader() (*Session, error) {
	s, err := c.Sys.World.Read(c.Context, c.access())
	if err == nil && s.other != "" && !c.toldOther {
		c.toldOther = true
		c.tell(report.OtherEngine{Name: s.other})
	}
	return s, err
}
