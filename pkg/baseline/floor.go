package baseline

import (
	"math"

	"github.com/foreshock/foreshock/pkg/robust"
	"github.com/foreshock/foreshock/pkg/season"
	"github.com/foreshock/foreshock/pkg/series"
	"github.com/foreshock/foreshock/pkg/wire"
)

// Comparison holds a model against the floor that each must beat: the value one period before. Both were judged on the same held-out samples, those of the last fold of the
// training window (its last day, as long as the window is no longer than maxFolds days), each as it predicts: a profile the whole day ahead, what follows the series one sample ahead.
type Comparison struct {
	// Own and Floor are mean absolute errors of the model and of the floor, in the unit of the series, without the farthest hundredth of each.
	Own, Floor float64
	// Samples is how many were compared; 0 where nothing could be.
	Samples int
}

// Beats reports whether the model is nearer than the floor, or nothing could be compared.
func (c Comparison) Beats() bool { return c.Samples == 0 || c.Own < c.Floor }

// Write appends the comparison to a written model.
func (c Comparison) Write(w wire.Writer) wire.Writer {
	return w.Floats(c.Own, c.Floor).Ints(int64(c.Samples))
}

// ReadComparison reads what Write wrote.
func ReadComparison(r *wire.Reader) Comparison {
	return Comparison{Own: r.Float(), Floor: r.Float(), Samples: int(r.Int())}
}

// floorLeast is how many samples a comparison wants.
const floorLeast = 20

// compare holds the errors of a model (in units of the series, by what it knew before the last fold) against the floor.
func compare(values []float64, g series.Grid, errors []float64) Comparison {
	period := naivePeriod(g)
	fold, folds := foldsOf(g)
	var own, floor []float64
	for i := g.N - 1; i >= period && int(fold[i]) == folds-1; i-- {
		d := values[i] - values[i-period]
		if d-d == 0 && errors[i]-errors[i] == 0 {
			own, floor = append(own, math.Abs(errors[i])), append(floor, math.Abs(d))
		}
	}
	if len(own) < floorLeast {
		return Comparison{}
	}
	return Comparison{Own: trimmed(own), Floor: trimmed(floor), Samples: len(own)}
}

// naivePeriod is the period of the floor in samples: a day where the window holds two, else one sample.
func naivePeriod(g series.Grid) int {
	if day := int(season.DayMillis / g.Step); day >= 1 && g.N >= 2*day {
		return day
	}
	return 1
}

// trimmed returns the mean without the farthest hundredth. It reorders its input.
func trimmed(d []float64) float64 {
	n := len(d) * 99 / 100
	robust.Select(d, n)
	return robust.Mean(d[:n])
}
