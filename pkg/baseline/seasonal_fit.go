package baseline

import (
	"math"
	"slices"
	"time"

	"github.com/foreshock/foreshock/pkg/robust"
	"github.com/foreshock/foreshock/pkg/season"
	"github.com/foreshock/foreshock/pkg/series"
)

// seasonalFit is a Seasonal in the making.
type seasonalFit struct {
	grid   series.Grid
	zone   *time.Location
	values []float64 // NaN for gaps; aligned to the newest level, and without what the calendar holds
	given  []float64 // as given; NaN for gaps
	class  []int16   // class of days of each sample, −1 for ordinary ones; nil without a calendar
	above  []float64 // how far each sample lies above the level that its fold would have been judged by; nil without shifts
	shifts []season.Level
	fold   []uint16
	folds  int

	phases int       // phases of a day
	phase  []int32   // of each sample
	x      []float64 // position of each sample in phases
	hour   []int32   // hour of the week of each sample
	tod    []int64

	slope  float64
	origin int64

	profile *profile
	weekly  *profile // nil: none
	periods []otherPeriod
	// in and out are residuals of each sample: from all samples, and from what is held against its fold.
	in, out []float64

	perDay           float64   // distance phases per millisecond
	up, down         []float64 // distances
	moreUp, moreDown []float64 // widening per slot
	// heldUp and heldDown are the same without the fold: [fold*slots+slot].
	heldUp, heldDown []float64
}

func (s *Seasonal) prepare(values []float64, g series.Grid, zone *time.Location) *seasonalFit {
	if zone == nil {
		zone = time.UTC
	}
	width := max(s.Bucket.Milliseconds(), g.Step)
	f := &seasonalFit{grid: g, zone: zone, values: values, given: values, phases: int(max(1, season.DayMillis/width)), origin: g.End()}
	f.fold, f.folds = foldsOf(g)
	f.phase, f.hour = make([]int32, g.N), make([]int32, g.N)
	f.x, f.tod = make([]float64, g.N), make([]int64, g.N)
	clock := season.NewClock(zone)
	per := float64(f.phases) / season.DayMillis
	for i := range values {
		day, tod := clock.Day(g.At(i))
		f.tod[i] = tod
		f.x[i] = float64(tod) * per
		f.phase[i] = int32(f.x[i])
		f.hour[i] = int32(weekPosition(day, tod))
	}
	return f
}

// covered returns the share of phases that have a sample.
func (f *seasonalFit) covered() float64 {
	seen := make([]bool, f.phases)
	n := 0
	for i, v := range f.values {
		if v == v && !seen[f.phase[i]] {
			seen[f.phase[i]] = true
			n++
		}
	}
	return float64(n) / float64(f.phases)
}

// trend finds the slope of the daily medians; only days with half of their samples count.
func (f *seasonalFit) trend() {
	per := max(1, int(season.DayMillis/f.grid.Step))
	var at, level []float64
	var scratch []float64
	for end := f.grid.N; end-per >= 0; end -= per {
		scratch = robust.Drop(scratch[:0], f.values[end-per:end])
		if 2*len(scratch) >= per {
			at = append(at, float64(f.grid.At(end-per/2)))
			level = append(level, robust.MedianInPlace(scratch))
		}
	}
	slices.Reverse(at)
	slices.Reverse(level)
	f.slope = robustTrend(at, level)
}

// day learns the profile of the day from what the trend leaves.
func (f *seasonalFit) day() {
	flat := f.values
	if f.slope != 0 {
		flat = make([]float64, len(f.values))
		for i, v := range f.values {
			flat[i] = v - f.slope*float64(f.grid.At(i)-f.origin)
		}
	}
	f.profile = newProfile(flat, f.phase, f.fold, f.phases, f.folds)
	f.in, f.out = f.residuals(flat, f.profile, f.x, 1, 1)
}

// residuals returns what a profile leaves of the values, from all samples and from those held against each fold; the profile counts with a weight.
func (f *seasonalFit) residuals(values []float64, p *profile, x []float64, weightIn, weightOut float64) (in, out []float64) {
	in, out = make([]float64, len(values)), make([]float64, len(values))
	for i, v := range values {
		held := p.held[int(f.fold[i])*p.buckets:][:p.buckets]
		in[i] = v - weightIn*at(p.median, x[i])
		out[i] = v - weightOut*at(held, x[i])
	}
	return in, out
}

// week adds a profile of the week where it predicts held-out days better. Weeks are few, so it is shrunk towards none: k weeks count k/(k+1).
func (f *seasonalFit) week() {
	weeks := float64(f.grid.N) * float64(f.grid.Step) / (7 * season.DayMillis)
	if weeks < 2 {
		return
	}
	hours := make([]float64, f.grid.N) // of the week
	clock := season.NewClock(f.zone)
	for i := range hours {
		hours[i] = weekPosition(clock.Day(f.grid.At(i)))
	}
	p := newProfile(f.out, f.hour, f.fold, weekBuckets, f.folds)
	k := math.Floor(weeks)
	_, out := f.residuals(f.out, p, hours, 0, (k-1)/k)
	if usual(out) > weekGain*usual(f.out) {
		return
	}
	for i := range p.median {
		p.median[i] *= k / (k + 1)
	}
	f.weekly = p
	f.out = out
	f.in, _ = f.residuals(f.in, p, hours, 1, 0)
}

// usual is the mean distance of residuals from zero, without the farthest hundredth. Not the median: weekends are fewer than half of the days.
func usual(r []float64) float64 {
	d := make([]float64, 0, len(r))
	for _, x := range r {
		if x == x {
			d = append(d, math.Abs(x))
		}
	}
	if len(d) == 0 {
		return 0
	}
	robust.Select(d, len(d)*99/100)
	return robust.Mean(d[:len(d)*99/100])
}

// distances learns the usual distance above and below the centre by time of day, never below the floor; false when there is none at all.
func (f *seasonalFit) distances(floor float64) bool {
	present := 0
	for _, r := range f.in {
		if r == r {
			present++
		}
	}
	phases := max(1, min(distancePhases, f.phases, present/distanceSamples))
	f.perDay = float64(phases) / season.DayMillis
	// Those below the centre follow those above it, phase by phase.
	bucket, far := make([]int32, len(f.in)), make([]float64, len(f.in))
	apart := f.apart()
	for i, r := range f.in {
		bucket[i] = int32(float64(f.tod[i])*f.perDay) + int32(phases)*side(r)
		if far[i] = math.Abs(r); apart[f.fold[i]] {
			far[i] = nan
		}
	}
	by := sorting(far, bucket, 2*phases)
	above, below := binned{by.values, by.start[:phases+1]}, binned{by.values, by.start[phases:]}
	// When a few days lie on one side, the centre moves to the edge of the others, and what is left of them on that side is outnumbered; both sides together are not.
	limit := make([]float64, phases)
	scratch := make([]float64, 0, len(by.values))
	for b := range limit {
		scratch = append(append(scratch[:0], above.of(b)...), below.of(b)...)
		limit[b] = skewed * spread(scratch)
	}
	sides := by.start[phases]
	allUp := spread(append(scratch[:0], by.values[:sides]...))
	allDown := spread(append(scratch[:0], by.values[sides:]...))
	if !(max(allUp, allDown) > 0) && !(floor > 0) {
		return false
	}
	// One side may hardly exist, as with rates that are mostly zero: it takes its measure from the other.
	f.up = smoothed(above, limit, max(floor, distanceShare*max(allUp, distanceShare*allDown)))
	f.down = smoothed(below, limit, max(floor, distanceShare*max(allDown, distanceShare*allUp)))
	return true
}

// side is 1 below the centre and 0 above it.
func side(r float64) int32 {
	n := int32(0)
	if r < 0 {
		n = 1
	}
	return n
}

// apart finds the folds that lie on another level than most, as after a shift: half of their samples are farther off than samples of a day usually are from the middle
// of their own. They tell nothing of the usual distance.
func (f *seasonalFit) apart() []bool {
	middle, within := make([]float64, f.folds), make([]float64, 0, f.folds)
	var scratch []float64
	for from := 0; from < len(f.in); {
		fold, to := f.fold[from], from
		for to < len(f.in) && f.fold[to] == fold {
			to++
		}
		scratch = robust.Drop(scratch[:0], f.in[from:to])
		if len(scratch) > 0 {
			m := robust.MedianInPlace(scratch)
			for i, r := range scratch {
				scratch[i] = math.Abs(r - m)
			}
			middle[fold] = math.Abs(m)
			within = append(within, spread(scratch))
		}
		from = to
	}
	limit := ordinary * robust.MedianInPlace(within)
	apart, n := make([]bool, f.folds), 0
	for k, m := range middle {
		if m > limit {
			apart[k] = true
			n++
		}
	}
	if 2*n >= f.folds {
		clear(apart)
	}
	return apart
}

// smoothed returns one distance per phase from its residuals, within the limits, a quarter of it from each neighbour.
func smoothed(side binned, limit []float64, floor float64) []float64 {
	phases := len(limit)
	raw, smooth := make([]float64, phases), make([]float64, phases)
	for b := range raw {
		raw[b] = max(floor, min(spread(side.of(b)), limit[b]))
	}
	for b := range smooth {
		smooth[b] = (raw[(b+phases-1)%phases] + 2*raw[b] + raw[(b+1)%phases]) / 4
	}
	return smooth
}

// distance returns a distance at the time of sample i.
func (f *seasonalFit) distance(d []float64, i int) float64 { return at(d, float64(f.tod[i])*f.perDay) }

// recurring widens the distances in slots of the day where at least so many folds deviate: the nightly backup is not news.
func (f *seasonalFit) recurring(days int) {
	if f.folds < days+1 {
		return
	}
	slots := int(season.DayMillis / max(slotMillis, f.grid.Step))
	if slots < 2 {
		return
	}
	ups, downs := make([]float64, f.folds*slots), make([]float64, f.folds*slots)
	for i, r := range f.out {
		if r != r {
			continue
		}
		k := int(f.fold[i])*slots + slotOf(f.tod[i], slots)
		if r >= 0 {
			ups[k] = max(ups[k], r/f.distance(f.up, i))
		} else {
			downs[k] = max(downs[k], -r/f.distance(f.down, i))
		}
	}
	for fold := range f.folds {
		forget(ups[fold*slots:][:slots])
		forget(downs[fold*slots:][:slots])
	}
	f.moreUp, f.heldUp = widen(ups, f.folds, slots, days)
	f.moreDown, f.heldDown = widen(downs, f.folds, slots, days)
}

// forget drops the deviations of a fold that deviates most of the day: that is another level, not an event that recurs.
func forget(peaks []float64) {
	n := 0
	for _, p := range peaks {
		if p > ordinary {
			n++
		}
	}
	if 2*n > len(peaks) {
		clear(peaks)
	}
}

// widen returns, per slot, the factor that brings the deviation which came on so many days to an ordinary one: with all folds, and without each. A slot also takes
// in its neighbours, since jobs do not start to the second.
func widen(peaks []float64, folds, slots, days int) (all, held []float64) {
	near := make([]float64, len(peaks))
	for f := range folds {
		p, q := peaks[f*slots:][:slots], near[f*slots:][:slots]
		for b := range q {
			q[b] = max(p[(b+slots-1)%slots], p[b], p[(b+1)%slots])
		}
	}
	all, held = make([]float64, slots), make([]float64, len(peaks))
	column := make([]float64, folds)
	for b := range slots {
		for f := range folds {
			column[f] = near[f*slots+b]
		}
		slices.Sort(column)
		kth, next := column[folds-days], column[folds-days-1]
		all[b] = max(1, kth/ordinary)
		for f := range folds {
			// Without its own peak: when that is among the highest, the next one moves up.
			held[f*slots+b] = all[b]
			if near[f*slots+b] >= kth {
				held[f*slots+b] = max(1, next/ordinary)
			}
		}
	}
	return all, held
}

func (f *seasonalFit) model() *seasonal {
	m := &seasonal{zone: f.zone, origin: f.origin, slope: f.slope, profile: f.profile.median, up: f.up, down: f.down, moreUp: f.moreUp, moreDown: f.moreDown, others: f.periods}
	if f.weekly != nil {
		m.week = f.weekly.median
	}
	return m
}

// missed returns the error of each sample by what the other folds say, in units of the series.
func (f *seasonalFit) missed() []float64 {
	if f.above == nil {
		return f.out
	}
	out := make([]float64, len(f.out))
	for i, r := range f.out {
		out[i] = r + f.above[i]
	}
	return out
}

// held returns the score of each sample by what the other folds say.
func (f *seasonalFit) held() []float64 {
	slots := len(f.moreUp)
	f.out = f.missed()
	for i, r := range f.out {
		d, more := f.up, f.heldUp
		if r < 0 {
			d, more = f.down, f.heldDown
		}
		f.out[i] = r / f.distance(d, i)
		if slots > 0 {
			f.out[i] /= more[int(f.fold[i])*slots+slotOf(f.tod[i], slots)]
		}
	}
	return f.out
}
