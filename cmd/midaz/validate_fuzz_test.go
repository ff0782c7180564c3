package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/app"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/schema"
	"github.com/LerianStudio/midaz-infra/specs"
)

// FuzzValidate reads any text as a spec of the real kinds, as every command
// does, but for the schema, which takes too long here. No rule panics, and each
// problem says where and what.
func FuzzValidate(f *testing.F) {
	for _, pattern := range []string{"testdata/invalid/*.yaml", "../../midaz.infra.yaml", "../../specs/examples/*.yaml",
		"../../specs/examples/*/*.yaml"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	kinds := app.RealWorld().Kinds()
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 1<<15 || readsFiles(string(text)) {
			t.Skip()
		}
		spec, loaded := specs.Load(specs.Options{Dir: dir, Files: []string{"-"}, Stdin: bytes.NewReader(text), Profiles: []string{"*"}})
		_, decoded := engine.Resolve(spec, kinds)
		for _, p := range schema.Quick(spec, kinds, loaded, decoded) {
			if p.Pos.File == "" || p.Rule == nil || p.Msg == "" {
				t.Errorf("%#v lacks a file, a rule or a message", p)
			}
			_ = spec.Snippet(p)
		}
	})
}

// readsFiles reports whether a spec may name files of this machine.
func readsFiles(text string) bool {
	return slices.ContainsFunc([]string{"source", "_file", "build", "context", "seccomp", "policy"},
		func(word string) bool { return strings.Contains(text, word) })
}
