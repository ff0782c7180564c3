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
// With MIDAZ_CONFORMANCE=FILE the table of results is written there.
func TestConformanceOnTheEngine(t *testing.T) {
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
	if file := os.Getenv("MIDAZ_CONFORMANCE"); file != "" {
		if err := os.WriteFile(filepath.Clean(file), []byte(enginetest.Table(results)), 0o644); err != nil {
			t.Error(err)
		}
	}
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
			Skip: skip,
		}
	}
	return []enginetest.Subject{
		one("network", "networks", nil, nil, nil),
		one("volume", "volumes", map[string]any{"protect": false}, nil, nil),
		one("service", "services", service, func(spec, _ map[string]any) {
			spec["networks"] = map[string]any{"a": map[string]any{}, "b": map[string]any{}, "fixed": map[string]any{"ipam": map[string]any{"config": []any{map[string]any{"subnet": "10.201.77.0/24"}}}}}
			spec["volumes"] = map[string]any{"data": map[string]any{"protect": false}, "more": map[string]any{"protect": false}}
			spec["services"].(map[string]any)["db"] = map[string]any{"image": conformanceImage, "pull_policy": "never", "command": []any{"sleep", "infinity"}, "init": true, "stop_grace_period": "1s"}
		}, nil),
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
