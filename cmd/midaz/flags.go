package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// defaultSpec is the file that is read when none is named.
const defaultSpec = "midaz.infra.yaml"

// specFlags choose the spec and the values of its variables.
func specFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "file", Aliases: []string{"f"}, Usage: "spec `FILE`, repeated to merge several left to right; - is standard input (default: " + defaultSpec + ", or MIDAZ_FILE)"},
		&cli.StringSliceFlag{Name: "env-file", Usage: "read values of variables from `FILE` of NAME=value lines instead of .env beside the spec; of all files of values, later ones win"},
		&cli.StringSliceFlag{Name: "var", Usage: "set a variable: `NAME=value`; beats everything else"},
		&cli.StringSliceFlag{Name: "var-file", Usage: "read values of variables from a YAML, JSON or NAME=value `FILE`"},
		&cli.StringSliceFlag{Name: "profile", Usage: "turn a `PROFILE` of the spec on; * turns all on (default: MIDAZ_PROFILES)"},
		chdirFlag()[0],
	}
}

func chdirFlag() []cli.Flag {
	return []cli.Flag{&cli.StringFlag{Name: "chdir", Usage: "take relative paths as from `DIR`"}}
}

// importFlags say where a spec that is made goes.
func importFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "out", Aliases: []string{"o"}, Usage: "write the spec to `FILE` (default: standard output)"},
		&cli.StringFlag{Name: "env-out", Usage: "add the values of its variables to `FILE`, readable by its owner only; what it sets already stays"},
		&cli.BoolFlag{Name: "force", Usage: "write the spec also over a file that exists"},
	}
}

// outputFlags hold for every command that prints.
func outputFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "no-color", Usage: "no colours; also NO_COLOR in the environment"},
		&cli.DurationFlag{Name: "timeout", Usage: "give up after `DURATION`, such as 10m (default: never)"},
	}
}

func jsonFlags(what string) []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "json", Usage: "print " + what + " as JSON on standard output"},
		&cli.StringFlag{Name: "json-into", Usage: "write the JSON to `FILE`, beside the text"},
	}
}

// planFlags bound what a plan may contain.
func planFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "target", Usage: "plan only what matches `ADDR` and what that needs; globs work: 'queue/%2F/*'"},
		&cli.StringSliceFlag{Name: "exclude", Usage: "leave out what matches `ADDR` and what needs it"},
		&cli.StringSliceFlag{Name: "replace", Usage: "replace what matches `ADDR` even without a difference"},
		&cli.StringSliceFlag{Name: "adopt", Usage: "take over what matches `ADDR` from its owner, after showing the difference"},
		&cli.StringSliceFlag{Name: "unprotect", Usage: "lift the protection of what matches `ADDR` for this run"},
		&cli.StringSliceFlag{Name: "allow", Usage: "consent to a `HAZARD` such as data-loss"},
		&cli.BoolFlag{Name: "allow-empty", Usage: "let a spec that declares nothing remove everything of the stack"},
		&cli.IntFlag{Name: "max-destroy", Usage: "refuse a plan that removes or replaces more than `N` resources"},
		&cli.BoolFlag{Name: "only-drift", Usage: "only bring back what was changed outside; leave what the spec newly asks for"},
	}
}

// applyFlags say how to carry a plan out.
func applyFlags(approve bool) []cli.Flag {
	flags := []cli.Flag{
		&cli.IntFlag{Name: "parallelism", Usage: "work on `N` resources at the same time, gates not counted (default: from the engine's processors)"},
		&cli.DurationFlag{Name: "lock-timeout", Usage: "wait up to `DURATION`, such as 10m, for the lock of the stack (default: not at all)"},
		&cli.StringFlag{Name: "on-failure", Value: string(engine.Rollback), Usage: "`POLICY` after a failed replacement: rollback, stop or continue"},
		&cli.StringFlag{Name: "report", Usage: "write the time line of the run as an HTML page to `FILE`, readable by its owner only"},
	}
	if approve {
		flags = append(flags,
			&cli.BoolFlag{Name: "auto-approve", Aliases: []string{"y", "yes"}, Usage: "do not ask"},
			&cli.BoolFlag{Name: "input", Value: true, Usage: "ask when approval is needed; -input=false fails instead"})
	}
	return flags
}

func join(groups ...[]cli.Flag) []cli.Flag { return slices.Concat(groups...) }

// specOptions are the options of loading that the flags and the environment
// ask for.
func (c *call) specOptions() specs.Options {
	files := c.flags.StringSlice("file")
	if len(files) == 0 && c.sys.env("MIDAZ_FILE") != "" {
		files = strings.Split(c.sys.env("MIDAZ_FILE"), ":")
	}
	if len(files) == 0 {
		files = []string{defaultSpec}
	}
	profiles := c.flags.StringSlice("profile")
	if len(profiles) == 0 && c.sys.env("MIDAZ_PROFILES") != "" {
		profiles = strings.Split(c.sys.env("MIDAZ_PROFILES"), ",")
	}
	o := specs.Options{
		Files: files, Stdin: c.sys.stdin, Dir: c.flags.String("chdir"),
		ValueFiles: c.line.valueFiles(), Vars: c.flags.StringSlice("var"),
		LookupEnv: c.sys.lookupEnv, Profiles: profiles,
	}
	if c.inputs != nil {
		o = withInputs(o, *c.inputs, c.flags.IsSet)
	}
	return o
}

// planOptions are the options of planning that the flags ask for.
func (c *call) planOptions() (engine.Options, error) {
	o := engine.Options{
		Targets: c.flags.StringSlice("target"), Excludes: c.flags.StringSlice("exclude"),
		Replace: c.flags.StringSlice("replace"), Adopt: c.flags.StringSlice("adopt"),
		Unprotect: c.flags.StringSlice("unprotect"), Allow: c.flags.StringSlice("allow"),
		AllowEmpty: c.flags.Bool("allow-empty"), OnlyDrift: c.flags.Bool("only-drift"),
	}
	for _, code := range o.Allow {
		if !slices.Contains(resources.HazardCodes(), code) {
			return o, c.usage(fmt.Sprintf("-allow %s: there is no such hazard", code), cmp.Or(specs.DidYouMean(code, resources.HazardCodes()), "expected "+specs.OneOf(resources.HazardCodes())))
		}
	}
	if c.flags.IsSet("max-destroy") {
		n := c.flags.Int("max-destroy")
		if n < 0 {
			return o, c.usage("-max-destroy cannot be negative", "")
		}
		o.MaxDestroy = &n
	}
	return o, nil
}

// onFailure reads -on-failure.
func (c *call) onFailure() (engine.OnFailure, error) {
	v := engine.OnFailure(c.flags.String("on-failure"))
	switch v {
	case engine.Rollback, engine.Stop, engine.Continue:
		return v, nil
	case "":
		return engine.Rollback, nil
	}
	return "", c.usage(fmt.Sprintf("-on-failure %q is not known", v), "expected one of rollback, stop, continue")
}

// usage returns a usage error of this command.
func (c *call) usage(msg, hint string) error {
	return report.UsageError{Verb: c.verb, Msg: msg, Hint: hint}
}

// deadline bounds the call by -timeout.
func (c *call) deadline() time.Duration { return c.flags.Duration("timeout") }
