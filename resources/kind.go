package resources

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/LerianStudio/midaz-infra/specs"
)

// Resource is one declared thing, decoded.
type Resource struct {
	Addr  Addr
	Stack string
	// Config holds the declared fields.
	Config Config
	// Node is where it is declared, KeyPos where its name stands. Derived
	// resources carry the node of what they were derived from.
	Node   specs.Node
	KeyPos specs.Pos
	// Dir is the folder that relative paths start at: that of the first spec
	// file, whichever file they are written in, as in Compose.
	Dir string
	// Refs are filled in by the engine from Kind.Refs.
	Refs []Ref
	// External resources are referred to and checked, never changed.
	External bool
	// Protect refuses to delete or replace the object.
	Protect bool
	// Dormant resources belong to a profile that is off: they are neither made
	// nor removed.
	Dormant bool
	// Moved is the address the object had before a `moved` entry, zero if none.
	Moved Addr
	// Native is the kind's own memory of the resource, set by its Finish. The
	// engine never looks.
	Native any
	// Redactor masks the secrets of the spec in what programs say; the engine
	// fills it in.
	Redactor *Redactor
}

var unescapePointer = strings.NewReplacer("~1", "/", "~0", "~")

// Pos returns the place of a field, or of the resource for "" and for a field
// that is not written.
func (r *Resource) Pos(pointer string) specs.Pos {
	if pointer == "" || r.Node.IsAbsent() {
		return r.KeyPos
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(pointer, "/"), "/")
	if _, declared := r.Node.Entry(unescapePointer.Replace(first)); !declared {
		return r.KeyPos
	}
	return r.Node.KeyPos(pointer)
}

// Bind says what a referrer does when what it refers to is made anew.
type Bind int

const (
	Order   Bind = iota // only wait for it
	Hold                // it is held open: released before the other is deleted, made anew after it
	Content             // its content is part of this one: any change of it replaces this one
	Inside              // it lives inside the other, and goes when the other is destroyed
	Made                // it can be joined to the other only when it is made: made anew after it
)

// Wait says how far what is referred to must have come.
type Wait int

const (
	Ready   Wait = iota // its gate has passed
	Started             // it exists and was started
)

// Ref is a reference from one resource to another: an edge of the graph.
type Ref struct {
	To   Addr
	At   string // JSON pointer of the reference inside the resource
	Bind Bind
	Wait Wait
	// Optional references are dropped when To is not declared or is dormant.
	Optional bool
	// Soft references order, and nothing more: when To fails, the resource that
	// refers to it still gets its turn.
	Soft bool
	// Within says that the resource lives in the very object of To: its object of
	// before can only come back together with that one's.
	Within bool
	// ID is the object that a reader saw being referred to, of To.Kind. The engine
	// replaces it by the address at which that object was seen, and drops the
	// reference when it was seen nowhere: a name or a label may say otherwise.
	ID string
}

// Presence says what observation found.
type Presence int

const (
	Absent  Presence = iota // asked, and it is not there
	Present                 // it is there
	Unknown                 // it could not be read: see Observed.Why
)

// Observed is what was seen of one object.
type Observed struct {
	Addr     Addr
	Presence Presence
	// Why says why it is Unknown, Hint what to do about it, "" where that is not
	// known.
	Why, Hint string
	// NotYet says of an object that is Unknown that its API is not up: it may
	// come up during a run.
	NotYet bool
	// Gone says of an object that is Absent, or someone else's in its place, that
	// the stack's was there after the last apply; "" when that is not known.
	Gone string
	// Done says of an object that is Absent that it has done what it is for, so that
	// nothing is missing; "" for any other.
	Done string
	// Finished says that it has done what it is for, whether it is Present or Absent:
	// it is made anew only when it was asked for, or when what it holds is.
	Finished bool
	// Have holds the observed fields in canonical form.
	Have Config
	// Applied is what the object remembers of the last apply, nil if nothing.
	Applied *Sealed
	// Stack owns the object, "" when nobody marked it. Owner describes a
	// foreign owner for people: `Compose project "infra"`.
	Stack string
	Owner string
	// Free objects belong to nobody by nature (vhost "/"): they may be changed
	// without being adopted, and are never deleted.
	Free bool
	// ID pins this very object: a container ID, or a digest of what was seen
	// for objects without one.
	ID string
	// Unconfirmed says that the object is the stack's by its labels alone: what was
	// remembered of the stack elsewhere is gone. It may have been given up since.
	Unconfirmed bool
	// Protected was remembered on the object.
	Protected bool
	// Refs are what the object seen refers to; they order deletes.
	Refs []Ref
	// Unfit is what its API would refuse of the resource that is wanted here: a
	// plan that writes it is refused before anything is written.
	Unfit []Unfit
	// Overruled are declared settings that are not in force because something
	// outside the spec takes precedence. The object itself is as declared, so that
	// writing it would not help.
	Overruled Delta
	// Stray says why the object goes although the stack did not make it, "" for
	// objects of the stack.
	Stray string
	// Notes are what a person should know before it is touched: "1,284
	// messages ready, 3 consumers".
	Notes []string
	// Pos is where a spec declares it that is no longer the one of today; zero
	// where that is not known.
	Pos specs.Pos
	// Warnings are told at places of the spec whenever the object is looked at.
	Warnings specs.Problems
	// State is the running state for ps and drift ("running", "exited (1)",
	// "unhealthy"), "" for objects without one.
	State string
	// Runtime says how its process is doing, nil for objects without one.
	Runtime *Runtime
	// Leftover marks what a killed run left behind and the next one clears:
	// it says what it is. It is deleted after the resource LeftoverOf is ready,
	// so that what might still be needed to go back is kept until then. An
	// Obsolete one never is, and goes without waiting.
	Leftover   string
	LeftoverOf Addr
	Obsolete   bool
	// Interrupted says of an object that is seen without being wanted that a
	// killed run was replacing it: see Recoverer.
	Interrupted bool
	// Purge asks Delete to take along what only this object holds and nobody could
	// find again, such as volumes without a name. Without it they stay.
	Purge bool
	// Native is the backend's own memory of the object. The engine passes it
	// back and never looks.
	Native any
}

// IsHalfAdopted reports whether the stack began to take the object over and never
// finished: it still is its owner's, and is never removed as the stack's own.
func (o *Observed) IsHalfAdopted() bool { return o.Stack != "" && o.Owner != "" }

// Unfit is one thing that an API refuses of a resource.
type Unfit struct {
	At        string // JSON pointer of the field
	Msg, Hint string
}

// Runtime is how the process of an object is doing.
type Runtime struct {
	// Trouble says what somebody should look at, "" when there is nothing: one
	// of the words below.
	Trouble  string
	ExitCode *int // once it has ended
	OOM      bool // the kernel ended it for lack of memory
	Restarts int  // by the engine
	// Ended is when it ended, by the engine's clock; zero while it runs.
	Ended time.Time
}

// Troubles of a Runtime.
const (
	Stopped     = "stopped"       // someone stopped it: its restart policy would have started it
	Exited      = "exited"        // it has ended, and nothing starts it again
	Failed      = "failed"        // a job that ended with another status than 0
	OutOfMemory = "out-of-memory" // it was ended for lack of memory
	Paused      = "paused"
	Restarting  = "restarting" // it ends again and again
	Unhealthy   = "unhealthy"
	NotStarted  = "not-started"
	Dead        = "dead" // the engine could not remove it
)

// Scope says what to observe.
type Scope struct {
	Stack string
	// Want are the resources of the reader's kind that the spec declares.
	Want []*Resource
	// Owned asks also for everything that the stack owns and Want does not
	// name. Without it only Want is looked at.
	Owned bool
	// Deep asks to read what is costly to compare, such as content of files.
	Deep bool
	// Doomed, when set, tells which objects are to be removed or replaced
	// whatever is found, so that readers say what would be lost with them.
	Doomed func(Addr) bool
}

// ErrUnreachable is wrapped by a Reader whose API cannot be connected to: it may
// come up during a run. A refused login (401, 403) is not unreachable. Either
// makes what was to be read Unknown.
var ErrUnreachable = errors.New("not reachable")

// NotRead is the observation of an object that could not be read.
func NotRead(a Addr, err error) *Observed {
	o := &Observed{Addr: a, Presence: Unknown, Why: err.Error(), NotYet: errors.Is(err, ErrUnreachable)}
	var d *Diagnosis
	if errors.As(err, &d) {
		o.Hint = d.Hint
	}
	return o
}

// ErrMoved is wrapped when an object is not the one that was planned for.
var ErrMoved = errors.New("not the object that was planned for")

// Kind is the static part of a kind: what it is and what it needs. Nothing in
// it touches the world.
type Kind interface {
	Table() *Table
	// Refs returns what the resource refers to.
	Refs(r *Resource) []Ref
}

// Replacement says how objects of a kind are replaced.
type Replacement int

const (
	DeleteCreate Replacement = iota // delete, then create
	SwapBack                        // Swapper: the old one comes back when the new one fails
	OneStep                         // Replacer: a single step of the kind's own
	CreateDelete                    // create beside the old one, then delete that when nothing refers to it any more
)

// The following interfaces are optional for a Kind.
type (
	// Namer makes the name of a resource that stands in a list, or whose name is
	// more than the keys above it. parts are the decoded keys of the section.
	Namer interface {
		Name(parts []string, c Config) Addr
	}
	// Deriver adds resources that nobody writes: images of services, the
	// default network. It is called once, with everything declared.
	Deriver interface {
		Derive(all *Declared) []*Resource
	}
	// Finisher completes a decoded resource: reads files it names, fills in
	// names that depend on the stack, sets External, Protect and Dormant.
	Finisher interface {
		Finish(r *Resource, all *Declared, report Report)
	}
	// Checker finds what is wrong with resources of this kind beyond their
	// shape. It is called once with everything declared.
	Checker interface {
		Check(all *Declared, report Report)
	}
	// Comparer replaces Table.Compare, for kinds whose engine fills in values.
	Comparer interface {
		Compare(want *Resource, have *Observed) Delta
	}
	// Replaced tells how to replace; without it DeleteCreate.
	Replaced interface {
		Replacement() Replacement
	}
	// ReplacedBy is for kinds that replace some objects in another way than
	// Replacement says.
	ReplacedBy interface {
		ReplacementOf(want *Resource, have *Observed) Replacement
	}
	// Emptier is a kind whose objects others live inside, and whose replacement may
	// come up without those.
	Emptier interface {
		// Empties says why what lives inside the object is not in the one that
		// replaces it, "" when it is.
		Empties(want *Resource, have *Observed) string
	}
	// Mannered tells how an object that is swapped takes the other's place.
	Mannered interface {
		Manner(want *Resource, have *Observed) Manner
	}
	// Releaser marks a kind whose ownership is recorded beside its objects, so that
	// one can be given up without being touched.
	Releaser interface {
		Releases()
	}
	// ReadOnly marks a kind that is only asked and waited for, never written.
	ReadOnly interface {
		ReadOnly()
	}
	// Gated tells which resources have a gate; without it none has.
	Gated interface {
		Gate(r *Resource) (Gate, bool)
	}
	// Hazarder names the dangers of a change beyond the general ones.
	Hazarder interface {
		Hazards(a Action, want *Resource, have *Observed) []Hazard
	}
	// JointHazarder names the dangers that several changes have together, such as
	// which policy a queue is left with. It is given every change of the plan, and
	// returns the dangers that changes of its own kind cause, by their addresses.
	JointHazarder interface {
		JointHazards(changes []Planned) map[Addr][]Hazard
	}
	// Follower marks a kind that exists for what refers to it: where all of that
	// is dormant it is dormant too. One that nothing refers to is made.
	Follower interface {
		Follows()
	}
	// Successor orders the removal of an object after the creation of those that
	// take its place: all that have the same place, "" for none.
	Successor interface {
		Place(a Addr) string
	}
	// Rival tells that a wanted resource takes over what an object that is there has
	// (a port of the host, an address), so that it must wait for that one to go.
	// leaving says that the object goes for good: a name that others can have at any
	// time passes on only then.
	Rival interface {
		Rivals(want *Resource, have *Observed, leaving bool) bool
	}
	// Movable marks a kind whose objects can go on under another address: its
	// reader takes the object of Resource.Moved for that of the resource when
	// this one has none of its own.
	Movable interface {
		Movable()
	}
	// Named is for movable kinds whose objects keep their name on the engine for
	// ever: it returns that, and whether the spec has written it.
	Named interface {
		NameOf(r *Resource) (name string, written bool)
	}
	// Speller tells how what was observed is written in the spec, for kinds where
	// that is not the field's canonical value at its own place. An error says why
	// it cannot be written. ok is false for what is written like any other field.
	Speller interface {
		Spell(want *Resource, have *Observed, d Diff, all *Declared) (written []Written, ok bool, err error)
	}
	// Settler completes what is seen of a resource right after it was applied,
	// for kinds of which that is more than the declared fields that are marked.
	// now is what is declared at its place today, nil for nothing.
	Settler interface {
		Settle(r *Resource, o *Observed, now *Resource)
	}
	// Recorded is for kinds that compare more of what was seen than its fields.
	// Record returns that in a form for JSON, without secrets, nil for nothing;
	// bare is what is declared at its place, as it reads where no sensitive
	// variable has a value, nil for nothing. Replay completes an object that was
	// read from a recording; now is what is declared at its place today.
	Recorded interface {
		Record(o *Observed, bare *Resource) any
		Replay(o *Observed, memory []byte, now *Resource) error
	}
	// Ruled lists the rules its checks use.
	Ruled interface {
		Rules() []*specs.Rule
	}
)

// Written is a value at its place in the spec.
type Written struct {
	// Root counts the path from the top of the spec; otherwise it counts from
	// the resource.
	Root bool
	Path []string
	// Value is what stands there, nil for nothing.
	Value Value
}

// Gate is when a resource counts as ready, for people and for the plan.
type Gate struct {
	// Text says it on one line: "healthy, stable for 2s".
	Text    string
	Timeout time.Duration
}

// Manner is how one object takes the place of another, as far as it is known
// when it is planned.
type Manner struct {
	Order string // "start_first", "stop_first", "" when there is nothing to tell
	Text  string // for people, with the reason and the downtime expected
}

// Planned is one change of a plan, as the kinds see it.
type Planned struct {
	Addr   Addr
	Action Action
	Want   *Resource // nil for a delete
	Have   *Observed // nil when nothing was asked
}

// Hazard is a coded danger of a change.
type Hazard struct {
	Code string // one of the codes below
	Msg  string
	// At is the object whose data is at risk, zero when that is the changed object.
	At Addr
	// Consent refuses the change unless its code was allowed. DataLoss always
	// needs that; Refused can be allowed by nobody.
	Consent bool
}

// NeedsConsent reports whether the change is refused unless the hazard's code
// was allowed, whatever its action is.
func (h Hazard) NeedsConsent() bool { return h.Consent || h.Code == DataLoss }

// HazardCodes returns the codes that can be consented to, in order of severity.
func HazardCodes() []string {
	return []string{DataLoss, MessageLoss, Orphans, ConnectionLoss, Downtime}
}

// Codes of hazards.
const (
	DataLoss       = "data-loss"
	Downtime       = "downtime"
	ConnectionLoss = "connection-loss"
	MessageLoss    = "message-loss"
	Orphans        = "orphans"
	Refused        = "refused"
)

// Reader observes objects of one kind. It cannot change anything: it is built
// on a client whose type has no writing call.
type Reader interface {
	// Observe returns an Observed for each wanted resource, Absent included,
	// and with scope.Owned one for each further object of the stack. The slice
	// has no order. Only one object that cannot be read is Unknown (NotRead); an
	// error makes all of them Unknown.
	Observe(ctx context.Context, scope Scope) ([]*Observed, error)
}

// Note reports what a long step last saw, on one line without secrets.
type Note func(format string, args ...any)

// Writer changes objects of one kind. Every call may be repeated after a crash
// and must then finish the job; each has looked again at its object shortly
// before.
type Writer interface {
	Create(ctx context.Context, r *Resource, note Note) error
	// Update applies the differences, none of which costs Remake.
	Update(ctx context.Context, r *Resource, have *Observed, d Delta, note Note) error
	// Delete removes the very object observed, pinned by its ID: another one of
	// the same name is left alone and gives an error that wraps ErrMoved. One
	// that is gone already is success.
	Delete(ctx context.Context, have *Observed, note Note) error
}

// The following interfaces are optional for a Writer.
type (
	// Waiter waits for the gate of a resource that was just made or started.
	// It returns nil when ready, a *GateError when the gate has failed or
	// timed out.
	Waiter interface {
		Await(ctx context.Context, r *Resource, note Note) error
	}
	// Swapper replaces an object so that the old one can come back. After Swap
	// the new one has the old one's place (or stands beside it) and is gated;
	// then either Commit removes the old one, or Rollback puts it back.
	Swapper interface {
		Swap(ctx context.Context, r *Resource, have *Observed, note Note) error
		Commit(ctx context.Context, r *Resource, have *Observed, note Note) error
		Rollback(ctx context.Context, r *Resource, have *Observed, note Note) error
	}
	// Yielder is for a Swapper whose objects may have to take over from one another
	// in a circle. Yield has the old object let go of what others cannot have beside
	// it; Swap or Rollback follows.
	Yielder interface {
		Yield(ctx context.Context, r *Resource, have *Observed, note Note) error
	}
	// Replacer replaces an object in one step.
	Replacer interface {
		Replace(ctx context.Context, r *Resource, have *Observed, note Note) error
	}
	// Consenting is for writers that look again, right before a write, at what it
	// would destroy. Consent is called before the first step with the hazards of
	// each change: the plan has shown them and was not refused. Anything else that
	// would be lost is an error of the step.
	Consenting interface {
		Consent(a Addr, hazards []Hazard)
	}
	// Relinquisher gives up an object that is declared external now: it stays as it
	// is, and is no longer the stack's.
	Relinquisher interface {
		Relinquish(ctx context.Context, r *Resource, have *Observed) error
	}
	// Claimed is for writers of backends whose objects carry no mark. All
	// writers of one backend return the same Claimer.
	Claimed interface {
		Claimer() Claimer
	}
)

// Claimer keeps the list of what a stack owns where the objects cannot carry
// it themselves. Both calls cost no write when nothing changes.
type Claimer interface {
	// Claim is called once, before the first write of a run, with everything
	// the run may create or change, and with what it may remove: an intent, so
	// that a killed run is recognised.
	Claim(ctx context.Context, stack string, intended []*Resource, leaving []Addr) error
	// Release is called at the end of a run that wrote. applied are as declared
	// now, gone are removed; everything else on the list stays.
	Release(ctx context.Context, stack string, applied []*Resource, gone []Addr) error
}

// Intender is a Claimer that is told, before Claim, which objects the run is about
// to change in place: what a run has changed before it failed, or was killed, is
// then known to be its own.
type Intender interface {
	Intend(updates []Intent)
}

// Intent is one change in place.
type Intent struct {
	Want *Resource
	Have *Observed
}

// Restorer is a Writer of objects that a killed run may have put in the place of
// others before they were ready.
type Restorer interface {
	// Restore puts back what a killed run has replaced by the object whose gate
	// has failed now, and reports whether there was anything to put back.
	Restore(ctx context.Context, r *Resource) (bool, error)
}

// Recoverer is a Kind of objects whose replacement may be interrupted halfway,
// which matters also while their profile is off.
type Recoverer interface {
	// Recover returns those differences that are the mark of the interrupted
	// replacement and none of the spec's: all can be changed in place.
	Recover(want *Resource, have *Observed) Delta
}

// GateError says why a gate did not pass, with what a person needs to see.
type GateError struct {
	Addr     Addr
	TimedOut bool
	Cause    string   // "container exited", "health check failed", "timed out after 2m0s"
	Probe    string   // last probe and its output
	State    string   // of the container: "running", "exited"; "" when there is none to look at
	ExitCode *int     // of the container, when it has exited
	OOM      bool     // killed for lack of memory
	Restarts int      // how often the engine restarted it
	Logs     []string // the last lines, at most 20
	Next     NextStep // where to look next
}

// NextStep is where to look after a gate has failed. At most one of its first
// three fields is set; the zero value is a new plan.
type NextStep struct {
	Logs      string // the service or job whose logs tell more
	Container string // the ID of the container whose logs tell more, where the service may be another one by then
	Do        string // what to do, in words
	// Flags are those of the command line that say which spec was meant, for a
	// command that can be pasted. Only who has read the command line knows them.
	Flags []string
}

// Error returns the first line.
func (e *GateError) Error() string { return fmt.Sprintf("gate of %s: %s", e.Addr, e.Cause) }

// OtherEngineError says that an engine answers like Docker and is another one.
// What it does differently is not known, so that nothing may be written to it.
type OtherEngineError struct {
	Name string // with its version
}

// Error names the engine.
func (e *OtherEngineError) Error() string {
	return "the engine is " + e.Name + ", not Docker: it behaves differently when networks, containers and health checks are changed, so " +
		"nothing is written to it"
}

// Diagnosis is an error that knows what to do next.
type Diagnosis struct {
	Err  error
	Hint string // what a person should do
}

// Error returns the cause.
func (d *Diagnosis) Error() string { return d.Err.Error() }

// Unwrap returns the cause.
func (d *Diagnosis) Unwrap() error { return d.Err }

// Transient marks an error after which the same call may succeed; the engine
// tries again a few times.
func Transient(err error) error { return &transientError{err} }

type transientError struct{ error }

func (e *transientError) Unwrap() error { return e.error }

// IsTransient reports whether the error was marked by Transient.
func IsTransient(err error) bool {
	var t *transientError
	return errors.As(err, &t)
}

// Action is what happens to one resource. Ensure means "create or update,
// decided when its API can be asked".
type Action string

const (
	NoOp    Action = "no-op"
	Create  Action = "create"
	Update  Action = "update"
	Ensure  Action = "ensure"
	Replace Action = "replace"
	Delete  Action = "delete"
)

// Declared is everything a spec declares.
type Declared struct {
	Stack     string
	Spec      *specs.Spec
	Kinds     []Kind
	Resources []*Resource // sorted by address
	// Ignored are the rules for changes made outside that are let be.
	Ignored []Ignore
	// Redactor masks the secrets of the spec; every resource has the same.
	Redactor *Redactor
	byAddr   map[Addr]*Resource
}

// NewDeclared returns the set of the resources, sorted by address.
func NewDeclared(spec *specs.Spec, kinds []Kind, all []*Resource) *Declared {
	s := &Declared{Spec: spec, Kinds: kinds, Resources: slices.Clone(all), byAddr: make(map[Addr]*Resource, len(all))}
	if spec != nil {
		s.Stack = spec.Stack
	}
	slices.SortStableFunc(s.Resources, func(a, b *Resource) int { return a.Addr.Compare(b.Addr) })
	for _, r := range s.Resources {
		s.byAddr[r.Addr] = r
	}
	return s
}

// Get returns the resource of an address, nil when it is not declared.
func (s *Declared) Get(a Addr) *Resource { return s.byAddr[a] }

// Of returns the resources of one kind, in order of address.
func (s *Declared) Of(kind string) []*Resource {
	from, _ := slices.BinarySearchFunc(s.Resources, kind, func(r *Resource, kind string) int { return cmp.Compare(r.Addr.Kind, kind) })
	to := from
	for to < len(s.Resources) && s.Resources[to].Addr.Kind == kind {
		to++
	}
	return slices.Clone(s.Resources[from:to])
}

// Kind returns the kind of that name, nil when there is none.
func (s *Declared) Kind(name string) Kind {
	for _, k := range s.Kinds {
		if k.Table().Kind == name {
			return k
		}
	}
	return nil
}
