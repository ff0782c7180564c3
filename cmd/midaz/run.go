package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
)

// invocation is one command line that is being carried out.
type invocation struct {
	ctx  context.Context
	sys  system
	in   *interrupt
	line commandLine
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
	app.Metadata = map[string]any{"line": &invocation{ctx: ctx, sys: sys, in: in, line: line}}
	return app.RunContext(ctx, line.cliArgs())
}

// action makes a function of a call a command's action. most is how many
// arguments it takes; negative is any number.
func action(most int, do func(c *call) error) cli.ActionFunc {
	return command(most, func(c *call, _ *view) error { return do(c) })
}

// command is action for what only this package can answer.
func command(most int, do func(c *call, v *view) error) cli.ActionFunc {
	return func(flags *cli.Context) error {
		r := flags.App.Metadata["line"].(*invocation)
		v := &view{sys: r.sys, verb: r.line.verb, flags: flags}
		args := flags.Args().Slice()
		if most >= 0 && len(args) > most {
			hint := ""
			if most == 0 && v.verb != "version" {
				hint = "the spec is given with -f, resources with -target"
			}
			return v.usage(fmt.Sprintf("unexpected argument %q", args[most]), hint)
		}
		limit := flags.Duration("timeout")
		if limit < 0 {
			return v.usage("-timeout cannot be negative", "")
		}
		opt, err := v.options(r.line)
		if err != nil {
			return err
		}
		if err := v.formats(); err != nil {
			return err
		}
		c := &call{ctx: r.ctx, sys: r.sys, in: r.in, verb: v.verb, opt: opt, show: v.show, began: r.sys.now()}
		if limit > 0 {
			ctx, cancel := context.WithTimeout(c.ctx, limit)
			defer cancel()
			c.ctx = ctx
			defer c.in.leaveAfter(ctx, limit)()
		}
		err = do(c, v)
		if err != nil && errors.Is(c.ctx.Err(), context.DeadlineExceeded) {
			return report.TimeoutError{Limit: limit, Cause: err}
		}
		return err
	}
}
