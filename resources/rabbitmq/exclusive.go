package rabbitmq

import (
	"fmt"
	"slices"

	"github.com/LerianStudio/midaz-infra/resources"
)

// stray says why an object that is in no spec is removed although the stack
// never made it: it lies in a virtual host that is declared exclusive. It is ""
// for what is left alone: objects of another stack, the permissions of the user
// midaz logs in as, and what deletes itself when its clients leave.
func (b *ReadBroker) stray(o *object, books *books) string {
	name, ok := vhostOf(o.addr)
	if !ok || o.addr.Kind == vhostName || books.owner(o.addr) != "" || b.o.Declared == nil {
		return ""
	}
	vhost := b.o.Declared.Get(resources.NewAddr(vhostName, name))
	if vhost == nil || !vhost.Config.Bool("exclusive") || vhost.Config.Bool("external") || name != "/" && !books.owns(vhost.Addr) {
		return ""
	}
	switch {
	case o.have.Bool("auto_delete"):
		return ""
	case slices.Contains(ownersOf(o.addr), resources.NewAddr(userName, b.username())):
		return ""
	}
	return fmt.Sprintf("it is not in the spec, and %s is declared exclusive", vhost.Addr)
}
