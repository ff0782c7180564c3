package engine

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"unicode"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// leastSealed is the length, in bytes, from which a secret is looked for
// everywhere in files that are kept. A shorter one is found all over a file
// without being meant there: it is replaced where it stands alone, and only if
// it is one that is written in the spec.
const leastSealed = 6

// maxKept bounds the files that are kept of one run, before compression.
const maxKept = 8 << 20

// secretName matches names of environment variables whose values are secret
// wherever they come from. Files of environment variables hold harmless values
// among passwords, which must not be taken for secrets in other files.
var secretName = regexp.MustCompile(`(?i)pass|secret|token|key`)

// Remember returns what a run is made from, without a value of anything
// sensitive.
func Remember(declared *resources.Declared) *resources.Past {
	key := make([]byte, 16)
	_, _ = rand.Read(key) // never fails: crypto/rand aborts the program
	return remember(declared, key)
}

func remember(declared *resources.Declared, key []byte) *resources.Past {
	spec := declared.Spec
	p := &resources.Past{Key: hex.EncodeToString(key), Specs: spec.SpecFiles(), Profiles: spec.Profiles,
		Values: map[string]*string{}, Secrets: map[string]string{}, Tokens: map[string]string{}}
	secrets := Secrets(declared)
	for _, v := range spec.Values() {
		switch {
		case v.Sensitive || v.Text != "" && slices.Contains(secrets, v.Text):
			p.Secrets[v.Name] = resources.NewSecret(v.Text).Digest(key)
		case !v.Set:
			p.Values[v.Name] = nil
		default:
			p.Values[v.Name] = &v.Text
		}
	}
	s := sealer{key: key, secrets: secrets, given: given(spec), past: p, room: maxKept}
	for _, f := range spec.Files() {
		p.Files = append(p.Files, s.file(f))
	}
	return p
}

// SamePast reports whether p tells of just what is declared now.
func SamePast(p *resources.Past, declared *resources.Declared) bool {
	key, err := hex.DecodeString(p.Key)
	if err != nil {
		return false
	}
	was, err := json.Marshal(p)
	if err != nil {
		return false
	}
	is, err := json.Marshal(remember(declared, key))
	return err == nil && bytes.Equal(was, is)
}

// given returns the values of sensitive variables that do not stand in the spec.
func given(spec *specs.Spec) map[string]bool {
	out := map[string]bool{}
	for _, v := range spec.Variables {
		if v.Sensitive {
			out[v.Value] = true
		}
	}
	for _, v := range spec.Variables {
		if v.Sensitive && v.HasDefault {
			delete(out, v.Default)
		}
	}
	return out
}

// Secrets returns every text that is known to be secret, longest first.
func Secrets(declared *resources.Declared) []string {
	found := map[string]bool{}
	for _, s := range declared.Spec.Secrets() {
		found[s] = true
	}
	eachSecret(declared, func(text string) { found[text] = true })
	delete(found, "")
	return slices.SortedFunc(maps.Keys(found), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b))
	})
}

// eachSecret calls each with what is a secret in the declared fields. Of the
// variables of an environment only those are taken whose names say so: all that
// comes from a file is marked, and most of it is none.
func eachSecret(declared *resources.Declared, each func(text string)) {
	var visit func(field string, v any)
	visit = func(field string, v any) {
		switch v := v.(type) {
		case resources.Secret:
			each(v.Reveal())
		case []any:
			for _, e := range v {
				visit("", e)
			}
		case map[string]any:
			for k, e := range v {
				if field != "environment" || secretName.MatchString(k) {
					visit(k, e)
				}
			}
		}
	}
	for _, r := range declared.Resources {
		visit("", map[string]any(r.Config))
	}
}

// sealer puts tokens in place of secrets.
type sealer struct {
	key     []byte
	secrets []string // longest first
	given   map[string]bool
	past    *resources.Past
	room    int
}

func (s *sealer) file(f specs.File) resources.PastFile {
	out := resources.PastFile{Name: f.Name, Mode: uint32(f.Mode.Perm()), Size: f.Size, Secret: f.Secret,
		Digest: resources.NewSecret(f.SHA256).Digest(s.key)}
	if f.Secret || f.Text == nil && f.Size > 0 || len(f.Text) > s.room {
		return out
	}
	s.room -= len(f.Text)
	out.Text, out.Kept = s.seal(f.Text), true
	return out
}

// seal replaces each secret that stands in the text.
func (s *sealer) seal(text []byte) []byte {
	for _, secret := range s.secrets {
		if !bytes.Contains(text, []byte(secret)) {
			continue
		}
		digest := resources.NewSecret(secret).Digest(s.key)
		sum := sha256.Sum256([]byte("token " + digest))
		token := []byte("MIDAZ-SEALED-" + hex.EncodeToString(sum[:12]))
		sealed := text
		switch {
		case len(secret) >= leastSealed:
			sealed = bytes.ReplaceAll(text, []byte(secret), token)
		case !s.given[secret]: // it is written somewhere
			sealed = replaceWords(text, []byte(secret), token)
		}
		if !bytes.Equal(sealed, text) {
			s.past.Tokens[string(token)] = digest
			text = sealed
		}
	}
	return text
}

// replaceWords replaces a text where it stands alone.
func replaceWords(text, old, by []byte) []byte {
	isWord := func(at int) bool {
		return at >= 0 && at < len(text) && (text[at] == '_' || text[at] >= 0x80 || unicode.IsLetter(rune(text[at])) ||
			unicode.IsDigit(rune(text[at])))
	}
	var out []byte
	from := 0
	for {
		i := bytes.Index(text[from:], old)
		if i < 0 {
			return append(out, text[from:]...)
		}
		at := from + i
		out = append(out, text[from:at]...)
		if isWord(at-1) || isWord(at+len(old)) {
			out = append(out, old...)
		} else {
			out = append(out, by...)
		}
		from = at + len(old)
	}
}

// Recalled is a past ready to be loaded.
type Recalled struct {
	Files  []specs.File
	Pinned map[string]*string
	// Notes say where today is taken in place of that day.
	Notes []string
	// Missing say what is neither kept nor to be had: with any the past cannot
	// be loaded.
	Missing []string
}

// Recall makes a past readable again. secrets are the texts known to be secret
// today, which stand where one of them was written; today reads a file of
// today by its name and returns the hex SHA-256 of its content.
func Recall(p *resources.Past, secrets []string, today func(name string) (string, error)) *Recalled {
	out := &Recalled{Pinned: p.Values}
	key, err := hex.DecodeString(p.Key)
	if err != nil {
		out.Missing = append(out.Missing, "its key is damaged")
		return out
	}
	open := map[string]string{}
	for _, s := range secrets {
		open[resources.NewSecret(s).Digest(key)] = s
	}
	for _, f := range p.Files {
		file := specs.File{Name: f.Name, Mode: fs.FileMode(f.Mode), Size: f.Size, Secret: f.Secret, Text: f.Text}
		if f.Kept {
			file.Text = unseal(p, f, open, out)
		} else {
			file.Text = nil
			out.notKept(f, key, today)
		}
		out.Files = append(out.Files, file)
	}
	return out
}

// unseal puts the secrets back.
func unseal(p *resources.Past, f resources.PastFile, open map[string]string, out *Recalled) []byte {
	text := f.Text
	for _, token := range slices.Sorted(maps.Keys(p.Tokens)) {
		at := bytes.Index(text, []byte(token))
		if at < 0 {
			continue
		}
		secret, ok := open[p.Tokens[token]]
		if !ok {
			out.Missing = append(out.Missing, fmt.Sprintf("%s:%d: a secret was written here; it is not kept, and no secret of today is the same",
				f.Name, 1+bytes.Count(text[:at], []byte("\n"))))
			continue
		}
		text = bytes.ReplaceAll(text, []byte(token), []byte(secret))
	}
	if text == nil {
		text = []byte{}
	}
	return text
}

func (r *Recalled) notKept(f resources.PastFile, key []byte, today func(name string) (string, error)) {
	sum, err := today(f.Name)
	same := err == nil && resources.NewSecret(sum).Digest(key) == f.Digest
	switch {
	case same:
	case f.Secret && err != nil:
		r.Missing = append(r.Missing, fmt.Sprintf("%s: it is sensitive, so it was not kept, and today it cannot be read", f.Name))
	case f.Secret:
		r.Notes = append(r.Notes, fmt.Sprintf("%s is sensitive, so it was not kept, and has changed since: today's is taken", f.Name))
	case err != nil:
		r.Missing = append(r.Missing, fmt.Sprintf("%s: it was too large to be kept (%d bytes), and today it cannot be read", f.Name, f.Size))
	default:
		r.Missing = append(r.Missing, fmt.Sprintf("%s: it was too large to be kept (%d bytes), and today's is another", f.Name, f.Size))
	}
}

// SecretsChanged returns the names of the sensitive variables of the past that
// have another value today.
func SecretsChanged(p *resources.Past, values []specs.Value) []string {
	key, err := hex.DecodeString(p.Key)
	if err != nil {
		return nil
	}
	var out []string
	for _, v := range values {
		if digest, ok := p.Secrets[v.Name]; ok && digest != resources.NewSecret(v.Text).Digest(key) {
			out = append(out, v.Name)
		}
	}
	return out
}
