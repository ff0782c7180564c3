package resources

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/LerianStudio/midaz-infra/specs"
)

// Diff is one difference of one field: an element of a list, a key of a map,
// or the whole value.
type Diff struct {
	// Path is for people: "memory", "environment.PGPORT", `ports["5432/tcp"]`,
	// "command[2]".
	Path string
	// Field is the key of the row in the kind's table, or a word of the kind's
	// own for what is no field ("state").
	Field string
	// Before is what was observed, After what is wanted; nil is absent.
	Before, After Value
	Cost          Cost
	// Why is the reason of the cost where it is not the field's own, or what a
	// person should know of this difference.
	Why string
	// Drift: the object was changed outside since the last apply. Pending: the
	// spec was changed since. Both may hold.
	Drift, Pending bool
	// Applied is what was last applied, nil where that is not known or was
	// nothing.
	Applied Value
	// Alone: the part can be changed without the rest of its field.
	Alone bool
	// Repeats: nothing differs; each run recreates the object.
	Repeats bool
	// Pos is where the spec asks for it; the engine fills it in.
	Pos specs.Pos
}

// Sensitive reports whether a secret stands on either side.
func (d Diff) Sensitive() bool { return HasSecret(d.Before) || HasSecret(d.After) }

// Delta is all differences of one resource.
type Delta []Diff

// Cost returns the highest cost of any difference.
func (d Delta) Cost() Cost {
	cost := Free
	for _, f := range d {
		cost = max(cost, f.Cost)
	}
	return cost
}

// Has reports whether a difference of the field is in the delta.
func (d Delta) Has(field string) bool {
	return slices.ContainsFunc(d, func(f Diff) bool { return f.Field == field })
}

// DiffValues compares two Values element by element. Lists are aligned by
// their longest common subsequence, maps by key, both to any depth.
func DiffValues(path string, before, after Value) Delta {
	if Equal(before, after) {
		return nil
	}
	bm, bok := before.(map[string]any)
	am, aok := after.(map[string]any)
	if (bok || before == nil) && (aok || after == nil) && (bok || aok) {
		return diffMaps(path, bm, am)
	}
	bl, bok := before.([]any)
	al, aok := after.([]any)
	if (bok || before == nil) && (aok || after == nil) && (bok || aok) {
		return diffLists(path, bl, al)
	}
	return Delta{{Path: path, Before: before, After: after}}
}

func diffMaps(path string, before, after map[string]any) Delta {
	keys := slices.Collect(maps.Keys(before))
	for k := range after {
		if _, ok := before[k]; !ok {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	var out Delta
	for _, k := range keys {
		b, inBefore := before[k]
		a, inAfter := after[k]
		sub := KeyPath(path, k)
		switch {
		case inBefore && inAfter:
			out = append(out, DiffValues(sub, b, a)...)
		case inBefore:
			out = append(out, Diff{Path: sub, Before: b})
		default:
			out = append(out, Diff{Path: sub, After: a})
		}
	}
	return out
}

// KeyPath returns the path of what stands under a key of the map at a path.
func KeyPath(path, key string) string {
	plain := key != "" && !strings.ContainsFunc(key, func(r rune) bool {
		return !(r == '_' || r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z')
	})
	if plain {
		return path + "." + key
	}
	return path + "[" + strconv.Quote(key) + "]"
}

// diffLists aligns two lists. A removed element followed by an added one at the
// same place is shown as one change.
func diffLists(path string, before, after []any) Delta {
	n, m := len(before), len(after)
	if n*m > 1_000_000 { // keep memory bounded; such lists are shown whole
		return Delta{{Path: path, Before: before, After: after}}
	}
	lcs := make([][]int, n+1)
	for i := range lcs {
		lcs[i] = make([]int, m+1)
	}
	for i := n - 1; i >= 0; i-- {
		for j := m - 1; j >= 0; j-- {
			if Equal(before[i], after[j]) {
				lcs[i][j] = lcs[i+1][j+1] + 1
			} else {
				lcs[i][j] = max(lcs[i+1][j], lcs[i][j+1])
			}
		}
	}
	var out Delta
	i, j := 0, 0
	for i < n || j < m {
		switch {
		case i < n && j < m && Equal(before[i], after[j]):
			i, j = i+1, j+1
		case i < n && j < m && lcs[i+1][j+1] == lcs[i][j]:
			out = append(out, DiffValues(fmt.Sprintf("%s[%d]", path, j), before[i], after[j])...)
			i, j = i+1, j+1
		case i < n && (j == m || lcs[i+1][j] >= lcs[i][j+1]):
			out = append(out, Diff{Path: fmt.Sprintf("%s[%d]", path, i), Before: before[i]})
			i++
		default:
			out = append(out, Diff{Path: fmt.Sprintf("%s[%d]", path, j), After: after[j]})
			j++
		}
	}
	return out
}
