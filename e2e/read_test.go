//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/LerianStudio/midaz-infra/e2e/proxy"
)

const several = `
	networks: { n: {} }
	volumes: { v: { protect: false } }
	services:
	  a:
	    image: TINY
	    networks: [n]
	    volumes: ["v:/data"]
	    files: [{ content: "hello", target: /etc/hello, mode: "0444" }]
	    healthcheck: { test: [CMD, /tiny, probe, "http://127.0.0.1:8080/health"], interval: 1h }
	  b:
	    image: TINY
	    networks: [n]
	    depends_on: { a: { condition: service_healthy } }
	jobs:
	  j: { image: TINY, command: [say, done], networks: [n] }
	`

func TestReading_commands_must_only_make_GET_calls(t *testing.T) {
	t.Parallel()
	for _, state := range []string{"nothing", "converged", "changed"} {
		s := newStack(t, several)
		p := s.record()
		if state != "nothing" {
			s.apply()
			if len(p.Writes()) == 0 {
				t.Fatal("the proxy saw no write of an apply")
			}
		}
		if state == "changed" {
			s.write("midaz.infra.yaml", strings.ReplaceAll(several, "hello", "good bye"))
		}
		for _, command := range []string{"plan", "drift", "ps", "logs", "info"} {
			t.Run(state+" "+command, func(t *testing.T) {
				p.Reset()
				r := s.midaz(command)
				if r.code != 0 && state+" "+command != "nothing logs" {
					t.Errorf("%s", r)
				}
				readsOnly(t, p)
			})
		}
		for _, command := range []string{"validate", "graph", "schema", "version"} {
			t.Run(state+" "+command, func(t *testing.T) {
				p.Reset()
				s.exits(0, command)
				if calls := p.Calls(); len(calls) > 0 {
					t.Errorf("it needs no engine, and made %v", calls)
				}
			})
		}
	}
}

func TestApply_with_nothing_to_do_must_not_write(t *testing.T) {
	t.Parallel()
	s := newStack(t, several)
	p := s.record()
	s.apply()
	p.Reset()
	s.apply().says("Apply complete! Resources: 0 added, 0 changed, 0 destroyed|No changes")
	readsOnly(t, p)
}

// The number of calls must not grow by more than one inspect for each service.
func TestPlan_must_make_at_most_one_call_more_for_each_service(t *testing.T) {
	t.Parallel()
	spec := func(n int) string {
		text := "services:\n"
		for i := range n {
			text += fmt.Sprintf("  s%d: { image: TINY, gate: { stable_for: 1ms } }\n", i)
		}
		return text
	}
	calls := map[int][]proxy.Call{}
	s := newStack(t, spec(2))
	p := s.record()
	for _, n := range []int{2, 8} {
		s.write("midaz.infra.yaml", spec(n))
		s.apply()
		p.Reset()
		s.converged()
		calls[n] = p.Calls()
	}
	if more := len(calls[8]) - len(calls[2]); more > 6 {
		t.Errorf("6 services more take %d calls more: %v", more, calls[8])
	}
}
