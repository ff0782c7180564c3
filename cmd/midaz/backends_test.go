package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/brokertest"
)

// TestBrokerAloneNeedsNoEngine: a spec that declares nothing but the topology of
// a broker elsewhere is planned and applied where no engine answers, and it is
// said what that costs. Any other spec is refused there.
func TestBrokerAloneNeedsNoEngine(t *testing.T) {
	b := brokertest.New(t)
	spec := fmt.Sprintf("version: \"1\"\nstack: test\nrabbitmq:\n  url: %s\n  management: {username: %s, password: %s}\n  vhosts: {v: {queues: {q: {type: classic, durable: true}}}}\n",
		b.URL(), b.Username, b.Password)
	midaz := func(spec string, args ...string) (int, string, string) {
		var stdout, stderr bytes.Buffer
		status := run(context.Background(), append(args, "-f", "-"), system{
			stdin: strings.NewReader(spec), stdout: &stdout, stderr: &stderr, now: newClock().now, who: "ann@host", world: realWorld(),
			lookupEnv: func(name string) (string, bool) {
				v, ok := map[string]string{"DOCKER_HOST": "unix:///nowhere/no.sock"}[name]
				return v, ok
			},
			signals: func() (<-chan os.Signal, func()) { return nil, func() {} },
		})
		return status, stdout.String(), stderr.String()
	}
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
