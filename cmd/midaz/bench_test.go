package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/docker"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq"
	"github.com/LerianStudio/midaz-infra/specs"
)

// largeSpec describes services with what services usually have, each with ten
// queues that are bound and consumed.
func largeSpec(services int) string {
	var b strings.Builder
	b.WriteString("version: \"1\"\nstack: large\nvariables:\n  PASS: {sensitive: true}\nnetworks: {net: {}}\nvolumes:\n")
	for i := range services {
		fmt.Fprintf(&b, "  v%d: {}\n", i)
	}
	b.WriteString("services:\n  rabbitmq: {image: 'rabbitmq:4.1', networks: [net]}\n")
	for i := range services {
		fmt.Fprintf(&b, `  s%d:
    image: postgres:17
    command: [postgres, -c, max_connections=100]
    environment: {PGPORT: "5432", POSTGRES_PASSWORD: "${PASS}", NUMBER: "%d"}
    volumes: ["v%d:/var/lib/postgresql/data"]
    networks: [net]
    restart: always
    mem_limit: 512m
    healthcheck: {test: [CMD, pg_isready], interval: 10s, retries: 5}
    depends_on: {rabbitmq: {condition: service_started}}
`, i, i, i)
	}
	b.WriteString("rabbitmq:\n  service: rabbitmq\n  management: {username: admin, password: \"${PASS}\"}\n  vhosts:\n    /:\n      " +
		"exchanges: {x: {type: direct, durable: true}}\n      queues:\n")
	for i := range services * 10 {
		fmt.Fprintf(&b, "        q%d: {type: quorum, durable: true}\n", i)
	}
	return b.String()
}

// BenchmarkPlanLarge is all that `midaz plan` does but for asking the engine
// and the broker: reading, resolving and planning against what was observed.
// heap-MB is what is still held at the end.
func BenchmarkPlanLarge(b *testing.B) {
	for _, services := range []int{500, 1000, 2000} {
		b.Run(fmt.Sprintf("services=%d/queues=%d", services, services*10), func(b *testing.B) {
			file := filepath.Join(b.TempDir(), "midaz.infra.yaml")
			if err := os.WriteFile(file, []byte(largeSpec(services)), 0o600); err != nil {
				b.Fatal(err)
			}
			kinds := append(docker.Kinds(), rabbitmq.Kinds()...)
			resolve := func() *resources.Declared {
				spec, problems := specs.Load(specs.Options{Files: []string{file}, Vars: []string{"PASS=secret"}})
				if err := problems.Err(); err != nil {
					b.Fatal(err)
				}
				d, problems := engine.Resolve(spec, kinds)
				if err := problems.Err(); err != nil {
					b.Fatal(err)
				}
				return d
			}
			seen := engine.NewSeen(observedAsDeclared(resolve()))
			b.ReportAllocs()
			var plan *engine.Plan
			for b.Loop() {
				plan = engine.MakePlan(resolve(), seen, engine.Options{})
			}
			if n := plan.Counts(); n.Change != services/7+1 || n.Add+n.Destroy != 0 {
				b.Fatalf("planned %+v", n)
			}
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			b.ReportMetric(float64(m.HeapAlloc)/1e6, "heap-MB")
			runtime.KeepAlive(plan)
		})
	}
}

// observedAsDeclared returns a world in which everything is as the spec says,
// but for a limit of every seventh service.
func observedAsDeclared(d *resources.Declared) []*resources.Observed {
	var out []*resources.Observed
	services := 0
	for _, r := range d.Resources {
		have := r.Config.Clone()
		sealed := resources.Seal(r.Config)
		o := &resources.Observed{Addr: r.Addr, Presence: resources.Present, Stack: r.Stack, Have: have, Applied: &sealed, ID: r.Addr.Name,
			Refs: r.Refs, State: "running"}
		if r.Addr.Kind == "service" && r.Addr.Name != "rabbitmq" {
			if services%7 == 0 {
				have["mem_limit"] = "256m"
			}
			services++
		}
		out = append(out, o)
	}
	return out
}
