package docker

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

const canary = "canary"

// TestMidazStack reads the project's own spec, makes each container in the
// model, and finds no difference.
func TestMidazStack(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, files := range [][]string{{"midaz.infra.yaml"}, {"midaz.infra.yaml", "specs/debian.infra.yaml"}} {
		spec, ps := specs.Load(specs.Options{Dir: root, Files: files, Profiles: []string{"*"},
			LookupEnv: func(name string) (string, bool) {
				return canary + strings.ReplaceAll(name, "_", ""), secretName.MatchString(name)
			}})
		set, more := declaredIn(spec)
		ps, _ = spec.Silence(append(ps, more...))
		for _, p := range ps {
			if p.Severity() == specs.Error || p.Rule.Code >= "MZ100" && p.Rule.Code < "MZ150" || p.Rule == resources.RuleLiteralSecret {
				t.Errorf("%v", p)
			}
		}
		for _, api := range apis {
			m := newModel(api)
			for _, r := range set.Resources {
				if !isContainer(r.Addr.Kind) {
					continue
				}
				if problems := tooNew([]*resources.Resource{r}, m.facts()); len(problems) > 0 {
					t.Errorf("%v", problems)
				}
				have := m.apply(t, r, "running")
				if delta := quiet(have, r); len(delta) > 0 {
					t.Errorf("%s: %s differs after apply: %v", api, r.Addr, delta)
				}
				shown := fmt.Sprintf("%v %+v %#v", have.Have, have.Applied, have.Have)
				for k, v := range ownLabels(r, remembered(r)) {
					shown += k + "=" + v
				}
				if strings.Contains(shown, canary) {
					t.Errorf("%s shows a secret: %s", r.Addr, shown)
				}
			}
		}
	}
}
