package resources

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Sealed is a Config as it is written on the object itself: the declared
// fields as last applied, with every secret replaced by its keyed hash and
// every long or binary text by its hash. It encodes to JSON that fits into a
// label.
type Sealed struct {
	Key    string         `json:"key,omitempty"` // hex; only when there are secrets
	Fields map[string]any `json:"fields"`
}

// secretMark is the key that marks a keyed hash inside sealed fields.
const secretMark = "$hmac-sha256"

// secretKey begins the keyed hash that stands in place of a key of a map.
const secretKey = "$hmac-sha256:"

// IsHiddenKey reports whether a key of a map in Shape is the hash of one.
func IsHiddenKey(key string) bool { return strings.HasPrefix(key, secretKey) }

// hiddenKeys returns how many keys of a sealed map are hashes.
func hiddenKeys(m map[string]any) int {
	n := 0
	for k := range m {
		if IsHiddenKey(k) {
			n++
		}
	}
	return n
}

// entryOf returns the entry of a sealed map, also one whose key is hashed.
func entryOf(m map[string]any, name string, key []byte) (any, bool) {
	if v, ok := m[name]; ok || len(key) == 0 {
		return v, ok
	}
	v, ok := m[secretKey+NewSecret(name).Digest(key)]
	return v, ok
}

// textMark is the key that marks the hash of a text that is too long to be
// written down, or that JSON cannot hold.
const textMark = "$sha256"

// maxSealedText is the longest text that is written down as it is, in bytes.
const maxSealedText = 512

func textHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// Seal returns c with its secrets hashed under a fresh random key. The same
// Config sealed twice therefore differs; compare with Sealed.Matches.
func Seal(c Config) Sealed { return sealOver(nil, c, nil, nil) }

// Seal returns fields of the resource as Seal does, with the keys of maps hashed
// in which a secret of the spec stands.
func (r *Resource) Seal(c Config) Sealed { return sealOver(nil, c, nil, r.Redactor) }

// SealOver returns what the object remembers after these fields of c were
// applied: all but the ones named in except, which stay as they were.
func (r *Resource) SealOver(was *Sealed, c Config, except map[string]bool) Sealed {
	return sealOver(was, c, except, r.Redactor)
}

func sealOver(was *Sealed, c Config, except map[string]bool, known *Redactor) Sealed {
	out := Sealed{Fields: make(map[string]any, len(c))}
	if was != nil {
		out.Key = was.Key
	}
	s := sealing{known: known}
	s.key, _ = hex.DecodeString(out.Key)
	for field, v := range c {
		if !except[field] {
			out.Fields[field] = s.value(v)
		}
	}
	if len(s.key) > 0 {
		out.Key = hex.EncodeToString(s.key)
	}
	for field := range except {
		if was.Has(field) {
			out.Fields[field] = was.Fields[field]
		}
	}
	return out
}

// sealing hashes secrets under a key that is made when it is needed.
type sealing struct {
	key   []byte
	known *Redactor
}

func (s *sealing) digest(secret Secret) string {
	if len(s.key) == 0 {
		s.key = make([]byte, 16)
		_, _ = rand.Read(s.key) // never fails: crypto/rand aborts the program
	}
	return secret.Digest(s.key)
}

func (s *sealing) value(v Value) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = s.value(e)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			if s.known.Holds(k) {
				k = secretKey + s.digest(NewSecret(k))
			}
			out[k] = s.value(e)
		}
		return out
	case Secret:
		return map[string]any{secretMark: s.digest(v)}
	case string:
		switch {
		case s.known.Holds(v):
			return map[string]any{secretMark: s.digest(NewSecret(v))}
		case len(v) > maxSealedText || !utf8.ValidString(v):
			return map[string]any{textMark: textHash(v)}
		}
	}
	return v
}

// String returns the JSON form.
func (s Sealed) String() string {
	return string(Canonical(map[string]any{"key": s.Key, "fields": s.Fields}))
}

// ParseSealed reads the JSON form. The text comes from outside and may be
// anything; a nil Sealed with an error is returned for what is not ours.
func ParseSealed(text string) (*Sealed, error) {
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.UseNumber()
	var s Sealed
	if err := dec.Decode(&s); err != nil {
		return nil, fmt.Errorf("sealed fields: %w", err)
	}
	if _, err := hex.DecodeString(s.Key); err != nil {
		return nil, fmt.Errorf("sealed fields: key: %w", err)
	}
	fields, ok := Normalize(s.Fields).(map[string]any)
	if !ok {
		fields = map[string]any{}
	}
	s.Fields = fields
	return &s, nil
}

// Has reports whether the field was declared when the object was applied.
func (s *Sealed) Has(field string) bool {
	if s == nil {
		return false
	}
	_, ok := s.Fields[field]
	return ok
}

// Matches reports whether v is the value that was applied for the field.
// A Secret or a string matches a keyed hash of its text, a string also a plain
// one.
func (s *Sealed) Matches(field string, v Value) bool {
	if s == nil {
		return false
	}
	key, _ := hex.DecodeString(s.Key)
	return sealedEqual(s.Fields[field], v, key)
}

func sealedEqual(sealed, v Value, key []byte) bool {
	if IsEmpty(sealed) && IsEmpty(v) {
		return true
	}
	if m, ok := sealed.(map[string]any); ok && len(m) == 1 && m[secretMark] != nil {
		switch v := v.(type) {
		case Secret:
			return m[secretMark] == v.Digest(key)
		case string:
			return m[secretMark] == NewSecret(v).Digest(key)
		}
		return false
	}
	if m, ok := sealed.(map[string]any); ok && len(m) == 1 && m[textMark] != nil {
		switch v := v.(type) {
		case string:
			return m[textMark] == textHash(v)
		case Secret:
			return m[textMark] == textHash(v.Reveal())
		}
		return false
	}
	switch sealed := sealed.(type) {
	case int64: // JSON writes the number 1.0 as 1
		if f, ok := v.(float64); ok {
			return float64(sealed) == f
		}
		return Equal(sealed, v)
	case []any:
		vl, ok := v.([]any)
		if !ok || len(vl) != len(sealed) {
			return false
		}
		for i := range sealed {
			if !sealedEqual(sealed[i], vl[i], key) {
				return false
			}
		}
		return true
	case map[string]any:
		vm, ok := v.(map[string]any)
		if !ok || len(vm) != len(sealed) {
			return false
		}
		for k, e := range vm {
			was, ok := entryOf(sealed, k, key)
			if !ok || !sealedEqual(was, e, key) {
				return false
			}
		}
		return true
	default:
		return Equal(sealed, v)
	}
}

// Shape returns the field as last applied with an opaque Secret in place of
// each keyed hash, and a note in place of each plain one. It is for SealLike, which then masks the observed value of a
// field that was sensitive and is no longer declared.
func (s *Sealed) Shape(field string) Value {
	if s == nil {
		return nil
	}
	return unseal(s.Fields[field])
}

// Entry returns what is sealed under a key of a field that is a map.
func (s *Sealed) Entry(field, name string) (any, bool) {
	if s == nil {
		return nil, false
	}
	m, _ := s.Fields[field].(map[string]any)
	key, _ := hex.DecodeString(s.Key)
	return entryOf(m, name, key)
}

func unseal(v Value) Value {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = unseal(e)
		}
		return out
	case map[string]any:
		if len(v) == 1 && v[secretMark] != nil {
			return Secret{}
		}
		if len(v) == 1 && v[textMark] != nil {
			return fmt.Sprintf("(text with SHA-256 %v)", v[textMark])
		}
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = unseal(e)
		}
		return out
	default:
		return v
	}
}

// place notes in a difference what was last applied at its path. Where the
// whole field was changed on both sides, it tells which side changed this part.
func (s *Sealed) place(d *Diff) {
	if s == nil {
		return
	}
	part, ok := s.part(d.Path)
	if !ok {
		return
	}
	d.Applied = unseal(part)
	if d.Path == d.Field || !d.Drift || !d.Pending {
		return
	}
	key, _ := hex.DecodeString(s.Key)
	drift, pending := !sealedEqual(part, d.Before, key), !sealedEqual(part, d.After, key)
	if drift || pending {
		d.Drift, d.Pending = drift, pending
	}
}

// part returns what is sealed at a path, nil where there is nothing. The places
// of a list may have moved, so that paths through one are not followed.
func (s *Sealed) part(path string) (Value, bool) {
	var at Value = s.Fields
	key, _ := hex.DecodeString(s.Key)
	for _, p := range SplitPath(path) {
		if p.Index {
			return nil, false
		}
		m, ok := at.(map[string]any)
		if !ok && at != nil || len(m) == 1 && (m[secretMark] != nil || m[textMark] != nil) {
			return nil, false
		}
		at, _ = entryOf(m, p.Key, key)
	}
	return at, true
}

// Holds reports whether v is the value that stands at the path of a difference.
func (s *Sealed) Holds(path string, v Value) bool {
	if s == nil {
		return false
	}
	part, ok := s.part(path)
	key, _ := hex.DecodeString(s.Key)
	return ok && part != nil && sealedEqual(part, v, key)
}

// With returns what the object remembers after these fields of c were applied:
// all but the ones named in except, which stay as they were. s may be nil.
func (s *Sealed) With(c Config, except map[string]bool) Sealed { return sealOver(s, c, except, nil) }

// Recalled returns the texts of an object that are secrets by what it remembers:
// values and keys of maps whose keyed hash was applied, and keys that stand where
// a hidden one is gone. The spec may not know them any more. What it declares as
// plain texts, want, is none.
func (s *Sealed) Recalled(have, want Config) []string {
	if s == nil || s.Key == "" {
		return nil
	}
	r := recalling{}
	r.key, _ = hex.DecodeString(s.Key)
	for field, was := range s.Fields {
		r.visit(was, have[field])
	}
	if len(r.found) == 0 { // as for most objects
		return nil
	}
	public := map[string]bool{"": true}
	anyLeaf(map[string]any(want), func(v Value) bool {
		if text, ok := v.(string); ok {
			public[text] = true
		}
		return false
	})
	found := slices.DeleteFunc(r.found, func(text string) bool { return public[text] })
	slices.Sort(found)
	return slices.Compact(found)
}

type recalling struct {
	key   []byte
	found []string
}

func (r *recalling) add(text string) { r.found = append(r.found, text) }

func (r *recalling) visit(was, v Value) {
	switch was := was.(type) {
	case []any: // places may have moved
		hashes := map[any]bool{}
		hashesIn(was, hashes)
		if len(hashes) == 0 {
			return
		}
		anyLeaf(v, func(leaf Value) bool {
			if text := Text(leaf); hashes[NewSecret(text).Digest(r.key)] {
				r.add(text)
			}
			return false
		})
	case map[string]any:
		if len(was) == 1 && was[secretMark] != nil {
			if text := Text(v); was[secretMark] == NewSecret(text).Digest(r.key) {
				r.add(text)
			}
			return
		}
		if m, ok := v.(map[string]any); ok {
			r.entries(was, m)
		}
	}
}

// hashesIn collects the keyed hashes of a sealed value.
func hashesIn(sealed any, out map[any]bool) {
	switch sealed := sealed.(type) {
	case []any:
		for _, e := range sealed {
			hashesIn(e, out)
		}
	case map[string]any:
		if hash, ok := sealed[secretMark].(string); ok && len(sealed) == 1 {
			out[hash] = true
			return
		}
		for _, e := range sealed {
			hashesIn(e, out)
		}
	}
}

func (r *recalling) entries(was, m map[string]any) {
	hidden := hiddenKeys(was)
	var strange []string
	for k, e := range m {
		part, ok := entryOf(was, k, r.key)
		_, plain := was[k]
		switch {
		case !ok:
			strange = append(strange, k)
		case !plain:
			r.add(k)
			hidden--
		}
		r.visit(part, e)
	}
	if hidden > 0 {
		for _, k := range strange {
			r.add(k)
		}
	}
}
