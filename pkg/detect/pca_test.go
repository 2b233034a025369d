package detect

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/foreshock/foreshock/pkg/series"
)

// Both distances equal numpy's, and both kinds rank the broken windows highest.
func TestPCABesideNumpy(t *testing.T) {
	t.Parallel()
	var want struct{ Weighted, Residual []float64 }
	peers(t, "pca", &want)
	const w = 50
	g := newGram(w)
	x := peerWave(3000)
	g.add(x)
	whole, err := whitened(g, reviewFloor)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "weighted distance", every(37, whole.distances(x)), want.Weighted, 1e-8)
	rest, err := leftOver(g, mainShare)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "residual", every(37, rest.distances(x)), want.Residual, 1e-8)
}

// The sum over sliding windows equals that over windows one by one, and what is added in parts equals the whole less the windows across the cut.
func TestGram(t *testing.T) {
	t.Parallel()
	x := peerNormal(200, 5)
	const w = 12
	plain := newGram(w)
	for i := 0; i+w <= len(x); i++ {
		one := newGram(w)
		one.add(x[i : i+w])
		plain.n += one.n
		for a := range w {
			plain.sum[a] += x[i+a]
			for b := a; b < w; b++ {
				plain.outer[a*w+b] += x[i+a] * x[i+b]
			}
		}
	}
	fast, parts := newGram(w), newGram(w)
	fast.add(x)
	parts.add(x[:90])
	parts.add(x[90-w+1 : 90+w-1]) // across the cut
	parts.add(x[90:])
	parts.add(nil)
	eq := cmp.Options{cmp.AllowUnexported(gram{}), cmpopts.EquateApprox(0, 1e-9)}
	if d := cmp.Diff(plain, fast, eq); d != "" {
		t.Errorf("sliding:\n%s", d)
	}
	if d := cmp.Diff(plain, parts, eq); d != "" {
		t.Errorf("in parts:\n%s", d)
	}
}

// A review needs no day: it takes a series of any length and step, with gaps, and finds the broken stretch.
func TestPCAReview(t *testing.T) {
	t.Parallel()
	for _, distance := range []string{"weighted", "residual"} {
		d := &PCA{Window: 60, Distance: distance}
		s := series.Series{Grid: series.Grid{Start: 5, Step: 1234, N: 3000}, Values: peerWave(3000)}
		s.Values[100] = math.NaN()
		s.Values[2000] = math.Inf(1)
		score, err := d.Review(s, nil)
		if err != nil {
			t.Fatal(err)
		}
		at := 0
		for i, x := range score {
			if (x != x) != (i == 100 || i == 2000) || x < 0 {
				t.Fatalf("%s: sample %d has score %v", distance, i, x)
			}
			if x > score[at] {
				at = i
			}
		}
		if at < 650 || at > 1260 {
			t.Errorf("%s: sample %d scores highest, want one near 700 or 1200", distance, at)
		}
	}
}

// reviewers survive any length and any value.
func TestReviewOfBadInput(t *testing.T) {
	t.Parallel()
	for _, name := range Detectors.Names() {
		d, _ := Detectors.New(name, nil)
		r, ok := d.(Reviewer)
		if !ok {
			continue
		}
		for _, values := range badInput() {
			s := series.Series{Grid: series.Grid{Step: 60_000, N: len(values)}, Values: values}
			score, err := r.Review(s, nil)
			if err != nil {
				continue
			}
			if len(score) != len(values) {
				t.Fatalf("%s: %d scores for %d samples", name, len(score), len(values))
			}
			for i, x := range score {
				if gap := !(math.Abs(values[i]) <= 1e300); gap != (x != x) || x < 0 || math.IsInf(x, 0) {
					t.Fatalf("%s: sample %d of %d, %v, has score %v", name, i, len(values), values[i], x)
				}
			}
		}
	}
}

// badInput returns series that nobody wants: short, constant, gaps, of states, enormous.
func badInput() [][]float64 {
	var all [][]float64
	for _, n := range []int{0, 1, 3, 19, 20, 21, 40, 125, 700} {
		for _, at := range []func(i int) float64{
			func(int) float64 { return 5 },
			func(int) float64 { return math.NaN() },
			func(i int) float64 { return float64(i % 2) },
			func(i int) float64 { return []float64{1, math.NaN(), 2, math.Inf(1), 3}[i%5] },
			func(i int) float64 { return []float64{1e300, -1e300, 0, 1e-300}[i*i%4] },
			func(i int) float64 { return float64(i / 300) },
			func(i int) float64 { return math.Exp(float64(i)) },
			func(i int) float64 {
				if i == 600 {
					return 1
				}
				return 0
			},
		} {
			values := make([]float64, n)
			for i := range values {
				values[i] = at(i)
			}
			all = append(all, values)
		}
	}
	return all
}
