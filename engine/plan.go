package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/engine/graph"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// Options say what a plan is for.
type Options struct {
	// Destroy plans the removal of everything the stack owns.
	Destroy bool
	// Keep are globs of addresses that Destroy leaves alone ("volume/*").
	Keep []string
	// Purge has Destroy also remove what an object alone holds: see
	// resources.Observed.
	Purge bool
	// Unprotect are globs of addresses whose protection was lifted by someone
	// who said so.
	Unprotect []string
	// Targets and Excludes are globs of addresses; see resources.Addr.Match.
	// What a target needs is part of the plan too.
	Targets, Excludes []string
	// Replace forces the replacement of these (globs).
	Replace []string
	// Adopt takes over objects that nobody or another owner has marked (globs).
	Adopt []string
	// Allow lists hazards that were consented to.
	Allow []string
	// Discard are globs of addresses whose data the command itself gives up:
	// "volume/*" for destroy --volumes. Data anywhere else needs Allow.
	Discard []string
	// AllowEmpty permits a spec that declares nothing to remove everything.
	AllowEmpty bool
	// MaxDestroy refuses plans that delete or replace more; nil is no limit.
	MaxDestroy *int
	// OnlyDrift plans only what was changed outside, and leaves pending changes
	// of the spec alone.
	OnlyDrift bool
	// Made are the objects that an earlier round of the same run has recreated.
	// Replace and what repeats have been done for them.
	Made map[resources.Addr]bool `json:"-"`
	// Await has the gates of what needs no change waited for too, as is due after
	// a run that did not end well. It belongs to one run and is never saved.
	Await bool `json:"-"`
}

// Doomed returns which objects a plan with these options removes or replaces
// whatever is found, nil when there are none: see resources.Scope.
func (o Options) Doomed() func(resources.Addr) bool {
	switch {
	case o.Destroy:
		return func(a resources.Addr) bool { return !matchAny(a, o.Keep) }
	case len(o.Replace) > 0:
		return func(a resources.Addr) bool { return matchAny(a, o.Replace) }
	default:
		return nil
	}
}

// Change is what happens to one resource: what a person approves.
type Change struct {
	Addr   resources.Addr
	Action resources.Action
	// Mode is how a Replace is carried out.
	Mode resources.Replacement
	// Manner is how the new object takes the old one's place, of a Replace that
	// is a swap.
	Manner resources.Manner
	// Reason says in words why the action is needed; Code is its stable name
	// ("replace_because_cannot_update", "delete_because_no_resource_config").
	Reason, Code string
	Delta        resources.Delta
	// Unchanged counts the declared fields without a difference.
	Unchanged int
	Hazards   []resources.Hazard
	// Gate is the gate that is waited for, nil when there is none.
	Gate *resources.Gate
	// Needs are the addresses of other changes that come first.
	Needs []resources.Addr
	// Adopted says that the object is taken over from its owner.
	Adopted bool
	// Released says that the object is external from now on: it is no longer
	// recorded as the stack's, and is not touched.
	Released bool
	// Removed says that the object was removed outside.
	Removed bool
	// Ignored are the differences that a rule of the spec lets be.
	Ignored resources.Delta
	// Overruled are declared settings that are not in force, which nothing in the
	// plan changes: see resources.Observed.
	Overruled resources.Delta
	// Want is nil for deletes, Have for creates; Have may be Unknown.
	Want *resources.Resource
	Have *resources.Observed
	// tied are the addresses of all that comes back together with it, itself
	// included, in order.
	tied []resources.Addr
	// yields says that it is stopped before any of those is replaced.
	yields bool
}

// Pos is where the resource is declared, or was in the spec that is compared
// with; zero when it is in none.
func (c *Change) Pos() specs.Pos {
	switch {
	case c.Want != nil:
		return c.Want.KeyPos
	case c.Have != nil:
		return c.Have.Pos
	default:
		return specs.Pos{}
	}
}

// IsNoOp reports whether nothing happens to the resource.
func (c *Change) IsNoOp() bool { return c.Action == resources.NoOp }

// Symbol returns the sign of the action: "+", "~", "-", "-/+", "+/-" or " ".
func (c *Change) Symbol() string {
	switch c.Action {
	case resources.Create, resources.Ensure:
		return "+"
	case resources.Update:
		return "~"
	case resources.Delete:
		return "-"
	case resources.Replace:
		if c.Mode == resources.SwapBack {
			return "+/-"
		}
		return "-/+"
	default:
		return " "
	}
}

// Verb is what a step does.
type Verb string

const (
	VerbCreate  Verb = "create"
	VerbUpdate  Verb = "update"
	VerbEnsure  Verb = "ensure"
	VerbDelete  Verb = "delete"
	VerbYield   Verb = "yield"   // resources.SwapBack: the old one is stopped, for others to take what it has
	VerbReplace Verb = "replace" // resources.OneStep
	VerbSwap    Verb = "swap"    // resources.SwapBack: the new one takes the place
	VerbAwait   Verb = "await"   // the gate
	VerbCommit  Verb = "commit"  // resources.SwapBack: the old one goes
)

// Step is one operation of the walk.
type Step struct {
	Addr resources.Addr
	Verb Verb
}

// String returns "create service/x".
func (s Step) String() string { return string(s.Verb) + " " + s.Addr.String() }

// Refusal is something the plan would have to do and must not: it is shown, and
// Apply refuses a plan that has one.
type Refusal struct {
	Addr resources.Addr
	Pos  specs.Pos
	Code string // "protected", "foreign", "max-destroy", "empty-spec", "hazard", "missing-external", "unreachable", "no-match", "inactive", "unsupported"
	Msg  string
	Hint string
}

// impossible reports whether the refusal is no decision but a lack: something
// is not there, or could not be asked.
func (r Refusal) impossible() bool {
	return slices.Contains([]string{"missing-external", "unreachable", "no-match", "inactive"}, r.Code)
}

// Error returns the message with its place.
func (r Refusal) Error() string {
	if r.Pos.IsZero() {
		return r.Addr.String() + ": " + r.Msg
	}
	return r.Pos.String() + ": " + r.Addr.String() + ": " + r.Msg
}

// Plan is what Apply would do. It is data: printing it twice gives the same
// bytes.
type Plan struct {
	Stack string
	// Destroy tells that the plan removes the stack.
	Destroy bool
	// Changes holds one entry for each resource declared or seen, NoOp
	// included, in an order in which each comes after what it needs.
	Changes []*Change
	// Steps is what the walk runs.
	Steps graph.Graph[Step]
	// Refusals make the plan one that cannot be applied.
	Refusals []Refusal
	// Unknown counts resources whose API could not be asked.
	Unknown int
	// Unread is what could not be read, in order of address.
	Unread []Unread
	// Unconfirmed are the objects that the spec does not declare and that are kept,
	// since they are the stack's by their labels alone, in order.
	Unconfirmed []resources.Addr
	// Kept are the objects that Destroy leaves as Options.Keep says, in order.
	Kept []resources.Addr

	declared  *resources.Declared
	byAddr    map[resources.Addr]*Change
	onlyDrift bool
	lost      []resources.Addr // what a destroy finds removed already
}

// IsGone reports whether nothing of the stack is there any more, and nothing
// is to be.
func (p *Plan) IsGone() bool {
	return p.Destroy && p.IsEmpty() && len(p.Kept)+len(p.Refusals)+p.Unknown == 0
}

// Counts is the summary line of a plan or report. A replacement counts as one
// to add and one to destroy.
type Counts struct{ Add, Change, Destroy int }

// Counts returns the numbers of the summary line.
func (p *Plan) Counts() Counts {
	var n Counts
	for _, c := range p.Changes {
		switch c.Action {
		case resources.Create, resources.Ensure:
			n.Add++
		case resources.Update:
			n.Change++
		case resources.Delete:
			n.Destroy++
		case resources.Replace:
			n.Add++
			n.Destroy++
		}
	}
	return n
}

// IsEmpty reports whether nothing would change.
func (p *Plan) IsEmpty() bool {
	return !slices.ContainsFunc(p.Changes, func(c *Change) bool { return !c.IsNoOp() })
}

// IsOver reports whether nothing would change and no gate is to be waited for.
func (p *Plan) IsOver() bool { return p.IsEmpty() && p.Steps.Len() == 0 }

// Refused returns why the plan cannot be applied: an error that wraps
// ErrRefused when something must not be done, one that wraps ErrImpossible when
// all that stands in the way is missing, and nil when the plan can be applied.
func (p *Plan) Refused() error {
	switch n := len(p.Refusals); {
	case n == 0:
		return nil
	case slices.ContainsFunc(p.Refusals, func(r Refusal) bool { return !r.impossible() }):
		return fmt.Errorf("%w: %d of the changes must not be made", ErrRefused, n)
	default:
		return fmt.Errorf("%w: %d of the changes cannot be made", ErrImpossible, n)
	}
}

// Change returns the change of an address, nil when the plan has none.
func (p *Plan) Change(a resources.Addr) *Change { return p.byAddr[a] }

// LosesData reports whether the plan destroys data.
func (p *Plan) LosesData() bool {
	return slices.ContainsFunc(p.Changes, func(c *Change) bool {
		return slices.ContainsFunc(c.Hazards, func(h resources.Hazard) bool { return h.Code == resources.DataLoss })
	})
}

// RemovesProtected reports whether the plan removes what the spec or the object
// itself marks as protected.
func (p *Plan) RemovesProtected() bool {
	return slices.ContainsFunc(p.Changes, func(c *Change) bool {
		return c.Action == resources.Delete && c.Have != nil && (c.Have.Protected || c.Want != nil && c.Want.Protect)
	})
}

// UnconfirmedProblem says which objects a plan keeps that are the stack's by
// their labels alone; nil when there are none.
func (p *Plan) UnconfirmedProblem(at specs.Pos) *specs.Problem {
	if len(p.Unconfirmed) == 0 {
		return nil
	}
	names := make([]string, len(p.Unconfirmed))
	for i, a := range p.Unconfirmed {
		names[i] = a.String()
	}
	return ruleUnconfirmed.At(at, "not in the spec, and kept since the record of the stack is gone: "+strings.Join(names, ", "),
		"`-allow orphans` removes them; or declare them again")
}

// Overruled returns the changes with fields that something else decides, in
// order of address.
func (p *Plan) Overruled() []*Change {
	found := slices.DeleteFunc(slices.Clone(p.Changes), func(c *Change) bool { return len(c.Overruled) == 0 })
	slices.SortFunc(found, func(a, b *Change) int { return a.Addr.Compare(b.Addr) })
	return found
}

// Declared returns what the plan was made from.
func (p *Plan) Declared() *resources.Declared { return p.declared }

// String returns one line for each step with what it waits for and why it is
// there: the language of the planner's tests.
//
//	[1] create network/infra: it does not exist
//	[2] [1] -> create service/db: it does not exist
func (p *Plan) String() string {
	var b strings.Builder
	number := map[Step]int{}
	for i, s := range p.Steps.Sorted() {
		number[s] = i + 1
		var needs []int
		for _, n := range p.Steps.Needs(s) {
			needs = append(needs, number[n])
		}
		slices.Sort(needs)
		fmt.Fprintf(&b, "[%d] ", i+1)
		for _, n := range needs {
			fmt.Fprintf(&b, "[%d] ", n)
		}
		if len(needs) > 0 {
			b.WriteString("-> ")
		}
		b.WriteString(s.String())
		if c := p.byAddr[s.Addr]; c != nil && s.Verb != VerbAwait && s.Verb != VerbYield && s.Verb != VerbCommit && c.Reason != "" {
			b.WriteString(": " + c.Reason)
		}
		b.WriteByte('\n')
	}
	for _, a := range p.Kept {
		fmt.Fprintf(&b, "kept %s\n", a)
	}
	for _, r := range p.Refusals {
		fmt.Fprintf(&b, "refused %s: %s\n", r.Addr, r.Msg)
	}
	return b.String()
}
