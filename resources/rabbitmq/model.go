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
	for _, k := range topologies {
		routed, ok := k.(routed)
		if !ok {
			continue
		}
		for _, r := range all.Of(k.Table().Kind) {
			routed.model(in(r), r)
		}
	}
	out := make([]*routing.Vhost, 0, len(vhosts))
	for _, name := range slices.Sorted(maps.Keys(vhosts)) {
		out = append(out, routing.Make(*vhosts[name]))
	}
	return out
}
