// Package routing tells what a broker does with a message, from what a spec
// declares alone: which queues it reaches, which policy holds for each of them,
// and where it goes when it is rejected. It does no I/O.
//
// The rules are those of RabbitMQ 3.10 to 4.3, and are held against a real
// broker by a test.
package routing

import (
	"regexp"
	"slices"
	"strings"
)

// Vhost is what is declared in one virtual host. Make fills it in.
type Vhost struct {
	Name      string
	Exchanges []*Exchange // by name, the broker's own not among them
	Queues    []*Queue    // by name
	Bindings  []*Binding  // in the order of the spec
	Policies  []*Policy   // by name
	Operator  []*Policy   // operator policies, by name

	exchanges map[string]*Exchange
	queues    map[string]*Queue
	from      map[string][]*Binding
}

// Exchange is an exchange. The default exchange has the name "".
type Exchange struct {
	Name string
	// Type is "" for one that is managed elsewhere and whose type is not said.
	Type      string
	Internal  bool
	External  bool
	Alternate string // of the exchange itself; a policy can set one too
	// HasAlternate tells an alternate exchange "" from none.
	HasAlternate bool
	Arguments    map[string]any
	// Builtin exchanges are on every broker.
	Builtin bool
}

// Queue is a queue.
type Queue struct {
	Name      string
	Type      string // classic, quorum or stream
	External  bool
	Arguments map[string]any
}

// Binding leads from an exchange to a queue, or to another exchange.
type Binding struct {
	Source      string
	ToExchange  bool
	Destination string
	Key         string
	Arguments   map[string]any
}

// Policy is a policy or operator policy.
type Policy struct {
	Name       string
	Pattern    string
	ApplyTo    string // all, queues, classic_queues, quorum_queues, streams or exchanges
	Priority   int64
	Definition map[string]any

	re *regexp.Regexp // nil when only the broker's engine can read the pattern
}

// Make puts the parts in order and makes them quick to find. The parts may be
// given in any order; of two with one name the first counts.
func Make(v Vhost) *Vhost {
	v.exchanges, v.queues, v.from = map[string]*Exchange{}, map[string]*Queue{}, map[string][]*Binding{}
	for _, x := range builtin {
		v.exchanges[x.Name] = x
	}
	for _, x := range v.Exchanges {
		if v.exchanges[x.Name] == nil {
			v.exchanges[x.Name] = x
		}
	}
	for _, q := range v.Queues {
		if v.queues[q.Name] == nil {
			v.queues[q.Name] = q
		}
	}
	for _, b := range v.Bindings {
		v.from[b.Source] = append(v.from[b.Source], b)
	}
	for _, list := range [][]*Policy{v.Policies, v.Operator} {
		for _, p := range list {
			p.re, _ = regexp.Compile(p.Pattern)
		}
		slices.SortStableFunc(list, func(a, b *Policy) int { return strings.Compare(a.Name, b.Name) })
	}
	slices.SortStableFunc(v.Exchanges, func(a, b *Exchange) int { return strings.Compare(a.Name, b.Name) })
	slices.SortStableFunc(v.Queues, func(a, b *Queue) int { return strings.Compare(a.Name, b.Name) })
	return &v
}

// builtin are the exchanges of every virtual host.
var builtin = []*Exchange{
	{Name: "", Type: "direct", Builtin: true},
	{Name: "amq.direct", Type: "direct", Builtin: true},
	{Name: "amq.fanout", Type: "fanout", Builtin: true},
	{Name: "amq.topic", Type: "topic", Builtin: true},
	{Name: "amq.headers", Type: "headers", Builtin: true},
	{Name: "amq.match", Type: "headers", Builtin: true},
	{Name: "amq.rabbitmq.trace", Type: "topic", Internal: true, Builtin: true},
}

// Exchange returns an exchange by name, the broker's own included, nil when
// there is none.
func (v *Vhost) Exchange(name string) *Exchange { return v.exchanges[name] }

// Queue returns a queue by name, nil when there is none.
func (v *Vhost) Queue(name string) *Queue { return v.queues[name] }

// From returns the bindings of an exchange.
func (v *Vhost) From(exchange string) []*Binding { return v.from[exchange] }
