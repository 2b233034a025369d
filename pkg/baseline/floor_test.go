package baseline

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/foreshock/foreshock/pkg/series"
)

// Where days are alike a profile beats yesterday, by √2 on noise; on a steady rise, which the median of the days lags behind, it does not, and
// says so.
func TestFloor(t *testing.T) {
	t.Parallel()
	daily := made(7, time.UTC, func(at time.Time, rng *rand.Rand) float64 {
		return 100 + 30*math.Sin(2*math.Pi*hours(at)/24) + 3*rng.NormFloat64()
	})
	rising := made(7, time.UTC, func(at time.Time, rng *rand.Rand) float64 {
		return float64(at.Unix()%31_536_000)/86400*30 + rng.NormFloat64()
	})
	a, b := fitted(t, NewSeasonal(), daily).Floor, fitted(t, NewSeasonal(), rising).Floor
	// Mean absolute values of normal noise of deviation 3, and of the difference of two, without the farthest hundredth.
	if !a.Beats() || a.Samples != 1440 || math.Abs(a.Own-3*0.78) > 0.2 || math.Abs(a.Floor-3*0.78*math.Sqrt2) > 0.2 {
		t.Errorf("on days that are alike: %+v", a)
	}
	if b.Beats() {
		t.Errorf("a profile of a rise: %+v", b)
	}
	if c := compare(daily.Values[:30], series.Grid{Step: 60_000, N: 30}, make([]float64, 30)); c.Samples != 29 || !c.Beats() {
		t.Errorf("half an hour: %+v, want 29 samples against the one before", c)
	}
	if c := compare(daily.Values[:10], series.Grid{Step: 60_000, N: 10}, make([]float64, 10)); c.Samples != 0 || !c.Beats() {
		t.Errorf("ten samples: %+v, want no comparison", c)
	}
}

// The naive expects the value a day before, over gaps the one two days before, never a later one, and forecasts the last day again and again.
func TestSeasonalNaive(t *testing.T) {
	t.Parallel()
	s := made(4, time.UTC, func(_ time.Time, rng *rand.Rand) float64 { return rng.NormFloat64() })
	past := s.Slice(0, 3*1440)
	past.Values[2*1440+7] = math.NaN()
	m := modelOf(t, &SeasonalNaive{}, past)
	b := NewBand(1440)
	m.Predict(s.Slice(3*1440, 4*1440), b)
	for i, c := range b.Center {
		want := s.Values[2*1440+i]
		if i == 7 {
			want = s.Values[1440+7]
		}
		if c != want {
			t.Fatalf("minute %d: %v is expected, want %v", i, c, want)
		}
	}
	f := m.(Forecaster).Forecast(past, 2880, []float64{0.1, 0.9})
	if f.Center[100] != s.Values[2*1440+100] || f.Center[1540] != s.Values[2*1440+100] {
		t.Errorf("forecast %v and %v, want %v twice", f.Center[100], f.Center[1540], s.Values[2*1440+100])
	}
	if one, two := f.Quantile[1][100]-f.Center[100], f.Quantile[1][1540]-f.Center[1540]; math.Abs(two/one-math.Sqrt2) > 1e-9 {
		t.Errorf("the second day is %.3f times as wide as the first, want √2", two/one)
	}
	// Without a day the period is found.
	p := series.New(nil, series.Grid{Step: 1000, N: 900})
	for i := range p.Values {
		p.Values[i] = math.Sin(2*math.Pi*float64(i)/45) + 0.1*math.Sin(float64(i)*float64(i))
	}
	if got := modelOf(t, &SeasonalNaive{}, p).(*seasonalNaive).period; got != 45_000 {
		t.Errorf("period %d ms, want 45,000", got)
	}
}

func modelOf(t *testing.T, b Baseline, s series.Series) Model {
	t.Helper()
	f, err := b.Fit(s, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	return f.Model
}
