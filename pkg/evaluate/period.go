package evaluate

import "github.com/foreshock/foreshock/pkg/robust"

const (
	// periodSamples is how much of a series its period is looked for in, periodLags how far.
	periodSamples, periodLags = 20000, 401
	// noPeriod is the buffer of a series without a period.
	noPeriod = 125
)

// Period returns the lag of the highest local maximum of the autocorrelation, among lags of 6 to 303 samples; 125 where there is none. It is the buffer that VUS
// takes for a series, as in TSB-AD: Liu and Paparrizos, The Elephant in the Room: Towards A Reliable Time-Series Anomaly Detection Benchmark, NeurIPS 2024.
func Period(values []float64) int {
	x := values[:min(len(values), periodSamples)]
	n := len(x)
	if n == 0 {
		return noPeriod
	}
	mean := robust.Mean(x)
	c := make([]float64, n)
	for i := range x {
		c[i] = x[i] - mean
	}
	ac := make([]float64, min(periodLags, n))
	for lag := range ac {
		sum := 0.0
		for i, y := range c[lag:] {
			sum += c[i] * y
		}
		ac[lag] = sum
	}
	if !(ac[0] > 0) || len(ac) < 6 {
		return noPeriod
	}
	// The first three lags are left out, and so is what is nearest to them: the shoulder of lag 0.
	ac = ac[3:]
	best := -1
	for k := 1; k < len(ac)-1; k++ {
		if ac[k] > ac[k-1] && ac[k] > ac[k+1] && (best < 0 || ac[k] > ac[best]) {
			best = k
		}
	}
	if best < 3 || best > 300 {
		return noPeriod
	}
	return best + 3
}
