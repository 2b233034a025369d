package baseline

import (
	"math"
	"slices"

	"github.com/foreshock/foreshock/pkg/robust"
	"github.com/foreshock/foreshock/pkg/wire"
)

// smoothing holds the parameters of Holt and Winters' recursions with a damped trend. alpha, beta and gamma are how much a new sample counts for the level, the trend and
// the season, phi is what is left of the trend after a sample. Source: Hyndman, Koehler, Ord and Snyder, Forecasting with Exponential Smoothing, Springer, 2008, section 2.3
// (methods A_d,A and A_d,M); Winters, Management Science 6(3), 1960, doi:10.1287/mnsc.6.3.324; Gardner and McKenzie, Management Science 31(10), 1985,
// doi:10.1287/mnsc.31.10.1237 (damping).
type smoothing struct {
	alpha, beta, gamma, phi float64
	multiplicative          bool
}

// smoothedState is the state but for the season.
type smoothedState struct{ level, trend float64 }

// expect returns what a sample of that season is expected to be.
func (p *smoothing) expect(s smoothedState, season float64) float64 {
	if p.multiplicative {
		return (s.level + p.phi*s.trend) * season
	}
	return s.level + p.phi*s.trend + season
}

// see moves the state on by a sample and returns what becomes of its season.
func (p *smoothing) see(s *smoothedState, y, season float64) float64 {
	base := s.level + p.phi*s.trend
	before := s.level
	var next float64
	if p.multiplicative {
		s.level = p.alpha*y/season + (1-p.alpha)*base
		next = season
		if base != 0 {
			next = p.gamma*y/base + (1-p.gamma)*season
		}
	} else {
		s.level = p.alpha*(y-season) + (1-p.alpha)*base
		next = p.gamma*(y-base) + (1-p.gamma)*season
	}
	s.trend = p.beta*(s.level-before) + (1-p.beta)*p.phi*s.trend
	return next
}

// miss moves the state on without a sample.
func (p *smoothing) miss(s *smoothedState) {
	s.level += p.phi * s.trend
	s.trend *= p.phi
}

// bounded turns any numbers into parameters within their bounds: gamma at most 1 − alpha, as the state-space form of the method wants, phi between leastPhi and mostPhi.
func bounded(x []float64, damped, multiplicative bool) smoothing {
	logistic := func(v float64) float64 { return 1 / (1 + math.Exp(-v)) }
	p := smoothing{alpha: logistic(x[0]), beta: logistic(x[1]), phi: 1, multiplicative: multiplicative}
	p.gamma = (1 - p.alpha) * logistic(x[2])
	if damped {
		p.phi = leastPhi + (mostPhi-leastPhi)*logistic(x[3])
	}
	return p
}

const (
	// leastPhi and mostPhi bound the damping: below the trend is gone at once, above it is not damped.
	leastPhi, mostPhi = 0.8, 0.995
	// smoothingEvaluations bounds the search for parameters.
	smoothingEvaluations = 120
)

// optimal finds the parameters with the smallest cost.
func optimal(cost func(smoothing) float64, damped, multiplicative bool) smoothing {
	start := []float64{-1, -4, -4}
	if damped {
		start = append(start, 1)
	}
	best, _ := minimize(func(x []float64) float64 { return cost(bounded(x, damped, multiplicative)) }, start, 1.5, smoothingEvaluations)
	return bounded(best, damped, multiplicative)
}

// winters is the stepper of Holt-Winters: level and trend beside the profile, and how far the season has moved from the profile, by phase of a period. What the profile says
// is the season that the recursions begin with, so that a period of a day of minutes needs no day to learn it.
type winters struct {
	smoothing
	// origin is the level that the recursions begin with: 0, and for the multiplicative method that of the profile.
	origin float64
	// start holds the season that the profile does not know, by phase; its length is the period in samples. 0 is none, and 1 in the multiplicative method.
	start []float64
}

func (m *winters) begin() cursor {
	return &wintersCursor{winters: m, state: smoothedState{level: m.origin}, season: slices.Clone(m.start), usual: make([]float64, len(m.start))}
}

func (m *winters) write(w wire.Writer) wire.Writer {
	kind := int64(0)
	if m.multiplicative {
		kind = 1
	}
	w = w.Ints(kind, int64(len(m.start))).Floats(m.alpha, m.beta, m.gamma, m.phi, m.origin)
	for _, x := range m.start {
		if x != m.start[0] {
			return w.Slice(m.start)
		}
	}
	return w.Slice(m.start[:1]) // the profile knows it all
}

// maxPeriod bounds a period that is read back, in samples.
const maxPeriod = 1 << 22

func readWinters(r *wire.Reader) stepper {
	kind, period := r.Int(), r.Int()
	m := &winters{smoothing: smoothing{alpha: r.Float(), beta: r.Float(), gamma: r.Float(), phi: r.Float(), multiplicative: kind == 1}, origin: r.Float(), start: r.Slice()}
	if kind < 0 || kind > 1 || period < 1 || period > maxPeriod || (len(m.start) != 1 && int64(len(m.start)) != period) {
		r.Fail()
		return &winters{start: []float64{0}}
	}
	if int64(len(m.start)) < period {
		m.start = slices.Repeat(m.start, int(period))
	}
	return m
}

// wintersCursor is a winters on its way.
type wintersCursor struct {
	*winters
	state  smoothedState
	season []float64 // by phase
	usual  []float64 // what the profile said the last time, by phase; 0 where it was not asked
	slot   int       // phase of the next sample
	missed float64
}

// place tells which sample comes next, counted from any time in steps, and what the profile says of it, in the stepper's units.
func (c *wintersCursor) place(index int64, usual float64) {
	m := int64(len(c.season))
	c.slot = int(((index % m) + m) % m)
	c.usual[c.slot] = usual
}

// factor returns the season of a phase: in the multiplicative method the profile's share of its level times how far the season has moved from it.
func (c *wintersCursor) factor(slot int) float64 {
	if !c.multiplicative {
		return c.season[slot]
	}
	return max(c.share(slot)*c.season[slot], leastFactor)
}

// share is what the profile says as a share of its level.
func (c *wintersCursor) share(slot int) float64 {
	if u := c.usual[slot] / c.origin; u >= leastFactor {
		return u
	}
	if c.usual[slot] == 0 {
		return 1
	}
	return leastFactor
}

// leastFactor keeps a season that multiplies off zero.
const leastFactor = 0.01

func (c *wintersCursor) next() (center, width float64) {
	return c.rest(c.expect(c.state, c.factor(c.slot)), c.slot), math.Sqrt(1 + c.missed*c.alpha*c.alpha)
}

// rest turns a value into what the profile leaves of it.
func (c *wintersCursor) rest(y float64, slot int) float64 {
	if c.multiplicative {
		return y - c.usual[slot]
	}
	return y
}

func (c *wintersCursor) see(x float64) {
	y := x
	if c.multiplicative {
		y += c.usual[c.slot]
	}
	season := c.winters.see(&c.state, y, c.factor(c.slot))
	if c.multiplicative {
		season /= c.share(c.slot)
	}
	c.season[c.slot] = season
	c.missed = 0
	c.forward()
}

func (c *wintersCursor) forward() {
	if c.slot++; c.slot == len(c.season) {
		c.slot = 0
	}
}

func (c *wintersCursor) miss() {
	c.winters.miss(&c.state)
	c.missed++
	c.forward()
}

// adopt takes the level of the recent samples, without a trend.
func (c *wintersCursor) adopt(recent []float64) {
	half := recent[len(recent)/2:]
	levels := make([]float64, 0, len(half))
	for k, x := range half {
		back := len(half) - 1 - k
		slot := ((c.slot-back)%len(c.season) + len(c.season)) % len(c.season)
		switch {
		case x != x:
		case c.multiplicative:
			levels = append(levels, (x+c.usual[slot])/c.factor(slot))
		default:
			levels = append(levels, x-c.season[slot])
		}
	}
	if len(levels) > 0 {
		c.state = smoothedState{level: robust.MedianInPlace(levels)}
	}
	c.missed = 0
	c.forward()
}

func (c *wintersCursor) ahead(dst []float64) {
	s, slot := c.state, c.slot
	for k := range dst {
		dst[k] = c.rest(c.expect(s, c.factor(slot)), slot)
		c.winters.miss(&s)
		if slot++; slot == len(c.season) {
			slot = 0
		}
	}
}
