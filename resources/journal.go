package resources

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"time"
)

// Results of a run.
const (
	RunRunning     = "running"     // it has begun and not ended
	RunDone        = "done"        // everything was done
	RunPartly      = "failed"      // a step failed; the rest is as the steps say
	RunGate        = "gate failed" // nothing but gates failed
	RunInterrupted = "interrupted" // someone stopped it
	RunLost        = "did not end" // it was killed, or lost the engine
)

// Run is one entry of a stack's journal: what one apply, destroy or rollback
// did. It holds no value of anything sensitive.
type Run struct {
	ID      string    `json:"id"`
	Stack   string    `json:"stack"`
	Command string    `json:"command"` // "apply", "down", "rollback 3f9a1c20"
	Who     string    `json:"who"`     // user@host, or who started the pipeline
	Version string    `json:"version"` // of midaz
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended,omitzero"`
	Result  string    `json:"result"`
	Add     int       `json:"add"`
	Change  int       `json:"change"`
	Destroy int       `json:"destroy"`
	// Planned counts the changes of the plan, known from the beginning.
	Planned int `json:"planned"`
	// Partial says that only a part of the spec was applied (-target, -exclude,
	// -only-drift).
	Partial bool      `json:"partial,omitempty"`
	Error   string    `json:"error,omitempty"`
	Steps   []RunStep `json:"steps,omitempty"`
	// Images are what the services and jobs ran at the end, by address.
	Images map[string]RunImage `json:"images,omitempty"`
	// Past is where the spec of the run is kept, "" when it is not.
	Past string `json:"past,omitempty"`
}

// RunStep is how one step of a run ended.
type RunStep struct {
	Address string  `json:"address"`
	Verb    string  `json:"verb"`
	Did     string  `json:"did,omitempty"`
	State   string  `json:"state"` // done, failed, skipped
	After   float64 `json:"after"` // seconds from the start of the run
	Seconds float64 `json:"seconds"`
	Error   string  `json:"error,omitempty"`
	// PutBack says that the old object came back.
	PutBack bool   `json:"put_back,omitempty"`
	Because string `json:"because,omitempty"`
}

// RunImage is the image that a service ran.
type RunImage struct {
	Ref     string   `json:"ref"`
	ID      string   `json:"id"`
	Digests []string `json:"digests,omitempty"` // name@sha256:...
	// Built says that it was built from a folder, which is not kept.
	Built bool `json:"built,omitempty"`
}

// Past is what a run was made from: enough to plan it again. Secrets written
// in files are replaced by tokens.
type Past struct {
	// Specs are the names of the spec files, in the order of merging.
	Specs    []string   `json:"specs"`
	Profiles []string   `json:"profiles,omitempty"`
	Files    []PastFile `json:"files"`
	// Values are those of the variables that are not sensitive; null is one
	// that was not set.
	Values map[string]*string `json:"values,omitempty"`
	// Key, in hex, is that of the digests: HMAC-SHA256 of the secrets.
	Key string `json:"key"`
	// Secrets are the digests of the sensitive variables, by name.
	Secrets map[string]string `json:"secrets,omitempty"`
	// Tokens stand in files in place of secrets: token to digest.
	Tokens map[string]string `json:"tokens,omitempty"`
}

// PastFile is a file that a run was made from. Text is nil where it was not
// kept; Digest then tells whether today's is the same.
type PastFile struct {
	Name   string `json:"name"`
	Mode   uint32 `json:"mode,omitempty"`
	Text   []byte `json:"text,omitempty"`
	Kept   bool   `json:"kept"`
	Size   int    `json:"size,omitempty"`
	Digest string `json:"digest,omitempty"` // under Key
	Secret bool   `json:"secret,omitempty"`
}

// MadeBy returns the addresses that the runs, latest first, have made or changed
// and not removed since.
func MadeBy(runs []*Run) map[Addr]bool {
	out := map[Addr]bool{}
	for _, r := range slices.Backward(runs) {
		for _, s := range r.Steps {
			a, err := ParseAddr(s.Address)
			switch {
			case err != nil || s.State != "done":
			case s.Verb == "delete":
				delete(out, a)
			case s.Verb != "await" && s.Verb != "commit":
				out[a] = true
			}
		}
	}
	return out
}

// Limits of the journal, once unfolded.
const (
	maxRunText  = 4 << 20
	maxPastText = 16 << 20
	// MaxPastLabel bounds what a run's spec may take up on the engine.
	MaxPastLabel = 384 << 10
	// MaxRunLabel bounds the entry of one run.
	MaxRunLabel = 128 << 10
)

// ErrJournal is wrapped by errors about an entry that cannot be read.
var ErrJournal = errors.New("the journal's entry cannot be read")

// Encode returns the run as the text of a label.
func (r *Run) Encode() (string, error) { return pack(r) }

// Encode returns the past as the text of a label.
func (p *Past) Encode() (string, error) { return pack(p) }

// DecodeRun reads what Run.Encode wrote. The text comes from outside and may be
// anything.
func DecodeRun(text string) (*Run, error) {
	var r Run
	if err := unpack(text, MaxRunLabel, maxRunText, &r); err != nil {
		return nil, err
	}
	if !runID.MatchString(r.ID) {
		return nil, fmt.Errorf("%w: it has no ID", ErrJournal)
	}
	return &r, nil
}

// DecodePast reads what Past.Encode wrote.
func DecodePast(text string) (*Past, error) {
	var p Past
	if err := unpack(text, MaxPastLabel, maxPastText, &p); err != nil {
		return nil, err
	}
	return &p, nil
}

var runID = regexp.MustCompile(`^[0-9a-f]{4,32}$`)

// IsRunID reports whether a text can be the ID of a run, or its beginning.
func IsRunID(text string) bool { return runID.MatchString(text) }

// pack returns v as JSON, compressed, in letters: labels are texts.
func pack(v any) (string, error) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return "", err
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	return base64.RawStdEncoding.EncodeToString(b.Bytes()), nil
}

// unpack reads at most limit bytes of JSON out of at most most bytes of text.
func unpack(text string, most int, limit int64, into any) error {
	if len(text) > most {
		return fmt.Errorf("%w: it is larger than %d KiB", ErrJournal, most>>10)
	}
	raw, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrJournal, err)
	}
	r, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrJournal, err)
	}
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrJournal, err)
	}
	if int64(len(data)) > limit {
		return fmt.Errorf("%w: it unfolds to more than %d MiB", ErrJournal, limit>>20)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%w: %w", ErrJournal, err)
	}
	return nil
}
