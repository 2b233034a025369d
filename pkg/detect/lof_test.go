package detect

import (
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// The factors are those of sklearn's LocalOutlierFactor with novelty.
func TestLOFBesideSklearn(t *testing.T) {
	t.Parallel()
	var want struct{ Score []float64 }
	peers(t, "lof", &want)
	o, _ := outliersOf(peerPoints(1000, 8, 2), 8, 20, 0)
	rows, f := peerPoints(500, 8, 3), newFound(20)
	got := make([]float64, 500)
	for i := range got {
		got[i] = o.factor(rows[i*8:(i+1)*8], f)
	}
	near(t, "outlier factor", got, want.Score, 1e-6)
}

// The tree finds what a search through all points finds, also among points that are equal.
func TestNeighbours(t *testing.T) {
	t.Parallel()
	for _, d := range []int{1, 3, 8} {
		rows, queries := peerPoints(700, d, 4), peerPoints(100, d, 5)
		for i := range 200 { // a fifth on a coarse lattice
			for k := range d {
				rows[i*d+k] = math.Round(rows[i*d+k])
			}
		}
		tree := neighboursOf(rows, d)
		f := newFound(9)
		for q := range 100 {
			x := queries[q*d : (q+1)*d]
			if q%2 == 0 {
				x = rows[q*d : (q+1)*d]
			}
			tree.nearest(x, int32(q), f)
			var all []float64
			for i := range 700 {
				squared := 0.0
				for k := range d {
					squared += (x[k] - rows[i*d+k]) * (x[k] - rows[i*d+k])
				}
				if i != q {
					all = append(all, squared)
				}
			}
			slices.Sort(all)
			if d := cmp.Diff(all[:9], f.squared, cmpopts.EquateApprox(1e-12, 0)); d != "" {
				t.Fatal(d)
			}
		}
	}
}

// Among many equal samples another one is an outlier of a size that can be told, not an endless one.
func TestLOFOfEqualSamples(t *testing.T) {
	t.Parallel()
	rows := make([]float64, 200*2)
	for i := range 20 {
		rows[i*2] = float64(i)
	}
	o, _ := outliersOf(rows, 2, 5, nearEnough)
	f := newFound(5)
	if x := o.factor([]float64{0, 0}, f); math.Abs(x-1) > 1e-9 {
		t.Errorf("a usual sample has factor %v", x)
	}
	if x := o.factor([]float64{0, 3}, f); !(x > 2 && x < 1e6) {
		t.Errorf("an unusual sample has factor %v", x)
	}
}
