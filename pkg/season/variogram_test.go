package season

import (
	"math"
	"math/rand/v2"
	"testing"
)

// The variogram by transforms is half the mean squared difference of the pairs, with gaps and without.
func TestVariogramIsTheMeanSquaredDifference(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(21, 22))
	for _, gaps := range []float64{0, 0.2} {
		for _, n := range []int{12, 61, 100, 640} {
			x := make([]float64, n)
			for i := range x {
				if x[i] = math.Sin(float64(i)/7) + rng.NormFloat64(); rng.Float64() < gaps {
					x[i] = math.NaN()
				}
			}
			v := newVariogram(x)
			if v == nil {
				continue
			}
			for k := 1; k < len(v.gamma); k++ {
				sum, pairs := 0.0, 0.0
				for i := k; i < n; i++ {
					if d := x[i] - x[i-k]; d == d {
						sum += d * d
						pairs++
					}
				}
				want := v.gamma[k-1]
				if pairs >= 6 {
					want = sum / pairs / 2
				}
				if math.Abs(v.gamma[k]-want) > 1e-12*float64(n) {
					t.Fatalf("%d values, %g gaps, lag %d: %v, want %v", n, gaps, k, v.gamma[k], want)
				}
			}
		}
	}
}
