package rabbitmq

import (
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/routing"
)

// AdviceCode is the rule that advises policies in place of arguments.
const AdviceCode = "MZ207"

// Advised is a queue whose arguments a policy would hold better, and the policy
// that says the same.
type Advised struct {
	Queue *resources.Resource
	// Arguments are those that go, sorted.
	Arguments []string
	// The policy: with the one that held before in it, since only one holds.
	Name     string
	Pattern  string
	Priority int64
	// Definition is in order of key.
	Definition []AdvisedKey
	// Not says why no policy can be made, "" when one can.
	Not string
}

// AdvisedKey is one key of the policy: the value of an argument, or what the
// policy said that held before.
type AdvisedKey struct {
	Key      string
	Argument string // "" when the value is the policy's
	Written  any    // as it is written in the spec, for a value of the policy
}

// Advice returns what policies would say in place of arguments, in order of
// address.
func Advice(all *resources.Declared) []Advised {
	vhosts := map[string]*routing.Vhost{}
	taken := map[resources.Addr]bool{}
	for _, v := range Topology(all) {
		vhosts[v.Name] = v
	}
	for _, r := range all.Of(policyName) {
		taken[r.Addr] = true
	}
	var out []Advised
	for _, r := range all.Of(queueName) {
		var arguments []string
		for name := range r.Config.Map("arguments") {
			if s := argumentSetting(name); s != nil && s.advise && s.takes(typeOf(r)) {
				arguments = append(arguments, name)
			}
		}
		if len(arguments) == 0 || r.External {
			continue
		}
		slices.Sort(arguments)
		parts := r.Addr.Parts()
		a := Advised{Queue: r, Arguments: arguments, Name: parts[1], Pattern: "^" + regexp.QuoteMeta(parts[1]) + "$"}
		for n := 2; taken[resources.NewAddr(policyName, parts[0], a.Name)]; n++ {
			a.Name = fmt.Sprintf("%s-%d", parts[1], n)
		}
		taken[resources.NewAddr(policyName, parts[0], a.Name)] = true
		a.define(all, vhosts[parts[0]])
		out = append(out, a)
	}
	return out
}

// define works out what the policy must say so that nothing else changes.
func (a *Advised) define(all *resources.Declared, v *routing.Vhost) {
	e := v.ForQueue(v.Queue(a.Queue.Addr.Parts()[1]))
	if len(e.Policy.Tied)+len(e.Policy.Untried) > 0 {
		a.Not = "which policy holds for the queue now cannot be told"
		return
	}
	keys := map[string]AdvisedKey{}
	if p := e.Policy.Policy; p != nil {
		if p.Priority == 1<<31-1 {
			a.Not = "no priority is higher than that of policy " + p.Name
			return
		}
		a.Priority = p.Priority + 1
		held := all.Get(resources.NewAddr(policyName, a.Queue.Addr.Parts()[0], p.Name))
		written, _ := held.Node.Get("definition").Written().(map[string]any)
		for k := range p.Definition {
			if _, ok := written[k]; !ok {
				a.Not = "policy " + p.Name + " is not written in the spec"
				return
			}
			keys[k] = AdvisedKey{Key: k, Written: written[k]}
		}
	}
	for _, name := range a.Arguments {
		key := argumentSetting(name).policy
		if s, ok := e.Get(key); !ok || s.From == "argument "+name || keys[key].Key == "" {
			keys[key] = AdvisedKey{Key: key, Argument: name}
		}
	}
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		a.Definition = append(a.Definition, keys[k])
	}
}
