package robust

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestAgainstSorting(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	for n := 1; n < 400; n += 1 + n/20 {
		x := make([]float64, n)
		for i := range x {
			x[i] = math.Round(rng.NormFloat64() * float64(1+n%7)) // many ties
		}
		before, sorted := slices.Clone(x), slices.Sorted(slices.Values(x))
		if got, want := Median(x, nil), Quantile(sorted, 0.5); got != want {
			t.Fatalf("median of %d: %v, sorted %v", n, got, want)
		}
		if !slices.Equal(before, x) {
			t.Fatal("Median wrote its input")
		}
		k := rng.IntN(n)
		work := slices.Clone(x)
		if got := Select(work, k); got != sorted[k] || slices.Max(work[:k+1]) != got || slices.Min(work[k:]) != got {
			t.Fatalf("select %d of %d: %v, sorted %v", k, n, got, sorted[k])
		}
	}
}

func TestKnownValues(t *testing.T) {
	t.Parallel()
	// numpy 1.24: median, scipy.stats.median_abs_deviation, quantile(…, 0.3) of these values.
	x := []float64{2, 3, 5, 7, 11, 13, 17, 19, 1000}
	if m := Median(x, nil); m != 11 {
		t.Errorf("median %v", m)
	}
	if d := MAD(x, 11, nil); d != 6 {
		t.Errorf("mad %v", d)
	}
	if q := Quantile(x, 0.3); math.Abs(q-5.8) > 1e-12 {
		t.Errorf("quantile %v", q)
	}
	if !math.IsNaN(Median(nil, nil)) || !math.IsNaN(Quantile(nil, 0.5)) {
		t.Error("no values: want NaN")
	}
	if s := Sum([]float64{1, 1e100, 1, -1e100}); s != 2 {
		t.Errorf("compensated sum %v, want 2 (Neumaier's own example)", s)
	}
	if s := Sum([]float64{math.Inf(1), 1}); !math.IsInf(s, 1) {
		t.Errorf("sum with an infinity %v", s)
	}
}

func TestSlope(t *testing.T) {
	t.Parallel()
	x := []float64{1, 2, 3, 4, 5, 6, 7}
	if s, trend := Slope(x, []float64{2, 4, 6, 8, 10, 12, 14}); s != 2 || !trend {
		t.Errorf("a line: %v, %v", s, trend)
	}
	if s, trend := Slope(x, []float64{2, 4, 6, 500, 10, 12, 14}); math.Abs(s-2) > 0.5 || !trend {
		t.Errorf("a line with an outlier: %v, %v", s, trend)
	}
	if _, trend := Slope(x, []float64{3, 1, 2, 3, 1, 2, 3}); trend {
		t.Error("a trend in none")
	}
	if s, trend := Slope(nil, nil); s != 0 || trend {
		t.Error("no points")
	}
}

func BenchmarkMedian(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	x := make([]float64, 10080)
	for i := range x {
		x[i] = rng.NormFloat64()
	}
	scratch := make([]float64, len(x))
	b.SetBytes(int64(8 * len(x)))
	for b.Loop() {
		Median(x, scratch)
	}
}
