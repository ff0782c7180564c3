package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/volume"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// What is on the engine carries in its labels what was last applied. Two things
// cannot be written there: an object that someone removes takes its labels with
// it, and labels of a container cannot change when its limits do. Both stand in
// a volume that nothing mounts, midaz-record-STACK-N:
//
//	{"objects": ["network/infra", ...],                 there after the last apply
//	 "updated": {"service/db": {"id": ..., "spec": …}}} changed in place since made
//
// A run that wrote makes the next one, N+1, and then removes the one before, so
// that one is always there; the highest N counts. Losing it, as to `docker volume
// prune`, costs only knowledge: what was removed then counts as not yet made.
const (
	labelRecord        = "midaz.record" // N
	labelRecordContent = "midaz.record.content"
)

// record is what the engine remembers of a stack beside its objects. It is
// never changed once made.
type record struct {
	number  int
	volumes []string // that hold it or one before
	content recordContent
}

type recordContent struct {
	Objects []string           `json:"objects"`
	Updated map[string]updated `json:"updated,omitempty"`
	Untaken map[string]untaken `json:"untaken,omitempty"`
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

func (u untaken) equal(v untaken) bool {
	return u.ID == v.ID && u.Why == v.Why && maps.Equal(u.Shown, v.Shown)
}

// holds reports whether the difference is one of those, and nobody has changed
// either side since.
func (u untaken) holds(d resources.Diff) bool {
	shown, ok := u.Shown[d.Path]
	return ok && !d.Pending && shown == string(resources.Canonical(d.Before))
}

// warning tells of a difference at the place that asks for the value.
func (u untaken) warning(r *resources.Resource, d resources.Diff) *specs.Problem {
	msg := fmt.Sprintf("the engine has not taken %s = %s of %s and shows %s", d.Path, resources.Show(d.After), r.Addr, resources.Show(d.Before))
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

func (r *record) has(a resources.Addr) bool {
	_, ok := slices.BinarySearch(r.content.Objects, a.String())
	return ok
}

// applied returns what the container was last applied with: what its labels
// say, unless it was changed in place since.
func (r *record) applied(a resources.Addr, id string, labels map[string]string) *resources.Sealed {
	if u, ok := r.content.Updated[a.String()]; ok && u.ID == id {
		if s, err := resources.ParseSealed(u.Spec); err == nil {
			return s
		}
	}
	return appliedOf(labels)
}

// records keeps the records that were read: only this run writes them.
type records struct {
	mu    sync.Mutex
	known map[string]*record
}

// record returns what the engine remembers of the stack.
func (e *ReadEngine) record(ctx context.Context, stack string) (*record, error) {
	e.records.mu.Lock()
	defer e.records.mu.Unlock()
	if known := e.records.known[stack]; known != nil {
		return known, nil
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	list, err := e.api.VolumeList(ctx, volume.ListOptions{Filters: filters.NewArgs(filters.Arg("label", labelRecord))})
	if err != nil {
		return nil, fmt.Errorf("list volumes: %w", err)
	}
	r := &record{}
	for _, v := range list.Volumes {
		number, err := strconv.Atoi(v.Labels[labelRecord])
		if v.Labels[labelStack] != stack || err != nil {
			continue
		}
		r.volumes = append(r.volumes, v.Name)
		if number <= r.number {
			continue
		}
		var content recordContent
		if json.Unmarshal([]byte(v.Labels[labelRecordContent]), &content) == nil {
			slices.Sort(content.Objects)
			r.number, r.content = number, content
		}
	}
	e.records.keep(stack, r)
	return r, nil
}

func (k *records) keep(stack string, r *record) {
	if k.known == nil {
		k.known = map[string]*record{}
	}
	k.known[stack] = r
}

// markGone notes which of the objects that are not there, or in whose place
// someone else's is, were there after the last apply.
func (e *ReadEngine) markGone(ctx context.Context, scope resources.Scope, seen []*resources.Observed) error {
	isOthers := func(o *resources.Observed) bool { return o.Presence == resources.Present && o.Stack != scope.Stack }
	isLost := func(o *resources.Observed) bool { return o.Presence == resources.Absent || isOthers(o) }
	if !scope.Owned || !slices.ContainsFunc(seen, isLost) {
		return nil
	}
	r, err := e.record(ctx, scope.Stack)
	if err != nil {
		return err
	}
	for _, o := range seen {
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
type recorder struct{ e *Engine }

// Claimer returns the recorder.
func (w containerWriter) Claimer() resources.Claimer { return recorder{w.e} }

// Claimer returns the recorder.
func (k networkWriter) Claimer() resources.Claimer { return recorder{k.e} }

// Claimer returns the recorder.
func (k volumeWriter) Claimer() resources.Claimer { return recorder{k.e} }

// Claim notes nothing here: what is made carries its owner itself.
func (k recorder) Claim(ctx context.Context, stack string, intended []*resources.Resource) error {
	return k.e.adopter.Claim(ctx, stack, intended)
}

// Release writes down what is there at the end of a run, when that is not what
// stands there already, and what was taken over.
func (k recorder) Release(ctx context.Context, stack string, applied []*resources.Resource, gone []resources.Addr) error {
	return errors.Join(k.e.adopter.Release(ctx, stack, applied, gone), k.note(ctx, stack, applied, gone))
}

func (k recorder) note(ctx context.Context, stack string, applied []*resources.Resource, gone []resources.Addr) error {
	was, err := k.e.record(ctx, stack)
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for _, text := range was.content.Objects {
		there[text] = true
	}
	for _, r := range applied {
		there[r.Addr.String()] = true
	}
	for _, a := range gone {
		delete(there, a.String())
	}
	next := recordContent{Objects: slices.Sorted(maps.Keys(there)), Updated: map[string]updated{}, Untaken: map[string]untaken{}}
	for text, u := range was.content.Updated {
		if there[text] {
			next.Updated[text] = u
		}
	}
	for text, u := range was.content.Untaken {
		if there[text] {
			next.Untaken[text] = u
		}
	}
	k.e.mu.Lock()
	maps.Copy(next.Updated, k.e.updates)
	maps.Copy(next.Untaken, k.e.untaken)
	k.e.mu.Unlock()
	if slices.Equal(next.Objects, was.content.Objects) && maps.Equal(next.Updated, was.content.Updated) &&
		maps.EqualFunc(next.Untaken, was.content.Untaken, untaken.equal) {
		return nil
	}
	return k.save(ctx, stack, was, next)
}

func (k recorder) save(ctx context.Context, stack string, was *record, content recordContent) error {
	ctx, cancel := lasting(ctx, writeTimeout)
	defer cancel()
	now := &record{number: was.number, content: content}
	if len(content.Objects) > 0 {
		text, err := json.Marshal(content)
		if err != nil {
			return fmt.Errorf("record of the stack: %w", err)
		}
		now.number++
		name := recordName(stack, now.number)
		_, err = k.e.api.VolumeCreate(ctx, volume.CreateOptions{Name: name, Driver: "local",
			Labels: map[string]string{labelStack: stack, labelRecord: strconv.Itoa(now.number), labelRecordContent: string(text)}})
		if err != nil {
			return fmt.Errorf("record of the stack: create volume %s: %w", name, err)
		}
		now.volumes = []string{name}
	}
	for _, name := range was.volumes {
		if err := k.e.api.VolumeRemove(ctx, name, false); err != nil && !cerrdefs.IsNotFound(err) {
			return fmt.Errorf("record of the stack: remove volume %s: %w", name, err)
		}
	}
	k.e.records.mu.Lock()
	defer k.e.records.mu.Unlock()
	k.e.records.keep(stack, now)
	return nil
}

// updatedInPlace notes what a container was last applied with, now that its
// labels no longer say. left are differences that this run leaves alone.
func (e *Engine) updatedInPlace(r *resources.Resource, have *resources.Observed, left resources.Delta) {
	except := map[string]bool{}
	for _, d := range left {
		except[d.Field] = true
	}
	sealed := have.Applied.With(remembered(r), except)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.updates == nil {
		e.updates = map[string]updated{}
	}
	e.updates[r.Addr.String()] = updated{ID: have.ID, Spec: sealed.String()}
}
