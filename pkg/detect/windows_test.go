package detect

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// Sliding sums and moments equal those taken window by window, and an enormous value leaves nothing behind.
func TestSlidingSums(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{1, 2, 9, 10, 11, 57, 200} {
		for _, w := range []int{1, 2, 7, 10, 60} {
			x := make([]float64, n)
			for i := range x {
				x[i] = rng.NormFloat64()
			}
			if n > 20 {
				x[3] = 1e14
			}
			var want, dev []float64
			for i := 0; i+w <= n; i++ {
				sum, squares := 0.0, 0.0
				for _, v := range x[i : i+w] {
					sum += v
				}
				for _, v := range x[i : i+w] {
					squares += (v - sum/float64(w)) * (v - sum/float64(w))
				}
				want, dev = append(want, sum), append(dev, math.Sqrt(squares/float64(w)))
			}
			close := cmpopts.EquateApprox(1e-9, 1e-9)
			if d := cmp.Diff(want, slidingSums(x, w), close); d != "" {
				t.Errorf("%d values, windows of %d:\n%s", n, w, d)
			}
			if _, got := moments(x, w); w > 1 {
				if d := cmp.Diff(dev, got, cmpopts.EquateApprox(1e-6, 1e-6)); d != "" {
					t.Errorf("%d values, deviations in windows of %d:\n%s", n, w, d)
				}
			}
		}
	}
}

func TestSpreadOver(t *testing.T) {
	t.Parallel()
	got := spreadOver([]float64{3, 0, 0, 6}, 6, 3)
	if d := cmp.Diff([]float64{3, 1.5, 1, 2, 3, 6}, got, cmpopts.EquateApprox(0, 1e-12)); d != "" {
		t.Error(d)
	}
}

// A short gap lies within a run, a long one ends it, and what is shorter than a window is no run.
func TestRuns(t *testing.T) {
	t.Parallel()
	x := make([]float64, 100)
	gap := func(from, to int) {
		for i := from; i < to; i++ {
			x[i] = math.NaN()
		}
	}
	gap(0, 3)
	gap(20, 22)
	gap(50, 53)
	gap(60, 63)
	gap(98, 100)
	if d := cmp.Diff([][2]int{{3, 50}, {63, 98}}, runs(x, 10)); d != "" {
		t.Error(d)
	}
	for i := range x {
		x[i] = math.NaN()
	}
	if got := runs(x, 10); got != nil {
		t.Errorf("runs of nothing: %v", got)
	}
}

// Draws come from all times, in order, each once; all of them where there are few.
func TestDrawWindows(t *testing.T) {
	t.Parallel()
	of := [][2]int{{0, 1000}, {2000, 4000}}
	drawn := drawWindows(of, 10, 100, rand.New(rand.NewPCG(1, 2)))
	if len(drawn) != 100 || drawn[0] > 30 || drawn[99] < 3960 {
		t.Errorf("drew %v", drawn)
	}
	for k := 1; k < len(drawn); k++ {
		if drawn[k] <= drawn[k-1] || drawn[k] > 990 && drawn[k] < 2000 {
			t.Errorf("drew %d after %d", drawn[k], drawn[k-1])
		}
	}
	if all := drawWindows(of, 10, 5000, nil); len(all) != windowsIn(of, 10) {
		t.Errorf("%d of %d windows", len(all), windowsIn(of, 10))
	}
}
