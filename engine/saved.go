package engine

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/scrypt"

	"github.com/LerianStudio/midaz-infra/resources"
)

// SavedVersion is the format of saved plans. A reader refuses another major
// version and passes over keys it does not know.
const SavedVersion = "1.0"

// maxSaved bounds what is read as a saved plan: ten times the size of the plan
// of 10,000 queues.
const maxSaved = 64 << 20

// Saved is a plan in a file. It holds what would be done and why, the places of
// differences but never their values, and digests by which Check tells that
// spec and world are still what the plan was made for.
type Saved struct {
	FormatVersion string        `json:"format_version"`
	Stack         string        `json:"stack"`
	Options       Options       `json:"options"`
	Changes       []SavedChange `json:"changes"`
	// Salt and the two digests: scrypt over everything declared and everything
	// observed, values of secrets included. All of them are hashed together and
	// slowly, so that no single weak secret can be guessed from the file.
	Salt     string `json:"salt"`
	Declared string `json:"declared"`
	Observed string `json:"observed"`
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
	// Want is the digest of what is declared, secrets masked.
	Want   string       `json:"want,omitempty"`
	Fields []SavedField `json:"fields,omitempty"`
}

// SavedField is the place of a difference.
type SavedField struct {
	Path string `json:"path"`
	Cost string `json:"cost"`
}

// Save returns the plan in the form of a file. opt are the options it was made
// with.
func Save(p *Plan, opt Options) (*Saved, error) {
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // never fails: crypto/rand aborts the program
	s := &Saved{FormatVersion: SavedVersion, Stack: p.Stack, Options: opt, Salt: hex.EncodeToString(salt)}
	for _, c := range p.Changes {
		if !c.IsNoOp() {
			s.Changes = append(s.Changes, savedChange(c))
		}
	}
	var err error
	if s.Declared, s.Observed, err = digests(p, salt); err != nil {
		return nil, err
	}
	return s, nil
}

func savedChange(c *Change) SavedChange {
	out := SavedChange{Address: c.Addr.String(), Action: c.Action, Reason: c.Reason, Code: c.Code}
	if c.Action == resources.Replace {
		out.Mode = map[resources.Replacement]string{resources.DeleteCreate: "delete-create", resources.SwapBack: "swap", resources.OneStep: "one-step"}[c.Mode]
	}
	if c.Have != nil {
		out.Object = c.Have.ID
	}
	if c.Want != nil {
		sum := sha256.Sum256(resources.Canonical(c.Want.Config))
		out.Want = hex.EncodeToString(sum[:])
	}
	for _, f := range c.Delta {
		out.Fields = append(out.Fields, SavedField{Path: f.Path, Cost: f.Cost.String()})
	}
	return out
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
			fmt.Fprintf(&have, "%s %d %s %q %s\n", c.Addr, c.Have.Presence, c.Have.ID, c.Have.Stack, resources.Canonical(reveal(map[string]any(c.Have.Have))))
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
	switch v := v.(type) {
	case resources.Secret:
		return v.Reveal()
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = reveal(e)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = reveal(e)
		}
		return out
	default:
		return v
	}
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
	if len(data) > maxSaved {
		return nil, fmt.Errorf("saved plan: larger than %d MiB", maxSaved>>20)
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
	}
	return &s, nil
}

// Check compares the saved plan with one made now, with the saved options. The
// error wraps ErrStale and names what has moved.
func (s *Saved) Check(now *Plan) error {
	if s.Stack != now.Stack {
		return fmt.Errorf("%w: it was made for stack %q, and this spec is of stack %q", ErrStale, s.Stack, now.Stack)
	}
	then := map[string]SavedChange{}
	for _, c := range s.Changes {
		then[c.Address] = c
	}
	for _, c := range now.Changes {
		was, planned := then[c.Addr.String()]
		delete(then, c.Addr.String())
		if c.IsNoOp() && !planned {
			continue
		}
		if msg := was.moved(c, planned); msg != "" {
			return fmt.Errorf("%w: %s: %s", ErrStale, c.Addr, msg)
		}
	}
	for _, c := range s.Changes {
		if _, left := then[c.Address]; left {
			return fmt.Errorf("%w: %s: the plan was to %s it, and now there is nothing of that name", ErrStale, c.Address, c.Action)
		}
	}
	return s.checkDigests(now)
}

// moved says how a change of now differs from the saved one, "" when not.
func (was SavedChange) moved(c *Change, planned bool) string {
	is := savedChange(c)
	switch {
	case !planned:
		return fmt.Sprintf("nothing was to be done, and now the plan would %s it: %s", c.Action, c.Reason)
	case c.IsNoOp():
		return fmt.Sprintf("the plan was to %s it, and now there is nothing to do", was.Action)
	case is.Action != was.Action || is.Mode != was.Mode:
		return fmt.Sprintf("the plan was to %s it, and now it would %s it: %s", was.Action, c.Action, c.Reason)
	case is.Object != was.Object:
		return "the object that was seen has been replaced by another"
	case is.Want != was.Want:
		return "the spec declares it differently now"
	case !slices.Equal(is.Fields, was.Fields):
		return "other fields differ now"
	default:
		return ""
	}
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
