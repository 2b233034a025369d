package detect

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/foreshock/foreshock/pkg/season"
	"github.com/foreshock/foreshock/pkg/series"
)

const (
	// longest bounds the work: of a longer series the farthest sample of every few stands for them.
	longest = 400_000
	// fewest is how many samples a review needs to say anything.
	fewest = 8
	// shortWindow is what brief incidents are seen in, longWindow what shapes are where the cycle is not known to matter.
	shortWindow, longWindow = 15, 60
	// noCycle is the window for shapes where the series has no cycle; leastCycle and mostCycle bound the window of one that has.
	noCycle, leastCycle, mostCycle = 60, 16, 600
	// wideShare of a series, of at most wideSamples, is what slow changes are seen in.
	wideShare, wideSamples = 0.05, 20_000
	// eigenFloor keeps directions in which windows hardly vary from counting more than they can be trusted, as a share of the largest.
	eigenFloor = 1e-4
)

// looked is what a review saw in a series and went by.
type looked struct {
	// Cycle is the strongest period in samples, 0 for none; Strength what it explains, 0 to 1.
	Cycle    int
	Strength float64
	// Day is the number of samples of a day where the series follows it, else 0.
	Day int
	// Weights tells how much each view counted.
	Weights [views]float64
}

// view is one way to look at a whole series.
type view int

const (
	// brief: short windows that never came a second time, or that do not hang together as usual.
	brief view = iota
	// shape: windows of a cycle that look like no other.
	shape
	// wide: long windows whose level or course never came a second time.
	wide
	// clockwork: samples that differ from those at the same phase.
	clockwork
	views
)

// Review reads the whole series at once, later samples included. See docs/algorithms/auto.md, "Review".
func (*Auto) Review(s series.Series, _ *time.Location) ([]float64, error) {
	raw, _, err := reviewScore(s)
	return raw, err
}

// reviewScore reads a whole series with hindsight: a raw score per sample, 0 or more, higher is more abnormal, NaN for gaps, and what it went by. It is a pure function of
// the series. A series of one value, or of hardly any samples, scores 0.
func reviewScore(s series.Series) ([]float64, looked, error) {
	s = usable(s)
	var saw looked
	raw := make([]float64, s.Grid.N)
	defer func() {
		for i, v := range s.Values {
			if v != v {
				raw[i] = math.NaN()
			}
		}
	}()
	if s.Present() < fewest || unvaried(s.Values) {
		return raw, saw, nil
	}
	x := scalingOf(s.Values).of(bridged(s.Values))
	part := (len(x) + longest - 1) / longest
	x = farthestOf(x, part)
	saw.look(x, s.Grid.Step*int64(part))
	var v [views]sighting
	if err := saw.gather(x, seeded(s), &v); err != nil {
		return nil, saw, fmt.Errorf("review: %w", err)
	}
	score := make([]float64, len(x))
	saw.combine(&v, score)
	for i := range raw {
		raw[i] = score[i/part]
	}
	saw.Cycle *= part
	saw.Day *= part
	return raw, saw, nil
}

// farthestOf returns of every part samples the one farthest from the middle, which is 0.
func farthestOf(x []float64, part int) []float64 {
	if part == 1 {
		return x
	}
	out := make([]float64, (len(x)+part-1)/part)
	for i, v := range x {
		if k := i / part; math.Abs(v) > math.Abs(out[k]) {
			out[k] = v
		}
	}
	return out
}

// unvaried reports whether all samples that are no gaps are equal.
func unvaried(values []float64) bool {
	first := math.NaN()
	for _, v := range values {
		if first != first {
			first = v
		}
		if v < first || v > first {
			return false
		}
	}
	return true
}

// bridged returns the values with gaps filled along straight lines, and level at the ends.
func bridged(values []float64) []float64 {
	out := make([]float64, len(values))
	copy(out, values)
	last := -1
	for i, v := range values {
		if v != v {
			continue
		}
		switch {
		case last < 0:
			for k := range i {
				out[k] = v
			}
		default:
			for k := last + 1; k < i; k++ {
				out[k] = values[last] + (v-values[last])*(float64(k-last)/float64(i-last))
			}
		}
		last = i
	}
	for k := last + 1; last >= 0 && k < len(out); k++ {
		out[k] = values[last]
	}
	return out
}

// look finds what the series repeats after.
func (l *looked) look(x []float64, step int64) {
	l.Cycle, l.Strength = cycleOf(x)
	if day := int(season.DayMillis / step); int64(day)*step == season.DayMillis && follows(x, day) {
		l.Day = day
	}
}

// gather computes what each view says.
func (l *looked) gather(x []float64, rng *rand.Rand, v *[views]sighting) error {
	w := noCycle
	if l.Cycle >= leastCycle {
		w = l.Cycle
		for w > mostCycle {
			w /= 2
		}
	}
	v[brief].add(nearest(x, shortWindow, asIs, rng))
	course, err := unusualCourse(x, shortWindow)
	if err != nil {
		return err
	}
	v[brief].add(course)
	if len(v[brief].parts) == 0 { // shorter than any window
		v[brief].add(distances(x))
	}
	twin := untwinned(x, w)
	v[shape].unlike = 1
	if twin != nil {
		v[shape].unlike = middle(twin)
	}
	v[shape].add(twin)
	v[shape].add(untwinned(x, 2*w))
	v[shape].add(nearest(x, longWindow, shaped, rng))
	v[wide].add(nearest(x, w, centred, rng))
	v[wide].add(nearest(x, 2*w, asIs, rng))
	v[wide].add(nearest(x, max(leastTwin, int(wideShare*float64(min(len(x), wideSamples)))), centred, rng))
	v[clockwork].add(offCycle(x, l.Day))
	if l.Cycle != l.Day {
		v[clockwork].add(offCycle(x, l.Cycle))
	}
	return nil
}

// unusualCourse returns for each sample the mean, over the windows of w that cover it, of their distance from the mean window along its principal axes, each in its own deviation.
func unusualCourse(x []float64, w int) ([]float64, error) {
	if len(x) < 4*w {
		return nil, nil
	}
	g := newGram(w)
	g.add(x)
	axes, err := whitened(g, eigenFloor)
	if err != nil {
		return nil, err
	}
	e := axes.distances(x)
	for i, d := range e {
		e[i] = math.Sqrt(d)
	}
	return spread(e, len(x), w, 1), nil
}

// distances returns how far each scaled sample lies from the middle.
func distances(x []float64) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = math.Abs(v)
	}
	return out
}
