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
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/routing"
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

	// was and arguments are the type and the arguments of the old queue.
	was       string
	arguments map[string]any
	// autoDelete is set when the broker deletes the old queue with its last
	// consumer, of which the mover may be one.
	autoDelete bool
	// squeeze consents to the loss of what the new queue's limits leave no room for.
	squeeze bool
	// unconsumed tells that the old queue has no consumers, so that nobody comes
	// back to make room in the new one.
	unconsumed bool

	mover *mover
	// mark is part of the names of this migration's connections.
	mark   string
	paused *pause
	// made tells that this run has made all helpers.
	made bool
	// gone tells that the broker has deleted the old queue by itself.
	gone bool
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
	err := g.check(ctx)
	if err != nil {
		return err
	}
	err = g.prepare(ctx)
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

// check refuses, before anything is written, what would lose messages that the
// plan has not shown.
func (g *migration) check(ctx context.Context) error {
	policies, err := policiesIn(ctx, g.c.reads, g.vhost)
	if err != nil {
		return err
	}
	l, err := queueKind{}.countAt(ctx, g.c.reads, g.queuePath(g.queue))
	if err != nil {
		return err
	}
	ready, consumers, err := g.mover.counts(g.queue)
	if err != nil {
		return fmt.Errorf("count messages: %w", err)
	}
	g.unconsumed = consumers == 0
	l.ready = max(l.ready, int64(ready))
	next := g.settings(policies)
	lost := squeezed(policies.ForQueue(&routing.Queue{Name: g.queue, Type: g.was, Arguments: g.arguments}), next, l.contents())
	switch {
	case len(lost) == 0:
		return nil
	case rejects(next):
		return &resources.Diagnosis{Err: fmt.Errorf("%s cannot be moved into the new queue, which refuses what is beyond its limits: %s", g.queue,
			textsOf(lost)),
			Hint: "have consumers take messages first, or declare a higher limit; nothing was changed"}
	case !g.squeeze:
		return queueKind{}.refused(&object{addr: resources.NewAddr(queueName, g.vhost, g.queue)}, textsOf(lost))
	}
	return nil
}

// settings returns what will hold for the new queue; without a new one, for the
// old one.
func (g *migration) settings(policies *routing.Vhost) routing.Effective {
	q := &routing.Queue{Name: g.queue, Type: g.was, Arguments: g.arguments}
	if arguments, ok := g.body["arguments"].(map[string]any); ok {
		q.Type, _ = arguments[queueTypeArgument].(string)
		q.Arguments = arguments
	}
	return policies.ForQueue(q)
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
	keep := map[string]any{"durable": true, "auto_delete": false, "arguments": map[string]any{queueTypeArgument: "classic",
		migrationOf: g.queue}}
	policies, err := policiesIn(ctx, g.c.reads, g.vhost)
	if err != nil {
		return err
	}
	if err := g.shield(ctx, policies); err != nil {
		return err
	}
	policy := map[string]any{"pattern": g.helperPattern(), "apply-to": "all", "priority": migrationPriority,
		"definition": g.helperDefinition(policies)}
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
	if err := g.rehearse(ctx); err != nil {
		return err
	}
	for _, x := range []ends{{g.name(roleAlt), toQueue, g.name(roleNew)}, {g.name(roleOut), toQueue, g.name(roleOld)}} {
		if err := g.c.bind(ctx, g.vhost, bound{ends: x}); err != nil {
			return err
		}
	}
	_, err = g.c.put(ctx, g.exchangePath(g.name(roleMid)), fanout(map[string]any{migrationOf: g.queue, alternate: g.name(roleAlt)}))
	g.made = err == nil
	return err
}

// migrationPriority lets a helper's policy win over any other: a spec can declare
// 32 bits.
const migrationPriority int64 = 1 << 40

// helperPattern matches the helpers of this queue and nothing else.
func (g *migration) helperPattern() string { return "^" + quotePattern(migrationPrefix+g.queue+".") }

// helperDefinition is the policy of the helpers. A message that expires while it
// waits is dead-lettered as it would be in the queue.
func (g *migration) helperDefinition(policies *routing.Vhost) map[string]any {
	definition := map[string]any{"overflow": "drop-head"} // what holds without it
	old := policies.ForQueue(&routing.Queue{Name: g.queue, Type: g.was, Arguments: g.arguments})
	for _, e := range []routing.Effective{old, g.settings(policies)} {
		exchange, ok := e.Get(deadLetterExchange)
		if !ok {
			continue
		}
		definition[deadLetterExchange] = exchange.Value
		if key, ok := e.Get(deadLetterKey); ok {
			definition[deadLetterKey] = key.Value
		}
		break
	}
	return definition
}

const (
	deadLetterExchange = "dead-letter-exchange"
	deadLetterKey      = "dead-letter-routing-key"
)

// shieldDefinition allows a petabyte. An operator policy must set something that
// queues of the type know: otherwise it does not apply to them.
var shieldDefinition = map[string]any{"max-length-bytes": int64(1) << 50}

// shield keeps operator policies from the helpers. They win over every policy,
// and of them too only the one of the highest priority applies. It refuses the
// migration when another one would still apply.
func (g *migration) shield(ctx context.Context, policies *routing.Vhost) error {
	helper := &routing.Queue{Name: g.name(roleNew), Type: "classic"}
	e := policies.ForQueue(helper)
	for _, p := range slices.Concat(applying(e.Policy), applying(e.Operator)) {
		if p.Priority >= migrationPriority && p.Name != g.name(rolePolicy) {
			return &resources.Diagnosis{Err: fmt.Errorf("policy %s applies to the queues that hold the messages meanwhile, and no other can have "+
				"a higher priority than its %d", p.Name, p.Priority),
				Hint: "give it a lower priority, or have its pattern not match names that begin with " + migrationPrefix}
		}
	}
	others := slices.DeleteFunc(applying(e.Operator), func(p *routing.Policy) bool { return p.Name == g.name(rolePolicy) })
	if len(others) == 0 {
		return nil
	}
	_, err := g.c.put(ctx, apiPath("operator-policies", g.vhost, g.name(rolePolicy)),
		map[string]any{"pattern": g.helperPattern(), "apply-to": "queues", "priority": migrationPriority, "definition": shieldDefinition})
	if err != nil {
		return &resources.Diagnosis{Err: fmt.Errorf("operator policy %s applies to the queues that hold the messages meanwhile and could drop "+
			"some of them, and it cannot be overridden for those: %w", others[0].Name, err),
			Hint: "have its pattern not match names that begin with " + migrationPrefix +
				", or let the management user change operator policies; nothing was moved"}
	}
	return nil
}

// applying returns the policies of which one applies.
func applying(h routing.Holding) []*routing.Policy {
	out := slices.Concat(h.Tied, h.Untried)
	if h.Policy != nil {
		out = append(out, h.Policy)
	}
	return out
}

// rehearse finds out, before anything depends on it, whether the management user
// may do what moving messages takes.
func (g *migration) rehearse(ctx context.Context) error {
	// What an interrupted run has left bound leads to the queue: what is published
	// there now would reach its consumers. That run has rehearsed already.
	for _, role := range []string{roleIn, roleOut} {
		bound, err := bindingsOf(ctx, g.c.reads, g.exchangePath(g.name(role))+"/bindings/source")
		if err != nil || len(bound) > 0 {
			return err
		}
	}
	if err := g.mover.rehearse([]string{g.name(roleIn), g.name(roleOut)}, []string{g.name(roleOld), g.name(roleNew)}); err != nil {
		return &resources.Diagnosis{Err: fmt.Errorf("messages cannot be moved: %w", err),
			Hint: "let the management user configure, write and read names that begin with " + migrationPrefix + " in the virtual host"}
	}
	return nil
}

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
	return &resources.Diagnosis{Err: errors.New("the queue's bindings cannot be moved: the broker keeps them, or someone makes them again " +
		"and again"),
		Hint: "an exchange imported without auto_delete keeps its bindings for ever until it is replaced; and stop what declares the binding " +
			"meanwhile"}
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
		if err := g.drain(ctx); err != nil || g.gone {
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
		case g.autoDelete && isGone(err):
			g.gone = true
			return nil
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
	_, err := g.mover.move(ctx, transfer{from: g.queue, exchange: g.name(roleOut), change: suspend},
		func(ctx context.Context, p *progress) error {
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
			return false, &resources.Diagnosis{Err: errors.New("the broker keeps no statistics, so nobody can tell whether a consumer still " +
				"holds messages of the old queue"),
				Hint: "stop its consumers, or declare the queue with `migration: fast`, with which what they hold is lost if they fail just then"}
		case time.Since(look) > statsAge && (l.messages() == 0 || !l.counted):
			return false, nil
		case time.Since(began) > drainLimit+statsAge:
			return false, &resources.Diagnosis{Err: fmt.Errorf("consumers hold %s of the old queue and do not acknowledge them",
				plural(l.unacked, "message")),
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
	for waited := false; !waited; {
		select {
		case <-answer:
			waited = true
		case <-time.After(switchLimit):
			waited = !p.full.Load()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return ch.QueueBind(g.queue, "", g.name(roleMid), false, nil)
}

// room bounds what is moved back by the limits of the queue it goes to, which is
// there by now.
func (g *migration) room(ctx context.Context, role string) (*room, error) {
	if g.squeeze {
		return nil, nil
	}
	policies, err := policiesIn(ctx, g.c.reads, g.vhost)
	if err != nil {
		return nil, err
	}
	r, err := g.c.row(ctx, g.queuePath(g.queue)+"?disable_stats=true")
	if err != nil || r == nil {
		return nil, err
	}
	q := seeQueue(r)
	if q == nil || q.have.Text("type") == "stream" {
		return nil, nil // it drops by age and segment, not by message
	}
	e := policies.ForQueue(&routing.Queue{Name: g.queue, Type: q.have.Text("type"), Arguments: q.have.Map("arguments")})
	room := newRoom(e, func() (int, int, error) { return g.mover.counts(g.queue) })
	if room != nil {
		room.lossless = role == roleOld || rejects(e)
		if g.unconsumed {
			room.patience = 0
		}
	}
	return room, nil
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
	room, err := g.room(ctx, role)
	if err != nil {
		return err
	}
	moved, err := g.mover.move(ctx, transfer{from: g.name(role), exchange: g.name(roleIn), change: restore, room: room},
		func(ctx context.Context, p *progress) error {
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
	for _, endpoint := range []string{"policies", "operator-policies"} {
		if err := g.c.remove(ctx, apiPath(endpoint, g.vhost, g.name(rolePolicy))); err != nil {
			return err
		}
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
			if err := g.c.remove(ctx, apiPath("operator-policies", g.vhost, g.name(role))); err != nil {
				return err
			}
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
	if _, err := g.c.put(ctx, record, map[string]any{"type": "fanout", "durable": true, "auto_delete": false, "internal": false,
		"arguments": map[string]any{migrationOf: g.queue}}); err != nil {
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
