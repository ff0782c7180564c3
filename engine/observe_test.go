package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/fake"
)

// failing is a reader that always fails alike.
type failing string

func (f failing) Observe(context.Context, resources.Scope) ([]*resources.Observed, error) {
	return nil, errors.New(string(f))
}

func TestObserveKeepsOnePartFromBlockingTheRest(t *testing.T) {
	d := declare(t, "boxes: {a: {}}\npipes: {p: {}, q: {}}")
	w := applied(t, "boxes: {a: {}}\npipes: {p: {}, q: {}}")
	readers := w.Readers()
	readers["pipe"] = failing("login refused")
	readers["other"] = failing("login refused") // nothing of it is declared, and the cause is known
	readers["more"] = failing("500")
	seen, err := engine.Observe(t.Context(), readers, d, resources.Scope{Stack: d.Stack, Owned: true})
	if err != nil {
		t.Fatal(err)
	}
	plan := engine.MakePlan(d, seen, engine.Options{})
	var got []string
	for _, u := range plan.Unread {
		got = append(got, fmt.Sprint(u.Addr, ": ", u.Why, " ", u.Planned))
	}
	want := []string{"more/*: 500 false", "pipe/p: login refused false", "pipe/q: login refused false"}
	if !slices.Equal(got, want) {
		t.Errorf("unread %q, want %q", got, want)
	}
	if !plan.IsEmpty() {
		t.Errorf("something that could not be read is changed:\n%s", plan)
	}
	if c := plan.Change(resources.NewAddr("box", "a")); c == nil || c.Have.Presence != resources.Present {
		t.Error("the box was not read")
	}
}

// found is a reader that always finds the same.
type found []*resources.Observed

func (f found) Observe(context.Context, resources.Scope) ([]*resources.Observed, error) {
	return f, nil
}

// What an object holds is found by the ID of the other one, at whichever address
// that was seen: names say nothing.
func TestObserveFindsReferencesByID(t *testing.T) {
	holds := func(kind, id string) resources.Ref {
		return resources.Ref{To: resources.Addr{Kind: kind}, ID: id, Bind: resources.Hold, Optional: true}
	}
	at := func(kind, name, id string, refs ...resources.Ref) *resources.Observed {
		return &resources.Observed{Addr: resources.NewAddr(kind, name), Presence: resources.Present, ID: id, Refs: refs}
	}
	seen, err := engine.Observe(t.Context(), map[string]resources.Reader{
		"box": found{at("box", "v", "v"), at("box", "moved", "old-name"), {Addr: resources.NewAddr("box", "absent"), ID: "gone"}},
		"crate": found{at("crate", "a", "1", holds("box", "old-name"), holds("box", "v"), holds("box", "gone"), holds("box", "other"),
			holds("crate", "1"), holds("box", "v"))},
	}, resources.NewDeclared(nil, nil, nil), resources.Scope{Owned: true})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, ref := range seen.Get(resources.NewAddr("crate", "a")).Refs {
		got = append(got, ref.To.String()+ref.ID)
	}
	if want := []string{"box/moved", "box/v"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// An API that is not up yet is told from one that fails: of what was never applied
// nothing can be unknown, of what was applied everything is.
func TestPlanUnread(t *testing.T) {
	const spec = "boxes: {broker: {}}\npipes: {q: {needs: [box/broker]}}"
	broker := resources.NewAddr("box", "broker")
	for name, tc := range map[string]struct {
		world func(w *fake.World)
		want  string
	}{
		"never applied":    {func(w *fake.World) { w.Remove(broker) }, ""},
		"removed outside":  {func(w *fake.World) { w.Get(broker).Gone = true }, "pipe/q planned"},
		"changed outside":  {func(w *fake.World) { w.Get(broker).Fields["size"] = int64(9) }, "pipe/q planned"},
		"there and silent": {func(*fake.World) {}, "pipe/q planned"},
	} {
		t.Run(name, func(t *testing.T) {
			w := applied(t, spec)
			tc.world(w)
			w.Down, w.DownUntil = "pipe", resources.NewAddr("box", "never")
			d := declare(t, spec)
			plan := engine.MakePlan(d, observe(t, w, d), engine.Options{})
			got := ""
			for _, u := range plan.Unread {
				got += u.Addr.String()
				if u.Planned {
					got += " planned"
				}
			}
			if got != tc.want {
				t.Errorf("unread %q, want %q", got, tc.want)
			}
		})
	}
}

func TestApplyDoesNotTouchWhatCannotBeRead(t *testing.T) {
	d := declare(t, "boxes: {a: {}}")
	w := &fake.World{}
	plan := engine.MakePlan(d, observe(t, w, d), engine.Options{})
	readers := w.Readers()
	readers["box"] = unreadable{}
	report, err := engine.Apply(t.Context(), plan, engine.World{Readers: readers, Writers: w.Writers()}, engine.ApplyOptions{})
	if err != nil || len(report.Failed()) != 1 || !strings.Contains(report.Failed()[0].Err.Error(), "it cannot be read: 500") {
		t.Errorf("%v %v", err, report.Failed())
	}
	if len(w.Log()) > 0 {
		t.Errorf("written: %v", w.Log())
	}
}

// unreadable is a reader of objects none of which can be read.
type unreadable struct{}

func (unreadable) Observe(_ context.Context, scope resources.Scope) ([]*resources.Observed, error) {
	var out []*resources.Observed
	for _, r := range scope.Want {
		out = append(out, resources.NotRead(r.Addr, errors.New("500")))
	}
	return out, nil
}

// What is listed as the stack's is removed with it also when it cannot be described.
func TestDestroyRemovesWhatIsListed(t *testing.T) {
	d := declare(t, "boxes: {a: {}, b: {}}")
	listed, silent := resources.NotRead(resources.NewAddr("box", "a"), errors.New("500")), resources.NotRead(resources.NewAddr("box", "b"),
		errors.New("500"))
	listed.ID, listed.Stack = "1", d.Stack
	plan := engine.MakePlan(d, engine.NewSeen([]*resources.Observed{listed, silent}), engine.Options{Destroy: true})
	if got := plan.String(); got != "[1] delete box/a: the stack is being removed\n" {
		t.Errorf("plan:\n%s", got)
	}
	if len(plan.Unread) != 1 || plan.Unread[0].Addr != silent.Addr || plan.Unknown != 1 {
		t.Errorf("unread %v, unknown %d", plan.Unread, plan.Unknown)
	}
}
