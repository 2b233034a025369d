package chart

import (
	"math"

	"gonum.org/v1/plot/plotter"

	"github.com/foreshock/foreshock/pkg/detect"
)

// reduced is the verdicts thinned to a width. A point with a NaN breaks a line.
type reduced struct {
	actual, expected, score []plotter.XY
	band                    []bandPoint
	anomalies               []plotter.XY
	unjudged                []span
}

type bandPoint struct{ x, lower, upper float64 }

// span is a stretch of time, both ends included.
type span struct{ from, to float64 }

// reduce keeps everything when there are at most two samples a pixel; else the lowest and highest sample, the widest band and the highest
// score of each column of pixels, and every anomaly.
func reduce(v detect.Verdicts, width int) *reduced {
	d := &reduced{}
	n := v.Series.Grid.N
	size := 1
	if n > 2*width {
		size = (n + width - 1) / width
	}
	for i := 0; i < n; i += size {
		d.column(v, i, min(i+size, n))
	}
	d.marks(v, size)
	return d
}

// column adds samples [i, j) as one column of pixels.
func (d *reduced) column(v detect.Verdicts, i, j int) {
	g := v.Series.Grid
	low, high, top := -1, -1, math.NaN()
	sum, expected := 0.0, 0
	b := bandPoint{x: float64(g.At(i)), lower: math.NaN(), upper: math.NaN()}
	for k := i; k < j; k++ {
		x := v.Series.Values[k]
		if x == x && (low < 0 || x < v.Series.Values[low]) {
			low = k
		}
		if x == x && (high < 0 || x > v.Series.Values[high]) {
			high = k
		}
		if e := v.Expected[k]; e == e {
			sum += e
			expected++
		}
		if s := v.Score[k]; s == s && !(s <= top) {
			top = s
		}
		if l, u := v.Lower[k], v.Upper[k]; l == l && u == u {
			if !(l >= b.lower) {
				b.lower = l
			}
			if !(u <= b.upper) {
				b.upper = u
			}
		}
	}
	d.band = append(d.band, b)
	d.score = append(d.score, plotter.XY{X: b.x, Y: top})
	d.expected = append(d.expected, plotter.XY{X: b.x, Y: sum / float64(expected)})
	if low < 0 {
		d.actual = append(d.actual, plotter.XY{X: b.x, Y: math.NaN()})
		return
	}
	first, second := min(low, high), max(low, high)
	d.actual = append(d.actual, plotter.XY{X: float64(g.At(first)), Y: v.Series.Values[first]})
	if second != first {
		d.actual = append(d.actual, plotter.XY{X: float64(g.At(second)), Y: v.Series.Values[second]})
	}
}

// marks adds the anomalies, and the stretches that were not judged and are wider than a column.
func (d *reduced) marks(v detect.Verdicts, size int) {
	g := v.Series.Grid
	begin := -1
	for i := 0; i <= g.N; i++ {
		unjudged := i < g.N && math.IsNaN(v.Score[i]) && v.State[i] != detect.Constant
		if unjudged && begin < 0 {
			begin = i
		}
		if !unjudged && begin >= 0 {
			if i-begin > size {
				d.unjudged = append(d.unjudged, span{float64(g.At(begin)), float64(g.At(i - 1))})
			}
			begin = -1
		}
		if i < g.N && v.Anomalous[i] && v.Score[i] >= 1 {
			d.anomalies = append(d.anomalies, plotter.XY{X: float64(g.At(i)), Y: v.Series.Values[i]})
		}
	}
}

// runs calls f for each stretch of points without NaN.
func runs(points []plotter.XY, f func(plotter.XYs)) {
	begin := 0
	for i := 0; i <= len(points); i++ {
		if i < len(points) && !math.IsNaN(points[i].Y) && !math.IsInf(points[i].Y, 0) {
			continue
		}
		if i > begin {
			f(points[begin:i])
		}
		begin = i + 1
	}
}
