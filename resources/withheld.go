package resources

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/scrypt"
)

// Marks of values in a recording that are not the value itself.
const (
	// withheldMark stands for a secret. With a text it is what the spec has in its
	// place, "${PASSWORD}"; with a number it is some other secret, equal numbers
	// being equal secrets; with a map it is one that is written in the spec.
	withheldMark = "$secret"
	// escapeMark stands around a map that would be taken for a mark.
	escapeMark = "$map"
	// slowMark is the hash of a secret that is written in the spec.
	slowMark = "scrypt"
)

// maxRecordedText is the longest text that is recorded as it is, in bytes.
const maxRecordedText = 64 << 10

// Withholder turns observed values into a form without secrets, and back. A
// secret is what the spec says is one; the text that somebody has put in the
// place of one; and everything in an environment or a file that neither the
// spec nor the last apply has put there, for who knows what it is.
//
// Where the secret of the spec is what was observed, the spec's own text stands
// in its place, with the names of variables: such a spec, read where they have
// no values, is equal to it.
type Withholder struct {
	// Known are texts that are secret wherever they stand.
	Known []string
	// Salt of the slow hashes. The first of them makes one where there is none.
	Salt []byte

	numbers map[string]int
}

// leastKnown is the length from which on a known secret is looked for inside of
// texts.
const leastKnown = 4

// Withhold returns what was observed, and what was last applied, without their
// secrets. want are the declared fields, and bare what they read where no
// sensitive variable has a value; both are nil for what is not declared.
func (w *Withholder) Withhold(have Config, applied *Sealed, want, bare Config) (map[string]any, map[string]any) {
	out := map[string]any{}
	var key []byte
	if applied != nil {
		key, _ = hex.DecodeString(applied.Key)
	}
	for _, field := range slices.Sorted(maps.Keys(have)) { // in order, because secrets are numbered
		v := have[field]
		at := withheldAt{field: field, want: want[field], bare: bare[field], key: key}
		if applied != nil {
			at.applied = applied.Fields[field]
		}
		out[field] = w.value(v, at)
	}
	if applied == nil {
		return out, nil
	}
	was := map[string]any{}
	for _, field := range slices.Sorted(maps.Keys(applied.Fields)) {
		v := applied.Fields[field]
		was[field] = w.sealed(v, withheldAt{field: field, want: want[field], bare: bare[field], have: have[field], key: key})
	}
	return out, was
}

// withheldAt is what else stands at the place of a value.
type withheldAt struct {
	field         string
	want, bare    Value
	have, applied Value
	key           []byte
	// amongSecrets says that no text there can be told from a secret: the elements
	// of its list may have moved, or its key stands where a hidden one is gone.
	amongSecrets bool
}

// entry is the place of what stands under a key.
func (a withheldAt) entry(key string) withheldAt {
	bare := key
	if spelt, ok := a.speltKey(key); ok {
		bare = spelt
	}
	a.want, a.bare, a.have = mapEntry(a.want, key), mapEntry(a.bare, bare), mapEntry(a.have, key)
	if m, ok := a.applied.(map[string]any); ok && !isMark(m) {
		a.applied, _ = entryOf(m, key, a.key)
	} else {
		a.applied = nil
	}
	return a
}

var referenceExpr = regexp.MustCompile(`\$\{[^}]*\}|\$[A-Za-z_][A-Za-z0-9_]*`)

// speltKey returns a declared key as the spec has it, with references to
// variables, when it is spelt so.
func (a withheldAt) speltKey(key string) (string, bool) {
	want, _ := a.want.(map[string]any)
	bare, _ := a.bare.(map[string]any)
	if _, declared := want[key]; !declared {
		return "", false
	}
	var found []string
	for _, spelt := range slices.Sorted(maps.Keys(bare)) {
		parts := referenceExpr.Split(spelt, -1)
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		if expr, err := regexp.Compile("(?s)^" + strings.Join(parts, ".*") + "$"); err == nil && len(parts) > 1 && expr.MatchString(key) {
			found = append(found, spelt)
		}
	}
	if len(found) != 1 {
		return "", false
	}
	return found[0], true
}

// secretKeys returns the keys of an observed map that are secrets, and of these
// the ones that stand where a hidden key is gone.
func (w *Withholder) secretKeys(m map[string]any, at withheldAt) (secret, strange map[string]bool) {
	secret, strange = map[string]bool{}, map[string]bool{}
	was, _ := at.applied.(map[string]any)
	want, _ := at.want.(map[string]any)
	bare, _ := at.bare.(map[string]any)
	hidden := hiddenKeys(was)
	for k := range m {
		_, applied := was[k]
		_, remembered := entryOf(was, k, at.key)
		_, declared := want[k]
		_, plain := bare[k]
		if remembered && !applied {
			hidden--
		}
		switch {
		case plain:
		case remembered && !applied, w.holdsKnown(k):
			secret[k] = true
		case !applied && !declared:
			strange[k] = true
		}
	}
	if hidden <= 0 {
		clear(strange)
	}
	for k := range strange {
		secret[k] = true
	}
	return secret, strange
}

// keyName is what is written in place of a secret key.
func (w *Withholder) keyName(key string, at withheldAt) string {
	if spelt, ok := at.speltKey(key); ok && !w.holdsKnown(spelt) {
		return spelt
	}
	return w.numberedKey(key)
}

// numberedKey is a key that is no longer, or was never, the spec's.
func (w *Withholder) numberedKey(text string) string {
	return fmt.Sprintf("%s:%d", withheldMark, w.number(text))
}

func mapEntry(v Value, key string) Value {
	m, _ := v.(map[string]any)
	return m[key]
}

// item is the place of a list's element: the one of the same index where the
// lists are of one length, else, in what is declared, the first that equals it.
func (a withheldAt) item(e Value, i, n int) withheldAt {
	want, _ := a.want.([]any)
	bare, _ := a.bare.([]any)
	was, _ := a.applied.([]any)
	a.amongSecrets = a.amongSecrets || HasSecret(a.want) || len(was) != n && HasSecret(unseal(was))
	a.want, a.bare = nil, nil
	at := i
	if len(want) != n {
		at = slices.IndexFunc(want, func(v any) bool { return Equal(v, e) })
	}
	if at >= 0 && at < len(want) {
		a.want = want[at]
		if len(bare) == len(want) {
			a.bare = bare[at]
		}
	}
	if was != nil && len(was) == n {
		a.applied = was[i]
	} else {
		a.applied = nil
	}
	if have, ok := a.have.([]any); ok && len(have) == n {
		a.have = have[i]
	} else {
		a.have = nil
	}
	return a
}

func (w *Withholder) value(v Value, at withheldAt) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = w.value(e, at.item(e, i, len(v)))
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		secret, strange := w.secretKeys(v, at)
		for _, k := range slices.Sorted(maps.Keys(v)) {
			name, entry := k, at.entry(k)
			if secret[k] {
				name = w.keyName(k, at)
			}
			entry.amongSecrets = entry.amongSecrets || strange[k]
			out[name] = w.value(v[k], entry)
		}
		return escaped(out)
	case string, Secret:
		return w.text(v, at)
	default:
		return v
	}
}

// freeText are the fields that may hold anything under any name.
var freeText = []string{"environment", "files"}

var urlPassword = regexp.MustCompile(`://[^/@\s]*:[^/@\s]+@`)

func (w *Withholder) text(v Value, at withheldAt) any {
	text := Text(v)
	_, secret := v.(Secret)
	if _, ok := at.want.(Secret); ok && Equal(v, at.want) {
		return w.asDeclared(text, at.bare)
	}
	if want, ok := at.want.(string); ok && want == text && !secret {
		return plainText(text)
	}
	if was, ok := at.applied.(map[string]any); ok && was[secretMark] != nil {
		return w.other(text)
	}
	_, inPlace := at.want.(Secret)
	switch {
	case secret, inPlace, at.amongSecrets, w.holdsKnown(text), urlPassword.MatchString(text):
		return w.other(text)
	case at.applied != nil && sealedEqual(at.applied, v, at.key):
		return plainText(text) // the spec said it when it was applied
	case slices.Contains(freeText, at.field):
		return w.other(text)
	}
	return plainText(text)
}

// sealed is what was last applied.
func (w *Withholder) sealed(v any, at withheldAt) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = w.sealed(e, at.item(nil, i, len(v)))
		}
		return out
	case map[string]any:
		switch {
		case len(v) == 1 && v[textMark] != nil:
			return map[string]any{textMark: v[textMark]}
		case len(v) == 1 && v[secretMark] != nil && sealedEqual(v, at.want, at.key):
			return w.asDeclared(Text(at.want), at.bare)
		case len(v) == 1 && v[secretMark] != nil && sealedEqual(v, at.have, at.key):
			return w.other(Text(at.have))
		case len(v) == 1 && v[secretMark] != nil:
			return w.other(fmt.Sprint("\x00", v[secretMark])) // nobody knows its text
		}
		out := make(map[string]any, len(v))
		for _, k := range slices.Sorted(maps.Keys(v)) {
			name, text := k, k
			if IsHiddenKey(k) {
				name, text = w.hiddenKey(k, at)
			}
			out[name] = w.sealed(v[k], at.entry(text))
		}
		return escaped(out)
	case string:
		if _, ok := at.want.(Secret); ok && Equal(v, at.want) {
			return w.asDeclared(v, at.bare)
		}
		if w.holdsKnown(v) && at.want != Value(v) {
			return w.other(v)
		}
		return plainText(v)
	default:
		return v
	}
}

// hiddenKey returns what is written in place of the hash of a key, and the key,
// "" when nobody knows it.
func (w *Withholder) hiddenKey(hash string, at withheldAt) (name, text string) {
	for _, v := range []Value{at.want, at.have} {
		m, _ := v.(map[string]any)
		for k := range m {
			if secretKey+NewSecret(k).Digest(at.key) == hash {
				return w.keyName(k, at), k
			}
		}
	}
	return w.numberedKey("\x00" + hash), ""
}

// asDeclared is a secret that is the spec's.
func (w *Withholder) asDeclared(text string, bare Value) any {
	spelt := Text(bare)
	if spelt == "" || spelt == text || w.holdsKnown(spelt) {
		return map[string]any{withheldMark: map[string]any{slowMark: w.slow(text)}}
	}
	return map[string]any{withheldMark: spelt}
}

// other is a secret that is not the spec's.
func (w *Withholder) other(text string) any {
	return map[string]any{withheldMark: int64(w.number(text))}
}

func (w *Withholder) number(text string) int {
	if w.numbers == nil {
		w.numbers = map[string]int{}
	}
	n := w.numbers[text]
	if n == 0 {
		n = len(w.numbers) + 1
		w.numbers[text] = n
	}
	return n
}

// slow hashes a secret so that guessing takes long: some 50 ms a guess.
func (w *Withholder) slow(text string) string {
	if len(w.Salt) == 0 {
		w.Salt = make([]byte, 16)
		_, _ = rand.Read(w.Salt) // never fails: crypto/rand aborts the program
	}
	sum, err := scrypt.Key([]byte(text), w.Salt, 1<<14, 8, 1, 32)
	if err != nil {
		return ""
	}
	return hex.EncodeToString(sum)
}

func (w *Withholder) holdsKnown(text string) bool {
	return slices.ContainsFunc(w.Known, func(known string) bool {
		return known != "" && (text == known || len(known) >= leastKnown && strings.Contains(text, known))
	})
}

// Prose is text for people in which known secrets are masked.
func (w *Withholder) Prose(text string) string {
	for _, known := range w.Known {
		if len(known) >= leastKnown {
			text = strings.ReplaceAll(text, known, Masked)
		}
	}
	return text
}

func plainText(text string) any {
	if len(text) > maxRecordedText || !utf8.ValidString(text) {
		return map[string]any{textMark: textHash(text)}
	}
	return text
}

func isMark(m map[string]any) bool {
	if len(m) != 1 {
		return false
	}
	for k := range m {
		return strings.HasPrefix(k, "$")
	}
	return false
}

func escaped(m map[string]any) map[string]any {
	if isMark(m) {
		return map[string]any{escapeMark: m}
	}
	return m
}

// Restore turns what Withhold has made back into observed fields and what was
// last applied, nil for a nil was. want are the fields declared today: of what
// the recording has only a hash, it tells whether that is what is declared.
func (w *Withholder) Restore(have, was map[string]any, want Config) (Config, *Sealed) {
	out := Config{}
	for field, v := range have {
		out[field] = w.restored(v, want[field])
	}
	if was == nil {
		return out, nil
	}
	applied := Config{}
	for field, v := range was {
		applied[field] = w.restored(v, want[field])
	}
	sealed := Seal(applied)
	for field, v := range was { // the hashes of long texts are those of an object, too
		sealed.Fields[field] = w.hashesKept(v, sealed.Fields[field])
	}
	return out, &sealed
}

// hashesKept puts the hashes of texts back in the place of what they were
// restored to.
func (w *Withholder) hashesKept(was, sealed any) any {
	switch was := was.(type) {
	case []any:
		if list, ok := sealed.([]any); ok && len(list) == len(was) {
			for i := range was {
				list[i] = w.hashesKept(was[i], list[i])
			}
		}
	case map[string]any:
		if len(was) == 1 && was[textMark] != nil {
			return maps.Clone(was)
		}
		if inner, ok := was[escapeMark].(map[string]any); ok && len(was) == 1 {
			was = inner
		}
		if m, ok := sealed.(map[string]any); ok {
			for k := range was {
				if _, there := m[k]; there {
					m[k] = w.hashesKept(was[k], m[k])
				}
			}
		}
	}
	return sealed
}

func (w *Withholder) restored(v any, want Value) Value {
	switch v := v.(type) {
	case []any:
		list, _ := want.([]any)
		out := make([]any, len(v))
		for i, e := range v {
			var at Value
			if len(list) == len(v) {
				at = list[i]
			}
			out[i] = w.restored(e, at)
		}
		return out
	case map[string]any:
		if len(v) == 1 {
			switch {
			case v[withheldMark] != nil:
				return w.secret(v[withheldMark], want)
			case v[textMark] != nil:
				if text := Text(want); want != nil && textHash(text) == v[textMark] {
					return want
				}
				return fmt.Sprintf("(text with SHA-256 %v)", v[textMark])
			}
			if inner, ok := v[escapeMark].(map[string]any); ok {
				v = inner
			}
		}
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = w.restored(e, mapEntry(want, k))
		}
		return out
	default:
		return v
	}
}

func (w *Withholder) secret(mark any, want Value) Value {
	switch mark := mark.(type) {
	case string:
		return NewSecret(mark)
	case map[string]any:
		if text := Text(want); want != nil && mark[slowMark] == w.slow(text) {
			return NewSecret(text)
		}
		return NewSecret("\x00 a secret that was written in the spec")
	default:
		return NewSecret(fmt.Sprintf("\x00 secret %v of the recording", mark))
	}
}
