package rabbitmq

import (
	"maps"
	"slices"
)

// ArgumentNames are the arguments of queues that midaz knows.
func ArgumentNames() []string {
	var out []string
	for i := range settings {
		if settings[i].name != "" {
			out = append(out, "x-"+settings[i].name)
		}
	}
	return out
}

// PolicyKeys are the keys of policies that midaz knows.
func PolicyKeys() []string {
	var out []string
	for i := range settings {
		if settings[i].policy != "" {
			out = append(out, settings[i].policy)
		}
	}
	return out
}

// ShovelKeys and UpstreamKeys are the settings of shovels and of federation
// upstreams that midaz knows.
func ShovelKeys() []string {
	all := maps.Clone(shovelForms)
	for side := range 2 {
		maps.Copy(all, classicForms[side])
		maps.Copy(all, amqp10Forms[side])
	}
	return slices.Sorted(maps.Keys(all))
}

func UpstreamKeys() []string { return slices.Sorted(maps.Keys(upstreamForms)) }

var OwnersOf = ownersOf
