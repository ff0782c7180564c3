package resources

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func redactorOf(secrets ...string) *Redactor {
	r := NewRedactor()
	r.Learn(secrets...)
	return r
}

// Of secrets that overlap or contain one another nothing is left.
func TestRedactorMasksTheWholeOfSecretsThatOverlap(t *testing.T) {
	r := redactorOf("hunter2", "hunter2-and-more", "and-more-of-it", "line one\n  line two!\nshort\n")
	for text, want := range map[string]string{
		"password hunter2.":             "password " + Masked + ".",
		"hunter2-and-more":              Masked,
		"hunter2-and-more-of-it":        Masked,
		"xhunter2hunter2x":              "x" + Masked + Masked + "x",
		"hunter":                        "hunter",
		"bad key: line one line two!\n": "bad key: " + Masked + " " + Masked + "\n",
		"short":                         "short",
		"":                              "",
	} {
		if got := r.Text(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// Names, and what is too short, are left alone.
func TestRedactorLeavesNamesAlone(t *testing.T) {
	r := NewRedactor()
	r.Ignore("postgres")
	r.Learn("postgres", "12345", "")
	if got := r.Text("postgres 12345"); got != "postgres 12345" {
		t.Error(got)
	}
	var none *Redactor
	none.Learn("hunter2")
	if got := none.Text("hunter2"); got != "hunter2" {
		t.Error(got)
	}
}

var secretText = rapid.StringOfN(rapid.RuneFrom([]rune("abcXYZ019+/=&<>\"'\\$%:@ ,#ü`|_-~\a")), 8, 40, -1).Filter(func(s string) bool {
	return len(strings.TrimSpace(s)) >= LeastRedacted
})

// Whatever stands around a secret, and however it is encoded, its text cannot be
// had from the result.
func TestRedactorKnowsEncodings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := strings.TrimSpace(secretText.Draw(t, "secret"))
		before, after := rapid.StringMatching(`[a-z ]{0,9}`).Draw(t, "before"), rapid.StringMatching(`[a-z ]{0,9}`).Draw(t, "after")
		all := before + secret + after
		quoted, _ := json.Marshal(all)
		twice, _ := json.Marshal(string(quoted))
		bare := bareJSON(all)
		r := redactorOf(secret)
		for name, text := range map[string]string{
			"plain": all, "json": string(quoted), "json in json": string(twice), "go": strconv.Quote(all), "html": html.EscapeString(all),
			"query": url.QueryEscape(all), "path": url.PathEscape(all), "lower": lowerEscapes(url.QueryEscape(all)),
			"shell":                  "'" + strings.ReplaceAll(all, "'", `'\''`) + "'",
			"shell in double quotes": "'" + strings.ReplaceAll(all, "'", `'"'"'`) + "'", "yaml": "'" + strings.ReplaceAll(all, "'", "''") + "'",
			"go ascii": strconv.QuoteToASCII(all),
			"base64":   base64.StdEncoding.EncodeToString([]byte(all)), "base64 raw": base64.RawStdEncoding.EncodeToString([]byte(all)),
			"base64 url": base64.URLEncoding.EncodeToString([]byte(all)), "base64 of json": base64.StdEncoding.EncodeToString(quoted),
			"bare json": bare, "bare json in json": bareJSON(bare), "base64 of bare json": base64.StdEncoding.EncodeToString([]byte(bare)),
			"hex": fmt.Sprintf("%x", all),
		} {
			if got := r.Text(text); !strings.Contains(got, Masked) {
				t.Fatalf("%s: %q is left as %q", name, text, got)
			}
		}
		if got := r.Text(all); got != before+Masked+after && !strings.Contains(before+after, secret[:1]) {
			t.Fatalf("%q became %q", all, got)
		}
	})
}

// bareJSON encodes a text as programs do that leave <, >, and & as they are.
func bareJSON(text string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(text)
	return strings.TrimSuffix(b.String(), "\n")
}

// A document stays one, and what is masked in it does not depend on escapes.
func TestRedactorMasksStringsOfJSON(t *testing.T) {
	secret := "a\"b\\c<d>&e\tf"
	doc := []byte(`{"plain":"x a\"b\\c<d>&e\tf y","strange":"\u0061\u0022b\u005cc\u003cd>\u0026e\tf","n":12345678,"more":123456789,"other":["\u00fc\n"]}`)
	got := redactorOf(secret, "12345678").JSON(doc)
	want := `{"plain":"x (sensitive value) y","strange":"(sensitive value)","n":"(sensitive value)","more":123456789,"other":["\u00fc\n"]}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if text := []byte(`{"a":1}`); &redactorOf(secret).JSON(text)[0] != &text[0] {
		t.Error("a document without secrets is copied")
	}
}

// However a text is cut into pieces, what is written is the same.
func TestRedactingWriterMasksAcrossWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := redactorOf("aab-aab", "aab-aab-aac", "c-secret")
		text := rapid.StringMatching(`((a|b|c|-|\n){0,8}(aab-aab|aab-aab-aac|c-secret)?){0,5}`).Draw(t, "text")
		var out bytes.Buffer
		w := r.Writer(&out)
		for rest := text; rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "piece")
			if _, err := w.Write([]byte(rest[:n])); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		if want := r.Text(text); out.String() != want {
			t.Fatalf("%q: got %q, want %q", text, out.String(), want)
		}
	})
}

// What cannot be the beginning of a secret is written at once: a prompt, a line.
func TestRedactingWriterHoldsNothingBackWithoutNeed(t *testing.T) {
	var out bytes.Buffer
	w := redactorOf("hunter2").Writer(&out)
	for _, text := range []string{"Enter a value: ", "hunt\n"} {
		out.Reset()
		if _, err := w.Write([]byte(text)); err != nil || out.String() != text {
			t.Errorf("%q: %q, %v", text, out.String(), err)
		}
	}
}

func BenchmarkRedactorText(b *testing.B) {
	var secrets []string
	for i := range 40 {
		secrets = append(secrets, fmt.Sprintf("s3cret-%d-%s", i, strings.Repeat("x", i%9)))
	}
	r, text := redactorOf(secrets...), strings.Repeat("  + environment.PGPORT = \"5432\" # service/postgres-primary\n", 10000)
	r.Text(text)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		r.Text(text)
	}
}

// A message quotes a value, and a format then writes the message in its own way.
func TestRedactorKnowsQuotedTextsInTheFormatsOfAProgram(t *testing.T) {
	const secret = `se"cret & <one>`
	escape := strings.NewReplacer("&", "and", "<", "(", `\`, `\\`).Replace
	r := NewRedactor(escape)
	r.Learn(secret)
	if text := escape("the value " + strconv.Quote(secret) + " is wrong"); r.Text(text) != `the value "`+Masked+`" is wrong` {
		t.Errorf("%q is left as %q", text, r.Text(text))
	}
}
