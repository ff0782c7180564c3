package rabbitmq

import (
	"context"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/definitions"
)

const (
	vhostLimitName = "vhost-limit"
	userLimitName  = "user-limit"
	unlimited      = int64(-1)
)

func limitField(key, doc string) resources.Field {
	return resources.Field{Key: key, Type: resources.Int(-1, math.MaxInt64), Default: unlimited, Cost: resources.InPlace,
		Doc: doc + " -1 is no limit.", Example: "100", Other: "200"}
}

var vhostLimitTable = &resources.Table{
	Kind: vhostLimitName, Section: "rabbitmq/vhosts/*/limits",
	Example: "{max_connections: 100, max_queues: 500}",
	Doc:     "Limits of a virtual host.",
	Fields: []resources.Field{
		limitField("max_connections", "How many connections may be open."),
		limitField("max_queues", "How many queues may exist. Replacing a queue that has messages needs room for two more."),
	},
}

var userLimitTable = &resources.Table{
	Kind: userLimitName, Section: "rabbitmq/users/*/limits",
	Example: "{max_connections: 100, max_channels: 1000}",
	Doc:     "Limits of a user.",
	Fields: []resources.Field{
		limitField("max_connections", "How many connections the user may open."),
		limitField("max_channels", "How many channels the user may open."),
	},
}

// limitKind is the limits of one virtual host or user: one object of ours, one
// call for each limit.
type limitKind struct {
	table    *resources.Table
	endpoint string
	owner    string // the kind the limits are of
	names    map[string]string
}

var vhostLimits = limitKind{vhostLimitTable, "vhost-limits", vhostName, map[string]string{"max_connections": "max-connections",
	"max_queues": "max-queues"}}

var userLimits = limitKind{userLimitTable, "user-limits", userName, map[string]string{"max_connections": "max-connections",
	"max_channels": "max-channels"}}

var (
	_ = register(vhostLimits)
	_ = register(userLimits)
)

func (k limitKind) Table() *resources.Table { return k.table }

func (k limitKind) Finish(r *resources.Resource, all *resources.Declared, _ resources.Report) {
	finish(r, all)
}

func (k limitKind) Refs(r *resources.Resource) []resources.Ref {
	ref := resources.Ref{To: resources.NewAddr(k.owner, r.Addr.Parts()[0]), Bind: resources.Inside, Wait: resources.Ready}
	return append(brokerRef(r), ref)
}

func (k limitKind) see(r row) *object {
	name := cmpText(r.text("vhost"), r.text("user"))
	o := &object{addr: resources.NewAddr(k.table.Kind, name), have: resources.Config{},
		refs: []resources.Ref{{To: resources.NewAddr(k.owner, name), Bind: resources.Inside}}}
	values := row(nil)
	if m, ok := r["value"].(map[string]any); ok {
		values = m
	}
	for field, limit := range k.names {
		if n, ok := values.number(limit); ok && n >= 0 {
			o.have[field] = n
		}
	}
	if len(o.have) == 0 {
		return nil // a limit of -1 is kept by the broker and limits nothing
	}
	return o
}

func (k limitKind) all(ctx context.Context, s *snapshot) ([]*object, error) {
	rows, err := s.list(ctx, "/api/"+k.endpoint)
	if err != nil {
		return nil, err
	}
	return k.collect(rows), nil
}

func (k limitKind) collect(rows []row) []*object {
	var out []*object
	for _, r := range rows {
		if o := k.see(r); o != nil {
			out = append(out, o)
		}
	}
	return out
}

func (k limitKind) one(ctx context.Context, c reads, a resources.Addr) (*object, error) {
	rows, err := c.rows(ctx, apiPath(k.endpoint, a.Parts()[0]))
	if err != nil {
		return nil, err
	}
	for _, o := range k.collect(rows) {
		if o.addr == a {
			return o, nil
		}
	}
	return nil, nil
}

func (k limitKind) write(ctx context.Context, c writes, r *resources.Resource, have *object, _ resources.Delta) (bool, error) {
	for _, field := range slices.Sorted(maps.Keys(k.names)) {
		path := apiPath(k.endpoint, r.Addr.Parts()[0], k.names[field])
		want, ok := r.Config[field].(int64)
		if ok && want >= 0 {
			if _, err := c.put(ctx, path, map[string]any{"value": want}); err != nil {
				return false, err
			}
		} else if have != nil && have.have[field] != nil {
			if err := c.remove(ctx, path); err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

func (k limitKind) remove(ctx context.Context, c writes, have *object) error {
	for _, field := range slices.Sorted(maps.Keys(k.names)) {
		if err := c.remove(ctx, apiPath(k.endpoint, have.addr.Parts()[0], k.names[field])); err != nil {
			return err
		}
	}
	return nil
}

// owners: limits go with what they are of.
func (k limitKind) owners(a resources.Addr) []resources.Addr {
	return []resources.Addr{resources.NewAddr(k.owner, part(a, 0))}
}

func (k limitKind) Check(all *resources.Declared, report resources.Report) {
	for _, r := range all.Of(k.table.Kind) {
		limits := false
		for field := range k.names {
			n, ok := r.Config[field].(int64)
			limits = limits || ok && n >= 0
		}
		if !limits {
			report(ruleNoLimit.At(r.KeyPos, "these limits limit nothing", "set one of them, or remove the section"))
		}
	}
}

// limitsOf returns the limits that limit something, by the broker's names.
func limitsOf(r *resources.Resource) map[string]any {
	out := map[string]any{}
	for key, v := range r.Config {
		if n, ok := v.(int64); ok && n >= 0 {
			out[strings.ReplaceAll(key, "_", "-")] = n
		}
	}
	return out
}

// component: the limits of virtual hosts are parameters too.
func (k limitKind) component() string {
	if k.owner == vhostName {
		return "vhost-limits"
	}
	return ""
}

// export writes the limits of virtual hosts; those of a user are written with the
// user.
func (k limitKind) export(w *exporter, r *resources.Resource) {
	if k.owner == vhostName {
		w.inVhost("parameters", r, map[string]any{"component": k.component(), "name": "limits", "value": limitsOf(r)})
	}
}

// imports: those of users stand with the users.
func (k limitKind) imports() definitions.Kind {
	if k.owner != vhostName {
		return definitions.Kind{}
	}
	return definitions.Kind{Component: k.component(), Take: func(f *definitions.File, r definitions.Row) {
		takeVhostLimits(f.Vhost(r), r["value"])
	}}
}

// takeVhostLimits reads {"max-queues": 5}, or a list of such objects.
func takeVhostLimits(v *definitions.Vhost, value any) {
	value = definitions.Unpair(value)
	if list, ok := value.([]any); ok {
		for _, e := range list {
			takeVhostLimits(v, e)
		}
		return
	}
	m, _ := value.(map[string]any)
	limits := v.Section("limits")
	for _, f := range vhostLimits.take(&v.Entry, m) {
		if !slices.ContainsFunc(limits.Items, func(e definitions.Entry) bool { return e.Fields[0].Key == f.Key }) {
			limits.Add(definitions.Entry{Fields: []definitions.Field{f}})
		}
	}
}

// take returns the limits that limit something, and notes those not known.
func (k limitKind) take(of *definitions.Entry, limits map[string]any) []definitions.Field {
	var out []definitions.Field
	for _, name := range slices.Sorted(maps.Keys(limits)) {
		key := strings.ReplaceAll(name, "-", "_")
		if k.names[key] == "" {
			of.Note("limit %s is not known", name)
			continue
		}
		n, _ := limits[name].(json.Number)
		if i, err := strconv.ParseInt(n.String(), 10, 64); err == nil && i >= 0 {
			out = append(out, definitions.Field{Key: key, Value: n})
		}
	}
	return out
}
