package main

import (
	"maps"
	"os"
	"strings"
	"testing"

	midazcli "github.com/LerianStudio/midaz-infra/cmd/midaz/internal/cli"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/fake"
)

// mountSpec has a secret in the key of a map: a mount is known by its target.
const mountSpec = `version: "1"
stack: canary
variables: { LINE: { sensitive: true } }
services:
  a: { image: "x:1", volumes: ["data:/data-${LINE}/x", "cache:/c"] }
volumes: { data: {}, cache: {} }
`

// appliedMount returns a stack with that mount, changed outside.
func appliedMount(t *testing.T, change func(mounts map[string]any)) *canaryRun {
	t.Helper()
	t.Chdir(t.TempDir())
	t.Setenv("MIDAZ_VAR_LINE", lineCanary)
	c := &canaryRun{t: t, w: &fake.World{LockTime: fakeSystem().Now()}, collector: newCollector(t), plain: true, at: "with a secret in a key"}
	c.write(midazcli.DefaultSpec, mountSpec)
	if status := c.call("apply", "-auto-approve"); status != 0 {
		t.Fatalf("apply: exit status %d", status)
	}
	o := c.w.Get(resources.NewAddr("service", "a"))
	mounts := maps.Clone(o.Fields["volumes"].(map[string]any))
	change(mounts)
	o.Fields["volumes"] = mounts
	return c
}

const secretMount = "/data-" + lineCanary + "/x"

func setReadOnly(mounts map[string]any) {
	m := maps.Clone(mounts[secretMount].(map[string]any))
	m["read_only"] = true
	mounts[secretMount] = m
}

// TestSuggestedRuleAboutSecretKeyHolds: a rule about a difference whose path leads
// through a secret does not write the secret down, and lets the difference be.
func TestSuggestedRuleAboutSecretKeyHolds(t *testing.T) {
	c := appliedMount(t, setReadOnly)
	if status := c.call("drift"); status != 2 {
		t.Fatalf("drift: exit status %d", status)
	}
	if status := c.call("drift", "-suggest-ignore"); status != 0 {
		t.Errorf("drift -suggest-ignore: exit status %d", status)
	}
	c.searchAll("after the suggestion")
	if status := c.call("drift"); status != 0 {
		text, _ := os.ReadFile(midazcli.DefaultSpec)
		t.Errorf("the suggested rule lets nothing be: exit status %d\n%s", status, text)
	}
}

// TestSavedPlanWithSecretKeyIsNotStale: the file names the places of differences
// without the secrets in them, and is still the plan of what is there.
func TestSavedPlanWithSecretKeyIsNotStale(t *testing.T) {
	c := appliedMount(t, setReadOnly)
	if status := c.call("plan", "-out", "next.plan"); status != 0 {
		t.Fatalf("plan: exit status %d", status)
	}
	c.searchAll("after the plan")
	if status := c.call("apply", "next.plan"); status != 0 {
		t.Errorf("apply: exit status %d", status)
	}
}

// TestFormerSecretKeyIsMasked: the target of a mount is still on the container
// after its variable has another value, and after the spec has neither; and what
// someone has put in its place is masked as well.
func TestFormerSecretKeyIsMasked(t *testing.T) {
	nothing := func(map[string]any) {}
	strange := func(mounts map[string]any) {
		delete(mounts, secretMount)
		mounts["/data-"+theirs] = map[string]any{"type": "volume", "target": "/data-" + theirs}
	}
	bare := "version: \"1\"\nstack: canary\nvolumes: { data: {}, cache: {} }\n"
	for name, tc := range map[string]struct {
		change func(map[string]any)
		spec   string
	}{
		"another value":               {nothing, mountSpec},
		"no longer declared":          {nothing, bare},
		"another mount":               {strange, mountSpec},
		"another mount, not declared": {strange, bare},
	} {
		t.Run(name, func(t *testing.T) {
			c := appliedMount(t, tc.change)
			t.Setenv("MIDAZ_VAR_LINE", strings.Repeat("another-", 2))
			c.write(midazcli.DefaultSpec, tc.spec)
			for _, call := range [][]string{{"plan"}, {"plan", "-json"}, {"drift"}, {"drift", "-json"}, {"plan", "-out", "next.plan"},
				{"show", "next.plan"}, {"ps"},
				{"observe"}, {"observe", "-out", "observed.json"}, {"plan", "-observed", "observed.json"}, {"drift", "-suggest-ignore"}} {
				c.call(call[0], call[1:]...)
			}
			c.call("apply", "-auto-approve", "-json", "-report", "run.html", "-allow", "data-loss")
			c.searchAll("at the end")
		})
	}
}
