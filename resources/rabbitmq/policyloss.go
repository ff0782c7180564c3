package rabbitmq

import (
	"context"
	"fmt"
	"net/url"
	"regexp"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/routing"
)

// Some settings of a policy destroy messages the moment they are set. foretell
// says which queues hold messages that a new or changed policy would drop.

// foreteller is a topology whose creations and changes can destroy something.
type foreteller interface {
	// foretell completes the observation of what is to be made or changed.
	foretell(ctx context.Context, s *snapshot, changing []pair) error
}

// pair is a wanted resource and what was seen of it.
type pair struct {
	want *resources.Resource
	seen *resources.Observed
}

// dropping are the settings that drop messages, with whether a message may
// already be beyond one.
var dropping = []struct {
	key  string
	text string
	// drops tells whether a queue that holds n messages may lose some.
	drops func(limit, n int64) bool
}{
	{"max-length", "beyond max-length %v", func(limit, n int64) bool { return n > limit }},
	{"max-length-bytes", "beyond max-length-bytes %v", func(_, n int64) bool { return n > 0 }},
	{"message-ttl", "older than message-ttl %v ms", func(_, n int64) bool { return n > 0 }},
	{"expires", "of the queue if nobody uses it for expires %v ms", func(_, n int64) bool { return n > 0 }},
	{"max-age", "older than max-age %v", func(_, n int64) bool { return n > 0 }},
}

func (k policyKind) foretell(ctx context.Context, s *snapshot, changing []pair) error {
	for _, p := range changing {
		var before map[string]any
		if o := nativeOf(p.seen); o != nil && p.seen.Presence == resources.Present && o.have["pattern"] == p.want.Config["pattern"] {
			before = o.have.Map("definition")
		}
		o := &object{addr: p.want.Addr}
		if have := nativeOf(p.seen); have != nil {
			o = have
		}
		if err := k.losses(ctx, s, p.want, before, o); err != nil {
			return err
		}
		p.seen.Native = o
	}
	return nil
}

func (k policyKind) losses(ctx context.Context, s *snapshot, want *resources.Resource, before map[string]any, o *object) error {
	definition := want.Config.Map("definition")
	re, err := regexp.Compile(want.Config.Text("pattern"))
	if err != nil {
		return nil // validation has said so
	}
	applyTo := cmpText(want.Config.Text("apply_to"), "all")
	vhost := want.Addr.Parts()[0]
	for _, d := range dropping {
		limit, set := definition[d.key]
		n, isNumber := limit.(int64)
		if old, ok := before[d.key].(int64); !set || resources.Equal(before[d.key], limit) || ok && isNumber && old <= n {
			continue // not set, as it was, or looser
		}
		rows, err := s.list(ctx, "/api/queues/"+url.PathEscape(vhost)+queueTotals)
		if err != nil {
			return fmt.Errorf("count messages: %w", err)
		}
		for _, r := range rows {
			q := seeQueue(r)
			messages, _ := r.number("messages")
			if q == nil || !routing.Covers(applyTo, q.have.Text("type")) || !re.MatchString(q.addr.Parts()[1]) || !d.drops(n, messages) {
				continue
			}
			o.losses = append(o.losses, fmt.Sprintf("%s holds %s; those "+d.text+" would be dropped at once", q.addr, plural(messages, "message"), resources.Show(limit)))
		}
	}
	return nil
}

// Hazards names the messages that a policy would drop.
func (policyKind) Hazards(a resources.Action, _ *resources.Resource, have *resources.Observed) []resources.Hazard {
	o := nativeOf(have)
	if o == nil || a != resources.Create && a != resources.Update {
		return nil
	}
	return hazardsOf(o.losses)
}
