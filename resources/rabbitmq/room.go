package rabbitmq

import (
	"fmt"
	"time"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/routing"
)

// room keeps a move from overflowing the queue that it fills, which would drop
// or refuse messages: no more is published than the queue's limits leave room
// for, and while there is none the move waits for consumers.
type room struct {
	// ready counts the messages waiting in the queue, and how many consumers it has.
	ready func() (ready, consumers int, err error)
	// length and bytes are the limits, negative for none.
	length, bytes int64
	// lossless moves fail when consumers make no room; otherwise the queue's own
	// overflow then decides, as it does for what is published.
	lossless bool
	// patience is how long consumers may make no room.
	patience time.Duration

	// leftLength and leftBytes are what may be published before the queue must be
	// counted again.
	leftLength, leftBytes int64
	// sums are the sizes of what was moved, each with all before it: the queue is
	// filled in order, so that its last n messages are the last n moved.
	sums    []int64
	largest int64
	// least is the smallest count seen since room was waited for.
	least   int
	waiting time.Time
	open    bool
}

const (
	// roomPoll is how often a full queue is counted.
	roomPoll = 20 * time.Millisecond
	// roomPatience is how long consumers may take to come back to the queue and
	// make room.
	roomPatience = 30 * time.Second
)

// newRoom returns what bounds a move into a queue with the settings, nil when
// nothing limits it.
func newRoom(e routing.Effective, ready func() (int, int, error)) *room {
	r := &room{length: -1, bytes: -1, ready: ready, patience: roomPatience}
	if n, _, ok := limitOf(e, "max-length"); ok {
		r.length = n
	}
	if n, _, ok := limitOf(e, "max-length-bytes"); ok {
		r.bytes = n
	}
	if r.length < 0 && r.bytes < 0 {
		return nil
	}
	return r
}

// take counts a message that is published.
func (r *room) take(size int) {
	r.sums = append(r.sums, r.sizeOfLast(len(r.sums))+int64(size))
	r.largest = max(r.largest, int64(size))
	r.leftLength--
	r.leftBytes -= int64(size)
}

// fits reports whether a message of the size may be published; pending are
// published and not yet confirmed.
func (r *room) fits(size, pending int) (bool, error) {
	if r.open || r.hasLeft(size) {
		return true, nil
	}
	if pending > 0 {
		return false, nil // the count would miss them
	}
	ready, consumers, err := r.ready()
	if err != nil {
		return false, fmt.Errorf("count messages: %w", err)
	}
	r.leftLength, r.leftBytes = r.length-int64(ready), r.bytes-r.sizeOfLast(ready)
	if r.hasLeft(size) {
		r.waiting = time.Time{}
		return true, nil
	}
	if r.waiting.IsZero() || ready < r.least {
		r.waiting, r.least = time.Now(), ready
	}
	switch {
	case time.Since(r.waiting) < r.patience:
		return false, nil
	case r.lossless:
		return false, &resources.Diagnosis{
			Err: fmt.Errorf("the new queue is full (%s, %s), and the rest waits in a queue beside it", plural(int64(ready), "message"),
				plural(int64(consumers), "consumer")),
			Hint: "have consumers take messages, or raise the queue's limit, then apply again: that moves the rest"}
	}
	r.open = true
	return true, nil
}

func (r *room) hasLeft(size int) bool {
	return (r.length < 0 || r.leftLength > 0) && (r.bytes < 0 || r.leftBytes >= int64(size))
}

// sizeOfLast returns the size of the last n messages moved. Messages that came
// from elsewhere count as the largest.
func (r *room) sizeOfLast(n int) int64 {
	k := len(r.sums)
	switch {
	case k == 0:
		return 0
	case n >= k:
		return r.sums[k-1] + int64(n-k)*r.largest
	default:
		return r.sums[k-1] - r.sums[k-1-n]
	}
}
