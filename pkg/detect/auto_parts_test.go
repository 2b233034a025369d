package detect

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// What is computed several at a time is what one at a time gives, to the last bit.
func TestSeveralAtOnce(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(11, 12))
	for n := range 40 {
		x, c := make([]float64, lags+n), make([]float64, lags)
		for i := range x {
			x[i] = rng.NormFloat64()
		}
		for i := range c {
			c[i] = rng.NormFloat64()
		}
		got := make([]float64, n)
		surprises(x, c, got)
		for i, g := range got {
			var even, odd float64
			for k := 0; k < lags; k += 2 {
				even += c[k] * x[i+lags-1-k]
				odd += c[k+1] * x[i+lags-2-k]
			}
			if want := x[i+lags] - even - odd; g != want {
				t.Fatalf("surprise %d of %d is %v, want %v", i, n, g, want)
			}
		}
		for _, from := range []int{0, 7, lags, lags + n/2} {
			products := lagProducts(x, from, len(x))
			for k, g := range products {
				want := 0.0
				if a := max(from, k); a < len(x) {
					want = product(x[a:], x[a-k:len(x)-k])
				}
				if g != want {
					t.Fatalf("products of lag %d from %d of %d: %v, want %v", k, from, len(x), g, want)
				}
			}
		}
	}
}

// The usual size is that of the sorted numbers, and a part adds what it says of one sample alone.
func TestUsualSizeAndAdd(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(13, 14))
	for n := 1; n < 3000; n += 1 + n/3 {
		raw := make([]float64, n)
		for i := range raw {
			raw[i] = math.Abs(math.Round(8*rng.NormFloat64()) / 2)
		}
		sorted := slices.Sorted(slices.Values(raw))
		if middle, high := usualSize(slices.Clone(raw)); middle != sorted[n/2] || high != sorted[n*95/100] {
			t.Fatalf("usual size of %d numbers: %v and %v, want %v and %v", n, middle, high, sorted[n/2], sorted[n*95/100])
		}
		p := weighted{middle: sorted[n/2], per: 1.5}
		raw[0] = math.Inf(1)
		dst := make([]float64, n)
		p.add(raw, dst)
		for i, x := range raw {
			if want := raised(p.of(x)); dst[i] != want {
				t.Fatalf("%v adds %v, want %v", x, dst[i], want)
			}
		}
	}
	dst := []float64{1}
	weighted{middle: math.Inf(1), per: 1}.add([]float64{math.Inf(1)}, dst)
	if dst[0] != 1 {
		t.Errorf("what cannot be compared adds %v", dst[0]-1)
	}
}
