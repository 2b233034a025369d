package detect

import (
	"math"
	"math/rand/v2"
	"testing"
)

// A sample that is ordinary lies within its limits, one that is not outside: also where a value further out would have been more ordinary still, since the
// samples before lead there, and where all values near it are as ordinary.
func TestAutoLimitsHoldTheSample(t *testing.T) {
	t.Parallel()
	const day = 1440
	kinds := map[string]func(i int, rng *rand.Rand, last float64) float64{
		"bursts": func(_ int, rng *rand.Rand, _ float64) float64 {
			if rng.IntN(12) > 0 {
				return 0
			}
			return math.Exp(3 * rng.NormFloat64())
		},
		"on and off": func(_ int, rng *rand.Rand, _ float64) float64 { return 2e7 * float64(1-min(1, rng.IntN(5))) },
		"jumps that last": func(_ int, rng *rand.Rand, last float64) float64 {
			if rng.IntN(90) == 0 {
				return 50 + 40*rng.NormFloat64()
			}
			return last + rng.NormFloat64()
		},
		"a walk": func(_ int, rng *rand.Rand, last float64) float64 { return 0.999*last + rng.NormFloat64() },
		"heavy tails": func(i int, rng *rand.Rand, _ float64) float64 {
			return 20*math.Sin(2*math.Pi*float64(i)/day) + rng.NormFloat64()/math.Abs(rng.NormFloat64())
		},
	}
	for name, next := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(4) {
				rng := rand.New(rand.NewPCG(seed, 3))
				s := fixtures()[0].s
				s.Values = make([]float64, s.Grid.N)
				for i := range s.Values {
					s.Values[i] = next(i, rng, s.Values[max(0, i-1)])
				}
				_, window, warmup, r := limitsAfter(t, s, 10*day)
				for i, x := range r.Score {
					v, lower, upper := window.Values[warmup+i], r.Lower[i], r.Upper[i]
					if lower == lower && (lower > upper || math.IsInf(upper, -1) || math.IsInf(lower, 1) || (x >= 1) != (v <= lower || v >= upper)) {
						t.Fatalf("seed %d: sample %d of %g scores %g within %g … %g", seed, i, v, x, lower, upper)
					}
				}
			}
		})
	}
}
