package rabbitmq

import (
	"fmt"
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/definitions"
)

var globalParameterTable = &resources.Table{
	Kind: globalParameterName, Section: "rabbitmq/global_parameters/*",
	Example: "{cluster_tags: {value: {region: sa-east-1}}}",
	Doc:     "A parameter of the whole cluster. Those named midaz.* are midaz's own.",
	Fields: []resources.Field{
		{Key: "value", Type: resources.JSON(), Required: true, Cost: resources.InPlace,
			Doc: "Its value, of any shape.", Example: "{region: sa-east-1}", Other: "{region: us-east-1}"},
	},
}

type globalParameterKind struct{ single }

// isReservedGlobal reports whether a global parameter is midaz's ledger or the
// identity of the cluster. The settings of the MQTT plugin (mqtt_default_vhosts,
// mqtt_port_to_vhost_mapping) are for people to set.
func isReservedGlobal(name string) bool {
	return strings.HasPrefix(name, ledgerPrefix) || name == clusterID
}

// brokersOwn are the global parameters that the broker makes. They may be set,
// but belong to nobody.
var brokersOwn = []string{"cluster_name", "cluster_tags"}

var _ = register(globalParameterKind{single{
	table: globalParameterTable,
	list:  globalList,
	path:  func(parts []string) string { return apiPath("global-parameters", parts[0]) },
	see: func(r row) *object {
		name := r.text("name")
		if isReservedGlobal(name) {
			return nil
		}
		return &object{addr: resources.NewAddr(globalParameterName, name), free: slices.Contains(brokersOwn, name),
			have: resources.Config{"value": emptyObject(resources.Normalize(r["value"]))}}
	},
	body: func(r *resources.Resource, _ *object, _ resources.Delta) map[string]any {
		return map[string]any{"name": r.Addr.Parts()[0], "value": r.Config["value"]}
	},
}})

func (globalParameterKind) Refs(r *resources.Resource) []resources.Ref { return brokerRef(r) }

func (globalParameterKind) Check(all *resources.Declared, report resources.Report) {
	for _, r := range all.Of(globalParameterName) {
		name := r.Addr.Parts()[0]
		if !checkName(r, name, "global parameter", report) {
			continue
		}
		if isReservedGlobal(name) {
			report(ruleReserved.At(r.KeyPos, fmt.Sprintf("the global parameter %q belongs to the broker or to midaz itself", name),
				"take another name"))
		}
	}
}

func (globalParameterKind) export(w *exporter, r *resources.Resource) {
	w.ofBroker("global_parameters", map[string]any{"name": r.Addr.Parts()[0], "value": r.Config["value"]})
}

func (globalParameterKind) imports() definitions.Kind {
	return definitions.Kind{List: "global_parameters", Take: takeGlobalParameter}
}

func takeGlobalParameter(f *definitions.File, r definitions.Row) {
	name, all := r.Text("name"), f.Section("global_parameters")
	if isReservedGlobal(name) {
		f.Note("global parameter %q belongs to the broker or to midaz itself", name)
		return
	}
	if wrong := definitions.BadName(name); wrong != "" || all.Has(name) {
		f.Note("global parameter %q: its name %s", name, cmpText(wrong, "is there twice"))
		return
	}
	value := r["value"]
	// Where one of them is a map, the file has maps: a list of pairs is then a list.
	if !slices.ContainsFunc(f.Rows("global_parameters"),
		func(r definitions.Row) bool { _, isMap := r["value"].(map[string]any); return isMap }) {
		value = definitions.Unpair(value)
	}
	if value == nil {
		f.Note("global parameter %q is null, for which the spec has no form", name)
		return
	}
	e := definitions.Entry{Name: name}
	e.Add("value", f.HideLogins("RABBITMQ_"+name, value))
	e.TellCodes("its value", value)
	all.Add(e)
}
