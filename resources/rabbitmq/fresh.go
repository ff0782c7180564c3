package rabbitmq

import (
	"context"
	"errors"
)

// The management API's counts of messages are up to five seconds old, for every
// type of queue. A decision that can lose messages is made on a count that is
// current: AMQP tells what is ready at this moment, and what it does not tell
// (what consumers hold, the segments of a stream) is waited for.

// recount brings the counts of queues up to date, right before something is
// written that could lose their messages. With unacked it counts also what
// consumers hold, which no limit drops.
func (b *Broker) recount(ctx context.Context, vhost string, queues []*held, unacked bool) error {
	late := false // whether the statistics must be waited for
	for _, q := range queues {
		if q.Type == "stream" {
			n, err := b.liveStream(ctx, vhost, q.Name)
			q.ready = max(q.ready, int64(n))
			late = late || q.ready == 0 && err != nil && !errors.Is(err, errSpeaksNone) || q.segments == 1
			continue
		}
		ready, consumers, err := b.liveCount(ctx, vhost, q.Name)
		switch {
		case errors.Is(err, errSpeaksNone): // then no one publishes by AMQP
		case err != nil:
			late = late || q.messages() == 0
		default:
			if int64(ready) != q.ready {
				q.bytes = -1
			}
			q.ready, q.consumers = int64(ready), int64(consumers)
			late = late || unacked && consumers > 0 && q.messages() == 0
		}
	}
	if !late {
		return nil
	}
	if err := sleep(ctx, statsAge); err != nil {
		return err
	}
	now, err := heldIn(ctx, b.reads().rows, vhost, true)
	if err != nil {
		return err
	}
	counted := map[string]*held{}
	for _, q := range now {
		counted[q.Name] = q
	}
	for _, q := range queues {
		if is := counted[q.Name]; is != nil {
			q.ready, q.unacked = max(q.ready, is.ready), max(q.unacked, is.unacked)
			q.bytes, q.consumers, q.segments = is.bytes, is.consumers, is.segments
		}
	}
	return nil
}
