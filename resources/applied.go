package resources

import (
	"fmt"
	"strings"
)

// NotAppliedError says that a backend answered a write with success, and that the
// object, read back, is not what it was meant to be.
type NotAppliedError struct {
	Addr Addr
	// Left are the differences between what was meant and what was read back.
	Left Delta
}

// Error names the fields, at most three.
func (e *NotAppliedError) Error() string {
	const most = 3
	var parts []string
	for i, d := range e.Left {
		if i == most {
			parts = append(parts, fmt.Sprintf("and %d more", len(e.Left)-most))
			break
		}
		parts = append(parts, fmt.Sprintf("%s is %s instead of %s", d.Path, Show(d.Before), Show(d.After)))
	}
	return fmt.Sprintf("read back after the change, %s differs: %s", e.Addr, strings.Join(parts, ", "))
}

// NotApplied returns a NotAppliedError for the differences, nil when there are
// none.
func NotApplied(a Addr, left Delta) error {
	if len(left) == 0 {
		return nil
	}
	return &NotAppliedError{a, left}
}

// Without returns the differences at other paths than these.
func (d Delta) Without(these Delta) Delta {
	known := map[string]bool{}
	for _, t := range these {
		known[t.Path] = true
	}
	var out Delta
	for _, diff := range d {
		if !known[diff.Path] {
			out = append(out, diff)
		}
	}
	return out
}
