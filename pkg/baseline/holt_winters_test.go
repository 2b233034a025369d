package baseline

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/foreshock/foreshock/pkg/series"
)

// smoothedCase is what testdata/holt_winters.py made with statsmodels 0.13.5.
type smoothedCase struct {
	Name                    string
	Multiplicative, Damped  bool
	Values, Season          []float64
	Level, Trend            float64
	Alpha, Beta, Gamma, Phi float64
	Fitted, Forecast        []float64
	SSE, Best               float64
}

func smoothedCases(t testing.TB) []smoothedCase {
	t.Helper()
	raw, err := os.ReadFile("testdata/holt_winters.json")
	if err != nil {
		t.Fatal(err)
	}
	var all struct{ Cases []smoothedCase }
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	return all.Cases
}

// run returns the fitted values, the forecasts of h samples and the sum of squared errors.
func (c smoothedCase) run(p smoothing, h int) (fitted, forecast []float64, sse float64) {
	s, seasons := smoothedState{c.Level, c.Trend}, slices.Clone(c.Season)
	m, last := len(seasons), 0.0
	for i, y := range c.Values {
		e := p.expect(s, seasons[i%m])
		fitted = append(fitted, e)
		sse += (y - e) * (y - e)
		last = seasons[i%m]
		seasons[i%m] = p.see(&s, y, last)
	}
	for k := range h {
		season := seasons[(len(c.Values)+k)%m]
		if k%m == m-1 { // statsmodels 0.13 forecasts these with the season from before the last sample, see its ExponentialSmoothing._predict
			season = last
		}
		forecast = append(forecast, p.expect(s, season))
		p.miss(&s)
	}
	return fitted, forecast, sse
}

// With the same parameters and initial states the recursions give statsmodels' fitted values and forecasts; with free ones a sum of squares that is no worse by more than
// 1 % than the smallest that scipy finds over statsmodels' recursions, within the bounded number of evaluations.
func TestHoltWintersParity(t *testing.T) {
	t.Parallel()
	for _, c := range smoothedCases(t) {
		p := smoothing{alpha: c.Alpha, beta: c.Beta, gamma: c.Gamma, phi: c.Phi, multiplicative: c.Multiplicative}
		fitted, forecast, sse := c.run(p, len(c.Forecast))
		for i, want := range slices.Concat(c.Fitted, c.Forecast) {
			if got := slices.Concat(fitted, forecast)[i]; math.Abs(got-want) > 1e-8*math.Abs(want) {
				t.Fatalf("%s: value %d is %v, want %v", c.Name, i, got, want)
			}
		}
		if math.Abs(sse-c.SSE) > 1e-8*c.SSE {
			t.Errorf("%s: sum of squares %v, want %v", c.Name, sse, c.SSE)
		}
		best := optimal(func(p smoothing) float64 { _, _, s := c.run(p, 0); return s }, c.Damped, c.Multiplicative)
		if _, _, s := c.run(best, 0); s > 1.01*c.Best {
			t.Errorf("%s: the best sum of squares is %.2f with %+v, the smallest known %.2f", c.Name, s, best, c.Best)
		}
	}
}

// Where the swing grows with the level a season that multiplies is found, and it predicts the higher level's swing; the additive one does not.
func TestHoltWintersMultiplies(t *testing.T) {
	t.Parallel()
	value := func(at time.Time, rng *rand.Rand) float64 {
		level := 100 + 12*math.Floor(float64(at.Unix()-1_772_409_600)/86400)
		return level * (1 + 0.6*math.Sin(2*math.Pi*hours(at)/24)) * (1 + 0.01*rng.NormFloat64())
	}
	all := made(8, time.UTC, value)
	s := all.Slice(0, 7*1440)
	kind := func(season string) *winters {
		h := NewHoltWinters()
		h.Season = season
		return modelOf(t, h, s).(*stepped).own.(*winters)
	}
	if kind("additive").multiplicative || !kind("multiplicative").multiplicative || !kind("auto").multiplicative {
		t.Errorf("additive %v, multiplicative %v, auto %v", kind("additive").multiplicative, kind("multiplicative").multiplicative, kind("auto").multiplicative)
	}
	flat := made(7, time.UTC, func(at time.Time, rng *rand.Rand) float64 {
		return math.Sin(2*math.Pi*hours(at)/24) + 0.1*rng.NormFloat64()
	})
	h := NewHoltWinters()
	h.Season = "multiplicative"
	if modelOf(t, h, flat).(*stepped).own.(*winters).multiplicative {
		t.Error("a season multiplies a series around zero")
	}
}

// A window without days takes the season of the period that is found, at the right phase, also when the window starts elsewhere.
func TestHoltWintersFindsItsPeriod(t *testing.T) {
	t.Parallel()
	s := series.New(nil, series.Grid{Start: 1_000_007, Step: 1000, N: 1200})
	s.Grid.Start = series.Floor(s.Grid.Start, 1000)
	rng := rand.New(rand.NewPCG(2, 2))
	for i := range s.Values {
		s.Values[i] = 20 + 0.2*rng.NormFloat64()
		if i%50 < 5 {
			s.Values[i] += 10
		}
	}
	m := modelOf(t, NewHoltWinters(), s.Slice(0, 1000))
	if p := len(m.(*stepped).own.(*winters).start); p != 50 {
		t.Fatalf("a period of %d samples, want 50", p)
	}
	w := s.Slice(913, 1200)
	b := NewBand(w.Grid.N)
	m.Predict(w, b)
	for i := 60; i < w.Grid.N; i++ {
		if math.Abs(w.Values[i]-b.Center[i]) > 1.5 {
			t.Fatalf("sample %d: %.1f is expected, came %.1f", 913+i, b.Center[i], w.Values[i])
		}
	}
}

// BenchmarkHoltWinters smooths the first case; its peer is statsmodels with the same fixed parameters (testdata/holt_winters.py speed).
func BenchmarkHoltWinters(b *testing.B) {
	c := smoothedCases(b)[1]
	p := smoothing{alpha: c.Alpha, beta: c.Beta, gamma: c.Gamma, phi: c.Phi}
	for _, mode := range []string{"smooth", "optimise"} {
		b.Run(mode, func(b *testing.B) {
			for b.Loop() {
				if mode == "smooth" {
					c.run(p, 0)
				} else {
					optimal(func(p smoothing) float64 { _, _, s := c.run(p, 0); return s }, true, false)
				}
			}
			b.ReportMetric(float64(b.N*len(c.Values))/b.Elapsed().Seconds(), "samples/s")
		})
	}
}
