package baseline

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foreshock/foreshock/pkg/series"
)

// forecasters fits every registered baseline; a model that cannot forecast fails the test.
func forecasters(t *testing.T, s series.Series) map[string]Forecaster {
	t.Helper()
	all := map[string]Forecaster{}
	for _, name := range Baselines.Names() {
		b, err := Baselines.New(name, nil)
		if err != nil {
			t.Fatal(err)
		}
		fit, err := b.Fit(s, time.UTC)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		f, ok := fit.Model.(Forecaster)
		if !ok {
			t.Fatalf("%s does not forecast", name)
		}
		all[name] = f
	}
	return all
}

// Every baseline forecasts: on the grid after the window, quantiles in order and finite, a longer forecast goes on where a shorter one ends, twice the same, also from
// a model that was read back, over gaps, and without writing the window.
func TestForecast(t *testing.T) {
	t.Parallel()
	s := made(7, time.UTC, func(at time.Time, rng *rand.Rand) float64 {
		return 100 + 30*math.Sin(2*math.Pi*hours(at)/24) + 3*rng.NormFloat64()
	})
	holed := series.New(s.Labels, s.Grid)
	for i, x := range s.Values {
		if holed.Values[i] = x; i%7 == 0 || i > s.Grid.N-20 {
			holed.Values[i] = math.NaN()
		}
	}
	levels := []float64{0.99, 0.01, 0.5, 0.25}
	for name, m := range forecasters(t, s) {
		for _, window := range []series.Series{s, holed, s.Slice(6*24*60, s.Grid.N)} {
			before := slices.Clone(window.Values)
			long, short, none := m.Forecast(window, 300, levels), m.Forecast(window, 100, levels), m.Forecast(window, 0, nil)
			if none.Grid.N != 0 || long.Grid != (series.Grid{Start: s.Grid.End(), Step: 60_000, N: 300}) {
				t.Fatalf("%s: grids %+v and %+v", name, none.Grid, long.Grid)
			}
			if d := cmp.Diff(levels, long.Levels); d != "" {
				t.Errorf("%s: levels:\n%s", name, d)
			}
			for k, c := range long.Center {
				if c-c != 0 {
					t.Fatalf("%s: centre %v at %d", name, c, k)
				}
				up := []float64{long.Quantile[1][k], long.Quantile[3][k], long.Quantile[2][k], long.Quantile[0][k]}
				if !slices.IsSorted(up) || up[3]-up[0] <= 0 || math.IsInf(up[3]-up[0], 0) {
					t.Fatalf("%s: quantiles %v at %d", name, up, k)
				}
			}
			if d := cmp.Diff(short.Center, long.Center[:100]); d != "" {
				t.Errorf("%s: a shorter forecast differs:\n%s", name, d)
			}
			for l := range levels {
				if d := cmp.Diff(short.Quantile[l], long.Quantile[l][:100]); d != "" {
					t.Errorf("%s: a shorter forecast differs at %v:\n%s", name, levels[l], d)
				}
			}
			raw, err := m.MarshalBinary()
			if err != nil {
				t.Fatal(err)
			}
			again, err := Unmarshal(raw)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(long, again.(Forecaster).Forecast(window, 300, levels)); d != "" {
				t.Errorf("%s: a model read back forecasts otherwise:\n%s", name, d)
			}
			for i, x := range window.Values {
				if x != before[i] && (x == x || before[i] == before[i]) {
					t.Fatalf("%s: the window was written at %d", name, i)
				}
			}
		}
	}
}

// Quantiles hold on days to come: of a day of skewed noise around a daily wave, the share below each quantile is its level.
func TestForecastCoverage(t *testing.T) {
	t.Parallel()
	value := func(at time.Time, rng *rand.Rand) float64 {
		return 50 + 20*math.Sin(2*math.Pi*hours(at)/24) + 5*math.Exp(0.6*rng.NormFloat64())
	}
	s := made(10, time.UTC, value)
	past, day := s.Slice(0, 7*24*60), s.Slice(7*24*60, 8*24*60)
	levels := []float64{0.05, 0.25, 0.5, 0.75, 0.95, 0.99}
	for name, m := range forecasters(t, past) {
		f := m.Forecast(past, day.Grid.N, levels)
		for l, p := range levels {
			below := 0
			for k, x := range day.Values {
				if x <= f.Quantile[l][k] {
					below++
				}
			}
			// Four standard errors of a share of 1,440 samples, and what the noise of the profile and of the level at the one end that is forecast from adds.
			if got := float64(below) / float64(day.Grid.N); math.Abs(got-p) > 0.03+4*math.Sqrt(p*(1-p)/1440) {
				t.Errorf("%s: %.3f of the next day lie below the quantile at %v", name, got, p)
			}
		}
	}
}

// Of normal scores the shape is the straight line, also beyond its ends; a Laplace tail goes on as it began.
func TestShape(t *testing.T) {
	t.Parallel()
	n := 240_000
	held := make([]float64, n)
	for i := range held {
		held[i] = normalQuantile((float64(i) + 0.5) / float64(n))
	}
	rand.New(rand.NewPCG(1, 1)).Shuffle(n, func(i, j int) { held[i], held[j] = held[j], held[i] })
	s := shapeOf(held)
	for _, c := range []struct{ p, within float64 }{{0.5, 0.06}, {0.025, 0.12}, {0.9, 0.1}, {0.9999, 0.6}, {1e-6, 1}} {
		if got, want := s.at(c.p), normalQuantile(c.p); math.Abs(got-want) > c.within {
			t.Errorf("at %v: %v, want %v", c.p, got, want)
		}
	}
}

// Values of the normal quantile as tabulated (Abramowitz and Stegun, table 26.5).
func TestNormalQuantile(t *testing.T) {
	t.Parallel()
	for p, want := range map[float64]float64{0.5: 0, 0.975: 1.959963985, 0.99: 2.326347874, 0.001: -3.090232306} {
		if got := normalQuantile(p); math.Abs(got-want) > 1e-8 {
			t.Errorf("at %v: %v, want %v", p, got, want)
		}
	}
}
