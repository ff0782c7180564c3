package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/app"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/cli"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/render"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/fake"
	"github.com/LerianStudio/midaz-infra/specs"
)

// agreeStates are what may have become of an object since the last apply.
var agreeStates = []string{"as applied", "changed outside", "spec changed", "both", "unreadable", "absent", "removed outside", "foreign",
	"adopted", "obsolete copy"}

// agreeCase is one row of one kind with two values of it, as a spec.
type agreeCase struct {
	kind  *resources.Table
	field *resources.Field
	addr  resources.Addr
	specs [2]string // with the row's example, and with its other
	ready [2]*resources.Declared
}

// agreeCases returns the rows of the real kinds that a spec with one resource can
// have, each with two different values.
func agreeCases(t *testing.T) []*agreeCase {
	t.Helper()
	kinds := app.RealWorld().Kinds()
	var out []*agreeCase
	for _, k := range kinds {
		table := k.Table()
		if table.Section == "" || table.Kind == "broker" {
			continue
		}
		base, err := specs.ParseValue(table.Example)
		if err != nil {
			t.Fatal(err)
		}
		for i := range table.Fields {
			f := &table.Fields[i]
			c := &agreeCase{kind: table, field: f}
			for n, text := range []string{f.Example, f.Other} {
				value, err := specs.ParseValue(text)
				if err != nil {
					t.Fatal(err)
				}
				c.specs[n] = agreeFrame(positionSpec(t, table, base, f.Key, value))
				_, declared, problems := loadPosition(c.specs[n], lineCanary, kinds)
				if r := agreeResource(declared, table.Kind); problems.Errors() == 0 && r != nil && !r.External {
					c.addr, c.ready[n] = r.Addr, declared
				}
			}
			if c.ready[0] != nil && c.ready[1] != nil && agreeResource(c.ready[1], table.Kind).Addr == agreeResource(c.ready[0], table.Kind).Addr {
				out = append(out, c)
			}
		}
	}
	return out
}

// agreeFrame declares what the examples refer to.
func agreeFrame(spec string) string {
	if !strings.Contains(spec, "\nvolumes:") && strings.Contains(spec, "postgres-data") {
		spec += "volumes: { postgres-data: {} }\n"
	}
	if at := strings.Index(spec, "\nrabbitmq:\n"); at >= 0 {
		at += len("\nrabbitmq:\n")
		spec = spec[:at] + "    url: http://broker.test:15672\n    management: { username: admin, password: \"${CANARY}\" }\n" + spec[at:]
	}
	return strings.NewReplacer("${RABBITMQ_TRANSACTION_PASS}", "${CANARY}", "${RABBITMQ_OTHER_PASS}", "${CANARY}2").Replace(spec)
}

func agreeResource(declared *resources.Declared, kind string) *resources.Resource {
	if of := declared.Of(kind); len(of) > 0 {
		return of[0]
	}
	return nil
}

// TestPlanAndDriftAgree: for each row of each kind and each state of its object,
// drift reports just the differences that the plan marks as made outside, each of
// them with the same values; what is unknown to one is unknown to the other; and
// drift ends with 0 exactly when the plan of what was last applied is empty, but
// for what was changed outside to the very value that the spec asks for now. It
// draws rows and states; MIDAZ_AGREE says how many (400).
func TestPlanAndDriftAgree(t *testing.T) {
	cases := agreeCases(t)
	if len(cases) < 100 {
		t.Errorf("only %d rows are tried", len(cases))
	}
	n := 400
	if v, err := strconv.Atoi(os.Getenv("MIDAZ_AGREE")); err == nil {
		n = v
	}
	for i := range n {
		c := rapid.SampledFrom(cases).Example(i)
		state := rapid.SampledFrom(agreeStates).Example(i + n)
		if err := c.agree(t, state); err != nil {
			t.Errorf("%s.%s, %s: %v", c.kind.Kind, c.field.Key, state, err)
		}
	}
}

// agree puts the object of the case into a state and asks plan and drift.
func (c *agreeCase) agree(t *testing.T, state string) error {
	w := c.world(t, state)
	spec := 0
	if state == "spec changed" || state == "both" {
		spec = 1
	}
	unread := state == "unreadable"
	var p render.JSONPlan
	var d render.JSONDrift
	planned, out := c.run(t, w, unread, spec, "plan", "-json", "-detailed-exitcode")
	if err := json.Unmarshal(out, &p); err != nil {
		return fmt.Errorf("plan: %w\n%s", err, out)
	}
	drifted, out := c.run(t, w, unread, spec, "drift", "-json")
	if err := json.Unmarshal(out, &d); err != nil {
		return fmt.Errorf("drift: %w\n%s", err, out)
	}
	if a, b := markedIn(p.ResourceChanges), markedIn(d.ResourceDrift); !slices.Equal(a, b) {
		return fmt.Errorf("the plan marks %q as drift, drift reports %q", a, b)
	}
	if a, b := unknownIn(p.ResourceChanges), unreadIn(d.Unknown); !slices.Equal(a, b) {
		return fmt.Errorf("unknown to the plan is %q, to drift %q", a, b)
	}
	if isDrift := len(d.ResourceDrift) > 0; (drifted == 2) != isDrift || isDrift && planned == 0 {
		return fmt.Errorf("with %d of drift, drift ends with %d and plan with %d", len(d.ResourceDrift), drifted, planned)
	}
	if state == "both" {
		return nil // it was changed outside to what the spec asks for now: the two do not differ
	}
	if spec != 0 {
		last, _ := c.run(t, w, unread, 0, "plan", "-detailed-exitcode")
		if (last == 0) != (drifted == 0) {
			return fmt.Errorf("drift ends with %d, the plan of what was last applied with %d", drifted, last)
		}
	} else if slices.Contains([]string{"as applied", "changed outside", "unreadable", "removed outside"}, state) &&
		(planned == 0) != (drifted == 0) {
		return fmt.Errorf("drift ends with %d, the plan of what was last applied with %d", drifted, planned)
	}
	return nil
}

// world applies the first spec, and then does to its object what the state says.
func (c *agreeCase) world(t *testing.T, state string) *fake.World {
	w := &fake.World{LockTime: fakeSystem().Now()}
	for _, r := range c.ready[0].Resources {
		sealed := r.Seal(resources.Config(c.kindOf(r).Marked(r.Config)))
		w.Put(r.Addr, &fake.Object{Stack: c.ready[0].Stack, Fields: r.Config.Clone(), Applied: &sealed, Protect: r.Protect, Refs: r.Refs})
	}
	o := w.Get(c.addr)
	other := agreeResource(c.ready[1], c.kind.Kind).Config
	switch state {
	case "changed outside", "both", "adopted":
		if v, ok := other[c.field.Key]; ok {
			o.Fields[c.field.Key] = v
		} else {
			delete(o.Fields, c.field.Key)
		}
	case "absent":
		w.Remove(c.addr)
	case "removed outside":
		o.Gone = true
	case "foreign":
		o.Stack, o.Owner, o.Applied = "", `Compose project "x"`, nil
	case "obsolete copy":
		w.Put(resources.Addr{Kind: c.addr.Kind, Name: c.addr.Name + ".old-9"}, &fake.Object{Stack: o.Stack, Fields: o.Fields.Clone(),
			Applied: o.Applied})
	}
	if state == "adopted" {
		o.Applied = nil
	}
	return w
}

func (c *agreeCase) kindOf(r *resources.Resource) *resources.Table {
	return c.ready[0].Kind(r.Addr.Kind).Table()
}

// run runs a command on one of the two specs.
func (c *agreeCase) run(t *testing.T, w *fake.World, unread bool, spec int, args ...string) (int, []byte) {
	var out, errs bytes.Buffer
	sys := fakeSystem()
	sys.Stdin, sys.Stdout, sys.Stderr = strings.NewReader(c.specs[spec]), &out, &errs
	sys.World = app.RealWorld()
	sys.World.Read = func(context.Context, app.Access) (*app.Session, error) {
		s := &app.Session{Readers: w.ReadersOf(sys.World.Kinds()), Inspect: fakeInspector{}, Journal: fakeJournal{w}, Close: func() {}}
		for kind, r := range s.Readers {
			s.Readers[kind] = agreeReader{docsReader{r, kind, false}, unread, c.addr}
		}
		return s, nil
	}
	status := cli.Run(t.Context(), append(args, "-f", "-", "-var", "CANARY="+lineCanary, "-profile", "*"), sys)
	return status, out.Bytes()
}

// agreeReader cannot read one object.
type agreeReader struct {
	resources.Reader
	unread bool
	addr   resources.Addr
}

func (r agreeReader) Observe(ctx context.Context, scope resources.Scope) ([]*resources.Observed, error) {
	all, err := r.Reader.Observe(ctx, scope)
	for i, o := range all {
		if r.unread && o.Addr == r.addr {
			all[i] = resources.NotRead(o.Addr, fmt.Errorf("it cannot be read"))
		}
	}
	return all, err
}

// markedIn returns the differences that are marked as made outside, in order.
func markedIn(all []render.JSONResource) []string {
	var out []string
	for _, r := range all {
		if r.ActionReason == "create_because_removed_outside" {
			out = append(out, r.Address+" is gone")
		}
		for _, f := range r.Midaz.Fields {
			if f.Drift {
				out = append(out, fmt.Sprint(r.Address, " ", f.Path, " ", f.Before, " ", f.After))
			}
		}
	}
	slices.Sort(out)
	return out
}

func unknownIn(all []render.JSONResource) []string {
	var out []string
	for _, r := range all {
		if r.Midaz.Unknown != "" {
			out = append(out, r.Address)
		}
	}
	slices.Sort(out)
	return out
}

func unreadIn(all []render.JSONUnread) []string {
	var out []string
	for _, u := range all {
		out = append(out, u.Address)
	}
	slices.Sort(out)
	return out
}
