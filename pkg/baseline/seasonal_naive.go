package baseline

import (
	"fmt"
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
		Name:    "seasonal_naive",
		Summary: "The value one period before: the floor that every other baseline must beat.",
		Source:  "Hyndman and Athanasopoulos, Forecasting: Principles and Practice, 3rd edition, 2021, section 5.2",
		New:     func() Baseline { return &SeasonalNaive{} },
	})
}

// SeasonalNaive expects of each sample the value one period before, or where that is missing, two or three periods before. The usual distance is that of such differences.
type SeasonalNaive struct {
	Period registry.Duration `json:"period" yaml:"period" min:"0" max:"2678400" help:"How long before; 0 takes a day where the training window holds two, else the strongest period found, else one sample."`
}

// Validate accepts all that the tags do.
func (*SeasonalNaive) Validate() error { return nil }

// naiveBack is how many periods are looked back over gaps.
const naiveBack = 3

// Fit learns the period and the usual distance. The held-out scores are differences: every prediction is from earlier samples only.
func (s *SeasonalNaive) Fit(train series.Series, zone *time.Location) (Fit, error) {
	values, present := clean(train.Values)
	if present < 20 {
		return Fit{}, fmt.Errorf("%d samples, want at least 20: %w", present, ErrTooShort)
	}
	if low, high := extent(values); low == high {
		return Fit{}, ErrConstant
	}
	g := train.Grid
	m := &seasonalNaive{period: s.Period.Milliseconds() / g.Step * g.Step}
	if m.period == 0 {
		m.period = int64(naivePeriod(g)) * g.Step
		if m.period == g.Step && g.N < 2*int(max(1, season.DayMillis/g.Step)) {
			if found := season.Periods(series.Series{Grid: g, Values: values}, 1); len(found) > 0 {
				m.period = int64(math.Round(found[0].Samples)) * g.Step
			}
		}
	}
	n := int(m.period / g.Step)
	if g.N < 2*n {
		return Fit{}, fmt.Errorf("%d samples, want two periods of %d: %w", g.N, n, ErrTooShort)
	}
	m.level = robust.MedianInPlace(robust.Drop(nil, values))
	kept := min(g.N, naiveBack*n)
	m.tail = series.Grid{Start: g.At(g.N - kept), Step: g.Step, N: kept}
	m.values = append([]float64(nil), values[g.N-kept:]...)
	held, ups, downs := make([]float64, g.N), []float64(nil), []float64(nil)
	for i, x := range values {
		held[i] = nan
		if before := m.before(i, n, values); before == before {
			held[i] = x - before
			switch {
			case held[i] >= 0:
				ups = append(ups, held[i])
			case held[i] < 0:
				downs = append(downs, -held[i])
			}
		}
	}
	fit := Fit{Held: held, Floor: compare(values, g, held)}
	low, high := extent(values)
	floor := 1e-3 * (high - low)
	up, down := spread(ups), spread(downs)
	m.up, m.down = max(floor, up, distanceShare*down), max(floor, down, distanceShare*up)
	if !(m.up > 0) || math.IsInf(m.up+m.down, 0) {
		return Fit{}, ErrConstant
	}
	for i, d := range held {
		held[i] = d / m.up
		if d < 0 {
			held[i] = d / m.down
		}
	}
	m.shape = shapeOf(held)
	fit.Model = m
	return fit, nil
}

// seasonalNaive is a fitted SeasonalNaive.
type seasonalNaive struct {
	period   int64 // milliseconds, whole steps
	up, down float64
	// level is expected where no earlier period has a sample.
	level float64
	// tail and values are the last periods of the training window.
	tail   series.Grid
	values []float64
	shape  shape
}

// before returns the value n, 2n or 3n samples before sample i; NaN for none.
func (m *seasonalNaive) before(i, n int, values []float64) float64 {
	for k := i - n; k >= 0 && k >= i-naiveBack*n; k -= n {
		if x := values[k]; Usable(x) {
			return x
		}
	}
	return nan
}

// expected returns what is expected at time t by the window and, where that has nothing, by what the fit kept; both before t.
func (m *seasonalNaive) expected(t int64, window series.Series) float64 {
	for k := int64(1); k <= naiveBack; k++ {
		u := t - k*m.period
		if i, ok := window.Grid.Index(u); ok && i < len(window.Values) && Usable(window.Values[i]) {
			return window.Values[i]
		}
		if i, ok := m.tail.Index(u); ok && Usable(m.values[i]) {
			return m.values[i]
		}
	}
	return m.level
}

// Predict looks one period back.
func (m *seasonalNaive) Predict(window series.Series, dst Band) {
	dst.mustHave(len(window.Values))
	for i := range dst.Center {
		dst.Center[i], dst.Up[i], dst.Down[i] = m.expected(window.Grid.At(i), window), m.up, m.down
	}
}

// Forecast repeats the last period. Its quantiles widen by the square root of the number of periods ahead, as those of a walk from period to period.
func (m *seasonalNaive) Forecast(window series.Series, h int, levels []float64) Forecast {
	f := NewForecast(window.Grid, h, levels)
	for k := range f.Center {
		t := f.Grid.At(k)
		ahead := 1 + (t-f.Grid.Start)/m.period
		f.Center[k] = m.expected(t-(ahead-1)*m.period, window)
		for l, p := range levels {
			z := m.shape.at(p) * math.Sqrt(float64(ahead))
			side := m.up
			if z < 0 {
				side = m.down
			}
			f.Quantile[l][k] = f.Center[k] + z*side
		}
	}
	return f
}

// MarshalBinary writes the last periods.
func (m *seasonalNaive) MarshalBinary() ([]byte, error) {
	return written("seasonal_naive").Ints(m.period, m.tail.Start, m.tail.Step).Slice(m.values).Floats(m.up, m.down, m.level).Slice(m.shape), nil
}

func (*SeasonalNaive) unmarshal(r *wire.Reader) Model {
	m := &seasonalNaive{period: r.Int()}
	m.tail.Start, m.tail.Step, m.values = r.Int(), r.Int(), r.Slice()
	m.tail.N = len(m.values)
	m.up, m.down, m.level, m.shape = r.Float(), r.Float(), r.Float(), readShape(r)
	if m.tail.Step <= 0 || m.period <= 0 || m.period > math.MaxInt64/16 || m.tail.Start != series.Floor(m.tail.Start, m.tail.Step) {
		r.Fail()
		m.tail.Step, m.period = 1, 1
	}
	return m
}
