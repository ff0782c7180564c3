package rabbitmq

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/LerianStudio/midaz-infra/resources"
)

// Exported is definitions in the broker's own format.
type Exported struct {
	// JSON is indented, its keys and lists in an order that does not change.
	JSON []byte
	// Notes say what definitions cannot hold.
	Notes []string
	// Clear tells that a URI with its password is in it, for which the format
	// has no other form.
	Clear bool
}

// Definitions returns what the spec declares in RabbitMQ's own format; with
// vhost only that virtual host, in the form of an export of one. Of a password
// only a hash is in it.
func Definitions(all *resources.Declared, vhost string) (*Exported, error) {
	w := &exporter{all: all, vhost: vhost, out: &Exported{}, doc: map[string]any{}}
	for _, key := range []string{"parameters", "policies", "exchanges", "queues", "bindings"} {
		w.doc[key] = []any{}
	}
	if vhost == "" {
		for _, key := range []string{"users", "vhosts", "permissions", "topic_permissions", "global_parameters"} {
			w.doc[key] = []any{}
		}
		w.doc["rabbitmq_definition_format"] = "cluster"
	} else {
		w.doc["rabbitmq_definition_format"], w.doc["original_vhost_name"] = "vhost", vhost
	}
	for _, kind := range exports {
		for _, r := range all.Of(kind.name) {
			if !r.External && !r.Config.Bool("external") && w.wanted(r) {
				kind.add(w, r)
			}
		}
	}
	line, err := encode(w.doc)
	if err != nil {
		return nil, fmt.Errorf("write definitions: %w", err)
	}
	var b bytes.Buffer
	if err := json.Indent(&b, line, "", "  "); err != nil {
		return nil, fmt.Errorf("write definitions: %w", err)
	}
	b.WriteByte('\n')
	w.out.JSON = b.Bytes()
	return w.out, nil
}

// exporter collects the document. Resources come in order of address, so that
// lists do.
type exporter struct {
	all   *resources.Declared
	vhost string
	doc   map[string]any
	out   *Exported
}

// exports are the kinds that definitions hold, and how.
var exports = []struct {
	name string
	add  func(w *exporter, r *resources.Resource)
}{
	{userName, (*exporter).user},
	{vhostName, (*exporter).virtualHost},
	{vhostLimitName, (*exporter).vhostLimits},
	{permissionName, func(w *exporter, r *resources.Resource) {
		w.add("permissions", map[string]any{"user": r.Addr.Parts()[1], "vhost": r.Addr.Parts()[0],
			"configure": r.Config["configure"], "write": r.Config["write"], "read": r.Config["read"]})
	}},
	{topicPermissionName, func(w *exporter, r *resources.Resource) {
		w.add("topic_permissions", map[string]any{"vhost": r.Addr.Parts()[0], "user": r.Addr.Parts()[1], "exchange": r.Addr.Parts()[2],
			"write": r.Config["write"], "read": r.Config["read"]})
	}},
	{exchangeName, (*exporter).exchange},
	{queueName, (*exporter).queue},
	{bindingName, (*exporter).binding},
	{policyName, func(w *exporter, r *resources.Resource) {
		body := policyBody(r)
		body["name"] = r.Addr.Parts()[1]
		w.inVhost("policies", r, body)
	}},
	{operatorPolicyName, func(w *exporter, r *resources.Resource) {
		w.inVhost("parameters", r, map[string]any{"component": "operator_policy", "name": r.Addr.Parts()[1], "value": policyBody(r)})
	}},
	{parameterName, (*exporter).parameter},
	{globalParameterName, func(w *exporter, r *resources.Resource) {
		w.add("global_parameters", map[string]any{"name": r.Addr.Parts()[0], "value": r.Config["value"]})
	}},
}

// wanted reports whether the resource lies in what is exported.
func (w *exporter) wanted(r *resources.Resource) bool {
	if w.vhost == "" {
		return true
	}
	switch r.Addr.Kind {
	case permissionName, topicPermissionName, userName, globalParameterName:
		return false
	}
	return r.Addr.Parts()[0] == w.vhost
}

func (w *exporter) add(section string, row map[string]any) {
	w.doc[section] = append(w.doc[section].([]any), row)
}

// inVhost adds what lies in a virtual host, whose name an export of one leaves
// out.
func (w *exporter) inVhost(section string, r *resources.Resource, row map[string]any) {
	if w.vhost == "" {
		row["vhost"] = r.Addr.Parts()[0]
	}
	w.add(section, row)
}

func (w *exporter) note(r *resources.Resource, what string) {
	w.out.Notes = append(w.out.Notes, fmt.Sprintf("%s: %s", r.Addr, what))
}

func (w *exporter) user(r *resources.Resource) {
	limits := map[string]any{}
	if l := w.all.Get(resources.NewAddr(userLimitName, r.Addr.Parts()[0])); l != nil {
		limits = limitsOf(l)
	}
	body := userBody(r, nil, nil)
	body["name"], body["limits"] = r.Addr.Parts()[0], limits
	w.add("users", body)
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

func (w *exporter) virtualHost(r *resources.Resource) {
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

func (w *exporter) vhostLimits(r *resources.Resource) {
	w.inVhost("parameters", r, map[string]any{"component": "vhost-limits", "name": "limits", "value": limitsOf(r)})
}

func (w *exporter) exchange(r *resources.Resource) {
	c := withDefaults(exchangeTable, r.Config)
	arguments := map[string]any{}
	for k, v := range c.Map("arguments") {
		arguments[k] = v
	}
	if v, ok := c["alternate_exchange"]; ok {
		arguments[alternate] = v
	}
	w.inVhost("exchanges", r, map[string]any{"name": r.Addr.Parts()[1], "type": c["type"], "durable": c["durable"],
		"auto_delete": c["auto_delete"], "internal": c["internal"], "arguments": arguments})
}

// queue says the type only where the spec does: without, the virtual host's
// default holds, here as there.
func (w *exporter) queue(r *resources.Resource) {
	c := withDefaults(queueTable, r.Config)
	arguments := map[string]any{}
	for k, v := range c.Map("arguments") {
		arguments[k] = v
	}
	if t := c.Text("type"); t != "" {
		arguments[queueTypeArgument] = t
	}
	w.inVhost("queues", r, map[string]any{"name": r.Addr.Parts()[1], "durable": c["durable"], "auto_delete": c["auto_delete"], "arguments": arguments})
}

func (w *exporter) binding(r *resources.Resource) {
	kind, destination := "queue", r.Config["queue"]
	if x, ok := r.Config["exchange"]; ok {
		kind, destination = "exchange", x
	}
	arguments := r.Config.Map("arguments")
	if arguments == nil {
		arguments = map[string]any{}
	}
	w.inVhost("bindings", r, map[string]any{"source": r.Config["source"], "destination": destination, "destination_type": kind,
		"routing_key": r.Config.Text("routing_key"), "arguments": arguments})
}

func policyBody(r *resources.Resource) map[string]any {
	c := withDefaults(policyTable, r.Config)
	return map[string]any{"pattern": c["pattern"], "apply-to": c["apply_to"], "priority": c["priority"], "definition": c["definition"]}
}

func (w *exporter) parameter(r *resources.Resource) {
	parts := r.Addr.Parts()
	w.out.Clear = w.out.Clear || resources.HasSecret(r.Config["value"])
	w.inVhost("parameters", r, map[string]any{"component": parts[1], "name": parts[2], "value": r.Config["value"]})
}

// HashPassword hashes a password with a fresh salt, as the broker does.
func HashPassword(password string) string { return newHash(password, "sha256").text }
