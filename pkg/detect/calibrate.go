package detect

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/foreshock/foreshock/pkg/robust"
	"github.com/foreshock/foreshock/pkg/wire"
)

// threshold turns raw scores into levels: level = max(0, raw − Middle) / (Theta − Middle).
type threshold struct {
	// middle is the median raw score, theta the raw score of an anomaly.
	middle, theta float64
	// promise is what theta was chosen for.
	promise Calibration
}

// Calibration is what a threshold promises: the false episodes a week that it is expected to let through. As a mean over many series it holds within a factor of two while
// they stay what they were; of one series no more is known than the interval.
type Calibration struct {
	// Budget is the expected number a week, Low and High are the ends of the 90 % interval for this series: what the episodes of a week or two can tell of a rate.
	Budget, Low, High float64
}

// promised returns the interval of a rate of which allowed·weeks episodes were seen in so many weeks: the quantiles of the gamma distribution with Jeffreys' prior.
// Source: Brown, Cai and DasGupta, Interval estimation in exponential families, Statistica Sinica 13, 2003.
func promised(allowed, weeks float64) Calibration {
	d := distuv.Gamma{Alpha: allowed*weeks + 0.5, Beta: weeks}
	return Calibration{Budget: allowed, Low: d.Quantile(0.05), High: d.Quantile(0.95)}
}

// Calibration returns what the threshold promises.
func (t threshold) Calibration() Calibration { return t.promise }

func (t threshold) write(w wire.Writer) wire.Writer {
	return w.Floats(t.middle, t.theta, t.promise.Budget, t.promise.Low, t.promise.High)
}

func readThreshold(r *wire.Reader) threshold {
	return threshold{middle: r.Float(), theta: r.Float(), promise: Calibration{Budget: r.Float(), Low: r.Float(), High: r.Float()}}
}

// level returns the level of a raw score ≥ 0; NaN stays NaN.
func (t threshold) level(raw float64) float64 {
	if raw <= t.middle {
		return 0
	}
	return (raw - t.middle) / (t.theta - t.middle)
}

const (
	// clusterGapMillis separates episodes: peaks nearer than this belong to one.
	clusterGapMillis = 30 * 60 * 1000
	// tailPeaks is how many of the highest episodes the tail is fitted to: enough for two parameters, few enough to be a tail.
	tailPeaks = 40
	// tie keeps a threshold above a score that comes again exactly, as those of states and counts do: what the budget does not allow must not reach it.
	tie = 1e-6
	// weekMillis is what the noise budget is counted in.
	weekMillis = 7 * 24 * 60 * 60 * 1000
	// leastMargin keeps a threshold off the middle of a series whose held-out scores hardly vary, in usual distances.
	leastMargin = 1
)

// calibrate finds the threshold that lets a budget of episodes a week through, from held-out raw scores (NaN for gaps, sign ignored) that lie step
// milliseconds apart. The unit is an episode: n of m samples above, declustered. Above the budget it takes the order statistic; where the window is too short for
// that it drops as many episodes as the budget allows, fits a generalised Pareto distribution to the highest of the rest, its shape shrunk to [0, ½], and reads the
// threshold off that. The expected number over many series is what holds; for one series it is uncertain by a factor of about two.
func calibrate(held []float64, step int64, train Train, budget float64) threshold {
	raw := make([]float64, 0, len(held))
	for _, h := range held {
		if h-h == 0 {
			raw = append(raw, math.Abs(h))
		}
	}
	if len(raw) == 0 {
		return threshold{theta: math.Inf(1)}
	}
	scratch := make([]float64, 0, len(raw))
	t := threshold{middle: robust.Median(raw, scratch)}
	weeks := float64(len(raw)) * float64(step) / weekMillis
	t.promise = promised(budget, weeks)
	gap := max(1, int(clusterGapMillis/step))
	peaks := clusters(confirmed(raw, max(1, train.N), max(1, train.M)), gap, scratch)
	t.theta = max(tail(peaks, budget*weeks)*(1+tie), t.middle+leastMargin)
	return t
}

// confirmed returns, per sample, the n-th highest of the last m: the level that an episode would be confirmed at.
func confirmed(raw []float64, n, m int) []float64 {
	if n <= 1 && m <= 1 {
		return raw
	}
	out := make([]float64, len(raw))
	window := make([]float64, 0, m) // highest first
	for i, x := range raw {
		if n == 3 && m == 5 && i >= m { // as it is unless somebody sets it
			out[i] = middleOfFive(raw[i-4], raw[i-3], raw[i-2], raw[i-1], x)
			continue
		}
		at := len(window)
		if i >= m { // the new one takes the place of the oldest
			at = place(window, raw[i-m])
		} else {
			window = append(window, x)
		}
		for ; at > 0 && window[at-1] < x; at-- {
			window[at] = window[at-1]
		}
		for ; at < len(window)-1 && window[at+1] > x; at++ {
			window[at] = window[at+1]
		}
		window[at] = x
		if len(window) >= n {
			out[i] = window[n-1]
		}
	}
	return out
}

// middleOfFive returns the third of five numbers.
func middleOfFive(a, b, c, d, e float64) float64 {
	// Neither the lowest nor the highest of the first four is it.
	f, g := max(min(a, b), min(c, d)), min(max(a, b), max(c, d))
	return max(min(f, g), min(max(f, g), e))
}

// place returns where x stands.
func place(window []float64, x float64) int {
	for i, y := range window {
		if y == x {
			return i
		}
	}
	panic("detect: a value left a window that never had it")
}

// clusters returns the peaks of the runs above the 90 % quantile, highest first; runs less than gap samples apart are one. The level must not be empty.
// scratch is room.
func clusters(level []float64, gap int, scratch []float64) []float64 {
	scratch = append(scratch[:0], level...)
	above := robust.Select(scratch, len(scratch)*9/10)
	if top := slices.Max(level); top == above && above > robust.Select(scratch, len(scratch)/2) {
		above = math.Nextafter(above, 0) // more than a tenth of the samples are at the top
	}
	var peaks []float64
	last := -gap - 1
	for i, x := range level {
		if x <= above {
			continue
		}
		if i-last > gap {
			peaks = append(peaks, x)
		} else if k := len(peaks) - 1; x > peaks[k] {
			peaks[k] = x
		}
		last = i
	}
	slices.SortFunc(peaks, func(a, b float64) int {
		switch {
		case a > b:
			return -1
		case a < b:
			return 1
		}
		return 0
	})
	return peaks
}

// tail returns the level that the given number of episodes exceeds, from their peaks, highest first.
// Source of the estimator: Hosking and Wallis, Parameter and Quantile Estimation for the Generalized Pareto Distribution, Technometrics 29(3), 1987,
// doi:10.1080/00401706.1987.10488243 (probability-weighted moments).
func tail(peaks []float64, allowed float64) float64 {
	if len(peaks) == 0 {
		return 0
	}
	if k := int(allowed); k >= 4 {
		return peaks[min(k, len(peaks)-1)]
	}
	rest := peaks[min(int(math.Round(allowed)), len(peaks)-1):]
	if len(rest) < 5 {
		return rest[0] * 1.25
	}
	k := min(tailPeaks, len(rest)-1)
	from := rest[k]
	excess := make([]float64, k)
	for i := range excess {
		excess[i] = rest[k-1-i] - from // lowest first
	}
	shape, scale := pareto(excess)
	// k episodes exceed from, and those that were dropped; how far up until only the allowed number does?
	ratio := max((float64(k)+math.Round(allowed))/max(allowed, 1e-6), 1)
	if shape < 1e-6 {
		return from + scale*math.Log(ratio)
	}
	return from + scale/shape*(math.Pow(ratio, shape)-1)
}

// pareto fits shape and scale to sorted excesses.
func pareto(excess []float64) (shape, scale float64) {
	n := float64(len(excess))
	mean := robust.Mean(excess)
	weighted := 0.0 // E[x(1−F(x))]
	for i, x := range excess {
		weighted += x * (n - 1 - float64(i)) / (n - 1) / n
	}
	if d := mean - 2*weighted; d > 0 {
		shape = 2 - mean/d
	}
	shape = min(max(shape, 0), 0.5)
	return shape, mean * (1 - shape)
}
