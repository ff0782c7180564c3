package specs

import (
	"fmt"
	"strings"
	"testing"
)

// largeSpec is a spec with that many services and queues, with an anchor, a
// merge key, variables and a binding for each queue.
func largeSpec(services, queues int) string {
	var b strings.Builder
	b.WriteString("version: \"1\"\nstack: large\nvariables:\n  TAG: { default: \"17\" }\n  PASS: { sensitive: true }\nx-base: &base\n  " +
		"restart: always\n  networks: [infra]\nservices:\n")
	for i := range services {
		fmt.Fprintf(&b, "  service-%d:\n    <<: *base\n    image: postgres:${TAG}\n    environment: { PGPORT: \"%d\", POSTGRES_PASSWORD: "+
			"\"${PASS}\" }\n    ports: [\"%d:5432\"]\n    healthcheck: { test: [CMD, pg_isready], interval: 10s }\n", i, i, 10000+i)
	}
	b.WriteString("rabbitmq:\n  service: service-0\n  vhosts:\n    /:\n      exchanges: { events: { type: topic } }\n      queues:\n")
	for i := range queues {
		fmt.Fprintf(&b, "        queue-%d: { type: quorum, arguments: { x-max-length: %d, x-dead-letter-exchange: events } }\n", i, i)
	}
	b.WriteString("      bindings:\n")
	for i := range queues {
		fmt.Fprintf(&b, "        - { source: events, queue: queue-%d, routing_key: \"key.%d\" }\n", i, i)
	}
	return b.String()
}

// BenchmarkLoad shows time per size: it should grow as the size does.
func BenchmarkLoad(b *testing.B) {
	for _, size := range []struct{ services, queues int }{{0, 1_000}, {0, 10_000}, {1_000, 10_000}, {0, 40_000}} {
		text := largeSpec(size.services, size.queues)
		b.Run(fmt.Sprintf("services=%d/queues=%d", size.services, size.queues), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, ps := loadText(text, Options{Vars: []string{"PASS=x"}}); ps.Errors() > 0 && size.services > 0 {
					b.Fatal(ps[0])
				}
			}
		})
	}
}

func BenchmarkReferences(b *testing.B) {
	text := "postgres://${USER:-midaz}:${PASS}@db:${PORT:-${DEFAULT_PORT}}/x?y=$$z"
	for b.Loop() {
		splitReferences(text)
	}
}
