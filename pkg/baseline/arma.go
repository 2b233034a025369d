package baseline

import "math"

// The largest orders that are tried.
const (
	maxAR, maxDifferences, maxMA = 3, 1, 2
)

// arma is an autoregressive moving average: w(t) = Σ ar[i]·w(t−1−i) + e(t) + Σ ma[j]·e(t−1−j), e ~ N(0, 1), of the samples or of their differences.
type arma struct {
	ar, ma      []float64
	differences int
}

// space returns the model with unit variance: Harvey's form, with the last sample before it as a further state where differences are modelled.
func (a arma) space() *space {
	d := a.differences
	m := max(len(a.ar), len(a.ma)+1)
	s := &space{n: m + d}
	for i, c := range a.ar {
		s.t[d+i][d] = c
	}
	for i := range m - 1 {
		s.t[d+i][d+i+1] = 1
	}
	var shock vector
	shock[d] = 1
	for j, c := range a.ma {
		shock[d+1+j] = c
	}
	s.z[d] = 1
	for i := d; i < s.n; i++ {
		for j := d; j < s.n; j++ {
			s.q[i][j] = shock[i] * shock[j]
		}
	}
	s.p = s.stationary()
	if d > 0 {
		s.t[0][0], s.t[0][1], s.z[0] = 1, 1, 1
	}
	return s
}

// stationary solves P = T·P·T' + Q by doubling. Source: Anderson and Moore, Optimal Filtering, Prentice-Hall 1979, section 6.7.
func (s *space) stationary() matrix {
	p, a := s.q, s.t
	for range 40 {
		step := a.times(p).times(a.transposed())
		change, size := 0.0, 0.0
		for i := range s.n {
			for j := range s.n {
				p[i][j] += step[i][j]
				change, size = max(change, math.Abs(step[i][j])), max(size, math.Abs(p[i][j]))
			}
		}
		if change <= 1e-14*size {
			break
		}
		a = a.times(a)
	}
	return p
}

func (a matrix) times(b matrix) matrix {
	var c matrix
	for i := range c {
		for k := range c {
			for j := range c {
				c[i][j] += a[i][k] * b[k][j]
			}
		}
	}
	return c
}

func (a matrix) transposed() matrix {
	var c matrix
	for i := range c {
		for j := range c {
			c[i][j] = a[j][i]
		}
	}
	return c
}

// coefficients turns partial autocorrelations, each between −1 and 1, into the coefficients of a stationary autoregression.
// Source: Barndorff-Nielsen and Schou, J. Multivariate Analysis 3(4), 1973, doi:10.1016/0047-259X(73)90030-4.
func coefficients(partial []float64) []float64 {
	c := make([]float64, len(partial))
	work := make([]float64, len(partial))
	for k, r := range partial {
		c[k] = r
		copy(work, c[:k])
		for i := range k {
			c[i] = work[i] - r*work[k-1-i]
		}
	}
	return c
}

// partials is the inverse of coefficients; what is not stationary is brought inside.
func partials(c []float64) []float64 {
	work := append([]float64(nil), c...)
	out := make([]float64, len(c))
	next := make([]float64, len(c))
	for k := len(c) - 1; k >= 0; k-- {
		r := min(max(work[k], -edgeOfUnity), edgeOfUnity)
		if r != r {
			r = 0
		}
		out[k] = r
		for i := range k {
			next[i] = (work[i] + r*work[k-1-i]) / (1 - r*r)
		}
		copy(work, next[:k])
	}
	return out
}

// edgeOfUnity is the largest partial autocorrelation that a search begins at.
const edgeOfUnity = 0.97

// armaOf returns the stationary and invertible model of a point of the search: hyperbolic arc tangents of partial autocorrelations.
func armaOf(x []float64, p, differences int) arma {
	r := make([]float64, len(x))
	for i, v := range x {
		r[i] = math.Tanh(v)
	}
	a := arma{ar: coefficients(r[:p]), ma: coefficients(r[p:]), differences: differences}
	for i := range a.ma {
		a.ma[i] = -a.ma[i]
	}
	return a
}

// point is the inverse of armaOf.
func (a arma) point() []float64 {
	negative := make([]float64, len(a.ma))
	for i, c := range a.ma {
		negative[i] = -c
	}
	x := append(partials(a.ar), partials(negative)...)
	for i, r := range x {
		x[i] = math.Atanh(r)
	}
	return x
}
