package engine_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/hashicorp/go-multierror"

	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/fake"
)

func TestSavedPlan(t *testing.T) {
	const before = "boxes: {a: {size: 1}, gone: {}}"
	const after = "boxes: {a: {size: 2, secret: c4n4ry}, b: {text: hello}}"
	a := resources.NewAddr("box", "a")
	for _, tc := range []struct {
		name, spec string
		outside    func(*fake.World)
		want       string
	}{
		{"unchanged", after, nil, ""},
		{"an object was replaced", after, func(w *fake.World) {
			o := *w.Get(a)
			o.ID = 0
			w.Put(a, &o)
		}, "box/a: the object that was seen has been replaced by another"},
		{"a field was changed", after, func(w *fake.World) { w.Get(a).Fields["text"] = "x" },
			"box/a: what is there of it has changed; other fields differ now: text"},
		{"a value was changed where a difference was", after, func(w *fake.World) { w.Get(a).Fields["size"] = int64(7) },
			"box/a: what is there of it has changed"},
		{"two were changed", after, func(w *fake.World) {
			w.Get(a).Fields["size"] = int64(7)
			w.Remove(resources.NewAddr("box", "gone"))
		}, "box/a: what is there of it has changed\nthe plan is stale: box/gone: the plan was to delete it, and now there is nothing of that name"},
		{"it is done already", after, func(w *fake.World) { w.Remove(resources.NewAddr("box", "gone")) },
			"box/gone: the plan was to delete it, and now there is nothing of that name"},
		{"the spec has changed", strings.Replace(after, "size: 2", "size: 3", 1), nil, "box/a: the spec declares it differently now"},
		{"only a secret has changed", strings.Replace(after, "c4n4ry", "other", 1), nil, "the spec, or the value of a variable, has changed"},
		{"something more", after + "\npipes: {p: {}}", nil,
			"pipe/p: nothing was to be done, and now the plan would create it: it does not exist"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := applied(t, before)
			d := declare(t, after)
			saved, err := engine.Save(engine.MakePlan(d, observe(t, w, d), engine.Options{}), engine.Options{})
			if err != nil {
				t.Fatal(err)
			}
			data := saved.Encode()
			if s := string(data); strings.Contains(s, "c4n4ry") || strings.Contains(s, "hello") {
				t.Errorf("the file holds values:\n%s", s)
			}
			read, err := engine.ParseSaved(data)
			if err != nil {
				t.Fatal(err)
			}
			if tc.outside != nil {
				tc.outside(w)
			}
			d = declare(t, tc.spec)
			err = read.Check(engine.MakePlan(d, observe(t, w, d), read.Options))
			said := ""
			if many := (*multierror.Error)(nil); errors.As(err, &many) {
				for _, e := range many.Errors {
					said += e.Error() + "\n"
				}
			} else if err != nil {
				said = err.Error() + "\n"
			}
			want := ""
			if tc.want != "" {
				want = "the plan is stale: " + tc.want + "\n"
			}
			if said != want || errors.Is(err, engine.ErrStale) != (want != "") {
				t.Errorf("it says %q, want %q", said, want)
			}
		})
	}
}

func FuzzParseSavedPlan(f *testing.F) {
	f.Add([]byte(`{"format_version":"1.0","changes":[{"address":"box/a","action":"create"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := engine.ParseSaved(data)
		if err == nil && s == nil {
			t.Error("no plan and no error")
		}
	})
}

// What show prints of a plan file is what plan printed, but for the values.
func TestSavedPlanKeepsWhatIsShown(t *testing.T) {
	a := resources.NewAddr("box", "a")
	c := &engine.Change{Addr: a, Action: resources.Delete, Manner: resources.Manner{Order: "stop_first", Text: "because"},
		Have: &resources.Observed{Addr: a, Leftover: "the old one", LeftoverOf: resources.NewAddr("box", "b")}}
	saved, err := engine.Save(&engine.Plan{Stack: "test", Changes: []*engine.Change{c}}, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	read, err := engine.ParseSaved(saved.Encode())
	if err != nil {
		t.Fatal(err)
	}
	got := read.Plan().Changes[0]
	if got.Manner != c.Manner || got.Have.Leftover != c.Have.Leftover || got.Have.LeftoverOf != c.Have.LeftoverOf {
		t.Errorf("%+v %+v", got, got.Have)
	}
}
