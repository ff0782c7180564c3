package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/app"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/cli"
)

// realRun runs a command line with the real kinds in a folder. Commands that
// need an engine find none.
func realRun(t *testing.T, dir string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	sys := app.System{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Now: time.Now, World: app.RealWorld(),
		LookupEnv: func(name string) (string, bool) {
			if name == "DOCKER_HOST" {
				return "unix:///nowhere/docker.sock", true
			}
			return "", false
		},
		Signals: func() (<-chan os.Signal, func()) { return nil, func() {} }}
	status = cli.Run(context.Background(), append(slices.Clone(args), "-chdir", dir), sys)
	return status, out.String(), errs.String()
}

func writeFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// What midaz has no word for is left out, with a comment where it stood, a line
// on standard error and the rest kept; the result is valid.
func TestImportComposeLeavesOutWhatCannotBeSaid(t *testing.T) {
	dir := t.TempDir()
	writeFiles(t, dir, map[string]string{"compose.yaml": `
name: shop
services:
  web:
    image: web:1
    links: [db]
    gpus: all
    develop: { watch: [{ path: ., action: rebuild }] }
    deploy: { replicas: 2, resources: { limits: { memory: 64m }, reservations: { cpus: "0.5" } }, restart_policy: { condition: any } }
    volumes: ["data:/data", { type: image, source: other, target: /other }]
    environment: { API_TOKEN: hush-hush }
  db: { image: "db:1" }
volumes: { data: }
`})
	status, spec, notes := realRun(t, dir, "import", "compose")
	if status != 0 {
		t.Fatalf("exit %d: %s", status, notes)
	}
	for _, want := range []string{"stack: shop", "memory: 64m", "data:/data", "restart: always", "# left out: links: "} {
		if !strings.Contains(spec, want) {
			t.Errorf("no %q in\n%s", want, spec)
		}
	}
	for _, want := range []string{"links", "gpus", "develop", "deploy.resources.reservations.cpus", "volumes.1: "} {
		if !strings.Contains(notes, "service/web: left out: "+want) || strings.Contains(spec, "\n    "+want+":") {
			t.Errorf("%s is not left out:\n%s\n%s", want, notes, spec)
		}
	}
	if strings.Contains(spec+notes, "hush-hush") {
		t.Errorf("a secret is told:\n%s\n%s", spec, notes)
	}
	if status, _, errs := realRun(t, dir, "import", "compose", "-out", "midaz.infra.yaml", "-env-out", ".env"); status != 0 {
		t.Fatalf("exit %d: %s", status, errs)
	}
	if text, err := os.ReadFile(filepath.Join(dir, ".env")); err != nil || string(text) != "API_TOKEN=hush-hush\n" {
		t.Errorf("%v: the values are %q", err, text)
	}
	if status, out, errs := realRun(t, dir, "validate"); status != 0 {
		t.Errorf("exit %d: the spec is not valid:\n%s%s", status, out, errs)
	}
	if status, _, errs := realRun(t, dir, "import", "compose", "-out", "midaz.infra.yaml"); status != 1 || !strings.Contains(errs, "-force") {
		t.Errorf("exit %d: a spec that exists is written over: %s", status, errs)
	}
}

// A result that is not valid is written, said to be invalid, and fails the
// import: nothing else can be put in the place of an image.
func TestImportComposeFailsWhenTheSpecIsNotValid(t *testing.T) {
	dir := t.TempDir()
	writeFiles(t, dir, map[string]string{"compose.yaml": "name: shop\nservices: { web: { image: Not An Image }, db: { image: 'db:1' } }\n"})
	status, _, notes := realRun(t, dir, "import", "compose", "-out", "midaz.infra.yaml")
	if status != 1 || !strings.Contains(notes, "Not An Image") || !strings.Contains(notes, "is not valid") {
		t.Errorf("exit %d: %s", status, notes)
	}
	spec, err := os.ReadFile(filepath.Join(dir, "midaz.infra.yaml"))
	if err != nil || !strings.Contains(string(spec), "image: db:1") {
		t.Errorf("%v: what is valid is not in the spec:\n%s", err, spec)
	}
}

// Services whose profiles are never on together may have the same port. Those
// of one profile may not.
func TestImportComposeKeepsPortsOfExclusiveProfiles(t *testing.T) {
	for profiles, want := range map[[2]string]int{{"one", "two"}: 2, {"one", "one"}: 1} {
		dir := t.TempDir()
		writeFiles(t, dir, map[string]string{"compose.yaml": "name: shop\nservices:\n  a: { image: 'a:1', profiles: [" + profiles[0] +
			"], ports: ['8080:80'] }\n  b: { image: 'b:1', profiles: [" + profiles[1] + "], ports: ['8080:80'] }\n"})
		status, spec, notes := realRun(t, dir, "import", "compose")
		if n := strings.Count(spec, "8080:80\"]"); status != 0 || n != want {
			t.Errorf("profiles %v: exit %d, %d ports: %s\n%s", profiles, status, n, notes, spec)
		}
		if left := strings.Contains(notes, "left out: ports"); left != (want == 1) {
			t.Errorf("profiles %v: %s", profiles, notes)
		}
	}
}

// Of two services that cannot have the same port, the one that always runs keeps
// it. Container names of exclusive profiles are kept, too.
func TestImportComposeKeepsWhatAlwaysRuns(t *testing.T) {
	dir := t.TempDir()
	writeFiles(t, dir, map[string]string{"compose.yaml": "name: shop\nservices:\n  a: { image: 'a:1', profiles: [debug], container_name: " +
		"same, ports: ['8080:80', '127.0.0.1:81:81'] }\n  b: { image: 'b:1', profiles: [other], container_name: same }\n  c: { image: 'c:1', " +
		"ports: ['8080:90'] }\n"})
	status, spec, notes := realRun(t, dir, "import", "compose")
	if status != 0 || !strings.Contains(spec, "8080:90") || strings.Contains(spec, "8080:80") || !strings.Contains(spec, "127.0.0.1:81:81") ||
		!strings.Contains(notes, "service/a: left out: ports.0") {
		t.Errorf("exit %d: %s\n%s", status, notes, spec)
	}
	if strings.Count(spec, "container_name: same") != 2 {
		t.Errorf("a container name is lost: %s\n%s", notes, spec)
	}
}

// A variable that only a key refers to that is left out is not declared.
func TestImportComposeDeclaresNoUnusedVariable(t *testing.T) {
	dir := t.TempDir()
	writeFiles(t, dir, map[string]string{".env": "PORT=8080\nUSED=1\n",
		"compose.yaml": "name: shop\nservices: { web: { image: 'web:${USED}', network_mode: none, ports: ['${PORT}:80'] } }\n"})
	status, spec, notes := realRun(t, dir, "import", "compose")
	if status != 0 || !strings.Contains(notes, "left out: ports") || !strings.Contains(spec, "USED:") || strings.Contains(spec, "PORT") {
		t.Errorf("exit %d: %s\n%s", status, notes, spec)
	}
}

// A network whose only setting is left out stays the network of the service.
func TestImportComposeKeepsANetworkWithoutItsSetting(t *testing.T) {
	dir := t.TempDir()
	writeFiles(t, dir, map[string]string{"compose.yaml": "name: shop\nservices: { web: { image: 'web:1', networks: { front: { " +
		"interface_name: eth7 } } } }\nnetworks: { front: }\n"})
	status, spec, notes := realRun(t, dir, "import", "compose")
	if status != 0 || !strings.Contains(notes, "left out: networks.front.interface_name") {
		t.Errorf("exit %d: %s", status, notes)
	}
	if !strings.Contains(spec, "front: {}") || !strings.Contains(spec, "front: {name: shop_front}") || strings.Contains(spec, "default") {
		t.Errorf("the service is not on front alone:\n%s", spec)
	}
}

// TestImportComposeOfThePlatform reads the platform's own Compose file, which
// is not part of this project.
func TestImportComposeOfThePlatform(t *testing.T) {
	from := os.Getenv("MIDAZ_UPSTREAM")
	if from == "" {
		t.Skip("MIDAZ_UPSTREAM does not name a copy of components/infra of LerianStudio/midaz")
	}
	dir := filepath.Join(t.TempDir(), "infra")
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	env, err := os.ReadFile(filepath.Join(dir, "env.example"))
	if err != nil {
		env, err = os.ReadFile(filepath.Join(dir, ".env.example"))
	}
	if err != nil {
		t.Fatal(err)
	}
	writeFiles(t, dir, map[string]string{".env": string(env)})
	status, _, notes := realRun(t, dir, "import", "compose", "-out", "midaz.infra.yaml", "-force")
	if status != 0 || strings.Contains(notes, "left out: ") {
		t.Fatalf("exit %d: %s", status, notes)
	}
	spec, err := os.ReadFile(filepath.Join(dir, "midaz.infra.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"stack: infra", "name: infra-network", "name: infra_postgres-data", "${DB_PORT}:${DB_PORT}",
		"DB_PASSWORD: { type: string, sensitive: true }"} {
		if !strings.Contains(string(spec), want) {
			t.Errorf("no %q in\n%s", want, spec)
		}
	}
	for _, secret := range []string{": lerian\n", "\"lerian\"", "replicator_password"} {
		if strings.Contains(string(spec), secret) {
			t.Errorf("%q is in the spec", secret)
		}
	}
	if status, out, errs := realRun(t, dir, "validate"); status != 0 {
		t.Errorf("exit %d: the spec is not valid:\n%s%s", status, out, errs)
	}
}
