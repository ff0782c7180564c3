package main

import (
	"math"
	"strings"
	"time"

	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// jsonDrift is the answer of drift.
type jsonDrift struct {
	FormatVersion string          `json:"format_version"`     // version of this format
	MidazVersion  string          `json:"midaz_version"`      // version of the program
	Stack         string          `json:"stack"`              // name of the stack
	Errored       bool            `json:"errored"`            // whether drift could not be found out; then the lists are empty and `diagnostics` say why
	Drifted       *bool           `json:"drifted,omitempty"`  // whether something was changed outside; left out when nothing was found and not everything could be read
	ResourceDrift []jsonResource  `json:"resource_drift"`     // what was changed outside since the last apply
	Pending       []jsonResource  `json:"pending"`            // what the spec asks for and was not applied yet
	Unmanaged     []jsonUnmanaged `json:"unmanaged"`          // what stands on the broker and belongs to no stack
	Coverage      *jsonCoverage   `json:"coverage,omitempty"` // how much of the broker is managed
	Unknown       []jsonUnread    `json:"unknown"`            // what could not be read, so that it may have been changed
	Runtime       []jsonRuntime   `json:"runtime"`            // what does not run as it should
	Ignored       []jsonIgnored   `json:"ignored"`            // drift that a rule of the spec lets be
	Refusals      []jsonRefusal   `json:"refusals"`           // patterns of the command line that match nothing
	Diagnostics   []jsonProblem   `json:"diagnostics"`        // what is wrong with the spec, warnings included
}

// jsonCoverage is how much of what stands on the broker the stack manages.
type jsonCoverage struct {
	Managed   int     `json:"managed"`   // objects of this stack on the broker
	Unmanaged int     `json:"unmanaged"` // objects of no stack
	Percent   float64 `json:"percent"`   // managed ones of both
}

// coverageOf counts what the stack manages on the broker; ok is false where there
// is nothing to count.
func coverageOf(d drift) (c jsonCoverage, ok bool) {
	for _, change := range d.plan.Changes {
		kind := d.plan.Declared().Kind(change.Addr.Kind)
		onBroker := kind != nil && strings.HasPrefix(kind.Table().Section, "rabbitmq/")
		if onBroker && change.Have != nil && change.Have.Presence == resources.Present && change.Have.Stack == d.plan.Stack {
			c.Managed++
		}
	}
	c.Unmanaged = len(d.unmanaged)
	if c.Managed+c.Unmanaged == 0 {
		return c, false
	}
	c.Percent = math.Floor(1000*float64(c.Managed)/float64(c.Managed+c.Unmanaged)) / 10
	return c, true
}

type jsonUnmanaged struct {
	Address string   `json:"address"`         // kind/name
	Type    string   `json:"type"`            // kind
	Name    string   `json:"name"`            // name within the kind
	Owner   string   `json:"owner,omitempty"` // who else owns it
	Notes   []string `json:"notes,omitempty"` // what a person should know of it
}

// jsonRuntime is a container that does not run as it should.
type jsonRuntime struct {
	Address   string      `json:"address"`              // kind/name
	State     string      `json:"state"`                // as the engine says it: exited (1)
	Condition string      `json:"condition"`            // stopped, exited, failed, out-of-memory, paused, restarting, unhealthy, not-started or dead
	ExitCode  *int        `json:"exit_code,omitempty"`  // exit status, once it has ended
	OOMKilled bool        `json:"oom_killed,omitempty"` // whether the kernel ended it for lack of memory
	Restarts  int         `json:"restarts,omitempty"`   // how often the engine has restarted it
	Ended     string      `json:"ended,omitempty"`      // when it ended, RFC 3339
	Source    *jsonSource `json:"source,omitempty"`     // where the spec declares it
}

func runtimeJSON(c *engine.Change) jsonRuntime {
	r := c.Have.Runtime
	out := jsonRuntime{Address: c.Addr.String(), State: c.Have.State, Condition: r.Trouble, ExitCode: r.ExitCode, OOMKilled: r.OOM,
		Restarts: r.Restarts, Source: sourceJSON(c.Pos())}
	if !r.Ended.IsZero() {
		out.Ended = r.Ended.UTC().Format(time.RFC3339)
	}
	return out
}

// jsonIgnored is a difference that a rule of the spec lets be.
type jsonIgnored struct {
	Address string    `json:"address"` // kind/name
	Field   jsonField `json:"field"`   // the difference
}

func driftJSON(d drift, problems specs.Problems) jsonDrift {
	out := jsonDrift{FormatVersion: driftFormat, MidazVersion: version, Stack: d.plan.Stack,
		ResourceDrift: []jsonResource{}, Pending: []jsonResource{}, Unmanaged: []jsonUnmanaged{}, Unknown: unreadJSON(d.unread),
		Runtime: []jsonRuntime{}, Ignored: []jsonIgnored{}, Refusals: refusalsJSON(d.plan), Diagnostics: problemsJSON(problems)}
	if len(d.changed) > 0 || len(d.unread) == 0 {
		out.Drifted = new(len(d.changed) > 0)
	}
	for _, c := range d.changed {
		out.ResourceDrift = append(out.ResourceDrift, changeJSON(d.plan, c))
	}
	for _, c := range d.pending {
		out.Pending = append(out.Pending, changeJSON(d.plan, c))
	}
	for _, o := range d.unmanaged {
		out.Unmanaged = append(out.Unmanaged, jsonUnmanaged{o.Addr.String(), o.Addr.Kind, o.Addr.Name, o.Owner, o.Notes})
	}
	if c, ok := coverageOf(d); ok {
		out.Coverage = &c
	}
	for _, c := range d.runtime {
		out.Runtime = append(out.Runtime, runtimeJSON(c))
	}
	for _, c := range d.ignored {
		for _, diff := range c.Ignored {
			out.Ignored = append(out.Ignored, jsonIgnored{c.Addr.String(), fieldJSON(diff)})
		}
	}
	return out
}
