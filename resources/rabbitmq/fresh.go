package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
)

// The management API's counts of messages are up to five seconds old, for every
// type of queue. A decision that can lose messages is made on a count that is
// current: AMQP tells what is ready at this moment, and what it does not tell
// (what consumers hold, what a stream keeps) is waited for.

// recount brings the counts of queues that seem empty up to date, right before
// something is written that could lose their messages. It returns early with the
// first that holds any. Counts that are too high err on the safe side.
func (b *Broker) recount(ctx context.Context, vhost string, queues []*held) error {
	late := false // whether the statistics must be waited for
	for _, q := range queues {
		if q.messages() > 0 {
			return nil
		}
		ready, consumers, err := b.liveCount(ctx, vhost, q.Name)
		switch {
		case errors.Is(err, errSpeaksNone): // then no one publishes by AMQP
		case err != nil:
			late = true
		default:
			q.ready, q.bytes, q.consumers = int64(ready), -1, int64(consumers)
			late = late || ready == 0 && (consumers > 0 || q.Type == "stream")
		}
	}
	if !late || slices.ContainsFunc(queues, func(q *held) bool { return q.messages() > 0 }) {
		return nil
	}
	if err := sleep(ctx, statsAge); err != nil {
		return err
	}
	totals, err := b.reads().rows(ctx, "/api/queues/"+url.PathEscape(vhost)+queueTotals)
	if err != nil {
		return fmt.Errorf("count messages: %w", err)
	}
	counted := map[string]*held{}
	for _, r := range totals {
		q := seeHeld(r)
		counted[q.Name] = q
	}
	for _, q := range queues {
		if now := counted[q.Name]; now != nil {
			q.ready, q.unacked = max(q.ready, now.ready), now.unacked
		}
	}
	return (&reach{queues: queues}).details(ctx, b.reads().rows, vhost)
}
