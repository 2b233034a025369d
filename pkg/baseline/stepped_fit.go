package baseline

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/foreshock/foreshock/pkg/robust"
	"github.com/foreshock/foreshock/pkg/season"
	"github.com/foreshock/foreshock/pkg/series"
)

// steppedFit is a stepped model in the making.
type steppedFit struct {
	*stepped
	grid    series.Grid
	in, out []float64 // what the profile leaves of the samples, in units of the series: in sample, and from earlier days only
	tod     []int64
	fold    []uint16
	folds   int
	floor   float64
	base    []float64 // what the profile says of the samples; nil unless the apprentice asks
}

// fitStepped learns a profile, what to expect of the rest, and how far samples usually lie from that. adopt is how long a level must last, in milliseconds.
// cross says that the stepper has so many parameters that it must be held out as well: then each half of the window is scored by what the other half teaches.
func fitStepped(name string, train series.Series, zone *time.Location, adopt int64, how apprentice, cross bool) (Fit, error) {
	if zone == nil {
		zone = time.UTC
	}
	values, present := clean(train.Values)
	if present < steppedSamples {
		return Fit{}, fmt.Errorf("%d samples, want at least %d: %w", present, steppedSamples, ErrTooShort)
	}
	low, high := extent(values)
	if low == high {
		return Fit{}, ErrConstant
	}
	f := &steppedFit{stepped: &stepped{name: name, zone: zone, adopt: adoptSamples(adopt, train.Grid.Step), limit: math.Inf(1)}, grid: train.Grid}
	var err error
	if f.usual, f.in, f.out, err = profileOf(series.Series{Labels: train.Labels, Grid: train.Grid, Values: values}, zone); err != nil {
		return Fit{}, err
	}
	f.floor = distanceFloor * (high - low)
	f.scale = max(spreadOf(f.in), f.floor)
	if !(f.scale > 0) || math.IsInf(f.scale, 0) {
		return Fit{}, ErrConstant
	}
	f.fold, f.folds = foldsOf(train.Grid)
	clock := season.NewClock(zone)
	f.tod = make([]int64, train.Grid.N)
	for i := range f.tod {
		_, f.tod[i] = clock.Day(train.Grid.At(i))
	}
	seed := train.Labels.Hash() ^ uint64(train.Grid.Start)
	if asks, ok := how.(informed); ok {
		f.base = make([]float64, len(values))
		band := NewBand(len(values))
		f.usual.Predict(train, band)
		copy(f.base, band.Center)
		asks.inform(train.Grid, f.scaled(f.base))
	}
	if f.own, err = how.learn(f.scaled(f.in), seed); err != nil {
		return Fit{}, err
	}
	first := 0
	if cross {
		first = train.Grid.N / 2
	}
	f.measure(first)
	held, missed, err := f.hold(how, seed, cross)
	if err != nil {
		return Fit{}, err
	}
	return Fit{Model: f.stepped, Held: held, Floor: compare(values, train.Grid, missed)}, nil
}

// distanceFloor is the least usual distance as a share of how far the values of the window lie apart: below it is rounding.
const distanceFloor = 1e-4

// spreadOf is spread of the distances from zero, NaN left out.
func spreadOf(rest []float64) float64 {
	d := make([]float64, 0, len(rest))
	for _, x := range rest {
		if x == x {
			d = append(d, math.Abs(x))
		}
	}
	return spread(d)
}

// scaled returns what is left in units of the scale.
func (f *steppedFit) scaled(rest []float64) []float64 {
	out := make([]float64, len(rest))
	for i, x := range rest {
		out[i] = x / f.scale
	}
	return out
}

// walked runs the model over samples [from, to) of what the profile leaves and returns their scores. It starts with the usual distances that are known so far; visit is as for walk.
func (f *steppedFit) walked(rest []float64, from, to int, visit func(i int, c cursor)) (errors, scores []float64) {
	rest = rest[from:to]
	b := NewBand(len(rest))
	for i := range rest {
		b.Up[i], b.Down[i] = f.distance(f.up, from+i), f.distance(f.down, from+i)
	}
	if f.base != nil { // rest is told beside what the profile says
		copy(b.Center, f.base[from:to])
		whole := make([]float64, len(rest))
		for i, x := range rest {
			whole[i] = x + b.Center[i]
		}
		rest = whole
	}
	f.walk(f.grid.Slice(from, to), rest, b, visit)
	errors, scores = make([]float64, len(rest)), make([]float64, len(rest))
	for i, x := range rest {
		errors[i], scores[i] = x-b.Center[i], b.Score(i, x)
	}
	return errors, scores
}

// distance returns a distance at the time of sample i.
func (f *steppedFit) distance(d []float64, i int) float64 {
	return at(d, float64(f.tod[i])*float64(len(d))/season.DayMillis)
}

// measure learns the usual distance of errors by time of the day, and from where on samples are rejected, from sample first on: a walk of a dear stepper is dear. First nothing
// is rejected; then what lies far outside of an overall distance.
func (f *steppedFit) measure(first int) {
	n := len(f.in)
	f.up = []float64{math.MaxFloat64}
	f.down = f.up
	e, _ := f.walked(f.in, first, n, nil)
	f.limit = rejectMost
	f.up = []float64{max(spreadOf(e), f.floor)}
	f.down = f.up
	e, _ = f.walked(f.in, first, n, nil)
	f.up, f.down = f.byPhase(e, first, max(spreadOf(e), f.floor))
	u := e[:0]
	for i, x := range e {
		switch {
		case x >= 0:
			u = append(u, x/f.distance(f.up, first+i))
		case x < 0:
			u = append(u, -x/f.distance(f.down, first+i))
		}
	}
	if len(u) == 0 {
		f.limit = rejectLeast
		return
	}
	k := min(int(rejectShare*float64(len(u))), len(u)-1)
	f.limit = min(max(robust.Select(u, k), rejectLeast), rejectMost)
}

// byPhase returns the usual distances above and below by phase of the day, from the errors of the samples from first on.
func (f *steppedFit) byPhase(e []float64, first int, overall float64) (up, down []float64) {
	present := 0
	for _, x := range e {
		if x == x {
			present++
		}
	}
	phases := max(1, min(distancePhases, int(season.DayMillis/f.grid.Step), present/distanceSamples))
	if int64(f.grid.N)*f.grid.Step < 2*season.DayMillis { // no day to tell the hours by
		phases = 1
	}
	phase := make([]int32, len(e))
	ups, downs := make([]float64, len(e)), make([]float64, len(e))
	for i, x := range e {
		phase[i] = int32(f.tod[first+i] * int64(phases) / season.DayMillis)
		ups[i], downs[i] = nan, nan
		switch {
		case x >= 0:
			ups[i] = x
		case x < 0:
			downs[i] = -x
		}
	}
	above, below := sorting(ups, phase, phases), sorting(downs, phase, phases)
	limit := make([]float64, phases)
	for b := range limit {
		limit[b] = skewed * spread(slices.Concat(above.of(b), below.of(b)))
	}
	floor := max(f.floor, distanceShare*overall)
	return smoothed(above, limit, floor), smoothed(below, limit, floor)
}

// hold scores every sample by what earlier days say, also in units of the series, widens the distances where something recurs, and learns how errors grow with the horizon.
func (f *steppedFit) hold(how apprentice, seed uint64, cross bool) (held, missed []float64, err error) {
	n := len(f.out)
	h := newHorizonFit(f.grid)
	held, missed = make([]float64, n), make([]float64, n)
	parts := [][2]int{{0, n}}
	if cross {
		parts = [][2]int{{0, n / 2}, {n / 2, n}}
	}
	own := f.own
	for k, part := range parts {
		if cross {
			other := f.scaled(f.in)
			for i := part[0]; i < part[1]; i++ {
				other[i] = nan
			}
			if f.own, err = how.learn(other, seed+uint64(k)+1); err != nil {
				return nil, nil, err
			}
		}
		from := max(0, part[0]-heldLead*f.adopt)
		errors, scores := f.walked(f.out, from, part[1], h.visit(f, from, part))
		copy(held[part[0]:part[1]], scores[part[0]-from:])
		copy(missed[part[0]:part[1]], errors[part[0]-from:])
	}
	f.own = own
	f.spread = h.horizons()
	f.recurring(held)
	return held, missed, nil
}

// heldLead is how long before a part of the window the model begins to walk to it, in times that a level must last.
const heldLead = 3

// recurringDays is on how many days a deviation must have come at the same time to be expected there.
const recurringDays = 3

// recurring widens the distances in slots of the day where enough folds deviate, and divides the held-out scores by what the other folds say.
func (f *steppedFit) recurring(held []float64) {
	slots := int(season.DayMillis / max(slotMillis, f.grid.Step))
	if f.folds < recurringDays+1 || slots < 2 {
		return
	}
	ups, downs := make([]float64, f.folds*slots), make([]float64, f.folds*slots)
	for i, u := range held {
		k := int(f.fold[i])*slots + slotOf(f.tod[i], slots)
		switch {
		case u >= 0:
			ups[k] = max(ups[k], u)
		case u < 0:
			downs[k] = max(downs[k], -u)
		}
	}
	for fold := range f.folds {
		forget(ups[fold*slots:][:slots])
		forget(downs[fold*slots:][:slots])
	}
	var heldUp, heldDown []float64
	f.moreUp, heldUp = widen(ups, f.folds, slots, recurringDays)
	f.moreDown, heldDown = widen(downs, f.folds, slots, recurringDays)
	for i, u := range held {
		more := heldUp
		if u < 0 {
			more = heldDown
		}
		held[i] /= more[int(f.fold[i])*slots+slotOf(f.tod[i], slots)]
	}
}
