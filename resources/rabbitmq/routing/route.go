package routing

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Message is what is published.
type Message struct {
	Exchange string
	Key      string
	// Headers are texts, int64, float64 and booleans by name.
	Headers map[string]any
}

// Route is where a message goes.
type Route struct {
	Message Message
	// Refused says why the broker does not take the message, "" when it does.
	Refused string
	// Hops are the exchanges that it comes through, in order.
	Hops []*Hop
	// Queues are those it surely reaches, sorted. Each gets one copy, however
	// many ways lead there.
	Queues []string
	// Maybe are those it may reach as well: behind an exchange that chooses by
	// a hash or by chance, or by rules that are not known here. Sorted.
	Maybe []string
	// Lost are exchanges whose alternate exchange does not exist, or at which
	// nothing matches and that have none.
	Lost []string
}

// Hop is one exchange on the way.
type Hop struct {
	Exchange *Exchange
	// Alternate is the exchange whose alternate this is, nil else.
	Alternate *Exchange
	// AlternateFrom says where that is written.
	AlternateFrom string
	// Taken are the bindings that the message takes.
	Taken []*Binding
	// Unsure says why it cannot be told which bindings are taken; Taken are
	// then those that may be.
	Unsure string
	// Maybe is set behind an exchange that is unsure.
	Maybe bool
}

// Unroutable reports that the message reaches no queue, for all that is known.
func (r *Route) Unroutable() bool {
	return r.Refused == "" && len(r.Queues) == 0 && len(r.Maybe) == 0 &&
		!slices.ContainsFunc(r.Hops, func(h *Hop) bool { return h.Unsure != "" })
}

// Publish tells where a message goes that a client publishes. The exchange
// must exist.
func (v *Vhost) Publish(m Message) *Route {
	if x := v.exchanges[m.Exchange]; x != nil && x.Internal {
		return &Route{Message: m, Refused: fmt.Sprintf("exchange %q is internal: it takes messages from other exchanges only", x.Name)}
	}
	return v.route(m)
}

// walk is one message on its way.
type walk struct {
	v            *Vhost
	m            Message
	out          *Route
	seen         map[string]bool // exchanges; true when they are surely reached
	sure, unsure map[string]bool // queues
	work         []*Hop
}

func (v *Vhost) route(m Message) *Route {
	w := &walk{v: v, m: m, out: &Route{Message: m}, seen: map[string]bool{}, sure: map[string]bool{}, unsure: map[string]bool{}}
	if m.Exchange == "" {
		w.direct()
	} else if x := v.exchanges[m.Exchange]; x != nil {
		w.enter(&Hop{Exchange: x})
		for len(w.work) > 0 {
			h := w.work[0]
			w.work = w.work[1:]
			w.pass(h)
		}
	}
	for q := range w.unsure {
		if !w.sure[q] {
			w.out.Maybe = append(w.out.Maybe, q)
		}
	}
	for q := range w.sure {
		w.out.Queues = append(w.out.Queues, q)
	}
	slices.Sort(w.out.Queues)
	slices.Sort(w.out.Maybe)
	return w.out
}

// direct is the default exchange, to which every queue is bound by its name.
func (w *walk) direct() {
	h := &Hop{Exchange: w.v.exchanges[""]}
	w.out.Hops = append(w.out.Hops, h)
	if w.v.queues[w.m.Key] != nil {
		h.Taken = []*Binding{{Destination: w.m.Key, Key: w.m.Key}}
		w.sure[w.m.Key] = true
	} else {
		w.out.Lost = append(w.out.Lost, "")
	}
}

// enter puts an exchange on the list, unless the message has been there. One
// that may have been reached is entered again when it surely is.
func (w *walk) enter(h *Hop) {
	if sure, been := w.seen[h.Exchange.Name]; been && (sure || h.Maybe) {
		return
	}
	w.seen[h.Exchange.Name] = !h.Maybe
	w.work = append(w.work, h)
}

// pass lets the message through one exchange.
func (w *walk) pass(h *Hop) {
	w.out.Hops = append(w.out.Hops, h)
	h.Taken, h.Unsure = w.v.match(h.Exchange, w.m)
	for _, b := range h.Taken {
		maybe := h.Maybe || h.Unsure != ""
		if !b.ToExchange {
			if maybe {
				w.unsure[b.Destination] = true
			} else {
				w.sure[b.Destination] = true
			}
			continue
		}
		if x := w.v.exchanges[b.Destination]; x != nil {
			w.enter(&Hop{Exchange: x, Maybe: maybe})
		}
	}
	if len(h.Taken) == 0 || h.Unsure != "" {
		w.alternate(h)
	}
}

// alternate passes on what no binding of an exchange takes.
func (w *walk) alternate(h *Hop) {
	e := w.v.ForExchange(h.Exchange)
	if at := e.Policy.unsure(alternateExchange); len(at) > 0 && !h.Exchange.HasAlternate {
		h.Unsure = unsureOf(at, h.Exchange.Name)
	}
	name, s, ok := e.text(alternateExchange)
	x := w.v.exchanges[name]
	if !ok || x == nil || name == "" {
		if h.Unsure == "" {
			w.out.Lost = append(w.out.Lost, h.Exchange.Name)
		}
		return
	}
	w.enter(&Hop{Exchange: x, Alternate: h.Exchange, AlternateFrom: s.From, Maybe: h.Maybe || h.Unsure != ""})
}

func unsureOf(policies []*Policy, name string) string {
	var names []string
	for _, p := range policies {
		names = append(names, p.Name)
	}
	return fmt.Sprintf("whether policy %s holds for %q cannot be told here", strings.Join(names, ", "), name)
}

// match returns the bindings of an exchange that a message takes. With a
// reason they are those that it may take.
func (v *Vhost) match(x *Exchange, m Message) (taken []*Binding, unsure string) {
	kind := x.Type
	if kind == "x-delayed-message" { // routes as that type, when the delay is over
		kind, _ = x.Arguments["x-delayed-type"].(string)
	}
	takes := matchers[kind]
	switch {
	case takes == nil && kind == "":
		return v.from[x.Name], "its type is not said"
	case takes == nil:
		return v.from[x.Name], "what an exchange of type " + kind + " chooses cannot be told here"
	}
	words := words(m.Key)
	for _, b := range v.from[x.Name] {
		if takes(b, m, words) {
			taken = append(taken, b)
		}
	}
	return taken, ""
}

// matchers by type of exchange.
var matchers = map[string]func(b *Binding, m Message, words []string) bool{
	"direct":  func(b *Binding, m Message, _ []string) bool { return b.Key == m.Key },
	"fanout":  func(*Binding, Message, []string) bool { return true },
	"topic":   func(b *Binding, _ Message, w []string) bool { return topicMatch(words(b.Key), w) },
	"headers": func(b *Binding, m Message, _ []string) bool { return headersMatch(b.Arguments, m.Headers) },
}

// words takes a routing key apart at its dots. The empty key has no word;
// "a." has two, the second one empty.
func words(key string) []string {
	if key == "" {
		return nil
	}
	return strings.Split(key, ".")
}

// topicMatch reports whether a pattern takes a key: "*" is one word, also an
// empty one, "#" any number of words, also none.
func topicMatch(pattern, key []string) bool {
	// reach[i]: the pattern so far takes the first i words of the key.
	reach := make([]bool, len(key)+1)
	reach[0] = true
	for _, p := range pattern {
		if p == "#" {
			for i := range key {
				reach[i+1] = reach[i+1] || reach[i]
			}
			continue
		}
		for i := len(key); i > 0; i-- {
			reach[i] = reach[i-1] && (p == "*" || p == key[i-1])
		}
		reach[0] = false
	}
	return reach[len(key)]
}

// headersMatch is the rule of headers exchanges. Without x-match all must
// match; arguments beginning with "x-" count only with all-with-x and
// any-with-x. No argument at all matches everything under all, and nothing
// under any. 5, 5.0 and "5" are three values.
func headersMatch(arguments, headers map[string]any) bool {
	mode, _ := arguments["x-match"].(string)
	anyOf, withX := mode == "any" || mode == "any-with-x", mode == "all-with-x" || mode == "any-with-x"
	for k, want := range arguments {
		if k == "x-match" || !withX && strings.HasPrefix(k, "x-") {
			continue
		}
		have, ok := headers[k]
		if match := ok && sameValue(want, have); match == anyOf {
			return match
		}
	}
	return !anyOf
}

// sameValue compares a binding's value, which may be a secret, with a header's.
func sameValue(want, have any) bool {
	switch want := want.(type) {
	case string, int64, float64, bool:
		return want == have
	case interface{ Is(plain string) bool }:
		text, ok := have.(string)
		return ok && want.Is(text)
	default:
		return reflect.DeepEqual(want, have)
	}
}
