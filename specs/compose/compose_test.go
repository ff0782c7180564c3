package compose

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/LerianStudio/midaz-infra/specs/draft"
)

// read writes the files into a folder named "project" and reads the project.
func read(t *testing.T, files map[string]string, environ ...string) (*draft.Draft, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "project")
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	d, err := Read(t.Context(), Options{Dir: dir, Environ: environ})
	if err != nil {
		t.Fatal(err)
	}
	return d, d.Text()
}

func TestRead(t *testing.T) {
	const web = "services:\n  web:\n    image: web\n"
	for _, c := range []struct {
		name    string
		files   map[string]string
		environ []string
		has     []string // lines or parts of them
		hasNot  []string
		notes   []string
	}{
		{name: "names are those of Compose", files: map[string]string{"compose.yaml": web + "    volumes: [data:/d]\nvolumes: {data: }\n"},
			has: []string{"stack: project\n", "container_name: project-web-1", "default: {name: project_default}", "data: {name: project_data}"}},
		{name: "texts that Compose places are files", files: map[string]string{
			"compose.yaml": web + "    configs: [c, {source: d, target: /etc/d, uid: '7', mode: 0440}]\n    secrets: [s]\nconfigs: {c: {content: 'a=${A} $$b'}, d: {environment: A}}\nsecrets: {s: {environment: ADMIN}}\n", ".env": "A=1\nADMIN=hush\n"},
			has:    []string{`{target: /c, content: 'a=${A} $$b', mode: "0444"}`, `{target: /etc/d, content: '${A}', mode: "0440", uid: 7}`, `{target: /run/secrets/s, content: '${ADMIN}', mode: "0444"}`, "ADMIN: { type: string, sensitive: true }"},
			hasNot: []string{"hush"}},
		{name: "labels of a file are labels", files: map[string]string{"compose.yaml": web + "    labels: {a: own}\n    label_file: [l.env]\n  other:\n    image: web\n    label_file: l.env\n", "l.env": "a=file\nb=$$x\n"},
			has: []string{"a: own", "b: $$x", "a: file"}, notes: []string{"label_file"}},
		{name: "permissions of a tmpfs are octal", files: map[string]string{"compose.yaml": web + "    volumes: [{type: tmpfs, target: /t, tmpfs: {mode: 0o700, size: 1m}}]\n"},
			has: []string{`mode: "0700"`}},
		{name: "a reference stays where the loader takes a text apart",
			files: map[string]string{"compose.yaml": web + "    ports: ['127.0.0.1:${P}:${Q:-80}/udp']\n    volumes: ['${D:-./d}/sub:/x:ro', '${V}:/y']\nvolumes: {data: }\n", ".env": "P=5000\nV=data\n"},
			has:   []string{"127.0.0.1:${P}:${Q:-80}/udp", "${D:-./d}/sub", "P: { type: string, default: \"5000\" }", "${V}:/y"}, hasNot: []string{"midazref", "5005"}},
		{name: "a reference stays in numbers, switches and times",
			files: map[string]string{"compose.yaml": web + "    cpus: ${C:-0.5}\n    mem_limit: ${M:-64m}\n    environment: {ON: '${ON:-false}'}\n    healthcheck: {test: x, interval: '${I:-5s}', retries: '${R:-3}'}\n"},
			has:   []string{"cpus: ${C:-0.5}", "mem_limit: ${M:-64m}", "\"ON\": ${ON:-false}", "interval: ${I:-5s}", "retries: ${R:-3}"}},
		{name: "a switch of the loader becomes its value", files: map[string]string{"compose.yaml": web + "    privileged: ${X:-true}\n    environment: {A: '${A:-a}'}\n"},
			has: []string{"privileged: true", "A: ${A:-a}"}, hasNot: []string{"X: {"}, notes: []string{"variable X"}},
		{name: "dollar signs stand for themselves", files: map[string]string{"compose.yaml": web + "    command: ['a$$b', '$${X}', '$$$X']\n", ".env": "X=1\n"},
			has: []string{"a$$b", "$${X}", "$$${X}"}},
		{name: "a password of the env file stays out", files: map[string]string{"compose.yaml": web + "    environment: {A: '${DB_PASSWORD}', B: '${DSN}'}\n", ".env": "DB_PASSWORD=hush-hush\nDSN=postgres://u:hush@h\n"},
			has: []string{"DB_PASSWORD: { type: string, sensitive: true }", "DSN: { type: string, sensitive: true }"}, hasNot: []string{"hush"}},
		{name: "a literal password becomes a variable, wherever it stands", files: map[string]string{"compose.yaml": web + "    environment: {API_TOKEN: hush-hush, ON_SECRET: 'true'}\n    command: [run, --token, hush-hush]\n"},
			has: []string{"API_TOKEN: ${API_TOKEN}", "[run, --token, \"${API_TOKEN}\"]", "ON_SECRET: \"true\""}, hasNot: []string{"hush"}, notes: []string{"service/web: the value of API_TOKEN"}},
		{name: "a password as a default is left out", files: map[string]string{"compose.yaml": web + "    environment: {T: '${ROOT_TOKEN:-hush}'}\n"},
			has: []string{"T: ${ROOT_TOKEN}"}, hasNot: []string{"hush"}, notes: []string{"ROOT_TOKEN"}},
		{name: "the environment beats the env file, and gives no default", files: map[string]string{"compose.yaml": web + "    environment: {A: '${A}', B: }\n", ".env": "A=file\n"}, environ: []string{"B=shell"},
			has: []string{"A: { type: string, default: file }", "B: ${B}", "B: { type: string }"}, hasNot: []string{"shell"}},
		{name: "what is nowhere set is empty", files: map[string]string{"compose.yaml": web + "    environment: {A: '${A}', B: }\n"},
			has: []string{"A: { type: string, default: \"\" }"}, hasNot: []string{"B:"}, notes: []string{"variable A is nowhere set", "variable B has no value"}},
		{name: "overrides, extends and include", files: map[string]string{
			"compose.yaml":          "include: ['${MORE:-more}/x.yaml']\nservices:\n  web: {extends: {file: base.yaml, service: base}, ports: !reset []}\n",
			"compose.override.yaml": "services: {web: {environment: {A: over}}}\n",
			"base.yaml":             "services: {base: {image: base:1, environment: {A: base, B: base}, ports: ['1:1']}}\n",
			"more/x.yaml":           "services: {other: {image: other, volumes: ['./conf:/conf']}}\n"},
			has: []string{"image: base:1", "A: over", "B: base", "image: other", "./more/conf:/conf"}, hasNot: []string{"ports"}},
		{name: "a service that others wait for to complete is a job", files: map[string]string{"compose.yaml": web + "    depends_on: {init: {condition: service_completed_successfully}, db: {condition: service_started}}\n  init: {image: i, restart: 'no'}\n  db: {image: d}\n"},
			has: []string{"jobs:\n  # taken for a job: web waits until it has completed", "init: {condition: service_completed_successfully}"}, hasNot: []string{"restart"}},
		{name: "a service that restarts is none", files: map[string]string{"compose.yaml": "services: {db-init: {image: i, restart: always}}\n"}, hasNot: []string{"jobs:"}},
		{name: "replicas", files: map[string]string{"compose.yaml": web + "    deploy: {replicas: 3, resources: {limits: {memory: 64m}}}\n"},
			has: []string{"memory: 64m"}, hasNot: []string{"replicas"}, notes: []string{"Compose runs 3 of it"}},
		{name: "files of secrets and configs are mounted", files: map[string]string{"compose.yaml": web + "    secrets: [key, {source: env}]\n    configs: [{source: conf, target: /etc/conf}]\nsecrets: {key: {file: ./key}, env: {external: true}}\nconfigs: {conf: {file: ./conf}}\n"},
			has: []string{"target: /run/secrets/key", "source: ./key", "target: /etc/conf"}, notes: []string{"the secret env comes from elsewhere"}},
		{name: "external objects keep their names", files: map[string]string{"compose.yaml": web + "    networks: [net]\nnetworks: {net: {external: true, name: shared}}\n"}, has: []string{"net: {name: shared, external: true}"}},
		{name: "env files and folders of builds are relative", files: map[string]string{"compose.yaml": "services: {web: {build: {context: ./app, args: {V: 1}}, env_file: [{path: a.env, required: false}]}}\n", "a.env": ""},
			has: []string{"context: ./app", "path: ./a.env", "required: false"}},
		{name: "the home folder", files: map[string]string{"compose.yaml": web + "    volumes: ['~/data:/d']\n"}, environ: []string{"HOME=" + home()}, has: []string{"~/data:/d"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, text := read(t, c.files, c.environ...)
			for _, want := range c.has {
				if !strings.Contains(text, want) {
					t.Errorf("no %q in\n%s", want, text)
				}
			}
			for _, not := range c.hasNot {
				if strings.Contains(text, not) {
					t.Errorf("%q is in\n%s", not, text)
				}
			}
			notes := strings.Join(d.Notes, "\n")
			for _, want := range c.notes {
				if !strings.Contains(notes, want) {
					t.Errorf("no note of %q in\n%s", want, notes)
				}
			}
			for _, v := range d.Variables {
				if v.Value != nil && len(*v.Value) > 4 && v.Sensitive && strings.Contains(text+notes, *v.Value) {
					t.Errorf("the value of %s is in the text", v.Name)
				}
			}
		})
	}
}

func home() string {
	dir, err := os.UserHomeDir()
	if err != nil {
		return "/root"
	}
	return dir
}

func TestReadRefuses(t *testing.T) {
	dir := t.TempDir()
	if _, err := Read(t.Context(), Options{Dir: dir, Files: []string{"none.yaml"}}); err == nil || !strings.Contains(err.Error(), "none.yaml") {
		t.Errorf("a file that is not there: %v", err)
	}
	bad := filepath.Join(dir, "bad.yaml")
	if err := os.WriteFile(bad, []byte("services: {web: {image: [1]}}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(t.Context(), Options{Dir: dir, Files: []string{"bad.yaml"}}); err == nil || strings.Contains(err.Error(), "midazref") || !strings.Contains(err.Error(), "image") {
		t.Errorf("a file with a fault: %v", err)
	}
}
