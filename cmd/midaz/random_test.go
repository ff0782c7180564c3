package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/app"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/cli"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/fake"
	"github.com/LerianStudio/midaz-infra/specs"
)

// entry is one "key: value" line of a map.
type entry struct{ key, value string }

// randomEntries draws a spec of the fake world: for each section, what stands in
// it. Resources refer only to those drawn before them.
func randomEntries(t *rapid.T) map[string][]entry {
	names := rapid.Permutation([]string{"boxes/a", "boxes/b", "boxes/c", "crates/d", "crates/e", "pipes/f"}).Draw(t, "order")
	names = names[:rapid.IntRange(1, len(names)).Draw(t, "size")]
	kind := map[string]string{"boxes": "box", "crates": "crate", "pipes": "pipe"}
	out := map[string][]entry{}
	var earlier []string
	for _, name := range names {
		section, key, _ := strings.Cut(name, "/")
		var fields []entry
		maybe := func(field string, values ...string) {
			if rapid.Bool().Draw(t, field) {
				fields = append(fields, entry{field, rapid.SampledFrom(values).Draw(t, field+" value")})
			}
		}
		maybe("size", "1", "2", "0x3")
		maybe("colour", "red", "blue")
		maybe("text", "x", `"before ${CANARY} after"`, `"two\nlines"`)
		maybe("secret", `"${CANARY}"`)
		maybe("list", "[x, y]", `[x, "${CANARY}"]`)
		maybe("tags", "{k: v, l: w}", `{l: "${CANARY}", k: v}`)
		if len(earlier) > 0 {
			maybe(rapid.SampledFrom([]string{"needs", "holds", "made_of"}).Draw(t, "bind"), "["+rapid.SampledFrom(earlier).Draw(t, "to")+"]")
		}
		out[section] = append(out[section], entry{key, flow(t, fields)})
		earlier = append(earlier, kind[section]+"/"+key)
	}
	return out
}

// flow writes a map in one line, its keys in a drawn order.
func flow(t *rapid.T, fields []entry) string {
	var parts []string
	for _, f := range shuffled(t, fields) {
		parts = append(parts, f.key+": "+f.value)
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func shuffled[E any](t *rapid.T, list []E) []E {
	if len(list) < 2 {
		return list
	}
	return rapid.Permutation(list).Draw(t, "order of keys")
}

// write spreads the spec over up to three files in a drawn way, each map in a
// drawn order, and returns the flags that read them, in a drawn order too.
func write(t *rapid.T, dir string, spec map[string][]entry) []string {
	n := rapid.IntRange(1, 3).Draw(t, "files")
	files := make([]map[string][]entry, n)
	for i := range files {
		files[i] = map[string][]entry{}
	}
	for _, section := range []string{"boxes", "crates", "pipes"} {
		for _, e := range shuffled(t, spec[section]) {
			file := files[rapid.IntRange(0, n-1).Draw(t, "file")]
			file[section] = append(file[section], e)
		}
	}
	var args []string
	for i, file := range files {
		lines := []string{`version: "1"`, "stack: test", "variables: { CANARY: { sensitive: true } }"}
		for _, section := range []string{"boxes", "crates", "pipes"} {
			if len(file[section]) == 0 {
				continue
			}
			text := section + ":"
			for _, e := range file[section] {
				text += "\n  " + e.key + ": " + e.value
			}
			lines = append(lines, text)
		}
		path := filepath.Join(dir, fmt.Sprintf("%d.yaml", i))
		if err := os.WriteFile(path, []byte(strings.Join(shuffled(t, lines), "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	var flags []string
	for _, path := range shuffled(t, args) {
		flags = append(flags, "-f", path)
	}
	return flags
}

// placesInText are the places of the spec in the text of a plan.
var placesInText = regexp.MustCompile(`  \S+\.yaml:\d+:\d+`)

// TestRandomSpecs runs the commands on random specs and a world in memory: the
// text of a plan does not depend on the order of keys and files, after an apply
// the plan is empty, and no output holds a secret, be it declared or one that
// somebody has put in its place.
func TestRandomSpecs(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		w := &fake.World{}
		call := func(want int, args ...string) string {
			var out, errs bytes.Buffer
			status := cli.Run(context.Background(), append(args, "-var", "CANARY="+canary), systemOf(w, &out, &errs))
			if status != want {
				t.Fatalf("%v: status %d, want %d\n%s%s", args, status, want, out.String(), errs.String())
			}
			for _, secret := range []string{canary, stranger} {
				for _, text := range []string{secret, secret[:len(secret)-4], hex.EncodeToString([]byte(secret))} {
					if strings.Contains(out.String()+errs.String(), text) {
						t.Fatalf("%v: the secret shows:\n%s%s", args, out.String(), errs.String())
					}
				}
			}
			return out.String()
		}
		same := func(spec map[string][]entry, want int) {
			plan := func() string {
				text := call(want, append([]string{"plan", "-detailed-exitcode"}, write(t, dir, spec)...)...)
				return placesInText.ReplaceAllString(text, "") // they say where it stands, and that differs
			}
			if a, b := plan(), plan(); a != b {
				t.Fatalf("the order of keys and files shows in the plan:\n%s\n%s", a, b)
			}
		}
		before, after := randomEntries(t), randomEntries(t)
		same(before, 2)
		call(0, append([]string{"apply", "-auto-approve", "-json"}, write(t, dir, before)...)...)
		same(before, 0)

		drifted := map[bool]int{false: 0, true: 2}[disturb(t, w)]
		call(drifted, append([]string{"drift"}, write(t, dir, before)...)...)
		call(drifted, append([]string{"drift", "-json"}, write(t, dir, before)...)...)
		flags := write(t, dir, after)
		call(0, append([]string{"plan", "-json"}, flags...)...)
		call(0, append([]string{"apply", "-auto-approve"}, flags...)...)
		same(after, 0)
		call(0, append([]string{"destroy", "-auto-approve", "-volumes", "-confirm", "test", "-allow", "data-loss"}, write(t, dir, after)...)...)
		if left := w.Addrs(); len(left) > 0 {
			t.Fatalf("destroy has left %v", left)
		}
	})
}

// disturb changes objects as somebody outside would, putting another secret in
// the place of a declared one. It reports whether it changed anything.
func disturb(t *rapid.T, w *fake.World) (changed bool) {
	for _, a := range w.Addrs() {
		if !rapid.Bool().Draw(t, "disturbed") {
			continue
		}
		fields := w.Get(a).Fields
		for _, key := range []string{"secret", "text", "size"} {
			switch v, ok := fields[key]; {
			case !ok:
				continue
			case key == "size":
				fields[key] = int64(9)
			case resources.HasSecret(v):
				fields[key] = "it is " + stranger
			default:
				fields[key] = "outside"
			}
			changed = true
		}
	}
	return changed
}

// systemOf is the process with that world.
func systemOf(w *fake.World, out, errs *bytes.Buffer) app.System {
	sys := fakeSystem()
	open := func(context.Context, app.Access) (*app.Session, error) {
		return &app.Session{Readers: w.Readers(), Writers: w.Writers(), Inspect: fakeInspector{}, Close: func() {}}, nil
	}
	sys.Stdin, sys.Stdout, sys.Stderr = strings.NewReader(""), out, errs
	sys.LookupEnv = func(string) (string, bool) { return "", false }
	sys.World = app.World{Kinds: fake.Kinds, Rules: func() []*specs.Rule { return nil }, Read: open, Write: open}
	return sys
}
