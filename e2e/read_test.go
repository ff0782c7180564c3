//go:build e2e

package e2e

import (
	"fmt"
	"slices"
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
				if r.code != 0 {
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
func TestReading_commands_must_make_at_most_one_inspect_more_for_each_service(t *testing.T) {
	t.Parallel()
	const few, many = 3, 12
	spec := func(n int) string {
		text := "services:\n"
		for i := range n {
			text += fmt.Sprintf("  s%d: { image: TINY, gate: { stable_for: 1ms } }\n", i)
		}
		return text
	}
	calls := map[string]map[int][]proxy.Call{}
	s := newStack(t, spec(few))
	p := s.record()
	for _, n := range []int{few, many} {
		s.write("midaz.infra.yaml", spec(n))
		s.apply()
		for _, command := range []string{"plan", "drift", "ps"} {
			p.Reset()
			s.exits(0, command)
			readsOnly(t, p)
			if calls[command] == nil {
				calls[command] = map[int][]proxy.Call{}
			}
			// Lists that several readers need are asked for once when they ask at the
			// same time, and again when not: their number says nothing of the services.
			calls[command][n] = slices.DeleteFunc(p.Calls(), func(c proxy.Call) bool {
				return strings.HasSuffix(c.Path, "/containers/json") || strings.HasSuffix(c.Path, "/networks") || strings.HasSuffix(c.Path, "/volumes")
			})
		}
	}
	for command, by := range calls {
		if more := len(by[many]) - len(by[few]); more > many-few {
			t.Errorf("%s: %d services more take %d calls more: %v", command, many-few, more, by[many])
		}
	}
}
