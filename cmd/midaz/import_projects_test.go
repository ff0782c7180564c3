package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// composeProject is a generated project: files, references that must stay, and
// texts that must not be told.
type composeProject struct {
	files       map[string]string
	refs        []string
	secrets     []string
	notes       string // what the import has told
	rand        *rand.Rand
	env         strings.Builder
	n           int
	usesBack    bool
	extends     bool
	withProfile map[string]bool // services
	// replaced are the references that an override of this service replaces.
	replaced []string
}

func (p *composeProject) text() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(p.files)) {
		fmt.Fprintf(&b, "%s:\n%s", name, p.files[name])
	}
	return b.String()
}

// one is one of several texts.
func (p *composeProject) one(texts ...string) string { return texts[p.rand.IntN(len(texts))] }

func (p *composeProject) chance(n int) bool { return p.rand.IntN(n) == 0 }

// ref writes a value as itself or as a reference that comes to it.
func (p *composeProject) ref(value string) string {
	if p.chance(2) {
		return value
	}
	p.n++
	name := fmt.Sprintf("V%d", p.n)
	ref := "${" + name + "}"
	switch p.rand.IntN(4) {
	case 0:
		fmt.Fprintf(&p.env, "%s=%s\n", name, value)
	case 1:
		ref = "${" + name + ":-" + value + "}"
		fmt.Fprintf(&p.env, "%s=%s\n", name, value)
	case 2:
		ref = "${" + name + "-" + value + "}"
	default:
		ref = "${" + name + ":-" + value + "}"
	}
	p.refs = append(p.refs, ref)
	return ref
}

// forget drops references that need not be in the spec.
func (p *composeProject) forget(refs []string) {
	p.refs = slices.DeleteFunc(p.refs, func(ref string) bool { return slices.Contains(refs, ref) })
}

// refIf is ref where what it stands in is kept.
func (p *composeProject) refIf(kept bool, value string) string {
	if !kept {
		return value
	}
	return p.ref(value)
}

// password is the value of a setting that is one.
func (p *composeProject) password() string {
	p.n++
	text := fmt.Sprintf("hush%dhush", p.n)
	p.secrets = append(p.secrets, text)
	switch p.rand.IntN(3) {
	case 0:
		fmt.Fprintf(&p.env, "P%d=%s\n", p.n, text)
		return fmt.Sprintf("${P%d}", p.n)
	case 1:
		return fmt.Sprintf("${P%d:-%s}", p.n, text)
	}
	return text
}

// known are services in the style of public projects. NAME=VALUE in brackets is
// the environment; @ is a password, % a value that may be a reference.
var known = []struct{ name, image, port, data, env, command string }{
	{"postgres", "postgres:%16", "5432", "/var/lib/postgresql/data", "POSTGRES_USER=%app POSTGRES_PASSWORD=@ POSTGRES_DB=%app",
		"postgres -c max_connections=%200"},
	{"mysql", "mysql:%8.4", "3306", "/var/lib/mysql", "MYSQL_DATABASE=%wordpress MYSQL_USER=%wordpress MYSQL_PASSWORD=@ MYSQL_ROOT_PASSWORD=@",
		"--character-set-server=%utf8mb4"},
	{"redis", "redis:%7-alpine", "6379", "/data", "TZ=%UTC", "redis-server --requirepass @ --appendonly %yes"},
	{"nginx", "nginx:%1.27", "80", "/usr/share/nginx/html", "NGINX_HOST=%example.com NGINX_PORT=%80", ""},
	{"traefik", "traefik:%v3.1", "8081", "/letsencrypt", "TRAEFIK_LOG_LEVEL=%INFO", "--providers.docker=%true"},
	{"grafana", "grafana/grafana:%11.2.0", "3000", "/var/lib/grafana",
		"GF_SECURITY_ADMIN_USER=%admin GF_SECURITY_ADMIN_PASSWORD=@ GF_SERVER_ROOT_URL=%http://localhost", ""},
	{"keycloak", "quay.io/keycloak/keycloak:%25.0", "8180", "/opt/keycloak/data",
		"KEYCLOAK_ADMIN=%admin KEYCLOAK_ADMIN_PASSWORD=@ KC_DB_URL_HOST=%postgres", "start-dev --http-port=%8180"},
	{"wordpress", "wordpress:%6", "8082", "/var/www/html", "WORDPRESS_DB_HOST=%mysql WORDPRESS_DB_USER=%wp WORDPRESS_DB_PASSWORD=@", ""},
	{"gitlab", "gitlab/gitlab-ce:%17.3.1-ce.0", "8929", "/var/opt/gitlab", "GITLAB_ROOT_PASSWORD=@ GITLAB_HOST=%git.example.com", ""},
	{"nextcloud", "nextcloud:%29", "8083", "/var/www/html", "NEXTCLOUD_ADMIN_USER=%admin NEXTCLOUD_ADMIN_PASSWORD=@ REDIS_HOST=%redis", ""},
	{"sentry", "getsentry/sentry:%24.8.0", "9000", "/data", "SENTRY_SECRET_KEY=@ SENTRY_REDIS_HOST=%redis SENTRY_POSTGRES_HOST=%postgres",
		"run web"},
	{"airflow", "apache/airflow:%2.10.0", "8084", "/opt/airflow/logs", "AIRFLOW__CORE__EXECUTOR=%LocalExecutor AIRFLOW__CORE__FERNET_KEY=@",
		"webserver"},
	{"rabbitmq", "rabbitmq:%4.0-management", "5672", "/var/lib/rabbitmq", "RABBITMQ_DEFAULT_USER=%midaz RABBITMQ_DEFAULT_PASS=@", ""},
	{"mongo", "mongo:%7", "27017", "/data/db", "MONGO_INITDB_ROOT_USERNAME=%root MONGO_INITDB_ROOT_PASSWORD=@", "--replSet %rs0"},
	{"minio", "minio/minio:%latest", "9001", "/data", "MINIO_ROOT_USER=%minio MINIO_ROOT_PASSWORD=@", "server /data"},
	{"app", "ghcr.io/acme/app:%1.4", "8085", "/app/data", "DATABASE_URL=postgres://app:@#postgres:5432/app LOG=%info FLAG=%true",
		"npm run %start"},
}

// fillIn finds what fill replaces; # is an at sign.
var fillIn = regexp.MustCompile(`%[^ ]+|@|#`)

func (p *composeProject) fill(text string) string {
	return fillIn.ReplaceAllStringFunc(text, func(m string) string {
		switch m {
		case "@":
			return p.password()
		case "#":
			return "@"
		}
		return p.ref(m[1:])
	})
}

func newProject(seed uint64) *composeProject {
	p := &composeProject{files: map[string]string{}, withProfile: map[string]bool{}, rand: rand.New(rand.NewPCG(seed, 12))}
	var b, extra strings.Builder
	b.WriteString("name: shop\nx-common: &common\n  oom_score_adj: 100\n  stop_signal: SIGQUIT\nservices:\n")
	order := p.rand.Perm(len(known))[:1+p.rand.IntN(5)]
	slices.Sort(order)
	var names []string
	for i, k := range order {
		p.service(&b, &extra, i, k, names)
		names = append(names, known[k].name)
	}
	b.WriteString("networks:\n  front: {}\n  back: {internal: true, ipam: {config: [{subnet: 10.77.0.0/24}]}, name: \"" + p.refIf(p.usesBack,
		"shop-back") + "\", driver_opts: {com.docker.network.bridge.name: br0}, labels: {net: \"\"}}\n  spare: {external: true}\nvolumes:\n")
	for _, name := range names {
		fmt.Fprintf(&b, "  %s-data: %s\n", name, p.one("{}", "{driver: local, labels: [a=b]}", "{external: true}", "{name: own-"+name+"}"))
	}
	b.WriteString("secrets: {cert: {file: ./cert.pem}}\nconfigs: {conf: {file: ./app.conf}}\n")
	p.files["cert.pem"], p.files["app.conf"] = "x", "y"
	p.files["src/Dockerfile"], p.files["src/Other"] = "FROM base AS app\n", "FROM base AS app\n"
	if p.extends {
		p.files["common.yaml"] = "services:\n  base: {image: base, environment: {BASE: '${BASE:-b}'}, cap_add: [CHOWN]}\n  more: {extends: " +
			"base, environment: {MORE: m}, volumes: [./more:/more]}\n"
		p.refs = append(p.refs, "${BASE:-b}")
	}
	p.files["compose.yaml"] = b.String()
	if extra.Len() > 0 {
		p.files["compose.override.yaml"] = "services:\n" + extra.String()
	}
	if len(names) > 0 && p.chance(4) {
		p.files["compose.yaml"] = "include: [more/compose.yaml]\n" + p.files["compose.yaml"]
		p.files["more/.env"] = "INNER=7\n"
		p.files["more/compose.yaml"] = "services:\n  more: {image: 'more:${INNER}', volumes: ['${MORE_DIR:-./data}:/data', './c:/c:ro'], " +
			"extends: {file: base.yaml, service: base}}\n"
		p.files["more/base.yaml"] = "services:\n  base: {image: base, environment: {B: '${BASE_B:-50001}'}, ports: ['50001:50002']}\n"
		p.refs = append(p.refs, "${INNER}", "${MORE_DIR:-./data}", "${BASE_B:-50001}")
	}
	p.files[".env"] = p.env.String()
	text := p.text()
	p.refs = slices.DeleteFunc(p.refs, func(ref string) bool { return !strings.Contains(text, ref) }) // of forms that were not chosen
	return p
}

// service writes one service, and now and then more of it in an override.
func (p *composeProject) service(b, extra *strings.Builder, i, k int, earlier []string) {
	s := known[k]
	line := func(format string, args ...any) { fmt.Fprintf(b, "    "+format+"\n", args...) }
	fmt.Fprintf(b, "  %s:\n", s.name)
	if p.chance(3) {
		line("<<: *common")
	}
	line("image: %q", p.fill(s.image))
	if p.chance(2) {
		line("environment:")
		for pair := range strings.FieldsSeq(s.env) {
			name, value, _ := strings.Cut(pair, "=")
			line("  %s: %q", name, p.fill(value))
		}
		line("  PLAIN: %s", p.one("true", "5", "1.5", "2024-05-06", "''", "0x10", "1e3", "'$$x'"))
	} else {
		line("environment:")
		for pair := range strings.FieldsSeq(s.env) {
			name, value, _ := strings.Cut(pair, "=")
			line("  - %q", name+"="+p.fill(value))
		}
	}
	if s.command != "" && p.chance(2) {
		line("command: %q", p.fill(s.command))
	} else if s.command != "" {
		var words []string
		for word := range strings.FieldsSeq(s.command) {
			words = append(words, strconv.Quote(p.fill(word)))
		}
		line("command: [%s]", strings.Join(words, ", "))
	}
	p.ports(line, i, s.port)
	switch p.rand.IntN(4) {
	case 0:
		line("volumes: [%q, %q]", p.ref("./conf/"+s.name)+":/etc/conf:"+p.ref("ro"), s.name+"-data:"+s.data)
	case 1:
		line("volumes: [%q, {type: bind, source: %q, target: /x, read_only: %s, bind: {create_host_path: %s}}]", s.name+"-data:"+s.data,
			p.ref("./x"), p.one("true", "false"), p.one("true", "false"))
	case 2:
		line("volumes: [%q, {type: volume, source: %s-data, target: %s}]", p.ref("/srv/"+s.name)+"/log:/log", s.name, s.data)
	}
	p.options(line, s.name)
	if len(earlier) > 0 && p.chance(2) {
		if on := earlier[p.rand.IntN(len(earlier))]; !p.withProfile[on] {
			if p.chance(5) {
				line("links: [%q]", on+":other")
			}
			line("depends_on: %s", p.one("["+on+"]", "{"+on+": {condition: service_started, restart: true}}",
				"{"+on+": {condition: service_healthy, required: false}}"))
		}
	}
	if p.chance(4) {
		fmt.Fprintf(extra, "  %s:\n    environment: {OVER: %q}\n    labels: {over: %q}\n", s.name, p.ref("over"), p.ref("x"))
		if p.chance(2) {
			fmt.Fprintf(extra, "    ports: !override [%q]\n    dns: !reset []\n", fmt.Sprintf("%d:%s", 30000+i, s.port))
			p.forget(p.replaced)
		}
	}
}

// ports writes ports; an override may replace them.
func (p *composeProject) ports(line func(string, ...any), i int, port string) {
	public := strconv.Itoa(10000 + 100*i)
	before := len(p.refs)
	defer func() { p.replaced = slices.Clone(p.refs[before:]) }()
	switch p.rand.IntN(5) {
	case 0:
		line("ports: [%q]", p.ref(public)+":"+port)
	case 1:
		line("ports: [%q, \"%d-%d:7000-7002\"]", "127.0.0.1:"+p.ref(public)+":"+port+"/"+p.one("tcp", "udp"), 20000+100*i, 20002+100*i)
	case 2:
		line("ports: [{target: %s, published: %q, protocol: tcp, mode: host, name: web, app_protocol: http}]", port, p.ref(public))
	case 3:
		line("ports: [%s]", port)
	}
}

// options writes some of the other keys, each in one of its forms.
func (p *composeProject) options(line func(string, ...any), name string) {
	for _, option := range []func(){
		func() { p.limits(line) },
		func() { p.attachments(line) },
		func() { p.labelsOf(line) },
		func() { line("shm_size: %s", p.one(strconv.Quote(p.ref("128m")), "64m", "67108864")) },
		func() { line("init: %s", p.one("true", "false")) },
		func() { line("privileged: %q", p.ref(p.one("true", "false"))) },
		func() { line("read_only: %s", p.one("true", "false", "\"true\"")) },
		func() { line("tty: %q", p.ref(p.one("true", "false"))) },
		func() { line("stdin_open: %s", p.one("true", "false")) },
		func() { line("user: %q", p.ref(p.one("1000:1000", "root", "0"))) },
		func() { line("working_dir: %q", p.ref("/srv")) },
		func() { line("hostname: %q", p.ref("node")) },
		func() { line("domainname: %q", p.ref("example.test")) },
		func() { line("container_name: %q", name+p.ref("-x")) },
		func() { line("dns: %s", p.one("1.1.1.1", "[1.1.1.1, 9.9.9.9]")) },
		func() { line("dns_search: %s", p.one("example.test", "[b.test, a.test]")) },
		func() { line("dns_opt: [\"ndots:%s\"]", p.ref("2")) },
		func() {
			line("extra_hosts: %s", p.one(`["db:10.0.0.1", "web=10.0.0.2"]`, `{db: 10.0.0.1}`, `["gw:host-gateway"]`))
		},
		func() { line("stop_grace_period: %q", p.ref(p.one("45s", "1m30s", "2m"))) },
		func() { line("stop_signal: %s", p.one("SIGINT", "SIGTERM")) },
		func() {
			line("sysctls: %s", fmt.Sprintf(p.one("{net.core.somaxconn: %q}", `["net.core.somaxconn=%s"]`), p.ref("1024")))
		},
		func() {
			line("ulimits: {nofile: {soft: %q, hard: %q}, nproc: %q, core: 0}", p.ref("1024"), p.ref("2048"), p.ref("65535"))
		},
		func() { line("cap_add: %s", p.one("[NET_ADMIN]", "[ALL]", "[SYS_PTRACE, NET_ADMIN]")) },
		func() { line("cap_drop: %s", p.one("[MKNOD]", "[ALL]")) },
		func() {
			line("security_opt: %s", p.one(`["no-new-privileges:true"]`, `["label:disable", "seccomp:unconfined"]`))
		},
		func() {
			line("devices: %s", p.one(`[/dev/null]`, `["/dev/zero:/dev/z:rw"]`, `[{source: /dev/null, target: /dev/n, permissions: r}]`))
		},
		func() { line("device_cgroup_rules: [\"c 1:3 mr\"]") },
		func() { line("group_add: %s", p.one(`[mail]`, `["1000", mail]`)) },
		func() { line("tmpfs: %s", p.one("/run", `["/run:size=64m", /cache]`)) },
		func() { line("expose: %s", p.one(`["9000"]`, `[9000, "9001/udp"]`)) },
		func() { line("ipc: %s", p.one("host", "shareable", "private")) },
		func() { line("pid: host") },
		func() { line("uts: host") },
		func() { line("userns_mode: host") },
		func() { line("cgroup: host") },
		func() { line("cgroup_parent: m-executor") },
		func() { line("runtime: runc") },
		func() { line("platform: %s", p.one("linux/amd64", "linux/arm64")) },
		func() { line("pull_policy: %s", p.one("always", "missing", "never")) },
		func() { line("oom_score_adj: %s", p.one("500", "-500")) },
		func() { line("oom_kill_disable: %s", p.one("true", "false")) },
		func() { line("blkio_config: {weight: 300}") },
		func() { line("annotations: %s", p.one(`{note: a}`, `["note=a"]`)) },
		func() { line("storage_opt: {size: 1G}") },
		func() {
			line("logging: {driver: %s, options: {max-size: %q, max-file: \"3\"}}", p.one("json-file", "local"), p.ref("5m"))
		},
		func() { p.health(line) },
		func() {
			line("secrets: %s", p.one("[cert]", "[{source: cert, target: tls.pem}]", "[{source: cert, target: /etc/tls.pem}]"))
		},
		func() { line("configs: %s", p.one("[conf]", "[{source: conf, target: /etc/app.conf}]")) },
		func() { line("profiles: [%s]", p.one("dev", "debug", "dev, debug")); p.withProfile[name] = true },
		func() {
			line("env_file: %s", p.one("./"+name+".env", "[./"+name+".env]",
				"[{path: ./"+name+".env, required: false}, {path: ./none.env, required: false}]"))
			p.files[name+".env"] = "FROM_FILE=1\nQUOTED=\"a b\"\n"
		},
		func() {
			line("label_file: ./%s.labels", name)
			p.files[name+".labels"] = "from.file=1\n"
		},
		func() { line("extends: {file: common.yaml, service: %s}", p.one("base", "more")); p.extends = true },
		func() { line("entrypoint: %s", p.one(`/entry --flag`, `[/entry, "--name", "a b"]`)) },
		func() { line("x-note: {a: b}") },
		// Compose has these and midaz does not: each is named in a note.
		func() { line("attach: false") },
		func() { line("gpus: all") },
		func() { line("post_start: [{command: \"true\"}]") },
		func() { line("develop: {watch: [{path: ., action: rebuild}]}") },
		func() { line("cpu_percent: 50") },
		func() { line("pre_start: [{command: \"true\", image: pre}]") },
		func() { line("pre_stop: [{command: \"true\"}]") },
		func() { line("external_links: [other]") },
		func() { line("use_api_socket: true") },
		func() { line("mac_address: \"02:42:ac:11:00:09\"") },
		func() {
			line("build: %s", p.one("./src", "{context: ./src}", "{context: ./src, dockerfile: Other, args: {A: \"1\"}, target: app}"))
		},
	} {
		if p.chance(7) {
			option()
		}
	}
}

// limits writes the restart policy and the limits, as keys or under deploy.
func (p *composeProject) limits(line func(string, ...any)) {
	if p.chance(3) {
		line("deploy:")
		line("  resources: {limits: {cpus: %q, memory: %q, pids: 50}, reservations: {memory: 16m}}", p.ref("1.5"), p.ref("256m"))
		if p.chance(2) {
			line("  restart_policy: {condition: %s, max_attempts: 2}", p.one("any", "on-failure", "none"))
		}
		line("  replicas: %s", p.one("1", "0"))
		return
	}
	if p.chance(4) {
		line("scale: %s", p.one("0", "1"))
	}
	line("restart: %q", p.ref(p.one("always", "unless-stopped", "on-failure", "on-failure:3", "no")))
	line("mem_limit: %q", p.ref(p.one("64m", "1g", "536870912")))
	line("pids_limit: %q", p.ref("100"))
	switch p.rand.IntN(3) {
	case 0:
		line("cpus: %q", p.ref(p.one("0.5", "2")))
	case 1:
		line("cpu_quota: %s", p.one("50000", "25000"))
		line("cpu_period: 100000")
	}
	if p.chance(2) {
		line("memswap_limit: %s", p.one("2g", "-1"))
		line("mem_reservation: %q", p.ref("16m"))
		line("cpu_shares: 512")
		line("cpuset: %q", "0")
		line("mem_swappiness: %s", p.one("0", "60"))
	}
}

// attachments writes what networks the service is on.
func (p *composeProject) attachments(line func(string, ...any)) {
	switch p.rand.IntN(6) {
	case 0:
		line("networks: {front: , back: {aliases: [%q], priority: 7}}", p.ref("alias"))
		p.usesBack = true
	case 1:
		line("networks: [front]")
	case 2:
		line("networks: {front: {driver_opts: {a: b}}}")
	case 3:
		line("networks: {back: {ipv4_address: %q}, default: {}}", p.ref("10.77.0.9"))
		p.usesBack = true
	case 4:
		line("networks: {front: {interface_name: eth7}}") // newer than some engines
	default:
		line("network_mode: %s", p.one("host", "none", "bridge"))
		p.forget(p.replaced) // no ports are published there
	}
}

func (p *composeProject) labelsOf(line func(string, ...any)) {
	if p.chance(2) {
		line("labels: [%q, marker]", "rule="+p.ref("Host")+"(`a`)")
		return
	}
	line("labels: {empty: , x: %q, n: 5, b: false}", p.ref("y"))
}

func (p *composeProject) health(line func(string, ...any)) {
	switch p.rand.IntN(4) {
	case 0:
		line("healthcheck: {disable: true}")
	case 1:
		line("healthcheck: {test: \"curl -f http://localhost\", interval: 1m30s, start_period: 500ms, start_interval: 5s}")
	case 2:
		line("healthcheck: {test: [NONE]}")
	default:
		line("healthcheck: {test: [CMD-SHELL, %q], interval: %q, timeout: 3s, retries: %q}", "curl -f http://localhost:"+p.ref("80")+" || exit 1",
			p.ref("10s"), p.ref("5"))
	}
}
