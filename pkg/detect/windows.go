package detect

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/foreshock/foreshock/pkg/robust"
	"github.com/foreshock/foreshock/pkg/season"
	"github.com/foreshock/foreshock/pkg/series"
	"github.com/foreshock/foreshock/pkg/wire"
)

// What detectors over windows share: a window of w samples is named by the index of its first one, and n samples have n−w+1 of them.

// scaling brings the samples of a series to numbers near 0 of size about 1, so that no square overflows and no unit matters.
type scaling struct{ center, scale float64 }

// farthest bounds a scaled sample: what lies that far out is as abnormal as can be told.
const farthest = 1e7

// scalingOf takes the median and the usual deviation from it; where more than half of the samples are equal, the mean deviation.
func scalingOf(values []float64) scaling {
	present := robust.Drop(make([]float64, 0, len(values)), values)
	if len(present) == 0 {
		return scaling{0, 1}
	}
	center := robust.MedianInPlace(present)
	for i, x := range present {
		present[i] = math.Abs(x - center)
	}
	mean := 0.0
	for _, d := range present {
		mean += d / float64(len(present))
	}
	scale := robust.Gaussian * robust.MedianInPlace(present)
	if scale < 0.05*mean { // rarely anything but its usual value
		scale = robust.GaussianMean * mean
	}
	if scale = max(scale, rounding*math.Abs(center)); !(scale > 1e-300) {
		scale = 1
	}
	return scaling{center, scale}
}

// of returns the scaled samples, each gap taken from the sample before it.
func (c scaling) of(values []float64) []float64 {
	v := filled(values, c.center)
	for i, x := range v {
		v[i] = min(max((x-c.center)/c.scale, -farthest), farthest)
	}
	return v
}

// runs returns the stretches [from, to) of at least w samples in which no gap is longer than a tenth of a window: windows within them may be learnt from.
func runs(values []float64, w int) [][2]int {
	longest := max(2, w/10)
	var out [][2]int
	from, last := -1, -1 // the first and the latest sample of the stretch
	end := func() {
		if from >= 0 && last+1-from >= w {
			out = append(out, [2]int{from, last + 1})
		}
	}
	for i, x := range values {
		if x != x {
			continue
		}
		if from < 0 || i-last-1 > longest {
			end()
			from = i
		}
		last = i
	}
	end()
	return out
}

// windowsIn counts the windows of w samples within runs.
func windowsIn(of [][2]int, w int) int {
	n := 0
	for _, r := range of {
		n += r[1] - r[0] - w + 1
	}
	return n
}

// drawWindows returns the windows within runs, in order, and no more than most. Where there are more, one is drawn from each of as many equal parts, so that all times take part.
func drawWindows(of [][2]int, w, most int, rng *rand.Rand) []int {
	all := make([]int, 0, windowsIn(of, w))
	for _, r := range of {
		for i := r[0]; i+w <= r[1]; i++ {
			all = append(all, i)
		}
	}
	if len(all) <= most {
		return all
	}
	drawn := make([]int, most)
	for k := range drawn {
		from, to := k*len(all)/most, (k+1)*len(all)/most
		drawn[k] = all[from+rng.IntN(to-from)]
	}
	return drawn
}

// seeded returns the source of randomness of one fit: the same for the same series and time, another for another.
func seeded(s series.Series) *rand.Rand {
	return rand.New(rand.NewPCG(s.Labels.Hash(), uint64(s.Grid.Start)))
}

// slidingSums returns the sum of every window of w values, without the drift of a running sum: each is the end of one block and the beginning of the next.
// Source: van Herk, Pattern Recognition Letters 13(7), 1992, doi:10.1016/0167-8655(92)90069-C, with sums in place of maxima.
func slidingSums(values []float64, w int) []float64 {
	n := len(values) - w + 1
	if n <= 0 {
		return nil
	}
	out := make([]float64, n)
	ends := make([]float64, w+1) // ends[k] is the sum of the block from its k-th value on
	for b := 0; b < n; b += w {
		for k := w - 1; k >= 0; k-- {
			ends[k] = ends[k+1] + values[b+k]
		}
		begun := 0.0
		for k := 0; k < w && b+k < n; k++ {
			out[b+k] = ends[k] + begun
			if b+w+k < len(values) {
				begun += values[b+w+k]
			}
		}
	}
	return out
}

// moments returns the mean and the standard deviation of every window of w values. A deviation that is nothing but rounding is 0.
func moments(values []float64, w int) (mean, dev []float64) {
	squares := make([]float64, len(values))
	for i, x := range values {
		squares[i] = x * x
	}
	mean, dev = slidingSums(values, w), slidingSums(squares, w)
	for i := range mean {
		mean[i] /= float64(w)
		second := dev[i] / float64(w)
		if v := second - mean[i]*mean[i]; v > 1e-13*second {
			dev[i] = math.Sqrt(v)
		} else {
			dev[i] = 0
		}
	}
	return mean, dev
}

// spreadOver gives each of n samples the mean score of the windows of w samples that cover it.
func spreadOver(scores []float64, n, w int) []float64 {
	padded := make([]float64, len(scores)+2*(w-1)) // a sample is covered by the windows that begin in the w samples up to it
	copy(padded[w-1:], scores)
	out := slidingSums(padded, w)[:n]
	for i := range out {
		covering := min(i, len(scores)-1) - max(0, i-w+1) + 1
		out[i] /= float64(max(1, covering))
	}
	return out
}

// atEnds gives each window's score to its last sample: those before the first window have nothing to be judged by and get 0.
func atEnds(scores, dst []float64, w int) {
	clear(dst[:min(len(dst), w-1)])
	if len(dst) >= w {
		copy(dst[w-1:], scores)
	}
}

// lagUnknown is the length of a window of a series that has no period; the value of TSB-AD.
const lagUnknown = 125

// reviewed window data: scaled samples without gaps, and a length of window that fits the series.
func reviewable(s series.Series) (values []float64, w int, err error) {
	u := usable(s)
	if u.Present() < 20 {
		return nil, 0, fmt.Errorf("%w: %d samples, want at least 20", ErrTooShort, u.Present())
	}
	w = min(season.Lag(u.Values, lagUnknown), len(u.Values)/4)
	return scalingOf(u.Values).of(u.Values), w, nil
}

// onlySamples turns the scores of gaps into NaN.
func onlySamples(scores []float64, s series.Series) []float64 {
	for i, x := range usable(s).Values {
		if x != x {
			scores[i] = math.NaN()
		}
	}
	return scores
}

// standing turns a score of any scale into usual distances above the usual score, so that a threshold can keep a margin.
type standing struct{ middle, spread float64 }

// standingOf learns the usual score and how far scores usually lie from it. It reorders the scores.
func standingOf(scores []float64) standing {
	if len(scores) == 0 {
		return standing{0, 1}
	}
	middle := robust.MedianInPlace(scores)
	for i, x := range scores {
		scores[i] = math.Abs(x - middle)
	}
	mean := robust.Mean(scores)
	spread := max(robust.Gaussian*robust.MedianInPlace(scores), 0.1*mean, 1e-6*middle)
	if !(spread > 1e-12) {
		spread = 1e-12
	}
	return standing{middle, spread}
}

// of returns the distance, 0 for what is below the usual score.
func (s standing) of(x float64) float64 { return max(0, (x-s.middle)/s.spread) }

func (s standing) all(scores []float64) {
	for i, x := range scores {
		scores[i] = s.of(x)
	}
}

func (c scaling) write(w wire.Writer) wire.Writer { return w.Floats(c.center, c.scale) }

func readScaling(r *wire.Reader) scaling { return scaling{center: r.Float(), scale: r.Float()} }

func (s standing) write(w wire.Writer) wire.Writer { return w.Floats(s.middle, s.spread) }

func readStanding(r *wire.Reader) standing { return standing{middle: r.Float(), spread: r.Float()} }
