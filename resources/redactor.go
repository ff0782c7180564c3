package resources

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"io"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/LerianStudio/midaz-infra/specs"
)

// LeastRedacted is the length in bytes from which on a secret is masked in any
// text. A shorter one is part of too many words; only the fields that hold it
// mask it.
const LeastRedacted = 6

// Redactor masks known secrets in text, wherever they stand: as they are, line
// by line, and in the encodings in which programs repeat what they were given.
// It is what stands between the program and everything that leaves it, so that a
// value is not shown although some part of the program lost track of it.
//
// The nil Redactor masks nothing. All methods may be called at the same time.
type Redactor struct {
	spellings []func(string) string

	mu      sync.Mutex
	learned map[string]bool // lines that are looked for
	ignored map[string]bool // texts that are not
	current atomic.Pointer[matcher]
}

// NewRedactor returns a Redactor without secrets. The spellings are how the
// program writes texts, apart from the encodings that every Redactor knows:
// escaped for Markdown, for example.
func NewRedactor(spellings ...func(string) string) *Redactor {
	return &Redactor{spellings: spellings, learned: map[string]bool{}, ignored: map[string]bool{}}
}

// Ignore leaves texts alone that are also names: masking them everywhere would
// make the output useless, and would hide nothing.
func (r *Redactor) Ignore(names ...string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range names {
		r.ignored[name] = true
	}
}

// Learn adds secrets. Of a text with several lines each line is one.
func (r *Redactor) Learn(secrets ...string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	news := false
	for _, secret := range secrets {
		for line := range strings.Lines(secret) {
			line = strings.TrimSpace(line)
			if len(line) >= LeastRedacted && !r.learned[line] && !r.ignored[line] {
				r.learned[line], news = true, true
			}
		}
	}
	if news {
		r.current.Store(nil) // built when it is needed
	}
}

// Secrets returns the lines that are masked, sorted.
func (r *Redactor) Secrets() []string {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.learned))
}

// Ignored returns the texts that are left alone, sorted.
func (r *Redactor) Ignored() []string {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.ignored))
}

// matcher returns what finds the secrets, nil when there are none.
func (r *Redactor) matcher() *matcher {
	if r == nil {
		return nil
	}
	if m := r.current.Load(); m != nil {
		return m
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.learned) == 0 {
		return nil
	}
	if m := r.current.Load(); m != nil {
		return m
	}
	forms := map[string]bool{}
	for line := range r.learned {
		r.forms(line, forms)
	}
	m := newMatcher(forms)
	r.current.Store(m)
	return m
}

// forms adds every form in which a secret is recognized.
func (r *Redactor) forms(line string, out map[string]bool) {
	add := func(form string) {
		if len(form) >= LeastRedacted && !strings.ContainsAny(form, "\n") {
			out[form] = true
		}
	}
	texts := append([]string{line}, jsonForms(line)...)
	for _, text := range texts {
		add(text)
		encodedForms(text, add)
	}
	for _, spelled := range append([]func(string) string{specs.Printable}, r.spellings...) {
		add(spelled(line))
		add(spelled(inner(strconv.Quote(line)))) // quoted by a message that is then written so
	}
	for _, quoted := range []string{
		strings.ReplaceAll(line, "'", `'\''`), strings.ReplaceAll(line, "'", "''"), strings.ReplaceAll(line, "'", `'"'"'`),
		inner(strconv.Quote(line)), inner(strconv.QuoteToASCII(line)),
		html.EscapeString(line), html.EscapeString(inner(strconv.Quote(line))),
		strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;", "+", "&#43;").Replace(line),
		strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&apos;").Replace(line),
	} {
		add(quoted)
	}
}

// jsonForms are the text inside a JSON string, and inside one within another.
func jsonForms(text string) []string {
	var out []string
	for _, escapeHTML := range []bool{false, true} {
		once := jsonInner(text, escapeHTML)
		out = append(out, once, jsonInner(once, escapeHTML))
	}
	return out
}

func jsonInner(text string, escapeHTML bool) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(escapeHTML)
	if err := enc.Encode(text); err != nil {
		return text
	}
	return inner(strings.TrimSuffix(b.String(), "\n"))
}

func inner(quoted string) string {
	if len(quoted) < 2 {
		return quoted
	}
	return quoted[1 : len(quoted)-1]
}

// encodedForms are those in which nothing of the text can be read, but all of
// it can be had.
func encodedForms(text string, add func(string)) {
	add(hex.EncodeToString([]byte(text)))
	add(strings.ToUpper(hex.EncodeToString([]byte(text))))
	for _, escaped := range []string{url.QueryEscape(text), url.PathEscape(text), url.UserPassword("", text).String()[1:],
		(&url.URL{Path: text}).EscapedPath(), everyByte(text)} {
		add(escaped)
		add(lowerEscapes(escaped))
	}
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		add(enc.EncodeToString([]byte(text)))
	}
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for before := range 3 {
			add(base64Core(enc, text, before))
		}
	}
}

// base64Core is the part of a longer text's base64 that the text alone
// determines, where the bytes before it are a multiple of three and the number
// given.
func base64Core(enc *base64.Encoding, text string, before int) string {
	all := enc.EncodeToString(append(make([]byte, before), text...))
	first := (before*8 + 5) / 6
	return all[first : (before+len(text))*8/6]
}

// everyByte escapes all that is no letter or digit.
func everyByte(text string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(text) {
		c := text[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(digits[c>>4])
		b.WriteByte(digits[c&15])
	}
	return b.String()
}

// lowerEscapes returns the percent-encoded text with small hex digits.
func lowerEscapes(text string) string {
	out := []byte(text)
	for i := 0; i+2 < len(out); i++ {
		if out[i] == '%' {
			out[i+1], out[i+2] = lower(out[i+1]), lower(out[i+2])
			i += 2
		}
	}
	return string(out)
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'F' {
		return c + 'a' - 'A'
	}
	return c
}

// Text returns the text with every secret in it masked.
func (r *Redactor) Text(s string) string {
	m := r.matcher()
	if m == nil {
		return s
	}
	spans, _ := m.spans([]byte(s), 0)
	if len(spans) == 0 {
		return s
	}
	return string(masked([]byte(s), spans))
}

// Holds reports whether a secret stands in the text.
func (r *Redactor) Holds(s string) bool {
	m := r.matcher()
	if m == nil {
		return false
	}
	spans, _ := m.spans([]byte(s), 0)
	return len(spans) > 0
}

// JSON returns a document, or several, with the secrets in its strings masked
// as they were before they were encoded. A number that is a secret becomes a
// string.
func (r *Redactor) JSON(doc []byte) []byte {
	m := r.matcher()
	if m == nil {
		return doc
	}
	var out []byte // nil until something changes
	copied := 0
	replace := func(from, to int, with []byte) {
		out = append(append(out, doc[copied:from]...), with...)
		copied = to
	}
	for i := 0; i < len(doc); {
		switch c := doc[i]; {
		case c == '"':
			end, escaped := stringEnd(doc, i)
			if with, changed := m.literal(doc[i:end], escaped); changed {
				replace(i, end, with)
			}
			i = end
		case c == '-' || c >= '0' && c <= '9':
			end := i + 1
			for end < len(doc) && strings.IndexByte("0123456789+-.eE", doc[end]) >= 0 {
				end++
			}
			if m.isForm(doc[i:end]) {
				replace(i, end, []byte(strconv.Quote(Masked)))
			}
			i = end
		default:
			i++
		}
	}
	if out == nil {
		return doc
	}
	return append(out, doc[copied:]...)
}

// stringEnd returns the end of the JSON string that begins at i, and whether
// something in it is escaped.
func stringEnd(doc []byte, i int) (end int, escaped bool) {
	for i++; i < len(doc); i++ {
		switch doc[i] {
		case '\\':
			escaped = true
			i++
		case '"':
			return i + 1, escaped
		}
	}
	return len(doc), escaped
}

// literal masks a JSON string.
func (m *matcher) literal(quoted []byte, escaped bool) ([]byte, bool) {
	if !escaped {
		spans, _ := m.spans(quoted, 0)
		if len(spans) == 0 {
			return nil, false
		}
		return masked(quoted, spans), true
	}
	var text string
	if err := json.Unmarshal(quoted, &text); err != nil {
		text = string(quoted)
	}
	spans, _ := m.spans([]byte(text), 0)
	if len(spans) == 0 {
		return nil, false
	}
	return []byte(`"` + jsonInner(string(masked([]byte(text), spans)), false) + `"`), true
}

// Writer returns a writer to w that masks secrets, also one that is written in
// several pieces.
func (r *Redactor) Writer(w io.Writer) *RedactingWriter { return &RedactingWriter{redactor: r, to: w} }

// RedactingWriter masks secrets in what is written through it. It keeps the
// end of a text back as long as that may be the beginning of a secret; no
// secret goes beyond the end of a line.
type RedactingWriter struct {
	redactor *Redactor
	mu       sync.Mutex
	to       io.Writer
	kept     []byte
}

// Unwrap returns the writer below.
func (w *RedactingWriter) Unwrap() io.Writer { return w.to }

// Write writes the text with its secrets masked.
func (w *RedactingWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m := w.redactor.matcher()
	if m == nil && len(w.kept) == 0 {
		return w.to.Write(p)
	}
	text := append(w.kept, p...)
	w.kept = nil
	var spans [][2]int
	end := len(text)
	if m != nil {
		spans, end = m.spans(text, 0)
	}
	if n := len(spans); n > 0 && spans[n-1][1] > end {
		end = spans[n-1][0] // it may become longer yet
		spans = spans[:n-1]
	}
	if end < len(text) {
		w.kept = slices.Clone(text[end:])
	}
	if end == 0 {
		return len(p), nil
	}
	if _, err := w.to.Write(masked(text[:end], spans)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Flush writes what was kept back.
func (w *RedactingWriter) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.kept) == 0 {
		return nil
	}
	_, err := io.WriteString(w.to, w.redactor.Text(string(w.kept)))
	w.kept = nil
	return err
}

// masked replaces the spans of the text.
func masked(text []byte, spans [][2]int) []byte {
	if len(spans) == 0 {
		return text
	}
	out := make([]byte, 0, len(text)+len(spans)*len(Masked))
	at := 0
	for _, s := range spans {
		out = append(append(out, text[at:s[0]]...), Masked...)
		at = s[1]
	}
	return append(out, text[at:]...)
}

// matcher finds many words in one pass over a text: an Aho-Corasick automaton
// over the classes of bytes that occur in the words.
type matcher struct {
	classes [256]uint8 // 0 is a byte of no word
	width   int
	next    []int32 // state * width + class
	depth   []int32 // of a state: how much of the text's end begins a word
	longest []int32 // of a state: the longest word that ends here
	words   map[string]bool
	blank   [256]int32 // a state without transitions
}

func newMatcher(words map[string]bool) *matcher {
	m := &matcher{words: words, width: 1}
	for word := range words {
		for i := range len(word) {
			if c := word[i]; m.classes[c] == 0 {
				if m.width == 256 { // all bytes occur: the class of none serves one of them
					continue
				}
				m.classes[c] = uint8(m.width)
				m.width++
			}
		}
	}
	m.grow(0)
	for word := range words {
		m.add(word)
	}
	m.link()
	return m
}

func (m *matcher) grow(depth int32) int32 {
	state := int32(len(m.depth))
	m.next = append(m.next, m.blank[:m.width]...)
	m.depth = append(m.depth, depth)
	m.longest = append(m.longest, 0)
	return state
}

func (m *matcher) add(word string) {
	var state int32
	for i := range len(word) {
		at := int(state)*m.width + int(m.classes[word[i]])
		if m.next[at] == 0 {
			m.next[at] = m.grow(int32(i + 1))
		}
		state = m.next[at]
	}
	m.longest[state] = int32(len(word))
}

// link completes the transitions, breadth first.
func (m *matcher) link() {
	fail := make([]int32, len(m.depth))
	var queue []int32
	for c := range m.width {
		if s := m.next[c]; s != 0 {
			queue = append(queue, s)
		}
	}
	for len(queue) > 0 {
		state := queue[0]
		queue = queue[1:]
		m.longest[state] = max(m.longest[state], m.longest[fail[state]])
		for c := range m.width {
			at := int(state)*m.width + c
			back := m.next[int(fail[state])*m.width+c]
			if to := m.next[at]; to != 0 {
				fail[to] = back
				queue = append(queue, to)
			} else {
				m.next[at] = back
			}
		}
	}
}

// spans returns the parts of the text that are secrets, those that overlap as
// one, and the end of what no further text can make a part of a secret.
func (m *matcher) spans(text []byte, from int) (spans [][2]int, end int) {
	var state int32
	for i := from; i < len(text); i++ {
		class := m.classes[text[i]]
		if class == 0 {
			state = 0
			continue
		}
		state = m.next[int(state)*m.width+int(class)]
		length := int(m.longest[state])
		if length == 0 {
			continue
		}
		start, stop := i+1-length, i+1
		for n := len(spans); n > 0 && spans[n-1][1] > start; n = len(spans) {
			start = min(start, spans[n-1][0])
			spans = spans[:n-1]
		}
		spans = append(spans, [2]int{start, stop})
	}
	return spans, len(text) - int(m.depth[state])
}

func (m *matcher) isForm(text []byte) bool { return m.words[string(text)] }
