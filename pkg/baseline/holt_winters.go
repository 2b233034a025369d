package baseline

import (
	"math"
	"time"

	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/robust"
	"github.com/foreshock/foreshock/pkg/season"
	"github.com/foreshock/foreshock/pkg/series"
	"github.com/foreshock/foreshock/pkg/wire"
)

func init() {
	Baselines.Add(registry.Entry[Baseline]{
		Name:    "holt_winters",
		Summary: "Exponential smoothing of level, damped trend and season, added or multiplied; the season begins as the usual day.",
		Source:  "Winters, Management Science 6(3), 1960, doi:10.1287/mnsc.6.3.324; Gardner and McKenzie, Management Science 31(10), 1985, doi:10.1287/mnsc.31.10.1237; Hyndman et al., Forecasting with Exponential Smoothing, Springer, 2008",
		New:     func() Baseline { return NewHoltWinters() },
	})
}

// HoltWinters smooths level, trend and season exponentially, with a damped trend. The season begins as the profile of Seasonal, so that a day of 1,440 samples needs no day to be
// learnt, and follows from there by gamma; where the window holds no two days, it is that of the strongest period found, or none. The parameters are those with the smallest
// clipped squared error of one sample ahead.
type HoltWinters struct {
	Season string            `json:"season" yaml:"season" enum:"auto,additive,multiplicative" help:"Whether the season is added to the level or multiplies it: auto takes what has the smaller error of one sample ahead."`
	Adopt  registry.Duration `json:"adopt" yaml:"adopt" min:"600" max:"604800" help:"A new level that lasted so long is taken for ordinary and followed; until then the expected value stays where it was."`
}

// NewHoltWinters returns the defaults.
func NewHoltWinters() *HoltWinters {
	return &HoltWinters{Season: "auto", Adopt: registry.Duration(3 * time.Hour)}
}

// Validate accepts all that the tags do.
func (*HoltWinters) Validate() error { return nil }

// Fit learns the profile and the parameters. The held-out scores are errors of one sample ahead around the profile of earlier days.
func (h *HoltWinters) Fit(train series.Series, zone *time.Location) (Fit, error) {
	return fitStepped("holt_winters", train, zone, h.Adopt.Milliseconds(), &smoother{season: h.Season}, false)
}

// Context returns how many samples a model wants before the first one that counts.
func (h *HoltWinters) Context(step int64) int {
	return warmupSamples(h.Adopt.Milliseconds(), step, forgotten)
}

func (*HoltWinters) unmarshal(r *wire.Reader) Model {
	return readStepped("holt_winters", r, readWinters)
}

// smoother learns a winters.
type smoother struct {
	season string
	grid   series.Grid
	usual  []float64 // what the profile says, in units of the scale
}

// inform tells what the profile says of the samples.
func (s *smoother) inform(g series.Grid, usual []float64) { s.grid, s.usual = g, usual }

const (
	// smoothedLeast is the least share of its level that the profile has where a season may multiply.
	smoothedLeast = 0.05
	// errorLimit is where squared errors are clipped, in usual errors.
	errorLimit = 4.0
)

func (s *smoother) learn(rest []float64, _ uint64) (stepper, error) {
	period, start := s.period(rest)
	add := &winters{start: start}
	best, least := add, s.train(add, rest)
	if s.season == "additive" {
		return best, nil
	}
	if level, ok := s.multiplies(rest); ok {
		mul := &winters{smoothing: smoothing{multiplicative: true}, origin: level, start: make([]float64, period)}
		for i := range mul.start {
			mul.start[i] = 1 + start[i]/level
		}
		if cost := s.train(mul, rest); cost < least || s.season == "multiplicative" {
			best = mul
		}
	}
	return best, nil
}

// multiplies returns the level of the profile, and whether a season may multiply: everything lies well above zero.
func (s *smoother) multiplies(rest []float64) (level float64, ok bool) {
	if len(s.usual) == 0 {
		return 0, false
	}
	level = robust.Mean(s.usual)
	for i, u := range s.usual {
		if !(u > smoothedLeast*level) || u+rest[i] <= 0 {
			return 0, false
		}
	}
	return level, level > 0
}

// period returns the period in samples and the season that the profile does not know, by phase.
func (s *smoother) period(rest []float64) (int, []float64) {
	day := int(season.DayMillis / s.grid.Step)
	if day >= 1 && s.grid.N >= 2*day {
		return day, make([]float64, day)
	}
	found := season.Periods(series.Series{Grid: s.grid, Values: rest}, 1)
	if len(found) == 0 {
		return 1, []float64{0}
	}
	period := int(math.Round(found[0].Samples))
	by := make([][]float64, period)
	first := s.grid.Start / s.grid.Step
	for i, x := range rest {
		if x == x {
			k := int(((first+int64(i))%int64(period) + int64(period)) % int64(period))
			by[k] = append(by[k], x)
		}
	}
	start := make([]float64, period)
	for k, xs := range by {
		if len(xs) > 0 {
			start[k] = robust.MedianInPlace(xs)
		}
	}
	return period, start
}

// train finds the parameters of a winters by the errors on the last samples of the window, and returns their cost.
func (s *smoother) train(m *winters, rest []float64) float64 {
	from := max(0, len(rest)-learning)
	burn := (len(rest) - from) / 20
	limit := errorLimit * max(spreadOf(differencesOf(rest[from:])), 1e-9)
	limit *= limit
	first := s.grid.Start / s.grid.Step
	cost := func(p smoothing) float64 {
		m.smoothing = p
		c := m.begin().(*wintersCursor)
		sum := 0.0
		for i := from; i < len(rest); i++ {
			c.place(first+int64(i), s.usual[i])
			x := rest[i]
			if x != x {
				c.miss()
				continue
			}
			center, _ := c.next()
			if e := x - center; i >= from+burn {
				sum += min(e*e, limit)
			}
			c.see(x)
		}
		return sum
	}
	m.smoothing = optimal(cost, true, m.multiplicative)
	return cost(m.smoothing)
}

// differencesOf returns what neighbours differ by; NaN beside gaps.
func differencesOf(x []float64) []float64 {
	d := make([]float64, max(0, len(x)-1))
	for i := range d {
		d[i] = x[i+1] - x[i]
	}
	return d
}
