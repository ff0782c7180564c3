package layout

import (
	"cmp"
	"slices"
)

// Arrangement is a directed graph laid out in layers from left to right.
// Lengths are those of the drawing.
type Arrangement struct {
	Boxes  []Place // one for each node, in order
	Routes [][]Place
	Width  float64
	Height float64
}

// Place is a point, or the middle of the left edge of a box.
type Place struct{ X, Y float64 }

// Link is an edge between two nodes by their numbers.
type Link struct{ From, To int }

const (
	BoxHeight = 40.0
	boxGap    = 18.0
	laneGap   = 12.0
	sweeps    = 8
)

// Arrange lays a graph out. widths are those of the nodes' boxes, gap is the
// space between two layers. It is the
// usual way: cycles are opened by turning edges round, nodes are put into
// layers by their longest way, long edges get a lane in each layer they pass,
// and layers are sorted so that edges cross little.
func Arrange(widths []float64, links []Link, gap float64) Arrangement {
	l := &layers{widths: widths, gap: gap}
	l.assign(len(widths), links)
	l.lanes(links)
	l.sort()
	return l.place(links)
}

// layers is a layout being made. Points are the nodes, then the lanes.
type layers struct {
	widths []float64
	gap    float64
	level  []int   // of each point
	chains [][]int // the points of each link, from left to right
	turned []bool  // links drawn from right to left
	rows   [][]int // the points of each layer, from top to bottom
	left   [][]int // neighbours of each point in the layer before
	right  [][]int
}

// assign gives each node a layer. Links that close a cycle are turned round.
func (l *layers) assign(nodes int, links []Link) {
	out := make([][]int, nodes) // links by node
	for i, k := range links {
		out[k.From] = append(out[k.From], i)
	}
	l.turned = make([]bool, len(links))
	state := make([]int, nodes) // 0 new, 1 on the way, 2 done
	var order []int
	var visit func(n int)
	visit = func(n int) {
		state[n] = 1
		for _, i := range out[n] {
			switch to := links[i].To; state[to] {
			case 0:
				visit(to)
			case 1:
				l.turned[i] = true
			}
		}
		state[n] = 2
		order = append(order, n)
	}
	// What nothing leads to comes first, so that cycles open where messages
	// come in.
	entered := make([]bool, nodes)
	for _, k := range links {
		entered[k.To] = entered[k.To] || k.From != k.To
	}
	for _, first := range []bool{true, false} {
		for n := range nodes {
			if state[n] == 0 && (!entered[n] || !first) {
				visit(n)
			}
		}
	}
	l.level = make([]int, nodes)
	slices.Reverse(order)
	for _, n := range order {
		for _, i := range out[n] {
			if !l.turned[i] {
				l.level[links[i].To] = max(l.level[links[i].To], l.level[n]+1)
			}
		}
	}
}

// lanes gives each link a point in every layer that it passes.
func (l *layers) lanes(links []Link) {
	for i, k := range links {
		from, to := k.From, k.To
		if l.turned[i] {
			from, to = to, from
		}
		chain := []int{from}
		for level := l.level[from] + 1; level < l.level[to]; level++ {
			chain = append(chain, len(l.level))
			l.level = append(l.level, level)
		}
		if to != from {
			chain = append(chain, to)
		}
		l.chains = append(l.chains, chain)
	}
	l.left, l.right = make([][]int, len(l.level)), make([][]int, len(l.level))
	for _, c := range l.chains {
		for i := 1; i < len(c); i++ {
			l.right[c[i-1]] = append(l.right[c[i-1]], c[i])
			l.left[c[i]] = append(l.left[c[i]], c[i-1])
		}
	}
	for p, level := range l.level {
		for len(l.rows) <= level {
			l.rows = append(l.rows, nil)
		}
		l.rows[level] = append(l.rows[level], p)
	}
}

// sort orders each layer by the middle of the neighbours, to and fro.
func (l *layers) sort() {
	at := make([]float64, len(l.level))
	number := func(row []int) {
		for i, p := range row {
			at[p] = float64(i)
		}
	}
	for _, row := range l.rows {
		number(row)
	}
	for sweep := range sweeps {
		for i := range l.rows {
			row, near := l.rows[i], l.left
			if sweep%2 == 1 {
				row, near = l.rows[len(l.rows)-1-i], l.right
			}
			middle := map[int]float64{}
			for _, p := range row {
				middle[p] = mean(near[p], at, at[p])
			}
			slices.SortStableFunc(row, func(a, b int) int { return cmp.Compare(middle[a], middle[b]) })
			number(row)
		}
	}
}

func mean(points []int, at []float64, otherwise float64) float64 {
	if len(points) == 0 {
		return otherwise
	}
	sum := 0.0
	for _, p := range points {
		sum += at[p]
	}
	return sum / float64(len(points))
}

// place gives every point its place, close to its neighbours.
func (l *layers) place(links []Link) Arrangement {
	y := make([]float64, len(l.level))
	need := func(p int) float64 {
		if p < len(l.widths) {
			return BoxHeight + boxGap
		}
		return laneGap
	}
	settle := func(row []int) {
		for i := 1; i < len(row); i++ {
			least := y[row[i-1]] + (need(row[i-1])+need(row[i]))/2
			y[row[i]] = max(y[row[i]], least)
		}
	}
	for _, row := range l.rows {
		settle(row)
	}
	for sweep := range sweeps {
		for i := range l.rows {
			row, near := l.rows[i], l.left
			if sweep%2 == 1 {
				row, near = l.rows[len(l.rows)-1-i], l.right
			}
			was, is := 0.0, 0.0
			for _, p := range row {
				y[p] = mean(near[p], y, y[p])
				was += y[p]
			}
			settle(row)
			for _, p := range row {
				is += y[p]
			}
			for _, p := range row { // settling only pushes down; keep the middle
				y[p] -= (is - was) / float64(len(row))
			}
		}
	}
	top := 0.0
	for i := range y {
		top = min(top, y[i])
	}
	a := Arrangement{Boxes: make([]Place, len(l.widths))}
	x := 0.0
	xs, wide := make([]float64, len(l.rows)), make([]float64, len(l.rows))
	for i, row := range l.rows {
		xs[i] = x
		for _, p := range row {
			if p < len(l.widths) {
				wide[i] = max(wide[i], l.widths[p])
			}
			a.Height = max(a.Height, y[p]-top+BoxHeight)
		}
		x += wide[i] + l.gap
	}
	a.Width = max(0, x-l.gap)
	for p := range l.widths {
		a.Boxes[p] = Place{xs[l.level[p]], y[p] - top + BoxHeight/2}
	}
	for i, chain := range l.chains {
		var route []Place
		for _, p := range chain {
			middle := Place{xs[l.level[p]], y[p] - top + BoxHeight/2}
			if p < len(l.widths) {
				route = append(route, middle)
			} else {
				route = append(route, middle, Place{xs[l.level[p]] + wide[l.level[p]], middle.Y})
			}
		}
		if first := chain[0]; len(chain) > 1 {
			route[0].X += l.widths[first]
		}
		if l.turned[i] {
			slices.Reverse(route)
		}
		a.Routes = append(a.Routes, route)
	}
	_ = links
	return a
}
