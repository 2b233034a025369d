package evaluate

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/series"
)

// TestByHand: six samples of which two are labelled, worked out on paper from the definitions.
func TestByHand(t *testing.T) {
	t.Parallel()
	label := []bool{false, false, true, true, false, false}
	for _, c := range []struct {
		what  string
		score []float64
		want  Measures
	}{
		// Thresholds 3 and 2 are hits, the rest is behind them.
		{"perfect", []float64{0, 0, 3, 2, 0, 0}, Measures{AUCPR: 1, AUCROC: 1, F1: 1}},
		// One threshold for all: precision 2/6 at recall 1; F1 = 2·2/(6+2).
		{"constant", []float64{1, 1, 1, 1, 1, 1}, Measures{AUCPR: 1. / 3, AUCROC: 0.5, F1: 0.5}},
		// Order: miss, hit, miss, hit, miss, miss. Average precision ½·½ + ½·½; of the 8 pairs 5 are right; F1 = 2·2/(4+2).
		{"mixed", []float64{6, 1, 5, 3, 4, 0}, Measures{AUCPR: 0.5, AUCROC: 5. / 8, F1: 2. / 3}},
		// The two highest share a threshold: half of it is right at recall ½.
		{"tied", []float64{6, 1, 6, 3, 4, 0}, Measures{AUCPR: 0.5*0.5 + 0.5*0.5, AUCROC: 5.5 / 8, F1: 2. / 3}},
		{"NaN is 0", []float64{math.NaN(), 0, 3, 2, math.NaN(), 0}, Measures{AUCPR: 1, AUCROC: 1, F1: 1}},
		{"infinite", []float64{math.Inf(-1), 0, math.Inf(1), 2, 0, 0}, Measures{AUCPR: 1, AUCROC: 1, F1: 1}},
	} {
		got := Measure(label, c.score, 0)
		for _, p := range [][2]float64{{got.AUCPR, c.want.AUCPR}, {got.AUCROC, c.want.AUCROC}, {got.F1, c.want.F1}} {
			if math.Abs(p[0]-p[1]) > 1e-12 {
				t.Errorf("%s: %+v, want %+v", c.what, got, c.want)
				break
			}
		}
	}
}

// TestVUSByHand is one range of one sample among five and a buffer of 2, whose soft label is √½ on each side.
//
// The score is 5 4 3 2 1 with the label in the middle. The 250 thresholds are the five values. Without a buffer: precision 1/3 when recall gets 1, so PR ⅓, and
// two of four others come first, so ROC ½. A buffer of 1 has no half: the same. With 2: soft labels s = √½ at 1 and 3; the range [1, 3] is reached from
// threshold 4 on, positives are 1 + ext/2, as the definition has it.
func TestVUSByHand(t *testing.T) {
	t.Parallel()
	label := []bool{false, false, true, false, false}
	score := []float64{5, 4, 3, 2, 1}
	s := math.Sqrt(0.5)
	type at struct{ hit, ext, reached float64 }
	var pr, roc, x0, y0 float64
	for _, a := range []at{{0, 0, 1}, {0, s, 2}, {1, s, 3}, {1, 2 * s, 4}, {1, 2 * s, 5}} {
		tp, p := a.hit+a.ext, 1+a.ext/2
		found := 1.0
		if a.reached == 1 {
			found = 0
		}
		y, x := min(tp/p, 1)*found, (a.reached-tp)/(5-p)
		pr += (y - y0) * tp / a.reached
		roc += (x - x0) * (y + y0) / 2
		x0, y0 = x, y
	}
	roc += (1 - x0) * (1 + y0) / 2
	for _, c := range []struct {
		buffer  int
		pr, roc float64
	}{
		{0, 1. / 3, 0.5},
		{1, 1. / 3, 0.5},
		{2, (1./3 + 1./3 + pr) / 3, (0.5 + 0.5 + roc) / 3},
	} {
		got := Measure(label, score, c.buffer)
		if math.Abs(got.VUSPR-c.pr) > 1e-12 || math.Abs(got.VUSROC-c.roc) > 1e-12 {
			t.Errorf("buffer %d: %.9f, %.9f, want %.9f, %.9f", c.buffer, got.VUSPR, got.VUSROC, c.pr, c.roc)
		}
	}
}

// labels returns n samples with some labelled ranges.
func labels(n int, ranges ...Range) []bool {
	label := make([]bool, n)
	for _, r := range ranges {
		for i := r.First; i <= r.Last; i++ {
			label[i] = true
		}
	}
	return label
}

func TestMeasuresDependOnOrderOnly(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	label := labels(3000, Range{0, 3}, Range{700, 740}, Range{760, 761}, Range{2990, 2999})
	score := make([]float64, len(label))
	for i := range score {
		score[i] = math.Round(rng.NormFloat64() * 20) // with ties
		if label[i] {
			score[i] += 20
		}
	}
	want := Measure(label, score, 60)
	for what, f := range map[string]func(float64) float64{
		"exp":  func(x float64) float64 { return math.Exp(x / 20) },
		"line": func(x float64) float64 { return 1e6*x - 3 },
		"cube": func(x float64) float64 { return x * x * x },
	} {
		other := make([]float64, len(score))
		for i, x := range score {
			other[i] = f(x)
		}
		if got := Measure(label, other, 60); got != want {
			t.Errorf("%s: %+v, want %+v", what, got, want)
		}
	}
	// Read backwards, ranges and buffers are the same.
	slices.Reverse(label)
	slices.Reverse(score)
	got := Measure(label, score, 60)
	if math.Abs(got.VUSPR-want.VUSPR) > 1e-12 || math.Abs(got.VUSROC-want.VUSROC) > 1e-12 {
		t.Errorf("backwards: %+v, want %+v", got, want)
	}
}

func TestMeasuresOfExtremes(t *testing.T) {
	t.Parallel()
	label := labels(5000, Range{1000, 1099}, Range{3000, 3099})
	share := 200. / 5000
	exact, late := make([]float64, len(label)), make([]float64, len(label))
	for i := range label {
		if label[i] {
			exact[i], late[i+20] = 1, 1
		}
	}
	m := Measure(label, exact, 50)
	if m.AUCPR != 1 || m.AUCROC != 1 || m.F1 != 1 || math.Abs(m.VUSPR-1) > 1e-9 || math.Abs(m.VUSROC-1) > 1e-2 {
		t.Errorf("the labels themselves: %+v, want 1", m)
	}
	if l := Measure(label, late, 50); !(l.VUSPR > l.AUCPR+0.05 && l.VUSPR < 1) {
		t.Errorf("20 samples late: VUS-PR %.4f, want more than the AUC-PR, %.4f: the buffer forgives it in part", l.VUSPR, l.AUCPR)
	}
	m = Measure(label, make([]float64, len(label)), 50)
	if math.Abs(m.AUCPR-share) > 1e-12 || m.AUCROC != 0.5 || m.VUSPR < share || m.VUSPR > 1.5*share {
		t.Errorf("constant: %+v, want the share of labels, %.3f", m, share)
	}
	m = Measure(label, randomFloor(make([]float64, len(label))), 50)
	if m.AUCPR > 2*share || m.VUSPR > 2*share || math.Abs(m.AUCROC-0.5) > 0.06 {
		t.Errorf("random: %+v, want about the share of labels, %.3f", m, share)
	}
	if m = Measure(make([]bool, 10), make([]float64, 10), 5); m.VUSPR == m.VUSPR || m.VUSROC == m.VUSROC {
		t.Errorf("no label: %+v, want NaN", m)
	}
	for n := range 4 { // never a panic
		Measure(labels(n), make([]float64, n), 300)
		if n > 0 {
			Measure(labels(n, Range{0, n - 1}), make([]float64, n), 300)
		}
		Period(make([]float64, n))
	}
}

// TestTable reproduces cells of the published table by the floors: seasonal-naive z, VUS-PR, and random to what its seed lets expect.
func TestTable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		set              string
		seasonal, random float64
	}{{"nab", 0.146, 0.119}, {"wsd", 0.106, 0.023}, {"tods", 0.688, 0.414}} {
		set, err := Load(data, c.set, 0)
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]float64{"seasonal_naive": c.seasonal, "random": c.random} {
			k := slices.IndexFunc(Floors, func(f Floor) bool { return f.Name == name })
			got, err := Univariate(t.Context(), set, func(l Labelled) ([]float64, error) { return Floors[k].Score(l.Values), nil })
			if err != nil {
				t.Fatal(err)
			}
			tolerance := 0.0006 // three digits
			if name == "random" {
				tolerance = 0.012 // another generator
			}
			if math.Abs(got.Mean.VUSPR-want) > tolerance {
				t.Errorf("%s on %s: VUS-PR %.4f, want %.3f", name, c.set, got.Mean.VUSPR, want)
			}
		}
	}
}

// TestLay: rows off the grid, two in one place, a gap, and history.
func TestLay(t *testing.T) {
	t.Parallel()
	l := Labelled{
		Set: "s", Name: "f", Step: 60_000,
		Past: []float64{1, 2}, PastTimes: []int64{0, 60_000},
		Values: []float64{3, 4, 5, 6}, Times: []int64{125_000, 355_000, 360_000, 480_000},
	}
	laid := l.Lay(true)
	nan := math.NaN()
	if want := []float64{1, 2, 3, nan, nan, nan, 5, nan, 6}; !slices.EqualFunc(laid.Series.Values, want, same) {
		t.Errorf("values %v, want %v", laid.Series.Values, want)
	}
	if laid.First != 2 || !slices.Equal(laid.Place, []int{2, 6, 6, 8}) || !slices.Equal(laid.Merged, []bool{false, true, false, false}) {
		t.Errorf("first %d, places %v, merged %v", laid.First, laid.Place, laid.Merged)
	}
	if got := laid.Rows([]float64{0, 0, 7, 0, 0, 0, 8, 0, nan}); !slices.Equal(got, []float64{7, 0, 8, 0}) {
		t.Errorf("rows %v, want [7 0 8 0]", got)
	}
	if got := l.Lay(false); got.First != 0 || got.Series.Grid.Start != 120_000 || got.Series.Grid.N != 7 {
		t.Errorf("without past: first %d, grid %+v", got.First, got.Series.Grid)
	}
}

func same(a, b float64) bool { return a == b || a != a && b != b }

// TestStreamed: 20 samples a minute apart, three events, three episodes.
func TestStreamed(t *testing.T) {
	t.Parallel()
	s := series.New(nil, series.Grid{Start: 0, Step: 60_000, N: 20})
	v := detect.Verdicts{Series: s, Score: make([]float64, 20)}
	minute := int64(60_000)
	v.Episodes = []detect.Episode{
		{Began: 2 * minute, Confirmed: 4 * minute, Ended: 6 * minute},    // on the first event
		{Began: 8 * minute, Confirmed: 8 * minute, Ended: 9 * minute},    // on none
		{Began: 14 * minute, Confirmed: 15 * minute, Ended: 16 * minute}, // four samples behind the second
	}
	v.Score[19] = math.NaN()
	events := []Incident{{3 * minute, 3 * minute}, {10 * minute, 10 * minute}, {19 * minute, 19 * minute}} // nothing was said of the third
	got := streamed(Replay{Judge: Judge{Judge: detect.Judge{Policy: detect.DefaultPolicy()}}}.told(v, events))
	if got.Events != 2 || got.Found != 2 || got.Episodes != 3 || got.True != 2 {
		t.Errorf("%+v, want 2 events found by 2 of 3 episodes", got)
	}
	if got.Delay() != 5*time.Minute || !slices.Equal(got.Delays, []time.Duration{time.Minute, 5 * time.Minute}) {
		t.Errorf("delays %v", got.Delays)
	}
	if want := 19. * 60 / (7 * 24 * 3600); math.Abs(got.Weeks-want) > 1e-12 {
		t.Errorf("%.6f weeks, want %.6f", got.Weeks, want)
	}
	rate, low, high := got.FalsePerWeek()
	// One event: Garwood's interval is 0.0253 to 5.5716, as in any table of it.
	if w := got.Weeks; math.Abs(rate*w-1) > 1e-9 || math.Abs(low*w-0.0253) > 5e-5 || math.Abs(high*w-5.5716) > 5e-5 {
		t.Errorf("%.4f [%.4f, %.4f] false episodes, want 1 [0.0253, 5.5716]", rate*w, low*w, high*w)
	}
}

// BenchmarkMeasure is the longest series of a table, with 400 labelled ranges and the longest buffer.
func BenchmarkMeasure(b *testing.B) {
	rng := rand.New(rand.NewPCG(3, 4))
	label, score := make([]bool, longest), make([]float64, longest)
	for i := range score {
		label[i] = i%400 < 5
		score[i] = rng.NormFloat64()
	}
	for b.Loop() {
		Measure(label, score, 303)
	}
}
