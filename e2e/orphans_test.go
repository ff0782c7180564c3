//go:build e2e

package e2e

import (
	"strings"
	"testing"

	"github.com/docker/docker/api/types/volume"
)

// The records of a stack are volumes, which someone may prune. Then it cannot be
// told what was given up since, and what the spec no longer declares is kept until
// an apply confirms that it is to go.
func TestOrphans_without_a_record_must_be_kept_until_confirmed(t *testing.T) {
	t.Parallel()
	s := newStack(t, `services: { a: { image: TINY }, b: { image: TINY } }`)
	s.apply()
	old := s.container("b").ID
	s.pruneRecords()
	s.write("midaz.infra.yaml", `services: { a: { image: TINY, environment: { K: v } } }`)
	s.apply().says("MZ056", "service/b")
	if s.container("b").ID != old {
		t.Fatal("an orphan of which nothing is remembered was removed")
	}
	// There is a record now, and it does not forget that this one is not confirmed.
	s.exits(0, "apply", "-auto-approve").says("service/b").saysNot("No changes")
	s.exits(2, "plan", "-detailed-exitcode")
	s.exits(0, "apply", "-auto-approve", "-allow", "orphans")
	absent(t, s.name+"-b")
	s.converged()
}

// A first run that was killed has left no record either, but its journal.
func TestOrphans_of_a_killed_first_run_must_go(t *testing.T) {
	t.Parallel()
	s := newStack(t, `services: { a: { image: TINY }, b: { image: TINY } }`)
	s.apply()
	s.removeVolumes(func(name string) bool { return strings.HasPrefix(name, "midaz-record-") })
	s.write("midaz.infra.yaml", `services: { a: { image: TINY } }`)
	s.apply()
	absent(t, s.name+"-b")
	s.converged()
}

func (s *stack) pruneRecords() {
	s.t.Helper()
	s.removeVolumes(func(name string) bool { return strings.HasPrefix(name, "midaz-") })
}

// removeVolumes removes volumes of the stack, as someone may who cleans up.
func (s *stack) removeVolumes(which func(name string) bool) {
	s.t.Helper()
	all, err := docker.VolumeList(s.t.Context(), volume.ListOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, v := range all.Volumes {
		if which(v.Name) && (v.Labels["midaz.stack"] == s.name || v.Labels["midaz.runs"] == s.name) {
			if err := docker.VolumeRemove(s.t.Context(), v.Name, false); err != nil {
				s.t.Fatal(err)
			}
		}
	}
}
