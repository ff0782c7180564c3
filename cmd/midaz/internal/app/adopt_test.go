package app

import (
	"strings"
	"testing"

	"github.com/LerianStudio/midaz-infra/resources"
)

// TestNoSecretIsWrittenIntoTheSpec: neither below a key that is one, nor as a
// value, nor in a rule.
func TestNoSecretIsWrittenIntoTheSpec(t *testing.T) {
	const canary = "c4nary-Xq7vZp93Lw"
	redactor := resources.NewRedactor()
	redactor.Learn(canary)
	w := &rewriting{Call: &Call{Sys: System{Redactor: redactor}}}
	for name, x := range map[string]resources.Written{
		"key":   {Path: []string{"files", "/etc/" + canary, "mode"}, Value: "0644"},
		"value": {Path: []string{"command"}, Value: []any{"x", canary}},
		"mark":  {Path: []string{"command"}, Value: []any{"x", resources.NewSecret("short")}},
	} {
		if err := w.set(x, resources.Addr{}); err == nil || !strings.Contains(err.Error(), "a secret is part of the value") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
