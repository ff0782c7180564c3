package rabbitmq

import (
	"bytes"
	"encoding/json"
	"fmt"

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
	for _, k := range topologies {
		kind, ok := k.(exported)
		if !ok {
			continue
		}
		for _, r := range all.Of(k.Table().Kind) {
			if !r.External && !r.Config.Bool("external") && w.wanted(r) {
				kind.export(w, r)
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

// wanted reports whether the resource lies in what is exported.
func (w *exporter) wanted(r *resources.Resource) bool {
	vhost, ok := vhostOf(r.Addr)
	return w.vhost == "" || ok && vhost == w.vhost
}

func (w *exporter) add(section string, row map[string]any) {
	w.doc[section] = append(w.doc[section].([]any), row)
}

// ofBroker adds what only the export of a whole broker has.
func (w *exporter) ofBroker(section string, row map[string]any) {
	if w.vhost == "" {
		w.add(section, row)
	}
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
