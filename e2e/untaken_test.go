//go:build e2e

package e2e

import (
	"strings"
	"testing"
)

// A value that the engine silently leaves out is told at its line, and is
// neither a difference for ever nor drift.
func TestValue_that_the_engine_does_not_take_must_be_told_and_make_no_phantom(t *testing.T) {
	t.Parallel()
	s := newStack(t, `
		services:
		  a:
		    image: TINY
		    blkio_config: { weight: 300 }
		`)
	r := s.apply()
	if s.container("a").HostConfig.BlkioWeight == 300 {
		t.Skip("this engine's host supports weights")
	}
	said := func(r *result) {
		t.Helper()
		r.says("midaz.infra.yaml:6:21: warning: the engine has not taken blkio_config.weight = 300 of service/a", "MZ120")
	}
	said(r)
	plan := s.exits(0, "plan", "-detailed-exitcode")
	said(plan)
	said(s.exits(0, "drift"))
	s.converged()
	if !strings.Contains(plan.stdout, "No changes.") {
		t.Errorf("%s", plan)
	}
	// A change of the value is one again.
	s.write("midaz.infra.yaml", `services: { a: { image: TINY } }`)
	s.apply().saysNot("MZ120")
	s.converged()
}
