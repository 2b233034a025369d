package evaluate

import (
	"math"
	"slices"
	"sort"
)

// vusThresholds is how many thresholds the surface is sampled at; the reference scorer takes as many.
const vusThresholds = 250

// vus returns the volumes under the range-aware precision-recall and ROC surfaces over buffers of 0 to buffer samples; NaN without a labelled sample.
//
// A buffer of w adds, on each side of a labelled range, w/2 samples whose label falls off as √(1 − distance/w). Recall is multiplied by the share of the (buffered)
// ranges that are reached at all. The samples are sorted once; per buffer only those near a range are looked at.
//
// Source: Paparrizos, Boniol, Palpanas, Tsay, Elmore and Franklin, Volume Under the Surface: A New Accuracy Evaluation Measure for Time-Series Anomaly Detection,
// PVLDB 15(11), 2022, doi:10.14778/3551793.3551830.
func (r ranking) vus(buffer int) (pr, roc float64) {
	if len(r.events) == 0 {
		return math.NaN(), math.NaN()
	}
	s := newSurface(r)
	for w := range buffer + 1 {
		s.widen(w / 2)
		s.soften(w)
		p, c := s.areas()
		pr += p
		roc += c
	}
	n := float64(buffer + 1)
	return pr / n, roc / n
}

// surface is what does not depend on the buffer, and the scratch of what does.
type surface struct {
	ranking
	level []float64 // thresholds, highest first
	// reached and core count samples and labelled samples per threshold.
	reached, core []float64
	// bin is the first threshold that a sample reaches.
	bin []uint8
	// half is the present half buffer, and peak the highest score of each range with it on both sides.
	half int
	peak []float64
	// tops are the peaks of ranges that are merged where their buffers touch.
	tops []float64
	fall []float64
	soft []float64
	ext  []float64 // soft labels per threshold
}

func newSurface(r ranking) *surface {
	n := len(r.score)
	s := &surface{
		ranking: r, level: make([]float64, vusThresholds), reached: make([]float64, vusThresholds), core: make([]float64, vusThresholds),
		bin: make([]uint8, n), peak: make([]float64, len(r.events)), soft: make([]float64, n), ext: make([]float64, vusThresholds),
	}
	step := float64(n-1) / (vusThresholds - 1)
	for k := range s.level {
		at := int(float64(k) * step)
		if k == vusThresholds-1 {
			at = n - 1
		}
		s.level[k] = r.score[r.order[at]]
	}
	next, hit := 0, 0
	for k, level := range s.level {
		for ; next < n && r.score[r.order[next]] >= level; next++ {
			i := r.order[next]
			s.bin[i] = uint8(k)
			if r.label[i] {
				hit++
			}
		}
		s.reached[k], s.core[k] = float64(next), float64(hit)
	}
	for e, g := range r.events {
		s.peak[e] = slices.Max(r.score[g.First : g.Last+1])
	}
	return s
}

// widen grows the buffered ranges to half a buffer, which grows by at most one between calls, and collects their peaks.
func (s *surface) widen(half int) {
	n := len(s.score)
	if half > s.half {
		for e, g := range s.events {
			if i := g.First - half; i >= 0 {
				s.peak[e] = max(s.peak[e], s.score[i])
			}
			if i := g.Last + half; i < n {
				s.peak[e] = max(s.peak[e], s.score[i])
			}
		}
		s.half = half
	} else if len(s.tops) > 0 {
		return
	}
	s.tops = s.tops[:0]
	for e, g := range s.events {
		if e > 0 && s.events[e-1].Last+half >= g.First-half {
			k := len(s.tops) - 1
			s.tops[k] = max(s.tops[k], s.peak[e])
			continue
		}
		s.tops = append(s.tops, s.peak[e])
	}
	slices.Sort(s.tops)
}

// soften sums the soft labels of buffer w per threshold.
func (s *surface) soften(w int) {
	clear(s.ext)
	half := w / 2
	if half == 0 {
		return
	}
	s.fall = s.fall[:0]
	for d := 1; d <= half; d++ {
		s.fall = append(s.fall, math.Sqrt(1-float64(d)/float64(w)))
	}
	for _, g := range s.events {
		after := s.soft[g.Last+1 : min(g.Last+1+half, len(s.soft))]
		for d := range after {
			after[d] += s.fall[d]
		}
		for d := range min(half, g.First) {
			s.soft[g.First-1-d] += s.fall[d]
		}
	}
	for _, g := range s.events {
		s.collect(max(g.First-half, 0), g.First)
		s.collect(g.Last+1, min(g.Last+1+half, len(s.soft)))
	}
	for k := 1; k < len(s.ext); k++ {
		s.ext[k] += s.ext[k-1]
	}
}

// collect adds the soft labels of [i, j) to their thresholds and clears them, so that a sample near two ranges counts once.
func (s *surface) collect(i, j int) {
	for ; i < j; i++ {
		if x := s.soft[i]; x != 0 {
			s.soft[i] = 0
			if !s.label[i] {
				s.ext[s.bin[i]] += min(x, 1)
			}
		}
	}
}

// areas returns the areas under the two curves at the present buffer.
func (s *surface) areas() (pr, roc float64) {
	n, positive, ranges := float64(len(s.score)), float64(s.positive), float64(len(s.tops))
	x0, y0 := 0.0, 0.0
	for k, level := range s.level {
		found := (ranges - float64(sort.SearchFloat64s(s.tops, level))) / ranges
		hit := s.core[k] + s.ext[k]
		all := positive + s.ext[k]/2
		y := min(hit/all, 1) * found
		x := (s.reached[k] - hit) / (n - all)
		pr += (y - y0) * hit / s.reached[k]
		roc += (x - x0) * (y + y0) / 2
		x0, y0 = x, y
	}
	return pr, roc + (1-x0)*(1+y0)/2
}
