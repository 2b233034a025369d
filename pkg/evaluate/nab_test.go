package evaluate

import (
	"math"
	"slices"
	"testing"
)

// TestNABOfPeers holds NAB to what the reference scorer says about published scores: `score_tsad.py nab-peers data`, 23 files, 44 windows.
func TestNABOfPeers(t *testing.T) {
	t.Parallel()
	set, err := Load(data, "nab", 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		detector               string
		standard, lowFP, lowFN float64
	}{
		{"ARTime", 75.25, 65.27, 81.23},
		{"contextOSE", 74.74, 69.86, 78.62},
		{"numenta", 70.30, 62.80, 74.90},
		{"randomCutForest", 52.09, 40.04, 58.97},
		{"windowedGaussian", 43.39, 29.05, 50.14},
		{"random", 28.67, 14.54, 38.81},
		{"null", 0, 0, 0},
	} {
		k := slices.IndexFunc(set.Published, func(p Published) bool { return p.Name == c.detector })
		if k < 0 {
			t.Errorf("the scores of %s are missing", c.detector)
			continue
		}
		n := NewNAB(set.Series, set.Published[k].Scores)
		for k, want := range []float64{c.standard, c.lowFP, c.lowFN} {
			got, threshold := n.Best(set.Profiles[k])
			if math.Abs(got-want) > 0.0051 {
				t.Errorf("%s: %s: %.4f, want %.2f", c.detector, set.Profiles[k].Name, got, want)
			}
			if again, _ := n.At(set.Profiles[k], threshold); again != got {
				t.Errorf("%s: %s: %.4f at the best threshold, want the best score, %.4f", c.detector, set.Profiles[k].Name, again, got)
			}
			if left, _ := n.LeaveOut(set.Profiles[k]); left > got+1e-9 {
				t.Errorf("%s: %s: %.4f with thresholds that saw less, want at most the best, %.4f", c.detector, set.Profiles[k].Name, left, got)
			}
		}
		if _, rate := n.AtMost(set.Profiles[0], 2); rate > 2 {
			t.Errorf("%s: %.3f alarms a week, want at most 2", c.detector, rate)
		}
	}
}

// TestNABByHand is a file of 20 rows with the window [10, 14], worked out from the formulas of the paper.
func TestNABByHand(t *testing.T) {
	t.Parallel()
	f := Labelled{Name: "hand", Values: make([]float64, 20), Step: 60_000, Events: []Range{{10, 14}}, Probation: 3}
	p := Profile{Name: Standard, Hit: 1, Miss: 1, FalseAlarm: 0.11}
	sigma := func(x float64) float64 { return 2/(1+math.Exp(5*x)) - 1 }
	for _, c := range []struct {
		what   string
		alarms []int
		want   float64 // raw: −1 for a miss
	}{
		{"none", nil, -1},
		{"the first row of the window", []int{10}, 1},
		{"its last row", []int{14}, sigma(-0.2) / sigma(-1)},
		{"two hits count once", []int{10, 12}, 1},
		{"before every window", []int{5}, -1 - 0.11},
		{"in probation", []int{1}, -1},
		{"two rows behind the window", []int{16}, -1 + 0.11*sigma(0.5)},
		{"a hit and one far behind", []int{10, 19}, 1 + 0.11*sigma(1.25)},
	} {
		scores := make([]float64, 20)
		for _, i := range c.alarms {
			scores[i] = 1
		}
		got, _ := NewNAB([]Labelled{f}, [][]float64{scores}).At(p, 1)
		if want := 100 * (c.want + 1) / 2; math.Abs(got-want) > 1e-9 {
			t.Errorf("%s: %.6f, want %.6f", c.what, got, want)
		}
	}
}

// TestNABLeaveOut: two files whose best thresholds differ; what is chosen on the one judges the other.
func TestNABLeaveOut(t *testing.T) {
	t.Parallel()
	p := Profile{Name: Standard, Hit: 1, Miss: 1, FalseAlarm: 0.11}
	one := Labelled{Name: "one", Values: make([]float64, 20), Step: 60_000, Events: []Range{{10, 14}}}
	low, high := make([]float64, 20), make([]float64, 20)
	low[10], high[10] = 1, 5 // hits
	high[2] = 2              // a false alarm at any threshold up to 2
	scores := [][]float64{low, high}
	n := NewNAB([]Labelled{one, one}, scores)
	// Of low alone 1 is best: high then has its hit and its false alarm. Of high alone 5 is best: low misses.
	got, _ := n.LeaveOut(p)
	want := 100 * ((1 - 0.11) + (-1) + 2) / 4
	if math.Abs(got-want) > 1e-9 {
		t.Errorf("%.4f, want %.4f", got, want)
	}
	if !slices.Equal(low[:3], []float64{0, 0, 0}) {
		t.Error("the scores were changed")
	}
}
