package baseline

import (
	"math"
	"slices"
)

// minimize looks for the smallest value of f near start by at most so many evaluations, and returns the best point seen. NaN counts as infinite. It is deterministic.
// Source: Nelder and Mead, A Simplex Method for Function Minimization, Computer Journal 7(4), 1965, doi:10.1093/comjnl/7.4.308.
func minimize(f func(x []float64) float64, start []float64, edge float64, evaluations int) (best []float64, value float64) {
	n := len(start)
	type corner struct {
		x []float64
		y float64
	}
	at := func(x []float64) corner {
		evaluations--
		y := f(x)
		if y != y {
			y = math.Inf(1)
		}
		return corner{x, y}
	}
	simplex := []corner{at(slices.Clone(start))}
	for i := range n {
		x := slices.Clone(start)
		x[i] += edge
		simplex = append(simplex, at(x))
	}
	rank := func() {
		slices.SortStableFunc(simplex, func(a, b corner) int {
			switch {
			case a.y < b.y:
				return -1
			case a.y > b.y:
				return 1
			}
			return 0
		})
	}
	middle := make([]float64, n)
	from := func(t float64) corner { // a point on the line from the worst corner through the middle of the others
		x := make([]float64, n)
		for i := range x {
			x[i] = middle[i] + t*(middle[i]-simplex[n].x[i])
		}
		return at(x)
	}
	for rank(); evaluations > 0; rank() {
		if simplex[n].y-simplex[0].y <= 1e-7*(1+math.Abs(simplex[0].y)) && !math.IsInf(simplex[n].y, 0) {
			break
		}
		for i := range middle {
			middle[i] = 0
			for _, c := range simplex[:n] {
				middle[i] += c.x[i] / float64(n)
			}
		}
		tried := from(1)
		switch {
		case tried.y < simplex[0].y:
			if far := from(2); far.y < tried.y {
				tried = far
			}
		case tried.y >= simplex[n-1].y:
			t := -0.5
			if tried.y < simplex[n].y {
				t = 0.5
			}
			if near := from(t); near.y < min(tried.y, simplex[n].y) {
				tried = near
				break
			}
			for k := 1; k <= n; k++ { // nothing on the line: come nearer to the best
				x := slices.Clone(simplex[k].x)
				for i := range x {
					x[i] = (x[i] + simplex[0].x[i]) / 2
				}
				simplex[k] = at(x)
			}
			continue
		}
		simplex[n] = tried
	}
	return simplex[0].x, simplex[0].y
}
