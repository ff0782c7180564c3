package resources

import (
	"strings"
	"testing"
)

// mountAt is a field of which the keys are texts of the spec.
func mountAt(target string) Config {
	return Config{"volumes": map[string]any{
		"/cache": map[string]any{"target": "/cache"},
		target:   map[string]any{"target": target},
	}}
}

// secretMountAt is one as it is declared, when a secret stands in it.
func secretMountAt(target string) Config {
	c := mountAt(target)
	c.Map("volumes")[target] = map[string]any{"target": NewSecret(target)}
	return c
}

// sealedMount is what an object remembers that has such a mount.
func sealedMount(secret string) Sealed {
	known := NewRedactor()
	known.Learn(secret)
	return (&Resource{Redactor: known}).Seal(mountAt("/data-" + secret))
}

// TestWithholdKeys: a key of a map in which a secret stands is recorded as little
// as a value is, also when the spec no longer declares it or has another one now,
// and what someone has put in its place.
func TestWithholdKeys(t *testing.T) {
	applied := sealedMount("c4nary-one")
	want, bare := secretMountAt("/data-c4nary-two"), secretMountAt("/data-${LINE}")
	for name, c := range map[string]struct{ have, want, bare Config }{
		"as it was":           {mountAt("/data-c4nary-one"), nil, nil},
		"someone's":           {mountAt("/data-str4nger"), nil, nil},
		"another one by now":  {mountAt("/data-c4nary-one"), want, bare},
		"the new one already": {mountAt("/data-c4nary-two"), want, bare},
	} {
		t.Run(name, func(t *testing.T) {
			var w Withholder
			if c.want != nil {
				w.Known = []string{"c4nary-two"}
			}
			seen, was := w.Withhold(c.have, &applied, c.want, c.bare)
			text := string(Canonical(seen)) + string(Canonical(was))
			if strings.Contains(text, "c4nary") || strings.Contains(text, "str4nger") {
				t.Errorf("recorded as %s", text)
			}
			if !strings.Contains(text, `"/cache"`) {
				t.Errorf("what is no secret is not recorded: %s", text)
			}
		})
	}
}

// TestWithheldKeysReadBack: read back, a key that is the spec's equals the one of
// a spec without values, and what was applied matches it.
func TestWithheldKeysReadBack(t *testing.T) {
	applied := sealedMount("c4nary-one")
	want, bare := secretMountAt("/data-c4nary-one"), secretMountAt("/data-${LINE}")
	w := Withholder{Known: []string{"c4nary-one"}}
	seen, was := w.Withhold(mountAt("/data-c4nary-one"), &applied, want, bare)
	back, sealed := w.Restore(seen, was, bare)
	if !Equal(map[string]any(back), map[string]any(bare)) {
		t.Errorf("read back as %s", Canonical(map[string]any(back)))
	}
	if !sealed.Matches("volumes", bare["volumes"]) {
		t.Errorf("what was applied does not match: %s", sealed)
	}
}

// TestRecalled: the keyed hashes on an object tell which of its texts are secrets
// that the spec does not know.
func TestRecalled(t *testing.T) {
	known := NewRedactor()
	known.Learn("c4nary-one")
	r := &Resource{Redactor: known}
	applied := r.Seal(Config{
		"password": NewSecret("c4nary-two"),
		"command":  []any{"run", NewSecret("c4nary-three")},
		"volumes":  mountAt("/data-c4nary-one")["volumes"],
		"public":   NewSecret("c4nary-four"),
	})
	for name, c := range map[string]struct {
		have, want Config
		recalled   string
	}{
		"a value":              {Config{"password": "c4nary-two"}, nil, "c4nary-two"},
		"someone's value":      {Config{"password": "str4nger"}, nil, ""},
		"in a list that moved": {Config{"command": []any{"a", "c4nary-three", "b", "c"}}, nil, "c4nary-three"},
		"a key":                {mountAt("/data-c4nary-one"), nil, "/data-c4nary-one"},
		"in place of a key":    {mountAt("/data-str4nger"), nil, "/data-str4nger"},
		"public by now":        {Config{"public": "c4nary-four"}, Config{"public": "c4nary-four"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := strings.Join(applied.Recalled(c.have, c.want), " "); got != c.recalled {
				t.Errorf("recalled %q, want %q", got, c.recalled)
			}
		})
	}
}
