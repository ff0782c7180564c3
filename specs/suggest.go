package specs

import (
	"slices"
	"strings"

	"github.com/xrash/smetrics"
)

// Suggest returns the candidate nearest to word, or "" when none is near
// enough to be a likely misspelling: at most a third of its letters differ, or
// one of a short word.
func Suggest(word string, candidates []string) string {
	best, bestCost := "", max(1, len(word)/3)+1
	for _, c := range slices.Sorted(slices.Values(candidates)) {
		if c == word {
			continue
		}
		if strings.EqualFold(c, word) {
			return c
		}
		if cost := smetrics.WagnerFischer(strings.ToLower(word), strings.ToLower(c), 1, 1, 1); cost < bestCost {
			best, bestCost = c, cost
		}
	}
	return best
}

// DidYouMean returns a hint for an unknown word: the nearest candidate, or the
// list of all when it is short, or "".
func DidYouMean(word string, candidates []string) string {
	if near := Suggest(word, candidates); near != "" {
		return "did you mean \"" + near + "\"?"
	}
	if len(candidates) == 0 || len(candidates) > 8 {
		return ""
	}
	return "expected one of " + strings.Join(slices.Sorted(slices.Values(candidates)), ", ")
}
