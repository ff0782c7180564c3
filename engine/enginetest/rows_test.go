package enginetest_test

import (
	"context"
	"testing"

	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/engine/enginetest"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/fake"
)

func TestRowsOfTheFakeWorld(t *testing.T) {
	for section, kind := range map[string]string{"boxes": "box", "crates": "crate", "pipes": "pipe"} {
		w := &fake.World{}
		for _, name := range []string{"x", "y"} {
			w.Put(resources.NewAddr("box", name), &fake.Object{Stack: "s", Fields: resources.Config{}, Applied: &resources.Sealed{}})
		}
		open := func(context.Context, *resources.Declared) (engine.World, error) {
			return engine.World{Readers: w.Readers(), Writers: w.Writers()}, nil
		}
		t.Run(kind, func(t *testing.T) {
			enginetest.Rows(t, fake.Kinds(), open, enginetest.Subject{
				Addr: resources.NewAddr(kind, "subject"),
				Spec: func(fields map[string]any) map[string]any {
					spec := map[string]any{"stack": "s", "boxes": map[string]any{"x": map[string]any{}, "y": map[string]any{}}}
					all, ok := spec[section].(map[string]any)
					if !ok {
						all = map[string]any{}
						spec[section] = all
					}
					all["subject"] = fields
					return spec
				},
				Skip:    map[string]string{"ready": "its gate would fail", "external": "it would be someone else's", "profiles": "it would be off"},
				Outside: &outsider{w: w, addr: resources.NewAddr(kind, "subject")},
				Events: []enginetest.Event{
					{Name: "removed", Do: func(*testing.T) { w.Remove(resources.NewAddr(kind, "subject")) }},
					{Name: "looked at", Do: func(*testing.T) {}, Finds: "-"},
				},
			})
		})
	}
}

// outsider changes fields of an object of the fake world.
type outsider struct {
	w      *fake.World
	addr   resources.Addr
	before resources.Config
}

func (o *outsider) Remember(*testing.T) { o.before = o.w.Get(o.addr).Fields.Clone() }

func (o *outsider) Undo(_ *testing.T, f *resources.Field) string {
	o.w.Get(o.addr).Fields[f.Key] = o.before[f.Key]
	return "put"
}
