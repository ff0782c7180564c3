package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/app"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
)

// invocation is one command line that is being carried out.
type invocation struct {
	ctx  context.Context
	sys  app.System
	in   *app.Interrupt
	line commandLine
}

// runCommand finds the command and runs it.
func runCommand(ctx context.Context, args []string, sys app.System, in *app.Interrupt) (err error) {
	defer bug(&err)
	all := Commands()
	line, err := ParseArgs(args, all, sys.LookupEnv)
	if err != nil {
		return err
	}
	if line.help {
		_, err := io.WriteString(sys.Stdout, helpText(all, line.Verb, InkFor(sys.Stdout, sys.Env, false)))
		return err
	}
	app := &cli.App{
		Name: "midaz", HideHelp: true, HideVersion: true, HideHelpCommand: true, DisableSliceFlagSeparator: true,
		Writer: sys.Stdout, ErrWriter: sys.Stderr,
		ExitErrHandler: func(*cli.Context, error) {}, // the status is decided by exitStatus alone
	}
	for _, d := range all {
		d.HideHelp = true
		d.OnUsageError = func(_ *cli.Context, err error, _ bool) error {
			return report.UsageError{Verb: d.Name, Msg: err.Error()}
		}
		app.Commands = append(app.Commands, d)
	}
	app.Metadata = map[string]any{"line": &invocation{ctx: ctx, sys: sys, in: in, line: line}}
	return app.RunContext(ctx, line.cliArgs())
}

// action makes a function of a call a command's action. most is how many
// arguments it takes; negative is any number.
func action(most int, do func(c *app.Call) error) cli.ActionFunc {
	return command(most, func(c *app.Call, _ *View) error { return do(c) })
}

// command is action for what only this package can answer.
func command(most int, do func(c *app.Call, v *View) error) cli.ActionFunc {
	return func(flags *cli.Context) error {
		r := flags.App.Metadata["line"].(*invocation)
		v := &View{Sys: r.sys, verb: r.line.Verb, Flags: flags}
		args := flags.Args().Slice()
		if most >= 0 && len(args) > most {
			hint := ""
			if most == 0 && v.verb != "version" {
				hint = "the spec is given with -f, resources with -target"
			}
			return v.Usage(fmt.Sprintf("unexpected argument %q", args[most]), hint)
		}
		limit := flags.Duration("timeout")
		if limit < 0 {
			return v.Usage("-timeout cannot be negative", "")
		}
		var err error
		if v.opt, err = v.options(r.line); err != nil {
			return err
		}
		if err := v.readFormats(); err != nil {
			return err
		}
		c := &app.Call{Context: r.ctx, Sys: r.sys, In: r.in, Verb: v.verb, Opt: v.opt, Show: v.show, Began: r.sys.Now()}
		if limit > 0 {
			ctx, cancel := context.WithTimeout(c.Context, limit)
			defer cancel()
			c.Context = ctx
			defer c.In.LeaveAfter(ctx, limit)()
		}
		err = do(c, v)
		if err != nil && errors.Is(c.Context.Err(), context.DeadlineExceeded) {
			return report.TimeoutError{Limit: limit, Cause: err}
		}
		return err
	}
}
