package graph

import (
	"context"
	"slices"
)

// State is how the visit of a node ended.
type State int

const (
	Done    State = iota // visited without an error
	Failed               // visited, with an error
	Skipped              // not visited
)

// Outcome is the end of one node. Err is set for Failed. For a Skipped node
// Because is the failed node at the root of it; Interrupted says instead that
// the walk was told to stop before the node's turn came.
type Outcome[K comparable] struct {
	State       State
	Err         error
	Because     K
	Interrupted bool
}

// WalkOptions bound a walk.
type WalkOptions[K comparable] struct {
	// Limit is how many visits run at the same time; less than 1 means 1.
	Limit int
	// Free nodes (gates) only wait: they start at once and take no place.
	Free func(K) bool
	// Drain, when done, stops new visits; those that run go on. nil never stops.
	Drain <-chan struct{}
	// Stopped, when set, is asked before each start and stops new visits too.
	Stopped func() bool
}

// Walk visits each node after everything it needs is Done, in parallel, nodes
// with the most waiting behind them first. A node whose need has failed or was
// skipped is skipped, unless it only comes after it (Graph.AddAfter). It returns exactly one outcome for each node, after all
// visits have returned. ctx is handed to the visits; when it is done no new
// visit starts.
//
// The graph must have no cycle; nodes on one are reported as interrupted.
func Walk[K comparable](ctx context.Context, g *Graph[K], opt WalkOptions[K], visit func(context.Context, K) error) map[K]Outcome[K] {
	w := walk[K]{
		g: g, opt: opt, heights: g.Heights(), dependents: g.dependents(),
		missing:  make(map[K]int, g.Len()),
		outcomes: make(map[K]Outcome[K], g.Len()),
		ended:    make(chan ended[K]),
	}
	w.opt.Limit = max(1, opt.Limit)
	for _, k := range g.Nodes() {
		if w.missing[k] = len(g.Needs(k)); w.missing[k] == 0 {
			w.release(k)
		}
	}
	w.run(ctx, visit)
	for _, k := range g.Nodes() {
		if _, ok := w.outcomes[k]; !ok {
			w.outcomes[k] = Outcome[K]{State: Skipped, Interrupted: true}
		}
	}
	return w.outcomes
}

type ended[K comparable] struct {
	k   K
	err error
}

// walk is the coordinator's memory; only its goroutine touches it.
type walk[K comparable] struct {
	g          *Graph[K]
	opt        WalkOptions[K]
	heights    map[K]int
	dependents map[K][]K
	missing    map[K]int
	ready      []K // highest last
	free       []K // ready nodes that take no place
	running    int // visits that take a place
	waiting    int // visits that take none
	outcomes   map[K]Outcome[K]
	ended      chan ended[K]
}

func (w *walk[K]) run(ctx context.Context, visit func(context.Context, K) error) {
	drain, done := w.opt.Drain, ctx.Done()
	stopped := false
	for {
		stopped = stopped || isClosed(drain) || isClosed(done) || w.opt.Stopped != nil && w.opt.Stopped()
		if !stopped {
			w.start(ctx, visit)
		}
		if w.running+w.waiting == 0 {
			return
		}
		select {
		case e := <-w.ended:
			w.finish(e)
		case <-drain:
			stopped, drain = true, nil
		case <-done:
			stopped, done = true, nil
		}
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return c != nil
	default:
		return false
	}
}

func (w *walk[K]) start(ctx context.Context, visit func(context.Context, K) error) {
	begin := func(k K) {
		go func() { w.ended <- ended[K]{k, visit(ctx, k)} }()
	}
	for _, k := range w.free {
		w.waiting++
		begin(k)
	}
	w.free = nil
	for w.running < w.opt.Limit && len(w.ready) > 0 {
		k := w.ready[len(w.ready)-1]
		w.ready = w.ready[:len(w.ready)-1]
		w.running++
		begin(k)
	}
}

func (w *walk[K]) finish(e ended[K]) {
	if w.isFree(e.k) {
		w.waiting--
	} else {
		w.running--
	}
	if e.err != nil {
		w.outcomes[e.k] = Outcome[K]{State: Failed, Err: e.err}
		w.skip(e.k)
		return
	}
	w.outcomes[e.k] = Outcome[K]{State: Done}
	for _, d := range w.dependents[e.k] {
		w.settle(d)
	}
}

// settle notes that one of the nodes before k has ended.
func (w *walk[K]) settle(k K) {
	if w.missing[k]--; w.missing[k] > 0 {
		return
	}
	if _, skipped := w.outcomes[k]; !skipped {
		w.release(k)
	}
}

// skip marks everything that needs root, directly or not.
func (w *walk[K]) skip(root K) {
	todo := []K{root}
	for len(todo) > 0 {
		k := todo[0]
		todo = todo[1:]
		for _, d := range w.dependents[k] {
			if w.g.IsSoft(d, k) {
				w.settle(d)
			} else if _, ok := w.outcomes[d]; !ok {
				w.outcomes[d] = Outcome[K]{State: Skipped, Because: root}
				todo = append(todo, d)
			}
		}
	}
}

func (w *walk[K]) release(k K) {
	if w.isFree(k) {
		w.free = append(w.free, k)
		return
	}
	// Among equal heights the one that became ready first goes first.
	at, _ := slices.BinarySearchFunc(w.ready, w.heights[k], func(r K, h int) int { return w.heights[r] - h })
	w.ready = slices.Insert(w.ready, at, k)
}

func (w *walk[K]) isFree(k K) bool { return w.opt.Free != nil && w.opt.Free(k) }
