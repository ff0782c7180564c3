package engine_test

import (
	"context"
	"errors"
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
