package season

import (
	"math"
	"math/rand/v2"
	"testing"
)

// The reference rule is score_tsad.period; its values for these inputs come from
//
//	python3 -c "import score_tsad as S, numpy as np; i = np.arange(2000); print(S.period(np.sin(2*np.pi*i/24)), S.period(np.sin(2*np.pi*i/288)), S.period(i), S.period((i%5==0)*1.0), S.period(np.zeros(2000)), S.period(np.sin(2*np.pi*i/350)))"
func TestLag(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		at   func(i int) float64
		want int
	}{
		{"a wave of 24", func(i int) float64 { return math.Sin(2 * math.Pi * float64(i) / 24) }, 24},
		{"a wave of 288", func(i int) float64 { return math.Sin(2 * math.Pi * float64(i) / 288) }, 288},
		{"a ramp", func(i int) float64 { return float64(i) }, 125},
		{"every fifth", func(i int) float64 {
			if i%5 == 0 {
				return 1
			}
			return 0
		}, 125},
		{"zeros", func(int) float64 { return 0 }, 125},
		{"a wave of 350", func(i int) float64 { return math.Sin(2 * math.Pi * float64(i) / 350) }, 125},
	} {
		x := make([]float64, 2000)
		for i := range x {
			x[i] = c.at(i)
		}
		if got := Lag(x, 125); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

// Gaps, a level and a unit change nothing; what is too short or not a number has no period.
func TestLagOfBadInput(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	x := make([]float64, 3000)
	for i := range x {
		if x[i] = 1e290 * (5 + math.Sin(2*math.Pi*float64(i)/40)); rng.IntN(10) == 0 {
			x[i] = math.NaN()
		}
	}
	if got := Lag(x, 125); got%40 != 0 {
		t.Errorf("lag %d, want a multiple of 40", got)
	}
	for _, x := range [][]float64{nil, {1}, {1, 2, 3, 2, 1}, {math.NaN(), math.NaN()}, {math.Inf(1), 2, math.Inf(-1)}} {
		if got := Lag(x, 7); got != 7 {
			t.Errorf("%v: lag %d, want none", x, got)
		}
	}
}
