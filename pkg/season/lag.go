package season

import (
	"math"

	"gonum.org/v1/gonum/floats"
)

const (
	// leastLag and mostLag bound what counts as a period of the window detectors: shorter ones are noise, longer ones make dear windows. Peaks are looked for from
	// firstLag on; where the highest is below leastLag there is no period.
	firstLag, leastLag, mostLag = 4, 6, 303
	// lagsSeen is how many lags are looked at: a peak beyond mostLag tells that the shorter ones are only its echo.
	lagsSeen = 401
	// lagSamples bounds the work: as many samples from the beginning are looked at.
	lagSamples = 20_000
)

// Lag returns the lag, in samples, of the highest local peak of the autocorrelation of the values, or otherwise where there is none between 6 and 303 samples.
// Gaps (NaN) count as the mean. It is the rule by which public leaderboards choose the length of windows, and knows nothing of wall clocks.
// Source: the sliding window of TSB-AD, Liu and Paparrizos, The Elephant in the Room, NeurIPS 2024 (find_length).
func Lag(values []float64, otherwise int) int {
	x := centered(values[:min(len(values), lagSamples)])
	lags := min(lagsSeen, len(x))
	ac := make([]float64, lags)
	for k := range ac {
		ac[k] = floats.Dot(x[:len(x)-k], x[k:])
	}
	best := -1
	for k := firstLag; k < lags-1; k++ {
		if ac[k] > ac[k-1] && ac[k] > ac[k+1] && (best < 0 || ac[k] > ac[best]) {
			best = k
		}
	}
	if best < leastLag || best > mostLag || !(ac[0] > 0) {
		return otherwise
	}
	return best
}

// centered returns the values less their mean, at most 1 in size, gaps as 0.
func centered(values []float64) []float64 {
	largest := 0.0
	for _, v := range values {
		if a := math.Abs(v); a > largest && !math.IsInf(a, 0) {
			largest = a
		}
	}
	x := make([]float64, len(values))
	if largest == 0 {
		return x
	}
	mean, n := 0.0, 0
	for _, v := range values {
		if v-v == 0 {
			mean += v / largest
			n++
		}
	}
	mean /= float64(n)
	for i, v := range values {
		if v-v == 0 {
			x[i] = v/largest - mean
		}
	}
	return x
}
