package detect

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/foreshock/foreshock/pkg/series"
)

// reviewed10Days is ten days at five minutes: a day's course with noise of one tenth of it.
func reviewed10Days(seed uint64) series.Series {
	rng := rand.New(rand.NewPCG(seed, 1))
	s := series.New(series.FromMap(map[string]string{"job": "api"}), series.Grid{Start: 1_700_000_100_000 / 300_000 * 300_000, Step: 300_000, N: 10 * 288})
	for i := range s.Values {
		phase := 2 * math.Pi * float64(i) / 288
		s.Values[i] = 200 + 50*math.Sin(phase) + 20*math.Sin(2*phase+1) + 5*rng.NormFloat64()
	}
	return s
}

// TestReviewFindsWhatWasPlanted holds the review to ranking: the highest score lies at what was planted, whatever it is.
func TestReviewFindsWhatWasPlanted(t *testing.T) {
	t.Parallel()
	const at = 5*288 + 100
	kinds := []struct {
		name   string
		from   int
		length int
		plant  func(s series.Series, i int) float64
	}{
		{"spike", at, 3, func(s series.Series, i int) float64 { return s.Values[i] + 100 }},
		{"drop", at, 3, func(s series.Series, i int) float64 { return s.Values[i] - 100 }},
		{"drop to zero", at, 12, func(series.Series, int) float64 { return 0 }},
		{"raised for hours", at, 36, func(s series.Series, i int) float64 { return s.Values[i] + 60 }},
		{"stuck", at, 60, func(s series.Series, _ int) float64 { return s.Values[at] }},
		{"restless", at, 30, func(s series.Series, i int) float64 { return s.Values[i] + 60*float64(i%2*2-1) }},
		{"a day turned round", 5 * 288, 288, func(s series.Series, i int) float64 { return 400 - s.Values[i] }},
	}
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(3) {
				s := reviewed10Days(seed)
				given := slices.Clone(s.Values)
				for i := k.from; i < k.from+k.length; i++ {
					s.Values[i] = k.plant(series.Series{Grid: s.Grid, Values: given}, i)
				}
				score, saw, err := reviewScore(s)
				if err != nil {
					t.Fatal(err)
				}
				top := 0
				for i, v := range score {
					if v > score[top] {
						top = i
					}
				}
				const slack = 30 // windows reach over the ends of what was planted
				if top < k.from-slack || top >= k.from+k.length+slack {
					t.Errorf("seed %d: highest score at %d, want it in [%d, %d); it went by %+v", seed, top, k.from, k.from+k.length, saw)
				}
				if saw.Cycle < 285 || saw.Cycle > 291 || saw.Day != 288 {
					t.Errorf("seed %d: cycle %d and day %d, want 288", seed, saw.Cycle, saw.Day)
				}
			}
		})
	}
}

// TestReviewOfAnyInput: a number for every sample, NaN for every gap, nothing else.
func TestReviewOfAnyInput(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	kinds := map[string]func(i int) float64{
		"noise":    func(int) float64 { return rng.NormFloat64() },
		"constant": func(int) float64 { return 7 },
		"gaps": func(i int) float64 {
			if i%3 == 0 || i > 20 && i < 40 {
				return math.NaN()
			}
			return rng.NormFloat64()
		},
		"all gaps": func(int) float64 { return math.NaN() },
		"infinite": func(i int) float64 { return []float64{math.Inf(1), 1, math.Inf(-1), 2}[i%4] },
		"huge":     func(i int) float64 { return []float64{math.MaxFloat64, -math.MaxFloat64, 1e-300}[i%3] },
		"one jump": func(i int) float64 { return float64(i / 30) },
		"rare":     func(i int) float64 { return float64((i % 97) / 96) },
		"trend":    func(i int) float64 { return 1e9 + float64(i) },
	}
	for name, value := range kinds {
		for _, n := range []int{0, 1, 2, 7, 8, 9, 31, 59, 60, 61, 150, 1000} {
			for _, step := range []int64{1, 1000, 60_000, 7_000_000, 86_400_000, 604_800_000} {
				if step != 60_000 && n > 61 {
					continue
				}
				s := series.New(nil, series.Grid{Step: step, N: n})
				for i := range s.Values {
					s.Values[i] = value(i)
				}
				given := slices.Clone(s.Values)
				score, _, err := reviewScore(s)
				if err != nil || len(score) != n {
					t.Fatalf("%s, %d samples: %d scores, error %v", name, n, len(score), err)
				}
				for i, v := range score {
					gap := math.IsNaN(given[i]) || math.IsInf(given[i], 0)
					if !gap && name != "huge" && !(v >= 0 && !math.IsInf(v, 0)) || name == "gaps" && gap != (v != v) {
						t.Fatalf("%s, %d samples at step %d: score %v of sample %d = %v", name, n, step, v, i, given[i])
					}
				}
				again, _, _ := reviewScore(s)
				if !slices.EqualFunc(score, again, same) {
					t.Errorf("%s, %d samples: another score the second time", name, n)
				}
				if !slices.EqualFunc(given, s.Values, same) {
					t.Errorf("%s, %d samples: the input was changed", name, n)
				}
			}
		}
	}
}

func same(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) || a != a && b != b }

// TestReviewDoesNotKnowUnits: a review of the series in another unit ranks alike.
func TestReviewDoesNotKnowUnits(t *testing.T) {
	t.Parallel()
	s := reviewed10Days(5)
	s.Values[1000] += 60
	one, _, err := reviewScore(s)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range s.Values {
		s.Values[i] = 8*v - 1024 // exact in binary, but for the last bits of the sum
	}
	other, _, err := reviewScore(s)
	if err != nil {
		t.Fatal(err)
	}
	for i := range one {
		if math.Abs(one[i]-other[i]) > 1e-3*(1+one[i]) {
			t.Fatalf("sample %d: %v and in another unit %v", i, one[i], other[i])
		}
	}
}

// TestNearestIsTheNearest compares with distances by definition; there are fewer windows than references, so all take part.
func TestNearestIsTheNearest(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 1))
	x := make([]float64, 300)
	for i := range x {
		x[i] = math.Sin(float64(i)/5) + 0.3*rng.NormFloat64()
	}
	const w = 5 // too short to be thinned or taken as means
	for _, by := range []likeness{asIs, centred, shaped} {
		var windows [][]float64
		for i := range len(x) - w + 1 {
			v := slices.Clone(x[i : i+w])
			m := mean(v)
			for k := range v {
				if by != asIs {
					v[k] -= m
				}
			}
			windows = append(windows, v)
		}
		if by == shaped {
			var deviations []float64
			for _, v := range windows {
				deviations = append(deviations, math.Sqrt(meanSquare(v)))
			}
			slices.Sort(deviations)
			for _, v := range windows {
				d := max(math.Sqrt(meanSquare(v)), 0.1*deviations[len(deviations)/2])
				for k := range v {
					v[k] /= d
				}
			}
		}
		each := make([]float64, len(windows))
		for i, a := range windows {
			least := math.Inf(1)
			for j, b := range windows {
				if j > i-w && j < i+w {
					continue
				}
				d := 0.0
				for k := range a {
					d += (a[k] - b[k]) * (a[k] - b[k]) / w
				}
				least = min(least, d)
			}
			each[i] = math.Sqrt(least)
		}
		got := nearest(x, w, by, rng)
		for i := range x {
			want, n := 0.0, 0.0
			for k := max(0, i-w+1); k <= min(i, len(each)-1); k++ {
				want += each[k]
				n++
			}
			if want /= n; math.Abs(got[i]-want) > 2e-3 {
				t.Fatalf("likeness %d, sample %d: got %v, want %v", by, i, got[i], want)
			}
		}
	}
}

func mean(v []float64) float64 {
	s := 0.0
	for _, x := range v {
		s += x / float64(len(v))
	}
	return s
}

func meanSquare(v []float64) float64 {
	s := 0.0
	for _, x := range v {
		s += x * x / float64(len(v))
	}
	return s
}

// TestTwinsAreCorrelations compares with the definition: the highest correlation, with the noise added to both deviations and to what they share.
func TestTwinsAreCorrelations(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(2, 1))
	x := make([]float64, 200)
	for i := range x {
		x[i] = math.Sin(float64(i)/4) + 0.2*rng.NormFloat64()
		if i > 150 {
			x[i] = 0.5 // flat windows
		}
	}
	const w = 12
	m := mean(x)
	centered := make([]float64, len(x))
	for i, v := range x {
		centered[i] = v - m
	}
	noise := w * 0.03 * 0.03 * meanSquare(centered)
	got := twins(x, w)
	for i := range got {
		want := -1.0
		for j := range got {
			if j > i-w && j < i+w {
				continue
			}
			a, b := mean(x[i:i+w]), mean(x[j:j+w])
			ab, aa, bb := noise, noise, noise
			for k := range w {
				ab += (x[i+k] - a) * (x[j+k] - b)
				aa += (x[i+k] - a) * (x[i+k] - a)
				bb += (x[j+k] - b) * (x[j+k] - b)
			}
			want = max(want, ab/math.Sqrt(aa*bb))
		}
		if math.Abs(got[i]-want) > 1e-9 {
			t.Fatalf("window %d: got %v, want %v", i, got[i], want)
		}
	}
}

func TestSpread(t *testing.T) {
	t.Parallel()
	// Windows of 3 at 0, 2, 4 with scores 1, 3, 5 over 8 samples: sample 2 is covered by the first two, sample 7 by none.
	got := spread([]float64{1, 3, 5}, 8, 3, 2)
	if d := cmp.Diff([]float64{1, 1, 2, 3, 4, 5, 5, 5}, got); d != "" {
		t.Error(d)
	}
}

func TestRunningMedian(t *testing.T) {
	t.Parallel()
	got := runningMedian([]float64{5, 1, 9, 2, 2, 8}, 1)
	if d := cmp.Diff([]float64{3, 5, 2, 2, 2, 5}, got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]float64{5, 1}, runningMedian([]float64{5, 1}, 0)); d != "" {
		t.Error(d)
	}
}

func TestCycleOf(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(9, 1))
	x := make([]float64, 4000)
	for i := range x {
		x[i] = math.Sin(2*math.Pi*float64(i)/90) + 0.5*rng.NormFloat64() + float64(i)/1000
	}
	if k, r := cycleOf(x); k < 89 || k > 91 || r < 0.5 {
		t.Errorf("cycle %d of strength %.2f, want 90", k, r)
	}
	for i := range x {
		x[i] = rng.NormFloat64()
	}
	if k, r := cycleOf(x); k != 0 {
		t.Errorf("cycle %d of strength %.2f in noise, want none", k, r)
	}
}

func TestBridged(t *testing.T) {
	t.Parallel()
	gap := math.NaN()
	if d := cmp.Diff([]float64{2, 2, 3, 4, 5, 5}, bridged([]float64{gap, 2, gap, gap, 5, gap})); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]float64{2, 2, 3, 4, 4, 4}, bridged([]float64{gap, 2, gap, 4, gap, gap})); d != "" {
		t.Error(d)
	}
}

func TestFarthestOf(t *testing.T) {
	t.Parallel()
	if d := cmp.Diff([]float64{-3, 2, 1}, farthestOf([]float64{1, -3, 2, 0, 1}, 2)); d != "" {
		t.Error(d)
	}
}

func TestQuantileOf(t *testing.T) {
	t.Parallel()
	// numpy.quantile([5, 1, 4, 2], [0, .5, .9, 1])
	for q, want := range map[float64]float64{0: 1, 0.5: 3, 0.9: 4.7, 1: 5} {
		if got := quantileOf([]float64{5, 1, 4, 2}, q); math.Abs(got-want) > 1e-12 {
			t.Errorf("quantile %v: got %v, want %v", q, got, want)
		}
	}
}
