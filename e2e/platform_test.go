//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

// stageFiles are an image that has every program that the platform's Compose
// file starts, each of which does nothing for as long as it may.
const stageFiles = `FROM midaz-debian/base:trixie
RUN useradd postgres; \
    for name in mongod redis-server postgres redpanda server; do printf '#!/bin/sh\nexec sleep 1000000\n' > /usr/local/bin/$name; done; \
    for name in pg_isready psql; do printf '#!/bin/sh\nexit 0\n' > /usr/local/bin/$name; done; \
    printf '#!/bin/sh\ncase "$1" in cluster) echo Healthy: true;; topic) exit 0;; *) exec sleep 1000000;; esac\n' > /usr/local/bin/rpk; \
    printf '#!/bin/sh\ncase "$1" in status|secrets) exit 0;; *) exec sleep 1000000;; esac\n' > /usr/local/bin/vault; \
    chmod +x /usr/local/bin/*
CMD ["server"]
`

// The platform's own Compose file, which is not part of this project, starts a
// stack; it becomes a spec, and the spec takes the stack over as it runs. Only
// what two tests on one machine cannot share is changed: images, names, ports.
func TestAdopt_the_platforms_own_stack_without_a_restart(t *testing.T) {
	t.Parallel()
	from := os.Getenv("MIDAZ_UPSTREAM")
	if from == "" {
		t.Skip("MIDAZ_UPSTREAM does not name a copy of components/infra of LerianStudio/midaz")
	}
	text, err := os.ReadFile(filepath.Join(from, "docker-compose.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Services map[string]struct{ Ports []string }
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	s := newStack(t, "")
	s.sweepProject()
	if err := os.CopyFS(s.dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	image := s.name + "-stage"
	build := exec.CommandContext(t.Context(), "docker", "build", "-q", "-t", image, "-")
	build.Stdin = strings.NewReader(stageFiles)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the image: %v\n%s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("docker", "rmi", "-f", image).Run() })

	over := "services:\n"
	for name, service := range file.Services {
		over += fmt.Sprintf("  %s:\n    image: %s\n    container_name: %s-%s\n", name, image, s.name, name)
		for _, p := range service.Ports {
			if port, ok := strings.CutSuffix(p, ":"+p[strings.LastIndex(p, ":")+1:]); ok && !strings.Contains(p, "$") {
				over += fmt.Sprintf("    ports: !override [\"127.0.0.1:%d:%s\"]\n", s.port(name+p), port)
			}
		}
	}
	over += "networks: { infra-network: { name: " + s.name + "-infra } }\n"
	env, err := os.ReadFile(filepath.Join(from, "env.example"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"docker-compose.override.yml": over,
		".env": regexp.MustCompile(`(?m)^(\w*PORT\w*)=\d+$`).ReplaceAllStringFunc(string(env), func(line string) string {
			name, _, _ := strings.Cut(line, "=")
			return fmt.Sprintf("%s=%d", name, s.port(name))
		}),
		// What the Compose file mounts and the copy does not hold.
		"mongo/mongo-keyfile": "key\n", "mongo/mongo.sh": "exit 0\n", "postgres/init.sql": "SELECT 1;\n", "grafana/run-grafana.sh": "exit 0\n",
		"rabbitmq/etc/definitions.json": "{}\n", "rabbitmq/etc/rabbitmq.conf": "\n",
	} {
		s.write(name, text)
	}
	s.setenv("HOME", s.dir)
	s.setenv("COMPOSE_PROJECT_NAME", s.name)
	s.compose("up", "-d")
	eventually(t, time.Minute, func() error {
		for name := range file.Services {
			if strings.HasSuffix(name, "-init") && inspect(t, s.name+"-"+name).State.Running {
				return fmt.Errorf("%s has not ended", name)
			}
		}
		return nil
	})
	before := s.running()
	if len(before) != len(file.Services) {
		t.Fatalf("%d containers run: %v", len(before), before)
	}
	s.exits(0, "import", "compose", "-out", "midaz.infra.yaml", "-env-out", ".env.midaz")
	s.exits(0, "validate")
	s.exits(0, "apply", "-auto-approve", "-adopt", "*").says("0 added, ", "0 destroyed").saysNot("forces replacement")
	if now := s.running(); !slices.Equal(now, before) {
		t.Errorf("containers are others, or were started again:\n%s\nbefore:\n%s", strings.Join(now, "\n"), strings.Join(before, "\n"))
	}
	s.converged()
	s.exits(0, "drift")
}
