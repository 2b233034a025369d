package season

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/dsp/fourier"

	"github.com/foreshock/foreshock/pkg/robust"
)

// variogram is half the mean squared difference of samples a lag apart, for all lags that have enough pairs, and the periodogram of the same values.
type variogram struct {
	n      int
	gamma  []float64 // by lag; entry 0 is 0
	sum    []float64 // sum[k] is that of gamma[:k]
	ratio  []float64 // sum of squared autocorrelations up to the lag
	power  []float64 // of frequency k/size
	size   int
	lookup []float64 // middle power around each frequency, on demand; 0: not yet
}

// newVariogram computes it by Fourier transforms; nil when the values do not vary. NaN are gaps.
func newVariogram(x []float64) *variogram {
	n := len(x)
	fft := transform(n)
	v := &variogram{n: n, size: fft.Len()}
	padded := make([]float64, v.size)
	mean, present := 0.0, 0
	for _, e := range x {
		if e == e {
			mean += e
			present++
		}
	}
	if present < 12 {
		return nil
	}
	mean /= float64(present)
	variance := 0.0
	for i, e := range x {
		if e == e {
			padded[i] = e - mean
			variance += padded[i] * padded[i]
		}
	}
	variance /= float64(present)
	if !(variance > 1e-12) {
		return nil
	}
	coeff := fft.Coefficients(nil, padded)
	v.power = make([]float64, len(coeff))
	for k, c := range coeff {
		v.power[k] = real(c)*real(c) + imag(c)*imag(c)
	}
	v.lookup = make([]float64, len(coeff))
	products := v.even(fft, v.power)
	squares, pairs := v.squares(fft, padded, x, present)
	lags := n * 4 / 5
	v.gamma, v.sum, v.ratio = make([]float64, lags), make([]float64, lags+1), make([]float64, lags)
	for k := range v.gamma {
		if m := pairs(k); m >= 6 && k > 0 {
			v.gamma[k] = max(0, (squares(k)-2*products[k])/(2*m))
		} else if k > 0 {
			v.gamma[k] = v.gamma[k-1]
		}
		v.sum[k+1] = v.sum[k] + v.gamma[k]
		r := 1 - v.gamma[k]/variance
		v.ratio[k] = r * r
		if k > 0 {
			v.ratio[k] += v.ratio[k-1]
		}
	}
	return v
}

// even returns the inverse transform of a real spectrum, by lag up to half the size: for the spectrum of |a|² it is Σ a(t)·a(t+k). What comes back is even as well, so that the
// forward transform is its own inverse; it is the faster one.
func (v *variogram) even(fft *fourier.FFT, spectrum []float64) []float64 {
	whole := make([]float64, v.size)
	copy(whole, spectrum)
	for k := 1; k < len(spectrum); k++ {
		whole[v.size-k] = spectrum[k]
	}
	out := make([]float64, len(spectrum))
	for k, c := range fft.Coefficients(nil, whole) {
		out[k] = real(c) / float64(v.size)
	}
	return out
}

// squares returns, by lag, the sum of the squares of both samples over all pairs, and the number of pairs.
func (v *variogram) squares(fft *fourier.FFT, padded, x []float64, present int) (squares, pairs func(int) float64) {
	n := v.n
	if present == n {
		before := make([]float64, n+1)
		for i, e := range padded[:n] {
			before[i+1] = before[i] + e*e
		}
		return func(k int) float64 { return before[n-k] + before[n] - before[k] }, func(k int) float64 { return float64(n - k) }
	}
	mask, square := make([]float64, v.size), make([]float64, v.size)
	for i, e := range x {
		if e == e {
			mask[i], square[i] = 1, padded[i]*padded[i]
		}
	}
	m, s := fft.Coefficients(nil, mask), fft.Coefficients(nil, square)
	both, own := make([]float64, len(m)), make([]float64, len(m))
	for k := range m {
		both[k] = 2 * (real(m[k])*real(s[k]) + imag(m[k])*imag(s[k])) // ahead and behind
		own[k] = real(m[k])*real(m[k]) + imag(m[k])*imag(m[k])
	}
	sums, count := v.even(fft, both), v.even(fft, own)
	return func(k int) float64 { return sums[k] }, func(k int) float64 { return math.Round(count[k]) }
}

// end is one more than the longest lag that has a surrounding.
func (v *variogram) end() int { return len(v.gamma) - 2 }

// around returns how far the surrounding of a lag reaches on each side: half a period where there are lags.
func (v *variogram) around(lag int) int { return max(1, min(lag/2, len(v.gamma)-1-lag)) }

// dips reports whether the lag is the lowest of its neighbourhood, an eighth of it to each side.
func (v *variogram) dips(lag int) bool {
	w := max(1, min(lag/8, len(v.gamma)-1-lag))
	if lag <= w {
		return false
	}
	g := v.gamma[lag]
	if !(g < v.gamma[lag-1]) && !(g < v.gamma[lag+1]) { // flat
		return false
	}
	for d := 1; d <= w; d++ {
		if v.gamma[lag-d] < g || v.gamma[lag+d] < g {
			return false
		}
	}
	return true
}

// strength is how deep the lag lies below the mean of its surrounding, as a share.
func (v *variogram) strength(lag int) float64 {
	w := v.around(lag)
	mean := (v.sum[lag+w+1] - v.sum[lag-w]) / float64(2*w+1)
	if !(mean > 0) {
		return 0
	}
	return 1 - v.gamma[lag]/mean
}

// noise is the standard error of an autocorrelation at that lag, by Bartlett's formula over the lags before the first half of it.
func (v *variogram) noise(lag int) float64 {
	return math.Sqrt((1 + 2*(v.ratio[lag/4]-v.ratio[0])) / float64(v.n-lag))
}

// peaks reports whether the periodogram stands out at the lag's frequency or one of its next three harmonics.
func (v *variogram) peaks(lag int) bool {
	for h := 1; h <= 4; h++ {
		f := float64(h) * float64(v.size) / float64(lag)
		k := int(math.Round(f))
		if k+1 >= len(v.power) {
			break
		}
		if k < 2 {
			continue
		}
		top := max(v.power[k-1], v.power[k], v.power[k+1])
		if top > peak*v.middle(k) {
			return true
		}
	}
	return false
}

// middle is the median power in the octave around a frequency, without the peak itself.
func (v *variogram) middle(k int) float64 {
	if v.lookup[k] > 0 {
		return v.lookup[k]
	}
	beside := 2 * v.size / v.n // the width of a peak, in bins of the padded transform
	var near []float64
	lo, hi := max(1, min(k*2/3, k-4*beside)), min(len(v.power), max(k*3/2, k+4*beside)+1)
	every := max(1, (hi-lo)/256)
	for i := lo; i < hi; i += every {
		if i < k-beside || i > k+beside {
			near = append(near, v.power[i])
		}
	}
	m := math.SmallestNonzeroFloat64
	if len(near) > 0 {
		m = max(m, robust.MedianInPlace(near))
	}
	v.lookup[k] = m
	return m
}

// lines returns the periods of the highest lines of the periodogram that come often enough.
func (v *variogram) lines(limit int) []float64 {
	var at []int
	for k := max(2, leastCycles*v.size/v.n); k+2 < len(v.power); k++ {
		if v.power[k] < v.power[k-1] || v.power[k] < v.power[k+1] {
			continue
		}
		i := len(at)
		for ; i > 0 && v.power[at[i-1]] < v.power[k]; i-- {
		}
		if i < limit {
			at = slices.Insert(at, i, k)
			at = at[:min(len(at), limit)]
		}
	}
	out := make([]float64, len(at))
	for i, k := range at {
		out[i] = float64(v.size) / v.summit(k)
	}
	return out
}

// hollow reports whether the variogram has a dip within an eighth of the lag.
func (v *variogram) hollow(lag int) bool {
	w := max(1, lag/8)
	if lag <= w || lag+w >= v.end() {
		return false
	}
	best := lag
	for d := -w; d <= w; d++ {
		if v.gamma[lag+d] < v.gamma[best] {
			best = lag + d
		}
	}
	return best > lag-w && best < lag+w && v.strength(best) >= leastStrength/2
}

// summit returns where between the bins a line is highest: that of a parabola through the logarithms.
func (v *variogram) summit(k int) float64 {
	const tiny = math.SmallestNonzeroFloat64
	a, b, c := math.Log(v.power[k-1]+tiny), math.Log(v.power[k]+tiny), math.Log(v.power[k+1]+tiny)
	if d := a - 2*b + c; d < 0 {
		return float64(k) + min(max((a-c)/(2*d), -0.5), 0.5)
	}
	return float64(k)
}

// refined reads a period off the dip at its longest multiple that still has one, since an error of half a sample there is one of a fraction here.
func (v *variogram) refined(c candidate) float64 {
	p := c.samples
	w := max(1, int(p)/8)
	for k := 2; ; k++ {
		lag := int(math.Round(float64(k) * p))
		if lag+w >= v.end() || lag > v.n/2 {
			return p
		}
		best := lag
		for d := -w; d <= w; d++ {
			if v.gamma[lag+d] < v.gamma[best] {
				best = lag + d
			}
		}
		if best == lag-w || best == lag+w || v.strength(best) < 0.5*c.strength {
			return p
		}
		p = float64(best) / float64(k)
	}
}
