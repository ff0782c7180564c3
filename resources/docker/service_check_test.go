package docker

import (
	"slices"
	"strings"
	"testing"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// TestChecks has for each rule specs that break it, at the marked line, and
// specs that come near and are right.
func TestChecks(t *testing.T) {
	for _, c := range []struct {
		name, code, spec string // code "" means that nothing is found; the line that ends in "# <-" is the one
	}{
		{"missing env_file", "MZ100", "services:\n  a:\n    image: app:1\n    env_file: nowhere.env # <-\n"},
		{"optional env_file", "", "services:\n  a:\n    image: app:1\n    env_file: {path: nowhere.env, required: false}\n"},
		{"missing source", "MZ100", "services:\n  a:\n    image: app:1\n    files:\n      - {target: /a, content: x}\n      - {source: " +
			"nowhere, target: /b} # <-\n"},
		{"missing seccomp profile", "MZ100", "services:\n  a:\n    image: app:1\n    security_opt: [\"seccomp=nowhere.json\"] # <-\n"},
		{"missing seccomp profile of a service that is off", "",
			"services:\n  a:\n    image: app:1\n    profiles: [p]\n    security_opt: [\"seccomp=nowhere.json\"]\n"},
		{"networks and network_mode", "MZ101", "services:\n  a:\n    image: app:1\n    networks: [x]\n    network_mode: host # <-\nnetworks: " +
			"{x: {}}\n"},
		{"cpus and cpu_quota", "MZ101", "services:\n  a:\n    image: app:1\n    cpus: 1\n    cpu_quota: 5000 # <-\n"},
		{"cpus twice", "MZ101", "services:\n  a:\n    image: app:1\n    cpus: 1 # <-\n    deploy: {resources: {limits: {cpus: 2}}}\n"},
		{"cpus twice alike", "", "services:\n  a:\n    image: app:1\n    cpus: 1\n    deploy: {resources: {limits: {cpus: \"1.0\"}}}\n"},
		{"ports on host", "MZ101", "services:\n  a:\n    image: app:1\n    network_mode: host\n    ports: [\"127.0.0.1:80:80\"] # <-\n"},
		{"gate waits for no check", "MZ101", "services:\n  a:\n    image: app:1\n    healthcheck: {disable: true}\n    gate: {healthy: true} " +
			"# <-\n"},
		{"ports on internal networks only", "MZ126",
			"networks: {n: {internal: true}, m: {internal: true}}\nservices:\n  a:\n    image: app:1\n    networks: [n, m]\n    ports: " +
				"[\"127.0.0.1:80:80\"] # <-\n"},
		{"start_first of a shared network", "MZ101",
			"services:\n  a:\n    image: app:1\n    update: {order: start_first} # <-\n  b: {image: \"app:1\", network_mode: \"service:a\"}\n"},
		{"volume and tmpfs", "MZ101", "services:\n  a:\n    image: app:1\n    volumes: [\"x:/d\"]\n    tmpfs: /d # <-\nvolumes: {x: {}}\n"},
		{"swap without memory", "MZ102", "services:\n  a:\n    image: app:1\n    memswap_limit: 1g # <-\n"},
		{"start_interval alone", "MZ102", "services:\n  a:\n    image: app:1\n    healthcheck:\n      test: [CMD, x]\n      start_interval: " +
			"1s # <-\n"},
		{"swap below memory", "MZ021", "services:\n  a:\n    image: app:1\n    mem_limit: 1g\n    memswap_limit: 512m # <-\n"},
		{"one port twice", "MZ103", "services:\n  a:\n    image: app:1\n    ports: [\"127.0.0.1:80:80\"]\n  b:\n    image: app:1\n    " +
			"ports:\n      - \"127.0.0.1:81:80\"\n      - \"127.0.0.1:80:81\" # <-\n"},
		{"one port in a range", "MZ103", "services:\n  a:\n    image: app:1\n    ports: [\"127.0.0.1:3000-3005:3000-3005\"]\n  b:\n    image: " +
			"app:1\n    ports: [{target: 80, published: 3004, host_ip: 127.0.0.1}] # <-\n"},
		{"one port on all addresses", "MZ103", "services:\n  a:\n    image: app:1\n    ports: [\"127.0.0.1:80:80\"]\n  b:\n    image: app:1\n " +
			"   ports: [\"0.0.0.0:80:80\"] # <-\n"},
		{"ports of other addresses", "", "services:\n  a:\n    image: app:1\n    ports: [\"127.0.0.1:80:80\", \"127.0.0.1:80:80/udp\", " +
			"\"[::1]:80:80\"]\n  b:\n    image: app:1\n    ports: [\"127.0.0.2:80:80\", \"127.0.0.1::80\"]\n"},
		{"one container name in two profiles", "", "services:\n  a:\n    image: app:1\n    profiles: [p]\n    container_name: app\n  b:\n    " +
			"image: app:1\n    profiles: [q]\n    container_name: app\n"},
		{"one port in two profiles", "", "services:\n  a:\n    image: app:1\n    profiles: [p]\n    ports: [\"127.0.0.1:80:80\"]\n  b:\n    " +
			"image: app:1\n    profiles: [q]\n    ports: [\"127.0.0.1:80:80\"]\n"},
		{"one container name", "MZ104", "services:\n  a: {image: \"app:1\", container_name: same}\n  b: {image: \"app:1\", container_name: " +
			"same} # <-\n"},
		{"a name that another has by default", "MZ104",
			"services:\n  a: {image: \"app:1\"}\n  b: {image: \"app:1\", container_name: test-a} # <-\n"},
		{"echo", "MZ105", "services:\n  a:\n    image: app:1\n    healthcheck:\n      test: echo 'db.runCommand(\"ping\").ok' # <-\n"},
		{"true", "MZ105", "services:\n  a:\n    image: app:1\n    healthcheck:\n      test: [CMD, \"true\"] # <-\n"},
		{"colon", "MZ105", "services:\n  a:\n    image: app:1\n    healthcheck:\n      test: [CMD-SHELL, \":\"] # <-\n"},
		{"or true", "MZ105", "services:\n  a:\n    image: app:1\n    healthcheck:\n      test: curl -f http://localhost || true # <-\n"},
		{"exit 0", "MZ105", "services:\n  a:\n    image: app:1\n    healthcheck:\n      test: [CMD-SHELL, \"pg_isready; exit 0\"] # <-\n"},
		{"sh -c true", "MZ105", "services:\n  a:\n    image: app:1\n    healthcheck:\n      test: [CMD, sh, -c, \"true\"] # <-\n"},
		{"real checks", "", "services:\n  a: {image: \"app:1\", healthcheck: {test: \"echo ping | nc -w1 localhost 80\"}}\n  b: {image: " +
			"\"app:1\", healthcheck: {test: \"test \\\"$$(echo x)\\\" = x\"}}\n  c: {image: \"app:1\", healthcheck: {test: \"curl -f http://x || " +
			"exit 1\"}}\n  d: {image: \"app:1\", healthcheck: {test: \"echo srvr && true | nc x 1\"}}\n  e: {image: \"app:1\", healthcheck: " +
			"{test: [CMD, mysqladmin, ping]}}\n"},
		{"healthy without a check", "MZ106", "services:\n  a: {image: \"app:1\"}\n  b:\n    image: app:1\n    depends_on: {a: {condition: " +
			"service_healthy}} # <-\n"},
		{"healthy by a gate", "", "services:\n  a: {image: \"app:1\", gate: {tcp: 80}}\n  b:\n    image: app:1\n    depends_on: {a: " +
			"{condition: service_healthy}}\n"},
		{"latest", "MZ107", "services:\n  a:\n    image: app:latest # <-\n"},
		{"no tag", "MZ107", "services:\n  a:\n    image: localhost:5000/app # <-\n"},
		{"digest", "", "services:\n  a:\n    image: app@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\n"},
		{"public port", "MZ108", "services:\n  a:\n    image: app:1\n    ports:\n      - \"127.0.0.1:80:80\"\n      - \"81:81\" # <-\n"},
		{"fixed address without a subnet", "MZ109",
			"services:\n  a:\n    image: app:1\n    networks:\n      x:\n        ipv4_address: 10.9.0.5 # <-\nnetworks: {x: {}}\n"},
		{"fixed address beside the subnet", "MZ109",
			"services:\n  a:\n    image: app:1\n    networks:\n      x:\n        ipv4_address: 10.9.1.5 # <-\nnetworks: {x: {ipam: {config: " +
				"[{subnet: 10.9.0.0/24}]}}}\n"},
		{"fixed address in the subnet", "", "services:\n  a:\n    image: app:1\n    networks:\n      x:\n        ipv4_address: " +
			"10.9.0.5\nnetworks: {x: {ipam: {config: [{subnet: 10.9.0.0/24}]}}}\n"},
		{"one fixed address", "MZ109", "services:\n  a:\n    image: app:1\n    networks: {x: {ipv4_address: 10.9.0.5}}\n  b:\n    image: " +
			"app:1\n    networks:\n      x:\n        ipv4_address: 10.9.0.5 # <-\nnetworks: {x: {ipam: {config: [{subnet: 10.9.0.0/24}]}}}\n"},
		{"parameter of an interface", "MZ110", "services:\n  a:\n    image: app:1\n    sysctls:\n      net.ipv4.conf.eth0.log_martians: \"1\" " +
			"# <-\n"},
		{"parameter of all interfaces", "", "services:\n  a:\n    image: app:1\n    sysctls: {net.ipv4.conf.all.log_martians: \"1\"}\n"},
		{"anonymous volume", "MZ111", "services:\n  a:\n    image: app:1\n    volumes: [/data] # <-\n"},
		{"reserved label", "MZ112", "services:\n  a:\n    image: app:1\n    labels:\n      midaz.stack: other # <-\n"},
		{"job that restarts", "MZ113", "jobs:\n  a:\n    image: app:1\n    restart: always # <-\n"},
		{"completed service", "MZ114", "services:\n  a: {image: \"app:1\"}\n  b:\n    image: app:1\n    depends_on:\n      a: {condition: " +
			"service_completed_successfully} # <-\n"},
		{"healthy job", "MZ114", "services:\n  b:\n    image: app:1\n    depends_on:\n      a: {condition: service_healthy} # <-\njobs:\n  a: " +
			"{image: \"app:1\"}\n"},
		{"service and job", "MZ116", "services:\n  a: {image: \"app:1\"}\njobs:\n  a: {image: \"app:1\"} # <-\n"},
		{"two databases", "MZ117", "services:\n  a: {image: \"postgres:17\", volumes: [\"x:/d\"]}\n  b:\n    image: postgres:17\n    volumes: " +
			"[\"x:/d\"] # <-\nvolumes: {x: {}}\n"},
		{"no image", "MZ118", "services:\n  a: {command: x} # <-\n"},
		{"file under a tmpfs", "MZ119", "services:\n  a:\n    image: app:1\n    tmpfs: /run\n    files:\n      - {content: x, target: " +
			"/run/a/b} # <-\n"},
		{"file in a read-only mount", "MZ119", "services:\n  a:\n    image: app:1\n    volumes: [\"x:/etc/app:ro\"]\n    files:\n      - " +
			"{content: x, target: /etc/app/b} # <-\nvolumes: {x: {}}\n"},
		{"file in a read-only container", "MZ119", "services:\n  a:\n    image: app:1\n    read_only: true\n    files:\n      - {content: x, " +
			"target: /b} # <-\n"},
		{"file in a volume of a read-only container", "",
			"services:\n  a:\n    image: app:1\n    read_only: true\n    volumes: [\"x:/etc/app\"]\n    files:\n      - {content: x, target: " +
				"/etc/app/b}\nvolumes: {x: {}}\n"},
		{"literal password", "MZ025", "services:\n  a:\n    image: app:1\n    environment:\n      DB_PASSWORD: hunter2 # <-\n"},
		{"literal password in a list", "MZ025", "services:\n  a:\n    image: app:1\n    environment:\n      - API_KEY=hunter2 # <-\n"},
		{"no password", "", "services:\n  a:\n    image: app:1\n    environment: {PASSWORD_FILE: /run/x, ALLOW_EMPTY_PASSWORD: \"yes\", " +
			"DB_PASSWORD: \"\", TOKEN_URL: \"http://x\", X_TOKEN: /run/token}\n"},
		{"variable of the shell", "MZ021", "services:\n  a:\n    image: app:1\n    environment:\n      - HOME # <-\n"},
		{"empty command", "MZ021", "services:\n  a:\n    image: app:1\n    command: [] # <-\n"},
		{"empty command with an entrypoint", "", "services:\n  a:\n    image: app:1\n    entrypoint: /x\n    command: []\n"},
		{"refused key", "MZ023", "services:\n  a:\n    image: app:1\n    extends: {service: b} # <-\n"},
		{"refused key inside", "MZ023", "services:\n  a:\n    image: app:1\n    deploy:\n      replicas: 3 # <-\n"},
		{"unknown key", "MZ022", "services:\n  a:\n    image: app:1\n    enviroment: {} # <-\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, ps := declared(t, strings.ReplaceAll(c.spec, " # <-", ""))
			// Only what the case is about: incidental other problems are not hidden
			// where nothing is expected.
			if c.code == "" {
				for _, p := range ps {
					t.Errorf("unexpected: %v", p)
				}
				return
			}
			line := 1 + strings.Count(c.spec[:strings.Index(c.spec, "# <-")], "\n")
			i := slices.IndexFunc(ps, func(p *specs.Problem) bool { return p.Rule.Code == c.code && p.Pos.Line == line })
			if i < 0 {
				t.Fatalf("%s is not reported at line %d: %v", c.code, line, ps)
			}
			if ps[i].Hint == "" && c.code != "MZ023" {
				t.Errorf("no hint: %v", ps[i])
			}
		})
	}
}

// TestRulesExplain asks each rule of services for an explanation with an example.
func TestRulesExplain(t *testing.T) {
	for _, r := range serviceRules {
		if r.Code < "MZ100" || r.Code > "MZ149" || r.Title == "" || len(r.Explain) < 80 {
			t.Errorf("%s: %q", r.Code, r.Title)
		}
		if n := slices.IndexFunc(serviceRules, func(o *specs.Rule) bool { return o.Code == r.Code }); serviceRules[n] != r {
			t.Errorf("%s stands twice", r.Code)
		}
	}
}

// TestTooNew refuses keys that the engine would drop.
func TestTooNew(t *testing.T) {
	for _, c := range []struct {
		fields, api string
		want        bool
	}{
		{"annotations: {a: b}", "1.42", true},
		{"annotations: {a: b}", "1.43", false},
		{"healthcheck: {test: x, start_period: 1s, start_interval: 1s}", "1.43", true},
		{"healthcheck: {test: x, start_period: 1s, start_interval: 1s}", "1.44", false},
		{"networks: {default: {gw_priority: 1}}", "1.47", true},
		{"networks: {default: {gw_priority: 0}}", "1.47", false},
		{"networks: {a: {mac_address: \"02:42:ac:11:65:43\"}, b: {}}", "1.43", false},
		{"networks: {b: {mac_address: \"02:42:ac:11:65:43\"}, a: {}}", "1.43", true},
		{"networks: {b: {mac_address: \"02:42:ac:11:65:43\", priority: 1}, a: {}}", "1.43", false},
		{"networks: {b: {mac_address: \"02:42:ac:11:65:43\"}, a: {}}", "1.44", false},
		{"volumes: [{type: volume, source: x, target: /x, volume: {subpath: a}}]", "1.44", true},
		{"volumes: [{type: bind, source: /x, target: /x, read_only: true, bind: {recursive: readonly}}]", "1.43", true},
	} {
		r, _ := one(t, "service", "image: app:1\n"+c.fields)
		ps := tooNew([]*resources.Resource{r}, newModel(c.api).facts())
		if (len(ps) > 0) != c.want {
			t.Errorf("%s on %s: %v", c.fields, c.api, ps)
		}
		for _, p := range ps {
			if p.Pos.Line != 2 {
				t.Errorf("%v is not at line 2", p)
			}
		}
	}
}
