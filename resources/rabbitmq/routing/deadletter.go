package routing

import "maps"

// Rejected is where a message goes that a consumer of a queue rejects, or that
// the queue drops for its age or for want of room.
type Rejected struct {
	Queue string
	// Exchange and Key are what it is published to again; From and KeyFrom
	// where that is written, KeyFrom "" for the message's own key.
	Exchange, Key, From, KeyFrom string
	// Missing is set when that exchange is not declared: the message is lost.
	Missing bool
	// Unsure says why it cannot be told whether this holds, "" when it can.
	Unsure string
	// Route is the way from there.
	Route *Route
	// Next are the queues reached, dead-lettering in turn. Again holds those
	// of them that the message has been in before: only a message that is
	// rejected by a consumer takes such a round, others are dropped.
	Next  []*Rejected
	Again []string
}

// Reject tells where the message goes from a queue. It is nil when the queue
// has no dead-letter exchange: the message is then gone.
func (v *Vhost) Reject(m Message, queue string) *Rejected {
	return v.reject(m, queue, map[string]bool{})
}

func (v *Vhost) reject(m Message, queue string, been map[string]bool) *Rejected {
	q := v.queues[queue]
	if q == nil || q.Type == "stream" {
		return nil
	}
	e := v.ForQueue(q)
	name, from, ok := e.text(deadLetterExchange)
	unsure := e.Policy.unsure(deadLetterExchange)
	if _, isArgument := q.Arguments["x-"+deadLetterExchange]; isArgument {
		unsure = nil
	}
	if !ok && len(unsure) == 0 {
		return nil
	}
	out := &Rejected{Queue: queue, Exchange: name, Key: m.Key, From: from.From}
	if len(unsure) > 0 {
		out.Unsure = unsureOf(unsure, queue)
	}
	if !ok {
		return out
	}
	if key, s, set := e.text(deadLetterKey); set {
		out.Key, out.KeyFrom = key, s.From
	}
	if v.exchanges[name] == nil {
		out.Missing = true
		return out
	}
	been = maps.Clone(been)
	been[queue] = true
	headers := deathHeaders(m, queue)
	out.Route = v.route(Message{Exchange: name, Key: out.Key, Headers: headers})
	for _, next := range out.Route.Queues {
		if been[next] {
			out.Again = append(out.Again, next)
		} else if r := v.reject(out.Route.Message, next, been); r != nil {
			out.Next = append(out.Next, r)
		}
	}
	return out
}

// deathHeaders are the message's headers with those that the broker adds when
// it dead-letters for the first time.
func deathHeaders(m Message, queue string) map[string]any {
	out := maps.Clone(m.Headers)
	if out == nil {
		out = map[string]any{}
	}
	if _, been := out["x-first-death-queue"]; !been {
		out["x-first-death-queue"], out["x-first-death-exchange"], out["x-first-death-reason"] = queue, m.Exchange, "rejected"
	}
	return out
}
