package routing

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Holding is which policy holds for one queue or exchange, and which do not
// though they match.
type Holding struct {
	// Policy is the one that holds, nil when none does.
	Policy *Policy
	// Tied have the same priority: chance decides between them and Policy.
	Tied []*Policy
	// Beaten match too, and have a lower priority.
	Beaten []*Policy
	// Untried may match: only the broker's engine can read their pattern. Only
	// those that could change what holds are in here.
	Untried []*Policy
}

// Effective is what holds for one queue or exchange.
type Effective struct {
	Policy, Operator Holding
	// Settings are what arguments and policies come to, by key of a policy.
	Settings []Setting
}

// Setting is one setting that holds.
type Setting struct {
	Key   string
	Value any
	// From says where the value stands: "argument x-message-ttl", "policy
	// dlq-limits", "operator policy ceiling".
	From string
	// Over are values elsewhere that do not hold because of this one.
	Over []string
}

// ForQueue returns what holds for a queue.
func (v *Vhost) ForQueue(q *Queue) Effective {
	e := Effective{
		Policy:   holding(v.Policies, q.Name, func(p *Policy) bool { return p.covers(q.Type) }),
		Operator: holding(v.Operator, q.Name, func(p *Policy) bool { return p.covers(q.Type) }),
	}
	e.Settings = settle(q.Type, q.settings(), e)
	return e
}

// settings are the queue's arguments, by the key of a policy that says the same.
func (q *Queue) settings() map[string]any {
	out := map[string]any{}
	for k, value := range q.Arguments {
		if name, ok := strings.CutPrefix(k, "x-"); ok && name != "" {
			out[policyKey(name)] = value
		}
	}
	return out
}

// ForExchange returns what holds for an exchange.
func (v *Vhost) ForExchange(x *Exchange) Effective {
	e := Effective{
		Policy:   holding(v.Policies, x.Name, func(p *Policy) bool { return Covers(p.ApplyTo, Exchanges) }),
		Operator: holding(v.Operator, x.Name, func(p *Policy) bool { return Covers(p.ApplyTo, Exchanges) }),
	}
	arguments := map[string]any{}
	if x.HasAlternate {
		arguments[alternateExchange] = x.Alternate
	}
	e.Settings = settle("", arguments, e)
	return e
}

// Get returns a setting that holds.
func (e Effective) Get(key string) (Setting, bool) {
	i := slices.IndexFunc(e.Settings, func(s Setting) bool { return s.Key == key })
	if i < 0 {
		return Setting{}, false
	}
	return e.Settings[i], true
}

// text returns a setting that must be a text.
func (e Effective) text(key string) (string, Setting, bool) {
	s, ok := e.Get(key)
	if !ok {
		return "", s, false
	}
	t, isText := s.Value.(string)
	return t, s, isText
}

// unsure returns the policies that would give the key another value, if they
// held.
func (h Holding) unsure(key string) []*Policy {
	var now any
	if h.Policy != nil {
		now = h.Policy.Definition[key]
	}
	var out []*Policy
	for _, p := range slices.Concat(h.Untried, h.Tied) {
		if !reflect.DeepEqual(p.Definition[key], now) {
			out = append(out, p)
		}
	}
	return out
}

// Exchanges is what Covers is asked for an exchange.
const Exchanges = "exchange"

// Covers reports whether a policy for applyTo is for such an object: a queue of
// the type classic, quorum or stream, or Exchanges.
func Covers(applyTo, objectType string) bool {
	switch applyTo {
	case "all":
		return true
	case "exchanges":
		return objectType == Exchanges
	case "queues":
		return objectType != Exchanges
	case "classic_queues":
		return objectType == "classic"
	case "quorum_queues":
		return objectType == "quorum"
	case "streams":
		return objectType == "stream"
	default:
		return false
	}
}

// covers reports whether a policy is for queues of the type: by apply-to, and
// because it sets nothing that they do not know. One foreign key keeps the whole
// policy from them, also where apply-to is all. Keys of exchanges do not.
func (p *Policy) covers(queueType string) bool {
	if !Covers(p.ApplyTo, queueType) {
		return false
	}
	for key := range p.Definition {
		if slices.Contains(foreign[queueType], key) {
			return false
		}
	}
	return true
}

// foreign are the keys of policies that keep a policy from queues of a type, as
// measured on 4.0.
var foreign = map[string][]string{
	"classic": {"max-age", "stream-max-segment-size-bytes", "initial-cluster-size",
		"delivery-limit", "dead-letter-strategy", "max-in-memory-length", "max-in-memory-bytes", "target-group-size"},
	"quorum": {"max-priority", "queue-mode", "ha-mode", "ha-params", "ha-sync-mode", "ha-promote-on-shutdown", "ha-promote-on-failure",
		"queue-master-locator", "max-age", "stream-max-segment-size-bytes", "initial-cluster-size"},
	"stream": {"expires", "message-ttl", "dead-letter-exchange", "dead-letter-routing-key", "max-length", "max-in-memory-length",
		"max-in-memory-bytes",
		"max-priority", "overflow", "queue-mode", "single-active-consumer", "delivery-limit", "ha-mode", "ha-params", "ha-sync-mode",
		"ha-promote-on-shutdown", "ha-promote-on-failure", "queue-master-locator", "dead-letter-strategy", "target-group-size"},
}

// holding finds the policy of the highest priority that matches the name.
func holding(all []*Policy, name string, covers func(*Policy) bool) Holding {
	var h Holding
	var hits []*Policy
	for _, p := range all {
		switch {
		case !covers(p):
		case p.re == nil:
			h.Untried = append(h.Untried, p)
		case p.re.MatchString(name):
			hits = append(hits, p)
		}
	}
	slices.SortStableFunc(hits, func(a, b *Policy) int { return cmp.Compare(b.Priority, a.Priority) })
	for i, p := range hits {
		switch {
		case i == 0:
			h.Policy = p
		case p.Priority == hits[0].Priority:
			h.Tied = append(h.Tied, p)
		default:
			h.Beaten = append(h.Beaten, p)
		}
	}
	h.Untried = slices.DeleteFunc(h.Untried, func(p *Policy) bool { return h.Policy != nil && p.Priority < h.Policy.Priority })
	return h
}

// Dead returns the policies that match nothing that is declared, operator
// policies among them, in order of name. Those that cannot be tried are not.
func (v *Vhost) Dead() (policies, operator []*Policy) {
	dead := func(all []*Policy) []*Policy {
		var out []*Policy
		for _, p := range all {
			if p.re != nil && !v.matchesAny(p) {
				out = append(out, p)
			}
		}
		return out
	}
	return dead(v.Policies), dead(v.Operator)
}

func (v *Vhost) matchesAny(p *Policy) bool {
	return slices.ContainsFunc(v.Queues, func(q *Queue) bool { return Covers(p.ApplyTo, q.Type) && p.re.MatchString(q.Name) }) ||
		slices.ContainsFunc(v.Exchanges, func(x *Exchange) bool { return Covers(p.ApplyTo, Exchanges) && p.re.MatchString(x.Name) })
}

const (
	alternateExchange  = "alternate-exchange"
	deadLetterExchange = "dead-letter-exchange"
	deadLetterKey      = "dead-letter-routing-key"
)

// rule says which of an argument, a policy and an operator policy holds.
type rule int

const (
	argumentWins rule = iota
	policyWins
	lowest
)

// rules by key of a policy, as in the broker's queue types. What is not in
// here goes by the argument, then by the policy.
var rules = map[string]rule{
	"message-ttl": lowest, "expires": lowest, "max-length": lowest, "max-length-bytes": lowest,
	"max-in-memory-length": lowest, "max-in-memory-bytes": lowest, "delivery-limit": lowest,
	"max-age": policyWins, "stream-max-segment-size-bytes": policyWins, "stream-filter-size-bytes": policyWins,
}

func ruleOf(key, queueType string) rule {
	switch {
	case key == "overflow" && queueType == "quorum", key == "max-length-bytes" && queueType == "stream":
		return policyWins
	default:
		return rules[key]
	}
}

// policyKey is the key of a policy that says the same as an argument.
func policyKey(argument string) string {
	if argument == "quorum-target-group-size" {
		return "target-group-size"
	}
	return argument
}

// notSettings are arguments that no policy can say.
var notSettings = []string{"queue-type", "max-priority", "single-active-consumer", "quorum-initial-group-size", "initial-cluster-size"}

// settle works out what holds of arguments and policies.
func settle(queueType string, arguments map[string]any, e Effective) []Setting {
	keys := map[string]bool{}
	for k := range arguments {
		keys[k] = !slices.Contains(notSettings, k)
	}
	for _, h := range []Holding{e.Policy, e.Operator} {
		if h.Policy != nil {
			for k := range h.Policy.Definition {
				keys[k] = true
			}
		}
	}
	var out []Setting
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if keys[key] {
			out = append(out, settleOne(key, ruleOf(key, queueType), arguments, e))
		}
	}
	return out
}

func settleOne(key string, r rule, arguments map[string]any, e Effective) Setting {
	policy := policyValue(key, e)
	value, isArgument := arguments[key]
	argument := Setting{Key: key, Value: value, From: "argument x-" + key}
	if key == alternateExchange {
		argument.From = "alternate_exchange"
	}
	switch {
	case !isArgument:
		return *policy
	case policy == nil:
		return argument
	case r == policyWins, r == lowest && less(policy.Value, value):
		policy.Over = append(policy.Over, argument.said())
		return *policy
	default:
		argument.Over = append([]string{policy.said()}, policy.Over...)
		return argument
	}
}

// policyValue is what policy and operator policy come to: of limits the lower
// one, else the operator's. nil when neither says anything.
func policyValue(key string, e Effective) *Setting {
	var p, o *Setting
	if h := e.Policy.Policy; h != nil && h.Definition[key] != nil {
		p = &Setting{Key: key, Value: h.Definition[key], From: "policy " + h.Name}
	}
	if h := e.Operator.Policy; h != nil && h.Definition[key] != nil {
		o = &Setting{Key: key, Value: h.Definition[key], From: "operator policy " + h.Name}
	}
	switch {
	case p == nil:
		return o
	case o == nil:
		return p
	case rules[key] == lowest && less(p.Value, o.Value), key == "target-group-size" && less(o.Value, p.Value):
		p.Over = []string{o.said()}
		return p
	default:
		o.Over = []string{p.said()}
		return o
	}
}

func (s Setting) said() string { return fmt.Sprintf("%v by %s", s.Value, s.From) }

// less compares two whole numbers, of which a negative one is no limit.
func less(a, b any) bool {
	x, ok := a.(int64)
	y, also := b.(int64)
	if !ok || !also || x < 0 {
		return false
	}
	return y < 0 || x < y
}
