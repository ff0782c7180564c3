package resources

import (
	"errors"
	"path"
	"strings"
	"time"

	"github.com/LerianStudio/midaz-infra/specs"
)

// Ignore is a rule of the spec that lets changes made outside be. It is like
// ignore_changes of OpenTofu for what someone else changes: such a difference is
// neither shown as drift nor repaired. What the spec newly asks for is applied
// all the same, and an object that is made or replaced is made as declared.
type Ignore struct {
	Address string // glob
	Field   string // glob of a field, or of the path of a part of it
	Reason  string
	Until   time.Time // the last day on which it holds
	Pos     specs.Pos
}

// Match reports whether the rule is about the difference.
func (g Ignore) Match(a Addr, d Diff) bool {
	return d.Drift && a.Match(g.Address) && (matchField(g.Field, d.Field) || matchField(g.Field, d.Path))
}

func matchField(glob, name string) bool {
	if glob == name {
		return true
	}
	if prefix, ok := strings.CutSuffix(glob, "*"); ok && !strings.ContainsAny(prefix, "*?[\\") {
		return strings.HasPrefix(name, prefix)
	}
	ok, err := path.Match(glob, name)
	return err == nil && ok
}

// Expired reports whether the rule's last day is over.
func (g Ignore) Expired(now time.Time) bool { return !now.Before(g.Until.AddDate(0, 0, 1)) }

// DateForm is how a day is written.
const DateForm = "2006-01-02"

// Drift is the top-level section `drift`.
var Drift = Object{
	What: "the section drift", NullOK: true,
	Fields: []Field{{Key: "ignore", Type: List(ignoreRule),
		Example: `[{address: service/api, field: cpus, reason: "the autoscaler sets it", until: "2026-12-31"}]`,
		Doc: "Changes made outside that are let be: neither shown as drift nor repaired. What the spec newly asks for is applied all the " +
			"same."}},
}

var ignoreRule = Object{
	What: "an ignore rule",
	Fields: []Field{
		{Key: "address", Type: String(), Required: true, Example: "service/api", Other: "'queue/%2F/*'",
			Doc: "the address it is for; globs work."},
		{Key: "field", Type: String(), Required: true, Example: "cpus", Other: "networks.*",
			Doc: "the field, or a part of it as drift names it; globs work."},
		{Key: "reason", Type: Checked("a reason", someText), Required: true, Example: "the autoscaler sets it", Other: "a trial of the new limit",
			Doc: "why it may differ, for the next reader."},
		{Key: "until", Type: Checked("a day such as 2026-12-31", day), Required: true, Example: `"2026-12-31"`, Other: `"2027-01-31"`,
			Doc: "the last day on which the rule holds."},
	},
}

func someText(s string) (string, error) {
	if strings.TrimSpace(s) == "" {
		return "", errors.New("it is empty")
	}
	return s, nil
}

func day(s string) (string, error) {
	t, err := time.Parse(DateForm, strings.TrimSpace(s))
	if err != nil {
		return "", errors.New("it has the form YYYY-MM-DD")
	}
	return t.Format(DateForm), nil
}

// ReadIgnores reads the rules of a spec. Each that is well formed is returned.
func ReadIgnores(root specs.Node, report Report) []Ignore {
	e, ok := root.Entry("drift")
	if !ok {
		return nil
	}
	v, ok := Drift.Decode(e.Value, report)
	m, _ := v.(map[string]any)
	all, _ := m["ignore"].([]any)
	if !ok {
		return nil
	}
	items := e.Value.Get("ignore").Items()
	out := make([]Ignore, 0, len(all))
	for i, v := range all {
		rule, _ := v.(map[string]any)
		c := Config(rule)
		until, _ := time.Parse(DateForm, c.Text("until"))
		out = append(out, Ignore{Address: c.Text("address"), Field: c.Text("field"), Reason: c.Text("reason"), Until: until, Pos: items[i].Pos()})
	}
	return out
}
