package rabbitmq

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/definitions"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/routing"
	"github.com/LerianStudio/midaz-infra/specs"
)

const vhostName = "vhost"

var vhostTable = &resources.Table{
	Kind: vhostName, Section: "rabbitmq/vhosts/*", NullOK: true,
	Example: "{/: {queues: {orders.paid: {type: quorum}}}}",
	Doc:     "A virtual host: a name space of exchanges, queues, bindings and permissions. \"/\" exists on every broker and is never removed.",
	// As they are shown; sections of further kinds come after these.
	Nested: []string{"permissions", "topic_permissions", "exchanges", "queues", "bindings", "policies", "operator_policies", "parameters",
		"limits"},
	Fields: []resources.Field{
		{Key: "description", Type: resources.String(), Default: "", Open: true, Cost: resources.InPlace,
			Doc: "A text for people.", Example: "the ledger's topology", Other: "reports"},
		{Key: "tags", Type: tagsType{}, Open: true, Cost: resources.InPlace,
			Doc: "Words for people and tools, as a list or a text with commas.", Example: "[production, ledger]", Other: "[staging]"},
		{Key: "default_queue_type", Type: resources.Enum("classic", "quorum", "stream"), Open: true, Cost: resources.InPlace, Since: "3.11.12",
			Doc: "The type of a queue that declares none, here and by clients. Changing it changes no existing queue.", Example: "quorum",
			Other: "classic"},
		{Key: "tracing", Type: resources.Bool(), Default: false, Cost: resources.InPlace,
			Doc: "Copy every message to the exchange amq.rabbitmq.trace.", Example: "true", Other: "false"},
		{Key: "deletion_protection", Type: resources.Bool(), Default: false, Cost: resources.InPlace, Since: "4.1",
			Doc: "The broker itself refuses to delete the virtual host.", Example: "true", Other: "false"},
		{Key: "exclusive", Type: resources.Bool(), Default: false, Cost: resources.Free, Unseen: true, Unmarked: true,
			Doc: "Everything in the virtual host is the stack's: what the spec does not declare is removed, whoever made it. Without it such " +
				"things are reported and left alone.", Example: "true", Other: "false"},
		externalField("virtual host"),
		protectField("virtual host"),
	},
}

type vhostKind struct{ single }

var _ = register(vhostKind{single{
	table: vhostTable,
	list:  "/api/vhosts",
	path:  func(parts []string) string { return apiPath("vhosts", parts[0]) },
	see:   seeVhost,
	body: func(r *resources.Resource, have *object, d resources.Delta) map[string]any {
		body := map[string]any{"description": "", "tags": []any{}, "tracing": r.Config.Bool("tracing")}
		for _, key := range []string{"description", "tags", "default_queue_type"} {
			v, declared := r.Config[key]
			switch {
			case declared:
				body[key] = v
			case have == nil || have.have[key] == nil:
			case !d.Has(key): // a PUT replaces everything, so the rest is sent as it is
				body[key] = have.have[key]
			case key == "default_queue_type": // declared once and not now; 4.0 keeps what is left out
				body[key] = "classic"
			}
		}
		return body
	},
}})

func seeVhost(r row) *object {
	name := r.text("name")
	o := &object{addr: resources.NewAddr(vhostName, name), free: name == "/", have: resources.Config{
		"description": r.text("description"), "tags": r.tags("tags"), "tracing": r.flag("tracing"),
	}}
	// 3.10 lists "undefined" and takes no other value by PUT.
	if t := r.text("default_queue_type"); t != "" && t != "undefined" {
		o.have["default_queue_type"] = t
	}
	if protected, ok := r["protected_from_deletion"].(bool); ok {
		o.have["deletion_protection"] = protected
	}
	return o
}

func (vhostKind) Refs(r *resources.Resource) []resources.Ref { return brokerRef(r) }

func (k vhostKind) Finish(r *resources.Resource, all *resources.Declared, report resources.Report) {
	k.single.Finish(r, all, report)
	r.External = r.Config.Bool("external")
	r.Protect = r.Config.Bool("protect")
}

// write sends what is declared; deletion protection has a path of its own.
func (k vhostKind) write(ctx context.Context, c writes, r *resources.Resource, have *object, d resources.Delta) (bool, error) {
	sure, err := k.single.write(ctx, c, r, have, d)
	if err != nil {
		return false, err
	}
	want, is := r.Config.Bool("deletion_protection"), have != nil && have.have.Bool("deletion_protection")
	if want == is {
		return sure, nil
	}
	return false, k.protect(ctx, c, r.Addr, want)
}

func (k vhostKind) protect(ctx context.Context, c writes, a resources.Addr, on bool) error {
	path := apiPath("vhosts", a.Parts()[0], "deletion", "protection")
	if !on {
		return c.remove(ctx, path)
	}
	err := c.post(ctx, path, map[string]any{})
	if isNotFound(err) || statusOf(err) == 405 {
		return &resources.Diagnosis{Err: fmt.Errorf("deletion_protection: %w", err),
			Hint: "this broker is older than 4.1 and cannot protect a virtual host; use `protect: true`, which midaz itself keeps"}
	}
	return err
}

// cheapFor is how many virtual hosts a broker may have for all to be looked
// into always. What lies in them is read anyway.
func (vhostKind) cheapFor() int { return 16 }

// inspect says what the removal of a virtual host would take along: messages,
// and what the stack does not own.
func (vhostKind) inspect(ctx context.Context, s *snapshot, b *books, objects []*object) error {
	foreign, err := strangersIn(ctx, s, b)
	if err != nil {
		return err
	}
	for _, o := range objects {
		name := o.addr.Parts()[0]
		// One virtual host's queues at a time: of all of them there may be many.
		queues, err := heldIn(ctx, s.list, name, false)
		if err != nil {
			return err
		}
		messages := int64(0)
		for _, q := range queues {
			messages += q.messages()
		}
		o.losses = append(o.losses, lostWith(messages)...)
		if others := foreign[name]; len(others) > 0 {
			o.losses = append(o.losses, "what the stack does not own would go with it: "+listSome(others))
		}
	}
	return nil
}

func lostWith(messages int64) []string {
	if messages == 0 {
		return nil
	}
	return []string{plural(messages, "message") + " in its queues would be lost"}
}

// countNow counts the messages in the queues of a virtual host that seems empty,
// as they are at this moment.
func (vhostKind) countNow(ctx context.Context, b *Broker, s *snapshot, vhost string) (int64, error) {
	queues, err := heldIn(ctx, s.list, vhost, false)
	if err != nil {
		return 0, err
	}
	if err := b.recount(ctx, vhost, queues, true); err != nil {
		return 0, err
	}
	messages := int64(0)
	for _, q := range queues {
		messages += q.messages()
	}
	return messages, nil
}

// strangersIn returns, by virtual host, what lies in it and no ledger of this
// stack names. Permissions of the user that made it are not counted.
func strangersIn(ctx context.Context, s *snapshot, b *books) (map[string][]string, error) {
	out := map[string][]string{}
	for _, k := range topologies {
		if _, between := k.(attached); between { // it goes with what it lies between
			continue
		}
		objects, err := k.all(ctx, s)
		if err != nil {
			return nil, err
		}
		for _, o := range objects {
			vhost, ok := vhostOf(o.addr)
			if ok && o.addr.Kind != vhostName && !o.free && !b.owns(o.addr) {
				out[vhost] = append(out[vhost], o.addr.String())
			}
		}
	}
	return out, nil
}

// listSome names at most three.
func listSome(names []string) string {
	slices.Sort(names)
	if len(names) <= 3 {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:2], ", "), len(names)-2)
}

// recheck refuses to delete a virtual host with which more would be lost than
// the plan has shown.
func (k vhostKind) recheck(ctx context.Context, broker *Broker, s *snapshot, b *books, planned *object) error {
	if len(planned.losses) > 0 {
		return nil
	}
	now := &object{addr: planned.addr}
	if err := k.inspect(ctx, s, b, []*object{now}); err != nil {
		return err
	}
	if len(now.losses) == 0 {
		fresh, err := k.countNow(ctx, broker, s, planned.addr.Parts()[0])
		if err != nil {
			return err
		}
		now.losses = lostWith(fresh)
	}
	if len(now.losses) == 0 {
		return nil
	}
	return &resources.Diagnosis{Err: fmt.Errorf("%s came into use after the plan was made, and is left alone: %s", planned.addr,
		strings.Join(now.losses, "; ")),
		Hint: "plan again: the plan then shows what would be lost, and `-allow data-loss` consents to it"}
}

func (vhostKind) Hazards(a resources.Action, _ *resources.Resource, have *resources.Observed) []resources.Hazard {
	o := nativeOf(have)
	if o == nil || a != resources.Delete && a != resources.Replace {
		return nil
	}
	return hazardsOf(o.losses)
}

func (vhostKind) Check(all *resources.Declared, report resources.Report) {
	for _, r := range all.Of(vhostName) {
		checkName(r, r.Addr.Parts()[0], "virtual host", report)
		if r.Config.Bool("external") {
			checkUntouched(r, report)
		}
	}
}

// checkUntouched reports fields of an external resource, which nobody would
// apply.
func checkUntouched(r *resources.Resource, report resources.Report) {
	for _, e := range r.Node.Entries() {
		if _, declared := r.Config[e.Key]; declared && e.Key != "external" {
			report(ruleExternal.At(e.KeyPos, fmt.Sprintf("%q is never applied, because %s is external", e.Key, r.Addr),
				"remove it, or remove `external: true` to manage it here"))
		}
	}
}

// nativeOf returns what this package saw of an object.
func nativeOf(have *resources.Observed) *object {
	if have == nil {
		return nil
	}
	o, _ := have.Native.(*object)
	return o
}

func hazardsOf(losses []string) []resources.Hazard {
	var out []resources.Hazard
	for _, l := range losses {
		out = append(out, resources.Hazard{Code: resources.DataLoss, Msg: l})
	}
	return out
}

// tagsType is a set of words, as a list or as one text with commas, which is
// how RabbitMQ's own definitions have them.
type tagsType struct{}

func (tagsType) Schema() resources.Schema {
	return resources.Schema{"anyOf": []any{
		resources.Schema{"type": "array", "items": resources.Schema{"type": "string"}, "uniqueItems": true},
		resources.Schema{"type": "string"},
	}}
}

func (tagsType) Decode(n specs.Node, report resources.Report) (resources.Value, bool) {
	if !n.IsScalar() {
		v, ok := resources.Set(resources.String()).Decode(n, report)
		if tags, is := v.([]any); is { // an empty text is no tag, here as on the broker
			v = slices.DeleteFunc(tags, func(tag any) bool { return resources.Text(tag) == "" })
		}
		return v, ok
	}
	out := []any{}
	for word := range strings.SplitSeq(n.Text(), ",") {
		if word = strings.TrimSpace(word); word != "" {
			out = append(out, word)
		}
	}
	return resources.SortSet(out), true
}

func (vhostKind) refusedBy(v release, r *resources.Resource) []resources.Unfit {
	var out []resources.Unfit
	if _, given := r.Config["default_queue_type"]; given && v < 311 {
		out = append(out, resources.Unfit{At: "/default_queue_type", Msg: fmt.Sprintf("%s passes over default_queue_type", v),
			Hint: "write the type at each queue, or use RabbitMQ 3.12 or later"})
	}
	for _, tag := range resources.Texts(r.Config["tags"]) {
		if !isASCII(tag) && v < 311 {
			out = append(out, resources.Unfit{At: "/tags", Msg: fmt.Sprintf("%s garbles the tag %q, which is not ASCII", v, tag),
				Hint: "use letters without accents"})
		}
	}
	if r.Config.Bool("deletion_protection") && v < 401 {
		out = append(out, resources.Unfit{At: "/deletion_protection", Msg: fmt.Sprintf("%s cannot protect a virtual host from deletion", v),
			Hint: "use `protect: true`, which midaz itself keeps"})
	}
	return out
}

// model: a virtual host without anything in it is one too.
func (vhostKind) model(*routing.Vhost, *resources.Resource) {}

func (vhostKind) export(w *exporter, r *resources.Resource) {
	row, meta := map[string]any{"name": r.Addr.Parts()[0]}, map[string]any{}
	for _, key := range []string{"description", "tags", "default_queue_type"} {
		if v, ok := r.Config[key]; ok {
			row[key], meta[key] = v, v
		}
	}
	row["metadata"] = meta
	for _, key := range []string{"tracing", "deletion_protection"} {
		if r.Config.Bool(key) {
			w.note(r, key+" has no place in definitions")
		}
	}
	if w.vhost == "" {
		w.add("vhosts", row)
		return
	}
	delete(row, "name")
	for k, v := range row {
		w.doc[k] = v
	}
}

func (vhostKind) imports() definitions.Kind {
	return definitions.Kind{List: "vhosts", Whole: takeVhostFields, Take: func(f *definitions.File, r definitions.Row) {
		v := f.NewVhost(r.Text("name"))
		if v == nil {
			f.Note("virtual host %q is there twice; the first was taken", r.Text("name"))
			return
		}
		takeVhostFields(f, v, r)
		v.Extra("the virtual host", r, "name", "description", "tags", "default_queue_type", "limits", "metadata", "tracing", "cluster_state")
		if r["tracing"] == true {
			v.Add("tracing", true)
		}
	}}
}

// takeVhostFields reads what is said about a virtual host itself, by 4.x twice.
func takeVhostFields(_ *definitions.File, v *definitions.Vhost, r definitions.Row) {
	meta := definitions.Row(r.Object("metadata"))
	first := func(key string) any {
		if value, ok := r[key]; ok && value != "" && value != "undefined" {
			return value
		}
		return meta[key]
	}
	if d, ok := first("description").(string); ok && d != "" {
		v.Add("description", d)
	}
	if tags := definitions.Tags(first("tags")); len(tags) > 0 {
		v.Add("tags", tags)
	}
	switch t := first("default_queue_type"); t {
	case nil, "", "undefined":
	case "classic", "quorum", "stream":
		v.Add("default_queue_type", t)
	default:
		v.Note("default_queue_type %v is not known", t)
	}
	takeVhostLimits(v, r["limits"])
}
