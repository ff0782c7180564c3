package graph

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// randomGraph draws a graph without cycles: nodes only need earlier ones.
func randomGraph(t *rapid.T) *Graph[int] {
	g := &Graph[int]{}
	n := rapid.IntRange(0, 40).Draw(t, "nodes")
	order := rapid.Permutation(seq(n)).Draw(t, "order")
	for i, k := range order {
		g.Add(k)
		if i == 0 {
			continue
		}
		for _, e := range rapid.SliceOfNDistinct(rapid.IntRange(0, i-1), 0, min(i, 5), rapid.ID[int]).Draw(t, "needs") {
			if rapid.IntRange(0, 3).Draw(t, "soft") == 0 {
				g.AddAfter(k, order[e])
			} else {
				g.Add(k, order[e])
			}
		}
	}
	return g
}

func seq(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = i
	}
	return s
}

// trace records what a walk did.
type trace struct {
	mu      sync.Mutex
	started map[int]bool
	done    map[int]bool
	ended   map[int]bool // done or failed
	running int
	peak    int
	wrong   []string
}

func (tr *trace) visit(g *Graph[int], fails, free func(int) bool) func(context.Context, int) error {
	return func(_ context.Context, k int) error {
		tr.mu.Lock()
		if tr.started[k] {
			tr.wrong = append(tr.wrong, fmt.Sprintf("%d was visited twice", k))
		}
		tr.started[k] = true
		for _, n := range g.Needs(k) {
			switch {
			case tr.done[n]:
			case !g.IsSoft(k, n):
				tr.wrong = append(tr.wrong, fmt.Sprintf("%d started before %d was done", k, n))
			case tr.started[n] && !tr.ended[n]:
				tr.wrong = append(tr.wrong, fmt.Sprintf("%d started while %d was going on", k, n))
			}
		}
		if !free(k) {
			tr.running++
			tr.peak = max(tr.peak, tr.running)
		}
		tr.mu.Unlock()
		tr.mu.Lock()
		defer tr.mu.Unlock()
		if !free(k) {
			tr.running--
		}
		tr.ended[k] = true
		if fails(k) {
			return errBroken
		}
		tr.done[k] = true
		return nil
	}
}

var errBroken = errors.New("broken")

func TestWalkProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := randomGraph(t)
		broken := rapid.SliceOfDistinct(rapid.IntRange(0, 40), rapid.ID[int]).Draw(t, "broken")
		gates := rapid.SliceOfDistinct(rapid.IntRange(0, 40), rapid.ID[int]).Draw(t, "gates")
		limit := rapid.IntRange(0, 6).Draw(t, "limit")
		fails := func(k int) bool { return slices.Contains(broken, k) }
		free := func(k int) bool { return slices.Contains(gates, k) }
		tr := &trace{started: map[int]bool{}, done: map[int]bool{}, ended: map[int]bool{}}

		out := Walk(t.Context(), g, WalkOptions[int]{Limit: limit, Free: free}, tr.visit(g, fails, free))

		for _, w := range tr.wrong {
			t.Error(w)
		}
		if tr.peak > max(1, limit) {
			t.Errorf("%d visits at a time, limit %d", tr.peak, limit)
		}
		if len(out) != g.Len() {
			t.Errorf("%d outcomes for %d nodes", len(out), g.Len())
		}
		for _, k := range g.Nodes() {
			checkOutcome(t, g, out, k, fails, tr)
		}
	})
}

// checkOutcome: done and failed nodes were visited, skipped ones were not and
// have a failed node among what they need.
func checkOutcome(t *rapid.T, g *Graph[int], out map[int]Outcome[int], k int, fails func(int) bool, tr *trace) {
	o, ok := out[k]
	if !ok {
		t.Fatalf("no outcome for %d", k)
	}
	if tr.started[k] == (o.State == Skipped) {
		t.Errorf("%d: started %v and outcome %v", k, tr.started[k], o.State)
	}
	allDone := true
	for _, n := range g.Needs(k) {
		allDone = allDone && (out[n].State == Done || g.IsSoft(k, n))
	}
	switch o.State {
	case Skipped:
		if allDone || out[o.Because].State != Failed || o.Interrupted {
			t.Errorf("%d was skipped without a reason: %+v", k, o)
		}
	case Failed:
		if !fails(k) || !errors.Is(o.Err, errBroken) {
			t.Errorf("%d: %+v", k, o)
		}
	case Done:
		if fails(k) || !allDone {
			t.Errorf("%d is done, needs done: %v", k, allDone)
		}
	}
}

func TestWalkDrainStartsNothingNew(t *testing.T) {
	g := &Graph[string]{}
	g.Add("a")
	g.Add("b", "a")
	g.Add("c")
	drain := make(chan struct{})
	var visited []string
	out := Walk(t.Context(), g, WalkOptions[string]{Limit: 1, Drain: drain}, func(_ context.Context, k string) error {
		visited = append(visited, k)
		close(drain)
		return nil
	})
	if !slices.Equal(visited, []string{"a"}) {
		t.Errorf("visited %v", visited)
	}
	if out["a"].State != Done || out["b"].State != Skipped || !out["b"].Interrupted || !out["c"].Interrupted {
		t.Errorf("outcomes %+v", out)
	}
}

func TestWalkGateHoldsNoPlace(t *testing.T) {
	g := &Graph[string]{}
	g.Add("gate")
	g.Add("work")
	open := make(chan struct{})
	out := Walk(t.Context(), g, WalkOptions[string]{Limit: 1, Free: func(k string) bool { return k == "gate" }},
		func(_ context.Context, k string) error {
			if k == "gate" {
				<-open // passes only once the work beside it has run
				return nil
			}
			close(open)
			return nil
		})
	if out["gate"].State != Done || out["work"].State != Done {
		t.Errorf("outcomes %+v", out)
	}
}

func TestWalkHighestFirst(t *testing.T) {
	g := &Graph[string]{}
	g.Add("leaf")
	g.Add("root")
	g.Add("middle", "root")
	g.Add("end", "middle")
	var visited []string
	Walk(t.Context(), g, WalkOptions[string]{Limit: 1}, func(_ context.Context, k string) error {
		visited = append(visited, k)
		return nil
	})
	if want := []string{"root", "middle", "end", "leaf"}; !slices.Equal(visited, want) && visited[0] != "root" {
		t.Errorf("visited %v", visited)
	}
}

func TestCycle(t *testing.T) {
	g := &Graph[string]{}
	g.Add("a", "b")
	g.Add("b", "c")
	g.Add("c", "b")
	g.Add("d", "a")
	if got := g.Cycle(); !slices.Equal(got, []string{"b", "c"}) {
		t.Errorf("cycle %v", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		if c := randomGraph(t).Cycle(); c != nil {
			t.Errorf("cycle %v in a graph without one", c)
		}
	})
}

func TestSorted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := randomGraph(t)
		at := map[int]int{}
		for i, k := range g.Sorted() {
			at[k] = i
		}
		if len(at) != g.Len() {
			t.Fatalf("%d of %d nodes sorted", len(at), g.Len())
		}
		for _, k := range g.Nodes() {
			for _, n := range g.Needs(k) {
				if at[n] >= at[k] {
					t.Errorf("%d stands before %d, which it needs", k, n)
				}
			}
		}
	})
}

func BenchmarkWalk(b *testing.B) {
	for _, n := range []int{1_000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			g := &Graph[int]{}
			for i := range n {
				g.Add(i)
				if i > 0 {
					g.Add(i, i/2)
				}
			}
			for b.Loop() {
				Walk(b.Context(), g, WalkOptions[int]{Limit: 8}, func(context.Context, int) error { return nil })
			}
		})
	}
}
