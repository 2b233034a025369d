package evaluate

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/robust"
	"github.com/foreshock/foreshock/pkg/season"
	"github.com/foreshock/foreshock/pkg/series"
)

const (
	hour = int64(time.Hour / time.Millisecond)
	// phase is the width of one time of the day when the usual distance is measured.
	phase = 10 * 60 * 1000
	// mostPlaces bounds how often one size is put in.
	mostPlaces = 60
	// apart is the least time between two places, so that each meets a detector and policy that have forgotten the one before.
	apart = 2 * hour
	// lengths of what lasts: long enough that a person would call it a change of level, short enough for several in a day.
	shiftLength, rampLength, seasonLength = 3 * hour, 6 * hour, 6 * hour
)

var (
	deviations = []float64{1, 2, 3, 5, 8, 12, 20, 40, math.Inf(1)}
	few        = []float64{5, math.Inf(1)}
	late       = []float64{1, 2, 4, 8, 12}
	stuck      = []float64{0.25, 0.5, 1, 2, 6, 12}
)

// distances is the usual distance of a sample from the median of its time of the day, by the time of the day: robust deviations of the series.
type distances struct {
	clock  *season.Clock
	width  int64
	middle []float64 // by phase
	usual  []float64
	// typical is the median of usual, tail the share of samples beyond farOut deviations of their time.
	typical, tail float64
}

const (
	// around is how many phases on either side vouch for the usual distance of one.
	around = 6
	// leastShare keeps a time at which hardly anything happens from being measured in nothing: a share of the usual distance over all times.
	leastShare = 0.25
)

// usualDistances measures a series. Incidents are left out; a series of less than three days has one time only.
func usualDistances(s series.Series, zone *time.Location, incidents []Incident) *distances {
	d := &distances{clock: season.NewClock(zone), width: max(phase, s.Grid.Step)}
	use := make([]bool, s.Grid.N)
	all := 0
	for i, x := range s.Values {
		if use[i] = x-x == 0 && !within(incidents, s.Grid.At(i)); use[i] {
			all++
		}
	}
	if int64(all)*s.Grid.Step < 3*season.DayMillis {
		d.width = season.DayMillis
	}
	bins := make([][]float64, (season.DayMillis+d.width-1)/d.width)
	for i, x := range s.Values {
		if use[i] {
			k := d.phase(s.Grid.At(i))
			bins[k] = append(bins[k], x)
		}
	}
	d.middle, d.usual = make([]float64, len(bins)), make([]float64, len(bins))
	for k, b := range bins {
		d.middle[k] = robust.Median(b, nil)
	}
	every := make([]float64, 0, all)
	for k, b := range bins {
		for i, x := range b {
			b[i] = math.Abs(x - d.middle[k])
		}
		every = append(every, b...)
	}
	overall := spread(every)
	reach := min(around, (len(bins)-1)/2)
	for k := range bins {
		var near []float64
		for j := k - reach; j <= k+reach; j++ {
			near = append(near, bins[(j+len(bins))%len(bins)]...)
		}
		d.usual[k] = overall
		if u := spread(near); u == u {
			d.usual[k] = max(u, leastShare*overall)
		}
	}
	d.typical = robust.Median(d.usual, nil)
	beyond := 0
	for k, b := range bins {
		for _, x := range b {
			if x > farOut*d.usual[k] {
				beyond++
			}
		}
	}
	d.tail = float64(beyond) / float64(all)
	return d
}

// phase returns the time of the day that t belongs to.
func (d *distances) phase(t int64) int {
	_, tod := d.clock.Day(t)
	return int(tod / d.width)
}

// at returns the usual distance at time t.
func (d *distances) at(t int64) float64 { return d.usual[d.phase(t)] }

// spread returns 1.4826 × the median of distances, or where more than half are zero their mean in its place; NaN for none.
func spread(distances []float64) float64 {
	if m := robust.Median(distances, nil); m != 0 {
		return robust.Gaussian * m
	}
	return robust.GaussianMean * robust.Mean(distances)
}

func within(incidents []Incident, t int64) bool {
	for _, x := range incidents {
		if t >= x.From && t <= x.To {
			return true
		}
	}
	return false
}

// bench is one series ready to be tested.
type bench struct {
	SelfTest
	c         Case
	grid      series.Grid
	offset    int // of grid in the samples of the series
	clean     detect.Verdicts
	usual     *distances
	calm      []bool    // samples of the grid where something can be put in
	ordinary  []float64 // scores of ordinary samples, sorted
	low, high float64   // of all samples
	floored   bool      // nothing below zero
	falls     bool      // zero is nothing special for it
	gap       int       // samples between places
	seed      uint64
}

func newBench(t SelfTest, c Case, clean Replayed, usual *distances, seen series.Series) *bench {
	b := &bench{SelfTest: t, c: c, clean: clean.Verdicts, grid: clean.Verdicts.Series.Grid, usual: usual, seed: c.Series.Labels.Hash() ^ uint64(c.From)}
	step := b.grid.Step
	b.offset = int((b.grid.Start - c.Series.Grid.Start) / step)
	b.calm = make([]bool, b.grid.N)
	for i := range b.calm {
		b.calm[i] = clean.Verdicts.State[i] == detect.OK && !clean.Verdicts.Anomalous[i] && !within(c.Incidents, b.grid.At(i))
	}
	for _, e := range clean.Episodes {
		end := e.Ended
		if end == 0 {
			end = b.grid.End()
		}
		i, j := b.grid.Clamp(e.Began-step, end+step)
		for ; i < j; i++ {
			b.calm[i] = false
		}
	}
	for i, x := range clean.Verdicts.Score {
		if b.calm[i] {
			b.ordinary = append(b.ordinary, x)
		}
	}
	slices.Sort(b.ordinary)
	var values []float64
	for _, x := range seen.Values {
		if x-x == 0 {
			values = append(values, x)
		}
	}
	slices.Sort(values)
	b.low, b.high = values[0], values[len(values)-1]
	b.floored = b.low >= 0
	b.falls = robust.Quantile(values, 0.01) <= 0.02*robust.Quantile(values, 0.5)
	context := 0
	if d, ok := t.Judge.Options().(detect.Contexter); ok {
		context = d.Context(step)
	}
	p := t.Judge.Policy
	b.gap = max(int(apart/step), min(context, int(12*hour/step)), p.M+2*p.Recover)
	return b
}

// places returns the indices in the grid where a stretch of that many samples is put in: one in each run of slots, at a random place of it, spread over all that was judged.
func (b *bench) places(kind string, length int) []int {
	seed := b.seed
	for _, c := range kind {
		seed = seed*31 + uint64(c)
	}
	rng := rand.New(rand.NewPCG(seed, uint64(length)))
	margin := b.Judge.Policy.M
	// What lasts is put in a third of the time at most, so that it never becomes the new level.
	gap := max(b.gap, 2*length)
	slot := length + 2*margin + gap
	var out []int
	for at := 0; at+slot <= b.grid.N; at += slot {
		i := at + margin + rng.IntN(gap/2+1)
		if !slices.Contains(b.calm[i-margin:i+length+margin], false) {
			out = append(out, i)
		}
	}
	if len(out) > mostPlaces {
		rng.Shuffle(len(out), func(i, k int) { out[i], out[k] = out[k], out[i] })
		out = out[:mostPlaces]
		slices.Sort(out)
	}
	return out
}

// samples returns how many samples so long a stretch has; at least two more than the policy counts in.
func (b *bench) samples(length int64) int { return max(int(length/b.grid.Step), b.Judge.Policy.M+2) }

// trial is one kind of anomaly on its way up the sizes.
type trial struct {
	*bench
	KindResult
	sizes []float64
	// put changes the samples of a copy from index i of the grid on and returns how many; 0 where this size cannot be, or is not wanted, there.
	put func(values []float64, i, n int, size float64) int
	// length is how many samples it has at that size.
	length func(size float64) int
}

func (b *bench) kinds() []*trial {
	sizes := deviations
	if b.Quick {
		sizes = few
	}
	p := b.Judge.Policy
	fixed := func(n int) func(float64) int { return func(float64) int { return n } }
	catches := b.catches()
	of := func(kind string, declared detect.Kinds, sizes []float64, length func(float64) int, put func([]float64, int, int, float64) int) *trial {
		return &trial{bench: b, KindResult: KindResult{Kind: kind, Declared: declared != 0 && catches.Has(declared)}, sizes: sizes, put: put, length: length}
	}
	all := []*trial{
		of(KindSpike, detect.Spike, sizes, fixed(p.M), b.step(1)),
		of(KindDrop, detect.Drop, sizes, fixed(p.M), b.step(-1)),
		of(KindShift, detect.Shift, sizes, fixed(b.samples(shiftLength)), b.either(b.step(1), b.step(-1))),
	}
	if p.Direction == "down" {
		all[0].Skipped = "unwanted"
	}
	if p.Direction == "up" {
		all[1].Skipped = "unwanted"
	}
	if b.Quick {
		return all
	}
	season := of(KindSeason, detect.Season, late, fixed(b.samples(seasonLength)), b.late)
	flat := of(KindFlatline, 0, stuck, func(h float64) int { return max(int(h*float64(hour))/int(b.grid.Step), 1) }, b.hold)
	season.Hours, flat.Hours = true, true
	return append(all, of(KindRamp, detect.Shift, sizes, fixed(b.samples(rampLength)), b.either(b.ramp(1), b.ramp(-1))), season, flat)
}

// climb tries one size after the other, the largest last; once two in a row are found everywhere, larger ones are left out.
func (k *trial) climb(ctx context.Context) error {
	if k.Skipped != "" {
		return nil
	}
	whole, tried := 0, 0
	for _, size := range k.sizes {
		r, err := k.rung(ctx, size)
		if err != nil {
			return err
		}
		k.Rungs = append(k.Rungs, r)
		tried += r.Places
		if r.Places > 0 && r.Found == r.Places {
			whole++
		} else if r.Places > 0 {
			whole = 0
		}
		if whole >= 2 && size >= 5 {
			break
		}
	}
	if tried == 0 {
		k.Skipped = "no-room"
		if k.Kind == KindSeason {
			k.Skipped = "no-season"
		}
	}
	return nil
}

// rung puts one size in everywhere at once and judges the copy by fits on the series as it is.
func (k *trial) rung(ctx context.Context, size float64) (Rung, error) {
	r := Rung{Size: size, Rank: math.NaN()}
	n := k.length(size)
	if k.Kind == KindFlatline && n < k.Judge.Policy.M {
		return r, nil
	}
	changed := k.c.Series
	changed.Values = slices.Clone(changed.Values)
	type stretch struct{ i, n int }
	var put []stretch
	for _, i := range k.places(k.Kind, n) {
		if m := k.put(changed.Values, i, n, size); m > 0 {
			put = append(put, stretch{i, m})
		}
	}
	if len(put) == 0 {
		return r, nil
	}
	v, err := k.judged(ctx, k.c, changed)
	if err != nil {
		return r, err
	}
	var delays []int64
	var ranks []float64
	for _, s := range put {
		r.Places++
		at, end := k.grid.At(s.i), k.grid.At(s.i+s.n+k.Judge.Policy.M-1)
		if t, ok := k.told(v, s.i, s.n, end); ok {
			r.Found++
			delays = append(delays, t-at)
		}
		peak := 0.0
		for _, x := range v.Score[s.i : s.i+s.n] {
			peak = max(peak, x)
		}
		ranks = append(ranks, k.below(peak))
	}
	if len(delays) > 0 {
		slices.Sort(delays)
		r.Delay = delays[(len(delays)-1)/2]
	}
	r.Rank = robust.MedianInPlace(ranks)
	return r, nil
}

// told returns when the stretch was told of: the confirmation of an episode, or for what keeps one value the sample from which on it is shown as flat.
func (k *trial) told(v detect.Verdicts, i, n int, end int64) (int64, bool) {
	for _, e := range v.Episodes {
		if e.Confirmed >= k.grid.At(i) && e.Confirmed < end {
			return e.Confirmed, true
		}
	}
	if k.Kind == KindFlatline {
		for j := i; j < i+n; j++ {
			if v.State[j] == detect.Flat {
				return k.grid.At(j), true
			}
		}
	}
	return 0, false
}

// below returns the share of ordinary samples that score less; ties count half.
func (b *bench) below(score float64) float64 {
	if len(b.ordinary) == 0 {
		return math.NaN()
	}
	lo, _ := slices.BinarySearch(b.ordinary, score)
	hi, _ := slices.BinarySearch(b.ordinary, math.Nextafter(score, math.Inf(1)))
	return (float64(lo) + float64(hi-lo)/2) / float64(len(b.ordinary))
}
