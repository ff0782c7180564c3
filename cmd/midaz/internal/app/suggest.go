package app

import (
	"fmt"
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// suggestedDays is for how long a suggested rule holds: long enough to decide,
// short enough not to be forgotten.
const suggestedDays = 30

// suggestIgnores writes a rule into the spec for each change made outside.
func suggestIgnores(c *Call, d engine.Drift) error {
	w := newRewriting(c)
	now := c.Sys.Now().UTC()
	reason := "found by midaz drift on " + now.Format(resources.DateForm) + "; say why it may stay"
	until := now.AddDate(0, 0, suggestedDays).Format(resources.DateForm)
	var written []string
	for _, change := range d.Changed {
		if change.Removed {
			w.Notes = append(w.Notes, report.Rewrite{Addr: change.Addr, Pos: change.Pos(),
				Why: "it was removed outside, which no rule lets be: remove it from the spec, or apply"})
			continue
		}
		for _, diff := range change.Delta {
			field := w.ruleField(diff)
			if key := change.Addr.String() + " " + field; slices.Contains(written, key) {
				continue
			} else {
				written = append(written, key)
			}
			note := report.Rewrite{Addr: change.Addr, Path: field, Pos: diff.Pos}
			if err := w.addRule(map[string]any{"address": change.Addr.String(), "field": field, "reason": reason, "until": until}); err != nil {
				note.Why = err.Error()
			}
			w.Notes = append(w.Notes, note)
		}
	}
	return w.finish()
}

// ruleField returns what a rule calls a difference: its path, of a list the
// whole. A path through a key in which a secret stands is cut off before it: the
// spec must not hold it, and masked it would match nothing.
func (c *Call) ruleField(d resources.Diff) string {
	path, whole := "", true
	for _, p := range resources.SplitPath(d.Path) {
		if p.Index || path != "" && c.Sys.Redactor.Holds(p.Key) {
			whole = false
			break
		}
		if path == "" {
			path = p.Key
		} else {
			path = resources.KeyPath(path, p.Key)
		}
	}
	prefix, _, bracket := strings.Cut(path, "[")
	switch {
	case whole:
		return d.Path
	case prefix == d.Field:
		return d.Field
	case bracket:
		return prefix + "*" // a glob has no other way to say "["
	default:
		return path + "*"
	}
}

// addRule adds one rule at the end of drift.ignore.
func (w *rewriting) addRule(rule map[string]any) error {
	list := w.spec.Root.Get("drift").Get("ignore")
	if list.Kind() != specs.List {
		return w.set(resources.Written{Root: true, Path: []string{"drift", "ignore"}, Value: []any{rule}}, resources.Addr{})
	}
	file := list.Pos().File
	text, err := w.text(file)
	if err != nil {
		return err
	}
	if err := w.noSecret(rule); err != nil {
		return err
	}
	changed, err := specs.Append(text, list, rule)
	if err != nil {
		return fmt.Errorf("add a rule: %w", err)
	}
	return w.try(file, changed)
}
