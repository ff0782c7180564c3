package docker

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/conform"
	"github.com/LerianStudio/midaz-infra/specs"
)

func TestTables(t *testing.T) {
	conform.Static(t, Kinds())
}

// declared reads a spec and completes what it declares, as the engine does.
func declared(t *testing.T, text string) (*resources.Declared, specs.Problems) {
	t.Helper()
	root, err := specs.ParseNode("test.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	spec := &specs.Spec{Root: root, Stack: "test", Dir: t.TempDir()}
	return declaredIn(spec)
}

func declaredIn(spec *specs.Spec) (*resources.Declared, specs.Problems) {
	var ps specs.Problems
	report := func(p *specs.Problem) { ps = append(ps, p) }
	var found []*resources.Resource
	all := Kinds()
	for _, k := range all {
		section := map[string]string{"service": "services", "job": "jobs", "network": "networks", "volume": "volumes"}[k.Table().Kind]
		for _, e := range spec.Root.Get(section).Entries() {
			found = append(found, &resources.Resource{Addr: resources.NewAddr(k.Table().Kind, e.Key), Stack: spec.Stack, Dir: spec.Dir,
				Config: k.Table().Decode(e.Value, report), Node: e.Value, KeyPos: e.KeyPos})
		}
	}
	set := resources.NewDeclared(spec, all, found)
	for _, r := range set.Resources {
		if f, ok := set.Kind(r.Addr.Kind).(resources.Finisher); ok {
			f.Finish(r, set, report)
		}
	}
	for _, r := range set.Resources {
		r.Refs = set.Kind(r.Addr.Kind).Refs(r)
	}
	for _, k := range all {
		if c, ok := k.(resources.Checker); ok {
			c.Check(set, report)
		}
	}
	return set, ps.Sorted()
}

func benchService(b *testing.B, fields string) *resources.Resource {
	b.Helper()
	r, ps := one(b, "service", fields)
	if err := ps.Err(); err != nil {
		b.Fatal(err)
	}
	return r
}

// one reads the fields of one service called "web".
func one(t testing.TB, kind, fields string) (*resources.Resource, specs.Problems) {
	t.Helper()
	node, err := specs.ParseNode("test.yaml", fields)
	if err != nil {
		t.Fatal(err)
	}
	section := map[string]string{"service": "services", "job": "jobs"}[kind]
	root := specs.NewMap(specs.Pos{}, []specs.Entry{{Key: section,
		Value: specs.NewMap(specs.Pos{}, []specs.Entry{{Key: "web", Value: node}})}})
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "init.sql"), []byte("select 1;\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	set, ps := declaredIn(&specs.Spec{Root: root, Stack: "test", Dir: dir})
	return set.Get(resources.NewAddr(kind, "web")), ps
}

func codes(ps specs.Problems) []string {
	var out []string
	for _, p := range ps {
		out = append(out, p.Rule.Code)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
