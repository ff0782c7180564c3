package rabbitmq

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/definitions"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/routing"
	"github.com/LerianStudio/midaz-infra/specs"
)

const policyName = "policy"

// policyFields are the rows of policies and operator policies.
func policyFields(what string) []resources.Field {
	return []resources.Field{
		{Key: "pattern", Type: resources.String(), Required: true, Cost: resources.InPlace,
			Doc:     "A regular expression over names. It matches anywhere in a name unless it is anchored with ^ and $.",
			Example: `"^transaction\\.dlq$"`, Other: `"^orders\\."`},
		{Key: "apply_to", Type: resources.Enum("all", "queues", "classic_queues", "quorum_queues", "streams", "exchanges"), Default: "all",
			Cost: resources.InPlace,
			Doc:  "What the " + what + " is for. The kinds of queues need RabbitMQ 3.12.", Example: "queues", Other: "exchanges"},
		{Key: "priority", Type: resources.Int(-1<<31, 1<<31-1), Default: int64(0), Cost: resources.InPlace,
			Doc: "Only the matching " + what + " of the highest priority holds. Between equal ones chance decides.", Example: "10", Other: "20"},
		{Key: "definition", Type: resources.MapOf(resources.Any()), Required: true, Cost: resources.InPlace,
			Doc: "What it sets, by the broker's own keys.", Example: "{message-ttl: 604800000}", Other: "{max-length: 10000}"},
	}
}

var policyTable = &resources.Table{
	Kind: policyName, Section: "rabbitmq/vhosts/*/policies/*",
	Example: "{dead-letters: {pattern: \"^orders\\\\.\", apply_to: queues, definition: {dead-letter-exchange: orders.dlx}}}",
	Doc:     "A policy: settings for every queue or exchange whose name matches. It is changed in place, while messages wait.",
	Fields:  policyFields("policy"),
}

type policyKind struct {
	single
	// operator policies know fewer settings, and stand among the parameters in
	// definitions.
	operator bool
}

var _ = register(policyKind{single: policySingle(policyTable, "policies")})

// keys tells which settings may stand in the definition.
func (k policyKind) keys(s *setting) bool { return !k.operator || s.operator }

// policySingle is the API of policies, the same for both kinds.
func policySingle(t *resources.Table, endpoint string) single {
	return single{
		table: t,
		list:  "/api/" + endpoint,
		path:  func(parts []string) string { return apiPath(endpoint, parts[0], parts[1]) },
		see: func(r row) *object {
			vhost := r.text("vhost")
			if isHelper(r.text("name")) {
				return nil
			}
			priority, _ := r.number("priority") // 3.0 is echoed as written
			return &object{addr: resources.NewAddr(t.Kind, vhost, r.text("name")), refs: seenInVhost(vhost), have: resources.Config{
				"pattern": r.text("pattern"), "apply_to": cmpText(r.text("apply-to"), "all"), "priority": priority,
				"definition": r.object("definition"),
			}}
		},
		body: func(r *resources.Resource, _ *object, _ resources.Delta) map[string]any { return policyBody(r) },
	}
}

// one reads the policy out of its virtual host's list: asked for an operator
// policy of a virtual host that does not exist, 4.0.5 fails with 500.
func (k policyKind) one(ctx context.Context, c reads, a resources.Addr) (*object, error) {
	rows, err := c.rows(ctx, k.list+"/"+url.PathEscape(a.Parts()[0]))
	if err != nil {
		return nil, err
	}
	for _, o := range k.seeRows(rows) {
		if o.addr == a {
			return o, nil
		}
	}
	return nil, nil
}

func (k policyKind) all(ctx context.Context, s *snapshot) ([]*object, error) {
	rows, err := s.list(ctx, k.list)
	if err != nil {
		return nil, err
	}
	return k.seeRows(rows), nil
}

// seeRows reads policies, and those of groups of queues as one for each.
func (k policyKind) seeRows(rows []row) []*object {
	out := make([]*object, 0, len(rows))
	for _, r := range rows {
		if o := k.see(r); o != nil {
			out = append(out, o)
		}
	}
	if k.table != policyTable {
		return out
	}
	return ungroup(out)
}

func (k policyKind) Finish(r *resources.Resource, all *resources.Declared, report resources.Report) {
	k.single.Finish(r, all, report)
	if definition := r.Config.Map("definition"); definition != nil {
		r.Config["definition"] = typed(definition, policySetting)
	}
}

// matcher is a policy that can be tried on names.
type matcher struct {
	resource *resources.Resource
	re       *regexp.Regexp
	applyTo  string
	priority int64
}

func matchers(all *resources.Declared) map[string][]matcher {
	out := map[string][]matcher{}
	for _, r := range all.Of(policyName) {
		re, err := regexp.Compile(r.Config.Text("pattern"))
		if err != nil {
			continue
		}
		vhost := r.Addr.Parts()[0]
		out[vhost] = append(out[vhost], matcher{r, re, cmpText(r.Config.Text("apply_to"), "all"), r.Config.Int("priority")})
	}
	return out
}

func (m matcher) matches(r *resources.Resource) bool {
	objectType := routing.Exchanges
	if r.Addr.Kind == queueName {
		objectType = typeOf(r)
	}
	return routing.Covers(m.applyTo, objectType) && m.re.MatchString(r.Addr.Parts()[1])
}

// policyRefs orders a queue or exchange after the policies for it, so that it
// never stands without them, not even for a moment.
func policyRefs(r *resources.Resource) []resources.Ref {
	var refs []resources.Ref
	for _, m := range placeOf(r).policies[r.Addr.Parts()[0]] {
		if m.matches(r) {
			refs = append(refs, resources.Ref{To: m.resource.Addr, Wait: resources.Ready, Optional: true})
		}
	}
	return refs
}

func (k policyKind) Check(all *resources.Declared, report resources.Report) {
	lists := map[string]*[]matcher{}
	for _, r := range all.Of(k.table.Kind) {
		if _, ok := r.Native.(generated); ok {
			continue // it wins by itself, and its queue was checked
		}
		parts := r.Addr.Parts()
		checkName(r, parts[1], "policy", report)
		re := checkPattern(r, "/pattern", r.Config["pattern"], true, report)
		k.checkDefinition(r, all, report)
		if re == nil {
			continue
		}
		if lists[parts[0]] == nil {
			lists[parts[0]] = &[]matcher{}
		}
		*lists[parts[0]] = append(*lists[parts[0]], matcher{r, re, cmpText(r.Config.Text("apply_to"), "all"), r.Config.Int("priority")})
	}
	k.checkMatches(all, lists, report)
}

// checkDefinition reports keys and values that the broker refuses, and those
// that can have no effect on what the policy applies to.
func (k policyKind) checkDefinition(r *resources.Resource, all *resources.Declared, report resources.Report) {
	definition, written := r.Config["definition"].(map[string]any)
	if !written {
		return
	}
	node := r.Node.Get("definition")
	if len(definition) == 0 {
		report(rulePolicyKey.At(node.Pos(), "the definition is empty, and the broker refuses that", "set something, such as message-ttl"))
	}
	applyTo := cmpText(r.Config.Text("apply_to"), "all")
	for _, key := range slices.Sorted(maps.Keys(definition)) {
		pos := node.KeyPos("/" + escapePointer(key))
		s := policySetting(key)
		if s == nil {
			report(rulePolicyKey.At(pos, fmt.Sprintf("no policy knows the key %q", key), k.nearKey(key)))
			continue
		}
		if !k.keys(s) {
			report(ruleOperatorKey.At(pos, fmt.Sprintf("an operator policy cannot set %q", key),
				"an operator policy sets limits only; write it in a policy"))
			continue
		}
		check := s.check
		if s.policyCheck != nil {
			check = s.policyCheck
		}
		if want := check(definition[key]); want != "" {
			report(rulePolicyValue.At(pos, fmt.Sprintf("%s must be %s, not %s", key, want, resources.Show(definition[key])), ""))
		}
		if !s.affects(applyTo) {
			report(rulePolicyIdle.At(pos, fmt.Sprintf("%s has no effect on %s, so the broker takes it and does nothing", key,
				strings.ReplaceAll(applyTo, "_", " ")), "change apply_to, or remove it"))
		}
	}
	if target, ok := definition["dead-letter-exchange"].(string); ok {
		checkExchangeExists(r, all, target, "/definition/dead-letter-exchange", "dead-letter exchange", report)
	}
	if target, ok := definition["alternate-exchange"].(string); ok {
		checkExchangeExists(r, all, target, "/definition/alternate-exchange", "alternate exchange", report)
	}
	if definition["dead-letter-strategy"] == "at-least-once" && definition["overflow"] != "reject-publish" {
		report(ruleAtLeastOnce.At(node.KeyPos("/dead-letter-strategy"),
			"dead-lettering at least once only works with overflow: reject-publish; the broker falls back to at most once",
			"add `overflow: reject-publish`"))
	}
	var federation []string
	for _, key := range []string{"federation-upstream", "federation-upstream-set", "federation-upstream-pattern"} {
		if definition[key] != nil {
			federation = append(federation, key)
		}
	}
	if len(federation) > 1 {
		report(rulePolicyValue.At(node.KeyPos("/"+federation[0]), strings.Join(federation, " and ")+" exclude each other", "keep one of them"))
	}
	if kind := definition["delayed-retry-type"]; kind != nil && kind != "disabled" && definition["delayed-retry-min"] == nil {
		report(rulePolicyValue.At(node.KeyPos("/delayed-retry-type"), "delayed-retry-type needs delayed-retry-min beside it",
			"add the shortest delay in milliseconds"))
	}
	checkMirrors(definition, node, report)
}

// checkMirrors reports keys of mirrored queues that do not go together.
func checkMirrors(definition map[string]any, node specs.Node, report resources.Report) {
	mode, params := definition["ha-mode"], definition["ha-params"]
	names, isList := params.([]any)
	count, isCount := params.(int64)
	wrong := ""
	switch {
	case mode == "all" && params != nil:
		wrong = "ha-mode: all takes no ha-params"
	case mode == "exactly" && (!isCount || count < 1):
		wrong = "ha-mode: exactly needs a number of replicas as ha-params"
	case mode == "nodes" && (!isList || len(names) == 0 || slices.ContainsFunc(names, func(name any) bool { return text(name) != "" })):
		wrong = "ha-mode: nodes needs a list of names of nodes as ha-params"
	}
	if wrong != "" {
		report(rulePolicyValue.At(node.KeyPos("/ha-mode"), wrong, ""))
	}
	for _, key := range []string{"ha-params", "ha-sync-mode", "ha-sync-batch-size", "ha-promote-on-shutdown", "ha-promote-on-failure"} {
		if definition[key] != nil && mode == nil {
			report(rulePolicyValue.At(node.KeyPos("/"+key), key+" needs ha-mode beside it", ""))
		}
	}
}

// nearKey suggests a key for one that is not known: the argument's name without
// its x-, or a misspelling.
func (k policyKind) nearKey(key string) string {
	if s := argumentSetting(key); s != nil {
		if s.policy == "" {
			return key + " can only be an argument of a queue"
		}
		return "did you mean \"" + s.policy + "\"?"
	}
	if s := argumentSetting("x-" + key); s != nil {
		return "x-" + key + " can only be an argument of a queue"
	}
	var all []string
	for i := range settings {
		if p := settings[i].policy; p != "" && k.keys(&settings[i]) {
			all = append(all, p)
		}
	}
	return specs.DidYouMean(key, all)
}

// affects reports whether the setting can do something to what a policy
// applies to.
func (s *setting) affects(applyTo string) bool {
	queues := s.classic || s.quorum || s.stream
	switch {
	case s.policy == "alternate-exchange":
		return applyTo == "all" || applyTo == "exchanges"
	case !queues: // federation and ha-*: both
		return true
	case applyTo == "exchanges":
		return false
	case applyTo == "classic_queues":
		return s.classic
	case applyTo == "quorum_queues":
		return s.quorum
	case applyTo == "streams":
		return s.stream
	default:
		return true
	}
}

// checkMatches reports policies that match nothing and policies between which
// chance decides.
func (k policyKind) checkMatches(all *resources.Declared, lists map[string]*[]matcher, report resources.Report) {
	matched := map[resources.Addr]bool{}
	clash := map[[2]resources.Addr]bool{}
	try := func(r *resources.Resource) {
		list := lists[r.Addr.Parts()[0]]
		if list == nil {
			return
		}
		var hits []matcher
		for _, m := range *list {
			if m.matches(r) {
				matched[m.resource.Addr] = true
				hits = append(hits, m)
			}
		}
		slices.SortStableFunc(hits, func(a, b matcher) int { return int(b.priority - a.priority) })
		if len(hits) < 2 || hits[0].priority != hits[1].priority {
			return
		}
		pair := [2]resources.Addr{hits[0].resource.Addr, hits[1].resource.Addr}
		if clash[pair] {
			return
		}
		clash[pair] = true
		p := rulePolicyClash.At(hits[1].resource.KeyPos,
			fmt.Sprintf("%s and %s both match %s with priority %d, and chance decides which one holds", pair[0], pair[1], r.Addr, hits[0].priority),
			"give one of them a higher priority")
		p.Related = []specs.Related{{Pos: hits[0].resource.KeyPos, Msg: "the other one"}}
		report(p)
	}
	for _, kind := range []string{queueName, exchangeName} {
		for _, r := range all.Of(kind) {
			try(r)
		}
	}
	for _, list := range lists {
		for _, m := range *list {
			if !matched[m.resource.Addr] && !inExternal(m.resource) {
				report(rulePolicyDead.At(m.resource.Pos("/pattern"), fmt.Sprintf("%s matches nothing that the spec declares", m.resource.Addr),
					"correct the pattern or apply_to, unless it is meant for what applications declare"))
			}
		}
	}
}

func (k policyKind) refusedBy(v release, r *resources.Resource) []resources.Unfit {
	var out []resources.Unfit
	if to := r.Config.Text("apply_to"); v < 312 && slices.Contains([]string{"classic_queues", "quorum_queues", "streams"}, to) {
		out = append(out, resources.Unfit{At: "/apply_to", Msg: fmt.Sprintf("%s does not know apply_to: %s", v, to),
			Hint: "write `apply_to: queues` and a pattern that matches only these, or use RabbitMQ 3.12 or later"})
	}
	definition := r.Config.Map("definition")
	for _, key := range slices.Sorted(maps.Keys(definition)) {
		s, at := policySetting(key), "/definition/"+escapePointer(key)
		if s == nil {
			continue
		}
		in, what := s.in, "policies"
		if k.operator {
			in, what = s.inOperator, "operator policies"
		}
		if !in.has(v) {
			out = append(out, resources.Unfit{At: at, Msg: fmt.Sprintf("%s refuses the key %s in %s", v, key, what), Hint: "remove it"})
			continue
		}
		for _, n := range s.narrow {
			if want := n.check(definition[key]); n.on.has(v) && want != "" {
				out = append(out, resources.Unfit{At: at, Msg: fmt.Sprintf("on %s %s must be %s, not %s", v, key, want,
					resources.Show(definition[key])), Hint: ""})
			}
		}
	}
	return out
}

func modelPolicy(r *resources.Resource) *routing.Policy {
	return &routing.Policy{Name: r.Addr.Parts()[1], Pattern: r.Config.Text("pattern"), ApplyTo: cmpText(r.Config.Text("apply_to"), "all"),
		Priority: r.Config.Int("priority"), Definition: r.Config.Map("definition")}
}

func (k policyKind) model(v *routing.Vhost, r *resources.Resource) {
	if k.operator {
		v.Operator = append(v.Operator, modelPolicy(r))
	} else {
		v.Policies = append(v.Policies, modelPolicy(r))
	}
}

func (k policyKind) component() string {
	if k.operator {
		return "operator_policy"
	}
	return "policy"
}

func (k policyKind) export(w *exporter, r *resources.Resource) {
	body, name := policyBody(r), r.Addr.Parts()[1]
	if k.operator {
		w.inVhost("parameters", r, map[string]any{"component": k.component(), "name": name, "value": body})
		return
	}
	body["name"] = name
	w.inVhost("policies", r, body)
}

func policyBody(r *resources.Resource) map[string]any {
	c := withDefaults(policyTable, r.Config)
	return map[string]any{"pattern": c["pattern"], "apply-to": c["apply_to"], "priority": c["priority"], "definition": c["definition"]}
}

func (k policyKind) imports() definitions.Kind {
	out := definitions.Kind{List: "policies", Component: k.component(), Take: k.take}
	if k.operator {
		out.List = ""
	}
	return out
}

func (k policyKind) take(f *definitions.File, r definitions.Row) {
	key := sectionKey(k)
	noun, name, body := strings.ReplaceAll(k.table.Kind, "-", " "), r.Text("name"), r
	if r.Text("component") == k.component() {
		body = r.Object("value")
	}
	policies := f.Vhost(r).Section(key)
	if !policies.Accept(noun, name) {
		return
	}
	e := definitions.Entry{Name: name}
	e.Add("pattern", body.Text("pattern"))
	if to := body.Text("apply-to"); to != "" && to != "all" {
		e.Add("apply_to", to)
	}
	if p, ok := body["priority"].(json.Number); ok && p != "0" {
		if f, err := p.Float64(); err == nil && f == float64(int64(f)) {
			p = json.Number(strconv.FormatInt(int64(f), 10)) // 3.0 is taken, and echoed
		}
		if p != "0" {
			e.Add("priority", p)
		}
	}
	definition := body.Object("definition")
	if definition == nil {
		definition = map[string]any{}
	}
	e.Add("definition", f.HideLogins(strings.ToUpper(key)+"_"+name, definition))
	e.Extra("the "+noun, body, "name", "vhost", "pattern", "apply-to", "priority", "definition", "component", "value")
	policies.Add(e)
}
