package robust

import (
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
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

// What selects quickly agrees with sorting on every kind of values that has shown such algorithms wrong or slow.
func TestSelectKinds(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(5, 6))
	kinds := map[string]func(i, n int) float64{
		"normal":     func(int, int) float64 { return rng.NormFloat64() },
		"one value":  func(int, int) float64 { return 7 },
		"two values": func(int, int) float64 { return float64(rng.IntN(2)) },
		"few values": func(int, int) float64 { return float64(rng.IntN(5)) },
		"mostly one": func(int, int) float64 { return max(0, rng.NormFloat64()-1) },
		"rising":     func(i, _ int) float64 { return float64(i) },
		"falling":    func(i, _ int) float64 { return float64(-i) },
		"pipes":      func(i, n int) float64 { return float64(min(i, n-i)) },
		"far":        func(i, _ int) float64 { return []float64{math.Inf(1), math.Inf(-1), 0, 1e300, -1e300}[i%5] },
	}
	for name, value := range kinds {
		for _, n := range []int{1, 2, 12, 13, 14, 100, 160, 162, 163, 700, 3001, 10080} {
			x := make([]float64, n)
			for i := range x {
				x[i] = value(i, n)
			}
			sorted := slices.Sorted(slices.Values(x))
			for _, k := range []int{0, n / 20, n / 2, n * 95 / 100, n * 99 / 100, n - 1} {
				work := slices.Clone(x)
				if got := Select(work, k); got != sorted[k] || slices.Max(work[:k+1]) != got || slices.Min(work[k:]) != got {
					t.Fatalf("%s: select %d of %d: %v, sorted %v", name, k, n, got, sorted[k])
				}
				if slices.Sort(work); !slices.Equal(work, sorted) {
					t.Fatalf("%s: selecting %d of %d changed the values", name, k, n)
				}
			}
			want := sorted[(n-1)/2] + (sorted[n/2]-sorted[(n-1)/2])/2
			if got := Median(x, nil); got != want && !math.IsNaN(want) {
				t.Fatalf("%s: median of %d: %v, sorted %v", name, n, got, want)
			}
		}
	}
}

// NaN is none of the caller's business, and must not hang.
func TestSelectEnds(t *testing.T) {
	t.Parallel()
	x := make([]float64, 5000)
	for i := range x {
		if x[i] = float64(i % 11); i%3 == 0 {
			x[i] = math.NaN()
		}
	}
	Select(x, 2500)
}

func BenchmarkMedian(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	x := make([]float64, 10080)
	for i := range x {
		x[i] = rng.NormFloat64()
	}
	scratch := make([]float64, len(x))
	for _, n := range []int{105, 420, 1440, 10080} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			b.SetBytes(int64(8 * n))
			at := 0
			for b.Loop() {
				if at += n; at+n > len(x) {
					at = 0
				}
				Median(x[at:at+n], scratch)
			}
		})
	}
}
