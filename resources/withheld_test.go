package resources

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// TestWithhold holds what is written of a value against what there is beside it, and what is read back
// against a spec in which the secret stands for itself.
func TestWithhold(t *testing.T) {
	pw, spelt := NewSecret("s3cr3t-value"), NewSecret("${PW}")
	sealed := func(c Config) *Sealed { s := Seal(c); return &s }
	for name, c := range map[string]struct {
		have, want, bare Value
		field            string
		applied          *Sealed
		written          string
		same             bool // as the bare one, when it is read back
	}{
		"as declared": {have: "s3cr3t-value", want: pw, bare: spelt, written: `{"$secret":"${PW}"}`, same: true},
		"in a list": {have: []any{"x", "s3cr3t-value"}, want: []any{"x", pw}, bare: []any{"x", spelt},
			written: `["x",{"$secret":"${PW}"}]`, same: true},
		"in a list that grew": {have: []any{"x", "y", "s3cr3t-value"}, want: []any{"x", pw}, bare: []any{"x", spelt},
			written: `["x",{"$secret":1},{"$secret":"${PW}"}]`},
		"another one":           {have: "other", want: pw, bare: spelt, written: `{"$secret":1}`},
		"plain":                 {have: "x", want: "x", bare: "x", written: `"x"`, same: true},
		"plain and changed":     {have: "y", want: "x", bare: "x", written: `"y"`},
		"a known one elsewhere": {have: "=s3cr3t-value=", want: "x", bare: "x", written: `{"$secret":1}`},
		"environment, unknown":  {have: map[string]any{"A": "y"}, field: "environment", written: `{"A":{"$secret":1}}`},
		"environment, applied": {have: map[string]any{"A": "y"}, field: "environment",
			applied: sealed(Config{"environment": map[string]any{"A": "y"}}), written: `{"A":"y"}`},
		"a password in a URL": {have: "amqp://u:p@h/", written: `{"$secret":1}`},
		"secret when applied": {have: "old", want: "new", bare: "new", applied: sealed(Config{"f": NewSecret("old")}),
			written: `{"$secret":1}`},
		"a map that is no mark": {have: map[string]any{"$secret": "x"}, want: map[string]any{"$secret": "x"},
			bare: map[string]any{"$secret": "x"}, written: `{"$map":{"$secret":"x"}}`, same: true},
		"numbers": {have: map[string]any{"a": 2.0, "b": int64(2)}, want: map[string]any{"a": 2.0, "b": int64(2)},
			bare: map[string]any{"a": 2.0, "b": int64(2)}, written: `{"a":2.0,"b":2}`, same: true},
		"no text that JSON knows": {have: "\xff", want: "\xff", bare: "\xff",
			written: `{"$sha256":"a8100ae6aa1940d0b663bb31cd466142ebbdbd5187131b92d93818987832eb89"}`, same: true},
	} {
		t.Run(name, func(t *testing.T) {
			field := c.field
			if field == "" {
				field = "f"
			}
			w := &Withholder{Known: []string{"s3cr3t-value"}}
			have, was := w.Withhold(Config{field: c.have}, c.applied, Config{field: c.want}, Config{field: c.bare})
			text := string(Canonical(have[field]))
			if text != c.written {
				t.Errorf("written as %s, want %s", text, c.written)
			}
			var read any
			dec := json.NewDecoder(strings.NewReader(text))
			dec.UseNumber()
			if err := dec.Decode(&read); err != nil {
				t.Fatal(err)
			}
			back, _ := w.Restore(map[string]any{field: Normalize(read)}, was, Config{field: c.bare})
			if same := Equal(back[field], c.bare); same != c.same {
				t.Errorf("read back as %#v, equal to the spec: %v", back[field], same)
			}
		})
	}
}

// What was applied is remembered as it was: what matched matches, and a secret
// that both sides have had is one secret.
func TestWithholdApplied(t *testing.T) {
	long := strings.Repeat("long ", 200)
	have := Config{"same": "s3cr3t-value", "old": "old one", "text": long, "gone": "g"}
	sealed := Seal(Config{"same": NewSecret("s3cr3t-value"), "old": NewSecret("old one"), "text": long, "lost": NewSecret("nobody knows")})
	want := Config{"same": NewSecret("s3cr3t-value"), "old": NewSecret("new one"), "text": long}
	bare := Config{"same": NewSecret("${A}"), "old": NewSecret("${B}"), "text": long}
	w := &Withholder{Known: []string{"s3cr3t-value", "new one"}}
	h, was := w.Withhold(have, &sealed, want, bare)
	for _, text := range []string{string(Canonical(h)), string(Canonical(was))} {
		for _, secret := range []string{"s3cr3t", "old one", "new one", "nobody"} {
			if strings.Contains(text, secret) {
				t.Errorf("%q shows in %s", secret, text)
			}
		}
	}
	back, applied := w.Restore(h, was, bare)
	for field, match := range map[string]Value{"same": bare["same"], "old": back["old"], "text": long} {
		if !applied.Matches(field, match) {
			t.Errorf("%s no longer matches what was applied", field)
		}
	}
	if applied.Matches("old", bare["old"]) || applied.Matches("lost", back["old"]) {
		t.Error("another secret matches")
	}
	if _, ok := was["gone"]; ok || !reflect.DeepEqual(back["text"], long) {
		t.Errorf("%v", back)
	}
}
