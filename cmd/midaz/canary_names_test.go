package main

import (
	"fmt"
	"testing"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/app"
	"github.com/LerianStudio/midaz-infra/resources"
)

// TestSensitiveNamesAreRefused: wherever the value of a sensitive variable would
// become a name, or a part of one, the spec has an error. Beside a name it may
// stand, also where both are written in one text.
func TestSensitiveNamesAreRefused(t *testing.T) {
	kinds := app.RealWorld().Kinds()
	for field, refused := range map[string]bool{
		`network_mode: "container:${CANARY}"`:                               true,
		`network_mode: "service:${CANARY}"`:                                 true,
		`pid: "container:${CANARY}"`:                                        true,
		`ipc: "container:x-${CANARY}"`:                                      true,
		`networks: ["${CANARY}"]`:                                           true,
		`volumes: ["${CANARY}:/data"]`:                                      true,
		`volumes: ["data-${CANARY}:/data"]`:                                 true,
		`volumes: [{ type: volume, source: "${CANARY}", target: /data }]`:   true,
		`volumes: ["data:/data/${CANARY}"]`:                                 false,
		`volumes: ["/srv/${CANARY}:/data"]`:                                 false,
		`volumes: [{ type: bind, source: "/${CANARY}", target: /data }]`:    false,
		`environment: ["${CANARY}=1"]`:                                      true,
		`environment: ["${CANARY}"]`:                                        true,
		`environment: ["A${TAG}=${CANARY}"]`:                                false,
		`environment: ["A=${TAG:+x}${CANARY}"]`:                             false,
		`labels: ["${CANARY}=1"]`:                                           true,
		`labels: ["${CANARY}"]`:                                             true,
		`labels: ["a=${CANARY}"]`:                                           false,
		`annotations: ["x${CANARY}"]`:                                       true,
		`depends_on: ["${CANARY}"]`:                                         true,
		`profiles: ["${CANARY}"]`:                                           true,
		`container_name: "x-${CANARY}"`:                                     true,
		`build: { dockerfile_inline: FROM scratch, args: ["${CANARY}=x"] }`: true,
		`build: { dockerfile_inline: FROM scratch, tags: ["x:${CANARY}"] }`: true,
	} {
		_, declared, problems := loadPosition(fmt.Sprintf(`version: "1"
stack: test
variables: { CANARY: { sensitive: true }, TAG: { default: b } }
volumes: { data: {} }
services: { a: { image: "x:1", %s } }
`, field), shortCanary, kinds)
		found := false
		for _, p := range problems {
			found = found || p.Rule == resources.RuleSensitiveName
		}
		if found != refused {
			t.Errorf("%s: refused is %v, want %v: %v", field, found, refused, problems)
		}
		if r := declared.Get(resources.NewAddr("service", "a")); !refused && problems.Errors() > 0 {
			t.Errorf("%s: %v (%v)", field, problems, r)
		}
	}
}
