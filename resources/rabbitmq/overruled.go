package rabbitmq

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/routing"
)

// A declared setting is in force only while no policy from outside the spec takes
// over. What follows compares, for each declared queue and exchange, the settings
// that the spec's own policies come to with those that hold when the policies from
// outside are added. Policies of the spec that override one another are not
// reported: the spec itself is checked for that.

// overrulings are the declared settings of a broker that are not in force, by the
// resource that declares them.
type overrulings map[resources.Addr]resources.Delta

// overruled returns the declared settings that are not in force. It is worked out
// once for a snapshot. Lists that cannot be read are reported by their own kinds.
func (s *snapshot) overruled(ctx context.Context, b *books) overrulings {
	s.overruledOnce.Do(func() {
		s.overrulings = overrulings{}
		for vhost, outside := range s.outside(ctx, b) {
			f := &forces{s: s, vhost: vhost, found: s.overrulings, outside: routing.Make(outside)}
			f.declare()
			f.compare(ctx)
		}
		s.unplugged(ctx)
		s.narrowed(ctx, b)
	})
	return s.overrulings
}

// pluginOf names the plugin that does what the parameters of a component say.
var pluginOf = map[string]string{"shovel": "rabbitmq_shovel", "federation-upstream": "rabbitmq_federation",
	"federation-upstream-set": "rabbitmq_federation"}

// unplugged notes the parameters whose plugin no running node has enabled. The
// broker keeps and lists them, and does nothing with them.
func (s *snapshot) unplugged(ctx context.Context) {
	isOfPlugin := func(r *resources.Resource) bool {
		return pluginOf[r.Addr.Parts()[1]] != "" && !r.Dormant && !r.External
	}
	if !slices.ContainsFunc(s.declared.Of(parameterName), isOfPlugin) {
		return
	}
	nodes, err := s.list(ctx, "/api/nodes?columns=running,enabled_plugins")
	if err != nil {
		return
	}
	enabled := map[string]bool{}
	for _, node := range nodes {
		for _, name := range resources.Texts(node["enabled_plugins"]) {
			enabled[name] = enabled[name] || node["running"] == true
		}
	}
	if len(enabled) == 0 { // the statistics are not there yet
		return
	}
	for _, r := range s.declared.Of(parameterName) {
		plugin := pluginOf[r.Addr.Parts()[1]]
		if !isOfPlugin(r) || enabled[plugin] {
			continue
		}
		s.overrulings[r.Addr] = append(s.overrulings[r.Addr], resources.Diff{Path: "plugin", Field: "plugin", Drift: true, Cost: resources.Free,
			After: plugin,
			Why:   fmt.Sprintf("not in force: the plugin %s is not enabled; run `rabbitmq-plugins enable %s` on the broker", plugin, plugin)})
	}
}

// narrowed notes the permissions that hold for some routing keys only, because of
// topic permissions that neither the spec nor the stack's ledger has. Without any,
// a permission to write to a topic exchange, and one to read from it, hold for all
// routing keys.
func (s *snapshot) narrowed(ctx context.Context, b *books) {
	if len(s.declared.Of(permissionName)) == 0 {
		return
	}
	topics, err := s.list(ctx, topicPermissionList)
	if err != nil || len(topics) == 0 {
		return
	}
	exchanges, err := s.list(ctx, "/api/exchanges")
	if err != nil {
		return
	}
	isTopic := map[resources.Addr]bool{}
	for _, x := range exchanges {
		isTopic[resources.NewAddr(exchangeName, x.text("vhost"), x.text("name"))] = x.text("type") == "topic"
	}
	type narrowing struct{ exchange, pattern string }
	outside := map[resources.Addr][]row{} // by the permission
	for _, t := range topics {
		vhost, user, exchange := t.text("vhost"), t.text("user"), t.text("exchange")
		a := resources.NewAddr(topicPermissionName, vhost, user, exchange)
		if !isTopic[resources.NewAddr(exchangeName, vhost, exchange)] || s.declared.Get(a) != nil || b.owns(a) {
			continue
		}
		permission := resources.NewAddr(permissionName, vhost, user)
		outside[permission] = append(outside[permission], t)
	}
	for _, r := range s.declared.Of(permissionName) {
		if r.Dormant || r.External {
			continue
		}
		for _, field := range []string{"write", "read"} {
			names, err := permitted(r.Config.Text(field))
			if err != nil { // only the broker can read it
				continue
			}
			var found []narrowing
			for _, t := range outside[r.Addr] {
				if n := (narrowing{t.text("exchange"), t.text(field)}); names.MatchString(n.exchange) && !matchesAll(n.pattern) {
					found = append(found, n)
				}
			}
			if len(found) == 0 {
				continue
			}
			slices.SortFunc(found, func(a, b narrowing) int { return strings.Compare(a.exchange, b.exchange) })
			var where, which []string
			for _, n := range found {
				where = append(where, fmt.Sprintf("routing keys that match %q on exchange %s", n.pattern, n.exchange))
				which = append(which, resources.NewAddr(topicPermissionName, r.Addr.Parts()[0], r.Addr.Parts()[1], n.exchange).String())
			}
			s.overrulings[r.Addr] = append(s.overrulings[r.Addr], resources.Diff{Path: field, Field: field, Drift: true, Cost: resources.Free,
				Before: resources.SealLike(found[0].pattern, r.Config[field]), After: r.Config[field],
				Why: fmt.Sprintf("not in force: topic permissions that are not in the spec allow only %s; run `rabbitmqctl "+
					"clear_topic_permissions`, or declare %s", strings.Join(where, ", and only "), strings.Join(which, ", "))})
		}
	}
}

// permitted compiles the regular expression of a permission. An empty one matches
// the empty name only.
func permitted(pattern string) (*regexp.Regexp, error) {
	if pattern == "" {
		pattern = "^$"
	}
	return regexp.Compile(pattern)
}

// matchesAll reports whether a regular expression is one of those that people
// write for everything.
func matchesAll(pattern string) bool {
	return slices.Contains([]string{".*", "^.*", ".*$", "^.*$", "^"}, pattern)
}

// outside returns the policies that neither the spec nor the stack's ledger has, by
// virtual host.
func (s *snapshot) outside(ctx context.Context, b *books) map[string]routing.Vhost {
	out := map[string]routing.Vhost{}
	for _, kind := range []string{policyName, operatorPolicyName} {
		rows, err := s.list(ctx, policyLists[kind])
		if err != nil {
			continue
		}
		for _, r := range rows {
			vhost := r.text("vhost")
			for _, p := range apart(seePolicy(r)) {
				a := resources.NewAddr(kind, vhost, p.Name)
				if isHelper(p.Name) || s.declared.Get(a) != nil || b.owns(a) {
					continue
				}
				v := out[vhost]
				if kind == policyName {
					v.Policies = append(v.Policies, p)
				} else {
					v.Operator = append(v.Operator, p)
				}
				out[vhost] = v
			}
		}
	}
	return out
}

var policyLists = map[string]string{policyName: "/api/policies", operatorPolicyName: "/api/operator-policies"}

// forces compares what holds in one virtual host with and without the policies
// from outside.
type forces struct {
	s       *snapshot
	vhost   string
	found   overrulings
	outside *routing.Vhost
	// own are the policies of the spec, without those generated for single queues.
	own *routing.Vhost
}

func (f *forces) declare() {
	v := routing.Vhost{Name: f.vhost}
	for _, r := range f.s.declared.Of(policyName) {
		if r.Addr.Parts()[0] == f.vhost && !r.Dormant && !isGenerated(r.Addr) {
			v.Policies = append(v.Policies, modelPolicy(r))
		}
	}
	for _, r := range f.s.declared.Of(operatorPolicyName) {
		if r.Addr.Parts()[0] == f.vhost && !r.Dormant {
			v.Operator = append(v.Operator, modelPolicy(r))
		}
	}
	f.own = routing.Make(v)
}

func (f *forces) compare(ctx context.Context) {
	for _, r := range f.s.declared.Of(queueName) {
		if r.Addr.Parts()[0] != f.vhost || r.Dormant || r.External {
			continue
		}
		q := &routing.Queue{Name: r.Addr.Parts()[1], Type: typeOf(r), Arguments: r.Config.Map("arguments")}
		if f.outside.ForQueue(q).IsUnpoliced() {
			continue
		}
		own := f.own
		if g := f.s.declared.Get(generatedAddr(r.Addr)); g != nil && !g.Dormant {
			own = own.With(modelPolicy(g))
		}
		want := own.Possible(q)
		have := own.With(f.outside.Policies...).WithOperator(f.outside.Operator...).Possible(q)
		f.note(r, want, f.told(ctx, q.Name, have))
	}
	for _, r := range f.s.declared.Of(exchangeName) {
		if r.Addr.Parts()[0] != f.vhost || r.Dormant || r.External {
			continue
		}
		x := modelExchange(r)
		if f.outside.ForExchange(x).IsUnpoliced() {
			continue
		}
		have := f.own.With(f.outside.Policies...).WithOperator(f.outside.Operator...).ForExchange(x)
		if want := f.own.ForExchange(x); want.IsSure() && have.IsSure() {
			f.note(r, []routing.Effective{want}, []routing.Effective{have})
		}
	}
}

// told returns which of several outcomes the broker says is the one: policies of
// equal priority, and patterns that only the broker can read, leave that open.
func (f *forces) told(ctx context.Context, queue string, all []routing.Effective) []routing.Effective {
	if len(all) == 1 {
		return all
	}
	rows, err := f.s.list(ctx, "/api/queues?columns=vhost,name,policy,operator_policy") // without statistics there is no operator_policy
	i := slices.IndexFunc(rows, func(r row) bool { return r.text("vhost") == f.vhost && r.text("name") == queue })
	if err != nil || i < 0 {
		return nil
	}
	isNamed := func(p *routing.Policy, name string) bool {
		if p == nil {
			return name == ""
		}
		return p.Name == name || isGeneratedName(p.Name) && strings.HasPrefix(name, groupPrefix)
	}
	// Only what is open is asked: a policy that was just added is not told yet.
	isOpen := func(of func(routing.Effective) *routing.Policy) bool {
		return slices.ContainsFunc(all, func(e routing.Effective) bool { return of(e) != of(all[0]) })
	}
	policy := isOpen(func(e routing.Effective) *routing.Policy { return e.Policy.Policy })
	operator := isOpen(func(e routing.Effective) *routing.Policy { return e.Operator.Policy })
	return slices.DeleteFunc(all, func(e routing.Effective) bool {
		return policy && !isNamed(e.Policy.Policy, rows[i].text("policy")) || operator &&
			!isNamed(e.Operator.Policy, rows[i].text("operator_policy"))
	})
}

// note notes the settings of an object that do not hold. Where it is not known
// what holds, nothing is noted.
func (f *forces) note(r *resources.Resource, want, have []routing.Effective) {
	if len(want) != 1 || len(have) != 1 {
		return
	}
	for _, s := range want[0].Settings {
		now, _ := have[0].Get(s.Key)
		if resources.Equal(now.Value, s.Value) {
			continue
		}
		taker, why := f.taker(now, have[0])
		if taker == "" {
			continue
		}
		a, path := f.declaredAt(r, s, want[0])
		if slices.ContainsFunc(f.found[a], func(d resources.Diff) bool { return d.Path == path }) {
			continue // the policy of several objects
		}
		if a != r.Addr {
			why = "for " + r.Addr.String() + " " + why
		}
		field, _, _ := strings.Cut(path, ".")
		f.found[a] = append(f.found[a], resources.Diff{Path: path, Field: field, Drift: true, Cost: resources.Free,
			Before: resources.SealLike(now.Value, s.Value), After: s.Value, Why: why})
	}
}

// taker returns the policy from outside because of which a setting has the value
// now, and says what can be done about it.
func (f *forces) taker(now routing.Setting, have routing.Effective) (name, why string) {
	if p := have.Operator.Policy; p != nil && now.From == "operator policy "+p.Name {
		if !slices.ContainsFunc(f.outside.Operator, func(o *routing.Policy) bool { return o.Name == p.Name }) {
			return "", ""
		}
		a := resources.NewAddr(operatorPolicyName, f.vhost, p.Name)
		return p.Name, fmt.Sprintf("not in force: operator policy %s, which is not in the spec, holds over it; remove that policy, or declare "+
			"%s and write here the value that shall hold", p.Name, a)
	}
	p := have.Policy.Policy
	if p == nil || !slices.ContainsFunc(f.outside.Policies, func(o *routing.Policy) bool { return o.Name == p.Name }) {
		return "", ""
	}
	a := resources.NewAddr(policyName, f.vhost, p.Name)
	return p.Name, fmt.Sprintf("not in force: policy %s with priority %d, which is not in the spec, takes over; remove that policy, lower "+
		"its priority, or declare %s", p.Name, p.Priority, a)
}

// declaredAt returns where the spec declares a setting that should hold for the
// queue or exchange r.
func (f *forces) declaredAt(r *resources.Resource, s routing.Setting, want routing.Effective) (a resources.Addr, path string) {
	if p := want.Operator.Policy; p != nil && s.From == "operator policy "+p.Name {
		return resources.NewAddr(operatorPolicyName, f.vhost, p.Name), "definition." + s.Key
	}
	if p := want.Policy.Policy; p != nil && s.From == "policy "+p.Name {
		a := resources.NewAddr(policyName, f.vhost, p.Name)
		if !isGenerated(a) {
			return a, "definition." + s.Key
		}
		i := slices.IndexFunc(policed, func(x policedField) bool { return x.setting == s.Key })
		if _, ok := fieldsOf(r)[s.Key]; ok && i >= 0 {
			return r.Addr, policed[i].field.Key
		}
		// The generated policy has it from one whose place it takes.
		if g, ok := f.s.declared.Get(a).Native.(generated); ok && len(g.shadowed) > 0 {
			return g.shadowed[0].resource.Addr, "definition." + s.Key
		}
		return r.Addr, s.Key
	}
	if r.Addr.Kind == exchangeName {
		return r.Addr, "alternate_exchange"
	}
	return r.Addr, "arguments." + strings.TrimPrefix(s.From, "argument ")
}
