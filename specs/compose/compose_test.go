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
		// sameWord says that a password is also the word for something else.
		sameWord bool
	}{
		{name: "names are those of Compose", files: map[string]string{"compose.yaml": web + "    volumes: [data:/d]\nvolumes: {data: }\n"},
			has: []string{"stack: project\n", "container_name: project-web-1", "default: {name: project_default}", "data: {name: project_data}"}},
		{name: "texts that Compose places are files", files: map[string]string{
			"compose.yaml": web + "    configs: [c, {source: d, target: /etc/d, uid: '7', mode: 0440}]\n    secrets: [s]\nconfigs: {c: {content: " +
				"'a=${A} $$b'}, d: {environment: A}}\nsecrets: {s: {environment: ADMIN}}\n", ".env": "A=1\nADMIN=hush\n"},
			has: []string{`{target: /c, content: 'a=${A} $$b', mode: "0444"}`, `{target: /etc/d, content: '${A}', mode: "0440", uid: 7}`,
				`{target: /run/secrets/s, content: '${ADMIN}', mode: "0444"}`, "ADMIN: { type: string, sensitive: true }"},
			hasNot: []string{"hush"}},
		{name: "labels of a file are labels", files: map[string]string{"compose.yaml": web +
			"    labels: {a: own}\n    label_file: [l.env]\n  other:\n    image: web\n    label_file: l.env\n", "l.env": "a=file\nb=$$x\n"},
			has: []string{"a: own", "b: $$x", "a: file"}, notes: []string{"label_file"}},
		{name: "permissions of a tmpfs are octal", files: map[string]string{"compose.yaml": web +
			"    volumes: [{type: tmpfs, target: /t, tmpfs: {mode: 0o700, size: 1m}}]\n"},
			has: []string{`mode: "0700"`}},
		{name: "a reference stays where the loader takes a text apart",
			files: map[string]string{"compose.yaml": web +
				"    ports: ['127.0.0.1:${P}:${Q:-80}/udp']\n    volumes: ['${D:-./d}/sub:/x:ro', '${V}:/y']\nvolumes: {data: }\n",
				".env": "P=5000\nV=data\n"},
			has:    []string{"127.0.0.1:${P}:${Q:-80}/udp", "${D:-./d}/sub", "P: { type: string, default: \"5000\" }", "${V}:/y"},
			hasNot: []string{"midazref", "5005"}},
		{name: "a reference stays in numbers, switches and times",
			files: map[string]string{"compose.yaml": web +
				"    cpus: ${C:-0.5}\n    mem_limit: ${M:-64m}\n    environment: {ON: '${ON:-false}'}\n    healthcheck: {test: x, interval: " +
				"'${I:-5s}', retries: '${R:-3}'}\n"},
			has: []string{"cpus: ${C:-0.5}", "mem_limit: ${M:-64m}", "\"ON\": ${ON:-false}", "interval: ${I:-5s}", "retries: ${R:-3}"}},
		{name: "a reference stays where the loader reads a switch",
			files: map[string]string{"compose.yaml": web + "    privileged: ${X:-true}\n    environment: {A: '${A:-a}'}\n"},
			has:   []string{"privileged: ${X:-true}", "A: ${A:-a}", "X: { type: string }"}},
		{name: "dollar signs stand for themselves", files: map[string]string{"compose.yaml": web + "    command: ['a$$b', '$${X}', '$$$X']\n",
			".env": "X=1\n"},
			has: []string{"a$$b", "$${X}", "$$${X}"}},
		{name: "a password of the env file stays out",
			files: map[string]string{"compose.yaml": web + "    environment: {A: '${DB_PASSWORD}', B: '${DSN}'}\n",
				".env": "DB_PASSWORD=hush-hush\nDSN=postgres://u:hush@h\n"},
			has: []string{"DB_PASSWORD: { type: string, sensitive: true }", "DSN: { type: string, sensitive: true }"}, hasNot: []string{"hush"}},
		{name: "a literal password becomes a variable, wherever it stands",
			files: map[string]string{"compose.yaml": web +
				"    environment: {API_TOKEN: hush-hush, ON_SECRET: 'true'}\n    command: [run, --token, hush-hush]\n"},
			has: []string{"API_TOKEN: ${API_TOKEN}", "[run, --token, \"${API_TOKEN}\"]", "ON_SECRET: \"true\""}, hasNot: []string{"hush"},
			notes: []string{"service/web: the value of API_TOKEN"}},
		{name: "a password as a default is left out",
			files: map[string]string{"compose.yaml": web + "    environment: {T: '${ROOT_TOKEN:-hush}'}\n"},
			has:   []string{"T: ${ROOT_TOKEN}"}, hasNot: []string{"hush"}, notes: []string{"ROOT_TOKEN"}},
		{name: "the environment beats the env file, and gives no default",
			files: map[string]string{"compose.yaml": web + "    environment: {A: '${A}', B: }\n", ".env": "A=file\n"}, environ: []string{"B=shell"},
			has: []string{"A: { type: string, default: file }", "B: ${B}", "B: { type: string }"}, hasNot: []string{"shell"}},
		{name: "what is nowhere set is empty", files: map[string]string{"compose.yaml": web + "    environment: {A: '${A}', B: }\n"},
			has: []string{"A: { type: string, default: \"\" }"}, hasNot: []string{"B:"},
			notes: []string{"variable A is nowhere set", "variable B has no value"}},
		{name: "overrides, extends and include", files: map[string]string{
			"compose.yaml": "include: ['${MORE:-more}/x.yaml']\nservices:\n  web: {extends: {file: base.yaml, service: base}, ports: " +
				"!reset []}\n",
			"compose.override.yaml": "services: {web: {environment: {A: over}}}\n",
			"base.yaml":             "services: {base: {image: base:1, environment: {A: base, B: base}, ports: ['1:1']}}\n",
			"more/x.yaml":           "services: {other: {image: other, volumes: ['./conf:/conf']}}\n"},
			has: []string{"image: base:1", "A: over", "B: base", "image: other", "./more/conf:/conf"}, hasNot: []string{"ports"}},
		{name: "a service that others wait for to complete is a job",
			files: map[string]string{"compose.yaml": web +
				"    depends_on: {init: {condition: service_completed_successfully}, db: {condition: service_started}}\n  init: {image: i, restart: " +
				"'no'}\n  db: {image: d}\n"},
			has:    []string{"jobs:\n  # taken for a job: web waits until it has completed", "init: {condition: service_completed_successfully}"},
			hasNot: []string{"restart"}},
		{name: "a service that restarts is none", files: map[string]string{"compose.yaml": "services: {db-init: {image: i, restart: always}}\n"},
			hasNot: []string{"jobs:"}},
		{name: "replicas", files: map[string]string{"compose.yaml": web + "    deploy: {replicas: 3, resources: {limits: {memory: 64m}}}\n"},
			has: []string{"memory: 64m"}, hasNot: []string{"replicas"}, notes: []string{"Compose runs 3 of it"}},
		{name: "files of secrets and configs are mounted",
			files: map[string]string{"compose.yaml": web +
				"    secrets: [key, {source: env}]\n    configs: [{source: conf, target: /etc/conf}]\nsecrets: {key: {file: ./key}, env: {external: " +
				"true}}\nconfigs: {conf: {file: ./conf}}\n"},
			has: []string{"target: /run/secrets/key", "source: ./key", "target: /etc/conf"}, notes: []string{"the secret env comes from elsewhere"}},
		{name: "external objects keep their names",
			files: map[string]string{"compose.yaml": web + "    networks: [net]\nnetworks: {net: {external: true, name: shared}}\n"},
			has:   []string{"net: {name: shared, external: true}"}},
		{name: "env files and folders of builds are relative",
			files: map[string]string{"compose.yaml": "services: {web: {build: {context: ./app, args: {V: 1}}, env_file: [{path: a.env, required: " +
				"false}]}}\n", "a.env": ""},
			has: []string{"context: ./app", "path: ./a.env", "required: false"}},
		{name: "references with defaults stay in ports, mounts and limits",
			files: map[string]string{"compose.yaml": web +
				"    ports: ['${P:-8080}:80', '${R:-7000-7009}:7000-7009']\n    volumes: ['${D:-./data}/ssh:/ssh', './x:/x:${MODE:-ro}']\n    " +
				"restart: ${RE:-always}\n    ulimits: {nofile: '${N:-100}', nproc: {soft: '${S:-1}', hard: 2}}\n    deploy: {resources: {limits: " +
				"{pids: '${PIDS:-5}'}}}\n"},
			has: []string{"\"${P:-8080}:80\"", "\"${R:-7000-7009}:7000-7009\"", "${D:-./data}/ssh:/ssh", "./x:/x:${MODE:-ro}",
				"restart: ${RE:-always}", "nofile: ${N:-100}", "hard: 2, soft: '${S:-1}'", "pids: '${PIDS:-5}'"}},
		{name: "a reference that cannot stay costs no other one",
			files: map[string]string{"compose.yaml": web + "    profiles: ['${PROFILE:-dev}']\n    ports: ['${P:-8080}:80']\n"},
			has:   []string{"profiles: [dev]", "${P:-8080}:80"}, notes: []string{"a reference to variable PROFILE"}},
		{name: "a range of ports is one line", files: map[string]string{"compose.yaml": web + "    ports: ['8000-8300:8000-8300', '80']\n"},
			has: []string{`ports: ["8000-8300:8000-8300", "80"]`}},
		{name: "numbers that look like marks are numbers",
			files: map[string]string{"compose.yaml": "include: [more.yaml]\nservices:\n  web: {extends: {file: base.yaml, service: base}, " +
				"environment: {A: '50001', B: '${X:-5}'}}\n",
				"base.yaml": "services: {base: {image: b, ports: ['50001:50002'], scale: '${N:-2}'}}\n",
				"more.yaml": "services: {more: {image: m, ports: ['50003:50004'], environment: {C: '${Y:-6}'}}}\n"},
			has: []string{`"50001:50002"`, `"50003:50004"`, `A: "50001"`, "${X:-5}", "${Y:-6}"}, notes: []string{"Compose runs 2 of it"}},
		{name: "what Compose provides is known",
			files: map[string]string{"compose.yaml": web +
				"    environment: {A: '${COMPOSE_PROJECT_NAME}', B: '${N:-${COMPOSE_PROJECT_NAME}-x}', C: '${COMPOSE_PROJECT_NAME:-none}'}\n"},
			has: []string{"A: project\n", "B: ${N:-project-x}", "C: project\n"}, hasNot: []string{"COMPOSE_PROJECT_NAME"}},
		{name: "an included project has an env file of its own",
			files: map[string]string{"compose.yaml": "include: [sub/compose.yaml]\nservices: {web: {image: 'web:${TAG:-1}'}}\n",
				"sub/.env":         "TAG=2\nONLY=3\n",
				"sub/compose.yaml": "services: {sub: {image: 'sub:${TAG}', environment: {O: '${ONLY}'}, volumes: ['${DIR:-./d}:/d']}}\n"},
			has: []string{"O: ${ONLY}", "ONLY: { type: string, default: \"3\" }", "./sub/${DIR:-./d}:/d", "image: sub:${TAG}",
				"image: web:${TAG_2:-1}", "TAG: { type: string, default: \"2\" }"}},
		{name: "a word that is also a password stays where it is something else", sameWord: true,
			files: map[string]string{"compose.yaml": "services: {db: {image: 'wiki00/wiki00', container_name: wiki00, volumes: " +
				"['./wiki00:/wiki00'], environment: {DB_USER: wiki00, DB_PASSWORD: wiki00}, command: [run, wiki00]}}\n"},
			has: []string{"image: wiki00/wiki00", "container_name: wiki00", "./wiki00:/wiki00", "DB_USER: wiki00", "DB_PASSWORD: ${DB_PASSWORD}",
				"command: [run, wiki00]"}},
		{name: "passwords in texts and behind references stay out",
			files: map[string]string{"compose.yaml": web +
				"    command: redis-server --requirepass hush-one --port 6379\n    entrypoint: [x, --password, hush-two, '--api-token=hush-three', " +
				"--pass, $$SHELL]\n" +
				"    environment: {ADMIN_PASSWORD: '${ADMIN:-hush-four}', DB_PASSWORD: '${PHRASE}', URL: 'amqp://${U:-u}:${PW:-hush-five}@h', LINK: " +
				"'redis://:hush-six@${H:-h}', HERE: '${PWD}'}\n    volumes: ['vol:/v']\n" +
				"volumes: {vol: {driver_opts: {type: cifs, o: 'username=media,password=hush-seven,vers=3.0', device: //h/media}}}\n",
				".env": "PHRASE=hush-eight\n"}, environ: []string{"PWD=/here"},
			has: []string{"--requirepass ${WEB_REQUIREPASS} --port", "- ${WEB_PASSWORD_2}", "- --api-token=${WEB_API_TOKEN}", "- $$SHELL",
				"ADMIN_PASSWORD: ${ADMIN}", "amqp://${U:-u}:${PW}@h", "redis://:${WEB_PASSWORD}@${H:-h}",
				"username=media,password=${VOL_PASSWORD},vers=3.0", "PHRASE: { type: string, sensitive: true }",
				"ADMIN: { type: string, sensitive: true }", "PW: { type: string, sensitive: true }", "PWD: { type: string }"},
			hasNot: []string{"hush"}, notes: []string{"ADMIN had a default", "PW had a default"}},
		{name: "false, zero and nothing are values",
			files: map[string]string{"compose.yaml": web +
				"    init: false\n    read_only: false\n    labels: {a: , b: '', x: 0}\n    hostname: ''\n    environment: {A: , B: '', C: 0, D: " +
				"false, E: 2024-05-06, F: 18446744073709551615}\n    build: {context: ., args: {A: '', B: false, C: , D: 0}, labels: {l: ''}}\n    " +
				"networks: [n]\nnetworks: {n: {enable_ipv4: false, labels: {l: }}}\n"}, environ: []string{"C=given"},
			has: []string{"init: false", "read_only: false", `a: ""`, `x: "0"`, `hostname: ""`, `B: ""`, `C: "0"`, `D: "false"`,
				"E: 2024-05-06 00:00:00 +0000 UTC", `F: "18446744073709551615"`, `args: {A: "", B: "false", C: '${C}', D: "0"}`, `labels: {l: ""}`,
				"enable_ipv4: false"},
			notes: []string{"variable A has no value"}},
		{name: "restart policies of deploy", files: map[string]string{"compose.yaml": web +
			"    restart: unless-stopped\n    deploy: {restart_policy: {condition: on-failure, max_attempts: 3, delay: 5s}}\n  db-setup: {image: " +
			"d, deploy: {restart_policy: {condition: any}}}\n  init: {image: i, restart: on-failure}\n  app: {image: a, depends_on: {init: " +
			"{condition: service_completed_successfully}}}\n"},
			has: []string{"restart: on-failure:3", "restart: always"}, notes: []string{"deploy.restart_policy.delay is left out",
				"job/init: restart: on-failure is left out"}},
		{name: "none of a service", files: map[string]string{"compose.yaml": web +
			"    scale: 0\n    ports: ['80:80']\n  app: {image: a, depends_on: [web]}\n  off: {image: o, profiles: [p], deploy: {replicas: 0}}\n"},
			has: []string{"profiles: [not-started]"}, hasNot: []string{"depends_on:", "[p]"}, notes: []string{"service/web: Compose runs 0",
				"service/off: Compose runs 0", "service/app: depends_on web is left out"}},
		{name: "names beginning with x- are names",
			files: map[string]string{"compose.yaml": "services:\n  x-web: {image: web, depends_on: {x-db: {condition: service_healthy}}}\n  " +
				"x-db: {image: db, x-note: n}\n"},
			has: []string{"  x-web:\n", "x-db: {condition: service_healthy}"}, hasNot: []string{"x-note"}},
		{name: "names given by users may begin with x-",
			files: map[string]string{"compose.yaml": "services:\n  web:\n    image: web\n    x-note: {environment: {x-gone: 1}}\n    " +
				"environment: ['x-env=1']\n    labels: ['x-label=1']\n    logging: {driver: syslog, x-note: 1, options: {x-option: '1'}}\n    " +
				"build: {context: ., x-note: 1, args: {x-arg: '1'}}\n    sysctls: ['x-sysctl=1']\n    volumes: ['data:/d']\n    networks: {net: " +
				"{x-note: 1, driver_opts: {x-opt: '1'}}}\nvolumes: {data: {x-note: 1, driver_opts: {x-driver: '1'}, labels: " +
				"['x-kept=1']}}\nnetworks: {net: {x-note: 1}}\n"},
			has: []string{`x-env: "1"`, `x-label: "1"`, `options: {x-option: "1"}`, `args: {x-arg: "1"}`, `x-sysctl=1`, `driver_opts: {x-opt: "1"}`,
				`x-driver: "1"`, `x-kept: "1"`}, hasNot: []string{"x-note", "x-gone"}},
		{name: "references in keys of lists, and in conditions",
			files: map[string]string{"compose.yaml": web +
				"    environment: ['${EK:-NAME}=${EV:-v}']\n    labels: ['${LK:-traefik}.enable=${LE:-true}']\n    depends_on: {db: {condition: " +
				"'${COND:-service_started}'}}\n  db: {image: db}\n"},
			has: []string{"NAME: ${EV:-v}", "traefik.enable: ${LE:-true}", "db: {condition: '${COND:-service_started}'}"},
			notes: []string{"a reference to variable EK, written at compose.yaml:4:19, was replaced",
				"a reference to variable LK, written at compose.yaml:5:14, was replaced"}},
		{name: "what no service uses is not created",
			files:  map[string]string{"compose.yaml": web + "networks: {spare: , there: {external: true}}\nvolumes: {spare: }\n"},
			hasNot: []string{"spare", "there"}, notes: []string{"network spare is left out", "network there is left out",
				"volume spare is left out"}},
		{name: "targets and mounts of secrets and configs",
			files: map[string]string{"compose.yaml": web +
				"    configs: [{source: c, target: etc/c}]\n    secrets: [{source: s, target: s2, mode: 0400}]\nconfigs: {c: {content: " +
				"x}}\nsecrets: {s: {file: ./s}}\n"},
			has:   []string{"target: /etc/c", "target: /run/secrets/s2", "create_host_path: false"},
			notes: []string{"mode of the secret s is left out"}},
		{name: "only false keeps a folder from being made",
			files: map[string]string{"compose.yaml": web +
				"    volumes: [{type: bind, source: ./a, target: /a, bind: {selinux: z}}, {type: bind, source: ./b, target: /b}, {type: bind, " +
				"source: ./c, target: /c, bind: {create_host_path: false}}]\n"},
			has: []string{"bind: {selinux: z}", "./b:/b", "source: ./c, target: /c, bind: {create_host_path: false}"}},
		{name: "keys of a port without effect", files: map[string]string{"compose.yaml": web +
			"    ports: [{name: http, target: 80, published: '${P:-8080}', host_ip: 127.0.0.1, protocol: tcp, app_protocol: http, mode: host}]\n"},
			has: []string{`"127.0.0.1:${P:-8080}:80"`}},
		{name: "names of projects that no stack can have", files: map[string]string{"compose.yaml": "name: My_App\n" + web},
			has: []string{"stack: my-app\n", "container_name: my_app-web-1", "name: my_app_default"}, notes: []string{"the stack is called my-app"}},
		{name: "what midaz cannot build or run", files: map[string]string{"compose.yaml": "services:\n  web: {build: " +
			"'https://example.com/web.git#main', depends_on: [model]}\n  model: {provider: {type: model}}\n"},
			has: []string{"image: project-web", "pull_policy: never"}, hasNot: []string{"build:", "  model:", "depends_on:"},
			notes: []string{"service/web: build is left out", "service model is left out"}},
		{name: "byte order marks and line ends", files: map[string]string{"compose.yaml": "\ufeff" + strings.ReplaceAll(web, "\n", "\r\n") +
			"    environment: {A: '${A}'}\r\n", ".env": "\ufeffA=1\r\n"},
			has: []string{"A: { type: string, default: \"1\" }"}},
		{name: "overrides by reset and by references",
			files: map[string]string{"compose.yaml": web +
				"    ports: ['8080:80', '${Q:-9090}:90']\n    environment: {A: '${A:-a}'}\n    command: ['${B:-b}']\n",
				"compose.override.yaml": "services: {web: {ports: ['${P:-8080}:80'], environment: !override {C: '${C:-c}'}, command: !reset null}}\n"},
			has: []string{"${Q:-9090}:90", "C: ${C:-c}"}, hasNot: []string{"${A", "command"}},
		{name: "paths above the project",
			files: map[string]string{"compose.yaml": web +
				"    build: ../ctx\n    env_file: [{path: ../e.env, required: false}]\n    volumes: ['../up:/up', 'sub/../../z:/y', {type: bind, " +
				"source: ../long, target: /l}, '../${D:-d}/e:/e', '/etc/up:/f']\n"},
			has: []string{"build: ../ctx", "path: ../e.env", "../up:/up", "../long:/l", "../${D:-d}/e:/e", "/etc/up:/f"}},
		{name: "the home folder", files: map[string]string{"compose.yaml": web + "    volumes: ['~/data:/d']\n"},
			environ: []string{"HOME=" + home()}, has: []string{"~/data:/d"}},
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
				if v.Value != nil && len(*v.Value) > 4 && v.Sensitive && !c.sameWord && strings.Contains(text+notes, *v.Value) {
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
	if _, err := Read(t.Context(), Options{Dir: dir, Files: []string{"none.yaml"}}); err == nil ||
		!strings.Contains(err.Error(), "none.yaml") {
		t.Errorf("a file that is not there: %v", err)
	}
	for name, text := range map[string]string{"bad.env": "hush hush\n", "utf16.env": "\xff\xfeA\x00=\x00h\x00"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "ok.yaml"), []byte("services: {web: {image: web}}\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(t.Context(), Options{Dir: dir, Files: []string{"ok.yaml"}, EnvFiles: []string{name}}); err == nil ||
			strings.Contains(err.Error(), "hush") || strings.Contains(err.Error(), `x00h`) {
			t.Errorf("%s: %v", name, err)
		}
	}
	bad := filepath.Join(dir, "bad.yaml")
	if err := os.WriteFile(bad, []byte("services: {web: {image: [1]}}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(t.Context(), Options{Dir: dir, Files: []string{"bad.yaml"}}); err == nil || strings.Contains(err.Error(), "midazref") ||
		!strings.Contains(err.Error(), "image") {
		t.Errorf("a file with a fault: %v", err)
	}
}
