package season

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestLevels(t *testing.T) {
	t.Parallel()
	day := func(i int, rng *rand.Rand) float64 { return 50 + 20*sine(i, 1440) + 2*rng.NormFloat64() }
	type want struct {
		from   int // give or take an hour
		offset float64
	}
	for _, c := range []struct {
		name  string
		days  int
		value func(i int, rng *rand.Rand) float64
		want  []want
	}{
		{"none", 7, day, []want{{0, 0}}},
		{"trend within the scatter", 7, func(i int, rng *rand.Rand) float64 { return day(i, rng) + 4*float64(i)/10080 }, []want{{0, 0}}},
		{"a steep trend", 7, func(i int, rng *rand.Rand) float64 { return day(i, rng) + 200*float64(i)/10080 }, []want{{0, 0}}},
		{"half way", 7, func(i int, rng *rand.Rand) float64 {
			if i >= 5000 {
				return day(i, rng) + 40
			}
			return day(i, rng)
		}, []want{{0, -40}, {5000, 0}}},
		{"three days ago", 7, func(i int, rng *rand.Rand) float64 {
			if i >= 10080-4320 {
				return day(i, rng) - 40
			}
			return day(i, rng)
		}, []want{{0, 40}, {5760, 0}}},
		{"yesterday", 7, func(i int, rng *rand.Rand) float64 {
			if i >= 10080-1440 {
				return day(i, rng) - 40
			}
			return day(i, rng)
		}, []want{{0, 0}}},
		{"up and down again", 14, func(i int, rng *rand.Rand) float64 {
			if i >= 5000 && i < 12000 {
				return day(i, rng) + 15
			}
			return day(i, rng)
		}, []want{{0, 0}, {5000, 15}, {12000, 0}}},
		{"an incident of three hours", 7, func(i int, rng *rand.Rand) float64 {
			if i >= 5000 && i < 5180 {
				return 10_000
			}
			return day(i, rng)
		}, []want{{0, 0}}},
		{"gaps", 7, func(i int, rng *rand.Rand) float64 {
			switch {
			case rng.IntN(3) == 0, i > 2000 && i < 3000:
				return math.NaN()
			case i >= 5000:
				return day(i, rng) + 40
			}
			return day(i, rng)
		}, []want{{0, -40}, {5000, 0}}},
		{"gaps only", 7, func(int, *rand.Rand) float64 { return math.NaN() }, []want{{0, 0}}},
		{"two days", 2, func(i int, rng *rand.Rand) float64 { return float64(i) }, []want{{0, 0}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := mixed(c.days, c.value)
			got := Levels(s.Values, s.Grid)
			if len(got) != len(c.want) || got[len(got)-1].Offset != 0 || got[len(got)-1].To != s.Grid.N {
				t.Fatalf("got %+v, want %v", got, c.want)
			}
			for k, w := range c.want {
				if math.Abs(float64(got[k].From-w.from)) > 60 || math.Abs(got[k].Offset-w.offset) > 2.5 || (k > 0 && got[k-1].To != got[k].From) {
					t.Errorf("got %+v, want %v", got[k], w)
				}
			}
		})
	}
}
