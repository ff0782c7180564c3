// Package graph holds a directed acyclic graph and a parallel walk over it. It
// knows nothing of what its nodes stand for.
package graph

import (
	"container/heap"
	"slices"
)

// Graph is a set of nodes and, for each, the nodes it needs first. Nodes keep
// the order they were added in. The zero Graph is empty and ready for use.
type Graph[K comparable] struct {
	order []K
	needs map[K][]K
	soft  map[edge[K]]bool // of needs, those of AddAfter alone
}

type edge[K comparable] struct{ from, to K }

// Add adds k, and that k needs each of needs. Nodes named in needs are added
// too. Adding twice adds up; an edge that is there already is not doubled.
func (g *Graph[K]) Add(k K, needs ...K) {
	if g.needs == nil {
		g.needs = map[K][]K{}
	}
	g.node(k)
	for _, n := range needs {
		g.node(n)
		delete(g.soft, edge[K]{k, n})
		if !slices.Contains(g.needs[k], n) {
			g.needs[k] = append(g.needs[k], n)
		}
	}
}

// AddAfter adds k, and that its turn comes after each of first, however those
// end. Where Add has said or says that k needs one of them, that counts.
func (g *Graph[K]) AddAfter(k K, first ...K) {
	for _, n := range first {
		if g.Has(k) && slices.Contains(g.needs[k], n) {
			continue
		}
		g.Add(k, n)
		if g.soft == nil {
			g.soft = map[edge[K]]bool{}
		}
		g.soft[edge[K]{k, n}] = true
	}
}

// IsSoft reports whether k only comes after n and does not need it.
func (g *Graph[K]) IsSoft(k, n K) bool { return g.soft[edge[K]{k, n}] }

func (g *Graph[K]) node(k K) {
	if _, ok := g.needs[k]; !ok {
		g.needs[k] = nil
		g.order = append(g.order, k)
	}
}

// Len returns the number of nodes.
func (g *Graph[K]) Len() int { return len(g.order) }

// Nodes returns the nodes in the order they were added.
func (g *Graph[K]) Nodes() []K { return g.order }

// Needs returns what k needs, in the order it was added.
func (g *Graph[K]) Needs(k K) []K { return g.needs[k] }

// Has reports whether k is a node.
func (g *Graph[K]) Has(k K) bool {
	_, ok := g.needs[k]
	return ok
}

// Cycle returns the nodes of one cycle, each needing the next and the last
// needing the first, or nil when there is none. The same graph always gives
// the same cycle.
func (g *Graph[K]) Cycle() []K {
	const (
		open = 1
		done = 2
	)
	state := make(map[K]int, len(g.order))
	type frame struct {
		k    K
		next int
	}
	for _, root := range g.order {
		if state[root] != 0 {
			continue
		}
		// An explicit stack: specs may be thousands of resources deep.
		stack := []frame{{k: root}}
		state[root] = open
		for len(stack) > 0 {
			top := &stack[len(stack)-1]
			if top.next == len(g.needs[top.k]) {
				state[top.k] = done
				stack = stack[:len(stack)-1]
				continue
			}
			n := g.needs[top.k][top.next]
			top.next++
			switch state[n] {
			case open:
				from := slices.IndexFunc(stack, func(f frame) bool { return f.k == n })
				cycle := make([]K, 0, len(stack)-from)
				for _, f := range stack[from:] {
					cycle = append(cycle, f.k)
				}
				return cycle
			case 0:
				state[n] = open
				stack = append(stack, frame{k: n})
			}
		}
	}
	return nil
}

// Sorted returns the nodes with everything a node needs before it; among nodes
// that are free to stand anywhere the order of adding decides. Nodes on a
// cycle, and what needs them, are left out.
func (g *Graph[K]) Sorted() []K {
	index := make(map[K]int, len(g.order))
	missing := make(map[K]int, len(g.order))
	for i, k := range g.order {
		index[k] = i
		missing[k] = len(g.needs[k])
	}
	dependents := g.dependents()
	var ready indexHeap
	for i, k := range g.order {
		if missing[k] == 0 {
			heap.Push(&ready, i)
		}
	}
	out := make([]K, 0, len(g.order))
	for len(ready) > 0 {
		k := g.order[heap.Pop(&ready).(int)]
		out = append(out, k)
		for _, d := range dependents[k] {
			if missing[d]--; missing[d] == 0 {
				heap.Push(&ready, index[d])
			}
		}
	}
	return out
}

// indexHeap is a heap of positions in Graph.order, lowest first.
type indexHeap []int

func (h indexHeap) Len() int           { return len(h) }
func (h indexHeap) Less(i, j int) bool { return h[i] < h[j] }
func (h indexHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *indexHeap) Push(x any)        { *h = append(*h, x.(int)) }
func (h *indexHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// Heights returns for each node the number of nodes on the longest way from it
// to a node that nothing needs, itself included: the higher, the more waits
// for it.
func (g *Graph[K]) Heights() map[K]int {
	dependents := g.dependents()
	sorted := g.Sorted()
	height := make(map[K]int, len(sorted))
	for _, k := range slices.Backward(sorted) {
		best := 0
		for _, d := range dependents[k] {
			best = max(best, height[d])
		}
		height[k] = best + 1
	}
	return height
}

// Longest returns the way through the graph with the largest sum of weights, in
// order; each node needs the one before it. Weights are positive. Of ways that
// are equal, it is the one whose nodes stand first in Sorted. Nodes on a cycle
// are on no way.
func (g *Graph[K]) Longest(weight func(K) int) []K {
	dependents := g.dependents()
	sorted := g.Sorted()
	rest := make(map[K]int, len(sorted)) // of the longest way that begins with the node
	next := make(map[K]int, len(sorted)) // its second node, as a position in sorted
	position := make(map[K]int, len(sorted))
	first := -1
	for i, k := range slices.Backward(sorted) {
		position[k] = i
		best := -1
		for _, d := range dependents[k] {
			if at, ok := position[d]; ok && (best < 0 || rest[d] > rest[sorted[best]] || rest[d] == rest[sorted[best]] && at < best) {
				best = at
			}
		}
		rest[k] = weight(k)
		if next[k] = best; best >= 0 {
			rest[k] += rest[sorted[best]]
		}
		if first < 0 || rest[k] >= rest[sorted[first]] {
			first = i
		}
	}
	var way []K
	for at := first; at >= 0; at = next[sorted[at]] {
		way = append(way, sorted[at])
	}
	return way
}

func (g *Graph[K]) dependents() map[K][]K {
	out := make(map[K][]K, len(g.order))
	for _, k := range g.order {
		for _, n := range g.needs[k] {
			out[n] = append(out[n], k)
		}
	}
	return out
}
