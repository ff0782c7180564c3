package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/app"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// DefaultSpec is the file that is read when none is named.
const DefaultSpec = "midaz.infra.yaml"

// specFlags choose the spec and the values of its variables.
func specFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "file", Aliases: []string{"f"},
			Usage: "spec `FILE`, repeated to merge several left to right; - is standard input (default: " + DefaultSpec + ", or MIDAZ_FILE)"},
		&cli.StringSliceFlag{Name: "env-file", Usage: "read values of variables from `FILE` of NAME=value lines instead of .env beside the " +
			"spec; of all files of values, later ones win"},
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
		&cli.StringFlag{Name: "env-out", Usage: "add the values of its variables to `FILE`, readable by its owner only; what it sets already " +
			"stays"},
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
		&cli.IntFlag{Name: "parallelism", Usage: "work on `N` resources at the same time, gates not counted (default: from the engine's " +
			"processors)"},
		&cli.DurationFlag{Name: "lock-timeout", Usage: "wait up to `DURATION`, such as 10m, for the lock of the stack (default: not at all)"},
		&cli.StringFlag{Name: "on-failure", Value: string(engine.Rollback),
			Usage: "`POLICY` after a failed replacement: rollback, stop or continue"},
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

// policyFlags name rules beside those of the spec.
func policyFlags() []cli.Flag {
	return []cli.Flag{&cli.StringSliceFlag{Name: "policy",
		Usage: "hold the plan against the rules of `FILE` too, which the spec cannot change; repeated"}}
}

// options are what the flags and the environment ask for.
func (v *View) options(line commandLine) (app.Options, error) {
	f := v.Flags
	o := app.Options{
		Args: f.Args().Slice(), JSON: f.Bool("json"),
		Source: v.source(line), Stack: f.String("stack"), Policies: f.StringSlice("policy"),
		Given: app.GivenSource{Files: f.IsSet("file"), Profiles: f.IsSet("profile"), Values: f.IsSet("env-file") || f.IsSet("var-file"),
			Dir: f.IsSet("chdir")},
		Detailed: f.Bool("detailed-exitcode"), Observed: f.String("observed"),
		Approved: f.Bool("auto-approve"), MayAsk: f.Bool("input") && v.Sys.Env("MIDAZ_INPUT") != "0", AtTerminal: isTerminal(v.Sys.Stdin),
		Volumes: f.Bool("volumes"), LockTimeout: f.Duration("lock-timeout"), Report: f.String("report") != "",
		OnFailure: engine.OnFailure(cmp.Or(f.String("on-failure"), string(engine.Rollback))),
		Out:       f.String("out"), EnvOut: f.String("env-out"), Force: f.Bool("force"), Dry: f.Bool("dry-run"),
		Fix: f.Bool("fix"), SuggestIgnore: f.Bool("suggest-ignore"), Steps: f.Bool("plan"),
		Headers: f.StringSlice("header"), EnvFiles: f.StringSlice("env-file"), Project: f.String("project"), Labels: f.StringSlice("label"),
		Service: f.String("service"), URL: f.String("url"), Part: f.Bool("part"),
	}
	for name, to := range map[string]**string{"confirm": &o.Confirm, "vhost": &o.Vhost} {
		if f.IsSet(name) {
			text := f.String(name)
			*to = &text
		}
	}
	if f.IsSet("parallelism") {
		n := f.Int("parallelism")
		o.Parallelism = &n
	}
	for _, p := range planFlags() {
		if name := p.Names()[0]; o.Planning == "" && f.IsSet(name) {
			o.Planning = name
		}
	}
	var err error
	if o.Plan, err = v.planOptions(); err != nil {
		return o, err
	}
	switch {
	case !slices.Contains([]engine.OnFailure{engine.Rollback, engine.Stop, engine.Continue}, o.OnFailure):
		return o, v.Usage(fmt.Sprintf("-on-failure %q is not known", o.OnFailure), "expected one of rollback, stop, continue")
	case o.LockTimeout < 0:
		return o, v.Usage("-lock-timeout cannot be negative", "")
	case o.Parallelism != nil && *o.Parallelism < 1:
		return o, v.Usage("-parallelism must be at least 1", "")
	case o.Dry && v.verb == "validate" && !o.Fix:
		return o, v.Usage("-dry-run goes with -fix", "")
	case v.verb != "logs":
		return o, nil
	}
	o.Logs, err = v.logOptions()
	return o, err
}

// source is where the spec and its values are read from.
func (v *View) source(line commandLine) specs.Options {
	files := v.Flags.StringSlice("file")
	if len(files) == 0 && v.Sys.Env("MIDAZ_FILE") != "" {
		files = strings.Split(v.Sys.Env("MIDAZ_FILE"), ":")
	}
	if len(files) == 0 {
		files = []string{DefaultSpec}
	}
	profiles := v.Flags.StringSlice("profile")
	if len(profiles) == 0 {
		for _, name := range strings.Split(v.Sys.Env("MIDAZ_PROFILES"), ",") {
			if name = strings.TrimSpace(name); name != "" {
				profiles = append(profiles, name)
			}
		}
	}
	return specs.Options{Files: files, Dir: v.Flags.String("chdir"), ValueFiles: line.valueFiles(), Vars: v.Flags.StringSlice("var"),
		Profiles: profiles}
}

// planOptions are the options of planning.
func (v *View) planOptions() (engine.Options, error) {
	o := engine.Options{
		Targets: v.Flags.StringSlice("target"), Excludes: v.Flags.StringSlice("exclude"),
		Replace: v.Flags.StringSlice("replace"), Adopt: v.Flags.StringSlice("adopt"),
		Unprotect: v.Flags.StringSlice("unprotect"), Allow: v.Flags.StringSlice("allow"),
		AllowEmpty: v.Flags.Bool("allow-empty"), OnlyDrift: v.Flags.Bool("only-drift"),
	}
	for _, code := range o.Allow {
		if !slices.Contains(resources.HazardCodes(), code) {
			return o, v.Usage(fmt.Sprintf("-allow %s: there is no such hazard", code), cmp.Or(specs.DidYouMean(code, resources.HazardCodes()),
				"expected "+specs.OneOf(resources.HazardCodes())))
		}
	}
	if v.Flags.IsSet("max-destroy") {
		n := v.Flags.Int("max-destroy")
		if n < 0 {
			return o, v.Usage("-max-destroy cannot be negative", "")
		}
		o.MaxDestroy = &n
	}
	return o, nil
}

func (v *View) logOptions() (app.LogOptions, error) {
	o := app.LogOptions{Follow: v.Flags.Bool("follow"), Tail: v.Flags.String("tail"), Since: v.Flags.String("since"),
		Timestamps: v.Flags.Bool("timestamps")}
	if n, err := strconv.Atoi(o.Tail); o.Tail != "all" && (err != nil || n < 0) {
		return o, v.Usage(fmt.Sprintf("--tail %q is not a number of lines", o.Tail), "for example --tail 100, or --tail all")
	}
	if o.Since != "" {
		d, derr := time.ParseDuration(o.Since)
		t, terr := time.Parse(time.RFC3339, o.Since)
		switch {
		case derr == nil && d >= 0:
			t = v.Sys.Now().Add(-d)
		case terr != nil:
			return o, v.Usage(fmt.Sprintf("--since %q is neither a duration nor a time", o.Since),
				"for example --since 10m, or --since 2026-01-31T12:00:00Z")
		}
		o.Since = t.UTC().Format(time.RFC3339Nano)
	}
	return o, nil
}

// Usage returns a usage error of this command.
func (v *View) Usage(msg, hint string) error {
	return report.UsageError{Verb: v.verb, Msg: msg, Hint: hint}
}
