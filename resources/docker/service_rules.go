package docker

import (
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// Rules of services and jobs. Codes MZ100 to MZ149.
var (
	ruleFile = &specs.Rule{Code: "MZ100", Severity: specs.Error, Title: "file cannot be read",
		Explain: "A file that the spec names (`env_file`, a source under `files`, a seccomp profile) is missing, unreadable or too large, so " +
			"the container could not be made as described. Relative paths start at the folder of the spec file that names " +
			"them.\n\n```yaml\nfiles:\n  - { source: postgres/init.sql, target: /docker-entrypoint-initdb.d/init.sql }\n```"}
	ruleTogether = &specs.Rule{Code: "MZ101", Severity: specs.Error, Title: "keys that exclude each other",
		Explain: "The engine takes only one of these keys, or one of them makes the other meaningless: `cpus` and `cpu_quota`, `networks` and " +
			"`network_mode`, published ports on the host's network.\n\n```yaml\ncpus: 0.5          # and not also cpu_quota\n```"}
	ruleMissing = &specs.Rule{Code: "MZ102", Severity: specs.Error, Title: "key missing beside another",
		Explain: "One key does nothing, or is refused by the engine, without the other: `memswap_limit` without `mem_limit`, `start_interval` " +
			"without `start_period`.\n\n```yaml\nmem_limit: 512m\nmemswap_limit: 1g\n```"}
	rulePortClash = &specs.Rule{Code: "MZ103", Severity: specs.Error, Title: "two services publish the same port",
		Explain: "A port of the host can be bound once for each address. The second container would not start, and this shows only when it " +
			"does. An address of 0.0.0.0, or none, takes the port on all addresses.\n\n```yaml\nservices:\n  a: { ports: [\"127.0.0.1:8080:80\"] " +
			"}\n  b: { ports: [\"127.0.0.1:8081:80\"] }\n```"}
	ruleNameClash = &specs.Rule{Code: "MZ104", Severity: specs.Error, Title: "two containers have the same name",
		Explain: "A name is given once on an engine. Two services with one `container_name` could never both exist. Leave the key out: the " +
			"name is then STACK-SERVICE."}
	ruleBlindCheck = &specs.Rule{Code: "MZ105", Severity: specs.Warning, Title: "health check that cannot fail",
		Explain: "A check that always succeeds says nothing: what depends on the service starts before it works, and a broken service stays " +
			"\"healthy\". Ask the service itself.\n\n```yaml\nhealthcheck:\n  test: [CMD-SHELL, \"pg_isready -U postgres\"]     # not: echo ok, " +
			"true, or ... || true\n```"}
	ruleNoCheck = &specs.Rule{Code: "MZ106", Severity: specs.Warning, Title: "waiting for health without a health check",
		Explain: "Something waits for this service with `service_healthy`, and the spec gives it neither a health check nor a gate. If its " +
			"image has no check of its own, running for a second counts as healthy.\n\n```yaml\nhealthcheck: { test: [CMD, pg_isready], " +
			"interval: 10s }\n# or\ngate: { tcp: 5432 }\n```"}
	ruleLatest = &specs.Rule{Code: "MZ107", Severity: specs.Warning, Title: "image without a fixed version",
		Explain: "`latest`, or no tag at all, means whatever was newest when each machine fetched it: two machines run different software, " +
			"and an upgrade happens by accident. Name a version.\n\n```yaml\nimage: postgres:17\n```"}
	rulePublicPort = &specs.Rule{Code: "MZ108", Severity: specs.Warning, Title: "port open to every machine",
		Explain: "Without a host address a port is published on all of the host's addresses, and Docker opens the firewall for it. Bind it to " +
			"127.0.0.1 where only this machine needs it; containers on one network need no published port at all. Write 0.0.0.0 and silence this " +
			"rule with a reason where other machines must reach it.\n\n```yaml\nports: [\"127.0.0.1:5432:5432\"]\n```"}
	ruleStaticAddress = &specs.Rule{Code: "MZ109", Severity: specs.Error, Title: "fixed address that its network cannot hold",
		Explain: "A fixed address needs a network with a declared subnet that holds it, and no two services can have the same one. The engine " +
			"notices only when the container starts.\n\n```yaml\nnetworks:\n  infra: { ipam: { config: [{ subnet: 172.30.0.0/24 }] } " +
			"}\nservices:\n  db: { networks: { infra: { ipv4_address: 172.30.0.10 } } }\n```"}
	ruleInterfaceSysctl = &specs.Rule{Code: "MZ110", Severity: specs.Error, Title: "kernel parameter of one interface",
		Explain: "Engines from 27 on move parameters of a single interface (`net.ipv4.conf.eth0...`) elsewhere or refuse them, so they would " +
			"differ for ever. Set them for the endpoint.\n\n```yaml\nnetworks:\n  infra:\n    driver_opts:\n      " +
			"com.docker.network.endpoint.sysctls: net.ipv4.conf.IFNAME.log_martians=1\n```"}
	ruleAnonymousVolume = &specs.Rule{Code: "MZ111", Severity: specs.Warning, Title: "anonymous volume",
		Explain: "A mount without a source gets a volume without a name: nobody finds its data again once the container is replaced by hand, " +
			"and it is left behind when the stack goes. Name the volume.\n\n```yaml\nvolumes: [\"data:/var/lib/data\"]\n```"}
	ruleReservedLabel = &specs.Rule{Code: "MZ112", Severity: specs.Error, Title: "reserved label",
		Explain: "Labels that begin with `midaz.` tell what belongs to which stack. Written by hand they would make one stack's container " +
			"look like another's."}
	ruleRestartOfJob = &specs.Rule{Code: "MZ113", Severity: specs.Error, Title: "job that restarts for ever",
		Explain: "A job is done when it has ended with 0. With `restart: always` or `unless-stopped` the engine starts it again each time, so " +
			"it never is.\n\n```yaml\nrestart: on-failure:3\n```"}
	ruleDependency = &specs.Rule{Code: "MZ114", Severity: specs.Error, Title: "dependency that can never be met",
		Explain: "`service_completed_successfully` waits for a container that ends: a job. `service_healthy` waits for one that keeps " +
			"running: a service. A service cannot wait for itself.\n\n```yaml\ndepends_on:\n  postgres:      { condition: service_healthy }\n  " +
			"postgres-init: { condition: service_completed_successfully }\n```"}
	ruleTooNew = &specs.Rule{Code: "MZ115", Severity: specs.Error, Title: "key that this engine does not have",
		Explain: "The engine is older than the key. Old engines drop such keys without a word, so the container would not be what the spec " +
			"says. Update Docker, or leave the key out."}
	ruleSharedName = &specs.Rule{Code: "MZ116", Severity: specs.Error, Title: "service and job of one name",
		Explain: "`depends_on` and the names on the engine speak of services and jobs alike, so a name can be given to only one of them."}
	ruleWriters = &specs.Rule{Code: "MZ117", Severity: specs.Warning, Title: "two databases write one volume",
		Explain: "Two services run the same image and mount the same volume for writing at the same place. Servers that keep data destroy it " +
			"when two of them write it at a time. Give each its own volume, or mount it read-only.\n\n```yaml\nvolumes: " +
			"[\"data:/var/lib/data:ro\"]\n```"}
	ruleNotWhole = &specs.Rule{Code: "MZ118", Severity: specs.Error, Title: "nothing to run",
		Explain: "A service or job needs an image: name one with `image`, or build it with `build`."}
	ruleFileOnTmpfs = &specs.Rule{Code: "MZ119", Severity: specs.Error, Title: "file placed where it cannot be",
		Explain: "Files are placed in the container before it starts. Under a tmpfs they would be hidden at start, under a read-only mount " +
			"and in a container with `read_only: true` the engine refuses them. Place them elsewhere, or mount a volume there."}
	ruleUntaken = &specs.Rule{Code: "MZ120", Severity: specs.Warning, Title: "value that the engine did not take",
		Explain: "The engine accepted the container and shows another value for this field than it was asked for: its host cannot do it, or " +
			"it leaves it out without a word. So it does not hold. It is no drift, and a new container would not change it. Leave the key out, " +
			"or run the stack on a host that can (a kernel with the controller, another version of Docker)."}
	ruleNodeName = &specs.Rule{Code: "MZ121", Severity: specs.Warning, Title: "broker whose node name changes",
		Explain: "RabbitMQ keeps its data in a folder that is named after its node, and the node is named after the container's host name. " +
			"Without `hostname` each new container has another one: the broker then starts empty beside its old data, and queues, users and " +
			"messages seem to be lost. Give the service a fixed `hostname`, or a `RABBITMQ_NODENAME` with an @. For a broker that has data " +
			"already, write the host name that it has now (`docker inspect -f '{{.Config.Hostname}}' CONTAINER`): the plan of its replacement " +
			"names it, too.\n\n```yaml\nservices:\n  rabbitmq:\n    image: rabbitmq:4.1.6\n    hostname: rabbitmq\n    volumes: " +
			"[\"rabbitmq-data:/var/lib/rabbitmq\"]\n```"}
	ruleUnpublished = &specs.Rule{Code: "MZ126", Severity: specs.Error, Title: "published port that no network leads to",
		Explain: "The engine publishes ports only through a network with a way out. A service whose networks are all `internal: true` starts " +
			"without its ports, and nothing says so. Add a network that is not internal, or remove the ports: containers on the same network " +
			"need none.\n\n```yaml\nnetworks:\n  backend: { internal: true }\n  edge: {}\nservices:\n  web: { networks: [backend, edge], ports: " +
			"[\"127.0.0.1:8080:80\"] }\n```"}
)

var serviceRules = []*specs.Rule{ruleFile, ruleTogether, ruleMissing, rulePortClash, ruleNameClash, ruleBlindCheck, ruleNoCheck, ruleLatest,
	rulePublicPort,
	ruleStaticAddress, ruleInterfaceSysctl, ruleAnonymousVolume, ruleReservedLabel, ruleRestartOfJob, ruleDependency, ruleTooNew,
	ruleSharedName, ruleWriters,
	ruleNotWhole, ruleFileOnTmpfs, ruleUntaken, ruleNodeName, ruleUnpublished}

// Rules returns the rules of services and jobs; the kind `job` has no others.
func (k containerKind) Rules() []*specs.Rule {
	if k.name == "job" {
		return nil
	}
	return serviceRules
}

var _ resources.Ruled = containerKind{}
