package specs

import (
	"strings"
	"testing"
)

func TestSuggest(t *testing.T) {
	candidates := []string{"image", "ports", "Restart", "tty", "healthcheck", "no"}
	for word, want := range map[string]string{
		"imge": "image", "images": "image", "prots": "ports", "IMAGE": "image", "restart": "Restart", "ttx": "tty", "on": "no",
		"helthchek": "healthcheck", "image": "", "xyz": "", "volumes": "", "": "", "heathcheckkk": "healthcheck",
		strings.Repeat("image", 1000): "",
	} {
		if got := Suggest(word, candidates); got != want {
			t.Errorf("%q suggests %q, want %q", word, got, want)
		}
	}
	for word, want := range map[string]string{"imge": `did you mean "image"?`,
		"xyz": "expected one of Restart, healthcheck, image, no, ports, tty"} {
		if got := DidYouMean(word, candidates); got != want {
			t.Errorf("%q: %s", word, got)
		}
	}
	if got := DidYouMean("xyz", append(candidates, "a1", "b1", "c1")) + DidYouMean("x", nil); got != "" {
		t.Errorf("a hint where none helps: %s", got)
	}
}
