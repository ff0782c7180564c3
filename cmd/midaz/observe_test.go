package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/brokertest"
)

const observedSpec = `version: "1"
stack: shop
variables:
  PW: { sensitive: true }
  ADMIN: { sensitive: true }
services:
  rabbitmq: { image: "rabbitmq:4.1", environment: { PASS: "${PW}" } }
rabbitmq:
  service: rabbitmq
  management: { username: midaz, password: "${ADMIN}" }
  users:
    app: { password: "${PW}", tags: [] }
  vhosts:
    /:
      permissions: { app: { configure: "^$", write: ".*", read: ".*" } }
      exchanges: { events: { type: topic } }
      queues:
        orders: { type: quorum }
        rest: { type: classic }
      bindings:
        - { source: events, queue: orders, routing_key: "a.#" }
      policies:
        ttl: { pattern: "^orders$", apply_to: queues, definition: { message-ttl: 1000 } }
      parameters:
        shovel: { s: { value: { src-uri: "amqp://app:${PW}@h", src-queue: orders, dest-uri: "amqp://h", dest-queue: rest } } }
`

// TestObservedSettingsNotInForce: what a policy, a topic permission, or a plugin
// that is off keeps from being in force is drift of a recording as well, as long as
// it is still declared.
func TestObservedSettingsNotInForce(t *testing.T) {
	t.Parallel()
	r := newReading(t)
	r.write("midaz.infra.yaml", observedSpec)
	r.write("values", "PW=canary-Wq82LmZx\nADMIN=s3cret-management\n")
	if out := r.run("midaz up -json -env-file values"); r.status != 0 {
		t.Fatal(out)
	}
	outside := &brokertest.Client{URL: r.broker.URL(), Username: r.broker.Username, Password: r.broker.Password}
	outside.Do(t, "PUT", "/api/policies/%2F/outside", `{"pattern":".*","apply-to":"queues","priority":9,"definition":{"message-ttl":5}}`)
	outside.Do(t, "PUT", "/api/topic-permissions/%2F/app", `{"exchange":"events","write":"^paid$","read":".*"}`)
	r.broker.DisabledPlugins = []string{"rabbitmq_shovel"}
	if out := r.run("midaz observe -env-file values -out observed.json"); r.status != 0 {
		t.Fatal(out)
	}
	drifted := func(command string) []string {
		out := r.run(command + " 2>/dev/null")
		var plan struct {
			Drift []struct {
				Address string
				Midaz   struct{ Fields []struct{ Path string } }
			} `json:"resource_drift"`
		}
		if err := json.Unmarshal([]byte(out), &plan); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
		var all []string
		for _, d := range plan.Drift {
			for _, f := range d.Midaz.Fields {
				all = append(all, d.Address+" "+f.Path)
			}
		}
		slices.Sort(all)
		return all
	}
	seen, told := "midaz plan -json -env-file values", "DOCKER_HOST=unix:///nowhere.sock midaz plan -json -observed observed.json"
	for spec, want := range map[string][]string{
		observedSpec: {"parameter/%2F/shovel/s plugin", "permission/%2F/app write", "policy/%2F/ttl definition.message-ttl"},
		strings.NewReplacer("message-ttl: 1000", "max-length: 5", `write: ".*"`,
			`write: "^events$"`).Replace(observedSpec): {"parameter/%2F/shovel/s plugin"},
		observedSpec[:strings.Index(observedSpec, "      parameters:")]: {"permission/%2F/app write", "policy/%2F/ttl definition.message-ttl"},
	} {
		r.write("midaz.infra.yaml", spec)
		if got := drifted(told); !slices.Equal(got, want) {
			t.Errorf("the recording has %q, want %q, of\n%s", got, want, spec)
		}
		if spec != observedSpec {
			continue
		}
		if got := drifted(seen); !slices.Equal(got, want) {
			t.Errorf("the broker has %q, want %q", got, want)
		}
	}
}

// TestObservedBroker plans changes of a topology against the broker and against
// a recording of it: both say the same.
func TestObservedBroker(t *testing.T) {
	t.Parallel()
	r := newReading(t)
	const secret = "canary-Wq82LmZx"
	r.write("midaz.infra.yaml", observedSpec)
	r.write("values", "PW="+secret+"\nADMIN=s3cret-management\n")
	if out := r.run("midaz up -json -env-file values && midaz observe -env-file values -out observed.json"); r.status != 0 {
		t.Fatal(out)
	}
	text, err := os.ReadFile(filepath.Join(r.dir, "observed.json"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), secret) {
		t.Errorf("the secret is in the observation:\n%s", text)
	}
	if rec, err := engine.ParseRecording(text); err != nil || len(rec.Objects) < 12 {
		t.Errorf("%v\n%s", err, text)
	}
	for name, spec := range map[string]string{
		"nothing": observedSpec,
		"changed": strings.NewReplacer("type: topic", "type: direct", "rest: { type: classic }", "rest: { type: quorum }", "message-ttl: 1000",
			"message-ttl: 2000", "a.#", "b.#").Replace(observedSpec),
		"removed": strings.NewReplacer("        rest: { type: classic }\n", "", "dest-queue: rest", "dest-queue: orders",
			`    app: { password: "${PW}", tags: [] }`, `    app: { password: "${PW}", tags: [monitoring] }`).Replace(observedSpec),
		"refused": strings.Replace(observedSpec, "type: quorum", "type: classic, on_change: refuse", 1),
	} {
		r.write("midaz.infra.yaml", spec)
		var seen, told map[string]any
		for into, command := range map[*map[string]any]string{
			&seen: "midaz plan -json -env-file values", &told: "DOCKER_HOST=unix:///nowhere.sock midaz plan -json -observed observed.json",
		} {
			out := r.run(command + " 2>/dev/null")
			if err := json.Unmarshal([]byte(out), into); err != nil {
				t.Fatalf("%s: %v\n%s", command, err, out)
			}
		}
		for _, key := range []string{"summary", "dangers", "refusals"} {
			if !reflect.DeepEqual(seen[key], told[key]) {
				t.Errorf("%s: the broker's %s are\n%v\nand its observation's\n%v", name, key, seen[key], told[key])
			}
		}
		for i, c := range seen["resource_changes"].([]any) {
			is, was := c.(map[string]any), told["resource_changes"].([]any)[i].(map[string]any)
			for _, key := range []string{"address", "action_reason"} {
				if is[key] != was[key] {
					t.Errorf("%s: %v and %v", name, is[key], was[key])
				}
			}
			isOurs, wasOurs := is["midaz"].(map[string]any), was["midaz"].(map[string]any)
			for _, key := range []string{"impact", "notes", "reason"} {
				if !reflect.DeepEqual(isOurs[key], wasOurs[key]) {
					t.Errorf("%s: %s of %v: %v and %v", name, key, is["address"], isOurs[key], wasOurs[key])
				}
			}
		}
		if name == "nothing" && told["applyable"] != false {
			t.Error("there is something to do")
		}
	}
}
