package main

import (
	"fmt"
	"strings"

	"github.com/LerianStudio/midaz-infra/engine/policy"
)

// policyTestText lists the tests of rules, and says of each that failed what
// was expected.
func policyTestText(results []policy.TestResult, i ink) string {
	var b strings.Builder
	failed := 0
	for _, r := range results {
		name := clean(r.Rule)
		if r.Test.Name != "" {
			name += ": " + clean(r.Test.Name)
		}
		switch {
		case r.Passed():
			fmt.Fprintf(&b, "%s  %s\n", i.in(green, "ok  "), name)
		case r.Err != nil:
			failed++
			fmt.Fprintf(&b, "%s  %s  %s\n      the rule cannot be evaluated: %s\n", i.in(red, "FAIL"), name, clean(r.Test.Pos.String()), clean(r.Err.Error()))
		default:
			failed++
			fmt.Fprintf(&b, "%s  %s  %s\n      expected %s, found %s\n", i.in(red, "FAIL"), name, clean(r.Test.Pos.String()), r.Test.Expect, r.Got)
		}
	}
	fmt.Fprintf(&b, "\n%s, %d failed.\n", capital(count(len(results), "test")), failed)
	return b.String()
}
