package routing

import "slices"

// Graph is a virtual host as nodes and edges, for drawing.
type Graph struct {
	Nodes []Node
	Edges []Edge
}

// Node is an exchange or a queue.
type Node struct {
	Exchange *Exchange // nil for a queue
	Queue    *Queue
	Name     string
	// Missing is an exchange that is referred to and not declared.
	Missing bool
}

// EdgeKind says what a message takes an edge for.
type EdgeKind string

const (
	Bound      EdgeKind = "binding"
	Alternate  EdgeKind = "alternate"   // what no binding takes
	DeadLetter EdgeKind = "dead-letter" // what a queue rejects
)

// Edge leads from one node to another, by their places in Nodes.
type Edge struct {
	From, To int
	Kind     EdgeKind
	// Binding is set for Bound.
	Binding *Binding
	// Setting is where the edge is written, for the other kinds; Key the
	// routing key that a dead letter gets, "" for its own.
	Setting Setting
	Key     string
}

// grapher numbers the nodes of a graph.
type grapher struct {
	v         *Vhost
	g         *Graph
	exchanges map[string]int
	queues    map[string]int
}

// Graph returns the virtual host for drawing: exchanges by name, then queues by
// name. Of the broker's own exchanges only those that are used are in it.
func (v *Vhost) Graph() *Graph {
	w := &grapher{v: v, g: &Graph{}, exchanges: map[string]int{}, queues: map[string]int{}}
	for _, x := range v.Exchanges {
		w.exchange(x.Name)
	}
	for _, q := range v.Queues {
		w.queues[q.Name] = len(w.g.Nodes)
		w.g.Nodes = append(w.g.Nodes, Node{Queue: q, Name: q.Name})
	}
	for _, b := range v.Bindings {
		to, ok := w.queues[b.Destination]
		if b.ToExchange {
			to, ok = w.exchange(b.Destination), true
		}
		if ok { // a queue that is not declared is an error of the spec
			w.g.Edges = append(w.g.Edges, Edge{From: w.exchange(b.Source), To: to, Kind: Bound, Binding: b})
		}
	}
	for _, x := range v.Exchanges {
		if name, s, ok := v.ForExchange(x).text(alternateExchange); ok {
			w.g.Edges = append(w.g.Edges, Edge{From: w.exchanges[x.Name], To: w.exchange(name), Kind: Alternate, Setting: s})
		}
	}
	for _, q := range v.Queues {
		w.deadLetter(q)
	}
	return w.g
}

func (w *grapher) deadLetter(q *Queue) {
	if q.Type == "stream" {
		return
	}
	e := w.v.ForQueue(q)
	name, s, ok := e.text(deadLetterExchange)
	if !ok {
		return
	}
	key, _, _ := e.text(deadLetterKey)
	edge := Edge{From: w.queues[q.Name], Kind: DeadLetter, Setting: s, Key: key}
	if to, direct := w.queues[key]; name == "" && direct {
		edge.To = to // by the default exchange to the queue of that name
	} else {
		edge.To = w.exchange(name)
	}
	w.g.Edges = append(w.g.Edges, edge)
}

// exchange returns the place of an exchange, and adds one that is not declared.
func (w *grapher) exchange(name string) int {
	if n, ok := w.exchanges[name]; ok {
		return n
	}
	x := w.v.exchanges[name]
	n := Node{Exchange: x, Name: name, Missing: x == nil}
	if x == nil {
		n.Exchange = &Exchange{Name: name}
	}
	w.exchanges[name] = len(w.g.Nodes)
	w.g.Nodes = append(w.g.Nodes, n)
	return w.exchanges[name]
}

// Lonely returns the queues to which nothing leads but the default exchange.
func (g *Graph) Lonely() []*Queue {
	var out []*Queue
	for i, n := range g.Nodes {
		if n.Queue != nil && !slices.ContainsFunc(g.Edges, func(e Edge) bool { return e.To == i }) {
			out = append(out, n.Queue)
		}
	}
	return out
}
