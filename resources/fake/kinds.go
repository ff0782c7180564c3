package fake

import (
	"cmp"
	"slices"
	"time"

	"github.com/LerianStudio/midaz-infra/resources"
)

// Kinds returns the kinds of the fake world: box, crate and pipe.
func Kinds() []resources.Kind {
	return []resources.Kind{
		movable{kind{table: table("box", "boxes/*"), mode: resources.DeleteCreate}},
		kind{table: table("crate", "crates/*"), mode: resources.SwapBack, gated: true},
		kind{table: table("pipe", "pipes/*"), mode: resources.OneStep},
	}
}

type kind struct {
	table *resources.Table
	mode  resources.Replacement
	gated bool
}

// movable is a kind whose objects can be moved.
type movable struct{ kind }

func (movable) Movable() {}

// Compare adds the address to the differences.
func (k movable) Compare(want *resources.Resource, have *resources.Observed) resources.Delta {
	delta := k.kind.Compare(want, have)
	if at, ok := have.Native.(resources.Addr); ok && at != want.Addr {
		delta = append(resources.Delta{{Path: "address", Field: "address", Before: at.String(), After: want.Addr.String(),
			Cost: resources.InPlace, Pending: true}}, delta...)
	}
	return delta
}

// Settle remembers where the object of one that was moved is.
func (movable) Settle(r *resources.Resource, o *resources.Observed, _ *resources.Resource) {
	if o.Addr != r.Addr {
		o.Native = r.Addr
	}
}

func table(name, section string) *resources.Table {
	return &resources.Table{
		Kind: name, Section: section, NullOK: true,
		Doc: "A " + name + " of the fake world.",
		Fields: []resources.Field{
			{Key: "size", Type: resources.Int(0, 1000), Doc: "How large it is.", Example: "1", Other: "2", Cost: resources.InPlace},
			{Key: "colour", Type: resources.String(), Doc: "Its colour, for ever.", Example: "red", Other: "blue", Cost: resources.Remake},
			{Key: "text", Type: resources.String(), Doc: "What stands on it.", Example: "hello", Other: "bye", Default: "", Cost: resources.InPlace},
			{Key: "secret", Type: resources.String(), Doc: "What nobody may read.", Example: "hunter2", Other: "hunter3", Secret: true,
				Cost: resources.InPlace},
			{Key: "tags", Type: resources.Pairs(), Doc: "Words on it.", Example: "{a: b}", Other: "{a: c}", Cost: resources.InPlace},
			{Key: "list", Type: resources.List(resources.String()), Doc: "Words in order.", Example: "[a, b]", Other: "[b]",
				Cost: resources.InPlace},
			{Key: "needs", Type: resources.Set(resources.String()), Doc: "Addresses that come first.", Example: "[box/x]", Other: "[box/y]",
				Cost: resources.InPlace},
			{Key: "holds", Type: resources.Set(resources.String()), Doc: "Addresses it holds open.", Example: "[box/x]", Other: "[box/y]",
				Cost: resources.InPlace},
			{Key: "made_of", Type: resources.Set(resources.String()), Doc: "Addresses that are its content.", Example: "[box/x]", Other: "[box/y]",
				Cost: resources.InPlace},
			{Key: "made_on", Type: resources.Set(resources.String()), Doc: "Addresses it is joined to when it is made.", Example: "[box/x]",
				Other: "[box/y]", Cost: resources.Remake},
			{Key: "inside", Type: resources.Set(resources.String()), Doc: "Addresses it lives in.", Example: "[box/x]", Other: "[box/y]",
				Cost: resources.Remake},
			{Key: "ready", Type: resources.Bool(), Doc: "Whether its gate passes.", Example: "true", Other: "false", Default: true,
				Cost: resources.InPlace},
			{Key: "protect", Type: resources.Bool(), Doc: "Refuse to remove it.", Example: "true", Other: "false", Unmarked: true},
			{Key: "external", Type: resources.Bool(), Doc: "Someone else's.", Example: "true", Other: "false", Unmarked: true},
			{Key: "profiles", Type: resources.Set(resources.String()), Doc: "When it is on.", Example: "[dev]", Other: "[test]", Unmarked: true},
		},
	}
}

func (k kind) Table() *resources.Table { return k.table }

func (k kind) Replacement() resources.Replacement { return k.mode }

func (k kind) Gate(*resources.Resource) (resources.Gate, bool) {
	return resources.Gate{Text: "ready", Timeout: time.Minute}, k.gated
}

func (k kind) Refs(r *resources.Resource) []resources.Ref {
	var refs []resources.Ref
	for field, bind := range map[string]resources.Bind{"needs": resources.Order, "holds": resources.Hold, "made_of": resources.Content,
		"made_on": resources.Made, "inside": resources.Inside} {
		for _, text := range r.Config.Texts(field) {
			if to, err := resources.ParseAddr(text); err == nil {
				refs = append(refs, resources.Ref{To: to, At: "/" + field, Bind: bind})
			}
		}
	}
	return sortRefs(refs)
}

func (k kind) Finish(r *resources.Resource, all *resources.Declared, _ resources.Report) {
	r.Protect, r.External = r.Config.Bool("protect"), r.Config.Bool("external")
	if profiles := r.Config.Texts("profiles"); len(profiles) > 0 && all.Spec != nil {
		r.Dormant = !all.Spec.Enabled(profiles)
	}
}

// Compare ignores the fields that only say how to treat the resource. What has
// "again" written on it is made anew by each run.
func (k kind) Compare(want *resources.Resource, have *resources.Observed) resources.Delta {
	delta := k.table.Compare(fieldsOf(want.Config), have.Have, have.Applied)
	if len(delta) == 0 && want.Config.Text("text") == "again" {
		return resources.Delta{{Path: "text", Field: "text", Before: "again", After: "again", Cost: resources.Remake,
			Why: "it is made anew by each run", Pending: true, Repeats: true}}
	}
	return delta
}

// Recover takes every drift that can be changed in place for the mark of an
// interrupted replacement.
func (k kind) Recover(want *resources.Resource, have *resources.Observed) resources.Delta {
	return slices.DeleteFunc(k.Compare(want, have), func(d resources.Diff) bool { return !d.Drift || d.Cost != resources.InPlace })
}

// Empties: what another colour has starts without what lives inside.
func (k kind) Empties(want *resources.Resource, have *resources.Observed) string {
	if want.Config.Text("colour") == have.Have.Text("colour") {
		return ""
	}
	return "its colour changes"
}

func (k kind) Hazards(a resources.Action, _ *resources.Resource, have *resources.Observed) []resources.Hazard {
	if a == resources.Create || have == nil || have.Have.Text("text") != "precious" || a == resources.Update {
		return nil
	}
	return []resources.Hazard{{Code: resources.DataLoss, Msg: "what stands on it is lost"}}
}

func sortRefs(refs []resources.Ref) []resources.Ref {
	slices.SortFunc(refs, func(a, b resources.Ref) int {
		return cmp.Or(a.To.Compare(b.To), cmp.Compare(a.Bind, b.Bind))
	})
	return refs
}
