package detect

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
)

func TestThresholdBounds(t *testing.T) {
	t.Parallel()
	s := fixtures()[0].s.Slice(0, 7*1440) // 80 to 320 and some noise
	scores := func(options string, values ...float64) Result {
		d, err := Detectors.New("threshold", registry.FromJSON([]byte(options)))
		if err != nil {
			t.Fatal(err)
		}
		m, err := d.Fit(Train{Series: s})
		if err != nil {
			t.Fatal(err)
		}
		w := series.New(nil, series.Grid{Step: 60_000, N: len(values)})
		copy(w.Values, values)
		return score(t, m, w, 0)
	}
	near := func(what string, got, want float64) {
		if math.Abs(got-want) > 1e-9 {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	r := scores(`{"upper": "400", "lower": "0"}`, 400, 0, 500)
	near("at the upper bound", r.Score[0], 1)
	near("at the lower bound", r.Score[1], 1)
	near("half as far again", r.Score[2], 1+100/(400-r.Expected[2]))
	r = scores(`{"upper": "400", "lower": "off"}`, 400, -1e9)
	near("at the only bound", r.Score[0], 1)
	near("where there is no bound", r.Score[1], 0)
	if r.Lower[0] == r.Lower[0] || r.Upper[0] != 400 {
		t.Errorf("the band is [%v, %v], want nothing below and 400 above", r.Lower[0], r.Upper[0])
	}
	r = scores(`{"upper": "50", "lower": "-50"}`, 50, 200, 0) // all of the window lies above
	near("at a bound that is usually crossed", r.Score[0], 1)
	near("a usual sample beyond it", r.Score[1], 4)
	near("between the bounds", r.Score[2], 0)
	for options, want := range map[string]string{
		`{"upper": "much"}`:                `detector threshold: parameter "upper": got "much", want a number, auto or off`,
		`{"upper": "1", "lower": "2"}`:     `detector threshold: parameter "lower": got 2, want less than upper, which is 1`,
		`{"upper": "off", "lower": "off"}`: `detector threshold: parameter "upper": got off, want a bound, since lower is off as well`,
	} {
		if _, err := Detectors.New("threshold", registry.FromJSON([]byte(options))); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", options, err, want)
		}
	}
}

// Values of the statistics worked out by hand.
func TestTwoWindows(t *testing.T) {
	t.Parallel()
	x := []float64{1, 3, math.NaN(), 2, 2, 8, 10}
	got := make([]float64, len(x))
	twoWindows(x, 2, 4, got, func(after, before tally) float64 { return after.mean() - before.mean() })
	// The last two against the four before: [·, 2] against [1, 3]; [2, 2]; [2, 8] against [1, 3, ·, 2]; [8, 10] against [3, ·, 2, 2].
	for i, want := range []float64{0, 0, 0, 0, 0, 3, 9 - 7.0/3} {
		if i == 3 { // [·, 2] against [1, 3]: half of each
			want = 0
		}
		if i == 4 { // [2, 2] against [1, 3, ·]
			want = 0
		}
		if math.Abs(got[i]-want) > 1e-6 {
			t.Errorf("at %d: %v, want %v", i, got[i], want)
		}
	}
}

// Each tells its own change and not the other's.
func TestShiftsAreToldApart(t *testing.T) {
	t.Parallel()
	for name, foreign := range map[string]func(i int, rng *rand.Rand) float64{
		"level_shift": func(i int, rng *rand.Rand) float64 { // scatter
			if i >= 7*1440+500 {
				return 6 * rng.NormFloat64()
			}
			return rng.NormFloat64()
		},
		"variance_shift": func(i int, rng *rand.Rand) float64 { // a shift
			if i >= 7*1440+500 {
				return 50 + rng.NormFloat64()
			}
			return rng.NormFloat64()
		},
	} {
		rng := rand.New(rand.NewPCG(8, 1))
		s := series.New(nil, series.Grid{Start: fixtureStart, Step: 60_000, N: 8 * 1440})
		for i := range s.Values {
			s.Values[i] = 100 + foreign(i, rng)
		}
		d, _ := Detectors.New(name, nil)
		m, err := d.Fit(Train{Series: s.Slice(0, 7*1440), N: 3, M: 5})
		if err != nil {
			t.Fatal(err)
		}
		w := d.(Contexter).Context(60_000)
		r := score(t, m, s.Slice(7*1440-w, s.Grid.N), w)
		for i, x := range r.Score[:900] {
			if x >= 1.5 { // a chance peak of ordinary samples reaches 1 once a week
				t.Errorf("%s: %.2f at %d", name, x, i)
				break
			}
		}
	}
}
