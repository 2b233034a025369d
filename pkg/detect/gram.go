package detect

import (
	"math"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// gram sums up windows of w samples: how many, their sum, and the sum of their outer products. Those of disjoint windows add up, so a part that is held out costs a
// subtraction.
type gram struct {
	w     int
	n     float64
	sum   []float64 // w
	outer []float64 // w × w, the upper triangle
}

func newGram(w int) *gram { return &gram{w: w, sum: make([]float64, w), outer: make([]float64, w*w)} }

// add takes in every window of the values. Neighbouring windows share all but one sample, so an entry follows from the one up and left of it: n·w products in all
// instead of n·w².
func (g *gram) add(values []float64) {
	w, n := g.w, len(values)-g.w+1
	if n <= 0 {
		return
	}
	g.n += float64(n)
	sum := floats.Sum(values[:n])
	for a := range w {
		g.sum[a] += sum
		if a+1 < w {
			sum += values[n+a] - values[a]
		}
	}
	for d := range w {
		p := floats.Dot(values[:n], values[d:n+d])
		for a := 0; a+d < w; a++ {
			g.outer[a*w+a+d] += p
			if a+d+1 < w {
				p += values[n+a]*values[n+a+d] - values[a]*values[a+d]
			}
		}
	}
}

// covariance returns the mean of every place in a window and the covariance of the places.
func (g *gram) covariance() (mean []float64, cov *mat.SymDense) {
	mean = make([]float64, g.w)
	for a := range mean {
		mean[a] = g.sum[a] / g.n
	}
	cov = mat.NewSymDense(g.w, nil)
	for a := range g.w {
		for b := a; b < g.w; b++ {
			cov.SetSym(a, b, g.outer[a*g.w+b]/g.n-mean[a]*mean[b])
		}
		cov.SetSym(a, a, max(0, cov.At(a, a)))
	}
	return mean, cov
}

// correlation turns a covariance into correlations in place and returns the deviations. A place that does not vary has deviation 1.
func correlation(cov *mat.SymDense) (dev []float64) {
	w := cov.SymmetricDim()
	dev = make([]float64, w)
	for a := range dev {
		if dev[a] = math.Sqrt(cov.At(a, a)); dev[a] < 1e-9 {
			dev[a] = 1
		}
	}
	for a := range w {
		for b := a; b < w; b++ {
			cov.SetSym(a, b, cov.At(a, b)/(dev[a]*dev[b]))
		}
	}
	return dev
}
