//go:build e2e

package e2e

import (
	"strings"
	"testing"
)

const beforeMove = `
	networks: { old: {} }
	volumes: { data: {} }
	services:
	  db:
	    image: TINY
	    networks: [old]
	    volumes: ["data:/data"]
	    ports: ["127.0.0.1:PORT1:8080"]
	    gate: { tcp: 8080, timeout: 20s }
	`

const afterMove = `
	moved:
	  - { from: network/old, to: network/new }
	  - { from: volume/data, to: volume/pgdata }
	  - { from: service/db, to: service/database }
	networks: { new: {} }
	volumes: { pgdata: {} }
	services:
	  database:
	    image: TINY
	    networks: [new]
	    volumes: ["pgdata:/data"]
	    ports: ["127.0.0.1:PORT1:8080"]
	    gate: { tcp: 8080, timeout: 20s }
	`

func TestMoved_must_lose_nothing(t *testing.T) {
	t.Parallel()
	s := newStack(t, beforeMove)
	s.sweepLock()
	s.apply()
	volume := s.name + "_data"
	s.write("midaz.infra.yaml", afterMove)
	s.exits(0, "validate").says("stays "+volume+" there", "name: "+volume)
	s.apply().saysNot("volume/[a-z]+ will be", "volume/[a-z]+ must be")
	c := s.container("database")
	if len(c.Mounts) != 1 || c.Mounts[0].Name != volume {
		t.Errorf("mounts: %+v", c.Mounts)
	}
	if got := s.containers(); len(got) != 1 {
		t.Errorf("left over: %v", got)
	}
	if c.NetworkSettings.Networks[s.name+"_new"] == nil || len(c.NetworkSettings.Networks) != 1 {
		t.Errorf("networks: %v", c.NetworkSettings.Networks)
	}
	s.converged()

	// The entries may go when the volume's name is written.
	after := strings.Replace(afterMove[strings.Index(afterMove, "\tnetworks:"):], "pgdata: {}", "pgdata: { name: STACK_data }", 1)
	s.write("midaz.infra.yaml", after)
	s.converged()
	s.exits(0, "validate").saysNot("moved")

	// Without the name the volume is not lost, and the refusal says what to write.
	s.write("midaz.infra.yaml", strings.Replace(after, "{ name: STACK_data }", "{}", 1))
	s.exits(7, "apply", "-auto-approve").says("protected")
	if got := s.container("database").ID; got != c.ID {
		t.Error("the container was replaced by a refused apply")
	}
}
