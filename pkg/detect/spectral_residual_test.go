package detect

import (
	"math"
	"testing"
)

// The scores are those of the paper's formulas in numpy.
func TestSpectralResidualBesideNumpy(t *testing.T) {
	t.Parallel()
	var want struct{ Score []float64 }
	peers(t, "spectral_residual", &want)
	x, s := peerWave(3000), newSaliency(64)
	var got []float64
	for i := 64; i <= len(x); i++ {
		got = append(got, s.last(x[i-64:i]))
	}
	near(t, "score", every(11, got), want.Score, 1e-6)
}

// A straight line goes on straight.
func TestExtrapolated(t *testing.T) {
	t.Parallel()
	line := make([]float64, 20)
	for i := range line {
		line[i] = 3 * float64(i)
	}
	if got := extrapolated(line); math.Abs(got-60) > 1e-9 {
		t.Errorf("after 57 comes %v, want 60", got)
	}
}

// A spike stands out of its window, the larger the more until it is all that there is; a constant window has nothing that does.
func TestSaliency(t *testing.T) {
	t.Parallel()
	s := newSaliency(64)
	x := peerNormal(64, 3)
	x[63] = 0
	quiet := s.last(x)
	x[63] = 8
	if spike := s.last(x); !(spike > 2*quiet && spike > 2) {
		t.Errorf("a spike scores %v, an ordinary sample %v", spike, quiet)
	}
	if got := s.last(make([]float64, 64)); got != 0 {
		t.Errorf("zeros score %v", got)
	}
}
