package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/app"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/cli"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/render"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// canary is the value of a sensitive variable, stranger what somebody put in
// its place on the engine. Neither may appear anywhere.
const (
	canary   = "canary-Xq7vZp93Lw"
	stranger = "stranger-Jm4tRk28Yb"
)

// TestCanary sends a secret through every output.
func TestCanary(t *testing.T) {
	outputs := map[string]string{}
	add := func(name, text string) { outputs[name] = text }
	fakeOutputs(t, add)
	realOutputs(t, add)
	if len(outputs) < 40 {
		t.Errorf("only %d outputs were looked at", len(outputs))
	}
	for _, name := range slices.Sorted(maps.Keys(outputs)) {
		for _, secret := range []string{canary, stranger} {
			for form, text := range map[string]string{"plain": secret, "hex": hex.EncodeToString([]byte(secret)), "part": secret[:len(secret)-4]} {
				if strings.Contains(outputs[name], text) {
					t.Errorf("%s: the secret shows (%s):\n%s", name, form, outputs[name])
				}
			}
		}
	}
}

const canarySpec = `version: "1"
stack: test
variables:
  CANARY: { sensitive: true, description: A password }
boxes:
  a: { secret: "${CANARY}", text: "before ${CANARY} after" }
  b: { tags: { password: "${CANARY}" }, list: ["x", "${CANARY}"], needs: [box/a] }
  c: { size: "${CANARY}", colour: ["${CANARY}"] }
crates:
  broken: { text: "${CANARY}", ready: false }
`

// fakeOutputs runs every command on the fake world.
func fakeOutputs(t *testing.T, add func(name, text string)) {
	dir := t.TempDir()
	t.Chdir(dir)
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	call := func(name string, args ...string) {
		var out, errs bytes.Buffer
		sys := fakeSystem()
		sys.Stdin, sys.Stdout, sys.Stderr = strings.NewReader(""), &out, &errs
		status := cli.Run(context.Background(), append(args, "-var", "CANARY="+canary), sys)
		add(name+" stdout", out.String())
		add(name+" stderr", errs.String())
		if out.Len()+errs.Len() == 0 {
			t.Errorf("%s printed nothing (status %d)", name, status)
		}
	}
	write(cli.DefaultSpec, canarySpec)
	call("invalid", "validate")
	call("invalid json", "validate", "-json")
	write(cli.DefaultSpec, strings.Replace(canarySpec, `  c: { size: "${CANARY}", colour: ["${CANARY}"] }`+"\n", "", 1))
	call("validate", "validate")
	call("plan", "plan")
	call("plan json", "plan", "-json")
	call("graph", "graph")
	call("graph plan", "graph", "-plan", "-format", "dot")
	call("graph page", "graph", "-format", "html")
	call("plan page", "plan", "-format", "html")
	call("info", "info")
	call("ps", "ps", "-json")
	t.Setenv("CRASH_AT", "2")
	call("crash", "apply", "-auto-approve", "-report", "crash.html")
	t.Setenv("CRASH_AT", "")
	page, err := os.ReadFile("crash.html")
	if err != nil {
		t.Fatal(err)
	}
	add("report of a crash", string(page))
	call("apply", "apply", "-auto-approve")
	call("apply json", "apply", "-auto-approve", "-json")
	call("env", "env", "-out", "x.env")

	// Somebody puts another secret in its place.
	world, err := os.ReadFile("world.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(world, []byte(canary)) {
		t.Fatalf("the fake world never got the secret:\n%s", world)
	}
	write("world.yaml", strings.ReplaceAll(string(world), canary, stranger))
	call("drift", "drift")
	call("drift json", "drift", "-json")
	call("observe", "observe")
	call("observed", "observe", "-out", "observed.json")
	call("plan observed", "plan", "-observed", "observed.json", "-json")
	call("plan of drift", "plan")
	call("plan of drift json", "plan", "-json")
	// It is no longer declared, and then nothing is.
	write(cli.DefaultSpec, "version: \"1\"\nstack: test\nvariables: { CANARY: { sensitive: true } }\nboxes:\n  a: {}\n  b: { needs: "+
		"[box/a] }\n")
	call("undeclared", "plan", "-json")
	call("undeclared text", "plan")
	call("destroy", "destroy", "-auto-approve", "--volumes", "-confirm", "test", "-json")
}

const realCanarySpec = `version: "1"
stack: test
variables:
  CANARY: { sensitive: true }
services:
  rabbitmq:
    image: registry.test/rabbitmq:4
    command: [run, "--password=${CANARY}"]
    environment: { PASSWORD: "${CANARY}", URL: "amqp://user:${CANARY}@host" }
    labels: { token: "${CANARY}" }
    healthcheck: { test: [CMD-SHELL, "check ${CANARY}"] }
    files:
      - { content: "one\ntwo ${CANARY}\nthree\n", target: /secret }
rabbitmq:
  service: rabbitmq
  management: { username: midaz, password: "${CANARY}" }
  users:
    app: { password: "${CANARY}", tags: [] }
  vhosts:
    /:
      queues: { orders: { type: quorum } }
      permissions: { app: { configure: "^$", write: "^$", read: "^orders$" } }
`

// realOutputs plans with the real kinds against objects that hold a secret in
// plain text, as an engine shows it, and prints everything in every way.
func realOutputs(t *testing.T, add func(name, text string)) {
	kinds := app.RealWorld().Kinds()
	spec, problems := specs.Load(specs.Options{Files: []string{"-"}, Stdin: strings.NewReader(realCanarySpec),
		Vars: []string{"CANARY=" + canary}})
	declared, more := engine.Resolve(spec, kinds)
	problems = append(problems, more...)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	withheld, _ := specs.Load(specs.Options{Files: []string{"-"}, Stdin: strings.NewReader(realCanarySpec), KeepUnset: true, Withhold: true})
	bare, _ := engine.Resolve(withheld, kinds)
	add("problems", render.ProblemText(spec, problems, true)+render.JSONText(render.ProblemsJSON(problems)))
	for name, reveal := range map[string]func(string) string{
		"same":    func(s string) string { return s },
		"changed": func(s string) string { return strings.ReplaceAll(s, canary, stranger) },
	} {
		var seen []*resources.Observed
		for _, r := range declared.Resources {
			sealed := resources.Seal(r.Config)
			o := &resources.Observed{Addr: r.Addr, Presence: resources.Present, Stack: declared.Stack, ID: "1", Applied: &sealed,
				Have: resources.Config{}}
			for k, v := range r.Config {
				o.Have[k] = revealed(v, reveal)
			}
			seen = append(seen, o)
		}
		rec := engine.Record(declared, bare, engine.NewSeen(seen), time.Unix(0, 0), "1")
		add(name+" observation", string(rec.Encode()))
		again, err := engine.ParseRecording(rec.Encode())
		if err != nil {
			t.Fatal(err)
		}
		told, err := again.Seen(bare)
		if err != nil {
			t.Fatal(err)
		}
		replayed := engine.MakePlan(bare, told, engine.Options{})
		add(name+" observed plan", render.PlanText(replayed, false)+render.JSONText(render.PlanJSON(replayed, nil)))
		for _, c := range replayed.Changes {
			// What is as the spec says is so in the recording, by the name of the variable.
			live := engine.MakePlan(declared, engine.NewSeen(seen), engine.Options{})
			i := slices.IndexFunc(live.Changes, func(l *engine.Change) bool { return l.Addr == c.Addr })
			if i < 0 || live.Changes[i].Action != c.Action {
				t.Errorf("%s: %s: the plan against the recording would %s it: %v", name, c.Addr, c.Action, c.Delta)
			}
		}
		for what, plan := range map[string]*engine.Plan{
			"plan":    engine.MakePlan(declared, engine.NewSeen(seen), engine.Options{}),
			"destroy": engine.MakePlan(declared, engine.NewSeen(seen), engine.Options{Destroy: true}),
			"empty":   engine.MakePlan(resources.NewDeclared(spec, kinds, nil), engine.NewSeen(seen), engine.Options{AllowEmpty: true}),
		} {
			add(name+" "+what+" text", render.PlanText(plan, true))
			add(name+" "+what+" json", render.JSONText(render.PlanJSON(plan, nil)))
			add(name+" "+what+" page", render.PlanHTML(plan, nil))
			add(name+" "+what+" steps", plan.String())
			add(name+" "+what+" drift", render.DriftText(engine.FindDrift(plan), false)+
				render.JSONText(render.DriftJSON(engine.FindDrift(plan), nil)))
			add(name+" "+what+" graph", render.MermaidText(report.PlanPicture(plan))+render.DotText(report.PlanPicture(plan))+
				render.TreeText(report.PlanPicture(plan)))
			printed(name+" "+what, plan.Refusals, add)
			for _, c := range plan.Changes {
				printed(name+" "+what+" "+c.Addr.String()+" delta", c.Delta, add)
			}
		}
	}
	for _, r := range declared.Resources {
		printed(r.Addr.String(), r.Config, add)
		printed(r.Addr.String()+" sealed", resources.Seal(r.Config).String(), add)
	}
	secret := resources.NewSecret(canary)
	printed("secret", secret, add)
	printed("wrapped", struct{ s resources.Secret }{secret}, add)
	printed("error", fmt.Errorf("call: %w", errors.New(fmt.Sprint("no: ", secret))), add)
}

// revealed is the value as an engine shows it.
func revealed(v resources.Value, reveal func(string) string) resources.Value {
	switch v := v.(type) {
	case resources.Secret:
		return reveal(resources.Text(v))
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = revealed(e, reveal)
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			out[k] = revealed(e, reveal)
		}
		return out
	default:
		return v
	}
}

// printed prints a value with every verb and encoder.
func printed(name string, v any, add func(name, text string)) {
	var b strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T"} {
		fmt.Fprintf(&b, verb+"\n", v)
	}
	b.WriteString(render.JSONText(v))
	if text, err := yaml.Marshal(v); err == nil {
		b.Write(text)
	}
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "v", v)
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "v", v)
	add(name+" printed", b.String())
}
