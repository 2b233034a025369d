package detect

import (
	"math"

	"gonum.org/v1/gonum/mat"
)

// covariance returns the second moments around mean (nil: 0) of the points that are there, d × d, shrunk towards a multiple of the identity as Ledoit and Wolf, A
// well-conditioned estimator for large-dimensional covariance matrices, J. Multivariate Anal. 88(2), 2004, doi:10.1016/S0047-259X(03)00096-4, have it, and with the ridge on its diagonal.
func covariance(p points, mean []float64, ridge float64) *mat.SymDense {
	d := p.d
	s := mat.NewSymDense(d, nil)
	raw := s.RawSymmetric()
	x := make([]float64, d)
	n, fourth := 0, 0.0
	for i := range p.n {
		if p.out[i] {
			continue
		}
		n++
		copy(x, p.row(i))
		for k := range mean {
			x[k] -= mean[k]
		}
		norm := 0.0
		for r, y := range x {
			norm += y * y
			into := raw.Data[r*raw.Stride:]
			for c := r; c < d; c++ {
				into[c] += y * x[c]
			}
		}
		fourth += norm * norm
	}
	if n == 0 {
		n = 1
	}
	trace, square := 0.0, 0.0
	for r := range d {
		for c := r; c < d; c++ {
			y := s.At(r, c) / float64(n)
			s.SetSym(r, c, y)
			if r == c {
				trace += y
				square += y * y
			} else {
				square += 2 * y * y
			}
		}
	}
	mu := trace / float64(d)
	shrink := 0.0
	if distance := square/float64(d) - mu*mu; distance > 0 { // ‖S − μI‖²/d
		error2 := (fourth/float64(n) - square) / float64(n) / float64(d)
		shrink = min(max(error2/distance, 0), 1)
	}
	for r := range d {
		for c := r; c < d; c++ {
			y := (1 - shrink) * s.At(r, c)
			if r == c {
				y += shrink*mu + ridge
			}
			s.SetSym(r, c, y)
		}
	}
	return s
}

// inverse returns the inverse of a positive definite matrix, row by row; false when it has none.
func inverse(s *mat.SymDense) ([]float64, bool) {
	var chol mat.Cholesky
	if !chol.Factorize(s) {
		return nil, false
	}
	var inv mat.SymDense
	if chol.InverseTo(&inv) != nil {
		return nil, false
	}
	d := s.SymmetricDim()
	out := make([]float64, d*d)
	for r := range d {
		for c := range d {
			y := inv.At(r, c)
			if y-y != 0 {
				return nil, false
			}
			out[r*d+c] = y
		}
	}
	return out, true
}

// meanOf returns the mean of the points that are there.
func meanOf(p points) []float64 {
	mean := make([]float64, p.d)
	n := 0
	for i := range p.n {
		if p.out[i] {
			continue
		}
		n++
		for k, y := range p.row(i) {
			mean[k] += y
		}
	}
	for k := range mean {
		mean[k] /= math.Max(float64(n), 1)
	}
	return mean
}

// principal returns the leading axes of the points: the fewest that hold the share of the variance, one row each, and at least one.
func principal(p points, mean []float64, share float64) ([]float64, int) {
	var eig mat.EigenSym
	if !eig.Factorize(covariance(p, mean, 0), true) {
		return make([]float64, p.d), 1
	}
	values := eig.Values(nil) // lowest first
	total := 0.0
	for _, v := range values {
		total += max(v, 0)
	}
	var vectors mat.Dense
	eig.VectorsTo(&vectors)
	n, held := 0, 0.0
	for n < p.d-1 && (n == 0 || held < share*total) {
		held += max(values[p.d-1-n], 0)
		n++
	}
	n = max(n, 1)
	out := make([]float64, 0, n*p.d)
	for a := range n {
		for k := range p.d {
			out = append(out, vectors.At(k, p.d-1-a))
		}
	}
	return out, n
}

// quadratic returns xᵀ M x and writes each dimension's part x_k (M x)_k.
func quadratic(m, x, parts []float64) float64 {
	d, sum := len(x), 0.0
	for k, y := range x {
		dot := 0.0
		for j, w := range m[k*d : (k+1)*d] {
			dot += w * x[j]
		}
		parts[k] = y * dot
		sum += parts[k]
	}
	return sum
}

// whiteRidge is added to the variances of the axes before they are made equal: what hardly varies is not blown up without end.
const whiteRidge = 0.1

// whitening returns the d × d matrix that makes the dimensions of points independent and their variances alike, and its inverse.
func whitening(p points) (white, back []float64) {
	d := p.d
	white, back = make([]float64, d*d), make([]float64, d*d)
	var eig mat.EigenSym
	if !eig.Factorize(covariance(p, nil, 0), true) {
		for k := range d {
			white[k*d+k], back[k*d+k] = 1, 1
		}
		return white, back
	}
	values := eig.Values(nil)
	var vectors mat.Dense
	eig.VectorsTo(&vectors)
	for k := range d {
		for a := range d {
			root := math.Sqrt(max(values[a], 0) + whiteRidge)
			white[k*d+a] = vectors.At(k, a) / root
			back[a*d+k] = vectors.At(k, a) * root
		}
	}
	return white, back
}
