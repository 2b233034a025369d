package season

import (
	"compress/gzip"
	"encoding/csv"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/foreshock/foreshock/pkg/series"
)

const minute = 60_000

// mixed returns days of one sample a minute.
func mixed(days int, value func(i int, rng *rand.Rand) float64) series.Series {
	rng := rand.New(rand.NewPCG(3, 4))
	s := series.New(nil, series.Grid{Start: 1_700_000_040_000, Step: minute, N: days * 1440})
	for i := range s.Values {
		s.Values[i] = value(i, rng)
	}
	return s
}

func sine(i int, period float64) float64 { return math.Sin(2 * math.Pi * float64(i) / period) }

// spiky is 1 in the first samples of every period.
func spiky(i, period, width int) float64 {
	if i%period < width {
		return 1
	}
	return 0
}

// Known mixtures: the periods, in the order found, and what must not be found.
func TestPeriods(t *testing.T) {
	t.Parallel()
	ar := func(phi float64) func(int, *rand.Rand) float64 {
		x := 0.0
		return func(_ int, rng *rand.Rand) float64 { x = phi*x + rng.NormFloat64(); return x }
	}
	for _, c := range []struct {
		name  string
		days  int
		want  []float64
		value func(i int, rng *rand.Rand) float64
	}{
		{"noise", 7, nil, func(_ int, rng *rand.Rand) float64 { return rng.NormFloat64() }},
		{"red noise", 7, nil, ar(0.9)},
		{"very red noise", 7, nil, ar(0.99)},
		{"random walk", 7, nil, ar(1)},
		{"trend", 7, nil, func(i int, rng *rand.Rand) float64 { return float64(i)/100 + rng.NormFloat64() }},
		{"day", 7, []float64{1440}, func(i int, rng *rand.Rand) float64 { return 3*sine(i, 1440) + rng.NormFloat64() }},
		{"weak day", 7, []float64{1440}, func(i int, rng *rand.Rand) float64 { return 0.6*sine(i, 1440) + rng.NormFloat64() }},
		{"two peaks a day", 7, []float64{1440}, func(i int, rng *rand.Rand) float64 { return 3*sine(i, 1440) + 2*sine(i, 720) + rng.NormFloat64() }},
		{"office hours", 7, []float64{1440}, func(i int, rng *rand.Rand) float64 { return 5*spiky(i, 1440, 480) + rng.NormFloat64() }},
		{"hour", 3, []float64{60}, func(i int, rng *rand.Rand) float64 { return 5*spiky(i, 60, 3) + rng.NormFloat64() }},
		{"every five minutes", 2, []float64{5}, func(i int, rng *rand.Rand) float64 { return 3*spiky(i, 5, 1) + rng.NormFloat64() }},
		{"day and hour", 7, []float64{1440, 60}, func(i int, rng *rand.Rand) float64 {
			return 10*sine(i, 1440) + 5*spiky(i, 60, 4) + rng.NormFloat64()
		}},
		{"no whole number", 3, []float64{97.3}, func(i int, rng *rand.Rand) float64 { return 2*sine(i, 97.3) + rng.NormFloat64() }},
		{"two strangers", 5, []float64{150, 433}, func(i int, rng *rand.Rand) float64 {
			return 2*sine(i, 150) + 2*sine(i, 433) + rng.NormFloat64()
		}},
		{"day and week", 28, []float64{1440, 10080}, func(i int, rng *rand.Rand) float64 {
			return 3*sine(i, 1440) - 3*spiky(i, 10080, 2880) + rng.NormFloat64()
		}},
		{"day on a trend", 7, []float64{1440}, func(i int, rng *rand.Rand) float64 { return float64(i)/200 + 3*sine(i, 1440) + rng.NormFloat64() }},
		{"day with spikes", 7, []float64{1440}, func(i int, rng *rand.Rand) float64 {
			x := 3*sine(i, 1440) + rng.NormFloat64()
			if rng.IntN(50) == 0 {
				x += 1e6
			}
			return x
		}},
		{"day with gaps", 7, []float64{1440}, func(i int, rng *rand.Rand) float64 {
			if (i/700)%3 == 1 || rng.IntN(10) == 0 {
				return math.NaN()
			}
			return 3*sine(i, 1440) + rng.NormFloat64()
		}},
		{"day after a shift", 7, []float64{1440}, func(i int, rng *rand.Rand) float64 {
			x := 3*sine(i, 1440) + rng.NormFloat64()
			if i > 7000 {
				x += 20
			}
			return x
		}},
		{"constant", 7, nil, func(int, *rand.Rand) float64 { return 4 }},
		{"gaps only", 7, nil, func(int, *rand.Rand) float64 { return math.NaN() }},
		{"infinite", 7, nil, func(int, *rand.Rand) float64 { return math.Inf(1) }},
		{"huge", 7, []float64{1440}, func(i int, rng *rand.Rand) float64 { return 1e299 * (3*sine(i, 1440) + rng.NormFloat64()) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := Periods(mixed(c.days, c.value), 3)
			if len(got) != len(c.want) {
				t.Fatalf("got %+v, want %v", got, c.want)
			}
			for k, w := range c.want {
				if math.Abs(got[k].Samples-w) > 0.005*w || !(got[k].Strength > 0 && got[k].Strength <= 1) {
					t.Errorf("got %+v, want %v", got[k], w)
				}
				if name := wallClock(w, minute); got[k].Name != name {
					t.Errorf("%v is called %q", w, got[k].Name)
				}
			}
		})
	}
}

// Strength is the share of the variance: of a sine of amplitude a in noise of deviation 1 it is a²/(a²+2).
func TestPeriodStrength(t *testing.T) {
	t.Parallel()
	for _, a := range []float64{1, 2, 4} {
		got := Periods(mixed(7, func(i int, rng *rand.Rand) float64 { return a*sine(i, 300) + rng.NormFloat64() }), 1)
		if want := a * a / (a*a + 2); len(got) != 1 || math.Abs(got[0].Strength-want) > 0.05 {
			t.Errorf("amplitude %v: got %+v, want a strength of %.2f", a, got, want)
		}
	}
}

// Noise has no period: of 200 series of white and red noise hardly any shows one.
func TestPeriodsOfNoise(t *testing.T) {
	t.Parallel()
	found := 0
	for k := range uint64(200) {
		rng := rand.New(rand.NewPCG(k, 9))
		s := series.New(nil, series.Grid{Step: minute, N: 3000})
		x, phi := 0.0, []float64{0, 0.5, 0.9, 0.97}[k%4]
		for i := range s.Values {
			x = phi*x + rng.NormFloat64()
			s.Values[i] = x
		}
		if p := Periods(s, 1); len(p) > 0 {
			t.Logf("phi %v: %+v", phi, p)
			found++
		}
	}
	if found > 4 {
		t.Errorf("%d of 200 series of noise have a period", found)
	}
}

// The hourly series of M4 are known to repeat after a day (season 24 in its documents); of those here most do so to the eye.
func TestPeriodsOfHourlySeries(t *testing.T) {
	t.Parallel()
	file, err := os.Open(filepath.Join("..", "..", "..", "shared", "data", "m4", "Hourly.csv.gz"))
	if err != nil {
		t.Fatalf("the labelled data are missing: %v", err)
	}
	defer func() { _ = file.Close() }()
	z, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	r := csv.NewReader(z)
	r.FieldsPerRecord = -1
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	all, day := 0, 0
	for _, row := range rows {
		if row[1] != "train" {
			continue
		}
		s := series.New(nil, series.Grid{Step: 60 * minute})
		for _, cell := range row[2:] {
			x, err := strconv.ParseFloat(strings.TrimSpace(cell), 64)
			if err != nil {
				t.Fatal(err)
			}
			s.Values = append(s.Values, x)
		}
		s.Grid.N = len(s.Values)
		all++
		for _, p := range Periods(s, 3) {
			if p.Name == "day" {
				day++
				break
			}
		}
	}
	t.Logf("%d of %d", day, all)
	if float64(day) < 0.9*float64(all) {
		t.Errorf("%d of %d series repeat after a day", day, all)
	}
}

func BenchmarkPeriods(b *testing.B) {
	s := mixed(7, func(i int, rng *rand.Rand) float64 { return 3*sine(i, 1440) + rng.NormFloat64() })
	noise := mixed(7, func(_ int, rng *rand.Rand) float64 { return rng.NormFloat64() })
	for name, s := range map[string]series.Series{"day": s, "noise": noise} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				Periods(s, 3)
			}
		})
	}
}
