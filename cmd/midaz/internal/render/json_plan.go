package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// Versions of the JSON formats. A reader ignores minor versions it does not
// know and rejects major ones.
const (
	PlanFormat     = "1.0"
	DriftFormat    = "1.0"
	validateFormat = "1.0"
	streamFormat   = "1.0"
)

// JSONPlan is a plan in the names of OpenTofu's JSON, so that rules and viewers
// written for those work. What is ours stands under "midaz".
type JSONPlan struct {
	FormatVersion   string         `json:"format_version"`   // version of this format
	MidazVersion    string         `json:"midaz_version"`    // version of the program
	Stack           string         `json:"stack"`            // name of the stack
	Applyable       bool           `json:"applyable"`        // whether apply would do something and is not refused
	Complete        bool           `json:"complete"`         // whether everything could be looked at
	Errored         bool           `json:"errored"`          // whether the plan could not be made; then the lists are empty and `diagnostics` say why
	Dangers         []string       `json:"dangers"`          // addresses of what is destroyed, replaced or at risk, the worst first
	Summary         jsonCounts     `json:"summary"`          // the numbers of the last line of the text
	Refusals        []JSONRefusal  `json:"refusals"`         // why apply would refuse the plan, with status 7; empty when it would not
	ResourceChanges []JSONResource `json:"resource_changes"` // every resource, unchanged ones included, in order of address
	ResourceDrift   []JSONResource `json:"resource_drift"`   // what was changed outside since the last apply
	Diagnostics     []JSONProblem  `json:"diagnostics"`      // what is wrong with the spec, warnings included
}

type jsonCounts struct {
	Add    int `json:"add"`    // how many are created; a replacement counts here too
	Change int `json:"change"` // how many are changed in place
	Remove int `json:"remove"` // how many are destroyed; a replacement counts here too
}

type JSONResource struct {
	Address      string     `json:"address"`                    // kind/name, as -target takes it
	Previous     string     `json:"previous_address,omitempty"` // address before a `moved` entry
	Mode         string     `json:"mode"`                       // "managed"; "data" for what is external
	Type         string     `json:"type"`                       // kind
	Name         string     `json:"name"`                       // name within the kind
	Change       jsonChange `json:"change"`                     // what is done, in OpenTofu's names
	ActionReason string     `json:"action_reason,omitempty"`    // code of the reason, one of OpenTofu's where it has one
	Midaz        jsonOurs   `json:"midaz"`                      // what OpenTofu's format has no place for
}

type jsonChange struct {
	Actions         []string `json:"actions"`                 // ["no-op"], ["create"], ["update"], ["delete", "create"], ["create", "delete"] or ["delete"]
	Before          any      `json:"before"`                  // fields as they are; null for what is created
	After           any      `json:"after"`                   // fields as they will be; null for what is destroyed
	AfterUnknown    any      `json:"after_unknown"`           // always false: everything is known
	BeforeSensitive any      `json:"before_sensitive"`        // true at each place of `before` that is a secret and masked
	AfterSensitive  any      `json:"after_sensitive"`         // true at each place of `after` that is a secret and masked
	ReplacePaths    [][]any  `json:"replace_paths,omitempty"` // places of the differences that make a replacement necessary
}

// jsonOurs is what OpenTofu's format has no place for.
type jsonOurs struct {
	Reason      string      `json:"reason,omitempty"`       // why, in a sentence
	Replacement string      `json:"replacement,omitempty"`  // how it is replaced, in a sentence
	Order       string      `json:"order,omitempty"`        // start_first or stop_first, for a container that is replaced
	OrderReason string      `json:"order_reason,omitempty"` // what decides the order, and the downtime expected
	Source      *jsonSource `json:"source,omitempty"`       // where the spec declares it; where it did, for what is destroyed
	Fields      []jsonField `json:"fields,omitempty"`       // each difference, with its place
	Unchanged   int         `json:"unchanged,omitempty"`    // number of declared fields that do not differ
	DependsOn   []string    `json:"depends_on,omitempty"`   // addresses that come first
	Impact      []jsonPart  `json:"impact,omitempty"`       // what the change puts at risk
	Gate        *jsonGate   `json:"gate,omitempty"`         // when it counts as ready
	Adopted     string      `json:"adopted_from,omitempty"` // from whom it is taken over
	Unknown     string      `json:"unknown,omitempty"`      // why it could not be looked at
	Notes       []string    `json:"notes,omitempty"`        // what a person should know before it is touched
}

type jsonSource struct {
	File   string `json:"file"`   // name of the file, as it was given
	Line   int    `json:"line"`   // line, from 1
	Column int    `json:"column"` // column in characters, from 1
}

type jsonField struct {
	Path      string      `json:"path"`                   // place within the resource, for people: environment.PGPORT
	Before    any         `json:"before"`                 // value observed, masked when it is a secret
	After     any         `json:"after"`                  // value wanted, masked when it is a secret
	Sensitive bool        `json:"sensitive,omitempty"`    // whether a secret stands on either side
	Cost      string      `json:"cost"`                   // what changing it takes: nothing, in place, reconnect or replace
	Drift     bool        `json:"drift"`                  // whether it was changed outside since the last apply
	Pending   bool        `json:"pending"`                // whether the spec was changed since the last apply
	Applied   any         `json:"last_applied,omitempty"` // value last applied
	Remark    string      `json:"remark,omitempty"`       // what a person should know of this difference
	Source    *jsonSource `json:"source,omitempty"`       // where the spec asks for it
}

type jsonPart struct {
	Code    string `json:"code"`    // data-loss, downtime, connection-loss, message-loss or refused
	Message string `json:"message"` // what would happen
}

type jsonGate struct {
	Text    string  `json:"text"`                      // the condition on one line
	Timeout float64 `json:"timeout_seconds,omitempty"` // how long it is waited for
}

type JSONRefusal struct {
	Address string      `json:"address,omitempty"` // what it is about
	Code    string      `json:"code"`              // protected, foreign, hazard, max-destroy, policy and the like
	Message string      `json:"message"`           // why
	Hint    string      `json:"hint,omitempty"`    // what to do about it
	Source  *jsonSource `json:"source,omitempty"`  // where the spec declares it
}

// PlanJSON turns a plan into its JSON form. Changes stand in the order of their
// addresses, as readers of such files expect.
func PlanJSON(plan *engine.Plan, problems specs.Problems) JSONPlan {
	n := plan.Counts()
	out := JSONPlan{
		FormatVersion: PlanFormat, MidazVersion: report.Version, Stack: plan.Stack,
		Applyable: len(plan.Refusals) == 0 && !plan.IsEmpty(), Complete: plan.Unknown == 0,
		Summary:         jsonCounts{n.Add, n.Change, n.Destroy},
		ResourceChanges: []JSONResource{}, ResourceDrift: []JSONResource{}, Refusals: refusalsJSON(plan),
		Diagnostics: ProblemsJSON(problems), Dangers: []string{},
	}
	for _, c := range dangerous(plan) {
		out.Dangers = append(out.Dangers, c.Addr.String())
	}
	changes := slices.Clone(plan.Changes)
	slices.SortFunc(changes, func(a, b *engine.Change) int { return a.Addr.Compare(b.Addr) })
	for _, c := range changes {
		out.ResourceChanges = append(out.ResourceChanges, changeJSON(plan, c))
		if drift, ok := engine.DriftOf(c); ok {
			out.ResourceDrift = append(out.ResourceDrift, changeJSON(plan, drift))
		}
	}
	return out
}

func refusalsJSON(plan *engine.Plan) []JSONRefusal {
	out := []JSONRefusal{}
	for _, r := range plan.Refusals {
		j := JSONRefusal{Code: r.Code, Message: r.Msg, Hint: r.Hint, Source: sourceJSON(r.Pos)}
		if !r.Addr.IsZero() {
			j.Address = r.Addr.String()
		}
		out = append(out, j)
	}
	return out
}

func sourceJSON(pos specs.Pos) *jsonSource {
	if pos.IsZero() {
		return nil
	}
	return &jsonSource{pos.File, pos.Line, pos.Col}
}

// actionsJSON are OpenTofu's words for an action.
func actionsJSON(c *engine.Change) []string {
	switch c.Action {
	case resources.Create, resources.Ensure:
		return []string{"create"}
	case resources.Update:
		return []string{"update"}
	case resources.Delete:
		return []string{"delete"}
	case resources.Replace:
		if c.Mode == resources.SwapBack {
			return []string{"create", "delete"}
		}
		return []string{"delete", "create"}
	default:
		return []string{"no-op"}
	}
}

func changeJSON(plan *engine.Plan, c *engine.Change) JSONResource {
	j := JSONResource{
		Address: c.Addr.String(), Mode: "managed", Type: c.Addr.Kind, Name: c.Addr.Name,
		ActionReason: c.Code,
		Change:       jsonChange{Actions: actionsJSON(c), AfterUnknown: false, BeforeSensitive: false, AfterSensitive: false},
		Midaz: jsonOurs{Reason: c.Reason, Source: sourceJSON(c.Pos()), Unchanged: c.Unchanged,
			DependsOn: dependsOn(c)},
	}
	if c.Want != nil && c.Want.External {
		j.Mode = "data"
	}
	if c.Want != nil && c.Delta.Has("address") {
		j.Previous = c.Want.Moved.String()
	}
	if c.Want != nil && c.Action != resources.Delete {
		j.Change.After, j.Change.AfterSensitive = valuesJSON(c.Want.Config)
	}
	if c.Have != nil {
		switch c.Have.Presence {
		case resources.Present:
			j.Change.Before, j.Change.BeforeSensitive = valuesJSON(observedFields(plan, c))
		case resources.Unknown:
			j.Midaz.Unknown = c.Have.Why
		}
		j.Midaz.Notes = c.Have.Notes
	}
	for _, d := range c.Delta {
		if d.Cost == resources.Remake && c.Action == resources.Replace {
			j.Change.ReplacePaths = append(j.Change.ReplacePaths, pathJSON(d.Path))
		}
		j.Midaz.Fields = append(j.Midaz.Fields, fieldJSON(d))
	}
	for _, h := range c.Hazards {
		j.Midaz.Impact = append(j.Midaz.Impact, jsonPart{h.Code, h.Msg})
	}
	if c.Gate != nil {
		j.Midaz.Gate = &jsonGate{c.Gate.Text, c.Gate.Timeout.Seconds()}
	}
	if c.Action == resources.Replace {
		j.Midaz.Replacement = replacementText(c.Mode)
		j.Midaz.Order, j.Midaz.OrderReason = c.Manner.Order, c.Manner.Text
	}
	if c.Adopted && c.Have != nil {
		j.Midaz.Adopted = c.Have.Owner
	}
	return j
}

// dependsOn lists what the resource refers to, or for one that is no longer
// declared what it was seen to refer to.
func dependsOn(c *engine.Change) []string {
	var refs []resources.Ref
	switch {
	case c.Want != nil:
		refs = c.Want.Refs
	case c.Have != nil:
		refs = c.Have.Refs
	}
	var out []string
	for _, r := range refs {
		if a := r.To.String(); !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	slices.Sort(out)
	return out
}

func fieldJSON(d resources.Diff) jsonField {
	before, _ := valueJSON(d.Before)
	after, _ := valueJSON(d.After)
	applied, _ := valueJSON(d.Applied)
	return jsonField{Path: d.Path, Before: before, After: after, Applied: applied, Sensitive: d.Sensitive(), Cost: d.Cost.String(),
		Drift: d.Drift, Pending: d.Pending, Remark: d.Why, Source: sourceJSON(d.Pos)}
}

// observedFields returns what was observed of the fields that are declared or
// were declared when the object was last applied, with a secret in every place
// where one of these has one, or the kind's table says so.
func observedFields(plan *engine.Plan, c *engine.Change) resources.Config {
	out := resources.Config{}
	var table *resources.Table
	if plan.Declared() != nil {
		if k := plan.Declared().Kind(c.Addr.Kind); k != nil {
			table = k.Table()
		}
	}
	for key, v := range c.Have.Have {
		var want resources.Value
		declared := false
		if c.Want != nil {
			want, declared = c.Want.Config[key]
		}
		if !declared && !c.Have.Applied.Has(key) {
			continue
		}
		v = resources.SealLike(resources.SealLike(v, want), c.Have.Applied.Shape(key))
		if table != nil {
			if f, ok := table.Field(key); ok && f.Secret {
				v = resources.SealAll(v)
			}
		}
		out[key] = v
	}
	return out
}

// valuesJSON returns the fields for JSON, and in the same shape true where a
// value is sensitive, or false when none is.
func valuesJSON(c resources.Config) (any, any) {
	if c == nil {
		return nil, false
	}
	return valueJSON(map[string]any(c))
}

func valueJSON(v resources.Value) (any, any) {
	switch v := v.(type) {
	case resources.Secret:
		return resources.Masked, true
	case string:
		if resources.IsBinary(v) {
			return resources.ShowBinary(v), false
		}
		return v, false
	case []any:
		out, marks, sensitive := make([]any, len(v)), make([]any, len(v)), false
		for i, e := range v {
			out[i], marks[i] = valueJSON(e)
			sensitive = sensitive || marks[i] != false
		}
		if !sensitive {
			return out, false
		}
		return out, marks
	case map[string]any:
		out, marks := make(map[string]any, len(v)), map[string]any{}
		for k, e := range v {
			value, mark := valueJSON(e)
			out[k] = value
			if mark != false {
				marks[k] = mark
			}
		}
		if len(marks) == 0 {
			return out, false
		}
		return out, marks
	default:
		return v, false
	}
}

var pathPart = regexp.MustCompile(`\["((?:[^"\\]|\\.)*)"\]|\[([0-9]+)\]|([^.\[]+)`)

// pathJSON takes a path for people apart into keys and numbers.
func pathJSON(path string) []any {
	var out []any
	for _, m := range pathPart.FindAllStringSubmatch(path, -1) {
		switch {
		case m[2] != "":
			n, _ := strconv.Atoi(m[2])
			out = append(out, n)
		case m[3] != "":
			out = append(out, m[3])
		default:
			key, err := strconv.Unquote(`"` + m[1] + `"`)
			if err != nil {
				key = m[1]
			}
			out = append(out, key)
		}
	}
	return out
}

// WriteJSON writes one document, indented.
func WriteJSON(w io.Writer, v any) error {
	text, err := encodeJSON(v, "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

// encodeJSON returns a document in which nothing acts on a terminal: what the
// encoder lets through of that is escaped too, which says the same.
func encodeJSON(v any, indent string) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	acts := func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }
	if bytes.IndexFunc(b.Bytes(), acts) < 0 {
		return b.Bytes(), nil
	}
	out := make([]byte, 0, b.Len()+64)
	for _, r := range b.String() { // such runes stand in texts only
		if !acts(r) {
			out = utf8.AppendRune(out, r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			out = fmt.Appendf(out, "\\u%04x", unit)
		}
	}
	return out, nil
}

// JSONText returns one document, for files.
func JSONText(v any) string {
	var b strings.Builder
	if err := WriteJSON(&b, v); err != nil {
		return "null\n"
	}
	return b.String()
}
