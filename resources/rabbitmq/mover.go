package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// mover moves messages from one queue to another: each is published, confirmed
// by the broker, and only then acknowledged in the queue it came from. When it
// is killed, what was published and not acknowledged, inFlight messages at most,
// is there twice; nothing is ever lost.
type mover struct {
	conn *amqp.Connection
	// username is who publishes. A message of another user can be published
	// only with the tag impersonator.
	username     string
	impersonator bool
	// renamed counts messages that lost their user_id by that.
	renamed int

	mu       sync.Mutex
	counting *amqp.Channel
}

// prefetch is how many messages a mover holds. A queue with consumers of its
// own gives them nothing while the mover, which has a higher priority, takes
// more.
const prefetch = 2000

// roomPrefetch is how many it holds while it may have to wait for room in the
// queue that it fills: what is held too long is taken away by the broker.
const roomPrefetch = 100

// inFlight is how many messages are published and not yet confirmed at most: so
// many are there twice when the connection breaks or midaz is killed. With fewer
// it takes longer: 50,000 messages of 512 bytes through a quorum queue of RabbitMQ
// 4.0 on two busy cores 8.5 s with 2,000, 8.5 to 9.5 s with 500, 12.5 s with 100.
const inFlight = 500

// settled is how long nothing must have come for everything to have come.
const settled = 500 * time.Microsecond

// consumerTag names the mover's consumer.
const consumerTag = "midaz"

// pendingMessage is a message that was published and not yet confirmed.
type pendingMessage struct {
	tag     uint64
	confirm *amqp.DeferredConfirmation
}

// progress is what a mover tells of its work while it goes on.
type progress struct {
	// ask is answered, by closing what is sent, at the next moment at which
	// everything that came is moved and confirmed.
	ask chan chan struct{}
	// inHand counts the messages that are published and not yet confirmed, and
	// busy is when there last were any, in nanoseconds.
	inHand, busy atomic.Int64
	// full is set while the queue that is filled has no room.
	full atomic.Bool
}

// quietFor is how long nothing was in hand.
func (p *progress) quietFor() time.Duration {
	if p.inHand.Load() > 0 {
		return 0
	}
	return time.Duration(time.Now().UnixNano() - p.busy.Load())
}

func (p *progress) note(inHand int) {
	p.busy.Store(time.Now().UnixNano())
	p.inHand.Store(int64(inHand))
}

// transfer says where messages are moved, and how.
type transfer struct {
	from, exchange string
	// change alters each message, when set.
	change func(*amqp.Publishing)
	// room bounds what is moved, when set.
	room *room
}

// move takes messages out of a queue and publishes them to an exchange, in
// order, until watch returns, whose error it returns. watch runs beside it. What
// is in hand then is finished. It returns how many were moved.
func (m *mover) move(ctx context.Context, t transfer, watch func(ctx context.Context, p *progress) error) (moved int, err error) {
	ch, err := m.conn.Channel()
	if err != nil {
		return 0, err
	}
	defer func() { _ = ch.Close() }()
	ahead := prefetch
	if t.room != nil {
		ahead = roomPrefetch
	}
	if err := errors.Join(ch.Confirm(false), ch.Qos(ahead, 0, false)); err != nil {
		return 0, err
	}
	w := &moving{transfer: t, m: m, ch: ch, progress: &progress{ask: make(chan chan struct{})},
		closed: ch.NotifyClose(make(chan *amqp.Error, 1)), returned: ch.NotifyReturn(make(chan amqp.Return, 1)),
		cancelled: ch.NotifyCancel(make(chan string, 1))}
	w.progress.note(0)
	deliveries, err := ch.Consume(t.from, consumerTag, false, false, false, false, amqp.Table{"x-priority": int32(100)})
	if err != nil {
		return 0, err
	}
	watchCtx, cancel := context.WithCancel(ctx)
	over := make(chan error, 1)
	go func() { over <- watch(watchCtx, w.progress) }()
	err = w.run(ctx, deliveries, over)
	cancel()
	return w.moved, err
}

// moving is one call of move.
type moving struct {
	transfer
	m         *mover
	ch        *amqp.Channel
	progress  *progress
	closed    chan *amqp.Error
	returned  chan amqp.Return
	cancelled chan string

	// held is delivered and not yet published.
	held    *amqp.Delivery
	pending []pendingMessage
	moved   int
}

func (w *moving) run(ctx context.Context, deliveries <-chan amqp.Delivery, over <-chan error) error {
	var asked chan struct{}
	for {
		if deliveries == nil && len(w.pending) == 0 && w.held == nil {
			return nil
		}
		var confirmed <-chan struct{}
		if len(w.pending) > 0 {
			confirmed = w.pending[0].confirm.Done()
		}
		next := deliveries
		if len(w.pending) >= inFlight {
			next = nil
		}
		var roomAgain <-chan time.Time
		if w.held != nil {
			passed, err := w.passHeld(ctx)
			if err != nil {
				return err
			}
			if passed {
				continue
			}
			next, roomAgain = nil, time.After(roomPoll)
		}
		var caughtUp <-chan time.Time
		if asked != nil && len(w.pending) == 0 && w.held == nil {
			caughtUp = time.After(settled)
		}
		select {
		case d, ok := <-next:
			switch {
			case ok:
				w.held = &d
			case over == nil: // cancelled, and nothing is left
				deliveries = nil
			default:
				return closeError(ctx, w.closed)
			}
		case <-roomAgain:
		case <-caughtUp:
			close(asked)
			asked = nil
		case asked = <-w.progress.ask:
		case <-confirmed:
			if err := w.acknowledge(); err != nil {
				return err
			}
		case r := <-w.returned:
			return fmt.Errorf("a message moved out of queue %s had nowhere to go: %s", w.from, r.ReplyText)
		case <-w.cancelled:
			return fmt.Errorf("queue %s was deleted by someone while messages were moved out of it", w.from)
		case e := <-w.closed:
			if e == nil {
				return errors.New("the AMQP channel was closed")
			}
			return e
		case <-ctx.Done():
			return context.Cause(ctx)
		case err := <-over:
			if err != nil {
				return err
			}
			// What was delivered until then is moved too: it may be older than what
			// the queue's own consumers would get next.
			over = nil
			if err := w.ch.Cancel(consumerTag, false); err != nil {
				return err
			}
		}
	}
}

// passHeld publishes the message that is held, unless the queue has no room.
func (w *moving) passHeld(ctx context.Context) (passed bool, err error) {
	if w.room != nil {
		fits, err := w.room.fits(len(w.held.Body), len(w.pending))
		w.progress.full.Store(!fits)
		if err != nil || !fits {
			w.progress.note(len(w.pending) + 1)
			return false, err
		}
		w.room.take(len(w.held.Body))
	}
	d := *w.held
	w.held = nil
	return true, w.pass(ctx, d)
}

// pass publishes one message.
func (w *moving) pass(ctx context.Context, d amqp.Delivery) error {
	w.progress.note(len(w.pending) + 1)
	message := w.m.copyOf(d)
	if w.change != nil {
		w.change(&message)
	}
	c, err := w.ch.PublishWithDeferredConfirmWithContext(ctx, w.exchange, d.RoutingKey, true, false, message)
	if err != nil {
		return err
	}
	w.pending = append(w.pending, pendingMessage{d.DeliveryTag, c})
	return nil
}

// acknowledge removes what the broker has confirmed from the queue it came
// from. Confirms are waited for in order, so all before one are acknowledged
// with it.
func (w *moving) acknowledge() error {
	if !w.pending[0].confirm.Acked() {
		return fmt.Errorf("the broker did not take a message that was moved out of queue %s; it is still there", w.from)
	}
	n := 1
	for n < len(w.pending) && w.pending[n].confirm.Acked() {
		n++
	}
	if err := w.ch.Ack(w.pending[n-1].tag, true); err != nil {
		return err
	}
	w.moved, w.pending = w.moved+n, w.pending[n:]
	w.progress.note(len(w.pending))
	return nil
}

func closeError(ctx context.Context, closed <-chan *amqp.Error) error {
	select {
	case e := <-closed:
		if e != nil {
			return e
		}
		return errors.New("the AMQP connection was closed")
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(time.Second):
		return errors.New("the AMQP channel was closed")
	}
}

// copyOf returns the message as it is published again. What a quorum queue
// adds when it delivers is left out.
func (m *mover) copyOf(d amqp.Delivery) amqp.Publishing {
	headers := amqp.Table{}
	for k, v := range d.Headers {
		if k != "x-delivery-count" && k != "x-acquired-count" {
			headers[k] = v
		}
	}
	p := amqp.Publishing{
		Headers: headers, ContentType: d.ContentType, ContentEncoding: d.ContentEncoding, DeliveryMode: d.DeliveryMode, Priority: d.Priority,
		CorrelationId: d.CorrelationId, ReplyTo: d.ReplyTo, Expiration: d.Expiration, MessageId: d.MessageId, Timestamp: d.Timestamp,
		Type: d.Type, UserId: d.UserId, AppId: d.AppId, Body: d.Body,
	}
	if p.UserId != "" && p.UserId != m.username && !m.impersonator {
		p.UserId = ""
		m.renamed++
	}
	return p
}

// While a message waits in a helper, its time to live does not run, and it is
// written to disk like all of a replicated queue: what its publisher asked for is
// kept in headers until it is back.
const (
	headerExpiration = "x-midaz-migration-expiration"
	headerTransient  = "x-midaz-migration-transient"
)

// suspend has a message outlive its stay in a helper.
func suspend(p *amqp.Publishing) {
	if p.Expiration != "" {
		p.Headers[headerExpiration], p.Expiration = p.Expiration, ""
	}
	if p.DeliveryMode != amqp.Persistent {
		p.Headers[headerTransient], p.DeliveryMode = int32(p.DeliveryMode), amqp.Persistent
	}
}

// restore takes back what suspend did.
func restore(p *amqp.Publishing) {
	if expiration, ok := p.Headers[headerExpiration].(string); ok {
		p.Expiration = expiration
	}
	if mode, ok := p.Headers[headerTransient].(int32); ok {
		p.DeliveryMode = uint8(mode) //nolint:gosec // it was one before
	}
	delete(p.Headers, headerExpiration)
	delete(p.Headers, headerTransient)
}

// counts asks a queue for its ready messages and its consumers, as they are now.
// An error costs the channel, so that the next call opens another.
func (m *mover) counts(queue string) (ready, consumers int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.counting == nil {
		if m.counting, err = m.conn.Channel(); err != nil {
			m.counting = nil
			return 0, 0, err
		}
	}
	q, err := m.counting.QueueDeclarePassive(queue, true, false, false, false, nil)
	if err != nil {
		m.counting = nil
	}
	return q.Messages, q.Consumers, err
}

// isGone reports whether AMQP said that a queue does not exist.
func isGone(err error) bool {
	var refused *amqp.Error
	return errors.As(err, &refused) && refused.Code == amqp.NotFound
}

// rehearse publishes to exchanges that lead nowhere yet, and consumes queues that
// are empty: what the user may not do fails now.
func (m *mover) rehearse(exchanges, queues []string) error {
	ch, err := m.conn.Channel()
	if err != nil {
		return err
	}
	defer func() { _ = ch.Close() }()
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	if err := ch.Confirm(false); err != nil {
		return err
	}
	for _, exchange := range exchanges {
		confirmed, err := ch.PublishWithDeferredConfirm(exchange, "", false, false, amqp.Publishing{})
		if err != nil {
			return err
		}
		select {
		case <-confirmed.Done():
		case e := <-closed:
			if e != nil {
				return e
			}
			return errors.New("the AMQP channel was closed")
		}
	}
	for _, queue := range queues {
		if _, err := ch.Consume(queue, queue, false, false, false, false, nil); err != nil {
			return err
		}
		if err := ch.Cancel(queue, false); err != nil {
			return err
		}
	}
	return nil
}

// awaitCancel consumes a queue that is empty and about to be deleted, so that it
// is told, as the queue's own consumers are, when they have been cancelled. What
// comes goes back when leave is called. Where a consumer of its own has the queue
// for itself, cancelled is closed at once.
func (m *mover) awaitCancel(queue string) (cancelled <-chan string, leave func(), err error) {
	ch, err := m.conn.Channel()
	if err != nil {
		return nil, nil, err
	}
	leave = func() { _ = ch.Close() }
	told := ch.NotifyCancel(make(chan string, 1))
	err = ch.Qos(1, 0, false)
	if err == nil {
		_, err = ch.Consume(queue, consumerTag, false, false, false, false, amqp.Table{"x-priority": int32(-100)})
	}
	var refused *amqp.Error
	switch {
	case errors.As(err, &refused) && refused.Code == amqp.AccessRefused:
		closed := make(chan string)
		close(closed)
		return closed, leave, nil
	case err != nil:
		leave()
		return nil, nil, err
	}
	return told, leave, nil
}
