package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/LerianStudio/midaz-infra/resources"
)

// migration replaces one queue while messages are published and consumed.
//
// Every binding of the queue is moved to a fanout exchange, mid, whose only
// binding leads to the queue: a message goes the same way to the same queues,
// one copy each, at any moment of that. mid has an alternate exchange, which
// takes what mid itself can route nowhere; so removing its one binding is an
// atomic switch, after which everything new waits in another queue. The old
// queue is emptied and deleted, the new one made, what was kept is moved into
// it in order, and the binding is put back: the same switch the other way. At
// last the bindings go back to where they were.
//
// Each step may be repeated, and what is there tells which come next, so that a
// run that was killed is finished by the next one. Until the old queue is
// deleted, finishing means going back. Measured on RabbitMQ 3.10, 4.0 and 4.3.
type migration struct {
	b     *Broker
	c     writes
	note  resources.Note
	vhost string
	queue string
	// body is what the new queue is made of; nil leaves the queue as it is.
	body map[string]any
	// fast does not wait for the broker's statistics, which alone tell whether a
	// consumer still holds messages: what a consumer holds when the old queue goes
	// is lost if it fails.
	fast bool
	// hold has an alarm hold every publisher while the queue is gone.
	hold bool

	mover *mover
	// mark is part of the names of this migration's connections.
	mark   string
	paused *pause
	// made tells that this run has made all helpers.
	made bool
}

const (
	// drainLimit is how long the old queue may take to become empty without a
	// message leaving it.
	drainLimit = 2 * time.Minute
	// statsAge is how old the broker's counts may be at most: 5 s, as measured.
	statsAge = 6 * time.Second
	// firstStats is how long a replicated queue may have no counts after it was
	// made: 3.10 gathers them every 5 s, and shows them 5 s later.
	firstStats = 3 * statsAge
	// quorumGap is how long a replicated queue must be gone before one of the same
	// name is made: without it 3.10 and 4.0 leave consumers hanging, 4.3 does not.
	// 50 ms were enough in every run.
	quorumGap     = time.Second
	quorumGapFast = 60 * time.Millisecond
	// cancelLimit is how long the broker may take to tell the consumers of a
	// replicated queue that it is gone.
	cancelLimit = 10 * time.Second
	// switchLimit is how long a moment is waited for in which nothing comes, to
	// switch back without changing the order of messages.
	switchLimit = 3 * time.Second
)

func (g *migration) say(format string, args ...any) {
	if g.note != nil {
		g.note(format, args...)
	}
}

func (g *migration) name(role string) string { return helperName(g.queue, role) }

func (g *migration) queuePath(name string) string    { return apiPath("queues", g.vhost, name) }
func (g *migration) exchangePath(name string) string { return apiPath("exchanges", g.vhost, name) }

// connect opens the AMQP connection that messages are moved through.
func (g *migration) connect(ctx context.Context) error {
	if g.mover != nil {
		return nil
	}
	g.mark = newMark()
	conn, err := g.b.dialAMQP(ctx, g.vhost, g.mark)
	if err != nil {
		return err
	}
	var me struct {
		Tags []string `json:"tags"`
	}
	// Versions before 3.9 list tags as a text; then user_id is not kept.
	_ = g.c.get(ctx, "/api/whoami", &me)
	g.mover = &mover{conn: conn, username: g.b.username(), impersonator: slices.Contains(me.Tags, "impersonator")}
	return nil
}

func (g *migration) close() {
	g.paused.resume()
	if g.mover != nil {
		_ = g.mover.conn.Close()
	}
}

// replace migrates the queue that is there into what body says.
func (g *migration) replace(ctx context.Context, classic bool) error {
	if err := g.connect(ctx); err != nil {
		return err
	}
	if err := healthy(ctx, g.c.reads, "local-alarms"); err != nil {
		return &resources.Diagnosis{Err: fmt.Errorf("an alarm is raised on the broker, so messages cannot be moved: %w", err),
			Hint: "free memory or disk of the node, then apply again"}
	}
	err := g.prepare(ctx)
	if err == nil {
		err = g.empty(ctx, classic)
	}
	if err != nil {
		return g.undo(ctx, err)
	}
	if !classic {
		if err := sleep(ctx, g.gap(ctx)); err != nil {
			return err
		}
	}
	return g.finish(ctx)
}

// gap is how long a replicated queue stays away before the new one is made.
func (g *migration) gap(ctx context.Context) time.Duration {
	if over, err := g.b.overview(ctx); err == nil {
		if major, minor := majorMinor(over.Version); major > 4 || major == 4 && minor >= 3 {
			return 0
		}
	}
	if g.fast {
		return quorumGapFast
	}
	return quorumGap
}

// undo goes back to the old queue, which is still there.
func (g *migration) undo(ctx context.Context, cause error) error {
	g.paused.resume()
	if ctx.Err() != nil {
		return cause // the next run finishes it
	}
	g.say("going back to the old queue")
	g.body = nil
	if err := g.finish(ctx); err != nil {
		return errors.Join(cause, fmt.Errorf("go back to the old queue: %w", err))
	}
	return cause
}

// prepare makes the helpers, moves the bindings to mid, and switches: from then
// on nothing that is published through an exchange reaches the old queue.
func (g *migration) prepare(ctx context.Context) error {
	there, err := bindingsOf(ctx, g.c.reads, g.exchangePath(g.name(roleMid))+"/bindings/source")
	if err != nil {
		return err
	}
	moved, err := bindingsOf(ctx, g.c.reads, g.exchangePath(g.name(roleMid))+"/bindings/destination")
	if err != nil {
		return err
	}
	if err := g.makeHelpers(ctx); err != nil {
		return err
	}
	toQueue := bound{ends: ends{g.name(roleMid), toQueue, g.queue}}
	isCut := len(moved) > 0 && len(there) == 0
	if !isCut {
		if err := g.c.bind(ctx, g.vhost, toQueue); err != nil {
			return err
		}
	}
	if err := g.moveBindings(ctx); err != nil {
		return err
	}
	if isCut {
		return nil
	}
	toQueue.properties = "~"
	return g.c.unbind(ctx, g.vhost, toQueue)
}

// makeHelpers makes the helpers, those that keep messages before those that
// send any there.
func (g *migration) makeHelpers(ctx context.Context) error {
	label := map[string]any{migrationOf: g.queue}
	fanout := func(arguments map[string]any) map[string]any {
		return map[string]any{"type": "fanout", "durable": true, "auto_delete": false, "internal": false, "arguments": arguments}
	}
	keep := map[string]any{"durable": true, "auto_delete": false, "arguments": map[string]any{queueTypeArgument: "classic", migrationOf: g.queue}}
	policy := map[string]any{"pattern": "^" + quotePattern(migrationPrefix+g.queue+"."), "apply-to": "all", "priority": migrationPriority,
		"definition": map[string]any{"overflow": "drop-head"}} // what holds without it
	type step struct {
		path string
		body map[string]any
	}
	for _, s := range []step{
		{g.exchangePath(g.name(roleIn)), fanout(label)},
		{apiPath("policies", g.vhost, g.name(rolePolicy)), policy},
		{g.exchangePath(g.name(roleAlt)), fanout(label)},
		{g.exchangePath(g.name(roleOut)), fanout(label)},
		{g.queuePath(g.name(roleNew)), keep},
		{g.queuePath(g.name(roleOld)), keep},
	} {
		if _, err := g.c.put(ctx, s.path, s.body); err != nil {
			return orNoRoom(ctx, g.c, g.vhost, err)
		}
	}
	for _, x := range []ends{{g.name(roleAlt), toQueue, g.name(roleNew)}, {g.name(roleOut), toQueue, g.name(roleOld)}} {
		if err := g.c.bind(ctx, g.vhost, bound{ends: x}); err != nil {
			return err
		}
	}
	_, err := g.c.put(ctx, g.exchangePath(g.name(roleMid)), fanout(map[string]any{migrationOf: g.queue, alternate: g.name(roleAlt)}))
	g.made = err == nil
	return err
}

// migrationPriority lets a helper's policy win over any other.
const migrationPriority = 1_000_000_000

// ownBindings returns the bindings that lead to the queue and are not a
// helper's.
func (g *migration) ownBindings(ctx context.Context) ([]bound, error) {
	all, err := bindingsOf(ctx, g.c.reads, g.queuePath(g.queue)+"/bindings")
	return slices.DeleteFunc(all, func(x bound) bool { return isHelper(x.source) }), err
}

// moveBindings has everything that leads to the queue lead to mid. It looks
// again until nothing is left, as someone may bind the queue meanwhile.
func (g *migration) moveBindings(ctx context.Context) error {
	for range 5 {
		all, err := g.ownBindings(ctx)
		if err != nil || len(all) == 0 {
			return err
		}
		toMid := make([]bound, len(all))
		for i, x := range all {
			toMid[i] = x.with("", toExchange, g.name(roleMid))
		}
		if err := g.c.bindAll(ctx, g.vhost, toMid); err != nil {
			return err
		}
		if err := inParallel(ctx, all, func(ctx context.Context, x bound) error { return g.c.unbind(ctx, g.vhost, x) }); err != nil {
			return err
		}
	}
	return &resources.Diagnosis{Err: errors.New("the queue's bindings cannot be moved: the broker keeps them, or someone makes them again and again"),
		Hint: "an exchange imported without auto_delete keeps its bindings for ever until it is replaced; and stop what declares the binding meanwhile"}
}

// empty waits until the old queue holds nothing and deletes it. Publishers are
// held only when most of it is out.
func (g *migration) empty(ctx context.Context, classic bool) error {
	if g.hold {
		if err := g.drain(ctx); err != nil {
			return err
		}
		g.say("holding all publishers by an alarm on the node")
		p, err := g.b.pausePublishers(ctx, g.vhost, g.mark)
		if err != nil {
			return err
		}
		g.paused = p
		if err := sleep(ctx, pauseQuiet); err != nil {
			return err
		}
	}
	for began := time.Now(); ; {
		if err := g.drain(ctx); err != nil {
			return err
		}
		again, err := g.settle(ctx, began)
		if err != nil {
			return err
		}
		if again {
			continue
		}
		if again, err = g.deleteOld(ctx, classic); err != nil || !again {
			return err
		}
	}
}

// drain has the queue's consumers take what is left in it, and moves what they
// do not take soon. Messages that were on their way when the switch was made
// may still arrive, so that it must be seen empty some times.
func (g *migration) drain(ctx context.Context) error {
	patience := 3 * time.Second
	if g.fast {
		patience = 100 * time.Millisecond
	}
	began, seenEmpty := time.Now(), 0
	for {
		ready, consumers, err := g.mover.counts(g.queue)
		switch {
		case err != nil:
			return fmt.Errorf("count messages: %w", err)
		case ready == 0:
			if seenEmpty++; seenEmpty >= 3 {
				return nil
			}
		default:
			seenEmpty = 0
		}
		if ready > 0 && (consumers == 0 || time.Since(began) > patience) {
			g.say("moving %s out of the old queue", plural(int64(ready), "message"))
			if err := g.moveOld(ctx); err != nil {
				return err
			}
			began = time.Now()
		}
		if err := sleep(ctx, 3*time.Millisecond); err != nil {
			return err
		}
	}
}

// moveOld moves what is ready in the old queue into the queue that keeps it.
func (g *migration) moveOld(ctx context.Context) error {
	_, err := g.mover.move(ctx, g.queue, g.name(roleOut), func(ctx context.Context, p *progress) error {
		last, least := time.Now(), -1
		for {
			ready, _, err := g.mover.counts(g.queue)
			switch {
			case err != nil:
				return err
			case ready == 0 && p.quietFor() > time.Millisecond:
				return nil
			case least < 0 || ready < least: // a single active consumer takes them, not the mover
				last, least = time.Now(), ready
			case time.Since(last) > drainLimit:
				return fmt.Errorf("%s stay in the old queue: neither its consumers take them nor can they be moved", plural(int64(ready), "message"))
			}
			if err := sleep(ctx, 2*time.Millisecond); err != nil {
				return err
			}
		}
	})
	var refused *amqp.Error
	if errors.As(err, &refused) && refused.Code == amqp.AccessRefused {
		return g.waitForConsumer(ctx, err)
	}
	return err
}

// waitForConsumer leaves a queue with an exclusive consumer to that one.
func (g *migration) waitForConsumer(ctx context.Context, cause error) error {
	g.say("the queue has an exclusive consumer, which must take what is left in it")
	for end := time.Now().Add(drainLimit); time.Now().Before(end); {
		ready, consumers, err := g.mover.counts(g.queue)
		if err != nil || ready == 0 || consumers == 0 {
			return err
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	return cause
}

// settle waits until no consumer holds a message of the old queue, so that none
// is lost when one fails. It reports whether there is something to drain again.
func (g *migration) settle(ctx context.Context, began time.Time) (again bool, err error) {
	if g.fast {
		return false, nil
	}
	look := time.Now()
	for {
		l, err := queueKind{}.countAt(ctx, g.c.reads, g.queuePath(g.queue))
		if err != nil {
			return false, err
		}
		ready, consumers, err := g.mover.counts(g.queue)
		switch {
		case err != nil:
			return false, fmt.Errorf("count messages: %w", err)
		case ready > 0:
			return true, nil
		case !l.counted && consumers > 0 && time.Since(look) > firstStats:
			return false, &resources.Diagnosis{Err: errors.New("the broker keeps no statistics, so nobody can tell whether a consumer still holds messages of the old queue"),
				Hint: "stop its consumers, or declare the queue with `migration: fast`, with which what they hold is lost if they fail just then"}
		case time.Since(look) > statsAge && (l.messages() == 0 || !l.counted):
			return false, nil
		case time.Since(began) > drainLimit+statsAge:
			return false, &resources.Diagnosis{Err: fmt.Errorf("consumers hold %s of the old queue and do not acknowledge them", plural(l.unacked, "message")),
				Hint: "look what the consumers wait for, or stop them; the old queue is as it was"}
		}
		if l.counted {
			g.say("waiting until consumers have acknowledged what they hold: %s", plural(l.unacked, "message"))
		} else {
			g.say("waiting until the broker has counted what consumers hold")
		}
		if err := sleep(ctx, 250*time.Millisecond); err != nil {
			return false, err
		}
	}
}

// deleteOld deletes the empty queue. It reports whether something is in it
// again.
func (g *migration) deleteOld(ctx context.Context, classic bool) (again bool, err error) {
	path := g.queuePath(g.queue)
	if classic {
		err := g.c.remove(ctx, path+"?if-empty=true")
		if statusOf(err) == http.StatusBadRequest {
			return true, nil
		}
		return false, err
	}
	cancelled, leave, err := g.mover.awaitCancel(g.queue)
	if err != nil {
		return false, err
	}
	defer leave()
	ready, _, err := g.mover.counts(g.queue)
	if err != nil || ready > 0 {
		return err == nil, err
	}
	if err := g.c.remove(ctx, path); err != nil {
		return false, err
	}
	select {
	case <-cancelled:
	case <-time.After(cancelLimit):
	case <-ctx.Done():
	}
	return false, nil
}

// finish makes the new queue if there is none, moves what was kept into it,
// and puts everything back to where it was.
func (g *migration) finish(ctx context.Context) error {
	// Consumers wait for the queue: it comes first.
	if g.body != nil {
		if _, err := g.c.put(ctx, g.queuePath(g.queue), g.body); err != nil {
			return err
		}
	}
	g.paused.resume()
	helpers, err := g.helpers(ctx)
	if err != nil {
		return err
	}
	if helpers[roleIn] {
		if err := g.c.bind(ctx, g.vhost, bound{ends: ends{g.name(roleIn), toQueue, g.queue}}); err != nil {
			return err
		}
	}
	if helpers[roleOld] {
		if err := g.moveBack(ctx, roleOld, nil); err != nil {
			return err
		}
	}
	if helpers[roleNew] {
		then := g.switchBack
		if !helpers[roleMid] {
			then = nil
		}
		if err := g.moveBack(ctx, roleNew, then); err != nil {
			return err
		}
	}
	if err := g.putBindingsBack(ctx, helpers); err != nil {
		return err
	}
	return g.clear(ctx, helpers)
}

// helpers returns which helpers are there.
func (g *migration) helpers(ctx context.Context) (map[string]bool, error) {
	if g.made {
		return map[string]bool{roleIn: true, roleMid: true, roleAlt: true, roleOut: true, roleNew: true, roleOld: true}, nil
	}
	there := map[string]bool{}
	var mu sync.Mutex
	err := inParallel(ctx, queueRoles, func(ctx context.Context, role string) error {
		path := g.exchangePath(g.name(role))
		if role == roleNew || role == roleOld {
			path = g.queuePath(g.name(role)) + "?disable_stats=true"
		}
		r, err := g.c.row(ctx, path)
		mu.Lock()
		defer mu.Unlock()
		there[role] = r != nil
		return err
	})
	return there, err
}

// switchBack binds mid to the queue again: from then on what is published goes
// there directly. Moving goes on meanwhile, by another channel, as the broker
// takes some milliseconds for the binding: only what is under way at the moment
// it takes effect could be overtaken. So it is begun when nothing is; where
// there is no such moment for a while, at any.
func (g *migration) switchBack(ctx context.Context, p *progress) error {
	ch, err := g.mover.conn.Channel()
	if err != nil {
		return err
	}
	defer func() { _ = ch.Close() }()
	for {
		ready, _, err := g.mover.counts(g.name(roleNew))
		if err != nil {
			return err
		}
		if ready == 0 {
			break
		}
		if err := sleep(ctx, time.Millisecond); err != nil {
			return err
		}
	}
	answer := make(chan struct{})
	select {
	case p.ask <- answer:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case <-answer:
	case <-time.After(switchLimit):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return ch.QueueBind(g.queue, "", g.name(roleMid), false, nil)
}

// moveBack moves what a helper keeps into the queue. then, when set, is called
// meanwhile.
func (g *migration) moveBack(ctx context.Context, role string, then func(context.Context, *progress) error) error {
	if err := g.connect(ctx); err != nil {
		return err
	}
	ready, _, err := g.mover.counts(g.name(role))
	if err != nil || ready == 0 && then == nil {
		return err
	}
	moved, err := g.mover.move(ctx, g.name(role), g.name(roleIn), func(ctx context.Context, p *progress) error {
		quiet := time.Millisecond
		if then != nil {
			if err := then(ctx, p); err != nil {
				return err
			}
			quiet = 20 * time.Millisecond // what was routed before the switch may still be on its way
		}
		for {
			ready, _, err := g.mover.counts(g.name(role))
			if err != nil || ready == 0 && p.quietFor() > quiet {
				return err
			}
			if err := sleep(ctx, time.Millisecond); err != nil {
				return err
			}
		}
	})
	if moved > 0 {
		g.say("moved %s into the queue", plural(int64(moved), "message"))
	}
	return err
}

// putBindingsBack has what leads to mid lead to the queue again, and removes
// mid.
func (g *migration) putBindingsBack(ctx context.Context, helpers map[string]bool) error {
	for _, role := range []string{roleMid, roleRecord} {
		if !helpers[role] {
			continue
		}
		all, err := bindingsOf(ctx, g.c.reads, g.exchangePath(g.name(role))+"/bindings/destination")
		if err != nil {
			return err
		}
		for i := range all {
			all[i] = all[i].with("", toQueue, g.queue)
		}
		if err := g.c.bindAll(ctx, g.vhost, all); err != nil {
			return err
		}
		if err := g.c.remove(ctx, g.exchangePath(g.name(role))); err != nil {
			return err
		}
	}
	return nil
}

// clear removes the helpers. What is kept in one is never removed with it.
func (g *migration) clear(ctx context.Context, helpers map[string]bool) error {
	for _, role := range []string{roleNew, roleOld} {
		for attempt := 0; helpers[role]; attempt++ {
			err := g.c.remove(ctx, g.queuePath(g.name(role))+"?if-empty=true&if-unused=true")
			if err == nil {
				break
			}
			if statusOf(err) != http.StatusBadRequest || attempt == 50 {
				return err
			}
			if err := g.moveBack(ctx, role, nil); err != nil {
				return err
			}
		}
	}
	for _, role := range []string{roleAlt, roleOut} {
		if helpers[role] {
			if err := g.c.remove(ctx, g.exchangePath(g.name(role))); err != nil {
				return err
			}
		}
	}
	if !helpers[roleIn] {
		return nil
	}
	if err := g.c.remove(ctx, apiPath("policies", g.vhost, g.name(rolePolicy))); err != nil {
		return err
	}
	return g.c.remove(ctx, g.exchangePath(g.name(roleIn)))
}

// discard removes the helpers of a queue that is gone for good, with what they
// keep.
func (g *migration) discard(ctx context.Context) error {
	for _, role := range []string{roleMid, roleRecord, roleNew, roleOld, roleAlt, roleOut, rolePolicy, roleIn} {
		path := g.exchangePath(g.name(role))
		switch role {
		case roleNew, roleOld:
			path = g.queuePath(g.name(role))
		case rolePolicy:
			path = apiPath("policies", g.vhost, g.name(role))
		}
		if err := g.c.remove(ctx, path); err != nil {
			return err
		}
	}
	return nil
}

// quick replaces the queue without moving anything. Its bindings, those of
// others included, are kept by an exchange meanwhile, so that a killed run does
// not forget them. remove deletes the old queue.
func (g *migration) quick(ctx context.Context, remove func() error) error {
	record := g.exchangePath(g.name(roleRecord))
	if _, err := g.c.put(ctx, record, map[string]any{"type": "fanout", "durable": true, "auto_delete": false, "internal": false, "arguments": map[string]any{migrationOf: g.queue}}); err != nil {
		return err
	}
	all, err := g.ownBindings(ctx)
	if err != nil {
		return err
	}
	kept := make([]bound, len(all))
	for i, x := range all {
		kept[i] = x.with("", toExchange, g.name(roleRecord))
	}
	if err := g.c.bindAll(ctx, g.vhost, kept); err != nil {
		return err
	}
	if err := remove(); err != nil {
		return errors.Join(err, g.c.remove(ctx, record))
	}
	return g.finish(ctx)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
