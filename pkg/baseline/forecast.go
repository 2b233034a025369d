package baseline

import (
	"fmt"
	"math"
	"slices"

	"github.com/foreshock/foreshock/pkg/robust"
	"github.com/foreshock/foreshock/pkg/series"
	"github.com/foreshock/foreshock/pkg/wire"
)

// Forecaster is a model that says what comes after a window. Every registered baseline's model is one.
type Forecaster interface {
	Model
	// Forecast predicts the h samples after the window, as seen at its end: entry k is the sample stamped window.Grid.At(N+k), and no sample of the window is
	// predicted again. The window is what came before, up to now, its gaps NaN; models without memory look at nothing but its grid, so that it may be empty of values
	// (all NaN), and those with memory want the samples that Predict wants. Levels are probabilities strictly between 0 and 1 in any order. The forecast of a shorter h is
	// the beginning of that of a longer one. Pure: same window, same forecast. It panics on h < 0 and on levels that are no probabilities.
	Forecast(window series.Series, h int, levels []float64) Forecast
}

// Forecast is what a model expects after a window. All numbers are in the unit of the series and finite.
type Forecast struct {
	// Grid holds the times: it begins where the window ends.
	Grid series.Grid
	// Center is the point forecast of each sample, on the scale of Band.Center. It need not be the median.
	Center []float64
	// Levels are the probabilities that were asked for, in that order. Quantile[l][k] is the value that sample k, by itself, stays at or below with probability
	// Levels[l]: for each k they rise with the level. They say nothing of how samples move together.
	Levels   []float64
	Quantile [][]float64
}

// NewForecast returns a forecast with room for h samples after a grid at the given levels, which it copies. It panics as Forecaster says.
func NewForecast(after series.Grid, h int, levels []float64) Forecast {
	if h < 0 {
		panic(fmt.Sprintf("baseline: a forecast of %d samples", h))
	}
	f := Forecast{Grid: series.Grid{Start: after.End(), Step: after.Step, N: h}, Center: make([]float64, h), Levels: slices.Clone(levels), Quantile: make([][]float64, len(levels))}
	for l, p := range levels {
		if !(p > 0 && p < 1) {
			panic(fmt.Sprintf("baseline: a quantile at level %v", p))
		}
		f.Quantile[l] = make([]float64, h)
	}
	return f
}

// normalQuantile returns the standard normal quantile at 0 < p < 1.
func normalQuantile(p float64) float64 { return math.Sqrt2 * math.Erfinv(2*p-1) }

// shape is the distribution of held-out scores, as quantiles at normal scores shapeEdge apart from −shapeEnd to shapeEnd: a normal series has a straight line. It lets a
// model that knows usual distances only give quantiles of any level that held on days which it had not seen.
type shape []float64

const (
	shapeEdge, shapeEnd = 0.5, 3.0
	shapePoints         = int(2*shapeEnd/shapeEdge) + 1
	// shapeSamples is how many scores are sorted for it: three of them lie beyond the last quantile on each side.
	shapeSamples = 2400
)

// shapeOf learns the distribution of scores; NaN are left out. Many are thinned evenly.
func shapeOf(held []float64) shape {
	every := max(1, len(held)/shapeSamples)
	sorted := make([]float64, 0, len(held)/every+1)
	for i := 0; i < len(held); i += every {
		if x := held[i]; x-x == 0 {
			sorted = append(sorted, x)
		}
	}
	s := make(shape, shapePoints)
	if len(sorted) == 0 {
		return s
	}
	slices.Sort(sorted)
	for k := range s {
		z := float64(k)*shapeEdge - shapeEnd
		s[k] = robust.Quantile(sorted, 0.5*math.Erfc(-z/math.Sqrt2))
	}
	return s
}

// at returns the score at a probability: on straight lines in the normal score, beyond the ends as the last piece goes on.
func (s shape) at(p float64) float64 {
	x := (normalQuantile(p) + shapeEnd) / shapeEdge
	i := min(max(int(math.Floor(x)), 0), shapePoints-2)
	return s[i] + (s[i+1]-s[i])*(x-float64(i))
}

// readShape reads a shape that Slice wrote.
func readShape(r *wire.Reader) shape {
	s := shape(r.Slice())
	if len(s) != shapePoints || !slices.IsSorted(s) {
		r.Fail()
		return make(shape, shapePoints)
	}
	return s
}

// forecastBand is the forecast of a model whose band depends on the time only: its distances are stretched by the shape of what was held out.
func forecastBand(m Model, s shape, window series.Series, h int, levels []float64) Forecast {
	f := NewForecast(window.Grid, h, levels)
	ahead := series.Series{Labels: window.Labels, Grid: f.Grid, Values: f.Center} // values are not looked at
	band := NewBand(h)
	m.Predict(ahead, band)
	copy(f.Center, band.Center)
	for l, p := range levels {
		z := s.at(p)
		side := band.Up
		if z < 0 {
			side = band.Down
		}
		for k := range f.Quantile[l] {
			f.Quantile[l][k] = band.Center[k] + z*side[k]
		}
	}
	return f
}
