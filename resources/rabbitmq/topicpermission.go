package rabbitmq

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/definitions"
)

const (
	topicPermissionName = "topic-permission"
	topicPermissionList = "/api/topic-permissions"
)

var topicPermissionTable = &resources.Table{
	Kind: topicPermissionName, Section: "rabbitmq/vhosts/*/topic_permissions/*/*",
	Example: "{transaction: {orders: {write: \"^paid$\", read: \"\"}}}",
	Doc:     "Which routing keys a user may publish to a topic exchange and bind from it, by user and exchange.",
	Fields: []resources.Field{
		{Key: "write", Type: resources.String(), Required: true, Cost: resources.InPlace,
			Doc: "A regular expression over the routing keys that may be published.", Example: `"^orders\\."`, Other: `""`},
		{Key: "read", Type: resources.String(), Required: true, Cost: resources.InPlace,
			Doc: "A regular expression over the routing keys that may be bound.", Example: `".*"`, Other: `""`},
	},
}

type topicPermissionKind struct{ single }

var _ = register(topicPermissionKind{single{
	table: topicPermissionTable,
	list:  topicPermissionList,
	path:  func(parts []string) string { return apiPath("topic-permissions", parts[0], parts[1]) },
	see: func(r row) *object {
		vhost, user, exchange := r.text("vhost"), r.text("user"), r.text("exchange")
		refs := append(seenInVhost(vhost), resources.Ref{To: resources.NewAddr(userName, user)})
		if !isDefaultExchange(exchange) {
			refs = append(refs, resources.Ref{To: resources.NewAddr(exchangeName, vhost, exchange)})
		}
		return &object{addr: resources.NewAddr(topicPermissionName, vhost, user, exchange), refs: refs,
			have: resources.Config{"write": r.text("write"), "read": r.text("read")}}
	},
	body: func(r *resources.Resource, _ *object, _ resources.Delta) map[string]any {
		return map[string]any{"exchange": r.Addr.Parts()[2], "write": r.Config["write"], "read": r.Config["read"]}
	},
}})

// Refs waits for the exchange, without which 4.3 refuses the permission. Before
// that the broker takes the permission for any name.
func (topicPermissionKind) Refs(r *resources.Resource) []resources.Ref {
	parts := r.Addr.Parts()
	refs := append(vhostRefs(r), userRef(r, parts[1]))
	if !isDefaultExchange(parts[2]) {
		refs = append(refs, resources.Ref{To: resources.NewAddr(exchangeName, parts[0], parts[2]), Wait: resources.Ready, Optional: true})
	}
	return refs
}

func (k topicPermissionKind) one(ctx context.Context, c reads, a resources.Addr) (*object, error) {
	rows, err := c.rows(ctx, k.path(a.Parts()))
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		if o := k.see(r); o.addr == a {
			return o, nil
		}
	}
	return nil, nil
}

// write puts one of the user's permissions; the answer is 204 also for a new
// one.
func (k topicPermissionKind) write(ctx context.Context, c writes, r *resources.Resource, have *object, d resources.Delta) (bool, error) {
	_, err := c.put(ctx, k.path(r.Addr.Parts()), k.body(r, have, d))
	return false, err
}

// remove names the exchange: without it all of the user's would go.
func (k topicPermissionKind) remove(ctx context.Context, c writes, have *object) error {
	parts := have.addr.Parts()
	return c.remove(ctx, apiPath("topic-permissions", parts[0], parts[1], parts[2]))
}

// owners: the broker deletes a topic permission with its user.
func (topicPermissionKind) owners(a resources.Addr) []resources.Addr {
	return []resources.Addr{resources.NewAddr(userName, part(a, 1))}
}

func (topicPermissionKind) Check(all *resources.Declared, report resources.Report) {
	for _, r := range all.Of(topicPermissionName) {
		parts := r.Addr.Parts()
		if parts[2] != "" { // the default exchange, of which the broker keeps one too
			checkName(r, parts[2], "exchange", report)
		}
		if !isDefaultExchange(parts[2]) && all.Get(resources.NewAddr(exchangeName, parts[0], parts[2])) == nil && !inExternal(r) {
			report(ruleLostTarget.At(r.KeyPos, fmt.Sprintf("the exchange %q of the topic permission is not declared; the name is no pattern, and "+
				"as long as it does not exist the permission allows nothing", parts[2]),
				"declare it under exchanges, with `external: true` if an application does"))
		}
		for _, field := range []string{"write", "read"} {
			checkPattern(r, "/"+field, r.Config[field], true, report)
		}
	}
}

// lacks says that a topic permission is for an exchange that neither is there nor
// is declared, which 4.3 refuses.
func (topicPermissionKind) lacks(ctx context.Context, s *snapshot, over *overview, w *resources.Resource) []resources.Unfit {
	if releaseOf(over.Version) < 403 {
		return nil
	}
	parts := w.Addr.Parts()
	addr := resources.NewAddr(exchangeName, parts[0], parts[2])
	if isDefaultExchange(parts[2]) || s.declared.Get(addr) != nil {
		return nil
	}
	rows, err := s.list(ctx, "/api/exchanges")
	if err != nil || slices.ContainsFunc(rows, func(x row) bool { return x.text("vhost") == parts[0] && x.text("name") == parts[2] }) {
		return nil
	}
	return []resources.Unfit{{Msg: fmt.Sprintf("the exchange %q does not exist, and this broker then refuses the topic permission", parts[2]),
		Hint: "declare the exchange: its name is not a pattern"}}
}

func (topicPermissionKind) export(w *exporter, r *resources.Resource) {
	w.ofBroker("topic_permissions", map[string]any{"vhost": r.Addr.Parts()[0], "user": r.Addr.Parts()[1], "exchange": r.Addr.Parts()[2],
		"write": r.Config["write"], "read": r.Config["read"]})
}

func (topicPermissionKind) imports() definitions.Kind {
	return definitions.Kind{List: "topic_permissions", Take: takeTopicPermission}
}

func takeTopicPermission(f *definitions.File, r definitions.Row) {
	name, exchange, v := r.Text("user"), r.Text("exchange"), f.Vhost(r)
	permissions := v.Section("topic_permissions")
	told := fmt.Sprintf("topic permission of %q on %q", name, exchange)
	if !v.Section("exchanges").Has(exchange) && !strings.HasPrefix(exchange, "amq.") {
		permissions.Note("%s: the export does not have the exchange", told)
		return
	}
	if wrong := definitions.BadName(name); wrong != "" {
		permissions.Note("%s: the user's name %s", told, wrong)
		return
	}
	if wrong := definitions.BadName(exchange); wrong != "" {
		permissions.Note("%s: the exchange's name %s", told, wrong)
		return
	}
	i := slices.IndexFunc(permissions.Items, func(e definitions.Entry) bool { return e.Name == name })
	if i < 0 {
		needUser(f, name)
		permissions.Add(definitions.Entry{Name: name, Nested: []*definitions.Section{definitions.Embedded()}})
		i = len(permissions.Items) - 1
	}
	if of := permissions.Items[i].Nested[0]; of.Accept(told, exchange) {
		e := definitions.Entry{Name: exchange}
		e.Add("write", r.Text("write"))
		e.Add("read", r.Text("read"))
		of.Add(e)
	}
}
