package detect

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/foreshock/foreshock/pkg/series"
)

// The constants are those of the source: c(256) = 10.2448 in its section 3.2 by H(i) ≈ ln i + γ, and what sklearn's _average_path_length([1, 2, 3, 10, 256]) prints.
func TestExpectedPath(t *testing.T) {
	t.Parallel()
	want := []float64{0, 1, 1.207392357589623, 3.748880484475504, 10.244770920119917}
	var got []float64
	for _, n := range []int{1, 2, 3, 10, 256} {
		got = append(got, expectedPath(n))
	}
	near(t, "expected path", got, want, 1e-9)
}

// Trees split: at the sample sizes in use each tree has leaves, together dozens each, and ordinary rows get different scores.
func TestForestSplits(t *testing.T) {
	t.Parallel()
	rows := single(peerPoints(2000, 8, 2))
	f := grow(rows, 8, 64, 256, rand.New(rand.NewPCG(1, 2)))
	all := 0
	for k, root := range f.roots {
		end := int32(len(f.nodes))
		if k+1 < len(f.roots) {
			end = f.roots[k+1]
		}
		leaves := 0
		for at := root; at < end; at++ {
			if f.leaf(at) {
				leaves++
			}
		}
		if all += leaves; leaves < 10 {
			t.Fatalf("tree %d has %d leaves", k, leaves)
		}
	}
	if all < 50*len(f.roots) {
		t.Fatalf("%d trees have %d leaves", len(f.roots), all)
	}
	scores := forestScores(f, rows)
	slices.Sort(scores)
	if low, high := scores[100], scores[1900]; high-low < 0.05 {
		t.Errorf("nine of ten scores lie in [%v, %v]", low, high)
	}
	if top := scores[len(scores)-1]; top < 0.65 {
		t.Errorf("the highest score is %v", top)
	}
	if distinct := len(slices.Compact(scores)); distinct < 1900 {
		t.Errorf("%d different scores of 2000 rows", distinct)
	}
}

// So do those of the detector: the scores of ordinary samples are spread.
func TestIsolationForestSpreads(t *testing.T) {
	t.Parallel()
	d, _ := Detectors.New("iforest", nil)
	s := fixtures()[0].s
	m, err := d.Fit(Train{Series: s.Slice(0, 10_000)})
	if err != nil {
		t.Fatal(err)
	}
	r := score(t, m, s.Slice(10_000, 14_000), lagContext)
	seen := map[float64]bool{}
	zero := 0
	for _, x := range r.Score {
		if seen[x] = true; x == 0 {
			zero++
		}
	}
	if len(seen) < len(r.Score)/4 || zero > len(r.Score)*3/4 {
		t.Errorf("%d different scores and %d zeros of %d samples", len(seen), zero, len(r.Score))
	}
}

// forestScores returns the scores of the source.
func forestScores(f *forest, rows []float32) []float64 {
	out := make([]float64, len(rows)/f.d)
	f.paths(rows, out)
	for i, x := range out {
		out[i] = math.Exp2(-x)
	}
	return out
}

// The ranking is sklearn's: rank correlation over all rows, and the area under the curve of the rows that lie out.
func TestForestBesideSklearn(t *testing.T) {
	t.Parallel()
	var want struct{ Score []float64 }
	peers(t, "iforest", &want)
	f := grow(single(peerPoints(1000, 8, 2)), 8, 500, 256, rand.New(rand.NewPCG(1, 2)))
	got := forestScores(f, single(peerPoints(500, 8, 3)))
	if rho := spearman(got, want.Score); rho < 0.95 {
		t.Errorf("rank correlation %v, want at least 0.95", rho)
	}
	ours, theirs := areaOfHundredths(got), areaOfHundredths(want.Score)
	if math.Abs(ours-theirs) > 0.02 {
		t.Errorf("area under the curve %v, sklearn's %v", ours, theirs)
	}
	// Where no row lies outside of what was seen, the scores themselves agree.
	inside, beyond := 0, make([]float32, 8)
	rows := single(peerPoints(500, 8, 3))
	for i := range got {
		if !f.outside(rows[i*8:(i+1)*8], beyond) {
			inside++
			if math.Abs(got[i]-want.Score[i]) > 0.03 {
				t.Errorf("row %d scores %v, sklearn says %v", i, got[i], want.Score[i])
			}
		}
	}
	if inside < 400 {
		t.Errorf("only %d rows lie inside", inside)
	}
}

// The farther outside, the higher the score, up to that of what the first cut parts.
func TestForestOutside(t *testing.T) {
	t.Parallel()
	f := grow(single(peerPoints(2000, 2, 2)), 2, 100, 256, rand.New(rand.NewPCG(1, 2)))
	last := 0.0
	for _, x := range []float32{0, 3, 20, 40, 100, 1000, 1e6} {
		got := forestScores(f, []float32{x, -x})[0]
		if got <= last {
			t.Errorf("at %v the score is %v, nearer it is %v", x, got, last)
		}
		last = got
	}
	if want := math.Exp2(-1 / expectedPath(256)); math.Abs(last-want) > 1e-3 {
		t.Errorf("far outside the score is %v, want %v", last, want)
	}
}

// A review finds the broken wave among whole ones.
func TestIsolationForestReview(t *testing.T) {
	t.Parallel()
	d, _ := Detectors.New("iforest", nil)
	x := peerWave(3000)
	for i := 2400; i < 2450; i++ { // a flat period
		x[i] = 10 + 0.02*(x[i]-10)
	}
	got, err := d.(Reviewer).Review(series.Series{Grid: series.Grid{Step: 1, N: 3000}, Values: x}, nil)
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	for i := range got {
		if got[i] > got[at] {
			at = i
		}
	}
	if at < 650 || at > 2500 || got[at] < 1.1*got[300] {
		t.Errorf("sample %d scores highest, %v; an ordinary one %v", at, got[at], got[300])
	}
}

// spearman returns the rank correlation of values without ties.
func spearman(a, b []float64) float64 {
	ra, rb := ranks(a), ranks(b)
	n, sum := float64(len(a)), 0.0
	for i := range ra {
		sum += (ra[i] - rb[i]) * (ra[i] - rb[i])
	}
	return 1 - 6*sum/(n*(n*n-1))
}

func ranks(values []float64) []float64 {
	order := make([]int, len(values))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return cmp.Compare(values[i], values[j]) })
	out := make([]float64, len(values))
	for r, i := range order {
		out[i] = float64(r)
	}
	return out
}

// areaOfHundredths returns the area under the curve where every hundredth row lies out, as in peerPoints.
func areaOfHundredths(scores []float64) float64 {
	r := ranks(scores)
	sum, n := 0.0, 0.0
	for i := 0; i < len(r); i += 100 {
		sum += r[i]
		n++
	}
	return (sum - n*(n-1)/2) / (n * (float64(len(r)) - n))
}
