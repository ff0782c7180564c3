package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/render"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/engine/policy"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/schema"
	"github.com/LerianStudio/midaz-infra/specs"
)

// call is one command being run.
type call struct {
	ctx   context.Context
	sys   system
	in    *interrupt
	verb  string
	flags *cli.Context
	line  commandLine // the words behind flags and args, in their order
	args  []string
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

// runCommand finds the command and runs it.
func runCommand(ctx context.Context, args []string, sys system, in *interrupt) (err error) {
	defer bug(&err)
	all := commands()
	line, err := parseArgs(args, all, sys.lookupEnv)
	if err != nil {
		return err
	}
	if line.help {
		_, err := io.WriteString(sys.stdout, helpText(all, line.verb, inkFor(sys.stdout, sys.env, false)))
		return err
	}
	app := &cli.App{
		Name: "midaz", HideHelp: true, HideVersion: true, HideHelpCommand: true, DisableSliceFlagSeparator: true,
		Writer: sys.stdout, ErrWriter: sys.stderr,
		ExitErrHandler: func(*cli.Context, error) {}, // the status is decided by exitStatus alone
	}
	for _, d := range all {
		d.HideHelp = true
		d.OnUsageError = func(_ *cli.Context, err error, _ bool) error {
			return report.UsageError{Verb: d.Name, Msg: err.Error()}
		}
		app.Commands = append(app.Commands, d)
	}
	app.Metadata = map[string]any{"call": &call{ctx: ctx, sys: sys, in: in, verb: line.verb, line: line}}
	return app.RunContext(ctx, line.cliArgs())
}

// action makes a function of a call a command's action. most is how many
// arguments it takes; negative is any number.
func action(most int, do func(c *call) error) cli.ActionFunc {
	return func(flags *cli.Context) error {
		c := flags.App.Metadata["call"].(*call)
		c.flags, c.args, c.began = flags, flags.Args().Slice(), c.sys.now()
		if most >= 0 && len(c.args) > most {
			hint := ""
			if most == 0 && c.verb != "version" {
				hint = "the spec is given with -f, resources with -target"
			}
			return c.usage(fmt.Sprintf("unexpected argument %q", c.args[most]), hint)
		}
		if c.deadline() < 0 {
			return c.usage("-timeout cannot be negative", "")
		}
		if d := c.deadline(); d > 0 {
			ctx, cancel := context.WithTimeout(c.ctx, d)
			defer cancel()
			c.ctx = ctx
			defer c.in.leaveAfter(ctx, d)()
		}
		err := do(c)
		if err != nil && errors.Is(c.ctx.Err(), context.DeadlineExceeded) {
			return report.TimeoutError{Limit: c.deadline(), Cause: err}
		}
		return err
	}
}

// out and err are the colours of the two streams.
func (c *call) out() render.Ink {
	return inkFor(c.sys.stdout, c.sys.env, c.flags.Bool("no-color"))
}
func (c *call) err() render.Ink {
	return inkFor(c.sys.stderr, c.sys.env, c.flags.Bool("no-color"))
}

// print writes data; tell writes what is not data.
func (c *call) print(text string) { _, _ = io.WriteString(c.sys.stdout, text) }
func (c *call) tell(text string)  { _, _ = io.WriteString(c.sys.stderr, text) }

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

// need loads the spec, prints its problems, and fails when one is an error.
// With quiet problems are left to the caller to print in another form.
func (c *call) need(quiet bool) error {
	c.load(c.verb == "validate")
	if err := c.checkProfiles(); err != nil {
		return err
	}
	if c.ctx.Err() != nil {
		return c.ctx.Err()
	}
	if !quiet && len(c.problems) > 0 && (c.wantsWarnings() || c.problems.Errors() > 0) {
		c.tell(render.ProblemText(c.spec, c.problems, c.err()))
	}
	if n := c.problems.Errors(); n > 0 {
		if !quiet {
			c.tell("\n" + render.VerdictText(c.problems) + "\n")
		}
		return report.Shown(report.ErrInvalid)
	}
	return c.needPolicies()
}

// checkProfiles refuses a -profile that nothing in the spec has: a misspelled one
// would turn nothing on without a word. A spec that could not be read whole may
// have it in the part that is missing.
func (c *call) checkProfiles() error {
	if c.spec.Partial || c.past != nil {
		return nil
	}
	declared := map[string]bool{}
	for _, r := range c.declared.Resources {
		for _, name := range r.Config.Texts("profiles") {
			declared[name] = true
		}
	}
	known := slices.Sorted(maps.Keys(declared))
	for _, name := range c.flags.StringSlice("profile") {
		if name == "*" || declared[name] {
			continue
		}
		hint := specs.DidYouMean(name, known)
		if len(known) == 0 {
			hint = "the spec has no profiles"
		}
		return c.usage(fmt.Sprintf("-profile %q: nothing in the spec has this profile", name), hint)
	}
	return nil
}

// wantsWarnings reports whether findings that are no errors are told: under
// cron each line becomes a mail, and they are the business of validate.
func (c *call) wantsWarnings() bool { return !c.flags.Bool("quiet") }

func (c *call) access() access {
	return access{declared: c.declared, lookupEnv: c.sys.lookupEnv}
}

// openReader connects to engine and broker without a way to write, and says once
// when the engine is one whose answers cannot be relied on.
func (c *call) openReader() (*sight, error) {
	s, err := c.sys.world.read(c.ctx, c.access())
	if err == nil && s.other != "" && !c.toldOther {
		c.toldOther = true
		c.tell(render.OtherEngineText(s.other))
	}
	return s, err
}

// wantsJSON reports whether standard output carries JSON.
func (c *call) wantsJSON() bool { return c.flags.Bool("json") }

// emit writes a document where -json and -json-into want it.
func (c *call) emit(doc any) error {
	if path := c.flags.String("json-into"); path != "" {
		if err := writeFile(c.path(path), c.json(doc)); err != nil {
			return fmt.Errorf("write JSON: %w", err)
		}
	}
	if c.wantsJSON() {
		c.print(c.json(doc))
	}
	return nil
}

// path resolves a file name given on the command line as -chdir asks.
func (c *call) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(c.flags.String("chdir"), name)
}

// writeFile puts a file in place as a whole, for its owner only: readers see the
// old text or the new one.
func writeFile(path, text string) error { return writeFileAs(path, text, 0o600) }

// writeFileAs is writeFile with other permissions. They, and the text on the
// disk, are there before the file has its name.
func writeFileAs(path, text string, mode os.FileMode) error {
	staged, err := stageFile(path, text, mode)
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(staged) }()
	return os.Rename(staged, path)
}

// stageFile writes a text beside the file whose place it is to take, and returns
// the name it has until then. With an error nothing is left.
func stageFile(path, text string, mode os.FileMode) (staged string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return "", err
	}
	_, err = io.WriteString(f, text)
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		_ = os.Remove(f.Name())
		return "", err
	}
	return f.Name(), nil
}
