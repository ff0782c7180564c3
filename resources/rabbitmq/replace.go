package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/routing"
)

// replacer is a topology that replaces an object in steps of its own.
type replacer interface {
	// replace makes have what r wants; planned is what the plan was made from,
	// nil when nothing was asked about it.
	replace(ctx context.Context, b *Broker, r *resources.Resource, have, planned *object, note resources.Note) error
	// resume makes an object that a killed run has deleted to make it anew.
	resume(ctx context.Context, b *Broker, r *resources.Resource, note resources.Note) error
	// clear finishes what a killed run left when the object itself is as it
	// should be. With lose it may also be dropped, with all that is kept.
	clear(ctx context.Context, b *Broker, of resources.Addr, note resources.Note, lose bool) error
}

// foreseer is a topology that says what the replacement of an object means.
type foreseer interface {
	foresee(ctx context.Context, s *snapshot, b *books, pairs []pair) error
}

// Replace replaces the object in one step.
func (w writer) Replace(ctx context.Context, r *resources.Resource, have *resources.Observed, note resources.Note) error {
	k, ok := w.kind.(replacer)
	if !ok {
		return fmt.Errorf("replace %s: this is a bug in midaz", r.Addr)
	}
	c, err := w.b.writes()
	if err != nil {
		return err
	}
	if err := w.b.keeper.claimOne(ctx, r); err != nil {
		return transient(err)
	}
	w.b.written.Add(1)
	if err := k.replace(ctx, w.b, r, nativeOf(have), w.b.plannedOf(r.Addr), note); err != nil {
		return err
	}
	now, err := w.verify(ctx, c.reads, r)
	if err != nil {
		return err
	}
	w.b.keeper.remember(w.kind, r, now)
	return nil
}

// clear finishes an interrupted replacement.
func (w writer) clear(ctx context.Context, o *object, note resources.Note) error {
	k, ok := w.kind.(replacer)
	if !ok {
		return fmt.Errorf("clear %s: this is a bug in midaz", o.addr)
	}
	w.b.written.Add(1)
	return k.clear(ctx, w.b, o.migration.of, note, len(o.losses) > 0)
}

// lockReplacing opens the API for the replacement of an object and keeps
// replacements apart that would touch the same bindings: those of queues go on
// at the same time, that of an exchange alone in its virtual host.
func (b *Broker) lockReplacing(a resources.Addr) (c writes, unlock func(), err error) {
	if c, err = b.writes(); err != nil {
		return c, nil, err
	}
	vhost := a.Parts()[0]
	b.mu.Lock()
	if b.locks == nil {
		b.locks = map[string]*sync.RWMutex{}
	}
	if b.locks[vhost] == nil {
		b.locks[vhost] = &sync.RWMutex{}
	}
	lock := b.locks[vhost]
	b.mu.Unlock()
	if a.Kind == exchangeName {
		lock.Lock()
		return c, lock.Unlock, nil
	}
	lock.RLock()
	return c, lock.RUnlock, nil
}

// lockMoving keeps migrations apart of which one has publishers held.
func (b *Broker) lockMoving(alone bool) (unlock func()) {
	if alone {
		b.moving.Lock()
		return b.moving.Unlock
	}
	b.moving.RLock()
	return b.moving.RUnlock
}

// plan keeps what was found out for a plan, so that its steps know what was
// shown.
func (b *ReadBroker) plan(o *object) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.planned == nil {
		b.planned = map[resources.Addr]*object{}
	}
	b.planned[o.addr] = o
}

func (b *ReadBroker) plannedOf(a resources.Addr) *object {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.planned[a]
}

// What on_change says.
const (
	changeMigrate = "migrate"
	changeReplace = "replace"
	changeRefuse  = "refuse"
)

// onChange returns what the resource's on_change says.
func onChange(r *resources.Resource) string {
	return cmpText(r.Config.Text("on_change"), changeMigrate)
}

func onChangeField(doc string, words ...string) resources.Field {
	return resources.Field{Key: "on_change", Type: resources.Enum(words...), Default: changeMigrate, Cost: resources.Free, Unseen: true,
		Unmarked: true,
		Doc:      doc, Example: words[len(words)-1], Other: words[0]}
}

// replacement is what the replacement of an object would mean, for the plan.
type replacement struct {
	losses []string // what would be lost without consent
	risks  []resources.Hazard
	notes  []string
}

// foresee tells how the queue would be replaced: what happens to its messages,
// its consumers and its bindings.
func (k queueKind) foresee(ctx context.Context, s *snapshot, b *books, pairs []pair) error {
	if len(pairs) == 0 {
		return nil
	}
	world := &surroundings{s: s, books: b}
	for _, p := range pairs {
		o := nativeOf(p.seen)
		if o == nil || o.load == nil {
			continue
		}
		r := &replacement{}
		bindings, err := world.bindings(ctx, p.want.Addr)
		if err != nil {
			return err
		}
		types, err := world.types(ctx)
		if err != nil {
			return err
		}
		r.notes = append(r.notes, bindingNotes(bindings, b)...)
		obstacle := cannotMigrate(p.want, o, bindings, types)
		crowded, err := noRoom(ctx, s.reads, p.want)
		if err != nil {
			return err
		}
		switch {
		case onChange(p.want) == changeRefuse:
			r.risks = append(r.risks, refusedByOnChange())
		case onChange(p.want) == changeReplace:
			r.losses = o.losses
		case obstacle == "" && crowded != "":
			r.losses = append([]string{"what is published while the queue is gone would be lost: " + crowded}, o.losses...)
		case obstacle != "" && (len(o.losses) > 0 || o.have.Text("type") == "stream"):
			r.losses = append([]string{"its messages cannot be moved: " + obstacle}, o.losses...)
		case obstacle != "" && len(bindings) > 0:
			r.losses = []string{"what is published while the queue is gone would be lost: " + obstacle}
		case obstacle == "":
			if err := k.describeMigration(ctx, world, p.want, o, r); err != nil {
				return err
			}
		}
		if onChange(p.want) != changeRefuse && o.load.consumers > 0 {
			r.risks = append(r.risks, resources.Hazard{Code: resources.Downtime,
				Msg: fmt.Sprintf("%s would be cancelled once and must consume again", plural(o.load.consumers, "consumer"))})
		}
		o.replacing = r
	}
	return nil
}

func refusedByOnChange() resources.Hazard {
	return resources.Hazard{Code: resources.Refused, Msg: "`on_change: refuse` is declared, so the queue is not replaced"}
}

// cannotMigrate says why the messages of a queue cannot be moved, "" when they
// can.
func cannotMigrate(r *resources.Resource, o *object, bindings []*object, types map[string]string) string {
	switch {
	case o.have.Text("type") == "stream":
		return "a stream keeps what was read, and is no queue whose messages could be taken out"
	case len(r.Addr.Parts()[1]) > longestMigrated:
		return fmt.Sprintf("its name is longer than %d bytes, so that the queues needed meanwhile could not be named after it", longestMigrated)
	}
	for _, x := range bindings {
		source := x.have.Text("source")
		switch t := types[resources.NewAddr(exchangeName, r.Addr.Parts()[0], source).Name]; t {
		case "x-consistent-hash", "x-modulus-hash", "x-random", "x-local-random", "x-recent-history":
			return fmt.Sprintf("it is bound to %s of type %s, which would deal messages otherwise as soon as anything else is bound", source, t)
		}
	}
	return ""
}

// noRoom says that the virtual host has no place for the queues needed
// meanwhile, "" when it has.
func noRoom(ctx context.Context, c reads, r *resources.Resource) (string, error) {
	limit, have, err := roomIn(ctx, c, r.Addr.Parts()[0])
	if err != nil || limit < 0 || have+2 <= limit {
		return "", err
	}
	return fmt.Sprintf("two more queues are needed meanwhile, and the virtual host has %d of at most %d (max_queues)", have, limit), nil
}

// describeMigration tells the steps, and who publishes past every exchange.
func (k queueKind) describeMigration(ctx context.Context, world *surroundings, want *resources.Resource, o *object, r *replacement) error {
	steps := "new messages wait in a queue beside it, the old queue is emptied and deleted, the new one made, and everything is moved into " +
		"it in order"
	if want.Config.Text("migration") == "fast" {
		r.notes = append(r.notes, "migrated (fast): "+steps+"; consumers wait some 50 ms")
		if o.load.consumers > 0 {
			r.risks = append(r.risks, resources.Hazard{Code: resources.MessageLoss,
				Msg: "what a consumer holds unacknowledged at that moment is lost if the consumer fails; `migration: safe` waits for it"})
		}
	} else {
		r.notes = append(r.notes, "migrated (safe): "+steps+"; consumers wait about 6 s")
	}
	if err := k.describeLimits(ctx, world, want, o, r); err != nil {
		return err
	}
	direct, err := world.direct(ctx, want.Addr)
	if err != nil {
		return err
	}
	held := want.Config.Bool("pause_publishers") && placeOf(want).hasService
	if held {
		r.notes = append(r.notes, "every publisher of the broker waits while the queue is gone ("+pauseTook(want)+
			"), held by an alarm on its node")
	}
	hint := ": pause it meanwhile"
	if placeOf(want).hasService {
		hint += ", or have it held by `pause_publishers: true`"
	}
	for _, d := range direct {
		switch {
		case !held:
			r.risks = append(r.risks, resources.Hazard{Code: resources.MessageLoss, Consent: d.sure, Msg: d.who + lostInTheGap + hint})
		case d.inside:
			r.risks = append(r.risks, resources.Hazard{Code: resources.MessageLoss, Consent: true,
				Msg: d.who + lostInTheGap + ": no alarm holds that"})
		}
	}
	return nil
}

// describeLimits tells what the new queue has no room for, beyond what limits do
// to any queue: see jointHazards.
func (k queueKind) describeLimits(ctx context.Context, world *surroundings, want *resources.Resource, o *object, r *replacement) error {
	policies, err := world.policies(ctx, want.Addr.Parts()[0])
	if err != nil {
		return err
	}
	name := want.Addr.Parts()[1]
	now := policies.ForQueue(&routing.Queue{Name: name, Type: o.have.Text("type"), Arguments: o.have.Map("arguments")})
	next := policies.ForQueue(&routing.Queue{Name: name, Type: typeOf(want), Arguments: want.Config.Map("arguments")})
	for _, lost := range squeezed(now, next, o.load.contents()) {
		switch {
		case rejects(next) && (lost.key == "max-length" || lost.key == "max-length-bytes"):
			r.risks = append(r.risks, resources.Hazard{Code: resources.Refused,
				Msg: "the messages cannot be moved into the new queue, which rejects what is beyond its limits: " + lost.text})
		case lost.key == "message-ttl": // it runs from when a message is moved
			r.risks = append(r.risks, resources.Hazard{Code: resources.DataLoss, Msg: lost.text})
		}
	}
	if _, ok := now.Get(deadLetterExchange); ok {
		r.notes = append(r.notes, "a message that expires while it waits is dead-lettered from "+helperName(name, roleNew)+
			", which its x-death header then names")
	}
	return nil
}

// putBack ends the note about bindings.
const putBack = " put back"

func isBindingNote(note string) bool { return strings.Contains(note, putBack) }

func bindingNotes(bindings []*object, b *books) []string {
	if len(bindings) == 0 {
		return nil
	}
	var others []string
	for _, x := range bindings {
		if !b.owns(x.addr) {
			others = append(others, x.addr.String())
		}
	}
	note := plural(int64(len(bindings)), "binding") + putBack
	if len(others) > 0 {
		note += ", also what the stack does not own: " + listSome(others)
	}
	return []string{note}
}

// surroundings are what lies around queues that are to be replaced, each read
// once.
type surroundings struct {
	s     *snapshot
	books *books
	by    map[resources.Addr][]*object
	kinds map[string]string
	rows  map[string][]string
}

// bindings returns the bindings that lead to a queue, or to and from an
// exchange.
func (w *surroundings) bindings(ctx context.Context, a resources.Addr) ([]*object, error) {
	if w.by == nil {
		all, err := bindingKind{}.all(ctx, w.s)
		if err != nil {
			return nil, err
		}
		w.by = map[resources.Addr][]*object{}
		for _, o := range all {
			for _, ref := range o.refs {
				if ref.Bind == resources.Hold {
					w.by[ref.To] = append(w.by[ref.To], o)
				}
			}
		}
	}
	return w.by[a], nil
}

// types returns the types of exchanges, by the names of their addresses.
func (w *surroundings) types(ctx context.Context) (map[string]string, error) {
	if w.kinds == nil {
		rows, err := w.s.list(ctx, "/api/exchanges")
		if err != nil {
			return nil, err
		}
		w.kinds = map[string]string{}
		for _, r := range rows {
			w.kinds[resources.NewAddr(exchangeName, r.text("vhost"), r.text("name")).Name] = r.text("type")
		}
	}
	return w.kinds, nil
}

// lostInTheGap says what is lost of what cannot be switched.
const lostInTheGap = "; what arrives there in the moment in which the queue is gone is lost (0 to 6 messages at 500/s), although confirmed"

// pauseTook says how long publishers wait.
func pauseTook(r *resources.Resource) string {
	if r.Config.Text("migration") == "fast" {
		return "some 0.3 s"
	}
	return "about 7 s"
}

// directly is someone who publishes to a queue past every exchange.
type directly struct {
	who string
	// inside is set for what the broker does by itself, which no alarm holds.
	inside bool
	// sure is set when it is this queue that is published to.
	sure bool
}

// direct names who publishes to a queue past every exchange that can be
// switched: through the default exchange, or by dead-lettering or a shovel.
func (w *surroundings) direct(ctx context.Context, queue resources.Addr) ([]directly, error) {
	vhost, name := queue.Parts()[0], queue.Parts()[1]
	publishers, err := w.defaultPublishers(ctx, vhost)
	if err != nil {
		return nil, err
	}
	var out []directly
	for _, p := range publishers {
		out = append(out, directly{who: p})
	}
	queues, err := w.s.list(ctx, queueColumns)
	if err != nil {
		return nil, err
	}
	for _, r := range queues {
		arguments := row(r.object("arguments"))
		dlx, set := arguments["x-dead-letter-exchange"].(string)
		key := cmpText(arguments.text("x-dead-letter-routing-key"), "")
		if r.text("vhost") == vhost && set && dlx == "" && key == name {
			out = append(out, directly{fmt.Sprintf("queue %s dead-letters to it through the default exchange", r.text("name")), true, true})
		}
	}
	policies, err := w.s.list(ctx, "/api/policies")
	if err != nil {
		return nil, err
	}
	for _, r := range policies {
		if r.text("vhost") != vhost {
			continue
		}
		definition := row(r.object("definition"))
		if dlx, set := definition["dead-letter-exchange"].(string); set && dlx == "" && definition.text("dead-letter-routing-key") == name {
			out = append(out, directly{fmt.Sprintf("queues of policy %s dead-letter to it through the default exchange", r.text("name")), true,
				true})
		}
		_, one := definition["federation-upstream"]
		_, set := definition["federation-upstream-set"]
		if pattern, err := regexp.Compile(r.text("pattern")); (one || set) && r.text("apply-to") != "exchanges" &&
			(err != nil || pattern.MatchString(name)) {
			out = append(out, directly{fmt.Sprintf("policy %s federates it: what comes from upstream goes into it directly", r.text("name")), true,
				true})
		}
	}
	parameters, err := w.s.list(ctx, "/api/parameters")
	if err != nil {
		return nil, err
	}
	for _, r := range parameters {
		value := row(r.object("value"))
		if r.text("component") == "shovel" && (value.text("dest-queue") == name || value.text("dest-exchange-key") == name &&
			value["dest-exchange"] == "") {
			out = append(out, directly{who: fmt.Sprintf("shovel %s delivers to it", r.text("name")), sure: true})
		}
	}
	return out, nil
}

// defaultPublishers names the connections that publish to the default exchange
// of a virtual host, as the broker's statistics know them. Unless it collects
// detailed ones (collect_statistics is basic by default), they only tell that
// someone does. They never tell to which queue.
func (w *surroundings) defaultPublishers(ctx context.Context, vhost string) ([]string, error) {
	if known, ok := w.rows[vhost]; ok {
		return known, nil
	}
	r, err := w.s.reads.row(ctx, "/api/exchanges/"+url.PathEscape(vhost)+"/amq.default")
	if err != nil && statusOf(err) == 0 {
		return nil, err
	}
	var out []string
	incoming, _ := r["incoming"].([]any)
	for _, e := range incoming {
		from, _ := e.(map[string]any)
		channel := row(row(from).object("channel_details"))
		if rateOf(row(from).object("stats"), "publish_details") <= 0 {
			continue
		}
		who := strings.TrimSpace(channel.text("user") + " from " + cmpText(channel.text("connection_name"), channel.text("peer_host")))
		if text := fmt.Sprintf("%s publishes to the default exchange of this virtual host, perhaps to this queue", who); !slices.Contains(out,
			text) {
			out = append(out, text)
		}
	}
	slices.Sort(out)
	if rate := rateOf(r.object("message_stats"), "publish_in_details"); len(out) == 0 && rate > 0 {
		out = append(out, fmt.Sprintf("someone publishes to the default exchange of this virtual host (%.0f messages/s), perhaps to this queue",
			math.Ceil(rate)))
	}
	if w.rows == nil {
		w.rows = map[string][]string{}
	}
	w.rows[vhost] = out
	return out, nil
}

// rateOf reads messages per second out of statistics, 0 where they do not say.
func rateOf(stats row, details string) float64 {
	switch rate := row(stats.object(details))["rate"].(type) {
	case float64:
		return rate
	case int64:
		return float64(rate)
	default:
		return 0
	}
}

// replace migrates the queue, or replaces it with what is in it when that was
// said or nothing is.
func (k queueKind) replace(ctx context.Context, b *Broker, r *resources.Resource, have, planned *object, note resources.Note) error {
	c, unlock, err := b.lockReplacing(r.Addr)
	if err != nil {
		return err
	}
	defer unlock()
	parts := r.Addr.Parts()
	b.noteMigrating([]leftover{{of: r.Addr}})
	g := &migration{b: b, c: c, note: note, vhost: parts[0], queue: parts[1], body: k.body(r, have, nil),
		was: have.have.Text("type"), arguments: have.have.Map("arguments"), autoDelete: have.have.Bool("auto_delete"),
		squeeze: b.consented(r.Addr),
		fast:    r.Config.Text("migration") == "fast", hold: r.Config.Bool("pause_publishers") && b.canPause()}
	defer b.lockMoving(g.hold)()
	defer g.close()
	have.load, have.losses = nil, nil
	if planned != nil {
		have.load, have.losses = planned.load, planned.losses
		if planned.replacing != nil {
			have.losses = planned.replacing.losses
		}
	}
	consented := planned != nil && planned.replacing != nil && len(planned.replacing.losses) > 0
	if onChange(r) == changeReplace || consented || have.have.Text("type") == "stream" || len(parts[1]) > longestMigrated {
		return g.quick(ctx, func() error { return k.remove(ctx, c, have) })
	}
	err = g.replace(ctx, have.have.Text("type") == "classic")
	if !errors.Is(err, errNoAMQP) {
		return err
	}
	// Without AMQP nothing can be moved, and a queue that is empty and unused
	// needs none.
	if left, herr := g.helpers(ctx); herr != nil || left[roleNew] || left[roleOld] {
		return errors.Join(err, herr)
	}
	now, cerr := k.countAt(ctx, c.reads, g.queuePath(g.queue))
	if cerr != nil || now.messages() > 0 || now.consumers > 0 {
		return errors.Join(err, cerr)
	}
	have.load = nil
	return g.quick(ctx, func() error { return k.remove(ctx, c, have) })
}

func (k queueKind) resume(ctx context.Context, b *Broker, r *resources.Resource, note resources.Note) error {
	c, unlock, err := b.lockReplacing(r.Addr)
	if err != nil {
		return err
	}
	defer unlock()
	parts := r.Addr.Parts()
	g := &migration{b: b, c: c, note: note, vhost: parts[0], queue: parts[1], body: k.body(r, nil, nil), fast: true}
	defer g.close()
	return g.finish(ctx)
}

func (k queueKind) clear(ctx context.Context, b *Broker, of resources.Addr, note resources.Note, lose bool) error {
	c, unlock, err := b.lockReplacing(of)
	if err != nil {
		return err
	}
	defer unlock()
	parts := of.Parts()
	g := &migration{b: b, c: c, note: note, vhost: parts[0], queue: parts[1]}
	defer g.close()
	r, err := c.row(ctx, g.queuePath(g.queue)+"?disable_stats=true")
	switch {
	case err != nil:
		return err
	case r != nil:
		return g.finish(ctx)
	case lose:
		return g.discard(ctx)
	}
	kept, err := waiting(ctx, c.reads, of)
	if err != nil {
		return err
	}
	if kept > 0 {
		return k.refused(&object{addr: of}, fmt.Sprintf("%s are kept for it", plural(kept, "message")))
	}
	return g.discard(ctx)
}
