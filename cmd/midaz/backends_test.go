package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/app"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/cli"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/render"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/brokertest"
)

// TestBrokerAloneNeedsNoEngine: a spec that declares nothing but the topology of
// a broker elsewhere is planned and applied where no engine answers, and it is
// said what that costs. Any other spec is refused there.
func TestBrokerAloneNeedsNoEngine(t *testing.T) {
	b := brokertest.New(t)
	spec := fmt.Sprintf("version: \"1\"\nstack: test\nrabbitmq:\n  url: %s\n  management: {username: %s, password: %s}\n  vhosts: {v: "+
		"{queues: {q: {type: classic, durable: true}}}}\n",
		b.URL(), b.Username, b.Password)
	midaz := midazWithoutEngine
	for _, c := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{"plan", "-detailed-exitcode"}, 2, "only the broker is looked at"},
		{[]string{"up"}, 0, "No lock is held and no journal is written"},
		{[]string{"plan", "-detailed-exitcode"}, 0, "only the broker is looked at"},
		{[]string{"drift"}, 0, "only the broker is looked at"},
		{[]string{"history"}, 1, "does not answer"},
		{[]string{"ps"}, 1, "does not answer"},
	} {
		status, stdout, stderr := midaz(spec, c.args...)
		if status != c.status || !strings.Contains(stderr, c.says) {
			t.Errorf("%v: status %d, want %d\n%s%s", c.args, status, c.status, stdout, stderr)
		}
	}
	if status, stdout, stderr := midaz(spec+"networks: {n: {}}\n", "plan"); status != 1 {
		t.Errorf("with a network: status %d\n%s%s", status, stdout, stderr)
	}
}

// midazWithoutEngine runs a command where only the broker of the spec answers.
func midazWithoutEngine(spec string, args ...string) (status int, stdout, stderr string) {
	var out, errs bytes.Buffer
	if spec != "" {
		args = append(args, "-f", "-")
	}
	status = cli.Run(context.Background(), args, app.System{
		Stdin: strings.NewReader(spec), Stdout: &out, Stderr: &errs, Now: newClock().now, Who: "ann@host", World: app.RealWorld(),
		LookupEnv: func(name string) (string, bool) {
			v, ok := map[string]string{"DOCKER_HOST": "unix:///nowhere/no.sock"}[name]
			return v, ok
		},
		Signals: func() (<-chan os.Signal, func()) { return nil, func() {} },
	})
	return status, out.String(), errs.String()
}

// TestSettingsNotInForceAreDrift: what a policy from outside keeps from being in
// force is drift for plan and drift alike. An apply neither claims to repair it nor
// touches that policy; a rule of the spec can let it be.
func TestSettingsNotInForceAreDrift(t *testing.T) {
	b := brokertest.New(t)
	spec := fmt.Sprintf("version: \"1\"\nstack: test\nrabbitmq:\n  url: %s\n  management: {username: %s, password: %s}\n  vhosts: {v: "+
		"{queues: {q: {type: classic, max_length: 1000}}}}\n",
		b.URL(), b.Username, b.Password)
	if status, stdout, stderr := midazWithoutEngine(spec, "up"); status != 0 {
		t.Fatalf("status %d\n%s%s", status, stdout, stderr)
	}
	const outside = "/api/policies/v/zz"
	b.Do(t, "PUT", outside, `{"pattern":".*","priority":2000000000,"apply-to":"queues","definition":{"max-length":1}}`)
	const why = "policy zz with priority 2000000000, which is not in the spec, takes over"
	check := func(spec string, status int, says []string, args ...string) {
		t.Helper()
		got, stdout, stderr := midazWithoutEngine(spec, args...)
		if got != status {
			t.Errorf("%v: status %d, want %d\n%s%s", args, got, status, stdout, stderr)
		}
		for _, text := range says {
			if !strings.Contains(stdout, text) {
				t.Errorf("%v does not say %q:\n%s", args, text, stdout)
			}
		}
	}
	check(spec, 2, []string{"queue/v/q max_length: 1000 in the spec, 1 found", why, "Nothing to apply"}, "plan", "-detailed-exitcode")
	for _, format := range []string{"markdown", "html", "github", "sarif"} {
		check(spec, 0, []string{"max_length: 1000 in the spec, 1 found", why}, "plan", "-format", format)
	}
	for _, format := range []string{"markdown", "html"} {
		if _, stdout, _ := midazWithoutEngine(spec, "plan", "-format", format); strings.Contains(stdout, "No changes") ||
			!strings.Contains(stdout, render.TextNothingToDo) {
			t.Errorf("plan -format %s says that all is as declared:\n%s", format, stdout)
		}
	}
	dir := t.TempDir()
	for _, text := range []string{"", "    w: {queues: {more: {type: classic}}}\n"} {
		changed := strings.Replace(spec, "  vhosts: {v: {queues: {q: {type: classic, max_length: 1000}}}}\n",
			"  vhosts:\n    v: {queues: {q: {type: classic, max_length: 1000}}}\n"+text, 1)
		file, saved, observed := filepath.Join(dir, "midaz.infra.yaml"), filepath.Join(dir, "plan"), filepath.Join(dir, "observed")
		if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
		check("", 0, nil, "plan", "-f", file, "-out", saved)
		check("", 0, []string{"queue/v/q max_length", why}, "show", saved)
		check("", 0, nil, "observe", "-f", file, "-out", observed)
		check("", 0, []string{"queue/v/q max_length: 1000 in the spec, 1 found", why}, "plan", "-f", file, "-observed", observed)
	}
	check(spec, 2, []string{"max_length = 1 -> 1000", why, "An apply does not change"}, "drift")
	check(spec, 2, []string{`"drifted": true`, `"path": "max_length"`}, "drift", "-json")
	check(spec, 0, []string{why}, "up")
	check(spec, 2, nil, "drift", "-quiet")
	if p := fmt.Sprint(b.Do(t, "GET", outside, "")); !strings.Contains(p, "2000000000") {
		t.Errorf("the policy from outside was changed: %s", p)
	}
	check(spec+"drift: {ignore: [{address: queue/v/q, field: max_length, reason: an incident, until: \"2029-12-31\"}]}\n", 0, nil, "drift")
	b.Do(t, "DELETE", outside, "")
	check(spec, 0, nil, "plan", "-detailed-exitcode")
	check(spec, 0, nil, "drift")
}
