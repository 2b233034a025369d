package detect

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/dsp/fourier"
)

const (
	// longestCycle bounds a cycle in samples; cyclesHeld is how many of them the series must hold.
	longestCycle, cyclesHeld = 3000, 8
	// nearlyBest takes the first peak of the autocorrelation that is nearly as high as the highest: multiples of a cycle repeat as well.
	nearlyBest = 0.9
	// leastCycleStrength is the autocorrelation from which a cycle is believed.
	leastCycleStrength = 0.1
	// followsDay is the share of the variation that the time of the day must explain.
	followsDay = 0.1
)

// cycleOf returns the lag of the first high peak of the autocorrelation behind its first zero, and its height; 0 where there is none. Levels slower than the longest cycle are taken
// out first, and values are drawn in to their 1 % and 99 % quantiles.
func cycleOf(x []float64) (samples int, strength float64) {
	n := len(x)
	most := min(n/cyclesHeld, longestCycle)
	if most < leastLagSeen {
		return 0, 0
	}
	y := withoutLevel(x, min(n, 2*most)/2)
	sorted := slices.Clone(y)
	low, high := quantileOf(sorted, 0.01), quantileOf(sorted, 0.99)
	mean := 0.0
	for i, v := range y {
		y[i] = min(max(v, low), high)
		mean += y[i] / float64(n)
	}
	for i := range y {
		y[i] -= mean
	}
	ac := autocorrelation(y, most+2)
	if ac == nil {
		return 0, 0
	}
	first := leastLagSeen
	if k := slices.IndexFunc(ac, func(r float64) bool { return r < 0 }); k > first {
		first = k
	}
	highest := 0.0
	for k := first; k+1 < len(ac); k++ {
		if peakAt(ac, k) {
			highest = max(highest, ac[k])
		}
	}
	for k := first; k+1 < len(ac) && highest >= leastCycleStrength; k++ {
		if peakAt(ac, k) && ac[k] >= nearlyBest*highest {
			return k, ac[k]
		}
	}
	return 0, 0
}

// leastLagSeen is the shortest cycle.
const leastLagSeen = 4

func peakAt(ac []float64, k int) bool { return ac[k] > ac[k-1] && ac[k] >= ac[k+1] }

// withoutLevel returns the values less the mean of up to aside values on either side.
func withoutLevel(x []float64, aside int) []float64 {
	sums := make([]float64, len(x)+1)
	for i, v := range x {
		sums[i+1] = sums[i] + v
	}
	out := make([]float64, len(x))
	for i, v := range x {
		from, to := max(0, i-aside), min(len(x), i+aside+1)
		out[i] = v - (sums[to]-sums[from])/float64(to-from)
	}
	return out
}

// autocorrelation returns that of the values, whose mean is 0, at lags 0…lags−1, each over the pairs that it has; nil where nothing varies.
func autocorrelation(x []float64, lags int) []float64 {
	size := 1
	for size < 2*len(x) {
		size *= 2
	}
	fft := fourier.NewFFT(size)
	padded := make([]float64, size)
	copy(padded, x)
	f := fft.Coefficients(nil, padded)
	for i, c := range f {
		f[i] = complex(real(c)*real(c)+imag(c)*imag(c), 0)
	}
	padded = fft.Sequence(padded, f)
	if !(padded[0] > 0) || math.IsInf(padded[0], 0) {
		return nil
	}
	out := make([]float64, min(lags, len(x)))
	for k := range out {
		out[k] = padded[k] / padded[0] * float64(len(x)) / float64(len(x)-k)
	}
	return out
}

// follows reports whether the phase of a cycle of p samples explains a share of the variation worth going by.
func follows(x []float64, p int) bool {
	if p < leastLagSeen || len(x) < leastCyclesSeen*p {
		return false
	}
	left := leftOfCycle(x, p)
	return variation(left) < (1-followsDay)*variation(x)
}

// variation is the mean squared distance from the middle of the values within their 5 % and 95 % quantiles.
func variation(x []float64) float64 {
	v := slices.Clone(x)
	low, high := quantileOf(v, 0.05), quantileOf(v, 0.95)
	mean := 0.0
	for i, y := range v {
		v[i] = min(max(y, low), high)
		mean += v[i] / float64(len(v))
	}
	sum := 0.0
	for _, y := range v {
		sum += (y - mean) * (y - mean) / float64(len(v))
	}
	return sum
}
