//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// load is a publisher with confirms and a consumer that acknowledges. Messages
// are numbered from 0.
type load struct {
	t     *testing.T
	url   string
	queue string

	stop     context.CancelFunc
	ctx      context.Context
	stopping chan struct{} // ends the publisher, not the consumer
	once     sync.Once
	ended    sync.WaitGroup

	mu        sync.Mutex
	published int // confirmed and not returned
	refused   []string
	received  []int
	retried   int // messages that were published again after a visible error
	// gaps are how long the consumer got nothing: from the last message before it
	// was cancelled to the first one after. away is how long it could not consume.
	gaps, away []time.Duration
	left       time.Time // when the consumer was cancelled, zero while it consumes
}

// newLoad publishes to an exchange, one message each interval, and consumes a
// queue.
func newLoad(t *testing.T, address, vhost, exchange, key, queue string, interval time.Duration) *load {
	t.Helper()
	l := idleLoad(t, address, vhost, queue)
	l.startConsumer()
	l.ended.Go(func() { l.publish(exchange, key, interval) })
	return l
}

// newBacklog has so many messages, or few more, wait in a queue that nobody
// consumes until startConsumer is called.
func newBacklog(t *testing.T, address, vhost, exchange, key, queue string, messages int) *load {
	t.Helper()
	l := idleLoad(t, address, vhost, queue)
	published := make(chan struct{})
	l.ended.Go(func() {
		l.publish(exchange, key, 100*time.Microsecond)
		close(published)
	})
	eventually(t, time.Minute, func() error {
		if n := l.sent(); n < messages {
			return fmt.Errorf("%d of %d messages are out", n, messages)
		}
		return nil
	})
	l.once.Do(func() { close(l.stopping) })
	<-published
	return l
}

func idleLoad(t *testing.T, address, vhost, queue string) *load {
	l := &load{t: t, queue: queue, stopping: make(chan struct{}),
		url: (&url.URL{Scheme: "amqp", Host: address, User: url.UserPassword(brokerUser, brokerPassword), Path: "/" + vhost}).String()}
	l.ctx, l.stop = context.WithCancel(context.Background())
	t.Cleanup(func() {
		l.stop()
		l.ended.Wait()
	})
	return l
}

// startConsumer returns when the queue is consumed.
func (l *load) startConsumer() {
	l.t.Helper()
	ready := make(chan error, 1)
	l.ended.Go(func() { l.consume(ready) })
	if err := <-ready; err != nil {
		l.t.Fatal(err)
	}
}

func (l *load) dial() (*amqp.Connection, error) {
	return amqp.DialConfig(l.url, amqp.Config{Dial: amqp.DefaultDial(10 * time.Second)})
}

func (l *load) refuse(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused = append(l.refused, fmt.Sprintf(format, args...))
}

// publish publishes one message after the other, each confirmed before the next.
func (l *load) publish(exchange, key string, interval time.Duration) {
	n := 0
	for l.ctx.Err() == nil && l.publishFrom(&n, exchange, key, interval) {
		l.mu.Lock()
		l.retried++
		l.mu.Unlock()
		time.Sleep(2 * time.Millisecond)
	}
}

// publishFrom publishes from *n on, until it is over or an error closes the
// channel; then it reports true, and the next call begins with that message.
func (l *load) publishFrom(n *int, exchange, key string, interval time.Duration) (again bool) {
	conn, err := l.dial()
	if err != nil {
		l.refuse("publisher: %v", err)
		return false
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err == nil {
		err = ch.Confirm(false)
	}
	if err != nil {
		l.refuse("publisher: %v", err)
		return false
	}
	returned := ch.NotifyReturn(make(chan amqp.Return, 1))
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for ; ; *n++ {
		select {
		case <-tick.C:
		case <-l.stopping:
			return false
		case <-l.ctx.Done():
			return false
		}
		sent, err := ch.PublishWithDeferredConfirmWithContext(l.ctx, exchange, key, true, false, amqp.Publishing{Body: []byte(strconv.Itoa(*n)),
			DeliveryMode: amqp.Persistent})
		if err != nil {
			return true
		}
		select {
		case <-sent.Done():
		case <-closed:
			return true
		case <-l.ctx.Done():
			return false
		}
		if !sent.Acked() {
			if conn.IsClosed() || ch.IsClosed() {
				return true
			}
			l.refuse("message %d was not confirmed", *n)
		}
		select {
		case r := <-returned:
			l.refuse("message %d was returned: %s", *n, r.ReplyText)
		default:
		}
		l.mu.Lock()
		l.published++
		l.mu.Unlock()
	}
}

// consume takes and acknowledges what comes, and consumes again when it was
// cancelled, as a client with recovery does.
func (l *load) consume(ready chan<- error) {
	var last time.Time // of the last message before a cancel
	first := true
	for l.ctx.Err() == nil {
		err := l.session(&last, func() {
			if first {
				first = false
				ready <- nil
			}
		})
		if first && err != nil {
			ready <- err
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func (l *load) session(last *time.Time, began func()) error {
	conn, err := l.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	for l.ctx.Err() == nil && !conn.IsClosed() {
		if err := l.take(conn, last, began); err != nil {
			time.Sleep(2 * time.Millisecond)
		}
	}
	return errors.New("the connection was closed")
}

func (l *load) take(conn *amqp.Connection, last *time.Time, began func()) error {
	ch, err := conn.Channel()
	if err != nil {
		return err
	}
	defer ch.Close()
	if err := ch.Qos(100, 0, false); err != nil {
		return err
	}
	messages, err := ch.Consume(l.queue, "", false, false, false, false, nil)
	if err != nil {
		return err
	}
	began()
	l.mu.Lock()
	if !l.left.IsZero() {
		l.away = append(l.away, time.Since(l.left))
	}
	l.left = time.Time{}
	l.mu.Unlock()
	fresh := true
	for {
		select {
		case m, ok := <-messages:
			if !ok {
				l.mu.Lock()
				l.left = time.Now()
				l.mu.Unlock()
				return errors.New("cancelled")
			}
			n, err := strconv.Atoi(string(m.Body))
			if err != nil {
				l.refuse("received %q", m.Body)
			}
			l.mu.Lock()
			l.received = append(l.received, n)
			if fresh && !last.IsZero() {
				l.gaps = append(l.gaps, time.Since(*last))
			}
			l.mu.Unlock()
			fresh, *last = false, time.Now()
			if err := m.Ack(false); err != nil {
				return err
			}
		case <-l.ctx.Done():
			return l.ctx.Err()
		}
	}
}

// sent returns how many messages are out.
func (l *load) sent() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.published
}

// outcome is what became of the messages.
type outcome struct {
	published, lost, twice, late, retried int
	lostOnes                              []int
	refused                               []string
	gaps, away                            []time.Duration
}

func (c outcome) String() string {
	rounded := func(all []time.Duration) []time.Duration {
		all = slices.Clone(all)
		for i := range all {
			all[i] = all[i].Round(time.Millisecond)
		}
		return all
	}
	return fmt.Sprintf("%d published, %d lost %v, %d twice, %d out of order, %d refused, %d published again, the consumer got nothing for "+
		"%v, could not consume for %v",
		c.published, c.lost, c.lostOnes, c.twice, c.late, len(c.refused), c.retried, rounded(c.gaps), rounded(c.away))
}

// end stops publishing, waits until nothing more comes, and counts. A message
// is out of order when one published after it came first.
func (l *load) end() outcome {
	l.t.Helper()
	l.once.Do(func() { close(l.stopping) })
	deadline := time.Now().Add(30 * time.Second)
	for time.Now().Before(deadline) {
		if l.count().lost == 0 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	return l.count()
}

func (l *load) count() outcome {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := outcome{published: l.published, retried: l.retried, refused: slices.Clone(l.refused), gaps: slices.Clone(l.gaps),
		away: slices.Clone(l.away)}
	seen, highest := make(map[int]bool, len(l.received)), -1
	for _, n := range l.received {
		switch {
		case seen[n]:
			c.twice++
		case n < highest:
			c.late++
		}
		seen[n], highest = true, max(highest, n)
	}
	for n := range l.published {
		if !seen[n] {
			c.lost++
			if len(c.lostOnes) < 10 {
				c.lostOnes = append(c.lostOnes, n)
			}
		}
	}
	return c
}
