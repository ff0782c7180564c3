package main

import (
	"strings"
	"testing"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/app"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/specs"
)

// Networks and volumes of services whose profile is off are not made: address
// pools of an engine hold about thirty networks. One that nothing refers to is.
func TestNetworksAndVolumesFollowTheirServices(t *testing.T) {
	const text = `
version: "1"
stack: s
networks: {both: {}, extra: {}, alone: {}}
volumes: {extra: {}, alone: {}}
services:
  on: {image: a, networks: [both]}
  off: {image: a, profiles: [p], networks: [both, extra], volumes: ["extra:/data"]}
`
	for _, test := range []struct {
		profiles []string
		dormant  string
	}{{nil, "network/extra service/off volume/extra"}, {[]string{"p"}, ""}} {
		spec, problems := specs.Load(specs.Options{Files: []string{"-"}, Stdin: strings.NewReader(text), Profiles: test.profiles})
		declared, more := engine.Resolve(spec, app.RealWorld().Kinds())
		if err := append(problems, more...).Err(); err != nil {
			t.Fatal(err)
		}
		var dormant []string
		for _, r := range declared.Resources {
			if r.Dormant {
				dormant = append(dormant, r.Addr.String())
			}
		}
		if got := strings.Join(dormant, " "); got != test.dormant {
			t.Errorf("profiles %v: dormant are %q, want %q", test.profiles, got, test.dormant)
		}
	}
}
