package render

import (
	"math"
	"strings"
	"time"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// JSONDrift is the answer of drift.
type JSONDrift struct {
	FormatVersion string          `json:"format_version"`     // version of this format
	MidazVersion  string          `json:"midaz_version"`      // version of the program
	Stack         string          `json:"stack"`              // name of the stack
	Errored       bool            `json:"errored"`            // whether drift could not be found out; then the lists are empty and `diagnostics` say why
	Drifted       *bool           `json:"drifted,omitempty"`  // whether something was changed outside; left out when nothing was found and not everything could be read
	ResourceDrift []JSONResource  `json:"resource_drift"`     // what was changed outside since the last apply
	Pending       []JSONResource  `json:"pending"`            // what the spec asks for and was not applied yet
	Unmanaged     []JSONUnmanaged `json:"unmanaged"`          // what is on the broker and belongs to no stack
	Coverage      *jsonCoverage   `json:"coverage,omitempty"` // how much of the broker is managed
	Unknown       []JSONUnread    `json:"unknown"`            // what could not be read, so that it may have been changed
	Runtime       []JSONRuntime   `json:"runtime"`            // what does not run as it should
	Ignored       []JSONIgnored   `json:"ignored"`            // drift that a rule of the spec lets be
	Refusals      []JSONRefusal   `json:"refusals"`           // patterns of the command line that match nothing
	Diagnostics   []JSONProblem   `json:"diagnostics"`        // what is wrong with the spec, warnings included
}

// jsonCoverage is how much of what is on the broker the stack manages.
type jsonCoverage struct {
	Managed   int     `json:"managed"`   // objects of this stack on the broker
	Unmanaged int     `json:"unmanaged"` // objects of no stack
	Percent   float64 `json:"percent"`   // managed ones of both
}

// coverageOf counts what the stack manages on the broker; ok is false where there
// is nothing to count.
func coverageOf(d engine.Drift) (c jsonCoverage, ok bool) {
	for _, change := range d.Plan.Changes {
		kind := d.Plan.Declared().Kind(change.Addr.Kind)
		onBroker := kind != nil && strings.HasPrefix(kind.Table().Section, "rabbitmq/")
		if onBroker && change.Have != nil && change.Have.Presence == resources.Present && change.Have.Stack == d.Plan.Stack {
			c.Managed++
		}
	}
	c.Unmanaged = len(d.Unmanaged)
	if c.Managed+c.Unmanaged == 0 {
		return c, false
	}
	c.Percent = math.Floor(1000*float64(c.Managed)/float64(c.Managed+c.Unmanaged)) / 10
	return c, true
}

type JSONUnmanaged struct {
	Address string   `json:"address"`         // kind/name
	Type    string   `json:"type"`            // kind
	Name    string   `json:"name"`            // name within the kind
	Owner   string   `json:"owner,omitempty"` // who else owns it
	Notes   []string `json:"notes,omitempty"` // what a person should know of it
}

// JSONRuntime is a container that does not run as it should.
type JSONRuntime struct {
	Address   string      `json:"address"`              // kind/name
	State     string      `json:"state"`                // as the engine says it: exited (1)
	Condition string      `json:"condition"`            // stopped, exited, failed, out-of-memory, paused, restarting, unhealthy, not-started or dead
	ExitCode  *int        `json:"exit_code,omitempty"`  // exit status, once it has ended
	OOMKilled bool        `json:"oom_killed,omitempty"` // whether the kernel ended it for lack of memory
	Restarts  int         `json:"restarts,omitempty"`   // how often the engine has restarted it
	Ended     string      `json:"ended,omitempty"`      // when it ended, RFC 3339
	Source    *jsonSource `json:"source,omitempty"`     // where the spec declares it
}

func runtimeJSON(c *engine.Change) JSONRuntime {
	r := c.Have.Runtime
	out := JSONRuntime{Address: c.Addr.String(), State: c.Have.State, Condition: r.Trouble, ExitCode: r.ExitCode, OOMKilled: r.OOM,
		Restarts: r.Restarts, Source: sourceJSON(c.Pos())}
	if !r.Ended.IsZero() {
		out.Ended = r.Ended.UTC().Format(time.RFC3339)
	}
	return out
}

// JSONIgnored is a difference that a rule of the spec lets be.
type JSONIgnored struct {
	Address string    `json:"address"` // kind/name
	Field   jsonField `json:"field"`   // the difference
}

func DriftJSON(d engine.Drift, problems specs.Problems) JSONDrift {
	out := JSONDrift{FormatVersion: DriftFormat, MidazVersion: report.Version, Stack: d.Plan.Stack,
		ResourceDrift: []JSONResource{}, Pending: []JSONResource{}, Unmanaged: []JSONUnmanaged{}, Unknown: unreadJSON(d.Unread),
		Runtime: []JSONRuntime{}, Ignored: []JSONIgnored{}, Refusals: refusalsJSON(d.Plan), Diagnostics: ProblemsJSON(problems)}
	if len(d.Changed) > 0 || len(d.Unread) == 0 {
		out.Drifted = new(len(d.Changed) > 0)
	}
	for _, c := range d.Changed {
		out.ResourceDrift = append(out.ResourceDrift, changeJSON(d.Plan, c))
	}
	for _, c := range d.Pending {
		out.Pending = append(out.Pending, changeJSON(d.Plan, c))
	}
	for _, o := range d.Unmanaged {
		out.Unmanaged = append(out.Unmanaged, JSONUnmanaged{o.Addr.String(), o.Addr.Kind, o.Addr.Name, o.Owner, o.Notes})
	}
	if c, ok := coverageOf(d); ok {
		out.Coverage = &c
	}
	for _, c := range d.Runtime {
		out.Runtime = append(out.Runtime, runtimeJSON(c))
	}
	for _, c := range d.Ignored {
		for _, diff := range c.Ignored {
			out.Ignored = append(out.Ignored, JSONIgnored{c.Addr.String(), fieldJSON(diff)})
		}
	}
	return out
}
