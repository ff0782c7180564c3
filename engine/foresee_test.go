package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/fake"
)

// shape is all of a plan that a reader sees, without which object was found.
func shape(p *engine.Plan) string {
	var b strings.Builder
	b.WriteString(p.String())
	for _, c := range p.Changes {
		fmt.Fprintf(&b, "%s %s %s %d %v\n", c.Addr, c.Action, c.Reason, c.Unchanged, c.Hazards)
		for _, d := range c.Delta {
			fmt.Fprintf(&b, "  %s %s %s %s %v %v\n", d.Path, resources.Show(d.Before), resources.Show(d.After), d.Cost, d.Drift, d.Pending)
		}
	}
	return b.String()
}

// TestForesee: two specs compared give the plan that there is after the first
// was applied.
func TestForesee(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := run{t, &fake.World{}}
		before, after := randomSpec(t, "before"), randomSpec(t, "after")
		r.apply(before)
		r.w.Restart()
		was, now := r.declare(before), r.declare(after)
		if got, want := shape(engine.MakePlan(now, engine.Foresee(was, now), consent)), shape(r.plan(after)); got != want {
			t.Fatalf("compared:\n%s\nplanned:\n%s\nbefore:\n%s\nafter:\n%s", got, want, before, after)
		}
	})
}
