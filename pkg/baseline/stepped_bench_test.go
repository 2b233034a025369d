package baseline

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// BenchmarkStepped fits a week of one sample a minute and expects each of its samples, and expects them by a fit that exists. Beside it,
// python3 pkg/baseline/testdata/statespace.py times does the same with statsmodels.
func BenchmarkStepped(b *testing.B) {
	s := made(7, time.UTC, func(at time.Time, rng *rand.Rand) float64 {
		return 100 + 30*math.Sin(2*math.Pi*hours(at)/24) + 3*rng.NormFloat64()
	})
	band := NewBand(s.Grid.N)
	for _, name := range []string{"kalman", "arima", "lstm"} {
		bl, err := Baselines.New(name, nil)
		if err != nil {
			b.Fatal(err)
		}
		var fit Fit
		b.Run(name+"/fit and predict", func(b *testing.B) {
			for b.Loop() {
				if fit, err = bl.Fit(s, time.UTC); err != nil {
					b.Fatal(err)
				}
				fit.Model.Predict(s, band)
			}
			b.ReportMetric(float64(b.N*s.Grid.N)/b.Elapsed().Seconds(), "samples/s")
		})
		b.Run(name+"/predict", func(b *testing.B) {
			if fit, err = bl.Fit(s, time.UTC); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				fit.Model.Predict(s, band)
			}
			b.ReportMetric(float64(b.N*s.Grid.N)/b.Elapsed().Seconds(), "samples/s")
		})
	}
}
