package detect

import (
	"math"
	"slices"

	"github.com/foreshock/foreshock/pkg/robust"
)

// viewing is how a view enters the sum.
type viewing struct {
	// high is the quantile of a score that becomes 1.
	high float64
	// weight is that of the view where nothing speaks for or against it.
	weight float64
	// contrast is the power to which the height of its peak over its 99 % quantile enters the weight: positive where a peak that stands alone makes the view more credible, negative
	// where it would drown the others.
	contrast float64
}

// viewings and the constants below were chosen together on labelled series of five public sets, each checked with that set left out: docs/algorithms/auto.md, "Review".
var viewings = [views]viewing{
	brief:     {high: 0.97, weight: 1, contrast: -0.3},
	shape:     {high: 0.90, weight: 0.6, contrast: 2},
	wide:      {high: 0.97, weight: 1.5, contrast: -1.5},
	clockwork: {high: 0.97, weight: 0.2, contrast: 0.5},
}

const (
	// power lets a view that is sure outvote those that are not.
	power = 2
	// mostContrast bounds the height of a peak.
	mostContrast = 8
	// unlikeFade is how fast shape loses weight with the usual distance of a window from its twin: where nothing repeats, no shape is missing.
	unlikeFade = 6
	// usualLength is the series length at which wide has its weight; it falls as the length grows: an incident covers less of a longer series.
	usualLength = 10_000
)

// sighting is a view being gathered: scores that are averaged.
type sighting struct {
	parts [][]float64
	// unlike is the usual distance of a window from its twin, for shape.
	unlike float64
}

func (m *sighting) add(score []float64) {
	if score != nil {
		m.parts = append(m.parts, score)
	}
}

// combine writes the weighted sum of the powers of all views into raw.
func (l *looked) combine(v *[views]sighting, raw []float64) {
	sum, scratch := make([]float64, len(raw)), make([]float64, len(raw))
	for k := range v {
		if len(v[k].parts) == 0 {
			continue
		}
		set := viewings[k]
		clear(sum)
		for _, part := range v[k].parts {
			addStanding(sum, part, set.high, scratch)
		}
		for i := range sum {
			sum[i] /= float64(len(v[k].parts))
		}
		copy(scratch, sum)
		top := slices.Max(scratch)
		contrast := min(max(top/(quantileOf(scratch, 0.99)+1e-9), 1), mostContrast)
		w := set.weight * math.Pow(contrast, set.contrast)
		switch view(k) {
		case shape:
			w *= math.Exp(-unlikeFade * v[k].unlike)
		case wide:
			w *= usualLength / float64(len(raw))
		default:
		}
		l.Weights[k] = w
		for i, x := range sum {
			raw[i] += w * math.Pow(x, power)
		}
	}
}

// addStanding adds how far the score stands above its median, in units of the distance of a high quantile from it. Where that is nothing, the highest score is 1.
func addStanding(sum, score []float64, high float64, scratch []float64) {
	copy(scratch, score)
	unit := quantileOf(scratch, high)
	low := robust.MedianInPlace(scratch)
	if unit -= low; !(unit > 0) {
		unit = slices.Max(score) - low
	}
	if !(unit > 0) {
		return
	}
	for i, x := range score {
		sum[i] += max(0, x-low) / unit
	}
}

// quantileOf is robust.Quantile of values that need not be sorted; it reorders them.
func quantileOf(values []float64, q float64) float64 {
	h := q * float64(len(values)-1)
	i := int(h)
	low := robust.Select(values, i)
	if i+1 >= len(values) {
		return low
	}
	return low + (h-float64(i))*(slices.Min(values[i+1:])-low)
}

// middle is the median.
func middle(values []float64) float64 { return robust.Median(values, nil) }
