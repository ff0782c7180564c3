package rabbitmq

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

// Time to live, length and dead-lettering that are written as fields of a queue
// become a policy for that one queue, so that changing them changes nothing but
// the policy. Only one policy holds for a queue: the generated one is made to
// win over those of the spec that match too, and takes their settings over.

// generatedPrefix begins the names of generated policies.
const generatedPrefix = "midaz-queue."

// policedField is a field that becomes a policy.
type policedField struct {
	setting string
	field   resources.Field
}

// policed are the fields that become a policy, by the setting each stands for.
var policed = []policedField{
	{"message-ttl", resources.Field{Key: "message_ttl", Type: resources.Int(0, maxTimer), Example: "604800000", Other: "86400000",
		Doc: "How long a message may wait, in milliseconds; after that it is dead-lettered or dropped."}},
	{"expires", resources.Field{Key: "expires", Type: resources.Int(1, maxTimer), Example: "86400000", Other: "3600000",
		Doc: "The broker deletes the queue when nobody has used it for so long, in milliseconds."}},
	{"max-length", resources.Field{Key: "max_length", Type: resources.Int(0, 1<<53), Example: "100000", Other: "50000",
		Doc: "How many messages may wait at most."}},
	{"max-length-bytes", resources.Field{Key: "max_length_bytes", Type: resources.Int(0, 1<<53), Example: "1073741824", Other: "536870912",
		Doc: "How many bytes of messages may wait at most."}},
	{"overflow", resources.Field{Key: "overflow", Type: resources.Enum("drop-head", "reject-publish", "reject-publish-dlx"),
		Example: "reject-publish", Other: "drop-head",
		Doc: "What happens to a message beyond that: the oldest is dropped, or the new one refused."}},
	{"dead-letter-exchange", resources.Field{Key: "dead_letter_exchange", Name: true, Type: resources.String(), Example: "orders.dlx",
		Other: "orders.lost",
		Doc:   "Where messages go that expire, are rejected or are too many."}},
	{"dead-letter-routing-key", resources.Field{Key: "dead_letter_routing_key", Type: resources.String(), Example: "orders.dlq",
		Other: "orders.lost",
		Doc:   "The routing key they go with; without it their own."}},
	{"dead-letter-strategy", resources.Field{Key: "dead_letter_strategy", Type: resources.Enum("at-most-once", "at-least-once"),
		Example: "at-most-once", Other: "at-least-once",
		Doc: "Whether a dead letter may be lost on its way. at-least-once is for quorum queues with overflow: reject-publish."}},
	{"delivery-limit", resources.Field{Key: "delivery_limit", Type: resources.Int(-1, 1<<31), Example: "20", Other: "50",
		Doc: "How often a quorum queue delivers a message that comes back, before it is dead-lettered or dropped."}},
	{"max-age", resources.Field{Key: "max_age", Type: resources.String(), Example: "7D", Other: "12h",
		Doc: "How long a stream keeps messages: a number with one of Y, M, D, h, m, s."}},
}

// policedFields are their rows in the table of queues. They are nothing of the
// queue itself.
func policedFields() []resources.Field {
	var out []resources.Field
	for _, p := range policed {
		f := p.field
		f.Cost, f.Unseen, f.Unmarked = resources.Free, true, true
		f.Doc += " It becomes a policy, so that it changes in place."
		out = append(out, f)
	}
	return out
}

// generated is what a generated policy remembers: the queue it is of, and the
// policies of the spec whose place it takes.
type generated struct {
	place
	shadowed []matcher
}

// fieldsOf returns the settings that the queue's fields ask for.
func fieldsOf(r *resources.Resource) map[string]any {
	out := map[string]any{}
	for _, p := range policed {
		if v, ok := r.Config[p.field.Key]; ok {
			out[p.setting] = v
		}
	}
	return out
}

func generatedAddr(queue resources.Addr) resources.Addr {
	parts := queue.Parts()
	return resources.NewAddr(policyName, parts[0], generatedPrefix+parts[1])
}

// Derive returns the policies that follow from fields of queues.
func (k policyKind) Derive(all *resources.Declared) []*resources.Resource {
	if k.table != policyTable {
		return nil
	}
	var out []*resources.Resource
	for _, q := range all.Of(queueName) {
		own := fieldsOf(q)
		if len(own) == 0 || q.Config.Bool("external") {
			continue
		}
		shadowed := matching(q)
		definition, priority := map[string]any{}, int64(1)
		if len(shadowed) > 0 {
			for key, v := range shadowed[0].resource.Config.Map("definition") {
				if s := policySetting(key); s != nil && s.affects("queues") && s.policy != alternate {
					definition[key] = v
				}
			}
			priority = max(priority, shadowed[0].priority+1)
		}
		maps.Copy(definition, own)
		out = append(out, &resources.Resource{
			Addr: generatedAddr(q.Addr), Stack: q.Stack, Node: q.Node, KeyPos: q.KeyPos, Dir: q.Dir, Dormant: q.Dormant,
			Config: resources.Config{"pattern": "^" + quotePattern(q.Addr.Parts()[1]) + "$", "apply_to": "queues", "priority": priority,
				"definition": definition},
			Native: generated{placeOf(q), shadowed},
		})
	}
	return out
}

// matching returns the policies of the spec that match a queue, the one that
// would hold first.
func matching(q *resources.Resource) []matcher {
	var out []matcher
	for _, m := range placeOf(q).policies[q.Addr.Parts()[0]] {
		if m.matches(q) {
			out = append(out, m)
		}
	}
	slices.SortStableFunc(out, func(a, b matcher) int { return int(b.priority - a.priority) })
	return out
}

// checkPoliced reports fields that the type of queue does not take, and says
// which policies a generated one takes the place of.
func checkPoliced(q *resources.Resource, all *resources.Declared, report resources.Report) {
	t, arguments := typeOf(q), q.Config.Map("arguments")
	for _, p := range policed {
		key := p.field.Key
		v, ok := q.Config[key]
		if !ok {
			continue
		}
		s := policySetting(p.setting)
		if !s.takes(t) {
			report(ruleArgumentType.At(q.Pos("/"+key), fmt.Sprintf("a %s queue does not take %s, which is for %s queues", t, key, s.types()),
				instead(s, t)))
		}
		if want := s.check(v); want != "" {
			report(ruleArgumentValue.At(q.Pos("/"+key), fmt.Sprintf("%s must be %s, not %s", key, want, resources.Show(v)), ""))
		}
		if _, both := arguments["x-"+p.setting]; both {
			report(ruleTwoSpellings.At(q.Pos("/"+key), fmt.Sprintf("%s and the argument x-%s both say it, and the argument cannot be changed", key,
				p.setting), "remove the argument"))
		}
	}
	policy := all.Get(generatedAddr(q.Addr))
	if policy == nil {
		return
	}
	definition := policy.Config.Map("definition")
	if target, ok := q.Config["dead_letter_exchange"].(string); ok {
		checkExchangeExists(q, all, target, "/dead_letter_exchange", "dead-letter exchange", report)
	}
	if _, key := q.Config["dead_letter_routing_key"]; key && definition["dead-letter-exchange"] == nil &&
		arguments["x-dead-letter-exchange"] == nil {
		report(ruleArgumentMissing.At(q.Pos("/dead_letter_routing_key"), "dead_letter_routing_key does nothing without dead_letter_exchange",
			"add dead_letter_exchange"))
	}
	if q.Config["dead_letter_strategy"] == "at-least-once" && definition["overflow"] != "reject-publish" {
		report(ruleAtLeastOnce.At(q.Pos("/dead_letter_strategy"),
			"dead-lettering at least once only works with overflow: reject-publish; the broker falls back to at most once",
			"add `overflow: reject-publish`"))
	}
	if g, ok := policy.Native.(generated); ok && len(g.shadowed) > 0 {
		reportShadowed(q, g.shadowed, report)
	}
}

// reportShadowed says what becomes of a policy in whose place the generated one
// holds.
func reportShadowed(q *resources.Resource, shadowed []matcher, report resources.Report) {
	first, own := shadowed[0].resource, fieldsOf(q)
	var over, taken []string
	for _, key := range slices.Sorted(maps.Keys(first.Config.Map("definition"))) {
		if _, ok := own[key]; ok {
			over = append(over, key)
		} else {
			taken = append(taken, key)
		}
	}
	msg := fmt.Sprintf("%s matches %s too, and only one policy holds: the one generated from the queue's fields does", first.Addr, q.Addr)
	if len(taken) > 0 {
		msg += ", and takes over " + strings.Join(taken, ", ")
	}
	if len(over) > 0 {
		msg += ", and overrides " + strings.Join(over, ", ")
	}
	if len(shadowed) > 1 {
		msg += fmt.Sprintf("; %s held for nothing of it before either", shadowed[1].resource.Addr)
	}
	p := rulePolicyShadowed.At(q.KeyPos, msg, "write the settings in the policy or in the queue, not in both")
	p.Related = []specs.Related{{Pos: first.KeyPos, Msg: "the policy"}}
	report(p)
}
