// Package fake is a world in memory with three kinds, for tests: boxes are
// deleted and created, crates are swapped and gated, pipes are replaced in one
// step. It can crash at any write, before or after the write took effect.
package fake

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// Object is one thing that exists.
type Object struct {
	Stack   string
	Owner   string
	Fields  resources.Config
	Applied *resources.Sealed
	ID      int
	Protect bool
	// Gone: it was there after the last apply and is not now.
	Gone bool
	// Refs are what it refers to, by bind.
	Refs []resources.Ref
}

// ErrCrashed is what every call returns once the world has crashed: the
// process that made them is gone.
var ErrCrashed = errors.New("crash")

// World is what exists. The zero World is empty.
type World struct {
	// CrashAt is the number of the write that crashes, from 1; 0 never does.
	// CrashAfter lets that write take effect first.
	CrashAt    int
	CrashAfter bool
	// Down kinds cannot be asked: their readers are unreachable until a box
	// named DownUntil exists.
	Down      string
	DownUntil resources.Addr
	// Broken kinds cannot be read: their readers fail.
	Broken string
	// OnWrite, when set, is called with each write that takes effect.
	OnWrite func(verb string, a resources.Addr)
	// LockTime is the time of the lock's clock, which stands still.
	LockTime time.Time

	mu      sync.Mutex
	objects map[resources.Addr]*Object
	writes  int
	lastID  int
	crashed bool
	log     []string

	lockMu sync.Mutex          // guards the lock, apart from the objects
	holder *resources.LockInfo // of the lock
	lost   chan struct{}       // of the run that holds it
	locks  int
}

// Put sets an object directly, as someone outside would.
func (w *World) Put(a resources.Addr, o *Object) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.put(a, o)
}

func (w *World) put(a resources.Addr, o *Object) {
	if w.objects == nil {
		w.objects = map[resources.Addr]*Object{}
	}
	if o.ID == 0 {
		w.lastID++
		o.ID = w.lastID
	}
	w.objects[a] = o
}

// Get returns the object at an address, nil when there is none.
func (w *World) Get(a resources.Addr) *Object {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.objects[a]
}

// Remove deletes an object directly.
func (w *World) Remove(a resources.Addr) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.objects, a)
}

// Addrs returns the addresses of everything there is, in order.
func (w *World) Addrs() []resources.Addr {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.SortedFunc(maps.Keys(w.objects), resources.Addr.Compare)
}

// Log returns the writes that took effect: "create box/a".
func (w *World) Log() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.log)
}

// Writes counts the writes that were asked for since the last Restart.
func (w *World) Writes() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.writes
}

// Restart ends a crash: a new process begins.
func (w *World) Restart() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.CrashAt, w.crashed, w.writes, w.log = 0, false, 0, nil
}

// Crashed reports whether the world has crashed.
func (w *World) Crashed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.crashed
}

// write runs effect as one write, unless the world has crashed or crashes now.
func (w *World) write(verb string, a resources.Addr, effect func() error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.crashed {
		return ErrCrashed
	}
	w.writes++
	if w.writes == w.CrashAt {
		w.crashed = true
		if !w.CrashAfter {
			return ErrCrashed
		}
	}
	if err := effect(); err != nil {
		return err
	}
	w.log = append(w.log, verb+" "+a.String())
	if w.OnWrite != nil {
		w.OnWrite(verb, a)
	}
	if w.crashed {
		return ErrCrashed
	}
	return nil
}

// users returns who holds an object open.
func (w *World) users(a resources.Addr) []string {
	var out []string
	for _, addr := range slices.SortedFunc(maps.Keys(w.objects), resources.Addr.Compare) {
		for _, ref := range w.objects[addr].Refs {
			if ref.To == a && ref.Bind == resources.Hold {
				out = append(out, addr.String())
			}
		}
	}
	return out
}

// Readers returns a reader for each kind of this world.
func (w *World) Readers() map[string]resources.Reader { return w.ReadersOf(Kinds()) }

// ReadersOf returns readers for kinds of any backend, whose objects then lie in
// this world with their fields as they were declared.
func (w *World) ReadersOf(kinds []resources.Kind) map[string]resources.Reader {
	out := map[string]resources.Reader{}
	for _, k := range kinds {
		out[k.Table().Kind] = reader{w, k.Table().Kind}
	}
	return out
}

// Writers returns a writer for each kind of this world.
func (w *World) Writers() map[string]resources.Writer { return w.WritersOf(Kinds()) }

// WritersOf returns writers for kinds of any backend.
func (w *World) WritersOf(kinds []resources.Kind) map[string]resources.Writer {
	out := map[string]resources.Writer{}
	for _, k := range kinds {
		out[k.Table().Kind] = writer{w}
	}
	return out
}

type reader struct {
	w    *World
	kind string
}

func (r reader) Observe(_ context.Context, scope resources.Scope) ([]*resources.Observed, error) {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	if r.w.crashed {
		return nil, ErrCrashed
	}
	if r.w.Down == r.kind && r.w.objects[r.w.DownUntil] == nil {
		return nil, fmt.Errorf("%s: %w", r.kind, resources.ErrUnreachable)
	}
	if r.w.Broken == r.kind {
		return nil, fmt.Errorf("%s: the login is refused", r.kind)
	}
	var out []*resources.Observed
	named := map[resources.Addr]bool{}
	for _, res := range scope.Want {
		named[res.Addr] = true
		o := r.see(res.Addr)
		if o.Presence == resources.Absent && !res.Moved.IsZero() {
			named[res.Moved] = true
			o = r.see(res.Moved)
			o.Addr, o.Native = res.Addr, res.Moved
		}
		out = append(out, o)
	}
	if !scope.Owned {
		return out, nil
	}
	for _, a := range slices.SortedFunc(maps.Keys(r.w.objects), resources.Addr.Compare) {
		if a.Kind == r.kind && !named[a] && !r.w.objects[a].Gone && r.w.objects[a].Stack == scope.Stack {
			out = append(out, r.see(a))
		}
	}
	return out, nil
}

func (r reader) see(a resources.Addr) *resources.Observed {
	o := r.w.objects[a]
	if o == nil {
		return &resources.Observed{Addr: a, Presence: resources.Absent}
	}
	if o.Gone {
		return &resources.Observed{Addr: a, Presence: resources.Absent, Gone: "it was removed outside"}
	}
	seen := &resources.Observed{Addr: a, Presence: resources.Present, Have: plain(o.Fields), Applied: o.Applied,
		Stack: o.Stack, Owner: o.Owner, ID: fmt.Sprint(o.ID), Protected: o.Protect, Refs: slices.Clone(o.Refs)}
	if base, _, ok := strings.Cut(a.Name, oldMark); ok {
		seen.Leftover = "the object that a replacement had set aside"
		seen.LeftoverOf = resources.Addr{Kind: a.Kind, Name: base}
	}
	return seen
}

// plain reveals secrets, as a real backend shows what it was sent.
func plain(c resources.Config) resources.Config {
	out := c.Clone()
	for k, v := range out {
		out[k] = specs.MapLeaves(v, func(v any) any {
			if s, ok := v.(resources.Secret); ok {
				return s.Reveal()
			}
			return v
		})
	}
	return out
}

// oldMark stands between the name of an object that was set aside and its ID:
// several may be, of replacements that were interrupted one after the other.
const oldMark = ".old-"

type writer struct{ w *World }

func (x writer) make(r *resources.Resource) *Object {
	return &Object{Stack: r.Stack, Fields: fieldsOf(r.Config), Applied: sealed(r),
		Protect: r.Protect, Refs: slices.Clone(r.Refs)}
}

// fieldsOf drops what the world does not show.
func fieldsOf(c resources.Config) resources.Config {
	out := c.Clone()
	for _, k := range []string{"protect", "external", "profiles"} {
		delete(out, k)
	}
	return out
}

func sealed(r *resources.Resource) *resources.Sealed {
	s := r.Seal(fieldsOf(r.Config))
	return &s
}

// exist reports what is missing of the references, as an engine would.
func (x writer) exist(r *resources.Resource) error {
	for _, ref := range r.Refs {
		if x.w.objects[ref.To] == nil {
			return fmt.Errorf("no such %s: %s", ref.To.Kind, ref.To)
		}
	}
	return nil
}

func (x writer) Create(_ context.Context, r *resources.Resource, _ resources.Note) error {
	return x.w.write("create", r.Addr, func() error {
		if o := x.w.objects[r.Addr]; o != nil && !o.Gone {
			return fmt.Errorf("%s exists already", r.Addr)
		}
		if err := x.exist(r); err != nil {
			return err
		}
		x.w.put(r.Addr, x.make(r))
		return nil
	})
}

func (x writer) Update(_ context.Context, r *resources.Resource, have *resources.Observed, d resources.Delta, _ resources.Note) error {
	return x.w.write("update", r.Addr, func() error {
		at := r.Addr
		if was, ok := have.Native.(resources.Addr); ok {
			at = was
		}
		o := x.w.objects[at]
		if o == nil || fmt.Sprint(o.ID) != have.ID {
			return fmt.Errorf("update %s: %w", r.Addr, resources.ErrMoved)
		}
		if d.Cost() == resources.Remake {
			return fmt.Errorf("update %s: it cannot be changed in place", r.Addr)
		}
		if err := x.exist(r); err != nil {
			return err
		}
		n := x.make(r)
		n.ID = o.ID
		delete(x.w.objects, at)
		x.leave(n, o, r, have, d)
		x.w.put(r.Addr, n)
		return nil
	})
}

// leave keeps the fields that the differences are not about as they are.
func (x writer) leave(n, o *Object, r *resources.Resource, have *resources.Observed, d resources.Delta) {
	except := map[string]bool{}
	for _, diff := range table(r.Addr.Kind, "").Compare(fieldsOf(r.Config), have.Have, have.Applied) {
		if !d.Has(diff.Field) {
			except[diff.Field] = true
			delete(n.Fields, diff.Field)
			if v, ok := o.Fields[diff.Field]; ok {
				n.Fields[diff.Field] = v
			}
		}
	}
	if len(except) > 0 {
		s := have.Applied.With(fieldsOf(r.Config), except)
		n.Applied = &s
	}
}

func (x writer) Delete(_ context.Context, have *resources.Observed, _ resources.Note) error {
	return x.w.write("delete", have.Addr, func() error {
		o := x.w.objects[have.Addr]
		if o == nil {
			return nil
		}
		if fmt.Sprint(o.ID) != have.ID {
			return fmt.Errorf("delete %s: %w", have.Addr, resources.ErrMoved)
		}
		if users := x.w.users(have.Addr); users != nil {
			return fmt.Errorf("%s is in use by %s", have.Addr, strings.Join(users, ", "))
		}
		delete(x.w.objects, have.Addr)
		return nil
	})
}

func (x writer) Replace(_ context.Context, r *resources.Resource, have *resources.Observed, _ resources.Note) error {
	return x.w.write("replace", r.Addr, func() error {
		if o := x.w.objects[r.Addr]; o == nil || fmt.Sprint(o.ID) != have.ID {
			return fmt.Errorf("replace %s: %w", r.Addr, resources.ErrMoved)
		}
		x.w.put(r.Addr, x.make(r))
		return nil
	})
}

func old(a resources.Addr, id string) resources.Addr {
	return resources.Addr{Kind: a.Kind, Name: a.Name + oldMark + id}
}

// Swap sets the old object aside and makes the new one.
func (x writer) Swap(_ context.Context, r *resources.Resource, have *resources.Observed, _ resources.Note) error {
	return x.w.write("swap", r.Addr, func() error {
		o := x.w.objects[r.Addr]
		if o == nil || fmt.Sprint(o.ID) != have.ID {
			return fmt.Errorf("swap %s: %w", r.Addr, resources.ErrMoved)
		}
		if err := x.exist(r); err != nil {
			return err
		}
		x.w.put(old(r.Addr, have.ID), o)
		x.w.put(r.Addr, x.make(r))
		x.empty(r, o)
		return nil
	})
}

// empty loses what lives inside an object that was replaced by one of another
// colour, or that has "leaks" written on it.
func (x writer) empty(r *resources.Resource, o *Object) {
	if r.Config.Text("colour") == o.Fields.Text("colour") && o.Fields.Text("text") != "leaks" {
		return
	}
	for a, in := range x.w.objects {
		if slices.Contains(in.Fields.Texts("inside"), r.Addr.String()) {
			delete(x.w.objects, a)
		}
	}
}

func (x writer) Commit(_ context.Context, r *resources.Resource, have *resources.Observed, _ resources.Note) error {
	return x.w.write("commit", r.Addr, func() error {
		delete(x.w.objects, old(r.Addr, have.ID))
		return nil
	})
}

func (x writer) Rollback(_ context.Context, r *resources.Resource, have *resources.Observed, _ resources.Note) error {
	return x.w.write("rollback", r.Addr, func() error {
		o := x.w.objects[old(r.Addr, have.ID)]
		if o == nil {
			return nil
		}
		delete(x.w.objects, old(r.Addr, have.ID))
		x.w.objects[r.Addr] = o
		return nil
	})
}

// Await passes unless the object says ready: false.
func (x writer) Await(ctx context.Context, r *resources.Resource, note resources.Note) error {
	x.w.mu.Lock()
	o, crashed := x.w.objects[r.Addr], x.w.crashed
	x.w.mu.Unlock()
	switch {
	case crashed:
		return ErrCrashed
	case o == nil:
		return &resources.GateError{Addr: r.Addr, Cause: "it does not exist"}
	}
	note("probing")
	if ready, ok := o.Fields["ready"].(bool); ok && !ready {
		return &resources.GateError{Addr: r.Addr, Cause: "health check failed", Probe: "exit 1: not ready",
			Logs: []string{"starting", "giving up"}, Next: resources.NextStep{Logs: r.Addr.Name}}
	}
	return ctx.Err()
}
