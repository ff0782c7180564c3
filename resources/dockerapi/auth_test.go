package dockerapi

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"testing"

	"github.com/docker/docker/api/types/registry"
)

func TestRegistryLogins(t *testing.T) {
	dir := t.TempDir()
	auth := base64.StdEncoding.EncodeToString([]byte("me:pass:word"))
	conf := `{"auths":{"https://index.docker.io/v1/":{"auth":"` + auth + `"},"ghcr.io":{"username":"you","password":"x"},"empty.test":{}},
		"credHelpers":{"registry.test:5000":"tb-test"}}`
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	script := "#!/bin/sh\nread server\n[ \"$server\" = registry.test:5000 ] || { echo credentials not found; exit 1; }\nsleep 20 &\necho " +
		"'{\"Username\":\"<token>\",\"Secret\":\"s3cret\"}'\n"
	if err := os.WriteFile(filepath.Join(bin, "docker-credential-tb-test"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	a := RegistryAuths{Dir: dir}
	for ref, want := range map[string]registry.AuthConfig{
		"postgres:17":                   {Username: "me", Password: "pass:word", ServerAddress: hubKey},
		"docker.io/library/postgres":    {Username: "me", Password: "pass:word", ServerAddress: hubKey},
		"ghcr.io/a/b@sha256:" + zeros64: {Username: "you", Password: "x", ServerAddress: "ghcr.io"},
		"registry.test:5000/x":          {IdentityToken: "s3cret", ServerAddress: "registry.test:5000"},
	} {
		header, err := a.Header(t.Context(), ref)
		if err != nil {
			t.Errorf("%s: %v", ref, err)
			continue
		}
		got, err := registry.DecodeAuthConfig(header)
		if err != nil || *got != want {
			t.Errorf("%s: %+v %v, want %+v", ref, got, err, want)
		}
	}
	for _, ref := range []string{"empty.test/x", "unknown.test/x"} {
		if header, err := a.Header(t.Context(), ref); header != "" || err != nil {
			t.Errorf("%s: %q %v", ref, header, err)
		}
	}
	all, err := a.All(t.Context())
	if err != nil || len(all) != 3 {
		t.Errorf("%v %v", all, err)
	}
	if header, err := (RegistryAuths{Dir: t.TempDir()}).Header(t.Context(), "x"); header != "" || err != nil {
		t.Errorf("without a configuration: %q %v", header, err)
	}
}

const zeros64 = "0000000000000000000000000000000000000000000000000000000000000000"
