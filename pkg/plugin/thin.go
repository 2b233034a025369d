package plugin

import "github.com/foreshock/foreshock/pkg/detect"

// thinAbove is how many points of a series are sent as they are: what one Prometheus answer may hold, and more than any screen is wide.
const thinAbove = 11_000

// thin chooses which samples of a long series are sent, in order; nil means all. Every anomalous sample and both its neighbours stay, and
// of each stretch of the range the smallest and largest value, the highest score, and the first gap. What stays is not changed.
func thin(v detect.Verdicts, maxDataPoints int64) []int {
	n := v.Series.Grid.N
	if n <= thinAbove {
		return nil
	}
	// At most four samples of a stretch are kept.
	stretches := int(min(max(maxDataPoints, 500), thinAbove/4))
	keep := make([]bool, n)
	keep[0], keep[n-1] = true, true
	for k := range stretches {
		extremes(v, keep, k*n/stretches, (k+1)*n/stretches)
	}
	for i, a := range v.Anomalous {
		if a {
			keep[max(i-1, 0)], keep[i], keep[min(i+1, n-1)] = true, true, true
		}
	}
	kept := make([]int, 0, 4*stretches)
	for i, k := range keep {
		if k {
			kept = append(kept, i)
		}
	}
	return kept
}

// extremes marks the samples of [i, j) that its picture is made of.
func extremes(v detect.Verdicts, keep []bool, i, j int) {
	low, high, top, gap := -1, -1, -1, -1
	for ; i < j; i++ {
		x := v.Series.Values[i]
		if x != x {
			if gap < 0 {
				gap = i
			}
			continue
		}
		if low < 0 || x < v.Series.Values[low] {
			low = i
		}
		if high < 0 || x > v.Series.Values[high] {
			high = i
		}
		if s := v.Score[i]; s == s && (top < 0 || s > v.Score[top]) {
			top = i
		}
	}
	for _, at := range []int{low, high, top, gap} {
		if at >= 0 {
			keep[at] = true
		}
	}
}
