package engine

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// RecordingVersion is the format of recordings. A reader refuses another major
// version and passes over keys it does not know.
const RecordingVersion = "1.0"

// MaxRecording bounds what is read as a recording, in bytes.
const MaxRecording = 256 << 20

// Recording is an observation in a file: what was seen of a stack, to plan
// against where nobody can look. It holds no secret.
type Recording struct {
	// Version of this format.
	FormatVersion string `json:"format_version"`
	// Version of the midaz that made it.
	MidazVersion string `json:"midaz_version"`
	// Name of the stack.
	Stack string `json:"stack"`
	// When it was observed.
	ObservedAt time.Time `json:"observed_at"`
	// Variables that the spec used then, without the sensitive ones, by name.
	Variables []RecordedVariable `json:"variables"`
	// Salt of the slow hashes that stand for secrets written in the spec; left out where there are none.
	Salt string `json:"salt,omitempty"`
	// What was seen, in order of address.
	Objects []RecordedObject `json:"objects"`
}

// RecordedVariable is a variable of the spec.
type RecordedVariable struct {
	// Its name.
	Name string `json:"name"`
	// Its value; left out where it had none, or only its default.
	Value *string `json:"value,omitempty"`
}

// RecordedObject is what was seen at one address.
type RecordedObject struct {
	// Address of the object.
	Address string `json:"address"`
	// Whether it was there: absent, present or unknown.
	Presence string `json:"presence"`
	// Why nothing is missing although it is absent.
	Done string `json:"done,omitempty"`
	// Whether that is for good.
	Finished bool `json:"finished,omitempty"`
	// Why it is unknown.
	Why string `json:"why,omitempty"`
	// What to do about that.
	Hint string `json:"hint,omitempty"`
	// Whether reading it failed, rather than that its API was not up yet.
	Failed bool `json:"failed,omitempty"`
	// That it was there after the last apply, of an object that is absent.
	Gone string `json:"gone,omitempty"`
	// The fields as observed. In place of a secret stands {"$secret": X}: with a text, the spec has it
	// as that text; with a number it is another one, equal numbers being equal secrets; with
	// {"scrypt": HASH} it is written in the spec. {"$sha256": HASH} stands for a long text.
	Fields map[string]any `json:"fields,omitempty"`
	// The fields as last applied, in the same form; left out where nothing is remembered.
	Applied *map[string]any `json:"applied,omitempty"`
	// The stack that owns it, left out where nobody has marked it.
	Stack string `json:"stack,omitempty"`
	// Another owner, for people.
	Owner string `json:"owner,omitempty"`
	// Whether it belongs to nobody by nature.
	Free bool `json:"free,omitempty"`
	// What tells the object from another one of that name.
	ID string `json:"id,omitempty"`
	// Whether it is the stack's by its labels alone, since the record of the stack is gone.
	Unconfirmed bool `json:"unconfirmed,omitempty"`
	// Whether it is marked as protected.
	Protected bool `json:"protected,omitempty"`
	// Declared settings that were not in force.
	Overruled []RecordedOverruled `json:"overruled,omitempty"`
	// What the object refers to.
	Refs []RecordedRef `json:"refs,omitempty"`
	// Why it goes although the stack did not make it.
	Stray string `json:"stray,omitempty"`
	// What a person should know before it is touched.
	Notes []string `json:"notes,omitempty"`
	// Where the spec declared it.
	Source *SavedPos `json:"source,omitempty"`
	// How its process was: running, exited (1) and the like.
	State string `json:"state,omitempty"`
	// What a killed run has left it as.
	Leftover string `json:"leftover,omitempty"`
	// The address of which it is left over.
	LeftoverOf string `json:"leftover_of,omitempty"`
	// What else the kind of the object needs to compare it.
	Memory json.RawMessage `json:"memory,omitempty"`
}

// RecordedOverruled is a declared setting that was not in force.
type RecordedOverruled struct {
	// Place within the resource.
	Path string `json:"path"`
	// The value found. Settings with a secret on either side are left out.
	Before any `json:"before"`
	// The value declared.
	After any `json:"after"`
	// What takes its place, and what to do about it.
	Why string `json:"why"`
}

// RecordedRef is a reference of an object that was seen.
type RecordedRef struct {
	// Address of what it refers to.
	To string `json:"to"`
	// What happens to it when that is made anew: order, hold, content or inside.
	Bind string `json:"bind"`
}

var (
	presences = []string{resources.Absent: "absent", resources.Present: "present", resources.Unknown: "unknown"}
	binds     = []string{resources.Order: "order", resources.Hold: "hold", resources.Content: "content", resources.Inside: "inside"}
)

// Record puts what was seen into the form of a file. bare is what is declared,
// read without values of sensitive variables: its texts stand in the place of
// secrets.
func Record(declared, bare *resources.Declared, seen *Seen, at time.Time, version string) *Recording {
	rec := &Recording{FormatVersion: RecordingVersion, MidazVersion: version, Stack: declared.Stack,
		ObservedAt: at.UTC().Truncate(time.Second),
		Variables:  []RecordedVariable{}, Objects: []RecordedObject{}}
	w := &resources.Withholder{Known: knownSecrets(declared)}
	if declared.Spec != nil {
		for _, v := range declared.Spec.Values() {
			switch {
			case v.Sensitive:
			case v.Set:
				rec.Variables = append(rec.Variables, RecordedVariable{v.Name, &v.Text})
			default:
				rec.Variables = append(rec.Variables, RecordedVariable{Name: v.Name})
			}
		}
	}
	for _, o := range seen.All() {
		rec.Objects = append(rec.Objects, recorded(o, declared, bare, w))
	}
	if len(w.Salt) > 0 {
		rec.Salt = hex.EncodeToString(w.Salt)
	}
	return rec
}

// knownSecrets are all texts that the spec says are secret.
func knownSecrets(declared *resources.Declared) []string {
	var out []string
	if declared.Spec != nil {
		out = declared.Spec.Secrets()
	}
	for _, r := range declared.Resources {
		specs.MapLeaves(map[string]any(r.Config), func(v any) any {
			if s, ok := v.(resources.Secret); ok {
				out = append(out, s.Reveal())
			}
			return v
		})
	}
	slices.Sort(out)
	out = slices.Compact(out)
	// The longest first: one may be part of another.
	slices.SortStableFunc(out, func(a, b string) int { return len(b) - len(a) })
	return out
}

func recorded(o *resources.Observed, declared, bare *resources.Declared, w *resources.Withholder) RecordedObject {
	out := RecordedObject{Address: o.Addr.String(), Presence: presences[o.Presence], Why: w.Prose(o.Why), Gone: w.Prose(o.Gone),
		Stack: o.Stack, Owner: w.Prose(o.Owner),
		Free: o.Free, ID: o.ID, Protected: o.Protected, Unconfirmed: o.Unconfirmed, Stray: w.Prose(o.Stray), State: o.State,
		Leftover: w.Prose(o.Leftover),
		Source:   savedPos(o.Pos)}
	out.Done, out.Finished = w.Prose(o.Done), o.Finished
	if o.Presence == resources.Unknown {
		out.Hint, out.Failed = w.Prose(o.Hint), !o.NotYet
	}
	for _, n := range o.Notes {
		out.Notes = append(out.Notes, w.Prose(n))
	}
	for _, f := range o.Overruled {
		if !f.Sensitive() {
			out.Overruled = append(out.Overruled, RecordedOverruled{f.Path, f.Before, f.After, w.Prose(f.Why)})
		}
	}
	for _, r := range o.Refs {
		out.Refs = append(out.Refs, RecordedRef{r.To.String(), binds[r.Bind]})
	}
	if !o.LeftoverOf.IsZero() {
		out.LeftoverOf = o.LeftoverOf.String()
	}
	var want, spelt resources.Config
	if r := declared.Get(o.Addr); r != nil {
		want, out.Source = r.Config, savedPos(r.KeyPos)
	}
	blank := bare.Get(o.Addr)
	if blank != nil {
		spelt = blank.Config
	}
	have, applied := w.Withhold(o.Have, o.Applied, want, spelt)
	if len(have) > 0 {
		out.Fields = have
	}
	if applied != nil {
		out.Applied = &applied
	}
	if k, ok := declared.Kind(o.Addr.Kind).(resources.Recorded); ok && o.Presence == resources.Present {
		if memory := k.Record(o, blank); memory != nil {
			if text, err := json.Marshal(memory); err == nil {
				out.Memory = json.RawMessage(w.Prose(string(text)))
			}
		}
	}
	return out
}

// Encode returns the file's bytes.
func (rec *Recording) Encode() []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(rec); err != nil {
		return nil
	}
	return b.Bytes()
}

// MarshalJSON writes the fields so that numbers are read back as they were.
func (o RecordedObject) MarshalJSON() ([]byte, error) {
	type plain RecordedObject
	p := plain(o)
	if o.Fields != nil {
		p.Fields = map[string]any{}
		for k, v := range o.Fields {
			p.Fields[k] = json.RawMessage(resources.Canonical(v))
		}
	}
	if o.Applied != nil {
		applied := map[string]any{}
		for k, v := range *o.Applied {
			applied[k] = json.RawMessage(resources.Canonical(v))
		}
		p.Applied = &applied
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(p)
	return b.Bytes(), err
}

// ParseRecording reads a recording. The file may be anything.
func ParseRecording(data []byte) (*Recording, error) {
	if len(data) > MaxRecording {
		return nil, fmt.Errorf("recording: larger than %d MiB", MaxRecording>>20)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var rec Recording
	if err := dec.Decode(&rec); err != nil {
		return nil, fmt.Errorf("recording: not an observation of midaz: %w", err)
	}
	major, _, _ := strings.Cut(rec.FormatVersion, ".")
	want, _, _ := strings.Cut(RecordingVersion, ".")
	if major != want || rec.Objects == nil {
		return nil, fmt.Errorf("recording: format %q, and this midaz reads %s; `midaz observe` makes one", rec.FormatVersion, RecordingVersion)
	}
	if _, err := hex.DecodeString(rec.Salt); err != nil {
		return nil, fmt.Errorf("recording: salt: %w", err)
	}
	for _, o := range rec.Objects {
		if _, err := resources.ParseAddr(o.Address); err != nil {
			return nil, fmt.Errorf("recording: %w", err)
		}
		if !slices.Contains(presences, o.Presence) {
			return nil, fmt.Errorf("recording: %s: unknown presence %q", o.Address, o.Presence)
		}
		for _, r := range o.Refs {
			if _, err := resources.ParseAddr(r.To); err != nil || !slices.Contains(binds, r.Bind) {
				return nil, fmt.Errorf("recording: %s: a reference to %q that is none", o.Address, r.To)
			}
		}
	}
	return &rec, nil
}

// Seen returns what the recording tells of what is declared today, for
// MakePlan. What is declared and was not when it was recorded is absent.
func (rec *Recording) Seen(declared *resources.Declared) (*Seen, error) {
	salt, _ := hex.DecodeString(rec.Salt)
	if len(salt) == 0 {
		salt = make([]byte, 16)
		_, _ = rand.Read(salt) // never fails: crypto/rand aborts the program
	}
	w := &resources.Withholder{Salt: salt}
	there := map[string]bool{}
	for _, o := range rec.Objects {
		there[o.Address] = there[o.Address] || o.Presence == presences[resources.Present]
	}
	moved := map[string]*resources.Resource{}
	for _, r := range declared.Resources {
		if !r.Moved.IsZero() && !there[r.Addr.String()] {
			moved[r.Moved.String()] = r
		}
	}
	seen := NewSeen(nil)
	for i := range rec.Objects {
		o, err := rec.Objects[i].observed(declared, moved, w)
		if err != nil {
			return nil, err
		}
		if was := seen.byAddr[o.Addr]; was != nil && o.Presence != resources.Present {
			continue // the one that was moved here
		}
		seen.byAddr[o.Addr] = o
	}
	for _, r := range declared.Resources {
		if _, readOnly := declared.Kind(r.Addr.Kind).(resources.ReadOnly); readOnly || r.Dormant || r.External || seen.byAddr[r.Addr] != nil {
			continue
		}
		seen.byAddr[r.Addr] = &resources.Observed{Addr: r.Addr}
	}
	return seen, nil
}

func (was *RecordedObject) observed(declared *resources.Declared, moved map[string]*resources.Resource,
	w *resources.Withholder) (*resources.Observed, error) {
	addr, _ := resources.ParseAddr(was.Address) // checked by ParseRecording
	if r := moved[was.Address]; r != nil && was.Leftover == "" {
		addr = r.Addr
	}
	o := &resources.Observed{Addr: addr, Presence: resources.Presence(slices.Index(presences, was.Presence)), Why: was.Why, Hint: was.Hint,
		Gone: was.Gone, Stack: was.Stack, Owner: was.Owner,
		Free: was.Free, ID: was.ID, Protected: was.Protected, Unconfirmed: was.Unconfirmed, Stray: was.Stray, Notes: was.Notes, State: was.State,
		Leftover: was.Leftover,
		Pos:      was.Source.pos()}
	o.Done, o.Finished = was.Done, was.Finished
	o.NotYet = o.Presence == resources.Unknown && !was.Failed
	for _, r := range was.Refs {
		to, _ := resources.ParseAddr(r.To)
		o.Refs = append(o.Refs, resources.Ref{To: to, Bind: resources.Bind(slices.Index(binds, r.Bind)), Optional: true})
	}
	if was.LeftoverOf != "" {
		of, err := resources.ParseAddr(was.LeftoverOf)
		if err != nil {
			return nil, fmt.Errorf("recording: %s: %w", was.Address, err)
		}
		o.LeftoverOf = of
	}
	now := declared.Get(addr)
	var want resources.Config
	if now != nil {
		want = now.Config
	}
	var applied map[string]any
	if was.Applied != nil {
		applied, _ = resources.Normalize(*was.Applied).(map[string]any)
	}
	have, _ := resources.Normalize(was.Fields).(map[string]any)
	o.Have, o.Applied = w.Restore(have, applied, want)
	o.Overruled = was.overruled(now, declared.Kind(addr.Kind))
	if k, ok := declared.Kind(addr.Kind).(resources.Recorded); ok && o.Presence == resources.Present {
		if err := k.Replay(o, was.Memory, now); err != nil {
			return nil, fmt.Errorf("recording: %s: %w", was.Address, err)
		}
	}
	return o, nil
}

// overruled returns the settings that were not in force, as far as they are still
// declared with the same value. What is no field, as the plugin that a parameter is
// for, is declared as long as the object is.
func (was *RecordedObject) overruled(r *resources.Resource, k resources.Kind) resources.Delta {
	if r == nil || k == nil {
		return nil
	}
	var out resources.Delta
	for _, f := range was.Overruled {
		field, rest, _ := strings.Cut(f.Path, ".")
		now := r.Config[field]
		if m, ok := now.(map[string]any); ok && rest != "" {
			now = m[rest]
		}
		before, after := resources.Normalize(f.Before), resources.Normalize(f.After)
		if _, isField := k.Table().Field(field); !isField || resources.Equal(now, after) {
			out = append(out, resources.Diff{Path: f.Path, Field: field, Drift: true, Cost: resources.Free, Before: before, After: after,
				Why: f.Why})
		}
	}
	return out
}

// Values are those of the variables, by name, in the form of specs.Options.
func (rec *Recording) Values() map[string]*string {
	out := map[string]*string{}
	for _, v := range rec.Variables {
		out[v.Name] = v.Value
	}
	return out
}

// Lacks returns what is declared and was not asked for when it was recorded,
// in order of address.
func (rec *Recording) Lacks(declared *resources.Declared) []resources.Addr {
	asked := map[string]bool{}
	for _, o := range rec.Objects {
		asked[o.Address] = true
	}
	var out []resources.Addr
	for _, r := range declared.Resources {
		if !r.Dormant && !asked[r.Addr.String()] && (r.Moved.IsZero() || !asked[r.Moved.String()]) {
			out = append(out, r.Addr)
		}
	}
	slices.SortFunc(out, resources.Addr.Compare)
	return out
}
