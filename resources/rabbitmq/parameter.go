package rabbitmq

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/resources"
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
			Doc:     "Its value, by the plugin's own keys. A URI with a password belongs in a sensitive variable; the broker shows it to its administrators in clear.",
			Example: `{src-protocol: amqp091, src-uri: "amqp://", src-queue: a, dest-protocol: amqp091, dest-uri: "amqp://", dest-queue: b}`, Other: `{uri: "amqp://upstream"}`},
	},
}

type parameterKind struct{ single }

var _ = register(parameterKind{single{
	table: parameterTable,
	list:  "/api/parameters",
	path:  func(parts []string) string { return apiPath("parameters", parts[1], parts[0], parts[2]) },
	see: func(r row) *object {
		component, vhost := r.text("component"), r.text("vhost")
		// These are kinds of their own.
		if slices.Contains([]string{"policy", "operator_policy", "vhost-limits"}, component) || vhost == "" {
			return nil
		}
		return &object{addr: resources.NewAddr(parameterName, vhost, component, r.text("name")), refs: append(seenInVhost(vhost), named(vhost, component, r["value"])...),
			have: resources.Config{"value": hideLogins(oneURI(emptyObject(resources.Normalize(r["value"]))))}}
	},
	body: func(r *resources.Resource, _ *object, _ resources.Delta) map[string]any {
		parts := r.Addr.Parts()
		return map[string]any{"vhost": parts[0], "component": parts[1], "name": parts[2], "value": r.Config["value"]}
	},
}})

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
			report(ruleParameter.At(r.KeyPos, fmt.Sprintf("no plugin that comes with the broker has the component %q", parts[1]), "did you mean \""+near+"\"?"))
		}
		if slices.Contains([]string{"policy", "operator_policy", "vhost-limits"}, parts[1]) {
			report(ruleReserved.At(r.KeyPos, fmt.Sprintf("the component %q has a section of its own", parts[1]), "write it under policies, operator_policies or limits of the virtual host"))
		}
		if check := componentChecks[parts[1]]; check != nil {
			check(r, report)
		}
	}
}
