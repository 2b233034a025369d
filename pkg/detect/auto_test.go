package detect

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/foreshock/foreshock/pkg/series"
)

// The prediction of a process x(i) = 0.6 x(i−1) − 0.3 x(i−2) + noise has these coefficients; 50,000 samples tell them to about 0.005.
func TestPredictionFindsTheProcess(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	x := make([]float64, 50_000)
	for i := 2; i < len(x); i++ {
		x[i] = 0.6*x[i-1] - 0.3*x[i-2] + r.NormFloat64()
	}
	c := prediction(lagProducts(x, lags, len(x)))
	for k, want := range []float64{0.6, -0.3, 0, 0} {
		if math.Abs(c[k]-want) > 0.02 {
			t.Errorf("coefficient %d: got %.3f, want %.1f", k, c[k], want)
		}
	}
	left := make([]float64, len(x)-lags)
	surprises(x, c, left)
	sum := 0.0
	for _, e := range left {
		sum += e * e
	}
	if v := sum / float64(len(left)); math.Abs(v-1) > 0.03 {
		t.Errorf("variance of the surprises: got %.3f, want that of the noise, 1", v)
	}
}

// Rolling sums say the same as sums over each window, also after a huge value went through.
func TestRollingAgainstSums(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	x := make([]float64, 300)
	for i := range x {
		x[i] = r.NormFloat64()
	}
	x[100], x[101] = 1e300, math.Inf(-1)
	mean, size, deviation := make([]float64, len(x)), make([]float64, len(x)), make([]float64, len(x))
	rollingMean(x, 7, mean)
	rollingSize(x, 7, size)
	rollingDeviation(x, 7, deviation)
	for i := range x {
		var m, s, d float64
		window := x[max(0, i-6) : i+1]
		n := float64(len(window))
		for _, v := range window {
			m += clip(v, farStanding) / n
			s += clip(v, farSurprise) * clip(v, farSurprise) / n
		}
		for _, v := range window {
			d += (clip(v, farStanding) - m) * (clip(v, farStanding) - m) / n
		}
		for _, c := range []struct {
			name      string
			got, want float64
		}{{"mean", mean[i], math.Abs(m)}, {"size", size[i], math.Sqrt(s)}, {"deviation", deviation[i], math.Sqrt(d)}} {
			if math.Abs(c.got-c.want) > 1e-4 {
				t.Errorf("%s at %d: got %v, want %v", c.name, i, c.got, c.want)
			}
		}
	}
}

// The rolling change says the same as means over both windows, also while there are few samples and after a huge value went through.
func TestRollingChangeAgainstMeans(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(8, 9))
	x := make([]float64, 700)
	for i := range x {
		x[i] = r.NormFloat64()
	}
	x[100], x[300] = math.Inf(1), -1e300
	mean := func(of []float64) float64 {
		sum := 0.0
		for _, v := range of {
			sum += min(max(v, -10), 10)
		}
		return sum / float64(len(of))
	}
	got := make([]float64, len(x))
	rollingChange(x, got)
	for i := range x {
		want := 0.0
		if i >= 9 { // five samples, and five before them
			want = math.Abs(mean(x[i-4:i+1]) - mean(x[max(0, i-244):i-4]))
		}
		if math.Abs(got[i]-want) > 1e-9 {
			t.Fatalf("at %d: got %v, want %v", i, got[i], want)
		}
	}
}

// What auto chooses is told with its reason, in both languages, and survives being written.
func TestAutoChooses(t *testing.T) {
	t.Parallel()
	const day = 24 * 60
	r := rand.New(rand.NewPCG(5, 6))
	make7 := func(days int, value func(i int) float64) series.Series {
		s := series.New(series.FromMap(map[string]string{"a": "b"}), series.Grid{Start: 0, Step: 60_000, N: days * day})
		for i := range s.Values {
			s.Values[i] = value(i)
		}
		return s
	}
	for name, c := range map[string]struct {
		s    series.Series
		want string
	}{
		"season": {make7(7, func(i int) float64 { return 10*math.Sin(2*math.Pi*float64(i)/day) + r.NormFloat64() }), ReasonSeason},
		"noise":  {make7(7, func(int) float64 { return r.NormFloat64() }), ReasonLevel},
		"young":  {make7(1, func(i int) float64 { return 10*math.Sin(2*math.Pi*float64(i)/day) + r.NormFloat64() }), ReasonYoung},
		"sparse": {make7(7, func(int) float64 { return math.Floor(r.Float64() * r.Float64() * 2.5) }), ReasonSparse},
	} {
		m, err := (&Auto{budget{1}}).Fit(Train{Series: c.s, N: 3, M: 5})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got := m.(Chooser).Choice()
		if got.Reason != c.want || len(got.Parts) == 0 {
			t.Errorf("%s: got %+v, want reason %s and parts", name, got, c.want)
		}
		for _, lang := range []string{"en", "zh-Hans"} {
			if text := got.Text(lang); text == "" || strings.ContainsAny(text, "{}") || strings.Contains(text, "detect.") {
				t.Errorf("%s in %s: got %q, want a sentence", name, lang, text)
			}
		}
		raw, err := m.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		back, err := Unmarshal("auto", raw)
		if err != nil {
			t.Fatal(err)
		}
		if again := back.(Chooser).Choice(); again.Text("en") != got.Text("en") {
			t.Errorf("%s: read back %+v, want %+v", name, again, got)
		}
	}
	if text := (Choice{}).Text("en"); text != "" {
		t.Errorf("no choice: got %q, want nothing", text)
	}
}

// BenchmarkAuto100 is a panel of 100 series over two weeks at one sample a minute: the first query, which fits at every anchor, and one after it.
func BenchmarkAuto100(b *testing.B) {
	const day = 24 * 60
	d, _ := Detectors.New("auto", nil)
	all := make([]series.Series, 100)
	for k := range all {
		r := rand.New(rand.NewPCG(7, uint64(k)))
		s := series.New(series.FromMap(map[string]string{"instance": string(rune('a' + k))}), series.Grid{Start: 0, Step: 60_000, N: 25 * day})
		for i := range s.Values {
			s.Values[i] = 100 + 50*math.Sin(2*math.Pi*float64(i)/day) + 5*r.NormFloat64()
		}
		all[k] = s
	}
	j := Judge{Name: "auto", Detector: d, Walk: DefaultWalk(), Policy: DefaultPolicy()}
	query := func(b *testing.B) {
		for _, s := range all {
			if _, err := j.Series(b.Context(), s, s.Grid.At(11*day), s.Grid.End()-s.Grid.Step); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("first", func(b *testing.B) {
		perCPUSecond(b, len(all), "series", func() {
			j.Fits = NewFits(1 << 28).WithResults(1 << 28)
			query(b)
		})
	})
	b.Run("later", func(b *testing.B) { perCPUSecond(b, len(all), "series", func() { query(b) }) })
}
