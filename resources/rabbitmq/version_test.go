package rabbitmq

import (
	"testing"

	"github.com/LerianStudio/midaz-infra/resources"
)

// TestRefusedBy: what one of the measured versions refuses or passes over, and
// another takes.
func TestRefusedBy(t *testing.T) {
	policy := func(definition map[string]any) *resources.Resource {
		return &resources.Resource{Addr: resources.NewAddr(policyName, "v", "p"), Config: resources.Config{"definition": definition}}
	}
	operator := func(definition map[string]any) *resources.Resource {
		return &resources.Resource{Addr: resources.NewAddr(operatorPolicyName, "v", "p"), Config: resources.Config{"definition": definition}}
	}
	typedPolicy := policy(map[string]any{"max-length": int64(5)})
	typedPolicy.Config["apply_to"] = "quorum_queues"
	vhost := func(key string, v any) *resources.Resource {
		return &resources.Resource{Addr: resources.NewAddr(vhostName, "v"), Config: resources.Config{key: v}}
	}
	for name, c := range map[string]struct {
		r    *resources.Resource
		good [3]bool // on 3.10, 4.0, 4.3
	}{
		"max-length":                    {policy(map[string]any{"max-length": int64(5)}), [3]bool{true, true, true}},
		"ha-mode":                       {policy(map[string]any{"ha-mode": "all"}), [3]bool{true, false, false}},
		"target-group-size":             {policy(map[string]any{"target-group-size": int64(3)}), [3]bool{false, true, true}},
		"consumer-timeout":              {policy(map[string]any{"consumer-timeout": int64(3)}), [3]bool{false, true, true}},
		"delayed-retry-type":            {policy(map[string]any{"delayed-retry-type": "all"}), [3]bool{false, false, true}},
		"queue-master-locator":          {policy(map[string]any{"queue-master-locator": "min-masters"}), [3]bool{true, true, false}},
		"queue-master-locator balanced": {policy(map[string]any{"queue-master-locator": "balanced"}), [3]bool{false, true, false}},
		"negative delivery-limit":       {policy(map[string]any{"delivery-limit": int64(-1)}), [3]bool{false, true, true}},
		"operator overflow":             {operator(map[string]any{"overflow": "drop-head"}), [3]bool{false, true, true}},
		"operator queue-master-locator": {operator(map[string]any{"queue-master-locator": "min-masters"}), [3]bool{false, true, false}},
		"operator delivery-limit":       {operator(map[string]any{"delivery-limit": int64(5)}), [3]bool{true, true, true}},
		"apply_to quorum_queues":        {typedPolicy, [3]bool{false, true, true}},
		"default_queue_type":            {vhost("default_queue_type", "quorum"), [3]bool{false, true, true}},
		"tag":                           {vhost("tags", []any{"a"}), [3]bool{true, true, true}},
		"tag with an accent":            {vhost("tags", []any{"ä"}), [3]bool{false, true, true}},
		"deletion_protection":           {vhost("deletion_protection", true), [3]bool{false, false, true}},
	} {
		for i, v := range []release{310, 400, 403} {
			if got := len(refusedBy(v, c.r)) == 0; got != c.good[i] {
				t.Errorf("%s on %s: accepted %v, want %v", name, v, got, c.good[i])
			}
		}
		if len(refusedBy(0, c.r)) > 0 {
			t.Errorf("%s: refused by a version that is not known", name)
		}
	}
}

// TestNamed: what a shovel or a set of upstreams refers to.
func TestNamed(t *testing.T) {
	for _, c := range []struct {
		component string
		value     any
		want      []string
	}{
		{"shovel", map[string]any{"src-uri": "amqp:///tv", "src-exchange": "x", "dest-uri": "amqp://", "dest-queue": "q"},
			[]string{"exchange/tv/x", "queue/v/q"}},
		{"shovel", map[string]any{"src-uri": []any{"amqp://u:p@h:5672/a%2Fb"}, "src-queue": "q", "dest-uri": "amqp://h",
			"dest-exchange": "amq.topic"}, []string{"queue/a%2Fb/q"}},
		{"shovel", map[string]any{"src-uri": "amqp://h", "src-address": "/queues/a%20b", "dest-uri": "amqp://h",
			"dest-address": "/exchanges/x/k"}, []string{"queue/v/a%20b", "exchange/v/x"}},
		{"federation-upstream-set", []any{map[string]any{"upstream": "u"}}, []string{"parameter/v/federation-upstream/u"}},
		{"federation-upstream", map[string]any{"uri": "amqp://h", "queue": "q"}, nil},
	} {
		var got []string
		for _, ref := range named("v", c.component, c.value) {
			got = append(got, ref.To.String())
		}
		if len(got) != len(c.want) {
			t.Errorf("%v: %v, want %v", c.value, got, c.want)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%v: %v, want %v", c.value, got, c.want)
			}
		}
	}
}
