package resources

import (
	"fmt"
	"strings"
	"testing"
)

// TestWithholdListsNoLongerDeclared: what stands in the place of an applied secret
// in a list is withheld although the spec no longer declares the list, also when
// someone has made it longer.
func TestWithholdListsNoLongerDeclared(t *testing.T) {
	applied := Seal(Config{"command": []any{"run", NewSecret("c4nary-one")}})
	for _, have := range [][]any{{"run", "str4nger"}, {"run", "-v", "str4nger"}} {
		var w Withholder
		seen, _ := w.Withhold(Config{"command": have}, &applied, nil, nil)
		if text := fmt.Sprint(seen); strings.Contains(text, "str4nger") {
			t.Errorf("%v is recorded as %s", have, text)
		}
	}
}
