package engine_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/hashicorp/go-multierror"

	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
)

// failing is a reader that always fails alike.
type failing string

func (f failing) Observe(context.Context, resources.Scope) ([]*resources.Observed, error) {
	return nil, errors.New(string(f))
}

func TestObserveTellsACauseOnce(t *testing.T) {
	_, err := engine.Observe(t.Context(), map[string]resources.Reader{"a": failing("login refused"), "b": failing("other"), "c": failing("login refused")},
		resources.NewDeclared(nil, nil, nil), resources.Scope{Owned: true})
	var all *multierror.Error
	if !errors.As(err, &all) || len(all.Errors) != 2 {
		t.Fatalf("got %v", err)
	}
	for i, want := range []string{"observe a, c: login refused", "observe b: other"} {
		if got := all.Errors[i].Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
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
		"box":   found{at("box", "v", "v"), at("box", "moved", "old-name"), {Addr: resources.NewAddr("box", "absent"), ID: "gone"}},
		"crate": found{at("crate", "a", "1", holds("box", "old-name"), holds("box", "v"), holds("box", "gone"), holds("box", "other"), holds("crate", "1"), holds("box", "v"))},
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
