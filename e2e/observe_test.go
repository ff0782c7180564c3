//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
)

// planned is what a plan says of a change, whoever makes it.
type planned struct {
	Address string `json:"address"`
	Change  struct {
		Actions      []string `json:"actions"`
		ReplacePaths [][]any  `json:"replace_paths"`
	} `json:"change"`
	Midaz struct {
		Reason      string              `json:"reason"`
		Order       string              `json:"order"`
		OrderReason string              `json:"order_reason"`
		Impact      []map[string]string `json:"impact"`
		Fields      []struct {
			Path  string `json:"path"`
			Drift bool   `json:"drift"`
		} `json:"fields"`
	} `json:"midaz"`
}

// What was recorded is planned against as the world itself, by somebody who has
// neither the engine nor the secret.
func TestObservation_must_hold_no_secret_and_plan_as_the_world_does(t *testing.T) {
	t.Parallel()
	const secret = "canary-Kp83hWq2"
	const spec = `
		variables:
		  PW: { sensitive: true }
		  SIZE: { default: 64m }
		networks: { net: {} }
		volumes: { data: { protect: false }, gone: { protect: false } }
		services:
		  a:
		    image: TINY
		    networks: [net]
		    ports: ["127.0.0.1:PORT1:80"]
		    environment: { PASSWORD: "${PW}", URL: "amqp://user:${PW}@host/", PLAIN: x }
		    labels: { token: "${PW}" }
		    mem_limit: "${SIZE}"
		    volumes: ["data:/data"]
		    files: [{ content: "one\n${PW}\n", target: /secret }]
		  b:
		    image: TINY
		    mem_limit: 64m
		    environment: { A: "1" }
		    volumes: ["gone:/gone"]
		  built:
		    image: STACK/built
		    build: { context: build }
		`
	s := newStack(t, spec)
	s.write("build/Dockerfile", "FROM TINY\nLABEL a=b\n")
	with, without := append(slices.Clone(s.env), "PW="+secret, "SIZE=96m"), append(slices.Clone(s.env), "DOCKER_HOST=unix:///nowhere.sock")
	observe := func() {
		t.Helper()
		s.env = with
		s.exits(0, "observe", "-out", "observed.json").says("without secrets")
		text, err := os.ReadFile(filepath.Join(s.dir, "observed.json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{secret, "stranger"} {
			if strings.Contains(string(text), part) {
				t.Errorf("%q is in the observation", part)
			}
		}
	}
	same := func(what string, code int) []planned {
		t.Helper()
		var seen, told struct {
			Changes  []planned        `json:"resource_changes"`
			Refusals []map[string]any `json:"refusals"`
		}
		s.env = with
		s.exits(code, "plan", "-json").json(&seen)
		s.env = without
		s.exits(code, "plan", "-json", "-observed", "observed.json").json(&told)
		for _, r := range slices.Concat(seen.Refusals, told.Refusals) {
			delete(r, "source") // where it was declared is known to the observation only
		}
		if !reflect.DeepEqual(seen.Refusals, told.Refusals) {
			t.Errorf("%s: the world refuses\n%v\nand its observation\n%v", what, seen.Refusals, told.Refusals)
		}
		for i := range seen.Changes {
			if i >= len(told.Changes) || !reflect.DeepEqual(seen.Changes[i], told.Changes[i]) {
				t.Errorf("%s: the world says\n%+v\nand its observation\n%+v", what, seen.Changes, told.Changes)
				break
			}
		}
		return told.Changes
	}

	s.env = with
	s.apply()
	observe()
	same("nothing", 0)
	s.env = without
	s.exits(0, "plan", "-observed", "observed.json").says("No changes. Your infrastructure matches the configuration.")

	if _, err := docker.ContainerUpdate(t.Context(), s.container("b").ID, container.UpdateConfig{
		Resources: container.Resources{Memory: 128 << 20, MemorySwap: 256 << 20},
	}); err != nil {
		t.Fatal(err)
	}
	if code, out, err := execIn(s.name+"-a", "/tiny", "append", "/secret", "stranger"); err != nil || code != 0 {
		t.Fatalf("%d %v %s", code, err, out)
	}
	observe()
	if changes := same("by hand", 0); !slices.ContainsFunc(changes, func(c planned) bool {
		return c.Address == "service/b" &&
			c.Change.Actions[0] == "update"
	}) {
		t.Errorf("%+v", changes)
	}

	s.write("midaz.infra.yaml", strings.NewReplacer("PLAIN: x", "PLAIN: y",
		`A: "1"`, `A: "2"`, ", gone: { protect: false }", "", `volumes: ["gone:/gone"]`, "cpus: 0.5").Replace(spec))
	s.write("build/Dockerfile", "FROM TINY\nLABEL a=c\n")
	same("another spec", 7) // everything in the volume is lost
}
