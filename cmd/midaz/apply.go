package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
)

// errDeclined: someone was asked and did not say yes.
var errDeclined = errors.New("not approved: nothing was changed")

// rounds bounds how often an apply plans again because something could only be
// seen after the round before.
const rounds = 4

// applying is one apply or destroy.
type applying struct {
	*call
	options   engine.Options
	onFailure engine.OnFailure
	approved  bool
	// typed is what must be typed in place of "yes"; "" is "yes".
	typed string

	world  *sight
	stream *stream // nil without -json and -json-into
	close  []func()
	counts engine.Counts
	// worked tells that something was applied in an earlier round.
	worked bool
}

// apply shows the plan, asks and does it.
func apply(c *call) error {
	if len(c.args) > 0 {
		return c.usage("saved plans are not supported yet", "run `midaz apply` without an argument")
	}
	options, err := c.planOptions()
	if err != nil {
		return err
	}
	return c.carryOut(&applying{call: c, options: options, approved: c.flags.Bool("auto-approve")})
}

// up is apply, approved.
func up(c *call) error {
	options, err := c.planOptions()
	if err != nil {
		return err
	}
	return c.carryOut(&applying{call: c, options: options, approved: true})
}

// down removes the stack and keeps volumes.
func down(c *call) error {
	options, err := c.planOptions()
	if err != nil {
		return err
	}
	options.Destroy, options.Keep = true, []string{"volume/*"}
	return c.carryOut(&applying{call: c, options: options, approved: true})
}

// destroy removes the stack, with --volumes its data too.
func destroy(c *call) error {
	options, err := c.planOptions()
	if err != nil {
		return err
	}
	options.Destroy = true
	a := &applying{call: c, approved: c.flags.Bool("auto-approve")}
	if c.flags.Bool("volumes") {
		options.Unprotect = []string{"*"}
		options.Allow = append(options.Allow, resources.DataLoss)
		a.typed = "stack"
	} else {
		options.Keep = []string{"volume/*"}
	}
	a.options = options
	return c.carryOut(a)
}

// carryOut runs the rounds of an apply.
func (c *call) carryOut(a *applying) (err error) {
	if a.onFailure, err = c.onFailure(); err != nil {
		return err
	}
	if err := a.openStream(); err != nil {
		return err
	}
	defer func() {
		for _, f := range slices.Backward(a.close) {
			f()
		}
	}()
	if err := c.need(c.wantsJSON()); err != nil {
		if a.stream != nil {
			a.stream.problems(c.problems)
		}
		return err
	}
	if a.stream != nil {
		a.stream.problems(c.problems)
	}
	before := len(c.problems)
	if err = a.rounds(); err != nil {
		err = c.atPlaces(err)
	}
	if a.stream != nil {
		a.stream.problems(c.problems[min(before, len(c.problems)):])
	}
	var was shownError
	if err != nil && a.stream != nil && !errors.As(err, &was) {
		a.stream.failure(err)
	}
	return err
}

// openStream opens what -json and -json-into ask for.
func (a *applying) openStream() error {
	var w []func([]byte) (int, error)
	if a.wantsJSON() {
		w = append(w, a.sys.stdout.Write)
	}
	if path := a.flags.String("json-into"); path != "" {
		f, err := os.OpenFile(a.path(path), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("write JSON: %w", err)
		}
		a.close = append(a.close, func() { _ = f.Close() })
		w = append(w, f.Write)
	}
	if len(w) == 0 {
		return nil
	}
	a.stream = newStream(fanOut(w), a.sys.now)
	a.close = append(a.close, a.stream.close)
	return nil
}

// fanOut writes to each; a stream that fails does not stop the others.
type fanOut []func([]byte) (int, error)

func (f fanOut) Write(p []byte) (int, error) {
	for _, w := range f {
		_, _ = w(p)
	}
	return len(p), nil
}

// rounds plans and applies until nothing is left. A second round is needed
// when a part of the world, the broker, could only be looked at after the
// first: what is found then is shown and approved like any other plan.
func (a *applying) rounds() error {
	world, err := a.sys.world.write(a.ctx, a.access())
	if err != nil {
		return err
	}
	a.world = world
	defer world.close()
	for n := 1; ; n++ {
		p, err := a.observeAndPlan(world, a.options, false)
		if err != nil {
			return err
		}
		if n > 1 && p.IsEmpty() && len(p.Refusals) == 0 {
			a.complete(p)
			return nil
		}
		again, err := a.round(p)
		if err != nil || !again {
			return err
		}
		if n == rounds {
			return shown(errPartly)
		}
	}
}

// round shows one plan, asks, and applies it. It reports whether to plan again.
func (a *applying) round(p *engine.Plan) (again bool, err error) {
	if !a.wantsJSON() {
		a.print(planText(p, a.out()))
	}
	if a.stream != nil {
		a.stream.planned(p)
	}
	if len(p.Refusals) > 0 {
		if a.stream != nil {
			a.stream.refusals(p)
		}
		return false, shown(p.Refused())
	}
	if p.IsEmpty() {
		a.complete(p)
		return false, nil
	}
	if err := a.approve(p); err != nil {
		return false, err
	}
	report, err := a.apply(p)
	if err != nil {
		return false, err
	}
	a.counts.Add += report.Counts.Add
	a.counts.Change += report.Counts.Change
	a.counts.Destroy += report.Counts.Destroy
	a.worked = true
	if err := a.verdict(report); err != nil {
		return false, err
	}
	if p.Unknown > 0 && !p.Destroy {
		return true, nil
	}
	a.complete(p)
	return false, nil
}

// complete prints the last line of a run in which everything was done.
func (a *applying) complete(p *engine.Plan) {
	if a.stream != nil {
		a.stream.ended(&engine.Report{Plan: p, Counts: a.counts})
	}
	if a.wantsJSON() {
		return
	}
	gap := ""
	if a.worked {
		gap = "\n"
	}
	a.print(gap + completeText(a.counts, p.Destroy, a.out()) + "\n")
}

// approve asks, unless that was done on the command line. Where nobody can
// answer it fails at once.
func (a *applying) approve(p *engine.Plan) error {
	if a.approved {
		return nil
	}
	want, question := "yes", a.question(p)
	if a.typed != "" {
		want = p.Stack
	}
	switch {
	case a.wantsJSON():
		return errors.New("with -json nobody can be asked: approve with -auto-approve")
	case !a.flags.Bool("input") || a.sys.env("MIDAZ_INPUT") == "0":
		return errors.New("approval is needed and -input=false forbids to ask: approve with -auto-approve")
	case !isTerminal(a.sys.stdin):
		return errors.New("approval is needed and nobody is at a terminal to give it: approve with -auto-approve, nothing was changed")
	}
	a.tell(question)
	answer, err := a.readLine()
	if err != nil {
		a.tell("\n")
		return err
	}
	if answer != want {
		return errDeclined
	}
	a.tell("\n")
	return nil
}

func (a *applying) question(p *engine.Plan) string {
	i := a.err()
	what := "Do you want to perform these actions?"
	if p.Destroy {
		what = "Do you really want to destroy these resources?"
	}
	if a.typed != "" {
		return fmt.Sprintf("\n%s\n  Volumes and all data in them will be lost; there is no undo.\n  Type the name of the stack, %s, to go on.\n\n  %s ",
			i.in(bold, what), i.in(bold, clean(p.Stack)), i.in(bold, "Enter a value:"))
	}
	return fmt.Sprintf("\n%s\n  Only 'yes' will be accepted to approve.\n\n  %s ", i.in(bold, what), i.in(bold, "Enter a value:"))
}

// readLine reads an answer, or returns when the run is interrupted.
func (a *applying) readLine() (string, error) {
	type line struct {
		text string
		err  error
	}
	got := make(chan line, 1)
	go func() {
		text, err := bufio.NewReader(a.sys.stdin).ReadString('\n')
		got <- line{strings.TrimSpace(text), err}
	}()
	select {
	case l := <-got:
		if l.err != nil && l.text == "" {
			return "", errDeclined
		}
		return l.text, nil
	case <-a.ctx.Done():
		return "", a.ctx.Err()
	}
}

// apply runs the plan with progress on standard error.
func (a *applying) apply(p *engine.Plan) (*engine.Report, error) {
	shows := several{a.progress(p)}
	if a.stream != nil {
		shows = append(shows, keepOpen{a.stream})
	}
	options := engine.ApplyOptions{Parallelism: a.parallelism(), OnFailure: a.onFailure, Event: shows.take, Now: a.sys.now}
	var report *engine.Report
	var err error
	a.in.whileDraining(shows.say, func(drain <-chan struct{}) {
		options.Drain = drain
		report, err = engine.Apply(a.ctx, p, a.world.world(), options)
	})
	shows.close()
	return report, err
}

// keepOpen is the stream in a round: it ends with the run, not the round.
type keepOpen struct{ *stream }

func (keepOpen) close() {}

// progress is what standard error shows: live lines on a terminal, plain ones
// elsewhere, and nothing when it is the same as the JSON.
func (a *applying) progress(p *engine.Plan) progress {
	if a.wantsJSON() {
		return quiet{}
	}
	a.tell("\n")
	f, ok := a.sys.stderr.(*os.File)
	if ok && isTerminal(f) && a.sys.env("TERM") != "dumb" && !isOn(a.sys.env("CI")) {
		return newLive(f, p, a.err(), a.sys.now)
	}
	return newLines(a.sys.stderr, p, a.err(), a.sys.now)
}

// parallelism is -parallelism, or follows from the engine's processors: most
// of a step is waiting for the engine, so there are more steps than those.
func (a *applying) parallelism() int {
	if n := a.flags.Int("parallelism"); n > 0 {
		return n
	}
	const least, most = 8, 32
	return min(most, max(least, 2*a.world.look.cpus(a.ctx)))
}

// verdict tells what went wrong and turns it into the error that decides the
// exit status.
func (a *applying) verdict(r *engine.Report) error {
	failed := r.Failed()
	if len(failed) == 0 && len(r.Skipped()) == 0 {
		return nil
	}
	total := *r
	total.Counts = a.counts
	if a.stream != nil {
		a.stream.ended(&total)
	}
	if !a.wantsJSON() {
		a.tell(failureText(r, a.err()) + "\n" + incompleteText(&total, a.err()) + "\n")
	}
	switch {
	case r.Interrupted || a.ctx.Err() != nil:
		return shown(fmt.Errorf("%w: %w", engine.ErrInterrupted, context.Canceled))
	case onlyGates(failed):
		return shown(errGate)
	default:
		return shown(errPartly)
	}
}

// onlyGates reports whether every failure is a gate that did not pass.
func onlyGates(failed []engine.StepResult) bool {
	return len(failed) > 0 && !slices.ContainsFunc(failed, func(f engine.StepResult) bool {
		var gate *resources.GateError
		return !errors.As(f.Err, &gate)
	})
}
