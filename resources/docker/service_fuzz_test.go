package docker

import (
	"strings"
	"testing"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// FuzzService reads any fields as a service and a job. Nothing panics, and what
// is accepted does not differ once it was made.
func FuzzService(f *testing.F) {
	for i := range serviceRows {
		for _, value := range []string{serviceRows[i].Example, serviceRows[i].Other} {
			f.Add(withRow(serviceRows[i].Key, value))
		}
	}
	f.Add("image: app:1\nvolumes: [a:/b, /c, ./d:/e:ro, {type: tmpfs, target: /f}]\nports: ['[::1]:1-2:3-4/udp']\ngate: {http: " +
		"'https://x:1/y'}")
	f.Add("image: x@sha256:0\ndepends_on: {a: {condition: service_healthy}}\nnetworks: {a: , b: {aliases: [c]}}")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "*") || strings.Contains(text, "source") ||
			strings.Contains(text, "_file") { // aliases have no limit here; no files are read
			return
		}
		node, err := specs.ParseNode("fuzz.yaml", text)
		if err != nil {
			return
		}
		for section, kind := range map[string]string{"services": "service", "jobs": "job"} {
			root := specs.NewMap(specs.Pos{}, []specs.Entry{{Key: section,
				Value: specs.NewMap(specs.Pos{}, []specs.Entry{{Key: "web", Value: node}})}})
			set, ps := declaredIn(&specs.Spec{Root: root, Stack: "test", Dir: "/nowhere"})
			if ps.Errors() > 0 {
				continue
			}
			r := set.Get(resources.NewAddr(kind, "web"))
			for _, api := range []string{"1.41", "1.51"} {
				m := newModel(api)
				if len(tooNew([]*resources.Resource{r}, m.facts())) > 0 {
					continue
				}
				req, err := newRequest(r, m.facts())
				if err != nil {
					continue
				}
				m.placed = map[string]any{}
				for _, file := range filesOf(r) {
					m.placed[file.Target] = file.value()
				}
				_ = gateOf(r)
				if delta := quiet(m.observe(m.show(req, "running"), r), r); len(delta) > 0 && r.Config.Text("run") != "always" {
					t.Errorf("%s: differs after apply: %v\n%s", api, delta, text)
				}
			}
		}
	})
}
