// Package robust holds location and scale estimates that a few wild values cannot move, and sums that do not lose digits.
//
// The idea: what is normal is told by the middle of the data, so that the anomaly that is looked for does not hide itself.
//
//	m := robust.Median(values, nil)
//	s := robust.Gaussian * robust.MAD(values, m, nil)     // comparable to a standard deviation
//
// All functions expect values without NaN (see Drop) and leave their input as it is; those that need room take a scratch slice, which may be nil.
package robust

import "math"

// Gaussian makes the median absolute deviation of normal data equal to its standard deviation: 1/Φ⁻¹(3/4).
// Source: Rousseeuw and Croux, Alternatives to the Median Absolute Deviation, JASA 88(424), 1993, doi:10.1080/01621459.1993.10476408.
const Gaussian = 1.482602218505602

// GaussianMean does the same for the mean absolute deviation: √(π/2).
const GaussianMean = 1.2533141373155001

// Drop appends the values that are not NaN to dst and returns it.
func Drop(dst, values []float64) []float64 {
	for _, v := range values {
		if v == v {
			dst = append(dst, v)
		}
	}
	return dst
}

// Median returns the middle value, or the mean of the two in the middle; NaN for no values. It copies into scratch.
func Median(values, scratch []float64) float64 {
	return MedianInPlace(append(scratch[:0], values...))
}

// MedianInPlace is Median without a copy: it reorders the values.
func MedianInPlace(values []float64) float64 {
	n := len(values)
	if n == 0 {
		return math.NaN()
	}
	from := narrow(values, 0, n-1, n/2)
	hi := values[n/2]
	if n%2 == 1 {
		return hi
	}
	// Everything before n/2 is not above it, and what lies before from is not above its neighbour there: the lower middle is the largest between.
	lo := values[n/2-1]
	for _, x := range values[max(0, from-1) : n/2] {
		if x > lo {
			lo = x
		}
	}
	return lo + (hi-lo)/2
}

// MAD returns the median absolute deviation from center, not scaled (see Gaussian); NaN for no values. It copies into scratch.
func MAD(values []float64, center float64, scratch []float64) float64 {
	scratch = scratch[:0]
	for _, v := range values {
		scratch = append(scratch, math.Abs(v-center))
	}
	return MedianInPlace(scratch)
}

// Quantile returns the q-quantile (0…1) of sorted values by linear interpolation (Hyndman and Fan's type 7); NaN for no values.
func Quantile(sorted []float64, q float64) float64 {
	n := len(sorted)
	if n == 0 {
		return math.NaN()
	}
	h := q * float64(n-1)
	if !(h > 0) {
		return sorted[0]
	}
	i := int(h)
	if i >= n-1 {
		return sorted[n-1]
	}
	return sorted[i] + (h-float64(i))*(sorted[i+1]-sorted[i])
}

// Select reorders the values so that values[k] is what it would be when sorted, nothing before it is above and nothing after it below, and
// returns it. Expected linear time, about 1.5 n comparisons for the median. Source: Floyd and Rivest, Algorithm 489: SELECT, CACM 18(3), 1975,
// doi:10.1145/360680.360694.
func Select(values []float64, k int) float64 {
	narrow(values, 0, len(values)-1, k)
	return values[k]
}

const (
	// sampled is the length from which a pivot is chosen by selecting in a sample around k. The algorithm's own value is 600.
	sampled = 500
	// short is the length up to which sorting is cheaper.
	short = 12
)

// narrow is Select between left and right, both included. It returns where what it looked at last begins: no value before that is above the one just before it.
func narrow(v []float64, left, right, k int) int {
	below := math.NaN() // the last pivot that k lies above
	for right > left {
		if right-left < short {
			insertion(v[left : right+1])
			return left
		}
		if right-left > sampled {
			n, i := float64(right-left+1), float64(k-left+1)
			z := math.Log(n)
			s := 0.5 * math.Exp(2*z/3)
			sd := 0.5 * math.Sqrt(z*s*(n-s)/n)
			if i < n/2 {
				sd = -sd
			}
			narrow(v, max(left, int(float64(k)-i*s/n+sd)), min(right, int(float64(k)+(n-i)*s/n+sd)), k)
		}
		t := v[k]
		v[left], v[k] = t, v[left]
		if t == below {
			// Nothing here is below t: those that are equal go to the front.
			after := left + 1 + atMost(v[left+1:right+1], t)
			if k < after {
				return left
			}
			left = after
			continue
		}
		j := left + under(v[left+1:right+1], t)
		v[left], v[j] = v[j], t
		switch {
		case k < j:
			right = j - 1
		case k > j:
			left, below = j+1, t
		default:
			return left
		}
	}
	return left
}

// under puts the values below t first and returns how many there are. Without a jump that depends on the values, since no processor can guess it.
func under(v []float64, t float64) int {
	n := 0
	for i, x := range v {
		v[i], v[n] = v[n], x
		n += number(x < t)
	}
	return n
}

// atMost is under with the values that equal t among the first.
func atMost(v []float64, t float64) int {
	n := 0
	for i, x := range v {
		v[i], v[n] = v[n], x
		n += number(x <= t)
	}
	return n
}

// number is 1 for true.
func number(b bool) int {
	n := 0
	if b {
		n = 1
	}
	return n
}

// insertion sorts a short run.
func insertion(v []float64) {
	for i := 1; i < len(v); i++ {
		x := v[i]
		j := i
		for ; j > 0 && v[j-1] > x; j-- {
			v[j] = v[j-1]
		}
		v[j] = x
	}
}

// Sum returns the compensated sum. Source: Neumaier, Rundungsfehleranalyse einiger Verfahren zur Summation endlicher Summen, ZAMM 54, 1974.
func Sum(values []float64) float64 {
	var s, c float64
	for _, v := range values {
		t := s + v
		if math.Abs(s) >= math.Abs(v) {
			c += (s - t) + v
		} else {
			c += (v - t) + s
		}
		s = t
	}
	if c != c { // an infinity among the terms
		return s
	}
	return s + c
}

// Mean returns the compensated mean; NaN for no values.
func Mean(values []float64) float64 { return Sum(values) / float64(len(values)) }

// Slope returns the median slope of y over all pairs of x (x strictly rising) and whether it is a trend: Kendall's test rejects "no trend" at 5 %, two-sided,
// by its normal approximation with continuity correction. Sources: Sen, JASA 63(324), 1968, doi:10.1080/01621459.1968.10480934; Kendall, Rank Correlation Methods, 1970.
func Slope(x, y []float64) (slope float64, trend bool) {
	if len(x) != len(y) {
		panic("robust: Slope of x and y of different lengths")
	}
	var slopes []float64
	s := 0.0
	for i := range x {
		for j := i + 1; j < len(x); j++ {
			d := y[j] - y[i]
			slopes = append(slopes, d/(x[j]-x[i]))
			switch {
			case d > 0:
				s++
			case d < 0:
				s--
			}
		}
	}
	if len(slopes) == 0 {
		return 0, false
	}
	n := float64(len(x))
	deviation := math.Sqrt(n * (n - 1) * (2*n + 5) / 18)
	return MedianInPlace(slopes), (math.Abs(s)-1)/deviation > 1.959963984540054
}
