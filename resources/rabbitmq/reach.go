package rabbitmq

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/routing"
)

// reacher is a topology whose changes decide which limits hold for queues.
type reacher interface{ reaches() }

func (policyKind) reaches() {}
func (queueKind) reaches()  {}

// droppingKeys are the settings that drop messages, see limits.
var droppingKeys = []string{"max-length", "max-length-bytes", "expires", "max-age", "overflow"}

// detailKeys are those for which the statistics are needed too.
var detailKeys = []string{"max-length-bytes", "expires", "max-age"}

func hasAny(definition map[string]any, keys []string) bool {
	return slices.ContainsFunc(keys, func(k string) bool { return definition[k] != nil })
}

// reachIn reads what policies reach in a virtual host. more are definitions that
// may come to hold there. It is nil when nothing can drop a message.
func reachIn(ctx context.Context, list lister, vhost string, more ...map[string]any) (*reach, error) {
	r, definitions := &reach{}, more
	for endpoint, to := range map[string]*[]*routing.Policy{"policies": &r.policies, "operator-policies": &r.operator} {
		rows, err := list(ctx, "/api/"+endpoint)
		if err != nil {
			return nil, err
		}
		for _, p := range rows {
			if p.text("vhost") == vhost {
				*to = append(*to, apart(seePolicy(p))...)
				definitions = append(definitions, p.object("definition"))
			}
		}
	}
	needs := func(keys []string) bool {
		return slices.ContainsFunc(definitions, func(d map[string]any) bool { return hasAny(d, keys) })
	}
	if !needs(droppingKeys) {
		return nil, nil
	}
	var err error
	r.queues, err = heldIn(ctx, list, vhost, needs(detailKeys))
	return r, err
}

// heldIn returns the queues of a virtual host with what they hold, as the
// statistics have it; with detailed also what only the full ones have.
func heldIn(ctx context.Context, list lister, vhost string, detailed bool) ([]*held, error) {
	rows, err := list(ctx, "/api/queues/"+url.PathEscape(vhost)+queueTotals)
	if err != nil {
		return nil, fmt.Errorf("count messages: %w", err)
	}
	var queues []*held
	full, stream := false, false
	for _, row := range rows {
		q := seeHeld(row)
		queues = append(queues, q)
		full, stream = full || q.messages() > 0, stream || q.Type == "stream"
	}
	// The totals leave streams out (4.0).
	if stream || full && detailed {
		err = details(ctx, list, vhost, queues)
	}
	return queues, err
}

// lister reads the rows of a list.
type lister func(ctx context.Context, path string) ([]row, error)

func details(ctx context.Context, list lister, vhost string, queues []*held) error {
	rows, err := list(ctx, "/api/queues/"+url.PathEscape(vhost)+"?columns=name,messages,consumers,message_bytes_ready,segments")
	if err != nil {
		return fmt.Errorf("count consumers: %w", err)
	}
	byName := make(map[string]row, len(rows))
	for _, row := range rows {
		byName[row.text("name")] = row
	}
	for _, q := range queues {
		q.detail(byName[q.Name])
	}
	return nil
}

func seePolicy(r row) *routing.Policy {
	priority, _ := r.number("priority")
	return &routing.Policy{Name: r.text("name"), Pattern: r.text("pattern"), ApplyTo: cmpText(r.text("apply-to"), "all"),
		Priority: priority, Definition: r.object("definition")}
}

// apart returns a policy that several queues share as one for each of them, under
// the names that a plan has for them.
func apart(p *routing.Policy) []*routing.Policy {
	if !strings.HasPrefix(p.Name, groupPrefix) {
		return []*routing.Policy{p}
	}
	names, ok := namesIn(p.Pattern)
	if !ok {
		return []*routing.Policy{p}
	}
	var out []*routing.Policy
	for _, name := range names {
		single := *p
		single.Name, single.Pattern = generatedPrefix+name, namesPattern([]string{name})
		out = append(out, &single)
	}
	return out
}

// surround notes what the policies of each virtual host reach in which something
// of the kind changes.
func (r reader) surround(ctx context.Context, s *snapshot, touched []pair) error {
	byVhost := map[string][]pair{}
	for _, p := range touched {
		vhost := p.seen.Addr.Parts()[0]
		byVhost[vhost] = append(byVhost[vhost], p)
	}
	for vhost, pairs := range byVhost {
		var more []map[string]any
		for _, p := range pairs {
			if p.want != nil {
				more = append(more, p.want.Config.Map("definition"), argumentsAsPolicy(p.want))
			}
		}
		found, err := reachIn(ctx, s.list, vhost, more...)
		if err != nil {
			return err
		}
		for _, p := range pairs {
			o := nativeOf(p.seen)
			if o == nil {
				o = &object{addr: p.seen.Addr}
				p.seen.Native = o
			}
			o.reach = found
		}
	}
	return nil
}

// argumentsAsPolicy are the arguments of a queue under the keys of a policy.
func argumentsAsPolicy(r *resources.Resource) map[string]any {
	out := map[string]any{}
	for k, v := range r.Config.Map("arguments") {
		if s := argumentSetting(k); s != nil && s.policy != "" {
			out[s.policy] = v
		}
	}
	return out
}

// JointHazards names the messages that policies would drop.
func (k policyKind) JointHazards(changes []resources.Planned) map[resources.Addr][]resources.Hazard {
	return jointHazards(changes, k.table.Kind)
}

// JointHazards names the messages that a queue could not keep when it is replaced.
func (queueKind) JointHazards(changes []resources.Planned) map[resources.Addr][]resources.Hazard {
	return jointHazards(changes, queueName)
}

// jointHazards returns the hazards of changes of one kind.
func jointHazards(changes []resources.Planned, kind string) map[resources.Addr][]resources.Hazard {
	out := map[resources.Addr][]resources.Hazard{}
	for vhost, all := range byVhost(changes) {
		found := reachOf(all)
		if found == nil {
			continue
		}
		before, after := found.vhost(), found.after(all).vhost()
		for _, q := range found.queues {
			change := all[q.addr]
			if q.messages() == 0 || change.Action == resources.Delete {
				continue
			}
			l := q.losses(vhost, before, after, asPlanned(q, change))
			if l == nil {
				continue
			}
			if a := l.cause(all, before, after); a.Kind == kind {
				out[a] = append(out[a], l.hazard())
			}
		}
	}
	return out
}

// byVhost sorts the changes that have an effect on limits by virtual host,
// without those of one that is deleted with all that is in it.
func byVhost(changes []resources.Planned) map[string]map[resources.Addr]resources.Planned {
	out, gone := map[string]map[resources.Addr]resources.Planned{}, map[string]bool{}
	for _, c := range changes {
		switch {
		case c.Action == resources.NoOp:
		case c.Addr.Kind == vhostName:
			gone[c.Addr.Parts()[0]] = c.Action == resources.Delete || c.Action == resources.Replace
		case c.Addr.Kind == policyName, c.Addr.Kind == operatorPolicyName, c.Addr.Kind == queueName:
			vhost := c.Addr.Parts()[0]
			if out[vhost] == nil {
				out[vhost] = map[resources.Addr]resources.Planned{}
			}
			out[vhost][c.Addr] = c
		}
	}
	for vhost, is := range gone {
		if is {
			delete(out, vhost)
		}
	}
	return out
}

func reachOf(changes map[resources.Addr]resources.Planned) *reach {
	for _, c := range changes {
		if o := nativeOf(c.Have); o != nil && o.reach != nil {
			return o.reach
		}
	}
	return nil
}

// after returns the policies as they will be.
func (r *reach) after(changes map[resources.Addr]resources.Planned) *reach {
	return &reach{policies: policiesAfter(r.policies, policyName, changes), operator: policiesAfter(r.operator, operatorPolicyName, changes)}
}

func policiesAfter(policies []*routing.Policy, kind string, changes map[resources.Addr]resources.Planned) []*routing.Policy {
	changed := map[string]*routing.Policy{}
	for a, c := range changes {
		if a.Kind != kind {
			continue
		}
		changed[a.Parts()[1]] = nil
		if c.Want != nil && c.Action != resources.Delete {
			changed[a.Parts()[1]] = modelPolicy(c.Want)
		}
	}
	var out []*routing.Policy
	for _, p := range policies {
		if _, ok := changed[p.Name]; !ok {
			c := *p
			out = append(out, &c)
		}
	}
	for _, p := range changed {
		if p != nil {
			out = append(out, p)
		}
	}
	return out
}

// asPlanned describes the queue as it will be.
func asPlanned(q *held, c resources.Planned) *routing.Queue {
	if c.Action != resources.Replace || c.Want == nil {
		return &q.Queue
	}
	return &routing.Queue{Name: q.Name, Type: typeOf(c.Want), Arguments: c.Want.Config.Map("arguments")}
}

// cause returns the change that brings the loss: of the policies that will hold
// or held, the first that changes; then any changed policy for the queue; then
// the queue itself.
func (l *loss) cause(changes map[resources.Addr]resources.Planned, before, after *routing.Vhost) resources.Addr {
	for _, a := range slices.Concat(l.after, l.before) {
		if _, ok := changes[a]; ok {
			return a
		}
	}
	var found []resources.Addr
	for a, c := range changes {
		if a.Kind == queueName {
			continue
		}
		if o := nativeOf(c.Have); o != nil && o.have != nil && asModel(a, o.have).MayMatch(&l.queue.Queue) || c.Want != nil &&
			asModel(a, c.Want.Config).MayMatch(&l.queue.Queue) {
			found = append(found, a)
		}
	}
	if len(found) == 0 {
		return l.queue.addr
	}
	slices.SortFunc(found, resources.Addr.Compare)
	return found[0]
}

func asModel(a resources.Addr, c resources.Config) *routing.Policy {
	return modelPolicy(&resources.Resource{Addr: a, Config: c})
}

// guard refuses to write or delete (want is nil) a policy that would drop
// messages of which the plan has not said so.
func (k policyKind) guard(ctx context.Context, b *Broker, a resources.Addr, want *resources.Resource) error {
	return b.guardPolicies(ctx, a.Parts()[0], map[resources.Addr]*resources.Resource{a: want})
}

// guardPolicies does so for policies of one virtual host that are written
// together.
func (b *Broker) guardPolicies(ctx context.Context, vhost string, want map[resources.Addr]*resources.Resource) error {
	changes, definitions := map[resources.Addr]resources.Planned{}, []map[string]any{}
	for a, r := range want {
		changes[a] = resources.Planned{Addr: a, Action: resources.Update, Want: r}
		if r != nil {
			definitions = append(definitions, r.Config.Map("definition"))
		}
	}
	found, err := reachIn(ctx, b.reads().rows, vhost, definitions...)
	if err != nil || found == nil {
		return err
	}
	before, after := found.vhost(), found.after(changes).vhost()
	var tightened []*held
	for _, q := range found.queues {
		if !b.consented(q.addr) && q.tightened(before, after) {
			tightened = append(tightened, q)
		}
	}
	if err := b.recount(ctx, vhost, tightened, false); err != nil {
		return err
	}
	var lost []string
	for _, q := range tightened {
		if l := q.losses(vhost, before, after, &q.Queue); l != nil {
			lost = append(lost, l.hazard().Msg)
		}
	}
	if len(lost) == 0 {
		return nil
	}
	return &resources.Diagnosis{Err: fmt.Errorf("the change would drop messages that the plan does not show, and is not made: %s",
		strings.Join(lost[:min(3, len(lost))], "; ")),
		Hint: "plan again: the plan then shows what would be lost, and `-allow data-loss` consents to it"}
}
