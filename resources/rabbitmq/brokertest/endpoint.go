package brokertest

// endpoint is one part of the API, which its own file registers.
type endpoint struct {
	serve func(b *Broker, c *call)
	// dropVhost and dropUser remove what goes with a virtual host or a user, nil
	// where nothing does.
	dropVhost, dropUser func(b *Broker, name string)
}

var endpoints map[string]endpoint

// register adds an endpoint; it returns true so that it can stand in a
// declaration.
func register(name string, e endpoint) bool {
	if endpoints == nil {
		endpoints = map[string]endpoint{}
	}
	endpoints[name] = e
	return true
}
