//go:build e2e

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/LerianStudio/midaz-infra/engine"
	"github.com/LerianStudio/midaz-infra/engine/enginetest"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/docker"
)

// conformanceImage has a shell, users and groups. It is built by
// specs/debian/base.sh.
const conformanceImage = "midaz-debian/base:trixie"

// TestConformanceOnTheEngine tries every row of every Docker kind on the engine
// that DOCKER_HOST names: set, change, remove, and an empty plan after each.
// It takes minutes and runs when MIDAZ_CONFORMANCE names the file for the table
// of results (make conformance).
func TestConformanceOnTheEngine(t *testing.T) {
	if os.Getenv("MIDAZ_CONFORMANCE") == "" {
		t.Skip("MIDAZ_CONFORMANCE is not set")
	}
	ctx := context.Background()
	e, err := docker.Open(ctx, docker.Options{LookupEnv: os.LookupEnv, Timeout: 3 * time.Second})
	if err != nil {
		t.Skipf("no engine answers: %v", err)
	}
	defer func() { _ = e.Close() }()
	open := func(ctx context.Context, _ *resources.Declared) (engine.World, error) {
		e, err := docker.Open(ctx, docker.Options{LookupEnv: os.LookupEnv})
		if err != nil {
			return engine.World{}, err
		}
		t.Cleanup(func() { _ = e.Close() })
		return engine.World{Readers: e.Readers(), Writers: e.Writers()}, nil
	}
	var results []enginetest.Result
	for _, s := range dockerSubjects(fmt.Sprintf("midaz-conf-%d", os.Getpid())) {
		t.Run(s.Addr.Kind, func(t *testing.T) {
			empty := s.Spec(nil)
			t.Cleanup(func() { removeStack(t, open, empty["stack"].(string)) })
			results = append(results, enginetest.Rows(t, docker.Kinds(), open, s)...)
		})
	}
	if err := os.WriteFile(filepath.Clean(os.Getenv("MIDAZ_CONFORMANCE")), []byte(enginetest.Table(results)), 0o644); err != nil {
		t.Error(err)
	}
}

// rowValues are values for rows whose examples name things of other stacks.
var rowValues = map[string][2]string{
	"image":         {conformanceImage, "midaz-debian/valkey:8.1"},
	"command":       {`[sleep, "1000"]`, "sleep 2000"},
	"entrypoint":    {"[nice]", "[nice, -n, '5']"},
	"healthcheck":   {"{test: [CMD, 'true'], interval: 5s}", "{test: test -d /, interval: 6s, timeout: 3s, retries: 2}"},
	"networks":      {"[a]", "{b: {aliases: [other]}}"},
	"ports":         {`["127.0.0.1:39411:5701"]`, "[{target: 5701, published: 39412, host_ip: 127.0.0.1}]"},
	"ulimits":       {"{nofile: 1024}", "{nofile: {soft: 512, hard: 2048}, nproc: 100}"},
	"pid":           {"host", "service:db"},
	"oom_score_adj": {"100", "200"},
	"files":         {"[{content: one, target: /etc/one}]", "[{content: two, target: /etc/one}]"},
	"cpuset_mems":   {`"0"`, `"0-0"`},
}

// notHere are rows that the engine of a test machine cannot take.
var notHere = map[string]string{
	"platform":       "images of one platform only",
	"storage_opt":    "the storage driver has no quota",
	"cpu_rt_runtime": "the kernel has no realtime groups",
	"cpu_rt_period":  "the kernel has no realtime groups",
	"blkio_config":   "the kernel has no weights of block devices",
	"privileged":     "privileged containers do not start on every test machine",
	"annotations":    "API 1.43",
}

func dockerSubjects(prefix string) []enginetest.Subject {
	service := map[string]any{"image": conformanceImage, "pull_policy": "never", "command": []any{"sleep", "infinity"}, "init": true, "stop_grace_period": "1s",
		"gate": map[string]any{"stable_for": "0s"}}
	one := func(kind, section string, fields map[string]any, more func(spec, fields map[string]any), skip map[string]string) enginetest.Subject {
		return enginetest.Subject{
			Addr:   resources.NewAddr(kind, "subject"),
			Fields: fields,
			Spec: func(fields map[string]any) map[string]any {
				spec := map[string]any{"version": "1", "stack": prefix + "-" + kind, section: map[string]any{"subject": fields}}
				if more != nil {
					more(spec, fields)
				}
				return spec
			},
			Skip:   skip,
			Values: rowValues,
		}
	}
	return []enginetest.Subject{
		one("network", "networks", nil, nil, map[string]string{"driver": "needs another driver"}),
		one("volume", "volumes", map[string]any{"protect": false}, nil, map[string]string{"driver": "needs another driver"}),
		one("service", "services", service, func(spec, _ map[string]any) {
			spec["networks"] = map[string]any{"a": map[string]any{}, "b": map[string]any{}}
			spec["volumes"] = map[string]any{"data": map[string]any{"protect": false}, "more": map[string]any{"protect": false}}
			spec["services"].(map[string]any)["db"] = map[string]any{"image": conformanceImage, "pull_policy": "never", "command": []any{"sleep", "infinity"}, "init": true, "stop_grace_period": "1s"}
		}, notHere),
	}
}

// removeStack removes what the tests have made.
func removeStack(t *testing.T, open enginetest.World, stack string) {
	plan, w := enginetest.Plan(t, docker.Kinds(), func(ctx context.Context, d *resources.Declared) (engine.World, error) {
		return open(context.WithoutCancel(ctx), d)
	}, "version: \"1\"\nstack: "+stack+"\n")
	report, err := engine.Apply(context.Background(), engine.MakePlan(plan.Declared(), mustObserve(t, w, plan.Declared()), engine.Options{Destroy: true, Unprotect: []string{"*"}, Allow: []string{resources.DataLoss}}), w, engine.ApplyOptions{Parallelism: 4})
	if err != nil {
		t.Error(err)
		return
	}
	for _, f := range report.Failed() {
		t.Error(f.Err)
	}
}

func mustObserve(t *testing.T, w engine.World, d *resources.Declared) *engine.Seen {
	t.Helper()
	seen, err := engine.Observe(context.Background(), w.Readers, d, resources.Scope{Owned: true})
	if err != nil {
		t.Fatal(err)
	}
	return seen
}
