package engine

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-multierror"
	"golang.org/x/crypto/scrypt"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// SavedVersion is the format of saved plans. A reader refuses another major
// version and passes over keys it does not know.
const SavedVersion = "1.1"

// MaxSaved bounds what is read as a saved plan, in bytes: ten times the size of
// the plan of 10,000 queues.
const MaxSaved = 64 << 20

// Saved is a plan in a file. It holds what would be done and why, the places of
// differences but never their values, and digests by which Check tells that
// spec and world are still what the plan was made for.
type Saved struct {
	FormatVersion string        `json:"format_version"`
	Stack         string        `json:"stack"`
	Options       Options       `json:"options"`
	Inputs        Inputs        `json:"inputs"`
	Changes       []SavedChange `json:"changes"`
	// Salt and the two digests: scrypt over everything declared and everything
	// observed, values of secrets included. All of them are hashed together and
	// slowly, so that no single weak secret can be guessed from the file.
	Salt     string `json:"salt"`
	Declared string `json:"declared"`
	Observed string `json:"observed"`
	// Unknown counts resources whose API could not be asked.
	Unknown int `json:"unknown,omitempty"`
	// Overruled are declared settings that are not in force. They are only shown.
	Overruled []SavedOverruled `json:"overruled,omitempty"`
	// Objects pin what was seen of the resources without a change, by address.
	Objects map[string]string `json:"objects,omitempty"`
}

// Inputs are what the spec was read from, so that it can be read again: names
// of files as they were given, and names of variables, without values.
type Inputs struct {
	Dir   string   `json:"dir,omitempty"`
	Files []string `json:"files,omitempty"`
	// ValueFiles are the env files and var files in the order in which they were
	// given; EnvFiles and VarFiles are how earlier versions wrote them.
	ValueFiles []InputFile `json:"value_files,omitempty"`
	EnvFiles   []string    `json:"env_files,omitempty"`
	VarFiles   []string    `json:"var_files,omitempty"`
	Profiles   []string    `json:"profiles,omitempty"`
	Vars       []string    `json:"vars,omitempty"`
}

// InputFile is a file of values; see specs.ValueFile.
type InputFile struct {
	File string `json:"file"`
	Env  bool   `json:"env,omitempty"`
}

// SavedChange is one change, NoOp ones left out.
type SavedChange struct {
	Address string           `json:"address"`
	Action  resources.Action `json:"action"`
	Mode    string           `json:"mode,omitempty"`
	Reason  string           `json:"reason,omitempty"`
	Code    string           `json:"code,omitempty"`
	// Object pins the very object that was seen.
	Object string `json:"object,omitempty"`
	// Want and Is are the digests of what is declared and of what is there,
	// secrets masked. A file of version 1.0 has no Is.
	Want   string       `json:"want,omitempty"`
	Is     string       `json:"is,omitempty"`
	Fields []SavedField `json:"fields,omitempty"`

	// The rest is only shown, and may differ when the plan is applied.
	Source    *SavedPos     `json:"source,omitempty"`
	Unchanged int           `json:"unchanged,omitempty"`
	DependsOn []string      `json:"depends_on,omitempty"`
	Hazards   []SavedHazard `json:"hazards,omitempty"`
	Gate      string        `json:"gate,omitempty"`
	// GateTimeout is in seconds.
	GateTimeout float64 `json:"gate_timeout,omitempty"`
	// Adopted says from whom the object is taken over, "" when it is not.
	Adopted    string   `json:"adopted,omitempty"`
	Unknown    string   `json:"unknown,omitempty"`
	Leftover   string   `json:"leftover,omitempty"`
	LeftoverOf string   `json:"leftover_of,omitempty"`
	Notes      []string `json:"notes,omitempty"`
	// Order is start_first or stop_first, "" where that is no question.
	Order       string `json:"order,omitempty"`
	OrderReason string `json:"order_reason,omitempty"`
}

// SavedOverruled is a declared setting that is not in force.
type SavedOverruled struct {
	Address string    `json:"address"`
	Path    string    `json:"path"`
	Why     string    `json:"why"`
	Source  *SavedPos `json:"source,omitempty"`
}

// SavedPos is a place in the spec.
type SavedPos struct {
	File   string `json:"file"`   // name of the file, as it was given
	Line   int    `json:"line"`   // line, from 1
	Column int    `json:"column"` // column in characters, from 1
}

// SavedHazard is a danger of a change.
type SavedHazard struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// SavedField is the place of a difference.
type SavedField struct {
	Path string `json:"path"`
	Cost string `json:"cost,omitempty"` // "" for the fields of what is created
	// Drift and Source are only shown.
	Drift  bool      `json:"drift,omitempty"`
	Source *SavedPos `json:"source,omitempty"`
}

func (f SavedField) same(other SavedField) bool { return f.Path == other.Path && f.Cost == other.Cost }

// modes are the names of how a replacement is carried out.
var modes = map[resources.Replacement]string{resources.DeleteCreate: "delete-create", resources.SwapBack: "swap",
	resources.OneStep: "one-step", resources.CreateDelete: "create-delete"}

// Save returns the plan in the form of a file. opt are the options it was made
// with.
func Save(p *Plan, opt Options) (*Saved, error) {
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // never fails: crypto/rand aborts the program
	s := &Saved{FormatVersion: SavedVersion, Stack: p.Stack, Options: opt, Salt: hex.EncodeToString(salt)}
	s.Unknown = p.Unknown
	for _, c := range p.Changes {
		for _, f := range c.Overruled {
			s.Overruled = append(s.Overruled, SavedOverruled{c.Addr.String(), f.Path, f.Why, savedPos(f.Pos)})
		}
		switch {
		case !c.IsNoOp():
			s.Changes = append(s.Changes, savedChange(c, p.redactor()))
		case c.Have != nil && c.Have.ID != "":
			if s.Objects == nil {
				s.Objects = map[string]string{}
			}
			s.Objects[c.Addr.String()] = c.Have.ID
		}
	}
	var err error
	if s.Declared, s.Observed, err = digests(p, salt); err != nil {
		return nil, err
	}
	return s, nil
}

// redactor masks secrets in the keys that paths lead through. A plan is compared
// with one that was saved, so that they are masked before.
func (p *Plan) redactor() *resources.Redactor {
	if p.declared == nil {
		return nil
	}
	return p.declared.Redactor
}

func savedChange(c *Change, r *resources.Redactor) SavedChange {
	out := SavedChange{Address: c.Addr.String(), Action: c.Action, Reason: c.Reason, Code: c.Code}
	if c.Action == resources.Replace {
		out.Mode = modes[c.Mode]
	}
	if c.Have != nil {
		out.Object, out.Is = c.Have.ID, maskedDigest(c.Have.Have)
	}
	if c.Want != nil {
		out.Want = maskedDigest(c.Want.Config)
	}
	if c.Action == resources.Create || c.Action == resources.Ensure {
		for _, key := range slices.Sorted(maps.Keys(c.Want.Config)) {
			out.Fields = append(out.Fields, SavedField{Path: key})
		}
	}
	for _, f := range c.Delta {
		out.Fields = append(out.Fields, SavedField{Path: r.Text(f.Path), Cost: f.Cost.String(), Drift: f.Drift, Source: savedPos(f.Pos)})
	}
	out.describe(c)
	return out
}

func maskedDigest(c resources.Config) string {
	sum := sha256.Sum256(resources.Canonical(c))
	return hex.EncodeToString(sum[:])
}

// describe notes what is only shown.
func (was *SavedChange) describe(c *Change) {
	was.Source, was.Unchanged = savedPos(c.Pos()), c.Unchanged
	was.Order, was.OrderReason = c.Manner.Order, c.Manner.Text
	for _, h := range c.Hazards {
		was.Hazards = append(was.Hazards, SavedHazard{h.Code, h.Msg})
	}
	if c.Gate != nil {
		was.Gate, was.GateTimeout = c.Gate.Text, c.Gate.Timeout.Seconds()
	}
	var refs []resources.Ref
	if c.Have != nil {
		was.Unknown, was.Leftover, was.Notes, refs = c.Have.Why, c.Have.Leftover, c.Have.Notes, c.Have.Refs
		if of := c.Have.LeftoverOf; !of.IsZero() {
			was.LeftoverOf = of.String()
		}
		if c.Adopted {
			was.Adopted = cmp.Or(c.Have.Owner, "nobody")
			if c.Have.Stack != "" {
				was.Adopted = fmt.Sprintf("stack %q", c.Have.Stack)
			}
		}
	}
	if c.Want != nil {
		refs = c.Want.Refs
	}
	for _, r := range refs {
		if a := r.To.String(); !slices.Contains(was.DependsOn, a) {
			was.DependsOn = append(was.DependsOn, a)
		}
	}
}

func savedPos(p specs.Pos) *SavedPos {
	if p.IsZero() {
		return nil
	}
	return &SavedPos{p.File, p.Line, p.Col}
}

func (p *SavedPos) pos() specs.Pos {
	if p == nil {
		return specs.Pos{}
	}
	return specs.Pos{File: p.File, Line: p.Line, Col: p.Column}
}

// Plan returns what the file holds in the form of a plan, to be shown. It has
// no values and no steps, and cannot be applied.
func (s *Saved) Plan() *Plan {
	p := &Plan{Stack: s.Stack, Destroy: s.Options.Destroy, Unknown: s.Unknown, byAddr: map[resources.Addr]*Change{}}
	for _, was := range s.Changes {
		c := was.change()
		p.Changes = append(p.Changes, c)
		p.byAddr[c.Addr] = c
	}
	for _, was := range s.Overruled {
		addr, err := resources.ParseAddr(was.Address)
		if err != nil {
			continue
		}
		if p.byAddr[addr] == nil {
			p.byAddr[addr] = &Change{Addr: addr, Action: resources.NoOp, Have: &resources.Observed{Addr: addr},
				Want: &resources.Resource{Addr: addr}}
			p.Changes = append(p.Changes, p.byAddr[addr])
		}
		c := p.byAddr[addr]
		c.Overruled = append(c.Overruled, resources.Diff{Path: was.Path, Drift: true, Why: was.Why, Pos: was.Source.pos()})
	}
	return p
}

func (was *SavedChange) change() *Change {
	addr, _ := resources.ParseAddr(was.Address) // checked by ParseSaved
	c := &Change{Addr: addr, Action: was.Action, Reason: was.Reason, Code: was.Code, Unchanged: was.Unchanged, Adopted: was.Adopted != "",
		Manner: resources.Manner{Order: was.Order, Text: was.OrderReason}}
	for mode, name := range modes {
		if name == was.Mode {
			c.Mode = mode
		}
	}
	var refs []resources.Ref
	for _, text := range was.DependsOn {
		if to, err := resources.ParseAddr(text); err == nil {
			refs = append(refs, resources.Ref{To: to})
		}
	}
	c.Have = &resources.Observed{Addr: addr, ID: was.Object, Leftover: was.Leftover, Notes: was.Notes, Owner: was.Adopted, Refs: refs}
	if of, err := resources.ParseAddr(was.LeftoverOf); err == nil {
		c.Have.LeftoverOf = of
	}
	if was.Unknown != "" {
		c.Have.Presence, c.Have.Why = resources.Unknown, was.Unknown
	}
	if was.Action != resources.Delete {
		c.Want = &resources.Resource{Addr: addr, KeyPos: was.Source.pos(), Refs: refs}
	}
	for _, f := range was.Fields {
		field, _, _ := strings.Cut(f.Path, ".")
		c.Delta = append(c.Delta, resources.Diff{Path: f.Path, Field: field, Cost: costOf(f.Cost), Drift: f.Drift, Pending: !f.Drift,
			Pos: f.Source.pos()})
	}
	for _, h := range was.Hazards {
		c.Hazards = append(c.Hazards, resources.Hazard{Code: h.Code, Msg: h.Message})
	}
	if was.Gate != "" {
		c.Gate = &resources.Gate{Text: was.Gate, Timeout: time.Duration(was.GateTimeout * float64(time.Second))}
	}
	return c
}

func costOf(name string) resources.Cost {
	for _, c := range []resources.Cost{resources.Free, resources.InPlace, resources.Reconnect, resources.Remake} {
		if c.String() == name {
			return c
		}
	}
	return resources.Free
}

// digests hashes everything declared and everything seen, in order of address.
func digests(p *Plan, salt []byte) (declared, observed string, err error) {
	var want, have bytes.Buffer
	changes := slices.Clone(p.Changes)
	slices.SortFunc(changes, func(a, b *Change) int { return a.Addr.Compare(b.Addr) })
	for _, c := range changes {
		if c.Want != nil {
			fmt.Fprintf(&want, "%s %s\n", c.Addr, resources.Canonical(reveal(map[string]any(c.Want.Config))))
		}
		if c.Have != nil {
			fmt.Fprintf(&have, "%s %d %s %q %s", c.Addr, c.Have.Presence, c.Have.ID, c.Have.Stack,
				resources.Canonical(reveal(map[string]any(c.Have.Have))))
			if c.Action == resources.Delete && c.Have.Applied != nil {
				// Made anew under the same name it would be another object: its memory has another key.
				have.WriteString(" " + c.Have.Applied.String())
			}
			have.WriteString("\n")
		}
	}
	for _, d := range []struct {
		in  []byte
		out *string
	}{{want.Bytes(), &declared}, {have.Bytes(), &observed}} {
		// The cost parameters are those scrypt's author recommends for files
		// (N=2^15, r=8, p=1: about 0.1 s and 32 MB).
		sum, err := scrypt.Key(d.in, salt, 1<<15, 8, 1, 32)
		if err != nil {
			return "", "", fmt.Errorf("digest of the plan: %w", err)
		}
		*d.out = hex.EncodeToString(sum)
	}
	return declared, observed, nil
}

// reveal returns v with its secrets as texts. The result goes into a hash and
// nowhere else.
func reveal(v any) any {
	return specs.MapLeaves(v, func(v any) any {
		if secret, ok := v.(resources.Secret); ok {
			return secret.Reveal()
		}
		return v
	})
}

// Encode returns the file's bytes.
func (s *Saved) Encode() []byte {
	out, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil
	}
	return append(out, '\n')
}

// ParseSaved reads a saved plan. The file may be anything.
func ParseSaved(data []byte) (*Saved, error) {
	if len(data) > MaxSaved {
		return nil, fmt.Errorf("saved plan: larger than %d MiB", MaxSaved>>20)
	}
	var s Saved
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("saved plan: not a plan of midaz: %w", err)
	}
	major, _, _ := strings.Cut(s.FormatVersion, ".")
	want, _, _ := strings.Cut(SavedVersion, ".")
	if major != want {
		return nil, fmt.Errorf("saved plan: format %q, and this midaz reads %s", s.FormatVersion, SavedVersion)
	}
	for _, c := range s.Changes {
		if _, err := resources.ParseAddr(c.Address); err != nil {
			return nil, fmt.Errorf("saved plan: %w", err)
		}
		switch c.Action {
		case resources.Create, resources.Update, resources.Ensure, resources.Replace, resources.Delete:
		default:
			return nil, fmt.Errorf("saved plan: %s: unknown action %q", c.Address, c.Action)
		}
	}
	return &s, nil
}

// Check compares the saved plan with one made now, with the saved options. An
// error wraps ErrStale. Where resources can be named it is a *multierror.Error
// with one error for each; else spec or world has changed in a value that only
// the digests tell of.
func (s *Saved) Check(now *Plan) error {
	if s.Stack != now.Stack {
		return fmt.Errorf("%w: it was made for stack %q, and this spec is of stack %q", ErrStale, s.Stack, now.Stack)
	}
	then := map[string]SavedChange{}
	for _, c := range s.Changes {
		then[c.Address] = c
	}
	var moved *multierror.Error
	differs := func(address, msg string) {
		moved = multierror.Append(moved, fmt.Errorf("%w: %s: %s", ErrStale, address, msg))
	}
	for _, c := range now.Changes {
		address := c.Addr.String()
		was, planned := then[address]
		delete(then, address)
		if c.IsNoOp() && !planned {
			if was := s.Objects[address]; was != "" && c.Have != nil && c.Have.ID != was {
				differs(address, "the object that was seen has been replaced by another")
			}
			continue
		}
		if msg := was.moved(c, planned, now.redactor()); msg != "" {
			differs(address, msg)
		}
	}
	for _, c := range s.Changes {
		if _, left := then[c.Address]; left {
			differs(c.Address, fmt.Sprintf("the plan was to %s it, and now there is nothing of that name", c.Action))
		}
	}
	if moved != nil {
		return moved
	}
	return s.checkDigests(now)
}

// moved says how a change of now differs from the saved one, "" when not.
func (was SavedChange) moved(c *Change, planned bool, r *resources.Redactor) string {
	is := savedChange(c, r)
	switch {
	case !planned:
		return fmt.Sprintf("nothing was to be done, and now the plan would %s it: %s", c.Action, c.Reason)
	case c.IsNoOp():
		return fmt.Sprintf("the plan was to %s it, and now there is nothing to do", was.Action)
	case is.Action != was.Action || is.Mode != was.Mode:
		return fmt.Sprintf("the plan was to %s it, and now it would %s it: %s", was.Action, c.Action, c.Reason)
	case is.Object != was.Object:
		return "the object that was seen has been replaced by another"
	}
	var what []string
	if is.Want != was.Want {
		what = append(what, "the spec declares it differently now")
	}
	if was.Is != "" && is.Is != was.Is {
		what = append(what, "what is there of it has changed")
	}
	if paths := was.otherFields(is); len(paths) > 0 {
		what = append(what, "other fields differ now: "+strings.Join(paths, ", "))
	}
	return strings.Join(what, "; ")
}

// otherFields returns the paths that only one of the two names, or names with
// another cost.
func (was SavedChange) otherFields(is SavedChange) []string {
	var out []string
	for _, pair := range [][2][]SavedField{{is.Fields, was.Fields}, {was.Fields, is.Fields}} {
		for _, f := range pair[0] {
			if !slices.ContainsFunc(pair[1], f.same) && !slices.Contains(out, f.Path) {
				out = append(out, f.Path)
			}
		}
	}
	return out
}

func (s *Saved) checkDigests(now *Plan) error {
	salt, err := hex.DecodeString(s.Salt)
	if err != nil {
		return fmt.Errorf("saved plan: salt: %w", err)
	}
	declared, observed, err := digests(now, salt)
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare([]byte(declared), []byte(s.Declared)) != 1 {
		return fmt.Errorf("%w: the spec, or the value of a variable, has changed", ErrStale)
	}
	if subtle.ConstantTimeCompare([]byte(observed), []byte(s.Observed)) != 1 {
		return fmt.Errorf("%w: what is there has changed", ErrStale)
	}
	return nil
}
