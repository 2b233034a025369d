package baseline

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/foreshock/foreshock/pkg/robust"
)

// boxJenkins chooses orders and learns coefficients.
type boxJenkins struct{}

const (
	// finalists is how many orders are brought to their greatest likelihood: those that are likeliest with the coefficients of a regression, over the last ranking samples.
	finalists = 3
	ranking   = 1440
	// longOrder is the length of the autoregression whose errors stand in for the unknown ones in that regression.
	longOrder = 16
	// newtonSteps bounds the search for the likeliest coefficients; most searches end after four or five.
	newtonSteps = 10
)

// candidate is an order with coefficients, and its criterion: smaller is better.
type candidate struct {
	arma
	criterion float64
}

func (boxJenkins) learn(rest []float64, _ uint64) (stepper, error) {
	y := quiet(rest)
	mean := robust.Mean(robust.Drop(make([]float64, 0, len(y)), y))
	for i := range y {
		y[i] -= mean
	}
	best, scale := chosen(y)
	if math.IsInf(best.criterion, 1) { // nothing varies but what was left out
		s := arma{}.space()
		s.settle()
		return linear{space: s, mean: mean}, nil
	}
	s := best.space()
	s.multiply(scale)
	if best.differences > 0 {
		s.p[0][0] = 1 // the level is somewhere around the profile, as far as samples usually are
	}
	s.settle()
	return linear{space: s, mean: mean}, nil
}

// chosen returns the likeliest of the finalists for what parameters cost, and the variance of its errors. Its criterion is infinite when there is none.
func chosen(y []float64) (best candidate, variance float64) {
	var all []candidate
	last := y[max(0, len(y)-ranking):]
	for d := range maxDifferences + 1 {
		for _, c := range regressed(y, d) {
			a := armaOf(c.point(), len(c.ar), d) // inside of what is stationary
			l := a.space().evaluate(last, a.from(), nil)
			if v := corrected(-2*l.concentrated(), float64(l.n), a); v == v {
				all = append(all, candidate{a, v})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return cmp.Compare(a.criterion, b.criterion) })
	best.criterion = math.Inf(1)
	for _, c := range all[:min(finalists, len(all))] {
		a, l := c.likeliest(y)
		if n := float64(l.n); l.n > 10 && l.scale() > 0 {
			if v := corrected(-2*l.concentrated(), n, a); v < best.criterion {
				best, variance = candidate{a, v}, l.scale()
			}
		}
	}
	return best, variance
}

// corrected adds what parameters cost to minus twice a log-likelihood. Source: Hurvich and Tsai, Regression and Time Series Model Selection in Small Samples,
// Biometrika 76(2), 1989, doi:10.1093/biomet/76.2.297.
func corrected(deviance, n float64, a arma) float64 {
	k := float64(len(a.ar) + len(a.ma) + 1)
	if a.differences == 0 {
		k++ // the mean
	}
	return deviance + 2*k + 2*k*(k+1)/max(1, n-k-1)
}

// regressed returns every order with the coefficients of a regression on past samples and on the errors of a long autoregression. Source: Hannan and Rissanen, Recursive
// Estimation of Mixed Autoregressive-Moving Average Order, Biometrika 69(1), 1982, doi:10.1093/biomet/69.1.81.
func regressed(y []float64, d int) []arma {
	w := y
	if d > 0 {
		w = make([]float64, len(y))
		w[0] = nan
		for i := 1; i < len(y); i++ {
			w[i] = y[i] - y[i-1]
		}
	}
	e := longErrors(w)
	// One table of products for all orders: the sample, its maxAR predecessors, maxMA past errors.
	const columns = 1 + maxAR + maxMA
	var gram [columns][columns]float64
	for t := maxAR; t < len(w); t++ {
		row := [columns]float64{w[t], w[t-1], w[t-2], w[t-3], e[t-1], e[t-2]}
		if sum := row[0] + row[1] + row[2] + row[3] + row[4] + row[5]; sum != sum {
			continue
		}
		for i := range row {
			for j := i; j < columns; j++ {
				gram[i][j] += row[i] * row[j]
			}
		}
	}
	var out []arma
	for p := range maxAR + 1 {
		for q := range maxMA + 1 {
			var use []int
			for i := range p {
				use = append(use, 1+i)
			}
			for j := range q {
				use = append(use, 1+maxAR+j)
			}
			a := arma{ar: make([]float64, p), ma: make([]float64, q), differences: d}
			if len(use) > 0 {
				g, b := mat.NewSymDense(len(use), nil), mat.NewVecDense(len(use), nil)
				for i, u := range use {
					b.SetVec(i, gram[0][u])
					for j := i; j < len(use); j++ {
						g.SetSym(i, j, gram[u][use[j]])
					}
					g.SetSym(i, i, gram[u][u]*(1+1e-9))
				}
				var c mat.Cholesky
				var x mat.VecDense
				if !c.Factorize(g) || c.SolveVecTo(&x, b) != nil {
					continue
				}
				copy(a.ar, x.RawVector().Data[:p])
				copy(a.ma, x.RawVector().Data[p:])
			}
			out = append(out, a)
		}
	}
	return out
}

// longErrors returns the errors of a long autoregression by the Yule-Walker equations, solved by Levinson's recursion; NaN where a sample that it needs is missing.
func longErrors(w []float64) []float64 {
	order := max(1, min(longOrder, len(w)/10))
	cov := make([]float64, order+1)
	for k := range cov {
		n := 0.0
		for t := k; t < len(w); t++ {
			if x := w[t] * w[t-k]; x == x {
				cov[k] += x
				n++
			}
		}
		// Divided by all, as if missing products were zero, the sequence stays positive definite enough for the recursion.
		cov[k] /= max(1, n) * (1 + float64(k)/float64(len(w)))
	}
	var partial []float64
	variance := cov[0]
	c := make([]float64, 0, order)
	for k := 1; k <= order && variance > 0; k++ {
		r := cov[k]
		for i, x := range c {
			r -= x * cov[k-1-i]
		}
		r = min(max(r/variance, -0.999), 0.999)
		partial = append(partial, r)
		c = coefficients(partial)
		variance *= 1 - r*r
	}
	e := make([]float64, len(w))
	for t := range w {
		if t < len(c) {
			e[t] = nan
			continue
		}
		e[t] = w[t]
		for i, x := range c {
			e[t] -= x * w[t-1-i]
		}
	}
	return e
}

// likeliest improves the coefficients to the greatest exact likelihood, conditional on the first sample, so that models of samples and of differences are compared on the same
// ones. The search is by Gauss and Newton on the innovations with Levenberg's damping; the likelihood decides about each step.
func (a arma) likeliest(y []float64) (arma, likelihood) {
	from := a.from()
	p, d := len(a.ar), a.differences
	x := a.point()
	v, moved := make([]float64, len(y)), make([]float64, len(y))
	best := armaOf(x, p, d)
	l := best.space().evaluate(y, from, v)
	k := len(x)
	slopes := make([][]float64, k)
	for i := range slopes {
		slopes[i] = make([]float64, len(y))
	}
	damping := 1e-3
	for range newtonSteps {
		if k == 0 || l.n <= k {
			break
		}
		const h = 1e-5
		for i := range slopes {
			at := slices.Clone(x)
			at[i] += h
			armaOf(at, p, d).space().evaluate(y, from, moved)
			for t := range moved {
				slopes[i][t] = (moved[t] - v[t]) / h
			}
		}
		g, b := products(slopes, v)
		better := false
		for range 6 {
			step, ok := solveDamped(g, b, damping)
			if !ok {
				damping *= 10
				continue
			}
			at := slices.Clone(x)
			for i := range at {
				at[i] = min(max(at[i]-min(max(step[i], -1), 1), -farthest), farthest)
			}
			next := armaOf(at, p, d)
			ln := next.space().evaluate(y, from, moved)
			gain := ln.concentrated() - l.concentrated()
			if gain > 0 {
				x, best, l = at, next, ln
				copy(v, moved)
				damping = max(damping/10, 1e-9)
				better = gain > 1e-4
				break
			}
			damping *= 10
		}
		if !better {
			break
		}
	}
	return best, l
}

// from says how a likelihood begins that is conditional on the first sample.
func (a arma) from() start {
	if a.differences > 0 {
		return diffuse
	}
	return conditional
}

// farthest bounds the search: partial autocorrelations of 0.99995.
const farthest = 5.3

// products returns the sums of products of the slopes with each other and with the innovations, over samples that have them.
func products(slopes [][]float64, v []float64) (*mat.SymDense, *mat.VecDense) {
	k := len(slopes)
	g, b := mat.NewSymDense(k, nil), mat.NewVecDense(k, nil)
	for i := range k {
		for j := i; j < k; j++ {
			sum := 0.0
			for t, s := range slopes[i] {
				if s == s {
					sum += s * slopes[j][t]
				}
			}
			g.SetSym(i, j, sum)
		}
		sum := 0.0
		for t, s := range slopes[i] {
			if s == s {
				sum += s * v[t]
			}
		}
		b.SetVec(i, sum)
	}
	return g, b
}

// solveDamped solves (G + λ·diag G)·x = b; false where G is singular all the same.
func solveDamped(g *mat.SymDense, b *mat.VecDense, damping float64) ([]float64, bool) {
	k := b.Len()
	damped := mat.NewSymDense(k, nil)
	damped.CopySym(g)
	for i := range k {
		damped.SetSym(i, i, g.At(i, i)*(1+damping)+1e-12)
	}
	var c mat.Cholesky
	var x mat.VecDense
	if !c.Factorize(damped) || c.SolveVecTo(&x, b) != nil {
		return nil, false
	}
	return x.RawVector().Data, true
}
