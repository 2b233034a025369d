package evaluate

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/foreshock/foreshock/pkg/robust"
)

// Floors are what every table holds for comparison: whoever does not beat them has learnt nothing.
var Floors = []Floor{
	{Name: "random", Score: randomFloor, blind: true},
	{Name: "constant", Score: func(values []float64) []float64 { return make([]float64, len(values)) }, blind: true},
	{Name: "seasonal_naive", Score: seasonalNaive},
}

// Floor is a score that needs no model: causal, one per value.
type Floor struct {
	Name  string
	Score func(values []float64) []float64
	// blind is set for a score that does not look at the values.
	blind bool
}

// randomFloor is uniform noise from a fixed seed.
func randomFloor(values []float64) []float64 {
	rng := rand.New(rand.NewPCG(7, uint64(len(values))))
	out := make([]float64, len(values))
	for i := range out {
		out[i] = rng.Float64()
	}
	return out
}

// seasonalNaive is the robust z of the difference from the value one period before, as the reference scorer's "seasonal_naive_z (causal)".
func seasonalNaive(values []float64) []float64 {
	p := Period(values)
	r := make([]float64, len(values))
	for i := p; i < len(values); i++ {
		r[i] = values[i] - values[i-p]
	}
	return robustZ(r, max(100, 3*p))
}

// robustZ is log(1 + |x − median| / MAD) over the w values before each, as the reference scorer's "robust_z (causal)": the deviations are those from the median of
// their own time, a thousandth of the standard deviation of all keeps the quotient finite.
func robustZ(values []float64, w int) []float64 {
	least := 1e-3*deviation(values) + 1e-12
	median := trailingMedian(values, w)
	away := make([]float64, len(values))
	for i, x := range values {
		away[i] = math.Abs(x - median[i])
	}
	mad := trailingMedian(away, w)
	out := make([]float64, len(values))
	for i := range out {
		if z := away[i] / (1.4826*mad[i] + least); z == z {
			out[i] = math.Log1p(z)
		}
	}
	return out
}

// leastTrailing is how many values a trailing median needs.
const leastTrailing = 10

// trailingMedian returns the median of the w values before each one, those that are numbers; NaN where fewer than ten are.
func trailingMedian(values []float64, w int) []float64 {
	out := make([]float64, len(values))
	sorted := make([]float64, 0, w+1)
	for i := range values {
		out[i] = math.NaN()
		if n := len(sorted); n >= leastTrailing {
			out[i] = (sorted[n/2] + sorted[(n-1)/2]) / 2
		}
		if x := values[i]; x == x {
			sorted = insert(sorted, x)
		}
		if k := i - w + 1; k > 0 && values[k-1] == values[k-1] {
			sorted = remove(sorted, values[k-1])
		}
	}
	return out
}

func deviation(values []float64) float64 {
	mean := robust.Mean(values)
	squares := make([]float64, len(values))
	for i, x := range values {
		squares[i] = (x - mean) * (x - mean)
	}
	return math.Sqrt(robust.Sum(squares) / float64(len(values)-1))
}

// overVectors is a floor over several channels: the mean of what it says about each, or what it says about the first where it does not look at values.
func (f Floor) overVectors(v Vectors) []float64 {
	out := make([]float64, len(v.Test))
	channel := make([]float64, len(v.Test))
	for k := range v.Channels {
		for i, row := range v.Test {
			channel[i] = row[k]
		}
		for i, s := range f.Score(channel) {
			out[i] += s / float64(len(v.Channels))
		}
		if f.blind {
			break
		}
	}
	return out
}

func insert(sorted []float64, x float64) []float64 {
	k, _ := slices.BinarySearch(sorted, x)
	return slices.Insert(sorted, k, x)
}

func remove(sorted []float64, x float64) []float64 {
	k, _ := slices.BinarySearch(sorted, x)
	return slices.Delete(sorted, k, k+1)
}
