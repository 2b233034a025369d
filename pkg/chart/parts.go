package chart

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/plot"

	"github.com/foreshock/foreshock/pkg/detect"
)

// Part is one dimension of a vector: its samples with their usual range, and in red where it has a good share of an abnormal score.
type Part struct {
	Name     string
	Verdicts detect.Verdicts
}

// mostParts is how many dimensions one picture has room for.
const mostParts = 6

// PartsOf returns the dimensions of a vector in their order, at most six: those that make most of what is abnormal.
func PartsOf(v detect.JointVerdicts) []Part {
	n := len(v.Vector.Names)
	weight := make([]float64, n)
	red := make([][]bool, n)
	for d := range n {
		red[d] = make([]bool, len(v.Score))
		for i, anomalous := range v.Anomalous {
			c := v.Contributions[d][i]
			if red[d][i] = anomalous && c*float64(n) >= v.Score[i]; anomalous && c == c {
				weight[d] += math.Min(c, maxScore)
			}
		}
	}
	order := make([]int, n)
	for d := range order {
		order[d] = d
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(weight[b], weight[a]) })
	order = order[:min(n, mostParts)]
	slices.Sort(order)
	out := make([]Part, len(order))
	for k, d := range order {
		one := v.Verdicts
		u := v.Usual[d]
		one.Series, one.Expected, one.Lower, one.Upper, one.Anomalous = v.Vector.Dimension(d), u.Expected, u.Lower, u.Upper, red[d]
		out[k] = Part{v.Vector.Names[d], one}
	}
	return out
}

// mains returns what is drawn above the score: one plot, or one for each part.
func (c Chart) mains() []*plot.Plot {
	if len(c.Parts) == 0 {
		p := c.plot()
		c.fillMain(p, reduce(c.Verdicts, c.Width))
		return []*plot.Plot{p}
	}
	var out []*plot.Plot
	for _, part := range c.Parts {
		p := c.plot()
		p.Title.Text = part.Name
		p.Title.TextStyle.Font, p.Title.TextStyle.Color, p.Title.Padding = sans(fontSize), textGrey, 1
		c.fillMain(p, reduce(part.Verdicts, c.Width))
		out = append(out, p)
	}
	return out
}
