package graph

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// The longest way is a way, and no other weighs more.
func TestLongest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := randomGraph(t)
		weights := make([]int, g.Len())
		for i := range weights {
			weights[i] = rapid.IntRange(1, 9).Draw(t, "weight")
		}
		weight := func(k int) int { return weights[k] }
		way := g.Longest(weight)
		sum := 0
		for i, k := range way {
			sum += weight(k)
			if i > 0 && !slices.Contains(g.Needs(k), way[i-1]) {
				t.Fatalf("%d does not need %d", k, way[i-1])
			}
		}
		// The other way about: of ways that end with a node, from its needs.
		best, ending := 0, map[int]int{}
		for _, k := range g.Sorted() {
			for _, n := range g.Needs(k) {
				ending[k] = max(ending[k], ending[n])
			}
			ending[k] += weight(k)
			best = max(best, ending[k])
		}
		if sum != best {
			t.Fatalf("the way %v weighs %d, the heaviest %d", way, sum, best)
		}
	})
}
