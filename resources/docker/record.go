package docker

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"sync"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// What is on the engine carries in its labels what was last applied. Some
// things cannot be written there: an object that someone removes takes its labels
// with it, labels of a container cannot change when its limits do, and an object
// that a stack takes over carries none of its labels. They stand in the labels of
// a volume that nothing mounts, midaz-record-STACK-N:
//
//	{"objects": ["network/infra", ...],                 there after the last apply
//	 "updated": {"service/db": {"id": ..., "spec": …}}, changed in place since made
//	 "meant":   {"service/db": {"id": ..., "spec": …}}, of a change in place that was begun and not finished
//	 "untaken": {"service/db": {"id": ..., …}},         what its host could not do
//	 "adopted": {"container/0d4e…": {"labels": …}},     taken over
//	 "done": ["job/seed", ...],                         jobs of "run: once" that have succeeded
//	 "unconfirmed": ["service/old", ...]}               found when no record was left, and not declared since
//
// Labels of volumes do not change either, so each record is a new volume, N+1,
// made before the one before it goes; of several the one of the highest N counts,
// whole, since a volume is made with its labels or not at all. Creating a volume
// under a name that exists gives back the existing one; so of two writers one
// finds out. Losing the record, as to `docker volume prune`, costs only knowledge:
// what was removed then counts as not yet made, and what was taken over must be
// adopted again.
const (
	// labelRecord is on every volume that only midaz reads: N on a record,
	// "endpoints" on the journal of a network, "lock" on those of a lock. One call
	// lists them all.
	labelRecord        = "midaz.record"
	labelRecordContent = "midaz.record.content"
	labelRecordWriter  = "midaz.record.writer" // who made it, a random text
)

// record is what the engine remembers of a stack beside its objects. It is
// never changed once made.
type record struct {
	number  int
	volumes []string // that hold it or one before, in order
	content recordContent
}

type recordContent struct {
	Objects []string                 `json:"objects"` // sorted
	Updated map[string]updated       `json:"updated,omitempty"`
	Meant   map[string]updated       `json:"meant,omitempty"`
	Untaken map[string]untaken       `json:"untaken,omitempty"`
	Adopted map[string]adoptedObject `json:"adopted,omitempty"` // by objectKey
	Done    []string                 `json:"done,omitempty"`    // sorted
	// Unconfirmed is sorted.
	Unconfirmed []string `json:"unconfirmed,omitempty"`
}

func (c recordContent) isEmpty() bool {
	return len(c.Objects)+len(c.Updated)+len(c.Meant)+len(c.Untaken)+len(c.Adopted)+len(c.Done)+len(c.Unconfirmed) == 0
}

// hasGivenUp reports whether the record tells of objects that were the stack's,
// whose labels still say so.
func (c recordContent) hasGivenUp() bool {
	for _, o := range c.Adopted {
		if len(o.Labels) == 0 {
			return true
		}
	}
	return false
}

// clone returns a copy whose maps may be changed.
func (c recordContent) clone() recordContent {
	out := recordContent{slices.Clone(c.Objects), map[string]updated{}, map[string]updated{}, map[string]untaken{}, map[string]adoptedObject{},
		slices.Clone(c.Done), slices.Clone(c.Unconfirmed)}
	maps.Copy(out.Updated, c.Updated)
	maps.Copy(out.Meant, c.Meant)
	maps.Copy(out.Untaken, c.Untaken)
	maps.Copy(out.Adopted, c.Adopted)
	return out
}

// text is the content as the label holds it; equal contents have equal texts.
func (c recordContent) text() (string, error) {
	text, err := json.Marshal(c)
	return string(text), err
}

// updated is what a container that was changed in place was last applied with.
type updated struct {
	ID   string `json:"id"`
	Spec string `json:"spec"` // resources.Sealed
}

// untaken is what an engine showed of a container right after it was made that
// was not what it was asked for: its host cannot do it. It would differ for ever.
type untaken struct {
	ID string `json:"id"`
	// Shown is what it shows, in JSON, by the path of the difference.
	Shown map[string]string `json:"shown"`
	// Why is what the engine said, "" when nothing.
	Why string `json:"why,omitempty"`
}

// holds reports whether the difference is one of those, and nobody has changed
// either side since.
func (u untaken) holds(d resources.Diff) bool {
	shown, ok := u.Shown[d.Path]
	return ok && !d.Pending && shown == string(resources.Canonical(d.Before))
}

// warning tells of a difference at the place that asks for the value.
func (u untaken) warning(r *resources.Resource, d resources.Diff) *specs.Problem {
	msg := fmt.Sprintf("the engine has not taken %s = %s of %s and shows %s", d.Path, resources.Show(d.After), r.Addr,
		resources.Show(d.Before))
	if u.Why != "" {
		msg += "; it says: " + u.Why
	}
	return ruleUntaken.At(r.Pos(resources.Pointer(d.Path)), msg, "leave it out, or use a host that can do it; until then it does not hold")
}

// untaken returns what the container was not given.
func (r *record) untaken(a resources.Addr, id string) untaken {
	if u := r.content.Untaken[a.String()]; u.ID == id {
		return u
	}
	return untaken{}
}

func recordName(stack string, number int) string {
	return fmt.Sprintf("midaz-record-%s-%d", stack, number)
}

// old returns the volumes that no longer count: all but the last, and that one
// too when the stack is gone.
func (r *record) old(gone bool) []string {
	if len(r.volumes) == 0 || gone && !r.content.hasGivenUp() {
		return r.volumes
	}
	return r.volumes[:len(r.volumes)-1]
}

// old returns the volumes of a stack that no longer count: its records, and when
// the stack is gone also the journals of its networks.
func (all *records) old(stack string, gone bool) []string {
	names := slices.Clone(all.of(stack).old(gone))
	if gone {
		for _, a := range slices.Sorted(maps.Keys(all.journals[stack])) {
			names = append(names, all.journals[stack][a].Volume)
		}
	}
	return names
}

func (r *record) has(a resources.Addr) bool {
	_, ok := slices.BinarySearch(r.content.Objects, a.String())
	return ok
}

// applied returns what the container was last applied with: what its labels
// say, unless it was changed in place since.
func (r *record) applied(a resources.Addr, id string, labels map[string]string) *resources.Sealed {
	if u, ok := r.content.Updated[a.String()]; ok && u.ID == id {
		if s, err := parseApplied(u.Spec); err == nil {
			return s
		}
	}
	return appliedOf(labels)
}

// meant returns what a run that did not finish was about to apply to the
// container, nil when there was none.
func (r *record) meant(a resources.Addr, id string) *resources.Sealed {
	if m, ok := r.content.Meant[a.String()]; ok && m.ID == id {
		if s, err := parseApplied(m.Spec); err == nil {
			return s
		}
	}
	return nil
}

// records are those of all stacks, and the journals of their networks: what
// another stack took over is shown as that one's.
type records struct {
	stacks   map[string]*record
	journals map[string]map[string]*journal // by stack and address
	locks    map[string]bool                // by stack: whether there is anything of a lock
}

// recordsOf reads the volumes that only midaz reads. What is not well formed in
// them says nothing.
func recordsOf(volumes []*volume.Volume) *records {
	all := &records{map[string]*record{}, map[string]map[string]*journal{}, map[string]bool{}}
	number := func(v *volume.Volume) int { n, _ := strconv.Atoi(v.Labels[labelRecord]); return n }
	volumes = slices.DeleteFunc(slices.Clone(volumes), func(v *volume.Volume) bool { return v == nil })
	slices.SortFunc(volumes, func(a, b *volume.Volume) int { return number(a) - number(b) })
	for _, v := range volumes {
		stack, n := v.Labels[labelStack], number(v)
		if locked := v.Labels[labelLock]; locked != "" {
			all.locks[locked] = true
			continue
		}
		if v.Labels[labelJournal] != "" {
			all.addJournal(stack, v)
			continue
		}
		if n < 1 || v.Name != recordName(stack, n) { // someone's copy
			continue
		}
		r := *all.of(stack)
		r.number, r.volumes = n, append(slices.Clone(r.volumes), v.Name)
		var content recordContent
		if json.Unmarshal([]byte(v.Labels[labelRecordContent]), &content) == nil {
			slices.Sort(content.Objects)
			slices.Sort(content.Done)
			slices.Sort(content.Unconfirmed)
			r.content = content
		}
		all.stacks[stack] = &r
	}
	return all
}

func (all *records) addJournal(stack string, v *volume.Volume) {
	j := &journal{Volume: v.Name}
	if json.Unmarshal([]byte(v.Labels[labelEndpoints]), j) != nil {
		return
	}
	if all.journals[stack] == nil {
		all.journals[stack] = map[string]*journal{}
	}
	all.journals[stack][v.Labels[labelJournal]] = j
}

// of returns the record of a stack, an empty one when it has none.
func (all *records) of(stack string) *record {
	if r := all.stacks[stack]; r != nil {
		return r
	}
	return &record{}
}

// record returns what the engine remembers of the stack.
func (e *ReadEngine) record(ctx context.Context, stack string) (*record, error) {
	all, err := e.recorded.records(ctx)
	if err != nil {
		return nil, err
	}
	return all.of(stack), nil
}

// journals returns the journals of a stack's networks by their address.
func (e *ReadEngine) journals(ctx context.Context, stack string) (map[string]*journal, error) {
	all, err := e.recorded.records(ctx)
	if err != nil {
		return nil, err
	}
	return all.journals[stack], nil
}

// markRecorded notes what the record tells of the objects: which of those that
// are not there, or in whose place someone else's is, were there after the last
// apply, and which of those that are there are the stack's by their labels alone.
func (e *ReadEngine) markRecorded(ctx context.Context, scope resources.Scope, seen []*resources.Observed) error {
	isOthers := func(o *resources.Observed) bool { return o.Presence == resources.Present && o.Stack != scope.Stack }
	isLost := func(o *resources.Observed) bool {
		return o.Presence == resources.Absent && o.Done == "" || isOthers(o)
	}
	isOurs := func(o *resources.Observed) bool {
		return o.Presence == resources.Present && o.Stack == scope.Stack && o.Leftover == ""
	}
	if !scope.Owned || !slices.ContainsFunc(seen, func(o *resources.Observed) bool { return isLost(o) || isOurs(o) }) {
		return nil
	}
	r, err := e.record(ctx, scope.Stack)
	if err != nil {
		return err
	}
	pruned := false
	if r.number == 0 && slices.ContainsFunc(seen, isOurs) {
		// A first run that was killed has left no record either, but its journal.
		runs, err := e.writtenRuns(ctx, scope.Stack)
		if err != nil {
			return err
		}
		pruned = len(runs) == 0
	}
	for _, o := range seen {
		if isOurs(o) && (pruned || slices.Contains(r.content.Unconfirmed, o.Addr.String())) {
			o.Unconfirmed = true
			e.unconfirmed.Store(o.Addr.String(), true)
		}
		switch {
		case !isLost(o) || !r.has(o.Addr):
		case isOthers(o):
			o.Gone = "it was removed outside, and one that is not this stack's has its place"
		default:
			o.Gone = "it was removed outside"
		}
	}
	return nil
}

// recorder writes the record: the one Claimer of the writers of an engine.
type recorder struct {
	e *Engine

	mu      sync.Mutex
	leaving []resources.Addr // what Claim was told last
	stack   string
	names   map[resources.Addr]string // of the containers that the run makes or changes
	meant   map[string]updated        // what Intend was told last
}

// Claimer returns the recorder.
func (w containerWriter) Claimer() resources.Claimer { return w.e.recorder }

// Claimer returns the recorder.
func (k networkWriter) Claimer() resources.Claimer { return k.e.recorder }

// Claimer returns the recorder.
func (k volumeWriter) Claimer() resources.Claimer { return k.e.recorder }

// Intend notes which containers the run changes in place, and how. Their labels
// cannot say so.
func (k *recorder) Intend(updates []resources.Intent) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.meant = map[string]updated{}
	for _, u := range updates {
		if isContainer(u.Want.Addr.Kind) && u.Have != nil {
			k.meant[u.Want.Addr.String()] = updated{ID: u.Have.ID, Spec: resources.Seal(remembered(u.Want)).String()}
		}
	}
}

// Claim takes what the run removes off the list of what is there: should the run
// be killed, it was not someone outside who removed it. What is made carries its
// owner itself.
func (k *recorder) Claim(ctx context.Context, stack string, intended []*resources.Resource, leaving []resources.Addr) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.leaving, k.stack, k.names = leaving, stack, map[resources.Addr]string{}
	for _, r := range intended {
		if isContainer(r.Addr.Kind) {
			k.names[r.Addr] = containerName(r)
		}
	}
	return k.change(ctx, stack, func(c *recordContent) {
		maps.Copy(c.Meant, k.meant)
		c.Objects = slices.DeleteFunc(c.Objects, func(text string) bool {
			return slices.ContainsFunc(leaving, func(a resources.Addr) bool { return a.String() == text })
		})
	})
}

// Release writes down what is there at the end of a run.
func (k *recorder) Release(ctx context.Context, stack string, applied []*resources.Resource, gone []resources.Addr) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	adopted, notBack := k.adopted(ctx, stack, applied)
	if adopted == nil {
		return notBack
	}
	k.e.mu.Lock()
	updates, notTaken, begun := maps.Clone(k.e.updates), maps.Clone(k.e.untaken), maps.Clone(k.e.begun)
	k.e.mu.Unlock()
	// The list may hold what someone removed, or what goes by another key now: it
	// ends with the stack.
	isOver := func() bool { return false }
	if len(applied) == 0 && len(gone) > 0 {
		isOver = sync.OnceValue(func() bool { return k.hasNothing(ctx, stack) })
	}
	err := k.change(ctx, stack, func(c *recordContent) {
		there := map[string]bool{}
		for _, text := range c.Objects {
			there[text] = true
		}
		for _, a := range k.leaving { // what could not be removed
			there[a.String()] = true
		}
		for _, r := range applied {
			delete(there, r.Moved.String())
			there[r.Addr.String()] = true
			if r.External {
				delete(there, r.Addr.String())
			}
		}
		for _, a := range gone {
			delete(there, a.String())
		}
		isSettled := func(text string) bool {
			return there[text] || slices.ContainsFunc(gone, func(a resources.Addr) bool { return a.String() == text })
		}
		c.Unconfirmed = slices.DeleteFunc(c.Unconfirmed, isSettled)
		for text := range k.unconfirmed() {
			if isSettled(text) {
				k.e.unconfirmed.Delete(text)
			}
		}
		c.Objects = slices.Sorted(maps.Keys(there))
		maps.DeleteFunc(c.Updated, func(text string, _ updated) bool { return !there[text] })
		for text := range k.meant {
			if !begun[text] {
				delete(c.Meant, text)
			}
		}
		for _, r := range applied {
			delete(c.Meant, r.Addr.String())
		}
		maps.DeleteFunc(c.Meant, func(text string, _ updated) bool { return !there[text] })
		maps.DeleteFunc(c.Untaken, func(text string, _ untaken) bool { return !there[text] })
		maps.Copy(c.Updated, updates)
		maps.Copy(c.Untaken, notTaken)
		adopted(c)
		c.forget(gone, len(applied) == 0)
		if len(c.Adopted) == 0 && !c.isEmpty() && isOver() {
			*c = recordContent{}
		}
	})
	// A run that was killed right after it removed a network has left its journal.
	if all, lookErr := k.e.recorded.records(ctx); err == nil && lookErr == nil && len(all.journals[stack]) > 0 && isOver() {
		err = k.e.dropRecords(ctx, all.old(stack, true))
		k.e.recorded.forget()
	}
	return errors.Join(err, notBack)
}

// hasNothing reports whether there is no object of the stack on the engine but
// what only midaz reads. In doubt there is.
func (k *recorder) hasNothing(ctx context.Context, stack string) bool {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	mine := filters.NewArgs(filters.Arg("label", labelStack+"="+stack))
	containers, err := k.e.api.ContainerList(ctx, container.ListOptions{All: true, Filters: mine})
	if err != nil || len(containers) > 0 {
		return false
	}
	networks, err := k.e.api.NetworkList(ctx, network.ListOptions{Filters: mine})
	if err != nil || len(networks) > 0 {
		return false
	}
	volumes, err := k.e.api.VolumeList(ctx, volume.ListOptions{Filters: mine})
	return err == nil && !slices.ContainsFunc(volumes.Volumes, func(v *volume.Volume) bool { return v != nil && v.Labels[labelRecord] == "" })
}

// unconfirmed are the addresses that were found to be the stack's by their labels
// alone.
func (k *recorder) unconfirmed() iter.Seq[string] {
	return func(yield func(string) bool) {
		k.e.unconfirmed.Range(func(text, _ any) bool { return yield(text.(string)) })
	}
}

// change writes the stack's record anew with what f makes of its content. It
// makes no call when that is what is known to stand there. A record that says
// nothing goes. It is called with mu held.
func (k *recorder) change(ctx context.Context, stack string, f func(*recordContent)) error {
	all, err := k.e.recorded.records(ctx)
	const tries = 10
	for try := range tries {
		if err != nil {
			return err
		}
		now := all.of(stack)
		next := now.content.clone()
		f(&next)
		for text := range k.unconfirmed() {
			if !slices.Contains(next.Unconfirmed, text) {
				next.Unconfirmed = append(next.Unconfirmed, text)
			}
		}
		slices.Sort(next.Unconfirmed)
		was, err1 := now.content.clone().text()
		is, err2 := next.text()
		switch {
		case err1 != nil || err2 != nil:
			return fmt.Errorf("record of the stack: %w", errors.Join(err1, err2))
		case was == is:
			return k.e.dropRecords(ctx, now.old(false)) // a killed run may have left some
		case try > 0: // what was known may be old
			done, err := k.save(ctx, stack, now, next.isEmpty(), is)
			if err != nil {
				return err
			}
			if done {
				k.e.recorded.forget()
				return nil
			}
		}
		all, err = k.e.recorded.fresh(ctx)
	}
	return resources.Transient(fmt.Errorf("another run keeps writing the record of stack %q", stack))
}

// save makes the next record and removes those before it. It reports false when
// someone else made it.
func (k *recorder) save(ctx context.Context, stack string, now *record, empty bool, text string) (bool, error) {
	lctx, cancel := lasting(ctx, writeTimeout)
	defer cancel()
	if !empty {
		writer := make([]byte, 8)
		_, _ = rand.Read(writer) // never fails: crypto/rand aborts the program
		labels := map[string]string{labelStack: stack, labelRecord: strconv.Itoa(now.number + 1), labelRecordContent: text,
			labelRecordWriter: hex.EncodeToString(writer)}
		name := recordName(stack, now.number+1)
		v, err := k.e.api.VolumeCreate(lctx, volume.CreateOptions{Name: name, Driver: "local", Labels: labels})
		if err != nil {
			return false, fmt.Errorf("record of the stack: create volume %s: %w", name, err)
		}
		if v.Labels[labelRecordWriter] != labels[labelRecordWriter] {
			return false, nil
		}
	}
	// The last one goes last: until then it is what holds.
	return true, k.e.dropRecords(ctx, now.volumes)
}

// dropRecords removes records, the first one first.
func (e *Engine) dropRecords(ctx context.Context, volumes []string) error {
	lctx, cancel := lasting(ctx, writeTimeout)
	defer cancel()
	for _, name := range volumes {
		if err := e.api.VolumeRemove(lctx, name, false); err != nil && !cerrdefs.IsNotFound(err) {
			return fmt.Errorf("record of the stack: remove volume %s: %w", name, err)
		}
	}
	return nil
}

// updatedInPlace notes what a container was last applied with, now that its
// labels no longer say. left are differences that this run leaves alone.
func (e *Engine) updatedInPlace(r *resources.Resource, have *resources.Observed, left resources.Delta) {
	except := map[string]bool{}
	for _, d := range left {
		except[d.Field] = true
	}
	sealed := r.SealOver(have.Applied, remembered(r), except)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.updates == nil {
		e.updates = map[string]updated{}
	}
	e.updates[r.Addr.String()] = updated{ID: have.ID, Spec: sealed.String()}
}
