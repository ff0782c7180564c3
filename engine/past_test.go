package engine_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/fake"
	"github.com/LerianStudio/midaz-infra/specs"
)

const pastSpec = `version: "1"
stack: test
variables:
  SIZE: { default: 1 }
  PASSWORD: { sensitive: true }
boxes:
  a: { size: "${SIZE}", secret: "${PASSWORD}" }
  b: { secret: abc, text: abcd }
  c: { secret: a-long-literal }
`

func declaredPast(t *testing.T, dir string, env map[string]string) *resources.Declared {
	t.Helper()
	spec, ps := specs.Load(specs.Options{Files: []string{"midaz.infra.yaml"}, Dir: dir,
		LookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok }})
	if ps.Errors() > 0 {
		t.Fatal(ps)
	}
	declared, ps := engine.Resolve(spec, fake.Kinds())
	if ps.Errors() > 0 {
		t.Fatal(ps)
	}
	return declared
}

func TestPastHoldsNoSecretAndComesBack(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "midaz.infra.yaml"), []byte(pastSpec), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"PASSWORD": "hunter2-given", "SIZE": "7"}
	declared := declaredPast(t, dir, env)
	past := engine.Remember(declared)
	text, err := json.Marshal(past)
	if err != nil {
		t.Fatal(err)
	}
	written := string(text)
	for _, f := range past.Files {
		written += string(f.Text)
	}
	for _, secret := range []string{"hunter2-given", "a-long-literal", "secret: abc,"} {
		if strings.Contains(written, secret) {
			t.Errorf("it holds %q:\n%s", secret, written)
		}
	}
	if !strings.Contains(written, "text: abcd") {
		t.Error("a short secret was replaced within a word")
	}
	if !engine.SamePast(past, declared) {
		t.Error("it is not the same as what it was made from")
	}
	env["SIZE"] = "8"
	if engine.SamePast(past, declaredPast(t, dir, env)) {
		t.Error("another value is the same")
	}
	env["SIZE"], env["PASSWORD"] = "7", "hunter3"
	if engine.SamePast(past, declaredPast(t, dir, env)) {
		t.Error("another secret is the same")
	}

	back := engine.Recall(past, engine.Secrets(declared), nil)
	if len(back.Missing) > 0 || len(back.Files) != 1 || !bytes.Equal(back.Files[0].Text, []byte(pastSpec)) {
		t.Errorf("it came back as %v, missing %v", back.Files, back.Missing)
	}
	lost := engine.Recall(past, []string{"another"}, nil)
	if len(lost.Missing) != 2 || !strings.HasPrefix(lost.Missing[0], "midaz.infra.yaml:") {
		t.Errorf("missing without the secrets: %v", lost.Missing)
	}
}
