package season

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/gonum/dsp/fourier"

	"github.com/foreshock/foreshock/pkg/robust"
	"github.com/foreshock/foreshock/pkg/series"
)

// Period is a length after which a series repeats itself.
type Period struct {
	// Samples is its length in samples, not always a whole number; times the step it is a duration.
	Samples float64
	// Strength is the share of the variation that samples one period apart have in common, 0 to 1, after the periods found before it are taken out. Variation means
	// that of the samples within their usual range, without what is slower than the period.
	Strength float64
	// Name is "day" or "week" where it is one on the wall clock, else empty.
	Name string
}

const (
	// leastStrength is what a period must explain to be told of.
	leastStrength = 0.1
	// leastCycles is how often a period must have come to be believed; the wall clock's periods, which are expected, need twoCycles.
	leastCycles, twoCycles = 3, 2.0
	// surprise and expected are how many standard errors of the autocorrelation the strength must reach: a period out of the blue among thousands of candidates, and a
	// day or week.
	surprise, expected = 4.5, 3.5
	// shorter prefers a period to a longer one that is hardly stronger: multiples repeat as well.
	shorter = 0.75
	// shortDay prefers the day to what else may be stronger, like the week that holds it.
	shortDay = 0.3
	// near is how far from a day a period may lie to be one.
	near = 0.02
	// peak is how far above the middle of its surroundings the spectrum must stand at a period or one of its first harmonics. Of pure noise one bin in 400 does.
	peak = 8.6
	// wild is how many usual distances from the middle values are drawn in to, so that a spike counts as one sample among many.
	wild = 4
	// steady is how strong the fold of a period must be, as a share of its dip, to be that of a clock.
	steady = 0.4
	// maxCandidates and maxLines bound the work.
	maxCandidates = 12
	maxLines      = 6
)

// Periods finds up to limit periods, in the order found: each explains most of what those before it leave. Gaps are allowed, and neither spikes nor a straight trend nor lasting shifts between days (see Levels) are
// taken for a period. It costs two to four Fourier transforms of twice the length per period.
//
// A period is a dip of the variogram, the mean squared difference of samples one lag apart, which is the autocorrelation with gaps and slow drifts left out. It must stand out of the noise by Bartlett's standard error, must show in the periodogram; the day and
// the week of the wall clock need less of both. Among the dips, and the highest lines of the periodogram, the one that explains most when the series is folded by it is
// the period, and the share explained its strength. Sources: Vlachos, Yu and Castelli, On Periodicity Detection and Structural Periodic Similarity, SDM 2005,
// doi:10.1137/1.9781611972757.40 (periodogram and autocorrelation together); Wen et al., RobustPeriod, SIGMOD 2021, doi:10.1145/3448016.3452779 (robustness, several
// periods); Bartlett, JRSS Supplement 8(1), 1946, doi:10.2307/2983611.
func Periods(s series.Series, limit int) []Period {
	x := flattened(aligned(s))
	if x == nil {
		return nil
	}
	var found []Period
	for len(found) < limit {
		p, ok := strongest(x, s.Grid.Step, found)
		if !ok || p.Strength < leastStrength {
			break
		}
		found = append(found, p)
		without(x, p.Samples)
	}
	return found
}

// aligned returns the values with all levels moved to the newest.
func aligned(s series.Series) []float64 {
	levels := Levels(s.Values, s.Grid)
	if len(levels) == 1 {
		return s.Values
	}
	out := slices.Clone(s.Values)
	for _, l := range levels {
		for i := l.From; i < l.To; i++ {
			out[i] -= l.Offset
		}
	}
	return out
}

// flattened returns the values without a straight trend, around their median and drawn in to their usual range, in usual distances; nil where there is nothing to see: fewer
// than a dozen values, more than half of them missing, or all alike.
func flattened(values []float64) []float64 {
	present := make([]float64, 0, len(values))
	for _, v := range values {
		if math.Abs(v) <= 1e300 {
			present = append(present, v)
		}
	}
	if len(present) < 12 || 2*len(present) < len(values) {
		return nil
	}
	slope := drift(values)
	x := make([]float64, len(values))
	present = present[:0]
	for i, v := range values {
		if x[i] = math.NaN(); math.Abs(v) <= 1e300 {
			x[i] = v - slope*float64(i)
			present = append(present, x[i])
		}
	}
	center := robust.MedianInPlace(present)
	for i, v := range present {
		present[i] = math.Abs(v - center)
	}
	scale := robust.Gaussian * robust.MedianInPlace(present)
	if !(scale > 0) {
		scale = robust.GaussianMean * robust.Mean(present)
	}
	if !(scale > 0) || math.IsInf(scale, 0) {
		return nil
	}
	for i, v := range x {
		x[i] = min(max((v-center)/scale, -wild), wild) // NaN stays
	}
	return x
}

// drift returns the slope per sample of a straight trend through the medians of a few long blocks, 0 where they show none.
func drift(values []float64) float64 {
	const blocks = 8
	var at, level, scratch []float64
	for b := range blocks {
		from, to := b*len(values)/blocks, (b+1)*len(values)/blocks
		scratch = scratch[:0]
		for _, v := range values[from:to] {
			if math.Abs(v) <= 1e300 {
				scratch = append(scratch, v)
			}
		}
		if 2*len(scratch) >= to-from {
			at = append(at, float64(from+to)/2)
			level = append(level, robust.MedianInPlace(scratch))
		}
	}
	if len(at) < 4 {
		return 0
	}
	slope, trend := robust.Slope(at, level)
	if !trend || slope-slope != 0 {
		return 0
	}
	return slope
}

// strongest finds the period that explains most; false when there is none.
func strongest(x []float64, step int64, found []Period) (Period, bool) {
	v := newVariogram(x)
	if v == nil {
		return Period{}, false
	}
	dips := v.candidates(step, found)
	if len(dips) == 0 {
		return Period{}, false
	}
	deepest := 0.0
	for _, d := range dips {
		deepest = max(deepest, d.strength)
	}
	var folded []candidate
	top := 0.0
	add := func(samples float64, name string) {
		c := candidate{samples: samples, strength: fold(x, samples), name: name}
		top = max(top, c.strength)
		folded = append(folded, c)
	}
	for _, d := range dips {
		if d.name != "" {
			add(d.samples, d.name)
		} else {
			add(v.refined(d), "")
		}
	}
	for _, p := range v.lines(maxLines) { // what several periods hide from the variogram
		if wallClock(p, step) == "" && !known(p, found) && v.hollow(int(math.Round(p))) {
			add(p, "")
		}
	}
	if top >= steady*deepest {
		return best(folded, len(x)), true
	}
	// It repeats, but not like a clock, as heartbeats do: its dips tell more than its fold.
	b := best(dips, len(x))
	if b.Name == "" {
		b.Samples = v.refined(candidate{samples: b.Samples, strength: b.Strength})
	}
	return b, true
}

// best returns the shortest candidate that is nearly as strong as the strongest; a day needs to be less so.
func best(all []candidate, n int) Period {
	top := 0.0
	for _, c := range all {
		top = max(top, c.strength)
	}
	b := candidate{samples: math.Inf(1)}
	for _, c := range all {
		if c.name == "day" && c.strength >= shortDay*top {
			return Period{Samples: c.samples, Strength: min(c.strength, 1), Name: c.name}
		}
		if c.strength >= shorter*top && c.samples < b.samples {
			b = c
		}
	}
	// The sharpest reading of that one: two within half the resolution of the spectrum are the same.
	same := max(1, b.samples*b.samples/float64(2*n))
	for _, c := range all {
		if math.Abs(c.samples-b.samples) <= same && c.strength > b.strength {
			b = c
		}
	}
	return Period{Samples: b.samples, Strength: min(b.strength, 1), Name: b.name}
}

// candidates returns the dips that stand out of the noise, the deepest first, at most maxCandidates of them. Days and weeks are exact.
func (v *variogram) candidates(step int64, found []Period) []candidate {
	var all []candidate
	for lag := 2; lag < v.end(); lag++ {
		if !v.dips(lag) {
			continue
		}
		c := candidate{samples: float64(lag), name: wallClock(float64(lag), step)}
		if cycles := float64(v.n) / c.samples; cycles < twoCycles-near || (c.name == "" && cycles < leastCycles) || known(c.samples, found) {
			continue
		}
		need := surprise
		if c.name != "" {
			need = expected
		}
		c.strength = v.strength(lag)
		if !(c.strength >= max(leastStrength, need*v.noise(lag))) || (c.name == "" && !v.peaks(lag)) {
			continue
		}
		switch c.name {
		case "day":
			c.samples = DayMillis / float64(step)
		case "week":
			c.samples = 7 * DayMillis / float64(step)
		}
		all = append(all, c)
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return cmp.Compare(b.strength, a.strength) })
	return all[:min(len(all), maxCandidates)]
}

// candidate is a length that may be a period.
type candidate struct {
	samples, strength float64
	name              string
}

// wallClock names a period of that many samples: "day", "week", or nothing.
func wallClock(samples float64, step int64) string {
	millis := samples * float64(step)
	switch {
	case math.Abs(millis-DayMillis) <= near*DayMillis:
		return "day"
	case math.Abs(millis-7*DayMillis) <= near*DayMillis:
		return "week"
	}
	return ""
}

// known reports whether a period was found before: what it leaves repeats no less.
func known(samples float64, found []Period) bool {
	for _, p := range found {
		if math.Abs(samples-p.Samples) <= max(1, 0.1*p.Samples) {
			return true
		}
		if k := math.Round(samples / p.Samples); k >= 2 && k <= 8 && math.Abs(samples-k*p.Samples) <= max(1, 0.02*samples) && !(p.Name == "day" && k == 7) {
			return true
		}
	}
	return false
}

// maxPhases is how finely a period is drawn: a day in quarters of an hour.
const maxPhases = 96

// phase returns which of so many phases of a period sample i lies in.
func phase(i int, samples float64, phases int) int {
	turn := (float64(i) + 0.5) / samples
	return min(int((turn-math.Floor(turn))*float64(phases)), phases-1)
}

// fold returns the share of the variance that means per phase explain, less what they explain of noise. Source: Stellingwerf, Period determination using phase dispersion
// minimization, ApJ 224, 1978, doi:10.1086/156444.
func fold(x []float64, samples float64) float64 {
	phases := int(min(math.Ceil(samples), maxPhases))
	sum, count := make([]float64, phases), make([]float64, phases)
	total, squares, n := 0.0, 0.0, 0.0
	for i, v := range x {
		if v == v {
			k := phase(i, samples, phases)
			sum[k] += v
			count[k]++
			total += v
			squares += v * v
			n++
		}
	}
	within, used := squares, 0.0
	for k, c := range count {
		if c > 0 {
			within -= sum[k] * sum[k] / c
			used++
		}
	}
	all := squares - total*total/n
	if !(all > 0) || n <= used+1 {
		return 0
	}
	return max(0, 1-(within/(n-used))/(all/(n-1)))
}

// without takes the profile of a period out of the values: medians per phase.
func without(x []float64, samples float64) {
	phases := int(min(math.Ceil(samples), maxPhases))
	by := make([][]float64, phases)
	for i, v := range x {
		if v == v {
			k := phase(i, samples, phases)
			by[k] = append(by[k], v)
		}
	}
	profile := make([]float64, phases)
	for k, vs := range by {
		if len(vs) > 0 {
			profile[k] = robust.MedianInPlace(vs)
		}
	}
	for i := range x {
		x[i] -= profile[phase(i, samples, phases)] // NaN stays
	}
}

// transform returns a Fourier transform long enough for n values and the lags that are looked at: a product of small primes.
func transform(n int) *fourier.FFT {
	least, size := n+n*4/5+1, 1
	for size < least {
		size *= 2
	}
	for _, odd := range []int{3, 5, 9, 15} {
		s := odd
		for s < least {
			s *= 2
		}
		size = min(size, s)
	}
	return fourier.NewFFT(size)
}
