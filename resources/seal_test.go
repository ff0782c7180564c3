package resources_test

import (
	"strings"
	"testing"

	"github.com/LerianStudio/midaz-infra/resources"
)

func TestSealKeepsLongAndBinaryTextsAsHashes(t *testing.T) {
	long := strings.Repeat("a line of a file\n", 100)
	c := resources.Config{"files": map[string]any{"/a": long, "/b": "\xff\x00"}, "cpus": float64(1), "half": 0.5}
	text := resources.Seal(c).String()
	if len(text) > 500 {
		t.Errorf("sealed fields take %d bytes", len(text))
	}
	back, err := resources.ParseSealed(text)
	if err != nil {
		t.Fatal(err)
	}
	for field, v := range c {
		if !back.Matches(field, v) {
			t.Errorf("%s does not match what was sealed: %s", field, text)
		}
	}
	if back.Matches("files", map[string]any{"/a": long + "x", "/b": "\xff\x00"}) ||
		back.Matches("files", map[string]any{"/a": long, "/b": "\xfe\x00"}) {
		t.Error("a changed text matches")
	}
	if back.Matches("cpus", float64(2)) {
		t.Error("a changed number matches")
	}
	if strings.Contains(resources.Show(back.Shape("files")), "$sha256") {
		t.Error("the mark is shown to people")
	}
}

func TestAnUndeclaredDefaultIsNoDrift(t *testing.T) {
	table := resources.Table{Fields: []resources.Field{{Key: "limit", Type: resources.Int(0, 9), Default: int64(0)}}}
	applied, err := resources.ParseSealed(resources.Seal(resources.Config{}).String())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		want           resources.Config
		have           int64
		drift, pending bool
	}{
		{resources.Config{"limit": int64(5)}, 0, false, true}, // declared since
		{resources.Config{}, 5, true, false},                  // changed outside
		{resources.Config{"limit": int64(5)}, 7, true, true},
	} {
		d := table.Compare(c.want, resources.Config{"limit": c.have}, applied)
		if len(d) != 1 || d[0].Drift != c.drift || d[0].Pending != c.pending {
			t.Errorf("want %v, have %d: %+v", c.want, c.have, d)
		}
	}
}
