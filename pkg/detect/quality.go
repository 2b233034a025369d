package detect

import (
	"math"
	"slices"
	"strings"

	"github.com/foreshock/foreshock/pkg/series"
)

const (
	// flatMillis is how long a series must keep exactly one value to be flat: shorter runs are rounding or a quiet hour.
	flatMillis = 30 * 60 * 1000
	// flatTimes is how many times longer than any run in the training window it must be as well.
	flatTimes = 2
)

// markFlat finds the samples of a series that is stuck: it keeps exactly one value for longer than it ever did. The score stays: a stuck series may be abnormal besides.
func markFlat(values []float64, r Result, step int64, train []float64) {
	limit := max(int(flatMillis/step), flatTimes*longestRun(train))
	run, last := 0, math.NaN()
	for i, x := range values {
		switch {
		case x != x: // a gap neither ends a run nor belongs to it
			continue
		case x == last:
			run++
		default:
			run, last = 1, x
		}
		if run > limit && r.State[i] == OK {
			r.State[i] = Flat
		}
	}
}

// longestRun returns the largest number of equal samples in a row, gaps left out.
func longestRun(values []float64) int {
	longest, run, last := 0, 0, math.NaN()
	for _, x := range values {
		if x != x {
			continue
		}
		if x == last {
			run++
		} else {
			run, last = 1, x
		}
		longest = max(longest, run)
	}
	return longest
}

const (
	// resetShare is the share of the value before it that a counter has at most when it was reset: it starts from nothing.
	resetShare = 0.1
	// growing is the least share of the steps in which a counter grows; what stays in between does not tell it from a gauge.
	growing = 0.5
)

// counterNames are what the names of counters end in, by the conventions of Prometheus. A result of rate, or of any other function, has no name.
var counterNames = []string{"_total", "_count", "_sum", "_bucket"}

// isCounter reports whether a series is a counter that nobody took the rate of: it has the name of one, and only ever grows, but for falls to nearly nothing.
func isCounter(s series.Series) bool {
	name := s.Labels.Get("__name__")
	if !slices.ContainsFunc(counterNames, func(end string) bool { return strings.HasSuffix(name, end) }) {
		return false
	}
	last, up, steps, falls := math.NaN(), 0, 0, 0
	for _, x := range s.Values {
		if x != x {
			continue
		}
		if x < 0 {
			return false
		}
		if last == last {
			steps++
			switch {
			case x > last:
				up++
			case x < last && x > resetShare*last:
				return false
			case x < last:
				falls++
			}
		}
		last = x
	}
	return steps >= 100 && float64(up) >= growing*float64(steps) && falls*50 <= steps
}

// unreset returns the values of a counter with what it had before each reset added, how much that is per sample, and at which samples it was reset.
func unreset(s series.Series) (grown series.Series, added []float64, resets []int) {
	grown = series.New(s.Labels, s.Grid)
	added = make([]float64, s.Grid.N)
	last, offset := math.NaN(), 0.0
	for i, x := range s.Values {
		if x < last {
			offset += last
			resets = append(resets, i)
		}
		if x == x {
			last = x
		}
		grown.Values[i], added[i] = x+offset, offset
	}
	return grown, added, resets
}

// lower takes what was added back from what is expected, and gives the samples at which the counter was reset their state: between the last sample and this one
// nobody knows what it counted.
func lower(r Result, added []float64, resets []int) {
	for i, x := range added {
		r.Expected[i] -= x
		r.Lower[i] -= x
		r.Upper[i] -= x
	}
	for _, i := range resets {
		if i >= 0 {
			r.Score[i], r.State[i] = math.NaN(), Reset
		}
	}
}
