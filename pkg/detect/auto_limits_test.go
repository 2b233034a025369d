package detect

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/foreshock/foreshock/pkg/series"
)

// Every limit is where another value at that sample would have had a score of 1, with the samples before it as they were.
func TestAutoLimits(t *testing.T) {
	t.Parallel()
	for _, fx := range fixtures()[:3] {
		t.Run(fx.name, func(t *testing.T) {
			t.Parallel()
			s := fx.s
			day := 1440
			add(s.Values, len(s.Values)-day, 20, 1.5*size(s.Values))
			m, window, warmup, r := limitsAfter(t, s, 10*day)
			score := func(i int, v float64) float64 {
				w := window.Slice(0, warmup+i+1)
				w.Values = slices.Clone(w.Values)
				w.Values[warmup+i] = v
				again, err := m.Score(w, warmup+i)
				if err != nil {
					t.Fatal(err)
				}
				return again.Score[0]
			}
			open, abnormal := 0, 0
			for i, x := range r.Score {
				v, lower, upper := window.Values[warmup+i], r.Lower[i], r.Upper[i]
				if lower != lower {
					open++
					continue
				}
				if x >= 1 {
					abnormal++
				}
				if lower > r.Upper[i] || (x >= 1) != (v <= lower || v >= upper) {
					t.Fatalf("sample %d of %g scores %g within %g … %g", i, v, x, lower, upper)
				}
				if i%37 != 0 && x < 1 || incident(r.Score[:i]) {
					continue
				}
				tenth := (upper - lower) / 10
				for at, want := range map[float64]bool{lower: true, upper: true, lower + tenth/50: false, upper - tenth/50: false} {
					if got := score(i, at); (got >= 1-1e-9) != want {
						t.Fatalf("sample %d: %g scores %g although its limits are %g … %g", i, at, got, lower, upper)
					}
				}
			}
			if open > len(r.Score)/20 || abnormal == 0 {
				t.Errorf("%d of %d samples have no limits, %d abnormal ones have", open, len(r.Score), abnormal)
			}
		})
	}
}

// limitsAfter fits auto to the samples before train and returns what it says of those after, with limits for all.
func limitsAfter(t *testing.T, s series.Series, train int) (m *combined, window series.Series, warmup int, r Result) {
	t.Helper()
	model, err := (&Auto{budget: budget{Budget: 1}}).Fit(Train{Series: s.Slice(0, train), N: 3, M: 5})
	if err != nil {
		t.Fatal(err)
	}
	m = model.(*combined)
	window, warmup = s.Slice(train-lags-reach, s.Grid.N), lags+reach
	if r, err = m.Score(window, warmup); err != nil {
		t.Fatal(err)
	}
	m.limits(window, warmup, r, func(int) bool { return true })
	return m, window, warmup, r
}

// incident reports whether one of the last samples was abnormal: then the limits are those after an ordinary hour.
func incident(scores []float64) bool {
	return slices.ContainsFunc(scores[max(0, len(scores)-reach):], func(x float64) bool { return x >= 1 })
}

// A chart shows the same limits whatever it shows besides.
func TestAutoLimitsInTheZoom(t *testing.T) {
	t.Parallel()
	s := fixtures()[0].s
	add(s.Values, len(s.Values)-2000, 30, size(s.Values))
	d, err := Detectors.New("auto", nil)
	if err != nil {
		t.Fatal(err)
	}
	j := Judge{Name: "auto", Detector: d, Walk: DefaultWalk(), Policy: DefaultPolicy(), Fits: NewFits(1 << 24)}
	to := s.Grid.End() - s.Grid.Step
	long, err := j.Series(context.Background(), s, to-2500*s.Grid.Step, to)
	if err != nil {
		t.Fatal(err)
	}
	short, err := j.Series(context.Background(), s, to-100*s.Grid.Step, to)
	if err != nil {
		t.Fatal(err)
	}
	bits := func(x []float64) []uint64 {
		out := make([]uint64, len(x))
		for i := range x {
			out[i] = math.Float64bits(x[i])
		}
		return out
	}
	k := len(long.Upper) - len(short.Upper)
	if !slices.Equal(bits(long.Upper[k:]), bits(short.Upper)) || !slices.Equal(bits(long.Lower[k:]), bits(short.Lower)) {
		t.Error("the limits differ with the range")
	}
	if len(long.Episodes) == 0 || math.IsNaN(long.Episodes[0].Upper) {
		t.Fatalf("%+v", long.Episodes)
	}
	t.Log(long.Episodes[0].Explain("en", nil, s.Grid.Step))
}

func BenchmarkAutoLimits(b *testing.B) {
	s := fixtures()[0].s
	model, err := (&Auto{budget: budget{Budget: 1}}).Fit(Train{Series: s.Slice(0, 10080), N: 3, M: 5})
	if err != nil {
		b.Fatal(err)
	}
	m := model.(*combined)
	r, err := m.Score(s, lags+reach)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		m.limits(s, lags+reach, r, func(int) bool { return true })
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(r.Score)), "ns/sample")
}
