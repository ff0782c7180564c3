package specs

import (
	"slices"
	"strings"

	"github.com/xrash/smetrics"
)

// longestWord is how long a word may be for a misspelling to be looked for:
// comparing costs the product of the lengths.
const longestWord = 100

// Suggest returns the candidate nearest to word, or "" when none is near
// enough to be a likely misspelling: at most a third of its letters differ, or
// one of a short word. Two neighbours that changed places count as one.
func Suggest(word string, candidates []string) string {
	if len(word) > longestWord {
		return ""
	}
	best, bestCost := "", max(1, len(word)/3)+1
	lower := strings.ToLower(word)
	for _, c := range slices.Sorted(slices.Values(candidates)) {
		switch {
		case c == word || len(c)-len(word) >= bestCost || len(word)-len(c) >= bestCost:
			continue
		case strings.EqualFold(c, word):
			return c
		}
		if cost := distance(lower, strings.ToLower(c)); cost < bestCost {
			best, bestCost = c, cost
		}
	}
	return best
}

func distance(a, b string) int {
	if swapped(a, b) {
		return 1
	}
	return smetrics.WagnerFischer(a, b, 1, 1, 1)
}

// swapped reports whether a is b with two neighbours in each other's place.
func swapped(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i+1 < len(a); i++ {
		if a[i] != b[i] {
			return a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]
		}
	}
	return false
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

// OneOf returns the words as a choice for people: "a, b or c".
func OneOf(words []string) string {
	switch n := len(words); n {
	case 0:
		return ""
	case 1:
		return words[0]
	default:
		return strings.Join(words[:n-1], ", ") + " or " + words[n-1]
	}
}
