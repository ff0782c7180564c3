package rabbitmq

import (
	"maps"

	"github.com/LerianStudio/midaz-infra/resources"
)

// settle is an object that was made as declared. How many messages it holds
// and who uses it is known to the broker alone.
func settle(k topology, r *resources.Resource, o *resources.Observed) {
	remember := marked(k, r, nil)
	o.Have = maps.Clone(o.Have)
	maps.Copy(o.Have, remember)
	sealed := r.Seal(remember)
	o.Applied = &sealed
	o.Native = &object{addr: r.Addr, have: o.Have, refs: r.Refs, free: o.Free}
}

// Settle is the exchange as declared.
func (k exchangeKind) Settle(r *resources.Resource, o *resources.Observed, _ *resources.Resource) {
	settle(k, r, o)
}

// Settle is the queue as declared, of the type that held then.
func (k queueKind) Settle(r *resources.Resource, o *resources.Observed, _ *resources.Resource) {
	settle(k, r, o)
}

// Settle is the parameter as declared.
func (k parameterKind) Settle(r *resources.Resource, o *resources.Observed, _ *resources.Resource) {
	settle(k, r, o)
}

// Settle is the virtual host as declared; every broker has "/".
func (k vhostKind) Settle(r *resources.Resource, o *resources.Observed, _ *resources.Resource) {
	o.Free = r.Addr.Parts()[0] == "/"
	settle(k, r, o)
}

// Settle is the user with the password declared then, of which the broker would
// only show a hash. Who midaz logs in as is never removed.
func (k userKind) Settle(r *resources.Resource, o *resources.Observed, _ *resources.Resource) {
	name := r.Addr.Parts()[0]
	o.Free = name == "guest" || name == placeOf(r).username
	settle(k, r, o)
	for _, key := range []string{"password", "password_hash"} {
		if v, ok := r.Config[key]; ok {
			o.Have[key] = v
		}
	}
}
