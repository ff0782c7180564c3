package rabbitmq

import (
	"context"
	"path"
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/definitions"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/routing"
	"github.com/LerianStudio/midaz-infra/specs"
)

// topology is what a kind of the broker's objects can do. Reading, ownership,
// verification and the ledger are the same for all and stand elsewhere.
type topology interface {
	resources.Kind
	// all returns every object of the kind, without those that every broker
	// has and those that clients make for themselves.
	all(ctx context.Context, s *snapshot) ([]*object, error)
	// one returns a single object as it is now, nil when it is not there.
	one(ctx context.Context, c reads, a resources.Addr) (*object, error)
	// write makes the object what r wants; have is nil when it is not there,
	// else d says what differs. sure reports that the broker's answer proves
	// it, so that there is no need to look again.
	write(ctx context.Context, c writes, r *resources.Resource, have *object, d resources.Delta) (sure bool, err error)
	// remove deletes the object; one that is gone already is success.
	remove(ctx context.Context, c writes, have *object) error
}

// The following interfaces are optional for a topology.
type (
	// fitter completes what was seen by what is wanted, for fields that the
	// broker shows in another form: a password as its hash.
	fitter interface {
		fit(o *object, want *resources.Resource, applied *resources.Sealed) *resources.Sealed
	}
	// sealer chooses what the ledger remembers of a resource; o is the object
	// after the write, nil when it was not looked at.
	sealer interface {
		seal(r *resources.Resource, o *object) resources.Config
	}
	// inspector says what would be lost with objects that a change may destroy;
	// it may ask the broker. On a broker with at most cheapFor of them that
	// costs so little that it is done for all.
	inspector interface {
		inspect(ctx context.Context, s *snapshot, b *books, objects []*object) error
		cheapFor() int
	}
	// rechecker looks right before a delete whether more would be lost than the
	// plan has shown.
	rechecker interface {
		recheck(ctx context.Context, broker *Broker, s *snapshot, b *books, planned *object) error
	}
	// owned objects are deleted by the broker also with others than their virtual
	// host.
	owned interface {
		owners(a resources.Addr) []resources.Addr
	}
	// attached objects lie between others of their virtual host, and go with each
	// of these. While one of them is replaced, another may stand in for them.
	attached interface {
		ends(a resources.Addr) []resources.Addr
		standIn(ctx context.Context, c reads, a resources.Addr) (*object, error)
	}
	// versioned tells what a version refuses of a resource, or passes over in
	// silence, though another one takes it.
	versioned interface {
		refusedBy(v release, r *resources.Resource) []resources.Unfit
	}
	// demanding tells what this broker lacks for a resource: a plugin, another
	// object.
	demanding interface {
		lacks(ctx context.Context, s *snapshot, over *overview, r *resources.Resource) []resources.Unfit
	}
	// parametric kinds are kept by the broker as parameters of a component, which
	// is "" for none, and are listed among them.
	parametric interface {
		component() string
	}
	// exported kinds stand in definitions, RabbitMQ's own format. It is only called
	// for what lies in what is exported.
	exported interface {
		export(w *exporter, r *resources.Resource)
	}
	// imported kinds are taken over from definitions.
	imported interface {
		imports() definitions.Kind
	}
	// routed kinds have a say in where messages go.
	routed interface {
		model(v *routing.Vhost, r *resources.Resource)
	}
	// guarded looks right before each write and delete (want is nil) whether it
	// would lose what the plan has not shown.
	guarded interface {
		guard(ctx context.Context, b *Broker, a resources.Addr, want *resources.Resource) error
	}
)

// object is one thing seen on the broker.
type object struct {
	addr resources.Addr
	have resources.Config
	refs []resources.Ref
	// free objects belong to nobody by nature: the virtual host "/", the user
	// midaz logs in as.
	free  bool
	notes []string
	// hash is a user's password hash and its algorithm.
	hash passwordHash
	// paths are where a binding is deleted: the broker may hold several that look
	// the same.
	paths []string
	// stuck exchanges keep their bindings for ever.
	stuck bool
	// load is what a queue holds, nil when it was not asked.
	load *load
	// losses say what else would be lost with the object.
	losses []string
	// replacing says what its replacement would mean, nil when that was not asked.
	replacing *replacement
	// reach is what the policies of its virtual host reach, nil when nothing that
	// changes there can drop a message.
	reach *reach
	// migration is set for what a killed replacement has left.
	migration *leftover
}

// topologies are the kinds in the order of their sections' keys.
var (
	topologies []topology
	byName     map[string]topology
)

// register adds a kind; it returns true so that it can stand in a declaration.
func register(k topology) bool {
	topologies = append(topologies, k)
	slices.SortStableFunc(topologies, func(a, b topology) int { return strings.Compare(sectionKey(a), sectionKey(b)) })
	if byName == nil {
		byName = map[string]topology{}
	}
	byName[k.Table().Kind] = k
	for _, other := range topologies {
		nest(other.Table(), k.Table())
		nest(k.Table(), other.Table())
	}
	nest(brokerTable, k.Table())
	return true
}

// nest notes in the table of what holds sections that one of them is another
// kind's.
func nest(in, t *resources.Table) {
	if rest, ok := strings.CutPrefix(t.Section, in.Section+"/"); ok {
		key, _, _ := strings.Cut(rest, "/")
		if !slices.Contains(in.Nested, key) {
			in.Nested = append(in.Nested, key)
		}
	}
}

// Kinds returns the kinds of this package: the broker and its topology.
func Kinds() []resources.Kind {
	out := []resources.Kind{brokerKind{}}
	for _, k := range topologies {
		out = append(out, k)
	}
	return out
}

// place is what Finish remembers of where a resource stands.
type place struct {
	*section
	// vhost is the virtual host the resource lies in, nil when it lies in none.
	vhost *resources.Resource
}

// section is what the whole rabbitmq section says, worked out once and kept on
// the broker resource.
type section struct {
	// broker is the address of the broker resource, zero when there is none.
	broker resources.Addr
	// username is who midaz logs in as.
	username string
	// hasService tells that the stack itself runs the broker.
	hasService bool
	// policies by virtual host, those whose pattern could be read.
	policies map[string][]matcher
}

func placeOf(r *resources.Resource) place {
	p, ok := r.Native.(place)
	if g, is := r.Native.(generated); is {
		p, ok = g.place, true
	}
	if !ok {
		p.section = &section{}
	}
	return p
}

func sectionOf(all *resources.Declared) *section {
	brokers := all.Of(brokerName)
	if len(brokers) == 0 {
		return &section{}
	}
	r := brokers[0]
	s, ok := r.Native.(*section)
	if !ok {
		s = &section{broker: r.Addr, username: managementOf(r).username, hasService: r.Config.Text("service") != "", policies: matchers(all)}
		r.Native = s
	}
	return s
}

// finish notes where the resource stands. Kinds that finish more begin with it.
func finish(r *resources.Resource, all *resources.Declared) place {
	p := place{section: sectionOf(all)}
	if vhost, ok := vhostOf(r.Addr); ok && r.Addr.Kind != vhostName {
		p.vhost = all.Get(resources.NewAddr(vhostName, vhost))
	}
	r.Native = p
	return p
}

// inExternal reports whether the resource lies in a virtual host that someone
// else manages, where undeclared things may exist.
func inExternal(r *resources.Resource) bool {
	p := placeOf(r)
	return p.vhost != nil && p.vhost.Config.Bool("external")
}

// vhostOf returns the virtual host that an address lies in: its first part where
// the section of the kind lies in that of virtual hosts.
func vhostOf(a resources.Addr) (string, bool) {
	k := kindOf(a.Kind)
	if k == nil || !strings.HasPrefix(k.Table().Section, vhostTable.Section) {
		return "", false
	}
	return a.Parts()[0], true
}

// ownersOf returns the objects with each of which the broker deletes a.
func ownersOf(a resources.Addr) []resources.Addr {
	var out []resources.Addr
	if vhost, ok := vhostOf(a); ok && a.Kind != vhostName {
		out = append(out, resources.NewAddr(vhostName, vhost))
	}
	if k, ok := kindOf(a.Kind).(owned); ok {
		out = append(out, k.owners(a)...)
	}
	return out
}

// part returns one part of an address, "" where it has not so many: those of a
// ledger may have been written by anyone.
func part(a resources.Addr, i int) string {
	if parts := a.Parts(); i < len(parts) {
		return parts[i]
	}
	return ""
}

// brokerRef returns the reference to the broker, in which everything lives.
func brokerRef(r *resources.Resource) []resources.Ref {
	p := placeOf(r)
	if p.broker.IsZero() {
		return nil
	}
	return []resources.Ref{{To: p.broker, Bind: resources.Inside, Wait: resources.Ready}}
}

// vhostRefs returns the references of what lies in a virtual host.
func vhostRefs(r *resources.Resource) []resources.Ref {
	refs := brokerRef(r)
	if vhost, ok := vhostOf(r.Addr); ok {
		refs = append(refs, resources.Ref{To: resources.NewAddr(vhostName, vhost), Bind: resources.Inside, Wait: resources.Ready})
	}
	return refs
}

// seenInVhost returns the references of an object seen in a virtual host.
func seenInVhost(vhost string) []resources.Ref {
	return []resources.Ref{{To: resources.NewAddr(vhostName, vhost), Bind: resources.Inside}}
}

// single is a kind whose objects each have a path of their own: what is listed
// in bulk, read, put and deleted are the same rows.
type single struct {
	table *resources.Table
	// list is the path of the bulk read.
	list string
	// path is the path of one object, by the parts of its address.
	path func(parts []string) string
	// see reads a row; nil passes it over.
	see func(r row) *object
	// user names whose object it is, by the parts of its address; that of the user
	// midaz logs in as is free. nil where objects are nobody's.
	user func(parts []string) string
	// body is what is put.
	body func(r *resources.Resource, have *object, d resources.Delta) map[string]any
}

// Releases says that an object is given up by leaving it out of the ledger.
func (single) Releases() {}

func (k single) Table() *resources.Table { return k.table }

func (k single) Refs(r *resources.Resource) []resources.Ref { return vhostRefs(r) }

func (k single) Finish(r *resources.Resource, all *resources.Declared, _ resources.Report) {
	finish(r, all)
}

func (k single) all(ctx context.Context, s *snapshot) ([]*object, error) {
	rows, err := s.list(ctx, k.list)
	if err != nil {
		return nil, err
	}
	out := make([]*object, 0, len(rows))
	for _, r := range rows {
		if o := k.seeAs(r, s.username); o != nil {
			out = append(out, o)
		}
	}
	return out, nil
}

func (k single) one(ctx context.Context, c reads, a resources.Addr) (*object, error) {
	r, err := c.row(ctx, k.path(a.Parts()))
	if err != nil || r == nil {
		return nil, err
	}
	return k.seeAs(r, c.username), nil
}

// seeAs reads a row, logged in as username.
func (k single) seeAs(r row, username string) *object {
	o := k.see(r)
	if o != nil && k.user != nil && k.user(o.addr.Parts()) == username {
		o.free = true
	}
	return o
}

// write puts the object. 201 says that it was not there before and is now as
// sent; 204 may also mean that the broker has passed over what it cannot
// change, so it is looked at again.
func (k single) write(ctx context.Context, c writes, r *resources.Resource, have *object, d resources.Delta) (bool, error) {
	created, err := c.put(ctx, k.path(r.Addr.Parts()), k.body(r, have, d))
	return created && have == nil, err
}

func (k single) remove(ctx context.Context, c writes, have *object) error {
	return c.remove(ctx, k.path(have.addr.Parts()))
}

// isTransientName reports whether clients or plugins make such names for
// themselves.
func isTransientName(name string) bool {
	for _, prefix := range []string{"amq.gen-", "amq.rabbitmq.reply-to", "mqtt-subscription-", "stomp-subscription-", "federation: "} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// externalField is the row of objects that may be managed elsewhere.
func externalField(what string) resources.Field {
	return resources.Field{Key: "external", Type: resources.Bool(), Default: false, Cost: resources.Free, Unseen: true, Unmarked: true,
		Doc:     "The " + what + " is managed elsewhere: it is referred to and must exist, and is never changed.",
		Example: "true", Other: "false"}
}

// protectField is the row of objects that may be protected.
func protectField(what string) resources.Field {
	return resources.Field{Key: "protect", Type: resources.Bool(), Default: false, Cost: resources.Free, Unseen: true,
		Doc:     "Refuse to delete or replace the " + what + ", also after its block has left the spec.",
		Example: "true", Other: "false"}
}

// Rules returns the rules of this package, for `midaz explain`.
func Rules() []*specs.Rule { return rules }

// kindOf returns the topology of a kind's name, nil for others.
func kindOf(name string) topology { return byName[name] }

// sectionKey returns the key of a kind's section: "queues".
func sectionKey(k resources.Kind) string { return keyOf(k.Table().Section) }

// keyOf returns the last key of a path to a section.
func keyOf(section string) string { return path.Base(strings.TrimRight(section, "/*-")) }
