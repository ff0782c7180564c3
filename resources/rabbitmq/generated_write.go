package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/LerianStudio/midaz-infra/resources"
)

// regrouper writes generated policies: all that a run changes in a virtual host at
// once, when the first of them is due. The steps of the others then find their
// work done.
type regrouper struct {
	mu sync.Mutex
	// ahead are policies that were written before their own step, as they were
	// before that, nil for those that were not there.
	ahead map[resources.Addr]*object
}

// isGenerated reports whether a policy is one that follows from a queue's fields.
func isGenerated(a resources.Addr) bool {
	return a.Kind == policyName && isGeneratedName(a.Parts()[1])
}

func isGeneratedName(policy string) bool { return strings.HasPrefix(policy, generatedPrefix) }

// before returns a policy as it was before this run wrote it ahead of its step,
// and whether it did.
func (b *ReadBroker) before(a resources.Addr) (*object, bool) {
	b.regroup.mu.Lock()
	defer b.regroup.mu.Unlock()
	o, ok := b.regroup.ahead[a]
	return o, ok
}

// putGenerated writes the policy of a queue, with all others of its virtual host
// that this run is about to write.
func (b *Broker) putGenerated(ctx context.Context, r *resources.Resource) error {
	vhost := r.Addr.Parts()[0]
	defer b.lockPolicies(vhost)()
	b.regroup.mu.Lock()
	_, done := b.regroup.ahead[r.Addr]
	delete(b.regroup.ahead, r.Addr)
	b.regroup.mu.Unlock()
	if done {
		return nil
	}
	want := map[resources.Addr]*resources.Resource{}
	for _, other := range b.keeper.intends() {
		if isGenerated(other.Addr) && other.Addr.Parts()[0] == vhost && !b.wroteGenerated(other.Addr) {
			want[other.Addr] = other
		}
	}
	want[r.Addr] = r
	was, err := b.regroupTo(ctx, r.Stack, vhost, want)
	if err != nil {
		return err
	}
	b.regroup.mu.Lock()
	defer b.regroup.mu.Unlock()
	if b.regroup.ahead == nil {
		b.regroup.ahead = map[resources.Addr]*object{}
	}
	for a := range want {
		b.keeper.wroteAhead(a)
		if a != r.Addr {
			b.regroup.ahead[a] = was[a]
		}
	}
	return nil
}

// removeGenerated deletes the policy of a queue, with all others of its virtual
// host that this run removes.
func (b *Broker) removeGenerated(ctx context.Context, stack string, a resources.Addr) error {
	vhost := a.Parts()[0]
	defer b.lockPolicies(vhost)()
	want := map[resources.Addr]*resources.Resource{a: nil}
	for _, other := range b.keeper.leaves() {
		if isGenerated(other) && other.Parts()[0] == vhost {
			want[other] = nil
		}
	}
	_, err := b.regroupTo(ctx, stack, vhost, want)
	return err
}

func (b *Broker) lockPolicies(vhost string) (unlock func()) {
	b.mu.Lock()
	if b.policyLocks == nil {
		b.policyLocks = map[string]*sync.Mutex{}
	}
	if b.policyLocks[vhost] == nil {
		b.policyLocks[vhost] = &sync.Mutex{}
	}
	lock := b.policyLocks[vhost]
	b.mu.Unlock()
	lock.Lock()
	return lock.Unlock
}

// regroupTo brings the policies of some queues to what is wanted, nil for none,
// and returns them as they were before. Other policies on the broker that no
// changed queue shares, or comes to share, stay as they are.
func (b *Broker) regroupTo(ctx context.Context, stack, vhost string,
	want map[resources.Addr]*resources.Resource) (map[resources.Addr]*object, error) {
	c, err := b.writes()
	if err != nil {
		return nil, err
	}
	rows, err := c.rows(ctx, apiPath("policies", vhost))
	if err != nil {
		return nil, err
	}
	was := map[resources.Addr]*object{}
	for _, o := range ungroup(seeAll(rows)) {
		was[o.addr] = o
	}
	if err := b.guardPolicies(ctx, vhost, want); err != nil {
		return nil, err
	}
	is, wanted := regroup(stack, seeGroups(rows, stack), want)
	for _, w := range transition(is, wanted) {
		path := apiPath("policies", vhost, w.name)
		if w.remove {
			err = c.remove(ctx, path)
		} else {
			_, err = c.put(ctx, path, w.body())
		}
		if err != nil {
			return nil, fmt.Errorf("policy %s: %w", w.name, err)
		}
		b.written.Add(1)
	}
	return was, b.verifyPolicies(ctx, c, vhost, want)
}

// seeAll reads the rows of policies.
func seeAll(rows []row) []*object {
	k := policySingle(policyTable, "policies")
	var out []*object
	for _, r := range rows {
		if o := k.see(r); o != nil {
			out = append(out, o)
		}
	}
	return out
}

// seeGroups returns the generated policies on the broker that a stack may change:
// its groups, and those of single queues.
func seeGroups(rows []row, stack string) []*grouped {
	var out []*grouped
	for _, r := range rows {
		p := seePolicy(r)
		g := &grouped{name: p.Name, priority: p.Priority, definition: p.Definition}
		if p.ApplyTo != "queues" {
			g.definition = nil // changed by hand: it says nothing that could be kept
		}
		switch queue, single := strings.CutPrefix(p.Name, generatedPrefix); {
		case single:
			if g.queues = []string{queue}; p.Pattern != namesPattern(g.queues) {
				g.definition = nil
			}
		case ownGroup(p.Name, stack):
			g.queues, _ = namesIn(p.Pattern)
		default:
			continue
		}
		out = append(out, g)
	}
	return out
}

// regroup returns the policies on the broker that must change for what is wanted,
// as they are and as they will be.
func regroup(stack string, there []*grouped, want map[resources.Addr]*resources.Resource) (is, wanted []*grouped) {
	changing, keys := map[string]bool{}, map[string]bool{}
	var all []queueSettings
	for a, r := range want {
		queue := strings.TrimPrefix(a.Parts()[1], generatedPrefix)
		changing[queue] = true
		if r != nil {
			s := queueSettings{queue, r.Config.Int("priority"), r.Config.Map("definition")}
			all = append(all, s)
			keys[s.key()] = true
		}
	}
	for _, g := range there {
		single := strings.HasPrefix(g.name, generatedPrefix)
		touched := slices.ContainsFunc(g.queues, func(q string) bool { return changing[q] })
		mine := queueSettings{"", g.priority, g.definition}.key()
		if touched && !single {
			keys[mine] = true // all parts of the group
		}
	}
	for _, g := range there {
		single := strings.HasPrefix(g.name, generatedPrefix)
		mine := queueSettings{"", g.priority, g.definition}.key()
		touched := slices.ContainsFunc(g.queues, func(q string) bool { return changing[q] })
		// One of a single queue that stays as it is is left alone.
		if single && !touched || !single && !keys[mine] {
			continue
		}
		is = append(is, g)
		for _, q := range g.queues {
			if !changing[q] {
				all = append(all, queueSettings{q, g.priority, g.definition})
			}
		}
	}
	byKey := map[string][]queueSettings{}
	for _, s := range all {
		byKey[s.key()] = append(byKey[s.key()], s)
	}
	for _, group := range byKey {
		wanted = append(wanted, layout(stack, group)...)
	}
	slices.SortFunc(wanted, func(a, b *grouped) int { return strings.Compare(a.name, b.name) })
	return is, wanted
}

// verifyPolicies looks whether the broker has what was written.
func (b *Broker) verifyPolicies(ctx context.Context, c writes, vhost string, want map[resources.Addr]*resources.Resource) error {
	rows, err := c.rows(ctx, apiPath("policies", vhost))
	if err != nil {
		return fmt.Errorf("look at what was written: %w", err)
	}
	now := map[resources.Addr]*object{}
	for _, o := range ungroup(seeAll(rows)) {
		now[o.addr] = o
	}
	kind := kindOf(policyName)
	for a, r := range want {
		o := now[a]
		switch {
		case r == nil && o != nil:
			return fmt.Errorf("%s: the broker accepted its removal and it is there", a)
		case r == nil:
		case o == nil:
			return fmt.Errorf("%s: %w", a, errors.New("the broker accepted it and it is not there"))
		default:
			seen := &resources.Observed{Addr: a, Presence: resources.Present, Have: o.have, Native: o}
			if left := compare(kind, r, seen); len(left) > 0 {
				return fmt.Errorf("%s: the broker answered with success and did not change it: %s", a, showDelta(left))
			}
		}
	}
	return nil
}
