package rabbitmq

import (
	"context"
	"slices"
)

// Facts are what a broker says about itself, for people.
type Facts struct {
	Version, Cluster, Node string
	// Protocols are the names of what it listens for ("amqp", "http"), each once.
	Protocols []string
}

// About asks the broker what it is. The error wraps resources.ErrUnreachable
// while it cannot be connected to.
func (b *ReadBroker) About(ctx context.Context) (*Facts, error) {
	over, err := b.overview(ctx)
	if err != nil {
		return nil, err
	}
	f := &Facts{Version: over.Version, Cluster: over.Cluster, Node: over.Node}
	for _, l := range over.Listeners {
		if !slices.Contains(f.Protocols, l.Protocol) {
			f.Protocols = append(f.Protocols, l.Protocol)
		}
	}
	slices.Sort(f.Protocols)
	return f, nil
}
