package detect

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestConfirmedAgainstSorting(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(4, 2))
	for range 200 {
		m := 1 + rng.IntN(9)
		n := 1 + rng.IntN(m)
		if rng.IntN(4) == 0 {
			n, m = 3, 5 // as it is by default
		}
		raw := make([]float64, rng.IntN(60))
		for i := range raw {
			raw[i] = float64(rng.IntN(6)) // many ties
		}
		for i, got := range confirmed(raw, n, m) {
			window := slices.Clone(raw[max(0, i-m+1) : i+1])
			slices.Sort(window)
			want := 0.0
			if len(window) >= n {
				want = window[len(window)-n]
			}
			if n == 1 && m == 1 {
				want = raw[i]
			}
			if got != want {
				t.Fatalf("%d of %d at %d of %v: %v, want %v", n, m, i, raw, got, want)
			}
		}
	}
}

func TestClusters(t *testing.T) {
	t.Parallel()
	level := make([]float64, 100)
	for i, x := range map[int]float64{10: 5, 12: 7, 40: 3, 42: 2, 90: 4} {
		level[i] = x
	}
	if got, want := clusters(level, 5, nil), []float64{7, 4, 3}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// The estimator finds the parameters of a sample from the distribution itself.
func TestPareto(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(9, 9))
	for _, shape := range []float64{0, 0.2, 0.4} {
		x := make([]float64, 20_000)
		for i := range x {
			u := rng.Float64()
			if shape == 0 {
				x[i] = -3 * math.Log(1-u)
			} else {
				x[i] = 3 / shape * (math.Pow(1-u, -shape) - 1)
			}
		}
		slices.Sort(x)
		gotShape, gotScale := pareto(x)
		if math.Abs(gotShape-shape) > 0.05 || math.Abs(gotScale-3) > 0.2 {
			t.Errorf("shape %.3f and scale %.3f, want %.1f and 3", gotShape, gotScale, shape)
		}
	}
}

func TestTail(t *testing.T) {
	t.Parallel()
	peaks := make([]float64, 100)
	for i := range peaks {
		peaks[i] = float64(100 - i)
	}
	// Enough allowed to count: the first that is not allowed.
	if got := tail(peaks, 10); got != 90 {
		t.Errorf("ten allowed: %v, want 90", got)
	}
	// A rarer episode has a higher threshold, beyond what was seen.
	if a, b := tail(peaks, 1), tail(peaks, 0.1); !(b > a) || !(a > 80) {
		t.Errorf("one allowed: %v, a tenth: %v", a, b)
	}
	if got := tail(nil, 1); got != 0 {
		t.Errorf("no peaks: %v", got)
	}
	if got := tail([]float64{3, 2}, 1); got != 2*1.25 {
		t.Errorf("two peaks: %v", got)
	}
}

// The promise of a series is a wide interval, and narrows with the number of episodes: with ten expected, half to twice as many.
func TestPromise(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ allowed, weeks, low, high float64 }{
		// scipy.stats.gamma.ppf([.05, .95], allowed*weeks + .5, scale=1/weeks)
		{1, 1, 0.1759, 3.9074},
		{1, 2, 0.2864, 2.7676},
		{10, 1, 5.7957, 16.3353},
	} {
		got := promised(c.allowed, c.weeks)
		if math.Abs(got.Low-c.low) > 1e-3 || math.Abs(got.High-c.high) > 1e-3 || got.Budget != c.allowed {
			t.Errorf("%v a week over %v weeks: %+v, want [%v, %v]", c.allowed, c.weeks, got, c.low, c.high)
		}
	}
}
