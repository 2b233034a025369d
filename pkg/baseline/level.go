package baseline

import (
	"fmt"
	"math"
	"time"

	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/robust"
	"github.com/foreshock/foreshock/pkg/series"
	"github.com/foreshock/foreshock/pkg/wire"
)

func init() {
	Baselines.Add(registry.Entry[Baseline]{
		Name:    "level",
		Summary: "One level for all times: the median, with the median absolute deviation around it.",
		Source:  "Rousseeuw and Croux, JASA 88(424), 1993, doi:10.1080/01621459.1993.10476408",
		New:     func() Baseline { return &Level{} },
	})
}

// Level is the median of the window with the median absolute deviation on each side: no season, no trend.
type Level struct{}

// Validate accepts all.
func (*Level) Validate() error { return nil }

// Fit takes the median and the median absolute deviation.
func (*Level) Fit(train series.Series, _ *time.Location) (Fit, error) {
	values, present := clean(train.Values)
	if present < 10 {
		return Fit{}, fmt.Errorf("%d samples, want at least 10: %w", present, ErrTooShort)
	}
	scratch := make([]float64, 0, present)
	m, ok := levelOf(robust.Drop(scratch, values))
	if !ok {
		return Fit{}, ErrConstant
	}
	fold, folds := foldsOf(train.Grid)
	held, distances := make([]float64, len(values)), make([]float64, len(values))
	for f := range folds {
		scratch = scratch[:0]
		for i, x := range values {
			if x == x && (int(fold[i]) != f || folds == 1) {
				scratch = append(scratch, x)
			}
		}
		other, ok := levelOf(scratch)
		if !ok {
			other = m
		}
		for i, x := range values {
			if int(fold[i]) == f {
				held[i], distances[i] = (x-other.center)/other.distance, other.distance
			}
		}
	}
	m.shape = shapeOf(held)
	missed := make([]float64, len(held))
	for i, h := range held {
		missed[i] = h * distances[i]
	}
	return Fit{Model: m, Held: held, Floor: compare(values, train.Grid, missed)}, nil
}

// level is a fitted Level.
type level struct {
	center, distance float64
	shape            shape
}

// levelOf fits the values, which it reorders; false when they are all equal.
func levelOf(values []float64) (level, bool) {
	if len(values) == 0 {
		return level{}, false
	}
	c := robust.MedianInPlace(values)
	for i, x := range values {
		values[i] = math.Abs(x - c)
	}
	s := spread(values)
	return level{center: c, distance: s}, s > 0 && !math.IsInf(s, 0)
}

func (m level) Predict(window series.Series, dst Band) {
	dst.mustHave(len(window.Values))
	for i := range dst.Center {
		dst.Center[i], dst.Up[i], dst.Down[i] = m.center, m.distance, m.distance
	}
}

func (m level) MarshalBinary() ([]byte, error) {
	return written("level").Floats(m.center, m.distance).Slice(m.shape), nil
}

func (*Level) unmarshal(r *wire.Reader) Model {
	return level{center: r.Float(), distance: r.Float(), shape: readShape(r)}
}

// Forecast says the same for all times to come.
func (m level) Forecast(window series.Series, h int, levels []float64) Forecast {
	return forecastBand(m, m.shape, window, h, levels)
}
