package specs_test

import (
	"testing"

	"github.com/LerianStudio/midaz-infra/specs"
)

func TestReadEnv(t *testing.T) {
	var s specs.Spec
	got, ps := s.ReadEnv("app.env", "A=1\nB='$x'\nC=\"${A}2\"\n# no\nexport D=4\nbroken line\nE=${NOWHERE}\n")
	want := map[string]string{"A": "1", "B": "$x", "C": "12", "D": "4"}
	if len(got) != len(want) {
		t.Errorf("got %v", got)
	}
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%s = %q, want %q", k, got[k], v)
		}
	}
	if len(ps) != 2 || ps[0].Pos.Line != 6 || ps[1].Pos.Line != 7 {
		t.Errorf("problems: %v", ps)
	}
}
