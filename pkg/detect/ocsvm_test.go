package detect

import (
	"math"
	"testing"
)

// The border is that of sklearn's OneClassSVM (LIBSVM): gamma, the number of vectors, and the decision at new points.
func TestOneClassSVMBesideSklearn(t *testing.T) {
	t.Parallel()
	var want struct {
		Decision []float64
		Gamma    float64
		Vectors  int
	}
	peers(t, "ocsvm", &want)
	rows := peerPoints(1000, 8, 2)
	gamma := scaleGamma(rows, 8)
	near(t, "gamma", []float64{gamma}, []float64{want.Gamma}, 1e-12)
	s := supportOf(rows, 8, 0.1, gamma, 1e-6)
	if got := len(s.weight); got < want.Vectors-1 || got > want.Vectors+1 {
		t.Errorf("%d vectors, want %d", got, want.Vectors)
	}
	queries := peerPoints(500, 8, 3)
	got := make([]float64, 500)
	for i := range got {
		got[i] = s.decision(queries[i*8 : (i+1)*8])
	}
	near(t, "decision", got, want.Decision, 1e-3)
}

// About the promised share of the points lies outside, and the weights keep their limits.
func TestOneClassSVMShare(t *testing.T) {
	t.Parallel()
	rows := peerPoints(600, 3, 7)
	for _, nu := range []float64{0.01, 0.05, 0.3} {
		s := supportOf(rows, 3, nu, scaleGamma(rows, 3), 1e-4)
		sum, outside := 0.0, 0
		for _, w := range s.weight {
			if sum += w; w < 0 || w > 1 {
				t.Errorf("a weight of %v", w)
			}
		}
		for i := range 600 {
			if s.decision(rows[i*3:(i+1)*3]) < -1e-3 {
				outside++
			}
		}
		if math.Abs(sum-nu*600) > 1e-6 || float64(outside) > nu*600+1 {
			t.Errorf("share %v: weights of %v in all, %d points outside", nu, sum, outside)
		}
	}
}

// Equal points have a border too.
func TestOneClassSVMOfEqualPoints(t *testing.T) {
	t.Parallel()
	rows := make([]float64, 100*2)
	s := supportOf(rows, 2, 0.1, scaleGamma(rows, 2), svmTolerance)
	if in, out := s.decision([]float64{0, 0}), s.decision([]float64{3, 3}); math.Abs(in) > 1e-9 || !(out < -1) {
		t.Errorf("at the points %v, away from them %v", in, out)
	}
}

// How far out a point lies goes on growing where the decision has ended.
func TestRemoteGrows(t *testing.T) {
	t.Parallel()
	rows := peerPoints(400, features, 2)
	m := &bordered{support: supportOf(rows, features, 0.05, scaleGamma(rows, features), svmTolerance)}
	last := math.Inf(-1)
	for _, at := range []float64{3, 6, 10, 12, 13, 20, 100, 1e4} {
		x := make([]float64, features)
		for k := range x {
			x[k] = at
		}
		got := m.remote(x)
		if !(got > last) {
			t.Errorf("at %v it is %v, nearer %v", at, got, last)
		}
		last = got
	}
}

func TestDecay(t *testing.T) {
	t.Parallel()
	for x := 0.0; x <= 700; x += 0.00137 + x/1000 {
		if got, want := decay(x), math.Exp(-x); math.Abs(got-want) > 1e-12*want {
			t.Fatalf("e^−%v: %v, want %v", x, got, want)
		}
	}
}
