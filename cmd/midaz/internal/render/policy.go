package render

import (
	"fmt"
	"strings"

	"github.com/LerianStudio/midaz-infra/engine/policy"
)

// PolicyTestText lists the tests of rules, and says of each that failed what
// was expected.
func PolicyTestText(results []policy.TestResult, i Ink) string {
	var b strings.Builder
	failed := 0
	for _, r := range results {
		name := Clean(r.Rule)
		if r.Test.Name != "" {
			name += ": " + Clean(r.Test.Name)
		}
		switch {
		case r.Passed():
			fmt.Fprintf(&b, "%s  %s\n", i.In(Green, "ok  "), name)
		case r.Err != nil:
			failed++
			fmt.Fprintf(&b, "%s  %s  %s\n      the rule cannot be evaluated: %s\n", i.In(red, "FAIL"), name, Clean(r.Test.Pos.String()),
				Clean(r.Err.Error()))
		default:
			failed++
			fmt.Fprintf(&b, "%s  %s  %s\n      expected %s, found %s\n", i.In(red, "FAIL"), name, Clean(r.Test.Pos.String()), r.Test.Expect, r.Got)
		}
	}
	fmt.Fprintf(&b, "\n%s, %d failed.\n", Capital(Count(len(results), "test")), failed)
	return b.String()
}
