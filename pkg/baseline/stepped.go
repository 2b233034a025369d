package baseline

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/foreshock/foreshock/pkg/season"
	"github.com/foreshock/foreshock/pkg/series"
	"github.com/foreshock/foreshock/pkg/wire"
)

// A stepped model predicts every sample from those right before it: a profile says what is usual at the time, a stepper what to expect of the rest, and a guard keeps
// outliers away from the stepper, so that an anomaly does not become what is expected of the next sample.

// stepper predicts what a profile leaves, in units of its scale. Immutable.
type stepper interface {
	// begin returns a cursor before the first sample of a window.
	begin() cursor
	write(w wire.Writer) wire.Writer
}

// cursor is a stepper on its way through a window.
type cursor interface {
	// next returns what is expected of the next sample and how many times wider than usual its distance is.
	next() (center, width float64)
	// see moves on by a sample, miss without one.
	see(x float64)
	miss()
	// adopt takes the recent samples, NaN for gaps, the last one included, for ordinary, and moves on by them.
	adopt(recent []float64)
	// ahead fills in what is expected of the samples from the next one on. It moves nothing.
	ahead(dst []float64)
}

// placed is a cursor that asks where it is: before each sample it is told the sample's number, in steps since any time, and what the profile says of it in the stepper's
// units.
type placed interface {
	place(index int64, usual float64)
}

// informed is an apprentice that asks what the profile says of the samples, in the stepper's units.
type informed interface {
	inform(g series.Grid, usual []float64)
}

// apprentice learns a stepper from what a profile leaves, which is NaN in gaps and where samples are held out.
type apprentice interface {
	learn(rest []float64, seed uint64) (stepper, error)
}

const (
	// steppedSamples is how many samples a stepped model wants at the least.
	steppedSamples = 30
	// clip is how many usual distances a sample may move the state by, and rejectLeast and rejectMost bound from where on it does not move it at all: how far ordinary
	// samples go is learnt, as the rejectShare quantile.
	clip                    = 3.0
	rejectLeast, rejectMost = 4.0, 8.0
	rejectShare             = 0.995
	// rejectWidth is how much wider the distance may become while samples are rejected.
	rejectWidth = 2.0
	// adoptLeast is how many samples it takes to adopt a level at the least, whatever the step.
	adoptLeast = 12
)

// adoptSamples returns how many samples a level must last.
func adoptSamples(adopt, step int64) int { return max(adoptLeast, int(adopt/step)) }

// warmupSamples is how many samples a stepped model wants before the first it judges: what the guard remembers, and some for the state to forget its beginning.
func warmupSamples(adopt, step int64, memory int) int { return 2*adoptSamples(adopt, step) + memory }

// guard decides which samples the stepper gets to see.
type guard struct {
	limit    float64
	evidence int
	side     float64
	recent   []float64 // the last samples, a ring
	at       int
	before   float64 // the width when the last accepted sample was seen
}

func newGuard(limit float64, adopt int) guard {
	g := guard{limit: limit, recent: make([]float64, adopt), before: 1}
	for i := range g.recent {
		g.recent[i] = nan
	}
	return g
}

// width bounds how wide the distance gets while samples are rejected.
func (g *guard) width(w float64) float64 {
	if g.evidence == 0 {
		g.before = w
		return w
	}
	return min(w, max(1, g.before)*rejectWidth)
}

// pass shows a sample to the cursor: as it is, cut, or not at all. u is its distance from what was expected in usual distances, x its value and c what was expected.
func (g *guard) pass(to cursor, x, c, u float64) {
	g.recent[g.at] = x
	if g.at++; g.at == len(g.recent) {
		g.at = 0
	}
	switch {
	case x != x:
		to.miss()
		return
	case math.Abs(u) <= g.limit:
		if g.evidence > 0 {
			g.evidence--
		}
		if math.Abs(u) > clip {
			x = c + (x-c)*clip/math.Abs(u)
		}
		to.see(x)
		return
	}
	if side := math.Copysign(1, u); side == g.side || g.evidence == 0 {
		g.evidence, g.side = g.evidence+1, side
	} else {
		g.evidence--
	}
	if g.evidence < len(g.recent) {
		to.miss()
		return
	}
	g.evidence = 0
	last := make([]float64, 0, len(g.recent))
	last = append(append(last, g.recent[g.at:]...), g.recent[:g.at]...)
	to.adopt(last)
}

// stepped is a fitted stepped model.
type stepped struct {
	name  string
	zone  *time.Location
	usual Model // the profile
	own   stepper
	// scale is the unit of the stepper; limit and adopt belong to the guard.
	scale, limit float64
	adopt        int
	// up and down are distances by phase of the day, moreUp and moreDown widen them per slot of the day; empty where nothing recurs.
	up, down, moreUp, moreDown []float64
	// spread tells how errors grow with the horizon.
	spread horizons
}

// Predict fills the band. Entry i is what the samples before it make of it.
func (m *stepped) Predict(window series.Series, dst Band) {
	m.usual.Predict(window, dst)
	m.distances(window.Grid, dst)
	values, _ := clean(window.Values)
	m.walk(window.Grid, values, dst, nil)
}

// distances replaces the distances of a band by those of the model.
func (m *stepped) distances(g series.Grid, dst Band) {
	clock := season.NewClock(m.zone)
	per := float64(len(m.up)) / season.DayMillis
	for i := range dst.Up {
		_, tod := clock.Day(g.At(i))
		x := float64(tod) * per
		dst.Up[i], dst.Down[i] = at(m.up, x), at(m.down, x)
		if m.moreUp != nil {
			slot := slotOf(tod, len(m.moreUp))
			dst.Up[i] *= m.moreUp[slot]
			dst.Down[i] *= m.moreDown[slot]
		}
	}
}

// walk moves the band, which holds the profile and the usual distances, to what the samples before each one say, and returns the cursor behind the last. It shows the cursor
// to visit, if any, before each sample.
func (m *stepped) walk(grid series.Grid, values []float64, dst Band, visit func(i int, c cursor)) cursor {
	c, g := m.own.begin(), newGuard(m.limit, m.adopt)
	where, told := c.(placed)
	first := grid.Start / max(grid.Step, 1)
	for i, x := range values {
		if told {
			where.place(first+int64(i), dst.Center[i]/m.scale)
		}
		if visit != nil {
			visit(i, c)
		}
		center, width := c.next()
		width = g.width(width)
		rest := (x - dst.Center[i]) / m.scale
		dst.Center[i] += center * m.scale
		dst.Up[i] *= width
		dst.Down[i] *= width
		g.pass(c, rest, center, dst.Score(i, x))
	}
	return c
}

// MarshalBinary writes the profile, the tables and the stepper.
func (m *stepped) MarshalBinary() ([]byte, error) {
	base, err := m.usual.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("write the profile: %w", err)
	}
	w := written(m.name).Text(m.zone.String()).Bytes(base).Floats(m.scale, m.limit).Ints(int64(m.adopt)).
		Slice(m.up).Slice(m.down).Slice(m.moreUp).Slice(m.moreDown)
	return m.own.write(m.spread.write(w)), nil
}

// readStepped reads what MarshalBinary wrote after the name; own reads the stepper.
func readStepped(name string, r *wire.Reader, own func(*wire.Reader) stepper) Model {
	zone, err := time.LoadLocation(r.Text())
	if err != nil || zone.String() == "Local" {
		r.Fail()
		zone = time.UTC
	}
	m := &stepped{name: name, zone: zone}
	if m.usual, err = Unmarshal(r.Bytes()); err != nil {
		r.Fail()
	}
	m.scale, m.limit, m.adopt = r.Float(), r.Float(), int(r.Int())
	for _, dst := range []*[]float64{&m.up, &m.down, &m.moreUp, &m.moreDown} {
		*dst = r.Slice()
	}
	m.spread = readHorizons(r)
	m.own = own(r)
	if m.adopt < adoptLeast || m.adopt > 1<<20 || len(m.up) == 0 || len(m.down) != len(m.up) || len(m.moreUp) != len(m.moreDown) || !(m.scale > 0) || nested(m.usual) {
		r.Fail()
	}
	return m
}

// nested reports a profile that is itself a stepped model: no fit writes that.
func nested(m Model) bool {
	_, yes := m.(*stepped)
	return yes
}

// Forecast goes on from where the window ends. Its quantiles are those of the errors at each horizon on days that were held out.
func (m *stepped) Forecast(window series.Series, h int, levels []float64) Forecast {
	f := NewForecast(window.Grid, h, levels)
	band := NewBand(window.Grid.N)
	m.usual.Predict(window, band)
	m.distances(window.Grid, band)
	values, _ := clean(window.Values)
	c := m.walk(window.Grid, values, band, nil)
	ahead := NewBand(h)
	next := series.Series{Labels: window.Labels, Grid: f.Grid, Values: f.Center}
	m.usual.Predict(next, ahead)
	m.distances(f.Grid, ahead)
	c.ahead(f.Center)
	for k := range f.Center {
		f.Center[k] = ahead.Center[k] + m.spread.kept(k+1)*m.scale*f.Center[k]
	}
	for l, p := range levels {
		for k := range f.Quantile[l] {
			z := m.spread.at(k+1, p)
			side := ahead.Up[k]
			if z < 0 {
				side = ahead.Down[k]
			}
			f.Quantile[l][k] = f.Center[k] + z*side
		}
	}
	return f
}

// profileOf fits what is usual at a time: the profile of the day where there is one, else the level. It returns also what it leaves of each training sample, in sample and
// as predicted without the sample's own day.
func profileOf(train series.Series, zone *time.Location) (m Model, in, out []float64, err error) {
	s := NewSeasonal()
	s.Recurring = 0 // what recurs is looked for in the errors of the whole model
	fit, err := s.Fit(train, zone)
	if errors.Is(err, ErrTooShort) {
		fit, err = (&Level{}).Fit(train, zone)
	}
	if err != nil {
		return nil, nil, nil, err
	}
	band := NewBand(train.Grid.N)
	fit.Model.Predict(train, band)
	in, out = make([]float64, train.Grid.N), make([]float64, train.Grid.N)
	for i, x := range train.Values {
		in[i] = x - band.Center[i]
		out[i] = fit.Held[i] * band.Up[i]
		if fit.Held[i] < 0 {
			out[i] = fit.Held[i] * band.Down[i]
		}
		if !Usable(x) {
			in[i], out[i] = nan, nan
		}
	}
	return fit.Model, in, out, nil
}
