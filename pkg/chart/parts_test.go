package chart

import (
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/series"
)

// Of a vector the six dimensions with most of what is abnormal are drawn, in their order, in red only where they have more than their share.
func TestPartsOf(t *testing.T) {
	t.Parallel()
	const n, dimensions = 50, 8
	grid := series.Grid{Step: 60_000, N: n}
	v := detect.JointVerdicts{Vector: series.Vector{Grid: grid}}
	r := detect.NewResult(n)
	v.Series = series.New(nil, grid)
	v.Score, v.Expected, v.Lower, v.Upper, v.State, v.Anomalous = r.Score, r.Expected, r.Lower, r.Upper, r.State, make([]bool, n)
	v.Anomalous[20], v.Score[20] = true, 2
	for d := range dimensions {
		v.Vector.Names = append(v.Vector.Names, fmt.Sprint("d", d))
		x := series.New(nil, grid).Values
		for i := range x {
			x[i] = math.Sin(float64(i + d))
		}
		v.Vector.Values = append(v.Vector.Values, x)
		v.Usual = append(v.Usual, detect.Range{Expected: r.Expected, Lower: r.Lower, Upper: r.Upper})
		c := make([]float64, n)
		c[20] = []float64{0, 1.2, 0.01, 0.02, 0.03, 0.04, 0.7, 0}[d]
		v.Contributions = append(v.Contributions, c)
	}
	parts := PartsOf(v)
	var names []string
	for _, p := range parts {
		names = append(names, p.Name)
		if red := p.Verdicts.Anomalous[20]; red != (p.Name == "d1" || p.Name == "d6") {
			t.Errorf("%s is red: %v", p.Name, red)
		}
	}
	if d := cmp.Diff([]string{"d1", "d2", "d3", "d4", "d5", "d6"}, names); d != "" {
		t.Error(d)
	}
	file := t.TempDir() + "/a.png"
	if err := (Chart{Title: "a", Verdicts: v.Verdicts, Parts: parts}).Save(file); err != nil {
		t.Fatal(err)
	}
}
