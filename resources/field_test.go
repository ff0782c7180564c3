package resources

import "testing"

// A field's values of the last apply, of the object, and of the spec decide who
// changed it. The letters are values; 0 is the default, as the one of a field
// that is not written anywhere.
func TestWhoChangedAField(t *testing.T) {
	field := Field{Key: "size", Type: Int(0, 9), Default: int64(0)}
	table := Table{Kind: "box", Fields: []Field{field}}
	for _, tc := range []struct {
		name                    string
		applied                 Config // nil: nothing is known of a last apply
		have, want              int64
		differs, drift, pending bool
	}{
		{"in step", Config{"size": int64(1)}, 1, 1, false, false, false},
		{"changed outside", Config{"size": int64(1)}, 2, 1, true, true, false},
		{"changed in the spec", Config{"size": int64(1)}, 1, 3, true, false, true},
		{"changed in both", Config{"size": int64(1)}, 2, 3, true, true, true},
		{"removed outside", Config{"size": int64(1)}, 0, 1, true, true, false},
		{"added outside", Config{}, 2, 0, true, true, false},
		{"added in the spec", Config{}, 0, 3, true, false, true},
		{"added in both", Config{}, 2, 3, true, true, true},
		{"nothing applied", nil, 2, 3, true, false, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var applied *Sealed
			if tc.applied != nil {
				sealed := Seal(tc.applied)
				applied = &sealed
			}
			want, have := Config{}, Config{"size": tc.have}
			if tc.want != 0 {
				want["size"] = tc.want
			}
			delta := table.Compare(want, have, applied)
			if !tc.differs {
				if len(delta) > 0 {
					t.Fatalf("differs: %+v", delta)
				}
				return
			}
			if len(delta) != 1 || delta[0].Drift != tc.drift || delta[0].Pending != tc.pending {
				t.Errorf("got %+v, want drift %v and pending %v", delta, tc.drift, tc.pending)
			}
		})
	}
}
