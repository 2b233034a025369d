package detect

import (
	"math"
)

// support is a one-class support vector machine with a Gaussian kernel: a smooth border around most of the points that it was fitted to.
// Source: Schölkopf et al., Estimating the Support of a High-Dimensional Distribution, Neural Computation 13(7), 2001, doi:10.1162/089976601750264965.
type support struct {
	d       int
	gamma   float64
	rho     float64   // the sum at the border
	vectors []float64 // rows of d numbers
	weight  []float64
}

const (
	// svmRounds bounds the work of a fit, in steps per point: what is not settled by then is settled well enough to score by.
	svmRounds = 200
	// leastWeight is what a point must carry to count as a support vector, as a share of the most that one may carry.
	leastWeight = 1e-9
)

// scaleGamma is one over the number of features times the variance of all numbers: what sklearn calls "scale".
func scaleGamma(rows []float64, d int) float64 {
	mean, n := 0.0, float64(len(rows))
	for _, x := range rows {
		mean += x / n
	}
	variance := 0.0
	for _, x := range rows {
		variance += (x - mean) * (x - mean) / n
	}
	if !(variance > 0) {
		return 1
	}
	return 1 / (float64(d) * variance)
}

// supportOf fits the border to rows of d numbers, of which at most the share nu lies outside, by sequential minimal optimisation: the pair of points that violates the
// optimum most is moved until none does by more than the tolerance.
// Source: Fan, Chen and Lin, Working Set Selection Using Second Order Information, JMLR 6, 2005; the starting point is LIBSVM's.
func supportOf(rows []float64, d int, nu, gamma, tolerance float64) *support {
	s := smo{d: d, n: len(rows) / d, rows: rows, gamma: gamma}
	s.start(nu)
	for range svmRounds * s.n {
		i, j := s.pair(tolerance)
		if i < 0 {
			break
		}
		s.step(i, j)
	}
	out := &support{d: d, gamma: gamma, rho: s.border()}
	for i, a := range s.alpha {
		if a > leastWeight {
			out.vectors = append(out.vectors, rows[i*d:(i+1)*d]...)
			out.weight = append(out.weight, a)
		}
	}
	return out
}

// smo minimises ½αᵀKα with 0 ≤ α ≤ 1 and a fixed sum.
type smo struct {
	d, n  int
	rows  []float64
	gamma float64
	alpha []float64
	slope []float64   // Kα
	kept  [][]float64 // the columns of K that were needed so far
}

// start gives the first points all that they may carry.
func (s *smo) start(nu float64) {
	s.alpha, s.slope, s.kept = make([]float64, s.n), make([]float64, s.n), make([][]float64, s.n)
	left := nu * float64(s.n)
	for i := 0; i < s.n && left > 0; i++ {
		s.alpha[i] = min(1, left)
		left -= s.alpha[i]
		for j, k := range s.column(i) {
			s.slope[j] += s.alpha[i] * k
		}
	}
}

func (s *smo) column(i int) []float64 {
	if s.kept[i] == nil {
		c := make([]float64, s.n)
		x := s.rows[i*s.d : (i+1)*s.d]
		for j := range c {
			c[j] = decay(min(s.gamma*apart(x, s.rows[j*s.d:(j+1)*s.d]), 700))
		}
		s.kept[i] = c
	}
	return s.kept[i]
}

// pair returns the point i that gains most from carrying more and the point j whose weight it takes for the largest decrease; −1 at the optimum.
func (s *smo) pair(tolerance float64) (i, j int) {
	i, j = -1, -1
	low := math.Inf(1)
	for k, a := range s.alpha {
		if a < 1 && s.slope[k] < low {
			i, low = k, s.slope[k]
		}
	}
	if i < 0 {
		return -1, -1
	}
	column, best, widest := s.column(i), 0.0, 0.0
	for k, a := range s.alpha {
		if a <= 0 {
			continue
		}
		gap := s.slope[k] - low
		widest = max(widest, gap)
		if gap <= 0 {
			continue
		}
		if gain := gap * gap / max(2-2*column[k], 1e-12); gain > best {
			j, best = k, gain
		}
	}
	if widest < tolerance || j < 0 {
		return -1, -1
	}
	return i, j
}

// step moves weight from j to i, as much as decreases the aim most and the limits allow.
func (s *smo) step(i, j int) {
	ci, cj := s.column(i), s.column(j)
	by := (s.slope[j] - s.slope[i]) / max(2-2*ci[j], 1e-12)
	by = min(by, 1-s.alpha[i], s.alpha[j])
	if s.alpha[i] += by; s.alpha[i] > 1-1e-14 {
		s.alpha[i] = 1
	}
	if s.alpha[j] -= by; s.alpha[j] < 1e-14 {
		s.alpha[j] = 0
	}
	for k := range s.slope {
		s.slope[k] += by * (ci[k] - cj[k])
	}
}

// border is the slope of points that carry some but not all, or halfway between those that carry all and none.
func (s *smo) border() float64 {
	sum, free := 0.0, 0.0
	low, high := math.Inf(1), math.Inf(-1)
	for k, a := range s.alpha {
		switch {
		case a <= 0:
			low = min(low, s.slope[k])
		case a >= 1:
			high = max(high, s.slope[k])
		default:
			sum += s.slope[k]
			free++
		}
	}
	switch {
	case free > 0:
		return sum / free
	case math.IsInf(low, 1):
		return high
	case math.IsInf(high, -1):
		return low
	}
	return (low + high) / 2
}

// decayParts is how many steps the table of decay has between two powers of two.
const decayParts = 256

// decays holds 2^(−j/decayParts).
var decays = func() (t [decayParts]float64) {
	for j := range t {
		t[j] = math.Exp2(-float64(j) / decayParts)
	}
	return t
}()

// decay returns e^−x for 0 ≤ x ≤ 700 within a relative 1e-12, in a third of the time of math.Exp: a power of two, a step of the table, and a short series for the rest.
func decay(x float64) float64 {
	k := int(x * (decayParts / math.Ln2))
	r := x - float64(k)*(math.Ln2/decayParts)
	return math.Float64frombits(uint64(1023-k/decayParts)<<52) * decays[k%decayParts] * (1 - r*(1-r*(0.5-r*(1.0/6-r*(1.0/24)))))
}

// decision returns how far inside the border a point lies; below 0 it is outside, and never below −rho.
func (s *support) decision(x []float64) float64 {
	sum := 0.0
	for i, w := range s.weight {
		if far := s.gamma * apart(x, s.vectors[i*s.d:(i+1)*s.d]); far < 40 {
			sum += w * decay(far)
		}
	}
	return sum - s.rho
}
