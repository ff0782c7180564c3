package rabbitmq

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/routing"
)

// Which policies apply to a queue is worked out from the lists of policies: the
// broker's own word on a queue is a statistic, which is missing or stale for
// some seconds.

// policiesIn reads the policies and operator policies of a virtual host as they
// are now.
func policiesIn(ctx context.Context, c reads, vhost string) (*routing.Vhost, error) {
	var lists [2][]row
	for i, endpoint := range []string{"policies", "operator-policies"} {
		rows, err := c.rows(ctx, "/api/"+endpoint+"/"+url.PathEscape(vhost))
		if err != nil {
			return nil, err
		}
		lists[i] = rows
	}
	return routing.Make(routing.Vhost{Name: vhost, Policies: observedPolicies(lists[0], vhost), Operator: observedPolicies(lists[1], vhost)}),
		nil
}

func observedPolicies(rows []row, vhost string) []*routing.Policy {
	var out []*routing.Policy
	for _, r := range rows {
		if r.text("vhost") == vhost {
			out = append(out, seePolicy(r))
		}
	}
	return out
}

// policies returns what will apply in a virtual host once the spec has been
// applied: policies come before queues.
func (w *surroundings) policies(ctx context.Context, vhost string) (*routing.Vhost, error) {
	v := routing.Vhost{Name: vhost}
	for _, list := range []struct {
		kind, endpoint string
		into           *[]*routing.Policy
	}{{policyName, "/api/policies", &v.Policies}, {operatorPolicyName, "/api/operator-policies", &v.Operator}} {
		rows, err := w.s.list(ctx, list.endpoint)
		if err != nil {
			return nil, err
		}
		for _, p := range observedPolicies(rows, vhost) {
			a := resources.NewAddr(list.kind, vhost, p.Name)
			if w.s.declared.Get(a) == nil && !w.books.owns(a) {
				*list.into = append(*list.into, p)
			}
		}
		for _, r := range w.s.declared.Of(list.kind) {
			if r.Addr.Parts()[0] == vhost && !r.Dormant {
				*list.into = append(*list.into, modelPolicy(r))
			}
		}
	}
	return routing.Make(v), nil
}

// limit returns a number that limits a queue, and where it is set. A policy
// whose pattern only the broker can read counts when it could apply. ok is
// false when there is no limit.
func limitOf(e routing.Effective, key string) (limit int64, from string, ok bool) {
	if s, set := e.Get(key); set {
		limit, ok = s.Value.(int64)
		ok, from = ok && limit >= 0, s.From
	}
	for _, h := range []routing.Holding{e.Policy, e.Operator} {
		for _, p := range h.Untried {
			if n, isNumber := p.Definition[key].(int64); isNumber && n >= 0 && (!ok || n < limit) {
				limit, from, ok = n, "policy "+p.Name, true
			}
		}
	}
	return limit, from, ok
}

// contents is what a queue holds.
type contents struct {
	messages, bytes int64
	// sized is false when the broker does not say how many bytes there are.
	sized bool
}

// squeeze is one way in which a queue has no room for what another one held.
type squeeze struct {
	key, text string
}

// squeezed says what a queue with the settings next would drop of what a queue
// with the settings now holds, once that has been moved into it.
func squeezed(now, next routing.Effective, held contents) []squeeze {
	if held.messages == 0 {
		return nil
	}
	var out []squeeze
	_, dead := next.Get(deadLetterExchange)
	for _, limit := range []struct {
		key    string
		drops  func(limit int64) bool
		format string
	}{
		{"max-length", func(n int64) bool { return held.messages > n }, "keeps at most %s"},
		{"max-length-bytes", func(n int64) bool { return !held.sized || held.bytes > n }, "keeps at most %s bytes"},
		{"message-ttl", func(int64) bool { return !dead }, "drops what waits longer than %s ms"},
		{"expires", func(int64) bool { return true }, "is deleted by the broker when no one uses it for %s ms"},
	} {
		n, from, ok := limitOf(next, limit.key)
		before, _, had := limitOf(now, limit.key)
		if ok && (!had || n < before) && limit.drops(n) {
			out = append(out, squeeze{limit.key, fmt.Sprintf("it holds %s, and the new queue "+limit.format+" (%s, set by %s)", held, thousands(n),
				limit.key, from)})
		}
	}
	return out
}

func textsOf(all []squeeze) string {
	var out []string
	for _, s := range all {
		out = append(out, s.text)
	}
	return strings.Join(out, "; ")
}

func (c contents) String() string {
	if !c.sized {
		return plural(c.messages, "message")
	}
	return fmt.Sprintf("%s of %s bytes", plural(c.messages, "message"), thousands(c.bytes))
}

// rejects reports whether a full queue with these settings refuses what is
// published, so that a message beyond a limit cannot be moved into it at all.
func rejects(e routing.Effective) bool {
	s, _ := e.Get("overflow")
	overflow, _ := s.Value.(string)
	return overflow == "reject-publish" || overflow == "reject-publish-dlx"
}
