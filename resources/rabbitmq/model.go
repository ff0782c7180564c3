package rabbitmq

import (
	"maps"
	"slices"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/routing"
)

// Topology returns what the spec declares in each virtual host, by name, for
// telling where messages go.
func Topology(all *resources.Declared) []*routing.Vhost {
	vhosts := map[string]*routing.Vhost{}
	in := func(r *resources.Resource) *routing.Vhost {
		name := r.Addr.Parts()[0]
		if vhosts[name] == nil {
			vhosts[name] = &routing.Vhost{Name: name}
		}
		return vhosts[name]
	}
	for _, r := range all.Of(vhostName) {
		in(r)
	}
	for _, r := range all.Of(exchangeName) {
		v := in(r)
		v.Exchanges = append(v.Exchanges, modelExchange(r))
	}
	for _, r := range all.Of(queueName) {
		v := in(r)
		v.Queues = append(v.Queues, &routing.Queue{Name: r.Addr.Parts()[1], Type: typeOf(r), External: r.External, Arguments: r.Config.Map("arguments")})
	}
	for _, r := range all.Of(bindingName) {
		v := in(r)
		b := &routing.Binding{Source: r.Config.Text("source"), Destination: r.Config.Text("queue"), Key: r.Config.Text("routing_key"), Arguments: r.Config.Map("arguments")}
		if _, ok := r.Config["exchange"]; ok {
			b.ToExchange, b.Destination = true, r.Config.Text("exchange")
		}
		v.Bindings = append(v.Bindings, b)
	}
	for _, r := range all.Of(policyName) {
		v := in(r)
		v.Policies = append(v.Policies, modelPolicy(r))
	}
	for _, r := range all.Of(operatorPolicyName) {
		v := in(r)
		v.Operator = append(v.Operator, modelPolicy(r))
	}
	out := make([]*routing.Vhost, 0, len(vhosts))
	for _, name := range slices.Sorted(maps.Keys(vhosts)) {
		out = append(out, routing.Make(*vhosts[name]))
	}
	return out
}

func modelExchange(r *resources.Resource) *routing.Exchange {
	x := &routing.Exchange{Name: r.Addr.Parts()[1], Type: r.Config.Text("type"), Internal: r.Config.Bool("internal"),
		External: r.External, Arguments: r.Config.Map("arguments")}
	if x.Type == "" && !x.External {
		x.Type = "direct"
	}
	if _, ok := r.Config["alternate_exchange"]; ok {
		x.HasAlternate, x.Alternate = true, r.Config.Text("alternate_exchange")
	}
	return x
}

func modelPolicy(r *resources.Resource) *routing.Policy {
	return &routing.Policy{Name: r.Addr.Parts()[1], Pattern: r.Config.Text("pattern"), ApplyTo: cmpText(r.Config.Text("apply_to"), "all"),
		Priority: r.Config.Int("priority"), Definition: r.Config.Map("definition")}
}
