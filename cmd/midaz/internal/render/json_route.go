package render

import (
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/routing"
)

// jsonRoute is the answer of route.
type jsonRoute struct {
	FormatVersion string         `json:"format_version"`
	Vhost         string         `json:"vhost"`
	Exchange      string         `json:"exchange"`
	RoutingKey    string         `json:"routing_key"`
	Headers       map[string]any `json:"headers"`
	Refused       string         `json:"refused,omitempty"`
	Unroutable    bool           `json:"unroutable"`
	Queues        []string       `json:"queues"`
	MaybeQueues   []string       `json:"maybe_queues"`
	Hops          []jsonHop      `json:"hops"`
	Rejected      []jsonRejected `json:"rejected"`
}

// jsonHop is one exchange on the way.
type jsonHop struct {
	Exchange    string        `json:"exchange"`
	Type        string        `json:"type"`
	AlternateOf *string       `json:"alternate_of,omitempty"`
	From        string        `json:"alternate_from,omitempty"`
	Unsure      string        `json:"unsure,omitempty"`
	Bindings    []jsonBinding `json:"bindings"`
}

type jsonBinding struct {
	Destination     string          `json:"destination"`
	DestinationType string          `json:"destination_type"`
	RoutingKey      string          `json:"routing_key"`
	Arguments       resources.Value `json:"arguments,omitempty"`
}

// jsonRejected is where a queue sends what is rejected; exchange is absent
// when it is gone.
type jsonRejected struct {
	Queue      string         `json:"queue"`
	Exchange   *string        `json:"exchange,omitempty"`
	RoutingKey string         `json:"routing_key,omitempty"`
	From       string         `json:"from,omitempty"`
	Missing    bool           `json:"exchange_missing,omitempty"`
	Unsure     string         `json:"unsure,omitempty"`
	Queues     []string       `json:"queues,omitempty"`
	Again      []string       `json:"again,omitempty"`
	Next       []jsonRejected `json:"next,omitempty"`
}

func RouteJSON(t report.TracedRoute) jsonRoute {
	r := t.Route
	out := jsonRoute{FormatVersion: "1.0", Vhost: t.Vhost.Name, Exchange: r.Message.Exchange, RoutingKey: r.Message.Key,
		Headers: r.Message.Headers,
		Refused: r.Refused, Unroutable: r.Unroutable(), Queues: notNil(r.Queues), MaybeQueues: notNil(r.Maybe), Hops: hopsJSON(r),
		Rejected: []jsonRejected{}}
	for _, d := range t.Rejected {
		out.Rejected = append(out.Rejected, rejectedJSON(d.Queue, d.To))
	}
	return out
}

func hopsJSON(r *routing.Route) []jsonHop {
	out := []jsonHop{}
	for _, h := range r.Hops {
		j := jsonHop{Exchange: h.Exchange.Name, Type: h.Exchange.Type, Unsure: h.Unsure, From: h.AlternateFrom, Bindings: []jsonBinding{}}
		if h.Alternate != nil {
			j.AlternateOf = &h.Alternate.Name
		}
		for _, b := range h.Taken {
			kind := "queue"
			if b.ToExchange {
				kind = "exchange"
			}
			k := jsonBinding{Destination: b.Destination, DestinationType: kind, RoutingKey: b.Key}
			if len(b.Arguments) > 0 {
				k.Arguments = b.Arguments
			}
			j.Bindings = append(j.Bindings, k)
		}
		out = append(out, j)
	}
	return out
}

func rejectedJSON(queue string, to *routing.Rejected) jsonRejected {
	out := jsonRejected{Queue: queue}
	if to == nil {
		return out
	}
	out.Exchange, out.RoutingKey, out.From, out.Missing, out.Unsure, out.Again = &to.Exchange, to.Key, to.From, to.Missing, to.Unsure, to.Again
	if to.Route != nil {
		out.Queues = to.Route.Queues
	}
	for _, next := range to.Next {
		out.Next = append(out.Next, rejectedJSON(next.Queue, next))
	}
	return out
}

func notNil(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
