package rabbitmq

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/definitions"
	"github.com/LerianStudio/midaz-infra/specs"
)

const (
	parameterName       = "parameter"
	globalParameterName = "global-parameter"
)

var parameterTable = &resources.Table{
	Kind: parameterName, Section: "rabbitmq/vhosts/*/parameters/*/*",
	Example: "{federation-upstream: {east: {value: {uri: \"amqp://east\"}}}}",
	Doc:     "A runtime parameter of a plugin, such as a shovel or a federation upstream, by component and name.",
	Fields: []resources.Field{
		{Key: "value", Type: resources.JSON(), Required: true, Cost: resources.InPlace,
			Doc: "Its value, by the plugin's own keys. A URI with a password belongs in a sensitive variable; the broker shows it to its " +
				"administrators in clear.",
			Example: `{src-protocol: amqp091, src-uri: "amqp://", src-queue: a, dest-protocol: amqp091, dest-uri: "amqp://", dest-queue: b}`,
			Other:   `{uri: "amqp://upstream"}`},
	},
}

type parameterKind struct{ single }

var _ = register(parameterKind{single{
	table: parameterTable,
	list:  "/api/parameters",
	path:  func(parts []string) string { return apiPath("parameters", parts[1], parts[0], parts[2]) },
	see: func(r row) *object {
		component, vhost := r.text("component"), r.text("vhost")
		if ofComponent(component) != nil || vhost == "" {
			return nil
		}
		return &object{addr: resources.NewAddr(parameterName, vhost, component, r.text("name")),
			refs: append(seenInVhost(vhost), named(vhost, component, r["value"])...),
			have: resources.Config{"value": hideLogins(oneURI(emptyObject(resources.Normalize(r["value"]))))}}
	},
	body: func(r *resources.Resource, _ *object, _ resources.Delta) map[string]any {
		parts := r.Addr.Parts()
		return map[string]any{"vhost": parts[0], "component": parts[1], "name": parts[2], "value": r.Config["value"]}
	},
}})

// ofComponent returns the kind of its own that a component is, nil when it is a
// parameter as others.
func ofComponent(component string) topology {
	for _, k := range topologies {
		if p, ok := k.(parametric); ok && p.component() == component && component != "" {
			return k
		}
	}
	return nil
}

// oneURI returns the value with lists of one URI as that URI: both mean the
// same, and the broker keeps what was written.
func oneURI(v resources.Value) resources.Value {
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	out := make(map[string]any, len(m))
	for k, e := range m {
		if list, ok := e.([]any); ok && len(list) == 1 && strings.HasSuffix(k, "uri") {
			e = list[0]
		}
		out[k] = e
	}
	return out
}

// withLogin is a URI that holds a password.
var withLogin = regexp.MustCompile(`(?i)^[a-z][a-z0-9+.-]*://[^/?#@]*:[^/?#]*@`)

// hideLogins makes every URI that holds a password a Secret, also where the
// spec or the broker has it in clear.
func hideLogins(v resources.Value) resources.Value {
	return specs.MapLeaves(v, func(v any) any {
		if s, ok := v.(string); ok && withLogin.MatchString(s) {
			return resources.NewSecret(s)
		}
		return v
	})
}

func (k parameterKind) Finish(r *resources.Resource, all *resources.Declared, report resources.Report) {
	k.single.Finish(r, all, report)
	if v, ok := r.Config["value"]; ok {
		r.Config["value"] = hideLogins(v)
	}
}

// emptyObject turns [] into {}: the broker lists an empty object so.
func emptyObject(v resources.Value) resources.Value {
	if list, ok := v.([]any); ok && len(list) == 0 {
		return map[string]any{}
	}
	return v
}

// Compare takes a list of one URI and that URI for the same.
func (parameterKind) Compare(want *resources.Resource, have *resources.Observed) resources.Delta {
	c := want.Config.Clone()
	c["value"] = oneURI(c["value"])
	return parameterTable.Compare(c, have.Have, have.Applied)
}

// seal remembers the value in the form that is compared.
func (parameterKind) seal(r *resources.Resource, _ *object) resources.Config {
	c := declaredFields(parameterTable, r.Config)
	c["value"] = oneURI(c["value"])
	return c
}

// components are those of the plugins that come with the broker.
var components = []string{"shovel", "federation-upstream", "federation-upstream-set"}

func (parameterKind) Check(all *resources.Declared, report resources.Report) {
	for _, r := range all.Of(parameterName) {
		parts := r.Addr.Parts()
		if !checkName(r, parts[2], "parameter", report) {
			continue
		}
		if near := specs.Suggest(parts[1], components); near != "" && !slices.Contains(components, parts[1]) {
			report(ruleParameter.At(r.KeyPos, fmt.Sprintf("no plugin that comes with the broker has the component %q", parts[1]),
				"did you mean \""+near+"\"?"))
		}
		if k := ofComponent(parts[1]); k != nil {
			report(ruleReserved.At(r.KeyPos, fmt.Sprintf("the component %q has a section of its own", parts[1]), "write it under "+sectionKey(k)+
				" of the virtual host"))
		}
		if check := componentChecks[parts[1]]; check != nil {
			check(r, report)
		}
	}
}

func (parameterKind) refusedBy(v release, r *resources.Resource) []resources.Unfit {
	var out []resources.Unfit
	late := lateSettings[r.Addr.Parts()[1]]
	look := func(at string, value resources.Value) {
		m, _ := value.(map[string]any)
		for _, key := range slices.Sorted(maps.Keys(late)) {
			name, word, oneValue := strings.Cut(key, "=")
			name, part, onePart := strings.Cut(name, "/")
			have, given := m[name]
			if onePart {
				parts, _ := have.(map[string]any)
				_, given = parts[part]
			}
			if given && !late[key].has(v) && (!oneValue || have == word) {
				out = append(out, resources.Unfit{At: at + "/" + name,
					Msg: fmt.Sprintf("%s refuses %s here", v, strings.NewReplacer("=", ": ", "/", ": ").Replace(key)), Hint: "remove it"})
			}
		}
	}
	look("/value", r.Config["value"])
	if value, ok := r.Config["value"].(map[string]any); ok && r.Addr.Parts()[1] == "shovel" && v <= 400 {
		out = append(out, shovelRefusedUntil40(v, value)...)
	}
	list, _ := r.Config["value"].([]any)
	for i, e := range list {
		look(fmt.Sprintf("/value/%d", i), e)
	}
	return out
}

// lateSettings are settings of parameters that not all versions know: by
// component, "key" for any value, "key=value" for one, "key/part" for one part.
var lateSettings = map[string]map[string]versions{
	"shovel": {
		"src-predeclared": after310, "dest-predeclared": after310, "src-protocol=local": after40, "dest-protocol=local": after40,
		"src-queue-args/x-stream-filter-size-bytes": after310, "dest-queue-args/x-stream-filter-size-bytes": after310,
		"src-consumer-args/x-stream-filter": after40,
	},
	"federation-upstream":     {"ha-policy": before40, "queue-type": after310},
	"federation-upstream-set": {"ha-policy": before40, "queue-type": after310},
}

// shovelRefusedUntil40 returns what versions up to 4.0 refuse of a shovel, and 4.3
// takes.
func shovelRefusedUntil40(v release, value map[string]any) []resources.Unfit {
	var out []resources.Unfit
	for _, c := range []struct {
		key   string
		check form
	}{{"src-queue-args", queueArgs}, {"dest-queue-args", queueArgs}, {"src-consumer-args", consumerArgs}} {
		if args, given := value[c.key]; given {
			if want := c.check(args); want != "" {
				out = append(out, resources.Unfit{At: "/value/" + c.key, Msg: fmt.Sprintf("on %s %s must be %s", v, c.key, want),
					Hint: "remove what it does not know"})
			}
		}
	}
	for _, key := range []string{"src-predeclared", "src-consumer-args", "dest-predeclared"} {
		side, _, _ := strings.Cut(key, "-")
		if _, given := value[key]; given && value[side+"-protocol"] == "amqp10" {
			out = append(out, resources.Unfit{At: "/value/" + key, Msg: fmt.Sprintf("%s refuses %s with AMQP 1.0", v, key), Hint: "remove it"})
		}
	}
	return out
}

func (parameterKind) export(w *exporter, r *resources.Resource) {
	parts := r.Addr.Parts()
	w.out.Clear = w.out.Clear || resources.HasSecret(r.Config["value"])
	w.inVhost("parameters", r, map[string]any{"component": parts[1], "name": parts[2], "value": r.Config["value"]})
}

func (parameterKind) imports() definitions.Kind {
	return definitions.Kind{List: "parameters", Take: takeParameter}
}

func takeParameter(f *definitions.File, r definitions.Row) {
	component, name, v := r.Text("component"), r.Text("name"), f.Vhost(r)
	if r["value"] == nil {
		v.Note("%s %q is null, for which the spec has no form", component, name)
		return
	}
	of := v.Section("parameters").Group(component)
	if !of.Accept(component, name) {
		return
	}
	if after, ok := r.Object("value")["src-delete-after"]; component == "shovel" && ok && after != "never" {
		of.Note("shovel %q deletes itself when it is done: it is an action, not a state", name)
		return
	}
	e := definitions.Entry{Name: name}
	e.Add("value", f.HideLogins("RABBITMQ_"+name, unpairedValue(component, r["value"])))
	e.TellCodes("its value", r["value"])
	of.Add(e)
}

// unpairedValue is the value of a parameter as the plugin reads it. That of an
// upstream set is a list of maps; all others are maps.
func unpairedValue(component string, v any) any {
	if component != "federation-upstream-set" {
		return definitions.Unpair(v)
	}
	list, ok := v.([]any)
	if !ok {
		return v
	}
	out := make([]any, len(list))
	for i, e := range list {
		out[i] = definitions.Unpair(e)
	}
	return out
}
